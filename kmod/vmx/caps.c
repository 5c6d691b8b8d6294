// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this processor's VMX can do, and whether that is enough for khv.
 *
 * Every refusal names its reason, since the administrator reads nothing else.
 */
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/vmx.h>

#include "mmu/mmu.h"
#include "vm/hw.h"
#include "vmx/vmx.h"

struct vmx_caps vmx_caps;

/**
 * struct control - one control word to be adjusted
 * @name: for messages, as the SDM calls it
 * @true_msr: the capability MSR without the legacy default1 settings
 * @need: bits khv cannot do without
 * @nested: bits that EPT needs besides
 * @shadow: bits that shadow paging needs besides
 * @want: bits used when present
 */
struct control {
	const char *name;
	u32 msr, true_msr;
	u32 need, nested, shadow, want;
};

static const struct control pin_control = {
	.name = "pin-based",
	.msr = MSR_IA32_VMX_PINBASED_CTLS, .true_msr = MSR_IA32_VMX_TRUE_PINBASED_CTLS,
	.need = PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS,
};

static const struct control cpu_control = {
	.name = "primary processor-based",
	.msr = MSR_IA32_VMX_PROCBASED_CTLS, .true_msr = MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
	.need = CPU_BASED_HLT_EXITING | CPU_BASED_USE_TSC_OFFSETTING | CPU_BASED_MWAIT_EXITING |
		CPU_BASED_MONITOR_EXITING | CPU_BASED_RDPMC_EXITING |
		CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING |
		CPU_BASED_MOV_DR_EXITING | CPU_BASED_UNCOND_IO_EXITING |
		CPU_BASED_USE_MSR_BITMAPS | CPU_BASED_ACTIVATE_SECONDARY_CONTROLS,
	.shadow = CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING |
		  CPU_BASED_INVLPG_EXITING,
	.want = CPU_BASED_TPR_SHADOW,
};

static const struct control cpu2_control = {
	.name = "secondary processor-based",
	.msr = MSR_IA32_VMX_PROCBASED_CTLS2, .true_msr = MSR_IA32_VMX_PROCBASED_CTLS2,
	.nested = SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_UNRESTRICTED_GUEST,
	.want = SECONDARY_EXEC_ENABLE_VPID | SECONDARY_EXEC_ENABLE_RDTSCP |
		SECONDARY_EXEC_ENABLE_INVPCID | SECONDARY_EXEC_WBINVD_EXITING |
		SECONDARY_EXEC_ENCLS_EXITING | SECONDARY_EXEC_DESC |
		SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE | SECONDARY_EXEC_APIC_REGISTER_VIRT |
		SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY | SECONDARY_EXEC_TSC_SCALING |
		SECONDARY_EXEC_PAUSE_LOOP_EXITING,
};

/* The PAT is switched with EPT only: the entries of shadow tables mean the host's. */
static const struct control exit_control = {
	.name = "VM-exit",
	.msr = MSR_IA32_VMX_EXIT_CTLS, .true_msr = MSR_IA32_VMX_TRUE_EXIT_CTLS,
	.need = VM_EXIT_HOST_ADDR_SPACE_SIZE | VM_EXIT_SAVE_DEBUG_CONTROLS,
	.nested = VM_EXIT_LOAD_IA32_EFER | VM_EXIT_LOAD_IA32_PAT | VM_EXIT_SAVE_IA32_PAT,
	.want = VM_EXIT_LOAD_IA32_EFER,
};

static const struct control entry_control = {
	.name = "VM-entry",
	.msr = MSR_IA32_VMX_ENTRY_CTLS, .true_msr = MSR_IA32_VMX_TRUE_ENTRY_CTLS,
	.need = VM_ENTRY_LOAD_DEBUG_CONTROLS | VM_ENTRY_IA32E_MODE,
	.nested = VM_ENTRY_LOAD_IA32_EFER | VM_ENTRY_LOAD_IA32_PAT,
	.want = VM_ENTRY_LOAD_IA32_EFER,
};

/* The low half of a capability MSR must be 1, the high half may be 1. */
static u64 read_control(const struct control *c, bool true_msrs)
{
	u64 msr;

	rdmsrq(true_msrs ? c->true_msr : c->msr, msr);
	return msr;
}

