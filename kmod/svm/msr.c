// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that live in the VMCB, those that SVM does not switch by itself, and the
 * maps that say which MSRs and ports the guest reaches without an exit.
 *
 * What VMLOAD and VMSAVE move the guest has to itself. The maps are the same for
 * every vCPU, so there is one for ports and three for MSRs: with SPEC_CTRL and
 * without, and one for clients that filter.
 */
#include <linux/bitops.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <asm/msr.h>

#include "svm/svm.h"
#include "vm/vm.h"
#include "x86/regs_inline.h"

#define IOPM_SIZE	(3 * PAGE_SIZE)	/* "APM, Volume 2: I/O Permissions Map" */
#define MSRPM_SIZE	(2 * PAGE_SIZE)	/* "APM, Volume 2: MSR Intercepts" */

enum { MAP_ALL, MAP_USUAL, MAP_SPEC_CTRL, NR_MAPS };

static void *iopm, *msrpm[NR_MAPS];

/* What the guest has to itself, as a rule. */
static const u32 passed[] = {
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_IA32_SPEC_CTRL,
};

static void pass_through(void *map, u32 msr)
{
	unsigned int nr;

	/* Two bits each, reading and writing, for three ranges of 8192 registers. */
	nr = msr < 0x2000 ? msr : (msr & 0x1fff) + (msr < 0xc0010000 ? 0x2000 : 0x4000);
	__clear_bit(nr * 2, map);
	__clear_bit(nr * 2 + 1, map);
}

static void *msr_map(int which)
{
	void *map = alloc_pages_exact(MSRPM_SIZE, GFP_KERNEL);
	unsigned int i;

	if (!map)
		return NULL;
	memset(map, 0xff, MSRPM_SIZE);
	for (i = 0; which != MAP_ALL && i < ARRAY_SIZE(passed); i++) {
		if (passed[i] != MSR_IA32_SPEC_CTRL || which == MAP_SPEC_CTRL)
			pass_through(map, passed[i]);
	}
	return map;
}

static void free_map(void **map, size_t size)
{
	if (*map)
		free_pages_exact(*map, size);
	*map = NULL;
}

int khv_svm_maps_create(void)
{
	int i;

	iopm = alloc_pages_exact(IOPM_SIZE, GFP_KERNEL);
	for (i = 0; i < NR_MAPS; i++)
		msrpm[i] = msr_map(i);
	if (!iopm || !msrpm[MAP_ALL] || !msrpm[MAP_USUAL] || !msrpm[MAP_SPEC_CTRL]) {
		khv_svm_maps_destroy();
		return -ENOMEM;
	}
	memset(iopm, 0xff, IOPM_SIZE);
	return 0;
}

void khv_svm_maps_destroy(void)
{
	int i;

	free_map(&iopm, IOPM_SIZE);
	for (i = 0; i < NR_MAPS; i++)
		free_map(&msrpm[i], MSRPM_SIZE);
}

u64 khv_svm_iopm_pa(void)
{
	return __pa(iopm);
}

/* Does the client object to any of those that usually do not exit? Then all do. */
static bool filtered(struct khv_vm *vm)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(passed); i++) {
		if (!khv_msr_filter_allows(vm, passed[i], KVM_MSR_FILTER_READ) ||
		    !khv_msr_filter_allows(vm, passed[i], KVM_MSR_FILTER_WRITE))
			return true;
	}
	return false;
}

u64 khv_svm_msrpm_pa(struct khv_vcpu *vcpu)
{
	int map = svm_caps.v_spec_ctrl && khv_has(vcpu, SPEC_CTRL) ? MAP_SPEC_CTRL : MAP_USUAL;

	return __pa(msrpm[filtered(vcpu->vm) ? MAP_ALL : map]);
}

void khv_svm_load_debugctl(struct svm_vcpu *svm)
{
	u64 guest = svm->vmcb->dbgctl;
	u64 enable = guest || svm->host.debugctl ? KHV_LBR_ENABLE : 0;

	if (svm_caps.lbrv) {
		if (svm->vmcb->lbr_enable != enable) {
			svm->vmcb->lbr_enable = enable;
			svm_dirty(svm, KHV_CLEAN_LBR);
		}
	} else if (guest != svm->host.debugctl) {
		wrmsrq(MSR_IA32_DEBUGCTLMSR, guest);
	}
}

void khv_svm_put_debugctl(struct svm_vcpu *svm)
{
	if (svm_caps.lbrv || svm->vmcb->dbgctl == svm->host.debugctl)
		return;
	/* A debug exception may have cleared BTF. */
	rdmsrq(MSR_IA32_DEBUGCTLMSR, svm->vmcb->dbgctl);
	wrmsrq(MSR_IA32_DEBUGCTLMSR, svm->host.debugctl);
}

