// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC's timer: one-shot, periodic and TSC-deadline mode
 * ("SDM, APIC Timer").
 *
 * The bus clock is 1 GHz, so one count at divisor 1 is one nanosecond. The
 * hrtimer is always one-shot; a periodic timer is started again in the vCPU's
 * own context, so a guest that does not run costs the host nothing.
 */
#include <linux/bits.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <asm/tsc.h>

#include "irqchip/lapic.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/msr.h"

/* Later than any guest will wait, and far from overflow when added to now. */
#define FAR_FUTURE_NS	BIT_ULL(61)

static u32 timer_mode(const struct khv_lapic *apic)
{
	return khv_lapic_reg(apic, APIC_LVTT) & KHV_APIC_TIMER_MODES;
}

static bool deadline_mode(const struct khv_lapic *apic)
{
	return timer_mode(apic) == APIC_LVT_TIMER_TSCDEADLINE;
}

/* Hardirq. */
static enum hrtimer_restart timer_expired(struct hrtimer *hrtimer)
{
	struct khv_lapic *apic = container_of(hrtimer, struct khv_lapic, timer.hrtimer);

	atomic_set(&apic->timer.pending, 1);
	khv_request(apic->vcpu, KHV_REQ_APIC_TIMER);
	khv_vcpu_request_kick(apic->vcpu, KHV_REQ_EVENT);
	return HRTIMER_NORESTART;
}

/*
 * Starting an active hrtimer moves it; that is cheaper than cancelling first.
 * An expiry that races with this one counts as one just before it.
 */
static void start_hrtimer(struct khv_lapic *apic, ktime_t when)
{
	hrtimer_start(&apic->timer.hrtimer, when, HRTIMER_MODE_ABS_PINNED_HARD);
}

void khv_lapic_timer_init(struct khv_lapic *apic)
{
	hrtimer_setup(&apic->timer.hrtimer, timer_expired, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_PINNED_HARD);
}

void khv_lapic_timer_cancel(struct khv_lapic *apic)
{
	struct khv_lapic_timer *t = &apic->timer;

	hrtimer_cancel(&t->hrtimer);
	atomic_set(&t->pending, 0);
	t->running = false;
	t->deadline = 0;
}

/* Nanoseconds that @delta ticks of a TSC of @khz take, rounded up and bounded. */
static u64 tsc_to_ns(u64 delta, u32 khz)
{
	u64 ms = div64_u64(delta, khz);

	if (ms >= div_u64(FAR_FUTURE_NS, NSEC_PER_MSEC))
		return FAR_FUTURE_NS;
	/* The remainder is below 2^32, so its product fits. */
	return ms * NSEC_PER_MSEC +
	       div64_u64((delta - ms * khz) * NSEC_PER_MSEC + khz - 1, khz);
}

/* True when the deadline has passed, else the hrtimer is started for it. */
static bool deadline_passed(struct khv_lapic *apic)
{
	u64 deadline = apic->timer.deadline;
	u64 tsc = khv_guest_tsc(apic->vcpu);

	if (deadline <= tsc)
		return true;
	start_hrtimer(apic, ktime_add_ns(ktime_get(), tsc_to_ns(deadline - tsc, apic->vcpu->tsc.khz)));
	return false;
}

/* The timer's own request, made in the vCPU's context. */
static void expire_now(struct khv_lapic *apic)
{
	atomic_set(&apic->timer.pending, 1);
	khv_lapic_timer_work(apic->vcpu);
}

static void arm_deadline(struct khv_lapic *apic)
{
	if (deadline_passed(apic)) {
		/* An earlier deadline may still be queued. */
		hrtimer_try_to_cancel(&apic->timer.hrtimer);
		expire_now(apic);
	}
}

u64 khv_lapic_get_tscdeadline(struct khv_vcpu *vcpu)
{
	struct khv_lapic *apic = vcpu->lapic;

	/* Until khv_lapic_timer_work() has set IRR, so that no copy of the state loses it. */
	return apic && deadline_mode(apic) ? apic->timer.deadline : 0;
}

void khv_lapic_set_tscdeadline(struct khv_vcpu *vcpu, u64 data)
{
	struct khv_lapic *apic = vcpu->lapic;

	/* "SDM, TSC-Deadline Mode": in the other modes the write is ignored. */
	if (!apic || apic->mode == KHV_APIC_DISABLED || !deadline_mode(apic))
		return;
	if (!data) {
		khv_lapic_timer_cancel(apic);
		return;
	}
	apic->timer.deadline = data;
	arm_deadline(apic);
}

void khv_lapic_tsc_changed(struct khv_vcpu *vcpu)
{
	struct khv_lapic *apic = vcpu->lapic;

	if (apic && apic->timer.deadline && deadline_mode(apic))
		arm_deadline(apic);
}

static u64 count_to_ns(const struct khv_lapic *apic, u32 count)
{
	return (u64)count << apic->timer.shift;
}

static u64 period_ns(const struct khv_lapic *apic)
{
	return max_t(u64, count_to_ns(apic, khv_lapic_reg(apic, APIC_TMICT)),
		     KHV_APIC_MIN_PERIOD_NS);
}

