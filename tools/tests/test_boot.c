// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel loaders, with files made to be wrong in one way each, and the boot
 * parameters.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "boot/kernel.h"
#include "khv.h"
#include "tests/tap.h"

#define MEM		(64 * KHV_MIB)
#define SETUP_SIZE	(5 * 512)
#define PAYLOAD		0x4000u
#define HEADER		0x1f1
#define PREF		0x1000000ull

static struct khv_ram ram;
static struct khv_kernel kernel;

static struct setup_header *header(struct khv_blob *f)
{
	return (struct setup_header *)(f->data + HEADER);
}

static struct khv_blob blob(size_t size)
{
	return (struct khv_blob){ .path = "test", .data = calloc(1, size), .size = size };
}

/* A bzImage that is right in all that the loader looks at. */
static struct khv_blob make_bzimage(void)
{
	struct khv_blob f = blob(SETUP_SIZE + PAYLOAD);
	struct setup_header *h = header(&f);

	h->setup_sects = 4;
	h->syssize = PAYLOAD / 16;
	h->boot_flag = 0xaa55;
	f.data[0x201] = 0x6a;	/* the header's end */
	memcpy(&h->header, "HdrS", 4);
	h->version = 0x20f;
	h->loadflags = LOADED_HIGH;
	h->xloadflags = XLF_KERNEL_64;
	h->pref_address = PREF;
	h->init_size = 0x10000;
	h->initrd_addr_max = 0x7fffffff;
	h->cmdline_size = 2047;
	h->kernel_alignment = 0x200000;
	h->relocatable_kernel = 1;
	memset(f.data + SETUP_SIZE, 0xcc, PAYLOAD);
	return f;
}

static int load(struct khv_blob *f)
{
	tap_error_clear();
	return khv_kernel_load(f, &ram, &kernel);
}

static void test_bzimage(void)
{
	struct khv_blob f = make_bzimage();
	const uint8_t *at = khv_ram_ptr(&ram, PREF, PAYLOAD + 1);

	ok(!load(&f), "bzImage loads");
	ok(kernel.entry == PREF + 0x200 && kernel.end == PREF + 0x10000 &&
	   kernel.cmdline_max == 2047 && kernel.initrd_end == 0x80000000, "what the loader found");
	ok(at[0] == 0xcc && at[PAYLOAD - 1] == 0xcc && at[PAYLOAD] == 0, "payload is in place");

	header(&f)->setup_sects = 0;
	ok(!load(&f), "setup_sects 0 stands for 4");
	khv_blob_free(&f);
}

/* Each truncation of a small bzImage must be refused, or load what is there. */
static void test_bzimage_truncated(void)
{
	struct khv_blob f = make_bzimage();
	size_t full = f.size;
	unsigned int refused = 0;

	for (size_t size = 0; size < full; size += size < 0x300 ? 1 : 97) {
		/* A copy of the exact size, so that the sanitizer sees any overrun. */
		struct khv_blob cut = blob(size ? size : 1);

		memcpy(cut.data, f.data, size);
		cut.size = size;
		refused += load(&cut) == -1;
		khv_blob_free(&cut);
	}
	ok(refused == 0x300 + (full - 0x300 + 96) / 97, "all truncations of a bzImage are refused");
	khv_blob_free(&f);
}

#define BAD_BZIMAGE(change, error, name) do {		\
		struct khv_blob f = make_bzimage();	\
		struct setup_header *h = header(&f);	\
							\
		(void)h;				\
		change;					\
		ok(load(&f) == -1, "%s", name);		\
		ok_error(error, "... and says so");	\
		khv_blob_free(&f);			\
	} while (0)

