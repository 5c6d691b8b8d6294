// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC that a processor virtualizes: what software posts for it, which EOIs
 * are to exit, and going from one way to the other while others raise interrupts. The
 * processor is the test: it takes vectors from IRR and ends them in ISR.
 */
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/prandom.h>

#include "lapic_fake.h"

static bool isr(struct khv_vcpu *vcpu, u8 vector)
{
	return khv_lapic_reg(vcpu->lapic, APIC_ISR + (vector >> 5) * 0x10) & BIT(vector & 31);
}

/* An x2APIC, enabled and virtualized, as nothing has happened yet. */
static struct khv_vcpu *virtual_vcpu(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[0];
	u8 requesting, in_service;

	KUNIT_EXPECT_FALSE(test, khv_lapic_may_be_virtual(vcpu->lapic));
	KUNIT_ASSERT_EQ(test, to_x2apic(vcpu), 0);
	KUNIT_EXPECT_FALSE(test, khv_lapic_may_be_virtual(vcpu->lapic));
	KUNIT_ASSERT_EQ(test, khv_x2apic_write(vcpu, xmsr(APIC_SPIV), 0x1ff), 0);
	KUNIT_EXPECT_TRUE(test, khv_lapic_may_be_virtual(vcpu->lapic));
	khv_lapic_set_virtual(vcpu->lapic, true);
	KUNIT_EXPECT_TRUE(test, vcpu->lapic->reload);
	khv_lapic_virtual_load(vcpu->lapic, &requesting, &in_service);
	KUNIT_EXPECT_EQ(test, requesting, 0);
	KUNIT_EXPECT_EQ(test, in_service, 0);
	return vcpu;
}

/* The processor delivers and ends: "SDM, Virtual-Interrupt Delivery", "EOI Virtualization". */
static void processor_takes(struct khv_vcpu *vcpu, u8 vector)
{
	clear_bit(vector & 31, khv_lapic_word(vcpu->lapic, APIC_IRR, vector));
	set_bit(vector & 31, khv_lapic_word(vcpu->lapic, APIC_ISR, vector));
	khv_lapic_put_reg(vcpu->lapic, APIC_PROCPRI, vector & 0xf0);
}

static void processor_ends(struct khv_vcpu *vcpu, u8 vector)
{
	clear_bit(vector & 31, khv_lapic_word(vcpu->lapic, APIC_ISR, vector));
	khv_lapic_put_reg(vcpu->lapic, APIC_PROCPRI, 0);
}

static void test_posts(struct kunit *test)
{
	struct khv_vcpu *vcpu = virtual_vcpu(test);

	KUNIT_EXPECT_TRUE(test, khv_lapic_set_irr(vcpu, 0x51, false));
	KUNIT_EXPECT_FALSE(test, khv_lapic_set_irr(vcpu, 0x51, false));
	KUNIT_EXPECT_TRUE(test, khv_lapic_set_irr(vcpu, 0xc1, false));
	KUNIT_EXPECT_FALSE(test, irr(vcpu, 0x51));
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), 0xc1);
	KUNIT_EXPECT_EQ(test, khv_lapic_pull(vcpu->lapic), 0xc1);
	KUNIT_EXPECT_EQ(test, khv_lapic_pull(vcpu->lapic), -1);
	KUNIT_EXPECT_TRUE(test, irr(vcpu, 0x51) && irr(vcpu, 0xc1));

	/* In IRR it counts as pending, but the vCPU is made to look, as it may be leaving. */
	w.kicks[0] = 0;
	KUNIT_EXPECT_FALSE(test, khv_lapic_set_irr(vcpu, 0x51, false));
	KUNIT_EXPECT_EQ(test, w.kicks[0], 1u);
	processor_takes(vcpu, 0xc1);
	processor_takes(vcpu, 0x51);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), -1);
	processor_ends(vcpu, 0x51);
	processor_ends(vcpu, 0xc1);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), 0x51);
}

