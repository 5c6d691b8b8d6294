// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a 64-bit guest reaches its page tables to write them: through themselves,
 * through large pages, by all kinds of instructions, as a stack, from another
 * processor; and tables that translate the very code that changes them.
 */
#include <pthread.h>
#include <sched.h>

#include "pagetables.h"

static volatile uint64_t spare_pdpt[512] __aligned(4096);
static volatile uint64_t spare_pd[512] __aligned(4096);
static volatile uint64_t spare_pt[512] __aligned(4096);

/* PML4 entries through which the PML4 maps itself: entries appear as memory. */
#define SELF	300UL
#define SELF2	301UL

static volatile uint64_t *entry_through(uint64_t self, uint64_t va, unsigned int level)
{
	for (; level; level--)
		va = 0xffff000000000000UL | self << 39 | (va >> 9 & 0x7ffffffff8UL);
	return (uint64_t *)va;
}

static void guest_recursive(void)
{
	volatile uint64_t *pte = entry_through(SELF, VIEW, 1);
	volatile uint64_t *pde = entry_through(SELF, VIEW, 2);
	volatile uint64_t *pdpte = entry_through(SELF, VIEW, 3);
	volatile uint64_t *pml4e = entry_through(SELF, VIEW, 4);
	unsigned int i;

	view_start();
	guest_pml4[SELF] = (uintptr_t)guest_pml4 | RW;
	spare_pd[0] = (uintptr_t)view_pt | RWU;
	spare_pdpt[0] = (uintptr_t)view_pd | RWU;
	for (i = 0; i < 40; i++) {
		GUEST_EQ(*pml4e & -4096UL, (uintptr_t)view_pdpt);
		*pte = FRAME(i) | RW;
		GUEST_EQ(view_pt[0], FRAME(i) | RW);
		invlpg((void *)VIEW);
		SEES(VIEW, i);
		GUEST_EQ(*pte & (PTE_A | PTE_D), PTE_A);
		*(volatile uint64_t *)(VIEW + 8) = i;
		GUEST_EQ(*pte & (PTE_A | PTE_D), PTE_A | PTE_D);

		/* Another page table, directory, and pointer table; then what was there. */
		spare_pt[0] = FRAME(i + 1) | RW;
		*pde = (uintptr_t)spare_pt | RWU;
		flush();
		SEES(VIEW, i + 1);
		GUEST_EQ(*pte & -4096UL, FRAME(i + 1));
		*pdpte = (uintptr_t)spare_pd | RWU;
		flush();
		SEES(VIEW, i);
		*pml4e = (uintptr_t)spare_pdpt | RWU;
		flush();
		SEES(VIEW, i + 1);
		GUEST_EQ(*pdpte & -4096UL, (uintptr_t)view_pd);
		*pml4e = (uintptr_t)view_pdpt | RWU;
		flush();
		*pdpte = (uintptr_t)view_pd | RWU;
		flush();
		*pde = (uintptr_t)view_pt | RWU;
		flush();
		SEES(VIEW, i);
		/* Not present to present, seen at once. */
		*pml4e = 0;
		flush();
		GUEST_EQ(read_at(VIEW), 0);
		GUEST_EQ(read_at((uintptr_t)pte), 0);
		*pml4e = (uintptr_t)view_pdpt | RWU;
		SEES(VIEW, i);
	}
}

static void test_recursive(void)
{
	guest_test(0, guest_recursive);
}

/* The self-map's own entry, through the self-map. */
static void guest_self_entry(void)
{
	volatile uint64_t *self = entry_through(SELF, 0, 4) + SELF;
	volatile uint64_t *self2 = self + (SELF2 - SELF);
	volatile uint64_t *first_by_second = entry_through(SELF2, 0, 4) + SELF;
	unsigned int i;

	view_start();
	for (i = 0; i < 20; i++) {
		guest_pml4[SELF] = (uintptr_t)guest_pml4 | RW;
		guest_pml4[SELF2] = 0;
		flush();
		*self |= 1 << 9;
		GUEST_EQ(guest_pml4[SELF] >> 9 & 7, 1);
		*self2 = (uintptr_t)guest_pml4 | RW;
		SEES(VIEW, 0);
		GUEST_EQ(*first_by_second >> 9 & 7, 1);
		*self2 &= ~PTE_W;
		flush();
		GUEST_EQ(write_at((uintptr_t)first_by_second), 3);
		*self2 |= PTE_W;
		flush();
		*first_by_second = 0;
		flush();
		GUEST_EQ(read_at((uintptr_t)self), 0);
		GUEST_EQ(guest_pml4[SELF], 0);
		*first_by_second = (uintptr_t)guest_pml4 | RW;
		GUEST_EQ(*self & -4096UL, (uintptr_t)guest_pml4);
		/* Gone by its own hand. */
		*self = 0;
		flush();
		GUEST_EQ(read_at((uintptr_t)self), 0);
	}
}

