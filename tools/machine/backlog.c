// SPDX-License-Identifier: GPL-2.0-only
/*
 * A ring of bytes with one reader, who may fall behind.
 */
#include <string.h>
#include <sys/eventfd.h>

#include "machine/backlog.h"

void khv_backlog_init(struct khv_backlog *log, int wake)
{
	memset(log, 0, sizeof(*log));
	pthread_mutex_init(&log->lock, NULL);
	log->wake = wake;
}

void khv_backlog_uninit(struct khv_backlog *log)
{
	pthread_mutex_destroy(&log->lock);
}

void khv_backlog_put(struct khv_backlog *log, uint8_t byte)
{
	bool wake;

	pthread_mutex_lock(&log->lock);
	log->ring[log->written++ % KHV_BACKLOG_SIZE] = byte;
	wake = log->wanted;
	log->wanted = false;
	pthread_mutex_unlock(&log->lock);
	if (wake)
		eventfd_write(log->wake, 1);
}

size_t khv_backlog_peek(struct khv_backlog *log, uint8_t *bytes, size_t room, uint64_t *lost)
{
	uint64_t first;
	size_t n;

	pthread_mutex_lock(&log->lock);
	first = log->read;
	if (log->written - first > KHV_BACKLOG_SIZE)
		first = log->written - KHV_BACKLOG_SIZE;
	*lost = first - log->read;
	for (n = 0; n < room && first + n < log->written; n++)
		bytes[n] = log->ring[(first + n) % KHV_BACKLOG_SIZE];
	log->wanted = !n;
	pthread_mutex_unlock(&log->lock);
	return n;
}

void khv_backlog_skip(struct khv_backlog *log, uint64_t count)
{
	pthread_mutex_lock(&log->lock);
	log->read += count;
	pthread_mutex_unlock(&log->lock);
}

uint64_t khv_backlog_end(struct khv_backlog *log)
{
	uint64_t end;

	pthread_mutex_lock(&log->lock);
	end = log->written;
	pthread_mutex_unlock(&log->lock);
	return end;
}
