/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of a vCPU and of a VM, and who may see them: root in debugfs, a client
 * through KVM_GET_STATS_FD.
 *
 * Names are KVM's where the meaning is the same. What is counted is counted where
 * it happens, by the vCPU itself, without atomics: a reader on another CPU gets
 * whole words, if not all of the same instant.
 */
#ifndef KHV_VM_STATS_H
#define KHV_VM_STATS_H

#include <linux/types.h>

#include "vm/exit.h"

struct khv_vm;
struct khv_vcpu;
struct dentry;

/*
 * X(member), in the order in which readers see them:
 * exits, entries: of the guest
 * irq_, nmi_, exception_injections: handed to the hardware, once each however often
 *	their delivery was cut off
 * pf_taken: nested faults, or page faults with shadow paging; pf_fixed: of these,
 *	after which the guest goes on; pf_emulate: it touched a device; pf_guest: of
 *	pf_fixed, with shadow paging, those that were the guest's own
 * tlb_flush: all translations forgotten, on request
 * io_exits, mmio_exits, signal_exits: returns to the client
 * halt_exits: HLT; halt_wakeup: ends of halts that had to be slept for;
 *	halt_attempted_poll: halts waited for actively; halt_successful_poll: until they ended
 * directed_yield_attempted: spins, kicks and yields that offered the CPU to another vCPU;
 *	directed_yield_successful: which got it
 * insn_emulation, insn_emulation_fail: instructions through the emulator
 */
#define KHV_VCPU_STATS(X)						\
	X(exits) X(entries)						\
	X(irq_injections) X(nmi_injections) X(exception_injections)	\
	X(pf_taken) X(pf_fixed) X(pf_emulate) X(pf_guest)		\
	X(tlb_flush) X(io_exits) X(mmio_exits) X(signal_exits)		\
	X(halt_exits) X(halt_wakeup)					\
	X(halt_attempted_poll) X(halt_successful_poll)			\
	X(insn_emulation) X(insn_emulation_fail) X(hypercalls)		\
	X(directed_yield_attempted) X(directed_yield_successful)

#define KHV_STAT_MEMBER(name)	u64 name;

/* vcpu->stats: written by the vCPU's own thread, or by who holds vcpu->lock. */
struct khv_vcpu_stats {
	KHV_VCPU_STATS(KHV_STAT_MEMBER)
	u64 exit[KHV_NR_EXITS];		/* @exits by reason, enum khv_exit */
};

#undef KHV_STAT_MEMBER

/* KVM_GET_STATS_FD on a VM or on a vCPU: a descriptor that keeps the VM, or -errno. */
int khv_vm_stats_fd(struct khv_vm *vm);
int khv_vcpu_stats_fd(struct khv_vcpu *vcpu);

/*
 * debugfs, for root: khv/ with totals over all VMs, a folder PID-FD in it for each
 * VM (PID-FD.N if there is one of that name), with the VM's own counters and the
 * sums of its vCPUs', and a folder vcpuN in that. A file per counter, one for exits by
 * reason and one, "times", for where time went; a vCPU's are all in one, "stats".
 * Failures are ignored, as the kernel recommends.
 */
void khv_debugfs_init(void);
void khv_debugfs_exit(void);
void khv_debugfs_add_vm(struct khv_vm *vm, int fd);
void khv_debugfs_add_vcpu(struct khv_vcpu *vcpu);
/* With all that is in it; returns when no reader is in the VM any more. */
void khv_debugfs_remove_vm(struct khv_vm *vm);

#endif
