// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMCB in the log, for a failed entry or an exit that khv does not know.
 */
#include <linux/pid.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>

#include "svm/svm.h"

struct dump_field {
	const char *name;
	u16 offset;
	u16 size;
};

#define F(name) { #name, offsetof(struct khv_vmcb, name), sizeof_field(struct khv_vmcb, name) }

static const struct dump_field fields[] = {
	F(cr0), F(cr2), F(cr3), F(cr4), F(efer), F(g_pat), F(rip), F(rsp), F(rax), F(rflags),
	F(cpl), F(dr6), F(dr7), F(dbgctl), F(spec_ctrl), F(star), F(lstar), F(cstar), F(sfmask),
	F(kernel_gs_base), F(sysenter_cs), F(sysenter_esp), F(sysenter_eip),
	F(interrupt_shadow), F(vintr), F(vintr_vector), F(tsc_offset), F(asid), F(tlb_control),
	F(np_enable), F(n_cr3), F(lbr_enable), F(iopm_base_pa), F(msrpm_base_pa),
	F(intercepts[0]), F(intercepts[1]), F(intercepts[2]), F(intercepts[3]),
	F(intercepts[4]), F(intercepts[5]), F(pause_count), F(pause_threshold), F(clean),
	F(eventinj), F(eventinj_error), F(exitcode), F(exitinfo1), F(exitinfo2),
	F(exitintinfo), F(exitintinfo_error), F(nrip), F(insn_len),
};

#undef F
#define F(name) { #name, offsetof(struct khv_vmcb, name), 0 }

static const struct dump_field segments[] = {
	F(es), F(cs), F(ss), F(ds), F(fs), F(gs), F(ldtr), F(tr), F(gdtr), F(idtr),
};

void khv_svm_dump(struct khv_vcpu *vcpu)
{
	static DEFINE_RATELIMIT_STATE(limit, 60 * HZ, 3);
	const void *vmcb = to_svm(vcpu)->vmcb;
	unsigned int i;

	if (!__ratelimit(&limit))
		return;
	pr_err("VMCB of vCPU %d, task %d:\n", vcpu->id, task_pid_nr(current));
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		u64 val = 0;

		memcpy(&val, vmcb + fields[i].offset, fields[i].size);
		pr_err("  %-18s %#llx\n", fields[i].name, val);
	}
	for (i = 0; i < ARRAY_SIZE(segments); i++) {
		const struct khv_vmcb_seg *s = vmcb + segments[i].offset;

		pr_err("  %-4s selector %#06x base %#llx limit %#x attributes %#x\n",
		       segments[i].name, s->selector, s->base, s->limit, s->attrib);
	}
}
