// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages between local APICs: destinations, delivery modes, INIT and SIPI,
 * and the local sources with their errors.
 */
#include "lapic_fake.h"

static void test_x2apic_icr(struct kunit *test)
{
	enable_all();
	KUNIT_ASSERT_EQ(test, to_x2apic(w.vcpu[0]), 0);
	KUNIT_ASSERT_EQ(test, to_x2apic(w.vcpu[2]), 0);
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(w.vcpu[0], 0x830, 2ULL << 32 | 0x4045), 0);
	KUNIT_EXPECT_EQ(test, taken(0x45), BIT(2));
	KUNIT_EXPECT_EQ(test, xrd(test, w.vcpu[0], APIC_ICR), 2ULL << 32 | 0x4045);
	/* Logical, cluster 0: bits 0 and 2. */
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(w.vcpu[0], 0x830, 5ULL << 32 | 0x4846), 0);
	KUNIT_EXPECT_EQ(test, taken(0x46), BIT(0) | BIT(2));
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(w.vcpu[0], 0x830, 0x10005ULL << 32 | 0x4846), 0);
	KUNIT_EXPECT_EQ(test, taken(0x46), 0u);
	/* 0xff is an ID here, all ones are everyone. */
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(w.vcpu[0], 0x830, 0xffULL << 32 | 0x4047), 0);
	KUNIT_EXPECT_EQ(test, taken(0x47), 0u);
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(w.vcpu[0], 0x830, ~0ULL << 32 | 0x4047), 0);
	KUNIT_EXPECT_EQ(test, taken(0x47), 0xfu);
	/* Self IPI needs no kick. */
	w.kicks[0] = 0;
	KUNIT_EXPECT_EQ(test, khv_x2apic_write(w.vcpu[0], 0x83f, 0x99), 0);
	KUNIT_EXPECT_EQ(test, taken(0x99), BIT(0));
	KUNIT_EXPECT_EQ(test, w.kicks[0], 0u);
}

static u32 bitmap(u64 ids, u64 first, u32 icr)
{
	return khv_lapic_send_bitmap(w.vcpu[0], ids, first, icr);
}

/* Numbers of bits are APIC IDs, whatever the guest makes of them. */
static void test_bitmap(struct kunit *test)
{
	enable_all();
	KUNIT_EXPECT_EQ(test, bitmap(0xe, 0, 0x51), 3u);
	KUNIT_EXPECT_EQ(test, taken(0x51), 0xeu);
	KUNIT_EXPECT_EQ(test, bitmap(~0ULL, 2, 0x51), 2u);
	/* Pending already: counted, too. */
	KUNIT_EXPECT_EQ(test, bitmap(1, 3, 0x51), 1u);
	KUNIT_EXPECT_EQ(test, taken(0x51), BIT(2) | BIT(3));
	KUNIT_EXPECT_EQ(test, bitmap(~0ULL, 4, 0x51), 0u);
	KUNIT_EXPECT_EQ(test, bitmap(~0ULL, KHV_MAX_VCPU_ID, 0x51), 0u);
	KUNIT_EXPECT_EQ(test, bitmap(~0ULL, U32_MAX - 3, 0x51), 0u);
	KUNIT_EXPECT_EQ(test, bitmap(~0ULL, (u64)U32_MAX + 1, 0x51), 0u);
	KUNIT_EXPECT_EQ(test, bitmap(0, 0, 0x51), 0u);
	KUNIT_EXPECT_EQ(test, taken(0x51), 0u);

	KUNIT_EXPECT_EQ(test, bitmap(0x6, 0, 0x400), 2u);
	KUNIT_EXPECT_EQ(test, w.nmis[1] + w.nmis[2], 2u);
	/* An APIC that is off in software takes NMIs, one that is off is not there. */
	wr(w.vcpu[1], APIC_SPIV, 0xff);
	KUNIT_EXPECT_EQ(test, bitmap(0x2, 0, 0x51), 0u);
	KUNIT_EXPECT_EQ(test, bitmap(0x2, 0, 0x400), 1u);
	KUNIT_ASSERT_EQ(test, khv_lapic_set_base(w.vcpu[1], APIC_DEFAULT_PHYS_BASE, false), 0);
	KUNIT_EXPECT_EQ(test, bitmap(0x2, 0, 0x400), 0u);
	KUNIT_EXPECT_NULL(test, khv_lapic_by_id(w.vm, 1));
	KUNIT_EXPECT_NULL(test, khv_lapic_by_id(w.vm, BIT_ULL(32) + 2));
	KUNIT_EXPECT_PTR_EQ(test, khv_lapic_by_id(w.vm, 2), w.vcpu[2]->lapic);
}

