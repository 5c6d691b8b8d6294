/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernels khv builds on, 6.1 to 7.2.
 *
 * Force-included before every file of the module; the only place that tests
 * LINUX_VERSION_CODE. Each entry gives older kernels the newest name.
 */
#ifndef KHV_HOST_COMPAT_H
#define KHV_HOST_COMPAT_H

#include <linux/kconfig.h>
#include <linux/version.h>

#include <asm/cpufeatures.h>

/* Clearing the branch history at VM exits got its present name with 6.17. */
#if !defined(X86_FEATURE_CLEAR_BHB_VMEXIT) && defined(X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT)
#define X86_FEATURE_CLEAR_BHB_VMEXIT	X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT
#endif

#ifndef __ASSEMBLY__
#ifndef __ASSEMBLER__

/* Before any header can bring in printk's default. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/types.h>

/* cpuid_eax() and its like left <asm/processor.h> with 6.16. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#include <asm/cpuid/api.h>
#else
#include <asm/processor.h>
#endif

/* 6.19 keeps cr4_update_irqsoff() for KVM: CR4's shadow is out of reach. */
#define KHV_HAVE_CR4_SHADOW	(LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0))
/* And the hook that crashes call; 7.1 does without, if it was built with KVM. */
#define KHV_HAVE_EMERGENCY	KHV_HAVE_CR4_SHADOW
#if KHV_HAVE_CR4_SHADOW
#define khv_cr4_set_vmxe()	cr4_set_bits_irqsoff(X86_CR4_VMXE)
#define khv_cr4_clear_vmxe()	cr4_clear_bits_irqsoff(X86_CR4_VMXE)
/* Is KVM here? kvm_init() is an ordinary GPL export on these kernels. */
#define khv_kvm_present() ({						\
	bool __present = IS_BUILTIN(CONFIG_KVM_INTEL) ||		\
			 IS_BUILTIN(CONFIG_KVM_AMD);			\
	if (!__present && __symbol_get("kvm_init")) {			\
		__symbol_put("kvm_init");				\
		__present = true;					\
	}								\
	__present;							\
})
/*
 * What to do when the machine crashes. Ordinary GPL exports, too, but not of
 * every 6.1: those without them look at CR4 and EFER themselves.
 */
#define khv_set_emergency(function, callback) do {			\
	void (*__set)(void (*callback_fn)(void));			\
									\
	__set = (void *)__symbol_get(function);				\
	if (__set) {							\
		__set(callback);					\
		__symbol_put(function);					\
	}								\
} while (0)
#else
#define khv_cr4_set_vmxe()	do { } while (0)
#define khv_cr4_clear_vmxe()	do { } while (0)
#define khv_kvm_present()	true
#endif

/* What the kernel does about a task whose guest takes split locks: KVM's alone since 6.19. */
#define KHV_HAVE_SPLIT_LOCK	KHV_HAVE_CR4_SHADOW
#if KHV_HAVE_SPLIT_LOCK
#define khv_guest_split_lock(rip)	handle_guest_split_lock(rip)
#else
#define khv_guest_split_lock(rip)	true
#endif

/* Broadwell's processor trace and VMX exclude each other. Without a way to tell since 6.19. */
#if KHV_HAVE_CR4_SHADOW && IS_ENABLED(CONFIG_PERF_EVENTS)
#define khv_trace_handle_vmx(on)	intel_pt_handle_vmx(on)
#define KHV_CAN_STOP_TRACE	true
#else
#define khv_trace_handle_vmx(on)	do { } while (0)
#define KHV_CAN_STOP_TRACE	false
#endif

/* The work to be done before entering a guest: <linux/entry-kvm.h> was renamed with 6.18. */
#define KHV_WORK_WANTS_VCPU	(LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0))
#if KHV_WORK_WANTS_VCPU
#define KHV_ENTRY_HEADER	"linux/entry-kvm.h"
#else
#define KHV_ENTRY_HEADER	"linux/entry-virt.h"
#endif

/* hrtimer_setup() came with 6.13, without hrtimer_init() since 6.16. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define hrtimer_setup(timer, fn, clock, mode) do {			\
	hrtimer_init((timer), (clock), (mode));				\
	(timer)->function = (fn);					\
} while (0)
#endif

/* 6.14 took the name that this had for a worker that is not started yet. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define kthread_run_worker(flags, ...)	kthread_create_worker(flags, __VA_ARGS__)
#endif

/* A task that sleeps may stay in its queue for a while, since 6.12. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#define khv_task_is_runnable(task)	((task)->on_rq)
#else
#define khv_task_is_runnable(task)	task_is_runnable(task)
#endif

/* How long the task's owner wants it to run at a time, 0 if that was not said; since 6.12. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#define khv_task_slice(task)	0
#else
#define khv_task_slice(task)	((task)->se.custom_slice ? (task)->se.slice : 0)
#endif

/* Among which tasks the fair class compares this one; the same for all without groups. */
#ifdef CONFIG_CGROUP_SCHED
#define khv_task_group(task)	((const void *)READ_ONCE((task)->sched_task_group))
#else
#define khv_task_group(task)	((const void *)NULL)
#endif

