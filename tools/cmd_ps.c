// SPDX-License-Identifier: GPL-2.0-only
/*
 * `khv ps`: lists the VMs that have names.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/client.h"
#include "json.h"
#include "khv.h"

static const char ps_help[] =
	"usage: khv ps [--json]\n"
	"\n"
	"Lists the virtual machines that were started with khv run --name: those of this\n"
	"user; for root also those of all users, as UID/NAME.\n"
	"\n"
	"  --json          print one JSON object\n"
	"  -h, --help      this text\n"
	"\n"
	"Exit status: 0, 1 they cannot be listed, 2 wrong usage.\n";

static void print_row(const char *name, const struct khv_reply *reply)
{
	uint64_t up = khv_reply_number(reply, "uptime_ms") / 1000;
	uint64_t cpu = khv_reply_number(reply, "cpu_ms");

	printf("%-16s %-9s %8s %5s %6" PRIu64 "M %4" PRIu64 ":%02u:%02u %8" PRIu64 ".%02u  %s\n",
	       name, khv_reply_get(reply, "state"), khv_reply_get(reply, "pid"),
	       khv_reply_get(reply, "cpus"), khv_reply_number(reply, "memory") >> 20, up / 3600,
	       (unsigned int)(up / 60 % 60), (unsigned int)(up % 60), cpu / 1000,
	       (unsigned int)(cpu % 1000 / 10), khv_reply_get(reply, "console"));
}

static void print_string(const char *key, const char *value)
{
	printf(", \"%s\": ", key);
	khv_json_string(value, stdout);
}

static void print_json(const char *name, const struct khv_reply *reply)
{
	static const char *const numbers[] = { "pid", "cpus", "memory", "uptime_ms", "cpu_ms" };

	fputs("{\"name\": ", stdout);
	khv_json_string(name, stdout);
	print_string("state", khv_reply_get(reply, "state"));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		printf(", \"%s\": %" PRIu64, numbers[i], khv_reply_number(reply, numbers[i]));
	print_string("accel", khv_reply_get(reply, "accel"));
	print_string("console", khv_reply_get(reply, "console"));
	putchar('}');
}

struct list {
	bool json, failed;
	int shown;
};

/* Returns false if its user's others are not to be asked either: each may take seconds. */
static bool show(struct list *list, struct khv_names *names, const char *name)
{
	char full[sizeof(names->prefix) + KHV_NAME_MAX];
	struct khv_reply reply;
	int fd = khv_ask_quietly(names, name, "info", &reply);

	snprintf(full, sizeof(full), "%s%s", names->prefix, name);
	if (fd >= 0) {
		close(fd);
		if (list->json && list->shown++)
			fputs(", ", stdout);
		(list->json ? print_json : print_row)(full, &reply);
		return true;
	}
	/* It has ended, or is about to: not listed. */
	if (errno == ENOENT)
		return true;
	khv_fail("ask", full, NULL, "%s", reply.error);
	return names->uid == geteuid();
}

static void show_folder(struct khv_names *names, void *ctx)
{
	struct list *list = ctx;
	char **name = NULL;
	int n = khv_names_list(names, &name);
	bool go_on = true;

	list->failed |= n < 0;
	for (int i = 0; i < n; i++) {
		if (name[i] && go_on)
			go_on = show(list, names, name[i]);
		free(name[i]);
	}
	free(name);
}

static int list(bool json)
{
	struct list list = { .json = json };

	if (json)
		fputs("{\"vms\": [", stdout);
	else
		printf("%-16s %-9s %8s %5s %7s %10s %11s  %s\n", "NAME", "STATE", "PID", "CPUS",
		       "MEMORY", "UPTIME", "CPU TIME", "CONSOLE");
	if (khv_names_each(show_folder, &list))
		list.failed = true;
	if (json)
		puts("]}");
	return list.failed || ferror(stdout) ? KHV_ERROR : KHV_OK;
}

int khv_cmd_ps(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool json = false;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(ps_help, stdout);
			return KHV_OK;
		default:
			return khv_usage("ps", "%s: no such option", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return khv_usage("ps", "%s: not an option", argv[optind]);
	return list(json);
}
