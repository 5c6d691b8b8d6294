// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs: the lists, reading and writing back what is on them, where the count of
 * GET_MSRS and SET_MSRS ends, and what guest and client see of each other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "guest_cpu.h"
#include "ksft.h"

#define MSR_TSC			0x10
#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_PAT			0x277
#define MSR_EFER		0xc0000080
#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_NOBODY		0x4b500000	/* no such register */

static struct kvm_msr_list *get_list(int dev, unsigned long request)
{
	struct kvm_msr_list *list = calloc(1, sizeof(*list));
	unsigned int count;

	ASSERT(list);
	EXPECT_EQ(try_ioctl(dev, request, list), -E2BIG);
	count = list->nmsrs;
	ASSERT(count < 10000);
	list = realloc(list, sizeof(*list) + count * sizeof(list->indices[0]));
	ASSERT(list);
	list->nmsrs = count;
	ASSERT_EQ(try_ioctl(dev, request, list), 0);
	EXPECT_EQ(list->nmsrs, count);
	return list;
}

static void test_index_list(void)
{
	static const uint32_t needed[] = {
		MSR_TSC, MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_PAT, MSR_STAR, MSR_LSTAR,
		MSR_KERNEL_GS_BASE,
	};
	struct kvm_msr_list *list = get_list(dev_open(), KVM_GET_MSR_INDEX_LIST);
	unsigned int i, k;

	for (i = 0; i < KSFT_ARRAY_SIZE(needed); i++) {
		for (k = 0; k < list->nmsrs && list->indices[k] != needed[i]; k++)
			;
		EXPECT(k < list->nmsrs, "MSR %#x is not listed", needed[i]);
	}
	for (i = 0; i < list->nmsrs; i++)
		for (k = 0; k < i; k++)
			EXPECT(list->indices[i] != list->indices[k], "MSR %#x is listed twice",
			       list->indices[i]);
}

static void test_feature_list(void)
{
	int dev = dev_open();
	struct kvm_msr_list *list;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1 };
	unsigned int i;

	if (dev_check_extension(dev, KVM_CAP_GET_MSR_FEATURES) <= 0)
		ksft_skip("no KVM_CAP_GET_MSR_FEATURES");
	list = get_list(dev, KVM_GET_MSR_FEATURE_INDEX_LIST);
	for (i = 0; i < list->nmsrs; i++) {
		one.entry.index = list->indices[i];
		EXPECT(try_ioctl(dev, KVM_GET_MSRS, &one) == 1, "MSR %#x", list->indices[i]);
	}
}

/* All in one call, as clients that save a VM do it; then one by one to name the culprit. */
static void test_read_write_all(void)
{
	struct vm *vm = vm_create(0, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_msr_list *list = get_list(vm->dev, KVM_GET_MSR_INDEX_LIST);
	struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) +
				       list->nmsrs * sizeof(msrs->entries[0]));
	unsigned int i;

	ASSERT(msrs);
	for (i = 0; i < list->nmsrs; i++)
		msrs->entries[i].index = list->indices[i];
	msrs->nmsrs = list->nmsrs;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_GET_MSRS, msrs), list->nmsrs);
	for (i = 0; i < list->nmsrs; i++) {
		uint64_t value;

		EXPECT(try_get_msr(vcpu, list->indices[i], &value) == 1,
		       "MSR %#x does not read", list->indices[i]);
		EXPECT(try_set_msr(vcpu, list->indices[i], msrs->entries[i].data) == 1,
		       "MSR %#x does not take back %#llx", list->indices[i],
		       (unsigned long long)msrs->entries[i].data);
	}
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_MSRS, msrs), list->nmsrs);
}

static void test_values(void)
{
	static const struct {
		uint32_t index;
		uint64_t value;
	} values[] = {
		{ MSR_SYSENTER_CS, 0x10 }, { MSR_SYSENTER_ESP, 0x80001000 },
		{ MSR_STAR, 0x0023001000000000 }, { MSR_LSTAR, 0xffffffff81000000 },
		{ MSR_KERNEL_GS_BASE, 0xffff888100000000 }, { MSR_PAT, 0x0007040600070406 },
	};
	struct vcpu *vcpu = vcpu_create(vm_create(0, 0), 0);
	uint64_t value;
	size_t i;

	for (i = 0; i < KSFT_ARRAY_SIZE(values); i++) {
		EXPECT(try_set_msr(vcpu, values[i].index, values[i].value) == 1, "MSR %#x",
		       values[i].index);
		ASSERT_EQ(try_get_msr(vcpu, values[i].index, &value), 1);
		EXPECT(value == values[i].value, "MSR %#x is %#llx", values[i].index,
		       (unsigned long long)value);
	}
}

