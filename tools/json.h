/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the program's JSON outputs share.
 */
#ifndef KHV_TOOL_JSON_H
#define KHV_TOOL_JSON_H

#include <stdio.h>

/*
 * Write @s as a JSON string: RFC 8259, "Strings". UTF-8 passes, controls are escaped, as terminals
 * obey them, and each byte that is not UTF-8 becomes U+FFFD.
 */
void khv_json_string(const char *s, FILE *out);

/* The same, but bare if it is an integer: for values from whom may send anything. */
void khv_json_value(const char *s, FILE *out);

#endif
