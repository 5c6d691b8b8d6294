/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest-physical to host-physical: nested page tables kept in step with the
 * VM's mm by an mmu notifier.
 *
 * The format differs by vendor in bits only (struct khv_ptfmt). Nothing is
 * pinned: a leaf lives as long as the notifier lets it.
 */
#ifndef KHV_MMU_MMU_H
#define KHV_MMU_MMU_H

#include <linux/mmu_notifier.h>
#include <linux/types.h>

#include "vm/types.h"

struct khv_vm;
struct khv_vcpu;
struct khv_memslot;

/* Access of a nested fault or a guest walk; the #PF error code's bits. */
#define KHV_ACCESS_WRITE	BIT(1)
#define KHV_ACCESS_USER		BIT(2)
#define KHV_ACCESS_FETCH	BIT(4)
#define KHV_ACCESS_PRESENT	BIT(0)	/* nested: a leaf was there and forbade it */

/**
 * struct khv_mmu - of one VM
 * @lock: all table entries' changes, @invalidate_*; spinlock, innermost but for the allocator's
 * @root: host-physical address of the top table
 * @invalidate_seq: raised at the end of every invalidation, under @lock
 * @invalidate_count: invalidations in progress; faults wait (retry) for 0
 */
struct khv_mmu {
	struct mmu_notifier notifier;
	spinlock_t lock;
	hpa_t root;
	void *root_va;
	int levels;
	unsigned long invalidate_seq;
	long invalidate_count;
	unsigned long invalidate_start, invalidate_end;	/* host-virtual */
	atomic_long_t table_pages;
	u64 leaf_bits;		/* memory type etc. that every leaf gets */
};

/* What handling a nested fault comes to, besides enum khv_result and -errno. */
#define KHV_FAULT_EMULATE	3	/* no memory there (or a write to a read-only slot): an MMIO access */

int khv_mmu_vm_init(struct khv_vm *vm);
void khv_mmu_vm_uninit(struct khv_vm *vm);

/*
 * A vCPU touched @gpa without a leaf that allows it. @access: KHV_ACCESS_*.
 * Region closed, vm->srcu held, may sleep. RESUME_GUEST (retry), KHV_FAULT_EMULATE
 * or -errno (-EFAULT: the slot has no accessible memory behind it; -EINTR).
 */
int khv_mmu_fault(struct khv_vcpu *vcpu, gpa_t gpa, u32 access);

/* Remove all leaves in [start, end) and make every vCPU forget them. May sleep. */
void khv_mmu_zap(struct khv_vm *vm, gfn_t start, gfn_t end);

/* Remove write permission of [start, end), for dirty logging. */
void khv_mmu_write_protect(struct khv_vm *vm, gfn_t start, gfn_t end);

#endif
