// SPDX-License-Identifier: GPL-2.0-only
/*
 * What khv could tell a guest through CPUID on this host: the answer to
 * KVM_GET_SUPPORTED_CPUID, worked out once when the module loads.
 *
 * One table line per feature word says exactly which bits guests get. What a
 * particular guest is told is its client's choice (cpuid.c).
 */
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>
#include <asm/kvm_para.h>
#include <asm/processor.h>
#include <linux/kvm.h>
#include <linux/sched/stat.h>
#include <linux/string.h>

#include "vm/hw.h"
#include "x86/cpuid.h"
#include "x86/pvclock.h"
#include "x86/xstate.h"

#define MAX_SUPPORTED	100	/* room that kvmtool and the KVM selftests have */
#define MAX_BASIC	0x1f
#define MAX_EXTENDED	0x80000021
#define MAX_CACHE_LEAVES 8

#define F(name)		BIT(X86_FEATURE_##name & 31)
#define ALL		U32_MAX

enum cpuid_reg { EAX, EBX, ECX, EDX };

/**
 * struct feature_word - one 32-bit word of feature bits
 * @leaf: CPUID function
 * @index: its subleaf
 * @reg: which of its four registers
 * @kernel: word of boot_cpu_data.x86_capability that must have the bits too
 *	(the host may have turned them off), or NO_KERNEL_WORD
 * @pass: bits that the guest gets when the host has them
 * @emulated: bits that khv provides whatever the host has
 */
struct feature_word {
	u32 leaf;
	u32 index;
	enum cpuid_reg reg;
	int kernel;
	u32 pass;
	u32 emulated;
};

#define NO_KERNEL_WORD	(-1)

static const struct feature_word feature_words[] = {
	{ 1, 0, ECX, CPUID_1_ECX,
	  F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(PCID) | F(XMM4_1) |
	  F(XMM4_2) | F(MOVBE) | F(POPCNT) | F(AES) | F(XSAVE) | F(AVX) | F(F16C) | F(RDRAND),
	  F(X2APIC) | F(TSC_DEADLINE_TIMER) | F(HYPERVISOR) },
	{ 1, 0, EDX, CPUID_1_EDX,
	  F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) |
	  F(SEP) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) | F(PSE36) | F(CLFLUSH) |
	  F(MMX) | F(FXSR) | F(XMM) | F(XMM2) | F(SELFSNOOP),
	  F(APIC) },
	{ 7, 0, EBX, CPUID_7_0_EBX,
	  F(FSGSBASE) | F(BMI1) | F(HLE) | F(AVX2) | F(FDP_EXCPTN_ONLY) | F(SMEP) | F(BMI2) |
	  F(ERMS) | F(INVPCID) | F(RTM) | F(ZERO_FCS_FDS) | F(AVX512F) | F(AVX512DQ) |
	  F(RDSEED) | F(ADX) | F(SMAP) | F(AVX512IFMA) | F(CLFLUSHOPT) | F(CLWB) |
	  F(AVX512PF) | F(AVX512ER) | F(AVX512CD) | F(SHA_NI) | F(AVX512BW) | F(AVX512VL),
	  F(TSC_ADJUST) },
	{ 7, 0, ECX, CPUID_7_ECX,
	  F(AVX512VBMI) | F(PKU) | F(UMIP) | F(AVX512_VBMI2) | F(GFNI) | F(VAES) |
	  F(VPCLMULQDQ) | F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ) | F(RDPID) |
	  F(CLDEMOTE) | F(MOVDIRI) | F(MOVDIR64B), 0 },
	{ 7, 0, EDX, CPUID_7_EDX,
	  F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(FSRM) | F(AVX512_VP2INTERSECT) |
	  F(MD_CLEAR) | F(SERIALIZE) | F(TSXLDTRK) | F(AVX512_FP16) | F(SPEC_CTRL) |
	  F(INTEL_STIBP) | F(FLUSH_L1D) | F(ARCH_CAPABILITIES) | F(SPEC_CTRL_SSBD), 0 },
	{ 7, 1, EAX, NO_KERNEL_WORD,
	  BIT(4) /* AVX-VNNI */ | BIT(5) /* AVX512-BF16 */ | BIT(10) /* FZRM */ |
	  BIT(11) /* FSRS */ | BIT(12) /* FSRC */ | BIT(23) /* AVX-IFMA */, 0 },
	{ 7, 2, EDX, NO_KERNEL_WORD, BIT(5) /* MCDT_NO */, 0 },
	{ 0xd, 1, EAX, CPUID_D_1_EAX, F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) | F(XSAVES), 0 },
	{ 0x80000001, 0, ECX, CPUID_8000_0001_ECX,
	  F(LAHF_LM) | F(CMP_LEGACY) | F(CR8_LEGACY) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) |
	  F(3DNOWPREFETCH) | F(XOP) | F(FMA4) | F(TBM) | F(TOPOEXT), 0 },
	/* On AMD the low bits repeat leaf 1. */
	{ 0x80000001, 0, EDX, CPUID_8000_0001_EDX,
	  F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) |
	  F(APIC) | F(SYSCALL) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) | F(PSE36) |
	  F(NX) | F(MMXEXT) | F(MMX) | F(FXSR) | F(FXSR_OPT) | F(GBPAGES) | F(RDTSCP) |
	  F(LM) | F(3DNOWEXT) | F(3DNOW), 0 },
	{ 0x80000007, 0, EDX, NO_KERNEL_WORD, BIT(8) /* invariant TSC */, 0 },
	{ 0x80000008, 0, EBX, CPUID_8000_0008_EBX,
	  F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD) | F(AMD_IBPB) | F(AMD_IBRS) | F(AMD_STIBP) |
	  F(AMD_STIBP_ALWAYS_ON) | F(AMD_SSBD) | F(AMD_SSB_NO), 0 },
	{ 0x80000021, 0, EAX, NO_KERNEL_WORD,
	  BIT(0) /* no nested data breakpoints */ | BIT(2) /* LFENCE serializes */ |
	  BIT(6) /* null selector clears base */, 0 },
};

