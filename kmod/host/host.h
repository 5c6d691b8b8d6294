/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What khv borrows from the host kernel and the host CPU, and hands back.
 *
 * host.c: segment, debug and table registers around a region, host events that
 * arrive as VM exits. vmxon.c, svmon.c: who owns VMX or SVM. mitigate.c: speculation.
 * The vendor folders call these; nothing here knows of guests.
 */
#ifndef KHV_HOST_HOST_H
#define KHV_HOST_HOST_H

#include <linux/list.h>
#include <linux/types.h>

/**
 * struct khv_host_debug - host debug registers
 * @debugctl: DEBUGCTL: branch records, bus lock detection
 * @dr: valid while @dr7 has a breakpoint enabled
 * @dr6: likewise
 */
struct khv_host_debug {
	u64 debugctl;
	unsigned long dr[4], dr6, dr7;
};

/**
 * struct khv_host_state - host registers that a VM exit of VMX does not bring back
 * @ds: selectors; user space of a 32-bit task may have them non-zero
 * @ldt: likewise, of a task that has called modify_ldt()
 * @kernel_gs_base: user's GS base while in the kernel
 * @fs_base: goes to the VMCS and comes back by itself
 */
struct khv_host_state {
	u16 ds, es, fs, gs, ldt;
	u64 fs_base, kernel_gs_base;
	struct khv_host_debug debug;
};

/* L0 to G3 of DR7: any breakpoint enabled. */
#define KHV_DR7_ENABLED	0xffUL

/*
 * 0 when this kernel's entry code lets a module hand NMIs back, else -errno
 * after a message (FRED).
 */
int khv_host_probe(void);

/* Around the open region; interrupts off, no sleeping. */
void khv_host_save(struct khv_host_state *host);
void khv_host_restore(struct khv_host_state *host);
/* After interrupts inside the region: what their handlers may have changed of it. */
void khv_host_save_again(struct khv_host_state *host);

/*
 * The part of these that SVM needs, too. DEBUGCTL is not restored here: the host's comes back
 * with each exit, and is in force between them.
 */
void khv_host_save_debug(struct khv_host_debug *debug);
void khv_host_restore_debug(const struct khv_host_debug *debug);
void khv_host_save_debug_again(struct khv_host_debug *debug);

static inline bool khv_host_has_breakpoints(const struct khv_host_debug *debug)
{
	return debug->dr7 & KHV_DR7_ENABLED;
}

/* What VM exit has cleared; not by wrmsrq(), which can be traced. */
static __always_inline void khv_host_put_debugctl(u64 debugctl)
{
	asm volatile("wrmsr" : : "c" (MSR_IA32_DEBUGCTLMSR), "a" ((u32)debugctl),
		     "d" ((u32)(debugctl >> 32)) : "memory");
}

/* The guest's breakpoint addresses. */
static inline void khv_host_load_guest_debug(const u64 dr[4])
{
	asm volatile("mov %0, %%db0" : : "r" (dr[0]));
	asm volatile("mov %0, %%db1" : : "r" (dr[1]));
	asm volatile("mov %0, %%db2" : : "r" (dr[2]));
	asm volatile("mov %0, %%db3" : : "r" (dr[3]));
}

/*
 * Inside a region: let pending interrupts in. A guest that never leaves it is no
 * reason for RCU to wait longer than to the next tick.
 */
void khv_host_irq_window(void);

/*
 * Around a region of a guest that takes split locks, where the kernel keeps its own
 * way to let it to KVM. True if they were detected before.
 */
bool khv_host_allow_split_locks(void);
void khv_host_detect_split_locks(void);

/*
 * The NMI that ended a guest run is not pending any more; the IDT's gate is the host's own
 * handler with its own stack, and its IRET unblocks NMIs again. So would any other IRET, and
 * the next NMI would find the stack in use: between the exit and this nothing may be traced.
 */
static __always_inline void khv_host_nmi(void)
{
	asm volatile("int $2" : : : "memory", "cc");
}

/* Deliver a machine check that ended a guest run to the host's own handler. Interrupts off. */
void khv_host_machine_check(void);

/*
 * work.c: what the kernel wants done before the task goes back to user space
 * or into a guest (reschedule, task work, notifications). Sleeps. 0, or -EINTR
 * when a signal is pending.
 */
int khv_host_work(void);

/* vmxon.c. A VMCS as the owner tracks it: which CPU caches it, and whether it is launched. */
struct khv_vmcs {
	void *va;
	u64 pa;
	int cpu;		/* CPU that may have it cached, or -1 */
	bool launched;
	struct list_head node;	/* in that CPU's list; interrupts off */
};

enum khv_vmx_mode {
	KHV_VMX_AUTO,
	KHV_VMX_EXCLUSIVE,
	KHV_VMX_PER_RUN,
};

