/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shadow paging: tables that translate guest-virtual to host-physical addresses,
 * built from the guest's own, for processors without nested paging (and for
 * nested_paging=0).
 *
 * The guest's CR0, CR3, CR4 and EFER are not the hardware's: that always runs
 * with paging, WP and NX on, in the guest's width (PAE tables outside long mode,
 * 4 levels in it), on the root that khv_hw->load_root() was given.
 */
#ifndef KHV_MMU_SHADOW_H
#define KHV_MMU_SHADOW_H

#include <linux/types.h>

#include "mmu/mmu.h"
#include "vm/types.h"

struct khv_vm;
struct khv_vcpu;
struct khv_shadow;
struct khv_sp;

/* How the guest walks its tables; OFF: it does not. */
enum khv_sp_mode { KHV_SP_OFF, KHV_SP_32, KHV_SP_PAE, KHV_SP_64 };

#define KHV_SP_WRITE	BIT(0)
#define KHV_SP_USER	BIT(1)
#define KHV_SP_EXEC	BIT(2)

/**
 * struct khv_sp_role - all that a shadow page's content depends on, besides the guest's table
 * @level: of our table, 1 to 4
 * @mode: enum khv_sp_mode
 * @direct: stands for frames, not for a table of the guest's
 * @quadrant: 32-bit tables have 1,024 entries: which part of it
 * @access: KHV_SP_*: what the guest's entries above allow
 * @dirty: direct: the guest's large page may be mapped writable, for its dirty bit is set
 * @wp: CR0.WP
 * @nxe: EFER.NX
 * @pse: CR4.PSE of 32-bit paging
 * @smep_nowp: CR4.SMEP with CR0.WP clear
 * @smap_nowp: CR4.SMAP with CR0.WP clear
 */
union khv_sp_role {
	u32 word;
	struct {
		u32 level : 3;
		u32 mode : 2;
		u32 direct : 1;
		u32 quadrant : 2;
		u32 access : 3;
		u32 dirty : 1;
		u32 wp : 1;
		u32 nxe : 1;
		u32 pse : 1;
		u32 smep_nowp : 1;
		u32 smap_nowp : 1;
	};
};

/**
 * struct khv_vcpu_mmu - of one vCPU; written by its own thread, under mmu.lock
 * @root: what the hardware walks, KHV_INVALID_GPA when KHV_REQ_MMU_ROOT is due
 * @roots: the shadow pages where it starts: the first one in long mode, else one
 *	for each GiB
 * @pae_root: the table of those four, below 4 GiB
 * @role: of the roots
 * @again_gva: address of a fault that changed nothing, with @again_rip and @again_exits
 * @again_rip: the instruction
 * @again_exits: vcpu->stats.exits then
 * @unprotect_rip: instruction for which tables were last given up
 * @unprotect_exits: vcpu->stats.exits then
 * @unprotect_count: how often in a row
 */
struct khv_vcpu_mmu {
	hpa_t root;
	struct khv_sp *roots[4];
	u64 *pae_root;
	union khv_sp_role role;
	gva_t again_gva;
	u64 again_rip, again_exits;
	u64 unprotect_rip, unprotect_exits;
	unsigned int unprotect_count;
};

/* Parts of khv_mmu_vm_init() and _uninit(), without nested paging. 0 or -errno. */
int khv_shadow_vm_init(struct khv_vm *vm);
void khv_shadow_vm_uninit(struct khv_vm *vm);
int khv_shadow_vcpu_create(struct khv_vcpu *vcpu);
void khv_shadow_vcpu_destroy(struct khv_vcpu *vcpu);

/*
 * The guest's registers changed. All three only note it and make KHV_REQ_MMU_ROOT
 * where another root is needed; with nested paging they do nothing. vcpu->lock held.
 */
void khv_shadow_mode_changed(struct khv_vcpu *vcpu);	/* CR0, CR4, EFER, CPUID */
void khv_shadow_new_cr3(struct khv_vcpu *vcpu);
void khv_shadow_flush_guest(struct khv_vcpu *vcpu);	/* as CR3 loads and CR4.PGE flush */

/*
 * KHV_REQ_MMU_ROOT: find or build the root for the guest's paging mode and CR3
 * and hand it to khv_hw->load_root(). Region closed, vm->srcu held, may sleep.
 * RESUME_GUEST, EXIT_TO_USER or -errno.
 */
int khv_shadow_load_root(struct khv_vcpu *vcpu);

/*
 * The hardware met a page fault at @gva on the shadow tables. Same context.
 * RESUME_GUEST (a shadow entry was made, or the guest's own #PF queued),
 * KHV_FAULT_EMULATE with *gpa, or -errno as khv_mmu_fault().
 */
int khv_shadow_fault(struct khv_vcpu *vcpu, gva_t gva, u32 error_code, gpa_t *gpa);

/* The guest's INVLPG. Same context. Includes khv_hw->flush_gva(). */
void khv_shadow_invlpg(struct khv_vcpu *vcpu, gva_t gva);

/*
 * khv itself wrote @len bytes of guest memory, which the hardware does not see:
 * shadows of a page table there must follow. Under vm->srcu, may sleep. Cheap when
 * nothing there is shadowed.
 */
void khv_shadow_written(struct khv_vm *vm, gpa_t gpa, unsigned long len);

/*
 * The instruction at RIP writes to @gpa and cannot be emulated. True when it is
 * worth another try: a table there may get out of step now.
 */
bool khv_shadow_unprotect(struct khv_vcpu *vcpu, gpa_t gpa);

/* Memory slots changed: guest tables in [start, end) are not what they were. May sleep. */
void khv_shadow_forget(struct khv_vm *vm, gfn_t start, gfn_t end);

/* Shadow pages that the VM may have; and the client's choice. vm->srcu held for the first. */
#define KHV_SHADOW_LEAST	64
#define KHV_SHADOW_MOST		32768UL
unsigned long khv_shadow_limit(struct khv_vm *vm);
void khv_shadow_set_limit(struct khv_vm *vm, unsigned long limit);

/* The shrinker of all VMs' shadow pages, at load and unload. 0 or -errno. */
int khv_shadow_shrinker_init(void);
void khv_shadow_shrinker_exit(void);

/* khv_mmu_range() and khv_mmu_protect() for shadow tables. */
bool khv_shadow_range(struct khv_vm *vm, gfn_t start, gfn_t end, enum khv_pt_op op,
		      bool may_sleep);
void khv_shadow_protect(struct khv_vm *vm, gfn_t gfn, const unsigned long *bits, unsigned long nr);

#endif
