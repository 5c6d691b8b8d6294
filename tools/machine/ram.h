/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's memory as this process sees it, and the map of guest-physical
 * addresses that the loaders, the tables and the hypervisor agree on.
 */
#ifndef KHV_TOOL_RAM_H
#define KHV_TOOL_RAM_H

#include <stdint.h>

#define KHV_KIB 1024ull
#define KHV_MIB (1024ull * KHV_KIB)
#define KHV_GIB (1024ull * KHV_MIB)

/*
 * Guest-physical memory map. RAM is below 3 GiB and, what is left of it, from
 * 4 GiB up; the last gigabyte below 4 GiB is for the APICs and devices.
 */
#define KHV_GPA_GDT		0x00000500ull	/* boot descriptor table */
#define KHV_GPA_BOOT_PARAMS	0x00007000ull	/* the "zero page" */
#define KHV_GPA_SETUP_DATA	0x00008000ull	/* random seed */
#define KHV_GPA_BOOT_STACK	0x00008ff0ull	/* grows down in the rest of that page */
#define KHV_GPA_PAGE_TABLES	0x00009000ull	/* identity map of the first 4 GiB, 6 pages */
#define KHV_GPA_CMDLINE		0x00020000ull
#define KHV_GPA_EBDA		0x0009fc00ull	/* end of usable low memory */
/* Where firmware keeps processors that cannot start in real mode: wakeup.c. */
#define KHV_GPA_AP_PAGE_TABLES	0x000d8000ull	/* identity map, 6 pages */
#define KHV_GPA_AP_GDT		0x000de000ull
#define KHV_GPA_AP_STACK	0x000deff0ull	/* grows down in the rest of that page */
#define KHV_GPA_MAILBOX		0x000df000ull	/* a page */
#define KHV_GPA_ACPI		0x000e0000ull	/* where firmware leaves its tables */
#define KHV_GPA_RESET_ENTRY	0x000ffff0ull	/* where real-mode software looks for the BIOS */
#define KHV_GPA_HIGH		0x00100000ull	/* memory above the legacy hole */
#define KHV_GPA_LOW_END		(3 * KHV_GIB)
#define KHV_GPA_IOAPIC		0xfec00000ull
#define KHV_GPA_LAPIC		0xfee00000ull
#define KHV_GPA_IDENTITY_MAP	0xfffbc000ull	/* KVM's own page, see KVM_SET_IDENTITY_MAP_ADDR */
#define KHV_GPA_TSS		0xfffbd000ull	/* and three more, see KVM_SET_TSS_ADDR */
#define KHV_GPA_4G		(4 * KHV_GIB)

#define KHV_CMDLINE_ROOM	(KHV_GPA_EBDA - KHV_GPA_CMDLINE)

#define KHV_RAM_MIN		(16 * KHV_MIB)
#define KHV_RAM_MAX		(1024 * KHV_GIB)

struct khv_ram {
	uint8_t *base;		/* low memory first, then directly the high memory */
	uint64_t low_size;	/* bytes from guest-physical address 0 */
	uint64_t high_size;	/* bytes from 4 GiB, or 0 */
	int memfd;
};

/* Allocate @size bytes, a multiple of the page size. Returns 0, or -1 after a message. */
int khv_ram_init(struct khv_ram *ram, uint64_t size);
void khv_ram_uninit(struct khv_ram *ram);

/*
 * Where guest-physical [@gpa, @gpa + @len) lies in this process, or NULL if any
 * byte of it is not RAM.
 */
void *khv_ram_ptr(const struct khv_ram *ram, uint64_t gpa, uint64_t len);

#endif