static struct kvm_cpuid_entry2 supported[MAX_SUPPORTED];
static u32 nr_supported;
static bool overflow;

static u32 *entry_reg(struct kvm_cpuid_entry2 *e, enum cpuid_reg reg)
{
	switch (reg) {
	case EAX:
		return &e->eax;
	case EBX:
		return &e->ebx;
	case ECX:
		return &e->ecx;
	default:
		return &e->edx;
	}
}

/* AVX and AVX-512 instructions, for hosts on which their registers are not saved. */
static u32 needs_vectors(const struct feature_word *w, bool avx512)
{
	if (w->leaf == 1 && w->reg == ECX)
		return avx512 ? 0 : F(AVX) | F(FMA) | F(F16C);
	if (w->leaf == 7 && w->index == 0 && w->reg == EBX)
		return avx512 ? F(AVX512F) | F(AVX512DQ) | F(AVX512IFMA) | F(AVX512PF) |
				F(AVX512ER) | F(AVX512CD) | F(AVX512BW) | F(AVX512VL) : F(AVX2);
	if (w->leaf == 7 && w->index == 1)
		return avx512 ? BIT(5) : BIT(4) | BIT(23);
	if (w->leaf == 0x80000001 && w->reg == ECX)
		return avx512 ? 0 : F(XOP) | F(FMA4);
	return 0;
}

