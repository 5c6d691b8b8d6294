// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's FPU, SSE, AVX, AVX-512 and PKRU state.
 *
 * One buffer per vCPU in XSAVE's standard format ("SDM, Managing State Using
 * the XSAVE Feature Set"), or FXSAVE's on hosts that have no XSAVE. The
 * client's ioctls work on that buffer, so what they put there is checked: the
 * XRSTOR of the next entry must not fault.
 */
#include <asm/asm.h>
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>
#include <asm/processor.h>
#include <asm/special_insns.h>
#include <linux/kvm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "vm/vcpu.h"

/* MPX is gone from Linux, AMX is out of scope. */
#define WANTED	(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512 | \
		 XFEATURE_MASK_PKRU)
#define LAST_COMPONENT	10
#define LEGACY_SIZE	sizeof(struct fxregs_state)
#define LEGACY_END	(LEGACY_SIZE + sizeof(struct xstate_header))
/* struct kvm_xsave holds this much without KVM_CAP_XSAVE2. */
#define MAX_AREA	4096
#define X87_CONTROL_INIT 0x37f
#define MXCSR_INIT	0x1f80
#define MXCSR_MASK_DEFAULT 0xffbf	/* "SDM, FXSAVE": a mask of zero means this */

/* Where a component lies; of the host, from CPUID leaf 0xD. */
static struct {
	u32 offset, size;
	bool aligned;		/* to 64 bytes in the compacted format */
} component[LAST_COMPONENT + 1];

static u64 host_mask;
/* IA32_XSS of the host, where the guest can use XSAVES whatever its CPUID says. */
static u64 host_xss;
static unsigned int area_size;
static u32 mxcsr_mask;
static bool have_xsave, have_xsaveopt;

u64 khv_xstate_mask(void)
{
	return host_mask;
}

unsigned int khv_xstate_size(void)
{
	return area_size;
}

unsigned int khv_xstate_required_size(u64 xcr0, bool compacted)
{
	unsigned int end = LEGACY_END;
	int i;

	if (!have_xsave)
		return 0;
	for (i = 2; i <= LAST_COMPONENT; i++) {
		if (!(xcr0 & host_mask & BIT_ULL(i)))
			continue;
		if (!compacted) {
			end = max(end, component[i].offset + component[i].size);
			continue;
		}
		if (component[i].aligned)
			end = ALIGN(end, 64);
		end += component[i].size;
	}
	return end;
}

static void find_components(void)
{
	u32 eax, ebx, ecx, edx;
	int i;

	host_mask = xgetbv(XCR_XFEATURE_ENABLED_MASK) & WANTED;
	if ((host_mask & XFEATURE_MASK_AVX512) != XFEATURE_MASK_AVX512)
		host_mask &= ~(u64)XFEATURE_MASK_AVX512;
	if (!cpu_feature_enabled(X86_FEATURE_OSPKE))
		host_mask &= ~(u64)XFEATURE_MASK_PKRU;

	for (i = 2; i <= LAST_COMPONENT; i++) {
		if (!(host_mask & BIT_ULL(i)))
			continue;
		cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx);
		component[i].size = eax;
		component[i].offset = ebx;
		component[i].aligned = ecx & BIT(1);
		if (!eax || ebx < LEGACY_END || (u64)ebx + eax > MAX_AREA)
			host_mask &= ~BIT_ULL(i);
	}
}

/* MXCSR bits that exist here; others would make XRSTOR fault. */
static int find_mxcsr_mask(void)
{
	struct fxregs_state *fx = kzalloc(sizeof(*fx) + 16, GFP_KERNEL);
	struct fxregs_state *aligned;

	if (!fx)
		return -ENOMEM;
	aligned = PTR_ALIGN(fx, 16);
	kernel_fpu_begin();
	asm volatile("fxsave64 %0" : "=m" (*aligned));
	kernel_fpu_end();
	mxcsr_mask = aligned->mxcsr_mask ? aligned->mxcsr_mask : MXCSR_MASK_DEFAULT;
	kfree_sensitive(fx);
	return 0;
}

