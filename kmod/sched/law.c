// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control law of weights: docs/scheduler.md derives it. Pure arithmetic in integers.
 */
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/types.h>

#include "sched/law.h"

/* So much lag doubles a VM's weight; more than the most counts no further. */
#define LAG_DOUBLES	120000000LL
#define LAG_MOST	(2 * LAG_DOUBLES)

/* Rounds of filling: each but the last gives some VM all that it wants. */
#define MOST_ROUNDS	16

#define ONE_FACTOR	65536U

/* Periods that a VM stays settled. */
#define SETTLED		8

/*
 * Weighted max-min: what all had, to all by weight, but nobody more than he wants, and to the
 * content what they had. ~0 marks those that have not got theirs yet.
 */
static void share_out(struct khv_law_vm *const *vms, unsigned int nr)
{
	u64 left = 0, weights, share, round_left;
	unsigned int i, round;
	bool again = true;

	for (i = 0; i < nr; i++) {
		vms[i]->fair = vms[i]->content ? vms[i]->ran : ~0ULL;
		left += vms[i]->content ? 0 : vms[i]->ran;
	}
	for (round = 0; again; round++) {
		again = false;
		weights = 0;
		for (i = 0; i < nr; i++)
			if (vms[i]->fair == ~0ULL)
				weights += vms[i]->weight;
		if (!weights)
			return;
		round_left = left;
		for (i = 0; i < nr; i++) {
			if (vms[i]->fair != ~0ULL)
				continue;
			share = div64_u64(left * vms[i]->weight, weights);
			if (vms[i]->wanted > share)
				continue;
			vms[i]->fair = vms[i]->wanted;
			round_left -= min(round_left, vms[i]->wanted);
			again = round < MOST_ROUNDS;
		}
		left = round_left;
	}
	weights = 0;
	for (i = 0; i < nr; i++)
		if (vms[i]->fair == ~0ULL)
			weights += vms[i]->weight;
	for (i = 0; i < nr; i++)
		if (vms[i]->fair == ~0ULL)
			vms[i]->fair = div64_u64(left * vms[i]->weight, weights);
}

/* 2^(lag / LAG_DOUBLES), straight between whole powers, in parts of ONE_FACTOR. */
static u64 factor(s64 lag)
{
	u64 up = lag + LAG_MOST;	/* not negative */
	u64 whole = div64_u64(up, LAG_DOUBLES);
	u64 rest = up - whole * LAG_DOUBLES;

	return ((ONE_FACTOR + div64_u64(rest * ONE_FACTOR, LAG_DOUBLES)) << whole) >>
	       (LAG_MOST / LAG_DOUBLES);
}

static u32 runnable(const struct khv_law_vm *vm, u64 period)
{
	u64 now = div64_u64(vm->wanted << 6, period);

	now = clamp_t(u64, now, 1 << 6, (u64)max(vm->vcpus, 1U) << 6);
	return vm->runnable ? (3 * (u64)vm->runnable + now + 2) / 4 : now;
}

/*
 * Does it get all that it wants, and should? More or less, as others take a little of each CPU: or
 * it would be owed that little for ever, or owe it, though it can have neither more nor less.
 */
static bool is_content(const struct khv_law_vm *vm)
{
	u64 little = vm->wanted >> 6;

	return vm->wanted - vm->ran <= little && vm->fair + little >= vm->wanted;
}

static unsigned int find_content(struct khv_law_vm *const *vms, unsigned int nr)
{
	unsigned int i, found = 0;

	for (i = 0; i < nr; i++)
		vms[i]->content = false;
	share_out(vms, nr);
	for (i = 0; nr > 1 && i < nr; i++) {
		vms[i]->content = is_content(vms[i]);
		found += vms[i]->content;
	}
	return found;
}

