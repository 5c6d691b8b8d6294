// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_USER_MEMORY_REGION: what it accepts and refuses, and what guests see
 * of slots that come, move, go, or have nothing behind them.
 */
#include <cpuid.h>
#include <errno.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "ksft.h"

#define BASE	GiB(1)
#define SIZE	MiB(2)

static struct vm *vm;
static void *memory;

static void set_up(void)
{
	vm = vm_create(VM_RAM_SIZE, 0);
	memory = memory_map(2 * SIZE, false);
}

static void test_create_delete(void)
{
	set_up();
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, memory), 0);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, 0, memory), 0);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, 0, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, memory), 0);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, memory), 0);
}

static void test_overlap(void)
{
	set_up();
	ASSERT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, memory), 0);
	EXPECT_EQ(try_set_slot(vm, 2, 0, BASE, SIZE, memory), -EEXIST);
	EXPECT_EQ(try_set_slot(vm, 2, 0, BASE + SIZE - PAGE_SIZE, SIZE, memory), -EEXIST);
	EXPECT_EQ(try_set_slot(vm, 2, 0, BASE - SIZE + PAGE_SIZE, SIZE, memory), -EEXIST);
	EXPECT_EQ(try_set_slot(vm, 2, 0, BASE + PAGE_SIZE, PAGE_SIZE, memory), -EEXIST);
	EXPECT_EQ(try_set_slot(vm, 2, 0, BASE - PAGE_SIZE, 2 * SIZE, memory), -EEXIST);
	EXPECT_EQ(try_set_slot(vm, 2, 0, BASE + SIZE, SIZE, memory), 0);
	EXPECT_EQ(try_set_slot(vm, 3, 0, BASE - SIZE, SIZE, memory), 0);
}

static void test_alignment(void)
{
	set_up();
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE + 1, SIZE, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE + 2048, SIZE, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE + 1, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, 2048, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, (uint8_t *)memory + 2048), -EINVAL);
}

static void test_wrap(void)
{
	set_up();
	EXPECT_EQ(try_set_slot(vm, 1, 0, -PAGE_SIZE, 2 * PAGE_SIZE, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, -PAGE_SIZE, memory), -EINVAL);
	EXPECT(try_set_slot(vm, 1, 0, 0, 1ULL << 63, memory) < 0);
}

static void test_bad_address(void)
{
	const uint64_t end = 1ULL << 47, end57 = 1ULL << 56;

	set_up();
	/* A process has all but the last page, with 4 levels of tables or with 5. */
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, PAGE_SIZE, (void *)(end57 - PAGE_SIZE)), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, (void *)(end57 - SIZE)), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, (void *)0x4000000000000000), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, (void *)(end - SIZE - PAGE_SIZE)), 0);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, 0, memory), 0);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, (void *)0xffff888000000000), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, (void *)0x0100000000000000), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, (void *)-SIZE), -EINVAL);
}

/* Frames that the processor, or four levels of tables, cannot name; slots that are too large. */
static void test_limits(void)
{
	uint32_t eax, ebx, ecx, edx;
	uint64_t end;

	set_up();
	__cpuid(0x80000008, eax, ebx, ecx, edx);
	end = 1ULL << ((eax & 0xff) > 48 ? 48 : eax & 0xff);
	EXPECT_EQ(try_set_slot(vm, 1, 0, end - SIZE, SIZE, memory), 0);
	EXPECT_EQ(try_set_slot(vm, 2, 0, 1ULL << 52, SIZE, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 2, 0, (1ULL << 52) - PAGE_SIZE, SIZE, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 2, 0, 1ULL << 63, SIZE, memory), -EINVAL);
	/* 2^31 pages; the client has the addresses for it. */
	EXPECT_EQ(try_set_slot(vm, 2, 0, BASE, 1ULL << 43, (void *)PAGE_SIZE), -EINVAL);
	/* Moving is bound by the same. */
	EXPECT_EQ(try_set_slot(vm, 1, 0, 1ULL << 52, SIZE, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, memory), 0);
	/* Deleting is not. */
	EXPECT_EQ(try_set_slot(vm, 1, 0, 1ULL << 60, 0, memory), 0);
}

