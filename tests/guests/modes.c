// SPDX-License-Identifier: GPL-2.0-only
/*
 * The processor's modes: real mode with its interrupt table, segments that
 * outlive protected mode, virtual-8086 mode, 32-bit code without and with both
 * kinds of paging, and a guest that goes all the way from real to 64-bit mode.
 */
#include <asm/processor-flags.h>
#include <string.h>

#include "guests.h"
#include "khv.h"

#define END_PORT	0x6e4
#define REAL_SEGMENT	0x1000
#define TABLES		0x100000
#define IDT32		0x200000
#define DATA		0x800000

GUEST_BLOB(real_basic);
GUEST_BLOB(real_int);
GUEST_BLOB(real_fault);
GUEST_BLOB(real_irq);
GUEST_BLOB(real_big);
GUEST_BLOB(real_to_long);
GUEST_BLOB(prot_flat);
GUEST_BLOB(prot_nothing);
GUEST_BLOB(prot_to_real);
GUEST_BLOB(prot_paging);
GUEST_BLOB(prot_pae);
extern const uint8_t prot_int[], prot_ud[];

static struct vcpu *create(unsigned int flags)
{
	return vcpu_create(vm_create(VM_RAM_SIZE, flags), 0);
}

static void run_to_end(struct vcpu *vcpu, struct kvm_regs *regs)
{
	vcpu_run_to(vcpu, KVM_EXIT_IO);
	if (vcpu->run->io.port != END_PORT) {
		ksft_fail(__FILE__, __LINE__, "not the guest's end");
		vcpu_describe(vcpu);
		ksft_abort();
	}
	vcpu_get_regs(vcpu, regs);
}

static struct vcpu *create_real(unsigned int flags, struct blob code)
{
	struct vcpu *vcpu;

	if (!host_runs_real_mode())
		ksft_skip("this processor runs no real mode: it is no unrestricted guest");
	vcpu = create(flags);
	vcpu_real_mode(vcpu, REAL_SEGMENT, code);
	return vcpu;
}

static void run_real(struct blob code, struct kvm_regs *regs)
{
	run_to_end(create_real(0, code), regs);
}

/* 32-bit code runs where it is linked. */
static void start_protected(struct vcpu *vcpu, const void *code)
{
	uintptr_t page = (uintptr_t)prot_flat_start & -PAGE_SIZE;

	memcpy(vcpu->vm->ram + page, (void *)page, 2 * PAGE_SIZE);
	vcpu_protected_mode(vcpu, (uintptr_t)code, 0x90000);
}

static void run_refused(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	ASSERT_EQ(try_run(vcpu), 0);
	vcpu_expect_exit(vcpu, KVM_EXIT_INTERNAL_ERROR);
	EXPECT_EQ(run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	EXPECT_EQ(run->internal.ndata, 1);
	EXPECT_EQ(run->internal.data[0], KHV_ERROR_REAL_MODE);
}

/* Where the processor cannot, the client is told so, and can go another way. */
static void test_real_entry(void)
{
	struct vcpu *vcpu = create(0);
	struct kvm_regs regs;

	EXPECT_EQ(vm_check_extension(vcpu->vm, KHV_CAP_NO_REAL_MODE), !host_runs_real_mode());
	vcpu_real_mode(vcpu, REAL_SEGMENT, BLOB(real_basic));
	if (host_runs_real_mode()) {
		run_to_end(vcpu, &regs);
		return;
	}
	run_refused(vcpu);
	start_protected(vcpu, prot_nothing_start);
	run_to_end(vcpu, &regs);
	EXPECT_EQ(regs.rax, 0x77);
}

/* 32-bit code that leaves protected mode comes as far as the processor goes. */
static void test_real_from_protected(void)
{
	struct vcpu *vcpu = create(0);
	struct kvm_regs regs;

	start_protected(vcpu, prot_to_real_start);
	if (!host_runs_real_mode()) {
		run_refused(vcpu);
		return;
	}
	run_to_end(vcpu, &regs);
	EXPECT_EQ(regs.rax, 0x77);
}

static void test_real_basic(void)
{
	struct vcpu *vcpu = create_real(0, BLOB(real_basic));
	struct kvm_regs regs;

	run_to_end(vcpu, &regs);
	EXPECT_EQ(regs.rax, 42 + 0x300);
	EXPECT_EQ(regs.rsp, 0xfff0);
	EXPECT_EQ(regs.rcx & 0xffff, 0);
	EXPECT_EQ(regs.rdi & 0xffff, 16);
	EXPECT(!memcmp(vcpu->vm->ram + 0x20000, real_basic_start, 16));
}

static void test_real_interrupt(void)
{
	struct kvm_regs regs;

	run_real(BLOB(real_int), &regs);
	EXPECT_EQ(regs.rax, 0x3333);
	EXPECT_EQ(regs.rbx & 0x200, 0);
	EXPECT_EQ(regs.rcx & 0x200, 0x200);
	EXPECT_EQ(regs.rsp, 0xfff0);
}

static void test_real_faults(void)
{
	struct kvm_regs regs;

	run_real(BLOB(real_fault), &regs);
	EXPECT_EQ(regs.rax, 3);
	EXPECT_EQ(regs.rsp, 0xfff0);
}

static void test_real_irq(void)
{
	struct vcpu *vcpu = create_real(VM_IRQCHIP, BLOB(real_irq));
	struct kvm_lapic_state lapic;
	const uint32_t extint = 0x700;
	struct kvm_regs regs;

	/* LINT0 passes the PIC's interrupts on, as firmware sets it up. */
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic), 0);
	memcpy(lapic.regs + 0x350, &extint, sizeof(extint));
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic), 0);
	run_to_end(vcpu, &regs);
	vm_irq_line(vcpu->vm, 4, 1);
	run_to_end(vcpu, &regs);
	EXPECT_EQ(regs.rax, 1);
}

