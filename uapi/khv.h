/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * khv's interface to programs.
 *
 * khv speaks KVM's ABI: the calls and structures of <linux/kvm.h>, on /dev/khv,
 * as the kernel's Documentation/virt/kvm/api.rst describes them. This file says
 * exactly which calls and capabilities are implemented; docs/abi.md has the
 * differences. A call that is not listed fails as it does on a KVM without it
 * (-EINVAL on the device and on a vCPU, -ENOTTY on a VM); a capability that is
 * not listed is 0.
 */
#ifndef _UAPI_KHV_H
#define _UAPI_KHV_H

#include <linux/ioctl.h>
#include <linux/kvm.h>

#define KHV_DEVICE	"/dev/khv"

/*
 * The type of khv's own calls, in the number space of <linux/ioctl.h>. The
 * kernel's list of such types, "Ioctl Numbers", has no entry between 0xD0 and
 * 0xDA. There is no call of ours yet.
 */
#define KHV_IOCTL_MAGIC	0xD6

/* KVM_CHECK_EXTENSION numbers of khv's own features begin here. */
#define KHV_CAP_BASE	0x6b687600

/*
 * 1 where guests cannot run real mode (CR0.PE clear): the processor has no
 * unrestricted guest, or nested_paging=0 leaves it unused. Protected mode runs,
 * with and without paging. So does all else.
 */
#define KHV_CAP_NO_REAL_MODE	(KHV_CAP_BASE + 0)

/*
 * What KVM_RUN reports when a guest is in real mode there: KVM_EXIT_INTERNAL_ERROR
 * with suberror KVM_INTERNAL_ERROR_EMULATION and this as the only word of data.
 * The vCPU runs again once its registers say something else.
 */
#define KHV_ERROR_REAL_MODE	0x6b687600

/*
 * What is implemented, as initializers of arrays with one element X(number)
 * each; the calls by the kind of file descriptor that takes them. Example:
 *
 *	#define NAMED(number) { number, #number }
 *	struct { unsigned int number; const char *name; } calls[] = KHV_VM_IOCTLS(NAMED);
 */

#define KHV_DEVICE_IOCTLS(X) {			\
	X(KVM_GET_API_VERSION),			\
	X(KVM_CREATE_VM),			\
	X(KVM_CHECK_EXTENSION),			\
	X(KVM_GET_VCPU_MMAP_SIZE),		\
	X(KVM_GET_SUPPORTED_CPUID),		\
	X(KVM_GET_EMULATED_CPUID),		\
	X(KVM_GET_MSR_INDEX_LIST),		\
	X(KVM_GET_MSR_FEATURE_INDEX_LIST),	\
	X(KVM_GET_MSRS),			\
	X(KVM_X86_GET_MCE_CAP_SUPPORTED),	\
}

#define KHV_VM_IOCTLS(X) {		\
	X(KVM_IRQ_LINE),		\
	X(KVM_IRQ_LINE_STATUS),		\
	X(KVM_SIGNAL_MSI),		\
	X(KVM_IRQFD),			\
	X(KVM_IOEVENTFD),		\
	X(KVM_CHECK_EXTENSION),		\
	X(KVM_CREATE_VCPU),		\
	X(KVM_SET_USER_MEMORY_REGION),	\
	X(KVM_GET_DIRTY_LOG),		\
	X(KVM_CLEAR_DIRTY_LOG),		\
	X(KVM_REGISTER_COALESCED_MMIO),	\
	X(KVM_UNREGISTER_COALESCED_MMIO), \
	X(KVM_SET_TSS_ADDR),		\
	X(KVM_SET_IDENTITY_MAP_ADDR),	\
	X(KVM_SET_NR_MMU_PAGES),	\
	X(KVM_CREATE_IRQCHIP),		\
	X(KVM_GET_IRQCHIP),		\
	X(KVM_SET_IRQCHIP),		\
	X(KVM_SET_GSI_ROUTING),		\
	X(KVM_CREATE_PIT2),		\
	X(KVM_GET_PIT2),		\
	X(KVM_SET_PIT2),		\
	X(KVM_CREATE_PIT),		\
	X(KVM_GET_PIT),			\
	X(KVM_SET_PIT),			\
	X(KVM_REINJECT_CONTROL),	\
	X(KVM_SET_BOOT_CPU_ID),		\
	X(KVM_GET_CLOCK),		\
	X(KVM_SET_CLOCK),		\
	X(KVM_GET_STATS_FD),		\
	X(KVM_GET_TSC_KHZ),		\
	X(KVM_SET_TSC_KHZ),		\
	X(KVM_X86_SET_MSR_FILTER),	\
	X(KVM_ENABLE_CAP),		\
}

