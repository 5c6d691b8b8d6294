/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A few vCPUs with local APICs, and stand-ins for all that those call.
 *
 * Time stands still unless a test moves it: the clock, the TSC and the hrtimer
 * calls are replaced.
 */
#ifndef KHV_KUNIT_LAPIC_FAKE_H
#define KHV_KUNIT_LAPIC_FAKE_H

#include <kunit/test.h>
#include <linux/bitops.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/slab.h>

static s64 fake_now;
static s64 fake_expires;	/* of the last hrtimer started, -1 for none */

static ktime_t fake_ktime_get(void)
{
	return fake_now;
}

static void fake_hrtimer_start(struct hrtimer *timer, ktime_t when, enum hrtimer_mode mode)
{
	fake_expires = when;
}

static int fake_hrtimer_cancel(struct hrtimer *timer)
{
	fake_expires = -1;
	return 0;
}

/* Runs once, right before the next clear_bit(): another CPU at the worst moment. */
static void (*before_clear_bit)(void);

static inline void racing_clear_bit(long nr, unsigned long *addr)
{
	void (*hook)(void) = before_clear_bit;

	before_clear_bit = NULL;
	if (hook)
		hook();
	clear_bit(nr, addr);
}

#define clear_bit		racing_clear_bit
#define ktime_get		fake_ktime_get
#define hrtimer_start		fake_hrtimer_start
#define hrtimer_cancel		fake_hrtimer_cancel
#define hrtimer_try_to_cancel	fake_hrtimer_cancel

#include "../../kmod/irqchip/lapic.c"
#include "../../kmod/irqchip/lapic_ipi.c"
#include "../../kmod/irqchip/lapic_timer.c"
#include "../../kmod/irqchip/lapic_state.c"
#include "../../kmod/irqchip/lapic_virtual.c"

#define NR_VCPUS	4

static struct {
	struct khv_vm *vm;
	struct khv_vcpu *vcpu[NR_VCPUS];
	unsigned int kicks[NR_VCPUS];
	unsigned int nmis[NR_VCPUS];
	unsigned int resets[NR_VCPUS];
	struct kvm_segment cs[NR_VCPUS];
	u64 tsc;
	int broadcast;		/* last EOI that reached the I/O APIC */
	bool broadcast_level;
	bool pic;
	bool pv_ended;		/* the guest has taken the offer of a paravirtual EOI */
} w;

void khv_vcpu_kick(struct khv_vcpu *vcpu)
{
	w.kicks[vcpu->index]++;
}

void khv_raise_nmi(struct khv_vcpu *vcpu)
{
	w.nmis[vcpu->index]++;
}

u64 khv_guest_tsc(struct khv_vcpu *vcpu)
{
	return w.tsc;
}

void khv_ioapic_eoi(struct khv_vcpu *vcpu, u8 vector, bool level)
{
	w.broadcast = vector;
	w.broadcast_level = level;
}

/* The client's I/O APIC has the odd vectors. */
bool khv_gsi_client_eoi(struct khv_vcpu *vcpu, u8 vector, bool level)
{
	return vector & 1;
}

bool khv_pic_pending(struct khv_vm *vm)
{
	return w.pic;
}

void khv_cpuid_refresh(struct khv_vcpu *vcpu)
{
}

bool khv_pv_eoi_settle(struct khv_vcpu *vcpu)
{
	vcpu->pv.eoi_offered = false;
	if (w.pv_ended)
		khv_lapic_end_highest(vcpu);
	return true;
}

void khv_pv_eoi_finish(struct khv_vcpu *vcpu, bool may_sleep)
{
	khv_pv_eoi_settle(vcpu);
}

void khv_vcpu_reset(struct khv_vcpu *vcpu, bool init)
{
	w.resets[vcpu->index]++;
	khv_lapic_reset(vcpu, init);
}

static void fake_get_segment(struct khv_vcpu *vcpu, enum khv_seg seg, struct kvm_segment *var)
{
	*var = w.cs[vcpu->index];
}

