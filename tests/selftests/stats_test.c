// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters: what KVM_GET_STATS_FD and debugfs say after a guest did a known number
 * of things, and how long a statistics descriptor lives.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"
#include "guest_apic.h"
#include "guest_cpu.h"
#include "ksft.h"

#define DEBUGFS		"/sys/kernel/debug/khv"
#define PORT		0x6e0
#define DEVICE		0x40000000UL	/* no memory there */
#define CPUIDS		7
#define WRITES		5
#define STORES		3
#define HALTS		2

/* All that a descriptor says, and where its values are. */
struct stats {
	int fd;
	struct kvm_stats_header header;
	uint8_t *desc;
	uint64_t *data;
};

static struct kvm_stats_desc *desc_at(const struct stats *s, unsigned int i)
{
	return (void *)(s->desc + i * (sizeof(struct kvm_stats_desc) + s->header.name_size));
}

static void stats_refresh(struct stats *s)
{
	size_t size = s->header.num_desc * sizeof(uint64_t);

	ASSERT_EQ(pread(s->fd, s->data, size, s->header.data_offset), size);
}

static struct stats *stats_open(int fd)
{
	struct stats *s = calloc(1, sizeof(*s));
	size_t size;

	s->fd = try_ioctl_value(fd, KVM_GET_STATS_FD, 0);
	ASSERT(s->fd >= 0, "KVM_GET_STATS_FD: %d", s->fd);
	ASSERT_EQ(read(s->fd, &s->header, sizeof(s->header)), sizeof(s->header));
	ASSERT(s->header.num_desc > 0 && s->header.num_desc < 1000);
	size = s->header.num_desc * (sizeof(struct kvm_stats_desc) + s->header.name_size);
	s->desc = malloc(size);
	ASSERT_EQ(pread(s->fd, s->desc, size, s->header.desc_offset), size);
	s->data = malloc(s->header.num_desc * sizeof(uint64_t));
	stats_refresh(s);
	return s;
}

static uint64_t stat_value(const struct stats *s, const char *name)
{
	for (unsigned int i = 0; i < s->header.num_desc; i++)
		if (!strcmp(desc_at(s, i)->name, name))
			return s->data[desc_at(s, i)->offset / sizeof(uint64_t)];
	ksft_note("there is no counter %s", name);
	ksft_abort();
}

static void check_format(int fd, const char *id_start)
{
	struct stats *s = stats_open(fd);
	size_t data_size = s->header.num_desc * sizeof(uint64_t), size;
	char *whole, id[64];
	void *volatile bad = (void *)8;

	EXPECT_EQ(s->header.flags, 0);
	EXPECT_EQ(s->header.name_size, 48);
	/* Multiples of 8. */
	EXPECT_EQ((s->header.id_offset | s->header.desc_offset | s->header.data_offset) & 7, 0);
	ASSERT(s->header.name_size <= sizeof(id));
	EXPECT_EQ(pread(s->fd, id, s->header.name_size, s->header.id_offset),
		  s->header.name_size);
	EXPECT(!strncmp(id, id_start, strlen(id_start)), "id %s", id);
	for (unsigned int i = 0; i < s->header.num_desc; i++) {
		struct kvm_stats_desc *d = desc_at(s, i);

		EXPECT(d->name[0] && memchr(d->name, 0, s->header.name_size));
		EXPECT_EQ(d->offset, i * sizeof(uint64_t));
		EXPECT_EQ(d->size, 1);
		EXPECT((d->flags & KVM_STATS_TYPE_MASK) <= KVM_STATS_TYPE_INSTANT);
		for (unsigned int k = 0; k < i; k++)
			EXPECT(strcmp(d->name, desc_at(s, k)->name), "%s twice", d->name);
	}

	/* One byte at a time is the same as all at once, and after the end comes nothing. */
	size = s->header.data_offset + data_size;
	whole = malloc(size);
	EXPECT_EQ(pread(s->fd, whole, size + 100, 0), size);
	EXPECT(!memcmp(whole + s->header.desc_offset, s->desc,
		       s->header.data_offset - s->header.desc_offset));
	EXPECT_EQ(lseek(s->fd, 0, SEEK_SET), 0);
	for (size_t at = 0; at < s->header.data_offset; at++) {
		char byte;

		ASSERT_EQ(read(s->fd, &byte, 1), 1);
		ASSERT(byte == whole[at], "byte %zu", at);
	}
	EXPECT_EQ(pread(s->fd, whole, 8, size), 0);
	EXPECT_EQ(pread(s->fd, whole, 8, size - 3), 3);
	EXPECT(pread(s->fd, whole, 8, -1) == -1 && errno == EINVAL);
	EXPECT(pread(s->fd, bad, 8, 0) == -1 && errno == EFAULT);
	EXPECT(write(s->fd, whole, 8) == -1);
	close(s->fd);
}