#define KHV_VCPU_IOCTLS(X) {	\
	X(KVM_RUN),		\
	X(KVM_GET_REGS),	\
	X(KVM_SET_REGS),	\
	X(KVM_GET_SREGS),	\
	X(KVM_SET_SREGS),	\
	X(KVM_GET_SREGS2),	\
	X(KVM_SET_SREGS2),	\
	X(KVM_TRANSLATE),	\
	X(KVM_INTERRUPT),	\
	X(KVM_GET_MSRS),	\
	X(KVM_SET_MSRS),	\
	X(KVM_SET_SIGNAL_MASK),	\
	X(KVM_GET_FPU),		\
	X(KVM_SET_FPU),		\
	X(KVM_GET_LAPIC),	\
	X(KVM_SET_LAPIC),	\
	X(KVM_GET_CPUID2),	\
	X(KVM_SET_CPUID2),	\
	X(KVM_GET_MP_STATE),	\
	X(KVM_SET_MP_STATE),	\
	X(KVM_NMI),		\
	X(KVM_GET_VCPU_EVENTS),	\
	X(KVM_SET_VCPU_EVENTS),	\
	X(KVM_SET_GUEST_DEBUG),	\
	X(KVM_GET_DEBUGREGS),	\
	X(KVM_SET_DEBUGREGS),	\
	X(KVM_ENABLE_CAP),	\
	X(KVM_KVMCLOCK_CTRL),	\
	X(KVM_HAS_DEVICE_ATTR),	\
	X(KVM_GET_DEVICE_ATTR),	\
	X(KVM_SET_DEVICE_ATTR),	\
	X(KVM_GET_TSC_KHZ),	\
	X(KVM_SET_TSC_KHZ),	\
	X(KVM_GET_XSAVE),	\
	X(KVM_GET_XSAVE2),	\
	X(KVM_SET_XSAVE),	\
	X(KVM_GET_XCRS),	\
	X(KVM_SET_XCRS),	\
	X(KVM_GET_STATS_FD),	\
	X(KVM_SET_VAPIC_ADDR),	\
	X(KVM_X86_SETUP_MCE),	\
	X(KVM_X86_SET_MCE),	\
}

/*
 * Capabilities that KVM_CHECK_EXTENSION answers with non-zero. XCRS: if the CPU has
 * XSAVE; NO_REAL_MODE: see above.
 */
