// SPDX-License-Identifier: GPL-2.0-only
/*
 * What competes for CPUs (party.h), and what each should get.
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest_cpu.h"
#include "party.h"

struct party parties[PARTIES_MOST];
unsigned int nr_parties, nr_cpus;

static void guest_spin(void)
{
	for (;;)
		cpu_pause();
}

static void *run_vcpu(void *arg)
{
	for (;;)
		try_run(arg);
	return NULL;
}

static void *run_task(void *unused)
{
	for (;;)
		asm volatile("" : : : "memory");
	return NULL;
}

uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	ASSERT(!clock_gettime(clock, &t));
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

uint64_t party_had(const struct party *p)
{
	struct khv_sched_stats stats = { .vcpu = KHV_SCHED_ALL_VCPUS };
	clockid_t clock;

	if (!p->vcpus) {
		ASSERT(!pthread_getcpuclockid(p->thread, &clock));
		return clock_ns(clock);
	}
	ASSERT_EQ(try_ioctl(p->vm->fd, KHV_GET_SCHED_STATS, &stats), 0);
	return stats.times.guest + stats.times.hypervisor;
}

void party_set(struct party *p)
{
	struct khv_sched sched = {
		.set = KHV_SCHED_WEIGHT | KHV_SCHED_CAP, .weight = p->weight, .cap = p->cap,
	};

	ASSERT_EQ(try_ioctl(p->vm->fd, KHV_SET_SCHED, &sched), 0);
}

struct party *party_add(const char *text)
{
	struct party *p = &parties[nr_parties++];
	int found;

	ASSERT(nr_parties <= PARTIES_MOST);
	*p = (struct party) { .weight = 100 };
	if (strcmp(text, "task")) {
		found = sscanf(text, "%ux%u@%u", &p->weight, &p->vcpus, &p->cap);
		ASSERT(found >= 2 && p->weight && p->vcpus && p->vcpus <= GUEST_CPUS, "%s", text);
	}
	return p;
}

void party_start(struct party *p)
{
	struct vcpu *vcpu;

	if (!p->vcpus) {
		ASSERT(!pthread_create(&p->thread, NULL, run_task, NULL));
		return;
	}
	p->vm = vm_create(VM_RAM_SIZE, 0);
	party_set(p);
	for (unsigned int i = 0; i < p->vcpus; i++) {
		vcpu = vcpu_create(p->vm, i);
		guest_start(vcpu, guest_spin);
		ASSERT(!pthread_create(&p->thread, NULL, run_vcpu, vcpu));
	}
}

void limit_cpus(unsigned int cpus)
{
	cpu_set_t set;

	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (!cpus || cpus >= nr_cpus)
		return;
	nr_cpus = cpus;
	CPU_ZERO(&set);
	while (cpus--)
		CPU_SET(cpus, &set);
	ASSERT(!sched_setaffinity(0, sizeof(set), &set));
}

/* What it can use, in parts per million of a CPU. */
static unsigned int most(const struct party *p)
{
	unsigned int m = (p->vcpus ?: 1) * 1000000;

	return p->cap && p->cap * 10000 < m ? p->cap * 10000 : m;
}

void share_out(void)
{
	uint64_t left = nr_cpus * 1000000ULL, weights, given;
	bool again = true;
	unsigned int i;

	for (i = 0; i < nr_parties; i++)
		parties[i].due = 0;
	while (again) {
		again = false;
		weights = given = 0;
		for (i = 0; i < nr_parties; i++)
			weights += parties[i].due ? 0 : parties[i].weight;
		for (i = 0; i < nr_parties; i++) {
			if (parties[i].due || most(&parties[i]) * weights > left * parties[i].weight)
				continue;
			parties[i].due = most(&parties[i]);
			given += parties[i].due;
			again = true;
		}
		left -= given;
	}
	for (i = 0; i < nr_parties; i++)
		if (!parties[i].due)
			parties[i].due = left * parties[i].weight / weights;
}
