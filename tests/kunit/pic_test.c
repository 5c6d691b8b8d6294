// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pair of 8259As: initialization, priorities and rotation, all EOIs, the
 * cascade, special modes, polling, ELCR, spurious interrupts.
 */
#include <kunit/test.h>
#include <linux/prandom.h>

#include "../../kmod/irqchip/pic.c"

#define MASTER_BASE	0x20
#define SLAVE_BASE	0x28

static struct {
	struct khv_vm *vm;
	struct khv_vcpu *vcpu;
	struct khv_io_dev *dev[3];
	unsigned int registered;
	unsigned int raised;
	u32 acked;
} w;

void khv_irq_acked(struct khv_vcpu *vcpu, unsigned int first, u32 pins)
{
	w.acked |= pins << first;
}

void khv_lapic_lint0(struct khv_vcpu *vcpu)
{
	w.raised++;
}

int khv_bus_register(struct khv_vm *vm, enum khv_bus_id bus, u64 addr, u64 len,
		     struct khv_io_dev *dev)
{
	w.dev[w.registered++ % 3] = dev;
	return 0;
}

void khv_bus_unregister(struct khv_vm *vm, enum khv_bus_id bus, struct khv_io_dev *dev)
{
}

static void out(u16 port, u8 val)
{
	struct khv_io_dev *dev = w.dev[port >= 0x4d0 ? 2 : port >= 0xa0];

	dev->ops->write(w.vcpu, dev, port, 1, &val);
}

static u8 in(u16 port)
{
	struct khv_io_dev *dev = w.dev[port >= 0x4d0 ? 2 : port >= 0xa0];
	u8 val = 0x5a;

	dev->ops->read(w.vcpu, dev, port, 1, &val);
	return val;
}

/* As a PC's firmware does it, with @icw4 for both. */
static void init_chips(u8 icw4)
{
	out(0x20, 0x11);
	out(0x21, MASTER_BASE);
	out(0x21, 0x04);
	out(0x21, icw4);
	out(0xa0, 0x11);
	out(0xa1, SLAVE_BASE);
	out(0xa1, 0x02);
	out(0xa1, icw4);
}

static int line(unsigned int pin, int level)
{
	return khv_pic_set_pin(w.vm, pin, level, KHV_IRQ_USER);
}

static void pulse(unsigned int pin)
{
	line(pin, 1);
	line(pin, 0);
}

static int setup(struct kunit *test)
{
	int err;

	memset(&w, 0, sizeof(w));
	w.vm = kunit_kzalloc(test, sizeof(*w.vm), GFP_KERNEL);
	w.vcpu = kunit_kzalloc(test, sizeof(*w.vcpu), GFP_KERNEL);
	if (!w.vm || !w.vcpu)
		return -ENOMEM;
	w.vcpu->vm = w.vm;
	w.vm->vcpus[0] = w.vcpu;
	w.vm->nr_vcpus = 1;
	raw_spin_lock_init(&w.vm->irq.lock);
	err = khv_pic_create(w.vm);
	if (!err)
		init_chips(0x01);
	return err;
}

static void teardown(struct kunit *test)
{
	if (w.vm && w.vm->irq.pic)
		khv_pic_unregister(w.vm);
}

static int isr(unsigned int chip)
{
	out(chip ? 0xa0 : 0x20, 0x0b);
	return in(chip ? 0xa0 : 0x20);
}

static int irr(unsigned int chip)
{
	out(chip ? 0xa0 : 0x20, 0x0a);
	return in(chip ? 0xa0 : 0x20);
}

/* Acknowledge if INTR is up, else -1. */
static int ack(void)
{
	return khv_pic_pending(w.vm) ? khv_pic_ack(w.vcpu) : -1;
}

static void test_init_sequence(struct kunit *test)
{
	out(0x21, 0xff);
	KUNIT_EXPECT_EQ(test, in(0x21), 0xff);
	line(3, 1);
	/* ICW1 clears the mask and forgets edges; the line must fall first. */
	init_chips(0x01);
	KUNIT_EXPECT_EQ(test, in(0x21), 0);
	KUNIT_EXPECT_EQ(test, irr(0), 0);
	line(3, 1);
	KUNIT_EXPECT_EQ(test, ack(), -1);
	line(3, 0);
	line(3, 1);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 3);
	/* Without ICW4 the sequence is one word shorter. */
	out(0x20, 0x10);
	out(0x21, 0x57);
	out(0x21, 0x04);
	out(0x21, 0xa5);
	KUNIT_EXPECT_EQ(test, in(0x21), 0xa5);
	out(0x21, 0x00);
	pulse(1);
	KUNIT_EXPECT_EQ(test, ack(), 0x51);
}

