/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The suites of the program "guests", one per file.
 */
#ifndef KHV_TESTS_GUESTS_H
#define KHV_TESTS_GUESTS_H

#include "guest.h"
#include "ksft.h"

extern const struct ksft_suite exceptions_suite;

#endif
