/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The I/O port space: which device answers at which port.
 */
#ifndef KHV_TOOL_PIO_H
#define KHV_TOOL_PIO_H

#include <stdint.h>

#define KHV_PIO_DEVICES_MAX 16

/*
 * A range of ports. Accesses wider than @width bytes, or ones that cross the
 * end of the range, reach the device byte by byte, as on an ISA bus; @offset
 * counts from @base. Both functions run in the vCPU's thread.
 */
struct khv_pio_range {
	uint16_t base;
	uint16_t len;
	uint8_t width;
	void *dev;
	uint32_t (*read)(void *dev, uint16_t offset, unsigned int size);
	void (*write)(void *dev, uint16_t offset, unsigned int size, uint32_t value);
};

struct khv_pio {
	struct khv_pio_range range[KHV_PIO_DEVICES_MAX];
	unsigned int count;
};

/* Add a range. The machine's ranges are fixed: a full table is a bug, and aborts. */
void khv_pio_add(struct khv_pio *pio, const struct khv_pio_range *range);

/*
 * One access of 1, 2 or 4 bytes. A port without a device reads as all ones and
 * ignores writes.
 */
uint32_t khv_pio_read(const struct khv_pio *pio, uint16_t port, unsigned int size);
void khv_pio_write(const struct khv_pio *pio, uint16_t port, unsigned int size, uint32_t value);

#endif
