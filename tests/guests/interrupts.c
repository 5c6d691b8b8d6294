// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts as instructions see them: HLT and what ends it, the instruction
 * that STI and loads of SS shield, self-IPIs, NMIs and their blocking, and a
 * second processor.
 */
#include <pthread.h>
#include <unistd.h>

#include "apic_guest.h"

#define VECTOR		0x41

static void guest_hlt(void)
{
	apic_on(false);
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

	apic_on(false);
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

	apic_on(false);
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

	apic_on(false);
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

	apic_on(false);
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
	apic_on(false);
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
	apic_on(false);
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

	apic_on(false);
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
	{ "nmi", test_nmi },
	{ "nmi_wakes", test_nmi_wakes },
	{ "all_vectors", test_all_vectors },
	{ "ipi", test_ipi, .shadow = true },
};

const struct ksft_suite interrupts_suite = KSFT_SUITE("interrupts", tests);
