/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registers of a PC's chipset that end a run: ACPI power management, the
 * PCI configuration ports with the reset control register among them, and the
 * keyboard controller.
 */
#ifndef KHV_TOOL_CHIPSET_H
#define KHV_TOOL_CHIPSET_H

#include "devices/pio.h"
#include "machine/stop.h"

/* ACPI fixed hardware, at the ports that boot/acpi.h gives. */
struct khv_pm {
	struct khv_stop *stop;
	/* Any vCPU's thread; what two make of one register at a time is their guest's. */
	_Atomic uint16_t enable;	/* PM1_EN */
	_Atomic uint16_t control;	/* PM1_CNT without its write-only bits */
};

void khv_pm_init(struct khv_pm *pm, struct khv_stop *stop, struct khv_pio *pio);

/* Configuration ports 0xcf8 to 0xcff. There is no bus behind them. */
void khv_pci_init(struct khv_stop *stop, struct khv_pio *pio);

/* The keyboard controller's ports, without a keyboard. */
void khv_i8042_init(struct khv_stop *stop, struct khv_pio *pio);

#endif
