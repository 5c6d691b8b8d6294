// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interval timer: three counters (Intel 8254 data sheet), channel 0 on
 * GSI 0, channel 2 behind the speaker port 0x61.
 *
 * A count is not decremented: it is computed from the time since it was
 * loaded. The one clock between a write and its loading is not modelled, and a
 * new count in modes 2 and 3 takes effect at once, not at the period's end.
 */
#include <linux/bitops.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "irqchip/irqchip.h"
#include "irqchip/pit.h"
#include "vm/bus.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

#define PIT_HZ		1193182
#define PIT_PORT	0x40
#define PIT_CONTROL	3
#define SPEAKER_PORT	0x61

/* No faster interrupts than that; 200 us, as for the local APIC's timer. */
#define MIN_TICK_CLOCKS	239
/* Ticks that the guest has not taken yet; beyond that they are lost. */
#define MAX_MISSED	1000
/* Vain attempts after which the next edge is soon enough. */
#define MAX_FAILURES	4

/* Access modes, and the states of a two-byte access that follow from them. */
enum { RW_LSB = 1, RW_MSB, RW_WORD0, RW_WORD1 };

/* Bits of port 0x61. */
#define SPEAKER_GATE	0x01
#define SPEAKER_DATA	0x02
#define SPEAKER_REFRESH	0x10
#define SPEAKER_OUT	0x20
#define REFRESH_NS	15085

/**
 * struct pit_channel - one counter
 * @s: as clients see it; count is what was written, 65536 for 0
 * @null_count: a control word was written and no count since
 * @running: counting, unless the gate stops it
 * @frozen: nanoseconds counted when the gate went low
 */
struct pit_channel {
	struct kvm_pit_channel_state s;
	bool null_count;
	bool running;
	s64 frozen;
};

/**
 * struct khv_pit - under vm->irq.lock, except @timer
 * @dev: the four ports and the speaker port
 * @timer: channel 0's next edge. Cancelled only without vm->irq.lock, which its callback takes
 * @armed: @next and @clocks are valid
 * @clocks: channel 0's clocks from its load to the edge at @next
 * @step: clocks between interrupts, 0 when there is only one
 * @missed: edges that came while the one before was still pending
 * @failures: attempts since the guest last took one
 */
struct khv_pit {
	struct khv_io_dev dev[2];
	struct khv_vm *vm;
	struct pit_channel ch[3];
	struct hrtimer timer;
	u32 create_flags;
	bool hpet_legacy;
	bool speaker_data;
	bool reinject;
	bool armed;
	ktime_t next;
	u64 clocks;
	u32 step;
	u32 missed;
	u8 failures;
};

static u64 clocks_to_ns(u64 clocks)
{
	return mul_u64_u32_div(clocks, NSEC_PER_SEC, PIT_HZ);
}

static u64 ns_to_clocks(u64 ns)
{
	return mul_u64_u32_div(ns, PIT_HZ, NSEC_PER_SEC);
}

static bool gate_triggers(const struct pit_channel *c)
{
	return c->s.mode == 1 || c->s.mode == 5;
}

/* Length of a full cycle in clocks, never 0. */
static u32 initial_count(const struct pit_channel *c)
{
	u32 v = c->s.count & 0xffff;

	if (!c->s.bcd)
		return v ? v : 0x10000;
	v = (v >> 12) * 1000 + (v >> 8 & 0xf) * 100 + (v >> 4 & 0xf) * 10 + (v & 0xf);
	return v ? v : 10000;
}

/* Clocks counted since the count was loaded or triggered. */
static u64 elapsed(const struct pit_channel *c, s64 now)
{
	s64 ns = now - c->s.count_load_time;

	if (!c->running)
		return 0;
	if (!c->s.gate && !gate_triggers(c))
		ns = c->frozen;
	return ns > 0 ? ns_to_clocks(ns) : 0;
}

/* "Mode Definitions": the counting element after @d clocks of a count of @n. */
static u32 count_after(u8 mode, bool bcd, u32 n, u64 d)
{
	u32 modulus = bcd ? 10000 : 0x10000;
	u32 phase;

	switch (mode) {
	case 2:
		div64_u64_rem(d, n, &d);
		return n - d;
	case 3:
		/* Two at a time, the even part of the count once per half. */
		div64_u64_rem(d, n, &d);
		phase = d;
		if (phase >= (n + 1) / 2)
			phase -= (n + 1) / 2;
		return (n & ~1u) - 2 * phase;
	default:
		div64_u64_rem(d, modulus, &d);
		return (n + modulus - (u32)d) % modulus;
	}
}

