// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O APIC: its window, edge and level pins, remote IRR, sources that
 * share a line, and state that comes and goes.
 */
#include <kunit/test.h>
#include <linux/prandom.h>

#include "../../kmod/irqchip/ioapic.c"

static struct {
	struct khv_vm *vm;
	struct khv_vcpu *vcpu;
	struct khv_io_dev *dev;
	struct khv_irq_msg last;
	unsigned int sent;
	int answer;		/* of the local APICs */
	u64 acked;		/* pins, by bit */
} w;

int khv_irq_deliver(struct khv_vm *vm, struct khv_vcpu *from, const struct khv_irq_msg *msg)
{
	w.last = *msg;
	w.sent++;
	return w.answer;
}

void khv_irq_acked(struct khv_vcpu *vcpu, unsigned int first, u32 pins)
{
	if (vcpu->vm->irqfds.nr_resample)
		w.acked |= (u64)pins << first;
}

int khv_bus_register(struct khv_vm *vm, enum khv_bus_id bus, u64 addr, u64 len,
		     struct khv_io_dev *dev)
{
	w.dev = dev;
	return bus == KHV_BUS_MMIO && addr == 0xfec00000 && len == 0x100 ? 0 : -EINVAL;
}

void khv_bus_unregister(struct khv_vm *vm, enum khv_bus_id bus, struct khv_io_dev *dev)
{
	w.dev = NULL;
}

static int setup(struct kunit *test)
{
	memset(&w, 0, sizeof(w));
	w.answer = 1;
	w.vm = kunit_kzalloc(test, sizeof(*w.vm), GFP_KERNEL);
	w.vcpu = kunit_kzalloc(test, sizeof(*w.vcpu), GFP_KERNEL);
	if (!w.vm || !w.vcpu)
		return -ENOMEM;
	w.vcpu->vm = w.vm;
	raw_spin_lock_init(&w.vm->irq.lock);
	return khv_ioapic_create(w.vm);
}

static void teardown(struct kunit *test)
{
	if (w.vm && w.vm->irq.ioapic)
		khv_ioapic_unregister(w.vm);
}

static void wr(unsigned int offset, u32 val)
{
	w.dev->ops->write(w.vcpu, w.dev, 0xfec00000 + offset, 4, &val);
}

static u32 rd(unsigned int offset)
{
	u32 val = 0xdeadbeef;

	w.dev->ops->read(w.vcpu, w.dev, 0xfec00000 + offset, 4, &val);
	return val;
}

static void wr_reg(u8 reg, u32 val)
{
	wr(0x00, reg);
	wr(0x10, val);
}

static u32 rd_reg(u8 reg)
{
	wr(0x00, reg);
	return rd(0x10);
}

static void wr_pin(unsigned int pin, u32 high, u32 low)
{
	wr_reg(0x11 + 2 * pin, high);
	wr_reg(0x10 + 2 * pin, low);
}

static int line(unsigned int pin, int level)
{
	return khv_ioapic_set_pin(w.vm, pin, level, KHV_IRQ_USER);
}

static void test_registers(struct kunit *test)
{
	unsigned int pin;

	KUNIT_EXPECT_EQ(test, rd_reg(1), 0x00170011u);
	wr_reg(0, ~0u);
	KUNIT_EXPECT_EQ(test, rd_reg(0), 0x0f000000u);
	KUNIT_EXPECT_EQ(test, rd_reg(2), 0x0f000000u);
	wr_reg(1, 0);
	KUNIT_EXPECT_EQ(test, rd_reg(1), 0x00170011u);
	for (pin = 0; pin < KHV_IOAPIC_PINS; pin++) {
		KUNIT_EXPECT_EQ(test, rd_reg(0x10 + 2 * pin), 0x10000u);
		wr_pin(pin, ~0u, ~0u);
		KUNIT_EXPECT_EQ(test, rd_reg(0x10 + 2 * pin), 0x1afffu);
		KUNIT_EXPECT_EQ(test, rd_reg(0x11 + 2 * pin), 0xff000000u);
	}
	KUNIT_EXPECT_EQ(test, rd_reg(0x40), ~0u);
	KUNIT_EXPECT_EQ(test, rd_reg(0x0f), ~0u);
	KUNIT_EXPECT_EQ(test, rd_reg(0xff), ~0u);
	wr_reg(0xff, 1);
	wr_reg(0x03, 1);
	KUNIT_EXPECT_EQ(test, rd(0x00), 0x03u);
	KUNIT_EXPECT_EQ(test, rd(0x20), 0u);
	KUNIT_EXPECT_EQ(test, rd(0x02), 0u);
}

