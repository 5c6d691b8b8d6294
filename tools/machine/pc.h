/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The whole machine that `khv run` makes: a PC with processors, RAM, a serial port,
 * a clock and power management.
 */
#ifndef KHV_TOOL_PC_H
#define KHV_TOOL_PC_H

#include <semaphore.h>

#include "devices/chipset.h"
#include "devices/pio.h"
#include "devices/rtc.h"
#include "devices/serial.h"
#include "machine/console.h"
#include "machine/stop.h"
#include "machine/vcpu.h"
#include "machine/vm.h"
#include "sandbox/sandbox.h"

struct khv_pc_config {
	const char *accel;
	const char *kernel;
	const char *initrd;	/* or NULL */
	const char *cmdline;
	uint64_t mem;		/* bytes */
	unsigned int cpus;	/* 1 to KHV_CPUS_MAX */
	const struct khv_user *user;	/* to become, when root; or NULL: nobody */
};

struct khv_pc {
	struct khv_vm vm;
	struct khv_stop stop;
	struct khv_pio pio;
	struct khv_serial serial;
	struct khv_pm pm;
	struct khv_rtc rtc;
	struct khv_vcpu vcpus[KHV_CPUS_MAX];
	unsigned int nr_vcpus;
	struct khv_console console;
	struct khv_sandbox sandbox;
	sem_t go;	/* one post for each vCPU that may enter the guest */
	int signals;	/* signalfd */
	int room;	/* eventfd: the serial port takes input again */
};

/* Build the machine and load the guest. Returns 0, or -1 after a message. */
int khv_pc_init(struct khv_pc *pc, const struct khv_pc_config *config);
void khv_pc_uninit(struct khv_pc *pc);

/*
 * Run to the end. Returns the reason (an enum khv_stop_reason, or
 * KHV_STOP_SIGNAL plus a signal's number), or -1 after a message.
 */
int khv_pc_run(struct khv_pc *pc);

#endif
