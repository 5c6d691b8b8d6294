// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interpreter: one function per format of entry, then one for what the sum
 * of the entries allows. And the generator of guests worth interpreting.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <linux/bits.h>
#include <linux/string.h>

#include "paging_model.h"

#define P	BIT_ULL(0)
#define W	BIT_ULL(1)
#define U	BIT_ULL(2)
#define A	BIT_ULL(5)
#define D	BIT_ULL(6)
#define PS	BIT_ULL(7)
#define G	BIT_ULL(8)
#define NX	BIT_ULL(63)

/* The page-fault error code's bits. */
#define ERR_P		0x01
#define ERR_W		0x02
#define ERR_U		0x04
#define ERR_RSVD	0x08
#define ERR_I		0x10
#define ERR_PK		0x20

/* A walk under way. @leaf: the last entry read. @done: mapped, or failed. */
struct state {
	const struct model_cpu *cpu;
	const struct model_mem *mem;
	u64 va, leaf;
	bool done;
	struct model_walk *w;
};

static bool long_mode(const struct model_cpu *cpu)
{
	return cpu->efer & EFER_LMA;
}

static void fail(struct state *s, enum model_kind kind, u32 error)
{
	s->w->kind = kind;
	s->w->error = error;
	s->done = true;
}

static u64 load(struct state *s, u64 gpa)
{
	if (gpa >= s->mem->size) {
		fail(s, MODEL_OUTSIDE, 0);
		return 0;
	}
	return s->w->len == 8 ? *(u64 *)(s->mem->base + gpa) : *(u32 *)(s->mem->base + gpa);
}

/*
 * The entry @e, at @gpa, controls the translation, unless it is not present or has
 * one of the bits in @reserved.
 */
static void use(struct state *s, u64 gpa, u64 e, u64 reserved)
{
	if (s->done)
		return;
	if (!(e & P)) {
		fail(s, MODEL_FAULT, 0);
	} else if (e & reserved) {
		fail(s, MODEL_FAULT, ERR_P | ERR_RSVD);
	} else {
		s->w->entry[s->w->count++] = (struct model_entry) { gpa, A };
		s->w->writable &= !!(e & W);
		s->w->user &= !!(e & U);
		s->w->nx |= s->w->len == 8 && (e & NX);
		s->leaf = e;
	}
}

/* The last entry used maps a page of 1 << @shift bytes at @frame. */
static void map(struct state *s, u8 level, u64 frame, int shift)
{
	if (s->done)
		return;
	s->w->present = true;
	s->w->level = level;
	s->w->global = s->leaf & G;
	s->w->gpa = (frame & ~(BIT_ULL(shift) - 1)) | (s->va & (BIT_ULL(shift) - 1));
	s->done = true;
}

/* "SDM, 32-Bit Paging": the PDE that maps 4 MiB has more address bits above the low ones. */
static void walk_32(struct state *s)
{
	u64 at = (s->cpu->cr3 & 0xfffff000) | (s->va >> 22 & 0x3ff) << 2, e, high, reserved;
	u8 width = s->cpu->pse36 ? min_t(u8, s->cpu->maxphyaddr, 40) : 32;

	e = load(s, at);
	if ((e & PS) && (s->cpu->cr4 & X86_CR4_PSE)) {
		/* Bit 13 stands for bit 32 of the address, and so on below the width. */
		reserved = GENMASK_ULL(21, 13);
		if (width > 32)
			reserved &= ~((BIT_ULL(width - 32) - 1) << 13);
		use(s, at, e, reserved);
		high = (e >> 13 & 0xff) << 32;
		map(s, 2, (e & 0xffc00000) | high, 22);
		return;
	}
	use(s, at, e, 0);
	if (s->done)
		return;
	at = (e & 0xfffff000) | (s->va >> 12 & 0x3ff) << 2;
	e = load(s, at);
	use(s, at, e, 0);
	map(s, 1, e & 0xfffff000, 12);
}

/* Bits that no present entry of 8 bytes may have. */
static u64 reserved_high(const struct model_cpu *cpu)
{
	u64 mask = 0;
	int bit;

	/* PAE has nothing above the address but NX; in long mode software owns 62:52. */
	for (bit = cpu->maxphyaddr; bit < (long_mode(cpu) ? 52 : 63); bit++)
		mask |= BIT_ULL(bit);
	if (!(cpu->efer & EFER_NX))
		mask |= NX;
	return mask;
}

#define ADDRESS	GENMASK_ULL(51, 12)

