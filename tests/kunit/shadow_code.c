// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shadow code and the guest walker, compiled into the test module: their
 * functions are not exported by khv.ko. Its pages are counted.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "shadow_world.h"

long shadow_code_pages;

static inline unsigned long counted_get(gfp_t gfp, unsigned int order)
{
	unsigned long page = __get_free_pages(gfp, order);

	shadow_code_pages += page ? 1 << order : 0;
	return page;
}

static inline struct page *counted_page(gfp_t gfp)
{
	unsigned long page = counted_get(gfp, 0);

	return page ? virt_to_page((void *)page) : NULL;
}

static inline void counted_free(unsigned long page, unsigned int order)
{
	shadow_code_pages -= page ? 1 << order : 0;
	free_pages(page, order);
}

#undef __get_free_page
#undef alloc_page
#undef free_page
#define alloc_page(gfp)			counted_page(gfp)
#define __get_free_page(gfp)		counted_get(gfp, 0)
#define get_zeroed_page(gfp)		counted_get((gfp) | __GFP_ZERO, 0)
#define __get_free_pages(gfp, order)	counted_get(gfp, order)
#define free_page(page)			counted_free(page, 0)
#define free_pages(page, order)		counted_free(page, order)

#include "../../kmod/mmu/paging.c"
#include "../../kmod/mmu/walker.c"
#include "../../kmod/mmu/shadow.c"
#include "../../kmod/mmu/shadow_fault.c"
#include "../../kmod/mmu/shadow_page.c"
#include "../../kmod/mmu/shadow_rmap.c"
#include "../../kmod/mmu/shadow_sync.c"
