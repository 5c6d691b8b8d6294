/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exceptions, interrupts and NMIs on their way into the guest.
 *
 * At most one event is handed to the hardware per entry, chosen here. What the
 * hardware did not finish delivering comes back and goes first the next time
 * ("SDM, Information for VM Exits During Event Delivery").
 */
#ifndef KHV_X86_EVENT_H
#define KHV_X86_EVENT_H

#include <linux/atomic.h>
#include <linux/kvm.h>
#include <linux/types.h>

#include "vm/types.h"

struct khv_vcpu;

enum khv_event_kind {
	KHV_EVENT_NONE,
	KHV_EVENT_EXCEPTION,	/* vector, error code, and CR2/DR6 already in place */
	KHV_EVENT_SOFT_INT,	/* INT n: RIP moves by insn_len */
	KHV_EVENT_SOFT_EXC,	/* INT3, INTO */
	KHV_EVENT_INTERRUPT,	/* external, from the APIC or PIC */
	KHV_EVENT_NMI,
};

struct khv_event {
	u8 kind;		/* enum khv_event_kind */
	u8 vector;
	u8 insn_len;
	bool has_error;
	u32 error_code;
};

/**
 * struct khv_events - of one vCPU
 * @active: goes to the hardware at the next entry (injected, or replayed)
 * @exception: raised by khv, not yet given to the hardware; kind NONE or EXCEPTION
 * @nmi_queued: NMIs raised by anyone and not yet taken over
 * @nmi_pending: taken over, waiting to be deliverable, 0 to 2
 * @ext_vector: KVM_INTERRUPT, where the client has the PIC, or -1
 */
struct khv_events {
	struct khv_event active;
	struct khv_event exception;
	u64 exception_payload;	/* CR2 for #PF, DR6 bits for #DB, applied on delivery */
	bool exception_has_payload;
	atomic_t nmi_queued;
	u8 nmi_pending;
	int ext_vector;
	bool smi_pending;
};

/*
 * Raise an exception in the guest; contributory ones become #DF or a triple fault.
 * Needs vcpu->lock.
 */
void khv_queue_exception(struct khv_vcpu *vcpu, u8 vector);
void khv_queue_exception_e(struct khv_vcpu *vcpu, u8 vector, u32 error_code);
void khv_queue_pf(struct khv_vcpu *vcpu, gva_t addr, u32 error_code);
void khv_queue_db(struct khv_vcpu *vcpu, u64 dr6_bits);
/* #BP as an INT3 of @insn_len bytes at RIP raises it. */
void khv_queue_breakpoint(struct khv_vcpu *vcpu, u8 insn_len);
static inline void khv_queue_gp(struct khv_vcpu *vcpu)
{
	khv_queue_exception_e(vcpu, 13, 0);
}

static inline void khv_queue_ud(struct khv_vcpu *vcpu)
{
	khv_queue_exception(vcpu, 6);
}

/* Raise an NMI from any context. */
void khv_raise_nmi(struct khv_vcpu *vcpu);

/*
 * Choose and hand over this entry's event, and ask for a window if more wait.
 * Region open, interrupts off.
 */
void khv_events_inject(struct khv_vcpu *vcpu);

/* True when an external interrupt waits (APIC, PIC, KVM_INTERRUPT). */
bool khv_interrupt_pending(struct khv_vcpu *vcpu);
/* True when the guest could take one now: IF, no shadow. */
bool khv_interrupt_allowed(struct khv_vcpu *vcpu);
/* A client with a PIC of its own: asks for KVM_EXIT_IRQ_WINDOW_OPEN. */
bool khv_wants_interrupt_window(struct khv_vcpu *vcpu);
/* And what it waits for: its next KVM_INTERRUPT would be delivered at once. */
bool khv_ready_for_interrupt(struct khv_vcpu *vcpu);

void khv_get_vcpu_events(struct khv_vcpu *vcpu, struct kvm_vcpu_events *ev);
int khv_set_vcpu_events(struct khv_vcpu *vcpu, const struct kvm_vcpu_events *ev);
void khv_events_reset(struct khv_vcpu *vcpu);

#endif
