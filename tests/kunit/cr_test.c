// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control and debug registers, EFER and XCR0 as a guest writes them, and the
 * states that a client may set.
 */
#include "x86_fake.h"
#include "x86/cr.c"
#include "x86/regs.c"

#define PE	X86_CR0_PE
#define PG	X86_CR0_PG
#define PAE	X86_CR4_PAE

static int refreshes;

void khv_cpuid_refresh(struct khv_vcpu *vcpu)
{
	refreshes++;
}

static u64 host_features;

u64 khv_cpuid_host_features(void)
{
	return host_features;
}

void khv_cpuid_query(struct khv_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	*eax = 0x306c3;
}

void khv_xstate_switch_xcr0(struct khv_vcpu *vcpu)
{
}

void khv_shadow_mode_changed(struct khv_vcpu *vcpu)
{
}

void khv_shadow_new_cr3(struct khv_vcpu *vcpu)
{
}

#define ALL_FEATURES (BIT_ULL(KHV_NR_FEATURES) - 1)

/* One write: the state before, the value, and what comes of it. */
struct write_case {
	u64 cr0, cr4, efer, cr3;
	bool cs_l;
	u64 val;
	int want;
	u64 want_efer;
	bool want_flush;
};

static struct khv_vcpu *prepare(struct kunit *test, const struct write_case *c)
{
	struct khv_vcpu *vcpu = fake_vcpu(test);

	vcpu->regs.cr0 = c->cr0;
	vcpu->regs.cr3 = c->cr3;
	vcpu->regs.cr4 = c->cr4;
	vcpu->regs.efer = c->efer;
	fake.seg[KHV_SEG_CS].l = c->cs_l;
	vcpu->cpuid.nent = 1;
	vcpu->cpuid.features = ALL_FEATURES;
	vcpu->cpuid.maxphyaddr = 40;
	vcpu->cpuid.cr3_reserved = GENMASK_ULL(63, 40);
	refreshes = 0;
	return vcpu;
}

static void check(struct kunit *test, const struct write_case *c, int n,
		  int (*write)(struct khv_vcpu *vcpu, u64 val), const char *what)
{
	int i;

	for (i = 0; i < n; i++, c++) {
		struct khv_vcpu *vcpu = prepare(test, c);

		KUNIT_EXPECT_EQ_MSG(test, write(vcpu, c->val), c->want, "%s case %d", what, i);
		if (c->want) {
			KUNIT_EXPECT_EQ_MSG(test, vcpu->regs.efer, c->efer, "%s case %d", what, i);
			KUNIT_EXPECT_EQ_MSG(test, vcpu->regs.cr0, c->cr0, "%s case %d", what, i);
			KUNIT_EXPECT_EQ_MSG(test, vcpu->regs.cr4, c->cr4, "%s case %d", what, i);
			KUNIT_EXPECT_EQ_MSG(test, vcpu->regs.cr3, c->cr3, "%s case %d", what, i);
			continue;
		}
		KUNIT_EXPECT_EQ_MSG(test, vcpu->regs.efer, c->want_efer, "%s case %d", what, i);
		KUNIT_EXPECT_EQ_MSG(test, fake.flushes > 0, c->want_flush, "%s case %d", what, i);
	}
}

#define LME	EFER_LME
#define LMA	EFER_LMA

static const struct write_case cr0_cases[] = {
	/* Combinations that do not exist. */
	{ .val = PG, .want = 1 },
	{ .val = PE | X86_CR0_NW, .want = 1 },
	{ .val = BIT_ULL(32) | PE, .want = 1 },
	{ .val = ~0ULL, .want = 1 },
	{ .val = PE | X86_CR0_NW | X86_CR0_CD },
	{ .val = PE },
	/* 32-bit paging. */
	{ .cr0 = PE, .val = PE | PG, .want_flush = true },
	/* PAE paging, good and bad PDPTEs below. */
	{ .cr0 = PE, .cr4 = PAE, .val = PE | PG, .want_flush = true },
	/* Long mode. */
	{ .cr0 = PE, .cr4 = PAE, .efer = LME, .val = PE | PG, .want_efer = LME | LMA,
	  .want_flush = true },
	{ .cr0 = PE, .efer = LME, .val = PE | PG, .want = 1 },
	{ .cr0 = PE, .cr4 = PAE, .efer = LME, .cs_l = true, .val = PE | PG, .want = 1 },
	/* And out of it, from compatibility mode only. */
	{ .cr0 = PE | PG, .cr4 = PAE, .efer = LME | LMA, .val = PE, .want_efer = LME,
	  .want_flush = true },
	{ .cr0 = PE | PG, .cr4 = PAE, .efer = LME | LMA, .cs_l = true, .val = PE, .want = 1 },
	{ .cr0 = PE | PG, .cr4 = PAE | X86_CR4_PCIDE, .efer = LME | LMA, .val = PE, .want = 1 },
	/* WP and TS leave translations alone. */
	{ .cr0 = PE | PG, .val = PE | PG | X86_CR0_WP | X86_CR0_TS },
};

