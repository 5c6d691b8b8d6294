// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended state: what clients may put into the buffer, and that it survives
 * a round trip through this host's registers.
 */
#include "x86_fake.h"
#include "x86/xstate.c"

int khv_write_xcr0(struct khv_vcpu *vcpu, u64 val)
{
	if (!(val & 1) || (val & ~host_mask))
		return 1;
	vcpu->xstate.xcr0 = val;
	return 0;
}

static struct khv_vcpu *guest(struct kunit *test)
{
	struct khv_vcpu *vcpu = fake_vcpu(test);

	KUNIT_ASSERT_EQ(test, khv_xstate_init(), 0);
	KUNIT_ASSERT_EQ(test, khv_xstate_create(vcpu), 0);
	KUNIT_ASSERT_TRUE(test, IS_ALIGNED((unsigned long)vcpu->xstate.area, 64));
	return vcpu;
}

static void sizes(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);
	u32 eax, ebx, ecx, edx;

	if (have_xsave) {
		KUNIT_EXPECT_EQ(test, khv_xstate_required_size(0, false), 576U);
		KUNIT_EXPECT_EQ(test, khv_xstate_required_size(3, true), 576U);
		if (host_mask & XFEATURE_MASK_YMM)
			KUNIT_EXPECT_EQ(test, khv_xstate_required_size(7, false), 832U);
		KUNIT_EXPECT_EQ(test, khv_xstate_required_size(~0ULL, false), khv_xstate_size());
		/* With the host's own mask, the processor's answer. */
		if (xgetbv(0) == host_mask) {
			cpuid_count(0xd, 0, &eax, &ebx, &ecx, &edx);
			KUNIT_EXPECT_EQ(test, khv_xstate_required_size(host_mask, false), ebx);
		}
	}
	KUNIT_EXPECT_LE(test, khv_xstate_size(), (unsigned int)MAX_AREA);
	khv_xstate_destroy(vcpu);
}

static void hostile_xsave(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);
	u8 *buf = kunit_kzalloc(test, MAX_AREA, GFP_KERNEL);
	struct fxregs_state *fx = (void *)buf;
	struct xstate_header *hdr = (void *)(buf + 512);
	u64 known;
	int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, khv_get_xsave(vcpu, buf, MAX_AREA), 0);
	known = have_xsave ? host_mask : XFEATURE_MASK_FPSSE;
	KUNIT_EXPECT_EQ(test, fx->cwd, (u16)0x37f);
	KUNIT_EXPECT_EQ(test, fx->mxcsr, 0x1f80U);
	KUNIT_EXPECT_EQ(test, khv_set_xsave(vcpu, buf, MAX_AREA), 0);
	KUNIT_EXPECT_EQ(test, khv_set_xsave(vcpu, buf, area_size - 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, khv_get_xsave(vcpu, buf, area_size - 1), -EINVAL);

	fx->mxcsr = ~mxcsr_mask;
	KUNIT_EXPECT_EQ(test, khv_set_xsave(vcpu, buf, MAX_AREA), -EINVAL);
	fx->mxcsr = 0x1f80;
	for (i = 0; i < 64; i++) {
		hdr->xfeatures = BIT_ULL(i);
		KUNIT_EXPECT_EQ_MSG(test, khv_set_xsave(vcpu, buf, MAX_AREA),
				    known & BIT_ULL(i) ? 0 : -EINVAL, "bit %d", i);
		hdr->xfeatures = 0;
		hdr->xcomp_bv = BIT_ULL(i);
		KUNIT_EXPECT_EQ(test, khv_set_xsave(vcpu, buf, MAX_AREA), -EINVAL);
		hdr->xcomp_bv = 0;
	}
	for (i = 0; i < 48; i++) {
		((u8 *)hdr->reserved)[i] = 1;
		KUNIT_EXPECT_EQ(test, khv_set_xsave(vcpu, buf, MAX_AREA), -EINVAL);
		((u8 *)hdr->reserved)[i] = 0;
	}
	KUNIT_EXPECT_EQ(test, khv_set_xsave(vcpu, buf, MAX_AREA), 0);
	khv_xstate_destroy(vcpu);
}

/* In and out of the registers, as a region does it. */
static void through_registers(struct khv_vcpu *vcpu)
{
	unsigned long flags;

	kernel_fpu_begin();
	local_irq_save(flags);
	khv_xstate_load(vcpu);
	khv_xstate_save(vcpu);
	local_irq_restore(flags);
	kernel_fpu_end();
}

