/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of guest-fuzz, and what they share.
 *
 * guest_fuzz.c supervises and has the canary; fuzz_state.c starts vCPUs in random
 * states, fuzz_model.c says which of those a processor can be in; fuzz_user.c runs
 * random bytes in user mode.
 */
#ifndef KHV_TESTS_GUEST_FUZZ_H
#define KHV_TESTS_GUEST_FUZZ_H

#include "rng.h"
#include "vm.h"

#define EXIT_REASONS	64

enum fuzz_mode { FUZZ_STATE, FUZZ_USER, FUZZ_MUTATE, FUZZ_MODES };

/* Shared by the supervisor, the fuzzer and the canary. */
struct report {
	uint64_t done;			/* iterations */
	uint64_t refused;		/* states that KVM_SET_SREGS did not take */
	uint64_t impossible;		/* those that it took and no processor can be in */
	uint64_t stopped;		/* runs that a signal ended */
	uint64_t exits[EXIT_REASONS];
	uint64_t vectors[256];		/* exceptions of user mode */
	uint64_t canary_rounds;
	bool canary_ends;
};

struct options {
	uint64_t seed, count;
	enum fuzz_mode mode;
	unsigned int seconds;
	bool step;	/* one instruction at a time, for hosts that a spinning guest starves */
};

extern struct options options;
extern struct report *report;

/* Ends the process with status 1 after saying what @vcpu was about. */
_Noreturn void fuzz_fail(struct vcpu *vcpu, const char *what);
/* KVM_RUN with a time limit: true after an exit, false when the limit ended it. */
bool fuzz_run(struct vcpu *vcpu);

void fuzz_state(struct rng *rng);
void fuzz_user(struct rng *rng, bool mutate);

/* What the checks of a VM entry ask of the guest, as far as it can be set from outside. */
bool possible_state(const struct kvm_sregs *s, const struct kvm_regs *r,
		    const struct kvm_vcpu_events *events);

#endif
