// SPDX-License-Identifier: GPL-2.0-only
/*
 * The khv module and its device: installed, loaded, of this version, usable.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor/doctor.h"

/* Whether modprobe would find khv.ko for the running kernel. */
static bool module_installed(const struct khv_exam *exam)
{
	bool found = false;
	char path[128];
	char *line = NULL;
	size_t room = 0;
	FILE *f;

	snprintf(path, sizeof(path), "lib/modules/%s/modules.dep", exam->release);
	f = khv_exam_open(exam, path);
	if (!f)
		return false;
	while (!found && getline(&line, &room, f) > 0) {
		line[strcspn(line, ":")] = '\0';	/* what follows are dependencies */
		found = strstr(line, "/khv.ko");
	}
	free(line);
	fclose(f);
	return found;
}

void khv_check_module(struct khv_exam *exam)
{
	char version[64] = "unknown";
	struct khv_finding *f;

	exam->module_loaded = khv_exam_exists(exam, "sys/module/khv");
	if (exam->module_loaded) {
		khv_exam_read(exam, "sys/module/khv/version", version, sizeof(version));
		if (!strcmp(version, KHV_VERSION)) {
			khv_found(exam, "module", KHV_GOOD, "khv %s is loaded", version);
			return;
		}
		f = khv_found(exam, "module", KHV_NOTE,
			      "khv %s is loaded, and this program is " KHV_VERSION, version);
		khv_because(f, "module and program were installed at different times",
			    "install both from the same release, then: modprobe -r khv; modprobe khv");
		return;
	}
	f = khv_found(exam, "module", KHV_BAD, "the khv module is not loaded");
	if (module_installed(exam))
		khv_because(f, "it is installed, but nobody loaded it or it refused to load",
			    "modprobe khv; if that fails, dmesg has the reason");
	else
		khv_because(f, "it is not installed for this kernel",
			    "in khv's source: make dkms-install; then: modprobe khv");
}

/* The name of group @gid as /etc/group has it, or its number. */
static void group_name(const struct khv_exam *exam, gid_t gid, char *name, size_t size)
{
	FILE *f = khv_exam_open(exam, "etc/group");
	char *line = NULL;
	size_t room = 0;

	snprintf(name, size, "%u", gid);
	if (!f)
		return;
	while (getline(&line, &room, f) > 0) {
		unsigned int id;
		char candidate[33];

		if (sscanf(line, "%32[^:]:%*[^:]:%u:", candidate, &id) == 2 && id == gid) {
			snprintf(name, size, "%s", candidate);
			break;
		}
	}
	free(line);
	fclose(f);
}

static void no_access(struct khv_exam *exam)
{
	struct stat st = { 0 };
	struct khv_finding *f;
	char group[33];

	fstatat(exam->root, "dev/khv", &st, 0);
	group_name(exam, st.st_gid, group, sizeof(group));
	f = khv_found(exam, "device", KHV_BAD,
		      "no permission to use /dev/khv (mode %04o, group %s)",
		      st.st_mode & 07777, group);
	if (st.st_gid == 0)
		khv_because(f, "it belongs to root alone: the udev rule is not in effect",
			    "install 60-khv.rules, then: udevadm control --reload; udevadm trigger");
	else
		khv_because(f, "you are not in its group, or logged in before you joined",
			    "sudo usermod -aG %s $USER, then log in again", group);
}

/* Permissions aside, does it make virtual machines? */
static void try_device(struct khv_exam *exam, int fd)
{
	struct khv_finding *f;
	int vm;

	if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		f = khv_found(exam, "device", KHV_BAD, "/dev/khv does not speak the KVM API");
		khv_because(f, "it is not khv's device, or of an incompatible release",
			    "ls -l /dev/khv; cat /proc/misc; remove it if it is left over");
		return;
	}
	vm = ioctl(fd, KVM_CREATE_VM, 0);
	if (vm < 0) {
		f = khv_found(exam, "device", KHV_BAD, "creating a virtual machine fails: %s",
			      strerror(errno));
		khv_because(f, errno == EBUSY ? "another hypervisor owns the processor"
					      : "the module refuses it",
			    "see the other findings, and dmesg for the module's reason");
		return;
	}
	close(vm);
	khv_found(exam, "device", KHV_GOOD, "/dev/khv makes virtual machines");
}

void khv_check_device(struct khv_exam *exam)
{
	struct khv_finding *f;
	int fd;

	fd = openat(exam->root, "dev/khv", O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		try_device(exam, fd);
		close(fd);
	} else if (errno == EACCES || errno == EPERM) {
		no_access(exam);
	} else if (!exam->module_loaded) {
		f = khv_found(exam, "device", KHV_BAD, "no /dev/khv");
		khv_because(f, "the module makes it, and is not loaded", "load the module first");
	} else {
		f = khv_found(exam, "device", KHV_BAD, "cannot open /dev/khv: %s", strerror(errno));
		khv_because(f, "the module is loaded, but its node is missing or unusable here",
			    "in a container, pass the device in; else: udevadm trigger");
	}
}
