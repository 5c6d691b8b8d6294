// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the processor and the firmware must offer: VMX or SVM, not locked off,
 * with what khv uses of it, and no FRED in use.
 */
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "doctor/doctor.h"

/* SDM, "Architectural MSRs": IA32_FEATURE_CONTROL. */
#define MSR_FEATURE_CONTROL	0x3a
#define FEATURE_LOCKED		(1u << 0)
#define FEATURE_VMX		(1u << 2)	/* outside SMX */

/* APM, "VM_CR MSR". */
#define MSR_VM_CR		0xc0010114
#define VM_CR_SVMDIS		(1u << 4)

static void no_virtualization(struct khv_exam *exam)
{
	struct khv_finding *f = khv_found(exam, "cpu", KHV_BAD, "%s without VMX and SVM",
					  exam->cpu.vendor);

	if (exam->cpu.guest)
		khv_because(f, "this is a virtual machine, and its host keeps virtualization",
			    "enable nested virtualization on the host (QEMU: -cpu host)");
	else
		khv_because(f, "the processor has no virtualization, or the firmware hides it",
			    "look for VT-x (\"Virtualization Technology\") in its setup");
}

/* What the firmware left in an MSR; needs root and msr.ko. */
static bool read_msr(const struct khv_exam *exam, off_t msr, uint64_t *value)
{
	int fd = openat(exam->root, "dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = pread(fd, value, sizeof(*value), msr) == sizeof(*value);
	close(fd);
	return ok;
}

static void check_vmx_firmware(struct khv_exam *exam)
{
	uint64_t control = 0;
	bool known = read_msr(exam, MSR_FEATURE_CONTROL, &control);
	struct khv_finding *f;

	/* Linux clears the flag when it finds VMX locked off. */
	if (known ? control & FEATURE_LOCKED && !(control & FEATURE_VMX)
		  : !khv_exam_cpu_flag(exam, "flags", "vmx")) {
		f = khv_found(exam, "firmware", KHV_BAD, "VMX is locked off");
		khv_because(f, "the firmware disabled it and locked IA32_FEATURE_CONTROL",
			    "enable VT-x in the firmware setup, then power-cycle");
	} else if (known) {
		khv_found(exam, "firmware", KHV_GOOD,
			  "VMX is enabled (IA32_FEATURE_CONTROL 0x%llx)",
			  (unsigned long long)control);
	} else {
		khv_found(exam, "firmware", KHV_GOOD, "VMX is enabled, as the kernel found it");
	}
}

static void check_svm_firmware(struct khv_exam *exam)
{
	uint64_t vm_cr = 0;
	bool known = read_msr(exam, MSR_VM_CR, &vm_cr);
	struct khv_finding *f;

	if (known ? vm_cr & VM_CR_SVMDIS : !khv_exam_cpu_flag(exam, "flags", "svm")) {
		f = khv_found(exam, "firmware", KHV_BAD, "SVM is switched off");
		khv_because(f, "the firmware set SVMDIS in the MSR VM_CR",
			    "enable SVM (\"AMD-V\") in the firmware setup, then power-cycle");
	} else if (known) {
		khv_found(exam, "firmware", KHV_GOOD, "SVM is enabled (VM_CR 0x%llx)",
			  (unsigned long long)vm_cr);
	} else {
		khv_found(exam, "firmware", KHV_GOOD, "SVM is enabled, as the kernel found it");
	}
}

/* Whether the loaded module was told to leave nested page tables alone. */
static bool paging_switched_off(const struct khv_exam *exam)
{
	char value[8];

	return khv_exam_read(exam, "sys/module/khv/parameters/nested_paging", value,
			     sizeof(value)) && value[0] == 'N';
}

/* What VMX has of what khv uses. A kernel without VMX feature names does not tell. */
static void check_vmx_features(struct khv_exam *exam)
{
	bool ept = khv_exam_cpu_flag(exam, "vmx flags", "ept");
	bool unrestricted = khv_exam_cpu_flag(exam, "vmx flags", "unrestricted_guest");
	struct khv_finding *f;

	if (!khv_exam_cpu_flag(exam, "vmx flags", NULL))
		return;
	if (!khv_exam_cpu_flag(exam, "vmx flags", "vnmi")) {
		f = khv_found(exam, "vmx", KHV_BAD, "VMX lacks virtual NMIs");
		khv_because(f, "khv cannot deliver NMIs to guests without them",
			    "use a newer processor; for a virtual machine, pass them on");
	} else if (!ept || !unrestricted) {
		f = khv_found(exam, "vmx", KHV_NOTE, "VMX lacks %s%s%s", ept ? "" : "EPT",
			      ept || unrestricted ? "" : " and ",
			      unrestricted ? "" : "unrestricted guest");
		khv_because(f, "guests run on shadow page tables, slower, and not in real mode",
			    "nothing: khv run boots Linux without real mode");
	} else if (paging_switched_off(exam)) {
		f = khv_found(exam, "vmx", KHV_NOTE,
			      "VMX has EPT, and nested_paging=0 leaves it unused");
		khv_because(f, "guests run on shadow page tables, slower, and not in real mode",
			    "modprobe -r khv; modprobe khv nested_paging=1");
	} else {
		khv_found(exam, "vmx", KHV_GOOD, "VMX has EPT and unrestricted guest");
	}
}

static void check_svm_features(struct khv_exam *exam)
{
	struct khv_finding *f;

	if (!khv_exam_cpu_flag(exam, "flags", "npt")) {
		f = khv_found(exam, "svm", KHV_NOTE, "SVM lacks nested paging");
		khv_because(f, "guests run on shadow page tables, which is slower",
			    "nothing; in a virtual machine, its host may be able to pass it on");
	} else if (paging_switched_off(exam)) {
		f = khv_found(exam, "svm", KHV_NOTE,
			      "SVM has nested paging, and nested_paging=0 leaves it unused");
		khv_because(f, "guests run on shadow page tables, which is slower",
			    "modprobe -r khv; modprobe khv nested_paging=1");
	} else {
		khv_found(exam, "svm", KHV_GOOD, "SVM has nested paging");
	}
}

static void check_fred(struct khv_exam *exam)
{
	struct khv_finding *f;

	if (!khv_exam_cpu_flag(exam, "flags", "fred")) {
		khv_found(exam, "fred", KHV_GOOD, "FRED is not in use");
		return;
	}
	f = khv_found(exam, "fred", KHV_BAD, "the kernel uses FRED event delivery");
	khv_because(f, "with FRED, only KVM can hand non-maskable interrupts back",
		    "boot with fred=off on the kernel command line");
}

void khv_check_cpu(struct khv_exam *exam)
{
	if (exam->cpu.vmx) {
		khv_found(exam, "cpu", KHV_GOOD, "%s with VMX", exam->cpu.vendor);
		check_vmx_firmware(exam);
		check_vmx_features(exam);
	} else if (exam->cpu.svm) {
		khv_found(exam, "cpu", KHV_GOOD, "%s with SVM", exam->cpu.vendor);
		check_svm_firmware(exam);
		check_svm_features(exam);
	} else {
		no_virtualization(exam);
	}
	check_fred(exam);
}
