// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI configuration mechanism 1 with no host bridge behind it, and the reset
 * control register that Intel's chipsets have at a byte in its midst. It must be
 * one range: a double word written to 0xcf8 is a configuration address, and
 * never a write to 0xcf9.
 */
#include "boot/acpi.h"
#include "devices/chipset.h"

#define PORT_CONFIG	0xcf8
#define RESET_CPU	0x04u	/* "RST_CPU": reset on its rising edge */

static uint32_t config_read(void *dev, uint16_t offset, unsigned int size)
{
	(void)dev;
	if (offset == KHV_PORT_RESET - PORT_CONFIG && size == 1)
		return 0;
	return 0xffffffffu >> (32 - 8 * size);
}

static void config_write(void *dev, uint16_t offset, unsigned int size, uint32_t value)
{
	if (offset == KHV_PORT_RESET - PORT_CONFIG && size == 1 && value & RESET_CPU)
		khv_stop_request(dev, KHV_STOP_RESET);
}

void khv_pci_init(struct khv_stop *stop, struct khv_pio *pio)
{
	khv_pio_add(pio, &(struct khv_pio_range){
		.base = PORT_CONFIG, .len = 8, .width = 4, .dev = stop,
		.read = config_read, .write = config_write,
	});
}
