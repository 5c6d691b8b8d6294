// SPDX-License-Identifier: GPL-2.0-only
/*
 * khv's own calls: how a VM is scheduled, and where its time went.
 *
 * Whether VMs get their shares is measured by tests/sched, since it takes seconds of a
 * machine that does nothing else.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "guest_apic.h"
#include "guest_cpu.h"
#include "khv.h"
#include "ksft.h"
#include "vm_sched.h"

/* And guests that never stop, beside threads that sleep. */
static void need_spinning(void)
{
	need_khv();
	need_race();
}

static uint64_t sum(const struct khv_sched_times *t)
{
	return t->guest + t->hypervisor + t->waiting + t->halted + t->throttled + t->other;
}

static void test_defaults(void)
{
	struct khv_sched p, wanted = { .weight = 100, .cap_period = 100000 };
	struct vm *vm;

	need_khv();
	vm = vm_create(0, 0);
	p = get(vm);
	wanted.set = vm_check_extension(vm, KHV_CAP_SCHED);
	EXPECT(!memcmp(&p, &wanted, sizeof(p)));
}

static void test_set(void)
{
	struct khv_sched p = { .set = KHV_SCHED_WEIGHT, .weight = 1, .cap = 77, .priority = 5 };
	struct vm *vm;

	need_khv();
	vm = vm_create(0, 0);
	EXPECT_EQ(set(vm, p), 0);
	EXPECT_EQ(get(vm).weight, 1);
	/* Not named, not changed. */
	EXPECT_EQ(get(vm).cap, 0);
	EXPECT_EQ(get(vm).priority, 0);
	p.weight = KHV_SCHED_WEIGHT_MAX;
	EXPECT_EQ(set(vm, p), 0);
	EXPECT_EQ(get(vm).weight, KHV_SCHED_WEIGHT_MAX);
	p.set = 0;
	p.weight = 3;
	EXPECT_EQ(set(vm, p), 0);
	EXPECT_EQ(get(vm).weight, KHV_SCHED_WEIGHT_MAX);
}

static void test_set_refused(void)
{
	static const uint32_t weights[] = { 0, KHV_SCHED_WEIGHT_MAX + 1, 0x80000000, 0xffffffff };
	struct khv_sched p = { .set = KHV_SCHED_WEIGHT };
	struct vm *vm;
	uint32_t bit;

	need_khv();
	vm = vm_create(0, 0);
	for (size_t i = 0; i < KSFT_ARRAY_SIZE(weights); i++) {
		p.weight = weights[i];
		EXPECT_EQ(set(vm, p), -EINVAL);
	}
	p.weight = 200;
	for (size_t i = 0; i < KSFT_ARRAY_SIZE(p.reserved); i++) {
		p.reserved[i] = 1;
		EXPECT_EQ(set(vm, p), -EINVAL);
		p.reserved[i] = 0;
	}
	for (bit = 1; bit; bit <<= 1) {
		if (get(vm).set & bit)
			continue;
		p.set = KHV_SCHED_WEIGHT | bit;
		EXPECT_EQ(set(vm, p), -EINVAL);
	}
	EXPECT_EQ(get(vm).weight, 100);
}

static void test_set_cap(void)
{
	static const struct {
		uint32_t cap, period, burst;
		int result;
	} cases[] = {
		{ 1, 10000, 0, 0 }, { 25, 1000000, 250000, 0 }, { 250, 100000, 250000, 0 },
		{ 250, 100000, 250001, -EINVAL }, { 25, 9999, 0, -EINVAL },
		{ 25, 1000001, 0, -EINVAL }, { 25, 0, 0, -EINVAL }, { 0, 100000, 1, -EINVAL },
		{ KHV_SCHED_CAP_MAX, 1000000, 0, 0 }, { KHV_SCHED_CAP_MAX + 1, 100000, 0, -EINVAL },
		{ 0xffffffff, 0xffffffff, 0xffffffff, -EINVAL }, { 0, 100000, 0, 0 },
	};
	struct khv_sched p = {
		.set = KHV_SCHED_CAP | KHV_SCHED_CAP_PERIOD | KHV_SCHED_CAP_BURST,
	};
	struct vm *vm;

	need_khv();
	vm = vm_create(0, 0);
	for (size_t i = 0; i < KSFT_ARRAY_SIZE(cases); i++) {
		p.cap = cases[i].cap;
		p.cap_period = cases[i].period;
		p.cap_burst = cases[i].burst;
		EXPECT(set(vm, p) == cases[i].result, "case %zu", i);
		if (cases[i].result)
			continue;
		EXPECT_EQ(get(vm).cap, p.cap);
		EXPECT_EQ(get(vm).cap_period, p.cap_period);
		EXPECT_EQ(get(vm).cap_burst, p.cap_burst);
	}
	/* The cap goes below what was to be saved up: not by itself. */
	p.cap = 50;
	p.cap_burst = 50000;
	ASSERT_EQ(set(vm, p), 0);
	p.set = KHV_SCHED_CAP;
	p.cap = 49;
	EXPECT_EQ(set(vm, p), -EINVAL);
	EXPECT_EQ(get(vm).cap, 50);
}