static void test_real_big_segments(void)
{
	struct vcpu *vcpu = create_real(0, BLOB(real_big));
	struct kvm_regs regs;

	run_to_end(vcpu, &regs);
	EXPECT_EQ(regs.rax, 0x12345678);
	EXPECT_EQ(*(uint32_t *)(vcpu->vm->ram + 0x300000), 0x12345678);
}

/* Long mode has no 16-bit TSS. There is no handler for the #GP. */
static void test_long_with_old_tss(void)
{
	struct vcpu *vcpu = create_real(0, BLOB(real_to_long));
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (!host_is_vmx())
		ksft_skip("only processors with VMX look at the TSS");
	memset(vcpu->vm->ram + TABLES, 0, 3 * PAGE_SIZE);
	vcpu_get_regs(vcpu, &regs);
	regs.rbx = TABLES;
	vcpu_set_regs(vcpu, &regs);
	vcpu_get_sregs(vcpu, &sregs);
	sregs.tr.type = 3;
	vcpu_set_sregs(vcpu, &sregs);
	vcpu_run_to(vcpu, KVM_EXIT_SHUTDOWN);
}

static void test_real_to_long(void)
{
	struct vcpu *vcpu = create_real(0, BLOB(real_to_long));
	uint64_t *table = (uint64_t *)(vcpu->vm->ram + TABLES);
	struct kvm_regs regs;

	table[0] = (TABLES + 0x1000) | 3;
	table[512] = (TABLES + 0x2000) | 3;
	table[1024] = 0x83;		/* 2 MiB, one to one */
	vcpu_get_regs(vcpu, &regs);
	regs.rbx = TABLES;
	vcpu_set_regs(vcpu, &regs);
	run_to_end(vcpu, &regs);
	EXPECT_EQ(regs.rdi, 0x1000000000 + 0x1000 + 0x111);
}

/* Virtual-8086 mode needs no real mode: a user of protected mode with real-mode segments. */
static void test_virtual_8086(void)
{
	struct vcpu *vcpu = create(0);
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct kvm_segment *seg[] = {
		&sregs.cs, &sregs.ds, &sregs.es, &sregs.ss, &sregs.fs, &sregs.gs,
	};
	unsigned int i;

	vcpu_real_mode(vcpu, REAL_SEGMENT, BLOB(real_basic));
	vcpu_get_sregs(vcpu, &sregs);
	for (i = 0; i < KSFT_ARRAY_SIZE(seg); i++) {
		seg[i]->type = 3;
		seg[i]->dpl = 3;
	}
	/* A task state segment that allows all ports; busy, which QEMU's processor minds. */
	sregs.tr = (struct kvm_segment) {
		.base = DATA, .limit = 0x2068, .selector = 0x28, .present = 1,
		.type = host_is_tcg() ? 9 : 11,
	};
	*(uint16_t *)(vcpu->vm->ram + DATA + 0x66) = 0x68;
	sregs.cr0 |= X86_CR0_PE;
	vcpu_set_sregs(vcpu, &sregs);
	vcpu_get_regs(vcpu, &regs);
	regs.rflags |= X86_EFLAGS_VM;
	vcpu_set_regs(vcpu, &regs);
	run_to_end(vcpu, &regs);
	EXPECT_EQ(regs.rax, 42 + 0x300);
	EXPECT(regs.rflags & X86_EFLAGS_VM);
	EXPECT(!memcmp(vcpu->vm->ram + 0x20000, real_basic_start, 16));
}

