// SPDX-License-Identifier: GPL-2.0-only
/*
 * Creates the virtual machine and its memory slots.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../uapi/khv.h"
#include "khv.h"
#include "machine/vm.h"

static const struct {
	unsigned int cap;
	const char *name;
} required_caps[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR" },
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
};

/* What to do when the device cannot be opened. */
static const char *open_advice(const char *accel, int err)
{
	bool ours = !strcmp(accel, KHV_DEFAULT_ACCEL);

	switch (err) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return ours ? "load the module: modprobe khv; 'khv doctor' says what is missing"
			    : "is the hypervisor's module loaded?";
	case EACCES:
	case EPERM:
		return "join the group that owns it, usually kvm; 'khv doctor' has the command";
	case EBUSY:
		return "another hypervisor owns the processor; 'khv doctor' names it";
	default:
		return ours ? "'khv doctor' looks for the cause" : NULL;
	}
}

int khv_accel_open(const char *accel)
{
	int fd = open(accel, O_RDWR | O_CLOEXEC);
	int version;

	if (fd < 0)
		return khv_fail("open", accel, open_advice(accel, errno), "%m");

	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version < 0) {
		khv_fail("use", accel, "give /dev/khv or /dev/kvm to --accel",
			 "it is not a hypervisor device: %m");
		goto err_close;
	}
	if (version != KVM_API_VERSION) {
		khv_fail("use", accel, NULL, "its API version is %d, and this program speaks %d",
			 version, KVM_API_VERSION);
		goto err_close;
	}
	for (size_t i = 0; i < ARRAY_SIZE(required_caps); i++) {
		if (ioctl(fd, KVM_CHECK_EXTENSION, required_caps[i].cap) > 0)
			continue;
		khv_fail("use", accel, NULL, "it lacks %s", required_caps[i].name);
		goto err_close;
	}
	return fd;

err_close:
	close(fd);
	return -1;
}

static int add_slot(struct khv_vm *vm, uint32_t slot, uint64_t gpa, const uint8_t *hva,
		    uint64_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	if (size && ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		return khv_fail("add", "guest memory",
				"the processor may address less memory than that",
				"KVM_SET_USER_MEMORY_REGION: %m");
	return 0;
}

static int add_irqchips(struct khv_vm *vm)
{
	uint64_t identity_map = KHV_GPA_IDENTITY_MAP;
	/* Port 0x61 belongs to the PIT: kernels calibrate their clocks with it. */
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map))
		return khv_fail("set up", "the VM", NULL, "KVM_SET_IDENTITY_MAP_ADDR: %m");
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, (unsigned long)KHV_GPA_TSS))
		return khv_fail("set up", "the VM", NULL, "KVM_SET_TSS_ADDR: %m");
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0))
		return khv_fail("set up", "the VM", NULL, "KVM_CREATE_IRQCHIP: %m");
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit))
		return khv_fail("set up", "the VM", NULL, "KVM_CREATE_PIT2: %m");
	return 0;
}

int khv_vm_init(struct khv_vm *vm, const char *accel, uint64_t mem)
{
	struct khv_ram *ram = &vm->ram;

	vm->accel = accel;
	vm->dev = khv_accel_open(accel);
	if (vm->dev < 0)
		return -1;
	if (khv_ram_init(ram, mem))
		goto err_dev;

	do {
		vm->fd = ioctl(vm->dev, KVM_CREATE_VM, 0);
	} while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0) {
		khv_fail("create", "a VM", open_advice(accel, errno),
			 "KVM_CREATE_VM on %s: %m", accel);
		goto err_ram;
	}
	if (add_irqchips(vm) || add_slot(vm, 0, 0, ram->base, ram->low_size) ||
	    add_slot(vm, 1, KHV_GPA_4G, ram->base + ram->low_size, ram->high_size))
		goto err_vm;
	return 0;

err_vm:
	close(vm->fd);
err_ram:
	khv_ram_uninit(ram);
err_dev:
	close(vm->dev);
	return -1;
}

void khv_vm_uninit(struct khv_vm *vm)
{
	close(vm->fd);
	khv_ram_uninit(&vm->ram);
	close(vm->dev);
}

bool khv_vm_has_real_mode(const struct khv_vm *vm)
{
	return ioctl(vm->dev, KVM_CHECK_EXTENSION, KHV_CAP_NO_REAL_MODE) <= 0;
}

void khv_vm_irq(struct khv_vm *vm, unsigned int gsi, bool level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	/* It fails only for a line that does not exist, and ours are constants. */
	(void)ioctl(vm->fd, KVM_IRQ_LINE, &irq);
}
