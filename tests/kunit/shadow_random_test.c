// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow paging against the model: a guest with random tables accesses memory,
 * changes its tables and registers, and is disturbed by its host; and each
 * access must come to what the model says.
 *
 * Between a change of an entry and the guest's INVLPG or load of CR3, a processor
 * may go on using what the entry was. So each address that the guest uses has a
 * history: translations that may be in use besides the current one. An entry that
 * was not present leaves nothing in it. A fault, however, is always khv's own
 * doing, and must be the one of the current tables.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

#include "shadow_world.h"

#define ROUNDS		300u
#define STEPS		400u
#define TABLES		64u		/* frames of random tables in region 0 */
#define MORE_TABLES	8u		/* and at the start of region 1 */
#define POINTERS	5u		/* a frame of good PDPTEs */
#define ADDRESSES	8u
#define HISTORY		8u
#define LEAST_PAGES	24u		/* roots, and enough to make progress each time */

/**
 * struct address - one that the guest uses, a page
 * @now: its translation
 * @entry: the entries of @now as they are
 * @past: other translations that may be in use
 * @stale: accessed and dirty bits may have been set before what is in memory now
 */
struct address {
	u64 va;
	struct model_walk now;
	u64 entry[4];
	struct model_walk past[HISTORY];
	u32 count;
	bool stale;
};

struct run {
	struct world w;
	struct rnd_state rnd;
	struct model_mem mem;
	struct model_cpu cpu;
	struct address address[ADDRESSES];
	bool tidy;
	const char *wrong;
	char detail[160];
	u32 through, old, faults, emulated, failed, unsync;
};

static u32 below(struct run *r, u32 n)
{
	return prandom_u32_state(&r->rnd) % n;
}

static void wrong(struct run *r, const char *what)
{
	if (!r->wrong)
		r->wrong = r->w.trouble ?: what;
}

/* ---- histories ---- */

static u64 entry_value(struct run *r, const struct model_walk *m, int i)
{
	void *p = r->mem.base + m->entry[i].gpa;

	return m->len == 8 ? *(u64 *)p : *(u32 *)p;
}

static void look(struct run *r, struct address *a)
{
	int i;

	model_walk(&r->cpu, &r->mem, a->va, 0, &a->now);
	for (i = 0; i < a->now.count; i++)
		a->entry[i] = entry_value(r, &a->now, i);
}

static void forget(struct address *a)
{
	a->count = 0;
	a->stale = false;
}

static bool same_translation(const struct model_walk *x, const struct model_walk *y)
{
	return x->present == y->present && x->gpa == y->gpa && x->writable == y->writable &&
	       x->user == y->user && x->nx == y->nx;
}

static void invalidate(struct run *r, u64 va)
{
	u32 i;

	world_invlpg(&r->w, 0, va);
	for (i = 0; i < ADDRESSES; i++)
		if (r->address[i].va >> PAGE_SHIFT == va >> PAGE_SHIFT)
			forget(&r->address[i]);
}

/* Memory or registers changed, and the processor was not told to forget anything. */
static void note_change(struct run *r, struct address *a)
{
	struct model_walk before = a->now;
	u64 entry[4];

	memcpy(entry, a->entry, sizeof(entry));
	look(r, a);
	if (!before.present)
		return;
	if (before.count != a->now.count ||
	    memcmp(before.entry, a->now.entry, sizeof(before.entry)) ||
	    memcmp(entry, a->entry, before.count * sizeof(*entry)))
		a->stale = true;
	if (same_translation(&before, &a->now))
		return;
	if (a->count == HISTORY)
		invalidate(r, a->va);
	else
		a->past[a->count++] = before;
}

static void note_changes(struct run *r)
{
	u32 i;

	for (i = 0; i < ADDRESSES; i++)
		note_change(r, &r->address[i]);
}

/* CR3 was loaded: global translations may stay, all others have gone. */
static void note_cr3(struct run *r)
{
	bool pge = r->cpu.cr4 & X86_CR4_PGE, was_global;
	struct address *a;
	u32 i, n, kept;

	for (i = 0; i < ADDRESSES; i++) {
		a = &r->address[i];
		for (n = 0, kept = 0; n < a->count; n++)
			if (pge && a->past[n].global)
				a->past[kept++] = a->past[n];
		a->count = kept;
		was_global = pge && a->now.present && a->now.global;
		a->stale = kept || was_global;
		if (was_global)
			note_change(r, a);
		else
			look(r, a);
	}
}

