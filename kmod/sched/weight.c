// SPDX-License-Identifier: GPL-2.0-only
/*
 * Weights of VMs, as nice levels of their threads.
 *
 * Each period this measures what VMs had of the CPUs, asks law.c what weight that makes for
 * each vCPU, and sets nice levels that are it on average. VMs are compared only with those
 * that the host's scheduler compares them with: of the same group of tasks, on the same CPUs.
 *
 * A thread's nice level is its owner's. It is taken over while the thread runs a vCPU, and
 * given back when it has not for a while. What the owner sets meanwhile scales the weight,
 * as it would the thread's; but a level that was made here gives it no right to others.
 */
#include <linux/capability.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <uapi/linux/sched/types.h>

#include "sched/internal.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

#define PERIOD		msecs_to_jiffies(KHV_LAW_PERIOD_NS / 1000000)
/* When nobody has waited for a CPU. */
#define LONG_PERIOD	msecs_to_jiffies(50)
/* A thread that is out of KVM_RUN so long is its owner's again. */
#define GIVE_BACK_NS	100000000

/* VMs that are compared at a time; what is beyond is another group. */
#define GROUP_MOST	256

/*
 * A real-time thread, as a fair one that is as prompt would look to the host's load balancer
 * like a task or two: 88 times nice 0 for a hundredth of the time.
 */
static struct kthread_worker *worker;
static void control(struct kthread_work *work);
static DEFINE_KTHREAD_DELAYED_WORK(work, control);
static u64 last_control;	/* under khv_sched_lock */

/* What @vm's vCPUs did since the last time, to @s->did and @s->waits; in all to @ran and @waited. */
static void look(struct khv_vm *vm, u64 *ran, u64 *waited)
{
	u64 ns[KHV_SCHED_STATES];
	struct khv_vcpu *vcpu;
	unsigned int i;

	*ran = *waited = 0;
	khv_for_each_vcpu(i, vcpu, vm) {
		struct khv_vcpu_sched *s = &vcpu->sched;

		khv_sched_snapshot(s, ns);
		s->did = ns[KHV_SCHED_RUNNING] - s->ran;
		s->waits = ns[KHV_SCHED_WAITING] - s->waited;
		s->ran += s->did;
		s->waited += s->waits;
		*ran += s->ran;
		*waited += s->waited;
	}
}

u64 khv_weight_due(struct khv_vm *vm)
{
	struct khv_vm_sched *v = &vm->sched;
	u64 ran, waited;

	lockdep_assert_held(&khv_sched_lock);
	if (last_control)
		return v->due;
	/* Nobody compares it with others: what it had was its own. */
	look(vm, &ran, &waited);
	v->due += ran - v->ran;
	v->ran = ran;
	v->waited = waited;
	return v->due;
}

void khv_weight_changed(void)
{
	struct khv_vm *vm;

	lockdep_assert_held(&khv_sched_lock);
	if (last_control)
		return;
	list_for_each_entry(vm, &khv_sched_vms, sched.node)
		khv_weight_due(vm);
	last_control = local_clock();
	kthread_queue_delayed_work(worker, &work, PERIOD);
}

/* Do weights mean anything? Not for a VM alone of which nobody has said what it should get. */
static bool wanted(void)
{
	struct khv_vm *vm;

	if (list_empty(&khv_sched_vms))
		return false;
	vm = list_first_entry(&khv_sched_vms, struct khv_vm, sched.node);
	return !list_is_singular(&khv_sched_vms) || vm->sched.weighed;
}

static bool is_fair(const struct task_struct *task)
{
	return task->policy == SCHED_NORMAL || task->policy == SCHED_BATCH;
}

/* Could the thread have this level by itself, whatever it has now? */
static bool has_right(struct task_struct *task, int nice)
{
	return nice_to_rlimit(nice) <= task_rlimit(task, RLIMIT_NICE) ||
	       has_capability_noaudit(task, CAP_SYS_NICE);
}

/*
 * Somebody has set another level. The kernel lets everyone who owns the thread go up from what it
 * is at, which may be far below @own_nice; how far, also in calls that are not over yet, says
 * @lowest_nice. Only from there on down the caller was asked for the right.
 */
