// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs whose vCPUs fight over a spin lock, more of them than there are CPUs for:
 *
 *	bench-locks [-s SECONDS] [-v VMS] [-c VCPUS] [-d DEVICE]
 *
 * How often locks were taken in SECONDS (4), by VMS (2) with VCPUS (2) each: first as they
 * are, then, on khv, as gangs. With -d /dev/kvm the first alone, for comparison. The last line
 * has the ratio.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "khv.h"
#include "ksft.h"

#define MOST_VMS	8
#define WORK		2000	/* turns with the lock held, and as many without it */

static volatile uint32_t lock_next, lock_now;
static volatile uint64_t taken[GUEST_CPUS * 8];

static void work(void)
{
	for (volatile int i = 0; i < WORK; i++)
		;
}

/* Tickets: in turn, as the locks of many guests are. */
static void guest_fight(void)
{
	uint32_t mine;

	for (;;) {
		mine = __atomic_fetch_add(&lock_next, 1, __ATOMIC_SEQ_CST);
		while (lock_now != mine)
			cpu_pause();
		work();
		taken[0]++;
		lock_now = mine + 1;
	}
}

static void *run_vcpu(void *arg)
{
	for (;;)
		try_run(arg);
	return NULL;
}

static uint64_t count(struct vm **vms, unsigned int nr, unsigned int seconds)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < nr; i++)
		sum -= GUEST_VAR(vms[i], taken)[0][0];
	sleep(seconds);
	for (unsigned int i = 0; i < nr; i++)
		sum += GUEST_VAR(vms[i], taken)[0][0];
	return sum;
}

static void set_gang(struct vm *vm, unsigned int gang)
{
	struct khv_sched p = { .set = KHV_SCHED_GANG | KHV_SCHED_WEIGHT, .weight = 100,
			       .gang = gang };

	ASSERT_EQ(try_ioctl(vm->fd, KHV_SET_SCHED, &p), 0);
}

int main(int argc, char **argv)
{
	unsigned int seconds = 4, nr = 2, vcpus = 2;
	uint64_t without, with;
	struct vm *vms[MOST_VMS];
	pthread_t thread;
	struct vcpu *vcpu;
	int option;

	while ((option = getopt(argc, argv, "s:v:c:d:")) != -1) {
		switch (option) {
		case 's': seconds = atoi(optarg); break;
		case 'v': nr = atoi(optarg); break;
		case 'c': vcpus = atoi(optarg); break;
		case 'd': ksft_device = optarg; break;
		default: return 2;
		}
	}
	if (!nr || nr > MOST_VMS || !vcpus || vcpus > GUEST_CPUS)
		return 2;
	for (unsigned int i = 0; i < nr; i++) {
		vms[i] = vm_create(VM_RAM_SIZE, 0);
		for (unsigned int k = 0; k < vcpus; k++) {
			vcpu = vcpu_create(vms[i], k);
			guest_start(vcpu, guest_fight);
			ASSERT(!pthread_create(&thread, NULL, run_vcpu, vcpu));
		}
	}
	sleep(1);
	without = count(vms, nr, seconds);
	printf("%u VMs of %u vCPUs: %lu locks a second", nr, vcpus, (long)(without / seconds));
	if (strcmp(ksft_device, KHV_DEVICE)) {
		printf("\n");
		return 0;
	}
	for (unsigned int i = 0; i < nr; i++)
		set_gang(vms[i], 1);
	sleep(1);
	with = count(vms, nr, seconds);
	printf(", as gangs %lu: %lu.%02lu times\n", (long)(with / seconds),
	       (long)(with / (without ?: 1)), (long)(with * 100 / (without ?: 1) % 100));
	return 0;
}
