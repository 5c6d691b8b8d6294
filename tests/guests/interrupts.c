// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts as instructions see them: HLT and what ends it, the instruction
 * that STI and loads of SS shield, priorities, self-IPIs, NMIs and their
 * blocking, and a second processor.
 */
#include <pthread.h>
#include <unistd.h>

#include "guest_apic.h"
#include "guests.h"

#define VECTOR		0x41

static volatile uint64_t interrupted_rip;
static volatile uint32_t order[8], order_count;

static void on_interrupt(struct guest_frame *frame)
{
	interrupted_rip = frame->rip;
	order[order_count++ & 7] = frame->vector;
	xapic_write(APIC_EOI, 0);
}

static void apic_on(void)
{
	int i;

	for (i = 0x30; i < 0x100; i++)
		guest_handlers[i] = on_interrupt;
	pic_init(0x20, 0x28);
	outb(0x21, 0xff);
	xapic_write(APIC_SPIV, 0x1ff);
}

static void self_ipi(uint8_t vector)
{
	xapic_write(APIC_ICR, APIC_DEST_SELF | APIC_ASSERT | vector);
}

static void guest_hlt(void)
{
	apic_on();
	ioapic_write(0x11 + 2 * 5, 0);
	ioapic_write(0x10 + 2 * 5, VECTOR);
	guest_sync(1);
	while (!order_count)
		sti_hlt_cli();
	GUEST_EQ(order[0], VECTOR);
}

static void *raise_line(void *arg)
{
	usleep(20000);
	vm_irq_line(arg, 5, 1);
	return NULL;
}

/* HLT waits in the kernel until another thread raises a line. */
static void test_hlt_wakes(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	pthread_t thread;

	guest_start(vcpu, guest_hlt);
	guest_run_sync(vcpu, 1);
	ASSERT(!pthread_create(&thread, NULL, raise_line, vm));
	guest_run_done(vcpu);
	pthread_join(thread, NULL);
}

/* The interrupt waits for the instruction after STI. */
static void guest_sti_shadow(void)
{
	uint64_t after;

	apic_on();
	self_ipi(VECTOR);
	asm volatile("leaq 1f(%%rip), %0\n\t"
		     "sti\n\t"
		     "nop\n"
		     "1:\tnop\n\t"
		     "cli" : "=r"(after) : : "memory");
	GUEST_EQ(order_count, 1);
	GUEST_EQ(interrupted_rip, after);
}

static void test_sti_shadow(void)
{
	guest_test(VM_IRQCHIP, guest_sti_shadow);
}

/* STI, HLT with an interrupt that is pending already: HLT ends at once. */
static void guest_sti_hlt(void)
{
	uint64_t after;

	apic_on();
	self_ipi(VECTOR);
	asm volatile("leaq 1f(%%rip), %0\n\t"
		     "sti\n\t"
		     "hlt\n"
		     "1:\tcli" : "=r"(after) : : "memory");
	GUEST_EQ(order_count, 1);
	GUEST_EQ(interrupted_rip, after);
}

static void test_sti_hlt(void)
{
	guest_test(VM_IRQCHIP, guest_sti_hlt);
}

/* STI before an instruction that exits: the shadow must not outlive it. */
static void guest_sti_exit(void)
{
	uint64_t after;

	apic_on();
	self_ipi(VECTOR);
	asm volatile("leaq 1f(%%rip), %%rsi\n\t"
		     "xorl %%eax, %%eax\n\t"
		     "sti\n\t"
		     "cpuid\n"
		     "1:\tnop\n\t"
		     "cli" : "=S"(after) : : "rax", "rbx", "rcx", "rdx", "memory");
	GUEST_EQ(order_count, 1);
	GUEST_EQ(interrupted_rip, after);
}

static void test_sti_exit(void)
{
	guest_test(VM_IRQCHIP, guest_sti_exit);
}

