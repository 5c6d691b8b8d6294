// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arguments: for calls whose structures have inner rules, a generator each that
 * mostly keeps them; for all others, and so for new ones, what a call with the
 * same size returned, or noise. Breaking them further is gen_mutate()'s, putting
 * them in bad places ioctl_memory.c's.
 */
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "ioctl_fuzz.h"
#include "vm.h"

#define CPUID_ROOM	256
#define CORPUS		64
#define CORPUS_SIZE	4096

/* Guest-physical addresses where something is, or begins, or ends. */
static const uint64_t places[] = {
	0, 0x1000, 0x10000, 0x30000, 0x100000, 0x200000, 0x3ff000, 0x400000, 0x800000, 0xd0000000,
	0xd0000ffc, 0xfec00000, 0xfee00000, 0xfee00300, 0xfffbd000, 0xfffff000, 1ULL << 32,
	1ULL << 36, 1ULL << 40, 1ULL << 47, 1ULL << 52, 1ULL << 63,
};

static const uint32_t msrs[] = {
	0x10, 0x1b, 0x3a, 0x3b, 0x48, 0x49, 0x8b, 0xc1, 0xce, 0xfe, 0x10a, 0x174, 0x175, 0x176,
	0x17a, 0x186, 0x1a0, 0x1d9, 0x200, 0x201, 0x250, 0x277, 0x2ff, 0x345, 0x38f, 0x480, 0x48b,
	0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d03, 0x4b564d04, 0x4b564d05, 0x4b564d06,
	0x6e0, 0x808, 0x80b, 0x830, 0x832, 0x838, 0x83f, 0xc0000080, 0xc0000081, 0xc0000082,
	0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0010015, 0xc0010117, 0x11,
	0x12, 0x40000000, 0x40000020, 0xc001001f, 0xc0010140,
};

static const unsigned int capabilities[] =
#define ITSELF(number)	number
	KHV_CAPABILITIES(ITSELF);

static struct kvm_cpuid2 *cpuid;
static struct {
	unsigned int size;
	uint8_t data[CORPUS_SIZE];
} corpus[CORPUS];

#define PICK(rng, array) ((array)[below(rng, COUNT_OF(array))])

