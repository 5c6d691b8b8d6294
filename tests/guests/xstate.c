// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vector, FPU and protection-key state: the guest's survives exits and other
 * guests, the test's own survives the guest.
 */
#include <string.h>

#include "guest_cpu.h"
#include "guests.h"

#define CR4_OSXSAVE	(1UL << 18)
#define CR4_PKE		(1UL << 22)
#define XCR0_SSE	0x3
#define XCR0_AVX	0x7
#define XCR0_AVX512	0xe7

#define NO_FEATURE	4	/* guest_sync(): there is nothing to test */

struct fpu_state {
	uint8_t vectors[32][64] __aligned(64);
	uint64_t masks[8];
	uint64_t mm[8];
	uint32_t mxcsr;
	uint16_t fcw;
};

static struct fpu_state set, got;
static uint8_t seed = 1;

static void fill(struct fpu_state *s)
{
	uint8_t *p = (uint8_t *)s;
	unsigned int i;

	for (i = 0; i < sizeof(*s); i++)
		p[i] = seed + i * 3 + (i >> 8);
	s->mxcsr = 0x1f80 | (seed & 3) << 13;
	s->fcw = 0x27f | (seed & 3) << 10;
}

static void compare(unsigned int registers, unsigned int bytes, bool masks)
{
	unsigned int i, k;

	for (i = 0; i < registers; i++)
		for (k = 0; k < bytes; k++)
			GUEST_EQ(got.vectors[i][k], set.vectors[i][k]);
	for (i = 0; masks && i < 8; i++)
		GUEST_EQ(got.masks[i], set.masks[i]);
}

#define ALL8	"0,1,2,3,4,5,6,7"
#define ALL16	"0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"
#define ALL32	"0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15," \
		"16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31"

/* One instruction with @p in %0; and one for each register n of a list. */
#define DO(insn, p)							\
	({								\
		asm volatile(insn : : "r"(p) : "memory");		\
	})
#define EACH(list, insn, p)						\
	DO(".irp n," list "\n\t" insn "\n\t.endr", p)

#define LOAD_XMM(p)	EACH(ALL16, "movdqu 64*\\n(%0), %%xmm\\n", p)
#define SAVE_XMM(p)	EACH(ALL16, "movdqu %%xmm\\n, 64*\\n(%0)", p)
#define LOAD_YMM(p)	EACH(ALL16, "vmovdqu 64*\\n(%0), %%ymm\\n", p)
#define SAVE_YMM(p)	EACH(ALL16, "vmovdqu %%ymm\\n, 64*\\n(%0)", p)
#define LOAD_ZMM(p)	EACH(ALL32, "vmovdqu64 64*\\n(%0), %%zmm\\n", p)
#define SAVE_ZMM(p)	EACH(ALL32, "vmovdqu64 %%zmm\\n, 64*\\n(%0)", p)
#define LOAD_K(p)	EACH(ALL8, "kmovw 8*\\n(%0), %%k\\n", p)
#define SAVE_K(p)	EACH(ALL8, "kmovw %%k\\n, 8*\\n(%0)", p)
#define LOAD_MM(p)	EACH(ALL8, "movq 8*\\n(%0), %%mm\\n", p)
#define SAVE_MM(p)	EACH(ALL8, "movq %%mm\\n, 8*\\n(%0)", p)

static void guest_sse(void)
{
	int round;

	fill(&set);
	DO("fninit\n\tfldcw (%0)", &set.fcw);
	DO("ldmxcsr (%0)", &set.mxcsr);
	LOAD_MM(set.mm);
	LOAD_XMM(set.vectors);
	for (round = 1; round <= 3; round++) {
		guest_sync(round);
		SAVE_XMM(got.vectors);
		SAVE_MM(got.mm);
		DO("stmxcsr (%0)", &got.mxcsr);
		DO("fnstcw (%0)", &got.fcw);
		compare(16, 16, false);
		GUEST_EQ(got.mm[0], set.mm[0]);
		GUEST_EQ(got.mm[7], set.mm[7]);
		GUEST_EQ(got.mxcsr, set.mxcsr);
		GUEST_EQ(got.fcw, set.fcw);
	}
}

