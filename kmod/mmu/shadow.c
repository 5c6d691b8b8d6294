// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow paging as vCPUs see it: which root the hardware walks, INVLPG, and what
 * happens when others change memory. Faults are shadow_fault.c's.
 *
 * Roots need no cache of their own: a root that no vCPU uses stays where all
 * shadow pages are found, until the pool needs its page.
 */
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <asm/processor-flags.h>

#include "mmu/shadow.h"
#include "mmu/shadow_page.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/regs_inline.h"

/*
 * Tries of one instruction that the emulator does not know, each on another table
 * of the guest; and exits after which it is the same instruction, but another time.
 */
#define MAX_UNPROTECT	16

static bool is_shadow(const struct khv_vcpu *vcpu)
{
	return vcpu->vm->mmu.shadow;
}

int khv_shadow_vcpu_create(struct khv_vcpu *vcpu)
{
	struct page *page;

	vcpu->mmu.root = KHV_INVALID_GPA;
	if (!is_shadow(vcpu))
		return 0;
	/* CR3 has 32 bits outside long mode. */
	page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_DMA32);
	if (!page)
		return -ENOMEM;
	vcpu->mmu.pae_root = page_address(page);
	return 0;
}

/* Under mmu.lock. */
static void put_roots(struct khv_vcpu *vcpu)
{
	struct khv_vcpu_mmu *mmu = &vcpu->mmu;
	unsigned int i;

	mmu->root = KHV_INVALID_GPA;
	for (i = 0; i < ARRAY_SIZE(mmu->roots); i++) {
		if (mmu->roots[i])
			khv_sp_put_root(vcpu->vm, mmu->roots[i]);
		mmu->roots[i] = NULL;
	}
}

void khv_shadow_vcpu_destroy(struct khv_vcpu *vcpu)
{
	if (is_shadow(vcpu)) {
		khv_shadow_hold(vcpu->vm);
		put_roots(vcpu);
		khv_shadow_unlock(vcpu->vm);
	}
	free_page((unsigned long)vcpu->mmu.pae_root);
	vcpu->mmu.pae_root = NULL;
}

static void need_root(struct khv_vcpu *vcpu)
{
	if (is_shadow(vcpu))
		khv_request(vcpu, KHV_REQ_MMU_ROOT);
}

void khv_shadow_mode_changed(struct khv_vcpu *vcpu)
{
	need_root(vcpu);
}

void khv_shadow_new_cr3(struct khv_vcpu *vcpu)
{
	need_root(vcpu);
}

void khv_shadow_flush_guest(struct khv_vcpu *vcpu)
{
	/* Loading the root brings everything in step with the guest's tables. */
	need_root(vcpu);
}

/* The role of this vCPU's roots. */
static union khv_sp_role root_role(struct khv_vcpu *vcpu)
{
	u64 cr0 = khv_cr0(vcpu), cr4 = khv_cr4(vcpu);
	union khv_sp_role role = { .word = 0 };

	role.level = 2;
	role.access = KHV_SP_WRITE | KHV_SP_USER | KHV_SP_EXEC;
	if (!(cr0 & X86_CR0_PG)) {
		role.mode = KHV_SP_OFF;
		role.direct = true;
		role.dirty = true;
		return role;
	}
	role.wp = !!(cr0 & X86_CR0_WP);
	role.nxe = !!(vcpu->regs.efer & EFER_NX);
	role.smep_nowp = !role.wp && (cr4 & X86_CR4_SMEP);
	role.smap_nowp = !role.wp && (cr4 & X86_CR4_SMAP);
	if (khv_long_mode(vcpu)) {
		role.mode = KHV_SP_64;
		role.level = 4;
	} else if (cr4 & X86_CR4_PAE) {
		role.mode = KHV_SP_PAE;
	} else {
		role.mode = KHV_SP_32;
		role.pse = !!(cr4 & X86_CR4_PSE);
	}
	return role;
}

/* Root @i of those that @role needs. NULL: there is none, as the guest has it. */
static struct khv_sp *get_root(struct khv_vcpu *vcpu, union khv_sp_role role, unsigned int i)
{
	u64 cr3 = role.mode == KHV_SP_64 ? khv_cr3(vcpu) : (u32)khv_cr3(vcpu);
	gfn_t gfn = (cr3 & KHV_PTE_ADDR) >> PAGE_SHIFT;
	struct khv_sp *sp;

	switch (role.mode) {
	case KHV_SP_OFF:
		gfn = i * KHV_PT_FRAMES(3);
		break;
	case KHV_SP_32:
		role.quadrant = i;
		break;
	case KHV_SP_PAE:
		if (!(vcpu->regs.pdpte[i] & KHV_PTE_P))
			return NULL;
		gfn = (vcpu->regs.pdpte[i] & KHV_PTE_ADDR) >> PAGE_SHIFT;
		break;
	}
	sp = khv_sp_get(vcpu->vm, gfn, role);
	if (sp)
		khv_sp_get_root(vcpu->vm->mmu.shadow, sp);
	return sp;
}

