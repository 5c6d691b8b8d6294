/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernels khv builds on, 6.1 to 7.2.
 *
 * Force-included before every file of the module; the only place that tests
 * LINUX_VERSION_CODE. Each entry gives older kernels the newest name.
 */
#ifndef KHV_HOST_COMPAT_H
#define KHV_HOST_COMPAT_H

#include <linux/kconfig.h>
#include <linux/version.h>

#ifndef __ASSEMBLY__
#ifndef __ASSEMBLER__

#include <linux/types.h>

#endif
#endif

#endif
