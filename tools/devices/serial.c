// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of the 16550A after National Semiconductor's PC16550D data sheet: the
 * registers, both FIFO modes, interrupts with their priorities, loopback. It
 * transmits at once, so baud rate and frame format are kept but without effect.
 *
 * Input passes from the host only while the guest asserts RTS, as a line with
 * hardware flow control does: what is typed or piped before the guest's driver
 * is up is not lost when that driver clears the FIFOs. What lies beyond the line
 * (terminal, pipe, interrupt controller) is the caller's.
 */
#include <linux/serial_reg.h>
#include <string.h>

#include "devices/serial.h"

#define IER_BITS	(UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI | UART_IER_MSI)
#define MCR_BITS	(UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT1 | UART_MCR_OUT2 | \
			 UART_MCR_LOOP)
#define LSR_ERRORS	(UART_LSR_OE | UART_LSR_PE | UART_LSR_FE | UART_LSR_BI)
#define LSR_IDLE	(UART_LSR_THRE | UART_LSR_TEMT)
#define MSR_CONNECTED	(UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)
#define IIR_TIMEOUT	0x0c	/* UART_IIR_RDI with the character timeout bit */
#define IIR_FIFOS	0xc0

static bool fifo_enabled(const struct khv_serial *s)
{
	return s->fcr & UART_FCR_ENABLE_FIFO;
}

static unsigned int fifo_depth(const struct khv_serial *s)
{
	return fifo_enabled(s) ? KHV_SERIAL_FIFO : 1;
}

/* How many bytes the receive interrupt waits for. */
static unsigned int fifo_trigger(const struct khv_serial *s)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return fifo_enabled(s) ? levels[s->fcr >> 6] : 1;
}

/* "Interrupt Control Functions": the pending interrupt of the highest priority. */
static uint8_t interrupt_id(const struct khv_serial *s)
{
	if (s->ier & UART_IER_RLSI && s->lsr & LSR_ERRORS)
		return UART_IIR_RLSI;
	/*
	 * The sender is never in the middle of a burst that it will finish by
	 * itself, so the character timeout is taken to expire at once.
	 */
	if (s->ier & UART_IER_RDI && s->fifo_count)
		return s->fifo_count >= fifo_trigger(s) ? UART_IIR_RDI : IIR_TIMEOUT;
	if (s->ier & UART_IER_THRI && s->thre_pending)
		return UART_IIR_THRI;
	if (s->ier & UART_IER_MSI && s->msr & UART_MSR_ANY_DELTA)
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

/* On a PC, OUT2 enables the buffer between the chip and the interrupt line. */
static void update_irq(struct khv_serial *s)
{
	bool enabled = s->mcr & UART_MCR_OUT2 && !(s->mcr & UART_MCR_LOOP);
	bool level = enabled && interrupt_id(s) != UART_IIR_NO_INT;

	if (level != s->irq_level) {
		s->irq_level = level;
		s->ops->set_irq(s->ctx, level);
	}
}

static void fifo_push(struct khv_serial *s, uint8_t byte)
{
	if (s->fifo_count >= fifo_depth(s)) {
		s->lsr |= UART_LSR_OE;
		if (fifo_enabled(s))
			return;		/* the byte is lost in the shift register */
		s->fifo_count = 0;	/* without a FIFO the earlier byte is lost */
	}
	s->fifo[(s->fifo_head + s->fifo_count++) % KHV_SERIAL_FIFO] = byte;
	s->lsr |= UART_LSR_DR;
}

static bool has_room(const struct khv_serial *s)
{
	return KHV_SERIAL_BACKLOG - s->backlog_count >= KHV_SERIAL_CHUNK;
}

/* Let the other end send what fits, if RTS allows it. */
static void pull_backlog(struct khv_serial *s)
{
	if (!(s->mcr & UART_MCR_RTS) || s->mcr & UART_MCR_LOOP)
		return;
	while (s->backlog_count && s->fifo_count < fifo_depth(s)) {
		fifo_push(s, s->backlog[s->backlog_head]);
		s->backlog_head = (s->backlog_head + 1) % KHV_SERIAL_BACKLOG;
		s->backlog_count--;
	}
}

static uint8_t read_data(struct khv_serial *s)
{
	uint8_t byte = s->fifo[s->fifo_head];

	if (!s->fifo_count)
		return 0;
	s->fifo_head = (s->fifo_head + 1) % KHV_SERIAL_FIFO;
	if (!--s->fifo_count)
		s->lsr &= (uint8_t)~UART_LSR_DR;
	pull_backlog(s);
	return byte;
}

/* Returns whether the byte goes out on the line. */
static bool write_data(struct khv_serial *s, uint8_t byte)
{
	/*
	 * The register is full for a moment, which ends the interrupt, and empty
	 * again: an edge that an edge-triggered interrupt controller must see.
	 */
	s->thre_pending = false;
	update_irq(s);
	s->thre_pending = true;
	if (!(s->mcr & UART_MCR_LOOP))
		return true;
	fifo_push(s, byte);
	return false;
}

static void write_ier(struct khv_serial *s, uint8_t value)
{
	uint8_t enabled = value & (uint8_t)~s->ier;

	s->ier = value & IER_BITS;
	/* Enabling the interrupt while the register is empty raises it. */
	if (enabled & UART_IER_THRI)
		s->thre_pending = true;
}

static void write_fcr(struct khv_serial *s, uint8_t value)
{
	bool toggled = (value ^ s->fcr) & UART_FCR_ENABLE_FIFO;

	/* "Bit 0 must be a 1 when other FCR bits are written to." */
	s->fcr = 0;
	if (value & UART_FCR_ENABLE_FIFO)
		s->fcr = value & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK);
	if (toggled || (fifo_enabled(s) && value & UART_FCR_CLEAR_RCVR)) {
		s->fifo_count = 0;
		s->lsr &= (uint8_t)~UART_LSR_DR;
		pull_backlog(s);
	}
}

