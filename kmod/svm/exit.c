// SPDX-License-Identifier: GPL-2.0-only
/*
 * What follows a VM exit: one switch for what can be handled in place, with
 * interrupts off, and one for the rest, which may sleep.
 *
 * Each case calls the code that knows the guest's side; here is only what it
 * takes to find out which instruction it was where the processor does not tell.
 */
#include <asm/trapnr.h>
#include <uapi/asm/debugreg.h>

#include "emul/emul.h"
#include "mmu/mmu.h"
#include "svm/svm.h"
#include "vm/vm.h"
#include "x86/emulate.h"
#include "x86/intercept.h"
#include "x86/msr.h"
#include "x86/regs_inline.h"
#include "x86/task.h"

/* Exit codes are 64 bits wide; the lower half tells them apart (svm_entry_failed()). */
#define EXIT_INVALID		((u32)SVM_EXIT_ERR)
#define EXIT_EXCEPTION(n)	(SVM_EXIT_EXCP_BASE + (n))

/* EXITINFO1 of MOV to and from a control register: it is one, and not CLTS, LMSW or SMSW. */
#define CR_MOV			BIT_ULL(63)
#define OPERAND_GPR		0xf

/* EXITINFO1 of an I/O instruction. */
#define IO_IN			BIT(0)
#define IO_STRING		BIT(2)

/* EXITINFO2 of a task switch. */
#define TASK_IRET		BIT_ULL(36)
#define TASK_JMP		BIT_ULL(38)

#define DR6_GENERAL_DETECT	BIT(13)
#define DR6_CAUSES		(DR_TRAP_BITS | DR_STEP | DR_SWITCH | DR6_GENERAL_DETECT)

static int fast_db(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 dr6 = svm->vmcb->dr6 & DR6_CAUSES;
	bool ours = svm->stepping && (dr6 & DR_STEP);

	khv_svm_note_progress(vcpu, dr6 & DR_STEP);
	/* What is reported is noted; the next #DB starts afresh. */
	khv_svm_clear_dr6(svm);
	if (ours && !(vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP))
		dr6 &= ~(u64)DR_STEP;
	if (ours && !dr6)
		return RESUME_GUEST;
	if (unlikely(khv_debug_takes_db(vcpu)))
		khv_debug_report(vcpu, X86_TRAP_DB, dr6);
	else
		khv_queue_db(vcpu, dr6);
	return RESUME_GUEST;
}

static int fast_msr_exit(struct khv_vcpu *vcpu)
{
	if (!khv_svm_knows_insn(vcpu) || !khv_msr_is_fast(vcpu->regs.gpr[KHV_RCX]))
		return EXIT_SLOW;
	return to_svm(vcpu)->vmcb->exitinfo1 & 1 ? khv_msr_emulate_write(vcpu) :
						   khv_msr_emulate_read(vcpu);
}

/* With one address twice in the TLB nobody knows what the guest did since. */
static int fast_machine_check(struct khv_vcpu *vcpu)
{
	if (unlikely(khv_svmon_multi_match())) {
		pr_err_ratelimited("a guest ran into AMD's erratum 383 and ends\n");
		khv_request(vcpu, KHV_REQ_TRIPLE_FAULT);
		return RESUME_GUEST;
	}
	khv_host_machine_check();
	return RESUME_GUEST;
}

