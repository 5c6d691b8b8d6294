# SPDX-License-Identifier: GPL-2.0-only
#
# The table beside this file (expected): reading it, running what it lists in an
# emulated host, and comparing. Sourced after the testbed's cache.sh; making the
# programs is build.sh's business.

KSTABLE=$TOP/tests/kvm-selftests/expected

# table_column NAME: its number in the table.
table_column()
{
	sed -n 's/^# *test *|/test|/p' "$KSTABLE" | tr '|' '\n' | sed 's/^ *//; s/ *$//' |
		grep -nx "$1" | cut -d: -f1
}

# table_rows COLUMN...: the named columns of all rows, joined by |.
table_rows()
{
	local columns= name

	for name; do
		columns+=" $(table_column "$name")"
	done
	awk -F '|' -v columns="$columns" '
		/^ *(#|$)/ { next }
		{
			n = split(columns, c, " ")
			line = ""
			for (i = 1; i <= n; i++) {
				field = $c[i]
				gsub(/^[ \t]+|[ \t]+$/, "", field)
				line = line (i > 1 ? "|" : "") field
			}
			print line
		}' "$KSTABLE"
}

# selftests_run OUT CPU RUN-OPTION...: runs the tests named on standard input, in
# the table's order, and leaves TAP in OUT. Prints nothing.
selftests_run()
{
	local out=$1 cpu=$2 names dir=$TMP/kvm-selftests name limit args factor=1

	shift 2
	names=" $(tr '\n' ' ') "
	[[ $cpu != intel* ]] || factor=3
	rm -rf "$dir"
	mkdir -p "$dir"
	cp "$TOP/tests/kvm-selftests/in-host.sh" "$dir/" || return
	while IFS='|' read -r name limit args; do
		[[ $names == *" $name "* ]] || continue
		cp "$KSELFTESTS/$name" "$dir/" || return
		echo "$name|$((limit * factor))|$args" >>"$dir/plan"
	done < <(table_rows test limit arguments)
	"$TESTBED/run" --cpu "$cpu" --file "$dir:/kvm-selftests" "$@" -- \
		sh /kvm-selftests/in-host.sh >"$out"
}

# selftests_options CPU: the size of the host.
selftests_options()
{
	case $1 in
	amd*)	echo "--smp 2 --spare --mem 2048 --timeout 3000" ;;
	*)	echo "--mem 2048 --timeout 7200" ;;
	esac
}

# tap_word FILE NAME: pass, skip, fail, time or none for one test of a run.
tap_word()
{
	sed 's/\r$//' "$1" | awk -v name="$2" '
		/^(not )?ok / {
			line = $0
			sub(/^(not )?ok [0-9]+ - /, "", line)
			split(line, part, " ")
			if (part[1] != name)
				next
			word = /^not/ ? (/# no end after/ ? "time" : "fail") : (/# SKIP/ ? "skip" : "pass")
		}
		END { print word ? word : "none" }'
}

# table_write NAME KHV KVM: puts results on $CPU into the row; . leaves one alone.
table_write()
{
	awk -F '|' -v OFS='|' -v name="$1" -v khv="$2" -v kvm="$3" \
		-v a="$(table_column "$CPU khv")" -v b="$(table_column "$CPU kvm")" '
		function put(column, word) {
			if (word != "." && word != "none")
				$column = sprintf(" %-*s", length($column) - 1, word)
		}
		{ key = $1; gsub(/[ \t]/, "", key) }
		key == name { put(a, khv); put(b, kvm) }
		{ print }' "$KSTABLE" >"$TMP/expected" && cp "$TMP/expected" "$KSTABLE"
}

# table_markdown: the table and its counts, for the manual.
table_markdown()
{
	local column word

	echo "| test | arguments | amd: khv | amd: KVM | intel: khv | intel: KVM | why not everywhere a pass |"
	echo "| --- | --- | --- | --- | --- | --- | --- |"
	table_rows test arguments "amd khv" "amd kvm" "intel khv" "intel kvm" reason |
		sed 's/^[^|]*/`&`/; s/|/ | /g; s/.*/| & |/'
	echo
	echo "| | pass | skip | fail | time |"
	echo "| --- | --- | --- | --- | --- |"
	for column in "amd khv" "amd kvm" "intel khv" "intel kvm"; do
		printf '| %s |' "$column"
		for word in pass skip fail time; do
			printf ' %s |' "$(table_rows "$column" | grep -cx "$word")"
		done
		echo
	done
}

# table_docs: puts table_markdown where the manual has it.
table_docs()
{
	local doc=$TOP/docs/kvm-selftests.md

	{
		sed '/<!-- table -->/q' "$doc"
		table_markdown
		sed -n '/<!-- end of table -->/,$p' "$doc"
	} >"$doc.new" && mv "$doc.new" "$doc"
}
