// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs by name: names and their sockets, messages, and the server with clients of all kinds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/client.h"
#include "control/names.h"
#include "control/server.h"
#include "devices/serial.h"
#include "khv.h"
#include "tests/tap.h"

/* ---- names ---- */

static void test_names(void)
{
	static const char *const good[] = { "a", "0", "web-1.example_x", "A..b--c__" };
	static const char *const bad[] = {
		"", ".", "..", ".a", "-a", "_a", "a/b", "../a", "a b", "a\n", "\303\244",
		"a123456789a123456789a123456789a123456789a12345678",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ok(khv_name_is_valid(good[i]), "name '%s'", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(!khv_name_is_valid(bad[i]), "not a name: number %zu", i);
	ok(khv_name_is_valid("a123456789a123456789a123456789a123456789a1234567"), "longest name");
}

static char folder[64];

static int names_count(struct khv_names *names)
{
	char **list = NULL;
	int n = khv_names_list(names, &list);

	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
	return n;
}

static void test_claims(void)
{
	struct khv_names names;
	struct stat st;
	int first, second;

	ok(khv_names_open(&names, false) == 1, "no folder yet");
	ok(!khv_names_open(&names, true) && !stat(folder, &st) && (st.st_mode & 0777) == 0700,
	   "it is made, for its owner alone");
	first = khv_name_claim(&names, "one");
	ok(first >= 0 && names_count(&names) == 1, "a name is taken");
	tap_error_clear();
	ok(khv_name_claim(&names, "one") < 0 && tap_error_has("is running, process"),
	   "and not twice: %s", tap_error);
	second = khv_name_claim(&names, "two");
	ok(second >= 0 && names_count(&names) == 2, "another name");
	close(first);
	ok(names_count(&names) == 2, "who dies leaves a socket");
	tap_error_clear();
	ok(khv_name_connect(&names, "one", false) < 0 && errno == ENOENT &&
	   tap_error_has("no VM of that name") && names_count(&names) == 1,
	   "which goes when somebody looks");
	close(second);
	second = khv_name_claim(&names, "two");
	ok(second >= 0, "or when somebody takes the name");
	close(second);
	khv_name_connect(&names, "two", true);
	khv_names_close(&names);
	chmod(folder, 0770);
	tap_error_clear();
	ok(khv_names_open(&names, false) < 0 && tap_error_has("other users can write"),
	   "a folder that others can write to");
	chmod(folder, 0700);
	if (geteuid() == 0 && !chown(folder, 1234, getegid())) {
		ok(!khv_names_open(&names, false), "root looks at others'");
		khv_names_close(&names);
		ok(khv_names_open(&names, true) < 0 && tap_error_has("belongs to user 1234"),
		   "and puts nothing there");
		if (chown(folder, 0, getegid()))
			ok(false, "chown");
	}
}

/* Who looks removes dead sockets, and nothing else of that name. */
static void test_no_sockets(void)
{
	char file[96], link[96];
	struct khv_names names;
	struct stat st;
	int fd;

	snprintf(file, sizeof(file), "%s/file.sock", folder);
	snprintf(link, sizeof(link), "%s/link.sock", folder);
	fd = open(file, O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || symlink("file.sock", link) || khv_names_open(&names, true)) {
		ok(false, "a file and a link");
		return;
	}
	close(fd);
	ok(khv_name_connect(&names, "file", true) < 0 && errno == ENOENT && !lstat(file, &st),
	   "a file stays");
	ok(khv_name_connect(&names, "link", true) < 0 && errno == ENOENT && !lstat(link, &st),
	   "a link stays");
	tap_error_clear();
	ok(khv_name_claim(&names, "file") < 0 && tap_error_has("it cannot be told whose"),
	   "and such a name cannot be taken");
	khv_names_close(&names);
	unlink(link);
	unlink(file);
}

/* Many at once want the same name: one gets it. */
static void test_race(void)
{
	enum { RACERS = 12 };
	int got = 0, go[2], status;

	if (pipe(go))
		return;
	fflush(stdout);
	for (int i = 0; i < RACERS; i++) {
		struct khv_names names;
		char byte;

		if (fork())
			continue;
		close(go[1]);
		if (read(go[0], &byte, 1) < 0 || khv_names_open(&names, true))
			_exit(2);
		if (khv_name_claim(&names, "race") < 0)
			_exit(1);
		sleep(1);
		_exit(0);
	}
	close(go[1]);
	close(go[0]);
	for (int i = 0; i < RACERS; i++)
		if (wait(&status) > 0)
			got += WIFEXITED(status) && !WEXITSTATUS(status);
	ok(got == 1, "of %d at once %d gets the name", RACERS, got);
}

/* ---- messages ---- */

static const char *parse(struct khv_request *req, const char *text)
{
	return khv_request_parse(req, text, strlen(text));
}

static void test_requests(void)
{
	static const char *const bad[] = {
		"", " ", "khv1", "khv1 ", "khv1  x", "khv2 info", "khv1info", "info", "khv1 in-fo",
		"khv1 info x", "khv1 info =", "khv1 info =x", "khv1 info a=1 a=2", "khv1 info  a=1",
		"khv1 info a=1 ", "khv1 info\n", "khv1 info a=\t", "khv1 info \377=1", "khv1 a=1",
		"khv1 x a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1 j=1 k=1 l=1 m=1 n=1 o=1 p=1 q=1 r=1 "
		"s=1 t=1 u=1 v=1 w=1 x=1 y=1",
	};
	char text[KHV_REQUEST_MAX + 2];
	struct khv_request req;

	ok(!parse(&req, "khv1 info") && !strcmp(req.command, "info") && !req.args, "a request");
	ok(!parse(&req, "khv1 set weight=10 x_1=a=b cap=") && req.args == 3 &&
	   !strcmp(khv_request_get(&req, "weight"), "10") &&
	   !strcmp(khv_request_get(&req, "x_1"), "a=b") && !*khv_request_get(&req, "cap") &&
	   !khv_request_get(&req, "weigh"), "with arguments");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(parse(&req, bad[i]), "no request: '%.20s', %s", bad[i], parse(&req, bad[i]));
	ok(khv_request_parse(&req, "khv1 info\0a=1", 13), "one with a zero in it");
	memset(text, 'a', sizeof(text));
	ok(khv_request_parse(&req, text, KHV_REQUEST_MAX + 1), "one that is too long");
	ok(khv_request_parse(&req, text, 0), "one that is empty");
}

static void test_replies(void)
{
	static const char *const bad[] = {
		"", "o", "okay\n", "ok", "ok\nx", "ok\n=x\n", "ok\na b=1\n", "ok\na=\033[2J\n",
		"error \007", "ok\na=1\nb=2\nc=3\n",
	};
	char text[KHV_REPLY_MAX + 1];
	struct khv_message msg;
	struct khv_arg arg[2];
	unsigned int args = 2;
	const char *error;

	strcpy(text, "ok\na=1\nb=x y\n");
	ok(!khv_reply_parse(text, strlen(text), arg, &args, &error) && args == 2 &&
	   !strcmp(arg[1].key, "b") && !strcmp(arg[1].value, "x y"), "a reply");
	strcpy(text, "error it is late");
	ok(khv_reply_parse(text, strlen(text), arg, &args, &error) && !strcmp(error, "it is late"),
	   "an error");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		args = 2;
		strcpy(text, bad[i]);
		/* A bare "ok" is one. */
		ok(!khv_reply_parse(text, strlen(text), arg, &args, &error) ==
		   !strcmp(bad[i], "ok"), "reply number %zu", i);
	}
	khv_message_begin(&msg, "ok\n");
	for (int i = 0; i < 1000; i++)
		khv_message_add(&msg, "key%d=%d\n", i, i);
	ok(msg.overflow && msg.len <= KHV_REPLY_MAX && msg.text[msg.len - 1] == '\n',
	   "a reply that grows too long");
	khv_message_error(&msg, "no %d", 7);
	ok(!msg.overflow && !strcmp(msg.text, "error no 7"), "an error in its place");
}

/* Whatever comes is taken apart or refused. */
static void test_random(void)
{
	static const char alphabet[] = "khv1 =\n\0abc_09\377\033error ok";
	char text[KHV_REPLY_MAX + 1];
	struct khv_arg arg[4];
	unsigned int good = 0;
	const char *error;

	srand(1);
	for (int i = 0; i < 200000; i++) {
		unsigned int args = ARRAY_SIZE(arg);
		struct khv_request req;
		size_t len = 0, most = (size_t)rand() % 60;

		if (rand() % 2)
			len = (size_t)sprintf(text, "khv1 a");
		while (len < most)
			text[len++] = alphabet[(size_t)rand() % sizeof(alphabet)];
		good += !khv_request_parse(&req, text, len);
		khv_reply_parse(text, len, arg, &args, &error);
	}
	ok(good > 100, "random packets, of which %u were requests", good);
}

static void test_numbers(void)
{
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "1x", "101", "0x1",
					   "18446744073709551617" };
	uint64_t n;

	ok(!khv_number_parse("100", 100, &n) && n == 100, "a number");
	ok(!khv_number_parse("18446744073709551615", UINT64_MAX, &n) && n == UINT64_MAX,
	   "the largest");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(khv_number_parse(bad[i], 100, &n), "not a number up to 100: '%s'", bad[i]);
}

