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

#include "mmu/table.h"
#include "vm/types.h"

struct khv_vm;
struct khv_vcpu;
struct khv_memslot;
struct khv_shadow;

/* Access of a nested fault or a guest walk; the #PF error code's bits. */
#define KHV_ACCESS_WRITE	BIT(1)
#define KHV_ACCESS_USER		BIT(2)
#define KHV_ACCESS_FETCH	BIT(4)
#define KHV_ACCESS_PRESENT	BIT(0)	/* nested: a leaf was there and forbade it */

#define KHV_MMU_STREAMS	8

/**
 * struct khv_mmu - of one VM
 * @lock: all table entries' changes, @invalidate_*; spinlock, innermost but for the allocator's
 * @pt: the tables
 * @root: host-physical address of the top table
 * @levels: of the tables
 * @shadow: shadow paging's part (mmu/shadow.h); then @pt, @root and @levels are unused
 * @leaf_bits: memory type that every cached leaf gets
 * @nx_large: large leaves are not executable (X86_BUG_ITLB_MULTIHIT)
 * @invalidate_seq: raised at the end of every invalidation, under @lock
 * @invalidate_count: invalidations in progress; faults wait (retry) for 0
 * @invalidate_start: host-virtual range that covers those in progress
 * @invalidate_end: its end
 * @next_gfn: by vCPU, the frame after the last that a fault had to bring in; a
 *	hint, unlocked
 * @flushes: leaves were removed, but vCPUs may still use them: raised under
 *	@lock, lowered after the flush. While it is not 0, finding no leaf does
 *	not mean that nobody has the translation
 */
struct khv_mmu {
	struct mmu_notifier notifier;
	spinlock_t lock;	/* see above */
	struct khv_pt pt;
	hpa_t root;
	int levels;
	struct khv_shadow *shadow;
	u64 leaf_bits;
	bool nx_large;
	unsigned long invalidate_seq;
	long invalidate_count;
	unsigned long invalidate_start, invalidate_end;
	atomic_t flushes;
	gfn_t next_gfn[KHV_MMU_STREAMS];
};

/* What handling a nested fault comes to, besides enum khv_result and -errno. */
#define KHV_FAULT_EMULATE	3	/* an MMIO access: no memory there, or it is read-only */

/* The module parameter nested_paging; vendors' probes heed it. */
extern bool khv_nested_paging;

/* After vm->srcu is initialised; from then on the notifier may be called. 0 or -errno. */
int khv_mmu_vm_init(struct khv_vm *vm);
/* Before the vCPUs, the memory slots and vm->srcu go, which the notifier uses to the end. */
void khv_mmu_vm_uninit(struct khv_vm *vm);

/*
 * A vCPU touched @gpa without a leaf that allows it. @access: KHV_ACCESS_*.
 * Region closed, vm->srcu held, may sleep. RESUME_GUEST (retry), KHV_FAULT_EMULATE
 * or -errno (-EFAULT: the slot has no accessible memory behind it; -EINTR).
 */
int khv_mmu_fault(struct khv_vcpu *vcpu, gpa_t gpa, u32 access);

/* A fault was handled, with @result: count it and let it be seen. */
void khv_mmu_note_fault(struct khv_vcpu *vcpu, u64 addr, u32 access, int result);

/* For vm/stats.c: tables in use; leaves by their level, @leaves[0] of 4 KiB. May sleep. */
u64 khv_mmu_tables(struct khv_vm *vm);
void khv_mmu_count(struct khv_vm *vm, u64 leaves[KHV_PT_MAX_LEAF_LEVEL]);

/*
 * Returns when no vCPU uses, or will use, a nested translation that was removed
 * from the tables before the call. Spins for the vCPUs that are in the guest,
 * which a kick makes leave and which take no lock on their way out. Any context
 * in which interrupts are on; shadow paging calls it under mmu.lock.
 */
void khv_vm_flush_tlbs(struct khv_vm *vm);

/* Do @op on [start, end), flush, free. @may_sleep: give way in between. True as khv_pt_range(). */
bool khv_mmu_range(struct khv_vm *vm, gfn_t start, gfn_t end, enum khv_pt_op op, bool may_sleep);

/* Carry out what @gather asks for. @flush: also when nothing in it does. */
void khv_mmu_finish(struct khv_vm *vm, struct khv_pt_gather *gather, bool flush);

extern const struct mmu_notifier_ops khv_mmu_notifier_ops;

/* Remove all leaves in [start, end) and make every vCPU forget them. May sleep. */
void khv_mmu_zap(struct khv_vm *vm, gfn_t start, gfn_t end);

/*
 * Remove write permission of [start, end), for dirty logging; _protect: of those of
 * [gfn, gfn + nr) whose bit is set in @bits. On return no vCPU can write there but by
 * way of a new fault. May sleep.
 */
void khv_mmu_write_protect(struct khv_vm *vm, gfn_t start, gfn_t end);
void khv_mmu_protect(struct khv_vm *vm, gfn_t gfn, const unsigned long *bits, unsigned long nr);

#endif
