/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One virtual CPU: its file descriptor, its state, and the requests that other
 * contexts make of it.
 *
 * Owns struct khv_vcpu and the request protocol (docs/requests.md). State that
 * belongs to one folder is declared in that folder's header and nested here.
 */
#ifndef KHV_VM_VCPU_H
#define KHV_VM_VCPU_H

#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/signal_types.h>
#include <linux/swait.h>
#include <linux/types.h>

#include "mmu/shadow.h"
#include "sched/sched.h"
#include "vm/hw.h"
#include "vm/stats.h"
#include "x86/event.h"
#include "x86/cpuid.h"
#include "x86/debug.h"
#include "x86/mce.h"
#include "x86/msr.h"
#include "x86/pv.h"
#include "x86/pvclock.h"
#include "x86/regs.h"
#include "x86/steal.h"
#include "x86/tsc.h"
#include "x86/xstate.h"
#include "x86/emulate.h"

struct khv_vm;
struct khv_lapic;

/* What handling an exit leads to; anything negative is an errno for the caller of KVM_RUN. */
enum khv_result {
	EXIT_TO_USER = 0,	/* vcpu->run is filled in: return 0 from KVM_RUN */
	RESUME_GUEST = 1,	/* enter the guest again */
	EXIT_SLOW = 2,		/* only from ops->run(): finish in ops->handle_exit() */
};

/* Bits of khv_vcpu.requests. Order carries no meaning. */
enum khv_request {
	KHV_REQ_EVENT,		/* something injectable may have changed: look again */
	KHV_REQ_TLB_FLUSH,	/* nested or guest translations changed: flush all of this vCPU's */
	KHV_REQ_CLOCK_UPDATE,	/* refresh the pv clock page and the TSC offset */
	KHV_REQ_APIC_TIMER,	/* the local APIC timer expired: khv_lapic_timer_work() */
	KHV_REQ_TRIPLE_FAULT,	/* report KVM_EXIT_SHUTDOWN */
	KHV_REQ_MP_STATE,	/* leave the guest and look at mp_state again */
	KHV_REQ_MMU_ROOT,	/* shadow paging: khv_shadow_load_root() before the next entry */
	KHV_REQ_INTERCEPTS,	/* what leaves the guest has changed: ops->update_guest() */
	KHV_REQ_STEAL_UPDATE,	/* write the steal time page */
	KHV_REQ_PV_EOI,		/* the bit of a paravirtual EOI needs the region closed */
	KHV_REQ_HOLD,		/* leave the guest, and look whether the VM may run */
	KHV_REQ_DEBUG_EXIT,	/* report KVM_EXIT_DEBUG */
	KHV_REQ_IRQ_ACK,	/* pins were acknowledged: khv_irq_acked_work() */
	KHV_REQ_IOAPIC_EOI,	/* report KVM_EXIT_IOAPIC_EOI */
	KHV_REQ_CAP,		/* draw a slice of what the VM may run: khv_cap_work() */
	KHV_REQ_VM_DEAD,	/* the VM is being torn down: KVM_RUN returns -EIO */
};

/* Where a vCPU is, for those who may need to send it an interrupt. */
enum khv_vcpu_mode {
	KHV_OUTSIDE_GUEST,
	KHV_IN_GUEST,		/* set before the last look at the requests */
};

/**
 * struct khv_vcpu - one virtual CPU
 *
 * @lock serialises the vCPU's ioctls; every field without another note belongs
 * to its holder. @requests, @mode, @task and the wait queue are for everyone.
 */
struct khv_vcpu {
	struct khv_vm *vm;
	int id;				/* as given to KVM_CREATE_VCPU: the APIC ID */
	int index;			/* position in vm->vcpus */
	struct mutex lock;

	/* Requests. See docs/requests.md for the barriers. */
	unsigned long requests;
	int mode;			/* enum khv_vcpu_mode */
	struct task_struct __rcu *task;	/* who is inside KVM_RUN, or NULL */
	struct swait_queue_head wq;	/* a halted vCPU sleeps here */
	int cpu;			/* physical CPU whose hardware state is ours, or -1 */

	/* Shared with the client. Everything in it is read once and checked. */
	struct kvm_run *run;
	void *pio_data;			/* the page after @run */
	sigset_t sigset;
	bool sigset_active;
	bool valid_wakeup;

	struct khv_regs regs;		/* x86/regs.h */
	struct khv_vcpu_mmu mmu;	/* mmu/shadow.h */
	struct khv_events events;	/* x86/event.h */
	struct khv_debug debug;		/* x86/debug.h */
	struct khv_cpuid cpuid;		/* x86/cpuid.h */
	struct khv_msrs msrs;		/* x86/msr.h */
	struct khv_tsc tsc;		/* x86/tsc.h */
	struct khv_mce mce;		/* x86/mce.h */
	struct khv_xstate xstate;	/* x86/xstate.h */
	struct khv_pvclock pvclock;	/* x86/pvclock.h */
	struct khv_steal steal;		/* x86/steal.h */
	struct khv_vcpu_sched sched;	/* sched/sched.h */
	struct khv_pv pv;		/* x86/pv.h */
	struct khv_emulate emulate;	/* x86/emulate.h */
	struct khv_lapic *lapic;	/* NULL without in-kernel irqchip */