int khv_svm_exit_fast(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	switch (svm->vmcb->exitcode) {
	case SVM_EXIT_CPUID:
		if (!khv_svm_knows_insn(vcpu))
			return EXIT_SLOW;
		khv_cpuid_emulate(vcpu);
		khv_svm_skip_insn(vcpu);
		return RESUME_GUEST;
	case SVM_EXIT_MSR:
		return fast_msr_exit(vcpu);
	case SVM_EXIT_INTR:
		return khv_hw->region_irq_window(vcpu) ? RESUME_GUEST : EXIT_SLOW;
	case SVM_EXIT_VINTR:
		khv_svm_close_window(svm);
		khv_request(vcpu, KHV_REQ_EVENT);
		return RESUME_GUEST;
	case SVM_EXIT_NMI:
	case SVM_EXIT_SMI:
	case SVM_EXIT_INIT:
		/* Still pending: the host has taken it when enter.S set GIF. */
		return RESUME_GUEST;
	case SVM_EXIT_IRET:
		khv_svm_before_iret(vcpu);
		return RESUME_GUEST;
	case EXIT_EXCEPTION(X86_TRAP_MC):
		return fast_machine_check(vcpu);
	case EXIT_EXCEPTION(X86_TRAP_DB):
		return fast_db(vcpu);
	case EXIT_EXCEPTION(X86_TRAP_BP):
		vcpu->debug.insn_len = svm_caps.nrips ? svm->vmcb->nrip - svm->vmcb->rip : 0;
		khv_debug_report(vcpu, X86_TRAP_BP, 0);
		return RESUME_GUEST;
	case SVM_EXIT_READ_DR0 ... SVM_EXIT_WRITE_DR7:
		/*
		 * Not while a debugger uses them, or wants to see each instruction, nor where a
		 * step of khv's own would set DR6.BS in the guest's.
		 */
		if (unlikely(vcpu->debug.control || svm->stepping))
			return EXIT_SLOW;
		khv_svm_open_drs(vcpu);
		return RESUME_GUEST;
	case EXIT_EXCEPTION(X86_TRAP_AC):
		khv_queue_exception_e(vcpu, X86_TRAP_AC, svm->vmcb->exitinfo1);
		return RESUME_GUEST;
	default:
		return EXIT_SLOW;
	}
}

static int unexpected(struct khv_vcpu *vcpu)
{
	const struct khv_vmcb *vmcb = to_svm(vcpu)->vmcb;
	u64 data[] = { vmcb->exitcode, raw_smp_processor_id(), vmcb->exitinfo1 };

	khv_svm_dump(vcpu);
	return khv_internal_error(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
				  ARRAY_SIZE(data), data);
}

/* Nothing in the VMCB is the guest's any more. */
static void start_over(struct khv_vcpu *vcpu)
{
	memset(vcpu->msrs.switched, 0, sizeof(vcpu->msrs.switched));
	khv_svm_vmcb_setup(vcpu);
	khv_vcpu_reset(vcpu, true);
	khv_hw->set_msr(vcpu, MSR_IA32_CR_PAT, vcpu->msrs.pat);
	khv_hw->update_guest(vcpu);
}

/*
 * A processor leaves the VMCB as it was. QEMU stores the host's state in it, which
 * clients must not see, and no controls, so that the host's interrupts would depend
 * on the guest's IF from then on.
 */
static int failed_entry(struct khv_vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	vcpu->run->fail_entry.hardware_entry_failure_reason = to_svm(vcpu)->vmcb->exitcode;
	vcpu->run->fail_entry.cpu = vcpu->cpu;
	khv_svm_dump(vcpu);
	if (to_svm(vcpu)->clobbered)
		start_over(vcpu);
	return EXIT_TO_USER;
}

/* Where in the guest's linear address space the instruction's memory operand is. */
static gva_t operand_gva(struct khv_vcpu *vcpu, const struct khv_emul_insn *insn)
{
	struct kvm_segment seg;
	bool code64 = khv_64bit_code(vcpu);
	gva_t gva = insn->mem.ea;

	khv_hw->get_segment(vcpu, insn->mem.seg, &seg);
	if (!code64 || insn->mem.seg >= KHV_EMUL_FS)
		gva += seg.base;
	return code64 ? gva : (u32)gva;
}

/* The group that SMSW, LMSW and INVLPG are in. */
static int group7(const struct khv_emul_insn *insn)
{
	return insn->opcode == 1 ? (insn->modrm >> 3) & 7 : -1;
}

static int handle_lmsw(struct khv_vcpu *vcpu, const struct khv_emul_insn *insn)
{
	u16 msw;

	if (insn->modrm >> 6 == 3)
		msw = khv_gpr(vcpu, khv_emul_rm(insn));
	else if (khv_emulate_operand(vcpu, &msw, sizeof(msw), false))
		return RESUME_GUEST;
	return khv_intercept_lmsw(vcpu, msw);
}