static void test_edge(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, line(4, 1), -1);
	KUNIT_EXPECT_EQ(test, line(4, 0), 1);
	wr_pin(4, 0x05000000, 0x0831);
	KUNIT_EXPECT_EQ(test, w.sent, 0u);
	KUNIT_EXPECT_EQ(test, line(4, 1), 1);
	KUNIT_EXPECT_EQ(test, w.sent, 1u);
	KUNIT_EXPECT_EQ(test, w.last.dest, 5u);
	KUNIT_EXPECT_EQ(test, w.last.vector, 0x31);
	KUNIT_EXPECT_EQ(test, w.last.delivery_mode, 0);
	KUNIT_EXPECT_TRUE(test, w.last.logical);
	KUNIT_EXPECT_FALSE(test, w.last.level);
	KUNIT_EXPECT_FALSE(test, w.last.x2apic);
	/* Up already: no edge. */
	KUNIT_EXPECT_EQ(test, line(4, 1), 0);
	KUNIT_EXPECT_EQ(test, w.sent, 1u);
	line(4, 0);
	/* The local APIC had it pending already: coalesced. */
	w.answer = 0;
	KUNIT_EXPECT_EQ(test, line(4, 1), 0);
	KUNIT_EXPECT_EQ(test, w.sent, 2u);
	w.answer = 1;
	khv_ioapic_eoi(w.vcpu, 0x31, true);
	KUNIT_EXPECT_EQ(test, w.sent, 2u);
	/* An edge while masked is lost. */
	line(4, 0);
	wr_pin(4, 0x05000000, 0x10831);
	KUNIT_EXPECT_EQ(test, line(4, 1), -1);
	wr_pin(4, 0x05000000, 0x0831);
	KUNIT_EXPECT_EQ(test, w.sent, 2u);
	KUNIT_EXPECT_EQ(test, line(24, 1), -1);
	KUNIT_EXPECT_EQ(test, line(~0u, 1), -1);
}

static void test_level(struct kunit *test)
{
	wr_pin(9, 0, 0x8040);
	KUNIT_EXPECT_EQ(test, line(9, 1), 1);
	KUNIT_EXPECT_TRUE(test, w.last.level);
	KUNIT_EXPECT_EQ(test, rd_reg(0x10 + 18), 0xc040u);
	/* Not again before EOI. */
	KUNIT_EXPECT_EQ(test, line(9, 1), 0);
	KUNIT_EXPECT_EQ(test, w.sent, 1u);
	/* The line is still up: EOI sends it again. */
	khv_ioapic_eoi(w.vcpu, 0x41, true);
	KUNIT_EXPECT_EQ(test, w.sent, 1u);
	khv_ioapic_eoi(w.vcpu, 0x40, true);
	KUNIT_EXPECT_EQ(test, w.sent, 2u);
	line(9, 0);
	KUNIT_EXPECT_EQ(test, rd_reg(0x10 + 18), 0xc040u);
	khv_ioapic_eoi(w.vcpu, 0x40, true);
	KUNIT_EXPECT_EQ(test, rd_reg(0x10 + 18), 0x8040u);
	KUNIT_EXPECT_EQ(test, w.sent, 2u);
	/* Up while masked: sent when unmasked. */
	wr_pin(9, 0, 0x18040);
	KUNIT_EXPECT_EQ(test, line(9, 1), -1);
	KUNIT_EXPECT_EQ(test, w.sent, 2u);
	wr_reg(0x10 + 18, 0x8040);
	KUNIT_EXPECT_EQ(test, w.sent, 3u);
	/* Masked at the EOI: waits for the unmasking. */
	wr_reg(0x10 + 18, 0x18040);
	khv_ioapic_eoi(w.vcpu, 0x40, true);
	KUNIT_EXPECT_EQ(test, w.sent, 3u);
	wr_reg(0x10 + 18, 0x8040);
	KUNIT_EXPECT_EQ(test, w.sent, 4u);
	/* The EOI register of the window does the same. */
	wr(0x40, 0x40);
	KUNIT_EXPECT_EQ(test, w.sent, 5u);
	/* Software clears remote IRR through edge mode. */
	line(9, 0);
	wr_reg(0x10 + 18, 0x10040);
	KUNIT_EXPECT_EQ(test, rd_reg(0x10 + 18), 0x10040u);
	wr_reg(0x10 + 18, 0x8040);
	KUNIT_EXPECT_EQ(test, rd_reg(0x10 + 18), 0x8040u);
}

