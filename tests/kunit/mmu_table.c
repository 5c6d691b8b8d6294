// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested page tables (kmod/mmu/table.c): each operation by itself, then long
 * random sequences against an array with one element per frame.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/vmalloc.h>

#include "mmu/table.c"

#define FRAMES_2M	KHV_PT_FRAMES(2)
#define FRAMES_1G	KHV_PT_FRAMES(3)
#define RW		(0x1 | 0x2)
#define RX		(0x1 | 0x4)
#define RWX		0x7

static void pt_start(struct kunit *test, struct khv_pt *pt, const struct khv_ptfmt *fmt)
{
	KUNIT_ASSERT_EQ(test, khv_pt_init(pt, fmt), 0);
	pt->accessed = fmt->accessed;
}

static int gather_count(struct khv_pt_gather *g)
{
	struct list_head *pos;
	int n = 0;

	list_for_each(pos, &g->tables)
		n++;
	return n;
}

/* Free what an operation left, and start over. Number of tables freed. */
static int gather_reset(struct khv_pt_gather *g)
{
	int n = gather_count(g);

	khv_pt_gather_free(g);
	g->flush = false;
	return n;
}

static void insert(struct kunit *test, struct khv_pt *pt, gfn_t gfn, u64 pfn, int level, u64 bits,
		   struct khv_pt_gather *g)
{
	int r, tries = 0;

	while ((r = khv_pt_insert(pt, gfn, pfn, level, bits, g)) == -ENOSPC) {
		KUNIT_ASSERT_LT(test, tries++, 2);
		while (pt->nr_spare < KHV_PT_LEVELS) {
			pt->spare[pt->nr_spare] = (void *)get_zeroed_page(GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, pt->spare[pt->nr_spare]);
			pt->nr_spare++;
		}
	}
	KUNIT_ASSERT_EQ(test, r, 0);
}

static void expect_leaf(struct kunit *test, struct khv_pt *pt, gfn_t gfn, u64 pfn, int level,
			u64 bits)
{
	int got = 0;
	u64 e = khv_pt_lookup(pt, gfn, &got);
	u64 off = gfn & (KHV_PT_FRAMES(level) - 1);

	KUNIT_EXPECT_EQ(test, got, level);
	KUNIT_EXPECT_EQ(test, e & pt->fmt->addr, (pfn - off) << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, e & ~pt->fmt->addr, bits | (level > 1 ? pt->fmt->large : 0));
}

static void expect_none(struct kunit *test, struct khv_pt *pt, gfn_t gfn)
{
	int level;

	KUNIT_EXPECT_EQ(test, khv_pt_lookup(pt, gfn, &level), 0ULL);
}

static void expect_leaves(struct kunit *test, const struct khv_pt *pt, u64 small, u64 large,
			  u64 huge)
{
	u64 leaves[KHV_PT_MAX_LEAF_LEVEL] = { 0 };
	gfn_t gfn = 0, next;

	for (; gfn < KHV_PT_END; gfn = next) {
		next = khv_pt_count(pt, gfn, leaves);
		KUNIT_ASSERT_GT(test, next, gfn);
	}
	KUNIT_EXPECT_EQ(test, gfn, KHV_PT_END);
	KUNIT_EXPECT_EQ(test, leaves[0], small);
	KUNIT_EXPECT_EQ(test, leaves[1], large);
	KUNIT_EXPECT_EQ(test, leaves[2], huge);
}