static bool enable(uint64_t components)
{
	uint32_t r[4];

	cpuid(1, 0, r);
	if (!(r[2] & 1 << 26))
		return false;
	cpuid(0xd, 0, r);
	if ((r[0] & components) != components)
		return false;
	write_cr4(read_cr4() | CR4_OSXSAVE);
	xsetbv(0, components | 1);
	return true;
}

static void guest_avx(void)
{
	int round;

	if (!enable(XCR0_AVX))
		guest_sync(NO_FEATURE);
	fill(&set);
	LOAD_YMM(set.vectors);
	for (round = 1; round <= 3; round++) {
		guest_sync(round);
		SAVE_YMM(got.vectors);
		compare(16, 32, false);
	}
}

static void guest_avx512(void)
{
	int i, round;

	if (!enable(XCR0_AVX512))
		guest_sync(NO_FEATURE);
	fill(&set);
	for (i = 0; i < 8; i++)
		set.masks[i] &= 0xffff;
	LOAD_ZMM(set.vectors);
	LOAD_K(set.masks);
	for (round = 1; round <= 3; round++) {
		guest_sync(round);
		SAVE_ZMM(got.vectors);
		SAVE_K(got.masks);
		compare(32, 64, true);
	}
}

static struct vcpu *start(void (*function)(void), uint8_t new_seed)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);

	seed = new_seed;
	guest_start(vcpu, function);
	return vcpu;
}

static void run_sync(struct vcpu *vcpu, uint32_t value)
{
	EXPECT_EQ(guest_run(vcpu), GUEST_SYNC);
	if (guest_sync_value(vcpu) == NO_FEATURE)
		ksft_skip("the guest has no such registers");
	ASSERT_EQ(guest_sync_value(vcpu), value);
}

/* The process's registers before and after a RUN. */
static uint8_t mine[16][64] __aligned(64), after[16][64];

static void run_with_own_state(struct vcpu *vcpu, uint32_t value)
{
	memset(mine, 0xa0 + value, sizeof(mine));
	LOAD_XMM(mine);
	run_sync(vcpu, value);
	SAVE_XMM(after);
}

/* Two guests take turns on one CPU; so does the process, which clears its own. */
static void run_pair(void (*function)(void))
{
	struct vcpu *one = start(function, 1), *two = start(function, 0x42);
	uint32_t round;

	for (round = 1; round <= 3; round++) {
		run_with_own_state(one, round);
		run_with_own_state(two, round);
	}
	guest_run_done(one);
	guest_run_done(two);
}

static void test_sse(void)
{
	run_pair(guest_sse);
}

static void test_avx(void)
{
	if (host_is_tcg())
		ksft_skip("QEMU's processor raises #UD for AVX in its guests");
	run_pair(guest_avx);
}

static void test_avx512(void)
{
	if (host_is_tcg())
		ksft_skip("QEMU's processor raises #UD for AVX in its guests");
	run_pair(guest_avx512);
}

static void guest_xcr0(void)
{
	int round;

	if (!enable(XCR0_SSE))
		guest_sync(NO_FEATURE);
	for (round = 1; round <= 3; round++) {
		guest_sync(round);
		GUEST_EQ(xgetbv(0), XCR0_SSE);
	}
}

/*
 * What the guest enables is what the client sees, and lasts. QEMU's processor
 * ignores the intercept of XSETBV; KVM, which relies on it, fails there.
 */
static void test_xcr0(void)
{
	struct vcpu *one = start(guest_xcr0, 1), *two = start(guest_xcr0, 1);
	struct kvm_xcrs xcrs;
	uint32_t round;

	for (round = 1; round <= 3; round++) {
		run_sync(one, round);
		run_sync(two, round);
	}
	ASSERT_EQ(try_ioctl(one->fd, KVM_GET_XCRS, &xcrs), 0);
	EXPECT_EQ(xcrs.xcrs[0].value, XCR0_SSE);
	guest_run_done(one);
	guest_run_done(two);
}

