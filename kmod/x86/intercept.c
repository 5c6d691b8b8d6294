// SPDX-License-Identifier: GPL-2.0-only
/*
 * Intercepted instructions, as the guest sees them; see intercept.h.
 *
 * The rules are cr.c's, msr.c's and event.c's: here an instruction's operands
 * meet them, and its outcome becomes a step or a fault.
 */
#include <linux/kvm_para.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "mmu/shadow.h"
#include "mmu/walker.h"
#include "trace.h"
#include "vm/vm.h"
#include "x86/cpuid.h"
#include "x86/debug.h"
#include "x86/emulate.h"
#include "x86/intercept.h"
#include "x86/regs_inline.h"

/* "SDM, Debug Exceptions": bit 13 of DR7 arms it, the same bit of DR6 reports it. */
#define DR_GENERAL_DETECT	BIT(13)

int khv_intercept_done(struct khv_vcpu *vcpu, int fault)
{
	if (fault)
		khv_queue_gp(vcpu);
	else
		khv_skip_insn(vcpu);
	return RESUME_GUEST;
}

int khv_intercept_undefined(struct khv_vcpu *vcpu)
{
	khv_queue_ud(vcpu);
	return RESUME_GUEST;
}

static int mov_to_cr8(struct khv_vcpu *vcpu, u64 val)
{
	u64 old = khv_read_cr8(vcpu);
	int r = khv_intercept_done(vcpu, khv_write_cr8(vcpu, val));

	/* A client's own local APIC may wait for a lower priority. */
	if (vcpu->lapic || khv_read_cr8(vcpu) >= old)
		return r;
	vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
	return EXIT_TO_USER;
}

int khv_intercept_mov_to_cr(struct khv_vcpu *vcpu, unsigned int cr, unsigned int gpr)
{
	u64 val = khv_gpr(vcpu, gpr);

	if (!khv_64bit_code(vcpu))
		val = (u32)val;
	switch (cr) {
	case 0:
		return khv_intercept_done(vcpu, khv_write_cr0(vcpu, val));
	case 3:
		return khv_intercept_done(vcpu, khv_write_cr3(vcpu, val));
	case 4:
		return khv_intercept_done(vcpu, khv_write_cr4(vcpu, val));
	case 8:
		return mov_to_cr8(vcpu, val);
	default:
		return khv_intercept_undefined(vcpu);
	}
}

int khv_intercept_mov_from_cr(struct khv_vcpu *vcpu, unsigned int cr, unsigned int gpr)
{
	u64 val;

	switch (cr) {
	case 0:
		val = khv_cr0(vcpu);
		break;
	case 3:
		val = khv_cr3(vcpu);
		break;
	case 4:
		val = khv_cr4(vcpu);
		break;
	case 8:
		val = khv_read_cr8(vcpu);
		break;
	default:
		return khv_intercept_undefined(vcpu);
	}
	khv_set_gpr(vcpu, gpr, khv_64bit_code(vcpu) ? val : (u32)val);
	return khv_intercept_done(vcpu, 0);
}

int khv_intercept_clts(struct khv_vcpu *vcpu)
{
	return khv_intercept_done(vcpu, khv_write_cr0(vcpu, khv_cr0(vcpu) & ~(u64)X86_CR0_TS));
}

int khv_intercept_lmsw(struct khv_vcpu *vcpu, u16 msw)
{
	/* It loads the low four bits and cannot clear PE. */
	u64 cr0 = (khv_cr0(vcpu) & ~0xeULL) | (msw & 15);

	return khv_intercept_done(vcpu, khv_write_cr0(vcpu, cr0));
}

int khv_intercept_mov_dr(struct khv_vcpu *vcpu, unsigned int dr, unsigned int gpr, bool read)
{
	u64 val;
	int r = khv_read_dr(vcpu, dr, &val);

	/* "SDM, Relative Priority of Faults and VM Exits": CR4.DE, CPL, then DR7.GD. */
	if (r)
		return khv_intercept_undefined(vcpu);
	if (khv_hw->get_cpl(vcpu))
		return khv_intercept_done(vcpu, 1);
	if (unlikely(vcpu->debug.hw_dr7 & DR_GENERAL_DETECT)) {
		if (vcpu->debug.control & KVM_GUESTDBG_USE_HW_BP)
			khv_debug_report(vcpu, X86_TRAP_DB, DR_GENERAL_DETECT);
		else
			khv_queue_db(vcpu, DR_GENERAL_DETECT);
		return RESUME_GUEST;
	}
	if (read) {
		khv_set_gpr(vcpu, gpr, val);
	} else {
		val = khv_gpr(vcpu, gpr);
		r = khv_write_dr(vcpu, dr, khv_64bit_code(vcpu) ? val : (u32)val);
	}
	return khv_intercept_done(vcpu, r);
}

