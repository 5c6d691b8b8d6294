// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench-switch: what it costs a running vCPU to lose its CPU to a process of the host and to
 * get it back, in TSC ticks, on each device there is; on khv also with a scheduler at work.
 *
 * The guest writes to a port that is an eventfd, which wakes a real-time process on the same
 * CPU: before the guest goes on the process has run and sleeps again. The same number of
 * writes to an eventfd that nobody reads is subtracted. What remains is the wake-up, two
 * switches and the process's read(). A process that writes to these eventfds itself takes the
 * guest's place first: what its row has less is what the vCPU adds to two switches.
 */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "khv.h"
#include "ksft.h"
#include "measure.h"
#include "report.h"

#define PORT		0x6e0		/* and the next: an eventfd each */
#define WARM_UP_MS	25		/* the weights are looked at each 10 */

enum { SOMEBODY, NOBODY, NR_FDS };

static struct {
	volatile uint64_t loops, repeats, warm_up;
	volatile uint64_t ticks[MAX_REPEATS + 1], empty[MAX_REPEATS + 1];
	volatile bool stop;
} work;

struct path {
	const char *key, *title;
	struct khv_sched sched;
	bool process;			/* no vCPU */
	bool nobody;			/* not the switches but what is subtracted from them */
	bool rival;			/* another VM of weight 100 wants the CPU, too */
};

static const struct path paths[] = {
	{ "process", "a process", .process = true },
	{ "exit", "a vCPU's exit, subtracted below", .nobody = true },
	{ "vcpu", "a vCPU" },
	{ "vcpu_cap", "a vCPU (khv: cap 90 %)", { .set = KHV_SCHED_CAP, .cap = 90 } },
	{ "vcpu_weight", "a vCPU beside another (khv: 200, 100)",
	  { .set = KHV_SCHED_WEIGHT, .weight = 200 }, .rival = true },
	{ "vcpu_gang", "the same (khv: and gangs)",
	  { .set = KHV_SCHED_WEIGHT | KHV_SCHED_GANG, .weight = 200, .gang = 1 }, .rival = true },
};

#define NR_PATHS	KSFT_ARRAY_SIZE(paths)
static_assert(NR_PATHS <= MAX_ROWS, "a row for each");

static unsigned int loops = 20, repeats = 201;
static int fds[NR_FDS];

/* ---- who is switched away: a guest, or this process ---- */

static void sample(void (*signal_fd)(unsigned int which))
{
	uint64_t i, n, start, middle;

	for (i = 0; i <= work.repeats; i++) {
		start = ticks_now();
		for (n = 0; n < work.loops; n++)
			signal_fd(SOMEBODY);
		middle = ticks_now();
		for (n = 0; n < work.loops; n++)
			signal_fd(NOBODY);
		work.empty[i] = ticks_now() - middle;
		work.ticks[i] = middle - start;
	}
}

static void guest_signal(unsigned int which)
{
	outb(PORT + which, 0);
}

/* With interrupts on: only then does Bochs leave a guest for the host's timer. */
static void guest_exit(void)
{
	uint32_t regs[4];

	sti();
	cpuid(0, 0, regs);
}

static void guest_sample(void)
{
	uint64_t start = rdtsc();

	while (rdtsc() - start < work.warm_up)
		guest_exit();
	sample(guest_signal);
}

static void guest_rival(void)
{
	while (!work.stop)
		guest_exit();
}

static void process_signal(unsigned int which)
{
	ASSERT_EQ(eventfd_write(fds[which], 1), 0);
}

/* ---- to whom ---- */

/* Each write has to have woken it, or what was measured is something else. */
static _Noreturn void reader(void)
{
	uint64_t left = (repeats + 1) * loops;
	eventfd_t value;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (left && !eventfd_read(fds[SOMEBODY], &value) && value == 1)
		left--;
	_exit(left != 0);
}

/* It sleeps in its read() when this returns: a real-time process goes first. */
static pid_t start_reader(void)
{
	struct sched_param param = { .sched_priority = 1 };
	pid_t pid = fork();

	ASSERT(pid >= 0);
	if (!pid)
		reader();
	ASSERT(!sched_setscheduler(pid, SCHED_FIFO, &param), "real time is for root");
	return pid;
}

static void end_reader(pid_t pid)
{
	int status;

	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT(!status, "writes to the eventfd did not wake its reader one by one");
}

/* ---- in VMs ---- */

static struct vcpu *create(void (*function)(void))
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_ioeventfd port = { .len = 1, .flags = KVM_IOEVENTFD_FLAG_PIO };
	unsigned int i;

	guest_start(vcpu, function);
	for (i = 0; i < NR_FDS; i++) {
		port.addr = PORT + i;
		port.fd = fds[i];
		ASSERT_EQ(try_ioctl(vm->fd, KVM_IOEVENTFD, &port), 0);
	}
	return vcpu;
}

static void destroy(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	vcpu_destroy(vcpu);
	vm_destroy(vm);
}

