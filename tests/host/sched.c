// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs that compete by all means of khv's scheduler - gangs, caps, a pool, more vCPUs than CPUs -
 * while CPUs go, threads are bound, interrupted, frozen and killed: nobody stands still for
 * good. What they get is measured by tests/sched; here it matters that they get on.
 *
 * Each VM is a process of its own. Its memory is shared with the test, which reads there
 * how far its guest has come.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "aftermath.h"
#include "guest.h"
#include "guest_apic.h"
#include "guest_cpu.h"
#include "khv.h"
#include "load.h"
#include "rng.h"

#define VMS		6
#define MEMBERS		(KHV_SCHED_WEIGHT | KHV_SCHED_CAP | KHV_SCHED_CAP_PERIOD | \
			 KHV_SCHED_CAP_BURST | KHV_SCHED_GANG | KHV_SCHED_POOL | KHV_SCHED_PRIORITY)
#define TURNS_POOL	20		/* by priority, with aging: all have turns */
#define QUEUE_POOL	21		/* one at a time, to its end */
#define NAP_VECTOR	0x40
#define NAP_NS		3000000
#define PATIENCE	120000		/* ms without progress that are too many */
#define DEATH		20000		/* ms that a process may take to die */
#define CGROUPS		"/tmp/cgroups"
#define FREEZER		CGROUPS "/vms"
#define REHEARSAL	"/sys/power/pm_test"
#define DELAY		"/sys/module/suspend/parameters/pm_test_delay"

/* ---- in the guest ---- */

static volatile uint64_t beats[GUEST_CPUS], naps;

static void nap_over(struct guest_frame *frame)
{
	xapic_write(APIC_EOI, 0);
}

static void guest_beat(void)
{
	uint32_t r[4], me;

	cpuid(1, 0, r);
	me = r[1] >> 24;
	guest_handlers[NAP_VECTOR] = nap_over;
	if (naps) {
		xapic_write(APIC_SPIV, 0x1ff);
		xapic_write(APIC_TDCR, 0xb);
		xapic_write(APIC_LVT_TIMER, NAP_VECTOR | APIC_TIMER_PERIODIC);
		xapic_write(APIC_TMICT, NAP_NS);	/* of 1 GHz */
	}
	for (;;) {
		sti();
		for (unsigned int i = 0; i < 2000; i++)
			cpu_pause();
		beats[me]++;
		if (naps)
			sti_hlt_cli();
		if (beats[me] % 16 == 0)
			guest_sync(0);
	}
}

/* ---- in a VM's process ---- */

static const struct {
	unsigned int vcpus;
	bool naps;
	struct khv_sched sched;
} kinds[VMS] = {
	{ 2, false, { .weight = 100, .gang = 1 } },
	{ 3, false, { .weight = 300, .gang = 1 } },
	{ 2, true, { .weight = 100, .gang = 1 } },
	{ 2, false, { .weight = 100, .gang = 1, .cap = 40 } },
	{ 1, false, { .weight = 50, .pool = TURNS_POOL, .cap = 30 } },
	{ 1, false, { .weight = 50, .pool = TURNS_POOL } },
};

struct shared {
	volatile pid_t tids[GUEST_CPUS];
	struct khv_sched sched;		/* to be set */
	unsigned int asked, done;
	volatile int result;
};

static struct member {
	uint8_t *ram;
	struct shared *shared;
	pid_t pid;
	bool frozen;
} members[VMS];

struct runner {
	struct vcpu *vcpu;
	volatile pid_t *tid;
};

static void *run(void *arg)
{
	struct runner *r = arg;
	enum guest_event event;

	*r->tid = gettid();
	do {
		event = guest_run(r->vcpu);
	} while (event == GUEST_EINTR || event == GUEST_SYNC);
	ksft_fail(__FILE__, __LINE__, "a guest ended");
	_exit(1);
}

