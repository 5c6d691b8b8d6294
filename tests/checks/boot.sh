# SPDX-License-Identifier: GPL-2.0-only
#
# Unmodified kernels as guests of the host $CPU.
. "$TOP/tests/checks/guest-lib.sh"
guest_boot "small guest" small --cpu "$CPU" --timeout 1200
guest_boot "Debian 6.1 guest" debian-6.1 --cpu "$CPU" --timeout 1200
