// SPDX-License-Identifier: GPL-2.0-only
/*
 * Caps: a VM has a pool of CPU time that is filled up each period. Its vCPUs draw slices
 * from it and run no longer than those last, to the nanosecond as far as timers go; what
 * they run too long is taken off the next. Who finds the pool empty sleeps until there is
 * something in it.
 *
 * Slices are small, so that what one vCPU has drawn and does not use is no loss to the others.
 * A vCPU that sleeps, or is out of KVM_RUN, has none.
 */
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/sched/signal.h>
#include <linux/swait.h>

#include "sched/internal.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

#define SLICE_NS	5000000LL
/* Not worth waking anybody for. */
#define LEAST_NS	200000LL

static bool capped(const struct khv_vm *vm)
{
	return READ_ONCE(vm->sched.cap.quota);
}

static void wake_throttled(struct khv_vm *vm)
{
	struct khv_vcpu *vcpu;
	unsigned int i;

	/* What they wait for was written before; pairs with prepare_to_swait() in sleep(). */
	smp_mb();
	khv_for_each_vcpu(i, vcpu, vm)
		if (READ_ONCE(vcpu->sched.cap.throttled))
			swake_up_one(&vcpu->wq);
}

static void wake_work(struct irq_work *work)
{
	wake_throttled(container_of(work, struct khv_vm, sched.cap.wake));
}

static enum hrtimer_restart refill(struct hrtimer *timer)
{
	struct khv_vm *vm = container_of(timer, struct khv_vm, sched.cap.refill);
	struct khv_vm_cap *cap = &vm->sched.cap;
	bool again;
	u64 periods;

	raw_spin_lock(&cap->lock);
	periods = hrtimer_forward_now(timer, ns_to_ktime(cap->period));
	cap->began = ktime_to_ns(hrtimer_get_expires(timer)) - cap->period;
	cap->left = min_t(s64, cap->left + periods * cap->quota, cap->most);
	/* Until nobody has run for a while. */
	again = cap->quota && (cap->drawn || cap->left < (s64)cap->most);
	cap->drawn = false;
	cap->ticking = again;
	raw_spin_unlock(&cap->lock);
	wake_throttled(vm);
	return again ? HRTIMER_RESTART : HRTIMER_NORESTART;
}

/* The slice is over. On the CPU that the vCPU has, so the guest has been left already. */
static enum hrtimer_restart slice_end(struct hrtimer *timer)
{
	khv_vcpu_request_kick(container_of(timer, struct khv_vcpu, sched.cap.end), KHV_REQ_CAP);
	return HRTIMER_NORESTART;
}

/* What has run since the last time comes off the slice. Preemption is off. */
static void charge(struct khv_vcpu_sched *s)
{
	u64 ran = s->cycles[KHV_SCHED_RUNNING];

	s->cap.slice -= khv_sched_ns(ran - s->cap.charged);
	s->cap.charged = ran;
}

static void start_slice(struct khv_vcpu_sched *s)
{
	hrtimer_start(&s->cap.end, ns_to_ktime(s->cap.slice), HRTIMER_MODE_REL_PINNED_HARD);
}

void khv_cap_run(struct khv_vcpu *vcpu)
{
	struct khv_vcpu_sched *s = &vcpu->sched;

	if (likely(!s->cap.drawn)) {
		if (likely(!capped(vcpu->vm)))
			return;
		/* Nothing yet; but what it runs until there is more counts. */
		s->cap.drawn = true;
	}
	s->cap.charged = s->cycles[KHV_SCHED_RUNNING];
	if (s->cap.slice > 0)
		start_slice(s);
	else
		khv_request(vcpu, KHV_REQ_CAP);
}

/* Back into the pool with what is left, or with what is owed. */
static void give_back(struct khv_vcpu *vcpu)
{
	struct khv_vm_cap *cap = &vcpu->vm->sched.cap;
	struct khv_vcpu_sched *s = &vcpu->sched;
	unsigned long flags;
	bool wake;

	raw_spin_lock_irqsave(&cap->lock, flags);
	wake = cap->left < LEAST_NS && cap->left + s->cap.slice >= LEAST_NS;
	cap->left += s->cap.slice;
	raw_spin_unlock_irqrestore(&cap->lock, flags);
	s->cap.slice = 0;
	s->cap.drawn = false;
	/* Perhaps with the scheduler's locks held, under which nobody can be woken. */
	if (wake)
		irq_work_queue(&cap->wake);
}

void khv_cap_stop(struct khv_vcpu *vcpu, bool waits)
{
	struct khv_vcpu_sched *s = &vcpu->sched;

	if (likely(!s->cap.drawn))
		return;
	/* It runs on this CPU only, or is as good as over. */
	hrtimer_try_to_cancel(&s->cap.end);
	charge(s);
	if (!waits)
		give_back(vcpu);
}

/* True with a slice, or without a cap. */
static bool draw(struct khv_vcpu *vcpu)
{
	struct khv_vm_cap *cap = &vcpu->vm->sched.cap;
	struct khv_vcpu_sched *s = &vcpu->sched;
	bool start = false, ok = true;

	raw_spin_lock_irq(&cap->lock);
	cap->left += s->cap.slice;
	s->cap.slice = 0;
	s->cap.drawn = cap->quota;
	if (cap->quota) {
		s->cap.slice = clamp_t(s64, cap->left, 0, SLICE_NS);
		cap->left -= s->cap.slice;
		cap->drawn = true;
		start = !cap->ticking;
		if (start)
			cap->began = ktime_get_ns();
		cap->ticking = true;
		ok = s->cap.slice > 0;
	}
	raw_spin_unlock_irq(&cap->lock);
	/* Not under the lock, which is also taken under the scheduler's. */
	if (start)
		hrtimer_start(&cap->refill, ns_to_ktime(READ_ONCE(cap->period)),
			      HRTIMER_MODE_REL_HARD);
	return ok;
}

