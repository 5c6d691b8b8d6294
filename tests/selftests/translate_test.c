// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TRANSLATE: a client asks where the guest's page tables lead.
 */
#include <asm/processor-flags.h>
#include <string.h>

#include "guest.h"
#include "khv.h"
#include "ksft.h"
#include "vm.h"

#define EFER_LME	0x100
#define EFER_LMA	0x400

#define PRESENT		1ULL
#define WRITE		2ULL
#define USER		4ULL
#define LARGE		0x80ULL
#define ALL		(PRESENT | WRITE | USER)

/* Four levels, one table each; what they map begins at linear address 0. */
#define PML4		0x100000ULL
#define PDPT		0x101000ULL
#define PD		0x102000ULL
#define PT		0x103000ULL
#define LARGE_GPA	MiB(8)

static void guest_nothing(void)
{
}

static void set_entry(struct vm *vm, uint64_t table, unsigned int index, uint64_t entry)
{
	memcpy(vm->ram + table + 8 * index, &entry, sizeof(entry));
}

static struct vcpu *start(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_RAM_SIZE, 0), 0);
	struct vm *vm = vcpu->vm;
	struct kvm_sregs sregs;

	guest_start(vcpu, guest_nothing);
	memset(vm->ram + PML4, 0, 4 * PAGE_SIZE);
	set_entry(vm, PML4, 0, PDPT | ALL);
	set_entry(vm, PDPT, 0, PD | ALL);
	set_entry(vm, PD, 0, PT | ALL);
	set_entry(vm, PD, 1, LARGE_GPA | ALL | LARGE);
	set_entry(vm, PT, 0, 0x5000 | ALL);
	set_entry(vm, PT, 1, 0x6000 | PRESENT | WRITE);
	set_entry(vm, PT, 2, 0x7000 | PRESENT | USER);
	set_entry(vm, PT, 3, 0x8000 | WRITE | USER);
	set_entry(vm, PT, 4, 0x9000 | PRESENT);
	vcpu_get_sregs(vcpu, &sregs);
	sregs.cr3 = PML4;
	vcpu_set_sregs(vcpu, &sregs);
	return vcpu;
}

static struct kvm_translation translate(struct vcpu *vcpu, uint64_t address)
{
	struct kvm_translation t;

	memset(&t, 0xff, sizeof(t));
	t.linear_address = address;
	ASSERT_EQ(try_ioctl(vcpu->fd, KVM_TRANSLATE, &t), 0);
	EXPECT_EQ(t.linear_address, address);
	return t;
}

/* KVM has constants for the rights. */
static void leads_to(struct vcpu *vcpu, uint64_t address, uint64_t gpa, bool writable, bool user)
{
	struct kvm_translation t = translate(vcpu, address);

	EXPECT(t.valid, "%#llx", (unsigned long long)address);
	EXPECT_EQ(t.physical_address, gpa);
	if (strcmp(ksft_device, KHV_DEVICE))
		return;
	EXPECT(t.writeable == writable, "%#llx", (unsigned long long)address);
	EXPECT(t.usermode == user, "%#llx", (unsigned long long)address);
}

static void leads_nowhere(struct vcpu *vcpu, uint64_t address)
{
	struct kvm_translation t = translate(vcpu, address);

	EXPECT(!t.valid, "%#llx", (unsigned long long)address);
	EXPECT_EQ(t.physical_address, -1ULL);
	if (strcmp(ksft_device, KHV_DEVICE))
		return;
	EXPECT_EQ(t.writeable, 0);
	EXPECT_EQ(t.usermode, 0);
}

static void test_pages(void)
{
	struct vcpu *vcpu = start();

	leads_to(vcpu, 0, 0x5000, true, true);
	leads_to(vcpu, 0xfff, 0x5fff, true, true);
	leads_to(vcpu, 0x1234, 0x6234, true, false);
	leads_to(vcpu, 0x2000, 0x7000, false, true);
	leads_to(vcpu, 0x4010, 0x9010, false, false);
}

static void test_unmapped(void)
{
	struct vcpu *vcpu = start();

	leads_nowhere(vcpu, 0x3000);
	leads_nowhere(vcpu, 0x5000);		/* at each level */
	leads_nowhere(vcpu, MiB(4));
	leads_nowhere(vcpu, GiB(1));
	leads_nowhere(vcpu, GiB(512));
	/* A table where there is no memory. */
	set_entry(vcpu->vm, PDPT, 1, MiB(64) | ALL);
	leads_nowhere(vcpu, GiB(1));
	/* Where a page leads to need not be memory. */
	set_entry(vcpu->vm, PT, 5, MiB(64) | ALL);
	leads_to(vcpu, 0x5008, MiB(64) + 8, true, true);
}

static void test_large_page(void)
{
	struct vcpu *vcpu = start();

	leads_to(vcpu, MiB(2), LARGE_GPA, true, true);
	leads_to(vcpu, MiB(4) - 1, LARGE_GPA + MiB(2) - 1, true, true);
	/* A right is what all levels grant. */
	set_entry(vcpu->vm, PML4, 0, PDPT | PRESENT | USER);
	leads_to(vcpu, MiB(2), LARGE_GPA, false, true);
	set_entry(vcpu->vm, PDPT, 0, PD | PRESENT | WRITE);
	leads_to(vcpu, MiB(2), LARGE_GPA, false, false);
	leads_to(vcpu, 0, 0x5000, false, false);
}

static void test_paging_off(void)
{
	struct vcpu *vcpu = start();
	struct kvm_sregs sregs;

	vcpu_get_sregs(vcpu, &sregs);
	set_flat_segments(&sregs, false);
	sregs.cr0 &= ~(uint64_t)X86_CR0_PG;
	sregs.efer &= ~(uint64_t)(EFER_LME | EFER_LMA);
	vcpu_set_sregs(vcpu, &sregs);
	leads_to(vcpu, 0x3456, 0x3456, true, true);
	leads_to(vcpu, MiB(64), MiB(64), true, true);
}

static const struct ksft_test tests[] = {
	{ "pages", test_pages },
	{ "unmapped", test_unmapped },
	{ "large_page", test_large_page },
	{ "paging_off", test_paging_off },
};

static const struct ksft_suite suite = KSFT_SUITE("translate", tests);

int main(int argc, char **argv)
{
	const struct ksft_suite *suites[] = { &suite };

	return ksft_main(argc, argv, suites, 1);
}
