// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested faults: find the host page behind a guest-physical address and put a
 * leaf for it into the tables.
 *
 * The host's own page tables say which page it is; no reference is taken. What
 * keeps the leaf true is the mmu notifier (notifier.c): a fault that overlaps an
 * invalidation sees it in invalidate_count or invalidate_seq and is taken again.
 */
#include <linux/backing-dev.h>
#include <linux/cpu.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/userfaultfd_k.h>

#include "mmu/mmu.h"
#include "vm/hw.h"
#include "vm/memslot.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

/* What the host maps at one address. */
struct host_page {
	u64 pfn;
	u64 flags;		/* _PAGE_* of the entry; 0 when there is none */
	int level;
	bool cached;
};

/* One fault on its way from the address to the leaf. */
struct fault {
	const struct khv_memslot *slot;
	gfn_t gfn;
	unsigned long hva;
	unsigned long seq;	/* mmu.invalidate_seq from before the page was looked up */
	bool write;		/* the guest writes */
	bool exec;		/* the guest fetches */
	bool may_write;		/* the slot lets it */
	bool grouped;		/* @group is filled in */
	struct host_page page;
	gfn_t first;		/* frame of group[0]; "negative" where a slot begins at 0 */
	pte_t group[KHV_PT_GROUP];	/* the pages around this one */
};

static bool slot_has(const struct khv_memslot *slot, gfn_t gfn)
{
	return gfn - slot->base_gfn < slot->npages;
}

static unsigned int group_index(const struct fault *f)
{
	return (f->hva >> PAGE_SHIFT) & (KHV_PT_GROUP - 1);
}

static void set_page(struct host_page *page, int level, u64 pfn, u64 flags, unsigned long hva)
{
	u64 cache = level > 1 ? _PAGE_LARGE_CACHE_MASK : _PAGE_CACHE_MASK;

	page->level = level;
	page->pfn = pfn + ((hva >> PAGE_SHIFT) & (KHV_PT_FRAMES(level) - 1));
	page->flags = flags;
	/* No cache bits mean write-back. Of the others, uncached is right for everything. */
	page->cached = !(flags & cache);
}

/*
 * Look @f->hva up in the host's page tables. With interrupts off they cannot be
 * freed under us, as get_user_pages_fast() knows, too; they may change, but then
 * the notifier is told. Every entry is read once: a table may turn into a large
 * page at any time.
 */
static void look_up(struct mm_struct *mm, struct fault *f)
{
	unsigned long flags, hva = f->hva;
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;
	pte_t *pte, entry;
	int i;

	f->page.flags = 0;
	f->grouped = false;
	local_irq_save(flags);
	pgd = READ_ONCE(*pgd_offset(mm, hva));
	if (pgd_none(pgd))
		goto out;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (!p4d_present(p4d))
		goto out;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (!pud_present(pud))
		goto out;
	if (pud_leaf(pud)) {
		set_page(&f->page, 3, pud_pfn(pud), pud_flags(pud), hva);
		goto out;
	}
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (!pmd_present(pmd))
		goto out;
	if (pmd_leaf(pmd)) {
		set_page(&f->page, 2, pmd_pfn(pmd), pmd_flags(pmd), hva);
		goto out;
	}
	pte = PTR_ALIGN_DOWN(pte_offset_kernel(&pmd, hva), sizeof(f->group));
	for (i = 0; i < KHV_PT_GROUP; i++)
		f->group[i] = READ_ONCE(pte[i]);
	f->grouped = true;
	f->first = f->gfn - group_index(f);
	entry = f->group[group_index(f)];
	if (pte_present(entry))
		set_page(&f->page, 1, pte_pfn(entry), pte_flags(entry), hva);
out:
	local_irq_restore(flags);
}

static bool is_user(u64 flags)
{
	return (flags & (_PAGE_PRESENT | _PAGE_USER)) == (_PAGE_PRESENT | _PAGE_USER);
}

/* Will what look_up() found do? One that must be copied, or waits for a NUMA hint, will not. */
static bool page_suffices(const struct fault *f)
{
	return is_user(f->page.flags) && (!f->write || (f->page.flags & _PAGE_RW));
}

/*
 * A guest that goes through fresh memory from page to page gets the rest of the
 * group with the second page. Only where that costs nobody anything: memory
 * that no user-level pager serves, and that is not a file to be written back.
 */