static void test_format(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vm_need(vm, KVM_CAP_BINARY_STATS_FD, "KVM_CAP_BINARY_STATS_FD");
	check_format(vm->fd, "kvm-");
	check_format(vcpu->fd, "kvm-");
}

static volatile uint32_t ticks;

static void on_tick(struct guest_frame *frame)
{
	ticks++;
	xapic_write(APIC_EOI, 0);
}

static void guest_known(void)
{
	uint32_t r[4];

	guest_handlers[0x50] = on_tick;
	pic_init(0x20, 0x28);
	outb(0x21, 0xff);
	xapic_write(APIC_SPIV, 0x1ff);
	xapic_write(APIC_TDCR, 0xb);
	xapic_write(APIC_LVT_TIMER, 0x50);
	guest_sync(1);
	for (int i = 0; i < CPUIDS; i++)
		cpuid(0, 0, r);
	for (int i = 0; i < WRITES; i++)
		outb(PORT, i);
	for (int i = 0; i < STORES; i++)
		asm volatile("movl %0, (%1)" : : "r"(i), "r"(DEVICE) : "memory");
	for (uint32_t i = 1; i <= HALTS; i++) {
		xapic_write(APIC_TMICT, 5000000);
		while (ticks < i)
			sti_hlt_cli();
	}
}

static void guest_debugfs(void)
{
	uint32_t r[4];

	for (int i = 0; i < CPUIDS; i++)
		cpuid(0, 0, r);
}

/* The VM's times are the sums of its vCPUs', here of one that has run and one that has not. */
static void check_times(struct stats *of_vm, struct stats *of_vcpu)
{
	static const char *const parts[] = {
		"guest_ns", "hypervisor_ns", "waiting_ns", "halted_ns", "throttled_ns", "other_ns",
	};
	uint64_t sum = 0;

	stats_refresh(of_vcpu);
	stats_refresh(of_vm);
	for (size_t i = 0; i < KSFT_ARRAY_SIZE(parts); i++)
		sum += stat_value(of_vm, parts[i]);
	EXPECT_EQ(sum, stat_value(of_vm, "wall_ns"));
	EXPECT(stat_value(of_vm, "guest_ns") > 0);
	EXPECT_EQ(stat_value(of_vm, "guest_ns"), stat_value(of_vcpu, "guest_ns"));
	EXPECT_EQ(stat_value(of_vm, "halted_ns"), stat_value(of_vcpu, "halted_ns"));
	EXPECT(stat_value(of_vm, "wall_ns") > stat_value(of_vcpu, "wall_ns"));
}

#define EXPECT_ROSE(s, before, name, by)	EXPECT_EQ(stat_value(s, name) - (before), by)