static void notice(struct khv_vcpu_sched *s)
{
	int nice = task_nice(s->task);

	if (nice == s->set_nice)
		return;
	if (nice >= s->own_nice || nice < s->lowest_nice || has_right(s->task, nice))
		s->own_nice = nice;
	/* So low only for who may, a broker perhaps, that makes the flag a condition: it stays. */
	if (nice < s->lowest_nice)
		s->resets = false;
	s->set_nice = nice;
}

/* Its level, and whether what it creates begins with nice 0 where this is below. */
static void set_both(struct task_struct *task, int nice, bool resets)
{
	const struct sched_attr attr = {
		.sched_policy = task->policy,
		.sched_nice = nice,
		.sched_flags = resets ? SCHED_FLAG_RESET_ON_FORK : 0,
		.sched_runtime = khv_task_slice(task),
	};

	sched_setattr_nocheck(task, &attr);
}

static void set_level(struct khv_vcpu_sched *s, int nice)
{
	s->lowest_nice = min(s->lowest_nice, nice);
	s->set_nice = nice;
	if (nice >= 0 || s->task->sched_reset_on_fork || has_right(s->task, nice)) {
		set_user_nice(s->task, nice);
	} else {
		s->resets = true;
		set_both(s->task, nice, true);
	}
}

static void give_back(struct khv_vcpu_sched *s)
{
	if (!s->task)
		return;
	notice(s);
	if (s->resets && is_fair(s->task))
		set_both(s->task, s->own_nice, false);
	else
		set_user_nice(s->task, s->own_nice);
	put_task_struct(s->task);
	s->task = NULL;
}

/* A thread that runs vCPUs by turns belongs to one at a time. */
static void give_up(const struct task_struct *task)
{
	struct khv_vcpu *vcpu;
	struct khv_vm *vm;
	unsigned int i;

	list_for_each_entry(vm, &khv_sched_vms, sched.node)
		khv_for_each_vcpu(i, vcpu, vm)
			if (vcpu->sched.task == task)
				give_back(&vcpu->sched);
}

/* Who runs it, with a reference, or NULL. */
static struct task_struct *runner(struct khv_vcpu *vcpu)
{
	struct task_struct *task;

	rcu_read_lock();
	task = rcu_dereference(vcpu->task);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	return task;
}

/* Bring @vcpu->sched.task up to date. */
static void take_over(struct khv_vcpu *vcpu)
{
	struct khv_vcpu_sched *s = &vcpu->sched;
	struct task_struct *task = runner(vcpu);

	if (!task) {
		if (s->task && khv_sched_unchanged_ns(s) > GIVE_BACK_NS)
			give_back(s);
		return;
	}
	if (task == s->task) {
		put_task_struct(task);
		if (!is_fair(task))
			give_back(s);
		else
			notice(s);
		return;
	}
	give_back(s);
	if (!is_fair(task)) {
		put_task_struct(task);
		return;
	}
	give_up(task);
	s->task = task;
	s->own_nice = s->set_nice = s->lowest_nice = task_nice(task);
	s->resets = false;
	s->error = 0;
}

static void measure(struct khv_vm *vm)
{
	struct khv_vm_sched *v = &vm->sched;
	struct khv_vcpu *vcpu;
	u64 ran, waited;
	unsigned int i;

	v->group = NULL;
	v->cpus = NULL;
	look(vm, &ran, &waited);
	khv_for_each_vcpu(i, vcpu, vm) {
		struct khv_vcpu_sched *s = &vcpu->sched;

		take_over(vcpu);
		if (!s->task || v->cpus)
			continue;
		v->group = khv_task_group(s->task);
		v->cpus = &s->task->cpus_mask;
	}
	v->law.weight = v->params.weight;
	v->law.vcpus = vm->nr_vcpus;
	v->law.ran = ran - v->ran;
	v->law.wanted = v->law.ran + waited - v->waited;
	v->ran = ran;
	v->waited = waited;
	v->done = !v->law.wanted || !v->cpus;
}

