// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes a sample of all VMs' counters.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/protocol.h"
#include "khv.h"
#include "stat/stat.h"

/* Files that have many counters. */
#define REASONS "exit_reasons"
#define TIMES	"times"

const char *const khv_stat_times[KHV_STAT_TIMES] = {
	"guest_ns", "hypervisor_ns", "waiting_ns", "halted_ns", "throttled_ns", "other_ns",
	"wall_ns",
};

static const char *open_advice(int err)
{
	switch (err) {
	case EACCES:
		return "counters of all VMs are for root alone: sudo khv stat";
	case EPERM:
		return "the kernel is locked down and hides debugfs; see kernel_lockdown(7)";
	case ENOENT:
		if (!access("/sys/module/khv", F_OK))
			return "is debugfs mounted? mount -t debugfs none /sys/kernel/debug";
		return "load the module: modprobe khv; 'khv doctor' says what is missing";
	default:
		return NULL;
	}
}

/* The process that the folder PID-FD or PID-FD.N is named after, or 0 when it is none. */
static pid_t folder_pid(const char *name)
{
	long pid, fd;
	char *end;

	if (*name < '1' || *name > '9')
		return 0;
	pid = strtol(name, &end, 10);
	if (*end != '-' || end[1] < '0' || end[1] > '9' || pid > INT32_MAX)
		return 0;
	fd = strtol(end + 1, &end, 10);
	return fd >= 0 && (!*end || *end == '.') ? (pid_t)pid : 0;
}

static void add(struct khv_stat_vm *vm, const char *name, uint64_t value)
{
	struct khv_stat_counter *c;

	if (vm->count == KHV_STAT_COUNTERS || strlen(name) >= sizeof(c->name))
		return;
	c = &vm->counter[vm->count++];
	strcpy(c->name, name);
	c->value = value;
}

/* False when the VM has gone. */
static bool read_file(struct khv_stat_vm *vm, int dir, const char *name)
{
	char line[128], word[48];
	uint64_t value;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	bool good;

	if (!f) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (fgets(line, sizeof(line), f)) {
		if (!strcmp(name, REASONS) || !strcmp(name, TIMES)) {
			if (sscanf(line, "%47s %" SCNu64, word, &value) == 2)
				add(vm, word, value);
		} else if (sscanf(line, "%" SCNu64, &value) == 1) {
			add(vm, name, value);
		}
	}
	good = !ferror(f);
	fclose(f);
	return good;
}

/* The vCPU of the folder @name, if it is one's. False when there is no memory, or no vCPU any more. */
static bool read_vcpu(struct khv_stat_vm *vm, int dir, const char *name)
{
	struct khv_stat_vcpu *more, vcpu = { 0 };
	char path[300], line[128], word[48];
	uint64_t value;
	FILE *f;
	int fd;

	if (strncmp(name, "vcpu", 4) || khv_number_parse(name + 4, UINT32_MAX, &value))
		return true;
	vcpu.id = (unsigned int)value;
	snprintf(path, sizeof(path), "%s/stats", name);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%47s %" SCNu64, word, &value) != 2)
			continue;
		for (unsigned int i = 0; i < KHV_STAT_TIMES; i++)
			if (!strcmp(word, khv_stat_times[i]))
				vcpu.ns[i] = value;
	}
	fclose(f);
	more = reallocarray(vm->vcpu, vm->vcpus + 1, sizeof(*more));
	if (!more)
		return false;
	vm->vcpu = more;
	more[vm->vcpus++] = vcpu;
	return true;
}

static void read_command(struct khv_stat_vm *vm)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", vm->pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(vm->command, sizeof(vm->command), f))
		vm->command[strcspn(vm->command, "\n")] = '\0';
	fclose(f);
}

static int by_name(const void *a, const void *b)
{
	const struct khv_stat_counter *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int by_id(const void *a, const void *b)
{
	const struct khv_stat_vcpu *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* False when there is no such VM any more. */
static bool read_vm(struct khv_stat_vm *vm, int parent, const char *name, pid_t pid)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool good = true;
	struct stat st;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	*vm = (struct khv_stat_vm){ .pid = pid };
	strcpy(vm->name, name);
	while (good && (e = readdir(dir))) {
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISREG(st.st_mode))
			good = read_file(vm, fd, e->d_name);
		else if (S_ISDIR(st.st_mode))
			good = read_vcpu(vm, fd, e->d_name);
	}
	closedir(dir);
	if (!good || !vm->count) {
		free(vm->vcpu);
		return false;
	}
	qsort(vm->counter, vm->count, sizeof(vm->counter[0]), by_name);
	if (vm->vcpus)
		qsort(vm->vcpu, vm->vcpus, sizeof(vm->vcpu[0]), by_id);
	read_command(vm);
	return true;
}

static int by_pid(const void *a, const void *b)
{
	const struct khv_stat_vm *x = a, *y = b;

	return x->pid != y->pid ? (x->pid > y->pid) - (x->pid < y->pid) : strcmp(x->name, y->name);
}

int khv_stat_read(const char *path, pid_t pid, struct khv_stat_sample *sample)
{
	struct khv_stat_vm *more;
	struct timespec now;
	struct dirent *e;
	DIR *dir = opendir(path);

	*sample = (struct khv_stat_sample){ 0 };
	if (!dir)
		return khv_fail("read", path, open_advice(errno), "%m");
	clock_gettime(CLOCK_MONOTONIC, &now);
	sample->ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	while ((e = readdir(dir))) {
		pid_t owner = folder_pid(e->d_name);

		if (!owner || (pid && owner != pid) ||
		    strlen(e->d_name) >= sizeof(sample->vm->name))
			continue;
		more = reallocarray(sample->vm, sample->count + 1, sizeof(*more));
		if (!more) {
			closedir(dir);
			khv_stat_free(sample);
			return khv_fail("read", path, NULL, "no memory for so many VMs");
		}
		sample->vm = more;
		if (read_vm(&more[sample->count], dirfd(dir), e->d_name, owner))
			sample->count++;
	}
	closedir(dir);
	if (sample->count)
		qsort(sample->vm, sample->count, sizeof(*sample->vm), by_pid);
	return 0;
}

void khv_stat_free(struct khv_stat_sample *sample)
{
	for (unsigned int i = 0; i < sample->count; i++)
		free(sample->vm[i].vcpu);
	free(sample->vm);
	*sample = (struct khv_stat_sample){ 0 };
}

uint64_t khv_stat_value(const struct khv_stat_vm *vm, const char *name)
{
	for (unsigned int i = 0; vm && i < vm->count; i++)
		if (!strcmp(vm->counter[i].name, name))
			return vm->counter[i].value;
	return 0;
}
