// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced writes; see coalesced.h. Which of the accesses come here is bus.c's
 * business: those that no device in the kernel takes.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "vm/coalesced.h"
#include "vm/vm.h"

/* Clients have some ten; they are looked at one after the other. */
#define MAX_ZONES	256

struct khv_zones {
	int count;
	struct kvm_coalesced_mmio_zone zone[];
};

int khv_coalesced_init(struct khv_vm *vm)
{
	spin_lock_init(&vm->coalesced.lock);
	vm->coalesced.ring = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return vm->coalesced.ring ? 0 : -ENOMEM;
}

void khv_coalesced_uninit(struct khv_vm *vm)
{
	kfree(rcu_replace_pointer(vm->coalesced.zones, NULL, true));
	/* Mappings of it hold references of their own. */
	free_page((unsigned long)vm->coalesced.ring);
}

/* Does @zone hold all of [addr, addr + len) of @bus? */
static bool holds(const struct kvm_coalesced_mmio_zone *zone, u32 pio, u64 addr, u32 len)
{
	return zone->pio == pio && addr >= zone->addr && len <= zone->size &&
	       addr - zone->addr <= zone->size - len;
}

static struct khv_zones *zones_locked(struct khv_vm *vm)
{
	return rcu_dereference_protected(vm->coalesced.zones, lockdep_is_held(&vm->slots_lock));
}

/* Replaces what zones_locked() gave; NULL: none. */
static void publish(struct khv_vm *vm, struct khv_zones *new)
{
	struct khv_zones *old = zones_locked(vm);

	rcu_assign_pointer(vm->coalesced.zones, new);
	synchronize_srcu_expedited(&vm->srcu);
	kfree(old);
}

/* slots_lock held. */
static int add_zone(struct khv_vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	const struct khv_zones *old = zones_locked(vm);
	int count = old ? old->count : 0;
	struct khv_zones *new;

	if (count >= MAX_ZONES)
		return -ENOSPC;
	new = kmalloc(struct_size(new, zone, count + 1), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	if (old)
		memcpy(new->zone, old->zone, array_size(count, sizeof(*zone)));
	new->zone[count] = *zone;
	new->count = count + 1;
	publish(vm, new);
	return 0;
}

/* slots_lock held. */
static int remove_zones(struct khv_vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	const struct khv_zones *old = zones_locked(vm);
	struct khv_zones *new;
	int i;

	if (!old)
		return 0;
	new = kmalloc(struct_size(new, zone, old->count), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	for (i = 0, new->count = 0; i < old->count; i++)
		if (!holds(&old->zone[i], zone->pio, zone->addr, zone->size))
			new->zone[new->count++] = old->zone[i];
	if (new->count == old->count) {
		kfree(new);
	} else {
		publish(vm, new->count ? new : NULL);
		if (!new->count)
			kfree(new);
	}
	return 0;
}

static int change(struct khv_vm *vm, const struct kvm_coalesced_mmio_zone *zone,
		  int (*apply)(struct khv_vm *vm, const struct kvm_coalesced_mmio_zone *zone))
{
	int r;

	if (zone->pio > 1)
		return -EINVAL;
	if (mutex_lock_killable(&vm->slots_lock))
		return -EINTR;
	r = apply(vm, zone);
	mutex_unlock(&vm->slots_lock);
	return r;
}

int khv_coalesced_register(struct khv_vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	return change(vm, zone, add_zone);
}

int khv_coalesced_unregister(struct khv_vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	return change(vm, zone, remove_zones);
}

static bool has_zone(struct khv_vm *vm, u32 pio, u64 addr, u32 len)
{
	const struct khv_zones *zones = srcu_dereference(vm->coalesced.zones, &vm->srcu);
	int i;

	for (i = 0; zones && i < zones->count; i++)
		if (holds(&zones->zone[i], pio, addr, len))
			return true;
	return false;
}

/*
 * Both indices are the client's to spoil: ours is read once and bounded, its own is
 * only compared with.
 */
static bool put(struct kvm_coalesced_mmio_ring *ring, u32 pio, u64 addr, u32 len,
		const void *val)
{
	struct kvm_coalesced_mmio *entry;
	u32 last = READ_ONCE(ring->last), next;

	if (last >= KVM_COALESCED_MMIO_MAX)
		return false;
	last = array_index_nospec(last, KVM_COALESCED_MMIO_MAX);
	next = (last + 1) % KVM_COALESCED_MMIO_MAX;
	/* Pairs with the client's release of entries, and with the compare for full. */
	if (next == smp_load_acquire(&ring->first))
		return false;
	entry = &ring->coalesced_mmio[last];
	entry->phys_addr = addr;
	entry->len = len;
	entry->pio = pio;
	memcpy(entry->data, val, len);
	/* The client sees the entry before the index. */
	smp_store_release(&ring->last, next);
	return true;
}

bool khv_coalesced_write(struct khv_vm *vm, enum khv_bus_id bus, u64 addr, u32 len,
			 const void *val)
{
	struct khv_coalesced *c = &vm->coalesced;
	u32 pio = bus == KHV_BUS_PIO;
	bool done;

	if (len > sizeof(c->ring->coalesced_mmio[0].data) || !has_zone(vm, pio, addr, len))
		return false;
	spin_lock(&c->lock);
	done = put(c->ring, pio, addr, len, val);
	spin_unlock(&c->lock);
	return done;
}
