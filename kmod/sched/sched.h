/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VM as the unit of CPU scheduling: what a VM and a vCPU have of it.
 *
 * vCPUs are tasks that the host's scheduler runs. account.c learns from it when it does, and
 * so where their time goes; ioctl.c is how clients ask and tell (uapi/khv.h).
 */
#ifndef KHV_SCHED_SCHED_H
#define KHV_SCHED_SCHED_H

#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/preempt.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>

#include <asm/msr.h>

#include "khv.h"
#include "sched/law.h"
#include "sched/pool.h"

struct khv_vm;
struct khv_vcpu;
struct cpumask;
struct pid;
struct task_struct;

/* What a vCPU is doing at any time. */
enum khv_sched_state {
	KHV_SCHED_OTHER,	/* not inside KVM_RUN, or asleep there for the host's reasons */
	KHV_SCHED_RUNNING,	/* inside KVM_RUN, on a CPU */
	KHV_SCHED_WAITING,	/* for a CPU */
	KHV_SCHED_HALTED,	/* asleep, and the guest has nothing to do */
	KHV_SCHED_THROTTLED,	/* asleep because of a cap */
	KHV_SCHED_STATES
};

/**
 * struct khv_vcpu_cap - what a vCPU has drawn from its VM's pool
 * @drawn: it has a slice, of which @slice ns are left, or have been too many
 * @charged: how long it had run when @slice was last right
 * @throttled: it sleeps until there is something in the pool
 * @end: of the slice, while it runs
 *
 * The thread's own, but @throttled.
 */
struct khv_vcpu_cap {
	bool drawn, throttled;
	s64 slice;
	u64 charged;
	struct hrtimer end;
};

/**
 * struct khv_vm_cap - the pool
 * @lock: for what follows; raw, taken in the scheduler too. Nobody is woken under it
 * @quota: ns in each @period; 0: no cap. Also read without @lock
 * @most: ns that there may be in it
 * @left: ns that are; less than 0 if more was run than drawn
 * @ticking: @refill is on its way
 * @began: when the period did, ns
 * @forgiven: ns that were run too soon and are no debt, unless the cap is raised before
 *	@forgiven_until
 * @drawn: somebody has since the last time
 * @refill: each period
 * @wake: those that are throttled, from where nobody can be woken
 */
struct khv_vm_cap {
	raw_spinlock_t lock;
	u64 quota, period, most;
	s64 left;
	u64 began, forgiven, forgiven_until;
	bool ticking, drawn;
	struct hrtimer refill;
	struct irq_work wake;
};

/**
 * struct khv_vcpu_sched - of one vCPU
 * @seq: readers of @state, @since and @cycles; the writer has preemption off
 * @state: enum khv_sched_state
 * @asleep: what it is when its thread sleeps; the thread's own
 * @since: when @cycles was last brought up to date
 * @cycles: how long it was in each state
 * @guest: cycles in the guest; less the TSC while it is there
 * @guest_before: the TSC last lost its value
 * @run_delay: what the thread had waited in all when it lost its CPU, or left KVM_RUN
 * @left: the thread that did, to be compared only
 * @cap: see there
 * @notifier: in the list of the thread inside KVM_RUN
 * @task: the thread whose nice level is weight.c's, with a reference, or NULL
 * @own_nice: what its owner made it
 * @set_nice: what weight.c made it
 * @lowest_nice: of all that weight.c made it
 * @resets: weight.c has made what the thread creates begin with nice 0
 * @error: of the levels so far, for khv_law_nice()
 * @ran, @waited: ns until the last period
 * @did, @waits: ns in that
 *
 * @task and what follows is under khv_sched_lock. All else is written by the thread inside
 * KVM_RUN, in the scheduler too.
 */
struct khv_vcpu_sched {
	seqcount_t seq;
	u8 state, asleep;
	u64 since;
	u64 cycles[KHV_SCHED_STATES];
	u64 guest, guest_before;
	u64 run_delay;
	const void *left;
	struct khv_vcpu_cap cap;
	struct preempt_notifier notifier;

