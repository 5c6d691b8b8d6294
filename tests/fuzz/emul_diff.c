// SPDX-License-Identifier: GPL-2.0-only
/*
 * emul-diff: executes random instructions three times, with their operand in
 * memory, where the processor does it; on a device; and in a read-only slot. The
 * hypervisor must emulate the last two, and the client's device and ROM behave as
 * memory does: registers, flags, exceptions and memory must come out the same.
 *
 * What it finds it can find again: --seed. Status 0, or 1 with what differed.
 */
#include <asm/processor-flags.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "emul_insn.h"
#include "ksft.h"

#define FLAGS		(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | \
			 X86_EFLAGS_SF | X86_EFLAGS_DF | X86_EFLAGS_OF)
#define FRAME_SIZE	48		/* of an exception with an error code */
#define BREAKPOINT	3
#define MAX_EXITS	1000
#define CODE_FILL	0xcc		/* INT3, wherever a branch leads */

/* All that an instruction can change. */
struct outcome {
	uint64_t exit, vector;
	uint64_t gpr[16], cr2;
	uint8_t frame[FRAME_SIZE];
	struct kvm_fpu fpu;
	uint8_t memory[3][PAGE_SIZE];	/* left, page, right */
	uint8_t stack[2 * PAGE_SIZE];
};

struct trial {
	struct insn insn;
	unsigned int cpl;
	uint64_t rflags;
	struct kvm_fpu fpu;
	uint8_t memory[3][PAGE_SIZE];
	uint8_t stack[2 * PAGE_SIZE];
};

static uint64_t mmio_exits, skipped;

static void set_page(struct world *w, enum world_view view, const uint8_t *data)
{
	memcpy(view == VIEW_MEMORY ? w->vm->ram + WORLD_PAGE :
	       view == VIEW_DEVICE ? w->device : w->rom, data, PAGE_SIZE);
}

static void get_page(const struct world *w, enum world_view view, uint8_t *data)
{
	memcpy(data, view == VIEW_MEMORY ? w->vm->ram + WORLD_PAGE :
	       view == VIEW_DEVICE ? w->device : w->rom, PAGE_SIZE);
}

static void get_gprs(const struct kvm_regs *r, uint64_t *gpr)
{
	const uint64_t all[16] = { r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
				   r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 };

	memcpy(gpr, all, sizeof(all));
}

static void set_up(struct world *w, const struct trial *t, enum world_view view)
{
	const uint64_t *g = t->insn.gpr;
	struct kvm_regs regs = {
		.rax = g[0], .rcx = g[1], .rdx = g[2], .rbx = g[3], .rsp = g[4], .rbp = g[5],
		.rsi = g[6], .rdi = g[7], .r8 = g[8], .r9 = g[9], .r10 = g[10], .r11 = g[11],
		.r12 = g[12], .r13 = g[13], .r14 = g[14], .r15 = g[15],
		.rip = WORLD_CODE, .rflags = t->rflags,
	};
	struct kvm_fpu fpu = t->fpu;
	struct kvm_sregs sregs;
	uint8_t *ram = w->vm->ram;

	memcpy(ram + WORLD_LEFT, t->memory[0], PAGE_SIZE);
	memcpy(ram + WORLD_RIGHT, t->memory[2], PAGE_SIZE);
	set_page(w, view, t->memory[1]);
	memcpy(ram + WORLD_STACK, t->stack, sizeof(t->stack));
	memset(ram + WORLD_FRAME - FRAME_SIZE, 0, FRAME_SIZE);
	memset(ram + WORLD_CODE, CODE_FILL, 64);
	memcpy(ram + WORLD_CODE, t->insn.bytes, t->insn.length);

	world_sregs(w, view, t->insn.code, t->cpl, &sregs);
	sregs.fs.base = 0x1000;
	vcpu_set_sregs(w->vcpu, &sregs);
	vcpu_set_regs(w->vcpu, &regs);
	ASSERT_EQ(try_ioctl(w->vcpu->fd, KVM_SET_FPU, &fpu), 0);
}

static void execute(struct world *w, const struct trial *t, enum world_view view,
		    struct outcome *out)
{
	struct kvm_run *run = w->vcpu->run;
	unsigned int exits = 0;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	memset(out, 0, sizeof(*out));
	set_up(w, t, view);
	w->mmio_exits = 0;
	do {
		ASSERT_EQ(try_run(w->vcpu), 0);
	} while (run->exit_reason == KVM_EXIT_MMIO && world_mmio(w) && exits++ < MAX_EXITS);
	mmio_exits += w->mmio_exits;

