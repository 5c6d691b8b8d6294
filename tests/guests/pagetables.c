// SPDX-License-Identifier: GPL-2.0-only
/*
 * A 64-bit guest that changes its own page tables: what they map, what they
 * allow, and what the processor notes in them. Each check is one that the
 * manuals promise ("SDM, Invalidation of TLBs and Paging-Structure Caches"):
 * where a stale translation is allowed, both are. How the tables are written is
 * varied in pagetables_edit.c, 32-bit guests are in pagetables32.c.
 */
#include "pagetables.h"

volatile uint64_t view_pdpt[512] __aligned(4096);
volatile uint64_t view_pd[512] __aligned(4096);
volatile uint64_t view_pt[512] __aligned(4096);
static volatile uint64_t other_pdpt[512] __aligned(4096);
static volatile uint64_t other_pd[512] __aligned(4096);
static volatile uint64_t other_pt[512] __aligned(4096);

void view_start(void)
{
	unsigned int i;

	for (i = 0; i < 64; i++) {
		*(volatile uint64_t *)FRAME(i) = STAMP(i);
		*(volatile uint32_t *)(FRAME(i) + 16) = 0xe2ff41;	/* JMP R10 */
	}
	guest_pml4[1] = (uintptr_t)view_pdpt | RWU;
	view_pdpt[0] = (uintptr_t)view_pd | RWU;
	view_pd[0] = (uintptr_t)view_pt | RWU;
	view_pt[0] = FRAME(0) | RW;
	flush();
}

static uint32_t result(uint32_t vector)
{
	if (vector == GUEST_NO_TRAP)
		return ALLOWED;
	return vector == 14 ? guest_trap.error : vector << 16;
}

uint32_t read_at(uint64_t va)
{
	return result(GUEST_TRY("movq (%0), %%rax", : : "r"(va) : "rax", "r11", "memory"));
}

uint32_t write_at(uint64_t va)
{
	return result(GUEST_TRY("movq %%rax, 8(%0)", : : "r"(va) : "r11", "memory"));
}

uint32_t fetch_at(uint64_t va)
{
	return result(GUEST_TRY("leaq 9f(%%rip), %%r10\n\tjmp *%0", : : "r"(va + 16)
				: "r10", "r11", "memory"));
}

static struct {
	volatile uint64_t va;
	volatile uint32_t read, write, fetch;
} as_user;

static void user_tries(void)
{
	as_user.read = read_at(as_user.va);
	as_user.write = write_at(as_user.va);
	as_user.fetch = fetch_at(as_user.va);
	asm volatile("int $0x80");
}

static void try_as_user(uint64_t va)
{
	as_user.va = va;
	guest_user(user_tries);
}

/* The frame changes; so does what a write through the view changes. */
static void guest_remap(void)
{
	volatile uint64_t *p = (uint64_t *)(VIEW + 3 * 4096);
	uint64_t i, now, old = 0;

	view_start();
	for (i = 0; i < 200; i++) {
		now = i * 7 % 64;
		view_pt[3] = FRAME(now) | RW;
		invlpg(p);
		SEES(p, now);
		p[1] = i;
		GUEST_EQ(*(uint64_t *)(FRAME(now) + 8), i);
	}
	for (i = 0; i < 200; i++) {
		old = (i + 63) % 64;
		now = i % 64;
		view_pt[3] = FRAME(old) | RW;
		invlpg(p);
		SEES(p, old);
		view_pt[3] = FRAME(now) | RW;
		GUEST_ASSERT(*p == STAMP(old) || *p == STAMP(now));
		if (i & 1)
			flush();
		else
			invlpg(p);
		SEES(p, now);
	}
}

static void test_remap(void)
{
	guest_test(0, guest_remap);
}

