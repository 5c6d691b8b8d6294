// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC: priorities, EOI, registers in both modes, state that comes
 * and goes; and random use against a model, and from several threads.
 */
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/prandom.h>

#include "lapic_fake.h"

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

static void put_in_service(struct khv_vcpu *vcpu, u8 vector, bool level)
{
	khv_lapic_set_irr(vcpu, vector, level);
	khv_lapic_ack(vcpu, vector);
}

/* Which ends a guest may make without an exit, and what becomes of those it has made. */
static void test_silent_eoi(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[0];

	enable(vcpu);
	KUNIT_EXPECT_FALSE(test, khv_lapic_eoi_unheard(vcpu));
	put_in_service(vcpu, 0x41, false);
	KUNIT_EXPECT_TRUE(test, khv_lapic_eoi_unheard(vcpu));
	/* The next one's turn comes with an EOI, whether it is above or not. */
	khv_lapic_set_irr(vcpu, 0x31, false);
	KUNIT_EXPECT_FALSE(test, khv_lapic_eoi_unheard(vcpu));
	KUNIT_EXPECT_EQ(test, taken(0x31), BIT(0));
	w.vm->irqfds.nr_resample = 1;
	KUNIT_EXPECT_FALSE(test, khv_lapic_eoi_unheard(vcpu));
	w.vm->irqfds.nr_resample = 0;
	put_in_service(vcpu, 0x52, true);
	KUNIT_EXPECT_FALSE(test, khv_lapic_eoi_unheard(vcpu));
	wr(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_TRUE(test, khv_lapic_eoi_unheard(vcpu));
	w.vm->irq.split = true;
	KUNIT_EXPECT_FALSE(test, khv_lapic_eoi_unheard(vcpu));
	put_in_service(vcpu, 0x62, false);
	KUNIT_EXPECT_TRUE(test, khv_lapic_eoi_unheard(vcpu));
	w.vm->irq.split = false;

	/* 0x62 has been ended without an exit; this ends 0x41. */
	vcpu->pv.eoi_offered = true;
	w.pv_ended = true;
	wr(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_FALSE(test, vcpu->pv.eoi_offered);
	KUNIT_EXPECT_EQ(test, vcpu->lapic->highest_isr, -1);
	/* A guest that writes anyway ends one; and registers are read as they are by now. */
	put_in_service(vcpu, 0x41, false);
	put_in_service(vcpu, 0x62, false);
	vcpu->pv.eoi_offered = true;
	w.pv_ended = false;
	wr(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_PROCPRI), 0x40u);
	vcpu->pv.eoi_offered = true;
	w.pv_ended = true;
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_PROCPRI), 0u);
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
	KUNIT_EXPECT_EQ(test, khv_x2apic_read(vcpu, 0x10000802, &val), 1);
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(vcpu, 0x1000080b, 0), 1);

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
	t->regs[APIC_ID + 3] = 9;
	KUNIT_EXPECT_EQ(test, khv_lapic_set(vcpu, t), 0);
	KUNIT_EXPECT_EQ(test, xrd(test, vcpu, APIC_ID), (u64)vcpu->id);

	/* Of a fresh boot processor, too: LINT0 is open while the APIC is off in software. */
	KUNIT_ASSERT_EQ(test, khv_lapic_get(w.vcpu[0], t), 0);
	KUNIT_ASSERT_EQ(test, khv_lapic_set(w.vcpu[0], t), 0);
	KUNIT_EXPECT_EQ(test, rd(w.vcpu[0], APIC_LVT0), 0x700u);
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
	/* What no interrupt can have is kept, and without effect. */
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_IRR), 0xffffu);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_ICR), ~(u32)APIC_ICR_BUSY);

	/* One low vector, under seven words that are empty. */
	memset(s, 0, sizeof(*s));
	s->regs[APIC_IRR + 2] = 2;
	KUNIT_ASSERT_EQ(test, khv_lapic_set(vcpu, s), 0);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), 0x11);
}

