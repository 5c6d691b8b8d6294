// SPDX-License-Identifier: GPL-2.0-only
/*
 * UMIP, and the instructions for descriptor tables. Where the processor has no UMIP it
 * is made of these instructions' exits, and khv executes them: so the guest does the
 * same with UMIP off, when the processor does, and with it on, and compares.
 */
#include <asm/processor-flags.h>
#include <cpuid.h>

#include "guest_cpu.h"
#include "guests.h"

#define SEL_TSS		GUEST_TSS		/* loaded, so busy */
#define SEL_TSS2	(GUEST_TSS + 16)
#define SEL_LDT		(GUEST_TSS + 32)
#define SEL_BEYOND	0x1000
#define SEL_IN_LDT	(8 | 4)
#define NOWHERE		0x4010000000UL		/* outside what is mapped */
#define RESULTS		128

static uint64_t results[2][RESULTS];
static unsigned int run, count;
static uint64_t ldt[2] = { 0, 0x00cf93000000ffff };
static uint8_t table[16], keep_gdt[16], keep_idt[16];
static volatile uint16_t selector;
static volatile uint32_t steps;

static void result(uint64_t value)
{
	GUEST_ASSERT(count < RESULTS);
	results[run][count++] = value;
}

/* The vector and the error code, and whether the instruction left alone what it faulted on. */
#define TRY(insn, operands...)							\
	do {									\
		guest_trap.error = 0;						\
		result(GUEST_TRY(insn, : : operands : "r11", "memory"));		\
		result(guest_trap.error);					\
	} while (0)

static void table_result(void)
{
	result(*(uint64_t *)table);
	result(*(uint64_t *)(table + 8));
}

static void system_descriptor(unsigned int sel, uint64_t base, uint32_t limit, uint8_t access)
{
	guest_gdt[sel / 8] = (limit & 0xffff) | (base & 0xffffff) << 16 | (uint64_t)access << 40 |
			     (base >> 24 & 0xff) << 56;
	guest_gdt[sel / 8 + 1] = base >> 32;
}

static void count_step(struct guest_frame *frame)
{
	steps++;
}

static void stores(void)
{
	uint64_t reg = -1UL;
	unsigned int i;

	for (i = 0; i < sizeof(table); i++)
		table[i] = 0xa5;
	TRY("sgdt %0", "m"(table));
	table_result();
	TRY("sidt %0", "m"(table));
	table_result();
	asm volatile("str %0" : "+r"(reg));
	result(reg);
	reg = -1UL;
	asm volatile("str %w0" : "+r"(reg));
	result(reg);
	reg = -1UL;
	asm volatile("sldt %k0" : "+r"(reg));
	result(reg);
	TRY("str %0", "m"(table));
	table_result();
	TRY("sgdt (%0)", "r"(1UL << 63));
	TRY("sidt (%0)", "r"(NOWHERE));
	result(guest_trap.cr2);
	TRY("sldt (%0)", "r"(NOWHERE));
}

static void load_tables(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __packed odd = { 0xfff, 1UL << 62 };

	asm volatile("sgdt %0; sidt %1" : "=m"(keep_gdt), "=m"(keep_idt));
	TRY("lgdt %0", "m"(odd));		/* not canonical */
	TRY("lidt (%0)", "r"(NOWHERE));
	odd.base = 0x123456789a;
	TRY("lidt %0", "m"(odd));
	asm volatile("sidt %0; lidt %1" : "=m"(table) : "m"(keep_idt));
	table_result();
	TRY("lgdt %0", "m"(odd));
	asm volatile("sgdt %0; lgdt %1" : "=m"(table) : "m"(keep_gdt));
	table_result();
}

static void load_ldt(void)
{
	uint16_t es;

	system_descriptor(SEL_LDT, (uintptr_t)ldt, sizeof(ldt) - 1, 0x82);
	TRY("lldt %w0", "r"(SEL_LDT));
	selector = SEL_IN_LDT;
	asm volatile("movw %%es, %0" : "=r"(es));
	TRY("movw %0, %%es", "m"(selector));
	asm volatile("movw %0, %%es" : : "r"(es));
	TRY("lldt %w0", "r"(SEL_BEYOND));
	TRY("lldt %w0", "r"(SEL_TSS | 3));
	TRY("lldt %w0", "r"(SEL_LDT | 4));
	system_descriptor(SEL_LDT, (uintptr_t)ldt, sizeof(ldt) - 1, 0x02);	/* not present */
	TRY("lldt %w0", "r"(SEL_LDT));
	system_descriptor(SEL_LDT, 1UL << 60, sizeof(ldt) - 1, 0x82);
	TRY("lldt %w0", "r"(SEL_LDT));
	asm volatile("sldt %0" : "=m"(selector));
	result(selector);
	selector = 0;
	TRY("lldt %0", "m"(selector));
	TRY("movw %w0, %%es", "r"(SEL_IN_LDT));
}