static void test_levels(struct kunit *test)
{
	struct khv_pt_gather g = KHV_PT_GATHER_INIT(g);
	struct khv_pt pt;

	pt_start(test, &pt, &khv_ept_fmt);
	insert(test, &pt, 5, 0x1234, 1, RWX, &g);
	KUNIT_EXPECT_EQ(test, pt.pages, 4L);
	insert(test, &pt, 3 * FRAMES_2M, 7 * FRAMES_2M, 2, RX | 0x70, &g);
	KUNIT_EXPECT_EQ(test, pt.pages, 4L);
	insert(test, &pt, 9 * FRAMES_1G, 2 * FRAMES_1G, 3, RW, &g);
	expect_leaves(test, &pt, 1, 1, 1);
	KUNIT_EXPECT_EQ(test, pt.pages, 4L);
	KUNIT_EXPECT_FALSE(test, g.flush);

	expect_leaf(test, &pt, 5, 0x1234, 1, RWX);
	expect_none(test, &pt, 4);
	expect_none(test, &pt, 6);
	expect_leaf(test, &pt, 3 * FRAMES_2M + 77, 7 * FRAMES_2M + 77, 2, RX | 0x70);
	expect_none(test, &pt, 4 * FRAMES_2M);
	expect_leaf(test, &pt, 10 * FRAMES_1G - 1, 3 * FRAMES_1G - 1, 3, RW);
	expect_none(test, &pt, 9 * FRAMES_1G - 1);
	expect_none(test, &pt, 10 * FRAMES_1G);
	khv_pt_uninit(&pt);
}

static void test_no_spare(struct kunit *test)
{
	struct khv_pt_gather g = KHV_PT_GATHER_INIT(g);
	struct khv_pt pt;

	pt_start(test, &pt, &khv_ept_fmt);
	KUNIT_EXPECT_EQ(test, khv_pt_insert(&pt, 0, 0, 1, RWX, &g), -ENOSPC);
	expect_none(test, &pt, 0);
	KUNIT_EXPECT_EQ(test, pt.pages, 1L);
	/* A large leaf whose split lacks a table stays as it was. */
	insert(test, &pt, 0, 0, 3, RW, &g);
	while (pt.nr_spare)
		free_page((unsigned long)pt.spare[--pt.nr_spare]);
	KUNIT_EXPECT_EQ(test, khv_pt_insert(&pt, 9, 9, 1, RWX, &g), -ENOSPC);
	expect_leaf(test, &pt, 9, 9, 3, RW);
	khv_pt_uninit(&pt);
}

static void test_permissions(struct kunit *test)
{
	struct khv_pt_gather g = KHV_PT_GATHER_INIT(g);
	struct khv_pt pt;

	pt_start(test, &pt, &khv_ept_fmt);
	insert(test, &pt, 5, 99, 1, RX, &g);
	insert(test, &pt, 5, 99, 1, RW, &g);
	expect_leaf(test, &pt, 5, 99, 1, RWX);
	KUNIT_EXPECT_FALSE(test, g.flush);
	/* Another frame takes nothing over, and the old one must be forgotten. */
	insert(test, &pt, 5, 98, 1, RX, &g);
	expect_leaf(test, &pt, 5, 98, 1, RX);
	KUNIT_EXPECT_TRUE(test, g.flush);
	gather_reset(&g);
	khv_pt_uninit(&pt);

	pt_start(test, &pt, &khv_npt_fmt);
	insert(test, &pt, 5, 99, 1, 0x5 | khv_npt_fmt.noexec, &g);
	insert(test, &pt, 5, 99, 1, 0x5 | khv_npt_fmt.noexec | 0x2, &g);
	expect_leaf(test, &pt, 5, 99, 1, 0x7 | khv_npt_fmt.noexec);
	insert(test, &pt, 5, 99, 1, 0x5, &g);
	expect_leaf(test, &pt, 5, 99, 1, 0x7);
	insert(test, &pt, 5, 99, 1, 0x5 | khv_npt_fmt.noexec, &g);
	expect_leaf(test, &pt, 5, 99, 1, 0x7);
	KUNIT_EXPECT_FALSE(test, g.flush);
	khv_pt_uninit(&pt);
}

static void test_split(struct kunit *test)
{
	struct khv_pt_gather g = KHV_PT_GATHER_INIT(g);
	gfn_t at = 5 * FRAMES_2M + 3;
	struct khv_pt pt;

	pt_start(test, &pt, &khv_ept_fmt);
	insert(test, &pt, 0, FRAMES_1G, 3, RW | 0x70, &g);
	/* What the leaf allows already does not split it. */
	insert(test, &pt, at, FRAMES_1G + at, 1, RW | 0x70, &g);
	expect_leaf(test, &pt, at, FRAMES_1G + at, 3, RW | 0x70);
	insert(test, &pt, at, FRAMES_1G + at, 1, RX | 0x70, &g);
	expect_leaf(test, &pt, at, FRAMES_1G + at, 1, RWX | 0x70);
	expect_leaf(test, &pt, at - 1, FRAMES_1G + at - 1, 1, RW | 0x70);
	expect_leaf(test, &pt, 6 * FRAMES_2M - 1, FRAMES_1G + 6 * FRAMES_2M - 1, 1, RW | 0x70);
	expect_leaf(test, &pt, 6 * FRAMES_2M, FRAMES_1G + 6 * FRAMES_2M, 2, RW | 0x70);
	expect_leaf(test, &pt, FRAMES_1G - 1, 2 * FRAMES_1G - 1, 2, RW | 0x70);
	KUNIT_EXPECT_EQ(test, pt.pages, 4L);
	KUNIT_EXPECT_FALSE(test, g.flush);
	khv_pt_uninit(&pt);
}

