// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shows samples of counters: as a table for people, as JSON for programs.
 */
#include <inttypes.h>
#include <string.h>

#include "json.h"
#include "khv.h"
#include "stat/stat.h"

/* Columns of rates. What counts memory as it is now is no rate, see mapped_mib(). */
static const struct {
	const char *title, *counter;
} columns[] = {
	{ "EXITS/s", "exits" },		{ "PORT/s", "io_exits" },
	{ "MMIO/s", "mmio_exits" },	{ "IRQ/s", "irq_injections" },
	{ "FAULT/s", "pf_taken" },	{ "FLUSH/s", "tlb_flush" },
	{ "HALT/s", "halt_exits" },	{ "WAKE/s", "halt_wakeup" },
};

static const char *const instant[] = {
	"memory_slots", "mmu_tables", "pages_4k", "pages_2m", "pages_1g",
};

static bool is_instant(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(instant); i++)
		if (!strcmp(name, instant[i]))
			return true;
	return false;
}

static const struct khv_stat_vm *find(const struct khv_stat_sample *sample, const char *name)
{
	for (unsigned int i = 0; i < sample->count; i++)
		if (!strcmp(sample->vm[i].name, name))
			return &sample->vm[i];
	return NULL;
}

static double rate(uint64_t before, uint64_t now, uint64_t ns)
{
	return ns && now > before ? (double)(now - before) * 1e9 / (double)ns : 0;
}

/* Of one CPU. */
static double percent(const struct khv_stat_vm *old, const struct khv_stat_vm *vm,
		      const char *counter, uint64_t ns)
{
	return rate(khv_stat_value(old, counter), khv_stat_value(vm, counter), ns) / 1e7;
}

static uint64_t mapped_mib(const struct khv_stat_vm *vm)
{
	return khv_stat_value(vm, "pages_4k") / 256 + khv_stat_value(vm, "pages_2m") * 2 +
	       khv_stat_value(vm, "pages_1g") * 1024;
}

/* A process names itself as it likes, and this is a terminal. */
static void print_command(const char *command, FILE *out)
{
	char text[sizeof(((struct khv_stat_vm *)NULL)->command)];
	size_t i;

	for (i = 0; i < sizeof(text) - 1 && command[i]; i++)
		text[i] = (char)(command[i] >= ' ' && command[i] <= '~' ? command[i] : '?');
	text[i] = '\0';
	fprintf(out, " %-15s", i ? text : "-");
}

void khv_stat_print(const struct khv_stat_sample *before, const struct khv_stat_sample *now,
		    FILE *out)
{
	uint64_t ns = now->ns - before->ns;

	fprintf(out, "%8s %-15s", "PID", "COMMAND");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		fprintf(out, " %9s", columns[i].title);
	fprintf(out, " %6s %6s %9s %13s\n", "RUN %", "WAIT %", "MAPPED M", "EXITS");
	for (unsigned int i = 0; i < now->count; i++) {
		const struct khv_stat_vm *vm = &now->vm[i], *old = find(before, vm->name);

		fprintf(out, "%8d", vm->pid);
		print_command(vm->command, out);
		for (size_t c = 0; c < ARRAY_SIZE(columns); c++)
			fprintf(out, " %9.0f", rate(khv_stat_value(old, columns[c].counter),
						    khv_stat_value(vm, columns[c].counter), ns));
		fprintf(out, " %6.1f %6.1f", percent(old, vm, "guest_ns", ns) +
			percent(old, vm, "hypervisor_ns", ns), percent(old, vm, "waiting_ns", ns));
		fprintf(out, " %9" PRIu64 " %13" PRIu64 "\n", mapped_mib(vm),
			khv_stat_value(vm, "exits"));
	}
	if (!now->count)
		fputs("no VM is there\n", out);
	fflush(out);
}

static void print_counters(const struct khv_stat_vm *vm, FILE *out)
{
	for (unsigned int i = 0; i < vm->count; i++)
		fprintf(out, "%s\"%s\": %" PRIu64, i ? ", " : "", vm->counter[i].name,
			vm->counter[i].value);
}

static void print_vcpus(const struct khv_stat_vm *vm, FILE *out)
{
	for (unsigned int i = 0; i < vm->vcpus; i++) {
		fprintf(out, "%s{\"id\": %u", i ? ", " : "", vm->vcpu[i].id);
		for (unsigned int k = 0; k < KHV_STAT_TIMES; k++)
			fprintf(out, ", \"%s\": %" PRIu64, khv_stat_times[k], vm->vcpu[i].ns[k]);
		fputc('}', out);
	}
}

static void print_rates(const struct khv_stat_vm *old, const struct khv_stat_vm *vm, uint64_t ns,
			FILE *out)
{
	bool any = false;

	for (unsigned int i = 0; i < vm->count; i++) {
		const struct khv_stat_counter *c = &vm->counter[i];

		if (is_instant(c->name))
			continue;
		fprintf(out, "%s\"%s\": %.3f", any ? ", " : "", c->name,
			rate(khv_stat_value(old, c->name), c->value, ns));
		any = true;
	}
}

void khv_stat_json(const struct khv_stat_sample *before, const struct khv_stat_sample *now,
		   FILE *out)
{
	uint64_t ns = now->ns - before->ns;

	fprintf(out, "{\"interval\": %.3f, \"vms\": [", (double)ns / 1e9);
	for (unsigned int i = 0; i < now->count; i++) {
		const struct khv_stat_vm *vm = &now->vm[i];

		fprintf(out, "%s{\"pid\": %d, \"vm\": ", i ? ", " : "", vm->pid);
		khv_json_string(vm->name, out);
		fputs(", \"command\": ", out);
		khv_json_string(vm->command, out);
		fputs(", \"counters\": {", out);
		print_counters(vm, out);
		fputs("}, \"rates\": {", out);
		print_rates(find(before, vm->name), vm, ns, out);
		fputs("}, \"vcpus\": [", out);
		print_vcpus(vm, out);
		fputs("]}", out);
	}
	fputs("]}\n", out);
	fflush(out);
}
