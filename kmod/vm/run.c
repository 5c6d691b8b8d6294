// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_RUN: the loop around guest entries, halting, and waking.
 *
 * A region is the time in which preemption is off and the CPU carries guest
 * state. Exits that need neither sleep nor user are handled inside it; for the
 * others it ends first. docs/requests.md argues the barriers.
 */
#include <linux/interrupt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/signal.h>
#include <linux/swait.h>
#include <asm/fpu/api.h>
#include KHV_ENTRY_HEADER

#include "host/host.h"
#include "trace.h"
#include "vm/vm.h"
#include "x86/regs_inline.h"

/* Requests that are served without ending the region. */
#define REGION_REQUESTS	(BIT(KHV_REQ_EVENT) | BIT(KHV_REQ_TLB_FLUSH) | BIT(KHV_REQ_APIC_TIMER))

void khv_vcpu_kick(struct khv_vcpu *vcpu)
{
	struct task_struct *task;

	/* Pairs with prepare_to_swait() in sleep_halted(): the request, then the queue. */
	smp_mb();
	if (swait_active(&vcpu->wq))
		swake_up_one(&vcpu->wq);
	if (READ_ONCE(vcpu->mode) != KHV_IN_GUEST)
		return;
	/*
	 * In the guest, @task cannot leave its CPU. If that is over by now, the
	 * interrupt that kick_process() sends is only spurious; RCU keeps the
	 * task's memory. On our own CPU it sends none: whoever interrupted the
	 * region returns to it, and the requests are looked at before entry.
	 */
	rcu_read_lock();
	task = rcu_dereference(vcpu->task);
	if (task)
		kick_process(task);
	rcu_read_unlock();
}

void khv_vm_request_all(struct khv_vm *vm, enum khv_request req)
{
	struct khv_vcpu *vcpu;
	unsigned int i;

	khv_for_each_vcpu(i, vcpu, vm)
		khv_vcpu_request_kick(vcpu, req);
}

int khv_vcpu_yield_to(struct khv_vcpu *vcpu, struct khv_vcpu *other)
{
	struct task_struct *task;
	int r;

	if (READ_ONCE(other->mode) == KHV_IN_GUEST)
		return 0;
	rcu_read_lock();
	task = rcu_dereference(other->task);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	if (!task)
		return 0;
	vcpu->stats.directed_yield_attempted++;
	r = yield_to(task, true);
	put_task_struct(task);
	if (r > 0)
		vcpu->stats.directed_yield_successful++;
	return r;
}

/* Those that nobody waits for on their CPUs or on this one: how many to try. */
#define YIELD_FAILURES	3

void khv_vcpu_yield_to_sibling(struct khv_vcpu *vcpu)
{
	unsigned int i, failures = 0, nr = READ_ONCE(vcpu->vm->nr_vcpus);
	struct khv_vcpu *other;
	int r = 0;

	/* From the next one on, so that all spinners do not choose the same. */
	for (i = 1; i < nr && r <= 0 && failures < YIELD_FAILURES; i++) {
		other = khv_vm_vcpu(vcpu->vm, (vcpu->index + i) % nr);
		/* One that halts waits for something else than a CPU. */
		if (!other || READ_ONCE(other->mp_state) != KVM_MP_STATE_RUNNABLE)
			continue;
		r = khv_vcpu_yield_to(vcpu, other);
		failures += r < 0;
	}
}

int khv_internal_error(struct khv_vcpu *vcpu, u32 suberror, unsigned int ndata, const u64 *data)
{
	struct kvm_run *run = vcpu->run;
	unsigned int i;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = suberror;
	run->internal.ndata = ndata;
	for (i = 0; i < ndata && i < ARRAY_SIZE(run->internal.data); i++)
		run->internal.data[i] = data[i];
	return EXIT_TO_USER;
}

/* All reasons to stay out of the guest that are not served in place. */
static __always_inline bool must_leave(struct khv_vcpu *vcpu)
{
	return (READ_ONCE(vcpu->requests) & ~REGION_REQUESTS) ||
	       xfer_to_guest_mode_work_pending() || khv_softirq_pending();
}

static bool interrupt_window_open(struct khv_vcpu *vcpu)
{
	return khv_wants_interrupt_window(vcpu) && khv_ready_for_interrupt(vcpu);
}

