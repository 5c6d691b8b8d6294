/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Descriptors of the guest's GDT and LDT, and the instructions that load and store
 * where those tables are, for processors that leave them to khv. Slow, as emulate.h.
 */
#ifndef KHV_X86_DESCRIPTOR_H
#define KHV_X86_DESCRIPTOR_H

#include <linux/kvm.h>
#include <linux/types.h>

struct khv_vcpu;

#define TYPE_LDT	2
#define TYPE_BUSY	2		/* in a TSS descriptor's type */
#define TYPE_32		8
#define TYPE_TSS	1		/* 16-bit, available */

#define SELECTOR_TI	4
#define SELECTOR_RPL	3

/* Queues exception @vector with @selector as its error code, and returns 1. */
int khv_descriptor_fault(struct khv_vcpu *vcpu, u8 vector, u16 selector);
/* 0, or 1 with an exception queued: @vector when there is none such. */
int khv_descriptor_read(struct khv_vcpu *vcpu, u16 selector, u8 vector, u64 *desc);
/* Changes bits of a descriptor's type; who has read it can write it. Likewise. */
int khv_descriptor_set_type(struct khv_vcpu *vcpu, u16 selector, u8 set, u8 clear);
void khv_descriptor_decode(u64 desc, u16 selector, struct kvm_segment *s);

/* An exit of SGDT, SIDT, LGDT, LIDT, SLDT, STR, LLDT or LTR, while CR4.UMIP is set. */
int khv_intercept_descriptor(struct khv_vcpu *vcpu);

#endif
