// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sandbox, entered as the program enters it: what a thread needs goes through,
 * anything else ends the process with a message. Each case is a process of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "khv.h"
#include "sandbox/sandbox.h"
#include "tests/tap.h"

#define PASSED 77	/* no status of the program's */

static struct khv_sandbox fds;
static int other;	/* a descriptor that the lists do not have */

static void open_fds(void)
{
	fds = (struct khv_sandbox){
		.vm = eventfd(0, 0), .vcpu = eventfd(0, 0), .signals = eventfd(100, EFD_SEMAPHORE),
		.timer = timerfd_create(CLOCK_REALTIME, 0), .stop = eventfd(0, 0),
		.wake = eventfd(100, EFD_SEMAPHORE), .control = -1, .ready = -1, .log = -1,
	};
	other = eventfd(1, 0);
}

/* What a child wrote to standard error. */
static char message[1024];

/*
 * Run @call in a child that is in @thread's sandbox, as the program gets there. Its
 * status, or 128 + the signal that killed it.
 */
static int in_sandbox(enum khv_sandbox_thread thread, void (*call)(void))
{
	struct khv_sandbox loader = fds;
	int err[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	loader.vcpu = -1;
	if (pipe(err))
		return -1;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(err[1], STDERR_FILENO);
		close(err[0]);
		close(err[1]);
		if (khv_privileges_drop(NULL) || khv_sandbox_enter(KHV_SANDBOX_LOADER, &loader) ||
		    (thread != KHV_SANDBOX_LOADER && khv_sandbox_enter(thread, &fds)))
			_exit(1);
		call();
		_exit(PASSED);
	}
	close(err[1]);
	alarm(60);	/* a child that hangs must not take the tests with it */
	while (len < sizeof(message) - 1 &&
	       (n = read(err[0], message + len, sizeof(message) - 1 - len)) > 0)
		len += (size_t)n;
	message[len] = '\0';
	close(err[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- what must be refused ---- */

static void call_open(void) { syscall(SYS_open, "/etc/passwd", O_RDONLY); }
static void call_openat(void) { open("/etc/passwd", O_RDONLY); }
static void call_socket(void) { socket(AF_INET, SOCK_STREAM, 0); }
static void call_unix_socket(void) { socket(AF_UNIX, SOCK_STREAM, 0); }
static void call_execve(void) { execl("/bin/true", "true", (char *)NULL); }
static void call_fork(void) { syscall(SYS_fork); }
static void call_clone(void) { syscall(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, 0); }
static void call_clone3(void) { syscall(SYS_clone3, NULL, 0); }
static void call_ptrace(void) { syscall(SYS_ptrace, 0, 0, 0, 0); }
static void call_kill(void) { kill(getppid(), 0); }
static void call_tgkill(void) { syscall(SYS_tgkill, getpid() + 1, getpid() + 1, 0); }
static void call_setuid(void) { syscall(SYS_setuid, 0); }
static void call_mount(void) { syscall(SYS_mount, NULL, NULL, NULL, 0, NULL); }
static void call_bpf(void) { syscall(SYS_bpf, 0, NULL, 0); }
static void call_io_uring(void) { syscall(SYS_io_uring_setup, 1, NULL); }
static void call_memfd(void) { syscall(SYS_memfd_create, "x", 0); }
static void call_sigaction(void) { signal(SIGSYS, SIG_IGN); }
static void call_seccomp(void) { syscall(SYS_seccomp, 0, 0, NULL); }
static void call_prctl(void) { prctl(PR_SET_DUMPABLE, 1); }
static void call_sendmsg(void) { syscall(SYS_sendmsg, other, NULL, 0); }
static void call_pidfd_getfd(void) { syscall(SYS_pidfd_getfd, 0, 0, 0); }

static void call_mmap_exec(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void call_mmap_file(void)
{
	mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, other, 0);
}

static void call_mprotect_exec(void)
{
	static char page[8192];

	mprotect((void *)(((uintptr_t)page + 4095) & ~4095ul), 4096, PROT_READ | PROT_EXEC);
}

static void call_read_other(void)
{
	uint64_t value;

	if (read(other, &value, sizeof(value)) < 0)
		return;
}

static void call_write_other(void)
{
	uint64_t value = 1;

	if (write(other, &value, sizeof(value)) < 0)
		return;
}

static void call_create_vcpu(void) { ioctl(fds.vm, KVM_CREATE_VCPU, 1); }
static void call_add_memory(void) { ioctl(fds.vm, KVM_SET_USER_MEMORY_REGION, NULL); }
static void call_set_msrs(void) { ioctl(fds.vcpu, KVM_SET_MSRS, NULL); }
static void call_type_keys(void) { ioctl(STDIN_FILENO, TIOCSTI, "x"); }
static void call_run_other(void) { ioctl(other, KVM_RUN, 0); }
static void call_accept(void) { accept4(other, NULL, NULL, 0); }
static void call_recv(void) { recv(other, message, 1, 0); }
static void call_send(void) { send(other, "", 1, 0); }
static void call_peer(void) { getsockopt(other, SOL_SOCKET, SO_PEERCRED, NULL, NULL); }
static void call_dup3(void) { dup3(other, STDIN_FILENO, 0); }
/* A number that agrees with an allowed one in its lower half. */
static void call_long_request(void) { syscall(SYS_ioctl, fds.vcpu, KVM_RUN | 1ul << 32, 0); }

#define CASE(name) { #name, call_##name }

static const struct refusal {
	const char *name;
	void (*call)(void);
} refusals[] = {
	CASE(open), CASE(openat), CASE(socket), CASE(unix_socket), CASE(execve), CASE(fork),
	CASE(clone), CASE(clone3), CASE(ptrace), CASE(kill), CASE(tgkill), CASE(setuid),
	CASE(mount), CASE(bpf), CASE(io_uring), CASE(memfd), CASE(sigaction), CASE(seccomp),
	CASE(prctl), CASE(sendmsg), CASE(pidfd_getfd), CASE(mmap_exec), CASE(mmap_file),
	CASE(mprotect_exec),
	CASE(read_other), CASE(write_other), CASE(create_vcpu), CASE(add_memory),
	CASE(set_msrs), CASE(type_keys), CASE(run_other), CASE(long_request),
	CASE(accept), CASE(recv), CASE(send), CASE(peer), CASE(dup3),
};

/* The loader makes threads, enters filters and sets registers; which vCPU's is not said. */
static const char *const loader_may[] = {
	"clone", "clone3", "sigaction", "seccomp", "run_other",
};

static bool may(enum khv_sandbox_thread thread, const char *name)
{
	if (thread != KHV_SANDBOX_LOADER)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(loader_may); i++)
		if (!strcmp(name, loader_may[i]))
			return true;
	return false;
}

static const char *const threads[] = {
	[KHV_SANDBOX_LOADER] = "loader", [KHV_SANDBOX_IO] = "I/O thread",
	[KHV_SANDBOX_VCPU] = "vCPU thread",
};

static void test_refused(enum khv_sandbox_thread thread)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		int status;

		if (may(thread, refusals[i].name))
			continue;
		status = in_sandbox(thread, refusals[i].call);
		ok(status == KHV_VM_FAILURE && strstr(message, "the sandbox refuses the ") &&
		   strstr(message, "system call"), "%s: %s is refused: status %d",
		   threads[thread], refusals[i].name, status);
	}
}