int khv_xstate_init(void)
{
	have_xsave = boot_cpu_has(X86_FEATURE_XSAVE) && boot_cpu_has(X86_FEATURE_OSXSAVE);
	have_xsaveopt = have_xsave && boot_cpu_has(X86_FEATURE_XSAVEOPT);
	host_mask = 0;
	host_xss = 0;
	area_size = LEGACY_SIZE;
	if (khv_caps.xsaves_unchecked && boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrq(MSR_IA32_XSS, host_xss);
	if (have_xsave) {
		find_components();
		area_size = khv_xstate_required_size(host_mask, false);
	}
	return find_mxcsr_mask();
}

static struct fxregs_state *legacy(struct khv_vcpu *vcpu)
{
	return vcpu->xstate.area;
}

static struct xstate_header *header(struct khv_vcpu *vcpu)
{
	return vcpu->xstate.area + LEGACY_SIZE;
}

/* All registers as after FNINIT and with everything else initial. */
static void set_initial(struct khv_vcpu *vcpu)
{
	memset(vcpu->xstate.area, 0, area_size);
	legacy(vcpu)->cwd = X87_CONTROL_INIT;
	legacy(vcpu)->mxcsr = MXCSR_INIT;
	legacy(vcpu)->mxcsr_mask = mxcsr_mask;
}

int khv_xstate_create(struct khv_vcpu *vcpu)
{
	/* Sizes that are powers of two come aligned to their size, and to 64 at least. */
	size_t size = max_t(size_t, roundup_pow_of_two(area_size), 64);

	vcpu->xstate.area = kzalloc(size, GFP_KERNEL_ACCOUNT);
	if (!vcpu->xstate.area)
		return -ENOMEM;
	khv_xstate_reset(vcpu, false);
	return 0;
}

void khv_xstate_destroy(struct khv_vcpu *vcpu)
{
	kfree_sensitive(vcpu->xstate.area);
	vcpu->xstate.area = NULL;
}

void khv_xstate_reset(struct khv_vcpu *vcpu, bool init)
{
	/* "SDM, Processor State After Reset": INIT leaves all of it. */
	if (init)
		return;
	set_initial(vcpu);
	vcpu->xstate.xcr0 = XFEATURE_MASK_FP;
}

/*
 * With the buffer checked XRSTOR cannot fault; should it all the same, the
 * vCPU gets initial registers and the host goes on.
 */
static noinline void restore_failed(struct khv_vcpu *vcpu)
{
	WARN_ONCE(1, "khv: XRSTOR of a guest's state faulted\n");
	set_initial(vcpu);
	if (have_xsave)
		header(vcpu)->xfeatures = 0;
}

static bool try_xrstor(void *area, u64 mask)
{
	u32 fault = 1;

	asm volatile("1: xrstor64 (%1)\n\t"
		     "xorl %0, %0\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "+&r" (fault)
		     : "r" (area), "a" (lower_32_bits(mask)), "d" (upper_32_bits(mask))
		     : "memory");
	return !fault;
}

static bool try_fxrstor(void *area)
{
	u32 fault = 1;

	asm volatile("1: fxrstor64 (%1)\n\t"
		     "xorl %0, %0\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "+&r" (fault) : "r" (area) : "memory");
	return !fault;
}

static bool restore_area(void *area)
{
	return have_xsave ? try_xrstor(area, host_mask) : try_fxrstor(area);
}

/*
 * AMD: FXSAVE and FXRSTOR leave the last x87 instruction's addresses alone
 * unless an exception is pending, so give them a harmless value first.
 */
static void clear_x87_pointers(void)
{
	static const u32 zero;

	asm volatile("fnclex\n\temms\n\tfildl %0" : : "m" (zero));
}

static void write_xcr0(struct khv_xstate *xs, u64 xcr0)
{
	if (xs->cpu_xcr0 == xcr0)
		return;
	xsetbv(XCR_XFEATURE_ENABLED_MASK, xcr0);
	xs->cpu_xcr0 = xcr0;
}

void khv_xstate_switch_xcr0(struct khv_vcpu *vcpu)
{
	struct khv_xstate *xs = &vcpu->xstate;

	if (!have_xsave || !xs->loaded)
		return;
	/* Without OSXSAVE the guest can neither read XCR0 nor use what it allows. */
	write_xcr0(xs, vcpu->regs.cr4 & X86_CR4_OSXSAVE ? xs->xcr0 : xs->host_xcr0);
}

void khv_xstate_load(struct khv_vcpu *vcpu)
{
	struct khv_xstate *xs = &vcpu->xstate;

	if (have_xsave) {
		xs->host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
		xs->cpu_xcr0 = xs->host_xcr0;
	}
	if (host_mask & XFEATURE_MASK_PKRU)
		xs->host_pkru = rdpkru();
	if (static_cpu_has_bug(X86_BUG_FXSAVE_LEAK))
		clear_x87_pointers();
	if (unlikely(!restore_area(xs->area))) {
		restore_failed(vcpu);
		restore_area(xs->area);
	}
	/*
	 * The guest's XCR0 stays for the whole region, interrupt windows
	 * included: inside kernel_fpu_begin() no host code touches extended state.
	 */
	xs->loaded = true;
	/* The host's supervisor state is not for guests to save or change. */
	if (host_xss)
		wrmsrq(MSR_IA32_XSS, 0);
	khv_xstate_switch_xcr0(vcpu);
}

/*
 * XSETBV exits, but not on every hypervisor below khv: QEMU's SVM ignores that
 * intercept. There it is found here what the guest has set. Should khv not offer
 * it, it is forgotten.
 */
static void notice_xcr0(struct khv_vcpu *vcpu)
{
	struct khv_xstate *xs = &vcpu->xstate;
	u64 now;

	if (!(vcpu->regs.cr4 & X86_CR4_OSXSAVE))
		return;
	now = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	if (likely(now == xs->cpu_xcr0))
		return;
	xs->cpu_xcr0 = now;
	khv_write_xcr0(vcpu, now);
}

void khv_xstate_save(struct khv_vcpu *vcpu)
{
	struct khv_xstate *xs = &vcpu->xstate;
	u32 lo = lower_32_bits(host_mask), hi = upper_32_bits(host_mask);

	if (have_xsave) {
		notice_xcr0(vcpu);
		/* Components that the guest has turned off are saved all the same. */
		write_xcr0(xs, xs->host_xcr0);
	}
	if (host_xss)
		wrmsrq(MSR_IA32_XSS, host_xss);
	if (have_xsaveopt)
		asm volatile("xsaveopt64 (%0)" : : "r" (xs->area), "a" (lo), "d" (hi) : "memory");
	else if (have_xsave)
		asm volatile("xsave64 (%0)" : : "r" (xs->area), "a" (lo), "d" (hi) : "memory");
	else
		asm volatile("fxsave64 (%0)" : : "r" (xs->area) : "memory");
	if (host_mask & XFEATURE_MASK_PKRU)
		wrpkru(xs->host_pkru);
	xs->loaded = false;
}

/*
 * XSAVE leaves the bytes of a component in its initial state as they were.
 * Spell them out, so that the buffer alone says everything.
 */
static void spell_out(struct khv_vcpu *vcpu)
{
	struct fxregs_state *fx = legacy(vcpu);
	u64 present;
	int i;

	if (!have_xsave)
		return;
	present = header(vcpu)->xfeatures;
	if (!(present & XFEATURE_MASK_FP)) {
		memset(fx, 0, offsetof(struct fxregs_state, mxcsr));
		memset(fx->st_space, 0, sizeof(fx->st_space));
		fx->cwd = X87_CONTROL_INIT;
	}
	if (!(present & XFEATURE_MASK_SSE))
		memset(fx->xmm_space, 0, sizeof(fx->xmm_space));
	for (i = 2; i <= LAST_COMPONENT; i++) {
		if ((host_mask & BIT_ULL(i)) && !(present & BIT_ULL(i)))
			memset(vcpu->xstate.area + component[i].offset, 0, component[i].size);
	}
}

void khv_get_fpu(struct khv_vcpu *vcpu, struct kvm_fpu *fpu)
{
	const struct fxregs_state *fx = legacy(vcpu);

	spell_out(vcpu);
	memset(fpu, 0, sizeof(*fpu));
	memcpy(fpu->fpr, fx->st_space, sizeof(fpu->fpr));
	fpu->fcw = fx->cwd;
	fpu->fsw = fx->swd;
	fpu->ftwx = fx->twd;
	fpu->last_opcode = fx->fop;
	fpu->last_ip = fx->rip;
	fpu->last_dp = fx->rdp;
	memcpy(fpu->xmm, fx->xmm_space, sizeof(fpu->xmm));
	fpu->mxcsr = fx->mxcsr;
}

int khv_set_fpu(struct khv_vcpu *vcpu, const struct kvm_fpu *fpu)
{
	struct fxregs_state *fx = legacy(vcpu);

	if (fpu->mxcsr & ~mxcsr_mask)
		return -EINVAL;
	spell_out(vcpu);
	memcpy(fx->st_space, fpu->fpr, sizeof(fpu->fpr));
	fx->cwd = fpu->fcw;
	fx->swd = fpu->fsw;
	fx->twd = fpu->ftwx;
	fx->fop = fpu->last_opcode;
	fx->rip = fpu->last_ip;
	fx->rdp = fpu->last_dp;
	memcpy(fx->xmm_space, fpu->xmm, sizeof(fpu->xmm));
	fx->mxcsr = fpu->mxcsr;
	if (have_xsave)
		header(vcpu)->xfeatures |= XFEATURE_MASK_FPSSE;
	return 0;
}

int khv_get_xsave(struct khv_vcpu *vcpu, void *buf, unsigned int size)
{
	struct xstate_header *hdr;

	if (size < area_size)
		return -EINVAL;
	spell_out(vcpu);
	memset(buf, 0, size);
	memcpy(buf, vcpu->xstate.area, area_size);
	((struct fxregs_state *)buf)->mxcsr_mask = mxcsr_mask;
	if (size < LEGACY_END)
		return 0;
	hdr = buf + LEGACY_SIZE;
	/* FXSAVE has no header; clients expect one that says as much. */
	if (!have_xsave)
		hdr->xfeatures = XFEATURE_MASK_FPSSE;
	/* XSAVE goes by the registers alone; whoever reads the header then forgets MXCSR. */
	else if (legacy(vcpu)->mxcsr != MXCSR_INIT)
		hdr->xfeatures |= XFEATURE_MASK_SSE;
	return 0;
}

/* The bytes that XRSTOR checks ("SDM, Standard Form of XRSTOR"). */
static bool xsave_valid(const void *buf, unsigned int size)
{
	const struct fxregs_state *fx = buf;
	const struct xstate_header *hdr = buf + LEGACY_SIZE;
	u64 known = have_xsave ? host_mask : XFEATURE_MASK_FPSSE;

	if (fx->mxcsr & ~mxcsr_mask)
		return false;
	if (size < LEGACY_END)
		return true;
	return !(hdr->xfeatures & ~known) && !hdr->xcomp_bv &&
	       !memchr_inv(hdr->reserved, 0, sizeof(hdr->reserved));
}

int khv_set_xsave(struct khv_vcpu *vcpu, const void *buf, unsigned int size)
{
	if (size < area_size || !xsave_valid(buf, size))
		return -EINVAL;
	memcpy(vcpu->xstate.area, buf, area_size);
	/* XRSTOR takes MXCSR from the buffer even when SSE is in its initial state. */
	if (have_xsave && !(header(vcpu)->xfeatures & (XFEATURE_MASK_SSE | XFEATURE_MASK_YMM)))
		legacy(vcpu)->mxcsr = MXCSR_INIT;
	return 0;
}

void khv_get_xcrs(struct khv_vcpu *vcpu, struct kvm_xcrs *xcrs)
{
	memset(xcrs, 0, sizeof(*xcrs));
	if (!have_xsave)
		return;
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].xcr = XCR_XFEATURE_ENABLED_MASK;
	xcrs->xcrs[0].value = vcpu->xstate.xcr0;
}

int khv_set_xcrs(struct khv_vcpu *vcpu, const struct kvm_xcrs *xcrs)
{
	u32 i;

	if (!have_xsave || xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	for (i = 0; i < xcrs->nr_xcrs; i++) {
		/* The others do not exist. */
		if (xcrs->xcrs[i].xcr != XCR_XFEATURE_ENABLED_MASK)
			continue;
		return khv_write_xcr0(vcpu, xcrs->xcrs[i].value) ? -EINVAL : 0;
	}
	return 0;
}

void khv_xstate_read_xmm(struct khv_vcpu *vcpu, unsigned int reg, u8 val[16])
{
	spell_out(vcpu);
	memcpy(val, (u8 *)legacy(vcpu)->xmm_space + (reg & 15) * 16, 16);
}

void khv_xstate_write_xmm(struct khv_vcpu *vcpu, unsigned int reg, const u8 val[16])
{
	spell_out(vcpu);
	memcpy((u8 *)legacy(vcpu)->xmm_space + (reg & 15) * 16, val, 16);
	if (have_xsave)
		header(vcpu)->xfeatures |= XFEATURE_MASK_SSE;
}