/* Everything is forgotten. */
static void note_flush(struct run *r)
{
	u32 i;

	for (i = 0; i < ADDRESSES; i++) {
		forget(&r->address[i]);
		look(r, &r->address[i]);
	}
}

/* ---- accesses ---- */

/* May a translation of the past, with this access, lead to @gpa? */
static bool was_so(struct run *r, const struct address *a, u64 va, u32 access, u64 gpa)
{
	u32 i;

	/*
	 * An upper table out of step, too, is as in a processor's paging-structure
	 * caches: the old entry, and whatever it leads to now.
	 */
	if (a->stale && r->w.vm->mmu.shadow->nr_unsync_upper)
		return true;
	for (i = 0; i < a->count; i++)
		if (((a->past[i].gpa ^ gpa) & PAGE_MASK) == 0 && !((va ^ gpa) & ~PAGE_MASK) &&
		    model_allows(&r->cpu, &a->past[i], access))
			return true;
	return false;
}

/* The bits that @m leaves in entry @i; one that maps itself may be several of them. */
static u64 all_bits(const struct model_walk *m, int i)
{
	u64 bits = 0;
	int k;

	for (k = 0; k < m->count; k++)
		if (m->entry[k].gpa == m->entry[i].gpa)
			bits |= m->entry[k].bits;
	return bits;
}

/* khv's accessed and dirty bits: all that @m wants, or where @stale some of them. */
static void take_bits(struct run *r, const struct model_walk *m, bool stale)
{
	u64 before, bits, got;
	int i;

	for (i = 0; i < m->count; i++) {
		before = entry_value(r, m, i);
		bits = all_bits(m, i);
		got = 0;
		memcpy(&got, world_at(&r->w, m->entry[i].gpa), m->len);
		if (got != (before | bits) && !(stale && (got | bits) == (before | bits)))
			wrong(r, "accessed and dirty bits");
		memcpy(r->mem.base + m->entry[i].gpa, &got, m->len);
	}
}

/*
 * An implicit access that faults: the processor's fault does not say that it is
 * one, so khv walks the tables as for any other before it finds out, and sets bits.
 */
static void take_early_bits(struct run *r, const struct model_walk *m, u32 access)
{
	struct model_walk walk = *m;

	if (!(access & MODEL_IMPLICIT) || !walk.present)
		return;
	if (access & MODEL_WRITE)
		walk.entry[walk.count - 1].bits |= KHV_PTE_D;
	take_bits(r, &walk, true);
}

static void judge(struct run *r, const struct address *a, u64 va, u32 access,
		  const struct model_walk *m, const struct outcome *o)
{
	bool current_gpa = m->kind == MODEL_MAPPED && o->gpa == m->gpa;

	switch (o->kind) {
	case FAULTED:
		r->faults++;
		if (m->kind != MODEL_FAULT || m->error != o->error)
			wrong(r, "fault");
		else
			take_early_bits(r, m, access);
		return;
	case FAILED:
		r->failed++;
		if (m->kind != MODEL_OUTSIDE)
			wrong(r, "failure");
		return;
	case EMULATED:
		r->emulated++;
		/* Then the emulator finds that it is implicit. */
		if ((access & MODEL_IMPLICIT) && m->kind == MODEL_FAULT && m->gpa == o->gpa) {
			take_early_bits(r, m, access);
			return;
		}
		if (!current_gpa || (o->gpa < WORLD_SIZE && !(access & MODEL_WRITE)))
			wrong(r, "emulation");
		break;
	case WENT_THROUGH:
		r->through++;
		if (current_gpa)
			break;
		r->old++;
		if (!was_so(r, a, va, access, o->gpa))
			wrong(r, "translation");
	}
	if (m->kind == MODEL_MAPPED)
		take_bits(r, m, a->stale || a->count);
}

/* What was found wrong first, for the log. */
static void describe(struct run *r, u64 va, u32 access, const struct model_walk *m,
		     const struct outcome *o)
{
	if (r->wrong && !r->detail[0])
		snprintf(r->detail, sizeof(r->detail),
			 "va %llx acc %x: model %d %llx %x (%d), khv %d %llx %x; cr0 %llx cr4 %llx efer %llx",
			 va, access, m->kind, m->gpa, m->error, m->count, o->kind, o->gpa,
			 o->error, r->cpu.cr0, r->cpu.cr4, r->cpu.efer);
}

