/* SPDX-License-Identifier: GPL-2.0-only */
/* CR4 as the hardware has it, past the kernel's shadow. Interrupts off. */
#ifndef KHV_HOST_CR4_H
#define KHV_HOST_CR4_H

static inline unsigned long khv_read_cr4_raw(void)
{
	unsigned long cr4;

	asm volatile("mov %%cr4, %0" : "=r" (cr4) : : "memory");
	return cr4;
}

static inline void khv_write_cr4_raw(unsigned long cr4)
{
	asm volatile("mov %0, %%cr4" : : "r" (cr4) : "memory");
}

#endif
