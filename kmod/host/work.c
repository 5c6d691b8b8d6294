// SPDX-License-Identifier: GPL-2.0-only
/*
 * Work that the kernel does on its way to user space, done before a guest runs.
 */
#include <linux/sched/signal.h>
#include KHV_ENTRY_HEADER

#include "host/host.h"

#if KHV_WORK_WANTS_VCPU
#include <linux/kvm_host.h>

/*
 * Older kernels want a KVM vCPU to count signals in and to mark its run page.
 * They get one that nobody looks at; concurrent updates do no harm.
 */
static struct kvm_run nobodys_run;
static struct kvm_vcpu nobody = { .run = &nobodys_run };

int khv_host_work(void)
{
	return xfer_to_guest_mode_handle_work(&nobody);
}
#else
int khv_host_work(void)
{
	return xfer_to_guest_mode_handle_work();
}
#endif
