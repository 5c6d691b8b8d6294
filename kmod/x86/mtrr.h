/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory types that the guest configures: MTRRs and the PAT.
 *
 * They are kept and checked, and change nothing: guest memory is ordinary
 * write-back memory, and khv passes no device through.
 */
#ifndef KHV_X86_MTRR_H
#define KHV_X86_MTRR_H

#include <linux/types.h>

struct khv_vcpu;

#define KHV_NR_VAR_MTRRS	8

/* A value that the processor accepts for IA32_PAT. */
bool khv_pat_valid(u64 data);

/* MSRs of the MTRR ranges. 0, 1 for #GP, -ENOENT when @index is none of them. */
int khv_mtrr_read(struct khv_vcpu *vcpu, u32 index, u64 *data);
int khv_mtrr_write(struct khv_vcpu *vcpu, u32 index, u64 data);

#endif
