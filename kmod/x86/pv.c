// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hypercalls, and interrupts that end without an exit; see pv.h.
 *
 * All addresses, bitmaps and APIC IDs are the guest's choice. A bad one harms nobody
 * but that guest.
 */
#include <linux/kvm_para.h>
#include <linux/srcu.h>

#include "irqchip/lapic.h"
#include "vm/memslot.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/cpuid.h"
#include "x86/pv.h"

/* The address is of four aligned bytes, of which one is used. */
#define EOI_RESERVED	2ULL

/* Level, destination mode and shorthand of an ICR have no meaning with a bitmap. */
#define ICR_REFUSED	(APIC_DEST_LOGICAL | APIC_DEST_ALLBUT)

static gpa_t eoi_gpa(const struct khv_vcpu *vcpu)
{
	return vcpu->pv.eoi_msr & ~(u64)KVM_MSR_ENABLED;
}

void khv_pv_eoi_offer(struct khv_vcpu *vcpu)
{
	static const u8 pending = KVM_PV_EOI_ENABLED;
	int idx;

	if (!(vcpu->pv.eoi_msr & KVM_MSR_ENABLED) || !khv_lapic_eoi_unheard(vcpu))
		return;
	idx = srcu_read_lock(&vcpu->vm->srcu);
	vcpu->pv.eoi_offered = !khv_gpa_write_atomic(vcpu->vm, eoi_gpa(vcpu), &pending,
						     sizeof(pending));
	srcu_read_unlock(&vcpu->vm->srcu, idx);
}

/*
 * 0, *@ended says whether the guest has cleared the bit; if not, it is cleared here: only
 * this vCPU's guest does so, and that is not running. Or -EFAULT.
 */
static int take_bit(struct khv_vcpu *vcpu, bool may_sleep, bool *ended)
{
	static const u8 none = KVM_PV_EOI_DISABLED;
	struct khv_vm *vm = vcpu->vm;
	gpa_t gpa = eoi_gpa(vcpu);
	int idx, r;
	u8 byte;

	idx = srcu_read_lock(&vm->srcu);
	r = may_sleep ? khv_gpa_read(vm, gpa, &byte, 1) : khv_gpa_read_atomic(vm, gpa, &byte, 1);
	*ended = !r && !(byte & KVM_PV_EOI_MASK);
	if (!r && !*ended)
		r = may_sleep ? khv_gpa_write(vm, gpa, &none, 1) :
				khv_gpa_write_atomic(vm, gpa, &none, 1);
	srcu_read_unlock(&vm->srcu, idx);
	return r;
}

bool khv_pv_eoi_settle(struct khv_vcpu *vcpu)
{
	bool ended;

	if (take_bit(vcpu, false, &ended))
		return false;
	vcpu->pv.eoi_offered = false;
	if (ended)
		khv_lapic_end_highest(vcpu);
	return true;
}

void khv_pv_eoi_finish(struct khv_vcpu *vcpu, bool may_sleep)
{
	bool ended;

	if (take_bit(vcpu, may_sleep, &ended))
		ended = true;
	vcpu->pv.eoi_offered = false;
	if (ended)
		khv_lapic_end_highest(vcpu);
	else
		khv_request(vcpu, KHV_REQ_EVENT);	/* which offers again */
}

int khv_pv_eoi_set(struct khv_vcpu *vcpu, u64 data)
{
	if (data & EOI_RESERVED)
		return 1;
	if ((data & KVM_MSR_ENABLED) && !khv_memslot_find(vcpu->vm, data >> PAGE_SHIFT))
		return 1;
	if (vcpu->pv.eoi_offered)
		khv_pv_eoi_finish(vcpu, true);
	vcpu->pv.eoi_msr = data;
	return 0;
}

/* End the halt of the vCPU with this APIC ID, or its next one. */
static void unhalt(struct khv_vm *vm, u32 id)
{
	struct khv_lapic *apic = khv_lapic_by_id(vm, id);

	if (!apic)
		return;
	WRITE_ONCE(apic->vcpu->pv.unhalted, true);
	khv_vcpu_kick(apic->vcpu);
}

static void yield_to_id(struct khv_vcpu *vcpu, u32 id)
{
	struct khv_lapic *apic = khv_lapic_by_id(vcpu->vm, id);

	if (apic && apic->vcpu != vcpu)
		khv_vcpu_yield_to(vcpu, apic->vcpu);
}

/* Two words of a bitmap of APIC IDs, which begins with @first. How many took it. */
static u64 send_ipis(struct khv_vcpu *vcpu, const u64 *bitmap, u32 first, u64 icr, bool wide)
{
	unsigned int word = wide ? 64 : 32;

	if (!vcpu->lapic)
		return -(u64)KVM_EOPNOTSUPP;
	if (icr & ICR_REFUSED)
		return -(u64)KVM_EINVAL;
	return khv_lapic_send_bitmap(vcpu, bitmap[0], first, icr) +
	       khv_lapic_send_bitmap(vcpu, bitmap[1], (u64)first + word, icr);
}

u64 khv_pv_hypercall(struct khv_vcpu *vcpu, u64 nr, bool wide)
{
	const u64 *gpr = vcpu->regs.gpr;
	const u64 mask = wide ? U64_MAX : U32_MAX;
	const u64 arg[] = {
		gpr[KHV_RBX] & mask, gpr[KHV_RCX] & mask, gpr[KHV_RDX] & mask, gpr[KHV_RSI] & mask,
	};

	switch (nr) {
	case KVM_HC_VAPIC_POLL_IRQ:
		return 0;	/* the exit itself was what it is for */
	case KVM_HC_CLOCK_PAIRING:
		if (arg[1] != KVM_CLOCK_PAIRING_WALLCLOCK)
			return -(u64)KVM_EOPNOTSUPP;
		return khv_pvclock_pairing(vcpu, arg[0]);
	case KVM_HC_KICK_CPU:
		if (!khv_pv_has(vcpu, KVM_FEATURE_PV_UNHALT))
			break;
		unhalt(vcpu->vm, arg[1]);
		/* Who is kicked has what the kicker gave up, or waits for a CPU to take it. */
		yield_to_id(vcpu, arg[1]);
		return 0;
	case KVM_HC_SEND_IPI:
		if (!khv_pv_has(vcpu, KVM_FEATURE_PV_SEND_IPI))
			break;
		return send_ipis(vcpu, arg, arg[2], arg[3], wide);
	case KVM_HC_SCHED_YIELD:
		if (!khv_pv_has(vcpu, KVM_FEATURE_PV_SCHED_YIELD))
			break;
		yield_to_id(vcpu, arg[0]);
		return 0;
	}
	return -(u64)KVM_ENOSYS;
}

void khv_pv_reset(struct khv_vcpu *vcpu, bool init)
{
	bool no_polling = init && vcpu->pv.no_polling;

	memset(&vcpu->pv, 0, sizeof(vcpu->pv));
	vcpu->pv.no_polling = no_polling;
}
