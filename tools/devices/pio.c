// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dispatches port accesses to devices.
 */
#include <stddef.h>
#include <stdlib.h>

#include "devices/pio.h"

void khv_pio_add(struct khv_pio *pio, const struct khv_pio_range *range)
{
	if (pio->count == KHV_PIO_DEVICES_MAX)
		abort();
	pio->range[pio->count++] = *range;
}

static const struct khv_pio_range *find(const struct khv_pio *pio, uint16_t port)
{
	for (unsigned int i = 0; i < pio->count; i++) {
		const struct khv_pio_range *r = &pio->range[i];

		if (port >= r->base && port - r->base < r->len)
			return r;
	}
	return NULL;
}

/* The range that takes the whole access as it is, or NULL if it must be split. */
static const struct khv_pio_range *find_whole(const struct khv_pio *pio, uint16_t port,
					      unsigned int size)
{
	const struct khv_pio_range *r = find(pio, port);

	return r && size <= r->width && port - r->base + size <= r->len ? r : NULL;
}

uint32_t khv_pio_read(const struct khv_pio *pio, uint16_t port, unsigned int size)
{
	const struct khv_pio_range *r = find_whole(pio, port, size);
	uint32_t value = 0;

	if (r)
		return r->read(r->dev, port - r->base, size);
	if (size == 1)
		return 0xff;
	for (unsigned int i = 0; i < size; i++)
		value |= khv_pio_read(pio, (uint16_t)(port + i), 1) << (8 * i);
	return value;
}

void khv_pio_write(const struct khv_pio *pio, uint16_t port, unsigned int size, uint32_t value)
{
	const struct khv_pio_range *r = find_whole(pio, port, size);

	if (r) {
		r->write(r->dev, port - r->base, size, value);
		return;
	}
	if (size == 1)
		return;
	for (unsigned int i = 0; i < size; i++)
		khv_pio_write(pio, (uint16_t)(port + i), 1, value >> (8 * i) & 0xff);
}
