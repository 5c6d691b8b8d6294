// SPDX-License-Identifier: GPL-2.0-only
/*
 * Capabilities: what KVM_CHECK_EXTENSION answers, and what KVM_ENABLE_CAP turns on.
 *
 * What a capability promises is kept by the folder that implements it; the list
 * clients see is uapi/khv.h's, and a test holds the two together.
 */
#include <linux/cpu.h>
#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/sched/stat.h>

#include <asm/cpufeature.h>

#include "irqchip/irqchip.h"
#include "mmu/dirty.h"
#include "vm/ioctl.h"
#include "vm/memslot.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/xstate.h"

/* <linux/kvm.h> has no name for all of them in newer kernels. */
#define DISABLE_EXITS	(KVM_X86_DISABLE_EXITS_MWAIT | KVM_X86_DISABLE_EXITS_HLT |	\
			 KVM_X86_DISABLE_EXITS_PAUSE | KVM_X86_DISABLE_EXITS_CSTATE)
#define X2APIC_FLAGS	(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)

static int cap_nr_vcpus(void)
{
	return min_t(int, num_online_cpus(), KHV_MAX_VCPUS);
}

static int cap_xcrs(void)
{
	return boot_cpu_has(X86_FEATURE_XSAVE);
}

static int cap_xsave2(void)
{
	return max_t(int, khv_xstate_size(), sizeof(struct kvm_xsave));
}

static int cap_sched(void)
{
	return khv_sched_settable();
}

static int cap_no_real_mode(void)
{
	return !khv_caps.unrestricted_guest;
}

/* Those of KVM's quirks that can be turned off here. */
#define QUIRKS	(KVM_X86_QUIRK_LINT0_REENABLED | KVM_X86_QUIRK_CD_NW_CLEARED | \
		 KVM_X86_QUIRK_LAPIC_MMIO_HOLE | KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT | \
		 KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS | KVM_X86_QUIRK_FIX_HYPERCALL_INSN)

/* MWAIT wants an APIC timer that no sleep state stops, and a monitor that works. */
static int cap_disable_exits(void)
{
	int exits = KVM_X86_DISABLE_EXITS_PAUSE;

#ifdef X86_BUG_SMT_RSB
	/* A thread that sleeps in the guest leaves its return predictions to its sibling. */
	if (boot_cpu_has_bug(X86_BUG_SMT_RSB) && cpu_smt_possible())
		return exits;
#endif
	exits |= KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_CSTATE;
	if (boot_cpu_has(X86_FEATURE_MWAIT) && boot_cpu_has(X86_FEATURE_ARAT) &&
	    !boot_cpu_has_bug(X86_BUG_MONITOR))
		exits |= KVM_X86_DISABLE_EXITS_MWAIT;
	return exits;
}

static int cap_steal_time(void)
{
	return sched_info_on();
}

static int cap_tsc_control(void)
{
	return khv_caps.tsc_scaling;
}

