/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shadow pages, private to mmu/shadow*.c.
 *
 * A shadow page is a hardware table that stands for one table of the guest in
 * one role, or ("direct") for a range of guest-physical frames: part of a large
 * page of the guest's, or all that a guest without paging can reach. Upper
 * entries allow everything; a leaf allows what all of the guest's entries on the
 * way to it do, so what the upper ones allow is part of the role.
 *
 * The frame of a guest table that has a shadow is "tracked": mapped read-only,
 * but where all its shadows are out of step ("unsync"), as what a processor keeps
 * in TLBs may be. As a rule these are of level 1.
 *
 * Everything here belongs to the holder of mmu.lock. What is removed is noted in
 * struct khv_shadow and made good by khv_shadow_commit(), at the latest before
 * the lock is released: so who takes the lock finds no stale translation in use.
 */
#ifndef KHV_MMU_SHADOW_PAGE_H
#define KHV_MMU_SHADOW_PAGE_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>

#include "mmu/mmu.h"
#include "mmu/shadow.h"
#include "mmu/table.h"

struct khv_vm;
struct khv_vcpu;

/* "SDM, Format of a Page-Table Entry"; both in the guest's entries and in ours. */
#define KHV_PTE_P	BIT_ULL(0)
#define KHV_PTE_W	BIT_ULL(1)
#define KHV_PTE_U	BIT_ULL(2)
#define KHV_PTE_PWT	BIT_ULL(3)
#define KHV_PTE_PCD	BIT_ULL(4)
#define KHV_PTE_A	BIT_ULL(5)
#define KHV_PTE_D	BIT_ULL(6)
#define KHV_PTE_PS	BIT_ULL(7)
#define KHV_PTE_NX	BIT_ULL(63)
#define KHV_PTE_ADDR	GENMASK_ULL(51, 12)

/**
 * struct khv_sp - a shadow page
 * @hash: in khv_shadow.pages, by @gfn
 * @region: in khv_shadow.regions, by 2 MiB region; tracked ones only
 * @lru: in khv_shadow.lru, .spare or .doomed
 * @unsync_link: in khv_shadow.unsync while @unsync
 * @parents: nodes of the entries that point here
 * @spt: the hardware's table
 * @gpte: by entry of @spt, the guest's entry that it was made of; no matter when direct
 * @node: by entry: of a table, in its @parents; of a leaf, in khv_shadow.rmap
 * @gfn: the guest's table, or the first frame of a direct one
 * @role: see there
 * @roots: vCPUs whose hardware starts here
 * @writes: emulated writes to the guest's table since it was last used
 * @unsync: the guest's table is writable and may have changed
 * @invalid: emptied and out of all lists; waits for @roots to drop to 0
 */
struct khv_sp {
	struct hlist_node hash;
	struct hlist_node region;
	struct list_head lru;
	struct list_head unsync_link;
	struct hlist_head parents;
	u64 *spt;
	u64 *gpte;
	struct hlist_node *node;
	gfn_t gfn;
	union khv_sp_role role;
	int roots;
	u8 writes;
	bool unsync;
	bool invalid;
};

#define KHV_SP_HASH_BITS	10
/* Most pages that one fault, or one load of the root, can need. */
#define KHV_SP_NEED		4

/**
 * struct khv_shadow - of one VM; under mmu.lock
 * @pages: all shadow pages by frame
 * @regions: tracked ones by 2 MiB region
 * @rmap: leaves by the (first) frame that they map
 * @rmap_len: how many leaves are on each of its lists
 * @rmap_bits: log2 of its size
 * @lru: all shadow pages, the latest used first
 * @unsync: those that are out of step
 * @spare: empty pages for use
 * @doomed: emptied pages, free after the next flush
 * @nr_pages: in use
 * @nr_roots: of those, how many vCPUs walk
 * @nr_spare: on @spare
 * @nr_unsync: on @unsync
 * @nr_unsync_upper: of these, above level 1
 * @nr_leaves: of 4 KiB and of 2 MiB
 * @limit: the client's limit to @nr_pages, or 0: khv decides
 * @flush: an entry was removed or restricted since the last flush
 * @buf: a table of the guest's, while it is compared
 */
struct khv_shadow {
	struct hlist_head pages[BIT(KHV_SP_HASH_BITS)];
	struct hlist_head regions[BIT(KHV_SP_HASH_BITS)];
	struct hlist_head *rmap;
	u32 *rmap_len;
	unsigned int rmap_bits;
	struct list_head lru;
	struct list_head unsync;
	struct list_head spare;
	struct list_head doomed;
	unsigned long nr_pages;
	unsigned long nr_roots;
	unsigned long nr_spare;
	unsigned long nr_unsync;
	unsigned long nr_unsync_upper;
	unsigned long nr_leaves[2];
	unsigned long limit;
	bool flush;
	void *buf;
};

static inline bool khv_spte_leaf(u64 spte, unsigned int level)
{
	return level == 1 || (spte & KHV_PTE_PS);
}

