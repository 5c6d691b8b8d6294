// SPDX-License-Identifier: GPL-2.0-only
/*
 * The in-kernel interrupt controllers of a VM as one object: creation, end,
 * and their state by KVM_GET_IRQCHIP and KVM_SET_IRQCHIP.
 */
#include <linux/lockdep.h>
#include <linux/string.h>

#include "irqchip/gsi.h"
#include "irqchip/ioapic.h"
#include "irqchip/pic.h"
#include "irqchip/pit.h"
#include "vm/vm.h"

void khv_irqchip_init(struct khv_vm *vm)
{
	raw_spin_lock_init(&vm->irq.lock);
}

int khv_irqchip_create(struct khv_vm *vm)
{
	int err;

	lockdep_assert_held(&vm->lock);
	if (vm->irq.in_kernel)
		return -EEXIST;
	if (vm->nr_vcpus)
		return -EINVAL;
	err = khv_pic_create(vm);
	if (err)
		return err;
	err = khv_ioapic_create(vm);
	if (err)
		goto err_pic;
	err = khv_gsi_set_default(vm);
	if (err)
		goto err_ioapic;
	/* Who sees it true sees the chips. */
	smp_store_release(&vm->irq.in_kernel, true);
	return 0;

err_ioapic:
	khv_ioapic_unregister(vm);
err_pic:
	khv_pic_unregister(vm);
	return err;
}

void khv_irqchip_destroy(struct khv_vm *vm)
{
	/* First the one that raises interrupts by itself. */
	khv_pit_destroy(vm);
	khv_gsi_destroy(vm);
	khv_ioapic_destroy(vm);
	khv_pic_destroy(vm);
}

int khv_irqchip_get(struct khv_vm *vm, struct kvm_irqchip *chip)
{
	/* Pairs with khv_irqchip_create(). */
	if (!smp_load_acquire(&vm->irq.in_kernel))
		return -ENXIO;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		khv_pic_get(vm, chip->chip_id == KVM_IRQCHIP_PIC_SLAVE, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		khv_ioapic_get(vm, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

int khv_irqchip_set(struct khv_vm *vm, const struct kvm_irqchip *chip)
{
	/* Pairs with khv_irqchip_create(). */
	if (!smp_load_acquire(&vm->irq.in_kernel))
		return -ENXIO;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		khv_pic_set(vm, chip->chip_id == KVM_IRQCHIP_PIC_SLAVE, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		khv_ioapic_set(vm, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}
