// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which event enters the guest next, and what becomes of those that collide.
 *
 * The order is the processor's: what was being delivered, then exceptions,
 * then NMI, then external interrupts ("SDM, Priority Among Concurrent Events").
 */
#include "irqchip/irqchip.h"
#include "trace.h"
#include "vm/vm.h"
#include "x86/event.h"
#include "x86/regs_inline.h"

enum { DB = 1, BP = 3, OF = 4, DF = 8, TS = 10, NP = 11, SS = 12, GP = 13, PF = 14 };

/* "SDM, Interrupt 8: Double Fault Exception": which exceptions add up to one. */
static bool is_contributory(u8 vector)
{
	return vector == 0 || (vector >= TS && vector <= GP);
}

static bool makes_double_fault(u8 first, u8 second)
{
	if (first == PF)
		return second == PF || is_contributory(second);
	return is_contributory(first) && is_contributory(second);
}

/* The exception that @vector meets: in delivery, or waiting. */
static struct khv_event *earlier(struct khv_events *ev)
{
	if (ev->exception.kind != KHV_EVENT_NONE)
		return &ev->exception;
	if (ev->active.kind == KHV_EVENT_EXCEPTION)
		return &ev->active;
	return NULL;
}

static void queue(struct khv_vcpu *vcpu, u8 vector, bool has_error, u32 error_code,
		  bool has_payload, u64 payload)
{
	struct khv_events *ev = &vcpu->events;
	struct khv_event *first = earlier(ev);

	khv_request(vcpu, KHV_REQ_EVENT);
	if (first && first->vector == DF) {
		/* A fault while delivering #DF. */
		ev->active.kind = KHV_EVENT_NONE;
		ev->exception.kind = KHV_EVENT_NONE;
		khv_request(vcpu, KHV_REQ_TRIPLE_FAULT);
		return;
	}
	if (first && makes_double_fault(first->vector, vector)) {
		/* The second address is the one that the handler finds ("SDM, Interrupt 14"). */
		if (vector == PF && has_payload)
			vcpu->regs.cr2 = payload;
		vector = DF;
		has_error = true;
		error_code = 0;
		has_payload = false;
	}
	/* Benign pairs: the second is handled, the first comes again by itself. */
	if (first == &ev->active)
		ev->active.kind = KHV_EVENT_NONE;
	ev->exception = (struct khv_event) {
		.kind = KHV_EVENT_EXCEPTION,
		.vector = vector,
		.has_error = has_error,
		.error_code = error_code,
	};
	ev->exception_has_payload = has_payload;
	ev->exception_payload = payload;
}

void khv_queue_exception(struct khv_vcpu *vcpu, u8 vector)
{
	queue(vcpu, vector, false, 0, false, 0);
}

void khv_queue_exception_e(struct khv_vcpu *vcpu, u8 vector, u32 error_code)
{
	queue(vcpu, vector, true, error_code, false, 0);
}

void khv_queue_pf(struct khv_vcpu *vcpu, gva_t addr, u32 error_code)
{
	queue(vcpu, PF, true, error_code, true, addr);
}

void khv_queue_db(struct khv_vcpu *vcpu, u64 dr6_bits)
{
	queue(vcpu, DB, false, 0, true, dr6_bits);
}

void khv_queue_breakpoint(struct khv_vcpu *vcpu, u8 insn_len)
{
	queue(vcpu, BP, false, 0, false, 0);
	vcpu->events.exception.insn_len = insn_len;
}

void khv_raise_nmi(struct khv_vcpu *vcpu)
{
	atomic_inc(&vcpu->events.nmi_queued);
	khv_vcpu_request_kick(vcpu, KHV_REQ_EVENT);
}

/* Faults leave RF set in the pushed flags, traps do not ("SDM, RF in EFLAGS"). */
static bool is_fault(u8 vector)
{
	return vector != DB && vector != BP && vector != OF && vector != 18;
}

/* What a #DB may add to DR6: breakpoints, BD, BS, BT. */
#define DR6_HIT		0xe00fULL

