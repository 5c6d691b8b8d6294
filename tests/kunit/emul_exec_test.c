// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: execution. Device memory with its trips to userspace, faults that must
 * leave no trace, segmentation, stack, branches, locked instructions, SSE.
 */
#include "emul_world.h"

#define RAX	KHV_EMUL_RAX
#define RBX	KHV_EMUL_RBX
#define RCX	KHV_EMUL_RCX
#define RDX	KHV_EMUL_RDX
#define RSP	KHV_EMUL_RSP

static u64 device_value(u64 addr, u32 len)
{
	u64 val = 0;
	u32 i;

	for (i = 0; i < len; i++)
		val |= (u64)world_device_byte(addr + i) << (i * 8);
	return val;
}

static void put(struct emul_world *w, u64 addr, u64 val)
{
	memcpy(w->mem + addr, &val, sizeof(val));
}

static u64 get(struct emul_world *w, u64 addr)
{
	u64 val;

	memcpy(&val, w->mem + addr, sizeof(val));
	return val;
}

static void expect_fault(struct emul_world *w, u8 vector)
{
	struct khv_emul_regs before = w->em.regs;
	struct kunit *test = w->test;

	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_FAULT);
	KUNIT_EXPECT_EQ(test, w->em.exc.vector, vector);
	KUNIT_EXPECT_EQ(test, memcmp(&before, &w->em.regs, sizeof(before)), 0);
}

/* mov (%rbx), %rax: nothing happens until userspace has answered. */
static void emul_mmio_read(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);
	struct khv_emul_regs before;
	int trips;

	WORLD_CODE_BYTES(w, 0x48, 0x8b, 0x03);
	w->em.regs.gpr[RBX] = WORLD_MMIO + 0x10;
	before = w->em.regs;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_IO_NEEDED);
	KUNIT_EXPECT_EQ(test, memcmp(&before, &w->em.regs, sizeof(before)), 0);
	KUNIT_EXPECT_EQ(test, w->pending.addr, WORLD_MMIO + 0x10);
	KUNIT_EXPECT_EQ(test, w->pending.len, 8U);
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, trips, 1);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], device_value(WORLD_MMIO + 0x10, 8));
	KUNIT_EXPECT_EQ(test, w->em.regs.rip, WORLD_CODE + 3);
}

/* add %eax, (%rbx): a trip for the read, the write is posted once. */
static void emul_mmio_read_modify_write(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);
	u32 sum, written;
	int trips;

	WORLD_CODE_BYTES(w, 0x01, 0x03);
	w->em.regs.gpr[RAX] = 0x1111;
	w->em.regs.gpr[RBX] = WORLD_MMIO;
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, trips, 1);
	KUNIT_ASSERT_EQ(test, w->nr_writes, 1);
	sum = (u32)device_value(WORLD_MMIO, 4) + 0x1111;
	memcpy(&written, w->writes[0].data, 4);
	KUNIT_EXPECT_EQ(test, written, sum);
	KUNIT_EXPECT_EQ(test, w->writes[0].len, 4U);
}

/* cmps between two device addresses needs both reads, in order. */
static void emul_mmio_two_reads(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);
	int trips;

	WORLD_CODE_BYTES(w, 0xa7);
	w->em.regs.gpr[KHV_EMUL_RSI] = WORLD_MMIO;
	w->em.regs.gpr[KHV_EMUL_RDI] = WORLD_MMIO + 0x100;
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, trips, 2);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[KHV_EMUL_RSI], WORLD_MMIO + 4);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[KHV_EMUL_RDI], WORLD_MMIO + 0x104);
}

