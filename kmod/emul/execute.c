// SPDX-License-Identifier: GPL-2.0-only
/*
 * Execution of a decoded instruction: load the operands, dispatch, write the
 * result back, commit. All changes go to em->next first; what fails before its
 * memory is written leaves no trace.
 */
#include <linux/errno.h>
#include <linux/nospec.h>
#include <linux/string.h>
#include <linux/types.h>

#include "internal.h"

u64 khv_emul_reg(const struct khv_emul *em, unsigned int reg, u32 size)
{
	reg = array_index_nospec(reg, KHV_EMUL_NR_GPRS);
	return em->next.gpr[reg] & khv_emul_mask(size);
}

/* A 32-bit result clears the upper half, a smaller one keeps the rest. */
void khv_emul_set_reg(struct khv_emul *em, unsigned int reg, u32 size, u64 val)
{
	u64 *r = &em->next.gpr[array_index_nospec(reg, KHV_EMUL_NR_GPRS)];
	u64 mask = khv_emul_mask(size);

	if (size == 4)
		*r = (u32)val;
	else
		*r = (*r & ~mask) | (val & mask);
}

static void store_reg(struct khv_emul *em, const struct khv_emul_operand *o, u64 val)
{
	u64 *r = &em->next.gpr[array_index_nospec(o->reg, KHV_EMUL_NR_GPRS)];

	if (o->high)
		*r = (*r & ~0xff00ULL) | (val & 0xff) << 8;
	else
		khv_emul_set_reg(em, o->reg, o->size, val);
}

static int load(struct khv_emul *em, struct khv_emul_operand *o, u32 flags)
{
	int rc;

	switch (o->kind) {
	case KHV_OPERAND_REG:
		o->val = khv_emul_reg(em, o->reg, 8) >> (o->high ? 8 : 0);
		o->val &= khv_emul_mask(o->size);
		break;
	case KHV_OPERAND_MEM:
		o->val = 0;
		rc = khv_emul_read(em, o->seg, o->ea, &o->val, o->size, flags);
		if (rc)
			return rc;
		break;
	default:
		break;
	}
	o->orig = o->val;
	return KHV_EMUL_OK;
}

static int store(struct khv_emul *em, struct khv_emul_operand *o)
{
	const struct khv_emul_insn *d = &em->insn;
	bool locked = d->lock || d->op == KHV_OP_XCHG;

	switch (o->kind) {
	case KHV_OPERAND_REG:
		store_reg(em, o, o->val);
		return KHV_EMUL_OK;
	case KHV_OPERAND_MEM:
		if (locked)
			return khv_emul_cmpxchg(em, o->seg, o->ea, &o->orig,
						&o->val, o->size);
		return khv_emul_write(em, o->seg, o->ea, &o->val, o->size);
	default:
		return KHV_EMUL_OK;
	}
}

/*
 * BT, BTS, BTR, BTC with a bit offset in a register reach beyond the operand
 * that ModRM addresses: the offset is a signed number of bits from it.
 */
static void apply_bit_offset(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	s64 offset;

	if (d->dst.kind != KHV_OPERAND_MEM)
		return;
	offset = (s64)khv_emul_sext(d->src.val, d->src.size);
	offset = (offset >> 3) & ~(s64)(d->dst.size - 1);
	d->dst.ea = (d->dst.ea + (u64)offset) & khv_emul_mask(d->adsize);
}

/* Registers first: a bit offset needs its register before the memory. */
static int load_operands(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	int rc;

	if (d->flags & KHV_F_NOLOAD)
		return KHV_EMUL_OK;
	rc = load(em, &d->src, 0);
	if (rc)
		return rc;
	if (d->flags & KHV_F_BITOFF)
		apply_bit_offset(em);
	if (d->flags & KHV_F_WO)
		return KHV_EMUL_OK;
	return load(em, &d->dst, d->flags & KHV_F_RO ? 0 : KHV_EMUL_RMW);
}

