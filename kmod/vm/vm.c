// SPDX-License-Identifier: GPL-2.0-only
/*
 * One virtual machine: creation, its file descriptor, its references, its end.
 *
 * Owns the order in which a VM's parts come and go. The parts themselves are
 * memslot.c's, bus.c's, mmu/'s, irqchip/'s, x86/pvclock.c's and the vendor's.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "irqchip/irqchip.h"
#include "mmu/mmu.h"
#include "vm/bus.h"
#include "vm/hw.h"
#include "vm/ioctl.h"
#include "vm/memslot.h"
#include "vm/stats.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/pvclock.h"

LIST_HEAD(khv_vms);
/* Guards khv_vms only; taken with no other lock of ours held. */
DEFINE_MUTEX(khv_vms_lock);

struct khv_vm *khv_vm_create(void)
{
	struct khv_vm *vm;
	int err;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	vm->mm = current->mm;
	mmgrab(vm->mm);
	refcount_set(&vm->users, 1);
	mutex_init(&vm->lock);
	mutex_init(&vm->slots_lock);
	INIT_LIST_HEAD(&vm->node);
	vm->opts.halt_poll_ns = khv_halt_poll_limit();

	err = init_srcu_struct(&vm->srcu);
	if (err)
		goto err_mm;
	khv_irqchip_init(vm);
	khv_irqfd_init(vm);
	khv_vm_clock_init(vm);
	err = khv_coalesced_init(vm);
	if (err)
		goto err_srcu;
	err = khv_mmu_vm_init(vm);
	if (err)
		goto err_coalesced;
	err = khv_hw->vm_create(vm);
	if (err)
		goto err_mmu;

	khv_sched_vm_init(vm);
	mutex_lock(&khv_vms_lock);
	list_add_tail(&vm->node, &khv_vms);
	mutex_unlock(&khv_vms_lock);
	return vm;

err_mmu:
	khv_mmu_vm_uninit(vm);
err_coalesced:
	khv_coalesced_uninit(vm);
err_srcu:
	cleanup_srcu_struct(&vm->srcu);
err_mm:
	mmdrop(vm->mm);
	kfree(vm);
	return ERR_PTR(err);
}

/*
 * No file is left, so no ioctl and no vCPU is in flight, and none can begin.
 * What still fires by itself goes first: the PIT's timer, which interrupts
 * vCPUs, then the mmu notifier, which makes requests of them. (Eventfds went with
 * the VM's own file.)
 */
static void destroy(struct khv_vm *vm)
{
	int i;

	WRITE_ONCE(vm->dead, true);
	mutex_lock(&khv_vms_lock);
	list_del(&vm->node);
	mutex_unlock(&khv_vms_lock);
	khv_debugfs_remove_vm(vm);
	khv_sched_vm_uninit(vm);

	khv_irqchip_destroy(vm);
	khv_mmu_vm_uninit(vm);
	for (i = vm->nr_vcpus - 1; i >= 0; i--)
		khv_vcpu_destroy(vm->vcpus[i]);
	khv_coalesced_uninit(vm);
	khv_bus_uninit(vm);
	khv_msr_filter_uninit(vm);
	khv_ioeventfd_uninit(vm);
	khv_memslots_uninit(vm);
	khv_hw->vm_destroy(vm);
	cleanup_srcu_struct(&vm->srcu);
	mmdrop(vm->mm);
	kfree(vm);
}

void khv_vm_get(struct khv_vm *vm)
{
	refcount_inc(&vm->users);
}

void khv_vm_put(struct khv_vm *vm)
{
	if (refcount_dec_and_test(&vm->users))
		destroy(vm);
}

static int vm_release(struct inode *inode, struct file *file)
{
	struct khv_vm *vm = file->private_data;

	/* As on KVM: from now on eventfds do nothing here, though vCPUs may run on. */
	khv_irqfd_release(vm);
	khv_vm_put(vm);
	return 0;
}

/* The owner keeps the module loaded while the file is open; so rmmod waits for the last VM. */
static const struct file_operations vm_fops = {
	.owner		= THIS_MODULE,
	.release	= vm_release,
	.unlocked_ioctl	= khv_vm_ioctl,
	.compat_ioctl	= khv_vm_compat_ioctl,
	.llseek		= noop_llseek,
};

int khv_vm_create_fd(unsigned long type)
{
	struct khv_vm *vm;
	struct file *file;
	int fd;

	if (type)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vm = khv_vm_create();
	if (IS_ERR(vm)) {
		put_unused_fd(fd);
		return PTR_ERR(vm);
	}
	file = anon_inode_getfile("khv-vm", &vm_fops, vm, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		khv_vm_put(vm);
		return PTR_ERR(file);
	}
	/* Named for the number that the client will know; before it can create vCPUs. */
	khv_debugfs_add_vm(vm, fd);
	fd_install(fd, file);
	return fd;
}
