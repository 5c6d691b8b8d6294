// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory that the client changes under the guest: thrown away, replaced,
 * copied on write, huge, shared, paged by a user, not made of pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "ksft.h"

#define BASE	GiB(1)
#define HUGE	MiB(2)
#define PAGES	64UL
#define SIZE	(PAGES * PAGE_SIZE)

static struct vm *vm;
static struct vcpu *vcpu;
static uint8_t *memory;

static uint64_t *host_word(unsigned long page)
{
	return (uint64_t *)(memory + page * PAGE_SIZE);
}

/* What the guest is to do with the first word of each page in [first, first + count). */
enum order { WRITE, READ, STOP };
struct orders {
	enum order order;
	unsigned long first, count;
	uint64_t value;		/* plus the page's number; of READ: what is expected */
	bool plain;		/* do not add the number */
};

static volatile struct orders orders;

static void guest_worker(void)
{
	volatile uint64_t *word;
	uint64_t value;
	unsigned long i;

	for (;;) {
		for (i = orders.first; i < orders.first + orders.count; i++) {
			word = (volatile uint64_t *)(BASE + i * PAGE_SIZE);
			value = orders.value + (orders.plain ? 0 : i);
			if (orders.order == WRITE)
				*word = value;
			else
				GUEST_EQ(*word, value);
		}
		guest_sync(1);
	}
}

static void give(enum order order, unsigned long first, unsigned long count, uint64_t value,
		 bool plain)
{
	volatile struct orders *o = GUEST_VAR(vm, orders);

	o->order = order;
	o->first = first;
	o->count = count;
	o->value = value;
	o->plain = plain;
}

static void guest_writes(unsigned long first, unsigned long count, uint64_t value)
{
	give(WRITE, first, count, value, false);
	guest_run_sync(vcpu, 1);
}

static void guest_reads(unsigned long first, unsigned long count, uint64_t value)
{
	give(READ, first, count, value, false);
	guest_run_sync(vcpu, 1);
}

static void guest_reads_zero(unsigned long first, unsigned long count)
{
	give(READ, first, count, 0, true);
	guest_run_sync(vcpu, 1);
}

static void host_reads(unsigned long first, unsigned long count, uint64_t value)
{
	unsigned long i;

	for (i = first; i < first + count; i++)
		ASSERT_EQ(*host_word(i), value + i);
}

static void start_with(void *mem, size_t size)
{
	memory = mem;
	vm = vm_create(VM_RAM_SIZE, 0);
	vm_set_slot(vm, 1, 0, BASE, size, memory);
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, guest_worker);
}

static void start(void)
{
	start_with(memory_map(SIZE, false), SIZE);
}

static void test_write_and_read(void)
{
	unsigned long i;

	start();
	guest_reads_zero(0, PAGES / 2);
	guest_writes(0, PAGES, 1000);
	host_reads(0, PAGES, 1000);
	for (i = 0; i < PAGES; i++)
		*host_word(i) = 7000 + i;
	guest_reads(0, PAGES, 7000);
	/* Against the direction, and with holes. */
	for (i = PAGES; i-- > 0; )
		madvise(host_word(i), PAGE_SIZE, MADV_DONTNEED);
	for (i = PAGES; i > 0; i -= 2)
		guest_writes(i - 1, 1, 3000);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(*host_word(i), i % 2 ? 3000 + i : 0);
}

static void test_discard(void)
{
	int round;

	start();
	for (round = 1; round < 20; round++) {
		guest_writes(0, PAGES, round * 1000);
		ASSERT(!madvise(host_word(5), 3 * PAGE_SIZE, MADV_DONTNEED));
		guest_reads_zero(5, 3);
		guest_reads(0, 5, round * 1000);
		guest_reads(8, PAGES - 8, round * 1000);
		ASSERT(!madvise(memory, SIZE, MADV_DONTNEED));
		guest_reads_zero(0, PAGES);
	}
}

static void test_replace(void)
{
	uint8_t *other;

	start();
	guest_writes(0, PAGES, 1000);
	other = memory_map(SIZE, false);
	*(uint64_t *)(other + 9 * PAGE_SIZE) = 5009;
	ASSERT(mremap(other, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, memory) == memory);
	guest_reads(9, 1, 5000);
	guest_reads_zero(10, PAGES - 10);
	guest_writes(0, PAGES, 2000);
	host_reads(0, PAGES, 2000);
	ASSERT(!munmap(memory, SIZE));
	EXPECT_EQ(try_run(vcpu), -EFAULT);
}

