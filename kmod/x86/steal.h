/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Steal time: how long a vCPU waited for a CPU, told to the guest through a page of
 * its own (struct kvm_steal_time, MSR_KVM_STEAL_TIME).
 */
#ifndef KHV_X86_STEAL_H
#define KHV_X86_STEAL_H

#include <linux/types.h>

struct khv_vcpu;

/**
 * struct khv_steal - of one vCPU
 * @msr: as written: address | enable
 * @last: khv_sched_stolen() when it was last told
 * @marked: the page says that the vCPU is preempted, and perhaps more
 */
struct khv_steal {
	u64 msr;
	u64 last;
	bool marked;
};

/* MSR_KVM_STEAL_TIME is written: 0, or 1 for #GP. */
int khv_steal_set(struct khv_vcpu *vcpu, u64 data);
/* KVM_RUN begins with the MSR not zero. */
void khv_steal_enter(struct khv_vcpu *vcpu);
/* The thread gets a CPU, and loses it while it could run: in the scheduler, MSR enabled. */
void khv_steal_note_in(struct khv_vcpu *vcpu);
void khv_steal_note_out(struct khv_vcpu *vcpu);
/* KHV_REQ_STEAL_UPDATE: write the page. May sleep; vm->srcu held, inside KVM_RUN. */
void khv_steal_update(struct khv_vcpu *vcpu);

#endif
