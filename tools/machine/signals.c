// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals arrive through a signalfd in the thread that polls, so that no code
 * runs in a handler.
 */
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "khv.h"
#include "machine/signals.h"
#include "machine/vcpu.h"

static void kicked(int sig)
{
	/* That a system call was interrupted is all the effect wanted. */
	(void)sig;
}

/* Whoever started us may have left them blocked: kicks must arrive, and faults be handled. */
static void unblock(void)
{
	static const int needed[] = {
		KHV_KICK_SIGNAL, SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT,
	};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		sigaddset(&set, needed[i]);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int khv_signals_open(void)
{
	static const int handled[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
	struct sigaction kick = { .sa_handler = kicked }, old;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(handled); i++)
		/* nohup and shells' background jobs ignore some, and mean it. */
		if (!sigaction(handled[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaddset(&set, handled[i]);

	sigaction(KHV_KICK_SIGNAL, &kick, NULL);
	signal(SIGPIPE, SIG_IGN);
	unblock();
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return khv_fail("handle", "signals", NULL, "signalfd: %m");
	return fd;
}

int khv_signals_read(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

void khv_signals_suspend(void)
{
	/* SIGTSTP itself is blocked; this one cannot be. */
	raise(SIGSTOP);
}