/* POP SS shields the next instruction too, and an exit ends the shadow. */
static void guest_ss_shadow(void)
{
	uint64_t after;

	apic_on();
	asm volatile("movl %%ss, %%ebx\n\t"
		     "leaq 1f(%%rip), %0\n\t"
		     "sti\n\t"
		     "nop\n\t"
		     "movl %2, (%1)\n\t"	/* self-IPI */
		     "movl %%ebx, %%ss\n\t"
		     "nop\n"
		     "1:\tnop\n\t"
		     "cli"
		     : "=&r"(after)
		     : "r"(XAPIC_BASE + APIC_ICR), "r"(APIC_DEST_SELF | APIC_ASSERT | VECTOR)
		     : "rbx", "memory");
	GUEST_EQ(order_count, 1);
	GUEST_ASSERT(interrupted_rip <= after);
}

static void test_ss_shadow(void)
{
	guest_test(VM_IRQCHIP, guest_ss_shadow);
}

static void open_window(void)
{
	sti();
	asm volatile("nop; nop" : : : "memory");
	cli();
}

static void guest_priority(void)
{
	apic_on();
	self_ipi(0x41);
	self_ipi(0x81);
	self_ipi(0x61);
	open_window();
	GUEST_EQ(order_count, 3);
	GUEST_EQ(order[0], 0x81);
	GUEST_EQ(order[1], 0x61);
	GUEST_EQ(order[2], 0x41);

	xapic_write(APIC_TPR, 0x50);
	self_ipi(0x41);
	self_ipi(0x61);
	open_window();
	GUEST_EQ(order_count, 4);
	GUEST_EQ(order[3], 0x61);
	xapic_write(APIC_TPR, 0);
	open_window();
	GUEST_EQ(order_count, 5);
	GUEST_EQ(order[4], 0x41);
}

static void test_priority(void)
{
	guest_test(VM_IRQCHIP, guest_priority);
}

static void guest_cr8(void)
{
	apic_on();
	write_cr8(6);
	GUEST_EQ(xapic_read(APIC_TPR), 0x60);
	self_ipi(0x61);
	open_window();
	GUEST_EQ(order_count, 0);
	write_cr8(5);
	open_window();
	GUEST_EQ(order_count, 1);
	xapic_write(APIC_TPR, 0x30);
	GUEST_EQ(read_cr8(), 3);
}

static void test_cr8(void)
{
	guest_test(VM_IRQCHIP, guest_cr8);
}

static volatile uint32_t nested;

/* A higher interrupt gets in before the lower one's EOI, an equal one does not. */
static void on_low(struct guest_frame *frame)
{
	order[order_count++ & 7] = frame->vector;
	if (frame->vector == 0x41) {
		self_ipi(0x43);
		self_ipi(0x91);
		open_window();
		nested = order_count;
	}
	xapic_write(APIC_EOI, 0);
}

static void guest_nesting(void)
{
	apic_on();
	guest_handlers[0x41] = on_low;
	guest_handlers[0x43] = on_low;
	self_ipi(0x41);
	open_window();
	GUEST_EQ(nested, 2);
	GUEST_EQ(order_count, 3);
	GUEST_EQ(order[1], 0x91);
	GUEST_EQ(order[2], 0x43);
}

static void test_nesting(void)
{
	guest_test(VM_IRQCHIP, guest_nesting);
}

static volatile uint32_t nmis, nmi_depth, nmi_deepest;

/* The first NMI raises another: it must wait for IRET. */
static void on_nmi(struct guest_frame *frame)
{
	nmi_depth++;
	if (nmi_depth > nmi_deepest)
		nmi_deepest = nmi_depth;
	if (++nmis == 1) {
		xapic_write(APIC_ICR, APIC_DEST_SELF | APIC_ASSERT | APIC_DM_NMI);
		asm volatile("nop; nop; nop" : : : "memory");
		GUEST_EQ(nmis, 1);
	}
	nmi_depth--;
}

static void guest_nmi(void)
{
	apic_on();
	guest_handlers[2] = on_nmi;
	/* Self as a shorthand is not allowed with NMI on all processors: by number. */
	xapic_write(APIC_ICR2, 0);
	xapic_write(APIC_ICR, APIC_ASSERT | APIC_DM_NMI);
	asm volatile("nop; nop" : : : "memory");
	GUEST_EQ(nmis, 2);
	GUEST_EQ(nmi_deepest, 1);
}