static int weights_of_nobody(int dev)
{
	struct khv_sched p = { .set = KHV_SCHED_WEIGHT, .weight = 150 };
	struct vm vm = { .dev = dev };

	if (setresuid(65534, 65534, 65534))
		return 100;
	vm.fd = try_ioctl_value(dev, KVM_CREATE_VM, 0);
	if (vm.fd < 0)
		return 101;
	if (set(&vm, p))
		return 1;
	p.weight = 151;
	if (set(&vm, p) != -EPERM || get(&vm).weight != 150)
		return 2;
	p.weight = 140;
	return set(&vm, p) ? 3 : 0;
}

static int caps_of_nobody(int dev)
{
	struct khv_sched p = { .set = KHV_SCHED_CAP, .cap = 30 };
	struct vm vm = { .dev = dev };

	if (setresuid(65534, 65534, 65534))
		return 100;
	vm.fd = try_ioctl_value(dev, KVM_CREATE_VM, 0);
	if (vm.fd < 0)
		return 101;
	/* It begins with what root allows. */
	if (get(&vm).cap != 40)
		return 1;
	if (set(&vm, p))
		return 2;
	p.cap = 41;
	if (set(&vm, p) != -EPERM)
		return 3;
	p.cap = 0;
	if (set(&vm, p) != -EPERM)
		return 4;
	p.set = KHV_SCHED_WEIGHT;
	p.weight = 5;
	return set(&vm, p) || get(&vm).cap != 30 ? 5 : 0;
}

static void test_cap_limit(void)
{
	int dev, status;
	pid_t pid;

	need_khv();
	if (geteuid())
		ksft_skip("needs root");
	dev = dev_open();
	write_parameter("cap_limit", 40);
	pid = fork();
	if (!pid)
		_exit(caps_of_nobody(dev));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(WIFEXITED(status) && !WEXITSTATUS(status), "%#x", status);
	EXPECT_EQ(get(vm_create(0, 0)).cap, 0);
	write_parameter("cap_limit", 0);
}

/* What root has limited, only root raises. */
static void test_weight_limit(void)
{
	struct khv_sched p = { .set = KHV_SCHED_WEIGHT, .weight = 10000 };
	int dev, status;
	pid_t pid;

	need_khv();
	if (geteuid())
		ksft_skip("needs root");
	dev = dev_open();
	write_parameter("weight_limit", 150);
	pid = fork();
	if (!pid)
		_exit(weights_of_nobody(dev));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(WIFEXITED(status) && !WEXITSTATUS(status), "%#x", status);
	EXPECT_EQ(set(vm_create(0, 0), p), 0);
	write_parameter("weight_limit", 100);
}

static void test_stats_refused(void)
{
	struct khv_sched_stats stats = { .vcpu = KHV_SCHED_ALL_VCPUS };
	struct vm *vm;

	need_khv();
	vm = vm_create(0, 0);
	EXPECT_EQ(try_ioctl(vm->fd, KHV_GET_SCHED_STATS, &stats), 0);
	EXPECT_EQ(stats.times.wall, 0);
	stats.vcpu = 0;
	EXPECT_EQ(try_ioctl(vm->fd, KHV_GET_SCHED_STATS, &stats), -ENOENT);
	vcpu_create(vm, 3);
	EXPECT_EQ(try_ioctl(vm->fd, KHV_GET_SCHED_STATS, &stats), -ENOENT);
	stats.vcpu = 3;
	EXPECT_EQ(try_ioctl(vm->fd, KHV_GET_SCHED_STATS, &stats), 0);
	EXPECT(stats.times.wall > 0);
	stats.flags = 1;
	EXPECT_EQ(try_ioctl(vm->fd, KHV_GET_SCHED_STATS, &stats), -EINVAL);
	stats.flags = 0;
	for (size_t i = 0; i < KSFT_ARRAY_SIZE(stats.reserved); i++) {
		stats.reserved[i] = 1;
		EXPECT_EQ(try_ioctl(vm->fd, KHV_GET_SCHED_STATS, &stats), -EINVAL);
		stats.reserved[i] = 0;
	}
}

