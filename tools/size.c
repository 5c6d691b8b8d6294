// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parsing of memory sizes.
 */
#include <ctype.h>

#include "size.h"

/* Binary order of a unit's letter, or -1. */
static int unit_shift(char c)
{
	switch (toupper((unsigned char)c)) {
	case 'K':
		return 10;
	case '\0':
	case 'M':
		return 20;
	case 'G':
		return 30;
	case 'T':
		return 40;
	default:
		return -1;
	}
}

bool khv_size_parse(const char *text, uint64_t *bytes)
{
	uint64_t n = 0;
	int shift;

	if (!isdigit((unsigned char)*text))
		return false;
	for (; isdigit((unsigned char)*text); text++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
			return false;

	shift = unit_shift(*text);
	if (shift < 0 || (*text && text[1]) || n > UINT64_MAX >> shift)
		return false;
	*bytes = n << shift;
	return true;
}
