// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow pages: where they come from, how they are found, how they go.
 *
 * A VM has a bounded number. What is used least goes first when there are too
 * many, and when the host wants memory back. Pages are allocated before mmu.lock
 * is taken, and freed under it once no vCPU uses them.
 */
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include "mmu/shadow.h"
#include "mmu/shadow_page.h"
#include "vm/memslot.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

/* Spares that are kept for the next fault. */
#define SPARES_KEPT	(4 * KHV_SP_NEED)
/* Pages that go at once when the pool is full. */
#define RECYCLE_BATCH	16
/* Guest frames for each shadow page that a VM may have by default, and the least it may. */
#define FRAMES_PER_PAGE	50
#define LIMIT_LEAST	256
/* Lists of the reverse map: a thousand leaves on each when the largest pool is in full use. */
#define RMAP_BITS	14

#define NODES_SIZE	(KHV_PT_ENTRIES * sizeof(struct hlist_node))

static void free_sp(struct khv_sp *sp)
{
	free_page((unsigned long)sp->spt);
	free_page((unsigned long)sp->gpte);
	free_pages((unsigned long)sp->node, get_order(NODES_SIZE));
	kfree(sp);
}

static struct khv_sp *alloc_sp(void)
{
	struct khv_sp *sp = kzalloc(sizeof(*sp), GFP_KERNEL_ACCOUNT);

	if (!sp)
		return NULL;
	sp->spt = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	sp->gpte = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	sp->node = (void *)__get_free_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO,
					    get_order(NODES_SIZE));
	if (!sp->spt || !sp->gpte || !sp->node) {
		free_sp(sp);
		return NULL;
	}
	set_page_private(virt_to_page(sp->spt), (unsigned long)sp);
	set_page_private(virt_to_page(sp->node), (unsigned long)sp);
	INIT_HLIST_NODE(&sp->hash);
	INIT_HLIST_NODE(&sp->region);
	INIT_HLIST_HEAD(&sp->parents);
	INIT_LIST_HEAD(&sp->lru);
	INIT_LIST_HEAD(&sp->unsync_link);
	return sp;
}

static struct hlist_head *bucket(struct khv_shadow *s, gfn_t gfn)
{
	return &s->pages[hash_64(gfn, KHV_SP_HASH_BITS)];
}

/* The first one from @node on that stands for the table at @gfn. */
static struct khv_sp *table_from(struct hlist_node *node, gfn_t gfn)
{
	struct khv_sp *sp;

	for (; node; node = node->next) {
		sp = hlist_entry(node, struct khv_sp, hash);
		if (sp->gfn == gfn && !sp->role.direct)
			return sp;
	}
	return NULL;
}

struct khv_sp *khv_sp_first(struct khv_shadow *s, gfn_t gfn)
{
	return table_from(bucket(s, gfn)->first, gfn);
}

struct khv_sp *khv_sp_next(const struct khv_sp *sp)
{
	return table_from(sp->hash.next, sp->gfn);
}

static struct hlist_head *region_bucket(struct khv_shadow *s, gfn_t gfn)
{
	return &s->regions[hash_64(gfn >> KHV_PT_BITS, KHV_SP_HASH_BITS)];
}

bool khv_sp_region_tracked(struct khv_shadow *s, gfn_t gfn)
{
	struct khv_sp *sp;

	hlist_for_each_entry(sp, region_bucket(s, gfn), region)
		if (sp->gfn >> KHV_PT_BITS == gfn >> KHV_PT_BITS)
			return true;
	return false;
}

void khv_shadow_commit(struct khv_vm *vm)
{
	struct khv_shadow *s = vm->mmu.shadow;
	struct khv_sp *sp, *next;

	lockdep_assert_held(&vm->mmu.lock);
	if (s->flush) {
		s->flush = false;
		khv_vm_flush_tlbs(vm);
	}
	list_for_each_entry_safe(sp, next, &s->doomed, lru) {
		list_del_init(&sp->lru);
		if (s->nr_spare < SPARES_KEPT) {
			list_add(&sp->lru, &s->spare);
			s->nr_spare++;
		} else {
			free_sp(sp);
		}
	}
}

