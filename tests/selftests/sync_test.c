// SPDX-License-Identifier: GPL-2.0-only
/*
 * State that goes through struct kvm_run (KVM_CAP_SYNC_REGS) or in structures newer
 * than the first ones: KVM_GET_SREGS2, all of KVM_GET_VCPU_EVENTS, KVM_SET_MP_STATE.
 */
#include <asm/processor-flags.h>
#include <errno.h>
#include <string.h>

#include "guest.h"
#include "guest_cpu.h"
#include "ksft.h"
#include "vm.h"

#define ALL_SETS	(KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

static struct vcpu *start(unsigned int flags, void (*function)(void))
{
	struct vm *vm = vm_create(VM_RAM_SIZE, flags);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	guest_start(vcpu, function);
	return vcpu;
}

static void enable_cap(struct vm *vm, uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap enable = { .cap = cap, .args[0] = arg };

	ASSERT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, &enable), 0);
}

static void guest_count(void)
{
	asm volatile("xorl %%ebx, %%ebx\n"
		     "1:\tincl %%ebx\n\t"
		     "outl %%eax, %%dx\n\t"
		     "jmp 1b" : : "d"(GUEST_PORT_SYNC) : "rbx");
}

static void need_sync(struct vcpu *vcpu)
{
	if ((vm_check_extension(vcpu->vm, KVM_CAP_SYNC_REGS) & ALL_SETS) != ALL_SETS)
		ksft_skip("no KVM_CAP_SYNC_REGS");
}

static void test_sync_out_and_in(void)
{
	struct vcpu *vcpu = start(0, guest_count);
	struct kvm_sync_regs *s = &vcpu->run->s.regs;
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	need_sync(vcpu);
	vcpu->run->kvm_valid_regs = ALL_SETS;
	ASSERT_EQ(guest_run(vcpu), GUEST_SYNC);
	vcpu_get_regs(vcpu, &regs);
	vcpu_get_sregs(vcpu, &sregs);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events), 0);
	EXPECT(!memcmp(&s->regs, &regs, sizeof(regs)));
	EXPECT(!memcmp(&s->sregs, &sregs, sizeof(sregs)));
	EXPECT(!memcmp(&s->events, &events, sizeof(events)));
	EXPECT_EQ(s->regs.rbx, 1);

	/* What is not marked as changed is not taken. */
	s->regs.rbx = 100;
	ASSERT_EQ(guest_run(vcpu), GUEST_SYNC);
	EXPECT_EQ(s->regs.rbx, 2);
	s->regs.rbx = 100;
	s->sregs.cr2 = 0x1234;
	vcpu->run->kvm_dirty_regs = ALL_SETS;
	ASSERT_EQ(guest_run(vcpu), GUEST_SYNC);
	EXPECT_EQ(vcpu->run->kvm_dirty_regs, 0);
	EXPECT_EQ(s->regs.rbx, 101);
	EXPECT_EQ(s->sregs.cr2, 0x1234);

	/* What is not asked for is not told. */
	vcpu->run->kvm_valid_regs = 0;
	s->regs.rbx = 7;
	ASSERT_EQ(guest_run(vcpu), GUEST_SYNC);
	EXPECT_EQ(s->regs.rbx, 7);
	vcpu_get_regs(vcpu, &regs);
	EXPECT_EQ(regs.rbx, 102);
}

