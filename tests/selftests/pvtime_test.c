// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest is told about time by its hypervisor, and what a client can change of
 * it: pauses, TSC offsets and frequencies, steal time, features enforced by CPUID.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "ksft.h"
#include "vm.h"

#define MSR_TSC			0x10
#define MSR_TSC_ADJUST		0x3b
#define MSR_WALL_CLOCK		0x4b564d00
#define MSR_SYSTEM_TIME		0x4b564d01
#define MSR_STEAL_TIME		0x4b564d03
#define FEATURES_LEAF		0x40000001
#define FEATURE_STEAL_TIME	(1 << 5)
#define STABLE			1
#define STOPPED			2

struct clock_page {
	uint32_t version, pad;
	uint64_t tsc, system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad2[2];
} __packed;

struct steal_page {
	uint64_t steal;
	uint32_t version, flags;
	uint8_t preempted, pad[47];
} __aligned(64);

static volatile struct clock_page clock_page __aligned(64);
static volatile struct steal_page steal_page;

static struct vcpu *start(void (*function)(void))
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);

	guest_start(vcpu, function);
	return vcpu;
}

static void guest_clock(void)
{
	wrmsr(MSR_SYSTEM_TIME, (uintptr_t)&clock_page | 1);
	guest_sync(1);
	GUEST_EQ(clock_page.flags & STOPPED, STOPPED);
	GUEST_EQ(clock_page.version & 1, 0);
	guest_sync(2);
	GUEST_EQ(clock_page.flags & STOPPED, STOPPED);
	clock_page.flags &= ~STOPPED;
	guest_sync(3);
	GUEST_EQ(clock_page.flags & STOPPED, 0);
}

/* The guest learns of a pause once, and takes the note down itself. */
static void test_kvmclock_ctrl(void)
{
	struct vcpu *vcpu = start(guest_clock);
	struct kvm_clock_data data;

	vm_need(vcpu->vm, KVM_CAP_KVMCLOCK_CTRL, "KVM_CAP_KVMCLOCK_CTRL");
	EXPECT_EQ(try_ioctl_value(vcpu->fd, KVM_KVMCLOCK_CTRL, 0), -EINVAL);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(try_ioctl_value(vcpu->fd, KVM_KVMCLOCK_CTRL, 0), 0);
	guest_run_sync(vcpu, 2);
	/* Another write of the page keeps it. */
	ASSERT_EQ(try_ioctl(vcpu->vm->fd, KVM_GET_CLOCK, &data), 0);
	data.flags = 0;
	ASSERT_EQ(try_ioctl(vcpu->vm->fd, KVM_SET_CLOCK, &data), 0);
	guest_run_sync(vcpu, 3);
	ASSERT_EQ(try_ioctl(vcpu->vm->fd, KVM_SET_CLOCK, &data), 0);
	guest_run_done(vcpu);
}

static int device_attr(struct vcpu *vcpu, unsigned long call, uint32_t group, uint64_t attr,
		       void *value)
{
	struct kvm_device_attr a = {
		.group = group, .attr = attr, .addr = (uintptr_t)value,
	};

	return try_ioctl(vcpu->fd, call, &a);
}

static uint64_t guest_tsc_now;

static void guest_reads_tsc(void)
{
	for (;;) {
		guest_tsc_now = rdtsc();
		guest_sync(1);
	}
}

