/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a VM's control socket speaks. It keeps packets apart (SOCK_SEQPACKET), so that one is
 * one message.
 *
 * A client sends a request and gets a reply, both printable ASCII:
 *
 *	khv1 COMMAND [KEY=VALUE]...
 *	ok\n[KEY=VALUE\n]...		or: error TEXT
 *
 * Keys are letters, digits and '_'; values have no space. khv1 is the version: a server
 * refuses another. A reply's keys may become more.
 *
 * After the reply to "console" packets are the console's, their first byte being the kind;
 * and whoever asked for "stop", "kill" or "console" gets KHV_PACKET_END when the machine ends.
 */
#ifndef KHV_TOOL_PROTOCOL_H
#define KHV_TOOL_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KHV_PROTOCOL		"khv1"
#define KHV_REQUEST_MAX		512u
#define KHV_REQUEST_ARGS	24u
#define KHV_REPLY_MAX		4096u
#define KHV_PACKET_DATA		1024u	/* most bytes of a console's packet, after its kind */

/* Kinds of packets. */
#define KHV_PACKET_OUTPUT	'o'	/* to the client: the guest's output follows */
#define KHV_PACKET_LOST		'l'	/* to the client: so many bytes were lost, in digits */
#define KHV_PACKET_INPUT	'i'	/* to the server: what was typed follows */
#define KHV_PACKET_BREAK	'b'	/* to the server: send a break */
#define KHV_PACKET_DETACH	'd'	/* to the server, which answers with the same in the end */
#define KHV_PACKET_END		'e'	/* to the client: the machine has ended; why follows */

struct khv_arg {
	const char *key, *value;
};

/* A request in pieces, which point into @text. */
struct khv_request {
	char text[KHV_REQUEST_MAX + 1];
	const char *command;
	struct khv_arg arg[KHV_REQUEST_ARGS];
	unsigned int args;
};

/*
 * Take the @len bytes at @packet apart, which are anybody's. Returns NULL, or why it is
 * no request.
 */
const char *khv_request_parse(struct khv_request *req, const void *packet, size_t len);
/* The value of @key, or NULL. */
const char *khv_request_get(const struct khv_request *req, const char *key);

/* A reply, or a request, that is being written. What does not fit sets overflow. */
struct khv_message {
	char text[KHV_REPLY_MAX + 1];
	size_t len;
	bool overflow;
};

void khv_message_begin(struct khv_message *msg, const char *text);
/* Appends; for requests " KEY=VALUE", for replies "KEY=VALUE\n", as @format says. */
void khv_message_add(struct khv_message *msg, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* An error is all that the reply says then. */
void khv_message_error(struct khv_message *msg, const char *why, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Take a reply apart, which is the server's, and so not to be trusted by root: only
 * printable bytes pass. @packet has @len bytes and room for one more, and is changed.
 * Fills up to *@args of @arg and sets *@args. Returns 0; or -1, with *@error what the
 * server says went wrong.
 */
int khv_reply_parse(char *packet, size_t len, struct khv_arg *arg, unsigned int *args,
		    const char **error);

/* A decimal number of @text, all of it, up to @max. Returns 0, or -1. */
int khv_number_parse(const char *text, uint64_t max, uint64_t *value);

#endif