uint64_t rnd(struct rng *rng)
{
	uint64_t z = (rng->state += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint64_t below(struct rng *rng, uint64_t n)
{
	return rnd(rng) % n;
}

uint64_t odd_number(struct rng *rng)
{
	uint64_t r = rnd(rng);

	switch (below(rng, 6)) {
	case 0:
		return r % 4;
	case 1:
		return 1ULL << r % 64;
	case 2:
		return (1ULL << r % 64) - 1;
	case 3:
		return -(1ULL << r % 64);
	case 4:
		return PICK(rng, places) + (r & 7) * 0x200;
	default:
		return r;
	}
}

void gen_init(int dev)
{
	cpuid = calloc(1, sizeof(*cpuid) + CPUID_ROOM * sizeof(cpuid->entries[0]));
	cpuid->nent = CPUID_ROOM;
	if (ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid))
		exit(1);
}

struct kvm_cpuid2 *gen_cpuid(void)
{
	return cpuid;
}

static unsigned int corpus_slot(unsigned int cmd)
{
	return _IOC_SIZE(cmd) * 0x9e3779b1U >> 26;
}

void gen_remember(unsigned int cmd, const void *data)
{
	unsigned int i = corpus_slot(cmd), size = _IOC_SIZE(cmd);

	if (!(_IOC_DIR(cmd) & _IOC_READ) || size > CORPUS_SIZE)
		return;
	corpus[i].size = size;
	memcpy(corpus[i].data, data, size);
}

static uint64_t guest_place(struct rng *rng)
{
	return one_in(rng, 10) ? odd_number(rng) : PICK(rng, places);
}

void gen_region(struct rng *rng, struct kvm_userspace_memory_region *r)
{
	static const uint64_t sizes[] = {
		0, 0, PAGE_SIZE, 5 * PAGE_SIZE, 0x200000, ARENA_SIZE, ARENA_SIZE, 2 * ARENA_SIZE,
		1ULL << 30, 1ULL << 39, (1ULL << 31) * PAGE_SIZE,
	};

	r->slot = one_in(rng, 10) ? odd_number(rng) : below(rng, 6);
	r->flags = one_in(rng, 10) ? odd_number(rng) : below(rng, 4);
	r->guest_phys_addr = one_in(rng, 3) ? guest_place(rng) : below(rng, 4) * ARENA_SIZE;
	r->memory_size = one_in(rng, 3) ? PICK(rng, sizes) : ARENA_SIZE;
	r->userspace_addr = (uintptr_t)arena;
	if (one_in(rng, 3))
		r->userspace_addr += (int64_t)(below(rng, 3000) * PAGE_SIZE) - (int64_t)ARENA_SIZE;
	if (one_in(rng, 20))
		r->userspace_addr = odd_number(rng);
}

static size_t gen_msrs(struct rng *rng, struct kvm_msrs *m)
{
	unsigned int i, count = one_in(rng, 10) ? below(rng, 300) : 1 + below(rng, 4);

	for (i = 0; i < count; i++) {
		m->entries[i].index = one_in(rng, 10) ? rnd(rng) : PICK(rng, msrs);
		m->entries[i].reserved = 0;
		m->entries[i].data = odd_number(rng);
	}
	m->nmsrs = one_in(rng, 20) ? odd_number(rng) : count;
	m->pad = 0;
	return sizeof(*m) + count * sizeof(m->entries[0]);
}

static size_t gen_set_cpuid(struct rng *rng, struct kvm_cpuid2 *c)
{
	size_t size;

	memcpy(c, cpuid, sizeof(*c) + cpuid->nent * sizeof(c->entries[0]));
	if (one_in(rng, 4))
		c->nent = below(rng, cpuid->nent);
	size = sizeof(*c) + c->nent * sizeof(c->entries[0]);
	if (one_in(rng, 10))
		c->nent = odd_number(rng);
	return size;
}

static size_t gen_routing(struct rng *rng, struct kvm_irq_routing *r)
{
	unsigned int i, count = one_in(rng, 10) ? below(rng, 600) : below(rng, 8);
	struct kvm_irq_routing_entry *e;

	memset(r, 0, sizeof(*r) + count * sizeof(*e));
	for (i = 0; i < count; i++) {
		e = &r->entries[i];
		e->gsi = one_in(rng, 10) ? odd_number(rng) : below(rng, 32);
		e->type = one_in(rng, 10) ? below(rng, 8) : 1 + below(rng, 2);
		e->u.irqchip.irqchip = below(rng, 4);
		e->u.irqchip.pin = below(rng, 26);
		if (e->type == KVM_IRQ_ROUTING_MSI) {
			e->u.msi.address_lo = 0xfee00000 | (rnd(rng) & 0xff00c);
			e->u.msi.data = rnd(rng) & 0xc7ff;
		}
	}
	r->nr = one_in(rng, 20) ? odd_number(rng) : count;
	r->flags = one_in(rng, 20);
	return sizeof(*r) + count * sizeof(*e);
}

static size_t gen_irqfd(struct fuzz_thread *t, struct kvm_irqfd *irqfd)
{
	*irqfd = (struct kvm_irqfd) {
		.fd = one_in(&t->rng, 10) ? world_any_fd(t) : world_fd(t, OTHER),
		.gsi = one_in(&t->rng, 10) ? odd_number(&t->rng) : below(&t->rng, 32),
		.flags = below(&t->rng, 4),
		.resamplefd = world_fd(t, OTHER),
	};
	return sizeof(*irqfd);
}

static size_t gen_ioeventfd(struct fuzz_thread *t, struct kvm_ioeventfd *e)
{
	static const uint8_t lengths[] = { 0, 1, 2, 4, 8 };
	struct rng *rng = &t->rng;

	*e = (struct kvm_ioeventfd) {
		.datamatch = below(rng, 3),
		.addr = one_in(rng, 10) ? guest_place(rng) : (one_in(rng, 2) ? 0x6e0 : 0xd0000000),
		.len = one_in(rng, 10) ? odd_number(rng) : PICK(rng, lengths),
		.fd = one_in(rng, 10) ? world_any_fd(t) : world_fd(t, OTHER),
		.flags = below(rng, 8),
	};
	return sizeof(*e);
}

static size_t gen_enable_cap(struct rng *rng, struct kvm_enable_cap *e)
{
	memset(e, 0, sizeof(*e));
	e->cap = one_in(rng, 3) ? below(rng, 256) : PICK(rng, capabilities);
	e->flags = one_in(rng, 20) ? odd_number(rng) : 0;
	e->args[0] = one_in(rng, 3) ? odd_number(rng) : below(rng, 32);
	e->args[1] = one_in(rng, 2) ? (uintptr_t)arena : odd_number(rng);
	return sizeof(*e);
}

static size_t gen_msr_filter(struct rng *rng, uint8_t *buf)
{
	struct kvm_msr_filter *f = (void *)buf;
	unsigned int i;

	memset(f, 0, sizeof(*f));
	f->flags = one_in(rng, 10) ? odd_number(rng) : below(rng, 2);
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		if (one_in(rng, 2))
			continue;
		f->ranges[i].flags = one_in(rng, 10) ? below(rng, 8) : 1 + below(rng, 3);
		f->ranges[i].nmsrs = one_in(rng, 10) ? odd_number(rng) : 1 + below(rng, 200);
		f->ranges[i].base = one_in(rng, 3) ? odd_number(rng) : PICK(rng, msrs);
		f->ranges[i].bitmap = (void *)(arena + below(rng, ARENA_SIZE));
	}
	return sizeof(*f);
}

