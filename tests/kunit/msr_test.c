// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSR table: its order, what guests and clients may read and write, MTRR
 * and PAT values.
 */
#include "x86_fake.h"
#include "x86/mce.c"
#include "x86/msr.c"
#include "x86/mtrr.c"
#include "x86/tsc.c"

void khv_queue_exception(struct khv_vcpu *vcpu, u8 vector)
{
	khv_queue_exception_e(vcpu, vector, 0);
}

void khv_cpuid_refresh(struct khv_vcpu *vcpu)
{
}

int khv_write_efer(struct khv_vcpu *vcpu, u64 val)
{
	return 1;
}

int khv_write_efer_host(struct khv_vcpu *vcpu, u64 val)
{
	vcpu->regs.efer = val;
	return 0;
}

int khv_pv_msr_read(struct khv_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	*data = vcpu->pvclock.msr;
	return 0;
}

int khv_pv_msr_write(struct khv_vcpu *vcpu, u32 index, u64 data, bool host)
{
	vcpu->pvclock.msr = data;
	return 0;
}

bool khv_msr_filter_allows(struct khv_vm *vm, u32 index, u32 access)
{
	return true;
}

int khv_msr_refused(struct khv_vcpu *vcpu, int result, u32 index, bool write, u64 data)
{
	khv_queue_gp(vcpu);
	return RESUME_GUEST;
}

static struct khv_vcpu *guest(struct kunit *test)
{
	struct khv_vcpu *vcpu = fake_vcpu(test);

	khv_msr_init();
	vcpu->cpuid.features = BIT_ULL(KHV_NR_FEATURES) - 1;
	vcpu->cpuid.maxphyaddr = 40;
	vcpu->cpuid.cr3_reserved = GENMASK_ULL(63, 40);
	khv_msrs_reset(vcpu, false);
	return vcpu;
}

static void table_is_sorted(struct kunit *test)
{
	int i;

	for (i = 1; i < ARRAY_SIZE(msr_table); i++)
		KUNIT_EXPECT_LT_MSG(test, msr_table[i - 1].index, msr_table[i].index,
				    "MSR %x", msr_table[i].index);
	for (i = 0; i < ARRAY_SIZE(msr_table); i++) {
		KUNIT_EXPECT_NOT_NULL(test, msr_table[i].read);
		KUNIT_EXPECT_NOT_NULL(test, msr_table[i].write);
		if (!msr_table[i].exists || msr_table[i].exists())
			KUNIT_EXPECT_PTR_EQ(test, find_msr(msr_table[i].index), &msr_table[i]);
	}
	KUNIT_EXPECT_NULL(test, find_msr(0xdead));
	KUNIT_EXPECT_NULL(test, find_msr(0));
	KUNIT_EXPECT_NULL(test, find_msr(U32_MAX));
}

/* What is on the save list can be read, and written back as it was. */
static void saved_round_trip(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);
	unsigned int n, i;
	const u32 *list = khv_msr_list(&n);

	KUNIT_EXPECT_GT(test, n, 20U);
	for (i = 0; i < n; i++) {
		u64 data, again;

		if (list[i] >= MSR_IA32_SYSENTER_CS && list[i] <= MSR_IA32_SYSENTER_EIP)
			continue;	/* the hardware's */
		KUNIT_EXPECT_EQ_MSG(test, khv_msr_read(vcpu, list[i], &data, true), 0,
				    "MSR %x", list[i]);
		KUNIT_EXPECT_EQ_MSG(test, khv_msr_write(vcpu, list[i], data, true), 0,
				    "MSR %x", list[i]);
		if (list[i] == MSR_IA32_TSC)
			continue;
		khv_msr_read(vcpu, list[i], &again, true);
		KUNIT_EXPECT_EQ_MSG(test, again, data, "MSR %x", list[i]);
	}
}

static void feature_list_reads(struct kunit *test)
{
	unsigned int n, i;
	const u32 *list;
	u64 data;

	khv_msr_init();
	list = khv_msr_feature_list(&n);
	KUNIT_EXPECT_GT(test, n, 0U);
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ(test, khv_msr_read_feature(list[i], &data), 0);
	KUNIT_EXPECT_EQ(test, khv_msr_read_feature(MSR_LSTAR, &data), 1);
}

