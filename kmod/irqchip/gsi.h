/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The GSI routing table's lifetime. What uses it is in irqchip.h.
 */
#ifndef KHV_IRQCHIP_GSI_H
#define KHV_IRQCHIP_GSI_H

struct khv_vm;

/* Install the table that a new irqchip has. vm->lock held. 0 or -errno. */
int khv_gsi_set_default(struct khv_vm *vm);
void khv_gsi_destroy(struct khv_vm *vm);

#endif
