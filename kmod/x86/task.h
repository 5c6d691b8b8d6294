/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Task switches, which no processor makes in a guest by itself.
 */
#ifndef KHV_X86_TASK_H
#define KHV_X86_TASK_H

#include <linux/types.h>

struct khv_vcpu;

/* Why; VMX numbers them so. */
enum khv_task_reason { KHV_TASK_CALL, KHV_TASK_IRET, KHV_TASK_JMP, KHV_TASK_GATE };

/*
 * Switch to the task whose TSS @selector names. @insn_len: length of the instruction
 * that asked for it, 0 when it was an exception or interrupt; that one is
 * events.active (KHV_TASK_GATE) and is delivered by this. Slow: region closed,
 * vm->srcu held. An enum khv_result or -errno.
 */
int khv_task_switch(struct khv_vcpu *vcpu, u16 selector, enum khv_task_reason reason,
		    u32 insn_len);

#endif
