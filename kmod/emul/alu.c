// SPDX-License-Identifier: GPL-2.0-only
/*
 * Integer arithmetic with exact flags.
 *
 * Functions of numbers alone: operand size in bytes, operands, flags. Operands
 * may carry garbage above their size; results do not. Where the SDM leaves a
 * flag undefined it takes the value that falls out of the computation.
 */
#include <linux/bitops.h>
#include <linux/types.h>

#include "internal.h"

static u64 msb(u32 size)
{
	return 1ULL << (size * 8 - 1);
}

static u64 set_if(u64 flags, u64 flag, bool on)
{
	return on ? flags | flag : flags & ~flag;
}

/* Only the low byte counts for parity, whatever the operand size. */
static u64 set_szp(u64 flags, u32 size, u64 result)
{
	flags = set_if(flags, X86_EFLAGS_ZF, !result);
	flags = set_if(flags, X86_EFLAGS_SF, result & msb(size));
	return set_if(flags, X86_EFLAGS_PF, !(hweight8(result & 0xff) & 1));
}

static u64 add(u32 size, u64 a, u64 b, bool carry, u64 *flags)
{
	u64 r = (a + b + carry) & khv_emul_mask(size);
	u64 carries = (a & b) | ((a | b) & ~r);

	*flags = set_szp(*flags, size, r);
	*flags = set_if(*flags, X86_EFLAGS_CF, carries & msb(size));
	*flags = set_if(*flags, X86_EFLAGS_AF, carries & 8);
	*flags = set_if(*flags, X86_EFLAGS_OF, (a ^ r) & (b ^ r) & msb(size));
	return r;
}

static u64 sub(u32 size, u64 a, u64 b, bool borrow, u64 *flags)
{
	u64 r = (a - b - borrow) & khv_emul_mask(size);
	u64 borrows = (~a & b) | (~(a ^ b) & r);

	*flags = set_szp(*flags, size, r);
	*flags = set_if(*flags, X86_EFLAGS_CF, borrows & msb(size));
	*flags = set_if(*flags, X86_EFLAGS_AF, borrows & 8);
	*flags = set_if(*flags, X86_EFLAGS_OF, (a ^ b) & (a ^ r) & msb(size));
	return r;
}

static u64 logic(u32 size, u64 r, u64 *flags)
{
	r &= khv_emul_mask(size);
	*flags &= ~(u64)(X86_EFLAGS_CF | X86_EFLAGS_OF | X86_EFLAGS_AF);
	*flags = set_szp(*flags, size, r);
	return r;
}

/* CMP and TEST return the difference and the conjunction; do not write them. */
u64 khv_emul_alu_binary(u8 op, u32 size, u64 a, u64 b, u64 *flags)
{
	bool carry = *flags & X86_EFLAGS_CF;

	a &= khv_emul_mask(size);
	b &= khv_emul_mask(size);
	switch (op) {
	case KHV_OP_ADD:
		return add(size, a, b, false, flags);
	case KHV_OP_ADC:
		return add(size, a, b, carry, flags);
	case KHV_OP_SUB:
	case KHV_OP_CMP:
		return sub(size, a, b, false, flags);
	case KHV_OP_SBB:
		return sub(size, a, b, carry, flags);
	case KHV_OP_OR:
		return logic(size, a | b, flags);
	case KHV_OP_XOR:
		return logic(size, a ^ b, flags);
	default: /* AND, TEST */
		return logic(size, a & b, flags);
	}
}

u64 khv_emul_alu_unary(u8 op, u32 size, u64 a, u64 *flags)
{
	u64 carry = *flags & X86_EFLAGS_CF;
	u64 r;

	a &= khv_emul_mask(size);
	switch (op) {
	case KHV_OP_NOT:
		return ~a & khv_emul_mask(size);
	case KHV_OP_NEG:
		return sub(size, 0, a, false, flags);
	case KHV_OP_INC:
		r = add(size, a, 1, false, flags);
		break;
	default: /* DEC */
		r = sub(size, a, 1, false, flags);
		break;
	}
	/* INC and DEC keep CF. */
	*flags = (*flags & ~(u64)X86_EFLAGS_CF) | carry;
	return r;
}

/*
 * RCL and RCR rotate through CF, one bit at a time: at most 63 steps, and the
 * obviously right form of the definition.
 */
static u64 rotate_carry(bool left, u32 size, u64 a, u32 count, u64 *flags)
{
	bool carry = *flags & X86_EFLAGS_CF;
	bool out;

	if (size < 4)
		count %= size * 8 + 1;
	while (count--) {
		if (left) {
			out = a & msb(size);
			a = (a << 1 | carry) & khv_emul_mask(size);
		} else {
			out = a & 1;
			a = a >> 1 | (carry ? msb(size) : 0);
		}
		carry = out;
	}
	*flags = set_if(*flags, X86_EFLAGS_CF, carry);
	return a;
}