/* Bits that more than CPUID decides, as this host stands. */
static u32 withheld(const struct feature_word *w)
{
	u64 mask = khv_xstate_mask();
	u32 bits = 0;

	if (!(mask & XFEATURE_MASK_YMM))
		bits |= needs_vectors(w, false);
	if (!(mask & XFEATURE_MASK_AVX512))
		bits |= needs_vectors(w, true);

	if (w->leaf == 1 && w->reg == ECX) {
		if (!mask)
			bits |= F(XSAVE);
		if (!khv_caps.nested_paging)
			bits |= F(PCID);
	} else if (w->leaf == 7 && w->index == 0 && w->reg == EBX) {
		if (!khv_caps.invpcid || !khv_caps.nested_paging)
			bits |= F(INVPCID);
	} else if (w->leaf == 7 && w->index == 0 && w->reg == ECX) {
		if (!khv_caps.rdtscp)
			bits |= F(RDPID);
		if (!(mask & XFEATURE_MASK_PKRU) || !khv_caps.nested_paging)
			bits |= F(PKU);
	} else if (w->leaf == 0xd) {
		if (!khv_caps.xsaves)
			bits |= F(XSAVES);
	} else if (w->leaf == 0x80000001 && w->reg == EDX) {
		if (!khv_caps.rdtscp)
			bits |= F(RDTSCP);
	} else if (w->leaf == 0x80000007) {
		if (!boot_cpu_has(X86_FEATURE_CONSTANT_TSC) ||
		    !boot_cpu_has(X86_FEATURE_NONSTOP_TSC))
			bits |= BIT(8);
	}
	return bits;
}

/* Bits that khv adds because this host lets it. */
static u32 provided(const struct feature_word *w)
{
	u32 bits = w->emulated;

	if (w->leaf == 7 && w->index == 0 && w->reg == ECX && khv_caps.umip_emulated)
		bits |= F(UMIP);
	/* The MSR is emulated, so that guests learn what the host is immune to. */
	if (w->leaf == 7 && w->index == 0 && w->reg == EDX &&
	    boot_cpu_data.x86_vendor == X86_VENDOR_INTEL)
		bits |= F(ARCH_CAPABILITIES);
	/* AMD says in CPUID what Intel says in that MSR, and not all of it always did. */
	if (w->leaf == 0x80000008 && boot_cpu_data.x86_vendor != X86_VENDOR_INTEL &&
	    !boot_cpu_has_bug(X86_BUG_SPEC_STORE_BYPASS))
		bits |= F(AMD_SSB_NO);
	if (w->leaf == 0x80000021 && boot_cpu_has(X86_FEATURE_LFENCE_RDTSC))
		bits |= BIT(2);
	return bits;
}

/* Replace the feature words of @e by what guests get; registers without a word stay. */
static void apply_feature_words(struct kvm_cpuid_entry2 *e)
{
	const struct feature_word *w;

	for (w = feature_words; w < feature_words + ARRAY_SIZE(feature_words); w++) {
		u32 *reg;

		if (w->leaf != e->function || w->index != e->index)
			continue;
		reg = entry_reg(e, w->reg);
		*reg &= w->pass;
		if (w->kernel != NO_KERNEL_WORD)
			*reg &= boot_cpu_data.x86_capability[w->kernel];
		*reg &= ~withheld(w);
		*reg |= provided(w);
	}
}

/* A new entry with the host's own values, or NULL when the array is full. */
static struct kvm_cpuid_entry2 *add_host(u32 leaf, u32 index, u32 flags)
{
	struct kvm_cpuid_entry2 *e;

	if (nr_supported >= MAX_SUPPORTED) {
		overflow = true;
		return NULL;
	}
	e = &supported[nr_supported++];
	memset(e, 0, sizeof(*e));
	e->function = leaf;
	e->index = index;
	e->flags = flags;
	cpuid_count(leaf, index, &e->eax, &e->ebx, &e->ecx, &e->edx);
	apply_feature_words(e);
	return e;
}

