// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interval timer: counts and outputs of every mode against a counter that
 * is clocked step by step, access and latch sequences, the gate, channel 0's
 * interrupts, and state that comes and goes.
 *
 * Time stands still unless a test moves it: clock and hrtimer calls are replaced.
 */
#include <kunit/test.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/prandom.h>

static s64 fake_now;
static s64 fake_expires;

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

#include "../../kmod/irqchip/pit.c"

static struct {
	struct khv_vm *vm;
	struct khv_vcpu *vcpu;
	struct khv_io_dev *dev[2];
	unsigned int rises;
	int answer;
} w;

int khv_irq_set(struct khv_vm *vm, u32 gsi, int level, enum khv_irq_source source)
{
	if (level)
		w.rises++;
	return w.answer;
}

int khv_bus_register(struct khv_vm *vm, enum khv_bus_id bus, u64 addr, u64 len,
		     struct khv_io_dev *dev)
{
	w.dev[addr == 0x61] = dev;
	return 0;
}

void khv_bus_unregister(struct khv_vm *vm, enum khv_bus_id bus, struct khv_io_dev *dev)
{
}

static void out(u16 port, u8 val)
{
	struct khv_io_dev *dev = w.dev[port == 0x61];

	dev->ops->write(w.vcpu, dev, port, 1, &val);
}

static u8 in(u16 port)
{
	struct khv_io_dev *dev = w.dev[port == 0x61];
	u8 val = 0x5a;

	dev->ops->read(w.vcpu, dev, port, 1, &val);
	return val;
}

static int setup(struct kunit *test)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
	int err;

	memset(&w, 0, sizeof(w));
	w.answer = 1;
	fake_now = 5000000000LL;
	fake_expires = -1;
	w.vm = kunit_kzalloc(test, sizeof(*w.vm), GFP_KERNEL);
	w.vcpu = kunit_kzalloc(test, sizeof(*w.vcpu), GFP_KERNEL);
	if (!w.vm || !w.vcpu)
		return -ENOMEM;
	w.vcpu->vm = w.vm;
	mutex_init(&w.vm->lock);
	raw_spin_lock_init(&w.vm->irq.lock);
	mutex_lock(&w.vm->lock);
	err = khv_pit_create(w.vm, &config);
	mutex_unlock(&w.vm->lock);
	return err;
}

static void teardown(struct kunit *test)
{
	if (w.vm)
		khv_pit_destroy(w.vm);
}

static struct pit_channel *ch(unsigned int i)
{
	return &w.vm->irq.pit->ch[i];
}

/* The first moment at which @clocks have been counted. */
static s64 ns_of(u64 clocks)
{
	return mul_u64_u64_div_u64(clocks, NSEC_PER_SEC, PIT_HZ) + 1;
}

/* Lobyte, hibyte. */
static void program(unsigned int i, u8 mode, u16 count)
{
	out(0x43, i << 6 | 0x30 | mode << 1);
	out(0x40 + i, count);
	out(0x40 + i, count >> 8);
}

static u16 latched(unsigned int i)
{
	u16 v;

	out(0x43, i << 6);
	v = in(0x40 + i);
	return v | in(0x40 + i) << 8;
}

static u8 status(unsigned int i)
{
	out(0x43, 0xe0 | 2 << i);
	return in(0x40 + i);
}

/*
 * The data sheet's counter, one clock at a time. Its element is loaded at
 * once, as in pit.c.
 */
struct clocked {
	u8 mode;
	bool bcd, out, done, first_half;
	u32 n, ce;
};

static void clocked_load(struct clocked *k)
{
	k->done = false;
	k->first_half = true;
	k->ce = k->mode == 3 ? k->n & ~1u : k->n;
	k->out = k->mode != 0 && k->mode != 1;
}

