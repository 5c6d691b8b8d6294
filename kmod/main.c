// SPDX-License-Identifier: GPL-2.0-only
/*
 * khv: loading, unloading, and /dev/khv.
 *
 * The list below is the whole of the module's initialization, in order; each
 * line is undone by the ladder in reverse. Nothing else runs at load.
 */
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/printk.h>

#include <asm/cpufeature.h>

#include "host/host.h"
#include "mmu/shadow.h"
#include "sched/sched.h"
#include "vm/hw.h"
#include "vm/ioctl.h"
#include "vm/stats.h"
#include "x86/cpuid.h"
#include "x86/msr.h"
#include "x86/pvclock.h"
#include "x86/xstate.h"

static bool kvm_device;
module_param(kvm_device, bool, 0444);
MODULE_PARM_DESC(kvm_device, "also answer as /dev/kvm while no KVM module does (default: no)");

const struct khv_hw_ops *khv_hw;
struct khv_hw_caps khv_caps;

/* The owner keeps the module loaded while the device is open; VMs and vCPUs do the same. */
static const struct file_operations dev_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= khv_dev_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice khv_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "khv",
	.fops	= &dev_fops,
	.mode	= 0660,
};

static struct miscdevice kvm_alias = {
	.minor	= KVM_MINOR,
	.name	= "kvm",
	.fops	= &dev_fops,
	.mode	= 0660,
};

/*
 * CPUID itself is asked, not the kernel's feature bits: those are cleared when
 * firmware locked VMX or SVM off, and then the vendor's probe has the exact reason.
 */
static int choose_hw(void)
{
	if (cpuid_ecx(1) & BIT(X86_FEATURE_VMX & 31)) {
		khv_hw = &khv_vmx_ops;
		return 0;
	}
	if (cpuid_eax(0x80000000) >= 0x80000001 &&
	    cpuid_ecx(0x80000001) & BIT(X86_FEATURE_SVM & 31)) {
		khv_hw = &khv_svm_ops;
		return 0;
	}
	pr_err("this CPU offers neither VMX nor SVM; inside a virtual machine, nested virtualization must be enabled for it\n");
	return -EOPNOTSUPP;
}

/* Not having /dev/kvm is no reason to go without /dev/khv. */
static void register_kvm_alias(void)
{
	int err;

	if (!kvm_device)
		return;
	err = misc_register(&kvm_alias);
	if (err) {
		pr_warn("cannot answer as /dev/kvm (error %d): a KVM module is loaded and has it; serving /dev/khv only\n",
			err);
		kvm_device = false;
	}
}

static int __init khv_init(void)
{
	int err;

	err = choose_hw();
	if (err)
		return err;
	err = khv_host_probe();
	if (err)
		return err;
	err = khv_hw->probe();
	if (err)
		return err;
	/* The parameter tells which kind of paging is in use, as KVM's do. */
	khv_nested_paging = khv_caps.nested_paging;

	err = khv_hw->init();
	if (err)
		return err;
	err = khv_xstate_init();
	if (err)
		goto err_hw;
	err = khv_cpuid_init();
	if (err)
		goto err_hw;
	khv_msr_init();
	err = khv_pvclock_init();
	if (err)
		goto err_cpuid;
	err = khv_sched_init();
	if (err)
		goto err_pvclock;
	khv_debugfs_init();
	err = khv_shadow_shrinker_init();
	if (err)
		goto err_debugfs;
	err = misc_register(&khv_device);
	if (err)
		goto err_shrinker;
	register_kvm_alias();

	pr_info("version " KHV_VERSION ", guests run on %s\n", khv_hw->name);
	return 0;

err_shrinker:
	khv_shadow_shrinker_exit();
err_debugfs:
	khv_debugfs_exit();
	khv_sched_exit();
err_pvclock:
	khv_pvclock_exit();
err_cpuid:
	khv_cpuid_exit();
err_hw:
	khv_hw->uninit();
	return err;
}

static void __exit khv_exit(void)
{
	if (kvm_device)
		misc_deregister(&kvm_alias);
	misc_deregister(&khv_device);
	khv_shadow_shrinker_exit();
	khv_debugfs_exit();
	khv_sched_exit();
	khv_pvclock_exit();
	khv_cpuid_exit();
	khv_hw->uninit();
}

module_init(khv_init);
module_exit(khv_exit);

MODULE_DESCRIPTION("khv: a hypervisor with VM-level scheduling that speaks KVM's ABI");
MODULE_VERSION(KHV_VERSION);
MODULE_LICENSE("GPL");