/* A call that deletes is checked like another, but for what it does not use. */
static void test_bad_delete(void)
{
	set_up();
	ASSERT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, memory), 0);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE + 1, 0, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, 0, (uint8_t *)memory + 1), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, 0, (void *)0xffff888000000000), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0x100, BASE, 0, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 2, 0, BASE, 0, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, KVM_MEM_READONLY, 0, 0, NULL), 0);
	EXPECT_EQ(try_set_slot(vm, 1, KVM_MEM_READONLY, BASE, 2 * SIZE, memory), 0);
}

static void test_bad_flags(void)
{
	set_up();
	EXPECT_EQ(try_set_slot(vm, 1, 4, BASE, SIZE, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0x80000000, BASE, SIZE, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0x100, BASE, SIZE, memory), -EINVAL);
}

static void test_slot_numbers(void)
{
	int slots;

	set_up();
	slots = vm_check_extension(vm, KVM_CAP_NR_MEMSLOTS);
	EXPECT_EQ(try_set_slot(vm, slots - 1, 0, BASE, SIZE, memory), 0);
	EXPECT_EQ(try_set_slot(vm, slots + 3, 0, BASE + SIZE, SIZE, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 0x7fff, 0, BASE + SIZE, SIZE, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 0xffff0000, 0, BASE + SIZE, SIZE, memory), -EINVAL);
	if (!vm_check_extension(vm, KVM_CAP_MULTI_ADDRESS_SPACE))
		EXPECT_EQ(try_set_slot(vm, 0x10001, 0, BASE + SIZE, SIZE, memory), -EINVAL);
}

/* Only place and flags of a slot can change, and not its being read-only. */
static void test_changes(void)
{
	set_up();
	ASSERT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, memory), 0);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, 2 * SIZE, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, (uint8_t *)memory + SIZE), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, KVM_MEM_READONLY, BASE, SIZE, memory), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, 2 * BASE, SIZE, memory), 0);
	EXPECT_EQ(try_set_slot(vm, 2, 0, BASE, SIZE, memory), 0);
	EXPECT_EQ(try_set_slot(vm, 2, 0, 2 * BASE + PAGE_SIZE, SIZE, memory), -EEXIST);
}

/* Reads *BASE and *(2 * BASE) over and over; each round is one guest_sync(). */
static volatile uint64_t seen[2];

static void guest_look(void)
{
	for (;;) {
		seen[0] = *(volatile uint64_t *)BASE;
		seen[1] = *(volatile uint64_t *)(2 * BASE);
		guest_sync(1);
	}
}

static struct vcpu *start(void (*function)(void))
{
	struct vcpu *vcpu = vcpu_create(vm, 0);

	guest_start(vcpu, function);
	return vcpu;
}

static void expect_mmio_read(struct vcpu *vcpu, uint64_t gpa, uint64_t value)
{
	vcpu_run_to(vcpu, KVM_EXIT_MMIO);
	EXPECT_EQ(vcpu->run->mmio.phys_addr, gpa);
	EXPECT_EQ(vcpu->run->mmio.is_write, 0);
	memcpy(vcpu->run->mmio.data, &value, sizeof(value));
}

