// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC timer's arithmetic in its three modes.
 */
#include "lapic_fake.h"

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

	KUNIT_EXPECT_EQ(test, tsc_to_ns(khz * 1000, khz), (u64)NSEC_PER_SEC);
	KUNIT_EXPECT_GE(test, tsc_to_ns(1, khz), 1ULL);
	for (i = 0; i < 64; i++) {
		delta = 1ULL << i;
		KUNIT_EXPECT_LE(test, tsc_to_ns(delta, khz), FAR_FUTURE_NS);
		/* Never short: that many nanoseconds are at least delta ticks. */
		if (tsc_to_ns(delta, khz) < FAR_FUTURE_NS)
			KUNIT_EXPECT_GE(test, mul_u64_u32_div(tsc_to_ns(delta, khz), khz, NSEC_PER_MSEC),
					delta);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(test_timer_oneshot),
	KUNIT_CASE(test_timer_periodic),
	KUNIT_CASE(test_timer_divide_change),
	KUNIT_CASE(test_timer_deadline),
	KUNIT_CASE(test_tsc_to_ns),
	{}
};

static struct kunit_suite suite = {
	.name = "khv_lapic_timer",
	.init = setup,
	.exit = teardown,
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_LICENSE("GPL");
