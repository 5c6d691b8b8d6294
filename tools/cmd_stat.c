// SPDX-License-Identifier: GPL-2.0-only
/*
 * `khv stat`: shows what VMs do, from the module's counters.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "khv.h"
#include "stat/stat.h"

#define INTERVAL_MIN	0.01
#define INTERVAL_MAX	86400.0

static const char stat_help[] =
	"usage: khv stat [OPTION]... [PID | all]\n"
	"\n"
	"Shows the VMs of a process, or all (the default), with the rates of their exits,\n"
	"interrupts, faults and halts. Counters of VMs are in debugfs, for root alone.\n"
	"\n"
	"  --interval S    seconds over which rates are taken (default: 1)\n"
	"  --count N       how many times; 0 is without end (default: 1)\n"
	"  --json          print one JSON object a line, with all counters\n"
	"  -h, --help      this text\n"
	"\n"
	"Exit status: 0, 1 the counters cannot be read, 2 wrong usage.\n";

struct options {
	double interval;
	unsigned long count;
	pid_t pid;
	bool json, help;
};

static int parse_number(const char *text, unsigned long max, unsigned long *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	*value = strtoul(text, &end, 10);
	return *end || errno || *value > max ? -1 : 0;
}

static int parse_interval(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	/* Written so that what is no number fails, too. */
	if (end == text || *end || !(*seconds >= INTERVAL_MIN && *seconds <= INTERVAL_MAX))
		return khv_usage("stat", "--interval %s: not a number of seconds from %g to %g",
				 text, INTERVAL_MIN, INTERVAL_MAX);
	return 0;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	unsigned long pid;
	int opt, err = 0;

	*o = (struct options){ .interval = 1, .count = 1 };
	opterr = 0;
	while (!err && (opt = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
		switch (opt) {
		case 'i':
			err = parse_interval(optarg, &o->interval);
			break;
		case 'n':
			if (parse_number(optarg, 1000000000, &o->count))
				err = khv_usage("stat", "--count %s: not a number", optarg);
			break;
		case 'j':
			o->json = true;
			break;
		case 'h':
			o->help = true;
			return 0;
		case ':':
			return khv_usage("stat", "%s: needs an argument", argv[optind - 1]);
		default:
			return khv_usage("stat", "%s: no such option", argv[optind - 1]);
		}
	}
	if (err)
		return err;
	if (optind + 1 < argc)
		return khv_usage("stat", "%s: one process at a time", argv[optind + 1]);
	if (optind < argc && strcmp(argv[optind], "all")) {
		if (parse_number(argv[optind], INT32_MAX, &pid) || !pid)
			return khv_usage("stat", "%s: neither a process ID nor all", argv[optind]);
		o->pid = (pid_t)pid;
	}
	return 0;
}

static void wait_for(double seconds)
{
	struct timespec left = { .tv_sec = (time_t)seconds };

	left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static int show(const struct options *o)
{
	struct khv_stat_sample before, now;

	if (khv_stat_read(KHV_DEBUGFS, o->pid, &before))
		return KHV_ERROR;
	if (o->pid && !before.count) {
		khv_stat_free(&before);
		khv_fail("find", "a VM", "'khv stat' lists all VMs", "process %d has none", o->pid);
		return KHV_ERROR;
	}
	for (unsigned long i = 0; !o->count || i < o->count; i++) {
		wait_for(o->interval);
		if (khv_stat_read(KHV_DEBUGFS, o->pid, &now)) {
			khv_stat_free(&before);
			return KHV_ERROR;
		}
		if (o->json)
			khv_stat_json(&before, &now, stdout);
		else
			khv_stat_print(&before, &now, stdout);
		khv_stat_free(&before);
		before = now;
	}
	khv_stat_free(&before);
	return ferror(stdout) ? KHV_ERROR : KHV_OK;
}

int khv_cmd_stat(int argc, char **argv)
{
	struct options o;
	int err = parse(argc, argv, &o);

	if (err)
		return err;
	if (o.help) {
		fputs(stat_help, stdout);
		return KHV_OK;
	}
	return show(&o);
}
