/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A 16550A serial port.
 */
#ifndef KHV_TOOL_SERIAL_H
#define KHV_TOOL_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KHV_SERIAL_FIFO		16u
#define KHV_SERIAL_BACKLOG	4096u	/* a power of two */
#define KHV_SERIAL_CHUNK	256u
#define KHV_SERIAL_PORTS	8u

/* What the port is connected to. */
struct khv_serial_ops {
	/* Drive the interrupt line; called with the lock held, on changes only. */
	void (*set_irq)(void *ctx, bool level);
	/* There is room for KHV_SERIAL_CHUNK bytes again; called with the lock held. */
	void (*room)(void *ctx);
	/* The guest sent a byte. Called without the lock, so it may block. */
	void (*transmit)(void *ctx, uint8_t byte);
};

struct khv_serial {
	pthread_mutex_t lock;	/* protects all that follows */
	const struct khv_serial_ops *ops;
	void *ctx;
	uint8_t ier, fcr, lcr, mcr, lsr, msr, scr, dll, dlm;
	bool thre_pending;	/* the transmitter emptied and nobody was told yet */
	bool irq_level;

	/* The receiver's own FIFO; one deep unless enabled. */
	uint8_t fifo[KHV_SERIAL_FIFO];
	unsigned int fifo_head, fifo_count;

	/* Input that waits at the other end of the line until RTS lets it pass. */
	uint8_t backlog[KHV_SERIAL_BACKLOG];
	unsigned int backlog_head, backlog_count;
};

void khv_serial_init(struct khv_serial *s, const struct khv_serial_ops *ops, void *ctx);
void khv_serial_uninit(struct khv_serial *s);

/* Register access by the guest; @reg is 0 to 7. */
uint8_t khv_serial_read(struct khv_serial *s, unsigned int reg);
void khv_serial_write(struct khv_serial *s, unsigned int reg, uint8_t value);

/* Offer input. Returns how many of the @len bytes were taken; the rest is lost. */
size_t khv_serial_receive(struct khv_serial *s, const uint8_t *bytes, size_t len);
/*
 * Whether khv_serial_receive() would take KHV_SERIAL_CHUNK bytes. If not,
 * ops->room() will say when it does.
 */
bool khv_serial_has_room(struct khv_serial *s);
/* Send a break, which Linux takes as the start of a magic SysRq sequence. */
void khv_serial_break(struct khv_serial *s);

#endif
