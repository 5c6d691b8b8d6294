// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of /dev/khv, and the machinery that the tables of VM and vCPU ioctls
 * share with this one. Capabilities are cap.c's.
 */
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "sched/sched.h"
#include "vm/ioctl.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/cpuid.h"
#include "x86/msr.h"

/* KVM_GET_MSRS and KVM_SET_MSRS take fewer entries than this, as KVM's do. */
#define MAX_IO_MSRS	256

const struct khv_ioctl *khv_ioctl_find(const struct khv_ioctl *table, unsigned int rows,
				       unsigned int cmd)
{
	const struct khv_ioctl *end = table + rows;

	for (; table < end; table++)
		if (table->cmd == cmd)
			return table;
	return NULL;
}

/* <linux/kvm.h> defines these the wrong way round. */
static bool wrong_way_round(const struct khv_ioctl *row)
{
	return row->cmd == KVM_SET_IRQCHIP || row->cmd == KVM_SET_PIT;
}

static bool copies_in(const struct khv_ioctl *row)
{
	return (_IOC_DIR(row->cmd) & _IOC_WRITE) || wrong_way_round(row);
}

static bool copies_out(const struct khv_ioctl *row)
{
	return (_IOC_DIR(row->cmd) & _IOC_READ) && !wrong_way_round(row);
}

int khv_ioctl_enter(const struct khv_ioctl *row, struct khv_ioctl_arg *arg, unsigned long raw)
{
	unsigned int size = _IOC_SIZE(row->cmd);

	arg->raw = raw;
	arg->user = (void __user *)raw;
	arg->data = NULL;
	if (!size || (row->flags & KHV_IOC_RAW))
		return 0;

	arg->data = arg->stack;
	if (size > sizeof(arg->stack)) {
		arg->data = kmalloc(size, GFP_KERNEL_ACCOUNT);
		if (!arg->data)
			return -ENOMEM;
	}
	if (!copies_in(row)) {
		memset(arg->data, 0, size);
		return 0;
	}
	if (copy_from_user(arg->data, arg->user, size)) {
		khv_ioctl_leave(row, arg, -EFAULT);
		return -EFAULT;
	}
	return 0;
}

int khv_ioctl_leave(const struct khv_ioctl *row, struct khv_ioctl_arg *arg, int result)
{
	if (!arg->data)
		return result;
	if (result >= 0 && copies_out(row) &&
	    copy_to_user(arg->user, arg->data, _IOC_SIZE(row->cmd)))
		result = -EFAULT;
	if (arg->data != arg->stack)
		kfree(arg->data);
	return result;
}

void *khv_user_dup(const void __user *user, size_t size)
{
	void *copy = kvmalloc(size, GFP_KERNEL_ACCOUNT);

	if (!copy)
		return ERR_PTR(-ENOMEM);
	if (!copy_from_user(copy, user, size))
		return copy;
	kvfree(copy);
	return ERR_PTR(-EFAULT);
}

static int apply_msrs(struct kvm_msr_entry *entries, int nr,
		      int (*one)(struct khv_vcpu *vcpu, u32 index, u64 *data),
		      struct khv_vcpu *vcpu)
{
	int done;

	for (done = 0; done < nr; done++)
		if (one(vcpu, entries[done].index, &entries[done].data))
			break;
	return done;
}

int khv_msr_io(const struct kvm_msrs *header, struct kvm_msrs __user *user, bool writeback,
	       int (*one)(struct khv_vcpu *vcpu, u32 index, u64 *data), struct khv_vcpu *vcpu)
{
	struct kvm_msr_entry *entries;
	u32 nr = header->nmsrs;
	size_t size = array_size(sizeof(*entries), nr);
	int done, idx;

	if (nr >= MAX_IO_MSRS)
		return -E2BIG;
	if (!nr)
		return 0;
	entries = khv_user_dup(user->entries, size);
	if (IS_ERR(entries))
		return PTR_ERR(entries);

	if (vcpu) {
		/* Some MSRs are about guest memory. */
		idx = srcu_read_lock(&vcpu->vm->srcu);
		done = apply_msrs(entries, nr, one, vcpu);
		srcu_read_unlock(&vcpu->vm->srcu, idx);
	} else {
		done = apply_msrs(entries, nr, one, NULL);
	}

	if (writeback && copy_to_user(user->entries, entries, size))
		done = -EFAULT;
	kvfree(entries);
	return done;
}

static int get_api_version(struct khv_ioctl_arg *arg)
{
	return arg->raw ? -EINVAL : KVM_API_VERSION;
}

static int create_vm(struct khv_ioctl_arg *arg)
{
	return khv_vm_create_fd(arg->raw);
}

static int check_extension(struct khv_ioctl_arg *arg)
{
	return khv_check_extension(arg->raw);
}

