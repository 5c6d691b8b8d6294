/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model-specific registers of the guest that are not the vendor's business.
 *
 * One table, one entry per register: reader, writer, and whether it is on the
 * list that clients save.
 */
#ifndef KHV_X86_MSR_H
#define KHV_X86_MSR_H

#include <linux/kvm.h>
#include <linux/types.h>
#include <asm/msr-index.h>

struct khv_vm;
struct khv_vcpu;

/* MSRs whose guest value is in the CPU while a region is open. */
enum khv_switched_msr { KHV_SW_STAR, KHV_SW_LSTAR, KHV_SW_CSTAR, KHV_SW_FMASK,
			KHV_SW_KERNEL_GS_BASE, KHV_SW_TSC_AUX, KHV_NR_SWITCHED };

struct khv_msrs {
	u64 switched[KHV_NR_SWITCHED];	/* the vendor's msr.c loads and saves them */
	u64 apic_base;
	u64 pat;
	u64 misc_enable;
	u64 tsc_adjust;
	u64 spec_ctrl;
	u64 arch_capabilities;
	u64 platform_info;
	u64 misc_features;
	u64 power_ctl;
	u64 xss;
	u64 mcg_cap, mcg_status;
	u64 mtrr_def_type;
	u64 mtrr_fixed[11];
	u64 mtrr_var[16];		/* base, mask pairs; 8 of them */
	u64 microcode;
};

/* What an access to an MSR comes to. */
enum khv_msr_result {
	KHV_MSR_OK,
	KHV_MSR_INVALID,	/* #GP: the value, or the register to this guest */
	KHV_MSR_UNKNOWN,	/* nobody has such a register */
	KHV_MSR_FILTERED,	/* the client does not want it */
};

/*
 * Read or write as the guest would (@host false) or as the client may (@host
 * true: read-only ones can be set, CPUID is not asked). An enum khv_msr_result;
 * the guest gets #GP for all but OK (the client: the ioctl's count ends there).
 * Region closed or open; does not sleep when called for a guest access.
 *
 * A value that the hardware side loads (struct khv_msrs.switched, PAT, SPEC_CTRL)
 * is stored first and khv_hw->set_msr() is told; it need not know the register.
 */
int khv_msr_read(struct khv_vcpu *vcpu, u32 index, u64 *data, bool host);
int khv_msr_write(struct khv_vcpu *vcpu, u32 index, u64 data, bool host);

/*
 * Guest executed RDMSR or WRMSR: registers, #GP and skipping the instruction, or an
 * exit to the client. RESUME_GUEST or EXIT_TO_USER.
 */
int khv_msr_emulate_read(struct khv_vcpu *vcpu);
int khv_msr_emulate_write(struct khv_vcpu *vcpu);

/* KVM_X86_SET_MSR_FILTER: 0, -EINVAL, -EFAULT, -ENOMEM or -EINTR. May sleep. */
int khv_msr_filter_set(struct khv_vm *vm, const struct kvm_msr_filter *filter);
void khv_msr_filter_uninit(struct khv_vm *vm);
/* May the guest do this (KVM_MSR_FILTER_READ or _WRITE) as far as its client goes? Any context. */
bool khv_msr_filter_allows(struct khv_vm *vm, u32 index, u32 access);
/* An access that came to @result: the client's, or #GP. RESUME_GUEST or EXIT_TO_USER. */
int khv_msr_refused(struct khv_vcpu *vcpu, int result, u32 index, bool write, u64 data);

/* Can that be done with the region open? */
static inline bool khv_msr_is_fast(u32 index)
{
	return index == MSR_IA32_TSC_DEADLINE || (index >= 0x800 && index <= 0x8ff) ||
	       index == MSR_IA32_SPEC_CTRL || index == MSR_IA32_PRED_CMD;
}

/* KVM_GET_MSR_INDEX_LIST and KVM_GET_MSR_FEATURE_INDEX_LIST: the lists. */
const u32 *khv_msr_list(unsigned int *count);
const u32 *khv_msr_feature_list(unsigned int *count);
int khv_msr_read_feature(u32 index, u64 *data);

void khv_msrs_reset(struct khv_vcpu *vcpu, bool init);

/* Module load: drop from the list what this host lacks. */
void khv_msr_init(void);

#endif
