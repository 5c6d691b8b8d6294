// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced MMIO and port writes: KVM_REGISTER_COALESCED_MMIO, _UNREGISTER_, and the
 * ring that the client shares with the kernel, also when it spoils it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "guest.h"
#include "guest_cpu.h"
#include "ksft.h"

#define BASE	GiB(1)
#define PORT	0x300

static struct vm *vm;
static struct vcpu *vcpu;
static volatile struct kvm_coalesced_mmio_ring *ring;

static struct mmio_device mmio = { .base = BASE };
static struct pio_device pio = { .port = PORT };

static int try_zone(unsigned long request, uint64_t addr, uint32_t size, uint32_t is_pio)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = addr, .size = size, .pio = is_pio };

	return try_ioctl(vm->fd, request, &zone);
}

static int try_add(uint64_t addr, uint32_t size, uint32_t is_pio)
{
	return try_zone(KVM_REGISTER_COALESCED_MMIO, addr, size, is_pio);
}

static int try_remove(uint64_t addr, uint32_t size, uint32_t is_pio)
{
	return try_zone(KVM_UNREGISTER_COALESCED_MMIO, addr, size, is_pio);
}

static void start(void (*function)(void))
{
	vm = vm_create(VM_RAM_SIZE, 0);
	vm_need(vm, KVM_CAP_COALESCED_MMIO, "coalesced MMIO");
	vcpu = vcpu_create(vm, 0);
	ring = (void *)((uint8_t *)vcpu->run + PAGE_SIZE *
			vm_check_extension(vm, KVM_CAP_COALESCED_MMIO));
	vm->mmio = &mmio;
	vm->pio = &pio;
	guest_start(vcpu, function);
}

/* The oldest entry of the ring must be this; takes it out. */
static void take(uint64_t addr, uint32_t len, uint64_t value, uint32_t is_pio)
{
	volatile struct kvm_coalesced_mmio *entry = &ring->coalesced_mmio[ring->first];
	uint64_t data = 0;

	ASSERT(ring->first != ring->last, "no entry for %#llx", (unsigned long long)addr);
	memcpy(&data, (void *)entry->data, len);
	EXPECT_EQ(entry->phys_addr, addr);
	EXPECT_EQ(entry->len, len);
	EXPECT_EQ(entry->pio, is_pio);
	EXPECT_EQ(data, value);
	ring->first = (ring->first + 1) % KVM_COALESCED_MMIO_MAX;
}

static void test_capabilities(void)
{
	vm = vm_create(0, 0);
	EXPECT_EQ(vm_check_extension(vm, KVM_CAP_COALESCED_MMIO), KVM_COALESCED_MMIO_PAGE_OFFSET);
	EXPECT_EQ(vm_check_extension(vm, KVM_CAP_COALESCED_PIO), 1);
	EXPECT_EQ(try_ioctl_value(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0), 3 * PAGE_SIZE);
}

static void guest_stores(void)
{
	for (;;) {
		*(volatile uint8_t *)(BASE + 8) = 0x11;
		*(volatile uint16_t *)(BASE + 16) = 0x2222;
		*(volatile uint32_t *)(BASE + 24) = 0x33333333;
		*(volatile uint64_t *)(BASE + 32) = 0x4444444444444444;
		guest_sync(1);
	}
}

static void take_stores(void)
{
	take(BASE + 8, 1, 0x11, 0);
	take(BASE + 16, 2, 0x2222, 0);
	take(BASE + 24, 4, 0x33333333, 0);
	take(BASE + 32, 8, 0x4444444444444444, 0);
	EXPECT_EQ(ring->first, ring->last);
}

static void test_mmio(void)
{
	unsigned int i;

	start(guest_stores);
	EXPECT_EQ(ring->first, 0);
	EXPECT_EQ(ring->last, 0);
	ASSERT_EQ(try_add(BASE, PAGE_SIZE, 0), 0);
	for (i = 0; i < 100; i++) {
		guest_run_sync(vcpu, 1);
		take_stores();
	}
	EXPECT_EQ(mmio.count, 0);
}

