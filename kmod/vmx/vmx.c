// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMX as khv's vendor: life of the vendor part, regions, one entry.
 *
 * vmx/exit.c has what happens after an exit, vmx/regs.c and vmx/event.c the
 * guest's state.
 */
#include <linux/build_bug.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>
#include <asm/trapnr.h>
#include <asm/vmx.h>

#include "host/cr4.h"
#include "trace.h"
#include "vm/vm.h"
#include "vmx/vmx.h"
#include "x86/regs_inline.h"

static char *vmx_mode = "auto";
module_param(vmx_mode, charp, 0444);
MODULE_PARM_DESC(vmx_mode, "who keeps VMX on: auto (default), exclusive (while a VM exists) or per-run (only inside a run)");

static int parse_mode(enum khv_vmx_mode *mode)
{
	static const char * const names[] = {
		[KHV_VMX_AUTO] = "auto",
		[KHV_VMX_EXCLUSIVE] = "exclusive",
		[KHV_VMX_PER_RUN] = "per-run",
	};
	int i = match_string(names, ARRAY_SIZE(names), vmx_mode);

	if (i < 0) {
		pr_err("vmx_mode=%s is not one of auto, exclusive, per-run\n", vmx_mode);
		return -EINVAL;
	}
	*mode = i;
	return 0;
}

static void announce(void)
{
	const char *vpid = vmx_caps.vpid ? ", VPID" : "";
	const char *apic = vmx_caps.apicv ? ", virtual APICs" : "";

	if (khv_caps.nested_paging)
		pr_info("VMX, %s ownership, EPT with %s leaves%s%s\n", khv_vmxon_mode_name(),
			khv_caps.leaf_1g ? "4K, 2M and 1G" : khv_caps.leaf_2m ? "4K and 2M" : "4K",
			vpid, apic);
	else
		pr_info("VMX, %s ownership, shadow page tables (%s)%s%s; guests cannot run real mode\n",
			khv_vmxon_mode_name(),
			vmx_caps.ept ? "nested_paging=0" : "no EPT with unrestricted guest here",
			vpid, apic);
}

static int vmx_init(void)
{
	enum khv_vmx_mode mode;
	int r;

	static_assert(KHV_HOST_RSP == HOST_RSP);
	static_assert(KHV_MSR_SPEC_CTRL == MSR_IA32_SPEC_CTRL);
	static_assert(KHV_VERW_SELECTOR == __KERNEL_DS);
	static_assert(offsetof(struct khv_regs, gpr) == 0);

	r = parse_mode(&mode);
	if (r)
		return r;
	khv_vmx_perf_init();
	r = khv_mitigate_init(khv_caps.nested_paging);
	if (r)
		return r;
	r = khv_vmxon_init(vmx_caps.revision, mode);
	if (r) {
		khv_mitigate_exit();
		return r;
	}
	announce();
	return 0;
}

static void vmx_uninit(void)
{
	khv_vmxon_exit();
	khv_mitigate_exit();
}

static int vm_create(struct khv_vm *vm)
{
	khv_vmxon_get();
	return 0;
}

static void vm_destroy(struct khv_vm *vm)
{
	khv_vmxon_put();
}

static int vcpu_create(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx;
	int r = -ENOMEM;

	vmx = kzalloc(sizeof(*vmx), GFP_KERNEL_ACCOUNT);
	if (!vmx)
		return r;
	vcpu->hw = vmx;
	vmx->host_cpu = -1;
	vmx->vpid = khv_vmx_vpid_alloc();
	vmx->msr_bitmap = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vmx->msr_bitmap)
		goto err_vpid;
	khv_vmx_msr_bitmap_update(vcpu);
	r = khv_vmx_vmcs_alloc(&vmx->vmcs);
	if (r)
		goto err_bitmap;

	r = -EBUSY;
	if (khv_vmx_access_begin(vcpu)) {
		khv_vmx_vmcs_setup(vcpu);
		r = 0;
	}
	khv_vmx_access_end(vcpu);
	if (r)
		goto err_vmcs;
	return 0;

err_vmcs:
	khv_vmx_vmcs_free(&vmx->vmcs);
err_bitmap:
	free_page((unsigned long)vmx->msr_bitmap);
err_vpid:
	khv_vmx_vpid_free(vmx->vpid);
	vcpu->hw = NULL;
	kfree(vmx);
	return r;
}

