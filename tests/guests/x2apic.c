// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts of an x2APIC, which the processor may virtualize: then it, not the
 * hypervisor, delivers them, ends them and knows their priorities. What software has
 * to notice all the same: ends of level-triggered ones, state that its client changes,
 * the PIC's interrupts in between, and the APIC going off and on.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "apic_guest.h"

#define APIC_DFR	0xe0
#define APIC_LDR	0xd0
#define ESR_SEND_ILLEGAL	0x20

#define PIN		5
#define LEVEL_VECTOR	0x55

#define HOLE		0x40000000UL		/* a slot whose pages come and go */
#define HOLE_SIZE	MiB(2)

static volatile uint32_t level_count;

/* The client lowers the line when it is told the second time. */
static void on_level(struct guest_frame *frame)
{
	if (++level_count % 2 == 0)
		guest_sync(2);
	x2apic_write(APIC_EOI, 0);
}

/*
 * A line that stays up interrupts again after each EOI, and not while its first
 * interrupt is in service; also when its vector has been an edge's in between.
 */
static void guest_level(void)
{
	unsigned int i;

	apic_on(true);
	ioapic_write(0x11 + 2 * PIN, 0);
	ioapic_write(0x10 + 2 * PIN, IOAPIC_LEVEL | LEVEL_VECTOR);
	for (i = 1; i <= 3; i++) {
		guest_handlers[LEVEL_VECTOR] = on_level;
		guest_sync(1);
		open_window();
		open_window();
		GUEST_EQ(level_count, 2 * i);
		GUEST_EQ(ioapic_read(0x10 + 2 * PIN), IOAPIC_LEVEL | LEVEL_VECTOR);
		guest_handlers[LEVEL_VECTOR] = on_interrupt;
		self_ipi(LEVEL_VECTOR);
		open_window();
		GUEST_EQ(order_count, i);
	}
}

static void test_level(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	unsigned int i;

	guest_start(vcpu, guest_level);
	for (i = 0; i < 3; i++) {
		guest_run_sync(vcpu, 1);
		vm_irq_line(vm, PIN, 1);
		guest_run_sync(vcpu, 2);
		vm_irq_line(vm, PIN, 0);
	}
	guest_run_done(vcpu);
}

static void on_saved(struct guest_frame *frame)
{
	order[order_count++ & 7] = frame->vector;
	self_ipi(0x41);
	self_ipi(0x91);
	guest_sync(1);
	/* Changed meanwhile: 0x71 is in service and 0x61 below it, 0x42 and 0x81 wait. */
	GUEST_EQ(x2apic_read(APIC_PPR), 0x70);
	GUEST_ASSERT(!apic_is_set(APIC_IRR, 0x41) && !apic_is_set(APIC_IRR, 0x91));
	open_window();
	GUEST_EQ(order_count, 2);
	GUEST_EQ(order[1], 0x81);
	self_ipi(0x72);
	open_window();
	GUEST_EQ(order_count, 2);
	x2apic_write(APIC_EOI, 0);	/* 0x71's */
	GUEST_EQ(x2apic_read(APIC_PPR), 0x60);
	open_window();
	GUEST_EQ(order_count, 3);
	GUEST_EQ(order[2], 0x72);
	x2apic_write(APIC_EOI, 0);
	GUEST_EQ(x2apic_read(APIC_PPR), 0);
}

static void guest_saved(void)
{
	apic_on(true);
	guest_handlers[0x61] = on_saved;
	self_ipi(0x61);
	open_window();
	GUEST_EQ(order_count, 4);
	GUEST_EQ(order[3], 0x42);
}

static void set_vector(struct kvm_lapic_state *s, unsigned int base, uint8_t vector, bool on)
{
	char *byte = &s->regs[base + vector / 32 * 16 + vector % 32 / 8];

	*byte = on ? *byte | 1 << vector % 8 : *byte & ~(1 << vector % 8);
}

static bool has_vector(const struct kvm_lapic_state *s, unsigned int base, uint8_t vector)
{
	return s->regs[base + vector / 32 * 16 + vector % 32 / 8] >> vector % 8 & 1;
}