static void clocked_tick(struct clocked *k)
{
	u32 modulus = k->bcd ? 10000 : 0x10000;

	switch (k->mode) {
	case 2:
		k->ce--;
		if (!k->ce)
			k->ce = k->n;
		k->out = k->ce != 1;
		break;
	case 3:
		/* Odd counts stay high for one clock more: at zero. */
		if (k->ce > 2 || (k->ce == 2 && (k->n & 1) && k->first_half)) {
			k->ce -= 2;
		} else {
			k->first_half = !k->first_half;
			k->ce = k->n & ~1u;
			k->out = k->first_half;
		}
		break;
	default:
		k->ce = (k->ce + modulus - 1) % modulus;
		if (!k->ce && !k->done) {
			k->done = true;
			k->out = k->mode < 2;
		} else if (k->mode > 3) {
			k->out = true;
		}
	}
}

/* The first clock at which pit.c and the clocked counter differ, or -1. */
static int first_difference(u8 mode, bool bcd, u32 n)
{
	struct clocked k = { .mode = mode, .bcd = bcd, .n = n };
	u32 modulus = bcd ? 10000 : 0x10000;
	unsigned int d, steps = min(3 * n + 5, 140000u);

	clocked_load(&k);
	for (d = 0; d < steps; d++) {
		/* As read, a full count is zero. */
		if (count_after(mode, bcd, n, d) % modulus != k.ce % modulus ||
		    out_after(mode, n, d) != k.out)
			return d;
		clocked_tick(&k);
	}
	return -1;
}

static void test_modes_by_clock(struct kunit *test)
{
	static const u32 counts[] = { 2, 3, 4, 5, 7, 10, 99, 1000, 9999, 10000, 65535, 65536 };
	unsigned int mode, bcd, i;

	for (mode = 0; mode < 6; mode++) {
		for (bcd = 0; bcd < 2; bcd++) {
			for (i = 0; i < ARRAY_SIZE(counts); i++) {
				if (bcd && counts[i] > 10000)
					continue;
				KUNIT_EXPECT_EQ_MSG(test, first_difference(mode, bcd, counts[i]),
						    -1, "mode %u bcd %u count %u", mode, bcd,
						    counts[i]);
			}
		}
	}
}

static void test_reading_over_time(struct kunit *test)
{
	s64 start;
	u32 d;

	program(1, 2, 1000);
	start = fake_now;
	for (d = 0; d < 5000; d += 137) {
		fake_now = start + ns_of(d);
		KUNIT_EXPECT_EQ(test, (u32)latched(1), 1000 - d % 1000);
	}
	/* A year later it is still right. */
	fake_now = start + ns_of(31536000ULL * PIT_HZ + 250);
	KUNIT_EXPECT_EQ(test, (u32)latched(1),
			1000 - (u32)((31536000ULL * PIT_HZ + 250) % 1000));
	program(1, 0, 0);
	start = fake_now;
	KUNIT_EXPECT_EQ(test, latched(1), 0);
	fake_now = start + ns_of(1);
	KUNIT_EXPECT_EQ(test, latched(1), 0xffff);
	KUNIT_EXPECT_EQ(test, status(1) & 0x80, 0);
	fake_now = start + ns_of(65536);
	KUNIT_EXPECT_EQ(test, status(1) & 0x80, 0x80);
	/* BCD: 1234 written and read in decimal digits. */
	out(0x43, 0x71);
	out(0x41, 0x34);
	out(0x41, 0x12);
	start = fake_now;
	fake_now = start + ns_of(35);
	KUNIT_EXPECT_EQ(test, latched(1), 0x1199);
	fake_now = start + ns_of(1235);
	KUNIT_EXPECT_EQ(test, latched(1), 0x9999);
}

