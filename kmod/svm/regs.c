// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest registers that live in the VMCB: copied at each exit or read when asked
 * for, segments, descriptor tables, control registers, stepping over instructions.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <uapi/asm/debugreg.h>

#include "mmu/walker.h"
#include "svm/svm.h"
#include "vm/vm.h"
#include "x86/regs_inline.h"

/* CR0 bits that khv hides from the hardware, and those that change without an exit. */
#define CR0_ALWAYS_OFF	(X86_CR0_CD | X86_CR0_NW)
#define CR0_UNSEEN	(X86_CR0_TS | X86_CR0_MP)

static const u16 seg_offset[KHV_NR_SEGS] = {
	[KHV_SEG_ES] = offsetof(struct khv_vmcb, es),
	[KHV_SEG_CS] = offsetof(struct khv_vmcb, cs),
	[KHV_SEG_SS] = offsetof(struct khv_vmcb, ss),
	[KHV_SEG_DS] = offsetof(struct khv_vmcb, ds),
	[KHV_SEG_FS] = offsetof(struct khv_vmcb, fs),
	[KHV_SEG_GS] = offsetof(struct khv_vmcb, gs),
	[KHV_SEG_LDTR] = offsetof(struct khv_vmcb, ldtr),
	[KHV_SEG_TR] = offsetof(struct khv_vmcb, tr),
};

/* After an exit. RAX's slot among the general registers is the VMCB's, too. */
void khv_svm_fetch_regs(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct khv_regs *regs = &vcpu->regs;
	struct khv_vmcb *vmcb = svm->vmcb;

	regs->gpr[KHV_RAX] = vmcb->rax;
	regs->gpr[KHV_RSP] = vmcb->rsp;
	regs->rip = vmcb->rip;
	regs->rflags = vmcb->rflags;
	regs->cr2 = vmcb->cr2;
	/* CR4 never changes unseen. With shadow tables CR3 does not, either. */
	regs->avail = BIT(KHV_LAZY_RIP) | BIT(KHV_LAZY_RSP) | BIT(KHV_LAZY_RFLAGS) |
		      BIT(KHV_LAZY_CR4) | (khv_caps.nested_paging ? 0 : BIT(KHV_LAZY_CR3));
	if (unlikely(svm->stepping))
		regs->rflags &= ~(u64)X86_EFLAGS_TF;
	svm->insn_known = false;
}

void khv_svm_cache_reg(struct khv_vcpu *vcpu, unsigned int lazy)
{
	const struct khv_vmcb *vmcb = to_svm(vcpu)->vmcb;
	struct khv_regs *regs = &vcpu->regs;

	switch (lazy) {
	case KHV_LAZY_CR0:
		regs->cr0 = (regs->cr0 & ~(u64)CR0_UNSEEN) | (vmcb->cr0 & CR0_UNSEEN);
		break;
	case KHV_LAZY_CR3:
		if (khv_caps.nested_paging)
			regs->cr3 = vmcb->cr3;
		break;
	}
	/* The others are current from exit to entry. */
	regs->avail |= BIT(lazy);
}

/* Before entry. */
void khv_svm_flush_regs(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct khv_regs *regs = &vcpu->regs;
	struct khv_vmcb *vmcb = svm->vmcb;

	vmcb->rax = regs->gpr[KHV_RAX];
	vmcb->rsp = regs->gpr[KHV_RSP];
	vmcb->rip = regs->rip;
	vmcb->rflags = regs->rflags;
	if (unlikely(svm->stepping)) {
		/* Not if the instruction was emulated, or a client went elsewhere. */
		svm->stepping = regs->rip == svm->step_rip;
		if (svm->stepping)
			vmcb->rflags |= X86_EFLAGS_TF;
		else
			khv_svm_look_again(vcpu);	/* what the step was for is still there */
	}
	if (vmcb->cr2 != regs->cr2) {
		vmcb->cr2 = regs->cr2;
		svm_dirty(svm, KHV_CLEAN_CR2);
	}
	regs->dirty = 0;
}

