// SPDX-License-Identifier: GPL-2.0-only
/*
 * What CPUID announces works, and what it does not announce is #UD or a reserved bit:
 * PCID and INVPCID, FSGSBASE, RDTSCP and RDPID, protection keys, RDPMC, WBINVD, 57-bit
 * addresses. SMEP and SMAP are in paging.c, PKRU's switching in xstate.c.
 */
#include <asm/processor-flags.h>

#include "guest_cpu.h"
#include "guests.h"
#include "pte.h"

#define CR3_PCID		0xfffUL
#define CR3_NOFLUSH		(1UL << 63)
#define CR4_LA57		(1UL << 12)

#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176
#define MSR_LSTAR		0xc0000082
#define MSR_CSTAR		0xc0000083
#define MSR_FS_BASE		0xc0000100
#define MSR_GS_BASE		0xc0000101
#define MSR_KERNEL_GS		0xc0000102
#define MSR_TSC_AUX		0xc0000103

#define ABSENT			4		/* guest_sync(): the feature is not here */
#define DONE			1

#define VIEW			0x8000000000UL	/* PML4 entry 1 */
#define NOT_CANONICAL		(1UL << 47)	/* but would be with 57 bits */

#define RDMSR(index)								\
	GUEST_TRY("rdmsr", : : "c"(index) : "rax", "rdx", "r11", "memory")
#define WRMSR(index, value)							\
	GUEST_TRY("wrmsr", : : "c"(index), "a"((uint32_t)(value)),		\
		  "d"((uint32_t)((uint64_t)(value) >> 32)) : "r11", "memory")
#define WRITE_CR(n, value)							\
	GUEST_TRY("movq %0, %%cr" #n, : : "r"(value) : "r11", "memory")

/* Feature bits as CPUID has them, for the guest and for what a client hides from it. */
struct feature {
	uint32_t leaf, bit;
	enum { EBX = 1, ECX, EDX } reg;
};

static const struct feature PCID = { 1, 17, ECX }, INVPCID = { 7, 10, EBX },
	FSGSBASE = { 7, 0, EBX }, RDTSCP = { 0x80000001, 27, EDX }, RDPID = { 7, 22, ECX },
	PKU = { 7, 3, ECX };

static bool has(struct feature f)
{
	uint32_t r[4];

	cpuid(f.leaf, 0, r);
	return r[f.reg] & 1U << f.bit;
}

static void need(struct feature f)
{
	if (!has(f)) {
		guest_sync(ABSENT);
		/* The test has ended the guest. */
		for (;;)
			;
	}
}

static void run_or_skip(void (*function)(void), const char *feature)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);

	guest_start(vcpu, function);
	EXPECT_EQ(guest_run(vcpu), GUEST_SYNC);
	if (guest_sync_value(vcpu) == ABSENT)
		ksft_skip("no %s here", feature);
}

static void hide(struct kvm_cpuid2 *cpuid, struct feature f)
{
	struct kvm_cpuid_entry2 *leaf = cpuid_find(cpuid, f.leaf, 0);
	uint32_t *regs[] = { NULL, &leaf->ebx, &leaf->ecx, &leaf->edx };

	if (leaf)
		*regs[f.reg] &= ~(1U << f.bit);
}

/* ---- PCID ---- */

static volatile uint64_t view_pdpt[512] __aligned(4096);
static volatile uint64_t view_pd[512] __aligned(4096);
static volatile uint64_t view_pt[512] __aligned(4096);
static volatile uint64_t pages[2][512] __aligned(4096);

static void map_page(unsigned int i, uint64_t bits)
{
	view_pt[0] = (uintptr_t)pages[i] | PTE_P | PTE_W | bits;
}

static void map_view(uint64_t bits)
{
	guest_pml4[1] = (uintptr_t)view_pdpt | PTE_P | PTE_W | PTE_U;
	view_pdpt[0] = (uintptr_t)view_pd | PTE_P | PTE_W | PTE_U;
	view_pd[0] = (uintptr_t)view_pt | PTE_P | PTE_W | PTE_U;
	pages[0][0] = 100;
	pages[1][0] = 101;
	map_page(0, bits);
	invlpg((void *)VIEW);
}

static uint64_t view(void)
{
	return *(volatile uint64_t *)VIEW;
}

