// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections to the control socket and their packets. What requests do is the machine's,
 * behind struct khv_server_ops.
 *
 * Only the owner and root are heard; a client that is slow loses its console's output or
 * its reply, and one that says nothing loses its place.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/server.h"
#include "devices/serial.h"
#include "khv.h"

#define ASKING_MS	5000u	/* from connecting to a request */
#define DEAF_MS		1000u
#define LAST_WORDS_MS	1000	/* for a console to take the rest */
#define PACKETS		64u	/* to the console, before others are looked after */

uint64_t khv_server_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void khv_server_init(struct khv_server *server, int fd, uid_t owner,
		     const struct khv_server_ops *ops, void *ctx, struct khv_backlog *output)
{
	*server = (struct khv_server){
		.fd = fd, .owner = owner, .ops = ops, .ctx = ctx, .output = output,
	};
	for (unsigned int i = 0; i < KHV_SERVER_CLIENTS; i++)
		server->client[i].fd = -1;
}

static bool send_packet(int fd, const void *packet, size_t len)
{
	return send(fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

static void send_text(int fd, const char *text)
{
	send_packet(fd, text, strlen(text));
}

static void drop(struct khv_server *server, struct khv_client *client)
{
	if (server->console == client)
		server->console = NULL;
	close(client->fd);
	client->fd = -1;
}

void khv_server_uninit(struct khv_server *server)
{
	if (server->fd >= 0)
		close(server->fd);
	server->fd = -1;
	for (unsigned int i = 0; i < KHV_SERVER_CLIENTS; i++)
		if (server->client[i].fd >= 0)
			drop(server, &server->client[i]);
}

/* ---- the console ---- */

/* Returns whether there was something to send and it went. */
static bool send_output(struct khv_server *server)
{
	char packet[1 + KHV_PACKET_DATA];
	uint64_t lost;
	size_t n;

	server->console_full = false;
	n = khv_backlog_peek(server->output, (uint8_t *)packet + 1, KHV_PACKET_DATA, &lost);
	if (!n)
		return false;
	if (lost) {
		n = (size_t)snprintf(packet, sizeof(packet), "%c%" PRIu64, KHV_PACKET_LOST, lost);
		server->console_full = !send_packet(server->console->fd, packet, n);
		n = lost;
	} else {
		packet[0] = KHV_PACKET_OUTPUT;
		server->console_full = !send_packet(server->console->fd, packet, n + 1);
	}
	if (server->console_full)
		return false;
	khv_backlog_skip(server->output, n);
	return true;
}

static void pump_console(struct khv_server *server)
{
	const char detached = KHV_PACKET_DETACH;
	unsigned int sent = 0;

	if (!server->console)
		return;
	while (sent < PACKETS && send_output(server))
		sent++;
	/* There may be more, which poll() brings us back for. */
	if (sent == PACKETS)
		server->console_full = true;
	if (server->detaching && server->output->read >= server->detach_at) {
		send_packet(server->console->fd, &detached, 1);
		drop(server, server->console);
	}
}

static void console_packet(struct khv_server *server, const uint8_t *packet, size_t len)
{
	switch (packet[0]) {
	case KHV_PACKET_INPUT:
		if (len <= 1 + KHV_SERIAL_CHUNK && !server->detaching) {
			server->ops->input(server->ctx, packet + 1, len - 1);
			return;
		}
		break;
	case KHV_PACKET_BREAK:
		server->ops->send_break(server->ctx);
		return;
	case KHV_PACKET_DETACH:
		server->detaching = true;
		server->detach_at = khv_backlog_end(server->output);
		return;
	}
	drop(server, server->console);
}

static void attach_console(struct khv_server *server, struct khv_client *client)
{
	server->console = client;
	server->console_full = false;
	server->detaching = false;
}

/* ---- requests ---- */

static void obey(struct khv_server *server, struct khv_client *client,
		 const struct khv_request *req)
{
	struct khv_message reply;
	enum khv_answer answer;

	khv_message_begin(&reply, "ok\n");
	answer = server->ops->request(server->ctx, req, &reply);
	if (reply.overflow) {
		khv_message_error(&reply, "the answer is too long");
		answer = KHV_ANSWER_DONE;
	}
	if (answer == KHV_ANSWER_LATER) {
		client->state = KHV_CLIENT_WAITING;
		return;
	}
	if (!send_packet(client->fd, reply.text, reply.len) || answer == KHV_ANSWER_DONE) {
		drop(server, client);
		return;
	}
	client->state = answer == KHV_ANSWER_CONSOLE ? KHV_CLIENT_CONSOLE : KHV_CLIENT_ENDING;
	if (answer == KHV_ANSWER_CONSOLE)
		attach_console(server, client);
}

static void first_packet(struct khv_server *server, struct khv_client *client,
			 const void *packet, size_t len)
{
	struct khv_request req;
	const char *why = khv_request_parse(&req, packet, len);
	struct khv_message reply;

	if (!why) {
		obey(server, client, &req);
		return;
	}
	khv_message_error(&reply, "%s", why);
	send_packet(client->fd, reply.text, reply.len);
	drop(server, client);
}

static void read_client(struct khv_server *server, struct khv_client *client)
{
	/* One byte more than any packet has, to tell the ones that are too long. */
	uint8_t packet[KHV_REQUEST_MAX + 1];
	ssize_t n = recv(client->fd, packet, sizeof(packet), MSG_DONTWAIT);

	_Static_assert(sizeof(packet) > 1 + KHV_SERIAL_CHUNK, "room for what is typed");
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(server, client);
		return;
	}
	if (client->state == KHV_CLIENT_ASKING)
		first_packet(server, client, packet, (size_t)n);
	else if (client->state == KHV_CLIENT_CONSOLE)
		console_packet(server, packet, (size_t)n);
	else
		drop(server, client);	/* it has nothing to say now */
}

/* ---- connections ---- */

/* Returns why the client behind @fd is not heard, or NULL. */
static const char *refuse(struct khv_server *server, int fd, struct khv_client **place)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) ||
	    (cred.uid != server->owner && cred.uid))
		return "error only the VM's owner and root may talk to it";
	for (unsigned int i = 0; i < KHV_SERVER_CLIENTS; i++) {
		*place = &server->client[i];
		if ((*place)->fd < 0) {
			(*place)->pid = cred.pid;
			return NULL;
		}
	}
	return "error it has too many clients at a time; try again";
}

