// SPDX-License-Identifier: GPL-2.0-only
/*
 * What competes for CPUs (party.h), and what each should get.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest_apic.h"
#include "guest_cpu.h"
#include "party.h"

#define TIMER_VECTOR	0x40
#define TIMER_NS	1000000
#define CGROUPS		"/tmp/cpu-groups"

struct party parties[PARTIES_MOST];
unsigned int nr_parties, nr_cpus;
bool vms_in_group;

static void guest_spin(void)
{
	for (;;)
		cpu_pause();
}

static volatile unsigned int ticks;

static void tick(struct guest_frame *frame)
{
	ticks++;
	xapic_write(APIC_EOI, 0);
}

/* Its timer's interrupts, and exits of all kinds that end in the kernel. */
static void guest_toil(void)
{
	uint32_t r[4];

	guest_handlers[TIMER_VECTOR] = tick;
	xapic_write(APIC_SPIV, 0x1ff);
	xapic_write(APIC_TDCR, 0xb);
	xapic_write(APIC_LVT_TIMER, TIMER_VECTOR | APIC_TIMER_PERIODIC);
	xapic_write(APIC_TMICT, TIMER_NS);	/* of 1 GHz */
	sti();
	for (;;) {
		cpuid(0, 0, r);
		xapic_read(APIC_TMCCT);
		inb(0x21);
		for (volatile int i = 0; i < 1000; i++)
			;
	}
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

uint64_t party_used(const struct party *p)
{
	clockid_t clock;
	uint64_t ns = 0;

	for (unsigned int i = 0; i < (p->vcpus ?: 1); i++) {
		ASSERT(!pthread_getcpuclockid(p->threads[i], &clock));
		ns += clock_ns(clock);
	}
	return ns;
}

uint64_t party_had(const struct party *p)
{
	struct khv_sched_stats stats = { .vcpu = KHV_SCHED_ALL_VCPUS };

	if (!p->vcpus)
		return party_used(p);
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
	int found, end = 0;

	ASSERT(nr_parties <= PARTIES_MOST);
	*p = (struct party) { .weight = 100 };
	if (strcmp(text, "task")) {
		found = sscanf(text, "%ux%u%n@%u%n", &p->weight, &p->vcpus, &end, &p->cap, &end);
		ASSERT(found >= 2 && p->weight && p->vcpus && p->vcpus <= GUEST_CPUS, "%s", text);
		p->toils = text[end] == '!';
		ASSERT(!text[end + p->toils], "%s", text);
	}
	return p;
}

/* This thread, and those that it makes from now on. */
static void join_group(const char *path)
{
	FILE *f = fopen(path, "w");
	bool joined = f && fprintf(f, "%d", gettid()) > 0;

	joined = f && !fclose(f) && joined;
	ASSERT(joined, "%s", path);
}

static void join_vms(bool join)
{
	if (!vms_in_group)
		return;
	if (mkdir(CGROUPS, 0755) && errno == EEXIST)
		goto mounted;
	ASSERT(!mount("cgroup", CGROUPS, "cgroup", 0, "cpu"), "no cpu controller of version 1");
mounted:
	ASSERT(!mkdir(CGROUPS "/vms", 0755) || errno == EEXIST);
	join_group(join ? CGROUPS "/vms/tasks" : CGROUPS "/tasks");
}

void party_start(struct party *p)
{
	struct vcpu *vcpu;

	join_vms(p->vcpus);
	if (!p->vcpus) {
		ASSERT(!pthread_create(&p->threads[0], NULL, run_task, NULL));
		return;
	}
	p->vm = vm_create(VM_RAM_SIZE, p->toils ? VM_IRQCHIP : 0);
	party_set(p);
	for (unsigned int i = 0; i < p->vcpus; i++) {
		vcpu = vcpu_create(p->vm, i);
		guest_start(vcpu, p->toils ? guest_toil : guest_spin);
		ASSERT(!pthread_create(&p->threads[i], NULL, run_vcpu, vcpu));
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

/* @left to some by weight, none more than it can use; NULL stands for all VMs together. */
static unsigned int share_among(struct party **among, unsigned int nr, uint64_t left)
{
	unsigned int i, all_most = 0, all_due = 0, can[PARTIES_MOST], *due[PARTIES_MOST];
	uint64_t weights, given, weight[PARTIES_MOST];
	bool again = true;

	for (i = 0; i < nr_parties; i++)
		all_most += parties[i].vcpus ? most(&parties[i]) : 0;
	for (i = 0; i < nr; i++) {
		due[i] = among[i] ? &among[i]->due : &all_due;
		can[i] = among[i] ? most(among[i]) : all_most;
		weight[i] = among[i] ? among[i]->weight : 100;
		*due[i] = 0;
	}
	while (again) {
		again = false;
		weights = given = 0;
		for (i = 0; i < nr; i++)
			weights += *due[i] ? 0 : weight[i];
		for (i = 0; i < nr; i++) {
			if (*due[i] || can[i] * weights > left * weight[i])
				continue;
			*due[i] = can[i];
			given += can[i];
			again = true;
		}
		left -= given;
	}
	for (i = 0; i < nr; i++)
		if (!*due[i])
			*due[i] = left * weight[i] / weights;
	return all_due;
}

void share_out(unsigned int all)
{
	struct party *among[PARTIES_MOST + 1];
	unsigned int i, nr = 0;

	if (vms_in_group) {
		for (i = 0; i < nr_parties; i++)
			if (!parties[i].vcpus)
				among[nr++] = &parties[i];
		among[nr++] = NULL;
		all = share_among(among, nr, all);
		nr = 0;
	}
	for (i = 0; i < nr_parties; i++)
		if (!vms_in_group || parties[i].vcpus)
			among[nr++] = &parties[i];
	share_among(among, nr, all);
}
