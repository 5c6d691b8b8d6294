// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves bytes between the serial port and standard input and output, and obeys
 * the escape key. Who polls, and when, is pc.c's.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "khv.h"
#include "machine/console.h"
#include "machine/terminal.h"

#define RETRY_MS	100

static const char escape_help[] =
	"\n"
	"khv: Ctrl-A x  end the guest at once\n"
	"khv: Ctrl-A b  send a break (Linux: magic SysRq)\n"
	"khv: Ctrl-A a  send Ctrl-A itself\n"
	"khv: Ctrl-A h  this help\n";

static void escape_command(void *ctx, char key)
{
	struct khv_console *con = ctx;

	switch (key) {
	case 'x':
		khv_stop_request(con->stop, KHV_STOP_QUIT);
		break;
	case 'b':
		khv_serial_break(con->serial);
		break;
	case 'h':
	case '?':
		fputs(escape_help, stderr);
		break;
	}
}

bool khv_console_wants_input(struct khv_console *con)
{
	/*
	 * A terminal is always read, for the escape key must work however busy the
	 * guest is; a pipe can wait until all of a chunk fits.
	 */
	return !con->eof && (con->tty || khv_serial_has_room(con->serial));
}

void khv_console_input(struct khv_console *con)
{
	uint8_t bytes[KHV_SERIAL_CHUNK];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
	size_t len;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		con->eof = true;
		return;
	}
	len = (size_t)n;
	if (con->tty)
		len = khv_escape_filter(&con->escape, bytes, len);
	/* Of what is typed at a guest that reads nothing, the last is lost. */
	khv_serial_receive(con->serial, bytes, len);
}

void khv_console_output(struct khv_console *con, uint8_t byte)
{
	if (con->backlog) {
		khv_backlog_put(con->backlog, byte);
		return;
	}
	while (khv_gate_pass(con->gate) || khv_stop_reason(con->stop) == KHV_STOP_NONE) {
		struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

		if (write(STDOUT_FILENO, &byte, 1) == 1)
			return;
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN) {	/* somebody made it non-blocking */
			poll(&out, 1, RETRY_MS);
			continue;
		}
		khv_fail("write", "the guest's console", NULL, "standard output: %m");
		khv_stop_request(con->stop, KHV_STOP_CONSOLE);
	}
}

int khv_console_resume(struct khv_console *con)
{
	return con->tty ? khv_terminal_enter(STDIN_FILENO) : 0;
}

int khv_console_init(struct khv_console *con, struct khv_serial *serial, struct khv_stop *stop,
		     struct khv_gate *gate, struct khv_backlog *backlog)
{
	*con = (struct khv_console){
		.serial = serial, .stop = stop, .gate = gate, .backlog = backlog,
		.escape = { .command = escape_command, .ctx = con },
		.tty = !backlog && isatty(STDIN_FILENO), .eof = backlog,
	};
	if (khv_console_resume(con))
		return -1;
	if (con->tty)
		fputs("khv: this is the guest's console; Ctrl-A h lists keys, Ctrl-A x ends it\n",
		      stderr);
	return 0;
}

void khv_console_uninit(struct khv_console *con)
{
	if (con->tty)
		khv_terminal_leave();
}