static void test_sync_refused(void)
{
	struct vcpu *vcpu = start(0, guest_count);
	struct kvm_sync_regs *s = &vcpu->run->s.regs;
	struct kvm_run *run = vcpu->run;

	need_sync(vcpu);
	run->kvm_valid_regs = 1 << 3;
	EXPECT_EQ(try_run(vcpu), -EINVAL);
	run->kvm_valid_regs = 1ULL << 63 | ALL_SETS;
	EXPECT_EQ(try_run(vcpu), -EINVAL);
	run->kvm_valid_regs = ALL_SETS;
	run->kvm_dirty_regs = 1ULL << 33;
	EXPECT_EQ(try_run(vcpu), -EINVAL);
	run->kvm_dirty_regs = 0;
	ASSERT_EQ(guest_run(vcpu), GUEST_SYNC);

	/* The same checks as the calls make; what went before the bad set is done. */
	s->regs.rbx = 50;
	s->sregs.cr4 |= 1ULL << 31;
	run->kvm_dirty_regs = ALL_SETS;
	EXPECT_EQ(try_run(vcpu), -EINVAL);
	EXPECT_EQ(run->kvm_dirty_regs, KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS);
	vcpu_get_sregs(vcpu, &s->sregs);
	s->events.flags = 0xffffffff;
	run->kvm_dirty_regs = ALL_SETS;
	EXPECT_EQ(try_run(vcpu), -EINVAL);
	EXPECT_EQ(run->kvm_dirty_regs, KVM_SYNC_X86_EVENTS);
	run->kvm_dirty_regs = 0;
	ASSERT_EQ(guest_run(vcpu), GUEST_SYNC);
	EXPECT_EQ(s->regs.rbx, 51);
}

/* Sets are taken and told also when KVM_RUN does not come to the guest. */
static void test_sync_immediate_exit(void)
{
	struct vcpu *vcpu = start(0, guest_count);
	struct kvm_regs regs;

	need_sync(vcpu);
	vcpu->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	ASSERT_EQ(guest_run(vcpu), GUEST_SYNC);
	vcpu->run->s.regs.regs.rbx = 9;
	vcpu->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	vcpu->run->immediate_exit = 1;
	EXPECT_EQ(try_run(vcpu), -EINTR);
	vcpu_get_regs(vcpu, &regs);
	EXPECT_EQ(regs.rbx, 9);
	EXPECT_EQ(vcpu->run->s.regs.regs.rbx, 9);
	vcpu->run->immediate_exit = 0;
}

/* Without irqchip CR8 is the client's to set with every run. */
static void test_cr8(void)
{
	struct vcpu *vcpu = start(0, guest_count);
	struct kvm_sregs sregs;

	vcpu->run->cr8 = 5;
	ASSERT_EQ(guest_run(vcpu), GUEST_SYNC);
	vcpu_get_sregs(vcpu, &sregs);
	EXPECT_EQ(sregs.cr8, 5);
	EXPECT_EQ(vcpu->run->cr8, 5);
	vcpu->run->cr8 = 16;
	EXPECT_EQ(try_run(vcpu), -EINVAL);
	vcpu->run->cr8 = 0;
	ASSERT_EQ(guest_run(vcpu), GUEST_SYNC);
}

static void test_sregs2(void)
{
	struct vcpu *vcpu = start(0, guest_count);
	struct kvm_sregs2 s2, back;
	struct kvm_sregs s;

	vm_need(vcpu->vm, KVM_CAP_SREGS2, "KVM_CAP_SREGS2");
	ASSERT_EQ(guest_run(vcpu), GUEST_SYNC);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_SREGS2, &s2), 0);
	vcpu_get_sregs(vcpu, &s);
	EXPECT(!memcmp(&s2, &s, offsetof(struct kvm_sregs2, flags)));
	EXPECT_EQ(s2.flags, 0);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_SREGS2, &s2), 0);
	s2.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;	/* in long mode */
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_SREGS2, &s2), -EINVAL);
	s2.flags = 2;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_SREGS2, &s2), -EINVAL);
	s2.flags = 0;
	s2.cr8 = 16;
	s2.cr4 |= 1ULL << 31;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_SREGS2, &s2), -EINVAL);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_SREGS2, (void *)8), -EFAULT);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_GET_SREGS2, (void *)8), -EFAULT);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_SREGS2, &back), 0);
	EXPECT(!memcmp(&back, &s, offsetof(struct kvm_sregs2, flags)));
	ASSERT_EQ(guest_run(vcpu), GUEST_SYNC);
}

