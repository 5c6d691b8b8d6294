// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host registers around a region, and host events that arrive as VM exits.
 *
 * Uses no symbol that newer kernels keep for KVM: the registers are read from
 * the CPU itself, and NMIs go back through the host's own IDT.
 */
#include <linux/errno.h>
#include <linux/irqflags.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fsgsbase.h>
#include <asm/mce.h>
#include <asm/msr.h>
#include <asm/ptrace.h>
#include <asm/segment.h>

#include "host/host.h"

int khv_host_probe(void)
{
	/*
	 * With FRED, INT 2 is not an NMI: the event type in the stack frame
	 * says software interrupt and the kernel panics on it.
	 */
	if (khv_host_fred()) {
		pr_err("FRED event delivery is on and NMIs cannot be handed back to the host; boot with fred=off\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

static void save_breakpoints(struct khv_host_debug *host)
{
	asm volatile("mov %%db0, %0" : "=r" (host->dr[0]));
	asm volatile("mov %%db1, %0" : "=r" (host->dr[1]));
	asm volatile("mov %%db2, %0" : "=r" (host->dr[2]));
	asm volatile("mov %%db3, %0" : "=r" (host->dr[3]));
	asm volatile("mov %%db6, %0" : "=r" (host->dr6));
	/* No host breakpoint may fire on guest addresses. */
	asm volatile("mov %0, %%db7" : : "r" (0UL));
}

static u16 read_ldt(void)
{
	unsigned long ldt;

	asm volatile("sldt %0" : "=r" (ldt));
	return ldt;
}

static u64 read_fs_base(void)
{
	u64 base;

	if (static_cpu_has(X86_FEATURE_FSGSBASE))
		return rdfsbase();
	rdmsrq(MSR_FS_BASE, base);
	return base;
}

void khv_host_save(struct khv_host_state *host)
{
	savesegment(ds, host->ds);
	savesegment(es, host->es);
	savesegment(fs, host->fs);
	savesegment(gs, host->gs);
	host->ldt = read_ldt();
	host->fs_base = read_fs_base();
	rdmsrq(MSR_KERNEL_GS_BASE, host->kernel_gs_base);
	khv_host_save_debug(&host->debug);
}

void khv_host_save_debug(struct khv_host_debug *debug)
{
	rdmsrq(MSR_IA32_DEBUGCTLMSR, debug->debugctl);
	asm volatile("mov %%db7, %0" : "=r" (debug->dr7));
	if (unlikely(khv_host_has_breakpoints(debug)))
		save_breakpoints(debug);
}

/* Since the last VM exit LDTR is null. Otherwise an IPI has loaded it for this task. */
void khv_host_save_again(struct khv_host_state *host)
{
	u16 ldt = read_ldt();

	if (unlikely(ldt))
		host->ldt = ldt;
	khv_host_save_debug_again(&host->debug);
}

/*
 * Since the last VM exit breakpoints are off. What is found otherwise is what an
 * IPI has set for this task. The host's DEBUGCTL is in force, so that its handlers
 * can clear bits, too: perf's branch traces must not come back when it has ended them.
 */
void khv_host_save_debug_again(struct khv_host_debug *debug)
{
	unsigned long dr7;

	rdmsrq(MSR_IA32_DEBUGCTLMSR, debug->debugctl);
	asm volatile("mov %%db7, %0" : "=r" (dr7));
	if (unlikely(dr7 & KHV_DR7_ENABLED)) {
		debug->dr7 = dr7;
		save_breakpoints(debug);
	}
}

/*
 * Load TR with its proper limit. LTR wants a descriptor that is not busy and
 * marks it, and the kernel's GDT is read-only: so from a copy.
 */
static void reload_tr(const struct desc_ptr *gdt)
{
	struct desc_struct copy[GDT_ENTRIES];
	struct desc_ptr own = { .size = sizeof(copy) - 1, .address = (unsigned long)copy };
	struct ldttss_desc *tss = (void *)&copy[GDT_ENTRY_TSS];

	memcpy(copy, (const void *)gdt->address, sizeof(copy));
	tss->type = DESC_TSS;
	native_load_gdt(&own);
	asm volatile("ltr %w0" : : "q" (GDT_ENTRY_TSS * 8) : "memory");
	native_load_gdt(gdt);
}

/*
 * VM exit leaves the GDT's limit at 0xffff and the TSS's at 0x67, which hides the
 * I/O bitmap. A task that has one needs it back now; for others the kernel's
 * own flag makes the context switch to such a task repair it.
 */
static void restore_table_limits(void)
{
	struct desc_ptr gdt;

	native_store_gdt(&gdt);
	gdt.size = GDT_SIZE - 1;
	native_load_gdt(&gdt);
	if (unlikely(test_thread_flag(TIF_IO_BITMAP)))
		reload_tr(&gdt);
	else
		this_cpu_write(__tss_limit_invalid, true);
}

static noinline void restore_selectors(const struct khv_host_state *host)
{
	/* The others may point into it. */
	asm volatile("lldt %w0" : : "q" (host->ldt));
	loadsegment(ds, host->ds);
	loadsegment(es, host->es);
	if (host->fs) {
		loadsegment(fs, host->fs);
		wrmsrq(MSR_FS_BASE, host->fs_base);
	}
	if (host->gs) {
		load_gs_index(host->gs);
		wrmsrq(MSR_KERNEL_GS_BASE, host->kernel_gs_base);
	}
}

void khv_host_restore(struct khv_host_state *host)
{
	/* First: load_gs_index() swaps it in, and an NMI must not find the guest's there. */
	wrmsrq(MSR_KERNEL_GS_BASE, host->kernel_gs_base);
	/*
	 * VM exit loads null selectors, since the host fields may not hold user
	 * ones ("SDM, Checks on Host Segment and Descriptor-Table Registers").
	 * 64-bit user space runs with null ones, so this is rarely taken.
	 */
	if (unlikely(host->ds | host->es | host->fs | host->gs | host->ldt))
		restore_selectors(host);
	restore_table_limits();
	khv_host_restore_debug(&host->debug);
}

void khv_host_restore_debug(const struct khv_host_debug *debug)
{
	if (unlikely(khv_host_has_breakpoints(debug))) {
		asm volatile("mov %0, %%db0" : : "r" (debug->dr[0]));
		asm volatile("mov %0, %%db1" : : "r" (debug->dr[1]));
		asm volatile("mov %0, %%db2" : : "r" (debug->dr[2]));
		asm volatile("mov %0, %%db3" : : "r" (debug->dr[3]));
		asm volatile("mov %0, %%db6" : : "r" (debug->dr6));
		asm volatile("mov %0, %%db7" : : "r" (debug->dr7));
	}
}

static void set_split_lock_detect(u64 val, bool on)
{
	wrmsrq(MSR_TEST_CTRL, on ? val | MSR_TEST_CTRL_SPLIT_LOCK_DETECT :
				   val & ~(u64)MSR_TEST_CTRL_SPLIT_LOCK_DETECT);
}

bool khv_host_allow_split_locks(void)
{
	u64 val;

	rdmsrq(MSR_TEST_CTRL, val);
	if (!(val & MSR_TEST_CTRL_SPLIT_LOCK_DETECT))
		return false;
	set_split_lock_detect(val, false);
	return true;
}

void khv_host_detect_split_locks(void)
{
	u64 val;

	rdmsrq(MSR_TEST_CTRL, val);
	set_split_lock_detect(val, true);
}

void khv_host_irq_window(void)
{
	local_irq_enable();
	/* One instruction for STI's shadow; the pending interrupt comes here. */
	asm volatile("nop");
	local_irq_disable();
	/* The tick saw preemption off, but no reader: what it interrupted was a guest. */
	rcu_note_context_switch(false);
}

/*
 * The registers say user mode: what the guest ran into costs this process at
 * most, while the same in the kernel's own code would be a panic.
 */
void khv_host_machine_check(void)
{
#ifdef CONFIG_X86_MCE
	struct pt_regs regs = { .cs = __USER_CS, .flags = X86_EFLAGS_IF };

	do_machine_check(&regs);
#endif
}
