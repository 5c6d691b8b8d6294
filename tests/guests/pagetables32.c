// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests with 32-bit and with PAE paging that change their page tables, as
 * pagetables.c does in 64-bit mode. They are lists of steps made here and
 * carried out by pagetables32_code.S.
 */
#include <stdio.h>
#include <string.h>

#include "guests.h"
#include "pagetables32.h"

enum pt32_step {
	END, STORE, STORE8, EXPECT_WORD, EITHER, INVLPG, CR3, CR0, CR4, EFER,
	READ, WRITE, FETCH, USER_READ, USER_WRITE, USER_FETCH,
};

extern const uint8_t pt32_start[], pt32_end[], pt32_page_fault[], pt32_back[];

#define PTE_P		0x1u
#define PTE_W		0x2u
#define PTE_U		0x4u
#define PTE_A		0x20u
#define PTE_D		0x40u
#define PTE_PS		0x80u
#define PTE_G		0x100u
#define PTE_NX		(1ULL << 63)
#define RW		(PTE_P | PTE_W)
#define RWU		(PTE_P | PTE_W | PTE_U)
#define CR0_WP		0x10000u
#define CR0_PG		0x80000000u
#define CR4_PSE		0x10u
#define CR4_PAE		0x20u
#define CR4_PGE		0x80u
#define EFER_NX		0x800u

#define FRAME(n)	(0x800000u + (n) * 4096u)	/* with stamps, in 4 MiB of their own */
#define STAMP(n)	(0x1000u + (n))
#define VIEW		0xc0000000u

/*
 * Tables of both modes, each in its own page. PAE's directory for the last GiB
 * is @pae_top; @low_pae holds entries for the first, one to one.
 */
#define DIRECTORY	0x100000u
#define TABLE		0x101000u
#define TABLE2		0x102000u
#define POINTERS	0x103000u
#define PAE_LOW		0x104000u
#define PAE_TOP		0x105000u
#define ROOTS		0x110000u	/* other roots and their tables */

/* A guest under construction, in a mode: sizes and places of its entries. */
struct script {
	struct vcpu *vcpu;
	uint32_t *next;
	bool pae;
	uint32_t root, span;		/* CR3; what a page table maps */
	uint32_t pde, pte, pte2;	/* entries of VIEW in it, and of the second table */
	unsigned int size;
};

static void step(struct script *s, enum pt32_step what, uint32_t a, uint32_t b, uint32_t c)
{
	const uint32_t words[4] = { what, a, b, c };

	ASSERT((uint8_t *)s->next - s->vcpu->vm->ram < 0x3ffff0);
	memcpy(s->next, words, sizeof(words));
	s->next += 4;
}

/* The guest writes an entry: in PAE, as a whole or (depending on the frame) by halves. */
static void put(struct script *s, uint32_t entry, uint64_t val)
{
	if (!s->pae) {
		step(s, STORE, entry, val, 0);
	} else if (val & 0x2000) {
		step(s, STORE8, entry, val, val >> 32);
	} else {
		step(s, STORE, entry + 4, val >> 32, 0);
		step(s, STORE, entry, val, 0);
	}
}

static void invlpg(struct script *s, uint32_t va)
{
	step(s, INVLPG, va, 0, 0);
}

static void flush(struct script *s)
{
	step(s, CR3, s->root, 0, 0);
}

static void sees(struct script *s, uint32_t va, unsigned int frame)
{
	step(s, EXPECT_WORD, va, ~0u, STAMP(frame));
}

static void comes_to(struct script *s, enum pt32_step access, uint32_t va, uint32_t outcome)
{
	step(s, access, va, outcome, outcome);
}

static void set_gate(struct vm *vm, unsigned int vector, const void *handler)
{
	uint64_t address = (uintptr_t)handler;
	uint64_t gate = (address & 0xffff) | 0x08ULL << 16 | 0xeeULL << 40 |
			(address >> 16) << 48;

	memcpy(vm->ram + PT32_IDT + 8 * vector, &gate, sizeof(gate));
}

