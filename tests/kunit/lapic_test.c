// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC: priorities, EOI, registers in both modes, messages between
 * APICs, the timer's arithmetic, and state that comes and goes.
 *
 * Time stands still unless a test moves it: the clock, the TSC and the hrtimer
 * calls are replaced.
 */
#include <kunit/test.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/prandom.h>
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

#define ktime_get		fake_ktime_get
#define hrtimer_start		fake_hrtimer_start
#define hrtimer_cancel		fake_hrtimer_cancel
#define hrtimer_try_to_cancel	fake_hrtimer_cancel

#include "../../kmod/irqchip/lapic.c"
#include "../../kmod/irqchip/lapic_ipi.c"
#include "../../kmod/irqchip/lapic_timer.c"

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
	bool pic;
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

void khv_ioapic_eoi(struct khv_vm *vm, u8 vector)
{
	w.broadcast = vector;
}

bool khv_pic_pending(struct khv_vm *vm)
{
	return w.pic;
}

void khv_cpuid_refresh(struct khv_vcpu *vcpu)
{
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

static void wr(struct khv_vcpu *vcpu, unsigned int reg, u32 val)
{
	khv_lapic_mmio_write(vcpu, APIC_DEFAULT_PHYS_BASE + reg, 4, &val);
}

static u32 rd(struct khv_vcpu *vcpu, unsigned int reg)
{
	u32 val = 0xdeadbeef;

	khv_lapic_mmio_read(vcpu, APIC_DEFAULT_PHYS_BASE + reg, 4, &val);
	return val;
}

static u32 xmsr(unsigned int reg)
{
	return APIC_BASE_MSR + (reg >> 4);
}

static u64 xrd(struct kunit *test, struct khv_vcpu *vcpu, unsigned int reg)
{
	u64 val = ~0ULL;

	KUNIT_EXPECT_EQ(test, khv_x2apic_read(vcpu, xmsr(reg), &val), 0);
	return val;
}

static void enable(struct khv_vcpu *vcpu)
{
	wr(vcpu, APIC_SPIV, 0x1ff);
}

static void enable_all(void)
{
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++)
		enable(w.vcpu[i]);
}

static int to_x2apic(struct khv_vcpu *vcpu)
{
	return khv_lapic_set_base(vcpu, vcpu->msrs.apic_base | X2APIC_ENABLE, false);
}

static bool irr(struct khv_vcpu *vcpu, u8 vector)
{
	return khv_lapic_reg(vcpu->lapic, APIC_IRR + (vector >> 5) * 0x10) & BIT(vector & 31);
}

/* Which vCPUs have @vector pending; takes it from all. */
static u32 taken(u8 vector)
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

static void test_reset_state(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[1];

	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_ID), 1u << 24);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVR), 0x00050014u);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_DFR), ~0u);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LDR), 0u);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_SPIV), 0xffu);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVTT), 0x10000u);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVT0), 0x10000u);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_PROCPRI), 0u);
	/* The boot processor's LINT0 comes up as ExtINT. */
	KUNIT_EXPECT_EQ(test, rd(w.vcpu[0], APIC_LVT0), 0x700u);
	KUNIT_EXPECT_EQ(test, w.vcpu[0]->msrs.apic_base, 0xfee00900ULL);
	KUNIT_EXPECT_EQ(test, vcpu->msrs.apic_base, 0xfee00800ULL);
}

static void test_priorities(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[0];

	enable(vcpu);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), -1);
	KUNIT_EXPECT_TRUE(test, khv_lapic_set_irr(vcpu, 0x31, false));
	KUNIT_EXPECT_FALSE(test, khv_lapic_set_irr(vcpu, 0x31, false));
	KUNIT_EXPECT_EQ(test, w.kicks[0], 1u);
	KUNIT_EXPECT_TRUE(test, khv_lapic_set_irr(vcpu, 0x55, false));
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), 0x55);

	/* The class decides, not the vector. */
	khv_lapic_set_cr8(vcpu, 5);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_TASKPRI), 0x50u);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), -1);
	wr(vcpu, APIC_TASKPRI, 0x4f);
	KUNIT_EXPECT_EQ(test, khv_lapic_get_cr8(vcpu), 4ULL);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), 0x55);

	khv_lapic_ack(vcpu, 0x55);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_PROCPRI), 0x50u);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), -1);
	khv_lapic_set_irr(vcpu, 0x5f, false);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), -1);
	khv_lapic_set_irr(vcpu, 0xf0, false);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), 0xf0);
}

static void test_nesting_and_eoi(struct kunit *test)
{
	static const u8 vectors[] = { 0x21, 0x35, 0x36, 0x80, 0xfe };
	struct khv_vcpu *vcpu = w.vcpu[0];
	int i;

	enable(vcpu);
	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		khv_lapic_set_irr(vcpu, vectors[i], vectors[i] == 0x80);
		/* Of one class: waits for the first one's EOI. */
		if (vectors[i] == 0x36)
			continue;
		KUNIT_ASSERT_EQ(test, khv_lapic_highest(vcpu), vectors[i]);
		khv_lapic_ack(vcpu, vectors[i]);
		KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_PROCPRI), vectors[i] & 0xf0u);
	}
	vcpu->requests = 0;
	wr(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_PROCPRI), 0x80u);
	KUNIT_EXPECT_EQ(test, w.broadcast, -1);
	wr(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, w.broadcast, 0x80);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_PROCPRI), 0x30u);
	KUNIT_EXPECT_FALSE(test, test_bit(KHV_REQ_EVENT, &vcpu->requests));
	wr(vcpu, APIC_EOI, 0);
	/* 0x36 may come now, and the loop is told so. */
	KUNIT_EXPECT_TRUE(test, test_bit(KHV_REQ_EVENT, &vcpu->requests));
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), 0x36);
	wr(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_PROCPRI), 0u);
	/* One too many does nothing. */
	wr(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), 0x36);
}

