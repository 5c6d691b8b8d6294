# SPDX-License-Identifier: GPL-2.0-only
#
# Short runs of what tests/fuzz has for the ioctl interface: random calls, and
# clients killed at random moments.

fuzz()
{
	local name=$1 status

	shift
	"$RUN" "$@" >"$WORK/$name.tap"
	status=$?
	cat "$WORK/$name.tap"
	tap_results "$name" "$status" "$WORK/$name.tap"
}

fuzz amd --cpu amd --smp 2 --spare --timeout 400 -- \
	ioctl-fuzz --seed "$KHV_SEED" --calls 1000000 --seconds 30 --factor 4
fuzz amd-nonpt --cpu amd-nonpt --smp 2 --spare --timeout 400 -- \
	ioctl-fuzz --seed "$KHV_SEED" --calls 1000000 --seconds 30 --factor 4
fuzz kill --cpu amd --smp 2 --spare --timeout 400 -- kill-storm --seed "$KHV_SEED" --kills 20 --factor 4
