// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port I/O of a vCPU: in-kernel devices first, then KVM_EXIT_IO.
 *
 * Plain IN and OUT need no decoder and take a short way of their own; string
 * instructions come through the emulator (emulate.c).
 */
#include <linux/kvm.h>
#include <linux/string.h>
#include <asm/processor-flags.h>

#include "emul/emul.h"
#include "mmu/mmu.h"
#include "trace.h"
#include "vm/bus.h"
#include "vm/vcpu.h"
#include "x86/emulate.h"
#include "x86/event.h"
#include "x86/regs_inline.h"

/* SDM, "Task-State Segment": where the I/O map base address is. */
#define TSS_IO_MAP_BASE	102
#define TSS_TYPE_32BIT	8

static void start(struct khv_vcpu *vcpu, u16 port, u32 size, u32 count, bool in)
{
	struct khv_emulate *e = &vcpu->emulate;

	e->pio_port = port;
	e->pio_size = size;
	e->pio_count = count;
	e->pio_in = in;
	e->pio_pending = true;
}

void khv_emulate_port_exit(struct khv_vcpu *vcpu)
{
	const struct khv_emulate *e = &vcpu->emulate;
	struct kvm_run *run = vcpu->run;
	u64 data = 0;

	if (trace_khv_pio_enabled()) {
		if (!e->pio_in)
			memcpy(&data, vcpu->pio_data, e->pio_size);
		trace_khv_pio(vcpu->id, !e->pio_in, e->pio_port, e->pio_size, e->pio_count, data,
			      false);
	}
	vcpu->stats.io_exits++;
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = e->pio_in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = e->pio_size;
	run->io.port = e->pio_port;
	run->io.count = e->pio_count;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
}

int khv_emulate_port_in(struct khv_emul *em, u16 port, u32 size, void *buf, u32 count)
{
	struct khv_vcpu *vcpu = khv_emulate_vcpu(em);
	struct khv_emulate *e = &vcpu->emulate;
	u32 i;

	if (e->pio_answered && e->pio_in && e->pio_port == port &&
	    e->pio_size == size && e->pio_count == count) {
		e->pio_answered = false;
		em->yield = true;
		if (buf != vcpu->pio_data)
			memcpy(buf, vcpu->pio_data, size * count);
		return KHV_EMUL_OK;
	}
	for (i = 0; i < count; i++, buf += size) {
		if (!khv_bus_read(vcpu, KHV_BUS_PIO, port, size, buf))
			continue;
		if (!i)
			goto client;
		/* The device went away in the middle: an empty bus. */
		memset(buf, 0xff, size);
	}
	return KHV_EMUL_OK;
client:
	start(vcpu, port, size, count, true);
	return KHV_EMUL_IO_NEEDED;
}

int khv_emulate_port_out(struct khv_emul *em, u16 port, u32 size, const void *buf, u32 count)
{
	struct khv_vcpu *vcpu = khv_emulate_vcpu(em);
	u32 i;

	for (i = 0; i < count; i++)
		if (khv_bus_write(vcpu, KHV_BUS_PIO, port, size, buf + i * size))
			goto client;
	return KHV_EMUL_OK;
client:
	/* The rest: a ring of coalesced writes can be full in the middle. */
	memmove(vcpu->pio_data, buf + i * size, size * (count - i));
	start(vcpu, port, size, count - i, false);
	em->yield = true;
	return KHV_EMUL_OK;
}

/* SDM, "I/O Permission Bit Map": all bits of the range must be clear. */
int khv_emulate_port_permitted(struct khv_emul *em, u16 port, u32 size)
{
	struct khv_vcpu *vcpu = khv_emulate_vcpu(em);
	struct kvm_segment tr;
	u16 base, bits;
	int rc;

	khv_hw->get_segment(vcpu, KHV_SEG_TR, &tr);
	if (tr.unusable || !(tr.type & TSS_TYPE_32BIT) ||
	    tr.limit < TSS_IO_MAP_BASE + sizeof(base) - 1)
		return khv_emul_fault(em, 13, 0);
	rc = khv_emulate_read_virt(em, tr.base + TSS_IO_MAP_BASE, &base, sizeof(base), 0);
	if (rc)
		return rc;
	/* The processor always reads two bytes, for a range across a boundary. */
	if ((u32)base + port / 8 + 1 > tr.limit)
		return khv_emul_fault(em, 13, 0);
	rc = khv_emulate_read_virt(em, tr.base + base + port / 8, &bits, sizeof(bits), 0);
	if (rc)
		return rc;
	if (bits & (((1u << size) - 1) << (port & 7)))
		return khv_emul_fault(em, 13, 0);
	return KHV_EMUL_OK;
}

static void set_acc(struct khv_vcpu *vcpu, const void *data, unsigned int size)
{
	u64 rax = khv_gpr(vcpu, KHV_RAX);

	/* A 32-bit result clears the upper half, smaller ones keep the rest. */
	if (size == 4)
		rax = 0;
	memcpy(&rax, data, size);
	khv_set_gpr(vcpu, KHV_RAX, rax);
}

static int complete_in(struct khv_vcpu *vcpu)
{
	struct khv_emulate *e = &vcpu->emulate;

	vcpu->complete_user = NULL;
	e->pio_pending = false;
	/* Unless the client has sent the vCPU somewhere else meanwhile. */
	if (khv_rip(vcpu) != e->rip)
		return RESUME_GUEST;
	set_acc(vcpu, vcpu->pio_data, e->pio_size);
	khv_skip_insn(vcpu);
	return RESUME_GUEST;
}

int khv_emulate_pio(struct khv_vcpu *vcpu, u16 port, unsigned int size, bool in)
{
	struct khv_emulate *e = &vcpu->emulate;
	u64 val = in ? 0 : khv_gpr(vcpu, KHV_RAX);

	if (in ? !khv_bus_read(vcpu, KHV_BUS_PIO, port, size, &val) :
		 !khv_bus_write(vcpu, KHV_BUS_PIO, port, size, &val)) {
		if (in)
			set_acc(vcpu, &val, size);
		khv_skip_insn(vcpu);
		return RESUME_GUEST;
	}
	start(vcpu, port, size, 1, in);
	if (!in)
		memcpy(vcpu->pio_data, &val, size);
	khv_emulate_port_exit(vcpu);
	if (in) {
		e->rip = khv_rip(vcpu);
		vcpu->complete_user = complete_in;
		return EXIT_TO_USER;
	}
	e->pio_pending = false;
	khv_skip_insn(vcpu);
	return EXIT_TO_USER;
}
