/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What CPUID tells the guest, and what khv tells clients it could tell.
 */
#ifndef KHV_X86_CPUID_H
#define KHV_X86_CPUID_H

#include <linux/kvm.h>
#include <linux/types.h>

struct khv_vcpu;

#define KHV_MAX_CPUID_ENTRIES	256
#define KHV_CPUID_BUCKETS	64

/* The features that code asks about often, kept as bits; from the guest's CPUID. */
enum khv_feature {
	KHV_F_X2APIC, KHV_F_TSC_DEADLINE, KHV_F_XSAVE, KHV_F_RDTSCP, KHV_F_RDPID, KHV_F_PCID,
	KHV_F_INVPCID, KHV_F_SMEP, KHV_F_SMAP, KHV_F_FSGSBASE, KHV_F_PKU, KHV_F_UMIP,
	KHV_F_NX, KHV_F_LM, KHV_F_PDPE1GB, KHV_F_MWAIT, KHV_F_SPEC_CTRL, KHV_F_TSC_ADJUST,
	KHV_F_SYSCALL, KHV_F_XSAVES, KHV_F_PAT, KHV_F_MTRR, KHV_F_LA57, KHV_F_PGE,
	KHV_F_KVM_CLOCK, KHV_F_KVM_STEAL, KHV_F_FFXSR, KHV_F_ARCH_CAPS, KHV_F_SVM_VENDOR,
	KHV_F_PSE36, KHV_F_IBPB, KHV_F_FLUSH_L1D, KHV_NR_FEATURES
};

struct khv_cpuid {
	int nent;
	struct kvm_cpuid_entry2 *entries;	/* in the client's order; kvmalloc'ed */
	u64 features;				/* BIT(enum khv_feature) */
	u8 maxphyaddr;				/* bits */
	u64 xcr0_allowed;			/* XCR0 bits the guest may set */
	u64 cr3_reserved;			/* bits that a 64-bit CR3 must not have */
	bool amd;				/* out-of-range leaves read as zero */
	/*
	 * Lookup: chains of entries by leaf, in the client's order. Link 0 ends
	 * one, others are a position plus 1.
	 */
	u16 bucket[KHV_CPUID_BUCKETS];
	u16 *next;				/* one per entry, in the allocation of @entries */
};

/* Exact CPUID lookup and the rules for out-of-range leaves; never sleeps, no lock. */
void khv_cpuid_query(struct khv_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);
/* The entry for a leaf, or NULL when the client gave none. Stays valid until khv_cpuid_set(). */
struct kvm_cpuid_entry2 *khv_cpuid_find(struct khv_cpuid *cpuid, u32 leaf, u32 subleaf);
/* Guest executed CPUID: set registers. The caller skips the instruction. */
void khv_cpuid_emulate(struct khv_vcpu *vcpu);

/*
 * KVM_GET_SUPPORTED_CPUID: fill up to *nent entries; -E2BIG when there are more
 * (and *nent is then unchanged).
 */
int khv_cpuid_supported(struct kvm_cpuid_entry2 *entries, u32 *nent);
/*
 * KVM_SET_CPUID2. Takes ownership of nothing: copies. -EINVAL for a forbidden
 * change after the first run.
 */
int khv_cpuid_set(struct khv_vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, u32 nent);
/* KVM_GET_CPUID2 reads vcpu->cpuid directly. */
void khv_cpuid_uninit(struct khv_vcpu *vcpu);
/* CR4.OSXSAVE, CR4.PKE, APIC_BASE.EN and XCR0 show up in CPUID: bring it up to date. */
void khv_cpuid_refresh(struct khv_vcpu *vcpu);

/* May the guest use this paravirtual feature (KVM_FEATURE_*)? All, unless the client is strict. */
bool khv_pv_has(struct khv_vcpu *vcpu, unsigned int feature);

#define khv_has(vcpu, f)	(!!((vcpu)->cpuid.features & BIT_ULL(KHV_F_##f)))

/* Features (BIT_ULL(enum khv_feature)) that an array of entries claims. Pure. */
u64 khv_cpuid_features(const struct kvm_cpuid_entry2 *entries, int nent);

/*
 * Module load, after khv_hw->probe() and khv_xstate_init(): work out what the
 * host offers. 0 or -ENOMEM.
 */
int khv_cpuid_init(void);
/* cpuid_host.c's part of it, and its result: constant afterwards. */
int khv_cpuid_host_init(void);
const struct kvm_cpuid_entry2 *khv_cpuid_host(u32 *nent);
/* Features (BIT_ULL(enum khv_feature)) that guests could have on this host. */
u64 khv_cpuid_host_features(void);
void khv_cpuid_exit(void);

#endif
