// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page fault on shadow tables: walk the guest's tables, find the host page, and
 * make the entries that lead to it.
 *
 * The guest's tables are read without any lock, so under it each entry is read
 * again, once its table is write-protected (or known to be out of step): what
 * was used then still holds, or the guest tries again.
 */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <asm/processor-flags.h>

#include "mmu/hostpage.h"
#include "mmu/shadow.h"
#include "mmu/shadow_page.h"
#include "mmu/walker.h"
#include "vm/memslot.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/event.h"
#include "x86/regs_inline.h"

/* With paging off all is one huge page. */
#define LEVEL_OFF	(KHV_WALK_LEVELS + 1)

/* Pages out of step that one hold of the lock may have to compare. */
#define UNSYNC_MOST	256UL

/**
 * struct shadow_fault - one fault
 * @vcpu: whose
 * @gva: where
 * @access: KHV_ACCESS_*
 * @walk: what the guest's tables say
 * @host: the host page
 * @changed: the leaf is not what it was
 */
struct shadow_fault {
	struct khv_vcpu *vcpu;
	gva_t gva;
	u32 access;
	struct khv_walk walk;
	struct khv_hostpage host;
	bool changed;
};

static bool smap_nowp(const struct khv_vcpu *vcpu)
{
	return vcpu->mmu.role.smap_nowp;
}

/* The guest's dirty bit is set; by the walk itself if it is for a write. */
static bool is_dirty(const struct shadow_fault *f)
{
	return f->walk.level == LEVEL_OFF || (f->access & KHV_ACCESS_WRITE) ||
	       (f->walk.pte[f->walk.level] & KHV_PTE_D);
}

/* What the guest's entries from the top to @level allow: KHV_SP_*. */
static u32 access_above(const struct shadow_fault *f, unsigned int mode, unsigned int level)
{
	/* PAE's top entries say nothing. */
	unsigned int l = mode == KHV_SP_64 ? 4 : 2;
	u32 access = KHV_SP_WRITE | KHV_SP_USER | KHV_SP_EXEC;

	for (; l >= level; l--) {
		if (!(f->walk.pte[l] & KHV_PTE_W))
			access &= ~KHV_SP_WRITE;
		if (!(f->walk.pte[l] & KHV_PTE_U))
			access &= ~KHV_SP_USER;
		if (mode != KHV_SP_32 && (f->walk.pte[l] & KHV_PTE_NX))
			access &= ~KHV_SP_EXEC;
	}
	return access;
}

/* Is the entry of level @level, in the table that @sp stands for, what the walk found? */
static bool gpte_holds(const struct shadow_fault *f, const struct khv_sp *sp)
{
	unsigned int level = sp->role.level;
	u64 now = 0;

	if (sp->role.direct)
		return true;
	if (khv_gpa_read_atomic(f->vcpu->vm, f->walk.pte_gpa[level], &now, khv_sp_gpte_size(sp)))
		return false;
	return now == f->walk.pte[level];
}

static u64 gpte_for(const struct shadow_fault *f, const struct khv_sp *sp)
{
	return sp->role.direct ? 0 : f->walk.pte[sp->role.level];
}

/* The page below @sp on the way to the leaf, and its frame. */
static union khv_sp_role child_role(const struct shadow_fault *f, const struct khv_sp *sp,
				    gfn_t *gfn)
{
	union khv_sp_role role = sp->role;
	unsigned int level = sp->role.level;

	role.level--;
	role.quadrant = 0;
	if (level > f->walk.level) {
		*gfn = (f->walk.pte[level] & KHV_PTE_ADDR) >> PAGE_SHIFT;
		role.access = access_above(f, role.mode, level);
		if (role.mode == KHV_SP_32)
			role.quadrant = khv_sp_index(f->gva, 2) & 1;
		return role;
	}
	*gfn = f->host.gfn & ~(KHV_PT_FRAMES(level) - 1);
	role.direct = true;
	role.access = (f->walk.writable ? KHV_SP_WRITE : 0) | (f->walk.user ? KHV_SP_USER : 0) |
		      (f->walk.executable ? KHV_SP_EXEC : 0);
	role.dirty = is_dirty(f);
	return role;
}

/* Make the entry at @index of @sp lead to the table that it should. NULL: try again. */
static struct khv_sp *descend(struct shadow_fault *f, struct khv_sp *sp, unsigned int index)
{
	struct khv_vm *vm = f->vcpu->vm;
	struct khv_sp *child;
	union khv_sp_role role;
	u64 spte = sp->spt[index];
	gfn_t gfn;

	role = child_role(f, sp, &gfn);
	if (spte && !khv_spte_leaf(spte, sp->role.level)) {
		child = khv_sp_child(spte);
		if (child->gfn == gfn && child->role.word == role.word) {
			child->writes = 0;
			sp->gpte[index] = gpte_for(f, sp);
			return child;
		}
	}
	khv_spte_drop(vm->mmu.shadow, sp, index);
	child = khv_sp_get(vm, gfn, role);
	/* That may have taken @sp for in step with the guest's table, which changed before. */
	if (!child || !gpte_holds(f, sp))
		return NULL;
	khv_spte_link(vm->mmu.shadow, sp, index, child, gpte_for(f, sp));
	return child;
}

