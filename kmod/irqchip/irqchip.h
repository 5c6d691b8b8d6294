/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt controllers of a VM as the rest of khv sees them.
 *
 * Models after Intel's data sheets: 82093AA (I/O APIC), 8259A (PIC), 8254 (PIT),
 * and "SDM, Advanced Programmable Interrupt Controller".
 */
#ifndef KHV_IRQCHIP_IRQCHIP_H
#define KHV_IRQCHIP_IRQCHIP_H

#include <linux/kvm.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct khv_vm;
struct khv_vcpu;
struct khv_pic;
struct khv_ioapic;
struct khv_pit;
struct khv_gsi_table;

#define KHV_IOAPIC_PINS		24
#define KHV_MAX_GSI		4096	/* KVM_CAP_IRQ_ROUTING */

/* Sources that may hold a line up; the line is their OR. */
enum khv_irq_source { KHV_IRQ_USER, KHV_IRQ_PIT, KHV_IRQ_RESAMPLE, KHV_NR_IRQ_SOURCES };

/* Up by KVM_SET_IRQCHIP. Nobody knows for whom: any source takes it down. */
#define KHV_IRQ_RESTORED	KHV_NR_IRQ_SOURCES

/* Pins of all chips in one row: the PICs', then the I/O APIC's. */
#define KHV_PIN_IOAPIC		16
#define KHV_NR_PINS		(KHV_PIN_IOAPIC + KHV_IOAPIC_PINS)

struct khv_irqchip {
	bool in_kernel;			/* local APICs are, and maybe more; release/acquire */
	bool split;			/* PIC and I/O APIC are the client's; before @in_kernel */
	u16 client_gsis;		/* GSIs below are pins of its I/O APIC; likewise */
	/* KVM_CAP_X2APIC_API, set at any time (READ_ONCE). */
	bool ids_32bit;			/* in MSI addresses and struct kvm_lapic_state */
	bool no_broadcast_quirk;	/* 0xff from a device means no x2APIC */
	unsigned long acked;		/* bits of pins that the guest is done with; atomic */
	/* PIC, I/O APIC and PIT state. irqsave; raw, since hardirq timers take it. */
	raw_spinlock_t lock;
	struct khv_pic *pic;
	struct khv_ioapic *ioapic;
	struct khv_pit *pit;
	struct khv_gsi_table __rcu *gsi;	/* replaced under vm->lock, read under RCU */
};

/* An interrupt message on its way to local APICs. */
struct khv_irq_msg {
	u32 dest;
	u8 vector;
	u8 delivery_mode;	/* 0 fixed, 1 lowest, 2 SMI, 4 NMI, 5 INIT, 6 SIPI, 7 ExtINT */
	bool logical;
	bool level;		/* level triggered */
	bool assert;
	u8 shorthand;		/* 0 none, 1 self, 2 all, 3 all but self */
	bool x2apic;		/* from an x2APIC: dest is 32 bits wide */
};

/*
 * VM side. khv_irqchip_create: KVM_CREATE_IRQCHIP, under vm->lock, before any
 * vCPU exists: 0, -EEXIST, -EINVAL, -ENOMEM.
 */
void khv_irqchip_init(struct khv_vm *vm);
int khv_irqchip_create(struct khv_vm *vm);
/* KVM_CAP_SPLIT_IRQCHIP, likewise, but -EEXIST once there is a vCPU. */
int khv_irqchip_split(struct khv_vm *vm, u64 client_gsis);
void khv_irqchip_destroy(struct khv_vm *vm);
/* PIC and I/O APIC: -ENXIO when they are not in the kernel. */
int khv_irqchip_get(struct khv_vm *vm, struct kvm_irqchip *chip);
int khv_irqchip_set(struct khv_vm *vm, const struct kvm_irqchip *chip);
int khv_pit_create(struct khv_vm *vm, const struct kvm_pit_config *config);
int khv_pit_get(struct khv_vm *vm, struct kvm_pit_state2 *ps);
int khv_pit_set(struct khv_vm *vm, const struct kvm_pit_state2 *ps);
/* KVM_REINJECT_CONTROL: 0, or -ENXIO without a PIT. */
int khv_pit_set_reinject(struct khv_vm *vm, bool reinject);

/*
 * KVM_IRQ_LINE(_STATUS) and others: drive a GSI. > 0 delivered, 0 coalesced, < 0
 * ignored (KVM_IRQ_LINE_STATUS's contract). Any context but NMI.
 */
int khv_irq_set(struct khv_vm *vm, u32 gsi, int level, enum khv_irq_source source);
/* KVM_SET_GSI_ROUTING: replace the table. @entries is the kernel's copy. */
int khv_gsi_set(struct khv_vm *vm, const struct kvm_irq_routing_entry *entries, u32 nr);
/* KVM_SIGNAL_MSI and MSI routes. Same result as khv_irq_set(). */
int khv_msi_send(struct khv_vm *vm, u64 address, u32 data);
/* Which GSI leads to a pin (below KHV_NR_PINS), or -1. */
int khv_gsi_of_pin(struct khv_vm *vm, unsigned int pin);
/* Split irqchip: may @vector be one of the client's I/O APIC, for @vcpu? */
bool khv_gsi_client_eoi(struct khv_vcpu *vcpu, u8 vector, bool level);
/*
 * The guest is done with interrupts of @pins, from bit @first on: for irqfds that resample.
 * In @vcpu's context, which makes the request KHV_REQ_IRQ_ACK, to be served by _work().
 */
