// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this processor's SVM can do, and whether that is enough for khv.
 *
 * Every refusal names its reason, since the administrator reads nothing else.
 */
#include <linux/atomic.h>
#include <linux/cc_platform.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>

#include "mmu/mmu.h"
#include "svm/svm.h"
#include "vm/hw.h"

#define SVM_LEAF	0x8000000a
#define VM_CR_SVMDIS	BIT(4)

/* "APM, Volume 3: CPUID Fn8000_000A_EDX SVM Feature Identification". */
#define F_NP			BIT(0)
#define F_LBRV			BIT(1)
#define F_NRIPS			BIT(3)
#define F_FLUSH_BY_ASID		BIT(6)
#define F_DECODE_ASSISTS	BIT(7)
#define F_PAUSE_FILTER		BIT(10)
#define F_PAUSE_THRESHOLD	BIT(12)
#define F_VGIF			BIT(16)
#define F_SPEC_CTRL		BIT(20)
#define F_VNMI			BIT(25)

struct svm_caps svm_caps;

static void check_cpu(void *disabled)
{
	u64 val;

	if (rdmsrq_safe(MSR_VM_CR, &val))
		val = 0;
	if (val & VM_CR_SVMDIS)
		atomic_inc(disabled);
}

static int check_firmware(void)
{
	atomic_t disabled = ATOMIC_INIT(0);

	on_each_cpu(check_cpu, &disabled, 1);
	if (!atomic_read(&disabled))
		return 0;
	pr_err("SVM is disabled by firmware (VM_CR.SVMDIS) on %d CPUs; enable SVM Mode in the firmware setup\n",
	       atomic_read(&disabled));
	return -EOPNOTSUPP;
}

static void note_features(u32 edx)
{
	svm_caps.nrips = edx & F_NRIPS;
	svm_caps.decode_assists = edx & F_DECODE_ASSISTS;
	svm_caps.flush_by_asid = edx & F_FLUSH_BY_ASID;
	svm_caps.vgif = edx & F_VGIF;
	svm_caps.vnmi = svm_caps.vgif && (edx & F_VNMI);
	svm_caps.v_spec_ctrl = (edx & F_SPEC_CTRL) && boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL);
	svm_caps.lbrv = edx & F_LBRV;
	svm_caps.pause_filter = edx & F_PAUSE_FILTER;
	svm_caps.pause_threshold = edx & F_PAUSE_THRESHOLD;

	khv_caps.nested_paging = khv_nested_paging && (edx & F_NP);
	/* With shadow tables real mode runs on paging, too ("APM, Volume 2: Paged Real Mode"). */
	khv_caps.unrestricted_guest = true;
	khv_caps.xsaves_unchecked = true;
	khv_caps.leaf_2m = true;
	khv_caps.leaf_1g = boot_cpu_has(X86_FEATURE_GBPAGES);
	khv_caps.nested_ad = true;
	khv_caps.ptfmt = &khv_npt_fmt;
	khv_caps.nested_memtype = 0;
	khv_caps.rdtscp = boot_cpu_has(X86_FEATURE_RDTSCP);
	khv_caps.invpcid = khv_caps.nested_paging && boot_cpu_has(X86_FEATURE_INVPCID);
}

int khv_svm_caps_probe(void)
{
	u32 eax, ebx, ecx, edx;
	int r;

	if (cpuid_eax(0x80000000) < SVM_LEAF) {
		pr_err("this processor does not describe its SVM (CPUID leaf 0x8000000a)\n");
		return -EOPNOTSUPP;
	}
	r = check_firmware();
	if (r)
		return r;
	if (cc_platform_has(CC_ATTR_HOST_MEM_ENCRYPT)) {
		pr_err("memory encryption is on, which nested tables do not know of; boot with mem_encrypt=off\n");
		return -EOPNOTSUPP;
	}
	cpuid(SVM_LEAF, &eax, &ebx, &ecx, &edx);
	if (ebx < 2) {
		pr_err("this processor's SVM has %u address-space IDs; two are needed\n", ebx);
		return -EOPNOTSUPP;
	}
	svm_caps.nr_asids = ebx;
	note_features(edx);
	return 0;
}
