# SPDX-License-Identifier: GPL-2.0-only
#
# An unmodified Debian kernel as a guest, VMX kept on while the VM exists.
. "$TOP/tests/checks/guest-lib.sh"
guest_boot "Debian 6.1 guest, exclusive" debian-6.1 --cpu intel --module-args vmx_mode=exclusive
