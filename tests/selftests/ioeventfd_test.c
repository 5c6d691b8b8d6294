// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IOEVENTFD: what it refuses, which writes signal and which go to the
 * client, on ports and in memory, and removal while a vCPU writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "khv.h"
#include "ksft.h"

#define PORT	0x700
#define MMIO	0xd0000000UL

#define PIO_FLAG	KVM_IOEVENTFD_FLAG_PIO
#define MATCH_FLAG	KVM_IOEVENTFD_FLAG_DATAMATCH
#define REMOVE_FLAG	KVM_IOEVENTFD_FLAG_DEASSIGN

static int try_ioeventfd(struct vm *vm, int fd, uint64_t addr, uint32_t len, uint32_t flags,
			 uint64_t match)
{
	struct kvm_ioeventfd e = {
		.fd = fd, .addr = addr, .len = len, .flags = flags, .datamatch = match,
	};

	return try_ioctl(vm->fd, KVM_IOEVENTFD, &e);
}

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	ASSERT(fd >= 0, "eventfd: %s", strerror(errno));
	return fd;
}

static uint64_t signals(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void test_refused(void)
{
	int fd = new_eventfd(), file = open("/dev/null", O_RDWR);
	struct vm *vm = vm_create(0, 0);

	vm_need(vm, KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD");
	EXPECT_EQ(vm_check_extension(vm, KVM_CAP_IOEVENTFD_NO_LENGTH), 1);
	EXPECT_EQ(vm_check_extension(vm, KVM_CAP_IOEVENTFD_ANY_LENGTH), 1);
	EXPECT_EQ(try_ioeventfd(vm, fd, MMIO, 3, 0, 0), -EINVAL);
	EXPECT_EQ(try_ioeventfd(vm, fd, MMIO, 5, 0, 0), -EINVAL);
	EXPECT_EQ(try_ioeventfd(vm, fd, MMIO, 16, 0, 0), -EINVAL);
	EXPECT_EQ(try_ioeventfd(vm, fd, MMIO, 0x80000004, 0, 0), -EINVAL);
	EXPECT_EQ(try_ioeventfd(vm, fd, MMIO, 0x104, 0, 0), -EINVAL);
	EXPECT_EQ(try_ioeventfd(vm, fd, -4ULL, 8, 0, 0), -EINVAL);
	EXPECT_EQ(try_ioeventfd(vm, fd, -8ULL, 8, 0, 0), -EINVAL);
	EXPECT_EQ(try_ioeventfd(vm, fd, MMIO, 0, MATCH_FLAG, 0), -EINVAL);
	EXPECT_EQ(try_ioeventfd(vm, fd, MMIO, 4, 0x20, 0), -EINVAL);
	EXPECT_EQ(try_ioeventfd(vm, fd, MMIO, 4, 1u << 31, 0), -EINVAL);
	EXPECT_EQ(try_ioeventfd(vm, -1, MMIO, 4, 0, 0), -EBADF);
	EXPECT_EQ(try_ioeventfd(vm, file, MMIO, 4, 0, 0), -EINVAL);
	EXPECT_EQ(try_ioeventfd(vm, -1, MMIO, 4, REMOVE_FLAG, 0), -EBADF);
	EXPECT_EQ(try_ioeventfd(vm, file, MMIO, 4, REMOVE_FLAG, 0), -EINVAL);
	EXPECT_EQ(try_ioeventfd(vm, fd, MMIO, 3, REMOVE_FLAG, 0), -ENOENT);
	EXPECT_EQ(try_ioeventfd(vm, fd, MMIO, 4, REMOVE_FLAG, 0), -ENOENT);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_IOEVENTFD, NULL), -EFAULT);
	EXPECT_EQ(try_ioeventfd(vm, fd, -9ULL, 8, 0, 0), 0);
	EXPECT_EQ(try_ioeventfd(vm, fd, -1ULL, 0, 0, 0), 0);
}

/* A bus of another architecture, which KVM takes and never uses. */
static void test_ccw(void)
{
	struct vm *vm = vm_create(0, 0);
	int fd = new_eventfd();

	if (strcmp(ksft_device, "/dev/khv"))
		ksft_skip("%s takes it", ksft_device);
	EXPECT_EQ(try_ioeventfd(vm, fd, 1, 8, KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY, 0), -EINVAL);
	EXPECT_EQ(try_ioeventfd(vm, fd, 1, 8,
				REMOVE_FLAG | KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY, 0), -ENOENT);
}

