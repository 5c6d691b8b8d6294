// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: what khv offers, what a guest reads from its client's table, and what
 * khv derives from that.
 */
#include "x86_fake.h"
#include "x86/cpuid.c"
#undef F
#include "x86/cpuid_host.c"

#define FAKE_XSTATE	(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM)

u64 khv_xstate_mask(void)
{
	return FAKE_XSTATE;
}

unsigned int khv_xstate_required_size(u64 xcr0, bool compacted)
{
	return xcr0 & XFEATURE_MASK_YMM ? 832 : 576;
}

bool khv_pvclock_stable(void)
{
	return true;
}

static struct kvm_cpuid_entry2 host_entries[MAX_SUPPORTED];

static u32 fetch_supported(struct kunit *test)
{
	u32 nent = MAX_SUPPORTED;

	KUNIT_ASSERT_EQ(test, khv_cpuid_init(), 0);
	KUNIT_ASSERT_EQ(test, khv_cpuid_supported(host_entries, &nent), 0);
	return nent;
}

static const struct kvm_cpuid_entry2 *host_entry(u32 nent, u32 leaf, u32 subleaf)
{
	return find_linear(host_entries, nent, leaf, subleaf);
}

static void supported_fits(struct kunit *test)
{
	u32 nent = fetch_supported(test), less = nent - 1;

	KUNIT_EXPECT_LE(test, nent, 100U);
	KUNIT_EXPECT_EQ(test, khv_cpuid_supported(host_entries, &less), -E2BIG);
	KUNIT_EXPECT_EQ(test, less, nent - 1);
}

/* No entry twice, flags consistent within a leaf, and every leaf inside its class. */
static void supported_is_consistent(struct kunit *test)
{
	u32 nent = fetch_supported(test), i, j;

	for (i = 0; i < nent; i++) {
		const struct kvm_cpuid_entry2 *a = &host_entries[i];
		const struct kvm_cpuid_entry2 *base;

		for (j = i + 1; j < nent; j++) {
			const struct kvm_cpuid_entry2 *b = &host_entries[j];

			if (a->function != b->function)
				continue;
			KUNIT_EXPECT_NE(test, a->index, b->index);
			KUNIT_EXPECT_EQ(test, a->flags, b->flags);
		}
		base = host_entry(nent, a->function & 0xc0000000, 0);
		KUNIT_ASSERT_NOT_NULL(test, base);
		KUNIT_EXPECT_LE_MSG(test, a->function, base->eax, "leaf %x", a->function);
		KUNIT_EXPECT_EQ(test, a->padding[0] | a->padding[1] | a->padding[2], 0U);
	}
}

static void supported_hides(struct kunit *test)
{
	u32 nent = fetch_supported(test);
	const struct kvm_cpuid_entry2 *e = host_entry(nent, 1, 0);

	KUNIT_ASSERT_NOT_NULL(test, e);
	KUNIT_EXPECT_EQ(test, e->ecx & BIT(5), 0U);		/* VMX */
	KUNIT_EXPECT_EQ(test, e->ecx & BIT(3), 0U);		/* MONITOR */
	KUNIT_EXPECT_EQ(test, e->ecx & BIT(15), 0U);		/* PDCM */
	KUNIT_EXPECT_EQ(test, e->ecx & BIT(27), 0U);		/* OSXSAVE */
	KUNIT_EXPECT_NE(test, e->ecx & BIT(21), 0U);		/* x2APIC */
	KUNIT_EXPECT_NE(test, e->ecx & BIT(24), 0U);		/* TSC deadline */
	KUNIT_EXPECT_NE(test, e->ecx & BIT(31), 0U);		/* hypervisor */
	KUNIT_EXPECT_EQ(test, e->edx & BIT(28), 0U);		/* HTT */
	KUNIT_EXPECT_EQ(test, e->ebx >> 16, 0U);		/* the host's APIC ID */

	e = host_entry(nent, 7, 0);
	if (e) {
		KUNIT_EXPECT_EQ(test, e->ebx & BIT(14), 0U);		/* MPX */
		KUNIT_EXPECT_EQ(test, e->ebx & BIT(16), 0U);		/* AVX-512 */
		KUNIT_EXPECT_EQ(test, e->ecx & BIT(16), 0U);		/* LA57 */
		KUNIT_EXPECT_EQ(test, e->ecx & BIT(5), 0U);		/* WAITPKG */
		KUNIT_EXPECT_EQ(test, e->edx & (BIT(22) | BIT(24) | BIT(25)), 0U);	/* AMX */
		KUNIT_EXPECT_NE(test, e->ebx & BIT(1), 0U);		/* TSC_ADJUST */
	}
	e = host_entry(nent, 0x80000001, 0);
	KUNIT_ASSERT_NOT_NULL(test, e);
	KUNIT_EXPECT_EQ(test, e->ecx & BIT(2), 0U);		/* SVM */
	e = host_entry(nent, 0x8000000a, 0);			/* and what describes it */
	if (e)
		KUNIT_EXPECT_EQ(test, e->eax | e->ebx | e->ecx | e->edx, 0U);

	e = host_entry(nent, 0xa, 0);
	if (e)
		KUNIT_EXPECT_EQ(test, e->eax | e->ebx | e->ecx | e->edx, 0U);
	e = host_entry(nent, 0xd, 0);
	if (e)
		KUNIT_EXPECT_EQ(test, (u64)e->eax | (u64)e->edx << 32, (u64)FAKE_XSTATE);
	e = host_entry(nent, 0x80000008, 0);
	if (e)
		KUNIT_EXPECT_EQ(test, e->eax >> 8 & 0xff, 48U);
}