static struct kvm_cpuid_entry2 *add_indexed(u32 leaf, u32 index)
{
	return add_host(leaf, index, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
}

/* Keep only these bits of an entry, if there was room for it. */
static void keep(struct kvm_cpuid_entry2 *e, u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	if (!e)
		return;
	e->eax &= eax;
	e->ebx &= ebx;
	e->ecx &= ecx;
	e->edx &= edx;
}

/* An entry that khv makes up entirely. */
static struct kvm_cpuid_entry2 *add_zero(u32 leaf, u32 flags)
{
	struct kvm_cpuid_entry2 *e = add_host(leaf, 0, flags);

	keep(e, 0, 0, 0, 0);
	return e;
}

/*
 * Caches as the host has them. How many CPUs share one is for the client to
 * say, who alone knows the guest's topology: alone, here.
 */
static void add_cache_leaves(u32 leaf)
{
	u32 i;

	for (i = 0; i < MAX_CACHE_LEAVES; i++) {
		struct kvm_cpuid_entry2 *e = add_indexed(leaf, i);

		if (!e)
			return;
		if (!(e->eax & 0x1f)) {		/* no cache: the end of the list */
			keep(e, 0, 0, 0, 0);
			return;
		}
		keep(e, GENMASK(13, 0), ALL, ALL, ALL);
	}
}

static void add_leaf_7(void)
{
	struct kvm_cpuid_entry2 *e = add_indexed(7, 0);
	u32 last;

	if (!e)
		return;
	last = min(e->eax, 2U);
	e->eax = last;
	if (last >= 1)
		keep(add_indexed(7, 1), ALL, 0, 0, 0);
	if (last >= 2)
		keep(add_indexed(7, 2), 0, 0, 0, ALL);
}

static void add_leaf_d(void)
{
	u64 mask = khv_xstate_mask();
	struct kvm_cpuid_entry2 *e = add_indexed(0xd, 0);
	int i;

	if (!e)
		return;
	e->eax = lower_32_bits(mask);
	e->edx = upper_32_bits(mask);
	e->ebx = khv_xstate_required_size(mask, false);
	e->ecx = e->ebx;
	if (!mask)
		return;

	e = add_indexed(0xd, 1);
	if (!e)
		return;
	keep(e, ALL, 0, 0, 0);
	if (e->eax & (F(XSAVEC) | F(XSAVES)))
		e->ebx = khv_xstate_required_size(mask, true);

	for (i = 2; i < 63; i++) {
		if (!(mask & BIT_ULL(i)))
			continue;
		/* ECX: aligned in the compacted format. All of them are XCR0's. */
		keep(add_indexed(0xd, i), ALL, ALL, BIT(1), 0);
	}
}

static void add_basic(u32 leaf)
{
	struct kvm_cpuid_entry2 *e;

	switch (leaf) {
	case 1:
		/* The APIC ID and the number of logical processors are the client's. */
		keep(add_host(leaf, 0, 0), ALL, GENMASK(15, 0), ALL, ALL);
		break;
	case 2:
		add_host(leaf, 0, 0);
		break;
	case 4:
		add_cache_leaves(leaf);
		break;
	case 6:
		e = add_zero(leaf, 0);
		if (e)
			e->eax = BIT(2);	/* the APIC timer never stops */
		break;
	case 7:
		add_leaf_7();
		break;
	case 0xb:
		add_zero(leaf, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
		break;
	case 0xd:
		add_leaf_d();
		break;
	case 3: case 5: case 8: case 9: case 0xa: case 0xc:
		add_zero(leaf, 0);	/* no MONITOR, no PMU */
		break;
	default:
		break;			/* a missing leaf in range reads as zero */
	}
}

static void add_address_sizes(u32 leaf)
{
	struct kvm_cpuid_entry2 *e = add_host(leaf, 0, 0);

	if (!e)
		return;
	/* No 5-level paging in guests. Nested tables leave the guest its own physical width. */
	e->eax = (e->eax & 0xff) | 48 << 8;
	if (!khv_caps.nested_paging)
		e->eax = boot_cpu_data.x86_phys_bits | 48 << 8;
	keep(e, ALL, ALL, 0, 0);
}

static void add_extended(u32 leaf)
{
	switch (leaf) {
	case 0x80000001:
		keep(add_host(leaf, 0, 0), ALL, GENMASK(15, 0) | GENMASK(31, 28), ALL, ALL);
		break;
	case 0x80000002: case 0x80000003: case 0x80000004: case 0x80000005:
	case 0x80000006: case 0x80000019:
		add_host(leaf, 0, 0);
		break;
	case 0x80000007:
		keep(add_host(leaf, 0, 0), 0, 0, 0, ALL);
		break;
	case 0x80000008:
		add_address_sizes(leaf);
		break;
	case 0x8000001a:
		keep(add_host(leaf, 0, 0), GENMASK(2, 0), 0, 0, 0);
		break;
	case 0x8000001d:
		add_cache_leaves(leaf);
		break;
	case 0x8000001e:
		add_zero(leaf, 0);
		break;
	case 0x80000021:
		keep(add_host(leaf, 0, 0), ALL, 0, 0, 0);
		break;
	default:
		break;
	}
}

static void add_paravirtual(void)
{
	struct kvm_cpuid_entry2 *e = add_zero(KVM_CPUID_SIGNATURE, 0);

	if (e) {
		e->eax = KVM_CPUID_FEATURES;
		memcpy(&e->ebx, KVM_SIGNATURE, 4);
		memcpy(&e->ecx, KVM_SIGNATURE + 4, 4);
		memcpy(&e->edx, KVM_SIGNATURE + 8, 4);
	}
	e = add_zero(KVM_CPUID_FEATURES, 0);
	if (e) {
		e->eax = BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_CLOCKSOURCE2) |
			 BIT(KVM_FEATURE_NOP_IO_DELAY) | BIT(KVM_FEATURE_PV_EOI) |
			 BIT(KVM_FEATURE_PV_UNHALT) | BIT(KVM_FEATURE_PV_SEND_IPI) |
			 BIT(KVM_FEATURE_PV_SCHED_YIELD) | BIT(KVM_FEATURE_POLL_CONTROL);
		/* Requests to flush are made in the steal time page. */
		if (sched_info_on())
			e->eax |= BIT(KVM_FEATURE_STEAL_TIME) | BIT(KVM_FEATURE_PV_TLB_FLUSH);
		if (khv_pvclock_stable())
			e->eax |= BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT);
	}
}

