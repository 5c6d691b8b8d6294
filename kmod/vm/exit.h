/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why a guest was left, in terms that both vendors have: the names that counters
 * (vm/stats.h) and tracepoints (trace.h) use.
 *
 * Owns the list. Which of the processor's own codes is which of these is in
 * vmx/reason.c and svm/reason.c.
 */
#ifndef KHV_VM_EXIT_H
#define KHV_VM_EXIT_H

/* X(identifier, name). What is in no vendor's table is OTHER, which is 0 and not listed here. */
#define KHV_EXITS(X)						\
	X(ENTRY_FAILED, entry_failed)				\
	X(EXCEPTION, exception)		/* or an NMI */		\
	X(INTERRUPT, interrupt)					\
	X(INTERRUPT_WINDOW, interrupt_window)			\
	X(NMI_WINDOW, nmi_window)				\
	X(SHUTDOWN, shutdown)					\
	X(CPUID, cpuid)						\
	X(HLT, hlt)						\
	X(PAUSE, pause)						\
	X(HYPERCALL, hypercall)					\
	X(IO, io)						\
	X(MSR, msr)						\
	X(CR, cr)						\
	X(DR, dr)						\
	X(DTABLE, dtable)		/* GDTR, IDTR, LDTR, TR */	\
	X(TASK_SWITCH, task_switch)				\
	X(NESTED_FAULT, nested_fault)	/* EPT or NPT has no such leaf */ \
	X(INVLPG, invlpg)					\
	X(WBINVD, wbinvd)					\
	X(XSETBV, xsetbv)					\
	X(RDTSC, rdtsc)						\
	X(RDPMC, rdpmc)						\
	X(MONITOR, monitor)		/* or MWAIT */		\
	X(VIRT, virt)			/* VMX's and SVM's own instructions */ \
	X(APIC, apic)						\
	X(TIMER, timer)						\
	X(DIRTY, dirty)			/* the processor's log of dirty pages is full */

#define KHV_EXIT_ITSELF(nr, name)	KHV_EXIT_##nr,
enum khv_exit {
	KHV_EXIT_OTHER,
	KHV_EXITS(KHV_EXIT_ITSELF)
	KHV_NR_EXITS
};

#undef KHV_EXIT_ITSELF

#endif
