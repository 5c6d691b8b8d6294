// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest may ask of its hypervisor beyond what processors have: IPIs to many at
 * once, halts that a hypercall ends, TLB flushes left to those who do not run, halt
 * polling. EOIs are in pv_eoi_test.c, what goes by the clock in pvtime_test.c.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "guest_apic.h"
#include "guest_cpu.h"
#include "ksft.h"
#include "pv.h"
#include "vm.h"

#define PREEMPTED		1
#define FLUSH_TLB		2

/* ---- what there is ---- */

static bool listed(struct vm *vm, uint32_t index)
{
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + 1000 * sizeof(uint32_t));
	bool found = false;
	unsigned int i;

	list->nmsrs = 1000;
	ASSERT_EQ(try_ioctl(vm->dev, KVM_GET_MSR_INDEX_LIST, list), 0);
	for (i = 0; i < list->nmsrs; i++)
		found |= list->indices[i] == index;
	free(list);
	return found;
}

static void test_features(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);
	const uint32_t all = 1 << FEATURE_PV_EOI | 1 << FEATURE_PV_UNHALT |
			     1 << FEATURE_PV_SEND_IPI | 1 << FEATURE_POLL_CONTROL |
			     1 << FEATURE_PV_SCHED_YIELD;
	uint32_t eax = pv_features(vcpu->vm);
	uint64_t value;

	EXPECT_EQ(eax & all, all);
	EXPECT_EQ(!!(eax & 1 << FEATURE_PV_TLB_FLUSH), !!(eax & 1 << FEATURE_STEAL_TIME));
	EXPECT(listed(vcpu->vm, MSR_PV_EOI));
	EXPECT(listed(vcpu->vm, MSR_POLL_CONTROL));

	ASSERT_EQ(try_get_msr(vcpu, MSR_PV_EOI, &value), 1);
	EXPECT_EQ(value, 0);
	EXPECT_EQ(try_set_msr(vcpu, MSR_PV_EOI, 0x5005), 1);
	ASSERT_EQ(try_get_msr(vcpu, MSR_PV_EOI, &value), 1);
	EXPECT_EQ(value, 0x5005);
	EXPECT_EQ(try_set_msr(vcpu, MSR_PV_EOI, 0x5003), 0);
	EXPECT_EQ(try_set_msr(vcpu, MSR_PV_EOI, 0x5002), 0);
	/* No memory there. */
	EXPECT(try_set_msr(vcpu, MSR_PV_EOI, GiB(3) | 1) != 1);
	EXPECT(try_set_msr(vcpu, MSR_PV_EOI, ~0xfffULL | 1) != 1);
	EXPECT_EQ(try_set_msr(vcpu, MSR_PV_EOI, ~0xfffULL), 1);

	ASSERT_EQ(try_get_msr(vcpu, MSR_POLL_CONTROL, &value), 1);
	EXPECT_EQ(value, 1);
	EXPECT_EQ(try_set_msr(vcpu, MSR_POLL_CONTROL, 0), 1);
	EXPECT_EQ(try_set_msr(vcpu, MSR_POLL_CONTROL, 2), 0);
	ASSERT_EQ(try_get_msr(vcpu, MSR_POLL_CONTROL, &value), 1);
	EXPECT_EQ(value, 0);
}

/* One at a time, all others are not there. */
static volatile uint32_t allowed;

#define TRY_WRMSR(index, value)							\
	GUEST_TRY("wrmsr", : : "c"(index), "a"(value), "d"(0) : "r11", "memory")

static void guest_allowed(void)
{
	GUEST_EQ(TRY_WRMSR(MSR_PV_EOI, 0x5001),
		 allowed == FEATURE_PV_EOI ? GUEST_NO_TRAP : 13);
	GUEST_EQ(TRY_WRMSR(MSR_POLL_CONTROL, 0),
		 allowed == FEATURE_POLL_CONTROL ? GUEST_NO_TRAP : 13);
	GUEST_EQ(hypercall(HC_KICK_CPU, 0, 0, 0, 0),
		 allowed == FEATURE_PV_UNHALT ? 0 : HC_ENOSYS);
	GUEST_EQ(hypercall(HC_SEND_IPI, 0, 0, 0, 0x50),
		 allowed == FEATURE_PV_SEND_IPI ? 0 : HC_ENOSYS);
	GUEST_EQ(hypercall(HC_SCHED_YIELD, 0, 0, 0, 0),
		 allowed == FEATURE_PV_SCHED_YIELD ? 0 : HC_ENOSYS);
}