static void test_destinations(struct kunit *test)
{
	unsigned int i;

	enable_all();
	ipi(w.vcpu[0], 3, 0x4061);
	KUNIT_EXPECT_EQ(test, taken(0x61), BIT(3));
	ipi(w.vcpu[0], 77, 0x4061);
	KUNIT_EXPECT_EQ(test, taken(0x61), 0u);
	ipi(w.vcpu[0], 0xff, 0x4061);
	KUNIT_EXPECT_EQ(test, taken(0x61), 0xfu);
	ipi(w.vcpu[1], 0, 0x44061);
	KUNIT_EXPECT_EQ(test, taken(0x61), BIT(1));
	ipi(w.vcpu[1], 0, 0x84061);
	KUNIT_EXPECT_EQ(test, taken(0x61), 0xfu);
	ipi(w.vcpu[1], 0, 0xc4061);
	KUNIT_EXPECT_EQ(test, taken(0x61), 0xdu);

	/* Flat model. */
	for (i = 0; i < NR_VCPUS; i++)
		wr(w.vcpu[i], APIC_LDR, BIT(i) << 24);
	ipi(w.vcpu[0], 0x06, 0x4862);
	KUNIT_EXPECT_EQ(test, taken(0x62), 0x6u);
	ipi(w.vcpu[0], 0xff, 0x4862);
	KUNIT_EXPECT_EQ(test, taken(0x62), 0xfu);
	ipi(w.vcpu[0], 0x30, 0x4862);
	KUNIT_EXPECT_EQ(test, taken(0x62), 0u);

	/* Cluster model: two clusters of two. */
	for (i = 0; i < NR_VCPUS; i++) {
		wr(w.vcpu[i], APIC_DFR, 0x0fffffff);
		wr(w.vcpu[i], APIC_LDR, ((i / 2) << 4 | BIT(i % 2)) << 24);
	}
	ipi(w.vcpu[0], 0x02, 0x4863);
	KUNIT_EXPECT_EQ(test, taken(0x63), BIT(1));
	ipi(w.vcpu[0], 0x13, 0x4863);
	KUNIT_EXPECT_EQ(test, taken(0x63), BIT(2) | BIT(3));
	ipi(w.vcpu[0], 0x33, 0x4863);
	KUNIT_EXPECT_EQ(test, taken(0x63), 0u);
}

static int from_device(u32 dest)
{
	struct khv_irq_msg msg = { .dest = dest, .vector = 0x63, .assert = true };

	return khv_irq_deliver(w.vm, NULL, &msg);
}

/* Messages of devices to APICs of both kinds, and what KVM_CAP_X2APIC_API changes. */
static void test_device_broadcast(struct kunit *test)
{
	enable_all();
	KUNIT_ASSERT_EQ(test, to_x2apic(w.vcpu[1]), 0);
	KUNIT_EXPECT_EQ(test, from_device(0xff), 4);
	KUNIT_EXPECT_EQ(test, taken(0x63), 0xfu);
	KUNIT_EXPECT_EQ(test, from_device(0x80), 0);
	KUNIT_EXPECT_EQ(test, from_device(~0u), 1);
	KUNIT_EXPECT_EQ(test, taken(0x63), BIT(1));
	w.vm->irq.no_broadcast_quirk = true;
	KUNIT_EXPECT_EQ(test, from_device(0xff), 3);
	KUNIT_EXPECT_EQ(test, taken(0x63), 0xdu);
	KUNIT_EXPECT_EQ(test, from_device(~0u), 1);
	KUNIT_EXPECT_EQ(test, taken(0x63), BIT(1));
	/* A processor's own are what they were. */
	ipi(w.vcpu[0], 0xff, 0x4063);
	KUNIT_EXPECT_EQ(test, taken(0x63), 0xdu);
}

static void test_lowest_priority(struct kunit *test)
{
	unsigned int i, once[NR_VCPUS] = {};

	enable_all();
	for (i = 0; i < NR_VCPUS; i++) {
		wr(w.vcpu[i], APIC_LDR, BIT(i) << 24);
		wr(w.vcpu[i], APIC_TASKPRI, i == 2 ? 0x10 : 0x20);
	}
	ipi(w.vcpu[0], 0x0f, 0x4964);
	KUNIT_EXPECT_EQ(test, taken(0x64), BIT(2));
	/* One whose APIC is off in software is passed over. */
	wr(w.vcpu[2], APIC_SPIV, 0xff);
	ipi(w.vcpu[0], 0x06, 0x4964);
	KUNIT_EXPECT_EQ(test, taken(0x64), BIT(1));
	/* Equals take turns over the vectors. */
	wr(w.vcpu[2], APIC_SPIV, 0x1ff);
	wr(w.vcpu[2], APIC_TASKPRI, 0x20);
	for (i = 0x80; i < 0x90; i++) {
		ipi(w.vcpu[0], 0x0f, 0x4900 | i);
		once[__ffs(taken(i) | BIT(31)) % NR_VCPUS]++;
	}
	for (i = 0; i < NR_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, once[i], 4u);
}

