// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest page-table walker (kmod/mmu/paging.c): cases by hand. Random tables
 * are in paging_random_test.c.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "mmu/paging.c"

#define MEM_SIZE	0x10000u

/* Guest memory, all of it from 0, and what the test does to the walker's updates. */
struct guest {
	union {
		u64 q[MEM_SIZE / 8];
		u32 d[MEM_SIZE / 4];
	};
	bool read_only;
	int spoil;		/* so many exchanges find another value; < 0: all */
	int exchanges;
};

static int guest_read(void *ctx, gpa_t gpa, u64 *val, unsigned int len)
{
	struct guest *g = ctx;

	if (gpa % len || gpa >= MEM_SIZE)
		return -EFAULT;
	*val = len == 8 ? g->q[gpa / 8] : g->d[gpa / 4];
	return 0;
}

static int guest_exchange(void *ctx, gpa_t gpa, u64 old, u64 new, unsigned int len)
{
	struct guest *g = ctx;
	u64 now;

	if (guest_read(ctx, gpa, &now, len) || g->read_only)
		return -EFAULT;
	g->exchanges++;
	if (g->spoil) {
		g->spoil--;
		return -EAGAIN;
	}
	if (now != old)
		return -EAGAIN;
	if (len == 8)
		g->q[gpa / 8] = new;
	else
		g->d[gpa / 4] = new;
	return 0;
}

static int walk(struct guest *g, const struct khv_paging *pg, gva_t gva, u32 access,
		struct khv_walk *w)
{
	struct khv_paging_mem mem = { guest_read, guest_exchange, g };

	return khv_paging_walk(pg, &mem, gva, access, w);
}

#define P	0x1ull
#define W	0x2ull
#define U	0x4ull
#define A	0x20ull
#define D	0x40ull
#define PS	0x80ull
#define NX	BIT_ULL(63)
#define PKEY(k)	((u64)(k) << 59)

#define ACC_W	KHV_ACCESS_WRITE
#define ACC_U	KHV_ACCESS_USER
#define ACC_X	KHV_ACCESS_FETCH
#define ACC_I	KHV_ACCESS_IMPLICIT

#define PG	(X86_CR0_PG | X86_CR0_PE)
#define PGWP	(PG | X86_CR0_WP)

static struct khv_paging state_32(u64 cr0, u64 cr4)
{
	return (struct khv_paging) { .cr0 = cr0, .cr3 = 0x1000, .cr4 = cr4, .maxphyaddr = 40,
				     .pse36 = true };
}

static struct khv_paging state_pae(u64 cr0, u64 cr4, u64 efer)
{
	return (struct khv_paging) { .cr0 = cr0, .cr3 = 0x1020, .cr4 = cr4 | X86_CR4_PAE,
				     .efer = efer, .maxphyaddr = 40 };
}

static struct khv_paging state_64(u64 cr0, u64 cr4, u64 efer)
{
	return (struct khv_paging) { .cr0 = cr0, .cr3 = 0x1000, .cr4 = cr4 | X86_CR4_PAE,
				     .efer = efer | EFER_LMA | EFER_LME, .maxphyaddr = 40,
				     .gbpages = true };
}

static struct guest *new_guest(struct kunit *test)
{
	struct guest *g = kunit_kzalloc(test, sizeof(*g), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, g);
	return g;
}

static void expect_ok(struct kunit *test, struct guest *g, const struct khv_paging *pg, gva_t gva,
		      u32 access, gpa_t gpa, int level)
{
	struct khv_walk w;

	KUNIT_EXPECT_EQ(test, walk(g, pg, gva, access, &w), 0);
	KUNIT_EXPECT_EQ(test, w.gpa, gpa);
	KUNIT_EXPECT_EQ(test, (int)w.level, level);
}

static void expect_pf(struct kunit *test, struct guest *g, const struct khv_paging *pg, gva_t gva,
		      u32 access, u32 error_code)
{
	struct khv_walk w;

	KUNIT_EXPECT_EQ(test, walk(g, pg, gva, access, &w), 1);
	KUNIT_EXPECT_EQ(test, w.error_code, error_code);
}

static void test_off(struct kunit *test)
{
	struct khv_paging pg = state_32(X86_CR0_PE, 0);
	struct guest *g = new_guest(test);

	expect_ok(test, g, &pg, 0x12345678, ACC_W | ACC_U, 0x12345678, 1);
	expect_ok(test, g, &pg, 0xabc12345678ull, ACC_X, 0x12345678, 1);
}

