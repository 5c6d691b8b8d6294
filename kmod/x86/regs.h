/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's architectural registers, and how they are cached.
 *
 * Some live in the VMCS or VMCB while the guest runs. They are read at most
 * once per exit, by the first who asks, and written back before entry when
 * marked dirty. Accessors below; nobody touches the fields of lazy registers.
 */
#ifndef KHV_X86_REGS_H
#define KHV_X86_REGS_H

#include <linux/bits.h>
#include <linux/kvm.h>
#include <linux/types.h>

#include "vm/types.h"

struct khv_vcpu;

/* Order of the instruction encoding, which is also what enter.S relies on. */
enum khv_gpr { KHV_RAX, KHV_RCX, KHV_RDX, KHV_RBX, KHV_RSP, KHV_RBP, KHV_RSI, KHV_RDI,
	       KHV_R8, KHV_R9, KHV_R10, KHV_R11, KHV_R12, KHV_R13, KHV_R14, KHV_R15, KHV_NR_GPRS };

/* Registers that are fetched when asked for. RSP lives in gpr[KHV_RSP]. */
enum khv_lazy { KHV_LAZY_RIP, KHV_LAZY_RSP, KHV_LAZY_RFLAGS, KHV_LAZY_CR0, KHV_LAZY_CR3,
		KHV_LAZY_CR4, KHV_NR_LAZY };
#define KHV_LAZY_ALL	(BIT(KHV_NR_LAZY) - 1)

struct khv_regs {
	u64 gpr[KHV_NR_GPRS];		/* first: enter.S addresses it */
	u64 rip, rflags;
	u64 cr0, cr3, cr4;		/* as the guest reads them */
	u64 cr2, efer;
	u64 pdpte[4];			/* PAE's, loaded by MOV to CR0, CR3 or CR4 */
	u64 cr8;			/* without in-kernel local APIC */
	u64 dr[4], dr6, dr7;
	u32 avail;			/* BIT(enum khv_lazy): the copy here is current */
	u32 dirty;			/* BIT(KHV_LAZY_RIP/RSP/RFLAGS): write back before entry */
};

/* Accessors (khv_rip(), khv_set_rip(), khv_cr0() ...) are in x86/regs_inline.h. */

/*
 * Register ioctls. Each is called with vcpu->lock held and returns 0 or -errno
 * (-EINVAL: a state that no processor can be in). Structures are the kernel copies.
 */
void khv_get_regs(struct khv_vcpu *vcpu, struct kvm_regs *regs);
int khv_set_regs(struct khv_vcpu *vcpu, const struct kvm_regs *regs);
void khv_get_sregs(struct khv_vcpu *vcpu, struct kvm_sregs *sregs);
int khv_set_sregs(struct khv_vcpu *vcpu, const struct kvm_sregs *sregs);
/* The same with PAE's PDPTEs, and without a pending interrupt. */
void khv_get_sregs2(struct khv_vcpu *vcpu, struct kvm_sregs2 *sregs);
int khv_set_sregs2(struct khv_vcpu *vcpu, const struct kvm_sregs2 *sregs);
void khv_get_debugregs(struct khv_vcpu *vcpu, struct kvm_debugregs *dbg);
int khv_set_debugregs(struct khv_vcpu *vcpu, const struct kvm_debugregs *dbg);

/*
 * Control registers as the guest's own MOV writes them. 0, or 1 when the guest
 * must get #GP(0). They take all consequences: paging mode, LMA, TLB, CPUID bits.
 */
int khv_write_cr0(struct khv_vcpu *vcpu, u64 val);
int khv_write_cr3(struct khv_vcpu *vcpu, u64 val);
int khv_write_cr4(struct khv_vcpu *vcpu, u64 val);
int khv_write_cr8(struct khv_vcpu *vcpu, u64 val);
u64 khv_read_cr8(struct khv_vcpu *vcpu);
int khv_write_efer(struct khv_vcpu *vcpu, u64 val);
int khv_write_xcr0(struct khv_vcpu *vcpu, u64 val);
/* Debug registers: 0, or 1 for #GP, or 2 for #UD (DR4/DR5 with CR4.DE). */
int khv_write_dr(struct khv_vcpu *vcpu, int dr, u64 val);
int khv_read_dr(struct khv_vcpu *vcpu, int dr, u64 *val);

/* The guest's DR7 or its debugger's has changed: which of them the hardware gets. */
void khv_update_dr7(struct khv_vcpu *vcpu);

/* EFER bits the guest (@host false) or its client may set. */
u64 khv_efer_allowed(struct khv_vcpu *vcpu, bool host);
/* The client's write: CPUID is not asked, LMA is kept. 0 or 1. */
int khv_write_efer_host(struct khv_vcpu *vcpu, u64 val);

/* CR0 bits and combinations that no processor takes; independent of the other registers. */
bool khv_cr0_valid(u64 val);

/* CR4 bits the guest may set, from its CPUID. */
u64 khv_cr4_allowed(struct khv_vcpu *vcpu);

/* Power-on or INIT values of all that is above ("SDM, Processor State After Reset"). */
void khv_regs_reset(struct khv_vcpu *vcpu, bool init);

#endif
