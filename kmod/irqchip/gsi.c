// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a GSI to where it leads: pins of the PIC and the I/O APIC, or an MSI.
 *
 * The table is replaced as a whole and read under RCU, so that an interrupt
 * can be raised from any context.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "irqchip/gsi.h"
#include "irqchip/ioapic.h"
#include "irqchip/pic.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

/* KVM's own limit on entries; a GSI may have one for each chip. */
#define MAX_ROUTES	KHV_MAX_GSI

enum route_kind { ROUTE_PIC, ROUTE_IOAPIC, ROUTE_MSI };

struct gsi_route {
	u8 kind;
	u8 pin;			/* of the PIC pair (0 to 15) or the I/O APIC */
	u32 data;		/* MSI */
	u64 address;
};

/**
 * struct khv_gsi_table - constant once published
 * @nr_gsis: GSIs below this may have routes
 * @of_pin: which GSI leads to a pin, or -1
 * @client_vectors: split irqchip: what pins of the client's I/O APIC send when level triggered
 * @first: of GSI g, route[first[g]] up to route[first[g + 1]]; lies behind @route
 */
struct khv_gsi_table {
	struct rcu_head rcu;
	u32 nr_gsis;
	s16 of_pin[KHV_NR_PINS];
	DECLARE_BITMAP(client_vectors, 256);
	u16 *first;
	struct gsi_route route[];
};

static struct khv_irq_msg msi_message(struct khv_vm *vm, u64 address, u32 data)
{
	/* "SDM, Message Signalled Interrupts". Without a wider format the ID has 8 bits. */
	struct khv_irq_msg msg = {
		.dest = (address >> 12) & 0xff,
		.vector = data & 0xff,
		.delivery_mode = (data >> 8) & 7,
		.logical = address & BIT(2),
		.level = data & BIT(15),
		.assert = true,
	};

	/* api.rst, KVM_CAP_X2APIC_API: the other 24 bits are where bits 63:40 are. */
	if (READ_ONCE(vm->irq.ids_32bit))
		msg.dest |= (address >> 32) & 0xffffff00;
	/* With the redirection hint, any one of those meant. */
	if ((address & BIT(3)) && msg.delivery_mode == 0)
		msg.delivery_mode = 1;
	return msg;
}

static bool msi_valid(struct khv_vm *vm, u64 address)
{
	return !READ_ONCE(vm->irq.ids_32bit) || !((address >> 32) & 0xff);
}

static int send_msi(struct khv_vm *vm, u64 address, u32 data)
{
	struct khv_irq_msg msg = msi_message(vm, address, data);

	return khv_irq_deliver(vm, NULL, &msg);
}

int khv_msi_send(struct khv_vm *vm, u64 address, u32 data)
{
	return msi_valid(vm, address) ? send_msi(vm, address, data) : -EINVAL;
}

static int drive_route(struct khv_vm *vm, const struct gsi_route *route, int level,
		       enum khv_irq_source source)
{
	switch (route->kind) {
	case ROUTE_PIC:
		return khv_pic_set_pin(vm, route->pin, level, source);
	case ROUTE_IOAPIC:
		return khv_ioapic_set_pin(vm, route->pin, level, source);
	default:
		/* A message is an edge: only the rise sends it. */
		return level ? send_msi(vm, route->address, route->data) : -1;
	}
}

int khv_irq_set(struct khv_vm *vm, u32 gsi, int level, enum khv_irq_source source)
{
	const struct khv_gsi_table *table;
	int ret = -1, got;
	u32 i, end;

	rcu_read_lock();
	table = rcu_dereference(vm->irq.gsi);
	if (!table || gsi >= table->nr_gsis)
		goto out;
	gsi = array_index_nospec(gsi, table->nr_gsis);
	end = table->first[gsi + 1];
	for (i = table->first[gsi]; i < end; i++) {
		got = drive_route(vm, &table->route[i], level, source);
		/* One that ignores the line does not hide one that takes it. */
		if (got >= 0)
			ret = ret < 0 ? got : ret + got;
	}
out:
	rcu_read_unlock();
	return ret;
}

int khv_gsi_of_pin(struct khv_vm *vm, unsigned int pin)
{
	const struct khv_gsi_table *table;
	int gsi;

	rcu_read_lock();
	table = rcu_dereference(vm->irq.gsi);
	gsi = table && pin < KHV_NR_PINS ? table->of_pin[pin] : -1;
	rcu_read_unlock();
	return gsi;
}

