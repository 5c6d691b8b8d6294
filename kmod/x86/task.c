// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task switches ("SDM, Task Switching"): what is saved in the old TSS, what is
 * loaded from the new one, and which fault belongs to which of the two tasks.
 *
 * The processor has done the checks that come before it knows that a task
 * switch it is. Where they are repeated here it is because memory may have
 * changed since, or because SVM says nothing about the order.
 */
#include <linux/build_bug.h>
#include <linux/string.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "mmu/mmu.h"
#include "mmu/walker.h"
#include "vm/vm.h"
#include "x86/descriptor.h"
#include "x86/emulate.h"
#include "x86/regs_inline.h"
#include "x86/task.h"

#define GATE_ERROR	2		/* an error code's IDT bit */

#define DR6_BT		0x8000
#define DR7_LOCAL	0x155		/* L0 to L3 and LE */

/* EFLAGS as far as there are any. */
#define EFLAGS_BITS	0x3f7fd7

/* Offsets in the two kinds of TSS; registers follow each other in their encoding's order. */
struct layout {
	u8 size, width;			/* least limit + 1; bytes of a register */
	u8 saved, saved_end;		/* what a switch writes: EIP to GS */
	u8 eip, gpr, seg, segs, ldt;
};

static const struct layout layout32 = { 0x68, 4, 0x20, 0x60, 0x20, 0x28, 0x48, 6, 0x60 };
static const struct layout layout16 = { 0x2c, 2, 0x0e, 0x2a, 0x0e, 0x12, 0x22, 4, 0x2a };

#define TSS_CR3		0x1c		/* these two in the 32-bit one only */
#define TSS_TRAP	0x64

struct tss {
	u16 selector;
	u64 base;
	u32 limit;
	const struct layout *layout;
	u8 data[0x68];
};

static u32 get(const struct tss *t, unsigned int offset, unsigned int width)
{
	u32 val = 0;

	memcpy(&val, t->data + offset, width);
	return val;
}

static void put(struct tss *t, unsigned int offset, u32 val)
{
	memcpy(t->data + offset, &val, t->layout->width);
}

/* The task to switch to; its faults are still the old one's. */
static int find_new(struct khv_vcpu *vcpu, u16 selector, enum khv_task_reason reason,
		    struct tss *new)
{
	u8 busy = reason == KHV_TASK_IRET ? TYPE_BUSY : 0;
	u8 vector = reason == KHV_TASK_IRET ? X86_TRAP_TS : X86_TRAP_GP;
	struct kvm_segment s;
	u64 desc;

	if (selector & SELECTOR_TI)
		return khv_descriptor_fault(vcpu, vector, selector);
	if (khv_descriptor_read(vcpu, selector, vector, &desc))
		return 1;
	khv_descriptor_decode(desc, selector, &s);
	if (s.s || (s.type & ~TYPE_32) != (TYPE_TSS | busy))
		return khv_descriptor_fault(vcpu, vector, selector);
	if (!s.present)
		return khv_descriptor_fault(vcpu, X86_TRAP_NP, selector);
	new->selector = selector;
	new->base = s.base;
	new->limit = s.limit;
	new->layout = s.type & TYPE_32 ? &layout32 : &layout16;
	if (s.limit < new->layout->size - 1)
		return khv_descriptor_fault(vcpu, X86_TRAP_TS, selector);
	return khv_gva_read(vcpu, new->base, new->data, new->layout->size, KHV_ACCESS_IMPLICIT);
}

