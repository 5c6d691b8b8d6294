// SPDX-License-Identifier: GPL-2.0-only
/*
 * The client's view of the guest's registers: KVM_GET/SET_REGS, SREGS and
 * DEBUGREGS, and the values after power-on and INIT.
 *
 * A client may set states that no MOV could reach in one step, so the checks
 * here look at all registers together; cr.c has the guest's own writes.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <linux/bitmap.h>
#include <linux/string.h>

#include "irqchip/irqchip.h"
#include "mmu/walker.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/regs_inline.h"

/* "SDM, Processor State After Reset". */
#define RESET_CR0	(X86_CR0_CD | X86_CR0_NW | X86_CR0_ET)
#define RESET_DR6	0xffff0ff0ULL
#define RESET_DR7	0x400ULL
#define RESET_SIGNATURE	0x600	/* RDX of a vCPU whose client has set no CPUID yet */

/* While a client steps the guest, TF is the client's. */
static u64 flags_for_client(struct khv_vcpu *vcpu)
{
	u64 hidden = vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP ? X86_EFLAGS_TF : 0;

	return khv_rflags(vcpu) & ~hidden;
}

void khv_get_regs(struct khv_vcpu *vcpu, struct kvm_regs *regs)
{
	const u64 *gpr = vcpu->regs.gpr;

	*regs = (struct kvm_regs) {
		.rax = gpr[KHV_RAX], .rbx = gpr[KHV_RBX],
		.rcx = gpr[KHV_RCX], .rdx = gpr[KHV_RDX],
		.rsi = gpr[KHV_RSI], .rdi = gpr[KHV_RDI],
		.rsp = khv_rsp(vcpu), .rbp = gpr[KHV_RBP],
		.r8 = gpr[KHV_R8], .r9 = gpr[KHV_R9],
		.r10 = gpr[KHV_R10], .r11 = gpr[KHV_R11],
		.r12 = gpr[KHV_R12], .r13 = gpr[KHV_R13],
		.r14 = gpr[KHV_R14], .r15 = gpr[KHV_R15],
		.rip = khv_rip(vcpu), .rflags = flags_for_client(vcpu),
	};
}

int khv_set_regs(struct khv_vcpu *vcpu, const struct kvm_regs *regs)
{
	u64 *gpr = vcpu->regs.gpr;

	gpr[KHV_RAX] = regs->rax;
	gpr[KHV_RBX] = regs->rbx;
	gpr[KHV_RCX] = regs->rcx;
	gpr[KHV_RDX] = regs->rdx;
	gpr[KHV_RSI] = regs->rsi;
	gpr[KHV_RDI] = regs->rdi;
	gpr[KHV_RBP] = regs->rbp;
	gpr[KHV_R8] = regs->r8;
	gpr[KHV_R9] = regs->r9;
	gpr[KHV_R10] = regs->r10;
	gpr[KHV_R11] = regs->r11;
	gpr[KHV_R12] = regs->r12;
	gpr[KHV_R13] = regs->r13;
	gpr[KHV_R14] = regs->r14;
	gpr[KHV_R15] = regs->r15;
	khv_set_rsp(vcpu, regs->rsp);
	khv_set_rip(vcpu, regs->rip);
	khv_set_rflags(vcpu, regs->rflags);

	/* An exception that waits belongs to the instruction that was there before. */
	vcpu->events.exception.kind = KHV_EVENT_NONE;
	khv_request(vcpu, KHV_REQ_EVENT);
	return 0;
}

static void get_dtable(struct khv_vcpu *vcpu, bool idt, struct kvm_dtable *dt)
{
	memset(dt, 0, sizeof(*dt));
	khv_hw->get_dtable(vcpu, idt, dt);
}

static void get_segment(struct khv_vcpu *vcpu, enum khv_seg seg, struct kvm_segment *var)
{
	memset(var, 0, sizeof(*var));
	khv_hw->get_segment(vcpu, seg, var);
}

