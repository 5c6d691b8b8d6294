// SPDX-License-Identifier: GPL-2.0-only
/*
 * MTRR and PAT values: which ones a processor accepts ("SDM, Memory Type Range
 * Registers", "SDM, Page Attribute Table"), and where they are kept.
 */
#include <asm/msr-index.h>
#include <linux/bits.h>
#include <linux/nospec.h>

#include "vm/vcpu.h"
#include "x86/mtrr.h"

#define VAR_FIRST	0x200
#define VAR_COUNT	(2 * KHV_NR_VAR_MTRRS)

/* IA32_MTRRCAP: so many variable ranges, fixed ranges, write-combining. */
#define MTRRCAP		(KHV_NR_VAR_MTRRS | BIT(8) | BIT(10))
#define DEF_TYPE_BITS	(0xffULL | BIT(10) | BIT(11))

/* UC, WC, WT, WP, WB; the PAT has UC- besides. */
static bool type_valid(u8 type)
{
	return type < 8 && (BIT(type) & 0x73);
}

bool khv_pat_valid(u64 data)
{
	int i;

	for (i = 0; i < 8; i++, data >>= 8) {
		if (!type_valid(data) && (u8)data != 7)
			return false;
	}
	return true;
}

static bool fixed_valid(u64 data)
{
	int i;

	for (i = 0; i < 8; i++, data >>= 8) {
		if (!type_valid(data))
			return false;
	}
	return true;
}

/* Position of a fixed-range register in khv_msrs.mtrr_fixed, or -1. */
static int fixed_slot(u32 index)
{
	switch (index) {
	case MSR_MTRRfix64K_00000:
		return 0;
	case MSR_MTRRfix16K_80000:
	case MSR_MTRRfix16K_A0000:
		return 1 + (index - MSR_MTRRfix16K_80000);
	case MSR_MTRRfix4K_C0000 ... MSR_MTRRfix4K_F8000:
		return 3 + (index - MSR_MTRRfix4K_C0000);
	default:
		return -1;
	}
}

static bool is_variable(u32 index)
{
	return index >= VAR_FIRST && index < VAR_FIRST + VAR_COUNT;
}

static bool variable_valid(struct khv_vcpu *vcpu, u32 index, u64 data)
{
	u64 reserved = GENMASK_ULL(63, vcpu->cpuid.maxphyaddr);

	/* Even: base address and type. Odd: mask and valid bit. */
	if (index & 1)
		return !(data & (reserved | GENMASK_ULL(10, 0)));
	return !(data & (reserved | GENMASK_ULL(11, 8))) && type_valid(data);
}

int khv_mtrr_read(struct khv_vcpu *vcpu, u32 index, u64 *data)
{
	struct khv_msrs *msrs = &vcpu->msrs;
	int slot;

	if (index == MSR_MTRRcap) {
		*data = MTRRCAP;
	} else if (index == MSR_MTRRdefType) {
		*data = msrs->mtrr_def_type;
	} else if (is_variable(index)) {
		*data = msrs->mtrr_var[array_index_nospec(index - VAR_FIRST, VAR_COUNT)];
	} else {
		slot = fixed_slot(index);
		if (slot < 0)
			return -ENOENT;
		*data = msrs->mtrr_fixed[array_index_nospec(slot, 11)];
	}
	return 0;
}

int khv_mtrr_write(struct khv_vcpu *vcpu, u32 index, u64 data)
{
	struct khv_msrs *msrs = &vcpu->msrs;
	int slot;

	if (index == MSR_MTRRcap)
		return 1;
	if (index == MSR_MTRRdefType) {
		if ((data & ~DEF_TYPE_BITS) || !type_valid(data))
			return 1;
		msrs->mtrr_def_type = data;
	} else if (is_variable(index)) {
		if (!variable_valid(vcpu, index, data))
			return 1;
		msrs->mtrr_var[array_index_nospec(index - VAR_FIRST, VAR_COUNT)] = data;
	} else {
		slot = fixed_slot(index);
		if (slot < 0)
			return -ENOENT;
		if (!fixed_valid(data))
			return 1;
		msrs->mtrr_fixed[array_index_nospec(slot, 11)] = data;
	}
	return 0;
}
