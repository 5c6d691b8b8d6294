// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools: which of the VMs in one run, and in what order, when so many may.
 *
 * Each VM has a vCPU that counts in its own memory; one that is held does not count. Each
 * test has a pool of its own.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "khv.h"
#include "ksft.h"

#define UNKNOWN	0

struct job {
	struct vm *vm;
	struct vcpu *vcpu;
	pthread_t thread;
	int result;		/* of the last KVM_RUN */
	bool stop, stopped;
};

static volatile uint64_t beats;

/* With interrupts on, since Bochs takes the host's only then. */
static void guest_count(void)
{
	sti();
	for (;;)
		beats++;
}

static void *run(void *arg)
{
	struct job *job = arg;

	while (!__atomic_load_n(&job->stop, __ATOMIC_RELAXED))
		__atomic_store_n(&job->result, try_run(job->vcpu), __ATOMIC_RELAXED);
	__atomic_store_n(&job->stopped, true, __ATOMIC_RELAXED);
	return NULL;
}

static void ignore(int signal)
{
}

static struct khv_pool pool_of(unsigned int number, uint32_t policy, uint32_t slots,
			       uint32_t aging)
{
	return (struct khv_pool) {
		.pool = number, .policy = policy, .slots = slots, .aging = aging,
	};
}

static int set_pool(unsigned int number, uint32_t policy, uint32_t slots, uint32_t aging)
{
	struct khv_pool pool = pool_of(number, policy, slots, aging);
	int dev = dev_open(), r;

	r = try_ioctl(dev, KHV_SET_POOL, &pool);
	close(dev);
	return r;
}

static struct khv_pool get_pool(unsigned int number)
{
	struct khv_pool pool = { .pool = number };
	int dev = dev_open();

	ASSERT_EQ(try_ioctl(dev, KHV_GET_POOL, &pool), 0);
	close(dev);
	return pool;
}

static int put(struct vm *vm, unsigned int pool, int priority, uint64_t length)
{
	struct khv_sched p = {
		.set = KHV_SCHED_POOL | KHV_SCHED_PRIORITY | KHV_SCHED_LENGTH,
		.pool = pool, .priority = priority, .length = length,
	};

	return try_ioctl(vm->fd, KHV_SET_SCHED, &p);
}

static void job_make(struct job *job, unsigned int pool, int priority, uint64_t length)
{
	*job = (struct job) { .vm = vm_create(VM_RAM_SIZE, 0) };
	ASSERT_EQ(put(job->vm, pool, priority, length), 0);
	job->vcpu = vcpu_create(job->vm, 0);
	guest_start(job->vcpu, guest_count);
}

static void job_start(struct job *job, unsigned int pool, int priority, uint64_t length)
{
	job_make(job, pool, priority, length);
	ASSERT(!pthread_create(&job->thread, NULL, run, job));
}

static void job_stop(struct job *job)
{
	__atomic_store_n(&job->stop, true, __ATOMIC_RELAXED);
	while (!__atomic_load_n(&job->stopped, __ATOMIC_RELAXED)) {
		pthread_kill(job->thread, SIGUSR1);
		usleep(1000);
	}
	pthread_join(job->thread, NULL);
}

/* The VM is there as long as one of its vCPUs is. */
static void job_forget(struct job *job)
{
	munmap(job->vcpu->run, job->vcpu->run_size);
	close(job->vcpu->fd);
	vm_destroy(job->vm);
}

static void job_end(struct job *job)
{
	job_stop(job);
	job_forget(job);
}

/* It runs, sooner or later; a second is little where many wait for one CPU. */
static bool counts(struct job *job)
{
	uint64_t before = *GUEST_VAR(job->vm, beats);

	for (int i = 0; i < 400; i++) {
		if (*GUEST_VAR(job->vm, beats) != before)
			return true;
		usleep(10000);
	}
	return false;
}

/* It stops within a moment, and stays so. */
static bool is_held(struct job *job)
{
	uint64_t before;

	usleep(20000);
	before = *GUEST_VAR(job->vm, beats);
	usleep(100000);
	return *GUEST_VAR(job->vm, beats) == before;
}

/* Has the pool seen that many? */
static bool running_becomes(unsigned int pool, unsigned int running)
{
	for (int i = 0; i < 400; i++) {
		if (get_pool(pool).running == running)
			return true;
		usleep(10000);
	}
	return false;
}

static void setup(void)
{
	if (strcmp(ksft_device, KHV_DEVICE))
		ksft_skip("pools are khv's own");
	if (geteuid())
		ksft_skip("needs root");
	signal(SIGUSR1, ignore);
}

/* For tests with jobs, which do nothing but count. */
static void setup_jobs(void)
{
	setup();
	need_race();
}