/* What is not present is not cached: it may be made present without INVLPG. */
static void guest_appear(void)
{
	volatile uint64_t *const entries[] = {
		view_pt, view_pd, view_pdpt, (uint64_t *)&guest_pml4[1],
	};
	unsigned int i, n;
	uint64_t saved;

	view_start();
	for (i = 0; i < 40; i++) {
		for (n = 0; n < 4; n++) {
			SEES(VIEW, i);
			saved = *entries[n];
			*entries[n] = i & 1 ? 0 : saved & ~PTE_P;
			invlpg((void *)VIEW);
			GUEST_EQ(read_at(VIEW), 0);
			GUEST_EQ(guest_trap.cr2, VIEW);
			GUEST_EQ(write_at(VIEW), 2);
			*entries[n] = saved;
			GUEST_EQ(write_at(VIEW), ALLOWED);
		}
		view_pt[0] = 0;
		invlpg((void *)VIEW);
		GUEST_EQ(read_at(VIEW), 0);
		view_pt[0] = FRAME(i + 1) | RW;
	}
	/* A whole table of them, present one after the other. */
	for (i = 0; i < 512; i++) {
		GUEST_EQ(read_at(VIEW + PT_SPAN + i * 4096), 0);
		view_pd[1] = (uintptr_t)other_pt | RW;
		other_pt[i] = FRAME(i % 64) | RW;
		SEES(VIEW + PT_SPAN + i * 4096, i % 64);
	}
}

static void test_appear(void)
{
	guest_test(0, guest_appear);
}

/* More rights without INVLPG: at most one fault, which makes the processor look again. */
#define GAINS(access, before)						\
	do {								\
		uint32_t first_ = (access);				\
									\
		GUEST_ASSERT(first_ == ALLOWED || first_ == (before));	\
		GUEST_EQ((access), ALLOWED);				\
	} while (0)

static void guest_permissions(void)
{
	volatile uint64_t *const entries[] = {
		view_pt, view_pd, view_pdpt, (uint64_t *)&guest_pml4[1],
	};
	unsigned int i, n;

	view_start();
	view_pt[0] = FRAME(0) | RWU;
	view_pt[1] = FRAME(1) | RWU;
	for (i = 0; i < 10; i++) {
		for (n = 0; n < 4; n++) {
			GUEST_EQ(write_at(VIEW), ALLOWED);
			*entries[n] &= ~PTE_W;
			invlpg((void *)VIEW);
			GUEST_EQ(write_at(VIEW), 3);
			GUEST_EQ(read_at(VIEW), ALLOWED);
			*entries[n] |= PTE_W;
			GAINS(write_at(VIEW), 3);

			GUEST_EQ(fetch_at(VIEW), ALLOWED);
			*entries[n] |= PTE_NX;
			invlpg((void *)VIEW);
			GUEST_EQ(fetch_at(VIEW), 0x11);
			GUEST_EQ(write_at(VIEW), ALLOWED);
			*entries[n] &= ~PTE_NX;
			GAINS(fetch_at(VIEW), 0x11);

			*entries[n] &= ~PTE_U;
			invlpg((void *)VIEW);
			try_as_user(VIEW);
			GUEST_EQ(as_user.read, 5);
			GUEST_EQ(as_user.write, 7);
			GUEST_EQ(as_user.fetch, 0x15);
			GUEST_EQ(write_at(VIEW), ALLOWED);
			*entries[n] |= PTE_U;
			invlpg((void *)VIEW);
			try_as_user(VIEW);
			GUEST_EQ(as_user.read, ALLOWED);
			GUEST_EQ(as_user.write, ALLOWED);
			GUEST_EQ(as_user.fetch, ALLOWED);
		}
	}
	/* The upper entry's right is that of all pages below. */
	view_pd[0] &= ~PTE_W;
	flush();
	GUEST_EQ(write_at(VIEW + 4096), 3);
	view_pd[0] |= PTE_W;
	flush();
	GUEST_EQ(write_at(VIEW + 4096), ALLOWED);
}

static void test_permissions(void)
{
	guest_test(0, guest_permissions);
}

/* One table under two directory entries of different rights. */
static void guest_shared_table(void)
{
	unsigned int i;

	view_start();
	view_pt[0] = FRAME(0) | RWU;
	view_pd[1] = (uintptr_t)view_pt | PTE_P;
	view_pd[2] = (uintptr_t)view_pt | PTE_P | PTE_W | PTE_NX;
	for (i = 0; i < 20; i++) {
		SEES(VIEW, i);
		SEES(VIEW + PT_SPAN, i);
		SEES(VIEW + 2 * PT_SPAN, i);
		GUEST_EQ(write_at(VIEW), ALLOWED);
		GUEST_EQ(write_at(VIEW + PT_SPAN), 3);
		GUEST_EQ(write_at(VIEW + 2 * PT_SPAN), ALLOWED);
		GUEST_EQ(fetch_at(VIEW + PT_SPAN), ALLOWED);
		GUEST_EQ(fetch_at(VIEW + 2 * PT_SPAN), 0x11);
		try_as_user(VIEW + PT_SPAN);
		GUEST_EQ(as_user.read, 5);
		view_pt[0] = FRAME(i + 1) | RWU;
		invlpg((void *)VIEW);
		invlpg((void *)(VIEW + PT_SPAN));
		invlpg((void *)(VIEW + 2 * PT_SPAN));
	}
}

