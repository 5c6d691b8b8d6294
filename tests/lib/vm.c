// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs, memory and descriptors: the part of vm.h that has no vCPU.
 */
#include "vm.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ksft.h"

/* Where clients put the three pages that VMX without unrestricted guest needs. */
#define TSS_ADDRESS	0xfffbd000UL

int try_ioctl(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

int try_ioctl_value(int fd, unsigned long request, unsigned long arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

void *memory_map(size_t size, bool huge)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT(p != MAP_FAILED, "%zu bytes: %s", size, strerror(errno));
	madvise(p, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return p;
}

int memory_pager(void *p, size_t size)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)p, size }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
		ksft_skip("no userfaultfd: %s", strerror(errno));
	ASSERT(!ioctl(uffd, UFFDIO_REGISTER, &reg), "%s", strerror(errno));
	return uffd;
}

bool host_is_tcg(void)
{
	uint32_t r[4];

	__cpuid(0x40000000, r[0], r[1], r[2], r[3]);
	return !memcmp(&r[1], "TCGTCGTCGTCG", 12);
}

/* Whether the first line of @file that begins with @key has @word in it. */
static bool file_says(const char *file, const char *key, const char *word)
{
	char line[4096], *found = NULL;
	FILE *f = fopen(file, "r");

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			found = line;
	fclose(f);
	return found && strstr(found, word);
}

bool host_is_vmx(void)
{
	return file_says("/proc/cpuinfo", "vmx flags", "");
}

bool host_runs_real_mode(void)
{
	if (strcmp(ksft_device, "/dev/khv") || !host_is_vmx())
		return true;
	return file_says("/proc/cpuinfo", "vmx flags", "unrestricted_guest") &&
	       !file_says("/sys/module/khv/parameters/nested_paging", "N", "");
}

bool host_has_nested_paging(void)
{
	const char *parameters = !strcmp(ksft_device, "/dev/khv") ?
		"/sys/module/khv/parameters/nested_paging" :
		host_is_vmx() ? "/sys/module/kvm_intel/parameters/ept" :
				"/sys/module/kvm_amd/parameters/npt";

	if (file_says(parameters, "N", ""))
		return false;
	return host_is_vmx() ? file_says("/proc/cpuinfo", "vmx flags", " ept") :
			       file_says("/proc/cpuinfo", "flags", " npt");
}

bool host_virtualizes_x2apic(void)
{
	return !strcmp(ksft_device, "/dev/khv") && host_is_vmx() &&
	       file_says("/sys/module/khv/parameters/apicv", "Y", "");
}

bool host_has_posted_interrupts(void)
{
	return file_says("/proc/cpuinfo", "vmx flags", "posted_intr");
}

void need_race(void)
{
	if (!host_is_tcg() && sysconf(_SC_NPROCESSORS_ONLN) < 2)
		ksft_skip("one processor, and perhaps Bochs, which loses the host's timer");
}

int dev_open(void)
{
	int dev = open(ksft_device, O_RDWR | O_CLOEXEC);

	ASSERT(dev >= 0, "%s: %s", ksft_device, strerror(errno));
	return dev;
}

int dev_check_extension(int dev, long capability)
{
	return try_ioctl_value(dev, KVM_CHECK_EXTENSION, capability);
}

int vm_check_extension(struct vm *vm, long capability)
{
	return try_ioctl_value(vm->fd, KVM_CHECK_EXTENSION, capability);
}

void vm_need(struct vm *vm, long capability, const char *name)
{
	if (vm_check_extension(vm, capability) <= 0)
		ksft_skip("%s offers no %s", ksft_device, name);
}

static void create_irqchip(struct vm *vm, unsigned int flags)
{
	struct kvm_pit_config pit = { .flags = 0 };

	if (flags & VM_IRQCHIP)
		ASSERT_EQ(try_ioctl_value(vm->fd, KVM_CREATE_IRQCHIP, 0), 0);
	if (flags & VM_PIT)
		ASSERT_EQ(try_ioctl(vm->fd, KVM_CREATE_PIT2, &pit), 0);
}

struct vm *vm_create(size_t ram_size, unsigned int flags)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	ASSERT(vm);
	vm->dev = dev_open();
	vm->fd = try_ioctl_value(vm->dev, KVM_CREATE_VM, 0);
	ASSERT(vm->fd >= 0, "KVM_CREATE_VM: %s", strerror(-vm->fd));
	if (vm_check_extension(vm, KVM_CAP_SET_TSS_ADDR) > 0)
		ASSERT_EQ(try_ioctl_value(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDRESS), 0);
	create_irqchip(vm, flags);

	if (ram_size) {
		vm->ram_size = ram_size;
		vm->ram = memory_map(ram_size, false);
		vm_set_slot(vm, 0, 0, 0, ram_size, vm->ram);
	}
	return vm;
}

void vm_destroy(struct vm *vm)
{
	close(vm->fd);
	close(vm->dev);
	if (vm->ram)
		munmap(vm->ram, vm->ram_size);
	free(vm);
}

int try_set_slot(struct vm *vm, unsigned int slot, unsigned int flags, uint64_t gpa,
		 uint64_t size, void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return try_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

void vm_set_slot(struct vm *vm, unsigned int slot, unsigned int flags, uint64_t gpa,
		 uint64_t size, void *hva)
{
	int ret = try_set_slot(vm, slot, flags, gpa, size, hva);

	ASSERT(ret == 0, "slot %u at %#llx: %s", slot, (unsigned long long)gpa, strerror(-ret));
}

void vm_irq_line(struct vm *vm, unsigned int gsi, int level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	ASSERT_EQ(try_ioctl(vm->fd, KVM_IRQ_LINE, &irq), 0);
}

int try_route_msi(struct vm *vm, uint32_t gsi, uint32_t data)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} routing = {
		.head.nr = 1,
		.entry = {
			.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = 0xfee00000, .data = data },
		},
	};

	return try_ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routing);
}