	out->exit = run->exit_reason;
	if (run->exit_reason == KVM_EXIT_IO)
		out->vector = run->io.port;
	/* A write is taken by the client after the instruction; OUT's exit came after both. */
	vcpu_get_regs(w->vcpu, &regs);
	vcpu_get_sregs(w->vcpu, &sregs);
	get_gprs(&regs, out->gpr);
	out->gpr[RSP] = 0;	/* the handler's; the frame has the instruction's */
	out->cr2 = sregs.cr2;
	ASSERT_EQ(try_ioctl(w->vcpu->fd, KVM_GET_FPU, &out->fpu), 0);
	memcpy(out->frame, w->vm->ram + WORLD_FRAME - FRAME_SIZE, FRAME_SIZE);
	memcpy(out->memory[0], w->vm->ram + WORLD_LEFT, PAGE_SIZE);
	memcpy(out->memory[2], w->vm->ram + WORLD_RIGHT, PAGE_SIZE);
	get_page(w, view, out->memory[1]);
	memcpy(out->stack, w->vm->ram + WORLD_STACK, sizeof(out->stack));
}

/* Words of the frame from its end: SS, RSP, RFLAGS, CS, RIP, error code. */
static uint64_t *frame_rflags(struct outcome *out)
{
	return (uint64_t *)(out->frame + FRAME_SIZE - 24);
}

static void describe(const struct trial *t, enum world_view view)
{
	static const char *const views[] = { "memory", "device", "read-only memory" };
	static const int bits[] = { 64, 32, 16 };
	unsigned int i;

	printf("# %s, %d-bit code, CPL %u, on %s:", t->insn.name, bits[t->insn.code], t->cpl,
	       views[view]);
	for (i = 0; i < t->insn.length; i++)
		printf(" %02x", t->insn.bytes[i]);
	printf("\n#   rflags %#llx", (unsigned long long)t->rflags);
	for (i = 0; i < 16; i++)
		printf("%s r%u %#llx", i % 4 ? "" : "\n#  ", i, (unsigned long long)t->insn.gpr[i]);
	printf("\n");
}

/* Differences of one trial, described when the first of them is seen. */
struct comparison {
	const struct trial *trial;
	enum world_view view;
	bool differ;
};

static void compare(struct comparison *c, const char *what, const void *a, const void *b,
		    size_t size)
{
	const uint8_t *x = a, *y = b;
	size_t i;

	if (!memcmp(a, b, size))
		return;
	if (!c->differ)
		describe(c->trial, c->view);
	c->differ = true;
	for (i = 0; x[i] == y[i]; i++)
		;
	i &= ~7UL;
	printf("#   %s differs at %#zx: native %#llx, emulated %#llx\n", what, i,
	       (unsigned long long)*(const uint64_t *)(x + i),
	       (unsigned long long)*(const uint64_t *)(y + i));
}

static bool agree(const struct trial *t, enum world_view view, struct outcome *native,
		  struct outcome *emulated)
{
	uint64_t ignored = t->insn.undefined | X86_EFLAGS_RF;
	struct comparison c = { .trial = t, .view = view };

	if (t->insn.undefined_reg >= 0) {
		native->gpr[t->insn.undefined_reg] &= 0xffffffff;
		emulated->gpr[t->insn.undefined_reg] &= 0xffffffff;
	}
	*frame_rflags(native) &= ~ignored;
	*frame_rflags(emulated) &= ~ignored;
	compare(&c, "exit reason", &native->exit, &emulated->exit, sizeof(native->exit));
	compare(&c, "vector", &native->vector, &emulated->vector, sizeof(native->vector));
	compare(&c, "register", native->gpr, emulated->gpr, sizeof(native->gpr));
	compare(&c, "CR2", &native->cr2, &emulated->cr2, sizeof(native->cr2));
	compare(&c, "frame", native->frame, emulated->frame, sizeof(native->frame));
	compare(&c, "XMM register", native->fpu.xmm, emulated->fpu.xmm, sizeof(native->fpu.xmm));
	compare(&c, "memory", native->memory, emulated->memory, sizeof(native->memory));
	compare(&c, "stack", native->stack, emulated->stack, sizeof(native->stack));
	return !c.differ;
}

