/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address types. The field's own names: guest-virtual, guest-physical, and
 * host-physical addresses, and frame numbers of the latter two.
 */
#ifndef KHV_VM_TYPES_H
#define KHV_VM_TYPES_H

#include <linux/types.h>

/* Newer kernels have these names in <linux/kvm.h>; a repeated typedef must agree with it. */
typedef unsigned long gva_t;
typedef u64 gpa_t;
typedef u64 gfn_t;
typedef u64 hpa_t;

#define KHV_INVALID_GPA	(~(gpa_t)0)

#endif
