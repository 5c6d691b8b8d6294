// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scheduling parameters on command lines and sockets, and what khv sched computes and prints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "khv.h"
#include "sched/params.h"
#include "sched/sample.h"
#include "tests/tap.h"

static int option(struct khv_sched *p, const char *name, const char *value)
{
	tap_error_clear();
	return khv_sched_option("set", name, value, p);
}

static void test_options(void)
{
	static const struct {
		const char *option, *value;
	} bad[] = {
		{ "weight", "0" }, { "weight", "10001" }, { "weight", "1.5" }, { "weight", "x" },
		{ "weight", "" }, { "weight", "-1" }, { "weight", "nan" }, { "weight", "1%" },
		{ "cap", "0" }, { "cap", "1000001" }, { "cap", "50%%" }, { "cap", "inf" },
		{ "cap-period", "9" }, { "cap-period", "1001" }, { "cap-burst", "-1" },
		{ "gang", "1" }, { "gang", "" }, { "pool", "-1" }, { "pool", "64" },
		{ "priority", "3000000000" }, { "length", "-1" }, { "length", "1e30" },
		{ "nice", "1" },
	};
	struct khv_sched p = { 0 };

	ok(!option(&p, "weight", "10000") && p.weight == 10000 && p.set == KHV_SCHED_WEIGHT,
	   "weight");
	ok(!option(&p, "cap", "50%") && p.cap == 50 && !option(&p, "cap", "250") && p.cap == 250,
	   "cap");
	ok(!option(&p, "cap", "none") && !p.cap && p.set & KHV_SCHED_CAP, "no cap");
	ok(!option(&p, "cap-period", "12.5") && p.cap_period == 12500, "period");
	ok(!option(&p, "cap-burst", "0.5") && p.cap_burst == 500, "burst");
	ok(!option(&p, "gang", "on") && p.gang == 1 && !option(&p, "gang", "off") && !p.gang,
	   "gang");
	ok(!option(&p, "pool", "7") && p.pool == 7 && !option(&p, "priority", "-5") &&
	   p.priority == -5, "pool and priority");
	ok(!option(&p, "length", "2.5") && p.length == 2500000000 && p.set == 0xff, "length");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(option(&p, bad[i].option, bad[i].value) == KHV_USAGE && tap_error[0],
		   "--%s '%s': %s", bad[i].option, bad[i].value, tap_error);
}

static void test_messages(void)
{
	static const char *const bad[] = {
		"khv1 set nice=1", "khv1 set weight=", "khv1 set weight=-1", "khv1 set weight=x",
		"khv1 set weight=4294967296", "khv1 set priority=--1",
		"khv1 set priority=2147483648", "khv1 set length=9223372036854775808",
		"khv1 set set=1", "khv1 set reserved=1",
	};
	struct khv_sched p = {
		.set = 0xff, .weight = 1, .cap = 2, .cap_period = 3, .cap_burst = 4, .gang = 1,
		.pool = 4294967295u, .priority = -2147483647, .length = INT64_MAX,
	}, q;
	struct khv_request req;
	struct khv_message msg;

	khv_message_begin(&msg, "khv1 set");
	khv_sched_add(&msg, &p);
	ok(!khv_request_parse(&req, msg.text, msg.len) && !khv_sched_parse(&req, &q) &&
	   !memcmp(&p, &q, sizeof(p)), "all parameters there and back: %s", msg.text);
	khv_message_begin(&msg, "khv1 set");
	p.set = KHV_SCHED_POOL;
	khv_sched_add(&msg, &p);
	ok(!strcmp(msg.text, "khv1 set pool=4294967295"), "one alone");
	khv_message_begin(&msg, "ok\n");
	khv_sched_reply(&msg, &p);
	ok(strstr(msg.text, "\nweight=1\ncap=2\n") && strstr(msg.text, "priority=-2147483647\n"),
	   "all in a reply");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(!khv_request_parse(&req, bad[i], strlen(bad[i])) && khv_sched_parse(&req, &q),
		   "'%s'", bad[i]);
	ok(khv_sched_set(-1, &p) && khv_sched_get(-1, &p), "no VM");
}

static bool near(double a, double b)
{
	double difference = a - b;

	return difference > -0.000001 && difference < 0.000001;
}

static void test_jain(void)
{
	static const double equal[] = { 2, 2, 2, 2 }, one[] = { 0, 0, 5, 0 }, some[] = { 1, 3 };

	ok(near(khv_jain(equal, 4), 1), "all alike");
	ok(near(khv_jain(one, 4), 0.25), "one has all");
	ok(near(khv_jain(some, 2), 0.8), "1 and 3: 16 / 20");
	ok(khv_jain(equal, 0) < 0 && khv_jain(one, 2) < 0, "nobody has anything");
}