static void test_32(struct kunit *test)
{
	struct khv_paging pg = state_32(PGWP, X86_CR4_PSE);
	struct guest *g = new_guest(test);

	g->d[0x1000 / 4 + 0x345] = 0x2000 | P | W | U;
	g->d[0x2000 / 4 + 0x278] = 0xabcde000 | P | W;
	g->d[0x1000 / 4 + 0x346] = 0x00c00000 | P | W | U | PS;
	g->d[0x1000 / 4 + 0x347] = 0x00c00000 | P | W | U | PS | 0xab << 13;
	g->d[0x1000 / 4 + 0x348] = 0x00c00000 | P | W | U | PS | 1 << 21;

	expect_ok(test, g, &pg, 0xd1678123, 0, 0xabcde123, 1);
	KUNIT_EXPECT_EQ(test, g->d[0x2000 / 4 + 0x278], (u32)(0xabcde000 | P | W | A));
	KUNIT_EXPECT_EQ(test, g->d[0x1000 / 4 + 0x345], (u32)(0x2000 | P | W | U | A));
	expect_ok(test, g, &pg, 0xd1678123, ACC_W, 0xabcde123, 1);
	KUNIT_EXPECT_EQ(test, g->d[0x2000 / 4 + 0x278], (u32)(0xabcde000 | P | W | A | D));
	expect_pf(test, g, &pg, 0xd1678123, ACC_U, 0x5);
	expect_pf(test, g, &pg, 0xd1679123, ACC_W | ACC_U, 0x6);
	expect_pf(test, g, &pg, 0xd1679123, ACC_X, 0x0);

	expect_ok(test, g, &pg, 0xd1812345, ACC_U, 0x00c12345, 2);
	expect_ok(test, g, &pg, 0xd1c12345, ACC_U, 0xab00c12345ull, 2);
	expect_pf(test, g, &pg, 0xd2012345, ACC_W, 0xb);
	pg.maxphyaddr = 39;
	expect_pf(test, g, &pg, 0xd1c12345, ACC_U, 0xd);
	pg.maxphyaddr = 40;
	pg.pse36 = false;
	expect_ok(test, g, &pg, 0xd1812345, 0, 0x00c12345, 2);
	expect_pf(test, g, &pg, 0xd1c12345, 0, 0x9);
	/* Without CR4.PSE the bit means nothing, and the frame is a table, outside memory here. */
	pg.cr4 = 0;
	KUNIT_EXPECT_EQ(test, walk(g, &pg, 0xd1812345, 0, &(struct khv_walk) {}), -EFAULT);
}

static void test_pae(struct kunit *test)
{
	struct khv_paging pg = state_pae(PGWP, 0, EFER_NX);
	struct guest *g = new_guest(test);

	g->q[0x1020 / 8 + 2] = 0x2000 | P;
	g->q[0x1020 / 8 + 3] = 0x2000 | P | W;
	g->q[0x2000 / 8 + 5] = 0x3000 | P | W | U;
	g->q[0x3000 / 8 + 7] = 0x1234567000ull | P | W | U | NX;
	g->q[0x2000 / 8 + 6] = 0x1234400000ull | P | U | PS;
	g->q[0x2000 / 8 + 7] = 0x1234402000ull | P | U | PS;
	g->q[0x3000 / 8 + 8] = 0x1234567000ull | P | 1ull << 52;

	expect_ok(test, g, &pg, 0x80a07abc, ACC_W | ACC_U, 0x1234567abcull, 1);
	expect_pf(test, g, &pg, 0x80a07abc, ACC_X, 0x11);
	expect_pf(test, g, &pg, 0xc0a07abc, 0, 0x9);
	expect_pf(test, g, &pg, 0x00a07abc, 0, 0x0);
	expect_ok(test, g, &pg, 0x80c12345, ACC_X | ACC_U, 0x1234412345ull, 2);
	expect_pf(test, g, &pg, 0x80c12345, ACC_W, 0x3);
	expect_pf(test, g, &pg, 0x80e12345, ACC_U, 0xd);
	expect_pf(test, g, &pg, 0x80a08000, 0, 0x9);
	KUNIT_EXPECT_EQ(test, g->q[0x1020 / 8 + 2], 0x2000 | P);
	/* Without NXE the bit is reserved, and fetches are not told apart. */
	pg.efer = 0;
	expect_pf(test, g, &pg, 0x80a07abc, ACC_X, 0x9);
}

