// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guests' TSCs: offset, frequency, and how those of a VM's vCPUs stay together. The
 * processor applies offset and ratio ("SDM, Time-Stamp Counter Offsetting and Scaling");
 * the clock that guests compute from it is x86/pvclock.c's.
 *
 * In S3 the host's TSC may lose its value. What it lost is added to all that is computed
 * from it here, so that this goes on counting, and to each vCPU's offset once, when somebody
 * takes the vCPU: user threads do not run before that is known.
 */
#include <asm/msr.h>
#include <asm/tsc.h>
#include <linux/math64.h>

#include "irqchip/lapic.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/tsc.h"

/* In parts per million: what the host's own NTP would take for the same frequency. */
#define TSC_TOLERANCE	250

atomic64_t khv_host_tsc_lost;
static u64 host_seen;

void khv_tsc_host_tick(bool resumed)
{
	u64 now = rdtsc();

	/* A second is more than two processors' TSCs differ by. */
	if (resumed && now < host_seen && host_seen - now > (u64)tsc_khz * 1000)
		atomic64_add(host_seen - now, &khv_host_tsc_lost);
	host_seen = now;
}

static u64 scaled(u64 host_tsc, u64 ratio)
{
	if (likely(ratio == KHV_TSC_UNSCALED))
		return host_tsc;
	return mul_u64_u64_shr(host_tsc, ratio, KHV_TSC_FRACTION);
}

u64 khv_guest_tsc_at(const struct khv_vcpu *vcpu, u64 host_tsc)
{
	return scaled(host_tsc, vcpu->tsc.ratio) + vcpu->tsc.offset;
}

u64 khv_guest_tsc(struct khv_vcpu *vcpu)
{
	return khv_guest_tsc_at(vcpu, rdtsc());
}

/* The ratio for @khz, or 0 when the processor cannot. */
static u64 ratio_of(u32 khz)
{
	u64 tolerance = div_u64((u64)tsc_khz * TSC_TOLERANCE, 1000000);

	if (khz >= tsc_khz - tolerance && khz <= tsc_khz + tolerance)
		return KHV_TSC_UNSCALED;
	/* The whole part has what the fraction leaves of 64 bits. */
	if (!khv_caps.tsc_scaling || khz > S32_MAX ||
	    khz / tsc_khz >= 1U << (64 - KHV_TSC_FRACTION))
		return 0;
	return mul_u64_u32_div(KHV_TSC_UNSCALED, khz, tsc_khz);
}

static int frequency(unsigned long asked, u32 *khz, u64 *ratio)
{
	if (asked > U32_MAX)
		return -EINVAL;
	*khz = asked ?: tsc_khz;
	*ratio = ratio_of(*khz);
	return *ratio ? 0 : -EINVAL;
}

void khv_vm_tsc_init(struct khv_vm *vm)
{
	struct khv_vm_tsc *tsc = &vm->clock.tsc;

	tsc->khz = tsc_khz;
	tsc->created_at = rdtsc_ordered() + khv_tsc_lost();
	tsc->ratio = KHV_TSC_UNSCALED;
	tsc->offset = -tsc->created_at;
	tsc->written = 0;
	tsc->written_at = tsc->created_at;
}

/* vCPUs of another frequency than the last one's: as if written with 0 at the VM's creation. */
static void meet(struct khv_vm_clock *clock, u64 ratio)
{
	struct khv_vm_tsc *tsc = &clock->tsc;

	lockdep_assert_held(&clock->lock);
	if (tsc->ratio == ratio)
		return;
	tsc->ratio = ratio;
	tsc->offset = -scaled(tsc->created_at, ratio);
	tsc->written = 0;
	tsc->written_at = tsc->created_at;
}

/* Releases the clock's lock: what a client has made of @vcpu's TSC. */
static void unlock_told(struct khv_vcpu *vcpu, u64 ratio, u64 offset, unsigned long flags)
{
	struct khv_tsc *tsc = &vcpu->tsc;
	bool same = tsc->told_ratio == ratio && tsc->told_offset == offset;

	tsc->told_ratio = ratio;
	tsc->told_offset = offset;
	raw_spin_unlock_irqrestore(&vcpu->vm->clock.lock, flags);
	/* The pages of all vCPUs say whether theirs are the same. */
	if (!same)
		khv_vm_request_all(vcpu->vm, KHV_REQ_CLOCK_UPDATE);
}

bool khv_tsc_together(struct khv_vm *vm)
{
	struct khv_vcpu *vcpu, *first = NULL;
	unsigned int i;

	lockdep_assert_held(&vm->clock.lock);
	khv_for_each_vcpu(i, vcpu, vm) {
		if (!first)
			first = vcpu;
		if (vcpu->tsc.told_ratio != first->tsc.told_ratio ||
		    vcpu->tsc.told_offset != first->tsc.told_offset)
			return false;
	}
	return true;
}

static u64 start_offset(struct khv_vcpu *vcpu, u64 ratio)
{
	struct khv_vm_clock *clock = &vcpu->vm->clock;
	unsigned long flags;
	u64 offset;

	raw_spin_lock_irqsave(&clock->lock, flags);
	meet(clock, ratio);
	offset = clock->tsc.offset;
	unlock_told(vcpu, ratio, offset, flags);
	return offset;
}

