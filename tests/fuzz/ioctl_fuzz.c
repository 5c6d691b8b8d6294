// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctl-fuzz: random calls of the whole ioctl interface from several threads.
 *
 * This file supervises. A worker process makes some thousand calls and ends,
 * orderly, by exec or exit amid its threads, or killed; then comes the next,
 * until all calls are made. A worker whose threads stop getting anywhere is
 * reported with their kernel stacks. At the end a VM must still work, and
 * nothing of khv be in use.
 *
 * A worker's seed is the run's and its own number, and a thread's that and the
 * thread's: what a thread does is repeated by the same seed, when it does it is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "aftermath.h"
#include "ioctl_fuzz.h"

#define HANG_MS		40000
#define SHOW_MS		10000
#define FOREVER		(1ULL << 60)

struct options options = {
	.calls = 100000, .threads = 4, .seconds = 3600, .factor = 1, .epoch = 3000,
};

struct report *report;

static unsigned int workers, killed, hung, died;

/* In milliseconds. */
static uint64_t now(void)
{
	return now_us() / 1000;
}

static void print_file(const char *format, int pid, int tid)
{
	char path[64], text[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), format, pid, tid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text));
	if (n > 0)
		printf("# %s:\n%.*s\n", path, (int)n, text);
	close(fd);
}

/* What the threads are in, for a person to read. */
static void show_threads(pid_t pid)
{
	struct thread_state *s;
	unsigned int i, k;

	for (i = 0; i < options.threads; i++) {
		s = &report->threads[i];
		printf("# thread %u: call %#x", i, s->cmd);
		for (k = 0; k < nr_calls; k++)
			if (calls[k].cmd == s->cmd) {
				printf(" %s", calls[k].name);
				break;
			}
		printf(" fd %d argument %#llx\n", s->fd, (unsigned long long)s->arg);
		print_file("/proc/%d/task/%d/stack", pid, s->tid);
		print_file("/proc/%d/task/%d/wchan", pid, s->tid);
	}
	fflush(stdout);
}

/* Whether a thread has not moved since it was looked at HANG_MS ago. */
static bool is_stuck(uint64_t *beats, uint64_t *since)
{
	bool stuck = false;
	unsigned int i;

	for (i = 0; i < options.threads; i++) {
		struct thread_state *s = &report->threads[i];

		if (s->beat != beats[i] || !__atomic_load_n(&s->cmd, __ATOMIC_ACQUIRE)) {
			beats[i] = s->beat;
			since[i] = now();
		} else if (now() - since[i] > HANG_MS * options.factor) {
			stuck = true;
		}
	}
	return stuck;
}

/* False if it cannot even be killed. */
static bool end_worker(pid_t pid)
{
	uint64_t until = now() + HANG_MS * options.factor;
	int status;

	kill(pid, SIGKILL);
	while (now() < until) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return true;
		usleep(10000);
	}
	printf("# worker %d does not die\n", pid);
	show_threads(pid);
	return false;
}

static void show_progress(uint64_t start)
{
	static uint64_t last;

	if (now() - last < SHOW_MS)
		return;
	last = now();
	printf("# %llu s: %llu calls, %llu runs, %llu other actions, %u workers, %u killed\n",
	       (unsigned long long)(now() - start) / 1000,
	       (unsigned long long)report->calls, (unsigned long long)report->runs,
	       (unsigned long long)report->actions, workers, killed);
	fflush(stdout);
}

/* Waits for the worker's end, or brings it about after @ms. False: give up. */
static bool watch(pid_t pid, uint64_t ms, uint64_t start)
{
	uint64_t beats[MAX_THREADS] = { 0 };
	uint64_t since[MAX_THREADS], began = now();
	unsigned int i;
	int status;

	for (i = 0; i < MAX_THREADS; i++)
		since[i] = began;
	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
				died++;
				printf("# worker %u died: %s\n", workers,
				       strsignal(WTERMSIG(status)));
			}
			return true;
		}
		show_progress(start);
		if (now() - began > ms) {
			killed++;
			return end_worker(pid);
		}
		if (is_stuck(beats, since)) {
			hung++;
			printf("# worker %d (seed %llu, number %u) is stuck\n", pid,
			       (unsigned long long)options.seed, workers);
			show_threads(pid);
			return end_worker(pid);
		}
		usleep(5000);
	}
}

static bool fuzz(void)
{
	struct rng rng = { options.seed };
	uint64_t start = now(), before, ms;
	pid_t pid;

	while (report->calls < options.calls && now() - start < options.seconds * 1000ULL) {
		before = report->calls;
		workers++;
		ms = !options.keep_alive && one_in(&rng, 4) ? below(&rng, 4000) : FOREVER;
		memset(report->threads, 0, sizeof(report->threads));
		pid = fork();
		if (!pid)
			worker_run(options.seed + workers);
		if (pid < 0 || !watch(pid, ms, start))
			return false;
		if (report->calls == before && ms == FOREVER) {
			printf("# a worker made no call\n");
			return false;
		}
	}
	printf("# %llu s: %llu calls, %llu runs, %llu other actions; "
	       "%u workers, of which %u killed, %u stuck, %u died\n",
	       (unsigned long long)(now() - start) / 1000,
	       (unsigned long long)report->calls, (unsigned long long)report->runs,
	       (unsigned long long)report->actions, workers, killed, hung, died);
	return true;
}

