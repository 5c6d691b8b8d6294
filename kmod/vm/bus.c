// SPDX-License-Identifier: GPL-2.0-only
/*
 * The port and the memory bus of a VM: which in-kernel device answers at an
 * address.
 *
 * Readers hold vm->srcu and see an immutable array, but for one thing: a device
 * that goes leaves its range behind with no device in it, so that going never
 * fails; the next registration drops such ranges. Writes that no device takes may
 * still be an ioeventfd's (ioeventfd.c).
 */
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "irqchip/irqchip.h"
#include "trace.h"
#include "vm/bus.h"
#include "vm/coalesced.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

/* A PC has a dozen; this bounds what one VM can make the host keep. */
#define MAX_DEVICES	128

struct khv_io_range {
	u64 start, end;			/* inclusive, so that the last byte can be named */
	struct khv_io_dev *dev;		/* NULL once unregistered */
};

struct khv_bus {
	int count;
	struct khv_io_range ranges[];	/* by start, disjoint */
};

static struct khv_bus *bus_locked(struct khv_vm *vm, enum khv_bus_id bus)
{
	return rcu_dereference_protected(vm->buses[bus], lockdep_is_held(&vm->slots_lock));
}

/* The old array without empty ranges, with @range in its place; NULL when it overlaps. */
static struct khv_bus *merge(const struct khv_bus *old, const struct khv_io_range *range,
			     struct khv_bus *new)
{
	bool placed = false;
	int i;

	for (i = 0; old && i < old->count; i++) {
		const struct khv_io_range *have = &old->ranges[i];

		if (!have->dev)
			continue;
		if (have->start <= range->end && range->start <= have->end)
			return NULL;
		if (!placed && have->start > range->end) {
			new->ranges[new->count++] = *range;
			placed = true;
		}
		new->ranges[new->count++] = *have;
	}
	if (!placed)
		new->ranges[new->count++] = *range;
	return new;
}

int khv_bus_register(struct khv_vm *vm, enum khv_bus_id bus, u64 addr, u64 len,
		     struct khv_io_dev *dev)
{
	struct khv_io_range range = { .start = addr, .dev = dev };
	struct khv_bus *old, *new;
	int count, err = 0;

	if (!len || check_add_overflow(addr, len - 1, &range.end))
		return -EINVAL;

	lockdep_assert_held(&vm->slots_lock);
	old = bus_locked(vm, bus);
	count = old ? old->count : 0;
	new = kzalloc(struct_size(new, ranges, count + 1), GFP_KERNEL_ACCOUNT);
	if (!new) {
		err = -ENOMEM;
	} else if (!merge(old, &range, new)) {
		err = -EEXIST;
	} else if (new->count > MAX_DEVICES) {
		err = -ENOSPC;
	} else {
		rcu_assign_pointer(vm->buses[bus], new);
		synchronize_srcu_expedited(&vm->srcu);
		new = old;
	}
	kfree(new);
	return err;
}

void khv_bus_unregister(struct khv_vm *vm, enum khv_bus_id bus, struct khv_io_dev *dev)
{
	struct khv_bus *b;
	int i;

	lockdep_assert_held(&vm->slots_lock);
	b = bus_locked(vm, bus);
	for (i = 0; b && i < b->count; i++)
		if (b->ranges[i].dev == dev)
			WRITE_ONCE(b->ranges[i].dev, NULL);
	synchronize_srcu_expedited(&vm->srcu);
}

/* The VM has no users left, and so no readers. */
void khv_bus_uninit(struct khv_vm *vm)
{
	int i;

	for (i = 0; i < KHV_NR_BUSES; i++)
		kfree(rcu_replace_pointer(vm->buses[i], NULL, true));
}

/* The device that has all of [addr, addr + len). */
static struct khv_io_dev *find(struct khv_vm *vm, enum khv_bus_id bus, u64 addr, int len)
{
	const struct khv_bus *b = srcu_dereference(vm->buses[bus], &vm->srcu);
	int lo = 0, hi = b ? b->count : 0;
	u64 last = addr + len - 1;

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;
		const struct khv_io_range *range = &b->ranges[mid];

		if (addr > range->end)
			lo = mid + 1;
		else if (addr < range->start)
			hi = mid;
		else
			return last >= addr && last <= range->end ? READ_ONCE(range->dev) : NULL;
	}
	return NULL;
}

/* A device has answered. */
static void trace_access(struct khv_vcpu *vcpu, enum khv_bus_id bus, bool write, u64 addr,
			 int len, const void *val)
{
	u64 data = 0;

	if (bus == KHV_BUS_MMIO) {
		trace_khv_mmio(vcpu->id, write, addr, len, val, true);
	} else if (trace_khv_pio_enabled()) {
		memcpy(&data, val, min_t(int, len, sizeof(data)));
		trace_khv_pio(vcpu->id, write, addr, len, 1, data, true);
	}
}

static int bus_read(struct khv_vcpu *vcpu, enum khv_bus_id bus, u64 addr, int len, void *val)
{
	struct khv_io_dev *dev;

	if (bus == KHV_BUS_MMIO && vcpu->lapic && !khv_lapic_mmio_read(vcpu, addr, len, val))
		return 0;
	dev = find(vcpu->vm, bus, addr, len);
	return dev ? dev->ops->read(vcpu, dev, addr, len, val) : -EOPNOTSUPP;
}

int khv_bus_read(struct khv_vcpu *vcpu, enum khv_bus_id bus, u64 addr, int len, void *val)
{
	int r = bus_read(vcpu, bus, addr, len, val);

	if (!r)
		trace_access(vcpu, bus, false, addr, len, val);
	return r;
}

static int bus_write(struct khv_vcpu *vcpu, enum khv_bus_id bus, u64 addr, int len,
		     const void *val)
{
	struct khv_io_dev *dev;

	if (bus == KHV_BUS_MMIO && vcpu->lapic && !khv_lapic_mmio_write(vcpu, addr, len, val))
		return 0;
	dev = find(vcpu->vm, bus, addr, len);
	if (dev && !dev->ops->write(vcpu, dev, addr, len, val))
		return 0;
	if (!khv_ioeventfd_write(vcpu, bus, addr, len, val))
		return 0;
	return khv_coalesced_write(vcpu->vm, bus, addr, len, val) ? 0 : -EOPNOTSUPP;
}

int khv_bus_write(struct khv_vcpu *vcpu, enum khv_bus_id bus, u64 addr, int len, const void *val)
{
	int r = bus_write(vcpu, bus, addr, len, val);

	if (!r)
		trace_access(vcpu, bus, true, addr, len, val);
	return r;
}