static void test_message(void)
{
	in_sandbox(KHV_SANDBOX_VCPU, call_socket);
	ok(strstr(message, "the vCPU's thread the system call socket (41)"),
	   "the message names thread and call: %s", message);
	in_sandbox(KHV_SANDBOX_IO, call_create_vcpu);
	ok(strstr(message, "the I/O thread") && strstr(message, "ioctl (16, request 0xae41)"),
	   "and an ioctl's number");
}

/* ---- what must go through ---- */

static void need(bool passed)
{
	if (!passed)
		_exit(2);
}

static void common_work(void)
{
	struct itimerspec when = { .it_value.tv_sec = 1000 };
	struct kvm_irq_level irq = { 0 };
	struct timespec now;
	char *big = malloc(4 << 20), *bigger;

	need(big != NULL);
	memset(big, 1, 4 << 20);
	bigger = realloc(big, 16 << 20);
	need(bigger != NULL);
	free(bigger);
	need(!clock_gettime(CLOCK_REALTIME, &now));
	need(!timerfd_settime(fds.timer, 0, &when, NULL));
	need(!eventfd_write(fds.stop, 1) && !eventfd_write(fds.wake, 1));
	need(write(STDERR_FILENO, "x", 1) == 1);
	need(!write(STDOUT_FILENO, "", 0));
	/* Not a VM: the filter lets it pass, and the kernel does not know it. */
	need(ioctl(fds.vm, KVM_IRQ_LINE, &irq) == -1 && errno == ENOTTY);
	raise(SIGCONT);
}

