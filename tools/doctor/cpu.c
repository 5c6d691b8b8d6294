// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the processor and the firmware must offer: VMX, not locked off, with
 * what khv uses of it, and no FRED in use.
 */
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "doctor/doctor.h"

/* SDM, "Architectural MSRs": IA32_FEATURE_CONTROL. */
#define MSR_FEATURE_CONTROL	0x3a
#define FEATURE_LOCKED		(1u << 0)
#define FEATURE_VMX		(1u << 2)	/* outside SMX */

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

/* What the firmware left in the MSR that governs VMXON; needs root and msr.ko. */
static bool read_feature_control(const struct khv_exam *exam, uint64_t *value)
{
	int fd = openat(exam->root, "dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = pread(fd, value, sizeof(*value), MSR_FEATURE_CONTROL) == sizeof(*value);
	close(fd);
	return ok;
}

static void check_firmware(struct khv_exam *exam)
{
	uint64_t control = 0;
	bool known = read_feature_control(exam, &control);
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

/* What VMX must have. A kernel without VMX feature names does not tell. */
static void check_features(struct khv_exam *exam)
{
	bool ept = khv_exam_cpu_flag(exam, "vmx flags", "ept");
	bool unrestricted = khv_exam_cpu_flag(exam, "vmx flags", "unrestricted_guest");
	struct khv_finding *f;

	if (!khv_exam_cpu_flag(exam, "vmx flags", NULL))
		return;
	if (ept && unrestricted) {
		khv_found(exam, "vmx", KHV_GOOD, "VMX has EPT and unrestricted guest");
		return;
	}
	f = khv_found(exam, "vmx", KHV_BAD, "VMX lacks %s%s%s", ept ? "" : "EPT",
		      ept || unrestricted ? "" : " and ", unrestricted ? "" : "unrestricted guest");
	khv_because(f, "this release of khv needs both",
		    "use an Intel processor of 2010 or later; for a virtual machine, pass them on");
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
	struct khv_finding *f;

	if (exam->cpu.vmx) {
		khv_found(exam, "cpu", KHV_GOOD, "%s with VMX", exam->cpu.vendor);
		check_firmware(exam);
		check_features(exam);
	} else if (exam->cpu.svm) {
		f = khv_found(exam, "cpu", KHV_BAD, "%s with SVM", exam->cpu.vendor);
		khv_because(f, "this release of khv runs guests on Intel VMX only",
			    "use an Intel host, or 'khv run --accel /dev/kvm' with the kernel's KVM");
	} else {
		no_virtualization(exam);
	}
	check_fred(exam);
}
