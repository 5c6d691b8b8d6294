// SPDX-License-Identifier: GPL-2.0-only
/*
 * What follows a VM exit: one switch for what can be handled in place, with
 * interrupts off, and one for the rest, which may sleep and has no VMCS at hand.
 *
 * Each case calls the code that knows the guest's side; no logic lives here.
 */
#include <linux/printk.h>
#include <linux/sched.h>
#include <asm/cpu.h>
#include <asm/trapnr.h>
#include <uapi/asm/debugreg.h>

#include "mmu/mmu.h"
#include "mmu/shadow.h"
#include "khv.h"
#include "vm/vm.h"
#include "vmx/vmx.h"
#include "x86/descriptor.h"
#include "x86/emulate.h"
#include "x86/intercept.h"
#include "x86/msr.h"
#include "x86/regs_inline.h"
#include "x86/task.h"

/* "SDM, VMX Basic Exit Reasons": instructions of processors that older headers do not know. */
#define REASON_SEAMCALL		76
#define REASON_TDCALL		77
#define REASON_RDMSR_IMM	84
#define REASON_WRMSRNS_IMM	85

/* Exit qualification of EPT violations ("SDM, Exit Qualification for EPT Violations"). */
#define EPT_QUAL_WRITE		BIT(1)
#define EPT_QUAL_FETCH		BIT(2)
#define EPT_QUAL_PERMISSIONS	(7UL << 3)
#define EPT_QUAL_NMI_UNBLOCK	BIT(12)

/* "SDM, Exit Qualification for Debug Exceptions": laid out as DR6. */
#define DR6_GENERAL_DETECT	BIT(13)
#define DB_QUAL_DR6		(DR_TRAP_BITS | DR_STEP | DR_SWITCH | DR6_GENERAL_DETECT)

static int db(struct khv_vcpu *vcpu, u64 dr6)
{
	if (unlikely(khv_debug_takes_db(vcpu)))
		khv_debug_report(vcpu, X86_TRAP_DB, dr6);
	else
		khv_queue_db(vcpu, dr6);
	return RESUME_GUEST;
}

/* #AC is the guest's own, or the host's for a split lock, which user mode may ask for, too. */
static int fast_alignment_check(struct khv_vcpu *vcpu)
{
	struct vmx_exit *x = &to_vmx(vcpu)->exit;

	x->error_code = khv_vmread(VM_EXIT_INTR_ERROR_CODE);
	if (unlikely(boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT)) &&
	    !((khv_cr0(vcpu) & X86_CR0_AM) && (khv_rflags(vcpu) & X86_EFLAGS_AC) &&
	      khv_hw->get_cpl(vcpu) == 3)) {
		khv_rip(vcpu);
		return EXIT_SLOW;
	}
	khv_queue_exception_e(vcpu, X86_TRAP_AC, x->error_code);
	return RESUME_GUEST;
}

static int fast_exception(struct khv_vcpu *vcpu)
{
	struct vmx_exit *x = &to_vmx(vcpu)->exit;

	khv_vmx_recover_event(vcpu, x->intr_info & INTR_INFO_UNBLOCK_NMI);

	switch (x->intr_info & (INTR_INFO_INTR_TYPE_MASK | INTR_INFO_VECTOR_MASK)) {
	case INTR_TYPE_NMI_INTR | X86_TRAP_NMI:
		/* The host has it already. */
		return RESUME_GUEST;
	case INTR_TYPE_HARD_EXCEPTION | X86_TRAP_MC:
		khv_host_machine_check();
		return RESUME_GUEST;
	case INTR_TYPE_HARD_EXCEPTION | X86_TRAP_DB:
		return db(vcpu, khv_vmread(EXIT_QUALIFICATION) & DB_QUAL_DR6);
	case INTR_TYPE_SOFT_EXCEPTION | X86_TRAP_BP:
		vcpu->debug.insn_len = khv_vmread(VM_EXIT_INSTRUCTION_LEN);
		khv_debug_report(vcpu, X86_TRAP_BP, 0);
		return RESUME_GUEST;
	case INTR_TYPE_PRIV_SW_EXCEPTION | X86_TRAP_DB:
		if (khv_debug_takes_db(vcpu))
			return db(vcpu, 0);
		/* INT1 traps: the handler returns to what follows it. */
		khv_vmx_skip_insn(vcpu);
		khv_queue_db(vcpu, 0);
		return RESUME_GUEST;
	case INTR_TYPE_HARD_EXCEPTION | X86_TRAP_AC:
		return fast_alignment_check(vcpu);
	case INTR_TYPE_HARD_EXCEPTION | X86_TRAP_PF:
		x->qual = khv_vmread(EXIT_QUALIFICATION);
		x->error_code = khv_vmread(VM_EXIT_INTR_ERROR_CODE);
		/* The walk of the guest's tables needs these, and they are cheap here. */
		khv_cr0(vcpu);
		khv_cr4(vcpu);
		return EXIT_SLOW;
	default:
		return EXIT_SLOW;
	}
}