/* Every kind of load and store that drivers use on registers. */
static void emul_mmio_forms(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);
	u64 v = device_value(WORLD_MMIO, 8);
	int trips;

	w->em.regs.gpr[RBX] = WORLD_MMIO;
	WORLD_CODE_BYTES(w, 0x0f, 0xb6, 0x03);		/* movzbl */
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], v & 0xff);
	WORLD_CODE_BYTES(w, 0x48, 0x0f, 0xbf, 0x03);	/* movswq */
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], (u64)(s16)v);
	WORLD_CODE_BYTES(w, 0x48, 0x63, 0x03);		/* movslq */
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], (u64)(s32)v);
	w->em.regs.gpr[RAX] = ~0ULL;
	WORLD_CODE_BYTES(w, 0x8b, 0x03);		/* movl clears the rest */
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], (u64)(u32)v);
	w->em.regs.gpr[RAX] = ~0ULL;
	WORLD_CODE_BYTES(w, 0x8a, 0x23);		/* movb to AH */
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], (~0ULL & ~0xff00ULL) | (v & 0xff) << 8);
	WORLD_CODE_BYTES(w, 0x0f, 0x38, 0xf0, 0x03);	/* movbe */
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], (u64)swab32((u32)v));
	WORLD_CODE_BYTES(w, 0xf7, 0x03, 1, 0, 0, 0);	/* testl */
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->nr_writes, 0);
	WORLD_CODE_BYTES(w, 0x48, 0xc7, 0x03, 0xff, 0xff, 0xff, 0xff);	/* movq $-1 */
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, trips, 0);
	KUNIT_ASSERT_EQ(test, w->nr_writes, 1);
	KUNIT_EXPECT_EQ(test, w->writes[0].len, 8U);
	KUNIT_EXPECT_EQ(test, w->writes[0].data[7], 0xff);
}

/* No instruction that faults on its operand may change a register. */
static void emul_fault_leaves_no_trace(struct kunit *test)
{
	static const u8 code[][8] = {
		{ 0x48, 0x8b, 0x03 }, { 0x48, 0x89, 0x03 }, { 0x01, 0x03 }, { 0x87, 0x03 },
		{ 0x0f, 0xb1, 0x03 }, { 0xf0, 0x0f, 0xb1, 0x03 }, { 0x0f, 0xc1, 0x03 },
		{ 0x0f, 0xc7, 0x0b }, { 0xff, 0x33 }, { 0x8f, 0x03 }, { 0xff, 0x13 },
		{ 0xff, 0x23 }, { 0xf7, 0x3b }, { 0xf7, 0x23 }, { 0x0f, 0xab, 0x03 },
		{ 0xd3, 0x23 }, { 0x0f, 0xa5, 0x03 }, { 0x0f, 0x94, 0x03 },
		{ 0x0f, 0x44, 0x03 }, { 0x0f, 0xbc, 0x03 }, { 0x0f, 0xaf, 0x03 },
		{ 0x0f, 0x10, 0x03 }, { 0x0f, 0x11, 0x03 }, { 0xfe, 0x03 }, { 0xf6, 0x1b },
	};
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);
	int i;

	w->fault_page = WORLD_DATA;
	for (i = 0; i < ARRAY_SIZE(code); i++) {
		world_code(w, code[i], sizeof(code[i]));
		w->em.regs.gpr[RBX] = WORLD_DATA + 0x100;
		expect_fault(w, KHV_EXC_PF);
		KUNIT_EXPECT_EQ(test, w->em.exc.address, WORLD_DATA + 0x100ULL);
		/* An operand that only ends in the page. */
		w->em.regs.gpr[RBX] = WORLD_DATA - 1;
		if (w->em.insn.mem.kind && i != 17 && i < 23) {
			expect_fault(w, KHV_EXC_PF);
			KUNIT_EXPECT_EQ(test, w->em.exc.address, (u64)WORLD_DATA);
		}
	}
}

/* A read-modify-write of a page that cannot be written fails before the read. */
static void emul_fault_read_only(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);

	w->read_only_page = WORLD_DATA;
	w->em.regs.gpr[RBX] = WORLD_DATA;
	WORLD_CODE_BYTES(w, 0x01, 0x03);
	expect_fault(w, KHV_EXC_PF);
	KUNIT_EXPECT_EQ(test, w->em.exc.error, 3U);
	/* A comparison writes nothing. */
	WORLD_CODE_BYTES(w, 0x39, 0x03);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
}

