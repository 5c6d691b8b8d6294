// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log of guests that write while it is read, as in a live migration: each
 * page that the log names is copied, and in the end the copy must be what the guest
 * has, and the log must have named the pages that were written and no others.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "ksft.h"

#define BASE	GiB(1)
#define HUGE	MiB(2)
#define PAGES	1000UL		/* no multiple of 64 */
#define SIZE	(PAGES * PAGE_SIZE)
#define WORDS	((PAGES + 63) / 64)
#define LOG	KVM_MEM_LOG_DIRTY_PAGES
#define CPUS	2
#define WRITES	15000UL
#define ROUNDS	40	/* at least */
/* Nobody writes to some of the pages. */
#define WRITTEN(page)	((page) % 10 != 7)

#define CLEAR		0x1	/* KVM_CLEAR_DIRTY_LOG takes the bits */
#define ALL_SET		0x2	/* and all are set at first */
#define LARGE		0x4	/* the client's memory is in huge pages */
#define FORKS		0x8	/* the client forks: pages are copied on write */
#define ADVISES		0x10	/* a page that is not written comes and goes */

static struct vm *vm;
static uint8_t *memory, *copy;
static uint64_t named[WORDS];
static atomic_int running;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static volatile bool enough;

/* The same pages in each pass, with other values. */
static void write_randomly(uint64_t seed)
{
	uint64_t state, page, i, pass;

	sti();	/* or Bochs lets no interrupt of the host in */
	for (pass = 0; !pass || !enough; pass++) {
		for (i = 0, state = seed; i < WRITES; i++) {
			page = (next_random(&state) >> 8) % PAGES;
			if (WRITTEN(page))
				*(volatile uint64_t *)(BASE + page * PAGE_SIZE +
						       (state >> 40) % 512 * 8) = state + pass;
		}
	}
}

static void guest_0(void)
{
	write_randomly(0x1234567890abcdef);
}

static void guest_1(void)
{
	write_randomly(0xfedcba0987654321);
}

/* What the guests will have written to. */
static void expect_pages(uint64_t pages[WORDS])
{
	uint64_t state, page, i, cpu;

	for (cpu = 0; cpu < CPUS; cpu++) {
		state = cpu ? 0xfedcba0987654321 : 0x1234567890abcdef;
		for (i = 0; i < WRITES; i++) {
			page = (next_random(&state) >> 8) % PAGES;
			if (WRITTEN(page))
				pages[page / 64] |= 1ULL << page % 64;
		}
	}
}

static void *run_vcpu(void *vcpu)
{
	guest_run_done(vcpu);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void get_log(uint64_t *bits)
{
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };

	ASSERT_EQ(try_ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), 0);
}

/* In pieces, as clients do. */
static void clear_log(uint64_t *bits)
{
	struct kvm_clear_dirty_log log = { .slot = 1 };
	uint64_t first, n;

	for (first = 0; first < PAGES; first += n) {
		n = PAGES - first < 192 ? PAGES - first : 192;
		log.first_page = first;
		log.num_pages = n;
		log.dirty_bitmap = bits + first / 64;
		ASSERT_EQ(try_ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &log), 0);
	}
}

/* One round of the migration. */
static void collect(unsigned int flags, bool count)
{
	uint64_t bits[WORDS] = { 0 };
	unsigned long i;

	get_log(bits);
	if (flags & CLEAR)
		clear_log(bits);
	for (i = 0; i < PAGES; i++)
		if (bits[i / 64] >> i % 64 & 1)
			memcpy(copy + i * PAGE_SIZE, memory + i * PAGE_SIZE, PAGE_SIZE);
	for (i = 0; i < WORDS && count; i++)
		named[i] |= bits[i];
}

static void disturb(unsigned int flags, unsigned int round)
{
	if (flags & ADVISES)
		madvise(memory + 7 * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED);
	if (flags & FORKS && round % 8 == 0) {
		pid_t child = fork();

		ASSERT(child >= 0);
		if (!child)
			_exit(0);
		waitpid(child, NULL, 0);
	}
}

static void set_manual(unsigned int flags)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 };

	cap.args[0] = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	if (flags & ALL_SET)
		cap.args[0] |= KVM_DIRTY_LOG_INITIALLY_SET;
	if (flags & CLEAR)
		ASSERT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, &cap), 0);
}

/* Pages that the host has, all of them, so that the log begins with the first write. */
static void make_memory(unsigned int flags)
{
	uint8_t *area = memory_map(SIZE + HUGE, flags & LARGE);

	memory = (uint8_t *)(((uintptr_t)area + HUGE - 1) & -HUGE);
	memset(memory, 0x5a, SIZE);
	copy = memory_map(SIZE, false);
	memcpy(copy, memory, SIZE);
}

