// SPDX-License-Identifier: GPL-2.0-only
/*
 * The paravirtual clock: KVM's kvmclock page and wall clock.
 *
 * A guest computes its time from the TSC and the factors in its page, without
 * an exit. The layout is the kernel's (asm/pvclock-abi.h), the protocol that
 * of Documentation/virt/kvm/x86/msr.rst. Guest addresses are anything: what
 * cannot be written is left unwritten.
 */
#include <asm/kvm_para.h>
#include <asm/msr.h>
#include <asm/pvclock-abi.h>
#include <asm/tsc.h>
#include <linux/atomic.h>
#include <linux/clocksource.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/pvclock_gtod.h>
#include <linux/timekeeper_internal.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/msr.h"
#include "x86/tsc.h"
#include "x86/regs_inline.h"

/* Moves whenever the relation of TSC and host time may have changed; never 0. */
static atomic_t generation = ATOMIC_INIT(1);
/* The host's clock source is the TSC. Written by the notifier alone. */
static bool tsc_clocksource;

/* Smallest of so many attempts at reading TSC and clock together. */
#define PAIR_ATTEMPTS	4

struct khv_pvclock_scale khv_pvclock_scale(u64 tsc_hz)
{
	struct khv_pvclock_scale scale = { 0 };
	u64 numerator = (u64)NSEC_PER_SEC << 32, top = 2 * (u64)NSEC_PER_SEC;

	if (!tsc_hz)
		return scale;
	/*
	 * The factor has 32 bits when the shifted frequency lies between one and
	 * two GHz. Up to 8 GHz the numerator has room to be shifted instead,
	 * which loses nothing.
	 */
	while (tsc_hz > top) {
		scale.shift--;
		if (top < 8 * (u64)NSEC_PER_SEC) {
			top <<= 1;
			numerator <<= 1;
		} else {
			tsc_hz >>= 1;
		}
	}
	while (tsc_hz <= NSEC_PER_SEC) {
		tsc_hz <<= 1;
		scale.shift++;
	}
	scale.mul = div64_u64(numerator, tsc_hz);
	return scale;
}

u64 khv_pvclock_cycles_to_ns(struct khv_pvclock_scale scale, u64 cycles)
{
	if (scale.shift < 0)
		cycles >>= -scale.shift;
	else
		cycles <<= scale.shift;
	return mul_u64_u32_shr(cycles, scale.mul, 32);
}

bool khv_pvclock_stable(void)
{
	return READ_ONCE(tsc_clocksource);
}

void khv_pvclock_moved(struct khv_vcpu *vcpu)
{
	if (!khv_pvclock_stable())
		khv_request(vcpu, KHV_REQ_CLOCK_UPDATE);
}

/*
 * The host's time since boot, suspend included, at the TSC's own pace: a clock
 * that the host's NTP disciplines would drift away from what guests compute.
 */
static u64 base_ns(void)
{
	return ktime_get_raw_ns() + ktime_to_ns(ktime_mono_to_any(0, TK_OFFS_BOOT));
}

/* TSC and clock, in nanoseconds, of one moment, as near together as this CPU gets them. */
static struct khv_clock_pair pair_of(u64 (*clock)(void))
{
	struct khv_clock_pair pair = { 0 };
	u64 best = U64_MAX;
	unsigned long flags;
	int i;

	local_irq_save(flags);
	for (i = 0; i < PAIR_ATTEMPTS; i++) {
		u64 before = rdtsc_ordered();
		u64 ns = clock();
		u64 width = rdtsc_ordered() - before;

		if (width < best) {
			best = width;
			pair.tsc = before + width / 2;
			pair.ns = ns;
		}
	}
	local_irq_restore(flags);
	return pair;
}

/* The kernel refines its tsc_khz a second or so after it booted, and tells by a change of clock. */
static struct khv_pvclock_scale host_scale(void)
{
	return khv_pvclock_scale((u64)READ_ONCE(tsc_khz) * 1000);
}

static struct khv_clock_pair clock_pair(void)
{
	return pair_of(base_ns);
}

/* The pair from which the VM's time is told now. */
static struct khv_clock_pair vm_pair(struct khv_vm_clock *clock)
{
	int now = atomic_read(&generation);

	lockdep_assert_held(&clock->lock);
	if (!khv_pvclock_stable())
		return clock_pair();
	if (clock->generation != now) {
		clock->pair = clock_pair();
		clock->generation = now;
	}
	return clock->pair;
}