/* ---- the server ---- */

static struct khv_server server;
static struct khv_backlog backlog;
static struct khv_names names;
static char typed[4096];
static size_t nr_typed;
static unsigned int breaks;
static bool room = true;

static enum khv_answer request(void *ctx, const struct khv_request *req, struct khv_message *reply)
{
	(void)ctx;
	if (!strcmp(req->command, "later"))
		return KHV_ANSWER_LATER;
	if (!strcmp(req->command, "end"))
		return KHV_ANSWER_END;
	if (!strcmp(req->command, "console"))
		return KHV_ANSWER_CONSOLE;
	if (!strcmp(req->command, "long"))
		for (int i = 0; i < 1000; i++)
			khv_message_add(reply, "key%d=%d\n", i, i);
	khv_message_add(reply, "a=1\n");
	return KHV_ANSWER_DONE;
}

static bool has_room(void *ctx)
{
	(void)ctx;
	return room;
}

static void input(void *ctx, const uint8_t *bytes, size_t len)
{
	(void)ctx;
	if (nr_typed + len <= sizeof(typed)) {
		memcpy(typed + nr_typed, bytes, len);
		nr_typed += len;
	}
}

static void send_break(void *ctx)
{
	(void)ctx;
	breaks++;
}

static const struct khv_server_ops ops = {
	.request = request, .has_room = has_room, .input = input, .send_break = send_break,
};