static void set_gate32(struct vm *vm, unsigned int vector, const void *handler)
{
	uint64_t address = (uintptr_t)handler;
	uint64_t gate = (address & 0xffff) | 0x08ULL << 16 | 0x8eULL << 40 |
			(address >> 16) << 48;

	memcpy(vm->ram + IDT32 + 8 * vector, &gate, sizeof(gate));
}

static struct vcpu *create_protected(const void *code)
{
	struct vcpu *vcpu = create(0);

	start_protected(vcpu, code);
	return vcpu;
}

static void test_protected(void)
{
	struct vcpu *vcpu = create_protected(prot_flat_start);
	struct kvm_regs regs;

	set_gate32(vcpu->vm, 0x30, prot_int);
	set_gate32(vcpu->vm, 6, prot_ud);
	run_to_end(vcpu, &regs);
	EXPECT_EQ(regs.rsi, 0x111);
	EXPECT_EQ(regs.rsp, 0x90000);
}

/* Two words for the guest to add, and a check of where it stored the sum. */
static void run_paging(struct vcpu *vcpu)
{
	struct kvm_regs regs;

	*(uint32_t *)(vcpu->vm->ram + DATA) = 0x1000;
	*(uint32_t *)(vcpu->vm->ram + DATA + MiB(4)) = 0x234;
	vcpu_get_regs(vcpu, &regs);
	regs.rbx = TABLES;
	vcpu_set_regs(vcpu, &regs);
	run_to_end(vcpu, &regs);
	EXPECT_EQ(regs.rax, 0x1234);
	EXPECT_EQ(*(uint32_t *)(vcpu->vm->ram + DATA + 4), 0x1234);
}

static void test_paging32(void)
{
	struct vcpu *vcpu = create_protected(prot_paging_start);
	uint32_t *directory = (uint32_t *)(vcpu->vm->ram + TABLES);
	uint32_t *table = directory + 1024;
	unsigned int i;

	for (i = 0; i < 4; i++)
		directory[i] = i << 22 | 0x83;
	directory[0x300] = (TABLES + 0x1000) | 3;
	directory[0x301] = (DATA + MiB(4)) | 0x83;
	table[0] = DATA | 3;
	run_paging(vcpu);
}

static void test_paging_pae(void)
{
	struct vcpu *vcpu = create_protected(prot_pae_start);
	uint64_t *pointers = (uint64_t *)(vcpu->vm->ram + TABLES);
	uint64_t *low = pointers + 512, *high = pointers + 1024, *table = pointers + 1536;
	unsigned int i;

	pointers[0] = (TABLES + 0x1000) | 1;
	pointers[3] = (TABLES + 0x2000) | 1;
	for (i = 0; i < 8; i++)
		low[i] = i * MiB(2) | 0x83;
	high[0] = (TABLES + 0x3000) | 3;
	high[1] = (DATA + MiB(4)) | 0x83;
	table[0] = DATA | 3;
	run_paging(vcpu);
}

static const struct ksft_test tests[] = {
	{ "real_entry", test_real_entry },
	{ "real_from_protected", test_real_from_protected },
	{ "real_basic", test_real_basic },
	{ "real_interrupt", test_real_interrupt },
	{ "real_faults", test_real_faults },
	{ "real_irq", test_real_irq },
	{ "real_big_segments", test_real_big_segments },
	{ "real_to_long", test_real_to_long },
	{ "long_with_old_tss", test_long_with_old_tss },
	{ "virtual_8086", test_virtual_8086 },
	{ "protected", test_protected },
	{ "paging32", test_paging32 },
	{ "paging_pae", test_paging_pae },
};

const struct ksft_suite modes_suite = KSFT_SUITE("modes", tests);
