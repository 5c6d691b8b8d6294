// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory-mapped I/O by every form of instruction that drivers and firmware
 * use. The device is memory in the test, so that a guest can check a result
 * and the test the accesses.
 */
#include <string.h>

#include "guest_cpu.h"
#include "guests.h"

#define BASE		0xd0000000UL

static struct mmio_device device = { .base = BASE };

static void run(void (*function)(void))
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vm->mmio = &device;
	guest_start(vcpu, function);
	guest_run_done(vcpu);
}

static void expect_access(unsigned int n, bool write, uint64_t offset, uint32_t len,
			  uint64_t value)
{
	const struct mmio_access *log = &device.log[n];

	ASSERT(n < device.count, "only %u accesses", device.count);
	if (log->write != write || log->offset != offset || log->len != len ||
	    log->value != value)
		ksft_fail(__FILE__, __LINE__, "access %u: %s offset %#llx, %u bytes, %#llx", n,
			  log->write ? "write" : "read", (unsigned long long)log->offset,
			  log->len, (unsigned long long)log->value);
}

static void guest_mov(void)
{
	uint64_t value = 0;

	asm volatile("movb $0x12, (%0)\n\t"
		     "movw $0x3456, 2(%0)\n\t"
		     "movl $0x789abcde, 4(%0)\n\t"
		     "movq $-2, 8(%0)\n\t"
		     "movl %k1, (%0,%2,4)"
		     : : "r"(BASE), "r"(0x11223344), "r"(5UL) : "memory");
	asm volatile("movb 8(%1), %h0" : "+a"(value) : "r"(BASE) : "memory");
	GUEST_EQ(value, 0xfe00);
	asm volatile("movabsl 0xd0000004, %%eax" : "=a"(value) : : "memory");
	GUEST_EQ(value, 0x789abcde);
	asm volatile("movabsb %%al, 0xd0000018" : : "a"(0x77) : "memory");
	asm volatile("movq %%r12, (%0)" : : "r"(BASE + 0x20) : "memory");
	asm volatile("movq (%1), %%r13; movq %%r13, %0" : "=r"(value) : "r"(BASE + 8)
		     : "r13", "memory");
	GUEST_EQ(value, -2UL);
}

static void test_mov(void)
{
	run(guest_mov);
	expect_access(0, true, 0, 1, 0x12);
	expect_access(1, true, 2, 2, 0x3456);
	expect_access(2, true, 4, 4, 0x789abcde);
	expect_access(3, true, 8, 8, -2UL);
	expect_access(4, true, 0x14, 4, 0x11223344);
	expect_access(5, false, 8, 1, 0xfe);
	expect_access(6, false, 4, 4, 0x789abcde);
	expect_access(7, true, 0x18, 1, 0x77);
	EXPECT_EQ(device.count, 10);
}

static void guest_extend(void)
{
	uint64_t value;

	asm volatile("movl $0x8081ff80, (%0)" : : "r"(BASE) : "memory");
	asm volatile("movzbl (%1), %k0" : "=r"(value) : "r"(BASE) : "memory");
	GUEST_EQ(value, 0x80);
	asm volatile("movzwl (%1), %k0" : "=r"(value) : "r"(BASE) : "memory");
	GUEST_EQ(value, 0xff80);
	asm volatile("movsbl (%1), %k0" : "=r"(value) : "r"(BASE) : "memory");
	GUEST_EQ(value, 0xffffff80);
	asm volatile("movsbq (%1), %0" : "=r"(value) : "r"(BASE) : "memory");
	GUEST_EQ(value, 0xffffffffffffff80);
	asm volatile("movswq (%1), %0" : "=r"(value) : "r"(BASE) : "memory");
	GUEST_EQ(value, 0xffffffffffffff80);
	asm volatile("movslq (%1), %0" : "=r"(value) : "r"(BASE) : "memory");
	GUEST_EQ(value, 0xffffffff8081ff80);
	value = -1UL;
	asm volatile("movzbw (%1), %w0" : "+r"(value) : "r"(BASE) : "memory");
	GUEST_EQ(value, 0xffffffffffff0080);
}

static void test_extend(void)
{
	run(guest_extend);
}

#define FLAGS_CF	1
#define FLAGS_ZF	0x40
#define FLAGS_SF	0x80

/* Executes an instruction on memory at BASE and stores the flags. */
#define ALU(insn, operand, flags)						\
	({									\
		asm volatile(insn "\n\tpushfq\n\tpopq %0"			\
			     : "=r"(flags)					\
			     : "r"(BASE), "r"(operand)				\
			     : "memory", "cc");					\
	})

