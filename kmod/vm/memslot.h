/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory slots: which guest-physical ranges are which addresses of the VM's mm.
 *
 * An immutable sorted array, replaced under vm->slots_lock and read under
 * vm->srcu. Owns nothing of the page tables: it tells mmu/ what to zap. Dirty
 * bitmaps hang on the slots; what is done with them is mmu/dirty.c's.
 */
#ifndef KHV_VM_MEMSLOT_H
#define KHV_VM_MEMSLOT_H

#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/types.h>

#include "vm/types.h"

struct khv_vm;
struct khv_vcpu;

#define KHV_MAX_MEMSLOTS	509

struct khv_memslot {
	gfn_t base_gfn;
	u64 npages;
	unsigned long userspace_addr;
	unsigned long *dirty;		/* a bit for each page; NULL: not logged */
	u32 flags;			/* KVM_MEM_* */
	u32 id;
};

struct khv_memslots {
	struct rcu_head rcu;
	u32 generation;
	int count;
	u64 npages;			/* of all */
	/*
	 * What the array before this had and the tables may still have, until its npages are
	 * 0: nobody finds it but the mmu notifier, whose ranges must not miss a leaf.
	 */
	struct khv_memslot leaving;
	struct khv_memslot slot[];	/* sorted by base_gfn, disjoint */
};

/*
 * KVM_SET_USER_MEMORY_REGION: create, move, re-flag or delete (size 0).
 * Returns 0, -EINVAL, -EEXIST (overlap), -ENOMEM, -EINTR. May sleep; on return
 * nothing reaches the old memory any more, and all that is written is logged if
 * it should be.
 */
int khv_memslot_set(struct khv_vm *vm, const struct kvm_userspace_memory_region *region);
/* No reader and no notifier is left. */
void khv_memslots_uninit(struct khv_vm *vm);

/* Under vm->srcu: how many frames have memory. */
u64 khv_memslots_frames(struct khv_vm *vm);
/* Under vm->srcu: how many slots there are. */
unsigned int khv_memslots_count(struct khv_vm *vm);
/* Under vm->srcu: the slot that holds @gfn, or NULL. */
const struct khv_memslot *khv_memslot_find(struct khv_vm *vm, gfn_t gfn);
/* Under vm->slots_lock: the slot of this number, or NULL. */
const struct khv_memslot *khv_memslot_by_id(struct khv_vm *vm, u32 id);

/* Which page of @slot, which has @gfn; also for a processor that guesses that it has. */
static inline u64 khv_memslot_page(const struct khv_memslot *slot, gfn_t gfn)
{
	return array_index_nospec(gfn - slot->base_gfn, slot->npages);
}

static inline unsigned long khv_memslot_hva(const struct khv_memslot *slot, gfn_t gfn)
{
	return slot->userspace_addr + (khv_memslot_page(slot, gfn) << PAGE_SHIFT);
}

/*
 * @gfn of @slot was written by khv, or gets a writable leaf. The first: after the
 * write, under vm->srcu; the second: under mmu.lock, which the leaf is made under.
 * docs/locking.md says why then no write is lost.
 */
static inline void khv_memslot_mark_dirty(const struct khv_memslot *slot, gfn_t gfn)
{
	if (likely(!slot->dirty))
		return;
	/* Who fetches the bit must find what was written; so no look whether it is set already. */
	smp_mb__before_atomic();
	set_bit(khv_memslot_page(slot, gfn), slot->dirty);
}

/*
 * Copy from or to guest-physical memory, over page boundaries. Under vm->srcu,
 * in the VM's own process, may fault and sleep. 0 or -EFAULT (no slot,
 * read-only slot, or no memory behind it).
 */
int khv_gpa_read(struct khv_vm *vm, gpa_t gpa, void *buf, unsigned long len);
int khv_gpa_write(struct khv_vm *vm, gpa_t gpa, const void *buf, unsigned long len);
/* Does not sleep; fails where reading would have to. */
int khv_gpa_read_atomic(struct khv_vm *vm, gpa_t gpa, void *buf, unsigned long len);
/* Nor does this, which fails likewise; for what is no table of the guest's: mmu/ is not told. */
int khv_gpa_write_atomic(struct khv_vm *vm, gpa_t gpa, const void *buf, unsigned long len);
/* 4 or 8 naturally aligned bytes as one unit, for what another vCPU may be writing. */
int khv_gpa_read_once(struct khv_vm *vm, gpa_t gpa, u64 *val, unsigned int len);
/*
 * Atomic compare-and-exchange of 1, 2, 4 or 8 naturally aligned bytes. 0,
 * -EFAULT, or -EAGAIN when *old did not match (then updated).
 */
int khv_gpa_cmpxchg(struct khv_vm *vm, gpa_t gpa, u64 *old, u64 new, unsigned int len);
/* The same, for what changes no translation: shadow tables are not told. */
int khv_gpa_cmpxchg_quiet(struct khv_vm *vm, gpa_t gpa, u64 *old, u64 new, unsigned int len);

#endif
