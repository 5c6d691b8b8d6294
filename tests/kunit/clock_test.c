// SPDX-License-Identifier: GPL-2.0-only
/*
 * The paravirtual clock: scaling arithmetic, the version protocol of the
 * guest's page, TSC offsets and ratios.
 */
#include "x86_fake.h"
#include "x86/pvclock.c"
#include "x86/tsc.c"

bool khv_pv_has(struct khv_vcpu *vcpu, unsigned int feature)
{
	return true;
}

int khv_steal_set(struct khv_vcpu *vcpu, u64 data)
{
	return 0;
}

int khv_pv_eoi_set(struct khv_vcpu *vcpu, u64 data)
{
	return 0;
}

/* What a guest computes, in as many bits as it takes. */
static u64 exact_ns(u64 cycles, u64 hz)
{
	return mul_u64_u64_div_u64(cycles, NSEC_PER_SEC, hz);
}

static const u64 frequencies[] = {
	1000000, 19200000, 32768, 999999999, 1000000000, 1000000001, 1193182, 1593000000,
	2000000000, 2000000001, 2100000000, 2400000000ULL, 2893299000ULL, 3000000000ULL,
	3999999999ULL, 4000000000ULL, 4000000001ULL, 5700000000ULL, 6200000000ULL, 9999999999ULL,
};

static void scale_is_accurate(struct kunit *test)
{
	int i, hours;

	for (i = 0; i < ARRAY_SIZE(frequencies); i++) {
		u64 hz = frequencies[i];
		struct khv_pvclock_scale scale = khv_pvclock_scale(hz);

		/* Within a part in 2^30: a tenth of a millisecond in a day. */
		for (hours = 1; hours <= 1000; hours *= 10) {
			u64 cycles = hz * 3600 * hours;
			u64 ns = khv_pvclock_cycles_to_ns(scale, cycles);
			u64 want = exact_ns(cycles, hz);

			KUNIT_EXPECT_LE_MSG(test, abs((s64)(want - ns)), (s64)(want >> 30) + 2,
					    "%llu Hz", hz);
		}
	}
}

static void scale_normalizes(struct kunit *test)
{
	u64 hz;

	for (hz = 1000; hz < 100ULL * NSEC_PER_SEC; hz += hz / 7 + 1) {
		struct khv_pvclock_scale scale = khv_pvclock_scale(hz);

		/* The top bit of the factor is in use: no precision is given away. */
		KUNIT_EXPECT_GE_MSG(test, scale.mul, 1U << 31, "%llu Hz", hz);
	}
	KUNIT_EXPECT_EQ(test, khv_pvclock_scale(0).mul, 0U);
	KUNIT_EXPECT_EQ(test, khv_pvclock_scale(2 * (u64)NSEC_PER_SEC).mul, 1U << 31);
	KUNIT_EXPECT_EQ(test, khv_pvclock_scale(2 * (u64)NSEC_PER_SEC).shift, (s8)0);
}

static void scale_is_monotonic(struct kunit *test)
{
	struct khv_pvclock_scale scale = khv_pvclock_scale(2893299000ULL);
	u64 cycles, last = 0;

	for (cycles = 0; cycles < 1ULL << 55; cycles += cycles / 5 + 1) {
		u64 ns = khv_pvclock_cycles_to_ns(scale, cycles);

		KUNIT_EXPECT_GE(test, ns, last);
		last = ns;
	}
}

static struct khv_vcpu *clock_vcpu(struct kunit *test)
{
	struct khv_vcpu *vcpu = fake_vcpu(test);

	tsc_clocksource = true;
	khv_vm_clock_init(vcpu->vm);
	khv_tsc_reset(vcpu);
	return vcpu;
}

static void page_protocol(struct kunit *test)
{
	struct khv_vcpu *vcpu = clock_vcpu(test);
	struct pvclock_vcpu_time_info *page = (void *)fake.memory;
	u64 now, offset_before;

	KUNIT_ASSERT_EQ(test, khv_pv_msr_write(vcpu, MSR_KVM_SYSTEM_TIME_NEW, 1, false), 0);
	KUNIT_EXPECT_TRUE(test, khv_request_take(vcpu, KHV_REQ_CLOCK_UPDATE));
	KUNIT_EXPECT_EQ(test, fake.writes, 0);
	khv_pvclock_update(vcpu);

	/* Odd, then the body, then even. */
	KUNIT_EXPECT_EQ(test, fake.writes, 3);
	KUNIT_EXPECT_EQ(test, fake.first_word[0] & 1, 1U);
	KUNIT_EXPECT_EQ(test, fake.first_word[1], fake.first_word[0]);
	KUNIT_EXPECT_EQ(test, fake.first_word[2], fake.first_word[0] + 1);
	KUNIT_EXPECT_EQ(test, page->flags, (u8)PVCLOCK_TSC_STABLE_BIT);

	/* The guest's clock began at zero not long ago. */
	now = page->system_time + khv_pvclock_cycles_to_ns(host_scale(),
			rdtsc_ordered() + vcpu->tsc.offset - page->tsc_timestamp);
	KUNIT_EXPECT_LT(test, now, 10 * (u64)NSEC_PER_SEC);

	/* A second page of the same VM tells the time from the same pair. */
	offset_before = page->tsc_timestamp;
	khv_pvclock_update(vcpu);
	KUNIT_EXPECT_EQ(test, page->tsc_timestamp, offset_before);
	KUNIT_EXPECT_EQ(test, page->version, 4U);
}

