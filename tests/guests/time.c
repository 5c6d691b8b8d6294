// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time as guests read it: the TSC, its offset, and KVM's paravirtual clock.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest_clock.h"
#include "guest_cpu.h"
#include "guests.h"

#define MSR_TSC			0x10
#define MSR_TSC_ADJUST		0x3b
#define MSR_KVM_WALL_CLOCK	0x4b564d00

static volatile uint64_t now;

static void guest_tsc(void)
{
	uint64_t last = rdtsc(), next;
	uint32_t r[4];
	int i;

	for (i = 0; i < 1000; i++) {
		if (i % 10 == 0)
			cpuid(0, 0, r);
		next = rdtsc();
		GUEST_ASSERT(next > last);
		last = next;
	}
	for (i = 1; i <= 4; i++) {
		now = rdtsc();
		guest_sync(i);
		GUEST_ASSERT(rdtsc() > now);
	}
}

static void test_tsc(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	uint32_t i;

	guest_start(vcpu, guest_tsc);
	for (i = 1; i <= 4; i++)
		guest_run_sync(vcpu, i);
	guest_run_done(vcpu);
}

static void guest_read_tsc(void)
{
	for (;;) {
		now = rdtsc();
		guest_sync(1);
	}
}

static void test_tsc_offset(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	const uint64_t set = 1ULL << 60;
	uint64_t value;

	guest_start(vcpu, guest_read_tsc);
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(try_set_msr(vcpu, MSR_TSC, set), 1);
	guest_run_sync(vcpu, 1);
	value = *GUEST_VAR(vm, now);
	EXPECT(value >= set && value < set + (1ULL << 40), "%#llx", (unsigned long long)value);
	ASSERT_EQ(try_get_msr(vcpu, MSR_TSC, &value), 1);
	EXPECT(value >= *GUEST_VAR(vm, now), "%#llx", (unsigned long long)value);
	guest_run_sync(vcpu, 1);
	EXPECT(*GUEST_VAR(vm, now) > value);
}

static void guest_adjust(void)
{
	uint64_t before = rdtsc(), after;

	wrmsr(MSR_TSC_ADJUST, rdmsr(MSR_TSC_ADJUST) + (1UL << 50));
	after = rdtsc();
	GUEST_ASSERT(after > before + (1UL << 50));
	GUEST_ASSERT(after < before + (1UL << 51));
	GUEST_EQ(rdmsr(MSR_TSC_ADJUST), 1UL << 50);
	wrmsr(MSR_TSC, 1UL << 55);
	after = rdtsc();
	GUEST_ASSERT(after >= 1UL << 55 && after < (1UL << 55) + (1UL << 45));
}

static void test_tsc_adjust(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct kvm_cpuid_entry2 *leaf = cpuid_find(supported_cpuid(vm->dev), 7, 0);

	if (!leaf || !(leaf->ebx & 2))
		ksft_skip("CPUID shows no TSC_ADJUST");
	guest_test(0, guest_adjust);
}

static struct clock_page clock_page __aligned(64);
static struct {
	volatile uint32_t version, seconds, nanoseconds;
} wall_clock;

static void guest_clock(void)
{
	uint64_t last;
	int i;

	wrmsr(MSR_KVM_SYSTEM_TIME, (uintptr_t)&clock_page | 1);
	guest_sync(1);
	GUEST_ASSERT(clock_page.version && !(clock_page.version & 1));
	GUEST_ASSERT(clock_page.multiplier);
	last = clock_read(&clock_page);
	for (i = 0; i < 1000; i++) {
		now = clock_read(&clock_page);
		GUEST_ASSERT(now >= last);
		last = now;
	}
	for (;;) {
		now = clock_read(&clock_page);
		guest_sync(2);
	}
}

static uint64_t vm_clock(struct vm *vm)
{
	struct kvm_clock_data data = { 0 };

	ASSERT_EQ(try_ioctl(vm->fd, KVM_GET_CLOCK, &data), 0);
	return data.clock;
}

/* Between two readings of KVM_GET_CLOCK, give or take a millisecond. */
static void expect_between(uint64_t before, uint64_t time, uint64_t after)
{
	EXPECT(time + 1000000 >= before && time <= after + 1000000, "%llu, %llu, %llu",
	       (unsigned long long)before, (unsigned long long)time, (unsigned long long)after);
}

static void check_clock(struct vm *vm, struct vcpu *vcpu)
{
	struct kvm_clock_data data = { .clock = 5000000000000ULL };
	uint64_t before;

	vm_need(vm, KVM_CAP_CLOCKSOURCE, "KVM_CAP_CLOCKSOURCE");
	guest_start(vcpu, guest_clock);
	guest_run_sync(vcpu, 1);
	before = vm_clock(vm);
	guest_run_sync(vcpu, 2);
	expect_between(before, *GUEST_VAR(vm, now), vm_clock(vm));
	usleep(20000);
	before = vm_clock(vm);
	guest_run_sync(vcpu, 2);
	expect_between(before, *GUEST_VAR(vm, now), vm_clock(vm));

	ASSERT_EQ(try_ioctl(vm->fd, KVM_SET_CLOCK, &data), 0);
	guest_run_sync(vcpu, 2);
	expect_between(data.clock, *GUEST_VAR(vm, now), vm_clock(vm));
}

