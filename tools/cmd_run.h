/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command line of `khv run`, apart from the command for its tests.
 */
#ifndef KHV_TOOL_CMD_RUN_H
#define KHV_TOOL_CMD_RUN_H

#include <stdbool.h>

#include "machine/pc.h"

/*
 * Fill @config, whose strings then point into @argv, or set @help. Returns 0, or
 * KHV_USAGE after a message.
 */
int khv_run_parse(int argc, char **argv, struct khv_pc_config *config, bool *help);

#endif
