// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register ioctls: what was set is read back, and what no processor can hold
 * is refused.
 */
#include <asm/processor-flags.h>
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "ksft.h"

#define EFER_LME	0x100
#define EFER_LMA	0x400

static struct vcpu *create(void)
{
	return vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);
}

static void guest_nothing(void)
{
}

/* In 64-bit mode, so that nothing is cut to 32 bits. */
static struct vcpu *create_long_mode(void)
{
	struct vcpu *vcpu = create();

	guest_start(vcpu, guest_nothing);
	return vcpu;
}

static void test_reset(void)
{
	struct vcpu *vcpu = create();
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	EXPECT_EQ(regs.rip, 0xfff0);
	EXPECT_EQ(regs.rflags, 2);
	EXPECT_EQ(regs.rax, 0);
	vcpu_get_sregs(vcpu, &sregs);
	EXPECT_EQ(sregs.cs.base, 0xffff0000);
	EXPECT_EQ(sregs.cs.selector, 0xf000);
	EXPECT_EQ(sregs.cs.limit, 0xffff);
	EXPECT_EQ(sregs.ds.base, 0);
	EXPECT_EQ(sregs.gdt.limit, 0xffff);
	EXPECT_EQ(sregs.idt.limit, 0xffff);
	EXPECT_EQ(sregs.cr0, X86_CR0_ET | X86_CR0_NW | X86_CR0_CD);
	EXPECT_EQ(sregs.cr3, 0);
	EXPECT_EQ(sregs.cr4, 0);
	EXPECT_EQ(sregs.efer, 0);
	EXPECT_EQ(sregs.apic_base & 0xfffff000, 0xfee00000);
}

static void test_regs(void)
{
	struct vcpu *vcpu = create_long_mode();
	struct kvm_regs set, got;
	uint64_t *reg = (uint64_t *)&set;
	size_t i;

	for (i = 0; i < sizeof(set) / sizeof(*reg); i++)
		reg[i] = 0x8000000000000000 | i * 0x0101010101010101;
	set.rip = 0x7fffffffffff;
	set.rflags = X86_EFLAGS_FIXED | X86_EFLAGS_CF | X86_EFLAGS_IF;
	vcpu_set_regs(vcpu, &set);
	vcpu_get_regs(vcpu, &got);
	EXPECT(!memcmp(&set, &got, sizeof(set)));

	set.rflags = X86_EFLAGS_ZF;	/* bit 1 is always set */
	vcpu_set_regs(vcpu, &set);
	vcpu_get_regs(vcpu, &got);
	EXPECT_EQ(got.rflags, X86_EFLAGS_FIXED | X86_EFLAGS_ZF);
}

static void test_sregs(void)
{
	struct vcpu *vcpu = create_long_mode();
	struct kvm_sregs set, got;

	vcpu_get_sregs(vcpu, &set);
	set.fs.base = 0x7fff12345678;
	set.gs.base = 0xffff888012345678;
	set.gs.limit = 0x12fff;
	set.gs.g = 0;
	set.ldt = (struct kvm_segment) {
		.base = 0x123000, .limit = 0x77, .selector = 0x58, .type = 2, .present = 1,
	};
	set.gdt.base = 0xffff880000001000;
	set.gdt.limit = 0x7f;
	set.idt.base = 0xffff880000002000;
	set.idt.limit = 0xfff;
	set.cr2 = 0x1234567890abcdef;
	set.cr3 = 0x5000;
	set.cr0 |= X86_CR0_TS | X86_CR0_AM;
	set.cr4 |= X86_CR4_PGE | X86_CR4_DE;
	set.cr8 = 5;
	vcpu_set_sregs(vcpu, &set);
	vcpu_get_sregs(vcpu, &got);
	EXPECT(!memcmp(&set.cs, &got.cs, 8 * sizeof(set.cs)), "segments");
	EXPECT_EQ(got.fs.base, set.fs.base);
	EXPECT_EQ(got.gs.base, set.gs.base);
	EXPECT_EQ(got.gs.limit, set.gs.limit);
	EXPECT_EQ(got.ldt.base, set.ldt.base);
	EXPECT_EQ(got.ldt.selector, set.ldt.selector);
	EXPECT_EQ(got.gdt.base, set.gdt.base);
	EXPECT_EQ(got.gdt.limit, set.gdt.limit);
	EXPECT_EQ(got.idt.base, set.idt.base);
	EXPECT_EQ(got.idt.limit, set.idt.limit);
	EXPECT_EQ(got.cr0, set.cr0);
	EXPECT_EQ(got.cr2, set.cr2);
	EXPECT_EQ(got.cr3, set.cr3);
	EXPECT_EQ(got.cr4, set.cr4);
	EXPECT_EQ(got.cr8, set.cr8);
	EXPECT_EQ(got.efer, set.efer);
	EXPECT_EQ(got.apic_base, set.apic_base);
}

