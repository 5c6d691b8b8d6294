// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory in bulk and of every backing: much of it, huge pages, merged pages,
 * high addresses, neighbouring slots, code that changes itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest_cpu.h"
#include "guests.h"

#define BASE		0x40000000UL	/* of the slot under test */

static volatile uint64_t base = BASE, size;

/* Each page gets its own number; a second pass finds them. */
static void guest_touch(void)
{
	volatile uint64_t *p;
	uint64_t i;

	for (i = 0; i < size; i += 4096) {
		p = (uint64_t *)(base + i + (i >> 12) % 512 * 8);
		GUEST_EQ(*p, 0);
		*p = i + 1;
	}
	for (i = 0; i < size; i += 4096) {
		p = (uint64_t *)(base + i + (i >> 12) % 512 * 8);
		GUEST_EQ(*p, i + 1);
	}
	guest_sync(1);
	for (i = 0; i < size; i += 4096) {
		p = (uint64_t *)(base + i + (i >> 12) % 512 * 8);
		GUEST_EQ(*p, i + 2);
	}
}

/* The test sees what the guest wrote, and the other way round. */
static void touch(struct vm *vm, void *memory, uint64_t gpa, uint64_t bytes)
{
	struct vcpu *vcpu = vcpu_create(vm, 0);
	uint64_t i, *p;

	base = gpa;
	size = bytes;
	vm_set_slot(vm, 1, 0, gpa, bytes, memory);
	guest_start(vcpu, guest_touch);
	guest_run_sync(vcpu, 1);
	for (i = 0; i < bytes; i += 4096) {
		p = (uint64_t *)((uint8_t *)memory + i + (i >> 12) % 512 * 8);
		ASSERT_EQ(*p, i + 1);
		*p = i + 2;
	}
	guest_run_done(vcpu);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
}

static void test_64m(void)
{
	touch(vm_create(VM_RAM_SIZE, 0), memory_map(MiB(64), false), BASE, MiB(64));
}

static void test_64m_huge(void)
{
	uint8_t *memory = memory_map(MiB(66), true);

	memory = (uint8_t *)(((uintptr_t)memory + MiB(2) - 1) & -MiB(2));
	touch(vm_create(VM_RAM_SIZE, 0), memory, BASE, MiB(64));
}

/* A page here and there, over and over: each needs a table of its own. */
static void guest_sparse(void)
{
	uint64_t i, round;

	for (round = 0; round < 4; round++) {
		for (i = 0; i < size; i += MiB(1)) {
			GUEST_EQ(*(volatile uint64_t *)(base + i), i * round);
			*(volatile uint64_t *)(base + i) = i * (round + 1);
		}
	}
}

/* Fewer page tables than the guest's memory needs, where the client can say so. */
static void test_few_tables(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu;

	EXPECT_EQ(vm_check_extension(vm, KVM_CAP_MMU_SHADOW_CACHE_CONTROL), 1);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_SET_NR_MMU_PAGES, 63), -EINVAL);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_SET_NR_MMU_PAGES, 64), 0);
	base = BASE;
	size = MiB(512);
	vm_set_slot(vm, 1, 0, BASE, size, memory_map(size, false));
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, guest_sparse);
	guest_run_done(vcpu);
	EXPECT_EQ(try_ioctl_value(vm->fd, KVM_SET_NR_MMU_PAGES, 1000), 0);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
}

/* Huge pages that do not line up with guest-physical addresses. */
static void test_skewed_huge(void)
{
	uint8_t *memory = memory_map(MiB(18), true);

	memory = (uint8_t *)(((uintptr_t)memory + MiB(2) - 1) & -MiB(2));
	touch(vm_create(VM_RAM_SIZE, 0), memory, BASE + KiB(64), MiB(16) - KiB(64));
}

static void test_hugetlbfs(void)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "w");
	void *memory;

	if (f) {
		fputs("8\n", f);
		fclose(f);
	}
	memory = mmap(NULL, MiB(16), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (memory == MAP_FAILED)
		ksft_skip("no huge pages: %s", strerror(errno));
	touch(vm_create(VM_RAM_SIZE, 0), memory, BASE, MiB(16));
}

static void test_memfd(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);
	void *memory;

	ASSERT(fd >= 0 && !ftruncate(fd, MiB(16)));
	memory = mmap(NULL, MiB(16), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT(memory != MAP_FAILED);
	touch(vm_create(VM_RAM_SIZE, 0), memory, BASE, MiB(16));
}

/* Mapped at 1 GiB, but guest-physical above 4 GiB and at the top of what there is. */
static void guest_high(void)
{
	volatile uint64_t *p;

	guest_pdpt[1] = base | 0x83;		/* a 1 GiB page */
	write_cr3(read_cr3());
	p = (uint64_t *)0x40000008;
	GUEST_EQ(*p, 0x1111);
	*p = 0x2222;
}

static void run_high(uint64_t gpa)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	uint64_t *memory = memory_map(MiB(2), false);

	base = gpa;
	vm_set_slot(vm, 1, 0, gpa, MiB(2), memory);
	memory[1] = 0x1111;
	guest_start(vcpu, guest_high);
	guest_run_done(vcpu);
	EXPECT_EQ(memory[1], 0x2222);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
}

