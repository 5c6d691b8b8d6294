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
void khv_ioapic_destroy(struct khv_vm *vm);

/* Drive one source of a pin. As khv_irq_set(). Takes vm->irq.lock. */
int khv_ioapic_set_pin(struct khv_vm *vm, unsigned int pin, int level,
		       enum khv_irq_source source);
/* A local APIC broadcasts the EOI of a level-triggered vector. Takes vm->irq.lock. */
void khv_ioapic_eoi(struct khv_vm *vm, u8 vector);

void khv_ioapic_get(struct khv_vm *vm, struct kvm_ioapic_state *s);
void khv_ioapic_set(struct khv_vm *vm, const struct kvm_ioapic_state *s);

#endif
