/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Those that compete for CPUs: VMs whose vCPUs spin, and threads of the host that do.
 */
#ifndef KHV_TESTS_SCHED_PARTY_H
#define KHV_TESTS_SCHED_PARTY_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "guest.h"
#include "khv.h"
#include "ksft.h"

#define PARTIES_MOST	8

struct party {
	unsigned int weight, vcpus, cap;	/* vcpus 0: a host task */
	struct vm *vm;
	pthread_t thread;
	uint64_t before, first;			/* what it had had then */
	unsigned int due;			/* in parts per million of a CPU */
};

extern struct party parties[PARTIES_MOST];
extern unsigned int nr_parties, nr_cpus;

uint64_t clock_ns(clockid_t clock);
/* From its description: WEIGHTxVCPUS, WEIGHTxVCPUS@CAP or "task". */
struct party *party_add(const char *text);
void party_start(struct party *p);
/* Its VM's weight and cap (0: none) are what *p says from now on. */
void party_set(struct party *p);
/* CPU time that it has had, in ns: of a VM khv's own count. */
uint64_t party_had(const struct party *p);
/* This process and its threads to the first @cpus processors, 0: all that there are. */
void limit_cpus(unsigned int cpus);
/* What each has due of @nr_cpus, weighted max-min fair. */
void share_out(void);

#endif
