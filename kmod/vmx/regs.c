// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest registers that live in the VMCS: lazily read, segments, descriptor
 * tables, control registers, interruptibility.
 */
#include <uapi/asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "vm/vm.h"
#include "vmx/vmx.h"
#include "x86/regs_inline.h"

struct seg_fields {
	u16 selector, base, limit, ar;
};

#define SEG(name) { GUEST_##name##_SELECTOR, GUEST_##name##_BASE, \
		    GUEST_##name##_LIMIT, GUEST_##name##_AR_BYTES }

static const struct seg_fields seg_fields[KHV_NR_SEGS] = {
	[KHV_SEG_ES] = SEG(ES), [KHV_SEG_CS] = SEG(CS), [KHV_SEG_SS] = SEG(SS),
	[KHV_SEG_DS] = SEG(DS), [KHV_SEG_FS] = SEG(FS), [KHV_SEG_GS] = SEG(GS),
	[KHV_SEG_LDTR] = SEG(LDTR), [KHV_SEG_TR] = SEG(TR),
};

#define AR_UNUSABLE	BIT(16)

/* CR0 bits that khv sets for the hardware, or hides from it. */
#define CR0_ALWAYS_ON	X86_CR0_NE
#define CR0_ALWAYS_OFF	(X86_CR0_CD | X86_CR0_NW)
/* Shadow tables are walked even while the guest has paging off, and write protect. */
#define CR0_SHADOW_ON	(X86_CR0_PG | X86_CR0_PE | X86_CR0_WP)
/* The direct map for a guest without paging is of user pages. */
#define CR4_PAGING_ONLY	(X86_CR4_SMEP | X86_CR4_SMAP)

bool khv_vmx_access_open(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int r;

	if (vmx->access_depth++)
		return !vmx->access_failed;
	preempt_disable();
	r = khv_vmxon_enter(&vmx->vmcs);
	vmx->access_failed = r;
	if (unlikely(r)) {
		vmx->flush |= VMX_REWRITE;
		pr_err_ratelimited("vCPU %d: cannot reach its VMCS: another hypervisor has VMX on this CPU (error %d)\n",
				   vcpu->id, r);
		preempt_enable();
	}
	return !r;
}

void khv_vmx_access_close(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (--vmx->access_depth)
		return;
	if (!vmx->access_failed) {
		khv_vmxon_leave(&vmx->vmcs);
		local_irq_enable();
		preempt_enable();
	}
	vmx->access_failed = false;
}

static void read_lazy(struct khv_vcpu *vcpu, unsigned int lazy)
{
	struct khv_regs *regs = &vcpu->regs;

	switch (lazy) {
	case KHV_LAZY_RIP:
		regs->rip = khv_vmread(GUEST_RIP);
		break;
	case KHV_LAZY_RSP:
		regs->gpr[KHV_RSP] = khv_vmread(GUEST_RSP);
		break;
	case KHV_LAZY_RFLAGS:
		regs->rflags = khv_vmread(GUEST_RFLAGS);
		break;
	case KHV_LAZY_CR0:
		/* All but TS exit when they change, so the copy has them. */
		regs->cr0 = (regs->cr0 & ~(u64)VMX_CR0_GUEST_OWNED) |
			    (khv_vmread(GUEST_CR0) & VMX_CR0_GUEST_OWNED);
		break;
	case KHV_LAZY_CR3:
		/* On shadow tables, the hardware's is not the guest's. */
		if (khv_caps.nested_paging)
			regs->cr3 = khv_vmread(GUEST_CR3);
		break;
	case KHV_LAZY_CR4:
		regs->cr4 = (regs->cr4 & ~(u64)VMX_CR4_GUEST_OWNED) |
			    (khv_vmread(GUEST_CR4) & VMX_CR4_GUEST_OWNED);
		break;
	}
	regs->avail |= BIT(lazy);
}

