// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lifetimes: descriptors closed in any order, processes that fork or are
 * killed, many VMs, and vCPU numbers.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "khv.h"
#include "ksft.h"

#define PORT	0x6e0
#define CODE	0x10000

/* 32-bit code, as not every processor runs real mode: writes to PORT for ever. */
GUEST_BLOB(writes);
GUEST_BLOB(spins);
asm("	.section .rodata\n"
	"	.code32\n"
	"writes_start:\n"
	"	movw $0x6e0, %dx\n"
	"1:	outb %al, %dx\n"
	"	jmp 1b\n"
	"writes_end:\n"
	"spins_start:\n"
	"	sti\n"		/* or Bochs lets no interrupt of the host in */
	"1:	jmp 1b\n"
	"spins_end:\n"
	"	.code64\n"
	"	.previous\n");

static struct vcpu *small_vm(struct blob code)
{
	struct vcpu *vcpu = vcpu_create(vm_create(KiB(128), 0), 0);

	memcpy(vcpu->vm->ram + CODE, code.start, code.size);
	vcpu_protected_mode(vcpu, CODE, CODE);
	return vcpu;
}

static void expect_works(void)
{
	struct vcpu *vcpu = small_vm(BLOB(writes));
	struct vm *vm = vcpu->vm;

	vcpu_run_to(vcpu, KVM_EXIT_IO);
	EXPECT_EQ(vcpu->run->io.port, PORT);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
}