static void test_collisions(void)
{
	int a = new_eventfd(), b = new_eventfd();
	struct vm *vm = vm_create(0, 0);

	vm_need(vm, KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD");
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO, 4, MATCH_FLAG, 1), 0);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO, 4, MATCH_FLAG, 1), -EEXIST);
	EXPECT_EQ(try_ioeventfd(vm, b, MMIO, 4, MATCH_FLAG, 1), -EEXIST);
	EXPECT_EQ(try_ioeventfd(vm, b, MMIO, 4, MATCH_FLAG, 2), 0);
	EXPECT_EQ(try_ioeventfd(vm, b, MMIO, 4, 0, 0), -EEXIST);
	EXPECT_EQ(try_ioeventfd(vm, b, MMIO, 0, 0, 0), -EEXIST);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO, 2, 0, 0), 0);
	EXPECT_EQ(try_ioeventfd(vm, b, MMIO, 2, MATCH_FLAG, 5), -EEXIST);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO + 2, 2, 0, 0), 0);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO, 4, PIO_FLAG | MATCH_FLAG, 1), 0);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO + 8, 0, 0, 0), 0);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO + 8, 8, 0, 0), -EEXIST);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO + 8, 8, MATCH_FLAG, 0), -EEXIST);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO + 8, 0, 0, 0), -EEXIST);

	/* Only the very same is removed. */
	EXPECT_EQ(try_ioeventfd(vm, b, MMIO, 4, REMOVE_FLAG | MATCH_FLAG, 1), -ENOENT);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO, 4, REMOVE_FLAG | MATCH_FLAG, 2), -ENOENT);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO, 4, REMOVE_FLAG, 1), -ENOENT);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO, 8, REMOVE_FLAG | MATCH_FLAG, 1), -ENOENT);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO + 8, 4, REMOVE_FLAG, 0), -ENOENT);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO, 4, REMOVE_FLAG | MATCH_FLAG, 1), 0);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO, 4, REMOVE_FLAG | MATCH_FLAG, 1), -ENOENT);
	EXPECT_EQ(try_ioeventfd(vm, b, MMIO, 4, REMOVE_FLAG | MATCH_FLAG, 2), 0);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO, 2, REMOVE_FLAG, 77), 0);
	EXPECT_EQ(try_ioeventfd(vm, b, MMIO, 0, 0, 0), 0);
	EXPECT_EQ(try_ioeventfd(vm, a, MMIO, 4, REMOVE_FLAG | PIO_FLAG | MATCH_FLAG, 1), 0);
}