/*
 * @revision: of the VMXON region (IA32_VMX_BASIC). @mode: as the administrator
 * asked. 0 or -errno after a message: -EOPNOTSUPP when exclusive is forced on a
 * kernel that keeps CR4's shadow to itself.
 */
int khv_vmxon_init(u32 revision, enum khv_vmx_mode mode);
void khv_vmxon_exit(void);

/* VMs come and go: VMX stays on, in exclusive mode, only while there is one. */
void khv_vmxon_get(void);
void khv_vmxon_put(void);

/*
 * Own VMX on this CPU with @vmcs current. Preemption off; interrupts on before
 * and off after success. 0, -EIO or -EPERM when VMXON failed, -EBUSY when it cannot
 * be told who has VMX on, or processor trace is in use and would end.
 */
int khv_vmxon_enter(struct khv_vmcs *vmcs);
/* Reverse; leaves interrupts off. */
void khv_vmxon_leave(struct khv_vmcs *vmcs);
/* True when interrupts may be enabled inside the region. */
bool khv_vmxon_may_take_irqs(void);
/*
 * Inside a region: guests of another hypervisor may have run on this CPU since the last
 * one, and MSRs may still be as one of them has them.
 */
bool khv_vmxon_is_shared(void);
/* Make no CPU remember @vmcs. May sleep. */
void khv_vmxon_forget(struct khv_vmcs *vmcs);
/* "exclusive" or "per-run": the mode that new regions get. */
const char *khv_vmxon_mode_name(void);

/* svmon.c. A vCPU's address-space ID: of use on @cpu only, in this @generation of its IDs. */
struct khv_asid {
	int cpu;
	u32 id;
	u64 generation;
};

/* @nr_asids: that the processor has, the host's among them. 0 or -errno. */
int khv_svmon_init(u32 nr_asids);
void khv_svmon_exit(void);

/* A VM comes: switch SVM on everywhere. 0, or -EBUSY after a message that says whose it is. */
int khv_svmon_get(void);
void khv_svmon_put(void);

/*
 * Own SVM on this CPU, with @asid one of its IDs: another than before when it
 * was not. *host_pa: where this CPU's VMSAVE puts the host. Preemption off;
 * interrupts on before and off after success. 0, or -EBUSY.
 */
int khv_svmon_enter(struct khv_asid *asid, u64 *host_pa);
/* Reverse; leaves interrupts off. */
void khv_svmon_leave(void);
/* True when interrupts may be enabled inside the region: nobody asks for SVM to be off. */
bool khv_svmon_may_take_irqs(void);
/* Inside a region: give @asid up for one that has no translations. */
void khv_svmon_new_asid(struct khv_asid *asid);
/* Inside a region: the next entry must flush the TLB of all IDs; it has. */
bool khv_svmon_flush_due(void);
void khv_svmon_flushed(void);
/* Likewise: it has not, after all. */
void khv_svmon_flush_again(void);
/*
 * Likewise, after a machine check: was it but the guest's TLB entries (erratum 383)? They are
 * flushed by the next entry, the host has nothing to do, and what the guest has is wrong.
 */
bool khv_svmon_multi_match(void);

/*
 * A zeroed page for the processor's own use, or NULL; freed as any other. Not at a
 * 2-MiB boundary: with SNP on in the host, processors of before Zen 5 take such a
 * page in use for a large one.
 */
void *khv_svmon_alloc_page(gfp_t gfp);

/* mitigate.c */

struct khv_mitigations {
	bool spec_ctrl;		/* MSR_IA32_SPEC_CTRL exists: keep guest's and host's apart */
	bool ibrs_exit;		/* the kernel relies on IBRS: set it anew after each exit */
	bool ibpb;		/* barrier when another vCPU comes to this CPU */
	bool l1d_flush;		/* L1TF: empty the L1D before the first entry of a region */
	bool clear_buffers;	/* MDS, TAA, MMIO stale data, RFDS, TSA: VERW before each entry */
};

extern struct khv_mitigations khv_mitigations;

/* @guest_tables: the hardware walks page tables that guests write. 0 or -errno. */
int khv_mitigate_init(bool guest_tables);
void khv_mitigate_exit(void);
/*
 * Before the first entry of a region: IBPB if @owner differs from the CPU's last,
 * L1D flush. Interrupts off.
 */
void khv_mitigate_enter(const void *owner);
/*
 * Another hypervisor's guest may be next on this CPU, and be followed by one of ours:
 * a barrier now, and one at the next khv_mitigate_enter(). Interrupts off.
 */
void khv_mitigate_neighbour(void);
/* Another hypervisor's guests may run from now on: a barrier at the next entry of each CPU. */
void khv_mitigate_forget_all(void);
/* @owner's memory is about to be reused: no CPU may think it is still its last owner. */
void khv_mitigate_forget(const void *owner);

#endif