/* Every order in which device, VM and vCPU can be closed; memory goes last or first. */
static void test_close_orders(void)
{
	static const uint8_t orders[][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	unsigned int i, k, mapped;
	struct vcpu *vcpu;
	int fds[3];

	for (i = 0; i < 2 * KSFT_ARRAY_SIZE(orders); i++) {
		mapped = i % 2;
		vcpu = small_vm(BLOB(writes));
		vcpu_run_to(vcpu, KVM_EXIT_IO);
		fds[0] = vcpu->vm->dev;
		fds[1] = vcpu->vm->fd;
		fds[2] = vcpu->fd;
		if (!mapped)
			munmap(vcpu->run, vcpu->run_size);
		for (k = 0; k < 3; k++)
			EXPECT(!close(fds[orders[i / 2][k]]));
		if (mapped)
			munmap(vcpu->run, vcpu->run_size);
		munmap(vcpu->vm->ram, vcpu->vm->ram_size);
	}
	expect_works();
}

static void test_vcpu_outlives_vm(void)
{
	struct vcpu *vcpu = small_vm(BLOB(writes));

	close(vcpu->vm->dev);
	close(vcpu->vm->fd);
	vcpu_run_to(vcpu, KVM_EXIT_IO);
	vcpu_run_to(vcpu, KVM_EXIT_IO);
}

static void test_mapping_outlives_vcpu(void)
{
	struct vcpu *vcpu = small_vm(BLOB(writes));

	vcpu_run_to(vcpu, KVM_EXIT_IO);
	close(vcpu->fd);
	close(vcpu->vm->fd);
	close(vcpu->vm->dev);
	EXPECT_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	vcpu->run->immediate_exit = 1;
}

static void test_memory_unmapped_first(void)
{
	struct vcpu *vcpu = small_vm(BLOB(writes));
	struct vm *vm = vcpu->vm;

	vcpu_run_to(vcpu, KVM_EXIT_IO);
	munmap(vm->ram, vm->ram_size);
	vm->ram = NULL;
	EXPECT(try_run(vcpu) == -EFAULT || vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
	expect_works();
}

/* Waits for a child: true when it exited with 0. */
static bool child_passed(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* The child has the descriptors but not the memory: it may close, not use. */
static void test_fork(void)
{
	struct vcpu *vcpu = small_vm(BLOB(writes));
	struct kvm_regs regs;
	pid_t pid;

	vcpu_run_to(vcpu, KVM_EXIT_IO);
	pid = fork();
	if (!pid) {
		if (try_run(vcpu) != -EIO || try_ioctl(vcpu->fd, KVM_GET_REGS, &regs) != -EIO ||
		    try_set_slot(vcpu->vm, 1, 0, MiB(1), PAGE_SIZE, vcpu->vm->ram) != -EIO ||
		    try_ioctl_value(vcpu->vm->fd, KVM_CREATE_VCPU, 1) != -EIO)
			_exit(1);
		_exit(0);
	}
	EXPECT(child_passed(pid));
	vcpu_run_to(vcpu, KVM_EXIT_IO);
}

/* The parent's VM dies with the parent's last use, though the child goes on. */
static void test_child_closes_last(void)
{
	struct vcpu *vcpu = small_vm(BLOB(writes));
	struct vm *vm = vcpu->vm;
	int hold[2];
	char byte;
	pid_t pid;

	ASSERT(!pipe(hold));
	vcpu_run_to(vcpu, KVM_EXIT_IO);
	pid = fork();
	if (!pid) {
		close(hold[1]);
		_exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
	}
	vcpu_destroy(vcpu);
	vm_destroy(vm);
	expect_works();
	close(hold[1]);
	EXPECT(child_passed(pid));
	expect_works();
}

static void test_killed_while_running(void)
{
	int ready[2], i, status;
	struct vcpu *vcpu;
	char byte = 0;
	pid_t pid;

	for (i = 0; i < 5; i++) {
		ASSERT(!pipe(ready));
		pid = fork();
		if (!pid) {
			vcpu = small_vm(BLOB(spins));
			if (write(ready[1], &byte, 1) != 1)
				_exit(1);
			try_run(vcpu);
			_exit(1);
		}
		ASSERT(read(ready[0], &byte, 1) == 1);
		usleep(i * 10000);
		kill(pid, SIGKILL);
		ASSERT(waitpid(pid, &status, 0) == pid);
		EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x", status);
		close(ready[0]);
		close(ready[1]);
	}
	expect_works();
}

static void *run_forever(void *vcpu)
{
	try_run(vcpu);
	return NULL;
}

/* exit_group() while another thread is in the guest. */
static void test_exit_while_running(void)
{
	pthread_t thread;
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (pthread_create(&thread, NULL, run_forever, small_vm(BLOB(spins))))
			_exit(1);
		usleep(20000);
		_exit(0);
	}
	EXPECT(child_passed(pid));
	expect_works();
}

static void test_many_vms(void)
{
	enum { COUNT = 24 };
	struct vcpu *vcpus[COUNT];
	int i, round;

	for (i = 0; i < COUNT; i++)
		vcpus[i] = small_vm(BLOB(writes));
	for (round = 0; round < 3; round++)
		for (i = 0; i < COUNT; i++)
			vcpu_run_to(vcpus[i], KVM_EXIT_IO);
	for (i = 0; i < COUNT; i++) {
		struct vm *vm = vcpus[i]->vm;

		vcpu_destroy(vcpus[i]);
		vm_destroy(vm);
	}
}

static void test_create_destroy(void)
{
	int i;

	for (i = 0; i < 60; i++)
		expect_works();
}

static void test_vcpu_numbers(void)
{
	struct vm *vm = vm_create(0, 0);
	int max = vm_check_extension(vm, KVM_CAP_MAX_VCPU_ID);

	if (max <= 0)
		max = vm_check_extension(vm, KVM_CAP_MAX_VCPUS);
	vcpu_create_bare(vm, 0);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_CREATE_VCPU, 0), -EEXIST);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_CREATE_VCPU, max), -EINVAL);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_CREATE_VCPU, -1UL), -EINVAL);
	EXPECT(try_ioctl_value(vm->fd, KVM_CREATE_VCPU, 1) >= 0);
}

static int limit_vcpu_id(struct vm *vm, uint32_t flags, uint64_t limit)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MAX_VCPU_ID, .flags = flags, .args = { limit },
	};

	return try_ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static void test_enable_cap(void)
{
	struct kvm_enable_cap unknown = { .cap = 0xffffff };
	struct vm *vm = vm_create(0x10000, 0);
	struct vcpu *vcpu;

	EXPECT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, &unknown), -EINVAL);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, NULL), -EFAULT);
	EXPECT_EQ(limit_vcpu_id(vm, 1, 4), -EINVAL);
	EXPECT_EQ(limit_vcpu_id(vm, 0, 1 << 20), -EINVAL);
	EXPECT(!limit_vcpu_id(vm, 0, 4));
	EXPECT(!limit_vcpu_id(vm, 0, 4));
	EXPECT_EQ(limit_vcpu_id(vm, 0, 5), -EINVAL);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_CREATE_VCPU, 4), -EINVAL);
	vcpu = vcpu_create(vm, 3);
	EXPECT_EQ(limit_vcpu_id(vm, 0, 3), -EINVAL);
	vcpu_destroy(vcpu);
}

