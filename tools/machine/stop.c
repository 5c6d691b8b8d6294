// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one place where the end of a run is decided.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "khv.h"
#include "machine/stop.h"

int khv_stop_init(struct khv_stop *stop)
{
	atomic_init(&stop->reason, KHV_STOP_NONE);
	stop->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop->event < 0)
		return khv_fail("create", "an eventfd", NULL, "%m");
	return 0;
}

void khv_stop_uninit(struct khv_stop *stop)
{
	close(stop->event);
}

void khv_stop_request(struct khv_stop *stop, int reason)
{
	int none = KHV_STOP_NONE;

	if (atomic_compare_exchange_strong(&stop->reason, &none, reason))
		eventfd_write(stop->event, 1);
}
