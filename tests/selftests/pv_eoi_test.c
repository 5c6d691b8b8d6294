// SPDX-License-Identifier: GPL-2.0-only
/*
 * EOI without an exit (MSR_KVM_PV_EOI_EN): a word of the guest's memory says whether its
 * interrupt ends when it clears that, or by its local APIC.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "guest.h"
#include "guest_apic.h"
#include "guest_cpu.h"
#include "ksft.h"
#include "pv.h"
#include "vm.h"

#define LOW		0x50
#define HIGH		0x61
#define PIN		5
#define PIN_VECTOR	0x70

static volatile uint32_t eoi_word;
static volatile bool x2apic, nest, sync_before, sync_after, eoi_always;
static volatile uint32_t silent, loud;

static void apic_write(uint32_t reg, uint32_t value)
{
	if (x2apic)
		x2apic_write(reg, value);
	else
		xapic_write(reg, value);
}

static uint32_t apic_read(uint32_t reg)
{
	return x2apic ? x2apic_read(reg) : xapic_read(reg);
}

static void self_ipi(uint32_t vector)
{
	apic_write(APIC_ICR, APIC_DEST_SELF | vector);
}

static void end_interrupt(void)
{
	uint8_t was;

	asm volatile("btrl $0, %1; setc %0" : "=q"(was), "+m"(eoi_word) : : "cc");
	if (was && !eoi_always) {
		silent++;
		return;
	}
	loud++;
	apic_write(APIC_EOI, 0);
}

static void handler(struct guest_frame *frame)
{
	if (sync_before)
		guest_sync(1);
	if (nest && frame->vector == LOW) {
		nest = false;
		sti();
		self_ipi(HIGH);
		cpu_pause();
		cli();
	}
	end_interrupt();
	if (sync_after)
		guest_sync(2);
}

static void apic_on(void)
{
	guest_handlers[LOW] = handler;
	guest_handlers[HIGH] = handler;
	guest_handlers[PIN_VECTOR] = handler;
	if (x2apic)
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	apic_write(APIC_SPIV, 0x1ff);
	apic_write(APIC_LVT_LINT0, APIC_MASKED);
	wrmsr(MSR_PV_EOI, (uintptr_t)&eoi_word | 1);
}

#define EXPECT_EOIS(s, l)			\
	do {					\
		GUEST_EQ(silent, s);		\
		GUEST_EQ(loud, l);		\
		silent = 0;			\
		loud = 0;			\
	} while (0)

/* With interrupts on: the handler has run for the @count'th time. */
static void expect_interrupt(uint32_t vector, uint32_t count)
{
	unsigned int i;

	for (i = 0; i < 100000 && guest_traps[vector] < count; i++)
		cpu_pause();
	GUEST_EQ(guest_traps[vector], count);
}

static void nothing_in_service(void)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		GUEST_EQ(apic_read(APIC_ISR + 0x10 * i), 0);
	GUEST_EQ(apic_read(APIC_PPR), 0);
}

static void guest_eois(void)
{
	unsigned int i;

	apic_on();
	sti();
	for (i = 1; i <= 10; i++) {
		self_ipi(LOW);
		expect_interrupt(LOW, i);
	}
	/* Interrupts of the host's may take an offer back. */
	GUEST_ASSERT(silent >= 5);
	EXPECT_EOIS(silent, 10 - silent);
	nothing_in_service();

	/* The other one waits for the EOI. */
	cli();
	self_ipi(LOW);
	self_ipi(HIGH);
	sti();
	expect_interrupt(LOW, 11);
	expect_interrupt(HIGH, 1);
	EXPECT_EOIS(1, 1);
	nothing_in_service();

	/* The inner one's end is the guest's, then the outer one's is no more. */
	nest = true;
	self_ipi(LOW);
	expect_interrupt(LOW, 12);
	expect_interrupt(HIGH, 2);
	EXPECT_EOIS(1, 1);
	nothing_in_service();

	/* Who is used to writing may go on so. */
	eoi_always = true;
	self_ipi(LOW);
	expect_interrupt(LOW, 13);
	self_ipi(LOW);
	expect_interrupt(LOW, 14);
	EXPECT_EOIS(0, 2);
	eoi_always = false;
	nothing_in_service();

	wrmsr(MSR_PV_EOI, 0);
	self_ipi(LOW);
	expect_interrupt(LOW, 15);
	EXPECT_EOIS(0, 1);
	nothing_in_service();
}

static void run_eois(bool in_x2apic)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);

	need_pv_feature(vcpu->vm, FEATURE_PV_EOI);
	if (in_x2apic && host_virtualizes_x2apic())
		ksft_skip("the processor itself ends interrupts without an exit");
	guest_start(vcpu, guest_eois);
	*GUEST_VAR(vcpu->vm, x2apic) = in_x2apic;
	guest_run_done(vcpu);
}

static void test_eoi(void)
{
	run_eois(false);
}

static void test_eoi_x2apic(void)
{
	run_eois(true);
}

static void guest_eoi_seen(void)
{
	apic_on();
	sti();
	self_ipi(LOW);
	expect_interrupt(LOW, 1);
	guest_sync(3);
}

