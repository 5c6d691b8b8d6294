// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making instructions: a table of encodings, and registers chosen so that the
 * memory operand, however it is addressed, lies in or across the end of
 * WORLD_PAGE.
 */
#include "emul_insn.h"

#include <asm/processor-flags.h>
#include <string.h>

#include "ksft.h"

#define AF	X86_EFLAGS_AF
#define OF	X86_EFLAGS_OF
#define MULF	(X86_EFLAGS_SF | X86_EFLAGS_ZF | X86_EFLAGS_AF | X86_EFLAGS_PF)
#define DIVF	(MULF | X86_EFLAGS_CF | X86_EFLAGS_OF)
#define BTF	(X86_EFLAGS_SF | X86_EFLAGS_AF | X86_EFLAGS_PF | X86_EFLAGS_OF)
#define SCANF	(BTF | X86_EFLAGS_CF)
#define CNTF	(X86_EFLAGS_SF | X86_EFLAGS_AF | X86_EFLAGS_PF | X86_EFLAGS_OF)

/* What follows the opcode, and what else to know. */
#define I8	0x001		/* immediate byte */
#define IZ	0x002		/* immediate of operand size, 4 bytes at most */
#define LK	0x004		/* may be locked */
#define BY	0x008		/* bytes */
#define STR	0x010		/* a string instruction */
#define MOFFS	0x020		/* an address instead of ModRM */
#define BITOFF	0x040		/* its register moves the operand */
#define BRANCH	0x080		/* jumps to what it reads */
#define ONLY64	0x200
#define NO66	0x400		/* no operand size prefix of ours */
#define NO16	0x800		/* undefined with operands of 16 bits */
#define ALIGN	0x1000		/* often wants 16 bytes aligned */
#define TCG16	0x2000		/* QEMU gets it wrong in 16-bit code, */
#define TCGREL	0x4000		/* relative to RIP, */
#define TCGCF	0x8000		/* and changes CF too early with /2 and /3 */
#define ANY	(-1)

struct form {
	const char *name;
	uint8_t map, opcode, last;	/* last of a row of opcodes, or 0 */
	uint8_t prefix;			/* mandatory one */
	int8_t first, final;		/* ModRM.reg, or ANY */
	uint32_t flags;
	uint32_t undefined;
};