static void test_bzimage_refused(void)
{
	BAD_BZIMAGE(h->boot_flag = 0, "boot flag", "wrong boot flag");
	BAD_BZIMAGE(h->header = 0, "neither", "no HdrS");
	BAD_BZIMAGE(h->version = 0x20b, "2.11", "boot protocol too old");
	BAD_BZIMAGE(h->loadflags = 0, "zImage", "zImage");
	BAD_BZIMAGE(h->xloadflags = 0, "64-bit", "no 64-bit entry point");
	BAD_BZIMAGE(h->setup_sects = 255, "before the 64-bit", "setup larger than the file");
	BAD_BZIMAGE(h->syssize = PAYLOAD / 16 + 1, "truncated", "kernel larger than the file");
	BAD_BZIMAGE(h->syssize = 0xffffffff, "truncated", "huge syssize");
	BAD_BZIMAGE(h->pref_address = 0x8000, "below 1 MiB", "preferred address in low memory");
	BAD_BZIMAGE(h->pref_address = MEM, "bytes of memory", "preferred address beyond memory");
	BAD_BZIMAGE(h->pref_address = ~0xfffull, "bytes of memory", "preferred address at the top");
	BAD_BZIMAGE(h->pref_address = MEM - 0x8000, "bytes of memory", "init_size crosses the end");
	BAD_BZIMAGE(h->init_size = 0xffffffff, "bytes of memory", "huge init_size");
	BAD_BZIMAGE(f.data[0x201] = 0xff; f.size = 0x2f0, "setup header", "header beyond the end");
}

/* A vmlinux with two segments, the second with zeros to add. */
static struct khv_blob make_elf(void)
{
	struct khv_blob f = blob(0x3000);
	Elf64_Ehdr *eh = (Elf64_Ehdr *)f.data;
	Elf64_Phdr *ph = (Elf64_Phdr *)(f.data + sizeof(*eh));

	memcpy(eh->e_ident, ELFMAG, SELFMAG);
	eh->e_ident[EI_CLASS] = ELFCLASS64;
	eh->e_ident[EI_DATA] = ELFDATA2LSB;
	eh->e_type = ET_EXEC;
	eh->e_machine = EM_X86_64;
	eh->e_phoff = sizeof(*eh);
	eh->e_phentsize = sizeof(*ph);
	eh->e_phnum = 3;
	eh->e_entry = PREF;
	ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = 0x1000, .p_paddr = PREF,
			      .p_filesz = 0x1000, .p_memsz = 0x1000 };
	ph[1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = 0x2000, .p_paddr = PREF + 0x1000,
			      .p_filesz = 0x1000, .p_memsz = 0x3000 };
	ph[2] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = ~0ull, .p_filesz = ~0ull };
	memset(f.data + 0x1000, 0xdd, 0x2000);
	return f;
}

static void test_elf(void)
{
	struct khv_blob f = make_elf();
	uint8_t *at = khv_ram_ptr(&ram, PREF, 0x4000);

	memset(at, 0xff, 0x4000);
	ok(!load(&f), "vmlinux loads");
	ok(kernel.entry == PREF && kernel.end == PREF + 0x4000, "what the loader found");
	ok(at[0] == 0xdd && at[0x1fff] == 0xdd && at[0x2000] == 0 && at[0x3fff] == 0,
	   "segments are in place and zeroed");
	khv_blob_free(&f);
}

static void test_elf_truncated(void)
{
	struct khv_blob f = make_elf();
	unsigned int refused = 0, tried = 0;

	for (size_t size = 4; size < f.size; size += size < 0x200 ? 1 : 101, tried++) {
		struct khv_blob cut = blob(size);

		memcpy(cut.data, f.data, size);
		refused += load(&cut) == -1;
		khv_blob_free(&cut);
	}
	ok(refused == tried, "all truncations of a vmlinux are refused");
	khv_blob_free(&f);
}

#define BAD_ELF(change, error, name) do {					\
		struct khv_blob f = make_elf();					\
		Elf64_Ehdr *eh = (Elf64_Ehdr *)f.data;				\
		Elf64_Phdr *ph = (Elf64_Phdr *)(f.data + sizeof(*eh));		\
										\
		(void)ph;							\
		change;								\
		ok(load(&f) == -1, "%s", name);					\
		ok_error(error, "... and says so");				\
		khv_blob_free(&f);						\
	} while (0)

