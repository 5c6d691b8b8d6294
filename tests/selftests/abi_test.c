// SPDX-License-Identifier: GPL-2.0-only
/*
 * What holds for all calls: uapi/khv.h's lists, gone through with pointers that
 * are bad in each way, with numbers that are nearly right, on descriptors of
 * another kind, from another process, and from several threads.
 *
 * What a call does with a good argument is tested where its subject is.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "khv.h"
#include "ksft.h"

enum kind { DEVICE, VM, VCPU, KINDS };

struct call {
	unsigned int cmd;
	const char *name;
};

#define NAMED(number)	{ number, #number }
static const struct call device_calls[] = KHV_DEVICE_IOCTLS(NAMED);
static const struct call vm_calls[] = KHV_VM_IOCTLS(NAMED);
static const struct call vcpu_calls[] = KHV_VCPU_IOCTLS(NAMED);

static const struct list {
	const struct call *calls;
	size_t count;
	int unknown;		/* what a call that is not listed gets */
} lists[KINDS] = {
	{ device_calls, KSFT_ARRAY_SIZE(device_calls), -EINVAL },
	{ vm_calls, KSFT_ARRAY_SIZE(vm_calls), -ENOTTY },
	{ vcpu_calls, KSFT_ARRAY_SIZE(vcpu_calls), -EINVAL },
};

static int fds[KINDS];
static struct vm *vm;
static struct vcpu *vcpu;

/* With all there can be in it, so that no call fails for want of a part. */
static void set_up(void)
{
	vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP | VM_PIT);
	vcpu = vcpu_create(vm, 0);
	fds[DEVICE] = vm->dev;
	fds[VM] = vm->fd;
	fds[VCPU] = vcpu->fd;
}

#define FOR_EACH_CALL(kind, call)							\
	for (kind = 0; kind < KINDS; kind++)						\
		for (call = lists[kind].calls;						\
		     call < lists[kind].calls + lists[kind].count; call++)

static bool listed(enum kind kind, unsigned int cmd)
{
	size_t i;

	for (i = 0; i < lists[kind].count; i++)
		if (lists[kind].calls[i].cmd == cmd)
			return true;
	return false;
}

static bool is_khv(void)
{
	return !strcmp(ksft_device, KHV_DEVICE);
}

static void expect(const struct call *call, const char *with, int ret, int wanted)
{
	/* khv's own calls are not KVM's. */
	if (_IOC_TYPE(call->cmd) == KHV_IOCTL_MAGIC && !is_khv())
		return;
	/* KVM looks first whether it is too late for it. */
	if (call->cmd == KVM_SET_IDENTITY_MAP_ADDR && !is_khv() && ret == -EINVAL)
		return;
	EXPECT(ret == wanted, "%s with %s: %s, not %s", call->name, with,
	       ret < 0 ? strerrorname_np(-ret) : "success",
	       wanted < 0 ? strerrorname_np(-wanted) : "success");
}

/* Two pages of which the second is not there. */
static uint8_t *page_and_hole(void)
{
	uint8_t *p = memory_map(2 * PAGE_SIZE, false);

	ASSERT(!munmap(p + PAGE_SIZE, PAGE_SIZE));
	return p;
}

static void test_bad_pointers(void)
{
	uint8_t *hole = page_and_hole() + PAGE_SIZE;
	const struct {
		const char *name;
		void *p;
	} bad[] = {
		{ "NULL", NULL }, { "8", (void *)8 }, { "an unmapped page", hole },
		{ "a kernel address", (void *)0xffff888000000000 },
		{ "a hole in the address space", (void *)0x0100000000000000 },
		{ "-1", (void *)-1UL },
	};
	const struct call *call;
	enum kind kind;
	size_t i;

	set_up();
	FOR_EACH_CALL(kind, call) {
		if (!_IOC_SIZE(call->cmd))
			continue;
		for (i = 0; i < KSFT_ARRAY_SIZE(bad); i++) {
			/* No mask is what NULL means there. */
			if (call->cmd == KVM_SET_SIGNAL_MASK && !bad[i].p)
				continue;
			expect(call, bad[i].name, try_ioctl(fds[kind], call->cmd, bad[i].p),
			       -EFAULT);
		}
	}
}

/* All of the structure is there but its last byte. */
static void test_cut_short(void)
{
	uint8_t *end = page_and_hole() + PAGE_SIZE;
	const struct call *call;
	enum kind kind;
	size_t size;

	set_up();
	FOR_EACH_CALL(kind, call) {
		size = _IOC_SIZE(call->cmd);
		if (size < 2 || size > PAGE_SIZE)
			continue;
		expect(call, "its last byte missing",
		       try_ioctl(fds[kind], call->cmd, end - size + 1), -EFAULT);
	}
}

