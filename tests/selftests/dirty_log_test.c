// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log: KVM_MEM_LOG_DIRTY_PAGES, KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG
 * and KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. Whoever writes to the guest's memory must
 * be in it. dirty_stress_test.c has guests that write while the log is read.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "guest.h"
#include "guest_cpu.h"
#include "ksft.h"

#define BASE	GiB(1)
#define HUGE	MiB(2)
#define PAGES	1000UL		/* no multiple of 64 */
#define SIZE	(PAGES * PAGE_SIZE)
#define WORDS	64		/* room for all bitmaps here, and more */
#define LOG	KVM_MEM_LOG_DIRTY_PAGES
#define BOTH	(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)

static struct vm *vm;
static struct vcpu *vcpu;
static uint8_t *memory;
static uint64_t bits[WORDS], none[WORDS], expected[WORDS];

/* What the guest is to do with the first word of every @step-th page of @count. */
struct orders {
	uint64_t first, count, step, value;
	bool write;
};

static volatile struct orders orders;

static void guest_worker(void)
{
	uint64_t i;

	for (;;) {
		for (i = orders.first; i < orders.first + orders.count; i += orders.step) {
			volatile uint64_t *word = (uint64_t *)(BASE + i * PAGE_SIZE);

			if (orders.write)
				*word = orders.value;
			else
				GUEST_EQ(*word, orders.value);
		}
		guest_sync(1);
	}
}

static void give(bool write, uint64_t first, uint64_t count, uint64_t step, uint64_t value)
{
	*GUEST_VAR(vm, orders) = (struct orders) { first, count, step, value, write };
	guest_run_sync(vcpu, 1);
}

static int try_manual(uint64_t flags)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args = { flags },
	};

	return try_ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static int try_get(unsigned int slot, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };

	return try_ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log);
}

static int try_clear(unsigned int slot, uint64_t first, uint32_t pages, void *bitmap)
{
	struct kvm_clear_dirty_log log = {
		.slot = slot, .first_page = first, .num_pages = pages, .dirty_bitmap = bitmap,
	};

	return try_ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &log);
}

static void expect_bit(uint64_t page)
{
	expected[page / 64] |= 1ULL << page % 64;
}

/* The log of slot 1 must be @expected, which is empty afterwards. */
static void check(const char *what)
{
	unsigned int i;

	memset(bits, 0, sizeof(bits));
	ASSERT_EQ(try_get(1, bits), 0);
	for (i = 0; i < WORDS; i++)
		if (bits[i] != expected[i])
			ksft_fail(__FILE__, __LINE__, "%s: pages from %u on: %#llx, not %#llx", what,
				  64 * i, (unsigned long long)bits[i],
				  (unsigned long long)expected[i]);
	memset(expected, 0, sizeof(expected));
}

/* With a guest that has written to all of its memory; and @flags then. */
static void start_with(void *mem, uint64_t size, unsigned int flags)
{
	memory = mem;
	vm = vm_create(VM_RAM_SIZE, 0);
	vm_set_slot(vm, 1, 0, BASE, size, memory);
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, guest_worker);
	give(true, 0, size / PAGE_SIZE, 1, 11);
	if (flags)
		vm_set_slot(vm, 1, flags, BASE, size, memory);
}

static void start(unsigned int flags)
{
	start_with(memory_map(SIZE, false), SIZE, flags);
}

static void test_get(void)
{
	unsigned int i;

	start(LOG);
	check("nothing was written");
	give(false, 0, PAGES, 1, 11);
	check("reading writes nothing");
	for (i = 3; i < PAGES; i += 7)
		expect_bit(i);
	give(true, 3, PAGES - 3, 7, 22);
	check("every seventh page");
	check("the log was fetched");
	give(true, PAGES - 1, 1, 1, 33);
	expect_bit(PAGES - 1);
	check("the last page");
	give(true, 3, PAGES - 3, 7, 44);
	give(true, 3, PAGES - 3, 7, 55);
	for (i = 3; i < PAGES; i += 7)
		expect_bit(i);
	check("again");
}

/* Memory that nobody has touched, and a slot that has a log from the beginning. */
static void test_fresh(void)
{
	unsigned int i;

	memory = memory_map(SIZE, false);
	vm = vm_create(VM_RAM_SIZE, 0);
	vm_set_slot(vm, 1, LOG, BASE, SIZE, memory);
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, guest_worker);
	give(true, 0, PAGES, 5, 22);
	for (i = 0; i < PAGES; i += 5)
		expect_bit(i);
	check("every fifth page");
}