	u32 mp_state;			/* KVM_MP_STATE_* */
	bool pv_enforced;		/* no paravirtual feature but those in its CPUID */
	bool has_run;			/* CPUID is frozen once true */
	/*
	 * An exit is being handled, perhaps with addresses translated before: who waits for
	 * translations to be forgotten must wait for its end.
	 */
	bool mid_exit;
	u32 poll_ns;			/* vm/poll.c: how long the next halt polls */

	/*
	 * Finishes what the last exit to userspace began (an emulated
	 * instruction, port or MSR). NULL when nothing is open. Called on the
	 * next KVM_RUN, returns an enum khv_result or -errno.
	 */
	int (*complete_user)(struct khv_vcpu *vcpu);

	struct khv_vcpu_stats stats;	/* vm/stats.h */

	void *hw;			/* the vendor's part, owned by vmx/ or svm/ */
};

/* Make @req of @vcpu. Pairs with the barrier before enter_loop() looks at the requests. */
static inline void khv_request(struct khv_vcpu *vcpu, enum khv_request req)
{
	/* Whatever the request is about must be visible before the bit. */
	smp_mb__before_atomic();
	set_bit(req, &vcpu->requests);
}

/* Take @req. True if it was made; what its maker wrote before is then visible. */
static inline bool khv_request_take(struct khv_vcpu *vcpu, enum khv_request req)
{
	if (!test_bit(req, &vcpu->requests))
		return false;
	clear_bit(req, &vcpu->requests);
	/* What the request is about is read after the bit is cleared. */
	smp_mb__after_atomic();
	return true;
}

/**
 * khv_vcpu_kick - make a vCPU notice its requests soon
 * @vcpu: any vCPU, also of another task; may be the caller's own
 *
 * Wakes it when halted, forces an exit when in the guest. Any context,
 * interrupts on or off. Never waits.
 */
void khv_vcpu_kick(struct khv_vcpu *vcpu);

/* khv_request() followed by khv_vcpu_kick(). Any context. */
static inline void khv_vcpu_request_kick(struct khv_vcpu *vcpu, enum khv_request req)
{
	khv_request(vcpu, req);
	khv_vcpu_kick(vcpu);
}

/* The same for every vCPU of @vm. */
void khv_vm_request_all(struct khv_vm *vm, enum khv_request req);

/* The guest spins: let a vCPU run that may hold what it waits for. Sleeps. */
void khv_vcpu_yield_to_sibling(struct khv_vcpu *vcpu);
/*
 * Let @other run in place of @vcpu, the caller's. Positive if it does; 0: it sleeps, or runs;
 * negative: nobody waits for this CPU or for its. Sleeps.
 */
int khv_vcpu_yield_to(struct khv_vcpu *vcpu, struct khv_vcpu *other);

/* KVM_RUN. Holds vcpu->lock. Returns 0 or -errno. */
int khv_vcpu_run(struct khv_vcpu *vcpu);

/*
 * sync_regs.c: the register sets (KVM_SYNC_X86_*) that the client has changed in
 * vcpu->run, and those that it wants to find there. 0 or -EINVAL.
 */
int khv_sync_regs_in(struct khv_vcpu *vcpu, u64 valid, u64 dirty);
void khv_sync_regs_out(struct khv_vcpu *vcpu, u64 valid);

/* KVM_CREATE_VCPU: returns a new file descriptor or -errno. Called with vm->lock held. */
int khv_vcpu_create(struct khv_vm *vm, unsigned long id);

/* Free a vCPU whose VM has no users any more. */
void khv_vcpu_destroy(struct khv_vcpu *vcpu);

/* Architectural reset: @init for INIT (keeps MSRs and FPU), otherwise power-on. */
void khv_vcpu_reset(struct khv_vcpu *vcpu, bool init);

/* True when a halted vCPU has a reason to wake. Any context that may run as the vCPU's task. */
bool khv_vcpu_has_work(struct khv_vcpu *vcpu);

/*
 * poll.c: is it worth to know how long this halt lasts? Then it has begun at @since: true
 * if it ended while this CPU waited for that actively. And it has ended, after @ns in all.
 */
bool khv_halt_polls(struct khv_vcpu *vcpu);
bool khv_halt_poll(struct khv_vcpu *vcpu, u64 since);
void khv_halt_ended(struct khv_vcpu *vcpu, u64 ns);
/* What a new VM has for KVM_CAP_HALT_POLL's limit. */
u32 khv_halt_poll_limit(void);

/*
 * Tell the client that khv cannot go on: KVM_EXIT_INTERNAL_ERROR with @suberror.
 * Returns EXIT_TO_USER.
 */
int khv_internal_error(struct khv_vcpu *vcpu, u32 suberror, unsigned int ndata, const u64 *data);

#endif