static void test_mmio_widths(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[2];
	u64 base = APIC_DEFAULT_PHYS_BASE, val;
	u16 half = 0xffff;

	memset(&val, 0xaa, sizeof(val));
	KUNIT_EXPECT_EQ(test, khv_lapic_mmio_read(vcpu, base + APIC_LVR, 8, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 0x50014ULL);
	val = 0;
	KUNIT_EXPECT_EQ(test, khv_lapic_mmio_read(vcpu, base + APIC_LVR + 2, 1, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 5ULL);
	KUNIT_EXPECT_EQ(test, khv_lapic_mmio_read(vcpu, base + APIC_LVR + 13, 8, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 0ULL);
	KUNIT_EXPECT_EQ(test, khv_lapic_mmio_read(vcpu, base + 0xff9, 8, &val), 0);
	KUNIT_EXPECT_EQ(test, khv_lapic_mmio_write(vcpu, base + APIC_TASKPRI, 2, &half), 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_TASKPRI), 0u);
	KUNIT_EXPECT_EQ(test, khv_lapic_mmio_read(vcpu, base + 0x1000, 4, &val), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, khv_lapic_mmio_read(vcpu, base - 4, 4, &val), -EOPNOTSUPP);

	/* The page moves with its base. */
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, 0x123450800ULL, false), 0);
	KUNIT_EXPECT_EQ(test, khv_lapic_mmio_read(vcpu, base + APIC_ID, 4, &val), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, khv_lapic_mmio_read(vcpu, 0x123450020ULL, 4, &val), 0);
	KUNIT_EXPECT_EQ(test, (u32)val, 2u << 24);
}

static void test_base_transitions(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[1];
	const u64 xapic = 0xfee00800, x2apic = 0xfee00c00, off = 0xfee00000;
	u32 val;

	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, 0xfee00400, false), 1);
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, xapic | 1, false), 1);
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, xapic | BIT(9), false), 1);
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, xapic | BIT_ULL(40), false), 1);

	enable(vcpu);
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, x2apic, false), 0);
	KUNIT_EXPECT_EQ(test, khv_lapic_mmio_read(vcpu, xapic & ~0xfffULL, 4, &val), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, xrd(test, vcpu, APIC_SPIV), 0x1ffULL);
	KUNIT_EXPECT_EQ(test, xrd(test, vcpu, APIC_ID), 1ULL);
	KUNIT_EXPECT_EQ(test, xrd(test, vcpu, APIC_LDR), 2ULL);
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, xapic, false), 1);
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, x2apic, false), 0);

	khv_lapic_set_irr(vcpu, 0x50, false);
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, off, false), 0);
	KUNIT_EXPECT_FALSE(test, khv_lapic_enabled(vcpu));
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), -1);
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, x2apic, false), 1);
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, xapic, false), 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_SPIV), 0xffu);

	/* The client may go anywhere that exists. */
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, x2apic, true), 0);
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, xapic, true), 0);
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, off, true), 0);
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, x2apic, true), 0);
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, 0xfee00400, true), 1);

	vcpu = w.vcpu[2];
	vcpu->cpuid.features = 0;
	KUNIT_EXPECT_EQ(test, khv_lapic_set_base(vcpu, x2apic, false), 1);
}

static void test_x2apic_faults(struct kunit *test)
{
	static const u16 readable[] = {
		0x802, 0x803, 0x808, 0x80a, 0x80d, 0x80f, 0x810, 0x817, 0x818, 0x81f, 0x820,
		0x827, 0x828, 0x830, 0x832, 0x833, 0x834, 0x835, 0x836, 0x837, 0x838, 0x839, 0x83e
	};
	static const u16 writable[] = {
		0x808, 0x80b, 0x80f, 0x828, 0x830, 0x832, 0x833, 0x834, 0x835, 0x836, 0x837,
		0x838, 0x83e, 0x83f
	};
	struct khv_vcpu *vcpu = w.vcpu[0];
	bool known;
	u64 val;
	u32 msr;
	int i;

	KUNIT_EXPECT_EQ(test, khv_x2apic_read(vcpu, 0x802, &val), 1);
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(vcpu, 0x80b, 0), 1);
	KUNIT_ASSERT_EQ(test, to_x2apic(vcpu), 0);

	for (msr = 0x800; msr < 0x900; msr++) {
		for (i = 0, known = false; i < ARRAY_SIZE(readable); i++)
			known |= readable[i] == msr || (msr > 0x810 && msr < 0x828);
		KUNIT_EXPECT_EQ_MSG(test, khv_x2apic_read(vcpu, msr, &val), !known,
				    "RDMSR %#x", msr);
		for (i = 0, known = false; i < ARRAY_SIZE(writable); i++)
			known |= writable[i] == msr;
		KUNIT_EXPECT_EQ_MSG(test, khv_x2apic_write(vcpu, msr, 0), !known,
				    "WRMSR %#x", msr);
		/* No register but ICR has an upper half. */
		if (msr != 0x830)
			KUNIT_EXPECT_EQ_MSG(test, khv_x2apic_write(vcpu, msr, BIT_ULL(32)), 1,
					    "WRMSR %#x, bit 32", msr);
	}
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(vcpu, 0x80b, 1), 1);
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(vcpu, 0x828, 1), 1);
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(vcpu, 0x808, 0x100), 1);
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(vcpu, 0x83f, 0x100), 1);
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(vcpu, 0x83e, 4), 1);
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(vcpu, 0x830, BIT(13)), 1);
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(vcpu, 0x830, BIT(20)), 1);
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(vcpu, 0x837, BIT(8)), 1);
	/* Without the feature its mode bit is reserved. */
	vcpu->cpuid.features &= ~BIT_ULL(KHV_F_TSC_DEADLINE);
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(vcpu, 0x832, 0x40030), 1);
}

