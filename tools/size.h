/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sizes as people write them on a command line.
 */
#ifndef KHV_TOOL_SIZE_H
#define KHV_TOOL_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Parse a decimal number with an optional suffix K, M, G or T (powers of 1024,
 * either case); without one the unit is MiB. Stores bytes. Returns false, and
 * stores nothing, for anything else, including what does not fit in 64 bits.
 */
bool khv_size_parse(const char *text, uint64_t *bytes);

#endif
