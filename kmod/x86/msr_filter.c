// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which MSRs a client lets its guests reach (KVM_X86_SET_MSR_FILTER), and what
 * becomes of those that it does not, or that khv does not know: an exit to the
 * client if it wants one, else #GP.
 *
 * The values are msr.c's. x2APIC registers are never filtered.
 */
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/msr.h"
#include "x86/regs_inline.h"

#define MAX_BITS	(KVM_MSR_FILTER_MAX_BITMAP_SIZE * BITS_PER_BYTE)
#define ACCESSES	(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)

/**
 * struct khv_msr_filter - immutable; behind vm->msr_filter, under RCU
 * @default_allow: what holds for registers in no range
 * @count: ranges
 * @range: accesses of KVM_MSR_FILTER_* that @flags names, to @nmsrs registers from
 *	@base on, are allowed where @bitmap has a one. The first that fits counts
 */
struct khv_msr_filter {
	bool default_allow;
	unsigned int count;
	struct {
		u32 flags, base, nmsrs;
		unsigned long *bitmap;
	} range[KVM_MSR_FILTER_MAX_RANGES];
};

static bool filter_allows(const struct khv_msr_filter *filter, u32 index, u32 access)
{
	unsigned int i;

	for (i = 0; i < filter->count; i++) {
		u32 base = filter->range[i].base, nmsrs = filter->range[i].nmsrs;

		if (!(filter->range[i].flags & access) || index < base || index - base >= nmsrs)
			continue;
		return test_bit(array_index_nospec(index - base, nmsrs), filter->range[i].bitmap);
	}
	return filter->default_allow;
}

bool khv_msr_filter_allows(struct khv_vm *vm, u32 index, u32 access)
{
	const struct khv_msr_filter *filter;
	bool allowed = true;

	if (index >= 0x800 && index <= 0x8ff)
		return true;
	rcu_read_lock();
	filter = rcu_dereference(vm->msr_filter);
	if (filter)
		allowed = filter_allows(filter, index, access);
	rcu_read_unlock();
	return allowed;
}

static void free_filter(struct khv_msr_filter *filter)
{
	unsigned int i;

	if (!filter)
		return;
	for (i = 0; i < filter->count; i++)
		kfree(filter->range[i].bitmap);
	kfree(filter);
}

static int take_range(struct khv_msr_filter *filter, const struct kvm_msr_filter_range *in)
{
	unsigned long *bitmap;
	size_t size;

	if (!in->nmsrs)
		return 0;
	if (!in->flags || (in->flags & ~ACCESSES) || in->nmsrs > MAX_BITS)
		return -EINVAL;
	size = BITS_TO_LONGS(in->nmsrs) * sizeof(long);
	bitmap = kmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!bitmap)
		return -ENOMEM;
	if (copy_from_user(bitmap, (const void __user *)in->bitmap, size)) {
		kfree(bitmap);
		return -EFAULT;
	}
	filter->range[filter->count].flags = in->flags;
	filter->range[filter->count].base = in->base;
	filter->range[filter->count].nmsrs = in->nmsrs;
	filter->range[filter->count++].bitmap = bitmap;
	return 0;
}

static struct khv_msr_filter *make_filter(const struct kvm_msr_filter *in)
{
	struct khv_msr_filter *filter;
	unsigned int i;
	int r = 0;

	filter = kzalloc(sizeof(*filter), GFP_KERNEL_ACCOUNT);
	if (!filter)
		return ERR_PTR(-ENOMEM);
	filter->default_allow = !(in->flags & KVM_MSR_FILTER_DEFAULT_DENY);
	for (i = 0; i < ARRAY_SIZE(in->ranges) && !r; i++)
		r = take_range(filter, &in->ranges[i]);
	/* One that denies everything is taken for a mistake, as by KVM. */
	if (!r && !filter->count && !filter->default_allow)
		r = -EINVAL;
	if (!r)
		return filter;
	free_filter(filter);
	return ERR_PTR(r);
}

int khv_msr_filter_set(struct khv_vm *vm, const struct kvm_msr_filter *in)
{
	struct khv_msr_filter *filter, *old;

	if (in->flags & ~(u32)KVM_MSR_FILTER_DEFAULT_DENY)
		return -EINVAL;
	filter = make_filter(in);
	if (IS_ERR(filter))
		return PTR_ERR(filter);
	if (mutex_lock_killable(&vm->lock)) {
		free_filter(filter);
		return -EINTR;
	}
	old = rcu_replace_pointer(vm->msr_filter, filter, lockdep_is_held(&vm->lock));
	khv_vm_request_all(vm, KHV_REQ_INTERCEPTS);
	mutex_unlock(&vm->lock);
	synchronize_rcu();
	free_filter(old);
	return 0;
}

void khv_msr_filter_uninit(struct khv_vm *vm)
{
	free_filter(rcu_dereference_protected(vm->msr_filter, true));
}

static u32 exit_reason_of(int result)
{
	switch (result) {
	case KHV_MSR_FILTERED:
		return KVM_MSR_EXIT_REASON_FILTER;
	case KHV_MSR_UNKNOWN:
		return KVM_MSR_EXIT_REASON_UNKNOWN;
	default:
		return KVM_MSR_EXIT_REASON_INVAL;
	}
}

static int finish(struct khv_vcpu *vcpu, bool error)
{
	/* Unless the client has sent the vCPU somewhere else meanwhile. */
	if (khv_rip(vcpu) != vcpu->emulate.rip)
		return RESUME_GUEST;
	if (error)
		khv_queue_gp(vcpu);
	else
		khv_skip_insn(vcpu);
	return RESUME_GUEST;
}

static int complete_write(struct khv_vcpu *vcpu)
{
	return finish(vcpu, READ_ONCE(vcpu->run->msr.error));
}

static int complete_read(struct khv_vcpu *vcpu)
{
	bool error = READ_ONCE(vcpu->run->msr.error);
	u64 data = READ_ONCE(vcpu->run->msr.data);

	if (!error && khv_rip(vcpu) == vcpu->emulate.rip) {
		vcpu->regs.gpr[KHV_RAX] = lower_32_bits(data);
		vcpu->regs.gpr[KHV_RDX] = upper_32_bits(data);
	}
	return finish(vcpu, error);
}

int khv_msr_refused(struct khv_vcpu *vcpu, int result, u32 index, bool write, u64 data)
{
	u32 reason = exit_reason_of(result);
	struct kvm_run *run = vcpu->run;

	if (!(READ_ONCE(vcpu->vm->opts.msr_exits) & reason)) {
		khv_queue_gp(vcpu);
		return RESUME_GUEST;
	}
	run->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof(run->msr.pad));
	run->msr.reason = reason;
	run->msr.index = index;
	run->msr.data = data;
	vcpu->emulate.rip = khv_rip(vcpu);
	vcpu->complete_user = write ? complete_write : complete_read;
	return EXIT_TO_USER;
}
