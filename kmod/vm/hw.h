/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vendor's virtualization extension does for the rest of khv.
 *
 * One table, every member mandatory, chosen once at load. Members speak of the
 * guest, never of VMCS or VMCB fields; nothing outside vmx/ and svm/ asks
 * which one it is.
 */
#ifndef KHV_VM_HW_H
#define KHV_VM_HW_H

#include <linux/kvm.h>
#include <linux/types.h>

#include "vm/types.h"

struct khv_vm;
struct khv_vcpu;
struct khv_event;
struct khv_ptfmt;

enum khv_seg { KHV_SEG_ES, KHV_SEG_CS, KHV_SEG_SS, KHV_SEG_DS, KHV_SEG_FS, KHV_SEG_GS,
	       KHV_SEG_LDTR, KHV_SEG_TR, KHV_NR_SEGS };

/**
 * struct khv_hw_ops - one vendor
 * @name: "VMX" or "SVM", for messages
 * @probe: 0 when this host can run guests; otherwise -errno after a message with the precise reason
 * @init: after probe, once; allocate what is per module. Undone by @uninit
 * @uninit: reverse of @init
 * @vm_create: vendor part of a VM. May sleep. Undone by @vm_destroy
 * @vm_destroy: reverse of @vm_create
 * @vcpu_create: vendor part of a vCPU, in its power-on state. Undone by @vcpu_destroy
 * @vcpu_destroy: reverse of @vcpu_create
 * @region_enter: own the CPU's virtualization and load what stays loaded over
 *	exits handled in place. Called with preemption off and interrupts on, returns 0
 *	with interrupts off, or -errno with them on (-EBUSY: another owner)
 * @region_leave: reverse of @region_enter; interrupts off before, on after
 * @region_irq_window: let pending host interrupts in without leaving; true when
 *	that is possible here, false when the region must end for it
 * @run: enter the guest once, handle what can be handled in place. Interrupts
 *	off. RESUME_GUEST, EXIT_SLOW or -errno
 * @handle_exit: finish the exit that @run called slow. Preemptible, may sleep,
 *	vm->srcu held. enum khv_result or -errno
 * @cache_reg: fill one lazily read register of vcpu->regs (enum khv_lazy)
 * @get_segment: read a segment register
 * @set_segment: write a segment register
 * @get_dtable: IDTR when @idt, else GDTR
 * @set_dtable: likewise
 * @set_cr0: the value has been checked
 * @set_cr3: likewise
 * @set_cr4: likewise
 * @set_efer: likewise; LMA as the guest sees it
 * @get_pdptes: the four top entries of PAE paging, as the hardware has loaded them
 * @load_root: shadow paging: the tables that the hardware walks from the next
 *	entry on. Outside long mode a PAE table below 4 GiB, in it a 4-level one
 * @set_dr7: debug registers changed (vcpu->regs.dr, dr7)
 * @settle: drop what the last instructions left to come: a debug exception, a halt
 * @get_cpl: current privilege level, 0 to 3
 * @interrupt_shadow: KVM_X86_SHADOW_INT_* now in force
 * @set_interrupt_shadow: likewise
 * @nmi_blocked: true between an NMI's delivery and the guest's IRET
 * @set_nmi_blocked: likewise
 * @inject: hand one event to the hardware for the next entry (region open)
 * @request_window: exit as soon as an interrupt (@nmi: an NMI) can be taken
 * @sync_apic: the processor virtualizes the local APIC (khv_lapic_is_virtual(), which
 *	@update_guest decides): tell it of interrupts that have come (region open)
 * @insn_len: length of the instruction that caused the last exit, or 0 when unknown
 * @skip_insn: step over that instruction: RIP, interrupt shadow, and the trap that
 *	RFLAGS.TF asks for
 * @get_msr: vendor-specific MSR or one that lives in hardware state; 0 or -ENOENT
 * @set_msr: likewise; 0, -ENOENT, or 1 for #GP
 * @update_guest: CPUID, MSR tables or exception needs changed: recompute intercepts
 * @flush_tlb: forget all translations of this vCPU before the next entry
 * @flush_gva: forget one linear address's
 * @set_tsc: vcpu->tsc changed: offset, or ratio where there is tsc_scaling
 * @dump: log the vendor's state of the vCPU, ratelimited
 */
