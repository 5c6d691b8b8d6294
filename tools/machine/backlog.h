/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The latest output of a guest whose console is nobody's terminal: a ring that its vCPUs
 * fill, whoever reads or does not, and whose oldest bytes make room.
 */
#ifndef KHV_TOOL_BACKLOG_H
#define KHV_TOOL_BACKLOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KHV_BACKLOG_SIZE 65536u	/* a power of two */

struct khv_backlog {
	pthread_mutex_t lock;	/* protects all that follows */
	uint64_t written;	/* bytes, ever */
	uint64_t read;		/* up to here; more than a ring behind: what lies between is lost */
	bool wanted;		/* the reader has found nothing, and waits for wake */
	int wake;		/* eventfd */
	uint8_t ring[KHV_BACKLOG_SIZE];
};

/* @wake stays the caller's. */
void khv_backlog_init(struct khv_backlog *log, int wake);
void khv_backlog_uninit(struct khv_backlog *log);

/* Any thread; never blocks for long. */
void khv_backlog_put(struct khv_backlog *log, uint8_t byte);

/*
 * The reader's, who is one thread: copy up to @room of the bytes that were not read yet to
 * @bytes, and store at @lost how many before them are gone. They count as read after
 * khv_backlog_skip() alone. Returns how many. With none, wake will tell when there are.
 */
size_t khv_backlog_peek(struct khv_backlog *log, uint8_t *bytes, size_t room, uint64_t *lost);
void khv_backlog_skip(struct khv_backlog *log, uint64_t count);

/* Bytes that were ever written: what comes later is beyond. */
uint64_t khv_backlog_end(struct khv_backlog *log);

#endif
