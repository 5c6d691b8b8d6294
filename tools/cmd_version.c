// SPDX-License-Identifier: GPL-2.0-only
/*
 * `khv version`: versions of the program, of the loaded module, and of the ABI
 * that the device speaks.
 */
#include <fcntl.h>
#include <getopt.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "khv.h"

#define MODULE_DIR	"/sys/module/khv"
#define MODULE_VERSION	MODULE_DIR "/version"

static const char version_help[] =
	"usage: khv version [--accel PATH]\n"
	"\n"
	"Prints the version of this program, of the khv module if it is loaded, and of\n"
	"the ABI that the device speaks if it can be opened.\n"
	"\n"
	"  --accel PATH    hypervisor device (default: " KHV_DEFAULT_ACCEL ")\n"
	"  -h, --help      this text\n";

static void print_module(void)
{
	char version[64] = "";
	FILE *f = fopen(MODULE_VERSION, "re");

	if (f) {
		if (fgets(version, sizeof(version), f))
			version[strcspn(version, "\n")] = '\0';
		fclose(f);
	}
	if (version[0])
		printf("module: %s\n", version);
	else if (!access(MODULE_DIR, F_OK))
		puts("module: loaded, version unknown");
	else
		puts("module: not loaded");
}

static void print_api(const char *accel)
{
	int fd = open(accel, O_RDWR | O_CLOEXEC);
	int api;

	if (fd < 0) {
		printf("%s: %m\n", accel);
		return;
	}
	api = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (api < 0)
		printf("%s: not a hypervisor device\n", accel);
	else
		printf("%s: API version %d\n", accel, api);
	close(fd);
}

int khv_cmd_version(int argc, char **argv)
{
	static const struct option options[] = {
		{ "accel", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *accel = KHV_DEFAULT_ACCEL;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
		switch (opt) {
		case 'a':
			accel = optarg;
			break;
		case 'h':
			fputs(version_help, stdout);
			return KHV_OK;
		case ':':
			return khv_usage("version", "%s: needs an argument", argv[optind - 1]);
		default:
			return khv_usage("version", "%s: no such option", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return khv_usage("version", "%s: not an option", argv[optind]);

	puts("khv: " KHV_VERSION);
	print_module();
	print_api(accel);
	return KHV_OK;
}