static void test_fully_nested(struct kunit *test)
{
	pulse(5);
	pulse(3);
	KUNIT_EXPECT_EQ(test, irr(0), BIT(5) | BIT(3));
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 3);
	/* Lower waits, higher interrupts. */
	KUNIT_EXPECT_EQ(test, ack(), -1);
	pulse(1);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 1);
	KUNIT_EXPECT_EQ(test, isr(0), BIT(3) | BIT(1));
	out(0x20, 0x20);
	KUNIT_EXPECT_EQ(test, isr(0), (int)BIT(3));
	out(0x20, 0x20);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 5);
	/* Specific EOI. */
	out(0x20, 0x60 | 4);
	KUNIT_EXPECT_EQ(test, isr(0), (int)BIT(5));
	out(0x20, 0x60 | 5);
	KUNIT_EXPECT_EQ(test, isr(0), 0);
}

static void test_mask_and_results(struct kunit *test)
{
	out(0x21, BIT(4));
	KUNIT_EXPECT_EQ(test, line(4, 1), -1);
	KUNIT_EXPECT_EQ(test, ack(), -1);
	/* Latched all the same. */
	line(4, 0);
	out(0x21, 0);
	KUNIT_EXPECT_EQ(test, w.raised, 1u);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 4);
	out(0x20, 0x20);
	KUNIT_EXPECT_EQ(test, line(6, 1), 1);
	KUNIT_EXPECT_EQ(test, line(6, 1), 0);
	KUNIT_EXPECT_EQ(test, line(6, 0), 1);
	/* A second edge before the first was taken is coalesced. */
	KUNIT_EXPECT_EQ(test, line(6, 1), 0);
	KUNIT_EXPECT_EQ(test, line(2, 1), -1);
	KUNIT_EXPECT_EQ(test, line(16, 1), -1);
}

static void test_cascade(struct kunit *test)
{
	pulse(8);
	KUNIT_EXPECT_EQ(test, irr(0), (int)BIT(2));
	KUNIT_EXPECT_EQ(test, ack(), SLAVE_BASE + 0);
	KUNIT_EXPECT_EQ(test, isr(0), (int)BIT(2));
	KUNIT_EXPECT_EQ(test, isr(1), (int)BIT(0));
	pulse(12);
	KUNIT_EXPECT_EQ(test, ack(), -1);
	out(0xa0, 0x20);
	/* The master still has IR2 in service. */
	KUNIT_EXPECT_EQ(test, ack(), -1);
	out(0x20, 0x20);
	KUNIT_EXPECT_EQ(test, ack(), SLAVE_BASE + 4);
	/* IR0 and IR1 beat the slave, IR3 does not. */
	pulse(3);
	KUNIT_EXPECT_EQ(test, ack(), -1);
	pulse(0);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 0);
}

static void test_special_fully_nested(struct kunit *test)
{
	init_chips(0x11);
	pulse(12);
	KUNIT_EXPECT_EQ(test, ack(), SLAVE_BASE + 4);
	/* A higher one of the slave gets through although IR2 is in service. */
	pulse(8);
	KUNIT_EXPECT_EQ(test, ack(), SLAVE_BASE + 0);
	pulse(15);
	KUNIT_EXPECT_EQ(test, ack(), -1);
}

static void test_auto_eoi(struct kunit *test)
{
	init_chips(0x03);
	pulse(4);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 4);
	KUNIT_EXPECT_EQ(test, isr(0), 0);
	pulse(4);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 4);
	/* Rotating: the one just served becomes the lowest. */
	out(0x20, 0x80);
	pulse(4);
	pulse(5);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 4);
	pulse(4);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 5);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 4);
	/* Off again: the order stays as it is. */
	out(0x20, 0x00);
	pulse(4);
	pulse(5);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 5);
	pulse(5);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 5);
}

