// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that a client filters (KVM_X86_SET_MSR_FILTER) or wants to handle itself
 * (KVM_CAP_X86_USER_SPACE_MSR), and other things about them that it may change.
 */
#include <errno.h>
#include <string.h>

#include "guest.h"
#include "guest_apic.h"
#include "guest_cpu.h"
#include "ksft.h"
#include "vm.h"

#define MSR_PAT		0x277
#define MSR_PLATFORM	0xce
#define MSR_POWER_CTL	0x1fc
#define MSR_MISC_ENABLE	0x1a0
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_KGS_BASE	0xc0000102
#define MSR_NOBODY	0x12345678

#define READ		KVM_MSR_FILTER_READ
#define WRITE		KVM_MSR_FILTER_WRITE
#define REASONS		(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
			 KVM_MSR_EXIT_REASON_FILTER)

static int try_enable(int fd, uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap enable = { .cap = cap, .args[0] = arg };

	return try_ioctl(fd, KVM_ENABLE_CAP, &enable);
}

static struct vcpu *start(unsigned int flags, void (*function)(void))
{
	struct vm *vm = vm_create(VM_RAM_SIZE, flags);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vm_need(vm, KVM_CAP_X86_USER_SPACE_MSR, "KVM_CAP_X86_USER_SPACE_MSR");
	vm_need(vm, KVM_CAP_X86_MSR_FILTER, "KVM_CAP_X86_MSR_FILTER");
	guest_start(vcpu, function);
	return vcpu;
}

/* Deny @accesses to one register. */
static void deny(struct vm *vm, uint32_t index, uint32_t accesses)
{
	static uint8_t none[8];
	struct kvm_msr_filter filter = {
		.ranges[0] = { .flags = accesses, .nmsrs = 1, .base = index, .bitmap = none },
	};

	ASSERT_EQ(try_ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter), 0);
}

static void allow_all(struct vm *vm)
{
	struct kvm_msr_filter filter = { 0 };

	ASSERT_EQ(try_ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter), 0);
}

static void expect_msr_exit(struct vcpu *vcpu, uint32_t exit, uint32_t index, uint32_t reason)
{
	ASSERT_EQ(guest_run(vcpu), GUEST_EXIT);
	vcpu_expect_exit(vcpu, exit);
	EXPECT_EQ(vcpu->run->msr.index, index);
	EXPECT_EQ(vcpu->run->msr.reason, reason);
	EXPECT_EQ(vcpu->run->msr.error, 0);
}

static uint32_t msr_index;

static void guest_one_register(void)
{
	for (;;) {
		uint64_t value = 0x5555;

		GUEST_EQ(GUEST_TRY("rdmsr; shlq $32, %%rdx; orq %%rdx, %%rax",
				   : "+a"(value) : "c"(msr_index) : "rdx", "r11", "memory"),
			 GUEST_NO_TRAP);
		GUEST_EQ(value, 0x1122334455667788);
		GUEST_EQ(GUEST_TRY("wrmsr", : : "c"(msr_index), "a"(0x9abcdef0), "d"(0x12345678)
				   : "r11", "memory"), GUEST_NO_TRAP);
		GUEST_EQ(GUEST_TRY("rdmsr", : : "c"(msr_index) : "rax", "rdx", "r11", "memory"), 13);
		GUEST_EQ(GUEST_TRY("wrmsr", : : "c"(msr_index), "a"(0), "d"(0)
				   : "r11", "memory"), 13);
		guest_sync(1);
	}
}

