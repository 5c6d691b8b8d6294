/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Eventfds in the place of calls: an irqfd raises a GSI when it is signalled,
 * an ioeventfd is signalled when a vCPU writes to an address.
 *
 * irqfd.c and ioeventfd.c own what is declared here.
 */
#ifndef KHV_VM_EVENTFD_H
#define KHV_VM_EVENTFD_H

#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "vm/bus.h"

struct khv_vm;
struct khv_vcpu;

/**
 * struct khv_irqfds - the irqfds of a VM
 * @lock: for writers; docs/locking.md
 * @all: every one of them
 * @resample: those that want to know when the guest is done; read under RCU
 * @count: how many are in @all
 * @nr_resample: how many are in @resample; read by anyone
 * @reap: removes those whose eventfd was closed
 */
struct khv_irqfds {
	struct mutex lock;		/* below: all but @reap */
	struct list_head all;
	struct list_head resample;
	unsigned int count;
	unsigned int nr_resample;
	struct work_struct reap;
};

#define KHV_IOEVENTFD_BITS	6

/**
 * struct khv_ioeventfds - the ioeventfds of a VM
 * @hash: by address; written under vm->slots_lock, read under vm->srcu
 * @count: how many there are; read by anyone
 */
struct khv_ioeventfds {
	struct hlist_head hash[1 << KHV_IOEVENTFD_BITS];
	unsigned int count;
};

void khv_irqfd_init(struct khv_vm *vm);
/* KVM_IRQFD. May sleep. 0 or -errno as api.rst says, -ENOSPC at the limit. */
int khv_irqfd(struct khv_vm *vm, const struct kvm_irqfd *args);
/* Remove all; on return no eventfd raises an interrupt here any more. May sleep. */
void khv_irqfd_release(struct khv_vm *vm);
/* The guest is done with a GSI's interrupt: take down the line, tell who wanted to know. */
void khv_irqfd_resample(struct khv_vm *vm, u32 gsi);

/* KVM_IOEVENTFD. May sleep; takes vm->slots_lock. Likewise. */
int khv_ioeventfd(struct khv_vm *vm, const struct kvm_ioeventfd *args);
/* The VM has no users left. */
void khv_ioeventfd_uninit(struct khv_vm *vm);
/* Under vm->srcu: 0 when the write signals an eventfd, else -EOPNOTSUPP. */
int khv_ioeventfd_write(struct khv_vcpu *vcpu, enum khv_bus_id bus, u64 addr, int len,
			const void *val);

#endif