/* The guest's clock at the host's TSC @tsc. */
static u64 guest_ns_at(struct khv_vm_clock *clock, struct khv_clock_pair pair, u64 tsc)
{
	u64 cycles = tsc > pair.tsc ? tsc - pair.tsc : 0;

	return pair.ns + clock->offset_ns + khv_pvclock_cycles_to_ns(host_scale(), cycles);
}

void khv_vm_clock_init(struct khv_vm *vm)
{
	struct khv_vm_clock *clock = &vm->clock;

	raw_spin_lock_init(&clock->lock);
	clock->offset_ns = -(s64)base_ns();
	khv_vm_tsc_init(vm);
}

void khv_vm_clock_get(struct khv_vm *vm, struct kvm_clock_data *data)
{
	struct khv_vm_clock *clock = &vm->clock;
	struct khv_clock_pair pair;
	unsigned long flags;

	memset(data, 0, sizeof(*data));
	raw_spin_lock_irqsave(&clock->lock, flags);
	pair = vm_pair(clock);
	data->host_tsc = rdtsc_ordered();
	data->realtime = ktime_get_real_ns();
	data->clock = guest_ns_at(clock, pair, data->host_tsc);
	data->flags = KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
	if (khv_pvclock_stable())
		data->flags |= KVM_CLOCK_TSC_STABLE;
	raw_spin_unlock_irqrestore(&clock->lock, flags);
}

int khv_vm_clock_set(struct khv_vm *vm, const struct kvm_clock_data *data)
{
	struct khv_vm_clock *clock = &vm->clock;
	u64 target = data->clock, now;
	unsigned long flags;

	/* The result of KVM_GET_CLOCK may come back as it is. */
	if (data->flags & ~(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC))
		return -EINVAL;

	raw_spin_lock_irqsave(&clock->lock, flags);
	if (data->flags & KVM_CLOCK_REALTIME) {
		now = ktime_get_real_ns();
		/* Time that went by since; never backwards. */
		if (now > data->realtime)
			target += now - data->realtime;
	}
	clock->generation = 0;
	now = guest_ns_at(clock, vm_pair(clock), rdtsc_ordered());
	clock->offset_ns += target - now;
	raw_spin_unlock_irqrestore(&clock->lock, flags);

	khv_vm_request_all(vm, KHV_REQ_CLOCK_UPDATE);
	return 0;
}

/* What the guest's page says, but for its version. */
static void fill_page(struct khv_vcpu *vcpu, struct pvclock_vcpu_time_info *page)
{
	struct khv_vm_clock *clock = &vcpu->vm->clock;
	struct khv_pvclock_scale scale = host_scale();
	struct khv_clock_pair pair;
	unsigned long flags;
	bool together;

	if (vcpu->tsc.ratio != KHV_TSC_UNSCALED)
		scale = khv_pvclock_scale((u64)vcpu->tsc.khz * 1000);
	memset(page, 0, sizeof(*page));
	raw_spin_lock_irqsave(&clock->lock, flags);
	pair = vm_pair(clock);
	page->system_time = pair.ns + clock->offset_ns;
	together = khv_tsc_together(vcpu->vm);
	raw_spin_unlock_irqrestore(&clock->lock, flags);

	page->tsc_timestamp = khv_guest_tsc_at(vcpu, pair.tsc);
	page->tsc_to_system_mul = scale.mul;
	page->tsc_shift = scale.shift;
	/* Each vCPU may read any page by its own TSC, and be right. */
	if (khv_pvclock_stable() && together)
		page->flags = PVCLOCK_TSC_STABLE_BIT;
}

/*
 * Write a structure that begins with its version: odd first, then the rest,
 * then even, so that a reader on another vCPU sees that it read a mixture.
 */
static int write_versioned(struct khv_vm *vm, gpa_t gpa, u32 *version, const void *data,
			   unsigned int len)
{
	u32 odd = (*version + 1) | 1, even = odd + 1;

	if (khv_gpa_write(vm, gpa, &odd, sizeof(odd)))
		return -EFAULT;
	smp_wmb();	/* odd before the rest; the guest's reader has the counterpart */
	if (khv_gpa_write(vm, gpa + sizeof(odd), data + sizeof(odd), len - sizeof(odd)))
		return -EFAULT;
	smp_wmb();	/* the rest before even */
	if (khv_gpa_write(vm, gpa, &even, sizeof(even)))
		return -EFAULT;
	*version = even;
	return 0;
}

