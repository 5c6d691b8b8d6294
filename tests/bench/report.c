// SPDX-License-Identifier: GPL-2.0-only
/*
 * The devices and tables of the benchmarks. Integers, because programs here are compiled
 * without the FPU.
 */
#include "report.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "khv.h"
#include "ksft.h"
#include "vm.h"

unsigned int devices_find(struct device devs[MAX_DEVICES])
{
	static const char *const paths[MAX_DEVICES] = { "/dev/khv", "/dev/kvm" };
	unsigned int i, count = 0;

	for (i = 0; i < KSFT_ARRAY_SIZE(paths); i++)
		if (!access(paths[i], F_OK))
			devs[count++].path = paths[i];
	return count;
}

bool bench_options(int argc, char **argv, struct bench_options *o)
{
	static const struct option options[] = {
		{ "dev", required_argument, NULL, 'd' }, { "loops", required_argument, NULL, 'l' },
		{ "repeats", required_argument, NULL, 'r' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'd' && o->devices < MAX_DEVICES)
			o->devs[o->devices++].path = optarg;
		else if (option == 'l' && atoi(optarg) > 0)
			o->loops = atoi(optarg);
		else if (option == 'r' && atoi(optarg) > 0 &&
			 atoi(optarg) <= (int)o->most_repeats)
			o->repeats = atoi(optarg);
		else if (option == 'j')
			o->json = true;
		else
			return false;
	}
	if (!o->devices)
		o->devices = devices_find(o->devs);
	return true;
}

void device_schedule(struct vm *vm, const struct khv_sched *sched)
{
	struct khv_sched set = *sched;

	if (set.set && dev_check_extension(vm->dev, KHV_CAP_SCHED) > 0)
		ASSERT_EQ(try_ioctl(vm->fd, KHV_SET_SCHED, &set), 0);
}

static void print_hundredths(const char *format, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu.%02llu", (unsigned long long)value / 100,
		 (unsigned long long)value % 100);
	printf(format, text);
}

/* False when there is none. In hundredths. */
static bool ratio(const struct device *devs, unsigned int count, unsigned int row, uint64_t *value)
{
	const struct result *over = &devs[0].results[row], *under = &devs[1].results[row];

	if (count != 2 || over->missing || under->missing || !under->ticks)
		return false;
	*value = (over->ticks * 100 + under->ticks / 2) / under->ticks;
	return true;
}

static void print_table(const struct report *r, const struct device *devs, unsigned int count)
{
	unsigned int row, d;
	uint64_t value;
	int width = 26;

	for (row = 0; row < r->rows; row++)
		if ((int)strlen(r->titles[row]) + 1 > width)
			width = strlen(r->titles[row]) + 1;
	printf("%s\n%-*s", r->heading, width, "");
	for (d = 0; d < count; d++)
		printf("%22s", devs[d].path);
	printf(count == 2 ? "%10s\n" : "%s\n", count == 2 ? "ratio" : "");
	for (row = 0; row < r->rows; row++) {
		printf("%-*s", width, r->titles[row]);
		for (d = 0; d < count; d++) {
			if (devs[d].results[row].missing) {
				printf("%22s", "-");
				continue;
			}
			print_hundredths("%12s", devs[d].results[row].ticks);
			print_hundredths(" (%7s)", devs[d].results[row].spread);
		}
		if (ratio(devs, count, row, &value))
			print_hundredths("%10s", value);
		printf("\n");
	}
}

static void print_json(const struct report *r, const struct device *devs, unsigned int count)
{
	const char *comma;
	unsigned int row, d;
	uint64_t value;

	printf("{%s, \"devices\": {", r->json);
	for (d = 0; d < count; d++) {
		printf("%s\"%s\": {", d ? ", " : "", devs[d].path);
		comma = "";
		for (row = 0; row < r->rows; row++) {
			if (devs[d].results[row].missing)
				continue;
			printf("%s\"%s\": {\"ticks\": ", comma, r->keys[row]);
			print_hundredths("%s", devs[d].results[row].ticks);
			print_hundredths(", \"spread\": %s}", devs[d].results[row].spread);
			comma = ", ";
		}
		printf("}");
	}
	printf("}");
	comma = ", \"ratio\": {";
	for (row = 0; row < r->rows; row++) {
		if (!ratio(devs, count, row, &value))
			continue;
		printf("%s\"%s\": ", comma, r->keys[row]);
		print_hundredths("%s", value);
		comma = ", ";
	}
	printf("%s}\n", strcmp(comma, ", ") ? "" : "}");
}

void report_print(const struct report *r, const struct device *devs, unsigned int count, bool json)
{
	(json ? print_json : print_table)(r, devs, count);
}