void khv_get_sregs(struct khv_vcpu *vcpu, struct kvm_sregs *sregs)
{
	const struct khv_events *ev = &vcpu->events;
	unsigned long *bitmap = (unsigned long *)sregs->interrupt_bitmap;

	memset(sregs, 0, sizeof(*sregs));
	get_segment(vcpu, KHV_SEG_CS, &sregs->cs);
	get_segment(vcpu, KHV_SEG_DS, &sregs->ds);
	get_segment(vcpu, KHV_SEG_ES, &sregs->es);
	get_segment(vcpu, KHV_SEG_FS, &sregs->fs);
	get_segment(vcpu, KHV_SEG_GS, &sregs->gs);
	get_segment(vcpu, KHV_SEG_SS, &sregs->ss);
	get_segment(vcpu, KHV_SEG_TR, &sregs->tr);
	get_segment(vcpu, KHV_SEG_LDTR, &sregs->ldt);
	get_dtable(vcpu, true, &sregs->idt);
	get_dtable(vcpu, false, &sregs->gdt);

	sregs->cr0 = khv_cr0(vcpu);
	sregs->cr2 = vcpu->regs.cr2;
	sregs->cr3 = khv_cr3(vcpu);
	sregs->cr4 = khv_cr4(vcpu);
	sregs->cr8 = khv_read_cr8(vcpu);
	sregs->efer = vcpu->regs.efer;
	sregs->apic_base = vcpu->msrs.apic_base;

	if (ev->active.kind == KHV_EVENT_INTERRUPT)
		__set_bit(ev->active.vector, bitmap);
	else if (!vcpu->lapic && ev->ext_vector >= 0 && ev->ext_vector < KVM_NR_INTERRUPTS)
		__set_bit(ev->ext_vector, bitmap);
}

/* Could a processor be in this state? */
static bool sregs_valid(struct khv_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	if (!khv_cr0_valid(sregs->cr0))
		return false;
	if (sregs->cr4 & ~khv_cr4_allowed(vcpu))
		return false;
	if (sregs->efer & ~khv_efer_allowed(vcpu, true))
		return false;
	if (sregs->cr8 & ~0xfULL)
		return false;

	if ((sregs->cr0 & X86_CR0_PG) && (sregs->efer & EFER_LME)) {
		if (!(sregs->cr4 & X86_CR4_PAE) || !(sregs->efer & EFER_LMA))
			return false;
		if (sregs->cr3 & vcpu->cpuid.cr3_reserved)
			return false;
	} else if ((sregs->efer & EFER_LMA) || sregs->cs.l) {
		return false;
	}
	/*
	 * CR4.PCIDE outside long mode is let through, as KVM does: clients probe
	 * CR4 bits one by one, and VM entry refuses to run such a state.
	 */
	return true;
}

/* IA32_APIC_BASE of a vCPU whose local APIC, if it has one, is the client's. */
static int set_apic_base(struct khv_vcpu *vcpu, u64 base)
{
	u64 reserved = vcpu->cpuid.cr3_reserved | 0x2ff;
	u64 mode = base & (X2APIC_ENABLE | MSR_IA32_APICBASE_ENABLE);

	if (vcpu->lapic)
		return khv_lapic_set_base(vcpu, base, true) ? -EINVAL : 0;
	if (!khv_has(vcpu, X2APIC))
		reserved |= X2APIC_ENABLE;
	if ((base & reserved) || mode == X2APIC_ENABLE)
		return -EINVAL;
	vcpu->msrs.apic_base = base;
	return 0;
}

static void set_segments(struct khv_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	khv_hw->set_dtable(vcpu, true, &sregs->idt);
	khv_hw->set_dtable(vcpu, false, &sregs->gdt);
	khv_hw->set_segment(vcpu, KHV_SEG_CS, &sregs->cs);
	khv_hw->set_segment(vcpu, KHV_SEG_DS, &sregs->ds);
	khv_hw->set_segment(vcpu, KHV_SEG_ES, &sregs->es);
	khv_hw->set_segment(vcpu, KHV_SEG_FS, &sregs->fs);
	khv_hw->set_segment(vcpu, KHV_SEG_GS, &sregs->gs);
	khv_hw->set_segment(vcpu, KHV_SEG_SS, &sregs->ss);
	khv_hw->set_segment(vcpu, KHV_SEG_TR, &sregs->tr);
	khv_hw->set_segment(vcpu, KHV_SEG_LDTR, &sregs->ldt);
}

