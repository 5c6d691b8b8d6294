// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the scheduler of VMs keeps its clients to: nice levels that are khv's and give no
 * right to others, what root has limited, caps that change, halts that are polled for.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "guest_apic.h"
#include "guest_cpu.h"
#include "khv.h"
#include "ksft.h"
#include "vm_sched.h"

#define NOBODY	65534

/* Of children that ran as another user: what they found is their status. */
#define CANNOT	100

static void setup(void)
{
	need_khv();
	if (geteuid())
		ksft_skip("needs root");
}

/* ---- nice levels ---- */

/* The level that a thread of the runner's began with, if one is wanted. */
static volatile int child_level;
static volatile bool make_child;

static void *first_level(void *arg)
{
	child_level = getpriority(PRIO_PROCESS, gettid());
	return NULL;
}

static void beget_child(struct runner *r)
{
	pthread_t thread;

	if (make_child && !pthread_create(&thread, NULL, first_level, NULL)) {
		pthread_join(thread, NULL);
		make_child = false;
	}
}

/* Until the thread is at @low to @high. */
static bool comes_to(const struct runner *r, int low, int high)
{
	int nice = 0;

	for (int i = 0; i < 300; i++) {
		nice = getpriority(PRIO_PROCESS, r->tid);
		if (nice >= low && nice <= high)
			return true;
		usleep(10000);
	}
	ksft_note("nice level %d, not %d to %d", nice, low, high);
	return false;
}

/* A VM of weight 300, 4.9 levels above nice 0, that runs as nobody from here on. */
static bool start_as_nobody(struct runner *r)
{
	struct khv_sched p = { .set = KHV_SCHED_WEIGHT, .weight = 300 };
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);

	r->vcpu = vcpu_create(vm, 0);
	guest_start(r->vcpu, guest_spin);
	if (set(vm, p) || setresuid(NOBODY, NOBODY, NOBODY))
		return false;
	runner_start(r);
	return comes_to(r, -5, -4);
}

static void expect_child(int (*check)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(check());
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(WIFEXITED(status) && !WEXITSTATUS(status), "%#x", status);
}

/* The kernel allows each level from the present one up: khv's, which is no claim to it. */
static int climb(void)
{
	struct runner r = { 0 };

	if (!start_as_nobody(&r))
		return CANNOT;
	for (int i = 0; i < 10; i++) {
		if (setpriority(PRIO_PROCESS, r.tid, getpriority(PRIO_PROCESS, r.tid) + 1) &&
		    errno != EACCES)
			return CANNOT + 1;
		usleep(30000);
	}
	if (!comes_to(&r, -5, -4))
		return 1;
	/* What it may set counts as ever, and half of the way back is not its own either. */
	if (setpriority(PRIO_PROCESS, r.tid, 5) || !comes_to(&r, 0, 1))
		return 2;
	if (setpriority(PRIO_PROCESS, r.tid, 2) || !comes_to(&r, 0, 1))
		return 3;
	runner_stop(&r);
	return comes_to(&r, 5, 5) ? 0 : 4;
}

static void test_nice_climb(void)
{
	setup();
	need_race();
	expect_child(climb);
}

/* Left as the VM leaves it: set while the thread is on its way out. */
static int keep(void)
{
	struct runner r = { 0 };

	if (!start_as_nobody(&r))
		return CANNOT;
	runner_stop(&r);
	/* Not looked at in these periods, and not given back yet. */
	usleep(30000);
	if (getpriority(PRIO_PROCESS, r.tid) >= -2)
		return CANNOT + 1;
	setpriority(PRIO_PROCESS, r.tid, -2);
	usleep(300000);
	return getpriority(PRIO_PROCESS, r.tid) ? 1 : 0;
}

static void test_nice_keep(void)
{
	setup();
	need_race();
	expect_child(keep);
}

