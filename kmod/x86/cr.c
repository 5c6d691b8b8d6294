// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest writes of control and debug registers, EFER and XCR0, checked as the
 * processor checks them ("SDM, MOV - Move to/from Control Registers", "SDM,
 * Control Registers", "SDM, Extended Control Registers").
 *
 * Owns the rules and their consequences: paging mode, LMA, PDPTEs, stale
 * translations, CPUID bits that mirror CR4. The hardware keeps the values.
 */
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/fpu/types.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <linux/nospec.h>

#include "irqchip/irqchip.h"
#include "mmu/shadow.h"
#include "mmu/walker.h"
#include "vm/vcpu.h"
#include "x86/regs_inline.h"

#define CR0_KNOWN	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | \
			 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | \
			 X86_CR0_PG)

/* On every processor that has VMX or SVM, so CPUID need not be asked. */
#define CR4_ALWAYS	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | \
			 X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | \
			 X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)

/* A change of these makes a PAE guest's processor read the PDPTEs again. */
#define CR4_PDPTE_BITS	(X86_CR4_PGE | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_SMEP)
#define CR4_TLB_BITS	(CR4_PDPTE_BITS | X86_CR4_PCIDE | X86_CR4_PKE | X86_CR4_SMAP)

/* A TSS descriptor's type: not of a 16-bit one. */
#define TSS_32		8

#define CR3_NOFLUSH	BIT_ULL(63)
#define CR3_PCID	GENMASK_ULL(11, 0)

/* Bits that MOV to DR6 and DR7 can change, and those that always read as one. */
#define DR6_WRITABLE	(DR_TRAP_BITS | DR_STEP | 0xa000ULL)
#define DR6_ONES	0xffff0ff0ULL
#define DR7_WRITABLE	0xffff2bffULL
#define DR7_ONES	0x400ULL

bool khv_cr0_valid(u64 val)
{
	if (val >> 32)
		return false;
	if ((val & X86_CR0_NW) && !(val & X86_CR0_CD))
		return false;
	return !(val & X86_CR0_PG) || (val & X86_CR0_PE);
}

/* PAE paging is on with these values and EFER.LMA clear. */
static bool pae_paging(u64 cr0, u64 cr4)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE);
}

/*
 * Read the PDPTEs at @cr3. The hardware takes them from vcpu->regs with the
 * set_cr3() that comes when CR0 and CR4 have their new values.
 */
static int load_pdptes(struct khv_vcpu *vcpu, u64 cr3)
{
	u64 pdpte[4];

	if (khv_load_pdptes(vcpu, cr3, pdpte))
		return 1;
	memcpy(vcpu->regs.pdpte, pdpte, sizeof(pdpte));
	return 0;
}

static void put_pdptes(struct khv_vcpu *vcpu)
{
	if (!khv_long_mode(vcpu) && pae_paging(khv_cr0(vcpu), khv_cr4(vcpu))) {
		khv_hw->set_cr3(vcpu, khv_cr3(vcpu));
		khv_shadow_new_cr3(vcpu);
	}
}

static bool segments_allow_long_mode(struct khv_vcpu *vcpu)
{
	struct kvm_segment s;

	khv_hw->get_segment(vcpu, KHV_SEG_CS, &s);
	if (s.l)
		return false;
	if (!khv_caps.long_tss_checked)
		return true;
	khv_hw->get_segment(vcpu, KHV_SEG_TR, &s);
	return s.type & TSS_32;
}

/* CR0.PG is about to go from 0 to 1: enter the mode that EFER.LME and CR4.PAE select. */
static int enable_paging(struct khv_vcpu *vcpu, u64 *efer)
{
	u64 cr4 = khv_cr4(vcpu);

	if (vcpu->regs.efer & EFER_LME) {
		if (!(cr4 & X86_CR4_PAE))
			return 1;
		if (!segments_allow_long_mode(vcpu))
			return 1;
		*efer |= EFER_LMA;
		return 0;
	}
	return cr4 & X86_CR4_PAE ? load_pdptes(vcpu, khv_cr3(vcpu)) : 0;
}

static int disable_paging(struct khv_vcpu *vcpu, u64 *efer)
{
	if (khv_64bit_code(vcpu) || (khv_cr4(vcpu) & X86_CR4_PCIDE))
		return 1;
	*efer &= ~(u64)EFER_LMA;
	return 0;
}

