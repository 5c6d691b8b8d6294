// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recognizes the format of a kernel file. Each format has a file of its own.
 */
#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "boot/kernel.h"
#include "khv.h"

#define HEADER_MAGIC_OFFSET 0x202

static bool has_magic(const struct khv_blob *file, size_t offset, const char *magic, size_t len)
{
	return file->size >= offset + len && !memcmp(file->data + offset, magic, len);
}

/* Files that are often mistaken for a kernel, and what to do with them. */
static const char *advice(const struct khv_blob *file)
{
	if (has_magic(file, 0, "\x1f\x8b", 2) || has_magic(file, 0, "\xfd" "7zXZ", 5) ||
	    has_magic(file, 0, "\x28\xb5\x2f\xfd", 4))
		return "the file is compressed as a whole: decompress it first";
	if (has_magic(file, 0, "070701", 6))
		return "this is a cpio archive: give it to --initrd";
	return "give the vmlinuz (bzImage) that the distribution ships, or an uncompressed vmlinux";
}

int khv_kernel_load(const struct khv_blob *file, const struct khv_ram *ram,
		    struct khv_kernel *kernel)
{
	memset(kernel, 0, sizeof(*kernel));
	if (has_magic(file, 0, ELFMAG, SELFMAG))
		return khv_elf_load(file, ram, kernel);
	if (has_magic(file, HEADER_MAGIC_OFFSET, "HdrS", 4))
		return khv_bzimage_load(file, ram, kernel);
	return khv_fail("load the kernel", file->path, advice(file),
			"it is neither a bzImage nor an ELF file");
}
