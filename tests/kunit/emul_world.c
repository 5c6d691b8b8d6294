// SPDX-License-Identifier: GPL-2.0-only
/*
 * The callbacks of the machine in emul_world.h.
 */
#include <linux/minmax.h>
#include <linux/string.h>

#include "emul_world.h"

static struct emul_world *world(struct khv_emul *em)
{
	return container_of(em, struct emul_world, em);
}

u8 world_device_byte(u64 addr)
{
	return (u8)(addr * 7 + 3);
}

static bool is_device(u64 addr)
{
	return addr >= WORLD_MMIO && addr < WORLD_MMIO + PAGE_SIZE;
}

/* The first byte of the range that is on @page, or WORLD_NO_FAULT. */
static u64 touches(u64 addr, u32 len, u64 page)
{
	if (page == WORLD_NO_FAULT || addr + len <= page || addr >= page + PAGE_SIZE)
		return WORLD_NO_FAULT;
	return max(addr, page);
}

static int check(struct khv_emul *em, u64 addr, u32 len, bool write)
{
	struct emul_world *w = world(em);
	u64 where = touches(addr, len, w->fault_page);

	if (where != WORLD_NO_FAULT)
		return khv_emul_page_fault(em, where, write ? 2 : 0);
	where = touches(addr, len, w->read_only_page);
	if (write && where != WORLD_NO_FAULT)
		return khv_emul_page_fault(em, where, 3);
	if (!is_device(addr) && (addr >= WORLD_MEM || len > WORLD_MEM - addr))
		return khv_emul_page_fault(em, addr, write ? 2 : 0);
	return KHV_EMUL_OK;
}

static int fetch(struct khv_emul *em, u64 addr, void *buf, u32 len)
{
	int rc = check(em, addr, len, false);

	KUNIT_EXPECT_LE(world(em)->test, (addr & ~PAGE_MASK) + len, PAGE_SIZE);
	if (rc)
		return rc;
	if (is_device(addr))
		return KHV_EMUL_UNHANDLEABLE;
	memcpy(buf, world(em)->mem + addr, len);
	return KHV_EMUL_OK;
}

static int read_device(struct emul_world *w, u64 addr, void *buf, u32 len)
{
	struct world_access *a = &w->answers[w->used];

	w->em.yield = true;
	if (w->used < w->nr_answers && a->addr == addr && a->len == len) {
		memcpy(buf, a->data, len);
		w->used++;
		return KHV_EMUL_OK;
	}
	w->pending.addr = addr;
	w->pending.len = len;
	return KHV_EMUL_IO_NEEDED;
}

static int read(struct khv_emul *em, u64 addr, void *buf, u32 len, u32 flags)
{
	int rc = check(em, addr, len, flags & KHV_EMUL_RMW);

	if (rc)
		return rc;
	if (is_device(addr))
		return read_device(world(em), addr, buf, len);
	memcpy(buf, world(em)->mem + addr, len);
	return KHV_EMUL_OK;
}

static int write(struct khv_emul *em, u64 addr, const void *buf, u32 len)
{
	struct emul_world *w = world(em);
	int rc = check(em, addr, len, true);

	if (rc)
		return rc;
	if (!is_device(addr)) {
		memcpy(w->mem + addr, buf, len);
		return KHV_EMUL_OK;
	}
	em->yield = true;
	KUNIT_EXPECT_LT(w->test, w->nr_writes, WORLD_ANSWERS);
	if (w->nr_writes < WORLD_ANSWERS) {
		struct world_access *a = &w->writes[w->nr_writes++];

		a->addr = addr;
		a->len = len;
		memcpy(a->data, buf, len);
	}
	return KHV_EMUL_OK;
}

static int compare_write(struct khv_emul *em, u64 addr, const void *old,
			 const void *new, u32 len)
{
	struct emul_world *w = world(em);

	if (w->swap_fails)
		return KHV_EMUL_RESTART;
	if (addr < WORLD_MEM && len <= WORLD_MEM - addr)
		KUNIT_EXPECT_EQ(w->test, memcmp(w->mem + addr, old, len), 0);
	return write(em, addr, new, len);
}

static int probe(struct khv_emul *em, u64 addr, u32 len, u32 flags)
{
	int rc = check(em, addr, len, flags & KHV_EMUL_WRITE);

	if (rc)
		return rc;
	return is_device(addr) ? KHV_EMUL_NOT_RAM : KHV_EMUL_OK;
}

