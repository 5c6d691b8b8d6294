// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: string instructions and port I/O: REP loops with their bounds and
 * their progress, batches, permission.
 */
#include <linux/module.h>

#include "emul_world.h"

#define RAX	KHV_EMUL_RAX
#define RCX	KHV_EMUL_RCX
#define RDX	KHV_EMUL_RDX
#define RSI	KHV_EMUL_RSI
#define RDI	KHV_EMUL_RDI

static struct emul_world *string_world(struct kunit *test, u64 count)
{
	struct emul_world *w = world_create(test, KHV_EMUL_LONG);
	u32 i;

	w->em.regs.gpr[RCX] = count;
	w->em.regs.gpr[RSI] = 0x2000;
	w->em.regs.gpr[RDI] = 0x10000;
	for (i = 0; i < 0x3000; i++)
		w->mem[0x2000 + i] = i ^ (i >> 8);
	return w;
}

/* Longer than one call may take: resumed until done, RIP moving at the end. */
static void emul_rep_movs(struct kunit *test)
{
	struct emul_world *w = string_world(test, 2500);
	int rounds = 1;

	WORLD_CODE_BYTES(w, 0xf3, 0xa4);
	while (world_step(w) == KHV_EMUL_RESTART) {
		KUNIT_EXPECT_EQ(test, w->em.regs.rip, (u64)WORLD_CODE);
		KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RCX], 2500ULL - rounds * KHV_EMUL_MAX_REP);
		rounds++;
	}
	KUNIT_EXPECT_EQ(test, rounds, 3);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RCX], 0ULL);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RSI], 0x2000ULL + 2500);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RDI], 0x10000ULL + 2500);
	KUNIT_EXPECT_EQ(test, w->em.regs.rip, WORLD_CODE + 2ULL);
	KUNIT_EXPECT_EQ(test, memcmp(w->mem + 0x2000, w->mem + 0x10000, 2500), 0);
	KUNIT_EXPECT_EQ(test, w->mem[0x10000 + 2500], 0);
}

static void emul_rep_zero(struct kunit *test)
{
	struct emul_world *w = string_world(test, 0);

	/* Not even a bad address matters. */
	w->em.regs.gpr[RDI] = 1ULL << 60;
	WORLD_CODE_BYTES(w, 0xf3, 0xab);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.rip, WORLD_CODE + 2ULL);
	/* With 32-bit addresses only ECX counts. */
	w->em.regs.gpr[RCX] = 1ULL << 32;
	WORLD_CODE_BYTES(w, 0x67, 0xf3, 0xab);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.rip, WORLD_CODE + 3ULL);
}

static void emul_string_down(struct kunit *test)
{
	struct emul_world *w = string_world(test, 3);

	w->em.regs.rflags |= X86_EFLAGS_DF;
	w->em.regs.gpr[RAX] = 0x1122334455667788ULL;
	WORLD_CODE_BYTES(w, 0xf3, 0x48, 0xab);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RDI], 0x10000ULL - 24);
	KUNIT_EXPECT_EQ(test, w->mem[0x10000 - 16], 0x88);
	KUNIT_EXPECT_EQ(test, w->mem[0x10000 + 7], 0x11);
	KUNIT_EXPECT_EQ(test, w->mem[0x10000 - 17], 0);
}

/* With TF set a trap follows each iteration, with the flags that it left. */
static void emul_rep_trap(struct kunit *test)
{
	struct emul_world *w = string_world(test, 3);

	w->em.regs.rflags |= X86_EFLAGS_TF | X86_EFLAGS_ZF | X86_EFLAGS_CF;
	w->mem[0x10000] = w->mem[0x2000] + 1;
	w->mem[0x10001] = w->mem[0x2001];
	WORLD_CODE_BYTES(w, 0xf2, 0xa6);	/* REPNE CMPSB */
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_RESTART);
	KUNIT_EXPECT_TRUE(test, w->em.trap);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RCX], 2ULL);
	KUNIT_EXPECT_EQ(test, w->em.regs.rip, (u64)WORLD_CODE);
	KUNIT_EXPECT_EQ(test, w->em.regs.rflags & X86_EFLAGS_ZF, 0ULL);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_FALSE(test, w->em.trap);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RCX], 1ULL);
	KUNIT_EXPECT_EQ(test, w->em.regs.rip, WORLD_CODE + 2ULL);
}

/* 16-bit addresses wrap within the segment and keep the upper halves. */
static void emul_string_wrap(struct kunit *test)
{
	struct emul_world *w = string_world(test, 0);

	w->em.mode = KHV_EMUL_REAL;
	w->em.regs.gpr[RDI] = 0x7777ffff;
	w->em.regs.gpr[RCX] = 0x88880002;
	w->em.regs.gpr[RAX] = 0x5a;
	WORLD_CODE_BYTES(w, 0xf3, 0xaa);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RDI], 0x77770001ULL);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RCX], 0x88880000ULL);
	KUNIT_EXPECT_EQ(test, w->mem[0xffff], 0x5a);
	KUNIT_EXPECT_EQ(test, w->mem[0], 0x5a);
}

