# SPDX-License-Identifier: GPL-2.0-only
#
# Short runs, on the host $CPU, of the programs that run random instructions: what
# the emulator makes of them, and what becomes of random bytes and random states.

case $CPU in
intel*)	DIFF="--count 200 --seconds 60" BYTES="--count 300 --seconds 60" ;;
*)	DIFF="--count 5000 --seconds 20" BYTES="--count 5000 --seconds 20" ;;
esac

"$RUN" --cpu "$CPU" --timeout 1200 -- sh -c '
	run()
	{
		name=$1
		shift
		"$@" --seed '"$KHV_SEED"'
		echo "@@ $name $?"
	}
	run emulator emul-diff '"$DIFF"'
	run user guest-fuzz --mode user '"$BYTES"'
	run mutate guest-fuzz --mode mutate '"$BYTES"'
	run state guest-fuzz --mode state '"$BYTES" >"$WORK/out"
status=$?
cat "$WORK/out"
for name in emulator user mutate state; do
	result=$(awk -v n="$name" '$1 == "@@" && $2 == n { print $3 }' "$WORK/out")
	case $result in
	0)	pass "$name" ;;
	"")	fail "$name" "did not end" ;;
	*)	fail "$name" "status $result" ;;
	esac
done
[ "$status" = 0 ] || fail "host" "status $status"