static void test_self_entry(void)
{
	guest_test(0, guest_self_entry);
}

/* Tables that lie in large pages, one of which maps the directory that maps it. */
static void guest_in_large_page(void)
{
	uint64_t large = (uintptr_t)view_pd & -PT_SPAN, va = VIEW + 2 * PT_SPAN;
	volatile uint64_t *pd = (uint64_t *)(va + ((uintptr_t)view_pd - large));
	volatile uint64_t *pt = (uint64_t *)(VIEW + PT_SPAN + 100 * 4096);
	unsigned int i;

	view_start();
	view_pd[1] = FRAMES | RW | PTE_PS;
	view_pd[2] = large | RW | PTE_PS;
	view_pd[3] = FRAME(100) | RWU;
	for (i = 0; i < 50; i++) {
		pt[0] = FRAME(i) | RW;
		pt[511] = FRAME(i + 1) | RW;
		flush();
		SEES(VIEW + 3 * PT_SPAN, i);
		SEES(VIEW + 3 * PT_SPAN + 511 * 4096, i + 1);
		GUEST_EQ(pt[0] & PTE_A, PTE_A);
		GUEST_EQ(*(uint64_t *)FRAME(100) & -4096UL, FRAME(i));

		pd[3] = FRAME(101) | RWU;
		flush();
		pt[512] = FRAME(i + 2) | RW;
		invlpg((void *)(VIEW + 3 * PT_SPAN));
		SEES(VIEW + 3 * PT_SPAN, i + 2);
		pd[3] = FRAME(100) | RWU;
		flush();
		SEES(VIEW + 3 * PT_SPAN, i);
		/* The entry that this access uses. */
		pd[2] = (pd[2] & ~PTE_D) ^ 1 << 9;
		flush();
		pd[4] = i;
		GUEST_EQ(view_pd[4], i);
		GUEST_EQ(view_pd[2] & PTE_D, PTE_D);
	}
}

static void test_in_large_page(void)
{
	guest_test(0, guest_in_large_page);
}

static uint64_t __attribute__((noinline)) called(uint64_t depth)
{
	volatile uint64_t keep = depth;

	return depth ? called(depth - 1) + keep : 0;
}

/* Tables that translate the code and the stack, changed under them. */
static volatile uint64_t code_pt[4][512] __aligned(4096);

static void guest_running(void)
{
	uint64_t pages = 0x400000 / PT_SPAN, i, n;

	view_start();
	for (i = 0; i < 512; i++) {
		spare_pdpt[i] = guest_pdpt[i];
		spare_pd[i] = guest_pd[0][i];
		for (n = 0; n < 4; n++)
			code_pt[n][i] = ((pages + n) * PT_SPAN + i * 4096) | RWU;
	}
	for (i = 0; i < 30; i++) {
		/* Rewritten as they are, and with A cleared. */
		guest_pml4[0] = guest_pml4[0];
		guest_pdpt[0] &= ~PTE_A;
		guest_pd[0][pages] &= ~(PTE_A | PTE_D);
		flush();
		GUEST_EQ(called(20), 210);
		GUEST_EQ(guest_pdpt[0] & guest_pd[0][pages] & PTE_A, PTE_A);
		/* Small pages in place of the large ones. */
		for (n = 0; n < 4; n++)
			guest_pd[0][pages + n] = (uintptr_t)code_pt[n] | RWU;
		GUEST_EQ(called(20), 210);
		flush();
		GUEST_EQ(called(20), 210);
		/* Another directory and pointer table. */
		spare_pdpt[0] = (uintptr_t)spare_pd | RWU;
		guest_pml4[0] = (uintptr_t)spare_pdpt | RWU;
		GUEST_EQ(called(20), 210);
		flush();
		GUEST_EQ(called(20), 210);
		guest_pdpt[0] = 0;		/* not in use now */
		GUEST_EQ(called(20), 210);
		guest_pdpt[0] = (uintptr_t)guest_pd[0] | RWU;
		guest_pml4[0] = (uintptr_t)guest_pdpt | RWU;
		flush();
		for (n = 0; n < 4; n++)
			guest_pd[0][pages + n] = (pages + n) * PT_SPAN | RWU | PTE_PS;
		flush();
		GUEST_EQ(called(20), 210);
		SEES(VIEW, 0);
	}
}

