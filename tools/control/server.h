/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM's side of its control socket: connections of a few clients, none of which can make
 * anybody wait. All of it runs in the machine's I/O thread.
 */
#ifndef KHV_TOOL_SERVER_H
#define KHV_TOOL_SERVER_H

#include <poll.h>
#include <sys/types.h>

#include "control/protocol.h"
#include "machine/backlog.h"

#define KHV_SERVER_CLIENTS	8u
#define KHV_SERVER_FDS		(1 + KHV_SERVER_CLIENTS)

/* What becomes of a client after its request. */
enum khv_answer {
	KHV_ANSWER_DONE,	/* the reply is all */
	KHV_ANSWER_LATER,	/* the reply is khv_server_answer()'s */
	KHV_ANSWER_END,		/* the reply, and then the machine's end */
	KHV_ANSWER_CONSOLE,	/* the reply, and then the console */
};

struct khv_server_ops {
	/* Obey @req, and write the reply, which begins as an empty "ok". */
	enum khv_answer (*request)(void *ctx, const struct khv_request *req,
				   struct khv_message *reply);
	/* What is typed at the console: is there room for a packet, and take it. */
	bool (*has_room)(void *ctx);
	void (*input)(void *ctx, const uint8_t *bytes, size_t len);
	void (*send_break)(void *ctx);
};

enum khv_client_state {
	KHV_CLIENT_ASKING, KHV_CLIENT_WAITING, KHV_CLIENT_ENDING, KHV_CLIENT_CONSOLE,
};

struct khv_client {
	int fd;			/* or -1 */
	pid_t pid;
	enum khv_client_state state;
	uint64_t deadline;	/* asking: in milliseconds of khv_server_now() */
};

struct khv_server {
	int fd;			/* listening; or -1: there is none, nor any client */
	uid_t owner;		/* who may ask, besides root */
	uint64_t deaf_until;	/* after a failure to accept */
	const struct khv_server_ops *ops;
	void *ctx;
	struct khv_client client[KHV_SERVER_CLIENTS];

	struct khv_backlog *output;	/* the console's, or NULL: it is elsewhere */
	struct khv_client *console;	/* who has it, or NULL */
	bool console_full;		/* it takes no more for now */
	bool detaching;			/* once all up to here is sent: */
	uint64_t detach_at;
};

/* Milliseconds since some time. */
uint64_t khv_server_now(void);

/* @fd: of khv_name_claim(), which is the server's from now on; or -1. */
void khv_server_init(struct khv_server *server, int fd, uid_t owner,
		     const struct khv_server_ops *ops, void *ctx, struct khv_backlog *output);
/* Frees the name, and then ends all connections. */
void khv_server_uninit(struct khv_server *server);

/*
 * Before poll(): fill KHV_SERVER_FDS entries of @fds, and return how many milliseconds it
 * may take at most, or -1. Sends what there is for the console first.
 */
int khv_server_prepare(struct khv_server *server, struct pollfd *fds);
/* After poll(), with the same @fds. */
void khv_server_serve(struct khv_server *server, const struct pollfd *fds);

/* Reply "ok" to all that were to get it later; or, with @error, why not. */
void khv_server_answer(struct khv_server *server, const char *error);
/* The machine has ended, and @why: for all that wait for that, and the console's last words. */
void khv_server_end(struct khv_server *server, const char *why);

#endif