/* The call stops at the first register that it cannot do and says how far it came. */
static void test_unknown_stops(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(0, 0), 0);
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[3];
	} m = {
		.head.nmsrs = 3,
		.entries = {
			{ .index = MSR_STAR, .data = 1 },
			{ .index = MSR_NOBODY, .data = 1 },
			{ .index = MSR_LSTAR, .data = 1 },
		},
	};
	uint64_t value;

	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_GET_MSRS, &m), 1);
	m.entries[2].data = 0x1000;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_MSRS, &m), 1);
	ASSERT_EQ(try_get_msr(vcpu, MSR_LSTAR, &value), 1);
	EXPECT_EQ(value, 0);
	m.head.nmsrs = 0;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_GET_MSRS, &m), 0);
	m.head.nmsrs = 100000;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_GET_MSRS, &m), -E2BIG);
}

static void test_invalid_values(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(0, 0), 0);

	EXPECT_EQ(try_set_msr(vcpu, MSR_PAT, 0x0202020202020202), 0);
	EXPECT_EQ(try_set_msr(vcpu, MSR_EFER, 1ULL << 40), 0);
	EXPECT_EQ(try_set_msr(vcpu, MSR_LSTAR, 1ULL << 63), 0);
	EXPECT_EQ(try_set_msr(vcpu, MSR_KERNEL_GS_BASE, 1ULL << 63), 0);
}

static uint64_t from_host, from_guest = 0xffffffff81234000;

static void guest_msrs(void)
{
	from_host = rdmsr(MSR_LSTAR);
	wrmsr(MSR_LSTAR, from_guest);
	wrmsr(MSR_KERNEL_GS_BASE, from_guest + 1);
	wrmsr(MSR_SYSENTER_ESP, 0x80002000);
	guest_sync(1);
	GUEST_EQ(rdmsr(MSR_LSTAR), from_guest);
	GUEST_EQ(rdmsr(MSR_KERNEL_GS_BASE), from_guest + 1);
	GUEST_EQ(rdmsr(MSR_SYSENTER_ESP), 0x80002000);
}

static void test_guest_and_client(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	uint64_t value;

	guest_start(vcpu, guest_msrs);
	ASSERT_EQ(try_set_msr(vcpu, MSR_LSTAR, 0xffffffff80abc000), 1);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(*GUEST_VAR(vm, from_host), 0xffffffff80abc000);
	ASSERT_EQ(try_get_msr(vcpu, MSR_LSTAR, &value), 1);
	EXPECT_EQ(value, from_guest);
	ASSERT_EQ(try_get_msr(vcpu, MSR_KERNEL_GS_BASE, &value), 1);
	EXPECT_EQ(value, from_guest + 1);
	ASSERT_EQ(try_get_msr(vcpu, MSR_SYSENTER_ESP, &value), 1);
	EXPECT_EQ(value, 0x80002000);
	guest_run_done(vcpu);
}

/* Two VMs on one CPU: neither sees the other's registers. */
static void test_two_vms(void)
{
	struct vcpu *vcpus[2];
	uint64_t value;
	int i;

	for (i = 0; i < 2; i++) {
		from_guest = 0xffffffff81230000 + 0x100 * i;
		vcpus[i] = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);
		guest_start(vcpus[i], guest_msrs);
	}
	for (i = 0; i < 2; i++)
		guest_run_sync(vcpus[i], 1);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(try_get_msr(vcpus[i], MSR_LSTAR, &value), 1);
		EXPECT_EQ(value, 0xffffffff81230000 + 0x100 * i);
		guest_run_done(vcpus[i]);
	}
}

static const struct ksft_test tests[] = {
	{ "index_list", test_index_list },
	{ "feature_list", test_feature_list },
	{ "read_write_all", test_read_write_all },
	{ "values", test_values },
	{ "unknown_stops", test_unknown_stops },
	{ "invalid_values", test_invalid_values },
	{ "guest_and_client", test_guest_and_client },
	{ "two_vms", test_two_vms },
};

static const struct ksft_suite suite = KSFT_SUITE("msrs", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