void khv_shadow_hold(struct khv_vm *vm)
{
	spin_lock(&vm->mmu.lock);
	__release(&vm->mmu.lock);
}

void khv_shadow_unlock(struct khv_vm *vm)
{
	__acquire(&vm->mmu.lock);
	khv_shadow_commit(vm);
	spin_unlock(&vm->mmu.lock);
}

unsigned long khv_shadow_limit(struct khv_vm *vm)
{
	unsigned long limit = READ_ONCE(vm->mmu.shadow->limit);

	return limit ?: clamp_t(u64, khv_memslots_frames(vm) / FRAMES_PER_PAGE,
				LIMIT_LEAST, KHV_SHADOW_MOST);
}

/* More spares; not under the lock. */
static int add_spares(struct khv_vm *vm, unsigned long nr)
{
	struct khv_shadow *s = vm->mmu.shadow;
	struct khv_sp *sp;

	while (nr--) {
		sp = alloc_sp();
		if (!sp)
			return -ENOMEM;
		spin_lock(&vm->mmu.lock);
		list_add(&sp->lru, &s->spare);
		s->nr_spare++;
		spin_unlock(&vm->mmu.lock);
	}
	return 0;
}

int khv_shadow_lock(struct khv_vm *vm)
{
	struct khv_shadow *s = vm->mmu.shadow;
	unsigned long limit = khv_shadow_limit(vm), missing;
	int r;

	for (;;) {
		khv_shadow_hold(vm);
		/* Roots cannot go, and must not leave less to all others. */
		if (s->nr_pages - s->nr_roots + KHV_SP_NEED > limit) {
			khv_sp_recycle(vm, RECYCLE_BATCH);
			khv_shadow_commit(vm);
		}
		if (likely(s->nr_spare >= KHV_SP_NEED))
			return 0;
		missing = KHV_SP_NEED - s->nr_spare;
		khv_shadow_unlock(vm);
		r = add_spares(vm, missing);
		if (r)
			return r;
	}
}

static struct khv_sp *find(struct khv_shadow *s, gfn_t gfn, union khv_sp_role role)
{
	struct khv_sp *sp;

	hlist_for_each_entry(sp, bucket(s, gfn), hash)
		if (sp->gfn == gfn && sp->role.word == role.word)
			return sp;
	return NULL;
}

static struct khv_sp *take_spare(struct khv_shadow *s)
{
	struct khv_sp *sp = list_first_entry_or_null(&s->spare, struct khv_sp, lru);

	/* khv_shadow_lock() saw to it. */
	if (WARN_ON_ONCE(!sp))
		return NULL;
	list_del_init(&sp->lru);
	s->nr_spare--;
	return sp;
}

struct khv_sp *khv_sp_get(struct khv_vm *vm, gfn_t gfn, union khv_sp_role role)
{
	struct khv_shadow *s = vm->mmu.shadow;
	struct khv_sp *sp = find(s, gfn, role);

	if (sp) {
		list_move(&sp->lru, &s->lru);
		/* A new way to it leads to what the guest has now, also further down. */
		if (role.level > 1 && !role.direct)
			khv_shadow_sync_all(vm, false);
		else if (sp->unsync)
			khv_sp_sync(vm, sp);
		return sp;
	}
	sp = take_spare(s);
	if (!sp)
		return NULL;
	sp->gfn = gfn;
	sp->role = role;
	sp->writes = 0;
	sp->invalid = false;
	s->nr_pages++;
	list_add(&sp->lru, &s->lru);
	hlist_add_head(&sp->hash, bucket(s, gfn));
	if (!role.direct) {
		hlist_add_head(&sp->region, region_bucket(s, gfn));
		/* What is read of the table from now on cannot change unseen. */
		khv_rmap_protect(s, gfn);
		khv_shadow_commit(vm);
	}
	return sp;
}

static void drop_parents(struct khv_shadow *s, struct khv_sp *sp)
{
	struct khv_sp *parent;
	unsigned int index;

	while (!hlist_empty(&sp->parents)) {
		parent = khv_sp_of_node(sp->parents.first, &index);
		khv_spte_drop(s, parent, index);
	}
}