static int do_cmpxchg(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	u64 *flags = &em->next.rflags;
	u64 acc = khv_emul_reg(em, KHV_EMUL_RAX, d->opsize);

	khv_emul_alu_binary(KHV_OP_CMP, d->opsize, acc, d->dst.val, flags);
	if (*flags & X86_EFLAGS_ZF) {
		d->dst.val = d->src.val;
		return store(em, &d->dst);
	}
	khv_emul_set_reg(em, KHV_EMUL_RAX, d->opsize, d->dst.val);
	/* SDM: memory "receives a write cycle" even so, with its old value. */
	return d->dst.kind == KHV_OPERAND_MEM ? store(em, &d->dst) : KHV_EMUL_OK;
}

/* CMPXCHG8B and, with REX.W, CMPXCHG16B. */
static int do_cmpxchg_pair(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	u32 half = d->rex & 8 ? 8 : 4;
	u64 old[2] = {}, new[2], linear;
	u64 lo = khv_emul_reg(em, KHV_EMUL_RAX, half);
	u64 hi = khv_emul_reg(em, KHV_EMUL_RDX, half);
	bool equal;
	int rc;

	rc = khv_emul_linearize(em, d->dst.seg, d->dst.ea, half * 2, true, &linear);
	/* CMPXCHG16B: #GP(0), whatever the segment. */
	if (!rc && half == 8 && (linear & 15))
		return khv_emul_fault(em, KHV_EXC_GP, 0);
	if (!rc)
		rc = em->ops->read(em, linear, old, half * 2, KHV_EMUL_RMW);
	if (rc)
		return rc;
	new[0] = khv_emul_reg(em, KHV_EMUL_RBX, half);
	new[1] = khv_emul_reg(em, KHV_EMUL_RCX, half);
	if (half == 4) {
		new[0] |= new[1] << 32;
		equal = old[0] == (lo | hi << 32);
	} else {
		equal = old[0] == lo && old[1] == hi;
	}
	if (equal) {
		em->next.rflags |= X86_EFLAGS_ZF;
		return em->ops->compare_write(em, linear, old, new, half * 2);
	}
	em->next.rflags &= ~(u64)X86_EFLAGS_ZF;
	khv_emul_set_reg(em, KHV_EMUL_RAX, half, old[0]);
	khv_emul_set_reg(em, KHV_EMUL_RDX, half, half == 4 ? old[0] >> 32 : old[1]);
	return em->ops->compare_write(em, linear, old, old, half * 2);
}

static int do_exchange(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	u64 old = d->dst.val;
	int rc;

	/* 90 is NOP or PAUSE: it does not even clear the upper half of RAX. */
	if (d->opcode == 0x90 && (d->dst.reg == d->src.reg || d->rep == 0xf3))
		return KHV_EMUL_OK;
	if (d->op == KHV_OP_XADD) {
		d->dst.val = khv_emul_alu_binary(KHV_OP_ADD, d->opsize, old, d->src.val,
						 &em->next.rflags);
		/* With the same register twice the sum is what stays. */
		store_reg(em, &d->src, old);
		return store(em, &d->dst);
	}
	d->dst.val = d->src.val;
	rc = store(em, &d->dst);
	if (!rc)
		store_reg(em, &d->src, old);
	return rc;
}

static int do_multiply(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	u64 a = khv_emul_reg(em, KHV_EMUL_RAX, d->opsize);
	u64 lo, hi;

	khv_emul_alu_mul(d->op == KHV_OP_IMUL, d->opsize, a, d->src.val, &lo, &hi,
			 &em->next.rflags);
	if (d->opsize == 1) {
		khv_emul_set_reg(em, KHV_EMUL_RAX, 2, lo | hi << 8);
		return KHV_EMUL_OK;
	}
	khv_emul_set_reg(em, KHV_EMUL_RAX, d->opsize, lo);
	khv_emul_set_reg(em, KHV_EMUL_RDX, d->opsize, hi);
	return KHV_EMUL_OK;
}