/* Which EOIs leave the local APIC, and for where. */
static void test_broadcast(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[1];
	static const struct {
		bool level, resample, split;
		int broadcast, client;
	} c[] = {
		{ .broadcast = -1, .client = 0 },
		{ .level = true, .broadcast = 0x51 },
		{ .resample = true, .broadcast = 0x51 },
		{ .split = true, .broadcast = -1, .client = 0x51 },
		{ .split = true, .level = true, .resample = true, .broadcast = -1, .client = 0x51 },
	};
	unsigned int i;

	enable(vcpu);
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		w.broadcast = -1;
		w.vm->irqfds.nr_resample = c[i].resample;
		w.vm->irq.split = c[i].split;
		vcpu->requests = 0;
		vcpu->lapic->client_eoi = 0;
		khv_lapic_set_irr(vcpu, 0x51, c[i].level);
		khv_lapic_ack(vcpu, 0x51);
		wr(vcpu, APIC_EOI, 0);
		KUNIT_EXPECT_EQ(test, w.broadcast, c[i].broadcast);
		if (w.broadcast >= 0)
			KUNIT_EXPECT_EQ(test, w.broadcast_level, c[i].level);
		KUNIT_EXPECT_EQ(test, test_bit(KHV_REQ_IOAPIC_EOI, &vcpu->requests), !!c[i].client);
		KUNIT_EXPECT_EQ(test, khv_lapic_client_eoi(vcpu), c[i].client);
		/* The vector is no pin's: the client does not hear of it. */
		vcpu->requests = 0;
		khv_lapic_set_irr(vcpu, 0x52, false);
		khv_lapic_ack(vcpu, 0x52);
		wr(vcpu, APIC_EOI, 0);
		KUNIT_EXPECT_FALSE(test, test_bit(KHV_REQ_IOAPIC_EOI, &vcpu->requests));
	}
}

/* KVM_GET_LAPIC and KVM_SET_LAPIC in x2APIC mode, with IDs of 8 and of 32 bits. */
static void test_id_formats(struct kunit *test)
{
	struct kvm_lapic_state *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct khv_vcpu *vcpu = w.vcpu[3];
	u32 *id;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, s);
	id = (u32 *)(s->regs + APIC_ID);
	KUNIT_ASSERT_EQ(test, to_x2apic(vcpu), 0);
	khv_lapic_get(vcpu, s);
	KUNIT_EXPECT_EQ(test, *id, 3u << 24);
	*id = 5u << 24;
	KUNIT_EXPECT_EQ(test, khv_lapic_set(vcpu, s), 0);
	KUNIT_EXPECT_EQ(test, xrd(test, vcpu, APIC_ID), 3u);
	w.vm->irq.ids_32bit = true;
	khv_lapic_get(vcpu, s);
	KUNIT_EXPECT_EQ(test, *id, 3u);
	KUNIT_EXPECT_EQ(test, khv_lapic_set(vcpu, s), 0);
	*id = 3u << 24;
	KUNIT_EXPECT_EQ(test, khv_lapic_set(vcpu, s), -EINVAL);
	/* In xAPIC mode the format is the old one. */
	khv_lapic_get(w.vcpu[2], s);
	KUNIT_EXPECT_EQ(test, *id, 2u << 24);
	KUNIT_EXPECT_EQ(test, khv_lapic_set(w.vcpu[2], s), 0);
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

		/* More is taken than raised, so that whole words fall empty. */
		switch (r & 7) {
		case 0:
			v = 16 + (r >> 8) % 240;
			KUNIT_ASSERT_EQ(test, khv_lapic_set_irr(vcpu, v, r & 8), !m->irr[v]);
			m->irr[v] = true;
			break;
		case 1 ... 3:
			v = khv_lapic_highest(vcpu);
			if (v < 0)
				break;
			khv_lapic_ack(vcpu, v);
			m->irr[v] = false;
			m->isr[v] = true;
			break;
		case 4 ... 6:
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

static void raise_0x44(void)
{
	khv_lapic_set_irr(w.vcpu[0], 0x44, false);
}

/* Raised between the look at an empty word and the note that it is empty. */
static void test_raise_while_clearing(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[0];

	enable(vcpu);
	khv_lapic_set_irr(vcpu, 0x43, false);
	khv_lapic_ack(vcpu, 0x43);
	wr(vcpu, APIC_EOI, 0);
	vcpu->lapic->irr_words = BIT(2);
	before_clear_bit = raise_0x44;
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), 0x44);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), 0x44);
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
		u32 r = prandom_u32_state(&rnd);
		/* Few vectors, so that their words fall empty all the time. */
		u8 vector = r & 1 ? 0x31 : 0x51 + 0x20 * (r >> 8 & 3);

		raiser->wins += khv_lapic_set_irr(raiser->vcpu, vector, false);
		if (!(r & 0xf0))
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
		int vector;

		while ((vector = khv_lapic_highest(vcpu)) >= 0 && !need_resched()) {
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
	KUNIT_CASE(test_silent_eoi),
	KUNIT_CASE(test_mmio_widths),
	KUNIT_CASE(test_base_transitions),
	KUNIT_CASE(test_x2apic_faults),
	KUNIT_CASE(test_state_round_trip),
	KUNIT_CASE(test_hostile_state),
	KUNIT_CASE(test_broadcast),
	KUNIT_CASE(test_id_formats),
	KUNIT_CASE(test_against_model),
	KUNIT_CASE(test_fuzz),
	KUNIT_CASE(test_raise_while_clearing),
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
