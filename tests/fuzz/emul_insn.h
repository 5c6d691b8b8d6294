/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random instructions with one operand in WORLD_PAGE, of those that khv's emulator
 * knows; for emul_diff.c.
 */
#ifndef KHV_TESTS_EMUL_INSN_H
#define KHV_TESTS_EMUL_INSN_H

#include "rng.h"
#include "world.h"

#define INSN_MAX	15

/* Registers in the order of their encoding. */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

struct insn {
	uint8_t bytes[INSN_MAX + 1];
	unsigned int length;
	const char *name;
	enum world_code code;
	uint64_t gpr[16];	/* that lead it to the page */
	uint32_t undefined;	/* flags that it leaves undefined */
	int undefined_reg;	/* register whose upper half it may clear, or -1 */
	bool early_flags;	/* QEMU changes flags before the write that may fault */
};

void insn_make(struct rng *rng, enum world_code code, struct insn *insn);

#endif
