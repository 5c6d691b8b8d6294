// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested faults: find the host page behind a guest-physical address and put a
 * leaf for it into the tables.
 *
 * The page's reference is dropped as soon as the leaf is in. What keeps the leaf
 * true is the mmu notifier (notifier.c): a fault that overlaps an invalidation
 * sees it in invalidate_count or invalidate_seq and is taken again.
 */
#include <linux/cpu.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "host/pfnmap.h"
#include "mmu/mmu.h"
#include "vm/hw.h"
#include "vm/memslot.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

/* One fault on its way from the address to the leaf. */
struct fault {
	const struct khv_memslot *slot;
	gfn_t gfn;
	unsigned long hva;
	unsigned long seq;	/* mmu.invalidate_seq from before the page was looked up */
	bool write;		/* the guest writes */
	bool exec;		/* the guest fetches */
	bool may_write;		/* the slot lets it */

	u64 pfn;
	struct page *page;	/* referenced; NULL for memory without struct page */
	bool writable;		/* the host lets us write */
	bool uncached;
};

/*
 * The level at which the host maps @hva. With interrupts off its tables cannot
 * be freed under us; they may change, but then the notifier has been told. Every
 * entry is read once: a table may turn into a large page at any time.
 */
static int host_level(struct mm_struct *mm, unsigned long hva)
{
	int level = 1;
	unsigned long flags;
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	local_irq_save(flags);
	pgd = READ_ONCE(*pgd_offset(mm, hva));
	if (pgd_none(pgd))
		goto out;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		goto out;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		goto out;
	if (pud_leaf(pud)) {
		level = 3;
		goto out;
	}
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (!pmd_none(pmd) && pmd_present(pmd) && pmd_leaf(pmd))
		level = 2;
out:
	local_irq_restore(flags);
	return level;
}

/* Can a leaf of @level at the fault's place stay inside the slot and be aligned on both sides? */
static bool slot_fits(const struct fault *f, int level)
{
	const struct khv_memslot *slot = f->slot;
	u64 frames = KHV_PT_FRAMES(level);
	gfn_t base = f->gfn & ~(frames - 1);

	return base >= slot->base_gfn && base + frames <= slot->base_gfn + slot->npages &&
	       !((f->gfn ^ (f->hva >> PAGE_SHIFT)) & (frames - 1));
}

/* The largest leaf that slot, host mapping and hardware allow. */
static int leaf_level(struct khv_mmu *mmu, struct mm_struct *mm, const struct fault *f)
{
	int level;

	if (!khv_caps.ept_2m || !slot_fits(f, 2) || (f->exec && mmu->nx_large))
		return 1;
	/* A page of its own is not part of a large mapping. */
	if (f->page && !PageCompound(f->page))
		return 1;
	level = host_level(mm, f->hva);
	if (level == 3 && (!khv_caps.ept_1g || !slot_fits(f, 3)))
		level = 2;
	/* Holds for every large mapping of the host; a wrong frame would be fatal. */
	if ((f->pfn ^ f->gfn) & (KHV_PT_FRAMES(level) - 1))
		level = 1;
	return level;
}

/*
 * Memory without struct pages to take references of: what a driver mapped with
 * remap_pfn_range() and the like. -EAGAIN: the mapping is being changed, fault again.
 */
static int get_pfnmap(struct khv_vm *vm, struct fault *f)
{
	struct follow_pfnmap_args args = { .address = f->hva };
	bool unlocked = false;
	int r;

	mmap_read_lock(vm->mm);
	args.vma = vma_lookup(vm->mm, f->hva);
	if (!args.vma || !(args.vma->vm_flags & (VM_IO | VM_PFNMAP))) {
		r = -EFAULT;
		goto unlock;
	}
	r = follow_pfnmap_start(&args);
	if (r) {
		r = fixup_user_fault(vm->mm, f->hva, f->write ? FAULT_FLAG_WRITE : 0, &unlocked);
		if (!r)
			r = -EAGAIN;
		goto unlock;
	}
	if (f->write && !args.writable) {
		follow_pfnmap_end(&args);
		r = fixup_user_fault(vm->mm, f->hva, FAULT_FLAG_WRITE, &unlocked);
		if (!r)
			r = -EAGAIN;
		goto unlock;
	}
	f->pfn = args.pfn;
	f->writable = args.writable;
	/* No cache bits mean write-back. Of the others, uncached is right for everything. */
	f->uncached = pgprot_val(args.pgprot) & _PAGE_CACHE_MASK;
	f->page = NULL;
	/* The frame may go away now; then unmapping it has raised invalidate_seq. */
	follow_pfnmap_end(&args);
unlock:
	mmap_read_unlock(vm->mm);
	return r;
}

