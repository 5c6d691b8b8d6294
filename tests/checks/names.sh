# SPDX-License-Identifier: GPL-2.0-only
#
# VMs by name, in an emulated host: in the background, listed, paused, resumed, spoken to at
# their consoles, stopped by the power button and by force, killed; and who may do that.
# names-intel does a part of it, each command once, as Bochs is slow.

. "$TESTBED/lib/image.sh"
. "$TESTBED/lib/guest.sh"

# A guest that powers off at the power button, unless it is to be deaf, and obeys what is
# typed at its console.
kernel_get small || exit
guest_initrd 'button=/sys/firmware/acpi/interrupts/ff_pwr_btn
if ! grep -q deaf /proc/cmdline; then
	( while read -r n rest <$button && [ "$n" = 0 ]; do sleep 0.2; done
	  echo "The button was pressed"
	  poweroff -f ) &
fi
echo "Ready for commands"
while read -r line; do
	eval "$line"
done' || exit
host=(--cpu amd --smp 2 --spare --file "$TOP/tests/checks/names-host:/g/test")
[ -z "$CPU" ] || host=(--cpu "$CPU" --file "$TOP/tests/checks/names-brief:/g/test")
"$RUN" "${host[@]}" --timeout 600 \
	--file "$K_IMAGE:/g/vmlinuz" --file "$GUEST_INITRD:/g/initrd" \
	--file "$TOP/tests/checks/names-guest-lib:/g/lib" -- sh /g/test >"$WORK/out" 2>&1
status=$?
cat "$WORK/out"
tap_results names "$status" "$WORK/out"