static void vcpu_destroy(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	khv_mitigate_forget(vcpu);
	khv_vmx_vmcs_free(&vmx->vmcs);
	free_page((unsigned long)vmx->msr_bitmap);
	khv_vmx_vpid_free(vmx->vpid);
	vcpu->hw = NULL;
	kfree(vmx);
}

/* Host fields that may differ from one region to the next. */
static void update_host_fields(struct vmx_vcpu *vmx)
{
	unsigned long cr3 = __read_cr3(), cr4 = khv_read_cr4_raw();

	if (cr3 != vmx->host_cr3) {
		vmx->host_cr3 = cr3;
		khv_vmwrite(HOST_CR3, cr3);
	}
	if (cr4 != vmx->host_cr4) {
		vmx->host_cr4 = cr4;
		khv_vmwrite(HOST_CR4, cr4);
	}
}

static void load_breakpoints(struct khv_vcpu *vcpu)
{
	/*
	 * DR7 is in the VMCS; the addresses matter only when it enables one. DR6
	 * stays the host's: #DB exits, and so leaves it alone.
	 */
	if (unlikely(vcpu->debug.hw_dr7 & KHV_DR7_ENABLED))
		khv_host_load_guest_debug(khv_hw_drs(vcpu));
}

static int region_enter(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int r = khv_vmxon_enter(&vmx->vmcs);

	if (r)
		return r;
	vmx->in_region = true;
	khv_host_save(&vmx->host);
	if (vmx->host_cpu != smp_processor_id()) {
		khv_vmx_host_cpu(vmx);
		/* Translations that this CPU kept from an earlier stay, or of another's VPID. */
		vmx->flush |= VMX_FLUSH_EPT | VMX_FLUSH_VPID;
	} else if (unlikely(vmx->host_msrs_shared || khv_vmxon_is_shared())) {
		khv_vmx_msr_host_read(vmx);
	}
	/* KVM numbers its VPIDs, too. With EPT, translations are told apart by its root as well. */
	if (unlikely(khv_vmxon_is_shared()) && !khv_caps.nested_paging)
		vmx->flush |= VMX_FLUSH_VPID;
	if (vmx->host.fs_base != vmx->host_fs_base) {
		vmx->host_fs_base = vmx->host.fs_base;
		khv_vmwrite(HOST_FS_BASE, vmx->host_fs_base);
	}
	if (khv_mitigations.spec_ctrl)
		rdmsrq(MSR_IA32_SPEC_CTRL, vmx->host_spec_ctrl);
	update_host_fields(vmx);
	khv_vmx_perf_update(vmx);
	if (unlikely(vmx->split_locks))
		vmx->split_locks_allowed = khv_host_allow_split_locks();
	khv_vmx_msr_load(vcpu);
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
	khv_vmwrite(VM_ENTRY_INTR_INFO_FIELD, 0);
	khv_request(vcpu, KHV_REQ_EVENT);
}

static void region_leave(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (unlikely(vcpu->events.active.kind != KHV_EVENT_NONE))
		withdraw_event(vcpu);
	khv_vmx_msr_put(vcpu);
	if (unlikely(vmx->split_locks_allowed)) {
		khv_host_detect_split_locks();
		vmx->split_locks_allowed = false;
	}
	khv_host_restore(&vmx->host);
	khv_ibpb_before_user();
	if (unlikely(khv_vmxon_is_shared()) && vmx->vpid && !khv_caps.nested_paging) {
		khv_invvpid(KHV_INVVPID_SINGLE, vmx->vpid, 0);
		/* KVM may run a guest of that number and be gone when the next region begins. */
		vmx->flush |= VMX_FLUSH_VPID;
	}
	vmx->in_region = false;
	khv_vmxon_leave(&vmx->vmcs);
	local_irq_enable();
}

static bool region_irq_window(struct khv_vcpu *vcpu)
{
	/* With breakpoints set it is not for us to tell the handlers' changes from the old. */
	if (!khv_vmxon_may_take_irqs() ||
	    unlikely(khv_host_has_breakpoints(&to_vmx(vcpu)->host.debug)))
		return false;
	khv_host_irq_window();
	/* A handler may have moved the mm to another PCID, set a breakpoint, or sibling threads. */
	update_host_fields(to_vmx(vcpu));
	if (khv_mitigations.spec_ctrl)
		rdmsrq(MSR_IA32_SPEC_CTRL, to_vmx(vcpu)->host_spec_ctrl);
	khv_vmx_perf_update(to_vmx(vcpu));
	khv_host_save_again(&to_vmx(vcpu)->host);
	load_breakpoints(vcpu);
	/* And it left its data behind. */
	khv_mitigate_enter(vcpu);
	return true;
}

