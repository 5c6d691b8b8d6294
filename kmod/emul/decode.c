// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instruction decoding: fetch, prefixes, opcode maps, ModRM, SIB, displacement,
 * immediates, operands, length. Values of memory operands are not touched here;
 * their offsets are computed from the registers at the start of the
 * instruction.
 */
#include <linux/minmax.h>
#include <linux/nospec.h>
#include <linux/string.h>
#include <linux/types.h>

#include "internal.h"

#define REX_W	8
#define REX_R	4
#define REX_X	2
#define REX_B	1

#define PAGE_BYTES	4096u

/*
 * Get at least one more byte. Never more than the page at hand holds: the next
 * one is touched only if the instruction really extends into it.
 */
static int fetch_more(struct khv_emul *em)
{
	u64 ip = em->regs.rip + em->avail;
	u32 len = KHV_EMUL_MAX_INSN - em->avail;
	u64 linear;
	int rc;

	if (em->mode == KHV_EMUL_LONG) {
		rc = khv_emul_linearize(em, KHV_EMUL_NR_SEGS, ip, 1, false, &linear);
		if (rc)
			return rc;
	} else {
		const struct khv_emul_segment *cs = khv_emul_segment(em, KHV_EMUL_CS);

		ip = (u32)ip;
		if (ip > cs->limit)
			return khv_emul_fault(em, KHV_EXC_GP, 0);
		len = min_t(u64, len, (u64)cs->limit - ip + 1);
		linear = (u32)(cs->base + ip);
	}
	len = min_t(u32, len, PAGE_BYTES - (u32)(linear & (PAGE_BYTES - 1)));
	rc = em->ops->fetch(em, linear, em->bytes + em->avail, len);
	if (!rc)
		em->avail += len;
	return rc;
}

static int next_byte(struct khv_emul *em, u8 *out)
{
	u8 pos = em->insn.length;
	int rc;

	if (pos >= KHV_EMUL_MAX_INSN)
		return khv_emul_fault(em, KHV_EXC_GP, 0);
	if (pos >= em->avail) {
		rc = fetch_more(em);
		if (rc)
			return rc;
	}
	*out = em->bytes[array_index_nospec(pos, KHV_EMUL_MAX_INSN)];
	em->insn.length++;
	return KHV_EMUL_OK;
}

/* A little-endian number of size bytes, sign-extended. */
static int next_number(struct khv_emul *em, u32 size, u64 *out)
{
	u64 val = 0;
	u32 i;
	u8 b;
	int rc;

	for (i = 0; i < size; i++) {
		rc = next_byte(em, &b);
		if (rc)
			return rc;
		val |= (u64)b << (i * 8);
	}
	*out = khv_emul_sext(val, size);
	return KHV_EMUL_OK;
}

/* ES, CS, SS and DS overrides are accepted but ignored in 64-bit mode. */
static void override_segment(struct khv_emul *em, u8 seg)
{
	if (em->mode != KHV_EMUL_LONG || seg >= KHV_EMUL_FS)
		em->insn.seg = seg;
}

static bool legacy_prefix(struct khv_emul *em, u8 b)
{
	struct khv_emul_insn *d = &em->insn;

	switch (b) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		override_segment(em, (b >> 3) & 3);
		return true;
	case 0x64:
	case 0x65:
		override_segment(em, b - 0x64 + KHV_EMUL_FS);
		return true;
	case 0x66:
		d->opsize_prefix = true;
		return true;
	case 0x67:
		d->adsize = em->mode == KHV_EMUL_PROT32 ? 2 : 4;
		return true;
	case 0xf0:
		d->lock = true;
		return true;
	case 0xf2:
	case 0xf3:
		d->rep = b;
		return true;
	default:
		return false;
	}
}