static void test_shared_table(void)
{
	guest_test(0, guest_shared_table);
}

static void check_large(uint64_t va)
{
	unsigned int i;

	for (i = 0; i < 64; i += 3)
		SEES(va + i * 4096, i);
}

static void guest_split(void)
{
	uint64_t va = VIEW + PT_SPAN;
	unsigned int i, n;

	view_start();
	for (n = 0; n < 20; n++) {
		view_pd[1] = FRAMES | RW | PTE_PS;
		flush();
		check_large(va);
		GUEST_EQ(write_at(va + 7 * 4096), ALLOWED);

		/* Split: the same, so there is nothing to invalidate. */
		for (i = 0; i < 512; i++)
			other_pt[i] = FRAME(i) | RW;
		view_pd[1] = (uintptr_t)other_pt | RWU;
		check_large(va);
		flush();
		other_pt[5] = FRAME(6) | RW;
		invlpg((void *)(va + 5 * 4096));
		SEES(va + 5 * 4096, 6);
		other_pt[7] = FRAME(7) | PTE_P;
		invlpg((void *)(va + 7 * 4096));
		GUEST_EQ(write_at(va + 7 * 4096), 3);
		GUEST_EQ(write_at(va + 8 * 4096), ALLOWED);
		SEES(va + 6 * 4096, 6);

		/* Merge. Then split to something else: any address of the large page will do. */
		view_pd[1] = FRAMES | RW | PTE_PS;
		flush();
		check_large(va);
		GUEST_EQ(write_at(va + 7 * 4096), ALLOWED);
		other_pt[9] = FRAME(n) | RW;
		view_pd[1] = (uintptr_t)other_pt | RWU;
		invlpg((void *)(va + 100 * 4096));
		SEES(va + 9 * 4096, n);
	}
}

static void test_split(void)
{
	guest_test(0, guest_split);
}

static void guest_split_1g(void)
{
	uint64_t va = VIEW + (1UL << 30) + FRAMES;
	uint32_t r[4];
	unsigned int i, n;

	cpuid(0x80000001, 0, r);
	if (!(r[3] & 1 << 26)) {
		guest_sync(4);
		return;
	}
	view_start();
	for (n = 0; n < 10; n++) {
		view_pdpt[1] = RW | PTE_PS;
		flush();
		check_large(va);
		for (i = 0; i < 512; i++)
			other_pd[i] = i * PT_SPAN | RW | PTE_PS;
		view_pdpt[1] = (uintptr_t)other_pd | RWU;
		check_large(va);
		for (i = 0; i < 512; i++)
			other_pt[i] = FRAME(i) | RW;
		other_pd[FRAMES / PT_SPAN] = (uintptr_t)other_pt | RW;
		flush();
		check_large(va);
		other_pt[9] = FRAME(8) | PTE_P;
		invlpg((void *)(va + 9 * 4096));
		SEES(va + 9 * 4096, 8);
		GUEST_EQ(write_at(va + 9 * 4096), 3);
	}
	guest_sync(1);
}

static void test_split_1g(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);

	guest_start(vcpu, guest_split_1g);
	EXPECT_EQ(guest_run(vcpu), GUEST_SYNC);
	if (guest_sync_value(vcpu) == 4)
		ksft_skip("the processor has no 1 GiB pages");
}

/* Global pages outlive CR3's load, though they need not; nothing outlives PGE's change. */
static void guest_global(void)
{
	volatile uint64_t *p = (uint64_t *)VIEW;
	unsigned int i;

	view_start();
	write_cr4(read_cr4() | CR4_PGE);
	for (i = 0; i < 60; i++) {
		view_pt[0] = FRAME(i) | RW | PTE_G;
		invlpg(p);
		SEES(p, i);
		view_pt[0] = FRAME(i + 1) | RW | PTE_G;
		flush();
		GUEST_ASSERT(*p == STAMP(i) || *p == STAMP(i + 1));
		switch (i % 3) {
		case 0:
			invlpg(p);
			break;
		case 1:
			write_cr4(read_cr4() & ~CR4_PGE);
			SEES(p, i + 1);
			write_cr4(read_cr4() | CR4_PGE);
			break;
		default:
			write_cr4(read_cr4() ^ CR4_PGE);
			write_cr4(read_cr4() ^ CR4_PGE);
		}
		SEES(p, i + 1);
		/* An ordinary page goes with CR3. */
		view_pt[0] = FRAME(i + 2) | RW;
		invlpg(p);
		SEES(p, i + 2);
		view_pt[0] = FRAME(i + 3) | RW;
		flush();
		SEES(p, i + 3);
	}
	/* Without PGE the bit means nothing. */
	write_cr4(read_cr4() & ~CR4_PGE);
	view_pt[0] = FRAME(0) | RW | PTE_G;
	invlpg(p);
	SEES(p, 0);
	view_pt[0] = FRAME(1) | RW | PTE_G;
	flush();
	SEES(p, 1);
}