static void test_eoi_exits(struct kunit *test)
{
	struct khv_vcpu *vcpu = virtual_vcpu(test);
	unsigned long *exits = vcpu->lapic->eoi_exits;

	khv_lapic_set_irr(vcpu, 0x51, true);
	khv_lapic_set_irr(vcpu, 0x52, false);
	khv_lapic_pull(vcpu->lapic);
	KUNIT_EXPECT_TRUE(test, test_bit(0x51, exits));
	KUNIT_EXPECT_FALSE(test, test_bit(0x52, exits));
	khv_lapic_virtual_eoi(vcpu, 0x51);
	KUNIT_EXPECT_EQ(test, w.broadcast, 0x51);
	KUNIT_EXPECT_TRUE(test, w.broadcast_level);

	/* An edge now, and not told to anyone; and with an irqfd that resamples it is. */
	khv_lapic_set_irr(vcpu, 0x51, false);
	khv_lapic_pull(vcpu->lapic);
	KUNIT_EXPECT_FALSE(test, test_bit(0x51, exits));
	w.vm->irqfds.nr_resample = 1;
	khv_lapic_set_irr(vcpu, 0x53, false);
	khv_lapic_pull(vcpu->lapic);
	KUNIT_EXPECT_TRUE(test, test_bit(0x53, exits));

	/* The client's I/O APIC has the odd vectors. */
	w.vm->irq.split = true;
	khv_lapic_set_irr(vcpu, 0x54, true);
	khv_lapic_set_irr(vcpu, 0x55, true);
	khv_lapic_pull(vcpu->lapic);
	KUNIT_EXPECT_FALSE(test, test_bit(0x54, exits));
	KUNIT_EXPECT_TRUE(test, test_bit(0x55, exits));
}

static void test_back_and_forth(struct kunit *test)
{
	struct khv_vcpu *vcpu = virtual_vcpu(test);
	u8 requesting, in_service;

	khv_lapic_set_irr(vcpu, 0x51, true);
	khv_lapic_set_irr(vcpu, 0x61, false);
	khv_lapic_pull(vcpu->lapic);
	processor_takes(vcpu, 0x61);
	khv_lapic_set_irr(vcpu, 0x71, false);

	khv_lapic_set_virtual(vcpu->lapic, false);
	KUNIT_EXPECT_EQ(test, vcpu->lapic->highest_isr, 0x61);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), 0x71);
	khv_lapic_ack(vcpu, 0x71);
	khv_x2apic_write(vcpu, xmsr(APIC_EOI), 0);
	khv_lapic_set_irr(vcpu, 0x81, false);

	khv_lapic_set_virtual(vcpu->lapic, true);
	khv_lapic_virtual_load(vcpu->lapic, &requesting, &in_service);
	KUNIT_EXPECT_EQ(test, requesting, 0x81);
	KUNIT_EXPECT_EQ(test, in_service, 0x61);
	KUNIT_EXPECT_TRUE(test, test_bit(0x51, vcpu->lapic->eoi_exits));

	/* The client ends an interrupt itself. */
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(vcpu, xmsr(APIC_EOI), 0), 0);
	KUNIT_EXPECT_FALSE(test, isr(vcpu, 0x61));
	KUNIT_EXPECT_TRUE(test, vcpu->lapic->reload);
	khv_lapic_virtual_load(vcpu->lapic, &requesting, &in_service);
	KUNIT_EXPECT_EQ(test, in_service, 0);
}

