// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sizes, and the command line of `khv run`.
 */
#include <stdarg.h>
#include <string.h>

#include "cmd_run.h"
#include "khv.h"
#include "size.h"
#include "tests/tap.h"

static void test_sizes(void)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "512", 512 * KHV_MIB },
		{ "512M", 512 * KHV_MIB },
		{ "512m", 512 * KHV_MIB },
		{ "4K", 4096 },
		{ "3g", 3 * KHV_GIB },
		{ "2T", 2048 * KHV_GIB },
		{ "16777215T", 16777215ull << 40 },
	};
	static const char *const bad[] = {
		"", "M", "-1", "+1", " 1", "1 ", "0x10", "1.5G", "1MB", "1GG", "1B",
		"16777216T", "18446744073709551616", "99999999999999999999999999",
	};
	uint64_t bytes;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ok(khv_size_parse(good[i].text, &bytes) && bytes == good[i].bytes,
		   "size '%s'", good[i].text);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		bytes = 42;
		ok(!khv_size_parse(bad[i], &bytes) && bytes == 42, "size '%s' is refused", bad[i]);
	}
}

/* Parse the arguments that follow, up to a NULL. */
static int parse(struct khv_pc_config *config, bool *help, ...)
{
	char name[] = "run";
	char *argv[10] = { name };
	int argc = 1;
	va_list ap;

	va_start(ap, help);
	while (argc < 9 && (argv[argc] = va_arg(ap, char *)))
		argc++;
	va_end(ap);
	tap_error_clear();
	return khv_run_parse(argc, argv, config, help);
}

#define PARSE(...) parse(&config, &help, __VA_ARGS__, (const char *)NULL)

static void test_accepted(void)
{
	struct khv_pc_config config;
	bool help;

	ok(!PARSE("--kernel", "k") && !strcmp(config.kernel, "k") && !config.initrd &&
	   config.mem == 512 * KHV_MIB && config.cpus == 1 && !strcmp(config.accel, "/dev/khv") &&
	   !strcmp(config.cmdline, "console=ttyS0") && !help, "defaults");
	ok(!PARSE("--kernel=k", "--mem=1G", "--initrd=i", "--append=a b", "--accel=/dev/kvm",
		  "--cpus=2") &&
	   config.cpus == 2 && config.mem == KHV_GIB && !strcmp(config.initrd, "i") &&
	   !strcmp(config.cmdline, "a b") && !strcmp(config.accel, "/dev/kvm"), "all options");
	ok(!PARSE("--help") && help, "--help needs no kernel");
	ok(!PARSE("-h") && help, "-h");
	ok(!PARSE("--kernel", "k", "--cpus", "64") && config.cpus == 64, "most processors");
	ok(!PARSE("--kernel", "k", "--mem", "16M"), "smallest memory");
	ok(!PARSE("--kernel", "k", "--mem", "1T"), "largest memory");
	ok(!PARSE("--kernel", "k") && !config.name && !config.detach, "no name");
	ok(!PARSE("--kernel", "k", "--name", "web-1", "--detach") &&
	   !strcmp(config.name, "web-1") && config.detach, "a name, in the background");
}

static void test_refused(void)
{
	static const char *const cpus[] = {
		"0", "65", "-1", "+1", " 1", "2x", "", "two", "18446744073709551617",
	};
	struct khv_pc_config config;
	bool help;

	ok(PARSE((const char *)NULL) == KHV_USAGE && tap_error_has("--kernel FILE"), "no kernel");
	ok(PARSE("--kernel") == KHV_USAGE && tap_error_has("needs an argument"), "no argument");
	ok(PARSE("--kernel", "k", "--disk", "d") == KHV_USAGE && tap_error_has("--disk"),
	   "unknown option");
	ok(PARSE("--kernel", "k", "-x") == KHV_USAGE, "unknown short option");
	ok(PARSE("--kernel", "k", "rest") == KHV_USAGE && tap_error_has("rest"),
	   "argument that is no option");
	ok(PARSE("--kernel", "k", "--mem", "lots") == KHV_USAGE && tap_error_has("not a size"),
	   "memory that is no size");
	ok(PARSE("--kernel", "k", "--mem", "15M") == KHV_USAGE, "too little memory");
	ok(PARSE("--kernel", "k", "--mem", "1025G") == KHV_USAGE, "too much memory");
	ok(PARSE("--kernel", "k", "--mem", "20481K") == KHV_USAGE && tap_error_has("multiple"),
	   "memory that is no multiple of a page");
	ok(PARSE("--kernel", "k", "--name", "../x") == KHV_USAGE && tap_error_has("a name has"),
	   "no name");
	ok(PARSE("--kernel", "k", "--detach") == KHV_USAGE && tap_error_has("needs a --name"),
	   "in the background without a name");
	for (size_t i = 0; i < ARRAY_SIZE(cpus); i++)
		ok(PARSE("--kernel", "k", "--cpus", cpus[i]) == KHV_USAGE &&
		   tap_error_has("from 1 to 64 processors"), "--cpus '%s'", cpus[i]);
}

int main(void)
{
	test_sizes();
	test_accepted();
	test_refused();
	return tap_done();
}
