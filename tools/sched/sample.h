/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What khv sched shows: all VMs and the CPUs at two points of time, and what follows.
 */
#ifndef KHV_TOOL_SCHED_SAMPLE_H
#define KHV_TOOL_SCHED_SAMPLE_H

#include <stdbool.h>
#include <stdio.h>

#include "../uapi/khv.h"

#define KHV_SAMPLE_CPUS 1024u

struct khv_sched_sample {
	uint64_t ns;			/* CLOCK_MONOTONIC */
	struct khv_sched_vm *vm;	/* from malloc() */
	unsigned int vms;
	/* For each CPU of the host that is online, in ticks of USER_HZ. */
	uint64_t busy[KHV_SAMPLE_CPUS];
	unsigned int cpus;
	struct khv_pool pool[KHV_POOLS];	/* those with a policy or members */
	unsigned int pools;
};

/* Take one from the device @fd, whose path is @accel. Returns 0, or -1 after a message. */
int khv_sched_take(struct khv_sched_sample *s, int fd, const char *accel);
void khv_sched_free(struct khv_sched_sample *s);

/* A VM between two samples; shares are in CPUs. */
struct khv_sched_share {
	const struct khv_sched_vm *vm;
	char name[64];		/* or "" */
	double asked;		/* as fair sharing would have it */
	double got;
	double waiting, throttled, halted;
};

struct khv_sched_report {
	double seconds;
	struct khv_sched_share *share;	/* from malloc(); by pool, in the pool's order */
	unsigned int shares;
	double jain;		/* of got over asked, of those due 1 % of a CPU; or -1: nobody */
	const struct khv_pool *pool;
	unsigned int pools;
	double balance;		/* the mean CPU's load over the highest; or -1: no load */
};

/* VMs that are in both. Returns 0, or -1 after a message. Points into @after. */
int khv_sched_compare(const struct khv_sched_sample *before, const struct khv_sched_sample *after,
		      struct khv_sched_report *report);

void khv_sched_print(const struct khv_sched_report *report, FILE *out);
void khv_sched_json(const struct khv_sched_report *report, FILE *out);

/* Jain's fairness index of @n values, or -1 if all are 0. */
double khv_jain(const double *x, unsigned int n);

/* The busy ticks of each CPU in /proc/stat's @text; returns how many CPUs. */
unsigned int khv_parse_proc_stat(const char *text, uint64_t *busy, unsigned int room);

#endif