static void cr0_rules(struct kunit *test)
{
	struct write_case bad = { .cr0 = PE, .cr4 = PAE, .val = PE | PG };
	struct khv_vcpu *vcpu;

	check(test, cr0_cases, ARRAY_SIZE(cr0_cases), khv_write_cr0, "CR0");

	vcpu = prepare(test, &bad);
	fake.bad_pdpte = true;
	KUNIT_EXPECT_EQ(test, khv_write_cr0(vcpu, bad.val), 1);
	KUNIT_EXPECT_EQ(test, vcpu->regs.cr0, bad.cr0);
	/* With good ones the hardware gets them after CR0 says PAE paging. */
	vcpu = prepare(test, &bad);
	vcpu->regs.cr3 = 0x1000;
	KUNIT_EXPECT_EQ(test, khv_write_cr0(vcpu, bad.val), 0);
	KUNIT_EXPECT_EQ(test, vcpu->regs.pdpte[0], 0x1001ULL);
	KUNIT_EXPECT_EQ(test, fake.cr3_writes, 1);
	/* Reserved bits below 32 are ignored, ET reads as one. */
	vcpu = prepare(test, &bad);
	KUNIT_EXPECT_EQ(test, khv_write_cr0(vcpu, PE | BIT(10)), 0);
	KUNIT_EXPECT_EQ(test, vcpu->regs.cr0, (u64)(PE | X86_CR0_ET));
}

static const struct write_case cr3_cases[] = {
	{ .cr0 = PE | PG, .val = 0x5000, .want_flush = true },
	{ .cr0 = PE | PG, .cr4 = PAE, .efer = LME | LMA, .val = 0x5000, .want_efer = LME | LMA,
	  .want_flush = true },
	{ .cr0 = PE | PG, .cr4 = PAE, .efer = LME | LMA, .val = BIT_ULL(40), .want = 1 },
	{ .cr0 = PE | PG, .cr4 = PAE, .efer = LME | LMA, .val = BIT_ULL(63), .want = 1 },
	{ .cr0 = PE | PG, .cr4 = PAE | X86_CR4_PCIDE, .efer = LME | LMA,
	  .val = BIT_ULL(63) | 0x5001, .want_efer = LME | LMA },
	{ .cr0 = PE | PG, .cr4 = PAE | X86_CR4_PCIDE, .efer = LME | LMA,
	  .val = 0x5001, .want_efer = LME | LMA, .want_flush = true },
	{ .cr0 = PE | PG, .cr4 = PAE | X86_CR4_PCIDE, .efer = LME | LMA,
	  .val = BIT_ULL(62), .want = 1 },
};

static void cr3_rules(struct kunit *test)
{
	struct khv_vcpu *vcpu;

	check(test, cr3_cases, ARRAY_SIZE(cr3_cases), khv_write_cr3, "CR3");
	vcpu = prepare(test, &cr3_cases[4]);
	KUNIT_EXPECT_EQ(test, khv_write_cr3(vcpu, cr3_cases[4].val), 0);
	KUNIT_EXPECT_EQ(test, vcpu->regs.cr3, 0x5001ULL);
}

static const struct write_case cr4_cases[] = {
	{ .val = X86_CR4_VMXE, .want = 1 },
	{ .val = X86_CR4_LA57, .want = 1 },
	{ .val = X86_CR4_SMXE, .want = 1 },
	{ .val = BIT_ULL(32), .want = 1 },
	{ .val = X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT },
	{ .val = X86_CR4_PGE, .want_flush = true },
	{ .cr0 = PE | PG, .cr4 = PAE, .efer = LME | LMA, .val = 0, .want = 1 },
	/* PCIDs only in long mode, and with PCID 0 in CR3. */
	{ .cr0 = PE | PG, .cr4 = PAE, .efer = LME | LMA, .val = PAE | X86_CR4_PCIDE,
	  .want_efer = LME | LMA, .want_flush = true },
	{ .cr0 = PE | PG, .cr4 = PAE, .efer = LME | LMA, .cr3 = 0x1001,
	  .val = PAE | X86_CR4_PCIDE, .want = 1 },
	{ .cr0 = PE | PG, .cr4 = PAE, .val = PAE | X86_CR4_PCIDE, .want = 1 },
	{ .cr0 = PE | PG, .val = PAE, .want_flush = true },
};

