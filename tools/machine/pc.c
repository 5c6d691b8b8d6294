// SPDX-License-Identifier: GPL-2.0-only
/*
 * Puts the machine together and runs it with a thread for each vCPU, and the caller's
 * for input, timers, signals and who asks for it by name.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "boot/acpi.h"
#include "boot/kernel.h"
#include "khv.h"
#include "machine/pc.h"
#include "machine/signals.h"
#include "machine/terminal.h"
#include "sched/params.h"

static void serial_irq(void *ctx, bool level)
{
	struct khv_pc *pc = ctx;

	khv_vm_irq(&pc->vm, KHV_IRQ_COM1, level);
}

static void serial_room(void *ctx)
{
	struct khv_pc *pc = ctx;

	eventfd_write(pc->wake, 1);
}

static void serial_transmit(void *ctx, uint8_t byte)
{
	struct khv_pc *pc = ctx;

	khv_console_output(&pc->console, byte);
}

static const struct khv_serial_ops serial_ops = {
	.set_irq = serial_irq,
	.room = serial_room,
	.transmit = serial_transmit,
};

static uint32_t com1_read(void *dev, uint16_t offset, unsigned int size)
{
	(void)size;
	return khv_serial_read(dev, offset);
}

static void com1_write(void *dev, uint16_t offset, unsigned int size, uint32_t value)
{
	(void)size;
	khv_serial_write(dev, offset, (uint8_t)value);
}

static void rtc_irq(void *ctx, bool level)
{
	struct khv_pc *pc = ctx;

	khv_vm_irq(&pc->vm, KHV_IRQ_RTC, level);
}

static void pm_sci(void *ctx, bool level)
{
	struct khv_pc *pc = ctx;

	khv_vm_irq(&pc->vm, KHV_IRQ_SCI, level);
}

static const struct khv_pm_ops pm_ops = { .set_sci = pm_sci };

/* The files that the guest starts from, as bytes. */
struct files {
	struct khv_blob kernel, initrd;	/* no initrd: no data */
};

static int read_files(struct files *files, const struct khv_pc_config *config)
{
	*files = (struct files){ 0 };
	if (khv_blob_read(&files->kernel, config->kernel, "kernel", KHV_KERNEL_FILE_MAX))
		return -1;
	if (!config->initrd ||
	    !khv_blob_read(&files->initrd, config->initrd, "initrd", KHV_INITRD_FILE_MAX))
		return 0;
	khv_blob_free(&files->kernel);
	return -1;
}

static void free_files(struct files *files)
{
	khv_blob_free(&files->kernel);
	khv_blob_free(&files->initrd);
}

/* Copy kernel, initrd, parameters and tables to guest memory, and point the vCPU there. */
static int load_guest(struct khv_pc *pc, const struct files *files, const char *cmdline)
{
	const struct khv_blob *initrd = files->initrd.data ? &files->initrd : NULL;
	const struct khv_ram *ram = &pc->vm.ram;
	bool mailbox = pc->nr_vcpus > 1 && pc->vcpus[1].mailbox;
	struct khv_kernel kernel;

	if (khv_kernel_load(&files->kernel, ram, &kernel) ||
	    khv_params_write(ram, &kernel, cmdline, initrd) ||
	    khv_acpi_write(ram, pc->nr_vcpus, mailbox))
		return -1;
	if (mailbox)
		khv_wakeup_prepare(ram);
	return khv_vcpu_set_entry(&pc->vcpus[0], kernel.entry);
}

/* All is open that the machine needs: from here on without privileges. */
static int enter_sandbox(struct khv_pc *pc, const struct khv_user *user)
{
	/* What the C library would look up in files later. */
	tzset();
	/* One heap for all threads: a second one asks the kernel about its CPUs. */
	mallopt(M_ARENA_MAX, 1);
	/* A process in the background keeps no folder busy. */
	if (pc->detach && chdir("/"))
		return khv_fail("go to", "/", NULL, "%m");
	if (khv_privileges_drop(user))
		return -1;
	pc->sandbox = (struct khv_sandbox){
		.vm = pc->vm.fd, .vcpu = -1, .signals = pc->signals,
		.timer = pc->rtc.timer, .stop = pc->stop.event, .wake = pc->wake,
		.control = pc->manager.server.fd,
		.ready = pc->detach ? pc->detach->ready : -1,
		.log = pc->detach ? pc->detach->log : -1,
	};
	return khv_sandbox_enter(KHV_SANDBOX_LOADER, &pc->sandbox);
}

