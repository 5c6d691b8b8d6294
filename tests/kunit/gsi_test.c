// SPDX-License-Identifier: GPL-2.0-only
/*
 * GSI routing: the default table, what KVM_SET_GSI_ROUTING refuses, which
 * chips a GSI reaches and how their answers add up, and MSI messages.
 */
#include <kunit/test.h>
#include <linux/prandom.h>

#include "../../kmod/irqchip/gsi.c"

static struct {
	struct khv_vm *vm;
	u32 pic, ioapic;	/* BIT(pin) of those driven */
	unsigned int messages;
	struct khv_irq_msg last;
	int pic_answer, ioapic_answer;
} w;

int khv_pic_set_pin(struct khv_vm *vm, unsigned int pin, int level, enum khv_irq_source source)
{
	w.pic |= BIT(pin);
	return w.pic_answer;
}

int khv_ioapic_set_pin(struct khv_vm *vm, unsigned int pin, int level, enum khv_irq_source source)
{
	w.ioapic |= BIT(pin);
	return w.ioapic_answer;
}

int khv_irq_deliver(struct khv_vm *vm, struct khv_vcpu *from, const struct khv_irq_msg *msg)
{
	w.last = *msg;
	w.messages++;
	return 1;
}

bool khv_irq_reaches(struct khv_vcpu *vcpu, const struct khv_irq_msg *msg)
{
	return msg->dest == (u32)vcpu->id;
}

static int setup(struct kunit *test)
{
	int err;

	memset(&w, 0, sizeof(w));
	w.vm = kunit_kzalloc(test, sizeof(*w.vm), GFP_KERNEL);
	if (!w.vm)
		return -ENOMEM;
	mutex_init(&w.vm->lock);
	mutex_lock(&w.vm->lock);
	err = khv_gsi_set_default(w.vm);
	mutex_unlock(&w.vm->lock);
	return err;
}

static void teardown(struct kunit *test)
{
	if (w.vm)
		khv_gsi_destroy(w.vm);
}

static int set_table(const struct kvm_irq_routing_entry *e, u32 nr)
{
	int err;

	mutex_lock(&w.vm->lock);
	err = khv_gsi_set(w.vm, e, nr);
	mutex_unlock(&w.vm->lock);
	return err;
}

static int raise(u32 gsi)
{
	w.pic = 0;
	w.ioapic = 0;
	w.messages = 0;
	return khv_irq_set(w.vm, gsi, 1, KHV_IRQ_USER);
}

static struct kvm_irq_routing_entry chip(u32 gsi, u32 irqchip, u32 pin)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = irqchip, .pin = pin },
	};
}

static struct kvm_irq_routing_entry msi(u32 gsi, u32 address, u32 data)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = address, .data = data },
	};
}

static void test_default(struct kunit *test)
{
	u32 gsi;

	for (gsi = 0; gsi < 24; gsi++) {
		raise(gsi);
		KUNIT_EXPECT_EQ(test, w.ioapic, BIT(gsi));
		KUNIT_EXPECT_EQ(test, w.pic, gsi < 16 ? BIT(gsi) : 0);
	}
	KUNIT_EXPECT_EQ(test, raise(24), -1);
	KUNIT_EXPECT_EQ(test, raise(~0u), -1);
}

