// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC as VMX virtualizes it ("SDM, APIC Virtualization and Virtual
 * Interrupts"): which vCPUs' it does, by which controls, and what it is told before an
 * entry. What software does about such an APIC is irqchip/lapic_virtual.c's.
 *
 * All of it or nothing: without virtual-interrupt delivery each EOI would exit as before.
 * Only x2APICs: in xAPIC mode all vCPUs would have to find a page of the host's at the
 * address that each can move its APIC to, and systems that care use x2APIC mode.
 */
#include <linux/moduleparam.h>

#include "irqchip/lapic.h"
#include "vmx/vmx.h"

static bool apicv;
module_param(apicv, bool, 0444);
MODULE_PARM_DESC(apicv, "let the processor virtualize local APICs where it can (default: no; Intel)");

#define APIC_CPU2	(SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE |		\
			 SECONDARY_EXEC_APIC_REGISTER_VIRT |			\
			 SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)
#define CR8_EXITING	(CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING)

void khv_vmx_apic_init(void)
{
	/* What is so can be read there. */
	apicv = apicv && (vmx_caps.cpu & CPU_BASED_TPR_SHADOW) &&
		(vmx_caps.cpu2 & APIC_CPU2) == APIC_CPU2;
	vmx_caps.apicv = apicv;
	/* Set per vCPU. */
	vmx_caps.cpu &= ~CPU_BASED_TPR_SHADOW;
	vmx_caps.cpu2 &= ~APIC_CPU2;
}

void khv_vmx_update_apic(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned int i;
	bool virtual;

	if (!vcpu->lapic || !vmx_caps.apicv)
		return;
	/* A debugger that holds interrupts back has to be asked about each. */
	virtual = khv_lapic_may_be_virtual(vcpu->lapic) &&
		  !(vcpu->debug.control & KVM_GUESTDBG_BLOCKIRQ);
	vmx->cpu_ctl &= ~CPU_BASED_TPR_SHADOW;
	vmx->cpu_ctl |= CR8_EXITING;
	vmx->cpu2_ctl &= ~APIC_CPU2;
	if (virtual) {
		vmx->cpu_ctl |= CPU_BASED_TPR_SHADOW;
		vmx->cpu_ctl &= ~CR8_EXITING;
		vmx->cpu2_ctl |= APIC_CPU2;
		khv_vmwrite(VIRTUAL_APIC_PAGE_ADDR, __pa(vcpu->lapic->regs));
		for (i = 0; i < ARRAY_SIZE(vmx->eoi_exits); i++)
			khv_vmwrite(EOI_EXIT_BITMAP0 + 2 * i, vmx->eoi_exits[i]);
	}
	khv_lapic_set_virtual(vcpu->lapic, virtual);
}

void khv_vmx_sync_apic(struct khv_vcpu *vcpu)
{
	struct khv_lapic *apic = vcpu->lapic;
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u8 requesting, in_service;
	unsigned int i;
	u16 status;
	int vector;

	/* "SDM, Guest Non-Register State": the vectors requesting (RVI) and in service (SVI). */
	if (unlikely(apic->reload)) {
		khv_lapic_virtual_load(apic, &requesting, &in_service);
		khv_vmwrite(GUEST_INTR_STATUS, in_service << 8 | requesting);
	} else {
		vector = khv_lapic_pull(apic);
		if (vector < 0)
			return;
		status = khv_vmread(GUEST_INTR_STATUS);
		if (vector > (status & 0xff))
			khv_vmwrite(GUEST_INTR_STATUS, (status & 0xff00) | vector);
	}
	for (i = 0; i < ARRAY_SIZE(vmx->eoi_exits); i++) {
		if (vmx->eoi_exits[i] == apic->eoi_exits[i])
			continue;
		vmx->eoi_exits[i] = apic->eoi_exits[i];
		khv_vmwrite(EOI_EXIT_BITMAP0 + 2 * i, vmx->eoi_exits[i]);
	}
}
