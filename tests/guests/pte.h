/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bits of 64-bit guests' page table entries, for the suites that write them by hand.
 */
#ifndef KHV_TESTS_PTE_H
#define KHV_TESTS_PTE_H

#define PTE_P		0x1ULL
#define PTE_W		0x2ULL
#define PTE_U		0x4ULL
#define PTE_A		0x20ULL
#define PTE_D		0x40ULL
#define PTE_PS		0x80ULL
#define PTE_G		0x100ULL
#define PTE_NX		(1ULL << 63)
#define CR0_WP		0x10000ULL

#endif