/* Serve what can be served in place. False when the region must end. */
static bool serve_requests(struct khv_vcpu *vcpu)
{
	if (khv_request_take(vcpu, KHV_REQ_TLB_FLUSH)) {
		vcpu->stats.tlb_flush++;
		khv_hw->flush_tlb(vcpu);
	}
	if (khv_request_take(vcpu, KHV_REQ_APIC_TIMER))
		khv_lapic_timer_work(vcpu);
	if (khv_request_take(vcpu, KHV_REQ_EVENT)) {
		if (vcpu->lapic && khv_lapic_init_sipi_pending(vcpu)) {
			khv_request(vcpu, KHV_REQ_MP_STATE);
			khv_request(vcpu, KHV_REQ_EVENT);
			return false;
		}
		if (unlikely(interrupt_window_open(vcpu))) {
			khv_request(vcpu, KHV_REQ_EVENT);
			return false;
		}
		if (unlikely(vcpu->pv.eoi_offered) && !khv_pv_eoi_settle(vcpu)) {
			khv_request(vcpu, KHV_REQ_PV_EOI);
			khv_request(vcpu, KHV_REQ_EVENT);
			return false;
		}
		khv_events_inject(vcpu);
		khv_pv_eoi_offer(vcpu);
	}
	return !(READ_ONCE(vcpu->requests) & ~REGION_REQUESTS);
}

static int enter_loop(struct khv_vcpu *vcpu)
{
	int r;

	/*
	 * From here on whoever makes a request sends an interrupt, too; full
	 * barrier between the mode and the look at the requests. The mode stays
	 * through exits handled here, since an interrupt that comes meanwhile
	 * is pending at the next entry and ends it at once.
	 */
	smp_store_mb(vcpu->mode, KHV_IN_GUEST);
	do {
		r = RESUME_GUEST;
		if (unlikely(must_leave(vcpu)))
			break;
		if (READ_ONCE(vcpu->requests) && !serve_requests(vcpu))
			break;
		vcpu->stats.entries++;
		if (trace_khv_entry_enabled())
			trace_khv_entry(vcpu->id, khv_rip(vcpu));
		r = khv_hw->run(vcpu);
	} while (r == RESUME_GUEST);
	/* What the guest did comes before; khv_vm_flush_tlbs() waits for this. */
	smp_store_release(&vcpu->mode, KHV_OUTSIDE_GUEST);
	return r;
}

/* Run the guest until an exit that the region cannot handle. */
static int run_region(struct khv_vcpu *vcpu)
{
	int r;

	preempt_disable();
	kernel_fpu_begin_mask(0);
	r = khv_hw->region_enter(vcpu);
	if (likely(!r)) {
		if (unlikely(vcpu->cpu != smp_processor_id())) {
			vcpu->cpu = smp_processor_id();
			khv_pvclock_moved(vcpu);
		}
		khv_xstate_load(vcpu);
		r = enter_loop(vcpu);
		khv_xstate_save(vcpu);
		khv_hw->region_leave(vcpu);
	}
	kernel_fpu_end();
	if (r != RESUME_GUEST)
		vcpu->mid_exit = true;
	preempt_enable();
	return r;
}

bool khv_vcpu_has_work(struct khv_vcpu *vcpu)
{
	struct khv_events *ev = &vcpu->events;

	if (READ_ONCE(vcpu->requests) & (BIT(KHV_REQ_VM_DEAD) | BIT(KHV_REQ_TRIPLE_FAULT) |
					 BIT(KHV_REQ_APIC_TIMER) | BIT(KHV_REQ_MP_STATE)))
		return true;
	if (vcpu->lapic && khv_lapic_init_sipi_pending(vcpu))
		return true;
	if (READ_ONCE(vcpu->mp_state) != KVM_MP_STATE_HALTED)
		return false;
	if (READ_ONCE(vcpu->pv.unhalted))
		return true;
	if (ev->active.kind != KHV_EVENT_NONE || ev->exception.kind != KHV_EVENT_NONE)
		return true;
	if ((ev->nmi_pending || atomic_read(&ev->nmi_queued)) && !khv_hw->nmi_blocked(vcpu))
		return true;
	return khv_interrupt_allowed(vcpu) && khv_interrupt_pending(vcpu);
}

