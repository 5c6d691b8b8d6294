// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_RUN: every reason to come back that a guest without interrupt
 * controllers can give, and what struct kvm_run holds then.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "ksft.h"

#define PORT	0x6e0
#define MMIO	0xd0000000UL

static struct vcpu *start(void (*function)(void))
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);

	guest_start(vcpu, function);
	return vcpu;
}

static volatile uint64_t counter;

/*
 * With interrupts on: Bochs 2.7 holds back the host's interrupts as long as a
 * guest that was entered with them off leaves them so.
 */
static void guest_count(void)
{
	sti();
	for (;;)
		counter++;
}

static void test_immediate_exit(void)
{
	struct vcpu *vcpu = start(guest_count);
	volatile uint64_t *count = GUEST_VAR(vcpu->vm, counter);

	vcpu->run->immediate_exit = 1;
	EXPECT_EQ(try_run(vcpu), -EINTR);
	EXPECT_EQ(*count, 0);
	EXPECT_EQ(vcpu->run->immediate_exit, 1);
}

static void guest_in(void)
{
	GUEST_EQ(inl(PORT), 0x12345678);
}

/* The second half of an instruction is done before immediate_exit is looked at. */
static void test_immediate_exit_completes(void)
{
	struct vcpu *vcpu = start(guest_in);
	struct kvm_regs before, after;
	uint32_t value = 0x12345678;

	vcpu_run_to(vcpu, KVM_EXIT_IO);
	memcpy((uint8_t *)vcpu->run + vcpu->run->io.data_offset, &value, sizeof(value));
	vcpu_get_regs(vcpu, &before);
	vcpu->run->immediate_exit = 1;
	EXPECT_EQ(try_run(vcpu), -EINTR);
	vcpu_get_regs(vcpu, &after);
	EXPECT_EQ(after.rax, value);
	EXPECT(after.rip >= before.rip);
	vcpu->run->immediate_exit = 0;
	guest_run_done(vcpu);
}

static void on_signal(int number)
{
}

/* Again and again: on a slow host the first signal may come before KVM_RUN. */
static timer_t timer_start(int number, unsigned int ms)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = number };
	struct itimerspec spec = {
		.it_value.tv_nsec = ms * 1000000L, .it_interval.tv_nsec = ms * 1000000L,
	};
	timer_t timer;

	ASSERT(!timer_create(CLOCK_MONOTONIC, &event, &timer));
	ASSERT(!timer_settime(timer, 0, &spec, NULL));
	return timer;
}

static void test_signal(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct vcpu *vcpu = start(guest_count);
	volatile uint64_t *count = GUEST_VAR(vcpu->vm, counter);

	sigaction(SIGUSR1, &action, NULL);
	timer_start(SIGUSR1, 200);
	EXPECT_EQ(try_run(vcpu), -EINTR);
	EXPECT_EQ(vcpu->run->exit_reason, KVM_EXIT_INTR);
	EXPECT(*count > 0);
}

/* Blocked in the thread, let in by the mask: RUN ends, the signal stays pending. */
static void test_signal_mask(void)
{
	struct {
		struct kvm_signal_mask head;
		uint64_t set;
	} __packed mask = { .head.len = 8, .set = 0 };
	struct vcpu *vcpu = start(guest_count);
	sigset_t blocked, pending;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, &mask), 0);
	timer_start(SIGUSR1, 30);
	EXPECT_EQ(try_run(vcpu), -EINTR);
	sigpending(&pending);
	EXPECT(sigismember(&pending, SIGUSR1) == 1);

	mask.head.len = 4;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, &mask), -EINVAL);
}

static void *kick(void *arg)
{
	pthread_t *thread = arg;

	usleep(20000);
	pthread_kill(*thread, SIGUSR1);
	return NULL;
}

static void test_signal_from_thread(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct vcpu *vcpu = start(guest_count);
	pthread_t self = pthread_self(), other;

	sigaction(SIGUSR1, &action, NULL);
	ASSERT(!pthread_create(&other, NULL, kick, &self));
	EXPECT_EQ(try_run(vcpu), -EINTR);
	pthread_join(other, NULL);
}

static void guest_ports(void)
{
	outb(PORT, 0x81);
	outw(PORT + 1, 0x8283);
	outl(PORT + 2, 0x84858687);
	GUEST_EQ(inb(PORT), 0x91);
	GUEST_EQ(inw(PORT + 1), 0x9293);
	GUEST_EQ(inl(PORT + 2), 0x94959697);
}