static void supported_paravirtual(struct kunit *test)
{
	u32 nent = fetch_supported(test);
	const struct kvm_cpuid_entry2 *e = host_entry(nent, KVM_CPUID_SIGNATURE, 0);

	KUNIT_ASSERT_NOT_NULL(test, e);
	KUNIT_EXPECT_EQ(test, e->eax, 0x40000001U);
	KUNIT_EXPECT_EQ(test, memcmp(&e->ebx, "KVMK", 4), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&e->ecx, "VMKV", 4), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&e->edx, "M\0\0\0", 4), 0);
	e = host_entry(nent, KVM_CPUID_FEATURES, 0);
	KUNIT_ASSERT_NOT_NULL(test, e);
	/* Clocks, EOI, unhalt, IPIs, poll control, yield. */
	KUNIT_EXPECT_EQ(test, e->eax & ~(u32)(BIT(KVM_FEATURE_STEAL_TIME) |
					      BIT(KVM_FEATURE_PV_TLB_FLUSH)),
			(u32)(BIT(0) | BIT(1) | BIT(3) | BIT(6) | BIT(7) | BIT(11) | BIT(12) |
			      BIT(13) | BIT(24)));
	KUNIT_EXPECT_EQ(test, !!(e->eax & BIT(KVM_FEATURE_STEAL_TIME)), sched_info_on());
	KUNIT_EXPECT_EQ(test, !!(e->eax & BIT(KVM_FEATURE_PV_TLB_FLUSH)), sched_info_on());
}

#define INDEXED KVM_CPUID_FLAG_SIGNIFCANT_INDEX

static const struct kvm_cpuid_entry2 intel[] = {
	{ .function = 0, .eax = 0xd, .ebx = 0x756e6547, .edx = 0x49656e69, .ecx = 0x6c65746e },
	{ .function = 1, .eax = 0x306c3, .ecx = BIT(26) | BIT(17) | BIT(21), .edx = BIT(9) },
	{ .function = 4, .index = 0, .flags = INDEXED, .eax = 0x121 },
	{ .function = 4, .index = 1, .flags = INDEXED, .eax = 0x122 },
	{ .function = 7, .index = 0, .flags = INDEXED, .ebx = BIT(7) | BIT(0), .ecx = BIT(3) },
	{ .function = 0xb, .index = 0, .flags = INDEXED, .eax = 1, .edx = 5 },
	{ .function = 0xb, .index = 1, .flags = INDEXED, .eax = 4, .edx = 5 },
	{ .function = 0xd, .index = 0, .flags = INDEXED, .eax = 0xff, .ecx = 832 },
	{ .function = 0xd, .index = 1, .flags = INDEXED, .eax = BIT(1) },
	/* The same leaf again: the first counts. */
	{ .function = 1, .eax = 0xdead },
	{ .function = 0x40000000, .eax = 0x40000001, .ebx = 0x4b4d564b },
	{ .function = 0x40000001, .eax = 1 },
	{ .function = 0x80000000, .eax = 0x80000008 },
	{ .function = 0x80000001, .edx = BIT(20) | BIT(29) | BIT(11) },
	{ .function = 0x80000008, .eax = 0x3027 },
};

static struct khv_vcpu *guest(struct kunit *test)
{
	struct khv_vcpu *vcpu = fake_vcpu(test);

	KUNIT_ASSERT_EQ(test, khv_cpuid_init(), 0);
	KUNIT_ASSERT_EQ(test, khv_cpuid_set(vcpu, intel, ARRAY_SIZE(intel)), 0);
	KUNIT_EXPECT_EQ(test, fake.updates, 1);
	return vcpu;
}

