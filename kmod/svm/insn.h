/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SVM instructions that C code uses, one wrapper each ("APM, Volume 3: System
 * Instruction Reference"). CLGI, STGI and VMRUN are enter.S's.
 *
 * All fault unless EFER.SVME is set, so they belong inside a region.
 */
#ifndef KHV_SVM_INSN_H
#define KHV_SVM_INSN_H

#include <linux/types.h>

/* FS, GS, TR, LDTR, KERNEL_GS_BASE and the MSRs of SYSCALL and SYSENTER, to the VMCB at @pa. */
static inline void khv_vmsave(u64 pa)
{
	asm volatile("vmsave %0" : : "a" (pa) : "memory");
}

/* Forget what @asid has of the page at @gva on this CPU. */
static inline void khv_invlpga(u64 gva, u32 asid)
{
	asm volatile("invlpga %0, %1" : : "a" (gva), "c" (asid) : "memory");
}

#endif