/* Sleep until there is a reason to run. 0 or -EINTR. */
static int sleep_halted(struct khv_vcpu *vcpu)
{
	u64 since;
	int r;

	/* Read what has_work() asks about before sleeping, not between the two. */
	khv_rflags(vcpu);
	khv_hw->interrupt_shadow(vcpu);
	if (unlikely(vcpu->pv.eoi_offered))
		khv_pv_eoi_finish(vcpu, true);

	if (khv_vcpu_has_work(vcpu))
		return 0;
	since = khv_halt_polls(vcpu) ? ktime_get_ns() : 0;
	if (!since || !khv_halt_poll(vcpu, since)) {
		vcpu->stats.halt_wakeup++;
		khv_sched_asleep(&vcpu->sched, KHV_SCHED_HALTED);
		r = swait_event_interruptible_exclusive(vcpu->wq, khv_vcpu_has_work(vcpu));
		khv_sched_asleep(&vcpu->sched, KHV_SCHED_OTHER);
		if (r)
			return -EINTR;
	}
	if (since)
		khv_halt_ended(vcpu, ktime_get_ns() - since);
	return 0;
}

/* The same, seen. */
static int traced_sleep(struct khv_vcpu *vcpu)
{
	u64 since = trace_khv_wake_enabled() ? ktime_get_ns() : 0;
	int r;

	trace_khv_halt(vcpu->id, vcpu->mp_state);
	r = sleep_halted(vcpu);
	if (since)
		trace_khv_wake(vcpu->id, ktime_get_ns() - since, r);
	return r;
}

/* Its pool does not let the VM run. RESUME_GUEST when that may be over, or -errno. */
static int wait_held(struct khv_vcpu *vcpu)
{
	struct khv_vm *vm = vcpu->vm;
	int r = khv_pool_join(vm);

	if (r)
		return r;
	khv_sched_asleep(&vcpu->sched, KHV_SCHED_THROTTLED);
	r = swait_event_interruptible_exclusive(vcpu->wq, !READ_ONCE(vm->sched.pool.held) ||
						(READ_ONCE(vcpu->requests) & ~REGION_REQUESTS));
	khv_sched_asleep(&vcpu->sched, KHV_SCHED_OTHER);
	return r ? -EINTR : RESUME_GUEST;
}

/* Its gang is not in this slot. RESUME_GUEST when that may be over, or -errno. */
static int wait_slot(struct khv_vcpu *vcpu)
{
	int r;

	khv_sched_asleep(&vcpu->sched, KHV_SCHED_WAITING);
	r = swait_event_interruptible_exclusive(vcpu->wq, !READ_ONCE(vcpu->vm->sched.held) ||
						(READ_ONCE(vcpu->requests) & ~REGION_REQUESTS));
	khv_sched_asleep(&vcpu->sched, KHV_SCHED_OTHER);
	return r ? -EINTR : RESUME_GUEST;
}

/* A vCPU that is not runnable waits here. RESUME_GUEST once it is, or -errno. */
static int wait_runnable(struct khv_vcpu *vcpu)
{
	int r = traced_sleep(vcpu);

	if (r)
		return r;
	if (khv_request_take(vcpu, KHV_REQ_APIC_TIMER))
		khv_lapic_timer_work(vcpu);
	khv_request_take(vcpu, KHV_REQ_MP_STATE);
	if (vcpu->lapic && khv_lapic_init_sipi_pending(vcpu))
		khv_lapic_accept_events(vcpu);
	if (vcpu->mp_state == KVM_MP_STATE_HALTED && khv_vcpu_has_work(vcpu)) {
		WRITE_ONCE(vcpu->pv.unhalted, false);
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
		khv_request(vcpu, KHV_REQ_EVENT);
	}
	return RESUME_GUEST;
}

