/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests of the scheduling of VMs share: khv's calls, the module's limits, threads that run a
 * vCPU until they are told not to.
 */
#ifndef KHV_TESTS_VM_SCHED_H
#define KHV_TESTS_VM_SCHED_H

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "khv.h"
#include "ksft.h"
#include "vm.h"

#define MS	1000000ULL

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static inline void need_khv(void)
{
	if (strcmp(ksft_device, KHV_DEVICE))
		ksft_skip("these calls are khv's own");
}

static inline struct khv_sched get(struct vm *vm)
{
	struct khv_sched p;

	memset(&p, 0xff, sizeof(p));
	ASSERT_EQ(try_ioctl(vm->fd, KHV_GET_SCHED, &p), 0);
	return p;
}

static inline int set(struct vm *vm, struct khv_sched p)
{
	return try_ioctl(vm->fd, KHV_SET_SCHED, &p);
}

static inline struct khv_sched_times times_of(struct vm *vm, uint32_t vcpu)
{
	struct khv_sched_stats stats = { .vcpu = vcpu };

	ASSERT_EQ(try_ioctl(vm->fd, KHV_GET_SCHED_STATS, &stats), 0);
	return stats.times;
}

static inline void write_parameter(const char *name, int value)
{
	char path[80], text[16];
	int fd, n;

	snprintf(path, sizeof(path), "/sys/module/khv/parameters/%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		ksft_skip("no %s", path);
	n = snprintf(text, sizeof(text), "%d", value);
	ASSERT_EQ(write(fd, text, n), n);
	close(fd);
}

static inline void guest_spin(void)
{
	for (;;)
		cpu_pause();
}

static inline void *run_until_killed(void *arg)
{
	for (;;)
		try_run(arg);
	return NULL;
}

/* A VM of one vCPU, whose thread runs @function for ever. */
static inline struct vm *start(void (*function)(void), struct vcpu **vcpu)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	pthread_t thread;

	*vcpu = vcpu_create(vm, 0);
	guest_start(*vcpu, function);
	ASSERT(!pthread_create(&thread, NULL, run_until_killed, *vcpu));
	return vm;
}

/* A thread that runs @vcpu until @stop, with SIGUSR1 to make it look; then it sleeps. */
struct runner {
	struct vcpu *vcpu;
	pthread_t thread;
	pid_t tid;
	void (*between)(struct runner *r);	/* after each run, or NULL */
	bool stop, stopped;
};

static inline void *run_until_stopped(void *arg)
{
	struct runner *r = arg;

	__atomic_store_n(&r->tid, gettid(), __ATOMIC_RELAXED);
	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		try_run(r->vcpu);
		if (r->between)
			r->between(r);
	}
	__atomic_store_n(&r->stopped, true, __ATOMIC_RELAXED);
	for (;;)
		pause();
	return NULL;
}

static inline void ignore_signal(int signal)
{
}

static inline void runner_start(struct runner *r)
{
	signal(SIGUSR1, ignore_signal);
	ASSERT(!pthread_create(&r->thread, NULL, run_until_stopped, r));
	while (!__atomic_load_n(&r->tid, __ATOMIC_RELAXED))
		usleep(1000);
}

static inline void runner_stop(struct runner *r)
{
	__atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
	while (!__atomic_load_n(&r->stopped, __ATOMIC_RELAXED)) {
		pthread_kill(r->thread, SIGUSR1);
		usleep(1000);
	}
}

#endif