/* Only while CR0 is not what the guest thinks. Memory gets 16 bits, whatever the operand size. */
static int handle_smsw(struct khv_vcpu *vcpu, const struct khv_emul_insn *insn)
{
	unsigned int gpr = khv_emul_rm(insn);
	u64 val = khv_cr0(vcpu);

	if (insn->modrm >> 6 != 3) {
		if (khv_emulate_operand(vcpu, &val, sizeof(u16), true))
			return RESUME_GUEST;
		return khv_intercept_done(vcpu, 0);
	}
	if (insn->opsize == 2)
		val = (khv_gpr(vcpu, gpr) & ~0xffffULL) | (u16)val;
	khv_set_gpr(vcpu, gpr, val);
	return khv_intercept_done(vcpu, 0);
}

/* An access to CR0 that is no MOV. One that is none of these has changed since: try again. */
static int handle_msw(struct khv_vcpu *vcpu, const struct khv_emul_insn *insn, bool write)
{
	if (insn->map != 1)
		return RESUME_GUEST;
	if (write && insn->opcode == 6)
		return khv_intercept_clts(vcpu);
	if (write && group7(insn) == 6)
		return handle_lmsw(vcpu, insn);
	if (!write && group7(insn) == 4)
		return handle_smsw(vcpu, insn);
	return RESUME_GUEST;
}

static int handle_cr(struct khv_vcpu *vcpu)
{
	const struct svm_vcpu *svm = to_svm(vcpu);
	const struct khv_emul_insn *insn = svm->insn;
	u64 code = svm->vmcb->exitcode;
	bool write = code >= SVM_EXIT_WRITE_CR0;
	unsigned int cr = code == SVM_EXIT_CR0_SEL_WRITE ? 0 : code & 15;
	unsigned int gpr;

	if (!insn)
		gpr = svm->vmcb->exitinfo1 & OPERAND_GPR;
	else if (insn->map == 1 && insn->opcode == (write ? 0x22 : 0x20))
		gpr = khv_emul_rm(insn);
	else
		return cr ? RESUME_GUEST : handle_msw(vcpu, insn, write);
	return write ? khv_intercept_mov_to_cr(vcpu, cr, gpr) :
		       khv_intercept_mov_from_cr(vcpu, cr, gpr);
}

static int handle_dr(struct khv_vcpu *vcpu)
{
	const struct svm_vcpu *svm = to_svm(vcpu);
	const struct khv_emul_insn *insn = svm->insn;
	bool write = svm->vmcb->exitcode >= SVM_EXIT_WRITE_DR0;
	unsigned int gpr;

	if (!insn)
		gpr = svm->vmcb->exitinfo1 & OPERAND_GPR;
	else if (insn->map == 1 && insn->opcode == (write ? 0x23 : 0x21))
		gpr = khv_emul_rm(insn);
	else
		return RESUME_GUEST;	/* it has changed since: try again */
	return khv_intercept_mov_dr(vcpu, svm->vmcb->exitcode & 7, gpr, !write);
}

static int handle_invlpg(struct khv_vcpu *vcpu)
{
	const struct svm_vcpu *svm = to_svm(vcpu);
	const struct khv_emul_insn *insn = svm->insn;

	if (!insn)
		return khv_intercept_invlpg(vcpu, svm->vmcb->exitinfo1);
	if (insn->map != 1 || group7(insn) != 7 || insn->modrm >> 6 == 3)
		return RESUME_GUEST;
	return khv_intercept_invlpg(vcpu, operand_gva(vcpu, insn));
}

static int handle_cpuid(struct khv_vcpu *vcpu)
{
	khv_cpuid_emulate(vcpu);
	return khv_intercept_done(vcpu, 0);
}

static int handle_msr(struct khv_vcpu *vcpu)
{
	return to_svm(vcpu)->vmcb->exitinfo1 & 1 ? khv_msr_emulate_write(vcpu) :
						   khv_msr_emulate_read(vcpu);
}

static int handle_io(struct khv_vcpu *vcpu)
{
	u64 info = to_svm(vcpu)->vmcb->exitinfo1;

	if (info & IO_STRING)
		return khv_emulate_insn(vcpu, KHV_INVALID_GPA);
	/* Bits 6:4 are 1, 2 and 4 for so many bytes. */
	return khv_emulate_pio(vcpu, info >> 16, (info >> 4) & 7, info & IO_IN);
}

