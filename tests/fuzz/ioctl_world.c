// SPDX-License-Identifier: GPL-2.0-only
/*
 * The descriptors that calls are made on: a small pool of each kind, shared by
 * all threads of a worker without a lock, so that they close, replace and use
 * them under each other's hands.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ioctl_fuzz.h"
#include "vm.h"

#define LISTED(number)	{ number, KIND, #number }
#define KIND DEVICE
static const struct call device_calls[] = KHV_DEVICE_IOCTLS(LISTED);
#undef KIND
#define KIND VM
static const struct call vm_calls[] = KHV_VM_IOCTLS(LISTED);
#undef KIND
#define KIND VCPU
static const struct call vcpu_calls[] = KHV_VCPU_IOCTLS(LISTED);
#undef KIND

struct call calls[MAX_CALLS];
unsigned int nr_calls;

static int pool[KINDS][POOL];
static uint8_t *run_area;		/* a slot for the mapping of each vCPU */

static void add_calls(const struct call *list, size_t count)
{
	memcpy(calls + nr_calls, list, count * sizeof(*list));
	nr_calls += count;
}

#define ADD_CALLS(list)	add_calls(list, COUNT_OF(list))

void world_init_calls(void)
{
	ADD_CALLS(device_calls);
	ADD_CALLS(vm_calls);
	ADD_CALLS(vcpu_calls);
}

void world_init(void)
{
	unsigned int i, k;

	for (k = 0; k < KINDS; k++)
		for (i = 0; i < POOL; i++)
			pool[k][i] = -1;
	run_area = mmap(NULL, POOL * RUN_MAP_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (run_area == MAP_FAILED)
		_exit(1);
}

enum kind world_result_kind(unsigned int cmd)
{
	switch (cmd) {
	case KVM_CREATE_VM:
		return VM;
	case KVM_CREATE_VCPU:
		return VCPU;
	case KVM_GET_STATS_FD:
		return STATS;
	default:
		return KINDS;
	}
}

void world_keep(struct fuzz_thread *t, enum kind kind, int fd)
{
	int old = __atomic_exchange_n(&pool[kind][below(&t->rng, POOL)], fd, __ATOMIC_ACQ_REL);

	if (old >= 0)
		close(old);
}

static int open_other(struct fuzz_thread *t)
{
	int pipes[2];

	switch (below(&t->rng, 4)) {
	case 0:
		if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK))
			return -1;
		close(pipes[0]);
		return pipes[1];
	case 1:
		return memfd_create("other", MFD_CLOEXEC);
	default:
		return eventfd(below(&t->rng, 2), EFD_CLOEXEC | EFD_NONBLOCK |
			       (one_in(&t->rng, 4) ? EFD_SEMAPHORE : 0));
	}
}

static void set_up_vm(struct fuzz_thread *t, int fd)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = ARENA_SIZE, .userspace_addr = (uintptr_t)arena,
	};
	struct kvm_pit_config pit = { 0 };

	if (!one_in(&t->rng, 8))
		do_ioctl(t, fd, KVM_SET_USER_MEMORY_REGION, (uintptr_t)&region);
	if (!one_in(&t->rng, 4)) {
		do_ioctl(t, fd, KVM_CREATE_IRQCHIP, 0);
		if (one_in(&t->rng, 2))
			do_ioctl(t, fd, KVM_CREATE_PIT2, (uintptr_t)&pit);
	}
}

static struct kvm_segment flat_segment(bool code)
{
	return (struct kvm_segment) {
		.limit = 0xffffffff, .selector = code ? 8 : 16, .type = code ? 11 : 3,
		.present = 1, .db = 1, .s = 1, .g = 1,
	};
}