static _Noreturn void be_vm(unsigned int n)
{
	static struct runner runners[GUEST_CPUS];
	struct shared *shared = members[n].shared;
	struct vm *vm = vm_create(0, VM_IRQCHIP);
	pthread_t thread;
	unsigned int i;

	vm->ram = members[n].ram;
	vm->ram_size = VM_RAM_SIZE;
	vm_set_slot(vm, 0, 0, 0, VM_RAM_SIZE, vm->ram);
	for (i = 0; i < kinds[n].vcpus; i++) {
		runners[i] = (struct runner) { vcpu_create(vm, i), &shared->tids[i] };
		guest_start(runners[i].vcpu, guest_beat);
	}
	*GUEST_VAR(vm, naps) = kinds[n].naps;
	for (i = 0; i < kinds[n].vcpus; i++)
		ASSERT(!pthread_create(&thread, NULL, run, &runners[i]));
	for (i = 0;; usleep(1000)) {
		if (__atomic_load_n(&shared->asked, __ATOMIC_ACQUIRE) == i)
			continue;
		shared->result = try_ioctl(vm->fd, KHV_SET_SCHED, &shared->sched);
		__atomic_store_n(&shared->done, ++i, __ATOMIC_RELEASE);
	}
}

/* ---- in the test ---- */

static struct rng rng;

static unsigned int now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void ignore(int signal)
{
}

static volatile uint64_t *beat_of(unsigned int n, unsigned int i)
{
	struct vm vm = { .ram = members[n].ram };

	return &(*GUEST_VAR(&vm, beats))[i];
}

static void need_alive(unsigned int n)
{
	ASSERT_EQ(waitpid(members[n].pid, NULL, WNOHANG), 0);
}

static void set(unsigned int n, struct khv_sched sched)
{
	struct shared *shared = members[n].shared;
	unsigned int end = now_ms() + PATIENCE;

	sched.set = MEMBERS;
	sched.cap_period = sched.cap_period ?: 50000;
	shared->sched = sched;
	__atomic_store_n(&shared->asked, shared->asked + 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&shared->done, __ATOMIC_ACQUIRE) != shared->asked) {
		need_alive(n);
		ASSERT(now_ms() < end, "VM %u's client stands still", n);
		usleep(1000);
	}
	ASSERT_EQ(shared->result, 0);
}

static void set_pool(unsigned int number, uint32_t policy, uint32_t slots, uint32_t aging)
{
	struct khv_pool pool = {
		.pool = number, .policy = policy, .slots = slots, .aging = aging,
	};
	int dev = dev_open();

	ASSERT_EQ(try_ioctl(dev, KHV_SET_POOL, &pool), 0);
	close(dev);
}

/* What khv knows of VM @n. False if there is no such VM. */
static bool look(unsigned int n, struct khv_sched_vm *vm)
{
	struct khv_sched_vm vms[2 * VMS];
	struct khv_sched_vms arg = { .vms = (uintptr_t)vms, .count = 2 * VMS };
	int dev = dev_open(), count = try_ioctl(dev, KHV_GET_SCHED_VMS, &arg);

	close(dev);
	ASSERT(count >= 0 && count <= 2 * VMS, "%d VMs", count);
	while (count--) {
		*vm = vms[count];
		if (vm->pid == members[n].pid)
			return true;
	}
	return false;
}

static void stands_still(unsigned int n, unsigned int i, const char *after)
{
	struct khv_sched_vm vm = { 0 };

	look(n, &vm);
	ksft_note("VM %u: weight %u, cap %u, gang %u, pool %u, flags %u; ran %llu, waited %llu, throttled %llu of %llu ms",
		  n, vm.sched.weight, vm.sched.cap, vm.sched.gang, vm.sched.pool, vm.flags,
		  (vm.times.guest + vm.times.hypervisor) / 1000000, vm.times.waiting / 1000000,
		  vm.times.throttled / 1000000, vm.times.wall / 1000000);
	ksft_fail(__FILE__, __LINE__, "after %s: vCPU %u of VM %u stands still", after, i, n);
	ksft_abort();
}

