// SPDX-License-Identifier: GPL-2.0-only
/*
 * Halt polling: a vCPU that halts looks out for the end of that for a while before its
 * thread sleeps, since many halts are shorter than it takes to sleep and wake.
 *
 * How long, it learns from the halts before: longer after those that a longer look would
 * have met, not at all after those far beyond the VM's limit. The time is that of the vCPU's
 * own thread, and only what nobody else wants of its CPU: a cap's slice that is over, or a
 * slot that is another gang's, ends it.
 */
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>

#include "vm/vcpu.h"
#include "vm/vm.h"

#define FIRST_POLL_NS	10000

static unsigned int halt_poll_ns = 200000;
module_param(halt_poll_ns, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns, "longest that a halted vCPU polls, for VMs created from now on (default: 200000)");

u32 khv_halt_poll_limit(void)
{
	return READ_ONCE(halt_poll_ns);
}

static u32 limit_of(struct khv_vcpu *vcpu)
{
	return vcpu->pv.no_polling ? 0 : READ_ONCE(vcpu->vm->opts.halt_poll_ns);
}

bool khv_halt_polls(struct khv_vcpu *vcpu)
{
	return vcpu->mp_state == KVM_MP_STATE_HALTED && limit_of(vcpu);
}

/* Its scheduling wants it off the CPU: it need not be awake to hear that. */
static bool must_sleep(struct khv_vcpu *vcpu)
{
	return (READ_ONCE(vcpu->requests) & (BIT(KHV_REQ_CAP) | BIT(KHV_REQ_HOLD))) ||
	       READ_ONCE(vcpu->vm->sched.held);
}

bool khv_halt_poll(struct khv_vcpu *vcpu, u64 since)
{
	u32 ns = min(vcpu->poll_ns, limit_of(vcpu));

	if (!ns || must_sleep(vcpu))
		return false;
	vcpu->stats.halt_attempted_poll++;
	do {
		if (khv_vcpu_has_work(vcpu)) {
			vcpu->stats.halt_successful_poll++;
			return true;
		}
		cpu_relax();
	} while (!need_resched() && single_task_running() && !signal_pending(current) &&
		 !must_sleep(vcpu) && ktime_get_ns() - since < ns);
	return false;
}

void khv_halt_ended(struct khv_vcpu *vcpu, u64 ns)
{
	u32 limit = limit_of(vcpu);

	if (ns > limit)
		vcpu->poll_ns = 0;
	else if (ns > vcpu->poll_ns)
		vcpu->poll_ns = clamp_t(u64, 2ULL * vcpu->poll_ns, FIRST_POLL_NS, limit);
}
