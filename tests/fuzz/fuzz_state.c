// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs in random states: one of the modes of a processor with some registers,
 * segments, control bits and tables changed, and random bytes to execute.
 */
#include <asm/processor-flags.h>
#include <string.h>

#include "guest_fuzz.h"
#include "ksft.h"

#define RAM_SIZE	MiB(1)
#define ROM		0x200000UL
#define MACHINE_LIFE	64	/* iterations with one VM */
#define MAX_EXITS	20

/* Where things are in RAM. */
#define GDT		0x1000
#define IDT		0x2000
#define TSS		0x3000
#define LDT		0x4000
#define LONG_TABLES	0x8000
#define PAE_TABLES	0xb000
#define OLD_TABLES	0xd000
#define CODE		0x10000
#define STACK		0x20000

#define PTE		0x67ULL
#define LARGE		0xe7ULL
#define EFER_LONG	0x500

enum mode { REAL, PROT16, PROT32, OLD_PAGING, PAE_PAGING, LONG64, COMPAT32, COMPAT16, VM86, MODES };

struct machine {
	struct vm *vm;
	struct vcpu *vcpu;
	struct kvm_sregs sregs;		/* as created */
	bool irqchip;
};

static struct machine machine;

static void build_tables(uint8_t *ram)
{
	uint64_t *pml4 = (uint64_t *)(ram + LONG_TABLES), *pdpt = pml4 + 512, *pd = pdpt + 512;
	uint64_t *pae = (uint64_t *)(ram + PAE_TABLES), *pae_pd = pae + 512;
	uint32_t *old = (uint32_t *)(ram + OLD_TABLES), i;

	pml4[0] = (LONG_TABLES + 0x1000) | PTE;
	pdpt[0] = (LONG_TABLES + 0x2000) | PTE;
	pae[0] = (PAE_TABLES + 0x1000) | 1;
	for (i = 0; i < 512; i++) {
		pd[i] = i * MiB(2) | LARGE;
		pae_pd[i] = pd[i];
	}
	for (i = 0; i < 1024; i++)
		old[i] = i << 22 | LARGE;
}

/* Descriptors of all kinds, few of them in order. */
static void random_tables(struct rng *rng, uint8_t *ram)
{
	uint64_t *gdt = (uint64_t *)(ram + GDT), *ldt = (uint64_t *)(ram + LDT), access;
	uint32_t *idt = (uint32_t *)(ram + IDT), i;

	for (i = 1; i < 64; i++) {
		access = rnd(rng) & 0xff;
		if (!one_in(rng, 4))
			access |= 0x80;
		gdt[i] = access << 40 | (rnd(rng) & 0xd0) << 48 | 0x000f00000000ffff;
		if (!(access & 0x10))
			gdt[i] |= TSS << 16;
		ldt[i] = rnd(rng);
	}
	for (i = 0; i < 1024; i += 2) {
		idt[i] = below(rng, 64) << 19 | CODE | below(rng, 0x1000);
		idt[i + 1] = (rnd(rng) & 0x6f00) | 0x8000;
	}
	for (i = 0; i < 0x68; i += 4)
		*(uint32_t *)(ram + TSS + i) = one_in(rng, 2) ? STACK : below(rng, 0x30000);
}

static void new_machine(struct rng *rng)
{
	uint8_t *ram;
	uint64_t i;

	if (machine.vm) {
		vcpu_destroy(machine.vcpu);
		vm_destroy(machine.vm);
	}
	machine.irqchip = one_in(rng, 4);
	machine.vm = vm_create(RAM_SIZE, machine.irqchip ? VM_IRQCHIP : 0);
	ram = machine.vm->ram;
	vm_set_slot(machine.vm, 1, KVM_MEM_READONLY, ROM, PAGE_SIZE, ram + STACK);
	machine.vcpu = vcpu_create(machine.vm, 0);
	vcpu_get_sregs(machine.vcpu, &machine.sregs);
	for (i = 0; i < 0x10000; i += 8)
		*(uint64_t *)(ram + CODE + i) = rnd(rng);
	build_tables(ram);
	random_tables(rng, ram);
}

static struct kvm_segment flat(uint16_t selector, uint8_t type, unsigned int cpl)
{
	return (struct kvm_segment) {
		.selector = selector | cpl, .limit = 0xffffffff, .type = type, .present = 1,
		.dpl = cpl, .s = 1, .g = 1, .db = 1,
	};
}

static void real_segment(struct kvm_segment *s, uint16_t selector, uint8_t type)
{
	*s = (struct kvm_segment) {
		.selector = selector, .base = (uint32_t)selector << 4, .limit = 0xffff,
		.type = type, .present = 1, .s = 1,
	};
}

static void real_segments(struct kvm_sregs *s, uint8_t dpl)
{
	struct kvm_segment *segs[] = { &s->cs, &s->ss, &s->ds, &s->es, &s->fs, &s->gs };
	unsigned int i;

	for (i = 0; i < KSFT_ARRAY_SIZE(segs); i++) {
		real_segment(segs[i], CODE >> 4, i || dpl ? 3 : 11);
		segs[i]->dpl = dpl;
	}
}

