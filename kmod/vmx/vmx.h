/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMX half of a vCPU, and what the files of this folder share.
 *
 * A VMCS can be touched only while it is current on this CPU. Inside a region
 * it is; elsewhere khv_vmx_access_begin() makes it so for a few instructions,
 * with interrupts off. What is read is cached, so that one access serves many.
 */
#ifndef KHV_VMX_VMX_H
#define KHV_VMX_VMX_H

#include <linux/kvm.h>
#include <linux/types.h>
#include <asm/processor-flags.h>
#include <asm/vmx.h>

#include "host/host.h"
#include "vm/hw.h"
#include "vm/vcpu.h"
#include "vmx/enter.h"
#include "vmx/insn.h"

/**
 * struct vmx_caps - control words that every VMCS of this host starts from
 */
struct vmx_caps {
	u32 revision;
	u32 pin, cpu, cpu2, exit, entry;
	u64 ept_vpid;		/* IA32_VMX_EPT_VPID_CAP, or 0 */
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	bool ept;		/* the processor has what EPT takes; nested_paging=0 may leave it */
	bool vpid, vpid_address;
	bool efer, pat;		/* entry and exit switch them */
	bool apicv;		/* local APICs may be virtualized */
};

extern struct vmx_caps vmx_caps;

/* 0, or -errno after a message that names what is missing. */
int khv_vmx_caps_probe(void);

/* No exit reason of the processor's: khv did not even try to enter. */
#define VMX_EXIT_NOT_ENTERED	BIT(30)

/**
 * struct vmx_exit - one VM exit, as far as its handler needs it
 * @reason: basic exit reason, or VMX_EXIT_NOT_ENTERED
 * @qual, @gpa, @intr_info, @error_code, @insn_info: read for the reasons that define them
 */
struct vmx_exit {
	u32 reason;
	u32 intr_info, error_code, insn_info;
	u64 qual, gpa;
};

/* Registers outside khv_regs that are read from the VMCS at most once per exit. */
#define VMX_CACHE_INSN_LEN	BIT(0)
#define VMX_CACHE_INTR		BIT(1)	/* interruptibility */
#define VMX_CACHE_SEG(n)	BIT(8 + (n))

/*
 * CR0 and CR4 bits that the guest may change without an exit. Not CR4.PGE with
 * shadow paging, which must know of the flush.
 */
#define VMX_CR0_GUEST_OWNED	X86_CR0_TS
#define VMX_CR4_GUEST_OWNED	(X86_CR4_PVI | X86_CR4_DE | X86_CR4_PCE | X86_CR4_OSFXSR | \
				 X86_CR4_OSXMMEXCPT | X86_CR4_PGE | X86_CR4_TSD | \
				 X86_CR4_FSGSBASE)

#define VMX_FLUSH_EPT		BIT(0)
#define VMX_FLUSH_VPID		BIT(1)
#define VMX_FLUSH_GVA		BIT(2)	/* of flush_gva alone */
/* Not flushes: the guest is in real mode, and this hardware cannot run that; */
#define VMX_REAL_MODE		BIT(3)
#define VMX_ROOT		BIT(4)	/* shadow paging: another root */
#define VMX_REWRITE		BIT(5)	/* the VMCS could not be had, and missed writes */
#define VMX_PEBS		BIT(6)	/* stays: the host samples with PEBS, see perf.c */

/* What SYSCALL and RDTSCP find on the host. */
struct vmx_host_msrs {
	u64 star, lstar, fmask, tsc_aux;
	u64 efer;	/* where entry and exit do not switch it */
};

/* MSRs of perf.c's lists. */
#define VMX_NR_PERF		2

/**
 * struct vmx_vcpu - vcpu->hw
 * @in_region: the VMCS is current and stays so
 * @access_depth: nesting of khv_vmx_access_begin() outside a region
 * @cached: VMX_CACHE_*: the copies here are current
 * @host_rsp, @host_cr3, @host_cr4, @host_fs_base: what the VMCS holds
 * @host_cpu: the CPU whose constants are in the host fields
 * @host_msrs: what the region's end brings back
 * @host_msrs_shared: they were read while VMX was not ours alone
 * @flush: VMX_FLUSH_* and others due before the next entry, VMX_REAL_MODE to refuse it
 * @root: what the hardware walks, with shadow paging
 * @split_locks: the guest takes some; @split_locks_allowed: and this region lets it
 * @pat: the guest's, where entry does not load it
 * @perf_guest, @perf_host: MSRs that entry and exit load while VMX_PEBS
 * @cpu_ctl: CPU_BASED_VM_EXEC_CONTROL as in the VMCS
 * @eoi_exits: EOI_EXIT_BITMAP0 to 3, likewise
 */