static void emul_lock(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);
	struct khv_emul_regs before;

	w->em.regs.gpr[RBX] = WORLD_DATA;
	w->em.regs.gpr[RCX] = 5;
	put(w, WORLD_DATA, 10);
	WORLD_CODE_BYTES(w, 0xf0, 0x48, 0x0f, 0xc1, 0x0b);	/* lock xadd %rcx, (%rbx) */
	before = w->em.regs;
	/* Somebody else was faster: the guest tries again. */
	w->swap_fails = true;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_RESTART);
	KUNIT_EXPECT_EQ(test, memcmp(&before, &w->em.regs, sizeof(before)), 0);
	w->swap_fails = false;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, get(w, WORLD_DATA), 15ULL);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RCX], 10ULL);
	/* XCHG with memory locks without the prefix. */
	w->swap_fails = true;
	WORLD_CODE_BYTES(w, 0x48, 0x87, 0x0b);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_RESTART);
}

static void emul_cmpxchg(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);

	w->em.regs.gpr[RBX] = WORLD_DATA;
	w->em.regs.gpr[RCX] = 0x77;
	w->em.regs.gpr[RAX] = 1;
	put(w, WORLD_DATA, 2);
	WORLD_CODE_BYTES(w, 0xf0, 0x48, 0x0f, 0xb1, 0x0b);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_FALSE(test, w->em.regs.rflags & X86_EFLAGS_ZF);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], 2ULL);
	w->em.regs.rip = WORLD_CODE;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_TRUE(test, w->em.regs.rflags & X86_EFLAGS_ZF);
	KUNIT_EXPECT_EQ(test, get(w, WORLD_DATA), 0x77ULL);
}

/* A device sees the write of a failed comparison too. */
static void emul_cmpxchg_mmio(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);
	u64 written;
	int trips;

	w->em.regs.gpr[RBX] = WORLD_MMIO;
	w->em.regs.gpr[RCX] = 0x77;
	WORLD_CODE_BYTES(w, 0xf0, 0x48, 0x0f, 0xb1, 0x0b);
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, trips, 1);
	KUNIT_ASSERT_EQ(test, w->nr_writes, 1);
	memcpy(&written, w->writes[0].data, 8);
	KUNIT_EXPECT_EQ(test, written, device_value(WORLD_MMIO, 8));
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], device_value(WORLD_MMIO, 8));
}

static void emul_cmpxchg_pair(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);

	w->em.regs.gpr[KHV_EMUL_RSI] = WORLD_DATA;
	put(w, WORLD_DATA, 0x1111);
	put(w, WORLD_DATA + 8, 0x2222);
	w->em.regs.gpr[RBX] = 0x3333;
	w->em.regs.gpr[RCX] = 0x4444;
	WORLD_CODE_BYTES(w, 0x48, 0x0f, 0xc7, 0x0e);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_FALSE(test, w->em.regs.rflags & X86_EFLAGS_ZF);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], 0x1111ULL);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RDX], 0x2222ULL);
	w->em.regs.rip = WORLD_CODE;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_TRUE(test, w->em.regs.rflags & X86_EFLAGS_ZF);
	KUNIT_EXPECT_EQ(test, get(w, WORLD_DATA), 0x3333ULL);
	KUNIT_EXPECT_EQ(test, get(w, WORLD_DATA + 8), 0x4444ULL);
	w->em.regs.rip = WORLD_CODE;
	w->em.regs.gpr[KHV_EMUL_RSI]++;
	expect_fault(w, KHV_EXC_GP);
}

