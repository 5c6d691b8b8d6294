// SPDX-License-Identifier: GPL-2.0-only
/*
 * Creates a vCPU and serves its exits: port I/O goes to the devices, all that
 * ends the run to stop.c. What a guest can do to this process is decided here.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../uapi/khv.h"
#include "khv.h"
#include "machine/vcpu.h"

int khv_vcpu_init(struct khv_vcpu *vcpu, struct khv_vm *vm, unsigned int id, unsigned int nr,
		  const struct khv_pio *pio, struct khv_stop *stop, struct khv_gate *gate)
{
	int size = ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (size < (int)sizeof(*vcpu->run))
		return khv_fail("create", "a vCPU", NULL,
				"KVM_GET_VCPU_MMAP_SIZE returned %d", size);
	*vcpu = (struct khv_vcpu){
		.vm = vm, .id = id, .nr = nr, .mailbox = id && !khv_vm_has_real_mode(vm),
		.run_size = (size_t)size, .pio = pio, .stop = stop, .gate = gate,
	};
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)id);
	if (vcpu->fd < 0)
		return khv_fail("create", "a vCPU", NULL, "KVM_CREATE_VCPU %u: %m", id);
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		close(vcpu->fd);
		return khv_fail("create", "a vCPU", NULL, "mmap of its state: %m");
	}
	return 0;
}

void khv_vcpu_uninit(struct khv_vcpu *vcpu)
{
	munmap(vcpu->run, vcpu->run_size);
	close(vcpu->fd);
}

static void handle_io(struct khv_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned int size = run->io.size;

	for (uint32_t i = 0; i < run->io.count; i++, data += size) {
		uint32_t value = 0;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, size);
			khv_pio_write(vcpu->pio, run->io.port, size, value);
		} else {
			value = khv_pio_read(vcpu->pio, run->io.port, size);
			memcpy(data, &value, size);
		}
	}
}

/* There is no device in the memory space: reads give all ones, writes get lost. */
static void handle_mmio(struct kvm_run *run)
{
	if (!run->mmio.is_write)
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
}

static void fail(struct khv_vcpu *vcpu, enum khv_stop_reason reason)
{
	khv_vcpu_dump(vcpu);
	khv_stop_request(vcpu->stop, reason);
}

static void handle_internal_error(struct khv_vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	unsigned int n = run->internal.ndata;

	if (n == 1 && run->internal.data[0] == KHV_ERROR_REAL_MODE) {
		khv_fail("run", "the guest", "with --append, keep Linux from it: no reboot=bios",
			 "it went to real mode, which %s cannot run on this processor",
			 vcpu->vm->accel);
		fail(vcpu, KHV_STOP_FAILURE);
		return;
	}
	khv_fail("run", "the guest", "this is a limit or a defect of the hypervisor",
		 "%s reports internal error %u", vcpu->vm->accel, run->internal.suberror);
	if (n > ARRAY_SIZE(run->internal.data))
		n = ARRAY_SIZE(run->internal.data);
	for (unsigned int i = 0; i < n; i++)
		khv_fail("run", "the guest", NULL, "error data %u is 0x%llx", i,
			 (unsigned long long)run->internal.data[i]);
	fail(vcpu, KHV_STOP_FAILURE);
}

static void handle_exit(struct khv_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(vcpu);
		break;
	case KVM_EXIT_MMIO:
		handle_mmio(run);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		break;
	case KVM_EXIT_SHUTDOWN:
		khv_fail("run", "the guest", "it crashed so badly that its own handlers failed",
			 "triple fault");
		fail(vcpu, KHV_STOP_CRASH);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		handle_internal_error(vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		khv_fail("run", "the guest", "the kernel's log has the details",
			 "the processor refuses to enter it, reason 0x%llx",
			 (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		fail(vcpu, KHV_STOP_FAILURE);
		break;
	default:
		khv_fail("run", "the guest", NULL,
			 "%s reports exit reason %u, which is not known here",
			 vcpu->vm->accel, run->exit_reason);
		fail(vcpu, KHV_STOP_FAILURE);
	}
}

static const char busy_advice[] =
	"another hypervisor has taken the processor; 'khv doctor' names it";

/* Wait while the machine is paused. The guest's watchdogs must not count that time. */
static void pass_gate(struct khv_vcpu *vcpu)
{
	/* EINVAL: the guest has no paravirtual clock, and so nowhere to be told. */
	if (khv_gate_pass(vcpu->gate))
		(void)ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
}

void khv_vcpu_run(struct khv_vcpu *vcpu)
{
	if (vcpu->mailbox && !khv_vcpu_wait_mailbox(vcpu))
		return;
	for (;;) {
		pass_gate(vcpu);
		if (khv_stop_reason(vcpu->stop) != KHV_STOP_NONE)
			return;
		if (!ioctl(vcpu->fd, KVM_RUN, 0)) {
			handle_exit(vcpu);
			continue;
		}
		/* EAGAIN: it waited for its start-up IPI, and now may have it. */
		if (errno == EINTR || errno == EAGAIN)
			continue;
		khv_fail("run", "the guest", errno == EBUSY ? busy_advice : NULL, "KVM_RUN: %m");
		fail(vcpu, KHV_STOP_FAILURE);
	}
}