static void compare(void)
{
	uint64_t expected[WORDS] = { 0 };
	unsigned long i;

	expect_pages(expected);
	for (i = 0; i < PAGES; i++)
		EXPECT(!memcmp(copy + i * PAGE_SIZE, memory + i * PAGE_SIZE, PAGE_SIZE) ||
		       (i == 7 && !memory[i * PAGE_SIZE]), "page %lu was lost", i);
	for (i = 0; i < WORDS; i++)
		EXPECT_EQ(named[i], expected[i]);
}

static void migrate(unsigned int flags)
{
	pthread_t threads[CPUS];
	struct vcpu *vcpus[CPUS];
	unsigned int i, rounds = 0;

	vm = vm_create(VM_RAM_SIZE, 0);
	make_memory(flags);
	set_manual(flags);
	vm_set_slot(vm, 1, 0, BASE, SIZE, memory);
	for (i = 0; i < CPUS; i++) {
		vcpus[i] = vcpu_create(vm, i);
		guest_start(vcpus[i], i ? guest_1 : guest_0);
	}
	vm_set_slot(vm, 1, LOG, BASE, SIZE, memory);
	if (flags & ALL_SET)
		collect(flags, false);
	running = CPUS;
	for (i = 0; i < CPUS; i++)
		ASSERT(!pthread_create(&threads[i], NULL, run_vcpu, vcpus[i]));
	while (atomic_load(&running)) {
		collect(flags, true);
		if (rounds < ROUNDS)
			disturb(flags, rounds);
		if (++rounds == ROUNDS)
			*GUEST_VAR(vm, enough) = true;
	}
	for (i = 0; i < CPUS; i++)
		pthread_join(threads[i], NULL);
	collect(flags, true);
	compare();
	ksft_note("%u rounds", rounds);
}

static void test_get(void)
{
	migrate(0);
}

static void test_clear(void)
{
	migrate(CLEAR);
}

static void test_initially_set(void)
{
	migrate(CLEAR | ALL_SET);
}

static void test_huge_get(void)
{
	migrate(LARGE);
}

static void test_huge_initially_set(void)
{
	migrate(LARGE | CLEAR | ALL_SET);
}

static void test_fork(void)
{
	migrate(FORKS | ADVISES);
}

static void test_fork_clear(void)
{
	migrate(FORKS | ADVISES | CLEAR);
}

/*
 * Pages that a slot's log must name when it goes on and off under the guest: those
 * written after the call that turned it on.
 */
static void guest_forever(void)
{
	uint64_t i, n;

	sti();
	for (n = 0;; n++)
		for (i = 0; i < PAGES; i += 3)
			*(volatile uint64_t *)(BASE + i * PAGE_SIZE) = n;
}

static void *run_forever(void *vcpu)
{
	for (;;)
		try_run(vcpu);
	return NULL;
}

static void test_on_and_off(void)
{
	unsigned int round, i, wait;
	uint64_t bits[WORDS];
	struct vcpu *vcpu;
	pthread_t thread;

	vm = vm_create(VM_RAM_SIZE, 0);
	make_memory(LARGE);
	vm_set_slot(vm, 1, 0, BASE, SIZE, memory);
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, guest_forever);
	ASSERT(!pthread_create(&thread, NULL, run_forever, vcpu));
	for (round = 0; round < 10; round++) {
		vm_set_slot(vm, 1, LOG, BASE, SIZE, memory);
		memset(named, 0, sizeof(named));
		/* A whole pass of the guest is after it. */
		for (wait = 0; named[(PAGES - 1) / 64] == 0 || !(named[0] & 1) || wait < 5; wait++) {
			usleep(1000);
			get_log(bits);
			for (i = 0; i < WORDS; i++)
				named[i] |= bits[i];
		}
		for (i = 1; i < PAGES; i += 3)
			EXPECT_EQ(named[i / 64] >> (i & 63) & 1, 0);
		vm_set_slot(vm, 1, 0, BASE, SIZE, memory);
	}
}

static const struct ksft_test tests[] = {
	{ "get", test_get, 120 },
	{ "clear", test_clear, 120 },
	{ "initially_set", test_initially_set, 120 },
	{ "huge_get", test_huge_get, 120 },
	{ "huge_initially_set", test_huge_initially_set, 120 },
	{ "fork", test_fork, 120 },
	{ "fork_clear", test_fork_clear, 120 },
	{ "on_and_off", test_on_and_off, 120 },
};

static const struct ksft_suite suite = KSFT_SUITE("dirty_stress", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