static void show_counts(void)
{
	const struct call_count *c;
	unsigned int i, e;

	for (i = 0; i <= MAX_CALLS; i++) {
		c = &report->counts[i];
		if (!c->ok && !c->failed)
			continue;
		printf("# %-32s %9llu ok %9llu failed, %6llu us, at most %8llu:",
		       i < nr_calls ? calls[i].name : "others", (unsigned long long)c->ok,
		       (unsigned long long)c->failed,
		       (unsigned long long)(c->us / (c->ok + c->failed)),
		       (unsigned long long)c->worst_us);
		for (e = 0; e < MAX_ERRNO; e++)
			if (c->errnos[e / 64] & 1ULL << e % 64)
				printf(" %s", strerrorname_np(e) ? strerrorname_np(e) : "?");
		puts("");
	}
	for (i = 0; i < ACTIONS; i++)
		printf("# other action %u: %llu ms\n", i,
		       (unsigned long long)report->action_us[i] / 1000);
	for (i = 0; i < 64; i++)
		if (report->exits[i])
			printf("# exit reason %2u: %llu\n", i,
			       (unsigned long long)report->exits[i]);
}

/* A call that never worked was not tested: what each must have done at least once. */
static bool all_called(void)
{
	unsigned int i, first;
	bool all = true;

	for (i = 0; i < nr_calls; i++) {
		/* Some are in more than one list, and counted once. */
		for (first = 0; calls[first].cmd != calls[i].cmd; first++)
			;
		if (first == i && !report->counts[i].ok && !report->counts[i].failed) {
			printf("# %s was never called\n", calls[i].name);
			all = false;
		}
	}
	return all;
}

static void usage(void)
{
	puts("usage: ioctl-fuzz [OPTION]...\n"
	     "  --seed N      begin with this (default: the time)\n"
	     "  --calls N     how many ioctls (default 100000)\n"
	     "  --seconds N   stop after this time (default 3600)\n"
	     "  --threads N   in a worker (default 4)\n"
	     "  --epoch N     actions of a thread before its worker ends (default 3000)\n"
	     "  --factor N    multiply time limits\n"
	     "  --keep        kill no worker at random");
}

static bool parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "seed", 1, NULL, 's' }, { "calls", 1, NULL, 'c' }, { "seconds", 1, NULL, 't' },
		{ "threads", 1, NULL, 'n' }, { "epoch", 1, NULL, 'e' }, { "factor", 1, NULL, 'f' },
		{ "keep", 0, NULL, 'k' }, { "nothing", 0, NULL, 'x' }, { NULL },
	};
	int option;

	options.seed = time(NULL);
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 's':
			options.seed = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			options.calls = strtoull(optarg, NULL, 0);
			break;
		case 't':
			options.seconds = atoi(optarg);
			break;
		case 'n':
			options.threads = atoi(optarg);
			break;
		case 'e':
			options.epoch = atoi(optarg);
			break;
		case 'f':
			options.factor = atoi(optarg);
			break;
		case 'k':
			options.keep_alive = true;
			break;
		case 'x':
			_exit(0);
		default:
			return false;
		}
	}
	return options.threads && options.threads <= MAX_THREADS && options.factor && options.epoch;
}

int main(int argc, char **argv)
{
	bool completed, works, empty, called;
	int dev;

	if (!parse(argc, argv)) {
		usage();
		return 1;
	}
	puts("TAP version 13\n1..4");
	printf("# seed %llu, %llu calls, %u threads\n", (unsigned long long)options.seed,
	       (unsigned long long)options.calls, options.threads);
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	dev = open(KHV_DEVICE, O_RDWR | O_CLOEXEC);
	if (report == MAP_FAILED || dev < 0) {
		puts("Bail out! no device");
		return 1;
	}
	world_init_calls();
	gen_init(dev);
	close(dev);

	/* A worker may now and then run into what it did to its own memory. */
	completed = fuzz() && !hung && !report->unexpected && report->calls && died <= workers / 10;
	show_counts();
	if (report->unexpected)
		printf("# %llu results with an impossible error, the last %d of call %#x\n",
		       (unsigned long long)report->unexpected, report->bad_errno, report->bad_cmd);
	called = report->calls < 50000 || all_called();
	works = canary_lives(options.factor);
	empty = nothing_left();
	test_point(1, completed, "ioctl-fuzz.no call hangs or returns what it must not");
	test_point(2, called, "ioctl-fuzz.every call of the lists is made");
	test_point(3, works, "ioctl-fuzz.a VM works afterwards");
	test_point(4, empty, "ioctl-fuzz.nothing of khv is left in use");
	return completed && works && empty && called ? 0 : 1;
}
