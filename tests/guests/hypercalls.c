// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hypercalls with the other vendor's instruction: VMCALL on AMD, VMMCALL on Intel.
 * It is replaced by the processor's own, unless the guest may not write there or the
 * client does not want it. Hypercalls themselves are tested in exact.c.
 */
#include "guest_cpu.h"
#include "guests.h"
#include "pte.h"

#define VIEW		0x8000000000UL		/* PML4 entry 1 */
#define CODE		(VIEW + 4096 - 2)	/* the last byte is in the second page */
#define UNKNOWN		0x1234			/* no such hypercall: -ENOSYS (1000) */

static uint8_t pages[2][4096] __aligned(4096);
static volatile uint64_t view_pdpt[512] __aligned(4096);
static volatile uint64_t view_pd[512] __aligned(4096);
static volatile uint64_t view_pt[512] __aligned(4096);
static uint8_t other, own;			/* last bytes of the two instructions */
static volatile uint64_t rax;

/* Two pages, with these bits, that are neighbours in no other order. */
static void map_view(uint64_t bits)
{
	guest_pml4[1] = (uintptr_t)view_pdpt | PTE_P | PTE_W | PTE_U;
	view_pdpt[0] = (uintptr_t)view_pd | PTE_P | PTE_W | PTE_U;
	view_pd[0] = (uintptr_t)view_pt | PTE_P | PTE_W | PTE_U;
	view_pt[0] = (uintptr_t)pages[1] | PTE_P | bits;
	view_pt[1] = (uintptr_t)pages[0] | PTE_P | bits;
	invlpg((void *)VIEW);
	invlpg((void *)(VIEW + 4096));
}

/* The other vendor's instruction, and the jump to where GUEST_TRY() goes on. */
static void write_code(void)
{
	static const uint8_t insn[] = { 0x0f, 0x01, 0, 0x41, 0xff, 0xe3 };	/* jmp *%r11 */
	unsigned int i;
	uint32_t r[4];

	cpuid(0, 0, r);
	own = r[2] == 0x444d4163 ? 0xd9 : 0xc1;		/* "cAMD": VMMCALL, else VMCALL */
	other = own ^ 0xd9 ^ 0xc1;
	for (i = 0; i < sizeof(insn); i++)
		pages[i < 2][i < 2 ? 4094 + i : i - 2] = insn[i];
	pages[0][0] = other;
}

static uint32_t call(void)
{
	uint64_t nr = UNKNOWN;
	uint32_t trap;

	trap = GUEST_TRY("jmp *%1", : "+a"(nr) : "r"(CODE) : "r11", "memory");
	rax = nr;
	return trap;
}

static void guest_replaced(void)
{
	int i;

	write_code();
	map_view(PTE_W);
	for (i = 0; i < 2; i++) {
		GUEST_EQ(call(), GUEST_NO_TRAP);
		GUEST_EQ(rax, -1000L);
		GUEST_EQ(pages[0][0], own);
	}
}

static void test_replaced(void)
{
	guest_test(0, guest_replaced);
}

static void guest_read_only(void)
{
	write_code();
	map_view(0);
	GUEST_EQ(call(), 14);
	GUEST_EQ(guest_trap.error, 3);
	GUEST_EQ(guest_trap.rip, CODE);
	GUEST_EQ(guest_trap.cr2 & ~0xfffUL, (CODE + 2) & ~0xfffUL);
	GUEST_EQ(rax, UNKNOWN);
	GUEST_EQ(pages[0][0], other);
	/* Supervisors may write anywhere. */
	write_cr0(read_cr0() & ~CR0_WP);
	GUEST_EQ(call(), GUEST_NO_TRAP);
	GUEST_EQ(rax, -1000L);
}

static void test_read_only(void)
{
	guest_test(0, guest_read_only);
}

static volatile uint32_t user_vector[2], user_error;

static void user_call(void)
{
	user_vector[0] = call();
	user_error = guest_trap.error;
	user_vector[1] = GUEST_TRY("ud2", : : : "r11", "memory");
	asm volatile("int $0x80");
}

/* What the kernel may write its processes may not. */
static void guest_user_call(void)
{
	write_code();
	map_view(PTE_U);
	guest_user(user_call);
	GUEST_EQ(user_vector[0], 14);
	GUEST_EQ(user_error, 7);
	GUEST_EQ(user_vector[1], 6);
	GUEST_EQ(pages[0][0], other);
}

static void test_user(void)
{
	guest_test(0, guest_user_call);
}

#define TRY_UD(insn)	GUEST_EQ(GUEST_TRY(insn, : : : "r11", "memory"), 6)

/* Whatever else is undefined stays so: here the quirk is off. */
static void guest_refused(void)
{
	write_code();
	map_view(PTE_W);
	GUEST_EQ(call(), 6);
	GUEST_EQ(guest_trap.rip, CODE);
	GUEST_EQ(rax, UNKNOWN);
	GUEST_EQ(pages[0][0], other);
	TRY_UD("ud2");
}

static void guest_undefined(void)
{
	int i;

	for (i = 0; i < 100; i++)
		TRY_UD("ud2");
	TRY_UD(".byte 0x0f, 0xff, 0xc0");		/* UD0 */
	TRY_UD(".byte 0x0f, 0xb9, 0xc0");		/* UD1 */
	TRY_UD(".byte 0xf0, 0x0f, 0x01, 0xd9");		/* LOCK VMMCALL */
	TRY_UD(".byte 0xf0, 0x0f, 0x01, 0xc1");
	TRY_UD(".byte 0x0f, 0x01, 0xc5");
}

static void test_undefined(void)
{
	guest_test(0, guest_undefined);
}

static void test_quirk_off(void)
{
	struct kvm_enable_cap quirks = {
		.cap = KVM_CAP_DISABLE_QUIRKS2, .args = { KVM_X86_QUIRK_FIX_HYPERCALL_INSN },
	};
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu;

	ASSERT(vm_check_extension(vm, KVM_CAP_DISABLE_QUIRKS2) & KVM_X86_QUIRK_FIX_HYPERCALL_INSN);
	ASSERT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, &quirks), 0);
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, guest_refused);
	guest_run_done(vcpu);
}

static const struct ksft_test tests[] = {
	{ "replaced", test_replaced },
	{ "read_only", test_read_only },
	{ "user", test_user },
	{ "undefined", test_undefined },
	{ "quirk_off", test_quirk_off },
};

const struct ksft_suite hypercalls_suite = KSFT_SUITE("hypercalls", tests);