static uint32_t value_at_base(void)
{
	uint32_t value;

	asm volatile("movl (%1), %0" : "=r"(value) : "r"(BASE) : "memory");
	return value;
}

static void set_base(uint32_t value)
{
	asm volatile("movl %0, (%1)" : : "r"(value), "r"(BASE) : "memory");
}

static void guest_alu(void)
{
	uint64_t flags, one = 1, mask = 0xff00ff00;

	set_base(0xffffffff);
	ALU("addl %k2, (%1)", one, flags);
	GUEST_EQ(value_at_base(), 0);
	GUEST_EQ(flags & (FLAGS_CF | FLAGS_ZF), FLAGS_CF | FLAGS_ZF);
	ALU("stc; adcl %k2, (%1)", one, flags);
	GUEST_EQ(value_at_base(), 2);
	ALU("subl $3, (%1)", one, flags);
	GUEST_EQ(value_at_base(), 0xffffffff);
	GUEST_EQ(flags & (FLAGS_CF | FLAGS_SF), FLAGS_CF | FLAGS_SF);
	ALU("andl %k2, (%1)", mask, flags);
	GUEST_EQ(value_at_base(), 0xff00ff00);
	ALU("orl $0x0f, (%1)", one, flags);
	GUEST_EQ(value_at_base(), 0xff00ff0f);
	ALU("xorl %k2, (%1)", mask, flags);
	GUEST_EQ(value_at_base(), 0xf);
	ALU("cmpl $0xf, (%1)", one, flags);
	GUEST_EQ(flags & FLAGS_ZF, FLAGS_ZF);
	ALU("testl $0xf0, (%1)", one, flags);
	GUEST_EQ(flags & FLAGS_ZF, FLAGS_ZF);
	ALU("testb %b2, (%1)", one, flags);
	GUEST_EQ(flags & FLAGS_ZF, 0);
	ALU("cmpb %b2, (%1)", one, flags);
	GUEST_EQ(flags & (FLAGS_ZF | FLAGS_CF), 0);
	ALU("incl (%1)", one, flags);
	GUEST_EQ(value_at_base(), 0x10);
	ALU("decl (%1)", one, flags);
	ALU("notl (%1)", one, flags);
	GUEST_EQ(value_at_base(), 0xfffffff0);
	ALU("negl (%1)", one, flags);
	GUEST_EQ(value_at_base(), 0x10);
	ALU("shll $4, (%1)", one, flags);
	GUEST_EQ(value_at_base(), 0x100);
}

static void test_alu(void)
{
	run(guest_alu);
}

/* Memory as the source, register as the destination. */
static void guest_alu_load(void)
{
	uint64_t value = 5;

	set_base(0x30);
	asm volatile("addl (%1), %k0" : "+r"(value) : "r"(BASE) : "memory", "cc");
	GUEST_EQ(value, 0x35);
	asm volatile("subl (%1), %k0" : "+r"(value) : "r"(BASE) : "memory", "cc");
	GUEST_EQ(value, 5);
	asm volatile("orl (%1), %k0" : "+r"(value) : "r"(BASE) : "memory", "cc");
	GUEST_EQ(value, 0x35);
	asm volatile("andl (%1), %k0" : "+r"(value) : "r"(BASE) : "memory", "cc");
	GUEST_EQ(value, 0x30);
	asm volatile("xorl (%1), %k0" : "+r"(value) : "r"(BASE) : "memory", "cc");
	GUEST_EQ(value, 0);
	value = 3;
	asm volatile("imull (%1), %k0" : "+r"(value) : "r"(BASE) : "memory", "cc");
	GUEST_EQ(value, 0x90);
	asm volatile("pushq (%1); popq %0" : "=r"(value) : "r"(BASE) : "memory");
	GUEST_EQ(value & 0xffffffff, 0x30);
	asm volatile("cmpl (%1), %k0; sete (%1)" : : "r"(value), "r"(BASE) : "memory", "cc");
	GUEST_EQ(value_at_base(), 1);
}

static void test_alu_load(void)
{
	run(guest_alu_load);
}

