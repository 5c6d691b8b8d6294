// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_GUEST_DEBUG: breakpoints, single steps and exceptions that a client's
 * debugger passes on, and what the guest notices of it: nothing.
 */
#include <errno.h>
#include <string.h>

#include "guest.h"
#include "guest_apic.h"
#include "guest_cpu.h"
#include "ksft.h"
#include "vm.h"

#define FLAG_TF		0x100
#define DR6_ONES	0xffff0ff0ULL
#define DR6_BD		0x2000
#define DR6_BS		0x4000
#define DR7_ONES	0x400ULL
#define DR7_GD		0x2000ULL
#define DEVICE		0xf0000000UL
#define VECTOR		0x41

extern const uint8_t dbg_sw[], dbg_hw[], dbg_store[], dbg_stored[], dbg_gd[];
extern const uint8_t step_0[], step_1[], step_2[], step_3[], step_4[], step_5[], step_6[],
		     step_7[], step_8[], step_9[], step_10[];

static volatile uint64_t watched;

static void set_debug_with(struct vcpu *vcpu, struct kvm_guest_debug *debug)
{
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, debug), 0);
}

static void set_debug(struct vcpu *vcpu, uint32_t control)
{
	struct kvm_guest_debug debug = { .control = control };

	set_debug_with(vcpu, &debug);
}

/* DR @nr at @address, enabled, with @rw_len of DR7. */
static void set_breakpoint(struct vcpu *vcpu, int nr, const volatile void *address,
			   uint64_t rw_len)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
	};

	debug.arch.debugreg[nr] = (uintptr_t)address;
	debug.arch.debugreg[7] = DR7_ONES | 1ULL << (2 * nr + 1) | rw_len << (16 + 4 * nr);
	set_debug_with(vcpu, &debug);
}

static void expect_debug(struct vcpu *vcpu, uint32_t exception, const void *pc, uint64_t dr6)
{
	struct kvm_debug_exit_arch *arch = &vcpu->run->debug.arch;

	ASSERT_EQ(guest_run(vcpu), GUEST_EXIT);
	vcpu_expect_exit(vcpu, KVM_EXIT_DEBUG);
	ASSERT_EQ(arch->exception, exception);
	ASSERT_EQ(arch->pc, (uintptr_t)pc);
	if (exception == 1)
		EXPECT_EQ(arch->dr6, dr6 | DR6_ONES);
}

static void set_rip(struct vcpu *vcpu, const void *rip)
{
	struct kvm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	regs.rip = (uintptr_t)rip;
	vcpu_set_regs(vcpu, &regs);
}

static struct vcpu *start(unsigned int flags, void (*function)(void))
{
	struct vm *vm = vm_create(VM_RAM_SIZE, flags);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	vm_need(vm, KVM_CAP_SET_GUEST_DEBUG, "KVM_CAP_SET_GUEST_DEBUG");
	guest_start(vcpu, function);
	return vcpu;
}

/* QEMU's VMRUN loads DR7 but arms no breakpoint, and its INT3 does not ask for the intercept. */
static void need_debug_hardware(void)
{
	if (host_is_tcg())
		ksft_skip("the emulated processor has no such breakpoints in guests");
}

static void note_trap(struct guest_frame *frame)
{
}

static void guest_breakpoint(void)
{
	guest_handlers[3] = note_trap;
	asm volatile("dbg_sw: int3" : : : "memory");
	GUEST_EQ(guest_traps[3], 1);
	GUEST_EQ(guest_trap.rip, (uintptr_t)dbg_sw + 1);
	guest_sync(1);
}

/* INT3 is the debugger's while it says so, and then the guest's again by INJECT_BP. */
static void test_software_breakpoint(void)
{
	struct vcpu *vcpu = start(0, guest_breakpoint);

	need_debug_hardware();
	set_debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP);
	expect_debug(vcpu, 3, dbg_sw, 0);
	expect_debug(vcpu, 3, dbg_sw, 0);
	set_debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_INJECT_BP);
	guest_run_sync(vcpu, 1);
	guest_run_done(vcpu);
}

/* Without KVM_GUESTDBG_ENABLE everything else is off. */
static void test_not_enabled(void)
{
	struct vcpu *vcpu = start(0, guest_breakpoint);

	set_debug(vcpu, KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP);
	guest_run_sync(vcpu, 1);
	guest_run_done(vcpu);
}

static void guest_watched(void)
{
	asm volatile("dbg_hw: nop\n"
		     "dbg_store: movq $1234, %0\n"
		     "dbg_stored: nop" : "=m"(watched) : : "memory");
}

