# SPDX-License-Identifier: GPL-2.0-only
#
# For the suites that run the programs in /tests, on one emulated host one after
# the other. Their output comes between marks that name them.

# programs PATTERN: prints the names of those that there should be.
programs()
{
	local name

	for name in $(sed -nE -e ':a; /\\$/ { N; s/\\\n//; ta }; s/^PROGRAMS :?= *//p' \
			"$TOP"/tests/{selftests,guests}/Makefile); do
		[[ $name != $1 ]] || echo "$name"
	done
}

# programs_run PATTERN RUN-OPTION...: those whose name matches the shell pattern.
# TIME_FACTOR stretches the limits of their tests.
programs_run()
{
	local pattern=$1 status name ended

	shift
	"$RUN" "$@" -- sh -c '
		for t in /tests/$1; do
			[ -f "$t" ] || continue
			echo "@@ begin $(basename "$t")"
			timeout 1200 "$t" -t "$2" 2>&1
			echo "@@ end $(basename "$t") $?"
		done' sh "$pattern" "${TIME_FACTOR:-1}" >"$WORK/out"
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
	for name in $(programs "$pattern"); do
		grep -qx "$name" "$WORK/begun" || fail "$name" "did not run"
	done
}
