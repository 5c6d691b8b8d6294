// SPDX-License-Identifier: GPL-2.0-only
/*
 * What kexec(8) does, as far as it takes here: "host-test kexec KERNEL INITRD CMDLINE"
 * loads and starts the next kernel; "host-test crash ..." loads the one that runs
 * after a crash, and crashes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "load.h"

static int fail(const char *what)
{
	fprintf(stderr, "host-test: %s: %s\n", what, strerror(errno));
	return 1;
}

/* The next kernel starts on the CPU that crashed, and starts the others. */
static void stay_on_cpu0(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int next_kernel(int argc, char **argv)
{
	unsigned long flags = 0;
	int kernel, initrd;

	if (argc != 5)
		return fail("usage: host-test kexec|crash KERNEL INITRD CMDLINE");
	if (!strcmp(argv[1], "crash"))
		flags = KEXEC_FILE_ON_CRASH;
	kernel = open(argv[2], O_RDONLY);
	initrd = open(argv[3], O_RDONLY);
	if (kernel < 0 || initrd < 0)
		return fail("the kernel and its initramfs");
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[4]) + 1, argv[4], flags))
		return fail("kexec_file_load");
	stay_on_cpu0();
	/* Nothing that this kernel says while it ends is to be taken for a failure. */
	file_write("/proc/sys/kernel/printk", "0");
	if (!flags)
		reboot(LINUX_REBOOT_CMD_KEXEC);
	else
		file_write("/proc/sysrq-trigger", "c");
	return fail(argv[1]);
}
