/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Steal time: how long a vCPU waited for a CPU, told to the guest through a page of
 * its own (struct kvm_steal_time, MSR_KVM_STEAL_TIME).
 */
#ifndef KHV_X86_STEAL_H
#define KHV_X86_STEAL_H

#include <linux/preempt.h>
#include <linux/types.h>

struct khv_vcpu;

/**
 * struct khv_steal - of one vCPU
 * @msr: as written: address | enable
 * @last: the thread's waiting time when it was last told
 * @pid: the thread that @last is of
 * @notifier: in the list of the thread inside KVM_RUN, while @watched
 * @marked: the page says that the vCPU is preempted, and perhaps more
 */
struct khv_steal {
	u64 msr;
	u64 last;
	pid_t pid;
	bool watched, marked;
	struct preempt_notifier notifier;
};

/* MSR_KVM_STEAL_TIME is written: 0, or 1 for #GP. */
int khv_steal_set(struct khv_vcpu *vcpu, u64 data);
/* KVM_RUN begins with the MSR not zero; and ends, if the thread was watched. */
void khv_steal_enter(struct khv_vcpu *vcpu);
void khv_steal_leave(struct khv_vcpu *vcpu);
/* KHV_REQ_STEAL_UPDATE: write the page. May sleep; vm->srcu held, inside KVM_RUN. */
void khv_steal_update(struct khv_vcpu *vcpu);
/* The module goes: no vCPU is left. */
void khv_steal_exit(void);

#endif
