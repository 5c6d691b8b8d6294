// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the guest: registers that belong to this guest alone, and whether they still
 * have what it put there. What a hypervisor switches late or not at all while it
 * takes exits is what a neighbour would lose: the registers of SYSCALL and RDTSCP
 * are looked at through these instructions, as RDMSR tells what the hypervisor
 * believes, and not what the processor has.
 */
#include "state.h"

#include <stdbool.h>

#include "guest.h"
#include "guest_cpu.h"

#define MSR_EFER		0xc0000080
#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_FMASK		0xc0000084
#define MSR_GS_BASE		0xc0000101
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_TSC_AUX		0xc0000103
#define EFER_SCE		1
#define FLAGS_AC		0x40000
#define SPINS			500

static uint64_t seed;
static bool has_rdtscp;

/* Where SYSCALL goes, for even and odd seeds. AC tells what the mask was. */
asm(".pushsection .text\n"
    "state_entry_even: movl $0, %eax; jmp 1f\n"
    "state_entry_odd: movl $1, %eax\n"
    "1: pushfq; popq %rdx; movl %cs, %esi; jmp *%rcx\n"
    ".popsection");
extern const char state_entry_even[], state_entry_odd[];

void state_init(uint64_t which)
{
	uint32_t r[4];

	seed = which;
	cpuid(0x80000001, 0, r);
	has_rdtscp = r[3] & 1 << 27;
	wrmsr(MSR_STAR, (uint64_t)GUEST_CS << 32);
	wrmsr(MSR_LSTAR, (uintptr_t)(seed & 1 ? state_entry_odd : state_entry_even));
	wrmsr(MSR_FMASK, seed & 2 ? FLAGS_AC : 0);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	wrmsr(MSR_KERNEL_GS_BASE, seed << 20);
	if (has_rdtscp)
		wrmsr(MSR_TSC_AUX, seed << 12);
	write_cr2(seed << 16);
	asm volatile("mov %0, %%db0" : : "r"(seed << 32));
}

static void check_syscall(void)
{
	uint64_t entry, flags, cs;

	asm volatile("pushfq; orl $0x40000, (%%rsp); popfq; syscall\n\t"
		     "pushfq; andl $~0x40000, (%%rsp); popfq"
		     : "=a"(entry), "=d"(flags), "=S"(cs) : : "rcx", "r11", "cc", "memory");
	GUEST_EQ(entry, seed & 1);
	GUEST_EQ(flags & FLAGS_AC, seed & 2 ? 0 : FLAGS_AC);
	GUEST_EQ(cs, GUEST_CS);
}

static void check_msrs(void)
{
	uint64_t base, dr0;
	uint32_t aux;

	if (has_rdtscp) {
		asm volatile("rdtscp" : "=c"(aux) : : "rax", "rdx");
		GUEST_EQ(aux, seed << 12);
	}
	asm volatile("swapgs");
	base = rdmsr(MSR_GS_BASE);
	asm volatile("swapgs");
	GUEST_EQ(base, seed << 20);
	GUEST_EQ(read_cr2(), seed << 16);
	asm volatile("mov %%db0, %0" : "=r"(dr0));
	GUEST_EQ(dr0, seed << 32);
}

#define GPRS	"rbx,rsi,rdi,r8,r9,r10,r11,r12,r13,r14,r15"
#define XMMS	"0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"

/* All of them hold the seed while time passes; what differs is collected in RAX. */
static void check_registers(void)
{
	uint64_t wrong, spins = SPINS;

	asm volatile(".irp r," GPRS "\n\tmovq %%rdx, %%\\r\n\t.endr\n\t"
		     ".irp n," XMMS "\n\tmovq %%rdx, %%xmm\\n\n\t.endr\n"
		     "1:\tpause\n\tdecq %%rcx\n\tjnz 1b\n\t"
		     "xorl %%eax, %%eax\n\t"
		     ".irp r," GPRS "\n\txorq %%rdx, %%\\r\n\torq %%\\r, %%rax\n\t.endr\n\t"
		     ".irp n," XMMS "\n\tmovq %%xmm\\n, %%rbx\n\txorq %%rdx, %%rbx\n\t"
		     "orq %%rbx, %%rax\n\t.endr"
		     : "=&a"(wrong), "+c"(spins) : "d"(seed * 0x0101010101010101)
		     : "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc");
	GUEST_EQ(wrong, 0);
}

void state_check(void)
{
	check_registers();
	check_syscall();
	check_msrs();
}