/* A bit offset in a register is signed and reaches far from the operand. */
static void emul_bit_offset(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);

	w->em.regs.gpr[RBX] = WORLD_DATA;
	w->em.regs.gpr[RAX] = -1;
	WORLD_CODE_BYTES(w, 0x0f, 0xab, 0x03);			/* bts %eax, (%rbx) */
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->mem[WORLD_DATA - 1], 0x80);
	w->em.regs.rip = WORLD_CODE;
	w->em.regs.gpr[RAX] = 8 * 100 + 2;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->mem[WORLD_DATA + 100], 4);
	KUNIT_EXPECT_FALSE(test, w->em.regs.rflags & X86_EFLAGS_CF);
	w->em.regs.rip = WORLD_CODE;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_TRUE(test, w->em.regs.rflags & X86_EFLAGS_CF);
	/* An immediate stays within the operand. */
	WORLD_CODE_BYTES(w, 0x0f, 0xba, 0x2b, 33);		/* bts $33, (%rbx) */
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->mem[WORLD_DATA], 2);
}

static void emul_divide_error(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);

	w->em.regs.gpr[RBX] = WORLD_DATA;
	w->em.regs.gpr[RAX] = 100;
	WORLD_CODE_BYTES(w, 0xf7, 0x33);
	expect_fault(w, KHV_EXC_DE);
	KUNIT_EXPECT_FALSE(test, w->em.exc.has_error);
	put(w, WORLD_DATA, 7);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], 14ULL);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RDX], 2ULL);
}

static void emul_stack(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);

	w->em.regs.gpr[RBX] = WORLD_DATA;
	put(w, WORLD_DATA, 0x123456789abcdef0ULL);
	WORLD_CODE_BYTES(w, 0xff, 0x33);			/* push (%rbx) */
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RSP], WORLD_STACK - 8);
	KUNIT_EXPECT_EQ(test, get(w, WORLD_STACK - 8), 0x123456789abcdef0ULL);
	/* pop 8(%rsp): the address is computed after the increment. */
	WORLD_CODE_BYTES(w, 0x8f, 0x44, 0x24, 8);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RSP], (u64)WORLD_STACK);
	KUNIT_EXPECT_EQ(test, get(w, WORLD_STACK + 8), 0x123456789abcdef0ULL);
	/* A push that cannot write leaves the stack pointer. */
	w->fault_page = (WORLD_STACK - 1) & PAGE_MASK;
	WORLD_CODE_BYTES(w, 0xff, 0x33);
	expect_fault(w, KHV_EXC_PF);
	KUNIT_EXPECT_EQ(test, w->em.exc.error, 2U);
}

/* 16-bit stack in 32-bit code: SP wraps, ESP keeps its upper half. */
static void emul_stack_width(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_PROT32);

	w->segs[KHV_EMUL_SS].db = false;
	w->em.regs.gpr[RSP] = 0x50002;
	w->em.regs.gpr[RAX] = 0xaabbccdd;
	WORLD_CODE_BYTES(w, 0x50);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RSP], 0x5fffeULL);
	KUNIT_EXPECT_EQ(test, get(w, 0xfffe) & 0xffffffff, 0xaabbccddULL);
}

static void emul_branch(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);

	w->em.regs.gpr[RBX] = WORLD_DATA;
	put(w, WORLD_DATA, 0x4321);
	WORLD_CODE_BYTES(w, 0xff, 0x13);			/* call *(%rbx) */
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.rip, 0x4321ULL);
	KUNIT_EXPECT_EQ(test, get(w, WORLD_STACK - 8), WORLD_CODE + 2ULL);
	WORLD_CODE_BYTES(w, 0xc3);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.rip, WORLD_CODE + 2ULL);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RSP], (u64)WORLD_STACK);
	/* A target that is no address: nothing is pushed. */
	put(w, WORLD_DATA, 1ULL << 60);
	WORLD_CODE_BYTES(w, 0xff, 0x13);
	expect_fault(w, KHV_EXC_GP);
	/* Beyond the code segment. */
	w = world_create(test, KHV_EMUL_PROT32);
	w->segs[KHV_EMUL_CS].limit = 0xffff;
	w->em.regs.gpr[RBX] = WORLD_DATA;
	put(w, WORLD_DATA, 0x10000);
	WORLD_CODE_BYTES(w, 0xff, 0x23);			/* jmp *(%ebx) */
	expect_fault(w, KHV_EXC_GP);
}