/* Only what lies in a range with all of its bytes; and the range of ports is another. */
static void test_edges(void)
{
	start(guest_stores);
	ASSERT_EQ(try_add(BASE + 9, 8, 0), 0);
	ASSERT_EQ(try_add(BASE + 24, 3, 0), 0);
	ASSERT_EQ(try_add(BASE + 32, 8, 1), 0);
	ASSERT_EQ(try_add(BASE + 33, 8, 0), 0);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(mmio.count, 4);
	EXPECT_EQ(ring->last, 0);
	ASSERT_EQ(try_add(BASE + 16, 2, 0), 0);
	ASSERT_EQ(try_add(BASE + 30, 10, 0), 0);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(mmio.count, 6);
	take(BASE + 16, 2, 0x2222, 0);
	take(BASE + 32, 8, 0x4444444444444444, 0);
	EXPECT_EQ(ring->first, ring->last);
}

static void test_unregister(void)
{
	start(guest_stores);
	ASSERT_EQ(try_remove(BASE, PAGE_SIZE, 0), 0);
	ASSERT_EQ(try_add(BASE, PAGE_SIZE, 0), 0);
	ASSERT_EQ(try_add(BASE, PAGE_SIZE, 0), 0);
	ASSERT_EQ(try_add(BASE + 16, 16, 0), 0);
	/* Larger than any, the other kind, beside them: nothing goes. */
	ASSERT_EQ(try_remove(BASE, PAGE_SIZE + 1, 0), 0);
	ASSERT_EQ(try_remove(BASE, PAGE_SIZE, 1), 0);
	ASSERT_EQ(try_remove(BASE - 8, 16, 0), 0);
	guest_run_sync(vcpu, 1);
	take_stores();
	/* Those that hold all of it go. */
	ASSERT_EQ(try_remove(BASE + 32, 8, 0), 0);
	guest_run_sync(vcpu, 1);
	take(BASE + 16, 2, 0x2222, 0);
	take(BASE + 24, 4, 0x33333333, 0);
	EXPECT_EQ(mmio.count, 2);
	ASSERT_EQ(try_remove(BASE + 16, 16, 0), 0);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(ring->first, ring->last);
	EXPECT_EQ(mmio.count, 6);
}

static void test_errors(void)
{
	unsigned int i;
	int ret = 0;

	start(guest_stores);
	EXPECT_EQ(try_add(BASE, PAGE_SIZE, 2), -EINVAL);
	EXPECT_EQ(try_add(BASE, PAGE_SIZE, 0x80000000), -EINVAL);
	EXPECT_EQ(try_remove(BASE, PAGE_SIZE, 2), -EINVAL);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, NULL), -EFAULT);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_UNREGISTER_COALESCED_MMIO, NULL), -EFAULT);
	/* Ranges that wrap hold nothing, and harm nobody. */
	EXPECT_EQ(try_add(-16ULL, 64, 0), 0);
	EXPECT_EQ(try_add(BASE, 0, 0), 0);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(mmio.count, 4);
	for (i = 0; i < 2000 && !ret; i++)
		ret = try_add(2 * BASE + i * 16, 16, 0);
	EXPECT_EQ(ret, -ENOSPC);
}

#define STORES	(2 * KVM_COALESCED_MMIO_MAX)	/* each time all but one fit */

static void guest_many(void)
{
	unsigned int i;

	for (i = 0; i < STORES; i++)
		*(volatile uint32_t *)(BASE + 4 * i) = i;
}

/* What does not fit any more is an exit. */
static void test_full(void)
{
	unsigned int i = 0, exits = 0;
	enum guest_event event;

	start(guest_many);
	vm->mmio = NULL;
	ASSERT_EQ(try_add(BASE, PAGE_SIZE, 0), 0);
	do {
		event = guest_run(vcpu);
		for (; ring->first != ring->last; i++)
			take(BASE + 4 * i, 4, i, 0);
		if (event == GUEST_DONE)
			break;
		vcpu_expect_exit(vcpu, KVM_EXIT_MMIO);
		EXPECT_EQ(vcpu->run->mmio.phys_addr, BASE + 4 * i);
		EXPECT_EQ(vcpu->run->mmio.is_write, 1);
		exits++;
		i++;
	} while (i <= STORES);
	EXPECT_EQ(i, STORES);
	/* KVM 6.1 miscounts the room, and has less. */
	if (!strcmp(ksft_device, "/dev/khv"))
		EXPECT_EQ(exits, 2);
}

static void guest_reads(void)
{
	GUEST_EQ(*(volatile uint32_t *)(BASE + 4), 0x5a5a5a5a);
	GUEST_EQ(inb(PORT), 0xa5);
}

static void test_reads(void)
{
	start(guest_reads);
	ASSERT_EQ(try_add(BASE, PAGE_SIZE, 0), 0);
	ASSERT_EQ(try_add(PORT, 4, 1), 0);
	memset(mmio.data, 0x5a, 8);
	pio.in[0] = 0xa5;
	guest_run_done(vcpu);
	EXPECT_EQ(ring->last, 0);
	EXPECT_EQ(mmio.count, 1);
	EXPECT_EQ(pio.exits, 1);
}