static void test_elf_refused(void)
{
	BAD_ELF(eh->e_ident[EI_CLASS] = ELFCLASS32, "x86-64", "32-bit ELF");
	BAD_ELF(eh->e_machine = EM_AARCH64, "x86-64", "ELF for another machine");
	BAD_ELF(eh->e_type = ET_REL, "type is 1", "a module");
	BAD_ELF(eh->e_phentsize = 32, "unknown size", "program headers of another size");
	BAD_ELF(eh->e_phnum = 0, "program headers", "no program headers");
	BAD_ELF(eh->e_phnum = 0xffff, "program headers", "too many program headers");
	BAD_ELF(eh->e_phoff = f.size - 8, "within its program", "program headers cross the end");
	BAD_ELF(eh->e_phoff = ~0ull - 8, "within its program", "program headers at the top");
	BAD_ELF(ph[0].p_filesz = 0x2000, "more bytes", "segment larger in the file");
	BAD_ELF(ph[1].p_offset = 0x2001, "truncated", "segment crosses the file's end");
	BAD_ELF(ph[1].p_offset = ~0ull, "truncated", "segment at the top of the file");
	BAD_ELF(ph[0].p_paddr = 0x7000, "below 1 MiB", "segment on the boot parameters");
	BAD_ELF(ph[1].p_paddr = PREF + 0x800, "overlap", "overlapping segments");
	BAD_ELF(ph[1].p_paddr = PREF, "overlap", "segments at one address");
	BAD_ELF(ph[1].p_paddr = MEM, "bytes at", "segment beyond memory");
	BAD_ELF(ph[1].p_paddr = ~0ull - 0xfff, "bytes at", "segment at the top of memory");
	BAD_ELF(ph[1].p_memsz = ~0ull, "bytes at", "huge segment");
	BAD_ELF(ph[0].p_type = PT_NOTE; ph[1].p_type = PT_NOTE, "nothing to load", "no segment");
	BAD_ELF(eh->e_entry = 0, "entry point", "entry point outside");
	BAD_ELF(eh->e_entry = PREF + 0x2800, "entry point", "entry point in the zeroed part");
}

static void test_other_files(void)
{
	static const char *const magics[] = { "", "\x1f\x8b", "070701", "MZ", "\x7f" "EL" };

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		struct khv_blob f = blob(0x400);

		memcpy(f.data, magics[i], strlen(magics[i]));
		ok(load(&f) == -1 && tap_error_has("neither"), "file %zu is no kernel", i);
		khv_blob_free(&f);
	}
}

/* A small generator, so that every run damages the same bytes. */
static uint32_t next_random(void)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* Files with random bytes in their headers must load or be refused, nothing else. */
static void test_random_damage(struct khv_blob (*make)(void), size_t from, size_t to,
			       const char *name)
{
	unsigned int loaded = 0, refused = 0;

	for (int round = 0; round < 3000; round++) {
		struct khv_blob f = make();

		for (uint32_t n = next_random() % 6 + 1; n; n--)
			f.data[from + next_random() % (to - from)] = (uint8_t)next_random();
		if (load(&f))
			refused++;
		else
			loaded++;
		khv_blob_free(&f);
	}
	ok(loaded && refused, "random damage to a %s: %u loaded, %u refused", name, loaded,
	   refused);
}

static int write_params(const char *cmdline, uint64_t initrd_size)
{
	struct khv_blob initrd = blob(initrd_size ? initrd_size : 1);
	int err;

	initrd.size = initrd_size;
	memset(initrd.data, 0xee, initrd_size);
	tap_error_clear();
	err = khv_params_write(&ram, &kernel, cmdline, &initrd);
	khv_blob_free(&initrd);
	return err;
}