bool khv_svm_knows_insn(struct khv_vcpu *vcpu)
{
	const struct khv_vmcb *vmcb = to_svm(vcpu)->vmcb;

	return to_svm(vcpu)->insn_known || (svm_caps.nrips && vmcb->nrip) ||
	       vmcb->exitcode == SVM_EXIT_IOIO;
}

static u64 next_rip(struct khv_vcpu *vcpu)
{
	const struct svm_vcpu *svm = to_svm(vcpu);
	const struct khv_vmcb *vmcb = svm->vmcb;
	u64 rip = khv_rip(vcpu), next;

	if (svm_caps.nrips && vmcb->nrip)
		return vmcb->nrip;
	if (vmcb->exitcode == SVM_EXIT_IOIO)
		return vmcb->exitinfo2;
	/* Nothing known of it: it is executed again, and exits again. */
	if (!svm->insn_known)
		return rip;
	next = rip + svm->insn_len;
	/* EIP wraps; only then is it worth asking for the mode. */
	if (unlikely((rip ^ next) >> 32) && !khv_64bit_code(vcpu))
		next = (u32)next;
	return next;
}

u32 khv_svm_insn_len(struct khv_vcpu *vcpu)
{
	return khv_svm_knows_insn(vcpu) ? next_rip(vcpu) - khv_rip(vcpu) : 0;
}

void khv_svm_skip_insn(struct khv_vcpu *vcpu)
{
	struct khv_vmcb *vmcb = to_svm(vcpu)->vmcb;

	khv_set_rip(vcpu, next_rip(vcpu));
	if (unlikely(vmcb->interrupt_shadow & KHV_INT_SHADOW)) {
		vmcb->interrupt_shadow = 0;
		/* Now is when the window opens; no need to enter the guest to learn it. */
		if (vmcb->vintr & KHV_V_IRQ)
			khv_request(vcpu, KHV_REQ_EVENT);
	}
	/* The instruction would have trapped at its end. */
	if (unlikely(khv_rflags(vcpu) & X86_EFLAGS_TF))
		khv_debug_trap(vcpu);
}

static struct khv_vmcb_seg *vmcb_seg(struct khv_vcpu *vcpu, enum khv_seg seg)
{
	return (void *)to_svm(vcpu)->vmcb + seg_offset[seg];
}

void khv_svm_get_segment(struct khv_vcpu *vcpu, enum khv_seg seg, struct kvm_segment *var)
{
	const struct khv_vmcb_seg *s = vmcb_seg(vcpu, seg);
	u16 ar = s->attrib;

	*var = (struct kvm_segment) {
		.base = s->base,
		.limit = s->limit,
		.selector = s->selector,
		.type = ar & 15,
		.s = (ar >> 4) & 1,
		.dpl = (ar >> 5) & 3,
		.present = (ar >> 7) & 1,
		.avl = (ar >> 8) & 1,
		.l = (ar >> 9) & 1,
		.db = (ar >> 10) & 1,
		/* The processor need not keep G ("APM, Volume 2: Segment State in the VMCB"). */
		.g = s->limit > 0xfffff,
		.unusable = !((ar >> 7) & 1),
	};
	switch (seg) {
	case KHV_SEG_SS:
		/* As on Intel, the DPL is the CPL even when SS is null, and D is not left over. */
		var->dpl = khv_svm_get_cpl(vcpu);
		if (var->unusable)
			var->db = 0;
		break;
	case KHV_SEG_TR:
		/* The TSS in use is busy, but not every processor says so. */
		var->type |= 2;
		break;
	case KHV_SEG_DS:
	case KHV_SEG_ES:
	case KHV_SEG_FS:
	case KHV_SEG_GS:
		/* Nor that a loaded segment has been accessed. */
		if (!var->unusable)
			var->type |= 1;
		break;
	default:
		break;
	}
}

