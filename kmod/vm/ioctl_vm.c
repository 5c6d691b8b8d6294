// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of a VM's file descriptor: one handler each, and their table.
 *
 * Checks what belongs to the call itself; what a call means is decided by the
 * folder that owns the state (irqchip/, memslot.c, x86/pvclock.c, vcpu.c).
 */
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "irqchip/irqchip.h"
#include "mmu/dirty.h"
#include "mmu/shadow.h"
#include "vm/ioctl.h"
#include "vm/memslot.h"
#include "vm/stats.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/pvclock.h"

static int check_extension(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_check_extension(arg->raw);
}

static int create_vcpu(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	int fd;

	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	fd = khv_vcpu_create(vm, arg->raw);
	mutex_unlock(&vm->lock);
	return fd;
}

static int set_user_memory_region(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_memslot_set(vm, arg->data);
}

static int get_dirty_log(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_dirty_get(vm, arg->data);
}

static int clear_dirty_log(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_dirty_clear(vm, arg->data);
}

static int register_coalesced(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_coalesced_register(vm, arg->data);
}

static int unregister_coalesced(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_coalesced_unregister(vm, arg->data);
}

/* Intel processors without unrestricted guest needed three pages; ours keeps the number only. */
static int set_tss_addr(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	if (arg->raw > (u32)(-3 * PAGE_SIZE))
		return -EINVAL;
	WRITE_ONCE(vm->tss_addr, arg->raw);
	return 0;
}

static int set_identity_map_addr(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	const u64 *addr = arg->data;
	int err = -EINVAL;

	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	if (!vm->nr_vcpus) {
		vm->identity_map_addr = *addr;
		err = 0;
	}
	mutex_unlock(&vm->lock);
	return err;
}

static int set_boot_cpu_id(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	int err = 0;

	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	if (vm->nr_vcpus)
		err = -EBUSY;
	else if (arg->raw >= (vm->max_vcpu_id ?: KHV_MAX_VCPU_ID))
		err = -EINVAL;
	else
		vm->bsp_id = arg->raw;
	mutex_unlock(&vm->lock);
	return err;
}

static int set_nr_mmu_pages(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	if (arg->raw < KHV_SHADOW_LEAST)
		return -EINVAL;
	khv_shadow_set_limit(vm, arg->raw);
	return 0;
}

static int create_irqchip(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	int err;

	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	err = khv_irqchip_create(vm);
	mutex_unlock(&vm->lock);
	return err;
}

static int get_irqchip(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_irqchip_get(vm, arg->data);
}

static int set_irqchip(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_irqchip_set(vm, arg->data);
}

static int new_pit(struct khv_vm *vm, const struct kvm_pit_config *config)
{
	int err;

	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	err = -EINTR;
	if (!mutex_lock_killable(&vm->slots_lock)) {
		err = vm->irq.pit ? -EEXIST : khv_pit_create(vm, config);
		mutex_unlock(&vm->slots_lock);
	}
	mutex_unlock(&vm->lock);
	return err;
}

static int create_pit2(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return new_pit(vm, arg->data);
}

/* The first form of it, which had no choice. */
static int create_pit(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return new_pit(vm, &(struct kvm_pit_config){ .flags = KVM_PIT_SPEAKER_DUMMY });
}

/* vm->lock, with a PIT there; -ENXIO or -EINTR without it. */
static int lock_pit(struct khv_vm *vm)
{
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	if (vm->irq.pit)
		return 0;
	mutex_unlock(&vm->lock);
	return -ENXIO;
}

static int get_pit2(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	int err = lock_pit(vm);

	if (err)
		return err;
	err = khv_pit_get(vm, arg->data);
	mutex_unlock(&vm->lock);
	return err;
}

static int set_pit2(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	int err = lock_pit(vm);

	if (err)
		return err;
	err = khv_pit_set(vm, arg->data);
	mutex_unlock(&vm->lock);
	return err;
}

/* The first forms of the two, without flags. */
static int get_pit(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	struct kvm_pit_state *state = arg->data;
	struct kvm_pit_state2 state2;
	int err = lock_pit(vm);

	if (err)
		return err;
	err = khv_pit_get(vm, &state2);
	memcpy(state->channels, state2.channels, sizeof(state->channels));
	mutex_unlock(&vm->lock);
	return err;
}

