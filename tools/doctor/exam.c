// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order of the checks, and what they share: reading the system's files and
 * adding findings.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "khv.h"

static void read_cpu_facts(struct khv_cpu_facts *cpu)
{
	unsigned int eax, ebx, ecx, edx;

	if (__get_cpuid(0, &eax, &ebx, &ecx, &edx)) {
		memcpy(cpu->vendor, &ebx, 4);
		memcpy(cpu->vendor + 4, &edx, 4);
		memcpy(cpu->vendor + 8, &ecx, 4);
	}
	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) {
		cpu->vmx = ecx >> 5 & 1;
		cpu->guest = ecx >> 31 & 1;
	}
	if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx))
		cpu->svm = ecx >> 2 & 1;
}

int khv_exam_init(struct khv_exam *exam)
{
	struct utsname uts;

	memset(exam, 0, sizeof(*exam));
	exam->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (exam->root < 0)
		return khv_fail("open", "/", NULL, "%m");
	read_cpu_facts(&exam->cpu);
	uname(&uts);
	snprintf(exam->release, sizeof(exam->release), "%s", uts.release);
	return 0;
}

void khv_exam_uninit(struct khv_exam *exam)
{
	close(exam->root);
}

void khv_exam_run(struct khv_exam *exam)
{
	khv_check_cpu(exam);
	khv_check_kernel(exam);
	khv_check_owner(exam);
	khv_check_module(exam);
	khv_check_signatures(exam);
	khv_check_device(exam);
}

struct khv_finding *khv_found(struct khv_exam *exam, const char *check, enum khv_verdict verdict,
			      const char *fmt, ...)
{
	struct khv_report *report = &exam->report;
	struct khv_finding *f;
	va_list ap;

	if (report->count == KHV_FINDINGS_MAX)
		abort();	/* the checks are fixed, and so is their number */
	f = &report->finding[report->count++];
	f->check = check;
	f->verdict = verdict;
	va_start(ap, fmt);
	vsnprintf(f->found, sizeof(f->found), fmt, ap);
	va_end(ap);
	return f;
}

void khv_because(struct khv_finding *finding, const char *cause, const char *remedy_fmt, ...)
{
	va_list ap;

	snprintf(finding->cause, sizeof(finding->cause), "%s", cause);
	va_start(ap, remedy_fmt);
	vsnprintf(finding->remedy, sizeof(finding->remedy), remedy_fmt, ap);
	va_end(ap);
}

bool khv_exam_read(const struct khv_exam *exam, const char *path, char *buf, size_t size)
{
	int fd = openat(exam->root, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return false;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return true;
}

bool khv_exam_exists(const struct khv_exam *exam, const char *path)
{
	return !faccessat(exam->root, path, F_OK, 0);
}

FILE *khv_exam_open(const struct khv_exam *exam, const char *path)
{
	int fd = openat(exam->root, path, O_RDONLY | O_CLOEXEC);
	FILE *f;

	if (fd < 0)
		return NULL;
	f = fdopen(fd, "r");
	if (!f)
		close(fd);
	return f;
}

/* Whether @word is one of the words of @line, which this tears apart. */
static bool has_word(char *line, const char *word)
{
	char *save;

	for (char *w = strtok_r(line, " \t\n", &save); w; w = strtok_r(NULL, " \t\n", &save))
		if (!strcmp(w, word))
			return true;
	return false;
}

bool khv_exam_cpu_flag(const struct khv_exam *exam, const char *list, const char *flag)
{
	FILE *f = khv_exam_open(exam, "proc/cpuinfo");
	size_t len = strlen(list);
	bool found = false;
	char *line = NULL;
	size_t room = 0;

	if (!f)
		return false;
	while (!found && getline(&line, &room, f) > 0) {
		if (line[0] == '\n')
			break;	/* end of the first processor */
		if (!strncmp(line, list, len))
			found = !flag || has_word(line + len, flag);
	}
	free(line);
	fclose(f);
	return found;
}