struct vmx_vcpu {
	struct khv_vmcs vmcs;
	void *msr_bitmap;
	u16 vpid;
	bool in_region;
	int access_depth;
	bool access_failed;

	struct vmx_exit exit;
	u32 cached;
	u32 insn_len;
	u32 interruptibility;
	bool interruptibility_dirty;
	struct kvm_segment seg[KHV_NR_SEGS];

	u32 cpu_ctl, cpu2_ctl, entry_ctl;
	u64 eoi_exits[4];
	u32 flush;
	gva_t flush_gva;
	hpa_t root;
	u64 pat;
	bool syscall_msrs_loaded, tsc_aux_loaded, efer_loaded;
	bool split_locks, split_locks_allowed;

	struct vmx_msr_entry perf_guest[VMX_NR_PERF], perf_host[VMX_NR_PERF];
	struct khv_host_state host;
	u64 host_rsp, host_cr3, host_cr4, host_fs_base;
	u64 host_spec_ctrl;
	int host_cpu;
	struct vmx_host_msrs host_msrs;
	bool host_msrs_shared;
};

static inline struct vmx_vcpu *to_vmx(struct khv_vcpu *vcpu)
{
	return vcpu->hw;
}

/*
 * Make the VMCS current for VMREAD and VMWRITE; nests; nothing to do inside a
 * region. False when VMX could not be had: reads then must be skipped.
 */
bool khv_vmx_access_open(struct khv_vcpu *vcpu);
void khv_vmx_access_close(struct khv_vcpu *vcpu);

static __always_inline bool khv_vmx_access_begin(struct khv_vcpu *vcpu)
{
	return likely(to_vmx(vcpu)->in_region) || khv_vmx_access_open(vcpu);
}

static __always_inline void khv_vmx_access_end(struct khv_vcpu *vcpu)
{
	if (unlikely(!to_vmx(vcpu)->in_region))
		khv_vmx_access_close(vcpu);
}

/* vmcs.c */
int khv_vmx_vmcs_alloc(struct khv_vmcs *vmcs);
void khv_vmx_vmcs_free(struct khv_vmcs *vmcs);
/* Fill a fresh VMCS: controls, constant host state. Access begun. */
void khv_vmx_vmcs_setup(struct khv_vcpu *vcpu);
/* CR4 bits that the guest may change without an exit, as its CPUID has them. */
u64 khv_vmx_own_cr4(struct khv_vcpu *vcpu);
/* EXCEPTION_BITMAP. */
u32 khv_vmx_exceptions(struct khv_vcpu *vcpu);
/* Host fields that depend on the CPU. Inside a region. */
void khv_vmx_host_cpu(struct vmx_vcpu *vmx);
int khv_vmx_vpid_alloc(void);
void khv_vmx_vpid_free(int vpid);

/* regs.c: members of the ops table. */
void khv_vmx_cache_reg(struct khv_vcpu *vcpu, unsigned int lazy);
void khv_vmx_flush_regs(struct khv_vcpu *vcpu);
void khv_vmx_get_segment(struct khv_vcpu *vcpu, enum khv_seg seg, struct kvm_segment *var);
void khv_vmx_set_segment(struct khv_vcpu *vcpu, enum khv_seg seg, const struct kvm_segment *var);
void khv_vmx_get_dtable(struct khv_vcpu *vcpu, bool idt, struct kvm_dtable *dt);
void khv_vmx_set_dtable(struct khv_vcpu *vcpu, bool idt, const struct kvm_dtable *dt);
void khv_vmx_set_cr0(struct khv_vcpu *vcpu, u64 cr0);
void khv_vmx_set_cr3(struct khv_vcpu *vcpu, u64 cr3);
void khv_vmx_get_pdptes(struct khv_vcpu *vcpu, u64 pdpte[4]);
void khv_vmx_set_cr4(struct khv_vcpu *vcpu, u64 cr4);
void khv_vmx_set_efer(struct khv_vcpu *vcpu, u64 efer);
void khv_vmx_settle(struct khv_vcpu *vcpu);
void khv_vmx_set_dr7(struct khv_vcpu *vcpu, u64 dr7);
int khv_vmx_get_cpl(struct khv_vcpu *vcpu);
u32 khv_vmx_read_interruptibility(struct khv_vcpu *vcpu);
u32 khv_vmx_insn_len(struct khv_vcpu *vcpu);
/* Read all that emulating an instruction takes, in one access. */
void khv_vmx_prefetch(struct khv_vcpu *vcpu);
void khv_vmx_skip_insn(struct khv_vcpu *vcpu);
void khv_vmx_put_interruptibility(struct khv_vcpu *vcpu, u32 val);

