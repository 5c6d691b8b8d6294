// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt controllers in the kernel: creating them, their state as clients
 * save it, and lines that reach the guest through PIC and I/O APIC.
 */
#include <errno.h>
#include <string.h>

#include "guest.h"
#include "guest_apic.h"
#include "guest_cpu.h"
#include "ksft.h"

static void test_create(void)
{
	struct vm *vm = vm_create(0, 0);

	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_CREATE_IRQCHIP, 0), 0);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_CREATE_IRQCHIP, 0), -EEXIST);
}

static void test_create_after_vcpu(void)
{
	struct vm *vm = vm_create(0, 0);

	vcpu_create_bare(vm, 0);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_CREATE_IRQCHIP, 0), -EINVAL);
}

static void test_create_pit(void)
{
	struct kvm_pit_config config = { .flags = 0 };
	struct vm *vm = vm_create(0, 0);

	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_CREATE_IRQCHIP, 0), 0);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_CREATE_PIT2, &config), 0);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_CREATE_PIT2, &config), -EEXIST);
}

/* Without controllers in the kernel, the calls for them fail. */
static void test_without(void)
{
	struct kvm_irqchip chip = { .chip_id = 0 };
	struct kvm_irq_level line = { .irq = 4, .level = 1 };
	struct kvm_lapic_state lapic;
	struct kvm_pit_state2 pit;
	struct vm *vm = vm_create(0, 0);
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);

	EXPECT_EQ(try_ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), -ENXIO);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), -ENXIO);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_IRQ_LINE, &line), -ENXIO);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_GET_PIT2, &pit), -ENXIO);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic), -EINVAL);
}

static void test_pic_state(void)
{
	struct vm *vm = vm_create(0, VM_IRQCHIP);
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_SLAVE }, got;

	ASSERT_EQ(try_ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), 0);
	chip.chip.pic.irq_base = 0x28;
	chip.chip.pic.imr = 0xfe;
	chip.chip.pic.init4 = 1;
	ASSERT_EQ(try_ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), 0);
	memset(&got, 0, sizeof(got));
	got.chip_id = KVM_IRQCHIP_PIC_SLAVE;
	ASSERT_EQ(try_ioctl(vm->fd, KVM_GET_IRQCHIP, &got), 0);
	EXPECT(!memcmp(&chip.chip.pic, &got.chip.pic, sizeof(got.chip.pic)));
	got.chip_id = 3;
	EXPECT_EQ(try_ioctl(vm->fd, KVM_GET_IRQCHIP, &got), -EINVAL);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_SET_IRQCHIP, &got), -EINVAL);
}

static void test_ioapic_state(void)
{
	struct vm *vm = vm_create(0, VM_IRQCHIP);
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC }, got;

	ASSERT_EQ(try_ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), 0);
	EXPECT_EQ(chip.chip.ioapic.base_address, 0xfec00000);
	EXPECT_EQ(chip.chip.ioapic.redirtbl[0].fields.mask, 1);
	chip.chip.ioapic.redirtbl[5].bits = 0x0100000000018041;
	chip.chip.ioapic.ioregsel = 0x10;
	ASSERT_EQ(try_ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), 0);
	memset(&got, 0, sizeof(got));
	got.chip_id = KVM_IRQCHIP_IOAPIC;
	ASSERT_EQ(try_ioctl(vm->fd, KVM_GET_IRQCHIP, &got), 0);
	EXPECT_EQ(got.chip.ioapic.redirtbl[5].bits, chip.chip.ioapic.redirtbl[5].bits);
	EXPECT_EQ(got.chip.ioapic.ioregsel, 0x10);
}

static uint32_t lapic_reg(struct kvm_lapic_state *lapic, unsigned int offset)
{
	uint32_t value;

	memcpy(&value, lapic->regs + offset, sizeof(value));
	return value;
}

static void lapic_set_reg(struct kvm_lapic_state *lapic, unsigned int offset, uint32_t value)
{
	memcpy(lapic->regs + offset, &value, sizeof(value));
}

