// SPDX-License-Identifier: GPL-2.0-only
/*
 * `khv sched`: shows how VMs share the CPUs, as asked and as measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/names.h"
#include "khv.h"
#include "sched/sample.h"

#define INTERVAL_MIN	0.01
#define INTERVAL_MAX	86400.0

static const char sched_help[] =
	"usage: khv sched [OPTION]...\n"
	"\n"
	"Shows how virtual machines share the CPUs: their parameters, what each was to\n"
	"get and got, in percent of one CPU, and where the rest of their processors' time\n"
	"went. Root sees all, others their own.\n"
	"\n"
	"  --interval S    seconds over which shares are taken (default: 1)\n"
	"  --count N       how many times; 0 is without end (default: 1)\n"
	"  --json          print one JSON object a line\n"
	"  --accel PATH    hypervisor device (default: " KHV_DEFAULT_ACCEL ")\n"
	"  -h, --help      this text\n"
	"\n"
	"Exit status: 0, 1 they cannot be read, 2 wrong usage.\n";

struct options {
	double interval;
	unsigned long count;
	const char *accel;
	bool json, help;
};

static int parse_option(int opt, struct options *o)
{
	char *end;

	switch (opt) {
	case 'i':
		o->interval = strtod(optarg, &end);
		/* Written so that what is no number fails, too. */
		if (end == optarg || *end ||
		    !(o->interval >= INTERVAL_MIN && o->interval <= INTERVAL_MAX))
			return khv_usage("sched", "--interval %s: not a number of seconds from %g "
					 "to %g", optarg, INTERVAL_MIN, INTERVAL_MAX);
		break;
	case 'n':
		errno = 0;
		o->count = strtoul(optarg, &end, 10);
		if (*optarg < '0' || *optarg > '9' || *end || errno)
			return khv_usage("sched", "--count %s: not a number", optarg);
		break;
	case 'a':
		o->accel = optarg;
		break;
	case 'j':
		o->json = true;
		break;
	}
	return 0;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ "json", no_argument, NULL, 'j' },
		{ "accel", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int opt, err;

	*o = (struct options){ .interval = 1, .count = 1, .accel = KHV_DEFAULT_ACCEL };
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
		if (opt == 'h') {
			o->help = true;
			return 0;
		}
		if (opt == ':')
			return khv_usage("sched", "%s: needs an argument", argv[optind - 1]);
		if (opt == '?')
			return khv_usage("sched", "%s: no such option", argv[optind - 1]);
		err = parse_option(opt, o);
		if (err)
			return err;
	}
	if (optind < argc)
		return khv_usage("sched", "%s: not an option", argv[optind]);
	return 0;
}

static void wait_for(double seconds)
{
	struct timespec left = { .tv_sec = (time_t)seconds };

	left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

/* Names of processes, for those VMs that have some in a folder that the caller sees. */
static void find_names(struct khv_names *names, void *ctx)
{
	struct khv_sched_report *report = ctx;
	char **list = NULL;
	int n = khv_names_list(names, &list);
	bool go_on = true;

	for (int i = 0; i < n; i++) {
		pid_t pid = list[i] && go_on ? khv_name_pid(names, list[i]) : 0;

		/* As khv ps: who keeps root waiting does so once. */
		if (list[i] && go_on && !pid && errno == EAGAIN && names->uid != geteuid())
			go_on = false;
		for (unsigned int j = 0; pid > 0 && j < report->shares; j++)
			if (report->share[j].vm->pid == pid)
				snprintf(report->share[j].name, sizeof(report->share[j].name),
					 "%s%s", names->prefix, list[i]);
		free(list[i]);
	}
	free(list);
}

static int show(const struct options *o, const struct khv_sched_sample *before,
		const struct khv_sched_sample *after)
{
	struct khv_sched_report report;

	if (khv_sched_compare(before, after, &report))
		return -1;
	/* Who has no such folder has no names. */
	if (khv_names_are_here())
		khv_names_each(find_names, &report);
	(o->json ? khv_sched_json : khv_sched_print)(&report, stdout);
	free(report.share);
	return ferror(stdout) ? -1 : 0;
}

static int watch(const struct options *o, int fd)
{
	struct khv_sched_sample before, after;
	int err = khv_sched_take(&before, fd, o->accel);

	if (err)
		return err;
	for (unsigned long i = 0; !err && (!o->count || i < o->count); i++) {
		wait_for(o->interval);
		err = khv_sched_take(&after, fd, o->accel);
		if (err)
			break;
		err = show(o, &before, &after);
		khv_sched_free(&before);
		before = after;
	}
	khv_sched_free(&before);
	return err;
}

int khv_cmd_sched(int argc, char **argv)
{
	struct options o;
	int fd, err = parse(argc, argv, &o);

	if (err)
		return err;
	if (o.help) {
		fputs(sched_help, stdout);
		return KHV_OK;
	}
	fd = open(o.accel, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		khv_fail("open", o.accel, "'khv doctor' looks for the cause", "%m");
		return KHV_ERROR;
	}
	err = watch(&o, fd);
	close(fd);
	return err ? KHV_ERROR : KHV_OK;
}
