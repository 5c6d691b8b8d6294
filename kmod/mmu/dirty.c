// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log as the client sees it; see dirty.h.
 *
 * Bitmaps are copied a page at a time, so nothing here grows with the slot but the
 * bitmap itself. All under vm->slots_lock: there is one who takes bits away.
 */
#include <linux/bitmap.h>
#include <linux/compat.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mmu/dirty.h"
#include "mmu/mmu.h"
#include "vm/memslot.h"
#include "vm/vm.h"

/* Words of a bitmap that are dealt with together: 128 MiB of the guest's memory. */
#define PART	(PAGE_SIZE / sizeof(unsigned long))

#define MANUAL_FLAGS	(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)

int khv_dirty_set_manual(struct khv_vm *vm, u64 flags)
{
	u64 allowed = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;

	/* The second only makes sense with the first. */
	if (flags & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)
		allowed = MANUAL_FLAGS;
	if (flags & ~allowed)
		return -EINVAL;
	if (mutex_lock_killable(&vm->slots_lock))
		return -EINTR;
	vm->dirty_manual = flags;
	mutex_unlock(&vm->slots_lock);
	return 0;
}

unsigned long *khv_dirty_alloc(struct khv_vm *vm, u64 npages)
{
	unsigned long *bitmap;

	lockdep_assert_held(&vm->slots_lock);
	bitmap = kvcalloc(BITS_TO_LONGS(npages), sizeof(*bitmap), GFP_KERNEL_ACCOUNT);
	if (bitmap && (vm->dirty_manual & KVM_DIRTY_LOG_INITIALLY_SET))
		bitmap_set(bitmap, 0, npages);
	return bitmap;
}

void khv_dirty_begin(struct khv_vm *vm, const struct khv_memslot *slot)
{
	/* What counts as dirty may be writable, until KVM_CLEAR_DIRTY_LOG takes the bits. */
	if (!(vm->dirty_manual & KVM_DIRTY_LOG_INITIALLY_SET))
		khv_mmu_write_protect(vm, slot->base_gfn, slot->base_gfn + slot->npages);
}

void khv_dirty_end(struct khv_vm *vm, const struct khv_memslot *slot)
{
	/* What the guest uses comes back, in leaves as large as they can be. */
	khv_mmu_range(vm, slot->base_gfn, slot->base_gfn + slot->npages, KHV_PT_ZAP, true);
}

/* Slot @id for a call: *slot, or -errno. */
static int logged_slot(struct khv_vm *vm, u32 id, const struct khv_memslot **slot)
{
	if (id >= KHV_MAX_MEMSLOTS)
		return -EINVAL;
	*slot = khv_memslot_by_id(vm, id);
	return *slot && (*slot)->dirty ? 0 : -ENOENT;
}

/* Clients of 32 bits leave the upper half of the structure's pointer undefined. */
static unsigned long __user *bitmap_pointer(void __user *pointer)
{
	return in_compat_syscall() ? compat_ptr((compat_uptr_t)(unsigned long)pointer) : pointer;
}

static void write_protect(struct khv_vm *vm, const struct khv_memslot *slot, u64 word,
			  const unsigned long *bits, unsigned long words)
{
	khv_mmu_protect(vm, slot->base_gfn + word * BITS_PER_LONG, bits, words * BITS_PER_LONG);
}

/* Take @words away, or with @keep only copy them; into @buf. */
static void fetch(unsigned long *bits, unsigned long *buf, unsigned long words, bool keep)
{
	unsigned long i;

	for (i = 0; i < words; i++) {
		buf[i] = READ_ONCE(bits[i]);
		if (buf[i] && !keep)
			buf[i] = xchg(&bits[i], 0);
	}
}

/* slots_lock held, @buf has PART words. */
static int get(struct khv_vm *vm, const struct khv_memslot *slot, unsigned long __user *user,
	       unsigned long *buf)
{
	bool keep = vm->dirty_manual & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	u64 words = BITS_TO_LONGS(slot->npages), word, n;

	for (word = 0; word < words; word += n) {
		n = min_t(u64, PART, words - word);
		fetch(slot->dirty + word, buf, n, keep);
		if (!keep)
			write_protect(vm, slot, word, buf, n);
		if (copy_to_user(user + word, buf, n * sizeof(*buf))) {
			/* Nobody knows any more which pages it was. */
			if (!keep)
				bitmap_set(slot->dirty, 0, slot->npages);
			return -EFAULT;
		}
		cond_resched();
	}
	return 0;
}

int khv_dirty_get(struct khv_vm *vm, const struct kvm_dirty_log *log)
{
	unsigned long *buf = (unsigned long *)__get_free_page(GFP_KERNEL_ACCOUNT);
	const struct khv_memslot *slot;
	int r = -EINTR;

	if (!buf)
		return -ENOMEM;
	if (!mutex_lock_killable(&vm->slots_lock)) {
		r = logged_slot(vm, log->slot, &slot);
		if (!r)
			r = get(vm, slot, bitmap_pointer(log->dirty_bitmap), buf);
		mutex_unlock(&vm->slots_lock);
	}
	free_page((unsigned long)buf);
	return r;
}

/* Of the bits in @buf leave those that were set in @bits until now. */
static void take(unsigned long *bits, unsigned long *buf, unsigned long words)
{
	unsigned long i;

	for (i = 0; i < words; i++)
		if (buf[i])
			buf[i] &= atomic_long_fetch_andnot(buf[i], (atomic_long_t *)&bits[i]);
}

/* As get(). Bits of @user after the slot's last page find none in the bitmap. */
static int clear(struct khv_vm *vm, const struct khv_memslot *slot, u64 first, u64 pages,
		 const unsigned long __user *user, unsigned long *buf)
{
	u64 word = first / BITS_PER_LONG, words = BITS_TO_LONGS(pages), n;

	for (; words; word += n, user += n, words -= n) {
		n = min_t(u64, PART, words);
		if (copy_from_user(buf, user, n * sizeof(*buf)))
			return -EFAULT;
		take(slot->dirty + word, buf, n);
		write_protect(vm, slot, word, buf, n);
		cond_resched();
	}
	return 0;
}

/* Whole words, except at the end of the slot. */
static bool clear_range_is_valid(const struct khv_memslot *slot, u64 first, u64 pages)
{
	if (first > slot->npages || pages > slot->npages - first)
		return false;
	return !(pages % BITS_PER_LONG) || pages == slot->npages - first;
}

int khv_dirty_clear(struct khv_vm *vm, const struct kvm_clear_dirty_log *log)
{
	unsigned long *buf;
	const struct khv_memslot *slot;
	int r = -EINTR;

	if (log->first_page % BITS_PER_LONG)
		return -EINVAL;
	buf = (unsigned long *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;
	if (!mutex_lock_killable(&vm->slots_lock)) {
		r = logged_slot(vm, log->slot, &slot);
		if (!r && !clear_range_is_valid(slot, log->first_page, log->num_pages))
			r = -EINVAL;
		if (!r)
			r = clear(vm, slot, log->first_page, log->num_pages,
				  bitmap_pointer(log->dirty_bitmap), buf);
		mutex_unlock(&vm->slots_lock);
	}
	free_page((unsigned long)buf);
	return r;
}
