/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vmxon.c and svmon.c share: whether virtualization stays on between
 * regions, and the occasions on which it goes off.
 */
#ifndef KHV_HOST_HOLD_H
#define KHV_HOST_HOLD_H

#include <linux/percpu.h>
#include <linux/types.h>

/**
 * struct khv_hold_ops - the kind of virtualization
 * @name: for messages
 * @kvm_module: who else would use it
 * @off: switch it off on this CPU, if it is on; interrupts off. False when a region is open
 * @emergency: the machine has crashed or restarts without ceremony. Any context;
 *	nobody returns to what was interrupted
 */
struct khv_hold_ops {
	const char *name;
	const char *kvm_module;
	bool (*off)(void);
	void (*emergency)(void);
};

/* It may stay on between regions. READ_ONCE: changes at any time, and the CPUs follow. */
extern bool khv_hold;
/* KVM's module is there: its guests may run between two regions. READ_ONCE likewise. */
extern bool khv_hold_kvm;
/* This CPU is about to be taken offline: it must not stay on. */
DECLARE_PER_CPU(bool, khv_hold_going);

/*
 * @want: keep it on while there are VMs. @yield: but not once KVM's module comes.
 * 0 or -errno.
 */
int khv_hold_init(const struct khv_hold_ops *ops, bool want, bool yield);
void khv_hold_exit(void);

/*
 * VMs come and go. @first: called for the first one, with the occasions held off;
 * what it switched on is off again when it fails. NULL, or 0 or -errno.
 */
int khv_hold_get(int (*first)(void));
void khv_hold_put(void);

#endif