/* Each access leads to the client, which answers the first two and refuses the others. */
static void play_client(struct vcpu *vcpu, uint32_t index, uint32_t reason)
{
	*GUEST_VAR(vcpu->vm, msr_index) = index;
	expect_msr_exit(vcpu, KVM_EXIT_X86_RDMSR, index, reason);
	vcpu->run->msr.data = 0x1122334455667788;
	expect_msr_exit(vcpu, KVM_EXIT_X86_WRMSR, index, reason);
	EXPECT_EQ(vcpu->run->msr.data, 0x123456789abcdef0);
	expect_msr_exit(vcpu, KVM_EXIT_X86_RDMSR, index, reason);
	vcpu->run->msr.error = 1;
	expect_msr_exit(vcpu, KVM_EXIT_X86_WRMSR, index, reason);
	vcpu->run->msr.error = 1;
	guest_run_sync(vcpu, 1);
}

static void test_unknown(void)
{
	struct vcpu *vcpu = start(0, guest_one_register);

	ASSERT_EQ(try_enable(vcpu->vm->fd, KVM_CAP_X86_USER_SPACE_MSR, REASONS), 0);
	play_client(vcpu, MSR_NOBODY, KVM_MSR_EXIT_REASON_UNKNOWN);
}

/* Registers that exit and registers that do not, unless they are filtered. */
static void test_filtered(void)
{
	static const uint32_t indices[] = { MSR_PAT, MSR_STAR, MSR_LSTAR, MSR_KGS_BASE, 0x174,
					    0x175, 0xc0000100, MSR_NOBODY };
	struct vcpu *vcpu = start(0, guest_one_register);
	size_t i;

	ASSERT_EQ(try_enable(vcpu->vm->fd, KVM_CAP_X86_USER_SPACE_MSR, REASONS), 0);
	for (i = 0; i < KSFT_ARRAY_SIZE(indices); i++) {
		deny(vcpu->vm, indices[i], READ | WRITE);
		play_client(vcpu, indices[i], KVM_MSR_EXIT_REASON_FILTER);
	}
}

static void guest_accesses(void)
{
	uint64_t value;

	GUEST_EQ(GUEST_TRY("rdmsr", : : "c"(MSR_KGS_BASE) : "rax", "rdx", "r11", "memory"), 13);
	GUEST_EQ(GUEST_TRY("wrmsr", : : "c"(MSR_KGS_BASE), "a"(0x1000), "d"(0)
			   : "r11", "memory"), GUEST_NO_TRAP);
	guest_sync(1);
	GUEST_EQ(GUEST_TRY("wrmsr", : : "c"(MSR_KGS_BASE), "a"(0x2000), "d"(0)
			   : "r11", "memory"), 13);
	value = rdmsr(MSR_KGS_BASE);
	GUEST_EQ(value, 0x1000);
	guest_sync(2);
	wrmsr(MSR_POWER_CTL, 0x1234);
	GUEST_EQ(rdmsr(MSR_POWER_CTL), 0x1234);
	wrmsr(MSR_KGS_BASE, 0x3000);
	GUEST_EQ(rdmsr(MSR_KGS_BASE), 0x3000);
	guest_sync(3);
	/* Not even the last one is there by default; x2APIC registers always are. */
	GUEST_EQ(GUEST_TRY("rdmsr", : : "c"(MSR_KGS_BASE) : "rax", "rdx", "r11", "memory"), 13);
	GUEST_EQ(GUEST_TRY("rdmsr", : : "c"(MSR_POWER_CTL) : "rax", "rdx", "r11", "memory"), 13);
	GUEST_EQ(GUEST_TRY("rdmsr", : : "c"(0x802) : "rax", "rdx", "r11", "memory"),
		 GUEST_NO_TRAP);
	GUEST_EQ(rdmsr(MSR_PAT), 0x0007040600070406);
}

static void guest_x2apic_accesses(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	guest_accesses();
}