static void page_hostile_address(struct kunit *test)
{
	struct khv_vcpu *vcpu = clock_vcpu(test);
	static const u64 addresses[] = {
		PAGE_SIZE | 1, ~0ULL, 1ULL << 63 | 1, (PAGE_SIZE - 2) | 1,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(addresses); i++) {
		khv_pv_msr_write(vcpu, MSR_KVM_SYSTEM_TIME, addresses[i], false);
		khv_pv_msr_write(vcpu, MSR_KVM_WALL_CLOCK, addresses[i], false);
		khv_pvclock_update(vcpu);
		KUNIT_EXPECT_EQ(test, fake.writes, 0);
	}
	/* Disabled: nothing is written. */
	khv_pv_msr_write(vcpu, MSR_KVM_SYSTEM_TIME, 0, false);
	khv_pvclock_update(vcpu);
	KUNIT_EXPECT_EQ(test, fake.writes, 0);
}

static void wall_clock(struct kunit *test)
{
	struct khv_vcpu *vcpu = clock_vcpu(test);
	struct pvclock_wall_clock *wall = (void *)fake.memory;
	s64 now = ktime_get_real_seconds();

	khv_pv_msr_write(vcpu, MSR_KVM_WALL_CLOCK_NEW, 64, false);
	khv_pvclock_update(vcpu);
	wall = (void *)(fake.memory + 64);
	KUNIT_EXPECT_EQ(test, wall->version, 2U);
	KUNIT_EXPECT_LE(test, abs(now - (s64)wall->sec), 10LL);
	KUNIT_EXPECT_LT(test, wall->nsec, (u32)NSEC_PER_SEC);

	/* Written once for each write of the MSR, and not for the client's. */
	fake.writes = 0;
	khv_pvclock_update(vcpu);
	khv_pv_msr_write(vcpu, MSR_KVM_WALL_CLOCK_NEW, 64, true);
	khv_pvclock_update(vcpu);
	KUNIT_EXPECT_EQ(test, fake.writes, 0);
}

static void set_clock(struct kunit *test)
{
	struct khv_vcpu *vcpu = clock_vcpu(test);
	struct kvm_clock_data data = { .clock = 5 * 3600ULL * NSEC_PER_SEC };
	u64 start = data.clock;

	KUNIT_EXPECT_EQ(test, khv_vm_clock_set(vcpu->vm, &data), 0);
	khv_vm_clock_get(vcpu->vm, &data);
	KUNIT_EXPECT_GE(test, data.clock, start);
	KUNIT_EXPECT_LT(test, data.clock - start, (u64)NSEC_PER_SEC);
	KUNIT_EXPECT_TRUE(test, data.flags & KVM_CLOCK_TSC_STABLE);

	/* With the real time of a minute ago, the minute is added. */
	data = (struct kvm_clock_data) {
		.flags = KVM_CLOCK_REALTIME,
		.clock = start,
		.realtime = ktime_get_real_ns() - 60 * (u64)NSEC_PER_SEC,
	};
	KUNIT_EXPECT_EQ(test, khv_vm_clock_set(vcpu->vm, &data), 0);
	khv_vm_clock_get(vcpu->vm, &data);
	KUNIT_EXPECT_GE(test, data.clock, start + 60 * (u64)NSEC_PER_SEC);
	KUNIT_EXPECT_LT(test, data.clock, start + 61 * (u64)NSEC_PER_SEC);

	data.flags = 1;
	KUNIT_EXPECT_EQ(test, khv_vm_clock_set(vcpu->vm, &data), -EINVAL);
}

static u64 offset_after(struct khv_vcpu *vcpu, u64 data)
{
	khv_tsc_write(vcpu, data);
	return vcpu->tsc.offset;
}

