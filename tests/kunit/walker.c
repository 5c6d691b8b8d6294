// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest page-table walker (kmod/mmu/paging.c): cases by hand, and random
 * tables against an interpreter that shares nothing with it but the manual.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/prandom.h>

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

/*
 * The other interpreter. A result is the guest-physical address, or an error
 * code, or "outside memory"; entries used are listed for the accessed bits.
 */
struct ref {
	bool fault, outside;
	u32 err;
	u64 gpa;
	int n;
	u64 at[4];
	bool leaf_write;
	bool all_w, all_u, any_nx;
	u64 leaf;
};

static u64 ref_load(const struct guest *g, u64 at, int size, struct ref *r)
{
	if (at >= MEM_SIZE) {
		r->outside = true;
		return 0;
	}
	return size == 4 ? g->d[at / 4] : g->q[at / 8];
}

/* Use the entry at @at. False when the walk ends there. */
static bool ref_entry(struct ref *r, u64 at, u64 e, u64 must_be_0, bool has_rights)
{
	if (r->outside)
		return false;
	if (!(e & 1)) {
		r->fault = true;
		return false;
	}
	if (e & must_be_0) {
		r->fault = true;
		r->err = 9;
		return false;
	}
	if (has_rights) {
		r->at[r->n++] = at;
		r->all_w = r->all_w && (e & 2);
		r->all_u = r->all_u && (e & 4);
		r->any_nx = r->any_nx || e >> 63;
	}
	r->leaf = e;
	return true;
}

static void ref_32(const struct guest *g, const struct khv_paging *pg, u32 va, struct ref *r)
{
	u64 at = (pg->cr3 & 0xfffff000) + (va >> 22) * 4, e = ref_load(g, at, 4, r), rsvd = 0;
	bool big = (e & 0x80) && (pg->cr4 & X86_CR4_PSE);
	int m = pg->maxphyaddr < 40 ? pg->maxphyaddr : 40, bit;

	if (big)
		for (bit = 13; bit <= 21; bit++)
			if (!pg->pse36 || m <= 32 || bit > m - 20)
				rsvd |= 1u << bit;
	if (!ref_entry(r, at, e, rsvd, true))
		return;
	if (big) {
		r->gpa = (e & 0xffc00000) | (va & 0x3fffff);
		if (pg->pse36 && m > 32)
			r->gpa |= ((e & 0x1fe000) >> 13) << 32;
		return;
	}
	at = (e & 0xfffff000) + (va >> 12 & 0x3ff) * 4;
	e = ref_load(g, at, 4, r);
	if (ref_entry(r, at, e, 0, true))
		r->gpa = (e & 0xfffff000) | (va & 0xfff);
}

static u64 ref_high(const struct khv_paging *pg, int top)
{
	u64 mask = pg->efer & EFER_NX ? 0 : 1ull << 63;
	int bit;

	for (bit = pg->maxphyaddr; bit <= top; bit++)
		mask |= 1ull << bit;
	return mask;
}

#define ADDR	0x000ffffffffff000ull

/* The two lowest levels are the same with PAE and with 4 levels but for bits 62:52. */
static void ref_low(const struct guest *g, const struct khv_paging *pg, u64 table, u64 va, int top,
		    struct ref *r)
{
	u64 at = table + (va >> 21 & 511) * 8, e = ref_load(g, at, 8, r);
	u64 rsvd = ref_high(pg, top);

	if (!ref_entry(r, at, e, rsvd | (e & 0x80 ? 0x1fe000 : 0), true))
		return;
	if (e & 0x80) {
		r->gpa = (e & 0x000fffffffe00000ull) | (va & 0x1fffff);
		return;
	}
	at = (e & ADDR) + (va >> 12 & 511) * 8;
	e = ref_load(g, at, 8, r);
	if (ref_entry(r, at, e, rsvd, true))
		r->gpa = (e & ADDR) | (va & 0xfff);
}

static void ref_pae(const struct guest *g, const struct khv_paging *pg, u32 va, struct ref *r)
{
	u64 at = (pg->cr3 & 0xffffffe0) + (va >> 30) * 8, e = ref_load(g, at, 8, r);

	if (ref_entry(r, at, e, (-1ull << pg->maxphyaddr) | 0x1e6, false))
		ref_low(g, pg, e & ADDR, va, 62, r);
}