static void test_hardware_breakpoints(void)
{
	struct vcpu *vcpu = start(0, guest_watched);
	int i;

	need_debug_hardware();
	for (i = 0; i < 4; i++) {
		set_breakpoint(vcpu, i, dbg_hw, 0);
		expect_debug(vcpu, 1, dbg_hw, 1 << i);
	}
	set_rip(vcpu, dbg_store);
	for (i = 0; i < 4; i++) {
		set_breakpoint(vcpu, i, &watched, 0xd);
		expect_debug(vcpu, 1, dbg_stored, 1 << i);
		EXPECT_EQ(*GUEST_VAR(vcpu->vm, watched), 1234);
		set_rip(vcpu, dbg_store);
	}
	set_debug(vcpu, 0);
	guest_run_done(vcpu);
}

static void guest_stepped(void)
{
	uint64_t cr0;

	guest_sync(1);
	asm volatile("step_0: nop\n"
		     "step_1: cpuid\n"
		     "step_2: movl $0x10, %%ecx\n"
		     "step_3: rdmsr\n"
		     "step_4: movq %%cr0, %0\n"
		     "step_5: movq %0, %%cr0\n"
		     "step_6: inb %%dx, %%al\n"
		     "step_7: movl (%1), %%eax\n"
		     "step_8: pushfq\n"
		     "step_9: popfq\n"
		     "step_10: nop"
		     : "=&S"(cr0) : "D"(DEVICE) : "rax", "rbx", "rcx", "rdx", "memory");
}

static void step_to(struct vcpu *vcpu, const void *rip)
{
	int i;

	guest_run_sync(vcpu, 1);
	set_debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP);
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(guest_run(vcpu), GUEST_EXIT);
		vcpu_expect_exit(vcpu, KVM_EXIT_DEBUG);
		if (vcpu->run->debug.arch.pc == (uintptr_t)rip)
			return;
	}
	ASSERT(0, "not there after %d steps", i);
}

/* Native and intercepted instructions, and those that take the client's help. */
static void test_single_step(void)
{
	static const uint8_t *const steps[] = {
		step_1, step_2, step_3, step_4, step_5, step_6, step_7, step_8, step_9,
	};
	static struct mmio_device mmio = { .base = DEVICE };
	static struct pio_device pio;
	struct vcpu *vcpu = start(0, guest_stepped);
	struct kvm_regs regs;
	size_t i;

	vcpu->vm->mmio = &mmio;
	vcpu->vm->pio = &pio;
	step_to(vcpu, step_0);
	for (i = 0; i < KSFT_ARRAY_SIZE(steps); i++) {
		set_debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP);
		vcpu_get_regs(vcpu, &regs);
		if (steps[i] == step_7)
			pio.port = regs.rdx;
		expect_debug(vcpu, 1, steps[i], DR6_BS);
		vcpu_get_regs(vcpu, &regs);
		EXPECT_EQ(regs.rflags & FLAG_TF, 0);
		EXPECT_EQ(regs.rip, (uintptr_t)steps[i]);
	}
	EXPECT_EQ(pio.exits, 1);
	EXPECT_EQ(mmio.count, 1);
	set_debug(vcpu, 0);
	/* The pushed flags hold the TF of the step, here as on KVM: do not pop them. */
	set_rip(vcpu, step_10);
	vcpu_get_regs(vcpu, &regs);
	regs.rsp += 8;
	vcpu_set_regs(vcpu, &regs);
	guest_run_done(vcpu);
}

/* Steps go on from one KVM_RUN to the next. */
static void test_steps_in_a_row(void)
{
	struct vcpu *vcpu = start(0, guest_stepped);

	step_to(vcpu, step_0);
	expect_debug(vcpu, 1, step_1, DR6_BS);
	expect_debug(vcpu, 1, step_2, DR6_BS);
	expect_debug(vcpu, 1, step_3, DR6_BS);
	expect_debug(vcpu, 1, step_4, DR6_BS);
}

static void guest_interrupted(void)
{
	guest_handlers[VECTOR] = note_trap;
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	x2apic_write(APIC_SPIV, 0x1ff);
	x2apic_write(APIC_ICR, APIC_DEST_SELF | APIC_ASSERT | VECTOR);
	guest_sync(1);
	asm volatile("sti; nop; nop; nop; nop" : : : "memory");
	GUEST_EQ(guest_traps[VECTOR], 1);
}

