// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ACPI tables of a small PC: processors, I/O APIC, PIC and PIT in the
 * hypervisor, COM1, a clock, and the fixed power-management registers (which
 * devices/pm.c implements). ACPI Specification, "ACPI Software Programming
 * Model"; the machine has no SMI, so it is in ACPI mode from the start.
 */
#include <stddef.h>
#include <string.h>

#include "boot/acpi.h"
#include "boot/aml.h"
#include "khv.h"
#include "machine/vcpu.h"

#define ACPI_ROOM	(KHV_GPA_RESET_ENTRY - KHV_GPA_ACPI)
#define TABLE_ALIGN	64u	/* the FACS demands it, and the others do not mind */

struct rsdp {
	char signature[8];
	uint8_t checksum;	/* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct xsdt {
	struct header h;
	uint64_t entry[2];
} __attribute__((packed));

struct gas {		/* Generic Address Structure */
	uint8_t space;
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size;
	uint64_t address;
} __attribute__((packed));

#define GAS_IO		1
#define ACCESS_BYTE	1
#define ACCESS_WORD	2
#define ACCESS_DWORD	3

struct fadt {
	struct header h;
	uint32_t firmware_ctrl;
	uint32_t dsdt;
	uint8_t reserved0;
	uint8_t preferred_profile;
	uint16_t sci_interrupt;
	uint32_t smi_command;
	uint8_t acpi_enable, acpi_disable, s4bios_request, pstate_control;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control;
	uint32_t pm2_control, pm_timer, gpe0, gpe1;
	uint8_t pm1_event_len, pm1_control_len, pm2_control_len, pm_timer_len;
	uint8_t gpe0_len, gpe1_len, gpe1_base, cst_control;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_flags;
	uint8_t reserved1;
	uint32_t flags;
	struct gas reset;
	uint8_t reset_value;
	uint16_t arm_boot_flags;
	uint8_t minor_revision;
	uint64_t x_firmware_ctrl, x_dsdt;
	struct gas x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control;
	struct gas x_pm2_control, x_pm_timer, x_gpe0, x_gpe1;
	struct gas sleep_control, sleep_status;
	uint64_t hypervisor_id;
} __attribute__((packed));

_Static_assert(sizeof(struct fadt) == 276, "FADT of ACPI 6");

/*
 * ACPI Specification, "Fixed ACPI Description Table Fixed Feature Flags". Without PWR_BUTTON
 * there is a power button, the one of the fixed registers.
 */
#define FADT_WBINVD		(1u << 0)
#define FADT_PROC_C1		(1u << 2)
#define FADT_NO_SLEEP_BUTTON	(1u << 5)
#define FADT_NO_RTC_WAKE	(1u << 6)
#define FADT_TIMER_32BIT	(1u << 8)
#define FADT_RESET_REG		(1u << 10)
#define FADT_HEADLESS		(1u << 12)

/* ... "IA-PC Boot Architecture Flags". No 8042 flag: there is no keyboard. */
#define BOOT_LEGACY_DEVICES	(1u << 0)
#define BOOT_NO_VGA		(1u << 2)

struct facs {
	char signature[4];
	uint32_t length;
	uint32_t hardware_signature;
	uint32_t waking_vector;
	uint32_t global_lock;
	uint32_t flags;
	uint64_t x_waking_vector;
	uint8_t version;
	uint8_t reserved[31];
} __attribute__((packed));

struct madt {
	struct header h;
	uint32_t lapic_address;
	uint32_t flags;
	struct {
		uint8_t type, length, id, reserved;
		uint32_t address, gsi_base;
	} __attribute__((packed)) ioapic;
	struct {
		uint8_t type, length, bus, source;
		uint32_t gsi;
		uint16_t flags;
	} __attribute__((packed)) sci;
	struct {
		uint8_t type, length, processor_uid;
		uint16_t flags;
		uint8_t lint;
	} __attribute__((packed)) nmi;
	struct madt_lapic {
		uint8_t type, length, processor_uid, apic_id;
		uint32_t flags;
	} __attribute__((packed)) lapic[KHV_CPUS_MAX];
	struct madt_wakeup {	/* at the end of the processors that there are */
		uint8_t type, length;
		uint16_t mailbox_version;
		uint32_t reserved;
		uint64_t mailbox;
	} __attribute__((packed)) room;
} __attribute__((packed));