void khv_vmx_cache_reg(struct khv_vcpu *vcpu, unsigned int lazy)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned int i;

	if (vmx->in_region) {
		read_lazy(vcpu, lazy);
		return;
	}
	/* Getting at the VMCS costs more than reading the rest as well. */
	if (khv_vmx_access_begin(vcpu)) {
		for (i = 0; i < KHV_NR_LAZY; i++)
			if (!(vcpu->regs.avail & BIT(i)))
				read_lazy(vcpu, i);
	}
	khv_vmx_access_end(vcpu);
}

/* Before entry: what was written to the copies. */
void khv_vmx_flush_regs(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct khv_regs *regs = &vcpu->regs;

	if (regs->dirty & BIT(KHV_LAZY_RIP))
		khv_vmwrite(GUEST_RIP, regs->rip);
	if (regs->dirty & BIT(KHV_LAZY_RSP))
		khv_vmwrite(GUEST_RSP, regs->gpr[KHV_RSP]);
	if (regs->dirty & BIT(KHV_LAZY_RFLAGS))
		khv_vmwrite(GUEST_RFLAGS, regs->rflags);
	regs->dirty = 0;
	if (vmx->interruptibility_dirty) {
		khv_vmwrite(GUEST_INTERRUPTIBILITY_INFO, vmx->interruptibility);
		vmx->interruptibility_dirty = false;
	}
}

u32 khv_vmx_read_interruptibility(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (khv_vmx_access_begin(vcpu)) {
		vmx->interruptibility = khv_vmread(GUEST_INTERRUPTIBILITY_INFO);
		vmx->cached |= VMX_CACHE_INTR;
	}
	khv_vmx_access_end(vcpu);
	return vmx->interruptibility;
}

void khv_vmx_put_interruptibility(struct khv_vcpu *vcpu, u32 val)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx->interruptibility = val;
	vmx->interruptibility_dirty = true;
	vmx->cached |= VMX_CACHE_INTR;
}

u32 khv_vmx_insn_len(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx->cached & VMX_CACHE_INSN_LEN)
		return vmx->insn_len;
	if (khv_vmx_access_begin(vcpu)) {
		vmx->insn_len = khv_vmread(VM_EXIT_INSTRUCTION_LEN);
		vmx->cached |= VMX_CACHE_INSN_LEN;
	}
	khv_vmx_access_end(vcpu);
	return vmx->insn_len;
}

/* EIP wraps. Out of line, for the stack that reading a segment takes. */
static noinline u64 wrapped_rip(struct khv_vcpu *vcpu, u64 next)
{
	return khv_64bit_code(vcpu) ? next : (u32)next;
}

static u64 next_rip(struct khv_vcpu *vcpu, u64 rip, u32 len)
{
	u64 next = rip + len;

	/* Only then is it worth asking for the mode. */
	return unlikely((rip ^ next) >> 32) ? wrapped_rip(vcpu, next) : next;
}

#define SHADOW	(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)

void khv_vmx_skip_insn(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 state;

	if (vmx->in_region && !(vmx->cached & VMX_CACHE_INTR) &&
	    !(vcpu->regs.avail & BIT(KHV_LAZY_RIP))) {
		/* Nobody holds a copy: straight into the VMCS. */
		khv_vmwrite(GUEST_RIP, next_rip(vcpu, khv_vmread(GUEST_RIP),
						khv_vmread(VM_EXIT_INSTRUCTION_LEN)));
		state = khv_vmread(GUEST_INTERRUPTIBILITY_INFO);
		if (unlikely(state & SHADOW))
			khv_vmwrite(GUEST_INTERRUPTIBILITY_INFO, state & ~SHADOW);
		if (!(vcpu->regs.avail & BIT(KHV_LAZY_RFLAGS))) {
			vcpu->regs.rflags = khv_vmread(GUEST_RFLAGS);
			vcpu->regs.avail |= BIT(KHV_LAZY_RFLAGS);
		}
	} else {
		khv_set_rip(vcpu, next_rip(vcpu, khv_rip(vcpu), khv_vmx_insn_len(vcpu)));
		state = khv_vmx_get_interruptibility(vcpu);
		if (unlikely(state & SHADOW))
			khv_vmx_put_interruptibility(vcpu, state & ~SHADOW);
	}
	/* The instruction would have trapped at its end. */
	if (unlikely(khv_rflags(vcpu) & X86_EFLAGS_TF))
		khv_debug_trap(vcpu);
}

