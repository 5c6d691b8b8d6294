// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench-exits: what a VM exit costs, in TSC ticks, on each device there is.
 *
 * Guests loop over one instruction that exits; the client reads the TSC before
 * and after the whole loop, which is short, so that most loops meet no timer
 * interrupt of the host and the median none. A loop that does not exit is
 * measured too and subtracted. In Bochs with "clock: sync=none" a tick is an
 * instruction, so the figures repeat; on real hardware they are cycles. Devices
 * are measured one after the other, since some hosts let only one of them own
 * the processor.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "khv.h"
#include "ksft.h"
#include "measure.h"
#include "report.h"
#include "vm.h"

#define RAM_SIZE	KiB(512)
#define CODE_SEGMENT	0x1000
#define MMIO_SEGMENT	0xd000		/* above RAM */
#define FRESH_BASE	MiB(16)

enum { CPUID, PORT, MMIO, FRESH, NR_PATHS };

static const char *const keys[NR_PATHS] = { "cpuid", "port_write", "mmio_write", "fresh_page" };
static const char *const titles[NR_PATHS] = {
	"CPUID exit", "port write to userspace", "MMIO write to userspace", "fresh-page fault",
};

static unsigned int exits = 20, repeats = 201;
static struct khv_sched sched;

/* Loops that run ESI times and end with a write to port 0x6e4. */
GUEST_BLOB(loop_empty);
GUEST_BLOB(loop_cpuid);
GUEST_BLOB(loop_port);
GUEST_BLOB(loop_mmio);
GUEST_BLOB(loop_fresh);
asm(".macro loop_blob name:req, mode:req, body:req\n"
	"	.code\\mode\n"
	"\\name\\()_start:\n"
	"1:	\\body\n"
	"	decl %esi\n"
	"	jnz 1b\n"
	"	movw $0x6e4, %dx\n"
	"	outb %al, %dx\n"
	"\\name\\()_end:\n"
	"	.code64\n"
	".endm\n"
	"	.section .rodata\n"
	"	loop_blob loop_empty, 16, \"nop\"\n"
	"	loop_blob loop_cpuid, 16, \"xorl %eax, %eax; cpuid\"\n"
	"	loop_blob loop_port, 16, \"outb %al, %dx\"\n"
	"	loop_blob loop_mmio, 16, \"movb %al, (%bx)\"\n"
	"	loop_blob loop_fresh, 32, \"movb %al, (%edi); addl $4096, %edi\"\n"
	"	.previous\n");
#define PORT_WORK	0x6e0
#define PORT_END	0x6e4

/* Runs the vCPU's loop to its end: its ticks, or aborts. */
static uint64_t run_loop(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t start = ticks_now(), ticks;

	do {
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0)
			break;
	} while ((run->exit_reason == KVM_EXIT_IO && run->io.port == PORT_WORK) ||
		 run->exit_reason == KVM_EXIT_MMIO);
	ticks = ticks_now() - start;
	if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT_END) {
		ksft_note("%s: the loop did not end: %s", ksft_device, strerror(errno));
		vcpu_describe(vcpu);
		ksft_abort();
	}
	return ticks;
}

static void set_registers(struct vcpu *vcpu, uint64_t rip)
{
	struct kvm_regs regs = {
		.rip = rip, .rsp = 0xfff0, .rflags = 2,
		.rsi = exits, .rdx = PORT_WORK, .rdi = FRESH_BASE,
	};

	vcpu_set_regs(vcpu, &regs);
}

static uint64_t time_real_mode(struct vcpu *vcpu, struct blob code)
{
	struct kvm_sregs sregs;

	vcpu_real_mode(vcpu, CODE_SEGMENT, code);
	vcpu_get_sregs(vcpu, &sregs);
	sregs.ds.selector = MMIO_SEGMENT;
	sregs.ds.base = MMIO_SEGMENT << 4;
	vcpu_set_sregs(vcpu, &sregs);
	set_registers(vcpu, 0);
	return run_loop(vcpu);
}

static struct result evaluate(struct samples *loop, struct samples *empty)
{
	uint64_t ticks = samples_median(loop), overhead = samples_median(empty);

	return (struct result) {
		.ticks = ticks > overhead ? (ticks - overhead) * 100 / exits : 0,
		.spread = samples_spread(loop) * 100 / exits,
	};
}

