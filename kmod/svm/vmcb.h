/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMCB as the processor reads and writes it ("APM, Volume 2: VMCB Layout").
 *
 * Kernels rename the fields of their own structure from release to release, so
 * khv has one; exit codes come from the kernel's UAPI header, which stays.
 */
#ifndef KHV_SVM_VMCB_H
#define KHV_SVM_VMCB_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <uapi/asm/svm.h>

/* Intercepts: bit n % 32 of word n / 32. */
#define KHV_ICPT_CR_READ(n)	(n)
#define KHV_ICPT_CR_WRITE(n)	(16 + (n))
#define KHV_ICPT_EXCEPTION(n)	(64 + (n))
/* All of word 1: DR0 to DR7, reading and writing. */
#define KHV_ICPT_ALL_DRS	0x00ff00ffU

enum khv_svm_intercept {
	KHV_ICPT_INTR = 96, KHV_ICPT_NMI, KHV_ICPT_SMI, KHV_ICPT_INIT, KHV_ICPT_VINTR,
	KHV_ICPT_CR0_SEL_WRITE,
	KHV_ICPT_RDPMC = 111,
	KHV_ICPT_CPUID = 114,
	KHV_ICPT_IRET = 116,
	KHV_ICPT_INVD = 118, KHV_ICPT_PAUSE, KHV_ICPT_HLT, KHV_ICPT_INVLPG, KHV_ICPT_INVLPGA,
	KHV_ICPT_IOIO, KHV_ICPT_MSR, KHV_ICPT_TASK_SWITCH, KHV_ICPT_FERR_FREEZE,
	KHV_ICPT_SHUTDOWN,
	KHV_ICPT_VMRUN = 128, KHV_ICPT_VMMCALL, KHV_ICPT_VMLOAD, KHV_ICPT_VMSAVE,
	KHV_ICPT_STGI, KHV_ICPT_CLGI, KHV_ICPT_SKINIT, KHV_ICPT_RDTSCP, KHV_ICPT_ICEBP,
	KHV_ICPT_WBINVD, KHV_ICPT_MONITOR, KHV_ICPT_MWAIT, KHV_ICPT_MWAIT_ARMED,
	KHV_ICPT_XSETBV, KHV_ICPT_RDPRU,
	KHV_ICPT_INVLPGB = 160, KHV_ICPT_INVLPGB_ILLEGAL, KHV_ICPT_INVPCID,
};

#define KHV_ICPT_WORDS	6

/* DR6 with nothing reported. */
#define KHV_DR6_CLEAR	0xffff0ff0UL

#define KHV_TLB_KEEP		0
#define KHV_TLB_FLUSH_ALL	1
#define KHV_TLB_FLUSH_ASID	3

/* VINTR control. */
#define KHV_V_IRQ		BIT(8)
#define KHV_V_GIF		BIT(9)
#define KHV_V_NMI_MASK		BIT(12)
#define KHV_V_PRIO_HIGHEST	(0xfU << 16)
#define KHV_V_IGN_TPR		BIT(20)
#define KHV_V_INTR_MASKING	BIT(24)
#define KHV_V_GIF_ENABLE	BIT(25)
#define KHV_V_NMI_ENABLE	BIT(26)

#define KHV_INT_SHADOW		BIT(0)

#define KHV_NP_ENABLE		BIT(0)
#define KHV_LBR_ENABLE		BIT(0)

/* EVENTINJ and EXITINTINFO. */
#define KHV_EVENT_VECTOR	0xffU
#define KHV_EVENT_TYPE		(7U << 8)
#define KHV_EVENT_TYPE_INTR	(0U << 8)
#define KHV_EVENT_TYPE_NMI	(2U << 8)
#define KHV_EVENT_TYPE_EXCEPT	(3U << 8)
#define KHV_EVENT_TYPE_SOFT	(4U << 8)
#define KHV_EVENT_HAS_ERROR	BIT(11)
#define KHV_EVENT_VALID		BIT(31)

