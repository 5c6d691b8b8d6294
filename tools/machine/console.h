/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The line between the guest's serial port and our standard input and output.
 */
#ifndef KHV_TOOL_CONSOLE_H
#define KHV_TOOL_CONSOLE_H

#include <stdbool.h>

#include "devices/serial.h"
#include "machine/stop.h"

struct khv_console {
	struct khv_serial *serial;
	struct khv_stop *stop;
	bool tty;	/* standard input is a terminal: raw mode and the escape key */
	bool escape;	/* the escape key was the last one */
	bool eof;	/* standard input has ended */
};

/* Returns 0, or -1 after a message. */
int khv_console_init(struct khv_console *con, struct khv_serial *serial, struct khv_stop *stop);
void khv_console_uninit(struct khv_console *con);

/* Enter raw mode (again), if standard input is a terminal. 0, or -1 after a message. */
int khv_console_resume(struct khv_console *con);

/* Whether standard input should be polled now. */
bool khv_console_wants_input(struct khv_console *con);
/* Standard input is readable, or has failed. */
void khv_console_input(struct khv_console *con);
/* Send one byte to standard output. May block, until a stop is requested. */
void khv_console_output(struct khv_console *con, uint8_t byte);

/*
 * What is left of @len bytes at @keys for the guest once the escape sequences
 * are taken out and obeyed. Returns the new length. Part of khv_console_input().
 */
size_t khv_console_filter(struct khv_console *con, uint8_t *keys, size_t len);

#endif
