// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IRQFD: what it refuses, interrupts by eventfd along every kind of route,
 * resampling, and all the ways in which an irqfd ends, also while it is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "guest_apic.h"
#include "guest_cpu.h"
#include "ksft.h"

static int try_irqfd(struct vm *vm, int fd, uint32_t gsi, uint32_t flags, int resamplefd)
{
	struct kvm_irqfd irqfd = {
		.fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resamplefd,
	};

	return try_ioctl(vm->fd, KVM_IRQFD, &irqfd);
}

static int assign(struct vm *vm, int fd, uint32_t gsi)
{
	return try_irqfd(vm, fd, gsi, 0, -1);
}

static int assign_resample(struct vm *vm, int fd, uint32_t gsi, int resamplefd)
{
	return try_irqfd(vm, fd, gsi, KVM_IRQFD_FLAG_RESAMPLE, resamplefd);
}

static int deassign(struct vm *vm, int fd, uint32_t gsi)
{
	return try_irqfd(vm, fd, gsi, KVM_IRQFD_FLAG_DEASSIGN, -1);
}

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	ASSERT(fd >= 0, "eventfd: %s", strerror(errno));
	return fd;
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	ASSERT_EQ(write(fd, &one, sizeof(one)), sizeof(one));
}

/* The same, and time for KVM: it leaves all but messages to a worker thread. */
static void interrupt(int fd)
{
	signal_fd(fd);
	if (strcmp(ksft_device, "/dev/khv"))
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
}

/* How often it was signalled since the last look. */
static uint64_t signals(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void test_refused(void)
{
	struct vm *vm = vm_create(0, VM_IRQCHIP), *bare = vm_create(0, 0);
	int fd = new_eventfd(), other = new_eventfd(), file = open("/dev/null", O_RDWR);

	vm_need(vm, KVM_CAP_IRQFD, "KVM_CAP_IRQFD");
	EXPECT_EQ(vm_check_extension(bare, KVM_CAP_IRQFD), 1);
	EXPECT_EQ(vm_check_extension(vm, KVM_CAP_IRQFD_RESAMPLE), 1);
	EXPECT_EQ(assign(bare, fd, 4), -EINVAL);
	EXPECT_EQ(assign_resample(bare, fd, 4, other), -EINVAL);
	EXPECT_EQ(deassign(bare, fd, 4), 0);
	EXPECT_EQ(try_irqfd(vm, fd, 4, 4, -1), -EINVAL);
	EXPECT_EQ(try_irqfd(vm, fd, 4, ~0u, -1), -EINVAL);
	EXPECT_EQ(assign(vm, -1, 4), -EBADF);
	EXPECT_EQ(assign(vm, file, 4), -EINVAL);
	EXPECT_EQ(assign_resample(vm, fd, 4, -1), -EBADF);
	EXPECT_EQ(assign_resample(vm, fd, 4, file), -EINVAL);
	EXPECT_EQ(deassign(vm, -1, 4), -EBADF);
	EXPECT_EQ(deassign(vm, file, 4), -EINVAL);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_IRQFD, NULL), -EFAULT);
	/* Nothing of that is left. */
	EXPECT_EQ(assign(vm, fd, 4), 0);
}

static void test_busy(void)
{
	struct vm *vm = vm_create(0, VM_IRQCHIP);
	int fd = new_eventfd(), other = new_eventfd(), resample = new_eventfd();

	EXPECT_EQ(assign(vm, fd, 4), 0);
	EXPECT_EQ(assign(vm, fd, 4), -EBUSY);
	EXPECT_EQ(assign(vm, fd, 5), -EBUSY);
	EXPECT_EQ(assign_resample(vm, fd, 5, resample), -EBUSY);
	/* Any number of eventfds for one GSI, and one eventfd to hear of all. */
	EXPECT_EQ(assign_resample(vm, other, 4, resample), 0);
	EXPECT_EQ(deassign(vm, fd, 5), 0);
	EXPECT_EQ(assign(vm, fd, 5), -EBUSY);
	EXPECT_EQ(deassign(vm, fd, 4), 0);
	EXPECT_EQ(deassign(vm, fd, 4), 0);
	EXPECT_EQ(assign_resample(vm, fd, 4, resample), 0);
	/* The flag makes no difference to what is deassigned. */
	EXPECT_EQ(try_irqfd(vm, fd, 4, KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE, -1), 0);
	EXPECT_EQ(assign(vm, fd, 4), 0);
	/* A GSI that leads nowhere is none of its business. */
	EXPECT_EQ(deassign(vm, fd, 4), 0);
	EXPECT_EQ(assign(vm, fd, ~0u), 0);
	signal_fd(fd);
}