static int fast_ept_violation(struct khv_vcpu *vcpu)
{
	struct vmx_exit *x = &to_vmx(vcpu)->exit;

	x->qual = khv_vmread(EXIT_QUALIFICATION);
	x->gpa = khv_vmread(GUEST_PHYSICAL_ADDRESS);
	khv_vmx_recover_event(vcpu, x->qual & EPT_QUAL_NMI_UNBLOCK);
	return EXIT_SLOW;
}

/* Read what stepping over the instruction takes, while that is cheap. */
static int slow_instruction(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vcpu->regs.rip = khv_vmread(GUEST_RIP);
	vcpu->regs.rflags = khv_vmread(GUEST_RFLAGS);
	vcpu->regs.avail |= BIT(KHV_LAZY_RIP) | BIT(KHV_LAZY_RFLAGS);
	vmx->insn_len = khv_vmread(VM_EXIT_INSTRUCTION_LEN);
	if (!(vmx->cached & VMX_CACHE_INTR))
		vmx->interruptibility = khv_vmread(GUEST_INTERRUPTIBILITY_INFO);
	vmx->cached |= VMX_CACHE_INSN_LEN | VMX_CACHE_INTR;
	return EXIT_SLOW;
}

static int slow_qualified(struct khv_vcpu *vcpu)
{
	to_vmx(vcpu)->exit.qual = khv_vmread(EXIT_QUALIFICATION);
	return slow_instruction(vcpu);
}

static int fast_msr_exit(struct khv_vcpu *vcpu, bool write)
{
	if (!khv_msr_is_fast(vcpu->regs.gpr[KHV_RCX]))
		return slow_instruction(vcpu);
	return write ? khv_msr_emulate_write(vcpu) : khv_msr_emulate_read(vcpu);
}

static int window_open(struct khv_vcpu *vcpu, u32 control)
{
	khv_vmx_close_window(to_vmx(vcpu), control);
	khv_request(vcpu, KHV_REQ_EVENT);
	return RESUME_GUEST;
}

int khv_vmx_exit_fast(struct khv_vcpu *vcpu)
{
	switch (to_vmx(vcpu)->exit.reason) {
	case EXIT_REASON_CPUID:
		khv_cpuid_emulate(vcpu);
		khv_vmx_skip_insn(vcpu);
		return RESUME_GUEST;
	case EXIT_REASON_MSR_WRITE:
		return fast_msr_exit(vcpu, true);
	case EXIT_REASON_MSR_READ:
		return fast_msr_exit(vcpu, false);
	case EXIT_REASON_EXTERNAL_INTERRUPT:
		return khv_hw->region_irq_window(vcpu) ? RESUME_GUEST : EXIT_SLOW;
	case EXIT_REASON_INTERRUPT_WINDOW:
		return window_open(vcpu, CPU_BASED_INTR_WINDOW_EXITING);
	case EXIT_REASON_NMI_WINDOW:
		return window_open(vcpu, CPU_BASED_NMI_WINDOW_EXITING);
	case EXIT_REASON_EOI_INDUCED:
		khv_lapic_virtual_eoi(vcpu, khv_vmread(EXIT_QUALIFICATION));
		return RESUME_GUEST;
	case EXIT_REASON_APIC_WRITE:
		khv_lapic_virtual_write(vcpu, khv_vmread(EXIT_QUALIFICATION));
		return RESUME_GUEST;
	case EXIT_REASON_EXCEPTION_NMI:
		return fast_exception(vcpu);
	case EXIT_REASON_EPT_VIOLATION:
		return fast_ept_violation(vcpu);
	case EXIT_REASON_EPT_MISCONFIG:
	case EXIT_REASON_TASK_SWITCH:
		khv_vmx_recover_event(vcpu, false);
		return slow_qualified(vcpu);
	case EXIT_REASON_IO_INSTRUCTION:
	case EXIT_REASON_CR_ACCESS:
	case EXIT_REASON_DR_ACCESS:
	case EXIT_REASON_INVLPG:
		return slow_qualified(vcpu);
	default:
		return slow_instruction(vcpu);
	}
}