static void guest_exchange(void)
{
	uint64_t value = 0x1234, expected = 7;
	uint8_t equal;

	set_base(0x5678);
	asm volatile("xchgl %k0, (%1)" : "+r"(value) : "r"(BASE) : "memory");
	GUEST_EQ(value, 0x5678);
	GUEST_EQ(value_at_base(), 0x1234);
	asm volatile("lock cmpxchgl %k2, (%3); sete %1"
		     : "+a"(expected), "=qm"(equal) : "r"(9UL), "r"(BASE) : "memory", "cc");
	GUEST_EQ(equal, 0);
	GUEST_EQ(expected, 0x1234);
	GUEST_EQ(value_at_base(), 0x1234);
	asm volatile("lock cmpxchgl %k2, (%3); sete %1"
		     : "+a"(expected), "=qm"(equal) : "r"(9UL), "r"(BASE) : "memory", "cc");
	GUEST_EQ(equal, 1);
	GUEST_EQ(value_at_base(), 9);
	value = 4;
	asm volatile("lock xaddl %k0, (%1)" : "+r"(value) : "r"(BASE) : "memory", "cc");
	GUEST_EQ(value, 9);
	GUEST_EQ(value_at_base(), 13);
}

static void test_exchange(void)
{
	run(guest_exchange);
}

static void guest_bits(void)
{
	uint64_t flags;

	set_base(0x10);
	ALU("btl $4, (%1)", 0UL, flags);
	GUEST_EQ(flags & FLAGS_CF, FLAGS_CF);
	ALU("btsl $0, (%1)", 0UL, flags);
	GUEST_EQ(flags & FLAGS_CF, 0);
	GUEST_EQ(value_at_base(), 0x11);
	ALU("btrl $4, (%1)", 0UL, flags);
	GUEST_EQ(flags & FLAGS_CF, FLAGS_CF);
	GUEST_EQ(value_at_base(), 1);
	ALU("btcl $31, (%1)", 0UL, flags);
	GUEST_EQ(value_at_base(), 0x80000001);
	/* With a register, the bit may lie outside the operand. */
	ALU("lock btsl %k2, (%1)", 32 + 5UL, flags);
	asm volatile("movl 4(%1), %k0" : "=r"(flags) : "r"(BASE) : "memory");
	GUEST_EQ(flags, 0x20);
}

static void test_bits(void)
{
	run(guest_bits);
}

static uint8_t copy[64];

#define STRING(insn, flags, source, destination, count, accumulator)		\
	({									\
		uint64_t si_ = (uint64_t)(source), di_ = (uint64_t)(destination); \
		uint64_t cx_ = (count), ax_ = (accumulator);			\
										\
		asm volatile(flags "\n\t" insn "\n\tcld"			\
			     : "+S"(si_), "+D"(di_), "+c"(cx_), "+a"(ax_)	\
			     : : "memory", "cc");				\
		ax_ + (cx_ << 32);						\
	})

static void guest_strings(void)
{
	unsigned int i;

	STRING("rep stosl", "cld", 0, BASE + 0x100, 8, 0xa1a2a3a4);
	STRING("rep movsb", "cld", BASE + 0x100, copy, 13, 0);
	for (i = 0; i < 13; i++)
		GUEST_EQ(copy[i], 0xa4 - i % 4);
	for (i = 0; i < 64; i++)
		copy[i] = i;
	STRING("rep movsq", "cld", copy, BASE + 0x200, 4, 0);
	STRING("rep movsw", "std", copy + 62, BASE + 0x23e, 4, 0);
	GUEST_EQ(STRING("lodsl", "cld", BASE + 0x204, 0, 0, 0), 0x07060504);
	STRING("rep movsl", "cld", BASE + 0x200, BASE + 0x300, 4, 0);
	GUEST_EQ(STRING("lodsl", "cld", BASE + 0x30c, 0, 0, 0), 0x0f0e0d0c);
	GUEST_EQ(STRING("repne scasb", "cld", 0, BASE + 0x200, 32, 9) >> 32, 22);
	GUEST_EQ(STRING("repe cmpsb", "cld", copy, BASE + 0x200, 32, 0) >> 32, 0);
	STRING("rep stosb", "cld", 0, BASE + 0x200, 0, 0xff);
}

static void test_strings(void)
{
	int i;

	run(guest_strings);
	for (i = 0; i < 8; i++)
		EXPECT(!memcmp(device.data + 0x100 + 4 * i, "\xa4\xa3\xa2\xa1", 4));
	for (i = 0; i < 32; i++)
		EXPECT_EQ(device.data[0x200 + i], i);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(device.data[0x238 + i], 0x38 + i);
}