/* Vcpus that walk @sp: they find nothing there any more, and ask again. */
static void reload_roots(struct khv_vm *vm, struct khv_sp *sp)
{
	struct khv_vcpu *vcpu;
	unsigned int i, j;

	khv_for_each_vcpu(i, vcpu, vm)
		for (j = 0; j < ARRAY_SIZE(vcpu->mmu.roots); j++)
			if (vcpu->mmu.roots[j] == sp)
				khv_vcpu_request_kick(vcpu, KHV_REQ_MMU_ROOT);
}

void khv_sp_zap(struct khv_vm *vm, struct khv_sp *sp)
{
	struct khv_shadow *s = vm->mmu.shadow;
	unsigned int i;

	lockdep_assert_held(&vm->mmu.lock);
	for (i = 0; i < KHV_PT_ENTRIES; i++)
		khv_spte_drop(s, sp, i);
	drop_parents(s, sp);
	khv_sp_set_sync(s, sp);
	hlist_del_init(&sp->hash);
	hlist_del_init(&sp->region);
	list_del_init(&sp->lru);
	s->nr_pages--;
	if (sp->roots) {
		sp->invalid = true;
		s->nr_roots--;
		reload_roots(vm, sp);
	} else {
		list_add(&sp->lru, &s->doomed);
	}
}

void khv_sp_get_root(struct khv_shadow *s, struct khv_sp *sp)
{
	if (!sp->roots++)
		s->nr_roots++;
}

void khv_sp_put_root(struct khv_vm *vm, struct khv_sp *sp)
{
	struct khv_shadow *s = vm->mmu.shadow;

	if (--sp->roots)
		return;
	if (!sp->invalid) {
		s->nr_roots--;
		return;
	}
	s->flush = true;
	list_add(&sp->lru, &s->doomed);
}

unsigned long khv_sp_recycle(struct khv_vm *vm, unsigned long nr)
{
	struct khv_shadow *s = vm->mmu.shadow;
	struct khv_sp *sp, *prev;
	unsigned long gone = 0;

	list_for_each_entry_safe_reverse(sp, prev, &s->lru, lru) {
		if (gone >= nr)
			break;
		if (sp->roots)
			continue;
		khv_sp_zap(vm, sp);
		gone++;
	}
	return gone;
}

void khv_sp_free_spares(struct khv_shadow *s)
{
	struct khv_sp *sp, *next;

	list_for_each_entry_safe(sp, next, &s->spare, lru) {
		list_del(&sp->lru);
		free_sp(sp);
	}
	s->nr_spare = 0;
}

static void init_lists(struct khv_shadow *s)
{
	INIT_LIST_HEAD(&s->lru);
	INIT_LIST_HEAD(&s->unsync);
	INIT_LIST_HEAD(&s->spare);
	INIT_LIST_HEAD(&s->doomed);
}

int khv_shadow_vm_init(struct khv_vm *vm)
{
	struct khv_shadow *s = kvzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);

	if (!s)
		return -ENOMEM;
	init_lists(s);
	s->rmap_bits = RMAP_BITS;
	s->rmap = kvcalloc(BIT(RMAP_BITS), sizeof(*s->rmap), GFP_KERNEL_ACCOUNT);
	s->rmap_len = kvcalloc(BIT(RMAP_BITS), sizeof(*s->rmap_len), GFP_KERNEL_ACCOUNT);
	s->buf = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!s->rmap || !s->rmap_len || !s->buf) {
		kvfree(s->rmap);
		kvfree(s->rmap_len);
		free_page((unsigned long)s->buf);
		kvfree(s);
		return -ENOMEM;
	}
	vm->mmu.shadow = s;
	return 0;
}

void khv_shadow_vm_uninit(struct khv_vm *vm)
{
	struct khv_shadow *s = vm->mmu.shadow;
	struct khv_vcpu *vcpu;
	unsigned int i;

	/* No vCPU runs, nor will: roots are only pages now. */
	khv_for_each_vcpu(i, vcpu, vm)
		khv_shadow_vcpu_destroy(vcpu);
	list_splice_init(&s->lru, &s->spare);
	list_splice_init(&s->doomed, &s->spare);
	khv_sp_free_spares(s);
	free_page((unsigned long)s->buf);
	kvfree(s->rmap);
	kvfree(s->rmap_len);
	kvfree(s);
	vm->mmu.shadow = NULL;
}
