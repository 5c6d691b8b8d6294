// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's half of guest.h: tables, exceptions, reports. Nothing here is
 * run by the test itself.
 */
#include "guest.h"

#include "guest_cpu.h"

struct guest_trap guest_trap;
volatile uint32_t guest_traps[256];
void (*guest_handlers[256])(struct guest_frame *frame);
volatile uint64_t guest_fixup;

struct guest_gate guest_idt[256];
struct guest_tss guest_tss[GUEST_CPUS];
uint64_t guest_gdt[6 + 2 * GUEST_CPUS];
uint64_t guest_pml4[512] __aligned(4096);
uint64_t guest_pdpt[512] __aligned(4096);
uint64_t guest_pd[4][512] __aligned(4096);

struct guest_failure guest_failure;

void guest_sync(uint32_t value)
{
	outl(GUEST_PORT_SYNC, value);
}

void guest_fail(const char *file, int line, const char *what, uint64_t a, uint64_t b)
{
	guest_failure.file = file;
	guest_failure.line = line;
	guest_failure.what = what;
	guest_failure.a = a;
	guest_failure.b = b;
	for (;;)
		outl(GUEST_PORT_FAIL, 0);
}

void guest_handle_trap(struct guest_frame *frame);

void guest_handle_trap(struct guest_frame *frame)
{
	guest_trap.vector = frame->vector;
	guest_trap.error = frame->error;
	guest_trap.rip = frame->rip;
	guest_trap.rflags = frame->rflags;
	guest_trap.rsp = frame->rsp;
	guest_trap.cr2 = read_cr2();
	guest_traps[frame->vector]++;

	if (guest_handlers[frame->vector]) {
		guest_handlers[frame->vector](frame);
	} else if (guest_fixup) {
		frame->rip = guest_fixup;
		guest_fixup = 0;
	} else {
		guest_fail("", 0, "unexpected vector, at RIP", frame->vector, frame->rip);
	}
}
