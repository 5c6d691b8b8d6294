// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segmentation: from segment and offset to a linear address with the checks
 * that the processor makes, then the access through the callbacks. Also the
 * stack, near branches, and the recording of exceptions. Paging is the
 * callbacks' affair.
 */
#include <linux/bitops.h>
#include <linux/nospec.h>
#include <linux/types.h>

#include "internal.h"

#define SEG_TYPE_ACCESSED	1
#define SEG_TYPE_WRITE_READ	2	/* data: writable; code: readable */
#define SEG_TYPE_EXPAND_DOWN	4	/* data */
#define SEG_TYPE_CODE		8

/* 57-bit linear addresses are not offered to guests. */
static bool canonical(u64 addr)
{
	return (u64)((s64)(addr << 16) >> 16) == addr;
}

int khv_emul_fault(struct khv_emul *em, u8 vector, u32 error)
{
	bool pushes = vector == 8 || (vector >= 10 && vector <= 14) ||
		      vector == KHV_EXC_AC;

	em->exc.vector = vector;
	em->exc.has_error = pushes && em->mode != KHV_EMUL_REAL;
	em->exc.error = em->exc.has_error ? error : 0;
	em->exc.address = 0;
	return KHV_EMUL_FAULT;
}

int khv_emul_page_fault(struct khv_emul *em, u64 address, u32 error)
{
	khv_emul_fault(em, KHV_EXC_PF, error);
	em->exc.has_error = true;
	em->exc.error = error;
	em->exc.address = address;
	return KHV_EMUL_FAULT;
}

const struct khv_emul_segment *khv_emul_segment(struct khv_emul *em, unsigned int seg)
{
	seg = array_index_nospec(seg, KHV_EMUL_NR_SEGS);
	if (!(em->segs_valid & BIT(seg))) {
		em->ops->get_segment(em, seg, &em->segs[seg]);
		em->segs_valid |= BIT(seg);
	}
	return &em->segs[seg];
}

void khv_emul_set_mode(struct khv_emul *em, bool long_mode_active)
{
	const struct khv_emul_segment *cs;

	em->segs_valid = 0;
	cs = khv_emul_segment(em, KHV_EMUL_CS);
	if (!(em->cr0 & X86_CR0_PE))
		em->mode = KHV_EMUL_REAL;
	else if (long_mode_active && cs->l)
		em->mode = KHV_EMUL_LONG;
	else if (!long_mode_active && (em->regs.rflags & X86_EFLAGS_VM))
		em->mode = KHV_EMUL_VM86;
	else
		em->mode = cs->db ? KHV_EMUL_PROT32 : KHV_EMUL_PROT16;
}

static int segment_fault(struct khv_emul *em, unsigned int seg)
{
	return khv_emul_fault(em, seg == KHV_EMUL_SS ? KHV_EXC_SS : KHV_EXC_GP, 0);
}

static bool in_limit(const struct khv_emul_segment *s, u64 ea, u32 len, bool typed)
{
	u64 last = ea + len - 1;

	if (typed && (s->type & (SEG_TYPE_CODE | SEG_TYPE_EXPAND_DOWN)) ==
	    SEG_TYPE_EXPAND_DOWN)
		return ea > s->limit && last <= (s->db ? 0xffffffffULL : 0xffffULL);
	return last <= s->limit;
}

static bool type_allows(const struct khv_emul_segment *s, bool write)
{
	if (s->unusable)
		return false;
	if (write)
		return (s->type & (SEG_TYPE_CODE | SEG_TYPE_WRITE_READ)) ==
		       SEG_TYPE_WRITE_READ;
	return !(s->type & SEG_TYPE_CODE) || (s->type & SEG_TYPE_WRITE_READ);
}

/* SDM, "Alignment Checking": only user mode, and only scalar operands here. */
static bool misaligned(const struct khv_emul *em, u64 linear, u32 len)
{
	return em->cpl == 3 && (em->cr0 & X86_CR0_AM) &&
	       (em->regs.rflags & X86_EFLAGS_AC) &&
	       (len == 2 || len == 4 || len == 8) && (linear & (len - 1));
}

