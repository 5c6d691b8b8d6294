// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUs go offline and come back under running guests. HOST_CYCLES says how often
 * each does, by default a few times.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

#define CYCLES	5

static unsigned int cycles(void)
{
	const char *text = getenv("HOST_CYCLES");

	return text ? strtoul(text, NULL, 0) : CYCLES;
}

void set_online(unsigned int cpu, bool online)
{
	char file[64];
	int ret, tries;

	snprintf(file, sizeof(file), "/sys/devices/system/cpu/cpu%u/online", cpu);
	ret = file_write(file, online ? "1" : "0");
	/* On a busy machine the emulator may not get to it in the kernel's ten seconds. */
	for (tries = 0; ret == -EIO && online && tries < 3; tries++) {
		ksft_note("CPU %u did not come in time", cpu);
		ret = file_write(file, "1");
	}
	ASSERT(!ret, "CPU %u does not go %s: %s", cpu, online ? "online" : "offline",
	       strerror(-ret));
}

static bool can_go(unsigned int cpu)
{
	char file[64];

	snprintf(file, sizeof(file), "/sys/devices/system/cpu/cpu%u/online", cpu);
	return access(file, W_OK) == 0;
}

static void cycle(unsigned int cpu)
{
	unsigned int i;

	if (load_cpus() < 2)
		ksft_skip("this host has one CPU");
	if (!can_go(cpu))
		ksft_skip("CPU %u cannot go offline; CPU 0 could on Intel, up to 6.4, with cpu0_hotplug", cpu);
	load_start();
	for (i = 0; i < cycles(); i++) {
		set_online(cpu, false);
		load_progress(false);
		set_online(cpu, true);
		load_bind();
		load_progress(true);
	}
	ksft_note("CPU %u went offline and came back %u times under %u guests", cpu, i,
		  load_count());
}

static void test_cpu1(void)
{
	cycle(1);
}

static void test_cpu0(void)
{
	cycle(0);
}

/* No pause in which guests could settle. */
static void test_storm(void)
{
	unsigned int i, cpu = can_go(0) && load_cpus() > 1 ? 0 : 1;

	if (load_cpus() < 2)
		ksft_skip("this host has one CPU");
	load_start();
	for (i = 0; i < cycles(); i++) {
		set_online(cpu, false);
		set_online(cpu, true);
		if (can_go(0))
			cpu ^= 1;
		load_bind();
	}
	load_progress(true);
}

static const struct ksft_test tests[] = {
	{ "cpu1", test_cpu1, 3000 },
	{ "cpu0", test_cpu0, 3000 },
	{ "storm", test_storm, 3000 },
};

const struct ksft_suite hotplug_suite = KSFT_SUITE("hotplug", tests);
