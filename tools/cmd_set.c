// SPDX-License-Identifier: GPL-2.0-only
/*
 * `khv set`: changes how a running VM is scheduled, or shows it.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control/client.h"
#include "json.h"
#include "khv.h"
#include "sched/params.h"

static const char set_help[] =
	"usage: khv set NAME [OPTION]...\n"
	"\n"
	"Changes how a virtual machine with a name is scheduled, from now on; without an\n"
	"option that does, prints how it is. Beyond the limits that root has set (the module's\n"
	"parameters) only root can go.\n"
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
	for (unsigned int i = 0; i < reply->args; i++) {
		fputs(i ? ", " : "{", stdout);
		khv_json_string(reply->arg[i].key, stdout);
		fputs(": ", stdout);
		khv_json_value(reply->arg[i].value, stdout);
	}
	puts(reply->args ? "}" : "{}");
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

/*
 * The VM's descriptor is taken out of its process, not sent: the sandbox there needs to allow
 * nothing for that, and the kernel gives it to those alone who may trace the process, which is
 * no more than they can do anyway. Whatever else it calls its VM is not touched.
 */
static int take_vm(struct khv_names *names, const char *name)
{
	int vm = -1, conn = khv_name_connect(names, name, true);
	int process = conn < 0 ? -1 : khv_name_process(names, conn);
	struct khv_reply reply;
	char link[64], path[64];

	/* After its answer it is sure that the process is the one that was meant. */
	if (process >= 0 && !khv_ask_send(conn, "info") && !khv_ask_receive(conn, &reply))
		vm = (int)syscall(SYS_pidfd_getfd, process,
				  (int)khv_reply_number(&reply, "vm_fd"), 0);
	if (process >= 0)
		close(process);
	if (conn >= 0)
		close(conn);
	if (vm < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", vm);
	memset(link, 0, sizeof(link));
	if (readlink(path, link, sizeof(link) - 1) > 0 && !strcmp(link, "anon_inode:khv-vm"))
		return vm;
	close(vm);
	return -1;
}

/*
 * Root asks the module itself, which then goes by root's privileges: the VM's process has none.
 * Returns KHV_DONE; KHV_ERROR after a message; or 0 if it is the VM that must be asked.
 */
static int set_as_root(struct khv_names *names, const char *name, const struct khv_sched *params)
{
	int vm = geteuid() ? -1 : take_vm(names, name);
	const char *why;

	if (vm < 0)
		return 0;
	why = khv_sched_set(vm, params);
	close(vm);
	if (!why)
		return KHV_DONE;
	khv_fail("set parameters of", name, NULL, "%s", why);
	return KHV_ERROR;
}

int khv_cmd_set(int argc, char **argv)
{
	struct set set = { 0 };
	struct khv_vm_command cmd = {
		.help = set_help, .options = KHV_SCHED_OPTIONS " json", .option = option,
		.ctx = &set,
	};
	int fd = -1, err = khv_vm_command_begin(&cmd, argc, argv);
	struct khv_message request;
	struct khv_reply reply;

	if (err)
		return err == KHV_DONE ? KHV_OK : err;
	khv_message_begin(&request, "set");
	if (set.params.set)
		err = set_as_root(&cmd.names, cmd.name, &set.params);
	if (!err)
		khv_sched_add(&request, &set.params);
	if (err != KHV_ERROR)
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
