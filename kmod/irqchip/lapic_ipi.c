// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt messages on their way to local APICs: who is meant, and what each
 * delivery mode does there ("SDM, Issuing Interprocessor Interrupts",
 * "Determining IPI Destination"). INIT and SIPI wait here for the run loop.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>

#include "irqchip/lapic.h"
#include "vm/hw.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/event.h"
#include "x86/regs_inline.h"

/* khv_irq_msg.delivery_mode and .shorthand. */
enum { DM_FIXED, DM_LOWEST, DM_SMI, DM_RESERVED, DM_NMI, DM_INIT, DM_SIPI, DM_EXTINT };
enum { SHORT_NONE, SHORT_SELF, SHORT_ALL, SHORT_OTHERS };

void khv_lapic_send_ipi(struct khv_lapic *apic, u32 low, u32 dest)
{
	struct khv_irq_msg msg = {
		.dest = dest,
		.vector = low & APIC_VECTOR_MASK,
		.delivery_mode = (low >> 8) & 7,
		.logical = low & APIC_DEST_LOGICAL,
		.level = low & APIC_INT_LEVELTRIG,
		.assert = low & APIC_INT_ASSERT,
		.shorthand = (low >> 18) & 3,
		.x2apic = apic->mode == KHV_APIC_X2APIC,
	};

	if (msg.delivery_mode <= DM_LOWEST) {
		if (msg.vector < 16) {
			khv_lapic_error(apic, APIC_ESR_SENDILL);
			return;
		}
		/* "SDM, Interrupt Command Register": IPIs of these modes are edge triggered. */
		msg.level = false;
	}
	khv_irq_deliver(apic->vcpu->vm, apic->vcpu, &msg);
}

/* "SDM, Logical Destination Mode in xAPIC Mode" and "in x2APIC Mode". */
static bool match_logical(const struct khv_lapic *apic, u32 dest)
{
	u32 ldr = khv_lapic_reg(apic, APIC_LDR);

	if (apic->mode == KHV_APIC_X2APIC)
		return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff);
	if (dest > 0xff)
		return false;
	ldr >>= 24;
	switch (khv_lapic_reg(apic, APIC_DFR) >> 28) {
	case 0xf:
		return ldr & dest;
	case 0:
		return ldr >> 4 == dest >> 4 && (ldr & dest & 0xf);
	default:
		return false;
	}
}

/* The ID that means everyone, to those that know this kind of message. */
static bool is_broadcast(const struct khv_lapic *apic, const struct khv_irq_msg *msg)
{
	if (msg->x2apic)
		return msg->dest == ~0u;
	/* A client that keeps the quirk: eight bits of ones also mean everyone to an x2APIC. */
	if (msg->dest == 0xff)
		return apic->mode != KHV_APIC_X2APIC ||
		       !READ_ONCE(apic->vcpu->vm->irq.no_broadcast_quirk);
	/* Only with 32-bit IDs in MSI addresses. */
	return msg->dest == ~0u && apic->mode == KHV_APIC_X2APIC;
}

static bool match(const struct khv_lapic *apic, const struct khv_vcpu *from,
		  const struct khv_irq_msg *msg)
{
	switch (msg->shorthand) {
	case SHORT_SELF:
		return apic->vcpu == from;
	case SHORT_ALL:
		return true;
	case SHORT_OTHERS:
		return apic->vcpu != from;
	}
	if (is_broadcast(apic, msg))
		return true;
	if (msg->logical)
		return match_logical(apic, msg->dest);
	return msg->dest == (u32)apic->vcpu->id;
}

static bool post_event(struct khv_lapic *apic, enum khv_apic_event event, u8 vector)
{
	if (event == KHV_APIC_INIT) {
		/* INIT makes an older SIPI void. */
		xchg(&apic->events, BIT(KHV_APIC_INIT));
	} else {
		WRITE_ONCE(apic->sipi_vector, vector);
		/* Pairs with the xchg() in khv_lapic_accept_events(). */
		smp_mb__before_atomic();
		set_bit(KHV_APIC_SIPI, &apic->events);
	}
	khv_request(apic->vcpu, KHV_REQ_MP_STATE);
	khv_vcpu_request_kick(apic->vcpu, KHV_REQ_EVENT);
	return true;
}