static void read_segment(struct vmx_vcpu *vmx, enum khv_seg seg)
{
	const struct seg_fields *f = &seg_fields[seg];
	struct kvm_segment *s = &vmx->seg[seg];
	u32 ar = khv_vmread(f->ar);

	*s = (struct kvm_segment) {
		.base = khv_vmread(f->base),
		.limit = khv_vmread(f->limit),
		.selector = khv_vmread(f->selector),
		.type = ar & 15,
		.s = (ar >> 4) & 1,
		.dpl = (ar >> 5) & 3,
		/* An unusable segment may keep P; clients expect the two to agree. */
		.present = !((ar >> 16) & 1),
		.avl = (ar >> 12) & 1,
		.l = (ar >> 13) & 1,
		.db = (ar >> 14) & 1,
		.g = (ar >> 15) & 1,
		.unusable = (ar >> 16) & 1,
	};
	vmx->cached |= VMX_CACHE_SEG(seg);
}

void khv_vmx_prefetch(struct khv_vcpu *vcpu)
{
	static const u8 segs[] = { KHV_SEG_CS, KHV_SEG_SS, KHV_SEG_DS, KHV_SEG_ES };
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned int i;

	if (khv_vmx_access_begin(vcpu)) {
		for (i = 0; i < KHV_NR_LAZY; i++)
			if (!(vcpu->regs.avail & BIT(i)))
				read_lazy(vcpu, i);
		for (i = 0; i < ARRAY_SIZE(segs); i++)
			if (!(vmx->cached & VMX_CACHE_SEG(segs[i])))
				read_segment(vmx, segs[i]);
		khv_vmx_get_interruptibility(vcpu);
	}
	khv_vmx_access_end(vcpu);
}

void khv_vmx_get_segment(struct khv_vcpu *vcpu, enum khv_seg seg, struct kvm_segment *var)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!(vmx->cached & VMX_CACHE_SEG(seg))) {
		if (khv_vmx_access_begin(vcpu))
			read_segment(vmx, seg);
		khv_vmx_access_end(vcpu);
	}
	*var = vmx->seg[seg];
}

static u32 segment_ar(const struct kvm_segment *s)
{
	/* The DPL of an unusable SS still is the CPL. */
	u32 unusable = s->unusable || !s->present ? AR_UNUSABLE : 0;

	return unusable | (s->type & 15) | (s->s & 1) << 4 | (s->dpl & 3) << 5 |
	       (s->present & 1) << 7 |
	       (s->avl & 1) << 12 | (s->l & 1) << 13 | (s->db & 1) << 14 | (s->g & 1) << 15;
}

void khv_vmx_set_segment(struct khv_vcpu *vcpu, enum khv_seg seg, const struct kvm_segment *var)
{
	const struct seg_fields *f = &seg_fields[seg];
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 ar = segment_ar(var);

	/*
	 * VM entry wants code and data segments accessed, and a busy TSS; state
	 * from clients often is not ("SDM, Checks on Guest Segment Registers").
	 */
	if (seg < KHV_SEG_LDTR && !(ar & AR_UNUSABLE))
		ar |= 1;
	if (seg == KHV_SEG_TR && (ar & 0x1f) == 9)
		ar |= 2;

	vmx->cached &= ~VMX_CACHE_SEG(seg);
	if (khv_vmx_access_begin(vcpu)) {
		khv_vmwrite(f->selector, var->selector);
		khv_vmwrite(f->base, var->base);
		khv_vmwrite(f->limit, var->limit);
		khv_vmwrite(f->ar, ar);
	}
	khv_vmx_access_end(vcpu);
}

