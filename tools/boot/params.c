// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel is told: the boot parameters ("zero page") with the memory
 * map, the command line, the initrd and a random seed.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "boot/kernel.h"
#include "khv.h"

#define LOADER_UNDEFINED	0xff	/* type_of_loader without an assigned number */
#define VIDEO_NORMAL		0xffff
#define E820_RAM		1
#define E820_RESERVED		2
#define E820_NVS		4
#define SEED_SIZE		32u
#define PAGE_MASK		(~0xfffull)

static void e820_add(struct boot_params *bp, uint64_t start, uint64_t end, uint32_t type)
{
	bp->e820_table[bp->e820_entries++] = (struct boot_e820_entry){
		.addr = start, .size = end - start, .type = type,
	};
}

static void write_e820(struct boot_params *bp, const struct khv_ram *ram)
{
	e820_add(bp, 0, KHV_GPA_EBDA, E820_RAM);
	e820_add(bp, KHV_GPA_EBDA, 0xa0000, E820_RESERVED);
	e820_add(bp, KHV_GPA_AP_PAGE_TABLES, KHV_GPA_ACPI, E820_NVS);
	e820_add(bp, KHV_GPA_ACPI, KHV_GPA_HIGH, E820_RESERVED);
	e820_add(bp, KHV_GPA_HIGH, ram->low_size, E820_RAM);
	if (ram->high_size)
		e820_add(bp, KHV_GPA_4G, KHV_GPA_4G + ram->high_size, E820_RAM);
}

static int write_cmdline(struct boot_params *bp, const struct khv_ram *ram,
			 const struct khv_kernel *kernel, const char *cmdline)
{
	size_t len = strlen(cmdline);
	size_t max = kernel->cmdline_max;

	if (max > KHV_CMDLINE_ROOM - 1)
		max = KHV_CMDLINE_ROOM - 1;
	if (len > max)
		return khv_fail("boot", "the kernel", "shorten --append",
				"its command line has %zu characters, and it takes %zu", len, max);
	memcpy(khv_ram_ptr(ram, KHV_GPA_CMDLINE, len + 1), cmdline, len + 1);
	bp->hdr.cmd_line_ptr = KHV_GPA_CMDLINE;
	return 0;
}

/*
 * The initrd goes as high as the kernel can reach: below it the kernel is free
 * to unpack itself wherever it likes.
 */
static int write_initrd(struct boot_params *bp, const struct khv_ram *ram,
			const struct khv_kernel *kernel, const struct khv_blob *initrd)
{
	uint64_t end = kernel->initrd_end < ram->low_size ? kernel->initrd_end : ram->low_size;
	uint64_t start;

	if (!initrd->size)
		return khv_fail("load the initrd", initrd->path, "leave --initrd out, or make it again",
				"the file is empty");
	if (initrd->size > end || ((end - initrd->size) & PAGE_MASK) < kernel->end)
		return khv_fail("load the initrd", initrd->path, "give the guest more with --mem",
				"its %zu bytes do not fit between the kernel's end at 0x%" PRIx64
				" and 0x%" PRIx64, initrd->size, kernel->end, end);
	start = (end - initrd->size) & PAGE_MASK;
	memcpy(khv_ram_ptr(ram, start, initrd->size), initrd->data, initrd->size);
	bp->hdr.ramdisk_image = (uint32_t)start;
	bp->hdr.ramdisk_size = (uint32_t)initrd->size;
	return 0;
}

/*
 * A guest without devices has little to gather randomness from; without a seed
 * its early boot would wait or go on with predictable values.
 */
static void write_seed(struct boot_params *bp, const struct khv_ram *ram)
{
	struct setup_data *sd = khv_ram_ptr(ram, KHV_GPA_SETUP_DATA, sizeof(*sd) + SEED_SIZE);

	sd->next = 0;
	sd->type = SETUP_RNG_SEED;
	sd->len = SEED_SIZE;
	if (getrandom(sd->data, SEED_SIZE, GRND_NONBLOCK) == SEED_SIZE)
		bp->hdr.setup_data = KHV_GPA_SETUP_DATA;
}

/*
 * A guest may end by jumping to the firmware's reset entry in real mode (Linux:
 * reboot=bios). All the firmware there is pulses the reset line.
 */
static void write_reset_entry(const struct khv_ram *ram)
{
	static const uint8_t code[] = {
		0xb0, 0xfe,	/* mov $0xfe, %al */
		0xe6, 0x64,	/* out %al, $0x64 */
		0xf4,		/* hlt */
		0xeb, 0xfd,	/* jmp to the hlt */
	};

	memcpy(khv_ram_ptr(ram, KHV_GPA_RESET_ENTRY, sizeof(code)), code, sizeof(code));
}

int khv_params_write(const struct khv_ram *ram, const struct khv_kernel *kernel,
		     const char *cmdline, const struct khv_blob *initrd)
{
	struct boot_params *bp = khv_ram_ptr(ram, KHV_GPA_BOOT_PARAMS, sizeof(*bp));

	memset(bp, 0, sizeof(*bp));
	bp->hdr = kernel->hdr;
	bp->hdr.type_of_loader = LOADER_UNDEFINED;
	bp->hdr.vid_mode = VIDEO_NORMAL;
	bp->acpi_rsdp_addr = KHV_GPA_ACPI;
	write_e820(bp, ram);
	write_seed(bp, ram);
	write_reset_entry(ram);
	if (write_cmdline(bp, ram, kernel, cmdline))
		return -1;
	if (initrd && write_initrd(bp, ram, kernel, initrd))
		return -1;
	return 0;
}
