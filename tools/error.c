// SPDX-License-Identifier: GPL-2.0-only
/*
 * Error messages. All of them pass through here and have one form: what
 * failed, on what, why, and what to do. The callers choose the exit status.
 */
#include <stdarg.h>
#include <stdio.h>

#include "khv.h"

int khv_fail(const char *what, const char *on, const char *fix, const char *why, ...)
{
	va_list ap;

	fprintf(stderr, "khv: cannot %s %s: ", what, on);
	va_start(ap, why);
	vfprintf(stderr, why, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (fix)
		fprintf(stderr, "khv: %s\n", fix);
	return -1;
}

int khv_usage(const char *command, const char *why, ...)
{
	va_list ap;

	fprintf(stderr, "khv %s: ", command);
	va_start(ap, why);
	vfprintf(stderr, why, ap);
	va_end(ap);
	fprintf(stderr, "\nkhv: 'khv %s --help' lists what it takes\n", command);
	return KHV_USAGE;
}