int khv_emul_linearize(struct khv_emul *em, unsigned int seg, u64 ea, u32 len,
		       bool write, u64 *linear)
{
	const struct khv_emul_segment *s;
	bool typed;

	if (em->mode == KHV_EMUL_LONG) {
		/* Only FS and GS have a base, and no segment has a limit. */
		if (seg == KHV_EMUL_FS || seg == KHV_EMUL_GS)
			ea += khv_emul_segment(em, seg)->base;
		if (!canonical(ea) || !canonical(ea + len - 1))
			return segment_fault(em, seg);
		*linear = ea;
	} else {
		s = khv_emul_segment(em, seg);
		typed = em->mode == KHV_EMUL_PROT16 || em->mode == KHV_EMUL_PROT32;
		if (typed && !type_allows(s, write))
			return segment_fault(em, seg);
		if (!in_limit(s, ea, len, typed))
			return segment_fault(em, seg);
		*linear = (u32)(s->base + ea);
	}
	if (misaligned(em, *linear, len))
		return khv_emul_fault(em, KHV_EXC_AC, 0);
	return KHV_EMUL_OK;
}

int khv_emul_read(struct khv_emul *em, unsigned int seg, u64 ea, void *buf,
		  u32 len, u32 flags)
{
	u64 linear;
	int rc;

	rc = khv_emul_linearize(em, seg, ea, len, flags & KHV_EMUL_RMW, &linear);
	if (rc)
		return rc;
	return em->ops->read(em, linear, buf, len, flags);
}

int khv_emul_write(struct khv_emul *em, unsigned int seg, u64 ea, const void *buf,
		   u32 len)
{
	u64 linear;
	int rc;

	rc = khv_emul_linearize(em, seg, ea, len, true, &linear);
	if (rc)
		return rc;
	return em->ops->write(em, linear, buf, len);
}

int khv_emul_cmpxchg(struct khv_emul *em, unsigned int seg, u64 ea,
		     const void *old, const void *new, u32 len)
{
	u64 linear;
	int rc;

	rc = khv_emul_linearize(em, seg, ea, len, true, &linear);
	if (rc)
		return rc;
	return em->ops->compare_write(em, linear, old, new, len);
}

/* The stack pointer's width is SS's, not the instruction's. */
static u32 stack_size(struct khv_emul *em)
{
	if (em->mode == KHV_EMUL_LONG)
		return 8;
	return khv_emul_segment(em, KHV_EMUL_SS)->db ? 4 : 2;
}

int khv_emul_push(struct khv_emul *em, u64 val, u32 size)
{
	u32 width = stack_size(em);
	u64 sp = khv_emul_reg(em, KHV_EMUL_RSP, width);
	int rc;

	sp = (sp - size) & khv_emul_mask(width);
	rc = khv_emul_write(em, KHV_EMUL_SS, sp, &val, size);
	if (!rc)
		khv_emul_set_reg(em, KHV_EMUL_RSP, width, sp);
	return rc;
}

int khv_emul_pop(struct khv_emul *em, u64 *val, u32 size)
{
	u32 width = stack_size(em);
	u64 sp = khv_emul_reg(em, KHV_EMUL_RSP, width);
	int rc;

	*val = 0;
	rc = khv_emul_read(em, KHV_EMUL_SS, sp, val, size, 0);
	if (!rc)
		khv_emul_set_reg(em, KHV_EMUL_RSP, width, sp + size);
	return rc;
}

void khv_emul_stack_release(struct khv_emul *em, u32 bytes)
{
	u32 width = stack_size(em);

	khv_emul_set_reg(em, KHV_EMUL_RSP, width,
			 khv_emul_reg(em, KHV_EMUL_RSP, width) + bytes);
}

int khv_emul_branch(struct khv_emul *em, u64 target, u32 size)
{
	target &= khv_emul_mask(size);
	if (em->mode == KHV_EMUL_LONG) {
		if (!canonical(target))
			return khv_emul_fault(em, KHV_EXC_GP, 0);
	} else if (target > khv_emul_segment(em, KHV_EMUL_CS)->limit) {
		return khv_emul_fault(em, KHV_EXC_GP, 0);
	}
	em->next.rip = target;
	return KHV_EMUL_OK;
}