static const struct form forms[] = {
	{ "add", 0, 0x00, 0x01, 0, ANY, 0, LK, 0 },
	{ "add", 0, 0x02, 0x03, 0, ANY, 0, 0, 0 },
	{ "or", 0, 0x08, 0x09, 0, ANY, 0, LK, AF },
	{ "or", 0, 0x0a, 0x0b, 0, ANY, 0, 0, AF },
	{ "adc", 0, 0x10, 0x11, 0, ANY, 0, LK, 0 },
	{ "adc", 0, 0x12, 0x13, 0, ANY, 0, 0, 0 },
	{ "sbb", 0, 0x18, 0x19, 0, ANY, 0, LK, 0 },
	{ "sbb", 0, 0x1a, 0x1b, 0, ANY, 0, 0, 0 },
	{ "and", 0, 0x20, 0x21, 0, ANY, 0, LK, AF },
	{ "and", 0, 0x22, 0x23, 0, ANY, 0, 0, AF },
	{ "sub", 0, 0x28, 0x29, 0, ANY, 0, LK, 0 },
	{ "sub", 0, 0x2a, 0x2b, 0, ANY, 0, 0, 0 },
	{ "xor", 0, 0x30, 0x31, 0, ANY, 0, LK, AF },
	{ "xor", 0, 0x32, 0x33, 0, ANY, 0, 0, AF },
	{ "cmp", 0, 0x38, 0x3b, 0, ANY, 0, 0, 0 },
	{ "movsxd", 0, 0x63, 0, 0, ANY, 0, ONLY64, 0 },
	{ "imul", 0, 0x69, 0, 0, ANY, 0, IZ, MULF },
	{ "imul", 0, 0x6b, 0, 0, ANY, 0, I8, MULF },
	{ "group1", 0, 0x80, 0, 0, 0, 6, I8 | BY | LK, AF },
	{ "group1", 0, 0x81, 0, 0, 0, 6, IZ | LK, AF },
	{ "group1", 0, 0x83, 0, 0, 0, 6, I8 | LK, AF },
	{ "cmp", 0, 0x80, 0, 0, 7, 7, I8 | BY, 0 },
	{ "cmp", 0, 0x81, 0, 0, 7, 7, IZ, 0 },
	{ "cmp", 0, 0x83, 0, 0, 7, 7, I8, 0 },
	{ "test", 0, 0x84, 0x85, 0, ANY, 0, 0, AF },
	{ "xchg", 0, 0x86, 0x87, 0, ANY, 0, LK, 0 },
	{ "mov", 0, 0x88, 0x8b, 0, ANY, 0, 0, 0 },
	{ "mov sreg", 0, 0x8c, 0, 0, 0, 5, 0, 0 },
	{ "pop", 0, 0x8f, 0, 0, 0, 0, 0, 0 },
	{ "mov moffs", 0, 0xa0, 0xa3, 0, ANY, 0, MOFFS, 0 },
	{ "movs", 0, 0xa4, 0xa5, 0, ANY, 0, STR, 0 },
	{ "cmps", 0, 0xa6, 0xa7, 0, ANY, 0, STR, 0 },
	{ "stos", 0, 0xaa, 0xab, 0, ANY, 0, STR, 0 },
	{ "lods", 0, 0xac, 0xad, 0, ANY, 0, STR, 0 },
	{ "scas", 0, 0xae, 0xaf, 0, ANY, 0, STR, 0 },
	{ "shift imm8", 0, 0xc0, 0xc1, 0, 0, 7, I8 | TCGCF, AF | OF },
	{ "shift 1", 0, 0xd0, 0xd1, 0, 0, 7, TCGCF, AF },
	{ "shift cl", 0, 0xd2, 0xd3, 0, 0, 7, TCGCF, AF | OF },
	{ "mov imm", 0, 0xc6, 0, 0, 0, 0, I8 | BY, 0 },
	{ "mov imm", 0, 0xc7, 0, 0, 0, 0, IZ, 0 },
	{ "test imm", 0, 0xf6, 0, 0, 0, 0, I8 | BY, AF },
	{ "test imm", 0, 0xf7, 0, 0, 0, 0, IZ, AF },
	{ "not, neg", 0, 0xf6, 0xf7, 0, 2, 3, LK, 0 },
	{ "mul, imul", 0, 0xf6, 0xf7, 0, 4, 5, 0, MULF },
	{ "div, idiv", 0, 0xf6, 0xf7, 0, 6, 7, 0, DIVF },
	{ "inc, dec", 0, 0xfe, 0xff, 0, 0, 1, LK, 0 },
	{ "call", 0, 0xff, 0, 0, 2, 2, BRANCH | NO66, 0 },
	{ "jmp", 0, 0xff, 0, 0, 4, 4, BRANCH | NO66, 0 },
	{ "push", 0, 0xff, 0, 0, 6, 6, 0, 0 },
	{ "nop", 1, 0x18, 0x1d, 0, ANY, 0, 0, 0 },
	{ "nop", 1, 0x1f, 0, 0, ANY, 0, 0, 0 },
	{ "cmov", 1, 0x40, 0x4f, 0, ANY, 0, 0, 0 },
	{ "set", 1, 0x90, 0x9f, 0, ANY, 0, BY, 0 },
	{ "bt", 1, 0xa3, 0, 0, ANY, 0, BITOFF, BTF },
	{ "bts", 1, 0xab, 0, 0, ANY, 0, BITOFF | LK, BTF },
	{ "btr", 1, 0xb3, 0, 0, ANY, 0, BITOFF | LK, BTF },
	{ "btc", 1, 0xbb, 0, 0, ANY, 0, BITOFF | LK, BTF },
	{ "bt imm", 1, 0xba, 0, 0, 4, 4, I8, BTF },
	{ "bts.. imm", 1, 0xba, 0, 0, 5, 7, I8 | LK, BTF },
	{ "shld", 1, 0xa4, 0, 0, ANY, 0, I8 | NO16 | TCGREL, AF | OF },
	{ "shld cl", 1, 0xa5, 0, 0, ANY, 0, NO16, AF | OF },
	{ "shrd", 1, 0xac, 0, 0, ANY, 0, I8 | NO16 | TCGREL, AF | OF },
	{ "shrd cl", 1, 0xad, 0, 0, ANY, 0, NO16, AF | OF },
	{ "imul", 1, 0xaf, 0, 0, ANY, 0, 0, MULF },
	{ "cmpxchg", 1, 0xb0, 0xb1, 0, ANY, 0, LK, 0 },
	{ "movzx, movsx", 1, 0xb6, 0xb7, 0, ANY, 0, 0, 0 },
	{ "movsx", 1, 0xbe, 0xbf, 0, ANY, 0, 0, 0 },
	{ "bsf, bsr", 1, 0xbc, 0xbd, 0, ANY, 0, 0, SCANF },
	{ "popcnt", 1, 0xb8, 0, 0xf3, ANY, 0, 0, 0 },
	{ "xadd", 1, 0xc0, 0xc1, 0, ANY, 0, LK, 0 },
	{ "movnti", 1, 0xc3, 0, 0, ANY, 0, NO66, 0 },
	{ "cmpxchg8b", 1, 0xc7, 0, 0, 1, 1, LK | NO66 | ALIGN, 0 },
	{ "movbe", 2, 0xf0, 0xf1, 0, ANY, 0, TCG16, 0 },
	{ "movups", 1, 0x10, 0x11, 0, ANY, 0, NO66, 0 },
	{ "movupd", 1, 0x10, 0x11, 0x66, ANY, 0, 0, 0 },
	{ "movss", 1, 0x10, 0x11, 0xf3, ANY, 0, NO66, 0 },
	{ "movsd", 1, 0x10, 0x11, 0xf2, ANY, 0, NO66, 0 },
	{ "movlps", 1, 0x12, 0x13, 0, ANY, 0, NO66, 0 },
	{ "movlpd", 1, 0x12, 0x13, 0x66, ANY, 0, 0, 0 },
	{ "movhps", 1, 0x16, 0x17, 0, ANY, 0, NO66, 0 },
	{ "movhpd", 1, 0x16, 0x17, 0x66, ANY, 0, 0, 0 },
	{ "movaps", 1, 0x28, 0x29, 0, ANY, 0, NO66 | ALIGN, 0 },
	{ "movapd", 1, 0x28, 0x29, 0x66, ANY, 0, ALIGN, 0 },
	{ "movntps", 1, 0x2b, 0, 0, ANY, 0, NO66 | ALIGN, 0 },
	{ "movd", 1, 0x6e, 0, 0x66, ANY, 0, 0, 0 },
	{ "movd", 1, 0x7e, 0, 0x66, ANY, 0, 0, 0 },
	{ "movq", 1, 0x7e, 0, 0xf3, ANY, 0, NO66, 0 },
	{ "movq", 1, 0xd6, 0, 0x66, ANY, 0, 0, 0 },
	{ "movdqa", 1, 0x6f, 0, 0x66, ANY, 0, ALIGN, 0 },
	{ "movdqa", 1, 0x7f, 0, 0x66, ANY, 0, ALIGN, 0 },
	{ "movdqu", 1, 0x6f, 0, 0xf3, ANY, 0, NO66, 0 },
	{ "movdqu", 1, 0x7f, 0, 0xf3, ANY, 0, NO66, 0 },
	{ "movntdq", 1, 0xe7, 0, 0x66, ANY, 0, ALIGN, 0 },
	{ "lddqu", 1, 0xf0, 0, 0xf2, ANY, 0, NO66, 0 },
};

