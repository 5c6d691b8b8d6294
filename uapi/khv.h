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
 * 0xDA.
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
 * KHV_CAP_SCHED: not 0 where the calls below are there; the members of struct khv_sched
 * that can be set here, as bits of KHV_SCHED_*.
 */
#define KHV_CAP_SCHED		(KHV_CAP_BASE + 1)

#define KHV_SCHED_WEIGHT	0x01
#define KHV_SCHED_CAP		0x02
#define KHV_SCHED_CAP_PERIOD	0x04
#define KHV_SCHED_CAP_BURST	0x08
#define KHV_SCHED_GANG		0x10
#define KHV_SCHED_POOL		0x20
#define KHV_SCHED_PRIORITY	0x40
#define KHV_SCHED_LENGTH	0x80

#define KHV_SCHED_WEIGHT_MAX	10000
#define KHV_SCHED_CAP_MAX	1000000		/* percent of one CPU */
#define KHV_SCHED_PERIOD_MIN	10000		/* microseconds */
#define KHV_SCHED_PERIOD_MAX	1000000

/**
 * struct khv_sched - how a VM is scheduled
 * @set: KHV_SCHED_*. Which members KHV_SET_SCHED changes, all at once or none;
 *	from KHV_GET_SCHED those that can be set here
 * @weight: 1 to KHV_SCHED_WEIGHT_MAX: its part of the CPUs when there is not enough for
 *	all, however many vCPUs it has. 100, as which it begins, is what a task of nice 0 has
 * @cap: most that it may use, in percent of one CPU, to KHV_SCHED_CAP_MAX; 0: no limit
 * @cap_period: microseconds, KHV_SCHED_PERIOD_MIN to _MAX, in each of which it gets @cap;
 *	100000 at the beginning
 * @cap_burst: microseconds of CPU time that it may have saved up from periods in which
 *	it did not use all, 0 to what @cap gives in one period
 * @gang: 1 if its vCPUs shall run at the same time, else 0
 * @pool: the pool of VMs that it is in, below KHV_POOLS; 0 at the beginning
 * @priority: in a pool that goes by priority, higher ones first
 * @length: CPU time that it will need in all, in nanoseconds, for a pool that runs short
 *	ones first; 0: not known
 * @reserved: 0
 */
struct khv_sched {
	__u32 set;
	__u32 weight;
	__u32 cap;
	__u32 cap_period;
	__u32 cap_burst;
	__u32 gang;
	__u32 pool;
	__s32 priority;
	__u64 length;
	__u32 reserved[6];
};

/**
 * struct khv_sched_times - where the time of a vCPU went, in nanoseconds
 * @guest: in the guest
 * @hypervisor: on a CPU inside KVM_RUN, but not in the guest
 * @waiting: for a CPU, which others had; also the thread on its way back into KVM_RUN.
 *	What is added for that and for a wake-up is known when it is over
 * @halted: asleep until the guest has something to do
 * @throttled: held back by a cap
 * @other: not inside KVM_RUN and not waiting, or asleep there for a reason of the host's
 * @wall: since the vCPU was created. The others add up to it
 *
 * Of a VM: the sums over its vCPUs.
 */
struct khv_sched_times {
	__u64 guest;
	__u64 hypervisor;
	__u64 waiting;
	__u64 halted;
	__u64 throttled;
	__u64 other;
	__u64 wall;
};

#define KHV_SCHED_ALL_VCPUS	(~0U)

/**
 * struct khv_sched_stats - for KHV_GET_SCHED_STATS
 * @vcpu: in: the id of a vCPU, or KHV_SCHED_ALL_VCPUS for the VM
 * @flags: 0
 * @due: of the VM: CPU time that weighted max-min fair sharing would have given it of what
 *	the VMs had together, in nanoseconds, since its creation. Compare its growth with
 *	that of @times.guest + @times.hypervisor. Of a vCPU: 0
 * @times: see there
 * @reserved: 0
 */
struct khv_sched_stats {
	__u32 vcpu;
	__u32 flags;
	__u64 due;
	struct khv_sched_times times;
	__u64 reserved[7];
};

/* Its pool does not let it run now. */
#define KHV_SCHED_VM_HELD	0x01

/**
 * struct khv_sched_vm - one of all VMs
 * @id: of the VM, never used again while the module is loaded
 * @pid: the process that created it, as the caller sees it; 0 when it is gone or out of sight
 * @uid: that one's effective user, likewise
 * @vcpus: how many it has
 * @flags: KHV_SCHED_VM_*
 * @sched: as from KHV_GET_SCHED
 * @due: as in struct khv_sched_stats
 * @times: of all its vCPUs
 * @place: in the order of a pool that has one, from 0
 * @reserved: 0
 */
struct khv_sched_vm {
	__u64 id;
	__s32 pid;
	__u32 uid;
	__u32 vcpus;
	__u32 flags;
	struct khv_sched sched;
	__u64 due;
	struct khv_sched_times times;
	__u32 place;
	__u32 reserved32;
	__u64 reserved[7];
};