static void do_flush(struct khv_vcpu *vcpu, struct vmx_vcpu *vmx)
{
	if ((vmx->flush & VMX_FLUSH_EPT) && khv_caps.nested_paging)
		khv_invept(KHV_INVEPT_SINGLE, khv_vmread(EPT_POINTER));
	/* Without VPID every entry flushes all linear translations. */
	if (!vmx->vpid)
		goto done;
	if (vmx->flush & VMX_FLUSH_VPID)
		khv_invvpid(KHV_INVVPID_SINGLE, vmx->vpid, 0);
	else if (vmx->flush & VMX_FLUSH_GVA)
		khv_invvpid(KHV_INVVPID_ADDRESS, vmx->vpid, vmx->flush_gva);
done:
	vmx->flush &= VMX_PEBS;
}

/* The instruction did not even try: the controls or the host's state are wrong. */
static int entry_refused(struct khv_vcpu *vcpu, int r)
{
	struct vmx_exit *x = &to_vmx(vcpu)->exit;

	if (to_vmx(vcpu)->flush & VMX_PEBS)
		khv_vmx_perf_resume(to_vmx(vcpu));
	if (r == KHV_ENTER_FAULT)
		return -EIO;
	x->reason = VMX_EXIT_REASONS_FAILED_VMENTRY;
	x->qual = khv_vmread(VM_INSTRUCTION_ERROR);
	return EXIT_SLOW;
}

/* The guest's state is wrong, and the VMCS is as before, not launched by this. */
static int entry_failed(struct khv_vcpu *vcpu)
{
	struct vmx_exit *x = &to_vmx(vcpu)->exit;

	if ((u16)x->reason == EXIT_REASON_MCE_DURING_VMENTRY)
		khv_host_machine_check();
	x->qual = x->reason;
	return EXIT_SLOW;
}

/*
 * Another owner had VMX on this CPU when something was to be written. Segments and
 * the like are the guest's loss; but what decides how the hardware walks the shadow
 * tables must never be that of before. Not CR3: with shadow tables that is the root,
 * and with EPT a PAE guest's hardware has PDPTEs that no copy here knows.
 */
static void rewrite_controls(struct khv_vcpu *vcpu)
{
	to_vmx(vcpu)->flush &= ~VMX_REWRITE;
	khv_vmx_set_efer(vcpu, vcpu->regs.efer);
	khv_vmx_set_cr4(vcpu, khv_cr4(vcpu));
	khv_vmx_set_cr0(vcpu, khv_cr0(vcpu));
}

/*
 * What is due before an entry besides registers. EXIT_SLOW if there must be none. Out of line,
 * as otherwise each entry would align the stack and guard it.
 */
static noinline int before_entry(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (unlikely(vmx->flush & VMX_REWRITE))
		rewrite_controls(vcpu);
	if (vmx->flush & VMX_ROOT)
		khv_vmwrite(GUEST_CR3, vmx->root);
	if (vmx->flush & VMX_REAL_MODE) {
		vmx->exit.reason = VMX_EXIT_NOT_ENTERED;
		return EXIT_SLOW;
	}
	do_flush(vcpu, vmx);
	if (vmx->flush & VMX_PEBS)
		khv_vmx_perf_quiesce(vmx);
	return RESUME_GUEST;
}

static __always_inline void count_exit(struct khv_vcpu *vcpu)
{
	u32 reason = to_vmx(vcpu)->exit.reason;
	unsigned int kind = KHV_EXIT_OTHER;

	if (likely(reason < VMX_EXIT_KINDS))
		kind = khv_vmx_exit_kind[reason];
	else if (reason & VMX_EXIT_REASONS_FAILED_VMENTRY)
		kind = KHV_EXIT_ENTRY_FAILED;
	vcpu->stats.exits++;
	vcpu->stats.exit[kind]++;
	if (trace_khv_exit_enabled())
		khv_vmx_trace_exit(vcpu, kind);
}

static __always_inline bool is_host_nmi(u32 intr_info)
{
	return (intr_info & (INTR_INFO_INTR_TYPE_MASK | INTR_INFO_VECTOR_MASK)) ==
	       (INTR_TYPE_NMI_INTR | X86_TRAP_NMI);
}

/*
 * Enter the guest, and after its exit do what is the host's before anything else: its DEBUGCTL,
 * which is off, and an NMI that is to be handed back.
 */