static void emul_segments(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_PROT32);
	struct khv_emul_segment *ds = &w->segs[KHV_EMUL_DS];

	w->em.regs.gpr[RBX] = 0x100;
	ds->base = WORLD_DATA;
	ds->limit = 0x103;
	put(w, WORLD_DATA + 0x100, 0x55);
	WORLD_CODE_BYTES(w, 0x8b, 0x03);			/* mov (%ebx), %eax */
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], 0x55ULL);
	w->em.regs.rip = WORLD_CODE;
	ds->limit = 0x102;
	expect_fault(w, KHV_EXC_GP);
	KUNIT_EXPECT_TRUE(test, w->em.exc.has_error);
	/* Expand-down: what lies above the limit is inside. */
	ds->type = 7;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_FAULT);
	ds->limit = 0xff;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	w->em.regs.rip = WORLD_CODE;
	w->em.regs.gpr[RBX] = 0xfffe;
	ds->db = false;
	expect_fault(w, KHV_EXC_GP);
	/* Read-only data, execute-only code, null selector. */
	w->em.regs.gpr[RBX] = 0x100;
	ds->limit = ~0U;
	ds->type = 1;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	WORLD_CODE_BYTES(w, 0x89, 0x03);
	expect_fault(w, KHV_EXC_GP);
	WORLD_CODE_BYTES(w, 0x8b, 0x03);
	ds->type = 9;
	expect_fault(w, KHV_EXC_GP);
	ds->type = 3;
	ds->unusable = true;
	expect_fault(w, KHV_EXC_GP);
	/* The stack segment has its own exception. */
	w->segs[KHV_EMUL_SS].limit = 0xff;
	WORLD_CODE_BYTES(w, 0x8b, 0x45, 0);
	w->em.regs.gpr[KHV_EMUL_RBP] = 0x100;
	expect_fault(w, KHV_EXC_SS);
}

static void emul_real_mode(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_REAL);

	w->segs[KHV_EMUL_DS].base = 0x10000;
	w->segs[KHV_EMUL_DS].limit = 0xffff;
	w->em.regs.gpr[RBX] = 0x5678fffe;
	WORLD_CODE_BYTES(w, 0x8b, 0x07);			/* mov (%bx), %ax */
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	/* An operand that would wrap is a fault without error code. */
	w->em.regs.gpr[RBX] = 0xffff;
	w->em.regs.rip = WORLD_CODE;
	expect_fault(w, KHV_EXC_GP);
	KUNIT_EXPECT_FALSE(test, w->em.exc.has_error);
}

static void emul_canonical(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);

	w->em.regs.gpr[RBX] = 0x00007ffffffffffdULL;
	WORLD_CODE_BYTES(w, 0x8b, 0x03);
	expect_fault(w, KHV_EXC_GP);
	w->em.regs.gpr[KHV_EMUL_RBP] = 1ULL << 63;
	WORLD_CODE_BYTES(w, 0x8b, 0x45, 0);
	expect_fault(w, KHV_EXC_SS);
	/* FS and GS have a base, the others do not. */
	w->segs[KHV_EMUL_GS].base = WORLD_DATA;
	w->segs[KHV_EMUL_DS].base = 0x123;
	put(w, WORLD_DATA + 8, 99);
	w->em.regs.gpr[RBX] = 8;
	WORLD_CODE_BYTES(w, 0x65, 0x48, 0x8b, 0x03);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], 99ULL);
}

static void emul_alignment(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);

	w->em.regs.gpr[RBX] = WORLD_DATA + 2;
	w->em.cr0 |= X86_CR0_AM;
	w->em.regs.rflags |= X86_EFLAGS_AC;
	WORLD_CODE_BYTES(w, 0x8b, 0x03);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	w->em.regs.rip = WORLD_CODE;
	w->em.cpl = 3;
	expect_fault(w, KHV_EXC_AC);
	KUNIT_EXPECT_TRUE(test, w->em.exc.has_error);
	WORLD_CODE_BYTES(w, 0x66, 0x8b, 0x03);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
}

