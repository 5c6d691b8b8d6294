/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Paravirtual features, their MSRs and hypercalls, and what tests of them ask of a VM.
 */
#ifndef KHV_TESTS_PV_H
#define KHV_TESTS_PV_H

#include <stdint.h>
#include <string.h>

#include "ksft.h"
#include "vm.h"

#define MSR_STEAL_TIME		0x4b564d03
#define MSR_PV_EOI		0x4b564d04
#define MSR_POLL_CONTROL	0x4b564d05

#define HC_KICK_CPU		5
#define HC_SEND_IPI		10
#define HC_SCHED_YIELD		11
#define HC_ENOSYS		-1000L

#define FEATURES_LEAF		0x40000001
#define FEATURE_STEAL_TIME	5
#define FEATURE_PV_EOI		6
#define FEATURE_PV_UNHALT	7
#define FEATURE_PV_TLB_FLUSH	9
#define FEATURE_PV_SEND_IPI	11
#define FEATURE_POLL_CONTROL	12
#define FEATURE_PV_SCHED_YIELD	13

static inline uint32_t pv_features(struct vm *vm)
{
	struct kvm_cpuid2 *cpuid = supported_cpuid(vm->dev);
	struct kvm_cpuid_entry2 *e = cpuid_find(cpuid, FEATURES_LEAF, 0);

	ASSERT(e);
	return e->eax;
}

static inline void need_pv_feature(struct vm *vm, unsigned int feature)
{
	if (!(pv_features(vm) & 1u << feature))
		ksft_skip("no paravirtual feature %u", feature);
}

/* The word of ISR, TMR or IRR of @vcpu's local APIC that has @vector. */
static inline uint32_t lapic_word(struct vcpu *vcpu, unsigned int reg, unsigned int vector)
{
	struct kvm_lapic_state state;
	uint32_t word;

	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_LAPIC, &state), 0);
	memcpy(&word, state.regs + reg + vector / 32 * 16, sizeof(word));
	return word;
}

#endif
