// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of Motorola's MC146818A after its data sheet: time and calendar in
 * binary or BCD, 12 or 24 hours, kept as an offset to the host's clock in UTC;
 * alarm and update-ended interrupts; the century at the byte that PCs use and
 * the FADT names. The periodic interrupt and the square wave are not there.
 */
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "boot/acpi.h"
#include "devices/rtc.h"
#include "khv.h"

enum {
	SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM,
	DAY_OF_WEEK, DAY, MONTH, YEAR, REG_A, REG_B, REG_C, REG_D, CENTURY = 0x32,
};

#define A_UIP		0x80u	/* an update is at most 244 us away */
#define A_DEFAULT	0x26u	/* 32768 Hz crystal, 1024 Hz rate */
#define B_SET		0x80u
#define B_AIE		0x20u
#define B_UIE		0x10u
#define B_BINARY	0x04u
#define B_24H		0x02u
#define C_IRQ		0x80u
#define C_ALARM		0x20u
#define C_UPDATE	0x10u
#define D_VALID		0x80u
#define HOUR_PM		0x80u
#define ALARM_ANY	0xc0u	/* "don't care" codes have both top bits set */

#define EPOCH		1900	/* of struct tm's years */
#define UIP_NSEC	244000
#define NSEC_PER_SEC	1000000000L

static struct timespec host_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now;
}

static struct tm guest_time(const struct khv_rtc *rtc)
{
	time_t t = host_now().tv_sec + rtc->offset;
	struct tm tm = { 0 };

	if (rtc->ram[REG_B] & B_SET)
		return rtc->latched;
	gmtime_r(&t, &tm);
	return tm;
}

static uint8_t encode(const struct khv_rtc *rtc, int value)
{
	if (rtc->ram[REG_B] & B_BINARY)
		return (uint8_t)value;
	return (uint8_t)(value / 10 % 10 << 4 | value % 10);
}

static int decode(const struct khv_rtc *rtc, uint8_t value)
{
	if (rtc->ram[REG_B] & B_BINARY)
		return value;
	return (value >> 4) * 10 + (value & 0xf);
}

static uint8_t encode_hour(const struct khv_rtc *rtc, int hour)
{
	uint8_t twelve;

	if (rtc->ram[REG_B] & B_24H)
		return encode(rtc, hour);
	twelve = encode(rtc, hour % 12 ? hour % 12 : 12);
	return hour >= 12 ? twelve | HOUR_PM : twelve;
}

static int decode_hour(const struct khv_rtc *rtc, uint8_t value)
{
	if (rtc->ram[REG_B] & B_24H)
		return decode(rtc, value);
	return decode(rtc, value & 0x7f) % 12 + (value & HOUR_PM ? 12 : 0);
}

static uint8_t read_time(const struct khv_rtc *rtc, unsigned int reg)
{
	struct tm tm = guest_time(rtc);

	switch (reg) {
	case SECONDS:
		return encode(rtc, tm.tm_sec);
	case MINUTES:
		return encode(rtc, tm.tm_min);
	case HOURS:
		return encode_hour(rtc, tm.tm_hour);
	case DAY_OF_WEEK:
		return encode(rtc, tm.tm_wday + 1);
	case DAY:
		return encode(rtc, tm.tm_mday);
	case MONTH:
		return encode(rtc, tm.tm_mon + 1);
	case YEAR:
		return encode(rtc, (tm.tm_year + EPOCH) % 100);
	default:
		return encode(rtc, (tm.tm_year + EPOCH) / 100);
	}
}

/* timegm() takes fields out of range, which is what a guest may write. */
static void commit(struct khv_rtc *rtc)
{
	struct tm tm = rtc->latched;

	rtc->offset = timegm(&tm) - host_now().tv_sec;
}

static void write_time(struct khv_rtc *rtc, unsigned int reg, uint8_t value)
{
	struct tm tm = guest_time(rtc);

	switch (reg) {
	case SECONDS:
		tm.tm_sec = decode(rtc, value);
		break;
	case MINUTES:
		tm.tm_min = decode(rtc, value);
		break;
	case HOURS:
		tm.tm_hour = decode_hour(rtc, value);
		break;
	case DAY:
		tm.tm_mday = decode(rtc, value);
		break;
	case MONTH:
		tm.tm_mon = decode(rtc, value) - 1;
		break;
	case YEAR:
		tm.tm_year += decode(rtc, value) - (tm.tm_year + EPOCH) % 100;
		break;
	case CENTURY:
		tm.tm_year = decode(rtc, value) * 100 + (tm.tm_year + EPOCH) % 100 - EPOCH;
		break;
	default:
		return;	/* the day of the week follows from the date */
	}
	rtc->latched = tm;
	if (!(rtc->ram[REG_B] & B_SET))
		commit(rtc);
}

static bool is_time(unsigned int reg)
{
	return reg == SECONDS || reg == MINUTES || reg == HOURS ||
	       (reg >= DAY_OF_WEEK && reg <= YEAR) || reg == CENTURY;
}