static int get_vcpu_mmap_size(struct khv_ioctl_arg *arg)
{
	return arg->raw ? -EINVAL : KHV_NR_VCPU_PAGES * PAGE_SIZE;
}

static int get_supported_cpuid(struct khv_ioctl_arg *arg)
{
	struct kvm_cpuid2 __user *user = arg->user;
	struct kvm_cpuid2 *cpuid = arg->data;
	struct kvm_cpuid_entry2 *entries;
	u32 nent = min_t(u32, cpuid->nent, KHV_MAX_CPUID_ENTRIES);
	int err;

	if (!nent)
		return -E2BIG;
	entries = kvcalloc(nent, sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries)
		return -ENOMEM;
	err = khv_cpuid_supported(entries, &nent);
	if (!err && copy_to_user(user->entries, entries, array_size(nent, sizeof(*entries))))
		err = -EFAULT;
	kvfree(entries);
	cpuid->nent = nent;
	return err;
}

/* Leaves that exist in emulation only: khv has none. */
static int get_emulated_cpuid(struct khv_ioctl_arg *arg)
{
	struct kvm_cpuid2 *cpuid = arg->data;

	if (!cpuid->nent)
		return -E2BIG;
	cpuid->nent = 0;
	return 0;
}

/* The count is returned with -E2BIG as well: clients ask twice, first with room for none. */
static int copy_msr_list(struct kvm_msr_list __user *user, const u32 *list, unsigned int count)
{
	u32 room;

	if (get_user(room, &user->nmsrs) || put_user(count, &user->nmsrs))
		return -EFAULT;
	if (room < count)
		return -E2BIG;
	return copy_to_user(user->indices, list, array_size(count, sizeof(u32))) ? -EFAULT : 0;
}

static int get_msr_index_list(struct khv_ioctl_arg *arg)
{
	unsigned int count;
	const u32 *list = khv_msr_list(&count);

	return copy_msr_list(arg->user, list, count);
}

static int get_msr_feature_index_list(struct khv_ioctl_arg *arg)
{
	unsigned int count;
	const u32 *list = khv_msr_feature_list(&count);

	return copy_msr_list(arg->user, list, count);
}

static int read_feature_msr(struct khv_vcpu *vcpu, u32 index, u64 *data)
{
	return khv_msr_read_feature(index, data);
}

static int get_feature_msrs(struct khv_ioctl_arg *arg)
{
	return khv_msr_io(arg->data, arg->user, true, read_feature_msr, NULL);
}

static int get_mce_cap_supported(struct khv_ioctl_arg *arg)
{
	*(u64 *)arg->data = khv_mce_supported();
	return 0;
}

static int get_sched_vms(struct khv_ioctl_arg *arg)
{
	return khv_sched_list(arg->data);
}

static int set_pool(struct khv_ioctl_arg *arg)
{
	return khv_pool_set(arg->data);
}

static int get_pool(struct khv_ioctl_arg *arg)
{
	return khv_pool_get(arg->data);
}

static const struct khv_ioctl dev_ioctls[] = {
	{ KVM_GET_API_VERSION, .dev = get_api_version },
	{ KVM_CREATE_VM, .dev = create_vm },
	{ KVM_GET_MSR_INDEX_LIST, KHV_IOC_RAW, .dev = get_msr_index_list },
	{ KVM_CHECK_EXTENSION, .dev = check_extension },
	{ KVM_GET_VCPU_MMAP_SIZE, .dev = get_vcpu_mmap_size },
	{ KVM_GET_SUPPORTED_CPUID, .dev = get_supported_cpuid },
	{ KVM_GET_EMULATED_CPUID, .dev = get_emulated_cpuid },
	{ KVM_GET_MSR_FEATURE_INDEX_LIST, KHV_IOC_RAW, .dev = get_msr_feature_index_list },
	{ KVM_GET_MSRS, .dev = get_feature_msrs },
	{ KVM_X86_GET_MCE_CAP_SUPPORTED, .dev = get_mce_cap_supported },
	{ KHV_GET_SCHED_VMS, .dev = get_sched_vms },
	{ KHV_SET_POOL, .dev = set_pool },
	{ KHV_GET_POOL, .dev = get_pool },
};

static_assert(ARRAY_SIZE(dev_ioctls) == KHV_LIST_LENGTH(KHV_DEVICE_IOCTLS));

long khv_dev_ioctl(struct file *file, unsigned int cmd, unsigned long raw)
{
	const struct khv_ioctl *row = khv_ioctl_find(dev_ioctls, ARRAY_SIZE(dev_ioctls), cmd);
	struct khv_ioctl_arg arg;
	int err;

	if (!row)
		return -EINVAL;
	err = khv_ioctl_enter(row, &arg, raw);
	if (err)
		return err;
	return khv_ioctl_leave(row, &arg, row->dev(&arg));
}
