/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The emulator's hold on a vCPU: how emulated instructions reach memory,
 * in-kernel devices and, through kvm_run, the client.
 */
#ifndef KHV_X86_EMULATE_H
#define KHV_X86_EMULATE_H

#include <linux/types.h>

#include "vm/types.h"

struct khv_vcpu;

#define KHV_MMIO_FRAGMENTS	8

/**
 * struct khv_emulate - one instruction in flight
 * @nr: MMIO fragments that the instruction has produced so far
 * @done: of those, how many the client has answered
 */
struct khv_emulate {
	struct {
		gpa_t gpa;
		u8 len;
		bool write;
		u8 data[8];
	} mmio[KHV_MMIO_FRAGMENTS];
	int nr, done;
	gpa_t fault_gpa;	/* where the nested fault was, KHV_INVALID_GPA when not one */
	/* A port access in flight. */
	u16 pio_port;
	u8 pio_size;
	u32 pio_count;
	bool pio_in, pio_string;
	u64 pio_rip;
	struct khv_emul *em;	/* decoder state, allocated with the vCPU */
};

int khv_emulate_create(struct khv_vcpu *vcpu);
void khv_emulate_destroy(struct khv_vcpu *vcpu);

/*
 * Emulate the instruction at RIP, which touched @gpa (KHV_INVALID_GPA when the
 * reason is not a nested fault). Slow: region closed, vm->srcu held. Returns an
 * enum khv_result; an instruction that the emulator does not know gives
 * KVM_EXIT_INTERNAL_ERROR with KVM_INTERNAL_ERROR_EMULATION and its bytes.
 */
int khv_emulate_insn(struct khv_vcpu *vcpu, gpa_t gpa);

/*
 * IN or OUT of one unit, not a string instruction (those go to
 * khv_emulate_insn()). In-kernel devices first, then KVM_EXIT_IO. The
 * instruction is skipped here, an IN after its completion. Region closed.
 */
int khv_emulate_pio(struct khv_vcpu *vcpu, u16 port, unsigned int size, bool in);

/* KVM_TRANSLATE and KVM_GET_SUPPORTED…: the guest-virtual reader also serves debugging. 0 or 1 (exception queued). */
int khv_gva_read(struct khv_vcpu *vcpu, gva_t gva, void *buf, unsigned int len, u32 access);

#endif