/* What the waiting exception leaves in CR2, or in DR6 and DR7. */
static void apply_payload(struct khv_vcpu *vcpu)
{
	struct khv_events *ev = &vcpu->events;

	if (!ev->exception_has_payload)
		return;
	ev->exception_has_payload = false;
	if (ev->exception.vector == PF) {
		vcpu->regs.cr2 = ev->exception_payload;
		return;
	}
	if (ev->exception.vector != DB)
		return;
	/* DR6 bit 16 (RTM) is kept inverted; the payload sets what was hit. */
	vcpu->regs.dr6 = (vcpu->regs.dr6 & ~0xfULL) | (ev->exception_payload & DR6_HIT);
	if (vcpu->regs.dr7 & BIT(13)) {		/* GD */
		vcpu->regs.dr7 &= ~BIT_ULL(13);
		khv_update_dr7(vcpu);
	}
}

static void hand_over(struct khv_vcpu *vcpu, bool again)
{
	const struct khv_event *e = &vcpu->events.active;

	trace_khv_inject(vcpu->id, e->kind, e->vector, e->has_error, e->error_code, again);
	khv_hw->inject(vcpu, e);
}

/*
 * Hand @e over. It stays active until an entry has taken it: should none come,
 * because the region ends first, it is handed over again.
 */
static void activate(struct khv_vcpu *vcpu, struct khv_event e)
{
	vcpu->events.active = e;
	hand_over(vcpu, false);
}

static void deliver_exception(struct khv_vcpu *vcpu)
{
	struct khv_events *ev = &vcpu->events;
	struct khv_event *e = &ev->exception;

	apply_payload(vcpu);
	if (is_fault(e->vector))
		khv_set_rflags(vcpu, khv_rflags(vcpu) | X86_EFLAGS_RF);
	/* RIP is still at INT3, and its handler returns to what follows. */
	if (unlikely(e->insn_len))
		khv_set_rip(vcpu, khv_rip(vcpu) + e->insn_len);
	vcpu->stats.exception_injections++;
	activate(vcpu, *e);
	e->kind = KHV_EVENT_NONE;
}

/* NMIs raised since the last look. One may be in service and one waiting, as on hardware. */
static void collect_nmis(struct khv_vcpu *vcpu)
{
	struct khv_events *ev = &vcpu->events;
	unsigned int room = khv_hw->nmi_blocked(vcpu) ? 1 : 2;

	ev->nmi_pending = min_t(unsigned int, ev->nmi_pending + atomic_xchg(&ev->nmi_queued, 0),
				room);
}

/* Are interrupts of the PIC's kind KVM_INTERRUPT's? */
static bool client_has_pic(const struct khv_vcpu *vcpu)
{
	return !vcpu->lapic || unlikely(vcpu->vm->irq.split);
}

/* Would the processor take one from the client's PIC, as far as its local APIC goes? */
static bool accepts_extint(struct khv_vcpu *vcpu)
{
	return !vcpu->lapic || khv_lapic_accepts_extint(vcpu);
}

/* One that needs no local APIC's priorities: from the PIC, or KVM_INTERRUPT. */
static bool extint_pending(struct khv_vcpu *vcpu)
{
	if (!client_has_pic(vcpu))
		return khv_pic_pending(vcpu->vm) && khv_lapic_accepts_pic(vcpu);
	return vcpu->events.ext_vector >= 0 && accepts_extint(vcpu);
}

/* The interrupt to deliver now, or -1. */
static int take_interrupt(struct khv_vcpu *vcpu)
{
	int vector;

	if (extint_pending(vcpu)) {
		if (!client_has_pic(vcpu))
			return khv_pic_ack(vcpu);
		vector = vcpu->events.ext_vector;
		vcpu->events.ext_vector = -1;
		return vector;
	}
	vector = vcpu->lapic && !khv_lapic_is_virtual(vcpu) ? khv_lapic_highest(vcpu) : -1;
	if (vector >= 0)
		khv_lapic_ack(vcpu, vector);
	return vector;
}

bool khv_interrupt_pending(struct khv_vcpu *vcpu)
{
	return (vcpu->lapic && khv_lapic_highest(vcpu) >= 0) || extint_pending(vcpu);
}

bool khv_interrupt_allowed(struct khv_vcpu *vcpu)
{
	return (khv_rflags(vcpu) & X86_EFLAGS_IF) && !khv_hw->interrupt_shadow(vcpu);
}

/* Is one of them ours to inject? */
static bool injectable(struct khv_vcpu *vcpu)
{
	return khv_lapic_is_virtual(vcpu) ? extint_pending(vcpu) : khv_interrupt_pending(vcpu);
}