static void test_tsc_offset(void)
{
	struct vcpu *vcpu = start(guest_reads_tsc);
	const uint32_t group = KVM_VCPU_TSC_CTRL;
	uint64_t offset, before, after, tsc;

	vm_need(vcpu->vm, KVM_CAP_VCPU_ATTRIBUTES, "KVM_CAP_VCPU_ATTRIBUTES");
	EXPECT_EQ(device_attr(vcpu, KVM_HAS_DEVICE_ATTR, group, KVM_VCPU_TSC_OFFSET, NULL), 0);
	EXPECT_EQ(device_attr(vcpu, KVM_HAS_DEVICE_ATTR, group, 1, NULL), -ENXIO);
	EXPECT_EQ(device_attr(vcpu, KVM_HAS_DEVICE_ATTR, 1, KVM_VCPU_TSC_OFFSET, NULL), -ENXIO);
	EXPECT_EQ(device_attr(vcpu, KVM_GET_DEVICE_ATTR, 1, 0, &offset), -ENXIO);
	EXPECT_EQ(device_attr(vcpu, KVM_SET_DEVICE_ATTR, group, 7, &offset), -ENXIO);
	EXPECT_EQ(device_attr(vcpu, KVM_GET_DEVICE_ATTR, group, 0, (void *)8), -EFAULT);
	EXPECT_EQ(device_attr(vcpu, KVM_SET_DEVICE_ATTR, group, 0, (void *)8), -EFAULT);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_HAS_DEVICE_ATTR, (void *)8), -EFAULT);

	offset = 1ULL << 50;
	ASSERT_EQ(device_attr(vcpu, KVM_SET_DEVICE_ATTR, group, 0, &offset), 0);
	before = rdtsc();
	guest_run_sync(vcpu, 1);
	after = rdtsc();
	tsc = *GUEST_VAR(vcpu->vm, guest_tsc_now);
	EXPECT(tsc >= before + offset && tsc <= after + offset, "%#llx", (unsigned long long)tsc);
	ASSERT_EQ(try_get_msr(vcpu, MSR_TSC, &tsc), 1);
	EXPECT(tsc >= after + offset, "%#llx", (unsigned long long)tsc);
	offset = 0;
	ASSERT_EQ(device_attr(vcpu, KVM_GET_DEVICE_ATTR, group, 0, &offset), 0);
	EXPECT_EQ(offset, 1ULL << 50);
}

/* A client that writes the TSCs of several vCPUs one after the other means one moment. */
static void test_tsc_writes(void)
{
	struct vm *vm = vm_create(0, 0);
	struct vcpu *a = vcpu_create(vm, 0), *b = vcpu_create(vm, 1);
	uint64_t in_a, in_b, adjust;

	vm_need(vm, KVM_CAP_VCPU_ATTRIBUTES, "KVM_CAP_VCPU_ATTRIBUTES");
	ASSERT_EQ(try_set_msr(a, MSR_TSC, 1ULL << 45), 1);
	usleep(1000);
	ASSERT_EQ(try_set_msr(b, MSR_TSC, 1ULL << 45), 1);
	ASSERT_EQ(device_attr(a, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, 0, &in_a), 0);
	ASSERT_EQ(device_attr(b, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, 0, &in_b), 0);
	EXPECT_EQ(in_a, in_b);
	ASSERT_EQ(try_set_msr(b, MSR_TSC, 1ULL << 50), 1);
	ASSERT_EQ(device_attr(b, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, 0, &in_b), 0);
	EXPECT(in_a != in_b);
	/* It says nothing about what the guest itself has adjusted. */
	ASSERT_EQ(try_get_msr(b, MSR_TSC_ADJUST, &adjust), 1);
	EXPECT_EQ(adjust, 0);
}

static void test_tsc_khz(void)
{
	struct vm *vm = vm_create(0, 0);
	struct vcpu *vcpu;
	int khz;

	khz = try_ioctl_value(vm->fd, KVM_GET_TSC_KHZ, 0);
	EXPECT(khz > 1000, "%d", khz);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_SET_TSC_KHZ, 0), 0);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_SET_TSC_KHZ, khz + khz / 10000), 0);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_GET_TSC_KHZ, 0), khz + khz / 10000);
	vcpu = vcpu_create(vm, 0);
	EXPECT_EQ(try_ioctl_value(vcpu->fd, KVM_GET_TSC_KHZ, 0), khz + khz / 10000);
	EXPECT_EQ(try_ioctl_value(vcpu->fd, KVM_SET_TSC_KHZ, 0), 0);
	EXPECT_EQ(try_ioctl_value(vcpu->fd, KVM_GET_TSC_KHZ, 0), khz);
	if (vm_check_extension(vm, KVM_CAP_TSC_CONTROL) > 0)
		return;
	EXPECT_EQ(try_ioctl_value(vcpu->fd, KVM_SET_TSC_KHZ, khz / 2), -EINVAL);
}

static void guest_steals(void)
{
	wrmsr(MSR_STEAL_TIME, (uintptr_t)&steal_page | 1);
	GUEST_EQ(GUEST_TRY("wrmsr", : : "c"(MSR_STEAL_TIME), "a"(0x1003), "d"(0)
			   : "r11", "memory"), 13);
	guest_sync(1);
	/* Without interrupts of its own; but not every emulated host gets its through IF clear. */
	sti();
	for (;;)
		cpu_pause();
}

