// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that VMs take is charged to the memory cgroup of the client that makes
 * them, and given back; a client that goes over its group's limit fails or is
 * killed, and nobody else notices.
 *
 * Each client is a process that joins a group of its own. The kernel batches both
 * its charges and its statistics, so what is expected may take a moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "guest_cpu.h"
#include "ksft.h"

#define VMS		32
#define PER_VM		KiB(32)		/* far less than a VM with irqchip and vCPU takes */
#define SPARSE		MiB(512)
#define FIRST		MiB(16)		/* from there on nobody else's */
#define STRIDE		MiB(2)		/* so that each of the pages needs a table of its own */
#define TABLES		((SPARSE - FIRST) / STRIDE)
#define SLACK		KiB(512)	/* batches that CPUs keep, and the client's own */
#define LIMIT		MiB(6)
#define PATIENCE	100		/* tenths of a second */

static char root[] = "/tmp/memcg.XXXXXX";
static char group[64];

/* ---- groups ---- */

static const char *path(const char *dir, const char *file)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s/%s", dir, file);
	return text;
}

static void file_read(const char *dir, const char *file, char *text, size_t size)
{
	int fd = open(path(dir, file), O_RDONLY | O_CLOEXEC);
	ssize_t n;

	ASSERT(fd >= 0, "%s: %s", path(dir, file), strerror(errno));
	n = read(fd, text, size - 1);
	ASSERT(n >= 0);
	text[n] = 0;
	close(fd);
}

static void file_write(const char *dir, const char *file, const char *text)
{
	int fd = open(path(dir, file), O_WRONLY | O_CLOEXEC);

	ASSERT(fd >= 0, "%s: %s", path(dir, file), strerror(errno));
	ASSERT(write(fd, text, strlen(text)) > 0, "%s: %s", path(dir, file), strerror(errno));
	close(fd);
}

/* The number behind @key in @file of the group; the file's first one if @key is "". */
static uint64_t number(const char *file, const char *key)
{
	char text[8192], *line;

	file_read(group, file, text, sizeof(text));
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, key, strlen(key)))
			return strtoull(line + strlen(key), NULL, 10);
	return 0;
}

static void group_make(uint64_t limit)
{
	char text[512];

	ASSERT(mkdtemp(root));
	if (mount("cgroup2", root, "cgroup2", 0, NULL))
		ksft_skip("no cgroup2: %s", strerror(errno));
	file_read(root, "cgroup.controllers", text, sizeof(text));
	if (!strstr(text, "memory"))
		ksft_skip("cgroup2 has no memory controller");
	file_write(root, "cgroup.subtree_control", "+memory");
	snprintf(group, sizeof(group), "%s/client.%d", root, getpid());
	ASSERT(!mkdir(group, 0755), "%s: %s", group, strerror(errno));
	if (limit) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)limit);
		file_write(group, "memory.max", text);
	}
}

/* Nothing of a group's client is left: no charge, and the group can go. */
static void group_end(void)
{
	uint64_t left;
	int i;

	for (i = 0; (left = number("memory.current", "")) > SLACK && i < PATIENCE; i++)
		usleep(100000);
	EXPECT(left <= SLACK, "%llu bytes are still charged", (unsigned long long)left);
	ASSERT(!rmdir(group), "%s: %s", group, strerror(errno));
	umount(root);
	rmdir(root);
}