void world_boot_vcpu(struct fuzz_thread *t, int fd)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_regs regs = {
		.rip = ARENA_CODE + below(&t->rng, nr_guests) * PAGE_SIZE, .rsp = 0x8000,
		.rsi = one_in(&t->rng, 2) ? below(&t->rng, 0x1000) :
		       (one_in(&t->rng, 2) ? 0xc0000080 : 0x4b564d00), .rflags = 2,
	};
	struct kvm_sregs sregs;

	if (do_ioctl(t, fd, KVM_GET_SREGS, (uintptr_t)&sregs) < 0)
		return;
	sregs.cs = flat_segment(true);
	sregs.ds = flat_segment(false);
	sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
	sregs.tr = (struct kvm_segment) { .limit = 0x67, .type = 11, .present = 1 };
	sregs.ldt = (struct kvm_segment) { .unusable = 1 };
	sregs.idt.limit = one_in(&t->rng, 2) ? 0x3ff : 0;
	sregs.cr0 = 0x31;
	sregs.cr3 = sregs.cr4 = sregs.efer = 0;
	do_ioctl(t, fd, KVM_SET_SREGS, (uintptr_t)&sregs);
	do_ioctl(t, fd, KVM_SET_REGS, (uintptr_t)&regs);
	if (one_in(&t->rng, 2))
		do_ioctl(t, fd, KVM_SET_MP_STATE, (uintptr_t)&runnable);
}

struct kvm_run *world_run_page(unsigned int i)
{
	return (struct kvm_run *)(run_area + i * RUN_MAP_SIZE);
}

static void unmap_run_page(unsigned int i)
{
	mmap(world_run_page(i), RUN_MAP_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	     -1, 0);
}

static void map_run_page(struct fuzz_thread *t, int fd, unsigned int i)
{
	size_t size = one_in(&t->rng, 8) ? 4096 * (1 + below(&t->rng, 3)) : RUN_MAP_SIZE;
	int flags = one_in(&t->rng, 8) ? MAP_PRIVATE : MAP_SHARED;

	mmap(world_run_page(i), size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd,
	     one_in(&t->rng, 16) ? 4096 * below(&t->rng, 3) : 0);
}

static int make(struct fuzz_thread *t, enum kind kind, unsigned int i)
{
	struct kvm_cpuid2 *cpuid = gen_cpuid();
	int fd, vm;

	switch (kind) {
	case DEVICE:
		return open("/dev/khv", O_RDWR | O_CLOEXEC);
	case VM:
		fd = do_ioctl(t, world_fd(t, DEVICE), KVM_CREATE_VM, 0);
		if (fd >= 0)
			set_up_vm(t, fd);
		return fd;
	case VCPU:
		vm = world_fd(t, VM);
		fd = do_ioctl(t, vm, KVM_CREATE_VCPU, below(&t->rng, one_in(&t->rng, 8) ? 70 : 3));
		if (fd < 0)
			return fd;
		if (!one_in(&t->rng, 8))
			do_ioctl(t, fd, KVM_SET_CPUID2, (uintptr_t)cpuid);
		world_boot_vcpu(t, fd);
		map_run_page(t, fd, i);
		return fd;
	case OTHER:
		return open_other(t);
	default:
		return -1;	/* only calls make it */
	}
}

int world_fd(struct fuzz_thread *t, enum kind kind)
{
	return world_fd_at(t, kind, below(&t->rng, POOL));
}

