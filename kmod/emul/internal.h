/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the emulator share among themselves: operations, operand
 * kinds, attributes of the opcode tables, and the functions between decoding
 * and execution. Nothing outside kmod/emul includes it but the unit tests.
 */
#ifndef KHV_EMUL_INTERNAL_H
#define KHV_EMUL_INTERNAL_H

#include <linux/types.h>
#include <asm/processor-flags.h>

#include "emul.h"

/* Exception vectors, SDM "Exceptions and Interrupts". */
#define KHV_EXC_DE	0
#define KHV_EXC_UD	6
#define KHV_EXC_NM	7
#define KHV_EXC_SS	12
#define KHV_EXC_GP	13
#define KHV_EXC_PF	14
#define KHV_EXC_AC	17

#define KHV_EMUL_ARITH_FLAGS	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | \
				 X86_EFLAGS_ZF | X86_EFLAGS_SF | X86_EFLAGS_OF)

/*
 * Operations. ADD..CMP, ROL..SAR and the bit tests keep the order of their
 * encodings.
 */
enum khv_emul_op {
	KHV_OP_UNKNOWN,		/* not in the tables: not even its length is known */
	KHV_OP_LENGTH,		/* decoded for its length, never executed */
	KHV_OP_INVALID,		/* defined as #UD */
	KHV_OP_ADD, KHV_OP_OR, KHV_OP_ADC, KHV_OP_SBB,
	KHV_OP_AND, KHV_OP_SUB, KHV_OP_XOR, KHV_OP_CMP,
	KHV_OP_TEST, KHV_OP_INC, KHV_OP_DEC, KHV_OP_NOT, KHV_OP_NEG,
	KHV_OP_ROL, KHV_OP_ROR, KHV_OP_RCL, KHV_OP_RCR,
	KHV_OP_SHL, KHV_OP_SHR, KHV_OP_SAL, KHV_OP_SAR,
	KHV_OP_SHLD, KHV_OP_SHRD,
	KHV_OP_BT, KHV_OP_BTS, KHV_OP_BTR, KHV_OP_BTC,
	KHV_OP_BSF, KHV_OP_BSR, KHV_OP_TZCNT, KHV_OP_LZCNT, KHV_OP_POPCNT,
	KHV_OP_MUL, KHV_OP_IMUL, KHV_OP_DIV, KHV_OP_IDIV, KHV_OP_IMUL2, KHV_OP_IMUL3,
	KHV_OP_MOV, KHV_OP_MOVZX, KHV_OP_MOVSX, KHV_OP_MOVBE, KHV_OP_BSWAP,
	KHV_OP_MOV_FROM_SREG, KHV_OP_LEA,
	KHV_OP_XCHG, KHV_OP_XADD, KHV_OP_CMPXCHG, KHV_OP_CMPXCHG8B,
	KHV_OP_SETCC, KHV_OP_CMOVCC,
	KHV_OP_PUSH, KHV_OP_POP, KHV_OP_JMP, KHV_OP_CALL,
	KHV_OP_JMP_REL, KHV_OP_CALL_REL, KHV_OP_JCC, KHV_OP_RET,
	KHV_OP_NOP,
	KHV_OP_MOVS, KHV_OP_CMPS, KHV_OP_STOS, KHV_OP_LODS, KHV_OP_SCAS,
	KHV_OP_INS, KHV_OP_OUTS, KHV_OP_IN, KHV_OP_OUT,
	KHV_OP_SSE_LOAD, KHV_OP_SSE_LOAD_LOW, KHV_OP_SSE_LOAD_HIGH,
	KHV_OP_SSE_STORE, KHV_OP_SSE_STORE_HIGH,
};

/* What the dst and src columns of the tables may say. */
enum khv_emul_arg {
	KHV_ARG_NONE,
	KHV_ARG_E,		/* ModRM r/m, operand size */
	KHV_ARG_E8,		/* ModRM r/m, one byte */
	KHV_ARG_E16,		/* ModRM r/m, two bytes */
	KHV_ARG_E32,		/* ModRM r/m, four bytes */
	KHV_ARG_G,		/* ModRM reg */
	KHV_ARG_ACC,		/* AL, AX, EAX, RAX */
	KHV_ARG_OPREG,		/* low three bits of the opcode */
	KHV_ARG_IMM,		/* immediate */
	KHV_ARG_ONE,		/* the constant 1 */
	KHV_ARG_CL,		/* CL */
	KHV_ARG_MOFFS,		/* memory at an address in the instruction */
};

/* A decoded operand is one of these. */
enum khv_emul_operand_kind {
	KHV_OPERAND_NONE,
	KHV_OPERAND_REG,
	KHV_OPERAND_MEM,
	KHV_OPERAND_IMM,
};

