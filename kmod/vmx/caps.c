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

#include "vm/hw.h"
#include "vmx/vmx.h"

struct vmx_caps vmx_caps;

/**
 * struct control - one control word to be adjusted
 * @name: for messages, as the SDM calls it
 * @true_msr: the capability MSR without the legacy default1 settings
 * @need: bits khv cannot do without
 * @want: bits used when present
 */
struct control {
	const char *name;
	u32 msr, true_msr;
	u32 need, want;
};

static const struct control pin_control = {
	"pin-based", MSR_IA32_VMX_PINBASED_CTLS, MSR_IA32_VMX_TRUE_PINBASED_CTLS,
	PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS, 0,
};

static const struct control cpu_control = {
	"primary processor-based", MSR_IA32_VMX_PROCBASED_CTLS, MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
	CPU_BASED_HLT_EXITING | CPU_BASED_USE_TSC_OFFSETTING | CPU_BASED_MWAIT_EXITING |
	CPU_BASED_MONITOR_EXITING | CPU_BASED_RDPMC_EXITING | CPU_BASED_CR8_LOAD_EXITING |
	CPU_BASED_CR8_STORE_EXITING | CPU_BASED_MOV_DR_EXITING | CPU_BASED_UNCOND_IO_EXITING |
	CPU_BASED_USE_MSR_BITMAPS | CPU_BASED_ACTIVATE_SECONDARY_CONTROLS, 0,
};

static const struct control cpu2_control = {
	"secondary processor-based", MSR_IA32_VMX_PROCBASED_CTLS2, MSR_IA32_VMX_PROCBASED_CTLS2,
	SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_UNRESTRICTED_GUEST,
	SECONDARY_EXEC_ENABLE_VPID | SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID |
	SECONDARY_EXEC_WBINVD_EXITING | SECONDARY_EXEC_ENCLS_EXITING,
};

static const struct control exit_control = {
	"VM-exit", MSR_IA32_VMX_EXIT_CTLS, MSR_IA32_VMX_TRUE_EXIT_CTLS,
	VM_EXIT_HOST_ADDR_SPACE_SIZE | VM_EXIT_SAVE_DEBUG_CONTROLS | VM_EXIT_LOAD_IA32_EFER |
	VM_EXIT_LOAD_IA32_PAT | VM_EXIT_SAVE_IA32_PAT, 0,
};

static const struct control entry_control = {
	"VM-entry", MSR_IA32_VMX_ENTRY_CTLS, MSR_IA32_VMX_TRUE_ENTRY_CTLS,
	VM_ENTRY_LOAD_DEBUG_CONTROLS | VM_ENTRY_LOAD_IA32_EFER | VM_ENTRY_LOAD_IA32_PAT |
	VM_ENTRY_IA32E_MODE, 0,
};

/* The low half of a capability MSR must be 1, the high half may be 1. */
static int adjust(const struct control *c, bool true_msrs, u32 *value)
{
	u64 msr;
	u32 may;

	rdmsrq(true_msrs ? c->true_msr : c->msr, msr);
	may = msr >> 32;
	if (c->need & ~may) {
		pr_err("this processor's VMX lacks %s controls %#x that khv needs\n",
		       c->name, c->need & ~may);
		return -EOPNOTSUPP;
	}
	*value = (u32)msr | c->need | (c->want & may);
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

static int check_ept(void)
{
	u64 cap;

	rdmsrq(MSR_IA32_VMX_EPT_VPID_CAP, cap);
	vmx_caps.ept_vpid = cap;
	if (!(cap & VMX_EPT_PAGE_WALK_4_BIT) || !(cap & VMX_EPTP_WB_BIT) ||
	    !(cap & VMX_EPT_INVEPT_BIT) || !(cap & VMX_EPT_EXTENT_CONTEXT_BIT)) {
		pr_err("this processor's EPT lacks 4-level walks, write-back tables or single-context INVEPT (capabilities %#llx)\n",
		       cap);
		return -EOPNOTSUPP;
	}
	khv_caps.nested_paging = true;
	khv_caps.unrestricted_guest = true;
	khv_caps.leaf_2m = cap & VMX_EPT_2MB_PAGE_BIT;
	khv_caps.leaf_1g = cap & VMX_EPT_1GB_PAGE_BIT;
	khv_caps.nested_ad = cap & VMX_EPT_AD_BIT;
	khv_caps.nested_memtype = VMX_EPTP_MT_WB << VMX_EPT_MT_EPTE_SHIFT;
	return 0;
}

static void note_features(void)
{
	const u64 vpid_bits = (VMX_VPID_INVVPID_BIT | VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT) << 32;

	vmx_caps.vpid = (vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_VPID) &&
			(vmx_caps.ept_vpid & vpid_bits) == vpid_bits;
	if (!vmx_caps.vpid)
		vmx_caps.cpu2 &= ~SECONDARY_EXEC_ENABLE_VPID;
	khv_caps.rdtscp = vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_RDTSCP;
	khv_caps.invpcid = vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_INVPCID;

	rdmsrq(MSR_IA32_VMX_CR0_FIXED0, vmx_caps.cr0_fixed0);
	rdmsrq(MSR_IA32_VMX_CR0_FIXED1, vmx_caps.cr0_fixed1);
	rdmsrq(MSR_IA32_VMX_CR4_FIXED0, vmx_caps.cr4_fixed0);
	rdmsrq(MSR_IA32_VMX_CR4_FIXED1, vmx_caps.cr4_fixed1);
}

int khv_vmx_caps_probe(void)
{
	bool true_msrs;
	u64 cpu2;
	int r;

	r = check_firmware();
	if (r)
		return r;
	r = check_basic(&true_msrs);
	if (r)
		return r;

	r = adjust(&pin_control, true_msrs, &vmx_caps.pin);
	r = r ?: adjust(&cpu_control, true_msrs, &vmx_caps.cpu);
	r = r ?: adjust(&exit_control, true_msrs, &vmx_caps.exit);
	r = r ?: adjust(&entry_control, true_msrs, &vmx_caps.entry);
	if (r)
		return r;

	rdmsrq(MSR_IA32_VMX_PROCBASED_CTLS2, cpu2);
	if (!((cpu2 >> 32) & SECONDARY_EXEC_ENABLE_EPT)) {
		pr_err("this processor has no EPT; this release needs it\n");
		return -EOPNOTSUPP;
	}
	r = adjust(&cpu2_control, true_msrs, &vmx_caps.cpu2);
	r = r ?: check_ept();
	if (r)
		return r;

	/* With EPT the guest handles its own CR3 and INVLPG; so it says. */
	vmx_caps.cpu &= ~(CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING |
			  CPU_BASED_INVLPG_EXITING);
	/* Set per vCPU when the guest is in long mode. */
	vmx_caps.entry &= ~VM_ENTRY_IA32E_MODE;
	note_features();
	return 0;
}
