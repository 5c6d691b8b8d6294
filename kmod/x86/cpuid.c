// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU's CPUID: the client's table, the guest's lookups in it, and what khv
 * itself derives from it.
 *
 * Lookups are on the path of every CPUID exit, so all that depends on the
 * vCPU's state (OSXSAVE, OSPKE, ...) is written into the table when that state
 * changes. What the host could offer is in cpuid_host.c.
 */
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>
#include <asm/kvm_para.h>
#include <asm/msr-index.h>
#include <asm/processor.h>
#include <asm/processor-flags.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "trace.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/regs_inline.h"

#define BASIC_LEAF	0U
#define HV_LEAF		0x40000000U
#define EXTENDED_LEAF	0x80000000U
#define CENTAUR_LEAF	0xc0000000U
#define DEFAULT_PHYS_BITS 36	/* "SDM, CPUID": without leaf 0x80000008 */
#define MAX_PHYS_BITS	52

#define F(name)		BIT(X86_FEATURE_##name & 31)

/* Where the client's table says that the guest has a feature. */
static const struct feature_source {
	u8 feature;		/* enum khv_feature */
	u8 reg;			/* 0 to 3: EAX, EBX, ECX, EDX */
	u8 subleaf;
	u32 leaf;
	u32 mask;
} sources[] = {
	{ KHV_F_X2APIC,		2, 0, 1, F(X2APIC) },
	{ KHV_F_TSC_DEADLINE,	2, 0, 1, F(TSC_DEADLINE_TIMER) },
	{ KHV_F_XSAVE,		2, 0, 1, F(XSAVE) },
	{ KHV_F_PCID,		2, 0, 1, F(PCID) },
	{ KHV_F_MWAIT,		2, 0, 1, F(MWAIT) },
	{ KHV_F_PAT,		3, 0, 1, F(PAT) },
	{ KHV_F_MTRR,		3, 0, 1, F(MTRR) },
	{ KHV_F_PGE,		3, 0, 1, F(PGE) },
	{ KHV_F_PSE36,		3, 0, 1, F(PSE36) },
	{ KHV_F_FSGSBASE,	1, 0, 7, F(FSGSBASE) },
	{ KHV_F_TSC_ADJUST,	1, 0, 7, F(TSC_ADJUST) },
	{ KHV_F_SMEP,		1, 0, 7, F(SMEP) },
	{ KHV_F_INVPCID,	1, 0, 7, F(INVPCID) },
	{ KHV_F_SMAP,		1, 0, 7, F(SMAP) },
	{ KHV_F_UMIP,		2, 0, 7, F(UMIP) },
	{ KHV_F_PKU,		2, 0, 7, F(PKU) },
	{ KHV_F_RDPID,		2, 0, 7, F(RDPID) },
	{ KHV_F_SPEC_CTRL,	3, 0, 7, F(SPEC_CTRL) },
	{ KHV_F_IBPB,		3, 0, 7, F(SPEC_CTRL) },
	{ KHV_F_FLUSH_L1D,	3, 0, 7, F(FLUSH_L1D) },
	{ KHV_F_ARCH_CAPS,	3, 0, 7, F(ARCH_CAPABILITIES) },
	{ KHV_F_XSAVES,		0, 1, 0xd, F(XSAVES) },
	{ KHV_F_SYSCALL,	3, 0, 0x80000001, F(SYSCALL) },
	{ KHV_F_NX,		3, 0, 0x80000001, F(NX) },
	{ KHV_F_FFXSR,		3, 0, 0x80000001, F(FXSR_OPT) },
	{ KHV_F_PDPE1GB,	3, 0, 0x80000001, F(GBPAGES) },
	{ KHV_F_RDTSCP,		3, 0, 0x80000001, F(RDTSCP) },
	{ KHV_F_LM,		3, 0, 0x80000001, F(LM) },
	{ KHV_F_SPEC_CTRL,	1, 0, 0x80000008, F(AMD_IBRS) | F(AMD_STIBP) | F(AMD_SSBD) },
	{ KHV_F_IBPB,		1, 0, 0x80000008, F(AMD_IBPB) },
	{ KHV_F_KVM_CLOCK,	0, 0, KVM_CPUID_FEATURES,
	  BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_CLOCKSOURCE2) },
	{ KHV_F_KVM_STEAL,	0, 0, KVM_CPUID_FEATURES, BIT(KVM_FEATURE_STEAL_TIME) },
};