static void test_replace_table(struct kunit *test)
{
	struct khv_pt_gather g = KHV_PT_GATHER_INIT(g);
	struct khv_pt pt;

	pt_start(test, &pt, &khv_ept_fmt);
	insert(test, &pt, 1, 1, 1, RWX, &g);
	insert(test, &pt, FRAMES_2M + 1, 1, 1, RWX, &g);
	KUNIT_EXPECT_EQ(test, pt.pages, 5L);
	insert(test, &pt, 0, FRAMES_2M, 2, RW, &g);
	KUNIT_EXPECT_TRUE(test, g.flush);
	KUNIT_EXPECT_EQ(test, gather_reset(&g), 1);
	expect_leaf(test, &pt, 1, FRAMES_2M + 1, 2, RW);
	expect_leaf(test, &pt, FRAMES_2M + 1, 1, 1, RWX);
	insert(test, &pt, 0, FRAMES_1G, 3, RW, &g);
	KUNIT_EXPECT_TRUE(test, g.flush);
	KUNIT_EXPECT_EQ(test, gather_reset(&g), 2);
	KUNIT_EXPECT_EQ(test, pt.pages, 2L);
	khv_pt_uninit(&pt);
}

static void test_zap(struct kunit *test)
{
	struct khv_pt_gather g = KHV_PT_GATHER_INIT(g);
	struct khv_pt pt;
	gfn_t i;

	pt_start(test, &pt, &khv_ept_fmt);
	for (i = 0; i < 2 * FRAMES_2M; i++)
		insert(test, &pt, i, i + 7, 1, RWX, &g);
	insert(test, &pt, 2 * FRAMES_2M, 0, 2, RWX, &g);
	KUNIT_EXPECT_FALSE(test, khv_pt_range(&pt, 10, 10, KHV_PT_ZAP, &g));
	KUNIT_EXPECT_FALSE(test, khv_pt_range(&pt, 11, 10, KHV_PT_ZAP, &g));
	KUNIT_EXPECT_FALSE(test, khv_pt_range(&pt, FRAMES_1G, 2 * FRAMES_1G, KHV_PT_ZAP, &g));
	KUNIT_EXPECT_FALSE(test, g.flush);

	KUNIT_EXPECT_TRUE(test, khv_pt_range(&pt, 10, 12, KHV_PT_ZAP, &g));
	KUNIT_EXPECT_TRUE(test, g.flush);
	KUNIT_EXPECT_EQ(test, gather_reset(&g), 0);
	expect_leaf(test, &pt, 9, 16, 1, RWX);
	expect_none(test, &pt, 10);
	expect_none(test, &pt, 11);
	expect_leaf(test, &pt, 12, 19, 1, RWX);

	/* The second table goes whole; one frame of a large leaf takes all of it. */
	khv_pt_range(&pt, FRAMES_2M - 1, 2 * FRAMES_2M + 1, KHV_PT_ZAP, &g);
	KUNIT_EXPECT_EQ(test, gather_reset(&g), 1);
	expect_leaf(test, &pt, FRAMES_2M - 2, FRAMES_2M + 5, 1, RWX);
	expect_none(test, &pt, FRAMES_2M - 1);
	expect_none(test, &pt, FRAMES_2M);
	expect_none(test, &pt, 3 * FRAMES_2M - 1);

	khv_pt_range(&pt, 0, ~0ULL, KHV_PT_ZAP, &g);
	KUNIT_EXPECT_EQ(test, gather_reset(&g), 3);
	KUNIT_EXPECT_EQ(test, pt.pages, 1L);
	khv_pt_uninit(&pt);
}