static volatile bool stop_spinning, saw_preempted;
static volatile uint8_t *preempted;

static uint64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* The vCPU's rival, which also interrupts its runs. */
static void *spin(void *arg)
{
	uint64_t next = milliseconds() + 20;

	while (!stop_spinning) {
		if (*preempted)
			saw_preempted = true;
		if (milliseconds() < next)
			continue;
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
		next += 20;
	}
	return NULL;
}

static void on_signal(int number)
{
}

/* Two threads on one CPU, of which the vCPU is one: it gets half, and is told so. */
static void test_steal_time(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);
	struct kvm_cpuid2 *cpuid = supported_cpuid(vcpu->vm->dev);
	struct kvm_cpuid_entry2 *e = cpuid_find(cpuid, FEATURES_LEAF, 0);
	volatile struct steal_page *page;
	uint64_t first, value;
	cpu_set_t one;
	pthread_t thread, self = pthread_self();
	int i;

	if (!e || !(e->eax & FEATURE_STEAL_TIME))
		ksft_skip("no KVM_FEATURE_STEAL_TIME");
	EXPECT_EQ(try_set_msr(vcpu, MSR_STEAL_TIME, 2), 0);
	EXPECT_EQ(try_set_msr(vcpu, MSR_STEAL_TIME, 0x20), 0);
	EXPECT_EQ(try_set_msr(vcpu, MSR_STEAL_TIME, 0x40), 1);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);

	guest_start(vcpu, guest_steals);
	page = (void *)GUEST_VAR(vcpu->vm, steal_page);
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(try_get_msr(vcpu, MSR_STEAL_TIME, &value), 1);
	EXPECT_EQ(value, (uintptr_t)&steal_page | 1);
	first = page->steal;
	EXPECT(page->version && !(page->version & 1), "%u", page->version);

	preempted = &page->preempted;
	signal(SIGUSR1, on_signal);
	ASSERT_EQ(pthread_create(&thread, NULL, spin, &self), 0);
	for (i = 0; i < 500 && (page->steal - first < 20000000 || !saw_preempted); i++)
		ASSERT_EQ(guest_run(vcpu), GUEST_EINTR);
	stop_spinning = true;
	pthread_join(thread, NULL);
	EXPECT(page->steal - first >= 20000000, "%llu ns",
	       (unsigned long long)(page->steal - first));
	EXPECT(saw_preempted);
	EXPECT_EQ(page->version & 1, 0);
}

static void guest_pv_msrs(void)
{
	GUEST_EQ(GUEST_TRY("rdmsr", : : "c"(MSR_SYSTEM_TIME) : "rax", "rdx", "r11", "memory"),
		 GUEST_NO_TRAP);
	guest_sync(1);
	GUEST_EQ(GUEST_TRY("rdmsr", : : "c"(MSR_SYSTEM_TIME) : "rax", "rdx", "r11", "memory"), 13);
	GUEST_EQ(GUEST_TRY("wrmsr", : : "c"(MSR_STEAL_TIME), "a"(0), "d"(0)
			   : "r11", "memory"), 13);
	GUEST_EQ(GUEST_TRY("rdmsr", : : "c"(MSR_WALL_CLOCK) : "rax", "rdx", "r11", "memory"), 13);
}

/* With the client's word that CPUID is all there is. */
static void test_enforced_features(void)
{
	struct vcpu *vcpu = vcpu_create_bare(vm_create(VM_RAM_SIZE, 0), 0);
	struct kvm_cpuid2 *cpuid = supported_cpuid(vcpu->vm->dev);
	struct kvm_cpuid_entry2 *e = cpuid_find(cpuid, FEATURES_LEAF, 0);
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args[0] = 1,
	};
	uint64_t value;

	vm_need(vcpu->vm, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, "KVM_CAP_ENFORCE_PV_FEATURE_CPUID");
	ASSERT(e);
	e->eax = 0;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), 0);
	guest_start(vcpu, guest_pv_msrs);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(try_get_msr(vcpu, MSR_SYSTEM_TIME, &value), 1);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_ENABLE_CAP, &cap), 0);
	EXPECT_EQ(try_get_msr(vcpu, MSR_SYSTEM_TIME, &value), 0);
	guest_run_done(vcpu);
}

