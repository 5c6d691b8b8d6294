// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions that guests raise and handle themselves: vector, error code,
 * CR2, the instruction they point at, and what becomes of those in a row.
 */
#include <errno.h>
#include <string.h>

#include "guest_cpu.h"
#include "guests.h"

#define FLAG_TF		0x100
#define DR6_BS		0x4000

static volatile uint64_t zero;

static void guest_faults(void)
{
	uint64_t quotient = 1;

	GUEST_EQ(GUEST_TRY("xorl %%edx, %%edx; divq %1", : "+a"(quotient) : "m"(zero)
			   : "rdx", "r11", "memory"), 0);
	GUEST_EQ(GUEST_TRY("ud2", : : : "r11", "memory"), 6);
	GUEST_EQ(GUEST_TRY("movq (%0), %%rax", : : "r"(1UL << 63) : "rax", "r11", "memory"), 13);
	GUEST_EQ(guest_trap.error, 0);
	GUEST_EQ(GUEST_TRY("movw %w0, %%es", : : "r"(0x40 * 8) : "r11", "memory"), 13);
	GUEST_EQ(guest_trap.error, 0x40 * 8);
	GUEST_EQ(GUEST_TRY("movw %w0, %%ss", : : "r"(0) : "r11", "memory"), GUEST_NO_TRAP);
	GUEST_EQ(GUEST_TRY("movq (%%rbp), %%rax",
			   : : : "rax", "r11", "memory"), GUEST_NO_TRAP);
}

static void test_faults(void)
{
	guest_test(0, guest_faults);
}

static void count_trap(struct guest_frame *frame)
{
}

static void guest_traps_after(void)
{
	guest_handlers[3] = count_trap;
	guest_handlers[0x40] = count_trap;
	asm volatile("int3\n"
		     "1:\tleaq 1b(%%rip), %%rax\n\t"
		     "cmpq %0, %%rax\n\t"
		     "je 2f\n\t"
		     "ud2\n"
		     "2:"
		     : : "m"(guest_trap.rip) : "rax", "memory");
	GUEST_EQ(guest_traps[3], 1);
	asm volatile("int $0x40" : : : "memory");
	GUEST_EQ(guest_traps[0x40], 1);
}

static void test_software_interrupts(void)
{
	guest_test(0, guest_traps_after);
}

#define FAR_ADDRESS	0x4010000000UL	/* outside what is mapped */

static void guest_page_fault(void)
{
	GUEST_EQ(GUEST_TRY("movb (%0), %%al", : : "r"(FAR_ADDRESS + 5) : "rax", "r11", "memory"),
		 14);
	GUEST_EQ(guest_trap.cr2, FAR_ADDRESS + 5);
	GUEST_EQ(guest_trap.error, 0);
	GUEST_EQ(GUEST_TRY("movb %%al, (%0)", : : "r"(FAR_ADDRESS + 7) : "r11", "memory"), 14);
	GUEST_EQ(guest_trap.cr2, FAR_ADDRESS + 7);
	GUEST_EQ(guest_trap.error, 2);
}

static void test_page_fault(void)
{
	guest_test(0, guest_page_fault);
}

static uint32_t steps;
static uint64_t step_dr6;

static void count_step(struct guest_frame *frame)
{
	uint64_t dr6;

	asm volatile("mov %%dr6, %0" : "=r"(dr6));
	step_dr6 |= dr6;
	if (++steps == 4)
		frame->rflags &= ~FLAG_TF;
}

static void guest_single_step(void)
{
	uint32_t count = 0;

	guest_handlers[1] = count_step;
	asm volatile("pushfq\n\t"
		     "orq %1, (%%rsp)\n\t"
		     "popfq\n\t"
		     "incl %0\n\t"
		     "incl %0\n\t"
		     "incl %0\n\t"
		     "incl %0\n\t"
		     "incl %0"
		     : "+r"(count) : "i"(FLAG_TF) : "memory", "cc");
	GUEST_EQ(count, 5);
	GUEST_EQ(steps, 4);
	GUEST_ASSERT(step_dr6 & DR6_BS);
}

static void test_single_step(void)
{
	guest_test(0, guest_single_step);
}

static uint32_t cpuid_steps;

static void step_over_cpuid(struct guest_frame *frame)
{
	cpuid_steps++;
}

/* Single step over instructions that exit: the trap must come after each. */
static void guest_single_step_exits(void)
{
	guest_handlers[1] = step_over_cpuid;
	asm volatile("pushfq\n\t"
		     "orq %0, (%%rsp)\n\t"
		     "popfq\n\t"
		     "xorl %%eax, %%eax\n\t"
		     "cpuid\n\t"
		     "cpuid\n\t"
		     "pushfq\n\t"
		     "andq %1, (%%rsp)\n\t"
		     "popfq"
		     : : "i"(FLAG_TF), "i"(~FLAG_TF) : "rax", "rbx", "rcx", "rdx", "memory", "cc");
	GUEST_EQ(cpuid_steps, 6);
}

