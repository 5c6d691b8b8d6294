// SPDX-License-Identifier: GPL-2.0-only
/*
 * alloc-fail: a VM's whole life, again and again, and each time another of the
 * kernel's allocations in it fails: the first, the second, until a life needs
 * none that has not failed yet. A call may then say ENOMEM, or EFAULT where it
 * was a page of the caller's; called again it must do what it does without a
 * failure. All calls of uapi/khv.h's lists are in that life.
 *
 * Needs a kernel with CONFIG_FAILSLAB and CONFIG_FAIL_PAGE_ALLOC.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "aftermath.h"
#include "ioctl_fuzz.h"
#include "vm.h"

#define MAX_STEPS	1024
#define RUNS		12

struct options options = { .threads = 1, .factor = 1 };
struct report *report;

static int fail_nth;			/* the file */
static int results[MAX_STEPS];		/* of a life without a failure */
static unsigned int step, wrong, failures;
static bool first_life, met;
static struct fuzz_thread thread;

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		printf("Bail out! %s: %s\n", path, strerror(errno));
		exit(1);
	}
	close(fd);
}

static void arm(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	if (pwrite(fail_nth, text, len, 0) != len)
		exit(1);
}

/* How many allocations are left until the one that fails; 0: it has. */
static unsigned int left(void)
{
	char text[16] = "";

	if (pread(fail_nth, text, sizeof(text) - 1, 0) <= 0)
		exit(1);
	return atoi(text);
}

static int call(int fd, unsigned int cmd, uint64_t arg)
{
	int ret = syscall(SYS_ioctl, fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

static void complain(unsigned int cmd, int ret)
{
	unsigned int i;

	for (i = 0; i < nr_calls - 1 && calls[i].cmd != cmd; i++)
		;
	wrong++;
	printf("# step %u, %s: %d, without a failure %d\n", step,
	       calls[i].cmd == cmd ? calls[i].name : "open, mmap or munmap", ret, results[step]);
}

/* What came of a step; true to try it again. */
static bool judge(unsigned int cmd, int ret)
{
	if (!first_life && ret < 0 && !met && !left() && (ret == -ENOMEM || ret == -EFAULT)) {
		met = true;
		failures++;
		arm(0);
		return true;
	}
	/* What a guest comes to depends on the time. */
	if (cmd == KVM_RUN)
		return false;
	if (first_life)
		results[step] = ret;
	else if ((ret < 0) != (results[step] < 0))
		complain(cmd, ret);
	if (++step == MAX_STEPS)
		exit(1);
	return false;
}

static int attempt(int fd, unsigned int cmd, uint64_t arg)
{
	int ret;

	do {
		ret = call(fd, cmd, arg);
		/* The timer's signals may end KVM_CREATE_VM, too. */
	} while ((ret == -EINTR && cmd != KVM_RUN) || judge(cmd, ret));
	return ret;
}

static int open_device(void)
{
	int fd;

	do {
		fd = open(KHV_DEVICE, O_RDWR | O_CLOEXEC);
	} while (judge(0, fd < 0 ? -errno : fd));
	return fd;
}

static struct kvm_run *map_run(int fd)
{
	void *p;

	do {
		p = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	} while (judge(0, p == MAP_FAILED ? -errno : 0));
	return p;
}

/* Taking a mapping apart allocates, too, and a mapping that stays keeps the VM. */
static void unmap_run(struct kvm_run *page)
{
	while (judge(0, munmap(page, 2 * PAGE_SIZE) ? -errno : 0))
		puts("# munmap again");
}

/* Guests end when they have something to say, or by the timer's signal. */
static void run(int fd)
{
	int i;

	for (i = 0; i < RUNS; i++)
		attempt(fd, KVM_RUN, 0);
}

/* Each call of a list once, with arguments that are the same in each life. */
static void all_calls(enum kind kind, int fd)
{
	struct fuzz_thread *t = &thread;
	uint64_t arg;
	unsigned int i;
	size_t len;
	bool tame;
	int ret;

	for (i = 0; i < nr_calls; i++) {
		if (calls[i].kind != kind || calls[i].cmd == KVM_RUN)
			continue;
		t->rng.state = i;
		memset(t->buf, 0, sizeof(t->buf));
		arg = gen_argument(t, calls[i].cmd, &len, &tame);
		if (len)
			arg = place(t, len, true);
		ret = attempt(fd, calls[i].cmd, arg);
		if (ret >= 0 && world_result_kind(calls[i].cmd) != KINDS)
			close(ret);
	}
}

/* From opening the device to closing it, the same each time. */
static void live(void)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = ARENA_SIZE, .userspace_addr = (uintptr_t)arena,
	};
	struct kvm_pit_config pit = { 0 };
	int dev, vm, vcpu, i;
	struct kvm_run *page;

	step = 0;
	met = false;
	thread.rng.state = 1;
	dev = open_device();
	all_calls(DEVICE, dev);
	vm = attempt(dev, KVM_CREATE_VM, 0);
	attempt(vm, KVM_SET_USER_MEMORY_REGION, (uintptr_t)&region);
	attempt(vm, KVM_CREATE_IRQCHIP, 0);
	attempt(vm, KVM_CREATE_PIT2, (uintptr_t)&pit);
	vcpu = attempt(vm, KVM_CREATE_VCPU, 0);
	page = map_run(vcpu);
	attempt(vcpu, KVM_SET_CPUID2, (uintptr_t)gen_cpuid());
	for (i = 0; i < (int)nr_guests - 1; i++) {
		thread.rng.state = i;
		world_boot_vcpu(&thread, vcpu);
		run(vcpu);
	}
	all_calls(VM, vm);
	all_calls(VCPU, vcpu);
	if (page != MAP_FAILED)
		unmap_run(page);
	close(vm);
	close(dev);
	close(vcpu);
}