static void test_nmi(void)
{
	guest_test(VM_IRQCHIP, guest_nmi);
}

static void guest_nmi_wakes(void)
{
	apic_on();
	guest_handlers[2] = on_interrupt;
	guest_sync(1);
	asm volatile("hlt" : : : "memory");	/* interrupts off: only an NMI ends it */
	GUEST_EQ(order_count, 1);
	GUEST_EQ(order[0], 2);
}

static void *raise_nmi(void *arg)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x400 };

	usleep(20000);
	try_ioctl(((struct vm *)arg)->fd, KVM_SIGNAL_MSI, &msi);
	return NULL;
}

static void test_nmi_wakes(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	pthread_t thread;

	guest_start(vcpu, guest_nmi_wakes);
	guest_run_sync(vcpu, 1);
	ASSERT(!pthread_create(&thread, NULL, raise_nmi, vm));
	guest_run_done(vcpu);
	pthread_join(thread, NULL);
}

/*
 * Every vector that an APIC delivers, through x2APIC's self-IPI register. With interrupts
 * on, as Bochs delivers one that it virtualizes without looking at IF when an interrupt
 * of the host's comes between.
 */
static void guest_all_vectors(void)
{
	int vector;

	apic_on();
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	for (vector = 0x30; vector < 0x100; vector++) {
		guest_handlers[vector] = NULL;
		GUEST_EQ(GUEST_TRY("sti; wrmsr; nop; nop; cli",
				   : : "c"(0x83f), "a"(vector), "d"(0) : "r11", "memory"), vector);
		cli();
		x2apic_write(APIC_EOI, 0);
	}
}

static void test_all_vectors(void)
{
	guest_test(VM_IRQCHIP, guest_all_vectors);
}

static volatile uint32_t other_ran, ipis;

static void on_ipi(struct guest_frame *frame)
{
	ipis++;
	xapic_write(APIC_EOI, 0);
}

static void guest_other(void)
{
	xapic_write(APIC_SPIV, 0x1ff);
	other_ran = 1;
	while (ipis < 10)
		sti_hlt_cli();
	other_ran = 2;
}

static void guest_sender(void)
{
	uint32_t sent;

	guest_handlers[0x55] = on_ipi;
	guest_sync(1);
	sti();		/* or Bochs lets no interrupt of the host in while this spins */
	while (!other_ran)
		cpu_pause();
	for (sent = 0; sent < 10; sent++) {
		xapic_write(APIC_ICR2, 1 << 24);
		xapic_write(APIC_ICR, APIC_ASSERT | 0x55);
		while (ipis == sent)
			cpu_pause();
	}
	while (other_ran != 2)
		cpu_pause();
}

static void *run_other(void *vcpu)
{
	guest_run_done(vcpu);
	return NULL;
}

static void test_ipi(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0), *other = vcpu_create(vm, 1);
	pthread_t thread;

	guest_start(vcpu, guest_sender);
	guest_start(other, guest_other);
	guest_run_sync(vcpu, 1);
	ASSERT(!pthread_create(&thread, NULL, run_other, other));
	guest_run_done(vcpu);
	pthread_join(thread, NULL);
}

static const struct ksft_test tests[] = {
	{ "hlt_wakes", test_hlt_wakes, .shadow = true },
	{ "sti_shadow", test_sti_shadow, .shadow = true },
	{ "sti_hlt", test_sti_hlt, .shadow = true },
	{ "sti_exit", test_sti_exit, .shadow = true },
	{ "ss_shadow", test_ss_shadow },
	{ "priority", test_priority },
	{ "cr8", test_cr8 },
	{ "nesting", test_nesting },
	{ "nmi", test_nmi },
	{ "nmi_wakes", test_nmi_wakes },
	{ "all_vectors", test_all_vectors },
	{ "ipi", test_ipi, .shadow = true },
};

const struct ksft_suite interrupts_suite = KSFT_SUITE("interrupts", tests);
