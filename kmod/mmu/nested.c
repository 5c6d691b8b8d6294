// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested faults: put a leaf for the host page behind a guest-physical address
 * (hostpage.c) into the tables. And what all kinds of tables share: their part
 * in a VM's life, and operations on ranges of frames.
 */
#include <linux/cpu.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>

#include "mmu/hostpage.h"
#include "mmu/shadow.h"
#include "mmu/shadow_page.h"
#include "trace.h"
#include "vm/hw.h"
#include "vm/memslot.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

bool khv_nested_paging = true;
module_param_named(nested_paging, khv_nested_paging, bool, 0444);
MODULE_PARM_DESC(nested_paging, "use nested page tables where the processor has them (default: yes)");

/* The largest leaf that host mapping, slot and hardware allow. */
static int leaf_level(const struct khv_mmu *mmu, const struct khv_hostpage *f)
{
	if (f->level == 1 || (f->exec && mmu->nx_large))
		return 1;
	if (f->level == 3 && khv_caps.leaf_1g && khv_hostpage_fits(f, 3))
		return 3;
	return khv_caps.leaf_2m && khv_hostpage_fits(f, 2) ? 2 : 1;
}

/* Make sure that an insertion finds the tables it needs. */
static int add_spares(struct khv_mmu *mmu)
{
	void *page[KHV_PT_LEVELS];
	int n;

	for (n = 0; n < KHV_PT_LEVELS; n++) {
		page[n] = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		if (!page[n])
			break;
	}
	if (!n)
		return -ENOMEM;
	spin_lock(&mmu->lock);
	while (n && mmu->pt.nr_spare < KHV_PT_LEVELS)
		mmu->pt.spare[mmu->pt.nr_spare++] = page[--n];
	spin_unlock(&mmu->lock);
	while (n)
		free_page((unsigned long)page[--n]);
	return 0;
}

static u64 leaf_bits(const struct khv_mmu *mmu, int level, bool write, bool cached)
{
	const struct khv_ptfmt *fmt = mmu->pt.fmt;

	return fmt->leaf | (write ? fmt->write : 0) |
	       (cached ? mmu->leaf_bits : fmt->uncached) |
	       (level > 1 && mmu->nx_large ? fmt->noexec : fmt->exec);
}

/* Leaves for those of the group's pages that the host has, and has dirty if they can be written. */
static void fill_group(struct khv_mmu *mmu, const struct khv_hostpage *f)
{
	const u64 rw = _PAGE_RW | _PAGE_DIRTY;
	u64 entry[KHV_PT_GROUP], flags;
	bool any = false;
	int i;

	for (i = 0; i < KHV_PT_GROUP; i++) {
		flags = pte_flags(f->group[i]);
		entry[i] = 0;
		if (!khv_hostpage_is_user(flags) || f->first + i == f->gfn ||
		    !khv_hostpage_in_slot(f->slot, f->first + i))
			continue;
		entry[i] = pte_pfn(f->group[i]) << PAGE_SHIFT |
			  leaf_bits(mmu, 1, khv_hostpage_group_may_write(f) && (flags & rw) == rw,
				    !(flags & _PAGE_CACHE_MASK));
		any = true;
	}
	if (any)
		khv_pt_fill(&mmu->pt, f->gfn, f->first, entry);
}

static int map_fault(struct khv_vm *vm, const struct khv_hostpage *f)
{
	struct khv_pt_gather gather = KHV_PT_GATHER_INIT(gather);
	struct khv_mmu *mmu = &vm->mmu;
	int level = leaf_level(mmu, f);
	u64 mask = KHV_PT_FRAMES(level) - 1;
	u64 bits;
	int r;

again:
	spin_lock(&mmu->lock);
	if (unlikely(khv_hostpage_stale(mmu, f, level))) {
		spin_unlock(&mmu->lock);
		return -EAGAIN;
	}
	bits = leaf_bits(mmu, level, khv_hostpage_may_write(f), f->cached) | mmu->pt.accessed;
	r = khv_pt_insert(&mmu->pt, f->gfn & ~mask, f->pfn & ~mask, level, bits, &gather);
	if (likely(!r) && f->grouped)
		fill_group(mmu, f);
	if (unlikely(gather.flush))
		atomic_inc(&mmu->flushes);
	spin_unlock(&mmu->lock);

	if (unlikely(gather.flush)) {
		khv_mmu_finish(vm, &gather, false);
		INIT_LIST_HEAD(&gather.tables);
		gather.flush = false;
	}
	if (unlikely(r == -ENOSPC)) {
		r = add_spares(mmu);
		if (!r)
			goto again;
	}
	return r;
}