static void test_delivery_modes(struct kunit *test)
{
	enable_all();
	ipi(w.vcpu[0], 1, 0x4400);
	KUNIT_EXPECT_EQ(test, w.nmis[1], 1u);
	ipi(w.vcpu[0], 0, 0xc4400);
	KUNIT_EXPECT_EQ(test, w.nmis[0], 0u);
	KUNIT_EXPECT_EQ(test, w.nmis[3], 1u);
	/* SMI and the reserved mode do nothing; ExtINT makes the vCPU look. */
	ipi(w.vcpu[0], 1, 0x4200);
	ipi(w.vcpu[0], 1, 0x4300);
	w.kicks[1] = 0;
	ipi(w.vcpu[0], 1, 0x4700);
	KUNIT_EXPECT_EQ(test, w.kicks[1], 1u);
	/* NMI reaches an APIC that is off in software, fixed does not. */
	wr(w.vcpu[1], APIC_SPIV, 0xff);
	ipi(w.vcpu[0], 1, 0x4400);
	KUNIT_EXPECT_EQ(test, w.nmis[1], 3u);
	ipi(w.vcpu[0], 1, 0x4070);
	KUNIT_EXPECT_EQ(test, taken(0x70), 0u);
	/* Nothing reaches one that is off in hardware. */
	khv_lapic_set_base(w.vcpu[1], 0xfee00000, false);
	ipi(w.vcpu[0], 1, 0x4400);
	ipi(w.vcpu[0], 0xff, 0x4400);
	KUNIT_EXPECT_EQ(test, w.nmis[1], 3u);
}

static void test_init_sipi(struct kunit *test)
{
	struct khv_vcpu *ap = w.vcpu[1], *bsp = w.vcpu[0];

	enable_all();
	ap->mp_state = KVM_MP_STATE_UNINITIALIZED;
	/* A SIPI without INIT is not heard. */
	ipi(bsp, 1, 0x4608);
	KUNIT_EXPECT_TRUE(test, khv_lapic_init_sipi_pending(ap));
	KUNIT_EXPECT_FALSE(test, khv_lapic_accept_events(ap));
	KUNIT_EXPECT_EQ(test, ap->mp_state, (u32)KVM_MP_STATE_UNINITIALIZED);

	ipi(bsp, 1, 0xc500);
	KUNIT_EXPECT_TRUE(test, test_bit(KHV_REQ_MP_STATE, &ap->requests));
	/* The level de-assert that used to follow changes nothing. */
	ipi(bsp, 1, 0x8500);
	KUNIT_EXPECT_TRUE(test, khv_lapic_accept_events(ap));
	KUNIT_EXPECT_EQ(test, w.resets[1], 1u);
	KUNIT_EXPECT_EQ(test, ap->mp_state, (u32)KVM_MP_STATE_INIT_RECEIVED);
	ipi(bsp, 1, 0x469a);
	KUNIT_EXPECT_TRUE(test, khv_lapic_accept_events(ap));
	KUNIT_EXPECT_EQ(test, ap->mp_state, (u32)KVM_MP_STATE_RUNNABLE);
	KUNIT_EXPECT_EQ(test, w.cs[1].selector, 0x9a00);
	KUNIT_EXPECT_EQ(test, w.cs[1].base, 0x9a000ULL);
	/* The second SIPI of the universal algorithm. */
	ipi(bsp, 1, 0x4608);
	KUNIT_EXPECT_FALSE(test, khv_lapic_accept_events(ap));
	KUNIT_EXPECT_EQ(test, w.cs[1].base, 0x9a000ULL);
	/* A SIPI before the INIT is void. */
	ipi(bsp, 1, 0x4611);
	ipi(bsp, 1, 0x4500);
	khv_lapic_accept_events(ap);
	KUNIT_EXPECT_EQ(test, ap->mp_state, (u32)KVM_MP_STATE_INIT_RECEIVED);
	/* INIT and SIPI before the vCPU looks. */
	ipi(bsp, 1, 0x4500);
	ipi(bsp, 1, 0x4622);
	khv_lapic_accept_events(ap);
	KUNIT_EXPECT_EQ(test, ap->mp_state, (u32)KVM_MP_STATE_RUNNABLE);
	KUNIT_EXPECT_EQ(test, w.cs[1].base, 0x22000ULL);
	KUNIT_EXPECT_FALSE(test, khv_lapic_init_sipi_pending(ap));
	/* The boot processor runs on from its reset vector. */
	ipi(ap, 0, 0x4500);
	khv_lapic_accept_events(bsp);
	KUNIT_EXPECT_EQ(test, bsp->mp_state, (u32)KVM_MP_STATE_RUNNABLE);
	KUNIT_EXPECT_EQ(test, w.resets[0], 1u);
}