static void work_io(void)
{
	struct pollfd pfd = { .fd = fds.wake, .events = POLLIN };
	eventfd_t value;

	common_work();
	need(poll(&pfd, 1, 1000) == 1);
	need(!eventfd_read(fds.wake, &value) && !eventfd_read(fds.signals, &value));
	need(ioctl(STDIN_FILENO, 0x5401 /* TCGETS */, NULL) == -1);
	need(ioctl(fds.vm, KVM_GET_CLOCK, NULL) == -1 && errno == ENOTTY);
	need(ioctl(fds.vm, KVM_SET_CLOCK, NULL) == -1 && errno == ENOTTY);
	need(!close(fds.wake));
}

static void work_vcpu(void)
{
	common_work();
	need(ioctl(fds.vcpu, KVM_RUN, 0) == -1 && errno == ENOTTY);
	need(ioctl(fds.vcpu, KVM_GET_REGS, NULL) == -1 && errno == ENOTTY);
	need(ioctl(fds.vcpu, KVM_KVMCLOCK_CTRL, 0) == -1 && errno == ENOTTY);
}

static void *enter_and_work(void *unused)
{
	(void)unused;
	need(!khv_sandbox_enter(KHV_SANDBOX_VCPU, &fds));
	work_vcpu();
	return NULL;
}

/* As the program does it: a filter for each of two threads, and an end by join. */
static void work_loader(void)
{
	pthread_t thread;

	need(!pthread_create(&thread, NULL, enter_and_work, NULL));
	need(!khv_sandbox_enter(KHV_SANDBOX_IO, &fds));
	need(!pthread_join(thread, NULL));
	work_io();
}

static void test_allowed(void)
{
	int status = in_sandbox(KHV_SANDBOX_IO, work_io);

	ok(status == PASSED, "the I/O thread's work: status %d %s", status, message);
	status = in_sandbox(KHV_SANDBOX_VCPU, work_vcpu);
	ok(status == PASSED, "the vCPU thread's work: status %d %s", status, message);
	status = in_sandbox(KHV_SANDBOX_LOADER, work_loader);
	ok(status == PASSED, "both from the loader: status %d %s", status, message);
}

/* ---- a machine with a name ---- */

