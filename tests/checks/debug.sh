# SPDX-License-Identifier: GPL-2.0-only
#
# On the kernel with KASAN, lockdep and kmemleak of the host $CPU: a Linux guest,
# the selftests and tiny guests, failing allocations; in Bochs, which takes its time,
# the selftests that create, change and destroy VMs. Any complaint of the kernel
# makes the testbed's status 125.
. "$TOP/tests/checks/programs-lib.sh"
. "$TOP/tests/checks/guest-lib.sh"

TIME_FACTOR=5
case $CPU in
intel*)
	programs_run '[mv]*_test' --cpu "$CPU" --kernel debug --timeout 3000
	;;
amd*)
	guest_boot "small guest" small --cpu "$CPU" --kernel debug --smp 2 --spare --timeout 1200
	programs_run '*' --cpu "$CPU" --kernel debug --smp 2 --spare --timeout 3000
	# Every 41st allocation of a VM's life, another set with another seed.
	"$RUN" --cpu "$CPU" --kernel debug --timeout 900 -- \
		alloc-fail --first "$((KHV_SEED % 41 + 1))" --stride 41 --seconds 60 \
		>"$WORK/alloc-fail.tap"
	status=$?
	cat "$WORK/alloc-fail.tap"
	tap_results alloc-fail "$status" "$WORK/alloc-fail.tap"
	;;
esac
