/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One virtual machine: what its vCPUs share, and its lifetime.
 */
#ifndef KHV_VM_VM_H
#define KHV_VM_VM_H

#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/refcount.h>
#include <linux/srcu.h>
#include <linux/types.h>

#include "irqchip/irqchip.h"
#include "mmu/mmu.h"
#include "sched/sched.h"
#include "vm/bus.h"
#include "vm/coalesced.h"
#include "vm/eventfd.h"
#include "vm/memslot.h"
#include "x86/pvclock.h"

struct mm_struct;
struct khv_msr_filter;
struct khv_vcpu;

#define KHV_MAX_VCPUS	64
#define KHV_MAX_VCPU_ID	255

/**
 * struct khv_vm_opts - what KVM_ENABLE_CAP has changed; vCPUs read it at any time, once
 * @exception_payload: clients know of CR2 and DR6 of exceptions that wait
 * @triple_fault_event: and of triple faults
 * @platform_info_hidden: guests do not read MSR_PLATFORM_INFO
 * @emulation_failure_exits: also for a guest's user space
 * @msr_exits: KVM_MSR_EXIT_REASON_*, for which the client is asked instead of #GP
 * @disabled_exits: KVM_X86_DISABLE_EXITS_* that are in force
 * @disabled_quirks: KVM_X86_QUIRK_*
 * @halt_poll_ns: KVM_CAP_HALT_POLL's limit
 */
struct khv_vm_opts {
	bool exception_payload, triple_fault_event, platform_info_hidden;
	bool emulation_failure_exits;
	u32 msr_exits, disabled_exits, halt_poll_ns;
	u64 disabled_quirks;
};

/**
 * struct khv_vm - one virtual machine
 *
 * Lock order (docs/locking.md): @lock, vcpu->lock, @slots_lock, @irq.lock, @mmu.lock.
 * @srcu protects the memory slots, the buses and the GSI routing for readers.
 */
struct khv_vm {
	struct mm_struct *mm;		/* grabbed (mmgrab), not pinned */
	refcount_t users;		/* the VM's fd and each vCPU's fd */
	struct mutex lock;		/* vCPU creation, irqchip creation, VM attributes */
	struct mutex slots_lock;	/* writers of @slots and of @buses */
	struct srcu_struct srcu;
	struct list_head node;		/* in khv_vms, under khv_vms_lock */

	/* Grows under @lock; readers use khv_vm_vcpu() up to nr_vcpus. */
	struct khv_vcpu *vcpus[KHV_MAX_VCPUS];
	int nr_vcpus;			/* release/acquire */
	bool dead;			/* no ioctl but close goes on (READ_ONCE) */

	struct khv_memslots __rcu *slots;
	u32 dirty_manual;		/* KVM_DIRTY_LOG_*, under @slots_lock */
	struct khv_bus __rcu *buses[KHV_NR_BUSES];
	struct khv_coalesced coalesced;	/* vm/coalesced.h */
	struct khv_mmu mmu;		/* mmu/mmu.h */
	struct khv_irqchip irq;		/* irqchip/irqchip.h */
	struct khv_irqfds irqfds;	/* vm/eventfd.h */
	struct khv_ioeventfds ioeventfds;
	struct khv_vm_clock clock;	/* x86/pvclock.h */
	struct khv_vm_sched sched;	/* sched/sched.h */

	struct khv_vm_opts opts;
	struct khv_msr_filter __rcu *msr_filter;	/* x86/msr_filter.c; writers hold @lock */

	gpa_t tss_addr;			/* KVM_SET_TSS_ADDR, kept for the ABI's sake */
	gpa_t identity_map_addr;
	u32 bsp_id;
	u32 max_vcpu_id;		/* by KVM_ENABLE_CAP, or 0; under @lock */

	struct dentry *debugfs;
	atomic64_t tlb_flushes;		/* for vm/stats.c: calls of khv_vm_flush_tlbs() */
	void *hw;			/* the vendor's part */
};

/* Every VM there is. */
extern struct list_head khv_vms;
extern struct mutex khv_vms_lock;

/* Create a VM for the calling process. ERR_PTR on failure. */
struct khv_vm *khv_vm_create(void);
void khv_vm_get(struct khv_vm *vm);
/* Drop one user; the last one tears the VM down. May sleep. */
void khv_vm_put(struct khv_vm *vm);

/* KVM_CREATE_VM: a new VM's file descriptor, or -errno. */
int khv_vm_create_fd(unsigned long type);

/* Is KVM's behaviour @quirk (KVM_X86_QUIRK_*) wanted? By default. */
static inline bool khv_quirk(struct khv_vm *vm, u64 quirk)
{
	return !(READ_ONCE(vm->opts.disabled_quirks) & quirk);
}

/* The nth vCPU or NULL; @n may come from anyone. */
static inline struct khv_vcpu *khv_vm_vcpu(struct khv_vm *vm, unsigned int n)
{
	/* Pairs with the release in khv_vcpu_create(). */
	unsigned int nr = smp_load_acquire(&vm->nr_vcpus);

	if (n >= nr)
		return NULL;
	return vm->vcpus[array_index_nospec(n, nr)];
}

/* Are local APICs and the GSI routing in the kernel? What was made with them is there then. */
static inline bool khv_irqchip_in_kernel(struct khv_vm *vm)
{
	/* Pairs with the release in khv_irqchip_create(). */
	return smp_load_acquire(&vm->irq.in_kernel);
}

/* And PIC and I/O APIC, too? */
static inline bool khv_pic_in_kernel(struct khv_vm *vm)
{
	return khv_irqchip_in_kernel(vm) && !vm->irq.split;
}

#define khv_for_each_vcpu(i, vcpu, vm) \
	for ((i) = 0; ((vcpu) = khv_vm_vcpu((vm), (i))) != NULL; (i)++)

#endif
