// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system calls that each kind of thread may make, as seccomp filters.
 *
 * A list says what is in use, down to the descriptor and the ioctl's number. What
 * is refused raises SIGSYS, whose handler says which call it was and ends the
 * process: a defect of khv or an attack, in either case not to go on with.
 */
#define _GNU_SOURCE
#include <asm/termbits.h>
#include <asm/ioctls.h>
#include <errno.h>
#include <linux/kvm.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "../uapi/khv.h"
#include "khv.h"
#include "machine/terminal.h"
#include "sandbox/sandbox.h"

#define L	(1u << KHV_SANDBOX_LOADER)
#define IO	(1u << KHV_SANDBOX_IO)
#define AP	(1u << KHV_SANDBOX_WAITING_VCPU)
#define CPU	(1u << KHV_SANDBOX_VCPU | AP)
#define ALL	(L | IO | CPU)

/* Which of struct khv_sandbox's members, or a constant. */
enum fd {
	FD_STDIN, FD_STDOUT, FD_STDERR, FD_VM, FD_VCPU, FD_SIGNALS, FD_TIMER, FD_STOP, FD_WAKE,
	FD_CONTROL, FD_READY, FD_LOG,
};

/* Whatever the arguments. */
static const struct {
	int nr;
	unsigned int who;
} plain[] = {
	/* What the C library does by itself: memory, time, locks, the end of threads. */
	{ SCMP_SYS(brk), ALL }, { SCMP_SYS(munmap), ALL }, { SCMP_SYS(mremap), ALL },
	{ SCMP_SYS(madvise), ALL }, { SCMP_SYS(futex), ALL }, { SCMP_SYS(clock_gettime), ALL },
	{ SCMP_SYS(gettimeofday), ALL }, { SCMP_SYS(rt_sigprocmask), ALL },
	{ SCMP_SYS(rt_sigreturn), ALL }, { SCMP_SYS(restart_syscall), ALL },
	{ SCMP_SYS(sched_yield), ALL }, { SCMP_SYS(sched_getaffinity), ALL },
	{ SCMP_SYS(getpid), ALL }, { SCMP_SYS(gettid), ALL }, { SCMP_SYS(exit), ALL },
	{ SCMP_SYS(exit_group), ALL },
	/* The console, and the devices' timers. */
	{ SCMP_SYS(poll), ALL }, { SCMP_SYS(ppoll), ALL },
	/* A vCPU that waits for the mailbox. */
	{ SCMP_SYS(clock_nanosleep), L | AP }, { SCMP_SYS(nanosleep), L | AP },
	/* The machine is taken down by the thread that made it. */
	{ SCMP_SYS(close), L | IO },
	/* Threads, and what they enter. */
	{ SCMP_SYS(clone), L }, { SCMP_SYS(clone3), L }, { SCMP_SYS(set_robust_list), L },
	{ SCMP_SYS(rseq), L }, { SCMP_SYS(seccomp), L }, { SCMP_SYS(rt_sigaction), L },
	{ SCMP_SYS(getrandom), L }, { SCMP_SYS(fstat), L }, { SCMP_SYS(newfstatat), L },
#ifdef __SANITIZE_ADDRESS__
	{ SCMP_SYS(sigaltstack), ALL },	/* unit tests: at the end of each thread */
#endif
};

static const struct {
	int nr;
	enum fd fd;
	unsigned int who;
} on_fd[] = {
	{ SCMP_SYS(write), FD_STDOUT, ALL }, { SCMP_SYS(write), FD_STDERR, ALL },
	{ SCMP_SYS(write), FD_STOP, ALL }, { SCMP_SYS(write), FD_WAKE, ALL },
	{ SCMP_SYS(writev), FD_STDERR, ALL },
	{ SCMP_SYS(read), FD_STDIN, L | IO }, { SCMP_SYS(read), FD_SIGNALS, L | IO },
	{ SCMP_SYS(read), FD_TIMER, L | IO }, { SCMP_SYS(read), FD_WAKE, L | IO },
	{ SCMP_SYS(timerfd_settime), FD_TIMER, ALL },
	/* Where the machine has a name, its clients; and the way to the background. */
	{ SCMP_SYS(accept4), FD_CONTROL, L | IO },
	{ SCMP_SYS(write), FD_READY, L | IO }, { SCMP_SYS(dup3), FD_LOG, L | IO },
};

