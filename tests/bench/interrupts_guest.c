// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guests of bench-interrupts. Each takes its own time, from its own TSC, so
 * that nothing of the client's is in it.
 */
#include "interrupts_guest.h"

#include "guest.h"
#include "guest_apic.h"

#define APIC_SELF_IPI	0x3f0
#define DIVIDE_BY_1	0xb

#define EMPTY		0x41
#define ASK		0x51
#define ANSWER		0x61
#define WAKE		0x71

struct interrupts_work interrupts_work;

static volatile uint64_t came, came_at;
static volatile bool stop;

static void x2apic_on(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	x2apic_write(APIC_SPIV, 0x1ff);
}

static void send(uint32_t to, uint8_t vector)
{
	x2apic_write(APIC_ICR, (uint64_t)to << 32 | APIC_ASSERT | vector);
}

static void on_empty(struct guest_frame *frame)
{
	came_at = rdtsc();
	came++;
}

static void on_xapic(struct guest_frame *frame)
{
	came_at = rdtsc();
	came++;
	xapic_write(APIC_EOI, 0);
}

static void on_x2apic(struct guest_frame *frame)
{
	came_at = rdtsc();
	came++;
	x2apic_write(APIC_EOI, 0);
}

static void on_ask(struct guest_frame *frame)
{
	x2apic_write(APIC_EOI, 0);
	if (!stop)
		send(0, ANSWER);
}

static void measure_self(void (*self_ipi)(void))
{
	uint64_t i, n, start;

	guest_handlers[EMPTY] = on_empty;
	sti();
	for (i = 0; i <= interrupts_work.repeats; i++) {
		came = 0;
		start = rdtsc();
		for (n = 0; n < interrupts_work.loops; n++)
			self_ipi();
		interrupts_work.ticks[i] = rdtsc() - start;
		GUEST_EQ(came, interrupts_work.loops);
		start = rdtsc();
		for (n = 0; n < interrupts_work.loops; n++)
			asm volatile("int %0" : : "i"(EMPTY) : "memory");
		interrupts_work.empty[i] = rdtsc() - start;
	}
}

static void self_xapic(void)
{
	xapic_write(APIC_ICR, APIC_DEST_SELF | APIC_ASSERT | WAKE);
}

void interrupts_self_xapic(void)
{
	guest_handlers[WAKE] = on_xapic;
	xapic_write(APIC_SPIV, 0x1ff);
	measure_self(self_xapic);
}

static void self_x2apic(void)
{
	x2apic_write(APIC_SELF_IPI, WAKE);
}

void interrupts_self_x2apic(void)
{
	guest_handlers[WAKE] = on_x2apic;
	x2apic_on();
	measure_self(self_x2apic);
}

/* @start sets the timer and returns the tick for which it is set. */
static void measure_timer(uint64_t (*start)(void))
{
	uint64_t i, when;

	guest_handlers[EMPTY] = on_empty;
	guest_handlers[WAKE] = on_x2apic;
	for (i = 0; i <= interrupts_work.repeats; i++) {
		came = 0;
		when = start();
		while (!came)
			sti_hlt_cli();
		interrupts_work.ticks[i] = came_at - when;
		when = rdtsc();
		asm volatile("int %0" : : "i"(EMPTY) : "memory");
		interrupts_work.empty[i] = came_at - when;
	}
}

static uint64_t start_deadline(void)
{
	uint64_t when = rdtsc() + interrupts_work.delay;

	wrmsr(MSR_TSC_DEADLINE, when);
	return when;
}

void interrupts_deadline(void)
{
	x2apic_on();
	x2apic_write(APIC_LVT_TIMER, APIC_TIMER_DEADLINE | WAKE);
	measure_timer(start_deadline);
}

static uint64_t start_oneshot(void)
{
	uint64_t when = rdtsc() + interrupts_work.delay;

	x2apic_write(APIC_TMICT, interrupts_work.delay_ns);
	return when;
}

void interrupts_oneshot(void)
{
	x2apic_on();
	x2apic_write(APIC_TDCR, DIVIDE_BY_1);
	x2apic_write(APIC_LVT_TIMER, WAKE);
	measure_timer(start_oneshot);
}

static void wait_halting(uint64_t count)
{
	while (came < count)
		sti_hlt_cli();
}

static void wait_spinning(uint64_t count)
{
	while (came < count)
		;
}

static void ask(void (*wait)(uint64_t count))
{
	uint64_t i, n, start;

	for (i = 0; i <= interrupts_work.repeats; i++) {
		came = 0;
		start = rdtsc();
		for (n = 1; n <= interrupts_work.loops; n++) {
			send(1, ASK);
			wait(n);
		}
		interrupts_work.ticks[i] = rdtsc() - start;
	}
	stop = true;
	send(1, ASK);
}

/* Not before the other one is ready: its client runs it until it says so. */
void interrupts_ask_halting(void)
{
	guest_handlers[ANSWER] = on_x2apic;
	x2apic_on();
	ask(wait_halting);
}

void interrupts_ask_spinning(void)
{
	guest_handlers[ANSWER] = on_x2apic;
	x2apic_on();
	sti();
	ask(wait_spinning);
}

void interrupts_answer_halting(void)
{
	guest_handlers[ASK] = on_ask;
	x2apic_on();
	guest_sync(1);
	while (!stop)
		sti_hlt_cli();
}

void interrupts_answer_spinning(void)
{
	guest_handlers[ASK] = on_ask;
	x2apic_on();
	guest_sync(1);
	sti();
	while (!stop)
		;
}

void interrupts_wake(void)
{
	uint64_t i, sent;

	x2apic_on();
	sti();
	for (i = 0; i <= interrupts_work.repeats; i++) {
		sent = rdtsc() + interrupts_work.delay;
		while (rdtsc() < sent)
			;
		came = 0;
		sent = rdtsc();
		send(1, WAKE);
		wait_spinning(1);
		interrupts_work.ticks[i] = came_at - sent;
	}
	stop = true;
	send(1, WAKE);
}

void interrupts_be_woken(void)
{
	uint64_t i, when;

	guest_handlers[EMPTY] = on_empty;
	guest_handlers[WAKE] = on_x2apic;
	x2apic_on();
	for (i = 0; i <= interrupts_work.repeats; i++) {
		when = rdtsc();
		asm volatile("int %0" : : "i"(EMPTY) : "memory");
		interrupts_work.empty[i] = came_at - when;
	}
	guest_sync(1);
	while (!stop)
		sti_hlt_cli();
}
