// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machine checks that a client makes: how many banks a guest has, what it may write to
 * them, and which errors it is told of and how.
 */
#include <errno.h>

#include "guest.h"
#include "guest_cpu.h"
#include "ksft.h"

#define MSR_MCG_CAP	0x179
#define MSR_MCG_STATUS	0x17a
#define MSR_MCG_CTL	0x17b
#define MSR_MC(bank)	(0x400 + 4 * (bank))
#define CTL		0
#define STATUS		1
#define ADDR		2
#define MISC		3

/* "SDM, IA32_MCG_CAP MSR", "IA32_MCG_STATUS MSR", "IA32_MCi_STATUS MSRS" */
#define CAP_CTL		(1ULL << 8)
#define CAP_SER		(1ULL << 24)
#define IN_PROGRESS	(1ULL << 2)
#define VALID		(1ULL << 63)
#define OVERFLOW	(1ULL << 62)
#define UNCORRECTED	(1ULL << 61)
#define CR4_MCE		(1ULL << 6)
#define ONES		(~0ULL)

#define BANKS		10
#define BANK		9
#define PAGE		0x1234000ULL

static struct vcpu *vcpu_with(uint64_t cap)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);

	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_X86_SETUP_MCE, &cap), 0);
	return vcpu;
}

/* The vector of WRMSR's exception, if any. */
static uint32_t wrmsr_try(uint32_t index, uint64_t value)
{
	return GUEST_TRY("wrmsr", : : "c"(index), "a"((uint32_t)value),
			 "d"((uint32_t)(value >> 32)) : "r11", "memory");
}

static uint64_t get(struct vcpu *vcpu, uint32_t index)
{
	uint64_t value = 0;

	EXPECT(try_get_msr(vcpu, index, &value) == 1, "MSR %#x does not read", index);
	return value;
}

static int inject(struct vcpu *vcpu, unsigned int bank, uint64_t status)
{
	struct kvm_x86_mce mce = {
		.status = status, .addr = PAGE, .misc = 0x8c, .mcg_status = IN_PROGRESS,
		.bank = bank,
	};

	return try_ioctl(vcpu->fd, KVM_X86_SET_MCE, &mce);
}

static void test_offered(void)
{
	uint64_t cap = 0;
	int dev = dev_open();

	EXPECT_EQ(dev_check_extension(dev, KVM_CAP_MCE), 32);
	ASSERT_EQ(try_ioctl(dev, KVM_X86_GET_MCE_CAP_SUPPORTED, &cap), 0);
	EXPECT((cap & (CAP_CTL | CAP_SER)) == (CAP_CTL | CAP_SER), "%#llx",
	       (unsigned long long)cap);
}

static void test_setup(void)
{
	static const uint64_t bad[] = { 0, 33, 0xff, 1 | 1 << 11, 1 | 1ULL << 63, CAP_CTL };
	struct vcpu *vcpu = vcpu_create(vm_create(0, 0), 0);
	uint64_t cap;
	size_t i;

	EXPECT_EQ(get(vcpu, MSR_MCG_CAP), 32);
	for (i = 0; i < KSFT_ARRAY_SIZE(bad); i++) {
		cap = bad[i];
		EXPECT_EQ(try_ioctl(vcpu->fd, KVM_X86_SETUP_MCE, &cap), -EINVAL);
	}
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_X86_SETUP_MCE, NULL), -EFAULT);
	cap = BANKS | CAP_CTL | CAP_SER;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_X86_SETUP_MCE, &cap), 0);
	EXPECT_EQ(get(vcpu, MSR_MCG_CAP), cap);
	EXPECT_EQ(get(vcpu, MSR_MCG_CTL), ONES);
	EXPECT_EQ(get(vcpu, MSR_MC(BANK) + CTL), ONES);
	EXPECT_EQ(try_get_msr(vcpu, MSR_MC(BANKS) + CTL, &cap), 0);
}

static void guest_registers(void)
{
	unsigned int i;

	GUEST_EQ(rdmsr(MSR_MCG_CAP), BANKS | CAP_CTL | CAP_SER);
	for (i = 0; i < 4 * BANKS; i++)
		GUEST_EQ(wrmsr_try(MSR_MC(0) + i, 0), GUEST_NO_TRAP);
	GUEST_EQ(wrmsr_try(MSR_MC(BANKS), 0), 13);
	GUEST_EQ(wrmsr_try(MSR_MCG_CTL, 1), 13);
	GUEST_EQ(wrmsr_try(MSR_MCG_CTL, 0), GUEST_NO_TRAP);
	GUEST_EQ(wrmsr_try(MSR_MC(BANK) + CTL, 5), 13);
	GUEST_EQ(wrmsr_try(MSR_MC(BANK) + CTL, ONES & ~0x401ULL), GUEST_NO_TRAP);
	GUEST_EQ(wrmsr_try(MSR_MC(BANK) + CTL, ONES), GUEST_NO_TRAP);
	GUEST_EQ(wrmsr_try(MSR_MC(BANK) + STATUS, 1), 13);
	GUEST_EQ(wrmsr_try(MSR_MC(BANK) + ADDR, PAGE), GUEST_NO_TRAP);
	GUEST_EQ(rdmsr(MSR_MC(BANK) + ADDR), PAGE);
}

static void test_registers(void)
{
	struct vcpu *vcpu = vcpu_with(BANKS | CAP_CTL | CAP_SER);

	guest_start(vcpu, guest_registers);
	guest_run_done(vcpu);
}

