/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Accessors of lazily read registers; apart from regs.h because they need
 * struct khv_vcpu whole.
 */
#ifndef KHV_X86_REGS_INLINE_H
#define KHV_X86_REGS_INLINE_H

#include <asm/processor-flags.h>
#include <asm/msr-index.h>

#include "vm/hw.h"
#include "vm/vcpu.h"
#include "x86/regs.h"

static __always_inline void khv_lazy_get(struct khv_vcpu *vcpu, enum khv_lazy reg)
{
	if (!(vcpu->regs.avail & BIT(reg)))
		khv_hw->cache_reg(vcpu, reg);
}

static __always_inline void khv_lazy_put(struct khv_vcpu *vcpu, enum khv_lazy reg)
{
	vcpu->regs.avail |= BIT(reg);
	vcpu->regs.dirty |= BIT(reg);
}

static __always_inline u64 khv_rip(struct khv_vcpu *vcpu)
{
	khv_lazy_get(vcpu, KHV_LAZY_RIP);
	return vcpu->regs.rip;
}

static __always_inline void khv_set_rip(struct khv_vcpu *vcpu, u64 rip)
{
	vcpu->regs.rip = rip;
	khv_lazy_put(vcpu, KHV_LAZY_RIP);
}

static __always_inline u64 khv_rsp(struct khv_vcpu *vcpu)
{
	khv_lazy_get(vcpu, KHV_LAZY_RSP);
	return vcpu->regs.gpr[KHV_RSP];
}

static __always_inline void khv_set_rsp(struct khv_vcpu *vcpu, u64 rsp)
{
	vcpu->regs.gpr[KHV_RSP] = rsp;
	khv_lazy_put(vcpu, KHV_LAZY_RSP);
}

static __always_inline u64 khv_rflags(struct khv_vcpu *vcpu)
{
	khv_lazy_get(vcpu, KHV_LAZY_RFLAGS);
	return vcpu->regs.rflags;
}

static __always_inline void khv_set_rflags(struct khv_vcpu *vcpu, u64 rflags)
{
	vcpu->regs.rflags = rflags | X86_EFLAGS_FIXED;
	khv_lazy_put(vcpu, KHV_LAZY_RFLAGS);
}

/* CR0, CR3 and CR4 are written through khv_write_cr*() or khv_hw->set_cr*(). */
static __always_inline u64 khv_cr0(struct khv_vcpu *vcpu)
{
	khv_lazy_get(vcpu, KHV_LAZY_CR0);
	return vcpu->regs.cr0;
}

static __always_inline u64 khv_cr3(struct khv_vcpu *vcpu)
{
	khv_lazy_get(vcpu, KHV_LAZY_CR3);
	return vcpu->regs.cr3;
}

static __always_inline u64 khv_cr4(struct khv_vcpu *vcpu)
{
	khv_lazy_get(vcpu, KHV_LAZY_CR4);
	return vcpu->regs.cr4;
}

static __always_inline u64 khv_gpr(struct khv_vcpu *vcpu, unsigned int reg)
{
	return reg == KHV_RSP ? khv_rsp(vcpu) : vcpu->regs.gpr[reg & 15];
}

static __always_inline void khv_set_gpr(struct khv_vcpu *vcpu, unsigned int reg, u64 val)
{
	if (reg == KHV_RSP)
		khv_set_rsp(vcpu, val);
	else
		vcpu->regs.gpr[reg & 15] = val;
}

static inline bool khv_protected_mode(struct khv_vcpu *vcpu)
{
	return khv_cr0(vcpu) & X86_CR0_PE;
}

static inline bool khv_paging(struct khv_vcpu *vcpu)
{
	return khv_cr0(vcpu) & X86_CR0_PG;
}

static inline bool khv_long_mode(struct khv_vcpu *vcpu)
{
	return vcpu->regs.efer & EFER_LMA;
}

/* In 64-bit code, not compatibility mode. */
static inline bool khv_64bit_code(struct khv_vcpu *vcpu)
{
	struct kvm_segment cs;

	if (!khv_long_mode(vcpu))
		return false;
	khv_hw->get_segment(vcpu, KHV_SEG_CS, &cs);
	return cs.l;
}

/* The breakpoint addresses that go with debug.hw_dr7. */
static inline const u64 *khv_hw_drs(struct khv_vcpu *vcpu)
{
	return vcpu->debug.control & KVM_GUESTDBG_USE_HW_BP ? vcpu->debug.dr : vcpu->regs.dr;
}

/* #DB is the client's, not the guest's. */
static inline bool khv_debug_takes_db(struct khv_vcpu *vcpu)
{
	return vcpu->debug.control & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP);
}

/* Step over the instruction that exited; ends an interrupt shadow. */
static inline void khv_skip_insn(struct khv_vcpu *vcpu)
{
	khv_hw->skip_insn(vcpu);
}

#endif
