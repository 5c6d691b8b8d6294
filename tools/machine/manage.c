// SPDX-License-Identifier: GPL-2.0-only
/*
 * Answers the requests of the control socket.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "khv.h"
#include "machine/pc.h"
#include "sched/params.h"

#define PAUSING_MS	10	/* until vCPUs are kicked again */
#define PRESS_AGAIN_MS	1000	/* at a guest that does not listen yet */
#define STOP_MS_MAX	86400000u

/* ---- requests ---- */

static const char *state(struct khv_pc *pc)
{
	if (pc->manager.stop_at)
		return "stopping";
	if (!khv_gate_is_closed(&pc->gate))
		return "running";
	return pc->paused ? "paused" : "pausing";
}

static void add_console(struct khv_pc *pc, struct khv_message *reply)
{
	const struct khv_server *server = &pc->manager.server;

	if (!server->output)
		khv_message_add(reply, "console=terminal\n");
	else if (server->console)
		khv_message_add(reply, "console=%d\n", server->console->pid);
	else
		khv_message_add(reply, "console=none\n");
}

static enum khv_answer answer_info(struct khv_pc *pc, const struct khv_request *req,
				   struct khv_message *reply)
{
	struct timespec cpu;

	(void)req;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	khv_message_add(reply, "pid=%d\nstate=%s\ncpus=%u\nmemory=%" PRIu64 "\n", getpid(),
			state(pc), pc->nr_vcpus, pc->vm.ram.low_size + pc->vm.ram.high_size);
	khv_message_add(reply, "uptime_ms=%" PRIu64 "\ncpu_ms=%" PRIu64 "\naccel=%s\nvm_fd=%d\n",
			khv_server_now() - pc->manager.started,
			(uint64_t)cpu.tv_sec * 1000 + (uint64_t)cpu.tv_nsec / 1000000,
			pc->vm.accel, pc->vm.fd);
	add_console(pc, reply);
	return KHV_ANSWER_DONE;
}

static enum khv_answer answer_pause(struct khv_pc *pc, const struct khv_request *req,
				    struct khv_message *reply)
{
	(void)req;
	if (pc->manager.stop_at) {
		khv_message_error(reply, "it is being stopped");
		return KHV_ANSWER_DONE;
	}
	khv_pause_begin(pc);
	return khv_pause_continue(pc) ? KHV_ANSWER_DONE : KHV_ANSWER_LATER;
}

static void resume(struct khv_pc *pc)
{
	khv_server_answer(&pc->manager.server, "it was resumed before it was paused");
	khv_pause_end(pc);
}

static enum khv_answer answer_resume(struct khv_pc *pc, const struct khv_request *req,
				     struct khv_message *reply)
{
	(void)req;
	(void)reply;
	resume(pc);
	return KHV_ANSWER_DONE;
}

static void press(struct khv_pc *pc, uint64_t now)
{
	pc->manager.press_at = khv_pm_press(&pc->pm) ? 0 : now + PRESS_AGAIN_MS;
}

static enum khv_answer answer_stop(struct khv_pc *pc, const struct khv_request *req,
				   struct khv_message *reply)
{
	const char *text = khv_request_get(req, "timeout_ms");
	uint64_t now = khv_server_now(), ms;

	if (!text || khv_number_parse(text, STOP_MS_MAX, &ms)) {
		khv_message_error(reply, "timeout_ms is missing, or no number");
		return KHV_ANSWER_DONE;
	}
	/* Who is paused hears nothing. */
	resume(pc);
	pc->manager.stop_at = now + ms;
	press(pc, now);
	khv_message_add(reply, "heard=%d\n", !pc->manager.press_at);
	return KHV_ANSWER_END;
}

static enum khv_answer answer_kill(struct khv_pc *pc, const struct khv_request *req,
				   struct khv_message *reply)
{
	(void)req;
	(void)reply;
	khv_stop_request(&pc->stop, KHV_STOP_QUIT);
	return KHV_ANSWER_END;
}

/* Without arguments it only tells. */
static enum khv_answer answer_set(struct khv_pc *pc, const struct khv_request *req,
				  struct khv_message *reply)
{
	struct khv_sched params;
	const char *why = khv_sched_parse(req, &params);

	if (!why && params.set)
		why = khv_sched_set(pc->vm.fd, &params);
	if (!why)
		why = khv_sched_get(pc->vm.fd, &params);
	if (why)
		khv_message_error(reply, "%s", why);
	else
		khv_sched_reply(reply, &params);
	return KHV_ANSWER_DONE;
}

static enum khv_answer answer_console(struct khv_pc *pc, const struct khv_request *req,
				      struct khv_message *reply)
{
	const struct khv_server *server = &pc->manager.server;

