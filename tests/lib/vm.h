/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM as a client of the KVM ABI sees it: descriptors, memory, vCPUs and their
 * registers. What runs inside, and how a guest talks to its test, is in guest.h.
 *
 * Functions without a result abort the test when they fail; those named try_
 * return 0 or more, or -errno.
 */
#ifndef KHV_TESTS_VM_H
#define KHV_TESTS_VM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __packed
#define __packed	__attribute__((packed))
#endif
#define __aligned(n)	__attribute__((aligned(n)))

#define PAGE_SIZE	4096UL
#define KiB(n)		((n) * 1024ULL)
#define MiB(n)		((n) * 1024ULL * 1024)
#define GiB(n)		((n) * 1024ULL * 1024 * 1024)

/* Slot 0: memory at guest-physical 0. */
#define VM_RAM_SIZE	MiB(16)

#define VM_IRQCHIP	0x1	/* PIC, I/O APIC and local APICs in the kernel */
#define VM_PIT		0x2	/* and the PIT */

struct vm {
	int dev;
	int fd;
	uint8_t *ram;
	size_t ram_size;
	unsigned int started;		/* guest.c: vCPUs pointed at a function */
	struct mmio_device *mmio;	/* guest.c: answers MMIO exits, or NULL */
	struct pio_device *pio;		/* guest.c: answers port exits, or NULL */
};

/* Guest code in assembly: GUEST_BLOB(), BLOB(). */
struct blob {
	const void *start;
	size_t size;
};

struct vcpu {
	struct vm *vm;
	int fd;
	struct kvm_run *run;
	size_t run_size;
};

/* ioctl() with the result 0 or more, or -errno. */
int try_ioctl(int fd, unsigned long request, void *arg);
int try_ioctl_value(int fd, unsigned long request, unsigned long arg);

/* Zeroed anonymous memory, without huge pages unless @huge. Aborts when there is none. */
void *memory_map(size_t size, bool huge);

/*
 * A userfaultfd for anonymous memory that nobody has touched yet: who does, waits until the
 * descriptor says what is there. Skips the test where there is none.
 */
int memory_pager(void *p, size_t size);

/*
 * Whether this host is QEMU's software emulation, whose processor leaves out
 * checks that a real one makes on what a guest does without an exit.
 */
bool host_is_tcg(void);

/* Whether guests run on VMX here. */
bool host_is_vmx(void);

/*
 * Whether the device under test should run guests in real mode, judged by this host
 * and not by what the device says. VMX does so only as an unrestricted guest, which
 * takes nested paging; khv refuses it otherwise, where KVM emulates every instruction.
 */
bool host_runs_real_mode(void);

/* Whether the processor walks a second level of tables for the device's guests. */
bool host_has_nested_paging(void);

/* Whether khv under test has the processor virtualize x2APICs. */
bool host_virtualizes_x2apic(void);
/* As all processors do that virtualize APICs, and Bochs does not. */
bool host_has_posted_interrupts(void);

/*
 * For tests whose threads compete without a pause: on Bochs with its one processor
 * the host's timer gets lost under them, on KVM just as on khv. Skips the test there.
 */
void need_race(void);

int dev_open(void);
int dev_check_extension(int dev, long capability);

/* A VM with @ram_size bytes in slot 0 (none if 0) and @flags of VM_*. */
struct vm *vm_create(size_t ram_size, unsigned int flags);
void vm_destroy(struct vm *vm);
int vm_check_extension(struct vm *vm, long capability);
/* Skips the test when the capability is 0. */
void vm_need(struct vm *vm, long capability, const char *name);

int try_set_slot(struct vm *vm, unsigned int slot, unsigned int flags, uint64_t gpa,
		 uint64_t size, void *hva);
void vm_set_slot(struct vm *vm, unsigned int slot, unsigned int flags, uint64_t gpa,
		 uint64_t size, void *hva);
void vm_irq_line(struct vm *vm, unsigned int gsi, int level);
/* Makes @gsi the only one, and @data's interrupt at vCPU 0's APIC. 0 or -errno. */
int try_route_msi(struct vm *vm, uint32_t gsi, uint32_t data);

/* With all of the supported CPUID; _bare without any. */
struct vcpu *vcpu_create(struct vm *vm, unsigned int id);
struct vcpu *vcpu_create_bare(struct vm *vm, unsigned int id);
void vcpu_destroy(struct vcpu *vcpu);

/* KVM_GET_SUPPORTED_CPUID; the caller frees it. */
struct kvm_cpuid2 *supported_cpuid(int dev);
struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *cpuid, uint32_t function, uint32_t index);
/* A vCPU's own table, of @count entries; the caller frees it. */
struct kvm_cpuid2 *vcpu_get_cpuid(struct vcpu *vcpu, unsigned int count);

void vcpu_get_regs(struct vcpu *vcpu, struct kvm_regs *regs);
void vcpu_set_regs(struct vcpu *vcpu, struct kvm_regs *regs);
void vcpu_get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs);
void vcpu_set_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs);
/* 1 when the register took it, 0 when it was refused, -errno. */
int try_set_msr(struct vcpu *vcpu, uint32_t index, uint64_t value);
int try_get_msr(struct vcpu *vcpu, uint32_t index, uint64_t *value);

/* What the vCPU's statistics say under @name (KVM_GET_STATS_FD). */
uint64_t vcpu_statistic(struct vcpu *vcpu, const char *name);

/* KVM_RUN: 0 or -errno. */
int try_run(struct vcpu *vcpu);
/* KVM_RUN until it returns with @reason; goes on after EINTR and EAGAIN. */
void vcpu_run_to(struct vcpu *vcpu, uint32_t reason);
/* The guest, with interrupts off now, runs to where KVM_INTERRUPT is delivered at once. */
void vcpu_run_to_window(struct vcpu *vcpu);
/* Aborts the test unless the last exit had this reason; says what it was. */
void vcpu_expect_exit(struct vcpu *vcpu, uint32_t reason);
/* Remarks the last exit and the registers. */
void vcpu_describe(struct vcpu *vcpu);

/*
 * 16-bit real mode at @segment:0 with the other segments likewise and the
 * stack at its end; code is copied there. 32-bit protected mode at @eip with
 * flat segments, no paging. Neither changes general registers but RIP, RSP
 * and RFLAGS.
 */
void vcpu_real_mode(struct vcpu *vcpu, uint16_t segment, struct blob code);
void vcpu_protected_mode(struct vcpu *vcpu, uint32_t eip, uint32_t esp);
void set_flat_segments(struct kvm_sregs *sregs, bool code64);

/* Guest code in assembly, between the labels name_start and name_end. */
#define GUEST_BLOB(name)	extern const uint8_t name##_start[], name##_end[]
#define BLOB(name)		((struct blob) { name##_start, name##_end - name##_start })

#endif