static void test_move_and_delete(void)
{
	volatile uint64_t *look;
	struct vcpu *vcpu;

	set_up();
	*(uint64_t *)memory = 0x1122334455667788;
	vm_set_slot(vm, 1, 0, BASE, SIZE, memory);
	vcpu = start(guest_look);
	look = *GUEST_VAR(vm, seen);

	expect_mmio_read(vcpu, 2 * BASE, 2);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(look[0], 0x1122334455667788);
	EXPECT_EQ(look[1], 2);

	vm_set_slot(vm, 1, 0, 2 * BASE, SIZE, memory);
	expect_mmio_read(vcpu, BASE, 3);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(look[0], 3);
	EXPECT_EQ(look[1], 0x1122334455667788);

	vm_set_slot(vm, 1, 0, 2 * BASE, 0, NULL);
	expect_mmio_read(vcpu, BASE, 4);
	expect_mmio_read(vcpu, 2 * BASE, 5);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(look[1], 5);

	vm_set_slot(vm, 1, 0, BASE, SIZE, memory);
	expect_mmio_read(vcpu, 2 * BASE, 6);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(look[0], 0x1122334455667788);
}

/* By less than its size: what it covered before and covers still is other memory now. */
static void test_shift(void)
{
	volatile uint64_t *look;
	struct vcpu *vcpu;
	unsigned int i;

	set_up();
	for (i = 0; i < 8; i++)
		*(uint64_t *)((uint8_t *)memory + i * PAGE_SIZE) = 100 + i;
	vm_set_slot(vm, 1, 0, BASE, SIZE, memory);
	vm_set_slot(vm, 2, 0, 2 * BASE, SIZE, memory);
	vcpu = start(guest_look);
	look = *GUEST_VAR(vm, seen);
	guest_run_sync(vcpu, 1);
	for (i = 0; i < 8; i++) {
		vm_set_slot(vm, 1, 0, BASE - i * PAGE_SIZE, SIZE, memory);
		guest_run_sync(vcpu, 1);
		EXPECT_EQ(look[0], 100 + i);
		EXPECT_EQ(look[1], 100);
	}
}

/* As many as there can be, in an order that is not that of their addresses. */
static void test_all_slots(void)
{
	unsigned int slots, i, at;
	struct vcpu *vcpu;
	uint8_t *area;

	set_up();
	slots = vm_check_extension(vm, KVM_CAP_NR_MEMSLOTS);
	slots = slots < 600 ? slots : 600;
	area = memory_map(2 * slots * PAGE_SIZE, false);
	for (i = 1; i < slots; i++) {
		at = i * 7 % slots;
		*(uint64_t *)(area + at * PAGE_SIZE) = 1000 + at;
		vm_set_slot(vm, i, 0, BASE + 2 * at * PAGE_SIZE, PAGE_SIZE,
			    area + at * PAGE_SIZE);
	}
	vcpu = start(guest_look);
	for (i = 1; i < slots; i++) {
		at = i * 7 % slots;
		if (at % 16)
			continue;
		/* The guest looks at BASE only. */
		vm_set_slot(vm, i, 0, 2 * BASE, PAGE_SIZE, area + at * PAGE_SIZE);
		vcpu_run_to(vcpu, KVM_EXIT_MMIO);
		EXPECT_EQ(vcpu->run->mmio.phys_addr, BASE);
		guest_run_sync(vcpu, 1);
		EXPECT_EQ((*GUEST_VAR(vm, seen))[1], 1000 + at);
		vm_set_slot(vm, i, 0, 2 * BASE, 0, NULL);
	}
}

/* Two slots over the same memory. */
static void test_alias(void)
{
	struct vcpu *vcpu;

	set_up();
	vm_set_slot(vm, 1, 0, BASE, SIZE, memory);
	vm_set_slot(vm, 2, 0, 2 * BASE, SIZE, memory);
	vcpu = start(guest_look);
	*(uint64_t *)memory = 77;
	guest_run_sync(vcpu, 1);
	EXPECT_EQ((*GUEST_VAR(vm, seen))[0], 77);
	EXPECT_EQ((*GUEST_VAR(vm, seen))[1], 77);
	*(uint64_t *)memory = 78;
	guest_run_sync(vcpu, 1);
	EXPECT_EQ((*GUEST_VAR(vm, seen))[0], 78);
	EXPECT_EQ((*GUEST_VAR(vm, seen))[1], 78);
}