static void test_x2apic_icr(struct kunit *test)
{
	enable_all();
	KUNIT_ASSERT_EQ(test, to_x2apic(w.vcpu[0]), 0);
	KUNIT_ASSERT_EQ(test, to_x2apic(w.vcpu[2]), 0);
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(w.vcpu[0], 0x830, 2ULL << 32 | 0x4045), 0);
	KUNIT_EXPECT_EQ(test, taken(0x45), BIT(2));
	KUNIT_EXPECT_EQ(test, xrd(test, w.vcpu[0], APIC_ICR), 2ULL << 32 | 0x4045);
	/* Logical, cluster 0: bits 0 and 2. */
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(w.vcpu[0], 0x830, 5ULL << 32 | 0x4846), 0);
	KUNIT_EXPECT_EQ(test, taken(0x46), BIT(0) | BIT(2));
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(w.vcpu[0], 0x830, 0x10005ULL << 32 | 0x4846), 0);
	KUNIT_EXPECT_EQ(test, taken(0x46), 0u);
	/* 0xff is an ID here, all ones are everyone. */
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(w.vcpu[0], 0x830, 0xffULL << 32 | 0x4047), 0);
	KUNIT_EXPECT_EQ(test, taken(0x47), 0u);
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(w.vcpu[0], 0x830, ~0ULL << 32 | 0x4047), 0);
	KUNIT_EXPECT_EQ(test, taken(0x47), 0xfu);
	/* Self IPI needs no kick. */
	w.kicks[0] = 0;
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(w.vcpu[0], 0x83f, 0x99), 0);
	KUNIT_EXPECT_EQ(test, taken(0x99), BIT(0));
	KUNIT_EXPECT_EQ(test, w.kicks[0], 0u);
}

static void ipi(struct khv_vcpu *from, u8 dest, u32 low)
{
	wr(from, APIC_ICR2, (u32)dest << 24);
	wr(from, APIC_ICR, low);
}

static void test_destinations(struct kunit *test)
{
	unsigned int i;

	enable_all();
	ipi(w.vcpu[0], 3, 0x4061);
	KUNIT_EXPECT_EQ(test, taken(0x61), BIT(3));
	ipi(w.vcpu[0], 77, 0x4061);
	KUNIT_EXPECT_EQ(test, taken(0x61), 0u);
	ipi(w.vcpu[0], 0xff, 0x4061);
	KUNIT_EXPECT_EQ(test, taken(0x61), 0xfu);
	ipi(w.vcpu[1], 0, 0x44061);
	KUNIT_EXPECT_EQ(test, taken(0x61), BIT(1));
	ipi(w.vcpu[1], 0, 0x84061);
	KUNIT_EXPECT_EQ(test, taken(0x61), 0xfu);
	ipi(w.vcpu[1], 0, 0xc4061);
	KUNIT_EXPECT_EQ(test, taken(0x61), 0xdu);

	/* Flat model. */
	for (i = 0; i < NR_VCPUS; i++)
		wr(w.vcpu[i], APIC_LDR, BIT(i) << 24);
	ipi(w.vcpu[0], 0x06, 0x4862);
	KUNIT_EXPECT_EQ(test, taken(0x62), 0x6u);
	ipi(w.vcpu[0], 0xff, 0x4862);
	KUNIT_EXPECT_EQ(test, taken(0x62), 0xfu);
	ipi(w.vcpu[0], 0x30, 0x4862);
	KUNIT_EXPECT_EQ(test, taken(0x62), 0u);

	/* Cluster model: two clusters of two. */
	for (i = 0; i < NR_VCPUS; i++) {
		wr(w.vcpu[i], APIC_DFR, 0x0fffffff);
		wr(w.vcpu[i], APIC_LDR, ((i / 2) << 4 | BIT(i % 2)) << 24);
	}
	ipi(w.vcpu[0], 0x02, 0x4863);
	KUNIT_EXPECT_EQ(test, taken(0x63), BIT(1));
	ipi(w.vcpu[0], 0x13, 0x4863);
	KUNIT_EXPECT_EQ(test, taken(0x63), BIT(2) | BIT(3));
	ipi(w.vcpu[0], 0x33, 0x4863);
	KUNIT_EXPECT_EQ(test, taken(0x63), 0u);
}

static void test_lowest_priority(struct kunit *test)
{
	unsigned int i, once[NR_VCPUS] = {};

	enable_all();
	for (i = 0; i < NR_VCPUS; i++) {
		wr(w.vcpu[i], APIC_LDR, BIT(i) << 24);
		wr(w.vcpu[i], APIC_TASKPRI, i == 2 ? 0x10 : 0x20);
	}
	ipi(w.vcpu[0], 0x0f, 0x4964);
	KUNIT_EXPECT_EQ(test, taken(0x64), BIT(2));
	/* One whose APIC is off in software is passed over. */
	wr(w.vcpu[2], APIC_SPIV, 0xff);
	ipi(w.vcpu[0], 0x06, 0x4964);
	KUNIT_EXPECT_EQ(test, taken(0x64), BIT(1));
	/* Equals take turns over the vectors. */
	wr(w.vcpu[2], APIC_SPIV, 0x1ff);
	wr(w.vcpu[2], APIC_TASKPRI, 0x20);
	for (i = 0x80; i < 0x90; i++) {
		ipi(w.vcpu[0], 0x0f, 0x4900 | i);
		once[__ffs(taken(i) | BIT(31)) % NR_VCPUS]++;
	}
	for (i = 0; i < NR_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, once[i], 4u);
}

