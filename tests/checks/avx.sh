# SPDX-License-Identifier: GPL-2.0-only
#
# What the Skylake model's kernel leaves off: guests with XSAVE and AVX, and
# their state through the ioctls.
. "$TOP/tests/checks/programs-lib.sh"
programs_run '[gr]*s*' --cpu intel-avx --timeout 3000