/* A capability that is not listed is 0. */
static const struct {
	unsigned int cap;
	int value;
	int (*fn)(void);	/* instead of @value */
} capabilities[] = {
	{ KVM_CAP_IRQCHIP, 1 },
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_SET_TSS_ADDR, 1 },
	{ KVM_CAP_MMU_SHADOW_CACHE_CONTROL, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_CLOCKSOURCE, 1 },
	{ KVM_CAP_NR_VCPUS, .fn = cap_nr_vcpus },
	{ KVM_CAP_NR_MEMSLOTS, KHV_MAX_MEMSLOTS },
	{ KVM_CAP_NOP_IO_DELAY, 1 },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_USER_NMI, 1 },
	{ KVM_CAP_IRQ_ROUTING, KHV_MAX_GSI },
	{ KVM_CAP_IRQ_INJECT_STATUS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_PIT2, 1 },
	{ KVM_CAP_PIT_STATE2, 1 },
	{ KVM_CAP_SET_BOOT_CPU_ID, 1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
	{ KVM_CAP_ADJUST_CLOCK, KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_XCRS, .fn = cap_xcrs },
	{ KVM_CAP_GET_TSC_KHZ, 1 },
	{ KVM_CAP_MAX_VCPUS, KHV_MAX_VCPUS },
	{ KVM_CAP_TSC_CONTROL, .fn = cap_tsc_control },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1 },
	{ KVM_CAP_VM_TSC_CONTROL, .fn = cap_tsc_control },
	{ KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_EXT_EMUL_CPUID, 1 },
	{ KVM_CAP_IOAPIC_POLARITY_IGNORED, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_MAX_VCPU_ID, KHV_MAX_VCPU_ID },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_GET_MSR_FEATURES, 1 },
	{ KVM_CAP_BINARY_STATS_FD, 1 },
	{ KVM_CAP_XSAVE2, .fn = cap_xsave2 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
	  KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET },
	{ KVM_CAP_ENABLE_CAP, 1 },
	{ KVM_CAP_KVMCLOCK_CTRL, 1 },
	{ KVM_CAP_VCPU_ATTRIBUTES, 1 },
	{ KVM_CAP_STEAL_TIME, .fn = cap_steal_time },
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1 },
	{ KVM_CAP_X86_USER_SPACE_MSR, 1 },
	{ KVM_CAP_X86_MSR_FILTER, 1 },
	{ KVM_CAP_MSR_PLATFORM_INFO, 1 },
	{ KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1 },
	{ KVM_CAP_X86_DISABLE_EXITS, .fn = cap_disable_exits },
	{ KVM_CAP_DISABLE_QUIRKS, 1 },
	{ KVM_CAP_DISABLE_QUIRKS2, QUIRKS },
	{ KVM_CAP_SYNC_REGS, KVM_SYNC_X86_VALID_FIELDS },
	{ KVM_CAP_SREGS2, 1 },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1 },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG2, KHV_GUESTDBG_VALID },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },
	/* Which page of a vCPU's mapping it is. */
	{ KVM_CAP_COALESCED_MMIO, KHV_PAGE_COALESCED },
	{ KVM_CAP_COALESCED_PIO, 1 },
	{ KVM_CAP_PIT, 1 },
	{ KVM_CAP_REINJECT_CONTROL, 1 },
	{ KVM_CAP_IRQFD, 1 },
	{ KVM_CAP_IRQFD_RESAMPLE, 1 },
	{ KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH, 1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ KVM_CAP_SPLIT_IRQCHIP, 1 },
	{ KVM_CAP_X2APIC_API, X2APIC_FLAGS },
	{ KVM_CAP_MCE, KHV_MCE_BANKS },
	{ KVM_CAP_HALT_POLL, 1 },
	{ KHV_CAP_NO_REAL_MODE, .fn = cap_no_real_mode },
	{ KHV_CAP_SCHED, .fn = cap_sched },
};

static_assert(ARRAY_SIZE(capabilities) == KHV_LIST_LENGTH(KHV_CAPABILITIES));

int khv_check_extension(unsigned long cap)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(capabilities); i++) {
		if (capabilities[i].cap != cap)
			continue;
		return capabilities[i].fn ? capabilities[i].fn() : capabilities[i].value;
	}
	return 0;
}

/* Once, and before any vCPU: those that are there have taken their room by the old limit. */
static int enable_max_vcpu_id(struct khv_vm *vm, const u64 *args)
{
	int r = -EINVAL;

	if (args[0] > KHV_MAX_VCPU_ID)
		return -EINVAL;
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	if (!vm->max_vcpu_id && !vm->nr_vcpus && vm->bsp_id < args[0])
		vm->max_vcpu_id = args[0];
	if (vm->max_vcpu_id == args[0])
		r = 0;
	mutex_unlock(&vm->lock);
	return r;
}

static int enable_split_irqchip(struct khv_vm *vm, const u64 *args)
{
	int r;

	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	r = khv_irqchip_split(vm, args[0]);
	mutex_unlock(&vm->lock);
	return r;
}