static void unknown_is_gp(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);
	u64 data;

	KUNIT_EXPECT_EQ(test, khv_msr_read(vcpu, 0xdead, &data, false), KHV_MSR_UNKNOWN);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, 0xdead, 0, false), KHV_MSR_UNKNOWN);
	/* VMX */
	KUNIT_EXPECT_EQ(test, khv_msr_read(vcpu, 0x480, &data, false), KHV_MSR_UNKNOWN);
	KUNIT_EXPECT_EQ(test, khv_msr_read(vcpu, 0x830, &data, false), 1);	/* no APIC */
}

static void addresses_are_canonical(struct kunit *test)
{
	static const u32 index[] = { MSR_LSTAR, MSR_CSTAR, MSR_KERNEL_GS_BASE,
				     MSR_IA32_SYSENTER_EIP };
	struct khv_vcpu *vcpu = guest(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(index); i++) {
		KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, index[i], 1ULL << 47, false), 1);
		KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, index[i], 1ULL << 63, true), 1);
		KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, index[i], ~0ULL << 47, false), 0);
		KUNIT_EXPECT_EQ(test, fake.told_msr, index[i]);
		KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, index[i], (1ULL << 47) - 1, false), 0);
	}
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_SYSCALL_MASK, 1ULL << 32, false), 1);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_TSC_AUX, 1ULL << 32, false), 1);
}

static void pat_values(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);
	u64 data;
	int type, slot;

	khv_msr_read(vcpu, MSR_IA32_CR_PAT, &data, false);
	KUNIT_EXPECT_EQ(test, data, 0x0007040600070406ULL);
	for (slot = 0; slot < 8; slot++) {
		for (type = 0; type < 256; type++) {
			bool valid = type < 8 && type != 2 && type != 3;

			KUNIT_EXPECT_EQ_MSG(test, khv_pat_valid((u64)type << 8 * slot), valid,
					    "type %d in slot %d", type, slot);
		}
	}
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_CR_PAT, 2, false), 1);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_CR_PAT, 2, true), 1);
}

static void mtrr_values(struct kunit *test)
{
	static const struct { u32 index; u64 data; int want; } cases[] = {
		{ MSR_MTRRcap, 0x508, 1 },
		{ MSR_MTRRdefType, 0xc06, 0 }, { MSR_MTRRdefType, 0x806, 0 },
		{ MSR_MTRRdefType, 2, 1 }, { MSR_MTRRdefType, 7, 1 },
		{ MSR_MTRRdefType, 0x1006, 1 }, { MSR_MTRRdefType, 1ULL << 32, 1 },
		{ 0x200, 0x80000006, 0 }, { 0x200, 0x80000003, 1 }, { 0x200, 0x106, 1 },
		{ 0x200, 1ULL << 40, 1 }, { 0x20e, 1ULL << 39, 0 },
		{ 0x201, 0xff80000800ULL, 0 }, { 0x201, 0xff80000400ULL, 1 },
		{ 0x20f, 1ULL << 40, 1 },
		{ MSR_MTRRfix64K_00000, 0x0606060606060606ULL, 0 },
		{ MSR_MTRRfix64K_00000, 0x0606060706060606ULL, 1 },
		{ MSR_MTRRfix16K_A0000, 0, 0 }, { MSR_MTRRfix4K_F8000, 0x0505050505050505ULL, 0 },
		{ MSR_MTRRfix4K_C0000, 0x0200000000000000ULL, 1 },
	};
	struct khv_vcpu *vcpu = guest(test);
	u64 data;
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		KUNIT_EXPECT_EQ_MSG(test, khv_msr_write(vcpu, cases[i].index, cases[i].data, false),
				    cases[i].want, "%x = %llx", cases[i].index, cases[i].data);
		if (cases[i].want)
			continue;
		KUNIT_EXPECT_EQ(test, khv_msr_read(vcpu, cases[i].index, &data, false), 0);
		KUNIT_EXPECT_EQ(test, data, cases[i].data);
	}
	KUNIT_EXPECT_EQ(test, khv_msr_read(vcpu, MSR_MTRRcap, &data, false), 0);
	KUNIT_EXPECT_EQ(test, data & 0xff, (u64)KHV_NR_VAR_MTRRS);
	/* Just past the last range, and in the holes between the fixed ones. */
	KUNIT_EXPECT_EQ(test, khv_msr_read(vcpu, 0x210, &data, false), KHV_MSR_UNKNOWN);
	KUNIT_EXPECT_EQ(test, khv_msr_read(vcpu, 0x251, &data, false), KHV_MSR_UNKNOWN);
	KUNIT_EXPECT_EQ(test, khv_msr_read(vcpu, 0x270, &data, false), KHV_MSR_UNKNOWN);
	/* A physical width of all 52 bits, or nonsense, is no undefined shift. */
	vcpu->cpuid.maxphyaddr = 52;
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, 0x200, 1ULL << 51, false), 0);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, 0x200, 1ULL << 52, false), 1);
}

