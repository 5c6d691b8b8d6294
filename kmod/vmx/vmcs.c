// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMCS regions: allocation, initial contents, host fields, VPIDs.
 */
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/idr.h>
#include <linux/mm.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/segment.h>
#include <asm/trapnr.h>

#include "host/cr4.h"
#include "mmu/mmu.h"
#include "vm/vm.h"
#include "vmx/vmx.h"
#include "x86/regs_inline.h"

static DEFINE_IDA(vpid_ida);

int khv_vmx_vpid_alloc(void)
{
	/* 0 is the host's. Without a free one the vCPU runs untagged, flushed on each entry. */
	int r = vmx_caps.vpid ? ida_alloc_range(&vpid_ida, 1, U16_MAX, GFP_KERNEL) : 0;

	return r < 0 ? 0 : r;
}

void khv_vmx_vpid_free(int vpid)
{
	if (vpid)
		ida_free(&vpid_ida, vpid);
}

int khv_vmx_vmcs_alloc(struct khv_vmcs *vmcs)
{
	vmcs->va = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vmcs->va)
		return -ENOMEM;
	*(u32 *)vmcs->va = vmx_caps.revision;
	vmcs->pa = __pa(vmcs->va);
	vmcs->cpu = -1;
	vmcs->launched = false;
	INIT_LIST_HEAD(&vmcs->node);
	return 0;
}

void khv_vmx_vmcs_free(struct khv_vmcs *vmcs)
{
	khv_vmxon_forget(vmcs);
	free_page((unsigned long)vmcs->va);
	vmcs->va = NULL;
}

static u64 eptp(const struct khv_vm *vm)
{
	u64 eptp = vm->mmu.root | VMX_EPTP_MT_WB | VMX_EPTP_PWL_4;

	return khv_caps.nested_ad ? eptp | VMX_EPTP_AD_ENABLE_BIT : eptp;
}

u64 khv_vmx_own_cr4(struct khv_vcpu *vcpu)
{
	u64 own = VMX_CR4_GUEST_OWNED & khv_cr4_allowed(vcpu);

	return khv_caps.nested_paging ? own : own & ~(u64)X86_CR4_PGE;
}

/*
 * Machine checks are the host's. A guest whose #DB or #AC handler is entered
 * with the same exception would loop in microcode, out of anyone's reach, so
 * these two exit and are injected back; it also shows what DR6 should say.
 * #UD may be AMD's hypercall instruction. All others are the guest's own business,
 * but for #PF on shadow tables, and #BP when a debugger has put INT3 into the
 * guest's code.
 */
u32 khv_vmx_exceptions(struct khv_vcpu *vcpu)
{
	u32 exceptions = BIT(X86_TRAP_MC) | BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC) | BIT(X86_TRAP_UD);

	if (!khv_caps.nested_paging)
		exceptions |= BIT(X86_TRAP_PF);
	if (vcpu->debug.control & KVM_GUESTDBG_USE_SW_BP)
		exceptions |= BIT(X86_TRAP_BP);
	return exceptions;
}

/* In cycles of the TSC: between two PAUSE that are one loop, and of a loop that exits. */
#define PAUSE_GAP	128
#define PAUSE_WINDOW	4096

static void setup_controls(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx->cpu_ctl = vmx_caps.cpu;
	vmx->cpu2_ctl = vmx_caps.cpu2;
	vmx->entry_ctl = vmx_caps.entry;
	if (!vmx->vpid)
		vmx->cpu2_ctl &= ~SECONDARY_EXEC_ENABLE_VPID;

	khv_vmwrite(PIN_BASED_VM_EXEC_CONTROL, vmx_caps.pin);
	khv_vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmx->cpu_ctl);
	khv_vmwrite(SECONDARY_VM_EXEC_CONTROL, vmx->cpu2_ctl);
	khv_vmwrite(VM_EXIT_CONTROLS, vmx_caps.exit);
	khv_vmwrite(VM_ENTRY_CONTROLS, vmx->entry_ctl);
	if (khv_caps.nested_paging)
		khv_vmwrite(EPT_POINTER, eptp(vcpu->vm));
	if (vmx->vpid)
		khv_vmwrite(VIRTUAL_PROCESSOR_ID, vmx->vpid);
	if (vmx->cpu2_ctl & SECONDARY_EXEC_PAUSE_LOOP_EXITING) {
		khv_vmwrite(PLE_GAP, PAUSE_GAP);
		khv_vmwrite(PLE_WINDOW, PAUSE_WINDOW);
	}
	if (vmx->cpu2_ctl & SECONDARY_EXEC_ENCLS_EXITING)
		khv_vmwrite(ENCLS_EXITING_BITMAP, ~0ULL);
	khv_vmwrite(MSR_BITMAP, __pa(vmx->msr_bitmap));
	khv_vmwrite(VMCS_LINK_POINTER, ~0ULL);

	/* #PF, where it exits, does so whatever its error code. */
	khv_vmwrite(EXCEPTION_BITMAP, khv_vmx_exceptions(vcpu));
	khv_vmwrite(PAGE_FAULT_ERROR_CODE_MASK, 0);
	khv_vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	khv_vmwrite(CR3_TARGET_COUNT, 0);
	khv_vmwrite(VM_EXIT_MSR_STORE_COUNT, 0);
	khv_vmwrite(VM_EXIT_MSR_LOAD_COUNT, 0);
	khv_vmwrite(VM_ENTRY_MSR_LOAD_COUNT, 0);
	khv_vmwrite(VM_ENTRY_INTR_INFO_FIELD, 0);
	khv_vmwrite(CR0_GUEST_HOST_MASK, ~(u64)VMX_CR0_GUEST_OWNED);
	khv_vmwrite(CR4_GUEST_HOST_MASK, ~khv_vmx_own_cr4(vcpu));
}

