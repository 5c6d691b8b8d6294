// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of a vCPU's file descriptor: one handler each, and their table.
 *
 * All run with vcpu->lock held, so none meets a guest in flight. Register state
 * is x86/'s, interrupt state irqchip/'s; here are the copies and the checks that
 * need no knowledge of either.
 */
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "irqchip/irqchip.h"
#include "mmu/walker.h"
#include "vm/ioctl.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "x86/cpuid.h"
#include "x86/event.h"
#include "x86/msr.h"
#include "x86/regs.h"
#include "x86/xstate.h"

static int get_regs(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	khv_get_regs(vcpu, arg->data);
	return 0;
}

static int set_regs(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_set_regs(vcpu, arg->data);
}

static int get_sregs(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	khv_get_sregs(vcpu, arg->data);
	return 0;
}

static int set_sregs(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_set_sregs(vcpu, arg->data);
}

static int get_sregs2(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	khv_get_sregs2(vcpu, arg->data);
	return 0;
}

static int set_sregs2(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_set_sregs2(vcpu, arg->data);
}

static int get_fpu(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	khv_get_fpu(vcpu, arg->data);
	return 0;
}

static int set_fpu(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_set_fpu(vcpu, arg->data);
}

static int get_debugregs(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	khv_get_debugregs(vcpu, arg->data);
	return 0;
}

static int set_debugregs(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_set_debugregs(vcpu, arg->data);
}

static int set_guest_debug(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_debug_set(vcpu, arg->data);
}

static int get_vcpu_events(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	khv_get_vcpu_events(vcpu, arg->data);
	return 0;
}

static int set_vcpu_events(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_set_vcpu_events(vcpu, arg->data);
}

static int get_xcrs(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	khv_get_xcrs(vcpu, arg->data);
	return 0;
}

static int set_xcrs(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_set_xcrs(vcpu, arg->data);
}

/* What KVM_CAP_XSAVE2 says; the fixed 4 KiB of struct kvm_xsave is the least. */
static unsigned int xsave2_size(void)
{
	return max_t(unsigned int, khv_xstate_size(), sizeof(struct kvm_xsave));
}

static int get_xsave(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	if (xsave2_size() > sizeof(struct kvm_xsave))
		return -EINVAL;
	return khv_get_xsave(vcpu, arg->data, sizeof(struct kvm_xsave));
}

static int get_xsave2(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	unsigned int size = xsave2_size();
	void *buf = kzalloc(size, GFP_KERNEL_ACCOUNT);
	int err;

	if (!buf)
		return -ENOMEM;
	err = khv_get_xsave(vcpu, buf, size);
	if (!err && copy_to_user(arg->user, buf, size))
		err = -EFAULT;
	kfree(buf);
	return err;
}

static int set_xsave(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	unsigned int size = xsave2_size();
	void *buf = khv_user_dup(arg->user, size);
	int err;

	if (IS_ERR(buf))
		return PTR_ERR(buf);
	err = khv_set_xsave(vcpu, buf, size);
	kvfree(buf);
	return err;
}

static int read_msr(struct khv_vcpu *vcpu, u32 index, u64 *data)
{
	return khv_msr_read(vcpu, index, data, true);
}

static int write_msr(struct khv_vcpu *vcpu, u32 index, u64 *data)
{
	return khv_msr_write(vcpu, index, *data, true);
}

static int get_msrs(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_msr_io(arg->data, arg->user, true, read_msr, vcpu);
}

static int set_msrs(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_msr_io(arg->data, arg->user, false, write_msr, vcpu);
}

static int get_cpuid2(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	struct kvm_cpuid2 __user *user = arg->user;
	struct kvm_cpuid2 *cpuid = arg->data;
	u32 nent = vcpu->cpuid.nent;

	if (cpuid->nent < nent)
		return -E2BIG;
	if (nent && copy_to_user(user->entries, vcpu->cpuid.entries,
				 array_size(nent, sizeof(*vcpu->cpuid.entries))))
		return -EFAULT;
	cpuid->nent = nent;
	return 0;
}

