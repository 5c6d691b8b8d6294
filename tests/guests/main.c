// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiny guests: "guests [NAME]..." runs those whose names contain a NAME, or all.
 */
#include "guests.h"

static const struct ksft_suite *const suites[] = {
	&modes_suite,
	&paging_suite,
	&pagetables_suite,
	&pagetables_edit_suite,
	&pagetables32_suite,
	&exceptions_suite,
	&tasks_suite,
	&strio_suite,
	&mmio_suite,
	&interrupts_suite,
	&x2apic_suite,
	&priority_suite,
	&timers_suite,
	&replay_suite,
	&cpu_suite,
	&exact_suite,
	&descriptors_suite,
	&features_suite,
	&hypercalls_suite,
	&xstate_suite,
	&time_suite,
	&memory_suite,
};

int main(int argc, char **argv)
{
	return ksft_main(argc, argv, suites, KSFT_ARRAY_SIZE(suites));
}
