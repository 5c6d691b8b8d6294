// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMCBs: allocation and initial contents, and the top of the nested tables.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <asm/trapnr.h>

#include "mmu/mmu.h"
#include "svm/svm.h"
#include "vm/vm.h"
#include "x86/regs_inline.h"

/* PAUSEs in a row, as the guest's spinning shows them, that are worth an exit. */
#define PAUSE_COUNT	3000
#define PAUSE_THRESHOLD	128	/* cycles between two that still are one row */

#define PAT_RESET	0x0007040600070406ULL
#define DR7_RESET	0x400ULL

int khv_svm_vmcb_alloc(struct svm_vcpu *svm)
{
	svm->vmcb = khv_svmon_alloc_page(GFP_KERNEL_ACCOUNT);
	if (!svm->vmcb)
		return -ENOMEM;
	svm->vmcb_pa = __pa(svm->vmcb);
	svm->vmcb_cpu = -1;
	svm->asid.cpu = -1;
	return 0;
}

void khv_svm_vmcb_free(struct svm_vcpu *svm)
{
	free_page((unsigned long)svm->vmcb);
	svm->vmcb = NULL;
}

static const u8 always_intercepted[] = {
	/* The host's events. */
	KHV_ICPT_INTR, KHV_ICPT_NMI, KHV_ICPT_SMI, KHV_ICPT_INIT, KHV_ICPT_SHUTDOWN,
	KHV_ICPT_EXCEPTION(X86_TRAP_MC),
	/*
	 * A guest whose #DB or #AC handler is entered with the same exception would
	 * loop in microcode, out of anyone's reach, so these two exit and are
	 * injected back; it also shows what DR6 should say.
	 */
	KHV_ICPT_EXCEPTION(X86_TRAP_DB), KHV_ICPT_EXCEPTION(X86_TRAP_AC),
	/* It may be Intel's hypercall instruction. */
	KHV_ICPT_EXCEPTION(X86_TRAP_UD),
	/* The guest's CPU is not the host's. CR0 and CR4 in part: regs.c. */
	KHV_ICPT_CR0_SEL_WRITE, KHV_ICPT_CR_WRITE(4), KHV_ICPT_CR_READ(8), KHV_ICPT_CR_WRITE(8),
	KHV_ICPT_CPUID, KHV_ICPT_RDPMC, KHV_ICPT_INVD, KHV_ICPT_WBINVD, KHV_ICPT_HLT,
	KHV_ICPT_IOIO, KHV_ICPT_MSR, KHV_ICPT_TASK_SWITCH, KHV_ICPT_MONITOR, KHV_ICPT_MWAIT,
	KHV_ICPT_XSETBV, KHV_ICPT_RDPRU,
	/* It has no SVM. Of these, VMRUN itself insists on VMRUN's. */
	KHV_ICPT_VMRUN, KHV_ICPT_VMMCALL, KHV_ICPT_VMLOAD, KHV_ICPT_VMSAVE, KHV_ICPT_STGI,
	KHV_ICPT_CLGI, KHV_ICPT_SKINIT, KHV_ICPT_INVLPGA,
};

static void setup_intercepts(struct svm_vcpu *svm)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(always_intercepted); i++)
		svm_intercept(svm, always_intercepted[i], true);
	svm->vmcb->intercepts[1] = KHV_ICPT_ALL_DRS;
	if (!khv_caps.nested_paging) {
		svm_intercept(svm, KHV_ICPT_EXCEPTION(X86_TRAP_PF), true);
		svm_intercept(svm, KHV_ICPT_INVLPG, true);
		svm_intercept(svm, KHV_ICPT_CR_READ(3), true);
		svm_intercept(svm, KHV_ICPT_CR_WRITE(3), true);
	}
	if (svm_caps.pause_filter) {
		svm->vmcb->pause_count = PAUSE_COUNT;
		if (svm_caps.pause_threshold)
			svm->vmcb->pause_threshold = PAUSE_THRESHOLD;
		svm_intercept(svm, KHV_ICPT_PAUSE, true);
	}
}

void khv_svm_vmcb_setup(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct khv_vmcb *vmcb = svm->vmcb;

	memset(vmcb, 0, sizeof(*vmcb));
	setup_intercepts(svm);
	vmcb->iopm_base_pa = khv_svm_iopm_pa();
	vmcb->msrpm_base_pa = khv_svm_msrpm_pa(vcpu);
	vmcb->tsc_offset = vcpu->tsc.offset;
	vmcb->vintr = KHV_V_INTR_MASKING;
	/* With GIF virtual, the guest's stays set: it has no instruction to clear it. */
	if (svm_caps.vgif)
		vmcb->vintr |= KHV_V_GIF_ENABLE | KHV_V_GIF;
	if (svm_caps.vnmi)
		vmcb->vintr |= KHV_V_NMI_ENABLE;
	if (khv_caps.nested_paging) {
		vmcb->np_enable = KHV_NP_ENABLE;
		vmcb->n_cr3 = vcpu->vm->hw ? __pa(vcpu->vm->hw) : vcpu->vm->mmu.root;
	}
	vmcb->g_pat = PAT_RESET;
	vmcb->dr6 = KHV_DR6_CLEAR;
	vmcb->dr7 = DR7_RESET;
	vmcb->efer = EFER_SVME;
	vmcb->rflags = X86_EFLAGS_FIXED;
	vmcb->asid = svm->asid.id;
	svm->injected = 0;
	svm->nmi = SVM_NMI_OPEN;
	svm->stepping = false;
}

/*
 * The processor walks nested tables with as many levels as the host's own. khv's
 * have four: on a host that uses five, a page above them has them as its first entry.
 */
int khv_svm_nested_root_create(struct khv_vm *vm)
{
	u64 *top;

	if (!khv_caps.nested_paging || !pgtable_l5_enabled())
		return 0;
	top = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!top)
		return -ENOMEM;
	top[0] = vm->mmu.root | khv_npt_fmt.table;
	vm->hw = top;
	return 0;
}

void khv_svm_nested_root_destroy(struct khv_vm *vm)
{
	free_page((unsigned long)vm->hw);
	vm->hw = NULL;
}