static void work_clients(void)
{
	int fd = accept4(fds.control, NULL, NULL, SOCK_CLOEXEC);
	struct ucred cred;
	socklen_t len = sizeof(cred);
	char byte;

	need(fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	need(recv(fd, &byte, 1, MSG_DONTWAIT) == 1 && send(fd, &byte, 1, MSG_NOSIGNAL) == 1);
	need(!close(fd));
	need(dup3(fds.log, STDERR_FILENO, 0) == STDERR_FILENO && write(fds.ready, "", 1) == 1);
	work_io();
}

static void call_accept_other(void) { accept4(STDIN_FILENO, NULL, NULL, 0); }
static void call_sendto(void)
{
	struct sockaddr to = { .sa_family = AF_UNIX };

	sendto(fds.control, "", 1, 0, &to, sizeof(to));
}

static void call_setsockopt(void) { setsockopt(fds.control, SOL_SOCKET, SO_MARK, NULL, 0); }
static void call_getsockopt(void) { getsockopt(fds.control, SOL_SOCKET, SO_ERROR, NULL, NULL); }
static void call_connect(void) { connect(fds.control, NULL, 0); }
static void call_recvmsg(void) { recvmsg(fds.control, NULL, 0); }
static void call_read_client(void) { call_read_other(); }

static void test_clients(void)
{
	static const struct refusal also[] = {
		CASE(accept_other), CASE(sendto), CASE(setsockopt), CASE(getsockopt), CASE(connect),
		CASE(recvmsg), CASE(read_client),
	};
	static const struct refusal vcpu[] = {
		CASE(accept), CASE(recv), CASE(send), CASE(peer), CASE(dup3),
	};
	struct sockaddr_un addr = { .sun_family = AF_UNIX };	/* an address of the kernel's */
	socklen_t len = sizeof(addr);
	int status, log[2], client = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	fds.control = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	if (pipe(log) || bind(fds.control, (struct sockaddr *)&addr, sizeof(addr.sun_family)) ||
	    listen(fds.control, 1) || getsockname(fds.control, (struct sockaddr *)&addr, &len) ||
	    connect(client, (struct sockaddr *)&addr, len) || send(client, "x", 1, 0) != 1) {
		ok(false, "a socket: %s", strerror(errno));
		return;
	}
	fds.log = log[1];
	fds.ready = log[1];
	status = in_sandbox(KHV_SANDBOX_IO, work_clients);
	ok(status == PASSED, "the I/O thread's work with clients: status %d %s", status, message);
	for (size_t i = 0; i < ARRAY_SIZE(also); i++) {
		status = in_sandbox(KHV_SANDBOX_IO, also[i].call);
		ok(status == KHV_VM_FAILURE, "and no more: %s", also[i].name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(vcpu); i++) {
		status = in_sandbox(KHV_SANDBOX_VCPU, vcpu[i].call);
		ok(status == KHV_VM_FAILURE, "a vCPU has no clients: %s", vcpu[i].name);
	}
}

/* ---- privileges ---- */

static bool has_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(data); i++)
		if (data[i].effective || data[i].permitted || data[i].inheritable)
			return true;
	return false;
}

static int dropped(const struct khv_user *user, uid_t uid, gid_t gid)
{
	uid_t r, e, s, started_as = geteuid();
	struct rlimit limit;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (khv_privileges_drop(user))
			_exit(1);
		if (getresuid(&r, &e, &s) || r != uid || e != uid || s != uid)
			_exit(2);
		if (getresgid(&r, &e, &s) || r != gid || e != gid || s != gid)
			_exit(3);
		if (uid && uid != started_as && (getgroups(0, NULL) || !setuid(0)))
			_exit(4);
		if (has_capabilities() || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
			_exit(5);
		if (getrlimit(RLIMIT_CORE, &limit) || limit.rlim_max ||
		    getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_max > 96)
			_exit(6);
		_exit(PASSED);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_privileges(void)
{
	struct khv_user user = { 0, 0 };

	ok(!khv_user_parse("12:34", &user) && user.uid == 12 && user.gid == 34, "UID:GID");
	ok(!khv_user_parse("12", &user) && user.uid == 12 && user.gid == 12, "UID");
	ok(!khv_user_parse("root", &user) && !user.uid, "a name");
	ok(khv_user_parse("no such user", &user) && khv_user_parse("", &user) &&
	   khv_user_parse("-1", &user) && khv_user_parse("1:", &user) &&
	   khv_user_parse("1:2:3", &user) && khv_user_parse("4294967295", &user) &&
	   khv_user_parse("1x", &user) && khv_user_parse(":1", &user), "what is neither");
	if (geteuid()) {
		ok(dropped(NULL, getuid(), getgid()) != 1, "without root it stays who it is");
		user = (struct khv_user){ geteuid() + 1, getegid() };
		ok(dropped(&user, 0, 0) == 1, "and cannot become another");
		return;
	}
	user = (struct khv_user){ 4321, 5432 };
	ok(dropped(&user, 4321, 5432) == PASSED, "root becomes the user");
	ok(!khv_user_parse("nobody", &user) &&
	   dropped(NULL, user.uid, user.gid) == PASSED, "root becomes nobody");
	user = (struct khv_user){ 0, 0 };
	ok(dropped(&user, 0, 0) == PASSED, "root stays root without capabilities");
}

int main(void)
{
	open_fds();
	test_privileges();
	for (int thread = KHV_SANDBOX_LOADER; thread <= KHV_SANDBOX_VCPU; thread++)
		test_refused((enum khv_sandbox_thread)thread);
	test_message();
	test_allowed();
	test_clients();
	return tap_done();
}