static void test_lapic_state(void)
{
	struct vm *vm = vm_create(0, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0), *other = vcpu_create(vm, 1);
	struct kvm_lapic_state lapic;

	ASSERT_EQ(try_ioctl(other->fd, KVM_GET_LAPIC, &lapic), 0);
	EXPECT_EQ(lapic_reg(&lapic, APIC_ID), 1 << 24);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic), 0);
	EXPECT_EQ(lapic_reg(&lapic, APIC_ID), 0);
	EXPECT_EQ(lapic_reg(&lapic, APIC_VERSION) & 0xff, 0x14);
	EXPECT_EQ(lapic_reg(&lapic, APIC_LVT_TIMER), 0x10000);
	lapic_set_reg(&lapic, APIC_SPIV, 0x1ff);
	lapic_set_reg(&lapic, APIC_TPR, 0x20);
	lapic_set_reg(&lapic, APIC_LVT_LINT0, 0x700);
	lapic_set_reg(&lapic, APIC_LVT_LINT1, 0x400);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic), 0);
	memset(&lapic, 0, sizeof(lapic));
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic), 0);
	EXPECT_EQ(lapic_reg(&lapic, APIC_SPIV), 0x1ff);
	EXPECT_EQ(lapic_reg(&lapic, APIC_TPR), 0x20);
	EXPECT_EQ(lapic_reg(&lapic, APIC_LVT_LINT0), 0x700);
	EXPECT_EQ(lapic_reg(&lapic, APIC_LVT_LINT1), 0x400);
}

static void test_pit_state(void)
{
	struct vm *vm = vm_create(0, VM_IRQCHIP | VM_PIT);
	struct kvm_pit_state2 set, got;

	ASSERT_EQ(try_ioctl(vm->fd, KVM_GET_PIT2, &set), 0);
	set.channels[2].count = 0x1234;
	set.channels[2].mode = 3;
	set.channels[2].rw_mode = 3;
	ASSERT_EQ(try_ioctl(vm->fd, KVM_SET_PIT2, &set), 0);
	ASSERT_EQ(try_ioctl(vm->fd, KVM_GET_PIT2, &got), 0);
	EXPECT_EQ(got.channels[2].count, 0x1234);
	EXPECT_EQ(got.channels[2].mode, 3);
}

static void test_bad_line(void)
{
	struct vm *vm = vm_create(0, VM_IRQCHIP);
	struct kvm_irq_level line = { .irq = 0xffffffff, .level = 1 };
	int ret = try_ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &line);

	EXPECT(ret == 0 || ret == -EINVAL, "%d", ret);
	line.irq = 1 << 20;
	ret = try_ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &line);
	EXPECT(ret == 0 || ret == -EINVAL, "%d", ret);
}

static volatile uint32_t pic_irqs, ioapic_irqs;

static void on_pic(struct guest_frame *frame)
{
	pic_irqs++;
	outb(0x20, 0x20);
}

static void guest_pic(void)
{
	guest_handlers[0x24] = on_pic;
	pic_init(0x20, 0x28);
	outb(0x21, 0xef);		/* only IRQ 4 */
	xapic_write(APIC_SPIV, 0x1ff);
	xapic_write(APIC_LVT_LINT0, 0x700);
	guest_sync(1);
	sti();
	asm volatile("nop");
	cli();
	GUEST_EQ(pic_irqs, 1);
	guest_sync(2);
	while (pic_irqs < 2)
		sti_hlt_cli();
}

static void test_line_to_pic(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	guest_start(vcpu, guest_pic);
	guest_run_sync(vcpu, 1);
	vm_irq_line(vm, 4, 1);
	vm_irq_line(vm, 4, 0);
	vm_irq_line(vm, 4, 1);
	vm_irq_line(vm, 3, 1);		/* masked */
	guest_run_sync(vcpu, 2);
	vm_irq_line(vm, 4, 0);
	vm_irq_line(vm, 4, 1);
	guest_run_done(vcpu);
	EXPECT_EQ(*GUEST_VAR(vm, pic_irqs), 2);
}

static void on_edge(struct guest_frame *frame)
{
	ioapic_irqs++;
	xapic_write(APIC_EOI, 0);
}

static void guest_edge(void)
{
	guest_handlers[0x51] = on_edge;
	pic_init(0x20, 0x28);
	xapic_write(APIC_SPIV, 0x1ff);
	ioapic_write(0x10 + 2 * 5, 0x51);
	ioapic_write(0x11 + 2 * 5, 0);
	guest_sync(1);
	sti();
	asm volatile("nop");
	cli();
	GUEST_EQ(ioapic_irqs, 1);
	guest_sync(2);
	while (ioapic_irqs < 2)
		sti_hlt_cli();
}

static void test_edge_to_ioapic(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	guest_start(vcpu, guest_edge);
	guest_run_sync(vcpu, 1);
	vm_irq_line(vm, 5, 1);
	guest_run_sync(vcpu, 2);	/* the line is still up: no second one */
	vm_irq_line(vm, 5, 0);
	vm_irq_line(vm, 5, 1);
	guest_run_done(vcpu);
	EXPECT_EQ(*GUEST_VAR(vm, ioapic_irqs), 2);
}

