/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must be true when a fuzzer is done: the host still runs VMs, and nothing
 * of khv is in use. What it did before is the fuzzer's.
 */
#ifndef KHV_TESTS_AFTERMATH_H
#define KHV_TESTS_AFTERMATH_H

#include <stdbool.h>

/* Whether a new VM works, within a minute times @factor. */
bool canary_lives(unsigned int factor);
/* Whether there is no VM and no reference to the module, after a while at most. */
bool nothing_left(void);
/* A line of TAP. */
void test_point(unsigned int number, bool ok, const char *name);

#endif
