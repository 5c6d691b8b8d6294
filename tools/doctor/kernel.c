// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's version and what is installed to build the module for it.
 */
#include <stdio.h>

#include "doctor/doctor.h"

/* Versions as major * 256 + minor; the newest is the newest that was tested. */
#define VERSION(major, minor)	((major) * 256 + (minor))
#define OLDEST	VERSION(6, 1)
#define NEWEST	VERSION(7, 2)

static void check_version(struct khv_exam *exam)
{
	unsigned int major = 0, minor = 0;
	struct khv_finding *f;

	if (sscanf(exam->release, "%3u.%3u", &major, &minor) == 2 && minor < 256 &&
	    VERSION(major, minor) >= OLDEST && VERSION(major, minor) <= NEWEST) {
		khv_found(exam, "kernel", KHV_GOOD, "Linux %s", exam->release);
		return;
	}
	if (VERSION(major, minor) < OLDEST) {
		f = khv_found(exam, "kernel", KHV_BAD, "Linux %s", exam->release);
		khv_because(f, "khv supports Linux 6.1 and later", "install a newer kernel");
		return;
	}
	f = khv_found(exam, "kernel", KHV_NOTE, "Linux %s", exam->release);
	khv_because(f, "khv was tested up to Linux 7.2",
		    "should the module not build or load, look for a newer khv");
}

static void check_headers(struct khv_exam *exam)
{
	struct khv_finding *f;
	char path[128];

	/* What matters is the makefile that modules are built with. */
	snprintf(path, sizeof(path), "lib/modules/%s/build/Makefile", exam->release);
	if (khv_exam_exists(exam, path)) {
		khv_found(exam, "headers", KHV_GOOD, "kernel headers are installed");
		return;
	}
	f = khv_found(exam, "headers", KHV_NOTE, "no kernel headers for %s", exam->release);
	khv_because(f, "without them, neither make nor DKMS can build the module",
		    "Debian, Ubuntu: apt-get install linux-headers-%s; Fedora: dnf install kernel-devel-%s",
		    exam->release, exam->release);
}

/* Each session a group of tasks of its own, and so each VM in the background. */
static void check_autogroup(struct khv_exam *exam)
{
	struct khv_finding *f;
	char value[8];

	if (!khv_exam_read(exam, "proc/sys/kernel/sched_autogroup_enabled", value, sizeof(value)) ||
	    value[0] != '1') {
		khv_found(exam, "autogroup", KHV_GOOD, "the kernel does not group tasks by session");
		return;
	}
	f = khv_found(exam, "autogroup", KHV_NOTE, "the kernel groups tasks by session");
	khv_because(f, "VMs of different sessions, as after khv run --detach, get as much as each other, whatever their weights",
		    "sysctl kernel.sched_autogroup_enabled=0, or noautogroup on the kernel command line; not needed where VMs are in cgroups with the cpu controller");
}

void khv_check_kernel(struct khv_exam *exam)
{
	check_version(exam);
	check_headers(exam);
	check_autogroup(exam);
}