void khv_irq_acked(struct khv_vcpu *vcpu, unsigned int first, u32 pins);
void khv_irq_acked_work(struct khv_vcpu *vcpu);
/* Deliver a message to every local APIC it names. How many took it. Any context but NMI. */
int khv_irq_deliver(struct khv_vm *vm, struct khv_vcpu *from, const struct khv_irq_msg *msg);

/* Local APIC, one per vCPU. */
int khv_lapic_create(struct khv_vcpu *vcpu);
void khv_lapic_destroy(struct khv_vcpu *vcpu);
void khv_lapic_reset(struct khv_vcpu *vcpu, bool init);
int khv_lapic_get(struct khv_vcpu *vcpu, struct kvm_lapic_state *s);
int khv_lapic_set(struct khv_vcpu *vcpu, const struct kvm_lapic_state *s);

/*
 * Highest pending vector above the processor priority, or -1. Interrupts may be
 * off; no lock. The PIC's output counts when LINT0 is ExtINT or the APIC is off: khv_pic_* below.
 */
int khv_lapic_highest(struct khv_vcpu *vcpu);
/* Take that vector: IRR to ISR, PPR updated. */
void khv_lapic_ack(struct khv_vcpu *vcpu, int vector);
/*
 * Paravirtual EOI. Would an EOI, of the highest vector in service, change nothing but that
 * nothing is in service? And such an EOI. In the vCPU's own context, interrupts may be off.
 */
bool khv_lapic_eoi_unheard(struct khv_vcpu *vcpu);
void khv_lapic_end_highest(struct khv_vcpu *vcpu);
/*
 * The processor virtualizes this vCPU's local APIC: it delivers interrupts itself, not by
 * khv_lapic_ack(). What its exits report: an EOI, and a write that it left undone.
 */
bool khv_lapic_is_virtual(struct khv_vcpu *vcpu);
void khv_lapic_virtual_eoi(struct khv_vcpu *vcpu, u8 vector);
void khv_lapic_virtual_write(struct khv_vcpu *vcpu, unsigned int reg);
/* Is this x2APIC register nothing but its place in the page, for RDMSR? */
bool khv_x2apic_reads_page(u32 msr);
/* The PIC's turn for this vCPU (ExtINT accepted here, its output raised)? And take its vector. */
bool khv_lapic_accepts_pic(struct khv_vcpu *vcpu);
bool khv_pic_pending(struct khv_vm *vm);
int khv_pic_ack(struct khv_vcpu *vcpu);
/* Does an ExtINT get through, whoever it is from? The vCPU has a local APIC. */
bool khv_lapic_accepts_extint(struct khv_vcpu *vcpu);
/* Would this message, not from an APIC, reach that vCPU? */
bool khv_irq_reaches(struct khv_vcpu *vcpu, const struct khv_irq_msg *msg);

/* Set IRR of one vCPU and kick it. False when it was pending already. Any context. */
bool khv_lapic_set_irr(struct khv_vcpu *vcpu, u8 vector, bool level);

/*
 * Memory-mapped page and MSRs. 0 handled, -EOPNOTSUPP; MSRs: 0 or 1 (#GP). May be
 * called with interrupts off (x2APIC MSRs).
 */
int khv_lapic_mmio_read(struct khv_vcpu *vcpu, u64 gpa, int len, void *val);
int khv_lapic_mmio_write(struct khv_vcpu *vcpu, u64 gpa, int len, const void *val);
int khv_x2apic_read(struct khv_vcpu *vcpu, u32 msr, u64 *data);
int khv_x2apic_write(struct khv_vcpu *vcpu, u32 msr, u64 data);
/* IA32_APIC_BASE (0 or 1) and IA32_TSC_DEADLINE, CR8. The vCPU has a local APIC. */
int khv_lapic_set_base(struct khv_vcpu *vcpu, u64 value, bool host);
u64 khv_lapic_get_tscdeadline(struct khv_vcpu *vcpu);
void khv_lapic_set_tscdeadline(struct khv_vcpu *vcpu, u64 data);
u64 khv_lapic_get_cr8(struct khv_vcpu *vcpu);
void khv_lapic_set_cr8(struct khv_vcpu *vcpu, u64 cr8);
bool khv_lapic_enabled(struct khv_vcpu *vcpu);

/*
 * KHV_REQ_APIC_TIMER: turn an expired timer into its interrupt. vcpu->lock held,
 * interrupts may be off.
 */
void khv_lapic_timer_work(struct khv_vcpu *vcpu);
bool khv_lapic_timer_pending(struct khv_vcpu *vcpu);
/* Guest TSC offset changed: restart a TSC-deadline timer. */
void khv_lapic_tsc_changed(struct khv_vcpu *vcpu);

/* Split irqchip: the vector of KHV_REQ_IOAPIC_EOI. */
u8 khv_lapic_client_eoi(struct khv_vcpu *vcpu);

/* INIT and SIPI events latched for this vCPU; called by the run loop. True if mp_state changed. */
bool khv_lapic_accept_events(struct khv_vcpu *vcpu);
bool khv_lapic_init_sipi_pending(struct khv_vcpu *vcpu);
/* INIT and SIPI that have arrived, as clients save them. Without a local APIC: nothing. */
bool khv_lapic_init_latched(struct khv_vcpu *vcpu);
void khv_lapic_latch_init(struct khv_vcpu *vcpu, bool latched);
void khv_lapic_latch_sipi(struct khv_vcpu *vcpu);
void khv_lapic_set_sipi_vector(struct khv_vcpu *vcpu, u8 vector);

#endif