static void test_shared_vector(struct kunit *test)
{
	wr_pin(10, 0, 0x8050);
	wr_pin(11, 0, 0x8050);
	line(10, 1);
	/* The second one finds its vector pending in the local APIC. */
	w.answer = 0;
	KUNIT_EXPECT_EQ(test, line(11, 1), 0);
	w.answer = 1;
	line(10, 0);
	w.sent = 0;
	khv_ioapic_eoi(w.vcpu, 0x50, true);
	KUNIT_EXPECT_EQ(test, w.sent, 1u);
	KUNIT_EXPECT_EQ(test, rd_reg(0x10 + 22), 0xc050u);
}

static void test_sources(struct kunit *test)
{
	wr_pin(5, 0, 0x8060);
	khv_ioapic_set_pin(w.vm, 5, 1, KHV_IRQ_USER);
	khv_ioapic_set_pin(w.vm, 5, 1, KHV_IRQ_PIT);
	khv_ioapic_set_pin(w.vm, 5, 0, KHV_IRQ_USER);
	w.sent = 0;
	khv_ioapic_eoi(w.vcpu, 0x60, true);
	KUNIT_EXPECT_EQ(test, w.sent, 1u);
	khv_ioapic_set_pin(w.vm, 5, 0, KHV_IRQ_PIT);
	khv_ioapic_eoi(w.vcpu, 0x60, true);
	KUNIT_EXPECT_EQ(test, w.sent, 1u);
}

/* An EOI takes down what only irqfds that resample hold up, and is told to them. */
static void test_resample(struct kunit *test)
{
	w.vm->irqfds.nr_resample = 1;
	wr_pin(5, 0, 0x8060);
	wr_pin(6, 0, 0x61);
	khv_ioapic_set_pin(w.vm, 5, 1, KHV_IRQ_RESAMPLE);
	KUNIT_EXPECT_EQ(test, w.sent, 1u);
	khv_ioapic_eoi(w.vcpu, 0x60, true);
	KUNIT_EXPECT_EQ(test, w.sent, 1u);
	KUNIT_EXPECT_EQ(test, w.acked, BIT_ULL(KHV_PIN_IOAPIC + 5));
	KUNIT_EXPECT_EQ(test, rd_reg(0x10 + 10), 0x8060u);
	/* Somebody else holds the line as well. */
	khv_ioapic_set_pin(w.vm, 5, 1, KHV_IRQ_RESAMPLE);
	khv_ioapic_set_pin(w.vm, 5, 1, KHV_IRQ_USER);
	khv_ioapic_eoi(w.vcpu, 0x60, true);
	KUNIT_EXPECT_EQ(test, w.sent, 3u);
	/* Edges are acknowledged, too, and do not touch levels of the same vector. */
	wr_pin(5, 0, 0x8061);
	w.acked = 0;
	khv_ioapic_set_pin(w.vm, 6, 1, KHV_IRQ_RESAMPLE);
	khv_ioapic_eoi(w.vcpu, 0x61, false);
	KUNIT_EXPECT_EQ(test, w.acked, BIT_ULL(KHV_PIN_IOAPIC + 5) | BIT_ULL(KHV_PIN_IOAPIC + 6));
	KUNIT_EXPECT_EQ(test, rd_reg(0x10 + 10), 0xc061u);
	w.sent = 0;
	khv_ioapic_set_pin(w.vm, 6, 1, KHV_IRQ_RESAMPLE);
	KUNIT_EXPECT_EQ(test, w.sent, 1u);
}