#define MADT_PCAT_COMPAT	1u
#define MADT_LAPIC		0
#define MADT_IOAPIC		1
#define MADT_OVERRIDE		2
#define MADT_LAPIC_NMI		4
#define MADT_WAKEUP		0x10
#define MADT_ENABLED		1u
#define MADT_ALL_PROCESSORS	0xff
#define MADT_LEVEL_HIGH		0x000d
#define LINT_NMI		1

/* Where the next table goes. */
struct area {
	uint8_t *base;
	uint32_t used;
};

static uint8_t checksum(const void *table, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += ((const uint8_t *)table)[i];
	return (uint8_t)-sum;
}

static void fill_header(struct header *h, const char *signature, uint8_t revision, size_t len)
{
	memcpy(h->signature, signature, sizeof(h->signature));
	h->length = (uint32_t)len;
	h->revision = revision;
	memcpy(h->oem_id, "KHV   ", sizeof(h->oem_id));
	memcpy(h->oem_table_id, "KHVPC   ", sizeof(h->oem_table_id));
	h->oem_revision = 1;
	memcpy(h->creator_id, "KHV ", sizeof(h->creator_id));
	h->creator_revision = 1;
	h->checksum = 0;
	h->checksum = checksum(h, len);
}

/* Copy a finished table behind the previous ones; returns its physical address. */
static uint32_t place(struct area *area, const void *table, size_t len)
{
	uint32_t at = (area->used + TABLE_ALIGN - 1) & ~(TABLE_ALIGN - 1);

	memcpy(area->base + at, table, len);
	area->used = at + (uint32_t)len;
	return (uint32_t)KHV_GPA_ACPI + at;
}

static struct gas io_register(uint16_t port, uint8_t bits, uint8_t access)
{
	return (struct gas){
		.space = GAS_IO, .bit_width = bits, .access_size = access, .address = port,
	};
}

static uint32_t write_facs(struct area *area)
{
	struct facs facs = { .length = sizeof(facs), .version = 2 };

	memcpy(facs.signature, "FACS", sizeof(facs.signature));
	return place(area, &facs, sizeof(facs));
}

static uint32_t write_madt(struct area *area, unsigned int cpus, bool mailbox)
{
	size_t len = offsetof(struct madt, lapic) + cpus * sizeof(struct madt_lapic);
	/*
	 * GSI 0 is pin 0 for the PIT as for all others: KVM's routing at creation
	 * has no detour to pin 2. Only the SCI differs from the ISA defaults.
	 */
	struct madt madt = {
		.lapic_address = (uint32_t)KHV_GPA_LAPIC,
		.flags = MADT_PCAT_COMPAT,
		.ioapic = { MADT_IOAPIC, sizeof(madt.ioapic), 0, 0, (uint32_t)KHV_GPA_IOAPIC, 0 },
		.sci = { MADT_OVERRIDE, sizeof(madt.sci), 0, KHV_IRQ_SCI, KHV_IRQ_SCI,
			 MADT_LEVEL_HIGH },
		.nmi = { MADT_LAPIC_NMI, sizeof(madt.nmi), MADT_ALL_PROCESSORS, 0, LINT_NMI },
	};

	for (unsigned int i = 0; i < cpus; i++)
		madt.lapic[i] = (struct madt_lapic){
			MADT_LAPIC, sizeof(madt.lapic[i]), (uint8_t)i, (uint8_t)i, MADT_ENABLED,
		};
	if (mailbox) {
		struct madt_wakeup wakeup = {
			.type = MADT_WAKEUP, .length = sizeof(wakeup), .mailbox = KHV_GPA_MAILBOX,
		};

		memcpy((uint8_t *)&madt + len, &wakeup, sizeof(wakeup));
		len += sizeof(wakeup);
	}
	fill_header(&madt.h, "APIC", 5, len);
	return place(area, &madt, len);
}

static void describe_device(struct khv_aml *aml, const char *seg, const char *id, uint8_t uid,
			    uint16_t port, uint8_t ports, unsigned int irq)
{
	struct khv_aml_mark device, resources;

	device = khv_aml_device_begin(aml, seg);
	khv_aml_name(aml, "_HID");
	khv_aml_eisa_id(aml, id);
	khv_aml_name(aml, "_UID");
	khv_aml_byte(aml, uid);
	khv_aml_name(aml, "_STA");
	khv_aml_byte(aml, 0x0f);	/* present, enabled, shown, working */
	khv_aml_name(aml, "_CRS");
	resources = khv_aml_resources_begin(aml);
	khv_aml_res_io(aml, port, ports);
	khv_aml_res_irq(aml, irq);
	khv_aml_resources_end(aml, resources);
	khv_aml_end(aml, device);
}