static int add_devices(struct khv_pc *pc)
{
	khv_serial_init(&pc->serial, &serial_ops, pc);
	khv_pio_add(&pc->pio, &(struct khv_pio_range){
		.base = KHV_PORT_COM1, .len = KHV_SERIAL_PORTS, .width = 1, .dev = &pc->serial,
		.read = com1_read, .write = com1_write,
	});
	khv_pm_init(&pc->pm, &pc->stop, &pm_ops, pc, &pc->pio);
	khv_pci_init(&pc->stop, &pc->pio);
	khv_i8042_init(&pc->stop, &pc->pio);
	if (khv_rtc_init(&pc->rtc, rtc_irq, pc, &pc->pio)) {
		khv_pm_uninit(&pc->pm);
		khv_serial_uninit(&pc->serial);
		return -1;
	}
	return 0;
}

static void remove_devices(struct khv_pc *pc)
{
	khv_rtc_uninit(&pc->rtc);
	khv_pm_uninit(&pc->pm);
	khv_serial_uninit(&pc->serial);
}

static void remove_vcpus(struct khv_pc *pc)
{
	while (pc->nr_vcpus)
		khv_vcpu_uninit(&pc->vcpus[--pc->nr_vcpus]);
}

static int add_vcpus(struct khv_pc *pc, unsigned int nr)
{
	for (unsigned int id = 0; id < nr; id++) {
		struct khv_vcpu *vcpu = &pc->vcpus[id];

		if (khv_vcpu_init(vcpu, &pc->vm, id, nr, &pc->pio, &pc->stop, &pc->gate))
			goto err;
		pc->nr_vcpus++;
		if (khv_vcpu_set_cpuid(vcpu) || khv_vcpu_set_firmware(vcpu))
			goto err;
	}
	return 0;

err:
	remove_vcpus(pc);
	return -1;
}

/* With the privileges that the process has yet: root may go beyond root's limits. */
static int set_sched(struct khv_pc *pc, const struct khv_pc_config *config)
{
	const char *why;

	if (!config->sched.set)
		return 0;
	why = khv_sched_set(pc->vm.fd, &config->sched);
	if (why)
		return khv_fail("set", "the VM's scheduling", NULL, "%s", why);
	return 0;
}

/* What the I/O thread waits for, and what makes others wait. */
static int init_events(struct khv_pc *pc, const struct khv_pc_config *config)
{
	if (khv_stop_init(&pc->stop))
		return -1;
	pc->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pc->wake < 0) {
		khv_fail("create", "an eventfd", NULL, "%m");
		khv_stop_uninit(&pc->stop);
		return -1;
	}
	khv_gate_init(&pc->gate, config->cpus, pc->wake);
	return 0;
}

static void uninit_events(struct khv_pc *pc)
{
	khv_gate_uninit(&pc->gate);
	close(pc->wake);
	khv_stop_uninit(&pc->stop);
}

int khv_pc_init(struct khv_pc *pc, const struct khv_pc_config *config)
{
	struct files files;

	memset(pc, 0, sizeof(*pc));
	pc->detach = config->detach;
	if (init_events(pc, config))
		return -1;
	if (khv_manage_init(pc, config))
		goto err_events;
	if (khv_vm_init(&pc->vm, config->accel, config->mem))
		goto err_manage;
	if (set_sched(pc, config) || read_files(&files, config))
		goto err_vm;
	if (add_devices(pc))
		goto err_files;
	if (add_vcpus(pc, config->cpus))
		goto err_devices;
	pc->signals = khv_signals_open();
	if (pc->signals < 0)
		goto err_vcpus;
	if (enter_sandbox(pc, config->user) || load_guest(pc, &files, config->cmdline))
		goto err_signals;
	free_files(&files);
	return 0;

err_signals:
	close(pc->signals);
err_vcpus:
	remove_vcpus(pc);
err_devices:
	remove_devices(pc);
err_files:
	free_files(&files);
err_vm:
	khv_vm_uninit(&pc->vm);
err_manage:
	khv_manage_uninit(pc);
err_events:
	uninit_events(pc);
	return -1;
}