static void guest_write(void)
{
	volatile uint64_t *p = (volatile uint64_t *)BASE;

	GUEST_EQ(*p, 55);
	asm volatile("call *%0" : : "r"(BASE + 4096) : "memory");
	*p = 66;
	GUEST_EQ(*p, 55);
}

static void test_read_only(void)
{
	uint64_t value;
	struct vcpu *vcpu;

	set_up();
	*(uint64_t *)memory = 55;
	memset((uint8_t *)memory + 4096, 0xc3, 1);	/* ret */
	vm_set_slot(vm, 1, KVM_MEM_READONLY, BASE, SIZE, memory);
	vcpu = start(guest_write);
	vcpu_run_to(vcpu, KVM_EXIT_MMIO);
	EXPECT_EQ(vcpu->run->mmio.phys_addr, BASE);
	EXPECT_EQ(vcpu->run->mmio.is_write, 1);
	memcpy(&value, vcpu->run->mmio.data, sizeof(value));
	EXPECT_EQ(value, 66);
	guest_run_done(vcpu);
	EXPECT_EQ(*(uint64_t *)memory, 55);
}

/* The writes of instructions that are emulated, and one that reaches into memory behind. */
static void guest_emulated_writes(void)
{
	void *to = (void *)BASE, *from = (void *)(3 * BASE);
	uint64_t count = 1, old = 55;

	asm volatile("cld; rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	asm volatile("lock cmpxchg %2, (%1)"
		     : "+a"(old) : "r"(BASE), "r"(77ULL) : "memory");
	GUEST_EQ(old, 55);
	GUEST_EQ(*(volatile uint64_t *)BASE, 55);
	*(volatile uint64_t *)(BASE + SIZE - 4) = 0x1122334455667788;
	GUEST_EQ(*(volatile uint32_t *)(BASE + SIZE), 0x11223344);
	GUEST_EQ(*(volatile uint32_t *)(BASE + SIZE - 4), 0);
}

static void expect_write(struct vcpu *vcpu, uint64_t gpa, uint32_t len, uint64_t value)
{
	uint64_t data = 0;

	vcpu_run_to(vcpu, KVM_EXIT_MMIO);
	EXPECT_EQ(vcpu->run->mmio.phys_addr, gpa);
	EXPECT_EQ(vcpu->run->mmio.is_write, 1);
	EXPECT_EQ(vcpu->run->mmio.len, len);
	memcpy(&data, vcpu->run->mmio.data, len);
	EXPECT_EQ(data, value);
}

static void test_read_only_emulated(void)
{
	struct vcpu *vcpu;

	set_up();
	*(uint64_t *)memory = 55;
	vm_set_slot(vm, 1, KVM_MEM_READONLY, BASE, SIZE, memory);
	vm_set_slot(vm, 2, 0, BASE + SIZE, SIZE, (uint8_t *)memory + SIZE);
	vcpu = start(guest_emulated_writes);
	expect_mmio_read(vcpu, 3 * BASE, 66);
	expect_write(vcpu, BASE, 8, 66);
	expect_write(vcpu, BASE, 8, 77);
	expect_write(vcpu, BASE + SIZE - 4, 4, 0x55667788);
	guest_run_done(vcpu);
	EXPECT_EQ(*(uint64_t *)memory, 55);
	EXPECT_EQ(*(uint32_t *)((uint8_t *)memory + SIZE), 0x11223344);
}

static void guest_store(void)
{
	*(volatile uint64_t *)BASE = 99;
}

static volatile bool enough;

static void guest_both(void)
{
	uint64_t i;

	for (i = 1; !enough; i++) {
		*(volatile uint64_t *)BASE = i;
		*(volatile uint64_t *)(2 * BASE) = i;
	}
}

static atomic_bool over;