static bool out_after(u8 mode, u32 n, u64 d)
{
	u64 phase;

	switch (mode) {
	case 0:
	case 1:
		return d >= n;
	case 2:
		div64_u64_rem(d, n, &phase);
		return phase != n - 1;
	case 3:
		div64_u64_rem(d, n, &phase);
		return phase < (n + 1) / 2;
	default:
		return d != n;
	}
}

static u16 counter(const struct pit_channel *c, s64 now)
{
	u32 v = count_after(c->s.mode, c->s.bcd, initial_count(c), elapsed(c, now));

	if (!c->s.bcd)
		return v;
	v %= 10000;
	return v / 1000 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10;
}

static bool output(const struct pit_channel *c, s64 now)
{
	/* Before a count or trigger only mode 0 holds the output low. */
	if (c->null_count || !c->running)
		return c->s.mode != 0;
	if (!c->s.gate && (c->s.mode == 2 || c->s.mode == 3))
		return true;
	return out_after(c->s.mode, initial_count(c), elapsed(c, now));
}

/* How soon to try again when the guest has ticks to catch up with. */
static u64 retry_ns(const struct khv_pit *pit)
{
	return max_t(u64, clocks_to_ns(pit->step) / 4, clocks_to_ns(MIN_TICK_CLOCKS));
}

/* hrtimer_start() does not wait for a running callback, so the lock may be held. */
static void start_timer(struct khv_pit *pit, s64 now)
{
	ktime_t when = pit->next;

	if (!pit->armed)
		return;
	if (pit->missed && pit->failures < MAX_FAILURES)
		when = min_t(s64, when, now + retry_ns(pit));
	hrtimer_start(&pit->timer, when, HRTIMER_MODE_ABS_HARD);
}

/* Channel 0 was programmed: forget its old edges, arm the next one. */
static void program_timer(struct khv_pit *pit, s64 now)
{
	struct pit_channel *c = &pit->ch[0];
	u32 n = initial_count(c);

	lockdep_assert_held(&pit->vm->irq.lock);
	pit->missed = 0;
	pit->failures = 0;
	/* Its gate is tied high, so nothing triggers modes 1 and 5. */
	pit->armed = c->running && !pit->hpet_legacy && !gate_triggers(c);
	if (!pit->armed) {
		/* A callback that runs already finds armed false. */
		hrtimer_try_to_cancel(&pit->timer);
		return;
	}
	pit->step = 0;
	pit->clocks = n;
	if (c->s.mode == 2 || c->s.mode == 3) {
		pit->step = n * DIV_ROUND_UP(MIN_TICK_CLOCKS, n);
		pit->clocks = pit->step;
	}
	pit->next = c->s.count_load_time + clocks_to_ns(pit->clocks);
	start_timer(pit, now);
}

/* The edges up to @now: moves @next past it. Returns how many there were. */
static u64 take_edges(struct khv_pit *pit, s64 now)
{
	u64 more;

	if (!pit->armed || now < pit->next)
		return 0;
	if (!pit->step) {
		pit->armed = false;
		return 1;
	}
	more = div_u64(ns_to_clocks(now - pit->next), pit->step);
	pit->clocks += (more + 1) * pit->step;
	pit->next = pit->ch[0].s.count_load_time + clocks_to_ns(pit->clocks);
	return more + 1;
}

/* Account for one attempt: @got as khv_irq_set() says, @edges new ones before it. */
static void count_missed(struct khv_pit *pit, u64 edges, int got)
{
	u64 missed = pit->missed + edges;

	if (got > 0)
		pit->failures = 0;
	else if (pit->failures < MAX_FAILURES)
		pit->failures++;
	/* Masked: nobody waits for ticks. */
	if (!pit->reinject || got < 0)
		missed = 0;
	else if (got > 0 && missed)
		missed--;
	pit->missed = pit->step ? min_t(u64, missed, MAX_MISSED) : 0;
}

/* Hardirq. */
static enum hrtimer_restart pit_tick(struct hrtimer *timer)
{
	struct khv_pit *pit = container_of(timer, struct khv_pit, timer);
	raw_spinlock_t *lock = &pit->vm->irq.lock;
	s64 now = ktime_get();
	unsigned long flags;
	bool due;
	u64 edges;
	int got;

