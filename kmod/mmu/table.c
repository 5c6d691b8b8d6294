// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested page tables as a data structure; see table.h.
 *
 * Pure table code: entries in, entries out. Memory for new tables comes from
 * pt->spare, since changes happen under a spinlock; old ones leave by way of
 * the gather, since a CPU may be walking them until it has flushed.
 */
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "mmu/table.h"

const struct khv_ptfmt khv_ept_fmt = {
	.present	= 0x7,		/* read, write, execute */
	.table		= 0x7,
	.leaf		= 0x1,
	.write		= 0x2,
	.exec		= 0x4,
	.large		= BIT_ULL(7),
	.accessed	= BIT_ULL(8),
	.addr		= GENMASK_ULL(51, 12),
	.cached		= BIT_ULL(6),	/* ignore PAT */
	.uncached	= 0,		/* memory type 0, PAT not ignored */
};

const struct khv_ptfmt khv_npt_fmt = {
	.present	= 0x1,
	.table		= 0x7,		/* present, writable; nested walks count as user's */
	.leaf		= 0x5,
	.write		= 0x2,
	.noexec		= BIT_ULL(63),
	.large		= BIT_ULL(7),
	.accessed	= BIT_ULL(5),
	.addr		= GENMASK_ULL(51, 12),
	.cached		= 0,		/* entry 0 of the host's PAT; the guest's counts, too */
	.uncached	= 0x18,		/* PCD and PWT: entry 3 */
};

static bool is_present(const struct khv_pt *pt, u64 e)
{
	return e & pt->fmt->present;
}

static bool is_leaf(const struct khv_pt *pt, u64 e, int level)
{
	return level == 1 || (level <= KHV_PT_MAX_LEAF_LEVEL && (e & pt->fmt->large));
}

static unsigned int pt_index(gfn_t gfn, int level)
{
	return (gfn >> ((level - 1) * KHV_PT_BITS)) & (KHV_PT_ENTRIES - 1);
}

static u64 *child(const struct khv_pt *pt, u64 e)
{
	return __va(e & pt->fmt->addr);
}

/* Leaf permissions as a set that only grows: what is forbidden has no bit. */
static u64 perms(const struct khv_ptfmt *fmt, u64 e)
{
	return (e & (fmt->write | fmt->exec)) | (~e & fmt->noexec);
}

static u64 *take_spare(struct khv_pt *pt)
{
	if (!pt->nr_spare)
		return NULL;
	pt->pages++;
	return pt->spare[--pt->nr_spare];
}

static void link_table(struct khv_pt *pt, u64 *e, u64 *table)
{
	/* The table's content must be in place before a walker can reach it. */
	smp_store_release(e, __pa(table) | pt->fmt->table);
}

/* Give @table, just unlinked, and all below it to @gather. */
static void unlink_table(struct khv_pt *pt, u64 *table, int level, struct khv_pt_gather *gather)
{
	unsigned int i;
	u64 e;

	if (level > 1) {
		for (i = 0; i < KHV_PT_ENTRIES; i++) {
			e = READ_ONCE(table[i]);
			if (is_present(pt, e) && !is_leaf(pt, e, level))
				unlink_table(pt, child(pt, e), level - 1, gather);
		}
	}
	pt->pages--;
	/* Its parts are in paging-structure caches, even when it maps nothing. */
	gather->flush = true;
	list_add(&virt_to_page(table)->lru, &gather->tables);
}

/* Turn a leaf of @level into a table of leaves that say the same. */
static bool split_leaf(struct khv_pt *pt, u64 *e, u64 old, int level)
{
	u64 step = KHV_PT_FRAMES(level - 1) << PAGE_SHIFT;
	u64 *table = take_spare(pt);
	unsigned int i;

	if (!table)
		return false;
	if (level == 2)
		old &= ~pt->fmt->large;
	for (i = 0; i < KHV_PT_ENTRIES; i++)
		table[i] = old + i * step;
	link_table(pt, e, table);
	return true;
}

/* Does leaf @e of @level already map @gfn to @pfn, with at least the permissions of @bits? */
static bool leaf_suffices(const struct khv_pt *pt, u64 e, int level, gfn_t gfn, u64 pfn, u64 bits)
{
	const struct khv_ptfmt *fmt = pt->fmt;
	u64 off = gfn & (KHV_PT_FRAMES(level) - 1);

	return ((e & fmt->addr) >> PAGE_SHIFT) + off == pfn &&
	       !(perms(fmt, bits) & ~perms(fmt, e));
}

