# SPDX-License-Identifier: GPL-2.0-only
#
# The benchmark runs on khv and KVM in one boot and prints its four ratios. What
# they are is judged by whoever reads them: their log is kept.

"$RUN" --cpu intel --kvm -- bench-exits >"$WORK/out"
status=$?
cat "$WORK/out"
if [ "$status" = 0 ]; then
	pass "bench-exits"
else
	fail "bench-exits" "status $status"
fi
