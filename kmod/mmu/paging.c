// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's paging modes as a pure function; see paging.h.
 *
 * One loop serves all modes; what tells them apart is a struct mode. The guest
 * can change its tables at any time from another vCPU, so each entry is read
 * once, and a changed entry makes the accessed-bit update fail and the walk
 * start over.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "mmu/paging.h"

#define PTE_P		BIT_ULL(0)
#define PTE_W		BIT_ULL(1)
#define PTE_U		BIT_ULL(2)
#define PTE_A		BIT_ULL(5)
#define PTE_D		BIT_ULL(6)
#define PTE_PS		BIT_ULL(7)
#define PTE_NX		BIT_ULL(63)
#define PTE_PKEY_SHIFT	59

#define ERR_P		BIT(0)
#define ERR_W		BIT(1)
#define ERR_U		BIT(2)
#define ERR_RSVD	BIT(3)
#define ERR_I		BIT(4)
#define ERR_PK		BIT(5)

/* Times that another vCPU may spoil a walk; no honest guest comes near. */
#define MAX_RESTARTS	64

struct mode {
	u8 levels;
	u8 entry_size;		/* bytes */
	u8 index_bits;
};

static const struct mode mode_32 = { .levels = 2, .entry_size = 4, .index_bits = 10 };
static const struct mode mode_pae = { .levels = 3, .entry_size = 8, .index_bits = 9 };
static const struct mode mode_64 = { .levels = 4, .entry_size = 8, .index_bits = 9 };

/* What one pass over the tables found. */
struct trail {
	int leaf;		/* level */
	u64 pte[KHV_WALK_LEVELS + 1];	/* by level, from 1 */
	gpa_t addr[KHV_WALK_LEVELS + 1];
	bool w, u, nx;
};

static const struct mode *mode_of(const struct khv_paging *pg)
{
	if (pg->efer & EFER_LMA)
		return &mode_64;
	return pg->cr4 & X86_CR4_PAE ? &mode_pae : &mode_32;
}

static int level_shift(const struct mode *m, int level)
{
	return PAGE_SHIFT + (level - 1) * m->index_bits;
}

/* Bits from maxphyaddr up to @top must be 0. */
static u64 addr_reserved(u8 maxphyaddr, int top)
{
	return maxphyaddr > top ? 0 : GENMASK_ULL(top, maxphyaddr);
}

u64 khv_pdpte_reserved(u8 maxphyaddr)
{
	return addr_reserved(maxphyaddr, 63) | GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1);
}

static bool is_large(const struct khv_paging *pg, const struct mode *m, u64 pte, int level)
{
	if (!(pte & PTE_PS))
		return false;
	if (m == &mode_32)
		return level == 2 && (pg->cr4 & X86_CR4_PSE);
	/* A PS bit that is not allowed where it is, is a reserved bit. */
	return level == 2 || (m == &mode_64 && level == 3 && pg->gbpages);
}

/* "SDM, 32-Bit Paging": a 4-MByte page's address has bits 39:32 at 20:13 with PSE-36. */
static int pse36_bits(const struct khv_paging *pg)
{
	return pg->pse36 && pg->maxphyaddr > 32 ? min_t(int, pg->maxphyaddr, 40) - 32 : 0;
}

static u64 reserved_bits(const struct khv_paging *pg, const struct mode *m, u64 pte, int level)
{
	bool large = is_large(pg, m, pte, level);
	u64 rsvd;

	if (m == &mode_32)
		return large ? GENMASK_ULL(21, 13 + pse36_bits(pg)) : 0;
	if (m == &mode_pae && level == 3)
		return khv_pdpte_reserved(pg->maxphyaddr);

	rsvd = addr_reserved(pg->maxphyaddr, m == &mode_pae ? 62 : 51);
	if (!(pg->efer & EFER_NX))
		rsvd |= PTE_NX;
	if (large)
		rsvd |= GENMASK_ULL(level_shift(m, level) - 1, 13);
	else if (level > 2)
		rsvd |= PTE_PS;
	return rsvd;
}

static gpa_t table_addr(const struct khv_paging *pg, const struct mode *m)
{
	if (m == &mode_32)
		return pg->cr3 & GENMASK_ULL(31, 12);
	if (m == &mode_pae)
		return pg->cr3 & GENMASK_ULL(31, 5);
	return pg->cr3 & GENMASK_ULL(51, 12);
}

static unsigned int entry_index(const struct mode *m, gva_t gva, int level)
{
	/* PAE's top table has four entries. */
	int bits = m == &mode_pae && level == 3 ? 2 : m->index_bits;

	return (gva >> level_shift(m, level)) & (BIT(bits) - 1);
}

