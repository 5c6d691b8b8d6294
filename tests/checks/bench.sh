# SPDX-License-Identifier: GPL-2.0-only
#
# The benchmarks run on khv and KVM in one boot, the one of page faults in a small
# size, and print their figures. What they are is judged by whoever reads them: their
# logs are kept.

# bench NAME COMMAND...: passes when it succeeds and knows all of its figures.
bench()
{
	local name=$1 status=0

	shift
	"$RUN" --cpu intel --kvm -- "$@" >"$WORK/$name" || status=$?
	cat "$WORK/$name"
	if [ "$status" != 0 ]; then
		fail "$name" "status $status"
	elif grep -qE ' - |missing|not on this' "$WORK/$name"; then
		fail "$name" "a figure is missing"
	else
		pass "$name"
	fi
}

bench bench-exits bench-exits
bench bench-faults bench-faults --mib 4 --forks 3
