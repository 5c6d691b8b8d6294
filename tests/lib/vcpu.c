// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs: creation, registers, CPUID, and running them; the other part of vm.h.
 */
#include "vm.h"

#include <asm/processor-flags.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ksft.h"

#define CPUID_MAX	256

struct vcpu *vcpu_create_bare(struct vm *vm, unsigned int id)
{
	struct vcpu *vcpu = calloc(1, sizeof(*vcpu));

	ASSERT(vcpu);
	vcpu->vm = vm;
	vcpu->fd = try_ioctl_value(vm->fd, KVM_CREATE_VCPU, id);
	ASSERT(vcpu->fd >= 0, "KVM_CREATE_VCPU: %s", strerror(-vcpu->fd));
	vcpu->run_size = try_ioctl_value(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	ASSERT(vcpu->run != MAP_FAILED, "mmap: %s", strerror(errno));
	return vcpu;
}

/* "KVM_GET_STATS_FD" in the kernel's api.rst. */
uint64_t vcpu_statistic(struct vcpu *vcpu, const char *name)
{
	int fd = try_ioctl(vcpu->fd, KVM_GET_STATS_FD, NULL);
	struct kvm_stats_header header;
	struct kvm_stats_desc *desc;
	uint64_t value = 0;
	bool found = false;
	size_t size;
	unsigned int i;

	ASSERT(fd >= 0, "KVM_GET_STATS_FD: %s", strerror(-fd));
	ASSERT(pread(fd, &header, sizeof(header), 0) == sizeof(header));
	size = sizeof(*desc) + header.name_size;
	desc = malloc(size);
	ASSERT(desc);
	for (i = 0; i < header.num_desc && !found; i++) {
		ASSERT(pread(fd, desc, size, header.desc_offset + i * size) == (ssize_t)size);
		if (!strcmp(desc->name, name))
			found = pread(fd, &value, sizeof(value), header.data_offset +
				      desc->offset) == sizeof(value);
	}
	ASSERT(found, "the vCPU's statistics do not count %s", name);
	free(desc);
	close(fd);
	return value;
}

struct vcpu *vcpu_create(struct vm *vm, unsigned int id)
{
	struct vcpu *vcpu = vcpu_create_bare(vm, id);
	struct kvm_cpuid2 *cpuid = supported_cpuid(vm->dev);
	struct kvm_cpuid_entry2 *leaf = cpuid_find(cpuid, 1, 0);

	if (leaf)	/* initial APIC ID */
		leaf->ebx = (leaf->ebx & 0x00ffffff) | id << 24;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), 0);
	free(cpuid);
	return vcpu;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	munmap(vcpu->run, vcpu->run_size);
	close(vcpu->fd);
	free(vcpu);
}

static struct kvm_cpuid2 *cpuid_alloc(unsigned int count)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) +
					  CPUID_MAX * sizeof(cpuid->entries[0]));

	ASSERT(cpuid && count <= CPUID_MAX);
	cpuid->nent = count;
	return cpuid;
}

struct kvm_cpuid2 *supported_cpuid(int dev)
{
	struct kvm_cpuid2 *cpuid = cpuid_alloc(CPUID_MAX);

	ASSERT_EQ(try_ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid), 0);
	return cpuid;
}

/* KVM before 6.3 takes @count for an answer and returns it unchanged. */
struct kvm_cpuid2 *vcpu_get_cpuid(struct vcpu *vcpu, unsigned int count)
{
	struct kvm_cpuid2 *cpuid = cpuid_alloc(count);

	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_CPUID2, cpuid), 0);
	return cpuid;
}

struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *cpuid, uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 *e;

	for (e = cpuid->entries; e < cpuid->entries + cpuid->nent; e++)
		if (e->function == function &&
		    (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index))
			return e;
	return NULL;
}

void vcpu_get_regs(struct vcpu *vcpu, struct kvm_regs *regs)
{
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_REGS, regs), 0);
}

void vcpu_set_regs(struct vcpu *vcpu, struct kvm_regs *regs)
{
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_REGS, regs), 0);
}

void vcpu_get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_SREGS, sregs), 0);
}

void vcpu_set_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_SREGS, sregs), 0);
}

