// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools: of the VMs in one, so many run at a time, in the order of its policy
 * (policy_*.c). A VM takes its place in the queue when it first enters KVM_RUN, and gives
 * it up when it goes or changes its pool. A pool that nobody has set up holds nobody back.
 *
 * Everything happens under khv_sched_lock when something changes: the queue is sorted, the
 * first ones are admitted, the others held. vCPUs of a VM that is held leave the guest and
 * sleep (vm/run.c); that costs those that are not one look at a byte.
 */
#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/list_sort.h>
#include <linux/math64.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include "sched/internal.h"
#include "sched/pool.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

/* How often aging is looked at where it may take a slot away. */
#define AGING_INTERVAL	HZ

static const struct khv_policy *const policies[] = {
	[KHV_POOL_FAIR] = NULL,
	[KHV_POOL_FCFS] = &khv_policy_fcfs,
	[KHV_POOL_SJF] = &khv_policy_sjf,
	[KHV_POOL_PRIORITY] = &khv_policy_priority,
};

struct pool {
	const struct khv_policy *policy;	/* NULL: all run */
	u32 slots, aging;
	struct list_head queue;
};

/* All of it under khv_sched_lock. */
static struct pool pools[KHV_POOLS];
static u64 turns;

static struct pool *pool_of(u32 number)
{
	struct pool *pool = &pools[array_index_nospec(number, KHV_POOLS)];

	if (!pool->queue.next) {
		INIT_LIST_HEAD(&pool->queue);
		pool->slots = 1;
	}
	return pool;
}

bool khv_pool_binds(u32 number)
{
	return pool_of(number)->policy;
}

/* How many of the pool's times of aging @p has waited. One that runs keeps them for one. */
static u64 aged(const struct pool *pool, const struct khv_pool_vm *p, u64 now)
{
	u64 periods;

	if (!pool->aging)
		return 0;
	periods = div64_u64(now - p->since, (u64)pool->aging * NSEC_PER_MSEC);
	if (p->admitted)
		return periods ? 0 : p->aged;
	return periods;
}

static struct khv_candidate candidate(const struct pool *pool, const struct khv_pool_vm *p,
				      u64 now)
{
	const struct khv_vm_sched *s = container_of(p, struct khv_vm_sched, pool);

	return (struct khv_candidate) {
		.arrived = p->arrived,
		.aged = aged(pool, p, now),
		.length = s->params.length ?: U64_MAX,
		.priority = s->params.priority,
	};
}

struct order {
	const struct pool *pool;
	u64 now;
};

static int in_order(void *priv, const struct list_head *one, const struct list_head *other)
{
	const struct order *order = priv;
	const struct khv_pool_vm *a = list_entry(one, struct khv_pool_vm, queue);
	const struct khv_pool_vm *b = list_entry(other, struct khv_pool_vm, queue);
	const struct khv_policy *policy = order->pool->policy;
	struct khv_candidate x, y;
	int r;

	if (!policy->preempts && (a->admitted || b->admitted)) {
		if (a->admitted != b->admitted)
			return a->admitted ? -1 : 1;
		return a->turn < b->turn ? -1 : a->turn > b->turn;
	}
	x = candidate(order->pool, a, order->now);
	y = candidate(order->pool, b, order->now);
	r = policy->compare(&x, &y);
	if (!r)
		r = x.arrived < y.arrived ? -1 : x.arrived > y.arrived;
	return r;
}

static void hold(struct khv_vm *vm)
{
	if (vm->sched.pool.held)
		return;
	/* Before the request: who takes that sees this. */
	WRITE_ONCE(vm->sched.pool.held, true);
	khv_vm_request_all(vm, KHV_REQ_HOLD);
}

static void release(struct khv_vm *vm)
{
	struct khv_vcpu *vcpu;
	unsigned int i;

	if (!vm->sched.pool.held)
		return;
	/* Before the wake-up, whose barrier is the kick's; the sleeper has its own. */
	WRITE_ONCE(vm->sched.pool.held, false);
	khv_for_each_vcpu(i, vcpu, vm)
		khv_vcpu_kick(vcpu);
}

static void admit(const struct pool *pool, struct khv_vm *vm, u64 now)
{
	struct khv_pool_vm *p = &vm->sched.pool;

	if (!p->admitted) {
		p->aged = aged(pool, p, now);
		p->admitted = true;
		p->since = now;
		p->turn = ++turns;
	}
	release(vm);
}

static void send_back(struct khv_vm *vm, u64 now)
{
	struct khv_pool_vm *p = &vm->sched.pool;

	if (p->admitted) {
		p->admitted = false;
		p->since = now;
	}
	hold(vm);
}

static void age(struct work_struct *work);
static DECLARE_DELAYED_WORK(aging_work, age);