static void round_trip(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);
	struct kvm_fpu *fpu = kunit_kzalloc(test, 2 * sizeof(*fpu), GFP_KERNEL);
	u8 xmm[16], want[16];
	u64 xcr0 = have_xsave ? xgetbv(0) : 0;
	int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fpu);
	/* Initial state stays so. */
	through_registers(vcpu);
	khv_get_fpu(vcpu, &fpu[0]);
	KUNIT_EXPECT_EQ(test, fpu[0].fcw, (u16)0x37f);
	KUNIT_EXPECT_EQ(test, fpu[0].mxcsr, 0x1f80U);

	for (i = 0; i < sizeof(fpu[0].xmm); i++)
		((u8 *)fpu[0].xmm)[i] = i * 7 + 1;
	fpu[0].fcw = 0x27f;
	fpu[0].mxcsr = 0x1fa0;
	KUNIT_EXPECT_EQ(test, khv_set_fpu(vcpu, &fpu[0]), 0);
	vcpu->regs.cr4 = X86_CR4_OSXSAVE;
	vcpu->xstate.xcr0 = 1;
	through_registers(vcpu);
	khv_get_fpu(vcpu, &fpu[1]);
	KUNIT_EXPECT_EQ(test, memcmp(fpu[0].xmm, fpu[1].xmm, sizeof(fpu[0].xmm)), 0);
	KUNIT_EXPECT_EQ(test, fpu[1].fcw, (u16)0x27f);
	KUNIT_EXPECT_EQ(test, fpu[1].mxcsr, 0x1fa0U);
	/* The guest's XCR0 did not stay behind. */
	if (have_xsave)
		KUNIT_EXPECT_EQ(test, xgetbv(0), xcr0);

	memset(want, 0x5a, sizeof(want));
	khv_xstate_write_xmm(vcpu, 9, want);
	through_registers(vcpu);
	khv_xstate_read_xmm(vcpu, 9, xmm);
	KUNIT_EXPECT_EQ(test, memcmp(xmm, want, sizeof(xmm)), 0);

	fpu[0].mxcsr = 1U << 31;
	KUNIT_EXPECT_EQ(test, khv_set_fpu(vcpu, &fpu[0]), -EINVAL);
	khv_xstate_destroy(vcpu);
}

/* Should the checks ever miss something, the host goes on. */
static void bad_buffer_is_caught(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);

	kernel_fpu_begin();
	if (have_xsave) {
		header(vcpu)->xcomp_bv = 1;
		KUNIT_EXPECT_FALSE(test, try_xrstor(vcpu->xstate.area, host_mask));
		header(vcpu)->xcomp_bv = 0;
		KUNIT_EXPECT_TRUE(test, try_xrstor(vcpu->xstate.area, host_mask));
	}
	kernel_fpu_end();
	khv_xstate_destroy(vcpu);
}

static void xcrs(struct kunit *test)
{
	struct khv_vcpu *vcpu = guest(test);
	struct kvm_xcrs x = { };

	khv_get_xcrs(vcpu, &x);
	if (!have_xsave) {
		KUNIT_EXPECT_EQ(test, khv_set_xcrs(vcpu, &x), -EINVAL);
		return;
	}
	KUNIT_EXPECT_EQ(test, x.nr_xcrs, 1U);
	KUNIT_EXPECT_EQ(test, x.xcrs[0].value, 1ULL);
	KUNIT_EXPECT_EQ(test, khv_set_xcrs(vcpu, &x), 0);
	x.xcrs[0].value = 0;
	KUNIT_EXPECT_EQ(test, khv_set_xcrs(vcpu, &x), -EINVAL);
	x.nr_xcrs = KVM_MAX_XCRS + 1;
	KUNIT_EXPECT_EQ(test, khv_set_xcrs(vcpu, &x), -EINVAL);
	x.nr_xcrs = 0;
	x.flags = 1;
	KUNIT_EXPECT_EQ(test, khv_set_xcrs(vcpu, &x), -EINVAL);
	khv_xstate_destroy(vcpu);
}

static struct kunit_case xstate_cases[] = {
	KUNIT_CASE(sizes),
	KUNIT_CASE(hostile_xsave),
	KUNIT_CASE(round_trip),
	KUNIT_CASE(bad_buffer_is_caught),
	KUNIT_CASE(xcrs),
	{}
};

static struct kunit_suite xstate_suite = {
	.name = "khv_xstate",
	.test_cases = xstate_cases,
};

kunit_test_suite(xstate_suite);

MODULE_DESCRIPTION("khv: tests of extended state");
MODULE_LICENSE("GPL");
