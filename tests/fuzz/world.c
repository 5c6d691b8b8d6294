// SPDX-License-Identifier: GPL-2.0-only
/*
 * Building the world of world.h, and its one device.
 */
#include "world.h"

#include <asm/processor-flags.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ksft.h"

#define PTE_KERNEL	0x63ULL		/* present, writable, accessed, dirty */
#define PTE_USER	0x67ULL

#define TABLE(w, view, level)	\
	((uint64_t *)((w)->vm->ram + WORLD_TABLES + (view) * 4 * PAGE_SIZE + (level) * PAGE_SIZE))

static void build_tables(struct world *w, enum world_view view)
{
	static const uint64_t where[VIEWS] = { WORLD_PAGE, WORLD_DEVICE, WORLD_ROM };
	uint64_t base = WORLD_TABLES + view * 4 * PAGE_SIZE, gpa;
	unsigned int level;

	for (level = 0; level < 3; level++)
		TABLE(w, view, level)[0] = (base + (level + 1) * PAGE_SIZE) | PTE_USER;
	for (gpa = 0; gpa < WORLD_RAM; gpa += PAGE_SIZE)
		TABLE(w, view, 3)[gpa / PAGE_SIZE] = gpa |
			(gpa >= WORLD_LEFT && gpa < WORLD_USER_END ? PTE_USER : PTE_KERNEL);
	TABLE(w, view, 3)[WORLD_PAGE / PAGE_SIZE] = where[view] | PTE_USER;
	TABLE(w, view, 3)[0] = 0;
}

/* Descriptors: three of code and one of data, for levels 0 and 3. */
#define SELECTOR(code, cpl)	(0x10 + 0x20 * ((cpl) == 3) + 8 * (code) + (cpl))
#define DATA(cpl)		(0x50 + 8 * ((cpl) == 3) + (cpl))
#define TSS_SELECTOR		0x60

static void build_descriptors(struct world *w)
{
	uint64_t *gdt = (uint64_t *)(w->vm->ram + WORLD_GDT);
	uint32_t *idt = (uint32_t *)(w->vm->ram + WORLD_IDT);
	uint8_t *tss = w->vm->ram + WORLD_TSS, *stub;
	uint64_t ist = WORLD_FRAME;
	unsigned int cpl, i;

	for (cpl = 0; cpl <= 3; cpl += 3) {
		uint64_t dpl = (uint64_t)cpl << 45;

		gdt[SELECTOR(CODE64, cpl) / 8] = 0x00af9b000000ffff | dpl;
		gdt[SELECTOR(CODE32, cpl) / 8] = 0x00cf9b000000ffff | dpl;
		gdt[SELECTOR(CODE16, cpl) / 8] = 0x008f9b000000ffff | dpl;
		gdt[DATA(cpl) / 8] = 0x00cf93000000ffff | dpl;
	}
	gdt[TSS_SELECTOR / 8] = 0x00008b0000000067 | WORLD_TSS << 16;
	for (i = 0; i < 256; i++) {
		stub = w->vm->ram + WORLD_STUBS + 4 * i;
		stub[0] = 0xe7;		/* OUT imm8, EAX */
		stub[1] = i;
		stub[2] = 0xeb;		/* JMP to itself */
		stub[3] = 0xfe;
		idt[4 * i] = SELECTOR(CODE64, 0) << 16 | (WORLD_STUBS + 4 * i);
		idt[4 * i + 1] = 0xee01;	/* DPL 3, IST 1 */
	}
	memcpy(tss + 0x24, &ist, sizeof(ist));
	memcpy(tss + 4, &ist, sizeof(ist));
	tss[0x66] = 0x68;			/* no I/O permission bitmap */
}

static void segment(struct kvm_segment *seg, uint16_t selector, uint8_t type, unsigned int cpl)
{
	*seg = (struct kvm_segment) {
		.selector = selector, .limit = 0xffffffff, .type = type, .present = 1,
		.dpl = cpl, .s = 1, .g = 1, .db = 1,
	};
}

void world_sregs(struct world *w, enum world_view view, enum world_code code, unsigned int cpl,
		 struct kvm_sregs *s)
{
	*s = w->sregs;
	segment(&s->cs, SELECTOR(code, cpl), 11, cpl);
	s->cs.l = code == CODE64;
	s->cs.db = code == CODE32;
	segment(&s->ds, DATA(cpl), 3, cpl);
	s->es = s->fs = s->gs = s->ss = s->ds;
	s->cr3 = WORLD_TABLES + view * 4 * PAGE_SIZE;
}

static void base_sregs(struct world *w)
{
	struct kvm_sregs *s = &w->sregs;

	vcpu_get_sregs(w->vcpu, s);
	s->tr = (struct kvm_segment) {
		.base = WORLD_TSS, .limit = 0x67, .selector = TSS_SELECTOR, .type = 11,
		.present = 1,
	};
	s->ldt = (struct kvm_segment) { .unusable = 1 };
	s->gdt = (struct kvm_dtable) { .base = WORLD_GDT, .limit = 0xff };
	s->idt = (struct kvm_dtable) { .base = WORLD_IDT, .limit = 0xfff };
	s->cr0 = X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_PG;
	s->cr4 = X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	s->efer = 0xd01;		/* SCE, LME, LMA, NXE */
}

struct world *world_create(void)
{
	struct world *w = calloc(1, sizeof(*w));
	enum world_view view;

	ASSERT(w);
	w->vm = vm_create(WORLD_RAM, 0);
	w->rom = memory_map(PAGE_SIZE, false);
	vm_set_slot(w->vm, 1, KVM_MEM_READONLY, WORLD_ROM, PAGE_SIZE, w->rom);
	for (view = 0; view < VIEWS; view++)
		build_tables(w, view);
	build_descriptors(w);
	w->vcpu = vcpu_create(w->vm, 0);
	base_sregs(w);
	return w;
}

void world_destroy(struct world *w)
{
	vcpu_destroy(w->vcpu);
	munmap(w->rom, PAGE_SIZE);
	vm_destroy(w->vm);
	free(w);
}

bool world_mmio(struct world *w)
{
	struct kvm_run *run = w->vcpu->run;
	uint64_t gpa = run->mmio.phys_addr;
	uint8_t *page;

	w->mmio_exits++;
	if ((gpa & ~(PAGE_SIZE - 1)) == WORLD_DEVICE)
		page = w->device;
	else if ((gpa & ~(PAGE_SIZE - 1)) == WORLD_ROM && run->mmio.is_write)
		page = w->rom;
	else
		return false;
	gpa %= PAGE_SIZE;
	if (run->mmio.len > sizeof(run->mmio.data) || gpa + run->mmio.len > PAGE_SIZE)
		return false;
	if (run->mmio.is_write)
		memcpy(page + gpa, run->mmio.data, run->mmio.len);
	else
		memcpy(run->mmio.data, page + gpa, run->mmio.len);
	return true;
}

static uint64_t sum(uint64_t total, const uint8_t *from, const uint8_t *to)
{
	for (; from < to; from += 8)
		total = (total ^ *(const uint64_t *)from) * 0x100000001b3;
	return total;
}

uint64_t world_kernel_sum(const struct world *w)
{
	const uint8_t *ram = w->vm->ram;
	uint64_t total = 0;

	/* All but the handlers' stack, which exceptions write. */
	total = sum(total, ram, ram + WORLD_FRAME - PAGE_SIZE);
	total = sum(total, ram + WORLD_FRAME, ram + WORLD_LEFT);
	return sum(total, ram + WORLD_USER_END, ram + WORLD_RAM);
}