static unsigned int longest_wait;

/* Each vCPU that is not frozen gets on. */
static void progress(const char *after)
{
	unsigned int n, i, begin = now_ms(), end = begin + PATIENCE;
	uint64_t before[VMS][GUEST_CPUS];

	for (n = 0; n < VMS; n++)
		for (i = 0; i < kinds[n].vcpus; i++)
			before[n][i] = *beat_of(n, i);
	for (n = 0; n < VMS; n++) {
		for (i = 0; i < kinds[n].vcpus && !members[n].frozen; i++) {
			while (*beat_of(n, i) - before[n][i] < 3) {
				need_alive(n);
				if (now_ms() >= end)
					stands_still(n, i, after);
				usleep(1000);
			}
		}
	}
	if (now_ms() - begin > longest_wait)
		longest_wait = now_ms() - begin;
}

static void start(unsigned int n)
{
	memset(members[n].shared, 0, sizeof(*members[n].shared));
	fflush(stdout);
	members[n].pid = fork();
	ASSERT(members[n].pid >= 0);
	if (!members[n].pid)
		be_vm(n);
	set(n, kinds[n].sched);
}

/* Until the process and its VM are gone. Returns how many ms that took. */
static unsigned int end(unsigned int n)
{
	unsigned int begin = now_ms(), most = host_is_tcg() ? DEATH : 10 * DEATH;
	struct khv_sched_vm vm;

	ASSERT(!kill(members[n].pid, SIGKILL));
	while (waitpid(members[n].pid, NULL, WNOHANG) == 0 || look(n, &vm)) {
		ASSERT(now_ms() - begin < most, "VM %u does not die", n);
		usleep(1000);
	}
	members[n].pid = 0;
	return now_ms() - begin;
}

static void for_each_thread(void (*act)(unsigned int n, unsigned int i, pid_t tid))
{
	for (unsigned int n = 0; n < VMS; n++)
		for (unsigned int i = 0; i < kinds[n].vcpus; i++)
			act(n, i, members[n].shared->tids[i]);
}

/* Everything that can be set, at random. */
static void shuffle(void)
{
	struct khv_sched sched;

	set_pool(TURNS_POOL, KHV_POOL_PRIORITY, 1 + below(&rng, 2), 20 + below(&rng, 80));
	for (unsigned int n = 0; n < VMS; n++) {
		sched = (struct khv_sched) {
			.weight = 50 + below(&rng, 350),
			.cap = one_in(&rng, 3) ? 5 + below(&rng, 150) : 0,
			.cap_period = 10000 + below(&rng, 190000),
			.gang = !one_in(&rng, 3),
			.pool = one_in(&rng, 3) ? TURNS_POOL : 0,
			.priority = (int)below(&rng, 7) - 3,
		};
		if (one_in(&rng, 2))
			sched.cap_burst = (uint64_t)sched.cap_period * sched.cap / 100;
		set(n, sched);
	}
	progress("a change of all that can be set");
}

/* ---- what is done to them ---- */

static void need_cpus(void)
{
	if (load_cpus() < 2)
		ksft_skip("this host has one CPU");
}

static void step_online(void)
{
	set_online(1, false);
	progress("CPU 1 went offline");
	shuffle();
	set_online(1, true);
	progress("CPU 1 came back");
}

static unsigned int spread;

static void bind(unsigned int n, unsigned int i, pid_t tid)
{
	unsigned int cpu[] = { 0, 1, n % 2, i % 2, below(&rng, 2) };
	cpu_set_t set;

	CPU_ZERO(&set);
	if (spread < KSFT_ARRAY_SIZE(cpu)) {
		CPU_SET(cpu[spread], &set);
	} else {
		CPU_SET(0, &set);
		CPU_SET(1, &set);
	}
	/* Refused while that CPU is offline. */
	sched_setaffinity(tid, sizeof(set), &set);
}

