// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits in the middle of delivering an event: the table, the stack or the
 * handler lies on a page that the nested tables do not have, so delivery fails
 * once and must be replayed, with the same vector and error code and no second
 * interrupt. Pages are taken away by the test with MADV_DONTNEED, whose
 * content the guest does not need.
 */
#include <string.h>
#include <sys/mman.h>

#include "guest_apic.h"
#include "guests.h"

#define HOLE		0x40000000UL		/* a slot whose pages come and go */
#define HOLE_SIZE	MiB(2)
#define STACK_TOP	(HOLE + 0x2000)
#define IDT_COPY	(HOLE + 0x100000)

static struct vm *vm;
static uint8_t *hole;

static void on_trap(struct guest_frame *frame)
{
}

static struct vcpu *start(unsigned int flags, void (*function)(void))
{
	struct vcpu *vcpu;

	vm = vm_create(VM_RAM_SIZE, flags);
	hole = memory_map(HOLE_SIZE, false);
	vm_set_slot(vm, 1, 0, HOLE, HOLE_SIZE, hole);
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, function);
	return vcpu;
}

static void drop_pages(void)
{
	ASSERT(!madvise(hole, HOLE_SIZE, MADV_DONTNEED));
}

/* Handlers of these vectors run on a stack in the hole. */
static void stack_in_hole(void)
{
	int i;

	guest_tss[0].ist[1] = STACK_TOP;
	for (i = 0; i < 256; i++)
		guest_idt[i].ist = 2;
}

static void guest_exception(void)
{
	stack_in_hole();
	guest_sync(1);
	GUEST_EQ(GUEST_TRY("ud2", : : : "r11", "memory"), 6);
	GUEST_EQ(guest_traps[6], 1);
	guest_sync(2);
	GUEST_EQ(GUEST_TRY("movw %w0, %%es", : : "r"(0x80 * 8) : "r11", "memory"), 13);
	GUEST_EQ(guest_trap.error, 0x80 * 8);
	GUEST_EQ(guest_traps[13], 1);
	guest_sync(3);
	GUEST_EQ(GUEST_TRY("movb %%al, (%0)", : : "r"(0x5555555000) : "r11", "memory"), 14);
	GUEST_EQ(guest_trap.cr2, 0x5555555000);
	GUEST_EQ(guest_trap.error, 2);
	GUEST_EQ(guest_traps[14], 1);
}

static void test_exception(void)
{
	struct vcpu *vcpu = start(0, guest_exception);
	uint32_t i;

	for (i = 1; i <= 3; i++) {
		guest_run_sync(vcpu, i);
		drop_pages();
	}
	guest_run_done(vcpu);
}

static void guest_software_interrupt(void)
{
	stack_in_hole();
	guest_handlers[0x80] = on_trap;
	guest_handlers[3] = on_trap;
	guest_sync(1);
	asm volatile("int $0x80" : : : "memory");
	GUEST_EQ(guest_traps[0x80], 1);
	guest_sync(2);
	asm volatile("int3" : : : "memory");
	GUEST_EQ(guest_traps[3], 1);
}

static void test_software_interrupt(void)
{
	struct vcpu *vcpu = start(0, guest_software_interrupt);

	guest_run_sync(vcpu, 1);
	drop_pages();
	guest_run_sync(vcpu, 2);
	drop_pages();
	guest_run_done(vcpu);
}

static volatile uint32_t irqs;

static void on_irq(struct guest_frame *frame)
{
	irqs++;
	xapic_write(APIC_EOI, 0);
}

static void guest_interrupt(void)
{
	stack_in_hole();
	guest_handlers[0x41] = on_irq;
	pic_init(0x20, 0x28);
	outb(0x21, 0xff);
	xapic_write(APIC_SPIV, 0x1ff);
	guest_sync(1);
	xapic_write(APIC_ICR, APIC_DEST_SELF | APIC_ASSERT | 0x41);
	sti();
	asm volatile("nop; nop" : : : "memory");
	cli();
	GUEST_EQ(irqs, 1);
	GUEST_EQ(xapic_read(APIC_ISR + 0x20), 0);
	sti();
	asm volatile("nop; nop" : : : "memory");
	cli();
	GUEST_EQ(irqs, 1);
}

static void test_interrupt(void)
{
	struct vcpu *vcpu = start(VM_IRQCHIP, guest_interrupt);

	guest_run_sync(vcpu, 1);
	drop_pages();
	guest_run_done(vcpu);
}