/* A fault keeps the iterations before it. */
static void emul_rep_fault(struct kunit *test)
{
	struct emul_world *w = string_world(test, 100);

	w->fault_page = 0x11000;
	w->em.regs.gpr[RDI] = 0x11000 - 40;
	WORLD_CODE_BYTES(w, 0xf3, 0xa5);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_FAULT);
	KUNIT_EXPECT_EQ(test, w->em.exc.address, 0x11000ULL);
	KUNIT_EXPECT_EQ(test, w->em.regs.rip, (u64)WORLD_CODE);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RCX], 90ULL);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RDI], 0x11000ULL);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RSI], 0x2000ULL + 40);
	w->fault_page = WORLD_NO_FAULT;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, memcmp(w->mem + 0x2000, w->mem + 0x11000 - 40, 400), 0);
}

static void emul_rep_compare(struct kunit *test)
{
	struct emul_world *w = string_world(test, 200);

	memcpy(w->mem + 0x10000, w->mem + 0x2000, 100);
	WORLD_CODE_BYTES(w, 0xf3, 0xa6);			/* repe cmpsb */
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RCX], 99ULL);
	KUNIT_EXPECT_FALSE(test, w->em.regs.rflags & X86_EFLAGS_ZF);
	WORLD_CODE_BYTES(w, 0xf2, 0xae);			/* repne scasb */
	w->em.regs.gpr[RDI] = 0x2000;
	w->em.regs.gpr[RCX] = 200;
	w->em.regs.gpr[RAX] = 0x41;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RDI], 0x2000ULL + 0x42);
	KUNIT_EXPECT_TRUE(test, w->em.regs.rflags & X86_EFLAGS_ZF);
}

/* Device memory: one iteration at a time, each with its own trip. */
static void emul_rep_mmio(struct kunit *test)
{
	struct emul_world *w = string_world(test, 3);
	int trips, total = 0, rc;

	w->em.regs.gpr[RSI] = WORLD_MMIO;
	WORLD_CODE_BYTES(w, 0xf3, 0xa5);
	do {
		rc = world_run(w, &trips);
		KUNIT_EXPECT_EQ(test, trips, 1);
	} while (rc == KHV_EMUL_RESTART && total++ < 5);
	KUNIT_EXPECT_EQ(test, rc, KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, total, 2);
	KUNIT_EXPECT_EQ(test, w->mem[0x10000 + 11], world_device_byte(WORLD_MMIO + 11));
	/* From memory to the device: the write is posted, then a pause. */
	w->em.regs.gpr[RSI] = 0x2000;
	w->em.regs.gpr[RDI] = WORLD_MMIO;
	w->em.regs.gpr[RCX] = 2;
	w->em.regs.rip = WORLD_CODE;
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_RESTART);
	KUNIT_EXPECT_EQ(test, w->nr_writes, 1);
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->nr_writes, 2);
}

/* Memory first, then the device: progress is kept, the device asked once. */
static void emul_rep_into_mmio(struct kunit *test)
{
	struct emul_world *w = string_world(test, 4);

	/* The last two of four elements are device memory. */
	w->fault_page = WORLD_NO_FAULT;
	w->em.regs.gpr[RSI] = WORLD_MMIO + 8;
	w->em.regs.rflags |= X86_EFLAGS_DF;
	w->em.regs.gpr[RCX] = 2;
	WORLD_CODE_BYTES(w, 0xf3, 0xad);			/* rep lodsl */
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_IO_NEEDED);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RCX], 2ULL);
	KUNIT_EXPECT_EQ(test, w->pending.addr, WORLD_MMIO + 8);
}

static void emul_outs_batch(struct kunit *test)
{
	struct emul_world *w = string_world(test, 100);

	w->port_in_kernel = true;
	w->em.regs.gpr[RSI] = 0x3000 - 60;
	w->em.regs.gpr[RDX] = 0x3f8;
	WORLD_CODE_BYTES(w, 0xf3, 0x6e);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->port_bytes, 100U);
	/* What is left of the page, then the rest. */
	KUNIT_EXPECT_EQ(test, w->port_first, 60U);
	KUNIT_EXPECT_EQ(test, w->port_calls, 2U);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RSI], 0x3000ULL + 40);
	/* Downwards there are no batches. */
	w->port_calls = 0;
	w->em.regs.rflags |= X86_EFLAGS_DF;
	w->em.regs.gpr[RCX] = 5;
	w->em.regs.rip = WORLD_CODE;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->port_calls, 5U);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RSI], 0x3000ULL + 35);
}

