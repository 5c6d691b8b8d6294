/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registers of a PC's chipset that end a run: ACPI power management, the
 * PCI configuration ports with the reset control register among them, and the
 * keyboard controller.
 */
#ifndef KHV_TOOL_CHIPSET_H
#define KHV_TOOL_CHIPSET_H

#include <pthread.h>
#include <stdbool.h>

#include "devices/pio.h"
#include "machine/stop.h"

struct khv_pm_ops {
	/* Drive the system control interrupt; called with the lock held, on changes only. */
	void (*set_sci)(void *ctx, bool level);
};

/* ACPI fixed hardware, at the ports that boot/acpi.h gives. */
struct khv_pm {
	struct khv_stop *stop;
	const struct khv_pm_ops *ops;
	void *ctx;
	pthread_mutex_t lock;	/* protects these three: */
	uint16_t status;	/* PM1_STS */
	uint16_t enable;	/* PM1_EN */
	bool sci_level;
	/* Any vCPU's thread; what two make of it at a time is their guest's. */
	_Atomic uint16_t control;	/* PM1_CNT without its write-only bits */
};

void khv_pm_init(struct khv_pm *pm, struct khv_stop *stop, const struct khv_pm_ops *ops, void *ctx,
		 struct khv_pio *pio);
void khv_pm_uninit(struct khv_pm *pm);

/*
 * Press the power button. Returns whether the guest listens to it; one that does not yet
 * clears what it finds when it begins to, and misses this press. Any thread.
 */
bool khv_pm_press(struct khv_pm *pm);

/* Configuration ports 0xcf8 to 0xcff. There is no bus behind them. */
void khv_pci_init(struct khv_stop *stop, struct khv_pio *pio);

/* The keyboard controller's ports, without a keyboard. */
void khv_i8042_init(struct khv_stop *stop, struct khv_pio *pio);

#endif