int khv_write_cr0(struct khv_vcpu *vcpu, u64 val)
{
	u64 old = khv_cr0(vcpu), efer = vcpu->regs.efer, changed;

	if (!khv_cr0_valid(val))
		return 1;
	/* The other reserved bits are ignored, and ET is wired to one. */
	val = (val & CR0_KNOWN) | X86_CR0_ET;
	changed = old ^ val;

	if (changed & X86_CR0_PG) {
		if (val & X86_CR0_PG ? enable_paging(vcpu, &efer) : disable_paging(vcpu, &efer))
			return 1;
	} else if ((changed & (X86_CR0_CD | X86_CR0_NW)) && !khv_long_mode(vcpu) &&
		   pae_paging(val, khv_cr4(vcpu))) {
		if (load_pdptes(vcpu, khv_cr3(vcpu)))
			return 1;
	}

	if (efer != vcpu->regs.efer)
		khv_hw->set_efer(vcpu, efer);
	khv_hw->set_cr0(vcpu, val);
	if (changed & (X86_CR0_PG | X86_CR0_CD | X86_CR0_NW))
		put_pdptes(vcpu);
	if (changed & X86_CR0_PG)
		khv_hw->flush_tlb(vcpu);
	if (changed & (X86_CR0_PG | X86_CR0_WP))
		khv_shadow_mode_changed(vcpu);
	return 0;
}

int khv_write_cr3(struct khv_vcpu *vcpu, u64 val)
{
	bool flush = true;

	if (khv_long_mode(vcpu)) {
		if (khv_cr4(vcpu) & X86_CR4_PCIDE) {
			flush = !(val & CR3_NOFLUSH);
			val &= ~CR3_NOFLUSH;
		}
		if (val & vcpu->cpuid.cr3_reserved)
			return 1;
	} else {
		val = (u32)val;
		if (pae_paging(khv_cr0(vcpu), khv_cr4(vcpu)) && load_pdptes(vcpu, val))
			return 1;
	}
	khv_hw->set_cr3(vcpu, val);
	if (flush)
		khv_hw->flush_tlb(vcpu);
	khv_shadow_new_cr3(vcpu);
	return 0;
}

u64 khv_cr4_allowed(struct khv_vcpu *vcpu)
{
	static const struct {
		enum khv_feature feature;
		u64 bit;
	} optional[] = {
		{ KHV_F_XSAVE, X86_CR4_OSXSAVE },
		{ KHV_F_SMEP, X86_CR4_SMEP },
		{ KHV_F_SMAP, X86_CR4_SMAP },
		{ KHV_F_FSGSBASE, X86_CR4_FSGSBASE },
		{ KHV_F_PKU, X86_CR4_PKE },
		{ KHV_F_UMIP, X86_CR4_UMIP },
		{ KHV_F_PCID, X86_CR4_PCIDE },
	};
	/* Before CPUID is set, clients may restore whatever the host has. */
	u64 features = vcpu->cpuid.nent ? vcpu->cpuid.features : khv_cpuid_host_features();
	u64 bits = CR4_ALWAYS;
	int i;

	/* Shadow tables know neither; a client may have promised them all the same. */
	if (!khv_caps.nested_paging)
		features &= ~(BIT_ULL(KHV_F_PKU) | BIT_ULL(KHV_F_PCID));

	for (i = 0; i < ARRAY_SIZE(optional); i++) {
		if (features & BIT_ULL(optional[i].feature))
			bits |= optional[i].bit;
	}
	return bits;
}

/* The rules that depend on more than CR4 itself. */
static int check_cr4_change(struct khv_vcpu *vcpu, u64 old, u64 val)
{
	if (khv_long_mode(vcpu)) {
		if (!(val & X86_CR4_PAE))
			return 1;
	} else if (pae_paging(khv_cr0(vcpu), val) && ((old ^ val) & CR4_PDPTE_BITS)) {
		if (load_pdptes(vcpu, khv_cr3(vcpu)))
			return 1;
	}
	if ((val & X86_CR4_PCIDE) && !(old & X86_CR4_PCIDE))
		return !khv_long_mode(vcpu) || (khv_cr3(vcpu) & CR3_PCID);
	return 0;
}

int khv_write_cr4(struct khv_vcpu *vcpu, u64 val)
{
	u64 old = khv_cr4(vcpu);

	if (val & ~khv_cr4_allowed(vcpu))
		return 1;
	if (check_cr4_change(vcpu, old, val))
		return 1;

	khv_hw->set_cr4(vcpu, val);
	if ((old ^ val) & CR4_PDPTE_BITS)
		put_pdptes(vcpu);
	if ((old ^ val) & CR4_TLB_BITS) {
		khv_hw->flush_tlb(vcpu);
		khv_shadow_mode_changed(vcpu);
	}
	if ((old ^ val) & (X86_CR4_OSXSAVE | X86_CR4_PKE)) {
		khv_xstate_switch_xcr0(vcpu);
		khv_cpuid_refresh(vcpu);
	}
	return 0;
}

