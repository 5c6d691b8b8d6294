// SPDX-License-Identifier: GPL-2.0-only
/*
 * The examination of `khv doctor`, on systems made of files in a directory.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "khv.h"
#include "tests/tap.h"

static char dir[64];
static struct khv_exam exam;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void put_bytes(const char *path, const void *bytes, size_t len)
{
	char name[256], *slash = name;
	int fd;

	snprintf(name, sizeof(name), "%s/%s", dir, path);
	while ((slash = strchr(slash + 1, '/'))) {
		*slash = '\0';
		mkdir(name, 0755);
		*slash = '/';
	}
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	close(fd);
}

static void put(const char *path, const char *text)
{
	put_bytes(path, text, strlen(text));
}

/* A new system: an Intel host of kernel 6.1 with nothing loaded and no policies. */
static void begin(void)
{
	strcpy(dir, "/tmp/khv-doctor-XXXXXX");
	if (!mkdtemp(dir))
		abort();
	memset(&exam, 0, sizeof(exam));
	exam.root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	exam.cpu = (struct khv_cpu_facts){ .vmx = true, .vendor = "GenuineIntel" };
	strcpy(exam.release, "6.1.0-1-amd64");
	put("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vme vmx ept lm\n"
			    "vmx flags\t: vnmi ept unrestricted_guest\n\n"
			    "processor\t: 1\nflags\t\t: fred\n");
	put("proc/modules", "ext4 999 1 - Live 0x0\n");
	put("lib/modules/6.1.0-1-amd64/build/Makefile", "");
}

static void end(void)
{
	close(exam.root);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const struct khv_finding *find(const char *check)
{
	for (unsigned int i = 0; i < exam.report.count; i++)
		if (!strcmp(exam.report.finding[i].check, check))
			return &exam.report.finding[i];
	return NULL;
}

/* The finding of @check has @verdict, and @text in one of its texts. */
static bool finds(const char *check, enum khv_verdict verdict, const char *text)
{
	const struct khv_finding *f = find(check);

	if (!f || f->verdict != verdict)
		return false;
	if (verdict == KHV_BAD && (!f->cause[0] || !f->remedy[0]))
		return false;
	return strstr(f->found, text) || strstr(f->cause, text) || strstr(f->remedy, text);
}

#define SYSTEM(change, check, verdict, text, name) do {			\
		begin();						\
		change;							\
		khv_exam_run(&exam);					\
		ok(finds(check, verdict, text), "%s", name);		\
		end();							\
	} while (0)

static void test_cpu(void)
{
	SYSTEM((void)0, "cpu", KHV_GOOD, "VMX", "Intel with VMX");
	SYSTEM((void)0, "firmware", KHV_GOOD, "enabled", "firmware enabled VMX");
	SYSTEM((void)0, "vmx", KHV_GOOD, "", "EPT and unrestricted guest");
	SYSTEM((void)0, "fred", KHV_GOOD, "", "FRED of another processor's line does not count");
	SYSTEM(exam.cpu.vmx = false, "cpu", KHV_BAD, "VT-x", "no virtualization");
	SYSTEM(exam.cpu.vmx = false; exam.cpu.guest = true, "cpu", KHV_BAD, "nested",
	       "no virtualization in a virtual machine");
	SYSTEM(put("proc/cpuinfo", "flags\t: fpu ept\n"), "firmware", KHV_BAD, "VT-x",
	       "VMX locked off, as the kernel saw it");
	SYSTEM(put("proc/cpuinfo", "flags\t: vmx ept\nvmx flags\t: vnmi ept\n"), "vmx", KHV_NOTE,
	       "lacks unrestricted guest", "no unrestricted guest");
	SYSTEM(put("proc/cpuinfo", "flags\t: vmx\nvmx flags\t: vnmi eptx\n"), "vmx", KHV_NOTE,
	       "lacks EPT and unrestricted guest", "neither");
	SYSTEM(put("proc/cpuinfo", "flags\t: vmx\nvmx flags\t: ept unrestricted_guest\n"), "vmx",
	       KHV_BAD, "virtual NMIs", "no virtual NMIs");
	SYSTEM(put("sys/module/khv/parameters/nested_paging", "N\n"), "vmx", KHV_NOTE,
	       "nested_paging=0", "EPT switched off");
	SYSTEM(put("sys/module/khv/parameters/nested_paging", "Y\n"), "vmx", KHV_GOOD, "EPT",
	       "EPT left on");
	SYSTEM(put("proc/cpuinfo", "flags\t: vmx ept fred\n"), "fred", KHV_BAD, "fred=off", "FRED");
}

static void amd(const char *flags)
{
	exam.cpu = (struct khv_cpu_facts){ .svm = true, .vendor = "AuthenticAMD" };
	put("proc/cpuinfo", flags);
}

