// SPDX-License-Identifier: GPL-2.0-only
/*
 * Implements aftermath.h: a small guest as canary, and what the kernel shows of
 * the module's use.
 */
#include "aftermath.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"

static void guest_canary(void)
{
	uint32_t a = 0, b, c = 0, d;

	asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	GUEST_ASSERT(a && b);
	guest_sync(1);
}

/* A VM like any other, in a process of its own. */
bool canary_lives(unsigned int factor)
{
	struct vcpu *vcpu;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		alarm(60 * factor);
		vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP | VM_PIT), 0);
		guest_start(vcpu, guest_canary);
		guest_run_sync(vcpu, 1);
		guest_run_done(vcpu);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

static long read_number(const char *path)
{
	char text[32] = "-1";
	int fd = open(path, O_RDONLY);

	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) <= 0)
			text[0] = 0;
		close(fd);
	}
	return atol(text);
}

static unsigned int vms_left(void)
{
	DIR *dir = opendir("/sys/kernel/debug/khv");
	struct dirent *entry;
	unsigned int n = 0;

	/* A VM's folder is named by process and number. */
	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
	if (dir)
		closedir(dir);
	return n;
}

/* The last references may go with work that is still queued. */
bool nothing_left(void)
{
	long refs = -1;
	unsigned int vms = 0;
	int i;

	for (i = 0; i < 100; i++) {
		refs = read_number("/sys/module/khv/refcnt");
		vms = vms_left();
		if (!refs && !vms)
			return true;
		usleep(100000);
	}
	printf("# left: %ld references to the module, %u VMs\n", refs, vms);
	return false;
}

void test_point(unsigned int number, bool ok, const char *name)
{
	printf("%sok %u %s\n", ok ? "" : "not ", number, name);
	fflush(stdout);
}
