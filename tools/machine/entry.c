// SPDX-License-Identifier: GPL-2.0-only
/*
 * The processor state of Linux's 64-bit boot protocol (Documentation/arch/x86/
 * boot.rst, "64-bit Boot Protocol"): long mode with an identity map, flat
 * segments, interrupts off, RSI pointing to the boot parameters.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "khv.h"
#include "machine/vcpu.h"

#define SEL_CODE	0x10
#define SEL_DATA	0x18
#define SEL_TSS		0x20

/* SDM, "Segment Descriptors": types with the accessed bit, TSS busy. */
#define TYPE_CODE	0xb
#define TYPE_DATA	0x3
#define TYPE_TSS	0xb
#define TYPE_LDT	0x2

#define CR0_PE		(1ull << 0)
#define CR0_MP		(1ull << 1)
#define CR0_ET		(1ull << 4)
#define CR0_NE		(1ull << 5)
#define CR0_PG		(1ull << 31)
#define CR4_PAE		(1ull << 5)
#define EFER_LME	(1ull << 8)
#define EFER_LMA	(1ull << 10)
#define RFLAGS_FIXED	0x2

#define PTE_PRESENT	(1ull << 0)
#define PTE_WRITE	(1ull << 1)
#define PTE_LARGE	(1ull << 7)
#define PTES		512

#define MSR_MISC_ENABLE		0x1a0
#define MISC_ENABLE_FAST_STRING	1
#define MSR_MTRR_DEF_TYPE	0x2ff
#define MTRR_ENABLED_WB		0x806	/* MTRRs on, default type write-back */

/* Map the first 4 GiB to themselves by leaves of 2 MiB, which every processor has. */
static void write_page_tables(const struct khv_ram *ram, uint64_t gpa)
{
	uint64_t *pml4 = khv_ram_ptr(ram, gpa, 6 * 4096);
	uint64_t *pdpt = pml4 + PTES, *pd = pdpt + PTES;

	memset(pml4, 0, 6 * 4096);
	pml4[0] = (gpa + 4096) | PTE_PRESENT | PTE_WRITE;
	for (uint64_t i = 0; i < 4; i++)
		pdpt[i] = (gpa + (2 + i) * 4096) | PTE_PRESENT | PTE_WRITE;
	for (uint64_t i = 0; i < 4ull * PTES; i++)
		pd[i] = i * 2 * KHV_MIB | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type)
{
	bool code = selector == SEL_CODE;

	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type, .present = 1,
		.s = 1, .g = 1, .l = code, .db = !code,
	};
}

/* The same segments as descriptors: the kernel may reload them before its own GDT. */
static void write_gdt(const struct khv_ram *ram, uint64_t gpa)
{
	uint64_t *gdt = khv_ram_ptr(ram, gpa, 6 * 8);

	memset(gdt, 0, 6 * 8);
	gdt[SEL_CODE / 8] = 0x00af9b000000ffffull;	/* 64-bit code */
	gdt[SEL_DATA / 8] = 0x00cf93000000ffffull;
	gdt[SEL_TSS / 8] = 0x00008b0000000067ull;	/* base 0; 16 bytes in long mode */
}

static int set_sregs(struct khv_vcpu *vcpu, uint64_t page_tables, uint64_t gdt)
{
	struct kvm_segment data = flat_segment(SEL_DATA, TYPE_DATA);
	struct kvm_sregs s;

	/* The APIC base and what else a reset left stays. */
	if (ioctl(vcpu->fd, KVM_GET_SREGS, &s))
		return khv_fail("set up", "the vCPU", NULL, "KVM_GET_SREGS: %m");
	s.cs = flat_segment(SEL_CODE, TYPE_CODE);
	s.ds = data;
	s.es = data;
	s.fs = data;
	s.gs = data;
	s.ss = data;
	s.tr = (struct kvm_segment){
		.limit = 0x67, .selector = SEL_TSS, .type = TYPE_TSS, .present = 1,
	};
	s.ldt = (struct kvm_segment){ .type = TYPE_LDT, .unusable = 1 };
	s.gdt.base = gdt;
	s.gdt.limit = 6 * 8 - 1;
	s.idt.base = 0;
	s.idt.limit = 0;
	s.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_PG;
	s.cr3 = page_tables;
	s.cr4 = CR4_PAE;
	s.efer = EFER_LME | EFER_LMA;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &s))
		return khv_fail("set up", "the vCPU", NULL, "KVM_SET_SREGS: %m");
	return 0;
}

int khv_vcpu_set_firmware(struct khv_vcpu *vcpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[2];
	} msrs = {
		.head.nmsrs = 2,
		.entry = {
			{ .index = MSR_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRING },
			{ .index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLED_WB },
		},
	};
	int set = ioctl(vcpu->fd, KVM_SET_MSRS, &msrs);

	if (set < 0)
		return khv_fail("set up", "the vCPU", NULL, "KVM_SET_MSRS: %m");
	if (set < (int)msrs.head.nmsrs)
		return khv_fail("set up", "the vCPU", NULL,
				"the hypervisor refuses a value for MSR 0x%x",
				msrs.entry[set].index);
	return 0;
}

/* With an identity map at @page_tables and flat segments at @gdt. */
static int enter(struct khv_vcpu *vcpu, uint64_t page_tables, uint64_t gdt,
		 const struct kvm_regs *regs)
{
	struct kvm_fpu fpu = { .fcw = 0x37f, .mxcsr = 0x1f80 };

	if (set_sregs(vcpu, page_tables, gdt))
		return -1;
	if (ioctl(vcpu->fd, KVM_SET_REGS, regs))
		return khv_fail("set up", "the vCPU", NULL, "KVM_SET_REGS: %m");
	if (ioctl(vcpu->fd, KVM_SET_FPU, &fpu))
		return khv_fail("set up", "the vCPU", NULL, "KVM_SET_FPU: %m");
	return 0;
}

int khv_vcpu_set_entry(struct khv_vcpu *vcpu, uint64_t entry)
{
	write_page_tables(&vcpu->vm->ram, KHV_GPA_PAGE_TABLES);
	write_gdt(&vcpu->vm->ram, KHV_GPA_GDT);
	return enter(vcpu, KHV_GPA_PAGE_TABLES, KHV_GPA_GDT, &(struct kvm_regs){
		.rip = entry, .rsi = KHV_GPA_BOOT_PARAMS, .rsp = KHV_GPA_BOOT_STACK,
		.rflags = RFLAGS_FIXED,
	});
}

void khv_wakeup_prepare(const struct khv_ram *ram)
{
	write_page_tables(ram, KHV_GPA_AP_PAGE_TABLES);
	write_gdt(ram, KHV_GPA_AP_GDT);
}

int khv_vcpu_set_wakeup(struct khv_vcpu *vcpu, uint64_t vector)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };

	if (ioctl(vcpu->fd, KVM_SET_MP_STATE, &runnable))
		return khv_fail("start", "a vCPU", NULL, "KVM_SET_MP_STATE: %m");
	return enter(vcpu, KHV_GPA_AP_PAGE_TABLES, KHV_GPA_AP_GDT, &(struct kvm_regs){
		.rip = vector, .rsp = KHV_GPA_AP_STACK, .rflags = RFLAGS_FIXED,
	});
}
