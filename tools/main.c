// SPDX-License-Identifier: GPL-2.0-only
/*
 * The khv program: finds the command and hands over to it. Everything else is
 * in the file of the command, cmd_<name>.c.
 */
#include <stdio.h>
#include <string.h>

#include "khv.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "run", khv_cmd_run, "boot a Linux kernel in a virtual machine" },
	{ "ps", khv_cmd_ps, "list the virtual machines that have names" },
	{ "console", khv_cmd_console, "use the console of one that runs in the background" },
	{ "pause", khv_cmd_pause, "hold one" },
	{ "resume", khv_cmd_resume, "let it go on" },
	{ "stop", khv_cmd_stop, "ask one's guest to power off, and force it in the end" },
	{ "kill", khv_cmd_kill, "end one at once" },
	{ "set", khv_cmd_set, "change how one is scheduled" },
	{ "sched", khv_cmd_sched, "show how virtual machines share the CPUs" },
	{ "pool", khv_cmd_pool, "list and change pools of virtual machines" },
	{ "doctor", khv_cmd_doctor, "find out whether this host can run guests, and what to do" },
	{ "stat", khv_cmd_stat, "show what the virtual machines do" },
	{ "version", khv_cmd_version, "print the versions of the program and the module" },
};

static void print_commands(FILE *out)
{
	fputs("usage: khv COMMAND [OPTION]...\n\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].help);
	fputs("\n'khv COMMAND --help' describes a command; khv(1) is the manual.\n", out);
}

int main(int argc, char **argv)
{
	const char *name;

	if (argc < 2) {
		print_commands(stderr);
		return KHV_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_commands(stdout);
		return KHV_OK;
	}
	name = strcmp(argv[1], "--version") ? argv[1] : "version";
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc - 1, argv + 1);

	fprintf(stderr, "khv: no command '%s'\n\n", name);
	print_commands(stderr);
	return KHV_USAGE;
}