/* The bytes that the processor had fetched; none of them when it could not tell. */
static void pass_insn_bytes(struct khv_vcpu *vcpu)
{
	const struct khv_vmcb *vmcb = to_svm(vcpu)->vmcb;

	/* With an event cut off there will be no emulation to use them up. */
	if (svm_caps.decode_assists && vcpu->events.active.kind == KHV_EVENT_NONE)
		khv_emulate_prefetched(&vcpu->emulate, vmcb->insn_bytes, vmcb->insn_len & 0xf);
}

static int handle_nested_fault(struct khv_vcpu *vcpu)
{
	const struct khv_vmcb *vmcb = to_svm(vcpu)->vmcb;
	u32 access = vmcb->exitinfo1 & (KHV_ACCESS_PRESENT | KHV_ACCESS_WRITE | KHV_ACCESS_FETCH);
	int r = khv_mmu_fault(vcpu, vmcb->exitinfo2, access);

	if (r != KHV_FAULT_EMULATE)
		return r;
	pass_insn_bytes(vcpu);
	return khv_intercept_mmio(vcpu, vmcb->exitinfo2, vmcb->exitcode, vmcb->exitinfo1);
}

static int handle_page_fault(struct khv_vcpu *vcpu)
{
	const struct khv_vmcb *vmcb = to_svm(vcpu)->vmcb;

	return khv_intercept_page_fault(vcpu, vmcb->exitinfo2, vmcb->exitinfo1, vmcb->exitcode);
}

/*
 * EXITINFO2 says which instruction asked for it, if one did; how long that is has to
 * be found out. An event's own instruction counts as one.
 */
static int handle_task_switch(struct khv_vcpu *vcpu)
{
	const struct khv_vmcb *vmcb = to_svm(vcpu)->vmcb;
	enum khv_task_reason reason = KHV_TASK_CALL;
	const struct khv_emul_insn *insn;
	u32 info = vmcb->exitintinfo;
	u32 len = 0;
	int r;

	if (vmcb->exitinfo2 & TASK_IRET)
		reason = KHV_TASK_IRET;
	else if (vmcb->exitinfo2 & TASK_JMP)
		reason = KHV_TASK_JMP;
	else if (info & KHV_EVENT_VALID)
		reason = KHV_TASK_GATE;

	if (reason != KHV_TASK_GATE || khv_svm_is_software(info)) {
		r = khv_emulate_decode(vcpu, &insn);
		if (!insn)
			return r;
		len = insn->length;
	}
	if (reason == KHV_TASK_GATE && khv_svm_is_software(info))
		vcpu->events.active = (struct khv_event) {
			.kind = KHV_EVENT_SOFT_INT, .vector = info & KHV_EVENT_VECTOR,
		};
	return khv_task_switch(vcpu, vmcb->exitinfo1, reason, len);
}

/* What is left in the VMCB is undefined ("APM, Volume 2: Shutdown Intercept"): as after INIT. */
static int handle_shutdown(struct khv_vcpu *vcpu)
{
	start_over(vcpu);
	return khv_intercept_shutdown(vcpu);
}

/* Do the handlers of @code have to know the instruction's operand? Its length? */
static bool needs_operand(const struct khv_vmcb *vmcb)
{
	switch (vmcb->exitcode) {
	case SVM_EXIT_READ_CR0 ... SVM_EXIT_WRITE_CR8:
	case SVM_EXIT_CR0_SEL_WRITE:
		return !svm_caps.decode_assists || !(vmcb->exitinfo1 & CR_MOV);
	case SVM_EXIT_READ_DR0 ... SVM_EXIT_WRITE_DR7:
	case SVM_EXIT_INVLPG:
		return !svm_caps.decode_assists;
	default:
		return false;
	}
}

