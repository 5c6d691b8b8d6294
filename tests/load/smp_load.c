// SPDX-License-Identifier: GPL-2.0-only
/*
 * A load for Linux guests with several processors: "smp-load SECONDS". Forks, pipes,
 * futexes, migrations, changes of mappings that others use, barriers on other
 * processors and clock readings, all at once for that long by the guest's own clock.
 *
 * Each kind checks what it does, since a lost interrupt may hang a guest, but a lost TLB
 * flush only corrupts it. The last line says whether all was well.
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_CPUS	64
#define PAGE		4096UL
#define NOT_STUCK_MS	60000		/* of guest time: longer than anything here waits */

/* In memory that forked workers share. */
struct shared {
	uint64_t end_ns;
	uint32_t failures;
	uint64_t last_ns;		/* the latest time that any processor has read */
};

static struct shared *shared;
static unsigned int nr_cpus;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static bool over(void)
{
	return now_ns() >= shared->end_ns;
}

/* Is there time for another round? Each kind has one, however slow the guest. */
static bool more(uint64_t done)
{
	return !done || !over();
}

static void __attribute__((format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list args;

	/* Who is wrong once may be so a million times. */
	if (__atomic_fetch_add(&shared->failures, 1, __ATOMIC_RELAXED) >= 20)
		return;
	va_start(args, format);
	printf("smp-load: ");
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	va_end(args);
}

static void run_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % nr_cpus, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity: %s", strerror(errno));
}

static pthread_t start(void *(*function)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, function, arg)) {
		fail("cannot create a thread");
		exit(1);
	}
	return thread;
}

/* ---- forks: what a child writes is its own ---- */

static uint64_t load_forks(void)
{
	static volatile uint32_t data[16 * 1024];
	uint64_t forks = 0;
	unsigned int i;
	int status;
	pid_t pid;

	for (i = 0; i < 16 * 1024; i++)
		data[i] = i;
	for (; more(forks); forks++) {
		run_on(forks);
		pid = fork();
		if (!pid) {
			run_on(forks + 1);
			for (i = 0; i < 16 * 1024; i += 512)
				data[i] += forks + 1;
			for (i = 0; i < 16 * 1024; i += 512)
				if (data[i] != i + forks + 1)
					_exit(2);
			_exit(0);
		}
		if (pid < 0) {
			fail("fork: %s", strerror(errno));
			break;
		}
		data[512] = 512;
		if (waitpid(pid, &status, 0) != pid || status)
			fail("a child ended with %#x", status);
		if (data[1024] != 1024)
			fail("a child has written to its parent");
	}
	return forks;
}

/* ---- pipes: a number goes to and fro between two processors ---- */

static uint64_t load_pipes(void)
{
	int to[2], fro[2];
	uint64_t n = 0, got;
	pid_t pid;

	if (pipe(to) || pipe(fro)) {
		fail("pipe: %s", strerror(errno));
		return 0;
	}
	pid = fork();
	if (!pid) {
		close(to[1]);
		run_on(1);
		while (read(to[0], &got, sizeof(got)) == sizeof(got)) {
			got++;
			if (write(fro[1], &got, sizeof(got)) != sizeof(got))
				break;
		}
		_exit(0);
	}
	run_on(0);
	for (; more(n); n++) {
		if (write(to[1], &n, sizeof(n)) != sizeof(n) ||
		    read(fro[0], &got, sizeof(got)) != sizeof(got) || got != n + 1) {
			fail("pipe: sent %llu", (unsigned long long)n);
			break;
		}
	}
	close(to[1]);
	waitpid(pid, NULL, 0);
	return n;
}

/* ---- futexes: a turn that goes round, and a lock for which all compete ---- */

static uint32_t turn, stop_turns;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile uint64_t counted, contended[MAX_CPUS];