static void update(struct pool *pool)
{
	struct order order = { .pool = pool, .now = ktime_get_ns() };
	struct khv_pool_vm *p;
	struct khv_vm *vm;
	u32 place = 0;

	lockdep_assert_held(&khv_sched_lock);
	if (!pool->policy)
		return;
	list_sort(&order, &pool->queue, in_order);
	list_for_each_entry(p, &pool->queue, queue) {
		vm = container_of(p, struct khv_vm, sched.pool);
		p->place = place++;
		if (p->place < pool->slots)
			admit(pool, vm, order.now);
		else
			send_back(vm, order.now);
	}
	if (pool->policy->preempts && pool->aging && place > pool->slots)
		schedule_delayed_work(&aging_work, AGING_INTERVAL);
}

static void age(struct work_struct *work)
{
	unsigned int i;

	mutex_lock(&khv_sched_lock);
	for (i = 0; i < KHV_POOLS; i++)
		if (pools[i].policy && pools[i].policy->preempts)
			update(&pools[i]);
	mutex_unlock(&khv_sched_lock);
}

/* It wants to run: from now on it has a place. */
static void join(struct pool *pool, struct khv_vm *vm)
{
	struct khv_pool_vm *p = &vm->sched.pool;

	if (!list_empty(&p->queue))
		return;
	p->arrived = p->since = ktime_get_ns();
	p->admitted = false;
	list_add_tail(&p->queue, &pool->queue);
}

static bool has_run(struct khv_vm *vm)
{
	struct khv_vcpu *vcpu;
	unsigned int i;

	khv_for_each_vcpu(i, vcpu, vm)
		if (READ_ONCE(vcpu->has_run))
			return true;
	return false;
}

static void enter(struct pool *pool, struct khv_vm *vm)
{
	if (!pool->policy) {
		release(vm);
		return;
	}
	if (has_run(vm))
		join(pool, vm);
	else
		hold(vm);
}

void khv_pool_add(struct khv_vm *vm)
{
	INIT_LIST_HEAD(&vm->sched.pool.queue);
	enter(pool_of(vm->sched.params.pool), vm);
}

void khv_pool_remove(struct khv_vm *vm)
{
	list_del_init(&vm->sched.pool.queue);
	update(pool_of(vm->sched.params.pool));
}

void khv_pool_changed(struct khv_vm *vm, u32 old)
{
	struct pool *pool = pool_of(vm->sched.params.pool);

	if (vm->sched.params.pool != old) {
		list_del_init(&vm->sched.pool.queue);
		update(pool_of(old));
		enter(pool, vm);
	}
	update(pool);
}

int khv_pool_join(struct khv_vm *vm)
{
	struct pool *pool;

	if (mutex_lock_interruptible(&khv_sched_lock))
		return -EINTR;
	pool = pool_of(vm->sched.params.pool);
	if (vm->sched.pool.held && pool->policy && list_empty(&vm->sched.pool.queue)) {
		join(pool, vm);
		update(pool);
	}
	mutex_unlock(&khv_sched_lock);
	return 0;
}

static bool valid(const struct khv_pool *arg)
{
	return arg->pool < KHV_POOLS && arg->policy < ARRAY_SIZE(policies) && arg->slots &&
	       !arg->members && !arg->running &&
	       !memchr_inv(arg->reserved, 0, sizeof(arg->reserved));
}

int khv_pool_set(const struct khv_pool *arg)
{
	struct khv_vm *vm;
	struct pool *pool;

	if (!valid(arg))
		return -EINVAL;
	if (!capable(CAP_SYS_NICE))
		return -EPERM;
	if (mutex_lock_killable(&khv_sched_lock))
		return -EINTR;
	pool = pool_of(arg->pool);
	pool->policy = policies[array_index_nospec(arg->policy, ARRAY_SIZE(policies))];
	pool->slots = arg->slots;
	pool->aging = arg->aging;
	list_for_each_entry(vm, &khv_sched_vms, sched.node) {
		if (vm->sched.params.pool != arg->pool)
			continue;
		if (!pool->policy)
			list_del_init(&vm->sched.pool.queue);
		enter(pool, vm);
	}
	update(pool);
	mutex_unlock(&khv_sched_lock);
	return 0;
}

static void describe(const struct pool *pool, struct khv_pool *arg)
{
	const struct khv_pool_vm *p;
	struct khv_vm *vm;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(policies); i++)
		if (policies[i] == pool->policy)
			arg->policy = i;
	arg->slots = pool->slots;
	arg->aging = pool->aging;
	list_for_each_entry(vm, &khv_sched_vms, sched.node)
		arg->members += vm->sched.params.pool == arg->pool;
	list_for_each_entry(p, &pool->queue, queue)
		arg->running += p->admitted;
}

int khv_pool_get(struct khv_pool *arg)
{
	struct khv_pool out = { .pool = arg->pool };

	for (; out.pool < KHV_POOLS; out.pool++) {
		if (mutex_lock_killable(&khv_sched_lock))
			return -EINTR;
		describe(pool_of(out.pool), &out);
		mutex_unlock(&khv_sched_lock);
		if (out.policy != KHV_POOL_FAIR || out.members) {
			*arg = out;
			return 0;
		}
	}
	return -ENOENT;
}

void khv_pool_exit(void)
{
	cancel_delayed_work_sync(&aging_work);
}