static volatile uint32_t irqs[256];

static void on_irq(struct guest_frame *frame)
{
	irqs[frame->vector]++;
	xapic_write(APIC_EOI, 0);
}

/* Pin 5 is an edge with 0x55, pin 10 a level with 0x60; 0x71 and 0x72 are for messages. */
static void set_up_ioapic(void)
{
	guest_handlers[0x55] = on_irq;
	guest_handlers[0x60] = on_irq;
	guest_handlers[0x71] = on_irq;
	guest_handlers[0x72] = on_irq;
	pic_init(0x20, 0x28);
	xapic_write(APIC_SPIV, 0x1ff);
	ioapic_write(0x11 + 2 * 5, 0);
	ioapic_write(0x10 + 2 * 5, 0x55);
	ioapic_write(0x11 + 2 * 10, 0);
	ioapic_write(0x10 + 2 * 10, 0x60 | IOAPIC_LEVEL);
}

/* Shows at each sync what has come since. Never ends. */
static void guest_counts(void)
{
	uint32_t n = 1;

	set_up_ioapic();
	for (;;) {
		guest_sync(n++);
		sti();
		asm volatile("nop; nop; nop");
		cli();
	}
}

static struct vcpu *counting_guest(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);

	vm_need(vcpu->vm, KVM_CAP_IRQFD, "KVM_CAP_IRQFD");
	guest_start(vcpu, guest_counts);
	guest_run_sync(vcpu, 1);
	return vcpu;
}

/* Interrupts of @vector since the last call, after the guest has had its chance. */
static uint32_t taken(struct vcpu *vcpu, uint8_t vector)
{
	volatile uint32_t *count = &(*GUEST_VAR(vcpu->vm, irqs))[vector];
	uint32_t before = *count;

	ASSERT_EQ(guest_run(vcpu), GUEST_SYNC);
	return *count - before;
}

static void test_edge(void)
{
	struct vcpu *vcpu = counting_guest();
	int fd = new_eventfd();

	ASSERT_EQ(assign(vcpu->vm, fd, 5), 0);
	EXPECT_EQ(taken(vcpu, 0x55), 0);
	interrupt(fd);
	/* It takes the signal from others who might read it. */
	EXPECT_EQ(signals(fd), 0);
	EXPECT_EQ(taken(vcpu, 0x55), 1);
	interrupt(fd);
	EXPECT_EQ(taken(vcpu, 0x55), 1);
	EXPECT_EQ(taken(vcpu, 0x55), 0);
	ASSERT_EQ(deassign(vcpu->vm, fd, 5), 0);
	interrupt(fd);
	EXPECT_EQ(signals(fd), 1);
	EXPECT_EQ(taken(vcpu, 0x55), 0);
}

/* A signal from before the assignment is not lost. */
static void test_early(void)
{
	struct vcpu *vcpu = counting_guest();
	int fd = new_eventfd();

	signal_fd(fd);
	ASSERT_EQ(assign(vcpu->vm, fd, 5), 0);
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	EXPECT_EQ(taken(vcpu, 0x55), 1);
}