static void test_params(void)
{
	const struct boot_params *bp = khv_ram_ptr(&ram, KHV_GPA_BOOT_PARAMS, sizeof(*bp));
	struct khv_blob f = make_bzimage();
	char cmdline[2049];
	uint32_t at;

	load(&f);
	ok(!khv_params_write(&ram, &kernel, "a=b", NULL), "parameters without initrd");
	ok(bp->hdr.cmd_line_ptr == KHV_GPA_CMDLINE && !bp->hdr.ramdisk_size &&
	   !strcmp(khv_ram_ptr(&ram, KHV_GPA_CMDLINE, 4), "a=b"), "command line is there");
	ok(bp->e820_entries == 5 && bp->e820_table[4].addr == KHV_GPA_HIGH &&
	   bp->e820_table[4].size == MEM - KHV_GPA_HIGH, "memory map");
	ok(bp->e820_table[2].addr <= KHV_GPA_MAILBOX && bp->e820_table[2].type == 4 &&
	   bp->e820_table[2].addr + bp->e820_table[2].size == KHV_GPA_ACPI, "mailbox in ACPI NVS");
	ok(bp->hdr.type_of_loader == 0xff && bp->acpi_rsdp_addr == KHV_GPA_ACPI, "loader, ACPI");

	ok(!write_params("", 5000), "initrd");
	at = bp->hdr.ramdisk_image;
	ok(at % 4096 == 0 && at + 5000 <= MEM && at + 5000 + 4096 > MEM &&
	   bp->hdr.ramdisk_size == 5000, "initrd is at the top");
	ok(*(uint8_t *)khv_ram_ptr(&ram, at + 4999, 1) == 0xee, "initrd is copied");

	ok(write_params("", 0) == -1 && tap_error_has("empty"), "empty initrd");
	ok(!write_params("", MEM - kernel.end), "largest initrd");
	ok(write_params("", MEM - kernel.end + 1) == -1, "initrd that meets the kernel");
	ok(write_params("", MEM + 4096) == -1 && tap_error_has("do not fit"),
	   "initrd beyond memory");
	kernel.initrd_end = PREF + 0x20000;
	ok(write_params("", 0x10001) == -1, "initrd beyond the kernel's reach");

	memset(cmdline, 'x', 2048);
	cmdline[2048] = '\0';
	ok(khv_params_write(&ram, &kernel, cmdline, NULL) == -1 && tap_error_has("2047"),
	   "command line too long");
	cmdline[2047] = '\0';
	ok(!khv_params_write(&ram, &kernel, cmdline, NULL), "longest command line");
	kernel.cmdline_max = 0xffffffff;
	ok(!khv_params_write(&ram, &kernel, cmdline, NULL), "kernel with an absurd limit");
	khv_blob_free(&f);
}

static void test_high_memory(void)
{
	struct khv_ram big;
	const struct boot_params *bp;
	struct khv_blob f = make_bzimage();

	load(&f);
	ok(!khv_ram_init(&big, 5 * KHV_GIB), "5 GiB of memory");
	ok(khv_ram_ptr(&big, KHV_GPA_LOW_END - 1, 1) &&
	   !khv_ram_ptr(&big, KHV_GPA_LOW_END - 1, 2) &&
	   !khv_ram_ptr(&big, KHV_GPA_IOAPIC, 4) && !khv_ram_ptr(&big, KHV_GPA_4G - 1, 2),
	   "a hole below 4 GiB");
	ok(khv_ram_ptr(&big, KHV_GPA_4G, 2 * KHV_GIB) == big.base + 3 * KHV_GIB &&
	   !khv_ram_ptr(&big, KHV_GPA_4G, 2 * KHV_GIB + 1) && !khv_ram_ptr(&big, ~0ull, 1) &&
	   !khv_ram_ptr(&big, KHV_GPA_4G + 1, ~0ull), "memory above 4 GiB");
	ok(!khv_params_write(&big, &kernel, "", NULL), "parameters");
	bp = khv_ram_ptr(&big, KHV_GPA_BOOT_PARAMS, sizeof(*bp));
	ok(bp->e820_entries == 6 && bp->e820_table[5].addr == KHV_GPA_4G &&
	   bp->e820_table[5].size == 2 * KHV_GIB, "memory map with high memory");
	khv_ram_uninit(&big);
	khv_blob_free(&f);
}

int main(void)
{
	if (khv_ram_init(&ram, MEM))
		return 1;
	test_bzimage();
	test_bzimage_truncated();
	test_bzimage_refused();
	test_elf();
	test_elf_truncated();
	test_elf_refused();
	test_other_files();
	test_random_damage(make_bzimage, HEADER, 0x270, "bzImage");
	test_random_damage(make_elf, 0, sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr), "vmlinux");
	test_params();
	test_high_memory();
	khv_ram_uninit(&ram);
	return tap_done();
}
