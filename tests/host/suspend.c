// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host sleeps with guests running: they go on afterwards, with the right time.
 *
 * The RTC's alarm wakes it from S3. In suspend-to-idle emulated machines do not take
 * that for a wake-up, but any ACPI event is one, and ACPI's timer makes one when it
 * runs over, every 2.3 seconds. Either is lost if it comes before the host sleeps, so
 * that is rehearsed before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define ALARM		"/sys/class/rtc/rtc0/wakealarm"
#define REHEARSAL	"/sys/power/pm_test"
#define DELAY		"/sys/module/suspend/parameters/pm_test_delay"
#define PM_TIMER_MS	2300
#define TRIES		10
#define TOLERANCE_NS	200000000LL

/* "ACPI Specification: Fixed ACPI Description Table", offsets; "PM1 Event Grouping", bits. */
#define FADT		"/sys/firmware/acpi/tables/FACP"
#define FADT_PM1_EVENT	56
#define FADT_PM_TIMER	76
#define FADT_PM1_LENGTH	88
#define PM1_TIMER	1
#define TIMER_HALF	0x80	/* of its third byte: the change of bit 23 is the event */

static struct {
	uint32_t event, timer;
	uint8_t length;
	int ports;
} pm;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static unsigned int number(const char *file)
{
	char text[16] = "";
	int fd = open(file, O_RDONLY);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	if (fd >= 0)
		close(fd);
	return strtoul(text, NULL, 10);
}

/* How long the way to sleep and back takes; 0 when the kernel cannot rehearse it. */
static uint64_t rehearse(const char *level, const char *state)
{
	uint64_t start, delay = number(DELAY) * 1000ULL, took;
	int ret;

	if (access(REHEARSAL, W_OK))
		return 0;
	ASSERT_EQ(file_write(REHEARSAL, level), 0);
	start = now_ms();
	ret = file_write("/sys/power/state", state);
	took = now_ms() - start;
	EXPECT(!ret, "%s, %s: %s", state, level, strerror(-ret));
	ASSERT_EQ(file_write(REHEARSAL, "none"), 0);
	load_bind();
	load_progress(true);
	return took > delay ? took - delay : 0;
}

static void find_pm_timer(void)
{
	uint8_t fadt[128];
	int fd = open(FADT, O_RDONLY);

	if (fd < 0 || read(fd, fadt, sizeof(fadt)) < FADT_PM1_LENGTH + 1)
		ksft_skip("this host has no %s", FADT);
	close(fd);
	memcpy(&pm.event, fadt + FADT_PM1_EVENT, 4);
	memcpy(&pm.timer, fadt + FADT_PM_TIMER, 4);
	pm.length = fadt[FADT_PM1_LENGTH];
	ASSERT(pm.event && pm.timer && pm.length >= 4);
	pm.ports = open("/dev/port", O_RDWR);
	if (pm.ports < 0)
		ksft_skip("this kernel has no /dev/port");
}

static bool timer_half(void)
{
	uint8_t byte;

	ASSERT_EQ(pread(pm.ports, &byte, 1, pm.timer + 2), 1);
	return byte & TIMER_HALF;
}

/* As long before the next event as can be: one that came before the sleep would be lost. */
static void arm_pm_timer(void)
{
	uint32_t enable = pm.event + pm.length / 2;
	unsigned int try = 0;
	uint8_t byte = PM1_TIMER;
	bool start;

	while (rehearse("platform", "freeze") > PM_TIMER_MS / 2) {
		if (++try == TRIES)
			ksft_skip("busy machine: the event would come before the sleep");
	}
	start = timer_half();
	while (timer_half() == start)
		usleep(1000);
	ASSERT_EQ(pwrite(pm.ports, &byte, 1, pm.event), 1);	/* write 1 to clear */
	ASSERT_EQ(pread(pm.ports, &byte, 1, enable), 1);
	byte |= PM1_TIMER;
	ASSERT_EQ(pwrite(pm.ports, &byte, 1, enable), 1);
}

static void arm_alarm(void)
{
	char text[24];

	snprintf(text, sizeof(text), "+%u", (unsigned int)rehearse("core", "mem") / 500 + 3);
	file_write(ALARM, "0");
	ASSERT_EQ(file_write(ALARM, text), 0);
}

static void need_state(const char *state)
{
	char text[128] = "";
	int fd = open("/sys/power/state", O_RDONLY);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	if (fd >= 0)
		close(fd);
	if (!strstr(text, state))
		ksft_skip("this host has no %s (%s)", state, text);
}

static void sleep_once(const char *state, void (*arm)(void))
{
	uint64_t guest[2][LOAD_MAX], host[2][LOAD_MAX];
	unsigned int i;
	long long off;
	int ret;

	for (i = 0; i < load_count(); i++)
		load_clock(i, &guest[0][i], &host[0][i]);
	arm();
	ret = file_write("/sys/power/state", state);
	ASSERT(!ret, "%s: %s", state, strerror(-ret));
	load_bind();
	load_progress(true);
	for (i = 0; i < load_count(); i++) {
		load_clock(i, &guest[1][i], &host[1][i]);
		off = (guest[1][i] - guest[0][i]) - (host[1][i] - host[0][i]);
		EXPECT(off < TOLERANCE_NS && off > -TOLERANCE_NS,
		       "guest %u: %lld ns more went by than for the host", i, off);
	}
	ksft_note("%s: %llu ms by the host's clock", state,
		  (unsigned long long)(host[1][0] - host[0][0]) / 1000000);
}

static void sleeps(const char *state, void (*arm)(void))
{
	int i;

	load_start();
	for (i = 0; i < 3; i++)
		sleep_once(state, arm);
}

static void test_freeze(void)
{
	need_state("freeze");
	find_pm_timer();
	sleeps("freeze", arm_pm_timer);
}

static void test_mem(void)
{
	need_state("mem");
	if (access(ALARM, W_OK))
		ksft_skip("no RTC alarm can wake this host");
	sleeps("mem", arm_alarm);
}

/* The kernel's own rehearsals, where it has them: as far as each level, and back. */
static void test_rehearsal(void)
{
	static const char *const levels[] = {
		"freezer", "devices", "platform", "processors", "core",
	};
	unsigned int i;

	if (access(REHEARSAL, W_OK))
		ksft_skip("this kernel has no %s", REHEARSAL);
	load_start();
	for (i = 0; i < KSFT_ARRAY_SIZE(levels); i++)
		rehearse(levels[i], "mem");
}

static const struct ksft_test tests[] = {
	{ "freeze", test_freeze, 600 },
	{ "mem", test_mem, 600 },
	{ "rehearsal", test_rehearsal, 600 },
};

const struct ksft_suite suspend_suite = KSFT_SUITE("suspend", tests);
