/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The local APIC's own state, shared by lapic.c (registers and priorities),
 * lapic_ipi.c (messages between APICs) and lapic_timer.c.
 */
#ifndef KHV_IRQCHIP_LAPIC_H
#define KHV_IRQCHIP_LAPIC_H

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/bits.h>
#include <linux/hrtimer.h>
#include <asm/apicdef.h>

#include "irqchip/irqchip.h"
#include "vm/vcpu.h"

enum khv_apic_mode { KHV_APIC_DISABLED, KHV_APIC_XAPIC, KHV_APIC_X2APIC };

/* Bits of khv_lapic.events. */
enum khv_apic_event { KHV_APIC_INIT, KHV_APIC_SIPI };

#define KHV_APIC_VERSION	0x14
#define KHV_APIC_LVTS		6
#define KHV_APIC_VECTORS	256
#define KHV_APIC_TIMER_MODES	(3u << 17)

/*
 * "SDM, Interrupt Command Register (ICR)": bit 12, delivery status, reads zero and is
 * ignored. "SDM, Spurious Interrupt".
 */
#define KHV_ICR_WRITABLE	(~(u32)APIC_ICR_BUSY)
#define KHV_SPIV_WRITABLE	(APIC_VECTOR_MASK | APIC_SPIV_APIC_ENABLED |	\
				 APIC_SPIV_FOCUS_DISABLED)

/* A periodic timer faster than this would be a way to keep a host CPU busy. */
#define KHV_APIC_MIN_PERIOD_NS	200000

/**
 * struct khv_lapic_timer - vcpu->lock, except for @pending and @hrtimer
 * @hrtimer: expires in hardirq; its callback touches @pending and the vCPU's requests only
 * @pending: expired, and khv_lapic_timer_work() has not seen it yet
 * @running: one-shot or periodic count in progress
 * @shift: log2 of the divisor in the divide configuration register
 * @target: when the count reaches zero (CLOCK_MONOTONIC)
 * @deadline: IA32_TSC_DEADLINE, 0 when disarmed
 */
struct khv_lapic_timer {
	struct hrtimer hrtimer;
	atomic_t pending;
	bool running;
	u8 shift;
	ktime_t target;
	u64 deadline;
};

/**
 * struct khv_lapic - one vCPU's local APIC
 * @regs: one page in the layout of struct kvm_lapic_state
 * @mode: enum khv_apic_mode, follows IA32_APIC_BASE
 * @highest_isr: highest vector in service, or -1
 * @isr_words: which 32-bit words of ISR are not zero
 * @irr_words: which words of IRR may be not zero; set after a bit of that
 *	word, cleared by the vCPU itself when it finds the word empty
 * @errors: ESR bits collected since the last write to ESR
 * @events: INIT and SIPI that have arrived
 * @sipi_vector: valid with KHV_APIC_SIPI
 * @client_eoi: the vector of KHV_REQ_IOAPIC_EOI
 * @virtual: the processor delivers its interrupts, see lapic_virtual.c; only
 *	khv_lapic_set_virtual() changes it. @highest_isr, @isr_words and @irr_words mean
 *	nothing then
 * @reload: with @virtual, IRR and ISR were changed, and the processor is to be told
 * @posted: interrupts that are to come to IRR, with @virtual
 * @eoi_exits: vectors whose EOI must exit, likewise; as of the last one that came
 *
 * The vCPU's own context (vcpu->lock) owns everything but IRR and TMR in
 * @regs, @irr_words, @posted, @errors, @events and @sipi_vector, which any context
 * sets with atomic operations. Others read ID, LDR, DFR, SVR, PPR, LVT, @mode and
 * @virtual as they find them, as a message on a real bus would.
 */
struct khv_lapic {
	struct khv_vcpu *vcpu;
	void *regs;
	u8 mode;
	u8 sipi_vector;
	u8 client_eoi;
	bool virtual, reload;
	int highest_isr;
	u32 isr_words;
	unsigned long irr_words;
	atomic_t errors;
	unsigned long events;
	DECLARE_BITMAP(posted, KHV_APIC_VECTORS);
	DECLARE_BITMAP(eoi_exits, KHV_APIC_VECTORS);
	struct khv_lapic_timer timer;
};

static inline u32 khv_lapic_reg(const struct khv_lapic *apic, unsigned int reg)
{
	return READ_ONCE(*(u32 *)(apic->regs + reg));
}

static inline void khv_lapic_put_reg(struct khv_lapic *apic, unsigned int reg, u32 val)
{
	WRITE_ONCE(*(u32 *)(apic->regs + reg), val);
}

/* The word of a 256-bit register (ISR, TMR, IRR) that holds @vector, for bit operations. */
static inline unsigned long *khv_lapic_word(struct khv_lapic *apic, unsigned int reg, u8 vector)
{
	return apic->regs + reg + (vector >> 5) * 0x10;
}

