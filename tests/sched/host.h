/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of a host's scheduler: run queues of the fair class, as CFS (Linux 6.1) or EEVDF
 * (6.6 and later) order them, with ticks, wake-ups and load balancing between CPUs.
 *
 * Time goes in steps; within a step nothing changes. What tasks want is the caller's.
 */
#ifndef KHV_TESTS_SCHED_HOST_H
#define KHV_TESTS_SCHED_HOST_H

#include <stdbool.h>
#include <stdint.h>

#define STEP_NS		500000ULL
#define TICK_STEPS	8		/* HZ=250 */
#define MOST_CPUS	8
#define MOST_TASKS	64

struct task {
	double weight;		/* 1024: nice 0 */
	double vruntime, deadline;
	double slice_used;	/* ns on the CPU since it was chosen */
	int cpu;
	bool runnable, queued;
	uint64_t ran, waited;	/* ns in all */
};

struct host {
	bool eevdf;
	bool stubborn;		/* balancing gives up on tasks that outweigh the imbalance */
	int cpus;
	int tasks;
	struct task task[MOST_TASKS];
	int current[MOST_CPUS];	/* task, or -1 */
	bool resched[MOST_CPUS];
	double least[MOST_CPUS];	/* CFS: min_vruntime */
	int balance_failed[MOST_CPUS];
	uint64_t next_balance[MOST_CPUS];
	uint64_t steps;
	uint64_t idle;		/* ns that CPUs idled while a task waited */
};

void host_init(struct host *h, bool eevdf, int cpus);
/* A task that wants nothing yet. */
int host_add(struct host *h, double weight);
void host_set_weight(struct host *h, int t, double weight);
/* It wants a CPU, or does not any more. */
void host_wake(struct host *h, int t);
void host_sleep(struct host *h, int t);
void host_step(struct host *h);
/* It goes to a CPU by somebody else's will. */
void host_send(struct host *h, int t, int cpu);

#endif