/* Without an exit for it what is filtered is #GP: reading and writing each by itself. */
static void test_filter_rules(void)
{
	struct vcpu *vcpu = start(VM_IRQCHIP, guest_x2apic_accesses);
	uint8_t pat_only[8] = { 1 };
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_DENY,
		.ranges[0] = { .flags = READ, .nmsrs = 1, .base = MSR_PAT, .bitmap = pat_only },
		.ranges[1] = { .nmsrs = 0, .flags = 0xff },
	};

	deny(vcpu->vm, MSR_KGS_BASE, READ);
	guest_run_sync(vcpu, 1);
	deny(vcpu->vm, MSR_KGS_BASE, WRITE);
	guest_run_sync(vcpu, 2);
	allow_all(vcpu->vm);
	guest_run_sync(vcpu, 3);
	ASSERT_EQ(try_ioctl(vcpu->vm->fd, KVM_X86_SET_MSR_FILTER, &filter), 0);
	guest_run_done(vcpu);
}

/* The first range that fits decides; none reaches over the end of the numbers. */
static void test_overlapping_ranges(void)
{
	struct vcpu *vcpu = start(0, guest_one_register);
	uint8_t ones[8] = { 0xff, 0xff }, zeros[8] = { 0 };
	struct kvm_msr_filter filter = {
		.ranges[0] = { .flags = READ | WRITE, .nmsrs = 9, .base = MSR_NOBODY - 8,
			       .bitmap = zeros },
		.ranges[1] = { .flags = READ | WRITE, .nmsrs = 1, .base = MSR_NOBODY,
			       .bitmap = ones },
		.ranges[2] = { .flags = READ | WRITE, .nmsrs = 64, .base = 0xffffffff,
			       .bitmap = zeros },
	};

	ASSERT_EQ(try_enable(vcpu->vm->fd, KVM_CAP_X86_USER_SPACE_MSR, REASONS), 0);
	ASSERT_EQ(try_ioctl(vcpu->vm->fd, KVM_X86_SET_MSR_FILTER, &filter), 0);
	play_client(vcpu, MSR_NOBODY, KVM_MSR_EXIT_REASON_FILTER);
	play_client(vcpu, 0x2, KVM_MSR_EXIT_REASON_UNKNOWN);
}

static void guest_invalid(void)
{
	GUEST_EQ(GUEST_TRY("wrmsr", : : "c"(MSR_PAT), "a"(2), "d"(0) : "r11", "memory"), 13);
	GUEST_EQ(GUEST_TRY("wrmsr", : : "c"(MSR_PAT), "a"(2), "d"(0) : "r11", "memory"),
		 GUEST_NO_TRAP);
	GUEST_EQ(rdmsr(MSR_PAT), 0x0007040600070406);
}

/* Only the reasons that were asked for. */
static void test_invalid_value(void)
{
	struct vcpu *vcpu = start(0, guest_invalid);

	ASSERT_EQ(try_enable(vcpu->vm->fd, KVM_CAP_X86_USER_SPACE_MSR,
			     KVM_MSR_EXIT_REASON_INVAL), 0);
	expect_msr_exit(vcpu, KVM_EXIT_X86_WRMSR, MSR_PAT, KVM_MSR_EXIT_REASON_INVAL);
	vcpu->run->msr.error = 1;
	expect_msr_exit(vcpu, KVM_EXIT_X86_WRMSR, MSR_PAT, KVM_MSR_EXIT_REASON_INVAL);
	guest_run_done(vcpu);
}

static void test_refused(void)
{
	struct vm *vm = vm_create(0, 0);
	uint8_t bits[KVM_MSR_FILTER_MAX_BITMAP_SIZE] = { 0 };
	struct kvm_msr_filter f;

	vm_need(vm, KVM_CAP_X86_MSR_FILTER, "KVM_CAP_X86_MSR_FILTER");
	EXPECT_EQ(try_enable(vm->fd, KVM_CAP_X86_USER_SPACE_MSR, REASONS << 1), -EINVAL);
	EXPECT_EQ(try_enable(vm->fd, KVM_CAP_X86_USER_SPACE_MSR, 1ULL << 32), -EINVAL);
	EXPECT_EQ(try_ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, (void *)8), -EFAULT);