static void expect_refused(struct vcpu *vcpu, const char *what, struct kvm_sregs sregs)
{
	int ret = try_ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);

	EXPECT(ret == -EINVAL, "%s: %d", what, ret);
}

static void test_invalid_sregs(void)
{
	struct vcpu *vcpu = create_long_mode();
	struct kvm_sregs good, bad;

	vcpu_get_sregs(vcpu, &good);
#define BAD(what, change) do { bad = good; change; expect_refused(vcpu, what, bad); } while (0)
	BAD("CR4 reserved bit", bad.cr4 |= 1UL << 31);
	BAD("CR4.VMXE without VMX", bad.cr4 |= 1UL << 63);
	BAD("LME and paging without PAE", bad.cr4 &= ~X86_CR4_PAE);
	BAD("LMA without LME", bad.efer &= ~(uint64_t)EFER_LME);
	BAD("L without long mode", (bad.efer = 0, bad.cr0 &= ~X86_CR0_PG));
	BAD("CR3 beyond the physical width", bad.cr3 = 1ULL << 60);
#undef BAD
	vcpu_set_sregs(vcpu, &good);
}

static void test_fpu(void)
{
	struct vcpu *vcpu = create();
	struct kvm_fpu set, got;
	unsigned int i, k;

	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_FPU, &set), 0);
	EXPECT_EQ(set.fcw, 0x37f);
	for (i = 0; i < 8; i++)
		for (k = 0; k < 10; k++)
			set.fpr[i][k] = 16 * i + k;
	for (i = 0; i < 16; i++)
		for (k = 0; k < 16; k++)
			set.xmm[i][k] = 16 * i + k;
	set.fcw = 0x27f;
	set.fsw = 0x3800;
	set.ftwx = 0xff;
	set.last_opcode = 0x123;
	set.last_ip = 0x12345678;
	set.last_dp = 0x23456789;
	set.mxcsr = 0x1fa0;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_FPU, &set), 0);
	memset(&got, 0, sizeof(got));
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_FPU, &got), 0);
	EXPECT_EQ(got.fcw, set.fcw);
	EXPECT_EQ(got.fsw, set.fsw);
	EXPECT_EQ(got.ftwx, set.ftwx);
	EXPECT_EQ(got.last_opcode, set.last_opcode);
	EXPECT_EQ(got.last_ip, set.last_ip);
	EXPECT_EQ(got.last_dp, set.last_dp);
	for (i = 0; i < 8; i++)
		EXPECT(!memcmp(got.fpr[i], set.fpr[i], 10), "ST%u", i);
	EXPECT(!memcmp(got.xmm, set.xmm, sizeof(set.xmm)));
}

static void test_xsave(void)
{
	struct vcpu *vcpu = create();
	struct kvm_xsave set, got;
	uint32_t i;

	vm_need(vcpu->vm, KVM_CAP_XSAVE, "KVM_CAP_XSAVE");
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_XSAVE, &set), 0);
	for (i = 160 / 4; i < 416 / 4; i++)	/* XMM0 to XMM15 */
		set.region[i] = 0x01010101 * (i & 0xff);
	set.region[0] = 0x27f;
	set.region[24 / 4] = 0x1f80;
	set.region[512 / 4] = 3;		/* XSTATE_BV: x87 and SSE */
	set.region[516 / 4] = 0;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_XSAVE, &set), 0);
	memset(&got, 0xff, sizeof(got));
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_XSAVE, &got), 0);
	EXPECT_EQ(got.region[0] & 0xffff, 0x27f);
	EXPECT(!memcmp(&got.region[160 / 4], &set.region[160 / 4], 256));

	/* A component that there is not, and reserved bits of MXCSR. */
	set.region[516 / 4] = 0x40000000;
	EXPECT(try_ioctl(vcpu->fd, KVM_SET_XSAVE, &set) < 0);
	set.region[516 / 4] = 0;
	set.region[24 / 4] = 0xffff0000;
	EXPECT(try_ioctl(vcpu->fd, KVM_SET_XSAVE, &set) < 0);
}

