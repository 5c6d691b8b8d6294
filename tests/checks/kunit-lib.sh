# SPDX-License-Identifier: GPL-2.0-only
#
# For the suites that run the KUnit modules.

. "$TESTBED/lib/artifacts.sh"
TMP=$WORK

# kunit_build: the modules as files, in KUNIT.
kunit_build()
{
	local tree=$CACHE/builds/kunit-$(basename "$K_DIR")-$(echo "$TOP" | content_key)

	KUNIT=$WORK/modules
	mkdir -p "$KUNIT"
	lock "$(basename "$tree")"
	rm -f "$tree"/tests/kunit/*.ko
	sync_tree "$tree" Kbuild VERSION kmod uapi tests/kunit &&
		KHV_TESTS=1 make -C "$K_BUILD" M="$tree" -j"$(nproc)" modules &&
		cp "$tree"/tests/kunit/*.ko "$KUNIT/"
	local status=$?
	unlock
	return $status
}

# kunit_points FILE: the test cases of KTAP results, as "ok|not ok|skip NAME WHY".
# A case is indented by four; what is deeper are its parameters. A suite that failed, or that
# has not as many cases as it said, is one, too: a case's line can be lost behind a message.
kunit_points()
{
	awk '
	/^    # Subtest: / { suite = $3; cases = 0 }
	/^    1\.\./ { planned = substr($1, 4) + 0 }
	/^(not )?ok / && suite != "" {
		if (cases < planned)
			print "not", suite, cases " of " planned " cases reported"
		else if ($1 == "not")
			print "not", suite
		suite = ""
	}
	/^    (not )?ok / {
		cases++
		ok = $1
		sub(/^    (not )?ok [0-9]+ -? ?/, "")
		why = ""
		if (match($0, /# SKIP/)) {
			why = substr($0, RSTART + 7)
			ok = "skip"
		}
		sub(/ *#.*/, "")
		print ok, suite "." $0, why
	}' "$1"
}

# kunit_run KERNEL: builds them for it, runs them and reports each case. In the
# faster emulator, as what they test does not depend on the processor.
kunit_run()
{
	local status n=0 verdict name why m

	kernel_get "$1" || return
	if ! kunit_build; then
		fail "builds on $1"
		return
	fi
	"$RUN" --cpu amd --kernel "$1" --no-module --file "$KUNIT:/kunit" -- sh -c '
		for m in /kunit/*.ko; do
			insmod "$m" || echo "insmod-failed $(basename "$m")"
		done
		cat /sys/kernel/debug/kunit/*/results' >"$WORK/ktap"
	status=$?
	cat "$WORK/ktap"
	[ "$status" = 0 ] || fail "KUnit on $1" "status $status"
	for m in $(sed -n 's/^insmod-failed //p' "$WORK/ktap"); do
		fail "$m" "does not load"
	done
	while read -r verdict name why; do
		n=$((n + 1))
		case $verdict in
		ok)	pass "$name" ;;
		skip)	skip "$name" "$why" ;;
		*)	fail "$name" "$why" ;;
		esac
	done < <(kunit_points "$WORK/ktap")
	[ "$n" -gt 0 ] || fail "KUnit on $1" "no test case reported"
}
