// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeping shadow pages in step with the guest's tables.
 *
 * A guest table of the last level may be written freely: its shadows are marked
 * unsync, and compared with it again when the guest does what would make a
 * processor forget translations (INVLPG, CR3 loads), or when a new way to it is
 * made. Writes to other tables are emulated, and khv_shadow_written() drops what
 * was made of the bytes that changed. What cannot be emulated is let through: then
 * those get out of step as well, as a processor's paging-structure caches may, and
 * any INVLPG brings them back.
 */
#include <linux/kernel.h>
#include <linux/sched.h>

#include "mmu/shadow.h"
#include "mmu/shadow_page.h"
#include "vm/memslot.h"
#include "vm/vm.h"

/* So many emulated writes to a table that nobody uses: it has become something else. */
#define FLOOD		4
/* Pages compared between two looks at who else wants the lock. */
#define SYNC_BATCH	16

/* Entries of @sp for each of the guest's: a 4-MByte range of 32-bit paging takes two. */
static unsigned int entries_each(const struct khv_sp *sp)
{
	return sp->role.mode == KHV_SP_32 && sp->role.level == 2 ? 2 : 1;
}

/* Bytes of the guest's table that @sp stands for, and where they begin. */
static unsigned int part_size(const struct khv_sp *sp)
{
	return KHV_PT_ENTRIES / entries_each(sp) * khv_sp_gpte_size(sp);
}

static gpa_t part_gpa(const struct khv_sp *sp)
{
	return (sp->gfn << PAGE_SHIFT) + sp->role.quadrant * part_size(sp);
}

/* The guest's entry for @index, from that part. */
static u64 gpte_in(const struct khv_sp *sp, const void *part, unsigned int index)
{
	index /= entries_each(sp);
	return khv_sp_gpte_size(sp) == 4 ? ((const u32 *)part)[index] :
					   ((const u64 *)part)[index];
}

/* A dirty bit that was set since makes nothing wrong: without it the leaf is read-only. */
static bool same_gpte(u64 old, u64 now)
{
	return !((old ^ now) & ~(now & KHV_PTE_D));
}

static void compare_entry(struct khv_shadow *s, struct khv_sp *sp, unsigned int index, u64 now)
{
	if (same_gpte(sp->gpte[index], now))
		sp->gpte[index] = now;
	else
		khv_spte_drop(s, sp, index);
}

static void compare(struct khv_vm *vm, struct khv_sp *sp)
{
	struct khv_shadow *s = vm->mmu.shadow;
	bool gone = khv_gpa_read_atomic(vm, part_gpa(sp), s->buf, part_size(sp));
	unsigned int i;

	for (i = 0; i < KHV_PT_ENTRIES; i++) {
		if (!sp->spt[i])
			continue;
		if (gone)
			khv_spte_drop(s, sp, i);
		else
			compare_entry(s, sp, i, gpte_in(sp, s->buf, i));
	}
}

void khv_sp_set_sync(struct khv_shadow *s, struct khv_sp *sp)
{
	if (!sp->unsync)
		return;
	sp->unsync = false;
	list_del_init(&sp->unsync_link);
	s->nr_unsync--;
	s->nr_unsync_upper -= sp->role.level > 1;
}

static void set_unsync(struct khv_shadow *s, struct khv_sp *sp)
{
	if (sp->unsync)
		return;
	sp->unsync = true;
	list_add_tail(&sp->unsync_link, &s->unsync);
	s->nr_unsync++;
	s->nr_unsync_upper += sp->role.level > 1;
}

void khv_sp_sync(struct khv_vm *vm, struct khv_sp *sp)
{
	struct khv_shadow *s = vm->mmu.shadow;

	/* First nobody writes any more, then the table is read. */
	khv_rmap_protect(s, sp->gfn);
	khv_shadow_commit(vm);
	khv_sp_set_sync(s, sp);
	compare(vm, sp);
}

void khv_sp_sync_entry(struct khv_vm *vm, struct khv_sp *sp, unsigned int index)
{
	unsigned int size = khv_sp_gpte_size(sp);
	u64 now = 0;

	if (!sp->spt[index])
		return;
	if (khv_gpa_read_atomic(vm, part_gpa(sp) + index * size, &now, size))
		khv_spte_drop(vm->mmu.shadow, sp, index);
	else
		compare_entry(vm->mmu.shadow, sp, index, now);
}

