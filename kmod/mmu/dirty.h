/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty log: which pages of a slot were written since the client last asked.
 *
 * A slot with KVM_MEM_LOG_DIRTY_PAGES has a bitmap. Its pages are mapped by small
 * leaves, read-only until the guest writes; that fault sets the bit
 * (khv_memslot_mark_dirty()), as khv's own writes do. To take a bit away is to
 * write-protect the page. docs/locking.md says in which order.
 */
#ifndef KHV_MMU_DIRTY_H
#define KHV_MMU_DIRTY_H

#include <linux/kvm.h>
#include <linux/types.h>

struct khv_vm;
struct khv_memslot;

/* A bitmap for a slot of @npages, as the VM wants it at first; NULL: no memory. slots_lock held. */
unsigned long *khv_dirty_alloc(struct khv_vm *vm, u64 npages);

/*
 * Logging of @slot begins, or has ended. slots_lock held, nobody uses the slot as it
 * was before; may sleep.
 */
void khv_dirty_begin(struct khv_vm *vm, const struct khv_memslot *slot);
void khv_dirty_end(struct khv_vm *vm, const struct khv_memslot *slot);

/*
 * KVM_GET_DIRTY_LOG and KVM_CLEAR_DIRTY_LOG. 0, -EINVAL, -ENOENT (no such slot, or
 * not logged), -EFAULT, -ENOMEM, -EINTR. May sleep.
 */
int khv_dirty_get(struct khv_vm *vm, const struct kvm_dirty_log *log);
int khv_dirty_clear(struct khv_vm *vm, const struct kvm_clear_dirty_log *log);

/* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: 0, -EINVAL or -EINTR. */
int khv_dirty_set_manual(struct khv_vm *vm, u64 flags);

#endif
