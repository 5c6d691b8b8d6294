// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test's half of guest.h: copying the program into the guest, starting it
 * and answering its exits.
 */
#include "guest.h"

#include <asm/processor-flags.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>

#include "ksft.h"

#define PTE_TABLE	0x07ULL		/* present, writable, user */
#define PTE_LARGE	0x87ULL
#define EFER_BITS	0xd01ULL	/* SCE, LME, LMA, NXE */

#define STACK_SIZE	16384

extern const uint8_t guest_entry[], guest_stubs[];
static uint8_t stacks[GUEST_CPUS][STACK_SIZE] __aligned(4096);

void *guest_address(struct vm *vm, const volatile void *variable)
{
	return vm->ram + (uintptr_t)variable;
}

uint64_t *guest_pde(struct vm *vm, uint64_t gpa)
{
	return (uint64_t *)guest_address(vm, &guest_pd[gpa >> 30 & 3][gpa >> 21 & 511]);
}

static void build_page_tables(void)
{
	unsigned int i;

	guest_pml4[0] = (uintptr_t)guest_pdpt | PTE_TABLE;
	for (i = 0; i < 4; i++)
		guest_pdpt[i] = (uintptr_t)guest_pd[i] | PTE_TABLE;
	for (i = 0; i < 4 * 512; i++)
		guest_pd[i / 512][i % 512] = i * MiB(2) | PTE_LARGE;
}

static void build_descriptors(void)
{
	uint64_t address;
	unsigned int i;

	/* Null, code, data, user data, user code, 32-bit code. */
	guest_gdt[1] = 0x00af9b000000ffff;
	guest_gdt[2] = 0x00cf93000000ffff;
	guest_gdt[3] = 0x00cff3000000ffff;
	guest_gdt[4] = 0x00affb000000ffff;
	guest_gdt[5] = 0x00cf9b000000ffff;
	for (i = 0; i < GUEST_CPUS; i++) {
		address = (uintptr_t)&guest_tss[i];
		guest_gdt[6 + 2 * i] = 0x0000890000000067 | (address & 0xffffff) << 16 |
				       (address >> 24 & 0xff) << 56;
		guest_gdt[7 + 2 * i] = address >> 32;
		guest_tss[i].rsp[0] = (uintptr_t)stacks[i] + STACK_SIZE / 2;
		guest_tss[i].ist[0] = (uintptr_t)stacks[i] + STACK_SIZE / 4;
		guest_tss[i].iomap = sizeof(guest_tss[i]);
	}
	for (i = 0; i < 256; i++) {
		address = (uintptr_t)guest_stubs + 16 * i;
		guest_idt[i].low = address;
		guest_idt[i].middle = address >> 16;
		guest_idt[i].high = address >> 32;
		guest_idt[i].cs = GUEST_CS;
		guest_idt[i].type = 0xee;	/* interrupt gate, DPL 3 */
	}
}

static void copy_program(struct vm *vm)
{
	const Elf64_Phdr *ph = (const Elf64_Phdr *)getauxval(AT_PHDR);
	unsigned long count = getauxval(AT_PHNUM);

	build_page_tables();
	build_descriptors();
	for (; count--; ph++) {
		if (ph->p_type != PT_LOAD)
			continue;
		ASSERT(ph->p_vaddr >= GUEST_LOW_END &&
		       ph->p_vaddr + ph->p_memsz <= vm->ram_size,
		       "the program lies at %#llx", (unsigned long long)ph->p_vaddr);
		memcpy(vm->ram + ph->p_vaddr, (void *)ph->p_vaddr, ph->p_memsz);
	}
}

static void set_long_mode(struct vcpu *vcpu, unsigned int cpu)
{
	struct kvm_sregs sregs;

	vcpu_get_sregs(vcpu, &sregs);
	set_flat_segments(&sregs, true);
	sregs.tr = (struct kvm_segment) {
		.base = (uintptr_t)&guest_tss[cpu], .limit = 0x67,
		.selector = GUEST_TSS + 16 * cpu, .type = 11, .present = 1,
	};
	sregs.ldt = (struct kvm_segment) { .unusable = 1 };
	sregs.gdt.base = (uintptr_t)guest_gdt;
	sregs.gdt.limit = sizeof(guest_gdt) - 1;
	sregs.idt.base = (uintptr_t)guest_idt;
	sregs.idt.limit = sizeof(guest_idt) - 1;
	sregs.cr0 = X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_PG;
	sregs.cr3 = (uintptr_t)guest_pml4;
	sregs.cr4 = X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	sregs.efer = EFER_BITS;
	vcpu_set_sregs(vcpu, &sregs);
}

void guest_start(struct vcpu *vcpu, void (*function)(void))
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	unsigned int cpu = vcpu->vm->started++;
	struct kvm_regs regs;

	ASSERT(cpu < GUEST_CPUS);
	if (!cpu)
		copy_program(vcpu->vm);
	else	/* with an irqchip it waits for INIT and SIPI */
		ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_MP_STATE, &runnable), 0);
	set_long_mode(vcpu, cpu);
	memset(&regs, 0, sizeof(regs));
	regs.rip = (uintptr_t)guest_entry;
	regs.rdi = (uintptr_t)function;
	regs.rsp = (uintptr_t)stacks[cpu] + STACK_SIZE;
	regs.rflags = X86_EFLAGS_FIXED;
	vcpu_set_regs(vcpu, &regs);
}