static uint32_t mxcsr, mxcsr_after;

static void guest_mxcsr(void)
{
	asm volatile("ldmxcsr %0" : : "m"(mxcsr));
	guest_sync(1);
	asm volatile("stmxcsr %0" : "=m"(mxcsr_after));
	guest_sync(2);
}

/* It is the guest's also when there is nothing in the registers that it is about. */
static void test_xsave_mxcsr(void)
{
	struct vcpu *vcpu = create();
	struct kvm_xsave state, initial;

	vm_need(vcpu->vm, KVM_CAP_XSAVE, "KVM_CAP_XSAVE");
	guest_start(vcpu, guest_mxcsr);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_XSAVE, &initial), 0);
	*GUEST_VAR(vcpu->vm, mxcsr) = 0x9fc0;
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_XSAVE, &state), 0);
	EXPECT_EQ(state.region[24 / 4], 0x9fc0);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_XSAVE, &initial), 0);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_XSAVE, &state), 0);
	guest_run_sync(vcpu, 2);
	EXPECT_EQ(*GUEST_VAR(vcpu->vm, mxcsr_after), 0x9fc0);
}

static void test_xsave2(void)
{
	struct vcpu *vcpu = create();
	struct kvm_xsave one;
	uint8_t *two;
	int size;

	size = vm_check_extension(vcpu->vm, KVM_CAP_XSAVE2);
	if (size <= 0)
		ksft_skip("no KVM_CAP_XSAVE2");
	EXPECT(size >= (int)sizeof(one), "%d", size);
	two = aligned_alloc(64, (size + 63) & ~63UL);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_XSAVE2, two), 0);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_XSAVE, &one), 0);
	EXPECT(!memcmp(&one, two, sizeof(one)));
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_XSAVE, two), 0);
}

static void test_xcrs(void)
{
	struct vcpu *vcpu = create();
	struct kvm_xcrs xcrs;
	struct kvm_cpuid2 *cpuid = supported_cpuid(vcpu->vm->dev);
	struct kvm_cpuid_entry2 *leaf = cpuid_find(cpuid, 0xd, 0);

	if (vm_check_extension(vcpu->vm, KVM_CAP_XCRS) <= 0 || !leaf || !leaf->eax)
		ksft_skip("no XSAVE here");
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_XCRS, &xcrs), 0);
	EXPECT_EQ(xcrs.nr_xcrs, 1);
	EXPECT_EQ(xcrs.xcrs[0].xcr, 0);
	EXPECT_EQ(xcrs.xcrs[0].value, 1);
	xcrs.xcrs[0].value = leaf->eax | (uint64_t)leaf->edx << 32;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs), 0);
	memset(&xcrs, 0, sizeof(xcrs));
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_XCRS, &xcrs), 0);
	EXPECT_EQ(xcrs.xcrs[0].value, leaf->eax | (uint64_t)leaf->edx << 32);

	xcrs.xcrs[0].value = 2;			/* SSE without x87 */
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs), -EINVAL);
	xcrs.xcrs[0].value = 5;			/* AVX without SSE */
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs), -EINVAL);
	xcrs.xcrs[0].value = 1ULL << 62 | 1;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs), -EINVAL);
}

static void test_debugregs(void)
{
	struct vcpu *vcpu = create();
	struct kvm_debugregs set = { 0 }, got;

	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &got), 0);
	EXPECT_EQ(got.dr6, 0xffff0ff0);
	EXPECT_EQ(got.dr7, 0x400);
	set.db[0] = 0x1000;
	set.db[1] = 0x2000;
	set.db[2] = 0x3000;
	set.db[3] = 0x7fffffff4000;
	set.dr6 = 0xffff0ff1;
	set.dr7 = 0x755;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &set), 0);
	memset(&got, 0xff, sizeof(got));
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &got), 0);
	EXPECT(!memcmp(&set, &got, sizeof(set)));

	set.dr7 = 1ULL << 32;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &set), -EINVAL);
	set.dr7 = 0x400;
	set.dr6 = 1ULL << 32;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &set), -EINVAL);
	set.dr6 = 0xffff0ff0;
	set.flags = 1;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &set), -EINVAL);
}

