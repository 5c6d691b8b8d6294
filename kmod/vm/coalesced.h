/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Coalesced MMIO and port writes: the client names ranges in which it can wait for
 * writes; they go to a ring in memory that it shares, without an exit.
 *
 * The client reads the ring after the next exit that it gets for another reason, or
 * whenever it likes. A full ring means an exit, too.
 */
#ifndef KHV_VM_COALESCED_H
#define KHV_VM_COALESCED_H

#include <linux/kvm.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "vm/bus.h"

struct khv_vm;
struct khv_zones;

/**
 * struct khv_coalesced - of one VM
 * @zones: the ranges; an array replaced under vm->slots_lock, read under vm->srcu
 * @ring: shared with the client, which takes entries at any time and may write
 *	whatever it likes
 * @lock: one vCPU at a time puts an entry in; a leaf
 */
struct khv_coalesced {
	struct khv_zones __rcu *zones;
	struct kvm_coalesced_mmio_ring *ring;
	spinlock_t lock;	/* see above */
};

/* 0 or -ENOMEM; _uninit when nobody uses the VM any more. */
int khv_coalesced_init(struct khv_vm *vm);
void khv_coalesced_uninit(struct khv_vm *vm);

/*
 * KVM_REGISTER_COALESCED_MMIO: 0, -EINVAL, -ENOSPC, -ENOMEM, -EINTR.
 * KVM_UNREGISTER_COALESCED_MMIO: all ranges that hold all of @zone go, if there are
 * any; 0, -EINVAL, -ENOMEM, -EINTR. May sleep.
 */
int khv_coalesced_register(struct khv_vm *vm, const struct kvm_coalesced_mmio_zone *zone);
int khv_coalesced_unregister(struct khv_vm *vm, const struct kvm_coalesced_mmio_zone *zone);

/* Under vm->srcu: true when the ring took the write. */
bool khv_coalesced_write(struct khv_vm *vm, enum khv_bus_id bus, u64 addr, u32 len,
			 const void *val);

#endif
