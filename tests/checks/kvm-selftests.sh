# SPDX-License-Identifier: GPL-2.0-only
#
# KVM's own selftests on khv, on the host $CPU: those that the table names for it
# (column check) must end as it says. What it does not expect to pass it must
# explain, and that is reported as skipped, with the reason.

. "$TESTBED/lib/deps.sh"
. "$TESTBED/lib/kernel.sh"
. "$TOP/tests/kvm-selftests/build.sh"
. "$TOP/tests/kvm-selftests/table.sh"
TMP=$WORK

# verdict NAME EXPECTED REASON GOT
verdict()
{
	if [ "$4" != "$2" ]; then
		fail "$1" "$2 expected, got $4"
	elif [ "$2" = pass ]; then
		pass "$1"
	elif [ -n "$3" ]; then
		skip "$1" "$2: $3"
	else
		fail "$1" "the table does not say why it is to $2"
	fi
}

kvm_selftests()
{
	local name expected reason status=0

	kselftests_build || { fail "builds"; return; }
	table_rows test check | awk -F '|' -v cpu="$CPU" \
		'index(" " $2 " ", " " cpu " ") { print $1 }' >"$WORK/names"
	selftests_run "$WORK/tap" "$CPU" $(selftests_options "$CPU") \
		--module-args kvm_device=1 <"$WORK/names" || status=$?
	cat "$WORK/tap"
	[ "$status" = 0 ] || fail "host" "status $status"
	[ -s "$WORK/names" ] || fail "the table" "nothing is to run on $CPU"
	while IFS='|' read -r name expected reason; do
		! grep -qx "$name" "$WORK/names" ||
			verdict "$name" "$expected" "$reason" "$(tap_word "$WORK/tap" "$name")"
	done < <(table_rows test "$CPU khv" reason)
}

kvm_selftests