int khv_vmx_get_cpl(struct khv_vcpu *vcpu)
{
	struct kvm_segment ss;

	if (!khv_protected_mode(vcpu))
		return 0;
	if (!khv_long_mode(vcpu) && (khv_rflags(vcpu) & X86_EFLAGS_VM))
		return 3;
	/* SS.DPL is the CPL even when SS is null ("SDM, Guest Register State"). */
	khv_vmx_get_segment(vcpu, KHV_SEG_SS, &ss);
	return ss.dpl;
}

void khv_vmx_get_dtable(struct khv_vcpu *vcpu, bool idt, struct kvm_dtable *dt)
{
	memset(dt, 0, sizeof(*dt));
	if (khv_vmx_access_begin(vcpu)) {
		dt->base = khv_vmread(idt ? GUEST_IDTR_BASE : GUEST_GDTR_BASE);
		dt->limit = khv_vmread(idt ? GUEST_IDTR_LIMIT : GUEST_GDTR_LIMIT);
	}
	khv_vmx_access_end(vcpu);
}

void khv_vmx_set_dtable(struct khv_vcpu *vcpu, bool idt, const struct kvm_dtable *dt)
{
	if (khv_vmx_access_begin(vcpu)) {
		khv_vmwrite(idt ? GUEST_IDTR_BASE : GUEST_GDTR_BASE, dt->base);
		khv_vmwrite(idt ? GUEST_IDTR_LIMIT : GUEST_GDTR_LIMIT, dt->limit);
	}
	khv_vmx_access_end(vcpu);
}

/* With MCE clear a machine check would shut the host down. */
static u64 hardware_cr4(struct khv_vcpu *vcpu, u64 cr4)
{
	cr4 |= X86_CR4_VMXE | X86_CR4_MCE;
	if (khv_caps.umip_emulated)
		cr4 &= ~(u64)X86_CR4_UMIP;
	if (khv_caps.nested_paging)
		return cr4;
	if (!(vcpu->regs.cr0 & X86_CR0_PG))
		cr4 &= ~(u64)CR4_PAGING_ONLY;
	return cr4 | X86_CR4_PAE;
}

void khv_vmx_set_cr0(struct khv_vcpu *vcpu, u64 cr0)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u64 hw = (cr0 & ~(u64)CR0_ALWAYS_OFF) | CR0_ALWAYS_ON;

	vcpu->regs.cr0 = cr0;
	vcpu->regs.avail |= BIT(KHV_LAZY_CR0);
	if (!khv_caps.nested_paging)
		hw |= CR0_SHADOW_ON;
	vmx->flush &= ~VMX_REAL_MODE;
	if (!khv_caps.unrestricted_guest && !(cr0 & X86_CR0_PE))
		vmx->flush |= VMX_REAL_MODE;
	if (khv_vmx_access_begin(vcpu)) {
		khv_vmwrite(CR0_READ_SHADOW, cr0);
		khv_vmwrite(GUEST_CR0, hw);
		if (!khv_caps.nested_paging)
			khv_vmwrite(GUEST_CR4, hardware_cr4(vcpu, khv_cr4(vcpu)));
	}
	khv_vmx_access_end(vcpu);
}

void khv_vmx_set_cr3(struct khv_vcpu *vcpu, u64 cr3)
{
	vcpu->regs.cr3 = cr3;
	vcpu->regs.avail |= BIT(KHV_LAZY_CR3);
	/* The hardware gets the root of the shadow tables. */
	if (!khv_caps.nested_paging)
		return;
	if (!khv_vmx_access_begin(vcpu))
		goto out;
	khv_vmwrite(GUEST_CR3, cr3);
	/* Entry takes PAE's four top entries from the VMCS, not from memory. */
	if (khv_paging(vcpu) && (khv_cr4(vcpu) & X86_CR4_PAE) && !khv_long_mode(vcpu)) {
		khv_vmwrite(GUEST_PDPTR0, vcpu->regs.pdpte[0]);
		khv_vmwrite(GUEST_PDPTR1, vcpu->regs.pdpte[1]);
		khv_vmwrite(GUEST_PDPTR2, vcpu->regs.pdpte[2]);
		khv_vmwrite(GUEST_PDPTR3, vcpu->regs.pdpte[3]);
	}
out:
	khv_vmx_access_end(vcpu);
}

