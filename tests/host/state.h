/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For guests of load.h: registers with values of their own, and a look at them.
 */
#ifndef KHV_TESTS_STATE_H
#define KHV_TESTS_STATE_H

#include <stdint.h>

/* @seed: from 1 to 255, another one for each guest. */
void state_init(uint64_t seed);
/* Some time passes meanwhile. */
void state_check(void);

#endif