static int do_divide(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	u64 lo = khv_emul_reg(em, KHV_EMUL_RAX, d->opsize);
	u64 hi = khv_emul_reg(em, KHV_EMUL_RDX, d->opsize);
	u64 quotient, remainder;

	if (d->opsize == 1)
		hi = khv_emul_reg(em, KHV_EMUL_RAX, 2) >> 8;
	if (!khv_emul_alu_div(d->op == KHV_OP_IDIV, d->opsize, lo, hi, d->src.val,
			      &quotient, &remainder))
		return khv_emul_fault(em, KHV_EXC_DE, 0);
	if (d->opsize == 1) {
		khv_emul_set_reg(em, KHV_EMUL_RAX, 2, quotient | remainder << 8);
		return KHV_EMUL_OK;
	}
	khv_emul_set_reg(em, KHV_EMUL_RAX, d->opsize, quotient);
	khv_emul_set_reg(em, KHV_EMUL_RDX, d->opsize, remainder);
	return KHV_EMUL_OK;
}

static int do_multiply_short(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	u64 b = d->op == KHV_OP_IMUL3 ? d->imm : d->dst.val;
	u64 hi;

	khv_emul_alu_mul(true, d->opsize, d->src.val, b, &d->dst.val, &hi,
			 &em->next.rflags);
	return store(em, &d->dst);
}

static int do_shift(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	u64 *flags = &em->next.rflags;
	u8 count = d->src.val;

	if (d->op == KHV_OP_SHLD || d->op == KHV_OP_SHRD) {
		count = d->flags & KHV_F_IMM8 ? d->imm :
			khv_emul_reg(em, KHV_EMUL_RCX, 1);
		d->dst.val = khv_emul_alu_shift_double(d->op, d->opsize, d->dst.val,
						       d->src.val, count, flags);
	} else {
		d->dst.val = khv_emul_alu_shift(d->op, d->opsize, d->dst.val, count,
						flags);
	}
	return store(em, &d->dst);
}

static int do_scan(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;

	if (!khv_emul_alu_scan(d->op, d->opsize, d->src.val, &d->dst.val,
			       &em->next.rflags))
		return KHV_EMUL_OK;
	return store(em, &d->dst);
}

static int do_move(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	u32 reg = (d->modrm >> 3) & 7;

	switch (d->op) {
	case KHV_OP_MOVSX:
		d->dst.val = khv_emul_sext(d->src.val, d->src.size);
		break;
	case KHV_OP_MOVBE:
		d->dst.val = khv_emul_byteswap(d->src.val, d->opsize);
		break;
	case KHV_OP_BSWAP:
		/* Undefined for 16 bits; processors are seen to give 0. */
		d->dst.val = d->opsize == 2 ? 0 :
			     khv_emul_byteswap(d->dst.val, d->opsize);
		break;
	case KHV_OP_LEA:
		d->dst.val = d->mem.ea;
		break;
	case KHV_OP_SETCC:
		d->dst.val = khv_emul_condition(d->opcode, em->next.rflags);
		break;
	case KHV_OP_CMOVCC:
		if (khv_emul_condition(d->opcode, em->next.rflags))
			d->dst.val = d->src.val;
		break;
	case KHV_OP_MOV_FROM_SREG:
		if (reg >= KHV_EMUL_NR_SEGS)
			return khv_emul_fault(em, KHV_EXC_UD, 0);
		/* To memory it is 16 bits wide whatever the operand size. */
		if (d->dst.kind == KHV_OPERAND_MEM)
			d->dst.size = 2;
		d->dst.val = khv_emul_segment(em, reg)->selector;
		break;
	default: /* MOV, MOVZX */
		d->dst.val = d->src.val;
		break;
	}
	return store(em, &d->dst);
}

static int do_stack(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	int rc;

	if (d->op == KHV_OP_PUSH)
		return khv_emul_push(em, d->src.val, d->opsize);
	rc = khv_emul_pop(em, &d->dst.val, d->opsize);
	if (rc)
		return rc;
	/* POP into memory relative to the stack pointer sees it incremented. */
	if (d->dst.kind == KHV_OPERAND_MEM && d->sp_based)
		d->dst.ea = (d->dst.ea + d->opsize) & khv_emul_mask(d->adsize);
	return store(em, &d->dst);
}