/* Nothing else goes in with this entry: pick from what may wait. */
static void inject_asynchronous(struct khv_vcpu *vcpu)
{
	struct khv_events *ev = &vcpu->events;
	int vector;

	if (ev->nmi_pending && !khv_hw->nmi_blocked(vcpu) && !khv_hw->interrupt_shadow(vcpu)) {
		ev->nmi_pending--;
		vcpu->stats.nmi_injections++;
		activate(vcpu, (struct khv_event){ .kind = KHV_EVENT_NMI, .vector = 2 });
		return;
	}
	if (!injectable(vcpu) || !khv_interrupt_allowed(vcpu))
		return;
	vector = take_interrupt(vcpu);
	if (vector < 0)
		return;
	vcpu->stats.irq_injections++;
	activate(vcpu, (struct khv_event){ .kind = KHV_EVENT_INTERRUPT, .vector = vector });
}

bool khv_wants_interrupt_window(struct khv_vcpu *vcpu)
{
	/* A window that its APIC keeps shut would open for nothing, at once and again. */
	return client_has_pic(vcpu) && READ_ONCE(vcpu->run->request_interrupt_window) &&
	       accepts_extint(vcpu);
}

bool khv_ready_for_interrupt(struct khv_vcpu *vcpu)
{
	const struct khv_events *ev = &vcpu->events;

	return ev->ext_vector < 0 && ev->active.kind == KHV_EVENT_NONE &&
	       ev->exception.kind == KHV_EVENT_NONE && khv_interrupt_allowed(vcpu) &&
	       accepts_extint(vcpu);
}

void khv_events_inject(struct khv_vcpu *vcpu)
{
	struct khv_events *ev = &vcpu->events;

	if (khv_lapic_is_virtual(vcpu))
		khv_hw->sync_apic(vcpu);
	collect_nmis(vcpu);
	if (ev->active.kind != KHV_EVENT_NONE && ev->exception.kind == KHV_EVENT_NONE)
		hand_over(vcpu, true);
	else if (ev->exception.kind != KHV_EVENT_NONE)
		deliver_exception(vcpu);
	else if (likely(!(vcpu->debug.control & KVM_GUESTDBG_BLOCKIRQ)))
		inject_asynchronous(vcpu);

	if (unlikely(vcpu->debug.control & KVM_GUESTDBG_BLOCKIRQ))
		return;
	if (ev->nmi_pending)
		khv_hw->request_window(vcpu, true);
	if (injectable(vcpu) || khv_wants_interrupt_window(vcpu))
		khv_hw->request_window(vcpu, false);
}

/* The length of their instruction has no place in the structure: they come again by themselves. */
static bool is_soft(u8 vector)
{
	return vector == BP || vector == OF;
}

void khv_get_vcpu_events(struct khv_vcpu *vcpu, struct kvm_vcpu_events *out)
{
	bool payload = READ_ONCE(vcpu->vm->opts.exception_payload);
	const struct khv_event *exception = NULL;
	struct khv_events *ev = &vcpu->events;

	memset(out, 0, sizeof(*out));
	if (ev->exception.kind != KHV_EVENT_NONE) {
		/* A client that does not know payloads expects CR2 and DR6 to be set already. */
		if (!payload)
			apply_payload(vcpu);
		exception = &ev->exception;
	} else if (ev->active.kind == KHV_EVENT_EXCEPTION) {
		exception = &ev->active;
	}
	if (exception && !is_soft(exception->vector)) {
		out->exception.pending = payload && exception == &ev->exception;
		out->exception.injected = !out->exception.pending;
		out->exception_has_payload = out->exception.pending && ev->exception_has_payload;
		if (out->exception_has_payload)
			out->exception_payload = ev->exception_payload;
		out->exception.nr = exception->vector;
		out->exception.has_error_code = exception->has_error;
		out->exception.error_code = exception->error_code;
	}
	/* INT n, INT3 and INTO in delivery are not told: RIP is still theirs, they come again. */
	if (ev->active.kind == KHV_EVENT_INTERRUPT) {
		out->interrupt.injected = 1;
		out->interrupt.nr = ev->active.vector;
	}
	out->interrupt.shadow = khv_hw->interrupt_shadow(vcpu);
	out->nmi.injected = ev->active.kind == KHV_EVENT_NMI;
	out->nmi.pending = min_t(unsigned int, 2, ev->nmi_pending +
				 (unsigned int)atomic_read(&ev->nmi_queued));
	out->nmi.masked = khv_hw->nmi_blocked(vcpu);
	/* There is no SMM; but this is where a latched INIT is told. */
	out->smi.latched_init = khv_lapic_init_latched(vcpu);
	out->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
		     KVM_VCPUEVENT_VALID_SMM;
	if (payload)
		out->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (READ_ONCE(vcpu->vm->opts.triple_fault_event)) {
		out->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
		out->triple_fault.pending = test_bit(KHV_REQ_TRIPLE_FAULT, &vcpu->requests);
	}
}

