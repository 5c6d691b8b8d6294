// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that VMX does not switch by itself, those that live in the VMCS, and
 * the bitmap that says which the guest reaches without an exit.
 *
 * The SYSCALL registers and TSC_AUX are loaded for a region only where the
 * guest's value differs from the host's; KERNEL_GS_BASE always, since the
 * guest may change it unseen.
 */
#include <linux/bitops.h>
#include <asm/apicdef.h>
#include <asm/msr.h>

#include "vm/vm.h"
#include "vmx/vmx.h"
#include "x86/regs_inline.h"

/*
 * KVM leaves its guests' values until this CPU goes back to user space, and takes them
 * for loaded when its guest is next: unless VMX is ours from one region to the next, what
 * is there now goes back there, whatever it is.
 */
void khv_vmx_msr_host_read(struct vmx_vcpu *vmx)
{
	struct vmx_host_msrs *host = &vmx->host_msrs;

	rdmsrq(MSR_STAR, host->star);
	rdmsrq(MSR_LSTAR, host->lstar);
	rdmsrq(MSR_SYSCALL_MASK, host->fmask);
	if (!vmx_caps.efer)
		rdmsrq(MSR_EFER, host->efer);
	if (khv_caps.rdtscp)
		rdmsrq(MSR_TSC_AUX, host->tsc_aux);
	vmx->host_msrs_shared = khv_vmxon_is_shared();
}

/* Without an exit, if the client does not object. */
static void pass_through(struct khv_vcpu *vcpu, u32 msr, bool write)
{
	/* "SDM, MSR-Bitmap Address": read low, read high, write low, write high. */
	unsigned int nr = (msr & 0x1fff) + (msr >= 0xc0000000 ? 0x2000 : 0) + (write ? 0x4000 : 0);

	if (khv_msr_filter_allows(vcpu->vm, msr,
				  write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ))
		__clear_bit(nr, to_vmx(vcpu)->msr_bitmap);
}

/* "SDM, Virtualizing MSR-Based APIC Accesses". Writes to other registers are for software. */
static void pass_apic(struct khv_vcpu *vcpu)
{
	u32 msr;

	for (msr = APIC_BASE_MSR; msr < APIC_BASE_MSR + (KVM_APIC_REG_SIZE >> 4); msr++)
		if (khv_x2apic_reads_page(msr))
			pass_through(vcpu, msr, false);
	pass_through(vcpu, APIC_BASE_MSR + (APIC_TASKPRI >> 4), true);
	pass_through(vcpu, APIC_BASE_MSR + (APIC_EOI >> 4), true);
	pass_through(vcpu, APIC_BASE_MSR + (APIC_SELF_IPI >> 4), true);
}

void khv_vmx_msr_bitmap_update(struct khv_vcpu *vcpu)
{
	static const u32 both[] = {
		MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
		MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
	};
	static const u32 cstates[] = {
		MSR_CORE_C1_RES, MSR_CORE_C3_RESIDENCY, MSR_CORE_C6_RESIDENCY,
		MSR_CORE_C7_RESIDENCY,
	};
	unsigned int i;

	memset(to_vmx(vcpu)->msr_bitmap, 0xff, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(both); i++) {
		pass_through(vcpu, both[i], false);
		pass_through(vcpu, both[i], true);
	}
	/* RDMSR of the TSC honours the offset ("SDM, Changes to Instruction Behavior"). */
	pass_through(vcpu, MSR_IA32_TSC, false);
	if (khv_lapic_is_virtual(vcpu))
		pass_apic(vcpu);
	if (!(READ_ONCE(vcpu->vm->opts.disabled_exits) & KVM_X86_DISABLE_EXITS_CSTATE))
		return;
	for (i = 0; i < ARRAY_SIZE(cstates); i++)
		pass_through(vcpu, cstates[i], false);
}

static void load_if_differs(u32 msr, u64 to, u64 from)
{
	if (to != from)
		wrmsrq(msr, to);
}

/* Interrupts off, once in a region: writes that would change a value end it. */
void khv_vmx_msr_load(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	const struct vmx_host_msrs *host = &vmx->host_msrs;
	u64 *sw = vcpu->msrs.switched;

	/* Without EFER.SCE, SYSCALL is #UD and its MSRs mean nothing. */
	if (vcpu->regs.efer & EFER_SCE) {
		load_if_differs(MSR_STAR, sw[KHV_SW_STAR], host->star);
		load_if_differs(MSR_LSTAR, sw[KHV_SW_LSTAR], host->lstar);
		load_if_differs(MSR_SYSCALL_MASK, sw[KHV_SW_FMASK], host->fmask);
		vmx->syscall_msrs_loaded = true;
	}
	if (!vmx_caps.efer && unlikely((vcpu->regs.efer ^ host->efer) & EFER_SCE)) {
		/* Entry sets LMA and LME; NX is on for guest and host. */
		wrmsrq(MSR_EFER, host->efer ^ EFER_SCE);
		vmx->efer_loaded = true;
	}
	if (khv_has(vcpu, RDTSCP) || khv_has(vcpu, RDPID)) {
		load_if_differs(MSR_TSC_AUX, sw[KHV_SW_TSC_AUX], host->tsc_aux);
		vmx->tsc_aux_loaded = true;
	}
	wrmsrq(MSR_KERNEL_GS_BASE, sw[KHV_SW_KERNEL_GS_BASE]);
}