int khv_mmu_fault(struct khv_vcpu *vcpu, gpa_t gpa, u32 access)
{
	struct khv_hostpage f;
	int r;

	r = khv_hostpage_find(vcpu, &f, gpa >> PAGE_SHIFT, access);
	if (likely(!r))
		r = map_fault(vcpu->vm, &f);
	if (r == -EAGAIN) {
		/* Someone is changing this memory: let them get on with it. */
		cond_resched();
		r = 0;
	}
	r = r ?: RESUME_GUEST;
	khv_mmu_note_fault(vcpu, gpa, access, r);
	return r;
}

void khv_mmu_note_fault(struct khv_vcpu *vcpu, u64 addr, u32 access, int result)
{
	vcpu->stats.pf_taken++;
	if (result == RESUME_GUEST)
		vcpu->stats.pf_fixed++;
	else if (result == KHV_FAULT_EMULATE)
		vcpu->stats.pf_emulate++;
	trace_khv_page_fault(vcpu->id, addr, access, result);
}

void khv_mmu_finish(struct khv_vm *vm, struct khv_pt_gather *gather, bool flush)
{
	if (gather->flush || flush)
		khv_vm_flush_tlbs(vm);
	if (gather->flush) {
		/* Who reads 0 need not flush: ours must be over. */
		smp_mb__before_atomic();
		atomic_dec(&vm->mmu.flushes);
	}
	khv_pt_gather_free(gather);
}

/*
 * Frames that one hold of the lock covers. To write-protect goes over every leaf; to
 * remove takes whole tables out.
 */
#define RANGE_CHUNK	KHV_PT_FRAMES(3)
#define PROTECT_CHUNK	(8 * KHV_PT_FRAMES(2))

/*
 * Under the lock, after a change that takes permissions away: is there something to
 * flush? A leaf that someone else removed may still be in use (struct khv_mmu).
 */
static bool note_flush(struct khv_mmu *mmu, const struct khv_pt_gather *gather, bool *counted)
{
	if (gather->flush && !*counted) {
		atomic_inc(&mmu->flushes);
		*counted = true;
	}
	return atomic_read(&mmu->flushes);
}

bool khv_mmu_range(struct khv_vm *vm, gfn_t start, gfn_t end, enum khv_pt_op op, bool may_sleep)
{
	struct khv_pt_gather gather = KHV_PT_GATHER_INIT(gather);
	u64 chunk = op == KHV_PT_WRPROTECT ? PROTECT_CHUNK : RANGE_CHUNK;
	struct khv_mmu *mmu = &vm->mmu;
	bool ret = false, flush = false, counted = false, pending;
	gfn_t next;

	if (mmu->shadow)
		return khv_shadow_range(vm, start, end, op, may_sleep);
	for (end = min_t(gfn_t, end, KHV_PT_END); start < end; start = next) {
		next = min_t(gfn_t, end, (start | (chunk - 1)) + 1);
		spin_lock(&mmu->lock);
		ret |= khv_pt_range(&mmu->pt, start, next, op, &gather);
		pending = note_flush(mmu, &gather, &counted);
		if (op == KHV_PT_ZAP || op == KHV_PT_WRPROTECT)
			flush |= pending;
		spin_unlock(&mmu->lock);
		if (may_sleep)
			cond_resched();
	}
	khv_mmu_finish(vm, &gather, flush);
	return ret;
}

/* Runs of bits in [pos, end). */
static void protect_runs(struct khv_mmu *mmu, gfn_t gfn, const unsigned long *bits,
			 unsigned long pos, unsigned long end, struct khv_pt_gather *gather)
{
	unsigned long stop;

	for (pos = find_next_bit(bits, end, pos); pos < end;
	     pos = find_next_bit(bits, end, stop)) {
		stop = find_next_zero_bit(bits, end, pos);
		khv_pt_range(&mmu->pt, gfn + pos, gfn + stop, KHV_PT_WRPROTECT, gather);
	}
}