#define KHV_CAPABILITIES(X) {			\
	X(KVM_CAP_IRQCHIP),			\
	X(KVM_CAP_HLT),				\
	X(KVM_CAP_USER_MEMORY),			\
	X(KVM_CAP_SET_TSS_ADDR),		\
	X(KVM_CAP_MMU_SHADOW_CACHE_CONTROL),	\
	X(KVM_CAP_EXT_CPUID),			\
	X(KVM_CAP_CLOCKSOURCE),			\
	X(KVM_CAP_NR_VCPUS),			\
	X(KVM_CAP_NR_MEMSLOTS),			\
	X(KVM_CAP_NOP_IO_DELAY),		\
	X(KVM_CAP_MP_STATE),			\
	X(KVM_CAP_SYNC_MMU),			\
	X(KVM_CAP_DESTROY_MEMORY_REGION_WORKS),	\
	X(KVM_CAP_USER_NMI),			\
	X(KVM_CAP_IRQ_ROUTING),			\
	X(KVM_CAP_IRQ_INJECT_STATUS),		\
	X(KVM_CAP_JOIN_MEMORY_REGIONS_WORKS),	\
	X(KVM_CAP_PIT2),			\
	X(KVM_CAP_PIT_STATE2),			\
	X(KVM_CAP_SET_BOOT_CPU_ID),		\
	X(KVM_CAP_SET_IDENTITY_MAP_ADDR),	\
	X(KVM_CAP_ADJUST_CLOCK),		\
	X(KVM_CAP_INTERNAL_ERROR_DATA),		\
	X(KVM_CAP_VCPU_EVENTS),			\
	X(KVM_CAP_DEBUGREGS),			\
	X(KVM_CAP_XSAVE),			\
	X(KVM_CAP_XCRS),			\
	X(KVM_CAP_GET_TSC_KHZ),			\
	X(KVM_CAP_MAX_VCPUS),			\
	X(KVM_CAP_TSC_DEADLINE_TIMER),		\
	X(KVM_CAP_SIGNAL_MSI),			\
	X(KVM_CAP_READONLY_MEM),		\
	X(KVM_CAP_EXT_EMUL_CPUID),		\
	X(KVM_CAP_IOAPIC_POLARITY_IGNORED),	\
	X(KVM_CAP_CHECK_EXTENSION_VM),		\
	X(KVM_CAP_MAX_VCPU_ID),			\
	X(KVM_CAP_IMMEDIATE_EXIT),		\
	X(KVM_CAP_GET_MSR_FEATURES),		\
	X(KVM_CAP_BINARY_STATS_FD),		\
	X(KVM_CAP_XSAVE2),			\
	X(KVM_CAP_ENABLE_CAP_VM),		\
	X(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2),	\
	X(KVM_CAP_ENABLE_CAP),			\
	X(KVM_CAP_KVMCLOCK_CTRL),		\
	X(KVM_CAP_VCPU_ATTRIBUTES),		\
	X(KVM_CAP_STEAL_TIME),			\
	X(KVM_CAP_ENFORCE_PV_FEATURE_CPUID),	\
	X(KVM_CAP_X86_USER_SPACE_MSR),		\
	X(KVM_CAP_X86_MSR_FILTER),		\
	X(KVM_CAP_MSR_PLATFORM_INFO),		\
	X(KVM_CAP_EXIT_ON_EMULATION_FAILURE),	\
	X(KVM_CAP_X86_DISABLE_EXITS),		\
	X(KVM_CAP_DISABLE_QUIRKS),		\
	X(KVM_CAP_DISABLE_QUIRKS2),		\
	X(KVM_CAP_SYNC_REGS),			\
	X(KVM_CAP_SREGS2),			\
	X(KVM_CAP_EXCEPTION_PAYLOAD),		\
	X(KVM_CAP_X86_TRIPLE_FAULT_EVENT),	\
	X(KVM_CAP_SET_GUEST_DEBUG),		\
	X(KVM_CAP_SET_GUEST_DEBUG2),		\
	X(KVM_CAP_X86_ROBUST_SINGLESTEP),	\
	X(KVM_CAP_COALESCED_MMIO),		\
	X(KVM_CAP_COALESCED_PIO),		\
	X(KVM_CAP_PIT),				\
	X(KVM_CAP_REINJECT_CONTROL),		\
	X(KVM_CAP_IRQFD),			\
	X(KVM_CAP_IRQFD_RESAMPLE),		\
	X(KVM_CAP_IOEVENTFD),			\
	X(KVM_CAP_IOEVENTFD_NO_LENGTH),		\
	X(KVM_CAP_IOEVENTFD_ANY_LENGTH),	\
	X(KVM_CAP_SPLIT_IRQCHIP),		\
	X(KVM_CAP_X2APIC_API),			\
	X(KVM_CAP_MCE),				\
	X(KVM_CAP_HALT_POLL),			\
	X(KHV_CAP_NO_REAL_MODE),		\
}

#endif
