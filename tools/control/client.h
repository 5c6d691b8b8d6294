/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The commands' side of control sockets: ask a VM by its name.
 */
#ifndef KHV_TOOL_CLIENT_H
#define KHV_TOOL_CLIENT_H

#include <stdbool.h>

#include "control/names.h"
#include "control/protocol.h"

#define KHV_REPLY_ARGS 96u

struct khv_reply {
	char text[KHV_REPLY_MAX + 1];
	struct khv_arg arg[KHV_REPLY_ARGS];	/* in @text */
	unsigned int args;
	const char *error;	/* why there is none */
};

/*
 * Ask the VM @name: connect, send @request ("COMMAND KEY=VALUE ..."), and take its reply.
 * @doing is for messages ("pause"). Returns the connection, for what may follow; or -1
 * after a message, which says that @doing is what could not be done.
 */
int khv_ask(struct khv_names *names, const char *name, const char *doing, const char *request,
	    struct khv_reply *reply);
/* Its parts. With quiet there is no message, and reply->error says why. */
int khv_ask_quietly(struct khv_names *names, const char *name, const char *request,
		    struct khv_reply *reply);
int khv_ask_send(int fd, const char *request);
int khv_ask_receive(int fd, struct khv_reply *reply);

/* The value of @key: "" if the reply has none; as a number, 0 if it is none. */
const char *khv_reply_get(const struct khv_reply *reply, const char *key);
uint64_t khv_reply_number(const struct khv_reply *reply, const char *key);

/*
 * What commands that take a NAME and --json have in common: parse, and open the folder.
 * @argv as main()'s, from the command's name on. More options by @option, which returns 0
 * or a status after a message. Returns 0; or KHV_DONE when all is done, with --help; or a
 * status after a message.
 */
struct khv_vm_command {
	const char *help;
	const char *options;		/* "json timeout=" ...: those with '=' take a value */
	int (*option)(void *ctx, const char *option, const char *value);
	void *ctx;
	const char *name;		/* found */
	struct khv_names names;		/* likewise; close it */
};

#define KHV_DONE (-2)

int khv_vm_command_begin(struct khv_vm_command *cmd, int argc, char **argv);

#endif
