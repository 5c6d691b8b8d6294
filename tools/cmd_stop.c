// SPDX-License-Identifier: GPL-2.0-only
/*
 * `khv stop` and `khv kill`: end a VM, with and without asking its guest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control/client.h"
#include "control/server.h"
#include "json.h"
#include "khv.h"

#define DEFAULT_TIMEOUT_MS	30000u
#define TIMEOUT_S_MAX		86400.0
#define FIRST_PROGRESS_MS	2000u
#define PROGRESS_MS		5000u
#define END_MS			15000u	/* from the end of the guest to that of its process */
#define KILL_MS			3000	/* for it to end by itself */
#define WHY_MAX			64

static const char stop_help[] =
	"usage: khv stop [OPTION]... NAME\n"
	"\n"
	"Presses the virtual machine's power button, waits until the guest has powered\n"
	"off, and ends it by force if that takes too long.\n"
	"\n"
	"  --timeout S     seconds until force (default: 30)\n"
	"  --json          print how it ended as a JSON object\n"
	"  -h, --help      this text\n"
	"\n"
	"Exit status: 0 the guest ended in time, 1 it could not be asked, 2 wrong usage,\n"
	"3 it crashed, 4 the hypervisor could not go on with it, 5 it was forced.\n";

static const char kill_help[] =
	"usage: khv kill NAME\n"
	"\n"
	"Ends a virtual machine at once, as pulling its plug would.\n"
	"\n"
	"  -h, --help      this text\n"
	"\n"
	"Exit status: 0, 1 it could not be ended, 2 wrong usage.\n";

struct stop {
	uint64_t timeout;	/* milliseconds */
	bool json;
};

static int stop_option(void *ctx, const char *option, const char *value)
{
	struct stop *stop = ctx;
	double seconds;
	char *end;

	if (!strcmp(option, "json")) {
		stop->json = true;
		return 0;
	}
	seconds = strtod(value, &end);
	/* Written so that what is no number fails, too. */
	if (end == value || *end || !(seconds >= 0 && seconds <= TIMEOUT_S_MAX))
		return khv_usage("stop", "--timeout %s: not a number of seconds from 0 to %g",
				 value, TIMEOUT_S_MAX);
	stop->timeout = (uint64_t)(seconds * 1000);
	return 0;
}

/*
 * Wait until the process behind @fd is gone or @until is over, which packets do not put off.
 * The machine's reason goes to @why, or it stays. Returns whether the process is gone.
 */
static bool wait_for_end(int fd, uint64_t until, char why[WHY_MAX])
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	do {
		uint64_t now = khv_server_now();
		char packet[WHY_MAX];
		ssize_t n;

		if (poll(&pfd, 1, now < until ? (int)(until - now) : 0) <= 0)
			continue;
		n = recv(fd, packet, sizeof(packet) - 1, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return true;
		packet[n] = '\0';
		if (packet[0] == KHV_PACKET_END)
			snprintf(why, WHY_MAX, "%s", packet + 1);
	} while (khv_server_now() < until);
	return false;
}

/* Who looks removes the socket of a process that is gone. */
static void clean_up(struct khv_names *names, const char *name)
{
	int fd = khv_name_connect(names, name, true);

	if (fd >= 0)
		close(fd);
}

static const struct ending {
	const char *why, *text;
	int status;
} endings[] = {
	{ "poweroff", "the guest powered off", KHV_OK },
	{ "reset", "the guest reset itself", KHV_OK },
	{ "killed", "somebody killed it meanwhile", KHV_OK },
	{ "signal", "a signal ended it meanwhile", KHV_OK },
	{ "crash", "the guest crashed", KHV_GUEST_CRASH },
	{ "failure", "the hypervisor could not go on with it", KHV_VM_FAILURE },
	{ "forced", "the guest did not end in time and was forced", KHV_FORCED },
	{ "gone", "its process ended without a word", KHV_VM_FAILURE },
};

static int report(const struct stop *stop, const char *name, const char *why, uint64_t ms)
{
	const struct ending *e = &endings[ARRAY_SIZE(endings) - 1];

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (!strcmp(endings[i].why, why))
			e = &endings[i];
	if (stop->json) {
		fputs("{\"name\": ", stdout);
		khv_json_string(name, stdout);
		printf(", \"ended\": \"%s\", \"ms\": %" PRIu64 "}\n", e->why, ms);
	} else {
		printf("%s: %s\n", name, e->text);
	}
	return e->status;
}

