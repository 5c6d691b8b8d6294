/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Samples and what is made of them, for all benchmarks.
 */
#ifndef KHV_BENCH_MEASURE_H
#define KHV_BENCH_MEASURE_H

#include <stdint.h>

#define MAX_REPEATS	1000

struct samples {
	unsigned int count;
	uint64_t ticks[MAX_REPEATS];
};

static inline uint64_t ticks_now(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return low | (uint64_t)high << 32;
}

void samples_add(struct samples *s, uint64_t ticks);
/* Each sorts them. */
uint64_t samples_median(struct samples *s);
/* Distance of the quartiles. */
uint64_t samples_spread(struct samples *s);

#endif
