// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench-interrupts: what interrupts cost guests on each device there is, in TSC
 * ticks that the guest itself counts.
 *
 * With one processor in the host both vCPUs share it, and what is counted is all
 * that anyone does from a question to its answer. With two, each vCPU has its own, and
 * the time of what they do at once counts once. Rows that need the second
 * processor are empty without.
 */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "interrupts_guest.h"
#include "ksft.h"
#include "measure.h"
#include "report.h"
#include "vm.h"

#define DELAY_NS	2000000		/* longer than either device polls before it sleeps */

/* A row. @answer: the second vCPU's function, or NULL for none. */
struct path {
	const char *key, *title;
	void (*function)(void);
	void (*answer)(void);
	bool loops;			/* its samples are of many, see struct interrupts_work */
	unsigned int cpus;		/* that the host needs, one for each vCPU */
};

static const struct path paths[] = {
	{ "self_x2apic", "self-IPI and EOI, x2APIC", interrupts_self_x2apic, NULL, true, 1 },
	{ "self_xapic", "self-IPI and EOI, xAPIC", interrupts_self_xapic, NULL, true, 1 },
	{ "deadline", "HLT, woken by TSC deadline", interrupts_deadline, NULL, false, 1 },
	{ "oneshot", "HLT, woken by one-shot timer", interrupts_oneshot, NULL, false, 1 },
	{ "ipi_one_cpu", "IPI and answer, halted, one CPU", interrupts_ask_halting,
	  interrupts_answer_halting, true, 1 },
	{ "ipi_halted", "IPI and answer, halted, two CPUs", interrupts_ask_halting,
	  interrupts_answer_halting, true, 2 },
	{ "ipi_running", "IPI and answer, running", interrupts_ask_spinning,
	  interrupts_answer_spinning, true, 2 },
	{ "ipi_wake", "HLT, woken by IPI", interrupts_wake, interrupts_be_woken, false, 2 },
};

#define NR_PATHS	KSFT_ARRAY_SIZE(paths)
static_assert(NR_PATHS <= MAX_ROWS, "a row for each");

static unsigned int loops = 20, repeats = 201;

static void pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	ASSERT_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* KVM_GET_SUPPORTED_CPUID never shows the deadline timer: the capability does. */
static struct vcpu *create_vcpu(struct vm *vm, unsigned int id)
{
	struct vcpu *vcpu = vcpu_create_bare(vm, id);
	struct kvm_cpuid2 *cpuid = supported_cpuid(vm->dev);
	struct kvm_cpuid_entry2 *leaf = cpuid_find(cpuid, 1, 0);

	leaf->ebx = (leaf->ebx & 0x00ffffff) | id << 24;
	leaf->ecx |= 1 << 24;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), 0);
	free(cpuid);
	return vcpu;
}

static void set_work(struct vm *vm, struct vcpu *vcpu)
{
	struct interrupts_work *work = GUEST_VAR(vm, interrupts_work);
	int khz = try_ioctl(vcpu->fd, KVM_GET_TSC_KHZ, NULL);

	ASSERT(khz > 0);
	work->loops = loops;
	work->repeats = repeats;
	work->delay_ns = DELAY_NS;
	work->delay = (uint64_t)khz * DELAY_NS / 1000000;
}

struct answerer {
	struct vcpu *vcpu;
	unsigned int cpu;
};

static void *answer(void *arg)
{
	struct answerer *a = arg;

	pin(a->cpu);
	guest_run_done(a->vcpu);
	return NULL;
}

static struct result evaluate(const struct path *path, const struct interrupts_work *work)
{
	static struct samples ticks, empty;
	uint64_t count = path->loops ? loops : 1, median, overhead;
	unsigned int i;

	ticks.count = empty.count = 0;
	for (i = 1; i <= repeats; i++) {
		samples_add(&ticks, work->ticks[i]);
		samples_add(&empty, work->empty[i]);
	}
	median = samples_median(&ticks);
	overhead = samples_median(&empty);
	return (struct result) {
		.ticks = median > overhead ? (median - overhead) * 100 / count : 0,
		.spread = samples_spread(&ticks) * 100 / count,
	};
}

static struct result measure(const struct path *path)
{
	struct answerer answerer = { .cpu = path->cpus - 1 };
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = create_vcpu(vm, 0);
	struct result result;
	pthread_t thread;

	guest_start(vcpu, path->function);
	set_work(vm, vcpu);
	if (path->answer) {
		answerer.vcpu = create_vcpu(vm, 1);
		guest_start(answerer.vcpu, path->answer);
		guest_run_sync(answerer.vcpu, 1);
		ASSERT(!pthread_create(&thread, NULL, answer, &answerer));
	}
	guest_run_done(vcpu);
	if (path->answer) {
		pthread_join(thread, NULL);
		vcpu_destroy(answerer.vcpu);
	}
	result = evaluate(path, GUEST_VAR(vm, interrupts_work));
	vcpu_destroy(vcpu);
	vm_destroy(vm);
	return result;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: bench-interrupts [--dev PATH]... [--loops N] [--repeats N] [--json]\n"
		"Prints what interrupts cost guests on /dev/khv and /dev/kvm, as far as they\n"
		"exist, and the ratio of the first to the second.\n"
		"  --dev PATH   measure this device; may be given twice\n"
		"  --loops N    self-IPIs and answers per repeat (default %u)\n"
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
		 "TSC ticks per interrupt: median of %u repeats (distance of quartiles)", repeats);
	snprintf(members, sizeof(members), "\"loops\": %u, \"repeats\": %u", loops, repeats);
	report_print(&r, devs, count, json);
}

int main(int argc, char **argv)
{
	struct bench_options o = {
		.loops = loops, .repeats = repeats, .most_repeats = MAX_REPEATS,
	};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int i, row;

	if (!bench_options(argc, argv, &o))
		return usage();
	loops = o.loops;
	repeats = o.repeats;
	if (!o.devices) {
		fprintf(stderr, "bench-interrupts: neither /dev/khv nor /dev/kvm is here\n");
		return 1;
	}
	pin(0);
	for (i = 0; i < o.devices; i++) {
		ksft_device = o.devs[i].path;
		for (row = 0; row < NR_PATHS; row++) {
			if (paths[row].cpus <= cpus)
				o.devs[i].results[row] = measure(&paths[row]);
			else
				o.devs[i].results[row].missing = true;
		}
	}
	report(o.devs, o.devices, o.json);
	return 0;
}
