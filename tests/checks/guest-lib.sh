# SPDX-License-Identifier: GPL-2.0-only
#
# For the suites that boot a Linux guest with khv run.

. "$TESTBED/lib/image.sh"
. "$TESTBED/lib/guest.sh"

# guest_boot NAME KERNEL RUN-OPTION...: KERNEL of the testbed as a guest, with
# $GUEST_CPUS processors (1); passes when its userspace found them all, spoke and
# powered it off.
guest_boot()
{
	local name=$1 status=0 out=$WORK/console cpus=${GUEST_CPUS:-1}

	kernel_get "$2" || return
	shift 2
	guest_initrd "$GUEST_HELLO" || return
	"$RUN" --file "$K_IMAGE:/g/vmlinuz" --file "$GUEST_INITRD:/g/initrd" "$@" -- \
		khv run --kernel /g/vmlinuz --initrd /g/initrd --mem 512M \
		--cpus "$cpus" --append "console=ttyS0" >"$out" || status=$?
	cat "$out"
	if [ "$status" != 0 ]; then
		fail "$name" "status $status"
	elif ! grep -aq '^Linux .* x86_64' "$out" || ! grep -aq '^MemTotal:' "$out"; then
		fail "$name" "the guest's userspace did not speak"
	elif ! grep -aqE "^Processors: $cpus"'[[:space:]]*$' "$out"; then
		fail "$name" "the guest did not start $cpus processors"
	elif [ "$cpus" -gt 1 ] && ! grep -aq '^Processors called each other' "$out"; then
		fail "$name" "no processor called another in all the load"
	elif grep -aqE "$SPLAT" "$out"; then
		fail "$name" "the guest's kernel complained"
	else
		pass "$name"
	fi
}
