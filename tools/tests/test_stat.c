// SPDX-License-Identifier: GPL-2.0-only
/*
 * `khv stat` on counters made of files, as the module's debugfs has them.
 */
#define _GNU_SOURCE
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "khv.h"
#include "stat/stat.h"
#include "tests/tap.h"

static char root[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void put(const char *vm, const char *file, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, vm);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/%s", root, vm, file);
	f = fopen(path, "w");
	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

static void make_vms(void)
{
	char self[32];

	snprintf(self, sizeof(self), "%d-4", getpid());
	put(self, "exits", "1000\n");
	put(self, "io_exits", "10\n");
	put(self, "pages_4k", "512\n");
	put(self, "pages_2m", "3\n");
	put(self, "exit_reasons", "exits_cpuid 7\nexits_hlt 8\n");
	put(self, "times", "guest_ns 500\nhypervisor_ns 100\nwaiting_ns 0\nwall_ns 1000\n");
	snprintf(self, sizeof(self), "%d-4/vcpu10", getpid());
	put(self, "stats", "exits 9\nguest_ns 100\nwall_ns 400\n");
	snprintf(self, sizeof(self), "%d-4/vcpu2", getpid());
	put(self, "stats", "exits 9\nguest_ns 400\nwaiting_ns 6\nwall_ns 600\n");
	put("999999999-5", "exits", "18446744073709551615\n");
	put("999999999-5.2", "exits", "3\n");
	put("vcpu0", "exits", "4\n");
	put("12-x", "exits", "4\n");
	put("-3-4", "exits", "4\n");
	put(".", "exits", "5\n");
}

static void test_read(void)
{
	struct khv_stat_sample s;

	tap_error_clear();
	ok(!khv_stat_read(root, 0, &s) && s.count == 3, "three VMs, and no other folder");
	ok(s.vm[0].pid == getpid() && s.vm[1].pid == 999999999 &&
	   !strcmp(s.vm[2].name, "999999999-5.2"), "in order");
	ok(!strcmp(s.vm[0].command, "test_stat") && !s.vm[1].command[0], "commands");
	ok(khv_stat_value(&s.vm[0], "exits") == 1000 &&
	   khv_stat_value(&s.vm[0], "exits_hlt") == 8 &&
	   khv_stat_value(&s.vm[1], "exits") == UINT64_MAX &&
	   !khv_stat_value(&s.vm[0], "none") && !khv_stat_value(NULL, "exits"), "values");
	khv_stat_free(&s);
	ok(!khv_stat_read(root, getpid(), &s) && s.vm[0].vcpus == 2 && s.vm[0].vcpu[0].id == 2 &&
	   s.vm[0].vcpu[0].ns[0] == 400 && s.vm[0].vcpu[0].ns[2] == 6 &&
	   s.vm[0].vcpu[1].id == 10 && khv_stat_value(&s.vm[0], "guest_ns") == 500, "times");
	khv_stat_free(&s);
	ok(!khv_stat_read(root, 999999999, &s) && s.count == 2, "one process's");
	khv_stat_free(&s);
	ok(!khv_stat_read(root, 1, &s) && !s.count, "a process without");
	khv_stat_free(&s);
	ok(khv_stat_read("/no/such/folder", 0, &s) == -1, "no counters");
}

/* Print with @print to memory; the caller frees it. */
static char *shown(void (*print)(const struct khv_stat_sample *, const struct khv_stat_sample *,
				 FILE *),
		   const struct khv_stat_sample *before, const struct khv_stat_sample *now)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	print(before, now, f);
	fclose(f);
	return text;
}

static void test_print(void)
{
	struct khv_stat_sample before, now;
	char *text, self[32];

	khv_stat_read(root, getpid(), &before);
	snprintf(self, sizeof(self), "%d-4", getpid());
	put(self, "exits", "3000\n");
	put(self, "times", "guest_ns 1500000500\nhypervisor_ns 500000100\nwaiting_ns 500000000\n");
	khv_stat_read(root, getpid(), &now);
	now.ns = before.ns + 2000000000;
	strcpy(now.vm[0].command, "\033[2J\177\303\244\302\233\377\t");
	text = shown(khv_stat_print, &before, &now);
	ok(strstr(text, " ?[2J??????? "), "a terminal is not told what to do");
	free(text);
	text = shown(khv_stat_json, &before, &now);
	ok(strstr(text, "\"\\u001b[2J\\u007f\303\244\\u009b\\ufffd\\u0009\""), "nor by JSON");
	free(text);
	strcpy(now.vm[0].command, "a \"b\\");

	text = shown(khv_stat_print, &before, &now);
	ok(strstr(text, "EXITS/s") && strstr(text, "      1000 ") && strstr(text, " 3000\n"),
	   "table with rates");
	ok(strstr(text, " RUN % WAIT %") && strstr(text, "  100.0   25.0 "), "and times");
	ok(strstr(text, "         8          3000\n"), "2 MiB in small and 6 in large pages");
	free(text);

	text = shown(khv_stat_json, &before, &now);
	ok(strstr(text, "{\"interval\": 2.000, \"vms\": [{\"pid\": "), "JSON");
	ok(strstr(text, "\"command\": \"a \\\"b\\\\\""), "with quotes in a name");
	ok(strstr(text, "\"exits\": 3000") && strstr(text, "\"exits\": 1000.000") &&
	   strstr(text, "\"exits_cpuid\": 0.000"), "counters and rates");
	ok(strstr(text, "\"vcpus\": [{\"id\": 2, \"guest_ns\": 400, ") &&
	   strstr(text, "}, {\"id\": 10, \"guest_ns\": 100, "), "vCPUs");
	ok(strstr(text, "\"pages_2m\": 3") && !strstr(text, "\"pages_2m\": 0.000"),
	   "what is there now has no rate");
	free(text);

	/* A VM that began meanwhile; and no time at all. */
	khv_stat_free(&before);
	before = (struct khv_stat_sample){ .ns = now.ns };
	text = shown(khv_stat_json, &before, &now);
	ok(strstr(text, "\"exits\": 0.000"), "no time, no rate");
	free(text);
	before.ns -= 1000000000;
	text = shown(khv_stat_json, &before, &now);
	ok(strstr(text, "\"exits\": 3000.000"), "a new VM's rates are since its beginning");
	free(text);
	khv_stat_free(&now);
	text = shown(khv_stat_print, &before, &now);
	ok(strstr(text, "no VM"), "no VM");
	free(text);
}

int main(void)
{
	snprintf(root, sizeof(root), "/tmp/khv-test-stat-XXXXXX");
	if (!mkdtemp(root))
		return 1;
	make_vms();
	test_read();
	test_print();
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}