static void set_interrupt_bitmap(struct khv_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	unsigned long vector = find_first_bit((const unsigned long *)sregs->interrupt_bitmap,
					      KVM_NR_INTERRUPTS);

	if (vector >= KVM_NR_INTERRUPTS)
		return;
	vcpu->events.active = (struct khv_event) {
		.kind = KHV_EVENT_INTERRUPT,
		.vector = vector,
	};
	khv_request(vcpu, KHV_REQ_EVENT);
}

/*
 * Clients that model a reset through registers alone never un-halt the boot
 * processor; KVM knows it by its reset vector, and so it is here.
 */
static void unhalt_after_reset(struct khv_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	if (vcpu->id == vcpu->vm->bsp_id && khv_rip(vcpu) == 0xfff0 &&
	    sregs->cs.selector == 0xf000 && sregs->cs.base == 0xffff0000 &&
	    !(sregs->cr0 & X86_CR0_PE)) {
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
		/* It may have halted without an exit. */
		khv_hw->settle(vcpu);
	}
}

static bool pae_mode(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

/* @pdptes: PAE's, or NULL to read them from where CR3 points. 0 or -EINVAL. */
static int set_sregs(struct khv_vcpu *vcpu, const struct kvm_sregs *sregs, const u64 *pdptes)
{
	u64 pdpte[4];

	if (!sregs_valid(vcpu, sregs))
		return -EINVAL;
	if (set_apic_base(vcpu, sregs->apic_base))
		return -EINVAL;

	set_segments(vcpu, sregs);
	vcpu->regs.cr2 = sregs->cr2;
	khv_write_cr8(vcpu, sregs->cr8);
	khv_hw->set_efer(vcpu, sregs->efer);
	khv_hw->set_cr0(vcpu, sregs->cr0 | X86_CR0_ET);
	khv_hw->set_cr4(vcpu, sregs->cr4);

	/* The table may not be in memory yet: the guest's first walk will tell. */
	if (!pdptes && pae_mode(sregs->cr0, sregs->cr4, sregs->efer) &&
	    !khv_load_pdptes(vcpu, sregs->cr3, pdpte))
		pdptes = pdpte;
	if (pdptes)
		memcpy(vcpu->regs.pdpte, pdptes, sizeof(vcpu->regs.pdpte));
	khv_hw->set_cr3(vcpu, sregs->cr3);
	khv_hw->flush_tlb(vcpu);
	khv_shadow_mode_changed(vcpu);

	khv_cpuid_refresh(vcpu);
	unhalt_after_reset(vcpu, sregs);
	return 0;
}

int khv_set_sregs(struct khv_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	int r = set_sregs(vcpu, sregs, NULL);

	if (!r)
		set_interrupt_bitmap(vcpu, sregs);
	return r;
}

/* struct kvm_sregs2 is struct kvm_sregs up to what the latter ends with. */
#define SREGS_COMMON	offsetof(struct kvm_sregs, interrupt_bitmap)
static_assert(offsetof(struct kvm_sregs2, flags) == SREGS_COMMON);

void khv_get_sregs2(struct khv_vcpu *vcpu, struct kvm_sregs2 *sregs2)
{
	struct kvm_sregs sregs;

	khv_get_sregs(vcpu, &sregs);
	memset(sregs2, 0, sizeof(*sregs2));
	memcpy(sregs2, &sregs, SREGS_COMMON);
	if (!pae_mode(sregs.cr0, sregs.cr4, sregs.efer))
		return;
	khv_hw->get_pdptes(vcpu, sregs2->pdptrs);
	sregs2->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
}

int khv_set_sregs2(struct khv_vcpu *vcpu, const struct kvm_sregs2 *sregs2)
{
	bool pdptes = sregs2->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
	struct kvm_sregs sregs = { 0 };

	if (sregs2->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	if (pdptes && !pae_mode(sregs2->cr0, sregs2->cr4, sregs2->efer))
		return -EINVAL;
	memcpy(&sregs, sregs2, SREGS_COMMON);
	return set_sregs(vcpu, &sregs, pdptes ? sregs2->pdptrs : NULL);
}

void khv_get_debugregs(struct khv_vcpu *vcpu, struct kvm_debugregs *dbg)
{
	memset(dbg, 0, sizeof(*dbg));
	memcpy(dbg->db, vcpu->regs.dr, sizeof(dbg->db));
	dbg->dr6 = vcpu->regs.dr6;
	dbg->dr7 = vcpu->regs.dr7;
}

int khv_set_debugregs(struct khv_vcpu *vcpu, const struct kvm_debugregs *dbg)
{
	if (dbg->flags || dbg->dr6 >> 32 || dbg->dr7 >> 32)
		return -EINVAL;
	memcpy(vcpu->regs.dr, dbg->db, sizeof(dbg->db));
	/* Like MOV to DR6 and DR7: bits that are wired stay what they are. */
	khv_write_dr(vcpu, 6, dbg->dr6);
	khv_write_dr(vcpu, 7, dbg->dr7);
	return 0;
}

static void reset_segments(struct khv_vcpu *vcpu)
{
	static const struct kvm_dtable dtable = { .limit = 0xffff };
	struct kvm_segment var = { .limit = 0xffff, .type = 3, .present = 1, .s = 1 };
	enum khv_seg seg;

	for (seg = KHV_SEG_ES; seg <= KHV_SEG_GS; seg++) {
		if (seg != KHV_SEG_CS)
			khv_hw->set_segment(vcpu, seg, &var);
	}
	var.type = 11;
	var.selector = 0xf000;
	var.base = 0xffff0000;
	khv_hw->set_segment(vcpu, KHV_SEG_CS, &var);

	var = (struct kvm_segment) { .limit = 0xffff, .type = 2, .present = 1 };
	khv_hw->set_segment(vcpu, KHV_SEG_LDTR, &var);
	/* A busy 32-bit TSS: VM entry takes no other in protected mode. */
	var.type = 11;
	khv_hw->set_segment(vcpu, KHV_SEG_TR, &var);

	khv_hw->set_dtable(vcpu, true, &dtable);
	khv_hw->set_dtable(vcpu, false, &dtable);
}

void khv_regs_reset(struct khv_vcpu *vcpu, bool init)
{
	struct khv_regs *regs = &vcpu->regs;
	u32 eax = 1, ebx = 0, ecx = 0, edx = 0;
	/* INIT leaves the caches as they were configured. */
	u64 cr0 = init ? (khv_cr0(vcpu) & (X86_CR0_CD | X86_CR0_NW)) | X86_CR0_ET : RESET_CR0;

	khv_cpuid_query(vcpu, &eax, &ebx, &ecx, &edx);
	memset(regs->gpr, 0, sizeof(regs->gpr));
	regs->gpr[KHV_RDX] = eax ? eax : RESET_SIGNATURE;
	khv_set_rsp(vcpu, 0);
	khv_set_rip(vcpu, 0xfff0);
	khv_set_rflags(vcpu, X86_EFLAGS_FIXED);

	memset(regs->pdpte, 0, sizeof(regs->pdpte));
	memset(regs->dr, 0, sizeof(regs->dr));
	regs->dr6 = RESET_DR6;
	regs->dr7 = RESET_DR7;
	regs->cr2 = 0;
	regs->cr8 = 0;

	reset_segments(vcpu);
	khv_hw->set_efer(vcpu, 0);
	khv_hw->set_cr0(vcpu, cr0);
	khv_hw->set_cr4(vcpu, 0);
	khv_hw->set_cr3(vcpu, 0);
	khv_update_dr7(vcpu);
	khv_hw->settle(vcpu);
	khv_hw->flush_tlb(vcpu);
	khv_shadow_mode_changed(vcpu);
	khv_cpuid_refresh(vcpu);
}
