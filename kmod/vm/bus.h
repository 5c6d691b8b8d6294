/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In-kernel devices by address: the port and the memory bus of a VM.
 *
 * Owns the lookup; a device embeds struct khv_io_dev and implements khv_io_ops.
 * An array sorted by address, replaced as a whole under vm->slots_lock, read
 * under vm->srcu.
 */
#ifndef KHV_VM_BUS_H
#define KHV_VM_BUS_H

#include <linux/types.h>

struct khv_vm;
struct khv_vcpu;
struct khv_io_dev;

enum khv_bus_id { KHV_BUS_PIO, KHV_BUS_MMIO, KHV_NR_BUSES };

/* Each returns 0 when it took the access, -EOPNOTSUPP to pass it on (to userspace in the end). */
struct khv_io_ops {
	int (*read)(struct khv_vcpu *vcpu, struct khv_io_dev *dev, u64 addr, int len, void *val);
	int (*write)(struct khv_vcpu *vcpu, struct khv_io_dev *dev, u64 addr, int len,
		     const void *val);
};

struct khv_io_dev {
	const struct khv_io_ops *ops;
};

/*
 * Register @dev for [addr, addr + len). The device outlives its registration;
 * all are unregistered by khv_bus_uninit() when the VM goes. Caller holds
 * vm->slots_lock. Returns 0, -ENOMEM, -ENOSPC or -EEXIST on overlap.
 */
int khv_bus_register(struct khv_vm *vm, enum khv_bus_id bus, u64 addr, u64 len,
		     struct khv_io_dev *dev);
/* Returns after the last user inside vm->srcu is gone. Likewise. */
void khv_bus_unregister(struct khv_vm *vm, enum khv_bus_id bus, struct khv_io_dev *dev);
void khv_bus_uninit(struct khv_vm *vm);

/*
 * Under vm->srcu: 0 when a device took it, else -EOPNOTSUPP. The vCPU's local APIC
 * page is tried first on the memory bus, coalesced.c's ring last for writes.
 */
int khv_bus_read(struct khv_vcpu *vcpu, enum khv_bus_id bus, u64 addr, int len, void *val);
int khv_bus_write(struct khv_vcpu *vcpu, enum khv_bus_id bus, u64 addr, int len, const void *val);

#endif