static void test_on_and_off(void)
{
	unsigned int round;

	start(0);
	for (round = 0; round < 3; round++) {
		EXPECT_EQ(try_get(1, bits), -ENOENT);
		EXPECT_EQ(try_clear(1, 0, PAGES, none), -ENOENT);
		vm_set_slot(vm, 1, LOG, BASE, SIZE, memory);
		check("begins empty");
		give(true, 10 * round, 2, 1, 100 + round);
		expect_bit(10 * round);
		expect_bit(10 * round + 1);
		vm_set_slot(vm, 1, LOG, BASE, SIZE, memory);
		check("the same flags change nothing");
		give(true, 500, 1, 1, 200);
		vm_set_slot(vm, 1, 0, BASE, SIZE, memory);
		give(true, 600, 1, 1, 200);
		give(false, 500, 101, 100, 200);
	}
}

/* The host's writes to the client's own memory are no business of the log. */
static void test_move_and_delete(void)
{
	start(LOG);
	give(true, 7, 1, 1, 22);
	vm_set_slot(vm, 1, LOG, BASE - SIZE, SIZE, memory);
	expect_bit(7);
	check("a move keeps it");
	vm_set_slot(vm, 1, LOG, BASE, SIZE, memory);
	give(true, 9, 1, 1, 22);
	expect_bit(9);
	check("moved back");
	give(true, 9, 1, 1, 22);
	vm_set_slot(vm, 1, 0, BASE, 0, NULL);
	EXPECT_EQ(try_get(1, bits), -ENOENT);
	vm_set_slot(vm, 1, LOG, BASE, SIZE, memory);
	check("another slot");
}

static void test_errors(void)
{
	start(0);
	EXPECT_EQ(try_get(1, bits), -ENOENT);
	EXPECT_EQ(try_get(2, bits), -ENOENT);
	EXPECT_EQ(try_get(0x7fff, bits), -EINVAL);
	EXPECT_EQ(try_get(0x7fff0001, bits), -EINVAL);
	EXPECT_EQ(try_clear(1, 0, PAGES, bits), -ENOENT);
	EXPECT_EQ(try_clear(2, 0, PAGES, bits), -ENOENT);
	EXPECT_EQ(try_clear(0x7fff, 0, PAGES, bits), -EINVAL);
	EXPECT_EQ(try_clear(0x7fff0001, 0, PAGES, bits), -EINVAL);

	vm_set_slot(vm, 1, LOG, BASE, SIZE, memory);
	EXPECT_EQ(try_get(1, NULL), -EFAULT);
	EXPECT_EQ(try_get(1, (void *)0xffff888000000000), -EFAULT);
	EXPECT_EQ(try_clear(1, 0, PAGES, NULL), -EFAULT);
	EXPECT_EQ(try_clear(1, 1, 64, none), -EINVAL);
	EXPECT_EQ(try_clear(1, 63, 64, none), -EINVAL);
	EXPECT_EQ(try_clear(1, 0, 63, none), -EINVAL);
	EXPECT_EQ(try_clear(1, 64, PAGES - 65, none), -EINVAL);
	EXPECT_EQ(try_clear(1, 0, PAGES + 1, none), -EINVAL);
	EXPECT_EQ(try_clear(1, 0, PAGES + 24, none), -EINVAL);
	EXPECT_EQ(try_clear(1, 64, PAGES, none), -EINVAL);
	EXPECT_EQ(try_clear(1, 1024, 0, none), -EINVAL);
	EXPECT_EQ(try_clear(1, -64ULL, 64, none), -EINVAL);
	EXPECT_EQ(try_clear(1, 0, 0, none), 0);
	EXPECT_EQ(try_clear(1, 960, 0, none), 0);
	EXPECT_EQ(try_clear(1, 960, 40, none), 0);
	EXPECT_EQ(try_clear(1, 0, 960, none), 0);
	EXPECT_EQ(try_clear(1, 64, PAGES - 64, none), 0);
}

static void test_capability(void)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .flags = 1, .args = { 1 },
	};

	start(0);
	EXPECT_EQ(vm_check_extension(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2), BOTH);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, &cap), -EINVAL);
	EXPECT_EQ(try_manual(KVM_DIRTY_LOG_INITIALLY_SET), -EINVAL);
	EXPECT_EQ(try_manual(4), -EINVAL);
	EXPECT_EQ(try_manual(5), -EINVAL);
	EXPECT_EQ(try_manual(1ULL << 32 | 1), -EINVAL);
	EXPECT_EQ(try_manual(BOTH), 0);
	EXPECT_EQ(try_manual(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE), 0);
	EXPECT_EQ(try_manual(0), 0);
	vm_set_slot(vm, 1, LOG, BASE, SIZE, memory);
	check("off again: begins empty");
	give(true, 7, 1, 1, 22);
	expect_bit(7);
	check("off again");
	check("off again: GET takes all");
}

