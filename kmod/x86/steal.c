// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steal time: what sched/ counts as waiting or held back, told to the guest.
 *
 * When the thread inside KVM_RUN loses its CPU the guest's page is marked, and when it gets
 * one back the page is written anew.
 */
#include <linux/kvm_para.h>
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
void khv_steal_note_out(struct khv_vcpu *vcpu)
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

void khv_steal_note_in(struct khv_vcpu *vcpu)
{
	khv_request(vcpu, KHV_REQ_STEAL_UPDATE);
}

void khv_steal_enter(struct khv_vcpu *vcpu)
{
	if ((vcpu->steal.msr & KVM_MSR_ENABLED) &&
	    khv_sched_stolen(&vcpu->sched) != vcpu->steal.last)
		khv_request(vcpu, KHV_REQ_STEAL_UPDATE);
}

/* The guest's reader tries again when the version is odd or has changed. */
static void write_page(struct khv_vcpu *vcpu, gpa_t gpa)
{
	const size_t version_at = offsetof(struct kvm_steal_time, version);
	struct khv_vm *vm = vcpu->vm;
	struct kvm_steal_time st;
	u64 now = khv_sched_stolen(&vcpu->sched);

	if (khv_gpa_read(vm, gpa, &st, sizeof(st)))
		return;
	st.version = (st.version + 1) | 1;
	if (khv_gpa_write(vm, gpa + version_at, &st.version, sizeof(st.version)))
		return;
	smp_wmb();	/* odd before the rest; the guest's reader has the counterpart */
	st.steal += khv_sched_ns(now - vcpu->steal.last);
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
	steal->last = khv_sched_stolen(&vcpu->sched);
	khv_request(vcpu, KHV_REQ_STEAL_UPDATE);
	return 0;
}
