// SPDX-License-Identifier: GPL-2.0-only
/*
 * SVM as khv's vendor: life of the vendor part, regions, one entry.
 *
 * svm/exit.c has what happens after an exit, svm/regs.c and svm/event.c the
 * guest's state.
 */
#include <linux/build_bug.h>
#include <linux/slab.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>
#include <asm/trapnr.h>

#include "mmu/mmu.h"
#include "svm/svm.h"
#include "trace.h"
#include "vm/vm.h"
#include "x86/regs_inline.h"

static int svm_init(void)
{
	int r;

	static_assert(KHV_MSR_SPEC_CTRL == MSR_IA32_SPEC_CTRL);
	static_assert(KHV_MSR_PRED_CMD == MSR_IA32_PRED_CMD);
	static_assert(KHV_PRED_CMD_IBPB == PRED_CMD_IBPB);
	static_assert(KHV_VERW_SELECTOR == __KERNEL_DS);
	static_assert(offsetof(struct khv_regs, gpr) == 0);

	r = khv_svm_maps_create();
	if (r)
		return r;
	r = khv_mitigate_init(khv_caps.nested_paging);
	if (r)
		goto err_maps;
	r = khv_svmon_init(svm_caps.nr_asids);
	if (r)
		goto err_mitigate;
	pr_info("SVM, %u address-space IDs, %s%s%s\n", svm_caps.nr_asids - 1,
		!khv_caps.nested_paging ? "shadow paging" :
		khv_caps.leaf_1g ? "NPT with 4K, 2M and 1G leaves" : "NPT with 4K and 2M leaves",
		svm_caps.nrips ? "" : ", no next-RIP save",
		svm_caps.vnmi ? ", virtual NMIs" : "");
	return 0;

err_mitigate:
	khv_mitigate_exit();
err_maps:
	khv_svm_maps_destroy();
	return r;
}

static void svm_uninit(void)
{
	khv_svmon_exit();
	khv_mitigate_exit();
	khv_svm_maps_destroy();
}

static int vm_create(struct khv_vm *vm)
{
	int r = khv_svm_nested_root_create(vm);

	if (r)
		return r;
	r = khv_svmon_get();
	if (r)
		khv_svm_nested_root_destroy(vm);
	return r;
}

static void vm_destroy(struct khv_vm *vm)
{
	khv_svmon_put();
	khv_svm_nested_root_destroy(vm);
}

/* Its interrupt has ended a run; that was all. */
static void nudged(struct irq_work *work)
{
}

static int vcpu_create(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm;
	int r;

	svm = kzalloc(sizeof(*svm), GFP_KERNEL_ACCOUNT);
	if (!svm)
		return -ENOMEM;
	r = khv_svm_vmcb_alloc(svm);
	if (r) {
		kfree(svm);
		return r;
	}
	init_irq_work(&svm->nudge, nudged);
	vcpu->hw = svm;
	/* From now on the copies of the lazy registers are what counts. */
	vcpu->regs.avail = KHV_LAZY_ALL;
	khv_svm_vmcb_setup(vcpu);
	return 0;
}

static void vcpu_destroy(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	khv_mitigate_forget(vcpu);
	irq_work_sync(&svm->nudge);
	khv_svm_vmcb_free(svm);
	vcpu->hw = NULL;
	kfree(svm);
}

static void load_breakpoints(struct khv_vcpu *vcpu)
{
	/* DR7 is in the VMCB; the addresses matter only when it enables one. */
	if (unlikely(vcpu->debug.hw_dr7 & KHV_DR7_ENABLED))
		khv_host_load_guest_debug(khv_hw_drs(vcpu));
}

