// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PIT as clients see it: both forms of its calls, and what becomes of ticks
 * that the guest had no time for.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "guest.h"
#include "guest_apic.h"
#include "guest_cpu.h"
#include "ksft.h"

static int try_reinject(struct vm *vm, uint8_t on)
{
	struct kvm_reinject_control control = { .pit_reinject = on };

	return try_ioctl(vm->fd, KVM_REINJECT_CONTROL, &control);
}

static void test_without(void)
{
	struct vm *vm = vm_create(0, VM_IRQCHIP);
	struct kvm_pit_state state = { };

	vm_need(vm, KVM_CAP_PIT, "KVM_CAP_PIT");
	EXPECT_EQ(vm_check_extension(vm, KVM_CAP_REINJECT_CONTROL), 1);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_GET_PIT, &state), -ENXIO);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_SET_PIT, &state), -ENXIO);
	EXPECT_EQ(try_reinject(vm, 1), -ENXIO);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_REINJECT_CONTROL, NULL), -EFAULT);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_SET_PIT, NULL), -EFAULT);
}

static void test_create(void)
{
	struct kvm_pit_config config = { .flags = 0 };
	struct vm *vm = vm_create(0, VM_IRQCHIP);

	vm_need(vm, KVM_CAP_PIT, "KVM_CAP_PIT");
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_CREATE_PIT, 0), 0);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_CREATE_PIT, 0), -EEXIST);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_CREATE_PIT2, &config), -EEXIST);
	EXPECT_EQ(try_reinject(vm, 0), 0);
	EXPECT_EQ(try_reinject(vm, 1), 0);
	EXPECT_EQ(try_reinject(vm, 255), 0);

	vm = vm_create(0, VM_IRQCHIP | VM_PIT);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_CREATE_PIT, 0), -EEXIST);
}

/* The first forms of the calls see and set the channels, and leave the flags alone. */
static void test_state(void)
{
	struct vm *vm = vm_create(0, VM_IRQCHIP | VM_PIT);
	struct kvm_pit_state2 state2;
	struct {
		struct kvm_pit_state state;
		uint64_t behind;
	} got = { .behind = ~0ULL };

	vm_need(vm, KVM_CAP_PIT, "KVM_CAP_PIT");
	ASSERT_EQ(try_ioctl(vm->fd, KVM_GET_PIT2, &state2), 0);
	state2.channels[2].count = 0x1234;
	state2.channels[2].mode = 3;
	state2.channels[2].rw_mode = 3;
	state2.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	ASSERT_EQ(try_ioctl(vm->fd, KVM_SET_PIT2, &state2), 0);
	ASSERT_EQ(try_ioctl(vm->fd, KVM_GET_PIT, &got.state), 0);
	EXPECT_EQ(got.behind, ~0ULL);
	EXPECT_EQ(got.state.channels[2].count, 0x1234);
	EXPECT_EQ(got.state.channels[2].mode, 3);
	got.state.channels[2].count = 0x4321;
	ASSERT_EQ(try_ioctl(vm->fd, KVM_SET_PIT, &got.state), 0);
	ASSERT_EQ(try_ioctl(vm->fd, KVM_GET_PIT2, &state2), 0);
	EXPECT_EQ(state2.channels[2].count, 0x4321);
	EXPECT_EQ(state2.flags, KVM_PIT_FLAGS_HPET_LEGACY);
}

#define WANTED	10

static volatile uint32_t ticks;
static volatile uint64_t cycles;

static void on_tick(struct guest_frame *frame)
{
	ticks++;
	xapic_write(APIC_EOI, 0);
}

/* 100 Hz; how long WANTED ticks take after a pause in the client. */
static void guest_ticks(void)
{
	uint64_t begin;

	guest_handlers[0x30] = on_tick;
	pic_init(0x20, 0x28);
	xapic_write(APIC_SPIV, 0x1ff);
	ioapic_write(0x11, 0);
	ioapic_write(0x10, 0x30);
	pit_start(2, 11932);
	for (;;) {
		guest_sync(1);
		begin = rdtsc();
		ticks = 0;
		sti();
		while (ticks < WANTED)
			cpu_pause();
		cli();
		cycles = rdtsc() - begin;
		guest_sync(2);
	}
}

/* Microseconds for WANTED ticks of 10 ms each, after three times as many were missed. */
static uint64_t catch_up(struct vcpu *vcpu)
{
	int khz = try_ioctl_value(vcpu->fd, KVM_GET_TSC_KHZ, 0);

	ASSERT(khz > 0);
	guest_run_sync(vcpu, 1);
	nanosleep(&(struct timespec){ .tv_nsec = 3 * WANTED * 10000000 }, NULL);
	guest_run_sync(vcpu, 2);
	return *GUEST_VAR(vcpu->vm, cycles) * 1000 / khz;
}

static void test_reinjection(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP | VM_PIT);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	uint64_t with = 0, without;
	int i;

	vm_need(vm, KVM_CAP_REINJECT_CONTROL, "KVM_CAP_REINJECT_CONTROL");
	guest_start(vcpu, guest_ticks);
	/* Whatever else the host is busy with makes it slower: one good try is enough. */
	for (i = 0; i < 8; i++) {
		with = catch_up(vcpu);
		if (with < WANTED * 7000)
			break;
	}
	ASSERT_EQ(try_reinject(vm, 0), 0);
	without = catch_up(vcpu);
	/* The one that waited, and then as time goes by. */
	EXPECT(without > (WANTED - 2) * 9000, "%llu us without", (unsigned long long)without);
	if (with >= WANTED * 7000 && without > WANTED * 15000)
		ksft_skip("this host is too busy: %llu us with, %llu us without",
			  (unsigned long long)with, (unsigned long long)without);
	EXPECT(with < WANTED * 7000, "%llu us with reinjection", (unsigned long long)with);
}

static const struct ksft_test tests[] = {
	{ "without", test_without },
	{ "create", test_create },
	{ "state", test_state },
	{ "reinjection", test_reinjection, .seconds = 120 },
};

static const struct ksft_suite suite = KSFT_SUITE("pit", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
