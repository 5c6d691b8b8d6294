// SPDX-License-Identifier: GPL-2.0-only
/*
 * NMIs that arrive while guests run on all CPUs reach the host's own handler: the
 * kernel asks every CPU by NMI to print where it is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <unistd.h>

#include "load.h"

#define ROUNDS		10
#define LOG_SIZE	(4 << 20)
#define READ_CLEAR	4	/* SYSLOG_ACTION_READ_CLEAR */

/* How many CPUs @log has answers of. */
static unsigned int answers(const char *log)
{
	unsigned int cpu, n = 0;
	char text[64];

	for (cpu = 0; cpu < load_cpus(); cpu++) {
		snprintf(text, sizeof(text), "NMI backtrace for cpu %u", cpu);
		if (strstr(log, text))
			n++;
	}
	return n;
}

static void test_backtrace(void)
{
	char *log = malloc(LOG_SIZE);
	unsigned int i, seen = 0;
	int size;

	ASSERT(log);
	if (access("/proc/sysrq-trigger", W_OK))
		ksft_skip("this kernel has no sysrq");
	load_start();
	klogctl(READ_CLEAR, log, LOG_SIZE - 1);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(file_write("/proc/sysrq-trigger", "l"), 0);
		load_progress(true);
		size = klogctl(READ_CLEAR, log, LOG_SIZE - 1);
		ASSERT(size >= 0);
		log[size] = 0;
		EXPECT(answers(log) == load_cpus(), "%u CPUs answered", answers(log));
		seen += strstr(log, "khv_") != NULL;
	}
	/* Those that came while a guest ran show khv's entry on the stack. */
	EXPECT(seen, "no NMI met a running guest");
	ksft_note("%u rounds, %u of them met a guest", i, seen);
}

static const struct ksft_test tests[] = {
	{ "backtrace", test_backtrace, 600 },
};

const struct ksft_suite nmi_suite = KSFT_SUITE("nmi", tests);
