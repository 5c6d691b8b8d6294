/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What enter.S and its C callers share. Constants that other headers own are
 * repeated for the assembler; svm.c asserts that they are equal.
 */
#ifndef KHV_SVM_ENTER_H
#define KHV_SVM_ENTER_H

#define KHV_ENTER_VERW		1	/* bit numbers in flags */
#define KHV_ENTER_SPEC_CTRL	2

#define KHV_ENTER_FAULT		2

#define KHV_MSR_SPEC_CTRL	0x48
#define KHV_MSR_PRED_CMD	0x49
#define KHV_PRED_CMD_IBPB	1
#define KHV_VERW_SELECTOR	0x18

#if !defined(__ASSEMBLY__) && !defined(__ASSEMBLER__)
#include <linux/types.h>

int khv_svm_enter(u64 *gpr, u64 vmcb_pa, u64 host_pa, unsigned long flags,
		  u64 host_spec_ctrl, u64 guest_spec_ctrl);
#endif

#endif