static void guest_pcid(void)
{
	uint64_t cr3 = read_cr3() & ~CR3_PCID, cr4 = read_cr4();

	need(PCID);
	GUEST_EQ(WRITE_CR(3, cr3 | CR3_NOFLUSH), 13);		/* not without PCIDE */
	write_cr3(cr3 | 8);
	GUEST_EQ(WRITE_CR(4, cr4 | X86_CR4_PCIDE), 13);		/* not with CR3[11:0] */
	GUEST_EQ(read_cr4(), cr4);
	write_cr3(cr3);
	GUEST_EQ(WRITE_CR(4, cr4 | X86_CR4_PCIDE), GUEST_NO_TRAP);
	GUEST_EQ(read_cr4(), cr4 | X86_CR4_PCIDE);
	GUEST_EQ(WRITE_CR(3, cr3 | 1UL << 62), 13);

	map_view(0);
	write_cr3(cr3 | 1);
	GUEST_EQ(read_cr3(), cr3 | 1);
	GUEST_EQ(view(), 100);
	write_cr3(cr3 | 2 | CR3_NOFLUSH);
	GUEST_EQ(read_cr3(), cr3 | 2);				/* bit 63 does not stay */
	GUEST_EQ(view(), 100);
	/* Each of the two has it cached, and each is flushed by a load of its own. */
	map_page(1, 0);
	write_cr3(cr3 | 1);
	GUEST_EQ(view(), 101);
	write_cr3(cr3 | 2);
	GUEST_EQ(view(), 101);
	/* Without PCIDE all of them are gone. */
	write_cr3(cr3 | CR3_NOFLUSH);
	GUEST_EQ(view(), 101);
	map_page(0, 0);
	write_cr4(cr4);
	GUEST_EQ(view(), 100);
	guest_sync(DONE);
}

static void test_pcid(void)
{
	run_or_skip(guest_pcid, "PCID");
}

static uint32_t invpcid(uint64_t type, uint64_t pcid, uint64_t address)
{
	volatile uint64_t descriptor[2] = { pcid, address };

	return GUEST_TRY("invpcid %0, %1", : : "m"(descriptor), "r"(type) : "r11", "memory");
}

static uint32_t user_vector[4];

static void user_invpcid(void)
{
	user_vector[0] = invpcid(2, 0, 0);
	asm volatile("int $0x80");
}

static void guest_invpcid(void)
{
	uint64_t cr3 = read_cr3() & ~CR3_PCID, cr4 = read_cr4(), type;

	need(INVPCID);
	GUEST_EQ(invpcid(4, 0, 0), 13);
	GUEST_EQ(invpcid(-1UL, 0, 0), 13);
	for (type = 0; type < 4; type++)
		GUEST_EQ(invpcid(type, 1UL << 12, 0), 13);	/* reserved */
	GUEST_EQ(invpcid(0, 0, NOT_CANONICAL), 13);
	GUEST_EQ(GUEST_TRY("invpcid (%0), %1", : : "r"(0x4010000000), "r"(2UL) : "r11", "memory"),
		 14);
	guest_user(user_invpcid);
	GUEST_EQ(user_vector[0], 13);
	/* Without PCIDE, there is PCID 0 alone. */
	GUEST_EQ(invpcid(0, 1, 0), 13);
	GUEST_EQ(invpcid(1, 1, 0), 13);
	GUEST_EQ(invpcid(2, 0, 0), GUEST_NO_TRAP);

	need(PCID);
	write_cr4(cr4 | X86_CR4_PCIDE | X86_CR4_PGE);
	map_view(0);
	write_cr3(cr3 | 5);
	for (type = 0; type < 4; type++) {
		map_page(0, 0);
		GUEST_EQ(invpcid(2, 0, 0), GUEST_NO_TRAP);
		GUEST_EQ(view(), 100);
		map_page(1, 0);
		GUEST_EQ(invpcid(type, 5, VIEW), GUEST_NO_TRAP);
		GUEST_EQ(view(), 101);
	}
	/* Of a PCID that is not loaded. */
	map_page(0, 0);
	write_cr3(cr3 | 6 | CR3_NOFLUSH);
	GUEST_EQ(invpcid(1, 5, 0), GUEST_NO_TRAP);
	write_cr3(cr3 | 5 | CR3_NOFLUSH);
	GUEST_EQ(view(), 100);
	/* Global translations go with the second type only, or one by one. */
	map_page(1, PTE_G);
	GUEST_EQ(invpcid(2, 0, 0), GUEST_NO_TRAP);
	GUEST_EQ(view(), 101);
	map_page(0, PTE_G);
	GUEST_EQ(invpcid(2, 0, 0), GUEST_NO_TRAP);
	GUEST_EQ(view(), 100);
	guest_sync(DONE);
}

