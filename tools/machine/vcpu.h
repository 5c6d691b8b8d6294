/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtual processor: its creation in the state that a kernel's 64-bit entry
 * point expects, and the loop that runs it and serves its exits.
 */
#ifndef KHV_TOOL_VCPU_H
#define KHV_TOOL_VCPU_H

#include <signal.h>

#include "devices/pio.h"
#include "machine/stop.h"
#include "machine/vm.h"

/* Interrupts KVM_RUN and blocking writes of the vCPU's thread; has no other effect. */
#define KHV_KICK_SIGNAL SIGUSR1

struct khv_vcpu {
	struct khv_vm *vm;
	int fd;
	struct kvm_run *run;
	size_t run_size;
	const struct khv_pio *pio;
	struct khv_stop *stop;
};

/* Returns 0, or -1 after a message. */
int khv_vcpu_init(struct khv_vcpu *vcpu, struct khv_vm *vm, const struct khv_pio *pio,
		  struct khv_stop *stop);
void khv_vcpu_uninit(struct khv_vcpu *vcpu);

/*
 * Give the vCPU its CPUID and the registers to enter a kernel at @entry with
 * its boot parameters at KHV_GPA_BOOT_PARAMS (cpuid.c, entry.c). Each returns 0,
 * or -1 after a message.
 */
int khv_vcpu_set_cpuid(struct khv_vcpu *vcpu);
int khv_vcpu_set_entry(struct khv_vcpu *vcpu, uint64_t entry);

/*
 * Run until somebody requests a stop, which may be this vCPU itself. In the
 * thread that is to receive KHV_KICK_SIGNAL.
 */
void khv_vcpu_run(struct khv_vcpu *vcpu);

/* Print the registers to standard error. */
void khv_vcpu_dump(struct khv_vcpu *vcpu);

#endif