static void ref_64(const struct guest *g, const struct khv_paging *pg, u64 va, struct ref *r)
{
	u64 at = (pg->cr3 & ADDR) + (va >> 39 & 511) * 8, e = ref_load(g, at, 8, r);
	u64 rsvd = ref_high(pg, 51);

	if (!ref_entry(r, at, e, rsvd | 0x80, true))
		return;
	at = (e & ADDR) + (va >> 30 & 511) * 8;
	e = ref_load(g, at, 8, r);
	if (!(e & 0x80)) {
		if (ref_entry(r, at, e, rsvd, true))
			ref_low(g, pg, e & ADDR, va, 51, r);
		return;
	}
	if (ref_entry(r, at, e, rsvd | (pg->gbpages ? 0x3fffe000 : 0x80), true))
		r->gpa = (e & 0x000fffffc0000000ull) | (va & 0x3fffffff);
}

/* Is the access, to an address that is mapped, a fault? Adds to r->err. */
static void ref_rights(const struct khv_paging *pg, u32 acc, struct ref *r)
{
	bool user = acc & ACC_U, write = acc & ACC_W, fetch = acc & ACC_X, ok;
	bool lm = pg->efer & EFER_LMA, wp = pg->cr0 & X86_CR0_WP;
	bool smap = (pg->cr4 & X86_CR4_SMAP) && !(pg->ac && !(acc & ACC_I));
	int key = r->leaf >> 59 & 15;

	if (user)
		ok = r->all_u && (!write || r->all_w) && !(fetch && r->any_nx);
	else if (r->all_u)
		ok = (!write || r->all_w || !wp) && (fetch || !smap) &&
		     !(fetch && (r->any_nx || (pg->cr4 & X86_CR4_SMEP)));
	else
		ok = (!write || r->all_w || !wp) && !(fetch && r->any_nx);
	if (!ok)
		r->err |= 1;
	if (lm && (pg->cr4 & X86_CR4_PKE) && r->all_u && !fetch &&
	    ((pg->pkru & (1u << (2 * key))) ||
	     ((pg->pkru & (2u << (2 * key))) && write && (user || wp))))
		r->err |= 0x21;
	r->fault = r->err;
}

static struct ref ref_walk(const struct guest *g, const struct khv_paging *pg, u64 va, u32 acc)
{
	struct ref r = { .all_w = true, .all_u = true };

	if (pg->efer & EFER_LMA)
		ref_64(g, pg, va, &r);
	else if (pg->cr4 & X86_CR4_PAE)
		ref_pae(g, pg, va, &r);
	else
		ref_32(g, pg, va, &r);
	if (r.outside)
		return r;
	if (!r.fault)
		ref_rights(pg, acc, &r);
	if (r.fault) {
		r.err |= acc & (ACC_W | ACC_U);
		if ((acc & ACC_X) && ((pg->cr4 & X86_CR4_SMEP) ||
				      ((pg->cr4 & X86_CR4_PAE) && (pg->efer & EFER_NX))))
			r.err |= 0x10;
	}
	return r;
}

/* Entries that mostly point into memory, are mostly present, and seldom have wild bits. */
static u64 random_entry(struct rnd_state *rnd)
{
	u32 x = prandom_u32_state(rnd);
	u64 e = (u64)(x & 0xf) << 12 | (prandom_u32_state(rnd) & 0xfff);

	if (x & 0xf0)
		e |= P;
	if (x & 0x700)
		e |= W | U;
	if ((x & 0x1800) != 0x1800)
		e &= ~PS;
	if (e & PS)
		e &= ~0x1fe000ull | (x & 0x6000 ? 0 : ~0ull);
	if (!(x & 0x78000))
		e |= (u64)prandom_u32_state(rnd) << 12;
	if (!(x & 0x780000))
		e |= (u64)prandom_u32_state(rnd) << 32;
	if (!(x & 0x3800000))
		e |= NX;
	return e | (u64)(x >> 28) << 59;
}