static noinstr int enter(u64 *gpr, struct vmx_vcpu *vmx, unsigned long flags, u64 guest_spec)
{
	int r = khv_vmx_enter(gpr, &vmx->host_rsp, flags, vmx->host_spec_ctrl, guest_spec);
	u64 value;

	if (unlikely(vmx->host.debug.debugctl))
		khv_host_put_debugctl(vmx->host.debug.debugctl);
	if (unlikely(r) || unlikely(!khv_vmread_try(VM_EXIT_REASON, &value)))
		return r;
	vmx->exit.reason = value;
	if (value == EXIT_REASON_EXCEPTION_NMI && khv_vmread_try(VM_EXIT_INTR_INFO, &value)) {
		vmx->exit.intr_info = value;
		if (is_host_nmi(value))
			khv_host_nmi();
	}
	return r;
}

static int vmx_run(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u64 guest_spec = vcpu->msrs.spec_ctrl;
	unsigned long flags = 0;
	int r;

	if (vcpu->regs.dirty || vmx->interruptibility_dirty)
		khv_vmx_flush_regs(vcpu);
	if (unlikely(vmx->flush) && before_entry(vcpu) != RESUME_GUEST)
		return EXIT_SLOW;

	if (vmx->vmcs.launched)
		flags |= BIT(KHV_ENTER_LAUNCHED);
	if (khv_mitigations.clear_buffers)
		flags |= BIT(KHV_ENTER_VERW);
	if (khv_mitigations.spec_ctrl &&
	    (guest_spec != vmx->host_spec_ctrl || khv_mitigations.ibrs_exit))
		flags |= BIT(KHV_ENTER_SPEC_CTRL);
	if (vcpu->regs.cr2 != native_read_cr2())
		native_write_cr2(vcpu->regs.cr2);

	/* NMIs may have changed it since the last exit. */
	if (unlikely(vmx->host.debug.debugctl))
		rdmsrq(MSR_IA32_DEBUGCTLMSR, vmx->host.debug.debugctl);

	khv_sched_guest_enter(&vcpu->sched);
	r = enter(vcpu->regs.gpr, vmx, flags, guest_spec);
	khv_sched_guest_leave(&vcpu->sched);
	if (unlikely(r))
		return entry_refused(vcpu, r);
	vcpu->regs.cr2 = native_read_cr2();
	vcpu->regs.avail = 0;
	vmx->cached = 0;

	count_exit(vcpu);
	if (unlikely(vmx->exit.reason & VMX_EXIT_REASONS_FAILED_VMENTRY))
		return entry_failed(vcpu);
	vmx->vmcs.launched = true;
	vcpu->events.active.kind = KHV_EVENT_NONE;
	return khv_vmx_exit_fast(vcpu);
}

/* Instructions that exit unless the client has them run in the guest. */
static void update_disabled_exits(struct khv_vcpu *vcpu)
{
	const u32 mwait = CPU_BASED_MWAIT_EXITING | CPU_BASED_MONITOR_EXITING;
	u32 disabled = READ_ONCE(vcpu->vm->opts.disabled_exits);
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx->cpu_ctl |= CPU_BASED_HLT_EXITING | mwait;
	if (disabled & KVM_X86_DISABLE_EXITS_HLT)
		vmx->cpu_ctl &= ~CPU_BASED_HLT_EXITING;
	if (disabled & KVM_X86_DISABLE_EXITS_MWAIT)
		vmx->cpu_ctl &= ~mwait;
	khv_vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmx->cpu_ctl);
}

/* Loops of PAUSE exit, too, if the processor and the client will have it. */
static u32 pause_loops(struct khv_vcpu *vcpu)
{
	if (READ_ONCE(vcpu->vm->opts.disabled_exits) & KVM_X86_DISABLE_EXITS_PAUSE)
		return 0;
	return vmx_caps.cpu2 & SECONDARY_EXEC_PAUSE_LOOP_EXITING;
}

