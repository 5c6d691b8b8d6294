/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's own page tables, walked as its processor would
 * ("SDM, Hierarchical Paging Structures").
 */
#ifndef KHV_MMU_WALKER_H
#define KHV_MMU_WALKER_H

#include "mmu/mmu.h"
#include "vm/types.h"

/*
 * With khv_walk() only: not the instruction's own operand but a descriptor table
 * or the TSS, which SMAP forbids in user pages whatever RFLAGS.AC says. Goes
 * without KHV_ACCESS_USER at any CPL.
 */
#define KHV_ACCESS_IMPLICIT	BIT(8)

#define KHV_WALK_LEVELS	4

/**
 * struct khv_walk - what a walk found
 * @gpa: the translation
 * @level: of the leaf: 1 = 4 KiB
 * @writable: all entries allow it; @user, @executable likewise
 * @error_code: when the walk failed: the #PF error code
 * @pte: when it did not: the entries it went through, by level from 1, as it left them
 * @pte_gpa: where they are. Undefined for PAE's level 3
 */
struct khv_walk {
	gpa_t gpa;
	u8 level;
	bool writable, user, executable;
	u32 error_code;
	u64 pte[KHV_WALK_LEVELS + 1];
	gpa_t pte_gpa[KHV_WALK_LEVELS + 1];
};

/*
 * Translate @gva for @access (KHV_ACCESS_WRITE/USER/FETCH) in the vCPU's current
 * paging mode (none, 32-bit, PAE, 4-level), with CR0.WP, NX, SMEP, SMAP, PKU,
 * reserved bits and A/D updates. Region closed, vm->srcu held, may sleep.
 * 0, or 1 with walk->error_code for a #PF, or -EFAULT when a table is outside memory.
 */
int khv_walk(struct khv_vcpu *vcpu, gva_t gva, u32 access, struct khv_walk *walk);

/*
 * PAE: load the four PDPTEs from guest memory at CR3 into @pdpte. 0, or 1 when
 * one is invalid (#GP). May sleep, vm->srcu held.
 */
int khv_load_pdptes(struct khv_vcpu *vcpu, u64 cr3, u64 pdpte[4]);

#endif
