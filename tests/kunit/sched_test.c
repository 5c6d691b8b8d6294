// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arithmetic of weights: shares, lag, nice levels. What it does to VMs over time is the
 * model's subject (tests/sched).
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "sched/law.c"

#define PERIOD	KHV_LAW_PERIOD_NS

static struct khv_law_vm vm(u32 weight, u32 vcpus, u64 ran, u64 wanted)
{
	return (struct khv_law_vm) {
		.weight = weight, .vcpus = vcpus, .ran = ran, .wanted = wanted,
	};
}

static void step(struct khv_law_vm *vms, unsigned int nr)
{
	struct khv_law_vm *p[8];
	unsigned int i;

	for (i = 0; i < nr; i++)
		p[i] = &vms[i];
	khv_law_step(p, nr, PERIOD);
}

static void shares_are_fair(struct kunit *test)
{
	/* One CPU, all want it: 1:2:4 of what they had, however it was shared. */
	struct khv_law_vm one[] = {
		vm(100, 1, 6000000, 7000000), vm(200, 1, 1000000, 7000000), vm(400, 1, 0, 7000000),
	};
	/* Two CPUs: the heaviest wants no more than one, the rest goes to the others. */
	struct khv_law_vm two[] = {
		vm(100, 1, 0, PERIOD), vm(200, 1, PERIOD, PERIOD), vm(4000, 1, PERIOD, PERIOD),
	};
	struct khv_law_vm idle[] = { vm(100, 1, 0, 0), vm(1, 64, 777, PERIOD) };

	step(one, 3);
	KUNIT_EXPECT_EQ(test, one[0].fair, 1000000ULL);
	KUNIT_EXPECT_EQ(test, one[1].fair, 2000000ULL);
	KUNIT_EXPECT_EQ(test, one[2].fair, 4000000ULL);
	step(two, 3);
	KUNIT_EXPECT_EQ(test, two[0].fair, PERIOD / 3ULL);
	KUNIT_EXPECT_EQ(test, two[1].fair, PERIOD * 2ULL / 3);
	KUNIT_EXPECT_EQ(test, two[2].fair, (u64)PERIOD);
	step(idle, 2);
	KUNIT_EXPECT_EQ(test, idle[0].fair, 0ULL);
	KUNIT_EXPECT_EQ(test, idle[1].fair, 777ULL);
}

/* Nobody gets more than he wants, and all is given away that was had: of any numbers. */
static void shares_add_up(struct kunit *test)
{
	struct khv_law_vm vms[8];
	u64 had, given;
	u32 seed = 1;
	int round, i, n;

	for (round = 0; round < 2000; round++) {
		n = 1 + round % 8;
		had = 0;
		given = 0;
		for (i = 0; i < n; i++) {
			seed = seed * 1664525 + 1013904223;
			vms[i] = vm(1 + seed % 10000, 1 + seed % 64, seed % PERIOD, 0);
			vms[i].wanted = vms[i].ran + (seed >> 8) % PERIOD * (seed >> 31);
			had += vms[i].ran;
		}
		step(vms, n);
		for (i = 0; i < n; i++) {
			KUNIT_EXPECT_LE(test, vms[i].fair, vms[i].wanted);
			given += vms[i].fair;
		}
		KUNIT_EXPECT_LE(test, given, had);
		KUNIT_EXPECT_LE(test, had - given, 8ULL);
	}
}

/* At the beginning a weight is what it stands for, divided among the vCPUs that want to run. */
static void weight_per_vcpu(struct kunit *test)
{
	struct khv_law_vm two[] = {
		vm(100, 1, PERIOD / 2, PERIOD), vm(400, 4, PERIOD / 2, 4ULL * PERIOD),
	};

	step(two, 2);
	two[0].lag = 0;
	two[1].lag = 0;
	two[0].ran = PERIOD / 5;
	two[1].ran = PERIOD - two[0].ran;
	step(two, 2);
	KUNIT_EXPECT_EQ(test, two[0].each, KHV_LAW_NICE_0);
	KUNIT_EXPECT_EQ(test, two[1].each, KHV_LAW_NICE_0);
}

