/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A plain interpreter of the processor's paging, written from the manuals alone
 * ("SDM, Paging"; "APM, Volume 2: Page Translation and Protection"), which khv's
 * code is compared with. Slow, without state of its own, and blind to TLBs: a
 * translation is what memory says now.
 */
#ifndef KHV_TESTS_PAGING_MODEL_H
#define KHV_TESTS_PAGING_MODEL_H

#include <linux/prandom.h>
#include <linux/types.h>

/**
 * struct model_cpu - the registers and features that paging depends on
 * @pdpte: PAE's four, where @pdpte_loaded
 * @pdpte_loaded: PAE uses @pdpte as CR3's load has left them; otherwise it reads
 *	memory at each walk, as AMD's processors do in a guest with nested paging
 * @ac: RFLAGS.AC
 */
struct model_cpu {
	u64 cr0, cr3, cr4, efer;
	u64 pdpte[4];
	bool pdpte_loaded;
	u32 pkru;
	u8 maxphyaddr;
	bool gbpages, pse36, ac;
};

/* Guest-physical memory from 0. Nothing is behind @size. */
struct model_mem {
	void *base;
	u64 size;
};

#define MODEL_WRITE	0x1
#define MODEL_USER	0x2
#define MODEL_FETCH	0x4
#define MODEL_IMPLICIT	0x8	/* supervisor access to a system structure at any CPL */

enum model_kind {
	MODEL_MAPPED,	/* @gpa */
	MODEL_FAULT,	/* @error */
	MODEL_OUTSIDE,	/* a table lies where no memory is */
};

/* An entry that a translation used, and the A and D bits that using it leaves set. */
struct model_entry {
	u64 gpa;
	u64 bits;
};

/**
 * struct model_walk - what an access comes to
 * @present: the address has a translation, which @kind may yet say is a fault
 * @level: of the leaf, 1 for 4 KiB
 * @global: the leaf has G, whatever CR4.PGE says
 * @len: of an entry, in bytes
 */
struct model_walk {
	enum model_kind kind;
	u64 gpa;
	u32 error;
	bool present, writable, user, nx, global;
	u8 level, len;
	int count;
	struct model_entry entry[4];
};

/* A @va that is not canonical is the caller's business. */
void model_walk(const struct model_cpu *cpu, const struct model_mem *mem, u64 va, u32 access,
		struct model_walk *walk);

/* Do the rights of @walk's translation, protection keys aside, allow @access? */
bool model_allows(const struct model_cpu *cpu, const struct model_walk *walk, u32 access);

/* Set the bits that @walk, of a mapped access, left to be set. */
void model_apply(const struct model_walk *walk, const struct model_mem *mem);

/* CR3's load with PAE: false when a reserved bit makes it #GP. */
bool model_load_pdptes(struct model_cpu *cpu, const struct model_mem *mem);

/* Random guests, for tables in memory of @frames frames. */
u64 model_random_entry(struct rnd_state *rnd, u32 frames, bool wide);
void model_random_tables(struct rnd_state *rnd, const struct model_mem *mem, bool wide);
/* One of few addresses of any table, canonical, mostly with a small offset in large pages. */
u64 model_random_address(struct rnd_state *rnd, const struct model_cpu *cpu);

#endif