static void test_64(struct kunit *test)
{
	struct khv_paging pg = state_64(PGWP, 0, EFER_NX);
	struct guest *g = new_guest(test);
	gva_t base = 0xffff800000000000ull;

	g->q[0x1000 / 8 + 256] = 0x2000 | P | W | U;
	g->q[0x2000 / 8 + 0] = 0x3000 | P | W | U;
	g->q[0x2000 / 8 + 1] = 0x40000000ull | P | W | U | PS | 1 << 12;
	g->q[0x2000 / 8 + 2] = 0x40002000ull | P | W | U | PS;
	g->q[0x3000 / 8 + 0] = 0x4000 | P | W | U;
	g->q[0x3000 / 8 + 1] = 0x200000 | P | PS | U;
	g->q[0x4000 / 8 + 0] = 0x5000 | P | W | U | 0x7ffull << 52;
	g->q[0x4000 / 8 + 1] = 0x5000 | P | W | U | 1ull << 40;
	g->q[0x1000 / 8 + 257] = 0x2000 | P | W | U | PS;

	expect_ok(test, g, &pg, base | 0x123, ACC_W | ACC_U | ACC_X, 0x5123, 1);
	KUNIT_EXPECT_EQ(test, g->q[0x1000 / 8 + 256], 0x2000 | P | W | U | A);
	KUNIT_EXPECT_EQ(test, g->q[0x3000 / 8 + 0], 0x4000 | P | W | U | A);
	KUNIT_EXPECT_EQ(test, g->q[0x4000 / 8 + 0], 0x5000 | P | W | U | A | D | 0x7ffull << 52);
	expect_pf(test, g, &pg, base | 0x1123, ACC_W | ACC_U, 0xf);
	expect_ok(test, g, &pg, base | 0x201234, ACC_U, 0x201234, 2);
	expect_pf(test, g, &pg, base | 0x201234, ACC_W | ACC_U, 0x7);
	expect_ok(test, g, &pg, base | 0x4abcdef0ull, ACC_W, 0x4abcdef0, 3);
	expect_pf(test, g, &pg, base | 0x80000000ull, 0, 0x9);
	expect_pf(test, g, &pg, base | 0x8000000000ull, 0, 0x9);
	pg.gbpages = false;
	expect_pf(test, g, &pg, base | 0x4abcdef0ull, ACC_W, 0xb);
	pg.cr3 = MEM_SIZE;
	KUNIT_EXPECT_EQ(test, walk(g, &pg, base, 0, &(struct khv_walk) {}), -EFAULT);
}