/* Find the page: without a lock if it is there, else by faulting it in. */
static int get_page_of(struct khv_vm *vm, struct fault *f)
{
	unsigned int flags = FOLL_HWPOISON | KHV_FOLL_GUEST;
	struct page *page;
	long r;

	f->uncached = false;
	if (f->may_write && get_user_pages_fast_only(f->hva, 1, FOLL_WRITE, &f->page) == 1) {
		f->writable = true;
		goto found;
	}
	r = get_user_pages_unlocked(f->hva, 1, &f->page, flags | (f->write ? FOLL_WRITE : 0));
	if (r == -EFAULT)
		return get_pfnmap(vm, f);
	if (r != 1)
		return r < 0 ? r : -EFAULT;
	f->writable = f->write;
	/* A page that is there to be written need not fault again for that. */
	if (!f->write && f->may_write &&
	    get_user_pages_fast_only(f->hva, 1, FOLL_WRITE, &page) == 1) {
		put_page(f->page);
		f->page = page;
		f->writable = true;
	}
found:
	f->pfn = page_to_pfn(f->page);
	return 0;
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

/* Under mmu.lock: has the page behind the fault perhaps changed since f->seq was read? */
static bool fault_is_stale(const struct khv_mmu *mmu, const struct fault *f)
{
	lockdep_assert_held(&mmu->lock);
	if (mmu->invalidate_count && f->hva >= mmu->invalidate_start &&
	    f->hva < mmu->invalidate_end)
		return true;
	return mmu->invalidate_seq != f->seq;
}

static u64 leaf_bits(const struct khv_mmu *mmu, const struct fault *f, int level)
{
	const struct khv_ptfmt *fmt = mmu->pt.fmt;
	u64 bits = fmt->leaf | mmu->pt.accessed;

	bits |= f->uncached ? fmt->uncached : mmu->leaf_bits;
	bits |= level > 1 && mmu->nx_large ? fmt->noexec : fmt->exec;
	if (f->writable && f->may_write)
		bits |= fmt->write;
	return bits;
}

/*
 * What the guest writes goes past the host's page tables, so the page is marked
 * now. Whoever cleans it later removes the leaf first, and the next write faults.
 * File mappings have been marked with all that their file system wants when the
 * host made them writable; this is for anonymous memory.
 */
static void mark_dirty(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (!folio_test_dirty(folio) && !PageReserved(page))
		folio_set_dirty(folio);
}

static int map_fault(struct khv_vm *vm, struct fault *f)
{
	struct khv_pt_gather gather = KHV_PT_GATHER_INIT(gather);
	struct khv_mmu *mmu = &vm->mmu;
	int level = leaf_level(mmu, vm->mm, f);
	u64 mask = KHV_PT_FRAMES(level) - 1;
	u64 bits = leaf_bits(mmu, f, level);
	int r;

again:
	spin_lock(&mmu->lock);
	if (unlikely(fault_is_stale(mmu, f))) {
		spin_unlock(&mmu->lock);
		return -EAGAIN;
	}
	r = khv_pt_insert(&mmu->pt, f->gfn & ~mask, f->pfn & ~mask, level, bits, &gather);
	if (!r && (bits & mmu->pt.fmt->write) && f->page)
		mark_dirty(f->page);
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
	struct khv_vm *vm = vcpu->vm;
	struct fault f = {
		.gfn = gpa >> PAGE_SHIFT,
		.write = access & KHV_ACCESS_WRITE,
		.exec = access & KHV_ACCESS_FETCH,
	};
	int r;

	f.slot = khv_memslot_find(vm, f.gfn);
	if (!f.slot)
		return KHV_FAULT_EMULATE;
	f.may_write = !(f.slot->flags & KVM_MEM_READONLY);
	if (f.write && !f.may_write)
		return KHV_FAULT_EMULATE;
	f.hva = khv_memslot_hva(f.slot, f.gfn);
	if (unlikely(current->mm != vm->mm))
		return -EFAULT;

	f.seq = READ_ONCE(vm->mmu.invalidate_seq);
	/* Pairs with invalidate_end's lock: first the sequence, then the host's tables. */
	smp_rmb();

	r = get_page_of(vm, &f);
	if (!r) {
		r = map_fault(vm, &f);
		if (f.page)
			put_page(f.page);
	}
	if (r == -EAGAIN) {
		/* Someone is changing this memory: let them get on with it. */
		cond_resched();
		r = 0;
	}
	if (unlikely(r))
		return r;
	return RESUME_GUEST;
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

/* Frames that one hold of the lock covers. */
#define RANGE_CHUNK	KHV_PT_FRAMES(3)

bool khv_mmu_range(struct khv_vm *vm, gfn_t start, gfn_t end, enum khv_pt_op op, bool may_sleep)
{
	struct khv_pt_gather gather = KHV_PT_GATHER_INIT(gather);
	struct khv_mmu *mmu = &vm->mmu;
	bool ret = false, flush = false, counted = false;
	gfn_t next;

	for (end = min_t(gfn_t, end, KHV_PT_END); start < end; start = next) {
		next = min_t(gfn_t, end, (start | (RANGE_CHUNK - 1)) + 1);
		spin_lock(&mmu->lock);
		ret |= khv_pt_range(&mmu->pt, start, next, op, &gather);
		if (gather.flush && !counted) {
			atomic_inc(&mmu->flushes);
			counted = true;
		}
		/* A leaf that someone else removed may still be in use (struct khv_mmu). */
		if ((op == KHV_PT_ZAP || op == KHV_PT_WRPROTECT) && atomic_read(&mmu->flushes))
			flush = true;
		spin_unlock(&mmu->lock);
		if (may_sleep)
			cond_resched();
	}
	khv_mmu_finish(vm, &gather, flush);
	return ret;
}

void khv_mmu_zap(struct khv_vm *vm, gfn_t start, gfn_t end)
{
	khv_mmu_range(vm, start, end, KHV_PT_ZAP, true);
}

void khv_mmu_write_protect(struct khv_vm *vm, gfn_t start, gfn_t end)
{
	khv_mmu_range(vm, start, end, KHV_PT_WRPROTECT, true);
}

int khv_mmu_vm_init(struct khv_vm *vm)
{
	struct khv_mmu *mmu = &vm->mmu;
	int r;

	spin_lock_init(&mmu->lock);
	atomic_set(&mmu->flushes, 0);
	r = khv_pt_init(&mmu->pt, &khv_ept_fmt);
	if (r)
		return r;
	mmu->pt.accessed = khv_caps.ept_ad ? mmu->pt.fmt->accessed : 0;
	mmu->root = __pa(mmu->pt.root);
	mmu->levels = KHV_PT_LEVELS;
	mmu->leaf_bits = khv_caps.nested_memtype | mmu->pt.fmt->cached;
	/* A fetch through a large leaf can stop such a processor for good. */
	mmu->nx_large = boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off();

	mmu->notifier.ops = &khv_mmu_notifier_ops;
	r = mmu_notifier_register(&mmu->notifier, vm->mm);
	if (r)
		khv_pt_uninit(&mmu->pt);
	return r;
}

void khv_mmu_vm_uninit(struct khv_vm *vm)
{
	mmu_notifier_unregister(&vm->mmu.notifier, vm->mm);
	khv_pt_uninit(&vm->mmu.pt);
}
