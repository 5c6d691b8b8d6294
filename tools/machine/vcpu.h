/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtual processor: its creation in the state that a kernel's 64-bit entry
 * point expects, and the loop that runs it and serves its exits.
 */
#ifndef KHV_TOOL_VCPU_H
#define KHV_TOOL_VCPU_H

#include <signal.h>
#include <stdbool.h>

#include "devices/pio.h"
#include "machine/gate.h"
#include "machine/stop.h"
#include "machine/vm.h"

/* Interrupts KVM_RUN and blocking writes of the vCPU's thread; has no other effect. */
#define KHV_KICK_SIGNAL SIGUSR1

/* What the tables and CPUID of this machine can describe. */
#define KHV_CPUS_MAX 64u

struct khv_vcpu {
	struct khv_vm *vm;
	unsigned int id;	/* APIC ID; 0 starts the machine */
	unsigned int nr;	/* vCPUs of the machine */
	bool mailbox;		/* waits for the mailbox, not for a start-up IPI */
	int fd;
	struct kvm_run *run;
	size_t run_size;
	const struct khv_pio *pio;
	struct khv_stop *stop;
	struct khv_gate *gate;
};

/*
 * Create vCPU @id of @nr in @vm. All but 0 wait for a start-up IPI. Returns 0, or -1
 * after a message.
 */
int khv_vcpu_init(struct khv_vcpu *vcpu, struct khv_vm *vm, unsigned int id, unsigned int nr,
		  const struct khv_pio *pio, struct khv_stop *stop, struct khv_gate *gate);
void khv_vcpu_uninit(struct khv_vcpu *vcpu);

/*
 * Give the vCPU its CPUID (cpuid.c), what firmware leaves in every processor, and the
 * first one the registers to enter a kernel at @entry with its boot parameters at
 * KHV_GPA_BOOT_PARAMS (entry.c). Each returns 0, or -1 after a message.
 */
int khv_vcpu_set_cpuid(struct khv_vcpu *vcpu);
int khv_vcpu_set_firmware(struct khv_vcpu *vcpu);
int khv_vcpu_set_entry(struct khv_vcpu *vcpu, uint64_t entry);
/* Tables for all others, once: one may still be on them while the next is woken. */
void khv_wakeup_prepare(const struct khv_ram *ram);
/* Another than the first: at @vector, as the multiprocessor wakeup mailbox demands. */
int khv_vcpu_set_wakeup(struct khv_vcpu *vcpu, uint64_t vector);

/* Wait until the guest wakes this vCPU by the mailbox (wakeup.c); false: the machine ends. */
bool khv_vcpu_wait_mailbox(struct khv_vcpu *vcpu);

/*
 * Run until somebody requests a stop, which may be this vCPU itself. In the
 * thread that is to receive KHV_KICK_SIGNAL.
 */
void khv_vcpu_run(struct khv_vcpu *vcpu);

/* Print the registers to standard error. */
void khv_vcpu_dump(struct khv_vcpu *vcpu);

#endif
