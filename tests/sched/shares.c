// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VMs get of the CPUs, against weighted max-min fair shares:
 *
 *	bench-sched [-g] [-c CPUS] [-s SECONDS] [-n WINDOWS] [-t PERCENT] PARTY...
 *	bench-sched [-t PERCENT] all
 *
 * PARTY is WEIGHTxVCPUS or WEIGHTxVCPUS@CAP, a VM whose vCPUs spin (with a ! at its end: and take
 * a thousand interrupts of their timers a second, and many more exits), or "task", a thread of
 * the host that spins. They run on CPUS (default: all) for a warm-up and WINDOWS (4) windows of
 * SECONDS (2), each of which is a line: share/due in CPUs, a VM's time by khv's own count. How far
 * off the worst is comes as a part of all CPU time and as one of what was due; idle time is that
 * of the CPUs in use. Where all CPUs are due to somebody, that is of what they had together: what
 * interrupts, the kernel's threads and others had is in the line, and not theirs to share.
 * The last line is the worst distance: of weights in any window, as a part of all CPU time; of
 * caps over all windows, by the clocks of the threads, as a part of the cap; and idle time over all
 * windows where all CPUs were due to somebody. Exits with 1 if shares are off by more than PERCENT (2), or caps,
 * or idle time is, by more than 1 (or PERCENT, if given).
 *
 * With -g the VMs are in a cgroup of their own, which counts as one task of nice 0.
 * "all" runs what docs/scheduler.md promises.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "party.h"

static unsigned int seconds = 2, windows = 4, percent;
static bool all_due;	/* nobody has to be idle */

/* CPU time that nobody had, in jiffies, of the processors in use. */
static uint64_t idle(void)
{
	unsigned long long user, nice, system, idle_time, iowait, sum = 0;
	unsigned int cpu, found = 0;
	char line[256];
	FILE *f = fopen("/proc/stat", "r");

	ASSERT(f);
	while (fgets(line, sizeof(line), f)) {
		/* The first line is the sum of all, without a number. */
		if (!isdigit(line[3]) ||
		    sscanf(line, "cpu%u %llu %llu %llu %llu %llu", &cpu, &user, &nice, &system,
			   &idle_time, &iowait) != 6 || cpu >= nr_cpus)
			continue;
		sum += idle_time + iowait;
		found++;
	}
	fclose(f);
	ASSERT_EQ(found, nr_cpus);
	return sum;
}

/* Is it its cap that limits it? */
static bool is_capped(const struct party *p)
{
	return p->cap && p->due == p->cap * 10000;
}

/* How far the worst cap was off in @ns, until the end of the last window, in parts per million. */
static unsigned int caps(uint64_t ns)
{
	unsigned int i, worst = 0, share, off;

	for (i = 0; i < nr_parties; i++) {
		if (!is_capped(&parties[i]))
			continue;
		share = (parties[i].used - parties[i].first) * 1000000 / ns;
		off = share > parties[i].due ? share - parties[i].due : parties[i].due - share;
		off = off * 100ULL / parties[i].cap;
		if (off > worst)
			worst = off;
	}
	return worst;
}

/* What neither the parties nor nobody had, in hundredths of a percent of all CPU time. */
static unsigned int others(unsigned int had, unsigned int idled)
{
	int left = 1000000 - (int)(had / nr_cpus) - (int)idled;

	return left > 0 ? left / 100 : 0;
}

/* When a window ends, and the next one begins, what all have had. Caps have periods: to the point. */
static uint64_t look(uint64_t *idled)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), had;
	struct party *p;

	for (p = parties; p < parties + nr_parties; p++) {
		p->used = party_used(p);
		had = party_had(p);
		p->gained = had - p->had;
		p->had = had;
	}
	*idled = idle();
	return now;
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
}

/*
 * One window of @ns, in which nobody ran for *@idled jiffies; how far the worst was off, and in
 * *@idled how long nobody ran, in parts per million.
 */
static unsigned int window(uint64_t ns, unsigned int *idled)
{
	unsigned int i, worst = 0, part = 0, had = 0, off;

	*idled = *idled * (1000000000000000ULL / sysconf(_SC_CLK_TCK)) / ns / nr_cpus;
	for (i = 0; i < nr_parties; i++) {
		parties[i].share = parties[i].gained * 1000000 / ns;
		had += parties[i].share;
	}
	if (all_due)
		share_out(had);
	for (i = 0; i < nr_parties; i++) {
		struct party *p = &parties[i];

		off = p->share > p->due ? p->share - p->due : p->due - p->share;
		if (!is_capped(p)) {
			worst = off / nr_cpus > worst ? off / nr_cpus : worst;
			off = off * 1000000ULL / p->due;
			part = off > part ? off : part;
		}
		printf(" %u.%03u/%u.%03u", p->share / 1000000, p->share / 1000 % 1000,
		       p->due / 1000000, p->due / 1000 % 1000);
	}
	printf("  off %u.%02u %%, of what is due %u.%02u %%, idle %u.%02u %%, others %u.%02u %%\n",
	       worst / 10000, worst / 100 % 100, part / 10000, part / 100 % 100, *idled / 10000,
	       *idled / 100 % 100, others(had, *idled) / 100, others(had, *idled) % 100);
	fflush(stdout);
	return worst;
}

