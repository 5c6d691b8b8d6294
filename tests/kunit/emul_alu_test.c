// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the emulator's arithmetic against the processor's own. Each operation
 * is executed natively on thousands of operand pairs, and result and flags must
 * agree wherever the manual defines them.
 */
#include <linux/irqflags.h>
#include <linux/math64.h>
#include <asm/cpufeature.h>

#include "emul_world.h"

#define ROUNDS	4000

typedef u64 (*native_fn)(u64 a, u64 b, u64 *flags);

/* The live IF and its like must survive POPF. */
static u64 merge_flags(u64 flags)
{
	return (native_save_fl() & ~(u64)KHV_EMUL_ARITH_FLAGS) |
	       (flags & KHV_EMUL_ARITH_FLAGS);
}

#define NATIVE(name, insn, operands, type, btype, bconstraint)			\
static u64 native_##name(u64 a, u64 b, u64 *flags)				\
{										\
	u64 f = merge_flags(*flags);						\
	type r = a;								\
										\
	asm volatile("push %[f]\n\tpopf\n\t" insn " " operands			\
		     "\n\tpushf\n\tpop %[f]"					\
		     : [r] "+q" (r), [f] "+r" (f)				\
		     : [b] bconstraint ((btype)b) : "cc", "memory");		\
	*flags = f & KHV_EMUL_ARITH_FLAGS;					\
	return r;								\
}

