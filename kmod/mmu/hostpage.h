/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host page behind a guest frame, for those who put leaves into tables
 * (nested.c, shadow_fault.c).
 *
 * The host's own page tables say which page it is; no reference is taken. What
 * keeps a leaf true is the mmu notifier: a fault that overlaps an invalidation
 * sees it in mmu.invalidate_count or invalidate_seq and is taken again.
 */
#ifndef KHV_MMU_HOSTPAGE_H
#define KHV_MMU_HOSTPAGE_H

#include <linux/mm_types.h>
#include <linux/pgtable.h>

#include "mmu/mmu.h"
#include "vm/memslot.h"

struct khv_vcpu;

/**
 * struct khv_hostpage - one fault on its way from the address to the leaf
 * @slot: that the frame is in
 * @gfn: the frame
 * @hva: where the client has it
 * @seq: mmu.invalidate_seq from before the page was looked up
 * @write: the guest writes
 * @exec: the guest fetches
 * @may_write: the slot lets it
 * @grouped: @group is filled in
 * @cached: the host maps it write-back
 * @level: of the host's mapping
 * @pfn: the page itself, also inside a larger mapping
 * @flags: _PAGE_* of the host's entry; 0 when there is none
 * @first: frame of group[0]; "negative" where a slot begins at 0
 * @group: the host's entries around this one
 */
struct khv_hostpage {
	const struct khv_memslot *slot;
	gfn_t gfn;
	unsigned long hva;
	unsigned long seq;
	bool write, exec, may_write, grouped, cached;
	int level;
	u64 pfn;
	u64 flags;
	gfn_t first;
	pte_t group[KHV_PT_GROUP];
};

/*
 * Fill in @f for an access (KHV_ACCESS_*) of @vcpu to @gfn; the host brings the
 * page in if it must. vm->srcu held, may sleep. 0, KHV_FAULT_EMULATE (no memory
 * there, or read-only), -EAGAIN (someone is changing it: let the guest try
 * again), -EFAULT or -EINTR.
 */
int khv_hostpage_find(struct khv_vcpu *vcpu, struct khv_hostpage *f, gfn_t gfn, u32 access);

/*
 * Under mmu.lock: has what a leaf of @level, or the group, maps perhaps changed
 * since it was looked up?
 */
bool khv_hostpage_stale(const struct khv_mmu *mmu, const struct khv_hostpage *f, int level);

/*
 * Under mmu.lock: can the leaf be writable? Takes note of a guest that writes, for
 * the host and in the dirty log. With that on, only a write makes a leaf writable.
 */
bool khv_hostpage_may_write(const struct khv_hostpage *f);

/* The same for other leaves of the group, which nobody asked for; the host's own state apart. */
static inline bool khv_hostpage_group_may_write(const struct khv_hostpage *f)
{
	return f->may_write && !f->slot->dirty;
}

/* Can a leaf of @level be at the fault's place: host mapping, slot, alignment, logging? */
bool khv_hostpage_fits(const struct khv_hostpage *f, int level);

static inline bool khv_hostpage_in_slot(const struct khv_memslot *slot, gfn_t gfn)
{
	return gfn - slot->base_gfn < slot->npages;
}

/* Is there a page for user mode in this entry of the host? */
static inline bool khv_hostpage_is_user(u64 flags)
{
	return (flags & (_PAGE_PRESENT | _PAGE_USER)) == (_PAGE_PRESENT | _PAGE_USER);
}

#endif
