// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns VMX on each CPU, and for how long.
 *
 * exclusive: VMXON stays on from the first region on a CPU until the last VM is
 * gone, CR4's shadow knows of it, and interrupts may be taken inside a region.
 * per-run: VMX is on from region entry to region exit with interrupts off
 * throughout, and nobody else can see it.
 * borrowed: another owner, KVM, has switched VMX on. Its current VMCS is noted at
 * region entry and current again at region exit, with interrupts off throughout:
 * whoever runs on this CPU next finds what he left.
 *
 * Which of them it is, is decided at each region entry, by who has VMX on then.
 *
 * Exclusive needs cr4_update_irqsoff(), which kernels from 6.19 on keep for
 * KVM, and it makes KVM's own start fail, so it ends while KVM's module is there
 * (hold.c, which also knows the other occasions).
 */
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/perf_event.h>
#include <linux/smp.h>
#include <asm/asm.h>
#include <asm/processor.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>

#include "host/cr4.h"
#include "host/hold.h"
#include "host/host.h"
#include "vmx/insn.h"

/* "SDM, Miscellaneous Data": processor trace works in VMX operation. */
#define VMX_MISC_TRACE	BIT_ULL(14)

/**
 * struct vmxon_cpu - VMX on one CPU; only that CPU touches it, interrupts off
 * @page: its VMXON region
 * @on: VMX was switched on by khv, in exclusive mode
 * @in_region: between khv_vmxon_enter() and _leave()
 * @current_vmcs: what VMPTRLD was last given, while @on
 * @vmcss: every VMCS this CPU may have cached, while @on
 * @saved_cr4: per-run: what to go back to
 * @borrowed: the region that is open uses VMX that another has switched on
 * @neighbour: whose current VMCS was this, or VMCS_NONE
 */
struct vmxon_cpu {
	void *page;
	bool on;
	bool in_region;
	struct khv_vmcs *current_vmcs;
	struct list_head vmcss;
	unsigned long saved_cr4;
	bool borrowed;
	u64 neighbour;
};

/* "SDM, VMPTRST": what it stores when there is no current VMCS. */
#define VMCS_NONE	(~0ULL)

static DEFINE_PER_CPU(struct vmxon_cpu, vmxon_cpu);
/* Processor trace does not go with VMX here (Broadwell): VMXON ends it. */
static bool trace_conflicts;

static bool trace_in_use(void)
{
	u64 ctl;

	rdmsrq(MSR_IA32_RTIT_CTL, ctl);
	return ctl & RTIT_CTL_TRACEEN;
}

static void trace_again(void)
{
	if (unlikely(trace_conflicts))
		khv_trace_handle_vmx(0);
}

static int vmxon(void *page)
{
	u64 pa = __pa(page);

	/* Perf marks the gap, and leaves the trace alone until it is told; or keeps it. */
	if (unlikely(trace_conflicts)) {
		if (!KHV_CAN_STOP_TRACE && trace_in_use())
			return -EBUSY;
		khv_trace_handle_vmx(1);
	}

	asm goto("1: vmxon %0\n"
		 "jna %l[fail]\n"
		 _ASM_EXTABLE(1b, %l[fault])
		 : : "m" (pa) : "memory", "cc" : fail, fault);
	return 0;
fail:
	trace_again();
	return -EIO;
fault:
	trace_again();
	return -EPERM;
}

static void vmxoff(void)
{
	/* Fails only outside VMX operation, which nobody else may have left for us. */
	asm goto("1: vmxoff\n"
		 _ASM_EXTABLE(1b, %l[fault])
		 : : : "memory", "cc" : fault);
fault:
	return;
}

static int exclusive_on(struct vmxon_cpu *c)
{
	int r;

	khv_cr4_set_vmxe();
	r = vmxon(c->page);
	if (r) {
		khv_cr4_clear_vmxe();
		return r;
	}
	c->on = true;
	c->current_vmcs = NULL;
	return 0;
}

/* Interrupts off, no region open on this CPU. */
static void exclusive_off(struct vmxon_cpu *c)
{
	struct khv_vmcs *vmcs, *next;

	if (!c->on)
		return;
	list_for_each_entry_safe(vmcs, next, &c->vmcss, node) {
		khv_vmclear(vmcs->pa);
		vmcs->launched = false;
		list_del_init(&vmcs->node);
		/* Pairs with the acquire in khv_vmxon_forget(): cleared before it says so. */
		smp_store_release(&vmcs->cpu, -1);
	}
	c->on = false;
	c->current_vmcs = NULL;
	vmxoff();
	trace_again();
	khv_cr4_clear_vmxe();
	/* From now on it may be KVM's turn. */
	khv_mitigate_neighbour();
}

