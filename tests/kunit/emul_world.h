/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small machine around the emulator, for its tests: flat memory from linear
 * address 0, one page of device memory that only "userspace" can answer, ports,
 * and a page that faults.
 */
#ifndef KHV_TESTS_EMUL_WORLD_H
#define KHV_TESTS_EMUL_WORLD_H

#include <kunit/test.h>
#include <linux/prandom.h>

#include "../../kmod/emul/internal.h"

#define WORLD_MEM	0x20000UL	/* bytes of memory */
#define WORLD_CODE	0x1000UL	/* where world_code() puts instructions */
#define WORLD_DATA	0x8000UL
#define WORLD_STACK	0x6000UL
#define WORLD_MMIO	0x40000UL	/* device memory, one page */
#define WORLD_ANSWERS	8
#define WORLD_NO_FAULT	(~0ULL)

struct world_access {
	u64 addr;
	u32 len;
	u8 data[16];
};

/**
 * struct emul_world - one machine
 * @em: the emulation
 * @test: the running test
 * @mem: memory
 * @batch: buffer for batched string I/O
 * @segs: segment registers
 * @xmm: vector registers
 * @fault_page: linear address of a page that is not present
 * @read_only_page: linear address of a page that cannot be written
 * @swap_fails: compare_write finds another value
 * @answers: device reads that userspace has answered
 * @nr_answers: how many
 * @used: how many of them this execution has used
 * @pending: the device read that wants an answer
 * @writes: device writes
 * @nr_writes: how many
 * @port_bytes: bytes that went through ports
 * @port_calls: callbacks that moved them
 * @port_first: count of the first callback
 * @port_answered: userspace has answered the port input
 * @port_in_kernel: ports need no userspace
 * @io_denied: the permission bitmap forbids all ports
 * @port_data: what came out of the ports
 */
struct emul_world {
	struct khv_emul em;
	struct kunit *test;
	u8 *mem;
	u8 *batch;
	struct khv_emul_segment segs[KHV_EMUL_NR_SEGS];
	u8 xmm[16][16];
	u64 fault_page;
	u64 read_only_page;
	bool swap_fails;
	struct world_access answers[WORLD_ANSWERS];
	int nr_answers;
	int used;
	struct world_access pending;
	struct world_access writes[WORLD_ANSWERS];
	int nr_writes;
	u32 port_bytes;
	u32 port_calls;
	u32 port_first;
	bool port_answered;
	bool port_in_kernel;
	bool io_denied;
	u8 port_data[64];
};

/* A machine in @mode with flat segments, freed with the test. */
struct emul_world *world_create(struct kunit *test, enum khv_emul_mode mode);

/* Put @len bytes at WORLD_CODE and point RIP there. */
void world_code(struct emul_world *w, const u8 *bytes, size_t len);

/* Decode and execute once, as after a trip to userspace. */
int world_step(struct emul_world *w);

/* world_step() until it wants nothing from userspace; @trips counts the trips. */
int world_run(struct emul_world *w, int *trips);

/* What userspace answers for a device address: bytes that tell where they are from. */
u8 world_device_byte(u64 addr);

#define WORLD_CODE_BYTES(w, ...)						\
	do {									\
		static const u8 code_[] = { __VA_ARGS__ };			\
		world_code((w), code_, sizeof(code_));				\
	} while (0)

static inline u64 world_random(struct rnd_state *state)
{
	u64 high = prandom_u32_state(state);

	return high << 32 | prandom_u32_state(state);
}

#endif
