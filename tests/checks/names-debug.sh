# SPDX-License-Identifier: GPL-2.0-only
#
# VMs with names that are started, changed, paused, stopped and killed at random moments and
# by several at a time, under load, on the kernel with KASAN, lockdep and kmemleak. For
# STORM_SECONDS (60); the seed is KHV_SEED.

. "$TESTBED/lib/image.sh"
. "$TESTBED/lib/guest.sh"

kernel_get small || exit
guest_initrd 'while :; do :; done' || exit
"$RUN" --cpu amd --kernel debug --smp 2 --spare --mem 1536 --timeout 900 \
	--file "$K_IMAGE:/g/vmlinuz" --file "$GUEST_INITRD:/g/initrd" \
	--file "$TOP/tests/checks/names-storm:/g/test" -- \
	sh /g/test "$KHV_SEED" "${STORM_SECONDS:-60}" >"$WORK/out" 2>&1
status=$?
cat "$WORK/out"
tap_results names-storm "$status" "$WORK/out"
