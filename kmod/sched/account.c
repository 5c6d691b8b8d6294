// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the time of a vCPU goes.
 *
 * A vCPU is in one state at any time, and all time since the last change is added to that
 * state's when it changes: so the states' times add up to all there was. Its thread changes
 * them itself: where KVM_RUN begins and ends, and in preempt notifiers, which the scheduler
 * calls when it takes the CPU away and gives it back.
 *
 * Time in the guest is part of the time that it runs, counted around the instruction that
 * enters; what remains is the hypervisor's.
 *
 * The clock is the TSC, with what the host's lost in S3, as each KVM_RUN reads it twice and
 * local_clock() costs 120 instructions more. Hosts whose TSC is no clock have that one.
 */
#include <linux/cache.h>
#include <linux/kernel.h>
#include <linux/kvm_para.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>

#include <asm/tsc.h>

#include "sched/internal.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/tsc.h"

static bool by_tsc __ro_after_init;

static u64 clock_cycles(void)
{
	if (likely(by_tsc))
		return rdtsc() + khv_tsc_lost();
	return mul_u64_u64_div_u64(local_clock(), tsc_khz, NSEC_PER_MSEC);
}

u64 khv_sched_ns(u64 cycles)
{
	return mul_u64_u64_div_u64(cycles, NSEC_PER_MSEC, tsc_khz);
}

static u64 waited(void)
{
#ifdef CONFIG_SCHED_INFO
	return current->sched_info.run_delay;
#else
	return 0;
#endif
}

/* The clock may be a little behind on another CPU: then no time has passed. */
static u64 passed(const struct khv_vcpu_sched *s)
{
	u64 now = clock_cycles();

	return (s64)(now - s->since) > 0 ? now - s->since : 0;
}

u64 khv_sched_unchanged_ns(const struct khv_vcpu_sched *s)
{
	return khv_sched_ns(passed(s));
}

/* Of what has passed, @wait ns were waiting, the rest the present state's. Preemption is off. */
static void change_state(struct khv_vcpu_sched *s, enum khv_sched_state state, u64 wait)
{
	u64 all = passed(s);

	raw_write_seqcount_begin(&s->seq);
	s->since += all;
	if (unlikely(wait)) {
		/* Rounded up: never less steal time than the host says there was. */
		wait = min(mul_u64_u64_div_u64(wait, tsc_khz, NSEC_PER_MSEC) + 1, all);
		s->cycles[KHV_SCHED_WAITING] += wait;
		all -= wait;
	}
	s->cycles[s->state] += all;
	s->state = state;
	raw_write_seqcount_end(&s->seq);
}

void khv_sched_update(struct khv_vcpu_sched *s)
{
	change_state(s, s->state, 0);
}

static void sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct khv_vcpu *vcpu = container_of(notifier, struct khv_vcpu, sched.notifier);
	struct khv_vcpu_sched *s = &vcpu->sched;

	/* From its wake-up on, a sleeper waited; the scheduler knows how long. */
	change_state(s, KHV_SCHED_RUNNING,
		     s->state == KHV_SCHED_WAITING ? 0 : waited() - s->run_delay);
	khv_cap_run(vcpu);
	if (unlikely(vcpu->steal.msr & KVM_MSR_ENABLED))
		khv_steal_note_in(vcpu);
}

/* With the scheduler's locks held. */
static void sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	struct khv_vcpu *vcpu = container_of(notifier, struct khv_vcpu, sched.notifier);
	struct khv_vcpu_sched *s = &vcpu->sched;

	s->run_delay = waited();
	if (khv_task_is_runnable(current)) {
		change_state(s, KHV_SCHED_WAITING, 0);
		khv_cap_stop(vcpu, true);
		if (unlikely(vcpu->steal.msr & KVM_MSR_ENABLED))
			khv_steal_note_out(vcpu);
	} else {
		change_state(s, s->asleep, 0);
		khv_cap_stop(vcpu, false);
	}
}

