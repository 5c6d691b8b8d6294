// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs whose vCPUs fight over a spin lock, more of them than there are CPUs for:
 *
 *	bench-locks [-p] [-s SECONDS] [-r ROUNDS] [-v VMS] [-c VCPUS] [-t PERCENT]
 *
 * How often locks were taken in SECONDS (2), by VMS (2) with VCPUS (2) each: as they are, as
 * gangs, and on KVM where it is loaded, each in a process of its own, by turns in ROUNDS (6),
 * since without gangs it is luck that lasts whether a VM's vCPUs run at the same time. The last
 * line has the ratios of all rounds. With -p no PAUSE is an exit (KVM_CAP_X86_DISABLE_EXITS), so
 * that nobody yields to the holder of a lock. Exits with 1 if gangs did less than PERCENT (150)
 * of either.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "khv.h"
#include "ksft.h"

#define MOST_VMS	8
#define WORK		2000	/* turns with the lock held */

static unsigned int seconds = 2, nr = 2, vcpus = 2;

static bool no_pause_exits;

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

	sti();		/* Bochs takes the host's interrupts with IF only */
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

static uint64_t count(struct vm **vms)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < nr; i++)
		sum -= GUEST_VAR(vms[i], taken)[0][0];
	sleep(seconds);
	for (unsigned int i = 0; i < nr; i++)
		sum += GUEST_VAR(vms[i], taken)[0][0];
	return sum;
}

static void set_gang(struct vm *vm)
{
	struct khv_sched p = { .set = KHV_SCHED_GANG | KHV_SCHED_WEIGHT, .weight = 100,
			       .gang = 1 };

	ASSERT_EQ(try_ioctl(vm->fd, KHV_SET_SCHED, &p), 0);
}

static void disable_pause_exits(struct vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_DISABLE_EXITS,
				      .args = { KVM_X86_DISABLE_EXITS_PAUSE } };

	ASSERT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, &cap), 0);
}

static uint64_t fight(const char *device, bool gang)
{
	struct vm *vms[MOST_VMS];
	struct vcpu *vcpu;
	pthread_t thread;

	ksft_device = device;
	for (unsigned int i = 0; i < nr; i++) {
		vms[i] = vm_create(VM_RAM_SIZE, 0);
		if (no_pause_exits)
			disable_pause_exits(vms[i]);
		if (gang)
			set_gang(vms[i]);
		for (unsigned int k = 0; k < vcpus; k++) {
			vcpu = vcpu_create(vms[i], k);
			guest_start(vcpu, guest_fight);
			ASSERT(!pthread_create(&thread, NULL, run_vcpu, vcpu));
		}
	}
	sleep(1);
	return count(vms) / seconds;
}

/* Locks a second. */
static uint64_t measure(const char *name, const char *device, bool gang)
{
	uint64_t *result = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t locks;
	int status;
	pid_t pid;

	ASSERT(result != MAP_FAILED);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		*result = fight(device, gang);
		_exit(0);
	}
	ASSERT(waitpid(pid, &status, 0) == pid && !status);
	locks = *result;
	munmap(result, PAGE_SIZE);
	printf(" %s %lu", name, (long)locks);
	return locks;
}

int main(int argc, char **argv)
{
	uint64_t none = 0, gangs = 0, kvm = 0, percent = 150, over_none, over_kvm;
	unsigned int rounds = 6;
	bool failed, have_kvm;
	int option;

	while ((option = getopt(argc, argv, "ps:r:v:c:t:")) != -1) {
		switch (option) {
		case 'p': no_pause_exits = true; break;
		case 's': seconds = atoi(optarg); break;
		case 'r': rounds = atoi(optarg); break;
		case 'v': nr = atoi(optarg); break;
		case 'c': vcpus = atoi(optarg); break;
		case 't': percent = atoi(optarg); break;
		default: return 2;
		}
	}
	if (!seconds || !rounds || !nr || nr > MOST_VMS || !vcpus || vcpus > GUEST_CPUS)
		return 2;
	have_kvm = !access("/dev/kvm", R_OK | W_OK);
	printf("%u VMs of %u vCPUs, locks a second\n", nr, vcpus);
	for (unsigned int i = 0; i < rounds; i++) {
		none += measure("khv", KHV_DEVICE, false);
		gangs += measure("gangs", KHV_DEVICE, true);
		if (have_kvm)
			kvm += measure("KVM", "/dev/kvm", false);
		printf("\n");
	}
	over_none = gangs * 100 / (none ?: 1);
	over_kvm = gangs * 100 / (kvm ?: 1);
	failed = over_none < percent || (have_kvm && over_kvm < percent);
	printf("%s: gangs over none %lu.%02lu", failed ? "FAILED" : "ok", (long)over_none / 100,
	       (long)over_none % 100);
	if (have_kvm)
		printf(", over KVM %lu.%02lu", (long)over_kvm / 100, (long)over_kvm % 100);
	printf("\n");
	return failed;
}
