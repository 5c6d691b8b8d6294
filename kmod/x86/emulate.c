// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator at work on a vCPU: guest-virtual memory, in-kernel devices and
 * memory that only the client knows.
 *
 * A read that the client must answer ends the emulation without a trace; the
 * answer is remembered as a fragment and the instruction executed again. A write
 * is the last thing an instruction does, so it is merely posted and the client
 * takes it after the fact. Ports are in emulate_pio.c, the instruction itself
 * in emul/.
 */
#include <linux/container_of.h>
#include <linux/kvm.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/processor-flags.h>
#include <uapi/asm/debugreg.h>

#include "emul/emul.h"
#include "mmu/shadow.h"
#include "mmu/walker.h"
#include "trace.h"
#include "vm/bus.h"
#include "vm/memslot.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/emulate.h"
#include "x86/event.h"
#include "x86/regs_inline.h"
#include "x86/xstate.h"

struct emulation {
	struct khv_vcpu *vcpu;
	struct khv_emul em;
};

struct khv_vcpu *khv_emulate_vcpu(struct khv_emul *em)
{
	return container_of(em, struct emulation, em)->vcpu;
}

static u32 data_access(struct khv_emul *em)
{
	return em->cpl == 3 ? KHV_ACCESS_USER : 0;
}

static u32 page_rest(u64 addr, u32 len)
{
	return min_t(u64, len, PAGE_SIZE - offset_in_page(addr));
}

static int fail(struct khv_vcpu *vcpu, int error)
{
	vcpu->emulate.error = error;
	return KHV_EMUL_UNHANDLEABLE;
}

static int translate(struct khv_emul *em, gva_t gva, u32 access, gpa_t *gpa)
{
	struct khv_vcpu *vcpu = khv_emulate_vcpu(em);
	struct khv_walk walk;
	int rc;

	if (!khv_paging(vcpu)) {
		*gpa = gva;
		return KHV_EMUL_OK;
	}
	rc = khv_walk(vcpu, gva, access, &walk);
	if (rc < 0)
		return fail(vcpu, rc);
	if (rc)
		return khv_emul_page_fault(em, gva, walk.error_code);
	*gpa = walk.gpa;
	return KHV_EMUL_OK;
}

static bool is_memory(struct khv_vcpu *vcpu, gpa_t gpa, bool write)
{
	const struct khv_memslot *slot = khv_memslot_find(vcpu->vm, gpa >> PAGE_SHIFT);

	return slot && !(write && (slot->flags & KVM_MEM_READONLY));
}

int khv_emulate_read_virt(struct khv_emul *em, gva_t gva, void *buf, u32 len, u32 access)
{
	struct khv_vcpu *vcpu = khv_emulate_vcpu(em);
	u32 part;
	gpa_t gpa;
	int rc;

	for (; len; gva += part, buf += part, len -= part) {
		part = page_rest(gva, len);
		rc = translate(em, gva, access, &gpa);
		if (rc)
			return rc;
		rc = khv_gpa_read(vcpu->vm, gpa, buf, part);
		if (!rc)
			continue;
		return is_memory(vcpu, gpa, false) ? fail(vcpu, rc) : KHV_EMUL_UNHANDLEABLE;
	}
	return KHV_EMUL_OK;
}

static int fetch(struct khv_emul *em, u64 addr, void *buf, u32 len)
{
	return khv_emulate_read_virt(em, addr, buf, len,
				     data_access(em) | KHV_ACCESS_FETCH);
}

/* One fragment of device memory, at most 8 bytes: replay it, or get it now. */
static int read_device(struct khv_emul *em, gpa_t gpa, void *buf, u32 len)
{
	struct khv_vcpu *vcpu = khv_emulate_vcpu(em);
	struct khv_emulate *e = &vcpu->emulate;
	int i = e->pos;

	if (i >= KHV_MMIO_FRAGMENTS)
		return KHV_EMUL_UNHANDLEABLE;
	em->yield = true;
	if (i >= e->done || e->mmio[i].gpa != gpa || e->mmio[i].len != len) {
		/* New, or the guest has changed what the instruction does. */
		e->mmio[i].gpa = gpa;
		e->mmio[i].len = len;
		e->mmio[i].write = false;
		memset(e->mmio[i].data, 0, sizeof(e->mmio[i].data));
		e->nr = i + 1;
		e->done = i;
		if (khv_bus_read(vcpu, KHV_BUS_MMIO, gpa, len, e->mmio[i].data))
			return KHV_EMUL_IO_NEEDED;
		e->done = i + 1;
	}
	memcpy(buf, e->mmio[i].data, len);
	e->pos++;
	return KHV_EMUL_OK;
}

