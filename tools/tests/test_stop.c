// SPDX-License-Identifier: GPL-2.0-only
/*
 * `khv stop` and `khv kill` of processes that do not want to end; and signals.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/names.h"
#include "control/server.h"
#include "khv.h"
#include "machine/signals.h"
#include "machine/vcpu.h"
#include "tests/tap.h"

#define MOST_MS 14000u	/* asked, and waited for */

static char folder[64];
static int listening;

/* ---- what the process behind a name does with a client that has asked ---- */

static void says_no(int fd)
{
	send(fd, "error not me", 12, MSG_NOSIGNAL);
}

static void says_yes(int fd)
{
	send(fd, "ok\n", 3, MSG_NOSIGNAL);
}

static void talks(int fd)
{
	says_yes(fd);
	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
		;
}

static void hangs_up(int fd)
{
	close(fd);
}

static void ends(int fd)
{
	says_yes(fd);
	close(listening);	/* first, as a VM does it */
	send(fd, "epoweroff", 9, MSG_NOSIGNAL);
	_exit(0);
}

static void live(const char *name, void (*answer)(int fd), int ready)
{
	struct khv_names names;
	char request[512];

	if (khv_names_open(&names, true))
		_exit(1);
	listening = khv_name_claim(&names, name);
	if (listening < 0 || write(ready, "", 1) != 1)
		_exit(1);
	for (;;) {
		struct pollfd pfd = { .fd = listening, .events = POLLIN };
		int client = poll(&pfd, 1, -1) == 1 ? accept4(listening, NULL, NULL, 0) : -1;

		if (client >= 0 && recv(client, request, sizeof(request), 0) > 0)
			answer(client);
	}
}

/* ---- */

static struct stubborn {
	const char *name;
	int (*command)(int argc, char **argv);
	void (*answer)(int fd);
	bool stopped, full;
	int status;
	pid_t vm, khv;
} all[] = {
	{ "kill-no", khv_cmd_kill, says_no, false, false, KHV_OK, 0, 0 },
	{ "kill-yes", khv_cmd_kill, says_yes, false, false, KHV_OK, 0, 0 },
	{ "kill-talks", khv_cmd_kill, talks, false, false, KHV_OK, 0, 0 },
	{ "kill-closes", khv_cmd_kill, hangs_up, false, false, KHV_OK, 0, 0 },
	{ "kill-stopped", khv_cmd_kill, says_yes, true, false, KHV_OK, 0, 0 },
	{ "kill-full", khv_cmd_kill, says_yes, true, true, KHV_OK, 0, 0 },
	{ "kill-ends", khv_cmd_kill, ends, false, false, KHV_OK, 0, 0 },
	{ "stop-ends", khv_cmd_stop, ends, false, false, KHV_OK, 0, 0 },
};

/* So many wait that nobody else can connect. */
static void fill(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, n = 0;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%.32s.sock", folder, name);
	do {
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	} while (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)) && ++n < 1000);
	ok(errno == EAGAIN, "%s: after %d no more can connect", name, n);
}

static pid_t start_vm(const struct stubborn *s)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready))
		return -1;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(ready[0]);
		live(s->name, s->answer, ready[1]);
	}
	close(ready[1]);
	ok(read(ready[0], &c, 1) == 1, "%s listens", s->name);
	close(ready[0]);
	if (s->stopped)
		kill(pid, SIGSTOP);
	if (s->full)
		fill(s->name);
	return pid;
}

static pid_t start_khv(const struct stubborn *s)
{
	char name[KHV_NAME_MAX + 1], command[] = "khv";
	char *argv[] = { command, name, NULL };
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	snprintf(name, sizeof(name), "%s", s->name);
	if (!freopen("/dev/null", "w", stdout))
		_exit(255);
	_exit(s->command(2, argv));
}

/* Its status by @until, or -1. */
static int status_of(pid_t pid, uint64_t until)
{
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (khv_server_now() > until) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		usleep(10000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* All at the same time: they are slow. */
static void test_stubborn(void)
{
	uint64_t until;
	int status;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		all[i].vm = start_vm(&all[i]);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		all[i].khv = start_khv(&all[i]);
	until = khv_server_now() + MOST_MS;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		status = status_of(all[i].khv, until);
		ok(status == all[i].status, "%s: status %d", all[i].name, status);
		status = status_of(all[i].vm, 0);
		ok(status >= 0, "%s: its process is gone", all[i].name);
	}
}

/* Whatever was blocked before. */
static void test_signals(void)
{
	sigset_t all_of_them, old, now;
	int fd;

	sigfillset(&all_of_them);
	sigprocmask(SIG_SETMASK, &all_of_them, &old);
	fd = khv_signals_open();
	sigprocmask(SIG_SETMASK, &old, &now);
	ok(fd >= 0 && !sigismember(&now, KHV_KICK_SIGNAL), "kicks arrive");
	ok(!sigismember(&now, SIGSYS) && !sigismember(&now, SIGSEGV), "and faults' signals");
	ok(sigismember(&now, SIGTERM), "and those that are read do not");
	close(fd);
}

static void clean(void)
{
	struct khv_names names;
	char **list = NULL, path[sizeof(folder) + KHV_NAME_MAX + 8];
	int n = khv_names_open(&names, true) ? 0 : khv_names_list(&names, &list);

	ok(!n, "no name is left: %d", n);
	if (!n)
		ok(!rmdir(folder), "nor anything else");
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s.sock", folder, list[i]);
		unlink(path);
		free(list[i]);
	}
	free(list);
}

int main(void)
{
	snprintf(folder, sizeof(folder), "/tmp/khv-test-stop-%d", getpid());
	setenv("KHV_RUNTIME_DIR", folder, 1);
	test_stubborn();
	test_signals();
	clean();
	return tap_done();
}