static int set_cpuid2(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	struct kvm_cpuid2 __user *user = arg->user;
	const struct kvm_cpuid2 *cpuid = arg->data;
	struct kvm_cpuid_entry2 *entries = NULL;
	int err;

	if (cpuid->nent > KHV_MAX_CPUID_ENTRIES)
		return -E2BIG;
	if (cpuid->nent) {
		entries = khv_user_dup(user->entries, array_size(cpuid->nent, sizeof(*entries)));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	err = khv_cpuid_set(vcpu, entries, cpuid->nent);
	kvfree(entries);
	return err;
}

static int get_lapic(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return vcpu->lapic ? khv_lapic_get(vcpu, arg->data) : -EINVAL;
}

static int set_lapic(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return vcpu->lapic ? khv_lapic_set(vcpu, arg->data) : -EINVAL;
}

static int get_mp_state(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	struct kvm_mp_state *mp = arg->data;

	/* A latched INIT or SIPI has no place in this structure: act on it first. */
	if (vcpu->lapic && khv_lapic_init_sipi_pending(vcpu))
		khv_lapic_accept_events(vcpu);
	mp->mp_state = vcpu->mp_state;
	/* Nor has a kick that the halt has not ended by yet. */
	if (mp->mp_state == KVM_MP_STATE_HALTED && READ_ONCE(vcpu->pv.unhalted))
		mp->mp_state = KVM_MP_STATE_RUNNABLE;
	return 0;
}

static int set_mp_state(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	const struct kvm_mp_state *mp = arg->data;

	switch (mp->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_SIPI_RECEIVED:
		/* Without a local APIC nothing would ever end these. */
		if (!vcpu->lapic)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	vcpu->mp_state = mp->mp_state;
	if (mp->mp_state == KVM_MP_STATE_SIPI_RECEIVED) {
		/* The SIPI's vector comes with KVM_SET_VCPU_EVENTS. */
		vcpu->mp_state = KVM_MP_STATE_INIT_RECEIVED;
		khv_lapic_latch_sipi(vcpu);
	}
	khv_request(vcpu, KHV_REQ_EVENT);
	return 0;
}

static int interrupt(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	const struct kvm_interrupt *intr = arg->data;

	if (intr->irq > 255)
		return -EINVAL;
	if (khv_pic_in_kernel(vcpu->vm))
		return -ENXIO;
	if (vcpu->events.ext_vector >= 0)
		return -EEXIST;
	vcpu->events.ext_vector = intr->irq;
	khv_request(vcpu, KHV_REQ_EVENT);
	return 0;
}

static int nmi(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	khv_raise_nmi(vcpu);
	return 0;
}

/* Readable by either privilege counts: a debugger asks, not the guest's current code. */
static int translate(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	struct kvm_translation *tr = arg->data;
	struct khv_walk walk;
	bool valid;

	valid = !khv_walk(vcpu, tr->linear_address, 0, &walk) ||
		!khv_walk(vcpu, tr->linear_address, KHV_ACCESS_USER, &walk);
	tr->physical_address = valid ? walk.gpa : KHV_INVALID_GPA;
	tr->valid = valid;
	tr->writeable = valid && walk.writable;
	tr->usermode = valid && walk.user;
	return 0;
}

/* A NULL argument drops the mask. The layout is the same for 32-bit callers on x86. */
static int set_signal_mask(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	struct kvm_signal_mask __user *user = arg->user;
	struct kvm_signal_mask mask;
	sigset_t set;

	if (!user) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&mask, user, sizeof(mask)))
		return -EFAULT;
	if (mask.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, user->sigset, sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

static int get_tsc_khz(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return vcpu->tsc.khz;
}

static int set_tsc_khz(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_tsc_set_khz(vcpu, arg->raw);
}

static int kvmclock_ctrl(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_pvclock_stopped(vcpu);
}

static int enable_cap(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_vcpu_enable_cap(vcpu, arg->data);
}

/* The one attribute that there is: what its value is read from or written to. */
static int tsc_offset_addr(const struct kvm_device_attr *attr, u64 __user **addr)
{
	if (attr->group != KVM_VCPU_TSC_CTRL || attr->attr != KVM_VCPU_TSC_OFFSET)
		return -ENXIO;
	*addr = u64_to_user_ptr(attr->addr);
	return 0;
}

static int has_device_attr(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	u64 __user *addr;

	return tsc_offset_addr(arg->data, &addr);
}

static int get_device_attr(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	u64 __user *addr;
	int r = tsc_offset_addr(arg->data, &addr);

	return r ?: put_user(vcpu->tsc.offset, addr);
}

static int set_device_attr(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	u64 __user *addr;
	u64 offset;
	int r = tsc_offset_addr(arg->data, &addr);

	if (r)
		return r;
	if (get_user(offset, addr))
		return -EFAULT;
	khv_tsc_client_offset(vcpu, offset);
	return 0;
}

static int get_stats_fd(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_vcpu_stats_fd(vcpu);
}

static int setup_mce(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_mce_setup(vcpu, *(u64 *)arg->data);
}

static int set_mce(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	return khv_mce_inject(vcpu, arg->data);
}

/* No page to share the task priority in is what QEMU asks for at each reset. */
static int set_vapic_addr(struct khv_vcpu *vcpu, struct khv_ioctl_arg *arg)
{
	const struct kvm_vapic_addr *va = arg->data;

	return vcpu->lapic && !va->vapic_addr ? 0 : -EINVAL;
}

static const struct khv_ioctl vcpu_ioctls[] = {
	{ KVM_GET_REGS, .vcpu = get_regs },
	{ KVM_SET_REGS, .vcpu = set_regs },
	{ KVM_GET_SREGS, KHV_IOC_SRCU, .vcpu = get_sregs },
	{ KVM_SET_SREGS, KHV_IOC_SRCU, .vcpu = set_sregs },
	{ KVM_GET_SREGS2, KHV_IOC_SRCU, .vcpu = get_sregs2 },
	{ KVM_SET_SREGS2, KHV_IOC_SRCU, .vcpu = set_sregs2 },
	{ KVM_TRANSLATE, KHV_IOC_SRCU, .vcpu = translate },
	{ KVM_INTERRUPT, .vcpu = interrupt },
	{ KVM_GET_MSRS, .vcpu = get_msrs },
	{ KVM_SET_MSRS, .vcpu = set_msrs },
	{ KVM_SET_SIGNAL_MASK, KHV_IOC_RAW, .vcpu = set_signal_mask },
	{ KVM_GET_FPU, .vcpu = get_fpu },
	{ KVM_SET_FPU, .vcpu = set_fpu },
	{ KVM_GET_LAPIC, KHV_IOC_SRCU, .vcpu = get_lapic },
	{ KVM_SET_LAPIC, KHV_IOC_SRCU, .vcpu = set_lapic },
	{ KVM_SET_CPUID2, .vcpu = set_cpuid2 },
	{ KVM_GET_CPUID2, .vcpu = get_cpuid2 },
	{ KVM_GET_MP_STATE, KHV_IOC_SRCU, .vcpu = get_mp_state },
	{ KVM_SET_MP_STATE, .vcpu = set_mp_state },
	{ KVM_NMI, .vcpu = nmi },
	{ KVM_GET_VCPU_EVENTS, KHV_IOC_SRCU, .vcpu = get_vcpu_events },
	{ KVM_SET_VCPU_EVENTS, KHV_IOC_SRCU, .vcpu = set_vcpu_events },
	{ KVM_GET_DEBUGREGS, .vcpu = get_debugregs },
	{ KVM_SET_DEBUGREGS, .vcpu = set_debugregs },
	{ KVM_SET_GUEST_DEBUG, .vcpu = set_guest_debug },
	{ KVM_SET_TSC_KHZ, .vcpu = set_tsc_khz },
	{ KVM_GET_TSC_KHZ, .vcpu = get_tsc_khz },
	{ KVM_KVMCLOCK_CTRL, .vcpu = kvmclock_ctrl },
	{ KVM_ENABLE_CAP, .vcpu = enable_cap },
	{ KVM_HAS_DEVICE_ATTR, .vcpu = has_device_attr },
	{ KVM_GET_DEVICE_ATTR, .vcpu = get_device_attr },
	{ KVM_SET_DEVICE_ATTR, .vcpu = set_device_attr },
	{ KVM_GET_XSAVE, .vcpu = get_xsave },
	{ KVM_SET_XSAVE, KHV_IOC_RAW, .vcpu = set_xsave },
	{ KVM_GET_XCRS, .vcpu = get_xcrs },
	{ KVM_SET_XCRS, .vcpu = set_xcrs },
	{ KVM_GET_XSAVE2, KHV_IOC_RAW, .vcpu = get_xsave2 },
	{ KVM_GET_STATS_FD, .vcpu = get_stats_fd },
	{ KVM_SET_VAPIC_ADDR, .vcpu = set_vapic_addr },
	{ KVM_X86_SETUP_MCE, .vcpu = setup_mce },
	{ KVM_X86_SET_MCE, .vcpu = set_mce },
};

/* KVM_RUN is not in the table. */
static_assert(ARRAY_SIZE(vcpu_ioctls) + 1 == KHV_LIST_LENGTH(KHV_VCPU_IOCTLS));

static int call_locked(struct khv_vcpu *vcpu, const struct khv_ioctl *row,
		       struct khv_ioctl_arg *arg)
{
	int idx, ret;

	if (mutex_lock_killable(&vcpu->lock))
		return -EINTR;
	khv_tsc_catch_up(vcpu);
	if (row->flags & KHV_IOC_SRCU) {
		idx = srcu_read_lock(&vcpu->vm->srcu);
		ret = row->vcpu(vcpu, arg);
		srcu_read_unlock(&vcpu->vm->srcu, idx);
	} else {
		ret = row->vcpu(vcpu, arg);
	}
	mutex_unlock(&vcpu->lock);
	return ret;
}

static int run(struct khv_vcpu *vcpu, unsigned long raw)
{
	int ret = -EINVAL;

	if (mutex_lock_killable(&vcpu->lock))
		return -EINTR;
	khv_tsc_catch_up(vcpu);
	if (!raw)
		ret = khv_vcpu_run(vcpu);
	mutex_unlock(&vcpu->lock);
	return ret;
}

static noinline long call(struct khv_vcpu *vcpu, unsigned int cmd, unsigned long raw)
{
	const struct khv_ioctl *row;
	struct khv_ioctl_arg arg;
	int err;

	row = khv_ioctl_find(vcpu_ioctls, ARRAY_SIZE(vcpu_ioctls), cmd);
	if (!row)
		return -EINVAL;
	err = khv_ioctl_enter(row, &arg, raw);
	if (err)
		return err;
	return khv_ioctl_leave(row, &arg, call_locked(vcpu, row, &arg));
}

long khv_vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long raw)
{
	struct khv_vcpu *vcpu = file->private_data;

	if (vcpu->vm->mm != current->mm || READ_ONCE(vcpu->vm->dead))
		return -EIO;
	/* First and without the table: its cost is part of every exit to userspace. */
	if (cmd == KVM_RUN)
		return run(vcpu, raw);
	return call(vcpu, cmd, raw);
}
