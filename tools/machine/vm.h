/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtual machine as the hypervisor device knows it: the file descriptors,
 * memory slots and in-kernel interrupt controllers. The same code drives
 * /dev/khv and /dev/kvm.
 */
#ifndef KHV_TOOL_VM_H
#define KHV_TOOL_VM_H

#include <linux/kvm.h>
#include <stdbool.h>

#include "machine/ram.h"

struct khv_vm {
	const char *accel;	/* path of the device; not owned */
	int dev;		/* the device itself */
	int fd;			/* the VM */
	struct khv_ram ram;
};

/*
 * Open @accel and make sure that it speaks the ABI and has what khv_vm_init()
 * needs. Returns the file descriptor, or -1 after a message.
 */
int khv_accel_open(const char *accel);

/*
 * Create a VM with @mem bytes of RAM, PIC, I/O APIC and PIT. Returns 0, or -1
 * after a message.
 */
int khv_vm_init(struct khv_vm *vm, const char *accel, uint64_t mem);
void khv_vm_uninit(struct khv_vm *vm);

/* False where the processor cannot execute a guest's real mode. */
bool khv_vm_has_real_mode(const struct khv_vm *vm);

/* Drive interrupt line @gsi. Any thread. */
void khv_vm_irq(struct khv_vm *vm, unsigned int gsi, bool level);

#endif
