// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns SVM on each CPU, and its address-space IDs.
 *
 * EFER.SVME is set on every CPU while any VM exists (hold.c knows the exceptions).
 * There is no sharing: address-space IDs tag the TLB without saying whose they
 * are, so a CPU whose SVM another owner has switched on is left alone: -EBUSY.
 *
 * An ID belongs to a vCPU on one CPU and for one generation. When a CPU runs
 * out of them, or has been without SVM, it flushes its TLB and begins anew.
 */
#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <asm/asm.h>
#include <asm/cpufeature.h>
#include <asm/mce.h>
#include <asm/msr.h>

#include "host/hold.h"
#include "host/host.h"

/* The default of the ratio: 8 bits and a fraction of 32. */
#define TSC_RATIO_ONE	BIT_ULL(32)
#define DC_CFG_MULTI_MATCH	BIT_ULL(47)
#define MC0_MULTI_MATCH		0xb600000000010015ULL
#define MC_BANKS		6	/* of a family 10h processor */
#define MSR_BP_CFG	0xc001102e
#define BP_SPEC_REDUCE	BIT_ULL(4)

/**
 * struct svmon_cpu - SVM on one CPU; only that CPU touches it, interrupts off
 * @hsave: where VMRUN saves the host
 * @host: where VMSAVE puts what VMRUN does not save
 * @on: SVM was switched on by khv
 * @in_region: between khv_svmon_enter() and _leave()
 * @flush_due: the next entry must flush the TLB of all IDs
 * @generation: of IDs
 * @next_id: the first of this generation that was not given away
 */
struct svmon_cpu {
	void *hsave, *host;
	bool on;
	bool in_region;
	bool flush_due;
	u64 generation;
	u32 next_id;
};

static DEFINE_PER_CPU(struct svmon_cpu, svmon_cpu);
static u32 max_id;

static void new_generation(struct svmon_cpu *c)
{
	c->generation++;
	c->next_id = 1;		/* 0 is the host's */
	c->flush_due = true;
}

/* SRSO on processors that mitigate it so: needed while guests run, and only then. */
static void bp_spec_reduce(bool on)
{
	u64 val;

	if (!khv_host_bp_spec_reduce())
		return;
	rdmsrq(MSR_BP_CFG, val);
	wrmsrq(MSR_BP_CFG, on ? val | BP_SPEC_REDUCE : val & ~BP_SPEC_REDUCE);
}

/*
 * Erratum 383 of family 10h: a guest can bring it about that one address has two TLB
 * entries. Work-around: a machine check says so instead of worse. The bit stays set.
 */
static void report_multi_match(void)
{
	u64 val;

	if (boot_cpu_has_bug(X86_BUG_AMD_TLB_MMATCH) && !rdmsrq_safe(MSR_AMD64_DC_CFG, &val))
		wrmsrq_safe(MSR_AMD64_DC_CFG, val | DC_CFG_MULTI_MATCH);
}

