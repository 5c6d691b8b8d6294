/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest FPU, SSE, AVX, AVX-512 and PKRU state in XSAVE's standard format.
 */
#ifndef KHV_X86_XSTATE_H
#define KHV_X86_XSTATE_H

#include <linux/kvm.h>
#include <linux/types.h>

struct khv_vcpu;

struct khv_xstate {
	void *area;		/* 64-byte aligned, khv_xstate_size() bytes, standard format */
	u64 xcr0;		/* the guest's */
	u64 host_xcr0;		/* while loaded */
	u64 cpu_xcr0;		/* while loaded: what XCR0 now holds */
	u32 host_pkru;		/* while loaded */
	bool loaded;		/* the registers hold the guest's state */
};

/* XCR0 bits that khv can save and restore on this host, and the buffer they take. */
u64 khv_xstate_mask(void);
unsigned int khv_xstate_size(void);
/* Module load, before khv_cpuid_init(). 0 or -errno. */
int khv_xstate_init(void);
/*
 * XSAVE area of these components, as CPUID leaf 0xD tells guests; 0 on a host
 * without XSAVE. No CPUID is executed.
 */
unsigned int khv_xstate_required_size(u64 xcr0, bool compacted);

int khv_xstate_create(struct khv_vcpu *vcpu);
void khv_xstate_destroy(struct khv_vcpu *vcpu);
void khv_xstate_reset(struct khv_vcpu *vcpu, bool init);

/*
 * Inside kernel_fpu_begin(), interrupts off: put the guest's state into the
 * registers, XCR0 among them, and back. In between nothing of the host uses
 * the FPU.
 */
void khv_xstate_load(struct khv_vcpu *vcpu);
void khv_xstate_save(struct khv_vcpu *vcpu);
/* The guest changed XCR0 or CR4.OSXSAVE; if its state is loaded, so must be the new XCR0. */
void khv_xstate_switch_xcr0(struct khv_vcpu *vcpu);

/* KVM_GET_FPU, SET_FPU, GET_XSAVE(2), SET_XSAVE, XCRS. @size is the buffer's, for XSAVE2. */
void khv_get_fpu(struct khv_vcpu *vcpu, struct kvm_fpu *fpu);
int khv_set_fpu(struct khv_vcpu *vcpu, const struct kvm_fpu *fpu);
int khv_get_xsave(struct khv_vcpu *vcpu, void *buf, unsigned int size);
int khv_set_xsave(struct khv_vcpu *vcpu, const void *buf, unsigned int size);
void khv_get_xcrs(struct khv_vcpu *vcpu, struct kvm_xcrs *xcrs);
int khv_set_xcrs(struct khv_vcpu *vcpu, const struct kvm_xcrs *xcrs);

/* One XMM register (0-15) of the saved state, for the emulator. */
void khv_xstate_read_xmm(struct khv_vcpu *vcpu, unsigned int reg, u8 val[16]);
void khv_xstate_write_xmm(struct khv_vcpu *vcpu, unsigned int reg, const u8 val[16]);

#endif
