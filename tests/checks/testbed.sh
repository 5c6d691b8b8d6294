# SPDX-License-Identifier: GPL-2.0-only
#
# The testbed's own promises.

"$TESTBED/selftest" >"$WORK/out" 2>&1
status=$?
cat "$WORK/out"
tap_results "run" "$status" "$WORK/out"