static void test_clock(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);

	check_clock(vm, vcpu_create(vm, 0));
}

static struct vm *scaled_vm(unsigned int percent, int *khz)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);

	vm_need(vm, KVM_CAP_VM_TSC_CONTROL, "KVM_CAP_VM_TSC_CONTROL");
	*khz = try_ioctl_value(vm->fd, KVM_GET_TSC_KHZ, 0) / 100 * percent;
	ASSERT_EQ(try_ioctl_value(vm->fd, KVM_SET_TSC_KHZ, *khz), 0);
	return vm;
}

/* The guest's RDTSC, its MSR as the client reads it, and the client's clock agree. */
static void test_tsc_scaled(void)
{
	static const unsigned int percents[] = { 300, 50, 101 };
	uint64_t clock[4], tsc[2], value;
	unsigned int i, k;
	int khz;

	for (i = 0; i < KSFT_ARRAY_SIZE(percents); i++) {
		struct vm *vm = scaled_vm(percents[i], &khz);
		struct vcpu *vcpu = vcpu_create(vm, 0);

		EXPECT_EQ(try_ioctl_value(vcpu->fd, KVM_GET_TSC_KHZ, 0), khz);
		guest_start(vcpu, guest_read_tsc);
		guest_run_sync(vcpu, 1);
		for (k = 0; k < 2; k++) {
			usleep(30000);
			clock[2 * k] = vm_clock(vm);
			guest_run_sync(vcpu, 1);
			clock[2 * k + 1] = vm_clock(vm);
			tsc[k] = *GUEST_VAR(vm, now);
			ASSERT_EQ(try_get_msr(vcpu, MSR_TSC, &value), 1);
			EXPECT(value >= tsc[k] && value - tsc[k] < (uint64_t)khz * 1000,
			       "%#llx, %#llx", (unsigned long long)value, (unsigned long long)tsc[k]);
		}
		/* In microseconds at least and at most, and a thousandth of that. */
		value = (tsc[1] - tsc[0]) * 1000 / khz;
		EXPECT(value * 1001 >= clock[2] - clock[1] && value * 999 <= clock[3] - clock[0],
		       "%u %%: %llu us", percents[i], (unsigned long long)value);
	}
}

static void test_clock_scaled(void)
{
	int khz;
	struct vm *vm = scaled_vm(240, &khz);

	check_clock(vm, vcpu_create(vm, 0));
}

static void guest_wall_clock(void)
{
	wrmsr(MSR_KVM_WALL_CLOCK, (uintptr_t)&wall_clock);
	wrmsr(MSR_KVM_SYSTEM_TIME, (uintptr_t)&clock_page | 1);
	guest_sync(1);
	GUEST_ASSERT(wall_clock.version && !(wall_clock.version & 1));
	now = wall_clock.seconds * 1000000000UL + wall_clock.nanoseconds + clock_read(&clock_page);
	guest_sync(2);
}

static void test_wall_clock(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	time_t real, before = time(NULL);

	vm_need(vm, KVM_CAP_CLOCKSOURCE, "KVM_CAP_CLOCKSOURCE");
	guest_start(vcpu, guest_wall_clock);
	guest_run_sync(vcpu, 1);
	guest_run_sync(vcpu, 2);
	real = *GUEST_VAR(vm, now) / 1000000000;
	EXPECT(real >= before - 3 && real <= time(NULL) + 3, "%lld, not %lld to %lld",
	       (long long)real, (long long)before, (long long)time(NULL));
}

/* Turned off, the page is left alone; with a bad address the write is refused or ignored. */
static void guest_clock_off(void)
{
	wrmsr(MSR_KVM_SYSTEM_TIME, (uintptr_t)&clock_page | 1);
	guest_sync(1);
	wrmsr(MSR_KVM_SYSTEM_TIME, 0);
	clock_page.system_time = 0x1234;
	guest_sync(2);
	GUEST_EQ(clock_page.system_time, 0x1234);
	GUEST_TRY("wrmsr", : : "c"(MSR_KVM_SYSTEM_TIME), "a"(0x50000001), "d"(0x7fff)
		  : "r11", "memory");
}

static void test_clock_off(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vm_need(vm, KVM_CAP_CLOCKSOURCE, "KVM_CAP_CLOCKSOURCE");
	guest_start(vcpu, guest_clock_off);
	guest_run_sync(vcpu, 1);
	guest_run_sync(vcpu, 2);
	guest_run_done(vcpu);
}

static const struct ksft_test tests[] = {
	{ "tsc", test_tsc },
	{ "tsc_offset", test_tsc_offset },
	{ "tsc_adjust", test_tsc_adjust },
	{ "tsc_scaled", test_tsc_scaled },
	{ "clock", test_clock },
	{ "clock_scaled", test_clock_scaled },
	{ "wall_clock", test_wall_clock },
	{ "clock_off", test_clock_off },
};

const struct ksft_suite time_suite = KSFT_SUITE("time", tests);