/* Leaves the first opcode byte in insn.opcode. */
static int decode_prefixes(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	u8 b;
	int rc;

	for (;;) {
		rc = next_byte(em, &b);
		if (rc)
			return rc;
		if (em->mode == KHV_EMUL_LONG && (b & 0xf0) == 0x40) {
			d->rex = b;
			continue;
		}
		if (!legacy_prefix(em, b))
			break;
		/* A REX prefix counts only right before the opcode. */
		d->rex = 0;
	}
	d->opcode = b;
	return KHV_EMUL_OK;
}

/* Whether C4, C5 or 62 starts a VEX or EVEX prefix here. */
static int vex_follows(struct khv_emul *em, bool *vex)
{
	struct khv_emul_insn *d = &em->insn;
	u8 b;
	int rc;

	*vex = false;
	if (d->opcode != 0xc4 && d->opcode != 0xc5 && d->opcode != 0x62)
		return KHV_EMUL_OK;
	if (em->mode == KHV_EMUL_LONG) {
		*vex = true;
		return KHV_EMUL_OK;
	}
	/* Elsewhere they are LES, LDS and BOUND, which have no register form. */
	rc = next_byte(em, &b);
	if (rc)
		return rc;
	d->length--;
	*vex = b >= 0xc0 && em->mode != KHV_EMUL_REAL && em->mode != KHV_EMUL_VM86;
	return KHV_EMUL_OK;
}

/* VEX and EVEX: enough for the length. */
static int decode_vex(struct khv_emul *em, struct khv_emul_opcode *op)
{
	struct khv_emul_insn *d = &em->insn;
	u8 payload[3];
	u32 n = d->opcode == 0x62 ? 3 : d->opcode == 0xc4 ? 2 : 1;
	u8 first = d->opcode;
	u32 i;
	int rc;

	if (d->rex || d->lock || d->rep || d->opsize_prefix)
		return khv_emul_fault(em, KHV_EXC_UD, 0);
	for (i = 0; i < n; i++) {
		rc = next_byte(em, &payload[i]);
		if (rc)
			return rc;
	}
	rc = next_byte(em, &d->opcode);
	if (rc)
		return rc;
	d->vex = true;
	d->map = 1;
	if (first != 0xc5)
		d->map = payload[0] & (first == 0xc4 ? 0x1f : 7);
	op->op = KHV_OP_LENGTH;
	switch (d->map) {
	case 1:
		op->flags = khv_emul_map_0f[d->opcode].flags &
			    (KHV_F_MODRM | KHV_F_IMM8);
		break;
	case 2:
		op->flags = KHV_F_MODRM;
		break;
	case 3:
		op->flags = KHV_F_MODRM | KHV_F_IMM8;
		break;
	default:
		return KHV_EMUL_UNHANDLEABLE;
	}
	return KHV_EMUL_OK;
}

static int decode_opcode(struct khv_emul *em, struct khv_emul_opcode *op)
{
	struct khv_emul_insn *d = &em->insn;
	bool vex;
	int rc;

	rc = vex_follows(em, &vex);
	if (rc)
		return rc;
	if (vex)
		return decode_vex(em, op);
	if (d->opcode != 0x0f) {
		*op = khv_emul_map_one[array_index_nospec(d->opcode, 256)];
		return KHV_EMUL_OK;
	}
	rc = next_byte(em, &d->opcode);
	if (rc)
		return rc;
	d->map = 1;
	if (d->opcode != 0x38 && d->opcode != 0x3a) {
		*op = khv_emul_map_0f[array_index_nospec(d->opcode, 256)];
		return KHV_EMUL_OK;
	}
	d->map = d->opcode == 0x38 ? 2 : 3;
	rc = next_byte(em, &d->opcode);
	if (rc)
		return rc;
	*op = khv_emul_map_three(d->map, d->opcode);
	return KHV_EMUL_OK;
}

static void descend(struct khv_emul_opcode *op, u32 index)
{
	struct khv_emul_opcode parent = *op;

	*op = parent.sub[index];
	op->flags |= parent.flags & ~(KHV_F_GROUP | KHV_F_PREFIX);
	if (!op->dst && !op->src) {
		op->dst = parent.dst;
		op->src = parent.src;
	}
}

