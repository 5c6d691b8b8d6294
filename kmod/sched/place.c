// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which CPU vCPUs are on, where the host's load balancer leaves it so that no weight can
 * make shares right: the two heaviest threads on one CPU share that, however heavy they get.
 *
 * The balancer comes first, and keeps all its say: when the weights of law.c have been spread
 * over the CPUs unevenly for a while, and one vCPU that goes, or two that change places, would
 * halve that, they are sent there, and may go wherever they like at once.
 */
#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/topology.h>

#include "sched/internal.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

/* Periods that the host's balancer has for it; it looks every 64 ms or so, on few CPUs. */
#define PATIENCE	8

/* vCPUs of two CPUs that are looked at. */
#define PLACES_MOST	64

static DEFINE_PER_CPU(struct khv_law_cpu, khv_place_cpu);	/* all under khv_sched_lock */
static DEFINE_PER_CPU(unsigned long, khv_place_fetched);	/* jiffies of khv_place_fetch() */

static struct khv_vm *vm_of(struct khv_law_vm *law)
{
	return container_of(law, struct khv_vm, sched.law);
}

/* It has a thread, and that wanted to run for most of the period. */
static bool wants(const struct khv_vcpu_sched *s, u64 period)
{
	return s->task && s->did + s->waits > period / 2;
}

static void count(struct khv_law_vm *const *laws, unsigned int nr, const struct cpumask *allowed,
		  u64 period)
{
	struct khv_law_cpu *c;
	struct khv_vcpu *vcpu;
	unsigned int i, k;
	int cpu;

	for_each_cpu_and(cpu, allowed, cpu_possible_mask)
		per_cpu(khv_place_cpu, cpu) = (struct khv_law_cpu) { 0 };
	for (i = 0; i < nr; i++)
		khv_for_each_vcpu(k, vcpu, vm_of(laws[i])) {
			if (!wants(&vcpu->sched, period))
				continue;
			c = &per_cpu(khv_place_cpu, task_cpu(vcpu->sched.task));
			c->weight += laws[i]->plain;
			c->ran += vcpu->sched.did;
			c->waited += vcpu->sched.waits;
		}
}

/* The CPU with most load of those whose load is known, and the one with least on its node. */
static bool find_cpus(const struct cpumask *allowed, u64 period, int *from, int *to,
		      u64 *most, u64 *least)
{
	u64 load;
	int cpu;

	*from = *to = -1;
	for_each_cpu_and(cpu, allowed, cpu_online_mask) {
		load = khv_law_load(&per_cpu(khv_place_cpu, cpu), period);
		if (load == KHV_LAW_UNKNOWN || (*from >= 0 && load <= *most))
			continue;
		*from = cpu;
		*most = load;
	}
	if (*from < 0)
		return false;
	/* Between nodes memory would be left behind: that is the host's to weigh. */
	for_each_cpu_and(cpu, allowed, cpu_online_mask) {
		load = khv_law_load(&per_cpu(khv_place_cpu, cpu), period);
		if (load == KHV_LAW_UNKNOWN || cpu_to_node(cpu) != cpu_to_node(*from) ||
		    (*to >= 0 && load >= *least))
			continue;
		*to = cpu;
		*least = load;
	}
	/* CPUs may have come and gone meanwhile. */
	return *to >= 0 && *from != *to;
}

/* Those on the two CPUs that are as free as all: their threads in @tasks. */
static unsigned int collect(struct khv_law_vm *const *laws, unsigned int nr,
			    const struct cpumask *allowed, u64 period, int from, int to,
			    struct khv_law_place *places, struct task_struct **tasks)
{
	unsigned int i, k, found = 0;
	struct khv_vcpu *vcpu;
	int cpu;

