// SPDX-License-Identifier: GPL-2.0-only
/*
 * Highest priority first, and at once. Each time of aging that one has waited counts as one
 * priority more, until it has run for such a time.
 */
#include <linux/limits.h>
#include <linux/minmax.h>

#include "sched/pool.h"

static s64 priority(const struct khv_candidate *c)
{
	return c->priority + (s64)min_t(u64, c->aged, U32_MAX);
}

static int compare(const struct khv_candidate *a, const struct khv_candidate *b)
{
	s64 one = priority(a), other = priority(b);

	return one > other ? -1 : one < other;
}

const struct khv_policy khv_policy_priority = {
	.name = "priority",
	.preempts = true,
	.compare = compare,
};