/* In loopback the modem outputs drive the modem inputs. */
static uint8_t modem_inputs(const struct khv_serial *s)
{
	uint8_t msr = 0;

	if (!(s->mcr & UART_MCR_LOOP))
		return MSR_CONNECTED;
	if (s->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (s->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (s->mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (s->mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return msr;
}

static void write_mcr(struct khv_serial *s, uint8_t value)
{
	uint8_t before = s->msr & 0xf0, after, changed;

	s->mcr = value & MCR_BITS;
	after = modem_inputs(s);
	changed = before ^ after;
	/* The delta bits lie four below their inputs; RI's tells its falling edge only. */
	if (after & UART_MSR_RI)
		changed &= (uint8_t)~UART_MSR_RI;
	s->msr = (uint8_t)(after | (s->msr & 0x0f) | changed >> 4);
	pull_backlog(s);
}

static uint8_t read_locked(struct khv_serial *s, unsigned int reg)
{
	bool dlab = s->lcr & UART_LCR_DLAB;
	uint8_t value;

	switch (reg) {
	case UART_RX:
		return dlab ? s->dll : read_data(s);
	case UART_IER:
		return dlab ? s->dlm : s->ier;
	case UART_IIR:
		value = interrupt_id(s);
		if (value == UART_IIR_THRI)
			s->thre_pending = false;
		return value | (fifo_enabled(s) ? IIR_FIFOS : 0);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		value = s->lsr;
		s->lsr &= (uint8_t)~LSR_ERRORS;
		return value;
	case UART_MSR:
		value = s->msr;
		s->msr &= (uint8_t)~UART_MSR_ANY_DELTA;
		return value;
	case UART_SCR:
		return s->scr;
	default:
		return 0xff;
	}
}

/* Returns whether the value is a byte to transmit. */
static bool write_locked(struct khv_serial *s, unsigned int reg, uint8_t value)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (!dlab)
			return write_data(s, value);
		s->dll = value;
		break;
	case UART_IER:
		if (dlab)
			s->dlm = value;
		else
			write_ier(s, value);
		break;
	case UART_FCR:
		write_fcr(s, value);
		break;
	case UART_LCR:
		s->lcr = value;
		break;
	case UART_MCR:
		write_mcr(s, value);
		break;
	case UART_SCR:
		s->scr = value;
		break;
	default:
		break;	/* LSR and MSR are for reading */
	}
	return false;
}

/* After a register access: tell the outside what it changed. */
static void update_outside(struct khv_serial *s, bool had_room)
{
	update_irq(s);
	if (!had_room && has_room(s))
		s->ops->room(s->ctx);
}

uint8_t khv_serial_read(struct khv_serial *s, unsigned int reg)
{
	bool had_room;
	uint8_t value;

	pthread_mutex_lock(&s->lock);
	had_room = has_room(s);
	value = read_locked(s, reg);
	update_outside(s, had_room);
	pthread_mutex_unlock(&s->lock);
	return value;
}

void khv_serial_write(struct khv_serial *s, unsigned int reg, uint8_t value)
{
	bool had_room, transmit;

	pthread_mutex_lock(&s->lock);
	had_room = has_room(s);
	transmit = write_locked(s, reg, value);
	update_outside(s, had_room);
	pthread_mutex_unlock(&s->lock);
	if (transmit)
		s->ops->transmit(s->ctx, value);
}

size_t khv_serial_receive(struct khv_serial *s, const uint8_t *bytes, size_t len)
{
	size_t taken;

	pthread_mutex_lock(&s->lock);
	for (taken = 0; taken < len && s->backlog_count < KHV_SERIAL_BACKLOG; taken++)
		s->backlog[(s->backlog_head + s->backlog_count++) % KHV_SERIAL_BACKLOG] =
			bytes[taken];
	pull_backlog(s);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
	return taken;
}

bool khv_serial_has_room(struct khv_serial *s)
{
	bool room;

	pthread_mutex_lock(&s->lock);
	room = has_room(s);
	pthread_mutex_unlock(&s->lock);
	return room;
}

void khv_serial_break(struct khv_serial *s)
{
	pthread_mutex_lock(&s->lock);
	if (!(s->mcr & UART_MCR_LOOP)) {
		/* A break is received as a zero with the BI flag. */
		fifo_push(s, 0);
		s->lsr |= UART_LSR_BI;
		update_irq(s);
	}
	pthread_mutex_unlock(&s->lock);
}

void khv_serial_init(struct khv_serial *s, const struct khv_serial_ops *ops, void *ctx)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->ops = ops;
	s->ctx = ctx;
	s->lsr = LSR_IDLE;
	s->msr = MSR_CONNECTED;
	s->dll = 12;	/* 9600 baud */
}

void khv_serial_uninit(struct khv_serial *s)
{
	pthread_mutex_destroy(&s->lock);
}