static void test_global(void)
{
	guest_test(0, guest_global);
}

/* CR0.WP=0 lets a supervisor write read-only pages, and leaves the user's rights alone. */
static void guest_write_protect(void)
{
	unsigned int i;

	view_start();
	view_pt[1] = FRAME(1) | PTE_P;
	for (i = 0; i < 20; i++) {
		view_pt[0] = FRAME(i) | PTE_P | PTE_U | (i & 1 ? PTE_NX : 0);
		invlpg((void *)VIEW);
		GUEST_EQ(write_at(VIEW), 3);
		write_cr0(read_cr0() & ~CR0_WP);
		GUEST_EQ(view_pt[0] & PTE_D, 0);
		GUEST_EQ(write_at(VIEW), ALLOWED);
		GUEST_EQ(view_pt[0] & PTE_D, PTE_D);
		GUEST_EQ(write_at(VIEW + 4096), ALLOWED);
		try_as_user(VIEW);
		GUEST_EQ(as_user.read, ALLOWED);
		GUEST_EQ(as_user.write, 7);
		GUEST_EQ(as_user.fetch, i & 1 ? 0x15 : ALLOWED);
		GUEST_EQ(write_at(VIEW), ALLOWED);
		GUEST_EQ(fetch_at(VIEW), i & 1 ? 0x11 : ALLOWED);
		write_cr0(read_cr0() | CR0_WP);
		GUEST_EQ(write_at(VIEW), 3);
		GUEST_EQ(write_at(VIEW + 4096), 3);
		try_as_user(VIEW);
		GUEST_EQ(as_user.read, ALLOWED);
		GUEST_EQ(as_user.write, 7);
		SEES(VIEW, i);
	}
}

static void test_write_protect(void)
{
	guest_test(0, guest_write_protect);
}

#define AD	(PTE_A | PTE_D)

static void guest_accessed_dirty(void)
{
	volatile uint64_t *p = (uint64_t *)VIEW, *q = (uint64_t *)(VIEW + 4096);
	unsigned int i;

	view_start();
	for (i = 0; i < 20; i++) {
		view_pt[0] = FRAME(i) | RW;
		view_pt[1] = FRAME(i) | RW;	/* another view of the same frame */
		view_pd[0] &= ~PTE_A;
		view_pdpt[0] &= ~PTE_A;
		guest_pml4[1] &= ~PTE_A;
		flush();
		GUEST_EQ((view_pt[0] | view_pd[0] | view_pdpt[0] | guest_pml4[1]) & PTE_A, 0);
		(void)*p;
		GUEST_EQ(view_pt[0] & AD, PTE_A);
		GUEST_EQ(view_pd[0] & view_pdpt[0] & guest_pml4[1] & PTE_A, PTE_A);
		GUEST_EQ(view_pt[1] & AD, 0);
		p[1] = i;
		GUEST_EQ(view_pt[0] & AD, AD);
		asm volatile("lock incq %0" : "+m"(q[1]));
		GUEST_EQ(view_pt[1] & AD, AD);
		GUEST_EQ(p[1], i + 1);

		/* Cleared, they come back once the translation is forgotten. */
		view_pt[0] &= ~PTE_D;
		invlpg(p);
		(void)*p;
		GUEST_EQ(view_pt[0] & AD, PTE_A);
		p[1] = i;
		GUEST_EQ(view_pt[0] & AD, AD);
		view_pt[0] &= ~AD;
		invlpg(p);
		GUEST_EQ(view_pt[0] & AD, 0);
		p[1] = i;
		GUEST_EQ(view_pt[0] & AD, AD);

		/* What does not happen leaves no D. */
		view_pt[0] = FRAME(i) | PTE_P;
		invlpg(p);
		GUEST_EQ(write_at(VIEW), 3);
		GUEST_EQ(view_pt[0] & PTE_D, 0);
		view_pt[0] = FRAME(i) | PTE_W;
		invlpg(p);
		GUEST_EQ(write_at(VIEW), 2);
		GUEST_EQ(view_pt[0], FRAME(i) | PTE_W);
	}
	/* Large, and by the user. */
	view_pd[1] = FRAMES | RWU | PTE_PS;
	flush();
	SEES(VIEW + PT_SPAN, 0);
	GUEST_EQ(view_pd[1] & AD, PTE_A);
	try_as_user(VIEW + PT_SPAN);
	GUEST_EQ(as_user.write, ALLOWED);
	GUEST_EQ(view_pd[1] & AD, AD);
}

