# SPDX-License-Identifier: GPL-2.0-only
#
# VMs with gangs, caps and pools get on while CPUs go, threads are bound, interrupted, frozen
# and killed: on two processors, with the small kernel and the one with KASAN and lockdep; of
# the suite sched-intel, in Bochs, with the small one, after the selftests of scheduling, which
# skip what needs two processors elsewhere on Intel. The seed is KHV_SEED. Storms for minutes
# are more than QEMU's SVM stands but with --turns (docs/testbed.md).

case $CPU in
intel*)	KERNELS=small LIMIT=7200 ;;
*)	KERNELS="small debug" LIMIT=1800 ;;
esac
# Weights, coarsely, as this machine has other things to do: without them 24 % off.
if [ -z "$CPU" ]; then
	run_anew "$WORK/shares" --cpu amd --smp 2 --timeout 150 -- bench-sched -t 12 100x2 200x2 400x2
	if [ "$status" = 0 ]; then
		pass "weights$tries"
	else
		fail "weights" "status $status: $(tail -n 1 "$WORK/shares")"
	fi
fi
case $CPU in
intel*)
	for program in sched_test sched_limits_test pool_test; do
		status=0
		"$RUN" --cpu "$CPU" --smp 2 --timeout 3000 -- "/tests/$program" >"$WORK/$program.tap" || status=$?
		cat "$WORK/$program.tap"
		tap_results "$program" "$status" "$WORK/$program.tap"
	done ;;
esac
for kernel in $KERNELS; do
	status=0
	"$RUN" --cpu "${CPU:-amd}" --kernel "$kernel" --smp 2 --turns --timeout "$LIMIT" -- \
		sh -c "KHV_SEED=$KHV_SEED exec host-test -t 10 sched" >"$WORK/$kernel.tap" || status=$?
	cat "$WORK/$kernel.tap"
	tap_results "$kernel" "$status" "$WORK/$kernel.tap"
done