static void bring_ahead(struct khv_vm *vm, const struct fault *f, unsigned int flags)
{
	unsigned int left = KHV_PT_GROUP - 1 - group_index(f), i;
	struct vm_area_struct *vma = vma_lookup(vm->mm, f->hva);
	unsigned long hva = f->hva;
	bool unlocked = false;

	if (!vma || (vma->vm_flags & (VM_IO | VM_PFNMAP)) || is_vm_hugetlb_page(vma) ||
	    userfaultfd_armed(vma) ||
	    (vma->vm_file && mapping_can_writeback(vma->vm_file->f_mapping)))
		return;
	left = min_t(u64, left, (vma->vm_end - hva - 1) >> PAGE_SHIFT);
	for (i = 1; i <= left && slot_has(f->slot, f->gfn + i); i++) {
		hva += PAGE_SIZE;
		if (fixup_user_fault(vm->mm, hva, flags, &unlocked) || unlocked)
			break;
	}
}

/* The host would not map it: is the memory broken, or is there none? */
static int fault_error(const struct fault *f)
{
	unsigned int flags = FOLL_HWPOISON | (f->write ? FOLL_WRITE : 0);
	struct page *page;
	long r = get_user_pages_unlocked(f->hva, 1, &page, flags);

	if (r != 1)
		return r < 0 ? r : -EFAULT;
	put_page(page);
	return -EAGAIN;
}

/* Have the host map the page, as if the client had touched it. */
static int bring_in(struct khv_vm *vm, struct fault *f, gfn_t *next)
{
	unsigned int flags = f->write ? FAULT_FLAG_WRITE : 0;
	bool unlocked = false;
	int r;

	mmap_read_lock(vm->mm);
	r = fixup_user_fault(vm->mm, f->hva, flags, &unlocked);
	if (!r && !unlocked && f->write && f->gfn == READ_ONCE(*next))
		bring_ahead(vm, f, flags);
	mmap_read_unlock(vm->mm);
	return r == -EFAULT ? fault_error(f) : r;
}

/* Can a leaf of @level at the fault's place stay inside the slot and be aligned on both sides? */
static bool slot_fits(const struct fault *f, int level)
{
	const struct khv_memslot *slot = f->slot;
	u64 frames = KHV_PT_FRAMES(level);
	gfn_t base = f->gfn & ~(frames - 1);

	return base >= slot->base_gfn && base + frames <= slot->base_gfn + slot->npages &&
	       !((f->gfn ^ f->page.pfn) & (frames - 1));
}