static long futex(uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

static void *take_turns(void *arg)
{
	const struct timespec limit = { .tv_sec = NOT_STUCK_MS / 1000 };
	unsigned int me = (uintptr_t)arg;
	uint32_t seen;
	unsigned int i;

	run_on(me);
	while (!__atomic_load_n(&stop_turns, __ATOMIC_SEQ_CST)) {
		seen = __atomic_load_n(&turn, __ATOMIC_SEQ_CST);
		if (seen % nr_cpus != me) {
			if (futex(&turn, FUTEX_WAIT, seen, &limit) && errno == ETIMEDOUT)
				fail("no turn came to processor %u", me);
			continue;
		}
		for (i = 0; i < 10; i++) {
			pthread_mutex_lock(&mutex);
			counted++;
			pthread_mutex_unlock(&mutex);
			contended[me]++;
		}
		if (over())
			__atomic_store_n(&stop_turns, 1, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&turn, 1, __ATOMIC_SEQ_CST);
		futex(&turn, FUTEX_WAKE, INT32_MAX, NULL);
	}
	return NULL;
}

static uint64_t load_futexes(void)
{
	pthread_t threads[MAX_CPUS];
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < nr_cpus; i++)
		threads[i] = start(take_turns, (void *)(uintptr_t)i);
	for (i = 0; i < nr_cpus; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < nr_cpus; i++)
		sum += contended[i];
	if (sum != counted)
		fail("under the lock %llu were counted, and %llu without",
		     (unsigned long long)counted, (unsigned long long)sum);
	return turn;
}

/* ---- mappings: nobody writes once mprotect() has returned, nor where munmap() has ---- */

#define MAP_PAGES	4

static volatile uint64_t *map;
static volatile bool stop_writers;
static __thread sigjmp_buf fault_jump;

static void on_fault(int number)
{
	siglongjmp(fault_jump, 1);
}

static void *write_on(void *arg)
{
	unsigned int me = (uintptr_t)arg, i = 0;

	run_on(me);
	while (!stop_writers) {
		if (sigsetjmp(fault_jump, 1)) {
			sched_yield();
			continue;
		}
		/* All write to all pages, each to a word of its own. */
		while (!stop_writers)
			map[(i++ % MAP_PAGES) * PAGE / 8 + me]++;
	}
	return NULL;
}

static uint64_t sum_map(void)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < MAP_PAGES * PAGE / 8; i++)
		sum += map[i];
	return sum;
}

static void check_still(const char *what, uint64_t round)
{
	uint64_t sum = sum_map();
	unsigned int i;

	for (i = 0; i < 20; i++) {
		if (sum_map() == sum)
			continue;
		fail("written after %s, round %llu", what, (unsigned long long)round);
		return;
	}
}

static uint64_t load_mappings(void)
{
	struct sigaction action = { .sa_handler = on_fault };
	const size_t size = MAP_PAGES * PAGE;
	pthread_t threads[MAX_CPUS];
	uint64_t rounds = 0;
	unsigned int i;

	sigaction(SIGSEGV, &action, NULL);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < nr_cpus; i++)
		threads[i] = start(write_on, (void *)(uintptr_t)i);
	for (; more(rounds); rounds++) {
		run_on(rounds);
		if (mprotect((void *)map, size, PROT_READ))
			fail("mprotect: %s", strerror(errno));
		check_still("mprotect", rounds);
		/* New pages in their place: nobody has the old ones. */
		if (mmap((void *)map, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) == MAP_FAILED)
			fail("mmap: %s", strerror(errno));
		if (sum_map())
			fail("new memory is not zero, round %llu", (unsigned long long)rounds);
		if (mprotect((void *)map, size, PROT_READ | PROT_WRITE))
			fail("mprotect: %s", strerror(errno));
		madvise((void *)map, PAGE, MADV_DONTNEED);
		usleep(500);
	}
	stop_writers = true;
	for (i = 0; i < nr_cpus; i++)
		pthread_join(threads[i], NULL);
	return rounds;
}