/* KVM_RUN by hand, so that nothing else touches vector registers meanwhile. */
static void test_own_state(void)
{
	struct vcpu *vcpu = start(guest_sse, 1);
	uint32_t mxcsr = 0x3f80, mxcsr_after;
	uint64_t result;
	int i;

	memset(mine, 0xa5, sizeof(mine));
	LOAD_XMM(mine);
	DO("ldmxcsr (%0)", &mxcsr);
	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(16), "D"((uint64_t)vcpu->fd), "S"((uint64_t)KVM_RUN), "d"(0UL)
		     : "rcx", "r11", "memory");
	SAVE_XMM(after);
	DO("stmxcsr (%0)", &mxcsr_after);
	EXPECT_EQ(result, 0);
	EXPECT_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	for (i = 0; i < 16; i++)
		EXPECT(!memcmp(mine[i], after[i], 16), "XMM%d", i);
	EXPECT_EQ(mxcsr_after, mxcsr);
}

static volatile uint64_t key_pdpt[512] __aligned(4096);
static volatile uint64_t key_pd[512] __aligned(4096);
static uint32_t pkru_value;

static uint32_t rdpkru(void)
{
	uint32_t val;

	asm volatile("rdpkru" : "=a"(val) : "c"(0) : "rdx");
	return val;
}

static void wrpkru(uint32_t val)
{
	asm volatile("wrpkru" : : "a"(val), "c"(0), "d"(0) : "memory");
}

#define KEY_BASE	0x8000000000UL

static void guest_pkru(void)
{
	uint32_t r[4];
	int round;

	cpuid(7, 0, r);
	if (!(r[2] & 1 << 3))
		guest_sync(NO_FEATURE);
	write_cr4(read_cr4() | CR4_PKE);
	cpuid(7, 0, r);
	GUEST_ASSERT(r[2] & 1 << 4);			/* OSPKE */
	guest_pml4[1] = (uintptr_t)key_pdpt | 7;
	key_pdpt[0] = (uintptr_t)key_pd | 7;
	key_pd[0] = 0x200087 | 3UL << 59;		/* 2 MiB with key 3 */
	wrpkru(pkru_value);
	for (round = 1; round <= 3; round++) {
		guest_sync(round);
		GUEST_EQ(rdpkru(), pkru_value);
	}
	wrpkru(1 << 6);					/* no access by key 3 */
	GUEST_EQ(GUEST_TRY("movb (%0), %%al", : : "r"(KEY_BASE) : "rax", "r11", "memory"), 14);
	GUEST_EQ(guest_trap.error, 0x21);
	wrpkru(2 << 6);					/* no writes */
	GUEST_EQ(GUEST_TRY("movb (%0), %%al", : : "r"(KEY_BASE) : "rax", "r11", "memory"),
		 GUEST_NO_TRAP);
	GUEST_EQ(GUEST_TRY("movb %%al, (%0)", : : "r"(KEY_BASE) : "r11", "memory"), 14);
	GUEST_EQ(guest_trap.error, 0x23);
}

static void test_pkru(void)
{
	struct vcpu *one, *two;
	uint32_t round;

	pkru_value = 0x55555550;
	one = start(guest_pkru, 1);
	pkru_value = 0xaaaaaaa0;
	two = start(guest_pkru, 1);
	for (round = 1; round <= 3; round++) {
		run_sync(one, round);
		run_sync(two, round);
	}
	guest_run_done(one);
	guest_run_done(two);
}

/*
 * What the client sets with KVM_SET_FPU is what the guest has. KVM loses it where
 * XSAVE left the component out because it was in its initial state.
 */
static uint8_t from_client[16];

static void guest_from_client(void)
{
	guest_sync(1);
	asm volatile("movdqu %%xmm9, %0" : "=m"(from_client) : : "memory");
}

static void test_set_fpu(void)
{
	struct vcpu *vcpu = start(guest_from_client, 1);
	struct kvm_fpu fpu;

	guest_run_sync(vcpu, 1);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_FPU, &fpu), 0);
	memset(fpu.xmm[9], 0x5a, 16);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_FPU, &fpu), 0);
	guest_run_done(vcpu);
	EXPECT(!memcmp(*GUEST_VAR(vcpu->vm, from_client), fpu.xmm[9], 16));
}

static const struct ksft_test tests[] = {
	{ "sse", test_sse },
	{ "xcr0", test_xcr0 },
	{ "avx", test_avx },
	{ "avx512", test_avx512 },
	{ "pkru", test_pkru },
	{ "own_state", test_own_state },
	{ "set_fpu", test_set_fpu },
};

const struct ksft_suite xstate_suite = KSFT_SUITE("xstate", tests);
