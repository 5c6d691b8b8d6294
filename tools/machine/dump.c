// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints a vCPU's registers after a crash.
 */
#include <stdio.h>
#include <sys/ioctl.h>

#include "khv.h"
#include "machine/vcpu.h"

static void print_segment(const char *name, const struct kvm_segment *s)
{
	fprintf(stderr, "%-3s %04x base %016llx limit %08x type %x%s%s%s%s\n", name, s->selector,
		(unsigned long long)s->base, s->limit, s->type, s->s ? "" : " system",
		s->l ? " 64-bit" : "", s->db ? " 32-bit" : "", s->unusable ? " unusable" : "");
}

static void print_regs(const struct kvm_regs *r)
{
	const struct {
		const char *name;
		uint64_t value;
	} reg[] = {
		{ "rax", r->rax }, { "rbx", r->rbx }, { "rcx", r->rcx }, { "rdx", r->rdx },
		{ "rsi", r->rsi }, { "rdi", r->rdi }, { "rbp", r->rbp }, { "rsp", r->rsp },
		{ "r8", r->r8 },   { "r9", r->r9 },   { "r10", r->r10 }, { "r11", r->r11 },
		{ "r12", r->r12 }, { "r13", r->r13 }, { "r14", r->r14 }, { "r15", r->r15 },
		{ "rip", r->rip }, { "rflags", r->rflags },
	};

	for (size_t i = 0; i < ARRAY_SIZE(reg); i++)
		fprintf(stderr, "%-6s %016llx%s", reg[i].name, (unsigned long long)reg[i].value,
			i % 3 == 2 ? "\n" : "  ");
}

static void print_sregs(const struct kvm_sregs *s)
{
	print_segment("cs", &s->cs);
	print_segment("ds", &s->ds);
	print_segment("es", &s->es);
	print_segment("fs", &s->fs);
	print_segment("gs", &s->gs);
	print_segment("ss", &s->ss);
	print_segment("tr", &s->tr);
	print_segment("ldt", &s->ldt);
	fprintf(stderr, "gdt base %016llx limit %04x  idt base %016llx limit %04x\n",
		(unsigned long long)s->gdt.base, s->gdt.limit,
		(unsigned long long)s->idt.base, s->idt.limit);
	fprintf(stderr, "cr0 %08llx  cr2 %016llx  cr3 %016llx\ncr4 %08llx  efer %08llx\n",
		(unsigned long long)s->cr0, (unsigned long long)s->cr2,
		(unsigned long long)s->cr3, (unsigned long long)s->cr4,
		(unsigned long long)s->efer);
}

void khv_vcpu_dump(struct khv_vcpu *vcpu)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	if (!ioctl(vcpu->fd, KVM_GET_REGS, &regs))
		print_regs(&regs);
	if (!ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		print_sregs(&sregs);
}
