// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gangs: VMs whose vCPUs run at the same time, so that none spins for another that is not
 * on a CPU.
 *
 * When the VMs of a group want more CPUs than there are, each period is a slot for those of
 * its gangs that are furthest behind (law.c's lag) and fit on the CPUs together; the others are
 * held: their vCPUs wait on their way into the guest, and by that fall behind. Nothing is held
 * when there is room for all, and nothing for longer than until the next period's choice.
 */
#include <linux/cpumask.h>
#include <linux/minmax.h>

#include "sched/internal.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

static struct khv_vm *vm_of(struct khv_law_vm *law)
{
	return container_of(law, struct khv_vm, sched.law);
}

static bool is_gang(struct khv_law_vm *law)
{
	return vm_of(law)->sched.params.gang;
}

static void release(struct khv_vm *vm)
{
	struct khv_vcpu *vcpu;
	unsigned int i;

	if (!vm->sched.held)
		return;
	WRITE_ONCE(vm->sched.held, false);
	khv_for_each_vcpu(i, vcpu, vm)
		khv_vcpu_kick(vcpu);
}

static void hold(struct khv_vm *vm)
{
	if (vm->sched.held)
		return;
	/* Before the request: who takes that sees this. */
	WRITE_ONCE(vm->sched.held, true);
	khv_vm_request_all(vm, KHV_REQ_HOLD);
}

void khv_gang_release(struct khv_vm *vm)
{
	lockdep_assert_held(&khv_sched_lock);
	release(vm);
}

/* The CPUs, in 64ths, that @law's VM fills when it runs: all, if it has more vCPUs than those. */
static u32 size_of(const struct khv_law_vm *law, u32 cpus)
{
	return min(law->runnable, cpus);
}

/* The one furthest behind of those that are not chosen yet and fit into @room, or NULL. */
static struct khv_law_vm *choose(struct khv_law_vm *const *laws, unsigned int nr, u32 cpus,
				 u32 room)
{
	struct khv_law_vm *best = NULL;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!is_gang(laws[i]) || vm_of(laws[i])->sched.chosen ||
		    size_of(laws[i], cpus) > room)
			continue;
		/* Who is in the slot stays when nobody is further behind. */
		if (!best || laws[i]->lag > best->lag ||
		    (laws[i]->lag == best->lag && !vm_of(laws[i])->sched.held))
			best = laws[i];
	}
	return best;
}

void khv_gang_slot(struct khv_law_vm *const *laws, unsigned int nr, const struct cpumask *allowed)
{
	u32 cpus = 0, room, wanted = 0;
	unsigned int cpu, i, gangs = 0;
	struct khv_law_vm *law;

	for_each_cpu_and(cpu, allowed, cpu_online_mask)
		cpus += 64;
	for (i = 0; i < nr; i++) {
		gangs += is_gang(laws[i]);
		wanted += min(laws[i]->runnable, laws[i]->vcpus * 64);
		vm_of(laws[i])->sched.chosen = false;
	}
	/* Some play between what is wanted and what there is, as the first is an average. */
	room = gangs > 1 && wanted > cpus + 16 ? cpus : U32_MAX;
	while ((law = choose(laws, nr, cpus, room))) {
		vm_of(law)->sched.chosen = true;
		if (room != U32_MAX)
			room -= size_of(law, cpus);
	}
	/* First those go that have to, so that the others find the CPUs free. */
	for (i = 0; i < nr; i++)
		if (is_gang(laws[i]) && !vm_of(laws[i])->sched.chosen)
			hold(vm_of(laws[i]));
	for (i = 0; i < nr; i++)
		if (!is_gang(laws[i]) || vm_of(laws[i])->sched.chosen)
			release(vm_of(laws[i]));
}