/* 0, 1 for a page fault (error bits in *err), or -EFAULT. */
static int walk_down(const struct khv_paging *pg, const struct khv_paging_mem *mem,
		     const struct mode *m, gva_t gva, struct trail *trail, u32 *err)
{
	gpa_t table = table_addr(pg, m);
	int level;
	u64 pte;

	trail->w = true;
	trail->u = true;
	trail->nx = false;
	for (level = m->levels; ; level--) {
		trail->addr[level] = table + entry_index(m, gva, level) * m->entry_size;
		if (level == 3 && m == &mode_pae && pg->pdpte)
			pte = pg->pdpte[entry_index(m, gva, level)];
		else if (mem->read(mem->ctx, trail->addr[level], &pte, m->entry_size))
			return -EFAULT;
		if (!(pte & PTE_P)) {
			*err = 0;
			return 1;
		}
		if (pte & reserved_bits(pg, m, pte, level)) {
			*err = ERR_P | ERR_RSVD;
			return 1;
		}
		trail->pte[level] = pte;
		/* PAE's PDPTEs have no permissions. */
		if (m != &mode_pae || level < 3) {
			trail->w &= !!(pte & PTE_W);
			trail->u &= !!(pte & PTE_U);
			if (m != &mode_32)
				trail->nx |= !!(pte & PTE_NX);
		}
		if (level == 1 || is_large(pg, m, pte, level)) {
			trail->leaf = level;
			return 0;
		}
		table = pte & GENMASK_ULL(51, 12);
	}
}

/* "SDM, Determination of Access Rights" and "Protection Keys": error bits, 0 when allowed. */
static u32 check_rights(const struct khv_paging *pg, const struct mode *m,
			const struct trail *trail, u32 access)
{
	bool write = access & KHV_ACCESS_WRITE, user = access & KHV_ACCESS_USER;
	bool fetch = access & KHV_ACCESS_FETCH;
	u32 err = 0, key;

	if (user && !trail->u)
		err = ERR_P;
	if (write && !trail->w && (user || (pg->cr0 & X86_CR0_WP)))
		err = ERR_P;
	if (fetch && trail->nx)
		err = ERR_P;
	if (!user && trail->u) {
		if (fetch && (pg->cr4 & X86_CR4_SMEP))
			err = ERR_P;
		if (!fetch && (pg->cr4 & X86_CR4_SMAP) &&
		    (!pg->ac || (access & KHV_ACCESS_IMPLICIT)))
			err = ERR_P;
	}
	if (m == &mode_64 && (pg->cr4 & X86_CR4_PKE) && trail->u && !fetch) {
		key = pg->pkru >> (((trail->pte[trail->leaf] >> PTE_PKEY_SHIFT) & 15) * 2) & 3;
		if ((key & 1) || ((key & 2) && write && (user || (pg->cr0 & X86_CR0_WP))))
			err |= ERR_P | ERR_PK;
	}
	return err;
}

/*
 * Set accessed bits on the way and the dirty bit of a page that is written.
 * -EAGAIN: an entry is not any more what was checked. Tables in read-only memory
 * stay as they are, like a processor's in ROM.
 */
static int set_accessed(const struct khv_paging_mem *mem, const struct mode *m,
			struct trail *trail, u32 access)
{
	int level, r;
	u64 new;

	for (level = m->levels; level >= trail->leaf; level--) {
		if (m == &mode_pae && level == 3)
			continue;
		new = trail->pte[level] | PTE_A;
		if (level == trail->leaf && (access & KHV_ACCESS_WRITE))
			new |= PTE_D;
		if (new == trail->pte[level])
			continue;
		r = mem->exchange(mem->ctx, trail->addr[level], trail->pte[level], new,
				  m->entry_size);
		if (r == -EAGAIN)
			return r;
		if (!r)
			trail->pte[level] = new;
	}
	return 0;
}

static gpa_t leaf_addr(const struct khv_paging *pg, const struct mode *m,
		       const struct trail *trail, gva_t gva)
{
	u64 off = BIT_ULL(level_shift(m, trail->leaf)) - 1;
	u64 pte = trail->pte[trail->leaf];
	gpa_t base = pte & GENMASK_ULL(51, 12) & ~off;

	if (m == &mode_32 && trail->leaf == 2)
		base |= ((pte >> 13) & (BIT(pse36_bits(pg)) - 1)) << 32;
	return base | (gva & off);
}

int khv_paging_walk(const struct khv_paging *pg, const struct khv_paging_mem *mem, gva_t gva,
		    u32 access, struct khv_walk *walk)
{
	const struct mode *m = mode_of(pg);
	struct trail trail;
	int r, tries;
	u32 err;

	*walk = (struct khv_walk) { .level = 1, .writable = true, .user = true,
				    .executable = true };
	if (m != &mode_64)
		gva = (u32)gva;
	if (!(pg->cr0 & X86_CR0_PG)) {
		walk->gpa = gva;
		return 0;
	}

	for (tries = 0; tries < MAX_RESTARTS; tries++) {
		r = walk_down(pg, mem, m, gva, &trail, &err);
		if (r < 0)
			return r;
		if (!r)
			err = check_rights(pg, m, &trail, access);
		if (r || err) {
			err |= access & (KHV_ACCESS_WRITE | KHV_ACCESS_USER);
			if ((access & KHV_ACCESS_FETCH) &&
			    ((pg->cr4 & X86_CR4_SMEP) ||
			     ((pg->cr4 & X86_CR4_PAE) && (pg->efer & EFER_NX))))
				err |= ERR_I;
			walk->error_code = err;
			return 1;
		}
		if (set_accessed(mem, m, &trail, access))
			continue;
		walk->gpa = leaf_addr(pg, m, &trail, gva);
		walk->level = trail.leaf;
		walk->writable = trail.w;
		walk->user = trail.u;
		walk->executable = !trail.nx;
		memcpy(walk->pte, trail.pte, sizeof(walk->pte));
		memcpy(walk->pte_gpa, trail.addr, sizeof(walk->pte_gpa));
		return 0;
	}
	return -EFAULT;
}
