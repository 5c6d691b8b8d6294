/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where vCPUs' threads stand while the machine is paused.
 */
#ifndef KHV_TOOL_GATE_H
#define KHV_TOOL_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct khv_gate {
	atomic_bool closed;
	pthread_mutex_t lock;	/* protects what follows, and changes of closed */
	pthread_cond_t opened;
	unsigned int threads;	/* that pass here */
	unsigned int waiting;	/* of these, at the closed gate */
	int wake;		/* eventfd, written when the last one has arrived */
};

/* For @threads threads. @wake stays the caller's. */
void khv_gate_init(struct khv_gate *gate, unsigned int threads, int wake);
void khv_gate_uninit(struct khv_gate *gate);

void khv_gate_close(struct khv_gate *gate);
void khv_gate_open(struct khv_gate *gate);
/* Whether the gate is closed and all threads stand before it. */
bool khv_gate_all_wait(struct khv_gate *gate);

/* Wait until the gate is open. Returns whether there was a wait. */
bool khv_gate_wait(struct khv_gate *gate);

static inline bool khv_gate_is_closed(struct khv_gate *gate)
{
	return atomic_load(&gate->closed);
}

static inline bool khv_gate_pass(struct khv_gate *gate)
{
	return khv_gate_is_closed(gate) && khv_gate_wait(gate);
}

#endif