/* One instruction in the making. */
struct making {
	struct rng *rng;
	struct insn *insn;
	const struct form *form;
	uint64_t target;	/* where the operand is to lie */
	uint64_t base;		/* of its segment */
	unsigned int adsize;
	uint8_t opcode, rex, modrm;
	bool opsize16, relative;
};

static void put(struct making *m, uint64_t value, unsigned int size)
{
	for (; size--; value >>= 8)
		m->insn->bytes[m->insn->length++] = value;
}

static uint64_t mask(unsigned int size)
{
	return size == 8 ? ~0ULL : (1ULL << 8 * size) - 1;
}

/* @reg gets the low @size bytes of @value; address arithmetic ignores the rest of it. */
static void lead(struct making *m, unsigned int reg, uint64_t value)
{
	uint64_t keep = m->insn->gpr[reg] & ~mask(m->adsize);

	m->insn->gpr[reg] = keep | (value & mask(m->adsize));
}

static int64_t displacement(struct making *m, unsigned int size)
{
	return size == 1 ? (int8_t)rnd(m->rng) : size == 2 ? (int16_t)below(m->rng, 0x10000) :
	       (int32_t)rnd(m->rng);
}

static void make_modrm16(struct making *m)
{
	static const uint8_t base[8] = { RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX };
	static const uint8_t index[4] = { RSI, RDI, RSI, RDI };
	unsigned int mod = below(m->rng, 3), rm = below(m->rng, 8);
	uint64_t ea = m->target - m->base;
	int64_t disp;

	put(m, m->modrm | mod << 6 | rm, 1);
	if (!mod && rm == 6) {
		put(m, ea, 2);
		return;
	}
	disp = mod ? displacement(m, mod) : 0;
	ea -= disp;
	if (rm < 4)
		ea -= m->insn->gpr[index[rm]];
	lead(m, base[rm], ea);
	put(m, disp, mod);
}

