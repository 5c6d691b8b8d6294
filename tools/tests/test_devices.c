// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device models: serial port, clock, chipset registers, and the port bus.
 */
#include <linux/serial_reg.h>
#include <string.h>
#include <time.h>

#include "boot/acpi.h"
#include "devices/chipset.h"
#include "devices/rtc.h"
#include "devices/serial.h"
#include "khv.h"
#include "machine/console.h"
#include "tests/tap.h"

/* What a serial port's surroundings saw. */
static struct {
	bool irq;
	unsigned int edges;	/* rising */
	unsigned int rooms;
	char sent[64];
	unsigned int nr_sent;
} line;

static void set_irq(void *ctx, bool level)
{
	(void)ctx;
	line.edges += level && !line.irq;
	line.irq = level;
}

static void room(void *ctx)
{
	(void)ctx;
	line.rooms++;
}

static void transmit(void *ctx, uint8_t byte)
{
	(void)ctx;
	if (line.nr_sent < sizeof(line.sent))
		line.sent[line.nr_sent++] = (char)byte;
}

static const struct khv_serial_ops ops = {
	.set_irq = set_irq, .room = room, .transmit = transmit,
};

/* A port as Linux' driver leaves it at open: FIFOs, RTS, OUT2, receive interrupt. */
static void open_port(struct khv_serial *s)
{
	memset(&line, 0, sizeof(line));
	khv_serial_init(s, &ops, NULL);
	khv_serial_write(s, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
	khv_serial_write(s, UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	khv_serial_write(s, UART_IER, UART_IER_RDI | UART_IER_RLSI);
}

static size_t receive(struct khv_serial *s, const char *text)
{
	return khv_serial_receive(s, (const uint8_t *)text, strlen(text));
}

static void test_serial_registers(void)
{
	struct khv_serial s;

	memset(&line, 0, sizeof(line));
	khv_serial_init(&s, &ops, NULL);
	ok(khv_serial_read(&s, UART_LSR) == (UART_LSR_THRE | UART_LSR_TEMT), "LSR at reset");
	ok(khv_serial_read(&s, UART_IIR) == UART_IIR_NO_INT, "IIR at reset");
	khv_serial_write(&s, UART_SCR, 0x5a);
	ok(khv_serial_read(&s, UART_SCR) == 0x5a, "scratch register");
	khv_serial_write(&s, UART_IER, 0xff);
	ok(khv_serial_read(&s, UART_IER) == 0x0f, "IER keeps four bits");
	khv_serial_write(&s, UART_IER, 0);
	khv_serial_write(&s, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	khv_serial_write(&s, UART_DLL, 1);
	khv_serial_write(&s, UART_DLM, 2);
	ok(khv_serial_read(&s, UART_DLL) == 1 && khv_serial_read(&s, UART_DLM) == 2 &&
	   !line.nr_sent, "divisor latch");
	khv_serial_write(&s, UART_LCR, UART_LCR_WLEN8);
	ok(khv_serial_read(&s, UART_IER) == 0, "divisor is apart from IER");
	khv_serial_write(&s, UART_FCR, UART_FCR_ENABLE_FIFO);
	ok((khv_serial_read(&s, UART_IIR) & 0xc0) == 0xc0, "IIR shows the FIFOs");
	khv_serial_write(&s, UART_FCR, UART_FCR_TRIGGER_14);
	ok(khv_serial_read(&s, UART_IIR) == UART_IIR_NO_INT, "FCR without its enable bit");
	khv_serial_uninit(&s);
}

static void test_serial_transmit(void)
{
	struct khv_serial s;

	open_port(&s);
	khv_serial_write(&s, UART_TX, 'a');
	ok(line.nr_sent == 1 && line.sent[0] == 'a' && !line.irq, "transmit without interrupt");
	khv_serial_write(&s, UART_IER, UART_IER_THRI);
	ok(line.irq && line.edges == 1, "enabling THRI interrupts");
	ok((khv_serial_read(&s, UART_IIR) & 0x0f) == UART_IIR_THRI && !line.irq,
	   "reading IIR ends it");
	ok((khv_serial_read(&s, UART_IIR) & 0x0f) == UART_IIR_NO_INT, "once only");
	khv_serial_write(&s, UART_TX, 'b');
	ok(line.irq && line.edges == 2, "a byte sent interrupts again");
	khv_serial_write(&s, UART_TX, 'c');
	ok(line.irq && line.edges == 3, "with an edge for each byte");
	khv_serial_write(&s, UART_MCR, 0);
	ok(!line.irq, "OUT2 gates the line");
	khv_serial_uninit(&s);
}

static void test_serial_receive(void)
{
	struct khv_serial s;

	open_port(&s);
	ok(receive(&s, "hello") == 5 && line.irq, "input interrupts");
	ok((khv_serial_read(&s, UART_IIR) & 0x0f) == 0x0c, "fewer than the trigger: timeout");
	ok(khv_serial_read(&s, UART_LSR) & UART_LSR_DR, "LSR: data ready");
	ok(khv_serial_read(&s, UART_RX) == 'h' && line.irq, "first byte, more to come");
	receive(&s, "12345");
	ok((khv_serial_read(&s, UART_IIR) & 0x0f) == UART_IIR_RDI, "trigger level reached");
	for (int i = 0; i < 9; i++)
		khv_serial_read(&s, UART_RX);
	ok(!line.irq && !(khv_serial_read(&s, UART_LSR) & UART_LSR_DR), "all read");
	ok(khv_serial_read(&s, UART_RX) == 0, "nothing more to read");

	khv_serial_write(&s, UART_IER, UART_IER_RDI | UART_IER_THRI);
	receive(&s, "x");
	ok((khv_serial_read(&s, UART_IIR) & 0x0f) == 0x0c, "receive goes before transmit");
	khv_serial_read(&s, UART_RX);
	ok((khv_serial_read(&s, UART_IIR) & 0x0f) == UART_IIR_THRI, "which is not forgotten");
	khv_serial_break(&s);
	ok(khv_serial_read(&s, UART_LSR) & UART_LSR_BI && khv_serial_read(&s, UART_RX) == 0 &&
	   !(khv_serial_read(&s, UART_LSR) & UART_LSR_BI), "break");
	khv_serial_uninit(&s);
}

static void test_serial_flow_control(void)
{
	static uint8_t bulk[KHV_SERIAL_BACKLOG + 100];
	struct khv_serial s;
	bool in_order = true;

	memset(&line, 0, sizeof(line));
	khv_serial_init(&s, &ops, NULL);
	ok(receive(&s, "early") == 5 && !(khv_serial_read(&s, UART_LSR) & UART_LSR_DR),
	   "input waits for RTS");
	khv_serial_write(&s, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	khv_serial_write(&s, UART_MCR, UART_MCR_RTS | UART_MCR_OUT2);
	ok(khv_serial_read(&s, UART_RX) == 'e', "and survives the driver's start");
	khv_serial_write(&s, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	ok(!(khv_serial_read(&s, UART_LSR) & UART_LSR_DR), "clearing the FIFO");

	for (size_t i = 0; i < sizeof(bulk); i++)
		bulk[i] = (uint8_t)(i * 7);
	ok(khv_serial_receive(&s, bulk, sizeof(bulk)) == KHV_SERIAL_BACKLOG &&
	   !khv_serial_has_room(&s) && !line.rooms, "no more than the backlog is taken");
	for (size_t i = 0; i < KHV_SERIAL_CHUNK - 17; i++)
		in_order &= khv_serial_read(&s, UART_RX) == (uint8_t)(i * 7);
	ok(!khv_serial_has_room(&s) && !line.rooms, "not quite room for a chunk");
	in_order &= khv_serial_read(&s, UART_RX) == (uint8_t)((KHV_SERIAL_CHUNK - 17) * 7);
	ok(khv_serial_has_room(&s) && line.rooms == 1, "room for a chunk");
	for (size_t i = KHV_SERIAL_CHUNK - 16; i < KHV_SERIAL_BACKLOG; i++)
		in_order &= khv_serial_read(&s, UART_RX) == (uint8_t)(i * 7);
	ok(in_order, "bytes come in order, none lost");
	ok(line.rooms == 1, "room is told once");
	ok(!(khv_serial_read(&s, UART_LSR) & UART_LSR_OE), "no overrun");
	khv_serial_uninit(&s);
}

static void test_serial_loopback(void)
{
	struct khv_serial s;

	/* The probe of Linux' 8250 driver. */
	open_port(&s);
	khv_serial_write(&s, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	ok((khv_serial_read(&s, UART_MSR) & 0xf0) == (UART_MSR_DCD | UART_MSR_CTS),
	   "loopback: modem signals");
	khv_serial_write(&s, UART_TX, 0xa5);
	ok(khv_serial_read(&s, UART_RX) == 0xa5 && !line.nr_sent, "loopback: data");
	for (int i = 0; i < 17; i++)
		khv_serial_write(&s, UART_TX, (uint8_t)i);
	ok(khv_serial_read(&s, UART_LSR) & UART_LSR_OE, "loopback: overrun");
	ok(khv_serial_read(&s, UART_RX) == 0, "the last byte was lost");
	ok(!line.irq, "loopback: no interrupt leaves the chip");
	khv_serial_write(&s, UART_MCR, UART_MCR_OUT2);
	ok((khv_serial_read(&s, UART_MSR) & 0xf0) == (UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS),
	   "connected again");
	khv_serial_uninit(&s);
}

static void test_console_keys(void)
{
	struct khv_console con;
	uint8_t keys[] = "a\001x\001ab\001\001c\001zd\001";
	struct khv_stop stop;
	size_t n;

	khv_stop_init(&stop);
	khv_console_init(&con, NULL, &stop, NULL, NULL);
	n = khv_escape_filter(&con.escape, keys, sizeof(keys) - 1);
	ok(n == 6 && !memcmp(keys, "a\001b\001cd", 6), "escape sequences are taken out");
	ok(khv_stop_reason(&stop) == KHV_STOP_QUIT, "Ctrl-A x ends the run");
	ok(con.escape.pending, "a sequence may go on in the next chunk");
	memcpy(keys, "Ay", 2);
	ok(khv_escape_filter(&con.escape, keys, 2) == 2 && keys[0] == 1 && keys[1] == 'y',
	   "and does");
	khv_console_uninit(&con);
	khv_stop_uninit(&stop);
}

static uint32_t wide_read(void *dev, uint16_t offset, unsigned int size)
{
	(void)dev;
	return (uint32_t)(0x10 + offset) | size << 8;
}

static void wide_write(void *dev, uint16_t offset, unsigned int size, uint32_t value)
{
	uint32_t *log = dev;

	log[offset] = value | size << 24;
}

static void test_pio(void)
{
	struct khv_pio pio = { 0 };
	uint32_t log[4] = { 0 };

	khv_pio_add(&pio, &(struct khv_pio_range){
		.base = 0x100, .len = 4, .width = 2, .dev = log,
		.read = wide_read, .write = wide_write,
	});
	ok(khv_pio_read(&pio, 0x200, 1) == 0xff && khv_pio_read(&pio, 0x200, 2) == 0xffff &&
	   khv_pio_read(&pio, 0x200, 4) == 0xffffffff, "no device reads as all ones");
	ok(khv_pio_read(&pio, 0x102, 2) == 0x212, "access that fits");
	khv_pio_write(&pio, 0x100, 4, 0x04030201);
	ok(log[0] == 0x01000001 && log[3] == 0x01000004, "wider accesses are split");
	ok(khv_pio_read(&pio, 0x103, 2) == (0xff00 | 0x13), "access across the end");
	ok(khv_pio_read(&pio, 0xffff, 4) == 0xffffffff, "access at the last port");
}

static const struct khv_pm_ops pm_ops = { .set_sci = set_irq };

static void test_power_button(struct khv_pm *pm, struct khv_pio *pio)
{
	ok(khv_pm_press(pm) && line.irq && line.edges == 1, "the power button interrupts");
	ok(khv_pio_read(pio, KHV_PORT_PM1_EVENT, 2) == 0x0100, "PM1_STS shows it");
	ok(khv_pm_press(pm) && line.edges == 1, "the level stands");
	khv_pio_write(pio, KHV_PORT_PM1_EVENT, 2, 0x0020);
	ok(line.irq, "another event's bit does not end it");
	khv_pio_write(pio, KHV_PORT_PM1_EVENT + 2, 2, 0x0020);
	ok(!line.irq && khv_pio_read(pio, KHV_PORT_PM1_EVENT, 2) == 0x0100, "masked, it stays");
	khv_pio_write(pio, KHV_PORT_PM1_EVENT + 3, 1, 0x01);
	ok(line.irq && khv_pio_read(pio, KHV_PORT_PM1_EVENT + 2, 2) == 0x0120,
	   "enabling it by a byte interrupts");
	khv_pio_write(pio, KHV_PORT_PM1_EVENT + 1, 1, 0x01);
	ok(!line.irq && khv_pio_read(pio, KHV_PORT_PM1_EVENT, 4) == 0x01200000,
	   "a one clears it");
	khv_pio_write(pio, KHV_PORT_PM1_EVENT, 4, 0);
	ok(!khv_pm_press(pm) && !line.irq, "a guest that does not listen");
	khv_pio_write(pio, KHV_PORT_PM1_EVENT, 4, 0x01000100);
	ok(!line.irq && khv_pm_press(pm) && line.irq, "clears the old press when it begins to");
	khv_pio_write(pio, KHV_PORT_PM1_EVENT, 4, 0x01200100);
}

static void test_chipset(void)
{
	struct khv_pio pio = { 0 };
	struct khv_stop stop;
	struct khv_pm pm;
	uint32_t t0, t1;

	khv_stop_init(&stop);
	memset(&line, 0, sizeof(line));
	khv_pm_init(&pm, &stop, &pm_ops, NULL, &pio);
	khv_pci_init(&stop, &pio);
	khv_i8042_init(&stop, &pio);

	ok(khv_pio_read(&pio, KHV_PORT_PM1_CONTROL, 2) & 1, "SCI_EN is set");
	khv_pio_write(&pio, KHV_PORT_PM1_EVENT + 2, 2, 0x0120);
	ok(khv_pio_read(&pio, KHV_PORT_PM1_EVENT, 4) == 0x01200000 && !line.irq, "PM1_EN");
	test_power_button(&pm, &pio);
	t0 = khv_pio_read(&pio, KHV_PORT_PM_TIMER, 4);
	nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	t1 = khv_pio_read(&pio, KHV_PORT_PM_TIMER, 4);
	ok(t1 - t0 >= 35795 && t1 - t0 < 3579545, "PM timer's rate");

	khv_pio_write(&pio, 0xcf8, 4, 0x80000600);
	khv_pio_write(&pio, KHV_PORT_RESET, 1, 0x02);
	khv_pio_write(&pio, KHV_PORT_PM1_CONTROL, 2, 0x2000 | 1 << 10);
	khv_pio_write(&pio, KHV_PORT_PM1_CONTROL, 2, 5 << 10);
	khv_pio_write(&pio, 0x64, 1, 0xf0);
	ok(khv_stop_reason(&stop) == KHV_STOP_NONE, "nothing of this ends the run");
	ok(khv_pio_read(&pio, 0xcfc, 4) == 0xffffffff, "no PCI device");
	ok(khv_pio_read(&pio, 0x64, 1) == 0, "keyboard controller is idle");

	khv_pio_write(&pio, KHV_PORT_PM1_CONTROL, 2, 0x2000 | 5 << 10);
	ok(khv_stop_reason(&stop) == KHV_STOP_POWEROFF, "S5 powers off");
	khv_pio_write(&pio, KHV_PORT_RESET, 1, KHV_RESET_VALUE);
	ok(khv_stop_reason(&stop) == KHV_STOP_POWEROFF, "the first reason counts");
	khv_stop_uninit(&stop);

	khv_stop_init(&stop);
	khv_pio_write(&pio, KHV_PORT_RESET, 1, KHV_RESET_VALUE);
	ok(khv_stop_reason(&stop) == KHV_STOP_RESET, "reset register");
	khv_stop_uninit(&stop);
	khv_stop_init(&stop);
	khv_pio_write(&pio, 0x64, 1, 0xfe);
	ok(khv_stop_reason(&stop) == KHV_STOP_RESET, "keyboard controller's reset");
	khv_stop_uninit(&stop);
	khv_stop_init(&stop);
	khv_pio_write(&pio, KHV_PORT_PM1_CONTROL + 1, 1, 0x20 | 5 << 2);
	ok(khv_stop_reason(&stop) == KHV_STOP_POWEROFF, "S5 by a byte access");
	khv_stop_uninit(&stop);
}

static uint8_t rtc_get(struct khv_pio *pio, uint8_t reg)
{
	khv_pio_write(pio, 0x70, 1, reg);
	return (uint8_t)khv_pio_read(pio, 0x71, 1);
}

static void rtc_set(struct khv_pio *pio, uint8_t reg, uint8_t value)
{
	khv_pio_write(pio, 0x70, 1, reg);
	khv_pio_write(pio, 0x71, 1, value);
}

static bool rtc_shows(struct khv_pio *pio, const uint8_t *regs, const uint8_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rtc_get(pio, regs[i]) != values[i])
			return false;
	return true;
}

static void test_rtc(void)
{
	static const uint8_t regs[] = { 0x32, 9, 8, 7, 6, 4, 2, 0 };
	/* 28 February 2024, a Wednesday, 23:59:58. */
	static const uint8_t bcd[] = { 0x20, 0x24, 0x02, 0x28, 4, 0x23, 0x59, 0x58 };
	static const uint8_t binary12[] = { 20, 24, 2, 28, 4, 0x80 | 11, 59, 58 };
	struct khv_pio pio = { 0 };
	struct khv_rtc rtc;
	struct tm tm;
	time_t now = time(NULL);

	memset(&line, 0, sizeof(line));
	ok(!khv_rtc_init(&rtc, set_irq, NULL, &pio), "clock");
	gmtime_r(&now, &tm);
	ok(rtc_get(&pio, 0x0d) == 0x80 && rtc_get(&pio, 0x0b) == 0x02, "valid, BCD, 24 hours");
	rtc_set(&pio, 0x0b, 0x82);
	ok(rtc_get(&pio, 9) == (tm.tm_year % 100 / 10 << 4 | tm.tm_year % 10), "the host's year");
	for (size_t i = 0; i < sizeof(regs); i++)
		rtc_set(&pio, regs[i], bcd[i]);
	ok(rtc_shows(&pio, regs, bcd, sizeof(regs) - 4), "date being set");
	rtc_set(&pio, 0x0b, 0x02);
	rtc_set(&pio, 0x0b, 0x82);
	ok(rtc_shows(&pio, regs, bcd, sizeof(regs) - 1), "date set, day of the week follows");
	rtc_set(&pio, 0x0b, 0x84);
	ok(rtc_shows(&pio, regs, binary12, sizeof(regs) - 1), "binary, 12 hours");
	rtc_set(&pio, 0x40, 0x77);
	ok(rtc_get(&pio, 0x40) == 0x77 && rtc_get(&pio, 0xc0) == 0x77, "user memory");

	/* Nonsense must do no harm. */
	for (unsigned int v = 0; v < 256; v++)
		for (size_t i = 0; i < sizeof(regs); i++)
			rtc_set(&pio, regs[i], (uint8_t)(v * 37 + i));
	rtc_set(&pio, 0x0b, 0x02);
	for (unsigned int reg = 0; reg < 128; reg++)
		rtc_get(&pio, (uint8_t)reg);
	ok(true, "nonsense is taken");

	rtc_set(&pio, 1, 0xff);
	rtc_set(&pio, 3, 0xff);
	rtc_set(&pio, 5, 0xff);
	rtc_set(&pio, 0x0b, 0x22);
	nanosleep(&(struct timespec){ .tv_sec = 1, .tv_nsec = 50000000 }, NULL);
	khv_rtc_tick(&rtc);
	ok(line.irq, "alarm every second");
	ok((rtc_get(&pio, 0x0c) & 0xe0) == 0xa0 && !line.irq, "reading register C ends it");
	khv_rtc_uninit(&rtc);
}

int main(void)
{
	test_serial_registers();
	test_serial_transmit();
	test_serial_receive();
	test_serial_flow_control();
	test_serial_loopback();
	test_console_keys();
	test_pio();
	test_chipset();
	test_rtc();
	return tap_done();
}
