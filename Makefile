# SPDX-License-Identifier: GPL-2.0-only
#
# The ways in. The module's own build is in Kbuild, the tool's in
# tools/Makefile; everything that needs an emulated host is in tests/.

VERSION := $(shell cat VERSION)
KDIR ?= /lib/modules/$(shell uname -r)/build
DESTDIR ?=
PREFIX ?= /usr/local
DKMS_SRC = $(DESTDIR)/usr/src/khv-$(VERSION)

.PHONY: all modules tool install modules_install dkms-install demo check style bench \
	lines clean modules_clean help

all: modules tool

modules: $(KDIR)/Makefile
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

$(KDIR)/Makefile:
	@echo "There are no kernel headers in $(KDIR)." >&2
	@echo "Install linux-headers-$$(uname -r), or say where they are: make KDIR=..." >&2
	@exit 1

tool:
	$(MAKE) -C tools PREFIX=$(PREFIX)

install: all modules_install
	$(MAKE) -C tools install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)

modules_install: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR) $(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR)) modules_install

dkms-install:
	@command -v dkms >/dev/null || { echo "dkms is not installed: apt-get install dkms" >&2; exit 1; }
	install -d $(DKMS_SRC)
	rm -rf $(DKMS_SRC)/kmod $(DKMS_SRC)/uapi
	cp -r kmod uapi Kbuild Makefile VERSION dkms.conf LICENSE $(DKMS_SRC)/
	find $(DKMS_SRC) \( -name '*.o' -o -name '*.ko' -o -name '*.mod*' -o -name '*.cmd' \) -delete
	$(if $(DESTDIR),,dkms install --force -m khv -v $(VERSION))

# Not from the environment, where some distributions have a CPU for other uses.
demo:
	@tests/demo $(if $(findstring command,$(origin CPU)),$(CPU))

check:
	@tests/check $(SUITES)

style:
	@tests/style

bench:
	@tests/testbed/run --cpu intel --kvm --timeout 1800 -- \
		sh -c 'bench-exits && bench-interrupts && bench-switch && bench-faults'
	@tests/bench/plot

lines:
	@tests/lines

clean: modules_clean
	$(MAKE) -C tools clean
	rm -rf build

# Not Kbuild's own clean, which wants the headers that the build was made with.
modules_clean:
	find . -path ./build -prune -o -type f \( -name '*.o' -o -name '*.ko' -o -name '*.mod' \
		-o -name '*.mod.c' -o -name '.*.cmd' -o -name '.*.o.d' \) -exec rm -f {} +
	rm -f modules.order Module.symvers tests/kunit/modules.order

help:
	@echo 'khv $(VERSION): a hypervisor in one loadable kernel module'
	@echo
	@echo '  make                  build khv.ko for the running kernel, and the khv tool'
	@echo '  make KDIR=DIR         the same for the kernel whose headers or build are in DIR'
	@echo '  make install          install both (DESTDIR=, PREFIX=/usr/local)'
	@echo '  make dkms-install     let DKMS build and install the module for every kernel'
	@echo '  make demo             boot a Debian kernel as a guest, on this machine if it has'
	@echo '                        VT-x or SVM, otherwise on an emulated AMD host; on another'
	@echo '                        with CPU=intel, intel-noept or amd-nonpt'
	@echo '  make check            all tests; SUITES="kunit selftests-amd" runs some'
	@echo '  make style            checkpatch, sparse, clang-format, cppcheck'
	@echo '  make bench            costs of exits, interrupts, switches, page faults, khv and KVM, in instructions;'
	@echo '                        and graphs of shares and caps over time, in build/bench'
	@echo '  make lines            lines of code, comment and blank per folder'
	@echo '  make clean            remove what was built here'
	@echo
	@echo 'demo, check, style and bench install the Debian packages that they need.'