static void guest_ports(void)
{
	outb(PORT, 0x11);
	outw(PORT, 0x2222);
	outl(PORT, 0x33333333);
	outb(PORT + 1, 0x44);
	outl(PORT + 1, 0x55555555);
}

static void test_ports(void)
{
	start(guest_ports);
	ASSERT_EQ(try_add(PORT, 4, 1), 0);
	guest_run_done(vcpu);
	take(PORT, 1, 0x11, 1);
	take(PORT, 2, 0x2222, 1);
	take(PORT, 4, 0x33333333, 1);
	take(PORT + 1, 1, 0x44, 1);
	EXPECT_EQ(ring->first, ring->last);
	EXPECT_EQ(pio.exits, 1);
}

#define STRING	700

static uint8_t string[STRING];

static void guest_string(void)
{
	uint8_t *from = string;
	uint64_t count = STRING;

	asm volatile("cld; rep outsb" : "+S"(from), "+c"(count) : "d"(PORT) : "memory");
}

/* Bytes that go out in one instruction, more than the ring holds: all, in their order. */
static void test_string(void)
{
	enum guest_event event;
	unsigned int i, n = 0;

	/* KVM 6.1 forgets those that come after the ring is full in one go. */
	if (strcmp(ksft_device, "/dev/khv"))
		ksft_skip("not khv");
	for (i = 0; i < STRING; i++)
		string[i] = i * 7;
	start(guest_string);
	vm->pio = NULL;
	ASSERT_EQ(try_add(PORT, 1, 1), 0);
	do {
		event = guest_run(vcpu);
		while (ring->first != ring->last)
			take(PORT, 1, (uint8_t)(n++ * 7), 1);
		if (event != GUEST_EXIT)
			continue;
		vcpu_expect_exit(vcpu, KVM_EXIT_IO);
		for (i = 0; i < vcpu->run->io.count; i++, n++)
			EXPECT_EQ(((uint8_t *)vcpu->run)[vcpu->run->io.data_offset + i],
				  (uint8_t)(n * 7));
	} while (event != GUEST_DONE);
	EXPECT_EQ(n, STRING);
}

/* The client may write what it likes to the indices: then it gets exits, or its own garbage. */
static void test_spoiled(void)
{
	static const uint32_t bad[] = { KVM_COALESCED_MMIO_MAX, 0x7fffffff, 0x80000000, -1 };
	unsigned int i;

	start(guest_stores);
	ASSERT_EQ(try_add(BASE, PAGE_SIZE, 0), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ring->first = 0;
		ring->last = bad[i];
		mmio.count = 0;
		guest_run_sync(vcpu, 1);
		EXPECT_EQ(mmio.count, 4);
		EXPECT_EQ(ring->last, bad[i]);
		ring->first = bad[i];
		guest_run_sync(vcpu, 1);
		ring->last = 3;
		guest_run_sync(vcpu, 1);
		EXPECT(ring->last < KVM_COALESCED_MMIO_MAX);
	}
	ring->first = 0;
	ring->last = 0;
	mmio.count = 0;
	guest_run_sync(vcpu, 1);
	take_stores();
	EXPECT_EQ(mmio.count, 0);
}

/* One ring for all vCPUs; it stays as long as it is mapped. */
static void test_shared(void)
{
	volatile struct kvm_coalesced_mmio_ring *other;
	struct vcpu *second;

	start(guest_stores);
	second = vcpu_create(vm, 1);
	other = (void *)((uint8_t *)second->run + KVM_COALESCED_MMIO_PAGE_OFFSET * PAGE_SIZE);
	ASSERT_EQ(try_add(BASE, PAGE_SIZE, 0), 0);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(other->last, 4);
	vm_destroy(vm);
	vcpu_destroy(second);
	take_stores();
}

static const struct ksft_test tests[] = {
	{ "capabilities", test_capabilities },
	{ "mmio", test_mmio },
	{ "edges", test_edges },
	{ "unregister", test_unregister },
	{ "errors", test_errors },
	{ "full", test_full },
	{ "reads", test_reads },
	{ "ports", test_ports },
	{ "string", test_string },
	{ "spoiled", test_spoiled },
	{ "shared", test_shared },
};

static const struct ksft_suite suite = KSFT_SUITE("coalesced", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
