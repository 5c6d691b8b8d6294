// SPDX-License-Identifier: GPL-2.0-only
/*
 * The AML writer. It knows encodings only; what our machine consists of is in
 * acpi.c.
 */
#include <string.h>

#include "boot/aml.h"

/* ACPI Specification, "AML Byte Stream Byte Values". */
#define OP_NAME		0x08
#define OP_BYTE		0x0a
#define OP_DWORD	0x0c
#define OP_SCOPE	0x10
#define OP_BUFFER	0x11
#define OP_PACKAGE	0x12
#define OP_EXT		0x5b
#define OP_EXT_DEVICE	0x82

/* ACPI Specification, "Small Resource Data Type": tag and length in one byte. */
#define RES_IRQ		0x22	/* without the flags byte: edge-triggered, active high */
#define RES_IO		0x47
#define RES_IO_DECODE16	0x01
#define RES_END		0x79

static void put(struct khv_aml *aml, uint8_t byte)
{
	if (aml->len < aml->room)
		aml->buf[aml->len++] = byte;
	else
		aml->overflow = true;
}

static void put_bytes(struct khv_aml *aml, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		put(aml, ((const uint8_t *)bytes)[i]);
}

/*
 * PkgLength counts itself. Two bytes, good for 4095, are always used, so that
 * it can be filled in when the object is closed.
 */
static struct khv_aml_mark length_begin(struct khv_aml *aml)
{
	struct khv_aml_mark mark = { aml->len };

	put(aml, 0);
	put(aml, 0);
	return mark;
}

void khv_aml_end(struct khv_aml *aml, struct khv_aml_mark mark)
{
	size_t len = aml->len - mark.at;

	if (len > 0xfff)
		aml->overflow = true;
	if (aml->overflow)
		return;
	aml->buf[mark.at] = (uint8_t)(0x40 | (len & 0xf));
	aml->buf[mark.at + 1] = (uint8_t)(len >> 4);
}

struct khv_aml_mark khv_aml_scope_begin(struct khv_aml *aml, const char *path)
{
	struct khv_aml_mark mark;

	put(aml, OP_SCOPE);
	mark = length_begin(aml);
	put_bytes(aml, path, strlen(path));
	return mark;
}

struct khv_aml_mark khv_aml_device_begin(struct khv_aml *aml, const char *seg)
{
	struct khv_aml_mark mark;

	put(aml, OP_EXT);
	put(aml, OP_EXT_DEVICE);
	mark = length_begin(aml);
	put_bytes(aml, seg, 4);
	return mark;
}

struct khv_aml_mark khv_aml_package_begin(struct khv_aml *aml, uint8_t elements)
{
	struct khv_aml_mark mark;

	put(aml, OP_PACKAGE);
	mark = length_begin(aml);
	put(aml, elements);
	return mark;
}

/* A Buffer: PkgLength, then its size as a byte constant, then the bytes. */
struct khv_aml_mark khv_aml_resources_begin(struct khv_aml *aml)
{
	struct khv_aml_mark mark;

	put(aml, OP_BUFFER);
	mark = length_begin(aml);
	khv_aml_byte(aml, 0);
	return mark;
}

void khv_aml_resources_end(struct khv_aml *aml, struct khv_aml_mark mark)
{
	size_t first = mark.at + 4;	/* after PkgLength and the byte constant */

	put(aml, RES_END);
	put(aml, 0);	/* checksum: 0 says that there is none */
	if (aml->len - first > 0xff)
		aml->overflow = true;
	if (!aml->overflow)
		aml->buf[mark.at + 3] = (uint8_t)(aml->len - first);
	khv_aml_end(aml, mark);
}

void khv_aml_name(struct khv_aml *aml, const char *seg)
{
	put(aml, OP_NAME);
	put_bytes(aml, seg, 4);
}

void khv_aml_byte(struct khv_aml *aml, uint8_t value)
{
	put(aml, OP_BYTE);
	put(aml, value);
}

static unsigned int hex_digit(char c)
{
	return (unsigned int)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Three letters of five bits each and four hexadecimal digits, most significant first. */
void khv_aml_eisa_id(struct khv_aml *aml, const char *id)
{
	unsigned int v = 0;

	for (int i = 0; i < 3; i++)
		v = v << 5 | ((unsigned int)(id[i] - '@') & 0x1f);
	for (int i = 3; i < 7; i++)
		v = v << 4 | hex_digit(id[i]);

	put(aml, OP_DWORD);
	for (int shift = 24; shift >= 0; shift -= 8)
		put(aml, (uint8_t)(v >> shift));
}

void khv_aml_res_io(struct khv_aml *aml, uint16_t port, uint8_t len)
{
	put(aml, RES_IO);
	put(aml, RES_IO_DECODE16);
	for (int i = 0; i < 2; i++) {	/* the lowest and the highest possible base */
		put(aml, (uint8_t)port);
		put(aml, (uint8_t)(port >> 8));
	}
	put(aml, 1);	/* alignment */
	put(aml, len);
}

void khv_aml_res_irq(struct khv_aml *aml, unsigned int irq)
{
	put(aml, RES_IRQ);
	put(aml, (uint8_t)(1u << irq));
	put(aml, (uint8_t)(1u << irq >> 8));
}