static void test_counts(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	uint64_t cpuids, ios, mmios, halts, irqs, entries, exits, reasons = 0;
	struct stats *s, *of_vm;

	vm_need(vm, KVM_CAP_BINARY_STATS_FD, "KVM_CAP_BINARY_STATS_FD");
	if (strcmp(ksft_device, "/dev/khv"))
		ksft_skip("%s has other counters", ksft_device);
	s = stats_open(vcpu->fd);
	EXPECT_EQ(stat_value(s, "exits"), 0);
	guest_start(vcpu, guest_known);
	guest_run_sync(vcpu, 1);
	stats_refresh(s);
	cpuids = stat_value(s, "exits_cpuid");
	ios = stat_value(s, "io_exits");
	mmios = stat_value(s, "mmio_exits");
	halts = stat_value(s, "halt_exits");
	irqs = stat_value(s, "irq_injections");
	exits = stat_value(s, "exits");
	EXPECT(exits > 0);
	guest_run_unserved(vcpu);
	stats_refresh(s);
	EXPECT_ROSE(s, cpuids, "exits_cpuid", CPUIDS);
	EXPECT_ROSE(s, ios, "io_exits", WRITES + 1);	/* and the one that says that it is done */
	EXPECT_ROSE(s, mmios, "mmio_exits", STORES);
	EXPECT(stat_value(s, "halt_exits") >= halts + 1);
	EXPECT(stat_value(s, "halt_exits") <= halts + HALTS);
	EXPECT_ROSE(s, irqs, "irq_injections", HALTS);
	EXPECT(stat_value(s, "halt_wakeup") <= stat_value(s, "halt_exits"));
	EXPECT(stat_value(s, "insn_emulation") >= STORES);
	EXPECT(stat_value(s, "pf_taken") >= STORES);
	EXPECT(stat_value(s, "pf_emulate") >= STORES);
	EXPECT(stat_value(s, "pf_fixed") > 0);
	entries = stat_value(s, "entries");
	exits = stat_value(s, "exits");
	EXPECT_EQ(entries, exits);
	for (unsigned int i = 0; i < s->header.num_desc; i++)
		if (!strncmp(desc_at(s, i)->name, "exits_", 6))
			reasons += s->data[i];
	EXPECT_EQ(reasons, exits);
	EXPECT_EQ(stat_value(s, "exits_entry_failed"), 0);

	vcpu_create(vm, 1);
	of_vm = stats_open(vm->fd);
	EXPECT_EQ(stat_value(of_vm, "memory_slots"), 1);
	EXPECT(stat_value(of_vm, "mmu_tables") >= 2);
	EXPECT(stat_value(of_vm, "pages_4k") + stat_value(of_vm, "pages_2m") > 0);
	ASSERT(!madvise(vm->ram, vm->ram_size, MADV_DONTNEED));
	stats_refresh(of_vm);
	EXPECT_EQ(stat_value(of_vm, "pages_4k") + stat_value(of_vm, "pages_2m"), 0);
	EXPECT(stat_value(of_vm, "remote_tlb_flush") > 0);
	check_times(of_vm, s);
}

/* The descriptor keeps what it tells of, and that keeps the numbers. */
static void test_lifetime(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct stats *of_vm, *of_vcpu;

	vm_need(vm, KVM_CAP_BINARY_STATS_FD, "KVM_CAP_BINARY_STATS_FD");
	of_vm = stats_open(vm->fd);
	of_vcpu = stats_open(vcpu->fd);
	EXPECT(fcntl(of_vm->fd, F_GETFD) & FD_CLOEXEC);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
	stats_refresh(of_vm);
	stats_refresh(of_vcpu);
	EXPECT_EQ(stat_value(of_vcpu, "exits"), 0);
	close(of_vm->fd);
	stats_refresh(of_vcpu);
	close(of_vcpu->fd);
}

static uint64_t file_value(const char *dir, const char *name)
{
	unsigned long long value;
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	ASSERT(f, "%s: %s", path, strerror(errno));
	ASSERT_EQ(fscanf(f, "%llu", &value), 1);
	fclose(f);
	return value;
}

/* The line of @name in @file of @dir. */
static uint64_t line_value(const char *dir, const char *file, const char *name)
{
	char path[200], word[64];
	unsigned long long value;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "r");
	ASSERT(f, "%s: %s", path, strerror(errno));
	while (fscanf(f, "%63s %llu", word, &value) == 2) {
		if (!strcmp(word, name)) {
			fclose(f);
			return value;
		}
	}
	ksft_note("%s has no %s", path, name);
	ksft_abort();
}