/* The client sees what waits and what is in service, and changes both. */
static void test_saved_state(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_lapic_state s;

	guest_start(vcpu, guest_saved);
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_LAPIC, &s), 0);
	EXPECT(has_vector(&s, APIC_ISR, 0x61) && !has_vector(&s, APIC_IRR, 0x61));
	EXPECT(has_vector(&s, APIC_IRR, 0x41) && has_vector(&s, APIC_IRR, 0x91));
	EXPECT_EQ((uint8_t)s.regs[APIC_PPR], 0x60);

	set_vector(&s, APIC_IRR, 0x41, false);
	set_vector(&s, APIC_IRR, 0x91, false);
	set_vector(&s, APIC_IRR, 0x42, true);
	set_vector(&s, APIC_IRR, 0x81, true);
	set_vector(&s, APIC_ISR, 0x71, true);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_LAPIC, &s), 0);
	guest_run_done(vcpu);
}

/* An interrupt that comes with no vCPU running is in what the client saves. */
static void test_saved_message(void)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0xa1 };
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_lapic_state s;

	guest_start(vcpu, guest_saved);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), 1);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_LAPIC, &s), 0);
	EXPECT(has_vector(&s, APIC_IRR, 0xa1));
}

static void guest_registers(void)
{
	static const uint16_t readable[] = {
		APIC_ID, APIC_VERSION, APIC_TPR, APIC_PPR, APIC_LDR, APIC_SPIV, APIC_ISR,
		0x180, APIC_IRR, APIC_ESR, APIC_ICR, APIC_LVT_TIMER, APIC_LVT_LINT0,
		APIC_TMICT, APIC_TMCCT, APIC_TDCR,
	};
	static const uint16_t absent[] = { 0x40, APIC_EOI, APIC_DFR, APIC_ICR2, APIC_SELF_IPI, 0x400 };
	uint64_t left;
	unsigned int i;

	apic_on(true);
	for (i = 0; i < KSFT_ARRAY_SIZE(readable); i++)
		GUEST_EQ(GUEST_TRY("rdmsr", : : "c"(MSR_X2APIC + readable[i] / 16)
				   : "rax", "rdx", "r11", "memory"), GUEST_NO_TRAP);
	for (i = 0; i < KSFT_ARRAY_SIZE(absent); i++)
		GUEST_EQ(GUEST_TRY("rdmsr", : : "c"(MSR_X2APIC + absent[i] / 16)
				   : "rax", "rdx", "r11", "memory"), 13);
	GUEST_EQ(x2apic_read(APIC_ID), 0);
	GUEST_EQ(x2apic_read(APIC_LDR), 1);
	GUEST_EQ(x2apic_read(APIC_SPIV), 0x1ff);
	x2apic_write(APIC_ICR, 7UL << 32 | APIC_ASSERT | 0x61);
	GUEST_EQ(x2apic_read(APIC_ICR), 7UL << 32 | APIC_ASSERT | 0x61);

	/* The count goes by the time, whoever reads it. */
	x2apic_write(APIC_LVT_TIMER, APIC_MASKED | 0x61);
	x2apic_write(APIC_TMICT, 4000000000);
	left = x2apic_read(APIC_TMCCT);
	GUEST_ASSERT(left && x2apic_read(APIC_TMCCT) < left);
	x2apic_write(APIC_TMICT, 0);

	/* Reserved bits of what needs no exit. */
	for (i = 0; i < 3; i++)
		GUEST_EQ(GUEST_TRY("wrmsr", : : "c"(MSR_X2APIC + (i == 0 ? APIC_TPR : i == 1 ?
				   APIC_EOI : APIC_SELF_IPI) / 16), "a"(i == 1 ? 1 : 0x100), "d"(0)
				   : "r11", "memory"), 13);
	GUEST_EQ(order_count, 0);
}

static void test_registers(void)
{
	guest_test(VM_IRQCHIP, guest_registers);
}

static void guest_illegal_vector(void)
{
	uint64_t errors;

	apic_on(true);
	x2apic_write(APIC_ESR, 0);
	self_ipi(5);
	open_window();
	x2apic_write(APIC_ESR, 0);
	errors = x2apic_read(APIC_ESR);
	/* KVM's APICs note no errors. */
	GUEST_ASSERT(errors == 0 || errors == ESR_SEND_ILLEGAL);
	GUEST_ASSERT(!errors || !apic_is_set(APIC_IRR, 5));
	GUEST_EQ(order_count, 0);
}