static void test_enforced(void)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args[0] = 1,
	};
	static const uint32_t one[] = {
		0, FEATURE_PV_EOI, FEATURE_POLL_CONTROL, FEATURE_PV_UNHALT, FEATURE_PV_SEND_IPI,
		FEATURE_PV_SCHED_YIELD,
	};
	struct kvm_cpuid2 *cpuid;
	struct vcpu *vcpu;
	unsigned int i;

	for (i = 0; i < KSFT_ARRAY_SIZE(one); i++) {
		vcpu = vcpu_create_bare(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);
		vm_need(vcpu->vm, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, "its capability");
		cpuid = supported_cpuid(vcpu->vm->dev);
		cpuid_find(cpuid, FEATURES_LEAF, 0)->eax = 1u << one[i];
		ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), 0);
		ASSERT_EQ(try_ioctl(vcpu->fd, KVM_ENABLE_CAP, &cap), 0);
		guest_start(vcpu, guest_allowed);
		*GUEST_VAR(vcpu->vm, allowed) = one[i];
		guest_run_done(vcpu);
		vcpu_destroy(vcpu);
		free(cpuid);
	}
}

/* ---- IPIs and kicks ---- */

static void guest_sends(void)
{
	GUEST_EQ(hypercall(HC_SEND_IPI, 6, 0, 0, 0x51), 2);
	GUEST_EQ(hypercall(HC_SEND_IPI, 1, 0, 2, 0x52), 1);
	/* The second word goes on where the first ends: 1 + 64. */
	GUEST_EQ(hypercall(HC_SEND_IPI, 0, 1, 1, 0x53), 1);
	/* All others are not there. */
	GUEST_EQ(hypercall(HC_SEND_IPI, ~6ULL, ~2ULL, 0, 0x54), 1);
	GUEST_EQ(hypercall(HC_SEND_IPI, ~0ULL, ~0ULL, 66, 0x55), 0);
	GUEST_EQ(hypercall(HC_SEND_IPI, ~0ULL, 0, 0xffffffff, 0x55), 0);
	GUEST_EQ(hypercall(HC_SEND_IPI, 0, 0, 0, 0x55), 0);
	/* Destinations are in the bitmap. */
	GUEST_EQ(hypercall(HC_SEND_IPI, 6, 0, 0, 0x855), -EINVAL);
	GUEST_EQ(hypercall(HC_SEND_IPI, 6, 0, 0, 0x40055), -EINVAL);
	GUEST_EQ(hypercall(HC_SEND_IPI, 6, 0, 0, 0x80055), -EINVAL);
	GUEST_EQ(hypercall(HC_SEND_IPI, 2, 0, 0, 0x400), 1);
}

static void apic_enable(struct vcpu *vcpu)
{
	struct kvm_lapic_state state;

	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_GET_LAPIC, &state), 0);
	state.regs[APIC_SPIV + 1] |= 1;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_SET_LAPIC, &state), 0);
}

static void test_send_ipi(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	static const unsigned int ids[] = { 0, 1, 2, 65 };
	struct kvm_vcpu_events events;
	struct vcpu *vcpu[4];
	unsigned int i;

	need_pv_feature(vm, FEATURE_PV_SEND_IPI);
	for (i = 0; i < 4; i++) {
		vcpu[i] = vcpu_create(vm, ids[i]);
		apic_enable(vcpu[i]);
	}
	guest_start(vcpu[0], guest_sends);
	guest_run_done(vcpu[0]);
	EXPECT_EQ(lapic_word(vcpu[0], APIC_IRR, 0x50), 1 << 0x14);
	EXPECT_EQ(lapic_word(vcpu[1], APIC_IRR, 0x50), 1 << 0x11);
	EXPECT_EQ(lapic_word(vcpu[2], APIC_IRR, 0x50), 1 << 0x11 | 1 << 0x12);
	EXPECT_EQ(lapic_word(vcpu[3], APIC_IRR, 0x50), 1 << 0x13);
	for (i = 1; i < 3; i++) {
		ASSERT_EQ(try_ioctl(vcpu[i]->fd, KVM_GET_VCPU_EVENTS, &events), 0);
		EXPECT_EQ(events.nmi.pending, i == 1);
	}
}