static void *run_both(void *vcpu)
{
	while (guest_run(vcpu) != GUEST_DONE) {
		vcpu_expect_exit(vcpu, KVM_EXIT_MMIO);
		EXPECT_EQ(((struct vcpu *)vcpu)->run->mmio.phys_addr & (BASE - 1), 0);
	}
	over = true;
	return NULL;
}

/* A slot that is moved, deleted, logged and made again while the guest writes to it. */
static void test_moving_target(void)
{
	const unsigned int log = KVM_MEM_LOG_DIRTY_PAGES;
	struct vcpu *vcpu;
	pthread_t thread;
	unsigned int n;

	set_up();
	vm_set_slot(vm, 1, 0, BASE, SIZE, memory);
	vcpu = start(guest_both);
	ASSERT(!pthread_create(&thread, NULL, run_both, vcpu));
	for (n = 0; !over; n++) {
		vm_set_slot(vm, 1, 0, 2 * BASE, SIZE, memory);
		vm_set_slot(vm, 1, log, 2 * BASE, SIZE, memory);
		vm_set_slot(vm, 1, log, BASE, SIZE, memory);
		vm_set_slot(vm, 1, 0, BASE, SIZE, memory);
		vm_set_slot(vm, 1, 0, BASE, 0, NULL);
		vm_set_slot(vm, 1, n % 2 ? log : 0, BASE, SIZE, memory);
		vm_set_slot(vm, 1, 0, BASE, SIZE, memory);
		if (n == 30)
			*GUEST_VAR(vm, enough) = true;
	}
	pthread_join(thread, NULL);
	vm->started = 0;
	guest_start(vcpu, guest_store);
	guest_run_done(vcpu);
	EXPECT_EQ(*(uint64_t *)memory, 99);
}

/* A call that reads guest memory for as long as the client's pager likes, and a slot's change. */
static void *translate(void *reader)
{
	struct kvm_translation t = { .linear_address = BASE };

	try_ioctl(((struct vcpu *)reader)->fd, KVM_TRANSLATE, &t);
	return NULL;
}

static uint64_t goes_to;
static atomic_int changer;

static void *take_away(void *size)
{
	changer = gettid();
	vm_set_slot(vm, 1, 0, goes_to, (uintptr_t)size, memory);
	over = true;
	return NULL;
}

/* Until take_away() waits in its call; by then the slot is nobody's to find. */
static void wait_for_changer(void)
{
	char path[64], state;
	unsigned int i;
	FILE *f;

	for (i = 0, state = 0; i < 5000 && !over && state != 'D'; i++) {
		usleep(1000);
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", changer);
		f = fopen(path, "r");
		if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = 0;
		if (f)
			fclose(f);
	}
	ASSERT(!over && state == 'D', "nothing holds the change up, so this shows nothing");
}

/* *BASE must be nobody's, and not what is in a page that is the host's again. */
static void *look_again(void *vcpu)
{
	expect_mmio_read(vcpu, BASE, 3);
	return NULL;
}

/*
 * Slot 1 leaves @BASE, but a reader of the slots holds that up. If the memory is freed then,
 * the guest must lose it all the same.
 */