static void test_rotation(struct kunit *test)
{
	unsigned int lowest, i;

	/* Set priority: whatever is lowest, the one above it is highest. */
	for (lowest = 0; lowest < 8; lowest++) {
		out(0xa0, 0xc0 | lowest);
		out(0x20, 0xc0 | 7);
		for (i = 8; i < 16; i++)
			pulse(i);
		for (i = 0; i < 8; i++) {
			KUNIT_EXPECT_EQ(test, ack(), SLAVE_BASE + (int)((lowest + 1 + i) % 8));
			out(0xa0, 0x20);
			out(0x20, 0x20);
		}
		KUNIT_EXPECT_EQ(test, ack(), -1);
	}
	out(0xa0, 0xc0 | 7);
	/* Rotate on non-specific EOI. */
	pulse(3);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 3);
	out(0x20, 0xa0);
	pulse(3);
	pulse(7);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 7);
	out(0x20, 0x20);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 3);
	/* Rotate on specific EOI: 5 lowest, so 6 highest. */
	out(0x20, 0xe0 | 5);
	KUNIT_EXPECT_EQ(test, isr(0), (int)BIT(3));
	out(0x20, 0x60 | 3);
	pulse(5);
	pulse(6);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 6);
}

static void test_special_mask(struct kunit *test)
{
	pulse(1);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 1);
	pulse(6);
	KUNIT_EXPECT_EQ(test, ack(), -1);
	/* Masking the one in service lets all others through. */
	out(0x20, 0x68);
	out(0x21, BIT(1));
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 6);
	/* A non-specific EOI does not see the masked one. */
	out(0x20, 0x20);
	KUNIT_EXPECT_EQ(test, isr(0), (int)BIT(1));
	out(0x20, 0x20);
	KUNIT_EXPECT_EQ(test, isr(0), (int)BIT(1));
	out(0x20, 0x61);
	KUNIT_EXPECT_EQ(test, isr(0), 0);
	out(0x20, 0x48);
	out(0x21, 0);
}

static void test_poll(struct kunit *test)
{
	out(0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, in(0x20), 0);
	pulse(4);
	out(0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, in(0x20), 0x84);
	KUNIT_EXPECT_EQ(test, isr(0), (int)BIT(4));
	KUNIT_EXPECT_FALSE(test, khv_pic_pending(w.vm));
	/* One read only. */
	KUNIT_EXPECT_EQ(test, in(0x21), 0);
	out(0x20, 0x20);
	pulse(9);
	out(0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, in(0x20), 0x82);
	out(0xa0, 0x0c);
	KUNIT_EXPECT_EQ(test, in(0xa0), 0x81);
}

static void test_elcr(struct kunit *test)
{
	out(0x4d0, 0xff);
	out(0x4d1, 0xff);
	KUNIT_EXPECT_EQ(test, in(0x4d0), 0xf8);
	KUNIT_EXPECT_EQ(test, in(0x4d1), 0xde);
	/* A level asks again as long as it is up. */
	line(5, 1);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 5);
	KUNIT_EXPECT_EQ(test, ack(), -1);
	out(0x20, 0x20);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 5);
	line(5, 0);
	out(0x20, 0x20);
	KUNIT_EXPECT_EQ(test, ack(), -1);
	/* And is forgotten when it goes down. */
	line(10, 1);
	KUNIT_EXPECT_TRUE(test, khv_pic_pending(w.vm));
	line(10, 0);
	KUNIT_EXPECT_FALSE(test, khv_pic_pending(w.vm));
	/* Two sources on one line. */
	line(10, 1);
	khv_pic_set_pin(w.vm, 10, 1, KHV_IRQ_RESAMPLE);
	line(10, 0);
	KUNIT_EXPECT_TRUE(test, khv_pic_pending(w.vm));
	khv_pic_set_pin(w.vm, 10, 0, KHV_IRQ_RESAMPLE);
	KUNIT_EXPECT_FALSE(test, khv_pic_pending(w.vm));
}

