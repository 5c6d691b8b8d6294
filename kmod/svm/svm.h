/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SVM half of a vCPU, and what the files of this folder share.
 *
 * The VMCB is memory, and so within reach at any time. Whoever changes a part
 * of it that the processor may have cached takes the part's clean bit away.
 */
#ifndef KHV_SVM_SVM_H
#define KHV_SVM_SVM_H

#include <linux/irq_work.h>
#include <linux/kvm.h>
#include <linux/types.h>
#include <asm/processor-flags.h>

#include "emul/emul.h"
#include "host/host.h"
#include "svm/enter.h"
#include "svm/insn.h"
#include "svm/vmcb.h"
#include "vm/hw.h"
#include "vm/vcpu.h"

/**
 * struct svm_caps - what this host's SVM has besides the basics
 * @nr_asids: address-space IDs, the host's among them
 * @nrips: the VMCB says where the next instruction is
 * @decode_assists: and which operand a control register access has
 * @flush_by_asid: TLB flushes of one ID
 * @vgif: virtual GIF; @vnmi: virtual NMI blocking, which needs it
 * @v_spec_ctrl: SPEC_CTRL is switched by the processor
 * @lbrv: so are DEBUGCTL and the branch records
 * @pause_filter: exits for long series of PAUSE
 * @pause_threshold: that ignore PAUSEs far from each other
 */
struct svm_caps {
	u32 nr_asids;
	bool nrips, decode_assists, flush_by_asid, vgif, vnmi, v_spec_ctrl, lbrv;
	bool pause_filter, pause_threshold;
};

extern struct svm_caps svm_caps;

/* 0, or -errno after a message that names what is missing. */
int khv_svm_caps_probe(void);

/* Flushes due before the next entry. */
#define SVM_FLUSH_ASID		BIT(0)
#define SVM_FLUSH_GVA		BIT(1)	/* the page at @flush_gva only */

/* Without virtual NMIs: what is known about the guest's NMI blocking. */
enum svm_nmi {
	SVM_NMI_OPEN,
	SVM_NMI_BLOCKED,	/* IRET is intercepted */
	SVM_NMI_IRET,		/* IRET, at @iret_rip, is being executed */
};

/**
 * struct svm_vcpu - vcpu->hw
 * @in_region: the CPU is ours
 * @host_pa: where this CPU's VMSAVE puts the host, in a region
 * @vmcb_cpu: the CPU that may have parts of the VMCB cached, or -1
 * @flush: SVM_FLUSH_*
 * @injected: EVENTINJ of the last entry
 * @clobbered: the last entry failed, and left the host's state in the VMCB
 * @insn_len: length of the instruction that exited, when @insn_known
 * @insn: the rest that is known of it, without decode assists
 * @nmi: NMI blocking
 * @iret_rip: likewise
 * @stepping: RFLAGS.TF is khv's: an exit is wanted after the instruction at @step_rip
 * @step_iret: which is IRET, so that TF is the guest's when it is done
 * @drs_open: the debug registers are the guest's, without exits
 * @nudge: an interrupt to this CPU, for an exit as soon as the guest has been entered
 */
struct svm_vcpu {
	struct khv_vmcb *vmcb;
	u64 vmcb_pa;
	struct khv_asid asid;
	bool in_region;
	int vmcb_cpu;
	u64 host_pa;
	u32 flush;
	gva_t flush_gva;
	u32 injected;

	bool clobbered;
	bool insn_known;
	u8 insn_len;
	const struct khv_emul_insn *insn;

	enum svm_nmi nmi;
	u64 iret_rip;
	bool stepping, step_iret;
	u64 step_rip;
	bool drs_open;
	struct irq_work nudge;

	bool tsc_aux_loaded;
	struct khv_host_debug host;
	u64 host_spec_ctrl, host_tsc_aux;
};

static inline struct svm_vcpu *to_svm(struct khv_vcpu *vcpu)
{
	return vcpu->hw;
}

/* Parts of the VMCB (KHV_CLEAN_*) have changed. */
static inline void svm_dirty(struct svm_vcpu *svm, u32 parts)
{
	svm->vmcb->clean &= ~parts;
}

/* The last VMRUN did not enter the guest. Not every SVM below khv fills the upper half. */
static inline bool svm_entry_failed(const struct svm_vcpu *svm)
{
	return (u32)svm->vmcb->exitcode == (u32)SVM_EXIT_ERR;
}

/* One intercept on or off. */
static inline void svm_intercept(struct svm_vcpu *svm, unsigned int nr, bool on)
{
	u32 *word = &svm->vmcb->intercepts[nr / 32];
	u32 new = on ? *word | BIT(nr % 32) : *word & ~BIT(nr % 32);

	if (new == *word)
		return;
	*word = new;
	svm_dirty(svm, KHV_CLEAN_INTERCEPTS);
}

/* vmcb.c */
int khv_svm_vmcb_alloc(struct svm_vcpu *svm);
void khv_svm_vmcb_free(struct svm_vcpu *svm);
/* Fill a fresh VMCB, or one that holds nothing of use any more. */
void khv_svm_vmcb_setup(struct khv_vcpu *vcpu);
/* The page above the VM's nested tables, on a host with five levels. 0 or -ENOMEM. */
int khv_svm_nested_root_create(struct khv_vm *vm);
void khv_svm_nested_root_destroy(struct khv_vm *vm);

