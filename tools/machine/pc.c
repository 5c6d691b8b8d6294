// SPDX-License-Identifier: GPL-2.0-only
/*
 * Puts the machine together and runs it with a thread for each vCPU, and the caller's
 * for input, timers and signals.
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

#define KICK_INTERVAL_MS	10
#define KICKS_MAX		1000	/* ten seconds */

static void serial_irq(void *ctx, bool level)
{
	struct khv_pc *pc = ctx;

	khv_vm_irq(&pc->vm, KHV_IRQ_COM1, level);
}

static void serial_room(void *ctx)
{
	struct khv_pc *pc = ctx;

	eventfd_write(pc->room, 1);
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
	if (khv_privileges_drop(user))
		return -1;
	pc->sandbox = (struct khv_sandbox){
		.vm = pc->vm.fd, .vcpu = -1, .signals = pc->signals,
		.timer = pc->rtc.timer, .stop = pc->stop.event, .room = pc->room,
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
	khv_pm_init(&pc->pm, &pc->stop, &pc->pio);
	khv_pci_init(&pc->stop, &pc->pio);
	khv_i8042_init(&pc->stop, &pc->pio);
	if (khv_rtc_init(&pc->rtc, rtc_irq, pc, &pc->pio)) {
		khv_serial_uninit(&pc->serial);
		return -1;
	}
	return 0;
}

static void remove_devices(struct khv_pc *pc)
{
	khv_rtc_uninit(&pc->rtc);
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

		if (khv_vcpu_init(vcpu, &pc->vm, id, nr, &pc->pio, &pc->stop))
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

int khv_pc_init(struct khv_pc *pc, const struct khv_pc_config *config)
{
	struct files files;

	memset(pc, 0, sizeof(*pc));
	if (khv_vm_init(&pc->vm, config->accel, config->mem))
		return -1;
	if (read_files(&files, config))
		goto err_vm;
	if (khv_stop_init(&pc->stop))
		goto err_files;
	pc->room = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pc->room < 0) {
		khv_fail("create", "an eventfd", NULL, "%m");
		goto err_stop;
	}
	if (add_devices(pc))
		goto err_room;
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
err_room:
	close(pc->room);
err_stop:
	khv_stop_uninit(&pc->stop);
err_files:
	free_files(&files);
err_vm:
	khv_vm_uninit(&pc->vm);
	return -1;
}

void khv_pc_uninit(struct khv_pc *pc)
{
	close(pc->signals);
	remove_vcpus(pc);
	remove_devices(pc);
	close(pc->room);
	khv_stop_uninit(&pc->stop);
	khv_vm_uninit(&pc->vm);
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

/* Serve input, timers and signals until a stop is requested. */
static void serve(struct khv_pc *pc)
{
	enum { STOP, SIGNALS, TIMER, ROOM, INPUT, NR };
	struct pollfd fds[NR] = {
		[STOP] = { .fd = pc->stop.event, .events = POLLIN },
		[SIGNALS] = { .fd = pc->signals, .events = POLLIN },
		[TIMER] = { .fd = pc->rtc.timer, .events = POLLIN },
		[ROOM] = { .fd = pc->room, .events = POLLIN },
		[INPUT] = { .events = POLLIN },
	};
	eventfd_t ignored;

	while (khv_stop_reason(&pc->stop) == KHV_STOP_NONE) {
		/* poll() skips negative descriptors. */
		fds[INPUT].fd = khv_console_wants_input(&pc->console) ? STDIN_FILENO : -1;
		if (poll(fds, NR, -1) < 0)
			continue;
		if (fds[SIGNALS].revents)
			handle_signal(pc);
		if (fds[TIMER].revents)
			khv_rtc_tick(&pc->rtc);
		if (fds[ROOM].revents)
			eventfd_read(pc->room, &ignored);
		if (fds[INPUT].revents)
			khv_console_input(&pc->console);
	}
}

struct vcpu_thread {
	struct khv_pc *pc;
	struct khv_vcpu *vcpu;
	pthread_t thread;
};

static void *run_vcpu(void *arg)
{
	const struct vcpu_thread *self = arg;
	struct khv_sandbox fds = self->pc->sandbox;

	fds.vcpu = self->vcpu->fd;
	if (khv_sandbox_enter(self->vcpu->mailbox ? KHV_SANDBOX_WAITING_VCPU : KHV_SANDBOX_VCPU,
			      &fds))
		khv_stop_request(&self->pc->stop, KHV_STOP_FAILURE);
	/* The guest talks to all threads: not before all are in. */
	while (sem_wait(&self->pc->go))
		;
	khv_vcpu_run(self->vcpu);
	return NULL;
}

/*
 * Wait for a vCPU's thread. A kick that arrives just before a system call has no
 * effect, hence the repetition.
 */
static int join_vcpu(const struct vcpu_thread *t)
{
	for (int i = 0; i < KICKS_MAX; i++) {
		struct timespec until;

		pthread_kill(t->thread, KHV_KICK_SIGNAL);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += KICK_INTERVAL_MS * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		if (!pthread_timedjoin_np(t->thread, NULL, &until))
			return 0;
	}
	return khv_fail("stop", "a vCPU", "the kernel's log may say why",
			"vCPU %u did not return for ten seconds", t->vcpu->id);
}

/* All return at about the same time: kick all before the first wait. */
static int join_vcpus(const struct vcpu_thread *threads, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		pthread_kill(threads[i].thread, KHV_KICK_SIGNAL);
	for (unsigned int i = 0; i < nr; i++)
		if (join_vcpu(&threads[i]))
			return -1;
	return 0;
}

/* Returns how many there are, which is all but after a message. */
static unsigned int start_vcpus(struct khv_pc *pc, struct vcpu_thread *threads)
{
	unsigned int i;

	for (i = 0; i < pc->nr_vcpus; i++) {
		int err;

		threads[i] = (struct vcpu_thread){ .pc = pc, .vcpu = &pc->vcpus[i] };
		err = pthread_create(&threads[i].thread, NULL, run_vcpu, &threads[i]);
		if (err) {
			khv_fail("start", "a vCPU's thread", NULL, "vCPU %u: %s", i,
				 strerror(err));
			break;
		}
	}
	return i;
}

int khv_pc_run(struct khv_pc *pc)
{
	struct vcpu_thread threads[KHV_CPUS_MAX];
	unsigned int i, nr;
	int reason;

	if (khv_console_init(&pc->console, &pc->serial, &pc->stop))
		return -1;
	sem_init(&pc->go, 0, 0);
	nr = start_vcpus(pc, threads);
	if (nr < pc->nr_vcpus || khv_sandbox_enter(KHV_SANDBOX_IO, &pc->sandbox))
		khv_stop_request(&pc->stop, KHV_STOP_FAILURE);
	for (i = 0; i < nr; i++)
		sem_post(&pc->go);
	serve(pc);
	if (join_vcpus(threads, nr)) {
		/* It still uses everything: leave all of it to the process's end. */
		khv_console_uninit(&pc->console);
		_exit(KHV_VM_FAILURE);
	}
	reason = khv_stop_reason(&pc->stop);
	khv_console_uninit(&pc->console);
	return reason;
}