static int unexpected(struct khv_vcpu *vcpu)
{
	struct vmx_exit *x = &to_vmx(vcpu)->exit;
	u64 data[] = { x->reason, raw_smp_processor_id(), x->intr_info };

	khv_vmx_dump(vcpu);
	return khv_internal_error(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
				  ARRAY_SIZE(data), data);
}

static int failed_entry(struct khv_vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	vcpu->run->fail_entry.hardware_entry_failure_reason = to_vmx(vcpu)->exit.qual;
	vcpu->run->fail_entry.cpu = vcpu->cpu;
	khv_vmx_dump(vcpu);
	return EXIT_TO_USER;
}

static int not_entered(struct khv_vcpu *vcpu)
{
	u64 data[] = { KHV_ERROR_REAL_MODE };

	return khv_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION, ARRAY_SIZE(data), data);
}

/*
 * The kernel lets the task do it, slowed down, or kills it, as the host's administrator
 * wants. Where it keeps that to KVM the guest may, from now on, after a word in the log.
 */
static int handle_split_lock(struct khv_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (khv_guest_split_lock(khv_rip(vcpu))) {
		if (!KHV_HAVE_SPLIT_LOCK) {
			pr_warn_ratelimited("%s/%d: split locks in its guest, at %#llx\n",
					    current->comm, current->pid, khv_rip(vcpu));
			to_vmx(vcpu)->split_locks = true;
		}
		return RESUME_GUEST;
	}
	run->exit_reason = KVM_EXIT_EXCEPTION;
	run->ex.exception = X86_TRAP_AC;
	run->ex.error_code = to_vmx(vcpu)->exit.error_code;
	return EXIT_TO_USER;
}

static int handle_exception(struct khv_vcpu *vcpu)
{
	struct vmx_exit *x = &to_vmx(vcpu)->exit;
	gpa_t gpa;
	int r;

	switch (x->intr_info & (INTR_INFO_INTR_TYPE_MASK | INTR_INFO_VECTOR_MASK)) {
	case INTR_TYPE_HARD_EXCEPTION | X86_TRAP_AC:
		return handle_split_lock(vcpu);
	case INTR_TYPE_HARD_EXCEPTION | X86_TRAP_PF:
		break;
	case INTR_TYPE_HARD_EXCEPTION | X86_TRAP_UD:
		return khv_intercept_ud(vcpu, KHV_VMCALL);
	default:
		return unexpected(vcpu);
	}
	r = khv_shadow_fault(vcpu, x->qual, x->error_code, &gpa);
	if (r != KHV_FAULT_EMULATE)
		return r;
	khv_vmx_prefetch(vcpu);
	return khv_intercept_mmio(vcpu, gpa, x->reason, x->qual);
}

static int handle_ept_violation(struct khv_vcpu *vcpu)
{
	struct vmx_exit *x = &to_vmx(vcpu)->exit;
	u32 access = 0;
	int r;

	if (x->qual & EPT_QUAL_WRITE)
		access |= KHV_ACCESS_WRITE;
	if (x->qual & EPT_QUAL_FETCH)
		access |= KHV_ACCESS_FETCH;
	if (x->qual & EPT_QUAL_PERMISSIONS)
		access |= KHV_ACCESS_PRESENT;
	r = khv_mmu_fault(vcpu, x->gpa, access);
	if (r != KHV_FAULT_EMULATE)
		return r;
	khv_vmx_prefetch(vcpu);
	return khv_intercept_mmio(vcpu, x->gpa, x->reason, x->qual);
}

static int handle_io(struct khv_vcpu *vcpu)
{
	u64 qual = to_vmx(vcpu)->exit.qual;

	if (qual & BIT(4))
		return khv_emulate_insn(vcpu, KHV_INVALID_GPA);
	return khv_emulate_pio(vcpu, qual >> 16, (qual & 7) + 1, qual & BIT(3));
}

static int handle_cr(struct khv_vcpu *vcpu)
{
	u64 qual = to_vmx(vcpu)->exit.qual;
	unsigned int cr = qual & 15, gpr = (qual >> 8) & 15;

	switch ((qual >> 4) & 3) {
	case 0:
		return khv_intercept_mov_to_cr(vcpu, cr, gpr);
	case 1:
		return khv_intercept_mov_from_cr(vcpu, cr, gpr);
	case 2:
		return khv_intercept_clts(vcpu);
	default:
		return khv_intercept_lmsw(vcpu, qual >> 16);
	}
}