/* SIB and the registers it names; @ea is what is left for them. */
static void make_sib(struct making *m, unsigned int mod, uint64_t ea)
{
	unsigned int regs = m->insn->code == CODE64 ? 16 : 8, base, index;
	unsigned int scale = below(m->rng, 4);

	do {
		base = below(m->rng, regs);
		index = below(m->rng, regs);
	} while (base == RSP || (!mod && (base & 7) == RBP) || index == base);
	m->rex |= base >> 3 | (index >> 3) << 1;
	if (index != RSP)
		ea -= m->insn->gpr[index] << scale;
	lead(m, base, ea);
	put(m, scale << 6 | (index & 7) << 3 | (base & 7), 1);
}

static void make_modrm32(struct making *m, unsigned int tail)
{
	unsigned int mod = below(m->rng, 3), rm = below(m->rng, 8);
	uint64_t ea = m->target - m->base;
	unsigned int size = mod == 1 ? 1 : mod == 2 ? 4 : 0;
	int64_t disp;

	put(m, m->modrm | mod << 6 | rm, 1);
	if (!mod && rm == RBP) {
		m->relative = m->insn->code == CODE64;
		/* Relative to the next instruction in 64-bit mode. */
		if (m->insn->code == CODE64)
			ea -= WORLD_CODE + m->insn->length + 4 + tail;
		put(m, ea, 4);
		return;
	}
	disp = size ? displacement(m, size) : 0;
	if (rm == RSP) {
		make_sib(m, mod, ea - disp);
	} else {
		if (m->insn->code == CODE64 && one_in(m->rng, 2) && (mod || rm != RBP))
			m->rex |= 1;
		lead(m, rm | (m->rex & 1) << 3, ea - disp);
	}
	put(m, disp, size);
}

static unsigned int operand_size(const struct making *m)
{
	bool wide = m->insn->code != CODE16;

	if (m->rex & 8)
		return 8;
	return wide != m->opsize16 ? 4 : 2;
}

static void make_string(struct making *m)
{
	uint64_t *gpr = m->insn->gpr;
	uint64_t other = WORLD_LEFT + 0x400 + below(m->rng, 0x400);

	m->base = 0;	/* its override is RSI's alone, so there is none */
	m->adsize = m->insn->code == CODE64 ? 8 : m->insn->code == CODE32 ? 4 : 2;
	lead(m, RSI, one_in(m->rng, 3) ? other : m->target);
	lead(m, RDI, one_in(m->rng, 3) ? other : m->target + below(m->rng, 32));
	lead(m, RCX, below(m->rng, 12));
	gpr[RAX] = one_in(m->rng, 2) ? 0 : gpr[RAX];
}

/* Legacy prefixes; REX is not one of them. */
static void make_prefixes(struct making *m)
{
	const struct form *f = m->form;
	enum world_code code = m->insn->code;

	m->adsize = code == CODE64 ? 8 : code == CODE32 ? 4 : 2;
	if (!(f->flags & STR) && one_in(m->rng, 4)) {
		m->adsize = code == CODE32 ? 2 : 4;
		put(m, 0x67, 1);
	}
	if (!(f->flags & (NO66 | NO16)) && !f->prefix && one_in(m->rng, 3)) {
		m->opsize16 = true;
		put(m, 0x66, 1);
	}
	if (!(f->flags & STR) && one_in(m->rng, 6)) {
		put(m, 0x64, 1);	/* FS */
		m->base = 0x1000;
	}
	if ((f->flags & LK) && one_in(m->rng, 3))
		put(m, 0xf0, 1);
	if ((f->flags & STR) && one_in(m->rng, 2))
		put(m, one_in(m->rng, 2) ? 0xf2 : 0xf3, 1);
	if (f->prefix)
		put(m, f->prefix, 1);
}