static void test_delivery_modes(struct kunit *test)
{
	enable_all();
	ipi(w.vcpu[0], 1, 0x4400);
	KUNIT_EXPECT_EQ(test, w.nmis[1], 1u);
	ipi(w.vcpu[0], 0, 0xc4400);
	KUNIT_EXPECT_EQ(test, w.nmis[0], 0u);
	KUNIT_EXPECT_EQ(test, w.nmis[3], 1u);
	/* SMI and the reserved mode do nothing; ExtINT makes the vCPU look. */
	ipi(w.vcpu[0], 1, 0x4200);
	ipi(w.vcpu[0], 1, 0x4300);
	w.kicks[1] = 0;
	ipi(w.vcpu[0], 1, 0x4700);
	KUNIT_EXPECT_EQ(test, w.kicks[1], 1u);
	/* NMI reaches an APIC that is off in software, fixed does not. */
	wr(w.vcpu[1], APIC_SPIV, 0xff);
	ipi(w.vcpu[0], 1, 0x4400);
	KUNIT_EXPECT_EQ(test, w.nmis[1], 3u);
	ipi(w.vcpu[0], 1, 0x4070);
	KUNIT_EXPECT_EQ(test, taken(0x70), 0u);
	/* Nothing reaches one that is off in hardware. */
	khv_lapic_set_base(w.vcpu[1], 0xfee00000, false);
	ipi(w.vcpu[0], 1, 0x4400);
	ipi(w.vcpu[0], 0xff, 0x4400);
	KUNIT_EXPECT_EQ(test, w.nmis[1], 3u);
}

static void test_init_sipi(struct kunit *test)
{
	struct khv_vcpu *ap = w.vcpu[1], *bsp = w.vcpu[0];

	enable_all();
	ap->mp_state = KVM_MP_STATE_UNINITIALIZED;
	/* A SIPI without INIT is not heard. */
	ipi(bsp, 1, 0x4608);
	KUNIT_EXPECT_TRUE(test, khv_lapic_init_sipi_pending(ap));
	KUNIT_EXPECT_FALSE(test, khv_lapic_accept_events(ap));
	KUNIT_EXPECT_EQ(test, ap->mp_state, (u32)KVM_MP_STATE_UNINITIALIZED);

	ipi(bsp, 1, 0xc500);
	KUNIT_EXPECT_TRUE(test, test_bit(KHV_REQ_MP_STATE, &ap->requests));
	/* The level de-assert that used to follow changes nothing. */
	ipi(bsp, 1, 0x8500);
	KUNIT_EXPECT_TRUE(test, khv_lapic_accept_events(ap));
	KUNIT_EXPECT_EQ(test, w.resets[1], 1u);
	KUNIT_EXPECT_EQ(test, ap->mp_state, (u32)KVM_MP_STATE_INIT_RECEIVED);
	ipi(bsp, 1, 0x469a);
	KUNIT_EXPECT_TRUE(test, khv_lapic_accept_events(ap));
	KUNIT_EXPECT_EQ(test, ap->mp_state, (u32)KVM_MP_STATE_RUNNABLE);
	KUNIT_EXPECT_EQ(test, w.cs[1].selector, 0x9a00);
	KUNIT_EXPECT_EQ(test, w.cs[1].base, 0x9a000ULL);
	/* The second SIPI of the universal algorithm. */
	ipi(bsp, 1, 0x4608);
	KUNIT_EXPECT_FALSE(test, khv_lapic_accept_events(ap));
	KUNIT_EXPECT_EQ(test, w.cs[1].base, 0x9a000ULL);
	/* Both before the vCPU looks; a SIPI before the INIT is void. */
	ipi(bsp, 1, 0x4611);
	ipi(bsp, 1, 0x4500);
	ipi(bsp, 1, 0x4622);
	khv_lapic_accept_events(ap);
	KUNIT_EXPECT_EQ(test, ap->mp_state, (u32)KVM_MP_STATE_RUNNABLE);
	KUNIT_EXPECT_EQ(test, w.cs[1].base, 0x22000ULL);
	KUNIT_EXPECT_FALSE(test, khv_lapic_init_sipi_pending(ap));
	/* The boot processor runs on from its reset vector. */
	ipi(ap, 0, 0x4500);
	khv_lapic_accept_events(bsp);
	KUNIT_EXPECT_EQ(test, bsp->mp_state, (u32)KVM_MP_STATE_RUNNABLE);
	KUNIT_EXPECT_EQ(test, w.resets[0], 1u);
}

static void test_errors(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[0];

	enable_all();
	wr(vcpu, APIC_LVTERR, 0xf3);
	ipi(vcpu, 1, 0x400f);
	KUNIT_EXPECT_EQ(test, taken(0xf3), BIT(0));
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_ESR), 0u);
	/* The same error again is no news before ESR was written. */
	ipi(vcpu, 1, 0x400f);
	KUNIT_EXPECT_EQ(test, taken(0xf3), 0u);
	wr(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_ESR), (u32)APIC_ESR_SENDILL);
	wr(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_ESR), 0u);
	/* Registers that are none. */
	rd(vcpu, 0x40);
	wr(vcpu, 0x3c0, 1);
	rd(vcpu, 0x400);
	wr(vcpu, 0xff0, 1);
	KUNIT_EXPECT_EQ(test, taken(0xf3), BIT(0));
	wr(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_ESR), (u32)APIC_ESR_ILLREGA);
	/* A local source with an illegal vector, the error's own included. */
	wr(vcpu, APIC_LVTERR, 0x05);
	wr(vcpu, APIC_LVT0, 0x03);
	khv_lapic_lint0(vcpu);
	wr(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_ESR), (u32)APIC_ESR_RECVILL);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), -1);
}

