// SPDX-License-Identifier: GPL-2.0-only
/*
 * One worker: a process with threads that make calls on the same few
 * descriptors, change the memory under them, and end in one of several ways
 * while the others still run. What it returns does not matter; that the host
 * survives does, and that each result is one that a call may have.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ioctl_fuzz.h"
#include "vm.h"

#define RUN_NS		2000000		/* how long a guest may spin */
#define IDLE_NS		200000000

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id	_sigev_un._tid
#endif

static struct fuzz_thread *threads[MAX_THREADS];
static pthread_t handles[MAX_THREADS];

uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

/* No call may give out what only the kernel's inside knows, like ERESTARTSYS. */
static void judge(unsigned int cmd, int error)
{
	if (error <= EHWPOISON && error != ENOSYS)
		return;
	__atomic_store_n(&report->bad_errno, error, __ATOMIC_RELAXED);
	__atomic_store_n(&report->bad_cmd, cmd, __ATOMIC_RELAXED);
	__atomic_fetch_add(&report->unexpected, 1, __ATOMIC_RELAXED);
}

static unsigned int call_index(unsigned int cmd)
{
	unsigned int i;

	for (i = 0; i < nr_calls; i++)
		if (calls[i].cmd == cmd)
			return i;
	return MAX_CALLS;
}

static void count(unsigned int cmd, int ret, uint64_t us)
{
	struct call_count *c = &report->counts[call_index(cmd)];

	__atomic_fetch_add(&report->calls, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&c->us, us, __ATOMIC_RELAXED);
	if (us > c->worst_us)
		c->worst_us = us;
	if (ret >= 0) {
		__atomic_fetch_add(&c->ok, 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_fetch_add(&c->failed, 1, __ATOMIC_RELAXED);
	if (-ret < MAX_ERRNO)
		__atomic_fetch_or(&c->errnos[-ret / 64], 1ULL << (-ret % 64), __ATOMIC_RELAXED);
	judge(cmd, -ret);
}

/*
 * A signal is what ends a guest that waits for nothing. Soon after KVM_RUN began,
 * and again in case it came too early; at other times few, as they cost much.
 */
static void set_timer(struct fuzz_thread *t, long ns)
{
	struct itimerspec time = { .it_value.tv_nsec = ns, .it_interval.tv_nsec = ns * 4 };

	if (t->has_timer)
		timer_settime(t->timer, 0, &time, NULL);
}

/* The result, or -errno. */
int do_ioctl(struct fuzz_thread *t, int fd, unsigned int cmd, uint64_t arg)
{
	uint64_t start = now_us();
	int ret;

	t->state->fd = fd;
	t->state->arg = arg;
	__atomic_store_n(&t->state->cmd, cmd, __ATOMIC_RELEASE);
	if (cmd == KVM_RUN)
		set_timer(t, RUN_NS);
	ret = syscall(SYS_ioctl, fd, cmd, arg);
	if (ret < 0)
		ret = -errno;
	if (cmd == KVM_RUN)
		set_timer(t, IDLE_NS);
	__atomic_store_n(&t->state->cmd, 0, __ATOMIC_RELEASE);
	count(cmd, ret, now_us() - start);
	return ret;
}

static unsigned int odd_command(struct rng *rng, unsigned int cmd)
{
	switch (below(rng, 4)) {
	case 0:
		return _IOC(below(rng, 4), KVMIO, below(rng, 256), below(rng, 256));
	case 1:
		return cmd ^ 1U << below(rng, 32);
	case 2:
		return _IOC(below(rng, 4), KHV_IOCTL_MAGIC, below(rng, 16), below(rng, 256));
	default:
		return rnd(rng);
	}
}

/* Those that wait for grace periods would take most of the time. */
static const struct call *choose_call(struct rng *rng)
{
	const struct call *call = &calls[below(rng, nr_calls)];

	switch (call->cmd) {
	case KVM_CREATE_VM:
	case KVM_CREATE_VCPU:
	case KVM_CREATE_IRQCHIP:
	case KVM_CREATE_PIT2:
		return one_in(rng, 16) ? call : &calls[below(rng, nr_calls)];
	default:
		return call;
	}
}

static void call_at_random(struct fuzz_thread *t)
{
	const struct call *call = choose_call(&t->rng);
	unsigned int cmd = call->cmd;
	const void *good;
	enum kind kind;
	uint64_t arg;
	size_t len;
	bool tame;
	int fd, ret;

	fd = one_in(&t->rng, 25) ? world_any_fd(t) : world_fd(t, call->kind);
	arg = gen_argument(t, cmd, &len, &tame);
	if (len) {
		if (!tame && one_in(&t->rng, 4))
			gen_mutate(t, len);
		arg = place(t, len, tame);
	}
	if (one_in(&t->rng, 40) && !tame)
		cmd = odd_command(&t->rng, cmd);
	ret = do_ioctl(t, fd, cmd, arg);
	if (ret < 0)
		return;
	kind = world_result_kind(cmd);
	if (kind != KINDS)
		world_keep(t, kind, ret);
	good = len ? placed_good(t, arg) : NULL;
	if (good)
		gen_remember(cmd, good);
}

static void note_exit(struct kvm_run *run)
{
	unsigned int reason = 0;

	if (PROBE())
		reason = run->exit_reason;
	PROBE_END();
	__atomic_fetch_add(&report->exits[reason < 64 ? reason : 63], 1, __ATOMIC_RELAXED);
}

/* A vCPU that works, run a few times. */
static void run_guest(struct fuzz_thread *t)
{
	unsigned int i = below(&t->rng, POOL);
	struct kvm_run *run = world_run_page(i);
	int fd = world_fd_at(t, VCPU, i), n, ret;

	if (one_in(&t->rng, 3))
		world_boot_vcpu(t, fd);
	for (n = below(&t->rng, 6); n >= 0; n--) {
		if (PROBE() && !one_in(&t->rng, 8))
			run->immediate_exit = run->kvm_dirty_regs = 0;
		PROBE_END();
		ret = do_ioctl(t, fd, KVM_RUN, 0);
		__atomic_fetch_add(&report->runs, 1, __ATOMIC_RELAXED);
		if (ret < 0)
			break;
		note_exit(run);
	}
}

/* In a process that has the descriptors, and the memory or not. */
static void child_calls(struct fuzz_thread *t)
{
	int i, ret;

	for (i = 0; i < 20; i++) {
		const struct call *call = &calls[below(&t->rng, nr_calls)];
		uint64_t arg;
		size_t len;
		bool tame;
		int fd;

		fd = world_any_fd(t);
		arg = gen_argument(t, call->cmd, &len, &tame);
		if (len)
			arg = place(t, len, tame);
		/* There is no timer that would end it. */
		if (call->cmd == KVM_RUN)
			continue;
		ret = do_ioctl(t, fd, call->cmd, arg);
		if (ret >= 0 && world_result_kind(call->cmd) != KINDS)
			close(ret);
	}
}

static void fork_child(struct fuzz_thread *t)
{
	pid_t pid = fork();

	if (!pid) {
		alarm(60 * options.factor);
		t->rng.state ^= getpid();
		child_calls(t);
		if (one_in(&t->rng, 3))
			execl("/proc/self/exe", "ioctl-fuzz", "--nothing", NULL);
		_exit(0);
	}
	if (pid > 0 && one_in(&t->rng, 4))
		kill(pid, SIGKILL);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int same_memory_child(void *arg)
{
	child_calls(arg);
	_exit(0);
}

/* As vfork() has it: the parent's thread waits, the others go on. */
static void clone_child(struct fuzz_thread *t)
{
	uint8_t *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (stack == MAP_FAILED)
		return;
	pid = clone(same_memory_child, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, t);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	munmap(stack, 65536);
}

static void signal_someone(struct fuzz_thread *t)
{
	unsigned int other = below(&t->rng, options.threads);

	if (handles[other])
		pthread_kill(handles[other], SIGUSR1);
}

/* What else a thread does, and how often in so many calls. */
#define ACTION_WEIGHTS	16000
static const struct {
	unsigned int weight;
	void (*act)(struct fuzz_thread *t);
} actions[ACTIONS] = {
	{ 120, run_guest }, { 60, world_shuffle }, { 60, arena_shuffle },
	{ 30, world_shuffle_run_pages }, { 300, scribble }, { 7, signal_someone },
	{ 2, fork_child }, { 1, clone_child }, { 300, world_poke },
};

static void act(struct fuzz_thread *t)
{
	unsigned int i, what = below(&t->rng, ACTION_WEIGHTS);
	uint64_t start;

	t->state->beat++;
	for (i = 0; i < ACTIONS && what >= actions[i].weight; i++)
		what -= actions[i].weight;
	if (i == ACTIONS) {
		call_at_random(t);
		return;
	}
	__atomic_fetch_add(&report->actions, 1, __ATOMIC_RELAXED);
	start = now_us();
	actions[i].act(t);
	__atomic_fetch_add(&report->action_us[i], now_us() - start, __ATOMIC_RELAXED);
}

static void on_signal(int number)
{
}

static void create_timer(struct fuzz_thread *t)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };

	ev.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &ev, &t->timer))
		exit(1);
	t->has_timer = true;
	set_timer(t, IDLE_NS);
}