static void expect_leaf(struct kunit *test, struct khv_vcpu *vcpu, u32 leaf, u32 subleaf,
			u32 want_eax, u32 want_ecx, u32 want_edx)
{
	u32 eax = leaf, ebx = 0, ecx = subleaf, edx = 0;

	khv_cpuid_query(vcpu, &eax, &ebx, &ecx, &edx);
	KUNIT_EXPECT_EQ_MSG(test, eax, want_eax, "leaf %x.%x", leaf, subleaf);
	KUNIT_EXPECT_EQ_MSG(test, ecx, want_ecx, "leaf %x.%x", leaf, subleaf);
	KUNIT_EXPECT_EQ_MSG(test, edx, want_edx, "leaf %x.%x", leaf, subleaf);
}

static void lookup(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);

	expect_leaf(test, vcpu, 0, 99, 0xd, 0x6c65746e, 0x49656e69);
	expect_leaf(test, vcpu, 1, 7, 0x306c3, BIT(26) | BIT(17) | BIT(21), 0);
	expect_leaf(test, vcpu, 4, 0, 0x121, 0, 0);
	expect_leaf(test, vcpu, 4, 1, 0x122, 0, 0);
	/* In range, not there: zeros. */
	expect_leaf(test, vcpu, 4, 2, 0, 0, 0);
	expect_leaf(test, vcpu, 5, 0, 0, 0, 0);
	expect_leaf(test, vcpu, 0x80000002, 0, 0, 0, 0);
	/* Beyond the last level of topology, its number and the x2APIC ID remain. */
	expect_leaf(test, vcpu, 0xb, 7, 0, 7, 5);
	/* Out of range on Intel: the highest basic leaf, with the subleaf asked for. */
	expect_leaf(test, vcpu, 0xe, 0, 0xff, 832, 0);
	expect_leaf(test, vcpu, 0x7fffffff, 1, BIT(1), 0, 0);
	expect_leaf(test, vcpu, 0x80000009, 0, 0xff, 832, 0);
	expect_leaf(test, vcpu, 0x40000002, 0, 0xff, 832, 0);
	expect_leaf(test, vcpu, 0x40000100, 0, 0xff, 832, 0);
	expect_leaf(test, vcpu, 0xc0000000, 0, 0xff, 832, 0);
	khv_cpuid_uninit(vcpu);
}

static void lookup_amd(struct kunit *test)
{
	struct khv_vcpu *vcpu = fake_vcpu(test);
	static const struct kvm_cpuid_entry2 amd[] = {
		{ .function = 0, .eax = 1, .ebx = 0x68747541, .edx = 0x69746e65,
		  .ecx = 0x444d4163 },
		{ .function = 1, .eax = 0x800f12 },
	};

	KUNIT_ASSERT_EQ(test, khv_cpuid_set(vcpu, amd, ARRAY_SIZE(amd)), 0);
	KUNIT_EXPECT_TRUE(test, khv_has(vcpu, SVM_VENDOR));
	expect_leaf(test, vcpu, 2, 0, 0, 0, 0);
	expect_leaf(test, vcpu, 0x90000000, 0, 0, 0, 0);
	khv_cpuid_uninit(vcpu);

	/* Without a table everything reads as zero. */
	memset(&vcpu->cpuid, 0, sizeof(vcpu->cpuid));
	expect_leaf(test, vcpu, 0, 0, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, khv_cpuid_set(vcpu, NULL, 0), 0);
	expect_leaf(test, vcpu, 1, 0, 0, 0, 0);
}

static void dynamic_bits(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);
	u32 ecx = BIT(26) | BIT(17) | BIT(21);

	vcpu->regs.cr4 = X86_CR4_OSXSAVE | X86_CR4_PKE;
	vcpu->xstate.xcr0 = FAKE_XSTATE;
	vcpu->msrs.apic_base = MSR_IA32_APICBASE_ENABLE;
	khv_cpuid_refresh(vcpu);
	expect_leaf(test, vcpu, 1, 0, 0x306c3, ecx | BIT(27), BIT(9));
	expect_leaf(test, vcpu, 7, 0, 0, BIT(3) | BIT(4), 0);
	KUNIT_EXPECT_EQ(test, khv_cpuid_find(&vcpu->cpuid, 0xd, 0)->ebx, 832U);
	KUNIT_EXPECT_EQ(test, khv_cpuid_find(&vcpu->cpuid, 0xd, 1)->ebx, 832U);

	vcpu->regs.cr4 = 0;
	vcpu->xstate.xcr0 = XFEATURE_MASK_FP;
	vcpu->msrs.apic_base = 0;
	khv_cpuid_refresh(vcpu);
	expect_leaf(test, vcpu, 1, 0, 0x306c3, ecx, 0);
	expect_leaf(test, vcpu, 7, 0, 0, BIT(3), 0);
	KUNIT_EXPECT_EQ(test, khv_cpuid_find(&vcpu->cpuid, 0xd, 0)->ebx, 576U);
	khv_cpuid_uninit(vcpu);
}