static void test_single_step_exits(void)
{
	guest_test(0, guest_single_step_exits);
}

static void guest_breakpoint(void)
{
	uint64_t dr6;

	asm volatile("mov %0, %%dr0" : : "r"(&zero));
	asm volatile("mov %0, %%dr7" : : "r"(0xd0402UL));	/* write, 4 bytes, global */
	guest_handlers[1] = count_trap;
	GUEST_EQ(zero, 0);
	GUEST_EQ(guest_traps[1], 0);
	zero = 0;
	GUEST_EQ(guest_traps[1], 1);
	asm volatile("mov %%dr6, %0" : "=r"(dr6));
	GUEST_EQ(dr6 & 0xf, 1);
}

static void test_hardware_breakpoint(void)
{
	guest_test(0, guest_breakpoint);
}

/*
 * An NMI that waits for the end of an interrupt shadow: a hypervisor may have to step
 * over the instruction in it, and here that one reads DR6, where its step must not show.
 */
extern const uint8_t in_shadow[];
static volatile uint64_t shadow_dr6[2], nmi_dr6;

asm(".globl in_shadow\n"
    "in_shadow:\n\t"
    "movq %dr6, %rax\n\t"
    "movq %rax, shadow_dr6(%rip)\n\t"
    "movq %dr6, %rax\n\t"
    "movq %rax, shadow_dr6 + 8(%rip)\n\t"
    "ret");

static void read_dr6(struct guest_frame *frame)
{
	uint64_t dr6;

	asm volatile("movq %%dr6, %0" : "=r"(dr6));
	nmi_dr6 = dr6;
}

static void guest_shadow(void)
{
	uint64_t dr6;

	guest_handlers[2] = read_dr6;
	for (dr6 = 0xffff0ff0; dr6 <= 0xffff4ff0; dr6 += DR6_BS) {
		guest_traps[2] = 0;
		asm volatile("movq %0, %%dr6" : : "r"(dr6));
		guest_sync(1);			/* the test has it go by in_shadow */
		GUEST_EQ(shadow_dr6[0], dr6);
		GUEST_EQ(shadow_dr6[1], dr6);
		GUEST_EQ(guest_traps[2], 1);
		GUEST_EQ(guest_traps[1], 0);
		GUEST_EQ(nmi_dr6, dr6);
	}
}

/* Calls @function at @vcpu's next instruction, in the shadow of MOV SS and with an NMI due. */
static void call_in_shadow(struct vcpu *vcpu, const uint8_t *function)
{
	struct kvm_vcpu_events events = {
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW,
		.nmi.pending = 1, .interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS,
	};
	struct kvm_regs regs;

	/* Finish the instruction that made the exit. */
	vcpu->run->immediate_exit = 1;
	try_run(vcpu);
	vcpu->run->immediate_exit = 0;
	vcpu_get_regs(vcpu, &regs);
	regs.rsp -= 8;
	memcpy((uint8_t *)vcpu->vm->ram + regs.rsp, &regs.rip, 8);
	regs.rip = (uintptr_t)function;
	vcpu_set_regs(vcpu, &regs);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events), 0);
}

static void test_nmi_after_shadow(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);
	int i;

	guest_start(vcpu, guest_shadow);
	for (i = 0; i < 2; i++) {
		guest_run_sync(vcpu, 1);
		call_in_shadow(vcpu, in_shadow);
	}
	guest_run_done(vcpu);
}

static void end_double_fault(struct guest_frame *frame)
{
	GUEST_EQ(frame->error, 0);
	guest_sync(8);
}

/* #GP whose gate is not present raises #NP, which is contributory: #DF. */
static void guest_double_fault(void)
{
	guest_handlers[8] = end_double_fault;
	guest_idt[8].ist = 1;
	guest_idt[13].type = 0;
	guest_idt[11].type = 0;
	asm volatile("movw %w0, %%es" : : "r"(0x40 * 8));
	GUEST_ASSERT(false);
}

static void test_double_fault(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	guest_start(vcpu, guest_double_fault);
	guest_run_sync(vcpu, 8);
}

static void guest_triple_fault(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __packed none = { 0, 0 };

	asm volatile("lidt %0; ud2" : : "m"(none));
}

static void test_triple_fault(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	guest_start(vcpu, guest_triple_fault);
	EXPECT_EQ(guest_run(vcpu), GUEST_EXIT);
	vcpu_expect_exit(vcpu, KVM_EXIT_SHUTDOWN);
}

static const struct ksft_test tests[] = {
	{ "faults", test_faults },
	{ "software_interrupts", test_software_interrupts },
	{ "page_fault", test_page_fault },
	{ "single_step", test_single_step },
	{ "single_step_over_exits", test_single_step_exits },
	{ "hardware_breakpoint", test_hardware_breakpoint },
	{ "nmi_after_shadow", test_nmi_after_shadow },
	{ "double_fault", test_double_fault },
	{ "triple_fault", test_triple_fault },
};

const struct ksft_suite exceptions_suite = KSFT_SUITE("exceptions", tests);
