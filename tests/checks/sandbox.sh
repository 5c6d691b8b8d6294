# SPDX-License-Identifier: GPL-2.0-only
#
# A running guest's process, seen from outside on a host whose kernel has seccomp: who
# it is, what it still may do, and that console and signals work all the same.
# And khv stat, which sees it.

. "$TESTBED/lib/image.sh"
. "$TESTBED/lib/guest.sh"

kernel_get debian-6.1 || exit
guest_initrd "$GUEST_HELLO" || exit
"$RUN" --cpu amd --kernel debian-6.1 --timeout 1800 \
	--file "$K_IMAGE:/g/vmlinuz" --file "$GUEST_INITRD:/g/initrd" \
	--file "$TOP/tests/checks/sandbox-host:/g/test" -- sh /g/test >"$WORK/out" 2>&1
status=$?
cat "$WORK/out"
tap_results sandbox "$status" "$WORK/out"