/* "SDM, IA32_TSC_ADJUST Support", and the differences for a client. */
static void tsc_and_adjust(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);
	u64 adjust, before = vcpu->tsc.offset;

	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_TSC_ADJUST, 1 << 20, false), 0);
	KUNIT_EXPECT_EQ(test, vcpu->tsc.offset, before + (1 << 20));
	KUNIT_EXPECT_EQ(test, fake.tsc_offset, vcpu->tsc.offset);
	/* The client's moves no time. */
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_TSC_ADJUST, 5, true), 0);
	KUNIT_EXPECT_EQ(test, vcpu->tsc.offset, before + (1 << 20));
	/* The guest's write of the TSC shows in TSC_ADJUST, the client's does not. */
	before = vcpu->tsc.offset;
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_TSC, 1ULL << 60, false), 0);
	khv_msr_read(vcpu, MSR_IA32_TSC_ADJUST, &adjust, false);
	KUNIT_EXPECT_EQ(test, adjust - 5, vcpu->tsc.offset - before);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_TSC, 1ULL << 50, true), 0);
	KUNIT_EXPECT_EQ(test, vcpu->msrs.tsc_adjust, adjust);
	KUNIT_EXPECT_EQ(test, vcpu->tsc.offset, fake.tsc_offset);
	KUNIT_EXPECT_TRUE(test, khv_request_take(vcpu, KHV_REQ_CLOCK_UPDATE));
	vcpu->cpuid.features = 0;
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_TSC_ADJUST, 0, false), 1);
}

static void read_only_for_guests(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);
	u64 data;

	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_PLATFORM_INFO, 0, false), 1);
	data = 0xff00 | BIT_ULL(31);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_PLATFORM_INFO, data, true), 0);
	khv_msr_read(vcpu, MSR_PLATFORM_INFO, &data, false);
	KUNIT_EXPECT_EQ(test, data, 0xff00ULL);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_MISC_FEATURES_ENABLES, 1, false), 1);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_MISC_FEATURES_ENABLES, 0, false), 0);
	/* Guests write 0 to it and then read; the revision stays. */
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_UCODE_REV, 0, false), 0);
	khv_msr_read(vcpu, MSR_IA32_UCODE_REV, &data, false);
	KUNIT_EXPECT_EQ(test, data, UCODE_REV_RESET);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_MCG_STATUS, 1, false), 1);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_MCG_STATUS, 0, false), 0);
}

/* SPEC_CTRL goes into the processor as it is. */
static void spec_ctrl_is_checked(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);
	u64 bits = spec_ctrl_bits;

	if (!bits) {
		KUNIT_EXPECT_NE(test, khv_msr_write(vcpu, MSR_IA32_SPEC_CTRL, 0, true), 0);
		return;
	}
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_SPEC_CTRL, bits, false), 0);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_SPEC_CTRL, BIT_ULL(63), true), 1);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_SPEC_CTRL, ~bits, true), 1);
	vcpu->cpuid.features = 0;
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_SPEC_CTRL, 0, false), 1);
}

/* AMD offers the barrier alone; what else SPEC_CTRL's features promise is not asked. */
static void pred_cmd_is_checked(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);

	vcpu->cpuid.features = ~BIT_ULL(KHV_F_IBPB);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_PRED_CMD, PRED_CMD_IBPB, false), 1);
	vcpu->cpuid.features = BIT_ULL(KHV_F_IBPB);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_PRED_CMD, PRED_CMD_IBPB, false),
			boot_cpu_has(X86_FEATURE_IBPB) ? 0 : 1);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_PRED_CMD, BIT_ULL(1), false), 1);
}