static void test_answers(struct kunit *test)
{
	static const struct {
		int pic, ioapic, sum;
	} cases[] = {
		{ -1, -1, -1 }, { -1, 0, 0 }, { 0, -1, 0 }, { 1, -1, 1 }, { -1, 2, 2 },
		{ 1, 2, 3 }, { 0, 0, 0 }, { 1, 0, 1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		w.pic_answer = cases[i].pic;
		w.ioapic_answer = cases[i].ioapic;
		KUNIT_EXPECT_EQ(test, raise(5), cases[i].sum);
	}
}

static void test_validation(struct kunit *test)
{
	struct kvm_irq_routing_entry e[4];

	e[0] = chip(KHV_MAX_GSI, KVM_IRQCHIP_IOAPIC, 0);
	KUNIT_EXPECT_EQ(test, set_table(e, 1), -EINVAL);
	e[0] = chip(0, KVM_IRQCHIP_IOAPIC, 24);
	KUNIT_EXPECT_EQ(test, set_table(e, 1), -EINVAL);
	e[0] = chip(0, KVM_IRQCHIP_PIC_MASTER, 8);
	KUNIT_EXPECT_EQ(test, set_table(e, 1), -EINVAL);
	e[0] = chip(0, KVM_IRQCHIP_PIC_SLAVE, ~0u);
	KUNIT_EXPECT_EQ(test, set_table(e, 1), -EINVAL);
	e[0] = chip(0, KVM_NR_IRQCHIPS, 0);
	KUNIT_EXPECT_EQ(test, set_table(e, 1), -EINVAL);
	e[0] = chip(0, KVM_IRQCHIP_IOAPIC, 0);
	e[0].flags = 1;
	KUNIT_EXPECT_EQ(test, set_table(e, 1), -EINVAL);
	e[0] = msi(0, 0xfee00000, 0);
	e[0].flags = 2;
	KUNIT_EXPECT_EQ(test, set_table(e, 1), -EINVAL);
	e[0].flags = KVM_MSI_VALID_DEVID;
	KUNIT_EXPECT_EQ(test, set_table(e, 1), 0);
	e[0].type = KVM_IRQ_ROUTING_HV_SINT;
	KUNIT_EXPECT_EQ(test, set_table(e, 1), -EINVAL);
	/* One GSI: different chips only, and no message next to anything. */
	e[0] = chip(7, KVM_IRQCHIP_IOAPIC, 1);
	e[1] = chip(9, KVM_IRQCHIP_IOAPIC, 3);
	e[2] = chip(7, KVM_IRQCHIP_IOAPIC, 2);
	KUNIT_EXPECT_EQ(test, set_table(e, 3), -EINVAL);
	e[2] = msi(7, 0xfee00000, 0);
	KUNIT_EXPECT_EQ(test, set_table(e, 3), -EINVAL);
	e[1] = chip(7, KVM_IRQCHIP_PIC_MASTER, 1);
	e[2] = chip(7, KVM_IRQCHIP_PIC_SLAVE, 1);
	KUNIT_EXPECT_EQ(test, set_table(e, 3), 0);
	e[3] = e[0];
	KUNIT_EXPECT_EQ(test, set_table(e, 4), -EINVAL);
	/* A refused table leaves the old one. */
	raise(7);
	KUNIT_EXPECT_EQ(test, w.pic, BIT(1) | BIT(9));
	KUNIT_EXPECT_EQ(test, w.ioapic, BIT(1));
	/* Empty is allowed. */
	KUNIT_EXPECT_EQ(test, set_table(NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, raise(0), -1);
	KUNIT_EXPECT_EQ(test, set_table(NULL, MAX_ROUTES + 1), -EINVAL);
}

static void test_msi(struct kunit *test)
{
	struct kvm_irq_routing_entry e = msi(KHV_MAX_GSI - 1, 0xfee05004, 0xc1a3);

	KUNIT_ASSERT_EQ(test, set_table(&e, 1), 0);
	KUNIT_EXPECT_EQ(test, raise(KHV_MAX_GSI - 1), 1);
	KUNIT_EXPECT_EQ(test, w.last.dest, 5u);
	KUNIT_EXPECT_EQ(test, w.last.vector, 0xa3);
	KUNIT_EXPECT_EQ(test, w.last.delivery_mode, 1);
	KUNIT_EXPECT_TRUE(test, w.last.logical);
	KUNIT_EXPECT_TRUE(test, w.last.level);
	KUNIT_EXPECT_FALSE(test, w.last.x2apic);
	/* The fall of the line sends nothing. */
	w.messages = 0;
	KUNIT_EXPECT_EQ(test, khv_irq_set(w.vm, KHV_MAX_GSI - 1, 0, KHV_IRQ_USER), -1);
	KUNIT_EXPECT_EQ(test, w.messages, 0u);
	/* Redirection hint: any one of them. */
	khv_msi_send(w.vm, 0xfeeff008, 0x44);
	KUNIT_EXPECT_EQ(test, w.last.delivery_mode, 1);
	KUNIT_EXPECT_EQ(test, w.last.dest, 0xffu);
	khv_msi_send(w.vm, 0xfee01000, 0x400);
	KUNIT_EXPECT_EQ(test, w.last.delivery_mode, 4);
}

/* KVM_CAP_X2APIC_API: 24 more bits of destination. */
static void test_msi_32bit(struct kunit *test)
{
	struct kvm_irq_routing_entry e = msi(3, 0xfee05000, 0x44);

	/* Without it the upper half is not looked at. */
	e.u.msi.address_hi = 0x12345678;
	KUNIT_ASSERT_EQ(test, set_table(&e, 1), 0);
	raise(3);
	KUNIT_EXPECT_EQ(test, w.last.dest, 5u);
	w.vm->irq.ids_32bit = true;
	KUNIT_EXPECT_EQ(test, set_table(&e, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, khv_msi_send(w.vm, 0x1ULL << 32 | 0xfee05000, 0x44), -EINVAL);
	e.u.msi.address_hi = 0x12345600;
	KUNIT_ASSERT_EQ(test, set_table(&e, 1), 0);
	raise(3);
	KUNIT_EXPECT_EQ(test, w.last.dest, 0x12345605u);
	KUNIT_EXPECT_FALSE(test, w.last.x2apic);
}

/* Split irqchip: no chips, and some GSIs are pins of the client's I/O APIC. */
static void test_split(struct kunit *test)
{
	struct khv_vcpu *vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);
	struct kvm_irq_routing_entry e[4];

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, vcpu);
	vcpu->vm = w.vm;
	vcpu->id = 2;
	w.vm->irq.split = true;
	w.vm->irq.client_gsis = 24;
	e[0] = chip(0, KVM_IRQCHIP_IOAPIC, 0);
	KUNIT_EXPECT_EQ(test, set_table(e, 1), -EINVAL);
	e[0] = msi(5, 0xfee02000, 0x8051);	/* level, ours */
	e[1] = msi(6, 0xfee02000, 0x0052);	/* edge */
	e[2] = msi(7, 0xfee03000, 0x8053);	/* someone else's */
	e[3] = msi(24, 0xfee02000, 0x8054);	/* no pin of an I/O APIC */
	KUNIT_ASSERT_EQ(test, set_table(e, 4), 0);
	KUNIT_EXPECT_TRUE(test, khv_gsi_client_eoi(vcpu, 0x51, false));
	KUNIT_EXPECT_FALSE(test, khv_gsi_client_eoi(vcpu, 0x52, false));
	KUNIT_EXPECT_FALSE(test, khv_gsi_client_eoi(vcpu, 0x53, false));
	KUNIT_EXPECT_FALSE(test, khv_gsi_client_eoi(vcpu, 0x54, false));
	KUNIT_EXPECT_FALSE(test, khv_gsi_client_eoi(vcpu, 0x50, false));
	/* In service here as a level, it was that pin's before it was led elsewhere. */
	KUNIT_EXPECT_TRUE(test, khv_gsi_client_eoi(vcpu, 0x53, true));
	KUNIT_EXPECT_FALSE(test, khv_gsi_client_eoi(vcpu, 0x52, true));
	vcpu->id = 3;
	KUNIT_EXPECT_TRUE(test, khv_gsi_client_eoi(vcpu, 0x53, false));
	KUNIT_ASSERT_EQ(test, set_table(NULL, 0), 0);
	KUNIT_EXPECT_FALSE(test, khv_gsi_client_eoi(vcpu, 0x51, false));
}

/* From a pin back to its GSI. */
static void test_pins(struct kunit *test)
{
	struct kvm_irq_routing_entry e[3];

	KUNIT_EXPECT_EQ(test, khv_gsi_of_pin(w.vm, 9), 9);
	KUNIT_EXPECT_EQ(test, khv_gsi_of_pin(w.vm, KHV_PIN_IOAPIC + 23), 23);
	KUNIT_EXPECT_EQ(test, khv_gsi_of_pin(w.vm, KHV_NR_PINS), -1);
	e[0] = chip(KHV_MAX_GSI - 1, KVM_IRQCHIP_IOAPIC, 3);
	e[1] = chip(100, KVM_IRQCHIP_PIC_SLAVE, 1);
	e[2] = msi(101, 0xfee00000, 0x41);
	KUNIT_ASSERT_EQ(test, set_table(e, 3), 0);
	KUNIT_EXPECT_EQ(test, khv_gsi_of_pin(w.vm, KHV_PIN_IOAPIC + 3), KHV_MAX_GSI - 1);
	KUNIT_EXPECT_EQ(test, khv_gsi_of_pin(w.vm, 9), 100);
	KUNIT_EXPECT_EQ(test, khv_gsi_of_pin(w.vm, 3), -1);
	KUNIT_EXPECT_EQ(test, khv_gsi_of_pin(w.vm, KHV_PIN_IOAPIC), -1);
}

/* Tables at random: every GSI reaches exactly its own pins. */
static void test_random_tables(struct kunit *test)
{
	struct kvm_irq_routing_entry *e;
	struct rnd_state rnd;
	u32 *pins, round, i, nr, gsi;

	e = kunit_kzalloc(test, 300 * sizeof(*e), GFP_KERNEL);
	pins = kunit_kzalloc(test, KHV_MAX_GSI * sizeof(*pins), GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, e);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pins);
	prandom_seed_state(&rnd, 6);
	for (round = 0; round < 100; round++) {
		memset(pins, 0, KHV_MAX_GSI * sizeof(*pins));
		for (nr = 0; nr < 300; ) {
			u32 r = prandom_u32_state(&rnd);

			gsi = r % KHV_MAX_GSI;
			if (pins[gsi] || !(r >> 28)) {
				if (!(r >> 26 & 3))
					break;
				continue;
			}
			pins[gsi] = BIT((r >> 16) % 24);
			e[nr++] = chip(gsi, KVM_IRQCHIP_IOAPIC, (r >> 16) % 24);
		}
		KUNIT_ASSERT_EQ(test, set_table(e, nr), 0);
		for (gsi = 0; gsi < KHV_MAX_GSI; gsi++) {
			raise(gsi);
			KUNIT_ASSERT_EQ(test, w.ioapic, pins[gsi]);
		}
		for (i = 0; i < nr; i++)
			e[i].u.irqchip.pin = 99;
		KUNIT_ASSERT_EQ(test, set_table(e, nr), nr ? -EINVAL : 0);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(test_default),
	KUNIT_CASE(test_answers),
	KUNIT_CASE(test_validation),
	KUNIT_CASE(test_msi),
	KUNIT_CASE(test_msi_32bit),
	KUNIT_CASE(test_split),
	KUNIT_CASE(test_pins),
	KUNIT_CASE(test_random_tables),
	{}
};

static struct kunit_suite suite = {
	.name = "khv_gsi",
	.init = setup,
	.exit = teardown,
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_LICENSE("GPL");