/* Whatever ends an input's service is told, and takes down what irqfds that resample hold. */
static void test_resample(struct kunit *test)
{
	out(0x4d1, 0x04);
	khv_pic_set_pin(w.vm, 10, 1, KHV_IRQ_RESAMPLE);
	KUNIT_EXPECT_EQ(test, ack(), SLAVE_BASE + 2);
	KUNIT_EXPECT_EQ(test, w.acked, 0u);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	KUNIT_EXPECT_EQ(test, w.acked, (u32)(BIT(10) | BIT(CASCADE)));
	KUNIT_EXPECT_FALSE(test, khv_pic_pending(w.vm));
	/* Another source keeps it up. */
	khv_pic_set_pin(w.vm, 10, 1, KHV_IRQ_RESAMPLE);
	line(10, 1);
	ack();
	out(0xa0, 0x62);
	out(0x20, 0x62);
	KUNIT_EXPECT_TRUE(test, khv_pic_pending(w.vm));
	line(10, 0);
	/* A reset while in service. */
	pulse(3);
	ack();
	w.acked = 0;
	out(0x20, 0x11);
	KUNIT_EXPECT_EQ(test, w.acked, (u32)BIT(3));
	/* Automatic EOI: the acknowledge itself, also by polling. */
	init_chips(0x03);
	w.acked = 0;
	pulse(9);
	KUNIT_EXPECT_EQ(test, ack(), SLAVE_BASE + 1);
	KUNIT_EXPECT_EQ(test, w.acked, (u32)(BIT(9) | BIT(CASCADE)));
	w.acked = 0;
	pulse(4);
	out(0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, in(0x20), 0x84);
	KUNIT_EXPECT_EQ(test, w.acked, (u32)BIT(4));
}

static void test_spurious(struct kunit *test)
{
	/* Withdrawn between INTR and the acknowledge: 7, and not in service. */
	out(0x4d0, 0x20);
	line(5, 1);
	line(5, 0);
	KUNIT_EXPECT_EQ(test, khv_pic_ack(w.vcpu), MASTER_BASE + 7);
	KUNIT_EXPECT_EQ(test, isr(0), 0);
	/* A real 7 is in service. */
	pulse(7);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 7);
	KUNIT_EXPECT_EQ(test, isr(0), (int)BIT(7));
}

static void test_wide_access(struct kunit *test)
{
	u32 val = 0x00fe0b0b;
	u8 buf[8];

	/* A word to 0x20 is a byte to 0x20 and one to 0x21. */
	w.dev[0]->ops->write(w.vcpu, w.dev[0], 0x20, 4, &val);
	KUNIT_EXPECT_EQ(test, in(0x21), 0x0b);
	memset(buf, 0, sizeof(buf));
	w.dev[0]->ops->read(w.vcpu, w.dev[0], 0x21, 4, buf);
	KUNIT_EXPECT_EQ(test, buf[0], 0x0b);
	KUNIT_EXPECT_EQ(test, buf[1], 0xff);
	KUNIT_EXPECT_EQ(test, buf[3], 0xff);
	KUNIT_EXPECT_EQ(test, buf[4], 0);
}

static void test_state(struct kunit *test)
{
	struct kvm_pic_state s[2], t[2];

	out(0x21, 0x40);
	pulse(9);
	pulse(4);
	ack();
	khv_pic_get(w.vm, false, &s[0]);
	khv_pic_get(w.vm, true, &s[1]);
	KUNIT_EXPECT_EQ(test, s[0].imr, 0x40);
	KUNIT_EXPECT_EQ(test, s[0].irq_base, MASTER_BASE);
	KUNIT_EXPECT_EQ(test, s[1].isr, BIT(1));

	khv_pic_unregister(w.vm);
	KUNIT_ASSERT_EQ(test, khv_pic_create(w.vm), 0);
	w.raised = 0;
	khv_pic_set(w.vm, false, &s[0]);
	khv_pic_set(w.vm, true, &s[1]);
	khv_pic_get(w.vm, false, &t[0]);
	khv_pic_get(w.vm, true, &t[1]);
	KUNIT_EXPECT_EQ(test, memcmp(s, t, sizeof(s)), 0);
	KUNIT_EXPECT_EQ(test, ack(), -1);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	KUNIT_EXPECT_EQ(test, w.raised, 1u);
	KUNIT_EXPECT_EQ(test, ack(), MASTER_BASE + 4);

	memset(s, 0xff, sizeof(s));
	khv_pic_set(w.vm, false, &s[0]);
	khv_pic_set(w.vm, true, &s[1]);
	khv_pic_get(w.vm, true, &t[1]);
	KUNIT_EXPECT_EQ(test, t[1].priority_add, 7);
	KUNIT_EXPECT_EQ(test, t[1].elcr, 0xde);
	KUNIT_EXPECT_EQ(test, t[1].elcr_mask, 0xde);
}

