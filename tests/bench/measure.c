// SPDX-License-Identifier: GPL-2.0-only
/*
 * Median and spread of repeated measurements. Integers, because
 * programs here are compiled without the FPU.
 */
#include "measure.h"

#include <stdlib.h>

void samples_add(struct samples *s, uint64_t ticks)
{
	if (s->count < MAX_REPEATS)
		s->ticks[s->count++] = ticks;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void sort(struct samples *s)
{
	qsort(s->ticks, s->count, sizeof(s->ticks[0]), compare);
}

uint64_t samples_median(struct samples *s)
{
	if (!s->count)
		return 0;
	sort(s);
	return (s->ticks[(s->count - 1) / 2] + s->ticks[s->count / 2]) / 2;
}

uint64_t samples_spread(struct samples *s)
{
	if (!s->count)
		return 0;
	sort(s);
	return s->ticks[s->count * 3 / 4] - s->ticks[s->count / 4];
}
