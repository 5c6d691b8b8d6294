// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two cascaded 8259A interrupt controllers and the edge/level control
 * registers that PC chipsets put next to them (Intel 8259A data sheet; ELCR:
 * 82371AB data sheet).
 *
 * The output goes to LINT0 of every local APIC; lapic.c decides what that means there.
 */
#include <linux/bitops.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "irqchip/lapic.h"
#include "irqchip/pic.h"
#include "vm/bus.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

#define CASCADE		2	/* the master's input that the slave drives */
#define SPURIOUS	7	/* what an INTA gets when the request is gone */

#define ICW1		0x10
#define ICW1_ICW4	0x01
#define ICW4_AEOI	0x02
#define ICW4_SFNM	0x10
#define OCW3		0x08

/* kvm_pic_state.init_state: which initialization word comes next. */
enum { INIT_DONE, INIT_ICW2, INIT_ICW3, INIT_ICW4 };

/**
 * struct khv_pic - under vm->irq.lock, except @output
 * @dev: master, slave, ELCR
 * @chip: master and slave; last_irr holds the present level of the inputs
 * @sources: BIT(enum khv_irq_source) of each input
 * @output: INTR; read without the lock
 */
struct khv_pic {
	struct khv_io_dev dev[3];
	struct kvm_pic_state chip[2];
	u8 sources[KHV_PIC_PINS];
	bool output;
};

static const u16 ports[] = { 0x20, 0xa0, 0x4d0 };
/* Inputs that may be level triggered: not timer, keyboard, cascade, clock, FPU. */
static const u8 elcr_mask[] = { 0xf8, 0xde };

/* 0 for the highest priority bit of @mask, 8 for none. @add is the input that is highest. */
static unsigned int priority(u8 mask, u8 add)
{
	return mask ? __ffs(ror8(mask, add)) : 8;
}

/* The input that the chip would report now, or -1. */
static int pending(const struct kvm_pic_state *c, bool master)
{
	u8 isr = c->isr;
	unsigned int p;

	if (c->special_mask)
		isr &= ~c->imr;
	/* "Special Fully Nested Mode": the slave may interrupt itself. */
	if (c->special_fully_nested_mode && master)
		isr &= ~BIT(CASCADE);
	p = priority(c->irr & ~c->imr, c->priority_add);
	if (p >= priority(isr, c->priority_add))
		return -1;
	return (p + c->priority_add) & 7;
}

/* Bring the cascade and INTR up to date, and tell the local APICs. */
static void update(struct khv_vm *vm)
{
	struct khv_pic *pic = vm->irq.pic;
	struct khv_vcpu *vcpu;
	unsigned int i;
	bool output;

	lockdep_assert_held(&vm->irq.lock);
	if (pending(&pic->chip[1], false) >= 0)
		pic->chip[0].irr |= BIT(CASCADE);
	else
		pic->chip[0].irr &= ~BIT(CASCADE);
	output = pending(&pic->chip[0], true) >= 0;
	if (output == pic->output)
		return;
	WRITE_ONCE(pic->output, output);
	if (!output)
		return;
	khv_for_each_vcpu(i, vcpu, vm)
		khv_lapic_lint0(vcpu);
}

/* -1 masked, 0 the request was there already, 1 accepted. */
static int set_input(struct kvm_pic_state *c, unsigned int bit, bool level)
{
	u8 mask = BIT(bit);
	int ret = 1;

	if (c->elcr & mask) {
		ret = !level || !(c->irr & mask);
		c->irr = level ? c->irr | mask : c->irr & ~mask;
	} else if (level && !(c->last_irr & mask)) {
		ret = !(c->irr & mask);
		c->irr |= mask;
	} else if (level) {
		ret = 0;
	}
	c->last_irr = level ? c->last_irr | mask : c->last_irr & ~mask;
	return c->imr & mask ? -1 : ret;
}

int khv_pic_set_pin(struct khv_vm *vm, unsigned int pin, int level, enum khv_irq_source source)
{
	struct khv_pic *pic = vm->irq.pic;
	unsigned long flags;
	int ret;

	if (pin >= KHV_PIC_PINS || pin == CASCADE)
		return -1;
	pin = array_index_nospec(pin, KHV_PIC_PINS);

	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	if (level)
		pic->sources[pin] |= BIT(source);
	else
		pic->sources[pin] &= ~BIT(source);
	ret = set_input(&pic->chip[pin >> 3], pin & 7, pic->sources[pin]);
	update(vm);
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
	return ret;
}

/*
 * The guest is done with inputs @mask of a chip: what only irqfds that resample hold up
 * goes down. Their line, and so the request of a level-triggered one.
 */
