// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory: the arena that guests run in, which changes under them, and the places
 * that arguments are put in, good and bad. Which bytes they are is ioctl_gen.c's.
 *
 * Anything here may be gone when it is touched, so it is touched between PROBE()
 * and PROBE_END(), and the fault comes back to the former.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ioctl_fuzz.h"
#include "vm.h"

uint8_t *arena;
volatile bool worker_ends;
__thread sigjmp_buf fault_return;
__thread volatile bool fault_expected;

static int arena_fd;
static uint8_t *shared_args;	/* all threads' arguments, changed all the time */

/* 32-bit code, each at ARENA_CODE plus pages, and run with flat segments. */
GUEST_BLOB(port);
GUEST_BLOB(string);
GUEST_BLOB(device);
GUEST_BLOB(halt);
GUEST_BLOB(cpuid);
GUEST_BLOB(msrs);
GUEST_BLOB(touch);
GUEST_BLOB(paging);
GUEST_BLOB(apic);
GUEST_BLOB(spin);
asm("	.section .rodata\n"
	"	.code32\n"
	"port_start:\n"
	"	movw $0x6e0, %dx\n"
	"1:	outb %al, %dx\n"
	"	inl %dx, %eax\n"
	"	outw %ax, $0x40\n"
	"	jmp 1b\n"
	"port_end:\n"
	"string_start:\n"
	"	movw $0x6e0, %dx\n"
	"1:	movl $0x1ffff0, %esi\n"
	"	movl $0x1ffff0, %edi\n"
	"	movl $64, %ecx\n"
	"	rep outsl\n"
	"	movl $3000, %ecx\n"
	"	rep insb\n"
	"	jmp 1b\n"
	"string_end:\n"
	"device_start:\n"
	"	movl $0xd0000000, %edi\n"
	"1:	movl %eax, (%edi)\n"
	"	movzwl 4(%edi), %eax\n"
	"	lock incl (%edi)\n"
	"	xchgl %eax, 0xffe(%edi)\n"
	"	movl $0xfec00000, %ebx\n"
	"	movl %eax, (%ebx)\n"
	"	movl 16(%ebx), %eax\n"
	"	jmp 1b\n"
	"device_end:\n"
	"halt_start:\n"
	"1:	sti\n"
	"	hlt\n"
	"	jmp 1b\n"
	"halt_end:\n"
	"cpuid_start:\n"
	"1:	movl %esi, %eax\n"
	"	incl %esi\n"
	"	andl $0x1f, %esi\n"
	"	cpuid\n"
	"	rdtsc\n"
	"	pause\n"
	"	xorl %ecx, %ecx\n"
	"	xgetbv\n"
	"	wbinvd\n"
	"	movl $5, %eax\n"
	"	vmmcall\n"
	"	jmp 1b\n"
	"cpuid_end:\n"
	"msrs_start:\n"
	"1:	movl %esi, %ecx\n"
	"	rdmsr\n"
	"	wrmsr\n"
	"	incl %esi\n"
	"	jmp 1b\n"
	"msrs_end:\n"
	"touch_start:\n"
	"1:	movl $0x100000, %edi\n"
	"2:	addl $1, (%edi)\n"
	"	addl $4096, %edi\n"
	"	cmpl $0x800000, %edi\n"
	"	jb 2b\n"
	"	jmp 1b\n"
	"touch_end:\n"
	/* A page directory of 4 MiB pages and a table, which it then changes. */
	"paging_start:\n"
	"	movl $0x30000, %edi\n"
	"	movl $0x00000083, (%edi)\n"
	"	movl $0x31007, 4(%edi)\n"
	"	movl $0x30007, 8(%edi)\n"
	"	movl $0xfec00083, 0xfec(%edi)\n"
	"	movl %cr4, %eax\n"
	"	orl $0x10, %eax\n"
	"	movl %eax, %cr4\n"
	"	movl %edi, %cr3\n"
	"	movl %cr0, %eax\n"
	"	orl $0x80010000, %eax\n"
	"	movl %eax, %cr0\n"
	"1:	movl $0x31000, %ebx\n"
	"2:	movl %ebx, %eax\n"
	"	shll $8, %eax\n"
	"	andl $0x3ff000, %eax\n"
	"	orl $7, %eax\n"
	"	movl %eax, (%ebx)\n"
	"	movl %ebx, %esi\n"
	"	andl $0xffc, %esi\n"
	"	shll $10, %esi\n"
	"	addl $0x400000, %esi\n"
	"	invlpg (%esi)\n"
	"	incl (%esi)\n"
	"	addl $4, %ebx\n"
	"	cmpl $0x32000, %ebx\n"
	"	jb 2b\n"
	"	movl %cr3, %eax\n"
	"	movl %eax, %cr3\n"
	"	jmp 1b\n"
	"paging_end:\n"
	"apic_start:\n"
	"	movl $0xfee00000, %edi\n"
	"	movl $0x1ff, 0xf0(%edi)\n"
	"1:	movl $0x20030, 0x320(%edi)\n"
	"	movl $0x100, 0x380(%edi)\n"
	"	movl $0, 0x310(%edi)\n"
	"	movl $0x4031, 0x300(%edi)\n"
	"	movl $0x84532, 0x300(%edi)\n"
	"	movl $0, 0xb0(%edi)\n"
	"	movl 0x390(%edi), %eax\n"
	"	sti\n"
	"	jmp 1b\n"
	"apic_end:\n"
	"spin_start:\n"
	"	sti\n"
	"1:	pause\n"
	"	jmp 1b\n"
	"spin_end:\n"
	"	.code64\n"
	"	.previous\n");