static void test_invpcid(void)
{
	run_or_skip(guest_invpcid, "INVPCID");
}

/* ---- FSGSBASE ---- */

static volatile uint64_t at_base = 0x7777;

static void user_fsgsbase(void)
{
	user_vector[0] = GUEST_TRY("wrfsbase %0", : : "r"(&at_base) : "r11", "memory");
	user_vector[1] = GUEST_TRY("rdgsbase %%rax", : : : "rax", "r11", "memory");
	asm volatile("int $0x80");
}

static void guest_fsgsbase(void)
{
	uint64_t value = -1UL;

	need(FSGSBASE);
	GUEST_EQ(GUEST_TRY("rdfsbase %%rax", : : : "rax", "r11", "memory"), 6);
	GUEST_EQ(GUEST_TRY("wrgsbase %%rax", : : "a"(0) : "r11", "memory"), 6);
	write_cr4(read_cr4() | X86_CR4_FSGSBASE);
	asm volatile("wrfsbase %0" : : "r"(&at_base));
	asm volatile("movq %%fs:0, %0" : "=r"(value) : : "memory");
	GUEST_EQ(value, 0x7777);
	asm volatile("rdfsbase %0" : "=r"(value));
	GUEST_EQ(value, (uintptr_t)&at_base);
	GUEST_EQ(rdmsr(MSR_FS_BASE), (uintptr_t)&at_base);
	wrmsr(MSR_GS_BASE, 0xffff812345678000);
	asm volatile("rdgsbase %0" : "=r"(value));
	GUEST_EQ(value, 0xffff812345678000);
	asm volatile("rdgsbase %k0" : "=r"(value));
	GUEST_EQ(value, 0x45678000);
	asm volatile("wrgsbase %k0" : : "r"(0xffffffff12345678));
	GUEST_EQ(rdmsr(MSR_GS_BASE), 0x12345678);
	guest_user(user_fsgsbase);
	GUEST_EQ(user_vector[0], GUEST_NO_TRAP);
	GUEST_EQ(user_vector[1], GUEST_NO_TRAP);
	write_cr4(read_cr4() & ~X86_CR4_FSGSBASE);
	guest_user(user_fsgsbase);
	GUEST_EQ(user_vector[0], 6);
	GUEST_EQ(user_vector[1], 6);
	guest_sync(DONE);
}

static void test_fsgsbase(void)
{
	run_or_skip(guest_fsgsbase, "FSGSBASE");
}

/* ---- RDTSCP, RDPID ---- */

static void user_rdtscp(void)
{
	user_vector[0] = GUEST_TRY("rdtscp", : : : "rax", "rcx", "rdx", "r11", "memory");
	asm volatile("int $0x80");
}

static void guest_rdtscp(void)
{
	uint64_t before = rdtsc(), now;
	uint32_t low, high, aux;

	need(RDTSCP);
	wrmsr(MSR_TSC_AUX, 0x89abcdef);
	asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
	now = low | (uint64_t)high << 32;
	GUEST_EQ(aux, 0x89abcdef);
	GUEST_ASSERT(now >= before && now <= rdtsc());
	GUEST_EQ(rdmsr(MSR_TSC_AUX), 0x89abcdef);
	if (has(RDPID)) {
		asm volatile("rdpid %0" : "=r"(now));
		GUEST_EQ(now, 0x89abcdef);
	}
	guest_user(user_rdtscp);
	GUEST_EQ(user_vector[0], GUEST_NO_TRAP);
	write_cr4(read_cr4() | X86_CR4_TSD);
	guest_user(user_rdtscp);
	GUEST_EQ(user_vector[0], 13);
	guest_sync(DONE);
}

static void test_rdtscp(void)
{
	run_or_skip(guest_rdtscp, "RDTSCP");
}