static void cr4_rules(struct kunit *test)
{
	struct write_case none = { };
	static const u64 optional[] = {
		X86_CR4_OSXSAVE, X86_CR4_SMEP, X86_CR4_SMAP, X86_CR4_FSGSBASE, X86_CR4_UMIP,
		X86_CR4_PKE,
	};
	struct khv_vcpu *vcpu;
	int i;

	check(test, cr4_cases, ARRAY_SIZE(cr4_cases), khv_write_cr4, "CR4");

	for (i = 0; i < ARRAY_SIZE(optional); i++) {
		vcpu = prepare(test, &none);
		KUNIT_EXPECT_EQ(test, khv_write_cr4(vcpu, optional[i]), 0);
		vcpu = prepare(test, &none);
		vcpu->cpuid.features = 0;
		KUNIT_EXPECT_EQ(test, khv_write_cr4(vcpu, optional[i]), 1);
	}
	vcpu = prepare(test, &none);
	KUNIT_EXPECT_EQ(test, khv_write_cr4(vcpu, X86_CR4_OSXSAVE), 0);
	KUNIT_EXPECT_EQ(test, refreshes, 1);
	/* Without CPUID it is the host that counts. */
	vcpu->cpuid.nent = 0;
	vcpu->cpuid.features = 0;
	host_features = BIT_ULL(KHV_F_SMEP);
	KUNIT_EXPECT_EQ(test, khv_write_cr4(vcpu, X86_CR4_SMEP), 0);
	KUNIT_EXPECT_EQ(test, khv_write_cr4(vcpu, X86_CR4_SMAP), 1);
	/* Bad PDPTEs stop a PAE guest that turns on PGE. */
	none.cr0 = PE | PG;
	none.cr4 = PAE;
	vcpu = prepare(test, &none);
	fake.bad_pdpte = true;
	KUNIT_EXPECT_EQ(test, khv_write_cr4(vcpu, PAE | X86_CR4_PGE), 1);
}

static void efer_rules(struct kunit *test)
{
	struct write_case paging = { .cr0 = PE | PG, .cr4 = PAE, .efer = LME | LMA }, off = { };
	struct khv_vcpu *vcpu = prepare(test, &off);

	KUNIT_EXPECT_EQ(test, khv_write_efer(vcpu, EFER_SCE | LME | EFER_NX), 0);
	KUNIT_EXPECT_EQ(test, vcpu->regs.efer, (u64)(EFER_SCE | LME | EFER_NX));
	KUNIT_EXPECT_EQ(test, khv_write_efer(vcpu, BIT_ULL(12)), 1);	/* SVME */
	KUNIT_EXPECT_EQ(test, khv_write_efer(vcpu, BIT_ULL(40)), 1);
	/* LMA is not the guest's to write. */
	KUNIT_EXPECT_EQ(test, khv_write_efer(vcpu, LMA), 0);
	KUNIT_EXPECT_EQ(test, vcpu->regs.efer, 0ULL);
	vcpu = prepare(test, &paging);
	KUNIT_EXPECT_EQ(test, khv_write_efer(vcpu, 0), 1);
	KUNIT_EXPECT_EQ(test, khv_write_efer(vcpu, LME), 0);
	KUNIT_EXPECT_EQ(test, vcpu->regs.efer, (u64)(LME | LMA));
	vcpu = prepare(test, &off);
	vcpu->cpuid.features = 0;
	KUNIT_EXPECT_EQ(test, khv_write_efer(vcpu, LME), 1);
	KUNIT_EXPECT_EQ(test, khv_write_efer(vcpu, EFER_NX), 1);
	KUNIT_EXPECT_EQ(test, khv_write_efer_host(vcpu, EFER_NX), 0);
}

