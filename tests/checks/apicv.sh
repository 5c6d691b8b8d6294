# SPDX-License-Identifier: GPL-2.0-only
#
# Local APICs virtualized by the processor, which has to be asked for: all other suites
# have them emulated.
. "$TOP/tests/checks/programs-lib.sh"
. "$TOP/tests/checks/guest-lib.sh"

check "on when asked for" "$RUN" --cpu intel --module-args apicv=1 -- \
	grep -q Y /sys/module/khv/parameters/apicv
programs_run '[gis]*' --cpu intel --module-args apicv=1 --timeout 3000
guest_boot "Debian 6.1 guest" debian-6.1 --cpu intel --module-args apicv=1 --timeout 1200