/* Page directory and page table, the same in PAE and in 4 levels. */
static void walk_pd(struct state *s, u64 table)
{
	u64 at = table | (s->va >> 21 & 0x1ff) << 3, e, reserved = reserved_high(s->cpu);

	e = load(s, at);
	if (e & PS) {
		use(s, at, e, reserved | GENMASK_ULL(20, 13));
		map(s, 2, e & ADDRESS, 21);
		return;
	}
	use(s, at, e, reserved);
	if (s->done)
		return;
	at = (e & ADDRESS) | (s->va >> 12 & 0x1ff) << 3;
	e = load(s, at);
	use(s, at, e, reserved);
	map(s, 1, e & ADDRESS, 12);
}

static u64 pdpte_reserved(const struct model_cpu *cpu)
{
	return ~(BIT_ULL(cpu->maxphyaddr) - 1) | GENMASK_ULL(8, 5) | W | U;
}

/* PDPTEs have neither rights nor an accessed bit. */
static void walk_pae(struct state *s)
{
	u64 i = s->va >> 30 & 3, e;

	if (s->cpu->pdpte_loaded)
		e = s->cpu->pdpte[i];
	else
		e = load(s, (s->cpu->cr3 & 0xffffffe0) | i << 3);
	if (s->done)
		return;
	if (!(e & P))
		fail(s, MODEL_FAULT, 0);
	else if (e & pdpte_reserved(s->cpu))
		fail(s, MODEL_FAULT, ERR_P | ERR_RSVD);
	else
		walk_pd(s, e & ADDRESS);
}

static void walk_4(struct state *s)
{
	u64 at = (s->cpu->cr3 & ADDRESS) | (s->va >> 39 & 0x1ff) << 3, e;
	u64 reserved = reserved_high(s->cpu);

	e = load(s, at);
	use(s, at, e, reserved | PS);
	if (s->done)
		return;
	at = (e & ADDRESS) | (s->va >> 30 & 0x1ff) << 3;
	e = load(s, at);
	if (e & PS) {
		use(s, at, e, reserved | (s->cpu->gbpages ? GENMASK_ULL(29, 13) : PS));
		map(s, 3, e & ADDRESS, 30);
		return;
	}
	use(s, at, e, reserved);
	if (!s->done)
		walk_pd(s, e & ADDRESS);
}

/* "SDM, Protection Keys": of user pages, for data, in long mode. */
static bool key_forbids(const struct model_cpu *cpu, const struct state *s, u32 access)
{
	u32 rights = cpu->pkru >> 2 * (s->leaf >> 59 & 15) & 3;

	if (!long_mode(cpu) || !(cpu->cr4 & X86_CR4_PKE) || !s->w->user || (access & MODEL_FETCH))
		return false;
	if (rights & 1)
		return true;
	return (rights & 2) && (access & MODEL_WRITE) &&
	       ((access & MODEL_USER) || (cpu->cr0 & X86_CR0_WP));
}

/* "SDM, Determination of Access Rights", in its order. */
bool model_allows(const struct model_cpu *cpu, const struct model_walk *w, u32 access)
{
	if (access & MODEL_USER) {
		if (!w->user)
			return false;
		if (access & MODEL_FETCH)
			return !w->nx;
		return !(access & MODEL_WRITE) || w->writable;
	}
	if (access & MODEL_FETCH)
		return !w->nx && !(w->user && (cpu->cr4 & X86_CR4_SMEP));
	if (w->user && (cpu->cr4 & X86_CR4_SMAP) && (!cpu->ac || (access & MODEL_IMPLICIT)))
		return false;
	return !(access & MODEL_WRITE) || w->writable || !(cpu->cr0 & X86_CR0_WP);
}

static u32 access_error(const struct model_cpu *cpu, u32 access)
{
	u32 error = 0;

	if (access & MODEL_WRITE)
		error |= ERR_W;
	if (access & MODEL_USER)
		error |= ERR_U;
	if ((access & MODEL_FETCH) &&
	    ((cpu->cr4 & X86_CR4_SMEP) || ((cpu->cr4 & X86_CR4_PAE) && (cpu->efer & EFER_NX))))
		error |= ERR_I;
	return error;
}

void model_walk(const struct model_cpu *cpu, const struct model_mem *mem, u64 va, u32 access,
		struct model_walk *w)
{
	struct state s = { .cpu = cpu, .mem = mem, .va = va, .w = w };