static int region_enter(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	int r = khv_svmon_enter(&svm->asid, &svm->host_pa);

	if (r)
		return r;
	svm->in_region = true;
	khv_vmsave(svm->host_pa);
	khv_host_save_debug(&svm->host);
	if (svm->vmcb_cpu != smp_processor_id()) {
		svm->vmcb_cpu = smp_processor_id();
		svm_dirty(svm, KHV_CLEAN_ALL);
		if (khv_caps.rdtscp)
			rdmsrq(MSR_TSC_AUX, svm->host_tsc_aux);
	}
	if (svm->vmcb->asid != svm->asid.id) {
		/* Nothing is known under the new one. */
		svm->vmcb->asid = svm->asid.id;
		svm_dirty(svm, KHV_CLEAN_ALL);
		svm->flush = 0;
	}
	if (khv_mitigations.spec_ctrl)
		rdmsrq(MSR_IA32_SPEC_CTRL, svm->host_spec_ctrl);
	khv_svm_msr_load(vcpu);
	load_breakpoints(vcpu);
	khv_mitigate_enter(vcpu);
	return 0;
}

/*
 * The region ends between the choice of an event and its delivery. It stays in
 * events.active, where clients and resets find it, and is handed over anew.
 */
static void withdraw_event(struct khv_vcpu *vcpu)
{
	to_svm(vcpu)->vmcb->eventinj = 0;
	khv_request(vcpu, KHV_REQ_EVENT);
}

static void region_leave(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (unlikely(vcpu->events.active.kind != KHV_EVENT_NONE))
		withdraw_event(vcpu);
	if (unlikely(svm->drs_open))
		khv_svm_close_drs(vcpu);
	khv_svm_msr_put(vcpu);
	khv_host_restore_debug(&svm->host);
	khv_ibpb_before_user();
	svm->in_region = false;
	khv_svmon_leave();
	local_irq_enable();
}

static bool region_irq_window(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	/* With breakpoints set it is not for us to tell the handlers' changes from the old. */
	if (unlikely(!khv_svmon_may_take_irqs() || khv_host_has_breakpoints(&svm->host) ||
		     svm->vmcb->dbgctl))
		return false;
	khv_svm_put_debugctl(svm);
	khv_host_irq_window();
	/* A handler may have loaded another LDT, set a breakpoint, or sibling threads. */
	khv_vmsave(svm->host_pa);
	khv_host_save_debug_again(&svm->host);
	khv_svm_load_debugctl(svm);
	if (khv_mitigations.spec_ctrl)
		rdmsrq(MSR_IA32_SPEC_CTRL, svm->host_spec_ctrl);
	load_breakpoints(vcpu);
	/* And it left its data behind. */
	khv_mitigate_enter(vcpu);
	return true;
}

static void do_flush(struct svm_vcpu *svm)
{
	struct khv_vmcb *vmcb = svm->vmcb;

	if (khv_svmon_flush_due()) {
		vmcb->tlb_control = KHV_TLB_FLUSH_ALL;
		khv_svmon_flushed();
	} else if (!(svm->flush & SVM_FLUSH_ASID)) {
		khv_invlpga(svm->flush_gva, vmcb->asid);
	} else if (svm_caps.flush_by_asid) {
		vmcb->tlb_control = KHV_TLB_FLUSH_ASID;
	} else {
		khv_svmon_new_asid(&svm->asid);
		vmcb->asid = svm->asid.id;
		svm_dirty(svm, KHV_CLEAN_ALL);
		/* That may have been the first of a new generation. */
		if (khv_svmon_flush_due()) {
			vmcb->tlb_control = KHV_TLB_FLUSH_ALL;
			khv_svmon_flushed();
		}
	}
	svm->flush = 0;
}

static unsigned long entry_flags(struct khv_vcpu *vcpu, struct svm_vcpu *svm)
{
	unsigned long flags = 0;

	if (khv_mitigations.clear_buffers)
		flags |= BIT(KHV_ENTER_VERW);
	if (khv_mitigations.spec_ctrl && !svm_caps.v_spec_ctrl &&
	    (vcpu->msrs.spec_ctrl != svm->host_spec_ctrl || khv_mitigations.ibrs_exit))
		flags |= BIT(KHV_ENTER_SPEC_CTRL);
	return flags;
}

