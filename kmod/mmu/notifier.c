// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeping nested tables in step with the VM's mm, and making vCPUs forget what
 * was removed from them.
 *
 * Ranges come as host-virtual addresses; the memory slots say which frames
 * they are, and there may be several; one of a slot that is leaving, too.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/srcu.h>

#include "mmu/mmu.h"
#include "vm/memslot.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

/*
 * A vCPU enters the guest by   mode = IN_GUEST; smp_mb(); look at the requests.
 * Here it is                   set the request; smp_mb(); look at the mode.
 * So either the vCPU sees the request and flushes before it enters, or we see
 * it in the guest (or about to be) and wait. The kick forces an exit, and an
 * interrupt that is pending at entry does so at once, so the wait lasts one
 * exit; who is in the guest never waits for us. The request gone means that the
 * vCPU took it outside the guest, and flushes before it goes back.
 *
 * A vCPU that is not there yet when nr_vcpus is read has not entered the guest
 * before, and walks the tables as they are now.
 */
void khv_vm_flush_tlbs(struct khv_vm *vm)
{
	struct khv_vcpu *vcpu;
	unsigned int i;

	atomic64_inc(&vm->tlb_flushes);
	/* The change of the tables, then nr_vcpus. */
	smp_mb();
	khv_for_each_vcpu(i, vcpu, vm)
		khv_request(vcpu, KHV_REQ_TLB_FLUSH);
	/* The request, then the mode. */
	smp_mb();
	khv_for_each_vcpu(i, vcpu, vm)
		if (READ_ONCE(vcpu->mode) == KHV_IN_GUEST)
			khv_vcpu_kick(vcpu);
	khv_for_each_vcpu(i, vcpu, vm)
		while (READ_ONCE(vcpu->mode) == KHV_IN_GUEST &&
		       test_bit(KHV_REQ_TLB_FLUSH, &vcpu->requests))
			cpu_relax();
}

static struct khv_vm *notifier_vm(struct mmu_notifier *mn)
{
	return container_of(mn, struct khv_vm, mmu.notifier);
}

/* Do @op on every frame of the @npages of @slot that is behind host-virtual [start, end). */
static bool slot_range(struct khv_vm *vm, const struct khv_memslot *slot, u64 npages,
		       unsigned long start, unsigned long end, enum khv_pt_op op, bool may_sleep)
{
	unsigned long lo = max(start, slot->userspace_addr);
	unsigned long hi = min(end, slot->userspace_addr + (npages << PAGE_SHIFT));
	gfn_t first, last;

	if (lo >= hi)
		return false;
	first = slot->base_gfn + ((lo - slot->userspace_addr) >> PAGE_SHIFT);
	last = slot->base_gfn + ((hi - 1 - slot->userspace_addr) >> PAGE_SHIFT);
	return khv_mmu_range(vm, first, last + 1, op, may_sleep);
}

/* Do @op on every frame behind host-virtual [start, end). */
static bool hva_range(struct khv_vm *vm, unsigned long start, unsigned long end,
		      enum khv_pt_op op, bool may_sleep)
{
	const struct khv_memslots *slots;
	bool ret = false;
	int i, idx;

	idx = srcu_read_lock(&vm->srcu);
	slots = srcu_dereference(vm->slots, &vm->srcu);
	for (i = 0; slots && i < slots->count; i++)
		ret |= slot_range(vm, &slots->slot[i], slots->slot[i].npages, start, end, op,
				  may_sleep);
	/* 0: its leaves are gone, and no vCPU uses them (retire() in vm/memslot.c). */
	if (slots)
		ret |= slot_range(vm, &slots->leaving, smp_load_acquire(&slots->leaving.npages),
				  start, end, op, may_sleep);
	srcu_read_unlock(&vm->srcu, idx);
	return ret;
}

/*
 * From here to invalidate_range_end no fault in the range gets a leaf, whatever
 * slots come and go meanwhile: the count is raised for every range.
 */
static int invalidate_range_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct khv_vm *vm = notifier_vm(mn);
	struct khv_mmu *mmu = &vm->mmu;

	spin_lock(&mmu->lock);
	if (!mmu->invalidate_count++) {
		mmu->invalidate_start = range->start;
		mmu->invalidate_end = range->end;
	} else {
		/* One range that covers all: retrying too often is only slow. */
		mmu->invalidate_start = min(mmu->invalidate_start, range->start);
		mmu->invalidate_end = max(mmu->invalidate_end, range->end);
	}
	spin_unlock(&mmu->lock);

	hva_range(vm, range->start, range->end, KHV_PT_ZAP, mmu_notifier_range_blockable(range));
	return 0;
}

static void invalidate_range_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct khv_mmu *mmu = &notifier_vm(mn)->mmu;

	spin_lock(&mmu->lock);
	/* A page that was looked up before this is stale, also after the count is 0. */
	WRITE_ONCE(mmu->invalidate_seq, mmu->invalidate_seq + 1);
	mmu->invalidate_count--;
	spin_unlock(&mmu->lock);
}

/* int at first, bool in later kernels. */
#define young_t typeof(((struct mmu_notifier_ops *)0)->test_young(NULL, NULL, 0))

static young_t clear_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long start,
			   unsigned long end)
{
	/* Stale accessed bits in TLBs make memory look idle; reclaim can live with that. */
	return hva_range(notifier_vm(mn), start, end, KHV_PT_AGE, false);
}

static young_t clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm,
				 unsigned long start, unsigned long end)
{
	struct khv_vm *vm = notifier_vm(mn);
	bool young = hva_range(vm, start, end, KHV_PT_AGE, false);

	if (young && vm->mmu.pt.accessed)
		khv_vm_flush_tlbs(vm);
	return young;
}

static young_t test_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long address)
{
	return hva_range(notifier_vm(mn), address, address + 1, KHV_PT_TEST_AGE, false);
}

/*
 * The process is gone; the VM goes when its file descriptors do. Slots change
 * only in that process, so what the tables hold now is what the slots say.
 */
static void release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	hva_range(notifier_vm(mn), 0, ULONG_MAX, KHV_PT_ZAP, true);
}

const struct mmu_notifier_ops khv_mmu_notifier_ops = {
	.release = release,
	.clear_flush_young = clear_flush_young,
	.clear_young = clear_young,
	.test_young = test_young,
	.invalidate_range_start = invalidate_range_start,
	.invalidate_range_end = invalidate_range_end,
};