static bool may_run(struct khv_vcpu *vcpu)
{
	return READ_ONCE(vcpu->vm->sched.cap.left) > 0 || !capped(vcpu->vm) ||
	       test_bit(KHV_REQ_VM_DEAD, &vcpu->requests);
}

/* Until there is something to draw. 0 or -EINTR. */
static int sleep(struct khv_vcpu *vcpu)
{
	int r;

	WRITE_ONCE(vcpu->sched.cap.throttled, true);
	khv_sched_asleep(&vcpu->sched, KHV_SCHED_THROTTLED);
	r = swait_event_interruptible_exclusive(vcpu->wq, may_run(vcpu));
	khv_sched_asleep(&vcpu->sched, KHV_SCHED_OTHER);
	WRITE_ONCE(vcpu->sched.cap.throttled, false);
	return r ? -EINTR : 0;
}

int khv_cap_work(struct khv_vcpu *vcpu)
{
	struct khv_vcpu_sched *s = &vcpu->sched;
	int r;

	for (;;) {
		preempt_disable();
		khv_sched_update(s);
		if (s->cap.drawn) {
			hrtimer_try_to_cancel(&s->cap.end);
			charge(s);
		}
		if ((s->cap.drawn && s->cap.slice > 0 && capped(vcpu->vm)) || draw(vcpu)) {
			s->cap.charged = s->cycles[KHV_SCHED_RUNNING];
			if (s->cap.drawn)
				start_slice(s);
			preempt_enable();
			return 0;
		}
		preempt_enable();
		if (test_bit(KHV_REQ_VM_DEAD, &vcpu->requests))
			return 0;
		khv_place_fetch(vcpu->vm);
		r = sleep(vcpu);
		if (r) {
			/* Not into the guest without a slice, whatever comes first. */
			khv_request(vcpu, KHV_REQ_CAP);
			return r;
		}
	}
}

static u64 part(u64 all, u64 of, u64 whole)
{
	return mul_u64_u64_div_u64(all, of, whole);
}

/*
 * The ns that the VM has run before their time: more than the cap gives from the beginning of the
 * period until now. This is what it owes when the cap changes and a new period begins, so that
 * nobody gains by changing it often. A lower cap makes it sleep no longer than the present one
 * would, or for one period; what that leaves is @forgiven unless the cap is raised before.
 */
static s64 ahead(struct khv_vm_cap *cap, u64 now, u64 quota, u64 period)
{
	u64 until, most;
	s64 debt;

	if (!cap->quota)
		return 0;
	debt = cap->quota - cap->left;
	debt -= part(cap->quota, clamp_t(s64, now - cap->began, 0, cap->period), cap->period);
	debt = max(debt, 0LL);
	until = now + part(cap->period, debt, cap->quota);
	if (now < cap->forgiven_until) {
		debt += cap->forgiven;
		until = max(until, cap->forgiven_until);
	}
	cap->forgiven = 0;
	if (quota >= part(cap->quota, period, cap->period))
		return debt;
	most = max(quota, part(quota, until - now, period));
	if (debt > (s64)most) {
		cap->forgiven = debt - most;
		cap->forgiven_until = until;
	}
	return min(debt, (s64)most);
}

void khv_cap_set(struct khv_vm *vm)
{
	const struct khv_sched *p = &vm->sched.params;
	struct khv_vm_cap *cap = &vm->sched.cap;
	u64 period = (u64)p->cap_period * NSEC_PER_USEC, quota = period * p->cap / 100;
	u64 now;
	bool ticking;

	lockdep_assert_held(&khv_sched_lock);
	hrtimer_cancel(&cap->refill);
	raw_spin_lock_irq(&cap->lock);
	now = ktime_get_ns();
	cap->left = quota - ahead(cap, now, quota, period);
	cap->began = now;
	cap->period = period;
	cap->most = quota + (u64)p->cap_burst * NSEC_PER_USEC;
	cap->ticking = cap->ticking && quota;
	ticking = cap->ticking;
	WRITE_ONCE(cap->quota, quota);
	raw_spin_unlock_irq(&cap->lock);
	if (ticking)
		hrtimer_start(&cap->refill, ns_to_ktime(period), HRTIMER_MODE_REL_HARD);
	khv_vm_request_all(vm, KHV_REQ_CAP);
	wake_throttled(vm);
}

void khv_cap_vm_init(struct khv_vm *vm)
{
	struct khv_vm_cap *cap = &vm->sched.cap;

	raw_spin_lock_init(&cap->lock);
	hrtimer_setup(&cap->refill, refill, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	init_irq_work(&cap->wake, wake_work);
}

/* No vCPU runs any more. */
void khv_cap_vm_uninit(struct khv_vm *vm)
{
	struct khv_vcpu *vcpu;
	unsigned int i;

	khv_for_each_vcpu(i, vcpu, vm)
		hrtimer_cancel(&vcpu->sched.cap.end);
	irq_work_sync(&vm->sched.cap.wake);
	hrtimer_cancel(&vm->sched.cap.refill);
}

void khv_cap_vcpu_init(struct khv_vcpu *vcpu)
{
	hrtimer_setup(&vcpu->sched.cap.end, slice_end, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_PINNED_HARD);
}
