// SPDX-License-Identifier: GPL-2.0-only
/*
 * What clients set of a VM's scheduling, and what they are told: the calls of uapi/khv.h.
 *
 * Checks, keeps and shows the values; those whose business they are read them.
 */
#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "sched/internal.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

static unsigned int weight_limit = KHV_SCHED_NICE_0;
module_param(weight_limit, uint, 0644);
MODULE_PARM_DESC(weight_limit, "highest weight that a VM gets, and if below 100 gets when it is created, without CAP_SYS_NICE (default: 100, a task of nice 0)");

static unsigned int cap_limit;
module_param(cap_limit, uint, 0644);
MODULE_PARM_DESC(cap_limit, "highest cap that a VM gets without CAP_SYS_NICE, and gets when it is created, in percent of one CPU (default: 0, none)");

static int priority_limit;
module_param(priority_limit, int, 0644);
MODULE_PARM_DESC(priority_limit, "highest priority in its pool that a VM gets, and if below 0 gets when it is created, without CAP_SYS_NICE (default: 0)");

#define CAP_MEMBERS	(KHV_SCHED_CAP | KHV_SCHED_CAP_PERIOD | KHV_SCHED_CAP_BURST)
#define POOL_MEMBERS	(KHV_SCHED_POOL | KHV_SCHED_PRIORITY | KHV_SCHED_LENGTH)
#define SETTABLE	(KHV_SCHED_WEIGHT | CAP_MEMBERS | POOL_MEMBERS | KHV_SCHED_GANG)

/* Guards khv_sched_vms, and how each of them is scheduled. */
DEFINE_MUTEX(khv_sched_lock);
LIST_HEAD(khv_sched_vms);

u32 khv_sched_settable(void)
{
	return SETTABLE;
}

void khv_sched_vm_init(struct khv_vm *vm)
{
	static atomic64_t ids = ATOMIC64_INIT(0);
	struct khv_vm_sched *s = &vm->sched;

	s->id = atomic64_inc_return(&ids);
	s->owner = get_pid(task_tgid(current));
	s->uid = current_euid();
	s->params = (struct khv_sched) {
		.set = SETTABLE,
		.weight = KHV_SCHED_NICE_0,
		.cap_period = 100000,
	};
	if (!capable(CAP_SYS_NICE)) {
		s->params.weight = clamp_t(u32, READ_ONCE(weight_limit), 1, KHV_SCHED_NICE_0);
		s->params.cap = min_t(u32, READ_ONCE(cap_limit), KHV_SCHED_CAP_MAX);
		s->params.priority = min(READ_ONCE(priority_limit), 0);
	}
	khv_cap_vm_init(vm);
	mutex_lock(&khv_sched_lock);
	khv_cap_set(vm);
	list_add_tail(&s->node, &khv_sched_vms);
	khv_pool_add(vm);
	khv_weight_changed();
	mutex_unlock(&khv_sched_lock);
}

void khv_sched_vm_uninit(struct khv_vm *vm)
{
	mutex_lock(&khv_sched_lock);
	khv_weight_forget(vm);
	khv_pool_remove(vm);
	list_del(&vm->sched.node);
	mutex_unlock(&khv_sched_lock);
	khv_cap_vm_uninit(vm);
	put_pid(vm->sched.owner);
}

/* @to with those members of @from that @from->set has. */
static void merge(struct khv_sched *to, const struct khv_sched *from)
{
	if (from->set & KHV_SCHED_WEIGHT)
		to->weight = from->weight;
	if (from->set & KHV_SCHED_CAP)
		to->cap = from->cap;
	if (from->set & KHV_SCHED_CAP_PERIOD)
		to->cap_period = from->cap_period;
	if (from->set & KHV_SCHED_CAP_BURST)
		to->cap_burst = from->cap_burst;
	if (from->set & KHV_SCHED_GANG)
		to->gang = from->gang;
	if (from->set & KHV_SCHED_POOL)
		to->pool = from->pool;
	if (from->set & KHV_SCHED_PRIORITY)
		to->priority = from->priority;
	if (from->set & KHV_SCHED_LENGTH)
		to->length = from->length;
}

static bool valid(const struct khv_sched *p)
{
	return p->weight >= 1 && p->weight <= KHV_SCHED_WEIGHT_MAX &&
	       p->cap <= KHV_SCHED_CAP_MAX &&
	       p->cap_period >= KHV_SCHED_PERIOD_MIN && p->cap_period <= KHV_SCHED_PERIOD_MAX &&
	       p->cap_burst <= (u64)p->cap_period * p->cap / 100 && p->gang <= 1 &&
	       p->pool < KHV_POOLS;
}

