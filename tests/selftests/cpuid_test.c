// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID tables: supported, set, read back, seen by the guest, frozen once it ran.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "guest_cpu.h"
#include "khv.h"
#include "ksft.h"

#define SIGNATURE	0x40000000

static void test_supported(void)
{
	int dev = dev_open();
	struct kvm_cpuid2 *cpuid = supported_cpuid(dev);
	struct kvm_cpuid_entry2 *leaf;

	EXPECT(cpuid->nent > 5 && cpuid->nent <= 100, "%u entries", cpuid->nent);
	leaf = cpuid_find(cpuid, 0, 0);
	ASSERT(leaf);
	EXPECT(leaf->eax >= 1);
	leaf = cpuid_find(cpuid, 1, 0);
	ASSERT(leaf);
	EXPECT(leaf->edx & 1 << 0, "FPU");
	EXPECT(leaf->edx & 1 << 6, "PAE");
	leaf = cpuid_find(cpuid, 0x80000001, 0);
	ASSERT(leaf);
	EXPECT(leaf->edx & 1 << 29, "long mode");
	leaf = cpuid_find(cpuid, SIGNATURE, 0);
	ASSERT(leaf);
	EXPECT(leaf->eax >= SIGNATURE + 1);
	EXPECT(!memcmp(&leaf->ebx, "KVMKVMKVM", 9));
}

static void test_supported_sizes(void)
{
	int dev = dev_open();
	struct kvm_cpuid2 *cpuid = supported_cpuid(dev);
	unsigned int count = cpuid->nent;

	cpuid->nent = 1;
	EXPECT_EQ(try_ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid), -E2BIG);
	cpuid->nent = 0;
	EXPECT_EQ(try_ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid), -E2BIG);
	cpuid->nent = count;
	EXPECT_EQ(try_ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid), 0);
	EXPECT_EQ(cpuid->nent, count);
}

/* Leaves that are there by emulation only. */
static void test_emulated(void)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 100 * sizeof(cpuid->entries[0]));
	int dev = dev_open();

	EXPECT_EQ(try_ioctl(dev, KVM_GET_EMULATED_CPUID, cpuid), -E2BIG);
	cpuid->nent = 100;
	EXPECT_EQ(try_ioctl(dev, KVM_GET_EMULATED_CPUID, cpuid), 0);
	if (!strcmp(ksft_device, KHV_DEVICE))
		EXPECT_EQ(cpuid->nent, 0);
	free(cpuid);
}

static void test_set_get(void)
{
	struct vm *vm = vm_create(0, 0);
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	struct kvm_cpuid2 *set = supported_cpuid(vm->dev), *got;
	unsigned int i;

	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, set), 0);
	got = vcpu_get_cpuid(vcpu, set->nent);
	ASSERT_EQ(got->nent, set->nent);
	for (i = 0; i < set->nent; i++) {
		EXPECT_EQ(got->entries[i].function, set->entries[i].function);
		EXPECT_EQ(got->entries[i].index, set->entries[i].index);
	}
	got->nent = 1;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_GET_CPUID2, got), -E2BIG);
	set->nent = 100000;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, set), -E2BIG);
	set->nent = 1;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, set), 0);
}

static uint32_t seen[4];

static void guest_cpuid(void)
{
	cpuid(SIGNATURE, 0, seen);
	guest_sync(1);
	cpuid(SIGNATURE, 0, seen);
}

static void test_guest_sees(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	struct kvm_cpuid2 *set = supported_cpuid(vm->dev);
	struct kvm_cpuid_entry2 *leaf = cpuid_find(set, SIGNATURE, 0);
	uint32_t *saw = *GUEST_VAR(vm, seen);

	ASSERT(leaf);
	leaf->ebx = 0x11111111;
	leaf->ecx = 0x22222222;
	leaf->edx = 0x33333333;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, set), 0);
	guest_start(vcpu, guest_cpuid);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(saw[0], leaf->eax);
	EXPECT_EQ(saw[1], 0x11111111);
	EXPECT_EQ(saw[2], 0x22222222);
	EXPECT_EQ(saw[3], 0x33333333);
}

/* After the first RUN the same table may be set again, another one not. */
static void test_frozen(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	unsigned int count = supported_cpuid(vm->dev)->nent;
	struct kvm_cpuid2 *cpuid;

	guest_start(vcpu, guest_cpuid);
	guest_run_sync(vcpu, 1);
	cpuid = vcpu_get_cpuid(vcpu, count);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), 0);
	cpuid->nent--;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), -EINVAL);
	cpuid->nent++;
	cpuid_find(cpuid, 0, 0)->eax--;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), -EINVAL);
	guest_run_done(vcpu);
}

static const struct ksft_test tests[] = {
	{ "supported", test_supported },
	{ "supported_sizes", test_supported_sizes },
	{ "emulated", test_emulated },
	{ "set_get", test_set_get },
	{ "guest_sees", test_guest_sees },
	{ "frozen", test_frozen },
};

static const struct ksft_suite suite = KSFT_SUITE("cpuid", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
