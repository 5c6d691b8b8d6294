// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pauses the machine: its vCPUs leave the guest and wait at the gate, and the guest's
 * clock stands still until they go on. Each vCPU then tells its guest's watchdogs that it
 * was away (vcpu.c). All of this in the I/O thread.
 *
 * Wall-clock time passes meanwhile: the guest's own lags by the length of the pause, and the
 * clock at ports 0x70 and 0x71 tells the true one.
 */
#include <sys/ioctl.h>

#include "khv.h"
#include "machine/pc.h"

void khv_pause_begin(struct khv_pc *pc)
{
	if (khv_gate_is_closed(&pc->gate))
		return;
	khv_gate_close(&pc->gate);
	khv_threads_kick(pc);
}

bool khv_pause_continue(struct khv_pc *pc)
{
	if (!khv_gate_is_closed(&pc->gate) || pc->paused)
		return pc->paused;
	if (!khv_gate_all_wait(&pc->gate)) {
		/* A kick that arrives just before a system call has no effect. */
		khv_threads_kick(pc);
		return false;
	}
	pc->paused = true;
	pc->clock_saved = !ioctl(pc->vm.fd, KVM_GET_CLOCK, &pc->clock);
	return true;
}

void khv_pause_end(struct khv_pc *pc)
{
	/* Neither offset to the host's clock nor flags of what is valid: the value alone. */
	struct kvm_clock_data clock = { .clock = pc->clock.clock };

	if (pc->clock_saved)
		(void)ioctl(pc->vm.fd, KVM_SET_CLOCK, &clock);
	pc->clock_saved = false;
	pc->paused = false;
	khv_gate_open(&pc->gate);
}
