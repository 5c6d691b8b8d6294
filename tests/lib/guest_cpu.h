/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instructions and registers for guest functions.
 */
#ifndef KHV_TESTS_GUEST_CPU_H
#define KHV_TESTS_GUEST_CPU_H

#include <stdint.h>

static inline void outb(uint16_t port, uint8_t val)
{
	asm volatile("outb %0, %1" : : "a"(val), "Nd"(port) : "memory");
}

static inline void outw(uint16_t port, uint16_t val)
{
	asm volatile("outw %0, %1" : : "a"(val), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t val)
{
	asm volatile("outl %0, %1" : : "a"(val), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t val;

	asm volatile("inb %1, %0" : "=a"(val) : "Nd"(port) : "memory");
	return val;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t val;

	asm volatile("inw %1, %0" : "=a"(val) : "Nd"(port) : "memory");
	return val;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t val;

	asm volatile("inl %1, %0" : "=a"(val) : "Nd"(port) : "memory");
	return val;
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return low | (uint64_t)high << 32;
}

static inline uint64_t rdmsr(uint32_t index)
{
	uint32_t low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index) : "memory");
	return low | (uint64_t)high << 32;
}

static inline void wrmsr(uint32_t index, uint64_t value)
{
	asm volatile("wrmsr" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
		     : "memory");
}

static inline void cpuid(uint32_t function, uint32_t index, uint32_t r[4])
{
	asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
		     : "a"(function), "c"(index) : "memory");
}

#define DEFINE_CR(n)							\
static inline uint64_t read_cr##n(void)					\
{									\
	uint64_t val;							\
									\
	asm volatile("mov %%cr" #n ", %0" : "=r"(val) : : "memory");	\
	return val;							\
}									\
									\
static inline void write_cr##n(uint64_t val)				\
{									\
	asm volatile("mov %0, %%cr" #n : : "r"(val) : "memory");	\
}

DEFINE_CR(0)
DEFINE_CR(2)
DEFINE_CR(3)
DEFINE_CR(4)
DEFINE_CR(8)

static inline void invlpg(volatile void *address)
{
	asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline void cli(void)
{
	asm volatile("cli" : : : "memory");
}

static inline void sti(void)
{
	asm volatile("sti" : : : "memory");
}

/* Waits for an interrupt without the chance to miss it. */
static inline void sti_hlt_cli(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

/* Device memory, one access of the width that the name says. */
#define DEFINE_MMIO(bits, suffix)						\
static inline void mmio_write##bits(uint64_t address, uint##bits##_t value)	\
{										\
	asm volatile("mov" suffix " %0, (%1)"					\
		     : : "r"(value), "r"(address) : "memory");			\
}										\
										\
static inline uint##bits##_t mmio_read##bits(uint64_t address)			\
{										\
	uint##bits##_t value;							\
										\
	asm volatile("mov" suffix " (%1), %0"					\
		     : "=r"(value) : "r"(address) : "memory");			\
	return value;								\
}

DEFINE_MMIO(8, "b")
DEFINE_MMIO(16, "w")
DEFINE_MMIO(32, "l")
DEFINE_MMIO(64, "q")

static inline void cpu_pause(void)
{
	asm volatile("pause" : : : "memory");
}

static inline void xsetbv(uint32_t index, uint64_t value)
{
	asm volatile("xsetbv" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static inline uint64_t xgetbv(uint32_t index)
{
	uint32_t low, high;

	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
	return low | (uint64_t)high << 32;
}

/* KVM's, by the instruction that this vendor's processors have. */
static inline uint64_t hypercall(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	register uint64_t rax asm("rax") = nr;
	uint32_t r[4];

	cpuid(0, 0, r);
	if (r[2] == 0x444d4163)		/* "cAMD" */
		asm volatile("vmmcall" : "+a"(rax) : "b"(a0), "c"(a1), "d"(a2), "S"(a3)
			     : "memory");
	else
		asm volatile("vmcall" : "+a"(rax) : "b"(a0), "c"(a1), "d"(a2), "S"(a3)
			     : "memory");
	return rax;
}

#endif
