// SPDX-License-Identifier: GPL-2.0-only
/*
 * When virtualization may stay switched on between regions, and when it must go
 * off at once: no VM is left, the system sleeps, restarts or crashes, a CPU goes
 * offline, KVM arrives.
 *
 * How it is switched, and what a region does without it, is vmxon.c's and svmon.c's.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/suspend.h>

#include "host/hold.h"
#include "host/host.h"

bool khv_hold;
bool khv_hold_kvm;
DEFINE_PER_CPU(bool, khv_hold_going);

static const struct khv_hold_ops *hold_ops;
static DEFINE_MUTEX(hold_lock);		/* nr_users, and turning it off everywhere */
static int nr_users;
static bool want_hold;			/* as khv_hold, but for the system's sleep */
static bool yields;			/* to KVM, when its module arrives */
static bool stopping;			/* the system restarts or ends */
static bool sleeping;			/* or is about to sleep */
static int hp_state;

static void off_ipi(void *left)
{
	/* A region's interrupt window: its end looks at khv_hold again. */
	if (!hold_ops->off())
		atomic_inc(left);
}

/* Off on every CPU; waits for open regions to end. */
static void off_everywhere(void)
{
	atomic_t left;

	lockdep_assert_held(&hold_lock);
	do {
		atomic_set(&left, 0);
		on_each_cpu(off_ipi, &left, 1);
		/* A region stays open for one time slice at most. */
		if (atomic_read(&left))
			schedule_timeout_uninterruptible(1);
	} while (atomic_read(&left));
}

int khv_hold_get(int (*first)(void))
{
	int r = 0;

	mutex_lock(&hold_lock);
	if (!nr_users && first) {
		r = first();
		if (r)
			off_everywhere();
	}
	if (!r)
		nr_users++;
	mutex_unlock(&hold_lock);
	return r;
}

void khv_hold_put(void)
{
	mutex_lock(&hold_lock);
	if (!--nr_users)
		off_everywhere();
	mutex_unlock(&hold_lock);
}

static int came_online(unsigned int cpu)
{
	this_cpu_write(khv_hold_going, false);
	return 0;
}

static int going_offline(unsigned int cpu)
{
	local_irq_disable();
	/* A task may still come by before the CPU stops. */
	this_cpu_write(khv_hold_going, true);
	hold_ops->off();
	local_irq_enable();
	return 0;
}

/* Sleep resets the processor that it does not take offline, and with it all that is on. */
static int pm_event(struct notifier_block *nb, unsigned long action, void *data)
{
	mutex_lock(&hold_lock);
	switch (action) {
	case PM_HIBERNATION_PREPARE:
	case PM_SUSPEND_PREPARE:
	case PM_RESTORE_PREPARE:
		sleeping = true;
		WRITE_ONCE(khv_hold, false);
		off_everywhere();
		break;
	default:
		sleeping = false;
		WRITE_ONCE(khv_hold, want_hold);
	}
	mutex_unlock(&hold_lock);
	return NOTIFY_OK;
}

static struct notifier_block pm_nb = { .notifier_call = pm_event };

#if KHV_HAVE_EMERGENCY
static bool emergency_set;

/* There is one slot, and it is KVM's when KVM is there: its callback does for both. */
static void arm_emergency(void)
{
	if (!emergency_set)
		khv_set_emergency("cpu_emergency_register_virt_callback", hold_ops->emergency);
	emergency_set = true;
}

static void disarm_emergency(void)
{
	if (emergency_set)
		khv_set_emergency("cpu_emergency_unregister_virt_callback", hold_ops->emergency);
	emergency_set = false;
}
#else
static void arm_emergency(void) { }
static void disarm_emergency(void) { }
#endif

/* KVM looks at the hardware when it starts: be out of its way before its init runs. */
static void kvm_comes(const char *name)
{
	WRITE_ONCE(khv_hold_kvm, true);
	/* A region that is open now, and writes its owner after this, ends with the flag seen. */
	smp_mb();
	khv_mitigate_forget_all();
	/* It takes the slot without asking whether it is free. */
	disarm_emergency();
	if (!want_hold || !yields)
		return;
	want_hold = false;
	WRITE_ONCE(khv_hold, false);
	off_everywhere();
	pr_info("%s is being loaded; %s ownership changes from exclusive to per-run\n",
		name, hold_ops->name);
}

/* Its exit has run: the slot is free, and nobody else wants the hardware. */
static void kvm_goes(const char *name)
{
	WRITE_ONCE(khv_hold_kvm, false);
	arm_emergency();
	if (want_hold || !yields || stopping)
		return;
	want_hold = true;
	WRITE_ONCE(khv_hold, !sleeping);
	pr_info("%s is gone; %s ownership changes from per-run to exclusive\n",
		name, hold_ops->name);
}

static int module_event(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct module *mod = data;

	if (strcmp(mod->name, hold_ops->kvm_module))
		return NOTIFY_DONE;
	mutex_lock(&hold_lock);
	if (action == MODULE_STATE_COMING)
		kvm_comes(mod->name);
	else if (action == MODULE_STATE_GOING)
		kvm_goes(mod->name);
	mutex_unlock(&hold_lock);
	return NOTIFY_DONE;
}

static struct notifier_block module_nb = { .notifier_call = module_event };

static int reboot_event(struct notifier_block *nb, unsigned long action, void *data)
{
	/* Firmware may use INIT, which VMX root operation blocks. */
	mutex_lock(&hold_lock);
	stopping = true;
	want_hold = false;
	WRITE_ONCE(khv_hold, false);
	off_everywhere();
	mutex_unlock(&hold_lock);
	return NOTIFY_OK;
}

static struct notifier_block reboot_nb = { .notifier_call = reboot_event };

int khv_hold_init(const struct khv_hold_ops *ops, bool want, bool yield)
{
	int r;

	hold_ops = ops;
	want_hold = want;
	khv_hold = want;
	yields = yield;
	r = register_module_notifier(&module_nb);
	if (r)
		return r;
	r = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "x86/khv:online", came_online, going_offline);
	if (r < 0)
		goto err_module;
	hp_state = r;
	r = register_reboot_notifier(&reboot_nb);
	if (r)
		goto err_hotplug;
	r = register_pm_notifier(&pm_nb);
	if (r)
		goto err_reboot;
	/* KVM's is told from now on; one that came just before, and was not there for @want, too. */
	mutex_lock(&hold_lock);
	if (khv_kvm_present())
		kvm_comes(hold_ops->kvm_module);
	else if (!khv_hold_kvm)
		arm_emergency();
	mutex_unlock(&hold_lock);
	return 0;

err_reboot:
	unregister_reboot_notifier(&reboot_nb);
err_hotplug:
	cpuhp_remove_state_nocalls(hp_state);
err_module:
	unregister_module_notifier(&module_nb);
	disarm_emergency();
	return r;
}

void khv_hold_exit(void)
{
	unregister_pm_notifier(&pm_nb);
	unregister_reboot_notifier(&reboot_nb);
	unregister_module_notifier(&module_nb);
	/* KVM's going arms it, so not before. */
	disarm_emergency();
	cpuhp_remove_state_nocalls(hp_state);
}