/* Requests that need sleep, or the client. enum khv_result or -errno. */
static int slow_requests(struct khv_vcpu *vcpu)
{
	int idx, r = RESUME_GUEST;

	if (likely(!(READ_ONCE(vcpu->requests) & ~REGION_REQUESTS)))
		return RESUME_GUEST;
	if (test_bit(KHV_REQ_VM_DEAD, &vcpu->requests))
		return -EIO;
	if (khv_request_take(vcpu, KHV_REQ_CAP)) {
		r = khv_cap_work(vcpu);
		if (r)
			return r;
		r = RESUME_GUEST;
	}
	if (khv_request_take(vcpu, KHV_REQ_TRIPLE_FAULT)) {
		vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
		return EXIT_TO_USER;
	}
	if (khv_request_take(vcpu, KHV_REQ_DEBUG_EXIT))
		return khv_debug_exit(vcpu);
	khv_request_take(vcpu, KHV_REQ_HOLD);	/* run_loop() looks */
	if (khv_request_take(vcpu, KHV_REQ_IRQ_ACK))
		khv_irq_acked_work(vcpu);
	if (khv_request_take(vcpu, KHV_REQ_IOAPIC_EOI)) {
		vcpu->run->exit_reason = KVM_EXIT_IOAPIC_EOI;
		vcpu->run->eoi.vector = khv_lapic_client_eoi(vcpu);
		return EXIT_TO_USER;
	}
	if (khv_request_take(vcpu, KHV_REQ_PV_EOI) && vcpu->pv.eoi_offered)
		khv_pv_eoi_finish(vcpu, true);
	idx = srcu_read_lock(&vcpu->vm->srcu);
	if (khv_request_take(vcpu, KHV_REQ_CLOCK_UPDATE))
		khv_pvclock_update(vcpu);
	if (khv_request_take(vcpu, KHV_REQ_STEAL_UPDATE))
		khv_steal_update(vcpu);
	if (khv_request_take(vcpu, KHV_REQ_INTERCEPTS))
		khv_hw->update_guest(vcpu);
	if (khv_request_take(vcpu, KHV_REQ_MP_STATE) && vcpu->lapic)
		khv_lapic_accept_events(vcpu);
	/* Last: a start-up IPI changes the paging mode. */
	if (khv_request_take(vcpu, KHV_REQ_MMU_ROOT))
		r = khv_shadow_load_root(vcpu);
	/* Not without it, whatever the client does next. */
	if (unlikely(r < 0))
		khv_request(vcpu, KHV_REQ_MMU_ROOT);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	return r;
}

/* What may look at memory slots and buses: exits, and their completion. */
static int call_with_srcu(struct khv_vcpu *vcpu, int (*fn)(struct khv_vcpu *vcpu))
{
	int idx = srcu_read_lock(&vcpu->vm->srcu);
	int r = fn(vcpu);

	srcu_read_unlock(&vcpu->vm->srcu, idx);
	return r;
}

/* The guest runs, until its exit has been dealt with. */
static __always_inline int run_guest(struct khv_vcpu *vcpu)
{
	int r = run_region(vcpu);

	if (r == EXIT_SLOW)
		r = call_with_srcu(vcpu, khv_hw->handle_exit);
	if (r != RESUME_GUEST)
		return r;
	vcpu->mid_exit = false;
	if (unlikely(interrupt_window_open(vcpu))) {
		vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
		return EXIT_TO_USER;
	}
	return RESUME_GUEST;
}

static int run_loop(struct khv_vcpu *vcpu)
{
	const struct khv_vm *vm = vcpu->vm;
	int r;

	for (;;) {
		r = slow_requests(vcpu);
		if (r != RESUME_GUEST)
			return r;
		if (unlikely(READ_ONCE(vm->sched.pool.held)))
			r = wait_held(vcpu);
		else if (unlikely(vcpu->mp_state != KVM_MP_STATE_RUNNABLE))
			r = wait_runnable(vcpu);
		else if (unlikely(READ_ONCE(vm->sched.held)))
			r = wait_slot(vcpu);
		else
			r = run_guest(vcpu);
		if (r != RESUME_GUEST)
			return r;

		/*
		 * Interrupts are on: a quick look. For a guest that runs must_leave()'s is the
		 * one that counts; one that waits, but is kept from sleep by requests without
		 * end, has this only.
		 */
		if (__xfer_to_guest_mode_work_pending()) {
			/* A step that is over, and an EOI, are told before a signal is. */
			if (READ_ONCE(vcpu->requests) & (BIT(KHV_REQ_DEBUG_EXIT) |
							 BIT(KHV_REQ_IOAPIC_EOI)))
				continue;
			r = khv_host_work();
			if (r)
				return r;
		}
	}
}

/* The client's signal mask holds while the guest runs. */
static void sigset_enter(struct khv_vcpu *vcpu)
{
	if (vcpu->sigset_active)
		sigprocmask(SIG_SETMASK, &vcpu->sigset, &current->real_blocked);
}

