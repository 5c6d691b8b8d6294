// SPDX-License-Identifier: GPL-2.0-only
/*
 * Corners of the processor that a hypervisor has to make itself: SMSW, MONITOR and
 * MWAIT, hypercalls by privilege, MTRRs.
 */
#include <asm/processor-flags.h>

#include "guest_cpu.h"
#include "guests.h"

#define MTRR_CAP	0xfe
#define MTRR_BASE0	0x200
#define MTRR_MASK0	0x201
#define MTRR_FIX_64K	0x250
#define MTRR_FIX_4K	0x268
#define MTRR_DEF_TYPE	0x2ff

#define RDMSR(index)								\
	GUEST_TRY("rdmsr", : : "c"(index) : "rax", "rdx", "r11", "memory")
#define WRMSR(index, value)							\
	GUEST_TRY("wrmsr", : : "c"(index), "a"((uint32_t)(value)),		\
		  "d"((uint32_t)((uint64_t)(value) >> 32)) : "r11", "memory")

static volatile uint64_t word;

/* With CR0.CD set the processor's CR0 is not what the guest should see. */
static void guest_smsw(void)
{
	uint64_t cr0 = read_cr0(), reg = -1UL;

	write_cr0(cr0 | X86_CR0_CD);
	GUEST_EQ(read_cr0(), cr0 | X86_CR0_CD);
	word = -1UL;
	asm volatile("smsw %0" : "=m"(word) : : "memory");
	GUEST_EQ(word, (-1UL & ~0xffffUL) | (cr0 & 0xffff));
	asm volatile("smsw %k0" : "+r"(reg));
	GUEST_EQ(reg, cr0 | X86_CR0_CD);
	reg = -1UL;
	asm volatile("smsw %w0" : "+r"(reg));
	GUEST_EQ(reg, (-1UL & ~0xffffUL) | (cr0 & 0xffff));
	GUEST_EQ(GUEST_TRY("smsw (%0)", : : "r"(0x4010000000) : "r11", "memory"), 14);
	write_cr0(cr0);
}

static void test_smsw(void)
{
	guest_test(0, guest_smsw);
}

static void guest_monitor(void)
{
	GUEST_EQ(GUEST_TRY("monitor", : : "a"(&word), "c"(0), "d"(0) : "r11", "memory"),
		 GUEST_NO_TRAP);
	GUEST_EQ(GUEST_TRY("mwait", : : "a"(0), "c"(0) : "r11", "memory"), GUEST_NO_TRAP);
}

static void guest_no_monitor(void)
{
	GUEST_EQ(GUEST_TRY("monitor", : : "a"(&word), "c"(0), "d"(0) : "r11", "memory"), 6);
	GUEST_EQ(GUEST_TRY("mwait", : : "a"(0), "c"(0) : "r11", "memory"), 6);
}

/* They do nothing, also for who was told of none, unless the client wants it otherwise. */
static void test_monitor(void)
{
	struct kvm_enable_cap quirks = {
		.cap = KVM_CAP_DISABLE_QUIRKS2, .args = { KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS },
	};
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu;

	guest_test(0, guest_monitor);
	if (!(vm_check_extension(vm, KVM_CAP_DISABLE_QUIRKS2) &
	      KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS))
		return;
	ASSERT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, &quirks), 0);
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, guest_no_monitor);
	guest_run_done(vcpu);
}

static volatile uint64_t user_result[4];

static void user_hypercall(void)
{
	uint64_t ret = 0;

	if (word)
		asm volatile("vmmcall" : "+a"(ret) : "b"(0UL) : "memory");
	else
		asm volatile("vmcall" : "+a"(ret) : "b"(0UL) : "memory");
	user_result[0] = ret;
	asm volatile("int $0x80");
}

/* User mode may ask for nothing (-1), not even for what the kernel gets (0). */
static void guest_hypercalls(void)
{
	uint32_t r[4];
	uint64_t ret = 1;	/* KVM_HC_VAPIC_POLL_IRQ */

	cpuid(0, 0, r);
	word = r[2] == 0x444d4163;	/* "cAMD" */
	guest_user(user_hypercall);
	GUEST_EQ(user_result[0], -1L);
	if (word)
		asm volatile("vmmcall" : "+a"(ret) : "b"(0UL) : "memory");
	else
		asm volatile("vmcall" : "+a"(ret) : "b"(0UL) : "memory");
	GUEST_EQ(ret, 0);
}

static void test_hypercalls(void)
{
	guest_test(0, guest_hypercalls);
}

static void guest_mtrrs(void)
{
	GUEST_EQ(WRMSR(MTRR_CAP, 0), 13);
	GUEST_EQ(WRMSR(MTRR_BASE0, 0x80000000 | 6), GUEST_NO_TRAP);
	GUEST_EQ(rdmsr(MTRR_BASE0), 0x80000000 | 6);
	GUEST_EQ(WRMSR(MTRR_BASE0, 2), 13);			/* no such type */
	GUEST_EQ(WRMSR(MTRR_BASE0, 0x100), 13);			/* reserved */
	GUEST_EQ(WRMSR(MTRR_MASK0, 1UL << 63), 13);
	GUEST_EQ(WRMSR(MTRR_MASK0, 0xf80000800), GUEST_NO_TRAP);
	GUEST_EQ(rdmsr(MTRR_MASK0), 0xf80000800);
	GUEST_EQ(WRMSR(MTRR_FIX_64K, 0x0606060606060606), GUEST_NO_TRAP);
	GUEST_EQ(rdmsr(MTRR_FIX_64K), 0x0606060606060606);
	GUEST_EQ(WRMSR(MTRR_FIX_4K, 0x0606060607060606), 13);
	GUEST_EQ(WRMSR(MTRR_DEF_TYPE, 0xc06), GUEST_NO_TRAP);
	GUEST_EQ(rdmsr(MTRR_DEF_TYPE), 0xc06);
	GUEST_EQ(WRMSR(MTRR_DEF_TYPE, 0x1000), 13);
	GUEST_EQ(RDMSR(MTRR_CAP), GUEST_NO_TRAP);
}

static void test_mtrrs(void)
{
	guest_test(0, guest_mtrrs);
}

static const struct ksft_test tests[] = {
	{ "smsw", test_smsw },
	{ "monitor", test_monitor },
	{ "hypercalls", test_hypercalls },
	{ "mtrrs", test_mtrrs },
};

const struct ksft_suite exact_suite = KSFT_SUITE("exact", tests);