int world_fd_at(struct fuzz_thread *t, enum kind kind, unsigned int i)
{
	int fd = __atomic_load_n(&pool[kind][i], __ATOMIC_ACQUIRE), none = -1;

	if (fd >= 0)
		return fd;
	fd = make(t, kind, i);
	if (fd < 0)
		return fd;
	if (!__atomic_compare_exchange_n(&pool[kind][i], &none, fd, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		close(fd);
		fd = none;
	}
	return fd;
}

int world_any_fd(struct fuzz_thread *t)
{
	switch (below(&t->rng, 8)) {
	case 0:
		return odd_number(&t->rng);
	case 1:
		return below(&t->rng, 64);
	default:
		return world_fd(t, below(&t->rng, KINDS));
	}
}

void world_shuffle(struct fuzz_thread *t)
{
	enum kind kind = below(&t->rng, KINDS);
	unsigned int i = below(&t->rng, POOL);
	int fd;

	/* VMs die rarely enough for something to happen in them. */
	if (kind == VM && !one_in(&t->rng, 3))
		kind = OTHER;
	switch (below(&t->rng, 4)) {
	case 0:
		fd = dup(world_fd(t, kind));
		if (fd >= 0)
			world_keep(t, kind, fd);
		break;
	case 1:
		dup3(world_fd(t, kind), __atomic_load_n(&pool[kind][i], __ATOMIC_ACQUIRE),
		     O_CLOEXEC);
		break;
	default:
		fd = __atomic_exchange_n(&pool[kind][i], -1, __ATOMIC_ACQ_REL);
		if (fd >= 0)
			close(fd);
	}
}

/* A file of a VM in debugfs, or its statistics there: it may go at any time. */
static int open_debugfs(struct fuzz_thread *t)
{
	char path[512] = "/sys/kernel/debug/khv";
	struct dirent *entry, *chosen;
	int depth, fd, seen;
	DIR *dir;

	for (depth = 0; depth < 4; depth++) {
		dir = opendir(path);
		if (!dir)
			break;
		chosen = NULL;
		for (seen = 0; (entry = readdir(dir));)
			if (entry->d_name[0] != '.' && one_in(&t->rng, ++seen))
				chosen = entry;
		if (chosen && strlen(path) + strlen(chosen->d_name) + 2 < sizeof(path)) {
			strcat(path, "/");
			strcat(path, chosen->d_name);
		}
		closedir(dir);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd;
}

/*
 * What is done with descriptors but calls: a write to an eventfd may raise an
 * interrupt, one of statistics is read, and none of khv's may take offence.
 */
void world_poke(struct fuzz_thread *t)
{
	static const enum kind kinds[] = { OTHER, OTHER, OTHER, STATS, STATS, VM, VCPU, DEVICE };
	struct rng *rng = &t->rng;
	int fd = world_fd(t, kinds[below(rng, COUNT_OF(kinds))]);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLOUT };
	uint64_t value = 1;

	switch (below(rng, 8)) {
	case 0:
		pread(fd, t->buf, below(rng, 5000), one_in(rng, 2) ? 0 : odd_number(rng));
		break;
	case 1:
		lseek(fd, below(rng, 5000), SEEK_SET);
		break;
	case 2:
		read(fd, (void *)place(t, 64, false), below(rng, 5000));
		break;
	case 3:
		poll(&poll_fd, 1, 0);
		break;
	case 4:
		if (one_in(rng, 4))
			world_keep(t, OTHER, open_debugfs(t));
		break;
	default:
		write(fd, &value, sizeof(value));
	}
}

/* In an order that is different each time. */
void world_close_all(struct fuzz_thread *t)
{
	unsigned int n, i, first = below(&t->rng, KINDS * POOL);
	static const unsigned int steps[] = { 1, 7, 11, 13, 17, 29 };	/* coprime to 30 */
	unsigned int step = steps[below(&t->rng, 6)];

	_Static_assert(KINDS * POOL == 30, "the steps are chosen for this");
	for (n = 0; n < KINDS * POOL; n++) {
		i = (first + n * step) % (KINDS * POOL);
		if (pool[i / POOL][i % POOL] >= 0)
			close(pool[i / POOL][i % POOL]);
		pool[i / POOL][i % POOL] = -1;
		if (n < POOL && one_in(&t->rng, 2))
			unmap_run_page(n);
	}
}

void world_shuffle_run_pages(struct fuzz_thread *t)
{
	struct rng *rng = &t->rng;
	unsigned int i = below(rng, POOL);
	void *p = world_run_page(i);
	int fd;

	switch (below(rng, 6)) {
	case 0:
		unmap_run_page(i);
		break;
	case 1:
		mprotect(p, 4096 * (1 + below(rng, 2)), below(rng, 8));
		break;
	case 2:
		madvise(p, 4096, one_in(rng, 2) ? MADV_DONTNEED : MADV_DONTFORK);
		break;
	default:
		fd = world_fd_at(t, VCPU, i);
		if (fd >= 0)
			map_run_page(t, fd, i);
	}
}
