// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host sleeps with guests running: they go on afterwards, with the right time.
 *
 * The RTC's alarm wakes it from S3. In suspend-to-idle emulated machines do not take
 * that for a wake-up, but any ACPI event is one, and ACPI's timer makes one when it
 * runs over, every 2.3 seconds. Either is lost if it comes before the host sleeps, so
 * that is rehearsed before. Bochs has that event in its register but does not interrupt
 * for it. There a serial port that sends slowly wakes the host, with an interrupt after
 * 16 bytes each.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
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
#define FADT_PM1_LENGTH	88
#define PM1_TIMER	1

/* The testbed's second port, where the command's output goes. */
#define PORT		"ttyS1"
#define PORT_WAKEUP	"/sys/class/tty/" PORT "/power/wakeup"
#define PORT_SPEED	B50	/* 3.2 seconds for 16 bytes */
#define PORT_BYTES	200

struct waker {
	void (*arm)(void);
	void (*disarm)(void);
};

static struct {
	uint32_t status, enable;
	int ports;
} pm;

static struct {
	struct termios mode;
	int fd;
} port;

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

static uint8_t pm_read(uint32_t address)
{
	uint8_t byte;

	ASSERT_EQ(pread(pm.ports, &byte, 1, address), 1);
	return byte;
}

static void pm_write(uint32_t address, uint8_t byte)
{
	ASSERT_EQ(pwrite(pm.ports, &byte, 1, address), 1);
}

/* Right after an event; the one after it, as far away as can be, will interrupt. */
static void enable_pm_timer(void)
{
	uint64_t end = now_ms() + 2 * PM_TIMER_MS;

	pm_write(pm.status, PM1_TIMER);		/* write 1 to clear */
	while (!(pm_read(pm.status) & PM1_TIMER) && now_ms() < end)
		usleep(1000);
	pm_write(pm.status, PM1_TIMER);
	pm_write(pm.enable, pm_read(pm.enable) | PM1_TIMER);
}

/* The kernel does not know this event, and disables it when it comes. */
static bool pm_timer_interrupts(void)
{
	uint64_t end = now_ms() + 2 * PM_TIMER_MS;

	enable_pm_timer();
	ASSERT(pm_read(pm.enable) & PM1_TIMER);
	while (now_ms() < end) {
		usleep(1000);
		if (!(pm_read(pm.enable) & PM1_TIMER))
			return true;
	}
	pm_write(pm.enable, pm_read(pm.enable) & ~PM1_TIMER);
	return false;
}

static bool find_pm_timer(void)
{
	int fd = open(FADT, O_RDONLY);
	uint8_t fadt[128];
	bool found;

	found = fd >= 0 && read(fd, fadt, sizeof(fadt)) > FADT_PM1_LENGTH;
	if (fd >= 0)
		close(fd);
	pm.ports = open("/dev/port", O_RDWR);
	if (!found || pm.ports < 0)
		return false;
	memcpy(&pm.status, fadt + FADT_PM1_EVENT, 4);
	pm.enable = pm.status + fadt[FADT_PM1_LENGTH] / 2;
	ASSERT(pm.status && pm.enable >= pm.status + 2);
	return pm_timer_interrupts();
}

/* An event that came before the sleep would be lost. */
static void arm_pm_timer(void)
{
	unsigned int try = 0;

	while (rehearse("platform", "freeze") > PM_TIMER_MS / 2) {
		if (++try == TRIES)
			ksft_skip("busy machine: the event would come before the sleep");
	}
	enable_pm_timer();
}

static bool find_port(void)
{
	port.fd = open("/dev/" PORT, O_RDWR | O_NOCTTY | O_NONBLOCK);
	return port.fd >= 0 && !tcgetattr(port.fd, &port.mode) && !access(PORT_WAKEUP, W_OK);
}

static void arm_port(void)
{
	struct termios slow = port.mode;
	char line[PORT_BYTES];

	memset(line, '.', sizeof(line));
	line[0] = '#';
	line[sizeof(line) - 1] = '\n';
	fflush(stdout);
	ASSERT(!tcdrain(port.fd));
	cfsetspeed(&slow, PORT_SPEED);
	ASSERT(!tcsetattr(port.fd, TCSANOW, &slow));
	ASSERT_EQ(file_write(PORT_WAKEUP, "enabled"), 0);
	ASSERT_EQ(write(port.fd, line, sizeof(line)), sizeof(line));
}

/* The rest of the line goes at the old speed. */
static void disarm_port(void)
{
	ASSERT_EQ(file_write(PORT_WAKEUP, "disabled"), 0);
	ASSERT(!tcsetattr(port.fd, TCSANOW, &port.mode));
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

static void sleep_once(const char *state, const struct waker *waker)
{
	uint64_t guest[2][LOAD_MAX], host[2][LOAD_MAX];
	unsigned int i, try = 0;
	long long off;
	int ret;

	for (i = 0; i < load_count(); i++)
		load_clock(i, &guest[0][i], &host[0][i]);
	do {
		waker->arm();
		ret = file_write("/sys/power/state", state);
		if (waker->disarm)
			waker->disarm();
		/* It came on the way, when interrupts that wake were all that was left. */
	} while (ret == -EBUSY && ++try < TRIES);
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

static void sleeps(const char *state, const struct waker *waker)
{
	int i;

	load_start();
	for (i = 0; i < 3; i++)
		sleep_once(state, waker);
}

static void test_freeze(void)
{
	static const struct waker timer = { arm_pm_timer }, sender = { arm_port, disarm_port };

	need_state("freeze");
	if (find_pm_timer())
		sleeps("freeze", &timer);
	else if (find_port())
		sleeps("freeze", &sender);
	else
		ksft_skip("neither ACPI's timer nor " PORT " can wake this host");
}

static void test_mem(void)
{
	static const struct waker alarm = { arm_alarm };

	need_state("mem");
	if (access(ALARM, W_OK))
		ksft_skip("no RTC alarm can wake this host");
	sleeps("mem", &alarm);
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