/* The client may close the eventfd; what it was assigned to stays. */
static void test_closed(void)
{
	struct vm *vm = vm_create(0, 0);
	int fd = new_eventfd(), other = new_eventfd();

	vm_need(vm, KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD");
	EXPECT_EQ(try_ioeventfd(vm, fd, MMIO, 4, 0, 0), 0);
	close(fd);
	EXPECT_EQ(try_ioeventfd(vm, other, MMIO, 4, 0, 0), -EEXIST);
}

/* khv has a limit, KVM has none. One eventfd is enough to reach it. */
static void test_limit(void)
{
	struct vm *vm = vm_create(0, 0);
	int i, fd = new_eventfd();

	if (strcmp(ksft_device, "/dev/khv"))
		ksft_skip("%s has no limit", ksft_device);
	for (i = 0; i < 8192; i++)
		ASSERT_EQ(try_ioeventfd(vm, fd, MMIO + 8 * i, 4, 0, 0), 0);
	EXPECT_EQ(try_ioeventfd(vm, fd, MMIO - 8, 4, 0, 0), -ENOSPC);
	EXPECT_EQ(try_ioeventfd(vm, fd, MMIO, 4, REMOVE_FLAG, 0), 0);
	EXPECT_EQ(try_ioeventfd(vm, fd, MMIO - 8, 4, 0, 0), 0);
}

static void guest_ports(void)
{
	outb(PORT, 1);
	outw(PORT, 1);
	outl(PORT, 1);
	inl(PORT);
	guest_sync(1);
	outl(PORT, 2);
	outl(PORT, 0x10001);
	outl(PORT + 2, 1);
	guest_sync(2);
}

static struct pio_device ports = { .port = PORT };

static void test_pio(void)
{
	int b = new_eventfd(), w = new_eventfd(), l = new_eventfd(), two = new_eventfd();
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);
	struct vm *vm = vcpu->vm;

	vm_need(vm, KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD");
	vm->pio = &ports;
	ASSERT_EQ(try_ioeventfd(vm, b, PORT, 1, PIO_FLAG, 0), 0);
	ASSERT_EQ(try_ioeventfd(vm, w, PORT, 2, PIO_FLAG | MATCH_FLAG, 1), 0);
	ASSERT_EQ(try_ioeventfd(vm, l, PORT, 4, PIO_FLAG | MATCH_FLAG, 1), 0);
	ASSERT_EQ(try_ioeventfd(vm, two, PORT, 4, PIO_FLAG | MATCH_FLAG, 2), 0);
	guest_start(vcpu, guest_ports);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(signals(b), 1);
	EXPECT_EQ(signals(w), 1);
	EXPECT_EQ(signals(l), 1);
	EXPECT_EQ(signals(two), 0);
	EXPECT_EQ(ports.out_pos, 0);
	/* The read is nobody's but the client's. */
	EXPECT_EQ(ports.exits, 1);
	guest_run_sync(vcpu, 2);
	EXPECT_EQ(signals(two), 1);
	EXPECT_EQ(signals(l), 0);
	/* Neither the value nor the port was right in these. */
	EXPECT_EQ(ports.exits, 3);
	EXPECT_EQ(ports.out_pos, 8);
}

static void guest_any_length(void)
{
	outb(PORT, 7);
	outw(PORT, 8);
	outl(PORT, 9);
	outb(PORT + 1, 1);
	mmio_write8(MMIO, 1);
	mmio_write16(MMIO, 2);
	mmio_write32(MMIO, 3);
	mmio_write64(MMIO, 4);
	mmio_write8(MMIO + 1, 5);
	mmio_read32(MMIO);
}

static struct mmio_device memory = { .base = MMIO };

#define DATA		GiB(1)
#define BYTES_BEFORE	100
#define BYTES		150

static void guest_outs(void)
{
	const uint8_t *from = (const uint8_t *)DATA + PAGE_SIZE - BYTES_BEFORE;
	uint64_t count = BYTES;

	asm volatile("cld; rep outsb" : "+S"(from), "+c"(count) : "d"(PORT) : "memory");
	GUEST_EQ(count, 0);
}

/* An error in the middle of a string instruction: when the client has mended it, the rest comes. */
static void test_string_interrupted(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	uint8_t *data = memory_map(2 * PAGE_SIZE, false);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int fd = new_eventfd();

	if (strcmp(ksft_device, KHV_DEVICE))
		ksft_skip("KVM leaves OUTS to the client when it cannot read its memory");
	vm_set_slot(vm, 1, 0, DATA, 2 * PAGE_SIZE, data);
	memset(data, 1, 2 * PAGE_SIZE);
	ASSERT(!mprotect(data + PAGE_SIZE, PAGE_SIZE, PROT_NONE));
	ASSERT_EQ(try_ioeventfd(vm, fd, PORT, 1, PIO_FLAG, 0), 0);
	guest_start(vcpu, guest_outs);
	EXPECT_EQ(try_run(vcpu), -EFAULT);
	EXPECT_EQ(signals(fd), BYTES_BEFORE);
	EXPECT_EQ(try_run(vcpu), -EFAULT);
	EXPECT_EQ(signals(fd), 0);
	ASSERT(!mprotect(data + PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE));
	guest_run_done(vcpu);
	EXPECT_EQ(signals(fd), BYTES - BYTES_BEFORE);
}

static void test_any_length(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);
	int p = new_eventfd(), m = new_eventfd();
	struct vm *vm = vcpu->vm;

	vm_need(vm, KVM_CAP_IOEVENTFD_ANY_LENGTH, "KVM_CAP_IOEVENTFD_ANY_LENGTH");
	vm->pio = &ports;
	vm->mmio = &memory;
	ASSERT_EQ(try_ioeventfd(vm, p, PORT, 0, PIO_FLAG, 0), 0);
	ASSERT_EQ(try_ioeventfd(vm, m, MMIO, 0, 0, 0), 0);
	guest_start(vcpu, guest_any_length);
	guest_run_done(vcpu);
	EXPECT_EQ(signals(p), 3);
	EXPECT_EQ(ports.out_pos, 1);
	EXPECT_EQ(signals(m), 4);
	EXPECT_EQ(memory.count, 2);
	EXPECT_EQ(memory.log[0].offset, 1);
	EXPECT(!memory.log[1].write);
}

static void guest_memory(void)
{
	mmio_write8(MMIO, 0xa1);
	mmio_write16(MMIO + 8, 0xa1b2);
	mmio_write32(MMIO + 16, 0xa1b2c3d4);
	mmio_write64(MMIO + 24, 0xa1b2c3d4e5f60718);
	guest_sync(1);
	mmio_write32(MMIO, 0xa1);
	mmio_write16(MMIO + 8, 0xa1b3);
	mmio_write32(MMIO + 18, 0xa1b2c3d4);
	mmio_write64(MMIO + 24, 0xb1b2c3d4e5f60718);
	/* Across a page: two accesses. */
	mmio_write64(MMIO + 4096 - 4, 0x0000000200000001);
	guest_sync(2);
}