	raw_spin_lock_irqsave(lock, flags);
	edges = take_edges(pit, now);
	due = edges || pit->missed;
	/* Reinjection was turned off before this attempt: on to the next edge. */
	if (!due)
		start_timer(pit, now);
	raw_spin_unlock_irqrestore(lock, flags);
	if (!due)
		return HRTIMER_NORESTART;

	got = khv_irq_set(pit->vm, 0, 1, KHV_IRQ_PIT);
	khv_irq_set(pit->vm, 0, 0, KHV_IRQ_PIT);

	raw_spin_lock_irqsave(lock, flags);
	/* The guest may have programmed it anew in between. */
	if (pit->armed) {
		count_missed(pit, edges, got);
		start_timer(pit, now);
	}
	raw_spin_unlock_irqrestore(lock, flags);
	return HRTIMER_NORESTART;
}

static void load_count(struct pit_channel *c, u16 val, s64 now)
{
	c->s.count = val ? val : 0x10000;
	c->null_count = false;
	if (gate_triggers(c))
		return;
	c->s.count_load_time = now;
	c->frozen = 0;
	c->running = true;
}

/* True when the channel's next edge is another one now. */
static bool write_count(struct pit_channel *c, u8 val, s64 now)
{
	switch (c->s.write_state) {
	case RW_LSB:
		load_count(c, val, now);
		return true;
	case RW_MSB:
		load_count(c, val << 8, now);
		return true;
	case RW_WORD0:
		c->s.write_latch = val;
		c->s.write_state = RW_WORD1;
		if (c->s.mode)
			return false;
		/* "Mode 0": the first byte stops the count. */
		c->running = false;
		return true;
	default:
		load_count(c, c->s.write_latch | val << 8, now);
		c->s.write_state = RW_WORD0;
		return true;
	}
}

static u8 read_count(struct pit_channel *c, s64 now)
{
	u16 v;

	if (c->s.status_latched) {
		c->s.status_latched = 0;
		return c->s.status;
	}
	if (c->s.count_latched) {
		v = c->s.latched_count;
		/* Of a latched word the high byte is left. */
		if (c->s.count_latched == RW_WORD0) {
			c->s.count_latched = RW_MSB;
			return v;
		}
		v = c->s.count_latched == RW_MSB ? v >> 8 : v;
		c->s.count_latched = 0;
		return v;
	}
	v = counter(c, now);
	switch (c->s.read_state) {
	case RW_WORD0:
		c->s.read_state = RW_WORD1;
		return v;
	case RW_WORD1:
		c->s.read_state = RW_WORD0;
		return v >> 8;
	case RW_MSB:
		return v >> 8;
	default:
		return v;
	}
}

static void latch_count(struct pit_channel *c, s64 now)
{
	if (c->s.count_latched)
		return;
	c->s.latched_count = counter(c, now);
	c->s.count_latched = c->s.rw_mode;
}

static void latch_status(struct pit_channel *c, s64 now)
{
	if (c->s.status_latched)
		return;
	c->s.status = output(c, now) << 7 | c->null_count << 6 | c->s.rw_mode << 4 |
		      c->s.mode << 1 | c->s.bcd;
	c->s.status_latched = 1;
}

/* "Read-Back Command": both bits are active low. */
static void read_back(struct khv_pit *pit, u8 val, s64 now)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pit->ch); i++) {
		if (!(val & (2 << i)))
			continue;
		if (!(val & 0x20))
			latch_count(&pit->ch[i], now);
		if (!(val & 0x10))
			latch_status(&pit->ch[i], now);
	}
}

static void write_control(struct khv_pit *pit, u8 val, s64 now)
{
	unsigned int i = val >> 6;
	struct pit_channel *c;

	if (i >= ARRAY_SIZE(pit->ch)) {
		read_back(pit, val, now);
		return;
	}
	c = &pit->ch[array_index_nospec(i, ARRAY_SIZE(pit->ch))];
	if (!(val & 0x30)) {
		latch_count(c, now);
		return;
	}
	c->s.rw_mode = (val >> 4) & 3;
	c->s.read_state = c->s.rw_mode;
	c->s.write_state = c->s.rw_mode;
	c->s.mode = (val >> 1) & 7;
	if (c->s.mode > 5)
		c->s.mode &= 3;
	c->s.bcd = val & 1;
	c->s.count_latched = 0;
	c->s.status_latched = 0;
	c->null_count = true;
	c->running = false;
	if (!i)
		program_timer(pit, now);
}

