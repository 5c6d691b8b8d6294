/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The examination behind `khv doctor`: checks that each add findings to a
 * report. They only read, need neither privileges nor the module, and see the
 * system below a root directory, so that tests can give them one of their own.
 */
#ifndef KHV_TOOL_DOCTOR_H
#define KHV_TOOL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum khv_verdict {
	KHV_GOOD,
	KHV_NOTE,	/* worth knowing, but guests can run */
	KHV_BAD,	/* guests cannot run until it is remedied */
};

#define KHV_FINDINGS_MAX 32

struct khv_finding {
	enum khv_verdict verdict;
	const char *check;	/* short name, stable: scripts may rely on it */
	char found[200];
	char cause[300];	/* empty when all is well */
	char remedy[400];	/* likewise */
};

struct khv_report {
	struct khv_finding finding[KHV_FINDINGS_MAX];
	unsigned int count;
};

/* What CPUID says about virtualization. */
struct khv_cpu_facts {
	bool vmx, svm;
	bool guest;	/* this host is itself a virtual machine */
	char vendor[13];
};

struct khv_exam {
	int root;		/* directory that stands for "/" */
	struct khv_cpu_facts cpu;
	char release[65];	/* of the kernel, as uname -r prints it */
	bool module_loaded;	/* set by khv_check_module() */
	struct khv_report report;
};

/* Describe the running system. Returns 0, or -1 after a message. */
int khv_exam_init(struct khv_exam *exam);
void khv_exam_uninit(struct khv_exam *exam);

/* All checks, in the order in which one would remedy their findings. */
void khv_exam_run(struct khv_exam *exam);

void khv_check_cpu(struct khv_exam *exam);
void khv_check_kernel(struct khv_exam *exam);
void khv_check_owner(struct khv_exam *exam);
void khv_check_module(struct khv_exam *exam);
void khv_check_signatures(struct khv_exam *exam);
void khv_check_device(struct khv_exam *exam);

/*
 * Add a finding; the texts are printf-style in khv_found(), whose result takes
 * cause and remedy from khv_because(). Both may be cut to their room.
 */
struct khv_finding *khv_found(struct khv_exam *exam, const char *check, enum khv_verdict verdict,
			      const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void khv_because(struct khv_finding *finding, const char *cause, const char *remedy_fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Read a small file below the root, without its trailing newline, and cut to
 * @size - 1. @path has no leading slash. Returns false if that is impossible.
 */
bool khv_exam_read(const struct khv_exam *exam, const char *path, char *buf, size_t size);
bool khv_exam_exists(const struct khv_exam *exam, const char *path);
/* Open a file below the root for reading lines, or NULL. */
FILE *khv_exam_open(const struct khv_exam *exam, const char *path);
/*
 * Whether @list ("flags" or "vmx flags") in /proc/cpuinfo names @flag for the
 * first processor; with @flag NULL, whether there is such a list at all.
 */
bool khv_exam_cpu_flag(const struct khv_exam *exam, const char *list, const char *flag);

/* Whether nothing found stands in a guest's way. */
bool khv_report_ok(const struct khv_report *report);
void khv_report_text(const struct khv_report *report, FILE *out);
void khv_report_json(const struct khv_report *report, FILE *out);

#endif