/* Threads begin as their creators are, which is not what khv has made of these. */
static int beget(void)
{
	struct runner r = { .between = beget_child };

	if (!start_as_nobody(&r))
		return CANNOT;
	make_child = true;
	while (make_child) {
		pthread_kill(r.thread, SIGUSR1);
		usleep(1000);
	}
	if (child_level)
		return 1;
	runner_stop(&r);
	if (!comes_to(&r, 0, 0))
		return 2;
	/* Nothing is left of it. */
	return sched_getscheduler(r.tid) == SCHED_OTHER ? 0 : 3;
}

static void test_nice_child(void)
{
	setup();
	need_race();
	expect_child(beget);
}

/* A level that the kernel has checked is the thread's, whoever set it. */
static void test_nice_of_root(void)
{
	struct khv_sched p = { .set = KHV_SCHED_WEIGHT, .weight = 125 };
	struct runner r = { 0 };
	struct vm *vm;

	setup();
	need_race();
	vm = vm_create(VM_RAM_SIZE, 0);
	r.vcpu = vcpu_create(vm, 0);
	guest_start(r.vcpu, guest_spin);
	ASSERT_EQ(set(vm, p), 0);
	runner_start(&r);
	EXPECT(comes_to(&r, -1, -1));
	ASSERT(!setpriority(PRIO_PROCESS, r.tid, -10));
	EXPECT(comes_to(&r, -11, -11));
	ASSERT(!setpriority(PRIO_PROCESS, r.tid, 3));
	EXPECT(comes_to(&r, 2, 2));
	ASSERT(!setpriority(PRIO_PROCESS, r.tid, -5));
	EXPECT(comes_to(&r, -6, -6));
	runner_stop(&r);
	EXPECT(comes_to(&r, -5, -5));
}

/* ---- what root has limited ---- */

static int new_vms_of_nobody(void)
{
	struct khv_sched p = { .set = KHV_SCHED_WEIGHT | KHV_SCHED_PRIORITY };
	struct vm vm = { .dev = dev_open() };

	if (setresuid(NOBODY, NOBODY, NOBODY))
		return CANNOT;
	vm.fd = try_ioctl_value(vm.dev, KVM_CREATE_VM, 0);
	if (vm.fd < 0)
		return CANNOT + 1;
	p.weight = get(&vm).weight;
	p.priority = get(&vm).priority;
	if (p.weight != 50)
		return 1;
	if (p.priority != -5)
		return 2;
	if (set(&vm, p))
		return 3;
	p.weight = 51;
	if (set(&vm, p) != -EPERM)
		return 4;
	p.weight = 50;
	p.priority = -4;
	if (set(&vm, p) != -EPERM)
		return 5;
	p.weight = 49;
	p.priority = -6;
	return set(&vm, p) ? 6 : 0;
}

static void test_new_vms(void)
{
	setup();
	write_parameter("weight_limit", 50);
	write_parameter("priority_limit", -5);
	expect_child(new_vms_of_nobody);
	/* Root is bound by neither. */
	EXPECT_EQ(get(vm_create(0, 0)).weight, 100);
	EXPECT_EQ(get(vm_create(0, 0)).priority, 0);
	write_parameter("weight_limit", 100);
	write_parameter("priority_limit", 0);
}

/* ---- caps ---- */

static uint64_t ran(struct vm *vm)
{
	struct khv_sched_times t = times_of(vm, 0);

	return t.guest + t.hypervisor;
}

static void set_cap(struct vm *vm, uint32_t percent, uint32_t period_us)
{
	struct khv_sched p = {
		.set = KHV_SCHED_CAP | KHV_SCHED_CAP_PERIOD, .cap = percent,
		.cap_period = period_us,
	};

	ASSERT_EQ(set(vm, p), 0);
}

/* Long enough that it has run out of what it may have, and no new period is near. */
static void exhaust(struct vm *vm)
{
	set_cap(vm, 1, 1000000);
	while (!times_of(vm, 0).throttled)
		usleep(5000);
	usleep(50000);
}

