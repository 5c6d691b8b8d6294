/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nested page tables as a data structure: insert, remove, protect and age
 * leaves, in a format that a table of bits describes.
 *
 * Knows nothing of VMs, memory slots or TLBs: what a change leaves to do for
 * others (forget translations, then free tables) is collected in a struct
 * khv_pt_gather. The caller serialises all changes; only hardware looks on.
 */
#ifndef KHV_MMU_TABLE_H
#define KHV_MMU_TABLE_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/types.h>

#include "vm/types.h"

#define KHV_PT_BITS		9
#define KHV_PT_ENTRIES		BIT(KHV_PT_BITS)
#define KHV_PT_LEVELS		4
#define KHV_PT_MAX_LEAF_LEVEL	3
/* 4 KiB leaves that are worth looking at together: a cache line of the host's tables. */
#define KHV_PT_GROUP		8

/* Frames that an entry of @level covers; level 1 holds 4 KiB leaves. */
#define KHV_PT_FRAMES(level)	BIT_ULL(((level) - 1) * KHV_PT_BITS)
/* The first frame number that 4 levels cannot translate. */
#define KHV_PT_END		(KHV_PT_FRAMES(KHV_PT_LEVELS) << KHV_PT_BITS)

/**
 * struct khv_ptfmt - the bits of one vendor's nested tables
 * @present: an entry with none of these maps nothing
 * @table: bits of an entry that points to a table
 * @leaf: bits of every leaf: it can be read
 * @write: set in a leaf that can be written
 * @exec: set in a leaf that can be executed
 * @noexec: set in one that cannot
 * @large: set in a leaf above level 1
 * @accessed: set by the hardware in a leaf that it used
 * @addr: where the frame's address is
 * @cached: with the VM's memory type, in a leaf that the host maps write-back:
 *	the guest cannot make it anything else
 * @uncached: instead of both when the host maps the memory uncached
 */
struct khv_ptfmt {
	u64 present, table, leaf, write, exec, noexec, large, accessed, addr, cached, uncached;
};

/* "SDM, Format of an EPT Page-Table Entry That Maps a 4-KByte Page" and its siblings. */
extern const struct khv_ptfmt khv_ept_fmt;
/* "APM, Volume 2: Nested Paging": entries are laid out as those of long mode. */
extern const struct khv_ptfmt khv_npt_fmt;

/**
 * struct khv_pt - one set of nested tables
 * @accessed: fmt->accessed when the hardware maintains it, else 0
 * @spare: zeroed pages for tables that insertion may need
 * @pages: in use, the root included, spares not
 */
struct khv_pt {
	const struct khv_ptfmt *fmt;
	u64 accessed;
	u64 *root;
	void *spare[KHV_PT_LEVELS];
	int nr_spare;
	long pages;
};

/* What to do after a change: with @flush, make CPUs forget translations; then free @tables. */
struct khv_pt_gather {
	struct list_head tables;
	bool flush;
};

#define KHV_PT_GATHER_INIT(name) { .tables = LIST_HEAD_INIT((name).tables) }

/* 0 or -ENOMEM. May sleep. */
int khv_pt_init(struct khv_pt *pt, const struct khv_ptfmt *fmt);
/* Free everything. No CPU may use the tables any more. */
void khv_pt_uninit(struct khv_pt *pt);

/*
 * Map frames [gfn, gfn + KHV_PT_FRAMES(level)) to [pfn, ...); both are aligned
 * to that, and below KHV_PT_END. @bits: the leaf's bits besides @large and the
 * address. A leaf there of the same frame keeps what it allowed before. A
 * larger leaf is split, a table replaced. 0, or -ENOSPC when it needs more
 * spare tables (nothing is lost: add KHV_PT_LEVELS and try again).
 */
int khv_pt_insert(struct khv_pt *pt, gfn_t gfn, u64 pfn, int level, u64 bits,
		  struct khv_pt_gather *gather);

/*
 * Put 4 KiB leaves where there are none, for frames [first, first + KHV_PT_GROUP)
 * as far as they share the table of @gfn's 4 KiB leaf; if that is not there,
 * nothing happens. @entry: whole entries, 0 for none.
 */
void khv_pt_fill(struct khv_pt *pt, gfn_t gfn, gfn_t first, const u64 entry[KHV_PT_GROUP]);

enum khv_pt_op {
	KHV_PT_ZAP,		/* remove; tables all of whose range is asked for go as well */
	KHV_PT_WRPROTECT,	/* forbid writing */
	KHV_PT_AGE,		/* clear the accessed bit; remove where hardware has none */
	KHV_PT_TEST_AGE,	/* only look at it */
};

/*
 * Do @op to all leaves that overlap [start, end), larger ones whole. True when a
 * leaf was there and (ZAP) removed, (WRPROTECT) was writable, (ages) was accessed.
 */
bool khv_pt_range(struct khv_pt *pt, gfn_t start, gfn_t end, enum khv_pt_op op,
		  struct khv_pt_gather *gather);

/* After the flush that @gather asks for. */
void khv_pt_gather_free(struct khv_pt_gather *gather);

/*
 * Add the leaves of some frames from @gfn on to @leaves, by level from 1 on. Returns the
 * first frame after these, at most KHV_PT_END. Start at 0 to count all.
 */
gfn_t khv_pt_count(const struct khv_pt *pt, gfn_t gfn, u64 leaves[KHV_PT_MAX_LEAF_LEVEL]);

/* The leaf that maps @gfn and its level, or 0. */
u64 khv_pt_lookup(struct khv_pt *pt, gfn_t gfn, int *level);

#endif
