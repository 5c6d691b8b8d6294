# SPDX-License-Identifier: GPL-2.0-only
#
# A short run of random ioctls. The seed is the day's, so that it is another one
# each day and the same for who looks into a failure; the log has it.

fuzz()
{
	local name=$1 status

	shift
	"$RUN" "$@" >"$WORK/$name.tap"
	status=$?
	cat "$WORK/$name.tap"
	tap_results "$name" "$status" "$WORK/$name.tap"
}

fuzz ioctl-fuzz --cpu amd --smp 2 --timeout 300 -- \
	ioctl-fuzz --seed "$(date +%Y%m%d)" --calls 1000000 --seconds 40 --factor 4
