// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracepoints: a guest does one of each thing, and the trace has a line of it. Each
 * test has a trace buffer of its own (an instance in tracefs).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"
#include "guest_apic.h"
#include "guest_cpu.h"
#include "ksft.h"

#define TRACEFS		"/sys/kernel/tracing"
#define INSTANCE	TRACEFS "/instances/khv_test"
#define PORT		0x6e0
#define DEVICE		0x40000000UL
#define VECTOR		0x50
#define MSR_NONE	0x12345		/* no processor has it */
#define HYPERCALL	0x77

static void put(const char *file, const char *text)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), INSTANCE "/%s", file);
	fd = open(path, O_WRONLY | O_TRUNC);
	ASSERT(fd >= 0, "%s: %s", path, strerror(errno));
	ASSERT(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s: %s", path,
	       strerror(errno));
	close(fd);
}

static void trace_on(void)
{
	if (strcmp(ksft_device, "/dev/khv"))
		ksft_skip("%s has other tracepoints", ksft_device);
	if (access(TRACEFS "/trace", F_OK))
		ASSERT(!mount("tracefs", TRACEFS, "tracefs", 0, NULL), "mount: %s",
		       strerror(errno));
	rmdir(INSTANCE);
	ASSERT(!mkdir(INSTANCE, 0700), "mkdir: %s", strerror(errno));
	put("buffer_size_kb", "4096");
	put("events/khv/enable", "1");
}

/* Stops, and returns all lines. */
static char *trace_off(void)
{
	char *text = calloc(1, 8 << 20);
	FILE *f;

	put("events/khv/enable", "0");
	f = fopen(INSTANCE "/trace", "r");
	ASSERT(f);
	ASSERT(fread(text, 1, (8 << 20) - 1, f) > 0);
	fclose(f);
	rmdir(INSTANCE);
	return text;
}

/* Is there a line with the event @name that has all of the words, the last being NULL? */
static bool has_line(const char *text, const char *name, ...)
{
	char event[64], line[512];
	const char *end, *word;
	va_list ap;
	bool all;

	snprintf(event, sizeof(event), " khv_%s: ", name);
	for (; *text; text = *end ? end + 1 : end) {
		end = strchrnul(text, '\n');
		snprintf(line, sizeof(line), "%.*s", (int)(end - text), text);
		all = strstr(line, event);
		va_start(ap, name);
		while (all && (word = va_arg(ap, const char *)))
			all = strstr(line, word);
		va_end(ap);
		if (all)
			return true;
	}
	return false;
}

#define EXPECT_LINE(text, ...) \
	EXPECT(has_line(text, __VA_ARGS__, NULL), "no line of " #__VA_ARGS__)

static volatile uint32_t ticks;

static void on_tick(struct guest_frame *frame)
{
	ticks++;
	xapic_write(APIC_EOI, 0);
}

static void guest_everything(void)
{
	uint32_t r[4];
	uint64_t rax;

	guest_handlers[VECTOR] = on_tick;
	pic_init(0x20, 0x28);
	outb(0x21, 0xff);
	cpuid(0x40000000, 3, r);
	outb(PORT, 0xa5);
	asm volatile("movl %0, (%1)" : : "r"(0x1234abcd), "r"(DEVICE + 0x10) : "memory");
	GUEST_EQ(GUEST_TRY("rdmsr", : : "c"(MSR_NONE) : "rax", "rdx", "r11", "memory"), 13);
	/* A processor knows one of the two; the other is replaced. */
	rax = HYPERCALL;
	GUEST_TRY("vmcall", : "+a"(rax) : : "r11", "memory");
	rax = HYPERCALL;
	GUEST_TRY("vmmcall", : "+a"(rax) : : "r11", "memory");
	xapic_write(APIC_SPIV, 0x1ff);
	xapic_write(APIC_TDCR, 0xb);
	/* Once more, should QEMU lose what STI holds back and the tick come before HLT. */
	xapic_write(APIC_LVT_TIMER, VECTOR | APIC_TIMER_PERIODIC);
	xapic_write(APIC_TMICT, 20000000);
	while (!ticks)
		sti_hlt_cli();
}

static void test_events(void)
{
	struct vcpu *vcpu;
	struct vm *vm;
	char *text;

	trace_on();
	vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	vcpu = vcpu_create(vm, 0);
	guest_start(vcpu, guest_everything);
	guest_run_unserved(vcpu);
	text = trace_off();

	EXPECT_LINE(text, "entry", "vcpu 0 ", "rip 0x");
	EXPECT_LINE(text, "exit", "vcpu 0 ", "reason cpuid ", "rip 0x");
	EXPECT_LINE(text, "exit", "reason io ");
	EXPECT_LINE(text, "exit", "reason hlt ");
	EXPECT_LINE(text, "cpuid", "leaf 0x40000000 0x3 ");
	EXPECT_LINE(text, "pio", "out port 0x6e0 size 1 count 1 data 0xa5 to client");
	EXPECT_LINE(text, "pio", "out port 0x21 size 1 count 1 data 0xff");
	EXPECT_LINE(text, "mmio", "write gpa 0x40000010 len 4 data 0x1234abcd to client");
	EXPECT_LINE(text, "msr", "rdmsr 0x12345 ", "refused");
	EXPECT_LINE(text, "hypercall", "nr 0x77 ");
	EXPECT_LINE(text, "page_fault", "result resume");
	EXPECT_LINE(text, "page_fault", "write", "result emulate");
	EXPECT_LINE(text, "apic", "write register 0x380 data 0x1312d00");
	EXPECT_LINE(text, "apic_accept_irq", "vector 80 edge");
	EXPECT_LINE(text, "inject", "interrupt vector 80 ");
	EXPECT_LINE(text, "inject", "exception vector 13 ");
	EXPECT_LINE(text, "memory_slot", "slot 0 gfn 0x0 pages 4096 ", "result 0");
	EXPECT_LINE(text, "halt", "mp_state 3");
	EXPECT_LINE(text, "wake", "result 0");
	free(text);
}

/* Off again means off: the same guest leaves no line. */
static void test_off(void)
{
	struct vcpu *vcpu;
	char line[256];
	FILE *f;

	trace_on();
	put("events/khv/enable", "0");
	put("trace", "");
	vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);
	guest_start(vcpu, guest_everything);
	guest_run_unserved(vcpu);
	f = fopen(INSTANCE "/trace", "r");
	ASSERT(f);
	while (fgets(line, sizeof(line), f))
		EXPECT(!strstr(line, " khv_"), "%s", line);
	fclose(f);
	rmdir(INSTANCE);
}

/* One event alone, with a filter, as an administrator would use it. */
static void test_filter(void)
{
	struct vcpu *vcpu;
	char *text;

	trace_on();
	put("events/khv/enable", "0");
	put("events/khv/khv_pio/filter", "port == 0x6e0");
	put("events/khv/khv_pio/enable", "1");
	vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);
	guest_start(vcpu, guest_everything);
	guest_run_unserved(vcpu);
	text = trace_off();
	EXPECT_LINE(text, "pio", "port 0x6e0 ");
	EXPECT(!has_line(text, "pio", "port 0x21 ", NULL));
	EXPECT(!strstr(text, " khv_exit:"));
	free(text);
}

static const struct ksft_test tests[] = {
	{ "events", test_events },
	{ "off", test_off },
	{ "filter", test_filter },
};

static const struct ksft_suite suite = KSFT_SUITE("trace", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
