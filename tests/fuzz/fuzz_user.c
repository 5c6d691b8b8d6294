// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random bytes, or valid instructions with some bits changed, as user mode: it
 * may read and write its pages, touch a device and raise exceptions, and nothing
 * else may come of it. In particular it cannot stop the virtual machine.
 */
#include <asm/processor-flags.h>
#include <string.h>

#include "emul_insn.h"
#include "guest_fuzz.h"
#include "ksft.h"
#include "world.h"

#define MAX_EXITS	200
#define WORLD_LIFE	500	/* iterations with one VM */
#define USER_FLAGS	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | \
			 X86_EFLAGS_SF | X86_EFLAGS_DF | X86_EFLAGS_OF | X86_EFLAGS_NT | \
			 X86_EFLAGS_RF | X86_EFLAGS_AC | X86_EFLAGS_ID)

static struct world *world;
static uint64_t kernel_sum;

static void fill(struct rng *rng, uint8_t *from, size_t size)
{
	for (; size; size -= 8, from += 8)
		*(uint64_t *)from = rnd(rng);
}

/*
 * QEMU ends itself when it meets LOCK BTS and its like with a register operand:
 * there, no LOCK.
 */
static void spare_qemu(uint8_t *from, size_t size)
{
	static int tcg = -1;

	if (tcg < 0)
		tcg = host_is_tcg();
	for (; tcg && size--; from++)
		if (*from == 0xf0)
			*from = 0x3e;
}

static void new_world(struct rng *rng)
{
	uint8_t *ram;

	if (world)
		world_destroy(world);
	world = world_create();
	ram = world->vm->ram;
	fill(rng, ram + WORLD_LEFT, WORLD_USER_END - WORLD_LEFT);
	spare_qemu(ram + WORLD_LEFT, WORLD_USER_END - WORLD_LEFT);
	kernel_sum = world_kernel_sum(world);
}

/* Most registers point to where something is. */
static uint64_t user_number(struct rng *rng)
{
	switch (below(rng, 4)) {
	case 0:
		return odd_number(rng);
	case 1:
		return below(rng, 64);
	default:
		return WORLD_FRAME + below(rng, WORLD_USER_END + PAGE_SIZE - WORLD_FRAME);
	}
}

static void random_code(struct rng *rng, enum world_code kind, struct kvm_regs *regs, bool mutate)
{
	uint8_t *code = world->vm->ram + WORLD_CODE;
	uint64_t offset = below(rng, 2 * PAGE_SIZE - 64);
	unsigned int flips = below(rng, 3);
	struct insn insn;

	regs->rip = WORLD_CODE + offset;
	if (!mutate) {
		fill(rng, code + offset, 32);
		spare_qemu(code + offset, 32);
		return;
	}
	insn_make(rng, kind, &insn);
	while (flips--)
		insn.bytes[below(rng, insn.length)] ^= 1 << below(rng, 8);
	spare_qemu(insn.bytes, insn.length);
	memcpy(code + offset, insn.bytes, insn.length);
	regs->rax = insn.gpr[RAX];
	regs->rcx = insn.gpr[RCX];
	regs->rdx = insn.gpr[RDX];
	regs->rbx = insn.gpr[RBX];
	regs->rbp = insn.gpr[RBP];
	regs->rsi = insn.gpr[RSI];
	regs->rdi = insn.gpr[RDI];
	memcpy(&regs->r8, &insn.gpr[8], 8 * sizeof(regs->r8));
}

static void random_registers(struct rng *rng, struct kvm_regs *regs)
{
	uint64_t *reg;

	for (reg = (uint64_t *)regs; reg < (uint64_t *)(regs + 1); reg++)
		*reg = user_number(rng);
	regs->rsp = WORLD_STACK + below(rng, 2 * PAGE_SIZE);
	regs->rflags = X86_EFLAGS_FIXED | X86_EFLAGS_IF | (rnd(rng) & USER_FLAGS);
	if (options.step || one_in(rng, 8))
		regs->rflags |= X86_EFLAGS_TF;
}