/* Follow tables chosen by mandatory prefix and by the reg field of ModRM. */
static int resolve_opcode(struct khv_emul *em, struct khv_emul_opcode *op)
{
	struct khv_emul_insn *d = &em->insn;
	u32 index;
	int rc;

	if (op->flags & KHV_F_MODRM) {
		rc = next_byte(em, &d->modrm);
		if (rc)
			return rc;
		d->has_modrm = true;
	}
	while (op->sub) {
		if (op->flags & KHV_F_GROUP)
			index = (d->modrm >> 3) & 7;
		else
			index = d->rep == 0xf3 ? 2 : d->rep == 0xf2 ? 3 : d->opsize_prefix;
		descend(op, index);
	}
	d->op = op->op;
	d->flags = op->flags;
	if (d->op == KHV_OP_INVALID ||
	    ((d->flags & KHV_F_NO64) && em->mode == KHV_EMUL_LONG))
		return khv_emul_fault(em, KHV_EXC_UD, 0);
	if ((d->flags & KHV_F_ONLY64) && em->mode != KHV_EMUL_LONG)
		d->op = KHV_OP_LENGTH;
	return d->op == KHV_OP_UNKNOWN ? KHV_EMUL_UNHANDLEABLE : KHV_EMUL_OK;
}

static u32 operand_size(const struct khv_emul *em)
{
	const struct khv_emul_insn *d = &em->insn;
	bool wide;

	if (d->flags & KHV_F_BYTE)
		return 1;
	if (d->flags & KHV_F_SIZE48)
		return d->rex & REX_W ? 8 : 4;
	if (d->flags & KHV_F_SIZE4)
		return 4;
	if (d->flags & KHV_F_SIZE8)
		return 8;
	if (d->flags & KHV_F_SIZE16)
		return 16;
	if (em->mode == KHV_EMUL_LONG) {
		if ((d->rex & REX_W) || (d->flags & KHV_F_F64))
			return 8;
		if (d->opsize_prefix)
			return 2;
		return d->flags & KHV_F_D64 ? 8 : 4;
	}
	wide = (em->mode == KHV_EMUL_PROT32) != d->opsize_prefix;
	return wide ? 4 : 2;
}

static u64 reg_value(const struct khv_emul *em, u32 reg)
{
	return em->regs.gpr[array_index_nospec(reg, KHV_EMUL_NR_GPRS)];
}

static void set_memory(struct khv_emul *em, u64 ea, bool stack)
{
	struct khv_emul_insn *d = &em->insn;

	d->mem.kind = KHV_OPERAND_MEM;
	d->mem.ea = ea;
	d->mem.seg = stack ? KHV_EMUL_SS : KHV_EMUL_DS;
	if (d->seg != KHV_EMUL_NR_SEGS)
		d->mem.seg = d->seg;
}

/* SDM, "16-Bit Addressing Forms with the ModR/M Byte". */
static int decode_modrm16(struct khv_emul *em)
{
	static const u8 base[8] = {
		KHV_EMUL_RBX, KHV_EMUL_RBX, KHV_EMUL_RBP, KHV_EMUL_RBP,
		KHV_EMUL_RSI, KHV_EMUL_RDI, KHV_EMUL_RBP, KHV_EMUL_RBX,
	};
	static const u8 index[4] = {
		KHV_EMUL_RSI, KHV_EMUL_RDI, KHV_EMUL_RSI, KHV_EMUL_RDI,
	};
	struct khv_emul_insn *d = &em->insn;
	u32 rm = array_index_nospec(d->modrm & 7, 8);
	u32 mod = d->modrm >> 6;
	bool absolute = mod == 0 && rm == 6;
	u64 disp = 0, ea = 0;
	int rc;

	if (absolute || mod)
		rc = next_number(em, mod == 1 ? 1 : 2, &disp);
	else
		rc = KHV_EMUL_OK;
	if (rc)
		return rc;
	if (!absolute) {
		ea = reg_value(em, base[rm]);
		if (rm < 4)
			ea += reg_value(em, index[array_index_nospec(rm, 4)]);
	}
	set_memory(em, ea + disp, !absolute && base[rm] == KHV_EMUL_RBP);
	return KHV_EMUL_OK;
}

