// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench-faults: what a guest's page faults and page tables cost, on khv and on
 * KVM, with nested and with shadow paging, in one boot.
 *
 * Modules are loaded anew for each kind of paging, each hypervisor alone. What
 * ran, in which phase, for how long, is the TSC's difference (in Bochs, with
 * "clock: sync=none", a tick is an instruction) and the difference of the vCPU's
 * exit counter, from its statistics descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "faults_guest.h"
#include "guest.h"
#include "ksft.h"
#include "measure.h"

enum { TOUCH, FORKS, EXIT, NR_PHASES };

static const char *const keys[NR_PHASES] = { "touch", "forks", "exit" };

struct phase {
	uint64_t exits, ticks;
};

/* A column of the result. */
struct config {
	const char *device, *paging;
	const char *module, *parameter;	/* of which kind of paging it uses */
	bool nested;
	const char *missing;		/* why there is no result, or NULL */
	struct phase phases[NR_PHASES];
};

static const char *modules = "/testbed/modules";
static unsigned int mib = 64, forks = 100;

/* ---- modules ---- */

static bool module_loaded(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !access(path, F_OK);
}

static void module_unload(const char *name)
{
	if (module_loaded(name) && syscall(SYS_delete_module, name, O_NONBLOCK)) {
		fprintf(stderr, "bench-faults: cannot unload %s: %s\n", name, strerror(errno));
		exit(1);
	}
}

static int module_open(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s.ko", modules, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int module_load(const char *name, const char *args)
{
	int fd = module_open(name), ret;

	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, args, 0) ? -errno : 0;
	close(fd);
	return ret;
}

static bool parameter_is_on(const struct config *c)
{
	char path[128], value = 'N';
	int fd;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", c->module, c->parameter);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &value, 1) != 1)
		value = 'N';
	if (fd >= 0)
		close(fd);
	return value == 'Y' || value == '1';
}

/* ---- measuring ---- */

static void run_guest(struct config *c)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, 0);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	uint64_t pages = mib * MiB(1) / PAGE_SIZE, ticks, exits;
	unsigned int i;

	faults_work.pages = pages;
	faults_work.forks = forks;
	faults_work.memory = faults_memory(pages);
	vm_set_slot(vm, 1, 0, FAULTS_BASE, faults_work.memory,
		    memory_map(faults_work.memory, false));
	guest_start(vcpu, faults_guest);
	guest_run_sync(vcpu, 1);
	for (i = 0; i < NR_PHASES; i++) {
		exits = vcpu_statistic(vcpu, "exits");
		ticks = ticks_now();
		guest_run_sync(vcpu, 1);
		c->phases[i].ticks = ticks_now() - ticks;
		c->phases[i].exits = vcpu_statistic(vcpu, "exits") - exits;
	}
	guest_run_done(vcpu);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
}

static void measure(struct config *c)
{
	char args[64];
	int fd = module_open(c->module), ret;

	if (fd < 0) {
		c->missing = "no such module";
		return;
	}
	close(fd);
	snprintf(args, sizeof(args), "%s=%d", c->parameter, c->nested);
	ret = module_load(c->module, args);
	if (ret) {
		c->missing = strerror(-ret);
	} else if (parameter_is_on(c) != c->nested) {
		c->missing = "not on this processor";
	} else {
		ksft_device = c->device;
		run_guest(c);
	}
	if (!ret)
		module_unload(c->module);
}

/* ---- reporting ---- */

static void print_row(const char *title, const struct config *c, unsigned int count, int phase)
{
	unsigned int i;

	printf("%-22s", title);
	for (i = 0; i < count; i++) {
		if (c[i].missing)
			printf("%26s", "-");
		else
			printf("%10llu %15llu", (unsigned long long)c[i].phases[phase].exits,
			       (unsigned long long)c[i].phases[phase].ticks);
	}
	printf("\n");
}

static void print_table(const struct config *c, unsigned int count)
{
	char title[32];
	unsigned int i;

	printf("A guest touches %u MiB, forks %u times and exits: exits, TSC ticks\n", mib, forks);
	printf("%-22s", "");
	for (i = 0; i < count; i++) {
		snprintf(title, sizeof(title), "%s %s", c[i].device + 5, c[i].paging);
		printf("%26s", title);
	}
	snprintf(title, sizeof(title), "touch %u MiB", mib);
	printf("\n");
	print_row(title, c, count, TOUCH);
	snprintf(title, sizeof(title), "fork %u times", forks);
	print_row(title, c, count, FORKS);
	print_row("exit", c, count, EXIT);
	for (i = 0; i < count; i++)
		if (c[i].missing)
			printf("%s %s: %s\n", c[i].device + 5, c[i].paging, c[i].missing);
}

static void print_json(const struct config *c, unsigned int count)
{
	unsigned int i, phase;

	printf("{\"mib\": %u, \"forks\": %u, \"runs\": [", mib, forks);
	for (i = 0; i < count; i++) {
		printf("%s{\"device\": \"%s\", \"paging\": \"%s\"", i ? ", " : "", c[i].device,
		       c[i].paging);
		if (c[i].missing)
			printf(", \"missing\": \"%s\"", c[i].missing);
		for (phase = 0; !c[i].missing && phase < NR_PHASES; phase++)
			printf(", \"%s\": {\"exits\": %llu, \"ticks\": %llu}", keys[phase],
			       (unsigned long long)c[i].phases[phase].exits,
			       (unsigned long long)c[i].phases[phase].ticks);
		printf("}");
	}
	printf("]}\n");
}

static int usage(void)
{
	fprintf(stderr,
		"usage: bench-faults [--mib N] [--forks N] [--modules DIR] [--json]\n"
		"Runs a guest that touches memory, forks and exits, with nested and with shadow\n"
		"paging, on khv and on KVM; unloads and loads their modules for that.\n"
		"  --mib N        memory of the process, 1 to 512 (default %u)\n"
		"  --forks N      default %u\n"
		"  --modules DIR  where khv.ko, kvm_intel.ko or kvm_amd.ko are (default %s)\n"
		"  --json         print JSON\n", mib, forks, modules);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mib", required_argument, NULL, 'm' }, { "forks", required_argument, NULL, 'f' },
		{ "modules", required_argument, NULL, 'd' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { 0 },
	};
	bool json = false, amd = module_loaded("kvm_amd");
	const char *kvm = amd ? "kvm_amd" : "kvm_intel", *npt = amd ? "npt" : "ept";
	struct config configs[] = {
		{ "/dev/khv", "nested", "khv", "nested_paging", true },
		{ "/dev/kvm", "nested", kvm, npt, true },
		{ "/dev/khv", "shadow", "khv", "nested_paging", false },
		{ "/dev/kvm", "shadow", kvm, npt, false },
	};
	unsigned int i, count = KSFT_ARRAY_SIZE(configs);
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'm' && atoi(optarg) > 0 && atoi(optarg) <= 512)
			mib = atoi(optarg);
		else if (option == 'f' && atoi(optarg) > 0)
			forks = atoi(optarg);
		else if (option == 'd')
			modules = optarg;
		else if (option == 'j')
			json = true;
		else
			return usage();
	}
	module_unload("khv");
	module_unload(kvm);
	for (i = 0; i < count; i++)
		measure(&configs[i]);
	/* As they were, for whatever comes next. */
	if (!configs[1].missing || !configs[3].missing)
		module_load(kvm, "");
	module_load("khv", "");
	(json ? print_json : print_table)(configs, count);
	return 0;
}