int khv_write_cr8(struct khv_vcpu *vcpu, u64 val)
{
	if (val & ~0xfULL)
		return 1;
	if (vcpu->lapic)
		khv_lapic_set_cr8(vcpu, val);
	else
		vcpu->regs.cr8 = val;
	return 0;
}

u64 khv_read_cr8(struct khv_vcpu *vcpu)
{
	return vcpu->lapic ? khv_lapic_get_cr8(vcpu) : vcpu->regs.cr8;
}

u64 khv_efer_allowed(struct khv_vcpu *vcpu, bool host)
{
	u64 bits = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;

	if (host || khv_has(vcpu, FFXSR))
		bits |= boot_cpu_has(X86_FEATURE_FXSR_OPT) ? EFER_FFXSR : 0;
	if (host)
		return bits;
	if (!khv_has(vcpu, SYSCALL))
		bits &= ~(u64)EFER_SCE;
	if (!khv_has(vcpu, LM))
		bits &= ~(u64)(EFER_LME | EFER_LMA);
	if (!khv_has(vcpu, NX))
		bits &= ~(u64)EFER_NX;
	return bits;
}

static int write_efer(struct khv_vcpu *vcpu, u64 val, bool host)
{
	u64 old = vcpu->regs.efer;

	if (val & ~khv_efer_allowed(vcpu, host))
		return 1;
	if (((old ^ val) & EFER_LME) && khv_paging(vcpu))
		return 1;
	/* LMA follows CR0.PG; writing it has no effect. */
	val = (val & ~(u64)EFER_LMA) | (old & EFER_LMA);
	if (val == old)
		return 0;
	khv_hw->set_efer(vcpu, val);
	if ((old ^ val) & EFER_NX) {
		khv_hw->flush_tlb(vcpu);
		khv_shadow_mode_changed(vcpu);
	}
	return 0;
}

int khv_write_efer(struct khv_vcpu *vcpu, u64 val)
{
	return write_efer(vcpu, val, false);
}

int khv_write_efer_host(struct khv_vcpu *vcpu, u64 val)
{
	return write_efer(vcpu, val, true);
}

int khv_write_xcr0(struct khv_vcpu *vcpu, u64 val)
{
	if (!(val & XFEATURE_MASK_FP) || (val & ~vcpu->cpuid.xcr0_allowed))
		return 1;
	if ((val & XFEATURE_MASK_YMM) && !(val & XFEATURE_MASK_SSE))
		return 1;
	/* The three parts of AVX-512 come together, and on top of AVX. */
	if (val & XFEATURE_MASK_AVX512) {
		if ((val & XFEATURE_MASK_AVX512) != XFEATURE_MASK_AVX512 ||
		    !(val & XFEATURE_MASK_YMM))
			return 1;
	}
	vcpu->xstate.xcr0 = val;
	khv_xstate_switch_xcr0(vcpu);
	khv_cpuid_refresh(vcpu);
	return 0;
}

/* DR4 and DR5 are other names of DR6 and DR7 unless CR4.DE is set. */
static int resolve_dr(struct khv_vcpu *vcpu, int *dr)
{
	if (*dr < 0 || *dr > 7)
		return 2;
	if (*dr == 4 || *dr == 5) {
		if (khv_cr4(vcpu) & X86_CR4_DE)
			return 2;
		*dr += 2;
	}
	return 0;
}

void khv_update_dr7(struct khv_vcpu *vcpu)
{
	struct khv_debug *debug = &vcpu->debug;

	debug->hw_dr7 = debug->control & KVM_GUESTDBG_USE_HW_BP ? debug->dr7 : vcpu->regs.dr7;
	khv_hw->set_dr7(vcpu, debug->hw_dr7);
}

int khv_write_dr(struct khv_vcpu *vcpu, int dr, u64 val)
{
	struct khv_regs *regs = &vcpu->regs;
	int ret = resolve_dr(vcpu, &dr);

	if (ret)
		return ret;
	if (dr >= 6 && val >> 32)
		return 1;
	if (dr < 4)
		regs->dr[array_index_nospec(dr, 4)] = val;
	else if (dr == 6)
		regs->dr6 = (val & DR6_WRITABLE) | DR6_ONES;
	else
		regs->dr7 = (val & DR7_WRITABLE) | DR7_ONES;
	khv_update_dr7(vcpu);
	return 0;
}

int khv_read_dr(struct khv_vcpu *vcpu, int dr, u64 *val)
{
	int ret = resolve_dr(vcpu, &dr);

	if (ret)
		return ret;
	if (dr < 4)
		*val = vcpu->regs.dr[array_index_nospec(dr, 4)];
	else
		*val = dr == 6 ? vcpu->regs.dr6 : vcpu->regs.dr7;
	return 0;
}
