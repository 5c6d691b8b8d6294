/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pools of VMs, struct khv_pool of uapi/khv.h, for people.
 */
#ifndef KHV_TOOL_SCHED_POOLS_H
#define KHV_TOOL_SCHED_POOLS_H

#include <stdbool.h>
#include <stdio.h>

#include "../uapi/khv.h"

/*
 * All pools of the device @fd that have a policy or members, in order, to @pools. Returns
 * how many, or -1 with errno.
 */
int khv_pools_take(int fd, struct khv_pool pools[KHV_POOLS]);
/* One pool, whether it has a policy and members or not. Returns 0, or -1 with errno. */
int khv_pool_take(int fd, unsigned int number, struct khv_pool *pool);

/* "fcfs"; unknown numbers are "?". And back: 0, or -1. */
const char *khv_policy_name(unsigned int policy);
int khv_policy_parse(const char *text, uint32_t *policy);

void khv_pools_print(const struct khv_pool *pools, unsigned int n, FILE *out);
/* As an array. */
void khv_pools_json(const struct khv_pool *pools, unsigned int n, FILE *out);

#endif