/* GET only looks; CLEAR takes what it is told to, and only that. */
static void test_manual(void)
{
	uint64_t clear[WORDS] = { 0 };
	unsigned int i;

	start(0);
	ASSERT_EQ(try_manual(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE), 0);
	vm_set_slot(vm, 1, LOG, BASE, SIZE, memory);
	check("begins empty");
	give(true, 0, PAGES, 3, 22);
	for (i = 0; i < PAGES; i += 3)
		expect_bit(i);
	check("every third page");
	for (i = 0; i < PAGES; i += 3)
		expect_bit(i);
	check("and still");

	/* Pages 128 to 255, of which those that are multiples of six; then all of the end. */
	for (i = 0; i < PAGES; i += 6)
		clear[i / 64] |= 1ULL << i % 64;
	ASSERT_EQ(try_clear(1, 128, 128, clear + 2), 0);
	memset(clear, 0xff, sizeof(clear));
	ASSERT_EQ(try_clear(1, 960, PAGES - 960, clear), 0);
	for (i = 0; i < 960; i += 3)
		if (i < 128 || i >= 256 || i % 6)
			expect_bit(i);
	check("some were cleared");
	give(true, 132, 1, 1, 33);
	give(true, 999, 1, 1, 33);
	ASSERT_EQ(try_clear(1, 0, 128, clear), 0);
	ASSERT_EQ(try_clear(1, 256, 704, clear), 0);
	for (i = 129; i < 256; i += 6)
		expect_bit(i);
	expect_bit(132);
	expect_bit(999);
	check("what is written after it comes back");
}

static void expect_all(unsigned int pages)
{
	while (pages--)
		expect_bit(pages);
}

static void test_initially_set(void)
{
	start(0);
	ASSERT_EQ(try_manual(BOTH), 0);
	vm_set_slot(vm, 1, LOG, BASE, SIZE, memory);
	expect_all(PAGES);
	check("all at first, and none after them");
	memset(bits, 0xff, sizeof(bits));
	ASSERT_EQ(try_clear(1, 0, PAGES, bits), 0);
	check("cleared");
	give(true, 100, 3, 1, 22);
	expect_bit(100);
	expect_bit(101);
	expect_bit(102);
	check("written after it");
	vm_set_slot(vm, 1, 0, BASE, 0, NULL);
	vm_set_slot(vm, 1, LOG, BASE, SIZE, memory);
	expect_all(PAGES);
	check("a slot that comes with it");
}

static void start_huge(unsigned int flags)
{
	uint8_t *area = memory_map(3 * HUGE, true);

	start_with((void *)(((uintptr_t)area + HUGE - 1) & -HUGE), HUGE, flags);
}

/* Pages are counted one by one, whatever maps them; and afterwards it may be large again. */
static void test_huge(void)
{
	unsigned int round;

	start_huge(0);
	for (round = 0; round < 3; round++) {
		vm_set_slot(vm, 1, LOG, BASE, HUGE, memory);
		check("begins empty");
		give(true, 77, 1, 1, 22 + round);
		expect_bit(77);
		check("one page");
		give(true, 78, 201, 200, 33 + round);
		expect_bit(78);
		expect_bit(278);
		check("two others");
		vm_set_slot(vm, 1, 0, BASE, HUGE, memory);
		give(true, 0, 512, 1, 44 + round);
		give(false, 0, 512, 1, 44 + round);
	}
}

/* A large page that is writable when the log begins, and of which a part is cleared. */
static void test_huge_initially_set(void)
{
	start_huge(0);
	ASSERT_EQ(try_manual(BOTH), 0);
	vm_set_slot(vm, 1, LOG, BASE, HUGE, memory);
	give(true, 3, 1, 1, 22);
	expect_all(512);
	check("all at first");
	memset(bits, 0xff, sizeof(bits));
	ASSERT_EQ(try_clear(1, 128, 64, bits), 0);
	give(true, 130, 1, 1, 33);
	give(true, 300, 1, 1, 33);
	expect_all(512);
	memset(expected + 2, 0, 8);
	expect_bit(130);
	check("64 cleared, one of them written");
	ASSERT_EQ(try_clear(1, 0, 512, bits), 0);
	give(true, 300, 1, 1, 44);
	expect_bit(300);
	memset(bits, 0, sizeof(bits));
	check("all cleared, one written");
}

/* Bytes from a port, a device's memory and a locked exchange: written by the emulator. */
static void guest_emulated(void)
{
	void *to = (void *)(BASE + 20 * PAGE_SIZE), *from = (void *)(2 * BASE);
	uint64_t count = 16;

	asm volatile("cld; rep insb" : "+D"(to), "+c"(count) : "d"(0x300) : "memory");
	guest_sync(1);
	to = (void *)(BASE + 31 * PAGE_SIZE - 8);
	count = 2;
	asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	guest_sync(1);
}