static struct preempt_ops preempt_ops = {
	.sched_in = sched_in,
	.sched_out = sched_out,
};

void khv_sched_vcpu_init(struct khv_vcpu *vcpu)
{
	struct khv_vcpu_sched *s = &vcpu->sched;

	seqcount_init(&s->seq);
	preempt_notifier_init(&s->notifier, &preempt_ops);
	s->since = clock_cycles();
	khv_cap_vcpu_init(vcpu);
}

void khv_sched_enter(struct khv_vcpu *vcpu)
{
	struct khv_vcpu_sched *s = &vcpu->sched;
	u64 delay = waited(), wait = 0;

	/* What the thread waited on its way back here the guest waited, too. */
	if (s->left == current && delay > s->run_delay)
		wait = delay - s->run_delay;
	/* The list is the thread's own: nobody else looks at it, but the scheduler. */
	preempt_disable();
	change_state(s, KHV_SCHED_RUNNING, wait);
	preempt_notifier_register(&s->notifier);
	khv_cap_run(vcpu);
	preempt_enable();
}

void khv_sched_leave(struct khv_vcpu *vcpu)
{
	struct khv_vcpu_sched *s = &vcpu->sched;

	preempt_disable();
	preempt_notifier_unregister(&s->notifier);
	change_state(s, KHV_SCHED_OTHER, 0);
	s->run_delay = waited();
	s->left = current;
	khv_cap_stop(vcpu, false);
	preempt_enable();
}

static u64 guest_ns(const struct khv_vcpu_sched *s)
{
	u64 guest = READ_ONCE(s->guest);

	/* It is there now: no guest has been for longer than the TSC counts. */
	if ((s64)guest < 0)
		guest += rdtsc_ordered();
	if ((s64)guest < 0)
		guest = 0;
	return khv_sched_ns(s->guest_before + guest);
}

/* Each is rounded down, and the sum is of these, so that it is exact for whoever adds them up. */
u64 khv_sched_snapshot(const struct khv_vcpu_sched *s, u64 ns[KHV_SCHED_STATES])
{
	unsigned int seq, i, state;
	u64 more, sum = 0;

	do {
		seq = read_seqcount_begin(&s->seq);
		for (i = 0; i < KHV_SCHED_STATES; i++)
			ns[i] = s->cycles[i];
		state = s->state;
		more = passed(s);
	} while (read_seqcount_retry(&s->seq, seq));
	ns[state] += more;
	for (i = 0; i < KHV_SCHED_STATES; i++) {
		ns[i] = khv_sched_ns(ns[i]);
		sum += ns[i];
	}
	return sum;
}

void khv_sched_times(struct khv_vcpu *vcpu, struct khv_sched_times *times)
{
	u64 ns[KHV_SCHED_STATES], wall, guest;

	wall = khv_sched_snapshot(&vcpu->sched, ns);
	/* Not read at the same time: never more than it ran. */
	guest = min(guest_ns(&vcpu->sched), ns[KHV_SCHED_RUNNING]);
	times->guest += guest;
	times->hypervisor += ns[KHV_SCHED_RUNNING] - guest;
	times->waiting += ns[KHV_SCHED_WAITING];
	times->halted += ns[KHV_SCHED_HALTED];
	times->throttled += ns[KHV_SCHED_THROTTLED];
	times->other += ns[KHV_SCHED_OTHER];
	times->wall += wall;
}

void khv_sched_vm_times(struct khv_vm *vm, struct khv_sched_times *times)
{
	struct khv_vcpu *vcpu;
	unsigned int i;

	khv_for_each_vcpu(i, vcpu, vm)
		khv_sched_times(vcpu, times);
}

/* The scheduler's code is patched for this, with an interrupt of all processors. */
int __init khv_sched_init(void)
{
	int err = khv_weight_init();

	if (err)
		return err;
	by_tsc = !check_tsc_unstable();
	preempt_notifier_inc();
	return 0;
}

void khv_sched_exit(void)
{
	khv_pool_exit();
	khv_weight_exit();
	preempt_notifier_dec();
}