static int write_device(struct khv_emul *em, gpa_t gpa, const void *buf, u32 len)
{
	struct khv_vcpu *vcpu = khv_emulate_vcpu(em);
	struct khv_emulate *e = &vcpu->emulate;
	int i = e->pos;

	em->yield = true;
	if (!khv_bus_write(vcpu, KHV_BUS_MMIO, gpa, len, buf))
		return KHV_EMUL_OK;
	if (i >= KHV_MMIO_FRAGMENTS)
		return KHV_EMUL_UNHANDLEABLE;
	e->mmio[i].gpa = gpa;
	e->mmio[i].len = len;
	e->mmio[i].write = true;
	memcpy(e->mmio[i].data, buf, len);
	e->pos++;
	return KHV_EMUL_OK;
}

static int read_phys(struct khv_emul *em, gpa_t gpa, void *buf, u32 len)
{
	struct khv_vcpu *vcpu = khv_emulate_vcpu(em);
	u32 part;
	int rc;

	if (is_memory(vcpu, gpa, false)) {
		rc = khv_gpa_read(vcpu->vm, gpa, buf, len);
		return rc ? fail(vcpu, rc) : KHV_EMUL_OK;
	}
	for (; len; gpa += part, buf += part, len -= part) {
		part = min_t(u32, len, 8);
		rc = read_device(em, gpa, buf, part);
		if (rc)
			return rc;
	}
	return KHV_EMUL_OK;
}

static int write_phys(struct khv_emul *em, gpa_t gpa, const void *buf, u32 len)
{
	struct khv_vcpu *vcpu = khv_emulate_vcpu(em);
	u32 part;
	int rc;

	if (is_memory(vcpu, gpa, true)) {
		rc = khv_gpa_write(vcpu->vm, gpa, buf, len);
		return rc ? fail(vcpu, rc) : KHV_EMUL_OK;
	}
	for (; len; gpa += part, buf += part, len -= part) {
		part = min_t(u32, len, 8);
		rc = write_device(em, gpa, buf, part);
		if (rc)
			return rc;
	}
	return KHV_EMUL_OK;
}

/* Both halves of a range that may cross a page: faults come before effects. */
static int translate_range(struct khv_emul *em, u64 addr, u32 len, bool write,
			   gpa_t gpa[2])
{
	u32 access = data_access(em) | (write ? KHV_ACCESS_WRITE : 0);
	u32 first = page_rest(addr, len);
	int rc;

	rc = translate(em, addr, access, &gpa[0]);
	if (!rc && first < len)
		rc = translate(em, addr + first, access, &gpa[1]);
	return rc;
}

static int read(struct khv_emul *em, u64 addr, void *buf, u32 len, u32 flags)
{
	u32 first = page_rest(addr, len);
	gpa_t gpa[2];
	int rc;

	rc = translate_range(em, addr, len, flags & KHV_EMUL_RMW, gpa);
	if (!rc)
		rc = read_phys(em, gpa[0], buf, first);
	if (!rc && first < len)
		rc = read_phys(em, gpa[1], buf + first, len - first);
	return rc;
}

static int write(struct khv_emul *em, u64 addr, const void *buf, u32 len)
{
	struct khv_emulate *e = &khv_emulate_vcpu(em)->emulate;
	u32 first = page_rest(addr, len);
	gpa_t gpa[2];
	int rc;

	rc = translate_range(em, addr, len, true, gpa);
	if (rc)
		return rc;
	/* Whatever reads there were, they are over: only writes remain to do. */
	e->done = e->pos;
	rc = write_phys(em, gpa[0], buf, first);
	if (!rc && first < len)
		rc = write_phys(em, gpa[1], buf + first, len - first);
	e->nr = e->pos;
	return rc;
}

/*
 * Atomic where the guest can rely on it: in memory, naturally aligned, up to 8
 * bytes. Elsewhere nobody else can hold the other end of a lock.
 */