/* Claimed by a client, these would let the guest use what the host does not have. */
#define HOST_MUST_HAVE \
	(BIT_ULL(KHV_F_XSAVE) | BIT_ULL(KHV_F_PCID) | BIT_ULL(KHV_F_FSGSBASE) | \
	 BIT_ULL(KHV_F_SMEP) | BIT_ULL(KHV_F_SMAP) | BIT_ULL(KHV_F_INVPCID) | \
	 BIT_ULL(KHV_F_UMIP) | BIT_ULL(KHV_F_PKU) | BIT_ULL(KHV_F_RDPID) | \
	 BIT_ULL(KHV_F_SPEC_CTRL) | BIT_ULL(KHV_F_XSAVES) | BIT_ULL(KHV_F_NX) | \
	 BIT_ULL(KHV_F_FFXSR) | BIT_ULL(KHV_F_PDPE1GB) | BIT_ULL(KHV_F_RDTSCP) | \
	 BIT_ULL(KHV_F_LA57) | BIT_ULL(KHV_F_KVM_STEAL) | BIT_ULL(KHV_F_KVM_CLOCK))

static u64 host_features;
static u8 host_phys_bits;

static bool entry_matches(const struct kvm_cpuid_entry2 *e, u32 leaf, u32 subleaf)
{
	return e->function == leaf && (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) ||
				       e->index == subleaf);
}

/* Basic leaves in the lower half, extended ones in the upper, the hypervisor's in between. */
static __always_inline unsigned int bucket_of(u32 leaf)
{
	return (leaf ^ leaf >> 26) % KHV_CPUID_BUCKETS;
}

static __always_inline struct kvm_cpuid_entry2 *find_entry(struct khv_cpuid *cpuid, u32 leaf,
							   u32 subleaf)
{
	u16 link = cpuid->bucket[bucket_of(leaf)];

	while (link) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[link - 1];

		if (entry_matches(e, leaf, subleaf))
			return e;
		link = cpuid->next[link - 1];
	}
	return NULL;
}

struct kvm_cpuid_entry2 *khv_cpuid_find(struct khv_cpuid *cpuid, u32 leaf, u32 subleaf)
{
	return find_entry(cpuid, leaf, subleaf);
}

/*
 * Intel answers a leaf beyond the highest of its class like the highest basic
 * leaf ("SDM, CPUID - CPU Identification"), AMD with zeros. A class starts at
 * its base leaf, whose EAX tells where it ends; hypervisor leaves form classes
 * of 256.
 */
static struct kvm_cpuid_entry2 *out_of_range(struct khv_cpuid *cpuid, u32 *leaf, u32 subleaf)
{
	struct kvm_cpuid_entry2 *basic, *class;
	u32 base;

	if (cpuid->amd)
		return NULL;
	basic = khv_cpuid_find(cpuid, BASIC_LEAF, 0);
	if (!basic)
		return NULL;

	if (*leaf >= HV_LEAF && *leaf < HV_LEAF + 0x10000000)
		base = *leaf & ~0xffU;
	else if (*leaf >= CENTAUR_LEAF)
		base = CENTAUR_LEAF;
	else
		base = *leaf & EXTENDED_LEAF;
	class = khv_cpuid_find(cpuid, base, 0);
	if (class && *leaf <= class->eax)
		return NULL;
	*leaf = basic->eax;
	return khv_cpuid_find(cpuid, *leaf, subleaf);
}

/* Not in the table as asked for. */
static noinline void query_missing(struct khv_cpuid *cpuid, u32 leaf, u32 subleaf, u32 *eax,
				   u32 *ebx, u32 *ecx, u32 *edx)
{
	struct kvm_cpuid_entry2 *e = out_of_range(cpuid, &leaf, subleaf);

	*eax = 0;
	*ebx = 0;
	*ecx = 0;
	*edx = 0;
	if (e) {
		*eax = e->eax;
		*ebx = e->ebx;
		*ecx = e->ecx;
		*edx = e->edx;
	} else if (leaf == 0xb || leaf == 0x1f) {
		/* Beyond the last topology level the x2APIC ID and the level number remain. */
		e = khv_cpuid_find(cpuid, leaf, 1);
		if (e) {
			*ecx = subleaf & 0xff;
			*edx = e->edx;
		}
	}
}

