/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an intercepted instruction or fault does to the guest, once the vendor's
 * exit handler has found out which one it was.
 *
 * Region closed, vm->srcu held, may sleep. Each returns enum khv_result or
 * -errno; the instruction has then been stepped over or has faulted.
 */
#ifndef KHV_X86_INTERCEPT_H
#define KHV_X86_INTERCEPT_H

#include <linux/types.h>

#include "vm/types.h"

/* VMCALL is 0F 01 C1, VMMCALL 0F 01 D9. */
#define KHV_VMCALL	0xc1
#define KHV_VMMCALL	0xd9

struct khv_vcpu;

/* The end of every instruction that either worked or (@fault) earned a #GP(0). */
int khv_intercept_done(struct khv_vcpu *vcpu, int fault);
/* #UD. */
int khv_intercept_undefined(struct khv_vcpu *vcpu);

/* MOV to CR0, CR3, CR4 or CR8 from general register @gpr, and back. */
int khv_intercept_mov_to_cr(struct khv_vcpu *vcpu, unsigned int cr, unsigned int gpr);
int khv_intercept_mov_from_cr(struct khv_vcpu *vcpu, unsigned int cr, unsigned int gpr);
int khv_intercept_clts(struct khv_vcpu *vcpu);
/* @msw: the operand; its low four bits count. */
int khv_intercept_lmsw(struct khv_vcpu *vcpu, u16 msw);

/* MOV to (@read false) or from DR @dr. Comes before the processor's own checks. */
int khv_intercept_mov_dr(struct khv_vcpu *vcpu, unsigned int dr, unsigned int gpr, bool read);

int khv_intercept_xsetbv(struct khv_vcpu *vcpu);
int khv_intercept_hypercall(struct khv_vcpu *vcpu);
/* MONITOR or MWAIT. */
int khv_intercept_monitor(struct khv_vcpu *vcpu);
/*
 * The guest met #UD. Where that is the other vendor's hypercall instruction it is
 * replaced by this one's, of which @native is the last byte, as KVM does unless the
 * client has disabled the quirk.
 */
int khv_intercept_ud(struct khv_vcpu *vcpu, u8 native);
int khv_intercept_hlt(struct khv_vcpu *vcpu);
/* The guest's processor shut down. */
int khv_intercept_shutdown(struct khv_vcpu *vcpu);

/*
 * Emulate the instruction that touched @gpa, where there is no memory to map
 * (KHV_FAULT_EMULATE). @reason and @info describe the exit to the client should
 * it have come while an event was being delivered: then there is no instruction.
 */
int khv_intercept_mmio(struct khv_vcpu *vcpu, gpa_t gpa, u64 reason, u64 info);

/*
 * Shadow paging: the guest met a #PF at @gva with the hardware's @error_code; or
 * it executed INVLPG.
 */
int khv_intercept_page_fault(struct khv_vcpu *vcpu, gva_t gva, u32 error_code, u64 reason);
int khv_intercept_invlpg(struct khv_vcpu *vcpu, gva_t gva);

#endif