	struct task_struct *task;
	int own_nice, set_nice, lowest_nice;
	bool resets;
	s64 error;
	u64 ran, waited, did, waits;
};

/**
 * struct khv_vm_sched - of one VM
 * @node: in the list of all, under khv_sched_lock
 * @id: its number
 * @owner: the process that created it
 * @uid: that one's effective user
 * @cap: see there; changed as @params say
 * @params: what clients have set
 * @weighed: its weight was set, so that it counts though it be the only VM
 * @law: of its weight
 * @ran, @waited: ns until the last period
 * @due: ns that fair sharing would have given it
 * @group: which of the host's groups of tasks its vCPUs are in, and on which CPUs they may be:
 *	@cpus is of the task, and not looked at without its reference
 * @uneven: for how many periods its group has not been spread over its CPUs well, if the VM is the
 *	group's first
 * @done: in this period
 * @held: its vCPUs are to stay out of the guest in this slot (gang.c); they READ_ONCE
 * @chosen: it is in the slot that is being put together
 * @pool: its place in that
 *
 * All but @cap under khv_sched_lock.
 */
struct khv_vm_sched {
	struct list_head node;
	u64 id;
	struct pid *owner;
	kuid_t uid;
	struct khv_vm_cap cap;
	struct khv_sched params;
	bool weighed;
	struct khv_law_vm law;
	u64 ran, waited, due;
	const void *group;
	const struct cpumask *cpus;
	u8 uneven;
	bool done, held, chosen;
	struct khv_pool_vm pool;
};

int khv_sched_init(void);
void khv_sched_exit(void);
void khv_sched_vm_init(struct khv_vm *vm);
void khv_sched_vm_uninit(struct khv_vm *vm);
void khv_sched_vcpu_init(struct khv_vcpu *vcpu);

/* KVM_RUN begins and ends. */
void khv_sched_enter(struct khv_vcpu *vcpu);
void khv_sched_leave(struct khv_vcpu *vcpu);

/* What sleeping means from now on: a state, KHV_SCHED_OTHER if nothing in particular. */
static inline void khv_sched_asleep(struct khv_vcpu_sched *s, enum khv_sched_state state)
{
	s->asleep = state;
}

/* KHV_REQ_CAP: draw a slice, sleep until there is one. 0 or -EINTR. */
int khv_cap_work(struct khv_vcpu *vcpu);

/* Around the instruction that enters the guest. One word, so that readers need no lock. */
static __always_inline void khv_sched_guest_enter(struct khv_vcpu_sched *s)
{
	WRITE_ONCE(s->guest, s->guest - rdtsc());
}

static __always_inline void khv_sched_guest_leave(struct khv_vcpu_sched *s)
{
	WRITE_ONCE(s->guest, s->guest + rdtsc());
}

/* The host's TSC has lost its value. The vCPU is not in the guest. */
static inline void khv_sched_tsc_lost(struct khv_vcpu_sched *s)
{
	s->guest_before += s->guest;
	WRITE_ONCE(s->guest, 0);
}

u64 khv_sched_ns(u64 cycles);

/* Cycles that it could have run but was not let: by the host's other tasks, by its cap. */
static inline u64 khv_sched_stolen(const struct khv_vcpu_sched *s)
{
	return READ_ONCE(s->cycles[KHV_SCHED_WAITING]) +
	       READ_ONCE(s->cycles[KHV_SCHED_THROTTLED]);
}

/* Where the time went until now; adds to @times. May sleep. */
void khv_sched_times(struct khv_vcpu *vcpu, struct khv_sched_times *times);
void khv_sched_vm_times(struct khv_vm *vm, struct khv_sched_times *times);

/* The members of struct khv_sched that can be set: KHV_SCHED_*. */
u32 khv_sched_settable(void);
/* The calls of uapi/khv.h: 0 or more, or -errno. */
int khv_sched_set(struct khv_vm *vm, const struct khv_sched *params);
void khv_sched_get(struct khv_vm *vm, struct khv_sched *params);
int khv_sched_stats(struct khv_vm *vm, struct khv_sched_stats *stats);
int khv_sched_list(const struct khv_sched_vms *arg);

#endif
