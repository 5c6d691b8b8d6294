// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors; see descriptor.h. Task switches, which use them, are task.c's.
 *
 * The instructions exit where CR4.UMIP is made of that: those that store then fault
 * for all but the kernel, those that load are there because they cannot be told
 * from them ("SDM, Descriptor-Table Exiting").
 */
#include <asm/trapnr.h>

#include "emul/emul.h"
#include "mmu/walker.h"
#include "vm/vm.h"
#include "x86/descriptor.h"
#include "x86/emulate.h"
#include "x86/intercept.h"
#include "x86/regs_inline.h"

int khv_descriptor_fault(struct khv_vcpu *vcpu, u8 vector, u16 selector)
{
	khv_queue_exception_e(vcpu, vector, selector & ~SELECTOR_RPL);
	return 1;
}

/* Where @size bytes of a descriptor are: 1 when they are outside its table. */
static int descriptor_gva(struct khv_vcpu *vcpu, u16 selector, unsigned int size, gva_t *gva)
{
	struct kvm_segment ldt;
	struct kvm_dtable dt;

	if (selector & SELECTOR_TI) {
		khv_hw->get_segment(vcpu, KHV_SEG_LDTR, &ldt);
		dt.base = ldt.base;
		dt.limit = min_t(u32, ldt.limit, U16_MAX);
		if (ldt.unusable)
			return 1;
	} else {
		khv_hw->get_dtable(vcpu, false, &dt);
	}
	selector &= ~7;
	if (selector + size - 1 > dt.limit)
		return 1;
	*gva = dt.base + selector;
	if (!khv_long_mode(vcpu))
		*gva = (u32)*gva;
	return 0;
}

int khv_descriptor_read(struct khv_vcpu *vcpu, u16 selector, u8 vector, u64 *desc)
{
	gva_t gva;

	if (!(selector & ~SELECTOR_RPL) || descriptor_gva(vcpu, selector, sizeof(*desc), &gva))
		return khv_descriptor_fault(vcpu, vector, selector);
	return khv_gva_read(vcpu, gva, desc, sizeof(*desc), KHV_ACCESS_IMPLICIT);
}

int khv_descriptor_set_type(struct khv_vcpu *vcpu, u16 selector, u8 set, u8 clear)
{
	gva_t gva;
	u8 type;

	if (descriptor_gva(vcpu, selector, sizeof(u64), &gva))
		return khv_descriptor_fault(vcpu, X86_TRAP_TS, selector);
	gva += 5;
	if (khv_gva_read(vcpu, gva, &type, 1, KHV_ACCESS_IMPLICIT))
		return 1;
	type = (type & ~clear) | set;
	return khv_gva_write(vcpu, gva, &type, 1, KHV_ACCESS_IMPLICIT);
}

void khv_descriptor_decode(u64 desc, u16 selector, struct kvm_segment *s)
{
	*s = (struct kvm_segment) {
		.selector = selector,
		.base = ((desc >> 16) & 0xffffff) | ((desc >> 56) << 24),
		.limit = (desc & 0xffff) | ((desc >> 32) & 0xf0000),
		.type = (desc >> 40) & 15,
		.s = (desc >> 44) & 1,
		.dpl = (desc >> 45) & 3,
		.present = (desc >> 47) & 1,
		.avl = (desc >> 52) & 1,
		.l = (desc >> 53) & 1,
		.db = (desc >> 54) & 1,
		.g = (desc >> 55) & 1,
	};
	if (s->g)
		s->limit = s->limit << 12 | 0xfff;
}

static bool canonical(u64 addr)
{
	return (u64)((s64)(addr << 16) >> 16) == addr;
}

/* An LDT's or a TSS's, which long mode has made longer. 0, or 1 with an exception queued. */
static int read_system(struct khv_vcpu *vcpu, u16 selector, struct kvm_segment *s)
{
	unsigned int size = khv_long_mode(vcpu) ? 16 : 8;
	u64 desc[2] = {};
	gva_t gva;

	if ((selector & SELECTOR_TI) || descriptor_gva(vcpu, selector, size, &gva))
		return khv_descriptor_fault(vcpu, X86_TRAP_GP, selector);
	if (khv_gva_read(vcpu, gva, desc, size, KHV_ACCESS_IMPLICIT))
		return 1;
	khv_descriptor_decode(desc[0], selector, s);
	s->base |= desc[1] << 32;
	/* Its second half has a type, too, which must be none. */
	if (s->s || (desc[1] >> 40 & 0x1f))
		return khv_descriptor_fault(vcpu, X86_TRAP_GP, selector);
	return 0;
}

static int fault(struct khv_vcpu *vcpu, u8 vector, u16 selector)
{
	khv_descriptor_fault(vcpu, vector, selector);
	return RESUME_GUEST;
}

