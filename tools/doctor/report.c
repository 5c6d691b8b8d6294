// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints a report, for people or as JSON.
 */
#include <string.h>

#include "doctor/doctor.h"
#include "json.h"

static const char *const marks[] = { [KHV_GOOD] = "ok", [KHV_NOTE] = "note", [KHV_BAD] = "FAIL" };
static const char *const verdicts[] = {
	[KHV_GOOD] = "good", [KHV_NOTE] = "note", [KHV_BAD] = "bad",
};

static unsigned int count_bad(const struct khv_report *report)
{
	unsigned int bad = 0;

	for (unsigned int i = 0; i < report->count; i++)
		bad += report->finding[i].verdict == KHV_BAD;
	return bad;
}

bool khv_report_ok(const struct khv_report *report)
{
	return !count_bad(report);
}

void khv_report_text(const struct khv_report *report, FILE *out)
{
	unsigned int bad = count_bad(report);

	for (unsigned int i = 0; i < report->count; i++) {
		const struct khv_finding *f = &report->finding[i];

		fprintf(out, "%-4s  %-11s  %s\n", marks[f->verdict], f->check, f->found);
		if (f->cause[0])
			fprintf(out, "      %-11s  because: %s\n", "", f->cause);
		if (f->remedy[0])
			fprintf(out, "      %-11s  do:      %s\n", "", f->remedy);
	}
	if (bad)
		fprintf(out, "\nGuests cannot run on khv here: %u problem%s above.\n", bad,
			bad == 1 ? "" : "s");
	else
		fputs("\nGuests can run on khv here.\n", out);
}

static void put_member(const char *name, const char *value, FILE *out)
{
	fprintf(out, ", \"%s\": ", name);
	khv_json_string(value, out);
}

void khv_report_json(const struct khv_report *report, FILE *out)
{
	fprintf(out, "{\"ok\": %s, \"findings\": [", khv_report_ok(report) ? "true" : "false");
	for (unsigned int i = 0; i < report->count; i++) {
		const struct khv_finding *f = &report->finding[i];

		fprintf(out, "%s\n  {\"check\": ", i ? "," : "");
		khv_json_string(f->check, out);
		put_member("verdict", verdicts[f->verdict], out);
		put_member("finding", f->found, out);
		put_member("cause", f->cause, out);
		put_member("remedy", f->remedy, out);
		fputc('}', out);
	}
	fputs("\n]}\n", out);
}
