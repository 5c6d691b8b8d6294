// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events through the VMCB: injection, what was cut off, windows, blocking.
 *
 * INT n, INT3 and INTO whose delivery an exit cut off are not injected again:
 * RIP is still at them, so they come again by themselves. That needs no length.
 */
#include <asm/trapnr.h>
#include <uapi/asm/debugreg.h>

#include "svm/svm.h"
#include "vm/vm.h"
#include "x86/event.h"
#include "x86/regs_inline.h"

static const u32 event_type[] = {
	[KHV_EVENT_EXCEPTION] = KHV_EVENT_TYPE_EXCEPT,
	[KHV_EVENT_INTERRUPT] = KHV_EVENT_TYPE_INTR,
	[KHV_EVENT_NMI] = KHV_EVENT_TYPE_NMI,
};

void khv_svm_inject(struct khv_vcpu *vcpu, const struct khv_event *ev)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct khv_vmcb *vmcb = svm->vmcb;
	u32 event;

	if (ev->kind == KHV_EVENT_SOFT_INT || ev->kind == KHV_EVENT_SOFT_EXC)
		return;
	event = ev->vector | event_type[ev->kind] | KHV_EVENT_VALID;
	if (ev->has_error && khv_protected_mode(vcpu)) {
		event |= KHV_EVENT_HAS_ERROR;
		vmcb->eventinj_error = ev->error_code;
	}
	vmcb->eventinj = event;
	/* For #BP and #OF the processor pushes this where it has it. */
	if (svm_caps.nrips)
		vmcb->nrip = khv_rip(vcpu);
	/* STI's and MOV SS's shadow ends with an event; a step must not show in what it pushes. */
	vmcb->interrupt_shadow = 0;
	svm->stepping = false;
	/* An IRET that it comes before is still to be seen. */
	if (ev->kind == KHV_EVENT_NMI || svm->nmi == SVM_NMI_IRET)
		khv_svm_set_nmi_blocked(vcpu, true);
}

bool khv_svm_is_software(u32 info)
{
	u8 vector = info & KHV_EVENT_VECTOR;

	if ((info & KHV_EVENT_TYPE) == KHV_EVENT_TYPE_SOFT)
		return true;
	return (info & KHV_EVENT_TYPE) == KHV_EVENT_TYPE_EXCEPT &&
	       (vector == X86_TRAP_BP || vector == X86_TRAP_OF);
}

void khv_svm_recover_event(struct khv_vcpu *vcpu)
{
	const u32 same = KHV_EVENT_VALID | KHV_EVENT_TYPE | KHV_EVENT_VECTOR;
	struct svm_vcpu *svm = to_svm(vcpu);
	struct khv_event *ev = &vcpu->events.active;
	u32 info = svm->vmcb->exitintinfo;

	/* Unless it was khv who injected it, on a client's behalf: then RIP is past it. */
	if (khv_svm_is_software(info) && ((info ^ svm->injected) & same))
		return;
	*ev = (struct khv_event) {
		.kind = KHV_EVENT_EXCEPTION,
		.vector = info & KHV_EVENT_VECTOR,
		.has_error = info & KHV_EVENT_HAS_ERROR,
		.error_code = svm->vmcb->exitintinfo_error,
	};
	switch (info & KHV_EVENT_TYPE) {
	case KHV_EVENT_TYPE_INTR:
		ev->kind = KHV_EVENT_INTERRUPT;
		break;
	case KHV_EVENT_TYPE_NMI:
		ev->kind = KHV_EVENT_NMI;
		/* It was not delivered: the next entry decides anew. */
		khv_svm_set_nmi_blocked(vcpu, false);
		break;
	}
	khv_request(vcpu, KHV_REQ_EVENT);
}

u32 khv_svm_interrupt_shadow(struct khv_vcpu *vcpu)
{
	/* Which of the two it is, the processor does not tell. */
	return to_svm(vcpu)->vmcb->interrupt_shadow & KHV_INT_SHADOW ?
	       KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS : 0;
}