static int decode_sib(struct khv_emul *em, u64 *ea, bool *stack, bool *disp32)
{
	struct khv_emul_insn *d = &em->insn;
	u32 base, index;
	u8 sib;
	int rc;

	rc = next_byte(em, &sib);
	if (rc)
		return rc;
	base = sib & 7;
	index = ((sib >> 3) & 7) | (d->rex & REX_X ? 8 : 0);
	if (base == 5 && (d->modrm >> 6) == 0) {
		*disp32 = true;
	} else {
		*stack = base == KHV_EMUL_RSP || base == KHV_EMUL_RBP;
		base |= d->rex & REX_B ? 8 : 0;
		*stack &= base < 8;
		d->sp_based = base == KHV_EMUL_RSP;
		*ea += reg_value(em, base);
	}
	/* Index 4 means none, but R12 is an index like any other. */
	if (index != 4)
		*ea += reg_value(em, index) << (sib >> 6);
	return KHV_EMUL_OK;
}

/* SDM, "32-Bit Addressing Forms", and with REX the 64-bit ones. */
static int decode_modrm32(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	u32 mod = d->modrm >> 6;
	u32 rm = d->modrm & 7;
	bool stack = false, disp32 = mod == 2;
	u64 ea = 0, disp = 0;
	int rc = KHV_EMUL_OK;

	if (rm == 4) {
		rc = decode_sib(em, &ea, &stack, &disp32);
	} else if (rm == 5 && mod == 0) {
		disp32 = true;
		d->rip_relative = em->mode == KHV_EMUL_LONG;
	} else {
		stack = rm == KHV_EMUL_RBP && !(d->rex & REX_B);
		ea = reg_value(em, rm | (d->rex & REX_B ? 8 : 0));
	}
	if (!rc && disp32)
		rc = next_number(em, 4, &disp);
	else if (!rc && mod == 1)
		rc = next_number(em, 1, &disp);
	if (rc)
		return rc;
	set_memory(em, ea + disp, stack);
	return KHV_EMUL_OK;
}

static int decode_modrm(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	bool reg = (d->modrm >> 6) == 3 || (d->flags & KHV_F_NOMEM);

	if (!d->has_modrm || reg) {
		if (reg && (d->flags & KHV_F_MEM))
			return khv_emul_fault(em, KHV_EXC_UD, 0);
		if (reg && (d->flags & KHV_F_MEMONLY))
			d->op = KHV_OP_LENGTH;
		return KHV_EMUL_OK;
	}
	return d->adsize == 2 ? decode_modrm16(em) : decode_modrm32(em);
}

static int decode_immediates(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	u64 tail;
	int rc = KHV_EMUL_OK;

	if (d->flags & KHV_F_MOFFS) {
		rc = next_number(em, d->adsize, &tail);
		if (!rc)
			set_memory(em, tail, false);
	}
	if (!rc && (d->flags & KHV_F_FARPTR)) {
		rc = next_number(em, d->opsize, &d->imm);
		if (!rc)
			rc = next_number(em, 2, &tail);
	}
	if (!rc && (d->flags & KHV_F_IMM16))
		rc = next_number(em, 2, &d->imm);
	if (!rc && (d->flags & KHV_F_IMM))
		rc = next_number(em, min_t(u32, d->opsize, 4), &d->imm);
	if (!rc && (d->flags & KHV_F_IMMFULL))
		rc = next_number(em, d->opsize, &d->imm);
	/* After IMM16: ENTER has both, and its second one does not matter. */
	if (!rc && (d->flags & KHV_F_IMM8))
		rc = next_number(em, 1, &d->imm);
	return rc;
}

