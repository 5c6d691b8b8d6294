// SPDX-License-Identifier: GPL-2.0-only
/*
 * `khv run`: parses the command line, runs one machine, and turns the way it
 * ended into an exit status.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd_run.h"
#include "control/names.h"
#include "khv.h"
#include "sched/params.h"
#include "size.h"

#define DEFAULT_MEM	(512 * KHV_MIB)
#define DEFAULT_CMDLINE	"console=ttyS0"
#define PAGE		4096u

static const char run_help[] =
	"usage: khv run --kernel FILE [OPTION]...\n"
	"\n"
	"Boots a Linux kernel in a virtual machine. The guest's first serial port is\n"
	"connected to standard input and output.\n"
	"\n"
	"  --kernel FILE   bzImage (vmlinuz) or uncompressed vmlinux, for x86-64\n"
	"  --initrd FILE   initial RAM disk\n"
	"  --append STR    kernel command line (default: " DEFAULT_CMDLINE ")\n"
	"  --mem SIZE      guest memory, with suffix K, M, G or T (default: 512M; no\n"
	"                  suffix means MiB)\n"
	"  --cpus N        number of processors (default: 1)\n"
	"  --user USER     whom to become when run as root: a name, UID or UID:GID (default:\n"
	"                  nobody)\n"
	"  --accel PATH    hypervisor device (default: " KHV_DEFAULT_ACCEL "); /dev/kvm works too\n"
	KHV_SCHED_HELP
	"  --name NAME     a name for other commands: khv ps, console, pause, stop ...\n"
	"  --detach        go to the background once the guest runs; needs --name\n"
	"  -h, --help      this text\n"
	"\n"
	"On a terminal, Ctrl-A x ends the guest at once and Ctrl-A h lists the keys.\n"
	"\n"
	"Exit status: 0 the guest powered off or reset, 1 it could not be started,\n"
	"2 wrong usage, 3 the guest crashed (triple fault), 4 the hypervisor could not\n"
	"go on, 128+N ended by signal N.\n";

enum {
	OPT_KERNEL = 1, OPT_INITRD, OPT_APPEND, OPT_MEM, OPT_CPUS, OPT_USER, OPT_ACCEL,
	OPT_NAME, OPT_DETACH, OPT_SCHED, OPT_HELP = 'h',
};

static const struct option options[] = {
	{ "kernel", required_argument, NULL, OPT_KERNEL },
	{ "initrd", required_argument, NULL, OPT_INITRD },
	{ "append", required_argument, NULL, OPT_APPEND },
	{ "mem", required_argument, NULL, OPT_MEM },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "user", required_argument, NULL, OPT_USER },
	{ "accel", required_argument, NULL, OPT_ACCEL },
	{ "weight", required_argument, NULL, OPT_SCHED },
	{ "cap", required_argument, NULL, OPT_SCHED },
	{ "cap-period", required_argument, NULL, OPT_SCHED },
	{ "cap-burst", required_argument, NULL, OPT_SCHED },
	{ "gang", required_argument, NULL, OPT_SCHED },
	{ "pool", required_argument, NULL, OPT_SCHED },
	{ "priority", required_argument, NULL, OPT_SCHED },
	{ "length", required_argument, NULL, OPT_SCHED },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "detach", no_argument, NULL, OPT_DETACH },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

static struct khv_detach detach;

static int parse_mem(const char *text, uint64_t *mem)
{
	if (!khv_size_parse(text, mem))
		return khv_usage("run", "--mem %s: not a size such as 512M or 2G", text);
	if (*mem < KHV_RAM_MIN || *mem > KHV_RAM_MAX)
		return khv_usage("run", "--mem %s: a guest has from %lluM to %lluG", text,
				 KHV_RAM_MIN / KHV_MIB, KHV_RAM_MAX / KHV_GIB);
	if (*mem % PAGE)
		return khv_usage("run", "--mem %s: not a multiple of 4K", text);
	return 0;
}

static int parse_cpus(const char *text, unsigned int *cpus)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || !n || n > KHV_CPUS_MAX)
		return khv_usage("run", "--cpus %s: a guest has from 1 to %u processors", text,
				 KHV_CPUS_MAX);
	*cpus = (unsigned int)n;
	return 0;
}

static int parse_user(const char *text, struct khv_pc_config *config)
{
	static struct khv_user user;

	if (khv_user_parse(text, &user))
		return khv_usage("run", "--user %s: no user of /etc/passwd, nor UID or UID:GID",
				 text);
	config->user = &user;
	return 0;
}

static int parse_name(const char *text, struct khv_pc_config *config)
{
	if (!khv_name_is_valid(text))
		return khv_usage("run", "--name %s: a name has up to %u letters, digits, '.', '_' "
				 "and '-', the first a letter or digit", text, KHV_NAME_MAX);
	config->name = text;
	return 0;
}

static int parse_option(int opt, struct khv_pc_config *config)
{
	switch (opt) {
	case OPT_USER:
		return parse_user(optarg, config);
	case OPT_KERNEL:
		config->kernel = optarg;
		return 0;
	case OPT_INITRD:
		config->initrd = optarg;
		return 0;
	case OPT_APPEND:
		config->cmdline = optarg;
		return 0;
	case OPT_MEM:
		return parse_mem(optarg, &config->mem);
	case OPT_CPUS:
		return parse_cpus(optarg, &config->cpus);
	case OPT_NAME:
		return parse_name(optarg, config);
	case OPT_DETACH:
		config->detach = &detach;
		return 0;
	default:
		config->accel = optarg;
		return 0;
	}
}

int khv_run_parse(int argc, char **argv, struct khv_pc_config *config, bool *help)
{
	int opt, err, index;

	*config = (struct khv_pc_config){
		.accel = KHV_DEFAULT_ACCEL, .cmdline = DEFAULT_CMDLINE, .mem = DEFAULT_MEM,
		.cpus = 1,
	};
	*help = false;
	optind = 0;	/* glibc: start anew, whatever was parsed before */
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:h", options, &index)) != -1) {
		if (opt == OPT_HELP) {
			*help = true;
			return 0;
		}
		if (opt == ':')
			return khv_usage("run", "%s: needs an argument", argv[optind - 1]);
		if (opt == '?')
			return khv_usage("run", "%s: no such option", argv[optind - 1]);
		err = opt == OPT_SCHED ? khv_sched_option("run", options[index].name, optarg,
							  &config->sched)
				       : parse_option(opt, config);
		if (err)
			return err;
	}
	if (optind < argc)
		return khv_usage("run", "%s: not an option", argv[optind]);
	if (!config->kernel)
		return khv_usage("run", "--kernel FILE is missing");
	if (config->detach && !config->name)
		return khv_usage("run", "--detach: needs a --name to be found by");
	return 0;
}

static int exit_status(int reason)
{
	switch (reason) {
	case KHV_STOP_POWEROFF:
	case KHV_STOP_RESET:
	case KHV_STOP_QUIT:
	case KHV_STOP_FORCED:
		return KHV_OK;
	case KHV_STOP_CRASH:
		return KHV_GUEST_CRASH;
	case KHV_STOP_FAILURE:
		return KHV_VM_FAILURE;
	default:
		return reason > KHV_STOP_SIGNAL ? 128 + reason - KHV_STOP_SIGNAL : KHV_ERROR;
	}
}

int khv_cmd_run(int argc, char **argv)
{
	struct khv_pc_config config;
	static struct khv_pc pc;
	bool help;
	int err, reason;

	err = khv_run_parse(argc, argv, &config, &help);
	if (err)
		return err;
	if (help) {
		fputs(run_help, stdout);
		return KHV_OK;
	}
	if (config.detach && khv_detach_begin(config.detach, &err))
		return err;
	if (khv_pc_init(&pc, &config))
		return KHV_ERROR;
	reason = khv_pc_run(&pc);
	khv_pc_uninit(&pc);
	return exit_status(reason);
}
