// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPUID that the guest sees: all that the hypervisor supports, with the topology
 * of this machine in place of the host's: one package with a core for each processor,
 * one thread each, whose APIC IDs are the vCPUs' numbers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "khv.h"
#include "machine/vcpu.h"

#define MAX_ENTRIES 256u

#define LEAF1_ECX_TSC_DEADLINE	(1u << 24)
#define LEAF1_ECX_HYPERVISOR	(1u << 31)
#define LEAF1_EDX_HTT		(1u << 28)
#define EXT1_ECX_CMP_LEGACY	(1u << 1)
#define LEVEL_TYPE_THREAD	1u
#define LEVEL_TYPE_CORE		2u
#define TOPOLOGY_LEVELS		3u	/* the last one says that there are no more */
#define CACHE_LEVEL(eax)	((eax) >> 5 & 7)
#define CACHE_SHARED		3u	/* the level that all cores share, where there is one */
#define CACHE_SHARING(ids)	(((ids) - 1) << 14)
#define CACHE_CORES(ids)	(((ids) - 1) << 26)

/* Bits of an APIC ID that tell the cores of a package apart. */
static unsigned int core_bits(const struct khv_vcpu *vcpu)
{
	unsigned int bits = 0;

	while (1u << bits < vcpu->nr)
		bits++;
	return bits;
}

/* SDM, CPUID leaf 0BH and 1FH, "Extended Topology Enumeration". */
static struct kvm_cpuid_entry2 topology_level(const struct khv_vcpu *vcpu, uint32_t leaf,
					      uint32_t level)
{
	struct kvm_cpuid_entry2 e = {
		.function = leaf, .index = level, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.ecx = level, .edx = vcpu->id,
	};

	/* EAX: the bits below the next level. EBX: processors at this one. */
	if (level == 0) {
		e.ecx |= LEVEL_TYPE_THREAD << 8;
		e.ebx = 1;
	} else if (level == 1) {
		e.ecx |= LEVEL_TYPE_CORE << 8;
		e.eax = core_bits(vcpu);
		e.ebx = vcpu->nr;
	}
	return e;
}

/* Intel's leaf 4 or AMD's 8000001DH: who shares a cache. */
static void fix_cache(const struct khv_vcpu *vcpu, struct kvm_cpuid_entry2 *e)
{
	uint32_t ids = 1u << core_bits(vcpu);

	e->eax &= 0x00003fff;
	if (CACHE_LEVEL(e->eax) == CACHE_SHARED)
		e->eax |= CACHE_SHARING(e->function == 4 ? ids : vcpu->nr);
	if (e->function == 4 && e->eax)
		e->eax |= CACHE_CORES(ids);
}

static void fix_features(const struct khv_vcpu *vcpu, struct kvm_cpuid_entry2 *e)
{
	e->ebx &= 0x0000ffff;
	e->ebx |= vcpu->id << 24 | 1u << core_bits(vcpu) << 16;
	e->edx &= ~LEAF1_EDX_HTT;
	if (vcpu->nr > 1)
		e->edx |= LEAF1_EDX_HTT;	/* the number above is valid */
	e->ecx |= LEAF1_ECX_HYPERVISOR;
	if (ioctl(vcpu->vm->dev, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
		e->ecx |= LEAF1_ECX_TSC_DEADLINE;
}

static void fix_entry(const struct khv_vcpu *vcpu, struct kvm_cpuid_entry2 *e, bool amd)
{
	switch (e->function) {
	case 1:
		fix_features(vcpu, e);
		break;
	case 4:
	case 0x8000001d:
		fix_cache(vcpu, e);
		break;
	case 0x80000001:
		/* AMD: what HTT counts are cores. */
		e->ecx &= ~EXT1_ECX_CMP_LEGACY;
		if (amd && vcpu->nr > 1)
			e->ecx |= EXT1_ECX_CMP_LEGACY;
		break;
	case 0x80000008:	/* AMD: cores, and the bits of an APIC ID for them */
		e->ecx = amd ? core_bits(vcpu) << 12 | (vcpu->nr - 1) : 0;
		break;
	case 0x8000001e:	/* AMD: APIC ID, core of one thread, node 0 of one */
		e->eax = vcpu->id;
		e->ebx = vcpu->id;
		e->ecx = 0;
		break;
	}
}

/*
 * Leaf 0BH anew, for hypervisors may list it empty, and 1FH not at all. Where neither
 * is listed, as of AMD's older processors, there is none.
 */
static void fix_topology(const struct khv_vcpu *vcpu, struct kvm_cpuid2 *cpuid)
{
	uint32_t leaf = 0, kept = 0;

	for (uint32_t i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 0xb || e->function == 0x1f)
			leaf = 0xb;
		else
			cpuid->entries[kept++] = *e;
	}
	for (uint32_t level = 0; leaf && level < TOPOLOGY_LEVELS; level++)
		cpuid->entries[kept++] = topology_level(vcpu, leaf, level);
	cpuid->nent = kept;
}

static bool is_amd(const struct kvm_cpuid2 *cpuid)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (!e->function)
			return !memcmp(&e->ebx, "Auth", 4) || !memcmp(&e->ebx, "Hygo", 4);
	}
	return false;
}

int khv_vcpu_set_cpuid(struct khv_vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid;
	int err = -1;
	bool amd;

	cpuid = calloc(1, sizeof(*cpuid) +
		       (MAX_ENTRIES + TOPOLOGY_LEVELS) * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return khv_fail("set up", "CPUID", NULL, "no memory");
	cpuid->nent = MAX_ENTRIES;
	if (ioctl(vcpu->vm->dev, KVM_GET_SUPPORTED_CPUID, cpuid)) {
		khv_fail("set up", "CPUID", NULL, "KVM_GET_SUPPORTED_CPUID: %m");
		goto out;
	}
	if (cpuid->nent > MAX_ENTRIES) {
		khv_fail("set up", "CPUID", NULL, "KVM_GET_SUPPORTED_CPUID gave %u entries",
			 cpuid->nent);
		goto out;
	}
	amd = is_amd(cpuid);
	for (uint32_t i = 0; i < cpuid->nent; i++)
		fix_entry(vcpu, &cpuid->entries[i], amd);
	fix_topology(vcpu, cpuid);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid)) {
		khv_fail("set up", "CPUID", NULL, "KVM_SET_CPUID2: %m");
		goto out;
	}
	err = 0;
out:
	free(cpuid);
	return err;
}
