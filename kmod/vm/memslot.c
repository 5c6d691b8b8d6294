// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots, and the client's own access to the memory that they name.
 *
 * A change makes a new array and publishes it. What must not be reached any
 * more is then removed from the nested tables, after the readers of the old
 * array are done, since they may still be putting leaves in. How long those
 * take is the client's choice, and the memory may be freed meanwhile: so the
 * new array names what is leaving, too, for the mmu notifier.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>

#include "mmu/dirty.h"
#include "mmu/shadow.h"
#include "trace.h"
#include "vm/hw.h"
#include "vm/memslot.h"
#include "vm/vm.h"

#define MAX_SLOT_PAGES	((1ULL << 31) - 1)

static const struct khv_memslots *slots_of(struct khv_vm *vm)
{
	return srcu_dereference_check(vm->slots, &vm->srcu, lockdep_is_held(&vm->slots_lock));
}

u64 khv_memslots_frames(struct khv_vm *vm)
{
	const struct khv_memslots *slots = slots_of(vm);

	return slots ? slots->npages : 0;
}

unsigned int khv_memslots_count(struct khv_vm *vm)
{
	const struct khv_memslots *slots = slots_of(vm);

	return slots ? slots->count : 0;
}

/* The first slot that ends above @gfn: its index, or count. */
static int slot_index(const struct khv_memslots *slots, gfn_t gfn)
{
	int lo = 0, hi = slots->count, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (slots->slot[mid].base_gfn + slots->slot[mid].npages > gfn)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

const struct khv_memslot *khv_memslot_find(struct khv_vm *vm, gfn_t gfn)
{
	const struct khv_memslots *slots = slots_of(vm);
	const struct khv_memslot *slot;
	int i;

	if (!slots)
		return NULL;
	i = slot_index(slots, gfn);
	if (i >= slots->count)
		return NULL;
	/* The guest chooses @gfn: no speculation past the array. */
	slot = &slots->slot[array_index_nospec(i, slots->count)];
	return gfn >= slot->base_gfn ? slot : NULL;
}

/* The first frame that the hardware cannot translate, or reach. */
static gfn_t gfn_end(void)
{
	if (!khv_caps.nested_paging)
		return KHV_PT_END;
	return min_t(gfn_t, KHV_PT_END, BIT_ULL(boot_cpu_data.x86_phys_bits - PAGE_SHIFT));
}

static bool region_is_valid(const struct kvm_userspace_memory_region *r)
{
	u64 last;

	if (r->flags & ~(KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES))
		return false;
	/* The upper half is an address space's number; there is one. */
	if (r->slot >= KHV_MAX_MEMSLOTS)
		return false;
	if ((r->memory_size | r->guest_phys_addr | r->userspace_addr) & ~PAGE_MASK)
		return false;
	if (r->memory_size >> PAGE_SHIFT > MAX_SLOT_PAGES)
		return false;
	if (check_add_overflow(r->guest_phys_addr, r->memory_size, &last))
		return false;
	if (r->memory_size && last >> PAGE_SHIFT > gfn_end())
		return false;
	/*
	 * access_ok() lets addresses with tags pass, and some kernels' all of the lower
	 * half. The notifier has none of those in its ranges, so leaves would outlive
	 * what they map.
	 */
	if (check_add_overflow(r->userspace_addr, r->memory_size, &last) || last > TASK_SIZE_MAX)
		return false;
	return access_ok((void __user *)(unsigned long)r->userspace_addr, r->memory_size);
}

/* Does nothing that @gone has in the tables stay, now that @new (NULL: nothing) comes? */
static bool leaves_go(const struct khv_memslot *gone, const struct khv_memslot *new)
{
	return !new || new->base_gfn != gone->base_gfn;
}

/* A copy of @old without @gone and with @new (either may be NULL), in order. */
static struct khv_memslots *slots_replace(const struct khv_memslots *old,
					  const struct khv_memslot *gone,
					  const struct khv_memslot *new)
{
	int i, n = 0, count = old ? old->count : 0;
	struct khv_memslots *slots;

	slots = kvmalloc(struct_size(slots, slot, count + 1), GFP_KERNEL_ACCOUNT);
	if (!slots)
		return NULL;
	slots->leaving = gone && leaves_go(gone, new) ? *gone : (struct khv_memslot) {};
	for (i = 0; i < count; i++) {
		if (&old->slot[i] == gone)
			continue;
		if (new && new->base_gfn < old->slot[i].base_gfn) {
			slots->slot[n++] = *new;
			new = NULL;
		}
		slots->slot[n++] = old->slot[i];
	}
	if (new)
		slots->slot[n++] = *new;
	slots->count = n;
	for (i = 0, slots->npages = 0; i < n; i++)
		slots->npages += slots->slot[i].npages;
	slots->generation = old ? old->generation + 1 : 1;
	return slots;
}

static const struct khv_memslot *slot_by_id(const struct khv_memslots *slots, u32 id)
{
	int i;

	for (i = 0; slots && i < slots->count; i++)
		if (slots->slot[i].id == id)
			return &slots->slot[i];
	return NULL;
}

const struct khv_memslot *khv_memslot_by_id(struct khv_vm *vm, u32 id)
{
	lockdep_assert_held(&vm->slots_lock);
	return slot_by_id(slots_of(vm), id);
}

/* Does @new lie on a slot other than @old? */
static bool slot_overlaps(const struct khv_memslots *slots, const struct khv_memslot *new,
			  const struct khv_memslot *old)
{
	const struct khv_memslot *s;
	int i;

	for (i = 0; slots && i < slots->count; i++) {
		s = &slots->slot[i];
		if (s != old && s->base_gfn < new->base_gfn + new->npages &&
		    new->base_gfn < s->base_gfn + s->npages)
			return true;
	}
	return false;
}

static void slots_free_rcu(struct rcu_head *head)
{
	kvfree(container_of(head, struct khv_memslots, rcu));
}

/*
 * The readers of the array with @gone are done; @slots has @new instead, or nothing for
 * NULL. What the tables still have of @gone must go, or be as logging wants it.
 */
static void retire(struct khv_vm *vm, struct khv_memslots *slots,
		   const struct khv_memslot *gone, const struct khv_memslot *new)
{
	if (leaves_go(gone, new)) {
		khv_mmu_zap(vm, gone->base_gfn, gone->base_gfn + gone->npages);
		/* The notifier, who finds nothing to do then, relies on its being done. */
		smp_store_release(&slots->leaving.npages, 0);
	} else if (!gone->dirty && new->dirty) {
		khv_dirty_begin(vm, new);
	} else if (gone->dirty && !new->dirty) {
		khv_dirty_end(vm, new);
	}
	if (!new || new->dirty != gone->dirty)
		kvfree(gone->dirty);
}

/* Replace the array; @gone (NULL: none) makes way for @new (NULL: none). */
static int slots_install(struct khv_vm *vm, struct khv_memslots *old,
			 const struct khv_memslot *gone, const struct khv_memslot *new)
{
	struct khv_memslots *slots = slots_replace(old, gone, new);

	if (!slots)
		return -ENOMEM;
	rcu_assign_pointer(vm->slots, slots);
	if (gone) {
		synchronize_srcu_expedited(&vm->srcu);
		retire(vm, slots, gone, new);
		kvfree(old);
	} else if (old) {
		call_srcu(&vm->srcu, &old->rcu, slots_free_rcu);
	}
	return 0;
}

/* @new comes new or in place of @old, with its bitmap if both have one. */
static int slot_put(struct khv_vm *vm, struct khv_memslots *slots,
		    const struct khv_memslot *old, struct khv_memslot *new)
{
	unsigned long *fresh = NULL;
	int r;

	if (new->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		new->dirty = old ? old->dirty : NULL;
		if (!new->dirty) {
			fresh = khv_dirty_alloc(vm, new->npages);
			if (!fresh)
				return -ENOMEM;
			new->dirty = fresh;
		}
	}
	r = slots_install(vm, slots, old, new);
	if (r)
		kvfree(fresh);
	return r;
}

int khv_memslot_set(struct khv_vm *vm, const struct kvm_userspace_memory_region *r)
{
	struct khv_memslot new = {
		.base_gfn = r->guest_phys_addr >> PAGE_SHIFT,
		.npages = r->memory_size >> PAGE_SHIFT,
		.userspace_addr = r->userspace_addr,
		.flags = r->flags,
		.id = r->slot,
	};
	const struct khv_memslot *old;
	struct khv_memslots *slots;
	int ret = -EINVAL;

	if (!region_is_valid(r))
		return -EINVAL;

	if (mutex_lock_killable(&vm->slots_lock))
		return -EINTR;
	slots = rcu_dereference_protected(vm->slots, lockdep_is_held(&vm->slots_lock));
	old = slot_by_id(slots, r->slot);
	if (!new.npages) {
		if (old)
			ret = slots_install(vm, slots, old, NULL);
		goto unlock;
	}
	if (old) {
		/* Only the place and the logging can change, not the memory or its kind. */
		if (old->npages != new.npages || old->userspace_addr != new.userspace_addr ||
		    (old->flags ^ new.flags) & KVM_MEM_READONLY)
			goto unlock;
		if (old->base_gfn == new.base_gfn && old->flags == new.flags) {
			ret = 0;
			goto unlock;
		}
	}
	ret = -EEXIST;
	if (slot_overlaps(slots, &new, old))
		goto unlock;
	ret = slot_put(vm, slots, old, &new);
unlock:
	mutex_unlock(&vm->slots_lock);
	trace_khv_memory_slot(new.id, new.base_gfn, new.npages, new.userspace_addr, new.flags,
			      ret);
	return ret;
}

void khv_memslots_uninit(struct khv_vm *vm)
{
	struct khv_memslots *slots;
	int i;

	/* Arrays that slots_install() handed to call_srcu(). */
	srcu_barrier(&vm->srcu);
	slots = rcu_replace_pointer(vm->slots, NULL, true);
	for (i = 0; slots && i < slots->count; i++)
		kvfree(slots->slot[i].dirty);
	kvfree(slots);
}

/* The slot of @gpa, for its own process and for what @write asks; NULL when there is none. */
static const struct khv_memslot *slot_for(struct khv_vm *vm, gpa_t gpa, bool write)
{
	const struct khv_memslot *slot;

	if (current->mm != vm->mm)
		return NULL;
	slot = khv_memslot_find(vm, gpa >> PAGE_SHIFT);
	return slot && !(write && (slot->flags & KVM_MEM_READONLY)) ? slot : NULL;
}

/*
 * Where @gpa of @slot is in the client's address space, and how much of @len
 * follows there. khv_memslot_set() has done access_ok().
 */
static void __user *slot_user(const struct khv_memslot *slot, gpa_t gpa, unsigned long *len)
{
	u64 left = ((slot->base_gfn + slot->npages) << PAGE_SHIFT) - gpa;

	*len = min_t(u64, *len, left);
	return (void __user *)(khv_memslot_hva(slot, gpa >> PAGE_SHIFT) + offset_in_page(gpa));
}

static void __user *gpa_to_user(struct khv_vm *vm, gpa_t gpa, unsigned long *len)
{
	const struct khv_memslot *slot = slot_for(vm, gpa, false);

	return slot ? slot_user(slot, gpa, len) : NULL;
}

int khv_gpa_read(struct khv_vm *vm, gpa_t gpa, void *buf, unsigned long len)
{
	const void __user *src;
	unsigned long n;

	for (; len; gpa += n, buf += n, len -= n) {
		n = len;
		src = gpa_to_user(vm, gpa, &n);
		if (!src || copy_from_user(buf, src, n))
			return -EFAULT;
	}
	return 0;
}

int khv_gpa_read_once(struct khv_vm *vm, gpa_t gpa, u64 *val, unsigned int len)
{
	const void __user *src;
	unsigned long n = len;
	u32 val32;

	if ((len != 4 && len != 8) || gpa & (len - 1))
		return -EFAULT;
	src = gpa_to_user(vm, gpa, &n);
	if (!src)
		return -EFAULT;
	if (len == 8)
		return get_user(*val, (const u64 __user *)src);
	if (get_user(val32, (const u32 __user *)src))
		return -EFAULT;
	*val = val32;
	return 0;
}

int khv_gpa_read_atomic(struct khv_vm *vm, gpa_t gpa, void *buf, unsigned long len)
{
	int r;

	pagefault_disable();
	r = khv_gpa_read(vm, gpa, buf, len);
	pagefault_enable();
	return r;
}

int khv_gpa_write(struct khv_vm *vm, gpa_t gpa, const void *buf, unsigned long len)
{
	const struct khv_memslot *slot;
	unsigned long n;
	bool failed;

	for (; len; gpa += n, buf += n, len -= n) {
		n = min(len, PAGE_SIZE - offset_in_page(gpa));
		slot = slot_for(vm, gpa, true);
		if (!slot)
			return -EFAULT;
		failed = copy_to_user(slot_user(slot, gpa, &n), buf, n);
		khv_memslot_mark_dirty(slot, gpa >> PAGE_SHIFT);
		khv_shadow_written(vm, gpa, n);
		if (failed)
			return -EFAULT;
	}
	return 0;
}

int khv_gpa_write_atomic(struct khv_vm *vm, gpa_t gpa, const void *buf, unsigned long len)
{
	const struct khv_memslot *slot;
	unsigned long n;

	for (; len; gpa += n, buf += n, len -= n) {
		n = min(len, PAGE_SIZE - offset_in_page(gpa));
		slot = slot_for(vm, gpa, true);
		if (!slot || copy_to_user_nofault(slot_user(slot, gpa, &n), buf, n))
			return -EFAULT;
		khv_memslot_mark_dirty(slot, gpa >> PAGE_SHIFT);
	}
	return 0;
}

/* 0, 1 when *old was not it, -EFAULT. @fault names the label that the macro makes inside. */
#define CMPXCHG_USER(type, ptr, old, new, fault) ({				\
	u64 *__old = (old);							\
	type __cur = (type)*__old;						\
	int __ret = __try_cmpxchg_user((type __user *)(ptr), &__cur, (type)(new), fault); \
	*__old = __cur;								\
	__ret;									\
})