static void test_running(void)
{
	guest_test(0, guest_running);
}

/* A page table that maps itself, read-only and writable. */
static void guest_own_page(void)
{
	uint64_t base = (uintptr_t)code_pt & -PT_SPAN, i;
	uint64_t own = ((uintptr_t)code_pt - base) / 4096;

	view_start();
	for (i = 0; i < 512; i++)
		code_pt[0][i] = (base + i * 4096) | RWU;
	guest_pd[0][base / PT_SPAN] = (uintptr_t)code_pt[0] | RWU;
	flush();
	for (i = 0; i < 20; i++) {
		code_pt[0][own] &= ~PTE_W;
		flush();
		GUEST_EQ(write_at((uintptr_t)&code_pt[0][own] - 8), 3);
		write_cr0(read_cr0() & ~CR0_WP);
		code_pt[0][own] |= PTE_W;
		write_cr0(read_cr0() | CR0_WP);
		flush();
		code_pt[0][own] |= 1 << 9;
		GUEST_EQ(code_pt[0][own] >> 9 & 7, 1);
		code_pt[0][own] &= ~(1UL << 9 | PTE_D | PTE_A);
		flush();
		code_pt[0][own] = code_pt[0][own];
		flush();
		GUEST_EQ(code_pt[0][own] & PTE_A, PTE_A);
	}
}

static void test_own_page(void)
{
	guest_test(0, guest_own_page);
}

/*
 * Each writes @val, whose low 12 bits are RW and A, over entry @e, which held
 * another frame; they know that frames lie below 4 GiB.
 */
static void put_bytes(volatile uint64_t *e, uint64_t val)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		((volatile uint8_t *)e)[i] = val >> 8 * i;
}

static void put_words(volatile uint64_t *e, uint64_t val)
{
	unsigned int i;

	for (i = 4; i--;)
		((volatile uint16_t *)e)[i] = val >> 16 * i;
}

static void put_halves(volatile uint64_t *e, uint64_t val)
{
	((volatile uint32_t *)e)[0] = val;
	((volatile uint32_t *)e)[1] = val >> 32;
}

static void put_mov(volatile uint64_t *e, uint64_t val)
{
	*e = val;
}

static void put_immediate(volatile uint64_t *e, uint64_t val)
{
	asm volatile("movq $0, %0" : "=m"(*e));
	asm volatile("addq %1, %0" : "+m"(*e) : "r"(val));
}

static void put_xchg(volatile uint64_t *e, uint64_t val)
{
	asm volatile("xchgq %0, %1" : "+m"(*e), "+r"(val));
}

static void put_cmpxchg(volatile uint64_t *e, uint64_t val)
{
	uint64_t old = *e;

	asm volatile("lock cmpxchgq %2, %0" : "+m"(*e), "+a"(old) : "r"(val) : "cc");
}

static void put_cmpxchg16b(volatile uint64_t *e, uint64_t val)
{
	uint64_t low = e[0], high = e[1];

	asm volatile("lock cmpxchg16b %0" : "+m"(*(volatile unsigned __int128 *)e), "+a"(low),
		     "+d"(high) : "b"(val), "c"(high) : "cc");
}

static void put_and_or(volatile uint64_t *e, uint64_t val)
{
	asm volatile("lock andq %1, %0" : "+m"(*e) : "r"(0UL) : "cc");
	asm volatile("lock orq %1, %0" : "+m"(*e) : "r"(val) : "cc");
}

static void put_xor_sub(volatile uint64_t *e, uint64_t val)
{
	uint64_t old = *e;

	asm volatile("xorq %1, %0" : "+m"(*e) : "r"(old ^ (val + 1)) : "cc");
	asm volatile("subq $1, %0" : "+m"(*e) : : "cc");
}

static void put_xadd(volatile uint64_t *e, uint64_t val)
{
	val -= *e;
	asm volatile("lock xaddq %1, %0" : "+m"(*e), "+r"(val) : : "cc");
}

