// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest-fuzz: vCPUs that start in random states, or execute random bytes in user
 * mode. Whatever the guest does, the host has to stay sane, KVM_RUN to return or
 * to be stopped by a signal, a state that a processor can be in to be entered,
 * user mode to stay in its place, and a guest beside it to run unharmed.
 *
 * Three processes: the supervisor, which sees that there is progress; the fuzzer;
 * and the canary.
 */
#include "guest_fuzz.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "ksft.h"

#define STALL_SECONDS	300
#define RUN_LIMIT_US	3000
#define CANARY_WORDS	4096

struct options options = { .count = 2000 };
struct report *report;
static struct kvm_run *volatile running;

_Noreturn void fuzz_fail(struct vcpu *vcpu, const char *what)
{
	printf("# iteration %llu: %s\n", (unsigned long long)report->done, what);
	vcpu_describe(vcpu);
	fflush(stdout);
	_exit(1);
}

static void on_alarm(int signal)
{
	struct kvm_run *run = running;

	if (run)
		run->immediate_exit = 1;
}

bool fuzz_run(struct vcpu *vcpu)
{
	const struct itimerval limit = { { 0, RUN_LIMIT_US }, { 0, RUN_LIMIT_US } }, none = { 0 };
	struct kvm_run *run = vcpu->run;
	int ret;

	/* Again and again, should one come before KVM_RUN; only here, as others may fail of it. */
	running = run;
	setitimer(ITIMER_REAL, &limit, NULL);
	ret = try_run(vcpu);
	setitimer(ITIMER_REAL, &none, NULL);
	running = NULL;
	run->immediate_exit = 0;
	if (ret == -EINTR || ret == -EAGAIN) {
		report->stopped++;
		return false;
	}
	if (ret) {
		printf("# KVM_RUN: %s\n", strerror(-ret));
		fuzz_fail(vcpu, "an error for the client");
	}
	report->exits[run->exit_reason % EXIT_REASONS]++;
	return true;
}

/* ---- the canary ---- */

static uint64_t canary_memory[CANARY_WORDS];

static void guest_canary(void)
{
	uint64_t value, word, tsc = 0;
	uint32_t round, i, r[4];

	for (round = 1;; round++) {
		for (value = round, i = 0; i < CANARY_WORDS; i++) {
			value = value * 6364136223846793005 + 1442695040888963407;
			canary_memory[i] = value;
		}
		cpuid(0, 0, r);
		guest_sync(round);
		for (value = round, i = 0; i < CANARY_WORDS; i++) {
			value = value * 6364136223846793005 + 1442695040888963407;
			word = canary_memory[i];
			GUEST_EQ(word, value);
		}
		GUEST_ASSERT(rdtsc() > tsc);
		tsc = rdtsc();
	}
}

static _Noreturn void run_canary(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);
	uint32_t round;

	guest_start(vcpu, guest_canary);
	for (round = 1; !__atomic_load_n(&report->canary_ends, __ATOMIC_RELAXED); round++) {
		guest_run_sync(vcpu, round);
		report->canary_rounds = round;
		usleep(5000);
	}
	_exit(0);
}

/* ---- the fuzzer ---- */

static _Noreturn void run_fuzzer(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	time_t end = time(NULL) + options.seconds;
	struct rng rng = { .state = options.seed };

	sigaction(SIGALRM, &action, NULL);
	while (report->done < options.count && (!options.seconds || time(NULL) < end)) {
		if (options.mode == FUZZ_STATE)
			fuzz_state(&rng);
		else
			fuzz_user(&rng, options.mode == FUZZ_MUTATE);
		report->done++;
	}
	_exit(0);
}

/* ---- the supervisor ---- */

static pid_t start(void (*function)(void))
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (!pid)
		function();
	return pid;
}

/* Waits for @pid; false when it failed, or when nothing moved for too long. */
static bool supervise(pid_t pid, const char *name, const uint64_t *progress)
{
	uint64_t last = *progress;
	time_t since = time(NULL);
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		usleep(100000);
		if (*(volatile const uint64_t *)progress != last) {
			last = *progress;
			since = time(NULL);
		} else if (time(NULL) - since > STALL_SECONDS) {
			printf("# the %s is stuck at %llu\n", name, (unsigned long long)last);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return false;
		}
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	printf("# the %s ended with status %#x at %llu\n", name, status,
	       (unsigned long long)*progress);
	return false;
}

static void print_counts(void)
{
	unsigned int i;

	printf("# %llu iterations, %llu refused, %llu impossible, %llu stopped, canary %llu\n",
	       (unsigned long long)report->done, (unsigned long long)report->refused,
	       (unsigned long long)report->impossible, (unsigned long long)report->stopped,
	       (unsigned long long)report->canary_rounds);
	printf("# exits:");
	for (i = 0; i < EXIT_REASONS; i++)
		if (report->exits[i])
			printf(" %u: %llu", i, (unsigned long long)report->exits[i]);
	printf("\n");
	if (options.mode == FUZZ_STATE)
		return;
	printf("# vectors:");
	for (i = 0; i < 256; i++)
		if (report->vectors[i])
			printf(" %u: %llu", i, (unsigned long long)report->vectors[i]);
	printf("\n");
}

static const struct option long_options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "count", required_argument, NULL, 'n' },
	{ "seconds", required_argument, NULL, 't' },
	{ "mode", required_argument, NULL, 'm' },
	{ "step", no_argument, NULL, '1' },
	{ "device", required_argument, NULL, 'd' },
	{ 0 },
};

static int usage(void)
{
	fputs("usage: guest-fuzz [--mode state|user|mutate] [--seed N] [--count N] [--seconds N]\n"
	      "                  [--step] [--device PATH]\n", stderr);
	return 2;
}

static bool set_mode(const char *name)
{
	static const char *const names[FUZZ_MODES] = { "state", "user", "mutate" };

	for (options.mode = 0; options.mode < FUZZ_MODES; options.mode++)
		if (!strcmp(name, names[options.mode]))
			return true;
	return false;
}

static bool parse(int argc, char **argv)
{
	int option;

	if (getrandom(&options.seed, sizeof(options.seed), 0) != sizeof(options.seed))
		options.seed = time(NULL);
	while ((option = getopt_long(argc, argv, "s:n:t:m:1d:", long_options, NULL)) != -1) {
		switch (option) {
		case 's':
			options.seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			options.count = strtoull(optarg, NULL, 0);
			break;
		case 't':
			options.seconds = atoi(optarg);
			break;
		case 'm':
			if (!set_mode(optarg))
				return false;
			break;
		case '1':
			options.step = true;
			break;
		case 'd':
			ksft_device = optarg;
			break;
		default:
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	static const char *const names[FUZZ_MODES] = { "state", "user", "mutate" };
	pid_t fuzzer, canary;
	bool ok;

	if (!parse(argc, argv))
		return usage();
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (report == MAP_FAILED)
		return 1;
	printf("# guest-fuzz --mode %s --seed %#llx on %s\n", names[options.mode],
	       (unsigned long long)options.seed, ksft_device);
	fflush(stdout);
	canary = start(run_canary);
	fuzzer = start(run_fuzzer);
	ok = supervise(fuzzer, "fuzzer", &report->done);
	__atomic_store_n(&report->canary_ends, true, __ATOMIC_RELAXED);
	ok &= supervise(canary, "canary", &report->canary_rounds);
	print_counts();
	return !ok || !report->canary_rounds;
}
