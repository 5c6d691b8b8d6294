// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who else may own the processor's virtualization.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/doctor.h"
#include "khv.h"

static const struct owner {
	const char *module;
	const char *name;
	const char *unload;
} owners[] = {
	{ "kvm_intel", "KVM", "stop its virtual machines, then: modprobe -r kvm_intel" },
	{ "kvm_amd", "KVM", "stop its virtual machines, then: modprobe -r kvm_amd" },
	{ "vboxdrv", "VirtualBox",
	  "stop its virtual machines, then: modprobe -r vboxnetadp vboxnetflt vboxdrv" },
	{ "vmmon", "VMware", "stop its virtual machines, then: systemctl stop vmware" },
};

/* Users of a loaded module as /proc/modules counts them, or -1 if it is not loaded. */
static long module_users(const struct khv_exam *exam, const char *module)
{
	FILE *f = khv_exam_open(exam, "proc/modules");
	size_t len = strlen(module);
	char *line = NULL;
	size_t room = 0;
	long users = -1;

	if (!f)
		return -1;
	while (users < 0 && getline(&line, &room, f) > 0)
		if (!strncmp(line, module, len) && line[len] == ' ')
			/* "name size users ..." */
			if (sscanf(line + len, " %*s %ld", &users) != 1)
				users = 0;
	free(line);
	fclose(f);
	return users;
}

/* Since Linux 6.12, KVM by default takes the processors when its module is loaded. */
static bool kvm_owns_when_idle(const struct khv_exam *exam)
{
	char value[8];

	return khv_exam_read(exam, "sys/module/kvm/parameters/enable_virt_at_load", value,
			     sizeof(value)) && value[0] == 'Y';
}

/* khv borrows VMX from KVM, from nobody else, and SVM from none. */
static void report_lender(struct khv_exam *exam, const char *module, long users)
{
	struct khv_finding *f;

	if (users > 0)
		f = khv_found(exam, "owner", KHV_NOTE, "KVM is in use (%s, %ld users)", module,
			      users);
	else if (kvm_owns_when_idle(exam))
		f = khv_found(exam, "owner", KHV_NOTE, "KVM is loaded and owns VMX even when idle");
	else
		f = khv_found(exam, "owner", KHV_NOTE, "KVM is loaded and idle (%s)", module);
	khv_because(f, "both can run guests; khv's runs begin and end slower while KVM is there",
		    "nothing, or: modprobe -r %s", module);
}

static void report_owner(struct khv_exam *exam, const struct owner *owner, long users)
{
	const char *module = owner->module;
	struct khv_finding *f;

	if (!strcmp(module, "kvm_intel")) {
		report_lender(exam, module, users);
	} else if (users > 0) {
		f = khv_found(exam, "owner", KHV_BAD, "%s is in use (%s, %ld users)", owner->name,
			      module, users);
		khv_because(f, "its virtual machines own the processor; only one hypervisor can",
			    "%s", owner->unload);
	} else if (!strcmp(module, "kvm_amd") && kvm_owns_when_idle(exam)) {
		f = khv_found(exam, "owner", KHV_BAD, "KVM is loaded and owns SVM even when idle");
		khv_because(f, "kvm.enable_virt_at_load is on",
			    "modprobe -r %s, or boot with kvm.enable_virt_at_load=0", module);
	} else {
		f = khv_found(exam, "owner", KHV_NOTE, "%s is loaded and idle (%s)", owner->name,
			      module);
		khv_because(f, "while one of the two runs virtual machines, the other cannot",
			    "nothing, or: modprobe -r %s", module);
	}
}

void khv_check_owner(struct khv_exam *exam)
{
	unsigned int before = exam->report.count;

	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		long users = module_users(exam, owners[i].module);
		char built_in[64];

		/* A module that is built in has a directory, but no line in /proc/modules. */
		snprintf(built_in, sizeof(built_in), "sys/module/%s", owners[i].module);
		if (users >= 0 || khv_exam_exists(exam, built_in))
			report_owner(exam, &owners[i], users);
	}
	if (exam->report.count == before)
		khv_found(exam, "owner", KHV_GOOD, "no other hypervisor is loaded");
}
