/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tasks of a guest in 32-bit protected mode; tasks.c has made their TSSes. Each
 * reports numbers through END_PORT.
 */
#define END_PORT	0x6e4
#define SEL_B		0x28
#define SEL_C		0x30
#define SEL_ABSENT	0x38
#define SEL_SHORT	0x40
#define SEL_BAD_DS	0x48
#define SEL_16		0x50
#define GATE		0x70

	.macro	report value
	movl	\value, %eax
	movw	$END_PORT, %dx
	outl	%eax, %dx
	.endm

	.section .rodata
	.code32
	.balign	4096
	.globl	tasks_start, tasks_end
tasks_start:
	report	$0x100
	/* A call, and back with NT. */
	movl	$0x1111, %ebx
	lcall	$SEL_B, $0
	report	%ebx
	str	%ax
	movzwl	%ax, %ecx
	report	%ecx			/* A's own again */
	/* The same through a task gate in the GDT. */
	lcall	$GATE, $0
	report	$0x102
	/* A task of the old kind. */
	lcall	$SEL_16, $0
	report	$0x103
	/* An interrupt, and an exception with an error code. */
	int	$0x40
	report	$0x104
	movl	$0x9b, %eax		/* a selector beyond the table */
	.globl	tasks_fault
tasks_fault:
	movw	%ax, %es
	report	$0x105
	/* Faults: not present, too short, and one of the new task's own. */
	lcall	$SEL_ABSENT, $0
	report	$0x106
	lcall	$SEL_SHORT, $0
	report	$0x107
	lcall	$SEL_BAD_DS, $0
	report	$0x108
	/* Leave for good. */
	ljmp	$SEL_C, $0
	report	$0xbad
1:	jmp	1b

	/* B is called several times, so it ends in a loop. */
	.globl	task_b
task_b:
	report	%ebx			/* from its TSS, then its own */
	movl	%cr0, %ecx
	andl	$8, %ecx
	report	%ecx			/* CR0.TS */
	pushfl
	popl	%ecx
	andl	$0x4000, %ecx
	report	%ecx			/* NT */
	clts
	movl	$0x2222, %ebx
	iret
	jmp	task_b

	.globl	task_c
task_c:
	pushfl
	popl	%ecx
	andl	$0x4000, %ecx
	report	%ecx			/* no NT after a jump */
	report	$0xc0de
1:	jmp	1b

	/* Of INT 0x40. */
	.globl	task_int
task_int:
	report	$0x400
	iret
	jmp	task_int

	/* Of #GP: the error code is on its stack. */
	.globl	task_gp
task_gp:
	popl	%ecx
	report	%ecx
	movl	$0x18, tasks_fault_eax	/* A's EAX: a selector that will do */
	iret
	jmp	task_gp

	/* Of #NP and #TS, by ordinary gates: skip the far call of 7 bytes, or end the bad task. */
	.globl	on_np, on_ts
on_np:
	popl	%ecx
	report	%ecx
	addl	$7, (%esp)
	iret
on_ts:
	popl	%ecx
	report	%ecx
	str	%ax
	cmpw	$SEL_BAD_DS, %ax
	je	2f
	addl	$7, (%esp)
	iret
2:	report	$0x55
	/* Back to A, as the bad task should have done. */
	pushfl
	orl	$0x4000, (%esp)
	popfl
	iret

	.code16
	.globl	task_16
task_16:
	movl	$0x1600, %eax
	movw	$END_PORT, %dx
	outl	%eax, %dx
	iret
	jmp	task_16
tasks_end:
	.set	tasks_fault_eax, 0x8028	/* in A's TSS */

	.section .note.GNU-stack, "", @progbits