/* CPUs of one host may differ in APIC ID only, so whichever runs this will do. */
int khv_cpuid_host_init(void)
{
	struct kvm_cpuid_entry2 *e;
	u32 leaf, max;

	nr_supported = 0;
	overflow = false;

	e = add_host(0, 0, 0);
	max = min_t(u32, e->eax, MAX_BASIC);
	e->eax = max;
	for (leaf = 1; leaf <= max; leaf++)
		add_basic(leaf);

	e = add_host(0x80000000, 0, 0);
	if (e) {
		max = min_t(u32, e->eax, MAX_EXTENDED);
		e->eax = max;
		for (leaf = 0x80000001; leaf <= max; leaf++)
			add_extended(leaf);
	}
	add_paravirtual();
	return overflow ? -ENOMEM : 0;
}

const struct kvm_cpuid_entry2 *khv_cpuid_host(u32 *nent)
{
	*nent = nr_supported;
	return supported;
}

int khv_cpuid_supported(struct kvm_cpuid_entry2 *entries, u32 *nent)
{
	struct kvm_cpuid_entry2 *e;

	if (*nent < nr_supported)
		return -E2BIG;
	memcpy(entries, supported, nr_supported * sizeof(*entries));
	*nent = nr_supported;

	/* The clock source may have changed since the module was loaded. */
	e = &entries[nr_supported - 1];
	e->eax &= ~BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT);
	if (khv_pvclock_stable())
		e->eax |= BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT);
	return 0;
}