static int list(int dev, struct khv_sched_vm *vms, uint32_t count)
{
	struct khv_sched_vms arg = { .vms = (uintptr_t)vms, .count = count };

	return try_ioctl(dev, KHV_GET_SCHED_VMS, &arg);
}

static const struct khv_sched_vm *find(const struct khv_sched_vm *vms, int count, pid_t pid)
{
	for (int i = 0; i < count; i++)
		if (vms[i].pid == pid)
			return &vms[i];
	return NULL;
}

static void test_list(void)
{
	struct khv_sched_vms arg = { .flags = 1 };
	static struct khv_sched_vm vms[64];
	const struct khv_sched_vm *mine;
	struct vm *vm;
	int n;

	need_khv();
	vm = vm_create(0, 0);
	vcpu_create(vm, 0);
	vcpu_create(vm, 1);
	n = list(vm->dev, NULL, 0);
	ASSERT(n >= 1 && n < 60, "%d", n);
	EXPECT_EQ(list(vm->dev, NULL, 1), -EFAULT);
	EXPECT_EQ(list(vm->dev, vms, 0xffffffff), n);
	mine = find(vms, n, getpid());
	ASSERT(mine);
	EXPECT_EQ(mine->vcpus, 2);
	EXPECT_EQ(mine->uid, geteuid());
	EXPECT_EQ(mine->sched.weight, 100);
	EXPECT(mine->times.wall > 0);
	EXPECT_EQ(sum(&mine->times), mine->times.wall);
	EXPECT_EQ(try_ioctl(vm->dev, KHV_GET_SCHED_VMS, &arg), -EINVAL);
	/* Ordered by age, and no more than asked for. */
	memset(vms, 0, sizeof(vms));
	EXPECT_EQ(list(vm->dev, vms, 1), n);
	EXPECT(vms[0].id && !vms[1].id);
}

static int list_as_nobody(int dev)
{
	static struct khv_sched_vm vms[64];

	if (setresuid(65534, 65534, 65534))
		return 100;
	return list(dev, vms, 64);
}

static void test_list_of_others(void)
{
	struct vm *vm;
	int status;
	pid_t pid;

	need_khv();
	if (geteuid())
		ksft_skip("needs root");
	vm = vm_create(0, 0);
	pid = fork();
	if (!pid)
		_exit(list_as_nobody(vm->dev));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(WIFEXITED(status) && !WEXITSTATUS(status), "%#x", status);
}

static void guest_halt(void)
{
	for (;;)
		asm volatile("sti; hlt");
}

/* What the clock says between two readings is what the states say, to a part in a thousand. */
static void check_interval(struct vm *vm, struct khv_sched_times *delta)
{
	struct khv_sched_times before, after;
	uint64_t t0, t1, t2, t3;

	t0 = now_ns();
	before = times_of(vm, 0);
	t1 = now_ns();
	usleep(500000);
	t2 = now_ns();
	after = times_of(vm, 0);
	t3 = now_ns();
	EXPECT_EQ(sum(&before), before.wall);
	EXPECT_EQ(sum(&after), after.wall);
	EXPECT(after.wall - before.wall >= (t2 - t1) * 999 / 1000, "%lu of %lu",
	       (long)(after.wall - before.wall), (long)(t2 - t1));
	EXPECT(after.wall - before.wall <= (t3 - t0) * 1001 / 1000, "%lu of %lu",
	       (long)(after.wall - before.wall), (long)(t3 - t0));
	for (size_t i = 0; i < sizeof(before) / sizeof(uint64_t); i++)
		((uint64_t *)delta)[i] = ((uint64_t *)&after)[i] - ((uint64_t *)&before)[i];
}