static void *thread_main(void *arg)
{
	struct fuzz_thread *t = arg;
	unsigned int i;

	t->state->tid = gettid();
	memory_init_thread(t);
	create_timer(t);
	for (i = 0; i < options.epoch && !worker_ends; i++)
		act(t);
	return NULL;
}

static void limit_resources(void)
{
	struct rlimit files = { 200, 200 }, core = { 0, 0 };
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	/* Large slots with a dirty log may take all memory there is: then it is this one's turn. */
	if (fd >= 0 && write(fd, "1000", 4) != 4)
		exit(1);
	close(fd);
	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_CORE, &core);
}

/* The threads may be in the middle of anything when the process goes. */
static _Noreturn void end(struct fuzz_thread *t, pthread_t changer)
{
	unsigned int i, how = below(&t->rng, 4);

	if (how == 0)
		_exit(0);
	if (how == 1)
		execl("/proc/self/exe", "ioctl-fuzz", "--nothing", NULL);
	for (i = 1; i < options.threads; i++)
		pthread_join(handles[i], NULL);
	worker_ends = true;
	pthread_join(changer, NULL);
	if (how == 2)
		world_close_all(t);
	_exit(0);
}

_Noreturn void worker_run(uint64_t seed)
{
	struct sigaction sa = { .sa_handler = on_signal };	/* calls are not restarted */
	struct rng changer_rng = { seed ^ 0x5a5a };
	pthread_t changer;
	unsigned int i;

	limit_resources();
	sigaction(SIGUSR1, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	memory_init();
	world_init();
	for (i = 0; i < options.threads; i++) {
		threads[i] = calloc(1, sizeof(*threads[i]));
		threads[i]->index = i;
		threads[i]->rng.state = seed * 1000 + i;
		threads[i]->state = &report->threads[i];
	}
	if (pthread_create(&changer, NULL, change_arguments, &changer_rng))
		_exit(1);
	handles[0] = pthread_self();
	for (i = 1; i < options.threads; i++)
		if (pthread_create(&handles[i], NULL, thread_main, threads[i]))
			_exit(1);
	thread_main(threads[0]);
	end(threads[0], changer);
}
