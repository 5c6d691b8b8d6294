// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC: its registers, by memory and by MSR, its priorities, and
 * the way of a vector through IRR and ISR ("SDM, Advanced Programmable
 * Interrupt Controller (APIC)").
 *
 * Destinations and delivery modes are in lapic_ipi.c, the timer in lapic_timer.c, and
 * what clients save and restore in lapic_state.c.
 * khv_lapic_highest(), khv_lapic_ack() and EOI are on the path of every
 * interrupt: they look at summary words, not at 256 bits.
 */
#include <linux/bitops.h>
#include <linux/gfp.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "irqchip/ioapic.h"
#include "irqchip/lapic.h"
#include "trace.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/cpuid.h"
#include "x86/event.h"
#include "x86/msr.h"

#define REG_BIT(reg)	BIT_ULL((reg) >> 4)
#define REGS_8(reg)	(0xffULL << ((reg) >> 4))

/* Registers that both modes can read; the last page quarter is empty. */
#define READABLE	(REG_BIT(APIC_ID) | REG_BIT(APIC_LVR) | REG_BIT(APIC_TASKPRI) |	\
			 REG_BIT(APIC_PROCPRI) | REG_BIT(APIC_LDR) | REG_BIT(APIC_SPIV) |	\
			 REGS_8(APIC_ISR) | REGS_8(APIC_TMR) | REGS_8(APIC_IRR) |		\
			 REG_BIT(APIC_ESR) | REG_BIT(APIC_ICR) | REG_BIT(APIC_LVTT) |		\
			 REG_BIT(APIC_LVTTHMR) | REG_BIT(APIC_LVTPC) | REG_BIT(APIC_LVT0) |	\
			 REG_BIT(APIC_LVT1) | REG_BIT(APIC_LVTERR) | REG_BIT(APIC_TMICT) |	\
			 REG_BIT(APIC_TMCCT) | REG_BIT(APIC_TDCR))
#define XAPIC_READABLE	(READABLE | REG_BIT(APIC_ARBPRI) | REG_BIT(APIC_DFR) |		\
			 REG_BIT(APIC_ICR2) | REG_BIT(APIC_EOI) | REG_BIT(APIC_RRR))
/* Writable in the same sense; a write to another one is an error or #GP. */
#define WRITABLE	(REG_BIT(APIC_TASKPRI) | REG_BIT(APIC_EOI) | REG_BIT(APIC_SPIV) |	\
			 REG_BIT(APIC_ESR) | REG_BIT(APIC_ICR) | REG_BIT(APIC_LVTT) |		\
			 REG_BIT(APIC_LVTTHMR) | REG_BIT(APIC_LVTPC) | REG_BIT(APIC_LVT0) |	\
			 REG_BIT(APIC_LVT1) | REG_BIT(APIC_LVTERR) | REG_BIT(APIC_TMICT) |	\
			 REG_BIT(APIC_TDCR))

/* "SDM, Interrupt Command Register (ICR)". Kept by an xAPIC, as by KVM's. */
#define X2APIC_ICR_RESERVED	(GENMASK(31, 20) | GENMASK(17, 16) | BIT(13))

/* "SDM, Task and Processor Priorities". */
void khv_lapic_update_ppr(struct khv_lapic *apic)
{
	u32 tpr = khv_lapic_reg(apic, APIC_TASKPRI) & APIC_TPRI_MASK;
	u32 isr = apic->highest_isr < 0 ? 0 : apic->highest_isr & 0xf0;

	khv_lapic_put_reg(apic, APIC_PROCPRI, (tpr & 0xf0) >= isr ? tpr : isr);
}

static int highest_irr(struct khv_lapic *apic)
{
	unsigned long words;

	while ((words = READ_ONCE(apic->irr_words))) {
		unsigned int w = __fls(words);
		u32 bits = khv_lapic_reg(apic, APIC_IRR + w * 0x10);

		if (bits)
			return w * 32 + __fls(bits);
		clear_bit(w, &apic->irr_words);
		/* A bit set before our clear is seen here; one set later sets ours again. */
		smp_mb__after_atomic();
		if (khv_lapic_reg(apic, APIC_IRR + w * 0x10))
			set_bit(w, &apic->irr_words);
	}
	return -1;
}

