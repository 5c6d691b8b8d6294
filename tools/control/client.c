// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks a VM and takes its reply; and the command line of those that do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/client.h"
#include "khv.h"

#define OPTIONS_MAX 16

int khv_ask_send(int fd, const char *request)
{
	char packet[KHV_REQUEST_MAX];
	int n = snprintf(packet, sizeof(packet), KHV_PROTOCOL " %s", request);

	if (n < 0 || (size_t)n >= sizeof(packet)) {
		errno = E2BIG;
		return -1;
	}
	if (send(fd, packet, (size_t)n, MSG_NOSIGNAL) == n)
		return 0;
	/* Who refuses a client answers before it is asked, and hangs up. */
	return errno == EPIPE || errno == ECONNRESET ? 0 : -1;
}

int khv_ask_receive(int fd, struct khv_reply *reply)
{
	ssize_t n;

	reply->text[0] = '\0';
	reply->args = 0;
	/* A reset, told once, comes before what was said by who hung up, without listening. */
	do {
		n = recv(fd, reply->text, KHV_REPLY_MAX, 0);
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0) {
		reply->error = errno == EAGAIN ? "it does not answer" : strerror(errno);
		return -1;
	}
	if (!n) {
		reply->error = "it has just ended";
		errno = ENOENT;
		return -1;
	}
	reply->args = KHV_REPLY_ARGS;
	if (!khv_reply_parse(reply->text, (size_t)n, reply->arg, &reply->args, &reply->error))
		return 0;
	errno = EPROTO;
	return -1;
}

static int ask(int fd, const char *request, struct khv_reply *reply)
{
	if (khv_ask_send(fd, request))
		reply->error = strerror(errno);
	else if (!khv_ask_receive(fd, reply))
		return fd;
	close(fd);
	return -1;
}

int khv_ask_quietly(struct khv_names *names, const char *name, const char *request,
		    struct khv_reply *reply)
{
	int fd = khv_name_connect(names, name, true);

	if (fd >= 0)
		return ask(fd, request, reply);
	reply->error = khv_name_why();
	return -1;
}

int khv_ask(struct khv_names *names, const char *name, const char *doing, const char *request,
	    struct khv_reply *reply)
{
	int fd = khv_name_connect(names, name, false);

	if (fd < 0)
		return -1;
	fd = ask(fd, request, reply);
	if (fd < 0)
		khv_fail(doing, name, NULL, "%s", reply->error);
	return fd;
}

const char *khv_reply_get(const struct khv_reply *reply, const char *key)
{
	for (unsigned int i = 0; i < reply->args; i++)
		if (!strcmp(reply->arg[i].key, key))
			return reply->arg[i].value;
	return "";
}

uint64_t khv_reply_number(const struct khv_reply *reply, const char *key)
{
	uint64_t value;

	return khv_number_parse(khv_reply_get(reply, key), UINT64_MAX, &value) ? 0 : value;
}

/* ---- command lines ---- */

/* @options' words as getopt_long() wants them, in @words, which is cut up. */
static void make_options(char *words, struct option *options)
{
	unsigned int n = 0;
	char *word;

	while (n < OPTIONS_MAX - 2 && (word = strsep(&words, " "))) {
		size_t len = strlen(word);
		bool value = len && word[len - 1] == '=';

		if (!len)
			continue;
		if (value)
			word[len - 1] = '\0';
		options[n++] = (struct option){
			word, value ? required_argument : no_argument, NULL, 1,
		};
	}
	options[n++] = (struct option){ "help", no_argument, NULL, 'h' };
	options[n] = (struct option){ 0 };
}

/* Returns 0, KHV_DONE or a status after a message. */
static int parse_options(struct khv_vm_command *cmd, int argc, char **argv)
{
	struct option options[OPTIONS_MAX];
	char words[256];
	int opt, index, err;

	snprintf(words, sizeof(words), "%s", cmd->options);
	make_options(words, options);
	optind = 0;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:h", options, &index)) != -1) {
		switch (opt) {
		case 1:
			err = cmd->option(cmd->ctx, options[index].name, optarg);
			if (err)
				return err;
			break;
		case 'h':
			fputs(cmd->help, stdout);
			return KHV_DONE;
		case ':':
			return khv_usage(argv[0], "%s: needs an argument", argv[optind - 1]);
		default:
			return khv_usage(argv[0], "%s: no such option", argv[optind - 1]);
		}
	}
	return 0;
}

/* Open the folder of @cmd's VM: a user's, if root says UID/NAME. As khv_names_open(). */
static int open_names(struct khv_vm_command *cmd, const char *command)
{
	const char *slash = geteuid() ? NULL : strchr(cmd->name, '/');
	const char *name = slash ? slash + 1 : cmd->name;
	char user[16] = "";
	uint64_t uid = 0;

	if (slash)
		snprintf(user, sizeof(user), "%.*s", (int)(slash - cmd->name), cmd->name);
	if ((slash && khv_number_parse(user, UINT32_MAX - 1, &uid)) || !khv_name_is_valid(name)) {
		khv_usage(command, "%s: no name that a VM could have", cmd->name);
		return -KHV_USAGE;
	}
	cmd->name = name;
	return slash ? khv_names_open_user(&cmd->names, (uid_t)uid) :
		       khv_names_open(&cmd->names, false);
}

int khv_vm_command_begin(struct khv_vm_command *cmd, int argc, char **argv)
{
	int at = 1, err = parse_options(cmd, argc, argv);

	if (err)
		return err;
	at = optind;
	/* Options may stand behind the name, too. */
	if (at < argc) {
		cmd->name = argv[at];
		argv[at] = argv[0];
		err = parse_options(cmd, argc - at, argv + at);
		if (err)
			return err;
		if (at + optind < argc)
			return khv_usage(argv[0], "%s: one VM at a time", argv[at + optind]);
	}
	if (!cmd->name)
		return khv_usage(argv[0], "which VM? 'khv ps' lists the names");
	err = open_names(cmd, argv[0]);
	if (err == -KHV_USAGE)
		return KHV_USAGE;
	if (err > 0)
		khv_fail("find", cmd->name, "'khv run --name' starts one",
			 "no VM with a name runs");
	return err ? KHV_ERROR : 0;
}