static void test_routing(void)
{
	struct vcpu *vcpu = counting_guest();
	int fd = new_eventfd();

	/* Nothing is there yet. */
	ASSERT_EQ(assign(vcpu->vm, fd, 40), 0);
	interrupt(fd);
	ASSERT_EQ(try_route_msi(vcpu->vm, 40, 0x71), 0);
	interrupt(fd);
	EXPECT_EQ(taken(vcpu, 0x71), 1);
	ASSERT_EQ(try_route_msi(vcpu->vm, 40, 0x72), 0);
	interrupt(fd);
	EXPECT_EQ(taken(vcpu, 0x72), 1);
	EXPECT_EQ(taken(vcpu, 0x71), 0);
	ASSERT_EQ(try_route_msi(vcpu->vm, 41, 0x72), 0);
	interrupt(fd);
	EXPECT_EQ(taken(vcpu, 0x72), 0);
}

/* Level: one interrupt for each signal, though nobody lowers the line; its EOI is told. */
static void test_resample(void)
{
	struct vcpu *vcpu = counting_guest();
	struct vm *vm = vcpu->vm;
	int fd = new_eventfd(), other = new_eventfd(), told = new_eventfd(), also = new_eventfd();

	ASSERT_EQ(assign_resample(vm, fd, 10, told), 0);
	ASSERT_EQ(assign_resample(vm, other, 10, also), 0);
	EXPECT_EQ(taken(vcpu, 0x60), 0);
	EXPECT_EQ(signals(told), 0);
	interrupt(fd);
	EXPECT_EQ(signals(told), 0);
	EXPECT_EQ(taken(vcpu, 0x60), 1);
	EXPECT_EQ(signals(told), 1);
	EXPECT_EQ(signals(also), 1);
	EXPECT_EQ(taken(vcpu, 0x60), 0);
	/* Signalled twice before the guest looks: once for all. */
	interrupt(fd);
	interrupt(other);
	EXPECT_EQ(taken(vcpu, 0x60), 1);
	EXPECT_EQ(signals(told), 1);
	EXPECT_EQ(signals(also), 1);
	/* The last one to go takes the line down. */
	interrupt(fd);
	ASSERT_EQ(deassign(vm, fd, 10), 0);
	ASSERT_EQ(deassign(vm, other, 10), 0);
	EXPECT(taken(vcpu, 0x60) <= 1);
	EXPECT_EQ(taken(vcpu, 0x60), 0);
	EXPECT_EQ(signals(told), 0);
}

/* An edge-triggered pin is acknowledged as well. */
static void test_resample_edge(void)
{
	struct vcpu *vcpu = counting_guest();
	int fd = new_eventfd(), told = new_eventfd();
	int i;

	ASSERT_EQ(assign_resample(vcpu->vm, fd, 5, told), 0);
	for (i = 0; i < 3; i++) {
		interrupt(fd);
		EXPECT_EQ(taken(vcpu, 0x55), 1);
		EXPECT_EQ(signals(told), 1);
	}
}

static void on_pic(struct guest_frame *frame)
{
	irqs[frame->vector]++;
	guest_sync(0x1000 + frame->vector);
	outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

/* IRQ 11, level triggered. */
static void guest_pic(void)
{
	guest_handlers[0x2b] = on_pic;
	pic_init(0x20, 0x28);
	outb(0x4d1, 0x08);
	outb(0xa1, 0xf7);
	xapic_write(APIC_SPIV, 0x1ff);
	xapic_write(APIC_LVT_LINT0, 0x700);
	guest_sync(1);
	sti();
	asm volatile("nop; nop; nop");
	cli();
	GUEST_EQ(irqs[0x2b], 1);
	guest_sync(2);
}

static void test_resample_pic(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int fd = new_eventfd(), told = new_eventfd();

	vm_need(vm, KVM_CAP_IRQFD_RESAMPLE, "KVM_CAP_IRQFD_RESAMPLE");
	guest_start(vcpu, guest_pic);
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(assign_resample(vm, fd, 11, told), 0);
	interrupt(fd);
	guest_run_sync(vcpu, 0x102b);
	EXPECT_EQ(signals(told), 0);
	guest_run_sync(vcpu, 2);
	EXPECT_EQ(signals(told), 1);
	guest_run_done(vcpu);
}

static volatile uint32_t halts_wanted;

static void guest_halts(void)
{
	uint32_t wanted = halts_wanted;

	set_up_ioapic();
	guest_sync(1);
	while (irqs[0x60] < wanted)
		sti_hlt_cli();
}

struct device {
	int irq, told;
	uint32_t left;
};

/* A device that raises its line again whenever the guest is done with it. */
static void *run_device(void *arg)
{
	struct device *d = arg;
	uint64_t n;

	for (; d->left; d->left--) {
		signal_fd(d->irq);
		if (read(d->told, &n, sizeof(n)) != sizeof(n))
			break;
	}
	return NULL;
}

/* Signals wake a halted vCPU, and every EOI wakes the device's thread: none may be lost. */
static void test_resample_wakes(void)
{
	struct device d = {
		.irq = new_eventfd(), .told = eventfd(0, EFD_CLOEXEC), .left = 200,
	};
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	pthread_t thread;

	vm_need(vm, KVM_CAP_IRQFD_RESAMPLE, "KVM_CAP_IRQFD_RESAMPLE");
	guest_start(vcpu, guest_halts);
	*GUEST_VAR(vm, halts_wanted) = d.left;
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(assign_resample(vm, d.irq, 10, d.told), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, run_device, &d), 0);
	guest_run_done(vcpu);
	ASSERT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(d.left, 0);
	EXPECT_EQ((*GUEST_VAR(vm, irqs))[0x60], 200);
}

