// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way to the background.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "khv.h"
#include "machine/detach.h"

/* In the old process: its exit status. */
static int wait_for(pid_t child, int ready)
{
	int status;
	ssize_t n;
	char byte;

	do {
		n = read(ready, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return KHV_OK;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return KHV_ERROR;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* In the new one. Its messages go on to where they went until khv_detach_end(). */
static int leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0)
		return khv_fail("open", "/dev/null", NULL, "%m");
	setsid();
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return khv_fail("leave", "the terminal", NULL, "%m");
	if (null > STDERR_FILENO)
		close(null);
	return 0;
}

int khv_detach_begin(struct khv_detach *detach, int *status)
{
	int ready[2];
	pid_t child;

	*status = KHV_ERROR;
	if (pipe2(ready, O_CLOEXEC))
		return khv_fail("start", "the VM's process", NULL, "pipe: %m");
	child = fork();
	if (child < 0)
		return khv_fail("start", "the VM's process", NULL, "fork: %m");
	if (child) {
		close(ready[1]);
		*status = wait_for(child, ready[0]);
		return -1;
	}
	close(ready[0]);
	*detach = (struct khv_detach){ .ready = ready[1], .log = -1 };
	if (leave_terminal())
		exit(KHV_ERROR);
	return 0;
}

void khv_detach_end(struct khv_detach *detach)
{
	char byte = 0;

	dup3(detach->log, STDERR_FILENO, 0);
	/* Who waits may be gone, by a signal; that is no reason to end. */
	if (write(detach->ready, &byte, 1) < 0)
		errno = 0;
	close(detach->ready);
}
