/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table of what was measured: a row for each thing, a column for each device,
 * and the ratio of the first device to the second. As text or as JSON.
 */
#ifndef KHV_BENCH_REPORT_H
#define KHV_BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct khv_sched;
struct vm;

#define MAX_ROWS	8
#define MAX_DEVICES	2

/* Ticks in hundredths; the spread is the distance of the quartiles. */
struct result {
	uint64_t ticks, spread;
	bool missing;
};

struct device {
	const char *path;
	struct result results[MAX_ROWS];
};

/* What the rows are, and what stands above them. */
struct report {
	const char *heading;
	const char *json;		/* members for the beginning of the object */
	const char *const *keys, *const *titles;
	unsigned int rows;
};

/* What benchmarks are told by their command lines. */
struct bench_options {
	unsigned int loops, repeats;	/* in: what is usual */
	unsigned int most_repeats;
	bool json;
	struct device devs[MAX_DEVICES];
	unsigned int devices;
};

/* --dev, --loops, --repeats, --json; false if something else was there, or a bad number. */
bool bench_options(int argc, char **argv, struct bench_options *o);

/* /dev/khv and /dev/kvm, as far as they are there; how many. */
unsigned int devices_find(struct device devs[MAX_DEVICES]);

/* On khv, schedules @vm as *@sched says. On KVM, which has no such thing, nothing. */
void device_schedule(struct vm *vm, const struct khv_sched *sched);

void report_print(const struct report *r, const struct device *devs, unsigned int count,
		  bool json);

#endif