static void writes_meet(struct kunit *test, struct khv_vcpu *vcpu, u64 second)
{
	u64 start = vcpu->tsc.offset, far;

	/* Zero, or about what the TSC reads by now, joins the others. */
	KUNIT_EXPECT_EQ(test, offset_after(vcpu, 0), start);
	KUNIT_EXPECT_EQ(test, offset_after(vcpu, 1000), start);
	/* Far away is a new time, and the next vCPU's write the same one. */
	far = offset_after(vcpu, 1000 * second);
	KUNIT_EXPECT_NE(test, far, start);
	KUNIT_EXPECT_EQ(test, offset_after(vcpu, 1000 * second), far);
	KUNIT_EXPECT_EQ(test, offset_after(vcpu, 1000 * second - second / 2), far);
	KUNIT_EXPECT_NE(test, offset_after(vcpu, 2000 * second), far);
	KUNIT_EXPECT_EQ(test, fake.tsc_offset, vcpu->tsc.offset);
}

static void tsc_writes_meet(struct kunit *test)
{
	writes_meet(test, clock_vcpu(test), (u64)tsc_khz * 1000);
}

static void tsc_ratios(struct kunit *test)
{
	struct khv_vcpu *vcpu = clock_vcpu(test);
	struct khv_vm *vm = vcpu->vm;
	u64 tsc = 1ULL << 52;

	/* Near enough is no ratio; anything else needs the processor. */
	KUNIT_EXPECT_EQ(test, khv_tsc_set_khz(vcpu, tsc_khz + tsc_khz / 5000), 0);
	KUNIT_EXPECT_EQ(test, vcpu->tsc.ratio, KHV_TSC_UNSCALED);
	KUNIT_EXPECT_EQ(test, vcpu->tsc.khz, tsc_khz + tsc_khz / 5000);
	KUNIT_EXPECT_EQ(test, khv_tsc_set_khz(vcpu, 2 * tsc_khz), -EINVAL);
	KUNIT_EXPECT_EQ(test, khv_vm_tsc_set_khz(vm, tsc_khz / 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, khv_tsc_set_khz(vcpu, 0), 0);
	KUNIT_EXPECT_EQ(test, vcpu->tsc.khz, tsc_khz);

	khv_caps.tsc_scaling = true;
	KUNIT_EXPECT_EQ(test, khv_tsc_set_khz(vcpu, 1UL << 32 | tsc_khz), -EINVAL);
	KUNIT_EXPECT_EQ(test, khv_tsc_set_khz(vcpu, U32_MAX), -EINVAL);
	KUNIT_EXPECT_EQ(test, khv_tsc_set_khz(vcpu, 1), 0);
	KUNIT_EXPECT_EQ(test, vcpu->tsc.ratio, KHV_TSC_UNSCALED / tsc_khz);
	KUNIT_EXPECT_EQ(test, khv_tsc_set_khz(vcpu, 2 * tsc_khz), 0);
	KUNIT_EXPECT_EQ(test, vcpu->tsc.ratio, 2 * KHV_TSC_UNSCALED);
	/* Nobody gave it an offset: twice the time since the VM's creation. */
	KUNIT_EXPECT_EQ(test, khv_guest_tsc_at(vcpu, vm->clock.tsc.created_at + 1000), 2000ULL);
	writes_meet(test, vcpu, 2000 * (u64)tsc_khz);
	/* Somebody did. */
	khv_tsc_client_offset(vcpu, 5);
	KUNIT_EXPECT_EQ(test, khv_tsc_set_khz(vcpu, tsc_khz / 2), 0);
	KUNIT_EXPECT_LE(test, abs((s64)(khv_guest_tsc_at(vcpu, tsc) - tsc / 2)), (s64)(tsc >> 20));
	KUNIT_EXPECT_EQ(test, vcpu->tsc.offset, 5ULL);

	/* What the VM was told, new vCPUs have, and stay together. */
	KUNIT_EXPECT_EQ(test, khv_vm_tsc_set_khz(vm, 3 * tsc_khz), 0);
	khv_tsc_reset(vcpu);
	KUNIT_EXPECT_EQ(test, vcpu->tsc.khz, 3 * tsc_khz);
	KUNIT_EXPECT_EQ(test, khv_guest_tsc_at(vcpu, vm->clock.tsc.created_at), 0ULL);
	khv_caps.tsc_scaling = false;
}

/* S3 takes the host's TSC back to nothing: the guest's goes on. */
static void tsc_after_sleep(struct kunit *test)
{
	struct khv_vcpu *vcpu = clock_vcpu(test);
	u64 hour = 3600000 * (u64)tsc_khz, before, after;
	int i;

	for (i = 0; i < 2; i++) {
		khv_tsc_host_tick(false);
		before = khv_guest_tsc(vcpu);
		khv_tsc_catch_up(vcpu);
		KUNIT_EXPECT_GE(test, khv_guest_tsc(vcpu), before);
		vcpu->sched.guest += 10 * hour;
		/* The timekeeper's last look was an hour ahead of what the TSC is now. */
		host_seen += hour;
		khv_tsc_host_tick(true);
		khv_tsc_catch_up(vcpu);
		after = khv_guest_tsc(vcpu);
		KUNIT_EXPECT_GE(test, after, before + hour - (u64)tsc_khz * 1000);
		KUNIT_EXPECT_LE(test, after, before + hour + 10000 * (u64)tsc_khz);
		/* Of time in the guest there is no more in the word than the TSC has counted. */
		KUNIT_EXPECT_EQ(test, vcpu->sched.guest, 0ULL);
		KUNIT_EXPECT_EQ(test, vcpu->sched.guest_before, 10 * (i + 1) * hour);
		writes_meet(test, vcpu, (u64)tsc_khz * 1000);
		khv_tsc_client_offset(vcpu, 0);
		KUNIT_EXPECT_EQ(test, vcpu->tsc.offset, 0ULL);
		KUNIT_EXPECT_EQ(test, offset_after(vcpu, khv_guest_tsc(vcpu)), 0ULL);
		/* Another vCPU comes, at another frequency: counted from the VM's creation. */
		khv_caps.tsc_scaling = true;
		KUNIT_EXPECT_EQ(test, khv_vm_tsc_set_khz(vcpu->vm, 2 * tsc_khz), 0);
		khv_tsc_reset(vcpu);
		KUNIT_EXPECT_GE(test, khv_guest_tsc(vcpu), 2 * (i + 1) * (hour - 1000 * tsc_khz));
		KUNIT_EXPECT_LE(test, khv_guest_tsc(vcpu), 2 * (i + 1) * (hour + 10000ULL * tsc_khz));
		KUNIT_EXPECT_EQ(test, khv_vm_tsc_set_khz(vcpu->vm, 0), 0);
		khv_tsc_reset(vcpu);
		khv_caps.tsc_scaling = false;
	}
	atomic64_set(&khv_host_tsc_lost, 0);
}

/* The guest computes the same time from a TSC of another frequency. */
static void page_of_scaled_tsc(struct kunit *test)
{
	struct khv_vcpu *vcpu = clock_vcpu(test);
	struct pvclock_vcpu_time_info *page = (void *)fake.memory;
	struct khv_pvclock_scale scale;
	u64 host, guest;

	khv_caps.tsc_scaling = true;
	KUNIT_ASSERT_EQ(test, khv_tsc_set_khz(vcpu, tsc_khz / 3 * 2), 0);
	khv_caps.tsc_scaling = false;
	khv_pv_msr_write(vcpu, MSR_KVM_SYSTEM_TIME_NEW, 1, false);
	khv_pvclock_update(vcpu);
	scale.mul = page->tsc_to_system_mul;
	scale.shift = page->tsc_shift;
	host = vcpu->vm->clock.pair.tsc + (u64)tsc_khz * 1000;
	guest = khv_pvclock_cycles_to_ns(scale, khv_guest_tsc_at(vcpu, host) - page->tsc_timestamp);
	KUNIT_EXPECT_LT(test, abs((s64)(guest - NSEC_PER_SEC)), 2000LL);
	KUNIT_EXPECT_EQ(test, page->flags, (u8)PVCLOCK_TSC_STABLE_BIT);
}

/* The page says whether all vCPUs have the same TSC, as clients have set them. */
static void page_of_several_tscs(struct kunit *test)
{
	struct khv_vcpu *vcpu = clock_vcpu(test), *other = fake_vcpu(test);
	struct pvclock_vcpu_time_info *page = (void *)fake.memory;
	const u64 second = (u64)tsc_khz * 1000;

	other->vm = vcpu->vm;
	vcpu->vm->vcpus[0] = vcpu;
	vcpu->vm->vcpus[1] = other;
	vcpu->vm->nr_vcpus = 2;
	khv_tsc_reset(other);
	khv_pv_msr_write(vcpu, MSR_KVM_SYSTEM_TIME_NEW, 1, false);
#define EXPECT_STABLE(wanted) do {							\
	khv_pvclock_update(vcpu);							\
	KUNIT_EXPECT_EQ(test, page->flags, (u8)((wanted) ? PVCLOCK_TSC_STABLE_BIT : 0));\
} while (0)
	EXPECT_STABLE(true);
	khv_tsc_write(other, 1000 * second);
	EXPECT_STABLE(false);
	khv_tsc_write(vcpu, 1000 * second);
	EXPECT_STABLE(true);
	khv_tsc_client_offset(vcpu, 5);
	EXPECT_STABLE(false);
	khv_tsc_client_offset(other, 5);
	EXPECT_STABLE(true);
	khv_tsc_client_offset(other, 5);
	EXPECT_STABLE(true);
	/* What a client has set stays with another frequency, and is another TSC then. */
	khv_caps.tsc_scaling = true;
	KUNIT_EXPECT_EQ(test, khv_tsc_set_khz(other, 2 * tsc_khz), 0);
	EXPECT_STABLE(false);
	/* A new vCPU, as long as the VM's frequency is the same, has what the last one has. */
	khv_tsc_reset(other);
	EXPECT_STABLE(true);
	KUNIT_EXPECT_EQ(test, khv_vm_tsc_set_khz(vcpu->vm, 2 * tsc_khz), 0);
	khv_tsc_reset(other);
	EXPECT_STABLE(false);
	khv_tsc_reset(vcpu);
	EXPECT_STABLE(true);
	khv_caps.tsc_scaling = false;
#undef EXPECT_STABLE
}

