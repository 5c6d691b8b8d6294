// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: one memfd, mapped in one piece. Giving it to the hypervisor is
 * machine/vm.c's part.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "khv.h"
#include "machine/ram.h"

/* Large leaves need host and guest addresses that agree modulo the leaf's size. */
#define RAM_ALIGN (2 * KHV_MIB)

/* Map the memfd at a multiple of RAM_ALIGN. */
static void *map_aligned(int fd, uint64_t size)
{
	uint64_t room = size + RAM_ALIGN;
	uint8_t *area, *start;

	area = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return MAP_FAILED;
	start = area + (-(uintptr_t)area & (RAM_ALIGN - 1));
	if (mmap(start, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
		 fd, 0) == MAP_FAILED) {
		munmap(area, room);
		return MAP_FAILED;
	}
	if (start > area)
		munmap(area, (size_t)(start - area));
	if (start + size < area + room)
		munmap(start + size, (size_t)(area + room - (start + size)));
	return start;
}

int khv_ram_init(struct khv_ram *ram, uint64_t size)
{
	*ram = (struct khv_ram){
		.low_size = size < KHV_GPA_LOW_END ? size : KHV_GPA_LOW_END,
		.high_size = size < KHV_GPA_LOW_END ? 0 : size - KHV_GPA_LOW_END,
	};

	ram->memfd = memfd_create("khv-guest-ram", MFD_CLOEXEC);
	if (ram->memfd < 0)
		return khv_fail("allocate", "guest memory", NULL, "memfd_create: %m");
	if (ftruncate(ram->memfd, (off_t)size)) {
		khv_fail("allocate", "guest memory", "give the guest less with --mem",
			 "ftruncate: %m");
		goto err_close;
	}
	ram->base = map_aligned(ram->memfd, size);
	if (ram->base == MAP_FAILED) {
		khv_fail("allocate", "guest memory", "give the guest less with --mem", "mmap: %m");
		goto err_close;
	}
	/* Advice only: a kernel without huge pages for shared memory refuses it. */
	madvise(ram->base, size, MADV_HUGEPAGE);
	madvise(ram->base, size, MADV_DONTDUMP);
	return 0;

err_close:
	close(ram->memfd);
	return -1;
}

void khv_ram_uninit(struct khv_ram *ram)
{
	munmap(ram->base, ram->low_size + ram->high_size);
	close(ram->memfd);
}

void *khv_ram_ptr(const struct khv_ram *ram, uint64_t gpa, uint64_t len)
{
	if (gpa < ram->low_size && len <= ram->low_size - gpa)
		return ram->base + gpa;
	if (gpa >= KHV_GPA_4G && gpa - KHV_GPA_4G < ram->high_size &&
	    len <= ram->high_size - (gpa - KHV_GPA_4G))
		return ram->base + ram->low_size + (gpa - KHV_GPA_4G);
	return NULL;
}
