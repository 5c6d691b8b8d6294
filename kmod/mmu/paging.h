/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's paging modes as a pure function: state and memory in, address or
 * page-fault error code out. walker.c feeds it from a vCPU, tests from arrays.
 */
#ifndef KHV_MMU_PAGING_H
#define KHV_MMU_PAGING_H

#include <linux/types.h>

#include "mmu/walker.h"

/**
 * struct khv_paging - all that a translation depends on, besides memory
 * @cr0: CR0
 * @cr3: CR3
 * @cr4: CR4
 * @efer: IA32_EFER with LMA
 * @pdpte: PAE's top table as the processor loaded it, or NULL: read from memory
 * @pkru: PKRU, meaningful with CR4.PKE
 * @maxphyaddr: of the guest, bits
 * @gbpages: its CPUID has 1 GiB pages
 * @pse36: its CPUID has PSE-36
 * @ac: RFLAGS.AC lets this access pass SMAP
 */
struct khv_paging {
	u64 cr0, cr3, cr4, efer;
	const u64 *pdpte;
	u32 pkru;
	u8 maxphyaddr;
	bool gbpages, pse36, ac;
};

/**
 * struct khv_paging_mem - guest-physical memory
 * @read: an aligned entry of @len (4 or 8) bytes into *val, all of it at once; 0 or -EFAULT
 * @exchange: 0, -EAGAIN when the entry was not @old, or -EFAULT when it cannot be written
 */
struct khv_paging_mem {
	int (*read)(void *ctx, gpa_t gpa, u64 *val, unsigned int len);
	int (*exchange)(void *ctx, gpa_t gpa, u64 old, u64 new, unsigned int len);
	void *ctx;
};

/* As khv_walk(), in the state @pg. */
int khv_paging_walk(const struct khv_paging *pg, const struct khv_paging_mem *mem, gva_t gva,
		    u32 access, struct khv_walk *walk);

/* Bits that a present PAE page-directory-pointer-table entry must not have. */
u64 khv_pdpte_reserved(u8 maxphyaddr);

#endif