static int compare_write(struct khv_emul *em, u64 addr, const void *old,
			 const void *new, u32 len)
{
	struct khv_vcpu *vcpu = khv_emulate_vcpu(em);
	u64 expected = 0, val = 0;
	gpa_t gpa[2];
	int rc;

	if (len > 8 || !is_power_of_2(len) || (addr & (len - 1)))
		return write(em, addr, new, len);
	rc = translate_range(em, addr, len, true, gpa);
	if (rc)
		return rc;
	if (!is_memory(vcpu, gpa[0], true))
		return write(em, addr, new, len);
	memcpy(&expected, old, len);
	memcpy(&val, new, len);
	rc = khv_gpa_cmpxchg(vcpu->vm, gpa[0], &expected, val, len);
	if (rc == -EAGAIN)
		return KHV_EMUL_RESTART;
	return rc ? fail(vcpu, rc) : KHV_EMUL_OK;
}

static int probe(struct khv_emul *em, u64 addr, u32 len, u32 flags)
{
	struct khv_vcpu *vcpu = khv_emulate_vcpu(em);
	bool write = flags & KHV_EMUL_WRITE;
	gpa_t gpa[2];
	int rc;

	rc = translate_range(em, addr, len, write, gpa);
	if (rc)
		return rc;
	if (page_rest(addr, len) < len || !is_memory(vcpu, gpa[0], write))
		return KHV_EMUL_NOT_RAM;
	return KHV_EMUL_OK;
}

static void get_segment(struct khv_emul *em, unsigned int seg, struct khv_emul_segment *out)
{
	struct kvm_segment var;

	khv_hw->get_segment(khv_emulate_vcpu(em), seg, &var);
	out->base = var.base;
	out->limit = var.limit;
	out->selector = var.selector;
	out->type = var.type;
	out->db = var.db;
	out->l = var.l;
	out->unusable = var.unusable;
}

static int read_xmm(struct khv_emul *em, unsigned int reg, void *buf)
{
	khv_xstate_read_xmm(khv_emulate_vcpu(em), reg, buf);
	return KHV_EMUL_OK;
}

static int write_xmm(struct khv_emul *em, unsigned int reg, const void *buf)
{
	khv_xstate_write_xmm(khv_emulate_vcpu(em), reg, buf);
	return KHV_EMUL_OK;
}

static const struct khv_emul_ops emulate_ops = {
	.fetch = fetch,
	.read = read,
	.write = write,
	.compare_write = compare_write,
	.probe = probe,
	.pio_in = khv_emulate_port_in,
	.pio_out = khv_emulate_port_out,
	.io_permitted = khv_emulate_port_permitted,
	.get_segment = get_segment,
	.read_xmm = read_xmm,
	.write_xmm = write_xmm,
};

static void load_state(struct khv_vcpu *vcpu)
{
	struct khv_emul *em = vcpu->emulate.em;

	/* Fetches the one general register that is read lazily. */
	khv_rsp(vcpu);
	BUILD_BUG_ON(sizeof(em->regs.gpr) != sizeof(vcpu->regs.gpr));
	memcpy(em->regs.gpr, vcpu->regs.gpr, sizeof(em->regs.gpr));
	em->regs.rip = khv_rip(vcpu);
	em->regs.rflags = khv_rflags(vcpu);
	em->cr0 = khv_cr0(vcpu);
	em->cr4 = khv_cr4(vcpu);
	/* A segment register can be dear to read, and real mode knows only one answer. */
	em->cpl = em->cr0 & X86_CR0_PE ? khv_hw->get_cpl(vcpu) : 0;
	em->avail = vcpu->emulate.nr_bytes;
	memcpy(em->bytes, vcpu->emulate.bytes, em->avail);
	vcpu->emulate.nr_bytes = 0;
	/* Batches go straight through the page that the client sees. */
	em->batch = vcpu->pio_data;
	em->batch_size = PAGE_SIZE;
	khv_emul_set_mode(em, khv_long_mode(vcpu));
}

static void store_state(struct khv_vcpu *vcpu)
{
	const struct khv_emul *em = vcpu->emulate.em;

	memcpy(vcpu->regs.gpr, em->regs.gpr, sizeof(em->regs.gpr));
	khv_set_rsp(vcpu, em->regs.gpr[KHV_EMUL_RSP]);
	khv_set_rip(vcpu, em->regs.rip);
	khv_set_rflags(vcpu, em->regs.rflags);
}

static void queue_exception(struct khv_vcpu *vcpu)
{
	const struct khv_emul_exception *exc = &vcpu->emulate.em->exc;

	if (exc->vector == 14)
		khv_queue_pf(vcpu, exc->address, exc->error);
	else if (exc->has_error)
		khv_queue_exception_e(vcpu, exc->vector, exc->error);
	else
		khv_queue_exception(vcpu, exc->vector);
}