/* One APIC takes the message. True when it made a difference there. */
static bool accept(struct khv_lapic *apic, const struct khv_vcpu *from,
		   const struct khv_irq_msg *msg)
{
	switch (msg->delivery_mode) {
	case DM_FIXED:
	case DM_LOWEST:
		return khv_lapic_accept(apic, msg->vector, msg->level, apic->vcpu == from);
	case DM_NMI:
		khv_raise_nmi(apic->vcpu);
		return true;
	case DM_INIT:
		/* A level de-assert only synchronised arbitration IDs, long ago. */
		if (msg->level && !msg->assert)
			return false;
		return post_event(apic, KHV_APIC_INIT, 0);
	case DM_SIPI:
		return post_event(apic, KHV_APIC_SIPI, msg->vector);
	case DM_EXTINT:
		khv_vcpu_request_kick(apic->vcpu, KHV_REQ_EVENT);
		return true;
	default:	/* no SMM; reserved */
		return false;
	}
}

/* APIC IDs are vCPU ids, and those mostly positions. */
static struct khv_lapic *find_physical(struct khv_vm *vm, u64 id)
{
	struct khv_vcpu *vcpu = khv_vm_vcpu(vm, id);
	unsigned int i;

	if (vcpu && (u64)vcpu->id == id)
		return vcpu->lapic;
	khv_for_each_vcpu(i, vcpu, vm) {
		if ((u64)vcpu->id == id)
			return vcpu->lapic;
	}
	return NULL;
}

static bool present(const struct khv_lapic *apic)
{
	return apic && READ_ONCE(apic->mode) != KHV_APIC_DISABLED;
}

/* Of those meant, the one with the lowest priority; equals share by vector. */
static int deliver_lowest(struct khv_vm *vm, struct khv_vcpu *from,
			  const struct khv_irq_msg *msg)
{
	struct khv_lapic *best = NULL;
	unsigned int nr, i;
	u32 best_ppr = 0;

	/* As in khv_vm_vcpu(): the pointers below nr are there. */
	nr = smp_load_acquire(&vm->nr_vcpus);
	for (i = 0; i < nr; i++) {
		struct khv_vcpu *vcpu = khv_vm_vcpu(vm, (i + msg->vector) % nr);
		struct khv_lapic *apic = vcpu ? vcpu->lapic : NULL;
		u32 ppr;

		if (!present(apic) || !khv_lapic_sw_enabled(apic) || !match(apic, from, msg))
			continue;
		ppr = khv_lapic_ppr(apic);
		if (!best || ppr < best_ppr) {
			best = apic;
			best_ppr = ppr;
		}
	}
	return best ? accept(best, from, msg) : 0;
}

bool khv_irq_reaches(struct khv_vcpu *vcpu, const struct khv_irq_msg *msg)
{
	return present(vcpu->lapic) && match(vcpu->lapic, NULL, msg);
}

int khv_irq_deliver(struct khv_vm *vm, struct khv_vcpu *from, const struct khv_irq_msg *msg)
{
	struct khv_lapic *apic;
	struct khv_vcpu *vcpu;
	unsigned int i;
	int taken = 0;

	if (msg->shorthand == SHORT_SELF) {
		apic = from ? from->lapic : NULL;
		return present(apic) ? accept(apic, from, msg) : 0;
	}
	if (msg->shorthand == SHORT_NONE && !msg->logical && msg->dest != ~0u &&
	    (msg->dest != 0xff || msg->x2apic)) {
		apic = find_physical(vm, msg->dest);
		return present(apic) ? accept(apic, from, msg) : 0;
	}
	if (msg->delivery_mode == DM_LOWEST)
		return deliver_lowest(vm, from, msg);

	khv_for_each_vcpu(i, vcpu, vm) {
		apic = vcpu->lapic;
		if (present(apic) && match(apic, from, msg))
			taken += accept(apic, from, msg);
	}
	return taken;
}

