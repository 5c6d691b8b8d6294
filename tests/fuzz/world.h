/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The small world in which a vCPU executes single instructions or random bytes:
 * long mode, tables, and a handler per vector that reports the vector through a
 * port of the same number. Nothing of it is code that a test relies on to go on:
 * each time the client puts all registers where it wants them.
 */
#ifndef KHV_TESTS_WORLD_H
#define KHV_TESTS_WORLD_H

#include "vm.h"

/* Guest-physical, and virtual, addresses. From WORLD_LEFT on user mode has access, too. */
#define WORLD_GDT	0x1000UL
#define WORLD_IDT	0x2000UL
#define WORLD_TSS	0x3000UL
#define WORLD_STUBS	0x4000UL
#define WORLD_FRAME	0x6000UL	/* handlers' stack: its end */
#define WORLD_LEFT	0x7000UL	/* memory */
#define WORLD_PAGE	0x8000UL	/* memory, a device, or read-only memory: struct world.view */
#define WORLD_RIGHT	0x9000UL	/* memory */
#define WORLD_CODE	0xa000UL	/* two pages */
#define WORLD_STACK	0xc000UL	/* two pages */
#define WORLD_USER_END	0xe000UL
#define WORLD_TABLES	0x10000UL	/* four pages per view */
#define WORLD_RAM	0x20000UL

/* Where WORLD_PAGE is mapped to in the other views. */
#define WORLD_DEVICE	0x40000000UL
#define WORLD_ROM	0x20000000UL

enum world_view { VIEW_MEMORY, VIEW_DEVICE, VIEW_ROM, VIEWS };
enum world_code { CODE64, CODE32, CODE16, CODES };

struct world {
	struct vm *vm;
	struct vcpu *vcpu;
	uint8_t *rom;			/* what VIEW_ROM reads */
	uint8_t device[PAGE_SIZE];	/* and VIEW_DEVICE, through exits */
	unsigned int mmio_exits;
	struct kvm_sregs sregs;		/* as world_create() left them */
};

struct world *world_create(void);
void world_destroy(struct world *w);
/* Segments and CR3 for code of this kind at privilege level @cpl. */
void world_sregs(struct world *w, enum world_view view, enum world_code code, unsigned int cpl,
		 struct kvm_sregs *sregs);
/* Does what the page's device or ROM does; false when the exit is not WORLD_PAGE's. */
bool world_mmio(struct world *w);
/* A sum of all that user mode cannot write. */
uint64_t world_kernel_sum(const struct world *w);

#endif
