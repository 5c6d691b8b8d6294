/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites of 64-bit guests that change their page tables share: frames
 * with a stamp each, a view of them in PML4 entry 1, and accesses that tell the
 * error code of their fault.
 */
#ifndef KHV_TESTS_PAGETABLES_H
#define KHV_TESTS_PAGETABLES_H

#include "guest_cpu.h"
#include "guests.h"
#include "pte.h"

#define RW		(PTE_P | PTE_W)
#define RWU		(PTE_P | PTE_W | PTE_U)
#define CR4_PGE		0x80ULL

#define VIEW		0x8000000000UL
#define PT_SPAN		0x200000UL		/* what a page table maps */

/* 2 MiB of memory in 512 frames, of which the first 64 are stamped. */
#define FRAMES		0x200000UL
#define FRAME(n)	(FRAMES + (n) * 4096UL)
#define STAMP(n)	(0x1000UL + (n))
#define SEES(va, n)	GUEST_EQ(*(volatile uint64_t *)(va), STAMP(n))

extern volatile uint64_t view_pdpt[512], view_pd[512], view_pt[512];

/* Stamps the frames and maps the first one at VIEW, by 4 KiB tables. */
void view_start(void);

static inline void flush(void)
{
	write_cr3(read_cr3());
}

/* The page fault's error code, another vector << 16, or ALLOWED. Writes go to va + 8. */
#define ALLOWED		0x100
uint32_t read_at(uint64_t va);
uint32_t write_at(uint64_t va);
uint32_t fetch_at(uint64_t va);

#endif