/* Who is behind gets more weight, who is ahead less, and together they weigh the same. */
static void lag_bends_weights(struct kunit *test)
{
	struct khv_law_vm two[] = {
		vm(100, 1, PERIOD / 4, PERIOD), vm(100, 1, PERIOD - PERIOD / 4, PERIOD),
	};
	u32 last = 0, i;

	for (i = 0; i < 100; i++) {
		step(two, 2);
		KUNIT_EXPECT_GE(test, two[0].each, last);
		KUNIT_EXPECT_LE(test, abs((s64)two[0].each + two[1].each - 2 * (s64)KHV_LAW_NICE_0), 4LL);
		last = two[0].each;
	}
	KUNIT_EXPECT_GT(test, two[0].each, two[1].each * 8);
	KUNIT_EXPECT_EQ(test, two[0].lag, -two[1].lag);
	KUNIT_EXPECT_LE(test, two[0].lag, LAG_MOST);
}

/*
 * Two CPUs, one for the heaviest, as is due to it but for what others take of each CPU, the other
 * for the rest and a task of the host's. Nobody owes anything, and the task keeps its part.
 */
static void content_owe_nothing(struct kunit *test)
{
	struct khv_law_vm vms[] = {
		vm(400, 1, PERIOD - PERIOD / 200, PERIOD), vm(100, 1, PERIOD / 4 - PERIOD / 200, PERIOD),
		vm(200, 1, PERIOD / 2 - PERIOD / 100, PERIOD),
	};
	u32 i, lone;

	for (i = 0; i < 10000; i++)
		step(vms, 3);
	KUNIT_EXPECT_LE(test, abs(vms[0].lag), (s64)PERIOD);
	KUNIT_EXPECT_LE(test, abs(vms[1].lag), (s64)PERIOD);
	KUNIT_EXPECT_LE(test, abs(vms[2].lag), (s64)PERIOD);
	KUNIT_EXPECT_LE(test, abs((s64)vms[1].each + vms[2].each - 3 * (s64)KHV_LAW_NICE_0), 4LL);
	KUNIT_EXPECT_LE(test, abs((s64)vms[0].plain - 4 * (s64)KHV_LAW_NICE_0), KHV_LAW_NICE_0 / 32LL);
	/* The task comes to the heaviest's CPU: it is to find little there, but not for long. */
	KUNIT_EXPECT_EQ(test, vms[0].each, 2 * vms[0].plain);
	vms[0].ran = PERIOD * 7ULL / 8;
	step(vms, 3);
	KUNIT_EXPECT_GE(test, vms[0].each, 2 * vms[0].plain - 1);
	for (i = 0; i < SETTLED; i++)
		step(vms, 3);
	KUNIT_EXPECT_EQ(test, vms[0].each, vms[0].plain);
	lone = vms[0].each;
	step(vms, 3);
	KUNIT_EXPECT_GT(test, vms[0].each, lone);
}

static void extremes(struct kunit *test)
{
	struct khv_law_vm two[] = { vm(1, 64, 0, 64ULL * PERIOD), vm(10000, 1, PERIOD, PERIOD) };
	int i;

	for (i = 0; i < 1000; i++)
		step(two, 2);
	KUNIT_EXPECT_GT(test, two[0].each, 0U);
	KUNIT_EXPECT_GT(test, two[1].each, 100 * KHV_LAW_NICE_0 / 2);
	KUNIT_EXPECT_EQ(test, khv_law_nice(0, &(s64){ 0 }), 19);
	KUNIT_EXPECT_EQ(test, khv_law_nice(~0U, &(s64){ 0 }), -20);
	/* Nothing was had, nobody wanted anything. */
	two[0] = vm(1, 1, 0, 0);
	step(two, 1);
	KUNIT_EXPECT_EQ(test, two[0].fair, 0ULL);
}