/* Whenever the client looks, the APIC and memory agree about who is to do what. */
static void test_eoi_state(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);
	struct kvm_lapic_state state;
	volatile uint32_t *word;
	uint64_t msr;

	need_pv_feature(vcpu->vm, FEATURE_PV_EOI);
	guest_start(vcpu, guest_eoi_seen);
	word = GUEST_VAR(vcpu->vm, eoi_word);
	*GUEST_VAR(vcpu->vm, sync_before) = true;
	*GUEST_VAR(vcpu->vm, sync_after) = true;
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(lapic_word(vcpu, APIC_ISR, LOW), 1u << (LOW & 31));
	EXPECT_EQ(*word, 0);
	ASSERT_EQ(try_get_msr(vcpu, MSR_PV_EOI, &msr), 1);
	EXPECT_EQ(msr, (uintptr_t)&eoi_word | 1);
	/* All of it again, as after a migration. */
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_LAPIC, &state), 0);
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_LAPIC, &state), 0);
	ASSERT_EQ(try_set_msr(vcpu, MSR_PV_EOI, msr), 1);
	guest_run_sync(vcpu, 2);
	EXPECT_EQ(lapic_word(vcpu, APIC_ISR, LOW), 0);
	EXPECT_EQ(*word, 0);
	guest_run_sync(vcpu, 3);
	guest_run_done(vcpu);
}

static void guest_level(void)
{
	apic_on();
	ioapic_write(0x10 + 2 * PIN + 1, 0);
	ioapic_write(0x10 + 2 * PIN, PIN_VECTOR | IOAPIC_LEVEL);
	guest_sync(3);
	sti();
	expect_interrupt(PIN_VECTOR, 1);
	EXPECT_EOIS(0, 1);
	cli();
	guest_sync(3);
	sti();
	expect_interrupt(PIN_VECTOR, 2);
	EXPECT_EOIS(0, 1);
}

/* The I/O APIC waits for the end of these. */
static void test_eoi_level(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);
	unsigned int i;

	need_pv_feature(vcpu->vm, FEATURE_PV_EOI);
	guest_start(vcpu, guest_level);
	*GUEST_VAR(vcpu->vm, sync_before) = true;
	for (i = 0; i < 2; i++) {
		guest_run_sync(vcpu, 3);
		vm_irq_line(vcpu->vm, PIN, 1);
		guest_run_sync(vcpu, 1);
		vm_irq_line(vcpu->vm, PIN, 0);
	}
	guest_run_done(vcpu);
}

#define AWAY	(MiB(64) + 0x100)

static void guest_eoi_away(void)
{
	unsigned int i;

	apic_on();
	wrmsr(MSR_PV_EOI, AWAY | 1);
	eoi_always = true;
	sti();
	for (i = 1; i <= 3; i++) {
		guest_sync(3);
		self_ipi(LOW);
		expect_interrupt(LOW, i);
		nothing_in_service();
	}
}

/* Memory that goes away or cannot be written: the guest is on its own with its EOIs. */
static void test_eoi_no_memory(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);
	void *page = memory_map(PAGE_SIZE, false);
	struct vm *vm = vcpu->vm;

	need_pv_feature(vm, FEATURE_PV_EOI);
	vm_set_slot(vm, 1, 0, MiB(64), PAGE_SIZE, page);
	guest_start(vcpu, guest_eoi_away);
	guest_run_sync(vcpu, 3);
	guest_run_sync(vcpu, 3);
	vm_set_slot(vm, 1, 0, MiB(64), 0, page);
	vm_set_slot(vm, 1, KVM_MEM_READONLY, MiB(64), PAGE_SIZE, page);
	guest_run_sync(vcpu, 3);
	vm_set_slot(vm, 1, 0, MiB(64), 0, page);
	guest_run_done(vcpu);
}

static volatile bool go_on, in_handler;

static void slow_handler(struct guest_frame *frame)
{
	sti();
	in_handler = true;
	while (!go_on)
		cpu_pause();
	guest_sync(4);
}

static void guest_eoi_lost(void)
{
	apic_on();
	guest_handlers[LOW] = slow_handler;
	wrmsr(MSR_PV_EOI, AWAY | 1);
	sti();
	self_ipi(LOW);
	cpu_pause();
}

static void *run_to_sync(void *arg)
{
	guest_run_sync(arg, 4);
	return NULL;
}

/* The same while the guest has been given the word, and nobody can read what it did. */
static void test_eoi_lost(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);
	void *page = memory_map(PAGE_SIZE, false);
	volatile bool *entered;
	pthread_t thread;
	uint8_t offered;

	need_race();
	need_pv_feature(vcpu->vm, FEATURE_PV_EOI);
	/* Else it is not there when the host may not wait for it. */
	memset(page, 0, PAGE_SIZE);
	vm_set_slot(vcpu->vm, 1, 0, MiB(64), PAGE_SIZE, page);
	guest_start(vcpu, guest_eoi_lost);
	entered = GUEST_VAR(vcpu->vm, in_handler);
	ASSERT(!pthread_create(&thread, NULL, run_to_sync, vcpu));
	while (!*entered)
		sched_yield();
	offered = *(volatile uint8_t *)(page + 0x100);
	vm_set_slot(vcpu->vm, 1, 0, MiB(64), 0, page);
	*GUEST_VAR(vcpu->vm, go_on) = true;
	pthread_join(thread, NULL);
	if (!offered)
		ksft_skip("the hypervisor has taken its offer back, as it may");
	EXPECT_EQ(lapic_word(vcpu, APIC_ISR, LOW), 0);
}

static const struct ksft_test tests[] = {
	{ "xapic", test_eoi },
	{ "x2apic", test_eoi_x2apic },
	{ "state", test_eoi_state },
	{ "level", test_eoi_level },
	{ "no_memory", test_eoi_no_memory },
	{ "lost", test_eoi_lost },
};

static const struct ksft_suite suite = KSFT_SUITE("pv_eoi", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