/* The guest's data arrives in memory: khv's memory, and the model's. */
static void store(struct run *r, const struct outcome *o, u64 val, u32 len)
{
	if (o->gpa >= WORLD_SIZE)
		return;
	memcpy(r->mem.base + o->gpa, &val, len);
	memcpy(world_at(&r->w, o->gpa), &val, len);
	if (o->kind == EMULATED)
		khv_shadow_written(r->w.vm, o->gpa, len);
}

static u64 random_entry(struct run *r)
{
	bool wide = r->cpu.cr4 & X86_CR4_PAE;
	u64 e = model_random_entry(&r->rnd, TABLES, wide);

	/* Region 1, or anywhere; 4 MiB pages have no use for that bit. */
	if (!below(r, 8) && (wide || !(e & KHV_PTE_PS)))
		e |= BIT(21);
	else if (!below(r, 40))
		e = (e & ~GENMASK_ULL(21, 12)) | (u64)below(r, WORLD_FRAMES) << PAGE_SHIFT;
	return wide ? e : (u32)e;
}

/*
 * A tidy guest keeps its tables apart by level, as real ones do; then those of the
 * last one may get out of step. By a table's frame, which the entry points to:
 */
static u32 random_target(struct run *r, u32 frame)
{
	if (frame < 8)				/* PML4s, and PAE's pointers */
		return 8 + below(r, 8);
	if (frame < 16)				/* page-directory-pointer tables */
		return 16 + below(r, 16);
	if (frame < 32)				/* page directories */
		return 32 + below(r, 32);
	if (!below(r, 10))
		return below(r, TABLES);
	return TABLES + below(r, WORLD_FRAMES - TABLES);
}

/* What the guest might put at @gpa. */
static u64 random_entry_at(struct run *r, u64 gpa)
{
	u64 e = random_entry(r), frame = gpa >> PAGE_SHIFT;

	if (!r->tidy || ((e & KHV_PTE_PS) && frame >= 8 && frame < 32))
		return e;
	e &= ~(KHV_PTE_PS | GENMASK_ULL(21, 12));
	return e | (u64)random_target(r, frame) << PAGE_SHIFT;
}

static void step_access(struct run *r, struct address *a)
{
	static const u32 accesses[] = {
		0, MODEL_WRITE, MODEL_FETCH, MODEL_IMPLICIT, MODEL_WRITE, MODEL_USER,
		MODEL_USER | MODEL_WRITE, MODEL_USER | MODEL_FETCH,
	};
	u32 access = accesses[below(r, ARRAY_SIZE(accesses))];
	u64 va = (a->va & PAGE_MASK) | (below(r, PAGE_SIZE) & ~7);
	struct model_walk m;
	struct outcome o;

	r->cpu.ac = below(r, 2);
	model_walk(&r->cpu, &r->mem, va, access, &m);
	o = world_access(&r->w, 0, va, access, r->cpu.ac);
	judge(r, a, va, access, &m, &o);
	describe(r, va, access, &m, &o);
	/* Bits that the processor has set are no change that it has to hear of. */
	for (a = r->address; a < r->address + ADDRESSES; a++)
		look(r, a);
	if ((access & MODEL_WRITE) &&
	    (o.kind == WENT_THROUGH || (o.kind == EMULATED && m.kind == MODEL_MAPPED))) {
		store(r, &o, random_entry_at(r, o.gpa), r->cpu.cr4 & X86_CR4_PAE ? 8 : 4);
		note_changes(r);
	}
}

/* The other processor, which has paging off, writes. */
static void write_physical(struct run *r, u64 gpa, u64 val, u32 len)
{
	struct outcome o = world_access(&r->w, 1, gpa, MODEL_WRITE, false);

	if ((o.kind != WENT_THROUGH && o.kind != EMULATED) || o.gpa != gpa)
		wrong(r, "access without paging");
	else
		store(r, &o, val, len);
	describe(r, gpa, MODEL_WRITE, &r->address[0].now, &o);
	note_changes(r);
}

