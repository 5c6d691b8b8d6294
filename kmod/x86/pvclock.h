/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The paravirtual clock (KVM's kvmclock, both MSR pairs, wall clock) and steal time page.
 */
#ifndef KHV_X86_PVCLOCK_H
#define KHV_X86_PVCLOCK_H

#include <linux/kvm.h>
#include <linux/types.h>

#include "vm/types.h"

struct khv_vm;
struct khv_vcpu;

struct khv_vm_clock {
	s64 offset_ns;		/* guest clock = boot time + this */
	raw_spinlock_t lock;	/* offset_ns */
	u64 wall_clock_msr;
};

struct khv_pvclock {
	u64 msr;		/* MSR_KVM_SYSTEM_TIME(_NEW) as written: address | enable */
	u32 version;
	u64 poll_control;
	u64 eoi_msr, async_pf_msr, steal_msr;
};

void khv_vm_clock_init(struct khv_vm *vm);
/* KVM_GET_CLOCK / KVM_SET_CLOCK. */
void khv_vm_clock_get(struct khv_vm *vm, struct kvm_clock_data *data);
int khv_vm_clock_set(struct khv_vm *vm, const struct kvm_clock_data *data);

/* MSR accesses of the 0x4b564d00 range and 0x11/0x12. 0, 1 for #GP, -ENOENT when not ours. */
int khv_pv_msr_read(struct khv_vcpu *vcpu, u32 index, u64 *data, bool host);
int khv_pv_msr_write(struct khv_vcpu *vcpu, u32 index, u64 data, bool host);

/* KHV_REQ_CLOCK_UPDATE: write the clock page. May sleep; vm->srcu held. */
void khv_pvclock_update(struct khv_vcpu *vcpu);
void khv_pvclock_reset(struct khv_vcpu *vcpu);

/* The host's TSC frequency changed its relation to time (suspend, adjtime): refresh all VMs. */
int khv_pvclock_init(void);
void khv_pvclock_exit(void);

#endif