/*
 * Calls whose argument is followed by an array of as many as it says: its header is there,
 * its elements are not, or the first only.
 */
static void test_array_tails(void)
{
	const struct {
		enum kind kind;
		struct call call;
		uint32_t count, header, element;
	} calls[] = {
		{ DEVICE, NAMED(KVM_GET_SUPPORTED_CPUID), 200, 8, sizeof(struct kvm_cpuid_entry2) },
		{ DEVICE, NAMED(KVM_GET_MSR_INDEX_LIST), 1000, 4, 4 },
		{ DEVICE, NAMED(KVM_GET_MSR_FEATURE_INDEX_LIST), 1000, 4, 4 },
		{ DEVICE, NAMED(KVM_GET_MSRS), 2, 8, sizeof(struct kvm_msr_entry) },
		{ VM, NAMED(KVM_SET_GSI_ROUTING), 2, 8, sizeof(struct kvm_irq_routing_entry) },
		{ VCPU, NAMED(KVM_SET_CPUID2), 2, 8, sizeof(struct kvm_cpuid_entry2) },
		{ VCPU, NAMED(KVM_GET_CPUID2), 200, 8, sizeof(struct kvm_cpuid_entry2) },
		{ VCPU, NAMED(KVM_GET_MSRS), 2, 8, sizeof(struct kvm_msr_entry) },
		{ VCPU, NAMED(KVM_SET_MSRS), 2, 8, sizeof(struct kvm_msr_entry) },
		{ VCPU, NAMED(KVM_SET_SIGNAL_MASK), 8, 4, 4 },
	};
	uint8_t *hole = page_and_hole() + PAGE_SIZE, *p;
	unsigned int elements;
	size_t i;

	set_up();
	for (i = 0; i < KSFT_ARRAY_SIZE(calls); i++) {
		for (elements = 0; elements < 2; elements++) {
			p = hole - calls[i].header - elements * calls[i].element;
			memset(p, 0, hole - p);
			memcpy(p, &calls[i].count, sizeof(calls[i].count));
			expect(&calls[i].call, elements ? "all elements missing but one" :
			       "all elements missing", try_ioctl(fds[calls[i].kind],
								 calls[i].call.cmd, p), -EFAULT);
		}
	}
}

/* These two numbers say the opposite of what the calls do. */
static bool only_returns(unsigned int cmd)
{
	return _IOC_DIR(cmd) == _IOC_READ && cmd != KVM_SET_IRQCHIP && cmd != KVM_SET_PIT;
}

static void test_read_only(void)
{
	uint8_t *p = memory_map(2 * PAGE_SIZE, false);
	const struct call *call;
	enum kind kind;

	ASSERT(!mprotect(p, 2 * PAGE_SIZE, PROT_READ));
	set_up();
	FOR_EACH_CALL(kind, call)
		if (only_returns(call->cmd))
			expect(call, "read-only memory", try_ioctl(fds[kind], call->cmd, p),
			       -EFAULT);
}

static void expect_unknown(enum kind kind, const struct call *call, const char *with,
			   unsigned int cmd)
{
	static uint8_t nothing[16384];
	int ret;

	if (listed(kind, cmd))
		return;
	memset(nothing, 0, sizeof(nothing));
	ret = try_ioctl(fds[kind], cmd, nothing);
	/* KVM gives EINVAL and ENOTTY to whom it likes; khv keeps to one for each kind. */
	if (!is_khv())
		EXPECT(ret == -EINVAL || ret == -ENOTTY, "%s with %s: %d", call->name, with, ret);
	else
		expect(call, with, ret, lists[kind].unknown);
}

/* The number is all of it: size and direction too. */
static void test_nearly_right_numbers(void)
{
	const struct call *call;
	unsigned int size, nr, type;
	enum kind kind;

	set_up();
	if (!is_khv())
		ksft_skip("other devices may have calls with these numbers");
	FOR_EACH_CALL(kind, call) {
		size = _IOC_SIZE(call->cmd);
		nr = _IOC_NR(call->cmd);
		type = _IOC_TYPE(call->cmd);
		expect_unknown(kind, call, "a larger size",
			       _IOC(_IOC_DIR(call->cmd), type, nr, size + 8));
		if (size)
			expect_unknown(kind, call, "a smaller size",
				       _IOC(_IOC_DIR(call->cmd), type, nr, size - 1));
		expect_unknown(kind, call, "another direction",
			       _IOC(_IOC_DIR(call->cmd) ^ 3, type, nr, size));
		expect_unknown(kind, call, "the other type",
			       _IOC(_IOC_DIR(call->cmd), KVMIO ^ KHV_IOCTL_MAGIC ^ type, nr, size));
	}
}

