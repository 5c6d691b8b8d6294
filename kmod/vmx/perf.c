// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's precise sampling (PEBS) around guest runs.
 *
 * PEBS writes its records to a linear address, which means something else while a
 * guest runs. So while the host has it on, entry stops the counters that it is on
 * for and exit starts them again, both by the VMCS's MSR lists, since an NMI of
 * perf's may start them at any moment before. Other counters go on: who counts
 * cycles of the host sees those of its guests, and the NMI watchdog ticks on.
 */
#include <asm/cpufeature.h>
#include <asm/msr.h>

#include "vmx/vmx.h"

static bool has_pebs;

void khv_vmx_perf_init(void)
{
	u64 val;

	has_pebs = boot_cpu_has(X86_FEATURE_PEBS) && boot_cpu_has(X86_FEATURE_ARCH_PERFMON) &&
		   !rdmsrq_safe(MSR_IA32_PEBS_ENABLE, &val) &&
		   !rdmsrq_safe(MSR_CORE_PERF_GLOBAL_CTRL, &val);
}

static void set_counts(unsigned int nr)
{
	khv_vmwrite(VM_ENTRY_MSR_LOAD_COUNT, nr);
	khv_vmwrite(VM_EXIT_MSR_LOAD_COUNT, nr);
}

static noinline void lists_on(struct vmx_vcpu *vmx, u64 pebs)
{
	u64 ctrl;

	rdmsrq(MSR_CORE_PERF_GLOBAL_CTRL, ctrl);
	vmx->perf_guest[0].index = MSR_CORE_PERF_GLOBAL_CTRL;
	vmx->perf_guest[0].value = ctrl & ~pebs;
	vmx->perf_guest[1].index = MSR_IA32_PEBS_ENABLE;
	vmx->perf_guest[1].value = 0;
	/* Last what counts. */
	vmx->perf_host[0].index = MSR_IA32_PEBS_ENABLE;
	vmx->perf_host[0].value = pebs;
	vmx->perf_host[1].index = MSR_CORE_PERF_GLOBAL_CTRL;
	vmx->perf_host[1].value = ctrl;
	if (vmx->flush & VMX_PEBS)
		return;
	vmx->flush |= VMX_PEBS;
	khv_vmwrite(VM_ENTRY_MSR_LOAD_ADDR, __pa(vmx->perf_guest));
	khv_vmwrite(VM_EXIT_MSR_LOAD_ADDR, __pa(vmx->perf_host));
	set_counts(VMX_NR_PERF);
}

void khv_vmx_perf_update(struct vmx_vcpu *vmx)
{
	u64 pebs;

	if (!has_pebs)
		return;
	rdmsrq(MSR_IA32_PEBS_ENABLE, pebs);
	if (unlikely(pebs)) {
		lists_on(vmx, pebs);
	} else if (unlikely(vmx->flush & VMX_PEBS)) {
		vmx->flush &= ~VMX_PEBS;
		set_counts(0);
	}
}

/*
 * A record that is being written needs its time, which the lists do not give it. Read anew:
 * the NMI of the last exit may have stopped what sampled.
 */
void khv_vmx_perf_quiesce(struct vmx_vcpu *vmx)
{
	u64 pebs;

	rdmsrq(MSR_IA32_PEBS_ENABLE, pebs);
	vmx->perf_host[0].value = pebs;
	vmx->perf_guest[0].value = vmx->perf_host[1].value & ~pebs;
	wrmsrq(MSR_IA32_PEBS_ENABLE, 0);
}

void khv_vmx_perf_resume(const struct vmx_vcpu *vmx)
{
	wrmsrq(MSR_IA32_PEBS_ENABLE, vmx->perf_host[0].value);
}