/* Clean bits: parts of the VMCB that the processor may take from its cache. */
#define KHV_CLEAN_INTERCEPTS	BIT(0)	/* TSC offset and pause filter, too */
#define KHV_CLEAN_MAPS		BIT(1)
#define KHV_CLEAN_ASID		BIT(2)
#define KHV_CLEAN_VINTR		BIT(3)
#define KHV_CLEAN_NP		BIT(4)
#define KHV_CLEAN_CR		BIT(5)	/* CR0, CR3, CR4, EFER */
#define KHV_CLEAN_DR		BIT(6)
#define KHV_CLEAN_DT		BIT(7)
#define KHV_CLEAN_SEG		BIT(8)	/* CS, SS, DS, ES and CPL */
#define KHV_CLEAN_CR2		BIT(9)
#define KHV_CLEAN_LBR		BIT(10)
#define KHV_CLEAN_ALL		GENMASK(10, 0)

struct khv_vmcb_seg {
	u16 selector;
	u16 attrib;
	u32 limit;
	u64 base;
};

struct khv_vmcb {
	/* Control area. */
	u32 intercepts[KHV_ICPT_WORDS];
	u8 reserved_018[0x3c - 0x18];
	u16 pause_threshold;
	u16 pause_count;
	u64 iopm_base_pa;
	u64 msrpm_base_pa;
	u64 tsc_offset;
	u32 asid;
	u8 tlb_control;
	u8 reserved_05d[3];
	u32 vintr;
	u32 vintr_vector;
	u64 interrupt_shadow;
	u64 exitcode;
	u64 exitinfo1;
	u64 exitinfo2;
	u32 exitintinfo;
	u32 exitintinfo_error;
	u64 np_enable;
	u8 reserved_098[0xa8 - 0x98];
	u32 eventinj;
	u32 eventinj_error;
	u64 n_cr3;
	u64 lbr_enable;
	u32 clean;
	u32 reserved_0c4;
	u64 nrip;
	u8 insn_len;
	u8 insn_bytes[15];
	u8 reserved_0e0[0x400 - 0xe0];

	/* State save area. */
	struct khv_vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u8 reserved_4a0[0x4cb - 0x4a0];
	u8 cpl;
	u32 reserved_4cc;
	u64 efer;
	u8 reserved_4d8[0x548 - 0x4d8];
	u64 cr4;
	u64 cr3;
	u64 cr0;
	u64 dr7;
	u64 dr6;
	u64 rflags;
	u64 rip;
	u8 reserved_580[0x5d8 - 0x580];
	u64 rsp;
	u8 reserved_5e0[0x5f8 - 0x5e0];
	u64 rax;
	u64 star;
	u64 lstar;
	u64 cstar;
	u64 sfmask;
	u64 kernel_gs_base;
	u64 sysenter_cs;
	u64 sysenter_esp;
	u64 sysenter_eip;
	u64 cr2;
	u8 reserved_648[0x668 - 0x648];
	u64 g_pat;
	u64 dbgctl;
	u64 br_from;
	u64 br_to;
	u64 last_excp_from;
	u64 last_excp_to;
	u8 reserved_698[0x6e0 - 0x698];
	u64 spec_ctrl;
	u8 reserved_6e8[0x1000 - 0x6e8];
};

static_assert(offsetof(struct khv_vmcb, pause_threshold) == 0x3c);
static_assert(offsetof(struct khv_vmcb, asid) == 0x58);
static_assert(offsetof(struct khv_vmcb, exitcode) == 0x70);
static_assert(offsetof(struct khv_vmcb, np_enable) == 0x90);
static_assert(offsetof(struct khv_vmcb, eventinj) == 0xa8);
static_assert(offsetof(struct khv_vmcb, nrip) == 0xc8);
static_assert(offsetof(struct khv_vmcb, es) == 0x400);
static_assert(offsetof(struct khv_vmcb, cpl) == 0x4cb);
static_assert(offsetof(struct khv_vmcb, cr4) == 0x548);
static_assert(offsetof(struct khv_vmcb, rsp) == 0x5d8);
static_assert(offsetof(struct khv_vmcb, cr2) == 0x640);
static_assert(offsetof(struct khv_vmcb, g_pat) == 0x668);
static_assert(offsetof(struct khv_vmcb, spec_ctrl) == 0x6e0);
static_assert(sizeof(struct khv_vmcb) == 0x1000);

#endif