static int adjust(const struct control *c, bool true_msrs, u32 *value)
{
	u64 msr = read_control(c, true_msrs);
	u32 need = c->need | (khv_caps.nested_paging ? c->nested : c->shadow);
	u32 may = msr >> 32;

	if (need & ~may) {
		pr_err("this processor's VMX lacks %s controls %#x that khv needs\n",
		       c->name, need & ~may);
		return -EOPNOTSUPP;
	}
	*value = (u32)msr | need | (c->want & may);
	return 0;
}

struct feature_control {
	atomic_t locked_off;
	atomic_t unlocked;
};

static void check_cpu(void *arg)
{
	struct feature_control *fc = arg;
	u64 val;

	if (rdmsrq_safe(MSR_IA32_FEAT_CTL, &val))
		val = 0;
	if (!(val & FEAT_CTL_LOCKED))
		atomic_inc(&fc->unlocked);
	else if (!(val & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX))
		atomic_inc(&fc->locked_off);
}

static int check_firmware(void)
{
	struct feature_control fc = { ATOMIC_INIT(0), ATOMIC_INIT(0) };

	/* The VMX CPU flag is cleared by Linux when firmware locked it off, too. */
	if (!(cpuid_ecx(1) & BIT(5))) {
		pr_err("this processor has no VMX (or the hypervisor below does not offer it)\n");
		return -EOPNOTSUPP;
	}
	on_each_cpu(check_cpu, &fc, 1);
	if (atomic_read(&fc.locked_off)) {
		pr_err("VMX is locked off by firmware on %d CPUs; enable Intel Virtualization Technology in the firmware setup\n",
		       atomic_read(&fc.locked_off));
		return -EOPNOTSUPP;
	}
	if (atomic_read(&fc.unlocked)) {
		pr_err("IA32_FEATURE_CONTROL is not locked on %d CPUs, so VMXON would fault; update the firmware\n",
		       atomic_read(&fc.unlocked));
		return -EOPNOTSUPP;
	}
	return 0;
}

static int check_basic(bool *true_msrs)
{
	u64 basic;

	rdmsrq(MSR_IA32_VMX_BASIC, basic);
	vmx_caps.revision = basic & GENMASK_ULL(30, 0);
	if (((basic >> 32) & 0x1fff) > PAGE_SIZE) {
		pr_err("this processor's VMCS is larger than a page\n");
		return -EOPNOTSUPP;
	}
	if (((basic >> 50) & 0xf) != 6) {
		pr_err("this processor wants the VMCS in memory that is not write-back\n");
		return -EOPNOTSUPP;
	}
	*true_msrs = basic & BIT_ULL(55);
	return 0;
}

/* What the secondary controls may hold, or 0 without such controls. */
static u32 secondary_controls(bool true_msrs)
{
	u32 may = read_control(&cpu_control, true_msrs) >> 32;

	if (!(may & CPU_BASED_ACTIVATE_SECONDARY_CONTROLS))
		return 0;
	return read_control(&cpu2_control, true_msrs) >> 32;
}

/*
 * EPT is used with unrestricted guest or not at all: without, paging would have
 * to be on in the hardware while it is off in the guest, as with shadow tables.
 */
static bool ept_usable(u32 cpu2)
{
	const u64 need = VMX_EPT_PAGE_WALK_4_BIT | VMX_EPTP_WB_BIT | VMX_EPT_INVEPT_BIT |
			 VMX_EPT_EXTENT_CONTEXT_BIT;

	return (cpu2 & cpu2_control.nested) == cpu2_control.nested &&
	       (vmx_caps.ept_vpid & need) == need;
}

static void choose_paging(u32 cpu2)
{
	u64 cap;

	vmx_caps.ept_vpid = 0;
	if (cpu2 & (SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_ENABLE_VPID))
		rdmsrq(MSR_IA32_VMX_EPT_VPID_CAP, vmx_caps.ept_vpid);
	cap = vmx_caps.ept_vpid;
	vmx_caps.ept = ept_usable(cpu2);
	if (!vmx_caps.ept || !khv_nested_paging)
		return;
	khv_caps.nested_paging = true;
	khv_caps.unrestricted_guest = true;
	khv_caps.leaf_2m = cap & VMX_EPT_2MB_PAGE_BIT;
	khv_caps.leaf_1g = cap & VMX_EPT_1GB_PAGE_BIT;
	khv_caps.nested_ad = cap & VMX_EPT_AD_BIT;
	khv_caps.ptfmt = &khv_ept_fmt;
	khv_caps.nested_memtype = VMX_EPTP_MT_WB << VMX_EPT_MT_EPTE_SHIFT;
}

