// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tiny guests: "guests [NAME]..." runs those whose names contain a NAME, or all.
 */
#include "guests.h"

static const struct ksft_suite *const suites[] = {
	&exceptions_suite,
};

int main(int argc, char **argv)
{
	return ksft_main(argc, argv, suites, KSFT_ARRAY_SIZE(suites));
}