int khv_lapic_highest(struct khv_vcpu *vcpu)
{
	struct khv_lapic *apic = vcpu->lapic;
	int vector;

	if (!apic || apic->mode == KHV_APIC_DISABLED)
		return -1;
	if (apic->virtual)
		vector = khv_lapic_virtual_highest(apic);
	else
		vector = READ_ONCE(apic->irr_words) ? highest_irr(apic) : -1;
	return vector >= 0 && (vector & 0xf0) > (khv_lapic_reg(apic, APIC_PROCPRI) & 0xf0) ?
	       vector : -1;
}

bool khv_lapic_is_virtual(struct khv_vcpu *vcpu)
{
	return vcpu->lapic && vcpu->lapic->virtual;
}

void khv_lapic_ack(struct khv_vcpu *vcpu, int vector)
{
	struct khv_lapic *apic = vcpu->lapic;
	unsigned int w;

	if (WARN_ON_ONCE(vector < 16 || vector > 255))
		return;
	w = vector >> 5;
	clear_bit(vector & 31, khv_lapic_word(apic, APIC_IRR, vector));
	khv_lapic_put_reg(apic, APIC_ISR + w * 0x10,
			  khv_lapic_reg(apic, APIC_ISR + w * 0x10) | BIT(vector & 31));
	apic->isr_words |= BIT(w);
	if (vector > apic->highest_isr)
		apic->highest_isr = vector;
	khv_lapic_update_ppr(apic);
}

/* Something became deliverable in the vCPU's own context: no kick needed. */
static void recheck(struct khv_lapic *apic)
{
	if (khv_lapic_highest(apic->vcpu) >= 0)
		khv_request(apic->vcpu, KHV_REQ_EVENT);
}

void khv_lapic_find_isr(struct khv_lapic *apic)
{
	unsigned int w;

	if (!apic->isr_words) {
		apic->highest_isr = -1;
		return;
	}
	w = __fls(apic->isr_words);
	apic->highest_isr = w * 32 + __fls(khv_lapic_reg(apic, APIC_ISR + w * 0x10));
}

static bool is_level(const struct khv_lapic *apic, u8 vector)
{
	return khv_lapic_reg(apic, APIC_TMR + (vector >> 5) * 0x10) & BIT(vector & 31);
}

bool khv_lapic_eoi_heard(const struct khv_lapic *apic, u8 vector)
{
	struct khv_vm *vm = apic->vcpu->vm;
	bool level = is_level(apic, vector);

	if (unlikely(vm->irq.split))
		return khv_gsi_client_eoi(apic->vcpu, vector, level);
	return level || READ_ONCE(vm->irqfds.nr_resample);
}

void khv_lapic_broadcast_eoi(struct khv_lapic *apic, u8 vector)
{
	struct khv_vcpu *vcpu = apic->vcpu;

	if (!khv_lapic_eoi_heard(apic, vector))
		return;
	if (unlikely(vcpu->vm->irq.split)) {
		apic->client_eoi = vector;
		khv_request(vcpu, KHV_REQ_IOAPIC_EOI);
	} else {
		khv_ioapic_eoi(vcpu, vector, is_level(apic, vector));
	}
}

u8 khv_lapic_client_eoi(struct khv_vcpu *vcpu)
{
	return vcpu->lapic->client_eoi;
}

