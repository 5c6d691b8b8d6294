// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shortest job first, by declared length, each to its end. Each time of aging that one has
 * waited counts as if it were half as long, so that short ones cannot keep it for ever.
 */
#include <linux/minmax.h>

#include "sched/pool.h"

static u64 length(const struct khv_candidate *c)
{
	return c->length >> min_t(u64, c->aged, 63);
}

static int compare(const struct khv_candidate *a, const struct khv_candidate *b)
{
	u64 one = length(a), other = length(b);

	return one < other ? -1 : one > other;
}

const struct khv_policy khv_policy_sjf = {
	.name = "sjf",
	.compare = compare,
};
