// SPDX-License-Identifier: GPL-2.0-only
/*
 * `khv set`: changes how a running VM is scheduled, or shows it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/client.h"
#include "khv.h"
#include "sched/params.h"

static const char set_help[] =
	"usage: khv set NAME [OPTION]...\n"
	"\n"
	"Changes how a virtual machine with a name is scheduled, from now on; without an\n"
	"option that does, prints how it is.\n"
	"\n"
	KHV_SCHED_HELP
	"  --json          print it as a JSON object\n"
	"  -h, --help      this text\n"
	"\n"
	"Exit status: 0, 1 it could not be changed, 2 wrong usage.\n";

struct set {
	struct khv_sched params;
	bool json;
};

static int option(void *ctx, const char *name, const char *value)
{
	struct set *set = ctx;

	if (!strcmp(name, "json")) {
		set->json = true;
		return 0;
	}
	return khv_sched_option("set", name, value, &set->params);
}

static void print_json(const struct khv_reply *reply)
{
	for (unsigned int i = 0; i < reply->args; i++)
		printf("%s\"%s\": %s", i ? ", " : "{", reply->arg[i].key, reply->arg[i].value);
	puts("}");
}

static void print(const struct khv_reply *reply)
{
	uint64_t cap = khv_reply_number(reply, "cap");

	printf("weight      %s\n", khv_reply_get(reply, "weight"));
	if (cap)
		printf("cap         %" PRIu64 " %% of one CPU\n", cap);
	else
		puts("cap         none");
	printf("cap-period  %g ms\n", (double)khv_reply_number(reply, "cap_period") / 1e3);
	printf("cap-burst   %g ms\n", (double)khv_reply_number(reply, "cap_burst") / 1e3);
	printf("gang        %s\n", khv_reply_number(reply, "gang") ? "on" : "off");
	printf("pool        %s\n", khv_reply_get(reply, "pool"));
	printf("priority    %s\n", khv_reply_get(reply, "priority"));
	printf("length      %g s\n", (double)khv_reply_number(reply, "length") / 1e9);
}

int khv_cmd_set(int argc, char **argv)
{
	struct set set = { 0 };
	struct khv_vm_command cmd = {
		.help = set_help, .options = KHV_SCHED_OPTIONS " json", .option = option,
		.ctx = &set,
	};
	int fd, err = khv_vm_command_begin(&cmd, argc, argv);
	struct khv_message request;
	struct khv_reply reply;

	if (err)
		return err == KHV_DONE ? KHV_OK : err;
	khv_message_begin(&request, "set");
	khv_sched_add(&request, &set.params);
	fd = khv_ask(&cmd.names, cmd.name, "set parameters of", request.text, &reply);
	khv_names_close(&cmd.names);
	if (fd < 0)
		return KHV_ERROR;
	close(fd);
	if (set.json)
		print_json(&reply);
	else if (!set.params.set)
		print(&reply);
	return KHV_OK;
}
