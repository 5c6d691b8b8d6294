/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests written in C, in the file of the test that runs them.
 *
 * The test program itself, copied into the guest's memory at the addresses it
 * is linked to, is the guest: a guest function is a function of the program
 * that guest_start() points a vCPU at, in 64-bit mode with memory mapped one to
 * one up to 4 GiB. It must not call the C library. Its variables are copies;
 * GUEST_VAR() finds them. guest_cpu.h has the instructions it needs.
 */
#ifndef KHV_TESTS_GUEST_H
#define KHV_TESTS_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest_ports.h"
#include "vm.h"

#define GUEST_CPUS	4
#define GUEST_CS	0x08
#define GUEST_DS	0x10
#define GUEST_USER_DS	0x1b
#define GUEST_USER_CS	0x23
#define GUEST_CS32	0x28
#define GUEST_TSS	0x30	/* 16 bytes per vCPU */

/* Free for tests: below the program. */
#define GUEST_LOW	0x10000UL
#define GUEST_LOW_END	0x400000UL

/* ---- in the test ---- */

/* What MMIO exits inside [base, base + size) read and write, and a log of them. */
#define MMIO_DATA	(2 * 4096)
#define MMIO_LOG	64
struct mmio_access {
	uint64_t offset, value;
	uint32_t len;
	bool write;
};

struct mmio_device {
	uint64_t base;
	uint8_t data[MMIO_DATA];
	unsigned int count;			/* may pass MMIO_LOG */
	struct mmio_access log[MMIO_LOG];
};

/* Port reads take bytes from @in, writes append to @out; both in order. */
#define PIO_DATA	(16 * 4096)
struct pio_device {
	uint16_t port;				/* and the three above it */
	size_t in_pos, out_pos;
	unsigned int exits;
	uint8_t in[PIO_DATA], out[PIO_DATA];
};

/* Points @vcpu at @function; the first call for a VM copies the program. */
void guest_start(struct vcpu *vcpu, void (*function)(void));

enum guest_event {
	GUEST_DONE,	/* the function returned */
	GUEST_SYNC,	/* it called guest_sync() */
	GUEST_EXIT,	/* another exit: see vcpu->run */
	GUEST_EINTR,	/* a signal, or immediate_exit */
};

/* Runs, answering the VM's devices. A guest's failed check aborts the test. */
enum guest_event guest_run(struct vcpu *vcpu);
uint32_t guest_sync_value(const struct vcpu *vcpu);
/* Runs to the end of the function, or to guest_sync(@value), and nothing else. */
void guest_run_done(struct vcpu *vcpu);
void guest_run_sync(struct vcpu *vcpu, uint32_t value);
/* As guest_run_done(), past accesses to devices that the VM does not have. */
void guest_run_unserved(struct vcpu *vcpu);
/* A whole test: a VM of default size with @flags of VM_* runs @function to its end. */
void guest_test(unsigned int flags, void (*function)(void));

void *guest_address(struct vm *vm, const volatile void *variable);
#define GUEST_VAR(vm, variable)	((__typeof__(variable) *)guest_address(vm, &(variable)))

/* The entry of the guest's page directory that maps @gpa, 2 MiB. */
uint64_t *guest_pde(struct vm *vm, uint64_t gpa);

/* ---- in the guest ---- */

struct guest_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

#define GUEST_NO_TRAP	256

/* The last exception or interrupt, and how many came of each vector. */
struct guest_trap {
	volatile uint32_t vector;
	volatile uint64_t error, rip, cr2, rflags, rsp;
};

extern struct guest_trap guest_trap;
extern volatile uint32_t guest_traps[256];
/* Called for a vector; without one, GUEST_TRY() catches it or the test fails. */
extern void (*guest_handlers[256])(struct guest_frame *frame);
extern volatile uint64_t guest_fixup;

struct guest_gate {
	uint16_t low, cs;
	uint8_t ist, type;
	uint16_t middle;
	uint32_t high, reserved;
};

struct guest_tss {
	uint32_t reserved0;
	uint64_t rsp[3], reserved1, ist[7], reserved2;
	uint16_t reserved3, iomap;
} __packed;

extern struct guest_gate guest_idt[256];
extern uint64_t guest_gdt[6 + 2 * GUEST_CPUS];
extern struct guest_tss guest_tss[GUEST_CPUS];
extern uint64_t guest_pml4[512], guest_pdpt[512], guest_pd[4][512];

/* What guest_fail() leaves for the test. */
struct guest_failure {
	const char *file, *what;
	int line;
	uint64_t a, b;
};

extern struct guest_failure guest_failure;

/* Tells the test to go on: guest_run_sync(). */
void guest_sync(uint32_t value);
void guest_fail(const char *file, int line, const char *what, uint64_t a, uint64_t b);

#define GUEST_ASSERT(cond)						\
	do {								\
		if (!(cond))						\
			guest_fail(__FILE__, __LINE__, #cond, 0, 1);	\
	} while (0)

#define GUEST_EQ(a, b)									\
	do {										\
		uint64_t a_ = (uint64_t)(a), b_ = (uint64_t)(b);			\
											\
		if (a_ != b_)								\
			guest_fail(__FILE__, __LINE__, #a " == " #b, a_, b_);		\
	} while (0)

/*
 * Executes one instruction; the vector of its exception or GUEST_NO_TRAP.
 * Operands as in asm(), with the clobbers "r11" and "memory".
 */
#define GUEST_TRY(insn, operands...)					\
	({								\
		guest_trap.vector = GUEST_NO_TRAP;			\
		asm volatile("leaq 9f(%%rip), %%r11\n\t"		\
			     "movq %%r11, guest_fixup(%%rip)\n\t"	\
			     insn "\n"					\
			     "9:\tmovq $0, guest_fixup(%%rip)"		\
			     operands);					\
		guest_trap.vector;					\
	})

#endif
