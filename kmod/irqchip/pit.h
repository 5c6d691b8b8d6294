/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interval timer's end. The rest of its interface is in irqchip.h.
 */
#ifndef KHV_IRQCHIP_PIT_H
#define KHV_IRQCHIP_PIT_H

struct khv_vm;

/* No user of the VM is left. Waits for the timer, so without vm->irq.lock. */
void khv_pit_destroy(struct khv_vm *vm);

#endif