static void build_memory(struct vm *vm)
{
	uint32_t *directory = (uint32_t *)(vm->ram + DIRECTORY);
	uint64_t *pointers = (uint64_t *)(vm->ram + POINTERS);
	uint64_t *low = (uint64_t *)(vm->ram + PAE_LOW);
	uint32_t *tss = (uint32_t *)(vm->ram + PT32_TSS);
	unsigned int i;

	memcpy(vm->ram + (uintptr_t)pt32_start, pt32_start, pt32_end - pt32_start);
	set_gate(vm, 14, pt32_page_fault);
	set_gate(vm, 0x80, pt32_back);
	tss[1] = PT32_STACK;
	tss[2] = 0x10;
	for (i = 0; i < 64; i++) {
		*(uint32_t *)(vm->ram + FRAME(i)) = STAMP(i);
		memcpy(vm->ram + FRAME(i) + 16, "\xff\xe5", 2);		/* JMP EBP */
	}
	for (i = 0; i < 4; i++)
		directory[i] = i << 22 | RWU | PTE_PS;
	for (i = 0; i < 8; i++)
		low[i] = i * MiB(2) | RWU | PTE_PS;
	pointers[0] = PAE_LOW | PTE_P;
	pointers[3] = PAE_TOP | PTE_P;
}

static void set_mode(struct script *s, bool pae)
{
	s->pae = pae;
	s->root = pae ? POINTERS : DIRECTORY;
	s->span = pae ? MiB(2) : MiB(4);
	s->size = pae ? 8 : 4;
	s->pde = pae ? PAE_TOP : DIRECTORY + 4 * 0x300;
	s->pte = TABLE;
	s->pte2 = TABLE2;
}

/* The steps that turn paging on, with VIEW mapped to frame 0. */
static void enter_mode(struct script *s, bool pae)
{
	set_mode(s, pae);
	step(s, CR4, ~(CR4_PAE | CR4_PSE), pae ? CR4_PAE : CR4_PSE, 0);
	put(s, s->pde, TABLE | RWU);
	put(s, s->pte, FRAME(0) | RW);
	flush(s);
	step(s, CR0, ~0u, CR0_PG | CR0_WP, 0);
	sees(s, VIEW, 0);
}

static void script_start(struct script *s)
{
	s->vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);
	s->next = (uint32_t *)(s->vcpu->vm->ram + PT32_STEPS);
	build_memory(s->vcpu->vm);
	vcpu_protected_mode(s->vcpu, (uintptr_t)pt32_start, PT32_STACK);
}

static void script_run(struct script *s)
{
	struct kvm_regs regs;
	uint32_t *bad;

	step(s, END, 0, 0, 0);
	vcpu_run_to(s->vcpu, KVM_EXIT_IO);
	vcpu_get_regs(s->vcpu, &regs);
	if (s->vcpu->run->io.port == PT32_END_PORT && !regs.rax)
		return;
	if (s->vcpu->run->io.port == PT32_END_PORT && regs.rax < 0x400000) {
		bad = (uint32_t *)(s->vcpu->vm->ram + regs.rax) - 4;
		ksft_note("step %u of kind %u at %#x (%#x, %#x) found %#llx",
			  (unsigned int)(regs.rax - PT32_STEPS) / 16, bad[0], bad[1], bad[2],
			  bad[3], (unsigned long long)regs.rdi);
	}
	ksft_fail(__FILE__, __LINE__, "the guest's steps went wrong");
	vcpu_describe(s->vcpu);
	ksft_abort();
}

static void remap(struct script *s)
{
	unsigned int i;

	for (i = 0; i < 40; i++) {
		put(s, s->pte, FRAME(i) | RW);
		invlpg(s, VIEW);
		sees(s, VIEW, i);
		put(s, s->pte, FRAME(i + 1) | RW);
		step(s, EITHER, VIEW, STAMP(i), STAMP(i + 1));
		flush(s);
		sees(s, VIEW, i + 1);
		/* Another table, made present by its directory entry. */
		put(s, s->pte2, FRAME(i + 2) | RW);
		put(s, s->pde, TABLE2 | RWU);
		invlpg(s, VIEW);
		sees(s, VIEW, i + 2);
		put(s, s->pde, TABLE | RWU);
		flush(s);
	}
}