/* PAE's pointers come and go with the structure. Nothing runs: there are no such tables. */
static void test_sregs2_pdptrs(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);
	uint64_t *table = (uint64_t *)(vcpu->vm->ram + 0x5000);
	struct kvm_sregs2 s, back;
	int i;

	vm_need(vcpu->vm, KVM_CAP_SREGS2, "KVM_CAP_SREGS2");
	vcpu_protected_mode(vcpu, 0, 0);
	for (i = 0; i < 4; i++)
		table[i] = 0x10001 + i * 0x1000;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_SREGS2, &s), 0);
	EXPECT_EQ(s.flags, 0);
	s.cr0 |= X86_CR0_PG;
	s.cr4 |= X86_CR4_PAE;
	s.cr3 = 0x5000;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_SREGS2, &s), 0);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_SREGS2, &back), 0);
	EXPECT_EQ(back.flags, KVM_SREGS2_FLAGS_PDPTRS_VALID);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(back.pdptrs[i], table[i]);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_SREGS2, &back), 0);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_SREGS2, &s), 0);
	EXPECT(!memcmp(&s, &back, sizeof(s)));
}

static void test_event_flags(void)
{
	struct vm *vm = vm_create(0, VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_vcpu_events e, set;

	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &e), 0);
	EXPECT_EQ(e.flags, KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
			   KVM_VCPUEVENT_VALID_SMM);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &e), 0);
	set = e;
	set.flags |= 1U << 31;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &set), -EINVAL);
	set.flags = KVM_VCPUEVENT_VALID_PAYLOAD;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &set), -EINVAL);
	set.flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &set), -EINVAL);
	set = e;
	set.exception.injected = 1;
	set.exception.nr = 32;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &set), -EINVAL);
	set.exception.nr = 2;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &set), -EINVAL);
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, (void *)8), -EFAULT);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &set), 0);
	EXPECT(!memcmp(&e, &set, sizeof(e)));
	if (dev_check_extension(vm->dev, KVM_CAP_X86_SMM) > 0)
		return;
	set.smi.smm = 1;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &set), -EINVAL);
	set.smi.smm = 0;
	set.smi.pending = 1;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &set), -EINVAL);
}

static uint64_t seen_cr2, seen_vector;

static void note_fault(struct guest_frame *frame)
{
	seen_cr2 = read_cr2();
	seen_vector = frame->vector;
	guest_sync(2);
}

static void guest_waits(void)
{
	guest_handlers[14] = note_fault;
	guest_sync(1);
	asm volatile("nop" : : : "memory");
	guest_sync(3);
}

/* CR2 of a page fault that waits is told apart, and set when it is delivered. */
static void test_exception_payload(void)
{
	struct vcpu *vcpu = start(0, guest_waits);
	struct kvm_vcpu_events e;
	struct kvm_sregs sregs;

	vm_need(vcpu->vm, KVM_CAP_EXCEPTION_PAYLOAD, "KVM_CAP_EXCEPTION_PAYLOAD");
	enable_cap(vcpu->vm, KVM_CAP_EXCEPTION_PAYLOAD, 1);
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &e), 0);
	EXPECT(e.flags & KVM_VCPUEVENT_VALID_PAYLOAD);
	e.exception.pending = 1;
	e.exception.nr = 14;
	e.exception.has_error_code = 1;
	e.exception_has_payload = 1;
	e.exception_payload = 0xabc000;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &e), 0);
	memset(&e, 0, sizeof(e));
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &e), 0);
	EXPECT_EQ(e.exception.pending, 1);
	EXPECT_EQ(e.exception.injected, 0);
	EXPECT_EQ(e.exception_has_payload, 1);
	EXPECT_EQ(e.exception_payload, 0xabc000);
	vcpu_get_sregs(vcpu, &sregs);
	EXPECT_EQ(sregs.cr2, 0);
	guest_run_sync(vcpu, 2);
	EXPECT_EQ(*GUEST_VAR(vcpu->vm, seen_vector), 14);
	EXPECT_EQ(*GUEST_VAR(vcpu->vm, seen_cr2), 0xabc000);
}