static void test_fill(struct kunit *test)
{
	u64 entry[KHV_PT_GROUP] = { 0x1000 | RX, 0, 0x3000 | RX, 0x4000 | RX, 0x5000 | RX };
	struct khv_pt_gather g = KHV_PT_GATHER_INIT(g);
	struct khv_pt pt;

	pt_start(test, &pt, &khv_ept_fmt);
	/* No table, a large leaf: nothing happens. */
	khv_pt_fill(&pt, 2, 0, entry);
	KUNIT_EXPECT_EQ(test, pt.pages, 1L);
	insert(test, &pt, FRAMES_2M, 0, 2, RW, &g);
	khv_pt_fill(&pt, FRAMES_2M, FRAMES_2M, entry);
	expect_leaf(test, &pt, FRAMES_2M + 2, 2, 2, RW);

	/* What is there stays. */
	insert(test, &pt, 2, 99, 1, RW, &g);
	khv_pt_fill(&pt, 2, 0, entry);
	expect_leaf(test, &pt, 0, 1, 1, RX);
	expect_none(test, &pt, 1);
	expect_leaf(test, &pt, 2, 99, 1, RW);
	expect_leaf(test, &pt, 3, 4, 1, RX);
	expect_leaf(test, &pt, 4, 5, 1, RX);
	expect_none(test, &pt, 5);

	/* Frames of another table, above or below, are left alone. */
	khv_pt_fill(&pt, FRAMES_2M - 1, FRAMES_2M - 3, entry);
	expect_leaf(test, &pt, FRAMES_2M - 3, 1, 1, RX);
	expect_leaf(test, &pt, FRAMES_2M - 1, 3, 1, RX);
	expect_leaf(test, &pt, FRAMES_2M, 0, 2, RW);
	khv_pt_range(&pt, 0, FRAMES_2M, KHV_PT_ZAP, &g);
	insert(test, &pt, 7, 7, 1, RW, &g);
	khv_pt_fill(&pt, 1, -2ULL, entry);
	expect_leaf(test, &pt, 0, 3, 1, RX);
	expect_leaf(test, &pt, 1, 4, 1, RX);
	expect_leaf(test, &pt, 2, 5, 1, RX);
	expect_none(test, &pt, KHV_PT_END - 2);
	gather_reset(&g);
	khv_pt_uninit(&pt);
}

static void test_protect_and_age(struct kunit *test)
{
	struct khv_pt_gather g = KHV_PT_GATHER_INIT(g);
	u64 a = khv_ept_fmt.accessed;
	struct khv_pt pt;

	pt_start(test, &pt, &khv_ept_fmt);
	insert(test, &pt, 1, 1, 1, RWX | a, &g);
	insert(test, &pt, FRAMES_2M, 0, 2, RWX, &g);
	KUNIT_EXPECT_TRUE(test, khv_pt_range(&pt, 1, 2, KHV_PT_TEST_AGE, &g));
	KUNIT_EXPECT_TRUE(test, khv_pt_range(&pt, 0, 3 * FRAMES_2M, KHV_PT_AGE, &g));
	KUNIT_EXPECT_FALSE(test, khv_pt_range(&pt, 0, 3 * FRAMES_2M, KHV_PT_AGE, &g));
	KUNIT_EXPECT_FALSE(test, khv_pt_range(&pt, 1, 2, KHV_PT_TEST_AGE, &g));
	KUNIT_EXPECT_FALSE(test, g.flush);

	KUNIT_EXPECT_TRUE(test, khv_pt_range(&pt, 1, FRAMES_2M + 1, KHV_PT_WRPROTECT, &g));
	KUNIT_EXPECT_TRUE(test, g.flush);
	gather_reset(&g);
	expect_leaf(test, &pt, 1, 1, 1, RX);
	expect_leaf(test, &pt, FRAMES_2M, 0, 2, RX);
	KUNIT_EXPECT_FALSE(test, khv_pt_range(&pt, 1, FRAMES_2M + 1, KHV_PT_WRPROTECT, &g));
	KUNIT_EXPECT_FALSE(test, g.flush);

	/* Hardware without accessed bits: what is mapped is young, looking removes it. */
	pt.accessed = 0;
	KUNIT_EXPECT_TRUE(test, khv_pt_range(&pt, 1, 2, KHV_PT_TEST_AGE, &g));
	KUNIT_EXPECT_TRUE(test, khv_pt_range(&pt, 1, 2, KHV_PT_AGE, &g));
	KUNIT_EXPECT_TRUE(test, g.flush);
	expect_none(test, &pt, 1);
	KUNIT_EXPECT_FALSE(test, khv_pt_range(&pt, 1, 2, KHV_PT_TEST_AGE, &g));
	khv_pt_uninit(&pt);
}

