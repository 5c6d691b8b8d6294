// SPDX-License-Identifier: GPL-2.0-only
/*
 * A local APIC's state as clients save and restore it: struct kvm_lapic_state.
 */
#include <linux/bitmap.h>
#include <linux/string.h>

#include "irqchip/lapic.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

int khv_lapic_get(struct khv_vcpu *vcpu, struct kvm_lapic_state *s)
{
	struct khv_lapic *apic = vcpu->lapic;
	u32 id = vcpu->id << 24, count;

	if (!apic)
		return -EINVAL;
	/* What has expired belongs to IRR in the copy. */
	khv_lapic_timer_work(vcpu);
	if (apic->virtual && khv_lapic_pull(apic) >= 0) {
		apic->reload = true;
		khv_request(vcpu, KHV_REQ_EVENT);
	}
	memcpy(s->regs, apic->regs, sizeof(s->regs));
	/* api.rst: without KVM_CAP_X2APIC_API the ID has xAPIC's format in both modes. */
	if (apic->mode == KHV_APIC_X2APIC && READ_ONCE(vcpu->vm->irq.ids_32bit))
		id = vcpu->id;
	memcpy(s->regs + APIC_ID, &id, sizeof(id));
	count = khv_lapic_timer_count(apic);
	memcpy(s->regs + APIC_TMCCT, &count, sizeof(count));
	return 0;
}

void khv_lapic_refresh(struct khv_lapic *apic)
{
	unsigned int w;

	apic->isr_words = 0;
	for (w = 0; w < 8; w++)
		if (khv_lapic_reg(apic, APIC_ISR + w * 0x10))
			apic->isr_words |= BIT(w);
	/* Too many bits are harmless here: highest_irr() clears them. */
	smp_wmb();
	WRITE_ONCE(apic->irr_words, 0xff);
	khv_lapic_find_isr(apic);
	khv_lapic_update_ppr(apic);
	apic->reload = true;
	khv_request(apic->vcpu, KHV_REQ_EVENT);
}

/* IRR, ISR and TMR from @s, and the summaries that follow from them. */
static void load_vectors(struct khv_lapic *apic, const struct kvm_lapic_state *s)
{
	static const u16 base[] = { APIC_ISR, APIC_TMR, APIC_IRR };
	unsigned int i, w;
	u32 val;

	bitmap_zero(apic->posted, KHV_APIC_VECTORS);
	for (i = 0; i < ARRAY_SIZE(base); i++) {
		for (w = 0; w < 8; w++) {
			memcpy(&val, s->regs + base[i] + w * 0x10, sizeof(val));
			/*
			 * Vectors 0 to 15 are never in service: the priority of their
			 * class is not above any PPR, so that they wait in IRR for good.
			 */
			if (!w && base[i] != APIC_IRR)
				val &= 0xffff0000;
			khv_lapic_put_reg(apic, base[i] + w * 0x10, val);
		}
	}
	khv_lapic_refresh(apic);
}

static u32 state_reg(const struct kvm_lapic_state *s, unsigned int reg)
{
	u32 val;

	memcpy(&val, s->regs + reg, sizeof(val));
	return val;
}

int khv_lapic_set(struct khv_vcpu *vcpu, const struct kvm_lapic_state *s)
{
	struct khv_lapic *apic = vcpu->lapic;
	bool x2apic;
	unsigned int reg;

	if (!apic)
		return -EINVAL;
	x2apic = apic->mode == KHV_APIC_X2APIC;
	/* The ID stays the vCPU's; another one is refused where KVM does so. */
	if (x2apic && READ_ONCE(vcpu->vm->irq.ids_32bit) &&
	    state_reg(s, APIC_ID) != (u32)vcpu->id)
		return -EINVAL;

	khv_lapic_put_reg(apic, APIC_TASKPRI, state_reg(s, APIC_TASKPRI) & APIC_TPRI_MASK);
	khv_lapic_put_reg(apic, APIC_LDR, x2apic ? khv_x2apic_ldr(apic) :
			  state_reg(s, APIC_LDR) & APIC_LDR_MASK);
	khv_lapic_put_reg(apic, APIC_DFR, state_reg(s, APIC_DFR) | 0x0fffffff);
	khv_lapic_put_reg(apic, APIC_ESR, state_reg(s, APIC_ESR) & 0xff);
	khv_lapic_put_reg(apic, APIC_ICR, state_reg(s, APIC_ICR) & KHV_ICR_WRITABLE);
	khv_lapic_put_reg(apic, APIC_ICR2,
			  state_reg(s, APIC_ICR2) & (x2apic ? U32_MAX : 0xff000000));
	khv_lapic_put_reg(apic, APIC_SPIV, state_reg(s, APIC_SPIV) & KHV_SPIV_WRITABLE);
	/* As firmware may leave it: LINT0 open with the APIC off in software. */
	for (reg = APIC_LVTT; reg <= APIC_LVTERR; reg += 0x10)
		khv_lapic_put_lvt(apic, reg, state_reg(s, reg));
	khv_lapic_put_reg(apic, APIC_TMICT, state_reg(s, APIC_TMICT));
	khv_lapic_put_reg(apic, APIC_TDCR, state_reg(s, APIC_TDCR) & 0xb);
	load_vectors(apic, s);
	khv_lapic_timer_restore(apic, state_reg(s, APIC_TMCCT));
	khv_request(vcpu, KHV_REQ_INTERCEPTS);
	khv_request(vcpu, KHV_REQ_EVENT);
	return 0;
}
