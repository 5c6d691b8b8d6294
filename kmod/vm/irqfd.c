// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IRQFD: a signal on an eventfd raises a GSI; with resampling, another
 * eventfd is signalled when the guest has acknowledged it.
 *
 * Interrupts are raised where the signal is made, in the eventfd's wake-up and
 * under its lock, since nothing on the way to a vCPU sleeps. The GSI is looked
 * up each time, so that KVM_SET_GSI_ROUTING takes effect at once.
 *
 * An irqfd goes by KVM_IRQFD_FLAG_DEASSIGN, when the last descriptor of its
 * eventfd is closed, or with the VM's descriptor. It is always unlinked under
 * irqfds.lock, and then taken off the eventfd's queue: whoever does that holds
 * the queue's lock, so no wake-up is running after it. A close is reported by
 * such a wake-up, which cannot do this itself and asks the reaper.
 */
#include <linux/compiler.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "irqchip/irqchip.h"
#include "vm/eventfd.h"
#include "vm/vm.h"

/* As many as there can be GSIs. Bounds the walks under irqfds.lock, and the host's memory. */
#define MAX_IRQFDS	KHV_MAX_GSI

/**
 * struct khv_irqfd - constant while linked, but for @closed
 * @node: in irqfds.all, or in the list of those to be freed
 * @resample_node: in irqfds.resample, if @resamplefd is not NULL
 * @wait: in the eventfd's queue
 * @closed: the eventfd has no descriptor any more
 */
struct khv_irqfd {
	struct khv_vm *vm;
	struct list_head node;
	struct list_head resample_node;
	wait_queue_entry_t wait;
	struct eventfd_ctx *eventfd;
	struct eventfd_ctx *resamplefd;
	u32 gsi;
	bool closed;
};

/* For the time of an assignment: who is to be queued where poll() says. */
struct irqfd_poll {
	poll_table table;
	struct khv_irqfd *irqfd;
	int err;
};

/* Any context. */
static void raise(struct khv_irqfd *irqfd)
{
	struct khv_vm *vm = irqfd->vm;

	/* With resampling the line stays up until the guest's EOI, otherwise it is a pulse. */
	if (irqfd->resamplefd) {
		khv_irq_set(vm, irqfd->gsi, 1, KHV_IRQ_RESAMPLE);
		return;
	}
	khv_irq_set(vm, irqfd->gsi, 1, KHV_IRQ_USER);
	khv_irq_set(vm, irqfd->gsi, 0, KHV_IRQ_USER);
}

/* Under the lock of the eventfd's queue, interrupts off. */
static int wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct khv_irqfd *irqfd = container_of(wait, struct khv_irqfd, wait);
	__poll_t events = key_to_poll(key);
	int taken = 0;
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		raise(irqfd);
		/* Nobody else needs to wake up for it. */
		taken = 1;
	}
	if (events & EPOLLHUP) {
		WRITE_ONCE(irqfd->closed, true);
		schedule_work(&irqfd->vm->irqfds.reap);
	}
	return taken;
}

static void enqueue(struct file *file, wait_queue_head_t *queue, poll_table *table)
{
	struct irqfd_poll *poll = container_of(table, struct irqfd_poll, table);

	poll->err = khv_add_wait_queue_first(queue, &poll->irqfd->wait);
}

static bool resamples(struct khv_vm *vm, u32 gsi)
{
	struct khv_irqfd *irqfd;

	list_for_each_entry(irqfd, &vm->irqfds.resample, resample_node)
		if (irqfd->gsi == gsi)
			return true;
	return false;
}

static void link(struct khv_irqfd *irqfd)
{
	struct khv_irqfds *irqfds = &irqfd->vm->irqfds;

	lockdep_assert_held(&irqfds->lock);
	list_add_tail(&irqfd->node, &irqfds->all);
	irqfds->count++;
	if (!irqfd->resamplefd)
		return;
	list_add_tail_rcu(&irqfd->resample_node, &irqfds->resample);
	WRITE_ONCE(irqfds->nr_resample, irqfds->nr_resample + 1);
}

