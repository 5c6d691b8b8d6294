/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why and when the machine ends: a reason that any thread may give, once, and
 * an event that wakes the thread that takes the machine down.
 */
#ifndef KHV_TOOL_STOP_H
#define KHV_TOOL_STOP_H

#include <stdatomic.h>
#include <stdbool.h>

enum khv_stop_reason {
	KHV_STOP_NONE,
	KHV_STOP_POWEROFF,	/* by the guest */
	KHV_STOP_RESET,		/* by the guest */
	KHV_STOP_CRASH,		/* triple fault */
	KHV_STOP_FAILURE,	/* the hypervisor gave up */
	KHV_STOP_CONSOLE,	/* nobody reads the guest's output any more */
	KHV_STOP_QUIT,		/* by the user, at the console or with khv kill */
	KHV_STOP_FORCED,	/* by khv stop, when the guest had its time */
	KHV_STOP_SIGNAL,	/* plus the signal's number */
};

struct khv_stop {
	atomic_int reason;
	int event;	/* eventfd, readable after the first request */
};

/* Returns 0, or -1 after a message. */
int khv_stop_init(struct khv_stop *stop);
void khv_stop_uninit(struct khv_stop *stop);

/* Ask for the end. Only the first reason counts. Any thread. */
void khv_stop_request(struct khv_stop *stop, int reason);

static inline int khv_stop_reason(struct khv_stop *stop)
{
	return atomic_load(&stop->reason);
}

#endif
