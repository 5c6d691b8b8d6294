// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device itself: version, capabilities, sizes, and what it refuses.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "khv.h"
#include "ksft.h"
#include "vm.h"

static void test_api_version(void)
{
	int dev = dev_open();

	EXPECT_EQ(try_ioctl_value(dev, KVM_GET_API_VERSION, 0), KVM_API_VERSION);
	EXPECT_EQ(try_ioctl_value(dev, KVM_GET_API_VERSION, 1), -EINVAL);
}

static void test_mmap_size(void)
{
	int dev = dev_open(), size;

	size = try_ioctl_value(dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	EXPECT(size >= (int)sizeof(struct kvm_run), "%d", size);
	EXPECT_EQ(size % PAGE_SIZE, 0);
	EXPECT_EQ(try_ioctl_value(dev, KVM_GET_VCPU_MMAP_SIZE, 1), -EINVAL);
}

/* What clients cannot do without, and the least value that serves them. */
static const struct {
	long number;
	int least;
	const char *name;
} needed[] = {
#define NEED(cap, least) { KVM_CAP_##cap, least, #cap }
	NEED(IRQCHIP, 1), NEED(HLT, 1), NEED(USER_MEMORY, 1), NEED(SET_TSS_ADDR, 1),
	NEED(EXT_CPUID, 1), NEED(NR_VCPUS, 1), NEED(MAX_VCPUS, 1), NEED(NR_MEMSLOTS, 32),
	NEED(MP_STATE, 1), NEED(PIT2, 1), NEED(PIT_STATE2, 1),
	NEED(DESTROY_MEMORY_REGION_WORKS, 1), NEED(JOIN_MEMORY_REGIONS_WORKS, 1),
	NEED(IRQ_ROUTING, 1), NEED(IRQ_INJECT_STATUS, 1), NEED(ADJUST_CLOCK, 1),
	NEED(VCPU_EVENTS, 1), NEED(DEBUGREGS, 1), NEED(XSAVE, 1),
	NEED(IMMEDIATE_EXIT, 1), NEED(READONLY_MEM, 1), NEED(CLOCKSOURCE, 1),
};

static void test_needed_capabilities(void)
{
	int dev = dev_open(), value;
	size_t i;

	for (i = 0; i < KSFT_ARRAY_SIZE(needed); i++) {
		value = dev_check_extension(dev, needed[i].number);
		EXPECT(value >= needed[i].least, "KVM_CAP_%s is %d", needed[i].name, value);
	}
}

/* Numbers that belong to other architectures. */
static const short foreign[] = {
	KVM_CAP_PPC_SEGSTATE, KVM_CAP_PPC_PAIRED_SINGLES, KVM_CAP_PPC_UNSET_IRQ,
	KVM_CAP_PPC_IRQ_LEVEL, KVM_CAP_PPC_OSI, KVM_CAP_PPC_GET_PVINFO, KVM_CAP_PPC_BOOKE_SREGS,
	KVM_CAP_SPAPR_TCE, KVM_CAP_PPC_SMT, KVM_CAP_PPC_RMA, KVM_CAP_S390_GMAP, KVM_CAP_PPC_HIOR,
	KVM_CAP_PPC_PAPR, KVM_CAP_SW_TLB, KVM_CAP_S390_PSW, KVM_CAP_S390_UCONTROL,
	KVM_CAP_S390_COW, KVM_CAP_PPC_ALLOC_HTAB, KVM_CAP_PPC_BOOKE_WATCHDOG, KVM_CAP_PPC_HTAB_FD,
	KVM_CAP_S390_CSS_SUPPORT, KVM_CAP_PPC_EPR, KVM_CAP_ARM_PSCI, KVM_CAP_ARM_SET_DEVICE_ADDR,
	KVM_CAP_IRQ_MPIC, KVM_CAP_PPC_RTAS, KVM_CAP_IRQ_XICS, KVM_CAP_ARM_EL1_32BIT,
	KVM_CAP_SPAPR_MULTITCE, KVM_CAP_S390_IRQCHIP, KVM_CAP_MIPS_FPU, KVM_CAP_MIPS_MSA,
	KVM_CAP_S390_VECTOR_REGISTERS, KVM_CAP_ARM_PMU_V3, KVM_CAP_S390_RI, KVM_CAP_PPC_MMU_RADIX,
	KVM_CAP_MIPS_VZ, KVM_CAP_S390_AIS, KVM_CAP_ARM_SVE, KVM_CAP_ARM_MTE,
};

static void test_every_capability(void)
{
	int dev = dev_open(), value;
	long number;
	size_t i;

	for (number = 0; number <= 300; number++) {
		value = dev_check_extension(dev, number);
		EXPECT(value >= 0, "capability %ld: %s", number, strerror(-value));
	}
	for (i = 0; i < KSFT_ARRAY_SIZE(foreign); i++) {
		value = dev_check_extension(dev, foreign[i]);
		EXPECT(value == 0, "capability %d is %d", foreign[i], value);
	}
	EXPECT_EQ(dev_check_extension(dev, 0x7fffffffL), 0);
	EXPECT_EQ(dev_check_extension(dev, -1L), 0);
}

/* What uapi/khv.h lists. */
static const struct {
	long number;
	const char *name;
} listed[] =
#define NAMED(number)	{ number, #number }
	KHV_CAPABILITIES(NAMED);

/* Depends on the processor. */
static bool may_be_none(long number)
{
	return number == KVM_CAP_XCRS || number == KHV_CAP_NO_REAL_MODE ||
	       number == KVM_CAP_TSC_CONTROL || number == KVM_CAP_VM_TSC_CONTROL;
}

static bool is_listed(long number)
{
	size_t i;

	for (i = 0; i < KSFT_ARRAY_SIZE(listed); i++)
		if (listed[i].number == number)
			return true;
	return false;
}

static void expect_none(int fd, long number)
{
	int value = is_listed(number) ? 0 : dev_check_extension(fd, number);

	EXPECT(!value, "capability %ld, which is not listed, is %d", number, value);
}

/* Each number that could be a capability is listed or 0, on a VM as on the device. */
static void test_listed_capabilities(void)
{
	struct vm *vm = vm_create(0, 0);
	int fds[] = { vm->dev, vm->fd }, value;
	long number;
	size_t i, k;

	if (strcmp(ksft_device, KHV_DEVICE))
		ksft_skip("uapi/khv.h is about khv");
	for (k = 0; k < KSFT_ARRAY_SIZE(fds); k++) {
		for (i = 0; i < KSFT_ARRAY_SIZE(listed); i++) {
			value = dev_check_extension(fds[k], listed[i].number);
			EXPECT(value > 0 || (!value && may_be_none(listed[i].number)), "%s is %d",
			       listed[i].name, value);
		}
		for (number = 0; number < 4096; number++)
			expect_none(fds[k], number);
		for (number = KHV_CAP_BASE - 64; number < KHV_CAP_BASE + 64; number++)
			expect_none(fds[k], number);
		for (number = 1; number; number <<= 1)
			expect_none(fds[k], number | 1L << 62);
	}
}

/* A VM answers like the device wherever the device's answer is for all VMs. */
static void test_vm_capabilities(void)
{
	struct vm *vm = vm_create(0, 0);
	size_t i;

	if (dev_check_extension(vm->dev, KVM_CAP_CHECK_EXTENSION_VM) <= 0)
		ksft_skip("no KVM_CAP_CHECK_EXTENSION_VM");
	for (i = 0; i < KSFT_ARRAY_SIZE(needed); i++)
		EXPECT_EQ(vm_check_extension(vm, needed[i].number),
			  dev_check_extension(vm->dev, needed[i].number));
}

static void expect_unknown(int fd, unsigned long request)
{
	uint8_t buffer[256] = { 0 };
	int ret = try_ioctl(fd, request, buffer);

	EXPECT(ret == -ENOTTY || ret == -EINVAL, "request %#lx: %d", request, ret);
}

static void test_unknown_ioctls(void)
{
	struct vm *vm = vm_create(0, 0);
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	const unsigned long requests[] = {
		_IO(KVMIO, 0xff), _IOWR(KVMIO, 0xfe, uint64_t), _IO('!', 0), _IOR('!', 1, uint32_t),
		0, ~0U,
	};
	size_t i;

	for (i = 0; i < KSFT_ARRAY_SIZE(requests); i++) {
		expect_unknown(vm->dev, requests[i]);
		expect_unknown(vm->fd, requests[i]);
		expect_unknown(vcpu->fd, requests[i]);
	}
}

/* A call of one kind of descriptor is unknown to the others. */
static void test_wrong_descriptor(void)
{
	struct vm *vm = vm_create(0, 0);
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);

	expect_unknown(vm->dev, KVM_RUN);
	expect_unknown(vm->dev, KVM_SET_USER_MEMORY_REGION);
	expect_unknown(vm->fd, KVM_RUN);
	expect_unknown(vm->fd, KVM_GET_REGS);
	expect_unknown(vm->fd, KVM_GET_API_VERSION);
	expect_unknown(vcpu->fd, KVM_SET_USER_MEMORY_REGION);
	expect_unknown(vcpu->fd, KVM_GET_API_VERSION);
	expect_unknown(vcpu->fd, KVM_CREATE_VM);
}