/* Not present to present needs no INVLPG. */
static void appear(struct script *s)
{
	unsigned int i;

	for (i = 0; i < 20; i++) {
		put(s, s->pte, 0);
		invlpg(s, VIEW);
		comes_to(s, READ, VIEW, 0);
		comes_to(s, WRITE, VIEW, 2);
		comes_to(s, USER_READ, VIEW, 4);
		comes_to(s, USER_WRITE, VIEW, 6);
		put(s, s->pte, FRAME(i) | RW);
		sees(s, VIEW, i);
		put(s, s->pde, 0);
		invlpg(s, VIEW);
		comes_to(s, READ, VIEW, 0);
		put(s, s->pde, TABLE | RWU);
		sees(s, VIEW, i);
		comes_to(s, READ, VIEW + (i + 1) * 4096, 0);
		put(s, s->pte + (i + 1) * s->size, FRAME(i) | RW);
		sees(s, VIEW + (i + 1) * 4096, i);
	}
}

static void rights(struct script *s)
{
	const uint32_t entries[] = { s->pte, s->pde };
	const uint32_t targets[] = { FRAME(9), TABLE };
	unsigned int i, n;

	put(s, s->pte, FRAME(9) | RWU);
	for (i = 0; i < 10; i++) {
		n = i & 1;
		put(s, entries[n], targets[n] | PTE_P | PTE_U);
		invlpg(s, VIEW);
		comes_to(s, WRITE, VIEW, 3);
		comes_to(s, READ, VIEW, PT32_ALLOWED);
		comes_to(s, USER_READ, VIEW, PT32_ALLOWED);
		comes_to(s, USER_WRITE, VIEW, 7);
		step(s, CR0, ~CR0_WP, 0, 0);
		comes_to(s, WRITE, VIEW, PT32_ALLOWED);
		comes_to(s, USER_WRITE, VIEW, 7);
		comes_to(s, USER_READ, VIEW, PT32_ALLOWED);
		comes_to(s, WRITE, VIEW, PT32_ALLOWED);
		step(s, CR0, ~0u, CR0_WP, 0);
		comes_to(s, WRITE, VIEW, 3);
		/* One fault at most, then the new rights are known. */
		put(s, entries[n], targets[n] | RWU);
		step(s, WRITE, VIEW, PT32_ALLOWED, 3);
		comes_to(s, WRITE, VIEW, PT32_ALLOWED);
		comes_to(s, USER_WRITE, VIEW, PT32_ALLOWED);
		comes_to(s, USER_FETCH, VIEW, PT32_ALLOWED);
		put(s, entries[n], targets[n] | RW);
		invlpg(s, VIEW);
		comes_to(s, USER_READ, VIEW, 5);
		comes_to(s, USER_WRITE, VIEW, 7);
		comes_to(s, USER_FETCH, VIEW, 5);
		comes_to(s, WRITE, VIEW, PT32_ALLOWED);
		put(s, entries[n], targets[n] | RWU);
		invlpg(s, VIEW);
	}
}

/* PAE has execute-disable, where the processor has. */
static void no_execute(struct script *s)
{
	struct kvm_cpuid2 *cpuid = supported_cpuid(s->vcpu->vm->dev);

	if (!s->pae || !(cpuid_find(cpuid, 0x80000001, 0)->edx & 1 << 20))
		return;
	step(s, EFER, ~0u, EFER_NX, 0);
	put(s, s->pte, FRAME(3) | RWU | PTE_NX);
	flush(s);
	comes_to(s, FETCH, VIEW, 0x11);
	comes_to(s, USER_FETCH, VIEW, 0x15);
	comes_to(s, USER_WRITE, VIEW, PT32_ALLOWED);
	put(s, s->pte, FRAME(3) | RWU);
	invlpg(s, VIEW);
	comes_to(s, FETCH, VIEW, PT32_ALLOWED);
	put(s, s->pde, TABLE | RWU | PTE_NX);
	invlpg(s, VIEW);
	comes_to(s, USER_FETCH, VIEW, 0x15);
	put(s, s->pde, TABLE | RWU);
	flush(s);
}

