# SPDX-License-Identifier: GPL-2.0-only
#
# The ways in. The module's own build is in Kbuild, the tool's in
# tools/Makefile; everything that needs an emulated host is in tests/.

VERSION := $(shell cat VERSION)
KDIR ?= /lib/modules/$(shell uname -r)/build
DESTDIR ?=
PREFIX ?= /usr/local
DKMS ?= dkms
DKMS_SRC = $(DESTDIR)/usr/src/khv-$(VERSION)
DKMS_KERNEL ?= $(shell uname -r)
# Of the kernel that KDIR is for, as the distribution has it.
RELEASE = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)

.PHONY: all modules tool install modules_install tool_install dkms-install uninstall demo \
	check style bench lines clean modules_clean help

all: modules tool

modules: $(KDIR)/Makefile
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

$(KDIR)/Makefile:
	@echo "There are no kernel headers in $(KDIR)." >&2
	@echo "Install linux-headers-$$(uname -r), or say where they are: make KDIR=..." >&2
	@exit 1

tool:
	$(MAKE) -C tools PREFIX=$(PREFIX)

install: all modules_install tool_install

# Debian's headers lack what Kbuild needs to run depmod. A module of DKMS's would come first.
modules_install: modules
	@if [ -z "$(DESTDIR)" ] && ls /lib/modules/$(RELEASE)/updates/dkms/khv.ko* >/dev/null 2>&1; then \
		echo "DKMS has installed khv, which would be loaded instead: make uninstall first" >&2; \
		exit 1; \
	fi
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_DIR=updates \
		$(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR)) modules_install
	$(if $(DESTDIR),,depmod -a $(RELEASE))

tool_install: tool
	$(MAKE) -C tools install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)

# DKMS takes what it has once built of a version for built: it has to forget that, for each
# kernel that has it.
dkms-install:
	@command -v $(firstword $(DKMS)) >/dev/null || { echo "dkms is not installed: apt-get install dkms" >&2; exit 1; }
	@if [ -z "$(DESTDIR)" ] && ls /lib/modules/*/updates/khv.ko* >/dev/null 2>&1; then \
		echo "'make install' has installed khv, too: make uninstall first" >&2; \
		exit 1; \
	fi
	install -d $(DKMS_SRC)
	rm -rf $(DKMS_SRC)/kmod $(DKMS_SRC)/uapi
	cp -r kmod uapi Kbuild Makefile VERSION dkms.conf LICENSE $(DKMS_SRC)/
	find $(DKMS_SRC) \( -name '*.o' -o -name '*.ko' -o -name '*.mod*' -o -name '*.cmd' \) -delete
ifeq ($(DESTDIR),)
	kernels=$$($(DKMS) status khv/$(VERSION) | sed -n 's/.*, \([^,]*\), [^,]*: installed.*/\1/p'); \
	[ -z "$$kernels" ] || $(DKMS) remove -m khv -v $(VERSION) --all || exit; \
	for k in $$(printf '%s\n' $$kernels $(DKMS_KERNEL) | sort -u); do \
		$(DKMS) install -m khv -v $(VERSION) -k $$k || exit; \
	done
endif

# All that any of these has installed here, for all kernels; guests end first.
uninstall:
	$(MAKE) -C tools uninstall PREFIX=$(PREFIX)
	for d in /usr/src/khv-*; do \
		[ -e "$$d/dkms.conf" ] || continue; \
		! command -v dkms >/dev/null || dkms remove -m khv -v $${d#/usr/src/khv-} --all || :; \
		rm -rf $$d; \
	done
	for m in /lib/modules/*/updates/khv.ko* /lib/modules/*/extra/khv.ko*; do \
		[ -e "$$m" ] || continue; \
		rm -f $$m; \
		k=$${m#/lib/modules/}; depmod -a $${k%%/*}; \
	done

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
	@echo '  make dkms-install     let DKMS build and install the module, for every kernel from now on'
	@echo '  make tool_install     install the tool, its manual and the udev rule alone'
	@echo '  make uninstall        remove what these have installed'
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
