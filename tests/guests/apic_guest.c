// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's side of the tests of its local APIC (apic_guest.h).
 */
#include "apic_guest.h"

volatile uint32_t order[8], order_count;
volatile uint64_t interrupted_rip;
static volatile bool in_x2apic;

uint32_t apic_read(uint32_t reg)
{
	return in_x2apic ? x2apic_read(reg) : xapic_read(reg);
}

void apic_write(uint32_t reg, uint32_t val)
{
	if (in_x2apic)
		x2apic_write(reg, val);
	else
		xapic_write(reg, val);
}

bool apic_is_set(uint32_t base, uint8_t vector)
{
	return apic_read(base + (vector / 32) * 0x10) >> (vector % 32) & 1;
}

void on_interrupt(struct guest_frame *frame)
{
	interrupted_rip = frame->rip;
	order[order_count++ & 7] = frame->vector;
	apic_write(APIC_EOI, 0);
}

void apic_on(bool x2apic)
{
	int i;

	for (i = 0x30; i < 0x100; i++)
		guest_handlers[i] = on_interrupt;
	pic_init(0x20, 0x28);
	outb(0x21, 0xff);
	in_x2apic = x2apic;
	if (x2apic)
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	apic_write(APIC_SPIV, 0x1ff);
}

void self_ipi(uint8_t vector)
{
	if (in_x2apic)
		x2apic_write(APIC_SELF_IPI, vector);
	else
		xapic_write(APIC_ICR, APIC_DEST_SELF | APIC_ASSERT | vector);
}