static __always_inline u32 khv_vmx_get_interruptibility(struct khv_vcpu *vcpu)
{
	if (to_vmx(vcpu)->cached & VMX_CACHE_INTR)
		return to_vmx(vcpu)->interruptibility;
	return khv_vmx_read_interruptibility(vcpu);
}

/* msr.c */
/* Which MSRs exit: all but a few, and those that the client filters. Not in the guest. */
void khv_vmx_msr_bitmap_update(struct khv_vcpu *vcpu);
void khv_vmx_msr_load(struct khv_vcpu *vcpu);
void khv_vmx_msr_put(struct khv_vcpu *vcpu);
int khv_vmx_get_msr(struct khv_vcpu *vcpu, u32 index, u64 *data);
int khv_vmx_set_msr(struct khv_vcpu *vcpu, u32 index, u64 data);
/* What this CPU has now. Inside a region, before khv_vmx_msr_load(). */
void khv_vmx_msr_host_read(struct vmx_vcpu *vmx);

/* perf.c: host sampling that must not go on in the guest. */
void khv_vmx_perf_init(void);
/* Inside a region, at its start and after interrupts. */
void khv_vmx_perf_update(struct vmx_vcpu *vmx);
/* With VMX_PEBS: before an entry, and after one that failed without an exit. */
void khv_vmx_perf_quiesce(struct vmx_vcpu *vmx);
void khv_vmx_perf_resume(const struct vmx_vcpu *vmx);

/* apic.c: the local APIC that the processor virtualizes. */
/* Whether it does; after the control words are known, which are taken back. */
void khv_vmx_apic_init(void);
/* The control words of this vCPU's, not yet written. Access begun. */
void khv_vmx_update_apic(struct khv_vcpu *vcpu);
void khv_vmx_sync_apic(struct khv_vcpu *vcpu);

/* event.c */
u32 khv_vmx_interrupt_shadow(struct khv_vcpu *vcpu);
void khv_vmx_set_interrupt_shadow(struct khv_vcpu *vcpu, u32 shadow);
bool khv_vmx_nmi_blocked(struct khv_vcpu *vcpu);
void khv_vmx_set_nmi_blocked(struct khv_vcpu *vcpu, bool blocked);
void khv_vmx_inject(struct khv_vcpu *vcpu, const struct khv_event *ev);
void khv_vmx_request_window(struct khv_vcpu *vcpu, bool nmi);
/* An exit that may have cut off an event's delivery: note it for the next entry. */
void khv_vmx_recover_event(struct khv_vcpu *vcpu, bool unblock_nmi);
void khv_vmx_close_window(struct vmx_vcpu *vmx, u32 control);

/* exit.c */
int khv_vmx_exit_fast(struct khv_vcpu *vcpu);
int khv_vmx_handle_exit(struct khv_vcpu *vcpu);

/* reason.c: basic exit reasons below VMX_EXIT_KINDS as enum khv_exit. */
#define VMX_EXIT_KINDS	(EXIT_REASON_PML_FULL + 1)
extern const u8 khv_vmx_exit_kind[VMX_EXIT_KINDS];
/* khv_exit's tracepoint, when it is on. Region open. */
void khv_vmx_trace_exit(struct khv_vcpu *vcpu, unsigned int kind);

/* dump.c */
void khv_vmx_dump(struct khv_vcpu *vcpu);

#endif
