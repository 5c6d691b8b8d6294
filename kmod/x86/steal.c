// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steal time, from what the scheduler counts of the vCPU's thread.
 *
 * Preempt notifiers tell when the thread loses its CPU and gets it back: the first
 * marks the guest's page, the second has it written anew. They are registered for
 * guests that use the page only, and while the thread is inside KVM_RUN.
 */
#include <linux/kvm_para.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/stddef.h>

#include "vm/memslot.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/cpuid.h"
#include "x86/steal.h"

/* Bits 5:1 must be zero: the page is 64 bytes, aligned. */
#define STEAL_RESERVED	0x3eULL
#define STEAL_ADDRESS	(~0x3fULL)

static_assert(sizeof(struct kvm_steal_time) == 64);

/* How long the calling thread has waited while it could have run, in nanoseconds. */
static u64 waited(void)
{
#ifdef CONFIG_SCHED_INFO
	return current->sched_info.run_delay;
#else
	return 0;
#endif
}

static gpa_t preempted_gpa(const struct khv_steal *steal)
{
	return (steal->msr & STEAL_ADDRESS) + offsetof(struct kvm_steal_time, preempted);
}

/*
 * With the scheduler's locks held: nothing may fault, and a page that is not there is
 * left alone.
 *
 * Who sees the mark may ask for a TLB flush in its place (KVM_VCPU_FLUSH_TLB) and go on, so
 * it is made once, lest it wipe that out, and not while this thread may yet use what was
 * translated before.
 */
static void mark_preempted(struct khv_vcpu *vcpu)
{
	static const u8 preempted = KVM_VCPU_PREEMPTED;
	struct khv_steal *steal = &vcpu->steal;
	int idx;

	if (!(steal->msr & KVM_MSR_ENABLED) || steal->marked || vcpu->mid_exit)
		return;
	idx = srcu_read_lock(&vcpu->vm->srcu);
	steal->marked = !khv_gpa_write_atomic(vcpu->vm, preempted_gpa(steal), &preempted,
					      sizeof(preempted));
	srcu_read_unlock(&vcpu->vm->srcu, idx);
}

/* A flush that another vCPU's guest has left to this one. */
static void flush_guest(struct khv_vcpu *vcpu)
{
	khv_request(vcpu, KHV_REQ_TLB_FLUSH);
	/* Shadows of tables that were changed since are out of step, too. */
	if (!khv_caps.nested_paging)
		khv_request(vcpu, KHV_REQ_MMU_ROOT);
}

/*
 * Take the mark away, and what was asked for meanwhile. The guest may write there at the
 * same time, but if it does so without end it gets a flush. So it does when in doubt.
 */
static void unmark(struct khv_vcpu *vcpu)
{
	struct khv_steal *steal = &vcpu->steal;
	u64 old = steal->marked ? KVM_VCPU_PREEMPTED : 0;
	int tries = 4, r = -EAGAIN;
	static const u8 none;

	while (r == -EAGAIN && tries--)
		r = khv_gpa_cmpxchg_quiet(vcpu->vm, preempted_gpa(steal), &old, none, 1);
	if (r)
		khv_gpa_write(vcpu->vm, preempted_gpa(steal), &none, sizeof(none));
	/* Last: a mark made before this is seen as made is not made again. */
	steal->marked = false;
	if (r || ((old & KVM_VCPU_FLUSH_TLB) && khv_pv_has(vcpu, KVM_FEATURE_PV_TLB_FLUSH)))
		flush_guest(vcpu);
}

static void sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct khv_vcpu *vcpu = container_of(notifier, struct khv_vcpu, steal.notifier);

	khv_request(vcpu, KHV_REQ_STEAL_UPDATE);
}

static void sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	struct khv_vcpu *vcpu = container_of(notifier, struct khv_vcpu, steal.notifier);

	/* A thread that goes to sleep is not robbed of anything. */
	if (task_is_running(current))
		mark_preempted(vcpu);
}