static int save_old(struct khv_vcpu *vcpu, struct tss *old, u32 eip, u32 eflags)
{
	const struct layout *l;
	struct kvm_segment s;
	unsigned int i;

	khv_hw->get_segment(vcpu, KHV_SEG_TR, &s);
	l = s.type & TYPE_32 ? &layout32 : &layout16;
	old->selector = s.selector;
	old->base = s.base;
	old->layout = l;
	if (s.limit < l->size - 1)
		return khv_descriptor_fault(vcpu, X86_TRAP_TS, s.selector);
	if (khv_gva_read(vcpu, old->base, old->data, l->size, KHV_ACCESS_IMPLICIT))
		return 1;
	put(old, l->eip, eip);
	put(old, l->eip + l->width, eflags);
	for (i = 0; i < 8; i++)
		put(old, l->gpr + i * l->width, khv_gpr(vcpu, i));
	for (i = 0; i < l->segs; i++) {
		khv_hw->get_segment(vcpu, KHV_SEG_ES + i, &s);
		memcpy(old->data + l->seg + i * l->width, &s.selector, sizeof(u16));
	}
	return khv_gva_write(vcpu, old->base + l->saved, old->data + l->saved,
			     l->saved_end - l->saved, KHV_ACCESS_IMPLICIT);
}

/* Busy bits and the link back. After this the switch is made. */
static int link_tasks(struct khv_vcpu *vcpu, const struct tss *old, struct tss *new,
		      enum khv_task_reason reason)
{
	if (reason == KHV_TASK_JMP || reason == KHV_TASK_IRET) {
		if (khv_descriptor_set_type(vcpu, old->selector, 0, TYPE_BUSY))
			return 1;
	} else if (khv_gva_write(vcpu, new->base, &old->selector, sizeof(u16),
				 KHV_ACCESS_IMPLICIT)) {
		return 1;
	}
	if (reason == KHV_TASK_IRET)
		return 0;
	return khv_descriptor_set_type(vcpu, new->selector, TYPE_BUSY, 0);
}

static void load_tr(struct khv_vcpu *vcpu, const struct tss *new)
{
	struct kvm_segment tr = {
		.selector = new->selector, .base = new->base, .limit = new->limit, .present = 1,
		.type = TYPE_TSS | TYPE_BUSY | (new->layout == &layout32 ? TYPE_32 : 0),
		.g = new->limit > 0xfffff,
	};

	khv_hw->set_segment(vcpu, KHV_SEG_TR, &tr);
	khv_hw->set_cr0(vcpu, khv_cr0(vcpu) | X86_CR0_TS);
	vcpu->regs.dr7 &= ~(u64)DR7_LOCAL;
	khv_update_dr7(vcpu);
}

/*
 * What the selectors alone say, before their descriptors are looked at: should one
 * of these not do, its handler is entered with the rest unusable. CS and SS must
 * be something for the processor to enter with at all.
 */
static void load_selectors(struct khv_vcpu *vcpu, const struct tss *new, bool vm86)
{
	const struct layout *l = new->layout;
	u8 cpl = vm86 ? 3 : get(new, l->seg + KHV_SEG_CS * l->width, 2) & SELECTOR_RPL;
	struct kvm_segment s;
	unsigned int seg;

	for (seg = KHV_SEG_ES; seg <= KHV_SEG_GS; seg++) {
		u16 selector = seg < l->segs ? get(new, l->seg + seg * l->width, 2) : 0;

		s = (struct kvm_segment) { .selector = selector, .unusable = 1 };
		if (vm86) {
			s = (struct kvm_segment) {
				.selector = selector, .base = (u32)selector << 4, .limit = 0xffff,
				.type = 3, .s = 1, .dpl = 3, .present = 1,
			};
		} else if (seg == KHV_SEG_CS || seg == KHV_SEG_SS) {
			s = (struct kvm_segment) {
				.selector = (selector & ~SELECTOR_RPL) | cpl, .limit = U32_MAX,
				.type = seg == KHV_SEG_CS ? 11 : 3, .s = 1, .dpl = cpl,
				.present = 1, .db = 1, .g = 1,
			};
		}
		khv_hw->set_segment(vcpu, seg, &s);
	}
}

static void load_registers(struct khv_vcpu *vcpu, const struct tss *new, bool nested)
{
	const struct layout *l = new->layout;
	u32 eflags = get(new, l->eip + l->width, l->width) & EFLAGS_BITS;
	unsigned int i;

	khv_set_rip(vcpu, get(new, l->eip, l->width));
	khv_set_rflags(vcpu, eflags | (nested ? X86_EFLAGS_NT : 0));
	for (i = 0; i < 8; i++)
		khv_set_gpr(vcpu, i, get(new, l->gpr + i * l->width, l->width));
	load_selectors(vcpu, new, eflags & X86_EFLAGS_VM);
}