static void put_bits(volatile uint64_t *e, uint64_t val)
{
	uint64_t i;

	for (i = 0; i < 32; i++) {
		if (val >> i & 1)
			asm volatile("lock btsq %1, %0" : "+m"(*e) : "r"(i) : "cc", "memory");
		else
			asm volatile("lock btrq %1, %0" : "+m"(*e) : "r"(i) : "cc", "memory");
	}
}

static void put_stos(volatile uint64_t *e, uint64_t val)
{
	uint64_t count = 1;

	asm volatile("cld; rep stosq" : "+D"(e), "+c"(count) : "a"(val) : "memory");
}

static void put_stosb(volatile uint64_t *e, uint64_t val)
{
	volatile uint64_t *to = e;
	uint64_t count = 8;

	asm volatile("cld; rep stosb" : "+D"(to), "+c"(count) : "a"(0) : "memory");
	*e = val;
}

static void put_movs(volatile uint64_t *e, uint64_t val)
{
	uint64_t count = 8;
	const void *from = &val;

	asm volatile("cld; rep movsb" : "+D"(e), "+S"(from), "+c"(count) : : "memory");
}

static void put_sse(volatile uint64_t *e, uint64_t val)
{
	uint64_t pair[2] __aligned(16) = { val, e[1] };

	asm volatile("movdqa %1, %%xmm1\n\tmovdqa %%xmm1, %0"
		     : "=m"(*(volatile unsigned __int128 *)e)
		     : "m"(*(unsigned __int128 *)pair));
}

static void put_sse_unaligned(volatile uint64_t *e, uint64_t val)
{
	uint64_t pair[2] __aligned(16) = { e[-1], val };

	asm volatile("movups %1, %%xmm1\n\tmovups %%xmm1, %0"
		     : "=m"(*(volatile unsigned __int128 *)(e - 1))
		     : "m"(*(unsigned __int128 *)pair));
}

static void put_movnti(volatile uint64_t *e, uint64_t val)
{
	asm volatile("movntiq %1, %0\n\tsfence" : "=m"(*e) : "r"(val));
}

static void put_push(volatile uint64_t *e, uint64_t val)
{
	asm volatile("movq %%rsp, %%r11\n\t"
		     "movq %0, %%rsp\n\t"
		     "pushq %1\n\t"
		     "movq %%r11, %%rsp" : : "r"(e + 1), "r"(val) : "r11", "memory");
}

static void put_call(volatile uint64_t *e, uint64_t val)
{
	asm volatile("movq %%rsp, %%r11\n\t"
		     "movq %0, %%rsp\n\t"
		     "call 1f\n"
		     "1:\tmovq %%r11, %%rsp" : : "r"(e + 1) : "r11", "memory");
	*e = val;
}

static void put_pop(volatile uint64_t *e, uint64_t val)
{
	asm volatile("pushq %1\n\tpopq (%0)" : : "r"(e), "r"(val) : "memory");
}

/* Not aligned: with the end of the entry before, or the start of the next. */
static void put_skewed(volatile uint64_t *e, uint64_t val)
{
	volatile uint8_t *byte = (uint8_t *)e;
	uint64_t before = e[-1], after = e[1];

	asm volatile("movq %1, %0" : "=m"(*(volatile uint64_t *)(byte - 4))
		     : "r"(before >> 32 | val << 32));
	asm volatile("movq %1, %0" : "=m"(*(volatile uint64_t *)(byte + 3))
		     : "r"(val >> 24 | after << 40));
}

static void (*const put_entry[])(volatile uint64_t *e, uint64_t val) = {
	put_bytes, put_words, put_halves, put_mov, put_immediate, put_xchg, put_cmpxchg,
	put_cmpxchg16b, put_and_or, put_xor_sub, put_xadd, put_bits, put_stos, put_stosb, put_movs,
	put_sse, put_sse_unaligned, put_movnti, put_push, put_call, put_pop, put_skewed,
};

/* Tables below the entry under test, so that FRAME(@n) is seen at the first of its pages. */
static uint64_t lower_tables(unsigned int level, unsigned int n)
{
	uint64_t *pt = (uint64_t *)FRAME(200 + n % 2), *pd = (uint64_t *)FRAME(202 + n % 2);

	if (level == 1)
		return FRAME(n);
	pt[0] = FRAME(n) | RW;
	pd[0] = (uintptr_t)pt | RW;
	return level == 2 ? (uintptr_t)pt : (uintptr_t)pd;
}

