// SPDX-License-Identifier: GPL-2.0-only
/*
 * Split irqchip: local APICs in the kernel, PIC and I/O APIC with the client.
 * EOIs that it must hear of, its ExtINT, and the wider APIC IDs that come with it.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>

#include "guest.h"
#include "guest_apic.h"
#include "guest_cpu.h"
#include "ksft.h"

#define PINS	24

static int try_enable(struct vm *vm, uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { arg } };

	return try_ioctl(vm->fd, KVM_ENABLE_CAP, &enable);
}

static struct vm *split_vm(size_t ram)
{
	struct vm *vm = vm_create(ram, 0);

	vm_need(vm, KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP");
	ASSERT_EQ(try_enable(vm, KVM_CAP_SPLIT_IRQCHIP, PINS), 0);
	return vm;
}

static void test_enable(void)
{
	struct kvm_enable_cap enable = { .cap = KVM_CAP_SPLIT_IRQCHIP, .flags = 1 };
	struct vm *vm = vm_create(0, 0);

	vm_need(vm, KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP");
	EXPECT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, &enable), -EINVAL);
	EXPECT_EQ(try_enable(vm, KVM_CAP_SPLIT_IRQCHIP, 4097), -EINVAL);
	EXPECT_EQ(try_enable(vm, KVM_CAP_SPLIT_IRQCHIP, 1ULL << 32), -EINVAL);
	EXPECT_EQ(try_enable(vm, KVM_CAP_SPLIT_IRQCHIP, 4096), 0);
	EXPECT_EQ(try_enable(vm, KVM_CAP_SPLIT_IRQCHIP, PINS), -EEXIST);
	EXPECT_EQ(try_enable(vm, KVM_CAP_SPLIT_IRQCHIP, 4097), -EINVAL);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_CREATE_IRQCHIP, 0), -EEXIST);

	vm = vm_create(0, VM_IRQCHIP);
	EXPECT_EQ(try_enable(vm, KVM_CAP_SPLIT_IRQCHIP, PINS), -EEXIST);
	vm = vm_create(0, 0);
	vcpu_create_bare(vm, 0);
	EXPECT_EQ(try_enable(vm, KVM_CAP_SPLIT_IRQCHIP, PINS), -EEXIST);
}

static int try_route(struct vm *vm, const struct kvm_irq_routing_entry *entries, uint32_t nr)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entries[4];
	} routing = { .head.nr = nr };

	memcpy(routing.entries, entries, nr * sizeof(*entries));
	return try_ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routing);
}

static struct kvm_irq_routing_entry msi(uint32_t gsi, uint32_t high, uint32_t low, uint32_t data)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_hi = high, .address_lo = low, .data = data },
	};
}

/* What there is without PIC and I/O APIC, and what not. */
static void test_calls(void)
{
	struct kvm_irq_routing_entry route = { .gsi = 4, .type = KVM_IRQ_ROUTING_IRQCHIP };
	struct kvm_irq_level line = { .irq = 4, .level = 1 };
	struct kvm_irqchip chip = { .chip_id = 0 };
	struct vm *vm = split_vm(0);
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	struct kvm_lapic_state lapic;
	struct kvm_irqfd irqfd = {
		.fd = eventfd(0, 0), .resamplefd = eventfd(0, 0), .gsi = 4,
		.flags = KVM_IRQFD_FLAG_RESAMPLE,
	};

	EXPECT_EQ(try_ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), -ENXIO);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), -ENXIO);
	EXPECT_EQ(try_route(vm, &route, 1), -EINVAL);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_IRQFD, &irqfd), -EINVAL);
	irqfd.flags = 0;
	EXPECT_EQ(try_ioctl(vm->fd, KVM_IRQFD, &irqfd), 0);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &line), 0);
	EXPECT_EQ((int)line.status, -1);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic), 0);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic), 0);
}

static volatile uint32_t irqs[256];

static void on_xapic(struct guest_frame *frame)
{
	irqs[frame->vector]++;
	xapic_write(APIC_EOI, 0);
}

static void on_x2apic(struct guest_frame *frame)
{
	irqs[frame->vector]++;
	x2apic_write(APIC_EOI, 0);
}