static void start_count(struct khv_lapic *apic, u32 count)
{
	struct khv_lapic_timer *t = &apic->timer;
	u64 ns = count_to_ns(apic, count);

	if (timer_mode(apic) == APIC_LVT_TIMER_PERIODIC)
		ns = max_t(u64, ns, KHV_APIC_MIN_PERIOD_NS);
	t->target = ktime_add_ns(ktime_get(), ns);
	t->running = true;
	atomic_set(&t->pending, 0);
	start_hrtimer(apic, t->target);
}

void khv_lapic_timer_set_count(struct khv_lapic *apic, u32 count)
{
	if (deadline_mode(apic))
		return;
	khv_lapic_put_reg(apic, APIC_TMICT, count);
	if (count)
		start_count(apic, count);
	else
		khv_lapic_timer_cancel(apic);
}

/* Rounded up, so that the count is zero when the timer fires and not before. */
u32 khv_lapic_timer_count(struct khv_lapic *apic)
{
	struct khv_lapic_timer *t = &apic->timer;
	u32 initial = khv_lapic_reg(apic, APIC_TMICT);
	s64 left;
	u64 late;

	if (!t->running || deadline_mode(apic))
		return 0;
	left = ktime_to_ns(ktime_sub(t->target, ktime_get()));
	if (left <= 0) {
		if (timer_mode(apic) != APIC_LVT_TIMER_PERIODIC)
			return 0;
		div64_u64_rem(-left, period_ns(apic), &late);
		left = period_ns(apic) - late;
	}
	left = (left + (1LL << t->shift) - 1) >> t->shift;
	/* A period below the minimum runs longer than its count. */
	return min_t(u64, left, initial);
}

/* Divide configuration: bits 0, 1 and 3 hold 0 to 6 for 2 to 128, 7 for 1. */
void khv_lapic_timer_set_divide(struct khv_lapic *apic, u32 tdcr)
{
	u32 left = khv_lapic_timer_count(apic);

	tdcr &= 0xb;
	khv_lapic_put_reg(apic, APIC_TDCR, tdcr);
	apic->timer.shift = (((tdcr & 3) | ((tdcr & 8) >> 1)) + 1) & 7;
	if (apic->timer.running && left)
		start_count(apic, left);
}

void khv_lapic_timer_set_lvtt(struct khv_lapic *apic, u32 old, u32 new)
{
	bool was = (old & KHV_APIC_TIMER_MODES) == APIC_LVT_TIMER_TSCDEADLINE;
	bool is = (new & KHV_APIC_TIMER_MODES) == APIC_LVT_TIMER_TSCDEADLINE;

	/* Into or out of TSC-deadline mode disarms; one-shot and periodic share the count. */
	if (was != is) {
		khv_lapic_timer_cancel(apic);
		khv_lapic_put_reg(apic, APIC_TMICT, 0);
	}
}

void khv_lapic_timer_restore(struct khv_lapic *apic, u32 count)
{
	struct khv_lapic_timer *t = &apic->timer;
	u64 deadline = t->deadline;
	u32 initial = khv_lapic_reg(apic, APIC_TMICT);

	khv_lapic_timer_cancel(apic);
	khv_lapic_timer_set_divide(apic, khv_lapic_reg(apic, APIC_TDCR));
	if (deadline_mode(apic)) {
		t->deadline = deadline;
		if (deadline)
			arm_deadline(apic);
		return;
	}
	if (timer_mode(apic) == APIC_LVT_TIMER_PERIODIC && !count)
		count = initial;
	if (initial && count)
		start_count(apic, min(count, initial));
}

/* Keep the phase: periods that nobody was there to see are dropped. */
static void next_period(struct khv_lapic *apic)
{
	struct khv_lapic_timer *t = &apic->timer;
	u64 period = period_ns(apic), late;
	s64 behind;

	t->target = ktime_add_ns(t->target, period);
	behind = ktime_to_ns(ktime_sub(ktime_get(), t->target));
	if (behind >= 0) {
		div64_u64_rem(behind, period, &late);
		t->target = ktime_add_ns(t->target, behind - late + period);
	}
	start_hrtimer(apic, t->target);
}

void khv_lapic_timer_work(struct khv_vcpu *vcpu)
{
	struct khv_lapic *apic = vcpu->lapic;
	struct khv_lapic_timer *t;

	if (!apic || !atomic_read(&apic->timer.pending))
		return;
	t = &apic->timer;
	atomic_set(&t->pending, 0);

	if (deadline_mode(apic)) {
		/* The host's clock and the TSC drift apart: never early for the guest. */
		if (!t->deadline || !deadline_passed(apic))
			return;
		t->deadline = 0;
	} else {
		if (!t->running)
			return;
		/* A stale expiry of a count that was since replaced. */
		if (ktime_before(ktime_get(), t->target))
			return;
		if (timer_mode(apic) == APIC_LVT_TIMER_PERIODIC &&
		    khv_lapic_reg(apic, APIC_TMICT))
			next_period(apic);
		else
			t->running = false;
	}
	khv_lapic_local(apic, APIC_LVTT, true);
}

bool khv_lapic_timer_pending(struct khv_vcpu *vcpu)
{
	return vcpu->lapic && atomic_read(&vcpu->lapic->timer.pending);
}
