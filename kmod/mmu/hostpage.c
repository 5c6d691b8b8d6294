// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which host page is behind a guest frame; see hostpage.h.
 *
 * Reads the host's page tables, has the host fill them where they are empty, and
 * decides what a leaf made from them may allow. The leaf itself is others'.
 */
#include <linux/backing-dev.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/userfaultfd_k.h>

#include "mmu/hostpage.h"
#include "vm/memslot.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

static unsigned int group_index(const struct khv_hostpage *f)
{
	return (f->hva >> PAGE_SHIFT) & (KHV_PT_GROUP - 1);
}

static void set_page(struct khv_hostpage *f, int level, u64 pfn, u64 flags)
{
	u64 cache = level > 1 ? _PAGE_LARGE_CACHE_MASK : _PAGE_CACHE_MASK;

	f->level = level;
	f->pfn = pfn + ((f->hva >> PAGE_SHIFT) & (KHV_PT_FRAMES(level) - 1));
	f->flags = flags;
	/* No cache bits mean write-back. Of the others, uncached is right for everything. */
	f->cached = !(flags & cache);
}

/*
 * Look @f->hva up in the host's page tables. With interrupts off they cannot be
 * freed under us, as get_user_pages_fast() knows, too; they may change, but then
 * the notifier is told. Every entry is read once: a table may turn into a large
 * page at any time.
 */
static void look_up(struct mm_struct *mm, struct khv_hostpage *f)
{
	unsigned long flags, hva = f->hva;
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;
	pte_t *pte, entry;
	int i;

	f->flags = 0;
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
		set_page(f, 3, pud_pfn(pud), pud_flags(pud));
		goto out;
	}
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (!pmd_present(pmd))
		goto out;
	if (pmd_leaf(pmd)) {
		set_page(f, 2, pmd_pfn(pmd), pmd_flags(pmd));
		goto out;
	}
	pte = PTR_ALIGN_DOWN(pte_offset_kernel(&pmd, hva), sizeof(f->group));
	for (i = 0; i < KHV_PT_GROUP; i++)
		f->group[i] = READ_ONCE(pte[i]);
	f->grouped = true;
	f->first = f->gfn - group_index(f);
	entry = f->group[group_index(f)];
	if (pte_present(entry))
		set_page(f, 1, pte_pfn(entry), pte_flags(entry));
out:
	local_irq_restore(flags);
}

/* Will what look_up() found do? One that must be copied, or waits for a NUMA hint, will not. */
static bool page_suffices(const struct khv_hostpage *f)
{
	return khv_hostpage_is_user(f->flags) && (!f->write || (f->flags & _PAGE_RW));
}

/*
 * A guest that goes through fresh memory from page to page gets the rest of the
 * group with the second page. Only where that costs nobody anything: memory
 * that no user-level pager serves, and that is not a file to be written back.
 */
static void bring_ahead(struct khv_vm *vm, const struct khv_hostpage *f, unsigned int flags)
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
	for (i = 1; i <= left && khv_hostpage_in_slot(f->slot, f->gfn + i); i++) {
		hva += PAGE_SIZE;
		if (fixup_user_fault(vm->mm, hva, flags, &unlocked) || unlocked)
			break;
	}
}

/* The host would not map it: is the memory broken, or is there none? */
static int fault_error(const struct khv_hostpage *f)
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
static int bring_in(struct khv_vm *vm, struct khv_hostpage *f, gfn_t *next)
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

bool khv_hostpage_fits(const struct khv_hostpage *f, int level)
{
	const struct khv_memslot *slot = f->slot;
	u64 frames = KHV_PT_FRAMES(level);
	gfn_t base = f->gfn & ~(frames - 1);

	/* Of a large leaf the log could only say that some page of it was written. */
	return f->level >= level && !slot->dirty && !((f->gfn ^ f->pfn) & (frames - 1)) &&
	       base >= slot->base_gfn && base + frames <= slot->base_gfn + slot->npages;
}

