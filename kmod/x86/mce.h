/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Machine checks that a client makes up for its guest: the banks and their registers,
 * and KVM's three calls. The host's own machine checks are the host's (host/).
 */
#ifndef KHV_X86_MCE_H
#define KHV_X86_MCE_H

#include <linux/kvm.h>
#include <linux/types.h>

#define KHV_MCE_BANKS	32

struct khv_vcpu;

enum khv_mce_reg { KHV_MC_CTL, KHV_MC_STATUS, KHV_MC_ADDR, KHV_MC_MISC, KHV_NR_MC };

struct khv_mce {
	u64 ctl;			/* IA32_MCG_CTL */
	u64 bank[KHV_MCE_BANKS][KHV_NR_MC];
};

/* What KVM_X86_SETUP_MCE may ask for beside the number of banks. */
u64 khv_mce_supported(void);

/*
 * KVM_X86_SETUP_MCE: @cap is the guest's IA32_MCG_CAP. KVM_X86_SET_MCE: an error as the
 * processor would log it, and as an exception when it is uncorrected; without effect
 * where the guest has turned its reporting off. 0 or -EINVAL. Both need vcpu->lock.
 */
int khv_mce_setup(struct khv_vcpu *vcpu, u64 cap);
int khv_mce_inject(struct khv_vcpu *vcpu, const struct kvm_x86_mce *mce);

/*
 * The banks' registers and IA32_MCG_CTL: as khv_msr_read() and khv_msr_write(), -ENOENT
 * when @index is none of them.
 */
int khv_mce_read(struct khv_vcpu *vcpu, u32 index, u64 *data, bool host);
int khv_mce_write(struct khv_vcpu *vcpu, u32 index, u64 data, bool host);

void khv_mce_reset(struct khv_vcpu *vcpu);

#endif