/* The first repeat of each warms up and does not count. */
static void measure_instructions(struct device *dev)
{
	static struct samples empty, loops[MMIO + 1];
	struct vm *vm = vm_create(RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	unsigned int i, path;

	device_schedule(vm, &sched);
	empty.count = 0;
	memset(loops, 0, sizeof(loops));
	for (i = 0; i <= repeats; i++) {
		if (i == 1) {
			empty.count = 0;
			for (path = CPUID; path <= MMIO; path++)
				loops[path].count = 0;
		}
		samples_add(&empty, time_real_mode(vcpu, BLOB(loop_empty)));
		samples_add(&loops[CPUID], time_real_mode(vcpu, BLOB(loop_cpuid)));
		samples_add(&loops[PORT], time_real_mode(vcpu, BLOB(loop_port)));
		samples_add(&loops[MMIO], time_real_mode(vcpu, BLOB(loop_mmio)));
	}
	for (path = CPUID; path <= MMIO; path++)
		dev->results[path] = evaluate(&loops[path], &empty);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
}

/*
 * 32-bit code touches pages of a slot for the first time, then the same ones
 * again. The pages are given back before the next repeat; that the tables above
 * them are there already is part of the definition.
 */
static void measure_fresh_pages(struct device *dev)
{
	static struct samples first, again;
	size_t size = exits * PAGE_SIZE;
	struct vm *vm = vm_create(RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	uint64_t code = CODE_SEGMENT << 4;
	void *fresh = memory_map(size, false);
	unsigned int i;

	device_schedule(vm, &sched);
	vm_set_slot(vm, 1, 0, FRESH_BASE, size, fresh);
	memcpy(vm->ram + code, BLOB(loop_fresh).start, BLOB(loop_fresh).size);
	vcpu_protected_mode(vcpu, code, 0xfff0);
	for (i = 0; i <= repeats; i++) {
		if (i <= 1)
			first.count = again.count = 0;
		set_registers(vcpu, code);
		samples_add(&first, run_loop(vcpu));
		set_registers(vcpu, code);
		samples_add(&again, run_loop(vcpu));
		madvise(fresh, size, MADV_DONTNEED);
	}
	dev->results[FRESH] = evaluate(&first, &again);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
	munmap(fresh, size);
}

static void set_sched(uint32_t which, uint32_t *member, uint32_t value)
{
	sched.set |= which;
	*member = value;
}

static int usage(const char *program)
{
	fprintf(stderr,
		"usage: %s [--dev PATH]... [--exits N] [--repeats N] [--weight N] [--cap N]\n"
		"       [--gang] [--json]\n"
		"Prints what VM exits cost on /dev/khv and /dev/kvm, as far as they exist, and\n"
		"the ratio of the first to the second.\n"
		"  --dev PATH   measure this device; may be given twice\n"
		"  --exits N    exits per repeat (default %u)\n"
		"  --repeats N  repeats, at most %u (default %u)\n"
		"  --weight N, --cap N, --gang\n"
		"               how khv schedules its VM, as for khv run; KVM's is as ever\n"
		"  --json       print JSON\n", program, exits, MAX_REPEATS, repeats);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dev", required_argument, NULL, 'd' }, { "exits", required_argument, NULL, 'e' },
		{ "repeats", required_argument, NULL, 'r' }, { "json", no_argument, NULL, 'j' },
		{ "weight", required_argument, NULL, 'w' }, { "cap", required_argument, NULL, 'c' },
		{ "gang", no_argument, NULL, 'g' },
		{ "help", no_argument, NULL, 'h' }, { 0 },
	};
	struct device devs[MAX_DEVICES] = { 0 };
	char heading[128], members[64];
	struct report report = {
		.heading = heading, .json = members, .keys = keys, .titles = titles,
		.rows = NR_PATHS,
	};
	unsigned int count = 0, i;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'd' && count < KSFT_ARRAY_SIZE(devs))
			devs[count++].path = optarg;
		else if (option == 'e' && atoi(optarg) > 0)
			exits = atoi(optarg);
		else if (option == 'r' && atoi(optarg) > 0 && atoi(optarg) <= MAX_REPEATS)
			repeats = atoi(optarg);
		else if (option == 'w')
			set_sched(KHV_SCHED_WEIGHT, &sched.weight, atoi(optarg));
		else if (option == 'c')
			set_sched(KHV_SCHED_CAP, &sched.cap, atoi(optarg));
		else if (option == 'g')
			set_sched(KHV_SCHED_GANG, &sched.gang, 1);
		else if (option == 'j')
			json = true;
		else
			return usage(argv[0]);
	}
	if (!count)
		count = devices_find(devs);
	if (!count) {
		fprintf(stderr, "%s: neither /dev/khv nor /dev/kvm is here; load a module\n",
			argv[0]);
		return 1;
	}
	for (i = 0; i < count; i++) {
		ksft_device = devs[i].path;
		measure_instructions(&devs[i]);
		measure_fresh_pages(&devs[i]);
	}
	snprintf(heading, sizeof(heading),
		 "TSC ticks per exit: median of %u repeats of %u exits (distance of quartiles)",
		 repeats, exits);
	snprintf(members, sizeof(members), "\"exits\": %u, \"repeats\": %u", exits, repeats);
	report_print(&report, devs, count, json);
	return 0;
}