void khv_law_step(struct khv_law_vm *const *vms, unsigned int nr, u64 period)
{
	u64 asked = 0, bent = 0, weight;
	struct khv_law_vm *vm;
	unsigned int i;

	if (find_content(vms, nr))
		share_out(vms, nr);
	for (i = 0; i < nr; i++) {
		vm = vms[i];
		vm->runnable = runnable(vm, period);
		if (vm->content)
			vm->settled = SETTLED;
		else if (vm->settled && vm->fair + (vm->wanted >> 3) >= vm->wanted)
			vm->settled--;
		else
			vm->settled = 0;
		vm->lag = clamp_t(s64, vm->lag + (s64)(vm->fair - vm->ran), -LAG_MOST, LAG_MOST);
		/* Who gets all that he wants is owed nothing, and soon owes nothing. */
		if (vm->wanted - vm->ran <= vm->wanted >> 6)
			vm->lag -= vm->lag / 16;
		if (vm->content)
			continue;
		asked += vm->weight;
		bent += vm->weight * factor(vm->lag);
	}
	/* Together they weigh what they should, or they would take from the host's tasks. */
	for (i = 0; i < nr; i++) {
		vm = vms[i];
		weight = vm->weight * factor(vm->lag);
		if (!vm->content)
			weight = mul_u64_u64_div_u64(weight, asked * ONE_FACTOR, bent);
		weight = div64_u64(weight * KHV_LAW_NICE_0, 100 * ONE_FACTOR);
		vm->plain = min_t(u64, div64_u64(weight << 6, vm->runnable), ~0U);
		/* It cannot get too much; what comes to its CPUs by mistake is to leave soon. */
		if (nr > 1 && (vm->fair == vm->wanted || vm->settled))
			weight *= 2;
		vm->each = min_t(u64, div64_u64(weight << 6, vm->runnable), ~0U);
	}
}

u64 khv_law_load(const struct khv_law_cpu *cpu, u64 period)
{
	if (cpu->ran < period / 8)
		return KHV_LAW_UNKNOWN;
	/* If nobody waited, what they left was not wanted; else somebody else had it. */
	if (cpu->waited < period / 64 || cpu->ran >= period)
		return cpu->weight;
	return mul_u64_u64_div_u64(cpu->weight, period, cpu->ran);
}

bool khv_law_exchange(const struct khv_law_place *vcpus, unsigned int nr, u64 most, u64 least,
		      int *goes, int *comes)
{
	s64 difference = most - least, best = difference, left;
	unsigned int i, k;

	/* Less than an eighth is within what nice levels round off; of nothing there is no part. */
	if (difference <= 0 || difference * 16 < (s64)(most + least))
		return false;
	for (i = 0; i < nr; i++) {
		if (!vcpus[i].here)
			continue;
		for (k = 0; k <= nr; k++) {
			if (k < nr && vcpus[k].here)
				continue;
			left = difference - 2 * (s64)vcpus[i].weight;
			left += k < nr ? 2 * (s64)vcpus[k].weight : 0;
			left = left < 0 ? -left : left;
			if (left >= best)
				continue;
			best = left;
			*goes = i;
			*comes = k < nr ? (int)k : -1;
		}
	}
	return best * 2 <= difference;
}

static u32 up(u32 weight)
{
	return weight + weight / 4;
}

static u32 down(u32 weight)
{
	return (u64)weight * 4 / 5;
}

u32 khv_law_weight(int nice)
{
	u32 weight = KHV_LAW_NICE_0;

	for (; nice < 0; nice++)
		weight = up(weight);
	for (; nice > 0; nice--)
		weight = down(weight);
	return weight;
}

int khv_law_nice(u32 weight, s64 *error)
{
	u32 low = KHV_LAW_NICE_0, high;
	int nice = 0;	/* @low's */

	while (nice > -20 && up(low) <= weight) {
		low = up(low);
		nice--;
	}
	while (nice < 19 && low > weight) {
		low = down(low);
		nice++;
	}
	if (nice == -20 || low >= weight) {
		*error = 0;
		return nice;
	}
	high = up(low);
	*error += weight;
	if (*error * 2 >= (s64)low + high) {
		low = high;
		nice--;
	}
	*error = clamp_t(s64, *error - low, -(s64)high, high);
	return nice;
}
