/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * khv's tracepoints, events/khv/ in tracefs. What is off costs the test of its
 * static key.
 *
 * Those of entry, exit, injection, MSRs, CPUID and the local APIC can be in the
 * open region: preemption and interrupts are off and the FPU is the guest's, but
 * the CPU is the host's otherwise, per-CPU data among it, and RCU watches it: khv
 * tells nobody that a CPU is in the guest. Whoever makes guest entry a quiescent
 * state must end it before khv_exit, and begin it after khv_entry.
 *
 * The arguments of an event are values, never pointers to what may go away; a
 * register that has to be read for it is read if its key is on
 * (trace_khv_..._enabled()). Reasons are named as vm/exit.h has them, for both
 * vendors; the processor's own code stands beside.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM khv

#if !defined(KHV_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KHV_TRACE_H

#include <linux/tracepoint.h>

#include "mmu/mmu.h"
#include "vm/exit.h"
#include "vm/types.h"
#include "x86/event.h"

#define KHV_TRACE_ENUM(nr, name) TRACE_DEFINE_ENUM(KHV_EXIT_##nr);
KHV_EXITS(KHV_TRACE_ENUM)
TRACE_DEFINE_ENUM(KHV_EXIT_OTHER);
TRACE_DEFINE_ENUM(KHV_EVENT_EXCEPTION);
TRACE_DEFINE_ENUM(KHV_EVENT_SOFT_INT);
TRACE_DEFINE_ENUM(KHV_EVENT_SOFT_EXC);
TRACE_DEFINE_ENUM(KHV_EVENT_INTERRUPT);
TRACE_DEFINE_ENUM(KHV_EVENT_NMI);

#define KHV_TRACE_NAME(nr, name) { KHV_EXIT_##nr, #name },
#define khv_show_exit(exit) \
	__print_symbolic(exit, KHV_EXITS(KHV_TRACE_NAME) { KHV_EXIT_OTHER, "other" })

#define khv_show_event(kind)				\
	__print_symbolic(kind,				\
		{ KHV_EVENT_EXCEPTION, "exception" },	\
		{ KHV_EVENT_SOFT_INT, "int" },		\
		{ KHV_EVENT_SOFT_EXC, "trap" },		\
		{ KHV_EVENT_INTERRUPT, "interrupt" },	\
		{ KHV_EVENT_NMI, "nmi" })

TRACE_EVENT(khv_entry,
	TP_PROTO(unsigned int vcpu, u64 rip),
	TP_ARGS(vcpu, rip),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(u64, rip)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->rip = rip;
	),
	TP_printk("vcpu %u rip 0x%llx", __entry->vcpu, __entry->rip)
);

/* @info1, @info2: VMX's qualification and interruption information, SVM's EXITINFO1 and 2. */
TRACE_EVENT(khv_exit,
	TP_PROTO(unsigned int vcpu, unsigned int reason, u32 code, u64 rip, u64 info1, u64 info2),
	TP_ARGS(vcpu, reason, code, rip, info1, info2),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(unsigned int, reason)
		__field(u32, code)
		__field(u64, rip)
		__field(u64, info1)
		__field(u64, info2)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->reason = reason;
		__entry->code = code;
		__entry->rip = rip;
		__entry->info1 = info1;
		__entry->info2 = info2;
	),
	TP_printk("vcpu %u reason %s code 0x%x rip 0x%llx info 0x%llx 0x%llx", __entry->vcpu,
		  khv_show_exit(__entry->reason), __entry->code, __entry->rip, __entry->info1,
		  __entry->info2)
);

/* @again: its delivery was cut off by an exit, or did not begin. */
TRACE_EVENT(khv_inject,
	TP_PROTO(unsigned int vcpu, unsigned int kind, u8 vector, bool has_error, u32 error,
		 bool again),
	TP_ARGS(vcpu, kind, vector, has_error, error, again),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(unsigned int, kind)
		__field(u8, vector)
		__field(bool, has_error)
		__field(u32, error)
		__field(bool, again)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->kind = kind;
		__entry->vector = vector;
		__entry->has_error = has_error;
		__entry->error = has_error ? error : 0;
		__entry->again = again;
	),
	TP_printk("vcpu %u %s vector %u error 0x%x%s", __entry->vcpu,
		  khv_show_event(__entry->kind), __entry->vector, __entry->error,
		  __entry->again ? " again" : "")
);

