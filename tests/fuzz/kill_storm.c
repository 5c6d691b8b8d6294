// SPDX-License-Identifier: GPL-2.0-only
/*
 * kill-storm: clients with running guests that get SIGKILL at random moments.
 *
 * A client is two processes with one address space, each running a vCPU, with
 * timers, interrupts between them, device exits and faults on fresh memory. They
 * are killed one after the other, at any moment from the first call on. With a
 * command on the command line, the client is that.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "aftermath.h"
#include "guest.h"
#include "guest_apic.h"
#include "guest_cpu.h"
#include "ksft.h"

#define FRESH		MiB(32)		/* memory that the guests walk through */
#define FRESH_BASE	GiB(1)
#define DEVICE		0xd0000000UL
#define REAP_MS		60000
#define VECTOR		0x41

/* Shared by the storm and a client. */
struct client {
	volatile pid_t second;		/* its other process */
	volatile unsigned int exits;
};

static struct client *client;
static unsigned int factor = 1, latest = 500;

static void count_interrupt(struct guest_frame *frame)
{
	guest_traps[255]++;
	xapic_write(APIC_EOI, 0);
}

static volatile uint32_t rounds;

/* Each round: a timer, an IPI to the other, fresh memory, a device, now and then a halt. */
static void guest_busy(void)
{
	volatile uint8_t *fresh = (volatile uint8_t *)FRESH_BASE;
	uint32_t i, me;

	guest_handlers[VECTOR] = count_interrupt;
	guest_handlers[VECTOR + 1] = count_interrupt;
	xapic_write(APIC_SPIV, 0x1ff);
	me = xapic_read(APIC_ID) >> 24;
	xapic_write(APIC_TDCR, 0xb);
	xapic_write(APIC_LVT_TIMER, VECTOR | APIC_TIMER_PERIODIC);
	xapic_write(APIC_TMICT, 3000000);
	sti();
	for (i = 0;; i++) {
		fresh[i * PAGE_SIZE % FRESH]++;
		if (i % 64 == 63) {
			xapic_write(APIC_ICR2, (me ^ 1) << 24);
			xapic_write(APIC_ICR, APIC_ASSERT | (VECTOR + 1));
			rounds = *(volatile uint32_t *)DEVICE;
		}
		if (i % 1024 == 1023)
			asm volatile("hlt");
	}
}

static void run_for_ever(struct vcpu *vcpu)
{
	for (;;) {
		if (try_run(vcpu) == 0)
			client->exits++;
	}
}

static int second_process(void *vcpu)
{
	run_for_ever(vcpu);
	return 0;
}

static _Noreturn void be_client(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP | VM_PIT);
	uint8_t *stack = memory_map(65536, false);
	struct vcpu *vcpus[2];
	unsigned int i;
	pid_t pid;

	vm_set_slot(vm, 1, 0, FRESH_BASE, FRESH, memory_map(FRESH, true));
	for (i = 0; i < 2; i++) {
		vcpus[i] = vcpu_create(vm, i);
		guest_start(vcpus[i], guest_busy);
	}
	pid = clone(second_process, stack + 65536, CLONE_VM | SIGCHLD, vcpus[1]);
	if (pid < 0)
		_exit(1);
	client->second = pid;
	run_for_ever(vcpus[0]);
	_exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* All children, also those that the client left behind. */
static bool reap_all(void)
{
	uint64_t until = now_ms() + REAP_MS * factor;
	pid_t pid;

	for (;;) {
		pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0)
			return errno == ECHILD;
		if (!pid) {
			if (now_ms() > until)
				return false;
			usleep(1000);
		}
	}
}

static bool one_kill(uint64_t random, char **command)
{
	pid_t pid, victims[2];
	unsigned int i;

	memset(client, 0, sizeof(*client));
	pid = fork();
	if (pid < 0)
		return false;
	if (!pid) {
		setpgid(0, 0);
		if (!*command)
			be_client();
		execvp(*command, command);
		_exit(127);
	}
	usleep(random % (latest * 1000ULL));
	victims[random >> 40 & 1] = pid;
	victims[~random >> 40 & 1] = client->second;
	for (i = 0; i < 2; i++) {
		/* Without its second process yet, there is none to kill. */
		if (victims[i] > 0)
			kill(victims[i], SIGKILL);
		if (!i && random >> 41 & 1)
			usleep(random >> 42 & 0x3fff);
	}
	kill(-pid, SIGKILL);
	/* Cloned in the meantime. */
	if (client->second > 0)
		kill(client->second, SIGKILL);
	return reap_all();
}

static bool storm(unsigned int kills, uint64_t seed, char **command)
{
	unsigned int i, started = 0, exits = 0;
	uint64_t random = seed, next = 0;

	for (i = 0; i < kills; i++) {
		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		if (!one_kill(random >> 11 ^ random << 33, command)) {
			printf("# kill %u: a process does not die\n", i);
			return false;
		}
		started += client->second > 0;
		exits += client->exits;
		/* On a slow host clients need longer to get there. */
		if (!*command && started * 2 < i && latest < 20000)
			latest += latest / 4;
		if (now_ms() > next) {
			next = now_ms() + 10000;
			printf("# %u kills, %u of clients whose guests ran, %u exits\n", i + 1,
			       started, exits);
			fflush(stdout);
		}
		if (i % 50 == 49 && !nothing_left())
			return false;
	}
	printf("# %u kills, %u of clients whose guests ran, %u exits\n", kills, started, exits);
	/* A storm that never met a guest has tested nothing. */
	return *command || started > kills / 4;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "seed", 1, NULL, 's' }, { "kills", 1, NULL, 'k' }, { "latest", 1, NULL, 'l' },
		{ "factor", 1, NULL, 'f' }, { NULL },
	};
	unsigned int kills = 20;
	uint64_t seed = time(NULL);
	bool died, works, empty;
	int option;

	while ((option = getopt_long(argc, argv, "+", names, NULL)) != -1) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'k':
			kills = atoi(optarg);
			break;
		case 'l':
			latest = atoi(optarg);
			break;
		case 'f':
			factor = atoi(optarg);
			break;
		default:
			puts("usage: kill-storm [--seed N] [--kills N] [--latest MS] [--factor N]"
			     " [COMMAND]");
			return 1;
		}
	}
	puts("TAP version 13\n1..3");
	printf("# seed %llu, %u kills\n", (unsigned long long)seed, kills);
	fflush(stdout);
	client = mmap(NULL, sizeof(*client), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (client == MAP_FAILED || !latest || !factor ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) {
		puts("Bail out!");
		return 1;
	}
	died = storm(kills, seed, argv + optind);
	empty = nothing_left();
	works = canary_lives(factor);
	empty = nothing_left() && empty;
	test_point(1, died, "kill-storm.clients die");
	test_point(2, works, "kill-storm.a VM works afterwards");
	test_point(3, empty, "kill-storm.nothing of khv is left in use");
	return died && works && empty ? 0 : 1;
}