static void check_modes(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned int files = 0;
	struct dirent *e;
	struct stat st;

	ASSERT(d);
	while ((e = readdir(d))) {
		if (fstatat(dirfd(d), e->d_name, &st, 0) || !S_ISREG(st.st_mode))
			continue;
		files++;
		EXPECT((st.st_mode & 0777) == 0400 && !st.st_uid, "%s %o", e->d_name, st.st_mode);
	}
	closedir(d);
	EXPECT(files > 20, "%u files in %s", files, dir);
}

static void test_debugfs(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	char dir[100], gone[120];
	int held;

	if (strcmp(ksft_device, "/dev/khv"))
		ksft_skip("%s has other folders", ksft_device);
	ASSERT(!access(DEBUGFS, R_OK), "is debugfs mounted?");
	snprintf(dir, sizeof(dir), DEBUGFS "/%d-%d", getpid(), vm->fd);
	EXPECT_EQ(file_value(dir, "exits"), 0);
	guest_start(vcpu, guest_debugfs);
	guest_run_unserved(vcpu);
	EXPECT(file_value(dir, "exits") > CPUIDS);
	EXPECT_EQ(file_value(dir, "memory_slots"), 1);
	EXPECT_EQ(line_value(dir, "exit_reasons", "exits_cpuid"), CPUIDS);
	EXPECT_EQ(line_value(dir, "vcpu0/stats", "exits_cpuid"), CPUIDS);
	EXPECT(file_value(DEBUGFS, "exits") >= file_value(dir, "exits"));
	EXPECT(line_value(DEBUGFS, "exit_reasons", "exits_cpuid") >= CPUIDS);
	check_modes(dir);
	check_modes(DEBUGFS);

	/* Who still has a file open finds nothing in it when the VM is gone. */
	snprintf(gone, sizeof(gone), "%s/exits", dir);
	held = open(gone, O_RDONLY);
	ASSERT(held >= 0);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
	EXPECT(read(held, gone, 1) == -1 && errno == EIO);
	EXPECT(access(dir, F_OK) && errno == ENOENT);
}

static void guest_pauses(void)
{
	int i;

	sti();
	for (i = 0; i < 100000; i++)
		cpu_pause();
}

/* What the kernel says of the processor: VMX has its flags in a line of their own. */
static bool cpu_sees_loops_of_pause(void)
{
	static char text[65536];
	int fd = open("/proc/cpuinfo", O_RDONLY);
	ssize_t size;

	ASSERT(fd >= 0);
	size = read(fd, text, sizeof(text) - 1);
	ASSERT(size > 0);
	close(fd);
	text[size] = 0;
	return strstr(text, " ple ") || strstr(text, " pausefilter");
}

/* A guest that waits for another gives its CPU away, unless its client wants it not to. */
static void test_pause(void)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_DISABLE_EXITS, .args[0] = KVM_X86_DISABLE_EXITS_PAUSE,
	};
	char dir[100];
	int disabled;

	if (strcmp(ksft_device, "/dev/khv"))
		ksft_skip("%s has other folders", ksft_device);
	if (!cpu_sees_loops_of_pause())
		ksft_skip("a processor with neither pause-loop exiting nor a PAUSE filter");
	for (disabled = 0; disabled < 2; disabled++) {
		struct vm *vm = vm_create(VM_RAM_SIZE, 0);
		struct vcpu *vcpu;

		if (disabled)
			ASSERT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, &cap), 0);
		vcpu = vcpu_create(vm, 0);
		guest_start(vcpu, guest_pauses);
		guest_run_done(vcpu);
		snprintf(dir, sizeof(dir), DEBUGFS "/%d-%d", getpid(), vm->fd);
		EXPECT_EQ(line_value(dir, "exit_reasons", "exits_pause") > 0, !disabled);
		vcpu_destroy(vcpu);
		vm_destroy(vm);
	}
}

static const struct ksft_test tests[] = {
	{ "format", test_format },
	{ "counts", test_counts },
	{ "lifetime", test_lifetime },
	{ "debugfs", test_debugfs },
	{ "pause", test_pause },
};

static const struct ksft_suite suite = KSFT_SUITE("stats", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
