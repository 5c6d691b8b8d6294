/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pools of batch VMs and what decides who of them runs: one policy is one small file.
 */
#ifndef KHV_SCHED_POOL_H
#define KHV_SCHED_POOL_H

#include <linux/list.h>
#include <linux/types.h>

struct khv_vm;
struct khv_pool;

/**
 * struct khv_pool_vm - a VM as its pool sees it
 * @queue: among those of its pool that run or want to
 * @held: its vCPUs stay out of the guest; written under khv_sched_lock, they READ_ONCE
 * @admitted: it is one of those that run
 * @arrived: when it first wanted to run, ns
 * @since: since when it waits, or runs
 * @turn: in the order of admissions
 * @aged: how many of its pool's times of aging it had waited when it was admitted
 * @place: in the order of the pool, from 0; those below the number of slots run
 */
struct khv_pool_vm {
	struct list_head queue;
	bool held, admitted;
	u64 arrived, since, turn;
	u64 aged;
	u32 place;
};

/* What a policy knows of a VM that runs or wants to. */
struct khv_candidate {
	u64 arrived;		/* ns */
	u64 aged;		/* times of aging that it has waited */
	u64 length;		/* ns of CPU time as declared; U64_MAX: not known */
	s32 priority;
};

/**
 * struct khv_policy - who of a pool runs
 * @name: as users see it
 * @preempts: who is later in the order than others makes room for them at once; else it
 *	keeps its slot to its end
 * @compare: below 0 if @a comes before @b, above 0 if after, 0 if that does not matter:
 *	then who came first
 */
struct khv_policy {
	const char *name;
	bool preempts;
	int (*compare)(const struct khv_candidate *a, const struct khv_candidate *b);
};

extern const struct khv_policy khv_policy_fcfs, khv_policy_sjf, khv_policy_priority;

/* With khv_sched_lock held. */
void khv_pool_add(struct khv_vm *vm);
void khv_pool_remove(struct khv_vm *vm);
/* What was set of @vm changed; it was in the pool @old before. */
void khv_pool_changed(struct khv_vm *vm, u32 old);
/* Is leaving this pool as good as going round its policy? */
bool khv_pool_binds(u32 pool);

/* A vCPU found its VM held: it takes its place in the queue if it has none. 0 or -EINTR. */
int khv_pool_join(struct khv_vm *vm);
void khv_pool_exit(void);

/* The calls of uapi/khv.h. */
int khv_pool_set(const struct khv_pool *arg);
int khv_pool_get(struct khv_pool *arg);

#endif