static void guest_nmi(void)
{
	stack_in_hole();
	guest_handlers[2] = on_trap;
	xapic_write(APIC_SPIV, 0x1ff);
	guest_sync(1);
	xapic_write(APIC_ICR2, 0);
	xapic_write(APIC_ICR, APIC_ASSERT | APIC_DM_NMI);
	asm volatile("nop; nop" : : : "memory");
	GUEST_EQ(guest_traps[2], 1);
	guest_sync(2);
	xapic_write(APIC_ICR, APIC_ASSERT | APIC_DM_NMI);
	asm volatile("nop; nop" : : : "memory");
	GUEST_EQ(guest_traps[2], 2);
}

static void test_nmi(void)
{
	struct vcpu *vcpu = start(VM_IRQCHIP, guest_nmi);

	guest_run_sync(vcpu, 1);
	drop_pages();
	guest_run_sync(vcpu, 2);
	drop_pages();
	guest_run_done(vcpu);
}

/*
 * The table itself in a page that is there for the test's process but, being
 * fresh in the slot that was moved, not in the nested tables.
 */
static void guest_idt_page(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __packed idtr = { 4095, IDT_COPY };

	guest_handlers[0x80] = on_trap;
	guest_sync(1);
	asm volatile("lidt %0" : : "m"(idtr) : "memory");
	asm volatile("int $0x80" : : : "memory");
	GUEST_EQ(guest_traps[0x80], 1);
	guest_sync(2);
	GUEST_EQ(GUEST_TRY("ud2", : : : "r11", "memory"), 6);
	GUEST_EQ(guest_traps[6], 1);
}

static void test_idt(void)
{
	struct vcpu *vcpu = start(0, guest_idt_page);

	guest_run_sync(vcpu, 1);
	memcpy(hole + (IDT_COPY - HOLE), *GUEST_VAR(vm, guest_idt), sizeof(guest_idt));
	guest_run_sync(vcpu, 2);
	vm_set_slot(vm, 1, 0, HOLE, 0, NULL);
	vm_set_slot(vm, 1, 0, HOLE, HOLE_SIZE, hole);
	guest_run_done(vcpu);
}

/* The guest's own #PF handler provides the stack page of another exception. */
static volatile uint64_t stack_pdpt[512] __aligned(4096);
static volatile uint64_t stack_pd[512] __aligned(4096);
static volatile uint64_t stack_pt[512] __aligned(4096);
#define GUEST_HOLE	0x8000000000UL

static volatile uint32_t faults;

static void provide_stack(struct guest_frame *frame)
{
	faults++;
	GUEST_EQ(guest_trap.cr2 & -4096UL, GUEST_HOLE);
	stack_pt[0] = HOLE | 3;
	invlpg((void *)GUEST_HOLE);
}

static void guest_nested_fault(void)
{
	guest_pml4[1] = (uintptr_t)stack_pdpt | 3;
	stack_pdpt[0] = (uintptr_t)stack_pd | 3;
	stack_pd[0] = (uintptr_t)stack_pt | 3;
	guest_tss[0].ist[1] = GUEST_HOLE + 0x1000;
	guest_idt[0x80].ist = 2;
	guest_handlers[14] = provide_stack;
	guest_handlers[0x80] = on_trap;
	guest_sync(1);
	asm volatile("int $0x80" : : : "memory");
	GUEST_EQ(faults, 1);
	GUEST_EQ(guest_traps[0x80], 1);
}

static void test_nested_fault(void)
{
	struct vcpu *vcpu = start(0, guest_nested_fault);

	guest_run_sync(vcpu, 1);
	drop_pages();
	guest_run_done(vcpu);
}

/* No memory where the stack should be: nothing can be delivered, and nothing loops. */
static void guest_no_stack(void)
{
	guest_tss[0].ist[1] = 0x50001000;
	guest_idt[6].ist = 2;
	asm volatile("ud2");
}

static void test_no_stack(void)
{
	struct vcpu *vcpu = start(0, guest_no_stack);

	EXPECT_EQ(guest_run(vcpu), GUEST_EXIT);
	EXPECT(vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR ||
	       vcpu->run->exit_reason == KVM_EXIT_SHUTDOWN ||
	       vcpu->run->exit_reason == KVM_EXIT_MMIO, "%u", vcpu->run->exit_reason);
}

static const struct ksft_test tests[] = {
	{ "exception", test_exception },
	{ "software_interrupt", test_software_interrupt },
	{ "interrupt", test_interrupt },
	{ "nmi", test_nmi },
	{ "idt", test_idt },
	{ "nested_fault", test_nested_fault },
	{ "no_stack", test_no_stack },
};

const struct ksft_suite replay_suite = KSFT_SUITE("replay", tests);
