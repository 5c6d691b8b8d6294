// SPDX-License-Identifier: GPL-2.0-only
/*
 * SSE moves between memory and the low 128 bits of a vector register. The
 * VEX-encoded forms are not among them.
 */
#include <linux/string.h>
#include <linux/types.h>

#include "internal.h"

/* SDM, "Exception Conditions of Legacy SIMD Instructions". */
static int check_available(struct khv_emul *em)
{
	if ((em->cr0 & X86_CR0_EM) || !(em->cr4 & X86_CR4_OSFXSR))
		return khv_emul_fault(em, KHV_EXC_UD, 0);
	if (em->cr0 & X86_CR0_TS)
		return khv_emul_fault(em, KHV_EXC_NM, 0);
	return KHV_EMUL_OK;
}

/* MOVAPS and the like raise #GP(0), whatever the segment. */
static int check_alignment(struct khv_emul *em, bool write)
{
	const struct khv_emul_operand *mem = &em->insn.mem;
	u64 linear;
	int rc;

	if (!(em->insn.flags & KHV_F_ALIGN))
		return KHV_EMUL_OK;
	rc = khv_emul_linearize(em, mem->seg, mem->ea, em->insn.opsize, write, &linear);
	if (rc)
		return rc;
	return linear & 15 ? khv_emul_fault(em, KHV_EXC_GP, 0) : KHV_EMUL_OK;
}

int khv_emul_sse(struct khv_emul *em)
{
	const struct khv_emul_insn *d = &em->insn;
	unsigned int reg = ((d->modrm >> 3) & 7) | (d->rex & 4 ? 8 : 0);
	bool store = d->op == KHV_OP_SSE_STORE || d->op == KHV_OP_SSE_STORE_HIGH;
	bool keep = d->op == KHV_OP_SSE_LOAD_LOW || d->op == KHV_OP_SSE_LOAD_HIGH;
	u64 val[2] = {};
	u64 *half = &val[d->op == KHV_OP_SSE_STORE_HIGH || d->op == KHV_OP_SSE_LOAD_HIGH];
	u32 size = d->opsize;
	int rc;

	rc = check_available(em);
	if (!rc)
		rc = check_alignment(em, store);
	/* What a load does not fill is zero, except in the half moves. */
	if (!rc && (store || keep))
		rc = em->ops->read_xmm(em, reg, val);
	if (rc)
		return rc;
	if (store)
		return khv_emul_write(em, d->mem.seg, d->mem.ea, half, size);
	rc = khv_emul_read(em, d->mem.seg, d->mem.ea, half, size, 0);
	if (!rc)
		rc = em->ops->write_xmm(em, reg, val);
	return rc;
}
