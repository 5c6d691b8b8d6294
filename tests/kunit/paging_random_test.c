// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest page-table walker (kmod/mmu/paging.c) against the model, over random
 * tables, accesses and modifications. Cases by hand are in walker.c.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/prandom.h>

#include "mmu/paging.c"
#include "paging_model.h"

#define FRAMES		16u
#define ROUNDS		400
#define STEPS		500

/* Two equal memories: khv's walker changes the one, the model the other. */
struct world {
	struct model_mem khv, model;
	struct model_cpu cpu;
	struct rnd_state rnd;
	bool wide;		/* made for entries of 8 bytes */
	u32 mapped, faults, outside, wrong;
};

static int world_read(void *ctx, gpa_t gpa, u64 *val, unsigned int len)
{
	const struct model_mem *mem = ctx;

	if (gpa >= mem->size)
		return -EFAULT;
	*val = len == 8 ? *(u64 *)(mem->base + gpa) : *(u32 *)(mem->base + gpa);
	return 0;
}

static int world_exchange(void *ctx, gpa_t gpa, u64 old, u64 new, unsigned int len)
{
	const struct model_mem *mem = ctx;
	u64 now;

	if (world_read(ctx, gpa, &now, len))
		return -EFAULT;
	if (now != old)
		return -EAGAIN;
	memcpy(mem->base + gpa, &new, len);
	return 0;
}

static void random_registers(struct world *w)
{
	static const u8 widths[] = { 32, 36, 39, 40, 46, 52 };
	struct model_cpu *cpu = &w->cpu;
	u32 x = prandom_u32_state(&w->rnd);

	cpu->cr0 = X86_CR0_PE | (x & 0x1f ? X86_CR0_PG : 0) | (x & 0x20 ? X86_CR0_WP : 0);
	cpu->cr4 = (x & 0x40 ? X86_CR4_SMEP : 0) | (x & 0x80 ? X86_CR4_SMAP : 0) |
		   (x & 0x100 ? X86_CR4_PKE : 0) | (x & 0x600 ? X86_CR4_PSE : 0);
	cpu->efer = x & 0x1800 ? EFER_NX : 0;
	cpu->cr3 = prandom_u32_state(&w->rnd) % (FRAMES * PAGE_SIZE);
	cpu->pkru = prandom_u32_state(&w->rnd) & prandom_u32_state(&w->rnd) &
		    prandom_u32_state(&w->rnd);
	cpu->maxphyaddr = widths[prandom_u32_state(&w->rnd) % ARRAY_SIZE(widths)];
	cpu->gbpages = x & 0x2000;
	cpu->pse36 = x & 0x4000;
	if (w->wide ? x >> 29 : !(x >> 29))
		cpu->cr4 |= X86_CR4_PAE;
	if ((cpu->cr4 & X86_CR4_PAE) && (x & 0x8000))
		cpu->efer |= EFER_LME | (cpu->cr0 & X86_CR0_PG ? EFER_LMA : 0);
	/* PDPTEs in registers, where the ones in memory would do. */
	cpu->pdpte_loaded = (x & 0x10000) && model_load_pdptes(cpu, &w->model);
}

/* The guest writes @entry, or any 8 bytes. */
static void random_write(struct world *w, u64 gpa)
{
	u64 val = model_random_entry(&w->rnd, FRAMES, w->cpu.cr4 & X86_CR4_PAE);
	u32 len = w->cpu.cr4 & X86_CR4_PAE ? 8 : 4;

	memcpy(w->khv.base + gpa, &val, len);
	memcpy(w->model.base + gpa, &val, len);
}

static u32 random_access(struct world *w)
{
	static const u32 accesses[] = {
		0, MODEL_WRITE, MODEL_FETCH, MODEL_IMPLICIT, MODEL_IMPLICIT | MODEL_WRITE,
		MODEL_USER, MODEL_USER | MODEL_WRITE, MODEL_USER | MODEL_FETCH,
	};

	return accesses[prandom_u32_state(&w->rnd) % ARRAY_SIZE(accesses)];
}