/*
 * The state is not one that VMRUN takes, or SVM is off. Whether it flushed before it
 * found out is not said, so what was due is due again. The event stays to be injected.
 */
static int entry_failed(struct svm_vcpu *svm, int r)
{
	if (svm->vmcb->tlb_control == KHV_TLB_FLUSH_ALL)
		khv_svmon_flush_again();
	svm->vmcb->tlb_control = KHV_TLB_KEEP;
	svm->flush |= SVM_FLUSH_ASID;
	svm_dirty(svm, KHV_CLEAN_ALL);
	return r;
}

static __always_inline void count_exit(struct khv_vcpu *vcpu)
{
	u32 code = to_svm(vcpu)->vmcb->exitcode;
	unsigned int kind = KHV_EXIT_OTHER;

	if (likely(code < SVM_EXIT_KINDS))
		kind = khv_svm_exit_kind[code];
	else if (code == SVM_EXIT_NPF)
		kind = KHV_EXIT_NESTED_FAULT;
	else if (code == (u32)SVM_EXIT_ERR)
		kind = KHV_EXIT_ENTRY_FAILED;
	vcpu->stats.exits++;
	vcpu->stats.exit[kind]++;
	if (trace_khv_exit_enabled())
		khv_svm_trace_exit(vcpu, kind);
}

static int svm_run(struct khv_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct khv_vmcb *vmcb = svm->vmcb;
	int r;

	khv_svm_flush_regs(vcpu);
	if (unlikely(svm->flush || khv_svmon_flush_due()))
		do_flush(svm);
	svm->injected = vmcb->eventinj;

	khv_sched_guest_enter(&vcpu->sched);
	r = khv_svm_enter(vcpu->regs.gpr, svm->vmcb_pa, svm->host_pa, entry_flags(vcpu, svm),
			  svm->host_spec_ctrl, vcpu->msrs.spec_ctrl);
	khv_sched_guest_leave(&vcpu->sched);
	if (unlikely(r))
		return entry_failed(svm, -EIO);
	svm->clobbered = unlikely(svm_entry_failed(svm)) && vmcb->rip != vcpu->regs.rip;
	khv_svm_fetch_regs(vcpu);
	vmcb->eventinj = 0;
	count_exit(vcpu);
	if (unlikely(svm->drs_open))
		khv_svm_close_drs(vcpu);
	if (unlikely(svm_entry_failed(svm)))
		return entry_failed(svm, EXIT_SLOW);
	vmcb->clean = KHV_CLEAN_ALL;
	vmcb->tlb_control = KHV_TLB_KEEP;
	vcpu->events.active.kind = KHV_EVENT_NONE;
	if (unlikely(vmcb->exitintinfo & KHV_EVENT_VALID))
		khv_svm_recover_event(vcpu);
	if (unlikely(svm->stepping || svm->nmi == SVM_NMI_IRET) &&
	    vmcb->exitcode != SVM_EXIT_EXCP_BASE + X86_TRAP_DB)
		khv_svm_note_progress(vcpu, false);
	return khv_svm_exit_fast(vcpu);
}