static int load_ldt(struct khv_vcpu *vcpu, u16 selector)
{
	struct kvm_segment s = { .selector = selector, .unusable = 1 };
	u64 desc;

	khv_hw->set_segment(vcpu, KHV_SEG_LDTR, &s);
	if (!(selector & ~SELECTOR_RPL))
		return 0;
	if (selector & SELECTOR_TI)
		return khv_descriptor_fault(vcpu, X86_TRAP_TS, selector);
	if (khv_descriptor_read(vcpu, selector, X86_TRAP_TS, &desc))
		return 1;
	khv_descriptor_decode(desc, selector, &s);
	if (s.s || s.type != TYPE_LDT || !s.present)
		return khv_descriptor_fault(vcpu, X86_TRAP_TS, selector);
	khv_hw->set_segment(vcpu, KHV_SEG_LDTR, &s);
	return 0;
}

/* "SDM, Exception Conditions Checked During a Task Switch": rights, then presence. */
static bool segment_fits(enum khv_seg seg, const struct kvm_segment *s, u8 cpl)
{
	bool code = s->type & 8, conforming = code && (s->type & 4);
	u8 rpl = s->selector & SELECTOR_RPL;

	if (!s->s)
		return false;
	if (seg == KHV_SEG_CS)
		return code && (conforming ? s->dpl <= cpl : s->dpl == cpl);
	if (seg == KHV_SEG_SS)
		return !code && (s->type & 2) && s->dpl == cpl && rpl == cpl;
	if (code && !(s->type & 2))
		return false;
	return conforming || (s->dpl >= cpl && s->dpl >= rpl);
}

static int load_segment(struct khv_vcpu *vcpu, enum khv_seg seg, u16 selector, u8 cpl)
{
	struct kvm_segment s;
	u64 desc;

	if (!(selector & ~SELECTOR_RPL) && seg != KHV_SEG_CS && seg != KHV_SEG_SS)
		return 0;	/* null, as it is by now */
	if (khv_descriptor_read(vcpu, selector, X86_TRAP_TS, &desc))
		return 1;
	khv_descriptor_decode(desc, selector, &s);
	if (!segment_fits(seg, &s, cpl))
		return khv_descriptor_fault(vcpu, X86_TRAP_TS, selector);
	if (!s.present)
		return khv_descriptor_fault(vcpu, seg == KHV_SEG_SS ? X86_TRAP_SS : X86_TRAP_NP,
					    selector);
	if (!(s.type & 1) && khv_descriptor_set_type(vcpu, selector, 1, 0))
		return 1;
	s.type |= 1;
	khv_hw->set_segment(vcpu, seg, &s);
	return 0;
}

static int load_segments(struct khv_vcpu *vcpu, const struct tss *new)
{
	static const u8 order[] = { KHV_SEG_CS, KHV_SEG_SS, KHV_SEG_DS, KHV_SEG_ES, KHV_SEG_FS,
				    KHV_SEG_GS };
	const struct layout *l = new->layout;
	u8 cpl = get(new, l->seg + KHV_SEG_CS * l->width, 2) & SELECTOR_RPL;
	unsigned int i;

	if (load_ldt(vcpu, get(new, l->ldt, 2)))
		return 1;
	if (khv_rflags(vcpu) & X86_EFLAGS_VM)
		return 0;
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		if (order[i] < l->segs &&
		    load_segment(vcpu, order[i], get(new, l->seg + order[i] * l->width, 2), cpl))
			return 1;
	}
	return 0;
}