/* Can the leaf be in @sp, or must it be further down? */
static bool leaf_fits(const struct shadow_fault *f, const struct khv_sp *sp)
{
	const struct khv_mmu *mmu = &f->vcpu->vm->mmu;

	if (sp->role.level == 1)
		return true;
	return sp->role.level == 2 && f->walk.level >= 2 && khv_hostpage_fits(&f->host, 2) &&
	       !(f->walk.executable && mmu->nx_large) &&
	       !khv_sp_region_tracked(mmu->shadow, f->host.gfn);
}

/*
 * What the leaf may allow. Hardware runs with CR0.WP set; a guest that has it
 * clear writes, as supervisor, to pages that are read-only: such a page becomes
 * a writable one of the supervisor's, until user mode comes back to it. That must
 * not make it executable where SMEP forbids to execute user pages.
 */
static u64 leaf_rights(struct shadow_fault *f)
{
	bool w = f->walk.writable, u = f->walk.user, x = f->walk.executable;
	bool write = f->access & KHV_ACCESS_WRITE;

	if (write && !w) {
		w = true;
		x &= !u || !f->vcpu->mmu.role.smep_nowp;
		u = false;
	}
	w = w && is_dirty(f) && khv_hostpage_may_write(&f->host);
	return (w ? KHV_PTE_W : 0) | (u ? KHV_PTE_U : 0) | (x ? 0 : KHV_PTE_NX);
}

/* The host's PAT is in force: without cache bits it is write-back, with both uncached. */
static u64 leaf(u64 pfn, u64 rights, bool cached)
{
	return __sme_set(pfn << PAGE_SHIFT) | rights | KHV_PTE_P | KHV_PTE_A | KHV_PTE_D |
	       (cached ? 0 : KHV_PTE_PCD | KHV_PTE_PWT);
}

/*
 * Leaves for those pages around the one asked for that the host has, and has dirty
 * if they can be written. In a direct page that takes nothing from the guest's tables.
 */
static void fill_group(struct shadow_fault *f, struct khv_sp *sp)
{
	const u64 rw = _PAGE_RW | _PAGE_DIRTY;
	struct khv_vm *vm = f->vcpu->vm;
	u64 flags, rights, index;
	gfn_t gfn;
	int i;

	for (i = 0; i < KHV_PT_GROUP; i++) {
		flags = pte_flags(f->host.group[i]);
		gfn = f->host.first + i;
		index = gfn - sp->gfn;
		if (index >= KHV_PT_ENTRIES || sp->spt[index] || !khv_hostpage_is_user(flags) ||
		    !khv_hostpage_in_slot(f->host.slot, gfn))
			continue;
		rights = (f->walk.user ? KHV_PTE_U : 0) | (f->walk.executable ? 0 : KHV_PTE_NX);
		if (f->walk.writable && is_dirty(f) && khv_hostpage_group_may_write(&f->host) &&
		    (flags & rw) == rw &&
		    khv_sp_may_write(vm, gfn, false) == KHV_SP_WRITABLE)
			rights |= KHV_PTE_W;
		khv_spte_set_leaf(vm->mmu.shadow, sp, index,
				  leaf(pte_pfn(f->host.group[i]), rights,
				       !(flags & _PAGE_CACHE_MASK)), 0);
	}
}

static int set_leaf(struct shadow_fault *f, struct khv_sp *sp, unsigned int index)
{
	struct khv_vm *vm = f->vcpu->vm;
	u64 rights = leaf_rights(f), pfn = f->host.pfn;
	bool write = f->access & KHV_ACCESS_WRITE;
	int r = RESUME_GUEST;

	if (sp->role.level == 1 && (rights & KHV_PTE_W) &&
	    khv_sp_may_write(vm, f->host.gfn, write) == KHV_SP_PROTECTED) {
		rights &= ~KHV_PTE_W;
		if (write)
			r = KHV_FAULT_EMULATE;
	}
	/* Unused shadows of the frame went, and this may be one: what led here can have gone first. */
	if (hlist_unhashed(&sp->hash))
		return RESUME_GUEST;
	if (sp->role.level > 1) {
		pfn &= ~(KHV_PT_FRAMES(2) - 1);
		rights |= KHV_PTE_PS;
	}
	f->changed = khv_spte_set_leaf(vm->mmu.shadow, sp, index,
				       leaf(pfn, rights, f->host.cached), gpte_for(f, sp));
	if (sp->role.direct && sp->role.level == 1 && f->host.grouped)
		fill_group(f, sp);
	return r;
}

static struct khv_sp *root_for(const struct shadow_fault *f)
{
	const struct khv_vcpu_mmu *mmu = &f->vcpu->mmu;
	unsigned int i = mmu->role.mode == KHV_SP_64 ? 0 : (f->gva >> 30) & 3;

	if (mmu->root == KHV_INVALID_GPA || !mmu->roots[i] || mmu->roots[i]->invalid)
		return NULL;
	return mmu->roots[i];
}