/**
 * struct khv_sched_vms - for KHV_GET_SCHED_VMS
 * @vms: address of an array of struct khv_sched_vm
 * @count: how many there is room for
 * @flags: 0
 */
struct khv_sched_vms {
	__u64 vms;
	__u32 count;
	__u32 flags;
};

/*
 * KHV_SET_SCHED, on a VM: change how it is scheduled; it takes effect at once.
 * Returns 0, or -1 with errno
 *	EINVAL	a value out of range, a bit in @set that KHV_CAP_SCHED does not have, @reserved
 *	EPERM	without CAP_SYS_NICE: more than before, and that is
 *		a weight above the module parameter weight_limit, or,
 *		where root has set cap_limit, a cap above that or none; a priority above
 *		priority_limit (new VMs begin within these limits); entering a pool other
 *		than 0; in a pool that root has given a policy, leaving it or a shorter
 *		@length
 *	EINTR	a fatal signal while another thread made such a call
 * KHV_GET_SCHED, on a VM: the present values. Returns 0.
 *
 * These and KHV_GET_SCHED_STATS are for any process that has the VM's descriptor, whose
 * own privileges count. All other calls on a VM are its creator's alone.
 */
#define KHV_SET_SCHED		_IOW(KHV_IOCTL_MAGIC, 0x00, struct khv_sched)
#define KHV_GET_SCHED		_IOR(KHV_IOCTL_MAGIC, 0x01, struct khv_sched)

/*
 * KHV_GET_SCHED_STATS, on a VM: where its time went, or one vCPU's.
 * Returns 0, or -1 with errno
 *	EINVAL	@flags or @reserved is not 0
 *	ENOENT	no vCPU has this id
 */
#define KHV_GET_SCHED_STATS	_IOWR(KHV_IOCTL_MAGIC, 0x02, struct khv_sched_stats)

/*
 * KHV_GET_SCHED_VMS, on the device: all VMs, oldest first; without CAP_SYS_NICE only
 * those that the caller's effective user has created.
 * Returns how many there are; of these the first @count are stored. Or -1 with errno
 *	EINVAL	@flags is not 0
 *	EFAULT	there is no array
 */
#define KHV_GET_SCHED_VMS	_IOW(KHV_IOCTL_MAGIC, 0x03, struct khv_sched_vms)

#define KHV_POOLS		64

/* Policies of pools: who runs. */
#define KHV_POOL_FAIR		0	/* all, by weight: how each pool begins */
#define KHV_POOL_FCFS		1	/* who wanted to run first, to its end */
#define KHV_POOL_SJF		2	/* the shortest by @length, to its end */
#define KHV_POOL_PRIORITY	3	/* the highest @priority, as soon as it wants to */

/**
 * struct khv_pool - a pool of VMs, of which so many run at a time
 * @pool: its number, below KHV_POOLS
 * @policy: KHV_POOL_*
 * @slots: how many run, at least 1. A VM takes part from when it first runs a vCPU until it
 *	goes or leaves the pool, whether it has something to do or not
 * @aging: milliseconds. For each that it has waited a VM counts as half as long (SJF), or as
 *	one priority higher until it has run for so long (PRIORITY). 0: no aging
 * @members: out: VMs in it; in: 0
 * @running: out: those with a slot; in: 0
 * @reserved: 0
 */
struct khv_pool {
	__u32 pool;
	__u32 policy;
	__u32 slots;
	__u32 aging;
	__u32 members;
	__u32 running;
	__u64 reserved[5];
};

/*
 * KHV_SET_POOL, on the device: give a pool a policy; it takes effect at once. VMs above the
 * number of slots stop where they are, and go on later.
 * Returns 0, or -1 with errno
 *	EINVAL	a value out of range, or @members, @running or @reserved not 0
 *	EPERM	without CAP_SYS_NICE
 *	EINTR	a fatal signal
 * KHV_GET_POOL, on the device: of @pool, or of the next one that has a policy or members;
 * @pool says which. Other members are not looked at.
 * Returns 0, or -1 with errno
 *	ENOENT	there is none from @pool on
 */
#define KHV_SET_POOL		_IOW(KHV_IOCTL_MAGIC, 0x04, struct khv_pool)
#define KHV_GET_POOL		_IOWR(KHV_IOCTL_MAGIC, 0x05, struct khv_pool)

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
	X(KHV_GET_SCHED_VMS),			\
	X(KHV_SET_POOL),			\
	X(KHV_GET_POOL),			\
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
	X(KHV_SET_SCHED),		\
	X(KHV_GET_SCHED),		\
	X(KHV_GET_SCHED_STATS),		\
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
	X(KVM_CAP_TSC_CONTROL),			\
	X(KVM_CAP_TSC_DEADLINE_TIMER),		\
	X(KVM_CAP_VM_TSC_CONTROL),		\
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
	X(KHV_CAP_SCHED),			\
}

#endif