static int unhandleable(struct khv_vcpu *vcpu)
{
	struct khv_emul *em = vcpu->emulate.em;
	u64 data[3] = { KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES };
	u8 *bytes = (u8 *)&data[1];

	vcpu->stats.insn_emulation_fail++;
	if (vcpu->emulate.error)
		return vcpu->emulate.error;
	/* A write to its own page tables, which shadow paging wants to see: let it through. */
	if (khv_shadow_unprotect(vcpu, vcpu->emulate.fault_gpa))
		return RESUME_GUEST;
	/* A process in the guest must not be able to stop the guest. */
	if (em->cpl && !READ_ONCE(vcpu->vm->opts.emulation_failure_exits)) {
		khv_queue_ud(vcpu);
		return RESUME_GUEST;
	}
	/* struct kvm_run, emulation_failure: the size, then the bytes. */
	bytes[0] = em->avail;
	memcpy(bytes + 1, em->bytes, em->avail);
	return khv_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION, ARRAY_SIZE(data), data);
}

static int run(struct khv_vcpu *vcpu);
static int complete_mmio(struct khv_vcpu *vcpu);

static int exit_mmio(struct khv_vcpu *vcpu)
{
	struct khv_emulate *e = &vcpu->emulate;
	struct kvm_run *run = vcpu->run;
	int i = e->done;

	vcpu->stats.mmio_exits++;
	trace_khv_mmio(vcpu->id, e->mmio[i].write, e->mmio[i].gpa, e->mmio[i].len,
		       e->mmio[i].data, false);
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = e->mmio[i].gpa;
	run->mmio.len = e->mmio[i].len;
	run->mmio.is_write = e->mmio[i].write;
	memcpy(run->mmio.data, e->mmio[i].data, e->mmio[i].len);
	vcpu->complete_user = complete_mmio;
	return EXIT_TO_USER;
}

static int complete_mmio(struct khv_vcpu *vcpu)
{
	struct khv_emulate *e = &vcpu->emulate;
	int i = e->done++;

	vcpu->complete_user = NULL;
	if (e->mmio[i].write)
		return e->done < e->nr ? exit_mmio(vcpu) : RESUME_GUEST;
	memcpy(e->mmio[i].data, vcpu->run->mmio.data, sizeof(e->mmio[i].data));
	return khv_rip(vcpu) == e->rip ? run(vcpu) : RESUME_GUEST;
}

static int complete_port(struct khv_vcpu *vcpu)
{
	struct khv_emulate *e = &vcpu->emulate;

	vcpu->complete_user = NULL;
	e->pio_pending = false;
	e->pio_answered = true;
	return khv_rip(vcpu) == e->rip ? run(vcpu) : RESUME_GUEST;
}

/* The client must answer before the instruction can go on. */
static int ask_client(struct khv_vcpu *vcpu)
{
	struct khv_emulate *e = &vcpu->emulate;

	e->rip = khv_rip(vcpu);
	if (!e->pio_pending)
		return exit_mmio(vcpu);
	khv_emulate_port_exit(vcpu);
	vcpu->complete_user = complete_port;
	return EXIT_TO_USER;
}

/* The instruction, or an iteration of it, is over; the client may have writes to take. */
static int tell_client(struct khv_vcpu *vcpu)
{
	struct khv_emulate *e = &vcpu->emulate;

	if (e->pio_pending) {
		e->pio_pending = false;
		khv_emulate_port_exit(vcpu);
		return EXIT_TO_USER;
	}
	return e->done < e->nr ? exit_mmio(vcpu) : RESUME_GUEST;
}

static int retire(struct khv_vcpu *vcpu, u64 rflags)
{
	khv_hw->set_interrupt_shadow(vcpu, 0);
	if (rflags & X86_EFLAGS_TF)
		khv_debug_trap(vcpu);
	return tell_client(vcpu);
}

/* Execute the instruction at RIP with what is known so far. */
static int run(struct khv_vcpu *vcpu)
{
	struct khv_emulate *e = &vcpu->emulate;
	struct khv_emul *em = e->em;
	u64 rflags;
	int rc;

	e->pos = 0;
	e->error = 0;
	e->pio_pending = false;
	vcpu->stats.insn_emulation++;
	load_state(vcpu);
	rflags = em->regs.rflags;
	rc = khv_emul_decode(em);
	if (!rc)
		rc = khv_emul_execute(em);
	/* Iterations that are over are over, whatever the next one met. */
	store_state(vcpu);
	if (rc == KHV_EMUL_UNHANDLEABLE)
		return unhandleable(vcpu);
	if (rc == KHV_EMUL_IO_NEEDED)
		return ask_client(vcpu);
	e->pio_answered = false;
	switch (rc) {
	case KHV_EMUL_OK:
		return retire(vcpu, rflags);
	case KHV_EMUL_FAULT:
		queue_exception(vcpu);
		return RESUME_GUEST;
	default: /* RESTART: the guest comes back by itself */
		return em->trap ? retire(vcpu, rflags) : tell_client(vcpu);
	}
}