static int handle_dr(struct khv_vcpu *vcpu)
{
	u64 qual = to_vmx(vcpu)->exit.qual;

	return khv_intercept_mov_dr(vcpu, qual & 7, (qual >> 8) & 15, qual & BIT(4));
}

static int handle_task_switch(struct khv_vcpu *vcpu)
{
	const struct khv_event *ev = &vcpu->events.active;
	u64 qual = to_vmx(vcpu)->exit.qual;
	enum khv_task_reason reason = (qual >> 30) & 3;
	u32 len = khv_vmx_insn_len(vcpu);

	/* No instruction asked for the switch. */
	if (reason == KHV_TASK_GATE && ev->kind != KHV_EVENT_SOFT_INT &&
	    ev->kind != KHV_EVENT_SOFT_EXC)
		len = 0;
	return khv_task_switch(vcpu, qual, reason, len);
}

int khv_vmx_handle_exit(struct khv_vcpu *vcpu)
{
	u32 reason = to_vmx(vcpu)->exit.reason;

	if (unlikely(reason & (VMX_EXIT_REASONS_FAILED_VMENTRY | VMX_EXIT_NOT_ENTERED)))
		return reason & VMX_EXIT_NOT_ENTERED ? not_entered(vcpu) : failed_entry(vcpu);
	switch (reason) {
	case EXIT_REASON_EXCEPTION_NMI:
		return handle_exception(vcpu);
	case EXIT_REASON_EXTERNAL_INTERRUPT:
		return RESUME_GUEST;	/* the end of the region let it in */
	case EXIT_REASON_EPT_VIOLATION:
		return handle_ept_violation(vcpu);
	case EXIT_REASON_IO_INSTRUCTION:
		return handle_io(vcpu);
	case EXIT_REASON_MSR_READ:
		return khv_msr_emulate_read(vcpu);
	case EXIT_REASON_MSR_WRITE:
		return khv_msr_emulate_write(vcpu);
	case EXIT_REASON_HLT:
		return khv_intercept_hlt(vcpu);
	case EXIT_REASON_CR_ACCESS:
		return handle_cr(vcpu);
	case EXIT_REASON_DR_ACCESS:
		return handle_dr(vcpu);
	case EXIT_REASON_TASK_SWITCH:
		return handle_task_switch(vcpu);
	case EXIT_REASON_GDTR_IDTR:
	case EXIT_REASON_LDTR_TR:
		return khv_intercept_descriptor(vcpu);
	case EXIT_REASON_INVLPG:
		return khv_intercept_invlpg(vcpu, to_vmx(vcpu)->exit.qual);
	case EXIT_REASON_XSETBV:
		return khv_intercept_xsetbv(vcpu);
	case EXIT_REASON_VMCALL:
		return khv_intercept_hypercall(vcpu);
	case EXIT_REASON_RDPMC:
		return khv_intercept_done(vcpu, 1);
	case EXIT_REASON_INVD:
	case EXIT_REASON_WBINVD:
		/* Guest memory is write-back and coherent: nothing to do. */
		return khv_intercept_done(vcpu, 0);
	case EXIT_REASON_PAUSE_INSTRUCTION:
		khv_vcpu_yield_to_sibling(vcpu);
		return khv_intercept_done(vcpu, 0);
	case EXIT_REASON_TRIPLE_FAULT:
		return khv_intercept_shutdown(vcpu);
	case EXIT_REASON_MWAIT_INSTRUCTION:
	case EXIT_REASON_MONITOR_INSTRUCTION:
		return khv_intercept_monitor(vcpu);
	case EXIT_REASON_VMCLEAR:
	case EXIT_REASON_VMLAUNCH:
	case EXIT_REASON_VMPTRLD:
	case EXIT_REASON_VMPTRST:
	case EXIT_REASON_VMREAD:
	case EXIT_REASON_VMRESUME:
	case EXIT_REASON_VMWRITE:
	case EXIT_REASON_VMOFF:
	case EXIT_REASON_VMON:
	case EXIT_REASON_INVEPT:
	case EXIT_REASON_INVVPID:
	case EXIT_REASON_VMFUNC:
	case EXIT_REASON_ENCLS:
	case REASON_SEAMCALL:
	case REASON_TDCALL:
	case REASON_RDMSR_IMM:
	case REASON_WRMSRNS_IMM:
		return khv_intercept_undefined(vcpu);
	default:
		return unexpected(vcpu);
	}
}