/* ---- barriers: one side has none of its own, the other makes one on all processors ---- */

static volatile uint32_t ask, answer, round_of_a, round_of_b, b_missed;

static void *cheap_side(void *arg)
{
	uint32_t round = 0;

	run_on(1);
	while (!stop_writers) {
		if (round_of_a == round) {
			sched_yield();
			continue;
		}
		round++;
		ask = 1;
		asm volatile("" : : : "memory");	/* and no other one */
		b_missed = !answer;
		asm volatile("" : : : "memory");
		round_of_b = round;
	}
	return NULL;
}

static uint64_t load_barriers(void)
{
	pthread_t other;
	uint32_t round = 0, missed;

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		return 0;			/* a kernel without */
	run_on(0);
	other = start(cheap_side, NULL);
	while (more(round)) {
		ask = 0;
		answer = 0;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		round_of_a = ++round;
		answer = 1;
		if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
			fail("membarrier: %s", strerror(errno));
		missed = !ask;
		while (round_of_b != round && !over())
			sched_yield();
		if (round_of_b == round && missed && b_missed)
			fail("two stores passed membarrier, round %u", round);
	}
	stop_writers = true;
	pthread_join(other, NULL);
	return round;
}

/* ---- clocks: time goes forwards, from whichever processor it is read ---- */

static void note_time(uint64_t last, uint64_t now)
{
	while (last < now && !__atomic_compare_exchange_n(&shared->last_ns, &last, now, false,
							  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

static uint64_t load_clocks(void)
{
	uint64_t n = 0, last, now, slept;
	unsigned int cpu;

	for (; more(n); n++) {
		run_on(n);
		cpu = sched_getcpu();
		if (cpu != n % nr_cpus)
			fail("on processor %u, not %u", cpu, (unsigned int)(n % nr_cpus));
		last = __atomic_load_n(&shared->last_ns, __ATOMIC_SEQ_CST);
		now = now_ns();
		if (now < last)
			fail("processor %u is %llu ns behind", cpu, (unsigned long long)(last - now));
		note_time(last, now);
		if (n % 64)
			continue;
		usleep(1000);
		slept = now_ns() - now;
		if (slept < 1000000 || slept > NOT_STUCK_MS * 1000000ULL)
			fail("a millisecond took %llu ns", (unsigned long long)slept);
	}
	return n;
}

/* ---- all of it ---- */

#define NR_KINDS	6

static const struct kind {
	const char *name;
	uint64_t (*run)(void);
} kinds[NR_KINDS] = {
	{ "forks", load_forks },
	{ "pipes", load_pipes },
	{ "futexes", load_futexes },
	{ "mappings", load_mappings },
	{ "barriers", load_barriers },
	{ "clocks", load_clocks },
};

static void run_kind(const struct kind *kind)
{
	uint64_t n = kind->run();

	printf("smp-load: %s: %llu\n", kind->name, (unsigned long long)n);
	if (!n)
		fail("no %s at all", kind->name);
	fflush(stdout);
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned long seconds = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	uint64_t begin = now_ns();
	unsigned int i;
	int status;

	if (!seconds) {
		fprintf(stderr, "usage: smp-load SECONDS\n");
		return 2;
	}
	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (nr_cpus > MAX_CPUS)
		nr_cpus = MAX_CPUS;
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shared->end_ns = begin + seconds * 1000000000ULL;
	printf("smp-load: %lu s on %u processors\n", seconds, nr_cpus);
	fflush(stdout);
	for (i = 0; i < NR_KINDS; i++)
		if (!fork())
			run_kind(&kinds[i]);
	for (i = 0; i < NR_KINDS; i++)
		if (wait(&status) < 0 || status)
			fail("a worker ended with %#x", status);
	printf("smp-load: %llu ms, %s\n", (unsigned long long)(now_ns() - begin) / 1000000,
	       shared->failures ? "failed" : "passed");
	return !!shared->failures;
}