	(void)req;
	if (!server->output)
		khv_message_error(reply, "its console is the terminal of process %d", getpid());
	else if (server->console)
		khv_message_error(reply, "process %d has its console", server->console->pid);
	else
		return KHV_ANSWER_CONSOLE;
	return KHV_ANSWER_DONE;
}

static enum khv_answer answer(void *ctx, const struct khv_request *req, struct khv_message *reply)
{
	static const struct {
		const char *command;
		enum khv_answer (*answer)(struct khv_pc *pc, const struct khv_request *req,
					  struct khv_message *reply);
	} commands[] = {
		{ "info", answer_info },
		{ "pause", answer_pause },
		{ "resume", answer_resume },
		{ "stop", answer_stop },
		{ "kill", answer_kill },
		{ "console", answer_console },
		{ "set", answer_set },
	};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(req->command, commands[i].command))
			return commands[i].answer(ctx, req, reply);
	khv_message_error(reply, "this VM's khv knows no '%s'", req->command);
	return KHV_ANSWER_DONE;
}

/* ---- the console ---- */

static bool has_room(void *ctx)
{
	struct khv_pc *pc = ctx;

	return khv_serial_has_room(&pc->serial);
}

static void input(void *ctx, const uint8_t *bytes, size_t len)
{
	struct khv_pc *pc = ctx;

	khv_serial_receive(&pc->serial, bytes, len);
}

static void send_break(void *ctx)
{
	struct khv_pc *pc = ctx;

	khv_serial_break(&pc->serial);
}

static const struct khv_server_ops ops = {
	.request = answer, .has_room = has_room, .input = input, .send_break = send_break,
};

/* ---- from the machine ---- */

int khv_manage_init(struct khv_pc *pc, const struct khv_pc_config *config)
{
	struct khv_manager *manager = &pc->manager;
	struct khv_names names;
	int fd = -1;

	manager->name = config->name;
	manager->started = khv_server_now();
	khv_backlog_init(&manager->backlog, pc->wake);
	khv_server_init(&manager->server, -1, geteuid(), &ops, pc,
			config->detach ? &manager->backlog : NULL);
	if (!config->name)
		return 0;
	if (khv_names_open(&names, true))
		goto err;
	fd = khv_name_claim(&names, config->name);
	if (fd >= 0 && config->detach)
		config->detach->log = khv_name_open_log(&names, config->name);
	khv_names_close(&names);
	if (fd < 0 || (config->detach && config->detach->log < 0))
		goto err;
	manager->server.fd = fd;
	return 0;

err:
	if (fd >= 0)
		close(fd);
	khv_backlog_uninit(&manager->backlog);
	return -1;
}

void khv_manage_uninit(struct khv_pc *pc)
{
	khv_server_uninit(&pc->manager.server);
	khv_backlog_uninit(&pc->manager.backlog);
}

static int sooner(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

static int until(uint64_t then, uint64_t now)
{
	return !then ? -1 : then <= now ? 0 : (int)(then - now);
}

/* What is to be done at its time. Returns milliseconds to the next, or -1. */
static int do_due(struct khv_pc *pc)
{
	struct khv_manager *manager = &pc->manager;
	uint64_t now = khv_server_now();

	if (khv_gate_is_closed(&pc->gate) && !pc->paused) {
		if (!khv_pause_continue(pc))
			return PAUSING_MS;
		khv_server_answer(&manager->server, NULL);
	}
	if (manager->stop_at && manager->stop_at <= now)
		khv_stop_request(&pc->stop, KHV_STOP_FORCED);
	if (manager->press_at && manager->press_at <= now)
		press(pc, now);
	return sooner(until(manager->stop_at, now), until(manager->press_at, now));
}

int khv_manage_prepare(struct khv_pc *pc, struct pollfd *fds)
{
	int due = do_due(pc);

	return sooner(due, khv_server_prepare(&pc->manager.server, fds));
}

void khv_manage_serve(struct khv_pc *pc, const struct pollfd *fds)
{
	khv_server_serve(&pc->manager.server, fds);
}

void khv_manage_end(struct khv_pc *pc, int reason)
{
	static const char *const why[] = {
		[KHV_STOP_NONE] = "failure", [KHV_STOP_POWEROFF] = "poweroff",
		[KHV_STOP_RESET] = "reset", [KHV_STOP_CRASH] = "crash",
		[KHV_STOP_FAILURE] = "failure", [KHV_STOP_CONSOLE] = "failure",
		[KHV_STOP_QUIT] = "killed", [KHV_STOP_FORCED] = "forced",
	};

	khv_server_end(&pc->manager.server,
		       reason < (int)ARRAY_SIZE(why) ? why[reason] : "signal");
}