static void test_amd(void)
{
	static const char all[] = "flags\t: fpu svm npt\n";

	SYSTEM(amd(all), "cpu", KHV_GOOD, "SVM", "AMD with SVM");
	SYSTEM(amd(all), "firmware", KHV_GOOD, "enabled", "firmware enabled SVM");
	SYSTEM(amd("flags\t: fpu npt\n"), "firmware", KHV_BAD, "AMD-V",
	       "SVM switched off, as the kernel saw it");
	SYSTEM(amd(all), "svm", KHV_GOOD, "nested paging", "nested paging");
	SYSTEM(amd("flags\t: svm npt_not\n"), "svm", KHV_NOTE, "shadow", "no nested paging");
	SYSTEM(amd(all); put("sys/module/khv/parameters/nested_paging", "N\n"), "svm", KHV_NOTE,
	       "nested_paging=0", "nested paging switched off");
	SYSTEM(amd(all); put("proc/modules", "kvm_amd 1 1 - Live 0x0\n"), "owner", KHV_BAD,
	       "kvm_amd", "KVM in use on AMD");
}

/* VM_CR is far into the file; the MSR device answers reads at any number. */
static void put_vm_cr(uint8_t value)
{
	uint64_t msr = value;
	char name[128];
	int fd;

	put("dev/cpu/0/msr", "");
	snprintf(name, sizeof(name), "%s/dev/cpu/0/msr", dir);
	fd = open(name, O_WRONLY);
	if (fd < 0 || pwrite(fd, &msr, 8, 0xc0010114) != 8)
		abort();
	close(fd);
}

static void test_vm_cr(void)
{
	static const char all[] = "flags\t: fpu svm npt\n";

	SYSTEM(amd(all); put_vm_cr(0x10), "firmware", KHV_BAD, "AMD-V", "SVM disabled in the MSR");
	SYSTEM(amd("flags\t: npt\n"); put_vm_cr(8), "firmware", KHV_GOOD, "0x8",
	       "SVM enabled in the MSR");
}

/* The MSR device is read at the MSR's number, byte-wise in a file. */
static void test_feature_control(void)
{
	uint8_t file[0x3a + 8] = { 0 };

	file[0x3a] = 1;
	SYSTEM(put_bytes("dev/cpu/0/msr", file, sizeof(file)), "firmware", KHV_BAD, "locked",
	       "VMX locked off in the MSR");
	file[0x3a] = 5;
	SYSTEM(put_bytes("dev/cpu/0/msr", file, sizeof(file)), "firmware", KHV_GOOD, "0x5",
	       "VMX enabled in the MSR");
	file[0x3a] = 0;
	SYSTEM(put_bytes("dev/cpu/0/msr", file, sizeof(file)), "firmware", KHV_GOOD, "0x0",
	       "MSR not locked");
	SYSTEM(put_bytes("dev/cpu/0/msr", file, 10), "firmware", KHV_GOOD, "as the kernel",
	       "MSR that cannot be read");
}

static void test_kernel(void)
{
	SYSTEM((void)0, "kernel", KHV_GOOD, "6.1.0", "Linux 6.1");
	SYSTEM(strcpy(exam.release, "6.0.19"), "kernel", KHV_BAD, "6.1", "Linux 6.0 is too old");
	SYSTEM(strcpy(exam.release, "5.19.0"), "kernel", KHV_BAD, "6.1", "Linux 5.19 is too old");
	SYSTEM(strcpy(exam.release, "7.2.1"), "kernel", KHV_GOOD, "7.2", "Linux 7.2");
	SYSTEM(strcpy(exam.release, "7.3"), "kernel", KHV_NOTE, "7.2", "Linux 7.3 is untested");
	SYSTEM(strcpy(exam.release, "nonsense"), "kernel", KHV_BAD, "", "no version");
	SYSTEM((void)0, "headers", KHV_GOOD, "", "headers");
	SYSTEM(strcpy(exam.release, "6.12"), "headers", KHV_NOTE, "linux-headers-6.12",
	       "no headers");
	SYSTEM((void)0, "autogroup", KHV_GOOD, "", "no automatic groups");
	SYSTEM(put("proc/sys/kernel/sched_autogroup_enabled", "0\n"), "autogroup", KHV_GOOD, "",
	       "automatic groups are off");
	SYSTEM(put("proc/sys/kernel/sched_autogroup_enabled", "1\n"), "autogroup", KHV_NOTE,
	       "sched_autogroup_enabled=0", "automatic groups");
}

static void test_owner(void)
{
	SYSTEM((void)0, "owner", KHV_GOOD, "", "no other hypervisor");
	SYSTEM(put("proc/modules", "kvm_intel 1 0 - Live 0x0\nkvm 2 1 kvm_intel, Live 0x0\n"),
	       "owner", KHV_NOTE, "idle", "KVM idle");
	SYSTEM(put("proc/modules", "kvm_intel 1 3 - Live 0x0\n"), "owner", KHV_NOTE, "3 users",
	       "KVM in use on Intel");
	SYSTEM(put("proc/modules", "kvm_intel 1 0 - Live 0x0\n");
	       put("sys/module/kvm/parameters/enable_virt_at_load", "Y\n"), "owner", KHV_NOTE,
	       "even when idle", "KVM owns VMX when idle");
	SYSTEM(amd("flags\t: svm npt\n"); put("proc/modules", "kvm_amd 1 3 - Live 0x0\n"), "owner", KHV_BAD,
	       "3 users", "KVM in use on AMD");
	SYSTEM(amd("flags\t: svm npt\n"); put("proc/modules", "kvm_amd 1 0 - Live 0x0\n");
	       put("sys/module/kvm/parameters/enable_virt_at_load", "Y\n"), "owner", KHV_BAD,
	       "enable_virt_at_load=0", "KVM owns SVM when idle");
	SYSTEM(put("sys/module/kvm_intel/refcnt", "0\n"), "owner", KHV_NOTE, "KVM", "KVM built in");
	SYSTEM(put("proc/modules", "vboxdrv 1 1 - Live 0x0\n"), "owner", KHV_BAD, "VirtualBox",
	       "VirtualBox in use");
	SYSTEM(put("proc/modules", "kvm_intel_fan 1 3 -\nkvm_intel\n"), "owner", KHV_GOOD, "",
	       "names that only resemble");
}