static void count_port(struct emul_world *w, u32 size, u32 count)
{
	if (!w->port_calls++)
		w->port_first = count;
	w->port_bytes += size * count;
}

static int pio_in(struct khv_emul *em, u16 port, u32 size, void *buf, u32 count)
{
	struct emul_world *w = world(em);

	if (!w->port_in_kernel && !w->port_answered)
		return KHV_EMUL_IO_NEEDED;
	w->port_answered = false;
	em->yield |= !w->port_in_kernel;
	memset(buf, port & 0xff, size * count);
	count_port(w, size, count);
	return KHV_EMUL_OK;
}

static int pio_out(struct khv_emul *em, u16 port, u32 size, const void *buf, u32 count)
{
	struct emul_world *w = world(em);

	em->yield |= !w->port_in_kernel;
	memcpy(w->port_data, buf, min_t(u32, size * count, sizeof(w->port_data)));
	count_port(w, size, count);
	return KHV_EMUL_OK;
}

static int io_permitted(struct khv_emul *em, u16 port, u32 size)
{
	return world(em)->io_denied ? khv_emul_fault(em, KHV_EXC_GP, 0) : KHV_EMUL_OK;
}

static void get_segment(struct khv_emul *em, unsigned int seg, struct khv_emul_segment *out)
{
	*out = world(em)->segs[seg];
}

static int read_xmm(struct khv_emul *em, unsigned int reg, void *buf)
{
	memcpy(buf, world(em)->xmm[reg], 16);
	return KHV_EMUL_OK;
}

static int write_xmm(struct khv_emul *em, unsigned int reg, const void *buf)
{
	memcpy(world(em)->xmm[reg], buf, 16);
	return KHV_EMUL_OK;
}

static const struct khv_emul_ops world_ops = {
	.fetch = fetch,
	.read = read,
	.write = write,
	.compare_write = compare_write,
	.probe = probe,
	.pio_in = pio_in,
	.pio_out = pio_out,
	.io_permitted = io_permitted,
	.get_segment = get_segment,
	.read_xmm = read_xmm,
	.write_xmm = write_xmm,
};

struct emul_world *world_create(struct kunit *test, enum khv_emul_mode mode)
{
	struct emul_world *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->test = test;
	w->mem = kunit_kzalloc(test, WORLD_MEM, GFP_KERNEL);
	w->batch = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w->mem);
	KUNIT_ASSERT_NOT_NULL(test, w->batch);
	for (i = 0; i < KHV_EMUL_NR_SEGS; i++) {
		w->segs[i].limit = ~0U;
		w->segs[i].type = i == KHV_EMUL_CS ? 11 : 3;
		w->segs[i].db = mode == KHV_EMUL_PROT32;
		w->segs[i].l = i == KHV_EMUL_CS && mode == KHV_EMUL_LONG;
	}
	w->fault_page = WORLD_NO_FAULT;
	w->read_only_page = WORLD_NO_FAULT;
	w->em.ops = &world_ops;
	w->em.mode = mode;
	w->em.batch = w->batch;
	w->em.batch_size = PAGE_SIZE;
	w->em.cr0 = mode == KHV_EMUL_REAL ? 0 : X86_CR0_PE;
	w->em.cr4 = X86_CR4_OSFXSR;
	w->em.regs.rip = WORLD_CODE;
	w->em.regs.rflags = X86_EFLAGS_FIXED;
	w->em.regs.gpr[KHV_EMUL_RSP] = WORLD_STACK;
	return w;
}

void world_code(struct emul_world *w, const u8 *bytes, size_t len)
{
	memcpy(w->mem + WORLD_CODE, bytes, len);
	w->em.regs.rip = WORLD_CODE;
}

int world_step(struct emul_world *w)
{
	int rc;

	w->em.avail = 0;
	w->em.segs_valid = 0;
	w->used = 0;
	rc = khv_emul_decode(&w->em);
	return rc ? rc : khv_emul_execute(&w->em);
}

int world_run(struct emul_world *w, int *trips)
{
	struct world_access *a;
	int rc;
	u32 i;

	*trips = 0;
	w->nr_answers = 0;
	for (;;) {
		rc = world_step(w);
		if (rc != KHV_EMUL_IO_NEEDED || *trips == WORLD_ANSWERS)
			return rc;
		a = &w->answers[w->nr_answers++];
		*a = w->pending;
		for (i = 0; i < a->len; i++)
			a->data[i] = world_device_byte(a->addr + i);
		++*trips;
	}
}