static void set_handlers(void (*handler)(struct guest_frame *))
{
	unsigned int vector;

	for (vector = 0x60; vector < 0x70; vector++)
		guest_handlers[vector] = handler;
}

static void take_for_ever(void)
{
	uint32_t n = 1;

	for (;;) {
		guest_sync(n++);
		sti();
		asm volatile("nop; nop; nop");
		cli();
	}
}

static void guest_xapic(void)
{
	set_handlers(on_xapic);
	xapic_write(APIC_SPIV, 0x1ff);
	take_for_ever();
}

static void guest_x2apic(void)
{
	set_handlers(on_x2apic);
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	x2apic_write(APIC_SPIV, 0x1ff);
	take_for_ever();
}

/* To the next sync: whether @vector's EOI came out on the way, and nothing else did. */
static bool runs_to_eoi(struct vcpu *vcpu, uint8_t vector)
{
	enum guest_event event = guest_run(vcpu);

	if (event == GUEST_SYNC)
		return false;
	vcpu_expect_exit(vcpu, KVM_EXIT_IOAPIC_EOI);
	EXPECT_EQ(vcpu->run->eoi.vector, vector);
	ASSERT_EQ(guest_run(vcpu), GUEST_SYNC);
	return true;
}

static void check_eois(void (*guest)(void))
{
	struct vm *vm = split_vm(VM_RAM_SIZE);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	volatile uint32_t *count = *GUEST_VAR(vm, irqs);
	struct kvm_irq_routing_entry routes[] = {
		msi(5, 0, 0xfee00000, 0x8061),		/* level */
		msi(6, 0, 0xfee00000, 0x0062),		/* edge */
		msi(PINS, 0, 0xfee00000, 0x8063),	/* not one of the pins */
		msi(PINS - 1, 0, 0xfee00000, 0xc064),	/* level */
	};

	guest_start(vcpu, guest);
	guest_run_sync(vcpu, 1);
	count = *GUEST_VAR(vm, irqs);
	ASSERT_EQ(try_route(vm, routes, 4), 0);
	vm_irq_line(vm, 5, 1);
	EXPECT(runs_to_eoi(vcpu, 0x61));
	EXPECT_EQ(count[0x61], 1);
	vm_irq_line(vm, 6, 1);
	EXPECT(!runs_to_eoi(vcpu, 0x62));
	EXPECT_EQ(count[0x62], 1);
	vm_irq_line(vm, PINS, 1);
	EXPECT(!runs_to_eoi(vcpu, 0x63));
	EXPECT_EQ(count[0x63], 1);
	vm_irq_line(vm, PINS - 1, 1);
	EXPECT(runs_to_eoi(vcpu, 0x64));
	/* The routes say whose vector it is, as they are at the EOI. */
	ASSERT_EQ(try_route(vm, routes + 1, 3), 0);
	ASSERT_EQ(try_ioctl(vm->fd, KVM_SIGNAL_MSI,
			    &(struct kvm_msi){ .address_lo = 0xfee00000, .data = 0x8061 }), 1);
	EXPECT(!runs_to_eoi(vcpu, 0x61));
	EXPECT_EQ(count[0x61], 2);
	ASSERT_EQ(try_ioctl(vm->fd, KVM_SIGNAL_MSI,
			    &(struct kvm_msi){ .address_lo = 0xfee00000, .data = 0x8064 }), 1);
	EXPECT(runs_to_eoi(vcpu, 0x64));
}

static void test_eoi_xapic(void)
{
	check_eois(guest_xapic);
}

static void test_eoi_x2apic(void)
{
	check_eois(guest_x2apic);
}

/* An edge for somebody else, and the I/O APIC's pin for us: whose EOI it is. */
static void test_eoi_destination(void)
{
	struct kvm_irq_routing_entry routes[] = {
		msi(5, 0, 0xfee01000, 0x8061),		/* a vCPU that is not there */
		msi(30, 0, 0xfee00000, 0x0061),
	};
	struct vm *vm = split_vm(VM_RAM_SIZE);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	guest_start(vcpu, guest_xapic);
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(try_route(vm, routes, 2), 0);
	vm_irq_line(vm, 30, 1);
	EXPECT(!runs_to_eoi(vcpu, 0x61));
	EXPECT_EQ((*GUEST_VAR(vm, irqs))[0x61], 1);
	routes[0].u.msi.address_lo = 0xfee00000;
	ASSERT_EQ(try_route(vm, routes, 2), 0);
	vm_irq_line(vm, 30, 1);
	EXPECT(runs_to_eoi(vcpu, 0x61));
}

