/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keys that a console obeys itself: those after Ctrl-A.
 */
#ifndef KHV_TOOL_ESCAPE_H
#define KHV_TOOL_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct khv_escape {
	bool pending;	/* the escape key was the last one */
	/* Obey @key, in lower case, which followed the escape key. */
	void (*command)(void *ctx, char key);
	void *ctx;
};

/*
 * What is left of @len bytes at @keys for the guest once the escape sequences are taken
 * out and obeyed. Ctrl-A a, or Ctrl-A twice, is Ctrl-A itself. Returns the new length.
 */
size_t khv_escape_filter(struct khv_escape *escape, uint8_t *keys, size_t len);

#endif