void khv_svm_set_interrupt_shadow(struct khv_vcpu *vcpu, u32 shadow)
{
	to_svm(vcpu)->vmcb->interrupt_shadow = shadow ? KHV_INT_SHADOW : 0;
}

bool khv_svm_nmi_blocked(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm_caps.vnmi)
		return svm->vmcb->vintr & KHV_V_NMI_MASK;
	return svm->nmi != SVM_NMI_OPEN;
}

void khv_svm_set_nmi_blocked(struct khv_vcpu *vcpu, bool blocked)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm_caps.vnmi) {
		if (blocked)
			svm->vmcb->vintr |= KHV_V_NMI_MASK;
		else
			svm->vmcb->vintr &= ~KHV_V_NMI_MASK;
		svm_dirty(svm, KHV_CLEAN_VINTR);
		return;
	}
	svm->nmi = blocked ? SVM_NMI_BLOCKED : SVM_NMI_OPEN;
	svm_intercept(svm, KHV_ICPT_IRET, blocked);
}

/* Have the next instruction followed by an exit. */
static void step(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	/* A guest that is being stepped has that exit anyway. */
	if (khv_rflags(vcpu) & X86_EFLAGS_TF)
		return;
	/* Its trap must not be seen in DR6. */
	if (svm->drs_open)
		khv_svm_close_drs(vcpu);
	svm->stepping = true;
	svm->step_rip = khv_rip(vcpu);
	svm->step_iret = svm->step_rip == svm->iret_rip;
}

/* Choose the event anew after the next exit; an interrupt of our own makes that come at once. */
void khv_svm_look_again(struct khv_vcpu *vcpu)
{
	khv_request(vcpu, KHV_REQ_EVENT);
	irq_work_queue(&to_svm(vcpu)->nudge);
}

static void request_nmi_window(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm_caps.vnmi && khv_svm_nmi_blocked(vcpu))
		svm_intercept(svm, KHV_ICPT_IRET, true);
	else if (svm->nmi == SVM_NMI_BLOCKED)
		;	/* IRET exits already */
	else if (svm->vmcb->eventinj & KHV_EVENT_VALID)
		khv_svm_look_again(vcpu);	/* something else goes first */
	else
		step(vcpu);
}

void khv_svm_request_window(struct khv_vcpu *vcpu, bool nmi)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (nmi) {
		request_nmi_window(vcpu);
		return;
	}
	if (svm->vmcb->vintr & KHV_V_IRQ)
		return;
	/* A virtual interrupt that exits when it could be taken; no vector of it is ever used. */
	svm->vmcb->vintr |= KHV_V_IRQ | KHV_V_PRIO_HIGHEST | KHV_V_IGN_TPR;
	svm_dirty(svm, KHV_CLEAN_VINTR);
	svm_intercept(svm, KHV_ICPT_VINTR, true);
}

void khv_svm_close_window(struct svm_vcpu *svm)
{
	svm->vmcb->vintr &= ~(KHV_V_IRQ | KHV_V_PRIO_HIGHEST | KHV_V_IGN_TPR);
	svm_dirty(svm, KHV_CLEAN_VINTR);
	svm_intercept(svm, KHV_ICPT_VINTR, false);
}

void khv_svm_before_iret(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm_intercept(svm, KHV_ICPT_IRET, false);
	if (!svm_caps.vnmi)
		svm->nmi = SVM_NMI_IRET;
	svm->iret_rip = khv_rip(vcpu);
	if (vcpu->events.nmi_pending)
		step(vcpu);
}

void khv_svm_note_progress(struct khv_vcpu *vcpu, bool trap)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->nmi == SVM_NMI_IRET && (trap || svm->vmcb->rip != svm->iret_rip)) {
		svm->nmi = SVM_NMI_OPEN;
		khv_request(vcpu, KHV_REQ_EVENT);
	}
	if (svm->stepping && (trap || svm->vmcb->rip != svm->step_rip)) {
		svm->stepping = false;
		if (svm->step_iret)
			vcpu->regs.rflags = svm->vmcb->rflags;
		khv_request(vcpu, KHV_REQ_EVENT);
	}
}