static void test_no_control(void)
{
	struct vcpu *vcpu = vcpu_with(BANKS);

	/* Clients put back what they have read, of registers that are not there, too. */
	EXPECT_EQ(get(vcpu, MSR_MCG_CTL), 0);
	EXPECT_EQ(try_set_msr(vcpu, MSR_MCG_CTL, 0), 1);
	EXPECT_EQ(try_set_msr(vcpu, MSR_MCG_CTL, ONES), 0);
}

static void test_refused(void)
{
	struct vcpu *vcpu = vcpu_with(BANKS);

	EXPECT_EQ(inject(vcpu, BANKS, VALID), -EINVAL);
	EXPECT_EQ(inject(vcpu, 255, VALID), -EINVAL);
	EXPECT_EQ(inject(vcpu, BANK, ONES & ~VALID), -EINVAL);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_X86_SET_MCE, NULL), -EFAULT);
	EXPECT_EQ(get(vcpu, MSR_MC(BANK) + STATUS), 0);
}

/* In the log, and nobody is interrupted. */
static void test_corrected(void)
{
	struct vcpu *vcpu = vcpu_with(BANKS);

	EXPECT_EQ(inject(vcpu, BANK, VALID | 1), 0);
	EXPECT_EQ(get(vcpu, MSR_MC(BANK) + STATUS), VALID | 1);
	EXPECT_EQ(get(vcpu, MSR_MC(BANK) + ADDR), PAGE);
	EXPECT_EQ(get(vcpu, MSR_MC(BANK) + MISC), 0x8c);
	EXPECT_EQ(get(vcpu, MSR_MCG_STATUS), 0);
	EXPECT_EQ(inject(vcpu, BANK, VALID | 2), 0);
	EXPECT_EQ(get(vcpu, MSR_MC(BANK) + STATUS), VALID | OVERFLOW | 2);
	/* An uncorrected one stays, and remembers that something came after it. */
	ASSERT_EQ(try_set_msr(vcpu, MSR_MC(BANK) + STATUS, VALID | UNCORRECTED | 3), 1);
	EXPECT_EQ(inject(vcpu, BANK, VALID | 4), 0);
	EXPECT_EQ(get(vcpu, MSR_MC(BANK) + STATUS), VALID | OVERFLOW | UNCORRECTED | 3);
}

/* Either register turns the report off, and with it the log. */
static void test_turned_off(void)
{
	struct vcpu *vcpu = vcpu_with(BANKS | CAP_CTL);

	ASSERT_EQ(try_set_msr(vcpu, MSR_MCG_CTL, 0), 1);
	EXPECT_EQ(inject(vcpu, BANK, VALID | UNCORRECTED), 0);
	EXPECT_EQ(get(vcpu, MSR_MC(BANK) + STATUS), 0);
	ASSERT_EQ(try_set_msr(vcpu, MSR_MCG_CTL, ONES), 1);
	ASSERT_EQ(try_set_msr(vcpu, MSR_MC(BANK) + CTL, 0), 1);
	EXPECT_EQ(inject(vcpu, BANK, VALID | UNCORRECTED), 0);
	EXPECT_EQ(get(vcpu, MSR_MC(BANK) + STATUS), 0);
}

static volatile bool checked;

static void on_machine_check(struct guest_frame *frame)
{
	(void)frame;
	GUEST_EQ(rdmsr(MSR_MCG_STATUS), IN_PROGRESS);
	GUEST_EQ(rdmsr(MSR_MC(BANK) + STATUS), VALID | UNCORRECTED | 7);
	GUEST_EQ(rdmsr(MSR_MC(BANK) + ADDR), PAGE);
	GUEST_EQ(wrmsr_try(MSR_MC(BANK) + STATUS, 0), GUEST_NO_TRAP);
	GUEST_EQ(wrmsr_try(MSR_MCG_STATUS, 0), GUEST_NO_TRAP);
	checked = true;
}

static void guest_uncorrected(void)
{
	uint64_t cr4;

	guest_handlers[18] = on_machine_check;
	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_MCE) : "memory");
	guest_sync(1);
	GUEST_ASSERT(checked);
	GUEST_EQ(guest_traps[18], 1);
}

static void test_uncorrected(void)
{
	struct vcpu *vcpu = vcpu_with(BANKS | CAP_CTL | CAP_SER);

	guest_start(vcpu, guest_uncorrected);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(inject(vcpu, BANK, VALID | UNCORRECTED | 7), 0);
	guest_run_done(vcpu);
}

/* One while another is handled, or without CR4.MCE, is the end. */
static void test_fatal(void)
{
	struct vcpu *vcpu = vcpu_with(BANKS);

	guest_start(vcpu, guest_uncorrected);
	EXPECT_EQ(inject(vcpu, BANK, VALID | UNCORRECTED), 0);
	ASSERT_EQ(try_run(vcpu), 0);
	vcpu_expect_exit(vcpu, KVM_EXIT_SHUTDOWN);

	vcpu = vcpu_with(BANKS);
	guest_start(vcpu, guest_uncorrected);
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(try_set_msr(vcpu, MSR_MCG_STATUS, IN_PROGRESS), 1);
	EXPECT_EQ(inject(vcpu, BANK, VALID | UNCORRECTED), 0);
	ASSERT_EQ(try_run(vcpu), 0);
	vcpu_expect_exit(vcpu, KVM_EXIT_SHUTDOWN);
}

static const struct ksft_test tests[] = {
	{ "offered", test_offered },
	{ "setup", test_setup },
	{ "registers", test_registers },
	{ "no_control", test_no_control },
	{ "refused", test_refused },
	{ "corrected", test_corrected },
	{ "turned_off", test_turned_off },
	{ "uncorrected", test_uncorrected },
	{ "fatal", test_fatal },
};

static const struct ksft_suite suite = KSFT_SUITE("mce", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