static void test_access_modes(struct kunit *test)
{
	program(1, 2, 0x1234);
	/* Low and high alternate without a latch. */
	KUNIT_EXPECT_EQ(test, in(0x41), 0x34);
	KUNIT_EXPECT_EQ(test, in(0x41), 0x12);
	/* Low only, high only. */
	out(0x43, 0x54);
	out(0x41, 0x56);
	KUNIT_EXPECT_EQ(test, ch(1)->s.count, 0x56u);
	KUNIT_EXPECT_EQ(test, in(0x41), 0x56);
	KUNIT_EXPECT_EQ(test, in(0x41), 0x56);
	out(0x43, 0x64);
	out(0x41, 0x78);
	KUNIT_EXPECT_EQ(test, ch(1)->s.count, 0x7800u);
	KUNIT_EXPECT_EQ(test, in(0x41), 0x78);
	/* A latched count stays until read, whatever time does. */
	program(1, 2, 0x1234);
	out(0x43, 0x40);
	fake_now += ns_of(100);
	out(0x43, 0x40);
	KUNIT_EXPECT_EQ(test, in(0x41), 0x34);
	KUNIT_EXPECT_EQ(test, in(0x41), 0x12);
	KUNIT_EXPECT_EQ(test, in(0x41), 0xd0);
	/* A new control word drops it. */
	out(0x43, 0x40);
	program(1, 2, 0x4321);
	KUNIT_EXPECT_EQ(test, in(0x41), 0x21);
	/* The control port cannot be read. */
	KUNIT_EXPECT_EQ(test, in(0x43), 0xff);
}

static void test_read_back(struct kunit *test)
{
	program(0, 3, 0x1000);
	program(1, 2, 0x2000);
	/* Counts of 0 and 1 at the same moment. */
	out(0x43, 0xd6);
	fake_now += ns_of(5000);
	KUNIT_EXPECT_EQ(test, in(0x40), 0x00);
	KUNIT_EXPECT_EQ(test, in(0x40), 0x10);
	KUNIT_EXPECT_EQ(test, in(0x41), 0x00);
	KUNIT_EXPECT_EQ(test, in(0x41), 0x20);
	/* Status: output, access mode, mode, BCD. */
	KUNIT_EXPECT_EQ(test, status(0) & 0x7f, 0x36);
	KUNIT_EXPECT_EQ(test, status(1), 0xb4);
	/* Status and count together: status comes first. */
	program(1, 4, 0x1111);
	out(0x43, 0xc4);
	KUNIT_EXPECT_EQ(test, in(0x41), 0xb8);
	KUNIT_EXPECT_EQ(test, in(0x41), 0x11);
	KUNIT_EXPECT_EQ(test, in(0x41), 0x11);
	/* Null count between the control word and the count. */
	out(0x43, 0x70);
	KUNIT_EXPECT_EQ(test, status(1), 0x70);
	out(0x41, 1);
	KUNIT_EXPECT_EQ(test, status(1), 0x70);
	out(0x41, 1);
	KUNIT_EXPECT_EQ(test, status(1), 0x30);
	/* Modes 6 and 7 are 2 and 3. */
	program(1, 6, 100);
	KUNIT_EXPECT_EQ(test, status(1) & 0xe, 4);
	program(1, 7, 100);
	KUNIT_EXPECT_EQ(test, status(1) & 0xe, 6);
}