static void emul_sse(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);
	int trips;

	memset(w->xmm, 0xee, sizeof(w->xmm));
	w->em.regs.gpr[RBX] = WORLD_MMIO;
	WORLD_CODE_BYTES(w, 0x44, 0x0f, 0x10, 0x0b);		/* movups (%rbx), %xmm9 */
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->xmm[9][15], world_device_byte(WORLD_MMIO + 15));
	KUNIT_EXPECT_EQ(test, w->xmm[8][15], 0xee);
	WORLD_CODE_BYTES(w, 0xf3, 0x0f, 0x10, 0x0b);		/* movss clears the rest */
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->xmm[1][3], world_device_byte(WORLD_MMIO + 3));
	KUNIT_EXPECT_EQ(test, w->xmm[1][4], 0);
	WORLD_CODE_BYTES(w, 0x0f, 0x16, 0x13);			/* movhps keeps the rest */
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->xmm[2][0], 0xee);
	KUNIT_EXPECT_EQ(test, w->xmm[2][8], world_device_byte(WORLD_MMIO));
	WORLD_CODE_BYTES(w, 0x66, 0x0f, 0xe7, 0x1b);		/* movntdq */
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->nr_writes, 1);
	KUNIT_EXPECT_EQ(test, w->writes[0].len, 16U);
	/* Alignment, and what CR0 and CR4 forbid. */
	w->em.regs.gpr[RBX]++;
	WORLD_CODE_BYTES(w, 0x0f, 0x28, 0x0b);			/* movaps */
	expect_fault(w, KHV_EXC_GP);
	w->em.cr0 |= X86_CR0_TS;
	expect_fault(w, KHV_EXC_NM);
	w->em.cr4 = 0;
	expect_fault(w, KHV_EXC_UD);
}

/* What is not supported says so, and is not mistaken for an exception. */
static void emul_unhandleable(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);

	WORLD_CODE_BYTES(w, 0x0f, 0xa2);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_UNHANDLEABLE);
	KUNIT_EXPECT_EQ(test, w->em.insn.length, 2);
	WORLD_CODE_BYTES(w, 0xc5, 0xfd, 0x6f, 0x03);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_UNHANDLEABLE);
	/* Code in device memory. */
	w->em.regs.rip = WORLD_MMIO;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_UNHANDLEABLE);
}

static void emul_resume_flag(struct kunit *test)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);

	w->em.regs.rflags |= X86_EFLAGS_RF;
	WORLD_CODE_BYTES(w, 0x0f, 0x1f, 0x00);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_FALSE(test, w->em.regs.rflags & X86_EFLAGS_RF);
}

static struct kunit_case emul_exec_cases[] = {
	KUNIT_CASE(emul_mmio_read),
	KUNIT_CASE(emul_mmio_read_modify_write),
	KUNIT_CASE(emul_mmio_two_reads),
	KUNIT_CASE(emul_mmio_forms),
	KUNIT_CASE(emul_fault_leaves_no_trace),
	KUNIT_CASE(emul_fault_read_only),
	KUNIT_CASE(emul_lock),
	KUNIT_CASE(emul_cmpxchg),
	KUNIT_CASE(emul_cmpxchg_mmio),
	KUNIT_CASE(emul_cmpxchg_pair),
	KUNIT_CASE(emul_bit_offset),
	KUNIT_CASE(emul_divide_error),
	KUNIT_CASE(emul_stack),
	KUNIT_CASE(emul_stack_width),
	KUNIT_CASE(emul_branch),
	KUNIT_CASE(emul_segments),
	KUNIT_CASE(emul_real_mode),
	KUNIT_CASE(emul_canonical),
	KUNIT_CASE(emul_alignment),
	KUNIT_CASE(emul_sse),
	KUNIT_CASE(emul_unhandleable),
	KUNIT_CASE(emul_resume_flag),
	{}
};

static struct kunit_suite emul_exec_suite = {
	.name = "khv_emul_exec",
	.test_cases = emul_exec_cases,
};

kunit_test_suite(emul_exec_suite);
