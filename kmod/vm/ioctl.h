/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an ioctl gets from its number to its handler. Private to kmod/vm/ and main.c.
 *
 * Owns the tables' format and the copying of fixed-size arguments; handlers see
 * kernel memory. Structures with a tail of entries are copied here up to the
 * tail, and the handler fetches the rest.
 */
#ifndef KHV_VM_IOCTL_H
#define KHV_VM_IOCTL_H

#include <linux/compiler.h>
#include <linux/ioctl.h>
#include <linux/kvm.h>
#include <linux/types.h>

#include "khv.h"

struct file;
struct khv_vm;
struct khv_vcpu;

/* Arguments up to this size stay on the stack; KVM_GET_REGS and most others fit. */
#define KHV_IOCTL_STACK		160

/**
 * struct khv_ioctl_arg - one call's argument
 * @raw: as passed
 * @user: the same as a pointer
 * @data: the structure it points to, _IOC_SIZE() bytes, or NULL for _IO() calls
 *	and KHV_IOC_RAW. Zeroed when the call only returns data
 */
struct khv_ioctl_arg {
	unsigned long raw;
	void __user *user;
	void *data;
	u64 stack[KHV_IOCTL_STACK / sizeof(u64)];
};

#define KHV_IOC_RAW	BIT(0)	/* the handler does all copying by itself */
#define KHV_IOC_SRCU	BIT(1)	/* vCPU: the handler may reach guest memory, hold vm->srcu for it */
#define KHV_IOC_FOREIGN	BIT(2)	/* VM: it touches no guest memory, any process may call */

/**
 * struct khv_ioctl - a row of a table
 * @cmd: the whole number, size and direction included; _IOC_NR() alone is not
 *	unique (KVM_SET_DEBUGREGS and KVM_SET_TSC_KHZ share one)
 * @flags: KHV_IOC_*
 * @dev: handler, by the kind of file the table belongs to. A result >= 0 is
 *	what the call returns, and only then is the structure of a reading call
 *	copied back
 * @vm: likewise
 * @vcpu: likewise, with vcpu->lock held
 */
struct khv_ioctl {
	unsigned int cmd;
	unsigned int flags;
	union {
		int (*dev)(struct khv_ioctl_arg *arg);
		int (*vm)(struct khv_vm *vm, struct khv_ioctl_arg *arg);
		int (*vcpu)(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg);
	};
};

/* How long one of uapi/khv.h's lists is: the tables are held against it when built. */
#define KHV_ITSELF(number)	(number)
#define KHV_LIST_LENGTH(list)	(sizeof((unsigned int [])list(KHV_ITSELF)) / sizeof(unsigned int))

/*
 * The row of @table, which has @rows, for @cmd, or NULL. A search, so that no
 * index comes from the caller; the frequent ones stand first.
 */
const struct khv_ioctl *khv_ioctl_find(const struct khv_ioctl *table, unsigned int rows,
				       unsigned int cmd);

/*
 * Before and after a handler. _enter fetches the argument and returns 0,
 * -ENOMEM or -EFAULT; only after 0 comes _leave, which returns what the ioctl
 * returns, given the handler's @result. Both may sleep.
 */
int khv_ioctl_enter(const struct khv_ioctl *row, struct khv_ioctl_arg *arg, unsigned long raw);
int khv_ioctl_leave(const struct khv_ioctl *row, struct khv_ioctl_arg *arg, int result);

/*
 * A copy of what a client passes, on its account; for kvfree(). Callers bound @size.
 * ERR_PTR(-ENOMEM) or ERR_PTR(-EFAULT). May sleep.
 */
void *khv_user_dup(const void __user *user, size_t size);

/* KVM_CHECK_EXTENSION, the same on the device and on a VM: 0 for what khv lacks. */
int khv_check_extension(unsigned long cap);

/* KVM_ENABLE_CAP on a VM. 0, or -EINVAL for what cannot be enabled, or not so, or not now. */
int khv_vcpu_enable_cap(struct khv_vcpu *vcpu, const struct kvm_enable_cap *cap);
int khv_vm_enable_cap(struct khv_vm *vm, const struct kvm_enable_cap *cap);

/*
 * KVM_GET_MSRS and KVM_SET_MSRS on any file: apply @one to each entry after the
 * header at @user until it returns non-zero; @writeback copies the entries out.
 * The number of entries done, -E2BIG, -ENOMEM or -EFAULT.
 */
int khv_msr_io(const struct kvm_msrs *header, struct kvm_msrs __user *user, bool writeback,
	       int (*one)(struct khv_vcpu *vcpu, u32 index, u64 *data), struct khv_vcpu *vcpu);

long khv_dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long khv_vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
#ifdef CONFIG_COMPAT
long khv_vm_compat_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
#else
#define khv_vm_compat_ioctl	NULL
#endif
long khv_vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* Pages of a vCPU's mapping: struct kvm_run, port data, and the VM's ring of coalesced writes. */
enum khv_vcpu_page {
	KHV_PAGE_RUN,
	KHV_PAGE_PIO		= KVM_PIO_PAGE_OFFSET,
	KHV_PAGE_COALESCED	= KVM_COALESCED_MMIO_PAGE_OFFSET,
	KHV_NR_VCPU_PAGES
};

#endif
