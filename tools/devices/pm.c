// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI fixed hardware registers: PM1 event and control blocks and the PM timer
 * (ACPI Specification, "Fixed Hardware Registers"). The one event is the power
 * button's, which interrupts by the SCI; what a guest makes of it is the guest's.
 */
#include <time.h>

#include "boot/acpi.h"
#include "devices/chipset.h"

#define PM1_PWRBTN	0x0100u		/* in PM1_STS and PM1_EN */

#define PM1_SCI_EN	0x0001u
#define PM1_SLP_TYPE(v)	((v) >> 10 & 7)
#define PM1_SLP_EN	0x2000u
#define PM1_WRITE_ONLY	(PM1_SLP_EN | 0x0004u)	/* and GBL_RLS */

#define PM_TIMER_HZ	3579545ull
#define NSEC_PER_SEC	1000000000ull

static uint32_t mask_of(unsigned int size)
{
	return size == 4 ? 0xffffffffu : (1u << 8 * size) - 1;
}

/* An access of 1, 2 or 4 bytes at @offset of a register that reads as @value. */
static uint32_t part(uint32_t value, uint16_t offset, unsigned int size)
{
	return value >> (8 * offset) & mask_of(size);
}

/* "Fixed Hardware Event Model": level-triggered, as long as an enabled event stands. */
static void update_sci(struct khv_pm *pm)
{
	bool level = pm->status & pm->enable & PM1_PWRBTN;

	if (level != pm->sci_level) {
		pm->sci_level = level;
		pm->ops->set_sci(pm->ctx, level);
	}
}

static uint32_t event_read(void *dev, uint16_t offset, unsigned int size)
{
	struct khv_pm *pm = dev;
	uint32_t value;

	pthread_mutex_lock(&pm->lock);
	value = (uint32_t)pm->enable << 16 | pm->status;
	pthread_mutex_unlock(&pm->lock);
	return part(value, offset, size);
}

static void event_write(void *dev, uint16_t offset, unsigned int size, uint32_t value)
{
	uint32_t mask = mask_of(size) << (8 * offset);
	uint32_t bits = value << (8 * offset) & mask;
	struct khv_pm *pm = dev;

	pthread_mutex_lock(&pm->lock);
	/* Status bits are cleared by ones. */
	pm->status &= (uint16_t)~bits;
	pm->enable = (uint16_t)((pm->enable & ~(mask >> 16)) | bits >> 16);
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
}

bool khv_pm_press(struct khv_pm *pm)
{
	bool heard;

	pthread_mutex_lock(&pm->lock);
	pm->status |= PM1_PWRBTN;
	heard = pm->enable & PM1_PWRBTN;
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
	return heard;
}

static uint32_t control_read(void *dev, uint16_t offset, unsigned int size)
{
	const struct khv_pm *pm = dev;

	return part(pm->control | PM1_SCI_EN, offset, size);
}

static void control_write(void *dev, uint16_t offset, unsigned int size, uint32_t value)
{
	struct khv_pm *pm = dev;
	uint32_t mask = mask_of(size) << (8 * offset);
	uint32_t next = (pm->control & ~mask) | (value << (8 * offset) & mask);

	if (next & PM1_SLP_EN && PM1_SLP_TYPE(next) == KHV_SLEEP_TYPE_S5)
		khv_stop_request(pm->stop, KHV_STOP_POWEROFF);
	pm->control = (uint16_t)(next & ~PM1_WRITE_ONLY);
}

static uint32_t timer_read(void *dev, uint16_t offset, unsigned int size)
{
	struct timespec now;

	(void)dev;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return part((uint32_t)((uint64_t)now.tv_sec * PM_TIMER_HZ +
			       (uint64_t)now.tv_nsec * PM_TIMER_HZ / NSEC_PER_SEC), offset, size);
}

static void timer_write(void *dev, uint16_t offset, unsigned int size, uint32_t value)
{
	/* "This register is read-only." */
	(void)dev;
	(void)offset;
	(void)size;
	(void)value;
}

void khv_pm_uninit(struct khv_pm *pm)
{
	pthread_mutex_destroy(&pm->lock);
}

void khv_pm_init(struct khv_pm *pm, struct khv_stop *stop, const struct khv_pm_ops *ops, void *ctx,
		 struct khv_pio *pio)
{
	*pm = (struct khv_pm){ .stop = stop, .ops = ops, .ctx = ctx };
	pthread_mutex_init(&pm->lock, NULL);
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
