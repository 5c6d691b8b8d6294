// SPDX-License-Identifier: GPL-2.0-only
/*
 * `khv doctor`: examines the host and prints what it found.
 */
#include <getopt.h>
#include <stdio.h>

#include "doctor/doctor.h"
#include "khv.h"

static const char doctor_help[] =
	"usage: khv doctor [--json]\n"
	"\n"
	"Examines whether guests can run on khv here. For each finding that stands in\n"
	"the way it prints the cause and the remedy. It changes nothing and needs neither\n"
	"the module nor privileges.\n"
	"\n"
	"  --json          print the findings as JSON\n"
	"  -h, --help      this text\n"
	"\n"
	"Exit status: 0 guests can run, 1 they cannot, 2 wrong usage.\n";

int khv_cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	static struct khv_exam exam;
	bool json = false;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(doctor_help, stdout);
			return KHV_OK;
		default:
			return khv_usage("doctor", "%s: no such option", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return khv_usage("doctor", "%s: not an option", argv[optind]);

	if (khv_exam_init(&exam))
		return KHV_ERROR;
	khv_exam_run(&exam);
	if (json)
		khv_report_json(&exam.report, stdout);
	else
		khv_report_text(&exam.report, stdout);
	khv_exam_uninit(&exam);
	return khv_report_ok(&exam.report) ? KHV_OK : KHV_ERROR;
}