/* An entry that a walk goes through becomes another, or a little different. */
static void step_edit(struct run *r, struct address *a)
{
	u32 len = r->cpu.cr4 & X86_CR4_PAE ? 8 : 4, i;
	u64 val, gpa;

	if (!a->now.count) {
		gpa = below(r, TABLES * PAGE_SIZE) & ~7;
		write_physical(r, gpa, random_entry_at(r, gpa), len);
		return;
	}
	i = below(r, 3) ? a->now.count - 1 : below(r, a->now.count);
	gpa = a->now.entry[i].gpa;
	val = a->entry[i];
	switch (below(r, 8)) {
	case 0:
		val ^= KHV_PTE_W;
		break;
	case 1:
		val ^= KHV_PTE_U;
		break;
	case 2:
		val ^= KHV_PTE_P;
		break;
	case 3:
		val &= ~(KHV_PTE_A | KHV_PTE_D);
		break;
	case 4:
		val ^= len == 8 ? KHV_PTE_NX : KHV_PTE_D;
		break;
	case 5:
		val ^= (u64)below(r, TABLES) << PAGE_SHIFT;
		break;
	default:
		val = random_entry_at(r, gpa);
	}
	/* Some guests write half an entry. */
	if (len == 8 && !below(r, 8))
		len = 4;
	write_physical(r, gpa, val, len);
	if (below(r, 2))
		step_access(r, a);
}

/* ---- registers ---- */

/* Another CR3, where PAE finds good pointers. False when there is none. */
static bool random_cr3(struct run *r)
{
	struct model_cpu cpu = r->cpu;

	cpu.cr3 = (u64)below(r, TABLES) << PAGE_SHIFT;
	if (r->tidy && (cpu.efer & EFER_LMA))
		cpu.cr3 = (u64)below(r, 8) << PAGE_SHIFT;
	else if (r->tidy)
		cpu.cr3 = (u64)(16 + below(r, 16)) << PAGE_SHIFT;
	else if (!below(r, 8))
		cpu.cr3 = (u64)(512 + below(r, MORE_TABLES)) << PAGE_SHIFT;
	cpu.pdpte_loaded = true;
	if ((cpu.efer & EFER_LMA) || !(cpu.cr4 & X86_CR4_PAE)) {
		cpu.cr3 |= below(r, 4) << 3;
	} else {
		if (below(r, 4))
			cpu.cr3 = POINTERS << PAGE_SHIFT;
		cpu.cr3 |= below(r, 128) << 5;
		if (!model_load_pdptes(&cpu, &r->mem))
			return false;
	}
	r->cpu = cpu;
	return true;
}

/* One that is mapped, if that can be found. */
static void choose_address(struct run *r, struct address *a)
{
	u32 tries = 50;

	forget(a);
	do {
		a->va = model_random_address(&r->rnd, &r->cpu) & PAGE_MASK;
		look(r, a);
	} while (--tries && !(a->now.present && a->now.gpa < WORLD_SIZE));
}

/* One that reaches the same last entry as @other by another way, if that can be found. */
static bool choose_alias(struct run *r, struct address *a, const struct address *other)
{
	u32 tries = 50, low = r->cpu.cr4 & X86_CR4_PAE ? 21 : 22;
	u64 entry;

	if (!other->now.present || other->now.count < 2 || a == other)
		return false;
	entry = other->now.entry[other->now.count - 1].gpa;
	forget(a);
	do {
		a->va = model_random_address(&r->rnd, &r->cpu) & ~(BIT_ULL(low) - 1);
		a->va |= other->va & (BIT_ULL(low) - 1);
		look(r, a);
	} while (--tries && !(a->now.present && a->va != other->va &&
			      a->now.entry[a->now.count - 1].gpa == entry));
	return tries;
}

static void step_cr3(struct run *r)
{
	struct model_cpu cpu = r->cpu;
	u32 i;

	if (below(r, 2)) {
		if (!random_cr3(r))
			return;
	} else if ((cpu.cr4 & X86_CR4_PAE) && !(cpu.efer & EFER_LMA)) {
		if (!model_load_pdptes(&r->cpu, &r->mem))
			return;
	}
	world_set_registers(&r->w, 0, &r->cpu);
	note_cr3(r);
	/* Addresses that lead nowhere teach little. khv keeps nothing over CR3's load. */
	for (i = 0; i < ADDRESSES; i++)
		if (!r->address[i].now.present &&
		    !choose_alias(r, &r->address[i], &r->address[below(r, ADDRESSES)]))
			choose_address(r, &r->address[i]);
}

