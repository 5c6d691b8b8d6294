/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts that a guest sends to itself, in either mode of its local APIC, and the
 * order in which they came. All of it runs in the guest.
 */
#ifndef KHV_TESTS_APIC_GUEST_H
#define KHV_TESTS_APIC_GUEST_H

#include "guest_apic.h"
#include "guests.h"

extern volatile uint32_t order[8], order_count;
extern volatile uint64_t interrupted_rip;	/* by the last one */

/* PICs masked, local APIC on in the mode asked for; on_interrupt() for all its vectors. */
void apic_on(bool x2apic);
/* In the mode that it is in. */
uint32_t apic_read(uint32_t reg);
void apic_write(uint32_t reg, uint32_t val);
/* Is the bit of @vector in the registers from @base (IRR, ISR) set? */
bool apic_is_set(uint32_t base, uint8_t vector);
void self_ipi(uint8_t vector);

/* Notes vector and RIP, and ends the interrupt. */
void on_interrupt(struct guest_frame *frame);

/* Interrupts on for the time of one instruction. */
static inline void open_window(void)
{
	sti();
	asm volatile("nop; nop" : : : "memory");
	cli();
}

#endif