/* struct kvm_msrs with room for one. */
union one_msr {
	struct kvm_msrs msrs;
	uint8_t space[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

int try_set_msr(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	union one_msr m = { .msrs = { .nmsrs = 1 } };

	m.msrs.entries[0].index = index;
	m.msrs.entries[0].data = value;
	return try_ioctl(vcpu->fd, KVM_SET_MSRS, &m);
}

int try_get_msr(struct vcpu *vcpu, uint32_t index, uint64_t *value)
{
	union one_msr m = { .msrs = { .nmsrs = 1 } };
	int ret;

	m.msrs.entries[0].index = index;
	ret = try_ioctl(vcpu->fd, KVM_GET_MSRS, &m);
	*value = m.msrs.entries[0].data;
	return ret;
}

int try_run(struct vcpu *vcpu)
{
	return try_ioctl_value(vcpu->fd, KVM_RUN, 0);
}

void vcpu_run_to(struct vcpu *vcpu, uint32_t reason)
{
	int ret;

	do {
		ret = try_run(vcpu);
	} while (ret == -EINTR || ret == -EAGAIN);
	if (ret) {
		ksft_fail(__FILE__, __LINE__, "KVM_RUN: %s", strerror(-ret));
		vcpu_describe(vcpu);
		ksft_abort();
	}
	vcpu_expect_exit(vcpu, reason);
}

void vcpu_run_to_window(struct vcpu *vcpu)
{
	EXPECT_EQ(vcpu->run->if_flag, 0);
	EXPECT_EQ(vcpu->run->ready_for_interrupt_injection, 0);
	vcpu->run->request_interrupt_window = 1;
	vcpu_run_to(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	EXPECT_EQ(vcpu->run->if_flag, 1);
	EXPECT_EQ(vcpu->run->ready_for_interrupt_injection, 1);
	vcpu->run->request_interrupt_window = 0;
}

void vcpu_expect_exit(struct vcpu *vcpu, uint32_t reason)
{
	if (vcpu->run->exit_reason == reason)
		return;
	ksft_fail(__FILE__, __LINE__, "exit reason %u, not %u", vcpu->run->exit_reason, reason);
	vcpu_describe(vcpu);
	ksft_abort();
}

static void describe_exit(const struct kvm_run *run)
{
	uint64_t data = 0;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		ksft_note("exit: port %#x, %s, %u times %u bytes", run->io.port,
			  run->io.direction == KVM_EXIT_IO_OUT ? "out" : "in",
			  run->io.count, run->io.size);
		break;
	case KVM_EXIT_MMIO:
		memcpy(&data, run->mmio.data, sizeof(data));
		ksft_note("exit: MMIO %s %#llx, %u bytes, data %#llx",
			  run->mmio.is_write ? "write" : "read",
			  (unsigned long long)run->mmio.phys_addr, run->mmio.len,
			  (unsigned long long)data);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		ksft_note("exit: failed entry, hardware reason %#llx",
			  (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		ksft_note("exit: internal error, suberror %u, %u data, first %#llx",
			  run->internal.suberror, run->internal.ndata,
			  (unsigned long long)run->internal.data[0]);
		break;
	default:
		ksft_note("exit: reason %u", run->exit_reason);
	}
}

void vcpu_describe(struct vcpu *vcpu)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	describe_exit(vcpu->run);
	if (try_ioctl(vcpu->fd, KVM_GET_REGS, &r) || try_ioctl(vcpu->fd, KVM_GET_SREGS, &s))
		return;
	ksft_note("cs %#x base %#llx rip %#llx rsp %#llx rflags %#llx", s.cs.selector,
		  (unsigned long long)s.cs.base, (unsigned long long)r.rip,
		  (unsigned long long)r.rsp, (unsigned long long)r.rflags);
	ksft_note("rax %#llx rbx %#llx rcx %#llx rdx %#llx rsi %#llx rdi %#llx",
		  (unsigned long long)r.rax, (unsigned long long)r.rbx,
		  (unsigned long long)r.rcx, (unsigned long long)r.rdx,
		  (unsigned long long)r.rsi, (unsigned long long)r.rdi);
	ksft_note("cr0 %#llx cr2 %#llx cr3 %#llx cr4 %#llx efer %#llx",
		  (unsigned long long)s.cr0, (unsigned long long)s.cr2,
		  (unsigned long long)s.cr3, (unsigned long long)s.cr4,
		  (unsigned long long)s.efer);
}

static void set_start(struct vcpu *vcpu, uint64_t rip, uint64_t rsp)
{
	struct kvm_regs regs;

	vcpu_get_regs(vcpu, &regs);
	regs.rip = rip;
	regs.rsp = rsp;
	regs.rflags = X86_EFLAGS_FIXED;
	vcpu_set_regs(vcpu, &regs);
}

static void set_real_segment(struct kvm_segment *seg, uint16_t segment)
{
	seg->selector = segment;
	seg->base = (uint32_t)segment << 4;
}

void vcpu_real_mode(struct vcpu *vcpu, uint16_t segment, struct blob code)
{
	struct kvm_sregs sregs;

	memcpy(vcpu->vm->ram + ((uint32_t)segment << 4), code.start, code.size);
	vcpu_get_sregs(vcpu, &sregs);
	set_real_segment(&sregs.cs, segment);
	set_real_segment(&sregs.ds, segment);
	set_real_segment(&sregs.es, segment);
	set_real_segment(&sregs.ss, segment);
	vcpu_set_sregs(vcpu, &sregs);
	set_start(vcpu, 0, 0xfff0);
}

void set_flat_segments(struct kvm_sregs *sregs, bool code64)
{
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1,
		.db = 1, .s = 1, .g = 1,
	};

	sregs->ds = sregs->es = sregs->ss = sregs->fs = sregs->gs = data;
	sregs->cs = data;
	sregs->cs.selector = 0x08;
	sregs->cs.type = 11;
	sregs->cs.l = code64;
	sregs->cs.db = !code64;
}

void vcpu_protected_mode(struct vcpu *vcpu, uint32_t eip, uint32_t esp)
{
	struct kvm_sregs sregs;

	vcpu_get_sregs(vcpu, &sregs);
	set_flat_segments(&sregs, false);
	sregs.cr0 |= X86_CR0_PE;
	vcpu_set_sregs(vcpu, &sregs);
	set_start(vcpu, eip, esp);
}