static int set_pit(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	const struct kvm_pit_state *state = arg->data;
	struct kvm_pit_state2 state2;
	int err = lock_pit(vm);

	if (err)
		return err;
	err = khv_pit_get(vm, &state2);
	memcpy(state2.channels, state->channels, sizeof(state2.channels));
	if (!err)
		err = khv_pit_set(vm, &state2);
	mutex_unlock(&vm->lock);
	return err;
}

/* Its number says that it has no argument. */
static int reinject_control(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	struct kvm_reinject_control control;
	int err;

	if (copy_from_user(&control, arg->user, sizeof(control)))
		return -EFAULT;
	err = lock_pit(vm);
	if (err)
		return err;
	err = khv_pit_set_reinject(vm, control.pit_reinject);
	mutex_unlock(&vm->lock);
	return err;
}

static int irqfd(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_irqfd(vm, arg->data);
}

static int ioeventfd(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_ioeventfd(vm, arg->data);
}

static int irq_line(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	const struct kvm_irq_level *line = arg->data;

	if (!khv_irqchip_in_kernel(vm))
		return -ENXIO;
	khv_irq_set(vm, line->irq, line->level, KHV_IRQ_USER);
	return 0;
}

static int irq_line_status(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	struct kvm_irq_level *line = arg->data;

	if (!khv_irqchip_in_kernel(vm))
		return -ENXIO;
	line->status = khv_irq_set(vm, line->irq, line->level, KHV_IRQ_USER);
	return 0;
}

