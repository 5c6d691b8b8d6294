# SPDX-License-Identifier: GPL-2.0-only
#
# The tool's unit tests, on this machine and without a hypervisor.

. "$TESTBED/lib/artifacts.sh"
TMP=$WORK

sync_tree "$WORK/src" VERSION tools uapi
make -C "$WORK/src/tools" -j2 O="$WORK/obj" check >"$WORK/out" 2>&1
status=$?
cat "$WORK/out"
awk -v dir="$WORK" '
	/^# test_/ { file = dir "/" $2 ".tap"; print $2 >(dir "/list"); next }
	file != "" { print >file }' "$WORK/out"
touch "$WORK/list"
while read -r name; do
	tap_results "$name" 0 "$WORK/$name.tap"
done <"$WORK/list"
[ -s "$WORK/list" ] || fail "unit tests" "do not build or run"
[ "$status" = 0 ] || grep -q '^fail' "$OUT/$suite.results" || fail "unit tests" "status $status"
