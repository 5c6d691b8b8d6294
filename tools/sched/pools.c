// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads and shows pools.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "khv.h"
#include "sched/pools.h"

static const char *const policies[] = {
	[KHV_POOL_FAIR] = "fair", [KHV_POOL_FCFS] = "fcfs", [KHV_POOL_SJF] = "sjf",
	[KHV_POOL_PRIORITY] = "priority",
};

const char *khv_policy_name(unsigned int policy)
{
	return policy < ARRAY_SIZE(policies) ? policies[policy] : "?";
}

int khv_policy_parse(const char *text, uint32_t *policy)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(policies); i++) {
		if (!strcmp(text, policies[i])) {
			*policy = i;
			return 0;
		}
	}
	return -1;
}

int khv_pools_take(int fd, struct khv_pool pools[KHV_POOLS])
{
	unsigned int next = 0;
	int n;

	for (n = 0; n < KHV_POOLS; n++) {
		pools[n] = (struct khv_pool){ .pool = next };
		if (ioctl(fd, KHV_GET_POOL, &pools[n]))
			return errno == ENOENT ? n : -1;
		next = pools[n].pool + 1;
		if (next >= KHV_POOLS)
			return n + 1;
	}
	return n;
}

int khv_pool_take(int fd, unsigned int number, struct khv_pool *pool)
{
	*pool = (struct khv_pool){ .pool = number };
	if (!ioctl(fd, KHV_GET_POOL, pool) && pool->pool == number)
		return 0;
	if (pool->pool == number && errno != ENOENT)
		return -1;
	/* How each begins. */
	*pool = (struct khv_pool){ .pool = number, .policy = KHV_POOL_FAIR, .slots = 1 };
	return 0;
}

void khv_pools_print(const struct khv_pool *pools, unsigned int n, FILE *out)
{
	fprintf(out, "%4s %-8s %6s %9s %8s %8s\n", "POOL", "POLICY", "SLOTS", "AGING(ms)",
		"MEMBERS", "RUNNING");
	for (unsigned int i = 0; i < n; i++)
		fprintf(out, "%4u %-8s %6u %9u %8u %8u\n", pools[i].pool,
			khv_policy_name(pools[i].policy), pools[i].slots, pools[i].aging,
			pools[i].members, pools[i].running);
}

void khv_pools_json(const struct khv_pool *pools, unsigned int n, FILE *out)
{
	fputc('[', out);
	for (unsigned int i = 0; i < n; i++)
		fprintf(out, "%s{\"pool\": %u, \"policy\": \"%s\", \"slots\": %u, \"aging\": %u, "
			"\"members\": %u, \"running\": %u}", i ? ", " : "", pools[i].pool,
			khv_policy_name(pools[i].policy), pools[i].slots, pools[i].aging,
			pools[i].members, pools[i].running);
	fputc(']', out);
}
