// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VMs get of the CPUs, against weighted max-min fair shares:
 *
 *	bench-sched [-c CPUS] [-s SECONDS] [-n WINDOWS] [-t PERCENT] PARTY...
 *	bench-sched [-t PERCENT] all
 *
 * PARTY is WEIGHTxVCPUS or WEIGHTxVCPUS@CAP, a VM whose vCPUs spin, or "task", a thread of
 * the host that does. They run on CPUS (default: all) for a warm-up and WINDOWS (4) windows of
 * SECONDS (2), each of which is a line: share/due in CPUs. A VM's time is khv's own count.
 * The last line is the worst distance: of weights in any window, as a part of all CPU time; of
 * caps over all windows, as a part of the cap. Exits with 1 if that is more than PERCENT
 * (2; of caps 1).
 *
 * "all" runs what docs/scheduler.md promises.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "party.h"

static unsigned int seconds = 2, windows = 4, percent;

/* CPU time that nobody had, in jiffies, of all processors. */
static uint64_t idle(void)
{
	unsigned long long user, nice, system, idle_time, iowait;
	FILE *f = fopen("/proc/stat", "r");
	int found;

	ASSERT(f);
	found = fscanf(f, "cpu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle_time,
		       &iowait);
	ASSERT_EQ(found, 5);
	fclose(f);
	return idle_time + iowait;
}

/* Is it its cap that limits it? */
static bool is_capped(const struct party *p)
{
	return p->cap && p->due == p->cap * 10000;
}

/* How far the worst cap was off since @since, in parts per million. */
static unsigned int caps(uint64_t since)
{
	uint64_t ns = clock_ns(CLOCK_MONOTONIC) - since;
	unsigned int i, worst = 0, share, off;

	for (i = 0; i < nr_parties; i++) {
		if (!is_capped(&parties[i]))
			continue;
		share = (party_had(&parties[i]) - parties[i].first) * 1000000 / ns;
		off = share > parties[i].due ? share - parties[i].due : parties[i].due - share;
		off = off * 100ULL / parties[i].cap;
		if (off > worst)
			worst = off;
	}
	return worst;
}

/* One window; how far the worst was off, in parts per million. */
static unsigned int window(void)
{
	uint64_t t0 = clock_ns(CLOCK_MONOTONIC), idle0 = idle(), ns;
	unsigned int i, worst = 0, share, off;

	for (i = 0; i < nr_parties; i++)
		parties[i].before = party_had(&parties[i]);
	sleep(seconds);
	ns = clock_ns(CLOCK_MONOTONIC) - t0;
	for (i = 0; i < nr_parties; i++) {
		struct party *p = &parties[i];

		share = (party_had(p) - p->before) * 1000000 / ns;
		off = share > p->due ? share - p->due : p->due - share;
		off /= nr_cpus;
		if (off > worst && !is_capped(p))
			worst = off;
		printf(" %u.%03u/%u.%03u", share / 1000000, share / 1000 % 1000, p->due / 1000000,
		       p->due / 1000 % 1000);
	}
	printf("  off %u.%02u %%, idle %lu ms\n", worst / 10000, worst / 100 % 100,
	       (long)(idle() - idle0) * 1000 / sysconf(_SC_CLK_TCK));
	fflush(stdout);
	return worst;
}

static int measure(unsigned int cpus, unsigned int count, char *const *texts)
{
	unsigned int i, off, worst = 0, limit = percent ?: 2;
	uint64_t since;

	limit_cpus(cpus);
	printf("%u CPU%s:", nr_cpus, nr_cpus > 1 ? "s" : "");
	for (i = 0; i < count; i++) {
		party_add(texts[i]);
		printf(" %s", texts[i]);
	}
	printf("\n");
	share_out();
	for (i = 0; i < nr_parties; i++)
		party_start(&parties[i]);
	sleep(seconds);
	since = clock_ns(CLOCK_MONOTONIC);
	for (i = 0; i < nr_parties; i++)
		parties[i].first = party_had(&parties[i]);
	for (i = 0; i < windows; i++) {
		off = window();
		if (off > worst)
			worst = off;
	}
	off = caps(since);
	limit *= 10000;
	i = percent ? limit : 10000;
	printf("%s: shares off %u.%02u %%, caps off %u.%02u %%\n",
	       worst > limit || off > i ? "FAILED" : "ok", worst / 10000, worst / 100 % 100,
	       off / 10000, off / 100 % 100);
	return worst > limit || off > i;
}

static char *const promises[][6] = {
	{ "1", "100x1", "200x1", "400x1" },
	{ "2", "100x1", "200x1", "400x1" },
	{ "2", "100x2", "200x2", "400x2" },
	{ "2", "100x4", "200x4", "400x4" },
	{ "1", "100x1", "200x1", "400x1", "task" },
	{ "2", "100x1", "200x1", "400x1", "task" },
	{ "2", "100x2", "200x2", "400x2", "task" },
	{ "1", "100x1", "100x4" },
	{ "2", "100x1@25" },
	{ "2", "100x1@50", "100x2" },
	{ "2", "100x2@150" },
	{ "2", "100x4@150", "50x2" },
};

/* Each in a process of its own, so that it begins with nothing. */
static int measure_all(void)
{
	int status, failed = 0;
	unsigned int n;
	pid_t pid;

	for (unsigned int i = 0; i < KSFT_ARRAY_SIZE(promises); i++) {
		for (n = 0; n < 5 && promises[i][n + 1]; n++)
			;
		fflush(stdout);
		pid = fork();
		if (!pid)
			exit(measure(atoi(promises[i][0]), n, promises[i] + 1));
		failed += waitpid(pid, &status, 0) != pid || status;
	}
	printf("%d of %zu failed\n", failed, KSFT_ARRAY_SIZE(promises));
	return !!failed;
}

int main(int argc, char **argv)
{
	unsigned int cpus = 0;
	int option;

	while ((option = getopt(argc, argv, "c:s:n:t:")) != -1) {
		switch (option) {
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