static volatile uint32_t kick_id;

static void guest_kicks(void)
{
	GUEST_EQ(hypercall(HC_KICK_CPU, 0, 77, 0, 0), 0);
	GUEST_EQ(hypercall(HC_KICK_CPU, 0, ~0ULL, 0, 0), 0);
	GUEST_EQ(hypercall(HC_KICK_CPU, 0, kick_id, 0, 0), 0);
}

/* Without interrupts: as who waits for a lock with interrupts off. */
static void guest_halts(void)
{
	cli();
	asm volatile("hlt" : : : "memory");
}

static void *run_halting(void *arg)
{
	guest_run_done(arg);
	return NULL;
}

static void kick(bool while_halted)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *kicker = vcpu_create(vm, 0), *halted = vcpu_create(vm, 1);
	pthread_t thread;

	need_pv_feature(vm, FEATURE_PV_UNHALT);
	apic_enable(kicker);
	apic_enable(halted);
	guest_start(kicker, guest_kicks);
	guest_start(halted, guest_halts);
	*GUEST_VAR(vm, kick_id) = 1;
	if (!while_halted)
		guest_run_done(kicker);
	ASSERT(!pthread_create(&thread, NULL, run_halting, halted));
	if (while_halted) {
		usleep(200000);
		guest_run_done(kicker);
	}
	pthread_join(thread, NULL);
}

static void test_unhalt(void)
{
	kick(true);
}

/* The kick may come before the halt that it is for. */
static void test_unhalt_early(void)
{
	kick(false);
}

static void test_unhalt_state(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *kicker = vcpu_create(vm, 0), *halted = vcpu_create(vm, 1);
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_HALTED };

	need_pv_feature(vm, FEATURE_PV_UNHALT);
	apic_enable(kicker);
	apic_enable(halted);
	guest_start(kicker, guest_kicks);
	*GUEST_VAR(vm, kick_id) = 1;
	ASSERT_EQ(try_ioctl(halted->fd, KVM_SET_MP_STATE, &state), 0);
	guest_run_done(kicker);
	ASSERT_EQ(try_ioctl(halted->fd, KVM_GET_MP_STATE, &state), 0);
	EXPECT_EQ(state.mp_state, KVM_MP_STATE_RUNNABLE);
}

/* Where guests halt without an exit, nobody could end that. */
static void test_unhalt_disabled(void)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_DISABLE_EXITS, .args[0] = KVM_X86_DISABLE_EXITS_HLT,
	};
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct kvm_cpuid2 *cpuid;
	struct vcpu *vcpu;

	if (!(vm_check_extension(vm, KVM_CAP_X86_DISABLE_EXITS) & KVM_X86_DISABLE_EXITS_HLT))
		ksft_skip("HLT exits in any case");
	need_pv_feature(vm, FEATURE_PV_UNHALT);
	ASSERT_EQ(try_ioctl(vm->fd, KVM_ENABLE_CAP, &cap), 0);
	vcpu = vcpu_create(vm, 0);
	cpuid = vcpu_get_cpuid(vcpu, 256);
	EXPECT_EQ(cpuid_find(cpuid, FEATURES_LEAF, 0)->eax & 1 << FEATURE_PV_UNHALT, 0);
}

/* ---- kicks as yields ---- */

#define ROUNDS	200

static volatile uint64_t turn;

/* Two that never halt and never pause: each waits for the other, and kicks it when done. */
static void take_turns(uint64_t self)
{
	for (uint64_t i = 0; i < ROUNDS; i++) {
		while (turn % 2 != self)
			;
		turn++;
		GUEST_EQ(hypercall(HC_KICK_CPU, 0, 1 - self, 0, 0), 0);
	}
}

static void guest_first(void)
{
	take_turns(0);
}

static void guest_second(void)
{
	take_turns(1);
}