static void set_leaf(struct khv_pt *pt, u64 *e, u64 new, int level, struct khv_pt_gather *gather)
{
	const struct khv_ptfmt *fmt = pt->fmt;
	u64 old = READ_ONCE(*e);

	if (!is_present(pt, old)) {
		WRITE_ONCE(*e, new);
		return;
	}
	if (!is_leaf(pt, old, level)) {
		WRITE_ONCE(*e, new);
		unlink_table(pt, child(pt, old), level - 1, gather);
		return;
	}
	if ((old ^ new) & fmt->addr) {
		gather->flush = true;
	} else {
		/* A racing fault asked for something else of the same page: both hold. */
		new |= old & (fmt->write | fmt->exec | fmt->accessed);
		new &= old | ~fmt->noexec;
	}
	WRITE_ONCE(*e, new);
}

int khv_pt_insert(struct khv_pt *pt, gfn_t gfn, u64 pfn, int level, u64 bits,
		  struct khv_pt_gather *gather)
{
	u64 *table = pt->root, *e, *new;
	u64 old, leaf;
	int l;

	if (WARN_ON_ONCE(gfn >= KHV_PT_END || level < 1 || level > KHV_PT_MAX_LEAF_LEVEL ||
			 ((gfn | pfn) & (KHV_PT_FRAMES(level) - 1))))
		return -EINVAL;

	for (l = KHV_PT_LEVELS; l > level; l--) {
		e = &table[pt_index(gfn, l)];
		old = READ_ONCE(*e);
		if (!is_present(pt, old)) {
			new = take_spare(pt);
			if (!new)
				return -ENOSPC;
			link_table(pt, e, new);
		} else if (is_leaf(pt, old, l)) {
			if (leaf_suffices(pt, old, l, gfn, pfn, bits))
				return 0;
			if (!split_leaf(pt, e, old, l))
				return -ENOSPC;
		}
		table = child(pt, READ_ONCE(*e));
	}

	leaf = (pfn << PAGE_SHIFT) | bits | (level > 1 ? pt->fmt->large : 0);
	set_leaf(pt, &table[pt_index(gfn, level)], leaf, level, gather);
	return 0;
}

void khv_pt_fill(struct khv_pt *pt, gfn_t gfn, gfn_t first, const u64 entry[KHV_PT_GROUP])
{
	u64 *table = pt->root, *e, old;
	int i, l;

	for (l = KHV_PT_LEVELS; l > 1; l--) {
		old = READ_ONCE(table[pt_index(gfn, l)]);
		if (!is_present(pt, old) || is_leaf(pt, old, l))
			return;
		table = child(pt, old);
	}
	for (i = 0; i < KHV_PT_GROUP; i++) {
		if (!entry[i] || (first + i) >> KHV_PT_BITS != gfn >> KHV_PT_BITS)
			continue;
		e = &table[pt_index(first + i, 1)];
		if (!is_present(pt, READ_ONCE(*e)))
			WRITE_ONCE(*e, entry[i]);
	}
}

static bool leaf_op(struct khv_pt *pt, u64 *e, enum khv_pt_op op, struct khv_pt_gather *gather)
{
	u64 old = READ_ONCE(*e);

	switch (op) {
	case KHV_PT_ZAP:
		break;
	case KHV_PT_WRPROTECT:
		if (!(old & pt->fmt->write))
			return false;
		/* The hardware may be setting the accessed bit: no plain store. */
		clear_bit(__ffs64(pt->fmt->write), (unsigned long *)e);
		gather->flush = true;
		return true;
	case KHV_PT_AGE:
		if (pt->accessed)
			return test_and_clear_bit(__ffs64(pt->accessed), (unsigned long *)e);
		break;
	case KHV_PT_TEST_AGE:
		/* Without accessed bits AGE removes leaves, so one that is there was used. */
		return pt->accessed ? old & pt->accessed : true;
	}
	WRITE_ONCE(*e, 0);
	gather->flush = true;
	return true;
}

