// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds vCPUs' threads outside of the guest. How they get there, and what becomes of the
 * guest's clock, is pause.c's.
 */
#include <sys/eventfd.h>

#include "machine/gate.h"

void khv_gate_init(struct khv_gate *gate, unsigned int threads, int wake)
{
	atomic_init(&gate->closed, false);
	pthread_mutex_init(&gate->lock, NULL);
	pthread_cond_init(&gate->opened, NULL);
	gate->threads = threads;
	gate->waiting = 0;
	gate->wake = wake;
}

void khv_gate_uninit(struct khv_gate *gate)
{
	pthread_cond_destroy(&gate->opened);
	pthread_mutex_destroy(&gate->lock);
}

static void set_closed(struct khv_gate *gate, bool closed)
{
	pthread_mutex_lock(&gate->lock);
	atomic_store(&gate->closed, closed);
	pthread_cond_broadcast(&gate->opened);
	pthread_mutex_unlock(&gate->lock);
}

void khv_gate_close(struct khv_gate *gate)
{
	set_closed(gate, true);
}

void khv_gate_open(struct khv_gate *gate)
{
	set_closed(gate, false);
}

bool khv_gate_all_wait(struct khv_gate *gate)
{
	bool all;

	pthread_mutex_lock(&gate->lock);
	all = atomic_load(&gate->closed) && gate->waiting == gate->threads;
	pthread_mutex_unlock(&gate->lock);
	return all;
}

bool khv_gate_wait(struct khv_gate *gate)
{
	bool waited = false;

	pthread_mutex_lock(&gate->lock);
	if (atomic_load(&gate->closed)) {
		waited = true;
		if (++gate->waiting == gate->threads)
			eventfd_write(gate->wake, 1);
		while (atomic_load(&gate->closed))
			pthread_cond_wait(&gate->opened, &gate->lock);
		gate->waiting--;
	}
	pthread_mutex_unlock(&gate->lock);
	return waited;
}