/* ---- protection keys, beyond what xstate.c has ---- */

#define WRPKRU(value)								\
	asm volatile("wrpkru" : : "a"(value), "c"(0), "d"(0) : "memory")
#define READ(address)								\
	GUEST_TRY("movq (%0), %%rax", : : "r"(address) : "rax", "r11", "memory")
#define WRITE(address)	GUEST_TRY("movq %%rax, (%0)", : : "r"(address) : "r11", "memory")

static volatile uint64_t user_error;

static void user_pku(void)
{
	user_vector[0] = READ(VIEW);
	user_error = guest_trap.error;
	user_vector[1] = GUEST_TRY("rdpkru", : : "c"(0) : "rax", "rdx", "r11", "memory");
	asm volatile("int $0x80");
}

static void guest_pku(void)
{
	need(PKU);
	GUEST_EQ(GUEST_TRY("rdpkru", : : "c"(0) : "rax", "rdx", "r11", "memory"), 6);
	write_cr4(read_cr4() | X86_CR4_PKE);
	GUEST_EQ(GUEST_TRY("rdpkru", : : "c"(1) : "rax", "rdx", "r11", "memory"), 13);
	GUEST_EQ(GUEST_TRY("wrpkru", : : "a"(0), "c"(0), "d"(1) : "r11", "memory"), 13);
	map_view(PTE_U | 5UL << 59);
	WRPKRU(1 << 10);				/* key 5: no access */
	guest_user(user_pku);
	GUEST_EQ(user_vector[0], 14);
	GUEST_EQ(user_error, 0x25);
	GUEST_EQ(user_vector[1], GUEST_NO_TRAP);
	WRPKRU(2 << 10);				/* no writes */
	guest_user(user_pku);
	GUEST_EQ(user_vector[0], GUEST_NO_TRAP);
	GUEST_EQ(WRITE(VIEW), 14);
	write_cr0(read_cr0() & ~CR0_WP);
	GUEST_EQ(WRITE(VIEW), GUEST_NO_TRAP);
	write_cr0(read_cr0() | CR0_WP);
	map_view(5UL << 59);				/* of supervisor pages keys are ignored */
	WRPKRU(1 << 10);
	GUEST_EQ(READ(VIEW), GUEST_NO_TRAP);
	map_view(PTE_U | 5UL << 59);
	write_cr4(read_cr4() & ~X86_CR4_PKE);
	GUEST_EQ(READ(VIEW), GUEST_NO_TRAP);
	guest_sync(DONE);
}

static void test_pku(void)
{
	run_or_skip(guest_pku, "protection keys");
}

/* ---- what was not announced ---- */

static bool rdtscp_exits;

static void guest_hidden(void)
{
	static const uint64_t bits[] = { X86_CR4_PCIDE, X86_CR4_FSGSBASE, X86_CR4_PKE };
	uint64_t cr4 = read_cr4();
	unsigned int i;

	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		GUEST_EQ(WRITE_CR(4, cr4 | bits[i]), 13);
	GUEST_EQ(read_cr4(), cr4);
	if (rdtscp_exits)
		GUEST_EQ(GUEST_TRY("rdtscp", : : : "rax", "rcx", "rdx", "r11", "memory"), 6);
	GUEST_EQ(RDMSR(MSR_TSC_AUX), 13);
	GUEST_EQ(WRMSR(MSR_TSC_AUX, 0), 13);
	GUEST_EQ(invpcid(2, 0, 0), 6);
	GUEST_EQ(GUEST_TRY("rdfsbase %%rax", : : : "rax", "r11", "memory"), 6);
	GUEST_EQ(GUEST_TRY("rdpkru", : : "c"(0) : "rax", "rdx", "r11", "memory"), 6);
}

static void test_hidden(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create_bare(vm, 0);
	struct kvm_cpuid2 *table = supported_cpuid(vm->dev);

	hide(table, PCID);
	hide(table, INVPCID);
	hide(table, FSGSBASE);
	hide(table, RDTSCP);
	hide(table, RDPID);
	hide(table, PKU);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, table), 0);
	rdtscp_exits = !host_is_tcg();		/* it knows no such intercept */
	guest_start(vcpu, guest_hidden);
	guest_run_done(vcpu);
}

/* ---- what no guest has ---- */