static void fill(struct rng *rng, void *data, size_t size)
{
	uint64_t *word = data;

	for (; size; size -= sizeof(*word))
		*word++ = odd_number(rng);
}

/* Memory is mostly what it was; only what is near the operand must be new. */
static void make_trial(struct rng *rng, struct trial *t)
{
	uint64_t target, i;

	insn_make(rng, below(rng, CODES), &t->insn);
	t->cpl = 3 * below(rng, 2);
	t->rflags = X86_EFLAGS_FIXED | (rnd(rng) & FLAGS);
	if (one_in(rng, 8))
		t->rflags |= X86_EFLAGS_TF;
	fill(rng, t->fpu.xmm, sizeof(t->fpu.xmm));
	for (i = 0; i < 16; i++)
		((uint64_t *)t->memory)[below(rng, sizeof(t->memory) / 8)] = odd_number(rng);
	/* Branches lead into the code that is filled with INT3, more often than not. */
	if (!strcmp(t->insn.name, "call") || !strcmp(t->insn.name, "jmp")) {
		target = WORLD_CODE + 16 + below(rng, 32);
		for (i = 0; i < sizeof(t->memory); i += 8)
			memcpy((uint8_t *)t->memory + i, &target, 8);
	}
}

static bool emulates_popcnt(struct world *w)
{
	struct kvm_cpuid2 *cpuid = supported_cpuid(w->vm->dev);
	struct kvm_cpuid_entry2 *leaf = cpuid_find(cpuid, 1, 0);
	bool has = leaf && (leaf->ecx & 1 << 23) && (leaf->ecx & 1 << 22);

	free(cpuid);
	return has;		/* POPCNT and MOVBE */
}

static uint64_t run_trials(struct rng *rng, uint64_t count, unsigned int seconds,
			   uint64_t max_bad)
{
	static struct outcome native, emulated;
	static struct trial t = { .fpu = { .fcw = 0x37f, .mxcsr = 0x1f80 } };
	struct world *w = world_create();
	bool all = emulates_popcnt(w);
	time_t end = time(NULL) + seconds;
	uint64_t done, bad = 0;
	enum world_view view;

	fill(rng, t.memory, sizeof(t.memory));
	fill(rng, t.stack, sizeof(t.stack));
	for (done = 0; done < count && bad < max_bad && (!seconds || time(NULL) < end); done++) {
		make_trial(rng, &t);
		if (!all && (!strcmp(t.insn.name, "popcnt") || !strcmp(t.insn.name, "movbe"))) {
			skipped++;
			continue;
		}
		execute(w, &t, VIEW_MEMORY, &native);
		for (view = VIEW_DEVICE; view < VIEWS; view++) {
			if (view == VIEW_ROM && t.insn.early_flags && host_is_tcg())
				continue;
			execute(w, &t, view, &emulated);
			bad += !agree(&t, view, &native, &emulated);
		}
	}
	world_destroy(w);
	printf("# %llu instructions, %llu skipped, %llu MMIO exits, %llu differ\n",
	       (unsigned long long)done, (unsigned long long)skipped,
	       (unsigned long long)mmio_exits, (unsigned long long)bad);
	/* A run that emulated next to nothing has shown nothing. */
	return bad || mmio_exits < done;
}

static const struct option options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "count", required_argument, NULL, 'n' },
	{ "seconds", required_argument, NULL, 't' },
	{ "keep-going", no_argument, NULL, 'k' },
	{ "device", required_argument, NULL, 'd' },
	{ 0 },
};

int main(int argc, char **argv)
{
	struct rng rng;
	uint64_t seed, count = 10000, max_bad = 10;
	unsigned int seconds = 0;
	int option;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = time(NULL);
	while ((option = getopt_long(argc, argv, "s:n:t:kd:", options, NULL)) != -1) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			count = strtoull(optarg, NULL, 0);
			break;
		case 't':
			seconds = atoi(optarg);
			break;
		case 'k':
			max_bad = UINT64_MAX;
			break;
		case 'd':
			ksft_device = optarg;
			break;
		default:
			fputs("usage: emul-diff [--seed N] [--count N] [--seconds N] [--keep-going]\n"
			      "                 [--device PATH]\n", stderr);
			return 2;
		}
	}
	rng.state = seed;
	printf("# emul-diff --seed %#llx on %s\n", (unsigned long long)seed, ksft_device);
	fflush(stdout);
	return run_trials(&rng, count, seconds, max_bad);
}
