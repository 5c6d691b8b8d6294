// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPUID that the guest sees: all that the hypervisor supports, with the
 * topology of one processor with one core and one thread in place of the host's.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "khv.h"
#include "machine/vcpu.h"

#define MAX_ENTRIES 256u

#define LEAF1_ECX_TSC_DEADLINE	(1u << 24)
#define LEAF1_ECX_HYPERVISOR	(1u << 31)
#define LEAF1_EDX_HTT		(1u << 28)
#define LEVEL_TYPE_THREAD	1u
#define LEVEL_TYPE_CORE		2u

/* SDM, CPUID leaf 0BH and 1FH, "Extended Topology Enumeration". */
static void fix_topology_leaf(struct kvm_cpuid_entry2 *e)
{
	uint32_t type = 0;

	if (e->index == 0)
		type = LEVEL_TYPE_THREAD;
	else if (e->index == 1)
		type = LEVEL_TYPE_CORE;
	e->eax = 0;			/* no APIC ID bits below the next level */
	e->ebx = type ? 1 : 0;		/* processors at this level */
	e->ecx = type << 8 | e->index;
	e->edx = 0;			/* x2APIC ID */
}

static void fix_entry(const struct khv_vcpu *vcpu, struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 1:
		e->ebx &= 0x0000ffff;
		e->ebx |= 1u << 16;	/* one logical processor, APIC ID 0 */
		e->edx &= ~LEAF1_EDX_HTT;
		e->ecx |= LEAF1_ECX_HYPERVISOR;
		if (ioctl(vcpu->vm->dev, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
			e->ecx |= LEAF1_ECX_TSC_DEADLINE;
		break;
	case 4:		/* caches: neither shared, nor in a package of several cores */
		e->eax &= 0x00003fff;
		break;
	case 0xb:
	case 0x1f:
		fix_topology_leaf(e);
		break;
	case 0x80000008:
		e->ecx = 0;		/* AMD: one core, no APIC ID bits for it */
		break;
	case 0x8000001d:	/* AMD's form of leaf 4 */
		e->eax &= 0x00003fff;
		break;
	case 0x8000001e:
		e->eax = 0;		/* APIC ID, then compute unit and node 0 */
		e->ebx = 0;
		e->ecx = 0;
		break;
	}
}

int khv_vcpu_set_cpuid(struct khv_vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid;
	int err = -1;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return khv_fail("set up", "CPUID", NULL, "no memory");
	cpuid->nent = MAX_ENTRIES;
	if (ioctl(vcpu->vm->dev, KVM_GET_SUPPORTED_CPUID, cpuid)) {
		khv_fail("set up", "CPUID", NULL, "KVM_GET_SUPPORTED_CPUID: %m");
		goto out;
	}
	for (uint32_t i = 0; i < cpuid->nent && i < MAX_ENTRIES; i++)
		fix_entry(vcpu, &cpuid->entries[i]);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid)) {
		khv_fail("set up", "CPUID", NULL, "KVM_SET_CPUID2: %m");
		goto out;
	}
	err = 0;
out:
	free(cpuid);
	return err;
}