static u64 rotate(bool left, u32 size, u64 a, u32 count, u64 *flags)
{
	u32 bits = size * 8;
	u32 n = count % bits;
	u64 r = a;

	if (n && left)
		r = (a << n | a >> (bits - n)) & khv_emul_mask(size);
	else if (n)
		r = (a >> n | a << (bits - n)) & khv_emul_mask(size);
	*flags = set_if(*flags, X86_EFLAGS_CF, left ? r & 1 : r & msb(size));
	return r;
}

static u64 shift(u8 op, u32 size, u64 a, u32 count, u64 *flags)
{
	u32 bits = size * 8;
	u64 last, r;

	/* @last is the operand with one shift still to do. */
	if (op == KHV_OP_SAR) {
		last = (u64)((s64)khv_emul_sext(a, size) >> (count - 1));
		r = (u64)((s64)last >> 1);
	} else if (op == KHV_OP_SHR) {
		last = a >> (count - 1);
		r = last >> 1;
	} else {
		last = a << (count - 1);
		r = last << 1;
	}
	r &= khv_emul_mask(size);
	*flags = set_szp(*flags, size, r);
	*flags &= ~(u64)X86_EFLAGS_AF;
	if (op == KHV_OP_SAR || op == KHV_OP_SHR)
		*flags = set_if(*flags, X86_EFLAGS_CF, last & 1);
	else
		*flags = set_if(*flags, X86_EFLAGS_CF, (last >> (bits - 1)) & 1);
	return r;
}

/* @count as the instruction gives it; the processor takes its low bits only. */
u64 khv_emul_alu_shift(u8 op, u32 size, u64 a, u8 count, u64 *flags)
{
	u64 r, next;
	bool left;

	a &= khv_emul_mask(size);
	count &= size == 8 ? 63 : 31;
	if (!count)
		return a;
	left = op == KHV_OP_ROL || op == KHV_OP_RCL || op == KHV_OP_SHL ||
	       op == KHV_OP_SAL;
	switch (op) {
	case KHV_OP_ROL:
	case KHV_OP_ROR:
		r = rotate(left, size, a, count, flags);
		break;
	case KHV_OP_RCL:
	case KHV_OP_RCR:
		r = rotate_carry(left, size, a, count, flags);
		break;
	default:
		r = shift(op, size, a, count, flags);
		break;
	}
	/* Defined for one-bit shifts: did the sign change in the last step? */
	next = left ? (*flags & X86_EFLAGS_CF ? msb(size) : 0) : r << 1;
	*flags = set_if(*flags, X86_EFLAGS_OF,
			op != KHV_OP_SAR && ((r ^ next) & msb(size)));
	return r;
}

/*
 * SHLD and SHRD. A 16-bit operand shifted by more than 16 is undefined; here
 * the pair of operands then rotates.
 */
u64 khv_emul_alu_shift_double(u8 op, u32 size, u64 a, u64 b, u8 count, u64 *flags)
{
	u32 bits = size * 8;
	u64 r;
	bool carry;

	a &= khv_emul_mask(size);
	b &= khv_emul_mask(size);
	count &= size == 8 ? 63 : 31;
	if (!count)
		return a;
	if (count > bits) {
		u64 t = a;

		a = b;
		b = t;
		count -= bits;
	}
	if (op == KHV_OP_SHLD) {
		r = count == bits ? b : a << count | b >> (bits - count);
		carry = (a >> (bits - count)) & 1;
	} else {
		r = count == bits ? b : a >> count | b << (bits - count);
		carry = (a >> (count - 1)) & 1;
	}
	r &= khv_emul_mask(size);
	*flags = set_szp(*flags, size, r);
	*flags &= ~(u64)X86_EFLAGS_AF;
	*flags = set_if(*flags, X86_EFLAGS_CF, carry);
	*flags = set_if(*flags, X86_EFLAGS_OF, (a ^ r) & msb(size));
	return r;
}

/* BT and its kin change CF alone. @bit is taken modulo the operand size. */
u64 khv_emul_alu_bit(u8 op, u32 size, u64 a, u64 bit, u64 *flags)
{
	u64 m = 1ULL << (bit & (size * 8 - 1));

	*flags = set_if(*flags, X86_EFLAGS_CF, a & m);
	switch (op) {
	case KHV_OP_BTS:
		return a | m;
	case KHV_OP_BTR:
		return a & ~m;
	case KHV_OP_BTC:
		return a ^ m;
	default:
		return a;
	}
}