#define KHV_F_MODRM	0x00000001	/* a ModRM byte follows */
#define KHV_F_BYTE	0x00000002	/* operands are bytes */
#define KHV_F_IMM8	0x00000004	/* immediate byte, sign-extended */
#define KHV_F_IMM	0x00000008	/* immediate of operand size, at most 4 bytes */
#define KHV_F_IMM16	0x00000010	/* immediate word */
#define KHV_F_IMMFULL	0x00000020	/* immediate of operand size, up to 8 bytes */
#define KHV_F_MOFFS	0x00000040	/* address of address size */
#define KHV_F_FARPTR	0x00000080	/* offset of operand size and selector */
#define KHV_F_LOCK	0x00000100	/* LOCK is legal on a memory destination */
#define KHV_F_NO64	0x00000200	/* #UD in 64-bit mode */
#define KHV_F_D64	0x00000400	/* 64-bit operands by default in 64-bit mode */
#define KHV_F_F64	0x00000800	/* 64-bit operands always in 64-bit mode */
#define KHV_F_MEM	0x00001000	/* register form is #UD */
#define KHV_F_MEMONLY	0x00002000	/* register form is left to the processor */
#define KHV_F_WO	0x00004000	/* destination is not read */
#define KHV_F_RO	0x00008000	/* destination is not written */
#define KHV_F_STRING	0x00010000	/* string instruction */
#define KHV_F_BITOFF	0x00020000	/* bit offset reaches beyond the operand */
#define KHV_F_GROUP	0x00040000	/* sub: eight entries by ModRM reg */
#define KHV_F_PREFIX	0x00080000	/* sub: four entries: none, 66, F3, F2 */
#define KHV_F_NOMEM	0x00100000	/* ModRM r/m is a register whatever mod says */
#define KHV_F_ALIGN	0x00200000	/* #GP unless aligned to its size */
#define KHV_F_NOLOAD	0x00400000	/* memory operand is handled by the operation */
#define KHV_F_ONLY64	0x00800000	/* outside 64-bit mode another instruction */
#define KHV_F_SIZE48	0x08000000	/* operand size is 8 with REX.W, else 4 */
#define KHV_F_SIZE4	0x01000000	/* operand size is 4 */
#define KHV_F_SIZE8	0x02000000	/* operand size is 8 */
#define KHV_F_SIZE16	0x04000000	/* operand size is 16 */

/**
 * struct khv_emul_opcode - an entry of the opcode tables
 * @op: enum khv_emul_op
 * @dst: enum khv_emul_arg
 * @src: enum khv_emul_arg
 * @flags: KHV_F_*; those of a parent entry are added to those of its child
 * @sub: next table for KHV_F_GROUP and KHV_F_PREFIX
 */
struct khv_emul_opcode {
	u8 op;
	u8 dst;
	u8 src;
	u32 flags;
	const struct khv_emul_opcode *sub;
};

extern const struct khv_emul_opcode khv_emul_map_one[256];
extern const struct khv_emul_opcode khv_emul_map_0f[256];

/* opcodes.c: the entry of a three-byte opcode, map 2 (0F38) or 3 (0F3A). */
struct khv_emul_opcode khv_emul_map_three(u8 map, u8 opcode);

static inline u64 khv_emul_mask(u32 size)
{
	return size >= 8 ? ~0ULL : (1ULL << (size * 8)) - 1;
}

static inline u64 khv_emul_sext(u64 val, u32 size)
{
	u32 shift = 64 - size * 8;

	return size >= 8 ? val : (u64)((s64)(val << shift) >> shift);
}

/* alu.c: pure arithmetic; *flags are changed as the operation defines. */
u64 khv_emul_alu_binary(u8 op, u32 size, u64 a, u64 b, u64 *flags);
u64 khv_emul_alu_unary(u8 op, u32 size, u64 a, u64 *flags);
u64 khv_emul_alu_shift(u8 op, u32 size, u64 a, u8 count, u64 *flags);
u64 khv_emul_alu_shift_double(u8 op, u32 size, u64 a, u64 b, u8 count, u64 *flags);
u64 khv_emul_alu_bit(u8 op, u32 size, u64 a, u64 bit, u64 *flags);
bool khv_emul_alu_scan(u8 op, u32 size, u64 a, u64 *result, u64 *flags);
void khv_emul_alu_mul(bool is_signed, u32 size, u64 a, u64 b, u64 *lo, u64 *hi,
		      u64 *flags);
bool khv_emul_alu_div(bool is_signed, u32 size, u64 lo, u64 hi, u64 divisor,
		      u64 *quotient, u64 *remainder);
bool khv_emul_condition(u8 cc, u64 flags);
u64 khv_emul_byteswap(u64 val, u32 size);

/* mem.c: segmentation and access to memory by segment and offset. */
const struct khv_emul_segment *khv_emul_segment(struct khv_emul *em, unsigned int seg);
int khv_emul_read(struct khv_emul *em, unsigned int seg, u64 ea, void *buf,
		  u32 len, u32 flags);
int khv_emul_write(struct khv_emul *em, unsigned int seg, u64 ea, const void *buf,
		   u32 len);
int khv_emul_cmpxchg(struct khv_emul *em, unsigned int seg, u64 ea,
		     const void *old, const void *new, u32 len);
int khv_emul_push(struct khv_emul *em, u64 val, u32 size);
int khv_emul_pop(struct khv_emul *em, u64 *val, u32 size);
void khv_emul_stack_release(struct khv_emul *em, u32 bytes);
int khv_emul_branch(struct khv_emul *em, u64 target, u32 size);

/* execute.c: general registers of em->next. */
u64 khv_emul_reg(const struct khv_emul *em, unsigned int reg, u32 size);
void khv_emul_set_reg(struct khv_emul *em, unsigned int reg, u32 size, u64 val);

/* string.c, io.c, sse.c: operations with their own memory accesses. */
int khv_emul_string(struct khv_emul *em);
int khv_emul_string_io(struct khv_emul *em, u64 max, u32 *done);
u64 khv_emul_string_index(const struct khv_emul *em, unsigned int reg);
void khv_emul_string_advance(struct khv_emul *em, unsigned int reg, u32 count);
int khv_emul_in(struct khv_emul *em);
int khv_emul_out(struct khv_emul *em);
int khv_emul_sse(struct khv_emul *em);

#endif
