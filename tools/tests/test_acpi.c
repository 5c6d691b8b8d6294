// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ACPI tables as a guest walks them, and the AML writer.
 */
#define _GNU_SOURCE
#include <string.h>

#include "boot/acpi.h"
#include "boot/aml.h"
#include "khv.h"
#include "machine/vcpu.h"
#include "tests/tap.h"

static struct khv_ram ram;

static uint64_t get(const uint8_t *p, unsigned int size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

static bool sums_to_zero(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum += *p++;
	return !sum;
}

/* The table at @gpa, if it is all there and its checksum is right. */
static const uint8_t *table(uint64_t gpa, const char *signature)
{
	const uint8_t *p = khv_ram_ptr(&ram, gpa, 36);
	bool good = p && !memcmp(p, signature, 4) &&
		    gpa >= KHV_GPA_ACPI && gpa + get(p + 4, 4) <= KHV_GPA_RESET_ENTRY &&
		    sums_to_zero(p, get(p + 4, 4));

	ok(good, "%s is there with a right checksum", signature);
	return good ? p : NULL;
}

static void test_madt(const uint8_t *madt, unsigned int cpus, bool mailbox)
{
	const uint8_t *lapic = madt + 44 + 12 + 10 + 6;
	bool good = true;

	ok(madt[44] == 1 && madt[45] == 12 && get(madt + 48, 4) == KHV_GPA_IOAPIC,
	   "MADT: I/O APIC");
	ok(get(madt + 4, 4) == 44 + 12 + 10 + 6 + 8 * cpus + (mailbox ? 16 : 0),
	   "MADT: an entry for each processor");
	for (unsigned int i = 0; i < cpus; i++, lapic += 8)
		good = good && lapic[0] == 0 && lapic[1] == 8 && lapic[2] == i && lapic[3] == i &&
		       get(lapic + 4, 4) == 1;
	ok(good, "MADT: %u processors are enabled", cpus);
	if (mailbox)
		ok(lapic[0] == 0x10 && lapic[1] == 16 && get(lapic + 8, 8) == KHV_GPA_MAILBOX,
		   "MADT: the mailbox");
}

static void test_tables(unsigned int cpus, bool mailbox)
{
	const uint8_t *rsdp = khv_ram_ptr(&ram, KHV_GPA_ACPI, 36);
	const uint8_t *xsdt, *fadt, *madt, *dsdt;
	static const uint8_t com1[] = {
		0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 0x01, 0x08, 0x22, 0x10, 0x00,
	};

	ok(!khv_acpi_write(&ram, cpus, mailbox), "tables are written");
	ok(!memcmp(rsdp, "RSD PTR ", 8) && rsdp[15] == 2 && sums_to_zero(rsdp, 20) &&
	   sums_to_zero(rsdp, 36), "RSDP with both checksums");
	xsdt = table(get(rsdp + 24, 8), "XSDT");
	if (!xsdt)
		return;
	ok(get(xsdt + 4, 4) == 36 + 2 * 8, "XSDT has two entries");
	fadt = table(get(xsdt + 36, 8), "FACP");
	madt = table(get(xsdt + 44, 8), "APIC");
	if (!fadt || !madt)
		return;

	ok(get(fadt + 56, 4) == KHV_PORT_PM1_EVENT && get(fadt + 64, 4) == KHV_PORT_PM1_CONTROL &&
	   get(fadt + 76, 4) == KHV_PORT_PM_TIMER, "FADT: fixed registers");
	ok(get(fadt + 112, 4) & 1u << 10 && fadt[116] == 1 && get(fadt + 120, 8) == 0xcf9 &&
	   fadt[128] == 6, "FADT: reset register");
	ok(get(fadt + 40, 4) == get(fadt + 140, 8), "FADT: both DSDT addresses agree");
	ok(!memcmp(khv_ram_ptr(&ram, get(fadt + 36, 4), 64), "FACS\x40", 5) &&
	   get(fadt + 36, 4) % 64 == 0, "FACS is there and aligned");
	dsdt = table(get(fadt + 140, 8), "DSDT");
	ok(dsdt && memmem(dsdt, get(dsdt + 4, 4), "_S5_\x12", 5), "DSDT: _S5");
	ok(dsdt && memmem(dsdt, get(dsdt + 4, 4), com1, sizeof(com1)),
	   "DSDT: COM1 at 0x3f8 with IRQ 4");

	ok(get(madt + 36, 4) == KHV_GPA_LAPIC, "MADT: local APIC");
	test_madt(madt, cpus, mailbox);
}

static void test_aml(void)
{
	/* As iasl compiles: Device (DEV0) { Name (_HID, EisaId ("PNP0501")) } */
	static const uint8_t device[] = {
		0x5b, 0x82, 0x40, 0x01, 'D', 'E', 'V', '0',
		0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01,
	};
	/* Name (_CRS, ResourceTemplate () { IO (Decode16, 0x70, 0x70, 1, 2) IRQNoFlags () {8} }) */
	static const uint8_t resources[] = {
		0x08, '_', 'C', 'R', 'S', 0x11, 0x41, 0x01, 0x0a, 0x0d,
		0x47, 0x01, 0x70, 0x00, 0x70, 0x00, 0x01, 0x02, 0x22, 0x00, 0x01, 0x79, 0x00,
	};
	uint8_t buf[64];
	struct khv_aml aml = { .buf = buf, .room = sizeof(buf) };
	struct khv_aml_mark mark;

	mark = khv_aml_device_begin(&aml, "DEV0");
	khv_aml_name(&aml, "_HID");
	khv_aml_eisa_id(&aml, "PNP0501");
	khv_aml_end(&aml, mark);
	ok(aml.len == sizeof(device) && !memcmp(buf, device, sizeof(device)), "AML: device");

	aml.len = 0;
	khv_aml_name(&aml, "_CRS");
	mark = khv_aml_resources_begin(&aml);
	khv_aml_res_io(&aml, 0x70, 2);
	khv_aml_res_irq(&aml, 8);
	khv_aml_resources_end(&aml, mark);
	ok(aml.len == sizeof(resources) && !memcmp(buf, resources, sizeof(resources)),
	   "AML: resources");
}

static void test_aml_overflow(void)
{
	for (size_t room = 0; room < 12; room++) {
		uint8_t buf[16];
		struct khv_aml aml = { .buf = buf, .room = room };
		struct khv_aml_mark mark;

		memset(buf, 0x55, sizeof(buf));
		mark = khv_aml_resources_begin(&aml);
		khv_aml_res_io(&aml, 0x70, 2);
		khv_aml_resources_end(&aml, mark);
		if (!aml.overflow || aml.len > room || buf[room] != 0x55) {
			ok(false, "AML: overflow at %zu bytes", room);
			return;
		}
	}
	ok(true, "AML: overflow is noticed and nothing is written beyond");
}

int main(void)
{
	if (khv_ram_init(&ram, 16 * KHV_MIB))
		return 1;
	test_tables(1, false);
	test_tables(2, false);
	test_tables(KHV_CPUS_MAX, true);
	test_aml();
	test_aml_overflow();
	khv_ram_uninit(&ram);
	return tap_done();
}
