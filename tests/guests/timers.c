// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timers that interrupt the guest: the local APIC's in its three modes, both
 * as xAPIC and as x2APIC, and the PIT through PIC and I/O APIC.
 */
#include "guest_apic.h"
#include "guests.h"

#define VECTOR		0x50
#define DIVIDE_BY_1	0xb
#define COUNT		2000000		/* 2 ms of KVM's 1 GHz APIC bus */

static volatile uint32_t ticks;
static bool x2apic;

static uint32_t apic_read(uint32_t reg)
{
	return x2apic ? x2apic_read(reg) : xapic_read(reg);
}

static void apic_write(uint32_t reg, uint32_t val)
{
	if (x2apic)
		x2apic_write(reg, val);
	else
		xapic_write(reg, val);
}

static void on_tick(struct guest_frame *frame)
{
	ticks++;
	apic_write(APIC_EOI, 0);
}

static void apic_on(void)
{
	guest_handlers[VECTOR] = on_tick;
	pic_init(0x20, 0x28);
	outb(0x21, 0xff);
	if (x2apic)
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	apic_write(APIC_SPIV, 0x1ff);
	apic_write(APIC_TDCR, DIVIDE_BY_1);
}

static void guest_oneshot(void)
{
	uint32_t left, before = COUNT;

	apic_on();
	apic_write(APIC_LVT_TIMER, VECTOR);
	apic_write(APIC_TMICT, COUNT);
	left = apic_read(APIC_TMCCT);
	GUEST_ASSERT(left <= before);
	while (!ticks)
		sti_hlt_cli();
	GUEST_EQ(apic_read(APIC_TMCCT), 0);
	sti();
	for (left = 0; left < 100000; left++)
		cpu_pause();
	cli();
	GUEST_EQ(ticks, 1);

	/* Stopped by a count of 0, long before its end; masked, it raises nothing. */
	apic_write(APIC_TMICT, 4000000000);
	apic_write(APIC_TMICT, 0);
	GUEST_EQ(apic_read(APIC_TMCCT), 0);
	apic_write(APIC_LVT_TIMER, VECTOR | APIC_MASKED);
	apic_write(APIC_TMICT, 1000);
	while (apic_read(APIC_TMCCT))
		cpu_pause();
	sti();
	asm volatile("nop; nop");
	cli();
	GUEST_EQ(ticks, 1);
}

static void guest_periodic(void)
{
	apic_on();
	apic_write(APIC_LVT_TIMER, VECTOR | APIC_TIMER_PERIODIC);
	apic_write(APIC_TMICT, COUNT);
	while (ticks < 5)
		sti_hlt_cli();
	GUEST_ASSERT(apic_read(APIC_TMCCT) <= COUNT);
	apic_write(APIC_TMICT, 0);
}

static void guest_deadline(void)
{
	uint64_t start, deadline;

	apic_on();
	apic_write(APIC_LVT_TIMER, VECTOR | APIC_TIMER_DEADLINE);
	asm volatile("mfence" : : : "memory");
	start = rdtsc();
	deadline = start + 100000;
	wrmsr(MSR_TSC_DEADLINE, deadline);
	while (!ticks)
		sti_hlt_cli();
	GUEST_ASSERT(rdtsc() >= deadline);
	GUEST_EQ(rdmsr(MSR_TSC_DEADLINE), 0);

	/* In the past: at once. Taken back: never. */
	wrmsr(MSR_TSC_DEADLINE, 1);
	while (ticks < 2)
		sti_hlt_cli();
	deadline = rdtsc() + (1UL << 45);
	wrmsr(MSR_TSC_DEADLINE, deadline);
	GUEST_EQ(rdmsr(MSR_TSC_DEADLINE), deadline);
	wrmsr(MSR_TSC_DEADLINE, 0);
	GUEST_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	GUEST_EQ(ticks, 2);
}

static void run(bool as_x2apic, void (*function)(void))
{
	x2apic = as_x2apic;
	guest_test(VM_IRQCHIP, function);
}

