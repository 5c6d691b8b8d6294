// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is left of the keyboard controller: its status never says that data is
 * there or that it is busy, and the command that pulses the processor's reset
 * line works. The ACPI tables say that there is no such controller, so guests do
 * not look for a keyboard; they reset through it nevertheless.
 */
#include "devices/chipset.h"

#define PORT_DATA	0x60
#define PORT_COMMAND	0x64
#define PULSE_RESET	0xfe

static uint32_t idle_read(void *dev, uint16_t offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return 0;
}

static void data_write(void *dev, uint16_t offset, unsigned int size, uint32_t value)
{
	/* Parameters of commands that have no effect here. */
	(void)dev;
	(void)offset;
	(void)size;
	(void)value;
}

static void command_write(void *dev, uint16_t offset, unsigned int size, uint32_t value)
{
	(void)offset;
	(void)size;
	if (value == PULSE_RESET)
		khv_stop_request(dev, KHV_STOP_RESET);
}

void khv_i8042_init(struct khv_stop *stop, struct khv_pio *pio)
{
	khv_pio_add(pio, &(struct khv_pio_range){
		.base = PORT_DATA, .len = 1, .width = 1, .dev = stop,
		.read = idle_read, .write = data_write,
	});
	khv_pio_add(pio, &(struct khv_pio_range){
		.base = PORT_COMMAND, .len = 1, .width = 1, .dev = stop,
		.read = idle_read, .write = command_write,
	});
}