static void guest_never(void)
{
	static const uint8_t bits[] = { 12, 13, 14, 15, 19, 23, 24, 25, 28, 32, 63 };
	uint64_t cr4 = read_cr4();
	unsigned int i;

	/* LA57, VMXE, SMXE, none, KL, CET, PKS, UINTR, LAM_SUP, FRED, none. */
	for (i = 0; i < sizeof(bits); i++)
		GUEST_EQ(WRITE_CR(4, cr4 | 1UL << bits[i]), 13);
	GUEST_EQ(read_cr4(), cr4);
}

static void test_never(void)
{
	guest_test(0, guest_never);
}

static void guest_canonical(void)
{
	GUEST_EQ(READ(NOT_CANONICAL), 13);
	GUEST_EQ(READ(~0UL << 47 ^ 1UL << 63), 13);
	GUEST_EQ(GUEST_TRY("movq (%%rsp), %%rax", : : : "rax", "r11", "memory"), GUEST_NO_TRAP);
	GUEST_EQ(GUEST_TRY("pushq %0; popq %0", : : "r"(0UL) : "r11", "memory"), GUEST_NO_TRAP);
}

static void test_canonical(void)
{
	guest_test(0, guest_canonical);
}

static void guest_canonical_msrs(void)
{
	static const uint32_t msrs[] = { MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_LSTAR, MSR_CSTAR,
					 MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS };
	unsigned int i;

	for (i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		GUEST_EQ(WRMSR(msrs[i], NOT_CANONICAL), 13);
		GUEST_EQ(WRMSR(msrs[i], ~0UL << 56), 13);
		GUEST_EQ(WRMSR(msrs[i], ~0UL << 47), GUEST_NO_TRAP);
		GUEST_EQ(rdmsr(msrs[i]), ~0UL << 47);
	}
	if (has(FSGSBASE)) {
		write_cr4(read_cr4() | X86_CR4_FSGSBASE);
		GUEST_EQ(GUEST_TRY("wrfsbase %0", : : "r"(NOT_CANONICAL) : "r11", "memory"), 13);
	}
	if (has(RDTSCP))
		GUEST_EQ(WRMSR(MSR_TSC_AUX, 1UL << 32), 13);
}

static void test_canonical_msrs(void)
{
	if (host_is_tcg())
		ksft_skip("QEMU's processor checks no MSRs that it does not intercept");
	guest_test(0, guest_canonical_msrs);
}

/* ---- instructions that exit ---- */

#define RDPMC(index)								\
	GUEST_TRY("rdpmc", : : "c"(index) : "rax", "rdx", "r11", "memory")

static void user_privileged(void)
{
	user_vector[0] = RDPMC(0);
	user_vector[1] = GUEST_TRY("wbinvd", : : : "r11", "memory");
	user_vector[2] = GUEST_TRY("invd", : : : "r11", "memory");
	user_vector[3] = GUEST_TRY("invlpg (%0)", : : "r"(VIEW) : "r11", "memory");
	asm volatile("int $0x80");
}

static void guest_privileged(void)
{
	unsigned int i;

	GUEST_EQ(RDPMC(0), 13);				/* there are no counters */
	GUEST_EQ(RDPMC(1 << 30), 13);
	write_cr4(read_cr4() | X86_CR4_PCE);
	GUEST_EQ(RDPMC(0), 13);
	guest_user(user_privileged);
	for (i = 0; i < 4; i++)
		GUEST_EQ(user_vector[i], 13);
	GUEST_EQ(GUEST_TRY("wbinvd", : : : "r11", "memory"), GUEST_NO_TRAP);
	GUEST_EQ(GUEST_TRY("invd", : : : "r11", "memory"), GUEST_NO_TRAP);
}

static void test_privileged(void)
{
	guest_test(0, guest_privileged);
}

static const struct ksft_test tests[] = {
	{ "pcid", test_pcid },
	{ "invpcid", test_invpcid },
	{ "fsgsbase", test_fsgsbase },
	{ "rdtscp", test_rdtscp },
	{ "pku", test_pku },
	{ "hidden", test_hidden },
	{ "never", test_never },
	{ "canonical", test_canonical },
	{ "canonical_msrs", test_canonical_msrs },
	{ "privileged", test_privileged },
};

const struct ksft_suite features_suite = KSFT_SUITE("features", tests);