/* Under mmu.lock, with spare pages. */
static void build_root(struct khv_vcpu *vcpu)
{
	struct khv_vcpu_mmu *mmu = &vcpu->mmu;
	union khv_sp_role role = root_role(vcpu);
	unsigned int i;

	put_roots(vcpu);
	mmu->role = role;
	if (role.mode == KHV_SP_64) {
		mmu->roots[0] = get_root(vcpu, role, 0);
		if (mmu->roots[0])
			mmu->root = __sme_set(__pa(mmu->roots[0]->spt));
		return;
	}
	for (i = 0; i < ARRAY_SIZE(mmu->roots); i++) {
		mmu->roots[i] = get_root(vcpu, role, i);
		mmu->pae_root[i] = mmu->roots[i] ?
				   __sme_set(__pa(mmu->roots[i]->spt)) | KHV_PTE_P : 0;
	}
	mmu->root = __sme_set(__pa(mmu->pae_root));
}

int khv_shadow_load_root(struct khv_vcpu *vcpu)
{
	struct khv_vm *vm = vcpu->vm;
	int r;

	if (!is_shadow(vcpu))
		return RESUME_GUEST;
	/* They may have to be fetched, and not under the lock. */
	khv_cr0(vcpu);
	khv_cr3(vcpu);
	khv_cr4(vcpu);
	/* First, as long as the lock can be given up: little is left for later. */
	khv_shadow_hold(vm);
	khv_shadow_sync_all(vm, true);
	khv_shadow_unlock(vm);
	r = khv_shadow_lock(vm);
	if (r)
		return r;
	build_root(vcpu);
	khv_shadow_sync_all(vm, false);
	khv_shadow_unlock(vm);
	if (WARN_ON_ONCE(vcpu->mmu.root == KHV_INVALID_GPA))
		return -EIO;
	khv_hw->load_root(vcpu, vcpu->mmu.root);
	khv_hw->flush_tlb(vcpu);
	return RESUME_GUEST;
}

/* The shadow page with the 4-KiB leaf of @gva, or NULL. */
static struct khv_sp *last_level(struct khv_vcpu *vcpu, gva_t gva)
{
	unsigned int i = vcpu->mmu.role.mode == KHV_SP_64 ? 0 : (gva >> 30) & 3;
	struct khv_sp *sp = vcpu->mmu.roots[i];
	u64 spte;

	while (sp && sp->role.level > 1) {
		spte = sp->spt[khv_sp_index(gva, sp->role.level)];
		if (!spte || khv_spte_leaf(spte, sp->role.level))
			return NULL;
		sp = khv_sp_child(spte);
	}
	return sp;
}

void khv_shadow_invlpg(struct khv_vcpu *vcpu, gva_t gva)
{
	struct khv_sp *sp;

	if (is_shadow(vcpu)) {
		khv_shadow_hold(vcpu->vm);
		/* What a processor caches of upper tables goes whatever the address. */
		if (unlikely(vcpu->vm->mmu.shadow->nr_unsync_upper))
			khv_shadow_sync_all(vcpu->vm, true);
		sp = last_level(vcpu, gva);
		if (sp && sp->unsync)
			khv_sp_sync_entry(vcpu->vm, sp, khv_sp_index(gva, 1));
		khv_shadow_unlock(vcpu->vm);
	}
	khv_hw->flush_gva(vcpu, gva);
}

bool khv_shadow_unprotect(struct khv_vcpu *vcpu, gpa_t gpa)
{
	struct khv_vcpu_mmu *mmu = &vcpu->mmu;
	bool any;

	if (!is_shadow(vcpu) || gpa == KHV_INVALID_GPA)
		return false;
	/* A write that keeps coming back needs something else. */
	if (mmu->unprotect_rip != khv_rip(vcpu) ||
	    vcpu->stats.exits - mmu->unprotect_exits > MAX_UNPROTECT) {
		mmu->unprotect_rip = khv_rip(vcpu);
		mmu->unprotect_count = 0;
	}
	mmu->unprotect_exits = vcpu->stats.exits;
	if (mmu->unprotect_count++ >= MAX_UNPROTECT)
		return false;
	khv_shadow_hold(vcpu->vm);
	any = khv_sp_open(vcpu->vm, gpa >> PAGE_SHIFT);
	khv_shadow_unlock(vcpu->vm);
	return any;
}

void khv_shadow_forget(struct khv_vm *vm, gfn_t start, gfn_t end)
{
	struct khv_shadow *s = vm->mmu.shadow;
	struct hlist_node *next;
	struct khv_sp *sp;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(s->pages); i++) {
		khv_shadow_hold(vm);
		hlist_for_each_entry_safe(sp, next, &s->pages[i], hash)
			if (sp->gfn >= start && sp->gfn < end)
				khv_sp_zap(vm, sp);
		khv_shadow_unlock(vm);
		cond_resched();
	}
}

void khv_shadow_set_limit(struct khv_vm *vm, unsigned long limit)
{
	struct khv_shadow *s = vm->mmu.shadow;
	unsigned long gone;

	if (!s)
		return;
	limit = min(limit, KHV_SHADOW_MOST);
	WRITE_ONCE(s->limit, limit);
	do {
		khv_shadow_hold(vm);
		gone = s->nr_pages > limit ? khv_sp_recycle(vm, 16) : 0;
		khv_shadow_unlock(vm);
		cond_resched();
	} while (gone);
}