static void paging(struct kvm_sregs *s, enum mode mode)
{
	if (mode == OLD_PAGING) {
		s->cr4 |= X86_CR4_PSE;
		s->cr3 = OLD_TABLES;
	} else if (mode == PAE_PAGING) {
		s->cr4 |= X86_CR4_PAE;
		s->cr3 = PAE_TABLES;
	} else if (mode >= LONG64 && mode <= COMPAT16) {
		s->cr4 |= X86_CR4_PAE;
		s->cr3 = LONG_TABLES;
		s->efer |= EFER_LONG;
	} else {
		return;
	}
	s->cr0 |= X86_CR0_PG;
}

static void make_mode(struct rng *rng, enum mode mode, struct kvm_sregs *s, struct kvm_regs *r)
{
	unsigned int cpl = one_in(rng, 3) ? below(rng, 4) : 0;

	*s = machine.sregs;
	s->cr0 = X86_CR0_ET | X86_CR0_NE;
	s->gdt = (struct kvm_dtable) { .base = GDT, .limit = 0x1ff };
	s->idt = (struct kvm_dtable) { .base = IDT, .limit = options.step ? 0 : 0xfff };
	s->tr = (struct kvm_segment) { .base = TSS, .limit = 0x67, .type = 11, .present = 1,
				       .selector = 0x40 };
	s->ldt = (struct kvm_segment) { .unusable = 1 };
	r->rip = CODE + below(rng, 0xff00);
	r->rsp = STACK + below(rng, 0x8000);
	if (mode == REAL || mode == VM86) {
		real_segments(s, mode == VM86 ? 3 : 0);
		r->rip &= 0xffff;
		r->rsp &= 0xffff;
	}
	if (mode == REAL)
		return;
	s->cr0 |= X86_CR0_PE;
	if (mode == VM86) {
		r->rflags |= X86_EFLAGS_VM;
		return;
	}
	s->cs = flat(8, 11, cpl);
	s->cs.l = mode == LONG64;
	s->cs.db = mode != LONG64 && mode != PROT16 && mode != COMPAT16;
	s->ss = flat(16, 3, cpl);
	s->ds = s->es = s->fs = s->gs = s->ss;
	paging(s, mode);
}

static struct kvm_segment *some_segment(struct rng *rng, struct kvm_sregs *s)
{
	struct kvm_segment *segs[] = { &s->cs, &s->ss, &s->ds, &s->es, &s->fs, &s->gs, &s->tr,
				       &s->ldt };

	return segs[below(rng, KSFT_ARRAY_SIZE(segs))];
}

static void mutate_segment(struct rng *rng, struct kvm_segment *s)
{
	switch (below(rng, 10)) {
	case 0:
		s->base = odd_number(rng);
		break;
	case 1:
		s->limit = odd_number(rng);
		break;
	case 2:
		s->selector = rnd(rng);
		break;
	case 3:
		s->type = below(rng, 16);
		break;
	case 4:
		s->dpl = below(rng, 4);
		break;
	case 5:
		s->present ^= 1;
		break;
	case 6:
		s->unusable ^= 1;
		break;
	case 7:
		s->db ^= 1;
		break;
	case 8:
		s->l ^= 1;
		break;
	default:
		s->g ^= 1;
	}
}

static void mutate(struct rng *rng, struct kvm_sregs *s, struct kvm_regs *r)
{
	static const uint8_t efer_bits[] = { 0, 8, 10, 11, 12, 14 };

	switch (below(rng, 12)) {
	case 0:
		s->cr0 ^= 1ULL << below(rng, 33);
		break;
	case 1:
		s->cr4 ^= 1ULL << below(rng, 24);
		break;
	case 2:
		s->efer ^= 1ULL << efer_bits[below(rng, sizeof(efer_bits))];
		break;
	case 3:
		s->cr3 = odd_number(rng);
		break;
	case 4:
		s->gdt.base = odd_number(rng);
		break;
	case 5:
		if (!options.step)
			s->idt.limit = rnd(rng);
		break;
	case 6:
		r->rip = odd_number(rng);
		break;
	case 7:
		r->rsp = odd_number(rng);
		break;
	case 8:
		r->rflags ^= 1ULL << below(rng, 22);
		break;
	default:
		mutate_segment(rng, some_segment(rng, s));
	}
}

/* QEMU ends itself where an interrupt wants another stack and TR is no TSS that is present. */
static void keep_tss(struct kvm_segment *tr)
{
	if (!host_is_tcg())
		return;
	tr->type = (tr->type & 10) | 1;
	tr->s = 0;
	tr->present = 1;
	tr->unusable = 0;
}

