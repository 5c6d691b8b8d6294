// SPDX-License-Identifier: GPL-2.0-only
/*
 * String port I/O: every size, both directions, forwards and backwards, across
 * pages, into pages that fault, and with a count of zero.
 */
#include <string.h>

#include "guest_cpu.h"
#include "guests.h"

#define PORT		0x6e0
#define BUFFER		0x200000UL

static struct pio_device device;
static struct vm *vm;

static struct vcpu *start(void (*function)(void))
{
	struct vcpu *vcpu;
	size_t i;

	vm = vm_create(VM_RAM_SIZE, 0);
	vcpu = vcpu_create(vm, 0);
	device.port = PORT;
	for (i = 0; i < sizeof(device.in); i++)
		device.in[i] = i * 7 + (i >> 8);
	vm->pio = &device;
	guest_start(vcpu, function);
	return vcpu;
}

/* One string instruction; RSI or RDI and RCX are left in these. */
static uint64_t end_address, end_count;

#define STRING(insn, flags, address, count)					\
	do {									\
		uint64_t si_ = (address), di_ = (address), cx_ = (count);	\
										\
		asm volatile(flags "\n\t" insn "\n\tcld"			\
			     : "+S"(si_), "+D"(di_), "+c"(cx_)			\
			     : "d"(PORT) : "memory", "cc");			\
		end_address = si_ == (address) ? di_ : si_;			\
		end_count = cx_;						\
	} while (0)

static void fill(void)
{
	volatile uint8_t *p = (uint8_t *)BUFFER;
	int i;

	for (i = 0; i < 0x4000; i++)
		p[i] = i * 5 + (i >> 8);
}

static void guest_outs(void)
{
	fill();
	STRING("rep outsb", "cld", BUFFER + 1, 100);
	GUEST_EQ(end_address, BUFFER + 101);
	GUEST_EQ(end_count, 0);
	STRING("rep outsw", "cld", BUFFER, 50);
	GUEST_EQ(end_address, BUFFER + 100);
	STRING("rep outsl", "cld", BUFFER + 2, 25);
	GUEST_EQ(end_address, BUFFER + 102);
	STRING("outsb", "cld", BUFFER + 9, 33);
	GUEST_EQ(end_address, BUFFER + 10);
	GUEST_EQ(end_count, 33);
}

static void test_outs(void)
{
	struct vcpu *vcpu = start(guest_outs);
	const uint8_t *p;

	guest_run_done(vcpu);
	p = vm->ram + BUFFER;
	ASSERT_EQ(device.out_pos, 301);
	EXPECT(!memcmp(device.out, p + 1, 100));
	EXPECT(!memcmp(device.out + 100, p, 100));
	EXPECT(!memcmp(device.out + 200, p + 2, 100));
	EXPECT_EQ(device.out[300], p[9]);
}

static void guest_ins(void)
{
	STRING("rep insb", "cld", BUFFER + 1, 100);
	GUEST_EQ(end_address, BUFFER + 101);
	GUEST_EQ(end_count, 0);
	STRING("rep insw", "cld", BUFFER + 0x101, 50);
	STRING("rep insl", "cld", BUFFER + 0x202, 25);
	STRING("insl", "cld", BUFFER + 0x300, 33);
	GUEST_EQ(end_address, BUFFER + 0x304);
	GUEST_EQ(end_count, 33);
}

static void test_ins(void)
{
	struct vcpu *vcpu = start(guest_ins);
	const uint8_t *p;

	guest_run_done(vcpu);
	p = vm->ram + BUFFER;
	ASSERT_EQ(device.in_pos, 304);
	EXPECT(!memcmp(device.in, p + 1, 100));
	EXPECT(!memcmp(device.in + 100, p + 0x101, 100));
	EXPECT(!memcmp(device.in + 200, p + 0x202, 100));
	EXPECT(!memcmp(device.in + 300, p + 0x300, 4));
	EXPECT_EQ(p[0], 0);
	EXPECT_EQ(p[101], 0);
}

/* More than a page, and elements that straddle the boundary. */
static void guest_across_pages(void)
{
	fill();
	STRING("rep outsb", "cld", BUFFER + 0x7f0, 0x2000);
	GUEST_EQ(end_address, BUFFER + 0x27f0);
	STRING("rep outsl", "cld", BUFFER + 0xffd, 4);
	STRING("rep insw", "cld", BUFFER + 0x4fff, 0x900);
	GUEST_EQ(end_address, BUFFER + 0x4fff + 0x1200);
}

static void test_across_pages(void)
{
	struct vcpu *vcpu = start(guest_across_pages);
	const uint8_t *p;

	guest_run_done(vcpu);
	p = vm->ram + BUFFER;
	ASSERT_EQ(device.out_pos, 0x2010);
	EXPECT(!memcmp(device.out, p + 0x7f0, 0x2000));
	EXPECT(!memcmp(device.out + 0x2000, p + 0xffd, 16));
	ASSERT_EQ(device.in_pos, 0x1200);
	EXPECT(!memcmp(device.in, p + 0x4fff, 0x1200));
}

