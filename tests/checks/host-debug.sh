# SPDX-License-Identifier: GPL-2.0-only
#
# The suite host on the kernel with KASAN and lockdep, on an AMD host.
CPU=amd
KERNEL=debug
. "$TOP/tests/checks/host.sh"