/* The kernel's own weights are within a part in thirty of a fifth each: 15 for nice 19. */
static void nice_levels(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, khv_law_weight(0), KHV_LAW_NICE_0);
	KUNIT_EXPECT_EQ(test, khv_law_weight(-1), KHV_LAW_NICE_0 * 5 / 4);
	KUNIT_EXPECT_EQ(test, khv_law_weight(19) >> KHV_LAW_SHIFT, 14U);
	KUNIT_EXPECT_LE(test, abs((int)(khv_law_weight(-20) >> KHV_LAW_SHIFT) - 88761), 100);
}

/* Over many periods the levels' weights are the one asked for, on average. */
static void levels_average(struct kunit *test)
{
	u32 weight;
	u64 sum;
	s64 error;
	int i;

	for (weight = 16 << KHV_LAW_SHIFT; weight < 80000U << KHV_LAW_SHIFT; weight += weight / 7) {
		sum = 0;
		error = 0;
		for (i = 0; i < 1000; i++)
			sum += khv_law_weight(khv_law_nice(weight, &error));
		KUNIT_EXPECT_LE_MSG(test, abs((s64)(sum / 1000) - (s64)weight), (s64)weight / 500,
				    "%u", weight);
	}
}

static void loads(struct kunit *test)
{
	struct khv_law_cpu cpu = { .weight = 3000, .ran = 1000, .waited = 4000 };

	KUNIT_EXPECT_EQ(test, khv_law_load(&cpu, 1000), 3000ULL);
	/* Others have two thirds of it, and weigh as much. */
	KUNIT_EXPECT_EQ(test, khv_law_load(&cpu, 3000), 9000ULL);
	KUNIT_EXPECT_EQ(test, khv_law_load(&cpu, 9000), KHV_LAW_UNKNOWN);
	/* Nobody waited: what is left is idle. */
	cpu.waited = 0;
	KUNIT_EXPECT_EQ(test, khv_law_load(&cpu, 3000), 3000ULL);
	cpu = (struct khv_law_cpu) { 0 };
	KUNIT_EXPECT_EQ(test, khv_law_load(&cpu, 3000), KHV_LAW_UNKNOWN);
}

static void exchanges(struct kunit *test)
{
	static const struct khv_law_place heavy[] = {
		{ 200, true }, { 200, true }, { 100, false }, { 100, false }, { 50, false }, { 50, false },
	};
	static const struct khv_law_place even[] = {
		{ 100, true }, { 100, true }, { 100, true }, { 100, false }, { 100, false },
	};
	static const struct khv_law_place light[] = { { 800, true }, { 100, true }, { 300, false } };
	int goes = -1, comes = -1;

	/* The two heaviest share a CPU, and one of the others goes for one of them. */
	KUNIT_EXPECT_TRUE(test, khv_law_exchange(heavy, 6, 400, 240, &goes, &comes));
	KUNIT_EXPECT_LT(test, goes, 2);
	KUNIT_EXPECT_GE(test, comes, 2);
	/* As even as can be; and with a difference too small to matter. */
	KUNIT_EXPECT_FALSE(test, khv_law_exchange(even, 5, 300, 200, &goes, &comes));
	KUNIT_EXPECT_FALSE(test, khv_law_exchange(even, 5, 1000, 900, &goes, &comes));
	/* One goes and nobody comes. */
	KUNIT_EXPECT_TRUE(test, khv_law_exchange(light, 3, 900, 700, &goes, &comes));
	KUNIT_EXPECT_EQ(test, goes, 1);
	KUNIT_EXPECT_EQ(test, comes, -1);
	KUNIT_EXPECT_FALSE(test, khv_law_exchange(light, 0, 900, 0, &goes, &comes));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(shares_are_fair),
	KUNIT_CASE(shares_add_up),
	KUNIT_CASE(weight_per_vcpu),
	KUNIT_CASE(lag_bends_weights),
	KUNIT_CASE(content_owe_nothing),
	KUNIT_CASE(extremes),
	KUNIT_CASE(nice_levels),
	KUNIT_CASE(levels_average),
	KUNIT_CASE(loads),
	KUNIT_CASE(exchanges),
	{}
};

static struct kunit_suite suite = {
	.name = "khv_sched",
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_DESCRIPTION("KUnit tests of khv's scheduler arithmetic");
MODULE_LICENSE("GPL");