static int set_as_nobody(void)
{
	struct khv_pool pool = pool_of(1, KHV_POOL_FCFS, 1, 0);
	struct khv_sched up = { .set = KHV_SCHED_PRIORITY, .priority = 1 };
	struct khv_sched down = { .set = KHV_SCHED_PRIORITY, .priority = -1 };
	struct khv_sched away = { .set = KHV_SCHED_POOL, .pool = 2 };
	struct khv_sched in = { .set = KHV_SCHED_POOL, .pool = 1 };
	struct khv_sched length = { .set = KHV_SCHED_LENGTH };
	struct vm *vm = vm_create(0, 0), *other = vm_create(0, 0);

	if (put(vm, 1, 0, 1000))
		return 99;

	if (setresuid(65534, 65534, 65534))
		return 100;
	if (try_ioctl(vm->dev, KHV_SET_POOL, &pool) != -EPERM)
		return 1;
	if (try_ioctl(vm->fd, KHV_SET_SCHED, &up) != -EPERM)
		return 2;
	if (try_ioctl(vm->fd, KHV_SET_SCHED, &down))
		return 3;
	if (try_ioctl(vm->fd, KHV_SET_SCHED, &away) != -EPERM)
		return 4;
	away.pool = 0;
	if (try_ioctl(vm->fd, KHV_SET_SCHED, &away) != -EPERM)
		return 5;
	/* Into one with a policy, or that may get one. */
	if (try_ioctl(other->fd, KHV_SET_SCHED, &in) != -EPERM)
		return 6;
	in.pool = 2;
	if (try_ioctl(other->fd, KHV_SET_SCHED, &in) != -EPERM)
		return 7;
	length.length = 999;
	if (try_ioctl(vm->fd, KHV_SET_SCHED, &length) != -EPERM)
		return 8;
	length.length = 1001;
	if (try_ioctl(vm->fd, KHV_SET_SCHED, &length))
		return 9;
	length.length = 0;
	if (try_ioctl(vm->fd, KHV_SET_SCHED, &length))
		return 10;
	length.length = 1;
	if (try_ioctl(vm->fd, KHV_SET_SCHED, &length) != -EPERM)
		return 11;
	/* Who waits for nothing says what he likes. */
	return try_ioctl(other->fd, KHV_SET_SCHED, &length) ? 12 : 0;
}

static void test_refused(void)
{
	static struct khv_pool bad[] = {
		{ .pool = KHV_POOLS, .policy = KHV_POOL_FCFS, .slots = 1 },
		{ .pool = ~0U, .policy = KHV_POOL_FCFS, .slots = 1 },
		{ .pool = 1, .policy = KHV_POOL_PRIORITY + 1, .slots = 1 },
		{ .pool = 1, .policy = ~0U, .slots = 1 },
		{ .pool = 1, .policy = KHV_POOL_FCFS },
		{ .pool = 1, .policy = KHV_POOL_FCFS, .slots = 1, .members = 1 },
		{ .pool = 1, .policy = KHV_POOL_FCFS, .slots = 1, .running = 1 },
		{ .pool = 1, .policy = KHV_POOL_FCFS, .slots = 1, .reserved = { 0, 0, 0, 0, 1 } },
	};
	struct khv_pool none = { .pool = KHV_POOLS };
	struct vm *vm;
	int status;
	pid_t pid;

	setup();
	vm = vm_create(0, 0);
	for (size_t i = 0; i < KSFT_ARRAY_SIZE(bad); i++)
		EXPECT_EQ(try_ioctl(vm->dev, KHV_SET_POOL, &bad[i]), -EINVAL);
	EXPECT_EQ(try_ioctl(vm->dev, KHV_SET_POOL, NULL), -EFAULT);
	EXPECT_EQ(try_ioctl(vm->dev, KHV_GET_POOL, NULL), -EFAULT);
	EXPECT_EQ(try_ioctl(vm->dev, KHV_GET_POOL, &none), -ENOENT);
	EXPECT_EQ(put(vm, KHV_POOLS, 0, 0), -EINVAL);
	EXPECT_EQ(put(vm, ~0U, 0, 0), -EINVAL);

	/* What root has set up for it, a VM does not leave by itself. */
	ASSERT_EQ(set_pool(1, KHV_POOL_FCFS, 1, 0), 0);
	pid = fork();
	if (!pid)
		_exit(set_as_nobody());
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(WIFEXITED(status) && !WEXITSTATUS(status), "%#x", status);
	ASSERT_EQ(set_pool(1, KHV_POOL_FAIR, 1, 0), 0);
}