static inline bool khv_lapic_sw_enabled(const struct khv_lapic *apic)
{
	return apic->mode != KHV_APIC_DISABLED &&
	       (khv_lapic_reg(apic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED);
}

/* "SDM, Logical Destination Mode in x2APIC Mode": the logical ID follows from the ID. */
static inline u32 khv_x2apic_ldr(const struct khv_lapic *apic)
{
	u32 id = apic->vcpu->id;

	return (id >> 4) << 16 | 1u << (id & 0xf);
}

/* In the vCPU's own context: after a change of ISR's words, of TPR or ISR, to an LVT register. */
void khv_lapic_find_isr(struct khv_lapic *apic);
void khv_lapic_update_ppr(struct khv_lapic *apic);
void khv_lapic_put_lvt(struct khv_lapic *apic, unsigned int reg, u32 val);

/* Latch bits of the error status register and raise LVT error. Any context. */
void khv_lapic_error(struct khv_lapic *apic, u32 bits);

/*
 * Accept a fixed interrupt. False when it is illegal, not accepted or pending
 * already. @own: called in the vCPU's own context, which needs no kick. Any context.
 */
bool khv_lapic_accept(struct khv_lapic *apic, u8 vector, bool level, bool own);

/* A local source fires: act on its LVT register. False when masked. Any context. */
bool khv_lapic_local(struct khv_lapic *apic, unsigned int lvt, bool own);

/* The PIC's output went up: LINT0 of this APIC. Any context. */
void khv_lapic_lint0(struct khv_vcpu *vcpu);

/* Processor priority, as others see it for lowest-priority arbitration. */
static inline u32 khv_lapic_ppr(const struct khv_lapic *apic)
{
	return khv_lapic_reg(apic, APIC_PROCPRI);
}

/* ISR and IRR were changed behind the summaries of them. */
void khv_lapic_refresh(struct khv_lapic *apic);
/*
 * Does an I/O APIC, wherever it is, hear the end of @vector's interrupt? Of edges only irqfds
 * that resample do. And let it.
 */
bool khv_lapic_eoi_heard(const struct khv_lapic *apic, u8 vector);
void khv_lapic_broadcast_eoi(struct khv_lapic *apic, u8 vector);

/*
 * lapic_virtual.c. _post: instead of setting IRR, any context; false when pending already.
 * The others in the vCPU's own context. _pull: posted interrupts go to IRR; the highest of
 * them or -1. _load: the same, and the highest vectors in IRR and ISR, or 0, after @reload.
 * _highest: posted or in IRR, or -1.
 */
bool khv_lapic_post(struct khv_lapic *apic, u8 vector);
int khv_lapic_pull(struct khv_lapic *apic);
void khv_lapic_virtual_load(struct khv_lapic *apic, u8 *requesting, u8 *in_service);
int khv_lapic_virtual_highest(const struct khv_lapic *apic);
/* Not in the guest. */
void khv_lapic_set_virtual(struct khv_lapic *apic, bool virtual);

/* May a processor that can virtualize this APIC: an x2APIC that software has enabled? */
static inline bool khv_lapic_may_be_virtual(const struct khv_lapic *apic)
{
	return apic->mode == KHV_APIC_X2APIC && khv_lapic_sw_enabled(apic);
}

/* lapic_ipi.c: the guest wrote ICR. @dest is as wide as the mode says. */
void khv_lapic_send_ipi(struct khv_lapic *apic, u32 low, u32 dest);

/* The APIC with this ID, unless it is off; NULL: none. @id may come from anyone. Any context. */
struct khv_lapic *khv_lapic_by_id(struct khv_vm *vm, u64 id);
/*
 * The guest sends what it could write to ICR as @icr, without destination, to each APIC whose
 * ID is @first plus the number of a bit of @ids. How many took it. In @from's context.
 */
unsigned int khv_lapic_send_bitmap(struct khv_vcpu *from, u64 ids, u64 first, u32 icr);

/* lapic_timer.c. All in the vCPU's own context; interrupts may be off. */
void khv_lapic_timer_init(struct khv_lapic *apic);
/* Stop and forget; on return no callback runs. */
void khv_lapic_timer_cancel(struct khv_lapic *apic);
void khv_lapic_timer_set_count(struct khv_lapic *apic, u32 count);
u32 khv_lapic_timer_count(struct khv_lapic *apic);
void khv_lapic_timer_set_divide(struct khv_lapic *apic, u32 tdcr);
/* Called before LVTT changes from @old to @new. */
void khv_lapic_timer_set_lvtt(struct khv_lapic *apic, u32 old, u32 new);
/* All registers were replaced: run on from the current count or the deadline. */
void khv_lapic_timer_restore(struct khv_lapic *apic, u32 count);

#endif