/* Shadow tables have no-execute bits, whatever the guest's EFER says. */
static int check_shadow(void)
{
	u64 efer;

	rdmsrq(MSR_EFER, efer);
	if (efer & EFER_NX)
		return 0;
	pr_err("without EPT khv needs the no-execute bit, which is off on this host\n");
	return -EOPNOTSUPP;
}

static void note_features(void)
{
	const u64 vpid_bits = (VMX_VPID_INVVPID_BIT | VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT) << 32;
	const u64 address_bit = VMX_VPID_EXTENT_INDIVIDUAL_ADDR_BIT << 32;

	vmx_caps.vpid = (vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_VPID) &&
			(vmx_caps.ept_vpid & vpid_bits) == vpid_bits;
	vmx_caps.vpid_address = vmx_caps.ept_vpid & address_bit;
	if (!vmx_caps.vpid)
		vmx_caps.cpu2 &= ~SECONDARY_EXEC_ENABLE_VPID;
	/* INVPCID would flush what shadow paging must know of. */
	if (!khv_caps.nested_paging)
		vmx_caps.cpu2 &= ~SECONDARY_EXEC_ENABLE_INVPCID;
	/* Where the processor has no UMIP this makes it, all but SMSW. Set with CR4.UMIP. */
	khv_caps.umip_emulated = !boot_cpu_has(X86_FEATURE_UMIP) &&
				 (vmx_caps.cpu2 & SECONDARY_EXEC_DESC);
	vmx_caps.cpu2 &= ~SECONDARY_EXEC_DESC;
	khv_vmx_apic_init();
	khv_caps.long_tss_checked = true;
	khv_caps.tsc_scaling = vmx_caps.cpu2 & SECONDARY_EXEC_TSC_SCALING;
	khv_caps.rdtscp = vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_RDTSCP;
	khv_caps.invpcid = vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_INVPCID;

	vmx_caps.pat = vmx_caps.entry & VM_ENTRY_LOAD_IA32_PAT;
	vmx_caps.efer = (vmx_caps.entry & VM_ENTRY_LOAD_IA32_EFER) &&
			(vmx_caps.exit & VM_EXIT_LOAD_IA32_EFER);
	if (!vmx_caps.efer) {
		vmx_caps.entry &= ~VM_ENTRY_LOAD_IA32_EFER;
		vmx_caps.exit &= ~VM_EXIT_LOAD_IA32_EFER;
	}

	rdmsrq(MSR_IA32_VMX_CR0_FIXED0, vmx_caps.cr0_fixed0);
	rdmsrq(MSR_IA32_VMX_CR0_FIXED1, vmx_caps.cr0_fixed1);
	rdmsrq(MSR_IA32_VMX_CR4_FIXED0, vmx_caps.cr4_fixed0);
	rdmsrq(MSR_IA32_VMX_CR4_FIXED1, vmx_caps.cr4_fixed1);
}

int khv_vmx_caps_probe(void)
{
	bool true_msrs;
	int r;

	r = check_firmware();
	if (r)
		return r;
	r = check_basic(&true_msrs);
	if (r)
		return r;

	choose_paging(secondary_controls(true_msrs));
	r = adjust(&pin_control, true_msrs, &vmx_caps.pin);
	r = r ?: adjust(&cpu_control, true_msrs, &vmx_caps.cpu);
	r = r ?: adjust(&cpu2_control, true_msrs, &vmx_caps.cpu2);
	r = r ?: adjust(&exit_control, true_msrs, &vmx_caps.exit);
	r = r ?: adjust(&entry_control, true_msrs, &vmx_caps.entry);
	if (!r && !khv_caps.nested_paging)
		r = check_shadow();
	if (r)
		return r;

	/* With EPT the guest handles its own CR3 and INVLPG; so it says. */
	if (khv_caps.nested_paging)
		vmx_caps.cpu &= ~cpu_control.shadow;
	/* Set per vCPU when the guest is in long mode. */
	vmx_caps.entry &= ~VM_ENTRY_IA32E_MODE;
	note_features();
	return 0;
}
