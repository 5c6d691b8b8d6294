// SPDX-License-Identifier: GPL-2.0-only
/*
 * What guests must survive of their host: "host-test [NAME]..." as other tests;
 * "host-test load" runs guests on all CPUs until it is killed, for what ends the
 * host itself, and says so once they run; "host-test churn" creates and destroys VMs
 * until then; "host-test kexec" and "host-test crash" end the host. The device of
 * these is $KHV_DEV.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

static const struct ksft_suite *const suites[] = {
	&hotplug_suite,
	&suspend_suite,
	&nmi_suite,
	&sched_suite,
};

int main(int argc, char **argv)
{
	if (getenv("KHV_DEV"))
		ksft_device = getenv("KHV_DEV");
	if (argc == 2 && !strcmp(argv[1], "churn"))
		load_churn();
	if (argc == 2 && !strcmp(argv[1], "load")) {
		load_start();
		puts("guests run on all CPUs");
		fflush(stdout);
		for (;;) {
			sleep(1);
			load_progress(false);
		}
	}
	if (argc > 1 && (!strcmp(argv[1], "kexec") || !strcmp(argv[1], "crash")))
		return next_kernel(argc, argv);
	return ksft_main(argc, argv, suites, KSFT_ARRAY_SIZE(suites));
}