static bool off_this_cpu(void)
{
	struct vmxon_cpu *c = this_cpu_ptr(&vmxon_cpu);

	if (c->in_region)
		return false;
	exclusive_off(c);
	return true;
}

void khv_vmxon_get(void)
{
	khv_hold_get(NULL);
}

void khv_vmxon_put(void)
{
	khv_hold_put();
}

static int enter_exclusive(struct vmxon_cpu *c, struct khv_vmcs *vmcs)
{
	int r;

	if (unlikely(!c->on)) {
		r = exclusive_on(c);
		if (r)
			return r;
	}
	if (vmcs->cpu != smp_processor_id()) {
		/* khv_vmxon_enter() made sure that no other CPU has it. */
		khv_vmclear(vmcs->pa);
		vmcs->launched = false;
		vmcs->cpu = smp_processor_id();
		list_add(&vmcs->node, &c->vmcss);
	}
	if (c->current_vmcs != vmcs) {
		khv_vmptrld(vmcs->pa);
		c->current_vmcs = vmcs;
	}
	return 0;
}

static int enter_per_run(struct vmxon_cpu *c, struct khv_vmcs *vmcs)
{
	int r;

	/*
	 * CR4's shadow does not learn of this: with interrupts off until VMXE is
	 * cleared again, nothing on this CPU can write CR4 from the shadow.
	 */
	khv_write_cr4_raw(c->saved_cr4 | X86_CR4_VMXE);
	r = vmxon(c->page);
	if (r) {
		khv_write_cr4_raw(c->saved_cr4);
		return r;
	}
	khv_vmclear(vmcs->pa);
	khv_vmptrld(vmcs->pa);
	vmcs->launched = false;
	return 0;
}

/* -EBUSY when CR4 says that VMX is on, and it is not. */
static int enter_borrowed(struct vmxon_cpu *c, struct khv_vmcs *vmcs)
{
	asm goto("1: vmptrst %0\n"
		 _ASM_EXTABLE(1b, %l[fault])
		 : : "m" (c->neighbour) : "memory", "cc" : fault);
	khv_vmclear(vmcs->pa);
	khv_vmptrld(vmcs->pa);
	vmcs->launched = false;
	c->borrowed = true;
	return 0;
fault:
	return -EBUSY;
}

static void leave_borrowed(struct vmxon_cpu *c, struct khv_vmcs *vmcs)
{
	/* The other's VMXOFF must find none of ours in the processor. */
	khv_vmclear(vmcs->pa);
	c->borrowed = false;
	/*
	 * KVM has a barrier for another vCPU of its own, and knows of none of ours. One of its
	 * may also come, run and be gone again before our next region.
	 */
	khv_mitigate_neighbour();
	if (c->neighbour != VMCS_NONE)
		khv_vmptrld(c->neighbour);
}

static noinline int enter_slowly(struct vmxon_cpu *c, struct khv_vmcs *vmcs)
{
	int cpu = READ_ONCE(vmcs->cpu);
	int r;

	if (unlikely(cpu >= 0 && cpu != smp_processor_id()))
		khv_vmxon_forget(vmcs);

	local_irq_disable();
	/* The mode may have changed: the first to notice switches this CPU over. */
	if (unlikely(c->on && !READ_ONCE(khv_hold)))
		exclusive_off(c);
	if (!c->on)
		c->saved_cr4 = khv_read_cr4_raw();
	if (c->on)
		r = enter_exclusive(c, vmcs);
	else if (c->saved_cr4 & X86_CR4_VMXE)
		r = enter_borrowed(c, vmcs);
	else if (READ_ONCE(khv_hold) && !this_cpu_read(khv_hold_going))
		r = enter_exclusive(c, vmcs);
	else
		r = enter_per_run(c, vmcs);
	if (unlikely(r)) {
		local_irq_enable();
		return r;
	}
	c->in_region = true;
	return 0;
}

int khv_vmxon_enter(struct khv_vmcs *vmcs)
{
	struct vmxon_cpu *c = this_cpu_ptr(&vmxon_cpu);

	local_irq_disable();
	if (likely(c->on && c->current_vmcs == vmcs && READ_ONCE(khv_hold))) {
		c->in_region = true;
		return 0;
	}
	local_irq_enable();
	return enter_slowly(c, vmcs);
}