static void test_mmio(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);
	struct vm *vm = vcpu->vm;
	int fds[5], i;

	vm_need(vm, KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD");
	vm->mmio = &memory;
	for (i = 0; i < 5; i++)
		fds[i] = new_eventfd();
	ASSERT_EQ(try_ioeventfd(vm, fds[0], MMIO, 1, 0, 0), 0);
	ASSERT_EQ(try_ioeventfd(vm, fds[1], MMIO + 8, 2, MATCH_FLAG, 0xa1b2), 0);
	ASSERT_EQ(try_ioeventfd(vm, fds[2], MMIO + 16, 4, MATCH_FLAG, 0xa1b2c3d4), 0);
	ASSERT_EQ(try_ioeventfd(vm, fds[3], MMIO + 24, 8, MATCH_FLAG, 0xa1b2c3d4e5f60718), 0);
	ASSERT_EQ(try_ioeventfd(vm, fds[4], MMIO + 4096, 4, MATCH_FLAG, 2), 0);
	guest_start(vcpu, guest_memory);
	guest_run_sync(vcpu, 1);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(signals(fds[i]), 1);
	EXPECT_EQ(memory.count, 0);
	guest_run_sync(vcpu, 2);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(signals(fds[i]), 0);
	EXPECT_EQ(signals(fds[4]), 1);
	EXPECT_EQ(memory.count, 5);
	EXPECT_EQ(memory.log[4].offset, 4096 - 4);
	EXPECT_EQ(memory.log[4].len, 4);
}

/* An irqfd at the other end: the write becomes an interrupt of the same guest. */
static volatile uint32_t rung;

static void on_bell(struct guest_frame *frame)
{
	rung++;
	mmio_write32(0xfee000b0, 0);
}

static void guest_bell(void)
{
	guest_handlers[0x77] = on_bell;
	mmio_write32(0xfee000f0, 0x1ff);
	sti();
	outl(PORT, 1);
	asm volatile("nop");
	outl(PORT, 2);
	asm volatile("nop");
	cli();
	GUEST_EQ(rung, 2);
}

static void test_with_irqfd(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);
	struct kvm_irqfd irqfd = { .fd = new_eventfd(), .gsi = 30 };

	vm_need(vcpu->vm, KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD");
	ASSERT_EQ(try_route_msi(vcpu->vm, 30, 0x77), 0);
	ASSERT_EQ(try_ioctl(vcpu->vm->fd, KVM_IRQFD, &irqfd), 0);
	ASSERT_EQ(try_ioeventfd(vcpu->vm, irqfd.fd, PORT, 0, PIO_FLAG, 0), 0);
	guest_start(vcpu, guest_bell);
	guest_run_done(vcpu);
	EXPECT_EQ(signals(irqfd.fd), 0);
}

struct race {
	struct vm *vm;
	int fd;
	bool stop;
};

static void *race_assign(void *arg)
{
	struct race *r = arg;
	int fd;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		fd = new_eventfd();
		ASSERT_EQ(try_ioeventfd(r->vm, fd, PORT, 4, PIO_FLAG, 0), 0);
		ASSERT_EQ(try_ioeventfd(r->vm, r->fd, PORT, 2, PIO_FLAG, 0), 0);
		ASSERT_EQ(try_ioeventfd(r->vm, fd, PORT, 4, REMOVE_FLAG | PIO_FLAG, 0), 0);
		ASSERT_EQ(try_ioeventfd(r->vm, r->fd, PORT, 2, REMOVE_FLAG | PIO_FLAG, 0), 0);
		close(fd);
	}
	return NULL;
}

/* Never ends. */
static void guest_writes(void)
{
	uint32_t i;

	for (i = 0; ; i++) {
		outl(PORT, i);
		outw(PORT, i);
		if (!(i % 64))
			guest_sync(i / 64);
	}
}

static void test_race(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);
	struct race r = { .vm = vcpu->vm, .fd = new_eventfd() };
	struct timespec begin, now;
	pthread_t threads[2];
	uint64_t seen = 0;

	need_race();
	vm_need(r.vm, KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD");
	r.vm->pio = &ports;
	guest_start(vcpu, guest_writes);
	ASSERT_EQ(pthread_create(&threads[0], NULL, race_assign, &r), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		ASSERT_EQ(guest_run(vcpu), GUEST_SYNC);
		seen += signals(r.fd);
		ports.out_pos = 0;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin.tv_sec < 3);
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	pthread_join(threads[0], NULL);
	ksft_note("%llu writes signalled", (unsigned long long)seen);
}

static const struct ksft_test tests[] = {
	{ "refused", test_refused },
	{ "ccw", test_ccw },
	{ "collisions", test_collisions },
	{ "closed", test_closed },
	{ "limit", test_limit, .seconds = 60 },
	{ "pio", test_pio },
	{ "string_interrupted", test_string_interrupted },
	{ "any_length", test_any_length },
	{ "mmio", test_mmio },
	{ "with_irqfd", test_with_irqfd },
	{ "race", test_race, .seconds = 60 },
};

static const struct ksft_suite suite = KSFT_SUITE("ioeventfd", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