/* As the dirty log does: a large leaf goes read-only as a whole, and is split by a write. */
static void test_protect_and_split(struct kunit *test)
{
	struct khv_pt_gather g = KHV_PT_GATHER_INIT(g);
	struct khv_pt pt;

	pt_start(test, &pt, &khv_ept_fmt);
	insert(test, &pt, FRAMES_2M, FRAMES_2M, 2, RWX, &g);
	KUNIT_EXPECT_TRUE(test, khv_pt_range(&pt, FRAMES_2M + 7, FRAMES_2M + 8, KHV_PT_WRPROTECT,
					     &g));
	KUNIT_EXPECT_TRUE(test, g.flush);
	gather_reset(&g);
	expect_leaf(test, &pt, FRAMES_2M, FRAMES_2M, 2, RX);
	KUNIT_EXPECT_FALSE(test, khv_pt_range(&pt, FRAMES_2M, 2 * FRAMES_2M, KHV_PT_WRPROTECT,
					      &g));
	KUNIT_EXPECT_FALSE(test, g.flush);

	/* A read leaves it large, a write gets a leaf of its own. */
	insert(test, &pt, FRAMES_2M + 9, FRAMES_2M + 9, 1, RX, &g);
	expect_leaf(test, &pt, FRAMES_2M + 9, FRAMES_2M + 9, 2, RX);
	insert(test, &pt, FRAMES_2M + 9, FRAMES_2M + 9, 1, RWX, &g);
	expect_leaf(test, &pt, FRAMES_2M + 9, FRAMES_2M + 9, 1, RWX);
	expect_leaf(test, &pt, FRAMES_2M + 8, FRAMES_2M + 8, 1, RX);
	expect_leaf(test, &pt, 2 * FRAMES_2M - 1, 2 * FRAMES_2M - 1, 1, RX);
	KUNIT_EXPECT_TRUE(test, khv_pt_range(&pt, FRAMES_2M + 9, FRAMES_2M + 10, KHV_PT_WRPROTECT,
					     &g));
	gather_reset(&g);
	expect_leaf(test, &pt, FRAMES_2M + 9, FRAMES_2M + 9, 1, RX);
	/* After the log: large again, and the table goes. */
	insert(test, &pt, FRAMES_2M, FRAMES_2M, 2, RWX, &g);
	expect_leaf(test, &pt, FRAMES_2M + 9, FRAMES_2M + 9, 2, RWX);
	KUNIT_EXPECT_EQ(test, gather_reset(&g), 1);
	khv_pt_uninit(&pt);
}

static void test_limits(struct kunit *test)
{
	struct khv_pt_gather g = KHV_PT_GATHER_INIT(g);
	u64 top = (GENMASK_ULL(51, 12) >> PAGE_SHIFT);
	struct khv_pt pt;

	pt_start(test, &pt, &khv_ept_fmt);
	insert(test, &pt, KHV_PT_END - 1, top, 1, RWX, &g);
	expect_leaf(test, &pt, KHV_PT_END - 1, top, 1, RWX);
	insert(test, &pt, 0, 0, 1, RWX, &g);
	expect_none(test, &pt, KHV_PT_END);
	expect_none(test, &pt, ~0ULL);
	KUNIT_EXPECT_FALSE(test, khv_pt_range(&pt, KHV_PT_END, ~0ULL, KHV_PT_ZAP, &g));
	expect_leaf(test, &pt, 0, 0, 1, RWX);
	KUNIT_EXPECT_TRUE(test, khv_pt_range(&pt, KHV_PT_END - 1, ~0ULL, KHV_PT_ZAP, &g));
	expect_none(test, &pt, KHV_PT_END - 1);
	expect_leaf(test, &pt, 0, 0, 1, RWX);
	gather_reset(&g);
	khv_pt_uninit(&pt);
}