/* Let it do all that it has to do. Returns how often it woke. */
static int turn(void)
{
	struct pollfd fds[KHV_SERVER_FDS];
	int n;

	for (n = 0; n < 1000; n++) {
		khv_server_prepare(&server, fds);
		if (poll(fds, KHV_SERVER_FDS, 0) <= 0)
			break;
		khv_server_serve(&server, fds);
	}
	return n;
}

static int client(const char *packet)
{
	int fd = khv_name_connect(&names, "server", true);

	if (packet && send(fd, packet, strlen(packet), MSG_NOSIGNAL) < 0)
		return -1;
	turn();
	return fd;
}

static char got[KHV_REPLY_MAX + 1];

/* The next packet for a client is @want; "" for the end of the connection. */
static bool gets(int fd, const char *want)
{
	ssize_t n;

	do {
		n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
	} while (n < 0 && errno == ECONNRESET);
	if (n < 0)
		return false;
	got[n] = '\0';
	return *want ? !strncmp(got, want, strlen(want)) : !n;
}

static void test_server(void)
{
	char large[2000];
	int a, b;

	a = client("khv1 info");
	ok(gets(a, "ok\na=1\n") && gets(a, ""), "a request is answered, once");
	close(a);
	a = client("khv1 long");
	ok(gets(a, "error the answer is too long"), "a reply that would be too long");
	close(a);
	a = client("rubbish\n");
	ok(gets(a, "error ") && gets(a, ""), "rubbish");
	close(a);
	memset(large, 'x', sizeof(large));
	a = khv_name_connect(&names, "server", true);
	ok(send(a, large, sizeof(large), 0) == sizeof(large) && turn() && gets(a, "error the req"),
	   "a packet that is too long");
	close(a);
	a = client("khv1 later");
	b = client("khv1 later");
	ok(!gets(a, "ok") && !gets(b, "ok"), "an answer that takes its time");
	khv_server_answer(&server, NULL);
	ok(gets(a, "ok") && gets(a, "") && gets(b, "ok"), "comes to all who wait");
	close(a);
	close(b);
	a = client("khv1 end");
	ok(gets(a, "ok"), "who waits for the end");
	ok(send(a, "x", 1, 0) == 1 && turn() && gets(a, ""), "and does not keep quiet is dropped");
	close(a);
	ok(turn() < 10, "nothing is left to do");
}