static void update_guest(struct khv_vcpu *vcpu)
{
	u32 disabled = READ_ONCE(vcpu->vm->opts.disabled_exits);
	struct svm_vcpu *svm = to_svm(vcpu);

	/* Instructions that CPUID does not promise must be #UD. */
	svm_intercept(svm, KHV_ICPT_RDTSCP, khv_caps.rdtscp && !khv_has(vcpu, RDTSCP));
	svm_intercept(svm, KHV_ICPT_INVPCID, boot_cpu_has(X86_FEATURE_INVPCID) &&
		      !(khv_caps.invpcid && khv_has(vcpu, INVPCID)));
	svm_intercept(svm, KHV_ICPT_EXCEPTION(X86_TRAP_BP),
		      vcpu->debug.control & KVM_GUESTDBG_USE_SW_BP);
	svm_intercept(svm, KHV_ICPT_HLT, !(disabled & KVM_X86_DISABLE_EXITS_HLT));
	svm_intercept(svm, KHV_ICPT_MONITOR, !(disabled & KVM_X86_DISABLE_EXITS_MWAIT));
	svm_intercept(svm, KHV_ICPT_MWAIT, !(disabled & KVM_X86_DISABLE_EXITS_MWAIT));
	svm_intercept(svm, KHV_ICPT_PAUSE, svm_caps.pause_filter &&
		      !(disabled & KVM_X86_DISABLE_EXITS_PAUSE));
	svm->vmcb->msrpm_base_pa = khv_svm_msrpm_pa(vcpu);
	svm_dirty(svm, KHV_CLEAN_MAPS);
}

static void flush_tlb(struct khv_vcpu *vcpu)
{
	to_svm(vcpu)->flush |= SVM_FLUSH_ASID;
}

static void flush_gva(struct khv_vcpu *vcpu, gva_t gva)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	/* One at a time is the rule; more are worth a flush. */
	if (svm->flush && svm->flush_gva != gva)
		svm->flush |= SVM_FLUSH_ASID;
	svm->flush |= SVM_FLUSH_GVA;
	svm->flush_gva = gva;
}

static void set_tsc(struct khv_vcpu *vcpu)
{
	to_svm(vcpu)->vmcb->tsc_offset = vcpu->tsc.offset;
	svm_dirty(to_svm(vcpu), KHV_CLEAN_INTERCEPTS);
}

/* The VMCB has no place for either. */
static void settle(struct khv_vcpu *vcpu)
{
}

/* No local APIC is virtualized here: nobody calls this. */
static void sync_apic(struct khv_vcpu *vcpu)
{
}

const struct khv_hw_ops khv_svm_ops = {
	.name = "SVM",
	.probe = khv_svm_caps_probe,
	.init = svm_init,
	.uninit = svm_uninit,
	.vm_create = vm_create,
	.vm_destroy = vm_destroy,
	.vcpu_create = vcpu_create,
	.vcpu_destroy = vcpu_destroy,
	.region_enter = region_enter,
	.region_leave = region_leave,
	.region_irq_window = region_irq_window,
	.run = svm_run,
	.handle_exit = khv_svm_handle_exit,
	.cache_reg = khv_svm_cache_reg,
	.get_segment = khv_svm_get_segment,
	.set_segment = khv_svm_set_segment,
	.get_dtable = khv_svm_get_dtable,
	.set_dtable = khv_svm_set_dtable,
	.set_cr0 = khv_svm_set_cr0,
	.set_cr3 = khv_svm_set_cr3,
	.set_cr4 = khv_svm_set_cr4,
	.set_efer = khv_svm_set_efer,
	.get_pdptes = khv_svm_get_pdptes,
	.load_root = khv_svm_load_root,
	.set_dr7 = khv_svm_set_dr7,
	.settle = settle,
	.get_cpl = khv_svm_get_cpl,
	.interrupt_shadow = khv_svm_interrupt_shadow,
	.set_interrupt_shadow = khv_svm_set_interrupt_shadow,
	.nmi_blocked = khv_svm_nmi_blocked,
	.set_nmi_blocked = khv_svm_set_nmi_blocked,
	.inject = khv_svm_inject,
	.request_window = khv_svm_request_window,
	.sync_apic = sync_apic,
	.insn_len = khv_svm_insn_len,
	.skip_insn = khv_svm_skip_insn,
	.get_msr = khv_svm_get_msr,
	.set_msr = khv_svm_set_msr,
	.update_guest = update_guest,
	.flush_tlb = flush_tlb,
	.flush_gva = flush_gva,
	.set_tsc = set_tsc,
	.dump = khv_svm_dump,
};