/* SIGUSR1 ends KVM_RUN, so it must never be blocked. */
static size_t gen_signal_mask(struct rng *rng, uint8_t *buf)
{
	struct kvm_signal_mask *m = (void *)buf;
	uint64_t set = rnd(rng) & ~(1ULL << (SIGUSR1 - 1));

	m->len = one_in(rng, 10) ? below(rng, 17) : 8;
	memcpy(m->sigset, &set, sizeof(set));
	return sizeof(*m) + sizeof(set);
}

static size_t gen_regs(struct rng *rng, struct kvm_regs *r)
{
	uint64_t *reg = (uint64_t *)r;
	unsigned int i;

	for (i = 0; i < sizeof(*r) / sizeof(*reg); i++)
		reg[i] = one_in(rng, 3) ? odd_number(rng) : guest_place(rng);
	r->rip = one_in(rng, 10) ? odd_number(rng) : ARENA_CODE + below(rng, nr_guests) * PAGE_SIZE;
	r->rflags = one_in(rng, 4) ? odd_number(rng) : 0x202;
	return sizeof(*r);
}

static size_t gen_dirty_log(struct rng *rng, unsigned int cmd, uint8_t *buf)
{
	struct kvm_clear_dirty_log *c = (void *)buf;
	struct kvm_dirty_log *g = (void *)buf;
	void *bitmap = arena + below(rng, ARENA_SIZE / 8) * 8;

	if (cmd == KVM_GET_DIRTY_LOG) {
		*g = (struct kvm_dirty_log) { .slot = below(rng, 6), .dirty_bitmap = bitmap };
		return sizeof(*g);
	}
	*c = (struct kvm_clear_dirty_log) {
		.slot = below(rng, 6), .first_page = below(rng, 20) * 64,
		.num_pages = one_in(rng, 4) ? odd_number(rng) : below(rng, 16) * 64,
		.dirty_bitmap = bitmap,
	};
	return sizeof(*c);
}

