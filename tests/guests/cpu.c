// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the processor says about itself and what it refuses: CPUID, MSRs,
 * reserved bits of control registers, XSETBV, privileged instructions.
 */
#include <stdlib.h>

#include "guest_cpu.h"
#include "guests.h"

#define MSR_NOBODY	0x4b500000
#define MSR_EFER	0xc0000080
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_FS_BASE	0xc0000100
#define MSR_GS_BASE	0xc0000101
#define MSR_KERNEL_GS	0xc0000102
#define MSR_PAT		0x277
#define MSR_APIC_BASE	0x1b

#define CR4_OSXSAVE	(1UL << 18)
#define CR4_PCIDE	(1UL << 17)
#define CR4_FSGSBASE	(1UL << 16)

#define LEAVES		128
static struct kvm_cpuid_entry2 leaves[LEAVES];
static uint32_t leaf_count;

/* Bits that follow control registers or the vCPU rather than the table. */
static uint32_t changing_ecx(uint32_t function)
{
	return function == 1 ? 1U << 27 : function == 7 ? 1U << 4 : 0;	/* OSXSAVE, OSPKE */
}

static void guest_cpuid(void)
{
	uint32_t r[4], i;

	for (i = 0; i < leaf_count; i++) {
		const struct kvm_cpuid_entry2 *e = &leaves[i];

		cpuid(e->function, e->index, r);
		GUEST_EQ(r[0], e->eax);
		if (e->function != 0xd)		/* its sizes follow XCR0 */
			GUEST_EQ(r[1], e->ebx);
		GUEST_EQ((r[2] ^ e->ecx) & ~changing_ecx(e->function), 0);
		GUEST_EQ(r[3], e->edx);
	}
}

static void test_cpuid(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	struct kvm_cpuid2 *table = supported_cpuid(vm->dev);

	ASSERT(table->nent <= LEAVES);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, table), 0);
	table = vcpu_get_cpuid(vcpu, table->nent);
	for (leaf_count = 0; leaf_count < table->nent; leaf_count++)
		leaves[leaf_count] = table->entries[leaf_count];
	guest_start(vcpu, guest_cpuid);
	guest_run_done(vcpu);
}

#define RDMSR(index)								\
	GUEST_TRY("rdmsr", : : "c"(index) : "rax", "rdx", "r11", "memory")
#define WRMSR(index, value)							\
	GUEST_TRY("wrmsr", : : "c"(index), "a"((uint32_t)(value)),		\
		  "d"((uint32_t)((uint64_t)(value) >> 32)) : "r11", "memory")

static void guest_msr_checks(void)
{
	GUEST_EQ(RDMSR(MSR_NOBODY), 13);
	GUEST_EQ(guest_trap.error, 0);
	GUEST_EQ(WRMSR(MSR_NOBODY, 0), 13);
	GUEST_EQ(WRMSR(MSR_LSTAR, 1UL << 63), 13);
	GUEST_EQ(WRMSR(MSR_FS_BASE, 1UL << 63), 13);
	GUEST_EQ(WRMSR(MSR_KERNEL_GS, 1UL << 62), 13);
	GUEST_EQ(WRMSR(MSR_PAT, 2), 13);
	GUEST_EQ(WRMSR(MSR_EFER, 1UL << 40), 13);
	GUEST_EQ(WRMSR(MSR_EFER, rdmsr(MSR_EFER) & ~0x100UL), 13);	/* LME while paging */
	GUEST_EQ(WRMSR(MSR_APIC_BASE, 1UL << 60), 13);
}

static void test_msr_checks(void)
{
	if (host_is_tcg())
		ksft_skip("QEMU's processor checks no MSRs that it does not intercept");
	guest_test(0, guest_msr_checks);
}

static void guest_msrs(void)
{
	GUEST_EQ(RDMSR(MSR_NOBODY), 13);
	GUEST_EQ(WRMSR(MSR_NOBODY, 0), 13);
	wrmsr(MSR_STAR, 0x0023001000000000);
	GUEST_EQ(rdmsr(MSR_STAR), 0x0023001000000000);
	wrmsr(MSR_LSTAR, 0xffffffff81234567);
	GUEST_EQ(rdmsr(MSR_LSTAR), 0xffffffff81234567);
	wrmsr(MSR_PAT, 0x0007040600070406);
	GUEST_EQ(rdmsr(MSR_PAT), 0x0007040600070406);
}

