/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests that start in real or in 32-bit protected mode. Real-mode pieces are
 * copied to linear address 0x10000 and run with all segments there; protected
 * mode runs them where they are linked. Each ends with a write of AX or EAX to
 * END_PORT; the test looks at the registers.
 */
#define END_PORT	0x6e4
#define REAL_BASE	0x10000

#define CR0_PE		0x00000001
#define CR0_PG		0x80000000
#define CR4_PSE		0x10
#define CR4_PAE		0x20
#define MSR_EFER	0xc0000080
#define EFER_LME	0x100

	.macro	begin name
	.balign	16
	.globl	\name\()_start, \name\()_end
\name\()_start:
	.endm

	.macro	end name
	movw	$END_PORT, %dx
	outl	%eax, %dx
	hlt
\name\()_end:
	.endm

	/* An interrupt vector in the table at 0, through ES. */
	.macro	set_vector number, name, label
	movw	$(\label - \name\()_start), %es:(4 * \number)
	movw	%cs, %es:(4 * \number + 2)
	.endm

	.section .rodata
	.code16

/* Arithmetic, stack, near and far calls, string moves between segments. */
	begin	real_basic
	movw	$7, %ax
	movw	$6, %bx
	mulw	%bx			/* 42 */
	pushw	%ax
	popw	%cx
	call	1f
	pushw	%cs
	call	2f
	movw	$0x2000, %bx
	movw	%bx, %es
	xorw	%si, %si
	xorw	%di, %di
	movw	$16, %cx
	cld
	rep movsb			/* DS:0 to 0x20000 */
	movzwl	%ax, %eax
	jmp	3f
1:	addw	$0x100, %ax
	ret
2:	addw	$0x200, %ax
	lret
3:
	end	real_basic

/* INT through the table at 0; IF is off in the handler and on again after it. */
	begin	real_int
	xorw	%ax, %ax
	movw	%ax, %es
	set_vector 0x21, real_int, 1f
	movl	$0x1111, %eax
	sti
	int	$0x21
	pushfw
	popw	%cx
	cli
	jmp	2f
1:	addw	$0x2222, %ax
	pushfw
	popw	%bx
	iretw
2:
	end	real_int

/* #DE and #UD; both handlers step over two bytes. */
	begin	real_fault
	xorw	%ax, %ax
	movw	%ax, %es
	set_vector 0, real_fault, 1f
	set_vector 6, real_fault, 2f
	xorl	%eax, %eax
	xorw	%dx, %dx
	xorw	%bx, %bx
	divw	%bx
	ud2
	jmp	3f
1:	orw	$0x1, %ax
	jmp	4f
2:	orw	$0x2, %ax
4:	pushw	%bp
	movw	%sp, %bp
	addw	$2, 2(%bp)
	popw	%bp
	iretw
3:
	end	real_fault

/* A hardware interrupt through the PIC as a BIOS programs it; HLT waits for it. */
	begin	real_irq
	xorw	%ax, %ax
	movw	%ax, %es
	set_vector 0xc, real_irq, 1f
	movb	$0x11, %al
	outb	%al, $0x20
	movb	$8, %al
	outb	%al, $0x21
	movb	$4, %al
	outb	%al, $0x21
	movb	$1, %al
	outb	%al, $0x21
	movb	$0xef, %al
	outb	%al, $0x21
	xorl	%ebx, %ebx
	movw	$END_PORT, %dx
	outl	%eax, %dx		/* the test raises the line */
	sti
	hlt
	cli
	jmp	2f
1:	incw	%bx
	movb	$0x20, %al
	outb	%al, $0x20
	iretw
2:	movl	%ebx, %eax
	end	real_irq

/* DS with a 4 GiB limit, kept after leaving protected mode. */
	begin	real_big
	lgdtl	%cs:(3f - real_big_start)
	movl	%cr0, %eax
	orb	$CR0_PE, %al
	movl	%eax, %cr0
	movw	$8, %bx
	movw	%bx, %ds
	andb	$~CR0_PE, %al
	movl	%eax, %cr0
	xorw	%bx, %bx
	movw	%bx, %ds
	movl	$0x300000, %ebx
	movl	$0x12345678, (%ebx)
	movl	(%ebx), %eax
	jmp	4f
	.balign	8
2:	.quad	0, 0x00cf93000000ffff
3:	.word	2f - 2b + 15
	.long	2b - real_big_start + REAL_BASE
4:
	end	real_big

/*
 * From real through protected to 64-bit mode. EBX: the PML4's address, which
 * the test made. The result is the sum of what each mode adds.
 */
	begin	real_to_long
	cli
	lgdtl	%cs:(9f - real_to_long_start)
	movl	$1, %esi
	movl	%cr0, %eax
	orb	$CR0_PE, %al
	movl	%eax, %cr0
	ljmpl	$0x08, $(1f - real_to_long_start + REAL_BASE)
	.code32
1:	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	addl	$0x10, %esi
	movl	%cr4, %eax
	orl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	%ebx, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	addl	$0x100, %esi		/* compatibility mode */
	ljmpl	$0x18, $(2f - real_to_long_start + REAL_BASE)
	.code64
2:	movabsq	$0x1000000000, %rax
	addq	%rax, %rsi
	shrq	$24, %rax		/* 0x1000 */
	addq	%rsi, %rax
	movq	%rax, %rdi
	jmp	3f
	.balign	8
8:	.quad	0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
9:	.word	31
	.long	8b - real_to_long_start + REAL_BASE
3:
	end	real_to_long

	.code32

/* Flat 32-bit code with its own tables: segment loads, INT, faults, calls. */
	begin	prot_flat
	lgdtl	prot_gdt_pointer
	lidtl	prot_idt_pointer
	ljmpl	$0x08, $1f
1:	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %ss
	movl	%eax, %fs
	xorl	%eax, %eax
	call	2f
	int	$0x30
	ud2
	movl	%eax, %esi
	jmp	3f
2:	orl	$0x1, %eax
	ret
3:
	end	prot_flat

	begin	prot_nothing
	movl	$0x77, %eax
	end	prot_nothing

/* Goes on with the segments it has, as their descriptors stay. */
	begin	prot_to_real
	movl	%cr0, %eax
	andb	$~CR0_PE, %al
	movl	%eax, %cr0
	movl	$0x77, %eax
	end	prot_to_real

/* EBX: a page directory with 4 MiB entries that the test made. */
	begin	prot_paging
	movl	%cr4, %eax
	orl	$CR4_PSE, %eax
	movl	%eax, %cr4
	movl	%ebx, %cr3
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	movl	0xc0000000, %eax	/* 4 KiB page */
	addl	0xc0400000, %eax	/* 4 MiB page */
	movl	%eax, 0xc0000004
	end	prot_paging

/* EBX: four page-directory pointers. */
	begin	prot_pae
	movl	%cr4, %eax
	orl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	%ebx, %cr3
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	movl	0xc0000000, %eax	/* 4 KiB page */
	addl	0xc0200000, %eax	/* 2 MiB page */
	movl	%eax, 0xc0000004
	end	prot_pae

	.balign	16
	.globl	prot_int, prot_ud
prot_int:
	orl	$0x10, %eax
	iretl
prot_ud:
	orl	$0x100, %eax
	addl	$2, (%esp)
	iretl

	.balign	8
prot_gdt:
	.quad	0, 0x00cf9b000000ffff, 0x00cf93000000ffff
prot_gdt_pointer:
	.word	23
	.long	prot_gdt
prot_idt_pointer:
	.word	0x31 * 8 - 1
	.long	0x200000		/* the test builds it there */

	.section .note.GNU-stack, "", @progbits
