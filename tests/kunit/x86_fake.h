/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU without hardware for the suites of kmod/x86: a khv_hw that keeps what
 * it is given, and a guest memory of one page at address 0.
 *
 * Included once by a suite, before the files under test.
 */
#ifndef KHV_TESTS_X86_FAKE_H
#define KHV_TESTS_X86_FAKE_H

#include <kunit/test.h>
#include <linux/module.h>
#include <linux/string.h>

#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/regs_inline.h"

static struct fake {
	struct kvm_segment seg[KHV_NR_SEGS];
	struct kvm_dtable dtable[2];
	int flushes, updates, cr3_writes;
	u64 tsc_offset;
	u32 told_msr;			/* last set_msr() */
	u64 told_data;
	bool bad_pdpte;			/* the guest's PDPTEs are invalid */
	u8 memory[PAGE_SIZE];
	int writes;			/* to guest memory */
	u32 first_word[8];		/* of it after each write, the first eight */
} fake;

struct khv_hw_caps khv_caps = { .nested_paging = true, .rdtscp = true, .invpcid = true };

static void fake_cache_reg(struct khv_vcpu *vcpu, unsigned int lazy)
{
	vcpu->regs.avail |= BIT(lazy);
}

static void fake_get_segment(struct khv_vcpu *vcpu, enum khv_seg seg, struct kvm_segment *var)
{
	*var = fake.seg[seg];
}

static void fake_set_segment(struct khv_vcpu *vcpu, enum khv_seg seg,
			     const struct kvm_segment *var)
{
	fake.seg[seg] = *var;
}

static void fake_get_dtable(struct khv_vcpu *vcpu, bool idt, struct kvm_dtable *dt)
{
	*dt = fake.dtable[idt];
}

static void fake_set_dtable(struct khv_vcpu *vcpu, bool idt, const struct kvm_dtable *dt)
{
	fake.dtable[idt] = *dt;
}

static void fake_set_cr0(struct khv_vcpu *vcpu, u64 val)
{
	vcpu->regs.cr0 = val;
}

static void fake_set_cr3(struct khv_vcpu *vcpu, u64 val)
{
	vcpu->regs.cr3 = val;
	fake.cr3_writes++;
}

static void fake_set_cr4(struct khv_vcpu *vcpu, u64 val)
{
	vcpu->regs.cr4 = val;
}

static void fake_set_efer(struct khv_vcpu *vcpu, u64 val)
{
	vcpu->regs.efer = val;
}

static void fake_set_dr7(struct khv_vcpu *vcpu, u64 dr7)
{
}

static void fake_settle(struct khv_vcpu *vcpu)
{
}

static void fake_set_shadow(struct khv_vcpu *vcpu, u32 shadow)
{
}

static void fake_skip_insn(struct khv_vcpu *vcpu)
{
	khv_set_rip(vcpu, khv_rip(vcpu) + khv_hw->insn_len(vcpu));
}

static u32 fake_insn_len(struct khv_vcpu *vcpu)
{
	return 2;
}

static int fake_get_msr(struct khv_vcpu *vcpu, u32 index, u64 *data)
{
	return -ENOENT;
}

static int fake_set_msr(struct khv_vcpu *vcpu, u32 index, u64 data)
{
	fake.told_msr = index;
	fake.told_data = data;
	return index == MSR_IA32_SYSENTER_EIP || index == MSR_LSTAR ? 0 : -ENOENT;
}

static void fake_update_guest(struct khv_vcpu *vcpu)
{
	fake.updates++;
}

static void fake_flush_tlb(struct khv_vcpu *vcpu)
{
	fake.flushes++;
}

static void fake_set_tsc(struct khv_vcpu *vcpu)
{
	fake.tsc_offset = vcpu->tsc.offset;
}

static const struct khv_hw_ops fake_ops = {
	.name = "fake",
	.cache_reg = fake_cache_reg,
	.get_segment = fake_get_segment,
	.set_segment = fake_set_segment,
	.get_dtable = fake_get_dtable,
	.set_dtable = fake_set_dtable,
	.set_cr0 = fake_set_cr0,
	.set_cr3 = fake_set_cr3,
	.set_cr4 = fake_set_cr4,
	.set_efer = fake_set_efer,
	.set_dr7 = fake_set_dr7,
	.settle = fake_settle,
	.set_interrupt_shadow = fake_set_shadow,
	.insn_len = fake_insn_len,
	.skip_insn = fake_skip_insn,
	.get_msr = fake_get_msr,
	.set_msr = fake_set_msr,
	.update_guest = fake_update_guest,
	.flush_tlb = fake_flush_tlb,
	.set_tsc = fake_set_tsc,
};

const struct khv_hw_ops *khv_hw = &fake_ops;

LIST_HEAD(khv_vms);
/* Guards khv_vms, as in khv. */
DEFINE_MUTEX(khv_vms_lock);

void khv_vm_request_all(struct khv_vm *vm, enum khv_request req)
{
}

int khv_gpa_read(struct khv_vm *vm, gpa_t gpa, void *buf, unsigned long len)
{
	if (gpa >= PAGE_SIZE || len > PAGE_SIZE - gpa)
		return -EFAULT;
	memcpy(buf, fake.memory + gpa, len);
	return 0;
}

int khv_gpa_write(struct khv_vm *vm, gpa_t gpa, const void *buf, unsigned long len)
{
	if (gpa >= PAGE_SIZE || len > PAGE_SIZE - gpa)
		return -EFAULT;
	memcpy(fake.memory + gpa, buf, len);
	if (fake.writes < ARRAY_SIZE(fake.first_word))
		memcpy(&fake.first_word[fake.writes], fake.memory, sizeof(u32));
	fake.writes++;
	return 0;
}

int khv_load_pdptes(struct khv_vcpu *vcpu, u64 cr3, u64 pdpte[4])
{
	memset(pdpte, 0, 4 * sizeof(*pdpte));
	pdpte[0] = cr3 | 1;
	return fake.bad_pdpte;
}

void khv_queue_exception_e(struct khv_vcpu *vcpu, u8 vector, u32 error_code)
{
	vcpu->events.exception.kind = KHV_EVENT_EXCEPTION;
	vcpu->events.exception.vector = vector;
}

/* No local APIC in these suites: none of the following is ever called. */
int khv_lapic_set_base(struct khv_vcpu *vcpu, u64 value, bool host) { return 1; }
u64 khv_lapic_get_tscdeadline(struct khv_vcpu *vcpu) { return 0; }
void khv_lapic_set_tscdeadline(struct khv_vcpu *vcpu, u64 data) { }
u64 khv_lapic_get_cr8(struct khv_vcpu *vcpu) { return 0; }
void khv_lapic_set_cr8(struct khv_vcpu *vcpu, u64 cr8) { }
void khv_lapic_tsc_changed(struct khv_vcpu *vcpu) { }
int khv_x2apic_read(struct khv_vcpu *vcpu, u32 msr, u64 *data) { return 1; }
int khv_x2apic_write(struct khv_vcpu *vcpu, u32 msr, u64 data) { return 1; }

/* A vCPU with nothing in it, and the world as at boot. */
static struct khv_vcpu *fake_vcpu(struct kunit *test)
{
	struct khv_vcpu *vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, vcpu);
	vcpu->vm = kunit_kzalloc(test, sizeof(*vcpu->vm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, vcpu->vm);
	memset(&fake, 0, sizeof(fake));
	vcpu->regs.avail = KHV_LAZY_ALL;
	vcpu->events.ext_vector = -1;
	return vcpu;
}

#endif