static int measure(unsigned int cpus, unsigned int count, char *const *texts)
{
	unsigned int i, off, idled, worst = 0, idle_sum = 0, due = 0, limit;
	uint64_t begin, since, now, idle_before, idle_now;
	bool failed;

	limit_cpus(cpus);
	printf("%u CPU%s%s:", nr_cpus, nr_cpus > 1 ? "s" : "", vms_in_group ? ", VMs in a cgroup" : "");
	for (i = 0; i < count; i++) {
		party_add(texts[i]);
		printf(" %s", texts[i]);
	}
	printf("\n");
	share_out(nr_cpus * 1000000);
	for (i = 0; i < nr_parties; i++)
		due += parties[i].due;
	all_due = due + nr_parties >= nr_cpus * 1000000;
	for (i = 0; i < nr_parties; i++)
		party_start(&parties[i]);
	sleep(seconds);
	begin = since = look(&idle_before);
	for (i = 0; i < nr_parties; i++)
		parties[i].first = parties[i].used;
	for (i = 0; i < windows; i++) {
		sleep_until(begin + (i + 1) * (seconds * 1000000000ULL));
		now = look(&idle_now);
		idled = idle_now - idle_before;
		off = window(now - since, &idled);
		since = now;
		idle_before = idle_now;
		worst = off > worst ? off : worst;
		idle_sum += idled;
	}
	off = caps(since - begin);
	idle_sum = all_due && windows ? idle_sum / windows : 0;
	limit = (percent ?: 1) * 10000;
	failed = worst > (percent ?: 2) * 10000 || off > limit || idle_sum > limit;
	printf("%s: shares off %u.%02u %%, caps off %u.%02u %%, idle %u.%02u %%\n",
	       failed ? "FAILED" : "ok", worst / 10000, worst / 100 % 100, off / 10000,
	       off / 100 % 100, idle_sum / 10000, idle_sum / 100 % 100);
	return failed;
}

static char *const promises[][6] = {
	{ "1", "100x1", "200x1", "400x1" },
	{ "2", "100x1", "200x1", "400x1" },
	{ "2", "100x2", "200x2", "400x2" },
	{ "2", "100x4", "200x4", "400x4" },
	{ "1", "100x1", "200x1", "400x1", "task" },
	{ "2", "100x1", "200x1", "400x1", "task" },
	{ "2", "100x2", "200x2", "400x2", "task" },
	{ "2", "100x4", "200x4", "400x4", "task" },
	{ "1", "100x1", "100x4" },
	{ "2", "100x1@25" },
	{ "2", "100x1@25", "100x2" },
	{ "2", "100x1@50" },
	{ "2", "100x1@50", "100x2" },
	{ "2", "100x2@150" },
	{ "2", "400x2@150", "100x2" },
	{ "2", "100x1@25!", "100x2" },
	{ "2", "400x2@150!", "100x2!" },
	{ "2", "100x4@150", "50x2" },
	{ "1g", "100x1", "200x1", "task" },
};

/* A host that has just started has work of its own; not for ever. */
static void settle(void)
{
	uint64_t before, ns, t0;

	for (unsigned int i = 0; i < 20; i++) {
		before = idle();
		t0 = clock_ns(CLOCK_MONOTONIC);
		sleep(1);
		ns = clock_ns(CLOCK_MONOTONIC) - t0;
		if ((idle() - before) * (1000000000 / sysconf(_SC_CLK_TCK)) > ns / 100 * 99 * nr_cpus)
			return;
	}
	printf("# others are busy on this host\n");
}

/* Some kernels compare all tasks with each other. */
static bool have_groups(void)
{
	bool found = false;
	char line[256];
	FILE *f = fopen("/proc/cgroups", "r");

	while (f && fgets(line, sizeof(line), f))
		found |= !strncmp(line, "cpu\t", 4);
	if (f)
		fclose(f);
	return found;
}

/* Each in a process of its own, so that it begins with nothing. */
static int measure_all(void)
{
	int status, failed = 0;
	unsigned int n;
	pid_t pid;

	limit_cpus(0);
	settle();
	for (unsigned int i = 0; i < KSFT_ARRAY_SIZE(promises); i++) {
		for (n = 0; n < 5 && promises[i][n + 1]; n++)
			;
		if (strchr(promises[i][0], 'g') && !have_groups()) {
			printf("# this kernel has no cgroups for the CPU: case left out\n");
			continue;
		}
		fflush(stdout);
		pid = fork();
		if (!pid) {
			vms_in_group = strchr(promises[i][0], 'g');
			exit(measure(atoi(promises[i][0]), n, promises[i] + 1));
		}
		failed += waitpid(pid, &status, 0) != pid || status;
	}
	printf("%d of %zu failed\n", failed, KSFT_ARRAY_SIZE(promises));
	return !!failed;
}

int main(int argc, char **argv)
{
	unsigned int cpus = 0;
	int option;

	while ((option = getopt(argc, argv, "gc:s:n:t:")) != -1) {
		switch (option) {
		case 'g': vms_in_group = true; break;
		case 'c': cpus = atoi(optarg); break;
		case 's': seconds = atoi(optarg); break;
		case 'n': windows = atoi(optarg); break;
		case 't': percent = atoi(optarg); break;
		default: return 2;
		}
	}
	if (optind == argc)
		return 2;
	if (!strcmp(argv[optind], "all"))
		return measure_all();
	return measure(cpus, argc - optind, argv + optind);
}
