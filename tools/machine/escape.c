// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes escape sequences out of what is typed. What they do is the caller's.
 */
#include <ctype.h>

#include "machine/escape.h"

#define ESCAPE_KEY	0x01	/* Ctrl-A */

size_t khv_escape_filter(struct khv_escape *escape, uint8_t *keys, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t key = keys[i];

		if (escape->pending) {
			escape->pending = false;
			if (key == 'a' || key == 'A' || key == ESCAPE_KEY)
				keys[kept++] = ESCAPE_KEY;
			else
				escape->command(escape->ctx, (char)tolower(key));
		} else if (key == ESCAPE_KEY) {
			escape->pending = true;
		} else {
			keys[kept++] = key;
		}
	}
	return kept;
}