static void test_oneshot(void)
{
	run(false, guest_oneshot);
}

static void test_oneshot_x2apic(void)
{
	run(true, guest_oneshot);
}

static void test_periodic(void)
{
	run(false, guest_periodic);
}

static void test_periodic_x2apic(void)
{
	run(true, guest_periodic);
}

/* KVM_GET_SUPPORTED_CPUID never shows the bit: the capability does. */
static void run_deadline(bool as_x2apic)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	struct kvm_cpuid2 *cpuid = supported_cpuid(vm->dev);

	vm_need(vm, KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER");
	cpuid_find(cpuid, 1, 0)->ecx |= 1 << 24;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), 0);
	x2apic = as_x2apic;
	guest_start(vcpu, guest_deadline);
	guest_run_done(vcpu);
}

static void test_deadline(void)
{
	run_deadline(false);
}

static void test_deadline_x2apic(void)
{
	run_deadline(true);
}

static void on_pic_tick(struct guest_frame *frame)
{
	ticks++;
	outb(0x20, 0x20);
}

static void guest_pit_pic(void)
{
	guest_handlers[0x20] = on_pic_tick;
	pic_init(0x20, 0x28);
	outb(0x21, 0xfe);
	xapic_write(APIC_SPIV, 0x1ff);
	xapic_write(APIC_LVT_LINT0, 0x700);
	pit_start(2, 1193);		/* 1 kHz */
	while (ticks < 5)
		sti_hlt_cli();
	pit_start(0, 1193);		/* once */
	ticks = 0;
	while (ticks < 1)
		sti_hlt_cli();
}

static void test_pit_pic(void)
{
	guest_test(VM_IRQCHIP | VM_PIT, guest_pit_pic);
}

/* As long as the client routes nothing, the PIT's line is pin 0 of the I/O APIC. */
static void guest_pit_ioapic(void)
{
	apic_on();
	ioapic_write(0x11, 0);
	ioapic_write(0x10, VECTOR);
	pit_start(2, 1193);
	while (ticks < 5)
		sti_hlt_cli();
}

static void test_pit_ioapic(void)
{
	guest_test(VM_IRQCHIP | VM_PIT, guest_pit_ioapic);
}

/* Channel 2's output as firmware polls it to measure time. */
static uint32_t poll_pit(void)
{
	uint32_t loops = 0;
	uint64_t start;

	outb(0x61, (inb(0x61) & ~2) | 1);
	outb(0x43, 0xb0);
	outb(0x42, 11932 & 0xff);	/* 10 ms */
	outb(0x42, 11932 >> 8);
	start = rdtsc();
	while (!(inb(0x61) & 0x20))
		loops++;
	GUEST_ASSERT(rdtsc() - start > 10000);
	return loops;
}

static void guest_pit_poll(void)
{
	int tries;

	/* A host that is busy may be away for those 10 ms. */
	for (tries = 0; tries < 50; tries++)
		if (poll_pit())
			return;
	GUEST_ASSERT(false);
}

static void test_pit_poll(void)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu;

	ASSERT_EQ(try_ioctl(vm->fd, KVM_CREATE_PIT2, &config), 0);
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, guest_pit_poll);
	guest_run_done(vcpu);
}

static const struct ksft_test tests[] = {
	{ "oneshot", test_oneshot, .shadow = true },
	{ "oneshot_x2apic", test_oneshot_x2apic, .shadow = true },
	{ "periodic", test_periodic },
	{ "periodic_x2apic", test_periodic_x2apic },
	{ "deadline", test_deadline, .shadow = true },
	{ "deadline_x2apic", test_deadline_x2apic, .shadow = true },
	{ "pit_pic", test_pit_pic, .shadow = true },
	{ "pit_ioapic", test_pit_ioapic },
	{ "pit_poll", test_pit_poll },
};

const struct ksft_suite timers_suite = KSFT_SUITE("timers", tests);
