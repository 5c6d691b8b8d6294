// SPDX-License-Identifier: GPL-2.0-only
/*
 * `khv pause` and `khv resume`.
 */
#include <unistd.h>

#include "control/client.h"
#include "khv.h"

static const char pause_help[] =
	"usage: khv pause NAME\n"
	"\n"
	"Holds a virtual machine: none of its processors runs until khv resume, and its\n"
	"clock stands still. Nothing happens to one that is paused already.\n"
	"\n"
	"  -h, --help      this text\n"
	"\n"
	"Exit status: 0, 1 it could not be paused, 2 wrong usage.\n";

static const char resume_help[] =
	"usage: khv resume NAME\n"
	"\n"
	"Lets a virtual machine go on after khv pause. Nothing happens to one that runs.\n"
	"\n"
	"  -h, --help      this text\n"
	"\n"
	"Exit status: 0, 1 it could not be resumed, 2 wrong usage.\n";

static int ask(int argc, char **argv, const char *help, const char *command)
{
	struct khv_vm_command cmd = { .help = help, .options = "" };
	int fd, err = khv_vm_command_begin(&cmd, argc, argv);
	struct khv_reply reply;

	if (err)
		return err == KHV_DONE ? KHV_OK : err;
	fd = khv_ask(&cmd.names, cmd.name, command, command, &reply);
	if (fd >= 0)
		close(fd);
	khv_names_close(&cmd.names);
	return fd < 0 ? KHV_ERROR : KHV_OK;
}

int khv_cmd_pause(int argc, char **argv)
{
	return ask(argc, argv, pause_help, "pause");
}

int khv_cmd_resume(int argc, char **argv)
{
	return ask(argc, argv, resume_help, "resume");
}