/*
 * Is one of the client's pins set to send @vector, level triggered, to @vcpu? What was
 * in service there as a @level counts wherever the pin leads by now.
 */
static bool client_pin_sends(const struct khv_gsi_table *table, struct khv_vcpu *vcpu, u8 vector,
			     bool level)
{
	u32 gsi, nr = min_t(u32, table->nr_gsis, vcpu->vm->irq.client_gsis);
	struct khv_irq_msg msg;

	for (gsi = 0; gsi < nr; gsi++) {
		const struct gsi_route *route = &table->route[table->first[gsi]];

		/* A GSI has one MSI or none. */
		if (table->first[gsi] == table->first[gsi + 1])
			continue;
		msg = msi_message(vcpu->vm, route->address, route->data);
		if (msg.vector == vector && msg.level && (level || khv_irq_reaches(vcpu, &msg)))
			return true;
	}
	return false;
}

bool khv_gsi_client_eoi(struct khv_vcpu *vcpu, u8 vector, bool level)
{
	const struct khv_gsi_table *table;
	bool ret = false;

	rcu_read_lock();
	table = rcu_dereference(vcpu->vm->irq.gsi);
	/* Most vectors are no such pin's, and every EOI asks. */
	if (table && test_bit(vector, table->client_vectors))
		ret = client_pin_sends(table, vcpu, vector, level);
	rcu_read_unlock();
	return ret;
}

static int parse_route(struct khv_vm *vm, const struct kvm_irq_routing_entry *e,
		       struct gsi_route *route)
{
	switch (e->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		if (e->flags || vm->irq.split)
			return -EINVAL;
		route->pin = e->u.irqchip.pin;
		switch (e->u.irqchip.irqchip) {
		case KVM_IRQCHIP_PIC_SLAVE:
		case KVM_IRQCHIP_PIC_MASTER:
			if (e->u.irqchip.pin >= KHV_PIC_PINS / 2)
				return -EINVAL;
			route->kind = ROUTE_PIC;
			route->pin = array_index_nospec(route->pin, KHV_PIC_PINS / 2);
			if (e->u.irqchip.irqchip == KVM_IRQCHIP_PIC_SLAVE)
				route->pin += KHV_PIC_PINS / 2;
			return 0;
		case KVM_IRQCHIP_IOAPIC:
			if (e->u.irqchip.pin >= KHV_IOAPIC_PINS)
				return -EINVAL;
			route->kind = ROUTE_IOAPIC;
			route->pin = array_index_nospec(route->pin, KHV_IOAPIC_PINS);
			return 0;
		}
		return -EINVAL;
	case KVM_IRQ_ROUTING_MSI:
		if (e->flags & ~KVM_MSI_VALID_DEVID)
			return -EINVAL;
		route->kind = ROUTE_MSI;
		route->address = (u64)e->u.msi.address_hi << 32 | e->u.msi.address_lo;
		route->data = e->u.msi.data;
		return msi_valid(vm, route->address) ? 0 : -EINVAL;
	}
	return -EINVAL;
}

/* What is asked the other way round. */
static void index_route(struct khv_vm *vm, struct khv_gsi_table *table, u32 gsi,
			const struct gsi_route *route)
{
	switch (route->kind) {
	case ROUTE_PIC:
		table->of_pin[route->pin] = gsi;
		break;
	case ROUTE_IOAPIC:
		table->of_pin[KHV_PIN_IOAPIC + route->pin] = gsi;
		break;
	default:
		if (gsi < vm->irq.client_gsis && (route->data & BIT(15)))
			__set_bit(route->data & 0xff, table->client_vectors);
	}
}

/* Two entries may share a GSI only when they lead to different chips. */
static bool compatible(const struct kvm_irq_routing_entry *a,
		       const struct kvm_irq_routing_entry *b)
{
	return a->type == KVM_IRQ_ROUTING_IRQCHIP && b->type == KVM_IRQ_ROUTING_IRQCHIP &&
	       a->u.irqchip.irqchip != b->u.irqchip.irqchip;
}

/*
 * Sort the entries by GSI (counting sort). @from gets each route's entry, to
 * compare those of one GSI; there are at most three before one is refused.
 */