static void test_illegal_vector(void)
{
	guest_test(VM_IRQCHIP, guest_illegal_vector);
}

/* Switched off by software it takes nothing, by SELF IPI neither, and then again. */
static void guest_switched_off(void)
{
	unsigned int i;

	apic_on(true);
	for (i = 1; i <= 3; i++) {
		x2apic_write(APIC_SPIV, 0xff);
		self_ipi(0x61);
		open_window();
		x2apic_write(APIC_SPIV, 0x1ff);
		open_window();
		GUEST_EQ(order_count, i - 1);
		self_ipi(0x61);
		open_window();
		GUEST_EQ(order_count, i);
	}
	/* And as a whole: state is lost, and xAPIC mode comes first. */
	self_ipi(0x61);
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) & ~0xc00UL);
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0x800);
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	x2apic_write(APIC_SPIV, 0x1ff);
	open_window();
	GUEST_EQ(order_count, 3);
	self_ipi(0x61);
	open_window();
	GUEST_EQ(order_count, 4);
}

static void test_switched_off(void)
{
	guest_test(VM_IRQCHIP, guest_switched_off);
}

static volatile uint32_t pic_count;

static void on_pic(struct guest_frame *frame)
{
	pic_count++;
	order[order_count++ & 7] = frame->vector;
	outb(0x20, 0x20);
}

/* The PIC's interrupts have no priority in the APIC, and come before its own. */
static void guest_extint(void)
{
	unsigned int i;

	apic_on(true);
	guest_handlers[0x20 + PIN] = on_pic;
	x2apic_write(APIC_LVT_LINT0, 0x700);
	outb(0x21, 0xff & ~(1 << PIN));
	for (i = 1; i <= 3; i++) {
		order_count = 0;
		self_ipi(0x61);
		guest_sync(1);
		open_window();
		open_window();
		GUEST_EQ(pic_count, i);
		GUEST_EQ(order_count, 2);
		GUEST_EQ(order[0] + order[1], 0x20 + PIN + 0x61);
		GUEST_ASSERT(!apic_is_set(APIC_ISR, 0x61));
	}
}

static void test_extint(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	unsigned int i;

	guest_start(vcpu, guest_extint);
	for (i = 0; i < 3; i++) {
		guest_run_sync(vcpu, 1);
		vm_irq_line(vm, PIN, 0);
		vm_irq_line(vm, PIN, 1);
	}
	guest_run_done(vcpu);
}

/* Its stack is not there when the interrupt is delivered: it comes once all the same. */
static void guest_cut_off(void)
{
	int i;

	apic_on(true);
	guest_tss[0].ist[1] = HOLE + 0x2000;
	for (i = 0; i < 256; i++)
		guest_idt[i].ist = 2;
	for (i = 1; i <= 3; i++) {
		self_ipi(0x61);
		guest_sync(1);
		open_window();
		GUEST_EQ(order_count, i);
		GUEST_ASSERT(!apic_is_set(APIC_ISR, 0x61) && !apic_is_set(APIC_IRR, 0x61));
	}
}

static void test_cut_off(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	void *hole = memory_map(HOLE_SIZE, false);
	unsigned int i;

	if (host_virtualizes_x2apic() && !host_has_posted_interrupts())
		ksft_skip("Bochs does not say which virtual interrupt was cut off");

	vm_set_slot(vm, 1, 0, HOLE, HOLE_SIZE, hole);
	guest_start(vcpu, guest_cut_off);
	for (i = 0; i < 3; i++) {
		guest_run_sync(vcpu, 1);
		ASSERT(!madvise(hole, HOLE_SIZE, MADV_DONTNEED));
	}
	guest_run_done(vcpu);
}

static volatile uint32_t ready, ipis, stopped;

static void on_ipi(struct guest_frame *frame)
{
	ipis++;
	x2apic_write(APIC_EOI, 0);
}

static void answerer_on(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	x2apic_write(APIC_SPIV, 0x1ff);
	ready = 1;
}

static void guest_halts(void)
{
	answerer_on();
	while (ipis < 10)
		sti_hlt_cli();
	stopped = 1;
}

static void guest_spins(void)
{
	answerer_on();
	sti();
	while (ipis < 10)
		cpu_pause();
	cli();
	stopped = 1;
}