static void test_accessed_dirty(void)
{
	guest_test(0, guest_accessed_dirty);
}

/* Reserved bits at each level; what the emulator forgets of the error code is in paging.c. */
static void guest_reserved(void)
{
	volatile uint64_t *const entries[] = {
		view_pt, view_pd, view_pdpt, (uint64_t *)&guest_pml4[1],
	};
	unsigned int i, n;

	view_start();
	for (i = 0; i < 4; i++) {
		for (n = 0; n < 4; n++) {
			SEES(VIEW, 0);
			*entries[n] |= 1ULL << 51;
			invlpg((void *)VIEW);
			GUEST_EQ(read_at(VIEW) & ~1, 8);
			GUEST_EQ(write_at(VIEW) & ~1, 0xa);
			/* Such an entry is not cached either. */
			*entries[n] &= ~(1ULL << 51);
		}
	}
	view_pd[1] = FRAMES | 1 << 13 | RW | PTE_PS;
	GUEST_EQ(read_at(VIEW + PT_SPAN) & ~1, 8);
	view_pd[1] = FRAMES | RW | PTE_PS;
	SEES(VIEW + PT_SPAN, 0);
}

static void test_reserved(void)
{
	guest_test(0, guest_reserved);
}

/* Roots that differ in entry 1; those not in use are changed, too. */
#define ROOTS	8
static volatile uint64_t roots[ROOTS][512] __aligned(4096);
static volatile uint64_t root_pts[ROOTS][512] __aligned(4096);
static volatile uint64_t root_pds[ROOTS][512] __aligned(4096);
static volatile uint64_t root_pdpts[ROOTS][512] __aligned(4096);

static void guest_roots(void)
{
	unsigned int frame[ROOTS], i, n, k;

	view_start();
	for (n = 0; n < ROOTS; n++) {
		for (i = 0; i < 512; i++)
			roots[n][i] = guest_pml4[i];
		roots[n][1] = (uintptr_t)root_pdpts[n] | RWU;
		root_pdpts[n][0] = (uintptr_t)root_pds[n] | RWU;
		root_pds[n][0] = (uintptr_t)root_pts[n] | RWU;
		frame[n] = n;
		root_pts[n][0] = FRAME(n) | RW;
	}
	for (i = 0; i < 400; i++) {
		n = i * 5 % ROOTS;
		write_cr3((uintptr_t)roots[n]);
		SEES(VIEW, frame[n]);
		*(volatile uint64_t *)(VIEW + 8) = i;
		GUEST_EQ(*(uint64_t *)(FRAME(frame[n]) + 8), i);
		k = (i * 3 + 1) % ROOTS;
		frame[k] = i % 64;
		if (i % 7 == 0) {	/* another table, the same place */
			root_pds[k][0] = 0;
			root_pts[k][0] = FRAME(frame[k]) | RW;
			root_pds[k][0] = (uintptr_t)root_pts[k] | RWU;
		} else {
			root_pts[k][0] = FRAME(frame[k]) | RW;
		}
		if (k == n)
			invlpg((void *)VIEW);
	}
	write_cr3((uintptr_t)guest_pml4);
	SEES(VIEW, 0);
}

static void test_roots(void)
{
	guest_test(0, guest_roots);
}

