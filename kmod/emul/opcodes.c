// SPDX-License-Identifier: GPL-2.0-only
/*
 * The opcode maps, after the tables of SDM "Opcode Map". An entry gives the
 * operation, its destination and source, and attributes. Instructions that are
 * never emulated are listed with what their length depends on; encodings that
 * the manual reserves as invalid are KHV_OP_INVALID; what is missing is
 * unknown.
 */
#include <linux/types.h>

#include "internal.h"

#define ENTRY(o, d, s, f)							\
	{ .op = KHV_OP_##o, .dst = KHV_ARG_##d, .src = KHV_ARG_##s, .flags = (f) }
/* Length only. */
#define LEN(f)		{ .op = KHV_OP_LENGTH, .flags = (f) }
#define INVALID		{ .op = KHV_OP_INVALID }
#define INVALID_MODRM	{ .op = KHV_OP_INVALID, .flags = M }
#define GROUP(t, d, s, f)							\
	{ .dst = KHV_ARG_##d, .src = KHV_ARG_##s, .sub = (t),			\
	  .flags = KHV_F_MODRM | KHV_F_GROUP | (f) }
#define BY_PREFIX(t, f)	{ .sub = (t), .flags = KHV_F_PREFIX | KHV_F_MODRM | (f) }

#define M		KHV_F_MODRM
#define B		KHV_F_BYTE
#define I8		KHV_F_IMM8
#define IZ		KHV_F_IMM
#define WO		KHV_F_WO
#define RO		KHV_F_RO
#define LK		KHV_F_LOCK
#define N64		KHV_F_NO64
#define D64		KHV_F_D64
#define F64		KHV_F_F64
#define STR		KHV_F_STRING

/* The six forms that the first eight rows of the one-byte map share. */
#define ALU_ROW(base, o, f, facc)						\
	[(base) + 0] = ENTRY(o, E, G, M | B | (f)),				\
	[(base) + 1] = ENTRY(o, E, G, M | (f)),					\
	[(base) + 2] = ENTRY(o, G, E, M | B | (facc)),				\
	[(base) + 3] = ENTRY(o, G, E, M | (facc)),				\
	[(base) + 4] = ENTRY(o, ACC, IMM, B | IZ | (facc)),			\
	[(base) + 5] = ENTRY(o, ACC, IMM, IZ | (facc))

static const struct khv_emul_opcode group1[8] = {
	ENTRY(ADD, E, IMM, LK), ENTRY(OR, E, IMM, LK),
	ENTRY(ADC, E, IMM, LK), ENTRY(SBB, E, IMM, LK),
	ENTRY(AND, E, IMM, LK), ENTRY(SUB, E, IMM, LK),
	ENTRY(XOR, E, IMM, LK), ENTRY(CMP, E, IMM, RO),
};

static const struct khv_emul_opcode group1a[8] = {
	[0] = ENTRY(POP, E, NONE, WO | D64),
	/* AMD's XOP prefix, which no guest is offered. */
	[1 ... 7] = INVALID,
};

/* The source column comes from the parent: an immediate, 1 or CL. */
static const struct khv_emul_opcode group2[8] = {
	{ .op = KHV_OP_ROL }, { .op = KHV_OP_ROR }, { .op = KHV_OP_RCL },
	{ .op = KHV_OP_RCR }, { .op = KHV_OP_SHL }, { .op = KHV_OP_SHR },
	{ .op = KHV_OP_SAL }, { .op = KHV_OP_SAR },
};

static const struct khv_emul_opcode group3[8] = {
	ENTRY(TEST, E, IMM, IZ | RO), ENTRY(TEST, E, IMM, IZ | RO),
	ENTRY(NOT, E, NONE, LK), ENTRY(NEG, E, NONE, LK),
	ENTRY(MUL, NONE, E, 0), ENTRY(IMUL, NONE, E, 0),
	ENTRY(DIV, NONE, E, 0), ENTRY(IDIV, NONE, E, 0),
};

static const struct khv_emul_opcode group4[8] = {
	[0] = ENTRY(INC, E, NONE, LK),
	[1] = ENTRY(DEC, E, NONE, LK),
	[2 ... 7] = INVALID,
};

static const struct khv_emul_opcode group5[8] = {
	ENTRY(INC, E, NONE, LK), ENTRY(DEC, E, NONE, LK),
	ENTRY(CALL, NONE, E, F64), LEN(KHV_F_MEM),
	ENTRY(JMP, NONE, E, F64), LEN(KHV_F_MEM),
	ENTRY(PUSH, NONE, E, D64), INVALID,
};

static const struct khv_emul_opcode group7[8] = {
	LEN(0), LEN(0), LEN(0), LEN(0), LEN(0), LEN(0), LEN(0), LEN(0),
};

static const struct khv_emul_opcode group8[8] = {
	[0 ... 3] = INVALID,
	[4] = ENTRY(BT, E, IMM, RO), [5] = ENTRY(BTS, E, IMM, LK),
	[6] = ENTRY(BTR, E, IMM, LK), [7] = ENTRY(BTC, E, IMM, LK),
};

static const struct khv_emul_opcode group9[8] = {
	[0] = INVALID,
	[1] = ENTRY(CMPXCHG8B, E, NONE, LK | KHV_F_MEM | KHV_F_NOLOAD),
	[2] = INVALID,
	[3 ... 7] = LEN(0),
};

static const struct khv_emul_opcode group11[8] = {
	[0] = ENTRY(MOV, E, IMM, IZ | WO),
	[1 ... 6] = INVALID,
	/* XABORT and XBEGIN in register form, invalid otherwise. */
	[7] = LEN(IZ),
};

#define CACHE_LINE	ENTRY(NOP, NONE, NONE, KHV_F_NOLOAD | KHV_F_MEMONLY)

/* State save and restore, fences, and in memory form /7 CLFLUSH. */
static const struct khv_emul_opcode group15[8] = {
	[0 ... 6] = LEN(0),
	[7] = CACHE_LINE,
};

/* CLWB and CLFLUSHOPT. */
static const struct khv_emul_opcode group15_66[8] = {
	[0 ... 5] = LEN(0),
	[6] = CACHE_LINE,
	[7] = CACHE_LINE,
};

/* Under F3 RDFSBASE and its kin, among others. */
static const struct khv_emul_opcode prefix_ae[4] = {
	{ .sub = group15, .flags = KHV_F_GROUP },
	{ .sub = group15_66, .flags = KHV_F_GROUP },
	LEN(0), LEN(0),
};

#define FAR_IMM		(KHV_F_FARPTR | N64)

const struct khv_emul_opcode khv_emul_map_one[256] = {
	ALU_ROW(0x00, ADD, LK, 0),
	[0x06] = LEN(N64), [0x07] = LEN(N64),
	ALU_ROW(0x08, OR, LK, 0),
	[0x0e] = LEN(N64),
	ALU_ROW(0x10, ADC, LK, 0),
	[0x16] = LEN(N64), [0x17] = LEN(N64),
	ALU_ROW(0x18, SBB, LK, 0),
	[0x1e] = LEN(N64), [0x1f] = LEN(N64),
	ALU_ROW(0x20, AND, LK, 0),
	[0x27] = LEN(N64),
	ALU_ROW(0x28, SUB, LK, 0),
	[0x2f] = LEN(N64),
	ALU_ROW(0x30, XOR, LK, 0),
	[0x37] = LEN(N64),
	ALU_ROW(0x38, CMP, RO, RO),
	[0x3f] = LEN(N64),
	[0x40 ... 0x47] = ENTRY(INC, OPREG, NONE, 0),
	[0x48 ... 0x4f] = ENTRY(DEC, OPREG, NONE, 0),
	[0x50 ... 0x57] = ENTRY(PUSH, NONE, OPREG, D64),
	[0x58 ... 0x5f] = ENTRY(POP, OPREG, NONE, WO | D64),
	[0x60] = LEN(N64), [0x61] = LEN(N64),
	[0x62] = LEN(M | KHV_F_MEM | N64),
	/* MOVSXD; outside 64-bit mode ARPL, of the same length. */
	[0x63] = ENTRY(MOVSX, G, E32, M | WO | KHV_F_ONLY64),
	[0x68] = ENTRY(PUSH, NONE, IMM, IZ | D64),
	[0x69] = ENTRY(IMUL3, G, E, M | IZ | WO),
	[0x6a] = ENTRY(PUSH, NONE, IMM, I8 | D64),
	[0x6b] = ENTRY(IMUL3, G, E, M | I8 | WO),
	[0x6c] = ENTRY(INS, NONE, NONE, STR | B),
	[0x6d] = ENTRY(INS, NONE, NONE, STR),
	[0x6e] = ENTRY(OUTS, NONE, NONE, STR | B),
	[0x6f] = ENTRY(OUTS, NONE, NONE, STR),
	[0x70 ... 0x7f] = ENTRY(JCC, NONE, IMM, I8 | F64),
	[0x80] = GROUP(group1, NONE, NONE, B | IZ),
	[0x81] = GROUP(group1, NONE, NONE, IZ),
	[0x82] = GROUP(group1, NONE, NONE, B | IZ | N64),
	[0x83] = GROUP(group1, NONE, NONE, I8),
	[0x84] = ENTRY(TEST, E, G, M | B | RO),
	[0x85] = ENTRY(TEST, E, G, M | RO),
	[0x86] = ENTRY(XCHG, E, G, M | B | LK),
	[0x87] = ENTRY(XCHG, E, G, M | LK),
	[0x88] = ENTRY(MOV, E, G, M | B | WO),
	[0x89] = ENTRY(MOV, E, G, M | WO),
	[0x8a] = ENTRY(MOV, G, E, M | B | WO),
	[0x8b] = ENTRY(MOV, G, E, M | WO),
	[0x8c] = ENTRY(MOV_FROM_SREG, E, NONE, M | WO),
	[0x8d] = ENTRY(LEA, G, NONE, M | WO | KHV_F_MEM),
	[0x8e] = LEN(M),
	[0x8f] = GROUP(group1a, NONE, NONE, 0),
	[0x90 ... 0x97] = ENTRY(XCHG, ACC, OPREG, 0),
	[0x98] = LEN(0), [0x99] = LEN(0),
	[0x9a] = LEN(FAR_IMM),
	[0x9b ... 0x9f] = LEN(0),
	[0xa0] = ENTRY(MOV, ACC, MOFFS, KHV_F_MOFFS | B | WO),
	[0xa1] = ENTRY(MOV, ACC, MOFFS, KHV_F_MOFFS | WO),
	[0xa2] = ENTRY(MOV, MOFFS, ACC, KHV_F_MOFFS | B | WO),
	[0xa3] = ENTRY(MOV, MOFFS, ACC, KHV_F_MOFFS | WO),
	[0xa4] = ENTRY(MOVS, NONE, NONE, STR | B),
	[0xa5] = ENTRY(MOVS, NONE, NONE, STR),
	[0xa6] = ENTRY(CMPS, NONE, NONE, STR | B),
	[0xa7] = ENTRY(CMPS, NONE, NONE, STR),
	[0xa8] = ENTRY(TEST, ACC, IMM, B | IZ | RO),
	[0xa9] = ENTRY(TEST, ACC, IMM, IZ | RO),
	[0xaa] = ENTRY(STOS, NONE, NONE, STR | B),
	[0xab] = ENTRY(STOS, NONE, NONE, STR),
	[0xac] = ENTRY(LODS, NONE, NONE, STR | B),
	[0xad] = ENTRY(LODS, NONE, NONE, STR),
	[0xae] = ENTRY(SCAS, NONE, NONE, STR | B),
	[0xaf] = ENTRY(SCAS, NONE, NONE, STR),
	[0xb0 ... 0xb7] = ENTRY(MOV, OPREG, IMM, B | IZ | WO),
	[0xb8 ... 0xbf] = ENTRY(MOV, OPREG, IMM, KHV_F_IMMFULL | WO),
	[0xc0] = GROUP(group2, E, IMM, B | I8),
	[0xc1] = GROUP(group2, E, IMM, I8),
	[0xc2] = ENTRY(RET, NONE, IMM, KHV_F_IMM16 | F64),
	[0xc3] = ENTRY(RET, NONE, NONE, F64),
	[0xc4] = LEN(M | KHV_F_MEM | N64), [0xc5] = LEN(M | KHV_F_MEM | N64),
	[0xc6] = GROUP(group11, NONE, NONE, B),
	[0xc7] = GROUP(group11, NONE, NONE, 0),
	[0xc8] = LEN(KHV_F_IMM16 | I8),
	[0xc9] = LEN(0),
	[0xca] = LEN(KHV_F_IMM16),
	[0xcb] = LEN(0), [0xcc] = LEN(0),
	[0xcd] = LEN(I8),
	[0xce] = LEN(N64),
	[0xcf] = LEN(0),
	[0xd0] = GROUP(group2, E, ONE, B),
	[0xd1] = GROUP(group2, E, ONE, 0),
	[0xd2] = GROUP(group2, E, CL, B),
	[0xd3] = GROUP(group2, E, CL, 0),
	[0xd4] = LEN(I8 | N64), [0xd5] = LEN(I8 | N64),
	[0xd6] = LEN(N64),
	[0xd7] = LEN(0),
	[0xd8 ... 0xdf] = LEN(M),
	[0xe0 ... 0xe3] = LEN(I8),
	[0xe4] = ENTRY(IN, ACC, IMM, I8 | B | WO),
	[0xe5] = ENTRY(IN, ACC, IMM, I8 | WO),
	[0xe6] = ENTRY(OUT, NONE, IMM, I8 | B),
	[0xe7] = ENTRY(OUT, NONE, IMM, I8),
	[0xe8] = ENTRY(CALL_REL, NONE, IMM, IZ | F64),
	[0xe9] = ENTRY(JMP_REL, NONE, IMM, IZ | F64),
	[0xea] = LEN(FAR_IMM),
	[0xeb] = ENTRY(JMP_REL, NONE, IMM, I8 | F64),
	[0xec] = ENTRY(IN, ACC, NONE, B | WO),
	[0xed] = ENTRY(IN, ACC, NONE, WO),
	[0xee] = ENTRY(OUT, NONE, NONE, B),
	[0xef] = ENTRY(OUT, NONE, NONE, 0),
	[0xf1] = LEN(0),
	[0xf4] = LEN(0), [0xf5] = LEN(0),
	[0xf6] = GROUP(group3, NONE, NONE, B),
	[0xf7] = GROUP(group3, NONE, NONE, 0),
	[0xf8 ... 0xfd] = LEN(0),
	[0xfe] = GROUP(group4, NONE, NONE, B),
	[0xff] = GROUP(group5, NONE, NONE, 0),
};

/*
 * SSE moves: by mandatory prefix none, 66, F3, F2. The register forms never
 * touch memory and are left to the processor.
 */
#define SSE(o, f)	{ .op = KHV_OP_SSE_##o, .flags = KHV_F_MEMONLY | KHV_F_NOLOAD | (f) }
#define S4		KHV_F_SIZE4
#define S8		KHV_F_SIZE8
#define S16		KHV_F_SIZE16
#define AL16		(KHV_F_SIZE16 | KHV_F_ALIGN)

static const struct khv_emul_opcode sse_10[4] = {
	SSE(LOAD, S16), SSE(LOAD, S16), SSE(LOAD, S4), SSE(LOAD, S8),
};

static const struct khv_emul_opcode sse_11[4] = {
	SSE(STORE, S16), SSE(STORE, S16), SSE(STORE, S4), SSE(STORE, S8),
};

static const struct khv_emul_opcode sse_12[4] = {
	SSE(LOAD_LOW, S8), SSE(LOAD_LOW, S8), LEN(0), LEN(0),
};

static const struct khv_emul_opcode sse_13[4] = {
	SSE(STORE, S8), SSE(STORE, S8), INVALID, INVALID,
};

static const struct khv_emul_opcode sse_16[4] = {
	SSE(LOAD_HIGH, S8), SSE(LOAD_HIGH, S8), LEN(0), INVALID,
};

static const struct khv_emul_opcode sse_17[4] = {
	SSE(STORE_HIGH, S8), SSE(STORE_HIGH, S8), INVALID, INVALID,
};

static const struct khv_emul_opcode sse_28[4] = {
	SSE(LOAD, AL16), SSE(LOAD, AL16), INVALID, INVALID,
};

static const struct khv_emul_opcode sse_29[4] = {
	SSE(STORE, AL16), SSE(STORE, AL16), INVALID, INVALID,
};

static const struct khv_emul_opcode sse_2b[4] = {
	SSE(STORE, AL16 | KHV_F_MEM), SSE(STORE, AL16 | KHV_F_MEM), LEN(0), LEN(0),
};

/* Without a mandatory prefix these are MMX, which is not emulated. */
static const struct khv_emul_opcode sse_6e[4] = {
	LEN(0), SSE(LOAD, KHV_F_SIZE48), INVALID, INVALID,
};

static const struct khv_emul_opcode sse_6f[4] = {
	LEN(0), SSE(LOAD, AL16), SSE(LOAD, S16), INVALID,
};

static const struct khv_emul_opcode sse_7e[4] = {
	LEN(0), SSE(STORE, KHV_F_SIZE48), SSE(LOAD, S8), INVALID,
};

static const struct khv_emul_opcode sse_7f[4] = {
	LEN(0), SSE(STORE, AL16), SSE(STORE, S16), INVALID,
};

static const struct khv_emul_opcode sse_d6[4] = {
	INVALID, SSE(STORE, S8), LEN(0), LEN(0),
};

static const struct khv_emul_opcode sse_e7[4] = {
	LEN(0), SSE(STORE, AL16 | KHV_F_MEM), INVALID, INVALID,
};

static const struct khv_emul_opcode sse_f0[4] = {
	INVALID, INVALID, INVALID, SSE(LOAD, S16 | KHV_F_MEM),
};

static const struct khv_emul_opcode scan_b8[4] = {
	LEN(0), LEN(0), ENTRY(POPCNT, G, E, WO), LEN(0),
};

static const struct khv_emul_opcode scan_bc[4] = {
	ENTRY(BSF, G, E, 0), ENTRY(BSF, G, E, 0),
	ENTRY(TZCNT, G, E, WO), ENTRY(BSF, G, E, 0),
};

static const struct khv_emul_opcode scan_bd[4] = {
	ENTRY(BSR, G, E, 0), ENTRY(BSR, G, E, 0),
	ENTRY(LZCNT, G, E, WO), ENTRY(BSR, G, E, 0),
};

static const struct khv_emul_opcode movnti[4] = {
	ENTRY(MOV, E, G, WO | KHV_F_MEM | KHV_F_SIZE48), INVALID, INVALID, INVALID,
};

const struct khv_emul_opcode khv_emul_map_0f[256] = {
	[0x00] = LEN(M),
	[0x01] = GROUP(group7, NONE, NONE, 0),
	[0x02] = LEN(M), [0x03] = LEN(M),
	[0x04] = INVALID,
	[0x05 ... 0x09] = LEN(0),
	[0x0a] = INVALID, [0x0b] = INVALID, [0x0c] = INVALID,
	[0x0d] = ENTRY(NOP, NONE, NONE, M | KHV_F_NOLOAD),
	[0x0e] = LEN(0),
	[0x0f] = LEN(M | I8),
	[0x10] = BY_PREFIX(sse_10, 0), [0x11] = BY_PREFIX(sse_11, 0),
	[0x12] = BY_PREFIX(sse_12, 0), [0x13] = BY_PREFIX(sse_13, 0),
	[0x14] = LEN(M), [0x15] = LEN(M),
	[0x16] = BY_PREFIX(sse_16, 0), [0x17] = BY_PREFIX(sse_17, 0),
	[0x18 ... 0x1f] = ENTRY(NOP, NONE, NONE, M | KHV_F_NOLOAD),
	[0x20 ... 0x23] = LEN(M | KHV_F_NOMEM),
	[0x24 ... 0x27] = INVALID,
	[0x28] = BY_PREFIX(sse_28, 0), [0x29] = BY_PREFIX(sse_29, 0),
	[0x2a] = LEN(M),
	[0x2b] = BY_PREFIX(sse_2b, 0),
	[0x2c ... 0x2f] = LEN(M),
	[0x30 ... 0x35] = LEN(0),
	[0x36] = INVALID,
	[0x37] = LEN(0),
	[0x39] = INVALID,
	[0x3b ... 0x3f] = INVALID,
	[0x40 ... 0x4f] = ENTRY(CMOVCC, G, E, M),
	[0x50 ... 0x6d] = LEN(M),
	[0x6e] = BY_PREFIX(sse_6e, 0), [0x6f] = BY_PREFIX(sse_6f, 0),
	[0x70 ... 0x73] = LEN(M | I8),
	[0x74 ... 0x76] = LEN(M),
	[0x77] = LEN(0),
	[0x78] = LEN(M), [0x79] = LEN(M),
	[0x7a] = INVALID, [0x7b] = INVALID,
	[0x7c] = LEN(M), [0x7d] = LEN(M),
	[0x7e] = BY_PREFIX(sse_7e, 0), [0x7f] = BY_PREFIX(sse_7f, 0),
	[0x80 ... 0x8f] = ENTRY(JCC, NONE, IMM, IZ | F64),
	[0x90 ... 0x9f] = ENTRY(SETCC, E8, NONE, M | B | WO),
	[0xa0 ... 0xa2] = LEN(0),
	[0xa3] = ENTRY(BT, E, G, M | RO | KHV_F_BITOFF),
	[0xa4] = ENTRY(SHLD, E, G, M | I8),
	[0xa5] = ENTRY(SHLD, E, G, M),
	[0xa6] = INVALID, [0xa7] = INVALID,
	[0xa8 ... 0xaa] = LEN(0),
	[0xab] = ENTRY(BTS, E, G, M | LK | KHV_F_BITOFF),
	[0xac] = ENTRY(SHRD, E, G, M | I8),
	[0xad] = ENTRY(SHRD, E, G, M),
	[0xae] = BY_PREFIX(prefix_ae, 0),
	[0xaf] = ENTRY(IMUL2, G, E, M),
	[0xb0] = ENTRY(CMPXCHG, E, G, M | B | LK),
	[0xb1] = ENTRY(CMPXCHG, E, G, M | LK),
	[0xb2] = LEN(M | KHV_F_MEM),
	[0xb3] = ENTRY(BTR, E, G, M | LK | KHV_F_BITOFF),
	[0xb4] = LEN(M | KHV_F_MEM), [0xb5] = LEN(M | KHV_F_MEM),
	[0xb6] = ENTRY(MOVZX, G, E8, M | WO),
	[0xb7] = ENTRY(MOVZX, G, E16, M | WO),
	[0xb8] = BY_PREFIX(scan_b8, 0),
	[0xb9] = INVALID_MODRM,
	[0xba] = GROUP(group8, NONE, NONE, I8),
	[0xbb] = ENTRY(BTC, E, G, M | LK | KHV_F_BITOFF),
	[0xbc] = BY_PREFIX(scan_bc, 0), [0xbd] = BY_PREFIX(scan_bd, 0),
	[0xbe] = ENTRY(MOVSX, G, E8, M | WO),
	[0xbf] = ENTRY(MOVSX, G, E16, M | WO),
	[0xc0] = ENTRY(XADD, E, G, M | B | LK),
	[0xc1] = ENTRY(XADD, E, G, M | LK),
	[0xc2] = LEN(M | I8),
	[0xc3] = BY_PREFIX(movnti, 0),
	[0xc4 ... 0xc6] = LEN(M | I8),
	[0xc7] = GROUP(group9, NONE, NONE, 0),
	[0xc8 ... 0xcf] = ENTRY(BSWAP, OPREG, NONE, 0),
	[0xd0 ... 0xd5] = LEN(M),
	[0xd6] = BY_PREFIX(sse_d6, 0),
	[0xd7 ... 0xe6] = LEN(M),
	[0xe7] = BY_PREFIX(sse_e7, 0),
	[0xe8 ... 0xef] = LEN(M),
	[0xf0] = BY_PREFIX(sse_f0, 0),
	[0xf1 ... 0xfe] = LEN(M),
	[0xff] = INVALID_MODRM,
};

/* Under F2 these are CRC32. */
static const struct khv_emul_opcode movbe_load[4] = {
	ENTRY(MOVBE, G, E, WO | KHV_F_MEM), ENTRY(MOVBE, G, E, WO | KHV_F_MEM),
	LEN(0), LEN(0),
};

static const struct khv_emul_opcode movbe_store[4] = {
	ENTRY(MOVBE, E, G, WO | KHV_F_MEM), ENTRY(MOVBE, E, G, WO | KHV_F_MEM),
	LEN(0), LEN(0),
};

static const struct khv_emul_opcode movntdqa[4] = {
	INVALID, SSE(LOAD, AL16 | KHV_F_MEM), INVALID, INVALID,
};

/* All of 0F38 has ModRM and no immediate, all of 0F3A has both. */
struct khv_emul_opcode khv_emul_map_three(u8 map, u8 opcode)
{
	struct khv_emul_opcode op = LEN(M);

	if (map == 3) {
		op.flags |= I8;
	} else if (opcode == 0x2a || opcode == 0xf0 || opcode == 0xf1) {
		op.flags |= KHV_F_PREFIX;
		op.sub = opcode == 0x2a ? movntdqa :
			 opcode == 0xf0 ? movbe_load : movbe_store;
	}
	return op;
}