static void report_failure(struct vcpu *vcpu)
{
	const struct guest_failure *f = GUEST_VAR(vcpu->vm, guest_failure);

	ksft_fail(f->file, f->line, "guest: not true: %s (%#llx, %#llx)", f->what,
		  (unsigned long long)f->a, (unsigned long long)f->b);
	vcpu_describe(vcpu);
	ksft_abort();
}

static bool answer_mmio(struct mmio_device *dev, struct kvm_run *run)
{
	uint64_t offset = run->mmio.phys_addr - (dev ? dev->base : 0);
	struct mmio_access *log;

	if (!dev || offset >= MMIO_DATA || run->mmio.len > MMIO_DATA - offset)
		return false;
	if (run->mmio.is_write)
		memcpy(dev->data + offset, run->mmio.data, run->mmio.len);
	else
		memcpy(run->mmio.data, dev->data + offset, run->mmio.len);
	if (dev->count < MMIO_LOG) {
		log = &dev->log[dev->count];
		log->offset = offset;
		log->len = run->mmio.len;
		log->write = run->mmio.is_write;
		log->value = 0;
		memcpy(&log->value, run->mmio.data, run->mmio.len);
	}
	dev->count++;
	return true;
}

static bool answer_pio(struct pio_device *dev, struct kvm_run *run)
{
	size_t size = (size_t)run->io.size * run->io.count;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	if (!dev || run->io.port < dev->port || run->io.port > dev->port + 3)
		return false;
	dev->exits++;
	if (run->io.direction == KVM_EXIT_IO_OUT) {
		ASSERT(dev->out_pos + size <= PIO_DATA);
		memcpy(dev->out + dev->out_pos, data, size);
		dev->out_pos += size;
	} else {
		ASSERT(dev->in_pos + size <= PIO_DATA);
		memcpy(data, dev->in + dev->in_pos, size);
		dev->in_pos += size;
	}
	return true;
}

uint32_t guest_sync_value(const struct vcpu *vcpu)
{
	uint32_t value;

	memcpy(&value, (uint8_t *)vcpu->run + vcpu->run->io.data_offset, sizeof(value));
	return value;
}

enum guest_event guest_run(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	int ret;

	for (;;) {
		ret = try_run(vcpu);
		if (ret == -EINTR)
			return GUEST_EINTR;
		if (ret) {
			ksft_fail(__FILE__, __LINE__, "KVM_RUN: %s", strerror(-ret));
			vcpu_describe(vcpu);
			ksft_abort();
		}
		if (run->exit_reason == KVM_EXIT_IO && run->io.port == GUEST_PORT_DONE)
			return GUEST_DONE;
		if (run->exit_reason == KVM_EXIT_IO && run->io.port == GUEST_PORT_SYNC)
			return GUEST_SYNC;
		if (run->exit_reason == KVM_EXIT_IO && run->io.port == GUEST_PORT_FAIL)
			report_failure(vcpu);
		if (run->exit_reason == KVM_EXIT_MMIO && answer_mmio(vcpu->vm->mmio, run))
			continue;
		if (run->exit_reason == KVM_EXIT_IO && answer_pio(vcpu->vm->pio, run))
			continue;
		return GUEST_EXIT;
	}
}

/* Guests have neither code nor tables in the upper half, where their host's kernel is. */
static bool has_host_state(struct vcpu *vcpu)
{
	struct kvm_regs regs = { 0 };

	if (vcpu->run->exit_reason == KVM_EXIT_SHUTDOWN)
		return true;
	try_ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	return vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR && (int64_t)regs.rip < 0;
}

static void expect_event(struct vcpu *vcpu, enum guest_event event, enum guest_event wanted)
{
	static const char *const names[] = {
		"the guest's end", "guest_sync()", "an exit", "EINTR",
	};

	if (event == wanted)
		return;
	ksft_fail(__FILE__, __LINE__, "%s, not %s", names[event], names[wanted]);
	vcpu_describe(vcpu);
	if (event == GUEST_EXIT && has_host_state(vcpu))
		ksft_mixed_up();
	ksft_abort();
}

void guest_run_done(struct vcpu *vcpu)
{
	expect_event(vcpu, guest_run(vcpu), GUEST_DONE);
}

void guest_run_sync(struct vcpu *vcpu, uint32_t value)
{
	expect_event(vcpu, guest_run(vcpu), GUEST_SYNC);
	ASSERT_EQ(guest_sync_value(vcpu), value);
}

void guest_run_unserved(struct vcpu *vcpu)
{
	enum guest_event ev;

	do {
		ev = guest_run(vcpu);
	} while (ev == GUEST_EXIT && (vcpu->run->exit_reason == KVM_EXIT_IO ||
				      vcpu->run->exit_reason == KVM_EXIT_MMIO));
	expect_event(vcpu, ev, GUEST_DONE);
}

void guest_test(unsigned int flags, void (*function)(void))
{
	struct vm *vm = vm_create(VM_RAM_SIZE, flags);
	struct vcpu *vcpu = vcpu_create(vm, 0);

	guest_start(vcpu, function);
	guest_run_done(vcpu);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
}
