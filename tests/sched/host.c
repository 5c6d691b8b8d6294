// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model of host.h. Constants are the kernel's defaults.
 */
#include "host.h"

#include <math.h>
#include <string.h>

#define MS		1e6

static double scale(const struct host *h)
{
	return 1 + floor(log2(h->cpus));
}

static double slice(const struct host *h)
{
	return (h->eevdf ? 3 : 0.75) * MS * (h->eevdf ? 1 : scale(h));
}

static double latency(const struct host *h)
{
	return 6 * MS * scale(h);
}

static double load_of(const struct host *h, int cpu, int *count)
{
	double load = 0;
	int t;

	*count = 0;
	for (t = 0; t < h->tasks; t++) {
		if (!h->task[t].queued || h->task[t].cpu != cpu)
			continue;
		load += h->task[t].weight;
		++*count;
	}
	return load;
}

/* EEVDF: the average virtual time of a queue, which lag is measured against. */
static double average(const struct host *h, int cpu)
{
	double sum = 0, load = 0;
	int t;

	for (t = 0; t < h->tasks; t++) {
		if (!h->task[t].queued || h->task[t].cpu != cpu)
			continue;
		sum += h->task[t].weight * h->task[t].vruntime;
		load += h->task[t].weight;
	}
	return load ? sum / load : h->least[cpu];
}

static double least_of(const struct host *h, int cpu)
{
	double least = INFINITY;
	int t;

	for (t = 0; t < h->tasks; t++)
		if (h->task[t].queued && h->task[t].cpu == cpu)
			least = fmin(least, h->task[t].vruntime);
	return least == INFINITY ? h->least[cpu] : fmax(least, h->least[cpu]);
}

static int pick(const struct host *h, int cpu)
{
	double v = average(h, cpu), best = INFINITY, key;
	const struct task *task;
	int t, chosen = -1;

	for (t = 0; t < h->tasks; t++) {
		task = &h->task[t];
		if (!task->queued || task->cpu != cpu)
			continue;
		key = task->vruntime;
		if (h->eevdf)
			key = task->vruntime <= v + 1 ? task->deadline : 1e30 + task->vruntime;
		if (key < best) {
			best = key;
			chosen = t;
		}
	}
	return chosen;
}

static void enqueue(struct host *h, int t, int cpu, bool wakeup, double lag)
{
	struct task *task = &h->task[t];
	double load;
	int n;

	task->cpu = cpu;
	h->least[cpu] = least_of(h, cpu);
	if (h->eevdf) {
		load = load_of(h, cpu, &n);
		/* As it joins, the average moves towards it: place it so that its lag stays. */
		if (n)
			lag *= (load + task->weight) / load;
		task->vruntime = average(h, cpu) - lag;
		task->deadline = task->vruntime + slice(h) * 1024 / task->weight;
	} else if (wakeup) {
		task->vruntime = fmax(task->vruntime, h->least[cpu] - latency(h) / 2);
	} else {
		task->vruntime += h->least[cpu];
	}
	task->queued = true;
}

/* Its lag under EEVDF; under CFS its virtual time is made relative unless it sleeps. */
static double dequeue(struct host *h, int t, bool sleep)
{
	struct task *task = &h->task[t];
	double limit = 2 * slice(h) * 1024 / task->weight, lag = 0;

	if (h->eevdf) {
		lag = average(h, task->cpu) - task->vruntime;
		lag = fmax(-limit, fmin(limit, lag));
	} else if (!sleep) {
		task->vruntime -= least_of(h, task->cpu);
	}
	task->queued = false;
	if (h->current[task->cpu] == t) {
		h->current[task->cpu] = -1;
		h->resched[task->cpu] = true;
	}
	return lag;
}

static void move(struct host *h, int t, int cpu)
{
	double lag = dequeue(h, t, false);

	enqueue(h, t, cpu, false, lag);
	h->resched[cpu] = true;
}

void host_send(struct host *h, int t, int cpu)
{
	if (h->task[t].queued && h->task[t].cpu != cpu)
		move(h, t, cpu);
}

void host_init(struct host *h, bool eevdf, int cpus)
{
	int cpu;

	memset(h, 0, sizeof(*h));
	h->eevdf = eevdf;
	h->cpus = cpus;
	for (cpu = 0; cpu < cpus; cpu++)
		h->current[cpu] = -1;
}

int host_add(struct host *h, double weight)
{
	h->task[h->tasks] = (struct task) { .weight = weight, .cpu = h->tasks % h->cpus };
	return h->tasks++;
}

void host_set_weight(struct host *h, int t, double weight)
{
	struct task *task = &h->task[t];
	double v;

	if (weight == task->weight)
		return;
	/* EEVDF keeps the lag in time that the processor gives, not in virtual time. */
	if (h->eevdf && task->queued) {
		v = average(h, task->cpu);
		task->vruntime = v - (v - task->vruntime) * task->weight / weight;
		task->deadline = task->vruntime + slice(h) * 1024 / weight;
	}
	task->weight = weight;
}

