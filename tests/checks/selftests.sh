# SPDX-License-Identifier: GPL-2.0-only
#
# Selftests and tiny guests on the small kernel of the host $CPU.
. "$TOP/tests/checks/programs-lib.sh"
programs_run '*' --cpu "$CPU" --timeout 3000