#define MAX_SIZES	200

static size_t note_size(unsigned int *sizes, size_t count, unsigned int size)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (sizes[i] == size)
			return count;
	ASSERT(count < MAX_SIZES);
	sizes[count] = size;
	return count + 1;
}

/* All sizes that a listed call has, and those of most others. */
static size_t all_sizes(unsigned int *sizes)
{
	const struct call *call;
	unsigned int size;
	size_t count = 0;
	enum kind kind;

	for (size = 0; size <= 64; size += 4)
		count = note_size(sizes, count, size);
	for (size = 128; size <= 8192; size *= 2)
		count = note_size(sizes, count, size);
	FOR_EACH_CALL(kind, call)
		count = note_size(sizes, count, _IOC_SIZE(call->cmd));
	return count;
}

static void sweep(enum kind kind, unsigned int type)
{
	static uint8_t nothing[16384];
	unsigned int sizes[MAX_SIZES], nr, dir, cmd;
	size_t count = all_sizes(sizes), i;
	int ret;

	for (nr = 0; nr < 256; nr++) {
		for (dir = 0; dir < 4; dir++) {
			for (i = 0; i < count; i++) {
				cmd = _IOC(dir, type, nr, sizes[i]);
				if (listed(kind, cmd))
					continue;
				ret = try_ioctl(fds[kind], cmd, nothing);
				EXPECT(ret == lists[kind].unknown, "%#x: %d", cmd, ret);
			}
		}
	}
}

/* What is not in the lists is not there, whatever its number, direction and size. */
static void test_no_other_calls(void)
{
	enum kind kind;

	if (!is_khv())
		ksft_skip("other devices have more calls");
	set_up();
	for (kind = 0; kind < KINDS; kind++) {
		sweep(kind, KVMIO);
		sweep(kind, KHV_IOCTL_MAGIC);
	}
}

/* And what is in them is. Those with an argument are above: EFAULT is no unknown call's. */
static void test_all_listed(void)
{
	const struct call *call;
	enum kind kind;
	int ret;

	if (!is_khv())
		ksft_skip("other devices need not have them all");
	set_up();
	vcpu->run->immediate_exit = 1;
	FOR_EACH_CALL(kind, call) {
		/* Fails here as one that is not known would: pvtime_test has it. */
		if (_IOC_SIZE(call->cmd) || call->cmd == KVM_KVMCLOCK_CTRL)
			continue;
		/* The one whose argument is a pointer all the same. */
		ret = try_ioctl_value(fds[kind], call->cmd,
				      call->cmd == KVM_SET_NR_MMU_PAGES ? 64 : 0);
		EXPECT(ret != lists[kind].unknown, "%s: %d", call->name, ret);
	}
}

/* KVM takes a vCPU's calls on a VM that khv does not. */
static bool also_for_vm(unsigned int cmd)
{
	return cmd == KVM_GET_TSC_KHZ || cmd == KVM_SET_TSC_KHZ;
}

static void test_wrong_descriptor(void)
{
	const struct call *call;
	enum kind kind, other;

	set_up();
	FOR_EACH_CALL(kind, call)
		for (other = 0; other < KINDS; other++)
			if (is_khv() || !also_for_vm(call->cmd))
				expect_unknown(other, call, "another descriptor", call->cmd);
}

/* Those need nothing of the creator but the descriptor. */
static int foreign_error(unsigned int cmd)
{
	if (is_khv() && (cmd == KHV_SET_SCHED || cmd == KHV_GET_SCHED ||
			 cmd == KHV_GET_SCHED_STATS))
		return -EFAULT;
	return -EIO;
}

/* All of a VM's and a vCPU's other calls fail in a process that has not created it. */
static int foreign_calls(void)
{
	const struct call *call;
	enum kind kind;
	int failures = 0;

	FOR_EACH_CALL(kind, call) {
		if (kind == DEVICE ||
		    try_ioctl_value(fds[kind], call->cmd, 0) == foreign_error(call->cmd))
			continue;
		ksft_note("%s does not fail with %s", call->name,
			  strerror(-foreign_error(call->cmd)));
		failures++;
	}
	return failures;
}