#define HC_CLOCK_PAIRING	9
#define NO_MEMORY		(1UL << 36)

static struct clock_pairing {
	int64_t sec, nsec;
	uint64_t tsc;
	uint32_t flags, pad[9];
} pairing;
static bool stable;

static void guest_pairing(void)
{
	uint64_t before, after;

	guest_sync(1);
	before = rdtsc();
	GUEST_EQ(hypercall(HC_CLOCK_PAIRING, (uintptr_t)&pairing, 0, 0, 0),
		 stable ? 0 : -EOPNOTSUPP);
	after = rdtsc();
	guest_sync(2);
	GUEST_ASSERT(!stable || (pairing.tsc > before && pairing.tsc < after));
	GUEST_EQ(hypercall(HC_CLOCK_PAIRING, (uintptr_t)&pairing, 1, 0, 0), -EOPNOTSUPP);
	GUEST_EQ(hypercall(HC_CLOCK_PAIRING, NO_MEMORY, 0, 0, 0), stable ? -EFAULT : -EOPNOTSUPP);
}

static void guest_has_clock(void)
{
	wrmsr(MSR_SYSTEM_TIME, (uintptr_t)&clock_page | 1);
	for (;;)
		guest_sync(1);
}

static int64_t real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

#define CLOCK_SOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

static bool host_clock_is_tsc(void)
{
	FILE *f = fopen(CLOCK_SOURCE, "r");
	char name[16] = "";

	if (f) {
		if (!fgets(name, sizeof(name), f))
			name[0] = 0;
		fclose(f);
	}
	return !strncmp(name, "tsc", 3);	/* or tsc-early */
}

static bool set_host_clock(const char *name)
{
	int fd = open(CLOCK_SOURCE, O_WRONLY);
	bool ret = fd >= 0 && write(fd, name, strlen(name)) == (ssize_t)strlen(name);

	close(fd);
	return ret;
}

static uint32_t clock_version_on(struct vcpu *vcpu, unsigned int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	guest_run_sync(vcpu, 1);
	return GUEST_VAR(vcpu->vm, clock_page)->version;
}

static void moves_between_cpus(void)
{
	struct vcpu *vcpu = start(guest_has_clock);
	uint32_t before = clock_version_on(vcpu, 0), after, there, quiet = 0, n;

	/* The host's change of clock makes pages new, too, when it comes to it. */
	for (n = 0; n < 500 && quiet < 5; n++) {
		usleep(10000);
		after = clock_version_on(vcpu, 0);
		quiet = after == before ? quiet + 1 : 0;
		before = after;
	}
	EXPECT_EQ(quiet, 5);
	there = clock_version_on(vcpu, 1);
	after = clock_version_on(vcpu, 0);
	EXPECT(there != before && after != there, "versions %u, there %u, back %u", before, there,
	       after);
}

/* Where the TSCs of CPUs may differ, the page tells the time of the CPU that the vCPU is on. */
static void test_clock_follows_cpu(void)
{
	int status = -1;
	pid_t child;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		ksft_skip("this host has one CPU");
	if (!host_clock_is_tsc() || !set_host_clock("acpi_pm"))
		ksft_skip("the host's clock is not the TSC, or there is no other");
	/* In a child, so that the host has its clock again however that ends. */
	child = fork();
	if (!child) {
		moves_between_cpus();
		_exit(0);
	}
	if (child > 0)
		waitpid(child, &status, 0);
	EXPECT(set_host_clock("tsc"));
	EXPECT_EQ(status, 0);
}

/* The host's wall clock and the guest's TSC, where the host tells its time by the TSC. */
static void test_clock_pairing(void)
{
	struct vcpu *vcpu = start(guest_pairing);
	const struct clock_pairing *p = GUEST_VAR(vcpu->vm, pairing);
	bool by_tsc = host_clock_is_tsc();
	int64_t before, after, told;

	*GUEST_VAR(vcpu->vm, stable) = by_tsc;
	memset(GUEST_VAR(vcpu->vm, pairing), 0xff, sizeof(pairing));
	ASSERT_EQ(try_set_msr(vcpu, MSR_TSC, 1ULL << 45), 1);
	guest_run_sync(vcpu, 1);
	before = real_ns();
	guest_run_sync(vcpu, 2);
	after = real_ns();
	told = p->sec * 1000000000LL + p->nsec;
	if (by_tsc) {
		EXPECT(told >= before && told <= after, "%lld ns before, %lld after",
		       (long long)(told - before), (long long)(after - told));
		EXPECT(p->nsec >= 0 && p->nsec < 1000000000);
		EXPECT_EQ(p->flags, 0);
		EXPECT_EQ(p->pad[8], 0);
	} else {
		EXPECT_EQ(p->sec, -1);
	}
	guest_run_done(vcpu);
	if (!by_tsc)
		ksft_skip("the host's clock is not its TSC: refused");
}

