// SPDX-License-Identifier: GPL-2.0-only
/*
 * `khv pool`: lists pools of VMs, and gives them policies.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "control/protocol.h"
#include "khv.h"
#include "sched/pools.h"

static const char pool_help[] =
	"usage: khv pool [N] [OPTION]...\n"
	"\n"
	"Lists the pools of virtual machines that have a policy or members, or the one of\n"
	"number N; and changes that one, which is root's.\n"
	"\n"
	"  --policy P      fair: all run; fcfs, sjf, priority: the first come, the shortest,\n"
	"                  those of the highest priority (default: fair)\n"
	"  --slots N       how many run at a time (default: 1)\n"
	"  --aging MS      how long a wait counts for one step (default: 0, nothing)\n"
	"  --json          print a JSON object\n"
	"  --accel PATH    hypervisor device (default: " KHV_DEFAULT_ACCEL ")\n"
	"  -h, --help      this text\n"
	"\n"
	"Exit status: 0, 1 they cannot be read or changed, 2 wrong usage.\n";

struct options {
	int number;		/* or -1: all */
	int64_t policy, slots, aging;	/* or -1: as it is */
	const char *accel;
	bool json, help;
};

static int parse_number(const char *option, const char *text, uint64_t max, int64_t *value)
{
	uint64_t n;

	if (khv_number_parse(text, max, &n))
		return khv_usage("pool", "%s %s: not a number up to %llu", option, text,
				 (unsigned long long)max);
	*value = (int64_t)n;
	return 0;
}

static int parse_option(int opt, struct options *o)
{
	uint32_t policy;

	switch (opt) {
	case 'p':
		if (khv_policy_parse(optarg, &policy))
			return khv_usage("pool", "--policy %s: fair, fcfs, sjf or priority",
					 optarg);
		o->policy = policy;
		return 0;
	case 's':
		if (!strcmp(optarg, "0"))
			return khv_usage("pool", "--slots 0: one at least runs");
		return parse_number("--slots", optarg, UINT32_MAX, &o->slots);
	case 'g':
		return parse_number("--aging", optarg, UINT32_MAX, &o->aging);
	case 'j':
		o->json = true;
		return 0;
	case 'h':
		o->help = true;
		return 0;
	default:
		o->accel = optarg;
		return 0;
	}
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "policy", required_argument, NULL, 'p' },
		{ "slots", required_argument, NULL, 's' },
		{ "aging", required_argument, NULL, 'g' },
		{ "json", no_argument, NULL, 'j' },
		{ "accel", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int64_t number = -1;
	int opt, err;

	*o = (struct options){
		.number = -1, .policy = -1, .slots = -1, .aging = -1, .accel = KHV_DEFAULT_ACCEL,
	};
	opterr = 0;
	/* '-': what is no option comes in its place, as an argument of option 1. */
	while ((opt = getopt_long(argc, argv, "-:h", options, NULL)) != -1) {
		if (opt == ':')
			return khv_usage("pool", "%s: needs an argument", argv[optind - 1]);
		if (opt == '?')
			return khv_usage("pool", "%s: no such option", argv[optind - 1]);
		if (opt == 1 && o->number >= 0)
			return khv_usage("pool", "%s: one pool at a time", optarg);
		err = opt == 1 ? parse_number("pool", optarg, KHV_POOLS - 1, &number)
			       : parse_option(opt, o);
		if (err)
			return err;
		if (opt == 1)
			o->number = (int)number;
	}
	if (o->number < 0 && (o->policy >= 0 || o->slots >= 0 || o->aging >= 0))
		return khv_usage("pool", "which pool is it that you mean? Give its number");
	return 0;
}

static int change(const struct options *o, int fd, struct khv_pool *pool)
{
	struct khv_pool set = {
		.pool = pool->pool,
		.policy = o->policy < 0 ? pool->policy : (uint32_t)o->policy,
		.slots = o->slots < 0 ? pool->slots : (uint32_t)o->slots,
		.aging = o->aging < 0 ? pool->aging : (uint32_t)o->aging,
	};

	if (ioctl(fd, KHV_SET_POOL, &set))
		return khv_fail("change", "the pool",
				errno == EPERM ? "pools are root's to change" : NULL,
				"KHV_SET_POOL: %m");
	return khv_pool_take(fd, set.pool, pool) ?
		khv_fail("read", "the pool", NULL, "KHV_GET_POOL: %m") : 0;
}

static int show(const struct options *o, int fd)
{
	bool set = o->policy >= 0 || o->slots >= 0 || o->aging >= 0;
	struct khv_pool pools[KHV_POOLS];
	int n = 1;

	if (o->number < 0)
		n = khv_pools_take(fd, pools);
	else if (khv_pool_take(fd, (unsigned int)o->number, pools))
		n = -1;
	if (n < 0)
		return khv_fail("read", "the pools", "it wants the khv module",
				"KHV_GET_POOL on %s: %m", o->accel);
	if (set && change(o, fd, pools))
		return -1;
	if (o->json) {
		fputs("{\"pools\": ", stdout);
		khv_pools_json(pools, (unsigned int)n, stdout);
		puts("}");
	} else if (!set) {
		khv_pools_print(pools, (unsigned int)n, stdout);
	}
	return ferror(stdout) ? -1 : 0;
}

int khv_cmd_pool(int argc, char **argv)
{
	struct options o;
	int fd, err = parse(argc, argv, &o);

	if (err)
		return err;
	if (o.help) {
		fputs(pool_help, stdout);
		return KHV_OK;
	}
	fd = open(o.accel, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		khv_fail("open", o.accel, "'khv doctor' looks for the cause", "%m");
		return KHV_ERROR;
	}
	err = show(&o, fd);
	close(fd);
	return err ? KHV_ERROR : KHV_OK;
}
