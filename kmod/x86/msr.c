// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model-specific registers of the guest: one table with a line per register.
 *
 * Ranges with an owner of their own (local APIC, MTRRs, paravirtual) are passed
 * on; what the hardware keeps goes to khv_hw; the rest is here. A register
 * that nobody knows is a #GP, as on a processor.
 */
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/kvm_para.h>
#include <asm/msr.h>
#include <asm/msr-index.h>
#include <asm/tsc.h>
#include <linux/bsearch.h>
#include <linux/ratelimit.h>
#include <linux/sched/stat.h>
#include <linux/stddef.h>

#include "irqchip/irqchip.h"
#include "trace.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/mtrr.h"
#include "x86/regs_inline.h"

#define X2APIC_FIRST	0x800
#define X2APIC_LAST	0x8ff

#define PAT_RESET	0x0007040600070406ULL
#define MISC_ENABLE_RESET (MSR_IA32_MISC_ENABLE_FAST_STRING | MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | \
			   MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL)
#define PLATFORM_CPUID_FAULT BIT_ULL(31)
#define UCODE_REV_RESET	0x100000000ULL
#define L1D_FLUSH_CMD	BIT_ULL(0)
#define DE_CFG_LFENCE_SERIALIZE BIT_ULL(1)

/* ARCH_CAPABILITIES bits that say the same to a guest as to its host. */
#define ARCH_CAP_PASSED \
	(ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_RSBA | ARCH_CAP_SKIP_VMENTRY_L1DFLUSH | \
	 ARCH_CAP_SSB_NO | ARCH_CAP_MDS_NO | ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO | \
	 ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | ARCH_CAP_FB_CLEAR | \
	 ARCH_CAP_RRSBA | ARCH_CAP_PBRSB_NO | \
	 BIT_ULL(20) /* BHI_NO */ | BIT_ULL(26) /* GDS_NO */ | BIT_ULL(27) /* RFDS_NO */ | \
	 BIT_ULL(28) /* RFDS_CLEAR */ | BIT_ULL(62) /* ITS_NO */)

#define SAVED		BIT(0)	/* on the list that clients save and restore */
#define FEATURE		BIT(1)	/* KVM_GET_MSRS on the device tells what the host offers */

struct msr_def;
typedef int (*msr_read_fn)(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host);
typedef int (*msr_write_fn)(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host);

/**
 * struct msr_def - one register
 * @index: its number; the table is sorted by it
 * @flags: SAVED, FEATURE
 * @field: offset in struct khv_msrs, for those that are kept there
 * @arg: bits that may be written, or the constant that is read
 * @exists: NULL, or whether this host lets guests have it
 * @read: 0, or 1 for #GP
 * @write: likewise
 */
struct msr_def {
	u32 index;
	u8 flags;
	u16 field;
	u64 arg;
	bool (*exists)(void);
	msr_read_fn read;
	msr_write_fn write;
};

static u64 host_arch_capabilities;
static u64 spec_ctrl_bits;

static bool canonical(u64 addr)
{
	return (u64)((s64)(addr << 16) >> 16) == addr;
}

static u64 *field_of(struct khv_vcpu *vcpu, const struct msr_def *def)
{
	return (void *)&vcpu->msrs + def->field;
}

static bool have_rdtscp(void)
{
	return khv_caps.rdtscp;
}

static bool have_spec_ctrl(void)
{
	return spec_ctrl_bits;
}

static bool have_xsaves(void)
{
	return khv_caps.xsaves;
}

static bool have_steal_time(void)
{
	return sched_info_on();
}

static bool is_intel(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_INTEL;
}

static bool is_amd(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_AMD ||
	       boot_cpu_data.x86_vendor == X86_VENDOR_HYGON;
}

/* --- Readers and writers that many registers share. --- */

static int rd_const(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	*data = def->arg;
	return 0;
}

static int rd_field(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	*data = *field_of(vcpu, def);
	return 0;
}

/* The guest may set the bits in @arg. */
static int wr_field(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	if (data & ~def->arg)
		return 1;
	*field_of(vcpu, def) = data;
	return 0;
}

/* The client configures it, for the guest it is read-only. */
static int wr_client(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	if (!host)
		return 1;
	*field_of(vcpu, def) = data;
	return 0;
}

static int wr_none(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	/* A client that restores what it has read does no harm. */
	return !(host && data == def->arg);
}

