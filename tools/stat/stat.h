/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The counters of VMs, as the module shows them in debugfs: a folder PID-FD for each
 * VM, a file for each counter, exits by reason as lines of one file and times of another, and
 * a folder for each vCPU.
 *
 * read.c takes a sample, print.c shows one or the difference of two.
 */
#ifndef KHV_TOOL_STAT_H
#define KHV_TOOL_STAT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define KHV_DEBUGFS		"/sys/kernel/debug/khv"
#define KHV_STAT_COUNTERS	128

struct khv_stat_counter {
	char name[48];
	uint64_t value;
};

/* Where the time of a vCPU went, as counters of its VM have it, too. */
#define KHV_STAT_TIMES	7
extern const char *const khv_stat_times[KHV_STAT_TIMES];

struct khv_stat_vcpu {
	unsigned int id;
	uint64_t ns[KHV_STAT_TIMES];
};

struct khv_stat_vm {
	char name[48];		/* the folder's */
	pid_t pid;
	char command[32];	/* of the process, or empty when it has gone */
	unsigned int count;
	struct khv_stat_counter counter[KHV_STAT_COUNTERS];	/* by name */
	unsigned int vcpus;
	struct khv_stat_vcpu *vcpu;				/* by id */
};

struct khv_stat_sample {
	uint64_t ns;		/* CLOCK_MONOTONIC */
	unsigned int count;
	struct khv_stat_vm *vm;	/* by pid, then name */
};

/*
 * Read the VMs of process @pid, or of all if it is 0, from @dir. Returns 0, or -1
 * after a message. A VM that goes meanwhile is left out. Freed by _free().
 */
int khv_stat_read(const char *dir, pid_t pid, struct khv_stat_sample *sample);
void khv_stat_free(struct khv_stat_sample *sample);

/* The value of a counter; 0 if @vm, which may be NULL, has none of that name. */
uint64_t khv_stat_value(const struct khv_stat_vm *vm, const char *name);

/*
 * Show @now with rates per second since @before, for VMs that are in both; those of a
 * VM that is new are since its beginning. As a table, or as one JSON object.
 */
void khv_stat_print(const struct khv_stat_sample *before, const struct khv_stat_sample *now,
		    FILE *out);
void khv_stat_json(const struct khv_stat_sample *before, const struct khv_stat_sample *now,
		   FILE *out);

#endif