static void derived(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);

	KUNIT_EXPECT_EQ(test, vcpu->cpuid.maxphyaddr, (u8)0x27);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.cr3_reserved, bits_from(min_t(u8, 0x27, host_phys_bits)));
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.xcr0_allowed, (u64)FAKE_XSTATE);
	KUNIT_EXPECT_TRUE(test, khv_has(vcpu, X2APIC));
	KUNIT_EXPECT_TRUE(test, khv_has(vcpu, LM));
	KUNIT_EXPECT_FALSE(test, khv_has(vcpu, SVM_VENDOR));
	KUNIT_EXPECT_FALSE(test, khv_has(vcpu, SMAP));
	/* What the client claims but the host lacks, the guest does not get. */
	KUNIT_EXPECT_FALSE(test, khv_has(vcpu, PKU) && !(host_features & BIT_ULL(KHV_F_PKU)));
	KUNIT_EXPECT_FALSE(test, khv_has(vcpu, LA57));
	khv_cpuid_uninit(vcpu);

	memset(&vcpu->cpuid, 0, sizeof(vcpu->cpuid));
	khv_cpuid_refresh(vcpu);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.maxphyaddr, (u8)36);
}

static void frozen_after_run(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);
	struct kvm_cpuid_entry2 *copy;
	size_t size = sizeof(intel);

	copy = kunit_kzalloc(test, size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, copy);
	vcpu->has_run = true;
	KUNIT_EXPECT_EQ(test, khv_cpuid_set(vcpu, intel, ARRAY_SIZE(intel)), 0);
	/* What KVM_GET_CPUID2 returned, with bits that follow the vCPU's state. */
	vcpu->regs.cr4 = X86_CR4_OSXSAVE;
	khv_cpuid_refresh(vcpu);
	memcpy(copy, vcpu->cpuid.entries, size);
	KUNIT_EXPECT_EQ(test, khv_cpuid_set(vcpu, copy, ARRAY_SIZE(intel)), 0);
	copy[1].eax ^= 1;
	KUNIT_EXPECT_EQ(test, khv_cpuid_set(vcpu, copy, ARRAY_SIZE(intel)), -EINVAL);
	KUNIT_EXPECT_EQ(test, khv_cpuid_set(vcpu, intel, ARRAY_SIZE(intel) - 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.nent, (int)ARRAY_SIZE(intel));
	khv_cpuid_uninit(vcpu);
}

static void set_validates(struct kunit *test)
{
	struct khv_vcpu *vcpu = fake_vcpu(test);
	struct kvm_cpuid_entry2 e = { .function = 0x80000008, .eax = 40 << 8 | 36 };

	KUNIT_EXPECT_EQ(test, khv_cpuid_set(vcpu, &e, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, khv_cpuid_set(vcpu, intel, KHV_MAX_CPUID_ENTRIES + 1), -E2BIG);
	/* A width that no processor has does not become an undefined shift. */
	e.eax = 48 << 8 | 255;
	KUNIT_EXPECT_EQ(test, khv_cpuid_set(vcpu, &e, 1), 0);
	KUNIT_EXPECT_LE(test, vcpu->cpuid.maxphyaddr, (u8)52);
	khv_cpuid_uninit(vcpu);
}

static struct kunit_case cpuid_cases[] = {
	KUNIT_CASE(supported_fits),
	KUNIT_CASE(supported_is_consistent),
	KUNIT_CASE(supported_hides),
	KUNIT_CASE(supported_paravirtual),
	KUNIT_CASE(lookup),
	KUNIT_CASE(lookup_amd),
	KUNIT_CASE(dynamic_bits),
	KUNIT_CASE(derived),
	KUNIT_CASE(frozen_after_run),
	KUNIT_CASE(set_validates),
	{}
};

static struct kunit_suite cpuid_suite = {
	.name = "khv_cpuid",
	.test_cases = cpuid_cases,
};

kunit_test_suite(cpuid_suite);

MODULE_DESCRIPTION("khv: tests of CPUID tables");
MODULE_LICENSE("GPL");