static int wr_ignore(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	return 0;
}

static int rd_none(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	*data = 0;
	return !host;
}

static int rd_hw(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	return khv_hw->get_msr(vcpu, def->index, data) ? 1 : 0;
}

static int wr_hw(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	return khv_hw->set_msr(vcpu, def->index, data) ? 1 : 0;
}

/* An address: the processor refuses what is not canonical. */
static int wr_hw_address(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	return canonical(data) ? wr_hw(vcpu, def, data, host) : 1;
}

/* Kept here, and loaded by the hardware side, which is told. It need not care. */
static int store_and_tell(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data)
{
	*field_of(vcpu, def) = data;
	khv_hw->set_msr(vcpu, def->index, data);
	return 0;
}

static int wr_switched(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	if (data & ~def->arg)
		return 1;
	return store_and_tell(vcpu, def, data);
}

static int wr_switched_address(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data,
			       bool host)
{
	return canonical(data) ? store_and_tell(vcpu, def, data) : 1;
}

/* --- Registers with rules of their own. --- */

static int rd_tsc(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	*data = khv_guest_tsc(vcpu);
	return 0;
}

/* "SDM, IA32_TSC_ADJUST Support": a write of either moves both. A client's moves one. */
static int wr_tsc(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	u64 delta;

	if (host) {
		khv_tsc_write(vcpu, data);
		return 0;
	}
	delta = data - khv_guest_tsc(vcpu);
	vcpu->msrs.tsc_adjust += delta;
	khv_tsc_set_offset(vcpu, vcpu->tsc.offset + delta);
	return 0;
}

static int wr_tsc_adjust(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	u64 delta = data - vcpu->msrs.tsc_adjust;

	if (!host && !khv_has(vcpu, TSC_ADJUST))
		return 1;
	vcpu->msrs.tsc_adjust = data;
	if (!host)
		khv_tsc_set_offset(vcpu, vcpu->tsc.offset + delta);
	return 0;
}

static int rd_apic_base(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	*data = vcpu->msrs.apic_base;
	return 0;
}

static int wr_apic_base(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	int ret = 0;

	if (vcpu->lapic)
		ret = khv_lapic_set_base(vcpu, data, host);
	else if (data & (vcpu->cpuid.cr3_reserved | 0x2ff | X2APIC_ENABLE))
		ret = 1;
	else
		vcpu->msrs.apic_base = data;
	if (!ret)
		khv_cpuid_refresh(vcpu);
	return ret;
}

static int rd_tsc_deadline(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	*data = vcpu->lapic ? khv_lapic_get_tscdeadline(vcpu) : 0;
	return 0;
}

static int wr_tsc_deadline(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	if (vcpu->lapic)
		khv_lapic_set_tscdeadline(vcpu, data);
	return 0;
}

static int rd_spec_ctrl(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	if (!host && !khv_has(vcpu, SPEC_CTRL))
		return 1;
	*data = vcpu->msrs.spec_ctrl;
	return 0;
}

/* The value is loaded into the processor as it is: only bits that this one takes. */
static int wr_spec_ctrl(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	if ((!host && !khv_has(vcpu, SPEC_CTRL)) || (data & ~spec_ctrl_bits))
		return 1;
	return store_and_tell(vcpu, def, data);
}

