/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loading a Linux kernel the way Documentation/arch/x86/boot.rst describes for
 * its 64-bit entry point. A loader copies the image to guest memory and says
 * what it found; params.c then writes what the kernel is told about the machine.
 */
#ifndef KHV_TOOL_KERNEL_H
#define KHV_TOOL_KERNEL_H

#include <asm/bootparam.h>
#include <stdint.h>

#include "file.h"
#include "machine/ram.h"

/* Larger files are refused before they fill this process's memory. */
#define KHV_KERNEL_FILE_MAX (1 * KHV_GIB)
#define KHV_INITRD_FILE_MAX (2 * KHV_GIB)

struct khv_kernel {
	uint64_t entry;		/* physical address of the 64-bit entry point */
	uint64_t end;		/* the kernel owns [KHV_GPA_HIGH, end) until it has booted */
	uint64_t initrd_end;	/* an initrd must end at or below this address */
	uint32_t cmdline_max;	/* longest command line, without its NUL */
	struct setup_header hdr; /* to be passed on in the boot parameters */
};

/*
 * Copy the kernel in @file to @ram and fill @kernel. The format is found by its
 * magic. Each returns 0, or -1 after a message; nothing in @file is trusted.
 */
int khv_kernel_load(const struct khv_blob *file, const struct khv_ram *ram,
		    struct khv_kernel *kernel);
int khv_bzimage_load(const struct khv_blob *file, const struct khv_ram *ram,
		     struct khv_kernel *kernel);
int khv_elf_load(const struct khv_blob *file, const struct khv_ram *ram,
		 struct khv_kernel *kernel);

/*
 * Write the initrd (which may be NULL), the command line, a random seed and the
 * boot parameters that point to them to guest memory, and a reset entry where a
 * PC has its BIOS. Returns 0, or -1 after a message.
 */
int khv_params_write(const struct khv_ram *ram, const struct khv_kernel *kernel,
		     const char *cmdline, const struct khv_blob *initrd);

#endif
