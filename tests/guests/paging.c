// SPDX-License-Identifier: GPL-2.0-only
/*
 * 64-bit paging: page sizes, permissions and the error codes of their faults,
 * accessed and dirty bits, user mode.
 */
#include "guest_cpu.h"
#include "guests.h"
#include "pte.h"

#define CR4_SMEP	0x100000
#define CR4_SMAP	0x200000

#define TARGET		0x200000UL		/* memory that is mapped in all the ways below */
#define VIEW		0x8000000000UL		/* PML4 entry 1: where it appears */

static volatile uint64_t view_pdpt[512] __aligned(4096);
static volatile uint64_t view_pd[512] __aligned(4096);
static volatile uint64_t view_pt[512] __aligned(4096);

/* Maps TARGET at VIEW by a 4 KiB page with these bits. */
static void map_view(uint64_t bits)
{
	guest_pml4[1] = (uintptr_t)view_pdpt | PTE_P | PTE_W | PTE_U;
	view_pdpt[0] = (uintptr_t)view_pd | PTE_P | PTE_W | PTE_U;
	view_pd[0] = (uintptr_t)view_pt | PTE_P | PTE_W | PTE_U;
	view_pt[0] = TARGET | bits;
	invlpg((void *)VIEW);
}

#define READ(address)	GUEST_TRY("movq (%0), %%rax", : : "r"(address) : "rax", "r11", "memory")
#define WRITE(address)	GUEST_TRY("movq %%rax, (%0)", : : "r"(address) : "r11", "memory")
#define FETCH(address)	GUEST_TRY("jmp *%0", : : "r"(address) : "r11", "memory")

static void guest_4k(void)
{
	map_view(PTE_P | PTE_W);
	*(volatile uint64_t *)TARGET = 0x1111;
	GUEST_EQ(*(volatile uint64_t *)VIEW, 0x1111);
	GUEST_EQ(view_pt[0] & (PTE_A | PTE_D), PTE_A);
	*(volatile uint64_t *)VIEW = 0x2222;
	GUEST_EQ(*(volatile uint64_t *)TARGET, 0x2222);
	GUEST_EQ(view_pt[0] & (PTE_A | PTE_D), PTE_A | PTE_D);
	GUEST_EQ(view_pd[0] & PTE_A, PTE_A);
	GUEST_EQ(READ(VIEW + 4096), 14);
	GUEST_EQ(guest_trap.error, 0);
	GUEST_EQ(guest_trap.cr2, VIEW + 4096);
}

static void test_4k(void)
{
	guest_test(0, guest_4k);
}

static void guest_2m(void)
{
	map_view(0);
	view_pd[1] = TARGET | PTE_P | PTE_W | PTE_PS;
	*(volatile uint64_t *)(TARGET + 0x123458) = 0x3333;
	GUEST_EQ(*(volatile uint64_t *)(VIEW + 0x200000 + 0x123458), 0x3333);
	GUEST_EQ(view_pd[1] & (PTE_A | PTE_D), PTE_A);
}

static void test_2m(void)
{
	guest_test(0, guest_2m);
}

static void guest_1g(void)
{
	uint32_t r[4];

	cpuid(0x80000001, 0, r);
	if (!(r[3] & 1 << 26)) {
		guest_sync(4);		/* no such pages here */
		return;
	}
	map_view(0);
	view_pdpt[1] = PTE_P | PTE_W | PTE_PS;
	*(volatile uint64_t *)(TARGET + 0x765430) = 0x4444;
	GUEST_EQ(*(volatile uint64_t *)(VIEW + (1UL << 30) + TARGET + 0x765430), 0x4444);
	GUEST_EQ(view_pdpt[1] & (PTE_A | PTE_D), PTE_A);
	guest_sync(1);
}

static void test_1g(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);

	guest_start(vcpu, guest_1g);
	EXPECT_EQ(guest_run(vcpu), GUEST_SYNC);
	if (guest_sync_value(vcpu) == 4)
		ksft_skip("the processor has no 1 GiB pages");
}

static void guest_permissions(void)
{
	map_view(PTE_P);
	GUEST_EQ(READ(VIEW), GUEST_NO_TRAP);
	GUEST_EQ(WRITE(VIEW), 14);
	GUEST_EQ(guest_trap.error, 3);
	write_cr0(read_cr0() & ~CR0_WP);
	GUEST_EQ(WRITE(VIEW), GUEST_NO_TRAP);
	write_cr0(read_cr0() | CR0_WP);
	GUEST_EQ(WRITE(VIEW), 14);

	map_view(PTE_P | PTE_NX);
	GUEST_EQ(READ(VIEW), GUEST_NO_TRAP);
	GUEST_EQ(FETCH(VIEW), 14);
	GUEST_EQ(guest_trap.error, 0x11);
	GUEST_EQ(guest_trap.cr2, VIEW);

	map_view(PTE_P | PTE_W | 1ULL << 51);	/* beyond the physical width */
	GUEST_EQ(READ(VIEW), 14);
	GUEST_EQ(guest_trap.error & ~1, 8);	/* QEMU 7.2 forgets the present bit */
}

