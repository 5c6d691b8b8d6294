#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs KVM's selftests inside the host, each with a time limit, and prints TAP:
# what a test prints is a comment before its line. The plan beside this file
# has a line NAME|SECONDS|ARGUMENTS for each.
cd "$(dirname "$0")" || exit
[ -e /dev/kvm ] || { echo "Bail out! There is no /dev/kvm."; exit 1; }

# Tests of clocks want the one that the kernel settles on, a second after its start.
for i in 1 2 3 4 5 6 7 8 9 10; do
	grep -q early /sys/devices/system/clocksource/clocksource0/current_clocksource || break
	sleep 1
done

echo "1..$(wc -l <plan)"
n=0
while IFS='|' read -r name limit args; do
	n=$((n + 1))
	start=$(cut -d. -f1 /proc/uptime)
	timeout -k 10 "$limit" "./$name" $args >out 2>&1 </dev/null
	status=$?
	took=$(($(cut -d. -f1 /proc/uptime) - start))
	killall -9 "$name" 2>/dev/null		# children that it left
	head -c 20000 out | cut -c1-300 | sed 's/^/# /'
	echo "# $name: $took s"
	if [ "$status" = 0 ]; then
		echo "ok $n - $name"
	elif [ "$status" = 4 ]; then
		echo "ok $n - $name # SKIP $(tail -n 1 out)"
	elif [ "$took" -ge "$limit" ]; then
		echo "not ok $n - $name # no end after $limit s"
	else
		echo "not ok $n - $name # status $status"
	fi
done <plan
