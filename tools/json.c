// SPDX-License-Identifier: GPL-2.0-only
/*
 * Strings and values as JSON has them.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "json.h"

#define REPLACEMENT 0xfffdu	/* Unicode's, for what is none */

/*
 * The character that begins at @s, which is not "", and in @len how many bytes it has: RFC 3629,
 * with no longer form than needed and no surrogate. A byte that begins none is U+FFFD.
 */
static uint32_t next_character(const char *s, size_t *len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *c = (const unsigned char *)s;
	uint32_t value;
	size_t n = 2;

	*len = 1;
	if (c[0] < 0x80)
		return c[0];
	if (c[0] < 0xc0 || c[0] >= 0xf8)
		return REPLACEMENT;
	while (c[0] & (0x80 >> n))
		n++;
	value = c[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		/* The string's end is none either. */
		if ((c[i] & 0xc0) != 0x80)
			return REPLACEMENT;
		value = value << 6 | (c[i] & 0x3f);
	}
	if (value < least[n] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return REPLACEMENT;
	*len = n;
	return value;
}

void khv_json_string(const char *s, FILE *out)
{
	size_t len;

	fputc('"', out);
	for (; *s; s += len) {
		uint32_t c = next_character(s, &len);

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", (char)c);
		else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == REPLACEMENT)
			fprintf(out, "\\u%04x", c);
		else
			fwrite(s, 1, len, out);
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