/* Reverse. khv_host_restore() brings the host's KERNEL_GS_BASE back. */
void khv_vmx_msr_put(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	const struct vmx_host_msrs *host = &vmx->host_msrs;
	u64 *sw = vcpu->msrs.switched;

	rdmsrq(MSR_KERNEL_GS_BASE, sw[KHV_SW_KERNEL_GS_BASE]);
	if (vmx->syscall_msrs_loaded) {
		load_if_differs(MSR_STAR, host->star, sw[KHV_SW_STAR]);
		load_if_differs(MSR_LSTAR, host->lstar, sw[KHV_SW_LSTAR]);
		load_if_differs(MSR_SYSCALL_MASK, host->fmask, sw[KHV_SW_FMASK]);
		vmx->syscall_msrs_loaded = false;
	}
	if (unlikely(vmx->efer_loaded)) {
		wrmsrq(MSR_EFER, host->efer);
		vmx->efer_loaded = false;
	}
	if (vmx->tsc_aux_loaded) {
		load_if_differs(MSR_TSC_AUX, host->tsc_aux, sw[KHV_SW_TSC_AUX]);
		vmx->tsc_aux_loaded = false;
	}
}

/* A 64-bit or natural-width MSR that is a VMCS field, or 0. */
static unsigned long msr_field(u32 index)
{
	switch (index) {
	case MSR_IA32_SYSENTER_CS:
		return GUEST_SYSENTER_CS;
	case MSR_IA32_SYSENTER_ESP:
		return GUEST_SYSENTER_ESP;
	case MSR_IA32_SYSENTER_EIP:
		return GUEST_SYSENTER_EIP;
	case MSR_FS_BASE:
		return GUEST_FS_BASE;
	case MSR_GS_BASE:
		return GUEST_GS_BASE;
	case MSR_IA32_CR_PAT:
		return vmx_caps.pat ? GUEST_IA32_PAT : 0;
	case MSR_IA32_DEBUGCTLMSR:
		return GUEST_IA32_DEBUGCTL;
	default:
		return 0;
	}
}

int khv_vmx_get_msr(struct khv_vcpu *vcpu, u32 index, u64 *data)
{
	unsigned long field = msr_field(index);

	*data = 0;
	if (!field) {
		if (index == MSR_IA32_CR_PAT)
			*data = to_vmx(vcpu)->pat;
		else if (index != MSR_KERNEL_GS_BASE)
			return -ENOENT;
		/* While a region is open, the CPU has the newest value. */
		else if (to_vmx(vcpu)->in_region)
			rdmsrq(MSR_KERNEL_GS_BASE, *data);
		else
			*data = vcpu->msrs.switched[KHV_SW_KERNEL_GS_BASE];
		return 0;
	}
	if (khv_vmx_access_begin(vcpu))
		*data = khv_vmread(field);
	khv_vmx_access_end(vcpu);
	return 0;
}

int khv_vmx_set_msr(struct khv_vcpu *vcpu, u32 index, u64 data)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned long field = msr_field(index);

	switch (index) {
	case MSR_STAR:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_SYSCALL_MASK:
	case MSR_TSC_AUX:
	case MSR_KERNEL_GS_BASE:
		/* The caller has stored the value; with no region open, that is all. */
		WARN_ON_ONCE(to_vmx(vcpu)->in_region);
		return 0;
	case MSR_IA32_CR_PAT:
		vmx->pat = data;
		break;
	case MSR_IA32_DEBUGCTLMSR:
		/* Branch records and their like are not offered. */
		if (data & ~(u64)DEBUGCTLMSR_BTF)
			return 1;
		break;
	}
	if (!field)
		return index == MSR_IA32_CR_PAT ? 0 : -ENOENT;
	if (index == MSR_FS_BASE)
		vmx->cached &= ~VMX_CACHE_SEG(KHV_SEG_FS);
	if (index == MSR_GS_BASE)
		vmx->cached &= ~VMX_CACHE_SEG(KHV_SEG_GS);
	if (khv_vmx_access_begin(vcpu))
		khv_vmwrite(field, data);
	khv_vmx_access_end(vcpu);
	return 0;
}
