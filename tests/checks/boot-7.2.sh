# SPDX-License-Identifier: GPL-2.0-only
#
# The newest kernel as the host, where most of what KVM uses is out of reach.
. "$TOP/tests/checks/guest-lib.sh"
guest_boot "small guest on a Debian 7.2 host" small --cpu intel --kernel debian-7.2
