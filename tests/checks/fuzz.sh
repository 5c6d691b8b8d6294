# SPDX-License-Identifier: GPL-2.0-only
#
# Short runs, on the host $CPU, of the programs that run random instructions: what
# the emulator makes of them, what becomes of random states, and of random bytes in
# user mode.

# In QEMU guests end with the first instruction of a random state: more of them make
# QEMU itself end sooner or later. So they do in Bochs, where a guest that spins
# with interrupts off lets the host have none.
case $CPU in
intel*)	DIFF="--count 300 --seconds 60" USER="--count 400 --seconds 60" STATE="--count 200 --seconds 60" ;;
*)	DIFF="--count 5000 --seconds 15" USER="--count 5000 --seconds 15" STATE="--count 2000 --seconds 15" ;;
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
	run state guest-fuzz --mode state --step '"$STATE"'
	run user guest-fuzz --mode user '"$USER"'
	run mutate guest-fuzz --mode mutate '"$USER" >"$WORK/out"
status=$?
cat "$WORK/out"
for name in emulator state user mutate; do
	result=$(awk -v n="$name" '$1 == "@@" && $2 == n { print $3 }' "$WORK/out")
	case $result in
	0)	pass "$name" ;;
	"")	fail "$name" "did not end" ;;
	*)	fail "$name" "status $result" ;;
	esac
done
[ "$status" = 0 ] || fail "host" "status $status"
