// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O APIC: 24 pins, each with an entry that says which message it sends
 * (Intel 82093AA data sheet, with the EOI register of its successors).
 *
 * What happens to a message is lapic_ipi.c's business.
 */
#include <linux/bitops.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>
#include <asm/apicdef.h>

#include "irqchip/ioapic.h"
#include "vm/bus.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

#define WINDOW_SIZE	0x100
#define VERSION		0x11

/*
 * A line that nobody takes down must not keep its guest from all else: after so
 * many interrupts in a row the next one waits.
 */
#define MAX_EOIS	10000
#define STORM_DELAY	msecs_to_jiffies(10)

/* Offsets in the memory window. */
enum { IOREGSEL = 0x00, IOWIN = 0x10, IOEOI = 0x40 };
/* Registers behind IOREGSEL. */
enum { REG_ID, REG_VERSION, REG_ARB, REG_REDIR = 0x10 };

/* A redirection table entry. */
#define RTE_VECTOR	0xffULL
#define RTE_LOGICAL	BIT_ULL(11)
#define RTE_REMOTE_IRR	BIT_ULL(14)
#define RTE_LEVEL	BIT_ULL(15)
#define RTE_MASKED	BIT_ULL(16)
#define RTE_WRITABLE	(0xff00000000000000ULL | 0x1afffULL)

/**
 * struct khv_ioapic - all under vm->irq.lock
 * @select: IOREGSEL
 * @id: bits 27:24 of the ID register
 * @lines: BIT(pin) is the OR of its sources
 * @sources: BIT(enum khv_irq_source) of each pin
 * @eois: how many in a row found the line of a level-triggered pin still up
 * @again: gives such a pin its interrupt later
 */
struct khv_ioapic {
	struct khv_io_dev dev;
	u8 select;
	u8 id;
	u32 lines;
	u8 sources[KHV_IOAPIC_PINS];
	u16 eois[KHV_IOAPIC_PINS];
	struct delayed_work again;
	struct khv_vm *vm;
	u64 redir[KHV_IOAPIC_PINS];
};

/* Send the pin's message. -1 masked, 0 nothing new came of it, else > 0. */
static int service(struct khv_vm *vm, unsigned int pin)
{
	u64 *rte = &vm->irq.ioapic->redir[pin];
	struct khv_irq_msg msg = {
		.dest = *rte >> 56,
		.vector = *rte & RTE_VECTOR,
		.delivery_mode = (*rte >> 8) & 7,
		.logical = *rte & RTE_LOGICAL,
		.level = *rte & RTE_LEVEL,
		.assert = true,
	};
	int taken;

	lockdep_assert_held(&vm->irq.lock);
	if (*rte & RTE_MASKED)
		return -1;
	if (*rte & RTE_REMOTE_IRR)
		return 0;
	taken = khv_irq_deliver(vm, NULL, &msg);
	if (taken > 0 && (*rte & RTE_LEVEL))
		*rte |= RTE_REMOTE_IRR;
	return taken;
}

/* A level-triggered pin whose line is up may send again. */
static void retry(struct khv_vm *vm, unsigned int pin)
{
	struct khv_ioapic *ioapic = vm->irq.ioapic;

	if ((ioapic->lines & BIT(pin)) && (ioapic->redir[pin] & RTE_LEVEL))
		service(vm, pin);
}

int khv_ioapic_set_pin(struct khv_vm *vm, unsigned int pin, int level,
		       enum khv_irq_source source)
{
	struct khv_ioapic *ioapic = vm->irq.ioapic;
	unsigned long flags;
	bool was;
	int ret = 1;

	if (pin >= KHV_IOAPIC_PINS)
		return -1;
	pin = array_index_nospec(pin, KHV_IOAPIC_PINS);

	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	was = ioapic->lines & BIT(pin);
	if (level)
		ioapic->sources[pin] |= BIT(source);
	else
		ioapic->sources[pin] &= ~(BIT(source) | BIT(KHV_IRQ_RESTORED));
	if (!ioapic->sources[pin]) {
		ioapic->lines &= ~BIT(pin);
	} else {
		ioapic->lines |= BIT(pin);
		/* An edge needs a line that was down. */
		ret = was && !(ioapic->redir[pin] & RTE_LEVEL) ? 0 : service(vm, pin);
	}
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
	return ret;
}