static int wr_pred_cmd(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	if (data & ~(u64)PRED_CMD_IBPB)
		return 1;
	if (!boot_cpu_has(X86_FEATURE_IBPB) || (!host && !khv_has(vcpu, IBPB)))
		return 1;
	if (data && !host)
		wrmsrq(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	return 0;
}

static int wr_flush_cmd(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	if ((data & ~L1D_FLUSH_CMD) || !boot_cpu_has(X86_FEATURE_FLUSH_L1D))
		return 1;
	if (!host && !khv_has(vcpu, FLUSH_L1D))
		return 1;
	if (data && !host)
		wrmsrq(MSR_IA32_FLUSH_CMD, L1D_FLUSH_CMD);
	return 0;
}

static int rd_arch_caps(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	if (!host && !khv_has(vcpu, ARCH_CAPS))
		return 1;
	*data = vcpu->msrs.arch_capabilities;
	return 0;
}

static int wr_pat(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	return khv_pat_valid(data) ? store_and_tell(vcpu, def, data) : 1;
}

static int rd_efer(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	*data = vcpu->regs.efer;
	return 0;
}

static int wr_efer(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	return host ? khv_write_efer_host(vcpu, data) : khv_write_efer(vcpu, data);
}

static int rd_platform_info(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	*data = vcpu->msrs.platform_info;
	return !host && READ_ONCE(vcpu->vm->opts.platform_info_hidden);
}

/* Guests may not touch what is not there, and the thermal monitor ignores them. */
static int wr_misc_enable(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	u64 old = vcpu->msrs.misc_enable;

	if (!host) {
		if ((old ^ data) & (MSR_IA32_MISC_ENABLE_BTS_UNAVAIL |
				    MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL))
			return 1;
		data = (data & ~MSR_IA32_MISC_ENABLE_EMON) | (old & MSR_IA32_MISC_ENABLE_EMON);
	}
	vcpu->msrs.misc_enable = data;
	/* Without KVM's quirk CPUID has the bit for MWAIT from here. */
	if (((old ^ data) & MSR_IA32_MISC_ENABLE_MWAIT) &&
	    !khv_quirk(vcpu->vm, KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT))
		khv_cpuid_refresh(vcpu);
	return 0;
}

/* CPUID faulting is not offered, so the bit that would announce it stays clear. */
static int wr_platform_info(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	if (!host)
		return 1;
	vcpu->msrs.platform_info = data & ~PLATFORM_CPUID_FAULT;
	return 0;
}

static int wr_ucode_rev(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	/* Guests write 0 before CPUID refreshes it. */
	if (host)
		vcpu->msrs.microcode = data;
	return 0;
}

static int wr_mcg_status(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	if (!host && data)
		return 1;
	vcpu->msrs.mcg_status = data;
	return 0;
}

static int rd_mcg_ctl(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	return khv_mce_read(vcpu, def->index, data, host);
}

static int wr_mcg_ctl(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	return khv_mce_write(vcpu, def->index, data, host);
}

static int rd_tsc_aux(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	if (!host && !khv_has(vcpu, RDTSCP) && !khv_has(vcpu, RDPID))
		return 1;
	return rd_field(vcpu, def, data, host);
}

static int wr_tsc_aux(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	if (!host && !khv_has(vcpu, RDTSCP) && !khv_has(vcpu, RDPID))
		return 1;
	return wr_switched(vcpu, def, data, host);
}

static int rd_xss(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	*data = 0;
	return !host && !khv_has(vcpu, XSAVES);
}

static int wr_xss(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	if (!host && !khv_has(vcpu, XSAVES))
		return 1;
	return wr_field(vcpu, def, data, host);
}

static int rd_de_cfg(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	*data = boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ? def->arg : 0;
	return 0;
}

static int rd_pv(struct khv_vcpu *vcpu, const struct msr_def *def, u64 *data, bool host)
{
	int r = khv_pv_msr_read(vcpu, def->index, data, host);

	return r == -ENOENT ? KHV_MSR_UNKNOWN : r;
}

static int wr_pv(struct khv_vcpu *vcpu, const struct msr_def *def, u64 data, bool host)
{
	int r = khv_pv_msr_write(vcpu, def->index, data, host);

	return r == -ENOENT ? KHV_MSR_UNKNOWN : r;
}

#define FIELD(name)	offsetof(struct khv_msrs, name)
#define SWITCHED(nr)	offsetof(struct khv_msrs, switched[nr])
#define ALL		(~0ULL)

/* Sorted by number. Constants are what KVM tells guests, where guests look at them. */
static const struct msr_def msr_table[] = {
	{ MSR_IA32_TSC, SAVED, 0, 0, NULL, rd_tsc, wr_tsc },
	{ MSR_KVM_WALL_CLOCK, SAVED, 0, 0, NULL, rd_pv, wr_pv },
	{ MSR_KVM_SYSTEM_TIME, SAVED, 0, 0, NULL, rd_pv, wr_pv },
	{ MSR_IA32_PLATFORM_ID, 0, 0, 0, NULL, rd_const, wr_none },
	{ MSR_IA32_APICBASE, 0, 0, 0, NULL, rd_apic_base, wr_apic_base },
	{ MSR_IA32_EBL_CR_POWERON, 0, 0, 0, NULL, rd_const, wr_none },
	{ MSR_EBC_FREQUENCY_ID, 0, 0, 1 << 24, is_intel, rd_const, wr_none },
	{ MSR_SMI_COUNT, 0, 0, 0, is_intel, rd_const, wr_none },
	{ MSR_IA32_FEAT_CTL, 0, 0, FEAT_CTL_LOCKED, is_intel, rd_const, wr_none },
	{ MSR_IA32_TSC_ADJUST, SAVED, FIELD(tsc_adjust), 0, NULL, rd_field, wr_tsc_adjust },
	{ MSR_IA32_SPEC_CTRL, SAVED, FIELD(spec_ctrl), 0, have_spec_ctrl, rd_spec_ctrl,
	  wr_spec_ctrl },
	{ MSR_IA32_PRED_CMD, 0, 0, 0, NULL, rd_none, wr_pred_cmd },
	{ MSR_IA32_UCODE_WRITE, 0, 0, 0, NULL, rd_none, wr_ignore },
	{ MSR_IA32_UCODE_REV, SAVED | FEATURE, FIELD(microcode), 0, NULL, rd_field, wr_ucode_rev },
	{ MSR_P6_PERFCTR0, 0, 0, 0, is_intel, rd_const, wr_ignore },
	{ MSR_P6_PERFCTR1, 0, 0, 0, is_intel, rd_const, wr_ignore },
	{ MSR_FSB_FREQ, 0, 0, 3, is_intel, rd_const, wr_none },
	{ MSR_PLATFORM_INFO, SAVED, FIELD(platform_info), 0, NULL, rd_platform_info,
	  wr_platform_info },
	{ MSR_IA32_ARCH_CAPABILITIES, SAVED | FEATURE, FIELD(arch_capabilities), 0, is_intel,
	  rd_arch_caps, wr_client },
	{ MSR_IA32_FLUSH_CMD, 0, 0, 0, is_intel, rd_none, wr_flush_cmd },
	{ MSR_IA32_BBL_CR_CTL3, 0, 0, 0xbe702111, is_intel, rd_const, wr_none },
	{ MSR_MISC_FEATURES_ENABLES, SAVED, FIELD(misc_features), 0, NULL, rd_field, wr_field },
	{ MSR_IA32_SYSENTER_CS, SAVED, 0, 0, NULL, rd_hw, wr_hw },
	{ MSR_IA32_SYSENTER_ESP, SAVED, 0, 0, NULL, rd_hw, wr_hw_address },
	{ MSR_IA32_SYSENTER_EIP, SAVED, 0, 0, NULL, rd_hw, wr_hw_address },
	{ MSR_IA32_MCG_CAP, 0, FIELD(mcg_cap), 0, NULL, rd_field, wr_none },
	{ MSR_IA32_MCG_STATUS, SAVED, FIELD(mcg_status), 0, NULL, rd_field, wr_mcg_status },
	{ MSR_IA32_MCG_CTL, SAVED, 0, 0, NULL, rd_mcg_ctl, wr_mcg_ctl },
	{ MSR_P6_EVNTSEL0, 0, 0, 0, is_intel, rd_const, wr_ignore },
	{ MSR_P6_EVNTSEL1, 0, 0, 0, is_intel, rd_const, wr_ignore },
	{ MSR_IA32_PERF_STATUS, 0, 0, 1000 | 4ULL << 40, is_intel, rd_const, wr_none },
	{ MSR_IA32_PERF_CTL, 0, 0, 0, is_intel, rd_const, wr_ignore },
	{ MSR_IA32_MISC_ENABLE, SAVED, FIELD(misc_enable), 0, NULL, rd_field, wr_misc_enable },
	{ MSR_IA32_DEBUGCTLMSR, 0, 0, 0, NULL, rd_hw, wr_hw },
	{ MSR_IA32_LASTBRANCHFROMIP, 0, 0, 0, is_intel, rd_const, wr_none },
	{ MSR_IA32_LASTBRANCHTOIP, 0, 0, 0, is_intel, rd_const, wr_none },
	{ MSR_IA32_LASTINTFROMIP, 0, 0, 0, is_intel, rd_const, wr_none },
	{ MSR_IA32_LASTINTTOIP, 0, 0, 0, is_intel, rd_const, wr_none },
	/* Without effect: guests save power on their host's terms. */
	{ MSR_IA32_POWER_CTL, SAVED, FIELD(power_ctl), ALL, NULL, rd_field, wr_field },
	{ MSR_IA32_CR_PAT, SAVED, FIELD(pat), 0, NULL, rd_field, wr_pat },
	{ MSR_IA32_PERF_CAPABILITIES, 0, 0, 0, is_intel, rd_none, wr_none },
	{ MSR_IA32_TSC_DEADLINE, SAVED, 0, 0, NULL, rd_tsc_deadline, wr_tsc_deadline },
	{ MSR_IA32_XSS, SAVED, FIELD(xss), 0, have_xsaves, rd_xss, wr_xss },
	{ MSR_KVM_WALL_CLOCK_NEW, SAVED, 0, 0, NULL, rd_pv, wr_pv },
	{ MSR_KVM_SYSTEM_TIME_NEW, SAVED, 0, 0, NULL, rd_pv, wr_pv },
	{ MSR_KVM_STEAL_TIME, SAVED, 0, 0, have_steal_time, rd_pv, wr_pv },
	{ MSR_KVM_PV_EOI_EN, SAVED, 0, 0, NULL, rd_pv, wr_pv },
	{ MSR_KVM_POLL_CONTROL, SAVED, 0, 0, NULL, rd_pv, wr_pv },
	{ MSR_EFER, 0, 0, 0, NULL, rd_efer, wr_efer },
	{ MSR_STAR, SAVED, SWITCHED(KHV_SW_STAR), ALL, NULL, rd_field, wr_switched },
	{ MSR_LSTAR, SAVED, SWITCHED(KHV_SW_LSTAR), 0, NULL, rd_field, wr_switched_address },
	{ MSR_CSTAR, SAVED, SWITCHED(KHV_SW_CSTAR), 0, NULL, rd_field, wr_switched_address },
	{ MSR_SYSCALL_MASK, SAVED, SWITCHED(KHV_SW_FMASK), U32_MAX, NULL, rd_field, wr_switched },
	{ MSR_FS_BASE, 0, 0, 0, NULL, rd_hw, wr_hw_address },
	{ MSR_GS_BASE, 0, 0, 0, NULL, rd_hw, wr_hw_address },
	{ MSR_KERNEL_GS_BASE, SAVED, SWITCHED(KHV_SW_KERNEL_GS_BASE), 0, NULL, rd_field,
	  wr_switched_address },
	{ MSR_TSC_AUX, SAVED, SWITCHED(KHV_SW_TSC_AUX), U32_MAX, have_rdtscp, rd_tsc_aux,
	  wr_tsc_aux },
	{ MSR_K7_EVNTSEL0, 0, 0, 0, is_amd, rd_const, wr_ignore },
	{ MSR_K7_EVNTSEL1, 0, 0, 0, is_amd, rd_const, wr_ignore },
	{ MSR_K7_EVNTSEL2, 0, 0, 0, is_amd, rd_const, wr_ignore },
	{ MSR_K7_EVNTSEL3, 0, 0, 0, is_amd, rd_const, wr_ignore },
	{ MSR_K7_PERFCTR0, 0, 0, 0, is_amd, rd_const, wr_ignore },
	{ MSR_K7_PERFCTR1, 0, 0, 0, is_amd, rd_const, wr_ignore },
	{ MSR_K7_PERFCTR2, 0, 0, 0, is_amd, rd_const, wr_ignore },
	{ MSR_K7_PERFCTR3, 0, 0, 0, is_amd, rd_const, wr_ignore },
	{ MSR_AMD64_SYSCFG, 0, 0, 0, is_amd, rd_const, wr_none },
	{ MSR_K7_HWCR, 0, 0, 0, is_amd, rd_const, wr_ignore },
	{ MSR_AMD64_NB_CFG, 0, 0, 0, is_amd, rd_const, wr_ignore },
	{ MSR_AMD64_PATCH_LOADER, 0, 0, 0, is_amd, rd_none, wr_ignore },
	{ MSR_K8_INT_PENDING_MSG, 0, 0, 0, is_amd, rd_const, wr_none },
	{ MSR_FAM10H_MMIO_CONF_BASE, 0, 0, 0, is_amd, rd_const, wr_none },
	{ MSR_VM_CR, 0, 0, 0, is_amd, rd_const, wr_none },
	{ MSR_AMD64_DC_CFG, 0, 0, 0, is_amd, rd_const, wr_ignore },
	{ MSR_AMD64_DE_CFG, FEATURE, 0, DE_CFG_LFENCE_SERIALIZE, is_amd, rd_de_cfg, wr_none },
	{ MSR_AMD64_BU_CFG2, 0, 0, 0, is_amd, rd_const, wr_ignore },
};

static u32 saved_list[ARRAY_SIZE(msr_table)], feature_list[ARRAY_SIZE(msr_table)];
static unsigned int nr_saved, nr_features;

static int compare_index(const void *key, const void *elt)
{
	u32 index = *(const u32 *)key;
	const struct msr_def *def = elt;

	return index < def->index ? -1 : index > def->index;
}

/* NULL when the table, on this host, does not have it. */
static const struct msr_def *find_msr(u32 index)
{
	const struct msr_def *def = __inline_bsearch(&index, msr_table, ARRAY_SIZE(msr_table),
					    sizeof(msr_table[0]), compare_index);

	return def && (!def->exists || def->exists()) ? def : NULL;
}

static int unknown_msr(struct khv_vcpu *vcpu, const char *access, u32 index)
{
	pr_debug_ratelimited("khv: vCPU %d: %s of unknown MSR 0x%x\n", vcpu->id, access, index);
	return KHV_MSR_UNKNOWN;
}

static bool is_x2apic(u32 index)
{
	return index >= X2APIC_FIRST && index <= X2APIC_LAST;
}

int khv_msr_read(struct khv_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	const struct msr_def *def;
	int ret;

	if (is_x2apic(index))
		return vcpu->lapic ? khv_x2apic_read(vcpu, index, data) : 1;
	def = find_msr(index);
	if (def)
		return def->read(vcpu, def, data, host);
	ret = khv_mtrr_read(vcpu, index, data);
	if (ret == -ENOENT)
		ret = khv_mce_read(vcpu, index, data, host);
	if (ret == -ENOENT)
		ret = khv_hw->get_msr(vcpu, index, data);
	return ret == -ENOENT ? unknown_msr(vcpu, "read", index) : ret;
}

int khv_msr_write(struct khv_vcpu *vcpu, u32 index, u64 data, bool host)
{
	const struct msr_def *def;
	int ret;
	u64 old;

	/* What guests write all the time comes first. */
	if (is_x2apic(index))
		return vcpu->lapic ? khv_x2apic_write(vcpu, index, data) : 1;
	if (index == MSR_IA32_TSC_DEADLINE)
		return wr_tsc_deadline(vcpu, NULL, data, host);
	def = find_msr(index);
	if (def)
		return def->write(vcpu, def, data, host);
	ret = khv_mtrr_write(vcpu, index, data);
	if (ret == -ENOENT)
		ret = khv_mce_write(vcpu, index, data, host);
	/* What the hardware takes for a row of the table must not get by where that has none. */
	if (ret == -ENOENT)
		ret = khv_hw->get_msr(vcpu, index, &old) ?: khv_hw->set_msr(vcpu, index, data);
	return ret == -ENOENT ? unknown_msr(vcpu, "write", index) : ret;
}

/* Most guests have no filter. */
static __always_inline bool denied(struct khv_vcpu *vcpu, u32 index, u32 access)
{
	return unlikely(rcu_access_pointer(vcpu->vm->msr_filter)) &&
	       !khv_msr_filter_allows(vcpu->vm, index, access);
}

int khv_msr_emulate_read(struct khv_vcpu *vcpu)
{
	u64 *gpr = vcpu->regs.gpr;
	u32 index = gpr[KHV_RCX];
	int r = KHV_MSR_FILTERED;
	u64 data;

	if (!denied(vcpu, index, KVM_MSR_FILTER_READ))
		r = khv_msr_read(vcpu, index, &data, false);
	trace_khv_msr(vcpu->id, false, index, r ? 0 : data, r);
	if (unlikely(r))
		return khv_msr_refused(vcpu, r, index, false, 0);
	gpr[KHV_RAX] = lower_32_bits(data);
	gpr[KHV_RDX] = upper_32_bits(data);
	khv_skip_insn(vcpu);
	return RESUME_GUEST;
}

int khv_msr_emulate_write(struct khv_vcpu *vcpu)
{
	u64 *gpr = vcpu->regs.gpr;
	u64 data = (u32)gpr[KHV_RAX] | gpr[KHV_RDX] << 32;
	u32 index = gpr[KHV_RCX];
	int r = KHV_MSR_FILTERED;

	if (!denied(vcpu, index, KVM_MSR_FILTER_WRITE))
		r = khv_msr_write(vcpu, index, data, false);
	trace_khv_msr(vcpu->id, true, index, data, r);
	if (unlikely(r))
		return khv_msr_refused(vcpu, r, index, true, data);
	khv_skip_insn(vcpu);
	return RESUME_GUEST;
}

const u32 *khv_msr_list(unsigned int *count)
{
	*count = nr_saved;
	return saved_list;
}

const u32 *khv_msr_feature_list(unsigned int *count)
{
	*count = nr_features;
	return feature_list;
}

int khv_msr_read_feature(u32 index, u64 *data)
{
	const struct msr_def *def = find_msr(index);

	if (!def || !(def->flags & FEATURE))
		return 1;
	*data = 0;
	if (index == MSR_IA32_ARCH_CAPABILITIES)
		*data = host_arch_capabilities;
	else if (index == MSR_IA32_UCODE_REV)
		rdmsrq_safe(MSR_IA32_UCODE_REV, data);
	else if (boot_cpu_has(X86_FEATURE_LFENCE_RDTSC))
		*data = def->arg;
	return 0;
}

void khv_msrs_reset(struct khv_vcpu *vcpu, bool init)
{
	struct khv_msrs *msrs = &vcpu->msrs;

	/* "SDM, Processor State After Reset": INIT changes none of these. */
	if (init)
		return;
	memset(msrs, 0, sizeof(*msrs));
	khv_mce_reset(vcpu);
	msrs->pat = PAT_RESET;
	msrs->misc_enable = MISC_ENABLE_RESET;
	msrs->microcode = UCODE_REV_RESET;
	msrs->arch_capabilities = host_arch_capabilities;
	msrs->apic_base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE;
	if (vcpu->id == vcpu->vm->bsp_id)
		msrs->apic_base |= MSR_IA32_APICBASE_BSP;

	khv_tsc_reset(vcpu);
	khv_hw->set_msr(vcpu, MSR_IA32_CR_PAT, msrs->pat);
	khv_cpuid_refresh(vcpu);
}

/* What the guest may know about the host's immunities, true for it as well. */
static u64 arch_capabilities(void)
{
	u64 data = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES)) {
		rdmsrq(MSR_IA32_ARCH_CAPABILITIES, data);
		data &= ARCH_CAP_PASSED;
	}
	if (!boot_cpu_has_bug(X86_BUG_CPU_MELTDOWN))
		data |= ARCH_CAP_RDCL_NO;
	if (!boot_cpu_has_bug(X86_BUG_SPEC_STORE_BYPASS))
		data |= ARCH_CAP_SSB_NO;
	if (!boot_cpu_has_bug(X86_BUG_MDS))
		data |= ARCH_CAP_MDS_NO;
	/* Without TSX there is nothing to abort. */
	if (!boot_cpu_has(X86_FEATURE_RTM))
		data |= ARCH_CAP_TAA_NO;
	return data;
}

void khv_msr_init(void)
{
	const struct msr_def *def;

	host_arch_capabilities = arch_capabilities();
	spec_ctrl_bits = 0;
	if (boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL)) {
		if (boot_cpu_has(X86_FEATURE_SPEC_CTRL) || boot_cpu_has(X86_FEATURE_AMD_IBRS))
			spec_ctrl_bits |= SPEC_CTRL_IBRS;
		if (boot_cpu_has(X86_FEATURE_INTEL_STIBP) || boot_cpu_has(X86_FEATURE_AMD_STIBP))
			spec_ctrl_bits |= SPEC_CTRL_STIBP;
		if (boot_cpu_has(X86_FEATURE_SPEC_CTRL_SSBD) || boot_cpu_has(X86_FEATURE_AMD_SSBD))
			spec_ctrl_bits |= SPEC_CTRL_SSBD;
	}

	nr_saved = 0;
	nr_features = 0;
	for (def = msr_table; def < msr_table + ARRAY_SIZE(msr_table); def++) {
		if (def->exists && !def->exists())
			continue;
		if (def->flags & SAVED)
			saved_list[nr_saved++] = def->index;
		if (def->flags & FEATURE)
			feature_list[nr_features++] = def->index;
	}
}