#define NATIVE_WLQ(name, operands, bconstraint)					\
	NATIVE(name##w, #name "w", operands, u16, u16, bconstraint)		\
	NATIVE(name##l, #name "l", operands, u32, u32, bconstraint)		\
	NATIVE(name##q, #name "q", operands, u64, u64, bconstraint)

#define NATIVE_BINARY(name)							\
	NATIVE(name##b, #name "b", "%[b], %[r]", u8, u8, "q")			\
	NATIVE_WLQ(name, "%[b], %[r]", "r")

#define NATIVE_UNARY(name)							\
	NATIVE(name##b, #name "b", "%[r]", u8, u8, "q")				\
	NATIVE_WLQ(name, "%[r]", "r")

#define NATIVE_SHIFT(name)							\
	NATIVE(name##b, #name "b", "%%cl, %[r]", u8, u8, "c")			\
	NATIVE(name##w, #name "w", "%%cl, %[r]", u16, u8, "c")			\
	NATIVE(name##l, #name "l", "%%cl, %[r]", u32, u8, "c")			\
	NATIVE(name##q, #name "q", "%%cl, %[r]", u64, u8, "c")

NATIVE_BINARY(add) NATIVE_BINARY(or) NATIVE_BINARY(adc) NATIVE_BINARY(sbb)
NATIVE_BINARY(and) NATIVE_BINARY(sub) NATIVE_BINARY(xor) NATIVE_BINARY(cmp)
NATIVE_BINARY(test)
NATIVE_UNARY(inc) NATIVE_UNARY(dec) NATIVE_UNARY(not) NATIVE_UNARY(neg)
NATIVE_SHIFT(rol) NATIVE_SHIFT(ror) NATIVE_SHIFT(rcl) NATIVE_SHIFT(rcr)
NATIVE_SHIFT(shl) NATIVE_SHIFT(shr) NATIVE_SHIFT(sar)
NATIVE_WLQ(bt, "%[b], %[r]", "r") NATIVE_WLQ(bts, "%[b], %[r]", "r")
NATIVE_WLQ(btr, "%[b], %[r]", "r") NATIVE_WLQ(btc, "%[b], %[r]", "r")
NATIVE_WLQ(bsf, "%[b], %[r]", "r") NATIVE_WLQ(bsr, "%[b], %[r]", "r")
NATIVE_WLQ(tzcnt, "%[b], %[r]", "r") NATIVE_WLQ(lzcnt, "%[b], %[r]", "r")
NATIVE_WLQ(popcnt, "%[b], %[r]", "r")
NATIVE_WLQ(imul, "%[b], %[r]", "r")

struct native_op {
	const char *name;
	u8 op;
	native_fn fn[4];	/* by size: 1, 2, 4, 8 bytes */
	u64 undefined;		/* flags that the manual leaves undefined */
};

#define BWLQ(n, o, undef)							\
	{ #n, KHV_OP_##o, { native_##n##b, native_##n##w, native_##n##l,	\
			    native_##n##q }, undef }
#define WLQ(n, o, undef)							\
	{ #n, KHV_OP_##o, { NULL, native_##n##w, native_##n##l, native_##n##q }, undef }

#define CF	X86_EFLAGS_CF
#define PF	X86_EFLAGS_PF
#define AF	X86_EFLAGS_AF
#define ZF	X86_EFLAGS_ZF
#define SF	X86_EFLAGS_SF
#define OF	X86_EFLAGS_OF

static u64 random_operand(struct rnd_state *rnd)
{
	u64 val = world_random(rnd);

	/* Interesting values more often than chance would have them. */
	switch (prandom_u32_state(rnd) % 6) {
	case 0:
		return val & 0xf;
	case 1:
		return ~(val & 0xf);
	case 2:
		return 1ULL << (val & 63);
	case 3:
		return ~(1ULL << (val & 63));
	default:
		return val;
	}
}

static void expect_same(struct kunit *test, const struct native_op *op, u32 size,
			u64 a, u64 b, u64 in, u64 want, u64 want_flags,
			u64 got, u64 got_flags, u64 undefined)
{
	u64 defined = KHV_EMUL_ARITH_FLAGS & ~undefined;

	if (((want ^ got) & khv_emul_mask(size)) ||
	    ((want_flags ^ got_flags) & defined))
		KUNIT_FAIL(test, "%s/%u %llx, %llx, %llx: %llx, %llx; processor: %llx, %llx",
			   op->name, size, a, b, in, got, got_flags & defined,
			   want, want_flags & defined);
}

static const struct native_op binary_ops[] = {
	BWLQ(add, ADD, 0), BWLQ(or, OR, AF), BWLQ(adc, ADC, 0), BWLQ(sbb, SBB, 0),
	BWLQ(and, AND, AF), BWLQ(sub, SUB, 0), BWLQ(xor, XOR, AF),
};

static const struct native_op compare_ops[] = {
	BWLQ(cmp, CMP, 0), BWLQ(test, TEST, AF),
};

static const struct native_op unary_ops[] = {
	BWLQ(inc, INC, 0), BWLQ(dec, DEC, 0), BWLQ(not, NOT, 0), BWLQ(neg, NEG, 0),
};

/* What is undefined depends on the count. */
static const struct native_op shift_ops[] = {
	BWLQ(rol, ROL, 0), BWLQ(ror, ROR, 0), BWLQ(rcl, RCL, 0), BWLQ(rcr, RCR, 0),
	BWLQ(shl, SHL, AF), BWLQ(shr, SHR, AF), BWLQ(sar, SAR, AF),
};

static const struct native_op bit_ops[] = {
	WLQ(bt, BT, PF | AF | SF | OF), WLQ(bts, BTS, PF | AF | SF | OF),
	WLQ(btr, BTR, PF | AF | SF | OF), WLQ(btc, BTC, PF | AF | SF | OF),
};

static const struct native_op scan_ops[] = {
	WLQ(bsf, BSF, CF | PF | AF | SF | OF), WLQ(bsr, BSR, CF | PF | AF | SF | OF),
};

static const struct native_op tzcnt_op = WLQ(tzcnt, TZCNT, PF | AF | SF | OF);
static const struct native_op lzcnt_op = WLQ(lzcnt, LZCNT, PF | AF | SF | OF);
static const struct native_op popcnt_op = WLQ(popcnt, POPCNT, 0);
static const struct native_op imul_op = WLQ(imul, IMUL2, PF | AF | SF | ZF);

static void emul_alu_binary(struct kunit *test)
{
	struct rnd_state rnd;
	u64 a, b, in, want, got, fw, fg;
	int i, s, n;

	prandom_seed_state(&rnd, 1);
	for (i = 0; i < ARRAY_SIZE(binary_ops) + ARRAY_SIZE(compare_ops); i++) {
		bool compare = i >= ARRAY_SIZE(binary_ops);
		const struct native_op *op = compare ?
			&compare_ops[i - ARRAY_SIZE(binary_ops)] : &binary_ops[i];

		for (n = 0; n < ROUNDS * 4; n++) {
			s = n & 3;
			a = random_operand(&rnd);
			b = random_operand(&rnd);
			in = world_random(&rnd) & KHV_EMUL_ARITH_FLAGS;
			fw = in;
			fg = in;
			want = op->fn[s](a, b, &fw);
			got = khv_emul_alu_binary(op->op, 1 << s, a, b, &fg);
			/* CMP and TEST leave their operand; only flags count. */
			expect_same(test, op, 1 << s, a, b, in, compare ? got : want,
				    fw, got, fg, op->undefined);
		}
	}
}

static void emul_alu_unary(struct kunit *test)
{
	struct rnd_state rnd;
	u64 a, in, want, got, fw, fg;
	int i, s, n;

	prandom_seed_state(&rnd, 2);
	for (i = 0; i < ARRAY_SIZE(unary_ops); i++) {
		for (n = 0; n < ROUNDS * 4; n++) {
			s = n & 3;
			a = random_operand(&rnd);
			in = world_random(&rnd) & KHV_EMUL_ARITH_FLAGS;
			fw = in;
			fg = in;
			want = unary_ops[i].fn[s](a, 0, &fw);
			got = khv_emul_alu_unary(unary_ops[i].op, 1 << s, a, &fg);
			expect_same(test, &unary_ops[i], 1 << s, a, 0, in, want, fw,
				    got, fg, 0);
		}
	}
}

/* SDM, SAL/SAR/SHL/SHR and RCL/RCR/ROL/ROR: Flags Affected. */
static u64 undefined_after_shift(const struct native_op *op, u32 size, u8 count)
{
	u64 undefined = op->undefined;

	count &= size == 8 ? 63 : 31;
	if (!count)
		return 0;
	if (count > 1)
		undefined |= OF;
	if (count >= size * 8 && (op->op == KHV_OP_SHL || op->op == KHV_OP_SHR))
		undefined |= CF;
	return undefined;
}

static void emul_alu_shift(struct kunit *test)
{
	struct rnd_state rnd;
	u64 a, in, want, got, fw, fg;
	int i, s, n;
	u8 count;

	prandom_seed_state(&rnd, 3);
	for (i = 0; i < ARRAY_SIZE(shift_ops); i++) {
		for (n = 0; n < ROUNDS * 4; n++) {
			s = n & 3;
			a = random_operand(&rnd);
			count = prandom_u32_state(&rnd) % 3 ? prandom_u32_state(&rnd) : 1;
			in = world_random(&rnd) & KHV_EMUL_ARITH_FLAGS;
			fw = in;
			fg = in;
			want = shift_ops[i].fn[s](a, count, &fw);
			got = khv_emul_alu_shift(shift_ops[i].op, 1 << s, a, count, &fg);
			expect_same(test, &shift_ops[i], 1 << s, a, count, in, want, fw,
				    got, fg,
				    undefined_after_shift(&shift_ops[i], 1 << s, count));
		}
	}
}

#define NATIVE_DOUBLE(name, type)						\
static u64 native_##name(u64 a, u64 b, u8 count, u64 *flags)			\
{										\
	u64 f = merge_flags(*flags);						\
	type r = a;								\
										\
	asm volatile("push %[f]\n\tpopf\n\t" #name " %%cl, %[b], %[r]"		\
		     "\n\tpushf\n\tpop %[f]"					\
		     : [r] "+r" (r), [f] "+r" (f)				\
		     : [b] "r" ((type)b), "c" (count) : "cc", "memory");	\
	*flags = f & KHV_EMUL_ARITH_FLAGS;					\
	return r;								\
}

NATIVE_DOUBLE(shldw, u16) NATIVE_DOUBLE(shldl, u32) NATIVE_DOUBLE(shldq, u64)
NATIVE_DOUBLE(shrdw, u16) NATIVE_DOUBLE(shrdl, u32) NATIVE_DOUBLE(shrdq, u64)

static void emul_alu_shift_double(struct kunit *test)
{
	static u64 (* const fn[2][3])(u64, u64, u8, u64 *) = {
		{ native_shldw, native_shldl, native_shldq },
		{ native_shrdw, native_shrdl, native_shrdq },
	};
	static const struct native_op ops[2] = {
		{ .name = "shld", .op = KHV_OP_SHLD }, { .name = "shrd", .op = KHV_OP_SHRD },
	};
	struct rnd_state rnd;
	u64 a, b, in, want, got, fw, fg;
	int i, s, n;
	u8 count;

	prandom_seed_state(&rnd, 4);
	for (n = 0; n < ROUNDS * 6; n++) {
		i = n & 1;
		s = n % 3;
		a = random_operand(&rnd);
		b = random_operand(&rnd);
		count = prandom_u32_state(&rnd);
		/* More than the operand's size is undefined altogether. */
		if (s == 0)
			count %= 17;
		in = world_random(&rnd) & KHV_EMUL_ARITH_FLAGS;
		fw = in;
		fg = in;
		want = fn[i][s](a, b, count, &fw);
		got = khv_emul_alu_shift_double(ops[i].op, 2 << s, a, b, count, &fg);
		count &= s == 2 ? 63 : 31;
		expect_same(test, &ops[i], 2 << s, a, b, in, want, fw, got, fg,
			    count > 1 ? AF | OF : count ? AF : 0);
	}
}

static void emul_alu_bit(struct kunit *test)
{
	struct rnd_state rnd;
	u64 a, b, in, want, got, fw, fg;
	int i, s, n;

	prandom_seed_state(&rnd, 5);
	for (i = 0; i < ARRAY_SIZE(bit_ops); i++) {
		for (n = 0; n < ROUNDS * 3; n++) {
			s = 1 + n % 3;
			a = random_operand(&rnd);
			b = random_operand(&rnd);
			in = world_random(&rnd) & KHV_EMUL_ARITH_FLAGS;
			fw = in;
			fg = in;
			want = bit_ops[i].fn[s](a, b, &fw);
			got = khv_emul_alu_bit(bit_ops[i].op, 1 << s, a, b, &fg);
			expect_same(test, &bit_ops[i], 1 << s, a, b, in, want, fw, got,
				    fg, bit_ops[i].undefined);
		}
	}
}

static void check_scan(struct kunit *test, const struct native_op *op, bool zero_defined)
{
	struct rnd_state rnd;
	u64 b, in, want, got, fw, fg;
	int s, n;

	prandom_seed_state(&rnd, 6);
	for (n = 0; n < ROUNDS * 3; n++) {
		s = 1 + n % 3;
		b = random_operand(&rnd) >> (prandom_u32_state(&rnd) & 63);
		if (!zero_defined && !(b & khv_emul_mask(1 << s)))
			b |= 4;
		in = world_random(&rnd) & KHV_EMUL_ARITH_FLAGS;
		fw = in;
		fg = in;
		want = op->fn[s](0, b, &fw);
		KUNIT_EXPECT_TRUE(test, khv_emul_alu_scan(op->op, 1 << s, b, &got, &fg));
		expect_same(test, op, 1 << s, 0, b, in, want, fw, got, fg, op->undefined);
	}
}

static void emul_alu_scan(struct kunit *test)
{
	u64 result = 77, flags = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(scan_ops); i++)
		check_scan(test, &scan_ops[i], false);
	if (boot_cpu_has(X86_FEATURE_BMI1))
		check_scan(test, &tzcnt_op, true);
	if (boot_cpu_has(X86_FEATURE_ABM))
		check_scan(test, &lzcnt_op, true);
	if (boot_cpu_has(X86_FEATURE_POPCNT))
		check_scan(test, &popcnt_op, true);
	/* A zero source sets ZF and leaves the destination. */
	KUNIT_EXPECT_FALSE(test, khv_emul_alu_scan(KHV_OP_BSF, 4, 0xff00000000ULL,
						   &result, &flags));
	KUNIT_EXPECT_EQ(test, result, 77ULL);
	KUNIT_EXPECT_TRUE(test, flags & ZF);
}

static void emul_alu_mul(struct kunit *test)
{
	struct rnd_state rnd;
	u64 a, b, in, want, fw, fg, lo, hi;
	int s, n;

	prandom_seed_state(&rnd, 7);
	for (n = 0; n < ROUNDS * 3; n++) {
		s = 1 + n % 3;
		a = random_operand(&rnd);
		b = random_operand(&rnd);
		in = world_random(&rnd) & KHV_EMUL_ARITH_FLAGS;
		fw = in;
		fg = in;
		want = imul_op.fn[s](a, b, &fw);
		khv_emul_alu_mul(true, 1 << s, a, b, &lo, &hi, &fg);
		expect_same(test, &imul_op, 1 << s, a, b, in, want, fw, lo, fg,
			    imul_op.undefined);
		khv_emul_alu_mul(false, 8, a, b, &lo, &hi, &fg);
		KUNIT_EXPECT_EQ(test, lo, a * b);
		KUNIT_EXPECT_EQ(test, hi, mul_u64_u64_shr(a, b, 64));
		KUNIT_EXPECT_EQ(test, !!(fg & CF), hi != 0);
		KUNIT_EXPECT_EQ(test, !!(fg & OF), hi != 0);
	}
}

static void check_div(struct kunit *test, bool is_signed, u64 lo, u64 hi, u64 divisor)
{
	u64 q, r, want_q = lo, want_r = hi;

	if (!khv_emul_alu_div(is_signed, 8, lo, hi, divisor, &q, &r))
		return;
	/* The emulator says that it fits, so the processor will not trap. */
	if (is_signed)
		asm volatile("idivq %2" : "+a" (want_q), "+d" (want_r)
			     : "r" (divisor) : "cc");
	else
		asm volatile("divq %2" : "+a" (want_q), "+d" (want_r)
			     : "r" (divisor) : "cc");
	KUNIT_EXPECT_EQ(test, q, want_q);
	KUNIT_EXPECT_EQ(test, r, want_r);
}

static void emul_alu_div(struct kunit *test)
{
	struct rnd_state rnd;
	u64 a, b, hi, q, r;
	int n;

	prandom_seed_state(&rnd, 8);
	for (n = 0; n < ROUNDS; n++) {
		a = random_operand(&rnd);
		b = random_operand(&rnd);
		hi = random_operand(&rnd) & 0xff;
		check_div(test, false, a, hi, b);
		check_div(test, true, a, (s64)a < 0 ? ~0ULL : 0, b);
		check_div(test, true, a, hi - 0x80, b);
		/* 16 bits: all is within reach of plain C. */
		if (!(s16)b)
			continue;
		if (khv_emul_alu_div(true, 2, a, (s16)a < 0 ? 0xffff : 0, b, &q, &r)) {
			KUNIT_EXPECT_EQ(test, (s16)q, (s16)((s16)a / (s16)b));
			KUNIT_EXPECT_EQ(test, (s16)r, (s16)((s16)a % (s16)b));
		}
	}
	KUNIT_EXPECT_FALSE(test, khv_emul_alu_div(false, 4, 1, 0, 0, &q, &r));
	KUNIT_EXPECT_FALSE(test, khv_emul_alu_div(false, 4, 0, 2, 2, &q, &r));
	KUNIT_EXPECT_TRUE(test, khv_emul_alu_div(false, 4, ~0u, 1, 2, &q, &r));
	KUNIT_EXPECT_EQ(test, q, 0xffffffffULL);
	KUNIT_EXPECT_FALSE(test, khv_emul_alu_div(true, 1, 0x80, 0xff, 0xff, &q, &r));
	KUNIT_EXPECT_TRUE(test, khv_emul_alu_div(true, 1, 0x80, 0xff, 1, &q, &r));
	KUNIT_EXPECT_EQ(test, q, 0x80ULL);
	KUNIT_EXPECT_FALSE(test, khv_emul_alu_div(true, 8, 0, 1ULL << 63, ~0ULL, &q, &r));
}

static void emul_alu_condition(struct kunit *test)
{
	u64 f;

	for (f = 0; f <= KHV_EMUL_ARITH_FLAGS; f++) {
		bool o = f & OF, c = f & CF, z = f & ZF, s = f & SF, p = f & PF;
		bool want[8] = { o, c, z, c || z, s, p, s != o, z || s != o };
		int i;

		if (f & ~(u64)KHV_EMUL_ARITH_FLAGS)
			continue;
		for (i = 0; i < 16; i++)
			KUNIT_EXPECT_EQ(test, khv_emul_condition(i, f),
					want[i / 2] != (i & 1));
	}
}

static struct kunit_case emul_alu_cases[] = {
	KUNIT_CASE(emul_alu_binary),
	KUNIT_CASE(emul_alu_unary),
	KUNIT_CASE(emul_alu_shift),
	KUNIT_CASE(emul_alu_shift_double),
	KUNIT_CASE(emul_alu_bit),
	KUNIT_CASE(emul_alu_scan),
	KUNIT_CASE(emul_alu_mul),
	KUNIT_CASE(emul_alu_div),
	KUNIT_CASE(emul_alu_condition),
	{}
};

static struct kunit_suite emul_alu_suite = {
	.name = "khv_emul_alu",
	.test_cases = emul_alu_cases,
};

kunit_test_suite(emul_alu_suite);