/* A line that never falls: after many interrupts in a row the guest gets time for others. */
static void test_storm(struct kunit *test)
{
	unsigned int i;

	wr_pin(9, 0, 0x8040);
	line(9, 1);
	for (i = 1; i < MAX_EOIS; i++)
		khv_ioapic_eoi(w.vcpu, 0x40, true);
	KUNIT_EXPECT_EQ(test, w.sent, (unsigned int)MAX_EOIS);
	khv_ioapic_eoi(w.vcpu, 0x40, true);
	KUNIT_EXPECT_EQ(test, w.sent, (unsigned int)MAX_EOIS);
	flush_delayed_work(&w.vm->irq.ioapic->again);
	KUNIT_EXPECT_EQ(test, w.sent, MAX_EOIS + 1u);
	/* One EOI without the line is enough to be in good standing again. */
	for (i = 2; i < MAX_EOIS; i++)
		khv_ioapic_eoi(w.vcpu, 0x40, true);
	line(9, 0);
	khv_ioapic_eoi(w.vcpu, 0x40, true);
	line(9, 1);
	w.sent = 0;
	for (i = 1; i < 10; i++)
		khv_ioapic_eoi(w.vcpu, 0x40, true);
	KUNIT_EXPECT_EQ(test, w.sent, 9u);
}

static void test_widths(struct kunit *test)
{
	u64 val = ~0ULL;
	u8 byte = 1;
	int len;

	w.dev->ops->write(w.vcpu, w.dev, 0xfec00000, 1, &byte);
	for (len = 1; len <= 8; len++) {
		val = ~0ULL;
		w.dev->ops->read(w.vcpu, w.dev, 0xfec00010, len, &val);
		KUNIT_EXPECT_EQ(test, val & GENMASK_ULL(8 * len - 1, 0),
				0x170011 & GENMASK_ULL(8 * len - 1, 0));
	}
	val = 0x1111111100000000ULL;
	w.dev->ops->write(w.vcpu, w.dev, 0xfec00000, 8, &val);
	KUNIT_EXPECT_EQ(test, rd(0), 0u);
}

static void test_state(struct kunit *test)
{
	struct kvm_ioapic_state s, t;

	wr_reg(0, 0x03000000);
	wr_pin(9, 0x01000000, 0x8040);
	wr_pin(4, 0, 0x31);
	wr_pin(16, 0, 0x18070);
	line(9, 1);
	line(4, 1);
	line(16, 1);
	wr(0, 0x22);
	khv_ioapic_get(w.vm, &s);
	KUNIT_EXPECT_EQ(test, s.base_address, 0xfec00000ULL);
	KUNIT_EXPECT_EQ(test, s.id, 3u);
	KUNIT_EXPECT_EQ(test, s.ioregsel, 0x22u);
	KUNIT_EXPECT_EQ(test, s.irr, BIT(9) | BIT(16));
	KUNIT_EXPECT_TRUE(test, s.redirtbl[9].fields.remote_irr);
	KUNIT_EXPECT_EQ(test, s.redirtbl[9].fields.dest_id, 1);

	khv_ioapic_unregister(w.vm);
	KUNIT_ASSERT_EQ(test, khv_ioapic_create(w.vm), 0);
	w.sent = 0;
	khv_ioapic_set(w.vm, &s);
	khv_ioapic_get(w.vm, &t);
	KUNIT_EXPECT_EQ(test, memcmp(&s, &t, sizeof(s)), 0);
	/* In flight it was, so it is not sent twice; but again after EOI. */
	KUNIT_EXPECT_EQ(test, w.sent, 0u);
	khv_ioapic_eoi(w.vcpu, 0x40, true);
	KUNIT_EXPECT_EQ(test, w.sent, 1u);
	/* A level that waited for its delivery gets it. */
	s.redirtbl[16].fields.mask = 0;
	khv_ioapic_set(w.vm, &s);
	KUNIT_EXPECT_EQ(test, w.sent, 2u);
	KUNIT_EXPECT_EQ(test, w.last.vector, 0x70);
	/* Nobody knows who held it: whoever lowers it does. */
	khv_ioapic_set_pin(w.vm, 16, 0, KHV_IRQ_RESAMPLE);
	khv_ioapic_get(w.vm, &t);
	KUNIT_EXPECT_EQ(test, t.irr, BIT(9));

	memset(&s, 0xff, sizeof(s));
	khv_ioapic_set(w.vm, &s);
	khv_ioapic_get(w.vm, &t);
	KUNIT_EXPECT_EQ(test, t.redirtbl[0].bits, 0xff0000000001efffULL);
	KUNIT_EXPECT_EQ(test, t.id, 0xfu);
	KUNIT_EXPECT_EQ(test, t.irr, GENMASK(23, 0));
}

