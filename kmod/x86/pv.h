/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What guests do by agreement with their hypervisor, with KVM's numbers and meanings:
 * hypercalls, and the end of an interrupt by a bit in memory (MSR_KVM_PV_EOI_EN). The
 * clock is pvclock.h's, steal time and TLB flushes of preempted vCPUs are steal.h's.
 */
#ifndef KHV_X86_PV_H
#define KHV_X86_PV_H

#include <linux/types.h>

struct khv_vcpu;

/**
 * struct khv_pv - of one vCPU
 * @eoi_msr: MSR_KVM_PV_EOI_EN as written: address | enable
 * @eoi_offered: the bit there has been set for the highest interrupt in service, and not
 *	been looked at since. Never outside KVM_RUN
 * @no_polling: MSR_KVM_POLL_CONTROL: the guest polls itself before it halts
 * @unhalted: KVM_HC_KICK_CPU: the next halt ends at once. Set in any context, taken by the
 *	vCPU's own thread
 */
struct khv_pv {
	u64 eoi_msr;
	bool eoi_offered, no_polling;
	bool unhalted;
};

/* What hypercall @nr comes to. @wide: from 64-bit code. vm->srcu held; may sleep. */
u64 khv_pv_hypercall(struct khv_vcpu *vcpu, u64 nr, bool wide);

/* MSR_KVM_PV_EOI_EN is written: 0, or 1 for #GP. vm->srcu held; may sleep. */
int khv_pv_eoi_set(struct khv_vcpu *vcpu, u64 data);
/*
 * Before an entry: let the guest end the highest interrupt in service by clearing the
 * bit, if that end changes nothing else. Any context of the vCPU's own thread.
 */
void khv_pv_eoi_offer(struct khv_vcpu *vcpu);
/*
 * With @eoi_offered: has the guest taken it? Then the interrupt is ended; else the offer is
 * withdrawn. False when the memory is out of reach for now, and nothing has changed.
 * Like khv_pv_eoi_offer().
 */
bool khv_pv_eoi_settle(struct khv_vcpu *vcpu);
/* The same for good: what cannot be read is taken as ended. @may_sleep: region closed. */
void khv_pv_eoi_finish(struct khv_vcpu *vcpu, bool may_sleep);

/* @init as in khv_vcpu_reset(). */
void khv_pv_reset(struct khv_vcpu *vcpu, bool init);

#endif