static void test_close_on_exec(void)
{
	struct vm *vm = vm_create(0, 0);
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);

	EXPECT(fcntl(vm->fd, F_GETFD) & FD_CLOEXEC);
	EXPECT(fcntl(vcpu->fd, F_GETFD) & FD_CLOEXEC);
}

/* A task of its own in this memory, so that it can be killed alone. */
struct waiter {
	int fd;
	unsigned long cmd;
	void *arg;
	const char *name;
	pid_t pid;
	uint8_t stack[16384] __aligned(16);
};

static int wait_in_call(void *arg)
{
	const struct waiter *w = arg;

	syscall(SYS_ioctl, w->fd, w->cmd, w->arg);
	syscall(SYS_exit, 0);
	return 0;
}

static void start_waiter(struct waiter *w)
{
	w->pid = clone(wait_in_call, w->stack + sizeof(w->stack), CLONE_VM | SIGCHLD, w);
	ASSERT(w->pid > 0);
	usleep(20000);
	EXPECT(!waitpid(w->pid, NULL, WNOHANG), "%s does not wait", w->name);
}

static void expect_killable(struct waiter *w)
{
	int i;

	kill(w->pid, SIGKILL);
	for (i = 0; i < 100; i++) {
		if (waitpid(w->pid, NULL, WNOHANG))
			return;
		usleep(10000);
	}
	ksft_fail(__FILE__, __LINE__, "%s cannot be killed", w->name);
}

static struct kvm_dirty_log stuck_log = { .slot = 1 };

static void *get_log_for_ever(void *vm)
{
	try_ioctl(((struct vm *)vm)->fd, KVM_GET_DIRTY_LOG, &stuck_log);
	return NULL;
}

/* A call holds a lock of the VM's while it waits for its client's memory, for ever perhaps. */
static void test_killed_behind_a_lock(void)
{
	static struct kvm_ioeventfd assign = { .addr = 0x1000, .len = 4 }, deassign;
	static struct kvm_pit_config pit;
	static struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	static struct kvm_enable_cap ids = { .cap = KVM_CAP_MAX_VCPU_ID, .args = { 4 } };
	static struct waiter waiters[6];
	struct vm *vm = vm_create(0, 0);
	pthread_t stuck;
	size_t i;

	if (strcmp(ksft_device, KHV_DEVICE))
		ksft_skip("KVM's tasks cannot be killed there");
	vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, 0, MiB(1), memory_map(MiB(1), false));
	stuck_log.dirty_bitmap = memory_map(PAGE_SIZE, false);
	/* Served never: whoever writes to it waits. */
	memory_pager(stuck_log.dirty_bitmap, PAGE_SIZE);
	assign.fd = eventfd(0, 0);
	deassign = assign;
	deassign.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
	ASSERT(!pthread_create(&stuck, NULL, get_log_for_ever, vm));
	usleep(50000);
#define WAITER(i, number, argument) do {		\
	waiters[i].fd = vm->fd;				\
	waiters[i].cmd = number;			\
	waiters[i].arg = argument;			\
	waiters[i].name = #number " " #argument;	\
} while (0)
	WAITER(0, KVM_IOEVENTFD, &assign);
	WAITER(1, KVM_IOEVENTFD, &deassign);
	WAITER(2, KVM_CREATE_IRQCHIP, NULL);
	/* The rest waits for that one. */
	WAITER(3, KVM_CREATE_PIT2, &pit);
	WAITER(4, KVM_ENABLE_CAP, &split);
	WAITER(5, KVM_ENABLE_CAP, &ids);
	for (i = 0; i < KSFT_ARRAY_SIZE(waiters); i++)
		start_waiter(&waiters[i]);
	for (i = KSFT_ARRAY_SIZE(waiters); i-- > 0; )
		expect_killable(&waiters[i]);
	/* And again, now that nobody holds the VM's lock. */
	start_waiter(&waiters[3]);
	expect_killable(&waiters[3]);
}

#define APIC_BASE_BSP	(1 << 8)

static bool is_bsp(struct vcpu *vcpu)
{
	struct kvm_sregs sregs;

	vcpu_get_sregs(vcpu, &sregs);
	return sregs.apic_base & APIC_BASE_BSP;
}