static void test_gate(struct kunit *test)
{
	/* Mode 0 stops while the gate is low. */
	out(0x61, 0);
	program(2, 0, 1000);
	fake_now += ns_of(5000);
	KUNIT_EXPECT_EQ(test, latched(2), 1000);
	KUNIT_EXPECT_EQ(test, in(0x61) & 0x21, 0x00);
	out(0x61, 1);
	fake_now += ns_of(300);
	KUNIT_EXPECT_EQ(test, latched(2), 700);
	out(0x61, 0);
	fake_now += ns_of(5000);
	KUNIT_EXPECT_EQ(test, latched(2), 700);
	out(0x61, 3);
	KUNIT_EXPECT_EQ(test, in(0x61) & 0x23, 0x03);
	fake_now += ns_of(700);
	KUNIT_EXPECT_EQ(test, in(0x61) & 0x23, 0x23);
	/* Mode 1: the gate's rise triggers, and triggers again. */
	out(0x61, 0);
	program(2, 1, 1000);
	KUNIT_EXPECT_EQ(test, in(0x61) & 0x20, 0x20);
	out(0x61, 1);
	KUNIT_EXPECT_EQ(test, in(0x61) & 0x20, 0x00);
	fake_now += ns_of(999);
	out(0x61, 0);
	KUNIT_EXPECT_EQ(test, in(0x61) & 0x20, 0x00);
	out(0x61, 1);
	fake_now += ns_of(998);
	KUNIT_EXPECT_EQ(test, in(0x61) & 0x20, 0x00);
	fake_now += ns_of(2);
	KUNIT_EXPECT_EQ(test, in(0x61) & 0x20, 0x20);
	/* Modes 2 and 3: low forces the output high, the rise starts a new period. */
	program(2, 3, 1000);
	fake_now += ns_of(600);
	KUNIT_EXPECT_EQ(test, in(0x61) & 0x20, 0x00);
	out(0x61, 0);
	KUNIT_EXPECT_EQ(test, in(0x61) & 0x20, 0x20);
	out(0x61, 1);
	fake_now += ns_of(499);
	KUNIT_EXPECT_EQ(test, in(0x61) & 0x20, 0x20);
	fake_now += ns_of(2);
	KUNIT_EXPECT_EQ(test, in(0x61) & 0x20, 0x00);
}

/* Let time reach the timer, which is then due. */
static void fire(s64 late)
{
	fake_now = fake_expires + late;
	fake_expires = -1;
	pit_tick(&w.vm->irq.pit->timer);
}

static void test_periodic_interrupts(struct kunit *test)
{
	s64 start = fake_now;
	unsigned int i;

	program(0, 2, 11932);
	KUNIT_EXPECT_EQ(test, w.rises, 0u);
	for (i = 1; i <= 1000; i++) {
		/* No rounding error adds up. */
		KUNIT_ASSERT_EQ(test, (u64)(fake_expires - start), clocks_to_ns(11932ULL * i));
		fire(i % 100);
		KUNIT_ASSERT_EQ(test, w.rises, i);
	}
	/* Nothing on a stale expiry. */
	fake_now = fake_expires - 1;
	pit_tick(&w.vm->irq.pit->timer);
	KUNIT_EXPECT_EQ(test, w.rises, 1000u);
	/* The shutdown that Linux does: mode 0, count 0, is one interrupt at its end. */
	out(0x43, 0x30);
	KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
	out(0x40, 0);
	KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
	out(0x40, 0);
	KUNIT_EXPECT_EQ(test, (u64)(fake_expires - fake_now), clocks_to_ns(65536));
	fire(0);
	KUNIT_EXPECT_EQ(test, w.rises, 1001u);
	KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
}

static void test_fast_periods_are_bounded(struct kunit *test)
{
	u32 n;

	for (n = 1; n < 500; n++) {
		program(0, 2, n);
		KUNIT_ASSERT_GE(test, fake_expires - fake_now, 200000LL);
		KUNIT_ASSERT_EQ(test, w.vm->irq.pit->step % n, 0u);
		KUNIT_ASSERT_LT(test, fake_expires - fake_now, 500000LL);
	}
}

static void test_modes_without_interrupts(struct kunit *test)
{
	s64 expires;

	program(0, 1, 100);
	KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
	program(0, 5, 100);
	KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
	program(1, 2, 1000);
	program(2, 2, 1000);
	KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
	/* A strobe, and others by new counts alone: half of one moves nothing. */
	program(0, 4, 5000);
	KUNIT_EXPECT_EQ(test, (u64)(fake_expires - fake_now), clocks_to_ns(5000));
	fire(0);
	KUNIT_EXPECT_EQ(test, w.rises, 1u);
	KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
	fake_now += 1000;
	out(0x40, 0x10);
	KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
	out(0x40, 0x27);
	KUNIT_EXPECT_EQ(test, (u64)(fake_expires - fake_now), clocks_to_ns(0x2710));
	expires = fake_expires;
	fake_now += 1000;
	out(0x40, 0x20);
	KUNIT_EXPECT_EQ(test, fake_expires, expires);
}