void khv_mmu_protect(struct khv_vm *vm, gfn_t gfn, const unsigned long *bits, unsigned long nr)
{
	struct khv_pt_gather gather = KHV_PT_GATHER_INIT(gather);
	unsigned long pos = find_first_bit(bits, nr), end;
	bool flush = false, counted = false;
	struct khv_mmu *mmu = &vm->mmu;

	if (mmu->shadow) {
		khv_shadow_protect(vm, gfn, bits, nr);
		return;
	}
	for (; pos < nr; pos = find_next_bit(bits, nr, end)) {
		end = min_t(u64, nr, pos + PROTECT_CHUNK);
		spin_lock(&mmu->lock);
		protect_runs(mmu, gfn, bits, pos, end, &gather);
		flush |= note_flush(mmu, &gather, &counted);
		spin_unlock(&mmu->lock);
		cond_resched();
	}
	khv_mmu_finish(vm, &gather, flush);
}

u64 khv_mmu_tables(struct khv_vm *vm)
{
	struct khv_mmu *mmu = &vm->mmu;

	return mmu->shadow ? READ_ONCE(mmu->shadow->nr_pages) : READ_ONCE(mmu->pt.pages);
}

void khv_mmu_count(struct khv_vm *vm, u64 leaves[KHV_PT_MAX_LEAF_LEVEL])
{
	struct khv_mmu *mmu = &vm->mmu;
	gfn_t gfn = 0;

	memset(leaves, 0, KHV_PT_MAX_LEAF_LEVEL * sizeof(*leaves));
	if (mmu->shadow) {
		leaves[0] = READ_ONCE(mmu->shadow->nr_leaves[0]);
		leaves[1] = READ_ONCE(mmu->shadow->nr_leaves[1]);
		return;
	}
	while (gfn < KHV_PT_END) {
		spin_lock(&mmu->lock);
		gfn = khv_pt_count(&mmu->pt, gfn, leaves);
		spin_unlock(&mmu->lock);
		cond_resched();
	}
}

void khv_mmu_zap(struct khv_vm *vm, gfn_t start, gfn_t end)
{
	khv_mmu_range(vm, start, end, KHV_PT_ZAP, true);
	if (vm->mmu.shadow)
		khv_shadow_forget(vm, start, end);
}

void khv_mmu_write_protect(struct khv_vm *vm, gfn_t start, gfn_t end)
{
	khv_mmu_range(vm, start, end, KHV_PT_WRPROTECT, true);
}

static int nested_init(struct khv_mmu *mmu)
{
	int r = khv_pt_init(&mmu->pt, khv_caps.ptfmt);

	if (r)
		return r;
	mmu->pt.accessed = khv_caps.nested_ad ? mmu->pt.fmt->accessed : 0;
	mmu->root = __pa(mmu->pt.root);
	mmu->levels = KHV_PT_LEVELS;
	mmu->leaf_bits = khv_caps.nested_memtype | mmu->pt.fmt->cached;
	return 0;
}

static void tables_uninit(struct khv_vm *vm)
{
	if (vm->mmu.shadow)
		khv_shadow_vm_uninit(vm);
	else
		khv_pt_uninit(&vm->mmu.pt);
}

int khv_mmu_vm_init(struct khv_vm *vm)
{
	struct khv_mmu *mmu = &vm->mmu;
	int r;

	spin_lock_init(&mmu->lock);
	atomic_set(&mmu->flushes, 0);
	/* A fetch through a large leaf can stop such a processor for good. */
	mmu->nx_large = boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off();
	r = khv_caps.nested_paging ? nested_init(mmu) : khv_shadow_vm_init(vm);
	if (r)
		return r;

	mmu->notifier.ops = &khv_mmu_notifier_ops;
	r = mmu_notifier_register(&mmu->notifier, vm->mm);
	if (r)
		tables_uninit(vm);
	return r;
}

void khv_mmu_vm_uninit(struct khv_vm *vm)
{
	mmu_notifier_unregister(&vm->mmu.notifier, vm->mm);
	tables_uninit(vm);
}