static void test_msrs(void)
{
	guest_test(0, guest_msrs);
}

static volatile uint64_t gs_value;

static void guest_bases(void)
{
	uint64_t value;

	gs_value = 0x77;
	wrmsr(MSR_GS_BASE, (uintptr_t)&gs_value);
	wrmsr(MSR_KERNEL_GS, 0x1234);
	asm volatile("movq %%gs:0, %0" : "=r"(value) : : "memory");
	GUEST_EQ(value, 0x77);
	asm volatile("swapgs" : : : "memory");
	GUEST_EQ(rdmsr(MSR_GS_BASE), 0x1234);
	GUEST_EQ(rdmsr(MSR_KERNEL_GS), (uintptr_t)&gs_value);
	asm volatile("swapgs" : : : "memory");
	wrmsr(MSR_FS_BASE, (uintptr_t)&gs_value);
	asm volatile("movq %%fs:0, %0" : "=r"(value) : : "memory");
	GUEST_EQ(value, 0x77);
}

static void test_bases(void)
{
	guest_test(0, guest_bases);
}

#define WRITE_CR(n, value)	\
	GUEST_TRY("movq %0, %%cr" #n, : : "r"(value) : "r11", "memory")

static void guest_reserved_bits(void)
{
	uint64_t cr0 = read_cr0(), cr4 = read_cr4();

	GUEST_EQ(WRITE_CR(0, cr0 | 1UL << 40), 13);
	GUEST_EQ(WRITE_CR(0, cr0 & ~1UL), 13);			/* PG without PE */
	GUEST_EQ(WRITE_CR(0, cr0 | 1UL << 29), 13);		/* NW without CD */
	GUEST_EQ(WRITE_CR(4, cr4 | 1UL << 31), 13);
	GUEST_EQ(WRITE_CR(4, cr4 | 1UL << 63), 13);
	GUEST_EQ(WRITE_CR(4, cr4 & ~0x20UL), 13);		/* PAE in long mode */
	GUEST_EQ(WRITE_CR(3, 1UL << 60), 13);
	GUEST_EQ(WRITE_CR(8, 0x10UL), 13);
	GUEST_EQ(read_cr0(), cr0);
	GUEST_EQ(read_cr4(), cr4);
}

static void test_reserved_bits(void)
{
	if (host_is_tcg())
		ksft_skip("QEMU's processor checks no control register that it does not intercept");
	guest_test(0, guest_reserved_bits);
}

static void guest_control_registers(void)
{
	uint64_t cr0 = read_cr0(), cr4 = read_cr4();

	write_cr0(cr0 | 8);					/* TS */
	GUEST_EQ(read_cr0(), cr0 | 8);
	GUEST_EQ(GUEST_TRY("fninit", : : : "r11", "memory"), 7);
	asm volatile("clts" : : : "memory");
	GUEST_EQ(read_cr0(), cr0);
	GUEST_EQ(GUEST_TRY("fninit", : : : "r11", "memory"), GUEST_NO_TRAP);
	write_cr4(cr4 | 0x80);					/* PGE */
	GUEST_EQ(read_cr4(), cr4 | 0x80);
	write_cr4(cr4);
	asm volatile("lmsw %w0" : : "r"(8 | 1) : "memory");
	GUEST_EQ(read_cr0() & 0xf, 9);
	asm volatile("clts" : : : "memory");
	write_cr0(cr0);
	asm volatile("mov %0, %%cr2" : : "r"(0x123456789abcUL));
	GUEST_EQ(read_cr2(), 0x123456789abc);
}

static void test_control_registers(void)
{
	guest_test(0, guest_control_registers);
}

/* Features that a guest without their CPUID bits must not be able to turn on. */
static void guest_hidden_features(void)
{
	uint64_t cr4 = read_cr4();

	GUEST_EQ(WRITE_CR(4, cr4 | CR4_OSXSAVE), 13);
	GUEST_EQ(WRITE_CR(4, cr4 | CR4_FSGSBASE), 13);
	GUEST_EQ(WRITE_CR(4, cr4 | CR4_PCIDE), 13);
	GUEST_EQ(GUEST_TRY("xorl %%ecx, %%ecx; xgetbv", : : : "rax", "rcx", "rdx", "r11",
			   "memory"), 6);
}

static void test_hidden_features(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	struct kvm_cpuid2 *cpuid = supported_cpuid(vm->dev);
	struct kvm_cpuid_entry2 *leaf;

	leaf = cpuid_find(cpuid, 1, 0);
	leaf->ecx &= ~(1U << 26 | 1U << 17);	/* XSAVE, PCID */
	leaf = cpuid_find(cpuid, 7, 0);
	if (leaf)
		leaf->ebx &= ~1U;		/* FSGSBASE */
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), 0);
	guest_start(vcpu, guest_hidden_features);
	guest_run_done(vcpu);
}