static struct khv_paging random_state(struct rnd_state *rnd)
{
	static const u8 widths[] = { 32, 36, 39, 40, 46, 52 };
	u32 x = prandom_u32_state(rnd);
	struct khv_paging pg = {
		.cr0 = x & 1 ? PG : PGWP,
		.cr3 = prandom_u32_state(rnd) & 0xffff,
		.cr4 = (x & 2 ? X86_CR4_SMEP : 0) | (x & 4 ? X86_CR4_SMAP : 0) |
		       (x & 8 ? X86_CR4_PKE : 0) | (x & 0x10 ? X86_CR4_PSE : 0),
		.efer = x & 0x20 ? EFER_NX : 0,
		.pkru = prandom_u32_state(rnd) & prandom_u32_state(rnd),
		.maxphyaddr = widths[prandom_u32_state(rnd) % ARRAY_SIZE(widths)],
		.gbpages = x & 0x40, .pse36 = x & 0x80, .ac = x & 0x100,
	};

	switch (x >> 16 & 3) {
	case 0:
		break;
	case 1:
		pg.cr4 |= X86_CR4_PAE;
		break;
	default:
		pg.cr4 |= X86_CR4_PAE;
		pg.efer |= EFER_LMA | EFER_LME;
	}
	return pg;
}

/* Compare one walk, and what it did to the tables. False when they differ. */
static bool one_walk(struct guest *g, struct guest *before, const struct khv_paging *pg, u64 va,
		     u32 acc)
{
	struct ref ref = ref_walk(g, pg, va, acc);
	struct khv_walk w;
	int i, r, size = pg->cr4 & X86_CR4_PAE ? 8 : 4;
	u64 bits;

	memcpy(before, g, sizeof(*g));
	r = walk(g, pg, va, acc, &w);
	if (ref.outside)
		return r == -EFAULT && !memcmp(before, g, sizeof(*g));
	if (ref.fault)
		return r == 1 && w.error_code == ref.err && !memcmp(before, g, sizeof(*g));
	if (r || w.gpa != ref.gpa || w.writable != ref.all_w || w.user != ref.all_u ||
	    w.executable == (ref.any_nx && size == 8))
		return false;
	for (i = 0; i < ref.n; i++) {
		bits = A | (i == ref.n - 1 && (acc & ACC_W) ? D : 0);
		if (size == 8)
			before->q[ref.at[i] / 8] |= bits;
		else
			before->d[ref.at[i] / 4] |= bits;
	}
	return !memcmp(before->q, g->q, sizeof(g->q));
}

static void test_random(struct kunit *test)
{
	struct guest *g = new_guest(test), *before = new_guest(test);
	u32 i, j, n, x, wrong = 0, mapped = 0;
	struct khv_paging pg;
	struct rnd_state rnd;
	u64 va;

	prandom_seed_state(&rnd, 7);
	for (i = 0; i < 100 && !wrong; i++) {
		/* 8-byte entries read as 4-byte ones are wild in the upper half. */
		for (j = 0; i % 3 && j < ARRAY_SIZE(g->q); j++)
			g->q[j] = random_entry(&rnd);
		for (j = 0; !(i % 3) && j < ARRAY_SIZE(g->d); j++)
			g->d[j] = random_entry(&rnd);
		for (n = 0; n < 100; n++) {
			pg = random_state(&rnd);
			x = prandom_u32_state(&rnd);
			va = (u64)prandom_u32_state(&rnd) << 20 ^ prandom_u32_state(&rnd);
			if (!one_walk(g, before, &pg, va, x & (ACC_W | ACC_U | ACC_X | ACC_I)))
				wrong++;
			mapped += !ref_walk(g, &pg, va, 0).fault;
		}
		cond_resched();
	}
	KUNIT_EXPECT_EQ_MSG(test, wrong, 0U, "in round %u", i);
	/* The tables are worth walking. */
	KUNIT_EXPECT_GT(test, mapped, 500U);
}

static struct kunit_case walker_cases[] = {
	KUNIT_CASE(test_off),
	KUNIT_CASE(test_32),
	KUNIT_CASE(test_pae),
	KUNIT_CASE(test_64),
	KUNIT_CASE(test_protections),
	KUNIT_CASE(test_updates),
	KUNIT_CASE(test_pdpte_reserved),
	KUNIT_CASE(test_random),
	{}
};

static struct kunit_suite walker_suite = {
	.name = "khv_walker",
	.test_cases = walker_cases,
};

kunit_test_suite(walker_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of khv's guest page-table walker");
