/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VM entry and exit: swaps the general registers and what VMLOAD and VMSAVE
 * move; VMRUN swaps the rest.
 *
 * Runs with interrupts off. From CLGI to STGI nothing reaches this processor, not
 * even an NMI: the guest's GS and TR are loaded meanwhile, and no handler of the
 * host could work with them.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/nospec-branch.h>

#include "svm/enter.h"
#include "x86/gprs.S"

/* Nor a probe: its trap would take the guest's GS for the host's. */
	.section .noinstr.text, "ax"

/*
 * int khv_svm_enter(u64 *gpr, u64 vmcb_pa, u64 host_pa, unsigned long flags,
 *		     u64 host_spec_ctrl, u64 guest_spec_ctrl)
 *
 * @gpr: sixteen registers in encoding order; RAX's and RSP's slots are not used
 * @host_pa: where the host's half of VMLOAD's state is
 * @flags: bit KHV_ENTER_VERW: clear CPU buffers; KHV_ENTER_SPEC_CTRL: the two last
 *	arguments differ and are to be switched
 *
 * 0 after a VM exit, KHV_ENTER_FAULT when SVM is off.
 */
SYM_FUNC_START(khv_svm_enter)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%r8			/* the host's SPEC_CTRL */
	push	%rcx			/* flags, for the way back */
	push	%rdx			/* host_pa */
	push	%rsi			/* vmcb_pa */
	push	%rdi			/* gpr */

.Lclgi:
	clgi
	/*
	 * With V_INTR_MASKING it is the host's IF that lets host interrupts end the
	 * run. Right before VMRUN, STI's shadow would reach into the guest in QEMU.
	 */
	sti
	bt	$KHV_ENTER_SPEC_CTRL, %ecx
	jnc	1f
	mov	%ecx, %ebx
	mov	$KHV_MSR_SPEC_CTRL, %ecx
	mov	%r9d, %eax
	xor	%edx, %edx
	wrmsr
	mov	%ebx, %ecx
1:
#ifdef X86_BUG_DIV0
	/* On Zen 1 the quotient of the last division lingers: let it be one of no secret. */
	ALTERNATIVE "", "xor %eax, %eax; xor %edx, %edx; mov $1, %ebx; div %ebx", X86_BUG_DIV0
#endif
	mov	%rsi, %rax
	vmload	%rax

	/* None of the instructions up to VERW touches ZF. */
	test	$(1 << KHV_ENTER_VERW), %ecx
	LOAD_GPRS_RDI

	/* The last instruction that could leave host data in the buffers is past. */
	jz	2f
	verw	khv_verw_sel(%rip)
2:
	vmrun	%rax
	cli

	pop	%rax			/* gpr */
	SAVE_GPRS_RAX
	pop	%rax			/* vmcb_pa */
	vmsave	%rax
	pop	%rax			/* host_pa */
	vmload	%rax

	/* Guest values must not steer the host's speculation. */
	CLEAR_GPRS

	/* Before the first CALL or RET: the guest filled the return stack buffer. */
	FILL_RETURN_BUFFER %rcx, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT,\
			   X86_FEATURE_RSB_VMEXIT_LITE

	pop	%rbx			/* flags */
	pop	%r8			/* the host's SPEC_CTRL */
	bt	$KHV_ENTER_SPEC_CTRL, %ebx
	jnc	3f
	mov	$KHV_MSR_SPEC_CTRL, %ecx
	mov	%r8d, %eax
	xor	%edx, %edx
	wrmsr
3:
	/* No branch that could be predicted to leave it out. */
	ALTERNATIVE_2 "jmp 4f", "", X86_FEATURE_ENTRY_IBPB, "", X86_FEATURE_IBPB_ON_VMEXIT
	mov	$KHV_MSR_PRED_CMD, %ecx
	mov	$KHV_PRED_CMD_IBPB, %eax
	xor	%edx, %edx
	wrmsr
#ifdef X86_BUG_IBPB_NO_RET
	/* With this barrier the kernel leaves the fill above out; on some it spares returns. */
	FILL_RETURN_BUFFER %rcx, RSB_CLEAR_LOOPS, X86_BUG_IBPB_NO_RET
#endif
4:
	/* Nor must what the guest taught the predictor about the kernel's returns. */
	CALL_UNTRAIN_RET

	stgi
	xor	%eax, %eax
5:
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET

.Lfault:
	add	$(5 * 8), %rsp
	mov	$KHV_ENTER_FAULT, %eax
	jmp	5b

	_ASM_EXTABLE(.Lclgi, .Lfault)
SYM_FUNC_END(khv_svm_enter)

	.section .rodata
	.align 2
/* VERW wants a readable selector: the kernel's data segment. */
SYM_DATA_START_LOCAL(khv_verw_sel)
	.word	KHV_VERW_SELECTOR
SYM_DATA_END(khv_verw_sel)
