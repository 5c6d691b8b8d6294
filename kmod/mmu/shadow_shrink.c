// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow pages give way when the host is short of memory: the oldest of the VM
 * whose turn it is. Guests only pay with faults.
 */
#include <linux/kernel.h>
#include <linux/shrinker.h>
#include <linux/slab.h>

#include "mmu/shadow.h"
#include "mmu/shadow_page.h"
#include "vm/hw.h"
#include "vm/vm.h"

static unsigned long count(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long pages = 0;
	struct khv_vm *vm;

	/* Reclaim must not wait for those who wait for memory. */
	if (!mutex_trylock(&khv_vms_lock))
		return SHRINK_EMPTY;
	list_for_each_entry(vm, &khv_vms, node)
		if (vm->mmu.shadow)
			pages += READ_ONCE(vm->mmu.shadow->nr_pages);
	mutex_unlock(&khv_vms_lock);
	return pages ?: SHRINK_EMPTY;
}

static unsigned long shrink(struct khv_vm *vm, unsigned long nr)
{
	unsigned long gone;

	spin_lock(&vm->mmu.lock);
	gone = khv_sp_recycle(vm, nr);
	khv_shadow_commit(vm);
	khv_sp_free_spares(vm->mmu.shadow);
	spin_unlock(&vm->mmu.lock);
	return gone;
}

static unsigned long scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long gone = 0;
	struct khv_vm *vm, *next;

	if (!mutex_trylock(&khv_vms_lock))
		return SHRINK_STOP;
	list_for_each_entry_safe(vm, next, &khv_vms, node) {
		if (!vm->mmu.shadow || !READ_ONCE(vm->mmu.shadow->nr_pages))
			continue;
		gone = shrink(vm, sc->nr_to_scan);
		/* The next time it is another's turn. */
		list_move_tail(&vm->node, &khv_vms);
		break;
	}
	mutex_unlock(&khv_vms_lock);
	return gone;
}

static struct shrinker *shrinker;

int khv_shadow_shrinker_init(void)
{
	if (khv_caps.nested_paging)
		return 0;
	shrinker = khv_shrinker_register("khv-shadow", count, scan);
	return shrinker ? 0 : -ENOMEM;
}

void khv_shadow_shrinker_exit(void)
{
	if (shrinker)
		khv_shrinker_unregister(shrinker);
	shrinker = NULL;
}
