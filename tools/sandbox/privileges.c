// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives up the user, the groups and the capabilities that the process was started
 * with, and what it could use up of the machine.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "khv.h"
#include "machine/vcpu.h"
#include "sandbox/sandbox.h"

#define PASSWD		"/etc/passwd"
#define NOBODY		65534u	/* where /etc/passwd has none */
/* Numbers of descriptors: a vCPU each, and clients'. poll() takes no more than this many. */
#define OPEN_FILES	(32 + KHV_CPUS_MAX)

/* Not getpwnam(): a program without shared libraries has no name services. */
static int find_user(const char *name, struct khv_user *user)
{
	FILE *f = fopen(PASSWD, "re");
	struct passwd *pw;
	int err = -1;

	if (!f)
		return -1;
	while (err && (pw = fgetpwent(f))) {
		if (strcmp(pw->pw_name, name))
			continue;
		*user = (struct khv_user){ .uid = pw->pw_uid, .gid = pw->pw_gid };
		err = 0;
	}
	fclose(f);
	return err;
}

/* A decimal number up to @end, which is stored. -1 is no ID. */
static int parse_id(const char *text, unsigned int *id, char **end)
{
	unsigned long value;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtoul(text, end, 10);
	if (errno || value >= 0xffffffff)
		return -1;
	*id = (unsigned int)value;
	return 0;
}

int khv_user_parse(const char *text, struct khv_user *user)
{
	char *end;

	if (!find_user(text, user))
		return 0;
	if (parse_id(text, &user->uid, &end))
		return -1;
	user->gid = user->uid;
	if (*end == ':' && parse_id(end + 1, &user->gid, &end))
		return -1;
	return *end ? -1 : 0;
}

static int become(const struct khv_user *user)
{
	static const char advice[] = "--user UID:GID names another; in a container, map it";

	if (setgroups(0, NULL))
		return khv_fail("give up", "root's groups", advice, "setgroups: %m");
	if (setresgid(user->gid, user->gid, user->gid))
		return khv_fail("give up", "root's group", advice, "setresgid %u: %m", user->gid);
	if (setresuid(user->uid, user->uid, user->uid))
		return khv_fail("give up", "root", advice, "setresuid %u: %m", user->uid);
	return 0;
}

/* Those that an executed program could get back. Needs CAP_SETPCAP. */
static void drop_bounding_set(void)
{
	for (unsigned long cap = 0; !prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); cap++)
		;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capset, &header, none))
		return khv_fail("give up", "the capabilities", NULL, "capset: %m");
	return 0;
}

static int limit(int resource, rlim_t most, const char *what)
{
	struct rlimit now;

	if (getrlimit(resource, &now))
		return khv_fail("limit", what, NULL, "getrlimit: %m");
	if (now.rlim_max > most)
		now.rlim_max = most;
	if (now.rlim_cur > now.rlim_max)
		now.rlim_cur = now.rlim_max;
	if (setrlimit(resource, &now))
		return khv_fail("limit", what, NULL, "setrlimit: %m");
	return 0;
}

int khv_privileges_drop(const struct khv_user *user)
{
	struct khv_user nobody;

	if (!geteuid()) {
		drop_bounding_set();
		if (!user) {
			if (find_user("nobody", &nobody))
				nobody = (struct khv_user){ .uid = NOBODY, .gid = NOBODY };
			user = &nobody;
		}
		if (become(user))
			return -1;
	} else if (user && (user->uid != geteuid() || user->gid != getegid())) {
		return khv_fail("become", "the user of --user", "leave --user out, or be root",
				"this is user %u, and only root can become another", geteuid());
	}
	if (drop_capabilities())
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return khv_fail("give up", "new privileges", NULL, "PR_SET_NO_NEW_PRIVS: %m");
	/* What is in a core file is the guest's. */
	if (limit(RLIMIT_CORE, 0, "core files") || limit(RLIMIT_NOFILE, OPEN_FILES, "open files"))
		return -1;
	return 0;
}
