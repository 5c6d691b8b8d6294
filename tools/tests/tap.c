// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tests' side of tap.h, in place of error.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "khv.h"
#include "tests/tap.h"

char tap_error[512];

static unsigned int count, failed;

void tap_error_clear(void)
{
	tap_error[0] = '\0';
}

bool tap_error_has(const char *text)
{
	return strstr(tap_error, text);
}

void tap_check(bool ok, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("%s %u - ", ok ? "ok" : "not ok", ++count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	if (!ok) {
		failed++;
		printf("# at %s:%d; last error: %s\n", file, line, tap_error);
	}
	fflush(stdout);
}

int tap_done(void)
{
	printf("1..%u\n", count);
	return failed ? 1 : 0;
}

int khv_fail(const char *what, const char *on, const char *fix, const char *why, ...)
{
	va_list ap;

	(void)what;
	(void)on;
	(void)fix;
	va_start(ap, why);
	vsnprintf(tap_error, sizeof(tap_error), why, ap);
	va_end(ap);
	return -1;
}

int khv_usage(const char *command, const char *why, ...)
{
	va_list ap;

	(void)command;
	va_start(ap, why);
	vsnprintf(tap_error, sizeof(tap_error), why, ap);
	va_end(ap);
	return KHV_USAGE;
}
