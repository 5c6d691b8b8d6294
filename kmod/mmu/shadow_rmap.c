// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries of shadow pages, and the way back from a guest frame to the leaves
 * that map it: for the mmu notifier, and to write-protect the guest's tables.
 *
 * Each entry has one list node: a leaf's is in the reverse map, an entry's that
 * points to a table is in that table's list of parents. So nothing is allocated
 * here. The hardware sets no bits: leaves are born accessed and dirty.
 */
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/mem_encrypt.h>
#include <linux/sched.h>

#include "mmu/shadow.h"
#include "mmu/shadow_page.h"
#include "vm/vm.h"

#define FRAMES_2M	KHV_PT_FRAMES(2)

/*
 * Leaves on one list, for it is walked with the lock held. A guest can map one
 * frame as often as it has table entries; the list that is full starts anew.
 */
#define LONGEST		2048
/* Frames looked up between two looks at who else wants the lock. */
#define FRAME_BATCH	64

static unsigned int rmap_index(const struct khv_shadow *s, gfn_t gfn)
{
	return hash_64(gfn, s->rmap_bits);
}

static struct hlist_head *rmap_bucket(struct khv_shadow *s, gfn_t gfn)
{
	return &s->rmap[rmap_index(s, gfn)];
}

/* "SDM, 32-Bit Paging": a 4-MByte page's address has bits 39:32 at 20:13; two of our leaves. */
static gfn_t large_gfn_32(u64 gpte, unsigned int index)
{
	return ((gpte & GENMASK_ULL(31, 22)) >> PAGE_SHIFT) | ((gpte >> 13) & 0xff) << 20 |
	       (index & 1) * FRAMES_2M;
}

gfn_t khv_spte_gfn(const struct khv_sp *sp, unsigned int index)
{
	unsigned int level = sp->role.level;

	if (sp->role.direct)
		return sp->gfn + index * KHV_PT_FRAMES(level);
	if (level == 1)
		return (sp->gpte[index] & KHV_PTE_ADDR) >> PAGE_SHIFT;
	if (sp->role.mode == KHV_SP_32)
		return large_gfn_32(sp->gpte[index], index);
	return ((sp->gpte[index] & KHV_PTE_ADDR) >> PAGE_SHIFT) & ~(KHV_PT_FRAMES(level) - 1);
}

void khv_spte_drop(struct khv_shadow *s, struct khv_sp *sp, unsigned int index)
{
	if (!sp->spt[index])
		return;
	if (khv_spte_leaf(sp->spt[index], sp->role.level)) {
		s->rmap_len[rmap_index(s, khv_spte_gfn(sp, index))]--;
		s->nr_leaves[sp->role.level - 1]--;
	}
	hlist_del_init(&sp->node[index]);
	WRITE_ONCE(sp->spt[index], 0);
	s->flush = true;
}

/* Does @new forbid anything that @old allowed? */
static bool restricts(u64 old, u64 new)
{
	return (old & ~new & (KHV_PTE_W | KHV_PTE_U)) || (new & ~old & KHV_PTE_NX);
}

static void add_to_rmap(struct khv_shadow *s, struct khv_sp *sp, unsigned int index)
{
	unsigned int i = rmap_index(s, khv_spte_gfn(sp, index)), n;
	struct khv_sp *other;

	if (unlikely(s->rmap_len[i] >= LONGEST)) {
		while (!hlist_empty(&s->rmap[i])) {
			other = khv_sp_of_node(s->rmap[i].first, &n);
			khv_spte_drop(s, other, n);
		}
	}
	hlist_add_head(&sp->node[index], &s->rmap[i]);
	s->rmap_len[i]++;
	s->nr_leaves[sp->role.level - 1]++;
}

bool khv_spte_set_leaf(struct khv_shadow *s, struct khv_sp *sp, unsigned int index, u64 spte,
		       u64 gpte)
{
	u64 old = sp->spt[index], old_gpte = sp->gpte[index];
	gfn_t old_gfn = khv_spte_gfn(sp, index);

	sp->gpte[index] = gpte;
	if (old && khv_spte_leaf(old, sp->role.level) && !((old ^ spte) & KHV_PTE_ADDR) &&
	    old_gfn == khv_spte_gfn(sp, index)) {
		if (old == spte)
			return false;
		WRITE_ONCE(sp->spt[index], spte);
		s->flush |= restricts(old, spte);
		return true;
	}
	/* It goes from the list that it was put on. */
	sp->gpte[index] = old_gpte;
	khv_spte_drop(s, sp, index);
	sp->gpte[index] = gpte;
	add_to_rmap(s, sp, index);
	WRITE_ONCE(sp->spt[index], spte);
	return true;
}

void khv_spte_link(struct khv_shadow *s, struct khv_sp *sp, unsigned int index,
		   struct khv_sp *child, u64 gpte)
{
	sp->gpte[index] = gpte;
	hlist_add_head(&sp->node[index], &child->parents);
	/* The child's content must be in place before a walker can reach it. */
	smp_store_release(&sp->spt[index], __sme_set(__pa(child->spt)) | KHV_PTE_P | KHV_PTE_W |
					   KHV_PTE_U | KHV_PTE_A);
}