/* The largest leaf that host mapping, slot and hardware allow. */
static int leaf_level(const struct khv_mmu *mmu, const struct fault *f)
{
	if (f->page.level == 1 || (f->exec && mmu->nx_large))
		return 1;
	if (f->page.level == 3 && khv_caps.leaf_1g && slot_fits(f, 3))
		return 3;
	return khv_caps.leaf_2m && slot_fits(f, 2) ? 2 : 1;
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

/*
 * Under mmu.lock: has what a leaf of @level, or the group, maps perhaps changed
 * since f->seq was read?
 */
static bool fault_is_stale(const struct khv_mmu *mmu, const struct fault *f, int level)
{
	unsigned long mask = max_t(u64, KHV_PT_FRAMES(level), KHV_PT_GROUP) * PAGE_SIZE - 1;

	lockdep_assert_held(&mmu->lock);
	if (mmu->invalidate_count && (f->hva | mask) >= mmu->invalidate_start &&
	    (f->hva & ~mask) < mmu->invalidate_end)
		return true;
	return mmu->invalidate_seq != f->seq;
}

static u64 leaf_bits(const struct khv_mmu *mmu, int level, bool write, bool cached)
{
	const struct khv_ptfmt *fmt = mmu->pt.fmt;

	return fmt->leaf | (write ? fmt->write : 0) |
	       (cached ? mmu->leaf_bits : fmt->uncached) |
	       (level > 1 && mmu->nx_large ? fmt->noexec : fmt->exec);
}

/*
 * Under mmu.lock: can the leaf be writable? What the guest writes goes past the
 * host's page tables. Where they say "dirty" already, nothing is lost: whoever
 * cleans that tells the notifier first. A page that may be written but is clean
 * (anonymous or shmem; other files want to know of a first write, and are not
 * writable until then) is marked here when written; when only read, the leaf
 * waits for the write.
 */
static bool may_write_leaf(const struct fault *f)
{
	struct page *page;
	struct folio *folio;

	if (!f->may_write || !(f->page.flags & _PAGE_RW))
		return false;
	if ((f->page.flags & (_PAGE_DIRTY | _PAGE_SPECIAL)) || !pfn_valid(f->page.pfn))
		return true;
	page = pfn_to_page(f->page.pfn);
	if (PageReserved(page))
		return true;
	folio = page_folio(page);
	if (f->write && !folio_test_dirty(folio))
		folio_set_dirty(folio);
	return folio_test_dirty(folio);
}

/* Leaves for those of the group's pages that the host has, and has dirty if they can be written. */
static void fill_group(struct khv_mmu *mmu, const struct fault *f)
{
	const u64 rw = _PAGE_RW | _PAGE_DIRTY;
	u64 entry[KHV_PT_GROUP], flags;
	bool any = false;
	int i;

	for (i = 0; i < KHV_PT_GROUP; i++) {
		flags = pte_flags(f->group[i]);
		entry[i] = 0;
		if (!is_user(flags) || f->first + i == f->gfn || !slot_has(f->slot, f->first + i))
			continue;
		entry[i] = pte_pfn(f->group[i]) << PAGE_SHIFT |
			  leaf_bits(mmu, 1, f->may_write && (flags & rw) == rw,
				    !(flags & _PAGE_CACHE_MASK));
		any = true;
	}
	if (any)
		khv_pt_fill(&mmu->pt, f->gfn, f->first, entry);
}

static int map_fault(struct khv_vm *vm, const struct fault *f)
{
	struct khv_pt_gather gather = KHV_PT_GATHER_INIT(gather);
	struct khv_mmu *mmu = &vm->mmu;
	int level = leaf_level(mmu, f);
	u64 mask = KHV_PT_FRAMES(level) - 1;
	u64 bits;
	int r;

again:
	spin_lock(&mmu->lock);
	if (unlikely(fault_is_stale(mmu, f, level))) {
		spin_unlock(&mmu->lock);
		return -EAGAIN;
	}
	bits = leaf_bits(mmu, level, may_write_leaf(f), f->page.cached) | mmu->pt.accessed;
	r = khv_pt_insert(&mmu->pt, f->gfn & ~mask, f->page.pfn & ~mask, level, bits, &gather);
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

/* The frame after @f's and those that were brought in with it. */
static gfn_t next_of(const struct fault *f)
{
	unsigned int i = group_index(f) + 1;

	while (f->grouped && i < KHV_PT_GROUP && is_user(pte_flags(f->group[i])))
		i++;
	return f->gfn + i - group_index(f);
}

/* Before the host's tables are looked at. */
static void read_seq(const struct khv_mmu *mmu, struct fault *f)
{
	f->seq = READ_ONCE(mmu->invalidate_seq);
	/* Pairs with the lock in invalidate_range_end(): first the sequence, then the tables. */
	smp_rmb();
}

int khv_mmu_fault(struct khv_vcpu *vcpu, gpa_t gpa, u32 access)
{
	struct khv_vm *vm = vcpu->vm;
	gfn_t *next = &vm->mmu.next_gfn[vcpu->index % KHV_MMU_STREAMS];
	struct fault f;
	int r = 0;

	f.gfn = gpa >> PAGE_SHIFT;
	f.write = access & KHV_ACCESS_WRITE;
	f.exec = access & KHV_ACCESS_FETCH;
	f.slot = khv_memslot_find(vm, f.gfn);
	if (!f.slot)
		return KHV_FAULT_EMULATE;
	f.may_write = !(f.slot->flags & KVM_MEM_READONLY);
	if (f.write && !f.may_write)
		return KHV_FAULT_EMULATE;
	f.hva = khv_memslot_hva(f.slot, f.gfn);
	if (unlikely(current->mm != vm->mm))
		return -EFAULT;

	read_seq(&vm->mmu, &f);
	look_up(vm->mm, &f);
	if (!page_suffices(&f)) {
		r = bring_in(vm, &f, next);
		if (!r) {
			read_seq(&vm->mmu, &f);
			look_up(vm->mm, &f);
			WRITE_ONCE(*next, next_of(&f));
			if (!page_suffices(&f))
				r = -EAGAIN;
		}
	}
	if (likely(!r))
		r = map_fault(vm, &f);
	if (r == -EAGAIN) {
		/* Someone is changing this memory: let them get on with it. */
		cond_resched();
		r = 0;
	}
	return r ?: RESUME_GUEST;
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
	mmu->pt.accessed = khv_caps.nested_ad ? mmu->pt.fmt->accessed : 0;
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
