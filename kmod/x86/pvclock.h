/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The paravirtual clock (KVM's kvmclock, both MSR pairs, wall clock) and steal time page.
 */
#ifndef KHV_X86_PVCLOCK_H
#define KHV_X86_PVCLOCK_H

#include <linux/kvm.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "vm/types.h"
#include "x86/tsc.h"

struct khv_vm;
struct khv_vcpu;

/* How nanoseconds follow from TSC cycles: ((cycles shifted left by @shift) * @mul) >> 32. */
struct khv_pvclock_scale {
	u32 mul;
	s8 shift;		/* negative: right */
};

/* One moment, on the host's TSC and on its boot-time clock. */
struct khv_clock_pair {
	u64 tsc;
	u64 ns;
};

struct khv_vm_clock {
	s64 offset_ns;		/* guest clock = boot time + this */
	raw_spinlock_t lock;	/* all of this struct; irqsave */
	u64 wall_clock_msr;
	bool wall_clock_due;	/* the guest wrote the MSR: fill the structure it names */
	/*
	 * With a stable TSC all vCPUs' pages tell the time from one pair, so that
	 * no two can disagree; it is taken anew when khv_pvclock_generation moves.
	 */
	struct khv_clock_pair pair;
	int generation;
	struct khv_vm_tsc tsc;
};

struct khv_pvclock {
	u64 msr;		/* MSR_KVM_SYSTEM_TIME(_NEW) as written: address | enable */
	u32 version;
	bool stopped;		/* the client has paused the guest: tell it once */
};

void khv_vm_clock_init(struct khv_vm *vm);

/* KVM_KVMCLOCK_CTRL: 0, or -EINVAL when the guest does not use the clock. */
int khv_pvclock_stopped(struct khv_vcpu *vcpu);

/* True while the host tells its own time by the TSC. */
bool khv_pvclock_stable(void);

/* @vcpu is on another CPU than before, whose TSC may be another. From its thread. */
void khv_pvclock_moved(struct khv_vcpu *vcpu);

/* The arithmetic: factors for a frequency, and their application. Pure. */
struct khv_pvclock_scale khv_pvclock_scale(u64 tsc_hz);
u64 khv_pvclock_cycles_to_ns(struct khv_pvclock_scale scale, u64 cycles);
/* KVM_GET_CLOCK / KVM_SET_CLOCK. */
void khv_vm_clock_get(struct khv_vm *vm, struct kvm_clock_data *data);
int khv_vm_clock_set(struct khv_vm *vm, const struct kvm_clock_data *data);

/* MSR accesses of the 0x4b564d00 range and 0x11/0x12. 0, 1 for #GP, -ENOENT when not ours. */
int khv_pv_msr_read(struct khv_vcpu *vcpu, u32 index, u64 *data, bool host);
int khv_pv_msr_write(struct khv_vcpu *vcpu, u32 index, u64 data, bool host);

/*
 * KVM_HC_CLOCK_PAIRING: the host's wall clock and this vCPU's TSC of one moment, to @gpa. 0,
 * -EFAULT, or -EOPNOTSUPP while the host's clock is not its TSC. May sleep; vm->srcu held.
 */
int khv_pvclock_pairing(struct khv_vcpu *vcpu, gpa_t gpa);

/* KHV_REQ_CLOCK_UPDATE: write the clock page. May sleep; vm->srcu held. */
void khv_pvclock_update(struct khv_vcpu *vcpu);
void khv_pvclock_reset(struct khv_vcpu *vcpu);

/* The host's TSC frequency changed its relation to time (suspend, adjtime): refresh all VMs. */
int khv_pvclock_init(void);
void khv_pvclock_exit(void);

#endif
