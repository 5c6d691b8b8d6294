/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What enter.S and its C callers share. Constants that other headers own are
 * repeated for the assembler; vmx.c asserts that they are equal.
 */
#ifndef KHV_VMX_ENTER_H
#define KHV_VMX_ENTER_H

#define KHV_ENTER_LAUNCHED	0	/* bit numbers in flags */
#define KHV_ENTER_VERW		1
#define KHV_ENTER_SPEC_CTRL	2

#define KHV_ENTER_VMFAIL	1
#define KHV_ENTER_FAULT		2

#define KHV_HOST_RSP		0x6c14
#define KHV_MSR_SPEC_CTRL	0x48
#define KHV_VERW_SELECTOR	0x18

#if !defined(__ASSEMBLY__) && !defined(__ASSEMBLER__)
#include <linux/types.h>

int khv_vmx_enter(u64 *gpr, u64 *host_rsp, unsigned long flags,
		  u64 host_spec_ctrl, u64 guest_spec_ctrl);
extern const u8 khv_vmx_exit[];	/* HOST_RIP */
#endif

#endif
