// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port I/O: IN, OUT, INS, OUTS, with the permission check and with batching:
 * where source or destination is plain memory, a whole run of elements inside
 * one page goes through a single callback.
 */
#include <linux/minmax.h>
#include <linux/types.h>

#include "internal.h"

#define PAGE_BYTES	4096u

/*
 * The instruction may have changed since the processor made this check, so it
 * is made again. SDM, "I/O Privilege Level" and "I/O Permission Bit Map".
 */
static int check_permission(struct khv_emul *em, u16 port, u32 size)
{
	u32 iopl = (em->regs.rflags & X86_EFLAGS_IOPL) >> X86_EFLAGS_IOPL_BIT;

	if (em->mode == KHV_EMUL_REAL)
		return KHV_EMUL_OK;
	if (em->mode != KHV_EMUL_VM86 && em->cpl <= iopl)
		return KHV_EMUL_OK;
	return em->ops->io_permitted(em, port, size);
}

/* No 64-bit ports: REX.W changes nothing. */
static u32 port_size(const struct khv_emul *em)
{
	return min_t(u32, em->insn.opsize, 4);
}

static u16 port_number(const struct khv_emul *em)
{
	if (em->insn.flags & KHV_F_IMM8)
		return (u8)em->insn.imm;
	return khv_emul_reg(em, KHV_EMUL_RDX, 2);
}

int khv_emul_in(struct khv_emul *em)
{
	u32 size = port_size(em);
	u16 port = port_number(em);
	u64 val = 0;
	int rc;

	rc = check_permission(em, port, size);
	if (!rc)
		rc = em->ops->pio_in(em, port, size, &val, 1);
	if (!rc)
		khv_emul_set_reg(em, KHV_EMUL_RAX, size, val);
	return rc;
}

int khv_emul_out(struct khv_emul *em)
{
	u32 size = port_size(em);
	u16 port = port_number(em);
	u64 val = khv_emul_reg(em, KHV_EMUL_RAX, size);
	int rc;

	rc = check_permission(em, port, size);
	return rc ? rc : em->ops->pio_out(em, port, size, &val, 1);
}

/* How many elements can go at once: 1, unless all is flat, upward and memory. */
static u32 batch_count(struct khv_emul *em, unsigned int seg, u64 ea, u32 size,
		       u64 max, u32 flags)
{
	struct khv_emul_exception exc = em->exc;
	u64 linear, count = max;

	if (!em->batch || max < 2 || (em->regs.rflags & X86_EFLAGS_DF))
		return 1;
	if (khv_emul_linearize(em, seg, ea, size, flags & KHV_EMUL_WRITE, &linear))
		goto single;
	count = min_t(u64, count, (PAGE_BYTES - (linear & (PAGE_BYTES - 1))) / size);
	count = min_t(u64, count, em->batch_size / size);
	/* The offset must not wrap within the batch either. */
	count = min_t(u64, count, (khv_emul_mask(em->insn.adsize) - ea) / size);
	if (count < 2)
		return 1;
	if (khv_emul_linearize(em, seg, ea, count * size, flags & KHV_EMUL_WRITE,
			       &linear) ||
	    em->ops->probe(em, linear, count * size, flags))
		goto single;
	return count;
single:
	/* A single element finds out for itself whether it really faults. */
	em->exc = exc;
	return 1;
}

static int probe_single(struct khv_emul *em, unsigned int seg, u64 ea, u32 size)
{
	u64 linear;
	int rc;

	rc = khv_emul_linearize(em, seg, ea, size, true, &linear);
	if (!rc)
		rc = em->ops->probe(em, linear, size, KHV_EMUL_WRITE);
	return rc == KHV_EMUL_NOT_RAM ? KHV_EMUL_OK : rc;
}

/* The destination is checked first: data taken from a port cannot go back. */
static int input(struct khv_emul *em, u16 port, u32 size, u64 max, u32 *done)
{
	u64 ea = khv_emul_string_index(em, KHV_EMUL_RDI);
	u32 count = batch_count(em, KHV_EMUL_ES, ea, size, max, KHV_EMUL_WRITE);
	u64 val = 0;
	void *buf = count > 1 ? em->batch : &val;
	int rc = KHV_EMUL_OK;

	if (count == 1)
		rc = probe_single(em, KHV_EMUL_ES, ea, size);
	if (!rc)
		rc = em->ops->pio_in(em, port, size, buf, count);
	if (!rc)
		rc = khv_emul_write(em, KHV_EMUL_ES, ea, buf, size * count);
	if (rc)
		return rc;
	khv_emul_string_advance(em, KHV_EMUL_RDI, count);
	*done = count;
	return KHV_EMUL_OK;
}

static int output(struct khv_emul *em, u16 port, u32 size, u64 max, u32 *done)
{
	unsigned int seg = em->insn.seg == KHV_EMUL_NR_SEGS ? KHV_EMUL_DS : em->insn.seg;
	u64 ea = khv_emul_string_index(em, KHV_EMUL_RSI);
	u32 count = batch_count(em, seg, ea, size, max, 0);
	u64 val = 0;
	void *buf = count > 1 ? em->batch : &val;
	int rc;

	rc = khv_emul_read(em, seg, ea, buf, size * count, 0);
	if (!rc)
		rc = em->ops->pio_out(em, port, size, buf, count);
	if (rc)
		return rc;
	khv_emul_string_advance(em, KHV_EMUL_RSI, count);
	*done = count;
	return KHV_EMUL_OK;
}

int khv_emul_string_io(struct khv_emul *em, u64 max, u32 *done)
{
	u32 size = port_size(em);
	u16 port = khv_emul_reg(em, KHV_EMUL_RDX, 2);
	int rc;

	/* REX.W does not widen INS and OUTS, nor the step of RSI and RDI. */
	em->insn.opsize = size;
	rc = check_permission(em, port, size);
	if (rc)
		return rc;
	if (em->insn.op == KHV_OP_INS)
		return input(em, port, size, max, done);
	return output(em, port, size, max, done);
}