/* New pairs are for what has parted TSC and time, not for each step of the wall clock. */
static void pairs_are_kept(struct kunit *test)
{
	static struct clocksource tsc = { .vdso_clock_mode = VDSO_CLOCKMODE_TSC }, other;
	struct timekeeper *tk = kunit_kzalloc(test, sizeof(*tk), GFP_KERNEL);
	int before;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, tk);
	tk->tkr_mono.clock = &tsc;
	tk->offs_boot = 1;
	tk->tkr_raw.shift = 24;
	tk->tkr_raw.mult = 1 << 23;	/* two cycles a nanosecond */
#define EXPECT_NEW(was_set, wanted) do {						\
	before = atomic_read(&generation);						\
	gtod_notify(NULL, was_set, tk);							\
	KUNIT_EXPECT_EQ(test, atomic_read(&generation), before + (wanted));		\
} while (0)
	host_seen = 0;
	EXPECT_NEW(0, 1);
	EXPECT_NEW(0, 0);
	tk->tkr_raw.cycle_last += 6 * (u64)NSEC_PER_SEC + 2000;
	tk->raw_sec += 3;
	tk->tkr_raw.xtime_nsec += 1000ULL << 24;
	EXPECT_NEW(0, 0);
	EXPECT_NEW(1, 0);
	/* A sleep that the host has counted; one that it has not; and one that took the TSC back. */
	tk->offs_boot = 2;
	EXPECT_NEW(1, 1);
	EXPECT_NEW(1, 0);
	tk->tkr_raw.cycle_last += NSEC_PER_SEC;
	EXPECT_NEW(1, 1);
	EXPECT_NEW(1, 0);
	tk->tkr_raw.cycle_last = 1000;
	EXPECT_NEW(1, 1);
	EXPECT_NEW(1, 0);
	tk->tkr_mono.clock = &other;
	EXPECT_NEW(0, 1);
	KUNIT_EXPECT_FALSE(test, khv_pvclock_stable());
	tk->tkr_mono.clock = &tsc;
	EXPECT_NEW(0, 1);
	KUNIT_EXPECT_TRUE(test, khv_pvclock_stable());
#undef EXPECT_NEW
	irq_work_sync(&refresh_irq_work);
	cancel_work_sync(&refresh_work);
}

static struct kunit_case clock_cases[] = {
	KUNIT_CASE(scale_is_accurate),
	KUNIT_CASE(scale_normalizes),
	KUNIT_CASE(scale_is_monotonic),
	KUNIT_CASE(page_protocol),
	KUNIT_CASE(page_hostile_address),
	KUNIT_CASE(wall_clock),
	KUNIT_CASE(set_clock),
	KUNIT_CASE(tsc_writes_meet),
	KUNIT_CASE(tsc_ratios),
	KUNIT_CASE(tsc_after_sleep),
	KUNIT_CASE(page_of_scaled_tsc),
	KUNIT_CASE(page_of_several_tscs),
	KUNIT_CASE(pairs_are_kept),
	{}
};

static struct kunit_suite clock_suite = {
	.name = "khv_clock",
	.test_cases = clock_cases,
};

kunit_test_suite(clock_suite);

MODULE_DESCRIPTION("khv: tests of the paravirtual clock");
MODULE_LICENSE("GPL");