void khv_svm_set_segment(struct khv_vcpu *vcpu, enum khv_seg seg, const struct kvm_segment *var)
{
	struct khv_vmcb_seg *s = vmcb_seg(vcpu, seg);
	struct svm_vcpu *svm = to_svm(vcpu);

	s->base = var->base;
	s->limit = var->limit;
	s->selector = var->selector;
	s->attrib = (var->type & 15) | (var->s & 1) << 4 | (var->dpl & 3) << 5 |
		    (var->present && !var->unusable) << 7 |
		    (var->avl & 1) << 8 | (var->l & 1) << 9 | (var->db & 1) << 10 |
		    (var->g & 1) << 11;
	if (seg == KHV_SEG_SS)
		svm->vmcb->cpl = var->dpl & 3;
	/* That it is busy goes without saying: QEMU ends itself at one that says so. */
	if (seg == KHV_SEG_TR)
		s->attrib &= ~2;
	svm_dirty(svm, KHV_CLEAN_SEG);
}

int khv_svm_get_cpl(struct khv_vcpu *vcpu)
{
	if (!khv_protected_mode(vcpu))
		return 0;
	if (!khv_long_mode(vcpu) && (khv_rflags(vcpu) & X86_EFLAGS_VM))
		return 3;
	return to_svm(vcpu)->vmcb->cpl & 3;
}

void khv_svm_get_dtable(struct khv_vcpu *vcpu, bool idt, struct kvm_dtable *dt)
{
	const struct khv_vmcb *vmcb = to_svm(vcpu)->vmcb;
	const struct khv_vmcb_seg *s = idt ? &vmcb->idtr : &vmcb->gdtr;

	memset(dt, 0, sizeof(*dt));
	dt->base = s->base;
	dt->limit = s->limit;
}

void khv_svm_set_dtable(struct khv_vcpu *vcpu, bool idt, const struct kvm_dtable *dt)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct khv_vmcb_seg *s = idt ? &svm->vmcb->idtr : &svm->vmcb->gdtr;

	s->base = dt->base;
	s->limit = dt->limit;
	svm_dirty(svm, KHV_CLEAN_DT);
}

/* Shadow tables: what they need beyond what the guest has set. */
static void shadow_crs(u64 guest_cr0, u64 *cr0, u64 *cr4, u64 *efer)
{
	*cr0 |= X86_CR0_PG | X86_CR0_WP;
	*cr4 |= X86_CR4_PAE;
	if (!(guest_cr0 & X86_CR0_PG))
		*cr4 &= ~(u64)(X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE);
	*efer |= EFER_NX;
	/* With paging on, LME alone would ask for long mode. */
	if (!(*efer & EFER_LMA))
		*efer &= ~(u64)EFER_LME;
}

/* From what the guest has set to what the hardware gets. */
static void update_crs(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct khv_vmcb *vmcb = svm->vmcb;
	u64 guest_cr0 = khv_cr0(vcpu), guest_cr4 = vcpu->regs.cr4;
	u64 cr0 = guest_cr0 & ~(u64)CR0_ALWAYS_OFF;
	/* With MCE clear a machine check would shut the host down. */
	u64 cr4 = guest_cr4 | X86_CR4_MCE;
	u64 efer = vcpu->regs.efer | EFER_SVME;

	if (!khv_caps.nested_paging)
		shadow_crs(guest_cr0, &cr0, &cr4, &efer);
	/*
	 * LME does nothing before PAE. In QEMU a VM exit that finds it alone does not turn
	 * the host's paging on again.
	 */
	if (!(cr4 & X86_CR4_PAE) && !(efer & EFER_LMA))
		efer &= ~(u64)EFER_LME;
	vmcb->cr0 = cr0;
	vmcb->cr4 = cr4;
	vmcb->efer = efer;
	svm_dirty(svm, KHV_CLEAN_CR);
	/* Where the two differ the guest must not see it, nor change it unseen. */
	svm_intercept(svm, KHV_ICPT_CR_READ(0), cr0 != guest_cr0);
	svm_intercept(svm, KHV_ICPT_CR_WRITE(0), cr0 != guest_cr0);
	svm_intercept(svm, KHV_ICPT_CR_READ(4), cr4 != guest_cr4);
}

