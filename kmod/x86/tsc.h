/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guests' TSCs: each is the host's, scaled and shifted.
 */
#ifndef KHV_X86_TSC_H
#define KHV_X86_TSC_H

#include <linux/atomic.h>
#include <linux/types.h>

struct khv_vm;
struct khv_vcpu;

/* Ratios of guest to host frequency are fixed-point numbers with so many bits of fraction. */
#define KHV_TSC_FRACTION	48
#define KHV_TSC_UNSCALED	(1ULL << KHV_TSC_FRACTION)

/* A vCPU's: (host TSC * ratio >> KHV_TSC_FRACTION) + offset. Written under vcpu->lock. */
struct khv_tsc {
	u32 khz;		/* as the client has it: no ratio where that is near enough */
	u64 ratio;
	u64 offset;
	u64 lost;		/* what of the host's losses is in the offset */
	/* What clients have made of it, losses left out; under the clock's lock, too. */
	u64 told_ratio, told_offset;
};

/*
 * A VM's: what vCPUs start with, and the last write of a client. All under the lock of
 * struct khv_vm_clock but @khz (READ_ONCE).
 */
struct khv_vm_tsc {
	u32 khz;		/* of new vCPUs */
	u64 created_at;		/* the host's TSC when the VM came to be, as all here with its losses */
	u64 ratio, offset;	/* of the vCPU that was last written or created */
	u64 written, written_at;	/* its value, and the host's TSC then */
};

void khv_vm_tsc_init(struct khv_vm *vm);
/* A new vCPU: frequency as KVM_SET_TSC_KHZ of the VM said, zero at the VM's creation. */
void khv_tsc_reset(struct khv_vcpu *vcpu);

/*
 * KVM_SET_TSC_KHZ of a vCPU, and of a VM for those to come. 0 is the host's frequency.
 * One that differs by more than the host's own NTP would allow needs a processor that
 * scales. The TSC keeps its offset if a client has set that, else it is what it would be
 * had it run so from the VM's creation. 0, or -EINVAL with nothing changed.
 */
int khv_tsc_set_khz(struct khv_vcpu *vcpu, unsigned long khz);
int khv_vm_tsc_set_khz(struct khv_vm *vm, unsigned long khz);

/*
 * A client's write of @data to IA32_TSC. Clients write the same value to one vCPU after
 * the other; what is within a second of the last write, counted on from there, is meant
 * to be that write.
 */
void khv_tsc_write(struct khv_vcpu *vcpu, u64 data);
/* KVM_VCPU_TSC_OFFSET: later writes to others are compared with it. */
void khv_tsc_client_offset(struct khv_vcpu *vcpu, u64 offset);
/* The guest moved its TSC. */
void khv_tsc_set_offset(struct khv_vcpu *vcpu, u64 offset);

/* Ticks in all that the host's TSC lost: with these added to it, it goes on. */
extern atomic64_t khv_host_tsc_lost;

static inline u64 khv_tsc_lost(void)
{
	return atomic64_read(&khv_host_tsc_lost);
}

/*
 * The host's timekeeper moved on; @resumed: perhaps after a sleep, from which TSCs come back
 * near 0. Only one caller at a time, with interrupts off.
 */
void khv_tsc_host_tick(bool resumed);
/* Whoever has taken vcpu->lock: what the host's TSC lost meanwhile, the guest's did not. */
void khv_tsc_catch_up(struct khv_vcpu *vcpu);

/* All vCPUs have the same, as far as clients set them. Under the lock of struct khv_vm_clock. */
bool khv_tsc_together(struct khv_vm *vm);

/* The TSC as the guest reads it now, and at the host's @host_tsc. */
u64 khv_guest_tsc(struct khv_vcpu *vcpu);
u64 khv_guest_tsc_at(const struct khv_vcpu *vcpu, u64 host_tsc);

#endif