	memset(w, 0, sizeof(*w));
	w->writable = true;
	w->user = true;
	w->len = cpu->cr4 & X86_CR4_PAE ? 8 : 4;
	if (!(cpu->cr0 & X86_CR0_PG)) {
		w->gpa = (u32)va;
		w->level = 1;
		w->present = true;
		return;
	}
	if (long_mode(cpu))
		walk_4(&s);
	else if (cpu->cr4 & X86_CR4_PAE)
		walk_pae(&s);
	else
		walk_32(&s);
	if (w->kind == MODEL_OUTSIDE)
		return;
	if (w->kind == MODEL_MAPPED) {
		if (!model_allows(cpu, w, access))
			fail(&s, MODEL_FAULT, ERR_P);
		if (key_forbids(cpu, &s, access))
			fail(&s, MODEL_FAULT, ERR_P | ERR_PK);
	}
	if (w->kind == MODEL_FAULT)
		w->error |= access_error(cpu, access);
	else if (access & MODEL_WRITE)
		w->entry[w->count - 1].bits |= D;
}

void model_apply(const struct model_walk *w, const struct model_mem *mem)
{
	int i;

	for (i = 0; i < w->count; i++) {
		if (w->len == 8)
			*(u64 *)(mem->base + w->entry[i].gpa) |= w->entry[i].bits;
		else
			*(u32 *)(mem->base + w->entry[i].gpa) |= w->entry[i].bits;
	}
}

bool model_load_pdptes(struct model_cpu *cpu, const struct model_mem *mem)
{
	u64 at = cpu->cr3 & 0xffffffe0, pdpte[4];
	int i;

	if (at + sizeof(pdpte) > mem->size)
		return false;
	memcpy(pdpte, mem->base + at, sizeof(pdpte));
	for (i = 0; i < 4; i++)
		if ((pdpte[i] & P) && (pdpte[i] & pdpte_reserved(cpu)))
			return false;
	memcpy(cpu->pdpte, pdpte, sizeof(pdpte));
	return true;
}

/* True once in @n. */
static bool once_in(struct rnd_state *rnd, u32 n)
{
	return !(prandom_u32_state(rnd) % n);
}

/*
 * Mostly present, mostly with all rights, mostly of memory that is there. Any may
 * serve at any level, so tables point at each other and at themselves.
 */
u64 model_random_entry(struct rnd_state *rnd, u32 frames, bool wide)
{
	u64 e = (u64)(prandom_u32_state(rnd) % frames) << 12;

	/* AVL, G, D, A, PCD, PWT. */
	e |= prandom_u32_state(rnd) & 0xf78;
	if (!once_in(rnd, 16))
		e |= P;
	if (!once_in(rnd, 10))
		e |= W;
	if (!once_in(rnd, 10))
		e |= U;
	if (once_in(rnd, 6)) {
		/* Of one at 0, or at a place that makes a bit a reserved one. */
		e |= PS;
		e &= ~GENMASK_ULL(31, 12);
		if (once_in(rnd, 8))
			e |= BIT_ULL(12 + prandom_u32_state(rnd) % 20);
	}
	if (once_in(rnd, 64))
		e |= BIT_ULL(12 + prandom_u32_state(rnd) % 20);
	if (!wide)
		return (u32)e;
	if (once_in(rnd, 16))
		e |= NX;
	if (once_in(rnd, 64))
		e |= BIT_ULL(32 + prandom_u32_state(rnd) % 31);
	if (once_in(rnd, 4))
		e |= (u64)(prandom_u32_state(rnd) & 15) << 59;
	return e;
}

void model_random_tables(struct rnd_state *rnd, const struct model_mem *mem, bool wide)
{
	u32 frames = mem->size >> PAGE_SHIFT;
	u64 i;

	for (i = 0; wide && i < mem->size / 8; i++)
		((u64 *)mem->base)[i] = model_random_entry(rnd, frames, true);
	for (i = 0; !wide && i < mem->size / 4; i++)
		((u32 *)mem->base)[i] = model_random_entry(rnd, frames, false);
}

u64 model_random_address(struct rnd_state *rnd, const struct model_cpu *cpu)
{
	u64 va = 0;
	int shift;

	if (!long_mode(cpu))
		return prandom_u32_state(rnd) & (once_in(rnd, 2) ? ~0u : 0xffc3ffff);
	for (shift = 12; shift <= 39; shift += 9)
		va |= (u64)(prandom_u32_state(rnd) & (once_in(rnd, 2) ? 511 : 63)) << shift;
	va |= prandom_u32_state(rnd) & 0xfff;
	return va & BIT_ULL(47) ? va | GENMASK_ULL(63, 48) : va;
}
