// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose process is behind a VM's socket, when root asks in a user's folder: what root would
 * send signals to. And values of replies in JSON, since those are the user's, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/names.h"
#include "json.h"
#include "khv.h"
#include "tests/tap.h"

#define USER		1234
#define SO_PEERPIDFD_	77

static struct khv_names names = { .dir = -1, .uid = USER };

static int bind_name(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.64s/%s.sock", names.path, name);
	ok(!bind(fd, (struct sockaddr *)&addr, sizeof(addr)), "bind %s", name);
	return fd;
}

/* What khv_name_process() makes of @name: 0 a process, or errno. */
static int ask(const char *name)
{
	int conn = khv_name_connect(&names, name, true), process, err;

	if (conn < 0)
		return ENOTCONN;
	process = khv_name_process(&names, conn);
	err = process < 0 ? errno : 0;
	if (process >= 0)
		close(process);
	close(conn);
	return err;
}

/* The same as a kernel before 6.5 has it, which knows no SO_PEERPIDFD. */
static int ask_older(const char *name)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

		if (seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOPROTOOPT), SCMP_SYS(getsockopt), 1,
				     SCMP_A2_32(SCMP_CMP_EQ, SO_PEERPIDFD_)) || seccomp_load(ctx))
			_exit(255);
		_exit(ask(name));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* A process that listens at @fd as the user and then is @after. */
static pid_t listener(int fd, uid_t after)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		if (setresuid((uid_t)-1, USER, 0) || listen(fd, 4) || setresuid(0, 0, 0) ||
		    setresuid(after, after, after) || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	ok(read(ready[0], &c, 1) == 1, "it listens");
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_users(void)
{
	int fd = bind_name("users");
	pid_t pid = listener(fd, USER);

	ok(!ask("users"), "a user's process");
	ok(!ask_older("users"), "a user's process, by its number");
	end(pid);
	ok(ask("users"), "none when it is gone, though its socket is not");
	ok(ask_older("users"), "none by its number either");
	close(fd);
}

static void test_became_root(void)
{
	int fd = bind_name("root");
	pid_t pid = listener(fd, 0);

	ok(ask("root") == EXDEV, "not one that became another's");
	ok(ask_older("root") == EXDEV, "nor by its number");
	end(pid);
	close(fd);
}

/* A process with the number of the one that listened, whose socket somebody has kept. */
static void test_number_again(void)
{
	int fd = bind_name("again");
	pid_t gone = listener(fd, USER), pid;
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&gone, .set_tid_size = 1,
	};

	end(gone);
	fflush(stdout);
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (!pid) {
		pause();
		_exit(0);
	}
	if (pid == gone) {
		ok(ask("again"), "not a stranger with its number");
		ok(ask_older("again") == EXDEV, "nor where only the number is known");
		end(pid);
	}
	close(fd);
}

static bool is_value(const char *value, const char *json)
{
	char text[64] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	khv_json_value(value, f);
	fclose(f);
	return !strcmp(text, json);
}

static void test_values(void)
{
	static const char *const same[] = { "0", "-1", "100", "18446744073709551615" };
	static const struct {
		const char *value, *json;
	} strings[] = {
		{ "", "\"\"" }, { "-", "\"-\"" }, { "01", "\"01\"" }, { "-00", "\"-00\"" },
		{ "1.5", "\"1.5\"" }, { "1,\"pid\":1", "\"1,\\\"pid\\\":1\"" }, { "on", "\"on\"" },
		{ "0x1", "\"0x1\"" }, { "+1", "\"+1\"" },
		/* UTF-8, its limits, and what is none: too long, a surrogate, too large, cut off. */
		{ "\303\244\342\202\254", "\"\303\244\342\202\254\"" },
		{ "\360\237\230\200", "\"\360\237\230\200\"" },
		{ "\302\240\364\217\277\277", "\"\302\240\364\217\277\277\"" },
		{ "\300\200", "\"\\ufffd\\ufffd\"" }, { "\340\200\200", "\"\\ufffd\\ufffd\\ufffd\"" },
		{ "\355\240\200", "\"\\ufffd\\ufffd\\ufffd\"" },
		{ "\364\220\200\200", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
		{ "a\342\202", "\"a\\ufffd\\ufffd\"" }, { "\342\202\"", "\"\\ufffd\\ufffd\\\"\"" },
		{ "\377x", "\"\\ufffdx\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		ok(is_value(same[i], same[i]), "a number: %s", same[i]);
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		ok(is_value(strings[i].value, strings[i].json), "none: number %zu", i);
}

static void clean(void)
{
	static const char *const used[] = { "users", "root", "again" };
	char path[sizeof(names.path) + 16];

	for (size_t i = 0; i < ARRAY_SIZE(used); i++) {
		snprintf(path, sizeof(path), "%s/%s.sock", names.path, used[i]);
		unlink(path);
	}
	rmdir(names.path);
}

int main(void)
{
	test_values();
	snprintf(names.path, sizeof(names.path), "/tmp/khv-test-XXXXXX");
	if (!geteuid() && mkdtemp(names.path)) {
		test_users();
		test_became_root();
		test_number_again();
		clean();
	}
	return tap_done();
}