/* Only channel 2 has a gate that software moves. */
static void set_gate(struct pit_channel *c, bool gate, s64 now)
{
	if (gate == c->s.gate)
		return;
	c->s.gate = gate;
	if (!gate) {
		c->frozen = now - c->s.count_load_time;
		return;
	}
	switch (c->s.mode) {
	case 0:
	case 4:		/* goes on where it stopped */
		c->s.count_load_time = now - c->frozen;
		break;
	case 1:
	case 5:		/* the trigger */
		c->running = !c->null_count;
		fallthrough;
	default:
		c->s.count_load_time = now;
	}
}

/* Wider accesses become byte accesses to successive ports, as on an ISA bus. */
static int pit_read(struct khv_vcpu *vcpu, struct khv_io_dev *dev, u64 addr, int len, void *val)
{
	struct khv_pit *pit = container_of(dev, struct khv_pit, dev[0]);
	s64 now = ktime_get();
	unsigned long flags;
	u8 *data = val;
	int i;

	memset(val, 0xff, len);
	raw_spin_lock_irqsave(&pit->vm->irq.lock, flags);
	for (i = 0; i < len && addr + i - PIT_PORT < PIT_CONTROL; i++) {
		unsigned int ch = array_index_nospec(addr + i - PIT_PORT, PIT_CONTROL);

		data[i] = read_count(&pit->ch[ch], now);
	}
	raw_spin_unlock_irqrestore(&pit->vm->irq.lock, flags);
	return 0;
}

static int pit_write(struct khv_vcpu *vcpu, struct khv_io_dev *dev, u64 addr, int len,
		     const void *val)
{
	struct khv_pit *pit = container_of(dev, struct khv_pit, dev[0]);
	s64 now = ktime_get();
	const u8 *data = val;
	unsigned long flags;
	int i;

	raw_spin_lock_irqsave(&pit->vm->irq.lock, flags);
	for (i = 0; i < len && addr + i - PIT_PORT <= PIT_CONTROL; i++) {
		unsigned int ch = array_index_nospec(addr + i - PIT_PORT, PIT_CONTROL + 1);

		if (ch == PIT_CONTROL) {
			write_control(pit, data[i], now);
			continue;
		}
		if (write_count(&pit->ch[ch], data[i], now) && !ch)
			program_timer(pit, now);
	}
	raw_spin_unlock_irqrestore(&pit->vm->irq.lock, flags);
	return 0;
}

static int speaker_read(struct khv_vcpu *vcpu, struct khv_io_dev *dev, u64 addr, int len,
			void *val)
{
	struct khv_pit *pit = container_of(dev, struct khv_pit, dev[1]);
	struct pit_channel *c = &pit->ch[2];
	s64 now = ktime_get();
	unsigned long flags;
	u8 data = 0;

	raw_spin_lock_irqsave(&pit->vm->irq.lock, flags);
	if (c->s.gate)
		data |= SPEAKER_GATE;
	if (pit->speaker_data)
		data |= SPEAKER_DATA;
	if (div_u64(now, REFRESH_NS) & 1)
		data |= SPEAKER_REFRESH;
	if (output(c, now))
		data |= SPEAKER_OUT;
	raw_spin_unlock_irqrestore(&pit->vm->irq.lock, flags);
	memset(val, 0xff, len);
	*(u8 *)val = data;
	return 0;
}

static int speaker_write(struct khv_vcpu *vcpu, struct khv_io_dev *dev, u64 addr, int len,
			 const void *val)
{
	struct khv_pit *pit = container_of(dev, struct khv_pit, dev[1]);
	u8 data = *(const u8 *)val;
	unsigned long flags;

	raw_spin_lock_irqsave(&pit->vm->irq.lock, flags);
	pit->speaker_data = data & SPEAKER_DATA;
	set_gate(&pit->ch[2], data & SPEAKER_GATE, ktime_get());
	raw_spin_unlock_irqrestore(&pit->vm->irq.lock, flags);
	return 0;
}

static const struct khv_io_ops pit_ops = {
	.read = pit_read,
	.write = pit_write,
};

static const struct khv_io_ops speaker_ops = {
	.read = speaker_read,
	.write = speaker_write,
};