static void test_get(void)
{
	struct khv_pool pool;
	struct vm *vm;

	setup();
	vm = vm_create(0, 0);
	ASSERT_EQ(set_pool(61, KHV_POOL_SJF, 3, 4000), 0);
	pool = get_pool(60);
	EXPECT_EQ(pool.pool, 61);
	EXPECT_EQ(pool.policy, KHV_POOL_SJF);
	EXPECT_EQ(pool.slots, 3);
	EXPECT_EQ(pool.aging, 4000);
	EXPECT_EQ(pool.members, 0);
	ASSERT_EQ(put(vm, 61, 0, 0), 0);
	EXPECT_EQ(get_pool(61).members, 1);
	EXPECT_EQ(get_pool(61).running, 0);
	ASSERT_EQ(set_pool(61, KHV_POOL_FAIR, 1, 0), 0);
	/* Nobody's policy, but a member. */
	EXPECT_EQ(get_pool(60).pool, 61);
	/* Nor set up by anybody; what it is can be set. */
	ASSERT_EQ(put(vm, 59, 0, 0), 0);
	pool = get_pool(59);
	EXPECT_EQ(pool.pool, 59);
	EXPECT_EQ(pool.policy, KHV_POOL_FAIR);
	EXPECT_EQ(pool.slots, 1);
	EXPECT_EQ(set_pool(59, pool.policy, pool.slots, pool.aging), 0);
}

static void test_fcfs(void)
{
	struct job job[3];

	setup_jobs();
	ASSERT_EQ(set_pool(2, KHV_POOL_FCFS, 1, 0), 0);
	/* Who wants to run first is first, not who was there first. */
	job_make(&job[2], 2, 0, 0);
	job_start(&job[0], 2, 0, 0);
	EXPECT(counts(&job[0]));
	job_start(&job[1], 2, 100, 1);
	EXPECT(is_held(&job[1]));
	ASSERT(!pthread_create(&job[2].thread, NULL, run, &job[2]));
	EXPECT(is_held(&job[1]) && is_held(&job[2]));
	EXPECT(counts(&job[0]));
	EXPECT_EQ(get_pool(2).running, 1);
	EXPECT_EQ(get_pool(2).members, 3);
	job_end(&job[0]);
	EXPECT(counts(&job[1]));
	EXPECT(is_held(&job[2]));
	job_end(&job[1]);
	EXPECT(counts(&job[2]));
}

/* It is a wait as any other: signals end it, and the VM can go. */
static void test_interrupted(void)
{
	struct job job[2];

	setup_jobs();
	ASSERT_EQ(set_pool(3, KHV_POOL_FCFS, 1, 0), 0);
	job_start(&job[0], 3, 0, 0);
	EXPECT(counts(&job[0]));
	job_make(&job[1], 3, 0, 0);
	job[1].result = 1;
	ASSERT(!pthread_create(&job[1].thread, NULL, run, &job[1]));
	EXPECT(is_held(&job[1]));
	EXPECT_EQ(__atomic_load_n(&job[1].result, __ATOMIC_RELAXED), 1);
	job_stop(&job[1]);
	EXPECT_EQ(job[1].result, -EINTR);
	/* It has its place still. */
	EXPECT_EQ(get_pool(3).running, 1);
	job_forget(&job[1]);
	EXPECT_EQ(get_pool(3).members, 1);
	EXPECT(counts(&job[0]));
}

static void test_sjf(void)
{
	static const uint64_t lengths[] = { 1000, 300, 100, UNKNOWN };
	static const unsigned int order[] = { 0, 2, 1, 3 };
	struct job job[4];
	unsigned int i, k;

	setup_jobs();
	ASSERT_EQ(set_pool(4, KHV_POOL_SJF, 1, 0), 0);
	for (i = 0; i < 4; i++) {
		job_start(&job[i], 4, 0, lengths[i]);
		/* The first one keeps its slot though shorter ones come. */
		EXPECT(i ? is_held(&job[i]) : counts(&job[i]), "%u", i);
	}
	for (i = 0; i < 4; i++) {
		EXPECT(counts(&job[order[i]]), "%u", i);
		for (k = i + 1; k < 4; k++)
			EXPECT(is_held(&job[order[k]]), "%u, %u", i, k);
		job_end(&job[order[i]]);
	}
}

static void test_priority(void)
{
	struct job low, high;

	setup_jobs();
	ASSERT_EQ(set_pool(5, KHV_POOL_PRIORITY, 1, 0), 0);
	job_start(&low, 5, -3, 0);
	EXPECT(counts(&low));
	job_start(&high, 5, 2, 0);
	EXPECT(counts(&high));
	EXPECT(is_held(&low));
	/* Changes count at once. */
	ASSERT_EQ(put(low.vm, 5, 3, 0), 0);
	EXPECT(counts(&low));
	EXPECT(is_held(&high));
	job_end(&low);
	EXPECT(counts(&high));
}