bool khv_hostpage_stale(const struct khv_mmu *mmu, const struct khv_hostpage *f, int level)
{
	unsigned long mask = max_t(u64, KHV_PT_FRAMES(level), KHV_PT_GROUP) * PAGE_SIZE - 1;

	lockdep_assert_held(&mmu->lock);
	if (mmu->invalidate_count && (f->hva | mask) >= mmu->invalidate_start &&
	    (f->hva & ~mask) < mmu->invalidate_end)
		return true;
	return mmu->invalidate_seq != f->seq;
}

/*
 * Under mmu.lock: can the leaf be writable? What the guest writes goes past the
 * host's page tables. Where they say "dirty" already, nothing is lost: whoever
 * cleans that tells the notifier first. A page that may be written but is clean
 * (anonymous or shmem; other files want to know of a first write, and are not
 * writable until then) is marked here when written; when only read, the leaf
 * waits for the write.
 */
static bool host_is_dirty(const struct khv_hostpage *f)
{
	struct page *page;
	struct folio *folio;

	if ((f->flags & (_PAGE_DIRTY | _PAGE_SPECIAL)) || !pfn_valid(f->pfn))
		return true;
	page = pfn_to_page(f->pfn);
	if (PageReserved(page))
		return true;
	folio = page_folio(page);
	if (f->write && !folio_test_dirty(folio))
		folio_set_dirty(folio);
	return folio_test_dirty(folio);
}

bool khv_hostpage_may_write(const struct khv_hostpage *f)
{
	if (!f->may_write || !(f->flags & _PAGE_RW))
		return false;
	if (f->slot->dirty && !f->write)
		return false;
	if (!host_is_dirty(f))
		return false;
	khv_memslot_mark_dirty(f->slot, f->gfn);
	return true;
}

/* The frame after @f's and those that were brought in with it. */
static gfn_t next_of(const struct khv_hostpage *f)
{
	unsigned int i = group_index(f) + 1;

	while (f->grouped && i < KHV_PT_GROUP && khv_hostpage_is_user(pte_flags(f->group[i])))
		i++;
	return f->gfn + i - group_index(f);
}

/* Before the host's tables are looked at. */
static void read_seq(const struct khv_mmu *mmu, struct khv_hostpage *f)
{
	f->seq = READ_ONCE(mmu->invalidate_seq);
	/* Pairs with the lock in invalidate_range_end(): first the sequence, then the tables. */
	smp_rmb();
}

int khv_hostpage_find(struct khv_vcpu *vcpu, struct khv_hostpage *f, gfn_t gfn, u32 access)
{
	struct khv_vm *vm = vcpu->vm;
	gfn_t *next = &vm->mmu.next_gfn[vcpu->index % KHV_MMU_STREAMS];
	int r;

	f->gfn = gfn;
	f->write = access & KHV_ACCESS_WRITE;
	f->exec = access & KHV_ACCESS_FETCH;
	f->slot = khv_memslot_find(vm, gfn);
	if (!f->slot)
		return KHV_FAULT_EMULATE;
	f->may_write = !(f->slot->flags & KVM_MEM_READONLY);
	if (f->write && !f->may_write)
		return KHV_FAULT_EMULATE;
	f->hva = khv_memslot_hva(f->slot, gfn);
	if (unlikely(current->mm != vm->mm))
		return -EFAULT;

	read_seq(&vm->mmu, f);
	look_up(vm->mm, f);
	if (likely(page_suffices(f)))
		return 0;
	r = bring_in(vm, f, next);
	if (r == -EHWPOISON) {
		/* As on KVM: a signal tells the client, which may tell its guest by KVM_X86_SET_MCE. */
		send_sig_mceerr(BUS_MCEERR_AR, (void __user *)f->hva, PAGE_SHIFT, current);
		return -EAGAIN;
	}
	if (r)
		return r;
	read_seq(&vm->mmu, f);
	look_up(vm->mm, f);
	WRITE_ONCE(*next, next_of(f));
	return page_suffices(f) ? 0 : -EAGAIN;
}