static void test_lvt(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[0];

	/* Off in software, the mask cannot be cleared. */
	wr(vcpu, APIC_LVT0, 0x700);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVT0), 0x10700u);
	w.pic = true;
	KUNIT_EXPECT_FALSE(test, khv_lapic_accepts_pic(vcpu));
	enable(vcpu);
	wr(vcpu, APIC_LVT0, ~0u);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVT0), 0x1a7ffu);
	wr(vcpu, APIC_LVTT, ~0u);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVTT), 0x100ffu);
	wr(vcpu, APIC_LVTPC, ~0u);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVTPC), 0x107ffu);
	wr(vcpu, APIC_LVTERR, ~0u);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVTERR), 0x100ffu);
	wr(vcpu, APIC_LVT0, 0x700);
	KUNIT_EXPECT_TRUE(test, khv_lapic_accepts_pic(vcpu));
	w.pic = false;
	KUNIT_EXPECT_FALSE(test, khv_lapic_accepts_pic(vcpu));

	/* LINT0 in its three modes. */
	vcpu->requests = 0;
	khv_lapic_lint0(vcpu);
	KUNIT_EXPECT_TRUE(test, test_bit(KHV_REQ_EVENT, &vcpu->requests));
	wr(vcpu, APIC_LVT0, 0x400);
	khv_lapic_lint0(vcpu);
	KUNIT_EXPECT_EQ(test, w.nmis[0], 1u);
	wr(vcpu, APIC_LVT0, 0x41);
	khv_lapic_lint0(vcpu);
	KUNIT_EXPECT_EQ(test, taken(0x41), BIT(0));
	wr(vcpu, APIC_SPIV, 0xff);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVT0), 0x10041u);
	khv_lapic_lint0(vcpu);
	KUNIT_EXPECT_EQ(test, taken(0x41), 0u);
	/* Without an APIC the PIC has the processor's own pin. */
	w.pic = true;
	khv_lapic_set_base(vcpu, 0xfee00000, false);
	KUNIT_EXPECT_TRUE(test, khv_lapic_accepts_pic(vcpu));
}

/* The hrtimer, if it is due. */
static void expire(struct khv_vcpu *vcpu)
{
	if (fake_expires < 0 || fake_now < fake_expires)
		return;
	fake_expires = -1;
	timer_expired(&vcpu->lapic->timer.hrtimer);
}

static void test_timer_oneshot(struct kunit *test)
{
	static const u8 tdcr[] = { 0xb, 0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xa };
	struct khv_vcpu *vcpu = w.vcpu[0];
	unsigned int i;

	enable(vcpu);
	wr(vcpu, APIC_LVTT, 0x40);
	for (i = 0; i < ARRAY_SIZE(tdcr); i++) {
		s64 start = fake_now;

		wr(vcpu, APIC_TDCR, tdcr[i]);
		wr(vcpu, APIC_TMICT, 100000);
		KUNIT_EXPECT_EQ(test, fake_expires, start + (100000LL << i));
		KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_TMCCT), 100000u);
		fake_now = start + (25000LL << i);
		KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_TMCCT), 75000u);
		fake_now = start + (100000LL << i) - 1;
		KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_TMCCT), 1u);
		fake_now++;
		KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_TMCCT), 0u);
		expire(vcpu);
		KUNIT_EXPECT_TRUE(test, khv_lapic_timer_pending(vcpu));
		khv_lapic_timer_work(vcpu);
		KUNIT_EXPECT_FALSE(test, khv_lapic_timer_pending(vcpu));
		KUNIT_EXPECT_EQ(test, taken(0x40), BIT(0));
		KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
	}
	/* The longest count there is. */
	wr(vcpu, APIC_TMICT, ~0u);
	KUNIT_EXPECT_EQ(test, fake_expires, fake_now + (0xffffffffLL << 7));
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_TMCCT), ~0u);
	wr(vcpu, APIC_TMICT, 0);
	KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_TMCCT), 0u);
	/* Masked: counts, but does not interrupt. */
	wr(vcpu, APIC_LVTT, 0x10040);
	wr(vcpu, APIC_TMICT, 1000);
	fake_now = fake_expires;
	expire(vcpu);
	khv_lapic_timer_work(vcpu);
	KUNIT_EXPECT_EQ(test, taken(0x40), 0u);
}

static void test_timer_periodic(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[0];
	s64 start = fake_now;

	enable(vcpu);
	wr(vcpu, APIC_TDCR, 0xb);
	wr(vcpu, APIC_LVTT, 0x20041);
	wr(vcpu, APIC_TMICT, 1000000);
	fake_now = start + 1000100;
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_TMCCT), 999900u);
	expire(vcpu);
	khv_lapic_timer_work(vcpu);
	KUNIT_EXPECT_EQ(test, taken(0x41), BIT(0));
	/* No drift from the late start. */
	KUNIT_EXPECT_EQ(test, fake_expires, start + 2000000);
	/* Periods that nobody saw are one interrupt, in phase. */
	fake_now = start + 7300000;
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_TMCCT), 700000u);
	expire(vcpu);
	khv_lapic_timer_work(vcpu);
	KUNIT_EXPECT_EQ(test, taken(0x41), BIT(0));
	KUNIT_EXPECT_EQ(test, fake_expires, start + 8000000);
	/* On a boundary exactly: the next one, never one that has passed. */
	fake_now = start + 9000000;
	expire(vcpu);
	khv_lapic_timer_work(vcpu);
	KUNIT_EXPECT_EQ(test, fake_expires, start + 10000000);
	/* To one-shot: runs on to its end and stops there. */
	wr(vcpu, APIC_LVTT, 0x41);
	fake_now = fake_expires;
	expire(vcpu);
	taken(0x41);
	khv_lapic_timer_work(vcpu);
	KUNIT_EXPECT_EQ(test, taken(0x41), BIT(0));
	KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
	/* A hostile period. */
	wr(vcpu, APIC_LVTT, 0x20041);
	wr(vcpu, APIC_TMICT, 1);
	KUNIT_EXPECT_EQ(test, fake_expires, fake_now + KHV_APIC_MIN_PERIOD_NS);
	KUNIT_EXPECT_LE(test, rd(vcpu, APIC_TMCCT), 1u);
	fake_now = fake_expires;
	expire(vcpu);
	khv_lapic_timer_work(vcpu);
	KUNIT_EXPECT_EQ(test, fake_expires, fake_now + KHV_APIC_MIN_PERIOD_NS);
}