static void test_module(void)
{
	SYSTEM((void)0, "module", KHV_BAD, "dkms-install", "module is not installed");
	SYSTEM(put("lib/modules/6.1.0-1-amd64/modules.dep", "a/b.ko:\nx/khv.ko.xz: a/b.ko\n"),
	       "module", KHV_BAD, "modprobe khv", "module is not loaded");
	SYSTEM(put("lib/modules/6.1.0-1-amd64/modules.dep", "a/b.ko: x/khv.ko\n"),
	       "module", KHV_BAD, "dkms-install", "module that another depends on");
	SYSTEM(put("sys/module/khv/version", KHV_VERSION "\n"), "module", KHV_GOOD, KHV_VERSION,
	       "module is loaded");
	SYSTEM(put("sys/module/khv/version", "0.0.9\n"), "module", KHV_NOTE, "0.0.9",
	       "module of another version");
	SYSTEM((void)0, "device", KHV_BAD, "load the module", "no device without the module");
	SYSTEM(put("sys/module/khv/version", KHV_VERSION "\n"), "device", KHV_BAD, "udevadm",
	       "no device in spite of the module");
	SYSTEM(put("dev/khv", ""), "device", KHV_BAD, "does not speak",
	       "a file in the device's place");
}

static void test_signatures(void)
{
	static const char var[] = "sys/firmware/efi/efivars/"
				  "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

	SYSTEM((void)0, "lockdown", KHV_GOOD, "", "no lockdown");
	SYSTEM(put("sys/kernel/security/lockdown", "[none] integrity confidentiality\n"),
	       "lockdown", KHV_GOOD, "off", "lockdown off");
	SYSTEM(put("sys/kernel/security/lockdown", "none [integrity] confidentiality\n"),
	       "lockdown", KHV_NOTE, "integrity", "lockdown on");
	SYSTEM(put("sys/kernel/security/lockdown", "none [integrity"), "lockdown", KHV_GOOD, "",
	       "lockdown unreadable");
	SYSTEM(put_bytes(var, "\6\0\0\0\1", 5), "secure-boot", KHV_NOTE, "mokutil",
	       "Secure Boot on");
	SYSTEM(put_bytes(var, "\6\0\0\0\0", 5), "secure-boot", KHV_GOOD, "off",
	       "Secure Boot off");
	SYSTEM(put_bytes(var, "\6\0", 2), "secure-boot", KHV_GOOD, "", "Secure Boot cut short");
	SYSTEM(put("sys/module/module/parameters/sig_enforce", "Y\n"), "signatures", KHV_NOTE,
	       "sign", "signatures enforced");
}

static void test_report(void)
{
	struct khv_report report = { .count = 2 };
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	report.finding[0] = (struct khv_finding){ .check = "a", .verdict = KHV_GOOD,
						  .found = "quote \" backslash \\ tab \t" };
	report.finding[1] = (struct khv_finding){ .check = "b", .verdict = KHV_NOTE, .found = "n" };
	ok(khv_report_ok(&report), "notes stand in nobody's way");
	report.finding[1].verdict = KHV_BAD;
	ok(!khv_report_ok(&report), "a problem does");

	f = open_memstream(&text, &size);
	khv_report_json(&report, f);
	fclose(f);
	ok(strstr(text, "\"ok\": false") && strstr(text, "quote \\\" backslash \\\\ tab \\u0009") &&
	   strstr(text, "\"verdict\": \"bad\""), "JSON");
	free(text);

	f = open_memstream(&text, &size);
	khv_report_text(&report, f);
	fclose(f);
	ok(strstr(text, "FAIL  b") && strstr(text, "1 problem above"), "text");
	free(text);
}

static void test_this_system(void)
{
	ok(!khv_exam_init(&exam), "the system that runs this test");
	khv_exam_run(&exam);
	ok(find("cpu") && find("kernel") && find("owner") && find("module") && find("device") &&
	   find("lockdown") && find("secure-boot") && find("signatures"), "gets all checks");
	khv_exam_uninit(&exam);
}

int main(void)
{
	test_cpu();
	test_feature_control();
	test_amd();
	test_vm_cr();
	test_kernel();
	test_owner();
	test_module();
	test_signatures();
	test_report();
	test_this_system();
	return tap_done();
}
