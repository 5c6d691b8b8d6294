// SPDX-License-Identifier: GPL-2.0-only
/*
 * One virtual CPU: creation, reset, its file descriptor and the pages it shares
 * with the client.
 *
 * Owns the order in which its parts come and go. Running it is run.c's.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "irqchip/irqchip.h"
#include "vm/hw.h"
#include "vm/ioctl.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct khv_vcpu *vcpu = file->private_data;

	/* The vCPU stays until its VM goes: others may still point to it. */
	khv_vm_put(vcpu->vm);
	return 0;
}

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct khv_vcpu *vcpu = vmf->vma->vm_file->private_data;
	void *va;

	switch (vmf->pgoff) {
	case KHV_PAGE_RUN:
		va = vcpu->run;
		break;
	case KHV_PAGE_PIO:
		va = vcpu->pio_data;
		break;
	case KHV_PAGE_COALESCED:
		va = vcpu->vm->coalesced.ring;
		break;
	default:
		return VM_FAULT_SIGBUS;
	}
	vmf->page = virt_to_page(va);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner		= THIS_MODULE,
	.release	= vcpu_release,
	.unlocked_ioctl	= khv_vcpu_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= vcpu_mmap,
	.llseek		= noop_llseek,
};

void khv_vcpu_reset(struct khv_vcpu *vcpu, bool init)
{
	lockdep_assert_held(&vcpu->lock);

	vcpu->complete_user = NULL;
	khv_events_reset(vcpu);
	khv_regs_reset(vcpu, init);
	khv_msrs_reset(vcpu, init);
	khv_xstate_reset(vcpu, init);
	if (vcpu->lapic)
		khv_lapic_reset(vcpu, init);
	khv_pv_reset(vcpu, init);
	/* What comes next is not asked where khv may write. */
	khv_pvclock_reset(vcpu);
	khv_steal_set(vcpu, 0);
	khv_request(vcpu, KHV_REQ_TLB_FLUSH);
	khv_request(vcpu, KHV_REQ_EVENT);
}

static int create_parts(struct khv_vcpu *vcpu)
{
	int err;

	vcpu->run = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vcpu->run)
		return -ENOMEM;
	err = -ENOMEM;
	vcpu->pio_data = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vcpu->pio_data)
		goto err_run;
	err = khv_xstate_create(vcpu);
	if (err)
		goto err_pio;
	err = khv_emulate_create(vcpu);
	if (err)
		goto err_xstate;
	err = khv_shadow_vcpu_create(vcpu);
	if (err)
		goto err_emulate;
	err = khv_hw->vcpu_create(vcpu);
	if (err)
		goto err_shadow;
	if (vcpu->vm->irq.in_kernel) {
		err = khv_lapic_create(vcpu);
		if (err)
			goto err_hw;
	}
	return 0;

err_hw:
	khv_hw->vcpu_destroy(vcpu);
err_shadow:
	khv_shadow_vcpu_destroy(vcpu);
err_emulate:
	khv_emulate_destroy(vcpu);
err_xstate:
	khv_xstate_destroy(vcpu);
err_pio:
	free_page((unsigned long)vcpu->pio_data);
err_run:
	free_page((unsigned long)vcpu->run);
	return err;
}

void khv_vcpu_destroy(struct khv_vcpu *vcpu)
{
	/* First, since its timer fires by itself and kicks the vCPU. */
	if (vcpu->lapic)
		khv_lapic_destroy(vcpu);
	khv_hw->vcpu_destroy(vcpu);
	khv_shadow_vcpu_destroy(vcpu);
	khv_emulate_destroy(vcpu);
	khv_xstate_destroy(vcpu);
	khv_cpuid_uninit(vcpu);
	/* Mappings of the two pages hold references of their own. */
	free_page((unsigned long)vcpu->pio_data);
	free_page((unsigned long)vcpu->run);
	mutex_destroy(&vcpu->lock);
	kfree(vcpu);
}

static struct khv_vcpu *create(struct khv_vm *vm, int id)
{
	struct khv_vcpu *vcpu;
	int err;

	vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->index = vm->nr_vcpus;
	vcpu->cpu = -1;
	vcpu->mode = KHV_OUTSIDE_GUEST;
	mutex_init(&vcpu->lock);
	init_swait_queue_head(&vcpu->wq);
	khv_sched_vcpu_init(vcpu);

	err = create_parts(vcpu);
	if (err) {
		kfree(vcpu);
		return ERR_PTR(err);
	}

	mutex_lock(&vcpu->lock);
	khv_vcpu_reset(vcpu, false);
	/* The others wait for the boot processor's INIT and SIPI, or for their client. */
	vcpu->mp_state = !vcpu->lapic || id == vm->bsp_id ? KVM_MP_STATE_RUNNABLE :
							    KVM_MP_STATE_UNINITIALIZED;
	khv_request(vcpu, KHV_REQ_CLOCK_UPDATE);
	khv_request(vcpu, KHV_REQ_INTERCEPTS);
	mutex_unlock(&vcpu->lock);
	return vcpu;
}

static int check_id(struct khv_vm *vm, unsigned long id)
{
	struct khv_vcpu *other;
	int i;

	if (id >= (vm->max_vcpu_id ?: KHV_MAX_VCPU_ID) || vm->nr_vcpus >= KHV_MAX_VCPUS)
		return -EINVAL;
	khv_for_each_vcpu(i, other, vm)
		if (other->id == id)
			return -EEXIST;
	return 0;
}

/*
 * The descriptor is installed last: from then on another thread may use it. All
 * that can fail comes before the vCPU is published, since it cannot be taken back.
 */
int khv_vcpu_create(struct khv_vm *vm, unsigned long id)
{
	struct khv_vcpu *vcpu;
	struct file *file;
	char name[32];
	int fd, err;

	lockdep_assert_held(&vm->lock);

	err = check_id(vm, id);
	if (err)
		return err;
	vcpu = create(vm, id);
	if (IS_ERR(vcpu))
		return PTR_ERR(vcpu);

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		err = fd;
		goto err_vcpu;
	}
	snprintf(name, sizeof(name), "khv-vcpu:%lu", id);
	khv_vm_get(vm);
	file = anon_inode_getfile(name, &vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto err_fd;
	}

	vm->vcpus[vcpu->index] = vcpu;
	/* Pairs with the acquire in khv_vm_vcpu(): who sees the count sees the vCPU whole. */
	smp_store_release(&vm->nr_vcpus, vcpu->index + 1);
	/* Its TSC may be another than the others' by now. */
	khv_vm_request_all(vm, KHV_REQ_CLOCK_UPDATE);
	khv_debugfs_add_vcpu(vcpu);
	fd_install(fd, file);
	return fd;

err_fd:
	/* Not the last one: the caller came through the VM's own file. */
	khv_vm_put(vm);
	put_unused_fd(fd);
err_vcpu:
	khv_vcpu_destroy(vcpu);
	return err;
}