static void test_io(void)
{
	static const struct {
		uint8_t direction, size;
		uint32_t value;
	} wanted[] = {
		{ KVM_EXIT_IO_OUT, 1, 0x81 }, { KVM_EXIT_IO_OUT, 2, 0x8283 },
		{ KVM_EXIT_IO_OUT, 4, 0x84858687 }, { KVM_EXIT_IO_IN, 1, 0x91 },
		{ KVM_EXIT_IO_IN, 2, 0x9293 }, { KVM_EXIT_IO_IN, 4, 0x94959697 },
	};
	struct vcpu *vcpu = start(guest_ports);
	struct kvm_run *run = vcpu->run;
	uint32_t value;
	size_t i;

	for (i = 0; i < KSFT_ARRAY_SIZE(wanted); i++) {
		vcpu_run_to(vcpu, KVM_EXIT_IO);
		EXPECT_EQ(run->io.port, PORT + i % 3);
		EXPECT_EQ(run->io.direction, wanted[i].direction);
		EXPECT_EQ(run->io.size, wanted[i].size);
		EXPECT_EQ(run->io.count, 1);
		ASSERT(run->io.data_offset + 4 <= vcpu->run_size);
		value = 0;
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, (uint8_t *)run + run->io.data_offset, run->io.size);
			EXPECT_EQ(value, wanted[i].value);
		} else {
			memcpy((uint8_t *)run + run->io.data_offset, &wanted[i].value,
			       run->io.size);
		}
	}
	guest_run_done(vcpu);
}

static void guest_mmio(void)
{
	uint64_t value = 0x8182838485868788;

	asm volatile("movb %b0, (%1)\n\tmovw %w0, (%1)\n\tmovl %k0, (%1)\n\tmovq %0, (%1)"
		     : : "a"(value), "r"(MMIO) : "memory");
	asm volatile("movb (%1), %b0" : "+a"(value) : "r"(MMIO) : "memory");
	GUEST_EQ(value, 0x8182838485868798);
	asm volatile("movw (%1), %w0" : "+a"(value) : "r"(MMIO) : "memory");
	GUEST_EQ(value, 0x8182838485869798);
	asm volatile("movl (%1), %k0" : "+a"(value) : "r"(MMIO) : "memory");
	GUEST_EQ(value, 0x95969798);
	asm volatile("movq (%1), %0" : "+a"(value) : "r"(MMIO) : "memory");
	GUEST_EQ(value, 0x9192939495969798);
}

static void test_mmio(void)
{
	static const uint64_t in = 0x9192939495969798, out = 0x8182838485868788;
	struct vcpu *vcpu = start(guest_mmio);
	struct kvm_run *run = vcpu->run;
	unsigned int i;

	for (i = 0; i < 8; i++) {
		vcpu_run_to(vcpu, KVM_EXIT_MMIO);
		EXPECT_EQ(run->mmio.phys_addr, MMIO);
		EXPECT_EQ(run->mmio.len, 1U << i % 4);
		EXPECT_EQ(run->mmio.is_write, i < 4);
		if (i < 4)
			EXPECT(!memcmp(run->mmio.data, &out, run->mmio.len));
		else
			memcpy(run->mmio.data, &in, run->mmio.len);
	}
	guest_run_done(vcpu);
}

static void guest_hlt(void)
{
	asm volatile("hlt");
	guest_sync(1);
}

static void test_hlt(void)
{
	struct vcpu *vcpu = start(guest_hlt);

	vcpu_run_to(vcpu, KVM_EXIT_HLT);
	guest_run_sync(vcpu, 1);
}

static void guest_shutdown(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __packed none = { 0, 0 };

	asm volatile("lidt %0; int3" : : "m"(none));
}

static void test_shutdown(void)
{
	struct vcpu *vcpu = start(guest_shutdown);

	vcpu_run_to(vcpu, KVM_EXIT_SHUTDOWN);
}

