// SPDX-License-Identifier: GPL-2.0-only
/*
 * Twelve batch VMs in a pool, by each policy: in which order they end, and how long that
 * takes from when they came, on average:
 *
 *	bench-batch [-l MS] [POLICY]...
 *
 * Each needs a CPU for MS (60) milliseconds times its length, 1 to 12 in some order, and all
 * come while the first one runs. Exits with 1 if they do not end in the policy's order, or
 * if SJF does not beat FCFS where both ran.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "khv.h"
#include "ksft.h"

#define JOBS	12
#define POOL	40
#define TRIAL	100000000	/* rounds for finding out how long one takes */

struct job {
	unsigned int length, rank;	/* who has the lower rank ends first */
	int priority;
	struct vm *vm;
	struct vcpu *vcpu;
	pthread_t thread;
	uint64_t came, ended;
};

/* The first is neither the shortest nor the first by priority. */
static const unsigned int lengths[JOBS] = { 6, 12, 3, 9, 1, 7, 4, 11, 2, 10, 5, 8 };
static const int priorities[JOBS] = { 5, 3, 11, 1, 9, 7, 2, 12, 4, 10, 6, 8 };

static struct job jobs[JOBS];
static uint64_t rounds;		/* of the guest, in a millisecond */
static unsigned int unit = 60;
static volatile uint64_t todo;

static void guest_work(void)
{
	uint64_t n = todo;

	sti();		/* Bochs takes the host's interrupts with IF only */
	while (n--)
		asm volatile("" : "+r"(n));
}

static uint64_t now(void)
{
	struct timespec t;

	ASSERT(!clock_gettime(CLOCK_MONOTONIC, &t));
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void make(struct job *job, uint64_t n)
{
	job->vm = vm_create(VM_RAM_SIZE, 0);
	job->vcpu = vcpu_create(job->vm, 0);
	guest_start(job->vcpu, guest_work);
	*GUEST_VAR(job->vm, todo) = n;
}

/* The VM goes with the last of its descriptors. */
static void finish(struct job *job)
{
	munmap(job->vcpu->run, job->vcpu->run_size);
	close(job->vcpu->fd);
	close(job->vm->fd);
	close(job->vm->dev);
	munmap(job->vm->ram, job->vm->ram_size);
}

static void *work(void *arg)
{
	struct job *job = arg;

	guest_run_done(job->vcpu);
	job->ended = now();
	finish(job);
	return NULL;
}

static uint64_t time_of(uint64_t n)
{
	struct job job;
	uint64_t ns;

	make(&job, n);
	ns = now();
	guest_run_done(job.vcpu);
	ns = now() - ns;
	finish(&job);
	return ns;
}

static void calibrate(void)
{
	uint64_t little = time_of(TRIAL / 10), much = time_of(TRIAL);

	ASSERT(much > little);
	rounds = TRIAL / 10 * 9 * 1000000ULL / (much - little);
	ASSERT(rounds);
}

static void set_pool(unsigned int policy)
{
	struct khv_pool pool = { .pool = POOL, .policy = policy, .slots = 1 };
	int dev = dev_open();

	ASSERT_EQ(try_ioctl(dev, KHV_SET_POOL, &pool), 0);
	close(dev);
}

static unsigned int rank_of(unsigned int policy, unsigned int i)
{
	switch (policy) {
	case KHV_POOL_FCFS:
		return i;
	case KHV_POOL_SJF:
		return i ? lengths[i] : 0;	/* the first runs when the others come */
	default:
		return JOBS - priorities[i];
	}
}

static void prepare(unsigned int i)
{
	struct job *job = &jobs[i];
	struct khv_sched p = {
		.set = KHV_SCHED_POOL | KHV_SCHED_PRIORITY | KHV_SCHED_LENGTH,
		.pool = POOL, .priority = priorities[i],
		.length = lengths[i] * unit * 1000000ULL,
	};

	make(job, lengths[i] * unit * rounds);
	ASSERT_EQ(try_ioctl(job->vm->fd, KHV_SET_SCHED, &p), 0);
}

/* It runs, or waits for its turn. */
static bool has_come(const struct job *job)
{
	struct khv_sched_stats stats = { .vcpu = KHV_SCHED_ALL_VCPUS };

	/* It may be over and gone. */
	return try_ioctl(job->vm->fd, KHV_GET_SCHED_STATS, &stats) ||
	       stats.times.guest || stats.times.throttled;
}

static int by_end(const void *a, const void *b)
{
	const struct job *one = a, *other = b;

	return one->ended < other->ended ? -1 : one->ended > other->ended;
}

/* Mean turnaround in ns; *wrong counts those that ended before one that should have. */
static uint64_t run(unsigned int policy, unsigned int *wrong)
{
	uint64_t sum = 0;
	unsigned int i;

	set_pool(policy);
	for (i = 0; i < JOBS; i++) {
		jobs[i] = (struct job) {
			.length = lengths[i], .priority = priorities[i],
			.rank = rank_of(policy, i),
		};
		prepare(i);
	}
	for (i = 0; i < JOBS; i++) {
		jobs[i].came = now();
		ASSERT(!pthread_create(&jobs[i].thread, NULL, work, &jobs[i]));
		while (!has_come(&jobs[i]))
			usleep(1000);
	}
	for (i = 0; i < JOBS; i++)
		pthread_join(jobs[i].thread, NULL);
	set_pool(KHV_POOL_FAIR);
	qsort(jobs, JOBS, sizeof(jobs[0]), by_end);
	for (i = 0; i < JOBS; i++) {
		printf(" %u/%d", jobs[i].length, jobs[i].priority);
		sum += jobs[i].ended - jobs[i].came;
		*wrong += i && jobs[i].rank < jobs[i - 1].rank;
	}
	return sum / JOBS;
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "fair", "fcfs", "sjf", "priority" };
	uint64_t mean[4] = { 0 };
	unsigned int policy, wrong, bad = 0;
	int option, i;

	while ((option = getopt(argc, argv, "l:")) != -1) {
		if (option != 'l')
			return 2;
		unit = atoi(optarg);
	}
	calibrate();
	printf("length/priority of those that end, one after the other:\n");
	for (policy = KHV_POOL_FCFS; policy <= KHV_POOL_PRIORITY; policy++) {
		for (i = optind; i < argc && strcmp(argv[i], names[policy]); i++)
			;
		if (optind < argc && i == argc)
			continue;
		wrong = 0;
		printf("%-8s:", names[policy]);
		mean[policy] = run(policy, &wrong);
		printf("  mean turnaround %llu ms%s\n", (unsigned long long)mean[policy] / 1000000,
		       wrong ? ", out of order" : "");
		fflush(stdout);
		bad += wrong;
	}
	if (mean[KHV_POOL_FCFS] && mean[KHV_POOL_SJF])
		bad += mean[KHV_POOL_SJF] >= mean[KHV_POOL_FCFS];
	return bad ? 1 : 0;
}
