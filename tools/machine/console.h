/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The line between the guest's serial port and our standard input and output; or, where a
 * backlog takes the output, khv console's.
 */
#ifndef KHV_TOOL_CONSOLE_H
#define KHV_TOOL_CONSOLE_H

#include <stdbool.h>

#include "devices/serial.h"
#include "machine/backlog.h"
#include "machine/escape.h"
#include "machine/gate.h"
#include "machine/stop.h"

struct khv_console {
	struct khv_serial *serial;
	struct khv_stop *stop;
	struct khv_gate *gate;
	struct khv_backlog *backlog;	/* where output goes; NULL: standard output */
	struct khv_escape escape;
	bool tty;	/* standard input is a terminal: raw mode and the escape key */
	bool eof;	/* standard input has ended, or is not used */
};

/* @backlog: or NULL. Returns 0, or -1 after a message. */
int khv_console_init(struct khv_console *con, struct khv_serial *serial, struct khv_stop *stop,
		     struct khv_gate *gate, struct khv_backlog *backlog);
void khv_console_uninit(struct khv_console *con);

/* Enter raw mode (again), if standard input is a terminal. 0, or -1 after a message. */
int khv_console_resume(struct khv_console *con);

/* Whether standard input should be polled now. */
bool khv_console_wants_input(struct khv_console *con);
/* Standard input is readable, or has failed. */
void khv_console_input(struct khv_console *con);
/* Send one byte on. To standard output that may block, until a stop is requested. */
void khv_console_output(struct khv_console *con, uint8_t byte);

#endif
