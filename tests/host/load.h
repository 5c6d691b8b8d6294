/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests that keep a host busy: on each CPU one that stays there, and one that
 * wanders. They compute, fault memory in, sleep until their APIC's timer wakes
 * them, exit to the client, and watch that their registers and memory stay as they
 * are and that neither TSC nor clock goes backwards.
 */
#ifndef KHV_TESTS_LOAD_H
#define KHV_TESTS_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "ksft.h"

#define LOAD_MAX	9

extern const struct ksft_suite hotplug_suite;
extern const struct ksft_suite nmi_suite;
extern const struct ksft_suite sched_suite;
extern const struct ksft_suite suspend_suite;

/* CPUs that there are, online or not, numbered from 0. */
unsigned int load_cpus(void);

/* Start the guests, each in a thread; returns once all of them run. */
void load_start(void);
/* Bind the threads of guests that stay to their CPUs again; offline ones lose theirs. */
void load_bind(void);
/* Wait until every guest has got on; if @bound, each on its own CPU. Fails after a while. */
void load_progress(bool bound);
/* The clock that guest @n last read, in ns, and when it did by CLOCK_BOOTTIME. */
void load_clock(unsigned int n, uint64_t *guest, uint64_t *host);
/* Guests and their number. */
unsigned int load_count(void);

/* Main loop of "host-test churn": VMs come, run and go, for ever; says how many. */
void load_churn(void);

/* CPU @cpu, not the last one, goes or comes back; fails if it does not. */
void set_online(unsigned int cpu, bool online);

/* main() of "host-test kexec" and "host-test crash". */
int next_kernel(int argc, char **argv);

/* "file" gets @text. 0 or -errno. */
int file_write(const char *file, const char *text);

#endif