static int switch_on(struct svmon_cpu *c)
{
	u64 efer;

	rdmsrq(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;
	wrmsrq(MSR_EFER, efer | EFER_SVME);
	wrmsrq(MSR_VM_HSAVE_PA, __pa(c->hsave));
	/* Guests see the host's TSC but for an offset. */
	if (boot_cpu_has(X86_FEATURE_TSCRATEMSR))
		wrmsrq(MSR_AMD64_TSC_RATIO, TSC_RATIO_ONE);
	bp_spec_reduce(true);
	report_multi_match();
	new_generation(c);
	c->on = true;
	return 0;
}

static void switch_off(struct svmon_cpu *c)
{
	u64 efer;

	if (!c->on)
		return;
	c->on = false;
	bp_spec_reduce(false);
	rdmsrq(MSR_EFER, efer);
	wrmsrq(MSR_VM_HSAVE_PA, 0);
	wrmsrq(MSR_EFER, efer & ~EFER_SVME);
	/* From now on it may be KVM's turn. */
	khv_mitigate_neighbour();
}

static bool off_this_cpu(void)
{
	struct svmon_cpu *c = this_cpu_ptr(&svmon_cpu);

	if (c->in_region)
		return false;
	switch_off(c);
	return true;
}

static void on_ipi(void *busy)
{
	struct svmon_cpu *c = this_cpu_ptr(&svmon_cpu);

	/* One that is about to go offline has let go of it for good. */
	if (!c->on && READ_ONCE(khv_hold) && !__this_cpu_read(khv_hold_going) && switch_on(c))
		atomic_inc(busy);
}

static int on_everywhere(void)
{
	atomic_t busy = ATOMIC_INIT(0);
	bool kvm;

	on_each_cpu(on_ipi, &busy, 1);
	if (!atomic_read(&busy))
		return 0;
	kvm = khv_kvm_present();
	pr_err_ratelimited("%s has switched SVM on (%d CPUs), and address-space IDs cannot be shared; stop its VMs%s\n",
			   kvm ? "KVM" : "another hypervisor", atomic_read(&busy),
			   kvm ? ", or unload it with: modprobe -r kvm_amd" : "");
	return -EBUSY;
}

int khv_svmon_get(void)
{
	return khv_hold_get(on_everywhere);
}

void khv_svmon_put(void)
{
	khv_hold_put();
}

static void assign(struct svmon_cpu *c, struct khv_asid *asid)
{
	if (unlikely(c->next_id > max_id))
		new_generation(c);
	asid->cpu = smp_processor_id();
	asid->generation = c->generation;
	asid->id = c->next_id++;
}

int khv_svmon_enter(struct khv_asid *asid, u64 *host_pa)
{
	struct svmon_cpu *c;
	int r;

	local_irq_disable();
	c = this_cpu_ptr(&svmon_cpu);
	if (unlikely(!c->on)) {
		/* A CPU that came online, or the way into or out of the system's sleep. */
		r = switch_on(c);
		if (r) {
			local_irq_enable();
			return r;
		}
	}
	c->in_region = true;
	if (unlikely(asid->cpu != smp_processor_id() || asid->generation != c->generation))
		assign(c, asid);
	*host_pa = __pa(c->host);
	return 0;
}

bool khv_svmon_may_take_irqs(void)
{
	/* One that stops this CPU for good would leave SVM on. */
	return READ_ONCE(khv_hold);
}

void khv_svmon_new_asid(struct khv_asid *asid)
{
	assign(this_cpu_ptr(&svmon_cpu), asid);
}

bool khv_svmon_flush_due(void)
{
	return this_cpu_read(svmon_cpu.flush_due);
}

void khv_svmon_flushed(void)
{
	this_cpu_write(svmon_cpu.flush_due, false);
}

void khv_svmon_flush_again(void)
{
	this_cpu_write(svmon_cpu.flush_due, true);
}

bool khv_svmon_multi_match(void)
{
	u64 val;
	int i;

	/* Whether it was the first that this bank had to report does not matter. */
	if (!boot_cpu_has_bug(X86_BUG_AMD_TLB_MMATCH) ||
	    rdmsrq_safe(MSR_IA32_MCx_STATUS(0), &val) ||
	    (val & ~MCI_STATUS_OVER) != MC0_MULTI_MATCH)
		return false;
	for (i = 0; i < MC_BANKS; i++)
		wrmsrq_safe(MSR_IA32_MCx_STATUS(i), 0);
	if (!rdmsrq_safe(MSR_IA32_MCG_STATUS, &val))
		wrmsrq_safe(MSR_IA32_MCG_STATUS, val & ~MCG_STATUS_MCIP);
	khv_svmon_flush_again();
	return true;
}

void khv_svmon_leave(void)
{
	struct svmon_cpu *c = this_cpu_ptr(&svmon_cpu);

	c->in_region = false;
	if (unlikely(!READ_ONCE(khv_hold) || __this_cpu_read(khv_hold_going)))
		switch_off(c);
}

static void emergency_off(void)
{
	u64 efer;

	rdmsrq(MSR_EFER, efer);
	if (!(efer & EFER_SVME))
		return;
	/* Between CLGI and STGI? Without SVM nothing could set GIF again. */
	asm volatile("1: stgi\n2:\n" _ASM_EXTABLE(1b, 2b) : : : "memory");
	wrmsrq(MSR_EFER, efer & ~EFER_SVME);
}

static const struct khv_hold_ops hold_ops = {
	.name = "SVM",
	.kvm_module = "kvm_amd",
	.off = off_this_cpu,
	.emergency = emergency_off,
};

void *khv_svmon_alloc_page(gfp_t gfp)
{
	void *page = (void *)get_zeroed_page(gfp), *other;

	if (likely(!page || !IS_ALIGNED(__pa(page), PMD_SIZE)))
		return page;
	other = (void *)get_zeroed_page(gfp);
	free_page((unsigned long)page);
	return other;
}

static void free_pages_all(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svmon_cpu *c = &per_cpu(svmon_cpu, cpu);

		free_page((unsigned long)c->hsave);
		free_page((unsigned long)c->host);
		c->hsave = NULL;
		c->host = NULL;
	}
}

int khv_svmon_init(u32 nr_asids)
{
	int cpu, r;

	max_id = nr_asids - 1;
	for_each_possible_cpu(cpu) {
		struct svmon_cpu *c = &per_cpu(svmon_cpu, cpu);

		c->hsave = khv_svmon_alloc_page(GFP_KERNEL);
		c->host = khv_svmon_alloc_page(GFP_KERNEL);
		if (!c->hsave || !c->host) {
			r = -ENOMEM;
			goto err_pages;
		}
	}
	r = khv_hold_init(&hold_ops, true, false);
	if (r)
		goto err_pages;
	return 0;

err_pages:
	free_pages_all();
	return r;
}

void khv_svmon_exit(void)
{
	khv_hold_exit();
	free_pages_all();
}