/* What @vm should have of the time of the host's own tasks' kind, vCPU by vCPU. */
static void act(struct khv_vm *vm)
{
	struct khv_vcpu *vcpu;
	unsigned int i;
	u64 weight;
	int nice;

	khv_for_each_vcpu(i, vcpu, vm) {
		struct khv_vcpu_sched *s = &vcpu->sched;

		if (!s->task)
			continue;
		weight = (u64)vm->sched.law.each * khv_law_weight(s->own_nice) / KHV_LAW_NICE_0;
		nice = khv_law_nice(min_t(u64, weight, U32_MAX), &s->error);
		/* What its owner has set since take_over() is for the next period. */
		if (nice != s->set_nice && task_nice(s->task) == s->set_nice)
			set_level(s, nice);
	}
}

/* All that compete with @first, it included. */
static void control_group(struct khv_vm *first, u64 period)
{
	static struct khv_law_vm *laws[GROUP_MOST];	/* under khv_sched_lock */
	struct khv_vm *vm = first;
	unsigned int i, nr = 0;

	list_for_each_entry_from(vm, &khv_sched_vms, sched.node) {
		if (vm->sched.done || nr == GROUP_MOST || vm->sched.group != first->sched.group ||
		    !cpumask_equal(vm->sched.cpus, first->sched.cpus))
			continue;
		vm->sched.done = true;
		laws[nr++] = &vm->sched.law;
	}
	khv_law_step(laws, nr, period);
	for (i = 0; i < nr; i++) {
		vm = container_of(laws[i], struct khv_vm, sched.law);
		vm->sched.due += vm->sched.law.fair;
		act(vm);
	}
	khv_gang_slot(laws, nr, first->sched.cpus);
	khv_place(laws, nr, first->sched.cpus, period);
}

/* True if anybody has waited. */
static bool control_all(u64 period)
{
	struct khv_vm *vm;
	bool waited = false;

	list_for_each_entry(vm, &khv_sched_vms, sched.node) {
		measure(vm);
		waited |= vm->sched.law.wanted > vm->sched.law.ran;
	}
	list_for_each_entry(vm, &khv_sched_vms, sched.node)
		if (!vm->sched.done)
			control_group(vm, period);
		else if (!vm->sched.law.wanted || !vm->sched.cpus)
			khv_gang_release(vm);
	return waited;
}

/*
 * Not more than a tenth of the time, however many vCPUs there are: this thread comes before all
 * tasks, and nobody is charged for it.
 */
static unsigned long delay_after(s64 took, bool waited)
{
	/* The clocks of two CPUs may differ; and much of a long time was not this thread's. */
	took = clamp_t(s64, took, 0, NSEC_PER_SEC / 9);
	return max(waited ? PERIOD : LONG_PERIOD, nsecs_to_jiffies(took * 9));
}

static void control(struct kthread_work *unused)
{
	struct khv_vm *vm;
	bool waited;
	u64 now;

	mutex_lock(&khv_sched_lock);
	now = local_clock();
	if (wanted()) {
		waited = control_all(max_t(s64, now - last_control, 1));
		last_control = now;
		kthread_queue_delayed_work(worker, &work,
					   delay_after(local_clock() - now, waited));
	} else {
		list_for_each_entry(vm, &khv_sched_vms, sched.node)
			khv_weight_forget(vm);
		last_control = 0;
	}
	mutex_unlock(&khv_sched_lock);
}

void khv_weight_forget(struct khv_vm *vm)
{
	struct khv_vcpu *vcpu;
	unsigned int i;

	lockdep_assert_held(&khv_sched_lock);
	khv_gang_release(vm);
	khv_for_each_vcpu(i, vcpu, vm)
		give_back(&vcpu->sched);
}

int __init khv_weight_init(void)
{
	worker = kthread_run_worker(0, "khv_sched");
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	sched_set_fifo_low(worker->task);
	return 0;
}

void khv_weight_exit(void)
{
	kthread_cancel_delayed_work_sync(&work);
	kthread_destroy_worker(worker);
}