/* On one CPU, who is kicked is next, as the kicker then waits for it. */
static void test_kick_yields(void)
{
	struct vm *vm = vm_create(VM_RAM_SIZE, VM_IRQCHIP);
	struct vcpu *first = vcpu_create(vm, 0), *second = vcpu_create(vm, 1);
	uint64_t yields, tries;
	pthread_t thread;
	cpu_set_t one;

	need_pv_feature(vm, FEATURE_PV_UNHALT);
	need_race();
	apic_enable(first);
	apic_enable(second);
	guest_start(first, guest_first);
	guest_start(second, guest_second);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	ASSERT(!pthread_create(&thread, NULL, run_halting, second));
	guest_run_done(first);
	pthread_join(thread, NULL);
	EXPECT_EQ(*GUEST_VAR(vm, turn), 2 * ROUNDS);
	if (strcmp(ksft_device, "/dev/khv"))
		return;
	tries = vcpu_statistic(first, "directed_yield_attempted") +
		vcpu_statistic(second, "directed_yield_attempted");
	yields = vcpu_statistic(first, "directed_yield_successful") +
		 vcpu_statistic(second, "directed_yield_successful");
	EXPECT(yields <= tries);
	EXPECT(yields >= ROUNDS, "%lu of %lu", (long)yields, (long)tries);
}

/* ---- TLB flushes ---- */

#define VIEW	(1ULL << 39)		/* PML4 entry 1 */
#define PTE_P	1ULL
#define PTE_W	2ULL
#define ANY	2

struct steal_page {
	uint64_t steal;
	uint32_t version, flags;
	uint8_t preempted, pad[47];
} __aligned(64);

static volatile struct steal_page steal_page;
static volatile uint64_t pdpt[512] __aligned(4096), pd[512] __aligned(4096);
static volatile uint64_t pt[512] __aligned(4096);
static volatile uint64_t values[2][512] __aligned(4096);
static volatile uint64_t wanted;	/* what is read there, or ANY */

static void guest_looks(void)
{
	uint64_t before, value;

	guest_pml4[1] = (uintptr_t)pdpt | PTE_P | PTE_W;
	pdpt[0] = (uintptr_t)pd | PTE_P | PTE_W;
	pd[0] = (uintptr_t)pt | PTE_P | PTE_W;
	pt[0] = (uintptr_t)values[0] | PTE_P | PTE_W;
	values[1][0] = 1;
	wrmsr(MSR_STEAL_TIME, (uintptr_t)&steal_page | 1);
	guest_sync(1);
	sti();
	for (;;) {
		before = wanted;
		value = *(volatile uint64_t *)VIEW;
		if (before == wanted && before != ANY)
			GUEST_EQ(value, before);
		cpu_pause();
	}
}

static struct flusher {
	pthread_t vcpu_thread;
	volatile uint8_t *preempted;
	volatile uint64_t *entry, *wanted;
	volatile bool ask, stop;
	volatile unsigned int seen, asked;
} flusher;