static void fake_set_segment(struct khv_vcpu *vcpu, enum khv_seg seg,
			     const struct kvm_segment *var)
{
	w.cs[vcpu->index] = *var;
}

static const struct khv_hw_ops fake_hw = {
	.get_segment = fake_get_segment,
	.set_segment = fake_set_segment,
};

const struct khv_hw_ops *khv_hw = &fake_hw;

static int setup(struct kunit *test)
{
	unsigned int i;

	memset(&w, 0, sizeof(w));
	before_clear_bit = NULL;
	w.broadcast = -1;
	w.tsc = 1000000;
	fake_now = 1000000000;
	fake_expires = -1;
	w.vm = kunit_kzalloc(test, sizeof(*w.vm), GFP_KERNEL);
	if (!w.vm)
		return -ENOMEM;
	for (i = 0; i < NR_VCPUS; i++) {
		struct khv_vcpu *vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);

		if (!vcpu)
			return -ENOMEM;
		vcpu->vm = w.vm;
		vcpu->id = i;
		vcpu->index = i;
		vcpu->cpuid.maxphyaddr = 40;
		vcpu->tsc.khz = tsc_khz;
		vcpu->cpuid.features = BIT_ULL(KHV_F_X2APIC) | BIT_ULL(KHV_F_TSC_DEADLINE);
		w.vcpu[i] = vcpu;
		w.vm->vcpus[i] = vcpu;
		if (khv_lapic_create(vcpu))
			return -ENOMEM;
		w.vm->nr_vcpus = i + 1;
	}
	return 0;
}

static void teardown(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++)
		if (w.vcpu[i])
			khv_lapic_destroy(w.vcpu[i]);
}

static inline void wr(struct khv_vcpu *vcpu, unsigned int reg, u32 val)
{
	khv_lapic_mmio_write(vcpu, APIC_DEFAULT_PHYS_BASE + reg, 4, &val);
}

static inline u32 rd(struct khv_vcpu *vcpu, unsigned int reg)
{
	u32 val = 0xdeadbeef;

	khv_lapic_mmio_read(vcpu, APIC_DEFAULT_PHYS_BASE + reg, 4, &val);
	return val;
}

static inline u32 xmsr(unsigned int reg)
{
	return APIC_BASE_MSR + (reg >> 4);
}

static inline u64 xrd(struct kunit *test, struct khv_vcpu *vcpu, unsigned int reg)
{
	u64 val = ~0ULL;

	KUNIT_EXPECT_EQ(test, khv_x2apic_read(vcpu, xmsr(reg), &val), 0);
	return val;
}

static inline void enable(struct khv_vcpu *vcpu)
{
	wr(vcpu, APIC_SPIV, 0x1ff);
}

static inline void enable_all(void)
{
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++)
		enable(w.vcpu[i]);
}

static inline int to_x2apic(struct khv_vcpu *vcpu)
{
	return khv_lapic_set_base(vcpu, vcpu->msrs.apic_base | X2APIC_ENABLE, false);
}

static inline bool irr(struct khv_vcpu *vcpu, u8 vector)
{
	return khv_lapic_reg(vcpu->lapic, APIC_IRR + (vector >> 5) * 0x10) & BIT(vector & 31);
}

/* Which vCPUs have @vector pending; takes it from all. */
static inline u32 taken(u8 vector)
{
	u32 mask = 0;
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++) {
		if (!irr(w.vcpu[i], vector))
			continue;
		mask |= BIT(i);
		clear_bit(vector & 31, khv_lapic_word(w.vcpu[i]->lapic, APIC_IRR, vector));
	}
	return mask;
}

static inline void ipi(struct khv_vcpu *from, u8 dest, u32 low)
{
	wr(from, APIC_ICR2, (u32)dest << 24);
	wr(from, APIC_ICR, low);
}

/* The hrtimer, if it is due. */
static inline void expire(struct khv_vcpu *vcpu)
{
	if (fake_expires < 0 || fake_now < fake_expires)
		return;
	fake_expires = -1;
	timer_expired(&vcpu->lapic->timer.hrtimer);
}

#endif
