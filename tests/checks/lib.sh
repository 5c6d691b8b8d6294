# SPDX-License-Identifier: GPL-2.0-only
#
# What a suite reports with. It runs in a shell of its own with $suite set;
# standard output and error go to its log, descriptor 3 to the terminal.

RUN=$TESTBED/run
WORK=$OUT/$suite.d
rm -rf "$WORK"
mkdir -p "$WORK"

# result WORD TEXT...: one line of the result file that tests/check counts.
result()
{
	echo "$*" >>"$OUT/$suite.results"
	[ "$1" = end ] || echo "== $*"
}

pass()
{
	result pass "$suite: $1"
	echo "PASS  $suite: $1" >&3
}

# fail NAME [WHY]
fail()
{
	result fail "$suite: $1${2:+ ($2)}"
	echo "FAIL  $suite: $1${2:+ ($2)}" >&3
}

# skip NAME WHY
skip()
{
	result skip "$suite: $1 ($2)"
	echo "SKIP  $suite: $1 ($2)" >&3
}

# check NAME COMMAND...: passes when the command succeeds.
check()
{
	local name=$1

	shift
	if "$@"; then
		pass "$name"
	else
		fail "$name"
	fi
}

# run_anew FILE ARG...: runs the testbed with ARGs, shows its output, left in FILE, and sets
# $status. Up to three times while the host stands still: that is QEMU's (docs/testbed.md), and
# says nothing of what is tested. $tries says how often, for the result: "" or a remark.
run_anew()
{
	local file=$1 try

	shift
	tries=
	for try in 1 2 3; do
		status=0
		"$RUN" --console "$file.console" "$@" >"$file" || status=$?
		cat "$file"
		[ "$status" != 0 ] || break
		[ "$status" = 124 ] || grep -aq 'detected stalls on CPUs' "$file.console" || break
		echo "----  $suite: the host has stood still, try $try" >&3
		tries=", after $try that stood still"
	done
}

# tap_results NAME STATUS FILE: reports each test point of a program's output in
# TAP. A program that ends early or badly is one more failure.
tap_results()
{
	local name=$1 status=$2 file=$3 line text planned seen=0 bad=0 notes=()

	planned=$(sed -nE 's/^1\.\.([0-9]+).*/\1/p' "$file" | head -n 1)
	if [ "$planned" = 0 ] || { [ "$status" = 4 ] && [ -z "$planned" ]; }; then
		skip "$name" "$(sed -nE 's/.*# *[Ss][Kk][Ii][Pp] *//p' "$file" | head -n 1)"
		return
	fi
	while IFS= read -r line; do
		line=${line%$'\r'}
		[[ $line != "#"* ]] || { notes+=("$line"); continue; }
		text=$(sed -E 's/^(not )?ok *[0-9]* *-? *//; s/ *# *SKIP.*//I' <<<"$line")
		seen=$((seen + 1))
		case $line in
		*"# SKIP"*|*"# skip"*)
			skip "$name: $text" "$(sed -E 's/.*# *SKIP *//I' <<<"$line")" ;;
		ok*)
			pass "$name: $text" ;;
		*)
			bad=$((bad + 1))
			fail "$name: $text"
			# Where nobody can read the log, this is what there is to go by.
			[ "${#notes[@]}" = 0 ] || printf '      %s\n' "${notes[@]: -8}" >&3 ;;
		esac
		notes=()
	done < <(grep -aE '^((not )?ok\b|# )' "$file")
	if [ -z "$planned" ]; then
		fail "$name" "no test plan in its output, status $status"
	elif [ "$seen" != "$planned" ]; then
		fail "$name" "$seen of $planned tests reported, status $status"
	elif [ "$status" != 0 ] && [ "$status" != 4 ] && [ "$bad" = 0 ]; then
		fail "$name" "status $status"
	fi
}
