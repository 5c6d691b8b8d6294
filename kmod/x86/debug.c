// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_GUEST_DEBUG and KVM_EXIT_DEBUG: single steps, breakpoints in the debug
 * registers and in the code, and exceptions that the client passes on.
 *
 * The vendors' exit.c tells which #DB and #BP are the client's.
 */
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <linux/string.h>
#include <uapi/asm/debugreg.h>

#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/debug.h"
#include "x86/regs_inline.h"

/* Bits of DR6 that are one while they report nothing; and what entry accepts in DR7. */
#define DR6_NOTHING	0xffff0ff0ULL
#define DR7_FIXED	0x400ULL
#define DR7_USABLE	0xffff2bffULL

u64 khv_linear_rip(struct khv_vcpu *vcpu)
{
	struct kvm_segment cs;

	if (khv_64bit_code(vcpu))
		return khv_rip(vcpu);
	khv_hw->get_segment(vcpu, KHV_SEG_CS, &cs);
	return (u32)(cs.base + khv_rip(vcpu));
}

static int inject(struct khv_vcpu *vcpu, u32 control)
{
	if (vcpu->events.exception.kind != KHV_EVENT_NONE ||
	    test_bit(KHV_REQ_TRIPLE_FAULT, &vcpu->requests))
		return -EBUSY;
	if (control & KVM_GUESTDBG_INJECT_DB)
		khv_queue_exception(vcpu, X86_TRAP_DB);
	else
		khv_queue_breakpoint(vcpu, vcpu->debug.insn_len ?: 1);
	return 0;
}

int khv_debug_set(struct khv_vcpu *vcpu, const struct kvm_guest_debug *dbg)
{
	u32 control = dbg->control & KVM_GUESTDBG_ENABLE ? dbg->control : 0;
	struct khv_debug *debug = &vcpu->debug;
	u64 rflags = khv_rflags(vcpu);
	int r;

	if (dbg->control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)) {
		r = inject(vcpu, dbg->control);
		if (r)
			return r;
	}
	/* The TF of the steps so far was not the guest's. */
	if (debug->control & KVM_GUESTDBG_SINGLESTEP)
		khv_set_rflags(vcpu, rflags & ~(u64)X86_EFLAGS_TF);
	debug->control = control;
	if (control & KVM_GUESTDBG_USE_HW_BP) {
		memcpy(debug->dr, dbg->arch.debugreg, sizeof(debug->dr));
		debug->dr7 = (dbg->arch.debugreg[7] & DR7_USABLE) | DR7_FIXED;
	}
	if (!control)
		clear_bit(KHV_REQ_DEBUG_EXIT, &vcpu->requests);
	khv_update_dr7(vcpu);
	khv_hw->update_guest(vcpu);
	/* Interrupts may have been held back. */
	khv_request(vcpu, KHV_REQ_EVENT);
	return 0;
}

void khv_debug_step(struct khv_vcpu *vcpu)
{
	khv_set_rflags(vcpu, khv_rflags(vcpu) | X86_EFLAGS_TF);
	/* In a shadow VMX enters with TF only if the trap of the step before is pending. */
	if (khv_hw->interrupt_shadow(vcpu))
		khv_hw->set_interrupt_shadow(vcpu, 0);
	/* So it does in a halt, which the guest may have begun without an exit. */
	if (READ_ONCE(vcpu->vm->opts.disabled_exits) & KVM_X86_DISABLE_EXITS_HLT)
		khv_hw->settle(vcpu);
}

void khv_debug_report(struct khv_vcpu *vcpu, u8 exception, u64 dr6)
{
	vcpu->debug.exception = exception;
	vcpu->debug.dr6 = dr6 | DR6_NOTHING;
	khv_request(vcpu, KHV_REQ_DEBUG_EXIT);
}

int khv_debug_exit(struct khv_vcpu *vcpu)
{
	struct kvm_debug_exit_arch *out = &vcpu->run->debug.arch;
	const struct khv_debug *debug = &vcpu->debug;

	vcpu->run->exit_reason = KVM_EXIT_DEBUG;
	out->exception = debug->exception;
	out->pc = khv_linear_rip(vcpu);
	out->dr6 = debug->dr6;
	out->dr7 = debug->hw_dr7;
	return EXIT_TO_USER;
}

void khv_debug_trap(struct khv_vcpu *vcpu)
{
	/* Not every processor leaves it to khv when an instruction has exited: just one trap. */
	khv_hw->settle(vcpu);
	if (vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP)
		khv_debug_report(vcpu, X86_TRAP_DB, DR_STEP);
	else
		khv_queue_db(vcpu, DR_STEP);
}