void khv_svm_set_cr0(struct khv_vcpu *vcpu, u64 cr0)
{
	vcpu->regs.cr0 = cr0;
	vcpu->regs.avail |= BIT(KHV_LAZY_CR0);
	update_crs(vcpu);
}

void khv_svm_set_cr3(struct khv_vcpu *vcpu, u64 cr3)
{
	vcpu->regs.cr3 = cr3;
	vcpu->regs.avail |= BIT(KHV_LAZY_CR3);
	if (!khv_caps.nested_paging)
		return;
	to_svm(vcpu)->vmcb->cr3 = cr3;
	svm_dirty(to_svm(vcpu), KHV_CLEAN_CR);
}

void khv_svm_get_pdptes(struct khv_vcpu *vcpu, u64 pdpte[4])
{
	/* Under nested paging the processor reads them from memory whenever it walks. */
	if (khv_caps.nested_paging)
		khv_load_pdptes(vcpu, khv_cr3(vcpu), vcpu->regs.pdpte);
	memcpy(pdpte, vcpu->regs.pdpte, sizeof(vcpu->regs.pdpte));
}

void khv_svm_load_root(struct khv_vcpu *vcpu, hpa_t root)
{
	to_svm(vcpu)->vmcb->cr3 = root;
	svm_dirty(to_svm(vcpu), KHV_CLEAN_CR);
}

void khv_svm_set_cr4(struct khv_vcpu *vcpu, u64 cr4)
{
	vcpu->regs.cr4 = cr4;
	vcpu->regs.avail |= BIT(KHV_LAZY_CR4);
	update_crs(vcpu);
}

void khv_svm_set_efer(struct khv_vcpu *vcpu, u64 efer)
{
	vcpu->regs.efer = efer;
	update_crs(vcpu);
}

void khv_svm_set_dr7(struct khv_vcpu *vcpu, u64 dr7)
{
	to_svm(vcpu)->vmcb->dr7 = dr7;
	svm_dirty(to_svm(vcpu), KHV_CLEAN_DR);
}

/* For the next #DB, the guest's and the host's: VM exit leaves DR6 as the guest had it. */
void khv_svm_clear_dr6(struct svm_vcpu *svm)
{
	svm->vmcb->dr6 = KHV_DR6_CLEAR;
	svm_dirty(svm, KHV_CLEAN_DR);
	asm volatile("mov %0, %%db6" : : "r" (KHV_DR6_CLEAR));
}

/*
 * The guest reaches for a debug register, and hardly ever for one alone: it gets
 * all of them, until the next exit.
 */
void khv_svm_open_drs(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->drs_open = true;
	svm->vmcb->intercepts[1] = 0;
	svm->vmcb->dr6 = vcpu->regs.dr6;
	svm_dirty(svm, KHV_CLEAN_INTERCEPTS | KHV_CLEAN_DR);
	khv_host_load_guest_debug(vcpu->regs.dr);
}

void khv_svm_close_drs(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 *dr = vcpu->regs.dr;

	asm volatile("mov %%db0, %0" : "=r" (dr[0]));
	asm volatile("mov %%db1, %0" : "=r" (dr[1]));
	asm volatile("mov %%db2, %0" : "=r" (dr[2]));
	asm volatile("mov %%db3, %0" : "=r" (dr[3]));
	vcpu->regs.dr6 = svm->vmcb->dr6;
	vcpu->regs.dr7 = svm->vmcb->dr7;
	vcpu->debug.hw_dr7 = svm->vmcb->dr7;
	svm->drs_open = false;
	svm->vmcb->intercepts[1] = KHV_ICPT_ALL_DRS;
	svm_dirty(svm, KHV_CLEAN_INTERCEPTS);
	/* The exit of a #DB is still to look at it. */
	if (svm->vmcb->exitcode != SVM_EXIT_EXCP_BASE + X86_TRAP_DB)
		khv_svm_clear_dr6(svm);
}