static void *run(void *vcpu)
{
	guest_run_done(vcpu);
	return NULL;
}

/* The law has been at work, or the row says nothing of it. */
static void check_law(struct vm *vm)
{
	struct khv_sched_stats stats = { .vcpu = KHV_SCHED_ALL_VCPUS };

	if (dev_check_extension(vm->dev, KHV_CAP_SCHED) <= 0)
		return;
	ASSERT_EQ(try_ioctl(vm->fd, KHV_GET_SCHED_STATS, &stats), 0);
	ASSERT(stats.due && stats.times.waiting, "the two did not compete");
}

static void sample_vcpu(const struct path *path)
{
	struct khv_sched rival_sched = path->sched;
	struct vcpu *vcpu = create(guest_sample), *rival = NULL;
	struct vm *vm = vcpu->vm;
	pthread_t thread;
	int khz = try_ioctl(vcpu->fd, KVM_GET_TSC_KHZ, NULL);

	ASSERT(khz > 0);
	device_schedule(vm, &path->sched);
	if (path->rival) {
		GUEST_VAR(vm, work)->warm_up = (uint64_t)khz * WARM_UP_MS;
		rival = create(guest_rival);
		rival_sched.weight = 100;
		device_schedule(rival->vm, &rival_sched);
		ASSERT(!pthread_create(&thread, NULL, run, rival));
	}
	guest_run_done(vcpu);
	if (path->rival) {
		check_law(vm);
		GUEST_VAR(rival->vm, work)->stop = true;
		pthread_join(thread, NULL);
		destroy(rival);
	}
	work = *GUEST_VAR(vm, work);
	destroy(vcpu);
}

static struct result measure(const struct path *path)
{
	static struct samples ticks, empty;
	uint64_t median, overhead;
	unsigned int i;
	pid_t pid;

	for (i = 0; i < NR_FDS; i++)
		ASSERT((fds[i] = eventfd(0, EFD_CLOEXEC)) >= 0);
	work.loops = loops;
	work.repeats = repeats;
	work.warm_up = 0;
	pid = start_reader();
	if (path->process)
		sample(process_signal);
	else
		sample_vcpu(path);
	end_reader(pid);
	for (i = 0; i < NR_FDS; i++)
		close(fds[i]);
	ticks.count = empty.count = 0;
	for (i = 1; i <= repeats; i++) {
		samples_add(&ticks, work.ticks[i]);
		samples_add(&empty, work.empty[i]);
	}
	median = samples_median(path->nobody ? &empty : &ticks);
	overhead = path->nobody ? 0 : samples_median(&empty);
	return (struct result) {
		.ticks = median > overhead ? (median - overhead) * 100 / loops : 0,
		.spread = samples_spread(path->nobody ? &empty : &ticks) * 100 / loops,
	};
}

static int usage(void)
{
	fprintf(stderr,
		"usage: bench-switch [--dev PATH]... [--loops N] [--repeats N] [--json]\n"
		"Prints what a switch to a process of the host and back costs a vCPU on /dev/khv\n"
		"and /dev/kvm, as far as they exist, and the ratio of the first to the second.\n"
		"For root.\n"
		"  --dev PATH   measure this device; may be given twice\n"
		"  --loops N    switches there and back per repeat (default %u)\n"
		"  --repeats N  repeats, at most %u (default %u)\n"
		"  --json       print JSON\n", loops, MAX_REPEATS, repeats);
	return 2;
}

static void report(const struct device *devs, unsigned int count, bool json)
{
	const char *keys[NR_PATHS], *titles[NR_PATHS];
	char heading[128], members[64];
	struct report r = {
		.heading = heading, .json = members, .keys = keys, .titles = titles,
		.rows = NR_PATHS,
	};
	unsigned int i;

	for (i = 0; i < NR_PATHS; i++) {
		keys[i] = paths[i].key;
		titles[i] = paths[i].title;
	}
	snprintf(heading, sizeof(heading),
		 "TSC ticks there and back: median of %u repeats of %u (distance of quartiles)",
		 repeats, loops);
	snprintf(members, sizeof(members), "\"loops\": %u, \"repeats\": %u", loops, repeats);
	report_print(&r, devs, count, json);
}

static void pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	ASSERT_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
}

int main(int argc, char **argv)
{
	struct bench_options o = {
		.loops = loops, .repeats = repeats, .most_repeats = MAX_REPEATS,
	};
	unsigned int i, row;

	if (!bench_options(argc, argv, &o))
		return usage();
	loops = o.loops;
	repeats = o.repeats;
	if (!o.devices) {
		fprintf(stderr, "bench-switch: neither /dev/khv nor /dev/kvm is here\n");
		return 1;
	}
	pin();
	for (i = 0; i < o.devices; i++) {
		ksft_device = o.devs[i].path;
		for (row = 0; row < NR_PATHS; row++)
			o.devs[i].results[row] = measure(&paths[row]);
	}
	report(o.devs, o.devices, o.json);
	return 0;
}
