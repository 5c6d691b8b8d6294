# SPDX-License-Identifier: GPL-2.0-only
#
# On the kernel with KASAN, lockdep and kmemleak: the KUnit modules, and the
# selftests that create, change and destroy VMs. Any complaint of the kernel
# makes the testbed's status 125.
. "$TOP/tests/checks/kunit-lib.sh"
. "$TOP/tests/checks/programs-lib.sh"
kunit_run debug
programs_run '[mv]*_test' --kernel debug --timeout 3000