void khv_cpuid_query(struct khv_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	u32 leaf = *eax, subleaf = *ecx;
	struct kvm_cpuid_entry2 *e = find_entry(&vcpu->cpuid, leaf, subleaf);

	if (!e) {
		query_missing(&vcpu->cpuid, leaf, subleaf, eax, ebx, ecx, edx);
		return;
	}
	*eax = e->eax;
	*ebx = e->ebx;
	*ecx = e->ecx;
	*edx = e->edx;
}

static noinline void emulate_missing(struct khv_vcpu *vcpu)
{
	u64 *gpr = vcpu->regs.gpr;
	u32 eax, ebx, ecx, edx;

	query_missing(&vcpu->cpuid, gpr[KHV_RAX], gpr[KHV_RCX], &eax, &ebx, &ecx, &edx);
	trace_khv_cpuid(vcpu->id, gpr[KHV_RAX], gpr[KHV_RCX], eax, ebx, ecx, edx);
	gpr[KHV_RAX] = eax;
	gpr[KHV_RBX] = ebx;
	gpr[KHV_RCX] = ecx;
	gpr[KHV_RDX] = edx;
}

void khv_cpuid_emulate(struct khv_vcpu *vcpu)
{
	u64 *gpr = vcpu->regs.gpr;
	const struct kvm_cpuid_entry2 *e = find_entry(&vcpu->cpuid, gpr[KHV_RAX], gpr[KHV_RCX]);

	if (unlikely(!e)) {
		emulate_missing(vcpu);
		return;
	}
	trace_khv_cpuid(vcpu->id, gpr[KHV_RAX], gpr[KHV_RCX], e->eax, e->ebx, e->ecx, e->edx);
	gpr[KHV_RAX] = e->eax;
	gpr[KHV_RBX] = e->ebx;
	gpr[KHV_RCX] = e->ecx;
	gpr[KHV_RDX] = e->edx;
}

static const struct kvm_cpuid_entry2 *find_linear(const struct kvm_cpuid_entry2 *entries,
						  int nent, u32 leaf, u32 subleaf)
{
	int i;

	for (i = 0; i < nent; i++) {
		if (entry_matches(&entries[i], leaf, subleaf))
			return &entries[i];
	}
	return NULL;
}

static bool vendor_is_amd(const struct kvm_cpuid_entry2 *e)
{
	return e && ((e->ebx == 0x68747541 && e->edx == 0x69746e65 && e->ecx == 0x444d4163) ||
		     (e->ebx == 0x6f677948 && e->edx == 0x6e65476e && e->ecx == 0x656e6975));
}

u64 khv_cpuid_features(const struct kvm_cpuid_entry2 *entries, int nent)
{
	const struct feature_source *s;
	u64 features = 0;

	for (s = sources; s < sources + ARRAY_SIZE(sources); s++) {
		const struct kvm_cpuid_entry2 *e = find_linear(entries, nent, s->leaf,
							       s->subleaf);
		u32 word;

		if (!e)
			continue;
		word = s->reg == 0 ? e->eax : s->reg == 1 ? e->ebx : s->reg == 2 ? e->ecx : e->edx;
		if (word & s->mask)
			features |= BIT_ULL(s->feature);
	}
	if (vendor_is_amd(find_linear(entries, nent, BASIC_LEAF, 0)))
		features |= BIT_ULL(KHV_F_SVM_VENDOR);
	return features;
}

static u8 phys_bits(const struct kvm_cpuid_entry2 *entries, int nent)
{
	const struct kvm_cpuid_entry2 *e = find_linear(entries, nent, EXTENDED_LEAF, 0);

	if (!e || e->eax < 0x80000008)
		return DEFAULT_PHYS_BITS;
	e = find_linear(entries, nent, 0x80000008, 0);
	if (!e || !(e->eax & 0xff))
		return DEFAULT_PHYS_BITS;
	return min_t(u32, e->eax & 0xff, MAX_PHYS_BITS);
}