static void large_pages(struct script *s)
{
	unsigned int i, n, entries = s->span / 4096;

	for (n = 0; n < 5; n++) {
		put(s, s->pde, FRAME(0) | RWU | PTE_PS);
		flush(s);
		for (i = 0; i < 64; i += 9)
			sees(s, VIEW + i * 4096, i);
		comes_to(s, USER_WRITE, VIEW + 7 * 4096, PT32_ALLOWED);
		for (i = 0; i < entries; i += n ? 9 : 1)
			put(s, s->pte2 + i * s->size, FRAME(i) | RW);
		put(s, s->pde, TABLE2 | RWU);
		for (i = 0; i < 64; i += 9)
			sees(s, VIEW + i * 4096, i);
		put(s, s->pte2 + 9 * s->size, FRAME(10) | PTE_P);
		invlpg(s, VIEW + 9 * 4096);
		sees(s, VIEW + 9 * 4096, 10);
		comes_to(s, WRITE, VIEW + 9 * 4096, 3);
	}
	put(s, s->pde, TABLE | RWU);
	flush(s);
}

static void accessed_dirty(struct script *s)
{
	unsigned int i;

	for (i = 0; i < 10; i++) {
		put(s, s->pte, FRAME(i) | RW);
		put(s, s->pde, TABLE | RWU);
		flush(s);
		step(s, EXPECT_WORD, s->pte, PTE_A | PTE_D, 0);
		sees(s, VIEW, i);
		step(s, EXPECT_WORD, s->pte, PTE_A | PTE_D, PTE_A);
		step(s, EXPECT_WORD, s->pde, PTE_A, PTE_A);
		comes_to(s, WRITE, VIEW, PT32_ALLOWED);
		step(s, EXPECT_WORD, s->pte, PTE_A | PTE_D, PTE_A | PTE_D);
		put(s, s->pte, FRAME(i) | RW | PTE_A);
		invlpg(s, VIEW);
		sees(s, VIEW, i);
		step(s, EXPECT_WORD, s->pte, PTE_A | PTE_D, PTE_A);
		comes_to(s, WRITE, VIEW, PT32_ALLOWED);
		step(s, EXPECT_WORD, s->pte, PTE_A | PTE_D, PTE_A | PTE_D);
	}
}

static void global(struct script *s)
{
	unsigned int i;

	step(s, CR4, ~0u, CR4_PGE, 0);
	for (i = 0; i < 10; i++) {
		put(s, s->pte, FRAME(i) | RW | PTE_G);
		invlpg(s, VIEW);
		sees(s, VIEW, i);
		put(s, s->pte, FRAME(i + 1) | RW | PTE_G);
		flush(s);
		step(s, EITHER, VIEW, STAMP(i), STAMP(i + 1));
		if (i & 1) {
			invlpg(s, VIEW);
		} else {
			step(s, CR4, ~CR4_PGE, 0, 0);
			step(s, CR4, ~0u, CR4_PGE, 0);
		}
		sees(s, VIEW, i + 1);
	}
	step(s, CR4, ~CR4_PGE, 0, 0);
}

/* The directories as tables of themselves: entries appear as memory at @window. */
static void recursive(struct script *s)
{
	uint32_t window = s->pae ? 0xff800000 : 0xffc00000;
	uint32_t pte = window + (VIEW >> 12) * s->size;
	uint32_t pde = window + (window >> 12) * s->size + (VIEW / s->span) * s->size;
	unsigned int i;

	if (s->pae) {
		put(s, PAE_TOP + 8 * 508, PAE_LOW | RW);
		put(s, PAE_TOP + 8 * 511, PAE_TOP | RW);
	} else {
		put(s, DIRECTORY + 4 * 1023, DIRECTORY | RW);
	}
	flush(s);
	for (i = 0; i < 20; i++) {
		put(s, pte, FRAME(i) | RW);
		invlpg(s, VIEW);
		sees(s, VIEW, i);
		step(s, EXPECT_WORD, pte, ~PTE_D, FRAME(i) | RW | PTE_A);
		step(s, EXPECT_WORD, s->pte, ~PTE_D, FRAME(i) | RW | PTE_A);
		put(s, s->pte2, FRAME(i + 1) | RW);
		put(s, pde, TABLE2 | RWU);
		flush(s);
		sees(s, VIEW, i + 1);
		step(s, EXPECT_WORD, pte, -4096u, FRAME(i + 1));
		put(s, pde, 0);
		flush(s);
		comes_to(s, READ, VIEW, 0);
		comes_to(s, READ, pte, 0);
		put(s, pde, TABLE | RWU);
		sees(s, VIEW, i);
	}
}