static const struct blob guests[] = {
	{ port_start, 0 }, { string_start, 0 }, { device_start, 0 }, { halt_start, 0 },
	{ cpuid_start, 0 }, { msrs_start, 0 }, { touch_start, 0 }, { paging_start, 0 },
	{ apic_start, 0 }, { spin_start, 0 },
};

static const uint8_t *const guest_ends[] = {
	port_end, string_end, device_end, halt_end, cpuid_end, msrs_end, touch_end, paging_end,
	apic_end, spin_end,
};

unsigned int nr_guests = COUNT_OF(guests) + 1;	/* the last: noise */

static void on_fault(int number)
{
	if (!fault_expected) {
		signal(number, SIG_DFL);
		return;
	}
	fault_expected = false;
	siglongjmp(fault_return, 1);
}

static void *map(size_t size, int protection, int fd, off_t offset)
{
	void *p = mmap(NULL, size, protection,
		       fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED,
		       fd, offset);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

/* The arena as new: anonymous memory with the guests in it. */
void arena_renew(void)
{
	unsigned int i;

	mmap(arena, ARENA_SIZE, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (PROBE())
		for (i = 0; i < nr_guests - 1; i++)
			memcpy(arena + ARENA_CODE + i * PAGE_SIZE, guests[i].start,
			       guest_ends[i] - (const uint8_t *)guests[i].start);
	PROBE_END();
}

void memory_init(void)
{
	struct sigaction sa = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	/* Room on both sides, for regions that are larger than they should be. */
	arena = (uint8_t *)map(3 * ARENA_SIZE, PROT_NONE, -1, 0) + ARENA_SIZE;
	arena_fd = memfd_create("arena", MFD_CLOEXEC);
	if (arena_fd < 0 || ftruncate(arena_fd, ARENA_SIZE / 2))
		exit(1);
	shared_args = map(ARG_SIZE, PROT_READ | PROT_WRITE, -1, 0);
	arena_renew();
}

/* The same pages twice, so that the calls' view of them can be read-only. */
void memory_init_thread(struct fuzz_thread *t)
{
	int fd = memfd_create("arguments", MFD_CLOEXEC);
	uint8_t *p;

	if (fd < 0 || ftruncate(fd, ARG_SIZE))
		exit(1);
	p = map(ARG_SIZE + PAGE_SIZE, PROT_NONE, -1, 0);
	if (mmap(p, ARG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != p)
		exit(1);
	t->args = p;
	t->args_read_only = map(ARG_SIZE, PROT_READ, fd, 0);
	close(fd);
}

/* A part of the arena, by pages; mostly not that with the code. */
static uint8_t *arena_part(struct rng *rng, size_t *size)
{
	size_t first = below(rng, ARENA_SIZE / PAGE_SIZE), pages;

	pages = 1 + below(rng, one_in(rng, 4) ? ARENA_SIZE / PAGE_SIZE : 16);
	if (first < 64 && !one_in(rng, 8))
		first += 64;
	if (first + pages > ARENA_SIZE / PAGE_SIZE)
		pages = ARENA_SIZE / PAGE_SIZE - first;
	*size = pages * PAGE_SIZE;
	return arena + first * PAGE_SIZE;
}

static const int advice[] = {
	MADV_DONTNEED, MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE,
	MADV_UNMERGEABLE, MADV_COLD, MADV_PAGEOUT, MADV_REMOVE, MADV_WILLNEED,
};

void arena_shuffle(struct fuzz_thread *t)
{
	struct rng *rng = &t->rng;
	size_t size, half = ARENA_SIZE / 2;
	uint8_t *p = arena_part(rng, &size);
	size_t offset = p - arena;

	switch (below(rng, 10)) {
	case 0:
		arena_renew();
		break;
	case 1:
		munmap(p, size);
		break;
	case 2:
		mprotect(p, size, below(rng, 4));
		break;
	case 3:
		mprotect(p, size, PROT_READ | PROT_WRITE);
		break;
	case 4:
		mmap(p, size, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE |
		     (one_in(rng, 2) ? MAP_SHARED : MAP_PRIVATE), -1, 0);
		break;
	case 5:
		/* Also past the file's end, where touching is SIGBUS. */
		mmap(p, size, PROT_READ | (one_in(rng, 4) ? 0 : PROT_WRITE),
		     MAP_FIXED | (one_in(rng, 3) ? MAP_PRIVATE : MAP_SHARED), arena_fd, offset);
		break;
	case 6:
		if (!ftruncate(arena_fd, below(rng, half / PAGE_SIZE) * PAGE_SIZE) &&
		    ftruncate(arena_fd, half))
			return;
		break;
	default:
		madvise(p, size, advice[below(rng, COUNT_OF(advice))]);
	}
}

/* Writes to what the kernel or a guest may be reading. */
void scribble(struct fuzz_thread *t)
{
	struct rng *rng = &t->rng;
	uint8_t *p = arena + below(rng, ARENA_SIZE - 8);
	struct kvm_run *run = world_run_page(below(rng, POOL));
	uint64_t value = odd_number(rng);
	unsigned int i;

	if (PROBE()) {
		if (one_in(rng, 3)) {
			/* The last guest is noise. */
			p = arena + ARENA_CODE + (nr_guests - 1) * PAGE_SIZE;
			for (i = 0; i < 256; i += 8)
				*(uint64_t *)(p + i) = rnd(rng);
		} else if (one_in(rng, 2)) {
			run->immediate_exit = one_in(rng, 8);
			run->request_interrupt_window = one_in(rng, 4);
			run->cr8 = below(rng, 17);
			if (one_in(rng, 8))
				run->kvm_valid_regs = below(rng, 16);
			if (one_in(rng, 8))
				run->kvm_dirty_regs = below(rng, 8);
			p = (uint8_t *)run + below(rng, RUN_MAP_SIZE - 8);
			if (one_in(rng, 4))
				*(uint64_t *)p = value;
		} else {
			*(uint64_t *)p = value;
		}
	}
	PROBE_END();
}

static const uint64_t bad_pointers[] = {
	0, 8, 0xffff888000000000, 0xffffffff81000000, 0x0100000000000000, -1ULL, -4096ULL,
	0x7ffffffff000, 0x7fffffffeff8, 0x800000000000,
};

static uint64_t copy_there(uint8_t *to, const void *from, size_t len)
{
	if (PROBE())
		memcpy(to, from, len);
	PROBE_END();
	return (uintptr_t)to;
}

uint64_t place(struct fuzz_thread *t, size_t len, bool tame)
{
	struct rng *rng = &t->rng;
	struct kvm_run *run;
	size_t cut;

	if (len > sizeof(t->buf))
		len = sizeof(t->buf);
	switch (tame ? 99 : below(rng, 100)) {
	case 0 ... 5:		/* ends where the mapping ends */
		return copy_there(t->args + ARG_SIZE - len, t->buf, len);
	case 6 ... 10:		/* goes on where there is nothing */
		cut = len ? below(rng, len) : 0;
		return copy_there(t->args + ARG_SIZE - cut, t->buf, cut);
	case 11 ... 14:
		memcpy(t->args, t->buf, len);
		return (uintptr_t)t->args_read_only;
	case 15 ... 22:		/* changes while it is read */
		return copy_there(shared_args + 8 * below(rng, 64), t->buf, len);
	case 23 ... 24:
		return copy_there(arena + below(rng, ARENA_SIZE - sizeof(t->buf)), t->buf, len);
	case 25:
		run = world_run_page(below(rng, POOL));
		if (len > 4096)
			len = 4096;
		return copy_there((uint8_t *)run, t->buf, len);
	case 26 ... 28:
		return bad_pointers[below(rng, COUNT_OF(bad_pointers))];
	case 29:
		return odd_number(rng);
	default:
		memcpy(t->args, t->buf, len);
		return (uintptr_t)t->args;
	}
}

const void *placed_good(struct fuzz_thread *t, uint64_t arg)
{
	return arg == (uintptr_t)t->args ? t->args : NULL;
}

void *change_arguments(void *arg)
{
	struct rng *rng = arg;
	unsigned int i;

	while (!worker_ends) {
		for (i = 0; i < 200; i++) {
			uint32_t *p = (uint32_t *)(shared_args + 4 * below(rng, 512));

			*(volatile uint32_t *)p = one_in(rng, 2) ? below(rng, 8) : odd_number(rng);
		}
		usleep(200);
	}
	return NULL;
}