static void test_high_addresses(void)
{
	struct kvm_cpuid2 *cpuid = supported_cpuid(dev_open());
	struct kvm_cpuid_entry2 *leaf = cpuid_find(cpuid, 0x80000008, 0);

	if (!(cpuid_find(cpuid, 0x80000001, 0)->edx & 1 << 26))
		ksft_skip("the processor has no 1 GiB pages");
	run_high(GiB(4));
	run_high(GiB(63));
	run_high((1ULL << (leaf->eax & 0xff)) - GiB(1));
}

/* Accesses across the boundary of two slots over separate memory. */
static void guest_neighbours(void)
{
	volatile uint64_t *p = (uint64_t *)(BASE + 0x1ffd);

	*p = 0x8877665544332211;
	GUEST_EQ(*p, 0x8877665544332211);
	asm volatile("lock incq %0" : "+m"(*p) : : "memory");
	GUEST_EQ(*p, 0x8877665544332212);
}

static void test_neighbours(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	uint8_t *one = memory_map(0x2000, false), *two = memory_map(0x2000, false);

	vm_set_slot(vm, 1, 0, BASE, 0x2000, one);
	vm_set_slot(vm, 2, 0, BASE + 0x2000, 0x2000, two);
	guest_start(vcpu, guest_neighbours);
	guest_run_done(vcpu);
	EXPECT(!memcmp(one + 0x1ffd, "\x12\x22\x33", 3));
	EXPECT(!memcmp(two, "\x44\x55\x66\x77\x88", 5));
}

/* Pages of equal content that KSM may merge, then written again. */
static volatile uint64_t pass;

static void guest_merge(void)
{
	volatile uint64_t *p;
	uint64_t i;

	for (pass = 1; pass < 6; pass++) {
		for (i = 0; i < size; i += 4096) {
			p = (uint64_t *)(BASE + i);
			GUEST_EQ(*p, pass - 1);
			*p = pass;
		}
		guest_sync(1);
	}
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		ksft_skip("%s: %s", path, strerror(errno));
	close(fd);
}

static void test_merged(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	void *memory = memory_map(MiB(1), false);
	int i;

	write_file("/sys/kernel/mm/ksm/pages_to_scan", "2000\n");
	write_file("/sys/kernel/mm/ksm/sleep_millisecs", "1\n");
	write_file("/sys/kernel/mm/ksm/run", "1\n");
	size = MiB(1);
	ASSERT(!madvise(memory, MiB(1), MADV_MERGEABLE));
	vm_set_slot(vm, 1, 0, BASE, MiB(1), memory);
	guest_start(vcpu, guest_merge);
	for (i = 0; i < 5; i++) {
		guest_run_sync(vcpu, 1);
		usleep(50000);
	}
	guest_run_done(vcpu);
	write_file("/sys/kernel/mm/ksm/run", "2\n");
}

/* MOV EAX, imm32; RET, whose immediate the guest rewrites. */
static void guest_self_modifying(void)
{
	volatile uint8_t *code = (uint8_t *)0x200000;
	uint32_t i, value;

	code[0] = 0xb8;
	code[5] = 0xc3;
	for (i = 0; i < 200; i++) {
		*(volatile uint32_t *)(code + 1) = i * 0x01010101;
		asm volatile("call *%1" : "=a"(value) : "r"(code) : "memory");
		GUEST_EQ(value, i * 0x01010101);
	}
}

static void test_self_modifying(void)
{
	guest_test(0, guest_self_modifying);
}

/* The test rewrites the code between two runs. */
static volatile uint32_t returned;

static void guest_called(void)
{
	uint32_t value;

	for (;;) {
		asm volatile("call *%1" : "=a"(value) : "r"(0x200000UL) : "memory");
		returned = value;
		guest_sync(1);
	}
}

static void test_modified_from_outside(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	uint32_t i;

	guest_start(vcpu, guest_called);
	vm->ram[0x200000] = 0xb8;
	vm->ram[0x200005] = 0xc3;
	for (i = 0; i < 20; i++) {
		memcpy(vm->ram + 0x200001, &i, sizeof(i));
		guest_run_sync(vcpu, 1);
		EXPECT_EQ(*GUEST_VAR(vm, returned), i);
	}
}

static const struct ksft_test tests[] = {
	{ "touch_64m", test_64m, 60 },
	{ "touch_64m_huge", test_64m_huge, 60 },
	{ "few_tables", test_few_tables, 60 },
	{ "skewed_huge", test_skewed_huge },
	{ "hugetlbfs", test_hugetlbfs },
	{ "memfd", test_memfd },
	{ "high_addresses", test_high_addresses },
	{ "neighbours", test_neighbours },
	{ "merged", test_merged },
	{ "self_modifying", test_self_modifying },
	{ "modified_from_outside", test_modified_from_outside },
};

const struct ksft_suite memory_suite = KSFT_SUITE("memory", tests);
