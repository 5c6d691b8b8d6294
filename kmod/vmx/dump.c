// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMCS in the log, for a failed entry or an exit that khv does not know.
 */
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/pid.h>
#include <linux/sched.h>

#include "vmx/vmx.h"

struct dump_field {
	const char *name;
	u32 field;
};

#define F(name) { #name, name }

static const struct dump_field fields[] = {
	F(GUEST_CR0), F(CR0_READ_SHADOW), F(GUEST_CR3), F(GUEST_CR4), F(CR4_READ_SHADOW),
	F(GUEST_IA32_EFER), F(GUEST_IA32_PAT), F(GUEST_RIP), F(GUEST_RSP), F(GUEST_RFLAGS),
	F(GUEST_DR7), F(GUEST_IA32_DEBUGCTL), F(GUEST_INTERRUPTIBILITY_INFO),
	F(GUEST_ACTIVITY_STATE), F(GUEST_PENDING_DBG_EXCEPTIONS), F(VMCS_LINK_POINTER),
	F(GUEST_PDPTR0), F(GUEST_PDPTR1), F(GUEST_PDPTR2), F(GUEST_PDPTR3),
	F(GUEST_GDTR_BASE), F(GUEST_GDTR_LIMIT), F(GUEST_IDTR_BASE), F(GUEST_IDTR_LIMIT),
	F(HOST_CR0), F(HOST_CR3), F(HOST_CR4), F(HOST_IA32_EFER), F(HOST_IA32_PAT),
	F(HOST_RIP), F(HOST_RSP), F(HOST_CS_SELECTOR), F(HOST_SS_SELECTOR), F(HOST_TR_SELECTOR),
	F(HOST_FS_BASE), F(HOST_GS_BASE), F(HOST_TR_BASE), F(HOST_GDTR_BASE), F(HOST_IDTR_BASE),
	F(HOST_IA32_SYSENTER_CS), F(HOST_IA32_SYSENTER_ESP), F(HOST_IA32_SYSENTER_EIP),
	F(PIN_BASED_VM_EXEC_CONTROL), F(CPU_BASED_VM_EXEC_CONTROL), F(SECONDARY_VM_EXEC_CONTROL),
	F(VM_ENTRY_CONTROLS), F(VM_EXIT_CONTROLS), F(EXCEPTION_BITMAP), F(EPT_POINTER),
	F(GUEST_INTR_STATUS),
	F(VM_ENTRY_INTR_INFO_FIELD), F(VM_ENTRY_EXCEPTION_ERROR_CODE), F(VM_ENTRY_INSTRUCTION_LEN),
	F(VM_EXIT_REASON), F(EXIT_QUALIFICATION), F(VM_EXIT_INTR_INFO), F(VM_EXIT_INTR_ERROR_CODE),
	F(VM_EXIT_INSTRUCTION_LEN), F(IDT_VECTORING_INFO_FIELD), F(IDT_VECTORING_ERROR_CODE),
	F(VM_INSTRUCTION_ERROR), F(GUEST_PHYSICAL_ADDRESS), F(GUEST_LINEAR_ADDRESS),
};

#define S(name) { #name, GUEST_##name##_SELECTOR }

static const struct dump_field segments[] = {
	S(ES), S(CS), S(SS), S(DS), S(FS), S(GS), S(LDTR), S(TR),
};

/* What is printed of each segment, numbered alike in their groups. */
static const u32 segment_parts[] = {
	GUEST_ES_SELECTOR, GUEST_ES_BASE, GUEST_ES_LIMIT, GUEST_ES_AR_BYTES,
};

struct dump {
	u64 field[ARRAY_SIZE(fields)];
	bool present[ARRAY_SIZE(fields)];
	u64 segment[ARRAY_SIZE(segments)][ARRAY_SIZE(segment_parts)];
};

static void read_all(struct dump *d)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(fields); i++)
		d->present[i] = khv_vmread_try(fields[i].field, &d->field[i]);
	for (i = 0; i < ARRAY_SIZE(segments); i++) {
		for (j = 0; j < ARRAY_SIZE(segment_parts); j++)
			d->segment[i][j] = khv_vmread(segment_parts[j] + segments[i].field -
						      GUEST_ES_SELECTOR);
	}
}

void khv_vmx_dump(struct khv_vcpu *vcpu)
{
	static DEFINE_RATELIMIT_STATE(limit, 60 * HZ, 3);
	struct dump d = { 0 };
	unsigned int i;

	if (!__ratelimit(&limit))
		return;
	/* The log may be a slow console: interrupts are on again when it is written. */
	if (khv_vmx_access_begin(vcpu))
		read_all(&d);
	khv_vmx_access_end(vcpu);

	pr_err("VMCS of vCPU %d, task %d:\n", vcpu->id, task_pid_nr(current));
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (d.present[i])
			pr_err("  %-28s %#llx\n", fields[i].name, d.field[i]);
	for (i = 0; i < ARRAY_SIZE(segments); i++)
		pr_err("  %-4s selector %#06llx base %#llx limit %#llx access %#llx\n",
		       segments[i].name, d.segment[i][0], d.segment[i][1], d.segment[i][2],
		       d.segment[i][3]);
}