/* A code segment that is of 64 bits and of 32: no processor can be in that state. */
static void test_invalid_state(void)
{
	struct vcpu *vcpu = start(guest_count);
	struct kvm_sregs good, sregs;
	struct kvm_regs regs;
	int ret;

	vcpu_get_regs(vcpu, &regs);
	vcpu_get_sregs(vcpu, &good);
	sregs = good;
	sregs.cs.db = 1;
	ret = try_ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);
	if (ret)
		ksft_skip("KVM_SET_SREGS refuses the state: %s", strerror(-ret));
	signal(SIGUSR1, on_signal);
	timer_start(SIGUSR1, 200);
	ASSERT_EQ(try_run(vcpu), 0);
	vcpu_expect_exit(vcpu, KVM_EXIT_FAIL_ENTRY);
	/*
	 * It is the client's to mend, and then the guest runs. QEMU's processor stores
	 * its own registers as the guest's when it refuses an entry.
	 */
	vcpu_set_sregs(vcpu, &good);
	vcpu_set_regs(vcpu, &regs);
	timer_start(SIGUSR1, 200);
	EXPECT_EQ(try_run(vcpu), -EINTR);
}

static void guest_phaddw_mmio(void)
{
	asm volatile("phaddw (%0), %%xmm0" : : "r"(MMIO) : "memory");
}

static void test_unemulatable(void)
{
	struct vcpu *vcpu = start(guest_phaddw_mmio);

	ASSERT_EQ(try_run(vcpu), 0);
	vcpu_expect_exit(vcpu, KVM_EXIT_INTERNAL_ERROR);
	EXPECT_EQ(vcpu->run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
}

/*
 * At the reset vector there is nothing to fetch. KVM, which sizes its page tables
 * after the memory, may also say so with ENOSPC.
 */
static void test_no_memory(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(0, 0), 0);

	int ret = try_run(vcpu);

	EXPECT(ret == 0 || ret == -ENOSPC, "%s", strerror(-ret));
	if (!ret)
		vcpu_expect_exit(vcpu, KVM_EXIT_INTERNAL_ERROR);
}

static void guest_interrupts(void)
{
	guest_sync(1);			/* interrupts off */
	sti();
	for (;;)
		counter++;
}

static void end_interrupts(struct guest_frame *frame)
{
	guest_sync(0x41);
}

/* What clients with an irqchip, too, read after each run, and write back. */
static void test_shared_page(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs sregs;

	guest_start(vcpu, guest_interrupts);
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs), 0);
	EXPECT(sregs.apic_base);
	EXPECT_EQ(vcpu->run->apic_base, sregs.apic_base);
	EXPECT_EQ(vcpu->run->cr8, sregs.cr8);
	EXPECT_EQ(vcpu->run->if_flag, 0);
	EXPECT_EQ(vcpu->run->ready_for_interrupt_injection, 1);
}

/* KVM_INTERRUPT without interrupt controllers, and the window that it needs. */
static void test_interrupt_window(void)
{
	struct kvm_interrupt irq = { .irq = 0x41 };
	struct vcpu *vcpu = start(guest_interrupts);

	*GUEST_VAR(vcpu->vm, guest_handlers[0x41]) = end_interrupts;
	guest_run_sync(vcpu, 1);
	vcpu_run_to_window(vcpu);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_INTERRUPT, &irq), 0);
	guest_run_sync(vcpu, 0x41);

	irq.irq = 256;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_INTERRUPT, &irq), -EINVAL);
}

static volatile uint32_t nmi_seen;

static void note_nmi(struct guest_frame *frame)
{
	nmi_seen = 1;
}

/*
 * The report comes after IRET: Bochs keeps a guest's NMI blocking when it enters
 * another, so a guest that ends inside its handler would leave none to the next.
 */
static void wait_nmi(void)
{
	for (;;) {
		counter++;
		if (nmi_seen)
			guest_sync(0x41);
	}
}

static void guest_nmi(void)
{
	guest_handlers[2] = note_nmi;
	guest_sync(1);
	wait_nmi();
}

static void test_nmi(void)
{
	struct vcpu *vcpu = start(guest_nmi);

	vm_need(vcpu->vm, KVM_CAP_USER_NMI, "KVM_CAP_USER_NMI");
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(try_ioctl_value(vcpu->fd, KVM_NMI, 0), 0);
	guest_run_sync(vcpu, 0x41);
	EXPECT_EQ(*GUEST_VAR(vcpu->vm, guest_traps[2]), 1);
}

static void wait_nmi_in_handler(struct guest_frame *frame)
{
	sti();
	wait_nmi();
}

