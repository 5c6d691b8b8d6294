// SPDX-License-Identifier: GPL-2.0-only
/*
 * Saves and restores terminal settings. What the keys mean is console.c's.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <termios.h>

#include "khv.h"
#include "machine/terminal.h"

static struct {
	int fd;
	struct termios saved;
	volatile sig_atomic_t raw;
	bool registered;
} terminal;

void khv_terminal_leave(void)
{
	if (!terminal.raw)
		return;
	tcsetattr(terminal.fd, TCSANOW, &terminal.saved);
	terminal.raw = 0;
}

/* The disposition is back to the default, so the signal, raised again, ends the process. */
static void fatal_signal(int sig)
{
	khv_terminal_leave();
	raise(sig);
}

static void restore_on_every_exit(void)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	struct sigaction sa = { .sa_handler = fatal_signal, .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &sa, NULL);
	atexit(khv_terminal_leave);
	terminal.registered = true;
}

int khv_terminal_enter(int fd)
{
	struct termios raw;

	if (terminal.raw)
		return 0;
	terminal.fd = fd;
	if (tcgetattr(fd, &terminal.saved))
		return khv_fail("configure", "the terminal", NULL, "%m");
	if (!terminal.registered)
		restore_on_every_exit();

	raw = terminal.saved;
	cfmakeraw(&raw);
	/* Messages of our own end lines with a newline alone. */
	raw.c_oflag = terminal.saved.c_oflag;
	terminal.raw = 1;
	if (tcsetattr(fd, TCSANOW, &raw)) {
		terminal.raw = 0;
		return khv_fail("configure", "the terminal", NULL, "%m");
	}
	return 0;
}