/* @addr: guest-physical with nested paging, linear with shadow paging. @result: its handler's. */
TRACE_EVENT(khv_page_fault,
	TP_PROTO(unsigned int vcpu, u64 addr, u32 access, int result),
	TP_ARGS(vcpu, addr, access, result),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(u64, addr)
		__field(u32, access)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->addr = addr;
		__entry->access = access;
		__entry->result = result;
	),
	TP_printk("vcpu %u address 0x%llx%s%s%s result %s (%d)", __entry->vcpu, __entry->addr,
		  __entry->access & KHV_ACCESS_WRITE ? " write" : " read",
		  __entry->access & KHV_ACCESS_FETCH ? " fetch" : "",
		  __entry->access & KHV_ACCESS_USER ? " user" : "",
		  __entry->result == KHV_FAULT_EMULATE ? "emulate" :
		  __entry->result < 0 ? "error" : "resume", __entry->result)
);

/* @device: taken by a device in the kernel; otherwise it is the client's. */
TRACE_EVENT(khv_mmio,
	TP_PROTO(unsigned int vcpu, bool write, u64 gpa, unsigned int len, const void *data,
		 bool device),
	TP_ARGS(vcpu, write, gpa, len, data, device),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(bool, write)
		__field(bool, device)
		__field(unsigned int, len)
		__field(u64, gpa)
		__field(u64, data)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->write = write;
		__entry->device = device;
		__entry->len = len;
		__entry->gpa = gpa;
		__entry->data = 0;
		memcpy(&__entry->data, data, min_t(unsigned int, len, sizeof(__entry->data)));
	),
	TP_printk("vcpu %u %s gpa 0x%llx len %u data 0x%llx%s", __entry->vcpu,
		  __entry->write ? "write" : "read", __entry->gpa, __entry->len, __entry->data,
		  __entry->device ? "" : " to client")
);

/* @data: the first of @count values of @size bytes; of a read that the client answers, 0. */
TRACE_EVENT(khv_pio,
	TP_PROTO(unsigned int vcpu, bool write, u16 port, unsigned int size, unsigned int count,
		 u64 data, bool device),
	TP_ARGS(vcpu, write, port, size, count, data, device),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(bool, write)
		__field(bool, device)
		__field(u16, port)
		__field(unsigned int, size)
		__field(unsigned int, count)
		__field(u64, data)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->write = write;
		__entry->device = device;
		__entry->port = port;
		__entry->size = size;
		__entry->count = count;
		__entry->data = data;
	),
	TP_printk("vcpu %u %s port 0x%x size %u count %u data 0x%llx%s", __entry->vcpu,
		  __entry->write ? "out" : "in", __entry->port, __entry->size, __entry->count,
		  __entry->data, __entry->device ? "" : " to client")
);

/* @fault: the guest got #GP instead, or the client is asked. */
TRACE_EVENT(khv_msr,
	TP_PROTO(unsigned int vcpu, bool write, u32 index, u64 data, bool fault),
	TP_ARGS(vcpu, write, index, data, fault),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(bool, write)
		__field(bool, fault)
		__field(u32, index)
		__field(u64, data)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->write = write;
		__entry->fault = fault;
		__entry->index = index;
		__entry->data = data;
	),
	TP_printk("vcpu %u %s 0x%x data 0x%llx%s", __entry->vcpu,
		  __entry->write ? "wrmsr" : "rdmsr", __entry->index, __entry->data,
		  __entry->fault ? " refused" : "")
);

