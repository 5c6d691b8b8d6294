/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the 32-bit guest of pagetables32.c finds things; for C and assembly.
 */
#ifndef KHV_TESTS_PAGETABLES32_H
#define KHV_TESTS_PAGETABLES32_H

#define PT32_END_PORT	0x6e4
#define PT32_IDT	0x200000
#define PT32_TSS	0x202000
#define PT32_STACK	0x204000
#define PT32_USER_STACK	0x206000
#define PT32_STEPS	0x300000	/* up to 0x400000 */
#define PT32_ALLOWED	0x100		/* what an access comes to, else an error code */

#endif