/* regs.c: members of the ops table. */
void khv_svm_cache_reg(struct khv_vcpu *vcpu, unsigned int lazy);
void khv_svm_flush_regs(struct khv_vcpu *vcpu);
void khv_svm_fetch_regs(struct khv_vcpu *vcpu);
void khv_svm_get_segment(struct khv_vcpu *vcpu, enum khv_seg seg, struct kvm_segment *var);
void khv_svm_set_segment(struct khv_vcpu *vcpu, enum khv_seg seg, const struct kvm_segment *var);
void khv_svm_get_dtable(struct khv_vcpu *vcpu, bool idt, struct kvm_dtable *dt);
void khv_svm_set_dtable(struct khv_vcpu *vcpu, bool idt, const struct kvm_dtable *dt);
void khv_svm_set_cr0(struct khv_vcpu *vcpu, u64 cr0);
void khv_svm_set_cr3(struct khv_vcpu *vcpu, u64 cr3);
void khv_svm_set_cr4(struct khv_vcpu *vcpu, u64 cr4);
void khv_svm_set_efer(struct khv_vcpu *vcpu, u64 efer);
void khv_svm_get_pdptes(struct khv_vcpu *vcpu, u64 pdpte[4]);
void khv_svm_load_root(struct khv_vcpu *vcpu, hpa_t root);
void khv_svm_set_dr7(struct khv_vcpu *vcpu, u64 dr7);
/* Let the guest have the debug registers, and take them back. Inside a region. */
void khv_svm_open_drs(struct khv_vcpu *vcpu);
void khv_svm_close_drs(struct khv_vcpu *vcpu);
void khv_svm_clear_dr6(struct svm_vcpu *svm);
int khv_svm_get_cpl(struct khv_vcpu *vcpu);
/* Where the instruction that exited ends is known: from the VMCB, or decoded before. */
bool khv_svm_knows_insn(struct khv_vcpu *vcpu);
u32 khv_svm_insn_len(struct khv_vcpu *vcpu);
void khv_svm_skip_insn(struct khv_vcpu *vcpu);

/* msr.c */
int khv_svm_maps_create(void);
void khv_svm_maps_destroy(void);
u64 khv_svm_iopm_pa(void);
/* The map that suits the guest's CPUID and its client's filter. */
u64 khv_svm_msrpm_pa(struct khv_vcpu *vcpu);
void khv_svm_msr_load(struct khv_vcpu *vcpu);
/* In a region: DEBUGCTL of the guest, or of the host, where the processor does not switch it. */
void khv_svm_load_debugctl(struct svm_vcpu *svm);
void khv_svm_put_debugctl(struct svm_vcpu *svm);
void khv_svm_msr_put(struct khv_vcpu *vcpu);
int khv_svm_get_msr(struct khv_vcpu *vcpu, u32 index, u64 *data);
int khv_svm_set_msr(struct khv_vcpu *vcpu, u32 index, u64 data);

/* event.c */
u32 khv_svm_interrupt_shadow(struct khv_vcpu *vcpu);
void khv_svm_set_interrupt_shadow(struct khv_vcpu *vcpu, u32 shadow);
bool khv_svm_nmi_blocked(struct khv_vcpu *vcpu);
void khv_svm_set_nmi_blocked(struct khv_vcpu *vcpu, bool blocked);
void khv_svm_inject(struct khv_vcpu *vcpu, const struct khv_event *ev);
void khv_svm_request_window(struct khv_vcpu *vcpu, bool nmi);
/* After every exit: note an event whose delivery it cut off. */
void khv_svm_recover_event(struct khv_vcpu *vcpu);
/* EXITINTINFO or EVENTINJ: an instruction asked for the event. */
bool khv_svm_is_software(u32 info);
void khv_svm_look_again(struct khv_vcpu *vcpu);
void khv_svm_close_window(struct svm_vcpu *svm);
/* The guest is about to execute IRET. */
void khv_svm_before_iret(struct khv_vcpu *vcpu);
/*
 * After an exit, once events and registers are there, when IRET or a step of
 * khv's own was under way: is it over? @trap: the exit was a single-step trap.
 */
void khv_svm_note_progress(struct khv_vcpu *vcpu, bool trap);

/* exit.c */
int khv_svm_exit_fast(struct khv_vcpu *vcpu);
int khv_svm_handle_exit(struct khv_vcpu *vcpu);

/* reason.c: exit codes below SVM_EXIT_KINDS as enum khv_exit. */
#define SVM_EXIT_KINDS	(SVM_EXIT_INVPCID + 1)
extern const u8 khv_svm_exit_kind[SVM_EXIT_KINDS];
/* khv_exit's tracepoint, when it is on. Region open. */
void khv_svm_trace_exit(struct khv_vcpu *vcpu, unsigned int kind);

/* dump.c */
void khv_svm_dump(struct khv_vcpu *vcpu);

#endif
