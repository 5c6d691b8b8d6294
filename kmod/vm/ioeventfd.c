// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IOEVENTFD: a vCPU's write to an address signals an eventfd, and does
 * nothing else: the client need not be asked.
 *
 * A hash by address, since many may share one and differ in the value that they
 * wait for. The bus (bus.c) asks here when no device has taken a write.
 */
#include <linux/eventfd.h>
#include <linux/hash.h>
#include <linux/overflow.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "vm/eventfd.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

/*
 * One eventfd may serve any number of addresses, so the client's limit of open
 * files is none. Far above what a machine full of virtio queues has.
 */
#define MAX_IOEVENTFDS	8192

#define ASSIGN_FLAGS	(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO)

/**
 * struct khv_ioeventfd - constant once published
 * @len: of the write, or 0 for any
 * @any: whatever is written, else @datamatch
 */
struct khv_ioeventfd {
	struct hlist_node node;
	u64 addr;
	u64 datamatch;
	u32 len;
	u8 bus;
	bool any;
	struct eventfd_ctx *eventfd;
};

static struct hlist_head *bucket(struct khv_vm *vm, u64 addr)
{
	return &vm->ioeventfds.hash[hash_64(addr, KHV_IOEVENTFD_BITS)];
}

int khv_ioeventfd_write(struct khv_vcpu *vcpu, enum khv_bus_id bus, u64 addr, int len,
			const void *val)
{
	struct khv_vm *vm = vcpu->vm;
	struct khv_ioeventfd *p;
	u64 data = 0;

	if (!READ_ONCE(vm->ioeventfds.count))
		return -EOPNOTSUPP;
	memcpy(&data, val, min_t(int, len, sizeof(data)));
	hlist_for_each_entry_srcu(p, bucket(vm, addr), node, srcu_read_lock_held(&vm->srcu)) {
		if (p->addr != addr || p->bus != bus || (p->len && p->len != (u32)len) ||
		    (!p->any && p->datamatch != data))
			continue;
		khv_eventfd_signal(p->eventfd);
		return 0;
	}
	return -EOPNOTSUPP;
}

/* Is there a write that both would take? */
static bool collides(const struct khv_ioeventfd *a, const struct khv_ioeventfd *b)
{
	if (a->bus != b->bus || a->addr != b->addr)
		return false;
	if (!a->len || !b->len)
		return true;
	return a->len == b->len && (a->any || b->any || a->datamatch == b->datamatch);
}

static int insert(struct khv_vm *vm, struct khv_ioeventfd *new)
{
	struct hlist_head *head = bucket(vm, new->addr);
	struct khv_ioeventfd *p;

	lockdep_assert_held(&vm->slots_lock);
	hlist_for_each_entry(p, head, node)
		if (collides(p, new))
			return -EEXIST;
	if (vm->ioeventfds.count >= MAX_IOEVENTFDS)
		return -ENOSPC;
	hlist_add_head_rcu(&new->node, head);
	WRITE_ONCE(vm->ioeventfds.count, vm->ioeventfds.count + 1);
	return 0;
}

/* What @args ask for, but for the eventfd. Of a bus that is not there, none is ever found. */
static void describe(struct khv_ioeventfd *p, const struct kvm_ioeventfd *args)
{
	p->addr = args->addr;
	if (args->flags & KVM_IOEVENTFD_FLAG_PIO)
		p->bus = KHV_BUS_PIO;
	else if (args->flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY)
		p->bus = KHV_NR_BUSES;
	else
		p->bus = KHV_BUS_MMIO;
	p->len = args->len;
	p->any = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	p->datamatch = p->any ? 0 : args->datamatch;
}

static int check(const struct kvm_ioeventfd *args)
{
	u64 end;

	switch (args->len) {
	case 0:
		if (args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)
			return -EINVAL;
		break;
	case 1:
	case 2:
	case 4:
	case 8:
		break;
	default:
		return -EINVAL;
	}
	if (check_add_overflow(args->addr, (u64)args->len, &end))
		return -EINVAL;
	return args->flags & ~ASSIGN_FLAGS ? -EINVAL : 0;
}

static int assign(struct khv_vm *vm, const struct kvm_ioeventfd *args)
{
	struct khv_ioeventfd *p;
	int err = check(args);

	if (err)
		return err;
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return -ENOMEM;
	describe(p, args);
	p->eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(p->eventfd)) {
		err = PTR_ERR(p->eventfd);
		goto err_free;
	}
	err = -EINTR;
	if (!mutex_lock_killable(&vm->slots_lock)) {
		err = insert(vm, p);
		mutex_unlock(&vm->slots_lock);
	}
	if (err)
		goto err_eventfd;
	return 0;

err_eventfd:
	eventfd_ctx_put(p->eventfd);
err_free:
	kfree(p);
	return err;
}

/* Everything must be the same, the eventfd as well. */
static struct khv_ioeventfd *take_out(struct khv_vm *vm, const struct khv_ioeventfd *key)
{
	struct khv_ioeventfd *p;

	lockdep_assert_held(&vm->slots_lock);
	hlist_for_each_entry(p, bucket(vm, key->addr), node) {
		if (p->bus != key->bus || p->addr != key->addr || p->len != key->len ||
		    p->any != key->any || p->datamatch != key->datamatch ||
		    p->eventfd != key->eventfd)
			continue;
		hlist_del_rcu(&p->node);
		WRITE_ONCE(vm->ioeventfds.count, vm->ioeventfds.count - 1);
		return p;
	}
	return NULL;
}

static int deassign(struct khv_vm *vm, const struct kvm_ioeventfd *args)
{
	struct khv_ioeventfd key, *p;

	describe(&key, args);
	key.eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(key.eventfd))
		return PTR_ERR(key.eventfd);
	if (mutex_lock_killable(&vm->slots_lock)) {
		eventfd_ctx_put(key.eventfd);
		return -EINTR;
	}
	p = take_out(vm, &key);
	mutex_unlock(&vm->slots_lock);
	eventfd_ctx_put(key.eventfd);
	if (!p)
		return -ENOENT;
	/* A vCPU may be about to signal it. */
	synchronize_srcu_expedited(&vm->srcu);
	eventfd_ctx_put(p->eventfd);
	kfree(p);
	return 0;
}

int khv_ioeventfd(struct khv_vm *vm, const struct kvm_ioeventfd *args)
{
	return args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN ? deassign(vm, args) : assign(vm, args);
}

void khv_ioeventfd_uninit(struct khv_vm *vm)
{
	struct khv_ioeventfd *p;
	struct hlist_node *next;
	int i;

	for (i = 0; i < ARRAY_SIZE(vm->ioeventfds.hash); i++) {
		hlist_for_each_entry_safe(p, next, &vm->ioeventfds.hash[i], node) {
			eventfd_ctx_put(p->eventfd);
			kfree(p);
		}
	}
}
