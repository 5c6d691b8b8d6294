# SPDX-License-Identifier: GPL-2.0-only
#
# A running emulator: its start, the command's output on its way to standard
# output, and the verdict when it ends. The second serial port writes into a
# pipe, so that output is live and complete; the console is a file.

PANIC='Kernel panic - not syncing|---\[ end Kernel panic|Attempted to kill init'

# emulator_run START: runs it to its end; sets VERDICT to one of
#   status N | timeout | panic | module NAME | gone, and SPLAT_LINE.
emulator_run()
{
	local deadline pipe panic_at= status_at=

	mkfifo "$TMP/output" || return
	: >"$TMP/console"
	exec {pipe}<>"$TMP/output"
	cat "$TMP/output" {pipe}>&- &
	CAT_PID=$!
	set -m
	( trap - INT TERM HUP EXIT; "$1" ) {pipe}>&- &
	EMU_PID=$!
	set +m
	deadline=$((SECONDS + OPT_TIMEOUT))
	VERDICT=gone

	while kill -0 "$EMU_PID" 2>/dev/null; do
		sleep 0.2 & wait $!
		if [ "$SECONDS" -ge "$deadline" ]; then
			VERDICT=timeout
			emulator_stop
		elif ! kill -0 "$CAT_PID" 2>/dev/null; then
			VERDICT=closed		# nobody reads our standard output
			emulator_stop
		elif [ -n "$status_at$panic_at" ]; then
			[ "$SECONDS" -lt $((${status_at:-$panic_at} + 5)) ] || emulator_stop
		elif grep -aq "testbed-$TOKEN status" "$TMP/console"; then
			status_at=$SECONDS
		elif grep -aqE "$PANIC" "$TMP/console" || emulator_rebooted; then
			panic_at=$SECONDS
		fi
	done
	emulator_stop
	exec {pipe}>&-
	wait "$CAT_PID" 2>/dev/null
	CAT_PID=
	emulator_verdict
}

# The host came up twice: its kernel reset the machine.
emulator_rebooted()
{
	[ "$(grep -ac "testbed-$TOKEN up" "$TMP/console")" -gt 1 ]
}

emulator_verdict()
{
	local line

	SPLAT_LINE=$(report_line splat)
	[ "$VERDICT" = gone ] || return 0
	if line=$(report_line status) && [ -n "$line" ]; then
		VERDICT="status ${line%% *}"
	elif line=$(report_line module) && [ -n "$line" ]; then
		VERDICT="module $line"
	elif grep -aqE "$PANIC" "$TMP/console"; then
		VERDICT=panic
	fi
}

# report_line WORD: what init reported after WORD, on one line.
report_line()
{
	sed -n "s/.*testbed-$TOKEN $1 //p" "$TMP/console" | tr -d '\r' | head -n 1
}

# Bochs runs below script(1), which ends by itself once Bochs has: Bochs is
# ended first, so that nothing is left behind for someone else to reap. It has
# nothing to save and would take its time over a polite signal.
emulator_stop()
{
	local pid i

	[ -n "${EMU_PID:-}" ] || return 0
	if pid=$(cat "$TMP/emulator.pid" 2>/dev/null) && [ -n "$pid" ]; then
		kill -KILL "$pid" 2>/dev/null
	else
		kill -TERM -- "-$EMU_PID" 2>/dev/null
	fi
	for i in {1..20}; do
		kill -0 "$EMU_PID" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL -- "-$EMU_PID" 2>/dev/null
	wait "$EMU_PID" 2>/dev/null
	EMU_PID=
}

# console_keep: moves the console out of the temporary folder; prints its name.
console_keep()
{
	local file

	mkdir -p "$CACHE/consoles"
	file=$CACHE/consoles/$(date +%Y%m%d-%H%M%S)-$OPT_CPU-$OPT_KERNEL-$$.txt
	cp "$TMP/console" "$file"
	ls -t "$CACHE"/consoles/*.txt | tail -n +51 | xargs -r rm -f
	echo "$file"
}

# console_excerpt FILE: the lines that matter most, for standard error: from the
# first complaint after the host was up, or the last ones.
console_excerpt()
{
	local up first

	up=$(grep -an "testbed-$TOKEN up" "$1" | head -n 1 | cut -d: -f1)
	tail -n "+$((${up:-0} + 1))" "$1" >"$TMP/excerpt"
	first=$(grep -anE "$PANIC|$SPLAT" "$TMP/excerpt" | head -n 1 | cut -d: -f1)
	if [ -n "$first" ]; then
		sed -n "$first,$((first + 14))p" "$TMP/excerpt"
	else
		grep -av "testbed-$TOKEN" "$TMP/excerpt" | tail -n 15
	fi
}