static void step_registers(struct run *r)
{
	switch (below(r, 8)) {
	case 0:
		r->cpu.cr4 ^= X86_CR4_SMEP;
		break;
	case 1:
		r->cpu.cr4 ^= X86_CR4_PGE;
		break;
	case 2:
		r->cpu.cr4 ^= X86_CR4_PSE;
		break;
	case 3:
		r->cpu.cr4 ^= X86_CR4_SMAP;
		world_set_registers(&r->w, 0, &r->cpu);
		note_changes(r);
		return;
	case 4:
		r->cpu.efer ^= EFER_NX;
		world_set_registers(&r->w, 0, &r->cpu);
		note_changes(r);
		return;
	default:
		r->cpu.cr0 ^= X86_CR0_WP;
		world_set_registers(&r->w, 0, &r->cpu);
		note_changes(r);
		return;
	}
	world_set_registers(&r->w, 0, &r->cpu);
	note_flush(r);
}

/* ---- the host ---- */

static void step_host(struct run *r)
{
	u32 gfn = below(r, 2) ? below(r, TABLES) : below(r, WORLD_FRAMES), nr = 1 + below(r, 8);
	struct outcome o = { .kind = EMULATED };

	nr = min(nr, WORLD_FRAMES - gfn);
	switch (below(r, 12)) {
	case 0:
		khv_shadow_range(r->w.vm, gfn, gfn + nr, KHV_PT_WRPROTECT, true);
		break;
	case 1:
		khv_shadow_range(r->w.vm, gfn, gfn + nr, KHV_PT_AGE, true);
		break;
	case 2:
		world_move(&r->w, below(r, 2) * 512, 512);
		break;
	case 3:
		khv_shadow_set_limit(r->w.vm, LEAST_PAGES + below(r, 100));
		break;
	case 4:	/* khv writes guest memory of its own accord */
		o.gpa = below(r, TABLES * PAGE_SIZE) & ~7;
		store(r, &o, random_entry_at(r, o.gpa), 8);
		note_changes(r);
		break;
	case 5:
		r->w.big = !r->w.big;
		r->w.odd_writes = !below(r, 4);
		break;
	case 6:
		world_log(&r->w, below(r, 3));
		break;
	case 7 ... 9:
		world_collect(&r->w);
		break;
	default:
		world_move(&r->w, gfn, nr);
	}
}

static void step(struct run *r)
{
	struct address *a = &r->address[below(r, ADDRESSES)];

	switch (below(r, 16)) {
	case 0 ... 7:
		step_access(r, a);
		break;
	case 8 ... 10:
		step_edit(r, a);
		break;
	case 11 ... 12:
		invalidate(r, a->va);
		break;
	case 13:
		step_cr3(r);
		break;
	case 14:
		if (!below(r, 4))
			step_registers(r);
		else
			write_physical(r, below(r, WORLD_SIZE) & ~7, random_entry(r), 8);
		break;
	default:
		step_host(r);
	}
}

/* ---- rounds ---- */

static void build_memory(struct run *r)
{
	bool wide = r->cpu.cr4 & X86_CR4_PAE;
	u32 len = wide ? 8 : 4;
	u64 gpa, e;
	u32 i;

	memset(r->mem.base, 0, WORLD_SIZE);
	for (gpa = 0; gpa < TABLES * PAGE_SIZE; gpa += len) {
		e = random_entry_at(r, gpa);
		memcpy(r->mem.base + gpa, &e, len);
	}
	for (gpa = WORLD_SIZE / 2; gpa < WORLD_SIZE / 2 + MORE_TABLES * PAGE_SIZE; gpa += len) {
		e = random_entry(r);
		memcpy(r->mem.base + gpa, &e, len);
	}
	for (gpa = POINTERS * PAGE_SIZE; wide && gpa < (POINTERS + 1) * PAGE_SIZE; gpa += 8) {
		e = r->tidy ? 16 + below(r, 16) : below(r, TABLES);
		e = e << PAGE_SHIFT | (below(r, 8) ? 1 : 0);
		memcpy(r->mem.base + gpa, &e, 8);
	}
	for (i = 0; i < WORLD_FRAMES; i++)
		memcpy(world_at(&r->w, i * PAGE_SIZE), r->mem.base + i * PAGE_SIZE, PAGE_SIZE);
}

/* Is what khv has made of the first @frames what the model has? */
static void compare_memory(struct run *r, u32 frames)
{
	u64 gpa, *khv, *model;

	for (gpa = 0; gpa < frames * PAGE_SIZE && !r->wrong; gpa += 8) {
		khv = world_at(&r->w, gpa);
		model = r->mem.base + gpa;
		if (*khv == *model)
			continue;
		wrong(r, "memory");
		snprintf(r->detail, sizeof(r->detail), "%llx is %llx, not %llx", gpa, *khv,
			 *model);
		return;
	}
}

