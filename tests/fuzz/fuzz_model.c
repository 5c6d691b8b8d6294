// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether a processor could be in a state ("SDM, Checks on the Guest State Area";
 * "APM, Volume 2: Canonicalization and Consistency Checks"): the union of what
 * the two vendors ask. A client may set others, and KVM_EXIT_FAIL_ENTRY is then
 * the answer that the ABI has for it.
 */
#include <asm/processor-flags.h>

#include "guest_fuzz.h"

#define EFER_LMA	0x400

static bool canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

static bool usable(const struct kvm_segment *s)
{
	return s->present && !s->unusable;
}

static bool granularity_fits(const struct kvm_segment *s)
{
	if ((s->limit & 0xfff) != 0xfff && s->g)
		return false;
	return !(s->limit >> 20) || s->g;
}

static bool vm86_segment(const struct kvm_segment *s)
{
	return s->base == (uint32_t)s->selector << 4 && s->limit == 0xffff &&
	       (s->type | 1) == 3 && s->s && s->dpl == 3 && usable(s) && !s->avl && !s->l &&
	       !s->db && !s->g;
}

static bool data_segment(const struct kvm_segment *s, bool high_base)
{
	if (high_base ? !canonical(s->base) : usable(s) && s->base >> 32)
		return false;
	if (!usable(s))
		return true;
	return s->s && ((s->type & 10) != 8) && granularity_fits(s) &&
	       ((s->type & 15) > 11 || s->dpl >= (s->selector & 3));
}

static bool stack_segment(const struct kvm_sregs *s)
{
	const struct kvm_segment *ss = &s->ss;

	if (!(s->cr0 & X86_CR0_PE) && ss->dpl)
		return false;
	if (((ss->selector ^ s->cs.selector) & 3) || ss->dpl != (ss->selector & 3))
		return false;
	if (!usable(ss))
		return true;
	return !(ss->base >> 32) && ss->s && ((ss->type | 1) == 3 || (ss->type | 1) == 7) &&
	       granularity_fits(ss);
}

static bool code_segment(const struct kvm_sregs *s)
{
	const struct kvm_segment *cs = &s->cs;
	uint8_t type = cs->type | 1;

	if (!usable(cs) || cs->base >> 32 || !cs->s || !granularity_fits(cs))
		return false;
	if (cs->l && cs->db)
		return false;
	if (cs->l && !(s->efer & EFER_LMA))
		return false;
	switch (type) {
	case 3:
		return !cs->dpl && !s->ss.dpl && !(s->cr0 & X86_CR0_PE);
	case 9:
	case 11:
		return cs->dpl == s->ss.dpl;
	case 13:
	case 15:
		return cs->dpl <= s->ss.dpl;
	default:
		return false;
	}
}

static bool system_segments(const struct kvm_sregs *s)
{
	const struct kvm_segment *tr = &s->tr, *ldt = &s->ldt;
	uint8_t type = tr->type == 9 ? 11 : tr->type;

	if (!usable(tr) || (tr->selector & 4) || !canonical(tr->base) || tr->s ||
	    !granularity_fits(tr))
		return false;
	if (type != 11 && (type != 3 || (s->efer & EFER_LMA)))
		return false;
	if (!usable(ldt))
		return true;
	return !(ldt->selector & 4) && canonical(ldt->base) && ldt->type == 2 && !ldt->s &&
	       granularity_fits(ldt);
}

static bool vm86_segments(const struct kvm_sregs *s)
{
	return vm86_segment(&s->cs) && vm86_segment(&s->ss) && vm86_segment(&s->ds) &&
	       vm86_segment(&s->es) && vm86_segment(&s->fs) && vm86_segment(&s->gs);
}

static bool protected_segments(const struct kvm_sregs *s)
{
	return code_segment(s) && stack_segment(s) && data_segment(&s->ds, false) &&
	       data_segment(&s->es, false) && data_segment(&s->fs, true) &&
	       data_segment(&s->gs, true);
}

static bool instruction_pointer(const struct kvm_sregs *s, uint64_t rip)
{
	if ((s->efer & EFER_LMA) && s->cs.l)
		return canonical(rip);
	return !(rip >> 32);
}

static bool flags(const struct kvm_sregs *s, uint64_t rflags)
{
	if (rflags & ~0x3f7fd7ULL)
		return false;
	return !(rflags & X86_EFLAGS_VM) ||
	       ((s->cr0 & X86_CR0_PE) && !(s->efer & EFER_LMA));
}

/* An exception that is injected, and shadows. */
static bool events_fit(const struct kvm_vcpu_events *e, uint64_t rflags)
{
	const uint32_t with_error = 1 << 8 | 0x7c00 | 1 << 17;

	if (e->exception.injected &&
	    e->exception.has_error_code != (with_error >> e->exception.nr & 1))
		return false;
	/* An interrupt that is on its way was let in by IF. */
	if (e->interrupt.injected && !(rflags & X86_EFLAGS_IF))
		return false;
	return !e->interrupt.shadow || ((rflags & X86_EFLAGS_IF) && !e->exception.injected);
}

bool possible_state(const struct kvm_sregs *s, const struct kvm_regs *r,
		    const struct kvm_vcpu_events *events)
{
	bool vm86 = (r->rflags & X86_EFLAGS_VM) && (s->cr0 & X86_CR0_PE);

	if ((s->cr4 & X86_CR4_PCIDE) && !(s->efer & EFER_LMA))
		return false;
	if (!(s->efer & EFER_LMA) && s->cr3 >> 32)
		return false;
	if (!canonical(s->gdt.base) || !canonical(s->idt.base))
		return false;
	return flags(s, r->rflags) && instruction_pointer(s, r->rip) && system_segments(s) &&
	       (vm86 ? vm86_segments(s) : protected_segments(s)) && events_fit(events, r->rflags);
}