static void on_extint(struct guest_frame *frame)
{
	irqs[frame->vector]++;
}

static void guest_extint(void)
{
	guest_handlers[0x40] = on_extint;
	guest_handlers[0x41] = on_extint;
	xapic_write(APIC_SPIV, 0x1ff);
	xapic_write(APIC_LVT_LINT0, 0x10700);
	guest_sync(1);
	sti();
	asm volatile("nop; nop");
	cli();
	GUEST_EQ(irqs[0x40], 0);	/* LINT0 is masked */
	xapic_write(APIC_LVT_LINT0, 0x700);
	guest_sync(2);
	sti();
	asm volatile("nop; nop");
	cli();
	GUEST_EQ(irqs[0x40], 1);
	guest_sync(3);
	sti();
	asm volatile("nop; nop; nop; nop");
	cli();
	guest_sync(4);
}

static void test_extint(void)
{
	struct kvm_interrupt first = { .irq = 0x40 }, second = { .irq = 0x41 };
	struct kvm_interrupt bad = { .irq = 256 };
	struct vm *vm = split_vm(VM_RAM_SIZE);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_regs regs;

	guest_start(vcpu, guest_extint);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_INTERRUPT, &bad), -EINVAL);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_INTERRUPT, &first), 0);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_INTERRUPT, &second), -EEXIST);
	/* What the APIC keeps shut is no window, and no reason not to go on. */
	vcpu->run->request_interrupt_window = 1;
	guest_run_sync(vcpu, 2);
	vcpu->run->request_interrupt_window = 0;
	/* KVM does not notice that LINT0 was opened until it has to look for other reasons. */
	vcpu_get_regs(vcpu, &regs);
	vcpu_set_regs(vcpu, &regs);
	guest_run_sync(vcpu, 3);
	EXPECT_EQ((*GUEST_VAR(vm, irqs))[0x40], 1);
	vcpu_run_to_window(vcpu);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_INTERRUPT, &second), 0);
	guest_run_sync(vcpu, 4);
	EXPECT_EQ((*GUEST_VAR(vm, irqs))[0x41], 1);
}

/* With the PIC in the kernel, that is who interrupts. */
static void test_no_extint(void)
{
	struct kvm_interrupt irq = { .irq = 0x40 };
	struct vcpu *vcpu = vcpu_create_bare(vm_create(0, VM_IRQCHIP), 0);

	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_INTERRUPT, &irq), -ENXIO);
}

static void guest_waits(void)
{
	guest_handlers[0x40] = on_extint;
	xapic_write(APIC_SPIV, 0x1ff);
	xapic_write(APIC_LVT_LINT0, 0x700);
	guest_sync(1);
	while (!irqs[0x40])
		sti_hlt_cli();
}

static void on_alarm(int signal)
{
}

/* KVM_INTERRUPT for a guest that waits in HLT. */
static void test_extint_wakes(void)
{
	struct itimerval in_100ms = { .it_value.tv_usec = 100000 };
	struct kvm_interrupt irq = { .irq = 0x40 };
	struct vcpu *vcpu = vcpu_create(split_vm(VM_RAM_SIZE), 0);

	guest_start(vcpu, guest_waits);
	guest_run_sync(vcpu, 1);
	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm }, NULL);
	setitimer(ITIMER_REAL, &in_100ms, NULL);
	ASSERT_EQ(guest_run(vcpu), GUEST_EINTR);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_INTERRUPT, &irq), 0);
	guest_run_done(vcpu);
}

static int signal_to(struct vm *vm, uint32_t high, uint32_t low, uint32_t data)
{
	struct kvm_msi msi = { .address_hi = high, .address_lo = low, .data = data };

	return try_ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
}

