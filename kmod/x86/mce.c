// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machine checks for guests; see mce.h.
 *
 * "SDM, Machine-Check Architecture". A bank is four registers, of which guests enable
 * the first with all ones and clear the second with zero. Nothing here comes from the
 * host: a client reports what it knows, such as memory that has gone bad.
 */
#include <linux/nospec.h>
#include <asm/mce.h>
#include <asm/msr-index.h>
#include <asm/trapnr.h>

#include "vm/vm.h"
#include "x86/mce.h"
#include "x86/regs_inline.h"

#define CAP_SUPPORTED	(MCG_CTL_P | MCG_SER_P)
#define CAP_ERRORS	GENMASK_ULL(23, 16)	/* MCG_EXT_CNT, which clients set as they like */
/* Left out of "all ones" by Linux on AMD (GART, bit 10) and by UnixWare (bit 0), as on KVM. */
#define CTL_OPTIONAL	(BIT_ULL(10) | BIT_ULL(0))

u64 khv_mce_supported(void)
{
	return CAP_SUPPORTED;
}

static unsigned int banks(struct khv_vcpu *vcpu)
{
	return vcpu->msrs.mcg_cap & MCG_BANKCNT_MASK;
}

int khv_mce_setup(struct khv_vcpu *vcpu, u64 cap)
{
	unsigned int i, nr = cap & MCG_BANKCNT_MASK;

	if (!nr || nr > KHV_MCE_BANKS ||
	    (cap & ~(CAP_SUPPORTED | CAP_ERRORS | MCG_BANKCNT_MASK)))
		return -EINVAL;
	vcpu->msrs.mcg_cap = cap;
	if (cap & MCG_CTL_P)
		vcpu->mce.ctl = ~0ULL;
	for (i = 0; i < nr; i++)
		vcpu->mce.bank[i][KHV_MC_CTL] = ~0ULL;
	return 0;
}

/* Does the guest want to know of an uncorrected error in @bank? */
static bool reported(struct khv_vcpu *vcpu, const u64 *bank)
{
	if ((vcpu->msrs.mcg_cap & MCG_CTL_P) && vcpu->mce.ctl != ~0ULL)
		return false;
	return bank[KHV_MC_CTL] == ~0ULL;
}

static void log_error(u64 *bank, const struct kvm_x86_mce *mce, u64 status)
{
	if (bank[KHV_MC_STATUS] & MCI_STATUS_VAL)
		status |= MCI_STATUS_OVER;
	bank[KHV_MC_ADDR] = mce->addr;
	bank[KHV_MC_MISC] = mce->misc;
	bank[KHV_MC_STATUS] = status;
}

int khv_mce_inject(struct khv_vcpu *vcpu, const struct kvm_x86_mce *mce)
{
	u64 *bank;

	if (mce->bank >= banks(vcpu) || !(mce->status & MCI_STATUS_VAL))
		return -EINVAL;
	bank = vcpu->mce.bank[array_index_nospec(mce->bank, KHV_MCE_BANKS)];
	if (!(mce->status & MCI_STATUS_UC)) {
		/* A corrected error does not push an uncorrected one out. */
		if ((bank[KHV_MC_STATUS] & MCI_STATUS_VAL) && (bank[KHV_MC_STATUS] & MCI_STATUS_UC))
			bank[KHV_MC_STATUS] |= MCI_STATUS_OVER;
		else
			log_error(bank, mce, mce->status);
		return 0;
	}
	if (!reported(vcpu, bank))
		return 0;
	/* "SDM, Machine-Check Exception": the processor shuts down. */
	if ((vcpu->msrs.mcg_status & MCG_STATUS_MCIP) || !(khv_cr4(vcpu) & X86_CR4_MCE)) {
		khv_request(vcpu, KHV_REQ_TRIPLE_FAULT);
		return 0;
	}
	log_error(bank, mce, mce->status);
	vcpu->msrs.mcg_status = mce->mcg_status;
	khv_queue_exception(vcpu, X86_TRAP_MC);
	return 0;
}

/* NULL: not a register of a bank that this guest has. @reg: which of its four. */
static u64 *bank_register(struct khv_vcpu *vcpu, u32 index, unsigned int *reg)
{
	unsigned int nr = (index - MSR_IA32_MC0_CTL) / KHV_NR_MC;

	if (index < MSR_IA32_MC0_CTL || nr >= banks(vcpu))
		return NULL;
	*reg = index % KHV_NR_MC;
	return &vcpu->mce.bank[array_index_nospec(nr, KHV_MCE_BANKS)][*reg];
}

int khv_mce_read(struct khv_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	unsigned int reg;
	u64 *value;

	if (index == MSR_IA32_MCG_CTL) {
		*data = vcpu->mce.ctl;
		return !host && !(vcpu->msrs.mcg_cap & MCG_CTL_P);
	}
	value = bank_register(vcpu, index, &reg);
	if (!value)
		return -ENOENT;
	*data = *value;
	return 0;
}

static bool zero_or_ones(u64 data)
{
	return !data || data == ~0ULL;
}

int khv_mce_write(struct khv_vcpu *vcpu, u32 index, u64 data, bool host)
{
	unsigned int reg;
	u64 *value;

	if (index == MSR_IA32_MCG_CTL) {
		/* Clients save and restore it with all others; where there is none it is 0. */
		if (!(vcpu->msrs.mcg_cap & MCG_CTL_P))
			return !host || data;
		if (!zero_or_ones(data))
			return 1;
		vcpu->mce.ctl = data;
		return 0;
	}
	value = bank_register(vcpu, index, &reg);
	if (!value)
		return -ENOENT;
	if (reg == KHV_MC_CTL && data && !zero_or_ones(data | CTL_OPTIONAL))
		return 1;
	if (reg == KHV_MC_STATUS && data && !host)
		return 1;
	*value = data;
	return 0;
}

void khv_mce_reset(struct khv_vcpu *vcpu)
{
	/* As on KVM, also for clients that never call KVM_X86_SETUP_MCE. */
	vcpu->msrs.mcg_cap = KHV_MCE_BANKS;
	memset(&vcpu->mce, 0, sizeof(vcpu->mce));
}