void host_wake(struct host *h, int t)
{
	struct task *task = &h->task[t];
	int cpu, target = task->cpu, n, current;
	double gran = 1 * MS * scale(h);

	task->runnable = true;
	for (cpu = 0; cpu < h->cpus; cpu++) {
		load_of(h, cpu, &n);
		if (!n) {
			target = cpu;
			break;
		}
	}
	enqueue(h, t, target, true, 0);
	current = h->current[target];
	if (current < 0 || (h->eevdf ? pick(h, target) == t :
	    h->task[current].vruntime - task->vruntime > gran * 1024 / task->weight))
		h->resched[target] = true;
}

void host_sleep(struct host *h, int t)
{
	h->task[t].runnable = false;
	dequeue(h, t, true);
}

/* A CPU without work takes a task that waits elsewhere. */
static void balance_idle(struct host *h, int cpu)
{
	double load, most = 0;
	int other, n, t, from = -1;

	for (other = 0; other < h->cpus; other++) {
		load = load_of(h, other, &n);
		if (n > 1 && load > most) {
			most = load;
			from = other;
		}
	}
	for (t = 0; from >= 0 && t < h->tasks; t++) {
		if (h->task[t].queued && h->task[t].cpu == from && h->current[from] != t) {
			move(h, t, cpu);
			return;
		}
	}
}

static bool may_move(const struct host *h, int t, int from, bool running)
{
	return h->task[t].queued && h->task[t].cpu == from && (running || h->current[from] != t);
}

static void balance(struct host *h, int cpu)
{
	double mine, most = 0, load, all = 0, imbalance, average_load;
	int other, n, mine_n, from = -1, from_n = 0, t, moved = 0;

	for (other = 0; other < h->cpus; other++) {
		load = load_of(h, other, &n);
		all += load;
		if (other == cpu || n < 2 || load <= most)
			continue;
		most = load;
		from = other;
		from_n = n;
	}
	mine = load_of(h, cpu, &mine_n);
	average_load = all / h->cpus;
	if (from < 0 || mine >= average_load || most * 100 <= 117 * mine || mine_n > from_n + 8)
		return;
	imbalance = fmin(most - average_load, average_load - mine);
	for (t = 0; t < h->tasks && imbalance > 0; t++) {
		load = h->task[t].weight / (1 << (h->balance_failed[cpu] > 20 ? 20 :
						  h->balance_failed[cpu]));
		if (!may_move(h, t, from, false) || load > imbalance)
			continue;
		imbalance -= h->task[t].weight;
		move(h, t, cpu);
		moved++;
	}
	if (moved || h->stubborn) {
		h->balance_failed[cpu] = 0;
		return;
	}
	/* It has failed often: even the one that runs. */
	if (++h->balance_failed[cpu] > 3) {
		for (t = 0; t < h->tasks; t++) {
			if (!may_move(h, t, from, true))
				continue;
			move(h, t, cpu);
			h->balance_failed[cpu] = 0;
			return;
		}
	}
}

/* Is the one that runs to give way? */
static void tick(struct host *h, int cpu)
{
	struct task *task = &h->task[h->current[cpu]];
	double load, period, ideal;
	int n;

	load = load_of(h, cpu, &n);
	if (n < 2)
		return;
	if (h->eevdf) {
		if (task->vruntime >= task->deadline) {
			task->deadline = task->vruntime + slice(h) * 1024 / task->weight;
			h->resched[cpu] = true;
		}
		return;
	}
	period = fmax(latency(h), n * slice(h));
	ideal = fmax(period * task->weight / load, slice(h));
	if (task->slice_used > ideal ||
	    (task->slice_used > slice(h) && task->vruntime - least_of(h, cpu) > ideal))
		h->resched[cpu] = true;
}

static void run(struct host *h, int cpu)
{
	int t;

	if (h->current[cpu] < 0)
		balance_idle(h, cpu);
	if (h->resched[cpu] || h->current[cpu] < 0) {
		h->least[cpu] = least_of(h, cpu);
		h->current[cpu] = pick(h, cpu);
		h->resched[cpu] = false;
		if (h->current[cpu] >= 0)
			h->task[h->current[cpu]].slice_used = 0;
	}
	t = h->current[cpu];
	if (t < 0)
		return;
	h->task[t].vruntime += STEP_NS * 1024.0 / h->task[t].weight;
	h->task[t].slice_used += STEP_NS;
	h->task[t].ran += STEP_NS;
	h->least[cpu] = least_of(h, cpu);
}

void host_step(struct host *h)
{
	int cpu, t, waiting = 0, idle = 0;

	for (cpu = 0; cpu < h->cpus; cpu++) {
		/* CPUs tick in turn, not at the same time. */
		if ((h->steps + cpu) % TICK_STEPS == 0 && h->current[cpu] >= 0) {
			tick(h, cpu);
			if (h->steps >= h->next_balance[cpu]) {
				balance(h, cpu);
				h->next_balance[cpu] = h->steps + 16 * h->cpus * (1000000 / STEP_NS);
			}
		}
		run(h, cpu);
	}
	for (cpu = 0; cpu < h->cpus; cpu++)
		idle += h->current[cpu] < 0;
	for (t = 0; t < h->tasks; t++) {
		if (!h->task[t].runnable || h->current[h->task[t].cpu] == t)
			continue;
		h->task[t].waited += STEP_NS;
		waiting++;
	}
	h->idle += (uint64_t)(idle < waiting ? idle : waiting) * STEP_NS;
	h->steps++;
}
