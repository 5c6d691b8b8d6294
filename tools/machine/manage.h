/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What other processes can do with a machine that has a name: ask, pause, stop, have its
 * console. The requests come from control/server.c, in the I/O thread.
 */
#ifndef KHV_TOOL_MANAGE_H
#define KHV_TOOL_MANAGE_H

#include "control/names.h"
#include "control/server.h"
#include "machine/backlog.h"

struct khv_pc;
struct khv_pc_config;

struct khv_manager {
	const char *name;	/* or NULL: the machine has none, and there is no socket */
	struct khv_server server;
	struct khv_backlog backlog;
	uint64_t started;	/* as all times here: of khv_server_now() */
	uint64_t stop_at;	/* khv stop: when to force the end; or 0 */
	uint64_t press_at;	/* when to press the power button again; or 0 */
};

/*
 * Take the name, if @config has one; with --detach open the log, too. Nothing can be asked
 * before khv_manage_prepare(). Returns 0, or -1 after a message.
 */
int khv_manage_init(struct khv_pc *pc, const struct khv_pc_config *config);
void khv_manage_uninit(struct khv_pc *pc);

/* Around poll(): as khv_server_prepare() and khv_server_serve(). */
int khv_manage_prepare(struct khv_pc *pc, struct pollfd *fds);
void khv_manage_serve(struct khv_pc *pc, const struct pollfd *fds);

/* The machine has ended, for this reason of stop.h: tell who waits for it. */
void khv_manage_end(struct khv_pc *pc, int reason);

#endif