/* The guest is done with it: what only irqfds that resample hold up goes down. */
static void acknowledge(struct khv_vcpu *vcpu, struct khv_ioapic *ioapic, unsigned int pin)
{
	ioapic->sources[pin] &= ~BIT(KHV_IRQ_RESAMPLE);
	if (!ioapic->sources[pin])
		ioapic->lines &= ~BIT(pin);
	khv_irq_acked(vcpu, KHV_PIN_IOAPIC, BIT(pin));
}

static void eoi(struct khv_vcpu *vcpu, u8 vector, bool level)
{
	struct khv_vm *vm = vcpu->vm;
	struct khv_ioapic *ioapic = vm->irq.ioapic;
	unsigned int pin;

	for (pin = 0; pin < KHV_IOAPIC_PINS; pin++) {
		u64 *rte = &ioapic->redir[pin];

		if ((*rte & RTE_VECTOR) != vector)
			continue;
		acknowledge(vcpu, ioapic, pin);
		if (!level || !(*rte & RTE_LEVEL))
			continue;
		*rte &= ~RTE_REMOTE_IRR;
		if (!(ioapic->lines & BIT(pin))) {
			ioapic->eois[pin] = 0;
		} else if (++ioapic->eois[pin] >= MAX_EOIS) {
			ioapic->eois[pin] = 0;
			schedule_delayed_work(&ioapic->again, STORM_DELAY);
		} else {
			/* Also when another pin's interrupt hid ours: they share the vector. */
			retry(vm, pin);
		}
	}
}

static void retry_all(struct work_struct *work)
{
	struct khv_ioapic *ioapic = container_of(work, struct khv_ioapic, again.work);
	struct khv_vm *vm = ioapic->vm;
	unsigned long flags;
	unsigned int pin;

	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	for (pin = 0; pin < KHV_IOAPIC_PINS; pin++)
		retry(vm, pin);
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
}

void khv_ioapic_eoi(struct khv_vcpu *vcpu, u8 vector, bool level)
{
	struct khv_vm *vm = vcpu->vm;
	unsigned long flags;

	if (!vm->irq.ioapic)
		return;
	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	eoi(vcpu, vector, level);
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
}

static u32 read_window(const struct khv_ioapic *ioapic)
{
	unsigned int pin = (ioapic->select - REG_REDIR) >> 1;
	u64 rte;

	switch (ioapic->select) {
	case REG_ID:
	case REG_ARB:
		return (u32)ioapic->id << 24;
	case REG_VERSION:
		return VERSION | (KHV_IOAPIC_PINS - 1) << 16;
	}
	if (ioapic->select < REG_REDIR || pin >= KHV_IOAPIC_PINS)
		return ~0u;
	rte = ioapic->redir[array_index_nospec(pin, KHV_IOAPIC_PINS)];
	return ioapic->select & 1 ? rte >> 32 : rte;
}

static void write_redir(struct khv_vm *vm, unsigned int pin, bool high, u32 val)
{
	u64 *rte = &vm->irq.ioapic->redir[pin], new;

	if (high)
		new = (u64)val << 32 | (u32)*rte;
	else
		new = (*rte & ~(u64)U32_MAX) | val;
	new = (new & RTE_WRITABLE) | (*rte & RTE_REMOTE_IRR);
	/* An edge has no remote IRR: so software clears it where there is no EOI register. */
	if (!(new & RTE_LEVEL))
		new &= ~RTE_REMOTE_IRR;
	*rte = new;
	retry(vm, pin);
}

static void write_window(struct khv_vm *vm, u32 val)
{
	struct khv_ioapic *ioapic = vm->irq.ioapic;
	unsigned int pin = (ioapic->select - REG_REDIR) >> 1;

	if (ioapic->select == REG_ID)
		ioapic->id = (val >> 24) & 0xf;
	else if (ioapic->select >= REG_REDIR && pin < KHV_IOAPIC_PINS)
		write_redir(vm, array_index_nospec(pin, KHV_IOAPIC_PINS),
			    ioapic->select & 1, val);
}

/* Any width: the register's own bytes first, zeroes after them. */
static int ioapic_read(struct khv_vcpu *vcpu, struct khv_io_dev *dev, u64 addr, int len,
		       void *val)
{
	struct khv_ioapic *ioapic = container_of(dev, struct khv_ioapic, dev);
	struct khv_vm *vm = vcpu->vm;
	unsigned long flags;
	u32 data = 0;

	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	switch (addr & (WINDOW_SIZE - 1)) {
	case IOREGSEL:
		data = ioapic->select;
		break;
	case IOWIN:
		data = read_window(ioapic);
		break;
	}
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
	memset(val, 0, len);
	memcpy(val, &data, min_t(int, len, sizeof(data)));
	return 0;
}