static size_t gen_coalesced(struct rng *rng, struct kvm_coalesced_mmio_zone *z)
{
	z->pio = one_in(rng, 10) ? odd_number(rng) : below(rng, 2);
	z->addr = z->pio ? 0x6d0 + below(rng, 32) : 0xd0000000 + below(rng, 0x1000);
	if (one_in(rng, 10))
		z->addr = guest_place(rng);
	z->size = one_in(rng, 10) ? odd_number(rng) : 1 + below(rng, 0x100);
	return sizeof(*z);
}

/* Structures with rules; 0 for those without. */
static size_t gen_known(struct fuzz_thread *t, unsigned int cmd)
{
	struct rng *rng = &t->rng;
	void *buf = t->buf;
	uint32_t *words = buf;

	switch (cmd) {
	case KVM_SET_USER_MEMORY_REGION:
		gen_region(rng, buf);
		return sizeof(struct kvm_userspace_memory_region);
	case KVM_GET_MSRS:
	case KVM_SET_MSRS:
		return gen_msrs(rng, buf);
	case KVM_SET_CPUID2:
		return gen_set_cpuid(rng, buf);
	case KVM_GET_CPUID2:
	case KVM_GET_SUPPORTED_CPUID:
	case KVM_GET_EMULATED_CPUID:
	case KVM_GET_MSR_INDEX_LIST:
	case KVM_GET_MSR_FEATURE_INDEX_LIST:
		words[0] = one_in(rng, 4) ? odd_number(rng) : below(rng, 300);
		return 8 + 300 * sizeof(struct kvm_cpuid_entry2);
	case KVM_SET_GSI_ROUTING:
		return gen_routing(rng, buf);
	case KVM_IRQFD:
		return gen_irqfd(t, buf);
	case KVM_IOEVENTFD:
		return gen_ioeventfd(t, buf);
	case KVM_ENABLE_CAP:
		return gen_enable_cap(rng, buf);
	case KVM_X86_SET_MSR_FILTER:
		return gen_msr_filter(rng, buf);
	case KVM_SET_SIGNAL_MASK:
		return gen_signal_mask(rng, buf);
	case KVM_SET_REGS:
		return gen_regs(rng, buf);
	case KVM_GET_DIRTY_LOG:
	case KVM_CLEAR_DIRTY_LOG:
		return gen_dirty_log(rng, cmd, buf);
	case KVM_REGISTER_COALESCED_MMIO:
	case KVM_UNREGISTER_COALESCED_MMIO:
		return gen_coalesced(rng, buf);
	case KVM_IRQ_LINE:
	case KVM_IRQ_LINE_STATUS:
		words[0] = one_in(rng, 10) ? odd_number(rng) : below(rng, 26);
		words[1] = below(rng, 2);
		return sizeof(struct kvm_irq_level);
	case KVM_GET_IRQCHIP:
		words[0] = one_in(rng, 10) ? odd_number(rng) : below(rng, 3);
		return sizeof(struct kvm_irqchip);
	case KVM_SIGNAL_MSI:
		memset(buf, 0, sizeof(struct kvm_msi));
		words[0] = 0xfee00000 | (rnd(rng) & 0xff00c);
		words[2] = rnd(rng) & 0xc7ff;
		return sizeof(struct kvm_msi);
	case KVM_INTERRUPT:
		words[0] = below(rng, one_in(rng, 10) ? 300 : 256);
		return sizeof(struct kvm_interrupt);
	case KVM_SET_MP_STATE:
		words[0] = below(rng, one_in(rng, 4) ? 12 : 4);
		return sizeof(struct kvm_mp_state);
	case KVM_CREATE_PIT2:
		memset(buf, 0, sizeof(struct kvm_pit_config));
		words[0] = below(rng, 4);
		return sizeof(struct kvm_pit_config);
	case KVM_REINJECT_CONTROL:	/* its number does not say that it has a structure */
		memset(buf, 0, sizeof(struct kvm_reinject_control));
		words[0] = below(rng, 2);
		return sizeof(struct kvm_reinject_control);
	case KVM_SET_GUEST_DEBUG:
		memset(buf, 0, sizeof(struct kvm_guest_debug));
		words[0] = one_in(rng, 4) ? odd_number(rng) : below(rng, 4) | below(rng, 4) << 16;
		((uint64_t *)buf)[1] = ARENA_CODE;
		((uint64_t *)buf)[8] = odd_number(rng);
		return sizeof(struct kvm_guest_debug);
	case KVM_TRANSLATE:
		memset(buf, 0, sizeof(struct kvm_translation));
		*(uint64_t *)buf = guest_place(rng);
		return sizeof(struct kvm_translation);
	case KVM_SET_DEVICE_ATTR:
	case KVM_GET_DEVICE_ATTR:
	case KVM_HAS_DEVICE_ATTR:
		*(struct kvm_device_attr *)buf = (struct kvm_device_attr) {
			.group = one_in(rng, 4) ? odd_number(rng) : below(rng, 3),
			.attr = one_in(rng, 4) ? odd_number(rng) : below(rng, 3),
			.addr = (uintptr_t)arena + below(rng, ARENA_SIZE),
		};
		return sizeof(struct kvm_device_attr);
	default:
		return 0;
	}
}

