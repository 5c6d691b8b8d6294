// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes samples of all VMs and of the CPUs, and compares two.
 *
 * Jain's index, (sum x)^2 / (n sum x^2), is 1 when all VMs got the same part of what they
 * were due, and 1/n when one got everything. The load-balance factor, mean load over highest
 * load of the CPUs, is 1 when all are equally busy.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "khv.h"
#include "sched/pools.h"
#include "sched/sample.h"

#define STAT_MAX	(1u << 20)
#define ROOM_MORE	16u	/* VMs that may come between two calls */
#define NS_PER_S	1e9
#define DUE_MIN		0.01	/* CPUs: of less, what was got says nothing about fairness */

unsigned int khv_parse_proc_stat(const char *text, uint64_t *busy, unsigned int room)
{
	unsigned int n = 0;

	for (const char *line = text; line && n < room; line = strchr(line, '\n')) {
		uint64_t user, nice, system, idle, iowait = 0, irq = 0, softirq = 0;
		unsigned int cpu;

		line += *line == '\n';
		/* The first line, without a number, is all of them together. */
		if (strncmp(line, "cpu", 3) || line[3] < '0' || line[3] > '9')
			continue;
		if (sscanf(line, "cpu%u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
			   " %" SCNu64 " %" SCNu64, &cpu, &user, &nice, &system, &idle, &iowait,
			   &irq, &softirq) >= 5)
			busy[n++] = user + nice + system + irq + softirq;
	}
	return n;
}

static void take_cpus(struct khv_sched_sample *s)
{
	FILE *f = fopen("/proc/stat", "re");
	char *text = malloc(STAT_MAX);
	size_t len;

	s->cpus = 0;
	if (f && text) {
		len = fread(text, 1, STAT_MAX - 1, f);
		text[len] = '\0';
		s->cpus = khv_parse_proc_stat(text, s->busy, KHV_SAMPLE_CPUS);
	}
	free(text);
	if (f)
		fclose(f);
}

int khv_sched_take(struct khv_sched_sample *s, int fd, const char *accel)
{
	struct khv_sched_vms arg = { 0 };
	struct timespec now;
	int count;

	*s = (struct khv_sched_sample){ 0 };
	do {
		free(s->vm);
		arg.count = s->vms + ROOM_MORE;
		s->vm = calloc(arg.count, sizeof(*s->vm));
		if (!s->vm)
			return khv_fail("list", "the VMs", NULL, "no memory");
		arg.vms = (uintptr_t)s->vm;
		count = ioctl(fd, KHV_GET_SCHED_VMS, &arg);
		if (count < 0) {
			khv_fail("list", "the VMs", "it wants the khv module",
				 "KHV_GET_SCHED_VMS on %s: %m", accel);
			khv_sched_free(s);
			return -1;
		}
		s->vms = (unsigned int)count;
	} while (s->vms > arg.count);
	clock_gettime(CLOCK_MONOTONIC, &now);
	s->ns = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
	take_cpus(s);
	/* A module without pools has none. */
	count = khv_pools_take(fd, s->pool);
	s->pools = count > 0 ? (unsigned int)count : 0;
	return 0;
}

void khv_sched_free(struct khv_sched_sample *s)
{
	free(s->vm);
	s->vm = NULL;
	s->vms = 0;
}

double khv_jain(const double *x, unsigned int n)
{
	double sum = 0, squares = 0;

	for (unsigned int i = 0; i < n; i++) {
		sum += x[i];
		squares += x[i] * x[i];
	}
	return squares > 0 ? sum * sum / (n * squares) : -1;
}

static double growth(uint64_t before, uint64_t after, double seconds)
{
	return after > before ? (double)(after - before) / NS_PER_S / seconds : 0;
}

static struct khv_sched_share compare(const struct khv_sched_vm *a, const struct khv_sched_vm *b,
				      double seconds)
{
	return (struct khv_sched_share){
		.vm = b,
		.asked = growth(a->due, b->due, seconds),
		.got = growth(a->times.guest + a->times.hypervisor,
			      b->times.guest + b->times.hypervisor, seconds),
		.waiting = growth(a->times.waiting, b->times.waiting, seconds),
		.throttled = growth(a->times.throttled, b->times.throttled, seconds),
		.halted = growth(a->times.halted, b->times.halted, seconds),
	};
}

static int by_pool(const void *a, const void *b)
{
	const struct khv_sched_vm *x = ((const struct khv_sched_share *)a)->vm;
	const struct khv_sched_vm *y = ((const struct khv_sched_share *)b)->vm;

	if (x->sched.pool != y->sched.pool)
		return x->sched.pool < y->sched.pool ? -1 : 1;
	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static double fairness(const struct khv_sched_report *r)
{
	double *x = calloc(r->shares + 1, sizeof(*x)), jain;
	unsigned int n = 0;

	for (unsigned int i = 0; x && i < r->shares; i++)
		if (r->share[i].asked >= DUE_MIN)
			x[n++] = r->share[i].got / r->share[i].asked;
	jain = x ? khv_jain(x, n) : -1;
	free(x);
	return jain;
}

static double balance(const struct khv_sched_sample *before, const struct khv_sched_sample *after)
{
	uint64_t sum = 0, most = 0;

	if (before->cpus != after->cpus)
		return -1;	/* one went or came */
	for (unsigned int i = 0; i < after->cpus; i++) {
		uint64_t busy = after->busy[i] - before->busy[i];

		sum += busy;
		if (busy > most)
			most = busy;
	}
	return most ? (double)sum / ((double)most * after->cpus) : -1;
}

int khv_sched_compare(const struct khv_sched_sample *before, const struct khv_sched_sample *after,
		      struct khv_sched_report *r)
{
	*r = (struct khv_sched_report){ .seconds = (double)(after->ns - before->ns) / NS_PER_S };
	r->share = calloc(after->vms + 1, sizeof(*r->share));
	if (!r->share)
		return khv_fail("compare", "the VMs", NULL, "no memory");
	for (unsigned int i = 0; i < after->vms; i++)
		for (unsigned int j = 0; j < before->vms; j++)
			if (before->vm[j].id == after->vm[i].id)
				r->share[r->shares++] = compare(&before->vm[j], &after->vm[i],
								r->seconds);
	qsort(r->share, r->shares, sizeof(*r->share), by_pool);
	r->pool = after->pool;
	r->pools = after->pools;
	r->jain = fairness(r);
	r->balance = balance(before, after);
	return 0;
}
