# SPDX-License-Identifier: GPL-2.0-only
#
# The benchmarks run on khv and KVM in one boot. What their ratios are is judged
# by whoever reads them: their log is kept. Exits are counted in Bochs, where
# figures repeat; that the page faults run is shown on the faster host.

# bench CPU PROGRAM [ARG]...
bench()
{
	local cpu=$1 name=$2 status

	shift
	"$RUN" --cpu "$cpu" --kvm --timeout 1200 -- "$@" >"$WORK/out"
	status=$?
	cat "$WORK/out"
	if [ "$status" = 0 ]; then
		pass "$name"
	else
		fail "$name" "status $status"
	fi
}

bench intel bench-exits
bench intel bench-interrupts --repeats 51
bench intel bench-switch --repeats 51
bench amd bench-faults --mib 16 --forks 10