/* The child keeps what was there at the fork, the guest goes on with copies. */
static void test_fork(void)
{
	int go[2], status;
	pid_t child;
	char c;

	start();
	guest_writes(0, PAGES, 1000);
	ASSERT(!pipe(go));
	child = fork();
	ASSERT(child >= 0);
	if (!child) {
		unsigned long i;

		if (read(go[0], &c, 1) != 1)
			_exit(2);
		for (i = 0; i < PAGES; i++)
			if (*host_word(i) != 1000 + i)
				_exit(1);
		_exit(0);
	}
	guest_reads(0, PAGES, 1000);
	guest_writes(0, PAGES, 2000);
	host_reads(0, PAGES, 2000);
	ASSERT(write(go[1], "", 1) == 1);
	ASSERT(waitpid(child, &status, 0) == child);
	EXPECT_EQ(status, 0);
	guest_reads(0, PAGES, 2000);
}

static void test_protect(void)
{
	start();
	guest_writes(0, PAGES, 1000);
	ASSERT(!mprotect(memory, SIZE, PROT_READ));
	guest_reads(0, PAGES, 1000);
	give(WRITE, 3, 1, 2000, false);
	EXPECT_EQ(try_run(vcpu), -EFAULT);
	EXPECT_EQ(*host_word(3), 1003);
	ASSERT(!mprotect(memory, SIZE, PROT_READ | PROT_WRITE));
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(*host_word(3), 2003);
}

/* A huge page, pages thrown out of its middle, and small ones made huge again. */
static void test_huge(void)
{
	uint8_t *area = memory_map(3 * HUGE, true);
	unsigned long pages = HUGE / PAGE_SIZE;

	area = (uint8_t *)(((uintptr_t)area + HUGE - 1) & ~(HUGE - 1));
	start_with(area, HUGE);
	guest_writes(0, pages, 1000);
	host_reads(0, pages, 1000);
	ASSERT(!madvise(host_word(100), 2 * PAGE_SIZE, MADV_DONTNEED));
	guest_reads(0, 100, 1000);
	guest_reads_zero(100, 2);
	guest_reads(102, pages - 102, 1000);
	guest_writes(0, pages, 2000);
#ifdef MADV_COLLAPSE
	if (madvise(memory, HUGE, MADV_COLLAPSE))
		ksft_note("no MADV_COLLAPSE: %s", strerror(errno));
#endif
	guest_reads(0, pages, 2000);
	guest_writes(0, pages, 3000);
	host_reads(0, pages, 3000);
}

/* Host and guest addresses that are not alike in their lower bits. */
static void test_skewed(void)
{
	uint8_t *area = memory_map(3 * HUGE, true);

	memset(area, 0, 3 * HUGE);
	area = (uint8_t *)(((uintptr_t)area + HUGE - 1) & ~(HUGE - 1));
	start_with(area + 3 * PAGE_SIZE, HUGE);
	guest_writes(0, HUGE / PAGE_SIZE, 1000);
	host_reads(0, HUGE / PAGE_SIZE, 1000);
	/* What is around the slot is not the guest's. */
	EXPECT_EQ(*host_word(-1), 0);
	EXPECT_EQ(*host_word(HUGE / PAGE_SIZE), 0);
}

static void test_shared_file(void)
{
	int fd = memfd_create("ram", 0);
	uint64_t value;

	ASSERT(fd >= 0 && !ftruncate(fd, SIZE));
	start_with(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), SIZE);
	guest_reads_zero(0, PAGES / 2);
	guest_writes(0, PAGES, 1000);
	ASSERT(pread(fd, &value, 8, 17 * PAGE_SIZE) == 8);
	EXPECT_EQ(value, 1017);
	value = 8018;
	ASSERT(pwrite(fd, &value, 8, 18 * PAGE_SIZE) == 8);
	guest_reads(18, 1, 8000);
	ASSERT(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * PAGE_SIZE,
			  8 * PAGE_SIZE));
	guest_reads_zero(4, 8);
	guest_reads(0, 4, 1000);
	ASSERT(!ftruncate(fd, 32 * PAGE_SIZE));
	guest_reads(19, 13, 1000);
	give(READ, 40, 1, 0, true);
	EXPECT_EQ(try_run(vcpu), -EFAULT);
}

static int uffd;