#define TRY(...) (f = (struct kvm_msr_filter) { __VA_ARGS__ }, \
		  try_ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &f))
	EXPECT_EQ(TRY(.flags = 2), -EINVAL);
	EXPECT_EQ(TRY(.flags = KVM_MSR_FILTER_DEFAULT_DENY), -EINVAL);
	EXPECT_EQ(TRY(.ranges[0] = { .nmsrs = 1, .bitmap = bits }), -EINVAL);
	EXPECT_EQ(TRY(.ranges[0] = { .flags = 4, .nmsrs = 1, .bitmap = bits }), -EINVAL);
	EXPECT_EQ(TRY(.ranges[0] = { .flags = READ, .nmsrs = 1, .bitmap = (void *)8 }), -EFAULT);
	EXPECT_EQ(TRY(.ranges[0] = { .flags = READ, .nmsrs = 8 * sizeof(bits) + 1,
				     .bitmap = bits }), -EINVAL);
	EXPECT_EQ(TRY(.ranges[0] = { .flags = READ, .nmsrs = 0xffffffff, .bitmap = bits }),
		  -EINVAL);
	EXPECT_EQ(TRY(.ranges[0] = { .flags = READ, .nmsrs = 8 * sizeof(bits), .bitmap = bits }),
		  0);
	EXPECT_EQ(TRY(.ranges[KVM_MSR_FILTER_MAX_RANGES - 1] = {
			.flags = WRITE, .nmsrs = 8 * sizeof(bits), .bitmap = bits }), 0);
	EXPECT_EQ(TRY(.flags = 0), 0);
}

static void guest_platform_info(void)
{
	GUEST_EQ(GUEST_TRY("rdmsr", : : "c"(MSR_PLATFORM) : "rax", "rdx", "r11", "memory"),
		 GUEST_NO_TRAP);
	guest_sync(1);
	GUEST_EQ(GUEST_TRY("rdmsr", : : "c"(MSR_PLATFORM) : "rax", "rdx", "r11", "memory"), 13);
}

static void test_platform_info(void)
{
	struct vcpu *vcpu = start(0, guest_platform_info);
	uint64_t value;

	vm_need(vcpu->vm, KVM_CAP_MSR_PLATFORM_INFO, "KVM_CAP_MSR_PLATFORM_INFO");
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(try_enable(vcpu->vm->fd, KVM_CAP_MSR_PLATFORM_INFO, 0), 0);
	guest_run_done(vcpu);
	EXPECT_EQ(try_get_msr(vcpu, MSR_PLATFORM, &value), 1);
}

static void guest_mwait_bit(void)
{
	uint32_t r[4];

	cpuid(1, 0, r);
	GUEST_EQ(r[2] >> 3 & 1, 0);
	wrmsr(MSR_MISC_ENABLE, rdmsr(MSR_MISC_ENABLE) | 1 << 18);
	cpuid(1, 0, r);
	GUEST_EQ(r[2] >> 3 & 1, 1);
	wrmsr(MSR_MISC_ENABLE, rdmsr(MSR_MISC_ENABLE) & ~(1ULL << 18));
	cpuid(1, 0, r);
	GUEST_EQ(r[2] >> 3 & 1, 0);
	/* What says that there are no branch traces is not the guest's to change. */
	GUEST_EQ(GUEST_TRY("wrmsr", : : "c"(MSR_MISC_ENABLE), "a"(0), "d"(0)
			   : "r11", "memory"), 13);
}

/* Without KVM's quirk CPUID says what MISC_ENABLE says. */
static void test_mwait_quirk(void)
{
	struct vcpu *vcpu = start(0, guest_mwait_bit);
	int quirks = vm_check_extension(vcpu->vm, KVM_CAP_DISABLE_QUIRKS2);

	if (!(quirks & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT))
		ksft_skip("no such quirk to disable");
	ASSERT_EQ(try_enable(vcpu->vm->fd, KVM_CAP_DISABLE_QUIRKS2,
			     KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT), 0);
	guest_run_done(vcpu);
}

