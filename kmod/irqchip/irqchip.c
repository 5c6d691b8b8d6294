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
#include "vm/vcpu.h"
#include "vm/vm.h"

void khv_irqchip_init(struct khv_vm *vm)
{
	raw_spin_lock_init(&vm->irq.lock);
}

/* All chips, and where interrupts lead to, or none. */
static int create_chips(struct khv_vm *vm)
{
	int err = khv_pic_create(vm);

	if (err)
		return err;
	err = khv_ioapic_create(vm);
	if (err)
		goto err_pic;
	err = khv_gsi_set_default(vm);
	if (err)
		goto err_ioapic;
	return 0;

err_ioapic:
	khv_ioapic_unregister(vm);
err_pic:
	khv_pic_unregister(vm);
	return err;
}

int khv_irqchip_create(struct khv_vm *vm)
{
	int err;

	lockdep_assert_held(&vm->lock);
	if (vm->irq.in_kernel)
		return -EEXIST;
	if (vm->nr_vcpus)
		return -EINVAL;
	if (mutex_lock_killable(&vm->slots_lock))
		return -EINTR;
	err = create_chips(vm);
	mutex_unlock(&vm->slots_lock);
	if (err)
		return err;
	/* Who sees it true sees the chips. */
	smp_store_release(&vm->irq.in_kernel, true);
	return 0;
}

int khv_irqchip_split(struct khv_vm *vm, u64 client_gsis)
{
	int err;

	lockdep_assert_held(&vm->lock);
	if (client_gsis > KHV_MAX_GSI)
		return -EINVAL;
	if (vm->irq.in_kernel || vm->nr_vcpus)
		return -EEXIST;
	err = khv_gsi_set(vm, NULL, 0);
	if (err)
		return err;
	vm->irq.split = true;
	vm->irq.client_gsis = client_gsis;
	/* Who sees it true sees the above. */
	smp_store_release(&vm->irq.in_kernel, true);
	return 0;
}

void khv_irqchip_destroy(struct khv_vm *vm)
{
	/* First the one that raises interrupts by itself. */
	khv_pit_destroy(vm);
	khv_gsi_destroy(vm);
	khv_ioapic_destroy(vm);
	khv_pic_destroy(vm);
}

void khv_irq_acked(struct khv_vcpu *vcpu, unsigned int first, u32 pins)
{
	struct khv_vm *vm = vcpu->vm;
	unsigned long word = (unsigned long)pins << first;
	unsigned int bit;

	if (!READ_ONCE(vm->irqfds.nr_resample))
		return;
	for_each_set_bit(bit, &word, KHV_NR_PINS)
		set_bit(bit, &vm->irq.acked);
	if (word)
		khv_request(vcpu, KHV_REQ_IRQ_ACK);
}

/*
 * Not where the guest acknowledges: that may be with interrupts off, and under irq.lock,
 * which the wake-up of an irqfd takes inside its eventfd's lock.
 */
void khv_irq_acked_work(struct khv_vcpu *vcpu)
{
	unsigned long word = xchg(&vcpu->vm->irq.acked, 0);
	unsigned int bit;
	int gsi;

	for_each_set_bit(bit, &word, KHV_NR_PINS) {
		gsi = khv_gsi_of_pin(vcpu->vm, bit);
		if (gsi >= 0)
			khv_irqfd_resample(vcpu->vm, gsi);
	}
}

int khv_irqchip_get(struct khv_vm *vm, struct kvm_irqchip *chip)
{
	if (!khv_pic_in_kernel(vm))
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
	if (!khv_pic_in_kernel(vm))
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