static bool child_passed(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

static void test_forked(void)
{
	pid_t pid;

	set_up();
	pid = fork();
	if (!pid)
		_exit(!!foreign_calls());
	EXPECT(child_passed(pid));
	EXPECT_EQ(try_ioctl_value(vcpu->fd, KVM_NMI, 0), 0);
}

static void send_fds(int socket, const int *numbers, size_t count)
{
	char control[CMSG_SPACE(KINDS * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = "", .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(c), numbers, count * sizeof(int));
	ASSERT(sendmsg(socket, &msg, 0) == 1);
}

static void receive_fds(int socket, int *numbers, size_t count)
{
	char control[CMSG_SPACE(KINDS * sizeof(int))] = { 0 }, byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };

	ASSERT(recvmsg(socket, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg));
	memcpy(numbers, CMSG_DATA(CMSG_FIRSTHDR(&msg)), count * sizeof(int));
}

/* The creator's memory is gone, and with it all that the VM could do. */
static void test_creator_gone(void)
{
	int sockets[2];
	pid_t pid;

	ASSERT(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	pid = fork();
	if (!pid) {
		set_up();
		send_fds(sockets[0], fds, KINDS);
		_exit(0);
	}
	receive_fds(sockets[1], fds, KINDS);
	ASSERT(child_passed(pid));
	EXPECT_EQ(foreign_calls(), 0);
	close(fds[VM]);
	close(fds[VCPU]);
}

/* Whoever has the descriptor asks with his own privileges. It may outlive the creator. */
static void test_foreign_sched(void)
{
	struct khv_sched_stats stats = { .vcpu = KHV_SCHED_ALL_VCPUS };
	struct khv_sched p = { .set = KHV_SCHED_WEIGHT, .weight = 5000 };
	int sockets[2];
	char byte;
	pid_t pid;

	if (!is_khv())
		ksft_skip("these calls are khv's own");
	ASSERT(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	pid = fork();
	if (!pid) {
		set_up();
		send_fds(sockets[0], fds, KINDS);
		/* Until it is killed, or the test has ended without doing so. */
		close(sockets[1]);
		_exit(read(sockets[0], &byte, 1) != 0);
	}
	receive_fds(sockets[1], fds, KINDS);
	EXPECT_EQ(try_ioctl(fds[VM], KHV_SET_SCHED, &p), 0);
	ASSERT(!seteuid(65534));
	p.weight = 5001;
	EXPECT_EQ(try_ioctl(fds[VM], KHV_SET_SCHED, &p), -EPERM);
	p.weight = 4999;
	EXPECT_EQ(try_ioctl(fds[VM], KHV_SET_SCHED, &p), 0);
	ASSERT(!seteuid(0));
	EXPECT_EQ(try_ioctl(fds[VM], KHV_GET_SCHED_STATS, &stats), 0);

	ASSERT(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);
	EXPECT_EQ(try_ioctl(fds[VM], KHV_SET_SCHED, &p), 0);
	EXPECT_EQ(try_ioctl(fds[VM], KHV_GET_SCHED, &p), 0);
	EXPECT_EQ(p.weight, 4999);
	EXPECT_EQ(try_ioctl(fds[VM], KHV_GET_SCHED_STATS, &stats), 0);
	close(fds[VM]);
	close(fds[VCPU]);
}

static int shared_count;

static void guest_write_port(void)
{
	for (;;)
		outb(0x6e0, 0);
}

static void *run_many(void *arg)
{
	int i;

	for (i = 0; i < 200; i++) {
		/* The exit's reason may be the next one's by now. */
		if (try_run(vcpu) == 0)
			__atomic_fetch_add(&shared_count, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* One vCPU run by four threads: they take turns. */
static void test_concurrent_run(void)
{
	pthread_t threads[4];
	struct kvm_regs regs;
	int i;

	set_up();
	guest_start(vcpu, guest_write_port);
	for (i = 0; i < 4; i++)
		ASSERT(!pthread_create(&threads[i], NULL, run_many, NULL));
	for (i = 0; i < 200; i++)
		EXPECT_EQ(try_ioctl(vcpu->fd, KVM_GET_REGS, &regs), 0);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(shared_count, 800);
}

static void guest_spin(void)
{
	sti();	/* or Bochs lets no interrupt of the host in */
	for (;;)
		;
}

static void on_signal(int number)
{
}

static volatile int run_result;
static volatile bool run_ended;

static void *run_until_signal(void *arg)
{
	run_result = try_run(vcpu);
	run_ended = true;
	return NULL;
}

static void *read_regs(void *arg)
{
	struct kvm_regs regs;

	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_GET_REGS, &regs), 0);
	return NULL;
}

static void kick_until_ended(pthread_t thread)
{
	while (!run_ended) {
		pthread_kill(thread, SIGUSR1);
		usleep(1000);
	}
	pthread_join(thread, NULL);
}

/* Another thread's call waits until KVM_RUN has returned. */
static void test_call_while_running(void)
{
	pthread_t runner, reader;

	signal(SIGUSR1, on_signal);
	set_up();
	guest_start(vcpu, guest_spin);
	ASSERT(!pthread_create(&runner, NULL, run_until_signal, NULL));
	usleep(20000);
	ASSERT(!pthread_create(&reader, NULL, read_regs, NULL));
	usleep(20000);
	EXPECT(!run_ended);
	kick_until_ended(runner);
	EXPECT_EQ(run_result, -EINTR);
	pthread_join(reader, NULL);
}

/* All descriptors and the mapping go while the guest runs. */
static void test_close_while_running(void)
{
	pthread_t runner;

	signal(SIGUSR1, on_signal);
	set_up();
	guest_start(vcpu, guest_spin);
	ASSERT(!pthread_create(&runner, NULL, run_until_signal, NULL));
	usleep(20000);
	close(vm->dev);
	close(vm->fd);
	munmap(vcpu->run, vcpu->run_size);
	close(vcpu->fd);
	usleep(20000);
	EXPECT(!run_ended);
	kick_until_ended(runner);
	EXPECT_EQ(run_result, -EINTR);
}

/* With a thread in the guest and one that waits for it. */
static void test_killed_while_waiting(void)
{
	pthread_t threads[2];
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		set_up();
		guest_start(vcpu, guest_spin);
		ASSERT(!pthread_create(&threads[0], NULL, run_until_signal, NULL));
		usleep(10000);
		ASSERT(!pthread_create(&threads[1], NULL, read_regs, NULL));
		pause();
	}
	usleep(100000);
	kill(pid, SIGKILL);
	ASSERT(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	set_up();
}

/* Without a free descriptor nothing is created, and the vCPU's number stays free. */
static void test_no_descriptors(void)
{
	struct rlimit limit, none;

	set_up();
	ASSERT(!getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = 0;
	ASSERT(!setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(try_ioctl_value(vm->dev, KVM_CREATE_VM, 0), -EMFILE);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_CREATE_VCPU, 1), -EMFILE);
	ASSERT(!setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT(try_ioctl_value(vm->dev, KVM_CREATE_VM, 0) >= 0);
	EXPECT(try_ioctl_value(vm->fd, KVM_CREATE_VCPU, 1) >= 0);
}

static bool touch_is_fatal(volatile uint8_t *p)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		*p;
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGBUS;
}

/* A mapping may be longer than what there is; touching the rest is SIGBUS. */
static void test_mapping_too_long(void)
{
	uint8_t *p;

	set_up();
	p = mmap(NULL, vcpu->run_size + PAGE_SIZE, PROT_READ, MAP_SHARED, vcpu->fd, 0);
	ASSERT(p != MAP_FAILED);
	EXPECT(!touch_is_fatal(p));
	EXPECT(!touch_is_fatal(p + vcpu->run_size - PAGE_SIZE));
	EXPECT(touch_is_fatal(p + vcpu->run_size));
	p = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, vcpu->fd, 1ULL << 40);
	if (p != MAP_FAILED)
		EXPECT(touch_is_fatal(p));
}

static const struct ksft_test tests[] = {
	{ "bad_pointers", test_bad_pointers },
	{ "cut_short", test_cut_short },
	{ "array_tails", test_array_tails },
	{ "read_only", test_read_only },
	{ "nearly_right_numbers", test_nearly_right_numbers },
	{ "no_other_calls", test_no_other_calls, 120 },
	{ "all_listed", test_all_listed },
	{ "wrong_descriptor", test_wrong_descriptor },
	{ "forked", test_forked },
	{ "creator_gone", test_creator_gone },
	{ "foreign_sched", test_foreign_sched },
	{ "concurrent_run", test_concurrent_run },
	{ "call_while_running", test_call_while_running },
	{ "close_while_running", test_close_while_running },
	{ "killed_while_waiting", test_killed_while_waiting },
	{ "no_descriptors", test_no_descriptors },
	{ "mapping_too_long", test_mapping_too_long },
};

static const struct ksft_suite suite = KSFT_SUITE("abi", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