static void freed_while_leaving(uint64_t to, uint64_t size)
{
	pthread_t reading, changing, looking;
	struct vcpu *vcpu, *reader;
	struct kvm_sregs sregs;
	volatile uint64_t *look;
	struct uffd_msg msg;
	int uffd;

	set_up();
	*(uint64_t *)memory = 55;
	vm_set_slot(vm, 1, 0, BASE, SIZE, memory);
	vm_set_slot(vm, 2, 0, 3 * BASE, PAGE_SIZE, (uint8_t *)memory + SIZE);
	vcpu = start(guest_look);
	reader = vcpu_create(vm, 1);
	vcpu_get_sregs(vcpu, &sregs);
	sregs.cr3 = 3 * BASE;
	vcpu_set_sregs(reader, &sregs);
	uffd = memory_pager((uint8_t *)memory + SIZE, PAGE_SIZE);
	look = *GUEST_VAR(vm, seen);
	expect_mmio_read(vcpu, 2 * BASE, 2);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(look[0], 55);

	ASSERT(!pthread_create(&reading, NULL, translate, reader));
	ASSERT(read(uffd, &msg, sizeof(msg)) == sizeof(msg));
	goes_to = to;
	ASSERT(!pthread_create(&changing, NULL, take_away, (void *)size));
	wait_for_changer();
	ASSERT(!madvise(memory, SIZE, MADV_DONTNEED));
	*(uint64_t *)memory = 77;
	ASSERT(!pthread_create(&looking, NULL, look_again, vcpu));
	usleep(50000);
	ASSERT(!ioctl(uffd, UFFDIO_ZEROPAGE, &(struct uffdio_zeropage) {
		.range = { (uintptr_t)memory + SIZE, PAGE_SIZE } }));
	pthread_join(reading, NULL);
	pthread_join(changing, NULL);
	pthread_join(looking, NULL);
	if (!size)
		expect_mmio_read(vcpu, 2 * BASE, 78);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(look[0], 3);
	EXPECT_EQ(look[1], size ? 77 : 78);
}

static void test_freed_while_deleted(void)
{
	freed_while_leaving(BASE, 0);
}

static void test_freed_while_moved(void)
{
	freed_while_leaving(2 * BASE, SIZE);
}

/* A slot over memory that is not mapped, or not as the guest wants it. */
static void test_fault(void)
{
	struct vcpu *vcpu;

	set_up();
	vm_set_slot(vm, 1, 0, BASE, SIZE, memory);
	vm_set_slot(vm, 2, 0, 2 * BASE, SIZE, (uint8_t *)memory + SIZE);
	vcpu = start(guest_look);
	guest_run_sync(vcpu, 1);
	munmap((uint8_t *)memory + SIZE, SIZE);
	EXPECT_EQ(try_run(vcpu), -EFAULT);
	ASSERT(mmap((uint8_t *)memory + SIZE, SIZE, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	guest_run_sync(vcpu, 1);
	ASSERT(!mprotect((uint8_t *)memory + SIZE, SIZE, PROT_NONE));
	EXPECT_EQ(try_run(vcpu), -EFAULT);
}

static void test_write_fault(void)
{
	struct vcpu *vcpu;

	set_up();
	vm_set_slot(vm, 1, 0, BASE, SIZE, memory);
	ASSERT(!mprotect(memory, SIZE, PROT_READ));
	vcpu = start(guest_store);
	EXPECT_EQ(try_run(vcpu), -EFAULT);
	ASSERT(!mprotect(memory, SIZE, PROT_READ | PROT_WRITE));
	guest_run_done(vcpu);
	EXPECT_EQ(*(uint64_t *)memory, 99);
}

static const struct ksft_test tests[] = {
	{ "create_delete", test_create_delete },
	{ "overlap", test_overlap },
	{ "alignment", test_alignment },
	{ "wrap", test_wrap },
	{ "bad_address", test_bad_address },
	{ "limits", test_limits },
	{ "bad_delete", test_bad_delete },
	{ "bad_flags", test_bad_flags },
	{ "slot_numbers", test_slot_numbers },
	{ "changes", test_changes },
	{ "move_and_delete", test_move_and_delete },
	{ "shift", test_shift },
	{ "all_slots", test_all_slots },
	{ "alias", test_alias },
	{ "read_only", test_read_only },
	{ "read_only_emulated", test_read_only_emulated },
	{ "moving_target", test_moving_target, 60 },
	{ "freed_while_deleted", test_freed_while_deleted },
	{ "freed_while_moved", test_freed_while_moved },
	{ "fault", test_fault },
	{ "write_fault", test_write_fault },
};

static const struct ksft_suite suite = KSFT_SUITE("memslot", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
