/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guests of bench-interrupts: processors that interrupt themselves and each
 * other, and that sleep until a timer or another processor wakes them.
 */
#ifndef KHV_BENCH_INTERRUPTS_GUEST_H
#define KHV_BENCH_INTERRUPTS_GUEST_H

#include <stdint.h>

#include "measure.h"

/* Set by the client before the start, but for the samples. */
struct interrupts_work {
	uint64_t loops;		/* interrupts per sample, where they are counted together */
	uint64_t repeats;	/* samples; the first is for warming up */
	uint64_t delay_ns;	/* how long a processor sleeps before it is woken, */
	uint64_t delay;		/* and the same in ticks */
	uint64_t ticks[MAX_REPEATS + 1];
	uint64_t empty[MAX_REPEATS + 1];	/* the same without what is measured */
};

extern struct interrupts_work interrupts_work;

/* Self-IPI, its handler and its EOI. Empty: INT n and the handler. */
void interrupts_self_xapic(void);
void interrupts_self_x2apic(void);

/* From the moment for which the timer is set to the handler. Empty: INT n to the handler. */
void interrupts_deadline(void);
void interrupts_oneshot(void);

/*
 * Two vCPUs each: the first one asks and measures, the second one answers. There and
 * back, both halted in between, or both spinning with interrupts on; and one way, to a
 * halted processor.
 */
void interrupts_ask_halting(void);
void interrupts_answer_halting(void);
void interrupts_ask_spinning(void);
void interrupts_answer_spinning(void);
void interrupts_wake(void);
void interrupts_be_woken(void);

#endif