static void step_affinity(void)
{
	static const char *const names[] = {
		"all were bound to CPU 0", "all were bound to CPU 1", "each VM was bound to a CPU",
		"the vCPUs of VMs were bound to CPUs", "vCPUs were bound at random",
		"all were set free",
	};

	for (spread = 0; spread < KSFT_ARRAY_SIZE(names); spread++) {
		for_each_thread(bind);
		progress(names[spread]);
	}
}

static void interrupt(unsigned int times)
{
	unsigned int n, i;

	while (times--) {
		n = below(&rng, VMS);
		i = below(&rng, kinds[n].vcpus);
		syscall(SYS_tgkill, members[n].pid, members[n].shared->tids[i], SIGUSR1);
		if (one_in(&rng, 2))
			usleep(below(&rng, 3000));
	}
}

static void step_signals(void)
{
	interrupt(1000);
	progress("signals");
}

static void need_cgroups(void)
{
	mkdir(CGROUPS, 0755);
	if (mount("cgroup2", CGROUPS, "cgroup2", 0, NULL) && errno != EBUSY)
		ksft_skip("no cgroup2: %s", strerror(errno));
	mkdir(FREEZER, 0755);
	if (access(FREEZER "/cgroup.freeze", W_OK))
		ksft_skip("cgroup2 cannot freeze");
}