static void accept_client(struct khv_server *server)
{
	int fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct khv_client *place = NULL;
	const char *why;

	if (fd < 0) {
		/* Out of descriptors or memory: not again at once. */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			server->deaf_until = khv_server_now() + DEAF_MS;
		return;
	}
	why = refuse(server, fd, &place);
	if (why) {
		send_text(fd, why);
		close(fd);
		return;
	}
	place->fd = fd;
	place->state = KHV_CLIENT_ASKING;
	place->deadline = khv_server_now() + ASKING_MS;
}

/* Milliseconds from @now to @then, no more than @most, which may be -1 for never. */
static int earlier(int most, uint64_t now, uint64_t then)
{
	int ms = then <= now ? 0 : (int)(then - now);

	return most < 0 || ms < most ? ms : most;
}

static short console_events(const struct khv_server *server)
{
	short events = 0;

	if (!server->detaching && server->ops->has_room(server->ctx))
		events |= POLLIN;
	if (server->console_full)
		events |= POLLOUT;
	return events;
}

int khv_server_prepare(struct khv_server *server, struct pollfd *fds)
{
	uint64_t now = khv_server_now();
	int timeout = -1;

	fds[0] = (struct pollfd){ .fd = server->fd, .events = POLLIN };
	if (server->fd >= 0 && server->deaf_until > now) {
		fds[0].fd = -1;
		timeout = earlier(timeout, now, server->deaf_until);
	}
	pump_console(server);
	for (unsigned int i = 0; i < KHV_SERVER_CLIENTS; i++) {
		struct khv_client *client = &server->client[i];

		if (client->fd >= 0 && client->state == KHV_CLIENT_ASKING) {
			if (client->deadline <= now)
				drop(server, client);
			else
				timeout = earlier(timeout, now, client->deadline);
		}
		fds[1 + i] = (struct pollfd){ .fd = client->fd, .events = POLLIN };
		if (client == server->console)
			fds[1 + i].events = console_events(server);
	}
	return timeout;
}

void khv_server_serve(struct khv_server *server, const struct pollfd *fds)
{
	for (unsigned int i = 0; i < KHV_SERVER_CLIENTS; i++) {
		struct khv_client *client = &server->client[i];

		if (client->fd < 0 || !fds[1 + i].revents)
			continue;
		if (fds[1 + i].revents & POLLIN)
			read_client(server, client);
		else if (fds[1 + i].revents & (POLLERR | POLLHUP | POLLNVAL))
			drop(server, client);
	}
	if (fds[0].revents)
		accept_client(server);
}

/* ---- what the machine has to say ---- */

void khv_server_answer(struct khv_server *server, const char *error)
{
	struct khv_message reply;

	khv_message_begin(&reply, "ok\n");
	if (error)
		khv_message_error(&reply, "%s", error);
	for (unsigned int i = 0; i < KHV_SERVER_CLIENTS; i++) {
		struct khv_client *client = &server->client[i];

		if (client->fd < 0 || client->state != KHV_CLIENT_WAITING)
			continue;
		send_packet(client->fd, reply.text, reply.len);
		drop(server, client);
	}
}

static void last_words(struct khv_server *server)
{
	uint64_t end = khv_server_now() + LAST_WORDS_MS;
	struct pollfd fd = { .events = POLLOUT };

	while (server->console && khv_server_now() < end) {
		pump_console(server);
		if (!server->console || !server->console_full)
			return;
		fd.fd = server->console->fd;
		if (poll(&fd, 1, earlier(LAST_WORDS_MS, khv_server_now(), end)) <= 0 ||
		    (fd.revents & (POLLERR | POLLHUP | POLLNVAL)))
			return;
	}
}

void khv_server_end(struct khv_server *server, const char *why)
{
	char packet[64];

	last_words(server);
	khv_server_answer(server, "the machine has ended");
	snprintf(packet, sizeof(packet), "%c%s", KHV_PACKET_END, why);
	for (unsigned int i = 0; i < KHV_SERVER_CLIENTS; i++)
		if (server->client[i].fd >= 0 && server->client[i].state != KHV_CLIENT_ASKING)
			send_text(server->client[i].fd, packet);
}