static volatile uint32_t level_irqs;

/* Tells the test, which lowers the line from the second time on. */
static void on_level(struct guest_frame *frame)
{
	level_irqs++;
	guest_sync(0x100 + level_irqs);
	xapic_write(APIC_EOI, 0);
}

static void guest_level(void)
{
	guest_handlers[0x61] = on_level;
	pic_init(0x20, 0x28);
	xapic_write(APIC_SPIV, 0x1ff);
	ioapic_write(0x11 + 2 * 10, 0);
	ioapic_write(0x10 + 2 * 10, 0x61 | IOAPIC_LEVEL);
	guest_sync(1);
	while (level_irqs < 2)
		sti_hlt_cli();
	sti();
	asm volatile("nop; nop");
	cli();
	GUEST_EQ(level_irqs, 2);
}

/* A line that stays up interrupts again after EOI. */
static void test_level_to_ioapic(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	guest_start(vcpu, guest_level);
	guest_run_sync(vcpu, 1);
	vm_irq_line(vm, 10, 1);
	guest_run_sync(vcpu, 0x101);
	guest_run_sync(vcpu, 0x102);
	vm_irq_line(vm, 10, 0);
	guest_run_done(vcpu);
}

static volatile uint32_t storm_irqs;

static void on_storm(struct guest_frame *frame)
{
	storm_irqs++;
	xapic_write(APIC_EOI, 0);
}

/* The interrupt comes again before the next instruction; still this comes to its end. */
static void guest_storm(void)
{
	guest_handlers[0x61] = on_storm;
	pic_init(0x20, 0x28);
	xapic_write(APIC_SPIV, 0x1ff);
	ioapic_write(0x11 + 2 * 10, 0);
	ioapic_write(0x10 + 2 * 10, 0x61 | IOAPIC_LEVEL);
	guest_sync(1);
	sti();
	asm volatile("nop");
	cli();
}

/* Nobody ever lowers the line. */
static void test_level_storm(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	guest_start(vcpu, guest_storm);
	guest_run_sync(vcpu, 1);
	vm_irq_line(vm, 10, 1);
	guest_run_done(vcpu);
	ksft_note("%u interrupts", *GUEST_VAR(vm, storm_irqs));
	EXPECT(*GUEST_VAR(vm, storm_irqs) >= 1);
}

static volatile uint32_t msis;

static void on_msi(struct guest_frame *frame)
{
	msis++;
	xapic_write(APIC_EOI, 0);
}

static void guest_msi(void)
{
	guest_handlers[0x71] = on_msi;
	guest_handlers[0x72] = on_msi;
	xapic_write(APIC_SPIV, 0x1ff);
	guest_sync(1);
	while (msis < 2)
		sti_hlt_cli();
}

static void test_msi(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x71 };
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} routing = {
		.head.nr = 1,
		.entry = {
			.gsi = 24, .type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = 0xfee00000, .data = 0x72 },
		},
	};

	if (vm_check_extension(vm, KVM_CAP_SIGNAL_MSI) <= 0)
		ksft_skip("no KVM_CAP_SIGNAL_MSI");
	guest_start(vcpu, guest_msi);
	guest_run_sync(vcpu, 1);
	EXPECT(try_ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) > 0);
	ASSERT_EQ(try_ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routing), 0);
	vm_irq_line(vm, 24, 1);
	guest_run_done(vcpu);

	routing.entry.type = 99;
	EXPECT_EQ(try_ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routing), -EINVAL);
	routing.head.nr = 1 << 30;
	EXPECT_EQ(try_ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routing), -EINVAL);
}

static const struct ksft_test tests[] = {
	{ "create", test_create },
	{ "create_after_vcpu", test_create_after_vcpu },
	{ "create_pit", test_create_pit },
	{ "without", test_without },
	{ "pic_state", test_pic_state },
	{ "ioapic_state", test_ioapic_state },
	{ "lapic_state", test_lapic_state },
	{ "pit_state", test_pit_state },
	{ "bad_line", test_bad_line },
	{ "line_to_pic", test_line_to_pic, .shadow = true },
	{ "edge_to_ioapic", test_edge_to_ioapic, .shadow = true },
	{ "level_to_ioapic", test_level_to_ioapic, .shadow = true },
	{ "level_storm", test_level_storm, .seconds = 120 },
	{ "msi", test_msi, .shadow = true },
};

static const struct ksft_suite suite = KSFT_SUITE("irqchip", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