/* khv_paging_walk() as the model would put it. True when both agree. */
static bool agree(struct world *w, u64 va, u32 access, const struct model_walk *m, u64 *got)
{
	struct khv_paging_mem mem = { world_read, world_exchange, &w->khv };
	const struct khv_paging pg = {
		.cr0 = w->cpu.cr0, .cr3 = w->cpu.cr3, .cr4 = w->cpu.cr4, .efer = w->cpu.efer,
		.pkru = w->cpu.pkru, .maxphyaddr = w->cpu.maxphyaddr,
		.gbpages = w->cpu.gbpages, .pse36 = w->cpu.pse36, .ac = w->cpu.ac,
		.pdpte = w->cpu.pdpte_loaded ? w->cpu.pdpte : NULL,
	};
	struct khv_walk walk;
	u32 acc = 0;
	int r;

	acc |= access & MODEL_WRITE ? KHV_ACCESS_WRITE : 0;
	acc |= access & MODEL_USER ? KHV_ACCESS_USER : 0;
	acc |= access & MODEL_FETCH ? KHV_ACCESS_FETCH : 0;
	acc |= access & MODEL_IMPLICIT ? KHV_ACCESS_IMPLICIT : 0;
	r = khv_paging_walk(&pg, &mem, va, acc, &walk);
	*got = r ? walk.error_code : walk.gpa;
	switch (m->kind) {
	case MODEL_OUTSIDE:
		w->outside++;
		return r == -EFAULT;
	case MODEL_FAULT:
		w->faults++;
		return r == 1 && walk.error_code == m->error;
	default:
		w->mapped++;
	}
	if (!(pg.cr0 & X86_CR0_PG))
		return !r && walk.gpa == m->gpa;
	return !r && walk.gpa == m->gpa && walk.level == m->level &&
	       walk.writable == m->writable && walk.user == m->user && walk.executable == !m->nx;
}

static void step(struct kunit *test, struct world *w, u32 seed)
{
	u64 va = model_random_address(&w->rnd, &w->cpu);
	u32 access = random_access(w);
	struct model_walk m;
	bool same;
	u64 got;

	w->cpu.ac = prandom_u32_state(&w->rnd) & 1;
	model_walk(&w->cpu, &w->model, va, access, &m);
	same = agree(w, va, access, &m, &got);
	if (m.kind == MODEL_MAPPED)
		model_apply(&m, &w->model);
	same &= !memcmp(w->khv.base, w->model.base, w->model.size);
	if (!same) {
		w->wrong++;
		kunit_err(test, "seed %u va %llx access %x cr0 %llx cr3 %llx cr4 %llx efer %llx",
			  seed, va, access, w->cpu.cr0, w->cpu.cr3, w->cpu.cr4, w->cpu.efer);
		kunit_err(test, "model %d %llx error %x, khv %llx, memory %s", m.kind, m.gpa,
			  m.error, got,
			  memcmp(w->khv.base, w->model.base, w->model.size) ? "differs" : "equal");
	}
	/* Then change what it just used, or anything. */
	if (m.count && prandom_u32_state(&w->rnd) & 1)
		random_write(w, m.entry[prandom_u32_state(&w->rnd) % m.count].gpa);
	else
		random_write(w, prandom_u32_state(&w->rnd) % (FRAMES * PAGE_SIZE) & ~7u);
	if (!(prandom_u32_state(&w->rnd) % 20))
		random_registers(w);
}

static void test_random(struct kunit *test)
{
	struct world *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);
	u32 seed, n;

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->khv.size = FRAMES * PAGE_SIZE;
	w->model.size = w->khv.size;
	w->khv.base = kunit_kmalloc(test, w->khv.size, GFP_KERNEL);
	w->model.base = kunit_kmalloc(test, w->model.size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w->khv.base);
	KUNIT_ASSERT_NOT_NULL(test, w->model.base);

	for (seed = 1; seed <= ROUNDS && w->wrong < 3; seed++) {
		prandom_seed_state(&w->rnd, seed);
		w->wide = seed % 3;
		random_registers(w);
		model_random_tables(&w->rnd, &w->model, w->wide);
		memcpy(w->khv.base, w->model.base, w->model.size);
		for (n = 0; n < STEPS && w->wrong < 3; n++)
			step(test, w, seed);
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, w->wrong, 0u);
	/* The tables are worth walking. */
	KUNIT_EXPECT_GT(test, w->mapped, ROUNDS * STEPS / 5u);
	KUNIT_EXPECT_GT(test, w->faults, ROUNDS * STEPS / 5u);
	kunit_info(test, "%u mapped, %u faults, %u outside\n", w->mapped, w->faults, w->outside);
}

static struct kunit_case paging_cases[] = {
	KUNIT_CASE(test_random),
	{}
};

static struct kunit_suite paging_suite = {
	.name = "khv_paging",
	.test_cases = paging_cases,
};

kunit_test_suite(paging_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of khv's guest page-table walker against a model");