int khv_gpa_cmpxchg_quiet(struct khv_vm *vm, gpa_t gpa, u64 *old, u64 new, unsigned int len)
{
	const struct khv_memslot *slot;
	unsigned long n = len;
	void __user *ptr;
	int r;

	if (!is_power_of_2(len) || len > 8 || gpa & (len - 1))
		return -EFAULT;
	slot = slot_for(vm, gpa, true);
	if (!slot)
		return -EFAULT;
	ptr = slot_user(slot, gpa, &n);
	/* The user mapping is used, not the page: it may be swapped or moved at any time. */
	switch (len) {
	case 1:
		r = CMPXCHG_USER(u8, ptr, old, new, fault_1);
		break;
	case 2:
		r = CMPXCHG_USER(u16, ptr, old, new, fault_2);
		break;
	case 4:
		r = CMPXCHG_USER(u32, ptr, old, new, fault_4);
		break;
	default:
		r = CMPXCHG_USER(u64, ptr, old, new, fault_8);
		break;
	}
	if (!r)
		khv_memslot_mark_dirty(slot, gpa >> PAGE_SHIFT);
	return r > 0 ? -EAGAIN : r;
}

int khv_gpa_cmpxchg(struct khv_vm *vm, gpa_t gpa, u64 *old, u64 new, unsigned int len)
{
	int r = khv_gpa_cmpxchg_quiet(vm, gpa, old, new, len);

	if (!r)
		khv_shadow_written(vm, gpa, len);
	return r;
}
