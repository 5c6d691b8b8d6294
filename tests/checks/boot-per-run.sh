# SPDX-License-Identifier: GPL-2.0-only
#
# An unmodified Debian kernel as a guest, VMX on only inside each run.
. "$TOP/tests/checks/guest-lib.sh"
guest_boot "Debian 6.12 guest, per-run" debian-6.12 --cpu intel --module-args vmx_mode=per-run
