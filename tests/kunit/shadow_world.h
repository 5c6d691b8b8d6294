/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine for the shadow code (kmod/mmu/shadow*.c): guest memory whose host
 * pages can move, vCPUs whose processor is a few functions with a TLB that
 * forgets nothing unasked, and all that khv has around the shadow code.
 */
#ifndef KHV_TESTS_SHADOW_WORLD_H
#define KHV_TESTS_SHADOW_WORLD_H

#include <linux/prandom.h>
#include <linux/types.h>

#include "mmu/shadow_page.h"
#include "paging_model.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

#define WORLD_FRAMES	1024u			/* two regions of 2 MiB */
#define WORLD_SIZE	(WORLD_FRAMES * PAGE_SIZE)
#define WORLD_CPUS	2
#define WORLD_TLB	32

struct tlb_entry {
	bool valid, write, user, nx;
	u8 level;
	u64 page, pa;		/* first page of the leaf, and where it is */
};

/* @pf: the #PF that khv queued. @user, @implicit: of the access under way. */
struct world_cpu {
	struct khv_vcpu *vcpu;
	hpa_t root;
	struct tlb_entry tlb[WORLD_TLB];
	struct {
		bool queued;
		u64 address;
		u32 error;
	} pf;
	bool user, implicit;
};

/**
 * struct world - the machine
 * @arena: two places for each frame of guest memory
 * @where: which of them it is in
 * @split: by region of 2 MiB: the host maps it by small pages
 * @big: the host maps by large pages where it can
 * @dirty: the frames that the log has; khv writes nothing here
 * @odd_writes: the guest writes with instructions that khv cannot emulate
 * @racing: when khv compares the table of the entry at this address, another processor has
 *	just cleared the entry; 0: none
 * @trouble: what khv did that no khv may, or NULL
 */
struct world {
	struct khv_vm *vm;
	struct world_cpu cpu[WORLD_CPUS];
	void *arena[2];
	u8 where[WORLD_FRAMES];
	bool split[WORLD_FRAMES / 512];
	DECLARE_BITMAP(dirty, WORLD_FRAMES);
	bool big, odd_writes;
	u64 racing;
	struct rnd_state rnd;
	const char *trouble;
};

enum outcome_kind {
	WENT_THROUGH,	/* to @gpa */
	FAULTED,	/* #PF with @error */
	EMULATED,	/* khv is to do the access at @gpa itself */
	FAILED,		/* khv gave up with -errno in @error */
};

struct outcome {
	enum outcome_kind kind;
	u64 gpa;
	u32 error;
};

/* 0 or -ENOMEM. There is one world at a time. */
int world_create(struct world *w);
/* False when pages of khv's are left. */
bool world_destroy(struct world *w);

/* The guest's registers, once they are what the guest made them: khv gets to know. */
void world_set_registers(struct world *w, unsigned int n, const struct model_cpu *regs);
/* An access (MODEL_*) by the processor; faults are khv's to handle. */
struct outcome world_access(struct world *w, unsigned int n, u64 va, u32 access, bool ac);
void world_invlpg(struct world *w, unsigned int n, u64 va);

/* Where @gpa is now. */
void *world_at(struct world *w, u64 gpa);
/* The host moves @nr frames elsewhere: an invalidation. */
void world_move(struct world *w, u32 gfn, u32 nr);

/* The dirty log begins empty, or ends; some frames are taken from it while it is on. */
void world_log(struct world *w, bool on);
void world_collect(struct world *w);

/* Lists, counters, reverse map and write protection agree; or why not. */
const char *world_inconsistent(struct world *w);

/* shadow_code.c: pages that the shadow code has allocated and not freed. */
extern long shadow_code_pages;

/* shadow_case_test.c: a case of the suite. */
struct kunit;
void shadow_everything_at_once(struct kunit *test);

#endif