/* Closing the eventfd is as good as deassigning it, and makes room. */
static void test_close(void)
{
	struct vm *vm = vm_create(0, VM_IRQCHIP);
	int i, fd, told = new_eventfd();

	for (i = 0; i < 5000; i++) {
		fd = new_eventfd();
		ASSERT_EQ(i % 64 ? assign(vm, fd, i) : assign_resample(vm, fd, i, told), 0);
		close(fd);
	}
}

/* khv has a limit, KVM has none. */
static void test_limit(void)
{
	struct rlimit limit = { .rlim_cur = 5000, .rlim_max = 5000 };
	struct vm *vm = vm_create(0, VM_IRQCHIP);
	int i, fd, last = -1;

	if (strcmp(ksft_device, "/dev/khv"))
		ksft_skip("%s has no limit", ksft_device);
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (i = 0; i < 4096; i++) {
		last = new_eventfd();
		ASSERT_EQ(assign(vm, last, 5), 0);
	}
	fd = new_eventfd();
	EXPECT_EQ(assign(vm, fd, 5), -ENOSPC);
	EXPECT_EQ(assign(vm, last, 5), -EBUSY);
	close(last);
	EXPECT_EQ(assign(vm, fd, 5), 0);
	vm_destroy(vm);
}

/* The VM's descriptor is what irqfds live by, not its vCPUs'. */
static void test_vm_closed(void)
{
	struct vcpu *vcpu = counting_guest();
	int fd = new_eventfd();

	ASSERT_EQ(assign(vcpu->vm, fd, 5), 0);
	close(vcpu->vm->fd);
	signal_fd(fd);
	EXPECT_EQ(signals(fd), 1);
	EXPECT_EQ(taken(vcpu, 0x55), 0);
}

#define RACE_FDS	4

struct race {
	struct vm *vm;
	struct vcpu *vcpu;
	int fds[RACE_FDS], told;
	bool stop;
};

static bool stopped(struct race *r)
{
	return __atomic_load_n(&r->stop, __ATOMIC_RELAXED);
}

static void *race_signal(void *arg)
{
	struct race *r = arg;
	uint64_t one = 1;
	unsigned int i;

	for (i = 0; !stopped(r); i++)
		if (write(r->fds[i % RACE_FDS], &one, sizeof(one)) < 0 && errno != EBADF)
			ASSERT_EQ(errno, EAGAIN);
	return NULL;
}