static const struct {
	enum fd fd;
	unsigned int request;
	unsigned int who;
} ioctls[] = {
	{ FD_VCPU, KVM_RUN, L | CPU },
	{ FD_VM, KVM_IRQ_LINE, ALL },
	/* A pause. */
	{ FD_VM, KVM_GET_CLOCK, L | IO }, { FD_VM, KVM_SET_CLOCK, L | IO },
	{ FD_VCPU, KVM_KVMCLOCK_CTRL, L | CPU },
	/* khv set. */
	{ FD_VM, KHV_SET_SCHED, L | IO }, { FD_VM, KHV_GET_SCHED, L | IO },
	{ FD_VCPU, KVM_GET_REGS, L | CPU }, { FD_VCPU, KVM_GET_SREGS, L | CPU },
	/* The first vCPU's state, and its own where a thread waits for the mailbox. */
	{ FD_VCPU, KVM_SET_REGS, L | AP }, { FD_VCPU, KVM_SET_SREGS, L | AP },
	{ FD_VCPU, KVM_SET_FPU, L | AP }, { FD_VCPU, KVM_SET_MP_STATE, L | AP },
	{ FD_STDIN, TCGETS, L | IO }, { FD_STDIN, TCSETS, L | IO },
	{ FD_STDIN, TCGETS2, L | IO }, { FD_STDIN, TCSETS2, L | IO },
	/* A fatal signal in the vCPU's thread restores the terminal there. */
	{ FD_STDIN, TCSETS, CPU }, { FD_STDIN, TCSETS2, CPU },
};

static const char *const thread_names[] = {
	[KHV_SANDBOX_LOADER] = "the loader",
	[KHV_SANDBOX_IO] = "the I/O thread",
	[KHV_SANDBOX_VCPU] = "the vCPU's thread",
	[KHV_SANDBOX_WAITING_VCPU] = "the vCPU's thread",
};

static _Thread_local enum khv_sandbox_thread self;

/* System calls' names, for a handler that can allocate nothing. */
#define NR_NAMES 512
static const char *names[NR_NAMES];

static void put(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}

static void put_number(unsigned long value, unsigned int base)
{
	char digits[24];
	char *at = &digits[sizeof(digits) - 1];

	*at = '\0';
	do {
		*--at = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	put(at);
}

static void refused(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	unsigned int nr = (unsigned int)info->si_syscall;

	(void)sig;
	khv_terminal_leave();
	put("khv: cannot go on with the guest: the sandbox refuses ");
	put(thread_names[self]);
	put(" the system call ");
	put(nr < NR_NAMES && names[nr] ? names[nr] : "unknown");
	put(" (");
	put_number(nr, 10);
	if (nr == SYS_ioctl) {
		put(", request 0x");
		put_number((unsigned long)uc->uc_mcontext.gregs[REG_RSI], 16);
	}
	put(")\nkhv: this is a defect of khv, or the guest has broken into this process: ");
	put("please report it\n");
	_exit(KHV_VM_FAILURE);
}

static void catch_refusals(void)
{
	struct sigaction sa = { .sa_sigaction = refused, .sa_flags = SA_SIGINFO };

	for (int nr = 0; nr < NR_NAMES; nr++)
		names[nr] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
	sigaction(SIGSYS, &sa, NULL);
}

static int number(enum fd fd, const struct khv_sandbox *fds)
{
	switch (fd) {
	case FD_STDIN:
		return STDIN_FILENO;
	case FD_STDOUT:
		return STDOUT_FILENO;
	case FD_STDERR:
		return STDERR_FILENO;
	case FD_VM:
		return fds->vm;
	case FD_VCPU:
		return fds->vcpu;
	case FD_SIGNALS:
		return fds->signals;
	case FD_TIMER:
		return fds->timer;
	case FD_STOP:
		return fds->stop;
	case FD_CONTROL:
		return fds->control;
	case FD_READY:
		return fds->ready;
	case FD_LOG:
		return fds->log;
	default:
		return fds->wake;
	}
}

/*
 * Memory that can be executed is not to be had, nor a file's, whatever descriptors there are, nor
 * signals for other processes.
 */
static int add_special(scmp_filter_ctx ctx, bool loader)
{
	/* -1 as an int, which is all of it that the kernel looks at. */
	const scmp_datum_t no_file = (uint32_t)-1;
	int err;

	err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
			       SCMP_A4(SCMP_CMP_MASKED_EQ, no_file, no_file));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	if (!err && loader)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				       SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
	return err;
}

