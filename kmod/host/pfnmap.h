/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * follow_pfnmap_start() and _end() for kernels before 6.12, made of follow_pte():
 * the frame behind an address of a mapping without struct pages.
 */
#ifndef KHV_HOST_PFNMAP_H
#define KHV_HOST_PFNMAP_H

#include <linux/mm.h>

#if !KHV_HAVE_FOLLOW_PFNMAP
struct follow_pfnmap_args {
	struct vm_area_struct *vma;
	unsigned long address;
	spinlock_t *lock;
	pte_t *ptep;
	unsigned long pfn;
	pgprot_t pgprot;
	bool writable;
};

/* On 0, the page-table lock is held until follow_pfnmap_end(). */
static inline int follow_pfnmap_start(struct follow_pfnmap_args *args)
{
	int r = khv_follow_pte(args->vma, args->address, &args->ptep, &args->lock);

	if (!r) {
		args->pfn = pte_pfn(*args->ptep);
		args->pgprot = pte_pgprot(*args->ptep);
		args->writable = pte_write(*args->ptep);
	}
	return r;
}

static inline void follow_pfnmap_end(struct follow_pfnmap_args *args)
{
	pte_unmap_unlock(args->ptep, args->lock);
}
#endif

#endif
