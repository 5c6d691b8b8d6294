// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI fixed hardware registers: PM1 event and control blocks and the PM timer
 * (ACPI Specification, "Fixed Hardware Registers"). No event ever happens, for
 * the tables announce no button and no wake-up; power-off is what counts.
 */
#include <time.h>

#include "boot/acpi.h"
#include "devices/chipset.h"

#define PM1_SCI_EN	0x0001u
#define PM1_SLP_TYPE(v)	((v) >> 10 & 7)
#define PM1_SLP_EN	0x2000u
#define PM1_WRITE_ONLY	(PM1_SLP_EN | 0x0004u)	/* and GBL_RLS */

#define PM_TIMER_HZ	3579545ull
#define NSEC_PER_SEC	1000000000ull

/* An access of 1, 2 or 4 bytes at @offset of a register that reads as @value. */
static uint32_t part(uint32_t value, uint16_t offset)
{
	return value >> (8 * offset);
}

static uint32_t event_read(void *dev, uint16_t offset, unsigned int size)
{
	const struct khv_pm *pm = dev;

	(void)size;
	/* The status half is always zero. */
	return part((uint32_t)pm->enable << 16, offset);
}

static void event_write(void *dev, uint16_t offset, unsigned int size, uint32_t value)
{
	struct khv_pm *pm = dev;

	if (offset == 0 && size == 4)
		pm->enable = (uint16_t)(value >> 16);
	else if (offset == 2 && size == 2)
		pm->enable = (uint16_t)value;
}

static uint32_t control_read(void *dev, uint16_t offset, unsigned int size)
{
	const struct khv_pm *pm = dev;

	(void)size;
	return part(pm->control | PM1_SCI_EN, offset);
}

static void control_write(void *dev, uint16_t offset, unsigned int size, uint32_t value)
{
	struct khv_pm *pm = dev;
	uint32_t mask = size == 1 ? 0xffu << (8 * offset) : 0xffffu;
	uint32_t next = (pm->control & ~mask) | (value << (8 * offset) & mask);

	if (next & PM1_SLP_EN && PM1_SLP_TYPE(next) == KHV_SLEEP_TYPE_S5)
		khv_stop_request(pm->stop, KHV_STOP_POWEROFF);
	pm->control = (uint16_t)(next & ~PM1_WRITE_ONLY);
}

static uint32_t timer_read(void *dev, uint16_t offset, unsigned int size)
{
	struct timespec now;

	(void)dev;
	(void)size;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return part((uint32_t)((uint64_t)now.tv_sec * PM_TIMER_HZ +
			       (uint64_t)now.tv_nsec * PM_TIMER_HZ / NSEC_PER_SEC), offset);
}

static void timer_write(void *dev, uint16_t offset, unsigned int size, uint32_t value)
{
	/* "This register is read-only." */
	(void)dev;
	(void)offset;
	(void)size;
	(void)value;
}

void khv_pm_init(struct khv_pm *pm, struct khv_stop *stop, struct khv_pio *pio)
{
	*pm = (struct khv_pm){ .stop = stop };
	khv_pio_add(pio, &(struct khv_pio_range){
		.base = KHV_PORT_PM1_EVENT, .len = 4, .width = 4, .dev = pm,
		.read = event_read, .write = event_write,
	});
	khv_pio_add(pio, &(struct khv_pio_range){
		.base = KHV_PORT_PM1_CONTROL, .len = 2, .width = 2, .dev = pm,
		.read = control_read, .write = control_write,
	});
	khv_pio_add(pio, &(struct khv_pio_range){
		.base = KHV_PORT_PM_TIMER, .len = 4, .width = 4, .dev = pm,
		.read = timer_read, .write = timer_write,
	});
}