static void test_many_clients(void)
{
	int fd[KHV_SERVER_CLIENTS], more, open_fds;
	struct pollfd fds[KHV_SERVER_FDS];

	for (unsigned int i = 0; i < KHV_SERVER_CLIENTS; i++)
		fd[i] = client(NULL);
	more = client("khv1 info");
	ok(gets(more, "error it has too many clients"), "too many clients");
	close(more);
	ok(khv_server_prepare(&server, fds) > 0, "those that say nothing have their time");
	for (unsigned int i = 0; i < KHV_SERVER_CLIENTS; i++)
		server.client[i].deadline = 1;
	turn();
	open_fds = 0;
	for (unsigned int i = 0; i < KHV_SERVER_CLIENTS; i++) {
		open_fds += !gets(fd[i], "");
		close(fd[i]);
	}
	ok(!open_fds, "after which they are gone");
	more = client("khv1 info");
	ok(gets(more, "ok"), "and others are heard");
	close(more);
}

static void say(const char *text)
{
	while (*text)
		khv_backlog_put(&backlog, (uint8_t)*text++);
	turn();
}

static void test_console(void)
{
	char chunk[2 + KHV_SERIAL_CHUNK];
	int fd, n;

	say("before");
	fd = client("khv1 console");
	turn();
	ok(gets(fd, "ok") && gets(fd, "obefore"), "a console begins with what was said before");
	say("now");
	ok(gets(fd, "onow") && !gets(fd, "o"), "and goes on");
	send(fd, "ihello", 6, 0);
	send(fd, "b", 1, 0);
	turn();
	ok(nr_typed == 5 && !memcmp(typed, "hello", 5) && breaks == 1, "what is typed arrives");
	room = false;
	send(fd, "imore", 5, 0);
	n = turn();
	ok(nr_typed == 5 && n < 10, "but not at a guest that takes no more");
	room = true;
	turn();
	ok(nr_typed == 9, "until it does");
	for (unsigned int i = 0; i < KHV_BACKLOG_SIZE; i++)
		say("0123");
	ok(true, "who does not read holds up nobody");
	for (n = 0; gets(fd, "o"); n++)
		turn();
	ok(n > 60 && got[0] == KHV_PACKET_LOST && strtoull(got + 1, NULL, 10) > 1000,
	   "and is told what was lost: %s bytes after %d packets", got + 1, n);
	turn();
	while (gets(fd, "o"))
		turn();
	say("last");
	send(fd, "d", 1, 0);
	turn();
	ok(gets(fd, "olast") && gets(fd, "d") && gets(fd, ""), "leaving, with the last of it");
	close(fd);
	say("meanwhile");
	fd = client("khv1 console");
	turn();
	ok(gets(fd, "ok") && gets(fd, "omeanwhile"), "and back");
	memset(chunk, 'i', sizeof(chunk));
	send(fd, chunk, sizeof(chunk), 0);
	turn();
	ok(gets(fd, "") && !server.console, "too much at a time ends it");
	close(fd);
	fd = client("khv1 console");
	send(fd, "?", 1, 0);
	turn();
	ok(gets(fd, "ok") && gets(fd, ""), "and so does what is unknown");
	close(fd);
}

