/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every part of the khv program shares: the exit statuses that its users
 * may rely on, the one function that reports errors, and the commands.
 */
#ifndef KHV_TOOL_H
#define KHV_TOOL_H

#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define KHV_DEFAULT_ACCEL "/dev/khv"

/* Exit statuses, documented in khv.1. A signal N ends the program with 128 + N. */
enum khv_status {
	KHV_OK = 0,		/* the guest powered off or reset, or the command worked */
	KHV_ERROR = 1,		/* could not start, or the console failed */
	KHV_USAGE = 2,		/* wrong command line */
	KHV_GUEST_CRASH = 3,	/* triple fault */
	KHV_VM_FAILURE = 4,	/* the hypervisor could not go on with this guest */
	KHV_FORCED = 5,		/* khv stop: the guest did not end in time */
};

/*
 * Report an error on standard error: what could not be done, on which object,
 * why (printf-style, and %m works), and, if @fix is not NULL, what to do about
 * it. Always returns -1, so that a caller can end with `return khv_fail(...)`.
 */
int khv_fail(const char *what, const char *on, const char *fix, const char *why, ...)
	__attribute__((format(printf, 4, 5)));

/* As khv_fail() for a wrong command line of @command; returns KHV_USAGE. */
int khv_usage(const char *command, const char *why, ...) __attribute__((format(printf, 2, 3)));

/*
 * The commands. Each gets its own name in argv[0], parses the rest and returns
 * an exit status.
 */
int khv_cmd_run(int argc, char **argv);
int khv_cmd_ps(int argc, char **argv);
int khv_cmd_console(int argc, char **argv);
int khv_cmd_pause(int argc, char **argv);
int khv_cmd_resume(int argc, char **argv);
int khv_cmd_stop(int argc, char **argv);
int khv_cmd_kill(int argc, char **argv);
int khv_cmd_set(int argc, char **argv);
int khv_cmd_sched(int argc, char **argv);
int khv_cmd_pool(int argc, char **argv);
int khv_cmd_doctor(int argc, char **argv);
int khv_cmd_stat(int argc, char **argv);
int khv_cmd_version(int argc, char **argv);

#endif
