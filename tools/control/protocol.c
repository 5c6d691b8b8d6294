// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes messages of the control socket apart and puts them together. Pure: who sends
 * them is server.c's and client.c's.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/protocol.h"

static bool printable(const char *text, size_t len, bool lines)
{
	for (size_t i = 0; i < len; i++)
		if ((text[i] < ' ' || text[i] > '~') && !(lines && text[i] == '\n'))
			return false;
	return true;
}

static bool is_key(const char *text)
{
	const char *c;

	for (c = text; isalnum((unsigned char)*c) || *c == '_'; c++)
		;
	return c != text && !*c;
}

/* Split "KEY=VALUE" at its first '='. */
static bool split(char *text, struct khv_arg *arg)
{
	char *value = strchr(text, '=');

	if (!value)
		return false;
	*value++ = '\0';
	*arg = (struct khv_arg){ text, value };
	return is_key(text);
}

const char *khv_request_parse(struct khv_request *req, const void *packet, size_t len)
{
	char *rest, *word;

	req->args = 0;
	req->command = NULL;
	if (len > KHV_REQUEST_MAX)
		return "the request is too long";
	memcpy(req->text, packet, len);
	req->text[len] = '\0';
	if (!printable(req->text, len, false))
		return "the request is not plain text";
	rest = req->text;
	word = strsep(&rest, " ");
	if (strcmp(word, KHV_PROTOCOL))
		return "this VM's khv speaks another version of the protocol, " KHV_PROTOCOL;
	req->command = strsep(&rest, " ");
	if (!req->command || !is_key(req->command))
		return "the request has no command";
	while ((word = strsep(&rest, " "))) {
		if (req->args == KHV_REQUEST_ARGS)
			return "the request has too many arguments";
		if (!split(word, &req->arg[req->args]) ||
		    khv_request_get(req, req->arg[req->args].key))
			return "an argument of the request is not KEY=VALUE, or given twice";
		req->args++;
	}
	return NULL;
}

const char *khv_request_get(const struct khv_request *req, const char *key)
{
	for (unsigned int i = 0; i < req->args; i++)
		if (!strcmp(req->arg[i].key, key))
			return req->arg[i].value;
	return NULL;
}

static void append(struct khv_message *msg, const char *format, va_list ap)
{
	size_t room = sizeof(msg->text) - msg->len;
	int n = vsnprintf(msg->text + msg->len, room, format, ap);

	if (n < 0 || (size_t)n >= room) {
		msg->text[msg->len] = '\0';
		msg->overflow = true;
	} else {
		msg->len += (size_t)n;
	}
}

void khv_message_begin(struct khv_message *msg, const char *text)
{
	msg->len = 0;
	msg->overflow = false;
	khv_message_add(msg, "%s", text);
}

void khv_message_add(struct khv_message *msg, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	append(msg, format, ap);
	va_end(ap);
}

void khv_message_error(struct khv_message *msg, const char *why, ...)
{
	va_list ap;

	khv_message_begin(msg, "error ");
	va_start(ap, why);
	append(msg, why, ap);
	va_end(ap);
}

int khv_reply_parse(char *packet, size_t len, struct khv_arg *arg, unsigned int *args,
		    const char **error)
{
	unsigned int room = *args;
	char *line;

	*args = 0;
	*error = "its answer makes no sense";
	packet[len] = '\0';
	if (!printable(packet, len, true))
		return -1;
	if (!strncmp(packet, "error ", 6)) {
		packet[strcspn(packet, "\n")] = '\0';
		*error = packet + 6;
		return -1;
	}
	line = strsep(&packet, "\n");
	if (strcmp(line, "ok"))
		return -1;
	while (packet && (line = strsep(&packet, "\n"))) {
		if (!*line)
			continue;
		if (*args == room || !split(line, &arg[*args]))
			return -1;
		(*args)++;
	}
	return 0;
}

int khv_number_parse(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return *end || errno || *value > max ? -1 : 0;
}
