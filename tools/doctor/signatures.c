// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policies that keep unsigned modules out: lockdown, Secure Boot, module
 * signature enforcement. None stops a module that is loaded already.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "doctor/doctor.h"

#define SECURE_BOOT "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define SIGN_IT "sign khv.ko with a key that the kernel trusts: README, \"Signing for Secure Boot\""

static void check_lockdown(struct khv_exam *exam)
{
	char modes[64], *mode, *end;
	struct khv_finding *f;

	/* "[none] integrity confidentiality", the current mode in brackets. */
	if (!khv_exam_read(exam, "sys/kernel/security/lockdown", modes, sizeof(modes))) {
		khv_found(exam, "lockdown", KHV_GOOD, "no lockdown to be seen");
		return;
	}
	mode = strchr(modes, '[');
	end = mode ? strchr(mode, ']') : NULL;
	if (!end || !strncmp(mode, "[none]", 6)) {
		khv_found(exam, "lockdown", KHV_GOOD, "lockdown is off");
		return;
	}
	*end = '\0';
	f = khv_found(exam, "lockdown", KHV_NOTE, "lockdown is on: %s", mode + 1);
	khv_because(f, "only modules with a trusted signature load", "%s", SIGN_IT);
}

static void check_secure_boot(struct khv_exam *exam)
{
	unsigned char var[5] = { 0 };	/* four bytes of attributes, then the value */
	int fd = openat(exam->root, SECURE_BOOT, O_RDONLY | O_CLOEXEC);
	bool known = fd >= 0 && read(fd, var, sizeof(var)) == sizeof(var);
	struct khv_finding *f;

	if (fd >= 0)
		close(fd);
	if (!known || !var[4]) {
		khv_found(exam, "secure-boot", KHV_GOOD, "Secure Boot is off");
		return;
	}
	f = khv_found(exam, "secure-boot", KHV_NOTE, "Secure Boot is on");
	khv_because(f, "most distributions then load modules with a trusted signature only",
		    "enrol a key (mokutil --import), and " SIGN_IT);
}

static void check_enforcement(struct khv_exam *exam)
{
	char value[8] = "";
	struct khv_finding *f;

	khv_exam_read(exam, "sys/module/module/parameters/sig_enforce", value, sizeof(value));
	if (value[0] != 'Y') {
		khv_found(exam, "signatures", KHV_GOOD, "unsigned modules may load");
		return;
	}
	f = khv_found(exam, "signatures", KHV_NOTE, "module signatures are enforced");
	khv_because(f, "module.sig_enforce or the kernel's configuration demands them", "%s",
		    SIGN_IT);
}

void khv_check_signatures(struct khv_exam *exam)
{
	check_lockdown(exam);
	check_secure_boot(exam);
	check_enforcement(exam);
}