/* The model: what each frame of a 2 GiB window is mapped to. */
#define MODEL_BASE	(511 * FRAMES_1G)
#define MODEL_FRAMES	(2 * FRAMES_1G)

struct frame {
	u32 pfn;		/* 0: not mapped */
	u8 level;
	bool write, exec, accessed;
};

struct model {
	struct khv_pt pt;
	struct frame *frame;
	struct rnd_state rnd;
};

static u32 random_below(struct model *m, u32 n)
{
	return prandom_u32_state(&m->rnd) % n;
}

static u64 model_bits(const struct khv_ptfmt *fmt, bool write, bool exec, bool accessed)
{
	return fmt->leaf | (write ? fmt->write : 0) | (exec ? fmt->exec : fmt->noexec) |
	       (accessed ? fmt->accessed : 0);
}

/* A leaf of level @from at @at becomes smaller ones, down to @to around @at. */
static void model_split(struct model *m, u32 at, int from, int to)
{
	u32 i, start, size = KHV_PT_FRAMES(from);
	int level;

	start = at & ~(size - 1);
	for (i = start; i < start + size; i++) {
		for (level = from - 1; level > to; level--)
			if ((i ^ at) >> ((level - 1) * KHV_PT_BITS))
				break;
		m->frame[i].level = level;
	}
}

static void model_insert(struct kunit *test, struct model *m)
{
	struct khv_pt_gather g = KHV_PT_GATHER_INIT(g);
	int level = random_below(m, 40) ? 1 + !random_below(m, 4) : 3;
	u32 i, size = KHV_PT_FRAMES(level), at = random_below(m, MODEL_FRAMES) & ~(size - 1);
	bool write = random_below(m, 2), exec = random_below(m, 2), same;
	bool accessed = random_below(m, 2);
	/* Mostly the frame's own place, so that leaves meet their like. */
	u32 pfn = at + (random_below(m, 8) ? 4 : 8) * FRAMES_1G;
	struct frame *f = &m->frame[at], was;

	insert(test, &m->pt, MODEL_BASE + at, pfn, level,
	       model_bits(m->pt.fmt, write, exec, accessed), &g);
	gather_reset(&g);

	if (f->level > level) {
		if (f->pfn == pfn && f->write >= write && f->exec >= exec)
			return;
		model_split(m, at, f->level, level);
	}
	was = *f;
	same = was.level == level && was.pfn == pfn;
	for (i = 0; i < size; i++)
		f[i] = (struct frame) {
			.pfn = pfn + i, .level = level,
			.write = write || (same && was.write),
			.exec = exec || (same && was.exec),
			.accessed = accessed || (same && was.accessed),
		};
}

static void model_range(struct kunit *test, struct model *m)
{
	static const enum khv_pt_op ops[] = { KHV_PT_ZAP, KHV_PT_WRPROTECT, KHV_PT_AGE };
	struct khv_pt_gather g = KHV_PT_GATHER_INIT(g);
	enum khv_pt_op op = ops[random_below(m, ARRAY_SIZE(ops))];
	u32 start = random_below(m, MODEL_FRAMES);
	u32 len = random_below(m, random_below(m, 30) ? 3000 : MODEL_FRAMES);
	u32 i, j, leaf, size, end = min_t(u32, start + len, MODEL_FRAMES);
	bool expect = false, got;

	for (i = start; i < end; i = leaf + size) {
		size = m->frame[i].level ? KHV_PT_FRAMES(m->frame[i].level) : 1;
		leaf = i & ~(size - 1);
		if (!m->frame[i].level)
			continue;
		expect |= op == KHV_PT_ZAP || (op == KHV_PT_WRPROTECT && m->frame[i].write) ||
			  (op == KHV_PT_AGE && m->frame[i].accessed);
		for (j = leaf; j < leaf + size; j++) {
			if (op == KHV_PT_ZAP)
				m->frame[j] = (struct frame) {};
			else if (op == KHV_PT_WRPROTECT)
				m->frame[j].write = false;
			else
				m->frame[j].accessed = false;
		}
	}
	got = khv_pt_range(&m->pt, MODEL_BASE + start, MODEL_BASE + end, op, &g);
	/* An empty table that goes counts as removed too. */
	KUNIT_EXPECT_TRUE(test, got == expect || (op == KHV_PT_ZAP && got && gather_count(&g)));
	if (expect && op != KHV_PT_AGE)
		KUNIT_EXPECT_TRUE(test, g.flush);
	gather_reset(&g);
}