static void test_spinning(void)
{
	struct khv_sched_times d;
	struct vcpu *vcpu;
	struct vm *vm;

	need_spinning();
	vm = start(guest_spin, &vcpu);
	usleep(100000);
	check_interval(vm, &d);
	/* It has nothing else to do. How much it waits depends on the host. */
	EXPECT(d.guest > d.wall / 4, "%lu", (long)d.guest);
	EXPECT(d.guest + d.hypervisor + d.waiting >= d.wall * 99 / 100);
	EXPECT_EQ(d.halted, 0);
	EXPECT_EQ(d.throttled, 0);
}

static uint64_t ran(struct vm *vm)
{
	struct khv_sched_times t = times_of(vm, KHV_SCHED_ALL_VCPUS);

	EXPECT_EQ(sum(&t), t.wall);
	return t.guest + t.hypervisor;
}

static uint64_t due_of(struct vm *vm)
{
	struct khv_sched_stats stats = { .vcpu = KHV_SCHED_ALL_VCPUS };

	ASSERT_EQ(try_ioctl(vm->fd, KHV_GET_SCHED_STATS, &stats), 0);
	return stats.due;
}

/* Who is alone is due what it has, then and later, when somebody comes. */
static void test_due_alone(void)
{
	uint64_t had, due, before, later;
	struct vcpu *vcpu;
	struct vm *vm;

	need_spinning();
	vm = start(guest_spin, &vcpu);
	usleep(300000);
	had = ran(vm);
	due = due_of(vm);
	later = ran(vm);
	EXPECT(due >= had && due <= later, "%lu, not from %lu to %lu", (long)due, (long)had,
	       (long)later);
	usleep(200000);
	before = now_ns();
	due = due_of(vm);
	vm_create(0, 0);
	usleep(100000);
	later = due_of(vm);
	EXPECT(later >= due && later - due <= now_ns() - before, "%lu more in %lu",
	       (long)(later - due), (long)(now_ns() - before));
}

static void test_halted(void)
{
	struct khv_sched_times d;
	struct vcpu *vcpu;
	struct vm *vm;

	need_khv();
	vm = start(guest_halt, &vcpu);
	usleep(100000);
	check_interval(vm, &d);
	EXPECT(d.halted >= d.wall * 99 / 100, "%lu of %lu", (long)d.halted, (long)d.wall);
}

static void test_not_running(void)
{
	struct khv_sched_times d;
	struct vm *vm;

	need_khv();
	vm = vm_create(VM_RAM_SIZE, 0);
	vcpu_create(vm, 0);
	check_interval(vm, &d);
	EXPECT_EQ(d.other, d.wall);
}

static void guest_spin_a_while(void)
{
	for (unsigned int i = 0; i < 1000000; i++)
		cpu_pause();
}

/* The statistics descriptor says the same. */
static void test_statistics(void)
{
	struct khv_sched_times t;
	struct vcpu *vcpu;
	struct vm *vm;

	need_khv();
	vm = vm_create(VM_RAM_SIZE, 0);
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, guest_spin_a_while);
	guest_run_done(vcpu);
	t = times_of(vm, 0);
	EXPECT(t.guest > 0 && t.hypervisor > 0);
	EXPECT_EQ(vcpu_statistic(vcpu, "guest_ns"), t.guest);
	EXPECT_EQ(vcpu_statistic(vcpu, "hypervisor_ns"), t.hypervisor);
	EXPECT_EQ(vcpu_statistic(vcpu, "waiting_ns"), t.waiting);
	EXPECT_EQ(vcpu_statistic(vcpu, "halted_ns"), t.halted);
	EXPECT_EQ(vcpu_statistic(vcpu, "throttled_ns"), t.throttled);
	EXPECT(vcpu_statistic(vcpu, "other_ns") > t.other);
	EXPECT(vcpu_statistic(vcpu, "wall_ns") > t.wall);
}

static bool nice_becomes(pid_t tid, int nice)
{
	for (int i = 0; i < 200; i++) {
		if (getpriority(PRIO_PROCESS, tid) == nice)
			return true;
		usleep(10000);
	}
	ksft_note("nice level %d, not %d", getpriority(PRIO_PROCESS, tid), nice);
	return false;
}