static int do_branch(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	u64 target = d->src.val;
	int rc;

	switch (d->op) {
	case KHV_OP_JCC:
		if (!khv_emul_condition(d->opcode, em->next.rflags))
			return KHV_EMUL_OK;
		fallthrough;
	case KHV_OP_JMP_REL:
	case KHV_OP_CALL_REL:
		target = d->next_rip + d->imm;
		break;
	case KHV_OP_RET:
		rc = khv_emul_pop(em, &target, d->opsize);
		if (rc)
			return rc;
		break;
	default:
		break;
	}
	rc = khv_emul_branch(em, target, d->opsize);
	if (rc)
		return rc;
	if (d->op == KHV_OP_CALL || d->op == KHV_OP_CALL_REL)
		return khv_emul_push(em, d->next_rip, d->opsize);
	if (d->op == KHV_OP_RET && (d->flags & KHV_F_IMM16))
		khv_emul_stack_release(em, (u16)d->imm);
	return KHV_EMUL_OK;
}

static int do_alu(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	u64 *flags = &em->next.rflags;

	if (d->op >= KHV_OP_BT && d->op <= KHV_OP_BTC)
		d->dst.val = khv_emul_alu_bit(d->op, d->opsize, d->dst.val,
					      d->src.val, flags);
	else if (d->op >= KHV_OP_INC && d->op <= KHV_OP_NEG)
		d->dst.val = khv_emul_alu_unary(d->op, d->opsize, d->dst.val, flags);
	else
		d->dst.val = khv_emul_alu_binary(d->op, d->opsize, d->dst.val,
						 d->src.val, flags);
	return d->flags & KHV_F_RO ? KHV_EMUL_OK : store(em, &d->dst);
}

static int dispatch(struct khv_emul *em)
{
	switch (em->insn.op) {
	case KHV_OP_ADD ... KHV_OP_NEG:
	case KHV_OP_BT ... KHV_OP_BTC:
		return do_alu(em);
	case KHV_OP_ROL ... KHV_OP_SHRD:
		return do_shift(em);
	case KHV_OP_BSF ... KHV_OP_POPCNT:
		return do_scan(em);
	case KHV_OP_MUL:
	case KHV_OP_IMUL:
		return do_multiply(em);
	case KHV_OP_DIV:
	case KHV_OP_IDIV:
		return do_divide(em);
	case KHV_OP_IMUL2:
	case KHV_OP_IMUL3:
		return do_multiply_short(em);
	case KHV_OP_MOV ... KHV_OP_LEA:
	case KHV_OP_SETCC:
	case KHV_OP_CMOVCC:
		return do_move(em);
	case KHV_OP_XCHG:
	case KHV_OP_XADD:
		return do_exchange(em);
	case KHV_OP_CMPXCHG:
		return do_cmpxchg(em);
	case KHV_OP_CMPXCHG8B:
		return do_cmpxchg_pair(em);
	case KHV_OP_PUSH:
	case KHV_OP_POP:
		return do_stack(em);
	case KHV_OP_JMP ... KHV_OP_RET:
		return do_branch(em);
	case KHV_OP_NOP:
		return KHV_EMUL_OK;
	case KHV_OP_IN:
		return khv_emul_in(em);
	case KHV_OP_OUT:
		return khv_emul_out(em);
	case KHV_OP_SSE_LOAD ... KHV_OP_SSE_STORE_HIGH:
		return khv_emul_sse(em);
	default:
		return KHV_EMUL_UNHANDLEABLE;
	}
}

bool khv_emul_is_string_io(const struct khv_emul *em)
{
	return em->insn.op == KHV_OP_INS || em->insn.op == KHV_OP_OUTS;
}

int khv_emul_execute(struct khv_emul *em)
{
	int rc;

	em->yield = false;
	em->trap = false;
	em->next = em->regs;
	if (em->insn.flags & KHV_F_STRING)
		return khv_emul_string(em);
	em->next.rip = em->insn.next_rip;
	rc = load_operands(em);
	if (!rc)
		rc = dispatch(em);
	if (rc)
		return rc;
	em->next.rflags &= ~(u64)X86_EFLAGS_RF;
	em->regs = em->next;
	return KHV_EMUL_OK;
}