static void protect_leaf(struct khv_shadow *s, struct khv_sp *sp, unsigned int index)
{
	u64 spte = sp->spt[index];

	if (spte & KHV_PTE_W) {
		WRITE_ONCE(sp->spt[index], spte & ~KHV_PTE_W);
		s->flush = true;
	}
}

void khv_rmap_protect(struct khv_shadow *s, gfn_t gfn)
{
	gfn_t large = gfn & ~(FRAMES_2M - 1);
	struct hlist_node *node, *next;
	unsigned int index;
	struct khv_sp *sp;

	for (node = rmap_bucket(s, gfn)->first; node; node = node->next) {
		sp = khv_sp_of_node(node, &index);
		if (sp->role.level == 1 && khv_spte_gfn(sp, index) == gfn)
			protect_leaf(s, sp, index);
	}
	for (node = rmap_bucket(s, large)->first; node; node = next) {
		next = node->next;
		sp = khv_sp_of_node(node, &index);
		if (sp->role.level > 1 && khv_spte_gfn(sp, index) == large)
			khv_spte_drop(s, sp, index);
	}
}

/* True as khv_pt_range(). */
static bool leaf_op(struct khv_shadow *s, struct khv_sp *sp, unsigned int index, enum khv_pt_op op)
{
	bool writable = sp->spt[index] & KHV_PTE_W;

	switch (op) {
	case KHV_PT_TEST_AGE:
		/* As AGE removes leaves, one that is there was used. */
		return true;
	case KHV_PT_WRPROTECT:
		protect_leaf(s, sp, index);
		return writable;
	default:
		khv_spte_drop(s, sp, index);
		return true;
	}
}

/* @op on those leaves of one bucket that map frames of [start, end). */
static bool bucket_op(struct khv_shadow *s, struct hlist_head *bucket, gfn_t start, gfn_t end,
		      enum khv_pt_op op)
{
	struct hlist_node *node, *next;
	unsigned int index;
	struct khv_sp *sp;
	bool ret = false;
	gfn_t gfn;

	for (node = bucket->first; node; node = next) {
		next = node->next;
		sp = khv_sp_of_node(node, &index);
		gfn = khv_spte_gfn(sp, index);
		if (gfn < end && gfn + KHV_PT_FRAMES(sp->role.level) > start)
			ret |= leaf_op(s, sp, index, op);
	}
	return ret;
}

/* Give others the lock and the CPU, with nothing left to flush. */
static void give_way(struct khv_vm *vm, bool may_sleep)
{
	if (!need_resched() && !spin_needbreak(&vm->mmu.lock))
		return;
	khv_shadow_unlock(vm);
	if (may_sleep)
		cond_resched();
	khv_shadow_hold(vm);
}

/* Few frames are looked up one by one. */
static bool range_by_frame(struct khv_vm *vm, gfn_t start, gfn_t end, enum khv_pt_op op,
			   bool may_sleep)
{
	struct khv_shadow *s = vm->mmu.shadow;
	bool ret = false;
	gfn_t gfn;

	for (gfn = start; gfn < end; gfn++) {
		ret |= bucket_op(s, rmap_bucket(s, gfn), gfn, gfn + 1, op);
		if (!((gfn - start + 1) % FRAME_BATCH))
			give_way(vm, may_sleep);
	}
	/* Large leaves are found by the first of their frames. */
	for (gfn = start & ~(FRAMES_2M - 1); gfn < end; gfn += FRAMES_2M)
		if (gfn < start)
			ret |= bucket_op(s, rmap_bucket(s, gfn), start, end, op);
	return ret;
}

bool khv_shadow_range(struct khv_vm *vm, gfn_t start, gfn_t end, enum khv_pt_op op, bool may_sleep)
{
	struct khv_shadow *s = vm->mmu.shadow;
	unsigned long i, buckets = BIT(s->rmap_bits);
	bool ret = false;

	if (start >= end)
		return false;
	khv_shadow_hold(vm);
	if (end - start < buckets / 4) {
		ret = range_by_frame(vm, start, end, op, may_sleep);
	} else {
		for (i = 0; i < buckets; i++) {
			ret |= bucket_op(s, &s->rmap[i], start, end, op);
			if (!(i % FRAME_BATCH))
				give_way(vm, may_sleep);
		}
	}
	khv_shadow_unlock(vm);
	return ret;
}

void khv_shadow_protect(struct khv_vm *vm, gfn_t gfn, const unsigned long *bits, unsigned long nr)
{
	struct khv_shadow *s = vm->mmu.shadow;
	unsigned long i = find_first_bit(bits, nr), n = 0;
	gfn_t large, done = KHV_PT_END;

	if (i >= nr)
		return;
	khv_shadow_hold(vm);
	for (; i < nr; i = find_next_bit(bits, nr, i + 1)) {
		bucket_op(s, rmap_bucket(s, gfn + i), gfn + i, gfn + i + 1, KHV_PT_WRPROTECT);
		large = (gfn + i) & ~(FRAMES_2M - 1);
		/* Once it is read-only it stays so, for with the log on no fault makes one. */
		if (large != done)
			bucket_op(s, rmap_bucket(s, large), gfn + i, gfn + i + 1, KHV_PT_WRPROTECT);
		done = large;
		if (!(++n % FRAME_BATCH))
			give_way(vm, true);
	}
	khv_shadow_unlock(vm);
}