static bool table_range(struct khv_pt *pt, u64 *table, int level, gfn_t start, gfn_t end,
			enum khv_pt_op op, struct khv_pt_gather *gather)
{
	u64 frames = KHV_PT_FRAMES(level);
	gfn_t base, next;
	bool ret = false;
	u64 *e, old;

	for (base = start & ~(frames - 1); base < end; base = next) {
		next = base + frames;
		e = &table[pt_index(base, level)];
		old = READ_ONCE(*e);
		if (!is_present(pt, old))
			continue;
		if (is_leaf(pt, old, level)) {
			ret |= leaf_op(pt, e, op, gather);
		} else if (op == KHV_PT_ZAP && base >= start && next <= end) {
			WRITE_ONCE(*e, 0);
			unlink_table(pt, child(pt, old), level - 1, gather);
			ret = true;
		} else {
			ret |= table_range(pt, child(pt, old), level - 1, max(base, start),
					   min(next, end), op, gather);
		}
	}
	return ret;
}

bool khv_pt_range(struct khv_pt *pt, gfn_t start, gfn_t end, enum khv_pt_op op,
		  struct khv_pt_gather *gather)
{
	end = min_t(gfn_t, end, KHV_PT_END);
	if (start >= end)
		return false;
	return table_range(pt, pt->root, KHV_PT_LEVELS, start, end, op, gather);
}

void khv_pt_gather_free(struct khv_pt_gather *gather)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &gather->tables, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

u64 khv_pt_lookup(struct khv_pt *pt, gfn_t gfn, int *level)
{
	u64 *table = pt->root;
	u64 e;
	int l;

	if (gfn >= KHV_PT_END)
		return 0;
	for (l = KHV_PT_LEVELS; l >= 1; l--) {
		e = READ_ONCE(table[pt_index(gfn, l)]);
		if (!is_present(pt, e))
			return 0;
		if (is_leaf(pt, e, l)) {
			*level = l;
			return e;
		}
		table = child(pt, e);
	}
	return 0;
}

/* How many tables of 4 KiB leaves are gone over at a time. */
#define COUNT_TABLES	8

static void count_entry(const struct khv_pt *pt, u64 e, int level, u64 *leaves)
{
	const u64 *table;
	unsigned int i;

	if (!is_present(pt, e))
		return;
	if (is_leaf(pt, e, level)) {
		leaves[level - 1]++;
		return;
	}
	table = child(pt, e);
	for (i = 0; i < KHV_PT_ENTRIES; i++)
		count_entry(pt, READ_ONCE(table[i]), level - 1, leaves);
}

gfn_t khv_pt_count(const struct khv_pt *pt, gfn_t gfn, u64 leaves[KHV_PT_MAX_LEAF_LEVEL])
{
	const u64 *table = pt->root;
	unsigned int i, index;
	int l;
	u64 e;

	for (l = KHV_PT_LEVELS; l > 2; l--) {
		e = READ_ONCE(table[pt_index(gfn, l)]);
		if (!is_present(pt, e) || is_leaf(pt, e, l)) {
			count_entry(pt, e, l, leaves);
			return (gfn | (KHV_PT_FRAMES(l) - 1)) + 1;
		}
		table = child(pt, e);
	}
	index = pt_index(gfn, l);
	for (i = 0; i < COUNT_TABLES && index + i < KHV_PT_ENTRIES; i++)
		count_entry(pt, READ_ONCE(table[index + i]), l, leaves);
	return (gfn & ~(KHV_PT_FRAMES(l) - 1)) + i * KHV_PT_FRAMES(l);
}

int khv_pt_init(struct khv_pt *pt, const struct khv_ptfmt *fmt)
{
	pt->fmt = fmt;
	pt->nr_spare = 0;
	pt->root = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!pt->root)
		return -ENOMEM;
	pt->pages = 1;
	return 0;
}

void khv_pt_uninit(struct khv_pt *pt)
{
	struct khv_pt_gather gather = KHV_PT_GATHER_INIT(gather);

	if (!pt->root)
		return;
	unlink_table(pt, pt->root, KHV_PT_LEVELS, &gather);
	khv_pt_gather_free(&gather);
	while (pt->nr_spare)
		free_page((unsigned long)pt->spare[--pt->nr_spare]);
	pt->root = NULL;
}