static void guest_sender(void)
{
	uint32_t sent;

	apic_on(true);
	guest_handlers[0x65] = on_ipi;
	guest_sync(1);
	sti();		/* or Bochs lets no interrupt of the host in while this spins */
	while (!ready)
		cpu_pause();
	for (sent = 0; sent < 10; sent++) {
		x2apic_write(APIC_ICR, 1UL << 32 | APIC_ASSERT | 0x65);
		while (ipis == sent)
			cpu_pause();
	}
	while (!stopped)
		cpu_pause();
}

static void *run_other(void *vcpu)
{
	guest_run_done(vcpu);
	return NULL;
}

static void ipi_to(void (*function)(void))
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0), *other = vcpu_create(vm, 1);
	pthread_t thread;

	guest_start(vcpu, guest_sender);
	guest_start(other, function);
	guest_run_sync(vcpu, 1);
	ASSERT(!pthread_create(&thread, NULL, run_other, other));
	guest_run_done(vcpu);
	pthread_join(thread, NULL);
}

static void test_ipi_halted(void)
{
	ipi_to(guest_halts);
}

static void test_ipi_running(void)
{
	ipi_to(guest_spins);
}

static void guest_halts_inside(void)
{
	uint64_t i;

	apic_on(true);
	guest_handlers[0x61] = on_ipi;
	x2apic_write(APIC_TDCR, 0xb);
	x2apic_write(APIC_LVT_TIMER, 0x61);
	guest_sync(1);
	for (i = 1; i <= 5; i++) {
		x2apic_write(APIC_TMICT, 1000000);
		while (ipis < i)
			sti_hlt_cli();
	}
	guest_sync(2);
}

/* HLT that does not exit ends with an interrupt, too. */
static void test_halts_inside(void)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_DISABLE_EXITS, .args = { KVM_X86_DISABLE_EXITS_HLT },
	};
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	uint64_t halts;
	struct vcpu *vcpu;

	if (!(vm_check_extension(vm, KVM_CAP_X86_DISABLE_EXITS) & KVM_X86_DISABLE_EXITS_HLT))
		ksft_skip("no KVM_X86_DISABLE_EXITS_HLT");
	ASSERT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, &cap), 0);
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, guest_halts_inside);
	guest_run_sync(vcpu, 1);
	halts = vcpu_statistic(vcpu, "halt_exits");
	guest_run_sync(vcpu, 2);
	EXPECT_EQ(vcpu_statistic(vcpu, "halt_exits"), halts);
}

static void guest_quiet(void)
{
	int i;

	apic_on(true);
	guest_handlers[0x61] = on_ipi;
	guest_sync(1);
	sti();
	for (i = 0; i < 1000; i++) {
		write_cr8(i & 3);
		GUEST_EQ(x2apic_read(APIC_TPR), (i & 3) << 4);
		self_ipi(0x61);
	}
	cli();
	GUEST_EQ(ipis, 1000);
	guest_sync(2);
}

/* Self-IPIs, EOIs and priorities without exits where the processor virtualizes them. */
static void test_quiet(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	uint64_t exits;

	guest_start(vcpu, guest_quiet);
	guest_run_sync(vcpu, 1);
	exits = vcpu_statistic(vcpu, "exits");
	guest_run_sync(vcpu, 2);
	exits = vcpu_statistic(vcpu, "exits") - exits;
	if (host_virtualizes_x2apic())
		EXPECT(exits < 100, "%llu exits", (unsigned long long)exits);
	else if (!strcmp(ksft_device, "/dev/khv"))
		EXPECT(exits >= 2000, "%llu exits", (unsigned long long)exits);
}

static const struct ksft_test tests[] = {
	{ "level", test_level },
	{ "saved_state", test_saved_state },
	{ "saved_message", test_saved_message },
	{ "registers", test_registers },
	{ "illegal_vector", test_illegal_vector },
	{ "switched_off", test_switched_off },
	{ "extint", test_extint },
	{ "cut_off", test_cut_off },
	{ "ipi_halted", test_ipi_halted, .shadow = true },
	{ "ipi_running", test_ipi_running },
	{ "halts_inside", test_halts_inside },
	{ "quiet", test_quiet },
};

const struct ksft_suite x2apic_suite = KSFT_SUITE("x2apic", tests);
