/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest under its client's debugger (KVM_SET_GUEST_DEBUG).
 *
 * Owns what the client asked for and what is to be reported to it. The guest's
 * own debug registers stay in struct khv_regs; event.c has the #DB it gets itself.
 */
#ifndef KHV_X86_DEBUG_H
#define KHV_X86_DEBUG_H

#include <linux/kvm.h>
#include <linux/types.h>

struct khv_vcpu;

/**
 * struct khv_debug - of one vCPU
 * @control: KVM_GUESTDBG_*, 0 unless the client has enabled debugging
 * @dr: the client's breakpoints, with KVM_GUESTDBG_USE_HW_BP
 * @dr7: likewise
 * @hw_dr7: the DR7 that the hardware has: the client's, or the guest's
 * @dr6: with KHV_REQ_DEBUG_EXIT: causes of the #DB to report
 * @exception: likewise, #DB or #BP
 * @insn_len: length of the breakpoint instruction that was reported last
 *
 * While the client steps, RFLAGS.TF is set in the guest, and whoever reads the flags
 * but the client sees it. The instruction at whose end it traps may be an emulated one.
 */
struct khv_debug {
	u32 control;
	u64 dr[4], dr7;
	u64 hw_dr7;
	u64 dr6;
	u8 exception;
	u8 insn_len;
};

/* What KVM_CAP_SET_GUEST_DEBUG2 says. */
#define KHV_GUESTDBG_VALID						\
	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP | \
	 KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_INJECT_BP | KVM_GUESTDBG_INJECT_DB | \
	 KVM_GUESTDBG_BLOCKIRQ)

/* Where the instruction is, as a linear address. */
u64 khv_linear_rip(struct khv_vcpu *vcpu);

/* KVM_SET_GUEST_DEBUG, with vcpu->lock: 0, or -EBUSY when an exception waits already. */
int khv_debug_set(struct khv_vcpu *vcpu, const struct kvm_guest_debug *dbg);
/* KVM_RUN begins, and the client steps. */
void khv_debug_step(struct khv_vcpu *vcpu);

/*
 * #DB (@dr6: its causes) or #BP is the client's. The guest is left, and KVM_RUN
 * returns, before anything else happens. Region open or closed.
 */
void khv_debug_report(struct khv_vcpu *vcpu, u8 exception, u64 dr6);
/* KHV_REQ_DEBUG_EXIT: tell the client. EXIT_TO_USER. */
int khv_debug_exit(struct khv_vcpu *vcpu);

/* An instruction that khv executed for the guest is over, and RFLAGS.TF was set before it. */
void khv_debug_trap(struct khv_vcpu *vcpu);

#endif