/* The event that came through a task gate may have an error code. */
static int push_error(struct khv_vcpu *vcpu, const struct tss *new, u32 error)
{
	u32 access = khv_hw->get_cpl(vcpu) == 3 ? KHV_ACCESS_USER : 0;
	u32 esp = khv_rsp(vcpu) - new->layout->width;
	struct kvm_segment ss;

	khv_hw->get_segment(vcpu, KHV_SEG_SS, &ss);
	if (!ss.db)
		esp = (khv_rsp(vcpu) & ~0xffffULL) | (u16)esp;
	khv_set_rsp(vcpu, esp);
	return khv_gva_write(vcpu, (u32)(ss.base + (ss.db ? esp : (u16)esp)), &error,
			     new->layout->width, access);
}

/* INT n through a task gate asks the gate's DPL; what it was for is not asked. */
static int check_gate(struct khv_vcpu *vcpu, const struct khv_event *ev)
{
	struct kvm_dtable idt;
	u64 gate;

	if (ev->kind != KHV_EVENT_SOFT_INT && ev->kind != KHV_EVENT_SOFT_EXC)
		return 0;
	khv_hw->get_dtable(vcpu, true, &idt);
	if (ev->vector * 8 + 7 > idt.limit)
		goto refused;
	if (khv_gva_read(vcpu, (u32)(idt.base + ev->vector * 8), &gate, sizeof(gate),
			 KHV_ACCESS_IMPLICIT))
		return 1;
	if (((gate >> 45) & 3) >= khv_hw->get_cpl(vcpu))
		return 0;
refused:
	khv_queue_exception_e(vcpu, X86_TRAP_GP, ev->vector * 8 | GATE_ERROR);
	return 1;
}

/* The new task's half: what fails now is a fault of its own, before its first instruction. */
static int enter_task(struct khv_vcpu *vcpu, const struct tss *new, enum khv_task_reason reason,
		      const struct khv_event *ev)
{
	bool wide = new->layout == &layout32;

	load_tr(vcpu, new);
	load_registers(vcpu, new, reason == KHV_TASK_CALL || reason == KHV_TASK_GATE);
	khv_hw->set_interrupt_shadow(vcpu, 0);
	if (wide && khv_paging(vcpu) && khv_write_cr3(vcpu, get(new, TSS_CR3, 4)))
		return khv_descriptor_fault(vcpu, X86_TRAP_TS, new->selector);
	if (load_segments(vcpu, new))
		return 1;
	if (ev->kind == KHV_EVENT_NMI)
		khv_hw->set_nmi_blocked(vcpu, true);
	else if (reason == KHV_TASK_IRET)
		khv_hw->set_nmi_blocked(vcpu, false);
	if (ev->has_error && push_error(vcpu, new, ev->error_code))
		return 1;
	if (wide && (new->data[TSS_TRAP] & 1))
		khv_queue_db(vcpu, DR6_BT);
	return 0;
}

int khv_task_switch(struct khv_vcpu *vcpu, u16 selector, enum khv_task_reason reason,
		    u32 insn_len)
{
	struct khv_event ev = { .kind = KHV_EVENT_NONE };
	bool stepped = vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP;
	u32 eflags = khv_rflags(vcpu);
	struct tss old, new;

	/* TF is the client's then, not the task's. */
	if (stepped)
		eflags &= ~X86_EFLAGS_TF;
	if (reason == KHV_TASK_GATE)
		ev = vcpu->events.active;
	if (reason == KHV_TASK_IRET)
		eflags &= ~X86_EFLAGS_NT;
	/* A fault's handler finds RF set, as on any other way to it. */
	if (ev.kind == KHV_EVENT_EXCEPTION && ev.vector != X86_TRAP_DB)
		eflags |= X86_EFLAGS_RF;
	if (check_gate(vcpu, &ev) || find_new(vcpu, selector, reason, &new) ||
	    save_old(vcpu, &old, khv_rip(vcpu) + insn_len, eflags) ||
	    link_tasks(vcpu, &old, &new, reason))
		return RESUME_GUEST;
	/* Delivered. A fault of the new task does not add up with it. */
	vcpu->events.active.kind = KHV_EVENT_NONE;
	enter_task(vcpu, &new, reason, &ev);
	if (stepped)
		khv_debug_trap(vcpu);
	return RESUME_GUEST;
}