static uint64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* What Linux guests do when they change a table. Who runs meanwhile may find either page. */
static void leave_flush(struct flusher *f)
{
	uint64_t entry = *f->entry ^ (uintptr_t)values[0] ^ (uintptr_t)values[1];
	uint8_t old = PREEMPTED;

	__atomic_store_n(f->wanted, ANY, __ATOMIC_SEQ_CST);
	__atomic_store_n(f->entry, entry, __ATOMIC_SEQ_CST);
	if (!__atomic_compare_exchange_n(f->preempted, &old, PREEMPTED | FLUSH_TLB, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	*f->wanted = (entry & ~0xfffULL) == (uintptr_t)values[1];
	f->asked++;
}

/* The vCPU's rival, which also interrupts its runs. */
static void *flush_others(void *arg)
{
	struct flusher *f = arg;
	uint64_t next = milliseconds() + 20;

	while (!f->stop) {
		if (*f->preempted == PREEMPTED) {
			f->seen++;
			if (f->ask)
				leave_flush(f);
		}
		if (milliseconds() < next)
			continue;
		pthread_kill(f->vcpu_thread, SIGUSR1);
		next = milliseconds() + 20;
	}
	return NULL;
}

static void on_signal(int number)
{
}

static void test_tlb_flush(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);
	struct flusher *f = &flusher;
	uint64_t flushes;
	cpu_set_t one;
	pthread_t thread;
	int i;

	need_pv_feature(vcpu->vm, FEATURE_PV_TLB_FLUSH);
	/* The rival is no guest: shadows do not hear of its stores. */
	if (!host_has_nested_paging())
		ksft_skip("with shadow paging, a client that writes guests' tables is not heard");
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	guest_start(vcpu, guest_looks);
	guest_run_sync(vcpu, 1);

	f->vcpu_thread = pthread_self();
	f->preempted = &GUEST_VAR(vcpu->vm, steal_page)->preempted;
	f->entry = (uint64_t *)GUEST_VAR(vcpu->vm, pt);
	f->wanted = GUEST_VAR(vcpu->vm, wanted);
	signal(SIGUSR1, on_signal);
	ASSERT_EQ(pthread_create(&thread, NULL, flush_others, f), 0);
	for (i = 0; i < 500 && !f->seen; i++)
		ASSERT_EQ(guest_run(vcpu), GUEST_EINTR);
	flushes = vcpu_statistic(vcpu, "tlb_flush");
	f->ask = true;
	for (i = 0; i < 1000 && f->asked < 5; i++)
		ASSERT_EQ(guest_run(vcpu), GUEST_EINTR);
	f->ask = false;
	for (i = 0; i < 5; i++)
		ASSERT_EQ(guest_run(vcpu), GUEST_EINTR);
	f->stop = true;
	pthread_join(thread, NULL);
	flushes = vcpu_statistic(vcpu, "tlb_flush") - flushes;
	EXPECT(f->asked >= 5, "%u of %u marks", f->asked, f->seen);
	EXPECT(flushes >= f->asked, "%llu of %u", (unsigned long long)flushes, f->asked);
	EXPECT_EQ(*f->preempted & FLUSH_TLB, 0);
}

/* ---- polling ---- */

#define HALTS	50
#define LOW	0x50

static void ignore(struct guest_frame *frame)
{
	xapic_write(APIC_EOI, 0);
}

static void halts(void)
{
	unsigned int i;

	for (i = 0; i < HALTS; i++)
		sti_hlt_cli();
}

static void guest_polled(void)
{
	guest_handlers[LOW] = ignore;
	xapic_write(APIC_SPIV, 0x1ff);
	xapic_write(APIC_TDCR, 0xb);
	/* Periodic, as one that comes too early, before HLT, must not be the last. */
	xapic_write(APIC_LVT_TIMER, LOW | APIC_TIMER_PERIODIC);
	guest_sync(1);
	xapic_write(APIC_TMICT, 500000);	/* half a millisecond */
	halts();
	guest_sync(2);
	wrmsr(MSR_POLL_CONTROL, 0);
	halts();
	guest_sync(3);
	wrmsr(MSR_POLL_CONTROL, 1);
	halts();
}

static int set_halt_poll(struct vm *vm, uint64_t ns)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HALT_POLL, .args[0] = ns };

	return try_ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static void test_halt_poll(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, VM_IRQCHIP), 0);
	uint64_t polls;

	vm_need(vcpu->vm, KVM_CAP_HALT_POLL, "KVM_CAP_HALT_POLL");
	EXPECT_EQ(set_halt_poll(vcpu->vm, 1ULL << 32), -EINVAL);
	EXPECT_EQ(set_halt_poll(vcpu->vm, 0), 0);
	/* More than any host needs to be late. */
	EXPECT_EQ(set_halt_poll(vcpu->vm, 100000000), 0);
	guest_start(vcpu, guest_polled);
	guest_run_sync(vcpu, 1);
	EXPECT_EQ(vcpu_statistic(vcpu, "halt_attempted_poll"), 0);
	guest_run_sync(vcpu, 2);
	polls = vcpu_statistic(vcpu, "halt_attempted_poll");
	EXPECT(polls > 0);
	EXPECT(vcpu_statistic(vcpu, "halt_successful_poll") > 0);
	guest_run_sync(vcpu, 3);
	EXPECT_EQ(vcpu_statistic(vcpu, "halt_attempted_poll"), polls);
	EXPECT_EQ(set_halt_poll(vcpu->vm, 0), 0);
	guest_run_done(vcpu);
	EXPECT_EQ(vcpu_statistic(vcpu, "halt_attempted_poll"), polls);
}

static const struct ksft_test tests[] = {
	{ "features", test_features },
	{ "enforced", test_enforced },
	{ "send_ipi", test_send_ipi },
	{ "unhalt", test_unhalt },
	{ "unhalt_early", test_unhalt_early },
	{ "unhalt_state", test_unhalt_state },
	{ "unhalt_disabled", test_unhalt_disabled },
	{ "kick_yields", test_kick_yields },
	{ "tlb_flush", test_tlb_flush, 120 },
	{ "halt_poll", test_halt_poll },
};

static const struct ksft_suite suite = KSFT_SUITE("pv", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