static int set_gsi_routing(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	struct kvm_irq_routing __user *user = arg->user;
	const struct kvm_irq_routing *routing = arg->data;
	struct kvm_irq_routing_entry *entries = NULL;
	int err = -EINTR;

	if (!khv_irqchip_in_kernel(vm) || routing->nr > KHV_MAX_GSI || routing->flags)
		return -EINVAL;
	if (routing->nr) {
		entries = khv_user_dup(user->entries, array_size(routing->nr, sizeof(*entries)));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	if (!mutex_lock_killable(&vm->lock)) {
		err = khv_gsi_set(vm, entries, routing->nr);
		mutex_unlock(&vm->lock);
	}
	kvfree(entries);
	return err;
}

static int signal_msi(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	const struct kvm_msi *msi = arg->data;

	if (!khv_irqchip_in_kernel(vm) || (msi->flags & ~KVM_MSI_VALID_DEVID))
		return -EINVAL;
	return khv_msi_send(vm, (u64)msi->address_hi << 32 | msi->address_lo, msi->data);
}

static int get_clock(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	khv_vm_clock_get(vm, arg->data);
	return 0;
}

static int set_clock(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_vm_clock_set(vm, arg->data);
}

static int enable_cap(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_vm_enable_cap(vm, arg->data);
}

static int get_stats_fd(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_vm_stats_fd(vm);
}

static int get_tsc_khz(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return READ_ONCE(vm->clock.tsc.khz);
}

static int set_tsc_khz(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_vm_tsc_set_khz(vm, arg->raw);
}

static int set_msr_filter(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_msr_filter_set(vm, arg->data);
}

static int set_sched(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_sched_set(vm, arg->data);
}

static int get_sched(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	khv_sched_get(vm, arg->data);
	return 0;
}

static int get_sched_stats(struct khv_vm *vm, struct khv_ioctl_arg *arg)
{
	return khv_sched_stats(vm, arg->data);
}

static const struct khv_ioctl vm_ioctls[] = {
	{ KVM_IRQ_LINE, .vm = irq_line },
	{ KVM_IRQ_LINE_STATUS, .vm = irq_line_status },
	{ KVM_SIGNAL_MSI, .vm = signal_msi },
	{ KVM_IRQFD, .vm = irqfd },
	{ KVM_IOEVENTFD, .vm = ioeventfd },
	{ KVM_CHECK_EXTENSION, .vm = check_extension },
	{ KVM_CREATE_VCPU, .vm = create_vcpu },
	{ KVM_SET_USER_MEMORY_REGION, .vm = set_user_memory_region },
	{ KVM_GET_DIRTY_LOG, .vm = get_dirty_log },
	{ KVM_CLEAR_DIRTY_LOG, .vm = clear_dirty_log },
	{ KVM_SET_TSS_ADDR, .vm = set_tss_addr },
	{ KVM_SET_IDENTITY_MAP_ADDR, .vm = set_identity_map_addr },
	{ KVM_SET_NR_MMU_PAGES, .vm = set_nr_mmu_pages },
	{ KVM_CREATE_IRQCHIP, .vm = create_irqchip },
	{ KVM_GET_IRQCHIP, .vm = get_irqchip },
	{ KVM_SET_IRQCHIP, .vm = set_irqchip },
	{ KVM_REGISTER_COALESCED_MMIO, .vm = register_coalesced },
	{ KVM_UNREGISTER_COALESCED_MMIO, .vm = unregister_coalesced },
	{ KVM_SET_GSI_ROUTING, .vm = set_gsi_routing },
	{ KVM_CREATE_PIT2, .vm = create_pit2 },
	{ KVM_SET_BOOT_CPU_ID, .vm = set_boot_cpu_id },
	{ KVM_SET_CLOCK, .vm = set_clock },
	{ KVM_GET_CLOCK, .vm = get_clock },
	{ KVM_GET_TSC_KHZ, .vm = get_tsc_khz },
	{ KVM_SET_TSC_KHZ, .vm = set_tsc_khz },
	{ KVM_X86_SET_MSR_FILTER, .vm = set_msr_filter },
	{ KVM_GET_PIT2, .vm = get_pit2 },
	{ KVM_SET_PIT2, .vm = set_pit2 },
	{ KVM_GET_STATS_FD, .vm = get_stats_fd },
	{ KVM_CREATE_PIT, .vm = create_pit },
	{ KVM_GET_PIT, .vm = get_pit },
	{ KVM_SET_PIT, .vm = set_pit },
	{ KVM_REINJECT_CONTROL, .vm = reinject_control },
	{ KVM_ENABLE_CAP, .vm = enable_cap },
	{ KHV_SET_SCHED, KHV_IOC_FOREIGN, .vm = set_sched },
	{ KHV_GET_SCHED, KHV_IOC_FOREIGN, .vm = get_sched },
	{ KHV_GET_SCHED_STATS, KHV_IOC_FOREIGN, .vm = get_sched_stats },
};

static_assert(ARRAY_SIZE(vm_ioctls) == KHV_LIST_LENGTH(KHV_VM_IOCTLS));

long khv_vm_ioctl(struct file *file, unsigned int cmd, unsigned long raw)
{
	struct khv_vm *vm = file->private_data;
	const struct khv_ioctl *row;
	struct khv_ioctl_arg arg;
	int err;

	row = khv_ioctl_find(vm_ioctls, ARRAY_SIZE(vm_ioctls), cmd);
	/* Memory slots are the creator's addresses: nobody else may drive this VM. */
	if (READ_ONCE(vm->dead) ||
	    (vm->mm != current->mm && !(row && row->flags & KHV_IOC_FOREIGN)))
		return -EIO;
	if (!row)
		return -ENOTTY;
	err = khv_ioctl_enter(row, &arg, raw);
	if (err)
		return err;
	return khv_ioctl_leave(row, &arg, row->vm(vm, &arg));
}

#ifdef CONFIG_COMPAT
/* The one structure of pointers: what a 32-bit client passes. */
struct msr_filter32 {
	u32 flags;
	struct {
		u32 flags, nmsrs, base, bitmap;
	} ranges[KVM_MSR_FILTER_MAX_RANGES];
};

#define SET_MSR_FILTER32	_IOW(KVMIO, 0xc6, struct msr_filter32)

static int set_msr_filter32(struct khv_vm *vm, const void __user *user)
{
	struct kvm_msr_filter filter = { 0 };
	struct msr_filter32 in;
	unsigned int i;

	if (vm->mm != current->mm || READ_ONCE(vm->dead))
		return -EIO;
	if (copy_from_user(&in, user, sizeof(in)))
		return -EFAULT;
	filter.flags = in.flags;
	for (i = 0; i < ARRAY_SIZE(in.ranges); i++) {
		filter.ranges[i].flags = in.ranges[i].flags;
		filter.ranges[i].nmsrs = in.ranges[i].nmsrs;
		filter.ranges[i].base = in.ranges[i].base;
		filter.ranges[i].bitmap = (u8 *)(unsigned long)in.ranges[i].bitmap;
	}
	return khv_msr_filter_set(vm, &filter);
}

long khv_vm_compat_ioctl(struct file *file, unsigned int cmd, unsigned long raw)
{
	if (cmd == SET_MSR_FILTER32)
		return set_msr_filter32(file->private_data, compat_ptr(raw));
	return khv_vm_ioctl(file, cmd, (unsigned long)compat_ptr(raw));
}
#endif