static void test_permissions(void)
{
	guest_test(0, guest_permissions);
}

/* Where guest_user() goes on when the user function is done. */
static volatile uint64_t user_return[2];	/* RIP, RSP */

static void leave_user(struct guest_frame *frame)
{
	frame->rip = user_return[0];
	frame->rsp = user_return[1];
	frame->cs = GUEST_CS;
	frame->ss = GUEST_DS;
}

static uint8_t user_stack[4096] __aligned(16);

void guest_user(void (*function)(void))
{
	uint8_t *stack = user_stack + sizeof(user_stack);

	guest_handlers[0x80] = leave_user;
	asm volatile("leaq 1f(%%rip), %%rax\n\t"
		     "movq %%rax, user_return(%%rip)\n\t"
		     "pushq %%rbp\n\t"
		     "movq %%rsp, user_return + 8(%%rip)\n\t"
		     "pushq %2\n\t"
		     "pushq %0\n\t"
		     "pushq $2\n\t"
		     "pushq %3\n\t"
		     "pushq %1\n\t"
		     "iretq\n"
		     "1:\tpopq %%rbp"
		     : "+S"(stack), "+D"(function)
		     : "i"(GUEST_USER_DS), "i"(GUEST_USER_CS)
		     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11",
		       "r12", "r13", "r14", "r15", "memory", "cc");
}

static volatile uint32_t user_vector[4], user_error[4];

static void user_accesses(void)
{
	user_vector[0] = READ(VIEW);
	user_error[0] = guest_trap.error;
	user_vector[1] = WRITE(VIEW);
	user_error[1] = guest_trap.error;
	user_vector[2] = GUEST_TRY("hlt", : : : "r11", "memory");
	user_vector[3] = READ(TARGET);
	asm volatile("int $0x80");
}

static void guest_user_mode(void)
{
	map_view(PTE_P | PTE_W);	/* a supervisor page */
	guest_user(user_accesses);
	GUEST_EQ(user_vector[0], 14);
	GUEST_EQ(user_error[0], 5);
	GUEST_EQ(user_vector[1], 14);
	GUEST_EQ(user_error[1], 7);
	GUEST_EQ(user_vector[2], 13);
	GUEST_EQ(user_vector[3], GUEST_NO_TRAP);
}

static void test_user_mode(void)
{
	guest_test(0, guest_user_mode);
}

/* Some processors check who may touch debug registers only after a hypervisor's intercept. */
static void user_debug_registers(void)
{
	user_vector[0] = GUEST_TRY("movq %%db0, %%rax", : : : "rax", "r11", "memory");
	user_vector[1] = GUEST_TRY("movq %%db7, %%rax", : : : "rax", "r11", "memory");
	user_vector[2] = GUEST_TRY("movq %%rax, %%db0", : : "a"(0) : "r11", "memory");
	user_vector[3] = GUEST_TRY("movq %%rax, %%db7", : : "a"(0x400) : "r11", "memory");
	asm volatile("int $0x80");
}

static void guest_user_debug_registers(void)
{
	int i;

	guest_user(user_debug_registers);
	for (i = 0; i < 4; i++)
		GUEST_EQ(user_vector[i], 13);
}

static void test_user_debug_registers(void)
{
	guest_test(0, guest_user_debug_registers);
}

/* A supervisor on user pages. The program itself must not be one of them then. */
static void guest_smep_smap(void)
{
	uint32_t r[4];
	unsigned int i;

	cpuid(7, 0, r);
	for (i = 0; i < 512; i++)
		guest_pd[0][i] &= ~PTE_U;
	write_cr3(read_cr3());
	map_view(PTE_P | PTE_W | PTE_U);
	*(volatile uint8_t *)TARGET = 0xc3;
	if (r[1] & 1 << 7) {
		write_cr4(read_cr4() | CR4_SMEP);
		GUEST_EQ(FETCH(VIEW), 14);
		GUEST_EQ(guest_trap.error, 0x11);
	}
	if (r[1] & 1 << 20) {
		write_cr4(read_cr4() | CR4_SMAP);
		GUEST_EQ(READ(VIEW), 14);
		GUEST_EQ(guest_trap.error, 1);
		asm volatile("stac" : : : "memory");
		GUEST_EQ(READ(VIEW), GUEST_NO_TRAP);
		asm volatile("clac" : : : "memory");
	}
}

static void test_smep_smap(void)
{
	guest_test(0, guest_smep_smap);
}

static const struct ksft_test tests[] = {
	{ "pages_4k", test_4k },
	{ "pages_2m", test_2m },
	{ "pages_1g", test_1g },
	{ "permissions", test_permissions },
	{ "user_mode", test_user_mode },
	{ "user_debug_registers", test_user_debug_registers },
	{ "smep_smap", test_smep_smap },
};

const struct ksft_suite paging_suite = KSFT_SUITE("paging", tests);