/* Which input should be reported, straight from the data sheet's words. */
static int model(const struct kvm_pic_state *c, bool master)
{
	unsigned int i, irq;

	for (i = 0; i < 8; i++) {
		irq = (c->priority_add + i) % 8;
		if ((c->irr & BIT(irq)) && !(c->imr & BIT(irq)) &&
		    !((c->isr & BIT(irq)) && !(master && irq == 2 && c->special_fully_nested_mode)))
			return irq;
		if (!(c->isr & BIT(irq)))
			continue;
		if (c->special_mask && (c->imr & BIT(irq)))
			continue;
		if (master && irq == 2 && c->special_fully_nested_mode)
			continue;
		return -1;
	}
	return -1;
}

static void check_invariants(struct kunit *test)
{
	struct khv_pic *pic = w.vm->irq.pic;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct kvm_pic_state *c = &pic->chip[i];

		KUNIT_ASSERT_EQ(test, pending(c, !i), model(c, !i));
		KUNIT_ASSERT_LT(test, c->priority_add, 8);
		KUNIT_ASSERT_LE(test, c->init_state, 3);
		KUNIT_ASSERT_EQ(test, c->elcr & ~elcr_mask[i], 0);
		KUNIT_ASSERT_EQ(test, c->irq_base & 7, 0);
		/* Of a level-triggered input the request is the line. */
		KUNIT_ASSERT_EQ(test, c->irr & c->elcr, c->last_irr & c->elcr);
	}
	KUNIT_ASSERT_EQ(test, !!(pic->chip[0].irr & BIT(2)), pending(&pic->chip[1], false) >= 0);
	KUNIT_ASSERT_EQ(test, pic->output, pending(&pic->chip[0], true) >= 0);
}

static void test_fuzz(struct kunit *test)
{
	static const u16 base[] = { 0x20, 0xa0, 0x4d0 };
	struct rnd_state rnd;
	unsigned int i;
	int vector;

	prandom_seed_state(&rnd, 4);
	for (i = 0; i < 200000; i++) {
		u32 r = prandom_u32_state(&rnd), val = prandom_u32_state(&rnd);
		unsigned int which = (r >> 8) % 3;
		u64 port = base[which] + (r >> 12 & 1);
		int len = 1 << (r >> 13 & 3) / 2;

		switch (r & 7) {
		case 0:
			w.dev[which]->ops->write(w.vcpu, w.dev[which], port, len, &val);
			break;
		case 1:
			w.dev[which]->ops->read(w.vcpu, w.dev[which], port, len, &val);
			break;
		case 2:
			vector = ack();
			KUNIT_ASSERT_LE(test, vector, 255);
			break;
		case 3:		/* or priorities would freeze soon */
			out(val & 1 ? 0x20 : 0xa0, 0x20);
			break;
		default:
			khv_pic_set_pin(w.vm, (r >> 8) % 17, r & 0x80,
					(r >> 16) % KHV_NR_IRQ_SOURCES);
		}
		check_invariants(test);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(test_init_sequence),
	KUNIT_CASE(test_fully_nested),
	KUNIT_CASE(test_mask_and_results),
	KUNIT_CASE(test_cascade),
	KUNIT_CASE(test_special_fully_nested),
	KUNIT_CASE(test_auto_eoi),
	KUNIT_CASE(test_rotation),
	KUNIT_CASE(test_special_mask),
	KUNIT_CASE(test_poll),
	KUNIT_CASE(test_elcr),
	KUNIT_CASE(test_resample),
	KUNIT_CASE(test_spurious),
	KUNIT_CASE(test_wide_access),
	KUNIT_CASE(test_state),
	KUNIT_CASE(test_fuzz),
	{}
};

static struct kunit_suite suite = {
	.name = "khv_pic",
	.init = setup,
	.exit = teardown,
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_LICENSE("GPL");