/* Under the lock. RESUME_GUEST or KHV_FAULT_EMULATE. */
static int map(struct shadow_fault *f)
{
	struct khv_sp *sp = root_for(f);
	unsigned int index;

	/* What stands in the way here is not there when the guest tries again. */
	f->changed = true;
	while (sp) {
		if (!gpte_holds(f, sp))
			break;
		index = khv_sp_index(f->gva, sp->role.level);
		if (leaf_fits(f, sp))
			return set_leaf(f, sp, index);
		sp = descend(f, sp, index);
	}
	return RESUME_GUEST;
}

/*
 * The fault changed nothing: it was another vCPU's work, or the TLB's; or, with
 * SMAP, an access to a descriptor table, which RFLAGS.AC does not help. The
 * hardware does not tell that from others. When it comes again it is that.
 */
static int unchanged(struct shadow_fault *f)
{
	struct khv_vcpu_mmu *mmu = &f->vcpu->mmu;
	u64 rip = khv_rip(f->vcpu);
	struct khv_walk walk;

	if (mmu->again_gva != f->gva || mmu->again_rip != rip ||
	    mmu->again_exits + 1 != f->vcpu->stats.exits) {
		mmu->again_gva = f->gva;
		mmu->again_rip = rip;
		mmu->again_exits = f->vcpu->stats.exits;
		return RESUME_GUEST;
	}
	if (!(f->access & (KHV_ACCESS_USER | KHV_ACCESS_FETCH)) &&
	    khv_walk(f->vcpu, f->gva, f->access | KHV_ACCESS_IMPLICIT, &walk) > 0)
		khv_queue_pf(f->vcpu, f->gva, walk.error_code);
	return RESUME_GUEST;
}

/* 0, RESUME_GUEST when the guest gets its #PF, or -errno. */
static int walk_guest(struct shadow_fault *f)
{
	int r;

	if (!khv_paging(f->vcpu)) {
		f->walk = (struct khv_walk) {
			.gpa = (u32)f->gva, .level = LEVEL_OFF,
			.writable = true, .user = true, .executable = true,
		};
		return 0;
	}
	r = khv_walk(f->vcpu, f->gva, f->access, &f->walk);
	if (r <= 0)
		return r;
	f->vcpu->stats.pf_guest++;
	khv_queue_pf(f->vcpu, f->gva, f->walk.error_code);
	return RESUME_GUEST;
}

/*
 * khv_sp_get() brings all that is out of step back in one hold of the lock, since a walk is under
 * way. A guest can make it as many as it has tables; here the lock can be given up.
 */
static void limit_unsync(struct khv_vm *vm)
{
	unsigned long most = min(khv_shadow_limit(vm) / 8, UNSYNC_MOST);

	if (likely(READ_ONCE(vm->mmu.shadow->nr_unsync) <= most))
		return;
	khv_shadow_hold(vm);
	khv_shadow_sync_all(vm, true);
	khv_shadow_unlock(vm);
}

static int map_locked(struct shadow_fault *f)
{
	struct khv_vm *vm = f->vcpu->vm;
	int r;

	limit_unsync(vm);
	r = khv_shadow_lock(vm);
	if (r)
		return r;
	if (khv_hostpage_stale(&vm->mmu, &f->host, min(f->host.level, 2)))
		f->changed = true;
	else
		r = map(f);
	khv_shadow_unlock(vm);
	return r ?: RESUME_GUEST;
}

static int handle(struct khv_vcpu *vcpu, gva_t gva, u32 error_code, gpa_t *gpa)
{
	struct shadow_fault f = {
		.vcpu = vcpu,
		.gva = gva,
		.access = error_code & (KHV_ACCESS_WRITE | KHV_ACCESS_USER | KHV_ACCESS_FETCH),
	};
	int r;

	r = walk_guest(&f);
	if (r)
		return r;
	*gpa = f.walk.gpa;
	/* Not even a supervisor's page would do: SMAP asks for RFLAGS.AC each time. */
	if (smap_nowp(vcpu) && (f.access & KHV_ACCESS_WRITE) && !f.walk.writable && f.walk.user)
		return KHV_FAULT_EMULATE;

	r = khv_hostpage_find(vcpu, &f.host, f.walk.gpa >> PAGE_SHIFT, f.access);
	if (!r)
		r = map_locked(&f);
	if (r == -EAGAIN) {
		/* Someone is changing this memory: let them get on with it. */
		cond_resched();
		return RESUME_GUEST;
	}
	if (r == KHV_FAULT_EMULATE && vcpu->events.active.kind != KHV_EVENT_NONE &&
	    khv_shadow_unprotect(vcpu, f.walk.gpa))
		return RESUME_GUEST;
	if (r == RESUME_GUEST && !f.changed)
		return unchanged(&f);
	return r;
}

int khv_shadow_fault(struct khv_vcpu *vcpu, gva_t gva, u32 error_code, gpa_t *gpa)
{
	int r = handle(vcpu, gva, error_code, gpa);

	khv_mmu_note_fault(vcpu, gva, error_code, r);
	return r;
}