static int ioapic_write(struct khv_vcpu *vcpu, struct khv_io_dev *dev, u64 addr, int len,
			const void *val)
{
	struct khv_ioapic *ioapic = container_of(dev, struct khv_ioapic, dev);
	struct khv_vm *vm = vcpu->vm;
	unsigned long flags;
	u32 data = 0;

	memcpy(&data, val, min_t(int, len, sizeof(data)));
	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	switch (addr & (WINDOW_SIZE - 1)) {
	case IOREGSEL:
		ioapic->select = data;
		break;
	case IOWIN:
		write_window(vm, data);
		break;
	case IOEOI:
		eoi(vcpu, data, true);
		break;
	}
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
	return 0;
}

static const struct khv_io_ops ioapic_ops = {
	.read = ioapic_read,
	.write = ioapic_write,
};

int khv_ioapic_create(struct khv_vm *vm)
{
	struct khv_ioapic *ioapic = kzalloc(sizeof(*ioapic), GFP_KERNEL_ACCOUNT);
	unsigned int pin;
	int err;

	if (!ioapic)
		return -ENOMEM;
	ioapic->dev.ops = &ioapic_ops;
	ioapic->vm = vm;
	INIT_DELAYED_WORK(&ioapic->again, retry_all);
	for (pin = 0; pin < KHV_IOAPIC_PINS; pin++)
		ioapic->redir[pin] = RTE_MASKED;
	vm->irq.ioapic = ioapic;
	err = khv_bus_register(vm, KHV_BUS_MMIO, IO_APIC_DEFAULT_PHYS_BASE, WINDOW_SIZE,
			       &ioapic->dev);
	if (err)
		khv_ioapic_destroy(vm);
	return err;
}

void khv_ioapic_unregister(struct khv_vm *vm)
{
	khv_bus_unregister(vm, KHV_BUS_MMIO, &vm->irq.ioapic->dev);
	khv_ioapic_destroy(vm);
}

void khv_ioapic_destroy(struct khv_vm *vm)
{
	if (!vm->irq.ioapic)
		return;
	cancel_delayed_work_sync(&vm->irq.ioapic->again);
	kfree(vm->irq.ioapic);
	vm->irq.ioapic = NULL;
}

void khv_ioapic_get(struct khv_vm *vm, struct kvm_ioapic_state *s)
{
	struct khv_ioapic *ioapic = vm->irq.ioapic;
	unsigned long flags;
	unsigned int pin;

	memset(s, 0, sizeof(*s));
	s->base_address = IO_APIC_DEFAULT_PHYS_BASE;
	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	s->ioregsel = ioapic->select;
	s->id = ioapic->id;
	for (pin = 0; pin < KHV_IOAPIC_PINS; pin++) {
		s->redirtbl[pin].bits = ioapic->redir[pin];
		/* An edge is over once it was sent; a level lasts. */
		if (ioapic->redir[pin] & RTE_LEVEL)
			s->irr |= ioapic->lines & BIT(pin);
	}
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
}

void khv_ioapic_set(struct khv_vm *vm, const struct kvm_ioapic_state *s)
{
	struct khv_ioapic *ioapic = vm->irq.ioapic;
	unsigned long flags;
	unsigned int pin;

	raw_spin_lock_irqsave(&vm->irq.lock, flags);
	ioapic->select = s->ioregsel;
	ioapic->id = s->id & 0xf;
	for (pin = 0; pin < KHV_IOAPIC_PINS; pin++) {
		u64 rte = s->redirtbl[pin].bits & (RTE_WRITABLE | RTE_REMOTE_IRR);

		if (!(rte & RTE_LEVEL))
			rte &= ~RTE_REMOTE_IRR;
		ioapic->redir[pin] = rte;
		if (!(s->irr & BIT(pin)))
			continue;
		/* The client's device holds the line until it says otherwise. */
		if (rte & RTE_LEVEL) {
			ioapic->sources[pin] |= BIT(KHV_IRQ_RESTORED);
			ioapic->lines |= BIT(pin);
		}
		service(vm, pin);
	}
	raw_spin_unlock_irqrestore(&vm->irq.lock, flags);
}