/* Who waits long enough has a turn, in spite of one of higher priority. */
static void test_aging(void)
{
	struct job low, high;
	unsigned int i;

	setup_jobs();
	ASSERT_EQ(set_pool(6, KHV_POOL_PRIORITY, 1, 200), 0);
	job_start(&high, 6, 4, 0);
	EXPECT(counts(&high));
	job_start(&low, 6, 1, 0);
	EXPECT(is_held(&low));
	for (i = 0; i < 3; i++) {
		EXPECT(counts(&low), "%u", i);
		EXPECT(counts(&high), "%u", i);
	}
}

static void test_changes(void)
{
	struct job job[3];
	unsigned int i;

	setup_jobs();
	for (i = 0; i < 3; i++) {
		job_start(&job[i], 7, 0, 0);
		EXPECT(counts(&job[i]));
	}
	/* Those that run already queue by age. */
	ASSERT_EQ(set_pool(7, KHV_POOL_FCFS, 2, 0), 0);
	EXPECT(counts(&job[0]) && counts(&job[1]) && is_held(&job[2]));
	ASSERT_EQ(set_pool(7, KHV_POOL_FCFS, 1, 0), 0);
	EXPECT(counts(&job[0]) && is_held(&job[1]) && is_held(&job[2]));
	EXPECT(running_becomes(7, 1));
	/* One goes elsewhere, where nobody holds it. */
	ASSERT_EQ(put(job[2].vm, 8, 0, 0), 0);
	EXPECT(counts(&job[2]));
	ASSERT_EQ(put(job[2].vm, 7, 0, 0), 0);
	EXPECT(is_held(&job[2]));
	ASSERT_EQ(set_pool(7, KHV_POOL_FCFS, 3, 0), 0);
	EXPECT(counts(&job[0]) && counts(&job[1]) && counts(&job[2]));
	ASSERT_EQ(set_pool(7, KHV_POOL_PRIORITY, 1, 0), 0);
	EXPECT(running_becomes(7, 1));
	ASSERT_EQ(set_pool(7, KHV_POOL_FAIR, 1, 0), 0);
	EXPECT(counts(&job[0]) && counts(&job[1]) && counts(&job[2]));
}

/* All vCPUs of a VM run or wait, and where the time went is told. */
static void test_times(void)
{
	struct khv_sched_stats before = { .vcpu = KHV_SCHED_ALL_VCPUS }, after = before;
	static struct khv_sched_vm vms[64];
	struct khv_sched_vms list = { .vms = (uintptr_t)vms, .count = 64 };
	struct job first, held, other;
	int i, n, seen = 0;

	setup_jobs();
	ASSERT_EQ(set_pool(9, KHV_POOL_FCFS, 1, 0), 0);
	job_start(&first, 9, 0, 0);
	EXPECT(counts(&first));
	job_make(&held, 9, 0, 0);
	other = held;
	other.vcpu = vcpu_create(held.vm, 1);
	guest_start(other.vcpu, guest_count);
	ASSERT(!pthread_create(&held.thread, NULL, run, &held));
	ASSERT(!pthread_create(&other.thread, NULL, run, &other));
	EXPECT(is_held(&held));
	ASSERT_EQ(try_ioctl(held.vm->fd, KHV_GET_SCHED_STATS, &before), 0);
	usleep(200000);
	ASSERT_EQ(try_ioctl(held.vm->fd, KHV_GET_SCHED_STATS, &after), 0);
	EXPECT(after.times.throttled - before.times.throttled >=
	       (after.times.wall - before.times.wall) * 99 / 100);
	n = try_ioctl(held.vm->dev, KHV_GET_SCHED_VMS, &list);
	for (i = 0; i < n && i < 64; i++) {
		if (vms[i].pid != getpid())
			continue;
		EXPECT_EQ(vms[i].flags, seen ? KHV_SCHED_VM_HELD : 0);
		EXPECT_EQ(vms[i].place, seen);
		seen++;
	}
	EXPECT_EQ(seen, 2);
	job_end(&first);
	EXPECT(counts(&held));
}

static const struct ksft_test tests[] = {
	{ "refused", test_refused },
	{ "get", test_get },
	{ "fcfs", test_fcfs },
	{ "interrupted", test_interrupted },
	{ "sjf", test_sjf },
	{ "priority", test_priority },
	{ "aging", test_aging },
	{ "changes", test_changes },
	{ "times", test_times },
};

static const struct ksft_suite suite = KSFT_SUITE("pool", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
