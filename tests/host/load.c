// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guests of load.h and the threads that run them.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "guest_apic.h"
#include "guest_clock.h"
#include "guest_cpu.h"
#include "state.h"

#define TIMER_VECTOR		0x40
#define RAM			MiB(64)
#define FRESH			MiB(16)		/* from there on nobody else's */
#define PERIOD			2000000		/* ns between a guest's wake-ups */
#define PATIENCE		120		/* seconds without progress that are too many */

/* ---- in the guest ---- */

static struct clock_page clock_page __aligned(64);
static volatile uint64_t now, ticks, last_tsc, seed, period = PERIOD;

static void tick(struct guest_frame *frame)
{
	ticks++;
	xapic_write(APIC_EOI, 0);
}

static void guest_beat(uint64_t n)
{
	volatile uint8_t *page = (uint8_t *)FRESH + n * PAGE_SIZE % (RAM - FRESH);
	uint8_t visits = n / ((RAM - FRESH) / PAGE_SIZE);
	uint64_t tsc = rdtsc(), time = clock_read(&clock_page), next;
	uint32_t r[4];

	state_check();
	GUEST_EQ(*page, (uint8_t)(visits * seed));
	*page += seed;
	cpuid(0, 0, r);
	next = rdtsc();
	if (tsc <= last_tsc || next <= tsc)
		guest_fail(__FILE__, __LINE__, "the TSC went backwards", last_tsc, tsc);
	last_tsc = next;
	next = clock_read(&clock_page);
	if (time < now || next < time)
		guest_fail(__FILE__, __LINE__, "the clock went backwards", now, next);
	now = next;
}

static void guest_load(void)
{
	uint64_t n;

	guest_handlers[TIMER_VECTOR] = tick;
	state_init(seed);
	wrmsr(MSR_KVM_SYSTEM_TIME, (uintptr_t)&clock_page | 1);
	guest_sync(0);
	xapic_write(APIC_SPIV, 0x1ff);
	xapic_write(APIC_TDCR, 0xb);
	xapic_write(APIC_LVT_TIMER, TIMER_VECTOR | APIC_TIMER_PERIODIC);
	xapic_write(APIC_TMICT, period);	/* of 1 GHz */
	for (n = 0;; n++) {
		guest_beat(n);
		if (n % 8 == 0)
			sti_hlt_cli();
		if (n % 4 == 0)
			guest_sync(1);
	}
}

/* ---- in the test ---- */

struct load {
	pthread_t thread;
	struct vm *vm;
	struct vcpu *vcpu;
	int bound;			/* CPU, or -1 */
	volatile unsigned int beats;
	volatile int cpu;		/* of the last beat */
	pthread_mutex_t lock;		/* the two below go together */
	uint64_t guest_ns, host_ns;
};

static struct load loads[LOAD_MAX];
static unsigned int nr_loads;

int file_write(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

unsigned int load_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_CONF);
}

unsigned int load_count(void)
{
	return nr_loads;
}

static uint64_t boottime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void *run(void *arg)
{
	struct load *load = arg;
	enum guest_event event;

	for (;;) {
		event = guest_run(load->vcpu);
		/* The freezer and the like come as EINTR without a signal. */
		if (event == GUEST_EINTR)
			continue;
		if (event != GUEST_SYNC) {
			ksft_fail(__FILE__, __LINE__, "a guest ended");
			vcpu_describe(load->vcpu);
			_exit(1);
		}
		load->cpu = sched_getcpu();
		pthread_mutex_lock(&load->lock);
		load->guest_ns = *GUEST_VAR(load->vm, now);
		load->host_ns = boottime();
		pthread_mutex_unlock(&load->lock);
		load->beats++;
	}
	return NULL;
}

void load_clock(unsigned int n, uint64_t *guest, uint64_t *host)
{
	pthread_mutex_lock(&loads[n].lock);
	*guest = loads[n].guest_ns;
	*host = loads[n].host_ns;
	pthread_mutex_unlock(&loads[n].lock);
}

void load_bind(void)
{
	cpu_set_t set;
	unsigned int i;

	for (i = 0; i < nr_loads; i++) {
		if (loads[i].bound < 0)
			continue;
		CPU_ZERO(&set);
		CPU_SET(loads[i].bound, &set);
		/* Refused while that CPU is offline, and then it runs elsewhere. */
		pthread_setaffinity_np(loads[i].thread, sizeof(set), &set);
	}
}

void load_progress(bool bound)
{
	unsigned int before[LOAD_MAX], i;
	uint64_t end = boottime() + PATIENCE * 1000000000ULL;

	for (i = 0; i < nr_loads; i++)
		before[i] = loads[i].beats;
	for (i = 0; i < nr_loads; i++) {
		while (loads[i].beats - before[i] < 2 ||
		       (bound && loads[i].bound >= 0 && loads[i].cpu != loads[i].bound)) {
			ASSERT(boottime() < end, "guest %u of %u stands still: beat %u on CPU %d", i,
			       nr_loads, loads[i].beats, loads[i].cpu);
			usleep(1000);
		}
	}
}

/* From 1 to 255, and for guests of two devices not the same. */
static uint64_t seed_of(unsigned int n)
{
	return 2 * n + 1 + !strcmp(ksft_device, "/dev/kvm");
}

/* LOAD_PERIOD, in ms: of an emulated host's time more passes where guests sleep more. */
static uint64_t period_ns(void)
{
	const char *text = getenv("LOAD_PERIOD");

	return text ? strtoul(text, NULL, 0) * 1000000 : PERIOD;
}

void load_start(void)
{
	unsigned int i;

	nr_loads = load_cpus() + 1;
	ASSERT(nr_loads <= LOAD_MAX);
	for (i = 0; i < nr_loads; i++) {
		loads[i].bound = i < load_cpus() ? (int)i : -1;
		pthread_mutex_init(&loads[i].lock, NULL);
		loads[i].vm = vm_create(RAM, VM_IRQCHIP);
		loads[i].vcpu = vcpu_create(loads[i].vm, 0);
		guest_start(loads[i].vcpu, guest_load);
		*GUEST_VAR(loads[i].vm, seed) = seed_of(i);
		*GUEST_VAR(loads[i].vm, period) = period_ns();
	}
	for (i = 0; i < nr_loads; i++)
		ASSERT(!pthread_create(&loads[i].thread, NULL, run, &loads[i]));
	load_bind();
	load_progress(true);
}

void load_churn(void)
{
	struct vcpu *vcpu;
	struct vm *vm;
	unsigned int n;

	for (n = 1;; n++) {
		vm = vm_create(RAM, VM_IRQCHIP);
		vcpu = vcpu_create(vm, 0);
		guest_start(vcpu, guest_load);
		*GUEST_VAR(vm, seed) = 100 + n % 100;
		*GUEST_VAR(vm, period) = period_ns();
		guest_run_sync(vcpu, 0);
		guest_run_sync(vcpu, 1);
		vcpu_destroy(vcpu);
		vm_destroy(vm);
		printf("%u VMs came and went\n", n);
		fflush(stdout);
		usleep(period_ns() / 100);
	}
}
