/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VM entry and exit: swaps the general registers, nothing else.
 *
 * All other guest and host state is in the VMCS or was loaded by C code before.
 * Runs with interrupts off; an NMI may come at any instruction up to the entry.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/nospec-branch.h>

#include "vmx/enter.h"
#include "x86/gprs.S"

	/* No INT3 of a probe's: an exit by NMI leaves NMIs blocked, and its IRET would unblock them. */
	.section .noinstr.text, "ax"

/*
 * int khv_vmx_enter(u64 *gpr, u64 *host_rsp, unsigned long flags,
 *		     u64 host_spec_ctrl, u64 guest_spec_ctrl)
 *
 * @gpr: sixteen registers in encoding order; RSP's slot is not used
 * @host_rsp: what HOST_RSP of the current VMCS holds; updated when it differs
 * @flags: bit KHV_ENTER_LAUNCHED: VMRESUME; KHV_ENTER_VERW: clear CPU buffers;
 *	KHV_ENTER_SPEC_CTRL: the two last arguments differ and are to be switched
 *
 * 0 after a VM exit, KHV_ENTER_VMFAIL when the instruction failed,
 * KHV_ENTER_FAULT when it faulted (VMX is off).
 */
SYM_FUNC_START(khv_vmx_enter)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rdx			/* flags, for the way back */
	push	%rcx			/* the host's SPEC_CTRL */
	push	%rdi			/* gpr */

	/* Once written it stays, unless another stack depth calls us. */
	cmp	%rsp, (%rsi)
	je	1f
	mov	%rsp, (%rsi)
	mov	$KHV_HOST_RSP, %eax
	vmwrite	%rsp, %rax
1:
	bt	$KHV_ENTER_SPEC_CTRL, %edx
	jnc	2f
	mov	%edx, %ebx
	mov	$KHV_MSR_SPEC_CTRL, %ecx
	mov	%r8d, %eax
	xor	%edx, %edx
	wrmsr
	mov	%ebx, %edx
2:
	/* Neither MOV nor VERW touches CF; BT leaves ZF alone. */
	test	$(1 << KHV_ENTER_VERW), %edx
	bt	$KHV_ENTER_LAUNCHED, %edx

	mov	GPR(0)(%rdi), %rax
	LOAD_GPRS_RDI

	/* The last instruction that could leave host data in the buffers is past. */
	jz	3f
	verw	khv_verw_sel(%rip)
3:
	jc	.Lresume
.Llaunch:
	vmlaunch
	jmp	.Lvmfail
.Lresume:
	vmresume
	/* Not reached by a VM exit: those come in below. CF or ZF says why it failed. */
	jbe	.Lvmfail

SYM_INNER_LABEL(khv_vmx_exit, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR	/* a VM exit is no indirect branch */
	/* RSP is HOST_RSP again, and so points at the saved gpr. */
	push	%rax
	mov	8(%rsp), %rax
	SAVE_GPRS_RAX
	pop	GPR(0)(%rax)
	xor	%eax, %eax
.Lback:
	/* Guest values must not steer the host's speculation. */
	CLEAR_GPRS

	/* Before the first RET: the guest filled the return stack buffer. */
	FILL_RETURN_BUFFER %rcx, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT,\
			   X86_FEATURE_RSB_VMEXIT_LITE

	pop	%rdi			/* gpr */
	pop	%rcx			/* the host's SPEC_CTRL */
	pop	%rdx			/* flags */
	bt	$KHV_ENTER_SPEC_CTRL, %edx
	jnc	4f
	mov	%eax, %ebx
	mov	%ecx, %eax
	mov	$KHV_MSR_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
	mov	%ebx, %eax
4:
	/* Nobody runs ahead of that write, whatever was predicted of the branch over it. */
	ALTERNATIVE "", "lfence", X86_FEATURE_MSR_SPEC_CTRL
#ifdef X86_FEATURE_CLEAR_BHB_VMEXIT
	ALTERNATIVE "", "call khv_clear_bhb", X86_FEATURE_CLEAR_BHB_VMEXIT
#endif

	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET

.Lvmfail:
	mov	$KHV_ENTER_VMFAIL, %eax
	jmp	.Lback
.Lfault:
	mov	$KHV_ENTER_FAULT, %eax
	jmp	.Lback

	_ASM_EXTABLE(.Llaunch, .Lfault)
	_ASM_EXTABLE(.Lresume, .Lfault)
SYM_FUNC_END(khv_vmx_enter)

#ifdef X86_FEATURE_CLEAR_BHB_VMEXIT
/*
 * Fill the branch history with branches of our own, where the kernel has decided on
 * that and the processor cannot keep the guest's apart (BHI_DIS_S). The number and
 * the kinds of branches follow Intel's "Branch History Injection and Intra-mode
 * Branch Target Injection", Software BHB-clearing sequence. Leaves all but RCX alone.
 */
SYM_FUNC_START_LOCAL(khv_clear_bhb)
	push	%rax
	mov	$5, %ecx
	ANNOTATE_INTRA_FUNCTION_CALL
	call	.Louter
	jmp	.Lcleared
	.align	64, 0xcc
.Louter:
	ANNOTATE_INTRA_FUNCTION_CALL
	call	.Linner
	RET
	.align	64, 0xcc
.Linner:
	mov	$5, %eax
1:
	jmp	2f
	nop
2:
	dec	%eax
	jnz	1b
	dec	%ecx
	jnz	.Louter
	RET
.Lcleared:
	lfence
	pop	%rax
	RET
SYM_FUNC_END(khv_clear_bhb)
STACK_FRAME_NON_STANDARD(khv_clear_bhb)
#endif

	.section .rodata
	.align 2
/* VERW wants a readable selector: the kernel's data segment. */
SYM_DATA_START_LOCAL(khv_verw_sel)
	.word	KHV_VERW_SELECTOR
SYM_DATA_END(khv_verw_sel)