/* A thread's nice level is taken over while it runs a vCPU, and given back. */
static void test_nice(void)
{
	struct khv_sched p = { .set = KHV_SCHED_WEIGHT, .weight = 125 };
	struct runner r = { 0 };
	struct vm *vm;

	need_spinning();
	vm = vm_create(VM_RAM_SIZE, 0);
	r.vcpu = vcpu_create(vm, 0);
	guest_start(r.vcpu, guest_spin);
	ASSERT_EQ(set(vm, p), 0);
	runner_start(&r);
	/* 1.25 times as much is one level. */
	EXPECT(nice_becomes(r.tid, -1));
	p.weight = 80;
	ASSERT_EQ(set(vm, p), 0);
	EXPECT(nice_becomes(r.tid, 1));
	/* The owner's own level counts as well: 80 / 100 of that of nice 5. */
	ASSERT(!setpriority(PRIO_PROCESS, r.tid, 5));
	EXPECT(nice_becomes(r.tid, 6));
	runner_stop(&r);
	EXPECT(nice_becomes(r.tid, 5));
}

static void set_cap(struct vm *vm, unsigned int cap)
{
	struct khv_sched p = { .set = KHV_SCHED_CAP, .cap = cap };

	ASSERT_EQ(set(vm, p), 0);
}

static void test_capped(void)
{
	struct khv_sched_times d;
	struct vcpu *vcpu;
	struct vm *vm;

	need_spinning();
	vm = start(guest_spin, &vcpu);
	set_cap(vm, 20);
	usleep(200000);
	check_interval(vm, &d);
	/* Half a second is five periods; how exact caps are is measured by tests/sched. */
	EXPECT(d.guest + d.hypervisor <= d.wall * 30 / 100, "%lu of %lu",
	       (long)(d.guest + d.hypervisor), (long)d.wall);
	EXPECT(d.throttled >= d.wall * 60 / 100, "%lu of %lu", (long)d.throttled, (long)d.wall);
	/* None any more: at once. */
	set_cap(vm, 0);
	usleep(10000);
	check_interval(vm, &d);
	EXPECT_EQ(d.throttled, 0);
	EXPECT(d.guest > d.wall / 4);
}

/* A vCPU that is held back for most of a second does not keep signals waiting. */
static void test_throttled_signal(void)
{
	struct khv_sched p = { .set = KHV_SCHED_CAP | KHV_SCHED_CAP_PERIOD, .cap = 1,
			       .cap_period = 1000000 };
	struct runner r = { 0 };
	struct khv_sched_times t;
	struct vm *vm;
	uint64_t t0;

	need_spinning();
	vm = vm_create(VM_RAM_SIZE, 0);
	r.vcpu = vcpu_create(vm, 0);
	guest_start(r.vcpu, guest_spin);
	ASSERT_EQ(set(vm, p), 0);
	runner_start(&r);
	/* The time that it is throttled now does not end before the next period. */
	do
		usleep(5000);
	while (!times_of(vm, 0).throttled);
	usleep(50000);
	t0 = now_ns();
	runner_stop(&r);
	EXPECT(now_ns() - t0 < 500 * MS, "%lu ms", (long)((now_ns() - t0) / MS));
	t = times_of(vm, 0);
	EXPECT_EQ(sum(&t), t.wall);
}

/* And it dies at once. */
static void test_throttled_kill(void)
{
	struct khv_sched p = { .set = KHV_SCHED_CAP | KHV_SCHED_CAP_PERIOD, .cap = 1,
			       .cap_period = 1000000 };
	struct vcpu *vcpu;
	struct vm *vm;
	uint64_t t0;
	int status;
	pid_t pid;

	need_spinning();
	pid = fork();
	if (!pid) {
		vm = start(guest_spin, &vcpu);
		ASSERT_EQ(set(vm, p), 0);
		for (;;)
			pause();
	}
	usleep(400000);
	t0 = now_ns();
	kill(pid, SIGKILL);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(now_ns() - t0 < 500 * MS, "%lu ms", (long)((now_ns() - t0) / MS));
}

/* Its times are the vCPU's, whichever thread runs it; and a thread runs one after the other. */
static void *run_by_turns(void *arg)
{
	struct vcpu **vcpus = arg;

	for (unsigned int i = 0;; i++) {
		vcpus[i % 3]->run->immediate_exit = 0;
		try_run(vcpus[i % 3]);
	}
	return NULL;
}

static void guest_exits(void)
{
	for (;;)
		outb(0x6e0, 0);
}

