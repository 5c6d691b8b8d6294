/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ACPI tables, and the fixed hardware that they announce.
 */
#ifndef KHV_TOOL_ACPI_H
#define KHV_TOOL_ACPI_H

#include <stdbool.h>

#include "machine/ram.h"

/* I/O ports and interrupts, shared by the tables and the devices behind them. */
#define KHV_PORT_RTC		0x70
#define KHV_PORT_COM1		0x3f8
#define KHV_PORT_PM1_EVENT	0x600
#define KHV_PORT_PM1_CONTROL	0x604
#define KHV_PORT_PM_TIMER	0x608
#define KHV_PORT_RESET		0xcf9
#define KHV_RESET_VALUE		0x06	/* full reset, as on Intel's chipsets */
#define KHV_IRQ_COM1		4
#define KHV_IRQ_RTC		8
#define KHV_IRQ_SCI		9
#define KHV_SLEEP_TYPE_S5	5	/* SLP_TYP that powers the machine off */

/*
 * Write RSDP, XSDT, FADT, FACS, MADT and DSDT for a machine with @cpus processors,
 * whose APIC IDs are 0 to @cpus - 1, to KHV_GPA_ACPI, the RSDP first. With @mailbox
 * the one at KHV_GPA_MAILBOX starts all but the first. Returns 0, or -1 after a message.
 */
int khv_acpi_write(const struct khv_ram *ram, unsigned int cpus, bool mailbox);

#endif