static void *pager(void *arg)
{
	static uint8_t page[PAGE_SIZE] __attribute__((aligned(4096)));
	struct uffd_msg msg;
	struct uffdio_copy copy;
	unsigned int *served = arg;

	while (read(uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		copy.dst = msg.arg.pagefault.address & ~(PAGE_SIZE - 1);
		copy.src = (uintptr_t)page;
		copy.len = PAGE_SIZE;
		copy.mode = 0;
		*(uint64_t *)page = 4000 + (copy.dst - (uintptr_t)memory) / PAGE_SIZE;
		/* First counted: the copy lets the guest go on. */
		__atomic_add_fetch(served, 1, __ATOMIC_SEQ_CST);
		if (ioctl(uffd, UFFDIO_COPY, &copy))
			break;
	}
	return NULL;
}

/* Pages come when the guest asks, and not before. */
static void test_user_pager(void)
{
	unsigned int served = 0;
	pthread_t thread;

	start();
	uffd = memory_pager(memory, SIZE);
	ASSERT(!pthread_create(&thread, NULL, pager, &served));
	guest_reads(0, 3, 4000);
	EXPECT_EQ(__atomic_load_n(&served, __ATOMIC_SEQ_CST), 3);
	guest_writes(3, 4, 6000);
	EXPECT_EQ(__atomic_load_n(&served, __ATOMIC_SEQ_CST), 7);
	host_reads(0, 3, 4000);
	host_reads(3, 4, 6000);
}

/* Memory that has no pages: the firmware's, by way of /dev/mem. */
static void test_device_memory(void)
{
	int fd = open("/dev/mem", O_RDONLY);
	unsigned long i;
	uint64_t *p;

	if (fd < 0)
		ksft_skip("no /dev/mem: %s", strerror(errno));
	p = mmap(NULL, 16 * PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0xf0000);
	if (p == MAP_FAILED)
		ksft_skip("/dev/mem cannot be mapped: %s", strerror(errno));
	start_with(p, 16 * PAGE_SIZE);
	for (i = 0; i < 16; i++) {
		give(READ, i, 1, *host_word(i), true);
		guest_run_sync(vcpu, 1);
	}
}

static volatile int bus_code;
static void *volatile bus_address;

static void on_bus_error(int number, siginfo_t *info, void *context)
{
	bus_code = info->si_code;
	bus_address = info->si_addr;
}

/* A page of memory has gone bad: the client is told by a signal, as on KVM, and may go on. */
static void test_broken_page(void)
{
	struct sigaction sa = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };
	uint64_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT(p != MAP_FAILED);
	start_with(p, SIZE);
	give(WRITE, 0, 8, 5, true);
	guest_run_sync(vcpu, 1);
	sigaction(SIGBUS, &sa, NULL);
	if (madvise(host_word(3), PAGE_SIZE, MADV_HWPOISON))
		ksft_skip("pages cannot be broken here: %s", strerror(errno));
	give(READ, 3, 1, 5, true);
	ASSERT_EQ(guest_run(vcpu), GUEST_EINTR);
	EXPECT_EQ(bus_code, BUS_MCEERR_AR);
	EXPECT(bus_address == host_word(3));
	/* A new page in its place, and the guest reads that. */
	ASSERT(mmap(host_word(3), PAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	*host_word(3) = 5;
	guest_run_sync(vcpu, 1);
}

/* Even pages are thrown away at any time; odd ones only ever count up. */
#define ROUNDS	100

static volatile uint64_t rounds;

static void guest_count(void)
{
	volatile uint64_t *word;
	uint64_t n, i, val;

	for (n = 1; n <= ROUNDS; n++) {
		for (i = 0; i < PAGES; i++) {
			word = (volatile uint64_t *)(BASE + i * PAGE_SIZE);
			val = *word;
			if (i % 2)
				GUEST_EQ(val, n - 1);
			else
				GUEST_ASSERT(val == 0 || val == n - 1);
			*word = n;
		}
		rounds = n;
	}
}

static volatile bool stop;

static void *disturber(void *arg)
{
	unsigned long i, n = 0;
	pid_t child;

	while (!stop) {
		for (i = 0; i < PAGES; i += 2)
			madvise(host_word(i), PAGE_SIZE, MADV_DONTNEED);
		if (++n % 16 == 0) {
			child = fork();
			if (!child)
				_exit(0);
			waitpid(child, NULL, 0);
		}
	}
	return NULL;
}

static void test_disturbed(void)
{
	pthread_t thread;

	start();
	guest_start(vcpu, guest_count);
	ASSERT(!pthread_create(&thread, NULL, disturber, NULL));
	guest_run_done(vcpu);
	stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(*GUEST_VAR(vm, rounds), ROUNDS);
	EXPECT_EQ(*host_word(1), ROUNDS);
}

static const struct ksft_test tests[] = {
	{ "write_and_read", test_write_and_read },
	{ "discard", test_discard },
	{ "replace", test_replace },
	{ "fork", test_fork },
	{ "protect", test_protect },
	{ "huge", test_huge },
	{ "skewed", test_skewed },
	{ "shared_file", test_shared_file },
	{ "user_pager", test_user_pager },
	{ "device_memory", test_device_memory },
	{ "broken_page", test_broken_page },
	{ "disturbed", test_disturbed },
};

static const struct ksft_suite suite = KSFT_SUITE("mmu", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
