// SPDX-License-Identifier: GPL-2.0-only
/*
 * Strings and values as JSON has them.
 */
#include <stdbool.h>
#include <string.h>

#include "json.h"

void khv_json_string(const char *s, FILE *out)
{
	fputc('"', out);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static bool is_integer(const char *s)
{
	size_t digits;

	s += *s == '-';
	digits = strspn(s, "0123456789");
	return digits && !s[digits] && (*s != '0' || digits == 1);
}

void khv_json_value(const char *s, FILE *out)
{
	if (is_integer(s))
		fputs(s, out);
	else
		khv_json_string(s, out);
}
