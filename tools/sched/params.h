/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a VM is scheduled, struct khv_sched of uapi/khv.h, as options of khv run and khv set
 * and as the control socket's arguments.
 */
#ifndef KHV_TOOL_SCHED_PARAMS_H
#define KHV_TOOL_SCHED_PARAMS_H

#include <stdio.h>

#include "../uapi/khv.h"
#include "control/protocol.h"

/* The options' names, in the form of struct khv_vm_command's, and their help. */
#define KHV_SCHED_OPTIONS \
	"weight= cap= cap-period= cap-burst= gang= pool= priority= length="
#define KHV_SCHED_HELP \
	"  --weight N      part of the CPUs against other VMs, 1 to 10000 (default: 100, as\n" \
	"                  much as a task of nice 0)\n" \
	"  --cap PERCENT   most that it may use, in percent of one CPU, or none\n" \
	"  --cap-period MS of how long each, 10 to 1000 (default: 100)\n" \
	"  --cap-burst MS  how much it may save up, to what it gets in a period\n" \
	"  --gang on|off   its processors run at the same time\n" \
	"  --pool N        the pool that it is in (default: 0)\n" \
	"  --priority N    in a pool that goes by priority: higher ones first\n" \
	"  --length S      CPU time that it needs, in seconds, for a pool that runs short ones\n" \
	"                  first\n"

/*
 * If @option is one of these, take its @value for @command's command line. Returns 0; or
 * KHV_USAGE after a message, as for an option that is none.
 */
int khv_sched_option(const char *command, const char *option, const char *value,
		     struct khv_sched *params);

/* Append all that @params->set has to a request, " KEY=VALUE", and the way back. */
void khv_sched_add(struct khv_message *request, const struct khv_sched *params);
/* Returns NULL, or what is wrong with the request. */
const char *khv_sched_parse(const struct khv_request *req, struct khv_sched *params);

/*
 * Set @params of the VM of the descriptor @vm, or get them. Returns NULL, or why it is
 * not possible, as text.
 */
const char *khv_sched_set(int vm, const struct khv_sched *params);
const char *khv_sched_get(int vm, struct khv_sched *params);

/* All members as lines for a reply: "KEY=VALUE\n". */
void khv_sched_reply(struct khv_message *reply, const struct khv_sched *params);

#endif
