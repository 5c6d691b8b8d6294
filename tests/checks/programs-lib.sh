# SPDX-License-Identifier: GPL-2.0-only
#
# For the suites that run the programs in /tests, on one emulated host one after
# the other. Their output comes between marks that name them.

# programs_run PATTERN RUN-OPTION...: those whose name matches the shell pattern.
programs_run()
{
	local pattern=$1 status name ended

	shift
	"$RUN" "$@" -- sh -c '
		for t in /tests/$1; do
			[ -f "$t" ] || continue
			echo "@@ begin $(basename "$t")"
			timeout 1200 "$t" 2>&1
			echo "@@ end $(basename "$t") $?"
		done' sh "$pattern" >"$WORK/out"
	status=$?
	cat "$WORK/out"
	: >"$WORK/begun"
	: >"$WORK/ended"
	awk -v dir="$WORK" '
		/^@@ begin / { file = dir "/" $3 ".tap"; printf "" >file; print $3 >(dir "/begun"); next }
		/^@@ end /   { print $3, $4 >(dir "/ended"); close(file); file = ""; next }
		file != ""   { print >file }' "$WORK/out"
	while read -r name; do
		ended=$(awk -v n="$name" '$1 == n { print $2 }' "$WORK/ended")
		tap_results "$name" "${ended:-lost with its host}" "$WORK/$name.tap"
	done <"$WORK/begun"
	[ "$status" = 0 ] || fail "host" "status $status"
	[ -s "$WORK/begun" ] || fail "run" "no program ran"
}