static void test_proc_stat(void)
{
	static const char text[] =
		"cpu  100 0 0 100 0 0 0 0 0 0\ncpu0 10 1 5 1000 50 2 3 9 9 9\n"
		"cpu12 7 0 0 1\nintr 1 2 3\ncpu1\ncpux 1 2 3 4 5\n";
	uint64_t busy[4] = { 0 };

	ok(khv_parse_proc_stat(text, busy, 4) == 2 && busy[0] == 21 && busy[1] == 7,
	   "busy time of CPUs, without idle and waiting");
	ok(khv_parse_proc_stat(text, busy, 1) == 1, "no more than there is room for");
	ok(!khv_parse_proc_stat("", busy, 4), "nothing");
}

#define S 1000000000ull

static void test_compare(void)
{
	static struct khv_sched_vm a[] = {
		{ .id = 1, .due = 5 * S, .times = { .guest = 7 * S, .waiting = S } },
		{ .id = 2, .sched.pool = 3 },
		{ .id = 3 },
	}, b[] = {
		{ .id = 2, .pid = 20, .vcpus = 2, .flags = KHV_SCHED_VM_HELD, .place = 7,
		  .sched = { .pool = 3, .weight = 300, .cap = 50 },
		  .due = 2 * S, .times = { .guest = S, .hypervisor = S, .throttled = S } },
		{ .id = 1, .pid = 10, .vcpus = 1, .sched.weight = 100, .due = 6 * S,
		  .times = { .guest = 8 * S, .waiting = 2 * S } },
		{ .id = 4, .due = 9 * S },
	};
	static struct khv_sched_sample before = { .vm = a, .vms = 3, .cpus = 2, .busy = { 5, 5 } };
	static struct khv_sched_sample after = {
		.ns = 2 * S, .vm = b, .vms = 3, .cpus = 2, .busy = { 205, 105 },
		.pools = 1, .pool = { { .pool = 3, .policy = KHV_POOL_SJF, .slots = 2, .aging = 5,
					.members = 1, .running = 1 } },
	};
	struct khv_sched_report r;
	char *text = NULL;
	size_t len;
	FILE *out;

	ok(!khv_sched_compare(&before, &after, &r) && r.shares == 2 && near(r.seconds, 2),
	   "VMs that are in both samples");
	ok(r.share[0].vm->id == 1 && r.share[1].vm->id == 2, "by pool");
	ok(near(r.share[0].asked, 0.5) && near(r.share[0].got, 0.5) &&
	   near(r.share[0].waiting, 0.5), "shares of the first");
	ok(near(r.share[1].asked, 1) && near(r.share[1].got, 1) &&
	   near(r.share[1].throttled, 0.5), "of the second");
	ok(near(r.jain, 1) && near(r.balance, 0.75), "indices");
	strcpy(r.share[1].name, "we\"b");
	out = open_memstream(&text, &len);
	khv_sched_json(&r, out);
	fclose(out);
	ok(strstr(text, "{\"interval\": 2.000000, \"jain\": 1.000000, \"load_balance\": 0.750000, "
		  "\"pools\": [{\"pool\": 3, \"policy\": \"sjf\", \"slots\": 2, \"aging\": 5, "
		  "\"members\": 1, \"running\": 1}], \"vms\": [{\"vm\": 1, \"name\": null, ") &&
	   strstr(text, "\"name\": \"we\\\"b\"") &&
	   strstr(text, "\"place\": 7, \"held\": true") &&
	   strstr(text, "\"asked\": 1.000000") &&
	   !strcmp(text + len - 5, "}}]}\n"), "JSON: %s", text);
	free(text);
	out = open_memstream(&text, &len);
	khv_sched_print(&r, out);
	fclose(out);
	ok(strstr(text, "  50%  off        0   100.0   100.0     0.0    50.0") &&
	   strstr(text, "Jain's index of what was got of what was asked: 1.0000"), "a table");
	free(text);
	free(r.share);
	after.cpus = 1;
	after.vms = 0;
	ok(!khv_sched_compare(&before, &after, &r) && !r.shares && r.jain < 0 && r.balance < 0,
	   "no VMs, and a CPU that went");
	free(r.share);
}

int main(void)
{
	test_options();
	test_messages();
	test_jain();
	test_proc_stat();
	test_compare();
	return tap_done();
}