void khv_lapic_end_highest(struct khv_vcpu *vcpu)
{
	struct khv_lapic *apic = vcpu->lapic;
	unsigned int w;
	int vector;
	u32 bits;

	/* Only the client's own write of the register comes here then. */
	if (unlikely(apic->virtual))
		khv_lapic_refresh(apic);
	vector = apic->highest_isr;
	if (vector < 0)
		return;
	w = vector >> 5;
	bits = khv_lapic_reg(apic, APIC_ISR + w * 0x10) & ~BIT(vector & 31);
	khv_lapic_put_reg(apic, APIC_ISR + w * 0x10, bits);
	if (!bits)
		apic->isr_words &= ~BIT(w);
	khv_lapic_find_isr(apic);
	khv_lapic_update_ppr(apic);
	khv_lapic_broadcast_eoi(apic, vector);
	recheck(apic);
}

bool khv_lapic_eoi_unheard(struct khv_vcpu *vcpu)
{
	struct khv_lapic *apic = vcpu->lapic;

	return apic && !apic->virtual && apic->highest_isr >= 0 && highest_irr(apic) < 0 &&
	       !khv_lapic_eoi_heard(apic, apic->highest_isr);
}

static void eoi(struct khv_lapic *apic)
{
	/* A guest that knows of the offer writes here when it has taken it already. */
	if (unlikely(apic->vcpu->pv.eoi_offered))
		khv_pv_eoi_finish(apic->vcpu, false);
	khv_lapic_end_highest(apic->vcpu);
}

/* False when the vector was pending already. A full barrier, pairs with khv_lapic_set_virtual(). */
static bool mark_pending(struct khv_lapic *apic, u8 vector, bool virtual)
{
	if (virtual)
		return khv_lapic_post(apic, vector);
	if (test_and_set_bit(vector & 31, khv_lapic_word(apic, APIC_IRR, vector)))
		return false;
	/* Atomic and after IRR; pairs with highest_irr(). */
	set_bit(vector >> 5, &apic->irr_words);
	return true;
}

/* Likewise. Any context. */
static bool set_irr(struct khv_lapic *apic, u8 vector, bool level)
{
	unsigned int bit = vector & 31;
	unsigned long *tmr = khv_lapic_word(apic, APIC_TMR, vector);
	bool virtual = READ_ONCE(apic->virtual), news;

	/* "SDM, Interrupt Acceptance for Fixed Interrupts": TMR goes with acceptance into IRR. */
	if (level != test_bit(bit, tmr)) {
		if (level)
			set_bit(bit, tmr);
		else
			clear_bit(bit, tmr);
	}
	news = mark_pending(apic, vector, virtual);
	/* It may have changed before the vCPU could see that. */
	if (unlikely(READ_ONCE(apic->virtual) != virtual))
		news |= mark_pending(apic, vector, !virtual);
	trace_khv_apic_accept_irq(apic->vcpu->id, vector, level, news);
	return news;
}

bool khv_lapic_set_irr(struct khv_vcpu *vcpu, u8 vector, bool level)
{
	if (!vcpu->lapic || vector < 16 || !set_irr(vcpu->lapic, vector, level))
		return false;
	khv_vcpu_request_kick(vcpu, KHV_REQ_EVENT);
	return true;
}

bool khv_lapic_accept(struct khv_lapic *apic, u8 vector, bool level, bool own)
{
	if (!khv_lapic_sw_enabled(apic))
		return false;
	if (vector < 16) {
		khv_lapic_error(apic, APIC_ESR_RECVILL);
		return false;
	}
	if (!set_irr(apic, vector, level))
		return false;
	khv_request(apic->vcpu, KHV_REQ_EVENT);
	if (!own)
		khv_vcpu_kick(apic->vcpu);
	return true;
}

void khv_lapic_error(struct khv_lapic *apic, u32 bits)
{
	u32 lvt;

	/* Only news raise the interrupt; a write to ESR arms it again. */
	if ((atomic_fetch_or(bits, &apic->errors) & bits) == bits)
		return;
	lvt = khv_lapic_reg(apic, APIC_LVTERR);
	if (!(lvt & APIC_LVT_MASKED) && khv_lapic_sw_enabled(apic))
		khv_lapic_set_irr(apic->vcpu, lvt & APIC_VECTOR_MASK, false);
}