/* At any time; each flag stays once it is set. */
static int enable_x2apic_api(struct khv_vm *vm, const u64 *args)
{
	if (args[0] & ~X2APIC_FLAGS)
		return -EINVAL;
	if (args[0] & KVM_X2APIC_API_USE_32BIT_IDS)
		WRITE_ONCE(vm->irq.ids_32bit, true);
	if (args[0] & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
		WRITE_ONCE(vm->irq.no_broadcast_quirk, true);
	return 0;
}

static int enable_manual_dirty_log(struct khv_vm *vm, const u64 *args)
{
	return khv_dirty_set_manual(vm, args[0]);
}

static int enable_exception_payload(struct khv_vm *vm, const u64 *args)
{
	WRITE_ONCE(vm->opts.exception_payload, args[0]);
	return 0;
}

static int enable_triple_fault_event(struct khv_vm *vm, const u64 *args)
{
	WRITE_ONCE(vm->opts.triple_fault_event, args[0]);
	return 0;
}

static int disable_quirks(struct khv_vm *vm, const u64 *args)
{
	WRITE_ONCE(vm->opts.disabled_quirks, args[0]);
	return 0;
}

static int disable_quirks2(struct khv_vm *vm, const u64 *args)
{
	return args[0] & ~(u64)QUIRKS ? -EINVAL : disable_quirks(vm, args);
}

/* For good. What this host cannot let guests do goes on to exit, as with KVM. */
static int disable_exits(struct khv_vm *vm, const u64 *args)
{
	if (args[0] & ~(u64)DISABLE_EXITS)
		return -EINVAL;
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	WRITE_ONCE(vm->opts.disabled_exits,
		   vm->opts.disabled_exits | (args[0] & cap_disable_exits()));
	mutex_unlock(&vm->lock);
	khv_vm_request_all(vm, KHV_REQ_INTERCEPTS);
	return 0;
}

static int enable_msr_exits(struct khv_vm *vm, const u64 *args)
{
	if (args[0] & ~(u64)(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN |
			     KVM_MSR_EXIT_REASON_FILTER))
		return -EINVAL;
	WRITE_ONCE(vm->opts.msr_exits, args[0]);
	return 0;
}

static int enable_platform_info(struct khv_vm *vm, const u64 *args)
{
	WRITE_ONCE(vm->opts.platform_info_hidden, !args[0]);
	return 0;
}

static int enable_emulation_failure_exits(struct khv_vm *vm, const u64 *args)
{
	if (args[0] & ~1ULL)
		return -EINVAL;
	WRITE_ONCE(vm->opts.emulation_failure_exits, args[0]);
	return 0;
}

static int set_halt_poll(struct khv_vm *vm, const u64 *args)
{
	if (args[0] > U32_MAX)
		return -EINVAL;
	WRITE_ONCE(vm->opts.halt_poll_ns, args[0]);
	return 0;
}

/* What a VM must be asked to do. Handlers check all of @args that they use. */
static const struct {
	unsigned int cap;
	int (*enable)(struct khv_vm *vm, const u64 *args);
} vm_caps[] = {
	{ KVM_CAP_MAX_VCPU_ID, enable_max_vcpu_id },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, enable_manual_dirty_log },
	{ KVM_CAP_EXCEPTION_PAYLOAD, enable_exception_payload },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, enable_triple_fault_event },
	{ KVM_CAP_X86_USER_SPACE_MSR, enable_msr_exits },
	{ KVM_CAP_MSR_PLATFORM_INFO, enable_platform_info },
	{ KVM_CAP_EXIT_ON_EMULATION_FAILURE, enable_emulation_failure_exits },
	{ KVM_CAP_X86_DISABLE_EXITS, disable_exits },
	{ KVM_CAP_DISABLE_QUIRKS, disable_quirks },
	{ KVM_CAP_DISABLE_QUIRKS2, disable_quirks2 },
	{ KVM_CAP_SPLIT_IRQCHIP, enable_split_irqchip },
	{ KVM_CAP_X2APIC_API, enable_x2apic_api },
	{ KVM_CAP_HALT_POLL, set_halt_poll },
};

int khv_vm_enable_cap(struct khv_vm *vm, const struct kvm_enable_cap *cap)
{
	int i;

	if (cap->flags)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(vm_caps); i++)
		if (vm_caps[i].cap == cap->cap)
			return vm_caps[i].enable(vm, cap->args);
	return -EINVAL;
}

int khv_vcpu_enable_cap(struct khv_vcpu *vcpu, const struct kvm_enable_cap *cap)
{
	if (cap->flags || cap->cap != KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	vcpu->pv_enforced = cap->args[0];
	return 0;
}