static void guest_nmi_after_exception(void)
{
	guest_handlers[2] = note_nmi;
	guest_handlers[6] = wait_nmi_in_handler;
	guest_sync(1);
	guest_count();
}

/* Two events for one entry: the second comes as soon as the first is delivered. */
static void test_nmi_after_exception(void)
{
	struct vcpu *vcpu = start(guest_nmi_after_exception);
	struct kvm_vcpu_events events;

	vm_need(vcpu->vm, KVM_CAP_USER_NMI, "KVM_CAP_USER_NMI");
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events), 0);
	events.exception.injected = 1;
	events.exception.nr = 6;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events), 0);
	ASSERT_EQ(try_ioctl_value(vcpu->fd, KVM_NMI, 0), 0);
	guest_run_sync(vcpu, 0x41);
	EXPECT_EQ(*GUEST_VAR(vcpu->vm, guest_traps[2]), 1);
}

static void guest_nmi_in_shadow(void)
{
	uint32_t eax = 1, edx = GUEST_PORT_SYNC;

	guest_handlers[2] = note_nmi;
	asm volatile("outl %0, %w1\n\t"
		     "cpuid"
		     : "+a"(eax), "+d"(edx) : : "rbx", "rcx", "memory");
	wait_nmi();
}

/* The instruction that an NMI has to wait for exits: the NMI comes after it all the same. */
static void test_nmi_in_shadow(void)
{
	struct vcpu *vcpu = start(guest_nmi_in_shadow);
	struct kvm_vcpu_events events;
	struct kvm_regs regs;

	vm_need(vcpu->vm, KVM_CAP_USER_NMI, "KVM_CAP_USER_NMI");
	guest_run_sync(vcpu, 1);
	vcpu->run->immediate_exit = 1;
	EXPECT_EQ(try_run(vcpu), -EINTR);	/* OUT is done */
	vcpu->run->immediate_exit = 0;
	vcpu_get_regs(vcpu, &regs);
	regs.rflags |= 0x200;			/* else there is no shadow of STI */
	vcpu_set_regs(vcpu, &regs);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events), 0);
	events.flags |= KVM_VCPUEVENT_VALID_SHADOW;
	events.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events), 0);
	ASSERT_EQ(try_ioctl_value(vcpu->fd, KVM_NMI, 0), 0);
	guest_run_sync(vcpu, 0x41);
	EXPECT_EQ(*GUEST_VAR(vcpu->vm, guest_traps[2]), 1);
}

/* A SIPI that nobody waits for is nothing, and takes nothing with it. */
static void test_nmi_beside_sipi(void)
{
	static const uint32_t states[] = { KVM_MP_STATE_SIPI_RECEIVED, KVM_MP_STATE_RUNNABLE };
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);
	struct kvm_mp_state mp;

	vm_need(vcpu->vm, KVM_CAP_USER_NMI, "KVM_CAP_USER_NMI");
	guest_start(vcpu, guest_nmi);
	guest_run_sync(vcpu, 1);
	for (size_t i = 0; i < KSFT_ARRAY_SIZE(states); i++) {
		mp.mp_state = states[i];
		ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_MP_STATE, &mp), 0);
	}
	ASSERT_EQ(try_ioctl_value(vcpu->fd, KVM_NMI, 0), 0);
	guest_run_sync(vcpu, 0x41);
	EXPECT_EQ(*GUEST_VAR(vcpu->vm, guest_traps[2]), 1);
}

static const struct ksft_test tests[] = {
	{ "immediate_exit", test_immediate_exit },
	{ "immediate_exit_completes", test_immediate_exit_completes },
	{ "signal", test_signal },
	{ "signal_mask", test_signal_mask },
	{ "signal_from_thread", test_signal_from_thread },
	{ "io", test_io },
	{ "mmio", test_mmio },
	{ "hlt", test_hlt },
	{ "shutdown", test_shutdown },
	{ "invalid_state", test_invalid_state },
	{ "unemulatable", test_unemulatable },
	{ "no_memory", test_no_memory },
	{ "shared_page", test_shared_page },
	{ "interrupt_window", test_interrupt_window, 10 },
	{ "nmi", test_nmi },
	{ "nmi_after_exception", test_nmi_after_exception },
	{ "nmi_in_shadow", test_nmi_in_shadow },
	{ "nmi_beside_sipi", test_nmi_beside_sipi },
};

static const struct ksft_suite suite = KSFT_SUITE("run", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
