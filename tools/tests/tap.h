/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test Anything Protocol output for the unit tests, and a khv_fail() that keeps
 * its message for them to look at.
 */
#ifndef KHV_TOOL_TESTS_TAP_H
#define KHV_TOOL_TESTS_TAP_H

#include <stdbool.h>

/* The reason of the last khv_fail() or khv_usage(); empty after tap_error_clear(). */
extern char tap_error[512];
void tap_error_clear(void);

/* One test result. */
void tap_check(bool ok, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#define ok(cond, ...) tap_check(cond, __FILE__, __LINE__, __VA_ARGS__)

/* The last error's reason contains @text; names the test. */
#define ok_error(text, ...) tap_check(tap_error_has(text), __FILE__, __LINE__, __VA_ARGS__)
bool tap_error_has(const char *text);

/* Print the plan. Returns the exit status. */
int tap_done(void);

#endif