static void xcr0_rules(struct kunit *test)
{
	static const struct { u64 val; int want; } tries[] = {
		{ 0, 1 }, { 1, 0 }, { 2, 1 }, { 3, 0 }, { 5, 1 }, { 7, 0 }, { 0xe7, 0 },
		{ 0xe3, 1 }, { 0x27, 1 }, { 0x67, 1 }, { 0x207, 0 }, { 0x2e7, 0 }, { 0x18 | 7, 1 },
		{ 1ULL << 63 | 7, 1 },
	};
	struct write_case none = { };
	struct khv_vcpu *vcpu = prepare(test, &none);
	int i;

	vcpu->cpuid.xcr0_allowed = 0x2e7;
	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		vcpu->xstate.xcr0 = 1;
		KUNIT_EXPECT_EQ_MSG(test, khv_write_xcr0(vcpu, tries[i].val), tries[i].want,
				    "%llx", tries[i].val);
		KUNIT_EXPECT_EQ(test, vcpu->xstate.xcr0, tries[i].want ? 1ULL : tries[i].val);
	}
	vcpu->cpuid.xcr0_allowed = 3;
	KUNIT_EXPECT_EQ(test, khv_write_xcr0(vcpu, 7), 1);
}

static void dr_rules(struct kunit *test)
{
	struct write_case none = { };
	struct khv_vcpu *vcpu = prepare(test, &none);
	u64 val;

	KUNIT_EXPECT_EQ(test, khv_write_dr(vcpu, 3, ~0ULL), 0);
	KUNIT_EXPECT_EQ(test, khv_write_dr(vcpu, 6, 0), 0);
	KUNIT_EXPECT_EQ(test, vcpu->regs.dr6, 0xffff0ff0ULL);
	KUNIT_EXPECT_EQ(test, khv_write_dr(vcpu, 7, 0xffffffff), 0);
	KUNIT_EXPECT_EQ(test, vcpu->regs.dr7, 0xffff2fffULL);
	KUNIT_EXPECT_EQ(test, khv_write_dr(vcpu, 7, BIT_ULL(32)), 1);
	KUNIT_EXPECT_EQ(test, khv_write_dr(vcpu, 6, BIT_ULL(63)), 1);
	KUNIT_EXPECT_EQ(test, khv_read_dr(vcpu, 5, &val), 0);
	KUNIT_EXPECT_EQ(test, val, vcpu->regs.dr7);
	vcpu->regs.cr4 = X86_CR4_DE;
	KUNIT_EXPECT_EQ(test, khv_read_dr(vcpu, 4, &val), 2);
	KUNIT_EXPECT_EQ(test, khv_write_dr(vcpu, 5, 0), 2);
	KUNIT_EXPECT_EQ(test, khv_write_dr(vcpu, 8, 0), 2);
	KUNIT_EXPECT_EQ(test, khv_write_dr(vcpu, -1, 0), 2);
}

static void cr8_rules(struct kunit *test)
{
	struct write_case none = { };
	struct khv_vcpu *vcpu = prepare(test, &none);

	KUNIT_EXPECT_EQ(test, khv_write_cr8(vcpu, 15), 0);
	KUNIT_EXPECT_EQ(test, khv_read_cr8(vcpu), 15ULL);
	KUNIT_EXPECT_EQ(test, khv_write_cr8(vcpu, 16), 1);
}

/* A state as after reset, changed one way. */
static int try_sregs(struct kunit *test, void (*change)(struct kvm_sregs *s))
{
	struct write_case none = { };
	struct khv_vcpu *vcpu = prepare(test, &none);
	struct kvm_sregs sregs, after;
	int ret;

	khv_regs_reset(vcpu, false);
	khv_get_sregs(vcpu, &sregs);
	change(&sregs);
	ret = khv_set_sregs(vcpu, &sregs);
	khv_get_sregs(vcpu, &after);
	/* All or nothing. */
	if (!ret)
		KUNIT_EXPECT_EQ(test, memcmp(&sregs, &after, sizeof(after)), 0);
	else
		KUNIT_EXPECT_EQ(test, after.cr0, (u64)(RESET_CR0));
	return ret;
}

static void long_mode(struct kvm_sregs *s)
{
	s->cr0 = PE | PG | X86_CR0_ET;
	s->cr4 = PAE;
	s->efer = LME | LMA;
	s->cs.l = 1;
}

