// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers that a client gives and takes through struct kvm_run (KVM_CAP_SYNC_REGS).
 *
 * The page is the client's to write at any time, also while this reads it, so what
 * is taken from it is a copy, with the checks of the calls that set the same.
 */
#include <linux/kvm.h>
#include <linux/string.h>

#include "vm/vcpu.h"
#include "vm/vm.h"

/* One set out of the shared page; 0 or -EINVAL. */
static int take(struct khv_vcpu *vcpu, u64 set)
{
	const struct kvm_sync_regs *shared = &vcpu->run->s.regs;
	union {
		struct kvm_regs regs;
		struct kvm_sregs sregs;
		struct kvm_vcpu_events events;
	} copy;

	switch (set) {
	case KVM_SYNC_X86_REGS:
		memcpy(&copy.regs, &shared->regs, sizeof(copy.regs));
		return khv_set_regs(vcpu, &copy.regs);
	case KVM_SYNC_X86_SREGS:
		memcpy(&copy.sregs, &shared->sregs, sizeof(copy.sregs));
		return khv_set_sregs(vcpu, &copy.sregs);
	default:
		memcpy(&copy.events, &shared->events, sizeof(copy.events));
		return khv_set_vcpu_events(vcpu, &copy.events);
	}
}

int khv_sync_regs_in(struct khv_vcpu *vcpu, u64 valid, u64 dirty)
{
	static const u64 order[] = { KVM_SYNC_X86_REGS, KVM_SYNC_X86_SREGS, KVM_SYNC_X86_EVENTS };
	int i, idx, r = 0;

	BUILD_BUG_ON(sizeof(struct kvm_sync_regs) > SYNC_REGS_SIZE_BYTES);
	if ((valid | dirty) & ~(u64)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;

	idx = srcu_read_lock(&vcpu->vm->srcu);
	for (i = 0; i < ARRAY_SIZE(order) && !r; i++) {
		if (!(dirty & order[i]))
			continue;
		r = take(vcpu, order[i]);
		/* Who fails stays marked, so that the client sees which it was. */
		if (!r)
			dirty &= ~order[i];
	}
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	WRITE_ONCE(vcpu->run->kvm_dirty_regs, dirty);
	return r;
}

void khv_sync_regs_out(struct khv_vcpu *vcpu, u64 valid)
{
	struct kvm_sync_regs *shared = &vcpu->run->s.regs;
	int idx = srcu_read_lock(&vcpu->vm->srcu);

	if (valid & KVM_SYNC_X86_REGS)
		khv_get_regs(vcpu, &shared->regs);
	if (valid & KVM_SYNC_X86_SREGS)
		khv_get_sregs(vcpu, &shared->sregs);
	if (valid & KVM_SYNC_X86_EVENTS)
		khv_get_vcpu_events(vcpu, &shared->events);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
}