static void test_quirks_refused(void)
{
	struct vm *vm = vm_create(0, 0);
	int quirks = vm_check_extension(vm, KVM_CAP_DISABLE_QUIRKS2);

	vm_need(vm, KVM_CAP_DISABLE_QUIRKS2, "KVM_CAP_DISABLE_QUIRKS2");
	EXPECT_EQ(try_enable(vm->fd, KVM_CAP_DISABLE_QUIRKS2, quirks), 0);
	EXPECT_EQ(try_enable(vm->fd, KVM_CAP_DISABLE_QUIRKS2, 1ULL << 31), -EINVAL);
	EXPECT_EQ(try_enable(vm->fd, KVM_CAP_DISABLE_QUIRKS2, 1ULL << 32), -EINVAL);
	EXPECT_EQ(try_enable(vm->fd, KVM_CAP_DISABLE_QUIRKS, 1ULL << 32), 0);
}

static volatile uint32_t ticks;

static void tick(struct guest_frame *frame)
{
	ticks++;
	x2apic_write(APIC_EOI, 0);
}

static void guest_halts(void)
{
	guest_handlers[0x40] = tick;
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	x2apic_write(APIC_SPIV, 0x1ff);
	x2apic_write(APIC_LVT_TIMER, APIC_TIMER_PERIODIC | 0x40);
	x2apic_write(APIC_TDCR, 0xb);
	x2apic_write(APIC_TMICT, 2000000);
	while (ticks < 3)
		sti_hlt_cli();
}

/* Guests that halt by themselves are woken like others. */
static void test_hlt_in_guest(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	int exits = vm_check_extension(vm, KVM_CAP_X86_DISABLE_EXITS);
	struct vcpu *vcpu;

	if (!(exits & KVM_X86_DISABLE_EXITS_HLT))
		ksft_skip("no KVM_X86_DISABLE_EXITS_HLT");
	EXPECT_EQ(try_enable(vm->fd, KVM_CAP_X86_DISABLE_EXITS, 0x10), -EINVAL);
	EXPECT_EQ(try_enable(vm->fd, KVM_CAP_X86_DISABLE_EXITS, 1ULL << 32), -EINVAL);
	ASSERT_EQ(try_enable(vm->fd, KVM_CAP_X86_DISABLE_EXITS, exits), 0);
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, guest_halts);
	guest_run_done(vcpu);
}

static void guest_fails(void)
{
}

static void test_other_caps(void)
{
	struct vcpu *vcpu = start(0, guest_fails);
	struct vm *vm = vcpu->vm;
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE, .args[0] = 1 };

	EXPECT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, &cap), 0);
	cap.flags = 1;
	EXPECT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, &cap), -EINVAL);
	EXPECT_EQ(try_enable(vm->fd, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 2), -EINVAL);
	EXPECT_EQ(try_enable(vcpu->fd, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1), -EINVAL);
	EXPECT_EQ(try_enable(vm->fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1), -EINVAL);
	EXPECT_EQ(try_enable(vcpu->fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1), 0);
	cap.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_ENABLE_CAP, &cap), -EINVAL);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_ENABLE_CAP, (void *)8), -EFAULT);
	guest_run_done(vcpu);
}

static const struct ksft_test tests[] = {
	{ "unknown", test_unknown },
	{ "filtered", test_filtered },
	{ "filter_rules", test_filter_rules },
	{ "overlapping_ranges", test_overlapping_ranges },
	{ "invalid_value", test_invalid_value },
	{ "refused", test_refused },
	{ "platform_info", test_platform_info },
	{ "mwait_quirk", test_mwait_quirk },
	{ "quirks_refused", test_quirks_refused },
	{ "hlt_in_guest", test_hlt_in_guest },
	{ "other_caps", test_other_caps },
};

static const struct ksft_suite suite = KSFT_SUITE("msr_exit", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