TRACE_EVENT(khv_cpuid,
	TP_PROTO(unsigned int vcpu, u32 leaf, u32 subleaf, u32 eax, u32 ebx, u32 ecx, u32 edx),
	TP_ARGS(vcpu, leaf, subleaf, eax, ebx, ecx, edx),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(u32, leaf)
		__field(u32, subleaf)
		__field(u32, eax)
		__field(u32, ebx)
		__field(u32, ecx)
		__field(u32, edx)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->leaf = leaf;
		__entry->subleaf = subleaf;
		__entry->eax = eax;
		__entry->ebx = ebx;
		__entry->ecx = ecx;
		__entry->edx = edx;
	),
	TP_printk("vcpu %u leaf 0x%x 0x%x eax 0x%x ebx 0x%x ecx 0x%x edx 0x%x", __entry->vcpu,
		  __entry->leaf, __entry->subleaf, __entry->eax, __entry->ebx, __entry->ecx,
		  __entry->edx)
);

TRACE_EVENT(khv_hypercall,
	TP_PROTO(unsigned int vcpu, u64 nr, u64 a0, u64 a1, u64 a2, u64 a3),
	TP_ARGS(vcpu, nr, a0, a1, a2, a3),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(u64, nr)
		__array(u64, arg, 4)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->nr = nr;
		__entry->arg[0] = a0;
		__entry->arg[1] = a1;
		__entry->arg[2] = a2;
		__entry->arg[3] = a3;
	),
	TP_printk("vcpu %u nr 0x%llx arguments 0x%llx 0x%llx 0x%llx 0x%llx", __entry->vcpu,
		  __entry->nr, __entry->arg[0], __entry->arg[1], __entry->arg[2],
		  __entry->arg[3])
);

TRACE_EVENT(khv_apic,
	TP_PROTO(unsigned int vcpu, bool write, unsigned int reg, u64 data),
	TP_ARGS(vcpu, write, reg, data),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(bool, write)
		__field(unsigned int, reg)
		__field(u64, data)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->write = write;
		__entry->reg = reg;
		__entry->data = data;
	),
	TP_printk("vcpu %u %s register 0x%x data 0x%llx", __entry->vcpu,
		  __entry->write ? "write" : "read", __entry->reg, __entry->data)
);

/* @news: it was not pending already. */
TRACE_EVENT(khv_apic_accept_irq,
	TP_PROTO(unsigned int vcpu, u8 vector, bool level, bool news),
	TP_ARGS(vcpu, vector, level, news),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(u8, vector)
		__field(bool, level)
		__field(bool, news)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->vector = vector;
		__entry->level = level;
		__entry->news = news;
	),
	TP_printk("vcpu %u vector %u %s%s", __entry->vcpu, __entry->vector,
		  __entry->level ? "level" : "edge", __entry->news ? "" : " pending already")
);

/* @pages: 0 when the slot goes. @result: 0 or -errno. */
TRACE_EVENT(khv_memory_slot,
	TP_PROTO(u32 slot, u64 gfn, u64 pages, u64 hva, u32 flags, int result),
	TP_ARGS(slot, gfn, pages, hva, flags, result),
	TP_STRUCT__entry(
		__field(u32, slot)
		__field(u32, flags)
		__field(u64, gfn)
		__field(u64, pages)
		__field(u64, hva)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->slot = slot;
		__entry->flags = flags;
		__entry->gfn = gfn;
		__entry->pages = pages;
		__entry->hva = hva;
		__entry->result = result;
	),
	TP_printk("slot %u gfn 0x%llx pages %llu hva 0x%llx flags 0x%x result %d", __entry->slot,
		  __entry->gfn, __entry->pages, __entry->hva, __entry->flags, __entry->result)
);

TRACE_EVENT(khv_halt,
	TP_PROTO(unsigned int vcpu, u32 mp_state),
	TP_ARGS(vcpu, mp_state),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(u32, mp_state)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->mp_state = mp_state;
	),
	TP_printk("vcpu %u mp_state %u", __entry->vcpu, __entry->mp_state)
);

/* @result: 0 when there is something to run for, else the -errno that KVM_RUN returns. */
TRACE_EVENT(khv_wake,
	TP_PROTO(unsigned int vcpu, u64 ns, int result),
	TP_ARGS(vcpu, ns, result),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu)
		__field(u64, ns)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu;
		__entry->ns = ns;
		__entry->result = result;
	),
	TP_printk("vcpu %u after %llu ns result %d", __entry->vcpu, __entry->ns, __entry->result)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
/* Outside of the guard, as <trace/define_trace.h> asks. */
#include <trace/define_trace.h>