	for (i = 0; i < nr; i++)
		khv_for_each_vcpu(k, vcpu, vm_of(laws[i])) {
			if (!wants(&vcpu->sched, period) || found == PLACES_MOST)
				continue;
			cpu = task_cpu(vcpu->sched.task);
			if ((cpu != from && cpu != to) ||
			    !cpumask_equal(&vcpu->sched.task->cpus_mask, allowed))
				continue;
			places[found].weight = laws[i]->plain;
			places[found].here = cpu == from;
			tasks[found++] = vcpu->sched.task;
		}
	return found;
}

/*
 * To @cpu, and free again, unless its owner or an administrator has bound it elsewhere since it was
 * looked at. That is asked again right before: others may have been sent since, which sleeps. What
 * is set in the moment between the question and the answer is undone, as is a binding to this very
 * CPU, which cannot be told from ours.
 */
static void send(struct task_struct *task, int cpu, const struct cpumask *allowed)
{
	if (cpumask_equal(&task->cpus_mask, allowed) &&
	    !set_cpus_allowed_ptr(task, cpumask_of(cpu)) &&
	    cpumask_equal(&task->cpus_mask, cpumask_of(cpu)))
		set_cpus_allowed_ptr(task, allowed);
}

void khv_place(struct khv_law_vm *const *laws, unsigned int nr, const struct cpumask *allowed,
	       u64 period)
{
	static struct khv_law_place places[PLACES_MOST];	/* under khv_sched_lock, as these */
	static struct task_struct *tasks[PLACES_MOST];
	static struct cpumask free;
	int from, to, goes, comes;
	unsigned int found;
	u64 most, least;
	u8 *uneven;

	lockdep_assert_held(&khv_sched_lock);
	if (!nr)
		return;
	uneven = &vm_of(laws[0])->sched.uneven;
	/* A copy: @allowed is of a thread that may be the one to go. */
	cpumask_copy(&free, allowed);
	count(laws, nr, &free, period);
	if (!find_cpus(&free, period, &from, &to, &most, &least)) {
		*uneven = 0;
		return;
	}
	found = collect(laws, nr, &free, period, from, to, places, tasks);
	if (!khv_law_exchange(places, found, most, least, &goes, &comes)) {
		*uneven = 0;
		return;
	}
	if (++*uneven < PATIENCE)
		return;
	*uneven = 0;
	send(tasks[goes], to, &free);
	if (comes >= 0)
		send(tasks[comes], from, &free);
}

/* The heaviest, not of @but, that waits for another CPU of the node and may be on @cpu; or NULL. */
static struct task_struct *heaviest_waiting(int cpu, const struct khv_vm *but)
{
	struct task_struct *found = NULL, *task;
	struct khv_vcpu *vcpu;
	struct khv_vm *vm;
	unsigned int i;
	u32 most = 0;

	list_for_each_entry(vm, &khv_sched_vms, sched.node)
		khv_for_each_vcpu(i, vcpu, vm) {
			task = vcpu->sched.task;
			if (!task || vm == but ||
			    READ_ONCE(vcpu->sched.state) != KHV_SCHED_WAITING ||
			    vm->sched.law.each <= most || task_cpu(task) == cpu ||
			    cpu_to_node(task_cpu(task)) != cpu_to_node(cpu) ||
			    !cpumask_test_cpu(cpu, &task->cpus_mask))
				continue;
			most = vm->sched.law.each;
			found = task;
		}
	return found;
}

void khv_place_fetch(const struct khv_vm *but)
{
	static struct cpumask allowed;	/* under khv_sched_lock */
	struct task_struct *task;
	int cpu;

	/* Once in a tick, as all VMs are looked at, and slices may come and go faster. */
	if (!single_task_running() || this_cpu_read(khv_place_fetched) == jiffies ||
	    !mutex_trylock(&khv_sched_lock))
		return;
	this_cpu_write(khv_place_fetched, jiffies);
	cpu = raw_smp_processor_id();
	task = heaviest_waiting(cpu, but);
	if (task) {
		cpumask_copy(&allowed, &task->cpus_mask);
		if (cpumask_test_cpu(cpu, &allowed))
			send(task, cpu, &allowed);
	}
	mutex_unlock(&khv_sched_lock);
}