static bool all_frozen(void)
{
	char text[128] = "";
	int fd = open(FREEZER "/cgroup.events", O_RDONLY);

	ASSERT(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strstr(text, "frozen 1");
}

/* Some of them stop where they are, and the others go on. */
static void step_cgroup(void)
{
	unsigned int n, some = 1 + below(&rng, (1 << VMS) - 1), end = now_ms() + PATIENCE;
	uint64_t before[VMS];
	char pid[16];

	for (n = 0; n < VMS; n++) {
		members[n].frozen = some >> n & 1;
		snprintf(pid, sizeof(pid), "%d", members[n].pid);
		ASSERT_EQ(file_write(members[n].frozen ? FREEZER "/cgroup.procs" :
				     CGROUPS "/cgroup.procs", pid), 0);
	}
	ASSERT_EQ(file_write(FREEZER "/cgroup.freeze", "1"), 0);
	while (!all_frozen()) {
		ASSERT(now_ms() < end, "VMs %#x do not freeze", some);
		usleep(1000);
	}
	for (n = 0; n < VMS; n++)
		before[n] = *beat_of(n, 0);
	progress("others were frozen");
	usleep(100000);
	for (n = 0; n < VMS; n++)
		EXPECT(!members[n].frozen || *beat_of(n, 0) == before[n], "VM %u", n);
	ASSERT_EQ(file_write(FREEZER "/cgroup.freeze", "0"), 0);
	for (n = 0; n < VMS; n++)
		members[n].frozen = false;
	progress("VMs were frozen");
}

static void need_rehearsal(void)
{
	if (access(REHEARSAL, W_OK))
		ksft_skip("this kernel has no %s", REHEARSAL);
}

/* The whole system freezes, as it does before it sleeps. */
static void step_suspend(void)
{
	int ret;

	file_write(DELAY, "0");
	ASSERT_EQ(file_write(REHEARSAL, "freezer"), 0);
	ret = file_write("/sys/power/state", "freeze");
	ASSERT(!ret, "%s", strerror(-ret));
	ASSERT_EQ(file_write(REHEARSAL, "none"), 0);
	progress("the system was frozen");
}

static unsigned int longest_death;

/* Throttled by its cap, held by its pool, or perhaps waiting for a slot; then dead. */
static void step_kill(unsigned int how)
{
	static const struct khv_sched capped = { .weight = 100, .cap = 1, .cap_period = 1000000 };
	static const struct khv_sched queued = { .weight = 100, .pool = QUEUE_POOL };
	static const struct khv_sched gang = { .weight = 100, .gang = 1 };
	unsigned int n = below(&rng, VMS), other = (n + 1) % VMS, ms;
	struct khv_sched_vm before, after;

	set_pool(QUEUE_POOL, KHV_POOL_FCFS, 1, 0);
	for (unsigned int i = 0; i < VMS; i++)
		set(i, gang);
	switch (how) {
	case 0:
		set(n, capped);
		ASSERT(look(n, &before));
		usleep(300000);
		ASSERT(look(n, &after));
		EXPECT(after.times.throttled > before.times.throttled);
		break;
	case 1:
		set(other, queued);
		set(n, queued);
		ASSERT(look(n, &after));
		EXPECT_EQ(after.flags, KHV_SCHED_VM_HELD);
		break;
	}
	usleep(below(&rng, 50000));
	ms = end(n);
	if (ms > longest_death)
		longest_death = ms;
	start(n);
	set(other, gang);
	progress("a VM was killed");
}

static void start_all(void)
{
	struct shared *shared = mmap(NULL, PAGE_SIZE * VMS, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *text = getenv("KHV_SEED");

	if (strcmp(ksft_device, KHV_DEVICE))
		ksft_skip("caps, gangs and pools are khv's own");
	need_race();
	rng.state = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
	ksft_note("seed %llu", (unsigned long long)rng.state);
	ASSERT(shared != MAP_FAILED);
	signal(SIGUSR1, ignore);
	set_pool(TURNS_POOL, KHV_POOL_PRIORITY, 1, 50);
	for (unsigned int n = 0; n < VMS; n++) {
		members[n].shared = (void *)shared + n * PAGE_SIZE;
		members[n].ram = mmap(NULL, VM_RAM_SIZE, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		ASSERT(members[n].ram != MAP_FAILED);
		start(n);
	}
	progress("they were started");
}

static void end_all(void)
{
	for (unsigned int n = 0; n < VMS; n++)
		end(n);
	EXPECT(nothing_left());
	ksft_note("the longest that any waited: %u ms", longest_wait);
}

static void repeat(void (*need)(void), void (*step)(void))
{
	if (need)
		need();
	start_all();
	for (unsigned int i = 0; i < (host_is_tcg() ? 2 : 1); i++) {
		step();
		shuffle();
	}
	end_all();
}

static void test_online(void)
{
	repeat(need_cpus, step_online);
}

static void test_affinity(void)
{
	repeat(need_cpus, step_affinity);
}

static void test_signals(void)
{
	repeat(NULL, step_signals);
}

static void test_cgroup(void)
{
	repeat(need_cgroups, step_cgroup);
}

static void test_suspend(void)
{
	repeat(need_rehearsal, step_suspend);
}

static void test_kill(void)
{
	unsigned int i;

	start_all();
	for (i = 0; i < (host_is_tcg() ? 6 : 3); i++)
		step_kill(i % 3);
	ksft_note("%u killed, the longest death took %u ms", i, longest_death);
	end_all();
}

/* Signals and bindings without a pause, while CPUs go and VMs freeze. */
static void test_storm(void)
{
	pid_t pid;

	need_cpus();
	need_cgroups();
	start_all();
	fflush(stdout);
	pid = fork();
	ASSERT(pid >= 0);
	for (; !pid; spread = below(&rng, 8)) {
		interrupt(200);
		for_each_thread(bind);
	}
	for (unsigned int i = 0; i < (host_is_tcg() ? 2 : 1); i++) {
		step_online();
		step_cgroup();
		shuffle();
	}
	kill(pid, SIGKILL);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	end_all();
}

static const struct ksft_test tests[] = {
	{ "online", test_online, 600 },
	{ "affinity", test_affinity, 600 },
	{ "signals", test_signals, 600 },
	{ "cgroup", test_cgroup, 600 },
	{ "suspend", test_suspend, 600 },
	{ "kill", test_kill, 600 },
	{ "storm", test_storm, 600 },
};

const struct ksft_suite sched_suite = KSFT_SUITE("sched", tests);
