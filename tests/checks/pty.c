// SPDX-License-Identifier: GPL-2.0-only
/*
 * pty COMMAND...: runs a command on a terminal of its own and passes bytes between
 * that and standard input and output, until the command ends. Its status is ours.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

/* Pass on what is there. 0 at its end. */
static int pass(int from, int to)
{
	char bytes[4096];
	ssize_t n = read(from, bytes, sizeof(bytes));

	return n > 0 && write(to, bytes, n) == n;
}

int main(int argc, char **argv)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .events = POLLIN } };
	int terminal, status;
	pid_t pid;

	if (argc < 2)
		return 2;
	pid = forkpty(&terminal, NULL, NULL, NULL);
	if (pid < 0)
		return 1;
	if (!pid) {
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	fds[1].fd = terminal;
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents && !pass(STDIN_FILENO, terminal))
			fds[0].fd = -1;
		if (fds[1].revents && !pass(terminal, STDOUT_FILENO))
			break;
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