bool khv_lapic_local(struct khv_lapic *apic, unsigned int lvt, bool own)
{
	u32 entry = khv_lapic_reg(apic, lvt);

	if (apic->mode == KHV_APIC_DISABLED || (entry & APIC_LVT_MASKED))
		return false;
	switch (entry & APIC_MODE_MASK) {
	case APIC_DM_FIXED:
		return khv_lapic_accept(apic, entry & APIC_VECTOR_MASK,
					entry & APIC_LVT_LEVEL_TRIGGER, own);
	case APIC_DM_NMI:
		khv_raise_nmi(apic->vcpu);
		return true;
	case APIC_DM_EXTINT:
		khv_request(apic->vcpu, KHV_REQ_EVENT);
		if (!own)
			khv_vcpu_kick(apic->vcpu);
		return true;
	default:	/* SMI and INIT do not come from a local source here */
		return false;
	}
}

static bool lint0_is_extint(const struct khv_lapic *apic)
{
	/* Without its APIC a processor has the PIC's INTR on its own pin. */
	if (READ_ONCE(apic->mode) == KHV_APIC_DISABLED)
		return true;
	return (khv_lapic_reg(apic, APIC_LVT0) & (APIC_LVT_MASKED | APIC_MODE_MASK)) ==
	       APIC_DM_EXTINT;
}

bool khv_lapic_accepts_extint(struct khv_vcpu *vcpu)
{
	return lint0_is_extint(vcpu->lapic);
}

bool khv_lapic_accepts_pic(struct khv_vcpu *vcpu)
{
	return vcpu->lapic && khv_pic_pending(vcpu->vm) && lint0_is_extint(vcpu->lapic);
}

void khv_lapic_lint0(struct khv_vcpu *vcpu)
{
	if (!vcpu->lapic)
		return;
	if (lint0_is_extint(vcpu->lapic))
		khv_vcpu_request_kick(vcpu, KHV_REQ_EVENT);
	else
		khv_lapic_local(vcpu->lapic, APIC_LVT0, false);
}

/* Bits of an LVT register that can be written; 0 when it is none. */
static u32 lvt_writable(const struct khv_lapic *apic, unsigned int reg)
{
	switch (reg) {
	case APIC_LVTT:
		return APIC_VECTOR_MASK | APIC_LVT_MASKED | APIC_LVT_TIMER_PERIODIC |
		       (khv_has(apic->vcpu, TSC_DEADLINE) ? APIC_LVT_TIMER_TSCDEADLINE : 0);
	case APIC_LVTTHMR:
	case APIC_LVTPC:
		return APIC_VECTOR_MASK | APIC_MODE_MASK | APIC_LVT_MASKED;
	case APIC_LVT0:
	case APIC_LVT1:
		return APIC_VECTOR_MASK | APIC_MODE_MASK | APIC_INPUT_POLARITY |
		       APIC_LVT_LEVEL_TRIGGER | APIC_LVT_MASKED;
	case APIC_LVTERR:
		return APIC_VECTOR_MASK | APIC_LVT_MASKED;
	default:
		return 0;
	}
}

static const u16 lvts[KHV_APIC_LVTS] = {
	APIC_LVTT, APIC_LVTTHMR, APIC_LVTPC, APIC_LVT0, APIC_LVT1, APIC_LVTERR
};

void khv_lapic_put_lvt(struct khv_lapic *apic, unsigned int reg, u32 val)
{
	val &= lvt_writable(apic, reg) | APIC_LVT_MASKED;
	if (reg == APIC_LVTT) {
		/* Both mode bits are reserved: keep the count going as one-shot. */
		if ((val & KHV_APIC_TIMER_MODES) == KHV_APIC_TIMER_MODES)
			val &= ~KHV_APIC_TIMER_MODES;
		khv_lapic_timer_set_lvtt(apic, khv_lapic_reg(apic, APIC_LVTT), val);
	}
	khv_lapic_put_reg(apic, reg, val);
	/* The PIC may have waited for LINT0 to open. */
	if (reg == APIC_LVT0)
		khv_request(apic->vcpu, KHV_REQ_EVENT);
}