static void test_events(void)
{
	struct vcpu *vcpu = create_long_mode();
	struct kvm_vcpu_events set, got;

	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &set), 0);
	EXPECT_EQ(set.exception.injected, 0);
	EXPECT_EQ(set.interrupt.injected, 0);
	EXPECT_EQ(set.nmi.injected, 0);
	set.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	set.nmi.pending = 1;
	set.nmi.masked = 1;
	set.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &set), 0);
	memset(&got, 0xff, sizeof(got));
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &got), 0);
	EXPECT_EQ(got.nmi.pending, 1);
	EXPECT_EQ(got.nmi.masked, 1);
	EXPECT(got.interrupt.shadow & KVM_X86_SHADOW_INT_STI);

	set.flags = 0x80000000;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &set), -EINVAL);
	set.flags = 0;
	set.exception.injected = 1;
	set.exception.nr = 32;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &set), -EINVAL);
	set.exception.nr = 2;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &set), -EINVAL);
}

static void test_injected_exception(void)
{
	struct vcpu *vcpu = create_long_mode();
	struct kvm_vcpu_events events;
	struct guest_failure *failure;

	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events), 0);
	events.exception.injected = 1;
	events.exception.nr = 13;
	events.exception.has_error_code = 1;
	events.exception.error_code = 0x58;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events), 0);
	vcpu_run_to(vcpu, KVM_EXIT_IO);		/* the guest reports it as unexpected */
	failure = GUEST_VAR(vcpu->vm, guest_failure);
	EXPECT_EQ(failure->a, 13);
	EXPECT_EQ(GUEST_VAR(vcpu->vm, guest_trap)->error, 0x58);
}

static void test_mp_state(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(0, VM_IRQCHIP), 0), *other;
	struct kvm_mp_state state = { .mp_state = 0xffff };

	other = vcpu_create(vcpu->vm, 1);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_MP_STATE, &state), 0);
	EXPECT_EQ(state.mp_state, KVM_MP_STATE_RUNNABLE);
	ASSERT_EQ(try_ioctl(other->fd, KVM_GET_MP_STATE, &state), 0);
	EXPECT_EQ(state.mp_state, KVM_MP_STATE_UNINITIALIZED);
	state.mp_state = KVM_MP_STATE_HALTED;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_MP_STATE, &state), 0);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_MP_STATE, &state), 0);
	EXPECT_EQ(state.mp_state, KVM_MP_STATE_HALTED);
}

static void test_bad_pointers(void)
{
	struct vcpu *vcpu = create();
	static const unsigned long requests[] = {
		KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS, KVM_GET_FPU, KVM_SET_FPU,
		KVM_GET_XSAVE, KVM_SET_XSAVE, KVM_GET_XCRS, KVM_SET_XCRS, KVM_GET_DEBUGREGS,
		KVM_SET_DEBUGREGS, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, KVM_GET_MP_STATE,
		KVM_SET_MP_STATE, KVM_GET_MSRS, KVM_SET_MSRS, KVM_SET_CPUID2, KVM_GET_CPUID2,
	};
	size_t i;
	int ret;

	for (i = 0; i < KSFT_ARRAY_SIZE(requests); i++) {
		ret = try_ioctl(vcpu->fd, requests[i], (void *)8);
		EXPECT(ret == -EFAULT, "request %#lx: %d", requests[i], ret);
	}
}

static const struct ksft_test tests[] = {
	{ "reset", test_reset },
	{ "regs", test_regs },
	{ "sregs", test_sregs },
	{ "invalid_sregs", test_invalid_sregs },
	{ "fpu", test_fpu },
	{ "xsave", test_xsave },
	{ "xsave_mxcsr", test_xsave_mxcsr },
	{ "xsave2", test_xsave2 },
	{ "xcrs", test_xcrs },
	{ "debugregs", test_debugregs },
	{ "events", test_events },
	{ "injected_exception", test_injected_exception },
	{ "mp_state", test_mp_state },
	{ "bad_pointers", test_bad_pointers },
};

static const struct ksft_suite suite = KSFT_SUITE("regs", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