static void test_timer_divide_change(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[0];
	s64 start = fake_now;

	enable(vcpu);
	wr(vcpu, APIC_LVTT, 0x40);
	wr(vcpu, APIC_TDCR, 0xb);
	wr(vcpu, APIC_TMICT, 1000000);
	fake_now = start + 400000;
	/* 600000 counts are left, each of 4 ns from now on. */
	wr(vcpu, APIC_TDCR, 0x1);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_TMCCT), 600000u);
	KUNIT_EXPECT_EQ(test, fake_expires, fake_now + 2400000);
}

static void test_timer_deadline(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[0];
	u64 khz = tsc_khz;

	enable(vcpu);
	/* In another mode the MSR is dead. */
	khv_lapic_set_tscdeadline(vcpu, w.tsc + khz);
	KUNIT_EXPECT_EQ(test, khv_lapic_get_tscdeadline(vcpu), 0ULL);
	KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
	wr(vcpu, APIC_TMICT, 5000000);
	/* A change of mode disarms. */
	wr(vcpu, APIC_LVTT, 0x40042);
	KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_TMICT), 0u);
	wr(vcpu, APIC_TMICT, 5000);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_TMICT), 0u);

	khv_lapic_set_tscdeadline(vcpu, w.tsc + 3 * khz);
	KUNIT_EXPECT_EQ(test, khv_lapic_get_tscdeadline(vcpu), w.tsc + 3 * khz);
	KUNIT_EXPECT_EQ(test, fake_expires, fake_now + 3000000);
	/* The host's clock ran ahead of the TSC: wait for the rest, do not fire early. */
	fake_now = fake_expires;
	w.tsc += 3 * khz - 10;
	expire(vcpu);
	khv_lapic_timer_work(vcpu);
	KUNIT_EXPECT_EQ(test, taken(0x42), 0u);
	KUNIT_EXPECT_GT(test, fake_expires, fake_now);
	w.tsc += 10;
	fake_now = fake_expires;
	expire(vcpu);
	khv_lapic_timer_work(vcpu);
	KUNIT_EXPECT_EQ(test, taken(0x42), BIT(0));
	KUNIT_EXPECT_EQ(test, khv_lapic_get_tscdeadline(vcpu), 0ULL);
	/* Once only. */
	timer_expired(&vcpu->lapic->timer.hrtimer);
	khv_lapic_timer_work(vcpu);
	KUNIT_EXPECT_EQ(test, taken(0x42), 0u);
	/* In the past: at once. */
	khv_lapic_set_tscdeadline(vcpu, 1);
	KUNIT_EXPECT_EQ(test, taken(0x42), BIT(0));
	/* Zero disarms; the end of time does not overflow. */
	khv_lapic_set_tscdeadline(vcpu, ~0ULL);
	KUNIT_EXPECT_GT(test, fake_expires, fake_now);
	khv_lapic_set_tscdeadline(vcpu, 0);
	KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
	/* The TSC moved under an armed timer. */
	khv_lapic_set_tscdeadline(vcpu, w.tsc + 10 * khz);
	w.tsc += 8 * khz;
	khv_lapic_tsc_changed(vcpu);
	KUNIT_EXPECT_EQ(test, fake_expires, fake_now + 2000000);
	w.tsc += 8 * khz;
	khv_lapic_tsc_changed(vcpu);
	KUNIT_EXPECT_EQ(test, taken(0x42), BIT(0));
}

static void test_tsc_to_ns(struct kunit *test)
{
	u64 khz = tsc_khz, delta;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, tsc_to_ns(khz * 1000), (u64)NSEC_PER_SEC);
	KUNIT_EXPECT_GE(test, tsc_to_ns(1), 1ULL);
	for (i = 0; i < 64; i++) {
		delta = 1ULL << i;
		KUNIT_EXPECT_LE(test, tsc_to_ns(delta), FAR_FUTURE_NS);
		/* Never short: that many nanoseconds are at least delta ticks. */
		if (tsc_to_ns(delta) < FAR_FUTURE_NS)
			KUNIT_EXPECT_GE(test, mul_u64_u32_div(tsc_to_ns(delta), khz, NSEC_PER_MSEC),
					delta);
	}
}

