// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vCPUs' threads: their start, in the sandbox, and their end.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "khv.h"
#include "machine/pc.h"

#define KICK_INTERVAL_MS	10
#define KICKS_MAX		1000	/* ten seconds */

static void *run_vcpu(void *arg)
{
	const struct khv_thread *self = arg;
	struct khv_sandbox fds = self->pc->sandbox;

	fds.vcpu = self->vcpu->fd;
	if (khv_sandbox_enter(self->vcpu->mailbox ? KHV_SANDBOX_WAITING_VCPU : KHV_SANDBOX_VCPU,
			      &fds))
		khv_stop_request(&self->pc->stop, KHV_STOP_FAILURE);
	/* The guest talks to all threads: not before all are in. */
	sem_post(&self->pc->in);
	while (sem_wait(&self->pc->go))
		;
	khv_vcpu_run(self->vcpu);
	return NULL;
}

unsigned int khv_threads_start(struct khv_pc *pc)
{
	for (pc->nr_threads = 0; pc->nr_threads < pc->nr_vcpus; pc->nr_threads++) {
		struct khv_thread *t = &pc->threads[pc->nr_threads];
		int err;

		*t = (struct khv_thread){ .pc = pc, .vcpu = &pc->vcpus[pc->nr_threads] };
		err = pthread_create(&t->thread, NULL, run_vcpu, t);
		if (err) {
			khv_fail("start", "a vCPU's thread", NULL, "vCPU %u: %s", t->vcpu->id,
				 strerror(err));
			break;
		}
	}
	return pc->nr_threads;
}

void khv_threads_kick(const struct khv_pc *pc)
{
	for (unsigned int i = 0; i < pc->nr_threads; i++)
		pthread_kill(pc->threads[i].thread, KHV_KICK_SIGNAL);
}

/*
 * Wait for a vCPU's thread. A kick that arrives just before a system call has no
 * effect, hence the repetition.
 */
static int join(const struct khv_thread *t)
{
	for (int i = 0; i < KICKS_MAX; i++) {
		struct timespec until;

		pthread_kill(t->thread, KHV_KICK_SIGNAL);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += KICK_INTERVAL_MS * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		if (!pthread_timedjoin_np(t->thread, NULL, &until))
			return 0;
	}
	return khv_fail("stop", "a vCPU", "the kernel's log may say why",
			"vCPU %u did not return for ten seconds", t->vcpu->id);
}

int khv_threads_join(struct khv_pc *pc)
{
	/* All return at about the same time: kick all before the first wait. */
	khv_threads_kick(pc);
	for (; pc->nr_threads; pc->nr_threads--)
		if (join(&pc->threads[pc->nr_threads - 1]))
			return -1;
	return 0;
}