/* Is it a state that this VM's client may set? */
static bool events_valid(struct khv_vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	u32 flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
		    KVM_VCPUEVENT_VALID_SIPI_VECTOR | KVM_VCPUEVENT_VALID_SMM;
	bool pending = in->flags & KVM_VCPUEVENT_VALID_PAYLOAD && in->exception.pending;

	if (READ_ONCE(vcpu->vm->opts.exception_payload))
		flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (READ_ONCE(vcpu->vm->opts.triple_fault_event))
		flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	if (in->flags & ~flags)
		return false;
	if ((in->flags & KVM_VCPUEVENT_VALID_SMM) && (in->smi.smm || in->smi.pending))
		return false;
	return !(in->exception.injected || pending) ||
	       (in->exception.nr <= 31 && in->exception.nr != 2);
}

static void set_exception(struct khv_events *ev, const struct kvm_vcpu_events *in)
{
	struct khv_event e = {
		.kind = KHV_EVENT_EXCEPTION,
		.vector = in->exception.nr,
		.has_error = in->exception.has_error_code,
		.error_code = in->exception.error_code,
	};

	ev->exception_has_payload = false;
	if ((in->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && in->exception.pending) {
		ev->exception = e;
		ev->exception_has_payload = in->exception_has_payload;
		ev->exception_payload = in->exception_payload;
	} else if (in->exception.injected) {
		ev->active = e;
	}
}

static void set_latches(struct khv_vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	if (in->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR)
		khv_lapic_set_sipi_vector(vcpu, in->sipi_vector);
	if (in->flags & KVM_VCPUEVENT_VALID_SMM)
		khv_lapic_latch_init(vcpu, in->smi.latched_init);
	if (!(in->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT))
		return;
	if (in->triple_fault.pending)
		khv_request(vcpu, KHV_REQ_TRIPLE_FAULT);
	else
		clear_bit(KHV_REQ_TRIPLE_FAULT, &vcpu->requests);
}

int khv_set_vcpu_events(struct khv_vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	struct khv_events *ev = &vcpu->events;

	if (!events_valid(vcpu, in))
		return -EINVAL;

	memset(&ev->active, 0, sizeof(ev->active));
	ev->exception.kind = KHV_EVENT_NONE;
	set_exception(ev, in);
	if (ev->active.kind == KHV_EVENT_NONE && in->nmi.injected) {
		ev->active.kind = KHV_EVENT_NMI;
		ev->active.vector = 2;
	} else if (ev->active.kind == KHV_EVENT_NONE && in->interrupt.injected &&
		   !in->interrupt.soft) {
		/* A software interrupt's length is not in the structure; the guest repeats it. */
		ev->active.kind = KHV_EVENT_INTERRUPT;
		ev->active.vector = in->interrupt.nr;
	}
	if (in->flags & KVM_VCPUEVENT_VALID_SHADOW)
		khv_hw->set_interrupt_shadow(vcpu, in->interrupt.shadow &
					     (KVM_X86_SHADOW_INT_MOV_SS | KVM_X86_SHADOW_INT_STI));
	if (in->flags & KVM_VCPUEVENT_VALID_NMI_PENDING) {
		atomic_set(&ev->nmi_queued, 0);
		ev->nmi_pending = min_t(u8, in->nmi.pending, 2);
	}
	khv_hw->set_nmi_blocked(vcpu, in->nmi.masked);
	set_latches(vcpu, in);
	khv_request(vcpu, KHV_REQ_EVENT);
	return 0;
}

void khv_events_reset(struct khv_vcpu *vcpu)
{
	struct khv_events *ev = &vcpu->events;

	memset(&ev->active, 0, sizeof(ev->active));
	memset(&ev->exception, 0, sizeof(ev->exception));
	ev->exception_has_payload = false;
	atomic_set(&ev->nmi_queued, 0);
	ev->nmi_pending = 0;
	ev->ext_vector = -1;
	khv_hw->set_interrupt_shadow(vcpu, 0);
	khv_hw->set_nmi_blocked(vcpu, false);
}
