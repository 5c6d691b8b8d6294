/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The whole machine that `khv run` makes: a PC with processors, RAM, a serial port,
 * a clock and power management.
 */
#ifndef KHV_TOOL_PC_H
#define KHV_TOOL_PC_H

#include <pthread.h>
#include <semaphore.h>

#include "devices/chipset.h"
#include "devices/pio.h"
#include "devices/rtc.h"
#include "devices/serial.h"
#include "../uapi/khv.h"
#include "machine/console.h"
#include "machine/detach.h"
#include "machine/gate.h"
#include "machine/manage.h"
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
	const char *name;	/* or NULL */
	struct khv_sched sched;	/* to be set, as its set says */
	struct khv_detach *detach;	/* the process is in the background; or NULL */
};

/* A vCPU's. */
struct khv_thread {
	struct khv_pc *pc;
	struct khv_vcpu *vcpu;
	pthread_t thread;
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
	struct khv_thread threads[KHV_CPUS_MAX];
	unsigned int nr_threads;
	struct khv_gate gate;
	struct khv_console console;
	struct khv_manager manager;
	struct khv_detach *detach;
	struct khv_sandbox sandbox;
	sem_t in;	/* one post by each vCPU's thread that is in its sandbox, or failed to */
	sem_t go;	/* one post for each vCPU that may enter the guest */
	int signals;	/* signalfd */
	int wake;	/* eventfd: something for the I/O thread to look at */

	/* pause.c's */
	bool paused;	/* all vCPUs wait, and the clock: */
	bool clock_saved;
	struct kvm_clock_data clock;
};

/* Build the machine and load the guest. Returns 0, or -1 after a message. */
int khv_pc_init(struct khv_pc *pc, const struct khv_pc_config *config);
void khv_pc_uninit(struct khv_pc *pc);

/*
 * Run to the end. Returns the reason (an enum khv_stop_reason, or
 * KHV_STOP_SIGNAL plus a signal's number), or -1 after a message.
 */
int khv_pc_run(struct khv_pc *pc);

/*
 * threads.c. Start one for each vCPU; returns how many there are, which is all but after a
 * message. Make all of them look around, whatever they do. Wait for their end, which was
 * requested: 0, or -1 after a message.
 */
unsigned int khv_threads_start(struct khv_pc *pc);
void khv_threads_kick(const struct khv_pc *pc);
int khv_threads_join(struct khv_pc *pc);

/*
 * pause.c. A pause begins at once and is complete, all vCPUs being out of the guest, when
 * khv_pause_continue() returns true; until then it is called again and again. Its end may
 * come before that, or without a beginning.
 */
void khv_pause_begin(struct khv_pc *pc);
bool khv_pause_continue(struct khv_pc *pc);
void khv_pause_end(struct khv_pc *pc);

#endif