/* By every instruction at every level: the entry, the page seen, and the neighbours. */
static void guest_instructions(void)
{
	static volatile uint64_t *const tables[] = { view_pt, view_pd, view_pdpt };
	volatile uint64_t *e;
	unsigned int i, n, k;
	uint64_t va, val;

	view_start();
	for (k = 0; k < KSFT_ARRAY_SIZE(put_entry); k++) {
		for (n = 0; n < 3; n++) {
			/* Entry 4 of each table: an even one, with neighbours on both sides. */
			va = VIEW + (4096UL << 9 * n) * 4;
			e = &tables[n][4];
			e[-1] = FRAME(60) | RW;
			e[1] = FRAME(61) | RW;
			for (i = 0; i < 6; i++) {
				val = lower_tables(n + 1, i + k) | RW | PTE_A;
				put_entry[k](e, val);
				GUEST_EQ(*e, val);
				flush();
				SEES(va, i + k);
				GUEST_EQ(e[-1], FRAME(60) | RW);
				GUEST_EQ(e[1], FRAME(61) | RW);
			}
			/* From nothing, seen at once. */
			*e = 0;
			flush();
			GUEST_EQ(read_at(va), 0);
			put_entry[k](e, val);
			SEES(va, i - 1 + k);
			e[-1] = 0;
			e[1] = 0;
		}
	}
}

static void test_instructions(void)
{
	guest_test(0, guest_instructions);
}

/* Whole tables written by one instruction, and over the edge of the page before. */
static void guest_bulk(void)
{
	volatile uint64_t *table = (uint64_t *)FRAME(100), *to;
	const volatile uint64_t *from;
	uint64_t count, i, n;

	view_start();
	view_pd[1] = (uintptr_t)table | RWU;
	for (n = 0; n < 20; n++) {
		to = table;
		count = 512;
		asm volatile("cld; rep stosq" : "+D"(to), "+c"(count) : "a"(FRAME(n) | RW)
			     : "memory");
		flush();
		for (i = 0; i < 512; i += 73)
			SEES(VIEW + PT_SPAN + i * 4096, n);
		for (i = 0; i < 512; i++)
			spare_pt[i] = FRAME((i + n) % 64) | RW;
		/* From the page before on, downwards. */
		from = spare_pt + 511;
		to = table + 511;
		count = 512;
		asm volatile("std; rep movsq; cld" : "+D"(to), "+S"(from), "+c"(count)
			     : : "memory");
		flush();
		for (i = 0; i < 512; i += 73)
			SEES(VIEW + PT_SPAN + i * 4096, (i + n) % 64);
		GUEST_EQ(table[1], FRAME((1 + n) % 64) | RW);
		/* Eight bytes, four of them in the table. */
		*(volatile uint64_t *)((uintptr_t)table - 4) = (FRAME(n + 9) | RW) << 32 | 0x77;
		GUEST_EQ(*(uint32_t *)((uintptr_t)table - 4), 0x77);
		flush();
		SEES(VIEW + PT_SPAN, n + 9);
		/* And an atomic operation there. */
		asm volatile("lock addq %1, %0"
			     : "+m"(*(volatile uint64_t *)((uintptr_t)table - 4))
			     : "r"(4096UL << 32) : "cc");
		flush();
		SEES(VIEW + PT_SPAN, n + 10);
	}
}

static void test_bulk(void)
{
	guest_test(0, guest_bulk);
}

/* The processor's own writes to a table: an exception's frame. */
static volatile uint32_t int3_seen;

static void on_int3(struct guest_frame *frame)
{
	int3_seen++;
}

static void guest_stack_in_table(void)
{
	volatile uint64_t *table = (uint64_t *)FRAME(100);
	unsigned int i, n;

	view_start();
	for (n = 0; n < 512; n++)
		table[n] = 0;
	guest_handlers[3] = on_int3;
	guest_tss[0].ist[0] = FRAME(101);
	guest_idt[3].ist = 1;
	for (i = 0; i < 40; i++) {
		table[0] = FRAME(i) | RW;
		/* As a page table, then as what is above one. */
		if (i & 1)
			view_pd[1] = (uintptr_t)table | RWU;
		else
			view_pdpt[1] = (uintptr_t)table | RWU;
		spare_pt[0] = FRAME(i) | RW;
		if (i & 1) {
			SEES(VIEW + PT_SPAN, i);
		} else {
			table[0] = (uintptr_t)spare_pt | RWU;
			SEES(VIEW + (1UL << 30), i);
		}
		asm volatile("int3" : : : "memory");
		GUEST_EQ(int3_seen, i + 1);
		GUEST_EQ(table[507] - (uintptr_t)guest_stack_in_table < 4096, 1);
		SEES(VIEW + (i & 1 ? PT_SPAN : 1UL << 30), i);
		view_pd[1] = 0;
		view_pdpt[1] = 0;
		flush();
	}
}