static uint32_t write_dsdt(struct area *area)
{
	uint8_t table[1024];
	struct header *h = (struct header *)table;
	struct khv_aml aml = { .buf = table, .room = sizeof(table), .len = sizeof(*h) };
	struct khv_aml_mark mark;

	mark = khv_aml_scope_begin(&aml, "\\_SB_");
	describe_device(&aml, "COM1", "PNP0501", 1, KHV_PORT_COM1, 8, KHV_IRQ_COM1);
	describe_device(&aml, "RTC0", "PNP0B00", 0, KHV_PORT_RTC, 2, KHV_IRQ_RTC);
	khv_aml_end(&aml, mark);

	khv_aml_name(&aml, "_S5_");
	mark = khv_aml_package_begin(&aml, 4);
	khv_aml_byte(&aml, KHV_SLEEP_TYPE_S5);	/* for PM1a_CNT */
	khv_aml_byte(&aml, KHV_SLEEP_TYPE_S5);	/* for PM1b_CNT, which we lack */
	khv_aml_byte(&aml, 0);
	khv_aml_byte(&aml, 0);
	khv_aml_end(&aml, mark);

	if (aml.overflow)
		return 0;
	memset(h, 0, sizeof(*h));
	fill_header(h, "DSDT", 2, aml.len);
	return place(area, table, aml.len);
}

static uint32_t write_fadt(struct area *area, uint32_t facs, uint32_t dsdt)
{
	struct fadt fadt = {
		.firmware_ctrl = facs,
		.dsdt = dsdt,
		.sci_interrupt = KHV_IRQ_SCI,
		.pm1a_event = KHV_PORT_PM1_EVENT,
		.pm1a_control = KHV_PORT_PM1_CONTROL,
		.pm_timer = KHV_PORT_PM_TIMER,
		.pm1_event_len = 4,
		.pm1_control_len = 2,
		.pm_timer_len = 4,
		.c2_latency = 0xffff,	/* neither C2 nor C3 */
		.c3_latency = 0xffff,
		.century = 0x32,
		.boot_flags = BOOT_LEGACY_DEVICES | BOOT_NO_VGA,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLEEP_BUTTON | FADT_NO_RTC_WAKE |
			 FADT_TIMER_32BIT | FADT_RESET_REG | FADT_HEADLESS,
		.reset = io_register(KHV_PORT_RESET, 8, ACCESS_BYTE),
		.reset_value = KHV_RESET_VALUE,
		.minor_revision = 0,
		.x_dsdt = dsdt,
		.x_pm1a_event = io_register(KHV_PORT_PM1_EVENT, 32, ACCESS_WORD),
		.x_pm1a_control = io_register(KHV_PORT_PM1_CONTROL, 16, ACCESS_WORD),
		.x_pm_timer = io_register(KHV_PORT_PM_TIMER, 32, ACCESS_DWORD),
	};

	fill_header(&fadt.h, "FACP", 6, sizeof(fadt));
	return place(area, &fadt, sizeof(fadt));
}

static uint32_t write_xsdt(struct area *area, uint32_t fadt, uint32_t madt)
{
	struct xsdt xsdt = { .entry = { fadt, madt } };

	fill_header(&xsdt.h, "XSDT", 1, sizeof(xsdt));
	return place(area, &xsdt, sizeof(xsdt));
}

int khv_acpi_write(const struct khv_ram *ram, unsigned int cpus, bool mailbox)
{
	struct area area = { .base = khv_ram_ptr(ram, KHV_GPA_ACPI, ACPI_ROOM) };
	struct rsdp rsdp = { .revision = 2, .length = sizeof(rsdp) };
	uint32_t dsdt, fadt;

	memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
	memcpy(rsdp.oem_id, "KHV   ", sizeof(rsdp.oem_id));
	area.used = sizeof(rsdp);	/* the RSDP itself goes first, when all is known */

	dsdt = write_dsdt(&area);
	if (!dsdt)
		return khv_fail("write", "the ACPI tables", NULL, "the DSDT is too large");
	fadt = write_fadt(&area, write_facs(&area), dsdt);
	rsdp.xsdt = write_xsdt(&area, fadt, write_madt(&area, cpus, mailbox));
	rsdp.checksum = checksum(&rsdp, offsetof(struct rsdp, length));
	rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
	memcpy(area.base, &rsdp, sizeof(rsdp));
	return 0;
}
