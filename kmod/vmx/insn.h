/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMX instructions, one wrapper each ("SDM, VMX Instruction Reference").
 *
 * A failure is a bug in khv, not a condition: it is reported once and the value
 * read is 0. All need a current VMCS (but for VMCLEAR and VMPTRLD) and run with
 * interrupts off inside a region.
 */
#ifndef KHV_VMX_INSN_H
#define KHV_VMX_INSN_H

#include <linux/bug.h>
#include <linux/types.h>

#define KHV_VMX_CHECK(failed, what, arg) \
	WARN_ONCE(failed, "khv: %s %#lx failed\n", what, (unsigned long)(arg))

static inline void khv_vmclear(u64 pa)
{
	bool failed;

	asm volatile("vmclear %1" : "=@ccna" (failed) : "m" (pa) : "memory");
	KHV_VMX_CHECK(failed, "VMCLEAR", pa);
}

static inline void khv_vmptrld(u64 pa)
{
	bool failed;

	asm volatile("vmptrld %1" : "=@ccna" (failed) : "m" (pa) : "memory");
	KHV_VMX_CHECK(failed, "VMPTRLD", pa);
}

static __always_inline u64 khv_vmread(unsigned long field)
{
	bool failed;
	u64 value;

	asm volatile("vmread %2, %1" : "=@ccna" (failed), "=r" (value) : "r" (field));
	if (unlikely(failed)) {
		KHV_VMX_CHECK(true, "VMREAD", field);
		return 0;
	}
	return value;
}

/* A field that not every processor has. False where it is missing. */
static __always_inline bool khv_vmread_try(unsigned long field, u64 *value)
{
	bool failed;

	asm volatile("vmread %2, %1" : "=@ccna" (failed), "=r" (*value) : "r" (field));
	return !failed;
}

static __always_inline void khv_vmwrite(unsigned long field, u64 value)
{
	bool failed;

	asm volatile("vmwrite %1, %2" : "=@ccna" (failed) : "r" (value), "r" (field) : "memory");
	if (unlikely(failed))
		KHV_VMX_CHECK(true, "VMWRITE", field);
}

struct khv_inv_desc {
	u64 word[2];
};

#define KHV_INVEPT_SINGLE	1
#define KHV_INVEPT_ALL		2
#define KHV_INVVPID_ADDRESS	0
#define KHV_INVVPID_SINGLE	1
#define KHV_INVVPID_ALL		2

static inline void khv_invept(unsigned long type, u64 eptp)
{
	struct khv_inv_desc desc = { { eptp, 0 } };
	bool failed;

	asm volatile("invept %1, %2" : "=@ccna" (failed) : "m" (desc), "r" (type) : "memory");
	KHV_VMX_CHECK(failed, "INVEPT", eptp);
}

static inline void khv_invvpid(unsigned long type, u16 vpid, u64 gva)
{
	struct khv_inv_desc desc = { { vpid, gva } };
	bool failed;

	asm volatile("invvpid %1, %2" : "=@ccna" (failed) : "m" (desc), "r" (type) : "memory");
	KHV_VMX_CHECK(failed, "INVVPID", vpid);
}

#endif