/* An interrupt waits until the debugger lets it in. */
static void test_blocked_interrupts(void)
{
	struct vcpu *vcpu = start(VM_IRQCHIP, guest_interrupted);
	int i;

	if (!(vm_check_extension(vcpu->vm, KVM_CAP_SET_GUEST_DEBUG2) & KVM_GUESTDBG_BLOCKIRQ))
		ksft_skip("no KVM_GUESTDBG_BLOCKIRQ");
	guest_run_sync(vcpu, 1);
	set_debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(guest_run(vcpu), GUEST_EXIT);
		vcpu_expect_exit(vcpu, KVM_EXIT_DEBUG);
	}
	EXPECT_EQ(*GUEST_VAR(vcpu->vm, guest_traps[VECTOR]), 0);
	set_debug(vcpu, 0);
	guest_run_done(vcpu);
}

static void guest_general_detect(void)
{
	asm volatile("dbg_gd: movq %%dr0, %%rax" : : : "rax", "memory");
}

static void test_general_detect(void)
{
	struct vcpu *vcpu = start(0, guest_general_detect);
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		.arch.debugreg[7] = DR7_ONES | DR7_GD,
	};

	set_debug_with(vcpu, &debug);
	expect_debug(vcpu, 1, dbg_gd, DR6_BD);
	set_debug(vcpu, 0);
	guest_run_done(vcpu);
}

static void guest_own_registers(void)
{
	uint64_t dr0, dr7;

	asm volatile("movq %0, %%dr0" : : "r"(&watched));
	asm volatile("movq %0, %%dr7" : : "r"(DR7_ONES | 0xd0002ULL));
	asm volatile("movq %%dr0, %0; movq %%dr7, %1" : "=r"(dr0), "=r"(dr7));
	GUEST_EQ(dr0, (uintptr_t)&watched);
	GUEST_EQ(dr7, DR7_ONES | 0xd0002ULL);
	guest_handlers[1] = note_trap;
	watched = 1;			/* the debugger's registers are in force */
	guest_sync(guest_traps[1]);
	watched = 2;			/* the guest's own */
	guest_sync(guest_traps[1]);
}

/* While the debugger has the registers the guest reads what it wrote, and no more. */
static void test_guests_own_registers(void)
{
	struct vcpu *vcpu = start(0, guest_own_registers);
	struct kvm_debugregs regs;

	need_debug_hardware();
	set_breakpoint(vcpu, 1, dbg_hw, 0);
	guest_run_sync(vcpu, 0);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &regs), 0);
	EXPECT_EQ(regs.db[0], (uintptr_t)&watched);
	EXPECT_EQ(regs.db[1], 0);
	EXPECT_EQ(regs.dr7, DR7_ONES | 0xd0002ULL);
	set_debug(vcpu, 0);
	guest_run_sync(vcpu, 1);
	guest_run_done(vcpu);
}

static void guest_injected(void)
{
	guest_handlers[1] = note_trap;
	guest_sync(1);
	asm volatile("nop" : : : "memory");
	GUEST_EQ(guest_traps[1], 1);
}

static void test_inject_db(void)
{
	struct vcpu *vcpu = start(0, guest_injected);
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_INJECT_DB };

	guest_run_sync(vcpu, 1);
	set_debug_with(vcpu, &debug);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &debug), -EBUSY);
	debug.control = KVM_GUESTDBG_INJECT_BP;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &debug), -EBUSY);
	guest_run_done(vcpu);
}

static void test_bad_arguments(void)
{
	struct vcpu *vcpu = start(0, guest_injected);
	struct kvm_guest_debug debug = { .control = 0xffe00000, .pad = 1 };

	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, (void *)8), -EFAULT);
	/* Bits that nobody knows do nothing. */
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &debug), 0);
	debug.control |= KVM_GUESTDBG_ENABLE;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &debug), 0);
	guest_run_sync(vcpu, 1);
}

static const struct ksft_test tests[] = {
	{ "software_breakpoint", test_software_breakpoint },
	{ "not_enabled", test_not_enabled },
	{ "hardware_breakpoints", test_hardware_breakpoints },
	{ "single_step", test_single_step },
	{ "steps_in_a_row", test_steps_in_a_row },
	{ "blocked_interrupts", test_blocked_interrupts },
	{ "general_detect", test_general_detect },
	{ "guests_own_registers", test_guests_own_registers },
	{ "inject_db", test_inject_db },
	{ "bad_arguments", test_bad_arguments },
};

static const struct ksft_suite suite = KSFT_SUITE("debug", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
