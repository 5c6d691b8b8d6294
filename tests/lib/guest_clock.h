/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For guests: the paravirtual clock's page, and the time that it tells.
 */
#ifndef KHV_TESTS_GUEST_CLOCK_H
#define KHV_TESTS_GUEST_CLOCK_H

#include <stdint.h>

#include "guest_cpu.h"

#define MSR_KVM_SYSTEM_TIME	0x4b564d01

struct clock_page {
	volatile uint32_t version;
	uint32_t pad;
	volatile uint64_t tsc, system_time;
	volatile uint32_t multiplier;
	volatile int8_t shift;
	volatile uint8_t flags;
	uint8_t pad2[2];
};

/* Nanoseconds, of a page that the MSR has been told of. */
static inline uint64_t clock_read(const struct clock_page *page)
{
	uint64_t delta, time;
	uint32_t version;

	do {
		version = page->version;
		delta = rdtsc() - page->tsc;
		delta = page->shift < 0 ? delta >> -page->shift : delta << page->shift;
		time = page->system_time +
			(uint64_t)((__uint128_t)delta * page->multiplier >> 32);
	} while (version != page->version || version & 1);
	return time;
}

#endif