static void finished(struct khv_vcpu *vcpu, struct khv_pic *pic, unsigned int which, u8 mask)
{
	unsigned long todo = mask;
	unsigned int bit;

	for_each_set_bit(bit, &todo, 8) {
		u8 *sources = &pic->sources[which * 8 + bit];

		if (!(*sources & BIT(KHV_IRQ_RESAMPLE)))
			continue;
		*sources &= ~BIT(KHV_IRQ_RESAMPLE);
		set_input(&pic->chip[which], bit, *sources);
	}
	khv_irq_acked(vcpu, which * 8, mask);
}

/*
 * A chip's part of an interrupt acknowledge: which input, 7 when none is left. In the
 * automatic EOI mode that is all there is, and the input is added to *@done.
 */
static unsigned int acknowledge(struct kvm_pic_state *c, bool master, u8 *done)
{
	int irq = pending(c, master);

	if (irq < 0)
		return SPURIOUS;
	if (!c->auto_eoi)
		c->isr |= BIT(irq);
	else if (c->rotate_on_auto_eoi)
		c->priority_add = (irq + 1) & 7;
	if (c->auto_eoi)
		*done |= BIT(irq);
	/* A level stays as long as its line. */
	if (!(c->elcr & BIT(irq)))
		c->irr &= ~BIT(irq);
	return irq;
}

bool khv_pic_pending(struct khv_vm *vm)
{
	return vm->irq.pic && READ_ONCE(vm->irq.pic->output);
}

int khv_pic_ack(struct khv_vcpu *vcpu)
{
	struct khv_vm *vm = vcpu->vm;
	struct khv_pic *pic = vm->irq.pic;
	struct kvm_pic_state *c = pic->chip;
	u8 done[2] = {};
	unsigned long flags;
	unsigned int irq;
	int vector;

	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	irq = acknowledge(c, true, &done[0]);
	if (irq == CASCADE) {
		c++;
		irq = acknowledge(c, false, &done[1]);
	}
	vector = (c->irq_base & 0xf8) | irq;
	finished(vcpu, pic, 0, done[0]);
	finished(vcpu, pic, 1, done[1]);
	update(vm);
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
	return vector;
}

static void write_icw1(struct kvm_pic_state *c, u8 val)
{
	/* Edges seen so far are forgotten; a line must fall and rise to be one again. */
	c->irr &= c->elcr;
	c->imr = 0;
	c->isr = 0;
	c->priority_add = 0;
	c->special_mask = 0;
	c->read_reg_select = 0;
	c->poll = 0;
	c->auto_eoi = 0;
	c->rotate_on_auto_eoi = 0;
	c->special_fully_nested_mode = 0;
	c->init4 = val & ICW1_ICW4;
	c->init_state = INIT_ICW2;
}

static void write_ocw3(struct kvm_pic_state *c, u8 val)
{
	if (val & 0x04)
		c->poll = 1;
	if (val & 0x02)
		c->read_reg_select = val & 1;
	if (val & 0x40)
		c->special_mask = (val >> 5) & 1;
}

/* The in-service input that a non-specific EOI ends, or -1. */
static int highest_in_service(const struct kvm_pic_state *c)
{
	u8 isr = c->special_mask ? c->isr & ~c->imr : c->isr;

	return isr ? (priority(isr, c->priority_add) + c->priority_add) & 7 : -1;
}

static void write_ocw2(struct kvm_pic_state *c, u8 val)
{
	int irq = val & 0x40 ? val & 7 : highest_in_service(c);
	bool rotate = val & 0x80;

	switch (val >> 5) {
	case 0:		/* rotate in automatic EOI mode: clear, set */
	case 4:
		c->rotate_on_auto_eoi = rotate;
		break;
	case 1:		/* non-specific and specific EOI, without and with rotation */
	case 3:
	case 5:
	case 7:
		if (irq < 0)
			break;
		c->isr &= ~BIT(irq);
		if (rotate)
			c->priority_add = (irq + 1) & 7;
		break;
	case 6:		/* set priority */
		c->priority_add = (irq + 1) & 7;
		break;
	}
}

static void write_chip(struct kvm_pic_state *c, bool odd, u8 val)
{
	if (!odd) {
		if (val & ICW1)
			write_icw1(c, val);
		else if (val & OCW3)
			write_ocw3(c, val);
		else
			write_ocw2(c, val);
		return;
	}
	switch (c->init_state) {
	case INIT_ICW2:
		c->irq_base = val & 0xf8;
		c->init_state = INIT_ICW3;
		break;
	case INIT_ICW3:		/* the cascade is wired: nothing to choose */
		c->init_state = c->init4 ? INIT_ICW4 : INIT_DONE;
		break;
	case INIT_ICW4:
		c->special_fully_nested_mode = !!(val & ICW4_SFNM);
		c->auto_eoi = !!(val & ICW4_AEOI);
		c->init_state = INIT_DONE;
		break;
	default:
		c->imr = val;
	}
}

