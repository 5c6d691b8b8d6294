/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Those that compete for CPUs: VMs whose vCPUs spin, and threads of the host that do.
 */
#ifndef KHV_TESTS_SCHED_PARTY_H
#define KHV_TESTS_SCHED_PARTY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "guest.h"
#include "khv.h"
#include "ksft.h"

#define PARTIES_MOST	8

struct party {
	unsigned int weight, vcpus, cap;	/* vcpus 0: a host task */
	bool toils;				/* takes interrupts and exits, and does not just spin */
	struct vm *vm;
	pthread_t threads[GUEST_CPUS];
	uint64_t had, gained;			/* CPU time so far, and of it in this window */
	uint64_t first, used;			/* the same by its threads' clocks, at first and now */
	unsigned int due, share;		/* in parts per million of a CPU */
};

extern struct party parties[PARTIES_MOST];
extern unsigned int nr_parties, nr_cpus;
extern bool vms_in_group;	/* VMs in a cgroup of their own, with the weight of one task */

uint64_t clock_ns(clockid_t clock);
/* From its description: WEIGHTxVCPUS, WEIGHTxVCPUS@CAP, with ! if it toils, or "task". */
struct party *party_add(const char *text);
void party_start(struct party *p);
/* Its VM's weight and cap (0: none) are what *p says from now on. */
void party_set(struct party *p);
/* CPU time that it has had, in ns: of a VM khv's own count. */
uint64_t party_had(const struct party *p);
/* The same by its threads' own clocks, which know nothing of khv. */
uint64_t party_used(const struct party *p);
/* This process and its threads to the first @cpus processors, 0: all that there are. */
void limit_cpus(unsigned int cpus);
/* What each has due of @all, in parts per million of a CPU, weighted max-min fair. */
void share_out(unsigned int all);

#endif
