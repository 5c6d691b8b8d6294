// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a guest starts further processors where they cannot run real mode, and so no
 * start-up IPI has a use: the ACPI Specification's "Multiprocessor Wakeup Structure".
 *
 * The guest writes a processor's APIC ID and an address into a mailbox; who waits there
 * goes to that address in long mode, once. On a real machine firmware waits in a loop;
 * here the vCPU's own thread does, outside the guest.
 */
#include <stdint.h>
#include <time.h>

#include "machine/vcpu.h"

/* How long it looks away: twice as long each time, as many are never woken. */
#define POLL_FIRST_NS	1000000l
#define POLL_LAST_NS	64000000l
#define COMMAND_NONE	0
#define COMMAND_WAKEUP	1

struct mailbox {
	uint16_t command;
	uint16_t reserved;
	uint32_t apic_id;
	uint64_t vector;
};

bool khv_vcpu_wait_mailbox(struct khv_vcpu *vcpu)
{
	struct timespec interval = { .tv_nsec = POLL_FIRST_NS };
	struct mailbox *box = khv_ram_ptr(&vcpu->vm->ram, KHV_GPA_MAILBOX, sizeof(*box));

	while (khv_gate_pass(vcpu->gate) || khv_stop_reason(vcpu->stop) == KHV_STOP_NONE) {
		/* The guest writes the command last, and waits until it is gone. */
		if (__atomic_load_n(&box->command, __ATOMIC_ACQUIRE) == COMMAND_WAKEUP &&
		    __atomic_load_n(&box->apic_id, __ATOMIC_RELAXED) == vcpu->id) {
			uint64_t vector = __atomic_load_n(&box->vector, __ATOMIC_RELAXED);

			if (khv_vcpu_set_wakeup(vcpu, vector)) {
				khv_stop_request(vcpu->stop, KHV_STOP_FAILURE);
				return false;
			}
			__atomic_store_n(&box->command, COMMAND_NONE, __ATOMIC_RELEASE);
			return true;
		}
		nanosleep(&interval, NULL);
		if (interval.tv_nsec < POLL_LAST_NS)
			interval.tv_nsec *= 2;
	}
	return false;
}