static int set_boot_id(struct vm *vm, unsigned long id)
{
	return try_ioctl_value(vm->fd, KVM_SET_BOOT_CPU_ID, id);
}

/* One that no vCPU can have is refused, as by newer KVMs; older ones drop its upper half. */
static void test_boot_cpu_id(void)
{
	struct vm *vm = vm_create(0, VM_IRQCHIP);

	if (!strcmp(ksft_device, KHV_DEVICE)) {
		EXPECT_EQ(set_boot_id(vm, -1UL), -EINVAL);
		EXPECT_EQ(set_boot_id(vm, 1UL << 32), -EINVAL);
		EXPECT_EQ(set_boot_id(vm, 255), -EINVAL);
		EXPECT_EQ(set_boot_id(vm, 254), 0);
		EXPECT_EQ(limit_vcpu_id(vm, 0, 4), -EINVAL);
		EXPECT_EQ(set_boot_id(vm, 3), 0);
		EXPECT_EQ(limit_vcpu_id(vm, 0, 4), 0);
		EXPECT_EQ(set_boot_id(vm, 4), -EINVAL);
	}
	EXPECT_EQ(set_boot_id(vm, 3), 0);
	EXPECT(!is_bsp(vcpu_create(vm, 0)));
	EXPECT_EQ(set_boot_id(vm, 0), -EBUSY);
	EXPECT(is_bsp(vcpu_create(vm, 3)));
}

#define TSS_LIMIT	(0x100000000UL - 3 * PAGE_SIZE)

/* Pages that KVM needs on some processors: both keep to the same rules about them. */
static void test_page_addresses(void)
{
	struct vm *vm = vm_create(0, 0);
	uint64_t addr = 0xfeffc000;
	struct vcpu *vcpu;

	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_SET_TSS_ADDR, TSS_LIMIT + 1), -EINVAL);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_SET_TSS_ADDR, 1UL << 32), -EINVAL);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_SET_TSS_ADDR, -1UL), -EINVAL);
	if (!strcmp(ksft_device, KHV_DEVICE))
		EXPECT_EQ(try_ioctl_value(vm->fd, KVM_SET_TSS_ADDR, TSS_LIMIT), 0);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &addr), 0);
	vcpu = vcpu_create(vm, 0);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &addr), -EINVAL);
	vcpu_destroy(vcpu);
}

/* khv takes the address that QEMU sets at each reset, and no page. */
static void test_vapic_addr(void)
{
	struct vcpu *with = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);
	struct vcpu *without = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);
	struct kvm_vapic_addr va = { 0 };

	EXPECT_EQ(try_ioctl(without->fd, KVM_SET_VAPIC_ADDR, &va), -EINVAL);
	EXPECT_EQ(try_ioctl(with->fd, KVM_SET_VAPIC_ADDR, &va), 0);
	if (strcmp(ksft_device, KHV_DEVICE))
		return;
	va.vapic_addr = 0x1000;
	EXPECT_EQ(try_ioctl(with->fd, KVM_SET_VAPIC_ADDR, &va), -EINVAL);
	va.vapic_addr = 1ULL << 40;
	EXPECT_EQ(try_ioctl(with->fd, KVM_SET_VAPIC_ADDR, &va), -EINVAL);
}

static const struct ksft_test tests[] = {
	{ "close_orders", test_close_orders },
	{ "vcpu_outlives_vm", test_vcpu_outlives_vm },
	{ "mapping_outlives_vcpu", test_mapping_outlives_vcpu },
	{ "memory_unmapped_first", test_memory_unmapped_first },
	{ "fork", test_fork },
	{ "child_closes_last", test_child_closes_last },
	{ "killed_while_running", test_killed_while_running },
	{ "exit_while_running", test_exit_while_running },
	{ "many_vms", test_many_vms },
	{ "create_destroy", test_create_destroy },
	{ "vcpu_numbers", test_vcpu_numbers },
	{ "enable_cap", test_enable_cap },
	{ "boot_cpu_id", test_boot_cpu_id },
	{ "page_addresses", test_page_addresses },
	{ "vapic_addr", test_vapic_addr },
	{ "killed_behind_a_lock", test_killed_behind_a_lock },
	{ "close_on_exec", test_close_on_exec },
};

static const struct ksft_suite suite = KSFT_SUITE("vm", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