static int wait_for_stop(int fd, const struct stop *stop, const char *name, bool heard)
{
	uint64_t start = khv_server_now(), force = start + stop->timeout;
	uint64_t next = start + FIRST_PROGRESS_MS;
	char why[WHY_MAX] = "gone";

	while (!wait_for_end(fd, next, why)) {
		uint64_t now = khv_server_now();

		next = now + PROGRESS_MS;
		if (now > force + END_MS) {
			khv_fail("stop", name, "'khv kill' ends it all the same",
				 "its process does not end");
			return KHV_ERROR;
		}
		if (now < force)
			fprintf(stderr, "khv: waiting for %s, which is forced in %" PRIu64 " s%s\n",
				name, (force - now + 999) / 1000,
				heard ? "" : "; its guest did not listen to the power button");
	}
	return report(stop, name, why, khv_server_now() - start);
}

int khv_cmd_stop(int argc, char **argv)
{
	struct stop stop = { .timeout = DEFAULT_TIMEOUT_MS };
	struct khv_vm_command cmd = {
		.help = stop_help, .options = "timeout= json", .option = stop_option, .ctx = &stop,
	};
	int fd, err = khv_vm_command_begin(&cmd, argc, argv);
	struct khv_reply reply;
	char request[64];

	if (err)
		return err == KHV_DONE ? KHV_OK : err;
	snprintf(request, sizeof(request), "stop timeout_ms=%" PRIu64, stop.timeout);
	fd = khv_ask(&cmd.names, cmd.name, "stop", request, &reply);
	err = KHV_ERROR;
	if (fd >= 0) {
		err = wait_for_stop(fd, &stop, cmd.name, khv_reply_number(&reply, "heard"));
		close(fd);
		clean_up(&cmd.names, cmd.name);
	}
	khv_names_close(&cmd.names);
	return err;
}

/* ---- khv kill ---- */

/* Wait until @process is gone or @until is over. Returns whether it is gone. */
static bool wait_for_process(int process, uint64_t until)
{
	struct pollfd pfd = { .fd = process, .events = POLLIN };
	uint64_t now;
	int n;

	do {
		now = khv_server_now();
		n = poll(&pfd, 1, now < until ? (int)(until - now) : 0);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

/*
 * Ask for the end, and give it some time. What is said there does not count, and a connection
 * may be closed by who lives on. Returns whether the process is gone.
 */
static bool ask_to_end(int fd, int process)
{
	return !khv_ask_send(fd, "kill") && wait_for_process(process, khv_server_now() + KILL_MS);
}

static int kill_process(int process, const char *name)
{
	if (syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0) && errno != ESRCH)
		return khv_fail("kill", name, NULL, "its process: %m");
	if (wait_for_process(process, khv_server_now() + END_MS))
		return 0;
	return khv_fail("kill", name, NULL, "its process has got SIGKILL, and does not end");
}

/* Its process cannot be told: only it could say why we are not to end it. */
static int fail_to_kill(int fd, const char *name)
{
	const char *why = khv_name_why();
	struct khv_reply reply;

	if (!khv_ask_send(fd, "info") && khv_ask_receive(fd, &reply) &&
	    !strncmp(reply.text, "error ", 6))
		return khv_fail("kill", name, NULL, "%s", reply.error);
	return khv_fail("kill", name, NULL, "its process: %s", why);
}

static int kill_vm(struct khv_names *names, const char *name)
{
	int process = khv_name_holder(names, name), err = 0;
	/* Who has the name may be stopped, with more waiting for him than can wait. */
	int fd = khv_name_connect(names, name, process >= 0);

	if (fd < 0 && process < 0)
		return KHV_ERROR;
	if (process < 0)
		process = khv_name_process(names, fd);
	/* It has hung up since: ended by somebody else, most likely, as the name's lock says. */
	if (process < 0 && errno == ECONNRESET)
		process = khv_name_holder(names, name);
	if (process < 0 && errno != ESRCH)
		err = fail_to_kill(fd, name);
	else if (process >= 0 && (fd < 0 || !ask_to_end(fd, process)))
		err = kill_process(process, name);
	if (process >= 0)
		close(process);
	if (fd >= 0)
		close(fd);
	if (err)
		return KHV_ERROR;
	clean_up(names, name);
	return KHV_OK;
}

int khv_cmd_kill(int argc, char **argv)
{
	struct khv_vm_command cmd = { .help = kill_help, .options = "" };
	int err = khv_vm_command_begin(&cmd, argc, argv);

	if (err)
		return err == KHV_DONE ? KHV_OK : err;
	err = kill_vm(&cmd.names, cmd.name);
	khv_names_close(&cmd.names);
	return err;
}
