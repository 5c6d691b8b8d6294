/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt controllers and timers as guest functions program them: local APIC,
 * I/O APIC, PIC and PIT at their usual places.
 */
#ifndef KHV_TESTS_GUEST_APIC_H
#define KHV_TESTS_GUEST_APIC_H

#include <stdint.h>

#include "guest_cpu.h"

#define XAPIC_BASE	0xfee00000UL
#define IOAPIC_BASE	0xfec00000UL

#define APIC_ID		0x20
#define APIC_VERSION	0x30
#define APIC_TPR	0x80
#define APIC_PPR	0xa0
#define APIC_EOI	0xb0
#define APIC_SPIV	0xf0
#define APIC_ISR	0x100
#define APIC_IRR	0x200
#define APIC_ESR	0x280
#define APIC_ICR	0x300
#define APIC_ICR2	0x310
#define APIC_LVT_TIMER	0x320
#define APIC_LVT_LINT0	0x350
#define APIC_LVT_LINT1	0x360
#define APIC_TMICT	0x380
#define APIC_TMCCT	0x390
#define APIC_TDCR	0x3e0
#define APIC_SELF_IPI	0x3f0

#define APIC_TIMER_PERIODIC	0x20000
#define APIC_TIMER_DEADLINE	0x40000
#define APIC_MASKED		0x10000
#define APIC_DM_NMI		0x400
#define APIC_DM_INIT		0x500
#define APIC_DM_STARTUP		0x600
#define APIC_DEST_SELF		0x40000
#define APIC_DEST_OTHERS	0xc0000
#define APIC_ASSERT		0x4000

#define IOAPIC_LEVEL		0x8000
#define IOAPIC_MASKED		0x10000

#define MSR_APIC_BASE		0x1b
#define MSR_TSC_DEADLINE	0x6e0
#define MSR_X2APIC		0x800
#define APIC_BASE_X2APIC	0x400

static inline uint32_t xapic_read(uint32_t reg)
{
	uint32_t val;

	asm volatile("movl (%1), %0" : "=r"(val) : "r"(XAPIC_BASE + reg) : "memory");
	return val;
}

static inline void xapic_write(uint32_t reg, uint32_t val)
{
	asm volatile("movl %0, (%1)" : : "r"(val), "r"(XAPIC_BASE + reg) : "memory");
}

static inline uint64_t x2apic_read(uint32_t reg)
{
	return rdmsr(MSR_X2APIC + reg / 16);
}

static inline void x2apic_write(uint32_t reg, uint64_t val)
{
	wrmsr(MSR_X2APIC + reg / 16, val);
}

static inline uint32_t ioapic_read(uint32_t reg)
{
	uint32_t val;

	asm volatile("movl %2, (%1); movl 0x10(%1), %0"
		     : "=&r"(val) : "r"(IOAPIC_BASE), "r"(reg) : "memory");
	return val;
}

static inline void ioapic_write(uint32_t reg, uint32_t val)
{
	asm volatile("movl %2, (%1); movl %0, 0x10(%1)"
		     : : "r"(val), "r"(IOAPIC_BASE), "r"(reg) : "memory");
}

/* Both PICs, edge triggered, all lines masked but the cascade. */
static inline void pic_init(uint8_t master, uint8_t slave)
{
	outb(0x20, 0x11);
	outb(0x21, master);
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0xa0, 0x11);
	outb(0xa1, slave);
	outb(0xa1, 2);
	outb(0xa1, 1);
	outb(0x21, 0xfb);
	outb(0xa1, 0xff);
}

/* Channel 0 in @mode with @count ticks of 1.193182 MHz. */
static inline void pit_start(uint8_t mode, uint16_t count)
{
	outb(0x43, 0x30 | mode << 1);
	outb(0x40, count & 0xff);
	outb(0x40, count >> 8);
}

#endif
