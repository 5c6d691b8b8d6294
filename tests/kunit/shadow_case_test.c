// SPDX-License-Identifier: GPL-2.0-only
/*
 * A case for shadow paging that random tables do not come to.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <kunit/test.h>
#include <linux/slab.h>

#include "shadow_world.h"

enum { ROOT = 1, VIA_L3, VIA_L2, OTHER_L3, ALL };	/* frames; the last: tables and data */

#define ENTRY(frame)	((u64)(frame) << PAGE_SHIFT | KHV_PTE_P | KHV_PTE_W | KHV_PTE_U | \
			 KHV_PTE_A | KHV_PTE_D)
#define ENTRY_GPA(frame, i)	((u64)(frame) << PAGE_SHIFT | (i) * 8)
#define ADDRESS(i4, i3, i2, i1)	((u64)(i4) << 39 | (u64)(i3) << 30 | (u64)(i2) << 21 | \
				 (u64)(i1) << 12)

static void put_entry(struct world *w, u32 frame, u32 i, u64 val)
{
	*(u64 *)world_at(w, ENTRY_GPA(frame, i)) = val;
}

/* The emulator's write, by the processor that has paging off. */
static void clear_entry(struct kunit *test, struct world *w, u32 frame, u32 i)
{
	struct outcome o = world_access(w, 1, ENTRY_GPA(frame, i), MODEL_WRITE, false);

	KUNIT_EXPECT_EQ(test, o.kind, EMULATED);
	put_entry(w, frame, i, 0);
	khv_shadow_written(w->vm, ENTRY_GPA(frame, i), 8);
}

static void expect_access(struct kunit *test, struct world *w, u64 va, u32 access,
			  enum outcome_kind kind)
{
	struct outcome o = world_access(w, 0, va, access, false);
	const char *why = world_inconsistent(w) ?: w->trouble;

	KUNIT_EXPECT_EQ(test, o.kind, kind);
	if (kind == WENT_THROUGH)
		KUNIT_EXPECT_EQ(test, o.gpa, (u64)ALL << PAGE_SHIFT);
	if (why)
		KUNIT_FAIL(test, "%llx: %s\n", va, why);
}

/*
 * One frame is tables of three levels and data. Shadows of it as level 1 and 2 hang together
 * and nowhere else; a write makes one of level 3, and while it walks down, the top entry goes:
 * then nothing leads to any of them when the write has come to its page.
 */
void shadow_everything_at_once(struct kunit *test)
{
	const struct model_cpu flat = { .cr0 = X86_CR0_PE, .maxphyaddr = 36 };
	const struct model_cpu cpu = {
		.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP, .cr3 = ROOT << PAGE_SHIFT,
		.cr4 = X86_CR4_PAE, .efer = EFER_LMA | EFER_LME, .maxphyaddr = 36,
	};
	struct world *w = kvzalloc(sizeof(*w), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, w);
	KUNIT_ASSERT_EQ(test, world_create(w), 0);
	prandom_seed_state(&w->rnd, 1);
	khv_shadow_set_limit(w->vm, 100);
	put_entry(w, ROOT, 1, ENTRY(VIA_L3));
	put_entry(w, VIA_L3, 0, ENTRY(VIA_L2));
	put_entry(w, VIA_L2, 0, ENTRY(ALL));
	put_entry(w, ROOT, 2, ENTRY(OTHER_L3));
	put_entry(w, OTHER_L3, 0, ENTRY(ALL));
	put_entry(w, ROOT, 3, ENTRY(ALL));
	for (i = 1; i <= 3; i++)
		put_entry(w, ALL, i, ENTRY(ALL));
	world_set_registers(w, 0, &cpu);
	world_set_registers(w, 1, &flat);
	expect_access(test, w, ADDRESS(1, 0, 0, 3), 0, WENT_THROUGH);
	expect_access(test, w, ADDRESS(2, 0, 2, 3), 0, WENT_THROUGH);
	clear_entry(test, w, OTHER_L3, 0);
	clear_entry(test, w, VIA_L2, 0);
	khv_shadow_hold(w->vm);
	KUNIT_EXPECT_TRUE(test, khv_sp_open(w->vm, ROOT));
	khv_shadow_unlock(w->vm);
	w->racing = ENTRY_GPA(ROOT, 3);
	expect_access(test, w, ADDRESS(3, 1, 2, 3), MODEL_WRITE, FAULTED);
	w->racing = 0;
	put_entry(w, ROOT, 3, ENTRY(ALL));
	expect_access(test, w, ADDRESS(3, 1, 2, 3), 0, WENT_THROUGH);
	KUNIT_EXPECT_TRUE_MSG(test, world_destroy(w), "%ld pages are left", shadow_code_pages);
	kvfree(w);
}
