// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest walker's hold on a vCPU: its paging state and its memory. How the
 * tables are read is paging.c's business.
 */
#include <linux/kernel.h>

#include <asm/fpu/types.h>
#include <asm/pgtable_types.h>
#include <asm/processor.h>

#include "mmu/paging.h"
#include "mmu/walker.h"
#include "vm/memslot.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/regs_inline.h"

static int mem_read(void *ctx, gpa_t gpa, u64 *val, unsigned int len)
{
	struct khv_vcpu *vcpu = ctx;

	/* Where there is no memory, a processor reads ones: reserved bits, mostly. */
	if (!khv_memslot_find(vcpu->vm, gpa >> PAGE_SHIFT)) {
		*val = len == 8 ? U64_MAX : U32_MAX;
		return 0;
	}
	return khv_gpa_read_once(vcpu->vm, gpa, val, len);
}

static int mem_cmpxchg(void *ctx, gpa_t gpa, u64 old, u64 new, unsigned int len)
{
	struct khv_vcpu *vcpu = ctx;

	/* Accessed and dirty bits are no news to shadows of the table. */
	return khv_gpa_cmpxchg_quiet(vcpu->vm, gpa, &old, new, len);
}

/* "SDM, XSAVE Area": PKRU is component 9, at an offset that CPUID tells; 0 when not in the area. */
static u32 saved_pkru(struct khv_vcpu *vcpu)
{
	static unsigned int offset;
	const struct xregs_state *area = vcpu->xstate.area;
	u32 eax, ebx, ecx, edx;

	if (!area || !(area->header.xfeatures & XFEATURE_MASK_PKRU))
		return 0;
	if (!READ_ONCE(offset)) {
		cpuid_count(0xd, XFEATURE_PKRU, &eax, &ebx, &ecx, &edx);
		WRITE_ONCE(offset, ebx);
	}
	return *(const u32 *)((const u8 *)area + READ_ONCE(offset));
}

int khv_walk(struct khv_vcpu *vcpu, gva_t gva, u32 access, struct khv_walk *walk)
{
	struct khv_paging_mem mem = { .read = mem_read, .exchange = mem_cmpxchg, .ctx = vcpu };
	struct khv_paging pg = {
		.cr0 = khv_cr0(vcpu),
		.cr3 = khv_cr3(vcpu),
		.cr4 = khv_cr4(vcpu),
		.efer = vcpu->regs.efer,
		.maxphyaddr = vcpu->cpuid.maxphyaddr ?: 36,
		.gbpages = khv_has(vcpu, PDPE1GB),
		.pse36 = khv_has(vcpu, PSE36),
		/* With nested paging the hardware may load them unseen. */
		.pdpte = khv_caps.nested_paging ? NULL : vcpu->regs.pdpte,
	};

	if (pg.cr4 & X86_CR4_PKE)
		pg.pkru = saved_pkru(vcpu);
	/* At CPL 3 a supervisor access is never the instruction's own, so AC does not count. */
	if (pg.cr4 & X86_CR4_SMAP)
		pg.ac = (khv_rflags(vcpu) & X86_EFLAGS_AC) && khv_hw->get_cpl(vcpu) < 3;
	return khv_paging_walk(&pg, &mem, gva, access, walk);
}

int khv_load_pdptes(struct khv_vcpu *vcpu, u64 cr3, u64 pdpte[4])
{
	u64 rsvd = khv_pdpte_reserved(vcpu->cpuid.maxphyaddr ?: 36);
	gpa_t table = cr3 & GENMASK_ULL(31, 5);
	int i;

	for (i = 0; i < 4; i++) {
		if (khv_gpa_read_once(vcpu->vm, table + i * 8, &pdpte[i], 8))
			return 1;
		if ((pdpte[i] & _PAGE_PRESENT) && (pdpte[i] & rsvd))
			return 1;
	}
	return 0;
}