/* What root has limited, only root raises beyond that; less is always possible. */
static bool permitted(const struct khv_sched *old, const struct khv_sched *new)
{
	unsigned int cap_most = READ_ONCE(cap_limit) ?: U32_MAX;
	u32 cap = new->cap ?: U32_MAX;

	/* Who is in a pool keeps others waiting, and so does a length that is not true. */
	if (new->pool != old->pool && (new->pool || khv_pool_binds(old->pool)))
		return false;
	if (khv_pool_binds(old->pool) && (new->length ?: U64_MAX) < (old->length ?: U64_MAX))
		return false;
	if (new->priority > max_t(s32, old->priority, READ_ONCE(priority_limit)))
		return false;
	if (new->weight > max_t(u32, old->weight, READ_ONCE(weight_limit)))
		return false;
	return cap <= max_t(u32, old->cap ?: U32_MAX, cap_most);
}

static void apply(struct khv_vm *vm, const struct khv_sched *new, u32 set)
{
	u32 pool = vm->sched.params.pool;

	vm->sched.params = *new;
	if (set & POOL_MEMBERS)
		khv_pool_changed(vm, pool);
	if (set & KHV_SCHED_WEIGHT) {
		vm->sched.weighed = true;
		khv_weight_changed();
	}
	if (set & CAP_MEMBERS)
		khv_cap_set(vm);
}

int khv_sched_set(struct khv_vm *vm, const struct khv_sched *params)
{
	struct khv_sched new;
	int err = 0;

	if ((params->set & ~SETTABLE) ||
	    memchr_inv(params->reserved, 0, sizeof(params->reserved)))
		return -EINVAL;
	if (mutex_lock_killable(&khv_sched_lock))
		return -EINTR;
	new = vm->sched.params;
	merge(&new, params);
	if (!valid(&new))
		err = -EINVAL;
	else if (!permitted(&vm->sched.params, &new) && !capable(CAP_SYS_NICE))
		err = -EPERM;
	else
		apply(vm, &new, params->set);
	mutex_unlock(&khv_sched_lock);
	return err;
}

void khv_sched_get(struct khv_vm *vm, struct khv_sched *params)
{
	mutex_lock(&khv_sched_lock);
	*params = vm->sched.params;
	mutex_unlock(&khv_sched_lock);
}

int khv_sched_stats(struct khv_vm *vm, struct khv_sched_stats *stats)
{
	struct khv_vcpu *vcpu;
	unsigned int i;

	if (stats->flags || memchr_inv(stats->reserved, 0, sizeof(stats->reserved)))
		return -EINVAL;
	stats->due = 0;
	memset(&stats->times, 0, sizeof(stats->times));
	if (stats->vcpu == KHV_SCHED_ALL_VCPUS) {
		mutex_lock(&khv_sched_lock);
		stats->due = khv_weight_due(vm);
		mutex_unlock(&khv_sched_lock);
		khv_sched_vm_times(vm, &stats->times);
		return 0;
	}
	khv_for_each_vcpu(i, vcpu, vm) {
		if (vcpu->id != stats->vcpu)
			continue;
		khv_sched_times(vcpu, &stats->times);
		return 0;
	}
	return -ENOENT;
}

static void describe(struct khv_vm *vm, struct khv_sched_vm *v)
{
	*v = (struct khv_sched_vm) {
		.id = vm->sched.id,
		.pid = pid_vnr(vm->sched.owner),
		.uid = from_kuid_munged(current_user_ns(), vm->sched.uid),
		.vcpus = READ_ONCE(vm->nr_vcpus),
		.flags = vm->sched.pool.held ? KHV_SCHED_VM_HELD : 0,
		.place = list_empty(&vm->sched.pool.queue) ? 0 : vm->sched.pool.place,
		.sched = vm->sched.params,
		.due = khv_weight_due(vm),
	};
	khv_sched_vm_times(vm, &v->times);
}

/* The first @room VMs that the caller may see, to @v; the result is how many there are. */
static int list_vms(struct khv_sched_vm *v, unsigned int room)
{
	bool all = capable(CAP_SYS_NICE);
	struct khv_vm *vm;
	int count = 0;

	if (mutex_lock_killable(&khv_sched_lock))
		return -EINTR;
	list_for_each_entry(vm, &khv_sched_vms, sched.node) {
		if (!all && !uid_eq(vm->sched.uid, current_euid()))
			continue;
		if (count < room)
			describe(vm, &v[count]);
		count++;
	}
	mutex_unlock(&khv_sched_lock);
	return count;
}

int khv_sched_list(const struct khv_sched_vms *arg)
{
	struct khv_sched_vm *v = NULL;
	int count, room;

	if (arg->flags)
		return -EINVAL;
	/* No more than there are, and copied with no lock held: the client's memory may fault. */
	room = list_vms(NULL, 0);
	if (room < 0)
		return room;
	room = min_t(u32, room, arg->count);
	if (room) {
		v = kvcalloc(room, sizeof(*v), GFP_KERNEL_ACCOUNT);
		if (!v)
			return -ENOMEM;
	}
	count = list_vms(v, room);
	if (count > 0 && copy_to_user(u64_to_user_ptr(arg->vms), v,
				      array_size(min(count, room), sizeof(*v))))
		count = -EFAULT;
	kvfree(v);
	return count;
}
