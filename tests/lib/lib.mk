# SPDX-License-Identifier: GPL-2.0-only
#
# How test programs are built: statically linked, each of its own sources and of
# this folder's. A Makefile that includes this sets PROGRAMS, and for each of
# them NAME-objs, before; O is where programs go.
#
# A program is also its guests' code, so all of it does without what a guest
# does not have at its start: red zone, stack protector, vector registers,
# calls of memcpy() that nobody wrote.

LIB := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
O ?= obj
OBJ := $(O)/.obj/$(notdir $(CURDIR))

CC = $(CROSS_COMPILE)gcc
CFLAGS = -O2 -std=gnu2x -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers \
	 -D_GNU_SOURCE -I$(LIB) -I$(LIB)/../../uapi \
	 -fno-pie -mcmodel=small -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
	 -fcf-protection=none -fno-omit-frame-pointer -fno-strict-aliasing \
	 -fno-tree-loop-distribute-patterns
LDFLAGS = -static -no-pie -pthread -z noexecstack

LIB_OBJS := $(addprefix $(OBJ)/lib/,ksft.o vm.o vcpu.o guest.o guest_run.o guest_entry.o)

.PHONY: all clean
all: $(addprefix $(O)/,$(PROGRAMS))

$(OBJ)/lib/%.o: $(LIB)/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(OBJ)/lib/%.o: $(LIB)/%.S
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(OBJ)/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

.SECONDARY:
.SECONDEXPANSION:
$(addprefix $(O)/,$(PROGRAMS)): $(O)/%: $$(addprefix $$(OBJ)/,$$($$*-objs)) $(LIB_OBJS)
	$(CC) $(LDFLAGS) -o $@ $^

clean:
	rm -rf $(OBJ) $(addprefix $(O)/,$(PROGRAMS))

-include $(wildcard $(OBJ)/*.d $(OBJ)/lib/*.d)