static void flush_cmd_is_checked(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);
	bool there = boot_cpu_has(X86_FEATURE_FLUSH_L1D) &&
		     boot_cpu_data.x86_vendor == X86_VENDOR_INTEL;

	vcpu->cpuid.features = ~BIT_ULL(KHV_F_FLUSH_L1D);
	KUNIT_EXPECT_NE(test, khv_msr_write(vcpu, MSR_IA32_FLUSH_CMD, 1, false), 0);
	KUNIT_EXPECT_EQ(test, !khv_msr_write(vcpu, MSR_IA32_FLUSH_CMD, 1, true), there);
	vcpu->cpuid.features = BIT_ULL(KHV_F_FLUSH_L1D);
	KUNIT_EXPECT_EQ(test, !khv_msr_write(vcpu, MSR_IA32_FLUSH_CMD, 1, false), there);
	KUNIT_EXPECT_NE(test, khv_msr_write(vcpu, MSR_IA32_FLUSH_CMD, 2, false), 0);
}

static void xss_is_checked(struct kunit *test)
{
	bool had = khv_caps.xsaves;
	struct khv_vcpu *vcpu;

	khv_caps.xsaves = true;
	vcpu = guest(test);
	vcpu->cpuid.features = 0;
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_XSS, 0, false), 1);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_XSS, 0, true), 0);
	vcpu->cpuid.features = BIT_ULL(KHV_F_XSAVES);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_XSS, 0, false), 0);
	KUNIT_EXPECT_EQ(test, khv_msr_write(vcpu, MSR_IA32_XSS, BIT_ULL(8), false), 1);
	khv_caps.xsaves = had;
	khv_msr_init();
}

static void emulation(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);

	vcpu->regs.rip = 0x1000;
	vcpu->regs.gpr[KHV_RCX] = MSR_STAR | 0xffffffff00000000ULL;
	vcpu->regs.gpr[KHV_RAX] = 0xdead00000001ULL;
	vcpu->regs.gpr[KHV_RDX] = 0xbeef00000002ULL;
	KUNIT_EXPECT_EQ(test, khv_msr_emulate_write(vcpu), (int)RESUME_GUEST);
	KUNIT_EXPECT_EQ(test, vcpu->msrs.switched[KHV_SW_STAR], 0x200000001ULL);
	KUNIT_EXPECT_EQ(test, vcpu->regs.rip, 0x1002ULL);
	KUNIT_EXPECT_EQ(test, khv_msr_emulate_read(vcpu), (int)RESUME_GUEST);
	KUNIT_EXPECT_EQ(test, vcpu->regs.gpr[KHV_RAX], 1ULL);
	KUNIT_EXPECT_EQ(test, vcpu->regs.gpr[KHV_RDX], 2ULL);
	KUNIT_EXPECT_EQ(test, vcpu->regs.rip, 0x1004ULL);

	vcpu->regs.gpr[KHV_RCX] = 0xdead;
	khv_msr_emulate_read(vcpu);
	KUNIT_EXPECT_EQ(test, vcpu->regs.rip, 0x1004ULL);
	KUNIT_EXPECT_EQ(test, vcpu->events.exception.vector, (u8)13);
}

static struct kunit_case msr_cases[] = {
	KUNIT_CASE(table_is_sorted),
	KUNIT_CASE(saved_round_trip),
	KUNIT_CASE(feature_list_reads),
	KUNIT_CASE(unknown_is_gp),
	KUNIT_CASE(addresses_are_canonical),
	KUNIT_CASE(pat_values),
	KUNIT_CASE(mtrr_values),
	KUNIT_CASE(tsc_and_adjust),
	KUNIT_CASE(read_only_for_guests),
	KUNIT_CASE(spec_ctrl_is_checked),
	KUNIT_CASE(pred_cmd_is_checked),
	KUNIT_CASE(flush_cmd_is_checked),
	KUNIT_CASE(xss_is_checked),
	KUNIT_CASE(emulation),
	{}
};

static struct kunit_suite msr_suite = {
	.name = "khv_msr",
	.test_cases = msr_cases,
};

kunit_test_suite(msr_suite);

MODULE_DESCRIPTION("khv: tests of model-specific registers");
MODULE_LICENSE("GPL");