static void test_state(struct kunit *test)
{
	struct kvm_lapic_state *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct khv_vcpu *vcpu = virtual_vcpu(test);
	u8 requesting, in_service;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, s);
	khv_lapic_set_irr(vcpu, 0x61, false);
	khv_lapic_pull(vcpu->lapic);
	processor_takes(vcpu, 0x61);
	khv_lapic_set_irr(vcpu, 0x51, false);
	KUNIT_EXPECT_EQ(test, khv_lapic_get(vcpu, s), 0);
	KUNIT_EXPECT_TRUE(test, vcpu->lapic->reload);
	KUNIT_EXPECT_TRUE(test, s->regs[APIC_IRR + 0x20 + 2] & BIT(1));
	KUNIT_EXPECT_TRUE(test, s->regs[APIC_ISR + 0x30] & BIT(1));

	khv_lapic_set_irr(vcpu, 0x91, false);
	KUNIT_EXPECT_EQ(test, khv_lapic_set(vcpu, s), 0);
	khv_lapic_virtual_load(vcpu->lapic, &requesting, &in_service);
	KUNIT_EXPECT_EQ(test, requesting, 0x51);
	KUNIT_EXPECT_EQ(test, in_service, 0x61);
	KUNIT_EXPECT_EQ(test, khv_lapic_reg(vcpu->lapic, APIC_PROCPRI), 0x60u);
}

struct raiser {
	struct khv_vcpu *vcpu;
	u32 seed;
	atomic_t news[4];
};

static const u8 vectors[] = { 0x31, 0x51, 0x71, 0x91 };

static int raiser_fn(void *data)
{
	struct raiser *raiser = data;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, raiser->seed);
	while (!kthread_should_stop()) {
		u32 r = prandom_u32_state(&rnd);
		unsigned int i = r & 3;

		/* What it wants to tell comes first, as with a device. */
		atomic_set(&raiser->news[i], 1);
		khv_lapic_set_irr(raiser->vcpu, vectors[i], false);
		if (!(r & 0xf0))
			cond_resched();
	}
	return 0;
}

/* Interrupts in service are handled at once: the news of their raisers are read. */
static unsigned int handle_all(struct khv_vcpu *vcpu, struct raiser *raiser, unsigned int nr)
{
	struct khv_lapic *apic = vcpu->lapic;
	unsigned int i, n, seen = 0;

	if (apic->virtual)
		khv_lapic_pull(apic);
	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		/* Atomic: a raiser who looked before the change may still set IRR. */
		if (!test_and_clear_bit(vectors[i] & 31,
					khv_lapic_word(apic, APIC_IRR, vectors[i])))
			continue;
		for (n = 0; n < nr; n++)
			atomic_xchg(&raiser[n].news[i], 0);
		seen++;
	}
	return seen;
}

/* Others raise while the APIC goes back and forth: no news stay unread. */
static void test_concurrent_change(struct kunit *test)
{
	struct khv_vcpu *vcpu = virtual_vcpu(test);
	struct task_struct *task[3];
	struct raiser raiser[ARRAY_SIZE(task)] = { };
	unsigned long end = jiffies + HZ / 2;
	unsigned int i, n, changes = 0, seen = 0;

	for (i = 0; i < ARRAY_SIZE(task); i++) {
		raiser[i] = (struct raiser){ .vcpu = vcpu, .seed = i };
		task[i] = kthread_run(raiser_fn, &raiser[i], "khv_raiser");
		KUNIT_ASSERT_FALSE(test, IS_ERR(task[i]));
	}
	do {
		seen += handle_all(vcpu, raiser, ARRAY_SIZE(raiser));
		khv_lapic_set_virtual(vcpu->lapic, ++changes & 1);
		cond_resched();
	} while (time_before(jiffies, end));
	for (i = 0; i < ARRAY_SIZE(task); i++)
		kthread_stop(task[i]);
	seen += handle_all(vcpu, raiser, ARRAY_SIZE(raiser));
	KUNIT_EXPECT_GT(test, seen, 0u);
	for (i = 0; i < ARRAY_SIZE(raiser); i++)
		for (n = 0; n < ARRAY_SIZE(vectors); n++)
			KUNIT_EXPECT_EQ(test, atomic_read(&raiser[i].news[n]), 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(test_posts),
	KUNIT_CASE(test_eoi_exits),
	KUNIT_CASE(test_back_and_forth),
	KUNIT_CASE(test_state),
	KUNIT_CASE(test_concurrent_change),
	{}
};

static struct kunit_suite suite = {
	.name = "khv_lapic_virtual",
	.init = setup,
	.exit = teardown,
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_LICENSE("GPL");