int khv_emulate_insn(struct khv_vcpu *vcpu, gpa_t gpa)
{
	struct khv_emulate *e = &vcpu->emulate;

	e->fault_gpa = gpa;
	e->nr = 0;
	e->done = 0;
	e->pio_answered = false;
	return run(vcpu);
}

int khv_emulate_decode(struct khv_vcpu *vcpu, const struct khv_emul_insn **insn)
{
	struct khv_emul *em = vcpu->emulate.em;
	int rc;

	*insn = NULL;
	vcpu->emulate.error = 0;
	vcpu->emulate.fault_gpa = KHV_INVALID_GPA;
	load_state(vcpu);
	rc = khv_emul_decode(em);
	if (rc == KHV_EMUL_FAULT) {
		queue_exception(vcpu);
		return RESUME_GUEST;
	}
	if (rc)
		return unhandleable(vcpu);
	*insn = &em->insn;
	return 0;
}

int khv_gva_read(struct khv_vcpu *vcpu, gva_t gva, void *buf, unsigned int len, u32 access)
{
	struct khv_walk walk;
	u32 part;
	int rc;

	for (; len; gva += part, buf += part, len -= part) {
		part = page_rest(gva, len);
		rc = khv_walk(vcpu, gva, access, &walk);
		if (rc > 0) {
			khv_queue_pf(vcpu, gva, walk.error_code);
			return 1;
		}
		if (!rc)
			rc = khv_gpa_read(vcpu->vm, walk.gpa, buf, part);
		if (rc) {
			khv_queue_gp(vcpu);
			return 1;
		}
	}
	return 0;
}

int khv_gva_write(struct khv_vcpu *vcpu, gva_t gva, const void *buf, unsigned int len,
		  u32 access)
{
	struct khv_walk walk[2];
	u32 first = page_rest(gva, len);
	int rc;

	/* All of it can be written, or none is. */
	rc = khv_walk(vcpu, gva, access | KHV_ACCESS_WRITE, &walk[0]);
	if (!rc && first < len) {
		gva += first;
		rc = khv_walk(vcpu, gva, access | KHV_ACCESS_WRITE, &walk[1]);
		if (rc > 0)
			walk[0].error_code = walk[1].error_code;
	}
	if (rc > 0) {
		khv_queue_pf(vcpu, gva, walk[0].error_code);
		return 1;
	}
	if (!rc)
		rc = khv_gpa_write(vcpu->vm, walk[0].gpa, buf, first);
	if (!rc && first < len)
		rc = khv_gpa_write(vcpu->vm, walk[1].gpa, buf + first, len - first);
	if (rc)
		khv_queue_gp(vcpu);
	return !!rc;
}

int khv_emulate_operand(struct khv_vcpu *vcpu, void *buf, unsigned int len, bool write)
{
	struct khv_emul *em = vcpu->emulate.em;
	const struct khv_emul_operand *mem = &em->insn.mem;
	u64 linear;

	if (khv_emul_linearize(em, mem->seg, mem->ea, len, write, &linear)) {
		queue_exception(vcpu);
		return 1;
	}
	return write ? khv_gva_write(vcpu, linear, buf, len, data_access(em)) :
		       khv_gva_read(vcpu, linear, buf, len, data_access(em));
}

int khv_emulate_create(struct khv_vcpu *vcpu)
{
	struct emulation *emulation;

	emulation = kzalloc(sizeof(*emulation), GFP_KERNEL_ACCOUNT);
	if (!emulation)
		return -ENOMEM;
	emulation->vcpu = vcpu;
	emulation->em.ops = &emulate_ops;
	vcpu->emulate.em = &emulation->em;
	return 0;
}

void khv_emulate_destroy(struct khv_vcpu *vcpu)
{
	if (vcpu->emulate.em)
		kfree(container_of(vcpu->emulate.em, struct emulation, em));
	vcpu->emulate.em = NULL;
}
