// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_USER_MEMORY_REGION: what it accepts and refuses, and what guests see
 * of slots that come, move, go, or have nothing behind them.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

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
	set_up();
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, (void *)0xffff888000000000), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, (void *)0x0100000000000000), -EINVAL);
	EXPECT_EQ(try_set_slot(vm, 1, 0, BASE, SIZE, (void *)-SIZE), -EINVAL);
}

static void test_bad_flags(void)
{
	set_up();
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

static void guest_store(void)
{
	*(volatile uint64_t *)BASE = 99;
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
	{ "bad_flags", test_bad_flags },
	{ "slot_numbers", test_slot_numbers },
	{ "changes", test_changes },
	{ "move_and_delete", test_move_and_delete },
	{ "alias", test_alias },
	{ "read_only", test_read_only },
	{ "fault", test_fault },
	{ "write_fault", test_write_fault },
};

static const struct ksft_suite suite = KSFT_SUITE("memslot", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