/* Control bits that decide what user mode may do. */
static void random_controls(struct rng *rng, struct kvm_sregs *s)
{
	static const uint64_t cr4[] = {
		X86_CR4_TSD, X86_CR4_DE, X86_CR4_PGE, X86_CR4_PCE, X86_CR4_UMIP,
		X86_CR4_FSGSBASE, X86_CR4_OSXSAVE, X86_CR4_SMEP, X86_CR4_SMAP,
	};
	uint64_t base = s->cr4;
	unsigned int i;

	for (i = 0; i < KSFT_ARRAY_SIZE(cr4); i++)
		if (one_in(rng, 3))
			s->cr4 |= cr4[i];
	if (one_in(rng, 8))
		s->cr4 &= ~X86_CR4_OSFXSR;
	if (one_in(rng, 4))
		s->cr0 |= X86_CR0_AM;
	if (one_in(rng, 8))
		s->cr0 |= X86_CR0_TS;
	s->fs.base = one_in(rng, 2) ? 0 : below(rng, WORLD_USER_END);
	/* A processor may lack some. */
	if (try_ioctl(world->vcpu->fd, KVM_SET_SREGS, s)) {
		s->cr4 = base;
		vcpu_set_sregs(world->vcpu, s);
	}
}

/* What user mode cannot change. */
static void check_kernel(const struct kvm_sregs *before)
{
	struct kvm_sregs after;

	vcpu_get_sregs(world->vcpu, &after);
	if (after.cr0 != before->cr0 || after.cr3 != before->cr3 || after.cr4 != before->cr4 ||
	    after.efer != before->efer || after.gdt.base != before->gdt.base ||
	    after.idt.base != before->idt.base || after.tr.base != before->tr.base)
		fuzz_fail(world->vcpu, "user mode changed a system register");
	if (report->done % 16 == 0 && world_kernel_sum(world) != kernel_sum)
		fuzz_fail(world->vcpu, "user mode changed the kernel's memory");
}

static void run_user(void)
{
	struct kvm_run *run = world->vcpu->run;
	unsigned int exits;

	for (exits = 0; exits < MAX_EXITS && fuzz_run(world->vcpu); exits++) {
		if (run->exit_reason == KVM_EXIT_MMIO && world_mmio(world))
			continue;
		if (run->exit_reason != KVM_EXIT_IO || run->io.port > 255 || run->io.size != 4 ||
		    run->io.direction != KVM_EXIT_IO_OUT || run->io.count != 1)
			fuzz_fail(world->vcpu, "an exit that user mode cannot cause");
		report->vectors[run->io.port]++;
		return;
	}
}

/* Whatever is left of an instruction or an exception is not the next iteration's. */
static void finish(void)
{
	struct kvm_vcpu_events none = { 0 };

	world->vcpu->run->immediate_exit = 1;
	try_run(world->vcpu);
	world->vcpu->run->immediate_exit = 0;
	ASSERT_EQ(try_ioctl(world->vcpu->fd, KVM_SET_VCPU_EVENTS, &none), 0);
}

void fuzz_user(struct rng *rng, bool mutate)
{
	enum world_code code = below(rng, CODES);
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct kvm_fpu fpu = { .fcw = 0x37f, .mxcsr = 0x1f80 };

	if (report->done % WORLD_LIFE == 0)
		new_world(rng);
	world_sregs(world, below(rng, VIEWS), code, 3, &sregs);
	random_controls(rng, &sregs);
	random_registers(rng, &regs);
	random_code(rng, code, &regs, mutate);
	vcpu_set_regs(world->vcpu, &regs);
	ASSERT_EQ(try_ioctl(world->vcpu->fd, KVM_SET_FPU, &fpu), 0);
	if (one_in(rng, 16))
		try_ioctl_value(world->vcpu->fd, KVM_NMI, 0);
	run_user();
	check_kernel(&sregs);
	finish();
}