/*
 * What the I/O thread does with a client, whose descriptor is not known yet: calls that
 * work on sockets alone, and with no address. The process has none but clients, and those that
 * whoever started it has left open.
 */
static int add_clients(scmp_filter_ctx ctx)
{
	int err;

	err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(recvfrom), 1,
			       SCMP_A4(SCMP_CMP_EQ, 0));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1,
				       SCMP_A4(SCMP_CMP_EQ, 0));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(getsockopt), 2,
				       SCMP_A1_32(SCMP_CMP_EQ, SOL_SOCKET),
				       SCMP_A2_32(SCMP_CMP_EQ, SO_PEERCRED));
	return err;
}

/* @fd: or -1 for any. */
static int add_ioctl(scmp_filter_ctx ctx, int fd, unsigned int request)
{
	struct scmp_arg_cmp nr = SCMP_A1(SCMP_CMP_EQ, request);

	if (fd < 0)
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, nr);
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 2,
				SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)fd), nr);
}

static int add_rules(scmp_filter_ctx ctx, unsigned int who, const struct khv_sandbox *fds)
{
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(plain); i++)
		if (plain[i].who & who)
			err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, plain[i].nr, 0);
	for (size_t i = 0; !err && i < ARRAY_SIZE(on_fd); i++)
		if (on_fd[i].who & who && number(on_fd[i].fd, fds) >= 0)
			err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, on_fd[i].nr, 1,
					       SCMP_A0_32(SCMP_CMP_EQ,
							  (uint32_t)number(on_fd[i].fd, fds)));
	for (size_t i = 0; !err && i < ARRAY_SIZE(ioctls); i++)
		if (ioctls[i].who & who)
			err = add_ioctl(ctx, number(ioctls[i].fd, fds), ioctls[i].request);
	if (!err && who & (L | IO) && fds->control >= 0)
		err = add_clients(ctx);
	return err ? err : add_special(ctx, who & L);
}

static bool kernel_has_filters(void)
{
	unsigned int action = SECCOMP_RET_TRAP;

	return !syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
}

int khv_sandbox_enter(enum khv_sandbox_thread thread, const struct khv_sandbox *fds)
{
	scmp_filter_ctx ctx;
	int err = -ENOMEM;

	self = thread;
	if (thread == KHV_SANDBOX_LOADER) {
		if (!kernel_has_filters()) {
			fputs("khv: warning: this kernel has no seccomp filters; ", stderr);
			fputs("who breaks out of the guest finds all system calls\n", stderr);
			return 0;
		}
		catch_refusals();
	} else if (!names[0]) {
		return 0;	/* said already */
	}
	ctx = seccomp_init(SCMP_ACT_TRAP);
	if (!ctx)
		goto fail;
	/* Privileges are gone; of other architectures' calls there is none. */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	err = add_rules(ctx, 1u << thread, fds);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	if (!err)
		return 0;
fail:
	errno = -err;
	return khv_fail("enter", "the sandbox", NULL, "seccomp filter of %s: %m",
			thread_names[thread]);
}