static void test_end(void)
{
	int a = client("khv1 end"), b = client("khv1 console"), c = client(NULL);

	for (const char *t = "Power down"; *t; t++)
		khv_backlog_put(&backlog, (uint8_t)*t);
	khv_server_end(&server, "poweroff");
	khv_server_uninit(&server);
	ok(gets(a, "ok") && gets(a, "epoweroff") && gets(a, ""), "the end");
	ok(gets(b, "ok") && gets(b, "oPower down") && gets(b, "epoweroff") && gets(b, ""),
	   "a console's end, with the last words");
	ok(gets(c, ""), "who had not asked");
	ok(khv_name_connect(&names, "server", true) < 0 && errno == ENOENT && !names_count(&names),
	   "and the name is free");
	close(a);
	close(b);
	close(c);
}

/* Who hung up is waited for no longer, though the socket takes no more. */
static void test_end_unheard(void)
{
	int fd;

	khv_server_init(&server, khv_name_claim(&names, "server"), geteuid(), &ops, NULL, &backlog);
	fd = client("khv1 console");
	ok(gets(fd, "ok") && server.console, "a console");
	close(fd);
	khv_backlog_put(&backlog, '!');
	fflush(stdout);
	alarm(20);
	khv_server_end(&server, "poweroff");
	alarm(0);
	khv_server_uninit(&server);
	ok(khv_name_connect(&names, "server", true) < 0,
	   "the end, with a console that has just gone");
}

/* What VMs answer is an error of its own, whatever errno was. */
static void test_answers(void)
{
	static const char *const bad[] = { "error it is busy", "ok\nno key", "?" };
	struct khv_reply reply;
	int fds[2], result;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ok(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) &&
		   send(fds[1], bad[i], strlen(bad[i]), 0) > 0, "'%s' is sent", bad[i]);
		errno = ENOENT;
		result = khv_ask_receive(fds[0], &reply);
		ok(result && errno == EPROTO, "and refused: %s", reply.error);
		close(fds[0]);
		close(fds[1]);
	}
}

static void test_owner(void)
{
	int fd;

	if (geteuid())
		return;
	server.owner = 4321;
	fd = client("khv1 info");
	ok(gets(fd, "ok"), "root may always ask");
	close(fd);
	fflush(stdout);
	chmod(folder, 0755);
	if (!chmod(folder, 0755) && !fork()) {
		char path[128];

		snprintf(path, sizeof(path), "%s/server.sock", folder);
		if (chmod(path, 0666) || setresuid(1234, 1234, 1234))
			_exit(3);
		fd = khv_name_connect(&names, "server", true);
		sleep(1);
		_exit(gets(fd, "error only the VM's owner and root") ? 0 : 1);
	}
	for (int i = 0; i < 15; i++) {
		usleep(100000);
		turn();
	}
	wait(&fd);
	ok(WIFEXITED(fd) && !WEXITSTATUS(fd), "another user may not: status %d", WEXITSTATUS(fd));
	server.owner = 0;
}

static void clean(void)
{
	char race[128];

	snprintf(race, sizeof(race), "%s/race.sock", folder);
	unlink(race);
	ok(!rmdir(folder), "nothing is left in the folder");
}

int main(void)
{
	snprintf(folder, sizeof(folder), "/tmp/khv-test-%d", getpid());
	setenv("KHV_RUNTIME_DIR", folder, 1);
	test_names();
	test_claims();
	test_no_sockets();
	test_race();
	test_requests();
	test_replies();
	test_random();
	test_numbers();

	khv_backlog_init(&backlog, eventfd(0, EFD_NONBLOCK));
	if (!khv_names_open(&names, true))
		khv_server_init(&server, khv_name_claim(&names, "server"), geteuid(), &ops, NULL,
				&backlog);
	khv_name_connect(&names, "race", true);
	test_server();
	test_many_clients();
	test_console();
	test_owner();
	test_end();
	test_end_unheard();
	test_answers();
	clean();
	return tap_done();
}