/* Undo link(). On return the irqfd is @dying's, and nobody new finds it. */
static void drop(struct khv_irqfd *irqfd, struct list_head *dying)
{
	struct khv_irqfds *irqfds = &irqfd->vm->irqfds;

	lockdep_assert_held(&irqfds->lock);
	list_move(&irqfd->node, dying);
	irqfds->count--;
	if (!irqfd->resamplefd)
		return;
	list_del_rcu(&irqfd->resample_node);
	WRITE_ONCE(irqfds->nr_resample, irqfds->nr_resample - 1);
	/* Nobody would ever take the line down. */
	if (!resamples(irqfd->vm, irqfd->gsi))
		khv_irq_set(irqfd->vm, irqfd->gsi, 0, KHV_IRQ_RESAMPLE);
}

/* Take it off its eventfd's queue, too: no wake-up of it is running then, and none comes. */
static void unlink(struct khv_irqfd *irqfd, struct list_head *dying)
{
	u64 count;

	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
	drop(irqfd, dying);
}

static void free_one(struct khv_irqfd *irqfd)
{
	if (irqfd->resamplefd)
		eventfd_ctx_put(irqfd->resamplefd);
	eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

/* Not under irqfds.lock: it may take a while. */
static void free_all(struct list_head *dying)
{
	struct khv_irqfd *irqfd, *next;
	bool wait = false;

	list_for_each_entry(irqfd, dying, node)
		wait |= !!irqfd->resamplefd;
	/* For khv_irqfd_resample(). */
	if (wait)
		synchronize_rcu();
	list_for_each_entry_safe(irqfd, next, dying, node)
		free_one(irqfd);
}

static void unlink_closed(struct khv_irqfds *irqfds, struct list_head *dying)
{
	struct khv_irqfd *irqfd, *next;

	list_for_each_entry_safe(irqfd, next, &irqfds->all, node)
		if (READ_ONCE(irqfd->closed))
			unlink(irqfd, dying);
}

static void reap(struct work_struct *work)
{
	struct khv_irqfds *irqfds = container_of(work, struct khv_irqfds, reap);
	LIST_HEAD(dying);

	mutex_lock(&irqfds->lock);
	unlink_closed(irqfds, &dying);
	mutex_unlock(&irqfds->lock);
	free_all(&dying);
}

void khv_irqfd_resample(struct khv_vm *vm, u32 gsi)
{
	struct khv_irqfd *irqfd;
	bool down = false;

	rcu_read_lock();
	list_for_each_entry_rcu(irqfd, &vm->irqfds.resample, resample_node) {
		if (irqfd->gsi != gsi)
			continue;
		/* Down first: whoever is told may raise it again at once. */
		if (!down)
			khv_irq_set(vm, gsi, 0, KHV_IRQ_RESAMPLE);
		down = true;
		khv_eventfd_signal(irqfd->resamplefd);
	}
	rcu_read_unlock();
}

static int check_free(struct khv_irqfds *irqfds, const struct eventfd_ctx *eventfd,
		      struct list_head *dying)
{
	struct khv_irqfd *irqfd;

	list_for_each_entry(irqfd, &irqfds->all, node)
		if (irqfd->eventfd == eventfd)
			return -EBUSY;
	/* Not because the reaper is late. */
	if (irqfds->count >= MAX_IRQFDS)
		unlink_closed(irqfds, dying);
	return irqfds->count < MAX_IRQFDS ? 0 : -ENOSPC;
}

/*
 * @file is @irqfd's eventfd: while it is held, no close can be reported. Frees the
 * irqfd if it fails.
 */
static int attach(struct khv_irqfd *irqfd, struct file *file)
{
	struct irqfd_poll poll = { .irqfd = irqfd };
	struct khv_vm *vm = irqfd->vm;
	__poll_t events;
	LIST_HEAD(dying);
	int err;

	init_waitqueue_func_entry(&irqfd->wait, wakeup);
	init_poll_funcptr(&poll.table, enqueue);

	if (mutex_lock_killable(&vm->irqfds.lock)) {
		list_add(&irqfd->node, &dying);
		free_all(&dying);
		return -EINTR;
	}
	err = check_free(&vm->irqfds, irqfd->eventfd, &dying);
	if (err) {
		list_add(&irqfd->node, &dying);
		goto out;
	}
	/* First, so that no acknowledgment of an early signal is missed. */
	link(irqfd);
	events = vfs_poll(file, &poll.table);
	err = poll.err;
	if (err)
		drop(irqfd, &dying);
	else if (events & EPOLLIN)
		raise(irqfd);	/* what came before it was queued counts as well */
out:
	mutex_unlock(&vm->irqfds.lock);
	free_all(&dying);
	return err;
}

/* What the descriptors in @args are: both or none. */
static int get_eventfds(struct khv_irqfd *irqfd, const struct kvm_irqfd *args, struct file *file)
{
	irqfd->eventfd = eventfd_ctx_fileget(file);
	if (IS_ERR(irqfd->eventfd))
		return PTR_ERR(irqfd->eventfd);
	if (!(args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return 0;
	irqfd->resamplefd = eventfd_ctx_fdget(args->resamplefd);
	if (!IS_ERR(irqfd->resamplefd))
		return 0;
	eventfd_ctx_put(irqfd->eventfd);
	return PTR_ERR(irqfd->resamplefd);
}

static int assign(struct khv_vm *vm, const struct kvm_irqfd *args)
{
	struct khv_irqfd *irqfd;
	struct file *file;
	int err;

	/* What the guest acknowledges is seen by PIC and I/O APIC only. */
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE ? !khv_pic_in_kernel(vm) :
						    !khv_irqchip_in_kernel(vm))
		return -EINVAL;
	irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	if (!irqfd)
		return -ENOMEM;
	irqfd->vm = vm;
	irqfd->gsi = args->gsi;

	file = eventfd_fget(args->fd);
	if (IS_ERR(file)) {
		kfree(irqfd);
		return PTR_ERR(file);
	}
	err = get_eventfds(irqfd, args, file);
	if (err)
		kfree(irqfd);
	else
		err = attach(irqfd, file);
	fput(file);
	return err;
}

static int deassign(struct khv_vm *vm, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	struct khv_irqfd *irqfd, *next;
	LIST_HEAD(dying);

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	if (mutex_lock_killable(&vm->irqfds.lock)) {
		eventfd_ctx_put(eventfd);
		return -EINTR;
	}
	list_for_each_entry_safe(irqfd, next, &vm->irqfds.all, node)
		if (irqfd->eventfd == eventfd && irqfd->gsi == args->gsi)
			unlink(irqfd, &dying);
	mutex_unlock(&vm->irqfds.lock);
	free_all(&dying);
	eventfd_ctx_put(eventfd);
	return 0;
}

int khv_irqfd(struct khv_vm *vm, const struct kvm_irqfd *args)
{
	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	return args->flags & KVM_IRQFD_FLAG_DEASSIGN ? deassign(vm, args) : assign(vm, args);
}

void khv_irqfd_init(struct khv_vm *vm)
{
	mutex_init(&vm->irqfds.lock);
	INIT_LIST_HEAD(&vm->irqfds.all);
	INIT_LIST_HEAD(&vm->irqfds.resample);
	INIT_WORK(&vm->irqfds.reap, reap);
}

void khv_irqfd_release(struct khv_vm *vm)
{
	struct khv_irqfd *irqfd, *next;
	LIST_HEAD(dying);

	mutex_lock(&vm->irqfds.lock);
	list_for_each_entry_safe(irqfd, next, &vm->irqfds.all, node)
		unlink(irqfd, &dying);
	mutex_unlock(&vm->irqfds.lock);
	/* No eventfd knows of this VM any more, so nobody queues it again. */
	cancel_work_sync(&vm->irqfds.reap);
	free_all(&dying);
}