/* Pages that are tables, then data, then tables again, in turn. */
static void guest_reuse(void)
{
	volatile uint64_t *page;
	unsigned int i, n;

	view_start();
	for (i = 0; i < 200; i++) {
		page = (uint64_t *)FRAME(100 + i % 16);
		for (n = 0; n < 512; n++)
			page[n] = FRAME((n + i) % 64) | RW;
		view_pd[1] = (uintptr_t)page | RWU;
		flush();
		SEES(VIEW + PT_SPAN, i % 64);
		SEES(VIEW + PT_SPAN + 511 * 4096, (i + 511) % 64);
		/* Freed: from now on what is in it means nothing. */
		view_pd[1] = 0;
		flush();
		GUEST_EQ(read_at(VIEW + PT_SPAN), 0);
		for (n = 0; n < 512; n++)
			page[n] = ~0ULL - n * i;
		for (n = 0; n < 512; n++)
			GUEST_EQ(page[n], ~0ULL - n * i);
		/* A table of another level in the same page. */
		for (n = 0; n < 512; n++)
			page[n] = 0;
		page[3] = (uintptr_t)view_pt | RWU;
		view_pdpt[2] = (uintptr_t)page | RWU;
		SEES(VIEW + (2UL << 30) + 3 * PT_SPAN, 0);
		view_pdpt[2] = 0;
		flush();
		/* And data through the view that was a table's. */
		view_pt[2] = (uintptr_t)page | RW;
		invlpg((void *)(VIEW + 2 * 4096));
		*(volatile uint64_t *)(VIEW + 2 * 4096 + 24) = i;
		GUEST_EQ(page[3], i);
	}
}

static void test_reuse(void)
{
	guest_test(0, guest_reuse);
}

/* All tables of the view replaced at once, from the top. */
static void guest_replace(void)
{
	unsigned int i;

	view_start();
	for (i = 0; i < 100; i++) {
		other_pt[0] = FRAME(i % 32 + 1) | RW;
		other_pd[0] = (uintptr_t)other_pt | RWU;
		other_pdpt[0] = (uintptr_t)other_pd | RWU;
		guest_pml4[1] = (uintptr_t)other_pdpt | RWU;
		invlpg((void *)VIEW);
		SEES(VIEW, i % 32 + 1);
		guest_pml4[1] = (uintptr_t)view_pdpt | RWU;
		invlpg((void *)VIEW);
		SEES(VIEW, 0);
		/* The same tables at another place of the hierarchy. */
		view_pdpt[1] = (uintptr_t)other_pd | RWU;
		SEES(VIEW + (1UL << 30), i % 32 + 1);
		view_pdpt[1] = 0;
		flush();
	}
}

static void test_replace(void)
{
	guest_test(0, guest_replace);
}

#define CROWD	12

static volatile uint64_t crowd[CROWD][512] __aligned(4096);

/* One frame at thousands of addresses: all of them see it, what it becomes, and no other. */
static void guest_crowd(void)
{
	volatile uint64_t *p;
	unsigned int i, n, round;

	view_start();
	for (n = 0; n < CROWD; n++) {
		for (i = 0; i < 512; i++)
			crowd[n][i] = FRAME(5) | RW;
		view_pd[1 + n] = (uintptr_t)crowd[n] | RWU;
	}
	for (round = 0; round < 2; round++) {
		for (i = 0; i < CROWD * 512; i++) {
			p = (uint64_t *)(VIEW + (512 + i) * 4096UL);
			SEES(p, 5);
			p[1] = i;
			GUEST_EQ(*(uint64_t *)(FRAME(5) + 8), i);
		}
		/* The last ones leave it, and are the only ones. */
		for (i = 0; i < 512; i++)
			crowd[CROWD - 1][i] = FRAME(6 + round) | RW;
		flush();
		for (i = 0; i < CROWD * 512; i++)
			SEES(VIEW + (512 + i) * 4096UL, i / 512 < CROWD - 1 ? 5 : 6 + round);
		for (i = 0; i < 512; i++)
			crowd[CROWD - 1][i] = FRAME(5) | RW;
		flush();
	}
}

static void test_crowd(void)
{
	guest_test(0, guest_crowd);
}

static const struct ksft_test tests[] = {
	{ "crowd", test_crowd },
	{ "remap", test_remap },
	{ "appear", test_appear },
	{ "permissions", test_permissions },
	{ "shared_table", test_shared_table },
	{ "split", test_split },
	{ "split_1g", test_split_1g },
	{ "global", test_global },
	{ "write_protect", test_write_protect },
	{ "accessed_dirty", test_accessed_dirty },
	{ "reserved", test_reserved },
	{ "roots", test_roots },
	{ "reuse", test_reuse },
	{ "replace", test_replace },
};

const struct ksft_suite pagetables_suite = KSFT_SUITE("pagetables", tests);
