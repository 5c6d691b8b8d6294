// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shares and caps over time, while they are changed: what tests/bench/plot draws.
 *
 *	bench-history shares|caps
 *
 * Each line is the time in seconds and, for each VM, the CPUs that it had in the last tenth of
 * a second and what was due to it; weights or caps are in the comment before a change.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "party.h"

#define TICK_US		100000
#define PHASES		4
#define PHASE_TICKS	30

/* Of each VM in each phase: weight, or cap in percent of one CPU (0: none). */
static const unsigned int weights[PHASES][3] = {
	{ 100, 200, 400 }, { 400, 200, 100 }, { 100, 100, 100 }, { 100, 800, 100 },
};
static const unsigned int caps[PHASES][2] = {
	{ 25, 0 }, { 50, 0 }, { 150, 0 }, { 0, 0 },
};

static void phase(unsigned int n, bool of_caps)
{
	for (unsigned int i = 0; i < nr_parties; i++) {
		if (of_caps)
			parties[i].cap = caps[n][i];
		else
			parties[i].weight = weights[n][i];
		party_set(&parties[i]);
		printf("# %s %u: %u\n", of_caps ? "cap" : "weight", i,
		       of_caps ? caps[n][i] : weights[n][i]);
	}
	share_out(nr_cpus * 1000000);
}

static void tick(uint64_t begin)
{
	uint64_t then = clock_ns(CLOCK_MONOTONIC), now, had;
	unsigned int share;

	usleep(TICK_US);
	now = clock_ns(CLOCK_MONOTONIC);
	printf("%llu.%03llu", (unsigned long long)(now - begin) / 1000000000,
	       (unsigned long long)(now - begin) / 1000000 % 1000);
	for (unsigned int i = 0; i < nr_parties; i++) {
		struct party *p = &parties[i];

		had = party_had(p);
		share = (had - p->had) * 10000 / (now - then);
		printf(" %u.%04u %u.%04u", share / 10000, share % 10000, p->due / 1000000,
		       p->due / 100 % 10000);
		p->had = had;
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	bool of_caps = argc == 2 && !strcmp(argv[1], "caps");
	uint64_t begin;

	if (argc != 2 || (!of_caps && strcmp(argv[1], "shares")))
		return 2;
	limit_cpus(of_caps ? 0 : 1);
	party_add(of_caps ? "100x2" : "100x1");
	party_add(of_caps ? "100x2" : "200x1");
	if (!of_caps)
		party_add("400x1");
	for (unsigned int i = 0; i < nr_parties; i++)
		party_start(&parties[i]);
	sleep(1);
	for (unsigned int i = 0; i < nr_parties; i++)
		parties[i].had = party_had(&parties[i]);
	begin = clock_ns(CLOCK_MONOTONIC);
	for (unsigned int n = 0; n < PHASES; n++) {
		phase(n, of_caps);
		for (unsigned int t = 0; t < PHASE_TICKS; t++)
			tick(begin);
	}
	return 0;
}
