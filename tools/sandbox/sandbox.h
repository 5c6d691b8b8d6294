/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the process gives up before it looks at anything that a guest, or whoever
 * made its kernel, could have written: first its privileges, then system calls.
 *
 * privileges.c owns user, capabilities and limits; filter.c the lists of system
 * calls, one for each kind of thread. All that needs more has been done before.
 */
#ifndef KHV_TOOL_SANDBOX_H
#define KHV_TOOL_SANDBOX_H

#include <sys/types.h>

/* Whom --user names. */
struct khv_user {
	uid_t uid;
	gid_t gid;
};

/*
 * NAME of /etc/passwd, UID, or UID:GID. Returns 0, or -1 when @text is none of these.
 */
int khv_user_parse(const char *text, struct khv_user *user);

/*
 * Become @user, if this is root and @user is not NULL: root without it becomes nobody.
 * Then, whoever it is: no capability is left, no executed program could get any, no
 * core file is written, and few more files can be opened. There must be one thread.
 * Returns 0, or -1 after a message.
 */
int khv_privileges_drop(const struct khv_user *user);

/* Descriptors that the machine's threads use. */
struct khv_sandbox {
	int vm;			/* of the hypervisor */
	int vcpu;		/* the calling thread's own; -1 in the loader: any */
	int signals, timer;	/* for the I/O thread to read */
	int stop, wake;		/* eventfds */
	/* Each -1 where the machine has none: */
	int control;		/* the I/O thread accepts clients from it */
	int ready, log;		/* of machine/detach.h */
};

/*
 * LOADER is the whole process while it loads the guest and makes its threads. It
 * allows what both of these need, for a filter can only become stricter.
 */
enum khv_sandbox_thread {
	KHV_SANDBOX_LOADER, KHV_SANDBOX_IO, KHV_SANDBOX_VCPU,
	KHV_SANDBOX_WAITING_VCPU,	/* for the mailbox of machine/wakeup.c, and then as VCPU */
};

/*
 * From now on the calling thread, and those that it creates, can make only the system
 * calls of @thread's list, on these descriptors. Any other ends the process, with a
 * message that names it and with the status KHV_VM_FAILURE. A kernel without seccomp
 * gets a warning, once. After khv_privileges_drop(). Returns 0, or -1 after a message.
 */
int khv_sandbox_enter(enum khv_sandbox_thread thread, const struct khv_sandbox *fds);

#endif