static bool frame_agrees(struct model *m, u32 i)
{
	const struct khv_ptfmt *fmt = m->pt.fmt;
	const struct frame *f = &m->frame[i];
	int level = 0;
	u64 e = khv_pt_lookup(&m->pt, MODEL_BASE + i, &level), want;

	if (!f->level)
		return !e;
	want = model_bits(fmt, f->write, f->exec, f->accessed) | (level > 1 ? fmt->large : 0) |
	       (u64)(f->pfn & ~(KHV_PT_FRAMES(level) - 1)) << PAGE_SHIFT;
	return level == f->level && e == want;
}

static long count_tables(struct khv_pt *pt, u64 *table, int level)
{
	long n = 1;
	int i;

	for (i = 0; level > 1 && i < KHV_PT_ENTRIES; i++)
		if (is_present(pt, table[i]) && !is_leaf(pt, table[i], level))
			n += count_tables(pt, child(pt, table[i]), level - 1);
	return n;
}

static void run_model(struct kunit *test, const struct khv_ptfmt *fmt, u64 seed)
{
	struct khv_pt_gather g = KHV_PT_GATHER_INIT(g);
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	u32 i, step, wrong = 0;

	KUNIT_ASSERT_NOT_NULL(test, m);
	pt_start(test, &m->pt, fmt);
	prandom_seed_state(&m->rnd, seed);
	m->frame = vzalloc(MODEL_FRAMES * sizeof(*m->frame));
	KUNIT_ASSERT_NOT_NULL(test, m->frame);

	for (step = 0; step < 3000 && !wrong; step++) {
		if (random_below(m, 4))
			model_insert(test, m);
		else
			model_range(test, m);
		for (i = 0; i < 64; i++)
			wrong += !frame_agrees(m, random_below(m, MODEL_FRAMES));
		if (step % 1000 == 999)
			for (i = 0; i < MODEL_FRAMES; i++)
				wrong += !frame_agrees(m, i);
		cond_resched();
	}
	KUNIT_EXPECT_EQ_MSG(test, wrong, 0U, "after step %u", step);
	KUNIT_EXPECT_EQ(test, m->pt.pages, count_tables(&m->pt, m->pt.root, KHV_PT_LEVELS));
	khv_pt_range(&m->pt, 0, KHV_PT_END, KHV_PT_ZAP, &g);
	gather_reset(&g);
	KUNIT_EXPECT_EQ(test, m->pt.pages, 1L);
	khv_pt_uninit(&m->pt);
	vfree(m->frame);
}

static void test_random_ept(struct kunit *test)
{
	run_model(test, &khv_ept_fmt, 1);
	run_model(test, &khv_ept_fmt, 2);
}

static void test_random_npt(struct kunit *test)
{
	run_model(test, &khv_npt_fmt, 3);
}

static struct kunit_case mmu_cases[] = {
	KUNIT_CASE(test_levels),
	KUNIT_CASE(test_no_spare),
	KUNIT_CASE(test_permissions),
	KUNIT_CASE(test_split),
	KUNIT_CASE(test_replace_table),
	KUNIT_CASE(test_zap),
	KUNIT_CASE(test_fill),
	KUNIT_CASE(test_protect_and_age),
	KUNIT_CASE(test_protect_and_split),
	KUNIT_CASE(test_limits),
	KUNIT_CASE(test_random_ept),
	KUNIT_CASE(test_random_npt),
	{}
};

static struct kunit_suite mmu_suite = {
	.name = "khv_mmu_table",
	.test_cases = mmu_cases,
};

kunit_test_suite(mmu_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of khv's nested page tables");
