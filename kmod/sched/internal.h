/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of this folder share.
 */
#ifndef KHV_SCHED_INTERNAL_H
#define KHV_SCHED_INTERNAL_H

#include <linux/list.h>
#include <linux/mutex.h>

#include "sched/sched.h"

/* The weight that stands for a task of nice 0. */
#define KHV_SCHED_NICE_0	100

/* Guards the list of all VMs, in the order of their creation, and their parameters. */
extern struct mutex khv_sched_lock;
extern struct list_head khv_sched_vms;

#endif