/* Interrupts off, once in a region: writes that would change a value end it. */
void khv_svm_msr_load(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 aux = vcpu->msrs.switched[KHV_SW_TSC_AUX];

	if (khv_has(vcpu, RDTSCP) || khv_has(vcpu, RDPID)) {
		if (aux != svm->host_tsc_aux)
			wrmsrq(MSR_TSC_AUX, aux);
		svm->tsc_aux_loaded = true;
	}
	khv_svm_load_debugctl(svm);
}

/* Reverse; and what the guest has changed unseen becomes visible to clients. */
void khv_svm_msr_put(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	const struct khv_vmcb *vmcb = svm->vmcb;
	u64 *sw = vcpu->msrs.switched;

	khv_svm_put_debugctl(svm);
	if (svm->tsc_aux_loaded) {
		if (sw[KHV_SW_TSC_AUX] != svm->host_tsc_aux)
			wrmsrq(MSR_TSC_AUX, svm->host_tsc_aux);
		svm->tsc_aux_loaded = false;
	}
	sw[KHV_SW_STAR] = vmcb->star;
	sw[KHV_SW_LSTAR] = vmcb->lstar;
	sw[KHV_SW_CSTAR] = vmcb->cstar;
	sw[KHV_SW_FMASK] = vmcb->sfmask;
	sw[KHV_SW_KERNEL_GS_BASE] = vmcb->kernel_gs_base;
	if (svm_caps.v_spec_ctrl)
		vcpu->msrs.spec_ctrl = vmcb->spec_ctrl;
}

/* An MSR that is a VMCB field, and the part that may be cached; or NULL. */
static u64 *msr_field(struct khv_vmcb *vmcb, u32 index, u32 *clean)
{
	*clean = 0;
	switch (index) {
	case MSR_IA32_SYSENTER_CS:
		return &vmcb->sysenter_cs;
	case MSR_IA32_SYSENTER_ESP:
		return &vmcb->sysenter_esp;
	case MSR_IA32_SYSENTER_EIP:
		return &vmcb->sysenter_eip;
	case MSR_STAR:
		return &vmcb->star;
	case MSR_LSTAR:
		return &vmcb->lstar;
	case MSR_CSTAR:
		return &vmcb->cstar;
	case MSR_SYSCALL_MASK:
		return &vmcb->sfmask;
	case MSR_KERNEL_GS_BASE:
		return &vmcb->kernel_gs_base;
	case MSR_FS_BASE:
		return &vmcb->fs.base;
	case MSR_GS_BASE:
		return &vmcb->gs.base;
	case MSR_IA32_CR_PAT:
		*clean = KHV_CLEAN_NP;
		return &vmcb->g_pat;
	case MSR_IA32_DEBUGCTLMSR:
		*clean = KHV_CLEAN_LBR;
		return &vmcb->dbgctl;
	case MSR_IA32_LASTBRANCHFROMIP:
		return &vmcb->br_from;
	case MSR_IA32_LASTBRANCHTOIP:
		return &vmcb->br_to;
	case MSR_IA32_LASTINTFROMIP:
		return &vmcb->last_excp_from;
	case MSR_IA32_LASTINTTOIP:
		return &vmcb->last_excp_to;
	default:
		return NULL;
	}
}

int khv_svm_get_msr(struct khv_vcpu *vcpu, u32 index, u64 *data)
{
	u32 clean;
	u64 *field = msr_field(to_svm(vcpu)->vmcb, index, &clean);

	*data = 0;
	if (!field)
		return -ENOENT;
	*data = *field;
	return 0;
}

int khv_svm_set_msr(struct khv_vcpu *vcpu, u32 index, u64 data)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u32 clean;
	u64 *field;

	switch (index) {
	case MSR_TSC_AUX:
		/* The caller has stored the value; with no region open, that is all. */
		WARN_ON_ONCE(svm->in_region);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		if (svm_caps.v_spec_ctrl)
			svm->vmcb->spec_ctrl = data;
		return 0;
	case MSR_IA32_DEBUGCTLMSR:
		/* Branch records where the processor keeps the guest's apart. */
		if (data & ~(u64)(DEBUGCTLMSR_BTF | (svm_caps.lbrv ? DEBUGCTLMSR_LBR : 0)))
			return 1;
		WARN_ON_ONCE(svm->in_region);
		break;
	case MSR_IA32_LASTBRANCHFROMIP:
	case MSR_IA32_LASTBRANCHTOIP:
	case MSR_IA32_LASTINTFROMIP:
	case MSR_IA32_LASTINTTOIP:
		return 1;
	}
	field = msr_field(svm->vmcb, index, &clean);
	if (!field)
		return -ENOENT;
	*field = data;
	svm_dirty(svm, clean);
	return 0;
}