static int lldt(struct khv_vcpu *vcpu, u16 selector)
{
	struct kvm_segment s = { .selector = selector, .unusable = 1 };

	if (selector & ~SELECTOR_RPL) {
		if (read_system(vcpu, selector, &s))
			return RESUME_GUEST;
		if (s.type != TYPE_LDT)
			return fault(vcpu, X86_TRAP_GP, selector);
		if (!s.present)
			return fault(vcpu, X86_TRAP_NP, selector);
		if (!canonical(s.base))
			return fault(vcpu, X86_TRAP_GP, selector);
	}
	khv_hw->set_segment(vcpu, KHV_SEG_LDTR, &s);
	return khv_intercept_done(vcpu, 0);
}

static int ltr(struct khv_vcpu *vcpu, u16 selector)
{
	u8 any = khv_long_mode(vcpu) ? 0 : TYPE_32;
	struct kvm_segment s;

	if (!(selector & ~SELECTOR_RPL))
		return fault(vcpu, X86_TRAP_GP, 0);
	if (read_system(vcpu, selector, &s))
		return RESUME_GUEST;
	if ((s.type | any) != (TYPE_TSS | TYPE_32))
		return fault(vcpu, X86_TRAP_GP, selector);
	if (!s.present)
		return fault(vcpu, X86_TRAP_NP, selector);
	if (!canonical(s.base))
		return fault(vcpu, X86_TRAP_GP, selector);
	if (khv_descriptor_set_type(vcpu, selector, TYPE_BUSY, 0))
		return RESUME_GUEST;
	s.type |= TYPE_BUSY;
	khv_hw->set_segment(vcpu, KHV_SEG_TR, &s);
	return khv_intercept_done(vcpu, 0);
}

/* SLDT, STR, LLDT, LTR: a register, or two bytes of memory. */
static int access_selector(struct khv_vcpu *vcpu, const struct khv_emul_insn *insn)
{
	unsigned int op = (insn->modrm >> 3) & 7, gpr = khv_emul_rm(insn);
	bool memory = insn->modrm >> 6 != 3, store = op < 2;
	struct kvm_segment s;
	u16 selector = khv_gpr(vcpu, gpr);
	u64 val;

	khv_hw->get_segment(vcpu, op & 1 ? KHV_SEG_TR : KHV_SEG_LDTR, &s);
	if (store)
		selector = s.selector;
	if (memory && khv_emulate_operand(vcpu, &selector, sizeof(selector), store))
		return RESUME_GUEST;
	if (!store)
		return op & 1 ? ltr(vcpu, selector) : lldt(vcpu, selector);
	val = selector;
	if (insn->opsize == 2)
		val |= khv_gpr(vcpu, gpr) & ~0xffffULL;
	if (!memory)
		khv_set_gpr(vcpu, gpr, val);
	return khv_intercept_done(vcpu, 0);
}

/* SGDT, SIDT, LGDT, LIDT. With 16-bit operands the base that is loaded has 24 bits. */
static int access_table(struct khv_vcpu *vcpu, const struct khv_emul_insn *insn)
{
	unsigned int op = (insn->modrm >> 3) & 7;
	bool store = op < 2, wide = khv_64bit_code(vcpu);
	u64 mask = insn->opsize == 2 && !wide ? GENMASK(23, 0) : ~0ULL;
	struct {
		u16 limit;
		u64 base;
	} __packed operand = {};
	struct kvm_dtable dt;

	khv_hw->get_dtable(vcpu, op & 1, &dt);
	operand.limit = dt.limit;
	operand.base = dt.base;
	if (!store)
		operand.base = 0;
	if (khv_emulate_operand(vcpu, &operand, wide ? 10 : 6, store))
		return RESUME_GUEST;
	if (store)
		return khv_intercept_done(vcpu, 0);
	if (!canonical(operand.base))
		return khv_intercept_done(vcpu, 1);
	dt.base = operand.base & mask;
	dt.limit = operand.limit;
	khv_hw->set_dtable(vcpu, op & 1, &dt);
	return khv_intercept_done(vcpu, 0);
}

int khv_intercept_descriptor(struct khv_vcpu *vcpu)
{
	const struct khv_emul_insn *insn;
	unsigned int op;
	int r;

	if (khv_hw->get_cpl(vcpu))
		return khv_intercept_done(vcpu, 1);
	r = khv_emulate_decode(vcpu, &insn);
	if (!insn)
		return r;
	op = (insn->modrm >> 3) & 7;
	if (insn->map == 1 && insn->opcode == 0 && op < 4)
		return access_selector(vcpu, insn);
	if (insn->map == 1 && insn->opcode == 1 && op < 4 && insn->modrm >> 6 != 3)
		return access_table(vcpu, insn);
	return RESUME_GUEST;	/* it has changed since: try again */
}
