// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM's clock (KVM_GET_CLOCK, KVM_SET_CLOCK) and the frequency of its TSC.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ksft.h"
#include "vm.h"

static uint64_t clock_now(struct vm *vm)
{
	struct kvm_clock_data data;

	memset(&data, 0xff, sizeof(data));
	ASSERT_EQ(try_ioctl(vm->fd, KVM_GET_CLOCK, &data), 0);
	return data.clock;
}

static struct vm *create(void)
{
	struct vm *vm = vm_create(0, 0);

	vm_need(vm, KVM_CAP_ADJUST_CLOCK, "KVM_CAP_ADJUST_CLOCK");
	vcpu_create(vm, 0);
	return vm;
}

static void test_advances(void)
{
	struct vm *vm = create();
	uint64_t before = clock_now(vm), after;

	usleep(50000);
	after = clock_now(vm);
	EXPECT(after - before >= 45000000 && after - before < 60000000000ULL, "%llu ns",
	       (unsigned long long)(after - before));
}

static void test_set(void)
{
	struct vm *vm = create();
	struct kvm_clock_data data = { .clock = 1000000000000000ULL };
	uint64_t now;

	ASSERT_EQ(try_ioctl(vm->fd, KVM_SET_CLOCK, &data), 0);
	now = clock_now(vm);
	EXPECT(now >= data.clock - 1000000 && now < data.clock + 60000000000ULL, "%llu",
	       (unsigned long long)now);
	data.clock = 1000;
	ASSERT_EQ(try_ioctl(vm->fd, KVM_SET_CLOCK, &data), 0);
	now = clock_now(vm);
	EXPECT(now < 60000000000ULL, "%llu", (unsigned long long)now);
}

static void test_bad_flags(void)
{
	struct vm *vm = create();
	struct kvm_clock_data data = { .clock = 1000, .flags = 0x80000000 };

	EXPECT_EQ(try_ioctl(vm->fd, KVM_SET_CLOCK, &data), -EINVAL);
}

static void test_per_vm(void)
{
	struct vm *one = create(), *other = create();
	struct kvm_clock_data data = { .clock = 1000000000000000ULL };

	ASSERT_EQ(try_ioctl(one->fd, KVM_SET_CLOCK, &data), 0);
	EXPECT(clock_now(other) < 1000000000000ULL);
}

static void test_tsc_khz(void)
{
	struct vm *vm = vm_create(0, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int khz;

	vm_need(vm, KVM_CAP_GET_TSC_KHZ, "KVM_CAP_GET_TSC_KHZ");
	khz = try_ioctl_value(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	EXPECT(khz > 1000, "%d", khz);
	EXPECT_EQ(try_ioctl_value(vcpu->fd, KVM_SET_TSC_KHZ, khz), 0);
}

static const struct ksft_test tests[] = {
	{ "advances", test_advances },
	{ "set", test_set },
	{ "bad_flags", test_bad_flags },
	{ "per_vm", test_per_vm },
	{ "tsc_khz", test_tsc_khz },
};

static const struct ksft_suite suite = KSFT_SUITE("clock", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
