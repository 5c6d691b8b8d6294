// SPDX-License-Identifier: GPL-2.0-only
/*
 * SVM's exit codes in khv's own terms, and an exit as its tracepoint shows it.
 */
#include "svm/svm.h"
#include "trace.h"
#include "x86/regs_inline.h"

/* "APM, Volume 2: SVM Intercept Exit Codes". What is not here is KHV_EXIT_OTHER. */
const u8 khv_svm_exit_kind[SVM_EXIT_KINDS] = {
	[SVM_EXIT_READ_CR0 ... SVM_EXIT_READ_CR0 + 0x1f] = KHV_EXIT_CR,
	[SVM_EXIT_READ_DR0 ... SVM_EXIT_READ_DR0 + 0x1f] = KHV_EXIT_DR,
	[SVM_EXIT_EXCP_BASE ... SVM_EXIT_EXCP_BASE + 0x1f] = KHV_EXIT_EXCEPTION,
	[SVM_EXIT_INTR] = KHV_EXIT_INTERRUPT,
	[SVM_EXIT_NMI] = KHV_EXIT_EXCEPTION,
	[SVM_EXIT_VINTR] = KHV_EXIT_INTERRUPT_WINDOW,
	[SVM_EXIT_CR0_SEL_WRITE] = KHV_EXIT_CR,
	[SVM_EXIT_IDTR_READ ... SVM_EXIT_TR_WRITE] = KHV_EXIT_DTABLE,
	[SVM_EXIT_RDTSC] = KHV_EXIT_RDTSC,
	[SVM_EXIT_RDPMC] = KHV_EXIT_RDPMC,
	[SVM_EXIT_CPUID] = KHV_EXIT_CPUID,
	[SVM_EXIT_IRET] = KHV_EXIT_NMI_WINDOW,
	[SVM_EXIT_INVD] = KHV_EXIT_WBINVD,
	[SVM_EXIT_PAUSE] = KHV_EXIT_PAUSE,
	[SVM_EXIT_HLT] = KHV_EXIT_HLT,
	[SVM_EXIT_INVLPG] = KHV_EXIT_INVLPG,
	[SVM_EXIT_INVLPGA] = KHV_EXIT_VIRT,
	[SVM_EXIT_IOIO] = KHV_EXIT_IO,
	[SVM_EXIT_MSR] = KHV_EXIT_MSR,
	[SVM_EXIT_TASK_SWITCH] = KHV_EXIT_TASK_SWITCH,
	[SVM_EXIT_SHUTDOWN] = KHV_EXIT_SHUTDOWN,
	[SVM_EXIT_VMRUN] = KHV_EXIT_VIRT,
	[SVM_EXIT_VMMCALL] = KHV_EXIT_HYPERCALL,
	[SVM_EXIT_VMLOAD ... SVM_EXIT_SKINIT] = KHV_EXIT_VIRT,
	[SVM_EXIT_RDTSCP] = KHV_EXIT_RDTSC,
	[SVM_EXIT_WBINVD] = KHV_EXIT_WBINVD,
	[SVM_EXIT_MONITOR ... SVM_EXIT_MWAIT_COND] = KHV_EXIT_MONITOR,
	[SVM_EXIT_XSETBV] = KHV_EXIT_XSETBV,
	[SVM_EXIT_INVPCID] = KHV_EXIT_INVLPG,
};

void khv_svm_trace_exit(struct khv_vcpu *vcpu, unsigned int kind)
{
	const struct khv_vmcb *vmcb = to_svm(vcpu)->vmcb;

	trace_khv_exit(vcpu->id, kind, vmcb->exitcode, khv_rip(vcpu), vmcb->exitinfo1,
		       vmcb->exitinfo2);
}