static void on_tick(int number)
{
}

static void start_ticks(void)
{
	struct sigaction sa = { .sa_handler = on_tick };
	struct itimerspec time = { .it_value.tv_nsec = 10000000, .it_interval.tv_nsec = 10000000 };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;

	sigaction(SIGUSR1, &sa, NULL);
	if (timer_create(CLOCK_MONOTONIC, &ev, &timer) || timer_settime(timer, 0, &time, NULL))
		exit(1);
}

static void prepare(void)
{
	static const char *const attrs[] = { "failslab", "fail_page_alloc" };
	char path[96];
	unsigned int i;

	/* Also allocations that may wait, and small and user pages; without a trace of each. */
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/ignore-gfp-wait", attrs[i]);
		write_file(path, "N");
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/verbose", attrs[i]);
		write_file(path, "0");
	}
	write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N");
	write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR);
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (fail_nth < 0 || report == MAP_FAILED) {
		puts("Bail out! no fail-nth");
		exit(1);
	}
	thread.state = &report->threads[0];
	world_init_calls();
	i = open(KHV_DEVICE, O_RDWR | O_CLOEXEC);
	gen_init(i);
	close(i);
	memory_init();
	memory_init_thread(&thread);
	world_init();
	start_ticks();
}

/* Every @stride-th allocation fails; returns how many a life has. */
static unsigned int lives(unsigned int first, unsigned int stride, unsigned int seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned int n;

	for (n = first; time(NULL) < end; n += stride) {
		arena_renew();
		arm(n);
		live();
		if (left())
			break;
		if (n / stride % 50 == 0) {
			printf("# %u allocations failed so far, %u calls said so\n", n, failures);
			fflush(stdout);
		}
	}
	arm(0);
	return n;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "first", 1, NULL, '1' }, { "stride", 1, NULL, 'n' }, { "seconds", 1, NULL, 's' },
		{ NULL },
	};
	unsigned int first = 1, stride = 1, seconds = 100000, last;
	bool works, empty;
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == '1')
			first = atoi(optarg);
		else if (option == 'n')
			stride = atoi(optarg);
		else if (option == 's')
			seconds = atoi(optarg);
		else
			return 1;
	}
	if (!first || !stride)
		return 1;
	if (access("/proc/self/fail-nth", W_OK)) {
		puts("TAP version 13\n1..0 # SKIP the kernel has no CONFIG_FAULT_INJECTION");
		return 4;
	}
	puts("TAP version 13\n1..3");
	prepare();
	first_life = true;
	live();
	first_life = false;
	last = lives(first, stride, seconds);
	printf("# %u steps, every %u. of %u allocations failed, %u calls said so, %u went wrong\n",
	       step, stride, last, failures, wrong);
	/* What follows waits in earnest, and the generators of arguments keep descriptors. */
	signal(SIGUSR1, SIG_IGN);
	world_close_all(&thread);
	empty = nothing_left();
	works = canary_lives(5);
	test_point(1, !wrong && failures, "alloc-fail.a failed allocation is reported");
	test_point(2, works, "alloc-fail.a VM works afterwards");
	test_point(3, empty, "alloc-fail.nothing of khv is left in use");
	return !wrong && failures && works && empty ? 0 : 1;
}
