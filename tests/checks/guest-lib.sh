# SPDX-License-Identifier: GPL-2.0-only
#
# For the suites that boot a Linux guest with khv run.

. "$TESTBED/lib/image.sh"
. "$TESTBED/lib/guest.sh"

# guest_with_load SECONDS: from now on guests run tests/load for so long of their own
# time, on all of their processors, and must end it well.
guest_with_load()
{
	local root=$WORK/load

	mkdir -p "$root/bin"
	${CC:-gcc} -O2 -Wall -Wextra -Werror -Wno-unused-parameter -D_GNU_SOURCE -static -pthread \
		-o "$root/bin/smp-load" "$TOP/tests/load/smp_load.c" || return
	image_pack "$root" "$WORK/load.cpio.gz" || return
	GUEST_SCRIPT="$GUEST_HELLO
smp-load $1
$(<"$TOP/tests/checks/guest-calls")"
}

# guest_says TEXT: has the last guest said that, in a line of its own?
guest_says()
{
	grep -aqE "^$1"'[[:space:]]*$' "$WORK/console"
}

# guest_boot NAME KERNEL RUN-OPTION...: KERNEL of the testbed as a guest, with
# $GUEST_CPUS processors (1); passes when its userspace found them all, spoke, did what
# guest_with_load wants and powered it off.
guest_boot()
{
	local name=$1 status=0 out=$WORK/console cpus=${GUEST_CPUS:-1}

	kernel_get "$2" || return
	shift 2
	guest_initrd "${GUEST_SCRIPT:-$GUEST_HELLO}" || return
	cat "$GUEST_INITRD" ${GUEST_SCRIPT:+"$WORK/load.cpio.gz"} >"$WORK/initrd" || return
	"$RUN" --file "$K_IMAGE:/g/vmlinuz" --file "$WORK/initrd:/g/initrd" "$@" -- \
		khv run --kernel /g/vmlinuz --initrd /g/initrd --mem 512M \
		--cpus "$cpus" --append "console=ttyS0" >"$out" || status=$?
	cat "$out"
	if [ "$status" != 0 ]; then
		fail "$name" "status $status"
	elif ! grep -aq '^Linux .* x86_64' "$out" || ! grep -aq '^MemTotal:' "$out"; then
		fail "$name" "the guest's userspace did not speak"
	elif ! guest_says "Processors: $cpus"; then
		fail "$name" "the guest did not start $cpus processors"
	elif [ -n "${GUEST_SCRIPT:-}" ] && ! guest_says 'smp-load: [0-9]+ ms, passed'; then
		fail "$name" "the load did not end well"
	elif [ "$cpus" -gt 1 ] && ! guest_says 'Processors called each other'; then
		fail "$name" "no processor called another in all the load"
	elif grep -aqE "$SPLAT" "$out"; then
		fail "$name" "the guest's kernel complained"
	else
		pass "$name"
	fi
}
