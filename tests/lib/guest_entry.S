/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a guest starts, and where its exceptions and interrupts arrive: one
 * stub of 16 bytes per vector, all leading to guest_handle_trap().
 */
#include "guest_ports.h"

	.text
	.globl	guest_entry
guest_entry:			/* RDI: the guest's function */
	xorl	%ebp, %ebp
	call	*%rdi
	movl	$GUEST_PORT_DONE, %edx
	xorl	%eax, %eax
1:	outl	%eax, %dx
	jmp	1b

	.balign	16
	.globl	guest_stubs
guest_stubs:
	.set	vector, 0
	.rept	256
	.balign	16
	/* These push an error code themselves: #DF, #TS to #PF, #AC, #CP, #VC, #SX. */
	.set	error_code, vector == 8 || (vector >= 10 && vector <= 14) || vector == 17
	.set	error_code, error_code || vector == 21 || vector == 29 || vector == 30
	.if	error_code == 0
	pushq	$0
	.endif
	pushq	$vector
	jmp	guest_common
	.set	vector, vector + 1
	.endr

guest_common:			/* struct guest_frame, from its end */
	pushq	%rax
	pushq	%rbx
	pushq	%rcx
	pushq	%rdx
	pushq	%rbp
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %rdi
	cld
	call	guest_handle_trap
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rbp
	popq	%rdx
	popq	%rcx
	popq	%rbx
	popq	%rax
	addq	$16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
