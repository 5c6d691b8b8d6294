/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The battery-backed clock.
 */
#ifndef KHV_TOOL_RTC_H
#define KHV_TOOL_RTC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "devices/pio.h"

#define KHV_RTC_BYTES 128u

struct khv_rtc {
	pthread_mutex_t lock;	/* protects all that follows */
	void (*set_irq)(void *ctx, bool level);
	void *ctx;
	int timer;		/* timerfd; runs while an interrupt is enabled */
	uint8_t index;
	uint8_t ram[KHV_RTC_BYTES];	/* alarm, status and user bytes; not the time */
	int64_t offset;		/* guest time minus host time, seconds */
	struct tm latched;	/* the time being set while SET is on */
};

/*
 * Returns 0, or -1 after a message. @set_irq drives the interrupt line, with the
 * lock held.
 */
int khv_rtc_init(struct khv_rtc *rtc, void (*set_irq)(void *ctx, bool level), void *ctx,
		 struct khv_pio *pio);
void khv_rtc_uninit(struct khv_rtc *rtc);

/* To be called when the timer is readable: a second has passed. */
void khv_rtc_tick(struct khv_rtc *rtc);

#endif