int khv_pit_create(struct khv_vm *vm, const struct kvm_pit_config *config)
{
	struct khv_pit *pit;
	unsigned int i;
	int err;

	lockdep_assert_held(&vm->lock);
	if (config->flags & ~KVM_PIT_SPEAKER_DUMMY)
		return -EINVAL;
	if (vm->irq.pit)
		return -EEXIST;
	pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);
	if (!pit)
		return -ENOMEM;
	pit->vm = vm;
	pit->create_flags = config->flags;
	pit->reinject = true;
	pit->dev[0].ops = &pit_ops;
	pit->dev[1].ops = &speaker_ops;
	hrtimer_setup(&pit->timer, pit_tick, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	for (i = 0; i < ARRAY_SIZE(pit->ch); i++) {
		struct pit_channel *c = &pit->ch[i];

		c->s.count = 0x10000;
		c->s.rw_mode = RW_WORD0;
		c->s.read_state = RW_WORD0;
		c->s.write_state = RW_WORD0;
		c->s.gate = i != 2;
		c->null_count = true;
	}
	err = khv_bus_register(vm, KHV_BUS_PIO, PIT_PORT, 4, &pit->dev[0]);
	if (err)
		goto err_free;
	if (config->flags & KVM_PIT_SPEAKER_DUMMY) {
		err = khv_bus_register(vm, KHV_BUS_PIO, SPEAKER_PORT, 1, &pit->dev[1]);
		if (err)
			goto err_unregister;
	}
	vm->irq.pit = pit;
	return 0;

err_unregister:
	khv_bus_unregister(vm, KHV_BUS_PIO, &pit->dev[0]);
	/* A guest's port write may have started it. */
	hrtimer_cancel(&pit->timer);
err_free:
	kfree(pit);
	return err;
}

void khv_pit_destroy(struct khv_vm *vm)
{
	if (!vm->irq.pit)
		return;
	hrtimer_cancel(&vm->irq.pit->timer);
	kfree(vm->irq.pit);
	vm->irq.pit = NULL;
}

int khv_pit_get(struct khv_vm *vm, struct kvm_pit_state2 *ps)
{
	struct khv_pit *pit = vm->irq.pit;
	unsigned long flags;
	unsigned int i;

	if (!pit)
		return -ENXIO;
	memset(ps, 0, sizeof(*ps));
	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	for (i = 0; i < ARRAY_SIZE(pit->ch); i++)
		ps->channels[i] = pit->ch[i].s;
	if (pit->hpet_legacy)
		ps->flags |= KVM_PIT_FLAGS_HPET_LEGACY;
	if (pit->speaker_data)
		ps->flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
	return 0;
}

static u8 rw_state(u8 state, u8 rw_mode)
{
	if (rw_mode == RW_WORD0)
		return state == RW_WORD1 ? RW_WORD1 : RW_WORD0;
	return rw_mode;
}

/* Its count starts now: the load time of another host means nothing here. */
static void set_channel(struct pit_channel *c, const struct kvm_pit_channel_state *s, s64 now)
{
	c->s = *s;
	c->s.count = s->count & 0xffff ? s->count & 0xffff : 0x10000;
	c->s.mode &= 7;
	if (c->s.mode > 5)
		c->s.mode &= 3;
	c->s.bcd &= 1;
	c->s.gate = !!s->gate;
	c->s.rw_mode &= 3;
	if (!c->s.rw_mode)
		c->s.rw_mode = RW_WORD0;
	c->s.read_state = rw_state(s->read_state, c->s.rw_mode);
	c->s.write_state = rw_state(s->write_state, c->s.rw_mode);
	c->s.count_latched &= 3;
	c->s.status_latched = !!s->status_latched;
	c->s.count_load_time = now;
	c->frozen = 0;
	c->null_count = false;
	c->running = true;
}

int khv_pit_set(struct khv_vm *vm, const struct kvm_pit_state2 *ps)
{
	struct khv_pit *pit = vm->irq.pit;
	s64 now = ktime_get();
	unsigned long flags;
	unsigned int i;

	if (!pit)
		return -ENXIO;
	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	for (i = 0; i < ARRAY_SIZE(pit->ch); i++)
		set_channel(&pit->ch[i], &ps->channels[i], now);
	pit->ch[0].s.gate = 1;
	pit->ch[1].s.gate = 1;
	pit->hpet_legacy = ps->flags & KVM_PIT_FLAGS_HPET_LEGACY;
	pit->speaker_data = ps->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	program_timer(pit, now);
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
	return 0;
}

int khv_pit_set_reinject(struct khv_vm *vm, bool reinject)
{
	unsigned long flags;

	if (!vm->irq.pit)
		return -ENXIO;
	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	vm->irq.pit->reinject = reinject;
	vm->irq.pit->missed = 0;
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
	return 0;
}
