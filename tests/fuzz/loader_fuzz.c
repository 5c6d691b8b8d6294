// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random kernels and initrds for the loaders in tools/boot, with sanitizers: a file
 * loads, or is refused with a message; nothing else may happen, and what is loaded
 * lies where the kernel was told that it would.
 *
 *     make -C tools build/check/loader_fuzz
 *     tools/build/check/loader_fuzz [--seconds N] [--count N] [--seed N] [--first N]
 *
 * A case is a function of the seed and its number: --seed S --first N --count 1 is
 * case N again.
 */
#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "boot/acpi.h"
#include "boot/kernel.h"
#include "khv.h"
#include "tests/tap.h"

#define MEM		KHV_RAM_MIN
#define KERNEL		0x400000ull	/* where the valid ones go */
#define SETUP		(5 * 512)
#define HEADER		0x1f1
#define CANARY		0xa5

static uint64_t state;

/* Sebastiano Vigna's splitmix64. */
static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint64_t below(uint64_t n)
{
	return next() % n;
}

static bool one_in(uint64_t n)
{
	return !below(n);
}

/* A number of the kind that breaks arithmetic. */
static uint64_t nasty(void)
{
	static const uint64_t edges[] = {
		0, 1, 2, 0xfff, 0x1000, 0x1001, KHV_GPA_EBDA, KHV_GPA_HIGH - 1, KHV_GPA_HIGH,
		KHV_GPA_HIGH + 1, MEM - 0x1000, MEM - 1, MEM, MEM + 1, KHV_GPA_LOW_END,
		0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff, 0x100000000ull,
		INT64_MAX, 1ull << 63, ~0xfffull, ~0ull - 1, ~0ull,
	};
	uint64_t value = edges[below(ARRAY_SIZE(edges))];

	switch (below(4)) {
	case 0:
		return value + below(0x2000) - 0x1000;
	case 1:
		return below(2 * MEM);
	case 2:
		return next();
	default:
		return value;
	}
}

static struct khv_blob blob(size_t size)
{
	/* Of the exact size, so that the sanitizer sees the first byte too many. */
	struct khv_blob f = { .path = "case", .data = malloc(size ? size : 1), .size = size };

	if (!f.data)
		abort();
	memset(f.data, 0xcc, size);
	return f;
}

static struct khv_blob valid_bzimage(void)
{
	size_t payload = 0x400 + below(0x8000);
	struct khv_blob f = blob(SETUP + payload);
	struct setup_header h = {
		.setup_sects = 4, .syssize = (uint32_t)(payload / 16), .boot_flag = 0xaa55,
		.jump = 0x6aeb, .version = 0x20f, .loadflags = LOADED_HIGH,
		.xloadflags = XLF_KERNEL_64, .pref_address = KERNEL, .init_size = 0x10000,
		.initrd_addr_max = 0x7fffffff, .cmdline_size = 2047,
		.kernel_alignment = 0x200000, .relocatable_kernel = 1,
	};

	memset(f.data, 0, SETUP);
	memcpy(&h.header, "HdrS", 4);
	memcpy(f.data + HEADER, &h, sizeof(h));
	return f;
}

static struct khv_blob valid_elf(void)
{
	unsigned int n = 1 + (unsigned int)below(5);
	size_t table = sizeof(Elf64_Ehdr), data = table + n * sizeof(Elf64_Phdr);
	struct khv_blob f = blob(data + n * 0x1000);
	uint64_t at = KERNEL;
	Elf64_Ehdr eh = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_entry = at, .e_phoff = table, .e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = (uint16_t)n,
	};

	memcpy(f.data, &eh, sizeof(eh));
	for (unsigned int i = 0; i < n; i++) {
		Elf64_Phdr ph = {
			.p_type = PT_LOAD, .p_offset = data + i * 0x1000, .p_paddr = at,
			.p_vaddr = at, .p_filesz = 0x1000, .p_memsz = 0x1000 + below(0x1000),
		};

		memcpy(f.data + table + i * sizeof(ph), &ph, sizeof(ph));
		at += 0x2000;
	}
	return f;
}

/* Overwrite a naturally aligned field of the header with a nasty number. */
static void break_field(struct khv_blob *f, size_t from, size_t to)
{
	size_t size = (size_t)1 << below(4), at;
	uint64_t value = nasty();

	if (to > f->size)
		to = f->size;
	if (to < from + size)
		return;
	at = from + below(to - from - size + 1);
	memcpy(f->data + at, &value, size);
}

static void resize(struct khv_blob *f)
{
	size_t size = one_in(2) ? below(f->size + 1) : f->size + below(0x1000);
	struct khv_blob new = blob(size);

	memcpy(new.data, f->data, size < f->size ? size : f->size);
	free(f->data);
	f->data = new.data;
	f->size = size;
}

static struct khv_blob random_kernel(void)
{
	bool elf = one_in(2);
	size_t from = elf ? 0 : HEADER, to = elf ? 64 + 5 * 56 : 0x270;
	struct khv_blob f;