static void guest_backwards(void)
{
	fill();
	STRING("rep outsb", "std", BUFFER + 0x1008, 16);
	GUEST_EQ(end_address, BUFFER + 0x1008 - 16);
	STRING("rep outsw", "std", BUFFER + 0x20, 4);
	GUEST_EQ(end_address, BUFFER + 0x20 - 8);
	STRING("rep insl", "std", BUFFER + 0x5008, 5);
	GUEST_EQ(end_address, BUFFER + 0x5008 - 20);
	GUEST_EQ(end_count, 0);
}

static void test_backwards(void)
{
	struct vcpu *vcpu = start(guest_backwards);
	const uint8_t *p;
	int i;

	guest_run_done(vcpu);
	p = vm->ram + BUFFER;
	ASSERT_EQ(device.out_pos, 16 + 8);
	for (i = 0; i < 16; i++)
		EXPECT_EQ(device.out[i], p[0x1008 - i]);
	for (i = 0; i < 4; i++)
		EXPECT(!memcmp(device.out + 16 + 2 * i, p + 0x20 - 2 * i, 2));
	ASSERT_EQ(device.in_pos, 20);
	for (i = 0; i < 5; i++)
		EXPECT(!memcmp(device.in + 4 * i, p + 0x5008 - 4 * i, 4));
}

static void guest_zero(void)
{
	STRING("rep outsb", "cld", BUFFER, 0);
	GUEST_EQ(end_count, 0);
	STRING("rep insl", "cld", BUFFER, 0);
	GUEST_EQ(end_count, 0);
}

static void test_zero_count(void)
{
	struct vcpu *vcpu = start(guest_zero);

	guest_run_done(vcpu);
	EXPECT_EQ(device.exits, 0);
}

/* The second page is not mapped: what came before the fault is done, no more. */
#define HOLE		0x8000000000UL
static volatile uint64_t hole_pdpt[512] __aligned(4096);
static volatile uint64_t hole_pd[512] __aligned(4096);
static volatile uint64_t hole_pt[512] __aligned(4096);
static volatile uint32_t faults;

static void fill_hole(struct guest_frame *frame)
{
	faults++;
	GUEST_EQ(guest_trap.cr2, HOLE + 0x1000);
	GUEST_EQ(frame->rdi, HOLE + 0x1000);
	GUEST_EQ(frame->rcx, 84);
	hole_pt[1] = (BUFFER + 0x1000) | 3;
	invlpg((void *)(HOLE + 0x1000));
}

static void guest_fault(void)
{
	guest_handlers[14] = fill_hole;
	guest_pml4[1] = (uintptr_t)hole_pdpt | 3;
	hole_pdpt[0] = (uintptr_t)hole_pd | 3;
	hole_pd[0] = (uintptr_t)hole_pt | 3;
	hole_pt[0] = BUFFER | 3;
	STRING("rep insb", "cld", HOLE + 0xff0, 100);
	GUEST_EQ(end_address, HOLE + 0xff0 + 100);
	GUEST_EQ(faults, 1);
}

static void test_fault(void)
{
	struct vcpu *vcpu = start(guest_fault);

	guest_run_done(vcpu);
	/* KVM reads ahead and drops what the fault kept it from storing. */
	ASSERT(device.in_pos == 100 || device.in_pos == 184);
	EXPECT(!memcmp(device.in, vm->ram + BUFFER + 0xff0, 16));
	EXPECT(!memcmp(device.in + device.in_pos - 84, vm->ram + BUFFER + 0x1000, 84));
}

/* To an address without memory: both halves go to userspace. */
static struct mmio_device mmio = { .base = 0xd0000000 };

static void guest_to_mmio(void)
{
	STRING("rep insw", "cld", 0xd0000010, 3);
	GUEST_EQ(end_address, 0xd0000016);
	STRING("rep outsw", "cld", 0xd0000010, 3);
	GUEST_EQ(end_count, 0);
}

static void test_mmio(void)
{
	struct vcpu *vcpu = start(guest_to_mmio);

	vm->mmio = &mmio;
	guest_run_done(vcpu);
	EXPECT(!memcmp(mmio.data + 0x10, device.in, 6));
	ASSERT_EQ(device.out_pos, 6);
	EXPECT(!memcmp(device.out, device.in, 6));
}

static const struct ksft_test tests[] = {
	{ "outs", test_outs },
	{ "ins", test_ins },
	{ "across_pages", test_across_pages },
	{ "backwards", test_backwards },
	{ "zero_count", test_zero_count },
	{ "fault", test_fault },
	{ "mmio", test_mmio },
};

const struct ksft_suite strio_suite = KSFT_SUITE("strio", tests);