static inline unsigned int khv_sp_index(gva_t gva, unsigned int level)
{
	return (gva >> (PAGE_SHIFT + (level - 1) * KHV_PT_BITS)) & (KHV_PT_ENTRIES - 1);
}

/* The shadow page whose table is at @pa. */
static inline struct khv_sp *khv_sp_at(hpa_t pa)
{
	return (struct khv_sp *)page_private(pfn_to_page(pa >> PAGE_SHIFT));
}

/* The shadow page and the entry that @node is of. */
static inline struct khv_sp *khv_sp_of_node(const struct hlist_node *node, unsigned int *index)
{
	const unsigned long size = KHV_PT_ENTRIES * sizeof(*node);
	unsigned long base = (unsigned long)node & ~(size - 1);

	*index = node - (const struct hlist_node *)base;
	return (struct khv_sp *)page_private(virt_to_page((void *)base));
}

static inline struct khv_sp *khv_sp_child(u64 spte)
{
	return khv_sp_at(spte & KHV_PTE_ADDR & ~sme_me_mask);
}

/* shadow_page.c */

/*
 * Take mmu.lock; _lock: with KHV_SP_NEED spare pages at hand and room in the pool, 0
 * or -ENOMEM. Sparse, which cannot follow that, is told that none of them does.
 */
void khv_shadow_hold(struct khv_vm *vm);
int khv_shadow_lock(struct khv_vm *vm);
/* After khv_shadow_commit(). */
void khv_shadow_unlock(struct khv_vm *vm);
/* Make vCPUs forget what was removed, and free what that frees. */
void khv_shadow_commit(struct khv_vm *vm);

/*
 * The page for @gfn in @role, in step with the guest; a spare becomes it when there
 * is none yet. Afterwards @gfn is write-protected everywhere, but for direct ones.
 */
struct khv_sp *khv_sp_get(struct khv_vm *vm, gfn_t gfn, union khv_sp_role role);
/* Empty it, unlink it from everything. vCPUs whose root it is will ask for another. */
void khv_sp_zap(struct khv_vm *vm, struct khv_sp *sp);
void khv_sp_get_root(struct khv_shadow *s, struct khv_sp *sp);
void khv_sp_put_root(struct khv_vm *vm, struct khv_sp *sp);
/* Does a guest table with a shadow lie in the 2 MiB region of @gfn? */
bool khv_sp_region_tracked(struct khv_shadow *s, gfn_t gfn);
/* Give spare pages back to the host. */
void khv_sp_free_spares(struct khv_shadow *s);
/* All pages but those in use as roots, oldest first, until @nr are gone. How many went. */
unsigned long khv_sp_recycle(struct khv_vm *vm, unsigned long nr);
/* Bytes of an entry in the guest's tables. */
static inline unsigned int khv_sp_gpte_size(const struct khv_sp *sp)
{
	return sp->role.mode == KHV_SP_32 ? 4 : 8;
}

/* The first shadow of the guest's table at @gfn, and the one after @sp; NULL: no more. */
struct khv_sp *khv_sp_first(struct khv_shadow *s, gfn_t gfn);
struct khv_sp *khv_sp_next(const struct khv_sp *sp);

/* shadow_rmap.c */

/* The (first) frame that leaf @index of @sp maps. */
gfn_t khv_spte_gfn(const struct khv_sp *sp, unsigned int index);
/* Put a leaf made of the guest's @gpte there. False when exactly that was there already. */
bool khv_spte_set_leaf(struct khv_shadow *s, struct khv_sp *sp, unsigned int index, u64 spte,
		       u64 gpte);
/* Make the entry point to @child. */
void khv_spte_link(struct khv_shadow *s, struct khv_sp *sp, unsigned int index,
		   struct khv_sp *child, u64 gpte);
void khv_spte_drop(struct khv_shadow *s, struct khv_sp *sp, unsigned int index);
/* Make @gfn read-only wherever it is mapped; large leaves over it go. */
void khv_rmap_protect(struct khv_shadow *s, gfn_t gfn);

/* shadow_sync.c */

/* Write-protect the table and drop what no longer agrees with it. */
void khv_sp_sync(struct khv_vm *vm, struct khv_sp *sp);
/* All that are out of step now. @may_yield: the lock may be given up in between. */
void khv_shadow_sync_all(struct khv_vm *vm, bool may_yield);
/* The entry at @index only, and the page stays writable. */
void khv_sp_sync_entry(struct khv_vm *vm, struct khv_sp *sp, unsigned int index);
void khv_sp_set_sync(struct khv_shadow *s, struct khv_sp *sp);

enum khv_sp_write {
	KHV_SP_WRITABLE,	/* not a table (any more), or all of its shadows are out of step */
	KHV_SP_PROTECTED,	/* writes must be seen */
};

/*
 * Can @gfn be mapped writable? @write: the guest is writing to it; shadows then
 * get out of step, or go when nobody uses them, to make that possible.
 */
enum khv_sp_write khv_sp_may_write(struct khv_vm *vm, gfn_t gfn, bool write);
/* Let all shadows of @gfn get out of step, whatever their level. False: it has none. */
bool khv_sp_open(struct khv_vm *vm, gfn_t gfn);

#endif
