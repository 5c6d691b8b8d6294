# SPDX-License-Identifier: GPL-2.0-only
#
# The KUnit modules on the small kernel.
. "$TOP/tests/checks/kunit-lib.sh"
kunit_run small
