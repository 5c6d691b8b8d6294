/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of ioctl-fuzz, and what they share.
 *
 * ioctl_fuzz.c supervises and judges; ioctl_worker.c is a process whose threads
 * make the calls; ioctl_world.c owns the descriptors they make them on;
 * ioctl_memory.c the memory that arguments and guests lie in; ioctl_gen.c fills
 * the structures.
 */
#ifndef KHV_TESTS_IOCTL_FUZZ_H
#define KHV_TESTS_IOCTL_FUZZ_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "khv.h"

#define MAX_THREADS	16
#define ACTIONS		9	/* of other kinds than calls */
#define MAX_CALLS	256	/* ioctls in the lists of uapi/khv.h */
#define POOL		6	/* descriptors of a kind that are open at a time */
#define MAX_ERRNO	192	/* one above this never leaves a kernel */

/* Kinds of descriptors. The last two are made by calls or are no files of khv. */
enum kind { DEVICE, VM, VCPU, STATS, OTHER, KINDS };

struct call {
	unsigned int cmd;
	enum kind kind;
	const char *name;
};

/* What came of a call, in all processes. */
struct call_count {
	uint64_t ok, failed;
	uint64_t us, worst_us;
	uint64_t errnos[MAX_ERRNO / 64 + 1];
};

/* Where a thread is, for who wonders why it does not go on. */
struct thread_state {
	uint64_t beat;		/* grows with each action */
	int tid;
	unsigned int cmd;	/* the call it is in, or 0 */
	int fd;
	uint64_t arg;
};

/* Shared by the supervisor and its workers. */
struct report {
	uint64_t calls;
	uint64_t actions;	/* all else: memory, descriptors, processes */
	uint64_t action_us[ACTIONS];
	uint64_t runs, exits[64];
	uint64_t unexpected;	/* results that no call may have */
	int bad_errno;
	unsigned int bad_cmd;
	struct thread_state threads[MAX_THREADS];
	struct call_count counts[MAX_CALLS + 1];	/* the last: calls of no list */
};

#define COUNT_OF(array)	(sizeof(array) / sizeof((array)[0]))

struct options {
	uint64_t seed, calls;
	unsigned int threads, seconds, factor, epoch;
	bool keep_alive;	/* no killing of workers at random moments */
};

extern struct options options;
extern struct report *report;

/* Numbers that only the seed decides. */
struct rng {
	uint64_t state;
};

/* The clock, in microseconds. */
uint64_t now_us(void);

uint64_t rnd(struct rng *rng);
/* 0 to @n - 1 */
uint64_t below(struct rng *rng, uint64_t n);
static inline bool one_in(struct rng *rng, unsigned int n)
{
	return !below(rng, n);
}

/* Now and then small, round, at a limit, or anything. */
uint64_t odd_number(struct rng *rng);

struct fuzz_thread {
	unsigned int index;
	struct rng rng;
	struct thread_state *state;
	timer_t timer;		/* its signals end KVM_RUN */
	bool has_timer;
	uint8_t *args;		/* ioctl_memory.c: where arguments are put */
	uint8_t *args_read_only;
	uint8_t buf[32768] __attribute__((aligned(16)));
};

/* ---- ioctl_worker.c ---- */

/* Makes options.epoch actions per thread and ends. */
_Noreturn void worker_run(uint64_t seed);
int do_ioctl(struct fuzz_thread *t, int fd, unsigned int cmd, uint64_t arg);

/* ---- ioctl_world.c ---- */

extern struct call calls[];
extern unsigned int nr_calls;

void world_init_calls(void);
void world_init(void);
/* A descriptor of @kind, made first if there is none; it may be closed by others meanwhile. */
int world_fd(struct fuzz_thread *t, enum kind kind);
/* That of a place in the pool, below POOL. */
int world_fd_at(struct fuzz_thread *t, enum kind kind, unsigned int i);
int world_any_fd(struct fuzz_thread *t);
/* A call returned @fd; -1 if it is none of khv's to keep. */
void world_keep(struct fuzz_thread *t, enum kind kind, int fd);
/* What @cmd returns is a descriptor of this kind; KINDS if it is none. */
enum kind world_result_kind(unsigned int cmd);
/* Closes, duplicates, replaces. */
void world_shuffle(struct fuzz_thread *t);
void world_poke(struct fuzz_thread *t);
void world_close_all(struct fuzz_thread *t);
/* Where the vCPU in that place of the pool is mapped, if it is; and changing that. */
struct kvm_run *world_run_page(unsigned int i);
void world_shuffle_run_pages(struct fuzz_thread *t);
/* A vCPU in a state in which it runs one of the small guests. */
void world_boot_vcpu(struct fuzz_thread *t, int fd);

/* ---- ioctl_memory.c ---- */

#define ARENA_SIZE	(4UL << 20)	/* guest memory, as far as it is there */
#define ARENA_CODE	0x10000UL	/* the small guests, a page each */
#define RUN_MAP_SIZE	(3 * 4096UL)
#define ARG_SIZE	(16 * 4096UL)

extern uint8_t *arena;
extern unsigned int nr_guests;

/* Touching what another thread may unmap: PROBE() is followed by code that may fault. */
extern __thread sigjmp_buf fault_return;
extern __thread volatile bool fault_expected;
#define PROBE()		(!sigsetjmp(fault_return, 0) && (fault_expected = true))
#define PROBE_END()	(fault_expected = false)

void memory_init(void);
void memory_init_thread(struct fuzz_thread *t);
void arena_renew(void);
void arena_shuffle(struct fuzz_thread *t);
void scribble(struct fuzz_thread *t);
/* Puts @len bytes of t->buf somewhere and returns where; that may be nowhere. */
uint64_t place(struct fuzz_thread *t, size_t len, bool tame);
/* What a call with a good pointer left there, or NULL. */
const void *placed_good(struct fuzz_thread *t, uint64_t arg);
/* For a thread of its own: changes arguments while calls read them. */
void *change_arguments(void *rng);
extern volatile bool worker_ends;

/* ---- ioctl_gen.c ---- */

void gen_init(int dev);
/*
 * Makes an argument for @cmd: a number, or bytes in t->buf, whose count it stores
 * (0: a number). @tame: it must not be changed or misplaced.
 */
uint64_t gen_argument(struct fuzz_thread *t, unsigned int cmd, size_t *len, bool *tame);
/* A result of a call may be the argument of another. */
void gen_remember(unsigned int cmd, const void *data);
void gen_mutate(struct fuzz_thread *t, size_t len);
/* Slot 0, or others, over the arena. */
void gen_region(struct rng *rng, struct kvm_userspace_memory_region *r);
struct kvm_cpuid2 *gen_cpuid(void);

#endif
