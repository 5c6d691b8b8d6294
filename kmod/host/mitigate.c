// SPDX-License-Identifier: GPL-2.0-only
/*
 * Speculation barriers between the host and its guests, and between guests.
 *
 * Each follows a CPU bug bit; the host's mitigations=off is the only switch.
 * What happens on every entry is in vmx/enter.S and svm/enter.S; here is what
 * depends on who ran last and what is too long for assembly.
 */
#include <linux/cpu.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sched/smt.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>

#include "host/host.h"

/* Larger than any L1D that has the bug, as the software fill wants. */
#define L1D_FILL_ORDER	4
#define L1D_FILL_SIZE	(PAGE_SIZE << L1D_FILL_ORDER)

struct khv_mitigations khv_mitigations;

static DEFINE_PER_CPU(const void *, last_owner);
static u8 *l1d_fill;

static bool l1tf_applies(void)
{
	u64 caps = 0;

	if (!boot_cpu_has_bug(X86_BUG_L1TF))
		return false;
	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrq(MSR_IA32_ARCH_CAPABILITIES, caps);
	return !(caps & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH);
}

/* No barrier helps against what runs beside a guest on the same core. */
static void warn_smt(bool on, bool guest_tables)
{
	if (!on || !sched_smt_active())
		return;
	if (guest_tables && boot_cpu_has_bug(X86_BUG_L1TF))
		pr_warn("L1TF: with SMT on, guests can read what the sibling thread's core has in its L1 cache; do not run untrusted ones, or boot with nosmt\n");
	if (boot_cpu_has_bug(X86_BUG_MDS) || boot_cpu_has_bug(X86_BUG_TAA) ||
	    boot_cpu_has_bug(X86_BUG_MMIO_STALE_DATA))
		pr_warn("MDS, TAA or MMIO stale data: with SMT on, guests can read buffers that the sibling thread uses; do not run untrusted ones, or boot with nosmt\n");
}

int khv_mitigate_init(bool guest_tables)
{
	bool on = !cpu_mitigations_off();
	struct page *page;

	khv_mitigations.spec_ctrl = boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL);
	khv_mitigations.ibrs_exit = boot_cpu_has(X86_FEATURE_KERNEL_IBRS);
	khv_mitigations.ibpb = on && boot_cpu_has(X86_FEATURE_IBPB);
	khv_mitigations.clear_buffers = on && (boot_cpu_has_bug(X86_BUG_MDS) ||
					       boot_cpu_has_bug(X86_BUG_TAA) ||
					       boot_cpu_has_bug(X86_BUG_MMIO_STALE_DATA) ||
					       khv_host_rfds() || khv_host_tsa());
	/* Without tables that the hardware walks, a guest cannot aim a non-present entry. */
	khv_mitigations.l1d_flush = on && guest_tables && l1tf_applies();

	warn_smt(on, guest_tables);

	if (!khv_mitigations.l1d_flush || boot_cpu_has(X86_FEATURE_FLUSH_L1D))
		return 0;
	page = alloc_pages(GFP_KERNEL | __GFP_ZERO, L1D_FILL_ORDER);
	if (!page)
		return -ENOMEM;
	l1d_fill = page_address(page);
	return 0;
}

void khv_mitigate_exit(void)
{
	if (l1d_fill)
		free_pages((unsigned long)l1d_fill, L1D_FILL_ORDER);
	l1d_fill = NULL;
}

static void flush_l1d(void)
{
	unsigned long off;

	if (!l1d_fill) {
		wrmsrq(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
		return;
	}
	/* TLB entries first, so that no page walk disturbs the fill after it. */
	for (off = 0; off < L1D_FILL_SIZE; off += PAGE_SIZE)
		READ_ONCE(l1d_fill[off]);
	asm volatile("lfence" : : : "memory");
	for (off = 0; off < L1D_FILL_SIZE; off += L1_CACHE_BYTES)
		READ_ONCE(l1d_fill[off]);
	asm volatile("lfence" : : : "memory");
}

void khv_mitigate_enter(const void *owner)
{
	if (unlikely(this_cpu_read(last_owner) != owner)) {
		this_cpu_write(last_owner, owner);
		if (khv_mitigations.ibpb)
			wrmsrq(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	}
	if (khv_mitigations.l1d_flush)
		flush_l1d();
}

void khv_mitigate_neighbour(void)
{
	this_cpu_write(last_owner, NULL);
	if (khv_mitigations.ibpb)
		wrmsrq(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
}

void khv_mitigate_forget_all(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		WRITE_ONCE(*per_cpu_ptr(&last_owner, cpu), NULL);
}

void khv_mitigate_forget(const void *owner)
{
	int cpu;

	/*
	 * A stale match needs a new vCPU at the same address on the same CPU. @owner
	 * does not run any more, so nobody writes the value back.
	 */
	for_each_possible_cpu(cpu)
		cmpxchg(per_cpu_ptr(&last_owner, cpu), owner, NULL);
}