/* The time at which the guest's clock was zero. */
static void write_wall_clock(struct khv_vm *vm, gpa_t gpa)
{
	struct khv_vm_clock *clock = &vm->clock;
	struct pvclock_wall_clock wall = { 0 };
	unsigned long flags;
	u32 version, nsec;
	u64 ns;

	if (khv_gpa_read(vm, gpa, &version, sizeof(version)))
		return;
	raw_spin_lock_irqsave(&clock->lock, flags);
	ns = ktime_get_real_ns() - guest_ns_at(clock, vm_pair(clock), rdtsc_ordered());
	raw_spin_unlock_irqrestore(&clock->lock, flags);

	wall.sec = div_u64_rem(ns, NSEC_PER_SEC, &nsec);
	wall.nsec = nsec;
	write_versioned(vm, gpa, &version, &wall, sizeof(wall));
}

int khv_pvclock_pairing(struct khv_vcpu *vcpu, gpa_t gpa)
{
	struct kvm_clock_pairing pairing = { 0 };
	struct khv_clock_pair pair;
	u32 nsec;

	if (!khv_pvclock_stable())
		return -EOPNOTSUPP;
	pair = pair_of(ktime_get_real_ns);
	pairing.sec = div_u64_rem(pair.ns, NSEC_PER_SEC, &nsec);
	pairing.nsec = nsec;
	pairing.tsc = khv_guest_tsc_at(vcpu, pair.tsc);
	return khv_gpa_write(vcpu->vm, gpa, &pairing, sizeof(pairing)) ? -EFAULT : 0;
}

void khv_pvclock_update(struct khv_vcpu *vcpu)
{
	struct khv_vm_clock *clock = &vcpu->vm->clock;
	struct khv_pvclock *pv = &vcpu->pvclock;
	const size_t flags_at = offsetof(struct pvclock_vcpu_time_info, flags);
	struct pvclock_vcpu_time_info page;
	unsigned long flags;
	u64 wall_clock = 0;
	gpa_t gpa;
	u8 old;

	raw_spin_lock_irqsave(&clock->lock, flags);
	if (clock->wall_clock_due) {
		clock->wall_clock_due = false;
		wall_clock = clock->wall_clock_msr;
	}
	raw_spin_unlock_irqrestore(&clock->lock, flags);
	if (wall_clock)
		write_wall_clock(vcpu->vm, wall_clock);

	if (!(pv->msr & KVM_MSR_ENABLED))
		return;
	gpa = pv->msr & ~(u64)KVM_MSR_ENABLED;
	fill_page(vcpu, &page);
	/* The guest takes the flag back when it has seen it, and not before. */
	if (!khv_gpa_read(vcpu->vm, gpa + flags_at, &old, sizeof(old)))
		page.flags |= old & PVCLOCK_GUEST_STOPPED;
	if (pv->stopped)
		page.flags |= PVCLOCK_GUEST_STOPPED;
	pv->stopped = false;
	write_versioned(vcpu->vm, gpa, &pv->version, &page, sizeof(page));
}

int khv_pvclock_stopped(struct khv_vcpu *vcpu)
{
	if (!(vcpu->pvclock.msr & KVM_MSR_ENABLED))
		return -EINVAL;
	vcpu->pvclock.stopped = true;
	khv_request(vcpu, KHV_REQ_CLOCK_UPDATE);
	return 0;
}

void khv_pvclock_reset(struct khv_vcpu *vcpu)
{
	memset(&vcpu->pvclock, 0, sizeof(vcpu->pvclock));
}

/* KVM_FEATURE_* that goes with an MSR. */
static unsigned int feature_of(u32 index)
{
	switch (index) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_SYSTEM_TIME:
		return KVM_FEATURE_CLOCKSOURCE;
	case MSR_KVM_STEAL_TIME:
		return KVM_FEATURE_STEAL_TIME;
	case MSR_KVM_PV_EOI_EN:
		return KVM_FEATURE_PV_EOI;
	case MSR_KVM_POLL_CONTROL:
		return KVM_FEATURE_POLL_CONTROL;
	default:
		return KVM_FEATURE_CLOCKSOURCE2;
	}
}

