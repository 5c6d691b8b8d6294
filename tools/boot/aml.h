/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A writer of ACPI Machine Language, as much of it as our DSDT is made of.
 * Objects nest by _begin/_end pairs. Names follow the ACPI Specification, "ACPI
 * Machine Language (AML) Specification".
 */
#ifndef KHV_TOOL_AML_H
#define KHV_TOOL_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct khv_aml {
	uint8_t *buf;
	size_t room;
	size_t len;
	bool overflow;	/* something did not fit; the contents are then useless */
};

/* Where an open object's length belongs. */
struct khv_aml_mark {
	size_t at;
};

struct khv_aml_mark khv_aml_scope_begin(struct khv_aml *aml, const char *path);
struct khv_aml_mark khv_aml_device_begin(struct khv_aml *aml, const char *seg);
struct khv_aml_mark khv_aml_package_begin(struct khv_aml *aml, uint8_t elements);
struct khv_aml_mark khv_aml_resources_begin(struct khv_aml *aml);

/* Close a scope, device or package. */
void khv_aml_end(struct khv_aml *aml, struct khv_aml_mark mark);
/* Close a resource template, which has an end tag and a length of its own. */
void khv_aml_resources_end(struct khv_aml *aml, struct khv_aml_mark mark);

/* Name(@seg, ...); the object itself follows. @seg has four characters. */
void khv_aml_name(struct khv_aml *aml, const char *seg);
void khv_aml_byte(struct khv_aml *aml, uint8_t value);
/* EisaId(@id), @id being of the form "PNP0501". */
void khv_aml_eisa_id(struct khv_aml *aml, const char *id);

/* Resource descriptors: fixed I/O ports, and an edge-triggered ISA interrupt. */
void khv_aml_res_io(struct khv_aml *aml, uint16_t port, uint8_t len);
void khv_aml_res_irq(struct khv_aml *aml, unsigned int irq);

#endif