static void test_stack_in_table(void)
{
	guest_test(0, guest_stack_in_table);
}

/* A user who may write the tables. */
static volatile uint64_t user_frame;

static void user_maps(void)
{
	volatile uint64_t *table = (uint64_t *)FRAME(100);

	table[0] = user_frame | RWU;
	table[1] = user_frame | PTE_P | PTE_U;
	asm volatile("int $0x80");
}

static void guest_user_tables(void)
{
	unsigned int i;

	view_start();
	view_pd[1] = FRAME(100) | RWU;
	for (i = 0; i < 64; i++) {
		user_frame = FRAME(i);
		guest_user(user_maps);
		flush();
		SEES(VIEW + PT_SPAN, i);
		SEES(VIEW + PT_SPAN + 4096, i);
		GUEST_EQ(write_at(VIEW + PT_SPAN + 4096), 3);
	}
}

static void test_user_tables(void)
{
	guest_test(0, guest_user_tables);
}

/* Two processors: one edits, tells the other, and that one invalidates and looks. */
#define ROUNDS	300
static volatile uint64_t edited, seen;

/* The other may need this processor of the host. */
static void wait_a_little(unsigned int n)
{
	if (n % 256)
		cpu_pause();
	else
		guest_sync(2);
}

static void guest_editor(void)
{
	unsigned int n;
	uint64_t i;

	for (i = 1; i <= ROUNDS; i++) {
		if (i % 3 == 0) {
			/* Through another page table. */
			spare_pt[0] = FRAME(i % 64) | RW;
			view_pd[0] = (uintptr_t)spare_pt | RWU;
		} else {
			view_pt[0] = FRAME(i % 64) | RW;
			view_pd[0] = (uintptr_t)view_pt | RWU;
		}
		SEES(FRAME(i % 64), i % 64);
		edited = i;
		for (n = 1; seen != i; n++)
			wait_a_little(n);
	}
}

static void guest_looker(void)
{
	unsigned int n;
	uint64_t i;

	for (i = 1; i <= ROUNDS; i++) {
		for (n = 1; edited != i; n++) {
			(void)read_at(VIEW);
			wait_a_little(n);
		}
		if (i & 1)
			invlpg((void *)VIEW);
		else
			flush();
		SEES(VIEW, i % 64);
		seen = i;
	}
}

static void *run_and_yield(void *vcpu)
{
	enum guest_event event;

	while ((event = guest_run(vcpu)) == GUEST_SYNC && guest_sync_value(vcpu) == 2)
		sched_yield();
	ASSERT_EQ(event, GUEST_DONE);
	return NULL;
}

static void guest_prepare(void)
{
	view_start();
	guest_sync(1);
	guest_editor();
}

static void test_two_processors(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *editor = vcpu_create(vm, 0), *looker = vcpu_create(vm, 1);
	pthread_t thread;

	guest_start(editor, guest_prepare);
	guest_run_sync(editor, 1);
	guest_start(looker, guest_looker);
	ASSERT_EQ(pthread_create(&thread, NULL, run_and_yield, looker), 0);
	run_and_yield(editor);
	ASSERT_EQ(pthread_join(thread, NULL), 0);
}

static const struct ksft_test tests[] = {
	{ "recursive", test_recursive },
	{ "self_entry", test_self_entry },
	{ "in_large_page", test_in_large_page },
	{ "running", test_running },
	{ "own_page", test_own_page },
	{ "instructions", test_instructions },
	{ "bulk", test_bulk },
	{ "stack_in_table", test_stack_in_table },
	{ "user_tables", test_user_tables },
	{ "two_processors", test_two_processors },
};

const struct ksft_suite pagetables_edit_suite = KSFT_SUITE("pagetables_edit", tests);