static u64 bits_from(u8 first)
{
	return first > 63 ? 0 : GENMASK_ULL(63, first);
}

/* Where the client has put KVM's leaves: behind those of another hypervisor's, if need be. */
static struct kvm_cpuid_entry2 *find_kvm_features(struct kvm_cpuid_entry2 *entries, int nent)
{
	u32 name[3];
	int i, k;

	for (i = 0; i < nent; i++) {
		if (entries[i].function - HV_LEAF >= 0x10000 || entries[i].function & 0xff)
			continue;
		name[0] = entries[i].ebx;
		name[1] = entries[i].ecx;
		name[2] = entries[i].edx;
		if (memcmp(name, KVM_SIGNATURE, sizeof(name)))
			continue;
		for (k = 0; k < nent; k++)
			if (entries[k].function == (entries[i].function | KVM_CPUID_FEATURES))
				return &entries[k];
		break;
	}
	return NULL;
}

/*
 * Bring the entries that mirror vCPU state up to date. With @entries not yet
 * the vCPU's own, this is what they would become.
 */
static void refresh_entries(struct khv_vcpu *vcpu, struct kvm_cpuid_entry2 *entries, int nent)
{
	u64 cr4 = vcpu->regs.cr4, xcr0 = vcpu->xstate.xcr0;
	struct kvm_cpuid_entry2 *e;
	int i;

	for (i = 0; i < nent; i++) {
		e = &entries[i];
		switch (e->function) {
		case 1:
			e->ecx &= ~F(OSXSAVE);
			if ((cr4 & X86_CR4_OSXSAVE) && (e->ecx & F(XSAVE)))
				e->ecx |= F(OSXSAVE);
			e->edx &= ~F(APIC);
			if (vcpu->msrs.apic_base & MSR_IA32_APICBASE_ENABLE)
				e->edx |= F(APIC);
			if (khv_quirk(vcpu->vm, KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT))
				break;
			e->ecx &= ~F(MWAIT);
			if (vcpu->msrs.misc_enable & MSR_IA32_MISC_ENABLE_MWAIT)
				e->ecx |= F(MWAIT);
			break;
		case 7:
			if (e->index)
				break;
			e->ecx &= ~F(OSPKE);
			if ((cr4 & X86_CR4_PKE) && (e->ecx & F(PKU)))
				e->ecx |= F(OSPKE);
			break;
		case 0xd:
			if (e->index == 0)
				e->ebx = khv_xstate_required_size(xcr0, false);
			else if (e->index == 1 && (e->eax & (F(XSAVEC) | F(XSAVES))))
				e->ebx = khv_xstate_required_size(xcr0, true);
			break;
		}
	}
	/* A kick ends a halt only if khv knows of it. */
	if (READ_ONCE(vcpu->vm->opts.disabled_exits) & KVM_X86_DISABLE_EXITS_HLT) {
		e = find_kvm_features(entries, nent);
		if (e)
			e->eax &= ~BIT(KVM_FEATURE_PV_UNHALT);
	}
}

/* The features khv asks about, of a table that is in place. */
static void derive(struct khv_cpuid *cpuid)
{
	const struct kvm_cpuid_entry2 *e;
	u64 features = khv_cpuid_features(cpuid->entries, cpuid->nent);

	cpuid->features = features & (~HOST_MUST_HAVE | host_features);
	cpuid->amd = features & BIT_ULL(KHV_F_SVM_VENDOR);
	cpuid->maxphyaddr = phys_bits(cpuid->entries, cpuid->nent);
	/* A CR3 that the host's own width does not hold would fail VM entry. */
	cpuid->cr3_reserved = bits_from(min(cpuid->maxphyaddr, host_phys_bits));

	cpuid->xcr0_allowed = khv_xstate_mask() & XFEATURE_MASK_FP;
	e = find_linear(cpuid->entries, cpuid->nent, 0xd, 0);
	if (e)
		cpuid->xcr0_allowed |= (e->eax | (u64)e->edx << 32) & khv_xstate_mask();
}