/* What @offset, without losses, is for @vcpu's processor. */
static u64 with_lost(const struct khv_vcpu *vcpu, u64 offset, u64 ratio)
{
	return offset + scaled(vcpu->tsc.lost, ratio);
}

/* To the processor, and to what was computed from the old one. */
static void changed(struct khv_vcpu *vcpu)
{
	khv_hw->set_tsc(vcpu);
	if (vcpu->lapic)
		khv_lapic_tsc_changed(vcpu);
	khv_request(vcpu, KHV_REQ_CLOCK_UPDATE);
}

void khv_tsc_reset(struct khv_vcpu *vcpu)
{
	/* It was found good when it was set. */
	vcpu->tsc.khz = READ_ONCE(vcpu->vm->clock.tsc.khz);
	vcpu->tsc.ratio = ratio_of(vcpu->tsc.khz);
	vcpu->tsc.lost = khv_tsc_lost();
	vcpu->tsc.offset = with_lost(vcpu, start_offset(vcpu, vcpu->tsc.ratio), vcpu->tsc.ratio);
	khv_hw->set_tsc(vcpu);
}

int khv_vm_tsc_set_khz(struct khv_vm *vm, unsigned long asked)
{
	u64 ratio;
	u32 khz;

	if (frequency(asked, &khz, &ratio))
		return -EINVAL;
	WRITE_ONCE(vm->clock.tsc.khz, khz);
	return 0;
}

int khv_tsc_set_khz(struct khv_vcpu *vcpu, unsigned long asked)
{
	struct khv_vm_clock *clock = &vcpu->vm->clock;
	struct khv_tsc *tsc = &vcpu->tsc;
	u64 old = tsc->ratio, ratio;
	unsigned long flags;
	u32 khz;

	if (frequency(asked, &khz, &ratio))
		return -EINVAL;
	tsc->khz = khz;
	if (ratio == old)
		return 0;
	if (tsc->offset == with_lost(vcpu, -scaled(clock->tsc.created_at, old), old)) {
		tsc->offset = with_lost(vcpu, start_offset(vcpu, ratio), ratio);
	} else {
		raw_spin_lock_irqsave(&clock->lock, flags);
		unlock_told(vcpu, ratio, tsc->offset - scaled(tsc->lost, ratio), flags);
	}
	tsc->ratio = ratio;
	changed(vcpu);
	return 0;
}

void khv_tsc_set_offset(struct khv_vcpu *vcpu, u64 offset)
{
	if (offset == vcpu->tsc.offset)
		return;
	vcpu->tsc.offset = offset;
	changed(vcpu);
}

void khv_tsc_catch_up(struct khv_vcpu *vcpu)
{
	u64 missing = khv_tsc_lost() - vcpu->tsc.lost;

	if (likely(!missing))
		return;
	vcpu->tsc.lost += missing;
	khv_sched_tsc_lost(&vcpu->sched);
	khv_tsc_set_offset(vcpu, vcpu->tsc.offset + scaled(missing, vcpu->tsc.ratio));
}

void khv_tsc_write(struct khv_vcpu *vcpu, u64 data)
{
	struct khv_vm_clock *clock = &vcpu->vm->clock;
	struct khv_vm_tsc *tsc = &clock->tsc;
	s64 second = (s64)vcpu->tsc.khz * 1000, distance;
	u64 ratio = vcpu->tsc.ratio, now, offset;
	unsigned long flags;

	raw_spin_lock_irqsave(&clock->lock, flags);
	meet(clock, ratio);
	now = rdtsc_ordered() + vcpu->tsc.lost;
	distance = data - (tsc->written + scaled(now, ratio) - scaled(tsc->written_at, ratio));
	/* Zero is a vCPU that comes late: it joins the others. */
	if (data && (distance < -second || distance > second))
		tsc->offset = data - scaled(now, ratio);
	/* The next one is compared with this, so that a slow client stays together. */
	tsc->written = data;
	tsc->written_at = now;
	offset = tsc->offset;
	unlock_told(vcpu, ratio, offset, flags);
	khv_tsc_set_offset(vcpu, with_lost(vcpu, offset, ratio));
}

void khv_tsc_client_offset(struct khv_vcpu *vcpu, u64 offset)
{
	struct khv_vm_clock *clock = &vcpu->vm->clock;
	struct khv_vm_tsc *tsc = &clock->tsc;
	unsigned long flags;

	raw_spin_lock_irqsave(&clock->lock, flags);
	tsc->ratio = vcpu->tsc.ratio;
	tsc->offset = offset - scaled(vcpu->tsc.lost, tsc->ratio);
	tsc->written_at = rdtsc_ordered() + vcpu->tsc.lost;
	tsc->written = scaled(tsc->written_at, tsc->ratio) + tsc->offset;
	unlock_told(vcpu, tsc->ratio, tsc->offset, flags);
	khv_tsc_set_offset(vcpu, offset);
}