/* One 4 KiB user page, supervisor access and back, under each protection. */
static void test_protections(struct kunit *test)
{
	static const struct {
		u64 cr0, cr4;
		bool ac;
		u32 pkru;
		u64 leaf;
		u32 access;
		int error;	/* -1: allowed */
	} c[] = {
		{ PG, 0, 0, 0, U, ACC_W, -1 },
		{ PGWP, 0, 0, 0, U, ACC_W, 0x3 },
		{ PG, 0, 0, 0, U, ACC_W | ACC_U, 0x7 },
		{ PG, X86_CR4_SMEP, 0, 0, U, ACC_X, 0x11 },
		{ PG, X86_CR4_SMEP, 0, 0, U, ACC_X | ACC_U, -1 },
		{ PG, X86_CR4_SMEP, 0, 0, U, 0, -1 },
		{ PG, X86_CR4_SMEP, 0, 0, 0, ACC_X, -1 },
		{ PG, X86_CR4_SMAP, 0, 0, U, 0, 0x1 },
		{ PG, X86_CR4_SMAP, 1, 0, U, 0, -1 },
		{ PG, X86_CR4_SMAP, 1, 0, U, ACC_I, 0x1 },
		{ PG, X86_CR4_SMAP, 0, 0, U | W, ACC_W, 0x3 },
		{ PG, X86_CR4_SMAP, 0, 0, U, ACC_U, -1 },
		{ PG, X86_CR4_SMAP, 0, 0, U, ACC_X, -1 },
		{ PG, X86_CR4_SMAP, 0, 0, 0, 0, -1 },
		{ PG, X86_CR4_PKE, 0, 1 << 6, U | W | PKEY(3), 0, 0x21 },
		{ PG, X86_CR4_PKE, 0, 1 << 6, U | W | PKEY(3), ACC_X, -1 },
		{ PG, X86_CR4_PKE, 0, 1 << 6, U | W | PKEY(2), 0, -1 },
		{ PG, X86_CR4_PKE, 0, 1 << 6, W | PKEY(3), 0, -1 },
		{ PG, X86_CR4_PKE, 0, 2 << 6, U | W | PKEY(3), ACC_U, -1 },
		{ PG, X86_CR4_PKE, 0, 2 << 6, U | W | PKEY(3), ACC_W, -1 },
		{ PG, X86_CR4_PKE, 0, 2 << 6, U | W | PKEY(3), ACC_W | ACC_U, 0x27 },
		{ PGWP, X86_CR4_PKE, 0, 2 << 6, U | W | PKEY(3), ACC_W, 0x23 },
		{ PGWP, X86_CR4_PKE, 0, 3u << 30, U | PKEY(15), ACC_W | ACC_U, 0x27 },
		{ PGWP, 0, 0, ~0u, U | W | PKEY(15), ACC_W | ACC_U, -1 },
	};
	struct guest *g = new_guest(test);
	struct khv_paging pg;
	struct khv_walk w;
	int i, r;

	g->q[0x1000 / 8] = 0x2000 | P | W | U;
	g->q[0x2000 / 8] = 0x3000 | P | W | U;
	g->q[0x3000 / 8] = 0x4000 | P | W | U;
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		g->q[0x4000 / 8] = 0x5000 | P | c[i].leaf;
		pg = state_64(c[i].cr0, c[i].cr4, EFER_NX);
		pg.ac = c[i].ac;
		pg.pkru = c[i].pkru;
		r = walk(g, &pg, 0x10, c[i].access, &w);
		KUNIT_EXPECT_EQ_MSG(test, r, c[i].error < 0 ? 0 : 1, "case %d", i);
		if (r == 1)
			KUNIT_EXPECT_EQ_MSG(test, (int)w.error_code, c[i].error, "case %d", i);
		/* A fault sets no bits. */
		KUNIT_EXPECT_EQ_MSG(test, g->q[0x4000 / 8] & A, r ? 0 : A, "case %d", i);
	}
}

static void test_updates(struct kunit *test)
{
	struct khv_paging pg = state_64(PGWP, 0, EFER_NX);
	struct guest *g = new_guest(test);
	struct khv_walk w;

	g->q[0x1000 / 8] = 0x2000 | P | W | U | A;
	g->q[0x2000 / 8] = 0x3000 | P | W | U | A;
	g->q[0x3000 / 8] = 0x200000 | P | W | U | PS;

	g->read_only = true;
	expect_ok(test, g, &pg, 0x10, ACC_W, 0x200010, 2);
	g->read_only = false;
	g->spoil = 5;
	expect_ok(test, g, &pg, 0x10, ACC_W, 0x200010, 2);
	KUNIT_EXPECT_EQ(test, g->exchanges, 6);
	KUNIT_EXPECT_EQ(test, g->q[0x3000 / 8], 0x200000 | P | W | U | PS | A | D);
	/* Nothing to set: nothing written. */
	expect_ok(test, g, &pg, 0x10, ACC_W, 0x200010, 2);
	KUNIT_EXPECT_EQ(test, g->exchanges, 6);
	/* A guest that changes its tables without end does not hold us. */
	g->q[0x3000 / 8] = 0x200000 | P | W | U | PS;
	g->spoil = -1;
	KUNIT_EXPECT_EQ(test, walk(g, &pg, 0x10, ACC_W, &w), -EFAULT);
	KUNIT_EXPECT_LT(test, g->exchanges, 1000);
}

static void test_pdpte_reserved(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, khv_pdpte_reserved(36), 0xfffffff0000001e6ull);
	KUNIT_EXPECT_EQ(test, khv_pdpte_reserved(52), 0xfff00000000001e6ull);
}

static struct kunit_case walker_cases[] = {
	KUNIT_CASE(test_off),
	KUNIT_CASE(test_32),
	KUNIT_CASE(test_pae),
	KUNIT_CASE(test_64),
	KUNIT_CASE(test_protections),
	KUNIT_CASE(test_updates),
	KUNIT_CASE(test_pdpte_reserved),
	{}
};

static struct kunit_suite walker_suite = {
	.name = "khv_walker",
	.test_cases = walker_cases,
};

kunit_test_suite(walker_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of khv's guest page-table walker");
