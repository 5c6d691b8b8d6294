# SPDX-License-Identifier: GPL-2.0-only
#
# Unmodified kernels as guests of the host $CPU.
. "$TOP/tests/checks/guest-lib.sh"
guest_boot "small guest" small --cpu "$CPU" --timeout 1200
guest_boot "Debian 6.1 guest" debian-6.1 --cpu "$CPU" --timeout 1200

# Their load makes them interrupt and wake each other, and flush each other's TLBs. The
# suites smp-* have it for longer.
guest_with_load 1 || exit
GUEST_CPUS=2 guest_boot "small guest, 2 processors" small --cpu "$CPU" --smp 2 --spare --timeout 1200
case $CPU in
amd*)	GUEST_CPUS=4 guest_boot "Debian 6.12 guest, 4 processors" debian-6.12 --cpu "$CPU" \
		--smp 2 --spare --timeout 1200 ;;
esac
