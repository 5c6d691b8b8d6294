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

#include "khv.h"
#include "stat/stat.h"

#define REASONS "exit_reasons"

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
		if (!strcmp(name, REASONS)) {
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
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		good = read_file(vm, fd, e->d_name);
	}
	closedir(dir);
	qsort(vm->counter, vm->count, sizeof(vm->counter[0]), by_name);
	read_command(vm);
	return good && vm->count;
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