int khv_intercept_xsetbv(struct khv_vcpu *vcpu)
{
	u64 val = (u32)vcpu->regs.gpr[KHV_RAX] | vcpu->regs.gpr[KHV_RDX] << 32;

	/* Not every hypervisor below khv checks CPL before this exit. */
	return khv_intercept_done(vcpu, khv_hw->get_cpl(vcpu) || (u32)vcpu->regs.gpr[KHV_RCX] ||
					khv_write_xcr0(vcpu, val));
}

int khv_intercept_hypercall(struct khv_vcpu *vcpu)
{
	const u64 *gpr = vcpu->regs.gpr;
	bool wide = khv_64bit_code(vcpu);
	u64 nr = wide ? gpr[KHV_RAX] : (u32)gpr[KHV_RAX];
	u64 ret;

	vcpu->stats.hypercalls++;
	trace_khv_hypercall(vcpu->id, gpr[KHV_RAX], gpr[KHV_RBX], gpr[KHV_RCX], gpr[KHV_RDX],
			    gpr[KHV_RSI]);
	if (khv_hw->get_cpl(vcpu))
		ret = -(u64)KVM_EPERM;
	else
		ret = khv_pv_hypercall(vcpu, nr, wide);
	vcpu->regs.gpr[KHV_RAX] = wide ? ret : (u32)ret;
	return khv_intercept_done(vcpu, 0);
}

int khv_intercept_monitor(struct khv_vcpu *vcpu)
{
	/* As on KVM, guests that were told of no MWAIT may use it: it waits for nothing. */
	if (!khv_has(vcpu, MWAIT) && !khv_quirk(vcpu->vm, KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS))
		return khv_intercept_undefined(vcpu);
	return khv_intercept_done(vcpu, 0);
}

int khv_intercept_ud(struct khv_vcpu *vcpu, u8 native)
{
	const u8 other[] = { 0x0f, 0x01, KHV_VMCALL ^ KHV_VMMCALL ^ native };
	u32 user = khv_hw->get_cpl(vcpu) == 3 ? KHV_ACCESS_USER : 0;
	gva_t gva = khv_linear_rip(vcpu);
	struct khv_walk walk;
	unsigned int i;
	u8 byte;
	int r;

	if (!khv_quirk(vcpu->vm, KVM_X86_QUIRK_FIX_HYPERCALL_INSN))
		return khv_intercept_undefined(vcpu);
	for (i = 0; i < sizeof(other); i++) {
		if (khv_walk(vcpu, gva + i, user | KHV_ACCESS_FETCH, &walk) ||
		    khv_gpa_read(vcpu->vm, walk.gpa, &byte, 1) || byte != other[i])
			return khv_intercept_undefined(vcpu);
	}
	/* The last byte makes the difference. The guest's right to write it counts, as on KVM. */
	gva += sizeof(other) - 1;
	r = khv_walk(vcpu, gva, user | KHV_ACCESS_WRITE, &walk);
	if (r > 0)
		khv_queue_pf(vcpu, gva, walk.error_code);
	else if (r || khv_gpa_write(vcpu->vm, walk.gpa, &native, 1))
		khv_queue_ud(vcpu);
	return RESUME_GUEST;
}

int khv_intercept_hlt(struct khv_vcpu *vcpu)
{
	vcpu->stats.halt_exits++;
	khv_skip_insn(vcpu);
	if (vcpu->lapic) {
		vcpu->mp_state = KVM_MP_STATE_HALTED;
		return RESUME_GUEST;
	}
	vcpu->run->exit_reason = KVM_EXIT_HLT;
	return EXIT_TO_USER;
}

int khv_intercept_shutdown(struct khv_vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return EXIT_TO_USER;
}

int khv_intercept_mmio(struct khv_vcpu *vcpu, gpa_t gpa, u64 reason, u64 info)
{
	if (unlikely(vcpu->events.active.kind != KHV_EVENT_NONE)) {
		u64 data[] = { vcpu->events.active.vector, reason, info, gpa };

		return khv_internal_error(vcpu, KVM_INTERNAL_ERROR_DELIVERY_EV,
					  ARRAY_SIZE(data), data);
	}
	return khv_emulate_insn(vcpu, gpa);
}

int khv_intercept_page_fault(struct khv_vcpu *vcpu, gva_t gva, u32 error_code, u64 reason)
{
	gpa_t gpa;
	int r = khv_shadow_fault(vcpu, gva, error_code, &gpa);

	return r == KHV_FAULT_EMULATE ? khv_intercept_mmio(vcpu, gpa, reason, gva) : r;
}

int khv_intercept_invlpg(struct khv_vcpu *vcpu, gva_t gva)
{
	khv_shadow_invlpg(vcpu, gva);
	return khv_intercept_done(vcpu, 0);
}
