/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pair of 8259A interrupt controllers as the other controllers see it.
 * What the vCPUs use of it is in irqchip.h.
 */
#ifndef KHV_IRQCHIP_PIC_H
#define KHV_IRQCHIP_PIC_H

#include "irqchip/irqchip.h"

#define KHV_PIC_PINS	16

/* Allocate and put on the port bus. vm->lock held. 0 or -errno. */
int khv_pic_create(struct khv_vm *vm);
/* Undo a create when the VM lives on: off the bus, then free. */
void khv_pic_unregister(struct khv_vm *vm);
void khv_pic_destroy(struct khv_vm *vm);

/* Drive one source of an input, 0 to 15. As khv_irq_set(). Takes vm->irq.lock. */
int khv_pic_set_pin(struct khv_vm *vm, unsigned int pin, int level, enum khv_irq_source source);

/* @slave: which of the two. */
void khv_pic_get(struct khv_vm *vm, bool slave, struct kvm_pic_state *s);
void khv_pic_set(struct khv_vm *vm, bool slave, const struct kvm_pic_state *s);

#endif
