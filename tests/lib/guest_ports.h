/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ports on which a guest reports to its test, 32 bits wide; for C and assembly.
 */
#ifndef KHV_TESTS_GUEST_PORTS_H
#define KHV_TESTS_GUEST_PORTS_H

#define GUEST_PORT_FAIL	0x6f0
#define GUEST_PORT_SYNC	0x6f4
#define GUEST_PORT_DONE	0x6f8

#endif