static void set_register(const struct khv_emul *em, struct khv_emul_operand *o, u32 reg)
{
	o->kind = KHV_OPERAND_REG;
	o->reg = reg;
	/* Without REX the upper four byte registers are AH, CH, DH, BH. */
	if (o->size == 1 && !em->insn.rex && reg >= 4 && reg < 8) {
		o->reg = reg - 4;
		o->high = true;
	}
}

static void set_constant(struct khv_emul_operand *o, u64 val)
{
	o->kind = KHV_OPERAND_IMM;
	o->val = val;
}

static void decode_operand(struct khv_emul *em, u8 arg, struct khv_emul_operand *o)
{
	struct khv_emul_insn *d = &em->insn;
	u32 b = d->rex & REX_B ? 8 : 0;
	u32 size = d->opsize;

	if (arg == KHV_ARG_E8 || arg == KHV_ARG_CL)
		size = 1;
	else if (arg == KHV_ARG_E16)
		size = 2;
	else if (arg == KHV_ARG_E32)
		size = min_t(u32, size, 4);
	o->size = size;
	switch (arg) {
	case KHV_ARG_E:
	case KHV_ARG_E8:
	case KHV_ARG_E16:
	case KHV_ARG_E32:
	case KHV_ARG_MOFFS:
		if (d->mem.kind == KHV_OPERAND_MEM) {
			*o = d->mem;
			o->size = size;
		} else {
			set_register(em, o, (d->modrm & 7) | b);
		}
		break;
	case KHV_ARG_G:
		set_register(em, o, ((d->modrm >> 3) & 7) | (d->rex & REX_R ? 8 : 0));
		break;
	case KHV_ARG_ACC:
		set_register(em, o, KHV_EMUL_RAX);
		break;
	case KHV_ARG_OPREG:
		set_register(em, o, (d->opcode & 7) | b);
		break;
	case KHV_ARG_CL:
		set_register(em, o, KHV_EMUL_RCX);
		break;
	case KHV_ARG_IMM:
		set_constant(o, d->imm);
		break;
	case KHV_ARG_ONE:
		set_constant(o, 1);
		break;
	default:
		break;
	}
}

static int finish(struct khv_emul *em, const struct khv_emul_opcode *op)
{
	struct khv_emul_insn *d = &em->insn;

	d->next_rip = em->regs.rip + d->length;
	if (em->mode != KHV_EMUL_LONG)
		d->next_rip = (u32)d->next_rip;
	if (d->rip_relative)
		d->mem.ea += d->next_rip;
	d->mem.ea &= khv_emul_mask(d->adsize);
	decode_operand(em, op->dst, &d->dst);
	decode_operand(em, op->src, &d->src);
	/* AMD's processors know LOCK MOV CR0 as MOV CR8, wherever REX is out of reach. */
	if (d->lock && d->map == 1 && (d->opcode == 0x20 || d->opcode == 0x22))
		return KHV_EMUL_OK;
	if (d->lock && (!(d->flags & KHV_F_LOCK) || d->dst.kind != KHV_OPERAND_MEM))
		return khv_emul_fault(em, KHV_EXC_UD, 0);
	return KHV_EMUL_OK;
}

int khv_emul_decode(struct khv_emul *em)
{
	struct khv_emul_insn *d = &em->insn;
	struct khv_emul_opcode op = {};
	int rc;

	memset(d, 0, sizeof(*d));
	if (em->avail > KHV_EMUL_MAX_INSN)
		em->avail = KHV_EMUL_MAX_INSN;
	d->seg = KHV_EMUL_NR_SEGS;
	d->adsize = em->mode == KHV_EMUL_LONG ? 8 :
		    em->mode == KHV_EMUL_PROT32 ? 4 : 2;
	rc = decode_prefixes(em);
	if (!rc)
		rc = decode_opcode(em, &op);
	if (!rc)
		rc = resolve_opcode(em, &op);
	if (rc)
		return rc;
	d->opsize = operand_size(em);
	rc = decode_modrm(em);
	if (!rc)
		rc = decode_immediates(em);
	if (!rc)
		rc = finish(em, &op);
	return rc;
}