/* Since 6.8 eventfds are signalled once and no more. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define khv_eventfd_signal(ctx)	eventfd_signal(ctx, 1)
#else
#define khv_eventfd_signal(ctx)	eventfd_signal(ctx)
#endif

/*
 * Wait first in a queue, and keep from others what was taken. 6.17 lets there be one
 * of this kind only (-EBUSY); before, a second one would never hear anything.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define khv_add_wait_queue_first(queue, wait) ({			\
	add_wait_queue_priority(queue, wait);				\
	0;								\
})
#else
#define khv_add_wait_queue_first(queue, wait)				\
	add_wait_queue_priority_exclusive(queue, wait)
#endif

/* 6.16 named the 64-bit MSR accessors after their width. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define rdmsrq(msr, val)	rdmsrl(msr, val)
#define rdmsrq_safe(msr, p)	rdmsrl_safe(msr, p)
#define wrmsrq(msr, val)	wrmsrl(msr, val)
#define wrmsrq_safe(msr, val)	wrmsrl_safe(msr, val)
#endif

/*
 * kernel_fpu_begin() holds off softirqs from 6.15 on; before, they run in an interrupt window.
 * With PREEMPT_RT they are a thread's, which the scheduler asks for as for any other.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0) && !defined(CONFIG_PREEMPT_RT)
#define khv_softirq_pending()	local_softirq_pending()
#else
#define khv_softirq_pending()	false
#endif

/* 6.11 renames it for kernel code, as a warning that clients write it at any time. */
#define immediate_exit__unsafe	immediate_exit

/* Shrinkers are allocated since 6.7. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define khv_shrinker_register(id, count, scan) ({			\
	struct shrinker *__s = kzalloc(sizeof(*__s), GFP_KERNEL);	\
									\
	if (__s) {							\
		__s->count_objects = (count);				\
		__s->scan_objects = (scan);				\
		__s->seeks = DEFAULT_SEEKS;				\
		if (register_shrinker(__s, (id))) {			\
			kfree(__s);					\
			__s = NULL;					\
		}							\
	}								\
	__s;								\
})
#define khv_shrinker_unregister(s) do {					\
	unregister_shrinker(s);						\
	kfree(s);							\
} while (0)
#else
#define khv_shrinker_register(id, count, scan) ({			\
	struct shrinker *__s = shrinker_alloc(0, (id));			\
									\
	if (__s) {							\
		__s->count_objects = (count);				\
		__s->scan_objects = (scan);				\
		shrinker_register(__s);					\
	}								\
	__s;								\
})
#define khv_shrinker_unregister(s)	shrinker_free(s)
#endif

/* FRED came with 6.9. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
#define khv_host_fred()		cpu_feature_enabled(X86_FEATURE_FRED)
#else
#define khv_host_fred()		false
#endif

/* Register File Data Sampling became known with 6.9 and its contemporaries. */
#ifdef X86_BUG_RFDS
#define khv_host_rfds()		boot_cpu_has_bug(X86_BUG_RFDS)
#else
#define khv_host_rfds()		false
#endif

/* Speculative Return Stack Overflow on Zen 5: kernels since 6.15 and its contemporaries tell. */
#ifdef X86_FEATURE_SRSO_BP_SPEC_REDUCE
#define khv_host_bp_spec_reduce()	boot_cpu_has(X86_FEATURE_SRSO_BP_SPEC_REDUCE)
#else
#define khv_host_bp_spec_reduce()	false
#endif

/* Transient Scheduler Attacks, of AMD processors, became known with 6.16. */
#ifdef X86_BUG_TSA
#define khv_host_tsa()		boot_cpu_has_bug(X86_BUG_TSA)
#else
#define khv_host_tsa()		false
#endif

/*
 * VMSCAPE became known with 6.17 and its contemporaries: user space is not to
 * run on predictions that a guest has trained.
 */
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
#define khv_ibpb_before_user() do {					\
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))		\
		this_cpu_write(x86_ibpb_exit_to_user, true);		\
} while (0)
#elif defined(X86_BUG_VMSCAPE)
#error "this kernel has a way against VMSCAPE that is not known here"
#else
#define khv_ibpb_before_user()	do { } while (0)
#endif

#endif
#endif

#endif
