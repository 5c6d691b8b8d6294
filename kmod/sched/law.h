/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control law of weights, as pure arithmetic: docs/scheduler.md derives it.
 *
 * Builds in the kernel and, with the same source, in the model of tests/sched. Who measures
 * what goes in, and does what comes out, is weight.c.
 */
#ifndef KHV_SCHED_LAW_H
#define KHV_SCHED_LAW_H

#include <linux/types.h>

/* A task's weight in the host's scheduler, in 64ths: 1024 * 64 for nice 0. */
#define KHV_LAW_SHIFT	6
#define KHV_LAW_NICE_0	(1024U << KHV_LAW_SHIFT)

/* The period that the law is tuned for. */
#define KHV_LAW_PERIOD_NS	10000000U

/**
 * struct khv_law_vm - one VM among those that compete with each other
 * @weight: 1 to 10000
 * @vcpus: how many it has
 * @ran: ns of CPU time that its vCPUs had in the last period, together
 * @wanted: the same and what they waited
 * @lag: ns that it is behind what it should have had: the law's memory, 0 at the beginning
 * @runnable: how many vCPUs want a CPU at a time, in 64ths: memory, 0 at the beginning
 * @settled: for how many periods it counts as one that has all it wants: memory, 0 at the beginning
 * @content: it had all that it wants in the last period, and that was due to it
 * @fair: out: ns of what all had that were due to it
 * @each: out: the weight for each of its vCPUs, in 64ths
 * @plain: out: the same without what keeps others off its CPUs
 */
struct khv_law_vm {
	u32 weight;
	u32 vcpus;
	u64 ran, wanted;
	s64 lag;
	u32 runnable;
	u8 settled;
	bool content;
	u64 fair;
	u32 each, plain;
};

/*
 * One period of @period ns is over for @nr VMs. Those that are alone get their weight and
 * nothing else.
 */
void khv_law_step(struct khv_law_vm *const *vms, unsigned int nr, u64 period);

/*
 * The nice level to have for the next period, so that the weights of the levels, -20 to 19,
 * are @weight on average. @error carries over what is missing, 0 at the beginning.
 */
int khv_law_nice(u32 weight, s64 *error);

/**
 * struct khv_law_cpu - one of the CPUs that VMs compete on
 * @weight: of the vCPUs there that want to run, together
 * @ran, @waited: ns, what these did in the last period
 */
struct khv_law_cpu {
	u64 weight, ran, waited;
};

#define KHV_LAW_UNKNOWN	(~0ULL)

/* What weighs on @cpu, with the host's tasks; KHV_LAW_UNKNOWN if vCPUs have next to none of it. */
u64 khv_law_load(const struct khv_law_cpu *cpu, u64 period);

/* A vCPU on one of two CPUs, @here on the one with more load. */
struct khv_law_place {
	u32 weight;
	bool here;
};

/*
 * The loads of two CPUs are @most and @least. Is there one of @nr vCPUs to go from here to there,
 * perhaps for another that comes back, so that they differ by half as much at most? The
 * numbers of both are in @goes and @comes, -1 for nobody.
 */
bool khv_law_exchange(const struct khv_law_place *vcpus, unsigned int nr, u64 most, u64 least,
		      int *goes, int *comes);

/* The weight of a nice level, in 64ths. */
u32 khv_law_weight(int nice);

#endif