static int fill_table(struct khv_vm *vm, struct khv_gsi_table *table, u16 *from,
		      const struct kvm_irq_routing_entry *entries, u32 nr)
{
	u16 *first = table->first;
	u32 i, j, gsi, at;
	int err;

	memset(table->of_pin, 0xff, sizeof(table->of_pin));
	for (i = 0; i < nr; i++)
		first[array_index_nospec(entries[i].gsi, table->nr_gsis) + 1]++;
	for (gsi = 0; gsi < table->nr_gsis; gsi++)
		first[gsi + 1] += first[gsi];
	/* first[g + 1] walks down to the start of g + 1's group, then to g's. */
	for (i = nr; i-- > 0; ) {
		gsi = array_index_nospec(entries[i].gsi, table->nr_gsis);
		at = --first[gsi + 1];
		err = parse_route(vm, &entries[i], &table->route[at]);
		if (err)
			return err;
		index_route(vm, table, gsi, &table->route[at]);
		from[at] = i;
	}
	/* Now first[g + 1] is the start of g: shift down. */
	for (gsi = 0; gsi < table->nr_gsis; gsi++)
		first[gsi] = first[gsi + 1];
	first[table->nr_gsis] = nr;

	for (gsi = 0; gsi < table->nr_gsis; gsi++) {
		for (i = first[gsi]; i < first[gsi + 1]; i++) {
			if (first[gsi + 1] - first[gsi] > KVM_NR_IRQCHIPS)
				return -EINVAL;
			for (j = first[gsi]; j < i; j++)
				if (!compatible(&entries[from[i]], &entries[from[j]]))
					return -EINVAL;
		}
	}
	return 0;
}

int khv_gsi_set(struct khv_vm *vm, const struct kvm_irq_routing_entry *entries, u32 nr)
{
	struct khv_gsi_table *table, *old;
	u32 i, nr_gsis = 0;
	u16 *from;
	int err;

	lockdep_assert_held(&vm->lock);
	if (nr > MAX_ROUTES)
		return -EINVAL;
	for (i = 0; i < nr; i++) {
		if (entries[i].gsi >= KHV_MAX_GSI)
			return -EINVAL;
		nr_gsis = max(nr_gsis, entries[i].gsi + 1);
	}
	table = kvzalloc(struct_size(table, route, nr) + (nr_gsis + 1) * sizeof(u16),
			 GFP_KERNEL_ACCOUNT);
	from = kvcalloc(max(nr, 1u), sizeof(*from), GFP_KERNEL_ACCOUNT);
	if (!table || !from) {
		err = -ENOMEM;
		goto err_free;
	}
	table->nr_gsis = nr_gsis;
	table->first = (u16 *)&table->route[nr];
	err = fill_table(vm, table, from, entries, nr);
	if (err)
		goto err_free;
	kvfree(from);
	old = rcu_replace_pointer(vm->irq.gsi, table, lockdep_is_held(&vm->lock));
	if (old)
		kvfree_rcu(old, rcu);
	return 0;

err_free:
	kvfree(from);
	kvfree(table);
	return err;
}

/* As KVM_CREATE_IRQCHIP leaves it: 0 to 15 to both PIC and I/O APIC, the rest to the latter. */
int khv_gsi_set_default(struct khv_vm *vm)
{
	struct kvm_irq_routing_entry *e;
	u32 gsi, nr = 0;
	int err;

	e = kcalloc(KHV_IOAPIC_PINS + KHV_PIC_PINS, sizeof(*e), GFP_KERNEL_ACCOUNT);
	if (!e)
		return -ENOMEM;
	for (gsi = 0; gsi < KHV_IOAPIC_PINS; gsi++) {
		e[nr].gsi = gsi;
		e[nr].type = KVM_IRQ_ROUTING_IRQCHIP;
		e[nr].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		e[nr++].u.irqchip.pin = gsi;
		if (gsi >= KHV_PIC_PINS)
			continue;
		e[nr].gsi = gsi;
		e[nr].type = KVM_IRQ_ROUTING_IRQCHIP;
		e[nr].u.irqchip.irqchip = gsi < KHV_PIC_PINS / 2 ? KVM_IRQCHIP_PIC_MASTER :
						KVM_IRQCHIP_PIC_SLAVE;
		e[nr++].u.irqchip.pin = gsi % (KHV_PIC_PINS / 2);
	}
	err = khv_gsi_set(vm, e, nr);
	kfree(e);
	return err;
}

void khv_gsi_destroy(struct khv_vm *vm)
{
	/* The VM's last user is gone: nobody reads the table any more. */
	kvfree(rcu_dereference_protected(vm->irq.gsi, true));
	RCU_INIT_POINTER(vm->irq.gsi, NULL);
}