static void test_state_round_trip(struct kunit *test)
{
	struct kvm_lapic_state *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct kvm_lapic_state *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	struct khv_vcpu *vcpu = w.vcpu[1];

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, s);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t);
	enable(vcpu);
	wr(vcpu, APIC_TASKPRI, 0x21);
	wr(vcpu, APIC_LDR, 0x08000000);
	wr(vcpu, APIC_LVTT, 0x20040);
	wr(vcpu, APIC_TDCR, 1);
	wr(vcpu, APIC_TMICT, 1000000);
	fake_now += 1000000;
	khv_lapic_set_irr(vcpu, 0x66, false);
	khv_lapic_ack(vcpu, 0x66);
	khv_lapic_set_irr(vcpu, 0x31, true);
	khv_lapic_set_irr(vcpu, 0x91, false);
	KUNIT_ASSERT_EQ(test, khv_lapic_get(vcpu, s), 0);
	KUNIT_EXPECT_EQ(test, state_reg(s, APIC_TMCCT), 750000u);

	khv_lapic_reset(vcpu, false);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), -1);
	vcpu->requests = 0;
	KUNIT_ASSERT_EQ(test, khv_lapic_set(vcpu, s), 0);
	KUNIT_ASSERT_EQ(test, khv_lapic_get(vcpu, t), 0);
	KUNIT_EXPECT_EQ(test, memcmp(s, t, sizeof(*s)), 0);
	KUNIT_EXPECT_TRUE(test, test_bit(KHV_REQ_EVENT, &vcpu->requests));
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), 0x91);
	KUNIT_EXPECT_EQ(test, fake_expires, fake_now + 3000000);
	wr(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_PROCPRI), 0x21u);

	/* What expired and was not delivered is in the copy. */
	fake_now += 3000000;
	expire(vcpu);
	KUNIT_ASSERT_EQ(test, khv_lapic_get(vcpu, t), 0);
	KUNIT_EXPECT_TRUE(test, state_reg(t, APIC_IRR + 0x20) & BIT(0));

	/* The ID is not the client's to choose in x2APIC mode. */
	KUNIT_ASSERT_EQ(test, to_x2apic(vcpu), 0);
	KUNIT_ASSERT_EQ(test, khv_lapic_get(vcpu, t), 0);
	KUNIT_EXPECT_EQ(test, khv_lapic_set(vcpu, t), 0);
	t->regs[APIC_ID + 3] = 9;
	KUNIT_EXPECT_EQ(test, khv_lapic_set(vcpu, t), -EINVAL);
}

static void test_hostile_state(struct kunit *test)
{
	struct kvm_lapic_state *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct khv_vcpu *vcpu = w.vcpu[1];
	int vector;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, s);
	memset(s, 0xff, sizeof(*s));
	KUNIT_ASSERT_EQ(test, khv_lapic_set(vcpu, s), 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_ID), 1u << 24);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVTT), 0x100ffu);
	for (vector = 255; vector >= 16; vector--)
		wr(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, vcpu->lapic->highest_isr, -1);
	KUNIT_EXPECT_EQ(test, vcpu->lapic->isr_words, 0u);
	wr(vcpu, APIC_TASKPRI, 0);
	for (vector = 255; vector >= 16; vector--) {
		KUNIT_ASSERT_EQ(test, khv_lapic_highest(vcpu), vector);
		khv_lapic_ack(vcpu, vector);
		wr(vcpu, APIC_EOI, 0);
	}
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), -1);
}

/* IRR, ISR and TPR as plain sets, and what follows from them by the book. */
struct model {
	bool irr[256], isr[256];
	u8 tpr;
};

static int top(const bool *set)
{
	int v;

	for (v = 255; v >= 0; v--)
		if (set[v])
			return v;
	return -1;
}

static u8 model_ppr(const struct model *m)
{
	int isr = max(top(m->isr), 0) & 0xf0;

	return (m->tpr & 0xf0) >= isr ? m->tpr : isr;
}

static int model_highest(const struct model *m)
{
	int v = top(m->irr);

	return v >= 0 && (v >> 4) > (model_ppr(m) >> 4) ? v : -1;
}

static void test_against_model(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	struct khv_vcpu *vcpu = w.vcpu[0];
	struct rnd_state rnd;
	unsigned int i;
	int v;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, m);
	enable(vcpu);
	prandom_seed_state(&rnd, 1);
	for (i = 0; i < 50000; i++) {
		u32 r = prandom_u32_state(&rnd);

		switch (r & 3) {
		case 0:
			v = 16 + (r >> 8) % 240;
			KUNIT_ASSERT_EQ(test, khv_lapic_set_irr(vcpu, v, r & 4), !m->irr[v]);
			m->irr[v] = true;
			break;
		case 1:
			v = khv_lapic_highest(vcpu);
			if (v < 0)
				break;
			khv_lapic_ack(vcpu, v);
			m->irr[v] = false;
			m->isr[v] = true;
			break;
		case 2:
			wr(vcpu, APIC_EOI, 0);
			v = top(m->isr);
			if (v >= 0)
				m->isr[v] = false;
			break;
		default:
			/* Low more often than not, or nothing would ever pass. */
			m->tpr = r & 0x70 ? (r >> 8) & 0x1f : r >> 8;
			wr(vcpu, APIC_TASKPRI, m->tpr);
		}
		KUNIT_ASSERT_EQ(test, khv_lapic_highest(vcpu), model_highest(m));
		KUNIT_ASSERT_EQ(test, rd(vcpu, APIC_PROCPRI), (u32)model_ppr(m));
	}
}

static void check_invariants(struct kunit *test, struct khv_vcpu *vcpu)
{
	struct khv_lapic *apic = vcpu->lapic;
	unsigned int word;
	u32 isr;

	for (word = 0; word < 8; word++) {
		isr = khv_lapic_reg(apic, APIC_ISR + word * 0x10);
		KUNIT_ASSERT_EQ(test, !!isr, !!(apic->isr_words & BIT(word)));
		if (khv_lapic_reg(apic, APIC_IRR + word * 0x10))
			KUNIT_ASSERT_TRUE(test, apic->irr_words & BIT(word));
	}
	KUNIT_ASSERT_FALSE(test, khv_lapic_reg(apic, APIC_IRR) & 0xffff);
	KUNIT_ASSERT_FALSE(test, khv_lapic_reg(apic, APIC_ISR) & 0xffff);
	KUNIT_ASSERT_EQ(test, (int)apic->mode, (int)mode_of(vcpu->msrs.apic_base));
	if (fake_expires >= 0)
		KUNIT_ASSERT_GE(test, fake_expires, 0LL);
}