/* Register C: the line is active while a flag is set whose enable bit is too. */
static void update_irq(struct khv_rtc *rtc)
{
	uint8_t flags = rtc->ram[REG_C] & (C_ALARM | C_UPDATE);
	bool active = flags & rtc->ram[REG_B];

	rtc->ram[REG_C] = active ? flags | C_IRQ : flags;
	rtc->set_irq(rtc->ctx, active);
}

/* Tick at the seconds of the host's clock while somebody waits for it. */
static void update_timer(struct khv_rtc *rtc)
{
	struct itimerspec when = { 0 };

	if (rtc->ram[REG_B] & (B_AIE | B_UIE) && !(rtc->ram[REG_B] & B_SET)) {
		when.it_value.tv_sec = host_now().tv_sec + 1;
		when.it_interval.tv_sec = 1;
	}
	timerfd_settime(rtc->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void write_reg_b(struct khv_rtc *rtc, uint8_t value)
{
	bool set = value & B_SET;

	if (set && !(rtc->ram[REG_B] & B_SET)) {
		rtc->latched = guest_time(rtc);
		value &= (uint8_t)~B_UIE;	/* "SET going high clears UIE" */
	} else if (!set && rtc->ram[REG_B] & B_SET) {
		commit(rtc);
	}
	rtc->ram[REG_B] = value;
	update_timer(rtc);
	update_irq(rtc);
}

static uint8_t read_reg(struct khv_rtc *rtc, unsigned int reg)
{
	uint8_t value;

	switch (reg) {
	case REG_A:
		if (rtc->ram[REG_B] & B_SET || host_now().tv_nsec < NSEC_PER_SEC - UIP_NSEC)
			return rtc->ram[REG_A];
		return rtc->ram[REG_A] | A_UIP;
	case REG_C:
		value = rtc->ram[REG_C];
		rtc->ram[REG_C] = 0;
		update_irq(rtc);
		return value;
	case REG_D:
		return D_VALID;
	default:
		return is_time(reg) ? read_time(rtc, reg) : rtc->ram[reg];
	}
}

static void write_reg(struct khv_rtc *rtc, unsigned int reg, uint8_t value)
{
	switch (reg) {
	case REG_A:
		rtc->ram[REG_A] = value & (uint8_t)~A_UIP;
		break;
	case REG_B:
		write_reg_b(rtc, value);
		break;
	case REG_C:
	case REG_D:
		break;
	default:
		if (is_time(reg))
			write_time(rtc, reg, value);
		else
			rtc->ram[reg] = value;
	}
}

static uint32_t port_read(void *dev, uint16_t offset, unsigned int size)
{
	struct khv_rtc *rtc = dev;
	uint8_t value = 0xff;	/* the index register is write-only */

	(void)size;
	pthread_mutex_lock(&rtc->lock);
	if (offset == 1)
		value = read_reg(rtc, rtc->index);
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

static void port_write(void *dev, uint16_t offset, unsigned int size, uint32_t value)
{
	struct khv_rtc *rtc = dev;

	(void)size;
	pthread_mutex_lock(&rtc->lock);
	if (offset == 0)
		rtc->index = value % KHV_RTC_BYTES;	/* bit 7 masks NMIs */
	else
		write_reg(rtc, rtc->index, (uint8_t)value);
	pthread_mutex_unlock(&rtc->lock);
}

static bool alarm_matches(const struct khv_rtc *rtc, unsigned int alarm, uint8_t now)
{
	return (rtc->ram[alarm] & ALARM_ANY) == ALARM_ANY || rtc->ram[alarm] == now;
}

void khv_rtc_tick(struct khv_rtc *rtc)
{
	uint64_t seconds;

	if (read(rtc->timer, &seconds, sizeof(seconds)) != sizeof(seconds))
		return;
	pthread_mutex_lock(&rtc->lock);
	if (!(rtc->ram[REG_B] & B_SET)) {
		rtc->ram[REG_C] |= C_UPDATE;
		if (alarm_matches(rtc, SECONDS_ALARM, read_time(rtc, SECONDS)) &&
		    alarm_matches(rtc, MINUTES_ALARM, read_time(rtc, MINUTES)) &&
		    alarm_matches(rtc, HOURS_ALARM, read_time(rtc, HOURS)))
			rtc->ram[REG_C] |= C_ALARM;
		update_irq(rtc);
	}
	pthread_mutex_unlock(&rtc->lock);
}

int khv_rtc_init(struct khv_rtc *rtc, void (*set_irq)(void *ctx, bool level), void *ctx,
		 struct khv_pio *pio)
{
	memset(rtc, 0, sizeof(*rtc));
	rtc->timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (rtc->timer < 0)
		return khv_fail("create", "a timer", NULL, "%m");
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->set_irq = set_irq;
	rtc->ctx = ctx;
	rtc->ram[REG_A] = A_DEFAULT;
	rtc->ram[REG_B] = B_24H;
	khv_pio_add(pio, &(struct khv_pio_range){
		.base = KHV_PORT_RTC, .len = 2, .width = 1, .dev = rtc,
		.read = port_read, .write = port_write,
	});
	return 0;
}

void khv_rtc_uninit(struct khv_rtc *rtc)
{
	close(rtc->timer);
	pthread_mutex_destroy(&rtc->lock);
}