void khv_cpuid_refresh(struct khv_vcpu *vcpu)
{
	/* CR4 is cached when it changes; make sure it is when another asks. */
	khv_cr4(vcpu);
	if (!vcpu->cpuid.maxphyaddr)
		derive(&vcpu->cpuid);	/* a new vCPU, without a table */
	refresh_entries(vcpu, vcpu->cpuid.entries, vcpu->cpuid.nent);
	if (!khv_quirk(vcpu->vm, KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT))
		derive(&vcpu->cpuid);
}

bool khv_pv_has(struct khv_vcpu *vcpu, unsigned int feature)
{
	const struct kvm_cpuid_entry2 *e;

	if (!vcpu->pv_enforced)
		return true;
	e = find_kvm_features(vcpu->cpuid.entries, vcpu->cpuid.nent);
	return e && (e->eax & BIT(feature));
}

static void build_index(struct khv_cpuid *cpuid)
{
	int i;

	memset(cpuid->bucket, 0, sizeof(cpuid->bucket));
	/* From the back, so that of two equal entries the first is found. */
	for (i = cpuid->nent - 1; i >= 0; i--) {
		u16 *head = &cpuid->bucket[bucket_of(cpuid->entries[i].function)];

		cpuid->next[i] = *head;
		*head = i + 1;
	}
}

static int check_entries(const struct kvm_cpuid_entry2 *entries, u32 nent)
{
	const struct kvm_cpuid_entry2 *e = find_linear(entries, nent, 0x80000008, 0);
	u8 linear;

	if (!e)
		return 0;
	/* Only these widths exist; 57 is harmless since CR4.LA57 cannot be set. */
	linear = e->eax >> 8;
	return linear == 0 || linear == 48 || linear == 57 ? 0 : -EINVAL;
}

/* After the first run the table is frozen; clients that hot-plug set the same again. */
static int check_same(struct khv_vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent)
{
	u32 i;

	if (nent != vcpu->cpuid.nent)
		return -EINVAL;
	for (i = 0; i < nent; i++) {
		const struct kvm_cpuid_entry2 *a = &entries[i], *b = &vcpu->cpuid.entries[i];

		if (a->function != b->function || a->index != b->index || a->flags != b->flags ||
		    a->eax != b->eax || a->ebx != b->ebx || a->ecx != b->ecx || a->edx != b->edx)
			return -EINVAL;
	}
	return 0;
}

int khv_cpuid_set(struct khv_vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, u32 nent)
{
	struct khv_cpuid *cpuid = &vcpu->cpuid;
	struct kvm_cpuid_entry2 *copy = NULL;
	int ret;

	if (nent > KHV_MAX_CPUID_ENTRIES)
		return -E2BIG;
	ret = check_entries(entries, nent);
	if (ret)
		return ret;

	if (nent) {
		copy = kvzalloc(nent * (sizeof(*copy) + sizeof(u16)), GFP_KERNEL_ACCOUNT);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, entries, nent * sizeof(*copy));
	}
	khv_cr4(vcpu);
	refresh_entries(vcpu, copy, nent);
	if (vcpu->has_run) {
		ret = check_same(vcpu, copy, nent);
		kvfree(copy);
		return ret;
	}

	kvfree(cpuid->entries);
	cpuid->entries = copy;
	cpuid->nent = nent;
	cpuid->next = copy ? (u16 *)(copy + nent) : NULL;
	build_index(cpuid);
	derive(cpuid);
	khv_hw->update_guest(vcpu);
	return 0;
}

void khv_cpuid_uninit(struct khv_vcpu *vcpu)
{
	kvfree(vcpu->cpuid.entries);
	vcpu->cpuid.entries = NULL;
	vcpu->cpuid.next = NULL;
	vcpu->cpuid.nent = 0;
	memset(vcpu->cpuid.bucket, 0, sizeof(vcpu->cpuid.bucket));
}

u64 khv_cpuid_host_features(void)
{
	return host_features;
}

int khv_cpuid_init(void)
{
	const struct kvm_cpuid_entry2 *entries;
	u32 nent;
	int ret = khv_cpuid_host_init();

	if (ret)
		return ret;
	entries = khv_cpuid_host(&nent);
	host_features = khv_cpuid_features(entries, nent);
	host_phys_bits = phys_bits(entries, nent);
	return 0;
}

void khv_cpuid_exit(void)
{
}