void khv_pc_uninit(struct khv_pc *pc)
{
	close(pc->signals);
	remove_vcpus(pc);
	remove_devices(pc);
	khv_vm_uninit(&pc->vm);
	khv_manage_uninit(pc);
	uninit_events(pc);
}

static void handle_signal(struct khv_pc *pc)
{
	int sig = khv_signals_read(pc->signals);

	if (sig == SIGTSTP) {
		khv_terminal_leave();
		khv_signals_suspend();
		khv_console_resume(&pc->console);
	} else if (sig) {
		khv_stop_request(&pc->stop, KHV_STOP_SIGNAL + sig);
	}
}

/* Serve input, timers, signals and clients until a stop is requested. */
static void serve(struct khv_pc *pc)
{
	enum { STOP, SIGNALS, TIMER, WAKE, INPUT, CONTROL, NR = CONTROL + KHV_SERVER_FDS };
	struct pollfd fds[NR] = {
		[STOP] = { .fd = pc->stop.event, .events = POLLIN },
		[SIGNALS] = { .fd = pc->signals, .events = POLLIN },
		[TIMER] = { .fd = pc->rtc.timer, .events = POLLIN },
		[WAKE] = { .fd = pc->wake, .events = POLLIN },
		[INPUT] = { .events = POLLIN },
	};
	eventfd_t ignored;

	while (khv_stop_reason(&pc->stop) == KHV_STOP_NONE) {
		int timeout = khv_manage_prepare(pc, &fds[CONTROL]);

		/* poll() skips negative descriptors. */
		fds[INPUT].fd = khv_console_wants_input(&pc->console) ? STDIN_FILENO : -1;
		if (poll(fds, NR, timeout) < 0)
			continue;
		if (fds[SIGNALS].revents)
			handle_signal(pc);
		if (fds[TIMER].revents)
			khv_rtc_tick(&pc->rtc);
		if (fds[WAKE].revents)
			eventfd_read(pc->wake, &ignored);
		if (fds[INPUT].revents)
			khv_console_input(&pc->console);
		khv_manage_serve(pc, &fds[CONTROL]);
	}
}

int khv_pc_run(struct khv_pc *pc)
{
	int reason;

	if (khv_console_init(&pc->console, &pc->serial, &pc->stop, &pc->gate,
			     pc->manager.server.output))
		return -1;
	sem_init(&pc->in, 0, 0);
	sem_init(&pc->go, 0, 0);
	if (khv_threads_start(pc) < pc->nr_vcpus ||
	    khv_sandbox_enter(KHV_SANDBOX_IO, &pc->sandbox))
		khv_stop_request(&pc->stop, KHV_STOP_FAILURE);
	for (unsigned int i = 0; i < pc->nr_threads; i++)
		while (sem_wait(&pc->in))
			;
	for (unsigned int i = 0; i < pc->nr_threads; i++)
		sem_post(&pc->go);
	if (pc->detach && khv_stop_reason(&pc->stop) == KHV_STOP_NONE)
		khv_detach_end(pc->detach);
	serve(pc);
	khv_gate_open(&pc->gate);
	if (khv_threads_join(pc)) {
		/* It still uses everything: leave all of it to the process's end. */
		khv_console_uninit(&pc->console);
		_exit(KHV_VM_FAILURE);
	}
	reason = khv_stop_reason(&pc->stop);
	khv_console_uninit(&pc->console);
	khv_manage_end(pc, reason);
	return reason;
}
