// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scheduling parameters between people, the control socket and the module. Ranges that
 * depend on each other are the module's to check.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "khv.h"
#include "sched/params.h"

#define US_PER_MS	1000
#define NS_PER_S	1000000000ull
#define PRIORITY_MAX	INT32_MAX

/* A member: its option, and its key in requests, whose values are the module's. */
static const struct member {
	uint32_t bit;
	const char *option, *key;
	double min, max;	/* of the option's value */
	double scale;		/* from that to the module's */
	const char *unit;
} members[] = {
	{ KHV_SCHED_WEIGHT, "weight", "weight", 1, KHV_SCHED_WEIGHT_MAX, 1, "a weight" },
	{ KHV_SCHED_CAP, "cap", "cap", 1, KHV_SCHED_CAP_MAX, 1, "percent of one CPU" },
	{ KHV_SCHED_CAP_PERIOD, "cap-period", "cap_period", 10, 1000, US_PER_MS, "milliseconds" },
	{ KHV_SCHED_CAP_BURST, "cap-burst", "cap_burst", 0, 4000000, US_PER_MS, "milliseconds" },
	{ KHV_SCHED_GANG, "gang", "gang", 0, 1, 1, NULL },
	{ KHV_SCHED_POOL, "pool", "pool", 0, KHV_POOLS - 1, 1, "a pool's number" },
	{ KHV_SCHED_PRIORITY, "priority", "priority", -PRIORITY_MAX, PRIORITY_MAX, 1,
	  "a priority" },
	{ KHV_SCHED_LENGTH, "length", "length", 0, 1e9, NS_PER_S, "seconds" },
};

/* Members by their bits, as the largest type that any has. */
static int64_t get(const struct khv_sched *p, uint32_t bit)
{
	switch (bit) {
	case KHV_SCHED_WEIGHT:
		return p->weight;
	case KHV_SCHED_CAP:
		return p->cap;
	case KHV_SCHED_CAP_PERIOD:
		return p->cap_period;
	case KHV_SCHED_CAP_BURST:
		return p->cap_burst;
	case KHV_SCHED_GANG:
		return p->gang;
	case KHV_SCHED_POOL:
		return p->pool;
	case KHV_SCHED_PRIORITY:
		return p->priority;
	default:
		return (int64_t)p->length;
	}
}

static void set(struct khv_sched *p, uint32_t bit, int64_t value)
{
	p->set |= bit;
	switch (bit) {
	case KHV_SCHED_WEIGHT:
		p->weight = (uint32_t)value;
		break;
	case KHV_SCHED_CAP:
		p->cap = (uint32_t)value;
		break;
	case KHV_SCHED_CAP_PERIOD:
		p->cap_period = (uint32_t)value;
		break;
	case KHV_SCHED_CAP_BURST:
		p->cap_burst = (uint32_t)value;
		break;
	case KHV_SCHED_GANG:
		p->gang = (uint32_t)value;
		break;
	case KHV_SCHED_POOL:
		p->pool = (uint32_t)value;
		break;
	case KHV_SCHED_PRIORITY:
		p->priority = (int32_t)value;
		break;
	default:
		p->length = (uint64_t)value;
	}
}

static int parse_value(const char *command, const struct member *m, const char *value,
		       int64_t *result)
{
	double number;
	char *end;

	if (m->bit == KHV_SCHED_GANG) {
		*result = !strcmp(value, "on");
		if (*result || !strcmp(value, "off"))
			return 0;
		return khv_usage(command, "--gang %s: on or off", value);
	}
	*result = 0;
	if (m->bit == KHV_SCHED_CAP && !strcmp(value, "none"))
		return 0;
	number = strtod(value, &end);
	if (end != value && m->bit == KHV_SCHED_CAP && *end == '%')
		end++;
	/* Written so that what is no number fails, too. */
	if (end == value || *end || !(number >= m->min && number <= m->max))
		return khv_usage(command, "--%s %s: not %s from %.12g to %.12g", m->option, value,
				 m->unit, m->min, m->max);
	*result = (int64_t)(number * m->scale);
	if (m->scale == 1 && (double)*result != number)
		return khv_usage(command, "--%s %s: not a whole number", m->option, value);
	return 0;
}

