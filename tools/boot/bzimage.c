// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bzImage format: real-mode setup code with a header in it, then the
 * protected-mode kernel, which is loaded where it prefers to run and entered at
 * its 64-bit entry point. The setup code itself is not used.
 */
#include <inttypes.h>
#include <string.h>

#include "boot/kernel.h"
#include "khv.h"

#define SECTOR		512u
#define SETUP_HEADER	0x1f1u	/* file offset of struct setup_header */
#define HEADER_END_BYTE	0x201u	/* the byte here, plus 0x202, is where the header ends */
#define BOOT_FLAG	0xaa55u
#define PROTOCOL_MIN	0x020cu	/* 2.12 introduced xloadflags */
#define ENTRY_64	0x200u	/* offset of the 64-bit entry point in the kernel proper */
#define DEFAULT_SECTORS	4u	/* what setup_sects == 0 stands for */

static int refuse(const struct khv_blob *file, const char *why)
{
	return khv_fail("load the kernel", file->path, NULL, "%s", why);
}

/* Copy the setup header, as far as this kernel's version has it, and check it. */
static int read_header(const struct khv_blob *file, struct setup_header *hdr)
{
	size_t end, len;

	if (file->size <= HEADER_END_BYTE + 1)
		return refuse(file, "the file ends within the setup header");
	end = 0x202u + file->data[HEADER_END_BYTE];
	if (end > file->size)
		return refuse(file, "the file ends within the setup header");
	len = end - SETUP_HEADER;
	if (len > sizeof(*hdr))
		len = sizeof(*hdr);
	memset(hdr, 0, sizeof(*hdr));
	memcpy(hdr, file->data + SETUP_HEADER, len);

	if (hdr->boot_flag != BOOT_FLAG)
		return refuse(file, "its boot flag is not 0xaa55");
	if (hdr->version < PROTOCOL_MIN)
		return khv_fail("load the kernel", file->path, "Linux 3.8 and later have 2.12",
				"its boot protocol is %u.%02u, and 2.12 is needed",
				hdr->version >> 8, hdr->version & 0xffu);
	if (!(hdr->loadflags & LOADED_HIGH))
		return refuse(file, "it is a zImage, which loads into the first megabyte");
	if (!(hdr->xloadflags & XLF_KERNEL_64))
		return khv_fail("load the kernel", file->path, "use an amd64 kernel",
				"it has no 64-bit entry point");
	return 0;
}

/* Find where the kernel proper runs, and that all it needs there is RAM. */
static int check_placement(const struct khv_blob *file, const struct khv_ram *ram,
			   const struct setup_header *hdr, uint64_t payload)
{
	uint64_t need = hdr->init_size > payload ? hdr->init_size : payload;

	if (hdr->pref_address < KHV_GPA_HIGH)
		return refuse(file, "it wants to be loaded below 1 MiB");
	if (hdr->pref_address >= ram->low_size || need > ram->low_size - hdr->pref_address)
		return khv_fail("load the kernel", file->path, "give the guest more with --mem",
				"it needs %" PRIu64 " bytes of memory at 0x%" PRIx64
				", and the guest has %" PRIu64 " bytes in all below 4 GiB",
				need, (uint64_t)hdr->pref_address, ram->low_size);
	return 0;
}

int khv_bzimage_load(const struct khv_blob *file, const struct khv_ram *ram,
		     struct khv_kernel *kernel)
{
	struct setup_header *hdr = &kernel->hdr;
	uint64_t setup, payload;

	if (read_header(file, hdr))
		return -1;

	setup = (uint64_t)SECTOR * ((hdr->setup_sects ? hdr->setup_sects : DEFAULT_SECTORS) + 1);
	if (file->size < setup + ENTRY_64 + 1)
		return refuse(file, "the file ends before the 64-bit entry point");
	payload = file->size - setup;
	/* syssize counts paragraphs of 16 bytes, the last of which may be partial. */
	if ((uint64_t)hdr->syssize * 16 > payload + 15)
		return khv_fail("load the kernel", file->path, "fetch the file again",
				"it is truncated: %" PRIu64 " bytes of %" PRIu64 " are there",
				payload, (uint64_t)hdr->syssize * 16);
	if (check_placement(file, ram, hdr, payload))
		return -1;

	memcpy(khv_ram_ptr(ram, hdr->pref_address, payload), file->data + setup, payload);
	hdr->code32_start = (uint32_t)hdr->pref_address;
	kernel->entry = hdr->pref_address + ENTRY_64;
	kernel->end = hdr->pref_address + (hdr->init_size > payload ? hdr->init_size : payload);
	kernel->initrd_end = (uint64_t)hdr->initrd_addr_max + 1;
	kernel->cmdline_max = hdr->cmdline_size;
	return 0;
}
