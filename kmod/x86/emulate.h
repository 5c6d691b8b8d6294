/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The emulator's hold on a vCPU: how emulated instructions reach memory,
 * in-kernel devices and, through kvm_run, the client.
 */
#ifndef KHV_X86_EMULATE_H
#define KHV_X86_EMULATE_H

#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/types.h>

#include "vm/types.h"

struct khv_emul;
struct khv_emul_insn;
struct khv_vcpu;

#define KHV_MMIO_FRAGMENTS	8

/**
 * struct khv_emulate - one instruction in flight
 *
 * While the client is asked for data, the instruction has not happened: it is
 * executed again from the start, and @mmio and the port access replay what is
 * already known.
 *
 * @mmio: reads that were answered, in order, then one unanswered read or the
 *	writes that the client still has to take
 * @nr: fragments that the instruction has produced so far
 * @done: of those, how many are answered
 * @pos: of those, how many this execution has used
 * @fault_gpa: where the nested fault was, KHV_INVALID_GPA when not one
 * @pio_port: a port access in flight
 * @pio_size: likewise, bytes of an element
 * @pio_count: likewise, elements
 * @pio_in: likewise, direction
 * @pio_pending: likewise, the client must be or has been asked
 * @pio_answered: the client has answered an input
 * @rip: of the instruction in flight; if it has changed the client has moved
 *	the vCPU elsewhere and nothing is left to complete
 * @error: errno that a callback met
 * @bytes: the instruction, as far as the hardware has told (@nr_bytes); for one execution
 * @em: decoder state, allocated with the vCPU
 */
struct khv_emulate {
	struct {
		gpa_t gpa;
		u8 len;
		bool write;
		u8 data[8];
	} mmio[KHV_MMIO_FRAGMENTS];
	int nr, done, pos;
	gpa_t fault_gpa;
	u16 pio_port;
	u8 pio_size;
	u32 pio_count;
	bool pio_in, pio_pending, pio_answered;
	u64 rip;
	int error;
	u8 bytes[15];
	u8 nr_bytes;
	struct khv_emul *em;
};

int khv_emulate_create(struct khv_vcpu *vcpu);
void khv_emulate_destroy(struct khv_vcpu *vcpu);

/*
 * Emulate the instruction at RIP, which touched @gpa (KHV_INVALID_GPA when the
 * reason is not a nested fault). Slow: region closed, vm->srcu held. Returns an
 * enum khv_result; an instruction that the emulator does not know gives
 * KVM_EXIT_INTERNAL_ERROR with KVM_INTERNAL_ERROR_EMULATION and its bytes, or
 * #UD in the guest when it is not the guest's kernel.
 */
int khv_emulate_insn(struct khv_vcpu *vcpu, gpa_t gpa);

/* Before the above or khv_intercept_mmio(): the first bytes of the instruction, if known. */
static inline void khv_emulate_prefetched(struct khv_emulate *e, const u8 *bytes, u8 nr)
{
	e->nr_bytes = min_t(u8, nr, sizeof(e->bytes));
	memcpy(e->bytes, bytes, e->nr_bytes);
}

/*
 * The instruction at RIP, for exits that do not say where it ends or what its
 * operands are: in *insn until the next emulation. NULL when it could not be
 * had; then the result, an enum khv_result or -errno, is the exit's. Slow, as above.
 */
int khv_emulate_decode(struct khv_vcpu *vcpu, const struct khv_emul_insn **insn);
/*
 * After it: reads or writes the memory operand of an instruction that the emulator does
 * not execute. 0, or 1 with its exception queued; no such instruction is for devices.
 */
int khv_emulate_operand(struct khv_vcpu *vcpu, void *buf, unsigned int len, bool write);

/*
 * IN or OUT of one unit, not a string instruction (those go to
 * khv_emulate_insn()). In-kernel devices first, then KVM_EXIT_IO. The
 * instruction is skipped here, an IN after its completion. Region closed.
 */
int khv_emulate_pio(struct khv_vcpu *vcpu, u16 port, unsigned int size, bool in);

/*
 * Read guest-virtual memory for @access (KHV_ACCESS_*), as instructions with
 * memory operands and debugging need it. 0, or 1 with an exception queued.
 */
int khv_gva_read(struct khv_vcpu *vcpu, gva_t gva, void *buf, unsigned int len, u32 access);
/* The same for writing, of two pages at most. */
int khv_gva_write(struct khv_vcpu *vcpu, gva_t gva, const void *buf, unsigned int len,
		  u32 access);

/* Between emulate.c and emulate_pio.c. */
struct khv_vcpu *khv_emulate_vcpu(struct khv_emul *em);
int khv_emulate_port_in(struct khv_emul *em, u16 port, u32 size, void *buf, u32 count);
int khv_emulate_port_out(struct khv_emul *em, u16 port, u32 size, const void *buf, u32 count);
int khv_emulate_port_permitted(struct khv_emul *em, u16 port, u32 size);
/* Fill in KVM_EXIT_IO from the port access in flight. */
void khv_emulate_port_exit(struct khv_vcpu *vcpu);
/* Read guest-virtual memory for @em: an enum khv_emul_result. */
int khv_emulate_read_virt(struct khv_emul *em, gva_t gva, void *buf, u32 len, u32 access);

#endif