int khv_sched_option(const char *command, const char *option, const char *value,
		     struct khv_sched *params)
{
	int64_t result;
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if (strcmp(option, members[i].option))
			continue;
		err = parse_value(command, &members[i], value, &result);
		if (!err)
			set(params, members[i].bit, result);
		return err;
	}
	return khv_usage(command, "--%s: no such option", option);
}

void khv_sched_add(struct khv_message *request, const struct khv_sched *params)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (params->set & members[i].bit)
			khv_message_add(request, " %s=%" PRId64, members[i].key,
					get(params, members[i].bit));
}

void khv_sched_reply(struct khv_message *reply, const struct khv_sched *params)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		khv_message_add(reply, "%s=%" PRId64 "\n", members[i].key,
				get(params, members[i].bit));
}

/* A value of the module's, in its type. */
static bool parse_raw(const struct member *m, const char *text, int64_t *value)
{
	bool negative = m->bit == KHV_SCHED_PRIORITY && *text == '-';
	uint64_t n, max = UINT32_MAX;

	if (m->bit == KHV_SCHED_PRIORITY)
		max = INT32_MAX;
	else if (m->bit == KHV_SCHED_LENGTH)
		max = INT64_MAX;
	if (khv_number_parse(text + negative, max, &n))
		return false;
	*value = negative ? -(int64_t)n : (int64_t)n;
	return true;
}

const char *khv_sched_parse(const struct khv_request *req, struct khv_sched *params)
{
	*params = (struct khv_sched){ 0 };
	for (unsigned int i = 0; i < req->args; i++) {
		const struct member *m = NULL;
		int64_t value;

		for (size_t j = 0; j < ARRAY_SIZE(members); j++)
			if (!strcmp(req->arg[i].key, members[j].key))
				m = &members[j];
		if (!m)
			return "it knows no such parameter";
		if (!parse_raw(m, req->arg[i].value, &value))
			return "a value is no number in its range";
		set(params, m->bit, value);
	}
	return NULL;
}

static const char *explain(int err)
{
	switch (err) {
	case EPERM:
		return "that is beyond a limit that root has set (the module's parameters "
		       "weight_limit, cap_limit and priority_limit, or who is in a pool)";
	case EINVAL:
		return "a value is out of range, or this khv module cannot set that";
	case ENOTTY:
		return "the hypervisor does not schedule VMs; khv's module does";
	default:
		return strerror(err);
	}
}

/* What a VM may save up is no more than its cap, so who lowers that alone lowers both. */
static int fit_burst(int vm, struct khv_sched *params)
{
	struct khv_sched is = { 0 };
	uint64_t most;

	if (!(params->set & (KHV_SCHED_CAP | KHV_SCHED_CAP_PERIOD)) ||
	    (params->set & KHV_SCHED_CAP_BURST))
		return 0;
	if (ioctl(vm, KHV_GET_SCHED, &is))
		return -1;
	if (params->set & KHV_SCHED_CAP)
		is.cap = params->cap;
	if (params->set & KHV_SCHED_CAP_PERIOD)
		is.cap_period = params->cap_period;
	most = (uint64_t)is.cap_period * is.cap / 100;
	if (is.cap_burst > most)
		set(params, KHV_SCHED_CAP_BURST, (int64_t)most);
	return 0;
}

const char *khv_sched_set(int vm, const struct khv_sched *params)
{
	struct khv_sched fit = *params;

	if (fit_burst(vm, &fit) || ioctl(vm, KHV_SET_SCHED, &fit))
		return explain(errno);
	return NULL;
}

const char *khv_sched_get(int vm, struct khv_sched *params)
{
	return ioctl(vm, KHV_GET_SCHED, params) ? explain(errno) : NULL;
}
