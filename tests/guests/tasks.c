// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task switches in 32-bit protected mode: by CALL, JMP, IRET, and through gates in
 * the GDT and the IDT, to TSSes of both kinds, and the faults on the way.
 */
#include <asm/processor-flags.h>
#include <string.h>

#include "guests.h"

#define END_PORT	0x6e4
#define GDT		0x6000
#define IDT		0x7000
#define TSS_A		0x8000
#define TSS_SIZE	0x100
#define STACKS		0x20000

/* As tasks_code.S has them. */
enum { SEL_CODE = 0x08, SEL_DATA = 0x10, SEL_DATA2 = 0x18, SEL_A = 0x20, SEL_B = 0x28,
       SEL_C = 0x30, SEL_ABSENT = 0x38, SEL_SHORT = 0x40, SEL_BAD_DS = 0x48, SEL_16 = 0x50,
       SEL_INT = 0x58, SEL_GP = 0x60, SEL_CODE16 = 0x68, GATE = 0x70, GDT_END = 0x78 };

extern const uint8_t tasks_start[], tasks_end[], task_b[], task_c[], task_int[], task_gp[],
	task_16[], on_np[], on_ts[];

static uint8_t *ram;

static void descriptor(unsigned int selector, uint32_t base, uint32_t limit, uint8_t access,
		       uint8_t flags)
{
	*(uint64_t *)(ram + GDT + selector) = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 |
		(uint64_t)access << 40 | (uint64_t)(limit >> 16) << 48 |
		(uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

static uint32_t tss_address(unsigned int selector)
{
	return TSS_A + (selector - SEL_A) / 8 * TSS_SIZE;
}

static uint32_t *tss(unsigned int selector, const uint8_t *eip)
{
	uint32_t address = tss_address(selector), i;
	uint32_t *t = (uint32_t *)(ram + address);

	descriptor(selector, address, 0x67, 0x89, 0);
	t[8] = (uintptr_t)eip;
	t[9] = X86_EFLAGS_FIXED;
	t[14] = STACKS + selector * 64;
	for (i = 18; i < 24; i++)
		t[i] = i == 19 ? SEL_CODE : SEL_DATA;
	return t;
}

static void tss16(unsigned int selector, const uint8_t *code)
{
	uint32_t address = tss_address(selector), i;
	uint16_t *t = (uint16_t *)(ram + address);

	descriptor(selector, address, 0x2b, 0x81, 0);
	/* Its code is 16-bit, so it gets a segment that begins there. */
	descriptor(SEL_CODE16, (uintptr_t)code, 0xffff, 0x9b, 0);
	t[8] = X86_EFLAGS_FIXED;
	t[13] = STACKS >> 4;
	for (i = 17; i < 21; i++)
		t[i] = i == 18 ? SEL_CODE16 : SEL_DATA;
}

static void gate(unsigned int vector, uint16_t selector, const uint8_t *offset, uint8_t type)
{
	uint32_t *g = (uint32_t *)(ram + IDT + vector * 8);
	uint32_t address = (uintptr_t)offset;

	g[0] = (uint32_t)selector << 16 | (address & 0xffff);
	g[1] = (address & 0xffff0000) | (uint32_t)type << 8;
}

static void build(struct vm *vm)
{
	uintptr_t page = (uintptr_t)tasks_start;

	ram = vm->ram;
	memcpy(ram + page, tasks_start, tasks_end - tasks_start);
	descriptor(SEL_CODE, 0, 0xfffff, 0x9b, 0xc);
	descriptor(SEL_DATA, 0, 0xfffff, 0x93, 0xc);
	descriptor(SEL_DATA2, 0, 0xfffff, 0x93, 0xc);
	tss(SEL_A, tasks_start);
	descriptor(SEL_A, tss_address(SEL_A), 0x67, 0x8b, 0);
	tss(SEL_B, task_b)[13] = 0xb0b;		/* EBX */
	tss(SEL_C, task_c);
	tss(SEL_INT, task_int);
	tss(SEL_GP, task_gp);
	tss(SEL_ABSENT, task_b);
	descriptor(SEL_ABSENT, tss_address(SEL_ABSENT), 0x67, 0x09, 0);
	tss(SEL_SHORT, task_b);
	descriptor(SEL_SHORT, tss_address(SEL_SHORT), 0x66, 0x89, 0);
	tss(SEL_BAD_DS, task_b)[21] = 0x98;	/* DS: beyond the table */
	tss16(SEL_16, task_16);
	*(uint64_t *)(ram + GDT + GATE) = (uint64_t)SEL_B << 16 | 0x850000000000;
	gate(0x40, SEL_INT, NULL, 0x85);
	gate(13, SEL_GP, NULL, 0x85);
	gate(11, SEL_CODE, on_np, 0x8e);
	gate(10, SEL_CODE, on_ts, 0x8e);
}

static void start(struct vcpu *vcpu)
{
	struct kvm_sregs sregs;

	vcpu_protected_mode(vcpu, (uintptr_t)tasks_start, 0x90000);
	vcpu_get_sregs(vcpu, &sregs);
	sregs.gdt.base = GDT;
	sregs.gdt.limit = GDT_END - 1;
	sregs.idt.base = IDT;
	sregs.idt.limit = 0x7ff;
	sregs.tr = (struct kvm_segment) {
		.base = TSS_A, .limit = 0x67, .selector = SEL_A, .type = 11, .present = 1,
	};
	vcpu_set_sregs(vcpu, &sregs);
}

static uint32_t next_report(struct vcpu *vcpu)
{
	ASSERT_EQ(try_run(vcpu), 0);
	if (vcpu->run->exit_reason != KVM_EXIT_IO || vcpu->run->io.port != END_PORT) {
		ksft_fail(__FILE__, __LINE__, "not a report");
		vcpu_describe(vcpu);
		ksft_abort();
	}
	return guest_sync_value(vcpu);
}

static void test_switches(void)
{
	static const uint32_t expected[] = {
		0x100,
		0xb0b, 8, 0x4000, 0x1111, SEL_A,	/* lcall B; EBX is A's again */
		0x2222, 8, 0x4000, 0x102,		/* through the gate, and B goes on */
		0x1600, 0x103,
		0x400, 0x104,
		0x98, 0x105,				/* #GP in a task: error code */
		SEL_ABSENT, 0x106,			/* #NP */
		SEL_SHORT, 0x107,			/* #TS in A */
		0x98, 0x55, 0x108,			/* #TS in the new task, for its DS */
		0, 0xc0de,
	};
	struct vcpu *vcpu;
	unsigned int i;

	if (host_is_tcg())
		ksft_skip("QEMU ignores the intercept and switches tasks by itself, not always right");
	vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);
	build(vcpu->vm);
	start(vcpu);
	for (i = 0; i < KSFT_ARRAY_SIZE(expected); i++)
		if (!KSFT_COMPARE(next_report(vcpu), expected[i])) {
			ksft_note("report %u", i);
			vcpu_describe(vcpu);
			ksft_abort();
		}
	/* The busy bits: C's alone, since A was left by a jump. */
	EXPECT_EQ(ram[GDT + SEL_A + 5], 0x89);
	EXPECT_EQ(ram[GDT + SEL_B + 5], 0x89);
	EXPECT_EQ(ram[GDT + SEL_C + 5], 0x8b);
}

static const struct ksft_test tests[] = {
	{ "switches", test_switches },
};

const struct ksft_suite tasks_suite = KSFT_SUITE("tasks", tests);
