// SPDX-License-Identifier: GPL-2.0-only
/*
 * An uncompressed vmlinux: an ELF executable whose segments go to their physical
 * addresses and whose entry point is the kernel's own startup_64, with the same
 * contract as a bzImage's 64-bit entry point.
 */
#include <elf.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "boot/kernel.h"
#include "khv.h"

/* A vmlinux has about five; a bound keeps the overlap check short. */
#define MAX_SEGMENTS 64u

/* What a bzImage's header would say about these (COMMAND_LINE_SIZE and defaults). */
#define VMLINUX_CMDLINE_MAX	2047u
#define VMLINUX_INITRD_END	0x80000000ull
#define VMLINUX_PROTOCOL	0x020fu

static int refuse(const struct khv_blob *file, const char *why)
{
	return khv_fail("load the kernel", file->path, NULL, "%s", why);
}

static int check_header(const struct khv_blob *file, const Elf64_Ehdr *eh)
{
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh->e_machine != EM_X86_64)
		return khv_fail("load the kernel", file->path, "use an amd64 kernel",
				"it is an ELF file, but not for x86-64");
	if (eh->e_type != ET_EXEC)
		return khv_fail("load the kernel", file->path,
				"give a vmlinux, not a module, library or core file",
				"its ELF type is %u, not executable", eh->e_type);
	if (eh->e_phentsize != sizeof(Elf64_Phdr))
		return refuse(file, "its program headers have an unknown size");
	if (!eh->e_phnum || eh->e_phnum > MAX_SEGMENTS)
		return khv_fail("load the kernel", file->path, NULL,
				"it has %u program headers; 1 to %u can be handled",
				eh->e_phnum, MAX_SEGMENTS);
	if (eh->e_phoff > file->size ||
	    eh->e_phnum * sizeof(Elf64_Phdr) > file->size - eh->e_phoff)
		return refuse(file, "the file ends within its program headers");
	return 0;
}

static int check_segment(const struct khv_blob *file, const struct khv_ram *ram,
			 const Elf64_Phdr *ph)
{
	if (ph->p_filesz > ph->p_memsz)
		return refuse(file, "a segment has more bytes in the file than in memory");
	if (ph->p_offset > file->size || ph->p_filesz > file->size - ph->p_offset)
		return khv_fail("load the kernel", file->path, "fetch the file again",
				"it is truncated within a segment");
	if (ph->p_paddr < KHV_GPA_HIGH)
		return refuse(file, "a segment wants to be loaded below 1 MiB");
	if (ph->p_paddr >= ram->low_size || ph->p_memsz > ram->low_size - ph->p_paddr)
		return khv_fail("load the kernel", file->path, "give the guest more with --mem",
				"a segment needs %" PRIu64 " bytes at 0x%" PRIx64
				", and the guest has %" PRIu64 " bytes in all below 4 GiB",
				(uint64_t)ph->p_memsz, (uint64_t)ph->p_paddr, ram->low_size);
	return 0;
}

static bool overlap(const Elf64_Phdr *a, const Elf64_Phdr *b)
{
	return a->p_paddr < b->p_paddr + b->p_memsz && b->p_paddr < a->p_paddr + a->p_memsz;
}

/*
 * Keep the loadable ones of the file's segments in @out, checked. Returns their
 * number, or -1 after a message.
 */
static int read_segments(const struct khv_blob *file, const struct khv_ram *ram,
			 const Elf64_Ehdr *eh, Elf64_Phdr out[static MAX_SEGMENTS])
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr *ph = &out[n];

		memcpy(ph, file->data + eh->e_phoff + i * sizeof(*ph), sizeof(*ph));
		if (ph->p_type != PT_LOAD || !ph->p_memsz)
			continue;
		if (check_segment(file, ram, ph))
			return -1;
		for (unsigned int j = 0; j < n; j++)
			if (overlap(ph, &out[j]))
				return refuse(file, "two of its segments overlap in memory");
		n++;
	}
	if (!n)
		return refuse(file, "it has nothing to load");
	return (int)n;
}

/* The header that a bzImage would have brought along. */
static void make_header(struct setup_header *hdr)
{
	hdr->boot_flag = 0xaa55;
	memcpy(&hdr->header, "HdrS", 4);
	hdr->version = VMLINUX_PROTOCOL;
	hdr->loadflags = LOADED_HIGH;
	hdr->xloadflags = XLF_KERNEL_64;
	hdr->kernel_alignment = 0x200000;
	hdr->cmdline_size = VMLINUX_CMDLINE_MAX;
	hdr->initrd_addr_max = VMLINUX_INITRD_END - 1;
}

int khv_elf_load(const struct khv_blob *file, const struct khv_ram *ram,
		 struct khv_kernel *kernel)
{
	Elf64_Phdr segments[MAX_SEGMENTS];
	bool entry_found = false;
	Elf64_Ehdr eh;
	int n;

	if (file->size < sizeof(eh))
		return refuse(file, "the file ends within the ELF header");
	memcpy(&eh, file->data, sizeof(eh));
	if (check_header(file, &eh))
		return -1;
	n = read_segments(file, ram, &eh, segments);
	if (n < 0)
		return -1;

	for (int i = 0; i < n; i++) {
		const Elf64_Phdr *ph = &segments[i];
		uint8_t *to = khv_ram_ptr(ram, ph->p_paddr, ph->p_memsz);

		memcpy(to, file->data + ph->p_offset, ph->p_filesz);
		memset(to + ph->p_filesz, 0, ph->p_memsz - ph->p_filesz);
		entry_found |= eh.e_entry >= ph->p_paddr && eh.e_entry - ph->p_paddr < ph->p_filesz;
		if (ph->p_paddr + ph->p_memsz > kernel->end)
			kernel->end = ph->p_paddr + ph->p_memsz;
	}
	if (!entry_found)
		return khv_fail("load the kernel", file->path, NULL,
				"its entry point 0x%" PRIx64 " is in none of its segments",
				(uint64_t)eh.e_entry);

	make_header(&kernel->hdr);
	kernel->entry = eh.e_entry;
	kernel->initrd_end = VMLINUX_INITRD_END;
	kernel->cmdline_max = VMLINUX_CMDLINE_MAX;
	return 0;
}
