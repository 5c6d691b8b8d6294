// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: instruction lengths, operands and effective addresses in all modes,
 * prefixes, the length limit, fetches over page boundaries, and random bytes.
 */
#include "emul_world.h"

#define LONG	KHV_EMUL_LONG
#define P32	KHV_EMUL_PROT32
#define P16	KHV_EMUL_PROT16
#define REAL	KHV_EMUL_REAL

struct encoding {
	u8 mode;
	u8 length;
	u8 op;
	u8 opsize;
	u8 bytes[15];
};

static const struct encoding encodings[] = {
	/* MOV and its many forms */
	{ LONG, 2, KHV_OP_MOV, 4, { 0x89, 0x03 } },
	{ LONG, 3, KHV_OP_MOV, 8, { 0x48, 0x8b, 0x03 } },
	{ LONG, 3, KHV_OP_MOV, 2, { 0x66, 0x89, 0x03 } },
	{ LONG, 2, KHV_OP_MOV, 1, { 0x88, 0x03 } },
	{ LONG, 6, KHV_OP_MOV, 4, { 0xc7, 0x03, 1, 2, 3, 4 } },
	{ LONG, 7, KHV_OP_MOV, 8, { 0x48, 0xc7, 0x03, 1, 2, 3, 4 } },
	{ LONG, 5, KHV_OP_MOV, 2, { 0x66, 0xc7, 0x03, 1, 2 } },
	{ LONG, 3, KHV_OP_MOV, 1, { 0xc6, 0x03, 1 } },
	{ LONG, 10, KHV_OP_MOV, 8, { 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ LONG, 5, KHV_OP_MOV, 4, { 0xb8, 1, 2, 3, 4 } },
	{ LONG, 9, KHV_OP_MOV, 1, { 0xa0, 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ LONG, 6, KHV_OP_MOV, 4, { 0x67, 0xa1, 1, 2, 3, 4 } },
	{ P32, 5, KHV_OP_MOV, 4, { 0xa3, 1, 2, 3, 4 } },
	{ P32, 4, KHV_OP_MOV, 4, { 0x67, 0xa3, 1, 2 } },
	{ REAL, 3, KHV_OP_MOV, 2, { 0xa1, 1, 2 } },
	{ REAL, 4, KHV_OP_MOV, 4, { 0x66, 0xa1, 1, 2 } },
	{ REAL, 4, KHV_OP_MOV, 2, { 0xc7, 0x07, 1, 2 } },
	{ LONG, 4, KHV_OP_MOV, 8, { 0x48, 0x0f, 0xc3, 0x03 } },
	{ REAL, 3, KHV_OP_MOV, 4, { 0x0f, 0xc3, 0x07 } },
	/* ModRM, SIB, displacements */
	{ LONG, 3, KHV_OP_MOV, 4, { 0x8b, 0x43, 0x10 } },
	{ LONG, 6, KHV_OP_MOV, 4, { 0x8b, 0x83, 1, 2, 3, 4 } },
	{ LONG, 3, KHV_OP_MOV, 4, { 0x8b, 0x04, 0x24 } },
	{ LONG, 4, KHV_OP_MOV, 4, { 0x8b, 0x44, 0x24, 8 } },
	{ LONG, 7, KHV_OP_MOV, 4, { 0x8b, 0x04, 0x25, 1, 2, 3, 4 } },
	{ LONG, 6, KHV_OP_MOV, 4, { 0x8b, 0x05, 1, 2, 3, 4 } },
	{ P32, 6, KHV_OP_MOV, 4, { 0x8b, 0x05, 1, 2, 3, 4 } },
	{ P16, 4, KHV_OP_MOV, 2, { 0x8b, 0x06, 1, 2 } },
	{ P16, 3, KHV_OP_MOV, 2, { 0x8b, 0x47, 1 } },
	{ P16, 4, KHV_OP_MOV, 2, { 0x8b, 0x87, 1, 2 } },
	{ P16, 7, KHV_OP_MOV, 2, { 0x67, 0x8b, 0x05, 1, 2, 3, 4 } },
	/* prefixes */
	{ LONG, 8, KHV_OP_MOV, 2, { 0x66, 0x67, 0x26, 0x36, 0xf3, 0x40, 0x8b, 0x03 } },
	{ LONG, 3, KHV_OP_MOV, 4, { 0x64, 0x8b, 0x03 } },
	/* ALU, groups */
	{ LONG, 4, KHV_OP_ADD, 1, { 0xf0, 0x80, 0x03, 1 } },
	{ LONG, 7, KHV_OP_CMP, 8, { 0x48, 0x81, 0x3b, 1, 2, 3, 4 } },
	{ LONG, 3, KHV_OP_SBB, 4, { 0x83, 0x1b, 1 } },
	{ LONG, 5, KHV_OP_XOR, 4, { 0x35, 1, 2, 3, 4 } },
	{ LONG, 6, KHV_OP_TEST, 4, { 0xf7, 0x03, 1, 2, 3, 4 } },
	{ LONG, 3, KHV_OP_TEST, 1, { 0xf6, 0x03, 1 } },
	{ LONG, 2, KHV_OP_NOT, 4, { 0xf7, 0x13 } },
	{ LONG, 2, KHV_OP_IDIV, 4, { 0xf7, 0x3b } },
	{ LONG, 3, KHV_OP_SAR, 4, { 0xc1, 0x3b, 5 } },
	{ LONG, 4, KHV_OP_SHLD, 4, { 0x0f, 0xa4, 0x03, 5 } },
	{ LONG, 3, KHV_OP_IMUL3, 4, { 0x6b, 0x03, 5 } },
	{ LONG, 6, KHV_OP_IMUL3, 4, { 0x69, 0x03, 1, 2, 3, 4 } },
	{ LONG, 4, KHV_OP_BTC, 4, { 0x0f, 0xba, 0x3b, 5 } },
	{ LONG, 3, KHV_OP_CMPXCHG8B, 4, { 0x0f, 0xc7, 0x0b } },
	{ LONG, 5, KHV_OP_MOVBE, 4, { 0x0f, 0x38, 0xf0, 0x43, 8 } },
	/* operand size of stack and branches */
	{ LONG, 2, KHV_OP_PUSH, 8, { 0xff, 0x33 } },
	{ LONG, 3, KHV_OP_PUSH, 2, { 0x66, 0xff, 0x33 } },
	{ LONG, 2, KHV_OP_POP, 8, { 0x8f, 0x03 } },
	{ LONG, 3, KHV_OP_CALL, 8, { 0x66, 0xff, 0x13 } },
	{ P32, 2, KHV_OP_JMP, 4, { 0xff, 0x23 } },
	{ LONG, 5, KHV_OP_CALL_REL, 8, { 0xe8, 1, 2, 3, 4 } },
	{ REAL, 3, KHV_OP_CALL_REL, 2, { 0xe8, 1, 2 } },
	/* strings and ports */
	{ LONG, 2, KHV_OP_MOVS, 1, { 0xf3, 0xa4 } },
	{ LONG, 3, KHV_OP_STOS, 8, { 0xf3, 0x48, 0xab } },
	{ REAL, 2, KHV_OP_OUTS, 4, { 0x66, 0x6f } },
	{ LONG, 2, KHV_OP_OUT, 1, { 0xe6, 0x80 } },
	{ LONG, 1, KHV_OP_IN, 4, { 0xed } },
	/* SSE */
	{ LONG, 3, KHV_OP_SSE_LOAD, 16, { 0x0f, 0x10, 0x03 } },
	{ LONG, 4, KHV_OP_SSE_STORE, 8, { 0xf2, 0x0f, 0x11, 0x03 } },
	{ LONG, 5, KHV_OP_SSE_LOAD, 8, { 0x66, 0x48, 0x0f, 0x6e, 0x03 } },
	{ LONG, 5, KHV_OP_SSE_LOAD, 16, { 0x66, 0x0f, 0x38, 0x2a, 0x03 } },
	/* for their length */
	{ LONG, 2, KHV_OP_LENGTH, 4, { 0x0f, 0xa2 } },
	{ LONG, 1, KHV_OP_LENGTH, 4, { 0xf4 } },
	{ LONG, 3, KHV_OP_LENGTH, 4, { 0x0f, 0x20, 0xc0 } },
	{ LONG, 3, KHV_OP_LENGTH, 4, { 0x0f, 0x20, 0x45 } },
	{ LONG, 3, KHV_OP_LENGTH, 4, { 0x0f, 0x01, 0xd9 } },
	{ LONG, 4, KHV_OP_LENGTH, 4, { 0xc8, 1, 2, 3 } },
	{ P32, 7, KHV_OP_LENGTH, 4, { 0x9a, 1, 2, 3, 4, 5, 6 } },
	{ REAL, 5, KHV_OP_LENGTH, 2, { 0xea, 1, 2, 3, 4 } },
	{ LONG, 4, KHV_OP_LENGTH, 4, { 0xc5, 0xfd, 0x6f, 0x03 } },
	{ LONG, 6, KHV_OP_LENGTH, 4, { 0xc4, 0xe3, 0x7d, 0x18, 0xc1, 1 } },
	{ LONG, 6, KHV_OP_LENGTH, 4, { 0x62, 0xf1, 0x7c, 0x48, 0x10, 0x03 } },
	{ P32, 2, KHV_OP_LENGTH, 4, { 0xc5, 0x03 } },
	{ P32, 1, KHV_OP_INC, 4, { 0x40 } },
	{ LONG, 2, KHV_OP_MOVSX, 4, { 0x63, 0x03 } },
	{ P32, 2, KHV_OP_LENGTH, 4, { 0x63, 0x03 } },
};

static void emul_decode_lengths(struct kunit *test)
{
	const struct encoding *e;
	struct emul_world *w;
	int i;

	for (i = 0; i < ARRAY_SIZE(encodings); i++) {
		e = &encodings[i];
		w = world_create(test, e->mode);
		/* What follows must not be taken for part of it. */
		memset(w->mem + WORLD_CODE, 0x90, 32);
		world_code(w, e->bytes, e->length);
		KUNIT_EXPECT_EQ_MSG(test, khv_emul_decode(&w->em), KHV_EMUL_OK, "entry %d", i);
		KUNIT_EXPECT_EQ_MSG(test, w->em.insn.length, e->length, "entry %d", i);
		KUNIT_EXPECT_EQ_MSG(test, w->em.insn.op, e->op, "entry %d", i);
		KUNIT_EXPECT_EQ_MSG(test, w->em.insn.opsize, e->opsize, "entry %d", i);
	}
}

struct address {
	u8 mode;
	u8 seg;
	u8 length;
	u64 ea;
	u8 bytes[12];
};

/* With register n holding 0x1000 * (n + 1), RIP at WORLD_CODE. */
static const struct address addresses[] = {
	{ LONG, KHV_EMUL_DS, 2, 0x4000, { 0x8b, 0x03 } },
	{ LONG, KHV_EMUL_SS, 3, 0x6010, { 0x8b, 0x45, 0x10 } },
	{ LONG, KHV_EMUL_DS, 4, 0xe000 - 0x10, { 0x41, 0x8b, 0x45, 0xf0 } },
	{ LONG, KHV_EMUL_SS, 4, 0x5008, { 0x8b, 0x44, 0x24, 8 } },
	{ LONG, KHV_EMUL_DS, 4, 0xd000, { 0x41, 0x8b, 0x04, 0x24 } },
	{ LONG, KHV_EMUL_DS, 3, 0x4000 + 0x2000 * 8, { 0x8b, 0x04, 0xcb } },
	{ LONG, KHV_EMUL_DS, 4, 0x4000 + 0xd000 * 2, { 0x42, 0x8b, 0x04, 0x63 } },
	{ LONG, KHV_EMUL_DS, 7, 0x2000 * 4 + 0x100, { 0x8b, 0x04, 0x8d, 0, 1, 0, 0 } },
	{ LONG, KHV_EMUL_DS, 7, 0xffffffff80000000ULL, { 0x8b, 0x04, 0x25, 0, 0, 0, 0x80 } },
	{ LONG, KHV_EMUL_DS, 6, WORLD_CODE + 6 + 0x100, { 0x8b, 0x05, 0, 1, 0, 0 } },
	{ LONG, KHV_EMUL_DS, 7, WORLD_CODE + 7 - 0x100, { 0x80, 0x05, 0, 0xff, 0xff, 0xff, 1 } },
	{ LONG, KHV_EMUL_DS, 7, (u32)(WORLD_CODE + 7 - 0x2000),
	  { 0x67, 0x8b, 0x05, 0, 0xe0, 0xff, 0xff } },
	{ LONG, KHV_EMUL_GS, 4, 0x4000, { 0x65, 0x48, 0x8b, 0x03 } },
	{ LONG, KHV_EMUL_DS, 3, 0x4000, { 0x2e, 0x8b, 0x03 } },
	{ P32, KHV_EMUL_CS, 3, 0x4000, { 0x2e, 0x8b, 0x03 } },
	{ P32, KHV_EMUL_SS, 3, 0x6000, { 0x8b, 0x45, 0 } },
	{ P32, KHV_EMUL_DS, 6, 0x12345678, { 0x8b, 0x05, 0x78, 0x56, 0x34, 0x12 } },
	{ P16, KHV_EMUL_DS, 2, 0xb000, { 0x8b, 0x00 } },
	{ P16, KHV_EMUL_SS, 2, 0xe000, { 0x8b, 0x03 } },
	{ P16, KHV_EMUL_DS, 2, 0x7000, { 0x8b, 0x04 } },
	{ P16, KHV_EMUL_SS, 3, 0x6004, { 0x8b, 0x46, 4 } },
	{ P16, KHV_EMUL_DS, 4, 0x1234, { 0x8b, 0x06, 0x34, 0x12 } },
	{ P16, KHV_EMUL_DS, 4, 0x3fff, { 0x8b, 0x87, 0xff, 0xff } },
	{ REAL, KHV_EMUL_ES, 4, 0x1234, { 0x26, 0xa1, 0x34, 0x12 } },
};

static void emul_decode_addresses(struct kunit *test)
{
	const struct address *a;
	struct emul_world *w;
	int i, r;

	for (i = 0; i < ARRAY_SIZE(addresses); i++) {
		a = &addresses[i];
		w = world_create(test, a->mode);
		for (r = 0; r < KHV_EMUL_NR_GPRS; r++)
			w->em.regs.gpr[r] = 0x1000 * (r + 1);
		world_code(w, a->bytes, a->length);
		KUNIT_EXPECT_EQ_MSG(test, khv_emul_decode(&w->em), KHV_EMUL_OK, "entry %d", i);
		KUNIT_EXPECT_EQ_MSG(test, w->em.insn.length, a->length, "entry %d", i);
		KUNIT_EXPECT_EQ_MSG(test, w->em.insn.mem.ea, a->ea, "entry %d", i);
		KUNIT_EXPECT_EQ_MSG(test, w->em.insn.mem.seg, a->seg, "entry %d", i);
	}
}

struct bad_encoding {
	u8 mode;
	u8 vector;
	u8 length;
	u8 bytes[15];
};

static const struct bad_encoding bad_encodings[] = {
	{ LONG, KHV_EXC_UD, 2, { 0x0f, 0x0b } },
	{ LONG, KHV_EXC_UD, 3, { 0x0f, 0xff, 0x03 } },
	{ LONG, KHV_EXC_UD, 2, { 0xfe, 0x13 } },
	{ LONG, KHV_EXC_UD, 2, { 0xff, 0x3b } },
	{ LONG, KHV_EXC_UD, 3, { 0xc6, 0x0b, 0 } },
	/* not in 64-bit mode */
	{ LONG, KHV_EXC_UD, 1, { 0x06 } },
	{ LONG, KHV_EXC_UD, 1, { 0x27 } },
	{ LONG, KHV_EXC_UD, 1, { 0x60 } },
	{ LONG, KHV_EXC_UD, 3, { 0x82, 0x03, 0 } },
	/* LOCK: wrong instruction, wrong operand */
	{ LONG, KHV_EXC_UD, 3, { 0xf0, 0x89, 0x03 } },
	{ LONG, KHV_EXC_UD, 3, { 0xf0, 0x01, 0xc3 } },
	{ LONG, KHV_EXC_UD, 3, { 0xf0, 0x03, 0x03 } },
	{ LONG, KHV_EXC_UD, 4, { 0xf0, 0x83, 0x3b, 1 } },
	{ LONG, KHV_EXC_UD, 4, { 0xf0, 0x0f, 0xa3, 0x03 } },
	{ LONG, KHV_EXC_UD, 2, { 0xf0, 0x90 } },
	{ LONG, KHV_EXC_UD, 2, { 0xf0, 0xa4 } },
	/* memory only */
	{ LONG, KHV_EXC_UD, 3, { 0x0f, 0xc7, 0xc8 } },
	{ LONG, KHV_EXC_UD, 2, { 0x8d, 0xc0 } },
	{ LONG, KHV_EXC_UD, 3, { 0x0f, 0xc3, 0xc0 } },
	/* VEX after a prefix that it forbids */
	{ LONG, KHV_EXC_UD, 5, { 0x66, 0xc5, 0xfd, 0x6f, 0x03 } },
	/* longer than 15 bytes */
	{ LONG, KHV_EXC_GP, 15, { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
				  0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66 } },
	{ LONG, KHV_EXC_GP, 15, { 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26,
				  0x26, 0x26, 0x26, 0x26, 0xc7, 0x03, 0 } },
};

static void emul_decode_bad(struct kunit *test)
{
	const struct bad_encoding *b;
	struct emul_world *w;
	int i;

	for (i = 0; i < ARRAY_SIZE(bad_encodings); i++) {
		b = &bad_encodings[i];
		w = world_create(test, b->mode);
		world_code(w, b->bytes, b->length);
		KUNIT_EXPECT_EQ_MSG(test, khv_emul_decode(&w->em), KHV_EMUL_FAULT, "entry %d", i);
		KUNIT_EXPECT_EQ_MSG(test, w->em.exc.vector, b->vector, "entry %d", i);
		KUNIT_EXPECT_LE(test, w->em.insn.length, KHV_EMUL_MAX_INSN);
	}
}

/* 14 prefixes and NOP are just short enough. */
static void emul_decode_longest(struct kunit *test)
{
	struct emul_world *w = world_create(test, LONG);

	memset(w->mem + WORLD_CODE, 0x66, 14);
	w->mem[WORLD_CODE + 14] = 0x90;
	KUNIT_EXPECT_EQ(test, khv_emul_decode(&w->em), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.insn.length, 15);
}

/* REX counts only right before the opcode. */
static void emul_decode_rex(struct kunit *test)
{
	struct emul_world *w = world_create(test, LONG);

	WORLD_CODE_BYTES(w, 0x48, 0x66, 0x8b, 0x03);
	KUNIT_EXPECT_EQ(test, khv_emul_decode(&w->em), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.insn.opsize, 2);
	WORLD_CODE_BYTES(w, 0x66, 0x48, 0x8b, 0x03);
	w->em.avail = 0;
	KUNIT_EXPECT_EQ(test, khv_emul_decode(&w->em), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.insn.opsize, 8);
	/* Byte registers: SPL with REX, AH without. */
	WORLD_CODE_BYTES(w, 0x40, 0x88, 0x23);
	w->em.avail = 0;
	KUNIT_EXPECT_EQ(test, khv_emul_decode(&w->em), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.insn.src.reg, KHV_EMUL_RSP);
	KUNIT_EXPECT_FALSE(test, w->em.insn.src.high);
	WORLD_CODE_BYTES(w, 0x88, 0x23);
	w->em.avail = 0;
	KUNIT_EXPECT_EQ(test, khv_emul_decode(&w->em), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.insn.src.reg, KHV_EMUL_RAX);
	KUNIT_EXPECT_TRUE(test, w->em.insn.src.high);
}

static void emul_decode_page_crossing(struct kunit *test)
{
	static const u8 code[] = { 0x48, 0xc7, 0x03, 1, 2, 3, 4 };
	struct emul_world *w = world_create(test, LONG);
	u32 before;

	w->em.regs.gpr[KHV_EMUL_RBX] = WORLD_DATA;
	for (before = 1; before <= sizeof(code); before++) {
		w->em.regs.rip = 0x3000 - before;
		memcpy(w->mem + w->em.regs.rip, code, sizeof(code));
		w->fault_page = WORLD_NO_FAULT;
		w->em.avail = 0;
		KUNIT_EXPECT_EQ(test, khv_emul_decode(&w->em), KHV_EMUL_OK);
		KUNIT_EXPECT_EQ(test, w->em.insn.length, sizeof(code));
		KUNIT_EXPECT_EQ(test, w->em.insn.imm, 0x04030201ULL);
		/* The second page is touched only by an instruction that reaches it. */
		w->fault_page = 0x3000;
		w->em.avail = 0;
		if (before == sizeof(code)) {
			KUNIT_EXPECT_EQ(test, khv_emul_decode(&w->em), KHV_EMUL_OK);
			continue;
		}
		KUNIT_EXPECT_EQ(test, khv_emul_decode(&w->em), KHV_EMUL_FAULT);
		KUNIT_EXPECT_EQ(test, w->em.exc.vector, KHV_EXC_PF);
		KUNIT_EXPECT_EQ(test, w->em.exc.address, 0x3000ULL);
	}
}

static void emul_decode_code_limit(struct kunit *test)
{
	struct emul_world *w = world_create(test, P32);

	WORLD_CODE_BYTES(w, 0xb8, 1, 2, 3, 4);
	w->segs[KHV_EMUL_CS].limit = WORLD_CODE + 4;
	KUNIT_EXPECT_EQ(test, khv_emul_decode(&w->em), KHV_EMUL_OK);
	w->segs[KHV_EMUL_CS].limit = WORLD_CODE + 3;
	w->em.segs_valid = 0;
	w->em.avail = 0;
	KUNIT_EXPECT_EQ(test, khv_emul_decode(&w->em), KHV_EMUL_FAULT);
	KUNIT_EXPECT_EQ(test, w->em.exc.vector, KHV_EXC_GP);
	KUNIT_EXPECT_TRUE(test, w->em.exc.has_error);
	/* In real mode nothing is pushed. */
	w->em.mode = REAL;
	w->em.avail = 0;
	w->em.regs.rip = WORLD_CODE + 4;
	KUNIT_EXPECT_EQ(test, khv_emul_decode(&w->em), KHV_EMUL_FAULT);
	KUNIT_EXPECT_FALSE(test, w->em.exc.has_error);
}

static void emul_decode_supplied_bytes(struct kunit *test)
{
	struct emul_world *w = world_create(test, LONG);

	/* Where hardware hands over the bytes, memory is not asked. */
	w->fault_page = WORLD_CODE & PAGE_MASK;
	memset(w->em.bytes, 0x90, sizeof(w->em.bytes));
	w->em.bytes[0] = 0x0f;
	w->em.bytes[1] = 0xa2;
	w->em.avail = KHV_EMUL_MAX_INSN;
	KUNIT_EXPECT_EQ(test, khv_emul_decode(&w->em), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.insn.length, 2);
}

static void emul_decode_modes(struct kunit *test)
{
	struct emul_world *w = world_create(test, LONG);

	khv_emul_set_mode(&w->em, true);
	KUNIT_EXPECT_EQ(test, w->em.mode, LONG);
	w->segs[KHV_EMUL_CS].l = false;
	w->segs[KHV_EMUL_CS].db = true;
	khv_emul_set_mode(&w->em, true);
	KUNIT_EXPECT_EQ(test, w->em.mode, P32);
	w->segs[KHV_EMUL_CS].db = false;
	khv_emul_set_mode(&w->em, false);
	KUNIT_EXPECT_EQ(test, w->em.mode, P16);
	w->em.regs.rflags |= X86_EFLAGS_VM;
	khv_emul_set_mode(&w->em, false);
	KUNIT_EXPECT_EQ(test, w->em.mode, KHV_EMUL_VM86);
	w->em.cr0 = 0;
	khv_emul_set_mode(&w->em, false);
	KUNIT_EXPECT_EQ(test, w->em.mode, REAL);
}

/* Random bytes: some result, in bounds, and registers untouched by a failure. */
static void fuzz(struct kunit *test, enum khv_emul_mode mode, u32 rounds)
{
	struct emul_world *w = world_create(test, mode);
	struct khv_emul_regs before;
	struct rnd_state rnd;
	int rc, i, trips;
	u32 n;

	prandom_seed_state(&rnd, 100 + mode);
	w->port_in_kernel = true;
	for (n = 0; n < rounds; n++) {
		prandom_bytes_state(&rnd, w->mem + WORLD_CODE, KHV_EMUL_MAX_INSN);
		if (n & 1)
			w->mem[WORLD_CODE] = 0x0f;
		for (i = 0; i < KHV_EMUL_NR_GPRS; i++) {
			w->em.regs.gpr[i] = world_random(&rnd) % (3 * WORLD_MEM);
			if (!(prandom_u32_state(&rnd) & 7))
				w->em.regs.gpr[i] = world_random(&rnd);
		}
		w->em.regs.rip = WORLD_CODE;
		w->em.regs.rflags = X86_EFLAGS_FIXED |
				    (world_random(&rnd) & (KHV_EMUL_ARITH_FLAGS | X86_EFLAGS_DF));
		w->em.cpl = prandom_u32_state(&rnd) & 3;
		w->nr_writes = 0;
		before = w->em.regs;
		rc = world_run(w, &trips);
		KUNIT_ASSERT_LE(test, w->em.insn.length, KHV_EMUL_MAX_INSN);
		KUNIT_ASSERT_LT(test, trips, WORLD_ANSWERS);
		KUNIT_ASSERT_NE(test, rc, KHV_EMUL_NOT_RAM);
		if ((rc == KHV_EMUL_FAULT && !(w->em.insn.flags & KHV_F_STRING)) ||
		    rc == KHV_EMUL_UNHANDLEABLE)
			KUNIT_ASSERT_EQ(test, memcmp(&before, &w->em.regs, sizeof(before)), 0);
		if (rc == KHV_EMUL_FAULT || rc == KHV_EMUL_RESTART)
			KUNIT_ASSERT_EQ(test, w->em.regs.rip, before.rip);
		cond_resched();
	}
}

static void emul_fuzz_real(struct kunit *test)
{
	fuzz(test, REAL, 25000);
}

static void emul_fuzz_prot16(struct kunit *test)
{
	fuzz(test, P16, 25000);
}

static void emul_fuzz_prot32(struct kunit *test)
{
	fuzz(test, P32, 25000);
}

static void emul_fuzz_long(struct kunit *test)
{
	fuzz(test, LONG, 50000);
}

static struct kunit_case emul_decode_cases[] = {
	KUNIT_CASE(emul_decode_lengths),
	KUNIT_CASE(emul_decode_addresses),
	KUNIT_CASE(emul_decode_bad),
	KUNIT_CASE(emul_decode_longest),
	KUNIT_CASE(emul_decode_rex),
	KUNIT_CASE(emul_decode_page_crossing),
	KUNIT_CASE(emul_decode_code_limit),
	KUNIT_CASE(emul_decode_supplied_bytes),
	KUNIT_CASE(emul_decode_modes),
	KUNIT_CASE(emul_fuzz_real),
	KUNIT_CASE(emul_fuzz_prot16),
	KUNIT_CASE(emul_fuzz_prot32),
	KUNIT_CASE(emul_fuzz_long),
	{}
};

static struct kunit_suite emul_decode_suite = {
	.name = "khv_emul_decode",
	.test_cases = emul_decode_cases,
};

kunit_test_suite(emul_decode_suite);