static unsigned int immediate_size(const struct making *m)
{
	unsigned int size = operand_size(m);

	if (m->form->flags & I8)
		return 1;
	return !(m->form->flags & IZ) ? 0 : size == 8 ? 4 : size;
}

/*
 * The operand's bytes come first and REX, which they decide in part, goes before
 * them in the end. Its length must be known for addresses relative to RIP, so it
 * is always there in 64-bit mode.
 */
static void make_body(struct making *m)
{
	unsigned int flags = m->form->flags, rex_at = m->insn->length, tail;

	if (m->insn->code == CODE64) {
		m->rex = 0x40;
		if (!(flags & BRANCH) && !m->opsize16 && one_in(m->rng, 2))
			m->rex |= 8;
		if (m->form->first == ANY && one_in(m->rng, 2))
			m->rex |= 4;
		put(m, 0, 1);
	}
	if (m->form->map)
		put(m, 0x0f, 1);
	if (m->form->map == 2)
		put(m, 0x38, 1);
	put(m, m->opcode, 1);
	tail = immediate_size(m);
	if (flags & STR)
		make_string(m);
	else if (flags & MOFFS)
		put(m, m->target - m->base, m->adsize);
	else if (m->adsize == 2)
		make_modrm16(m);
	else
		make_modrm32(m, tail);
	put(m, odd_number(m->rng), tail);
	if (m->rex)
		m->insn->bytes[rex_at] = m->rex;
}

static void make_operands(struct making *m)
{
	const struct form *f = m->form;
	unsigned int reg;

	if (f->first == ANY)
		reg = below(m->rng, 8);
	else
		reg = f->first + below(m->rng, f->final - f->first + 1);
	m->modrm = reg << 3;
	if (f->flags & BITOFF)	/* whichever register it becomes, the offset is small */
		for (reg = 0; reg < 16; reg++)
			if (reg != RSP)
				m->insn->gpr[reg] = below(m->rng, 1024);
	/* Just before, in and just past the page's end; or well inside. */
	m->target = WORLD_PAGE + (one_in(m->rng, 4) ? PAGE_SIZE - below(m->rng, 17) :
				  0x200 + below(m->rng, 0xc00));
	if (f->flags & BRANCH)
		m->target &= ~7ULL;	/* where the client put a target */
	if ((f->flags & ALIGN) && !one_in(m->rng, 4))
		m->target &= ~15ULL;
}

static bool fits(const struct form *f, enum world_code code)
{
	if (code == CODE64)
		return true;
	if (f->flags & ONLY64)
		return false;
	return code != CODE16 ||
	       !(f->flags & NO16 || (f->flags & TCG16 && host_is_tcg()));
}

void insn_make(struct rng *rng, enum world_code code, struct insn *insn)
{
	struct making m = { .rng = rng, .insn = insn };
	unsigned int reg, offset_reg;

	do {
		memset(insn, 0, sizeof(*insn));
		insn->code = code;
		for (reg = 0; reg < 16; reg++)
			insn->gpr[reg] = odd_number(rng) & (code == CODE64 ? ~0ULL : 0xffffffff);
		insn->gpr[RSP] = WORLD_STACK + PAGE_SIZE + 8 * below(rng, 32);
		do {
			m.form = &forms[below(rng, KSFT_ARRAY_SIZE(forms))];
		} while (!fits(m.form, code));
		m.base = 0;
		m.rex = 0;
		m.opsize16 = false;
		m.relative = false;
		m.opcode = m.form->opcode;
		if (m.form->last)
			m.opcode += below(rng, m.form->last - m.form->opcode + 1);
		insn->name = m.form->name;
		insn->undefined = m.form->undefined;
		make_operands(&m);
		make_prefixes(&m);
		make_body(&m);
		/* A bit offset that is also the address would lead far away. */
		offset_reg = (m.modrm >> 3 & 7) | (m.rex & 4) << 1;
		insn->undefined_reg = !strcmp(insn->name, "bsf, bsr") ? (int)offset_reg : -1;
		insn->early_flags = (m.form->flags & TCGCF) && (m.modrm >> 4 & 3) == 1;
	} while (insn->length > INSN_MAX ||
		 (m.relative && (m.form->flags & TCGREL) && host_is_tcg()) ||
		 ((m.form->flags & BITOFF) && insn->gpr[offset_reg] >= 1024));
}