void khv_vmx_get_pdptes(struct khv_vcpu *vcpu, u64 pdpte[4])
{
	u64 *copy = vcpu->regs.pdpte;

	/* With EPT the guest's MOV to CR3 loads them without an exit. */
	if (khv_caps.nested_paging && khv_vmx_access_begin(vcpu)) {
		copy[0] = khv_vmread(GUEST_PDPTR0);
		copy[1] = khv_vmread(GUEST_PDPTR1);
		copy[2] = khv_vmread(GUEST_PDPTR2);
		copy[3] = khv_vmread(GUEST_PDPTR3);
	}
	if (khv_caps.nested_paging)
		khv_vmx_access_end(vcpu);
	memcpy(pdpte, copy, sizeof(vcpu->regs.pdpte));
}

void khv_vmx_set_cr4(struct khv_vcpu *vcpu, u64 cr4)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 ctl = vmx->cpu2_ctl & ~SECONDARY_EXEC_DESC;

	if (khv_caps.umip_emulated && (cr4 & X86_CR4_UMIP))
		ctl |= SECONDARY_EXEC_DESC;
	vcpu->regs.cr4 = cr4;
	vcpu->regs.avail |= BIT(KHV_LAZY_CR4);
	if (khv_vmx_access_begin(vcpu)) {
		if (unlikely(vmx->cpu2_ctl != ctl)) {
			vmx->cpu2_ctl = ctl;
			khv_vmwrite(SECONDARY_VM_EXEC_CONTROL, ctl);
		}
		khv_vmwrite(CR4_READ_SHADOW, cr4);
		khv_vmwrite(GUEST_CR4, hardware_cr4(vcpu, cr4));
	}
	khv_vmx_access_end(vcpu);
}

/*
 * Shadow tables have no-execute bits and are walked in every mode, and entry
 * wants LME and LMA to agree when paging is on.
 */
static u64 hardware_efer(u64 efer)
{
	if (khv_caps.nested_paging)
		return efer;
	efer &= ~(u64)EFER_LME;
	return efer | EFER_NX | (efer & EFER_LMA ? EFER_LME : 0);
}

void khv_vmx_set_efer(struct khv_vcpu *vcpu, u64 efer)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vcpu->regs.efer = efer;
	if (efer & EFER_LMA)
		vmx->entry_ctl |= VM_ENTRY_IA32E_MODE;
	else
		vmx->entry_ctl &= ~VM_ENTRY_IA32E_MODE;
	if (khv_vmx_access_begin(vcpu)) {
		khv_vmwrite(VM_ENTRY_CONTROLS, vmx->entry_ctl);
		/* Where entry does not load it, msr.c does what is left to do. */
		if (vmx_caps.efer)
			khv_vmwrite(GUEST_IA32_EFER, hardware_efer(efer));
	}
	khv_vmx_access_end(vcpu);
}

void khv_vmx_set_dr7(struct khv_vcpu *vcpu, u64 dr7)
{
	if (khv_vmx_access_begin(vcpu))
		khv_vmwrite(GUEST_DR7, dr7);
	khv_vmx_access_end(vcpu);
}

void khv_vmx_settle(struct khv_vcpu *vcpu)
{
	if (khv_vmx_access_begin(vcpu)) {
		khv_vmwrite(GUEST_PENDING_DBG_EXCEPTIONS, 0);
		khv_vmwrite(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	}
	khv_vmx_access_end(vcpu);
}