static void test_turns(void)
{
	static struct vcpu *vcpus[3];
	struct khv_sched p = { .set = KHV_SCHED_WEIGHT | KHV_SCHED_CAP, .weight = 300, .cap = 50 };
	struct khv_sched_times t, vm_t;
	pthread_t threads[2];
	struct vm *vm;

	need_spinning();
	vm = vm_create(VM_RAM_SIZE, 0);
	for (int i = 0; i < 3; i++) {
		vcpus[i] = vcpu_create(vm, i);
		guest_start(vcpus[i], guest_exits);
	}
	ASSERT_EQ(set(vm, p), 0);
	for (int i = 0; i < 2; i++)
		ASSERT(!pthread_create(&threads[i], NULL, run_by_turns, vcpus));
	for (int i = 0; i < 20; i++) {
		p.weight = 20 << i % 8;
		p.cap = i % 3 * 30;
		ASSERT_EQ(set(vm, p), 0);
		usleep(50000);
	}
	for (int i = 0; i < 3; i++) {
		t = times_of(vm, i);
		EXPECT_EQ(sum(&t), t.wall);
		EXPECT(t.guest > 0);
	}
	vm_t = times_of(vm, KHV_SCHED_ALL_VCPUS);
	EXPECT_EQ(sum(&vm_t), vm_t.wall);
}

/*
 * More vCPUs than CPUs, as gangs: all go on, evenly, whether they are gangs or not, come or
 * go; and a signal ends the wait for a slot.
 */
static void test_gang(void)
{
	struct khv_sched p = { .set = KHV_SCHED_GANG, .gang = 2 };
	struct runner r = { 0 };
	pthread_t thread;
	struct vcpu *vcpu;
	struct vm *vms[3];
	uint64_t before[3], had[3], all = 0, t0;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	need_spinning();
	for (int i = 0; i < 3; i++) {
		vms[i] = start(guest_spin, &vcpu);
		EXPECT_EQ(set(vms[i], p), -EINVAL);
	}
	p.gang = 1;
	for (int i = 0; i < 3; i++) {
		for (long k = 1; k < cpus && k < GUEST_CPUS; k++) {
			vcpu = vcpu_create(vms[i], k);
			guest_start(vcpu, guest_spin);
			ASSERT(!pthread_create(&thread, NULL, run_until_killed, vcpu));
		}
		ASSERT_EQ(set(vms[i], p), 0);
		EXPECT_EQ(get(vms[i]).gang, 1);
	}
	usleep(500000);
	for (int i = 0; i < 3; i++)
		before[i] = ran(vms[i]);
	usleep(2000000);
	for (int i = 0; i < 3; i++) {
		had[i] = ran(vms[i]) - before[i];
		all += had[i];
	}
	for (int i = 0; i < 3; i++)
		EXPECT(had[i] > all / 4 && had[i] < all * 5 / 12, "%lu of %lu", (long)had[i],
		       (long)all);
	/* No gang any more: it competes with those that are. */
	p.gang = 0;
	ASSERT_EQ(set(vms[0], p), 0);
	before[0] = ran(vms[0]);
	usleep(500000);
	EXPECT(ran(vms[0]) > before[0] + 20 * MS);

	p.gang = 1;
	r.vcpu = vcpu_create(vms[1], GUEST_CPUS);
	ASSERT_EQ(set(vms[0], p), 0);
	guest_start(r.vcpu, guest_spin);
	runner_start(&r);
	usleep(100000);
	t0 = now_ns();
	runner_stop(&r);
	EXPECT(now_ns() - t0 < 1000 * MS, "%lu ms", (long)((now_ns() - t0) / MS));
}

static const struct ksft_test tests[] = {
	{ "gang", test_gang },
	{ "capped", test_capped },
	{ "throttled_signal", test_throttled_signal },
	{ "throttled_kill", test_throttled_kill },
	{ "turns", test_turns },
	{ "set_cap", test_set_cap },
	{ "cap_limit", test_cap_limit },
	{ "defaults", test_defaults },
	{ "set", test_set },
	{ "set_refused", test_set_refused },
	{ "weight_limit", test_weight_limit },
	{ "nice", test_nice },
	{ "stats_refused", test_stats_refused },
	{ "list", test_list },
	{ "list_of_others", test_list_of_others },
	{ "spinning", test_spinning },
	{ "due_alone", test_due_alone },
	{ "halted", test_halted },
	{ "not_running", test_not_running },
	{ "statistics", test_statistics },
};

static const struct ksft_suite suite = KSFT_SUITE("sched", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