static void emul_ins_userspace(struct kunit *test)
{
	struct emul_world *w = string_world(test, 300);
	struct khv_emul_regs before = w->em.regs;

	w->em.regs.gpr[RDX] = 0x1f0;
	before = w->em.regs;
	WORLD_CODE_BYTES(w, 0xf3, 0x66, 0x6d);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_IO_NEEDED);
	KUNIT_EXPECT_EQ(test, memcmp(&before, &w->em.regs, sizeof(before)), 0);
	w->port_answered = true;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->port_calls, 1U);
	KUNIT_EXPECT_EQ(test, w->port_bytes, 600U);
	KUNIT_EXPECT_EQ(test, w->mem[0x10000 + 599], 0xf0);
	KUNIT_EXPECT_EQ(test, w->mem[0x10000 + 600], 0);
}

/* The port is not read when the data would have nowhere to go. */
static void emul_ins_fault(struct kunit *test)
{
	struct emul_world *w = string_world(test, 10);

	w->port_in_kernel = true;
	w->read_only_page = 0x10000;
	WORLD_CODE_BYTES(w, 0xf3, 0x6c);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_FAULT);
	KUNIT_EXPECT_EQ(test, w->em.exc.vector, KHV_EXC_PF);
	KUNIT_EXPECT_EQ(test, w->port_calls, 0U);
	/* An element across the boundary of a writable and a missing page. */
	w->read_only_page = WORLD_NO_FAULT;
	w->fault_page = 0x11000;
	w->em.regs.gpr[RDI] = 0x11000 - 2;
	WORLD_CODE_BYTES(w, 0x6d);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_FAULT);
	KUNIT_EXPECT_EQ(test, w->port_calls, 0U);
}

static void emul_ins_mmio(struct kunit *test)
{
	struct emul_world *w = string_world(test, 2);
	int trips;

	w->port_in_kernel = true;
	w->em.regs.gpr[RDI] = WORLD_MMIO;
	WORLD_CODE_BYTES(w, 0xf3, 0x6d);
	KUNIT_EXPECT_EQ(test, world_run(w, &trips), KHV_EMUL_RESTART);
	KUNIT_EXPECT_EQ(test, w->port_calls, 1U);
	KUNIT_EXPECT_EQ(test, w->nr_writes, 1);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RCX], 1ULL);
}

static void emul_in_out(struct kunit *test)
{
	struct emul_world *w = string_world(test, 0);

	w->em.regs.gpr[RAX] = ~0ULL;
	w->em.regs.gpr[RDX] = 0x12340071;
	WORLD_CODE_BYTES(w, 0xec);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_IO_NEEDED);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], ~0ULL);
	w->port_answered = true;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], ~0ULL << 8 | 0x71);
	WORLD_CODE_BYTES(w, 0x48, 0xe5, 0x44);			/* in $0x44, %eax */
	w->port_answered = true;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RAX], 0x44444444ULL);
	WORLD_CODE_BYTES(w, 0x66, 0xe7, 0x80);			/* out %ax, $0x80 */
	w->port_bytes = 0;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	KUNIT_EXPECT_EQ(test, w->port_bytes, 2U);
}

static void emul_io_permission(struct kunit *test)
{
	struct emul_world *w = string_world(test, 4);

	w->port_in_kernel = true;
	w->io_denied = true;
	WORLD_CODE_BYTES(w, 0xee);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	w->em.cpl = 3;
	w->em.regs.rip = WORLD_CODE;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_FAULT);
	KUNIT_EXPECT_EQ(test, w->em.exc.vector, KHV_EXC_GP);
	w->em.regs.rflags |= X86_EFLAGS_IOPL;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_OK);
	/* In virtual-8086 mode IOPL does not help. */
	w->em.mode = KHV_EMUL_VM86;
	w->em.regs.rip = WORLD_CODE;
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_FAULT);
	WORLD_CODE_BYTES(w, 0xf3, 0x6e);
	KUNIT_EXPECT_EQ(test, world_step(w), KHV_EMUL_FAULT);
	KUNIT_EXPECT_EQ(test, w->em.regs.gpr[RCX], 4ULL);
}

static struct kunit_case emul_string_cases[] = {
	KUNIT_CASE(emul_rep_movs),
	KUNIT_CASE(emul_rep_zero),
	KUNIT_CASE(emul_rep_trap),
	KUNIT_CASE(emul_string_down),
	KUNIT_CASE(emul_string_wrap),
	KUNIT_CASE(emul_rep_fault),
	KUNIT_CASE(emul_rep_compare),
	KUNIT_CASE(emul_rep_mmio),
	KUNIT_CASE(emul_rep_into_mmio),
	KUNIT_CASE(emul_outs_batch),
	KUNIT_CASE(emul_ins_userspace),
	KUNIT_CASE(emul_ins_fault),
	KUNIT_CASE(emul_ins_mmio),
	KUNIT_CASE(emul_in_out),
	KUNIT_CASE(emul_io_permission),
	{}
};

static struct kunit_suite emul_string_suite = {
	.name = "khv_emul_string",
	.test_cases = emul_string_cases,
};

kunit_test_suite(emul_string_suite);

MODULE_DESCRIPTION("Tests of khv's instruction emulator");
MODULE_LICENSE("GPL");