/* Anything in any order: nothing may break, whatever the guest means by it. */
static void test_fuzz(struct kunit *test)
{
	struct rnd_state rnd;
	unsigned int i;
	u64 val;

	prandom_seed_state(&rnd, 2);
	for (i = 0; i < 200000; i++) {
		struct khv_vcpu *vcpu = w.vcpu[prandom_u32_state(&rnd) % NR_VCPUS];
		u32 r = prandom_u32_state(&rnd);
		u64 gpa = APIC_DEFAULT_PHYS_BASE + (r & 7 ? (r >> 8) & 0xff0 : (r >> 8) & 0xfff);

		val = (u64)prandom_u32_state(&rnd) << 32 | prandom_u32_state(&rnd);
		val &= (u64)prandom_u32_state(&rnd) << 32 | prandom_u32_state(&rnd);
		switch (r >> 28) {
		case 0 ... 4:
			khv_lapic_mmio_write(vcpu, gpa, r & 7 ? 4 : 1 << (r >> 4 & 3), &val);
			break;
		case 5:
			khv_lapic_mmio_read(vcpu, gpa, 1 << (r >> 4 & 3), &val);
			break;
		case 6 ... 8:
			khv_x2apic_write(vcpu, 0x800 + (r & 0x3f), r & 0x40 ? val : (u32)val);
			break;
		case 9:
			khv_x2apic_read(vcpu, 0x800 + (r & 0xff), &val);
			break;
		case 10:
			if (!(r & 0x70))
				khv_lapic_set_base(vcpu, 0xfee00000 | (r & 0xd00), r & 1);
			break;
		case 11:
			khv_lapic_set_tscdeadline(vcpu, val >> (r & 0x3f));
			w.tsc += (u32)val >> (r & 0x1f);
			break;
		case 12:
			fake_now += (u32)val >> (r & 0x1f);
			if (fake_expires >= 0 && fake_now >= fake_expires)
				timer_expired(&vcpu->lapic->timer.hrtimer);
			khv_lapic_timer_work(vcpu);
			break;
		case 13:
			khv_lapic_accept_events(vcpu);
			break;
		default:
			if (khv_lapic_highest(vcpu) >= 0)
				khv_lapic_ack(vcpu, khv_lapic_highest(vcpu));
		}
		if (!(i & 63))
			check_invariants(test, vcpu);
	}
}

struct raiser {
	struct khv_vcpu *vcpu;
	u32 seed, wins;
};

static int raiser_fn(void *data)
{
	struct raiser *raiser = data;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, raiser->seed);
	while (!kthread_should_stop()) {
		raiser->wins += khv_lapic_set_irr(raiser->vcpu,
						  0x20 + prandom_u32_state(&rnd) % 0xe0, false);
		cond_resched();
	}
	return 0;
}

/* Others raise while the vCPU takes: each one accepted is seen, once. */
static void test_concurrent_raise(struct kunit *test)
{
	struct task_struct *task[3];
	struct raiser raiser[ARRAY_SIZE(task)];
	struct khv_vcpu *vcpu = w.vcpu[0];
	unsigned long end = jiffies + HZ / 2;
	u32 seen = 0, wins = 0;
	unsigned int i;

	enable(vcpu);
	for (i = 0; i < ARRAY_SIZE(task); i++) {
		raiser[i] = (struct raiser){ .vcpu = vcpu, .seed = i };
		task[i] = kthread_run(raiser_fn, &raiser[i], "khv_raiser");
		KUNIT_ASSERT_FALSE(test, IS_ERR(task[i]));
	}
	do {
		int vector = khv_lapic_highest(vcpu);

		if (vector >= 0) {
			khv_lapic_ack(vcpu, vector);
			wr(vcpu, APIC_EOI, 0);
			seen++;
		}
		cond_resched();
	} while (time_before(jiffies, end));
	for (i = 0; i < ARRAY_SIZE(task); i++) {
		kthread_stop(task[i]);
		wins += raiser[i].wins;
	}
	while (khv_lapic_highest(vcpu) >= 0) {
		khv_lapic_ack(vcpu, khv_lapic_highest(vcpu));
		wr(vcpu, APIC_EOI, 0);
		seen++;
	}
	KUNIT_EXPECT_GT(test, seen, 0u);
	KUNIT_EXPECT_EQ(test, seen, wins);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(test_reset_state),
	KUNIT_CASE(test_priorities),
	KUNIT_CASE(test_nesting_and_eoi),
	KUNIT_CASE(test_mmio_widths),
	KUNIT_CASE(test_base_transitions),
	KUNIT_CASE(test_x2apic_faults),
	KUNIT_CASE(test_x2apic_icr),
	KUNIT_CASE(test_destinations),
	KUNIT_CASE(test_lowest_priority),
	KUNIT_CASE(test_delivery_modes),
	KUNIT_CASE(test_init_sipi),
	KUNIT_CASE(test_errors),
	KUNIT_CASE(test_lvt),
	KUNIT_CASE(test_timer_oneshot),
	KUNIT_CASE(test_timer_periodic),
	KUNIT_CASE(test_timer_divide_change),
	KUNIT_CASE(test_timer_deadline),
	KUNIT_CASE(test_tsc_to_ns),
	KUNIT_CASE(test_state_round_trip),
	KUNIT_CASE(test_hostile_state),
	KUNIT_CASE(test_against_model),
	KUNIT_CASE(test_fuzz),
	KUNIT_CASE(test_concurrent_raise),
	{}
};

static struct kunit_suite suite = {
	.name = "khv_lapic",
	.init = setup,
	.exit = teardown,
	.test_cases = cases,
};
kunit_test_suite(suite);

MODULE_LICENSE("GPL");