/* @client in the group, in a process of its own: its status as of waitpid(). */
static int group_run(void (*client)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	ASSERT(pid >= 0);
	if (!pid) {
		file_write(group, "cgroup.procs", "0");
		client();
		fflush(stdout);
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

/* What the kernel itself has for the group, but for the client's own page tables. */
static int64_t kernel_memory(void)
{
	return number("memory.stat", "kernel ") - number("memory.stat", "pagetables ");
}

static void expect_between(const char *what, int64_t since, int64_t min, int64_t max)
{
	int64_t now;
	int i;

	for (i = 0; i < PATIENCE; i++) {
		now = kernel_memory() - since;
		if (now >= min && now <= max)
			break;
		usleep(100000);
	}
	ksft_note("%s: %lld KiB", what, (long long)now / 1024);
	EXPECT(now >= min && now <= max, "%s: %lld KiB, not %lld to %lld", what,
	       (long long)now / 1024, (long long)min / 1024, (long long)max / 1024);
}

/* ---- clients ---- */

static void client_vms(void)
{
	int64_t before = kernel_memory();
	struct vcpu *vcpu[VMS];
	struct vm *vm[VMS];
	int i;

	for (i = 0; i < VMS; i++) {
		vm[i] = vm_create(0, VM_IRQCHIP);
		vcpu[i] = vcpu_create(vm[i], 0);
	}
	expect_between("VMs", before, VMS * PER_VM, MiB(64));
	for (i = 0; i < VMS; i++) {
		vcpu_destroy(vcpu[i]);
		vm_destroy(vm[i]);
	}
	expect_between("after them", before, -(int64_t)SLACK, SLACK);
}

static volatile uint64_t touch_end;

static void guest_touch(void)
{
	uint64_t gpa;

	for (gpa = FIRST; gpa < touch_end; gpa += STRIDE)
		*(volatile uint8_t *)gpa = 1;
}

/* Memory that the client has already, so that tables are all that comes. */
static void client_tables(void)
{
	struct vm *vm = vm_create(SPARSE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int64_t before;
	uint64_t gpa;

	guest_start(vcpu, guest_touch);
	*GUEST_VAR(vm, touch_end) = SPARSE;
	for (gpa = FIRST; gpa < SPARSE; gpa += STRIDE)
		vm->ram[gpa] = 2;
	before = kernel_memory();
	guest_run_done(vcpu);
	expect_between("tables", before, TABLES * PAGE_SIZE * 3 / 4, TABLES * PAGE_SIZE * 16);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
	expect_between("after them", before, -(int64_t)MiB(2), SLACK);
}

/* Until there is no memory: ENOMEM it may be, or the kernel ends us. */
static void client_endless_vms(void)
{
	int dev = dev_open(), ret;

	do {
		ret = try_ioctl_value(dev, KVM_CREATE_VM, 0);
		if (ret >= 0)
			ret = try_ioctl_value(ret, KVM_CREATE_VCPU, 0);
	} while (ret >= 0);
	EXPECT_EQ(ret, -ENOMEM);
}

static void client_endless_guest(void)
{
	struct vm *vm = vm_create(GiB(2), 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int ret;

	guest_start(vcpu, guest_touch);
	*GUEST_VAR(vm, touch_end) = GiB(2);
	ret = try_run(vcpu);
	EXPECT(ret == -ENOMEM || ret == -EFAULT, "KVM_RUN at the limit: %d", ret);
}

/* ---- tests ---- */

static void test_vms(void)
{
	group_make(0);
	EXPECT_EQ(group_run(client_vms), 0);
	group_end();
}

static void test_tables(void)
{
	group_make(0);
	EXPECT_EQ(group_run(client_tables), 0);
	group_end();
}

static volatile uint64_t witness_beats;

static void guest_witness(void)
{
	for (;;) {
		witness_beats++;
		guest_sync(1);
	}
}

static void over_the_limit(void (*client)(void))
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int status;

	guest_start(vcpu, guest_witness);
	guest_run_sync(vcpu, 1);
	group_make(LIMIT);
	status = group_run(client);
	EXPECT(number("memory.events", "max ") > 0, "the limit was not reached");
	EXPECT(WIFEXITED(status) || WTERMSIG(status) == SIGKILL, "status %#x", status);
	ksft_note("at the limit the client %s", WIFEXITED(status) ? "failed" : "was killed");
	group_end();
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(*GUEST_VAR(vm, witness_beats), 2);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
}

static void test_limit_vms(void)
{
	over_the_limit(client_endless_vms);
}

static void test_limit_guest(void)
{
	over_the_limit(client_endless_guest);
}

static const struct ksft_test tests[] = {
	{ "vms", test_vms },
	{ "tables", test_tables },
	{ "limit_vms", test_limit_vms },
	{ "limit_guest", test_limit_guest },
};

static const struct ksft_suite suite = KSFT_SUITE("memcg", tests);
static const struct ksft_suite *const suites[] = { &suite };

int main(int argc, char **argv)
{
	return ksft_main(argc, argv, suites, KSFT_ARRAY_SIZE(suites));
}