static void update_guest(struct khv_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 ctl = vmx->cpu2_ctl;

	/* Instructions that CPUID does not promise must be #UD. */
	ctl &= ~(SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID |
		 SECONDARY_EXEC_PAUSE_LOOP_EXITING);
	ctl |= pause_loops(vcpu);
	if (khv_caps.rdtscp && (khv_has(vcpu, RDTSCP) || khv_has(vcpu, RDPID)))
		ctl |= SECONDARY_EXEC_ENABLE_RDTSCP;
	if (khv_caps.invpcid && khv_has(vcpu, INVPCID))
		ctl |= SECONDARY_EXEC_ENABLE_INVPCID;
	vmx->cpu2_ctl = ctl;
	if (khv_vmx_access_begin(vcpu)) {
		khv_vmx_update_apic(vcpu);
		khv_vmwrite(SECONDARY_VM_EXEC_CONTROL, vmx->cpu2_ctl);
		khv_vmwrite(EXCEPTION_BITMAP, khv_vmx_exceptions(vcpu));
		update_disabled_exits(vcpu);
		/* And so must be CR4 bits of features that it does not promise. */
		khv_vmwrite(CR4_GUEST_HOST_MASK, ~khv_vmx_own_cr4(vcpu));
	} else {
		khv_request(vcpu, KHV_REQ_INTERCEPTS);
	}
	khv_vmx_access_end(vcpu);
	khv_vmx_msr_bitmap_update(vcpu);
}

static void flush_tlb(struct khv_vcpu *vcpu)
{
	to_vmx(vcpu)->flush |= VMX_FLUSH_EPT | VMX_FLUSH_VPID;
}

static void flush_gva(struct khv_vcpu *vcpu, gva_t gva)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	/* INVVPID refuses what cannot have a translation; INVLPG does not. */
	if (gva != (u64)((s64)(gva << 16) >> 16))
		return;
	/* There is room for one address; more than that is everything. */
	if (vmx_caps.vpid_address && !(vmx->flush & VMX_FLUSH_GVA)) {
		vmx->flush_gva = gva;
		vmx->flush |= VMX_FLUSH_GVA;
	} else {
		vmx->flush |= VMX_FLUSH_VPID;
	}
}

static void load_root(struct khv_vcpu *vcpu, hpa_t root)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	/* Entry reads a PAE root's four entries itself, since there is no EPT. */
	vmx->root = root;
	/* Translations of the old root have the same VPID. */
	vmx->flush |= VMX_ROOT | VMX_FLUSH_VPID;
}

static void set_tsc(struct khv_vcpu *vcpu)
{
	if (khv_vmx_access_begin(vcpu)) {
		khv_vmwrite(TSC_OFFSET, vcpu->tsc.offset);
		if (khv_caps.tsc_scaling)
			khv_vmwrite(TSC_MULTIPLIER, vcpu->tsc.ratio);
	}
	khv_vmx_access_end(vcpu);
}

const struct khv_hw_ops khv_vmx_ops = {
	.name = "VMX",
	.probe = khv_vmx_caps_probe,
	.init = vmx_init,
	.uninit = vmx_uninit,
	.vm_create = vm_create,
	.vm_destroy = vm_destroy,
	.vcpu_create = vcpu_create,
	.vcpu_destroy = vcpu_destroy,
	.region_enter = region_enter,
	.region_leave = region_leave,
	.region_irq_window = region_irq_window,
	.run = vmx_run,
	.handle_exit = khv_vmx_handle_exit,
	.cache_reg = khv_vmx_cache_reg,
	.get_segment = khv_vmx_get_segment,
	.set_segment = khv_vmx_set_segment,
	.get_dtable = khv_vmx_get_dtable,
	.set_dtable = khv_vmx_set_dtable,
	.set_cr0 = khv_vmx_set_cr0,
	.set_cr3 = khv_vmx_set_cr3,
	.set_cr4 = khv_vmx_set_cr4,
	.set_efer = khv_vmx_set_efer,
	.get_pdptes = khv_vmx_get_pdptes,
	.load_root = load_root,
	.set_dr7 = khv_vmx_set_dr7,
	.settle = khv_vmx_settle,
	.get_cpl = khv_vmx_get_cpl,
	.interrupt_shadow = khv_vmx_interrupt_shadow,
	.set_interrupt_shadow = khv_vmx_set_interrupt_shadow,
	.nmi_blocked = khv_vmx_nmi_blocked,
	.set_nmi_blocked = khv_vmx_set_nmi_blocked,
	.inject = khv_vmx_inject,
	.request_window = khv_vmx_request_window,
	.sync_apic = khv_vmx_sync_apic,
	.insn_len = khv_vmx_insn_len,
	.skip_insn = khv_vmx_skip_insn,
	.get_msr = khv_vmx_get_msr,
	.set_msr = khv_vmx_set_msr,
	.update_guest = update_guest,
	.flush_tlb = flush_tlb,
	.flush_gva = flush_gva,
	.set_tsc = set_tsc,
	.dump = khv_vmx_dump,
};
