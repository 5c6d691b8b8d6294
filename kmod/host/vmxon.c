// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns VMX on each CPU, and for how long.
 *
 * exclusive: VMXON stays on from the first region on a CPU until the last VM is
 * gone, CR4's shadow knows of it, and interrupts may be taken inside a region.
 * per-run: VMX is on from region entry to region exit with interrupts off
 * throughout, and nobody else can see it. A CPU whose VMX another owner has
 * switched on is left alone: -EBUSY.
 *
 * Exclusive needs cr4_update_irqsoff(), which kernels from 6.19 on keep for
 * KVM, and it makes KVM's own start fail, so it ends when KVM's module arrives.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/suspend.h>
#include <asm/asm.h>
#include <asm/processor.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>

#include "host/cr4.h"
#include "host/host.h"
#include "vmx/insn.h"

/**
 * struct vmxon_cpu - VMX on one CPU; only that CPU touches it, interrupts off
 * @page: its VMXON region
 * @on: VMX was switched on by khv, in exclusive mode
 * @in_region: between khv_vmxon_enter() and _leave()
 * @going: about to be taken offline: VMX must not stay on
 * @current_vmcs: what VMPTRLD was last given, while @on
 * @vmcss: every VMCS this CPU may have cached, while @on
 * @saved_cr4: per-run: what to go back to
 */
struct vmxon_cpu {
	void *page;
	bool on;
	bool in_region;
	bool going;
	struct khv_vmcs *current_vmcs;
	struct list_head vmcss;
	unsigned long saved_cr4;
};

static DEFINE_PER_CPU(struct vmxon_cpu, vmxon_cpu);
static DEFINE_MUTEX(vmxon_lock);	/* nr_users, and turning VMX off everywhere */
static int nr_users;
static bool exclusive;			/* new regions keep VMX on; READ_ONCE outside vmxon_lock */
static bool want_exclusive;		/* likewise, but for the time around the system's sleep */
static bool forced;			/* the administrator chose */
static int hp_state;

static int vmxon(void *page)
{
	u64 pa = __pa(page);

	asm goto("1: vmxon %0\n"
		 "jna %l[fail]\n"
		 _ASM_EXTABLE(1b, %l[fault])
		 : : "m" (pa) : "memory", "cc" : fail, fault);
	return 0;
fail:
	return -EIO;
fault:
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
	khv_cr4_clear_vmxe();
}

static void exclusive_off_ipi(void *left)
{
	struct vmxon_cpu *c = this_cpu_ptr(&vmxon_cpu);

	/* A region's interrupt window: its end looks at @exclusive again. */
	if (c->in_region)
		atomic_inc(left);
	else
		exclusive_off(c);
}

/* VMX off on every CPU; waits for open regions to end. vmxon_lock held. */
static void exclusive_off_everywhere(void)
{
	atomic_t left;

	lockdep_assert_held(&vmxon_lock);
	do {
		atomic_set(&left, 0);
		on_each_cpu(exclusive_off_ipi, &left, 1);
		/* A region stays open for one time slice at most. */
		if (atomic_read(&left))
			schedule_timeout_uninterruptible(1);
	} while (atomic_read(&left));
}

void khv_vmxon_get(void)
{
	mutex_lock(&vmxon_lock);
	nr_users++;
	mutex_unlock(&vmxon_lock);
}