/* Returns false when the destination register keeps its value. */
bool khv_emul_alu_scan(u8 op, u32 size, u64 a, u64 *result, u64 *flags)
{
	u32 bits = size * 8;
	bool write = true;

	a &= khv_emul_mask(size);
	switch (op) {
	case KHV_OP_BSF:
	case KHV_OP_BSR:
		write = a;
		if (a)
			*result = op == KHV_OP_BSF ? __ffs64(a) : fls64(a) - 1;
		*flags = set_if(*flags, X86_EFLAGS_ZF, !a);
		break;
	case KHV_OP_TZCNT:
	case KHV_OP_LZCNT:
		*result = bits;
		if (a)
			*result = op == KHV_OP_TZCNT ? __ffs64(a) : bits - fls64(a);
		*flags = set_if(*flags, X86_EFLAGS_CF, !a);
		*flags = set_if(*flags, X86_EFLAGS_ZF, !*result);
		break;
	default: /* POPCNT */
		*result = hweight64(a);
		*flags &= ~(u64)KHV_EMUL_ARITH_FLAGS;
		*flags = set_if(*flags, X86_EFLAGS_ZF, !a);
		break;
	}
	return write;
}

/* @lo and @hi get the product's halves, each of operand size. */
void khv_emul_alu_mul(bool is_signed, u32 size, u64 a, u64 b, u64 *lo, u64 *hi,
		      u64 *flags)
{
	unsigned __int128 product;
	u32 bits = size * 8;
	bool overflow;

	if (is_signed) {
		product = (unsigned __int128)((__int128)(s64)khv_emul_sext(a, size) *
					      (s64)khv_emul_sext(b, size));
		overflow = (__int128)product !=
			   (s64)khv_emul_sext((u64)product, size);
	} else {
		product = (unsigned __int128)(a & khv_emul_mask(size)) *
			  (b & khv_emul_mask(size));
		overflow = product >> bits;
	}
	*lo = (u64)product & khv_emul_mask(size);
	*hi = (u64)(product >> bits) & khv_emul_mask(size);
	*flags = set_if(*flags, X86_EFLAGS_CF | X86_EFLAGS_OF, overflow);
}

/*
 * 128 by 64 bits; the caller has made sure that the quotient fits. A division
 * operator on __int128 would call a libgcc function that the kernel lacks.
 */
static u64 div_wide(u64 hi, u64 lo, u64 divisor, u64 *remainder)
{
	u64 quotient;

	asm("divq %4" : "=a" (quotient), "=d" (*remainder)
	    : "0" (lo), "1" (hi), "rm" (divisor) : "cc");
	return quotient;
}

/* False: the quotient does not fit, #DE. */
bool khv_emul_alu_div(bool is_signed, u32 size, u64 lo, u64 hi, u64 divisor,
		      u64 *quotient, u64 *remainder)
{
	u32 bits = size * 8;
	unsigned __int128 dividend;
	bool neg = false, rneg = false;
	u64 limit, q, r;

	lo &= khv_emul_mask(size);
	hi &= khv_emul_mask(size);
	divisor &= khv_emul_mask(size);
	dividend = (unsigned __int128)hi << bits | lo;
	limit = khv_emul_mask(size);
	if (is_signed) {
		rneg = hi & msb(size);
		neg = rneg != !!(divisor & msb(size));
		if (rneg)
			dividend = -dividend;
		if (size < 8)
			dividend &= (((unsigned __int128)1) << (2 * bits)) - 1;
		if (divisor & msb(size))
			divisor = -divisor & khv_emul_mask(size);
		limit = neg ? msb(size) : msb(size) - 1;
	}
	if (!divisor || (u64)(dividend >> 64) >= divisor)
		return false;
	q = div_wide((u64)(dividend >> 64), (u64)dividend, divisor, &r);
	if (q > limit)
		return false;
	*quotient = (neg ? -q : q) & khv_emul_mask(size);
	*remainder = (rneg ? -r : r) & khv_emul_mask(size);
	return true;
}

/* The sixteen conditions of Jcc, SETcc and CMOVcc. */
bool khv_emul_condition(u8 cc, u64 flags)
{
	bool less = !(flags & X86_EFLAGS_SF) != !(flags & X86_EFLAGS_OF);
	bool r;

	switch ((cc >> 1) & 7) {
	case 0:
		r = flags & X86_EFLAGS_OF;
		break;
	case 1:
		r = flags & X86_EFLAGS_CF;
		break;
	case 2:
		r = flags & X86_EFLAGS_ZF;
		break;
	case 3:
		r = flags & (X86_EFLAGS_CF | X86_EFLAGS_ZF);
		break;
	case 4:
		r = flags & X86_EFLAGS_SF;
		break;
	case 5:
		r = flags & X86_EFLAGS_PF;
		break;
	case 6:
		r = less;
		break;
	default:
		r = less || (flags & X86_EFLAGS_ZF);
		break;
	}
	return r != (cc & 1);
}

u64 khv_emul_byteswap(u64 val, u32 size)
{
	switch (size) {
	case 2:
		return __builtin_bswap16(val);
	case 4:
		return __builtin_bswap32(val);
	default:
		return __builtin_bswap64(val);
	}
}