struct khv_hw_ops {
	const char *name;

	int (*probe)(void);
	int (*init)(void);
	void (*uninit)(void);
	int (*vm_create)(struct khv_vm *vm);
	void (*vm_destroy)(struct khv_vm *vm);
	int (*vcpu_create)(struct khv_vcpu *vcpu);
	void (*vcpu_destroy)(struct khv_vcpu *vcpu);

	int (*region_enter)(struct khv_vcpu *vcpu);
	void (*region_leave)(struct khv_vcpu *vcpu);
	bool (*region_irq_window)(struct khv_vcpu *vcpu);
	int (*run)(struct khv_vcpu *vcpu);
	int (*handle_exit)(struct khv_vcpu *vcpu);

	void (*cache_reg)(struct khv_vcpu *vcpu, unsigned int lazy);
	void (*get_segment)(struct khv_vcpu *vcpu, enum khv_seg seg, struct kvm_segment *var);
	void (*set_segment)(struct khv_vcpu *vcpu, enum khv_seg seg, const struct kvm_segment *var);
	void (*get_dtable)(struct khv_vcpu *vcpu, bool idt, struct kvm_dtable *dt);
	void (*set_dtable)(struct khv_vcpu *vcpu, bool idt, const struct kvm_dtable *dt);
	void (*set_cr0)(struct khv_vcpu *vcpu, u64 cr0);
	void (*set_cr3)(struct khv_vcpu *vcpu, u64 cr3);
	void (*set_cr4)(struct khv_vcpu *vcpu, u64 cr4);
	void (*set_efer)(struct khv_vcpu *vcpu, u64 efer);
	void (*get_pdptes)(struct khv_vcpu *vcpu, u64 pdpte[4]);
	void (*load_root)(struct khv_vcpu *vcpu, hpa_t root);
	void (*set_dr7)(struct khv_vcpu *vcpu, u64 dr7);
	void (*settle)(struct khv_vcpu *vcpu);
	int (*get_cpl)(struct khv_vcpu *vcpu);

	u32 (*interrupt_shadow)(struct khv_vcpu *vcpu);
	void (*set_interrupt_shadow)(struct khv_vcpu *vcpu, u32 shadow);
	bool (*nmi_blocked)(struct khv_vcpu *vcpu);
	void (*set_nmi_blocked)(struct khv_vcpu *vcpu, bool blocked);
	void (*inject)(struct khv_vcpu *vcpu, const struct khv_event *ev);
	void (*request_window)(struct khv_vcpu *vcpu, bool nmi);
	void (*sync_apic)(struct khv_vcpu *vcpu);

	u32 (*insn_len)(struct khv_vcpu *vcpu);
	void (*skip_insn)(struct khv_vcpu *vcpu);
	int (*get_msr)(struct khv_vcpu *vcpu, u32 index, u64 *data);
	int (*set_msr)(struct khv_vcpu *vcpu, u32 index, u64 data);
	void (*update_guest)(struct khv_vcpu *vcpu);
	void (*flush_tlb)(struct khv_vcpu *vcpu);
	void (*flush_gva)(struct khv_vcpu *vcpu, gva_t gva);
	void (*set_tsc)(struct khv_vcpu *vcpu);
	void (*dump)(struct khv_vcpu *vcpu);
};

/* The vendor chosen at load. */
extern const struct khv_hw_ops *khv_hw;
extern const struct khv_hw_ops khv_vmx_ops;
extern const struct khv_hw_ops khv_svm_ops;

/* What this host's hardware offers guests, filled by ops->probe(), constant afterwards. */
struct khv_hw_caps {
	bool nested_paging;		/* else mmu/shadow.c */
	bool unrestricted_guest;	/* real mode, and protected mode without paging */
	/* Leaf sizes and A/D bits of nested tables. */
	bool leaf_1g, leaf_2m, nested_ad;
	bool invpcid, rdtscp, xsaves, umip_emulated;
	bool tsc_scaling;
	bool long_tss_checked;		/* no entry to long mode with a 16-bit TSS */
	bool xsaves_unchecked;		/* the guest executes XSAVES whatever its CPUID says */
	u8 nested_memtype;		/* bits that make a nested leaf write-back */
	const struct khv_ptfmt *ptfmt;	/* of nested tables */
};

extern struct khv_hw_caps khv_caps;

#endif