static void test_reinjection(struct kunit *test)
{
	s64 period;
	unsigned int i;
	u64 start;

	program(0, 2, 11932);
	period = clocks_to_ns(11932);
	fire(0);
	/* The guest has not taken the last one: kept for later, tried again soon. */
	w.answer = 0;
	fire(0);
	KUNIT_EXPECT_EQ(test, w.vm->irq.pit->missed, 1u);
	KUNIT_EXPECT_LT(test, fake_expires, fake_now + period / 2);
	KUNIT_EXPECT_GE(test, fake_expires - fake_now, 200000LL);
	w.answer = 1;
	fire(0);
	KUNIT_EXPECT_EQ(test, w.vm->irq.pit->missed, 0u);
	/* A guest that takes none is not asked more often than by its own ticks. */
	w.answer = 0;
	for (i = 0; i < 8; i++)
		fire(0);
	start = w.vm->irq.pit->clocks;
	fire(0);
	KUNIT_EXPECT_EQ(test, w.vm->irq.pit->clocks - start, 11932ULL);
	w.answer = 1;
	while (w.vm->irq.pit->missed)
		fire(0);
	/* Ticks while the host was late come, too. */
	fire(5 * period + 1000);
	KUNIT_EXPECT_EQ(test, w.vm->irq.pit->missed, 5u);
	for (i = 0; i < 5; i++)
		fire(0);
	KUNIT_EXPECT_LE(test, w.vm->irq.pit->missed, 2u);
	/* Bounded, and dropped when the guest masks it. */
	fire(1000000 * period);
	KUNIT_EXPECT_EQ(test, w.vm->irq.pit->missed, (u32)MAX_MISSED);
	w.answer = -1;
	fire(0);
	KUNIT_EXPECT_EQ(test, w.vm->irq.pit->missed, 0u);
	/* Turned off between an attempt and the next: the guest's own ticks go on. */
	w.answer = 0;
	fire(0);
	KUNIT_EXPECT_EQ(test, w.vm->irq.pit->missed, 1u);
	KUNIT_EXPECT_EQ(test, khv_pit_set_reinject(w.vm, false), 0);
	fire(0);
	KUNIT_EXPECT_GT(test, fake_expires, fake_now);
	/* Not wanted. */
	w.answer = 0;
	fire(10 * period);
	KUNIT_EXPECT_EQ(test, w.vm->irq.pit->missed, 0u);
}

static void test_state(struct kunit *test)
{
	struct kvm_pit_state2 s, t;
	unsigned int i;

	program(0, 2, 0x1234);
	program(1, 3, 0);
	program(2, 1, 0x80);
	out(0x61, 3);
	out(0x43, 0x00);
	in(0x40);
	KUNIT_ASSERT_EQ(test, khv_pit_get(w.vm, &s), 0);
	KUNIT_EXPECT_EQ(test, s.channels[0].count, 0x1234u);
	KUNIT_EXPECT_EQ(test, s.channels[1].count, 0x10000u);
	KUNIT_EXPECT_EQ(test, s.flags, (u32)KVM_PIT_FLAGS_SPEAKER_DATA_ON);
	program(0, 0, 1);
	program(1, 0, 1);
	out(0x61, 0);
	fake_now += 777;
	KUNIT_ASSERT_EQ(test, khv_pit_set(w.vm, &s), 0);
	KUNIT_EXPECT_EQ(test, (u64)(fake_expires - fake_now), clocks_to_ns(0x1234));
	KUNIT_ASSERT_EQ(test, khv_pit_get(w.vm, &t), 0);
	for (i = 0; i < 3; i++)
		t.channels[i].count_load_time = s.channels[i].count_load_time;
	KUNIT_EXPECT_EQ(test, memcmp(&s, &t, sizeof(s)), 0);
	KUNIT_EXPECT_EQ(test, in(0x40), 0x12);
	KUNIT_EXPECT_EQ(test, in(0x61) & 3, 3);
	/* HPET in legacy mode takes the line over. */
	s.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	khv_pit_set(w.vm, &s);
	KUNIT_EXPECT_EQ(test, fake_expires, -1LL);
	/* Nonsense from a client. */
	memset(&s, 0xff, sizeof(s));
	s.flags = 0;
	khv_pit_set(w.vm, &s);
	khv_pit_get(w.vm, &t);
	KUNIT_EXPECT_EQ(test, t.channels[1].count, 0xffffu);
	KUNIT_EXPECT_LE(test, t.channels[1].mode, 5);
	KUNIT_EXPECT_LE(test, t.channels[1].rw_mode, 3);
	KUNIT_EXPECT_EQ(test, t.channels[1].gate, 1);
	for (i = 0; i < 20; i++)
		in(0x40 + i % 3);
	memset(&s, 0, sizeof(s));
	khv_pit_set(w.vm, &s);
	khv_pit_get(w.vm, &t);
	KUNIT_EXPECT_EQ(test, t.channels[0].count, 0x10000u);
}

