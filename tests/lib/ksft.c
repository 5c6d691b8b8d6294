// SPDX-License-Identifier: GPL-2.0-only
/*
 * The runner behind ksft.h: forks a process per test, limits its time, and
 * prints the result as TAP. The processes share one page, in which a test
 * leaves whether it failed and why it was skipped.
 */
#include "ksft.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm.h"

enum { EXIT_PASS = 0, EXIT_FAIL = 1, EXIT_SKIP = 4 };

struct shared {
	int failures;
	bool mixed_up;
	char skip_reason[256];
};

struct totals {
	unsigned int pass, fail, skip;
};

const char *ksft_device = "/dev/khv";
static struct shared *shared;

void ksft_note(const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	printf("# %s\n", line);
	fflush(stdout);
}

void ksft_fail(const char *file, int line, const char *format, ...)
{
	const char *base = strrchr(file, '/');
	char text[512];
	va_list args;

	if (shared)	/* a benchmark has none */
		__atomic_fetch_add(&shared->failures, 1, __ATOMIC_RELAXED);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	ksft_note("%s:%d: %s", base ? base + 1 : file, line, text);
}

void ksft_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(shared->skip_reason, sizeof(shared->skip_reason), format, args);
	va_end(args);
	fflush(stdout);
	_exit(EXIT_SKIP);
}

void ksft_mixed_up(void)
{
	if (shared)
		shared->mixed_up = true;
}

void ksft_abort(void)
{
	fflush(stdout);
	_exit(EXIT_FAIL);
}

static void usage(const char *program)
{
	fprintf(stderr,
		"usage: %s [-d DEVICE] [-t FACTOR] [-l] [NAME]...\n"
		"Runs the tests whose names contain a NAME, or all.\n"
		"  -d DEVICE  device under test (default $KHV_DEV or /dev/khv)\n"
		"  -t FACTOR  multiply all time limits\n"
		"  -l         list the tests\n", program);
}

static bool wanted(const char *name, char **filters)
{
	if (!*filters)
		return true;
	for (; *filters; filters++)
		if (strstr(name, *filters))
			return true;
	return false;
}

static pid_t start(const struct ksft_test *test, unsigned int factor)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	setpgid(0, 0);
	alarm((test->seconds ? test->seconds : KSFT_SECONDS) * factor);
	test->run();
	fflush(stdout);
	_exit(shared->failures ? EXIT_FAIL : EXIT_PASS);
}

/* One try, in a process of its own: that one's status. */
static int try_test(const struct ksft_test *test, unsigned int factor)
{
	int status;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	fflush(stdout);
	pid = start(test, factor);
	if (pid < 0) {
		ksft_note("fork: %s", strerror(errno));
		return EXIT_FAIL << 8;
	}
	waitpid(pid, &status, 0);
	kill(-pid, SIGKILL);	/* what it left behind */
	return status;
}

static bool may_try_again(const struct ksft_test *test, int status)
{
	if (!host_is_tcg())
		return false;
	if (shared->mixed_up)
		return sysconf(_SC_NPROCESSORS_ONLN) > 1;
	if (!test->shadow)
		return false;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == EXIT_FAIL;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
}

/* Runs one test and prints its line. */
static void run_one(const struct ksft_test *test, const char *name, unsigned int number,
		    unsigned int factor, struct totals *totals)
{
	int status = try_test(test, factor), try;

	for (try = 1; try < KSFT_TRIES && may_try_again(test, status); try++) {
		ksft_note("%s: QEMU may have %s, trying again", name, shared->mixed_up ?
			  "taken its host's state for a guest's" : "lost an interrupt shadow");
		status = try_test(test, factor);
	}

	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PASS) {
		totals->pass++;
		printf("ok %u %s\n", number, name);
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP && !shared->failures) {
		totals->skip++;
		printf("ok %u %s # SKIP %s\n", number, name, shared->skip_reason);
	} else {
		if (WIFSIGNALED(status))
			ksft_note("%s", WTERMSIG(status) == SIGALRM ? "out of time" :
				  strsignal(WTERMSIG(status)));
		totals->fail++;
		printf("not ok %u %s\n", number, name);
	}
	fflush(stdout);
}

/* Calls run_one() for each test that is wanted, or only counts or lists them. */
static unsigned int for_each(const struct ksft_suite *const *suites, size_t count, char **filters,
			     unsigned int factor, struct totals *totals, bool list)
{
	unsigned int number = 0;
	char name[128];
	size_t s, t;

	for (s = 0; s < count; s++) {
		for (t = 0; t < suites[s]->count; t++) {
			snprintf(name, sizeof(name), "%s.%s", suites[s]->name,
				 suites[s]->tests[t].name);
			if (!wanted(name, filters))
				continue;
			number++;
			if (list)
				puts(name);
			else if (totals)
				run_one(&suites[s]->tests[t], name, number, factor, totals);
		}
	}
	return number;
}

static int conclude(const struct totals *totals)
{
	printf("# Totals: pass:%u fail:%u xfail:0 xpass:0 skip:%u error:0\n",
	       totals->pass, totals->fail, totals->skip);
	if (totals->fail)
		return EXIT_FAIL;
	return totals->pass || !totals->skip ? EXIT_PASS : EXIT_SKIP;
}

int ksft_main(int argc, char **argv, const struct ksft_suite *const *suites, size_t count)
{
	struct totals totals = { 0 };
	unsigned int factor = 1;
	bool list = false;
	int option, fd;

	if (getenv("KHV_DEV"))
		ksft_device = getenv("KHV_DEV");
	while ((option = getopt(argc, argv, "d:t:lh")) != -1) {
		switch (option) {
		case 'd':
			ksft_device = optarg;
			break;
		case 't':
			factor = atoi(optarg) > 0 ? atoi(optarg) : 1;
			break;
		case 'l':
			list = true;
			break;
		default:
			usage(argv[0]);
			return option == 'h' ? EXIT_PASS : EXIT_FAIL;
		}
	}
	argv += optind;
	if (list)
		return for_each(suites, count, argv, 0, NULL, true) ? EXIT_PASS : EXIT_FAIL;

	puts("TAP version 13");
	fd = open(ksft_device, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		printf("1..0 # SKIP %s: %s\n", ksft_device, strerror(errno));
		return EXIT_SKIP;
	}
	close(fd);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		puts("Bail out! mmap");
		return EXIT_FAIL;
	}
	printf("1..%u\n", for_each(suites, count, argv, 0, NULL, false));
	ksft_note("device %s", ksft_device);
	for_each(suites, count, argv, factor, &totals, false);
	return conclude(&totals);
}