static void guest_addressing(void)
{
	uint64_t value = 0, base = BASE - 0x1000;

	asm volatile("movl $1, 0x1000(%0,%1,8)" : : "r"(base), "r"(2UL) : "memory");
	asm volatile("addr32 movl $2, (%k0)" : : "r"(BASE + 0x20) : "memory");
	asm volatile("movq %%gs:(%1), %0" : "=r"(value) : "r"(BASE + 0x10) : "memory");
	GUEST_EQ(value, 1);
	asm volatile("pushq %%rbp; movq %1, %%rbp; movl 0x20(%%rbp), %k0; popq %%rbp"
		     : "=r"(value) : "r"(BASE) : "memory");
	GUEST_EQ(value, 2);
}

static void test_addressing(void)
{
	run(guest_addressing);
}

/* The address counts from the end of the instruction, immediate operand included. */
static void guest_rip_relative(void)
{
	uint32_t value;

	/* The second instruction is six bytes long. */
	asm volatile("movl $0xcafe, 0x30000000(%%rip)\n\t"
		     "movl 0x30000000 - 6(%%rip), %0"
		     : "=a"(value) : : "memory");
	GUEST_EQ(value, 0xcafe);
}

static void test_rip_relative(void)
{
	device.base = ((uintptr_t)guest_rip_relative & -PAGE_SIZE) + 0x30000000;
	run(guest_rip_relative);
	EXPECT_EQ(device.count, 2);
}

/* 8 bytes, of which the first 4 are memory and the last 4 are not, and in reverse. */
#define SEAM		0x60000000UL

static void guest_seam(void)
{
	uint64_t value = 0x8877665544332211;

	asm volatile("movq %0, (%1)" : : "r"(value), "r"(SEAM + 0x1ffc) : "memory");
	asm volatile("movq (%1), %0" : "=r"(value) : "r"(SEAM + 0x1ffc) : "memory");
	GUEST_EQ(value, 0x8877665544332211);
}

static void test_seam(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	uint8_t *memory = memory_map(0x2000, false);

	vm_set_slot(vm, 1, 0, SEAM, 0x2000, memory);
	device.base = SEAM + 0x2000;
	vm->mmio = &device;
	guest_start(vcpu, guest_seam);
	guest_run_done(vcpu);
	EXPECT(!memcmp(memory + 0x1ffc, "\x11\x22\x33\x44", 4));
	EXPECT(!memcmp(device.data, "\x55\x66\x77\x88", 4));
	EXPECT_EQ(device.log[0].len, 4);
	EXPECT_EQ(device.log[0].offset, 0);
}

static void guest_page_boundary(void)
{
	uint64_t value = 0x8877665544332211;

	asm volatile("movq %0, (%1)" : : "r"(value), "r"(BASE + 0xffd) : "memory");
	asm volatile("movq (%1), %0" : "=r"(value) : "r"(BASE + 0xffd) : "memory");
	GUEST_EQ(value, 0x8877665544332211);
}

static void test_page_boundary(void)
{
	run(guest_page_boundary);
	EXPECT(!memcmp(device.data + 0xffd, "\x11\x22\x33\x44\x55\x66\x77\x88", 8));
}

static uint8_t vector[16] __aligned(16);

static void guest_vector(void)
{
	int i;

	for (i = 0; i < 16; i++)
		vector[i] = i + 1;
	asm volatile("movdqa %0, %%xmm3\n\t"
		     "movdqa %%xmm3, (%1)\n\t"
		     "movups %%xmm3, 0x20(%1)\n\t"
		     "pxor %%xmm4, %%xmm4\n\t"
		     "movdqu (%1), %%xmm4\n\t"
		     "movdqa %%xmm4, %0"
		     : "+m"(vector) : "r"(BASE) : "memory");
	for (i = 0; i < 16; i++)
		GUEST_EQ(vector[i], i + 1);
}

static void test_vector(void)
{
	int i;

	run(guest_vector);
	for (i = 0; i < 16; i++) {
		EXPECT_EQ(device.data[i], i + 1);
		EXPECT_EQ(device.data[0x20 + i], i + 1);
	}
	EXPECT(device.log[0].len <= 8);
}

static const struct ksft_test tests[] = {
	{ "mov", test_mov },
	{ "extend", test_extend },
	{ "alu", test_alu },
	{ "alu_load", test_alu_load },
	{ "exchange", test_exchange },
	{ "bits", test_bits },
	{ "strings", test_strings },
	{ "addressing", test_addressing },
	{ "rip_relative", test_rip_relative },
	{ "seam", test_seam },
	{ "page_boundary", test_page_boundary },
	{ "vector", test_vector },
};

const struct ksft_suite mmio_suite = KSFT_SUITE("mmio", tests);