static void test_triple_fault_event(void)
{
	struct vcpu *vcpu = start(0, guest_waits);
	struct kvm_vcpu_events e;

	vm_need(vcpu->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, "KVM_CAP_X86_TRIPLE_FAULT_EVENT");
	enable_cap(vcpu->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1);
	guest_run_sync(vcpu, 1);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &e), 0);
	EXPECT(e.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT);
	EXPECT_EQ(e.triple_fault.pending, 0);
	e.triple_fault.pending = 1;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &e), 0);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &e), 0);
	EXPECT_EQ(e.triple_fault.pending, 1);
	ASSERT_EQ(try_run(vcpu), 0);
	vcpu_expect_exit(vcpu, KVM_EXIT_SHUTDOWN);
}

static void test_mp_states(void)
{
	static const struct { uint32_t state; int with, without; uint32_t got; } states[] = {
		{ KVM_MP_STATE_RUNNABLE, 0, 0, KVM_MP_STATE_RUNNABLE },
		{ KVM_MP_STATE_HALTED, 0, -EINVAL, KVM_MP_STATE_HALTED },
		{ KVM_MP_STATE_UNINITIALIZED, 0, -EINVAL, KVM_MP_STATE_UNINITIALIZED },
		{ KVM_MP_STATE_INIT_RECEIVED, 0, -EINVAL, KVM_MP_STATE_INIT_RECEIVED },
		{ KVM_MP_STATE_STOPPED, -EINVAL, -EINVAL, 0 },
		{ KVM_MP_STATE_CHECK_STOP, -EINVAL, -EINVAL, 0 },
		{ 0xffffffff, -EINVAL, -EINVAL, 0 },
	};
	struct vcpu *with = vcpu_create(vm_create(0, VM_IRQCHIP), 0);
	struct vcpu *without = vcpu_create(vm_create(0, 0), 0);
	struct kvm_mp_state mp;
	size_t i;

	for (i = 0; i < KSFT_ARRAY_SIZE(states); i++) {
		mp.mp_state = states[i].state;
		EXPECT_EQ(try_ioctl(without->fd, KVM_SET_MP_STATE, &mp), states[i].without);
		EXPECT_EQ(try_ioctl(with->fd, KVM_SET_MP_STATE, &mp), states[i].with);
		if (states[i].with)
			continue;
		ASSERT_EQ(try_ioctl(with->fd, KVM_GET_MP_STATE, &mp), 0);
		EXPECT_EQ(mp.mp_state, states[i].got);
	}
}

static void test_sipi_received(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(0, VM_IRQCHIP), 0);
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_SIPI_RECEIVED };
	struct kvm_vcpu_events e;
	struct kvm_sregs sregs;

	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &e), 0);
	e.flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	e.sipi_vector = 0x12;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &e), 0);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_MP_STATE, &mp), 0);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp), 0);
	EXPECT_EQ(mp.mp_state, KVM_MP_STATE_RUNNABLE);
	vcpu_get_sregs(vcpu, &sregs);
	EXPECT_EQ(sregs.cs.selector, 0x1200);
}

static void test_debugregs(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(0, 0), 0);
	struct kvm_debugregs regs;

	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &regs), 0);
	EXPECT_EQ(regs.flags, 0);
	regs.db[3] = ~0ULL;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &regs), 0);
	regs.flags = 1;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &regs), -EINVAL);
	regs.flags = 0;
	regs.dr6 |= 1ULL << 32;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &regs), -EINVAL);
	regs.dr6 = (uint32_t)regs.dr6;
	regs.dr7 |= 1ULL << 32;
	EXPECT_EQ(try_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &regs), -EINVAL);
}

static const struct ksft_test tests[] = {
	{ "sync_out_and_in", test_sync_out_and_in },
	{ "sync_refused", test_sync_refused },
	{ "sync_immediate_exit", test_sync_immediate_exit },
	{ "cr8", test_cr8 },
	{ "sregs2", test_sregs2 },
	{ "sregs2_pdptrs", test_sregs2_pdptrs },
	{ "event_flags", test_event_flags },
	{ "exception_payload", test_exception_payload },
	{ "triple_fault_event", test_triple_fault_event },
	{ "mp_states", test_mp_states },
	{ "sipi_received", test_sipi_received },
	{ "debugregs", test_debugregs },
};

static const struct ksft_suite suite = KSFT_SUITE("sync", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
