// SPDX-License-Identifier: GPL-2.0-only
/*
 * String instructions: MOVS, CMPS, STOS, LODS, SCAS, and the REP loop, which
 * INS and OUTS (io.c) share. Each iteration is committed by itself: a fault or
 * a trip to userspace in the middle resumes where it stopped.
 */
#include <linux/minmax.h>
#include <linux/types.h>

#include "internal.h"

/* RSI, RDI and RCX are as wide as addresses are. */
u64 khv_emul_string_index(const struct khv_emul *em, unsigned int reg)
{
	return khv_emul_reg(em, reg, em->insn.adsize);
}

void khv_emul_string_advance(struct khv_emul *em, unsigned int reg, u32 count)
{
	u32 width = em->insn.adsize;
	u64 step = (u64)count * em->insn.opsize;
	u64 val = khv_emul_reg(em, reg, width);

	val = em->next.rflags & X86_EFLAGS_DF ? val - step : val + step;
	khv_emul_set_reg(em, reg, width, val);
}

/* Only the source's segment can be overridden; the destination's is ES. */
static int read_source(struct khv_emul *em, u64 *val)
{
	const struct khv_emul_insn *d = &em->insn;
	unsigned int seg = d->seg == KHV_EMUL_NR_SEGS ? KHV_EMUL_DS : d->seg;

	*val = 0;
	return khv_emul_read(em, seg, khv_emul_string_index(em, KHV_EMUL_RSI), val,
			     d->opsize, 0);
}

static int read_destination(struct khv_emul *em, u64 *val)
{
	*val = 0;
	return khv_emul_read(em, KHV_EMUL_ES, khv_emul_string_index(em, KHV_EMUL_RDI),
			     val, em->insn.opsize, 0);
}

static int write_destination(struct khv_emul *em, u64 val)
{
	return khv_emul_write(em, KHV_EMUL_ES, khv_emul_string_index(em, KHV_EMUL_RDI),
			      &val, em->insn.opsize);
}

/* The memory accesses of one iteration; no register changes if one fails. */
static int access(struct khv_emul *em)
{
	const struct khv_emul_insn *d = &em->insn;
	u64 acc = khv_emul_reg(em, KHV_EMUL_RAX, d->opsize);
	u64 a, b;
	int rc;

	switch (d->op) {
	case KHV_OP_MOVS:
		rc = read_source(em, &a);
		return rc ? rc : write_destination(em, a);
	case KHV_OP_STOS:
		return write_destination(em, acc);
	case KHV_OP_LODS:
		rc = read_source(em, &a);
		if (!rc)
			khv_emul_set_reg(em, KHV_EMUL_RAX, d->opsize, a);
		return rc;
	case KHV_OP_SCAS:
		rc = read_destination(em, &b);
		if (!rc)
			khv_emul_alu_binary(KHV_OP_CMP, d->opsize, acc, b,
					    &em->next.rflags);
		return rc;
	default: /* CMPS */
		rc = read_source(em, &a);
		if (!rc)
			rc = read_destination(em, &b);
		if (!rc)
			khv_emul_alu_binary(KHV_OP_CMP, d->opsize, a, b,
					    &em->next.rflags);
		return rc;
	}
}

/* At most @max iterations, of which *done were carried out. */
static int step(struct khv_emul *em, u64 max, u32 *done)
{
	u8 op = em->insn.op;
	int rc;

	if (op == KHV_OP_INS || op == KHV_OP_OUTS)
		return khv_emul_string_io(em, max, done);
	rc = access(em);
	if (rc)
		return rc;
	if (op == KHV_OP_MOVS || op == KHV_OP_LODS || op == KHV_OP_CMPS)
		khv_emul_string_advance(em, KHV_EMUL_RSI, 1);
	if (op != KHV_OP_LODS)
		khv_emul_string_advance(em, KHV_EMUL_RDI, 1);
	*done = 1;
	return KHV_EMUL_OK;
}

/* REPE and REPNE also end on ZF, after the comparing instructions only. */
static bool comparison_ends(const struct khv_emul *em)
{
	const struct khv_emul_insn *d = &em->insn;
	bool equal = em->next.rflags & X86_EFLAGS_ZF;

	if (d->op != KHV_OP_CMPS && d->op != KHV_OP_SCAS)
		return false;
	return d->rep == 0xf3 ? !equal : equal;
}

static int complete(struct khv_emul *em)
{
	em->next.rip = em->insn.next_rip;
	em->next.rflags &= ~(u64)X86_EFLAGS_RF;
	em->regs = em->next;
	return KHV_EMUL_OK;
}

int khv_emul_string(struct khv_emul *em)
{
	const struct khv_emul_insn *d = &em->insn;
	u64 left = d->rep ? khv_emul_string_index(em, KHV_EMUL_RCX) : 1;
	bool trap = em->regs.rflags & X86_EFLAGS_TF;
	u32 total = 0, done;
	int rc;

	while (left) {
		done = 0;
		rc = step(em, trap ? 1 : min_t(u64, left, KHV_EMUL_MAX_REP), &done);
		if (rc)
			return rc;
		left -= done;
		total += done;
		if (!d->rep)
			break;
		khv_emul_set_reg(em, KHV_EMUL_RCX, d->adsize, left);
		if (!left || comparison_ends(em))
			break;
		/* RIP stays; so do the flags, unless a trap's handler is to see them. */
		if (!trap)
			em->next.rflags = em->regs.rflags;
		em->regs = em->next;
		em->trap = trap;
		if (trap || em->yield || total >= KHV_EMUL_MAX_REP)
			return KHV_EMUL_RESTART;
	}
	return complete(em);
}