static void load_tr(void)
{
	guest_gdt[SEL_TSS / 8] |= 2UL << 40;
	TRY("ltr %w0", "r"(SEL_TSS));		/* it is busy */
	TRY("ltr %w0", "r"(0));
	TRY("ltr %w0", "r"(SEL_BEYOND));
	TRY("ltr %w0", "r"(GUEST_DS));
	system_descriptor(SEL_TSS2, (uintptr_t)&guest_tss[0], sizeof(guest_tss[0]) - 1, 0x09);
	TRY("ltr %w0", "r"(SEL_TSS2));		/* not present */
	system_descriptor(SEL_TSS2, (uintptr_t)&guest_tss[0], sizeof(guest_tss[0]) - 1, 0x89);
	selector = SEL_TSS2;
	TRY("ltr %0", "m"(selector));
	result(guest_gdt[SEL_TSS2 / 8] >> 40 & 0xff);
	asm volatile("str %0" : "=m"(selector));
	result(selector);
	guest_gdt[SEL_TSS / 8] &= ~(2UL << 40);
	TRY("ltr %w0", "r"(SEL_TSS));
}

/* The trap comes once after each. */
static void stepped(void)
{
	steps = 0;
	guest_handlers[1] = count_step;
	asm volatile("pushfq\n\t"
		     "orq %1, (%%rsp)\n\t"
		     "popfq\n\t"
		     "sidt %0\n\t"
		     "lidt %0\n\t"
		     "pushfq\n\t"
		     "andq %2, (%%rsp)\n\t"
		     "popfq"
		     : "+m"(table) : "i"(X86_EFLAGS_TF), "i"(~X86_EFLAGS_TF) : "memory", "cc");
	result(steps);
}

static bool no_umip(void)
{
	uint32_t r[4];

	cpuid(7, 0, r);
	return !(r[2] & 1 << 2);
}

static void guest_same(void)
{
	unsigned int i;

	if (no_umip()) {
		guest_sync(4);
		return;
	}
	for (run = 0; run < 2; run++) {
		write_cr4(run ? read_cr4() | X86_CR4_UMIP : read_cr4());
		GUEST_EQ(read_cr4() & X86_CR4_UMIP, run ? X86_CR4_UMIP : 0);
		count = 0;
		stores();
		load_tables();
		load_ldt();
		load_tr();
		stepped();
	}
	for (i = 0; i < count; i++) {
		/* Which of them it was the line would not tell. */
		if (results[0][i] != results[1][i])
			guest_fail(__FILE__, i, "result", results[0][i], results[1][i]);
	}
	GUEST_EQ(results[0][0], GUEST_NO_TRAP);
	GUEST_EQ(steps, 5);
	guest_sync(1);
}

static void run_or_skip(void (*function)(void))
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);

	guest_start(vcpu, function);
	EXPECT_EQ(guest_run(vcpu), GUEST_SYNC);
	if (guest_sync_value(vcpu) == 4)
		ksft_skip("no UMIP here");
}

static void test_same(void)
{
	if (host_is_tcg())
		ksft_skip("QEMU's processor has UMIP and loads tables that are nowhere");
	run_or_skip(guest_same);
}

static volatile uint64_t user_result[8];

static void user_instructions(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(table); i++)
		table[i] = 0x5a;
	user_result[0] = GUEST_TRY("sgdt %0", : : "m"(table) : "r11", "memory");
	user_result[1] = GUEST_TRY("sidt %0", : : "m"(table) : "r11", "memory");
	user_result[2] = GUEST_TRY("sldt %0", : : "m"(table) : "r11", "memory");
	user_result[3] = GUEST_TRY("str %%eax", : : : "rax", "r11", "memory");
	user_result[4] = GUEST_TRY("lgdt %0", : : "m"(keep_gdt) : "r11", "memory");
	user_result[5] = GUEST_TRY("lidt %0", : : "m"(keep_idt) : "r11", "memory");
	user_result[6] = GUEST_TRY("lldt %w0", : : "r"(0) : "r11", "memory");
	user_result[7] = GUEST_TRY("smsw %%eax", : : : "rax", "r11", "memory");
	asm volatile("int $0x80");
}

static volatile uint32_t smsw_vector;

static void guest_user_instructions(void)
{
	unsigned int i;

	if (no_umip()) {
		guest_sync(4);
		return;
	}
	asm volatile("sgdt %0; sidt %1" : "=m"(keep_gdt), "=m"(keep_idt));
	guest_user(user_instructions);
	for (i = 0; i < 8; i++)
		GUEST_EQ(user_result[i], i < 4 || i == 7 ? GUEST_NO_TRAP : 13);
	write_cr4(read_cr4() | X86_CR4_UMIP);
	guest_user(user_instructions);
	for (i = 0; i < 7; i++)
		GUEST_EQ(user_result[i], 13);
	GUEST_EQ(guest_trap.error, 0);
	GUEST_EQ(*(uint64_t *)table, 0x5a5a5a5a5a5a5a5a);
	GUEST_EQ(user_result[7], smsw_vector);
	write_cr4(read_cr4() & ~X86_CR4_UMIP);
	guest_user(user_instructions);
	GUEST_EQ(user_result[0], GUEST_NO_TRAP);
	guest_sync(1);
}

/* SMSW has no exit, so it faults only where the processor itself has UMIP; so it is on KVM. */
static void test_user(void)
{
	unsigned int a, b, c = 0, d;

	__get_cpuid_count(7, 0, &a, &b, &c, &d);
	smsw_vector = c & 1 << 2 ? 13 : GUEST_NO_TRAP;
	run_or_skip(guest_user_instructions);
}

static const struct ksft_test tests[] = {
	{ "same", test_same },
	{ "user", test_user },
};

const struct ksft_suite descriptors_suite = KSFT_SUITE("descriptors", tests);