static void test_cap_raised(void)
{
	static const uint32_t periods[] = { 1000000, 10000, 200000 };
	struct vcpu *vcpu;
	uint64_t before;
	struct vm *vm;

	setup();
	need_race();
	for (size_t i = 0; i < KSFT_ARRAY_SIZE(periods); i++) {
		vm = start(guest_spin, &vcpu);
		exhaust(vm);
		before = ran(vm);
		set_cap(vm, 100, periods[i]);
		usleep(200000);
		EXPECT(ran(vm) - before > 100 * MS, "%lu ms", (long)((ran(vm) - before) / MS));
		set_cap(vm, 1, 1000000);
	}
}

/* A cap that goes up and down is not filled up each time. */
static void test_cap_toggled(void)
{
	uint64_t before, t0, had, time;
	struct vcpu *vcpu;
	struct vm *vm;

	setup();
	need_race();
	for (uint32_t period = 10000; period <= 1000000; period *= 10) {
		vm = start(guest_spin, &vcpu);
		set_cap(vm, 40, period);
		usleep(100000);
		before = ran(vm);
		t0 = now_ns();
		while (now_ns() - t0 < 3000 * MS) {
			set_cap(vm, 5, period);
			usleep(2000);
			set_cap(vm, 40, period);
			usleep(8000);
			set_cap(vm, 40, 1000000);
			usleep(2000);
			set_cap(vm, 40, period);
			usleep(8000);
		}
		time = now_ns() - t0;
		had = ran(vm) - before;
		/* What is there at the beginning, and 40 %. */
		EXPECT(had < 400 * MS + time * 45 / 100, "%lu of %lu ms, period %u us",
		       (long)(had / MS), (long)(time / MS), period);
		set_cap(vm, 1, 1000000);
	}
}

static volatile uint32_t ticks;

static void on_tick(struct guest_frame *frame)
{
	ticks++;
	xapic_write(APIC_EOI, 0);
}

/* Longer and longer halts, so that they are polled for, to the sixth of a second. */
static void guest_long_halts(void)
{
	uint32_t ns = 40000, seen, i;

	guest_handlers[0x50] = on_tick;
	pic_init(0x20, 0x28);
	outb(0x21, 0xff);
	xapic_write(APIC_SPIV, 0x1ff);
	xapic_write(APIC_TDCR, 0xb);
	xapic_write(APIC_LVT_TIMER, 0x50);
	for (i = 1;; i++) {
		seen = ticks;
		xapic_write(APIC_TMICT, ns);
		while (ticks == seen)
			sti_hlt_cli();
		if (i % 3 == 0 && ns < 160000000)
			ns *= 2;
	}
}

/* Polling, of which a client may ask for seconds, ends with the slice of a cap. */
static void test_cap_polling(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HALT_POLL, .args[0] = 0xffffffff };
	uint64_t before, had, most = 0;
	struct vcpu *vcpu;
	pthread_t thread;
	struct vm *vm;

	setup();
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		ksft_skip("one processor, on which whatever else wants to run ends polling");
	vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	ASSERT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, &cap), 0);
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, guest_long_halts);
	ASSERT(!pthread_create(&thread, NULL, run_until_killed, vcpu));
	usleep(2500000);
	before = ran(vm);
	usleep(500000);
	ASSERT(ran(vm) - before > 250 * MS, "it does not poll");
	set_cap(vm, 5, 100000);
	for (int i = 0; i < 10; i++) {
		before = ran(vm);
		usleep(300000);
		had = ran(vm) - before;
		if (had > most)
			most = had;
	}
	/* 5 ms in 100. */
	EXPECT(most < 60 * MS, "%lu ms", (long)(most / MS));
}

static const struct ksft_test tests[] = {
	{ "nice_climb", test_nice_climb },
	{ "nice_keep", test_nice_keep },
	{ "nice_child", test_nice_child },
	{ "nice_of_root", test_nice_of_root },
	{ "new_vms", test_new_vms },
	{ "cap_raised", test_cap_raised },
	{ "cap_toggled", test_cap_toggled },
	{ "cap_polling", test_cap_polling },
};

static const struct ksft_suite suite = KSFT_SUITE("sched_limits", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
