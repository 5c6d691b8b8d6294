// SPDX-License-Identifier: GPL-2.0-only
/*
 * First come, first served: each to its end.
 */
#include "sched/pool.h"

static int compare(const struct khv_candidate *a, const struct khv_candidate *b)
{
	return 0;
}

const struct khv_policy khv_policy_fcfs = {
	.name = "fcfs",
	.compare = compare,
};