static bool needs_length(u64 code)
{
	switch (code) {
	case SVM_EXIT_READ_CR0 ... SVM_EXIT_WRITE_CR8:
	case SVM_EXIT_CR0_SEL_WRITE:
	case SVM_EXIT_READ_DR0 ... SVM_EXIT_WRITE_DR7:
	case SVM_EXIT_CPUID:
	case SVM_EXIT_INVD ... SVM_EXIT_INVLPG:
	case SVM_EXIT_MSR:
	case SVM_EXIT_MONITOR:
	case SVM_EXIT_MWAIT:
	case SVM_EXIT_VMMCALL:
	case SVM_EXIT_WBINVD:
	case SVM_EXIT_XSETBV:
		return true;
	default:
		return false;
	}
}

/*
 * Read the instruction, before its effects change where it is. RESUME_GUEST in
 * *r when the guest is to come again instead, or an exit or -errno.
 */
static bool know_insn(struct khv_vcpu *vcpu, int *r)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->insn = NULL;
	if (!needs_operand(svm->vmcb) &&
	    (khv_svm_knows_insn(vcpu) || !needs_length(svm->vmcb->exitcode)))
		return true;
	*r = khv_emulate_decode(vcpu, &svm->insn);
	if (!svm->insn)
		return false;
	svm->insn_len = svm->insn->length;
	svm->insn_known = true;
	return true;
}

int khv_svm_handle_exit(struct khv_vcpu *vcpu)
{
	u32 code = to_svm(vcpu)->vmcb->exitcode;
	int r;

	if (!know_insn(vcpu, &r))
		return r;
	switch (code) {
	case EXIT_INVALID:
		return failed_entry(vcpu);
	case SVM_EXIT_INTR:
		return RESUME_GUEST;	/* the end of the region let it in */
	case SVM_EXIT_NPF:
		return handle_nested_fault(vcpu);
	case EXIT_EXCEPTION(X86_TRAP_PF):
		return handle_page_fault(vcpu);
	case EXIT_EXCEPTION(X86_TRAP_UD):
		return khv_intercept_ud(vcpu, KHV_VMMCALL);
	case SVM_EXIT_IOIO:
		return handle_io(vcpu);
	case SVM_EXIT_CPUID:
		return handle_cpuid(vcpu);
	case SVM_EXIT_MSR:
		return handle_msr(vcpu);
	case SVM_EXIT_HLT:
		return khv_intercept_hlt(vcpu);
	case SVM_EXIT_READ_CR0 ... SVM_EXIT_WRITE_CR8:
	case SVM_EXIT_CR0_SEL_WRITE:
		return handle_cr(vcpu);
	case SVM_EXIT_READ_DR0 ... SVM_EXIT_WRITE_DR7:
		return handle_dr(vcpu);
	case SVM_EXIT_INVLPG:
		return handle_invlpg(vcpu);
	case SVM_EXIT_XSETBV:
		return khv_intercept_xsetbv(vcpu);
	case SVM_EXIT_VMMCALL:
		return khv_intercept_hypercall(vcpu);
	case SVM_EXIT_RDPMC:
		return khv_intercept_done(vcpu, 1);
	case SVM_EXIT_INVD:
	case SVM_EXIT_WBINVD:
		/* Guest memory is coherent: nothing to do. */
		return khv_intercept_done(vcpu, 0);
	case SVM_EXIT_PAUSE:
		khv_vcpu_yield_to_sibling(vcpu);
		return khv_intercept_done(vcpu, 0);
	case SVM_EXIT_SHUTDOWN:
		return handle_shutdown(vcpu);
	case SVM_EXIT_TASK_SWITCH:
		return handle_task_switch(vcpu);
	case SVM_EXIT_MONITOR:
	case SVM_EXIT_MWAIT:
		return khv_intercept_monitor(vcpu);
	case SVM_EXIT_INVLPGA:
	case SVM_EXIT_VMRUN:
	case SVM_EXIT_VMLOAD:
	case SVM_EXIT_VMSAVE:
	case SVM_EXIT_STGI:
	case SVM_EXIT_CLGI:
	case SVM_EXIT_SKINIT:
	case SVM_EXIT_RDTSCP:
	case SVM_EXIT_RDPRU:
	case SVM_EXIT_INVPCID:
		return khv_intercept_undefined(vcpu);
	default:
		return unexpected(vcpu);
	}
}
