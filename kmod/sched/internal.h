/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of this folder share.
 */
#ifndef KHV_SCHED_INTERNAL_H
#define KHV_SCHED_INTERNAL_H

#include <linux/list.h>
#include <linux/mutex.h>

#include "sched/sched.h"

/* The weight that stands for a task of nice 0. */
#define KHV_SCHED_NICE_0	100

/* Guards the list of all VMs, in the order of their creation, and their parameters. */
extern struct mutex khv_sched_lock;
extern struct list_head khv_sched_vms;

/* Since its state was last brought up to date. */
u64 khv_sched_unchanged_ns(const struct khv_vcpu_sched *s);
/* @ns[] of a vCPU's states until now; returns how long since its creation. */
u64 khv_sched_snapshot(const struct khv_vcpu_sched *s, u64 ns[KHV_SCHED_STATES]);

/* Bring @s->cycles up to date. Its thread, inside KVM_RUN, preemption off. */
void khv_sched_update(struct khv_vcpu_sched *s);

/* cap.c: the vCPU begins to run; it stops, and @waits for a CPU or sleeps. In the scheduler. */
void khv_cap_run(struct khv_vcpu *vcpu);
void khv_cap_stop(struct khv_vcpu *vcpu, bool waits);
/* @vm->sched.params have changed. khv_sched_lock is held. */
void khv_cap_set(struct khv_vm *vm);
void khv_cap_vm_init(struct khv_vm *vm);
void khv_cap_vm_uninit(struct khv_vm *vm);
void khv_cap_vcpu_init(struct khv_vcpu *vcpu);

/*
 * gang.c: who of a group, allowed on these CPUs, is in the next slot; and a VM is in no group any
 * more. khv_sched_lock is held.
 */
void khv_gang_slot(struct khv_law_vm *const *laws, unsigned int nr, const struct cpumask *allowed);
void khv_gang_release(struct khv_vm *vm);

/*
 * place.c: one of the group may have to go to another CPU. khv_sched_lock is held; sleeps.
 */
void khv_place(struct khv_law_vm *const *laws, unsigned int nr, const struct cpumask *allowed,
	       u64 period);
/*
 * The caller, a vCPU's thread, is about to sleep for a while: if that leaves its CPU idle, a vCPU
 * of another VM than @but that waits elsewhere comes. The host's balancer looks for one at times
 * only, and may take until the next tick. Sleeps.
 */
void khv_place_fetch(const struct khv_vm *but);

/* weight.c: there is a VM more or one less, or a weight was set. khv_sched_lock is held. */
void khv_weight_changed(void);
/* ns that fair sharing would have given @vm. khv_sched_lock is held. */
u64 khv_weight_due(struct khv_vm *vm);
/* A VM goes: its threads get back what nice levels they had. khv_sched_lock is held. */
void khv_weight_forget(struct khv_vm *vm);
/* The module comes, and may have to do without for want of memory; it goes. */
int khv_weight_init(void);
void khv_weight_exit(void);

#endif