static void test_errors(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[0];

	enable_all();
	wr(vcpu, APIC_LVTERR, 0xf3);
	ipi(vcpu, 1, 0x400f);
	KUNIT_EXPECT_EQ(test, taken(0xf3), BIT(0));
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_ESR), 0u);
	/* The same error again is no news before ESR was written. */
	ipi(vcpu, 1, 0x400f);
	KUNIT_EXPECT_EQ(test, taken(0xf3), 0u);
	wr(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_ESR), (u32)APIC_ESR_SENDILL);
	wr(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_ESR), 0u);
	/* Registers that are none. */
	rd(vcpu, 0x40);
	wr(vcpu, 0x3c0, 1);
	rd(vcpu, 0x400);
	wr(vcpu, 0xff0, 1);
	KUNIT_EXPECT_EQ(test, taken(0xf3), BIT(0));
	wr(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_ESR), (u32)APIC_ESR_ILLREGA);
	/* A local source with an illegal vector, the error's own included. */
	wr(vcpu, APIC_LVTERR, 0x05);
	wr(vcpu, APIC_LVT0, 0x03);
	khv_lapic_lint0(vcpu);
	wr(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_ESR), (u32)APIC_ESR_RECVILL);
	KUNIT_EXPECT_EQ(test, khv_lapic_highest(vcpu), -1);
}

static void test_lvt(struct kunit *test)
{
	struct khv_vcpu *vcpu = w.vcpu[0];

	/* Off in software, the mask cannot be cleared. */
	wr(vcpu, APIC_LVT0, 0x700);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVT0), 0x10700u);
	w.pic = true;
	KUNIT_EXPECT_FALSE(test, khv_lapic_accepts_pic(vcpu));
	enable(vcpu);
	wr(vcpu, APIC_LVT0, ~0u);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVT0), 0x1a7ffu);
	wr(vcpu, APIC_LVTT, ~0u);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVTT), 0x100ffu);
	wr(vcpu, APIC_LVTPC, ~0u);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVTPC), 0x107ffu);
	wr(vcpu, APIC_LVTERR, ~0u);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVTERR), 0x100ffu);
	wr(vcpu, APIC_LVT0, 0x700);
	KUNIT_EXPECT_TRUE(test, khv_lapic_accepts_pic(vcpu));
	w.pic = false;
	KUNIT_EXPECT_FALSE(test, khv_lapic_accepts_pic(vcpu));

	/* LINT0 in its three modes. */
	vcpu->requests = 0;
	khv_lapic_lint0(vcpu);
	KUNIT_EXPECT_TRUE(test, test_bit(KHV_REQ_EVENT, &vcpu->requests));
	wr(vcpu, APIC_LVT0, 0x400);
	khv_lapic_lint0(vcpu);
	KUNIT_EXPECT_EQ(test, w.nmis[0], 1u);
	wr(vcpu, APIC_LVT0, 0x41);
	khv_lapic_lint0(vcpu);
	KUNIT_EXPECT_EQ(test, taken(0x41), BIT(0));
	wr(vcpu, APIC_SPIV, 0xff);
	KUNIT_EXPECT_EQ(test, rd(vcpu, APIC_LVT0), 0x10041u);
	khv_lapic_lint0(vcpu);
	KUNIT_EXPECT_EQ(test, taken(0x41), 0u);
	/* Without an APIC the PIC has the processor's own pin. */
	w.pic = true;
	khv_lapic_set_base(vcpu, 0xfee00000, false);
	KUNIT_EXPECT_TRUE(test, khv_lapic_accepts_pic(vcpu));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(test_x2apic_icr),
	KUNIT_CASE(test_bitmap),
	KUNIT_CASE(test_destinations),
	KUNIT_CASE(test_device_broadcast),
	KUNIT_CASE(test_lowest_priority),
	KUNIT_CASE(test_delivery_modes),
	KUNIT_CASE(test_init_sipi),
	KUNIT_CASE(test_errors),
	KUNIT_CASE(test_lvt),
	{}
};

static struct kunit_suite suite = {
	.name = "khv_lapic_ipi",
	.init = setup,
	.exit = teardown,
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_LICENSE("GPL");