static void check_invariants(struct kunit *test)
{
	struct khv_ioapic *ioapic = w.vm->irq.ioapic;
	unsigned int pin;

	KUNIT_ASSERT_EQ(test, ioapic->lines & ~GENMASK(23, 0), 0u);
	for (pin = 0; pin < KHV_IOAPIC_PINS; pin++) {
		u64 rte = ioapic->redir[pin];

		KUNIT_ASSERT_EQ(test, rte & ~(RTE_WRITABLE | RTE_REMOTE_IRR), 0ULL);
		KUNIT_ASSERT_EQ(test, !!(ioapic->lines & BIT(pin)), !!ioapic->sources[pin]);
		if (!(rte & RTE_LEVEL))
			KUNIT_ASSERT_EQ(test, rte & RTE_REMOTE_IRR, 0ULL);
		/* A line that is up and free to send has sent. */
		if ((rte & RTE_LEVEL) && !(rte & RTE_MASKED) && ioapic->sources[pin])
			KUNIT_ASSERT_NE(test, rte & RTE_REMOTE_IRR, 0ULL);
	}
}

static void test_fuzz(struct kunit *test)
{
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 3);
	for (i = 0; i < 200000; i++) {
		u32 r = prandom_u32_state(&rnd), s = prandom_u32_state(&rnd);
		u64 val = (u64)prandom_u32_state(&rnd) << 32 | s;

		switch (r & 7) {
		case 0:
		case 1:
			wr_reg((r >> 8) & 0x3f, s);
			break;
		case 2:
			w.dev->ops->write(w.vcpu, w.dev, 0xfec00000 + (r >> 8 & 0xff),
					  1 << (r >> 4 & 3), &val);
			break;
		case 3:
			w.dev->ops->read(w.vcpu, w.dev, 0xfec00000 + (r >> 8 & 0xff),
					 1 << (r >> 4 & 3), &val);
			break;
		case 4:
			khv_ioapic_eoi(w.vcpu, r >> 8, true);
			break;
		default:
			khv_ioapic_set_pin(w.vm, (r >> 8) % 26, r & 0x10,
					   (r >> 16) % KHV_NR_IRQ_SOURCES);
		}
		if (!(i & 15))
			check_invariants(test);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(test_registers),
	KUNIT_CASE(test_edge),
	KUNIT_CASE(test_level),
	KUNIT_CASE(test_shared_vector),
	KUNIT_CASE(test_sources),
	KUNIT_CASE(test_resample),
	KUNIT_CASE(test_storm),
	KUNIT_CASE(test_widths),
	KUNIT_CASE(test_state),
	KUNIT_CASE(test_fuzz),
	{}
};

static struct kunit_suite suite = {
	.name = "khv_ioapic",
	.init = setup,
	.exit = teardown,
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_LICENSE("GPL");
