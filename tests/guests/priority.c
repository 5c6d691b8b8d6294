// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which interrupt comes first, and which has to wait, in both modes of the local APIC:
 * in x2APIC mode it may be the processor that decides, not the hypervisor.
 */
#include "apic_guest.h"

static void guest_order(bool x2apic)
{
	apic_on(x2apic);
	self_ipi(0x41);
	apic_write(APIC_ICR, APIC_DEST_SELF | APIC_ASSERT | 0x81);
	self_ipi(0x61);
	GUEST_ASSERT(apic_is_set(APIC_IRR, 0x41) && apic_is_set(APIC_IRR, 0x61));
	open_window();
	GUEST_EQ(order_count, 3);
	GUEST_EQ(order[0], 0x81);
	GUEST_EQ(order[1], 0x61);
	GUEST_EQ(order[2], 0x41);
	GUEST_ASSERT(!apic_is_set(APIC_IRR, 0x41) && !apic_is_set(APIC_ISR, 0x41));

	apic_write(APIC_TPR, 0x50);
	GUEST_EQ(apic_read(APIC_PPR), 0x50);
	self_ipi(0x41);
	self_ipi(0x61);
	open_window();
	GUEST_EQ(order_count, 4);
	GUEST_EQ(order[3], 0x61);
	/* With interrupts on, it comes with the very write that lets it. */
	sti();
	apic_write(APIC_TPR, 0);
	asm volatile("nop" : : : "memory");
	cli();
	GUEST_EQ(order_count, 5);
	GUEST_EQ(order[4], 0x41);
}

static void guest_cr8(bool x2apic)
{
	apic_on(x2apic);
	write_cr8(6);
	GUEST_EQ(apic_read(APIC_TPR), 0x60);
	self_ipi(0x61);
	open_window();
	GUEST_EQ(order_count, 0);
	guest_sync(6);
	GUEST_EQ(read_cr8(), 7);
	write_cr8(5);
	open_window();
	GUEST_EQ(order_count, 1);
	apic_write(APIC_TPR, 0x30);
	GUEST_EQ(read_cr8(), 3);
	guest_sync(3);
}

/* Its client sees CR8 as the guest left it, and can change it. */
static void check_cr8(void (*guest)(void))
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_sregs sregs;

	guest_start(vcpu, guest);
	guest_run_sync(vcpu, 6);
	vcpu_get_sregs(vcpu, &sregs);
	EXPECT_EQ(sregs.cr8, 6);
	sregs.cr8 = 7;
	vcpu_set_sregs(vcpu, &sregs);
	guest_run_sync(vcpu, 3);
	EXPECT_EQ(vcpu->run->cr8, 3);
	guest_run_done(vcpu);
}

static volatile uint32_t nested;

static void on_low(struct guest_frame *frame)
{
	order[order_count++ & 7] = frame->vector;
	GUEST_ASSERT(apic_is_set(APIC_ISR, frame->vector));
	GUEST_EQ(apic_read(APIC_PPR), frame->vector & 0xf0);
	if (frame->vector == 0x41) {
		self_ipi(0x43);
		self_ipi(0x91);
		open_window();
		nested = order_count;
	}
	apic_write(APIC_EOI, 0);
}

/* A higher interrupt gets in before the lower one's EOI, an equal one does not. */
static void guest_nesting(bool x2apic)
{
	apic_on(x2apic);
	guest_handlers[0x41] = on_low;
	guest_handlers[0x43] = on_low;
	self_ipi(0x41);
	open_window();
	GUEST_EQ(nested, 2);
	GUEST_EQ(order_count, 3);
	GUEST_EQ(order[1], 0x91);
	GUEST_EQ(order[2], 0x43);
}

static void guest_order_xapic(void)
{
	guest_order(false);
}

static void guest_order_x2apic(void)
{
	guest_order(true);
}

static void guest_cr8_xapic(void)
{
	guest_cr8(false);
}

static void guest_cr8_x2apic(void)
{
	guest_cr8(true);
}

static void guest_nesting_xapic(void)
{
	guest_nesting(false);
}

static void guest_nesting_x2apic(void)
{
	guest_nesting(true);
}

static void test_order(void)
{
	guest_test(VM_IRQCHIP, guest_order_xapic);
}

static void test_order_x2apic(void)
{
	guest_test(VM_IRQCHIP, guest_order_x2apic);
}

static void test_cr8(void)
{
	check_cr8(guest_cr8_xapic);
}

static void test_cr8_x2apic(void)
{
	check_cr8(guest_cr8_x2apic);
}

static void test_nesting(void)
{
	guest_test(VM_IRQCHIP, guest_nesting_xapic);
}

static void test_nesting_x2apic(void)
{
	guest_test(VM_IRQCHIP, guest_nesting_x2apic);
}

static const struct ksft_test tests[] = {
	{ "order", test_order },
	{ "order_x2apic", test_order_x2apic },
	{ "cr8", test_cr8 },
	{ "cr8_x2apic", test_cr8_x2apic },
	{ "nesting", test_nesting },
	{ "nesting_x2apic", test_nesting_x2apic },
};

const struct ksft_suite priority_suite = KSFT_SUITE("priority", tests);
