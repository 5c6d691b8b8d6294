/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The suites of the program "guests", one per file.
 */
#ifndef KHV_TESTS_GUESTS_H
#define KHV_TESTS_GUESTS_H

#include "guest.h"
#include "ksft.h"

extern const struct ksft_suite cpu_suite;
extern const struct ksft_suite descriptors_suite;
extern const struct ksft_suite exact_suite;
extern const struct ksft_suite exceptions_suite;
extern const struct ksft_suite features_suite;
extern const struct ksft_suite hypercalls_suite;
extern const struct ksft_suite interrupts_suite;
extern const struct ksft_suite memory_suite;
extern const struct ksft_suite mmio_suite;
extern const struct ksft_suite modes_suite;
extern const struct ksft_suite pagetables32_suite;
extern const struct ksft_suite pagetables_edit_suite;
extern const struct ksft_suite pagetables_suite;
extern const struct ksft_suite paging_suite;
extern const struct ksft_suite replay_suite;
extern const struct ksft_suite strio_suite;
extern const struct ksft_suite tasks_suite;
extern const struct ksft_suite time_suite;
extern const struct ksft_suite timers_suite;
extern const struct ksft_suite x2apic_suite;
extern const struct ksft_suite priority_suite;
extern const struct ksft_suite xstate_suite;

/* In a guest: runs @function in user mode; it ends with INT 0x80. Of paging.c. */
void guest_user(void (*function)(void));

#endif