static void setup_host_constants(void)
{
	struct desc_ptr idt;
	u64 val;

	khv_vmwrite(HOST_CR0, read_cr0() & ~X86_CR0_TS);
	khv_vmwrite(HOST_CS_SELECTOR, __KERNEL_CS);
	khv_vmwrite(HOST_SS_SELECTOR, __KERNEL_DS);
	khv_vmwrite(HOST_DS_SELECTOR, 0);
	khv_vmwrite(HOST_ES_SELECTOR, 0);
	khv_vmwrite(HOST_FS_SELECTOR, 0);
	khv_vmwrite(HOST_GS_SELECTOR, 0);
	khv_vmwrite(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	store_idt(&idt);
	khv_vmwrite(HOST_IDTR_BASE, idt.address);
	khv_vmwrite(HOST_RIP, (unsigned long)khv_vmx_exit);
	rdmsrq(MSR_IA32_SYSENTER_CS, val);
	khv_vmwrite(HOST_IA32_SYSENTER_CS, (u32)val);
	rdmsrq(MSR_IA32_SYSENTER_EIP, val);
	khv_vmwrite(HOST_IA32_SYSENTER_EIP, val);
	if (vmx_caps.pat) {
		rdmsrq(MSR_IA32_CR_PAT, val);
		khv_vmwrite(HOST_IA32_PAT, val);
	}
	if (vmx_caps.efer) {
		rdmsrq(MSR_EFER, val);
		khv_vmwrite(HOST_IA32_EFER, val);
	}
}

void khv_vmx_vmcs_setup(struct khv_vcpu *vcpu)
{
	setup_controls(vcpu);
	setup_host_constants();
	khv_vmwrite(GUEST_IA32_DEBUGCTL, 0);
	khv_vmx_set_msr(vcpu, MSR_IA32_CR_PAT, 0x0007040600070406ULL);
	khv_vmwrite(GUEST_SYSENTER_CS, 0);
	khv_vmwrite(GUEST_SYSENTER_ESP, 0);
	khv_vmwrite(GUEST_SYSENTER_EIP, 0);
	khv_vmwrite(GUEST_INTERRUPTIBILITY_INFO, 0);
	khv_vmwrite(GUEST_ACTIVITY_STATE, 0);
	khv_vmwrite(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	khv_vmwrite(GUEST_DR7, 0x400);
	khv_vmwrite(TSC_OFFSET, 0);
	if (khv_caps.tsc_scaling)
		khv_vmwrite(TSC_MULTIPLIER, KHV_TSC_UNSCALED);
}

/* A system descriptor's base, from the GDT that is loaded. */
static u64 tss_base(const struct desc_ptr *gdt)
{
	const struct ldttss_desc *d;

	d = (const void *)(gdt->address + GDT_ENTRY_TSS * 8);
	return d->base0 | (u64)d->base1 << 16 | (u64)d->base2 << 24 | (u64)d->base3 << 32;
}

void khv_vmx_host_cpu(struct vmx_vcpu *vmx)
{
	struct desc_ptr gdt;
	u64 val;

	native_store_gdt(&gdt);
	khv_vmwrite(HOST_GDTR_BASE, gdt.address);
	khv_vmwrite(HOST_TR_BASE, tss_base(&gdt));
	rdmsrq(MSR_GS_BASE, val);
	khv_vmwrite(HOST_GS_BASE, val);
	rdmsrq(MSR_IA32_SYSENTER_ESP, val);
	khv_vmwrite(HOST_IA32_SYSENTER_ESP, val);
	khv_vmx_msr_host_read(vmx);
	vmx->host_cpu = smp_processor_id();
}