static uint32_t apic_id(struct vcpu *vcpu)
{
	struct kvm_lapic_state lapic;
	uint32_t id;

	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic), 0);
	memcpy(&id, lapic.regs + APIC_ID, sizeof(id));
	return id;
}

static int try_set_lapic(struct vcpu *vcpu, unsigned int reg, uint32_t value)
{
	struct kvm_lapic_state lapic;

	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic), 0);
	memcpy(lapic.regs + reg, &value, sizeof(value));
	return try_ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic);
}

/* x2APIC mode, enabled in software as well. */
static void set_x2apic(struct vcpu *vcpu)
{
	ASSERT_EQ(try_set_msr(vcpu, MSR_APIC_BASE, 0xfee00000 | 0xc00 |
			      (vcpu->run->apic_base & 0x100)), 1);
	ASSERT_EQ(try_set_lapic(vcpu, APIC_SPIV, 0x1ff), 0);
}

/* KVM_CAP_X2APIC_API: 32-bit IDs. */
static void test_32bit_ids(void)
{
	struct vm *vm = split_vm(0);
	struct vcpu *vcpu = vcpu_create(vm, 7), *plain = vcpu_create(vm, 8);
	struct kvm_irq_routing_entry bad = msi(5, 0x101, 0xfee00000, 0x61);
	struct kvm_irq_routing_entry good = msi(5, 0x100, 0xfee00000, 0x61);

	EXPECT_EQ(vm_check_extension(vm, KVM_CAP_X2APIC_API),
		  KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);
	EXPECT_EQ(try_enable(vm, KVM_CAP_X2APIC_API, 4), -EINVAL);
	set_x2apic(vcpu);
	EXPECT_EQ(apic_id(vcpu), 7 << 24);
	EXPECT_EQ(try_set_lapic(vcpu, APIC_ID, 7 << 24), 0);
	EXPECT_EQ(try_route(vm, &bad, 1), 0);
	EXPECT_EQ(signal_to(vm, 0x101, 0xfee07000, 0x61), 1);

	EXPECT_EQ(try_enable(vm, KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS), 0);
	EXPECT_EQ(apic_id(vcpu), 7);
	EXPECT_EQ(apic_id(plain), 8 << 24);
	EXPECT_EQ(try_set_lapic(vcpu, APIC_ID, 7), 0);
	EXPECT_EQ(try_set_lapic(vcpu, APIC_ID, 7 << 24), -EINVAL);
	EXPECT_EQ(try_route(vm, &bad, 1), -EINVAL);
	EXPECT_EQ(try_route(vm, &good, 1), 0);
	EXPECT_EQ(signal_to(vm, 1, 0xfee07000, 0x61), -EINVAL);
	EXPECT_EQ(signal_to(vm, 0x100, 0xfee07000, 0x62), 0);
	EXPECT_EQ(signal_to(vm, 0, 0xfee07000, 0x62), 1);
}

/* And whether 0xff from a device is everyone or APIC number 255. */
static void test_broadcast(void)
{
	struct vm *vm = split_vm(0);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	set_x2apic(vcpu);
	EXPECT_EQ(signal_to(vm, 0, 0xfeeff000, 0x61), 1);
	/* Nobody has this number. */
	EXPECT_EQ(signal_to(vm, 0, 0xfee09000, 0x62), 0);
	EXPECT_EQ(try_enable(vm, KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS |
			     KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK), 0);
	EXPECT_EQ(signal_to(vm, 0, 0xfeeff000, 0x62), 0);
	EXPECT_EQ(signal_to(vm, 0xffffff00, 0xfeeff000, 0x62), 1);
}

static const struct ksft_test tests[] = {
	{ "enable", test_enable },
	{ "calls", test_calls },
	{ "eoi_xapic", test_eoi_xapic },
	{ "eoi_x2apic", test_eoi_x2apic },
	{ "eoi_destination", test_eoi_destination },
	{ "extint", test_extint, .shadow = true },
	{ "no_extint", test_no_extint },
	{ "extint_wakes", test_extint_wakes, .shadow = true },
	{ "32bit_ids", test_32bit_ids },
	{ "broadcast", test_broadcast },
};

static const struct ksft_suite suite = KSFT_SUITE("split", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
