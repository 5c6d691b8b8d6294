/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The I/O APIC as the other interrupt controllers see it.
 */
#ifndef KHV_IRQCHIP_IOAPIC_H
#define KHV_IRQCHIP_IOAPIC_H

#include "irqchip/irqchip.h"

/* Allocate and put on the memory bus. vm->lock held. 0 or -errno. */
int khv_ioapic_create(struct khv_vm *vm);
/* Undo a create when the VM lives on: off the bus, then free. */
void khv_ioapic_unregister(struct khv_vm *vm);
/* No user of the VM is left. Waits for work in flight. */
void khv_ioapic_destroy(struct khv_vm *vm);

/* Drive one source of a pin. As khv_irq_set(). Takes vm->irq.lock. */
int khv_ioapic_set_pin(struct khv_vm *vm, unsigned int pin, int level,
		       enum khv_irq_source source);
/*
 * @vcpu's local APIC is done with @vector; @level: and broadcasts that, since it was level
 * triggered. Takes vm->irq.lock.
 */
void khv_ioapic_eoi(struct khv_vcpu *vcpu, u8 vector, bool level);

void khv_ioapic_get(struct khv_vm *vm, struct kvm_ioapic_state *s);
void khv_ioapic_set(struct khv_vm *vm, const struct kvm_ioapic_state *s);

#endif