struct khv_lapic *khv_lapic_by_id(struct khv_vm *vm, u64 id)
{
	struct khv_lapic *apic = find_physical(vm, id);

	return present(apic) ? apic : NULL;
}

unsigned int khv_lapic_send_bitmap(struct khv_vcpu *from, u64 ids, u64 first, u32 icr)
{
	struct khv_irq_msg msg = {
		.vector = icr & APIC_VECTOR_MASK,
		.delivery_mode = (icr >> 8) & 7,
		.level = icr & APIC_INT_LEVELTRIG,
		.assert = icr & APIC_INT_ASSERT,
	};
	unsigned int taken = 0;
	struct khv_lapic *apic;

	/* As khv_lapic_send_ipi() has it. */
	if (msg.delivery_mode <= DM_LOWEST)
		msg.level = false;
	for (; ids && first <= KHV_MAX_VCPU_ID; ids >>= 1, first++) {
		apic = ids & 1 ? khv_lapic_by_id(from->vm, first) : NULL;
		if (!apic)
			continue;
		/* KVM counts what finds its vector pending already, too. */
		taken += msg.delivery_mode > DM_LOWEST || khv_lapic_sw_enabled(apic);
		accept(apic, from, &msg);
	}
	return taken;
}

bool khv_lapic_init_sipi_pending(struct khv_vcpu *vcpu)
{
	return vcpu->lapic && READ_ONCE(vcpu->lapic->events);
}

bool khv_lapic_init_latched(struct khv_vcpu *vcpu)
{
	return vcpu->lapic && test_bit(KHV_APIC_INIT, &vcpu->lapic->events);
}

void khv_lapic_latch_init(struct khv_vcpu *vcpu, bool latched)
{
	if (!vcpu->lapic)
		return;
	if (latched)
		set_bit(KHV_APIC_INIT, &vcpu->lapic->events);
	else
		clear_bit(KHV_APIC_INIT, &vcpu->lapic->events);
}

void khv_lapic_latch_sipi(struct khv_vcpu *vcpu)
{
	if (vcpu->lapic)
		set_bit(KHV_APIC_SIPI, &vcpu->lapic->events);
}

void khv_lapic_set_sipi_vector(struct khv_vcpu *vcpu, u8 vector)
{
	if (vcpu->lapic)
		WRITE_ONCE(vcpu->lapic->sipi_vector, vector);
}

/* "SDM, Typical BSP Initialization Sequence": code starts at page @vector. */
static void start_at(struct khv_vcpu *vcpu, u8 vector)
{
	struct kvm_segment cs;

	khv_hw->get_segment(vcpu, KHV_SEG_CS, &cs);
	cs.selector = vector << 8;
	cs.base = vector << 12;
	khv_hw->set_segment(vcpu, KHV_SEG_CS, &cs);
	khv_set_rip(vcpu, 0);
}

bool khv_lapic_accept_events(struct khv_vcpu *vcpu)
{
	struct khv_lapic *apic = vcpu->lapic;
	u32 before = vcpu->mp_state;
	unsigned long events;

	if (!khv_lapic_init_sipi_pending(vcpu))
		return false;
	events = xchg(&apic->events, 0);
	if (events & BIT(KHV_APIC_INIT)) {
		khv_vcpu_reset(vcpu, true);
		vcpu->mp_state = vcpu->msrs.apic_base & MSR_IA32_APICBASE_BSP ?
				 KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED;
	}
	/* Only a processor that waits for it hears a SIPI. */
	if ((events & BIT(KHV_APIC_SIPI)) &&
	    vcpu->mp_state == KVM_MP_STATE_INIT_RECEIVED) {
		start_at(vcpu, READ_ONCE(apic->sipi_vector));
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	}
	return vcpu->mp_state != before;
}
