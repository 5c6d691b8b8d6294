# SPDX-License-Identifier: GPL-2.0-only
#
# The KUnit modules on the kernel with KASAN, lockdep and kmemleak.
. "$TOP/tests/checks/kunit-lib.sh"
kunit_run debug
