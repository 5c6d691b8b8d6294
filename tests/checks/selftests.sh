# SPDX-License-Identifier: GPL-2.0-only
#
# The programs in /tests (selftests and tiny guests), on one emulated Intel host
# one after the other. Their output comes between marks that name them.

"$RUN" --cpu intel --timeout 1800 -- sh -c '
	for t in /tests/*; do
		[ -f "$t" ] || continue
		echo "@@ begin $(basename "$t")"
		timeout 600 "$t" 2>&1
		echo "@@ end $(basename "$t") $?"
	done' >"$WORK/out"
status=$?
cat "$WORK/out"

awk -v dir="$WORK" '
	/^@@ begin / { file = dir "/" $3 ".tap"; printf "" >file; print $3, "gone" >(dir "/begun"); next }
	/^@@ end /   { print $3, $4 >(dir "/ended"); close(file); file = ""; next }
	file != ""   { print >file }' "$WORK/out"
touch "$WORK/begun" "$WORK/ended"
while read -r name _; do
	ended=$(awk -v n="$name" '$1 == n { print $2 }' "$WORK/ended")
	tap_results "$name" "${ended:-lost with its host}" "$WORK/$name.tap"
done <"$WORK/begun"
[ "$status" = 0 ] || fail "host" "status $status"
[ -s "$WORK/begun" ] || fail "run" "no program ran"
