# SPDX-License-Identifier: GPL-2.0-only
#
# The tool's unit tests, what it says of itself, and its loaders under fire; on this
# machine and without a hypervisor.

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

make -C "$WORK/src/tools" -j2 O="$WORK/obj" >"$WORK/tool.out" 2>&1 || cat "$WORK/tool.out"
"$WORK/src/tools/tests/documented" "$WORK/obj/khv" >"$WORK/documented.tap" 2>&1
status=$?
cat "$WORK/documented.tap"
tap_results documented "$status" "$WORK/documented.tap"

# A short run; the long one is by hand: see loader_fuzz.c.
if make -C "$WORK/src/tools" O="$WORK/obj" FUZZ="$TOP/tests/fuzz" "$WORK/obj/check/loader_fuzz" \
		>"$WORK/fuzz.out" 2>&1; then
	"$WORK/obj/check/loader_fuzz" --seconds 15 --seed "$KHV_SEED" >"$WORK/fuzz.out" 2>&1
	status=$?
	cat "$WORK/fuzz.out"
	if [ "$status" = 0 ]; then
		pass "loaders: $(tail -n 1 "$WORK/fuzz.out")"
	else
		fail "loaders" "status $status: $(grep -m 1 seed "$WORK/fuzz.out")"
	fi
else
	cat "$WORK/fuzz.out"
	fail "loaders" "the fuzzer does not build"
fi