	if (one_in(50)) {
		f = blob(below(0x2000));
		for (size_t i = 0; i < f.size; i++)
			f.data[i] = (uint8_t)next();
		if (f.size > 0x206 && one_in(2))
			memcpy(f.data + 0x202, "HdrS", 4);
		else if (f.size > 4 && one_in(2))
			memcpy(f.data, ELFMAG, SELFMAG);
		return f;
	}
	f = elf ? valid_elf() : valid_bzimage();
	for (uint64_t n = below(5); n; n--)
		break_field(&f, from, to);
	for (uint64_t n = one_in(3) ? below(8) : 0; n && f.size; n--)
		f.data[below(f.size)] ^= (uint8_t)(1u << below(8));
	if (one_in(5))
		resize(&f);
	return f;
}

static void complain(const char *what)
{
	printf("BUG: %s\n", what);
	abort();
}

/* What a loaded kernel was promised. */
static void check_kernel(const struct khv_ram *ram, const struct khv_kernel *k)
{
	if (k->end <= KHV_GPA_HIGH || k->end > ram->low_size)
		complain("the kernel's end is not in memory");
	if (k->entry < KHV_GPA_HIGH || k->entry >= k->end)
		complain("the entry point is not in the kernel");
}

static void check_params(const struct khv_ram *ram, const struct khv_kernel *k, size_t cmdline,
			 const struct khv_blob *initrd)
{
	const struct boot_params *bp = khv_ram_ptr(ram, KHV_GPA_BOOT_PARAMS, sizeof(*bp));
	uint64_t start = bp->hdr.ramdisk_image, size = bp->hdr.ramdisk_size;

	if (cmdline > k->cmdline_max ||
	    strlen(khv_ram_ptr(ram, bp->hdr.cmd_line_ptr, cmdline + 1)) != cmdline)
		complain("the command line is not what was given, or too long");
	if (!initrd)
		return;
	if (size != initrd->size || start < k->end || start + size > ram->low_size ||
	    start + size > k->initrd_end)
		complain("the initrd is not where the kernel may have it");
	if (size && memcmp(khv_ram_ptr(ram, start, size), initrd->data, size))
		complain("the initrd is not what was given");
}

/* Low memory belongs to the tables; a loader must not write there. */
static void check_canary(const struct khv_ram *ram)
{
	const uint8_t *low = khv_ram_ptr(ram, 0, KHV_GPA_HIGH);

	for (size_t i = 0; i < KHV_GPA_HIGH; i += 509)
		if (low[i] != CANARY)
			complain("a loader wrote below 1 MiB");
}

static struct khv_ram ram;
static uint64_t loaded, refused, booted;

static void one_case(uint64_t seed, uint64_t number)
{
	static char cmdline[KHV_CMDLINE_ROOM + 100];
	struct khv_blob f, initrd;
	struct khv_kernel kernel;
	bool with_initrd, watch;
	size_t len;
	int err;

	state = seed ^ number * 0xd1342543de82ef95ull;
	watch = one_in(64);
	if (watch)
		memset(khv_ram_ptr(&ram, 0, KHV_GPA_HIGH), CANARY, KHV_GPA_HIGH);
	f = random_kernel();
	tap_error_clear();
	err = khv_kernel_load(&f, &ram, &kernel);
	khv_blob_free(&f);
	if (err) {
		if (!tap_error[0])
			complain("refused without a reason");
		refused++;
		return;
	}
	loaded++;
	check_kernel(&ram, &kernel);
	if (watch)
		check_canary(&ram);

	len = below(one_in(4) ? sizeof(cmdline) : 64);
	memset(cmdline, 'x', len);
	cmdline[len] = '\0';
	with_initrd = one_in(2);
	initrd = blob(with_initrd ? below(one_in(256) ? MEM + 0x10000 : 0x1000) : 0);
	tap_error_clear();
	err = khv_params_write(&ram, &kernel, cmdline, with_initrd ? &initrd : NULL);
	if (!err) {
		booted++;
		check_params(&ram, &kernel, len, with_initrd ? &initrd : NULL);
	} else if (!tap_error[0]) {
		complain("parameters refused without a reason");
	}
	khv_blob_free(&initrd);
}

static uint64_t option(int argc, char **argv, const char *name, uint64_t otherwise)
{
	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], name))
			return strtoull(argv[i + 1], NULL, 0);
	return otherwise;
}

int main(int argc, char **argv)
{
	uint64_t seconds = option(argc, argv, "--seconds", 0);
	uint64_t seed = option(argc, argv, "--seed", (uint64_t)time(NULL));
	uint64_t number = option(argc, argv, "--first", 0);
	uint64_t count = option(argc, argv, "--count", seconds ? UINT64_MAX : 1000000), done;
	time_t end = time(NULL) + (time_t)seconds;

	if (khv_ram_init(&ram, MEM))
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %" PRIu64 ", first case %" PRIu64 "\n", seed, number);
	for (done = 0; done < count; done++, number++) {
		/* The last line before a report of the sanitizer's says where it was. */
		if (!(done % 100000) && done)
			printf("case %" PRIu64 "\n", number);
		if (seconds && !(done % 256) && time(NULL) >= end)
			break;
		one_case(seed, number);
	}
	printf("seed %" PRIu64 ": %" PRIu64 " cases, %" PRIu64 " refused, %" PRIu64
	       " loaded, %" PRIu64 " of them with their parameters\n",
	       seed, done, refused, loaded, booted);
	khv_ram_uninit(&ram);
	/* Luck of that kind does not exist: the generator would be broken. */
	return !done || (done > 1000 && (!booted || !refused));
}