static void test_create_vm_type(void)
{
	int dev = dev_open();

	EXPECT_EQ(try_ioctl_value(dev, KVM_CREATE_VM, 0x10000), -EINVAL);
}

static void test_bad_pointers(void)
{
	int dev = dev_open();

	EXPECT_EQ(try_ioctl(dev, KVM_GET_MSR_INDEX_LIST, (void *)8), -EFAULT);
	EXPECT_EQ(try_ioctl(dev, KVM_GET_SUPPORTED_CPUID, (void *)8), -EFAULT);
}

static void test_no_file_operations(void)
{
	int dev = dev_open();
	char byte = 0;

	EXPECT(read(dev, &byte, 1) < 0);
	EXPECT(write(dev, &byte, 1) < 0);
	EXPECT(mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, dev, 0) == MAP_FAILED);
}

static const struct ksft_test tests[] = {
	{ "api_version", test_api_version },
	{ "mmap_size", test_mmap_size },
	{ "needed_capabilities", test_needed_capabilities },
	{ "every_capability", test_every_capability },
	{ "listed_capabilities", test_listed_capabilities },
	{ "vm_capabilities", test_vm_capabilities },
	{ "unknown_ioctls", test_unknown_ioctls },
	{ "wrong_descriptor", test_wrong_descriptor },
	{ "create_vm_type", test_create_vm_type },
	{ "bad_pointers", test_bad_pointers },
	{ "no_file_operations", test_no_file_operations },
};

static const struct ksft_suite suite = KSFT_SUITE("dev", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
