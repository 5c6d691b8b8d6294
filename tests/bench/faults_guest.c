// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that touches its memory, forks children that write a little of
 * theirs, and exits; with demand-zero pages, copy on write, page tables of each
 * process's own, and the kernel's half mapped one to one by large pages, as
 * Linux has it. No scheduler and no files: page faults and page tables only.
 */
#include "faults_guest.h"

#include "guest.h"
#include "guest_cpu.h"

#define PTE_P		0x1UL
#define PTE_W		0x2UL
#define PTE_U		0x4UL
#define PTE_A		0x20UL
#define PTE_D		0x40UL
#define PTE_FRAME	0x000ffffffffff000UL
#define PTE_TABLE	(PTE_P | PTE_W | PTE_U)

#define USER_BASE	0x8000000000UL	/* PML4 entry 1 */
#define CHILD_WRITES	24		/* pages that a child writes: stack, data, heap */
#define CHILD_READS	64
#define PARENT_WRITES	8		/* and the parent after each fork */

struct faults_work faults_work;

static uint64_t *current_pml4;
static uint64_t free_list, next_page;
static uint8_t *references;		/* by page, at FAULTS_BASE */

static uint64_t page_index(uint64_t page)
{
	return (page - FAULTS_BASE) / 4096;
}

static void page_zero(uint64_t page)
{
	uint64_t count = 512;

	asm volatile("rep stosq" : "+D"(page), "+c"(count) : "a"(0UL) : "memory");
}

static void page_copy(uint64_t to, uint64_t from)
{
	uint64_t count = 512;

	asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static uint64_t page_alloc(void)
{
	uint64_t page = free_list;

	if (page) {
		free_list = *(uint64_t *)page;
	} else {
		page = next_page;
		next_page += 4096;
		GUEST_ASSERT(next_page <= FAULTS_BASE + faults_work.memory);
	}
	references[page_index(page)] = 1;
	return page;
}

static void page_put(uint64_t page)
{
	if (--references[page_index(page)])
		return;
	*(uint64_t *)page = free_list;
	free_list = page;
}

static uint64_t *table_alloc(void)
{
	uint64_t page = page_alloc();

	page_zero(page);
	return (uint64_t *)page;
}

static uint64_t *table_below(uint64_t *table, unsigned int index)
{
	if (!(table[index] & PTE_P))
		table[index] = (uintptr_t)table_alloc() | PTE_TABLE;
	return (uint64_t *)(table[index] & PTE_FRAME);
}

static uint64_t *page_directory(uint64_t *pml4)
{
	return table_below(table_below(pml4, 1), 0);
}

static uint64_t *pte_of(uint64_t *pml4, uint64_t address)
{
	return table_below(page_directory(pml4), address >> 21 & 511) + (address >> 12 & 511);
}

static void on_page_fault(struct guest_frame *frame)
{
	uint64_t address = read_cr2(), page, *pte;

	GUEST_ASSERT(address - USER_BASE < faults_work.pages * 4096);
	pte = pte_of(current_pml4, address);
	if (!(*pte & PTE_P)) {
		page = page_alloc();
		page_zero(page);
		*pte = page | PTE_P | PTE_W | PTE_U | PTE_A | PTE_D;
		return;
	}
	/* A write to a page that fork left read-only. */
	page = *pte & PTE_FRAME;
	if (references[page_index(page)] > 1) {
		page = page_alloc();
		page_copy(page, *pte & PTE_FRAME);
		page_put(*pte & PTE_FRAME);
	}
	*pte = page | PTE_P | PTE_W | PTE_U | PTE_A | PTE_D;
	invlpg((void *)address);
}

static void switch_to(uint64_t *pml4)
{
	current_pml4 = pml4;
	write_cr3((uintptr_t)pml4);
}

static uint64_t *process_create(void)
{
	uint64_t *pml4 = table_alloc();

	pml4[0] = guest_pml4[0];
	return pml4;
}

/* Both lose the right to write what they share from now on. */
static uint64_t *process_fork(uint64_t *parent)
{
	uint64_t *child = process_create(), *from, *to, *old, *new;
	unsigned int i, n;

	from = page_directory(parent);
	to = page_directory(child);
	for (i = 0; i < 512; i++) {
		if (!(from[i] & PTE_P))
			continue;
		old = table_below(from, i);
		new = table_below(to, i);
		for (n = 0; n < 512; n++) {
			if (!(old[n] & PTE_P))
				continue;
			old[n] &= ~PTE_W;
			new[n] = old[n];
			references[page_index(old[n] & PTE_FRAME)]++;
		}
	}
	write_cr3(read_cr3());
	return child;
}

/* Not while it is current. */
static void process_free(uint64_t *pml4)
{
	uint64_t *pd = page_directory(pml4), *pt;
	unsigned int i, n;

	for (i = 0; i < 512; i++) {
		if (!(pd[i] & PTE_P))
			continue;
		pt = table_below(pd, i);
		for (n = 0; n < 512; n++) {
			if (!(pt[n] & PTE_P))
				continue;
			page_put(pt[n] & PTE_FRAME);
			pt[n] = 0;
		}
		pd[i] = 0;
		page_put((uintptr_t)pt);
	}
	page_put((uintptr_t)pd);
	page_put(pml4[1] & PTE_FRAME);
	page_put((uintptr_t)pml4);
}

/* @count accesses, evenly spread over the process's memory. */
static void touch(uint64_t count, bool write, uint64_t value)
{
	uint64_t i, stride = faults_work.pages / count * 4096;
	volatile uint64_t *p;

	for (i = 0; i < count; i++) {
		p = (uint64_t *)(USER_BASE + i * stride);
		if (write)
			*p = value + i;
		else
			(void)*p;
	}
}

static uint64_t at_most_all(uint64_t count)
{
	return count < faults_work.pages ? count : faults_work.pages;
}

uint64_t faults_memory(uint64_t pages)
{
	/* Its own, those of one child, tables for both, and a byte for each. */
	return (pages + pages / 4096 + 2 * (pages / 512 + 8) + 2 * CHILD_WRITES + 64) * 4096;
}

void faults_guest(void)
{
	uint64_t *parent, *child, i;

	references = (uint8_t *)FAULTS_BASE;
	next_page = FAULTS_BASE + (faults_work.memory / 4096 / 4096 + 1) * 4096;
	guest_handlers[14] = on_page_fault;

	guest_sync(1);
	parent = process_create();
	switch_to(parent);
	touch(faults_work.pages, true, 1);

	guest_sync(1);
	for (i = 0; i < faults_work.forks; i++) {
		child = process_fork(parent);
		switch_to(child);
		touch(at_most_all(CHILD_READS), false, 0);
		touch(at_most_all(CHILD_WRITES), true, i);
		switch_to(parent);
		process_free(child);
		GUEST_EQ(*(volatile uint64_t *)USER_BASE, i ? i : 1);
		touch(at_most_all(PARENT_WRITES), true, i + 1);
	}

	guest_sync(1);
	switch_to(guest_pml4);
	process_free(parent);
	guest_sync(1);
}
