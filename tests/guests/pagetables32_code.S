/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The 32-bit guest of pagetables32.c: carries out a list of steps, each four
 * words (what, a, b, c), which the test has written. It ends with a write of EAX
 * to END_PORT: 0, or the address after the step that went wrong, with what it
 * found in EDI.
 */
#include "pagetables32.h"

	.section .rodata
	.code32
	.balign	4096
	.globl	pt32_start, pt32_end, pt32_page_fault, pt32_back
pt32_start:
	lgdtl	gdt_pointer
	lidtl	idt_pointer
	ljmpl	$0x08, $1f
1:	movl	$0x23, %eax		/* user's data, so that they outlive user mode */
	movl	%eax, %ds
	movl	%eax, %es
	movl	$0x10, %eax
	movl	%eax, %ss
	movl	$0x28, %eax
	ltr	%ax
	movl	$PT32_STEPS, %esi
next:
	movl	$PT32_STACK, %esp
	movl	(%esi), %eax
	movl	4(%esi), %ebx
	movl	8(%esi), %ecx
	movl	12(%esi), %edx
	addl	$16, %esi
	jmpl	*steps(, %eax, 4)

wrong:
	movl	%esi, %eax
	jmp	finish
step_end:
	xorl	%eax, %eax
finish:
	movw	$PT32_END_PORT, %dx
	outl	%eax, %dx
	hlt

step_store:
	movl	%ecx, (%ebx)
	jmp	next

step_store8:			/* EDX:ECX, at once */
	movl	%ebx, %edi
	movl	%ecx, %ebx
	movl	%edx, %ecx
	movl	(%edi), %eax
	movl	4(%edi), %edx
	lock cmpxchg8b (%edi)
	jmp	next

step_expect:			/* [a] & b == c */
	movl	(%ebx), %edi
	andl	%ecx, %edi
	cmpl	%edx, %edi
	jne	wrong
	jmp	next

step_either:			/* [a] == b or c */
	movl	(%ebx), %edi
	cmpl	%ecx, %edi
	je	next
	cmpl	%edx, %edi
	jne	wrong
	jmp	next

step_invlpg:
	invlpg	(%ebx)
	jmp	next

step_cr3:
	movl	%ebx, %cr3
	jmp	next

step_cr0:			/* CR0 & a | b, and likewise */
	movl	%cr0, %eax
	andl	%ebx, %eax
	orl	%ecx, %eax
	movl	%eax, %cr0
	jmp	1f
1:	jmp	next

step_cr4:
	movl	%cr4, %eax
	andl	%ebx, %eax
	orl	%ecx, %eax
	movl	%eax, %cr4
	jmp	next

step_efer:
	movl	%ecx, %edi
	movl	$0xc0000080, %ecx
	rdmsr
	andl	%ebx, %eax
	orl	%edi, %eax
	wrmsr
	jmp	next

	/* Accesses at a, which come to b or c. */
step_read:
	movl	(%ebx), %eax
	jmp	passed

step_write:
	movl	%eax, 8(%ebx)
	jmp	passed

step_fetch:
	movl	$passed, %ebp
	addl	$16, %ebx
	jmp	*%ebx

step_user_read:
	movl	$user_read, %edi
	jmp	enter_user

step_user_write:
	movl	$user_write, %edi
	jmp	enter_user

step_user_fetch:
	movl	$user_fetch, %edi
enter_user:
	pushl	$0x23
	pushl	$PT32_USER_STACK
	pushl	$2
	pushl	$0x1b
	pushl	%edi
	iretl

user_read:
	movl	(%ebx), %eax
	int	$0x80
user_write:
	movl	%eax, 8(%ebx)
	int	$0x80
user_fetch:
	movl	$1f, %ebp
	addl	$16, %ebx
	jmp	*%ebx
1:	int	$0x80

pt32_page_fault:
	movl	(%esp), %eax
	jmp	tried
pt32_back:
passed:
	movl	$PT32_ALLOWED, %eax
tried:
	cmpl	-8(%esi), %eax
	je	next
	cmpl	-4(%esi), %eax
	je	next
	movl	%eax, %edi
	jmp	wrong

	.balign	8
steps:				/* in the order of enum pt32_step */
	.long	step_end, step_store, step_store8, step_expect, step_either
	.long	step_invlpg, step_cr3, step_cr0, step_cr4, step_efer
	.long	step_read, step_write, step_fetch
	.long	step_user_read, step_user_write, step_user_fetch
gdt:
	.quad	0, 0x00cf9b000000ffff, 0x00cf93000000ffff
	.quad	0x00cffb000000ffff, 0x00cff3000000ffff
	.word	0x67, PT32_TSS & 0xffff, 0x8900 | PT32_TSS >> 16, 0
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	gdt
idt_pointer:
	.word	0x81 * 8 - 1
	.long	PT32_IDT		/* the test builds it there */
pt32_end:

	.section .note.GNU-stack, "", @progbits