static noinline void leave_slowly(struct vmxon_cpu *c, struct khv_vmcs *vmcs)
{
	if (c->on) {
		exclusive_off(c);
		return;
	}
	if (c->borrowed) {
		leave_borrowed(c, vmcs);
		return;
	}
	khv_vmclear(vmcs->pa);
	vmxoff();
	trace_again();
	khv_write_cr4_raw(c->saved_cr4);
	if (unlikely(READ_ONCE(khv_hold_kvm)))
		khv_mitigate_neighbour();
}

void khv_vmxon_leave(struct khv_vmcs *vmcs)
{
	struct vmxon_cpu *c = this_cpu_ptr(&vmxon_cpu);

	c->in_region = false;
	if (unlikely(!c->on || !READ_ONCE(khv_hold)))
		leave_slowly(c, vmcs);
}

bool khv_vmxon_may_take_irqs(void)
{
	return this_cpu_read(vmxon_cpu.on) && READ_ONCE(khv_hold);
}

bool khv_vmxon_is_shared(void)
{
	return !this_cpu_read(vmxon_cpu.on);
}

static void forget_ipi(void *arg)
{
	struct vmxon_cpu *c = this_cpu_ptr(&vmxon_cpu);
	struct khv_vmcs *vmcs = arg;

	/* The CPU may have been switched off in between. */
	if (vmcs->cpu != smp_processor_id())
		return;
	khv_vmclear(vmcs->pa);
	vmcs->launched = false;
	if (c->current_vmcs == vmcs)
		c->current_vmcs = NULL;
	list_del_init(&vmcs->node);
	/* Pairs with the acquire in khv_vmxon_forget(). */
	smp_store_release(&vmcs->cpu, -1);
}

void khv_vmxon_forget(struct khv_vmcs *vmcs)
{
	/* Pairs with the releases where a CPU lets go of it. */
	int cpu = smp_load_acquire(&vmcs->cpu);

	/* An offline CPU has let go of it in going_offline(). */
	if (cpu >= 0)
		smp_call_function_single(cpu, forget_ipi, vmcs, 1);
}

const char *khv_vmxon_mode_name(void)
{
	return READ_ONCE(khv_hold) ? "exclusive" : "per-run";
}

/* INIT and the next kernel's CR4 have to work. */
static void emergency_off(void)
{
	if (khv_read_cr4_raw() & X86_CR4_VMXE)
		vmxoff();
}

static const struct khv_hold_ops hold_ops = {
	.name = "VMX",
	.kvm_module = "kvm_intel",
	.off = off_this_cpu,
	.emergency = emergency_off,
};

static void free_pages_all(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(vmxon_cpu, cpu).page);
		per_cpu(vmxon_cpu, cpu).page = NULL;
	}
}

static bool find_trace_conflict(void)
{
	u64 misc;

	if (!boot_cpu_has(X86_FEATURE_INTEL_PT))
		return false;
	rdmsrq(MSR_IA32_VMX_MISC, misc);
	return !(misc & VMX_MISC_TRACE);
}

int khv_vmxon_init(u32 revision, enum khv_vmx_mode mode)
{
	bool want = KHV_HAVE_CR4_SHADOW && (mode == KHV_VMX_EXCLUSIVE ||
					    (mode == KHV_VMX_AUTO && !khv_kvm_present()));
	int cpu, r;

	if (mode == KHV_VMX_EXCLUSIVE && !KHV_HAVE_CR4_SHADOW) {
		pr_err("vmx_mode=exclusive is impossible on this kernel: from 6.19 on it lets only KVM change CR4; use per-run or auto\n");
		return -EOPNOTSUPP;
	}

	trace_conflicts = find_trace_conflict();
	for_each_possible_cpu(cpu) {
		struct vmxon_cpu *c = &per_cpu(vmxon_cpu, cpu);

		INIT_LIST_HEAD(&c->vmcss);
		c->page = (void *)get_zeroed_page(GFP_KERNEL);
		if (!c->page) {
			r = -ENOMEM;
			goto err_pages;
		}
		*(u32 *)c->page = revision;
	}

	r = khv_hold_init(&hold_ops, want, KHV_HAVE_CR4_SHADOW && mode == KHV_VMX_AUTO);
	if (r)
		goto err_pages;
	return 0;

err_pages:
	free_pages_all();
	return r;
}

void khv_vmxon_exit(void)
{
	khv_hold_exit();
	free_pages_all();
}