static void write_lvt(struct khv_lapic *apic, unsigned int reg, u32 val)
{
	/* "SDM, Local APIC State After It Has Been Software Disabled": masks stay set. */
	if (!(khv_lapic_reg(apic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED))
		val |= APIC_LVT_MASKED;
	khv_lapic_put_lvt(apic, reg, val);
}

static void write_spiv(struct khv_lapic *apic, u32 val)
{
	unsigned int i;

	khv_lapic_put_reg(apic, APIC_SPIV, val & KHV_SPIV_WRITABLE);
	khv_request(apic->vcpu, KHV_REQ_INTERCEPTS);
	if (val & APIC_SPIV_APIC_ENABLED)
		return;
	for (i = 0; i < KHV_APIC_LVTS; i++)
		khv_lapic_put_reg(apic, lvts[i],
				  khv_lapic_reg(apic, lvts[i]) | APIC_LVT_MASKED);
}

static void write_tpr(struct khv_lapic *apic, u32 val)
{
	khv_lapic_put_reg(apic, APIC_TASKPRI, val & APIC_TPRI_MASK);
	if (unlikely(apic->virtual))
		khv_lapic_refresh(apic);
	khv_lapic_update_ppr(apic);
	recheck(apic);
}

/* The registers that both modes write alike; @reg is one of them. */
static void write_reg(struct khv_lapic *apic, unsigned int reg, u32 val)
{
	switch (reg) {
	case APIC_TASKPRI:
		write_tpr(apic, val);
		break;
	case APIC_EOI:
		eoi(apic);
		break;
	case APIC_SPIV:
		write_spiv(apic, val);
		break;
	case APIC_ESR:
		/* "SDM, Error Handling": the write shows what has been collected. */
		khv_lapic_put_reg(apic, APIC_ESR, atomic_xchg(&apic->errors, 0));
		break;
	case APIC_TMICT:
		khv_lapic_timer_set_count(apic, val);
		break;
	case APIC_TDCR:
		khv_lapic_timer_set_divide(apic, val);
		break;
	default:
		write_lvt(apic, reg, val);
	}
}

static u32 read_reg(struct khv_lapic *apic, unsigned int reg)
{
	if (unlikely(apic->vcpu->pv.eoi_offered))
		khv_pv_eoi_settle(apic->vcpu);
	switch (reg) {
	case APIC_ID:
		return apic->mode == KHV_APIC_X2APIC ? apic->vcpu->id : apic->vcpu->id << 24;
	case APIC_TMCCT:
		return khv_lapic_timer_count(apic);
	case APIC_ARBPRI:	/* no arbitration since the Pentium 4 */
	case APIC_EOI:
	case APIC_RRR:
		return 0;
	default:
		return khv_lapic_reg(apic, reg);
	}
}

static bool in_page(const struct khv_vcpu *vcpu, u64 gpa, int len)
{
	return vcpu->lapic && vcpu->lapic->mode == KHV_APIC_XAPIC && len > 0 &&
	       (vcpu->msrs.apic_base & PAGE_MASK) == (gpa & PAGE_MASK);
}

/* Registers are 32 bits at 16-byte steps; what lies between reads zero. */
int khv_lapic_mmio_read(struct khv_vcpu *vcpu, u64 gpa, int len, void *val)
{
	unsigned int reg = gpa & 0xff0, at = gpa & 0xf;
	u32 data = 0;

	if (!in_page(vcpu, gpa, len))
		return -EOPNOTSUPP;
	memset(val, 0, len);
	if (reg >= 0x400 || !(XAPIC_READABLE & REG_BIT(reg)))
		khv_lapic_error(vcpu->lapic, APIC_ESR_ILLREGA);
	else
		data = read_reg(vcpu->lapic, reg);
	trace_khv_apic(vcpu->id, false, reg, data);
	if (at < sizeof(data))
		memcpy(val, (u8 *)&data + at, min_t(unsigned int, len, sizeof(data) - at));
	return 0;
}

static void xapic_write(struct khv_lapic *apic, unsigned int reg, u32 val)
{
	switch (reg) {
	case APIC_LDR:
		khv_lapic_put_reg(apic, APIC_LDR, val & APIC_LDR_MASK);
		return;
	case APIC_DFR:
		khv_lapic_put_reg(apic, APIC_DFR, val | 0x0fffffff);
		return;
	case APIC_ICR2:
		khv_lapic_put_reg(apic, APIC_ICR2, val & 0xff000000);
		return;
	case APIC_ICR:
		khv_lapic_put_reg(apic, APIC_ICR, val & KHV_ICR_WRITABLE);
		khv_lapic_send_ipi(apic, val & KHV_ICR_WRITABLE,
				   khv_lapic_reg(apic, APIC_ICR2) >> 24);
		return;
	}
	if (reg < 0x400 && (WRITABLE & REG_BIT(reg)))
		write_reg(apic, reg, val);
	else if (reg >= 0x400 || !(XAPIC_READABLE & REG_BIT(reg)))
		khv_lapic_error(apic, APIC_ESR_ILLREGA);
}

int khv_lapic_mmio_write(struct khv_vcpu *vcpu, u64 gpa, int len, const void *val)
{
	u32 data;

	if (!in_page(vcpu, gpa, len))
		return -EOPNOTSUPP;
	/* "SDM, Local APIC": other widths and alignments are undefined; here they do nothing. */
	if (len != sizeof(data) || (gpa & 0xf))
		return 0;
	memcpy(&data, val, sizeof(data));
	trace_khv_apic(vcpu->id, true, gpa & 0xff0, data);
	xapic_write(vcpu->lapic, gpa & 0xff0, data);
	return 0;
}

bool khv_x2apic_reads_page(u32 msr)
{
	unsigned int reg = (msr - APIC_BASE_MSR) << 4;

	/* The count is the time's; ICR's halves are not side by side in the page. */
	return reg < 0x400 && (READABLE & REG_BIT(reg)) && reg != APIC_TMCCT && reg != APIC_ICR;
}

int khv_x2apic_read(struct khv_vcpu *vcpu, u32 msr, u64 *data)
{
	struct khv_lapic *apic = vcpu->lapic;
	/* Wide enough that no other MSR wraps around to one of ours. */
	u64 reg = (u64)(msr - APIC_BASE_MSR) << 4;

	if (!apic || apic->mode != KHV_APIC_X2APIC || reg >= 0x400 || !(READABLE & REG_BIT(reg)))
		return 1;
	reg = array_index_nospec(reg, 0x400);
	*data = read_reg(apic, reg);
	if (reg == APIC_ICR)
		*data |= (u64)khv_lapic_reg(apic, APIC_ICR2) << 32;
	trace_khv_apic(vcpu->id, false, reg, *data);
	return 0;
}

/* Bits that WRMSR may set in each register. "SDM, Reserved Bit Checking". */
static u64 x2apic_writable(const struct khv_lapic *apic, unsigned int reg)
{
	switch (reg) {
	case APIC_TASKPRI:
		return APIC_TPRI_MASK;
	case APIC_EOI:
	case APIC_ESR:
		return 0;
	case APIC_SPIV:
		return KHV_SPIV_WRITABLE;
	case APIC_TMICT:
		return U32_MAX;
	case APIC_TDCR:
		return 0xb;
	default:
		/* Read-only bits are no reserved ones: Linux writes both to LVT0. */
		return lvt_writable(apic, reg) | APIC_SEND_PENDING | APIC_LVT_REMOTE_IRR;
	}
}

static int x2apic_write_icr(struct khv_lapic *apic, u64 data)
{
	u32 low = data;

	if (low & X2APIC_ICR_RESERVED)
		return 1;
	low &= KHV_ICR_WRITABLE;
	khv_lapic_put_reg(apic, APIC_ICR, low);
	khv_lapic_put_reg(apic, APIC_ICR2, data >> 32);
	khv_lapic_send_ipi(apic, low, data >> 32);
	return 0;
}

static int x2apic_self_ipi(struct khv_lapic *apic, u64 data)
{
	if (data & ~(u64)APIC_VECTOR_MASK)
		return 1;
	khv_lapic_send_ipi(apic, APIC_DEST_SELF | APIC_DM_FIXED | (u32)data, 0);
	return 0;
}

int khv_x2apic_write(struct khv_vcpu *vcpu, u32 msr, u64 data)
{
	struct khv_lapic *apic = vcpu->lapic;
	/* Wide enough that no other MSR wraps around to one of ours. */
	u64 reg = (u64)(msr - APIC_BASE_MSR) << 4;

	if (!apic || apic->mode != KHV_APIC_X2APIC)
		return 1;
	trace_khv_apic(vcpu->id, true, reg, data);
	switch (reg) {
	case APIC_EOI:
		if (data)
			return 1;
		eoi(apic);
		return 0;
	case APIC_ICR:
		return x2apic_write_icr(apic, data);
	case APIC_SELF_IPI:
		return x2apic_self_ipi(apic, data);
	}
	if (reg >= 0x400 || !(WRITABLE & REG_BIT(reg)) || (data & ~x2apic_writable(apic, reg)))
		return 1;
	reg = array_index_nospec(reg, 0x400);
	write_reg(apic, reg, data);
	return 0;
}

u64 khv_lapic_get_cr8(struct khv_vcpu *vcpu)
{
	return (khv_lapic_reg(vcpu->lapic, APIC_TASKPRI) & 0xf0) >> 4;
}

void khv_lapic_set_cr8(struct khv_vcpu *vcpu, u64 cr8)
{
	write_tpr(vcpu->lapic, (cr8 & 0xf) << 4);
}

bool khv_lapic_enabled(struct khv_vcpu *vcpu)
{
	return vcpu->lapic && vcpu->lapic->mode != KHV_APIC_DISABLED;
}

/* "SDM, Local APIC State After Power-Up, Reset, or INIT". */
static void reset_regs(struct khv_lapic *apic)
{
	unsigned int i, reg;

	khv_lapic_timer_cancel(apic);
	/* First: an interrupt that comes meanwhile sets its bit of IRR, then its word's here. */
	WRITE_ONCE(apic->irr_words, 0);
	for (reg = 0; reg < KVM_APIC_REG_SIZE; reg += 0x10)
		khv_lapic_put_reg(apic, reg, 0);
	bitmap_zero(apic->posted, KHV_APIC_VECTORS);
	apic->isr_words = 0;
	apic->highest_isr = -1;
	apic->reload = true;
	khv_request(apic->vcpu, KHV_REQ_INTERCEPTS);
	atomic_set(&apic->errors, 0);

	khv_lapic_put_reg(apic, APIC_LVR, KHV_APIC_VERSION | (KHV_APIC_LVTS - 1) << 16);
	khv_lapic_put_reg(apic, APIC_ID, read_reg(apic, APIC_ID));
	khv_lapic_put_reg(apic, APIC_DFR, ~0u);
	khv_lapic_put_reg(apic, APIC_SPIV, 0xff);
	if (apic->mode == KHV_APIC_X2APIC)
		khv_lapic_put_reg(apic, APIC_LDR, khv_x2apic_ldr(apic));
	for (i = 0; i < KHV_APIC_LVTS; i++)
		khv_lapic_put_reg(apic, lvts[i], APIC_LVT_MASKED);
	khv_lapic_timer_set_divide(apic, 0);
}

static enum khv_apic_mode mode_of(u64 base)
{
	if (!(base & MSR_IA32_APICBASE_ENABLE))
		return KHV_APIC_DISABLED;
	return base & X2APIC_ENABLE ? KHV_APIC_X2APIC : KHV_APIC_XAPIC;
}

static void set_mode(struct khv_lapic *apic, enum khv_apic_mode mode)
{
	enum khv_apic_mode old = apic->mode;

	if (mode == old)
		return;
	WRITE_ONCE(apic->mode, mode);
	/* Disabling forgets everything; enabling again starts from the same state. */
	if (mode == KHV_APIC_DISABLED || old == KHV_APIC_DISABLED)
		reset_regs(apic);
	if (mode == KHV_APIC_X2APIC) {
		khv_lapic_put_reg(apic, APIC_LDR, khv_x2apic_ldr(apic));
		khv_lapic_put_reg(apic, APIC_ICR2, 0);
	}
	khv_lapic_put_reg(apic, APIC_ID, read_reg(apic, APIC_ID));
	khv_request(apic->vcpu, KHV_REQ_INTERCEPTS);
	khv_request(apic->vcpu, KHV_REQ_EVENT);
}

/* "SDM, x2APIC State Transitions": the only ones a guest may make. */
static bool legal_transition(enum khv_apic_mode from, enum khv_apic_mode to)
{
	if (from == KHV_APIC_X2APIC)
		return to != KHV_APIC_XAPIC;
	return from == KHV_APIC_XAPIC || to != KHV_APIC_X2APIC;
}

int khv_lapic_set_base(struct khv_vcpu *vcpu, u64 value, bool host)
{
	u64 old = vcpu->msrs.apic_base;
	u64 allowed = MSR_IA32_APICBASE_BSP | MSR_IA32_APICBASE_ENABLE |
		      (GENMASK_ULL(max_t(u8, vcpu->cpuid.maxphyaddr, 36) - 1, 12));

	if (host || khv_has(vcpu, X2APIC))
		allowed |= X2APIC_ENABLE;
	if (value & ~allowed)
		return 1;
	/* x2APIC without the global enable is no state at all. */
	if ((value & X2APIC_ENABLE) && !(value & MSR_IA32_APICBASE_ENABLE))
		return 1;
	if (!host && !legal_transition(mode_of(old), mode_of(value)))
		return 1;
	vcpu->msrs.apic_base = value;
	if (vcpu->lapic)
		set_mode(vcpu->lapic, mode_of(value));
	if ((old ^ value) & MSR_IA32_APICBASE_ENABLE)
		khv_cpuid_refresh(vcpu);
	return 0;
}

void khv_lapic_reset(struct khv_vcpu *vcpu, bool init)
{
	struct khv_lapic *apic = vcpu->lapic;
	bool bsp = vcpu->id == vcpu->vm->bsp_id;

	/* INIT keeps IA32_APIC_BASE, and with it the mode. */
	if (!init)
		vcpu->msrs.apic_base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE |
				       (bsp ? MSR_IA32_APICBASE_BSP : 0);
	if (!apic)
		return;
	if (!init)
		WRITE_ONCE(apic->events, 0);
	WRITE_ONCE(apic->mode, mode_of(vcpu->msrs.apic_base));
	reset_regs(apic);
	/* KVM's guests find LINT0 of the boot processor as firmware leaves it: virtual wire. */
	if (bsp && !init && khv_quirk(vcpu->vm, KVM_X86_QUIRK_LINT0_REENABLED))
		khv_lapic_put_reg(apic, APIC_LVT0, APIC_DM_EXTINT);
}

int khv_lapic_create(struct khv_vcpu *vcpu)
{
	struct khv_lapic *apic = kzalloc(sizeof(*apic), GFP_KERNEL_ACCOUNT);

	if (!apic)
		return -ENOMEM;
	apic->regs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!apic->regs) {
		kfree(apic);
		return -ENOMEM;
	}
	apic->vcpu = vcpu;
	khv_lapic_timer_init(apic);
	vcpu->lapic = apic;
	khv_lapic_reset(vcpu, false);
	return 0;
}

void khv_lapic_destroy(struct khv_vcpu *vcpu)
{
	struct khv_lapic *apic = vcpu->lapic;

	if (!apic)
		return;
	khv_lapic_timer_cancel(apic);
	vcpu->lapic = NULL;
	free_page((unsigned long)apic->regs);
	kfree(apic);
}