static struct preempt_ops preempt_ops = {
	.sched_in = sched_in,
	.sched_out = sched_out,
};

static DEFINE_MUTEX(notifiers_lock);
static bool notifiers_on;

/*
 * The scheduler's code is patched for this, with an interrupt of all processors: once,
 * and not with each VM.
 */
static void need_notifiers(void)
{
	/* Pairs with the release: patched before it says so. */
	if (likely(smp_load_acquire(&notifiers_on)))
		return;
	mutex_lock(&notifiers_lock);
	if (!notifiers_on) {
		preempt_notifier_inc();
		smp_store_release(&notifiers_on, true);
	}
	mutex_unlock(&notifiers_lock);
}

static void watch(struct khv_vcpu *vcpu)
{
	struct khv_steal *steal = &vcpu->steal;

	if (steal->watched)
		return;
	need_notifiers();
	preempt_notifier_init(&steal->notifier, &preempt_ops);
	/* The list is the thread's own: nobody else looks at it, but the scheduler. */
	preempt_disable();
	preempt_notifier_register(&steal->notifier);
	preempt_enable();
	steal->watched = true;
}

void khv_steal_enter(struct khv_vcpu *vcpu)
{
	struct khv_steal *steal = &vcpu->steal;

	if (!(steal->msr & KVM_MSR_ENABLED))
		return;
	/* What another thread has waited is not this vCPU's. */
	if (steal->pid != current->pid) {
		steal->pid = current->pid;
		steal->last = waited();
	}
	watch(vcpu);
	if (waited() != steal->last)
		khv_request(vcpu, KHV_REQ_STEAL_UPDATE);
}

void khv_steal_leave(struct khv_vcpu *vcpu)
{
	preempt_disable();
	preempt_notifier_unregister(&vcpu->steal.notifier);
	preempt_enable();
	vcpu->steal.watched = false;
}

/* The guest's reader tries again when the version is odd or has changed. */
static void write_page(struct khv_vcpu *vcpu, gpa_t gpa)
{
	const size_t version_at = offsetof(struct kvm_steal_time, version);
	struct khv_vm *vm = vcpu->vm;
	struct kvm_steal_time st;
	u64 now = waited();

	if (khv_gpa_read(vm, gpa, &st, sizeof(st)))
		return;
	st.version = (st.version + 1) | 1;
	if (khv_gpa_write(vm, gpa + version_at, &st.version, sizeof(st.version)))
		return;
	smp_wmb();	/* odd before the rest; the guest's reader has the counterpart */
	st.steal += now - vcpu->steal.last;
	vcpu->steal.last = now;
	khv_gpa_write(vm, gpa, &st.steal, sizeof(st.steal));
	smp_wmb();	/* the rest before even */
	st.version++;
	khv_gpa_write(vm, gpa + version_at, &st.version, sizeof(st.version));
}

void khv_steal_update(struct khv_vcpu *vcpu)
{
	if (!(vcpu->steal.msr & KVM_MSR_ENABLED))
		return;
	watch(vcpu);
	unmark(vcpu);
	write_page(vcpu, vcpu->steal.msr & STEAL_ADDRESS);
}

int khv_steal_set(struct khv_vcpu *vcpu, u64 data)
{
	struct khv_steal *steal = &vcpu->steal;

	if (data & STEAL_RESERVED)
		return 1;
	steal->msr = data;
	/* What may be asked for in the old place is not read there any more. */
	if (steal->marked)
		flush_guest(vcpu);
	steal->marked = false;
	if (!(data & KVM_MSR_ENABLED))
		return 0;
	steal->pid = current->pid;
	steal->last = waited();
	khv_request(vcpu, KHV_REQ_STEAL_UPDATE);
	return 0;
}

void khv_steal_exit(void)
{
	if (notifiers_on)
		preempt_notifier_dec();
}
