# SPDX-License-Identifier: GPL-2.0-only
#
# Selftests and tiny guests on the small kernel.
. "$TOP/tests/checks/programs-lib.sh"
programs_run '*' --timeout 3000
