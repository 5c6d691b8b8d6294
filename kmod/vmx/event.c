// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events through the VMCS: injection, what was cut off, windows, blocking.
 */
#include "vm/vm.h"
#include "vmx/vmx.h"
#include "x86/event.h"
#include "x86/regs_inline.h"

static const u32 event_type[] = {
	[KHV_EVENT_EXCEPTION] = INTR_TYPE_HARD_EXCEPTION,
	[KHV_EVENT_SOFT_INT] = INTR_TYPE_SOFT_INTR,
	[KHV_EVENT_SOFT_EXC] = INTR_TYPE_SOFT_EXCEPTION,
	[KHV_EVENT_INTERRUPT] = INTR_TYPE_EXT_INTR,
	[KHV_EVENT_NMI] = INTR_TYPE_NMI_INTR,
};

void khv_vmx_inject(struct khv_vcpu *vcpu, const struct khv_event *ev)
{
	u32 info = ev->vector | event_type[ev->kind] | INTR_INFO_VALID_MASK;

	if (ev->has_error && khv_protected_mode(vcpu)) {
		info |= INTR_INFO_DELIVER_CODE_MASK;
		khv_vmwrite(VM_ENTRY_EXCEPTION_ERROR_CODE, ev->error_code);
	}
	if (ev->kind == KHV_EVENT_SOFT_INT || ev->kind == KHV_EVENT_SOFT_EXC)
		khv_vmwrite(VM_ENTRY_INSTRUCTION_LEN, ev->insn_len);
	khv_vmwrite(VM_ENTRY_INTR_INFO_FIELD, info);

	/* It wakes a guest that halts by itself; entry takes few events for one that sleeps. */
	if (unlikely(vcpu->vm->opts.disabled_exits & KVM_X86_DISABLE_EXITS_HLT))
		khv_vmwrite(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	/* STI's and MOV SS's shadow ends with an event; VM entry insists for some. */
	if (khv_vmx_get_interruptibility(vcpu) & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS))
		khv_vmx_set_interrupt_shadow(vcpu, 0);
	/*
	 * Injecting an NMI sets the blocking of later ones, but entry refuses if
	 * it is set already: on replay it may be.
	 */
	if (ev->kind == KHV_EVENT_NMI)
		khv_vmx_set_nmi_blocked(vcpu, false);
}

static u8 vectoring_kind(u32 info)
{
	switch (info & VECTORING_INFO_TYPE_MASK) {
	case INTR_TYPE_NMI_INTR:
		return KHV_EVENT_NMI;
	case INTR_TYPE_EXT_INTR:
		return KHV_EVENT_INTERRUPT;
	case INTR_TYPE_SOFT_INTR:
		return KHV_EVENT_SOFT_INT;
	case INTR_TYPE_SOFT_EXCEPTION:
	case INTR_TYPE_PRIV_SW_EXCEPTION:
		return KHV_EVENT_SOFT_EXC;
	default:
		return KHV_EVENT_EXCEPTION;
	}
}

void khv_vmx_recover_event(struct khv_vcpu *vcpu, bool unblock_nmi)
{
	u32 info = khv_vmread(IDT_VECTORING_INFO_FIELD);
	struct khv_event *ev = &vcpu->events.active;

	if (!(info & VECTORING_INFO_VALID_MASK)) {
		/* The exit was IRET's fault: NMIs are still to be blocked while it is retried. */
		if (unblock_nmi)
			khv_vmx_set_nmi_blocked(vcpu, true);
		return;
	}
	*ev = (struct khv_event) {
		.kind = vectoring_kind(info),
		.vector = info & VECTORING_INFO_VECTOR_MASK,
		.has_error = info & VECTORING_INFO_DELIVER_CODE_MASK,
	};
	if (ev->has_error)
		ev->error_code = khv_vmread(IDT_VECTORING_ERROR_CODE);
	if (ev->kind == KHV_EVENT_SOFT_INT || ev->kind == KHV_EVENT_SOFT_EXC)
		ev->insn_len = khv_vmread(VM_EXIT_INSTRUCTION_LEN);
	/* It was not delivered: the next entry decides anew. */
	if (ev->kind == KHV_EVENT_NMI)
		khv_vmx_set_nmi_blocked(vcpu, false);
	khv_request(vcpu, KHV_REQ_EVENT);
}

u32 khv_vmx_interrupt_shadow(struct khv_vcpu *vcpu)
{
	u32 state = khv_vmx_get_interruptibility(vcpu);
	u32 shadow = 0;

	if (state & GUEST_INTR_STATE_STI)
		shadow |= KVM_X86_SHADOW_INT_STI;
	if (state & GUEST_INTR_STATE_MOV_SS)
		shadow |= KVM_X86_SHADOW_INT_MOV_SS;
	return shadow;
}

void khv_vmx_set_interrupt_shadow(struct khv_vcpu *vcpu, u32 shadow)
{
	u32 old = khv_vmx_get_interruptibility(vcpu);
	u32 new = old & ~(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS);

	if (shadow & KVM_X86_SHADOW_INT_MOV_SS)
		new |= GUEST_INTR_STATE_MOV_SS;
	else if (shadow & KVM_X86_SHADOW_INT_STI)
		new |= GUEST_INTR_STATE_STI;
	if (new != old)
		khv_vmx_put_interruptibility(vcpu, new);
}

bool khv_vmx_nmi_blocked(struct khv_vcpu *vcpu)
{
	return khv_vmx_get_interruptibility(vcpu) & GUEST_INTR_STATE_NMI;
}

void khv_vmx_set_nmi_blocked(struct khv_vcpu *vcpu, bool blocked)
{
	u32 old = khv_vmx_get_interruptibility(vcpu);
	u32 new = blocked ? old | GUEST_INTR_STATE_NMI : old & ~GUEST_INTR_STATE_NMI;

	if (new != old)
		khv_vmx_put_interruptibility(vcpu, new);
}

void khv_vmx_request_window(struct khv_vcpu *vcpu, bool nmi)
{
	u32 control = nmi ? CPU_BASED_NMI_WINDOW_EXITING : CPU_BASED_INTR_WINDOW_EXITING;
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	/* The NMI window may be open in STI's shadow, and the exit be repeated for ever. */
	if (nmi && (khv_vmx_get_interruptibility(vcpu) & GUEST_INTR_STATE_STI))
		control = CPU_BASED_INTR_WINDOW_EXITING;
	if (vmx->cpu_ctl & control)
		return;
	vmx->cpu_ctl |= control;
	khv_vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmx->cpu_ctl);
}

void khv_vmx_close_window(struct vmx_vcpu *vmx, u32 control)
{
	vmx->cpu_ctl &= ~control;
	khv_vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmx->cpu_ctl);
}
