// SPDX-License-Identifier: GPL-2.0-only
/*
 * `khv console`: the serial port of a VM in the background, on this terminal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/client.h"
#include "devices/serial.h"
#include "khv.h"
#include "machine/escape.h"
#include "machine/signals.h"
#include "machine/terminal.h"

static const char console_help[] =
	"usage: khv console NAME\n"
	"\n"
	"Connects standard input and output to the serial port of a virtual machine that\n"
	"was started with khv run --detach, beginning with what it has sent and nobody has\n"
	"seen. One process at a time has it. It ends with the guest, with Ctrl-A d, and,\n"
	"if standard input is no terminal, with its end.\n"
	"\n"
	"  -h, --help      this text\n"
	"\n"
	"Exit status: 0, 1 there is no such console or somebody has it, 2 wrong usage,\n"
	"128+N ended by signal N.\n";

static const char keys_help[] =
	"\n"
	"khv: Ctrl-A d  leave the console; the guest goes on\n"
	"khv: Ctrl-A x  end the guest at once\n"
	"khv: Ctrl-A b  send a break (Linux: magic SysRq)\n"
	"khv: Ctrl-A a  send Ctrl-A itself\n"
	"khv: Ctrl-A h  this help\n";

#define RUNNING (-1)

struct console {
	struct khv_names *names;
	const char *name;
	int fd, signals;
	struct khv_escape escape;
	bool tty;
	bool eof;		/* no more input */
	uint8_t packet[1 + KHV_SERIAL_CHUNK];	/* of input, being sent */
	size_t len;		/* of @packet; 0: there is none */
	int status;		/* or RUNNING */
};

static void send_kind(struct console *con, char kind)
{
	if (send(con->fd, &kind, 1, MSG_NOSIGNAL) != 1 && con->status == RUNNING) {
		khv_fail("leave", con->name, NULL, "%m");
		con->status = KHV_ERROR;
	}
}

static void end_guest(struct console *con)
{
	struct khv_reply reply;
	int fd = khv_ask(con->names, con->name, "kill", "kill", &reply);

	if (fd >= 0)
		close(fd);
}

static void key(void *ctx, char c)
{
	struct console *con = ctx;

	switch (c) {
	case 'd':
		con->eof = true;
		break;
	case 'x':
		end_guest(con);
		break;
	case 'b':
		send_kind(con, KHV_PACKET_BREAK);
		break;
	case 'h':
	case '?':
		fputs(keys_help, stderr);
		break;
	}
}

static void read_input(struct console *con)
{
	uint8_t keys[KHV_SERIAL_CHUNK];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));
	size_t len = n > 0 ? (size_t)n : 0;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0)
		con->eof = true;
	if (con->tty)
		len = khv_escape_filter(&con->escape, keys, len);
	/* Of what is typed at a guest that reads nothing, the last is lost. */
	if (len && !con->len) {
		con->packet[0] = KHV_PACKET_INPUT;
		memcpy(con->packet + 1, keys, len);
		con->len = 1 + len;
	}
}

static void send_input(struct console *con)
{
	ssize_t n = send(con->fd, con->packet, con->len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		con->len = 0;
}

static void show(struct console *con, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, bytes, len);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0) {
			khv_fail("write", "the guest's console", NULL, "standard output: %m");
			con->status = KHV_ERROR;
			return;
		}
		bytes += n;
		len -= (size_t)n;
	}
}

static void receive(struct console *con)
{
	char packet[1 + KHV_PACKET_DATA + 1];
	ssize_t n = recv(con->fd, packet, sizeof(packet) - 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fprintf(stderr, "\nkhv: the process of %s has ended\n", con->name);
		con->status = KHV_OK;
		return;
	}
	packet[n] = '\0';
	switch (packet[0]) {
	case KHV_PACKET_OUTPUT:
		show(con, packet + 1, (size_t)n - 1);
		break;
	case KHV_PACKET_LOST:
		fprintf(stderr, "\nkhv: %.20s bytes before this were not kept\n", packet + 1);
		break;
	case KHV_PACKET_DETACH:
		con->status = KHV_OK;
		break;
	case KHV_PACKET_END:
		fprintf(stderr, "\nkhv: %s has ended: %.20s\n", con->name, packet + 1);
		con->status = KHV_OK;
		break;
	}
}

static void handle_signal(struct console *con)
{
	int sig = khv_signals_read(con->signals);

	if (sig == SIGTSTP) {
		khv_terminal_leave();
		khv_signals_suspend();
		if (con->tty)
			khv_terminal_enter(STDIN_FILENO);
	} else if (sig) {
		con->status = 128 + sig;
	}
}

/* Until the guest ends, or all that was typed is sent and all that was said is shown. */
static void talk(struct console *con)
{
	enum { SIGNALS, INPUT, SERVER, NR };
	struct pollfd fds[NR] = { [SIGNALS] = { .fd = con->signals, .events = POLLIN } };
	bool leaving = false;

	while (con->status == RUNNING) {
		if (con->eof && !con->len && !leaving) {
			leaving = true;
			send_kind(con, KHV_PACKET_DETACH);
		}
		/* A terminal is read however busy the guest is, for the escape key. */
		fds[INPUT] = (struct pollfd){
			.fd = con->eof || (con->len && !con->tty) ? -1 : STDIN_FILENO,
			.events = POLLIN,
		};
		fds[SERVER] = (struct pollfd){
			.fd = con->fd, .events = (short)(POLLIN | (con->len ? POLLOUT : 0)),
		};
		if (poll(fds, NR, -1) < 0)
			continue;
		if (fds[SIGNALS].revents)
			handle_signal(con);
		if (fds[INPUT].revents)
			read_input(con);
		if (fds[SERVER].revents & POLLOUT)
			send_input(con);
		if (fds[SERVER].revents & ~POLLOUT)
			receive(con);
	}
}

static int attach(struct console *con)
{
	struct khv_reply reply;

	con->fd = khv_ask(con->names, con->name, "open the console of", "console", &reply);
	if (con->fd < 0)
		return KHV_ERROR;
	con->signals = khv_signals_open();
	if (con->signals < 0 || (con->tty && khv_terminal_enter(STDIN_FILENO)))
		return KHV_ERROR;
	if (con->tty)
		fprintf(stderr, "khv: this is the console of %s; Ctrl-A d leaves it, "
			"Ctrl-A h lists keys\n", con->name);
	talk(con);
	khv_terminal_leave();
	return con->status;
}

int khv_cmd_console(int argc, char **argv)
{
	struct khv_vm_command cmd = { .help = console_help, .options = "" };
	int err = khv_vm_command_begin(&cmd, argc, argv);
	struct console con = {
		.names = &cmd.names, .name = cmd.name, .fd = -1, .tty = isatty(STDIN_FILENO),
		.escape = { .command = key, .ctx = &con }, .status = RUNNING,
	};

	if (err)
		return err == KHV_DONE ? KHV_OK : err;
	err = attach(&con);
	if (con.fd >= 0)
		close(con.fd);
	khv_names_close(&cmd.names);
	return err;
}
