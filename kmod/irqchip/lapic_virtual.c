// SPDX-License-Identifier: GPL-2.0-only
/*
 * A local APIC that the processor virtualizes: it reads and writes the page of
 * registers itself, delivers what is in IRR, and takes EOIs without an exit ("SDM,
 * APIC Virtualization and Virtual Interrupts").
 *
 * IRR, ISR and PPR belong to the processor then while the guest runs. So others post
 * their interrupts aside, and the vCPU moves them to IRR before it enters. Which APICs
 * the processor virtualizes, and how it is told, is the vendor's (vmx/apic.c).
 */
#include <linux/bitops.h>
#include <linux/minmax.h>

#include "irqchip/lapic.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/pv.h"

static int highest_in(const struct khv_lapic *apic, unsigned int base)
{
	u32 bits;
	int w;

	for (w = 7; w >= 0; w--) {
		bits = khv_lapic_reg(apic, base + w * 0x10);
		if (bits)
			return w * 32 + __fls(bits);
	}
	return -1;
}

bool khv_lapic_post(struct khv_lapic *apic, u8 vector)
{
	bool pending = khv_lapic_reg(apic, APIC_IRR + (vector >> 5) * 0x10) & BIT(vector & 31);

	if (test_and_set_bit(vector, apic->posted))
		return false;
	/* The one in IRR may be on its way to its handler, too far to stand for this one. */
	if (pending)
		khv_vcpu_request_kick(apic->vcpu, KHV_REQ_EVENT);
	return !pending;
}

int khv_lapic_virtual_highest(const struct khv_lapic *apic)
{
	unsigned long posted = find_last_bit(apic->posted, KHV_APIC_VECTORS);
	int vector = highest_in(apic, APIC_IRR);

	return posted < KHV_APIC_VECTORS ? max_t(int, posted, vector) : vector;
}

static void choose_eoi_exit(struct khv_lapic *apic, u8 vector)
{
	if (khv_lapic_eoi_heard(apic, vector))
		__set_bit(vector, apic->eoi_exits);
	else
		__clear_bit(vector, apic->eoi_exits);
}

int khv_lapic_pull(struct khv_lapic *apic)
{
	unsigned long vectors;
	unsigned int i, bit;
	int highest = -1;

	for (i = 0; i < ARRAY_SIZE(apic->posted); i++) {
		if (!READ_ONCE(apic->posted[i]))
			continue;
		vectors = xchg(&apic->posted[i], 0);
		for_each_set_bit(bit, &vectors, BITS_PER_LONG) {
			highest = i * BITS_PER_LONG + bit;
			set_bit(highest & 31, khv_lapic_word(apic, APIC_IRR, highest));
			choose_eoi_exit(apic, highest);
			apic->vcpu->stats.irq_injections++;
		}
	}
	return highest;
}

void khv_lapic_virtual_load(struct khv_lapic *apic, u8 *requesting, u8 *in_service)
{
	unsigned int vector;
	u32 used;

	apic->reload = false;
	khv_lapic_pull(apic);
	for (vector = 0; vector < KHV_APIC_VECTORS; vector++) {
		used = khv_lapic_reg(apic, APIC_IRR + (vector >> 5) * 0x10) |
		       khv_lapic_reg(apic, APIC_ISR + (vector >> 5) * 0x10);
		if (used & BIT(vector & 31))
			choose_eoi_exit(apic, vector);
	}
	*requesting = max(highest_in(apic, APIC_IRR), 0);
	*in_service = max(highest_in(apic, APIC_ISR), 0);
}

void khv_lapic_set_virtual(struct khv_lapic *apic, bool virtual)
{
	if (apic->virtual == virtual)
		return;
	/* Of the highest interrupt in service, as software knows it. */
	if (apic->vcpu->pv.eoi_offered)
		khv_pv_eoi_finish(apic->vcpu, false);
	/*
	 * Pairs with set_irr(): who still does it the other way sees this and does both, or is
	 * seen below. What is posted too late for that stays there, for once too often.
	 */
	smp_store_mb(apic->virtual, virtual);
	if (virtual) {
		apic->reload = true;
	} else {
		khv_lapic_pull(apic);
		khv_lapic_refresh(apic);
	}
	khv_request(apic->vcpu, KHV_REQ_EVENT);
}

void khv_lapic_virtual_eoi(struct khv_vcpu *vcpu, u8 vector)
{
	khv_lapic_broadcast_eoi(vcpu->lapic, vector);
}

void khv_lapic_virtual_write(struct khv_vcpu *vcpu, unsigned int reg)
{
	struct khv_lapic *apic = vcpu->lapic;

	/* Of an x2APIC's registers only this one, with a vector that no interrupt can have. */
	if (WARN_ON_ONCE(reg != APIC_SELF_IPI))
		return;
	khv_x2apic_write(vcpu, APIC_BASE_MSR + (reg >> 4), khv_lapic_reg(apic, reg));
	khv_lapic_put_reg(apic, reg, 0);
}