#define XSETBV(index, value)							\
	GUEST_TRY("xsetbv", : : "c"(index), "a"((uint32_t)(value)),		\
		  "d"((uint32_t)((uint64_t)(value) >> 32)) : "r11", "memory")

static void guest_xsetbv(void)
{
	uint32_t r[4];
	uint64_t all;

	cpuid(1, 0, r);
	if (!(r[2] & 1 << 26)) {
		guest_sync(4);
		return;
	}
	GUEST_EQ(XSETBV(0, 3), 6);			/* OSXSAVE is off */
	write_cr4(read_cr4() | CR4_OSXSAVE);
	cpuid(1, 0, r);
	GUEST_ASSERT(r[2] & 1 << 27);
	GUEST_EQ(xgetbv(0), 1);
	cpuid(0xd, 0, r);
	all = r[0] | (uint64_t)r[3] << 32;
	GUEST_EQ(XSETBV(0, all), GUEST_NO_TRAP);
	GUEST_EQ(xgetbv(0), all);
	GUEST_EQ(XSETBV(0, 2), 13);
	GUEST_EQ(XSETBV(0, 5), 13);
	GUEST_EQ(XSETBV(0, 1UL << 62 | 1), 13);
	GUEST_EQ(XSETBV(1, 1), 13);
	GUEST_EQ(xgetbv(0), all);
	GUEST_EQ(XSETBV(0, 1), GUEST_NO_TRAP);
	guest_sync(1);
}

static void test_xsetbv(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);

	guest_start(vcpu, guest_xsetbv);
	EXPECT_EQ(guest_run(vcpu), GUEST_SYNC);
	if (guest_sync_value(vcpu) == 4)
		ksft_skip("no XSAVE here");
}

/* Instructions that exit without doing anything for the guest. */
static void guest_misc(void)
{
	uint32_t low, high;

	asm volatile("wbinvd" : : : "memory");
	asm volatile("invd" : : : "memory");
	asm volatile("pause" : : : "memory");
	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	invlpg((void *)0x400000);
	invlpg((void *)0x8000000000000000);	/* not canonical: does nothing */
	/* Virtualization itself is not offered. */
	GUEST_EQ(GUEST_TRY("vmxoff", : : : "r11", "memory"), 6);
	GUEST_EQ(GUEST_TRY("vmload %%rax", : : "a"(0) : "r11", "memory"), 6);
	GUEST_EQ(GUEST_TRY("rsm", : : : "r11", "memory"), 6);
}

static void test_misc(void)
{
	guest_test(0, guest_misc);
}

/* KVM's hypercall instruction: an unknown number answers -ENOSYS (1000). */
static void guest_hypercall(void)
{
	uint32_t r[4];
	uint64_t ret = 0x1234;

	cpuid(0, 0, r);
	if (r[2] == 0x444d4163)		/* "cAMD" */
		asm volatile("vmmcall" : "+a"(ret) : "b"(0UL) : "memory");
	else
		asm volatile("vmcall" : "+a"(ret) : "b"(0UL) : "memory");
	GUEST_EQ(ret, -1000L);
}

static void test_hypercall(void)
{
	guest_test(0, guest_hypercall);
}

static const struct ksft_test tests[] = {
	{ "cpuid", test_cpuid },
	{ "msr_checks", test_msr_checks },
	{ "msrs", test_msrs },
	{ "bases", test_bases },
	{ "reserved_bits", test_reserved_bits },
	{ "control_registers", test_control_registers },
	{ "hidden_features", test_hidden_features },
	{ "xsetbv", test_xsetbv },
	{ "misc", test_misc },
	{ "hypercall", test_hypercall },
};

const struct ksft_suite cpu_suite = KSFT_SUITE("cpu", tests);