static void start_round(struct run *r, u32 seed)
{
	const struct model_cpu flat = { .cr0 = X86_CR0_PE, .maxphyaddr = 36 };
	u32 x, i;

	prandom_seed_state(&r->rnd, seed);
	prandom_seed_state(&r->w.rnd, ~seed);
	x = prandom_u32_state(&r->rnd);
	r->w.big = x & 0x10;
	r->w.odd_writes = false;
	r->tidy = seed % 8 > 3;
	r->cpu = (struct model_cpu) {
		.cr0 = X86_CR0_PE | X86_CR0_PG | (x & 1 ? X86_CR0_WP : 0),
		.cr4 = (x & 2 ? X86_CR4_SMEP : 0) | (x & 4 ? X86_CR4_SMAP : 0) |
		       (x & 8 ? X86_CR4_PGE : 0) | (x & 0x60 ? X86_CR4_PSE : 0),
		.efer = x & 0x180 ? EFER_NX : 0,
		.maxphyaddr = x & 0x200 ? 36 : 40,
		.gbpages = x & 0x400, .pse36 = x & 0x800,
	};
	if (seed % 4)
		r->cpu.cr4 |= X86_CR4_PAE;
	if (seed % 4 > 1)
		r->cpu.efer |= EFER_LMA | EFER_LME;
	memset(r->w.where, seed & 1, sizeof(r->w.where));
	memset(r->w.split, 0, sizeof(r->w.split));
	build_memory(r);
	khv_shadow_set_limit(r->w.vm, LEAST_PAGES + below(r, 200));
	while (!random_cr3(r))
		;
	world_set_registers(&r->w, 0, &r->cpu);
	world_set_registers(&r->w, 1, &flat);
	for (i = 0; i < ADDRESSES; i++)
		if (!(i & 1) || !choose_alias(r, &r->address[i], &r->address[i - 1]))
			choose_address(r, &r->address[i]);
}

static void run_round(struct kunit *test, struct run *r, u32 seed)
{
	const char *why;
	u32 n;

	start_round(r, seed);
	for (n = 0; n < STEPS && !r->wrong; n++) {
		step(r);
		if (r->w.trouble)
			wrong(r, r->w.trouble);
		r->unsync += r->w.vm->mmu.shadow->nr_unsync > 0;
		if (n % 64 == 0) {
			why = world_inconsistent(&r->w);
			if (why)
				wrong(r, why);
			compare_memory(r, TABLES);
		}
	}
	compare_memory(r, WORLD_FRAMES);
	if (r->wrong)
		KUNIT_FAIL(test, "seed %u step %u: %s: %s", seed, n, r->wrong, r->detail);
	/* The next guest is another one, whose memory is in one piece. */
	khv_shadow_range(r->w.vm, 0, ~0ULL, KHV_PT_ZAP, true);
	khv_shadow_forget(r->w.vm, 0, WORLD_FRAMES);
	cond_resched();
}

static void test_random(struct kunit *test)
{
	struct run *r = kvzalloc(sizeof(*r), GFP_KERNEL);
	u32 seed;

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->mem.size = WORLD_SIZE;
	r->mem.base = vmalloc(WORLD_SIZE);
	if (!r->mem.base || world_create(&r->w))
		wrong(r, "no memory for the test");
	for (seed = 1; seed <= ROUNDS && !r->wrong; seed++)
		run_round(test, r, seed);
	KUNIT_EXPECT_TRUE_MSG(test, world_destroy(&r->w), "%ld pages are left",
			      shadow_code_pages);
	kunit_info(test, "%u through (%u by an old translation), %u faults, %u emulated, %u failed; %u steps with unsync pages",
		   r->through, r->old, r->faults, r->emulated, r->failed, r->unsync);
	KUNIT_EXPECT_GT(test, r->through, ROUNDS * STEPS / 20);
	KUNIT_EXPECT_NULL(test, (void *)r->wrong);
	vfree(r->mem.base);
	kvfree(r);
}

static struct kunit_case shadow_cases[] = {
	KUNIT_CASE(shadow_everything_at_once),
	KUNIT_CASE(test_random),
	{}
};

static struct kunit_suite shadow_suite = {
	.name = "khv_shadow",
	.test_cases = shadow_cases,
};

kunit_test_suite(shadow_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of khv's shadow paging against a model");