static void sigset_leave(struct khv_vcpu *vcpu)
{
	if (!vcpu->sigset_active)
		return;
	sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
	sigemptyset(&current->real_blocked);
}

/* Clients with an irqchip take these for the vCPU's, too, and give them back with KVM_SET_SREGS. */
static void report_interrupt_state(struct khv_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->if_flag = !!(khv_rflags(vcpu) & X86_EFLAGS_IF);
	/* Interrupts of a PIC in the kernel are not the client's to inject. */
	run->ready_for_interrupt_injection = (vcpu->lapic && !vcpu->vm->irq.split) ||
					     khv_ready_for_interrupt(vcpu);
	run->cr8 = khv_read_cr8(vcpu);
	run->apic_base = vcpu->msrs.apic_base;
}

/* As KVM does it: wait for the start-up IPI, then let the client try again. */
static int run_uninitialized(struct khv_vcpu *vcpu)
{
	int r;

	if (READ_ONCE(vcpu->run->immediate_exit))
		return -EINTR;
	r = wait_runnable(vcpu);
	if (r == -EINTR)
		vcpu->run->exit_reason = KVM_EXIT_INTR;
	return r < 0 ? r : -EAGAIN;
}

/* What the client has put into the shared page. @valid, @dirty: its fields, read once. */
static int take_input(struct khv_vcpu *vcpu, u64 valid, u64 dirty)
{
	u64 cr8;
	int r;

	if (unlikely(valid | dirty)) {
		r = khv_sync_regs_in(vcpu, valid, dirty);
		if (r)
			return r;
	}
	if (!vcpu->lapic) {
		cr8 = READ_ONCE(vcpu->run->cr8);
		if (unlikely(cr8 & ~0xfULL))
			return -EINVAL;
		vcpu->regs.cr8 = cr8;
	}
	return 0;
}

static int run_prepared(struct khv_vcpu *vcpu, u64 valid, u64 dirty)
{
	int (*complete)(struct khv_vcpu *vcpu);
	int r;

	if (unlikely(vcpu->mp_state == KVM_MP_STATE_UNINITIALIZED))
		return run_uninitialized(vcpu);
	r = take_input(vcpu, valid, dirty);
	if (unlikely(r))
		return r;
	complete = vcpu->complete_user;
	if (complete) {
		vcpu->complete_user = NULL;
		r = call_with_srcu(vcpu, complete);
		if (r != RESUME_GUEST)
			return r;
	}
	vcpu->mid_exit = false;
	/* Clients complete an exit this way and look at its reason afterwards: leave that alone. */
	if (READ_ONCE(vcpu->run->immediate_exit))
		return -EINTR;
	vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
	if (unlikely(vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP))
		khv_debug_step(vcpu);
	if (khv_wants_interrupt_window(vcpu))
		khv_request(vcpu, KHV_REQ_EVENT);
	r = run_loop(vcpu);
	if (r == -EINTR) {
		vcpu->stats.signal_exits++;
		vcpu->run->exit_reason = KVM_EXIT_INTR;
	}
	return r;
}

int khv_vcpu_run(struct khv_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 valid = READ_ONCE(run->kvm_valid_regs), dirty = READ_ONCE(run->kvm_dirty_regs);
	int r;

	lockdep_assert_held(&vcpu->lock);

	run->flags = 0;
	rcu_assign_pointer(vcpu->task, current);
	vcpu->has_run = true;
	sigset_enter(vcpu);
	khv_sched_enter(vcpu);
	if (unlikely(vcpu->steal.msr))
		khv_steal_enter(vcpu);
	r = run_prepared(vcpu, valid, dirty);
	if (unlikely(valid))
		khv_sync_regs_out(vcpu, valid);
	/* Not to wait for the next run: whoever it is about may be waiting. */
	if (unlikely(khv_request_take(vcpu, KHV_REQ_IRQ_ACK)))
		khv_irq_acked_work(vcpu);
	/* What clients see and save of the local APIC and of memory is how it is. */
	if (unlikely(vcpu->pv.eoi_offered))
		khv_pv_eoi_finish(vcpu, true);
	report_interrupt_state(vcpu);
	khv_sched_leave(vcpu);
	sigset_leave(vcpu);
	rcu_assign_pointer(vcpu->task, NULL);
	return r;
}