static uint8_t clock_flags(struct vcpu *vcpu)
{
	guest_run_sync(vcpu, 1);
	return GUEST_VAR(vcpu->vm, clock_page)->flags;
}

/* A guest may read any vCPU's page with any vCPU's TSC only where these are the same. */
static void test_clock_stable(void)
{
	struct vcpu *vcpu = start(guest_has_clock), *other;
	const unsigned long set = KVM_SET_DEVICE_ATTR;
	uint64_t offset = 1ULL << 50;

	vm_need(vcpu->vm, KVM_CAP_VCPU_ATTRIBUTES, "KVM_CAP_VCPU_ATTRIBUTES");
	if (!host_clock_is_tsc())
		ksft_skip("the host's clock is not the TSC");
	other = vcpu_create(vcpu->vm, 1);
	EXPECT_EQ(clock_flags(vcpu) & STABLE, STABLE);
	ASSERT_EQ(device_attr(other, set, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, &offset), 0);
	EXPECT_EQ(clock_flags(vcpu) & STABLE, 0);
	ASSERT_EQ(device_attr(vcpu, set, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, &offset), 0);
	EXPECT_EQ(clock_flags(vcpu) & STABLE, STABLE);
}

/* Steps of the host's wall clock are nothing to a clock that counts from the guest's start. */
static void test_clock_set(void)
{
	struct vcpu *vcpu = start(guest_has_clock);
	volatile struct clock_page *page = GUEST_VAR(vcpu->vm, clock_page);
	struct timespec now;
	uint32_t before;

	if (!host_clock_is_tsc())
		ksft_skip("the host's clock is not the TSC");
	guest_run_sync(vcpu, 1);
	guest_run_sync(vcpu, 1);
	before = page->version;
	ASSERT_EQ(clock_gettime(CLOCK_REALTIME, &now), 0);
	if (clock_settime(CLOCK_REALTIME, &now))
		ksft_skip("the host's clock cannot be set");
	usleep(100000);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(page->version, before);
}

/* What runs after an INIT has not asked to have its memory written. */
static void test_init_forgets(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);
	struct kvm_msi init = { .address_lo = 0xfee00000, .data = 0x4500 };
	struct kvm_mp_state mp;
	uint64_t value;

	ASSERT_EQ(try_set_msr(vcpu, MSR_SYSTEM_TIME, 0x1001), 1);
	ASSERT_EQ(try_set_msr(vcpu, MSR_STEAL_TIME, 0x2001), 1);
	ASSERT(try_ioctl(vcpu->vm->fd, KVM_SIGNAL_MSI, &init) > 0);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp), 0);
	ASSERT_EQ(try_get_msr(vcpu, MSR_SYSTEM_TIME, &value), 1);
	EXPECT_EQ(value, 0);
	ASSERT_EQ(try_get_msr(vcpu, MSR_STEAL_TIME, &value), 1);
	EXPECT_EQ(value, 0);
}

static const struct ksft_test tests[] = {
	{ "kvmclock_ctrl", test_kvmclock_ctrl },
	{ "tsc_offset", test_tsc_offset },
	{ "tsc_writes", test_tsc_writes },
	{ "tsc_khz", test_tsc_khz },
	{ "steal_time", test_steal_time, 60 },
	{ "enforced_features", test_enforced_features },
	{ "clock_pairing", test_clock_pairing },
	{ "clock_stable", test_clock_stable },
	{ "clock_set", test_clock_set },
	{ "init_forgets", test_init_forgets },
	{ "clock_follows_cpu", test_clock_follows_cpu, 60 },
};

static const struct ksft_suite suite = KSFT_SUITE("pvtime", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