static u8 read_chip(struct kvm_pic_state *c, bool master, bool odd, u8 *done)
{
	int irq;

	if (c->poll) {
		c->poll = 0;
		irq = pending(c, master);
		return irq < 0 ? 0 : 0x80 | acknowledge(c, master, done);
	}
	if (odd)
		return c->imr;
	return c->read_reg_select ? c->isr : c->irr;
}

/* Wider accesses become byte accesses to successive ports, as on an ISA bus. */
static int pic_read(struct khv_vcpu *vcpu, struct khv_io_dev *dev, u64 addr, int len, void *val)
{
	struct khv_vm *vm = vcpu->vm;
	struct khv_pic *pic = vm->irq.pic;
	unsigned int which = dev - pic->dev;
	unsigned long flags;
	u8 *data = val;
	u8 done = 0;
	int i;

	memset(val, 0xff, len);
	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	for (i = 0; i < len; i++) {
		u64 port = addr + i - ports[which];

		if (port > 1)
			break;
		if (which == 2) {
			data[i] = pic->chip[port & 1].elcr;
			continue;
		}
		data[i] = read_chip(&pic->chip[which], !which, port, &done);
		finished(vcpu, pic, which, done);
	}
	update(vm);
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
	return 0;
}

static void write_elcr(struct kvm_pic_state *c, u8 val)
{
	u8 level = val & c->elcr_mask & ~c->elcr;

	c->elcr = val & c->elcr_mask;
	/* A level-triggered request is its line. */
	c->irr = (c->irr & ~level) | (c->last_irr & level);
}

static int pic_write(struct khv_vcpu *vcpu, struct khv_io_dev *dev, u64 addr, int len,
		     const void *val)
{
	struct khv_vm *vm = vcpu->vm;
	struct khv_pic *pic = vm->irq.pic;
	unsigned int which = dev - pic->dev;
	const u8 *data = val;
	unsigned long flags;
	u8 isr;
	int i;

	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	for (i = 0; i < len; i++) {
		u64 port = addr + i - ports[which];

		if (port > 1)
			break;
		if (which == 2) {
			write_elcr(&pic->chip[port & 1], data[i]);
			continue;
		}
		isr = pic->chip[which].isr;
		write_chip(&pic->chip[which], port, data[i]);
		/* By an EOI, or a reset. */
		finished(vcpu, pic, which, isr & ~pic->chip[which].isr);
	}
	update(vm);
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
	return 0;
}

static const struct khv_io_ops pic_ops = {
	.read = pic_read,
	.write = pic_write,
};

int khv_pic_create(struct khv_vm *vm)
{
	struct khv_pic *pic = kzalloc(sizeof(*pic), GFP_KERNEL_ACCOUNT);
	unsigned int i;
	int err;

	if (!pic)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(pic->chip); i++)
		pic->chip[i].elcr_mask = elcr_mask[i];
	vm->irq.pic = pic;
	for (i = 0; i < ARRAY_SIZE(ports); i++) {
		pic->dev[i].ops = &pic_ops;
		err = khv_bus_register(vm, KHV_BUS_PIO, ports[i], 2, &pic->dev[i]);
		if (err)
			goto err_unregister;
	}
	return 0;

err_unregister:
	while (i--)
		khv_bus_unregister(vm, KHV_BUS_PIO, &pic->dev[i]);
	khv_pic_destroy(vm);
	return err;
}

void khv_pic_unregister(struct khv_vm *vm)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ports); i++)
		khv_bus_unregister(vm, KHV_BUS_PIO, &vm->irq.pic->dev[i]);
	khv_pic_destroy(vm);
}

void khv_pic_destroy(struct khv_vm *vm)
{
	kfree(vm->irq.pic);
	vm->irq.pic = NULL;
}

void khv_pic_get(struct khv_vm *vm, bool slave, struct kvm_pic_state *s)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	*s = vm->irq.pic->chip[slave];
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
}

void khv_pic_set(struct khv_vm *vm, bool slave, const struct kvm_pic_state *s)
{
	struct kvm_pic_state *c = &vm->irq.pic->chip[slave];
	unsigned long flags;

	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	*c = *s;
	/* What follows keeps every field in the range that the code above relies on. */
	c->priority_add &= 7;
	c->irq_base &= 0xf8;
	c->read_reg_select &= 1;
	c->poll &= 1;
	c->special_mask &= 1;
	c->init_state &= 3;
	c->auto_eoi &= 1;
	c->rotate_on_auto_eoi &= 1;
	c->special_fully_nested_mode &= 1;
	c->init4 &= 1;
	c->elcr_mask = elcr_mask[slave];
	c->elcr &= c->elcr_mask;
	/* Look again even when INTR does not change: the vCPU may be new. */
	WRITE_ONCE(vm->irq.pic->output, false);
	update(vm);
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
}