/* Roots that differ at VIEW. PAE's are 32 bytes apart in one page. */
static void roots(struct script *s)
{
	uint32_t root[4], top, i, k, tables = ROOTS + 0x8000;

	for (i = 0; i < 4; i++) {
		root[i] = s->pae ? ROOTS + 32 * i : ROOTS + 4096 * i;
		top = s->pae ? ROOTS + 4096 * (1 + i) : root[i] + 4 * 0x300;
		if (s->pae) {
			put(s, root[i], PAE_LOW | PTE_P);
			put(s, root[i] + 24, top | PTE_P);
		}
		for (k = 0; !s->pae && k < 4; k++)
			put(s, root[i] + 4 * k, k << 22 | RWU | PTE_PS);
		put(s, top, (tables + 4096 * i) | RWU);
		put(s, tables + 4096 * i, FRAME(i) | RW);
	}
	for (i = 0; i < 60; i++) {
		step(s, CR3, root[i % 4], 0, 0);
		sees(s, VIEW, i < 4 ? i : (i + 8) % 64);
		/* Seen when it is this root's turn again. */
		put(s, tables + 4096 * (i % 4), FRAME((i + 12) % 64) | RW);
	}
	/* A pointer that changes is looked at when CR3 is loaded. */
	for (i = 0; s->pae && i < 4; i++) {
		put(s, root[0] + 24, (ROOTS + 4096 * (1 + i)) | PTE_P);
		step(s, CR3, root[0], 0, 0);
		sees(s, VIEW, (56 + i + 12) % 64);
	}
	flush(s);
	/* What held roots is data now. */
	for (i = 0; i < 64; i++)
		step(s, STORE, ROOTS + 4 * i, i * 0x11111111, 0);
	for (i = 0; i < 64; i++)
		step(s, EXPECT_WORD, ROOTS + 4 * i, ~0u, i * 0x11111111);
	for (i = 0; i < 64; i++)
		step(s, STORE, ROOTS + 4 * i, 0, 0);
}

static void all_of(bool pae)
{
	struct script s;

	script_start(&s);
	enter_mode(&s, pae);
	remap(&s);
	appear(&s);
	rights(&s);
	no_execute(&s);
	large_pages(&s);
	accessed_dirty(&s);
	global(&s);
	recursive(&s);
	roots(&s);
	script_run(&s);
}

/*
 * QEMU's processor, under nested paging, sets the accessed bit in PAE's pointers,
 * which have none: a hypervisor that looks at them finds them invalid.
 */
static void need_pae_pointers(void)
{
	bool khv = !strcmp(ksft_device, "/dev/khv");
	const char *path = khv ? "/sys/module/khv/parameters/nested_paging" :
				 "/sys/module/kvm_amd/parameters/npt";
	char nested = 'N';
	FILE *f = fopen(path, "r");

	if (f) {
		nested = fgetc(f);
		fclose(f);
	}
	if (host_is_tcg() && (nested == 'Y' || nested == '1'))
		ksft_skip("QEMU's nested paging spoils PAE's pointers");
}

static void test_paging32(void)
{
	all_of(false);
}

static void test_pae(void)
{
	need_pae_pointers();
	all_of(true);
}

/* The same pages as tables of both modes in turn, and no paging in between. */
static void test_switch(void)
{
	struct script s;
	unsigned int i;

	need_pae_pointers();
	script_start(&s);
	for (i = 0; i < 12; i++) {
		enter_mode(&s, i & 1);
		put(&s, s.pte + s.size, FRAME(i) | RWU);
		sees(&s, VIEW + 4096, i);
		comes_to(&s, USER_WRITE, VIEW + 4096, PT32_ALLOWED);
		comes_to(&s, READ, VIEW + 2 * 4096, 0);
		step(&s, CR0, ~CR0_PG, 0, 0);
		sees(&s, FRAME(5), 5);
		step(&s, EXPECT_WORD, s.pte + s.size, ~0u, FRAME(i) | RWU | PTE_A | PTE_D);
		/* What the other mode would read there. */
		put(&s, s.pte, 0);
		put(&s, s.pte + s.size, 0);
	}
	script_run(&s);
}

static const struct ksft_test tests[] = {
	{ "paging32", test_paging32 },
	{ "pae", test_pae },
	{ "switch", test_switch },
};

const struct ksft_suite pagetables32_suite = KSFT_SUITE("pagetables32", tests);