static uint64_t gen_number(struct rng *rng, unsigned int cmd)
{
	switch (cmd) {
	case KVM_CHECK_EXTENSION:
		return one_in(rng, 4) ? odd_number(rng) : below(rng, 300);
	case KVM_CREATE_VCPU:
		return one_in(rng, 4) ? odd_number(rng) : below(rng, 8);
	case KVM_RUN:
	case KVM_CREATE_VM:
	case KVM_GET_API_VERSION:
	case KVM_GET_VCPU_MMAP_SIZE:
		return one_in(rng, 50) ? odd_number(rng) : 0;
	case KVM_SET_NR_MMU_PAGES:
		return one_in(rng, 4) ? odd_number(rng) : 64 + below(rng, 200);
	case KVM_SET_TSS_ADDR:
		return guest_place(rng);
	default:
		return one_in(rng, 2) ? odd_number(rng) : below(rng, 4);
	}
}

uint64_t gen_argument(struct fuzz_thread *t, unsigned int cmd, size_t *len, bool *tame)
{
	unsigned int size = _IOC_SIZE(cmd), i;

	*tame = cmd == KVM_SET_SIGNAL_MASK;
	*len = gen_known(t, cmd);
	if (*len)
		return 0;
	if (!size)
		return gen_number(&t->rng, cmd);
	if (size > sizeof(t->buf))
		size = sizeof(t->buf);
	*len = size;
	i = corpus_slot(cmd);
	if (corpus[i].size == size && !one_in(&t->rng, 8)) {
		memcpy(t->buf, corpus[i].data, size);
	} else if (one_in(&t->rng, 4)) {
		for (i = 0; i + 8 <= size; i += 8)
			*(uint64_t *)(t->buf + i) = odd_number(&t->rng);
	} else {
		memset(t->buf, 0, size);
		for (i = 0; i < size / 16 + 1; i++)
			t->buf[below(&t->rng, size)] = below(&t->rng, 16);
	}
	return 0;
}

void gen_mutate(struct fuzz_thread *t, size_t len)
{
	unsigned int n = 1 + below(&t->rng, 4);
	uint64_t value;
	size_t width, at;

	while (n--) {
		width = 1UL << below(&t->rng, 4);
		if (width > len)
			continue;
		at = below(&t->rng, len) & -width;
		if (at + width > len)
			continue;
		value = odd_number(&t->rng);
		if (one_in(&t->rng, 2)) {
			memcpy(&value, t->buf + at, width);
			value ^= 1ULL << below(&t->rng, 8 * width);
		}
		memcpy(t->buf + at, &value, width);
	}
}
