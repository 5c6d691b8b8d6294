# SPDX-License-Identifier: GPL-2.0-only
#
# The cache outside the checkout: where it is, how an entry is locked, filled
# once and marked complete, and how long steps are run so that an interrupt
# ends them. What goes into an entry is the business of the other files.

TESTBED=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOP=$(cd "$TESTBED/../.." && pwd)
CACHE=${KHV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/khv}
STEP_PID=

say()
{
	echo "testbed: $*" >&2
}

# die MESSAGE...: the runner itself failed, which is status 125 by contract.
die()
{
	say "$@"
	exit 125
}

# content_key: 16 hex digits naming what stands on standard input.
content_key()
{
	sha256sum | cut -c1-16
}

# tree_key DIR...: names the content of all regular files below DIR...
tree_key()
{
	find "$@" -type f -print0 | LC_ALL=C sort -z |
		xargs -0 -r sha256sum | content_key
}

# step MESSAGE LOG FUNCTION [ARG...]: a step that may be long, in its own process
# group, so that a signal to this script ends it at once (see step_stop). What
# it prints goes to the file LOG, or with - to where this script's output goes.
step()
{
	local msg=$1 log=$2 status=0

	shift 2
	[ -z "$msg" ] || say "$msg"
	set -m
	( trap - INT TERM HUP EXIT
	  [ "$log" = - ] || exec >"$log" 2>&1
	  "$@" ) </dev/null &
	STEP_PID=$!
	set +m
	wait "$STEP_PID" || status=$?
	STEP_PID=
	return "$status"
}

step_stop()
{
	[ -z "$STEP_PID" ] || kill -TERM -- "-$STEP_PID" 2>/dev/null
	STEP_PID=
}

# lock NAME: one holder at a time, until this process ends or calls unlock.
lock()
{
	mkdir -p "$CACHE/locks"
	exec {LOCK_FD}>"$CACHE/locks/$1"
	if ! flock -n "$LOCK_FD"; then
		say "waiting for another run that is preparing $1"
		flock "$LOCK_FD" & wait $!
	fi
}

unlock()
{
	exec {LOCK_FD}>&-
}

# cached DIR MESSAGE FUNCTION [ARG...]: makes sure that DIR is filled. When it
# is not, FUNCTION fills it and its output goes to DIR.log.
cached()
{
	local dir=$1 msg=$2 name

	shift 2
	[ ! -e "$dir/.complete" ] || return 0
	name=$(basename "$dir")
	lock "$name"
	if [ ! -e "$dir/.complete" ]; then
		rm -rf "$dir"
		mkdir -p "$dir"
		if ! step "$msg" "$dir.log" "$@"; then
			tail -n 25 "$dir.log" >&2
			unlock
			say "failed: $msg (whole log: $dir.log)"
			return 1
		fi
		touch "$dir/.complete"
	fi
	unlock
}