static void test_wide_access(struct kunit *test)
{
	u32 val = 0x12345634;
	u8 buf[8] = {};

	program(0, 2, 0x1111);
	w.dev[0]->ops->read(w.vcpu, w.dev[0], 0x42, 4, buf);
	KUNIT_EXPECT_EQ(test, buf[1], 0xff);
	KUNIT_EXPECT_EQ(test, buf[4], 0);
	/* Only its first byte reaches port 0x43, the rest nothing. */
	w.dev[0]->ops->write(w.vcpu, w.dev[0], 0x43, 4, &val);
	KUNIT_EXPECT_EQ(test, ch(0)->s.mode, 2);
}

static void test_fuzz(struct kunit *test)
{
	struct rnd_state rnd;
	unsigned int i;
	s64 before;

	prandom_seed_state(&rnd, 5);
	for (i = 0; i < 300000; i++) {
		u32 r = prandom_u32_state(&rnd), val = prandom_u32_state(&rnd);
		u16 port = 0x40 + (r >> 8 & 3);

		switch (r & 7) {
		case 0:
			out(0x61, val);
			break;
		case 1:
			in(0x61);
			break;
		case 2:
			w.dev[0]->ops->read(w.vcpu, w.dev[0], port, 1 << (r >> 12) % 3, &val);
			break;
		case 3 ... 5:
			w.dev[0]->ops->write(w.vcpu, w.dev[0], port, 1 << (r >> 12) % 3, &val);
			break;
		default:
			fake_now += val >> (r >> 8 & 31);
			w.answer = (int)(r >> 16 & 3) - 1;
			if (fake_expires < 0 || fake_now < fake_expires)
				break;
			before = fake_now;
			fake_expires = -1;
			pit_tick(&w.vm->irq.pit->timer);
			/* Never again at once, whatever was programmed. */
			if (fake_expires >= 0)
				KUNIT_ASSERT_GT(test, fake_expires, before);
		}
		KUNIT_ASSERT_LE(test, w.vm->irq.pit->missed, (u32)MAX_MISSED);
		KUNIT_ASSERT_LE(test, ch(r % 3)->s.mode, 5);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(test_modes_by_clock),
	KUNIT_CASE(test_reading_over_time),
	KUNIT_CASE(test_access_modes),
	KUNIT_CASE(test_read_back),
	KUNIT_CASE(test_gate),
	KUNIT_CASE(test_periodic_interrupts),
	KUNIT_CASE(test_fast_periods_are_bounded),
	KUNIT_CASE(test_modes_without_interrupts),
	KUNIT_CASE(test_reinjection),
	KUNIT_CASE(test_state),
	KUNIT_CASE(test_wide_access),
	KUNIT_CASE(test_fuzz),
	{}
};

static struct kunit_suite suite = {
	.name = "khv_pit",
	.init = setup,
	.exit = teardown,
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_LICENSE("GPL");
