// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shows what khv sched has found: as a table for people, as JSON for programs.
 */
#include <inttypes.h>
#include <stdbool.h>

#include "json.h"
#include "khv.h"
#include "sched/pools.h"
#include "sched/sample.h"

static bool is_held(const struct khv_sched_share *s)
{
	return s->vm->flags & KHV_SCHED_VM_HELD;
}

static void print_share(const struct khv_sched_share *s, FILE *out)
{
	const struct khv_sched *p = &s->vm->sched;
	char cap[24] = "none";

	if (p->cap)
		snprintf(cap, sizeof(cap), "%u%%", p->cap);
	fprintf(out, "%4u %5u %-4s %5" PRIu64 " %-16s %7d %5u %6u %6s %4s %8d", p->pool,
		s->vm->place, is_held(s) ? "held" : "runs", (uint64_t)s->vm->id,
		*s->name ? s->name : "-", s->vm->pid, s->vm->vcpus, p->weight, cap,
		p->gang ? "on" : "off", p->priority);
	fprintf(out, " %7.1f %7.1f %7.1f %7.1f %7.1f\n", s->asked * 100, s->got * 100,
		s->waiting * 100, s->throttled * 100, s->halted * 100);
}

static void print_index(const char *name, double value, FILE *out)
{
	if (value < 0)
		fprintf(out, "%s: -\n", name);
	else
		fprintf(out, "%s: %.4f\n", name, value);
}

void khv_sched_print(const struct khv_sched_report *report, FILE *out)
{
	khv_pools_print(report->pool, report->pools, out);
	fprintf(out, "\n%4s %5s %-4s %5s %-16s %7s %5s %6s %6s %4s %8s", "POOL", "PLACE", "",
		"VM", "NAME", "PID", "VCPUS", "WEIGHT", "CAP", "GANG", "PRIORITY");
	fprintf(out, " %7s %7s %7s %7s %7s\n", "ASKED%", "GOT%", "WAIT%", "THROT%", "HALT%");
	for (unsigned int i = 0; i < report->shares; i++)
		print_share(&report->share[i], out);
	fputc('\n', out);
	print_index("Jain's index of what was got of what was asked", report->jain, out);
	print_index("Load-balance factor of the CPUs", report->balance, out);
}

static void json_share(const struct khv_sched_share *s, FILE *out)
{
	const struct khv_sched *p = &s->vm->sched;
	const struct khv_sched_times *t = &s->vm->times;

	fprintf(out, "{\"vm\": %" PRIu64 ", \"name\": ", (uint64_t)s->vm->id);
	if (*s->name)
		khv_json_string(s->name, out);
	else
		fputs("null", out);
	fprintf(out, ", \"pid\": %d, \"uid\": %u, \"vcpus\": %u", s->vm->pid, s->vm->uid,
		s->vm->vcpus);
	fprintf(out, ", \"place\": %u, \"held\": %s", s->vm->place,
		is_held(s) ? "true" : "false");
	fprintf(out, ", \"pool\": %u, \"weight\": %u, \"cap\": %u, \"cap_period\": %u, "
		"\"cap_burst\": %u, \"gang\": %u, \"priority\": %d, \"length\": %" PRIu64,
		p->pool, p->weight, p->cap, p->cap_period, p->cap_burst, p->gang, p->priority,
		(uint64_t)p->length);
	fprintf(out, ", \"asked\": %.6f, \"got\": %.6f, \"waiting\": %.6f, \"throttled\": %.6f, "
		"\"halted\": %.6f", s->asked, s->got, s->waiting, s->throttled, s->halted);
	fprintf(out, ", \"ns\": {\"due\": %" PRIu64 ", \"guest\": %" PRIu64 ", \"hypervisor\": %"
		PRIu64 ", \"waiting\": %" PRIu64 ", \"halted\": %" PRIu64 ", \"throttled\": %"
		PRIu64 ", \"other\": %" PRIu64 ", \"wall\": %" PRIu64 "}}",
		(uint64_t)s->vm->due, (uint64_t)t->guest, (uint64_t)t->hypervisor,
		(uint64_t)t->waiting, (uint64_t)t->halted, (uint64_t)t->throttled,
		(uint64_t)t->other, (uint64_t)t->wall);
}

static void json_index(const char *name, double value, FILE *out)
{
	if (value < 0)
		fprintf(out, ", \"%s\": null", name);
	else
		fprintf(out, ", \"%s\": %.6f", name, value);
}

void khv_sched_json(const struct khv_sched_report *report, FILE *out)
{
	fprintf(out, "{\"interval\": %.6f", report->seconds);
	json_index("jain", report->jain, out);
	json_index("load_balance", report->balance, out);
	fputs(", \"pools\": ", out);
	khv_pools_json(report->pool, report->pools, out);
	fputs(", \"vms\": [", out);
	for (unsigned int i = 0; i < report->shares; i++) {
		if (i)
			fputs(", ", out);
		json_share(&report->share[i], out);
	}
	fputs("]}\n", out);
	fflush(out);
}