int khv_pv_msr_read(struct khv_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	if (!khv_pv_has(vcpu, feature_of(index)))
		return -ENOENT;
	switch (index) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		*data = READ_ONCE(vcpu->vm->clock.wall_clock_msr);
		return 0;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		*data = vcpu->pvclock.msr;
		return 0;
	case MSR_KVM_STEAL_TIME:
		*data = vcpu->steal.msr;
		return 0;
	case MSR_KVM_PV_EOI_EN:
		*data = vcpu->pv.eoi_msr;
		return 0;
	case MSR_KVM_POLL_CONTROL:
		*data = !vcpu->pv.no_polling;
		return 0;
	default:
		return -ENOENT;
	}
}

int khv_pv_msr_write(struct khv_vcpu *vcpu, u32 index, u64 data, bool host)
{
	struct khv_vm_clock *clock = &vcpu->vm->clock;
	unsigned long flags;

	if (!khv_pv_has(vcpu, feature_of(index)))
		return -ENOENT;
	switch (index) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		raw_spin_lock_irqsave(&clock->lock, flags);
		clock->wall_clock_msr = data;
		/* A client that restores the MSR does not want guest memory written. */
		clock->wall_clock_due = !host;
		raw_spin_unlock_irqrestore(&clock->lock, flags);
		break;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		vcpu->pvclock.msr = data;
		break;
	case MSR_KVM_STEAL_TIME:
		return khv_steal_set(vcpu, data);
	case MSR_KVM_PV_EOI_EN:
		return khv_pv_eoi_set(vcpu, data);
	case MSR_KVM_POLL_CONTROL:
		if (data > 1)
			return 1;
		vcpu->pv.no_polling = !data;
		return 0;
	default:
		return -ENOENT;
	}
	khv_request(vcpu, KHV_REQ_CLOCK_UPDATE);
	return 0;
}

static void refresh_all(struct work_struct *work)
{
	struct khv_vm *vm;

	mutex_lock(&khv_vms_lock);
	list_for_each_entry(vm, &khv_vms, node)
		khv_vm_request_all(vm, KHV_REQ_CLOCK_UPDATE);
	mutex_unlock(&khv_vms_lock);
}

static DECLARE_WORK(refresh_work, refresh_all);

static void queue_refresh(struct irq_work *work)
{
	schedule_work(&refresh_work);
}

static DEFINE_IRQ_WORK(refresh_irq_work, queue_refresh);

/*
 * Have the clock that base_ns() reads and the TSC parted since the last call? By another clock
 * source, or a suspend, in which the TSC may go on, or back, while that stands still. Not where
 * somebody sets the wall-clock time: a new pair would then only give guests, at once, what the
 * two have drifted apart by rounding.
 */
static bool parted(const struct timekeeper *tk)
{
	static const struct clocksource *clock;
	static ktime_t offs_boot;
	static u64 cycles, raw_ns;
	const struct tk_read_base *raw = &tk->tkr_raw;
	u64 now_ns = tk->raw_sec * NSEC_PER_SEC + (raw->xtime_nsec >> raw->shift);
	u64 told_ns = mul_u64_u32_shr(raw->cycle_last - cycles, raw->mult, raw->shift);
	bool same = tk->tkr_mono.clock == clock && tk->offs_boot == offs_boot &&
		    abs((s64)(now_ns - raw_ns - told_ns)) < NSEC_PER_USEC;

	clock = tk->tkr_mono.clock;
	offs_boot = tk->offs_boot;
	cycles = raw->cycle_last;
	raw_ns = now_ns;
	return !same;
}

/*
 * The host's timekeeper moved on, which it does every tick. Called inside its own lock, where
 * nothing may be woken.
 */
static int gtod_notify(struct notifier_block *nb, unsigned long was_set, void *priv)
{
	const struct timekeeper *tk = priv;

	khv_tsc_host_tick(was_set);
	if (!parted(tk))
		return NOTIFY_OK;
	WRITE_ONCE(tsc_clocksource, tk->tkr_mono.clock->vdso_clock_mode == VDSO_CLOCKMODE_TSC);
	atomic_inc(&generation);
	irq_work_queue(&refresh_irq_work);
	return NOTIFY_OK;
}

static struct notifier_block gtod_notifier = { .notifier_call = gtod_notify };

int khv_pvclock_init(void)
{
	if (!tsc_khz)
		return -ENODEV;
	/* Calls gtod_notify() once, with the present clock source. */
	return pvclock_gtod_register_notifier(&gtod_notifier);
}

void khv_pvclock_exit(void)
{
	pvclock_gtod_unregister_notifier(&gtod_notifier);
	irq_work_sync(&refresh_irq_work);
	cancel_work_sync(&refresh_work);
}