void khv_vmxon_put(void)
{
	mutex_lock(&vmxon_lock);
	if (!--nr_users)
		exclusive_off_everywhere();
	mutex_unlock(&vmxon_lock);
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

static noinline int enter_slowly(struct vmxon_cpu *c, struct khv_vmcs *vmcs)
{
	int cpu = READ_ONCE(vmcs->cpu);
	int r;

	if (unlikely(cpu >= 0 && cpu != smp_processor_id()))
		khv_vmxon_forget(vmcs);

	local_irq_disable();
	/* The mode may have changed: the first to notice switches this CPU over. */
	if (unlikely(c->on && !READ_ONCE(exclusive)))
		exclusive_off(c);
	if (!c->on)
		c->saved_cr4 = khv_read_cr4_raw();
	if (c->on)
		r = enter_exclusive(c, vmcs);
	else if (c->saved_cr4 & X86_CR4_VMXE)
		r = -EBUSY;
	else if (READ_ONCE(exclusive) && !c->going)
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
	if (likely(c->on && c->current_vmcs == vmcs && READ_ONCE(exclusive))) {
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
	khv_vmclear(vmcs->pa);
	vmxoff();
	khv_write_cr4_raw(c->saved_cr4);
}

void khv_vmxon_leave(struct khv_vmcs *vmcs)
{
	struct vmxon_cpu *c = this_cpu_ptr(&vmxon_cpu);

	c->in_region = false;
	if (unlikely(!c->on || !READ_ONCE(exclusive)))
		leave_slowly(c, vmcs);
}

bool khv_vmxon_may_take_irqs(void)
{
	return this_cpu_read(vmxon_cpu.on) && READ_ONCE(exclusive);
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
	return READ_ONCE(exclusive) ? "exclusive" : "per-run";
}

static int came_online(unsigned int cpu)
{
	this_cpu_write(vmxon_cpu.going, false);
	return 0;
}

static int going_offline(unsigned int cpu)
{
	local_irq_disable();
	/* A task may still come by before the CPU stops. */
	this_cpu_write(vmxon_cpu.going, true);
	exclusive_off(this_cpu_ptr(&vmxon_cpu));
	local_irq_enable();
	return 0;
}

/* Sleep resets the processor that it does not take offline, and with it VMX. */
static int pm_event(struct notifier_block *nb, unsigned long action, void *data)
{
	mutex_lock(&vmxon_lock);
	switch (action) {
	case PM_HIBERNATION_PREPARE:
	case PM_SUSPEND_PREPARE:
	case PM_RESTORE_PREPARE:
		WRITE_ONCE(exclusive, false);
		exclusive_off_everywhere();
		break;
	default:
		WRITE_ONCE(exclusive, want_exclusive);
	}
	mutex_unlock(&vmxon_lock);
	return NOTIFY_OK;
}

static struct notifier_block pm_nb = { .notifier_call = pm_event };

#if KHV_HAVE_CR4_SHADOW
/*
 * The machine has crashed or restarts without ceremony, and INIT and the next
 * kernel's CR4 have to work. Any context; nobody returns to what was interrupted.
 */
static void emergency_off(void)
{
	if (khv_read_cr4_raw() & X86_CR4_VMXE)
		vmxoff();
}

static bool emergency_set;

static void arm_emergency(void)
{
	/* There is one slot, and it is KVM's when KVM is there. */
	emergency_set = exclusive && !khv_kvm_present();
	if (emergency_set)
		khv_set_emergency("cpu_emergency_register_virt_callback", emergency_off);
}

static void disarm_emergency(void)
{
	if (emergency_set)
		khv_set_emergency("cpu_emergency_unregister_virt_callback", emergency_off);
	emergency_set = false;
}
#else
static void arm_emergency(void) { }
static void disarm_emergency(void) { }
#endif

/* KVM checks CR4.VMXE when it starts: be out of its way before its init runs. */
static int module_event(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct module *mod = data;

	if (action != MODULE_STATE_COMING || strcmp(mod->name, "kvm_intel"))
		return NOTIFY_DONE;
	mutex_lock(&vmxon_lock);
	/* KVM takes the slot without asking whether it is free. */
	disarm_emergency();
	if (want_exclusive && !forced) {
		want_exclusive = false;
		WRITE_ONCE(exclusive, false);
		exclusive_off_everywhere();
		pr_info("kvm_intel is being loaded; VMX ownership changes from exclusive to per-run\n");
	}
	mutex_unlock(&vmxon_lock);
	return NOTIFY_DONE;
}

static struct notifier_block module_nb = { .notifier_call = module_event };

static int reboot_event(struct notifier_block *nb, unsigned long action, void *data)
{
	/* Firmware may use INIT, which VMX root operation blocks. */
	mutex_lock(&vmxon_lock);
	want_exclusive = false;
	WRITE_ONCE(exclusive, false);
	exclusive_off_everywhere();
	mutex_unlock(&vmxon_lock);
	return NOTIFY_OK;
}

static struct notifier_block reboot_nb = { .notifier_call = reboot_event };

static void free_pages_all(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(vmxon_cpu, cpu).page);
		per_cpu(vmxon_cpu, cpu).page = NULL;
	}
}

static int choose_mode(enum khv_vmx_mode mode)
{
	forced = mode != KHV_VMX_AUTO;
	if (mode == KHV_VMX_EXCLUSIVE && !KHV_HAVE_CR4_SHADOW) {
		pr_err("vmx_mode=exclusive is impossible on this kernel: from 6.19 on it lets only KVM change CR4; use per-run or auto\n");
		return -EOPNOTSUPP;
	}
	want_exclusive = KHV_HAVE_CR4_SHADOW && mode != KHV_VMX_PER_RUN &&
			 (forced || !khv_kvm_present());
	exclusive = want_exclusive;
	return 0;
}

int khv_vmxon_init(u32 revision, enum khv_vmx_mode mode)
{
	int cpu, r;

	r = choose_mode(mode);
	if (r)
		return r;

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

	r = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "x86/khv:online", came_online, going_offline);
	if (r < 0)
		goto err_pages;
	hp_state = r;
	r = register_module_notifier(&module_nb);
	if (r)
		goto err_hotplug;
	r = register_reboot_notifier(&reboot_nb);
	if (r)
		goto err_module;
	r = register_pm_notifier(&pm_nb);
	if (r)
		goto err_reboot;
	arm_emergency();
	return 0;

err_reboot:
	unregister_reboot_notifier(&reboot_nb);
err_module:
	unregister_module_notifier(&module_nb);
err_hotplug:
	cpuhp_remove_state_nocalls(hp_state);
err_pages:
	free_pages_all();
	return r;
}

void khv_vmxon_exit(void)
{
	disarm_emergency();
	unregister_pm_notifier(&pm_nb);
	unregister_reboot_notifier(&reboot_nb);
	unregister_module_notifier(&module_nb);
	cpuhp_remove_state_nocalls(hp_state);
	free_pages_all();
}