static void random_events(struct rng *rng, struct kvm_vcpu_events *e)
{
	const uint32_t with_error = 1 << 8 | 0x7c00 | 1 << 17;

	memset(e, 0, sizeof(*e));
	e->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	if (options.step || !one_in(rng, 6))
		return;
	switch (below(rng, 4)) {
	case 0:
		do {
			e->exception.nr = below(rng, 22);
		} while (e->exception.nr == 2);
		e->exception.injected = 1;
		e->exception.has_error_code = one_in(rng, 8) ? 1 : with_error >> e->exception.nr & 1;
		e->exception.error_code = below(rng, 0x10000);
		break;
	case 1:
		e->nmi.pending = below(rng, 3);
		e->nmi.masked = below(rng, 2);
		break;
	case 2:
		e->interrupt.shadow = 1 << below(rng, 2);
		break;
	default:
		e->interrupt.injected = 1;
		e->interrupt.nr = rnd(rng);
	}
}

static void random_msrs(struct rng *rng)
{
	static const uint32_t msrs[] = {
		0x10, 0x174, 0x175, 0x176, 0x1d9, 0x277, 0xc0000081, 0xc0000082, 0xc0000083,
		0xc0000084, 0xc0000102, 0xc0000103, 0x3b, 0x2ff, 0x200, 0x4b564d01, 0x1a0, 0x48,
	};
	struct kvm_debugregs dr = { .db = { rnd(rng), CODE, STACK, 0 }, .dr6 = 0xffff0ff0,
				    .dr7 = 0x400 | below(rng, 256) | below(rng, 65536) << 16 };

	if (options.step)
		return;
	try_set_msr(machine.vcpu, msrs[below(rng, KSFT_ARRAY_SIZE(msrs))], odd_number(rng));
	if (one_in(rng, 4))
		try_ioctl(machine.vcpu->fd, KVM_SET_DEBUGREGS, &dr);
}

static void answer(struct rng *rng, struct kvm_run *run)
{
	uint64_t value = odd_number(rng);

	if (run->exit_reason == KVM_EXIT_MMIO && !run->mmio.is_write)
		memcpy(run->mmio.data, &value, 8);
	else if (run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_IN)
		memset((uint8_t *)run + run->io.data_offset, value, run->io.size * run->io.count);
}

static void run_state(struct rng *rng, bool possible)
{
	struct kvm_run *run = machine.vcpu->run;
	/* Its own stream: what states follow does not depend on how many exits there are. */
	struct rng answers = { .state = rnd(rng) };
	unsigned int exits;

	for (exits = 0; exits < MAX_EXITS && fuzz_run(machine.vcpu); exits++) {
		switch (run->exit_reason) {
		case KVM_EXIT_MMIO:
		case KVM_EXIT_IO:
			answer(&answers, run);
			break;
		case KVM_EXIT_HLT:
		case KVM_EXIT_SHUTDOWN:
		case KVM_EXIT_SET_TPR:
			return;
		case KVM_EXIT_FAIL_ENTRY:
			if (possible || exits)
				fuzz_fail(machine.vcpu, "a state that a processor can be in");
			return;
		case KVM_EXIT_INTERNAL_ERROR:
			if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION &&
			    run->internal.suberror != KVM_INTERNAL_ERROR_DELIVERY_EV)
				fuzz_fail(machine.vcpu, "an internal error");
			return;
		default:
			fuzz_fail(machine.vcpu, "an exit that has no reason here");
		}
	}
}

static void settle(void)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };

	machine.vcpu->run->immediate_exit = 1;
	try_run(machine.vcpu);
	machine.vcpu->run->immediate_exit = 0;
	if (machine.irqchip)
		try_ioctl(machine.vcpu->fd, KVM_SET_MP_STATE, &runnable);
}

void fuzz_state(struct rng *rng)
{
	struct kvm_vcpu_events events;
	unsigned int mutations = one_in(rng, 3) ? 0 : below(rng, 5);
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	uint64_t *reg;
	bool possible;

	if (report->done % MACHINE_LIFE == 0)
		new_machine(rng);
	settle();
	if (one_in(rng, 8))
		random_tables(rng, machine.vm->ram);
	for (reg = (uint64_t *)&regs; reg < (uint64_t *)(&regs + 1); reg++)
		*reg = odd_number(rng);
	regs.rflags = X86_EFLAGS_FIXED | (rnd(rng) & 0xcd5) | (one_in(rng, 2) ? X86_EFLAGS_IF : 0);
	make_mode(rng, below(rng, MODES), &sregs, &regs);
	while (mutations--)
		mutate(rng, &sregs, &regs);
	keep_tss(&sregs.tr);
	if (options.step || one_in(rng, 8))
		regs.rflags |= X86_EFLAGS_TF;
	random_msrs(rng);
	if (try_ioctl(machine.vcpu->fd, KVM_SET_SREGS, &sregs)) {
		report->refused++;
		return;
	}
	vcpu_set_regs(machine.vcpu, &regs);
	random_events(rng, &events);
	ASSERT_EQ(try_ioctl(machine.vcpu->fd, KVM_SET_VCPU_EVENTS, &events), 0);
	possible = possible_state(&sregs, &regs, &events);
	report->impossible += !possible;
	run_state(rng, possible);
}