static void test_emulated(void)
{
	static struct mmio_device mmio = { .base = 2 * BASE };
	static struct pio_device pio = { .port = 0x300 };

	start(LOG);
	vm->mmio = &mmio;
	vm->pio = &pio;
	vm->started = 0;
	guest_start(vcpu, guest_emulated);
	guest_run_sync(vcpu, 1);
	expect_bit(20);
	check("from a port");
	guest_run_sync(vcpu, 1);
	expect_bit(30);
	expect_bit(31);
	check("from a device");
}

#define MSR_KVM_SYSTEM_TIME_NEW	0x4b564d01

/* The clock page is written by the hypervisor, before the guest runs again. */
static void test_clock(void)
{
	struct kvm_clock_data data = { .clock = 1000000000 };

	start(0);
	ASSERT_EQ(try_set_msr(vcpu, MSR_KVM_SYSTEM_TIME_NEW, (BASE + 40 * PAGE_SIZE) | 1), 1);
	give(true, 0, 1, 1, 22);
	vm_set_slot(vm, 1, LOG, BASE, SIZE, memory);
	ASSERT_EQ(try_ioctl(vm->fd, KVM_SET_CLOCK, &data), 0);
	give(true, 1, 1, 1, 22);
	expect_bit(1);
	expect_bit(40);
	check("the clock page");
}

#define LARGE_ACCESSED	0x20ULL

/* The entry of BASE, which maps 2 MiB. */
static void guest_access(void)
{
	guest_pd[1][0] &= ~LARGE_ACCESSED;
	guest_sync(1);
	invlpg((void *)BASE);
	*(volatile uint64_t *)BASE;
	GUEST_ASSERT(*(volatile uint64_t *)&guest_pd[1][0] & LARGE_ACCESSED);
}

/* Accessed bits in the guest's tables: written by the processor, or by shadow paging. */
static void test_page_table(void)
{
	static uint64_t ram_bits[VM_RAM_SIZE / PAGE_SIZE / 64];
	uint64_t page = (uintptr_t)guest_pd[1] / PAGE_SIZE;

	start(0);
	vm->started = 0;
	guest_start(vcpu, guest_access);
	vm_set_slot(vm, 0, LOG, 0, VM_RAM_SIZE, vm->ram);
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(try_get(0, ram_bits), 0);
	EXPECT_EQ(ram_bits[page / 64] >> (page & 63) & 1, 1);
	guest_run_done(vcpu);
	ASSERT_EQ(try_get(0, ram_bits), 0);
	EXPECT_EQ(ram_bits[page / 64] >> (page & 63) & 1, 1);
}

static void guest_store(void)
{
	*(volatile uint64_t *)(BASE + 5 * PAGE_SIZE) = 99;
}

static void test_read_only(void)
{
	memory = memory_map(SIZE, false);
	vm = vm_create(VM_RAM_SIZE, 0);
	vm_set_slot(vm, 1, KVM_MEM_READONLY, BASE, SIZE, memory);
	EXPECT_EQ(try_set_slot(vm, 1, LOG, BASE, SIZE, memory), -EINVAL);
	vm_set_slot(vm, 1, KVM_MEM_READONLY | LOG, BASE, SIZE, memory);
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, guest_store);
	vcpu_run_to(vcpu, KVM_EXIT_MMIO);
	EXPECT_EQ(vcpu->run->mmio.is_write, 1);
	guest_run_done(vcpu);
	check("not written");
}

/* Pages that the host takes away and gives back: other leaves, the same log. */
static void test_discard(void)
{
	start(LOG);
	give(true, 10, 2, 1, 22);
	ASSERT(!madvise(memory, SIZE, MADV_DONTNEED));
	expect_bit(10);
	expect_bit(11);
	check("written before");
	give(false, 0, PAGES, 1, 0);
	if (!strcmp(ksft_device, "/dev/khv"))
		check("read");
	else	/* KVM maps what is read writable, and counts it */
		ASSERT_EQ(try_get(1, bits), 0);
	give(true, 12, 1, 1, 22);
	expect_bit(12);
	check("written after");
}

static const struct ksft_test tests[] = {
	{ "get", test_get },
	{ "fresh", test_fresh },
	{ "on_and_off", test_on_and_off },
	{ "move_and_delete", test_move_and_delete },
	{ "errors", test_errors },
	{ "capability", test_capability },
	{ "manual", test_manual },
	{ "initially_set", test_initially_set },
	{ "huge", test_huge },
	{ "huge_initially_set", test_huge_initially_set },
	{ "emulated", test_emulated },
	{ "clock", test_clock },
	{ "page_table", test_page_table },
	{ "read_only", test_read_only },
	{ "discard", test_discard },
};

static const struct ksft_suite suite = KSFT_SUITE("dirty_log", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