static void no_change(struct kvm_sregs *s) { }
static void bad_cr0(struct kvm_sregs *s) { s->cr0 = PG; }
static void bad_cr4(struct kvm_sregs *s) { s->cr4 = X86_CR4_VMXE; }
static void bad_efer(struct kvm_sregs *s) { s->efer = BIT_ULL(12); }
static void bad_cr8(struct kvm_sregs *s) { s->cr8 = 16; }
static void bad_apic(struct kvm_sregs *s) { s->apic_base = X2APIC_ENABLE; }
static void lma_alone(struct kvm_sregs *s) { s->efer = LMA; }
static void l_alone(struct kvm_sregs *s) { s->cs.l = 1; }
static void no_pae(struct kvm_sregs *s) { long_mode(s); s->cr4 &= ~(u64)PAE; }
static void no_lma(struct kvm_sregs *s) { long_mode(s); s->efer = LME; }
static void wide_cr3(struct kvm_sregs *s) { long_mode(s); s->cr3 = BIT_ULL(40); }
static void pcide_outside(struct kvm_sregs *s) { s->cr4 = X86_CR4_PCIDE; }

static void sregs_rules(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, try_sregs(test, no_change), 0);
	KUNIT_EXPECT_EQ(test, try_sregs(test, long_mode), 0);
	KUNIT_EXPECT_EQ(test, try_sregs(test, bad_cr0), -EINVAL);
	KUNIT_EXPECT_EQ(test, try_sregs(test, bad_cr4), -EINVAL);
	KUNIT_EXPECT_EQ(test, try_sregs(test, bad_efer), -EINVAL);
	KUNIT_EXPECT_EQ(test, try_sregs(test, bad_cr8), -EINVAL);
	KUNIT_EXPECT_EQ(test, try_sregs(test, bad_apic), -EINVAL);
	KUNIT_EXPECT_EQ(test, try_sregs(test, lma_alone), -EINVAL);
	KUNIT_EXPECT_EQ(test, try_sregs(test, l_alone), -EINVAL);
	KUNIT_EXPECT_EQ(test, try_sregs(test, no_pae), -EINVAL);
	KUNIT_EXPECT_EQ(test, try_sregs(test, no_lma), -EINVAL);
	KUNIT_EXPECT_EQ(test, try_sregs(test, wide_cr3), -EINVAL);
	KUNIT_EXPECT_EQ(test, try_sregs(test, pcide_outside), 0);
}

static void reset_state(struct kunit *test)
{
	struct write_case none = { .cr0 = PE | PG | X86_CR0_CD, .cr4 = PAE, .efer = LME | LMA };
	struct khv_vcpu *vcpu = prepare(test, &none);

	khv_regs_reset(vcpu, true);
	/* INIT keeps the cache bits of CR0. */
	KUNIT_EXPECT_EQ(test, vcpu->regs.cr0, (u64)(X86_CR0_CD | X86_CR0_ET));
	KUNIT_EXPECT_EQ(test, vcpu->regs.efer, 0ULL);
	khv_regs_reset(vcpu, false);
	KUNIT_EXPECT_EQ(test, vcpu->regs.cr0, 0x60000010ULL);
	KUNIT_EXPECT_EQ(test, khv_rip(vcpu), 0xfff0ULL);
	KUNIT_EXPECT_EQ(test, khv_rflags(vcpu), 2ULL);
	KUNIT_EXPECT_EQ(test, vcpu->regs.gpr[KHV_RDX], 0x306c3ULL);
	KUNIT_EXPECT_EQ(test, fake.seg[KHV_SEG_CS].base, 0xffff0000ULL);
	KUNIT_EXPECT_EQ(test, fake.seg[KHV_SEG_CS].selector, (u16)0xf000);
	KUNIT_EXPECT_EQ(test, fake.seg[KHV_SEG_TR].type, (u8)11);
	KUNIT_EXPECT_EQ(test, fake.dtable[1].limit, (u16)0xffff);
}

static struct kunit_case cr_cases[] = {
	KUNIT_CASE(cr0_rules),
	KUNIT_CASE(cr3_rules),
	KUNIT_CASE(cr4_rules),
	KUNIT_CASE(efer_rules),
	KUNIT_CASE(xcr0_rules),
	KUNIT_CASE(dr_rules),
	KUNIT_CASE(cr8_rules),
	KUNIT_CASE(sregs_rules),
	KUNIT_CASE(reset_state),
	{}
};

static struct kunit_suite cr_suite = {
	.name = "khv_cr",
	.test_cases = cr_cases,
};

kunit_test_suite(cr_suite);

MODULE_DESCRIPTION("khv: tests of control registers");
MODULE_LICENSE("GPL");