/* The first eventfd comes and goes as an irqfd, the second one altogether. */
static void *race_assign(void *arg)
{
	struct race *r = arg;
	int old, new;

	while (!stopped(r)) {
		ASSERT_EQ(assign(r->vm, r->fds[0], 5), 0);
		ASSERT_EQ(deassign(r->vm, r->fds[0], 5), 0);
		ASSERT_EQ(assign_resample(r->vm, r->fds[0], 10, r->told), 0);
		ASSERT_EQ(deassign(r->vm, r->fds[0], 10), 0);
		old = r->fds[1];
		new = new_eventfd();
		ASSERT_EQ(assign(r->vm, new, 40), 0);
		/* Signals meet the closing of the last descriptor. */
		ASSERT_EQ(dup2(new, old), old);
		close(new);
	}
	return NULL;
}

static void *race_routes(void *arg)
{
	struct race *r = arg;
	unsigned int i;

	for (i = 0; !stopped(r); i++)
		ASSERT_EQ(try_route_msi(r->vm, 40 + i % 2, 0x71 + i / 2 % 2), 0);
	return NULL;
}

/* All of it at once, with a vCPU that runs; then the VM goes while signals still come. */
static void test_races(void)
{
	static void *(*const bodies[])(void *) = {
		race_signal, race_signal, race_assign, race_routes,
	};
	struct race r = { .vcpu = counting_guest(), .told = new_eventfd() };
	pthread_t threads[KSFT_ARRAY_SIZE(bodies)];
	struct timespec begin, now;
	unsigned int i;

	need_race();
	r.vm = r.vcpu->vm;
	for (i = 0; i < RACE_FDS; i++)
		r.fds[i] = new_eventfd();
	ASSERT_EQ(assign(r.vm, r.fds[2], 40), 0);
	ASSERT_EQ(assign_resample(r.vm, r.fds[3], 10, r.told), 0);
	for (i = 0; i < KSFT_ARRAY_SIZE(bodies); i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, bodies[i], &r), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		taken(r.vcpu, 0x71);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin.tv_sec < 3);
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < KSFT_ARRAY_SIZE(bodies); i++)
		pthread_join(threads[i], NULL);
}

static void *race_to_the_end(void *arg)
{
	struct race *r = arg;
	uint64_t one = 1;

	while (!stopped(r))
		if (write(r->fds[0], &one, sizeof(one)) < 0)
			read(r->fds[0], &one, sizeof(one));
	return NULL;
}

/* A VM, its vCPU and its eventfds go in every order under fire. */
static void test_race_with_end(void)
{
	unsigned int round, i;

	need_race();
	for (round = 0; round < 24; round++) {
		struct race r = { .vm = vm_create(0, VM_IRQCHIP), .told = new_eventfd() };
		int fd = new_eventfd();
		pthread_t threads[2];

		r.fds[0] = new_eventfd();
		vcpu_create_bare(r.vm, 0);
		ASSERT_EQ(round & 1 ? assign(r.vm, r.fds[0], 5) :
			  assign_resample(r.vm, r.fds[0], 5, r.told), 0);
		ASSERT_EQ(assign_resample(r.vm, fd, 6, r.told), 0);
		for (i = 0; i < 2; i++)
			ASSERT_EQ(pthread_create(&threads[i], NULL, race_to_the_end, &r), 0);
		if (round & 2)
			close(fd);
		if (round & 4)
			deassign(r.vm, r.fds[0], 5);
		vm_destroy(r.vm);
		if (!(round & 2))
			close(fd);
		__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
		for (i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		close(r.fds[0]);
		close(r.told);
	}
}

static const struct ksft_test tests[] = {
	{ "refused", test_refused },
	{ "busy", test_busy },
	{ "edge", test_edge },
	{ "early", test_early },
	{ "routing", test_routing },
	{ "resample", test_resample },
	{ "resample_edge", test_resample_edge },
	{ "resample_pic", test_resample_pic },
	{ "resample_wakes", test_resample_wakes, .seconds = 60, .shadow = true },
	{ "close", test_close, .seconds = 60 },
	{ "limit", test_limit, .seconds = 60 },
	{ "vm_closed", test_vm_closed },
	{ "races", test_races, .seconds = 60 },
	{ "race_with_end", test_race_with_end, .seconds = 120 },
};

static const struct ksft_suite suite = KSFT_SUITE("irqfd", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