/* As khv_sp_sync(), with one flush for a few of them. */
static void sync_batch(struct khv_vm *vm, unsigned long nr)
{
	struct khv_shadow *s = vm->mmu.shadow;
	struct khv_sp *sp, *next;
	unsigned long i = 0;

	list_for_each_entry(sp, &s->unsync, unsync_link) {
		if (i++ >= nr)
			break;
		khv_rmap_protect(s, sp->gfn);
	}
	khv_shadow_commit(vm);
	list_for_each_entry_safe(sp, next, &s->unsync, unsync_link) {
		if (!nr--)
			break;
		khv_sp_set_sync(s, sp);
		compare(vm, sp);
	}
}

void khv_shadow_sync_all(struct khv_vm *vm, bool may_yield)
{
	struct khv_shadow *s = vm->mmu.shadow;
	/* New ones join at the end: those that count are gone after as many. */
	unsigned long left = s->nr_unsync, nr;

	while (left && s->nr_unsync) {
		nr = min_t(unsigned long, left, SYNC_BATCH);
		sync_batch(vm, nr);
		left -= nr;
		khv_shadow_commit(vm);
		if (may_yield)
			cond_resched_lock(&vm->mmu.lock);
	}
}

/* Nothing leads there: a guest that writes to it has another use for the memory. */
static bool unused(const struct khv_sp *sp)
{
	return hlist_empty(&sp->parents) && !sp->roots;
}

enum khv_sp_write khv_sp_may_write(struct khv_vm *vm, gfn_t gfn, bool write)
{
	struct khv_shadow *s = vm->mmu.shadow;
	struct khv_sp *sp, *next;

	for (sp = khv_sp_first(s, gfn); sp; sp = next) {
		next = khv_sp_next(sp);
		if (write && unused(sp))
			khv_sp_zap(vm, sp);
		else if (!sp->unsync && (sp->role.level > 1 || !write))
			return KHV_SP_PROTECTED;
	}
	if (!write)
		return KHV_SP_WRITABLE;
	for (sp = khv_sp_first(s, gfn); sp; sp = khv_sp_next(sp))
		set_unsync(s, sp);
	return KHV_SP_WRITABLE;
}

bool khv_sp_open(struct khv_vm *vm, gfn_t gfn)
{
	struct khv_shadow *s = vm->mmu.shadow;
	struct khv_sp *sp = khv_sp_first(s, gfn);
	bool any = sp;

	for (; sp; sp = khv_sp_next(sp))
		set_unsync(s, sp);
	return any;
}

/* Entries of @sp that were made of guest entry @n of its table: the first, and how many. */
static unsigned int entries_of(const struct khv_sp *sp, unsigned int n, unsigned int *index)
{
	if (sp->role.mode != KHV_SP_32) {
		*index = n;
		return 1;
	}
	/* A table of 1,024 entries is two of ours; a directory four, with two entries for each. */
	if (sp->role.level == 1) {
		*index = n % KHV_PT_ENTRIES;
		return n / KHV_PT_ENTRIES == sp->role.quadrant ? 1 : 0;
	}
	*index = n % (KHV_PT_ENTRIES / 2) * 2;
	return n / (KHV_PT_ENTRIES / 2) == sp->role.quadrant ? 2 : 0;
}

/* @len bytes at offset @off of the guest's table changed. */
static void drop_written(struct khv_shadow *s, struct khv_sp *sp, unsigned int off,
			 unsigned int len)
{
	unsigned int size = khv_sp_gpte_size(sp), n, index, nr;

	for (n = off / size; n <= (off + len - 1) / size; n++) {
		nr = entries_of(sp, n, &index);
		while (nr)
			khv_spte_drop(s, sp, index + --nr);
	}
}

static void page_written(struct khv_vm *vm, gpa_t gpa, unsigned int len)
{
	struct khv_shadow *s = vm->mmu.shadow;
	struct khv_sp *sp, *next;

	khv_shadow_hold(vm);
	for (sp = khv_sp_first(s, gpa >> PAGE_SHIFT); sp; sp = next) {
		next = khv_sp_next(sp);
		if (unused(sp) || (!sp->roots && ++sp->writes >= FLOOD))
			khv_sp_zap(vm, sp);
		else
			drop_written(s, sp, offset_in_page(gpa), len);
	}
	khv_shadow_unlock(vm);
}

void khv_shadow_written(struct khv_vm *vm, gpa_t gpa, unsigned long len)
{
	unsigned long part;

	if (likely(!vm->mmu.shadow))
		return;
	for (; len; gpa += part, len -= part) {
		part = min_t(unsigned long, len, PAGE_SIZE - offset_in_page(gpa));
		page_written(vm, gpa, part);
	}
}
